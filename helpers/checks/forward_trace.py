"""Watching a model from outside: every tensor it makes, and how much each token has to do with what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np


def tensors_made(model: Any, x: Any) -> tuple[Any, list[Any]]:
    """The model's output, and all tensors of floats that torch functions gave on the way, in order."""
    import torch
    from torch.overrides import TorchFunctionMode

    made: list[Any] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            for one in out if isinstance(out, tuple | list) else (out,):
                if isinstance(one, torch.Tensor) and one.is_floating_point():
                    made.append(one)
            return out

    with Watch():
        out = model(x)
    return out, made


def token_pull(out: Any, made: list[Any], aim: Any, batch: int, tokens: int) -> np.ndarray:
    """(tokens,) shares: how much `out` depends on each token where tokens meet for the last time; (0,) if never.

    The axis of the tokens is the one that is `tokens` long, so batch first and sequence first are the same.
    """
    import torch

    together = [t for t in made if t.ndim == 3 and {batch, tokens} <= set(t.shape) and t.requires_grad]
    if not together or not out.requires_grad:
        return np.zeros(0)
    slopes = torch.autograd.grad((out * aim.to(out)).sum(), together, allow_unused=True, retain_graph=True)
    for t, slope in zip(reversed(together), reversed(slopes), strict=True):
        if slope is not None:
            weight = (slope * t).abs().movedim(list(t.shape).index(tokens), 0).flatten(1).sum(1)
            return (weight / weight.sum().clamp(min=1e-30)).detach().cpu().numpy()
    return np.zeros(0)


def class_token_on_its_way(made: list[Any], batch: int, tokens: int, width: int, most: int = 8) -> np.ndarray:
    """(k, batch, width): token 0 from where all tokens of this width are together for the last time to the end."""
    import torch

    found: list[Any] = []
    for t in made:
        if t.ndim == 3 and sorted(t.shape) == sorted((batch, tokens, width)):
            axes = [list(t.shape).index(size) for size in (batch, tokens, width)]
            found = [t.permute(axes)[:, 0]]
        elif sorted(n for n in t.shape if n != 1) == sorted((batch, width)):
            flat = t.reshape([n for n in t.shape if n != 1])
            found.append(flat if flat.shape[0] == batch else flat.mT)
    if not found:
        return np.zeros((0, batch, width), np.float32)
    return torch.stack([t.detach().float() for t in (found[:1] + found[1:][-most:])]).cpu().numpy()
