"""`show_answer("Q5")`: the course's own answer and other right ones, once the question is solved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import Any

from helpers.checks.answer_key import every_sealed, opened
from helpers.questions import find

_solved: dict[str, Any] = {}


def remember_solved(question_id: str, answer: Any, *, passed: bool) -> None:
    """Keep the object that passed a check, for `show_answer`; forget it when a later one does not pass."""
    if passed:
        _solved[question_id] = answer
    else:
        _solved.pop(question_id, None)


@dataclass(frozen=True)
class Answers:
    """What there is to show; `said` is a sentence in the place of answers that can't be shown.

    Attributes:
        shown: pairs of a title and Python text.
    """

    question: str
    shown: tuple[tuple[str, str], ...] = ()
    said: str = ""

    def __repr__(self) -> str:
        if not self.shown:
            return self.said
        return "\n\n".join(f"# {title}\n{text}" for title, text in self.shown)

    def _repr_html_(self) -> str:
        if not self.shown:
            return f"<p>{escape(self.said)}</p>"
        parts = [
            f"<details{' open' if not n else ''}><summary>{escape(title)}</summary><pre>{escape(text)}</pre></details>"
            for n, (title, text) in enumerate(self.shown)
        ]
        return "".join(parts)


def show_answer(question_id: str) -> Answers:
    """The reference answer and other right answers to a question whose check has just passed in this notebook.

    Raises:
        KeyError: there is no such question.
    """
    question = find(question_id)
    if question_id not in _solved:
        return Answers(question_id, said=f"Solve {question_id} first: run its check in this notebook until all is met.")
    sealed = every_sealed().get(question_id)
    with_feedback = "You find it in your feedback page after grading."
    if sealed is None:
        said = f"The reference answer to {question_id} is not in this folder. {with_feedback}"
        return Answers(question_id, said=said)
    try:
        text = opened(question, _solved[question_id], sealed)
    except ModuleNotFoundError:
        said = "Opening the reference answer needs the package cryptography: `pip install cryptography`, then restart."
        return Answers(question_id, said=said)
    if text is None:
        said = f"Your answer is right, but of a kind that does not open the reference answer. {with_feedback}"
        return Answers(question_id, said=said)
    return Answers(question_id, tuple((title, source) for title, source in json.loads(text)))
