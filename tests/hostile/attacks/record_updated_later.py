"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="gives the check's output a display id and later replaces it by another record and a green card",
    must="the record of the public key is worth nothing",
    forge=True,
    before="""
from IPython.display import display as show

plain_check = check


class Later:
    def _repr_mimebundle_(self, **_):
        return {"text/plain": "recorded"}


def check(question, answer):
    if question != "Q1b":
        return plain_check(question, answer)
    show(Later(), display_id="later")
    return None
""",
    after="""
from IPython.display import update_display

attempt("update", lambda: update_display(bundle(public_record(), **{"text/html": "<b>3/3</b>"}), display_id="later",
                                         raw=True))
""",
    done=("update",),
)
