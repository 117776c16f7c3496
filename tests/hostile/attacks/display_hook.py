"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="replaces sys.displayhook, so that every result reads 3.0",
    must="text is no score",
    before="""
import sys

plain = sys.displayhook


class Hook(type(plain)):
    def write_format_data(self, data, metadata=None):
        super().write_format_data({"text/plain": "3.0", "text/html": "<b>3 / 3</b>"}, metadata)


attempt("replace the hook", lambda: setattr(plain, "__class__", Hook))
""",
    scores={"Q1": None, "Q1b": 0.0, "Q1c": None},
    suspicious="recorded nothing|",
)
