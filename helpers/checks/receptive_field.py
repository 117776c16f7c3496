"""Which pixels each token depends on, whatever the layers between are called: by gradients, with norms switched off.

A norm in training mode, and a group norm always, connects all positions by their mean and spread. To see what
convolutions connect, norms return their input here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_NORMS = ("batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm")


@contextmanager
def still_norms(model: Any) -> Iterator[None]:
    """Inside, norms give back what they were given: torch's functions, and modules without parts that are called so."""
    from torch.overrides import TorchFunctionMode

    class Still(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            kwargs = kwargs or {}
            if getattr(function, "__name__", "") in _NORMS:
                return args[0] if args else kwargs["input"]
            return function(*args, **kwargs)

    handles = [
        module.register_forward_hook(_unchanged)
        for module in (model.modules() if hasattr(model, "modules") else ())
        if "norm" in type(module).__name__.lower() and not list(module.children())
    ]
    try:
        with Still():
            yield
    finally:
        for handle in handles:
            handle.remove()


def _unchanged(_module: Any, given: tuple[Any, ...], out: Any) -> Any:
    same = given and getattr(given[0], "shape", None) == getattr(out, "shape", ())
    return given[0] if same else out


def slopes(model: Any, image: Any, aim: np.ndarray) -> Any:
    """(n, c, h, w): the gradient of each token, weighted by `aim` (d), with respect to `image` (c, h, w).

    Token k is read from copy k of the image, so that one backward pass serves all. No copy may depend on another.
    """
    import torch

    with torch.no_grad():
        n = model(image[None]).shape[1]
    copies = image.expand(n, *image.shape).clone().requires_grad_()
    tokens = model(copies)
    own = torch.diagonal(tokens.float(), dim1=0, dim2=1)  # d n
    if not own.requires_grad:
        return torch.zeros_like(copies)
    weight = torch.as_tensor(aim).to(own)[:, None]
    (found,) = torch.autograd.grad((own * weight).sum(), copies, allow_unused=True)
    return torch.zeros_like(copies) if found is None else found


def influence(model: Any, image: Any, aim: np.ndarray) -> Any:
    """(n, h, w): the size of these gradients, summed over the channels."""
    return slopes(model, image, aim).detach().abs().sum(1)


def windows(field: Any, patch: int, which: list[tuple[int, int, int]]) -> Any:
    """Cut the patch of a token and the eight patches around it out of its field.

    Args:
        field: (n, c, h, w), such as the gradients of `slopes`.
        which: number, row and column of each token.

    Returns:
        (tokens, c, 3 patch, 3 patch).
    """
    import torch

    cuts = [
        field[k, :, patch * (row - 1) : patch * (row + 2), patch * (column - 1) : patch * (column + 2)]
        for k, row, column in which
    ]
    return torch.stack(cuts)


def inner_tokens(rows: int, columns: int) -> list[tuple[int, int, int]]:
    """Number, row and column of every token whose eight neighbours lie inside the image."""
    return [(r * columns + c, r, c) for r in range(1, rows - 1) for c in range(1, columns - 1)]


def by_patch(pixels: Any, patch: int) -> Any:
    """(n, h, w) -> (n, h / patch, w / patch): what falls into each patch, in shares of all."""
    n, h, w = pixels.shape
    cells = pixels.reshape(n, h // patch, patch, w // patch, patch).sum((2, 4))
    return cells / cells.sum((1, 2), keepdim=True).clamp(min=1e-30)
