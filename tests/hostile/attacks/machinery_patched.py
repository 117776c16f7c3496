"""A submission of the hostile bank."""

from __future__ import annotations

from tests.hostile.attack import Attack

ATTACK = Attack(
    attempts="patches check, ready, encode, probe_all, judge_answer and the question itself",
    must="the key that is shipped is that of the public cases",
    forge=True,
    before="""
import sys

machinery = sys.modules["helpers.checks.check"]
from helpers.checks.wire_format import Arrays as A
from helpers.checks.verdict import Verdict
from helpers.questions import find

known = expectations.every_question()
machinery.judge_answer = lambda question, *_, **__: Verdict(question.id, "", "correct", 3.0, 3.0)
plain = machinery.probe_all


def probe_all(question, answer, cases):
    if question.id != "Q1b":
        return plain(question, answer, cases)
    return [A(row) for row in known["Q1b"].arrays]


machinery.probe_all = probe_all
type(find("Q1b")).judge = lambda *a: ()
type(find("Q1b")).criteria = ()
attempt("patch", lambda: find("Q1b").criteria)
""",
    done=("patch",),
    reason="belong to the public cases",
    suspicious="arrays of public cases for hidden ones",
)
