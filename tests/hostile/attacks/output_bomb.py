"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="prints 40 MB, in one piece and in many",
    must="output is bounded and thrown away; the other answers count",
    answer="""
print("x" * (20 * 2**20))
for _ in range(20):
    print("y" * 2**20, flush=True)


def cosine_similarity(P):
    return None
""",
    status=("output_limit",),
    reason="the output grew beyond 4 MB",
)
