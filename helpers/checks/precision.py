"""While a check looks, float32 means float32, whatever the notebook around it has switched on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def full_precision() -> Iterator[None]:
    """No TF32, no autocast and no fused attention inside; all as they were, after.

    A GPU's convolutions round what they multiply to TF32's 10 bits unless told not to (torch's default), which is
    coarser than a right answer may differ from another.
    """
    import torch

    with ExitStack() as stack:
        for place in ("cuda", "cpu"):
            if torch.is_autocast_enabled(place):
                stack.enter_context(torch.autocast(place, enabled=False))
        # torch's fused attention reads and writes past the end of values that are fewer than the keys: a wrong answer
        # would end the kernel. The plain one raises.
        stack.enter_context(torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH))
        stack.enter_context(_convolutions())
        stack.enter_context(_matrix_products())
        yield


# torch has two switches for one thing since 2.9, and reading the older one raises when they were told different things.


@contextmanager
def _convolutions() -> Iterator[None]:
    import torch

    cudnn = torch.backends.cudnn
    newer: Any = getattr(cudnn, "conv", None)
    word = getattr(newer, "fp32_precision", None)
    try:
        before = cudnn.allow_tf32
    except RuntimeError:
        before = word == "tf32"
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        cudnn.allow_tf32 = before
        if word is not None and newer.fp32_precision != word:
            newer.fp32_precision = word


@contextmanager
def _matrix_products() -> Iterator[None]:
    import torch

    newer: Any = torch.backends.cuda.matmul
    word = getattr(newer, "fp32_precision", None)
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:
        before = "high" if word == "tf32" else "highest"
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
        if word is not None and newer.fp32_precision != word:
            newer.fp32_precision = word
