"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import ZEROS, Attack

ATTACK = Attack(
    attempts="makes torch.allclose, torch.equal, numpy.allclose, isclose and array_equal always true",
    must="the comparison is made in another process",
    answer=ZEROS,
    before="""
import numpy as np

for module in (torch, np, torch.testing):
    for name in ("allclose", "equal", "isclose", "array_equal", "assert_close"):
        if hasattr(module, name):
            setattr(module, name, lambda *a, **k: True)
attempt("poison", lambda: np.allclose(0, 1) and torch.equal(0, 1))
""",
    done=("poison",),
)
