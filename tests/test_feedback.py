"""What goes back to a student: the cases that students see, and nobody else's name."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest

from grading.course import Course
from grading.demo.lesson_kit import make_kit
from grading.engine.grade import grade
from helpers.checks.question import Case, public_rng, secret_cases
from helpers.questions import find
from tests.classroom import filled, hand_in

LESSON = "02_positional_encoding"
SEED = 2**70 + 12345
STUDENTS = ("quillfeather", "zimmerwald", "oakenbury")


@pytest.fixture(scope="module")
def pages(course: Course, tmp_path_factory) -> dict[str, str]:
    """Feedback of students who made mistakes everywhere, of one kind and another: text and attributes."""
    folder, kit = tmp_path_factory.mktemp("class"), make_kit(course, LESSON)
    for number, student in enumerate(STUDENTS):
        wrong = {q: kit.mistake(q, number) for q in kit.questions}
        hand_in(folder / "in", student, LESSON, filled(course, LESSON, wrong))
    outcomes = grade(course, [LESSON], submissions=folder / "in", out=folder / "out", seed=SEED, sandbox="none", jobs=1)
    assert all(q.score is None or q.score < q.max for o in outcomes for q in o.questions)
    return {o.student: unescape((folder / "out" / o.feedback).read_text("utf-8")) for o in outcomes}


def traces(case: Case) -> set[str]:
    """How a case would show: its name, sizes of its arrays, numbers long enough to be nobody else's."""
    shapes = {str(np.shape(value)) for value in case.values() if np.ndim(value)}
    numbers = {f"{x:.3f}" for value in case.values() if np.ndim(value) for x in np.ravel(value)[:50] if abs(x) > 0.01}
    arguments = {f"{name}={value}" for name, value in case.items() if isinstance(value, int)}
    return {case.name} | shapes | numbers | arguments


@pytest.mark.parametrize("question", ["Q1", "Q1b", "Q1c"])
def test_no_page_shows_a_secret_case(pages: dict[str, str], course: Course, question: str) -> None:
    known = set().union(*(traces(case) for case in find(question).cases(public_rng(question))))
    released = course.student_notebook(LESSON).read_text("utf-8")
    secret = set().union(*(traces(case) for case in secret_cases(find(question), SEED))) - known
    assert secret
    for trace in secret:
        if trace not in released:
            for student, html in pages.items():
                assert not re.search(rf"(?<![\d.]){re.escape(trace)}(?!\d)", html), (student, trace)


def test_the_pages_would_show_a_public_case(pages: dict[str, str]) -> None:
    """The same search finds what cards do quote: it is able to fail."""
    public = set().union(*(traces(case) for q in ("Q1", "Q1b", "Q1c") for case in find(q).cases(public_rng(q))))
    assert any(trace in html for trace in public for html in pages.values())


def test_no_page_names_another_student(pages: dict[str, str]) -> None:
    assert set(pages) == set(STUDENTS)
    for student, html in pages.items():
        assert not [other for other in STUDENTS if other != student and other in html]
