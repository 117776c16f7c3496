"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="registers hooks around every cell that display a second, better record",
    must="the record of the public key is worth nothing, and two records are reported",
    forge=True,
    before="""
def better(*_):
    display(Record(public_record()))


get_ipython().events.register("post_run_cell", better)
attempt("register", lambda: get_ipython().events.callbacks["post_run_cell"][-1] is better)
""",
    done=("register",),
    scores={"Q1": 1.0, "Q1b": 0.0, "Q1c": None},
    suspicious="2 answer records",
)
