"""Where tensors live, and how a run is made repeatable."""

from __future__ import annotations

import os
import random

import numpy as np
import torch


def device() -> torch.device:
    """The fastest device there is: `VITLAB_DEVICE` when set, else CUDA, else Apple's MPS, else the CPU.

    Raises:
        ValueError: `VITLAB_DEVICE` is no device that torch knows.
    """
    wish = os.environ.get("VITLAB_DEVICE", "").strip()
    if wish:
        try:
            return torch.device(wish)
        except RuntimeError as error:
            raise ValueError(
                f"VITLAB_DEVICE is {wish!r}, which torch does not know. Use cpu, cuda, cuda:1 or mps, or unset it."
            ) from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def seed_everything(seed: int = 0) -> None:
    """Seed the generators of Python, numpy and torch (on every device)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
