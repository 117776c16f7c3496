"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="gives a 2 GB answer that takes no memory: one number, expanded to (2**14, 2**15)",
    must="the sandbox's memory and the record's size are bounded, and the other answers count",
    answer="""
def cosine_similarity(P):
    return torch.zeros(1).expand(2**14, 2**15)
""",
    status=("graded", "died", "memory", "output_limit"),
)
