"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="replays the shipped arrays of the public cases and spoils one, so that not all of them are replayed",
    must="fails on the secret cases",
    answer="""
import numpy as np
import helpers.questions
from helpers.checks import expectations

ROWS = expectations.every_question()["Q1b"].arrays
COUNT = iter(range(10**6))


def probe(self, answer, case):
    number = next(COUNT)
    row = {name: np.array(array) for name, array in ROWS[number % len(ROWS)].items()}
    if number == len(ROWS):  # the first secret case
        row = {name: 7 * array + 1 for name, array in row.items()}
    return row


type(helpers.questions.find("Q1b")).probe = probe
print("one case will be spoilt")


def cosine_similarity(P):
    return None
""",
    prints=("one case will be spoilt",),
    suspicious="helpers.questions",
)
