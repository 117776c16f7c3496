"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="returns half precision, for which a difference of two per cent was once allowed, and says it is right",
    must="earns nothing: the judge's tolerance does not depend on the answer's dtype",
    answer="""
def cosine_similarity(P):
    return (torch.ones(len(P), len(P)) * 0.5).half()
""",
)
