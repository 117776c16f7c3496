"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="walks the garbage collector's heap for arrays and expectations that fit",
    must="expected arrays of the secret cases are in no process that runs student code",
    answer="""
import gc

import numpy as np


def cosine_similarity(P):
    n = len(P)
    for thing in gc.get_objects():
        values = thing.values() if type(thing) is dict else thing if type(thing) in (list, tuple) else ()
        for value in list(values)[:200]:
            if type(value) is np.ndarray and value.shape == (n, n) and value.dtype == np.float32 and value.any():
                return torch.tensor(value)
    return torch.zeros(n, n)
""",
    status=("graded", "timeout"),
)
