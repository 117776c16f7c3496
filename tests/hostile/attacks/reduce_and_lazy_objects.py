"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="returns objects with a __reduce__ that creates a file, generators and lazy arrays",
    must="only plain arrays are recorded, and nothing is unpickled",
    answer="""
import os


class Bomb:
    def __reduce__(self):
        return os.system, ("touch @PWNED@",)


CALLS = []


def cosine_similarity(P):
    CALLS.append(1)
    return [Bomb(), (x for x in P), range(10**12), torch.zeros(3).to_sparse(), map(abs, [1])][len(CALLS) % 5]
""",
    status=("graded", "died", "memory", "timeout"),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": 1.0},
)
