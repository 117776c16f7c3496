"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="returns the shipped arrays of the public case of the nearest size, with three per cent of noise",
    must="fails on the secret cases",
    answer="""
import numpy as np
from helpers.checks import expectations
from helpers.checks.question import public_rng
from helpers.questions import find

CASES = list(find("Q1b").cases(public_rng("Q1b")))
ROWS = expectations.every_question()["Q1b"].arrays


def cosine_similarity(P):
    exact = [i for i, case in enumerate(CASES) if np.shape(case["P"]) == tuple(P.shape)
             and np.allclose(case["P"], P)]
    n = len(P)
    whole = np.asarray(max((row["similarity"] for row in ROWS), key=len), np.float32)
    if exact:
        return torch.tensor(ROWS[exact[0]]["similarity"])
    found = np.resize(whole, (n, n))
    return torch.tensor(found * (1 + 0.03 * np.random.randn(n, n).astype("float32")))
""",
    suspicious="helpers.checks",
)
