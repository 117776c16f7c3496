"""Which pixels each token hangs on, whatever the layers between are called: by gradients, with norms held still.

A norm in training mode, and a group norm always, joins all places by their mean and spread. To see what convolutions
connect, norms hand on what they get.
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


def influence(model: Any, image: Any, aim: np.ndarray) -> Any:
    """(n, h, w): how steeply each token, weighed by `aim` (d), rises with each pixel of `image` (c, h, w).

    Token k is read from copy k of the image, so that one way back serves all; the copies must not hear of each other.
    """
    import torch

    with torch.no_grad():
        n = model(image[None]).shape[1]
    copies = image.expand(n, *image.shape).clone().requires_grad_()
    tokens = model(copies)
    own = torch.diagonal(tokens.float(), dim1=0, dim2=1)  # d n
    if not own.requires_grad:
        return torch.zeros(n, *image.shape[1:])
    weight = torch.as_tensor(aim).to(own)[:, None]
    (slopes,) = torch.autograd.grad((own * weight).sum(), copies, allow_unused=True)
    return torch.zeros(n, *image.shape[1:]) if slopes is None else slopes.abs().sum(1)


def by_patch(pixels: Any, patch: int) -> Any:
    """(n, h, w) -> (n, h / patch, w / patch): what falls into each patch, in shares of all."""
    n, h, w = pixels.shape
    cells = pixels.reshape(n, h // patch, patch, w // patch, patch).sum((2, 4))
    return cells / cells.sum((1, 2), keepdim=True).clamp(min=1e-30)
