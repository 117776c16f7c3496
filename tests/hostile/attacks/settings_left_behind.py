"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="changes settings of the whole process, so that the checks behind it see other numbers",
    must="earns nothing, and the honest answers around it keep their credit",
    answer="""
import warnings
import numpy as np

torch.set_default_dtype(torch.float64)
torch.set_grad_enabled(False)
torch.set_printoptions(precision=1)
np.seterr(all="raise")
np.random.seed(1)
warnings.simplefilter("error")
print("settings changed")


def cosine_similarity(P):
    torch.set_default_dtype(torch.float16)
    torch.manual_seed(1)
    return None
""",
    prints=("settings changed",),
)
