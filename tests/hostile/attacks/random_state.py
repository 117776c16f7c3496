"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="fixes and breaks every random state: seeds, getstate that raises, generators that repeat",
    must="cases are drawn from a generator of their own, in the judge",
    answer="""
import random

import numpy as np

random.seed(0), np.random.seed(0), torch.manual_seed(0)
random.random = lambda: 0.5
torch.rand = torch.randn = torch.zeros
np.random.rand = lambda *a: np.zeros(a)


def cosine_similarity(P):
    torch.manual_seed(1)
    return torch.randn(len(P), len(P))
""",
)
