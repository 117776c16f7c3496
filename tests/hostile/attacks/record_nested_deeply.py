"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="hands in a record whose header nests a hundred thousand lists",
    must="a record that can't be read is zero with its reason",
    forge=True,
    before="""
import sys

machinery = sys.modules["helpers.checks.check"]

plain = machinery.encode
deep = raw_safetensors(b"[" * 100_000 + b"]" * 100_000)
machinery.encode = lambda answer: deep if answer.question == "Q1b" else plain(answer)
attempt("nest", lambda: len(deep))
""",
    done=("nest",),
    reason="header is not readable",
)
