"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="shadows check and ready with functions that give full points",
    must="is asked all the same, and earns nothing",
    before="""
def check(*_):
    return 3.0


ready = torch_ready = lambda *_: True
print("check is shadowed")
""",
    prints=("check is shadowed",),
)
