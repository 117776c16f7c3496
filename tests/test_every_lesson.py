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
        stripped = filled(COURSE, lesson, solutions(COURSE, lesson))
        for number, cell in enumerate(stripped.cells):
            cell.metadata, cell.id = {}, f"cell-{number}"
        hand_in(folder / "submitted", "stripped", lesson, stripped)
        hand_in(folder / "submitted", "untouched", lesson, released(COURSE, lesson))
    graded = grade(COURSE, LESSONS, submissions=folder / "submitted", out=folder / "out", jobs=2)
    return {(o.student, o.lesson): o for o in graded}


def scores(outcome) -> dict[str, float]:
    return {q.question: q.score for q in outcome.questions if q.question.startswith("Q")}


def points(outcome) -> dict[str, float]:
    return {q.question: q.max for q in outcome.questions if q.question.startswith("Q")}


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_solved_lesson_scores_full_on_cases_never_seen(outcomes, lesson: str) -> None:
    """The parts of earlier lessons are stand-ins there, whoever was right about them."""
    outcome = outcomes["solved", lesson]
    assert (outcome.status, outcome.reason, outcome.notes, outcome.suspicious) == ("graded", "", (), ())
    assert scores(outcome) == points(outcome) != {}


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_solved_lesson_without_ids_and_metadata_scores_full_as_well(outcomes, lesson: str) -> None:
    assert scores(outcomes["stripped", lesson]) == points(outcomes["stripped", lesson])


@pytest.mark.parametrize("lesson", LESSONS)
def test_an_untouched_lesson_is_not_started(outcomes, lesson: str) -> None:
    outcome = outcomes["untouched", lesson]
    assert (outcome.status, outcome.score) == ("graded", 0.0)
    assert {q.status for q in outcome.questions if q.question.startswith("Q")} == {"not started"}
