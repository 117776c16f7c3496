"""Each lesson, handed in solved and handed in untouched, through the whole engine in the real sandbox."""

from __future__ import annotations

import pytest

from grading.course import load_course
from grading.engine.grade import grade
from tests.classroom import filled, hand_in, released, solutions
from tests.conftest import ROOT

COURSE = load_course(ROOT)
LESSONS = [lesson.id for lesson in COURSE.lessons]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("every")
    for lesson in LESSONS:
        hand_in(folder / "submitted", "solved", lesson, filled(COURSE, lesson, solutions(COURSE, lesson)))
        hand_in(folder / "submitted", "untouched", lesson, released(COURSE, lesson))
    graded = grade(COURSE, LESSONS, submissions=folder / "submitted", out=folder / "out", jobs=2)
    return {(o.student, o.lesson): o for o in graded}


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_solved_lesson_scores_full_on_cases_never_seen(outcomes, lesson: str) -> None:
    """The parts of earlier lessons are stand-ins there, whoever was right about them."""
    outcome = outcomes["solved", lesson]
    assert (outcome.status, outcome.reason, outcome.notes, outcome.suspicious) == ("graded", "", (), ())
    asked = [q for q in outcome.questions if q.question.startswith("Q")]
    assert asked
    assert {q.question: q.score for q in asked} == {q.question: q.max for q in asked}


@pytest.mark.parametrize("lesson", LESSONS)
def test_an_untouched_lesson_is_not_started(outcomes, lesson: str) -> None:
    outcome = outcomes["untouched", lesson]
    assert (outcome.status, outcome.score) == ("graded", 0.0)
    assert {q.status for q in outcome.questions if q.question.startswith("Q")} == {"not started"}
