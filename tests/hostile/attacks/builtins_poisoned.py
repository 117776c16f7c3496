"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import ZEROS, Attack

ATTACK = Attack(
    attempts="replaces len, max, min, sum, all, any, isinstance, float, round and abs in builtins",
    must="zero for the attack; what it destroys of its own is its own",
    answer=ZEROS,
    before="""
import builtins

attempt("poison", lambda: None)
for name in ("max", "sum", "all", "any", "round", "abs", "sorted"):
    setattr(builtins, name, lambda *a, **k: True)
""",
    done=("poison",),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": None},
)
