"""The one call students see: `check("Q1", getPositionEncoding)`."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from helpers.checks import expectations
from helpers.checks.later_cells import in_words, missing
from helpers.checks.probing import probe_all
from helpers.checks.question import Case, Question, public_rng, secret_cases
from helpers.checks.result import Result
from helpers.checks.sealed import SealedQuestion, handed_in
from helpers.checks.show_answer import remember_solved
from helpers.checks.undefined_names import EXAM_SEED, LABEL, NotThere
from helpers.checks.verdict import Verdict, arrays_only, judge_answer
from helpers.checks.wire_format import MIME, Answer, Arrays, Failure, encode
from helpers.portfolio.lessons import counts_for_the_total
from helpers.questions import find

_status: dict[str, str] = {}


def check(question_id: str, answer: Any) -> Result | ExamAnswer:
    """Check an answer and show a card: what is met, what is not, and a hint.

    Args:
        question_id: for instance ``"Q1"``.
        answer: the function or class asked for, itself (not called).

    Returns:
        a Result with `.score .points .passed .status .findings .hint .text`.

    Raises:
        KeyError: there is no such question.
    """
    from helpers.device import device

    question = find(question_id)
    public = list(question.cases(public_rng(question.id)))
    recorded = {"public": _probe(question, answer, public)}
    seed = os.environ.get(EXAM_SEED)
    if seed is not None:
        sealed = isinstance(question, SealedQuestion)
        secret = handed_in(question) if sealed else secret_cases(question, int(seed))
        recorded["secret"] = _probe(question, answer, secret)
        return ExamAnswer(encode(_answer(question, recorded)))
    known = expectations.every_question()
    if question.id not in known:
        raise KeyError(f"no expected arrays for {question.id!r}: run `vitlab build` first")
    verdict = judge_answer(
        question, _answer(question, recorded), public=(public, known[question.id]), device=device().type
    )
    if isinstance(answer, NotThere):
        verdict = replace(verdict, reason=LABEL)
    verdict = replace(verdict, notes=notes_of(question, arrays_only(recorded["public"])))
    absent = missing(answer, known[question.id].needed)
    if absent and verdict.status != "not started":
        verdict = replace(verdict, notes=(*verdict.notes, in_words(absent)))
    _status[question.id] = verdict.status
    remember_solved(question.id, answer, passed=verdict.passed)
    _remember(question.id, answer, verdict)
    picture = draw(question, verdict, public, known[question.id].arrays, arrays_only(recorded["public"]))
    return Result(verdict, picture, counts_for_the_total(question.id))


def _remember(question_id: str, answer: Any, verdict: Verdict) -> None:
    """Into the student's portfolio, unless nothing was answered yet."""
    if verdict.status == "not started":
        return
    from helpers.portfolio.save_answers import keep

    keep(question_id, answer, verdict.score, verdict.points)


def ready(question_id: str) -> bool:
    """Whether this question's check has seen an answer; if not, one line says what this cell waits for."""
    status = _status.get(question_id)
    if status is None and os.environ.get(EXAM_SEED) is not None:
        return True
    if status in (None, "not started"):
        what = "is still blank" if status else "has not been checked yet"
        print(f"This cell comes alive once {question_id} is answered ({question_id} {what}).")
        return False
    return True


def notes_of(question: Question, recorded: Sequence[Arrays | None]) -> tuple[str, ...]:
    """The question's own sentences for the card."""
    try:
        return tuple(question.notes(recorded))
    except Exception:  # strange arrays: the card does without
        return ()


class ExamAnswer:
    """What `check` gives while a class is graded: the arrays, for a judge outside. No score is made here."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob

    def __repr__(self) -> str:
        return "recorded"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": "recorded", MIME: base64.b64encode(self._blob).decode()}


def draw(
    question: Question,
    verdict: Verdict,
    cases: Sequence[Case],
    expected: Sequence[Mapping[str, np.ndarray]],
    got: Sequence[Arrays | None],
) -> bytes | None:
    """The card's picture: the target when nothing was given, else the first public case that shows what is wrong.

    A picture that can't be drawn (strange shapes) is left out; it never costs a card.
    """
    if not cases:
        return None
    number = 0
    if verdict.status not in ("not started", "no answer"):
        number = _telling(question, cases, expected, got)
    try:
        figure = question.picture(cases[number], expected[number], got[number])
    except Exception:
        if got[number] is None:
            return None
        try:
            figure = question.picture(cases[number], expected[number], None)
        except Exception:
            return None
    if figure is None:
        return None
    from helpers.plots import as_png

    return as_png(figure)


def _telling(
    question: Question,
    cases: Sequence[Case],
    expected: Sequence[Mapping[str, np.ndarray]],
    got: Sequence[Arrays | None],
) -> int:
    for number, (case, wanted, given) in enumerate(zip(cases, expected, got, strict=True)):
        if given is None:
            continue
        try:
            if any(not f.ok for f in question.judge(case, wanted, given) if case.covers(f.criterion)):
                return number
        except Exception:
            continue
    return next((n for n, given in enumerate(got) if given is None), 0)


def _probe(question: Question, answer: Any, cases: Sequence[Case]) -> list[Arrays | Failure]:
    if answer is None or answer is Ellipsis:
        return [Failure("StillBlank", f"{question.signature} is still to be written")] * len(cases)
    if isinstance(answer, NotThere):
        return [Failure("StillBlank", answer.message)] * len(cases)
    if not callable(answer):
        kind = type(answer).__name__
        message = f'check("{question.id}", …) takes the function or class itself, got {kind}: leave out the parentheses'
        return [Failure("TypeError", message)] * len(cases)
    return probe_all(question, answer, cases)


def _answer(question: Question, recorded: Mapping[str, Sequence[Arrays | Failure]]) -> Answer:
    return Answer(question.id, {f"{part}/{i}": c for part, content in recorded.items() for i, c in enumerate(content)})
