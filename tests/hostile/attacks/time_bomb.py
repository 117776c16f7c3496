"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="loops for ever inside the answer",
    must="the cell is interrupted, the other answers count",
    answer="""
def cosine_similarity(P):
    while True:
        pass
""",
    status=("timeout",),
)
