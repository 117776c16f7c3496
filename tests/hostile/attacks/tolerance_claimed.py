"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import ZEROS, Attack

ATTACK = Attack(
    attempts="claims half precision for constant arrays of the right shape, and a tolerance of its own beside them",
    must="a record has no say in its tolerance",
    forge=True,
    answer=ZEROS,
    before="""
import sys

machinery = sys.modules["helpers.checks.check"]

plain = machinery.encode


def encode(answer):
    if answer.question == "Q1b":
        for content in answer.cases.values():
            content.tolerance = float("inf")
            content.dtypes = {name: "float16" for name in content}
    return plain(answer)


machinery.encode = encode
attempt("patch encode", lambda: machinery.encode is encode)
""",
    done=("patch encode",),
)
