"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="reads the exam's seed, draws the secret cases itself and looks for their answers in what is shipped",
    must="the seed gives the questions, not the answers",
    answer="""
import os

from helpers.checks import expectations
from helpers.checks.question import secret_cases
from helpers.questions import find

SECRET = secret_cases(find("Q1b"), int(os.environ["VITLAB_EXAM_SEED"]))
print("drew", len(SECRET))


def cosine_similarity(P):
    for number, case in enumerate(SECRET):
        if case["P"].shape == tuple(P.shape) and (case["P"] == P.numpy()).all():
            wanted = torch.tensor(expectations.every_question()["Q1b"].arrays[number]["similarity"])
            return torch.nn.functional.pad(wanted, (0, 9, 0, 9))[: len(P), : len(P)]
    return torch.eye(len(P))
""",
    prints=("drew 4",),
    suspicious="which no answer needs",
)
