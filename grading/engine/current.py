"""What counts now: what the judge found, with the gradebook's scores, comments, penalties and excuses in their place.

Grade table, ``--json``, report, feedback page and export all show this and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy.engine import make_url
from traitlets.config import Config

from grading.course import Course, CourseError
from grading.engine.feedback import FeedbackWriter
from grading.engine.journal import Journal, only_run, write_whole
from grading.engine.lesson_context import kept_notebook
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.gradebook import GradebookWriter
from grading.nbgrader_plugin.stored_grades import CellGrade, StoredGrades
from grading.submission_id import SubmissionId

WHERE = "gradebook.url"
Grades = Mapping[str, Mapping[str, StoredGrades]]  # lesson, student


def as_it_counts(outcome: SubmissionOutcome, stored: StoredGrades | None) -> SubmissionOutcome:
    """An outcome as the gradebook has it; as the judge found it where the gradebook has nothing of it."""
    if stored is None:
        return outcome
    questions = []
    new = dict(stored.cells)
    for question in outcome.questions:
        cell = stored.cell_of(question.question)
        if cell is not None:  # a question that the lesson no longer has counts nothing
            new.pop(cell, None)
            comment = stored.remarks.get(question.question) or stored.remarks.get(cell) or ""
            before = next((one.score for one in stored.earlier.get(cell, ()) if one.score is not None), None)
            now = _question(question, stored.cells[cell], comment)
            questions.append(replace(now, earlier=before if now.score is None or now.read_again else None))
    for name, held in new.items():  # came into the lesson since this hand-in was graded
        if held.points:
            found = QuestionOutcome(name.removesuffix("-check"), "", None, held.points, "needs grading")
            questions.append(_question(found, held, stored.remarks.get(name, "")))
    return replace(
        outcome, questions=tuple(questions), penalty=stored.penalty, excused=stored.excused, requests=stored.requests
    )


def _question(found: QuestionOutcome, cell: CellGrade, comment: str) -> QuestionOutcome:
    if found.worth != "points" and cell.manual is None:
        return found  # nbgrader has no maximum for it, and its extra credit is what the judge gave
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


def remember_gradebook(out: Path, db_url: str) -> None:
    """Note where the gradebook of an output folder is, so that later commands read the same one; no password."""
    shown = make_url(db_url).render_as_string(hide_password=True)
    write_whole(Path(out) / WHERE, shown + "\n")


def has_gradebook(out: Path) -> bool:
    """Whether anything of an output folder was ever saved into a gradebook."""
    return (Path(out) / WHERE).is_file() or (Path(out) / "gradebook.db").is_file()


def gradebook_of(out: Path, db_url: str | None = None) -> str:
    """Where the gradebook of an output folder is, as nbgrader takes it.

    Raises:
        CourseError: there is none, or its address has a password, which is written nowhere.
    """
    if db_url is not None:
        return db_url
    noted, file = Path(out) / WHERE, Path(out).resolve() / "gradebook.db"
    url = noted.read_text("utf-8").strip() if noted.is_file() else ""
    if make_url(url).password if url else False:
        raise CourseError(f"the grades of {out} are in {url}: give --db with its password")
    if url and not url.startswith("sqlite:///"):
        return url
    known = Path(url.removeprefix("sqlite:///")) if url else file
    for there in (known, file):  # the folder may have been moved
        if there.is_file():
            return f"sqlite:///{there}"
    raise CourseError(f"there is no gradebook {known}: run `vitlab grade --out {out}` first")


@contextmanager
def open_gradebook(course: Course, out: Path, db_url: str | None = None) -> Iterator[tuple[GradebookWriter, Config]]:
    """The gradebook of an output folder, and the configuration it is read under.

    Raises:
        CourseError: there is none.
    """
    config = configure(Config(), course.root, Path(out).resolve(), db_url=gradebook_of(out, db_url), course=course)
    with GradebookWriter(config.CourseDirectory.db_url, config) as gradebook:
        yield gradebook, config


def read_grades(gradebook: GradebookWriter, lessons: Iterable[str]) -> dict[str, dict[str, StoredGrades]]:
    """What counts now in these lessons, brought up to date first; by lesson and student."""
    found = {}
    for lesson in lessons:
        gradebook.settle(lesson)
        found[lesson] = gradebook.stored(lesson, gradebook.students(lesson))
    return found


def bring_up_to_date(course: Course, out: Path, db_url: str | None = None) -> list[SubmissionOutcome]:
    """All results of an output folder as they count now, with every feedback page that is behind written anew.

    Persons may have given scores and comments in formgrader since `vitlab grade` ran. Reports, exports and what goes
    back to students begin with this.

    Raises:
        CourseError: there is no gradebook, or a run is grading into the folder.
    """
    out = Path(out).resolve()
    with only_run(out), open_gradebook(course, out, db_url) as (gradebook, config):
        journal = Journal(out)
        held = set(gradebook.lessons())
        grades = read_grades(gradebook, sorted({lesson for _, lesson in journal.latest} & held))
        _write_pages(course, journal, grades, config, out)
        return all_as_they_count((journal.latest[key] for key in sorted(journal.latest)), grades)


def _write_pages(course: Course, journal: Journal, grades: Grades, config: Config, out: Path) -> None:
    saved: dict[SubmissionId, tuple[str, dict[str, float]]] = {}
    pages: dict[SubmissionId, str] = {}
    writer: FeedbackWriter | None = None
    for key, mark in journal.marks.items():
        outcome, stored = journal.latest[key], grades.get(key.lesson, {}).get(key.student)
        if stored is None or not outcome.feedback:
            continue
        page, shown = out / outcome.feedback, stored.fingerprint()
        if page.is_file() and journal.pages.get(key) == shown:
            continue
        notebook = kept_notebook(course, key.lesson, out / "autograded" / key.student / key.lesson)
        if notebook is None:
            continue
        writer = writer or FeedbackWriter(config)
        writer.write(key.student, key.lesson, notebook, page, stored)
        saved[key], pages[key] = (mark, {}), shown
    journal.add_saved(saved, pages)
