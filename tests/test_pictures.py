"""The pictures of cards, drawn once for all who gave the same arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from grading.judging import pictures
from grading.judging.pictures import Pictures
from helpers.checks.question import Question, public_rng
from helpers.checks.verdict import Verdict
from helpers.checks.wire_format import Arrays
from helpers.questions import find


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statuses for which something was drawn, in order."""
    seen: list[str] = []

    def draw(question: Question, verdict: Verdict, *more: object) -> bytes:
        seen.append(verdict.status)
        return f"{question.id} {len(seen)}".encode()

    monkeypatch.setattr(pictures, "draw", draw)
    return seen


@pytest.fixture
def ask() -> Callable[[Pictures, str, Sequence[Arrays | None]], bytes | None]:
    question = find("Q1")
    cases = list(question.cases(public_rng("Q1")))

    def ask(kept: Pictures, status: str, got: Sequence[Arrays | None]) -> bytes | None:
        verdict = Verdict("Q1", question.title, status, 0.0, 1.0)
        return kept.draw(question, verdict, cases, [], got)

    return ask


def _given(values: object = (1.0, 2.0), *, name: str = "out", tolerance: float = 1e-4) -> list[Arrays | None]:
    return [Arrays({name: np.asarray(values)}, tolerance=tolerance), None]


def test_the_same_arrays_are_drawn_once(drawn, ask) -> None:
    kept = Pictures()
    first = ask(kept, "wrong", _given())
    assert ask(kept, "wrong", _given()) == first
    assert drawn == ["wrong"]


@pytest.mark.parametrize(
    "other",
    [
        _given((1.0, 3.0)),
        _given(np.array([[1.0], [2.0]])),
        _given(np.array([1.0, 2.0], np.float32)),
        _given(name="turned"),
        _given(tolerance=1e-2),
        _given()[::-1],
        [None, None],
        _given(np.zeros((0, 3))),
        _given(np.float64(1.0)),
    ],
)
def test_whatever_differs_is_drawn_for_itself(drawn, ask, other) -> None:
    kept = Pictures()
    assert ask(kept, "wrong", _given()) != ask(kept, "wrong", other)
    assert len(drawn) == 2


def test_a_blank_and_a_wrong_answer_have_pictures_of_their_own(drawn, ask) -> None:
    kept = Pictures()
    assert ask(kept, "wrong", [None, None]) != ask(kept, "not started", [None, None])


def test_the_longest_unused_is_forgotten_first(drawn, ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "REMEMBERED", 2)
    kept = Pictures()
    for value in (1.0, 2.0, 1.0, 3.0, 1.0):
        ask(kept, "wrong", _given(value))
    assert len(drawn) == 3
    ask(kept, "wrong", _given(2.0))
    assert len(drawn) == 4
