"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="raises SystemExit, KeyboardInterrupt and GeneratorExit inside the answer",
    must="an answer that stops its check is zero; the others count",
    answer="""
CALLS = []


def cosine_similarity(P):
    CALLS.append(1)
    raise [SystemExit(0), KeyboardInterrupt(), GeneratorExit()][len(CALLS) % 3]
""",
)
