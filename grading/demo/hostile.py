"""Answers that hurt whoever runs them, by accident or with intent; each is bounded and harmless in the sandbox."""

from __future__ import annotations

from grading.demo.lesson_kit import File, LessonKit

_LOOP = """def {name}(*args, **options):
    tries = 0
    while tries < 10:  # the counter never moves
        pass"""

_EXIT = """def {name}(*args, **options):
    import os

    os._exit(0)"""

_BOMB = """for _ in range(50):  # left over from debugging
    print("x" * 2**20)"""

_FORGED_SCORE = """class _Full:
    def __repr__(self):
        return "{points:g}"

    def _repr_html_(self):
        return "<b>{question}: correct, {points:g} / {points:g}</b>"


def check(question, answer):  # hides the real one
    return _Full()


def {name}(*args, **options):
    return None"""

_FORGED_RECORD = '''import base64

from helpers.checks import expectations
from helpers.checks.wire_format import MIME, Answer, Arrays, encode


class _Record:
    """The expected arrays of the public cases, handed in as the answer to the secret ones."""

    def __init__(self, question):
        rows = expectations.every_question()[question].arrays
        cases = {{f"{{part}}/{{i}}": Arrays(row) for part in ("public", "secret") for i, row in enumerate(rows)}}
        self.data = {{"text/plain": "{points:g}", MIME: base64.b64encode(encode(Answer(question, cases))).decode()}}

    def _repr_mimebundle_(self, include=None, exclude=None):
        return self.data


def check(question, answer):
    return _Record(question)


display(_Record("{question}"))


def {name}(*args, **options):
    return None'''

_PATCHED = """import os
import sys

from helpers.checks import expectations
from helpers.checks.wire_format import Arrays
from helpers.checks.verdict import Verdict

machinery = sys.modules["helpers.checks.check"]  # imported by name, it is the function of that name
os.environ["VITLAB_EXAM_SEED"] = "0"  # the public cases' seed
known = expectations.every_question()
machinery._probe = lambda question, answer, cases: [Arrays(row) for row in known[question.id].arrays]
machinery.judge_answer = lambda question, *_, **__: Verdict(question.id, question.title, "correct", 99.0, 99.0)


def {name}(*args, **options):
    return None"""


def endless_loop(kit: LessonKit) -> File:
    """Imitates a loop whose counter is never raised, in the first question; the others are right."""
    first = kit.questions[0]
    return kit.hand_in(kit.solved({first: _in_place(kit, first, _LOOP)}))


def exits(kit: LessonKit) -> File:
    """Imitates an answer that ends its own process without a word, in the first question; the others are right."""
    first = kit.questions[0]
    return kit.hand_in(kit.solved({first: _in_place(kit, first, _EXIT)}))


def output_bomb(kit: LessonKit) -> File:
    """Imitates a forgotten debug loop: 50 MB of output under the last answer; the others are right."""
    last = kit.questions[-1]
    return kit.hand_in(kit.solved({last: f"{kit.solution(last)}\n\n{_BOMB}"}))


def forged_score(kit: LessonKit) -> File:
    """Cheats: hides `check` behind its own, whose result reads as full marks and shows a card."""
    return _cheat(kit, _FORGED_SCORE)


def forged_record(kit: LessonKit) -> File:
    """Cheats: hands in the record that a check would make, filled with the public expected arrays."""
    return _cheat(kit, _FORGED_RECORD)


def patched_helpers(kit: LessonKit) -> File:
    """Cheats: rewrites the helpers from inside, so that probing returns the key and judging says correct."""
    return _cheat(kit, _PATCHED)


def _cheat(kit: LessonKit, text: str) -> File:
    return kit.hand_in(kit.notebook({q: _in_place(kit, q, text) for q in kit.questions}, written=2))


def _in_place(kit: LessonKit, question: str, text: str) -> str:
    filled = text.format(name=kit.name(question), question=question, points=kit.points(question))
    return kit.define(question, filled)
