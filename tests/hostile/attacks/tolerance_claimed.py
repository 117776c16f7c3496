"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import ZEROS, Attack

ATTACK = Attack(
    attempts="claims tolerances of infinity, NaN and minus one, with constant arrays of the right shape",
    must="a record's word on its tolerance is bounded by what half precision deserves",
    forge=True,
    answer=ZEROS,
    before="""
import sys

machinery = sys.modules["helpers.checks.check"]

plain = machinery.encode


def encode(answer):
    if answer.question == "Q1b":
        for content, claim in zip(answer.cases.values(), (float("inf"), float("nan"), -1.0, 1e30) * 9):
            content.tolerance = claim
    return plain(answer)


machinery.encode = encode
attempt("patch encode", lambda: machinery.encode is encode)
""",
    done=("patch encode",),
)
