"""The gradebook's scores as they leave the course: late penalty taken off, excused, waiting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traitlets.config import Config

from grading.course import Course, CourseError
from grading.engine.summary import too_much
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.gradebook import GradebookWriter, commands_on_path


@dataclass(frozen=True)
class Score:
    """A student's score in one lesson, late penalty taken off.

    Attributes:
        waits: an answer has no score yet.
        read_again: every answer has one, and a person is to look at one of them again.
        remarks: what persons wrote, by question, one line each.
        above: what a person gave more for than it is worth, such as "W1a has 9 of 2 points".
        ungraded: nothing of the hand-in could be graded, so that the score stands for a file, not for answers.
    """

    score: float
    points: float
    waits: bool = False
    excused: bool = False
    read_again: bool = False
    remarks: str = ""
    ungraded: bool = False
    above: tuple[str, ...] = ()


Scores = Mapping[str, Mapping[str, Score]]  # lesson, student


def graded_lessons(db_url: str, course: Course) -> list[str]:
    """The course's lessons that are in the gradebook, in order.

    Raises:
        CourseError: there is none.
    """
    commands_on_path()
    with GradebookWriter(db_url, Config()) as gradebook:
        graded = set(gradebook.lessons())
    found = [lesson.id for lesson in course.lessons if lesson.id in graded]
    if not found:
        raise CourseError(f"no lesson of this course is in the gradebook {db_url}: run `vitlab grade` first")
    return found


def read_scores(db_url: str, lessons: Sequence[str], course: Course | None = None) -> dict[str, dict[str, Score]]:
    """Scores by lesson and student, from nbgrader's gradebook.

    course: gives the late penalties, which are brought up to date with changed scores first.

    Raises:
        CourseError: a lesson isn't in the gradebook, because nothing of it was graded.
    """
    commands_on_path()
    found: dict[str, dict[str, Score]] = {}
    config = configure(Config(), course.root, db_url=db_url, course=course) if course is not None else Config()
    with GradebookWriter(db_url, config) as gradebook:
        held = gradebook.lessons()
        for lesson in lessons:
            if lesson not in held:
                raise CourseError(f"nothing of {lesson} is in the gradebook {db_url}: run `vitlab grade {lesson}`")
            if course is not None:
                gradebook.settle(lesson)
            stored = gradebook.stored(lesson, gradebook.students(lesson))
            found[lesson] = {
                student: Score(
                    one.total,
                    one.points,
                    bool(one.waiting),
                    one.excused,
                    bool(one.read_again),
                    _remarks(one.remarks),
                    above=tuple(
                        too_much(_question(cell), grade.score, grade.points) for cell, grade in one.above.items()
                    ),
                )
                for student, one in stored.items()
            }
    return found


def _remarks(by_cell: Mapping[str, str]) -> str:
    return "\n".join(f"{_question(cell)}: {text.strip()}" for cell, text in by_cell.items() if text.strip())


def _question(cell: str) -> str:
    return cell.removesuffix("-check")
