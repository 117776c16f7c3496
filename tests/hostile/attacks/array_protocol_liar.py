"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="returns objects whose __array__, __array_interface__ and __len__ lie or point to memory not theirs",
    must="what is recorded are numbers, or the kernel falls over them alone",
    answer="""
class Interface:
    __array_interface__ = {"shape": (64,), "typestr": "<f4", "data": (16, True), "version": 3}


class Protocol:
    calls = 0

    def __array__(self, dtype=None, copy=None):
        import numpy as np

        Protocol.calls += 1
        return np.ones((Protocol.calls, 3), "float32")

    def __len__(self):
        return 2**62


CALLS = []


def cosine_similarity(P):
    CALLS.append(1)
    return Interface() if len(CALLS) == 5 else Protocol()
""",
    status=("graded", "died"),
)
