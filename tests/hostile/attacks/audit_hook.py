"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="adds an audit hook that raises on every import and open from then on",
    must="it breaks what is its own",
    before="""
import sys

attempt("hook", lambda: 1)


def hook(event, arguments):
    if event in ("open", "import", "compile"):
        raise RuntimeError("no")


sys.addaudithook(hook)
""",
    done=("hook",),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": None},
    status=("graded", "timeout", "died", "protocol"),
)
