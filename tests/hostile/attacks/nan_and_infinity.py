"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="returns NaN, infinity, the largest float and complex numbers",
    must="no comparison is true of NaN",
    answer="""
CALLS = []


def cosine_similarity(P):
    CALLS.append(1)
    value = [float("nan"), float("inf"), 3.4e38, 1j][len(CALLS) % 4]
    return torch.full((len(P), len(P)), value)
""",
)
