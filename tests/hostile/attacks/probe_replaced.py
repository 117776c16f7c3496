"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="replaces the question's probe and hands in the shipped arrays of the public cases",
    must="fails on the secret cases, and is named under look twice",
    answer="""
import helpers.questions
from helpers.checks import expectations

ROWS = expectations.every_question()["Q1b"].arrays
COUNT = iter(range(10**6))
type(helpers.questions.find("Q1b")).probe = lambda self, answer, case: dict(ROWS[next(COUNT) % len(ROWS)])
print("the probe is replaced")


def cosine_similarity(P):
    return None
""",
    prints=("the probe is replaced",),
    suspicious="helpers.questions",
)
