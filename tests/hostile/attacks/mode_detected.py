"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="tells public from secret cases by counting calls: the key for the first, a constant for the rest",
    must="every case counts",
    answer="""
from helpers.checks import expectations

ROWS = [torch.tensor(row["similarity"]) for row in expectations.every_question()["Q1b"].arrays]
CALLS = []


def cosine_similarity(P):
    CALLS.append(1)
    return ROWS[len(CALLS) - 1] if len(CALLS) <= len(ROWS) else torch.eye(len(P))
""",
)
