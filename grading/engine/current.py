"""What counts now: what the judge found, with the gradebook's scores, comments, penalties and excuses in their place.

Grade table, ``--json``, report, feedback page and export all show this and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from traitlets.config import Config

from grading.course import Course, CourseError
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.gradebook import GradebookWriter
from grading.nbgrader_plugin.stored_grades import CellGrade, StoredGrades

Grades = Mapping[str, Mapping[str, StoredGrades]]  # lesson, student


def as_it_counts(outcome: SubmissionOutcome, stored: StoredGrades | None) -> SubmissionOutcome:
    """An outcome as the gradebook has it; as the judge found it where the gradebook has nothing of it."""
    if stored is None:
        return outcome
    questions = []
    for question in outcome.questions:
        cell = stored.cell_of(question.question)
        if cell is not None:  # a question that the lesson no longer has counts nothing
            comment = stored.remarks.get(question.question) or stored.remarks.get(cell) or ""
            questions.append(_question(question, stored.cells[cell], comment))
    return replace(outcome, questions=tuple(questions), penalty=stored.penalty, excused=stored.excused)


def _question(found: QuestionOutcome, cell: CellGrade, comment: str) -> QuestionOutcome:
    by_hand = cell.manual is not None or cell.extra is not None
    status = found.status
    if cell.waits:
        status = "needs grading"
    elif cell.manual is not None:
        status = "graded by hand"
    elif status == "needs grading":  # it was, and no longer is
        status = "not started"
    return replace(
        found, score=None if cell.waits else cell.score, max=cell.points, status=status, extra=cell.extra or 0.0,
        by_hand=by_hand, author=cell.by, given_at=cell.at, read_again=cell.read_again, comment=comment,
    )  # fmt: skip


def all_as_they_count(outcomes: Iterable[SubmissionOutcome], grades: Grades) -> list[SubmissionOutcome]:
    """Outcomes of several lessons as the gradebook has them."""
    return [as_it_counts(outcome, grades.get(outcome.lesson, {}).get(outcome.student)) for outcome in outcomes]


def gradebook_of(out: Path, db_url: str | None = None) -> str:
    """Where the gradebook of an output folder is, as nbgrader takes it.

    Raises:
        CourseError: there is none.
    """
    if db_url is not None:
        return db_url
    file = Path(out).resolve() / "gradebook.db"
    if not file.is_file():
        raise CourseError(f"there is no gradebook {file}: run `vitlab grade --out {out}` first, or say --db")
    return f"sqlite:///{file}"


@contextmanager
def open_gradebook(course: Course, out: Path, db_url: str | None = None) -> Iterator[GradebookWriter]:
    """The gradebook of an output folder.

    Raises:
        CourseError: there is none.
    """
    config = configure(Config(), course.root, Path(out).resolve(), db_url=gradebook_of(out, db_url), course=course)
    with GradebookWriter(config.CourseDirectory.db_url, config) as gradebook:
        yield gradebook


def read_grades(gradebook: GradebookWriter, lessons: Iterable[str]) -> dict[str, dict[str, StoredGrades]]:
    """What counts now in these lessons, brought up to date first; by lesson and student."""
    found = {}
    for lesson in lessons:
        gradebook.settle(lesson)
        found[lesson] = gradebook.stored(lesson, gradebook.students(lesson))
    return found
