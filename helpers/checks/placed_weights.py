"""Drawn weights for layers whose names and layout are the student's own.

A judge can compare values only when the weights are known. So a probe draws them, and puts them where they fit: a
matrix is known by its shape, a query, key or value also by its name, a norm by when it is called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

Weights = Mapping[str, np.ndarray]
_PREFIX = re.compile(r"^(to|w|lin|linear|fc|proj)_?(?=[qkv])")


def draw_weights(seed: int, d: int, hidden: int) -> dict[str, np.ndarray]:
    """Matrices (out, in) and vectors for a block of width d. The feed-forward's first biases are far from zero, so that
    the activation there is either wide open or shut."""
    rng = np.random.default_rng(seed)
    one: dict[str, np.ndarray] = {}
    for name, out, into, size in (
        ("q", d, d, 1.6),
        ("k", d, d, 1.6),
        ("v", d, d, 1.0),
        ("o", d, d, 1.0),
        ("w1", hidden, d, 1.0),
        ("w2", d, hidden, 0.2),
    ):
        one[name] = rng.normal(0, size / np.sqrt(into), (out, into))
    for name in ("bq", "bk", "bv", "bo", "b2"):
        one[name] = rng.normal(0, 0.3, d)
    one["b1"] = 12.0 * rng.permutation(np.where(np.arange(hidden) % 2, 1.0, -1.0))
    for name in ("norm1", "norm2"):
        one[name], one[f"b{name}"] = rng.uniform(0.5, 1.5, d), rng.normal(0, 0.4, d)
    return {name: array.astype(np.float32) for name, array in one.items()}


def own_parameters(module: Any) -> dict[str, Any]:
    """A module's parameters without those of its parts."""
    return dict(module.named_parameters(recurse=False)) if hasattr(module, "named_parameters") else {}


def learned(model: Any, out: Any) -> int:
    """How many numbers of the module `out` was made with, and can learn from."""
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad] if hasattr(model, "parameters") else []
    if not parameters or not getattr(out, "requires_grad", False):
        return 0
    aim = torch.linspace(0.5, 2, out.numel(), device=out.device, dtype=out.dtype).reshape(out.shape)
    found = torch.autograd.grad((out * aim).sum(), parameters, allow_unused=True, retain_graph=True)
    return sum(p.numel() for p, g in zip(parameters, found, strict=True) if g is not None)


def norm_parameters(model: Any, d: int) -> tuple[Any, Any]:
    """The factor and the summand of a norm of width d, by what they start as, else by name, else None."""
    found = [(n.lower(), p) for n, p in getattr(model, "named_parameters", dict)() if p.numel() == d] or []
    factor = [p for n, p in found if bool((p == 1).all())] or [p for n, p in found if n[:1] in "wgsa"]
    summand = [p for n, p in found if bool((p == 0).all())] or [p for n, p in found if n[:1] in "b"]
    return (factor or [None])[0], (summand or [None])[0]


def place_feed_forward(model: Any, weights: Weights, *, turned: bool) -> None:
    """Put w1 b1 w2 b2 where their shapes fit; `turned` for matrices that are kept as (in, out)."""
    hidden, d = weights["w1"].shape
    for _, parameter in _named(model):
        _put_feed_forward(parameter, weights, hidden, d, turned=turned)


def place_block(model: Any, x: Any, weights: Weights, *, turned: bool) -> None:
    """Put all weights of a block where they fit; the first norm that is called on x gets norm1."""
    hidden, d = weights["w1"].shape
    for number, norm in enumerate(norms_as_called(model, x, d)[:2], 1):
        factor, summand = norm_parameters(norm, d)
        put(factor, weights[f"norm{number}"])
        put(summand, weights[f"bnorm{number}"])
    stacked = np.concatenate([weights[k] for k in ("q", "k", "v")])
    stacked_bias = np.concatenate([weights[k] for k in ("bq", "bk", "bv")])
    for prefix, module in getattr(model, "named_modules", list)():
        own = own_parameters(module)
        if not any(p.ndim >= 2 for p in own.values()):
            continue
        shapes = {_squeezed(p) for p in own.values()}
        for name, parameter in own.items():
            shape, role = _squeezed(parameter), _role(f"{prefix}.{name}")
            if shape == (3 * d, d):
                put(parameter, stacked)
            elif shape == (3 * d,):
                put(parameter, stacked_bias)
            elif shape == (d, d):
                put(parameter, weights[role])
            elif shape == (d,) and (d, d) in shapes:
                put(parameter, weights[f"b{role}"])
            else:
                _put_feed_forward(parameter, weights, hidden, d, turned=turned)


def norms_as_called(model: Any, x: Any, d: int) -> list[Any]:
    """Modules that hold a factor and a summand and nothing else, each once, in the order in which they are called."""
    if not hasattr(model, "modules"):
        return []
    called: list[Any] = []
    handles = [
        module.register_forward_hook(lambda norm, *_: None if norm in called else called.append(norm))
        for module in model.modules()
        if own_parameters(module) and all(_squeezed(p) == (d,) for p in own_parameters(module).values())
    ]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return called


def put(parameter: Any, values: np.ndarray) -> None:
    """Overwrite a parameter, whatever its dtype and device; nothing happens where it is None."""
    import torch

    if parameter is not None:
        with torch.no_grad():
            parameter.copy_(torch.as_tensor(np.ascontiguousarray(values)).reshape(parameter.shape).to(parameter))


def _put_feed_forward(parameter: Any, weights: Weights, hidden: int, d: int, *, turned: bool) -> None:
    shape = _squeezed(parameter)
    fits = {
        (hidden, d): weights["w2"].T if turned else weights["w1"],
        (d, hidden): weights["w1"].T if turned else weights["w2"],
        (hidden,): weights["b1"],
        (d,): weights["b2"],
    }
    if shape in fits:
        put(parameter, fits[shape])


def _named(model: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(model, "named_parameters", list)()


def _squeezed(parameter: Any) -> tuple[int, ...]:
    return tuple(int(n) for n in parameter.shape if n != 1)


def _role(name: str) -> str:
    """q, k, v or o, from names such as `0.fn.1.queries.weight`, `to_k.weight`, `projection.weight`."""
    for part in reversed(name.lower().split(".")[:-1]):
        part = _PREFIX.sub("", part)
        if part[:1] in ("q", "k", "v"):
            return part[0]
        if part[:1] in ("o", "p"):
            break
    return "o"
