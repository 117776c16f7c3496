"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="replaces helpers and helpers.checks in sys.modules by modules whose check says 3.0",
    must="a check that recorded nothing is zero",
    before="""
import sys
import types


class Full(float):
    score = points = 3.0


class Fake(types.ModuleType):
    def __getattr__(self, name):
        return lambda *a, **k: Full(3.0)


for name in [name for name in sys.modules if name.split(".")[0] == "helpers"]:
    sys.modules[name] = Fake(name)
check = lambda question, answer: Full(3.0)
attempt("replace", lambda: __import__("helpers").check("Q1b", None))
""",
    done=("replace",),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": 0.0},
    suspicious="recorded nothing",
)
