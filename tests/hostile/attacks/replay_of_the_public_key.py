"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="looks its arguments up among the public cases and returns their key, else the nearest one",
    must="fails on the secret cases",
    answer="""
from helpers.checks import expectations
from helpers.checks.question import public_rng
from helpers.questions import find

CASES = list(find("Q1b").cases(public_rng("Q1b")))
ROWS = expectations.every_question()["Q1b"].arrays


def cosine_similarity(P):
    near = min(range(len(CASES)), key=lambda i: abs(len(CASES[i]["P"]) - len(P)) + (CASES[i]["P"].shape != P.shape))
    return torch.tensor(ROWS[near]["similarity"])
""",
    prints=(),
)
