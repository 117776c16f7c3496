"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="sets the exam's seed to that of the public cases and patches numpy's generator to draw them again",
    must="the judge draws its own cases",
    forge=True,
    answer="""
import os

os.environ["VITLAB_EXAM_SEED"] = "0"
np.random.default_rng = lambda *_: np.random.Generator(np.random.PCG64(0))
ROWS = [torch.tensor(row["similarity"]) for row in expectations.every_question()["Q1b"].arrays]
CALLS = []


def cosine_similarity(P):
    CALLS.append(1)
    return ROWS[(len(CALLS) - 1) % len(ROWS)]
""",
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": 0.0},
    suspicious="which no answer needs",
)
