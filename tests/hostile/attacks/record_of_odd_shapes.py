"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="hands in arrays whose shapes are huge and hold nothing, or broadcast to far more than memory",
    must="a judge trusts no shape; wrong is wrong",
    forge=True,
    before="""
import sys

machinery = sys.modules["helpers.checks.check"]
from helpers.checks.wire_format import Arrays

plain = machinery.encode
shapes = [(2**40, 0), (0, 2**40), (100_000, 1), (1, 100_000), (0,), (), (1,) * 30, (2**20, 0, 2**20)]


def encode(answer):
    if answer.question != "Q1b":
        return plain(answer)
    cases = {}
    for i, case in enumerate(answer.cases):
        odd = np.broadcast_to(np.float32(0), shapes[i % len(shapes)])
        cases[case] = Arrays({"similarity": odd, "P": odd})
    return plain(type(answer)("Q1b", cases))


machinery.encode = encode
attempt("patch encode", lambda: machinery.encode is encode)
""",
    done=("patch encode",),
)
