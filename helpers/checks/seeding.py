"""Random state while a probe runs: fixed inside, the student's own put back.

`torch.manual_seed` notes a stack trace for every kind of accelerator that has not been started, to seed it when it is:
ten times the cost of the seeding, and kept for the life of the process. Here only the device in use is seeded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def seed_torch(seed: int) -> None:
    """Seed torch's generators of the CPU and of the device that checks run on."""
    import torch

    torch.default_generator.manual_seed(seed)
    if accelerator := _accelerator():
        accelerator.manual_seed(seed)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Python's, numpy's and torch's generators seeded inside, as they were after."""
    import torch

    accelerator = _accelerator()
    theirs = accelerator.get_rng_state() if accelerator else None
    python, numpy_, torch_ = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    seed_torch(seed)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_)
        torch.set_rng_state(torch_)
        if accelerator:
            accelerator.set_rng_state(theirs)


def _accelerator() -> Any:
    """`torch.cuda`, `torch.mps` or the like, where checks run on one; None for the CPU."""
    import torch

    from helpers.device import device

    kind = device().type
    return None if kind == "cpu" else getattr(torch, kind, None)
