"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="hands in the honest record of Q1 under Q1b",
    must="a record names its question",
    before="""
import sys

machinery = sys.modules["helpers.checks.check"]

plain = machinery.encode
kept = []


def encode(answer):
    if answer.question == "Q1":
        kept.append(plain(answer))
    if answer.question == "Q1b":
        return plain(type(answer)("Q1", answer.cases))
    return plain(answer)


machinery.encode = encode
attempt("patch encode", lambda: machinery.encode is encode)
""",
    done=("patch encode",),
    reason="answer of question 'Q1' found under 'Q1b'",
)
