"""Drawn kernels for convolutions that have a role (query, key, value; theta, phi, g), found by name, shape or order."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from helpers.checks.placed_weights import own_parameters, put

Kernels = Mapping[str, np.ndarray]  # role -> (out, in, k, k)
ATTENTION = {"query": ("q", "wq"), "key": ("k", "wk"), "value": ("v", "wv")}
NON_LOCAL = {
    "theta": ("th", "q", "wq"),
    "phi": ("ph", "k", "wk"),
    "g": ("g", "v", "wv"),
    "W_z": ("w", "z", "o", "proj", "last"),
}
_NOT_A_ROLE = ("kernel", "weight", "weights", "bias", "conv", "convs")


def place_kernels(model: Any, kernels: Kernels, words: Mapping[str, tuple[str, ...]], *, gates: bool = False) -> None:
    """Put each kernel where it belongs, all biases to zero, norms to one, and with `gates` single numbers too.

    A kernel may be kept as (out, in, k, k), (out, in·k·k) or (in·k·k, out), or those of one shape stacked in one array.
    Which is which is told by the name, else by the shape, else by the order in which they were made.
    """
    matrices = []
    sizes = {kernel.size for kernel in kernels.values()}
    alike = [kernel for kernel in kernels.values() if kernel.shape == next(iter(kernels.values())).shape]
    stacked = np.concatenate(alike)
    for module in getattr(model, "modules", list)():
        own = own_parameters(module)
        is_norm = bool(own) and all(p.ndim < 2 for p in own.values()) and "weight" in own
        if hasattr(module, "reset_running_stats"):
            module.reset_running_stats()
        for name, parameter in own.items():
            if parameter.ndim < 2 or parameter.numel() not in (*sizes, stacked.size):
                one = (gates and parameter.numel() == 1) or (is_norm and name == "weight")
                put(parameter, np.full(parameter.shape, float(one), np.float32))
    for name, parameter in getattr(model, "named_parameters", list)():
        if parameter.ndim >= 2 and parameter.numel() == stacked.size and len(parameter) == len(stacked):
            put(parameter, stacked)
        elif parameter.ndim >= 2 and parameter.numel() in sizes:
            matrices.append((role_of(name, words), parameter))
    left = dict(kernels)
    for role, parameter in matrices:
        if role in left and parameter.numel() == left[role].size:
            put(parameter, _laid(parameter, left.pop(role)))
    for role, parameter in matrices:
        if role in kernels and role not in left and parameter.numel() == kernels[role].size:
            continue
        fits = [r for r, kernel in left.items() if _shape(parameter)[0] == len(kernel)] or list(left)
        fits = [r for r in fits if left[r].size == parameter.numel()]
        if fits:
            put(parameter, _laid(parameter, left.pop(fits[0])))


def role_of(name: str, words: Mapping[str, tuple[str, ...]]) -> str:
    """The role that a parameter's name speaks of, or ""."""
    spoken = [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    for word in reversed(spoken):
        if word not in _NOT_A_ROLE:
            for role, starts in words.items():
                if word.startswith(starts):
                    return role
    return ""


def _shape(parameter: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in parameter.shape)


def _laid(parameter: Any, kernel: np.ndarray) -> np.ndarray:
    """The kernel, turned over where it is kept as (in·k·k, out)."""
    flat = kernel.reshape(len(kernel), -1)
    shape = _shape(parameter)
    return flat.T if shape != flat.shape and shape == flat.T.shape else kernel
