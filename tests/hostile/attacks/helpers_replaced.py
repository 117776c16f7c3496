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


def says_full(*a, **k):
    return Full(3.0)


class Fake(types.ModuleType):
    def own(self, name):
        return says_full

    def __getattr__(self, name):
        return says_full


for name in [name for name in sys.modules if name.split(".")[0] == "helpers"]:
    sys.modules[name] = Fake(name)
check = says_full
attempt("replace", lambda: __import__("helpers").check("Q1b", None))
attempt("look up", lambda: sys.modules["helpers.checks.undefined_names"].own("check")("Q1b", None))
""",
    done=("replace", "look up"),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": 0.0},
    suspicious="recorded nothing",
)
