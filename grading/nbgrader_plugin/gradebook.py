"""Everything of ours that touches nbgrader's gradebook: its models and preprocessors, many submissions a transaction.

nbgrader opens the database and commits once for each cell. Here one gradebook stays open for the whole run, its
commits wait for the end of a batch, and what a preprocessor looks up cell by cell is read for the batch at once.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import api, dbutil
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.preprocessors import SaveCells
from nbgrader.utils import parse_utc
from sqlalchemy import Select, create_engine, func, insert, inspect, select, table
from sqlalchemy import column as named
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from grading.course import Lesson
from grading.nbgrader_plugin.extra_credit import SaveGrades
from grading.nbgrader_plugin.late_penalty import LatePenalties
from grading.submission_id import SubmissionId


@dataclass(frozen=True)
class Entry:
    """A submission to be saved; without a notebook, nothing could be run."""

    student: str
    lesson: str
    notebook: NotebookNode | None
    timestamp: datetime | None = None

    @property
    def submission_id(self) -> SubmissionId:
        return SubmissionId(self.student, self.lesson)


@dataclass(frozen=True)
class StoredGrades:
    """What the gradebook holds of a submission.

    Attributes:
        scores: score and points by cell.
        waiting: cells that wait for a person.
        comments: by cell; None where there is none.
        penalty: for being late.
    """

    scores: Mapping[str, tuple[float, float]]
    waiting: frozenset[str]
    comments: Mapping[str, str | None]
    penalty: float

    def written(self, cells: Iterable[str]) -> dict[str, tuple[float | None, float]]:
        """Score (None while it waits for a person) and points of written questions."""
        found = {cell: self.scores[cell] for cell in cells}
        return {cell: (None if cell in self.waiting else score, points) for cell, (score, points) in found.items()}


def commands_on_path() -> None:
    """nbgrader calls the `alembic` command by name: make this environment's commands found, activated or not."""
    here = str(Path(sys.executable).parent)
    if shutil.which("alembic") is None:
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])


class GradebookWriter:
    """The gradebook of a course, open until `close`. For one thread.

    Args:
        db_url: as nbgrader takes it, ``sqlite:////path`` or ``postgresql://…``.
        config: our nbgrader configuration (late penalties).
    """

    def __init__(self, db_url: str, config: Config) -> None:
        # nbgrader adds a submission before its session knows it, and SQLAlchemy says so each time
        warnings.filterwarnings("ignore", category=SAWarning, module=r"nbgrader\.")
        self.db_url = db_url
        if db_url.startswith("sqlite:///"):
            Path(db_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        log = logging.getLogger("vitlab.gradebook")
        log.setLevel(logging.ERROR)
        self._save = _SaveAutoGrades(config=config, log=log)
        self._late = _LatePenalties(config=config, log=log)
        self._cells = _SaveCells(config=config, log=log)
        _make_tables(db_url)
        self._gradebook = Gradebook(db_url)

    def __enter__(self) -> GradebookWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the database."""
        self._gradebook.close()

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """The session: nbgrader's commits inside do nothing, one at the end does."""
        db = self._gradebook.db
        db.commit = lambda: None  # of this object alone
        try:
            with db.no_autoflush:
                yield db
            del db.commit
            db.commit()
        except BaseException:
            db.__dict__.pop("commit", None)
            db.rollback()
            raise
        finally:
            db.remove()  # nothing that was read is kept, no lock is held

    def register_lesson(self, lesson: Lesson, released: Path) -> None:
        """Make sure the lesson is an assignment whose cells are those of the released notebook."""
        due = lesson.due.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if lesson.due else None
        notebook = nbformat.read(released, as_version=4)
        with self._transaction() as db:
            self._gradebook.update_or_create_assignment(lesson.id, duedate=due)
            db.flush()
            db.autoflush = True
            self._cells.save(self._gradebook, notebook, lesson.id)

    def save(self, entries: Sequence[Entry]) -> dict[SubmissionId, StoredGrades | Exception]:
        """Save judged notebooks' scores as nbgrader's SaveAutoGrades does; a manual score given before is kept.

        All in one transaction; where that fails, one by one, and what still fails is returned in its place.
        """
        if not entries:
            return {}
        try:
            self._save_all(entries)
        except Exception as error:
            if len(entries) == 1:
                return {entries[0].submission_id: error}
            return {place: result for entry in entries for place, result in self.save([entry]).items()}
        found: dict[SubmissionId, StoredGrades | Exception] = {}
        for lesson, group in _by_lesson(entries):
            stored = self.stored(lesson, [entry.student for entry in group])
            found |= {SubmissionId(student, lesson): held for student, held in stored.items()}
        return found

    def _save_all(self, entries: Sequence[Entry]) -> None:
        with self._transaction() as db:
            for lesson, group in _by_lesson(entries):
                students = [entry.student for entry in group]
                submissions = self._submissions(db, lesson, group)
                grades, comments = _cells_of(api.Grade, lesson, students), _cells_of(api.Comment, lesson, students)
                cells = {student: _Cells(db) for student in students}
                for student, name, grade in db.execute(grades):
                    cells[student].grades[name] = grade
                for student, name, comment in db.execute(comments):
                    cells[student].comments[name] = comment
                for entry in group:
                    if entry.notebook is None:  # as nbgrader does for a missing notebook
                        for grade in cells[entry.student].grades.values():
                            grade.auto_score, grade.needs_manual_grade = 0, False
                    else:
                        self._save.save(cells[entry.student], entry.notebook, lesson, entry.student)
                db.flush()
                for entry in group:
                    self._late.assess(submissions[entry.student], lesson, missing=entry.notebook is None)

    def _submissions(self, db: Any, lesson: str, entries: Sequence[Entry]) -> dict[str, api.SubmittedAssignment]:
        """By student; students and submissions that aren't there are made."""
        students = [entry.student for entry in entries]
        there = set(db.scalars(select(api.Student.id).where(api.Student.id.in_(students))))
        for student in students:
            if student not in there:
                self._gradebook.add_student(student)
        db.flush()
        query = (
            select(api.SubmittedAssignment).join(api.SubmittedAssignment.assignment)
            .where(api.Assignment.name == lesson, api.SubmittedAssignment.student_id.in_(students))
        )  # fmt: skip
        found = {submission.student_id: submission for submission in db.scalars(query)}
        for entry in entries:
            extra = {"timestamp": entry.timestamp} if entry.timestamp else {}
            if entry.student not in found:
                found[entry.student] = self._gradebook.add_submission(lesson, entry.student, **extra)
            elif entry.timestamp:
                found[entry.student].timestamp = parse_utc(entry.timestamp)
        db.flush()
        return found

    def stored(self, lesson: str, students: Sequence[str]) -> dict[str, StoredGrades]:
        """What is held of these students' submissions; those that aren't in the gradebook are left out."""
        found: dict[str, StoredGrades] = {}
        for start in range(0, len(students), 500):  # databases have a largest number of parameters
            found |= self._stored(lesson, students[start : start + 500])
        return found

    def _stored(self, lesson: str, students: Sequence[str]) -> dict[str, StoredGrades]:
        asked = _of(lesson, students)
        db = self._gradebook.db
        try:
            penalties = {student: penalty or 0.0 for student, penalty in db.execute(asked(
                select(api.SubmittedAssignment.student_id, api.SubmittedNotebook.late_submission_penalty)
                .select_from(api.SubmittedNotebook)
            ))}  # fmt: skip
            grades = db.execute(asked(
                select(
                    api.SubmittedAssignment.student_id, api.BaseCell.name, api.Grade.score, api.Grade.max_score,
                    api.Grade.needs_manual_grade, api.Grade.manual_score,
                )
                .select_from(api.Grade)
                .join(api.BaseCell, api.BaseCell.id == api.Grade.cell_id)
                .join(api.SubmittedNotebook, api.SubmittedNotebook.id == api.Grade.notebook_id)
            )).all()  # fmt: skip
            comments = db.execute(asked(
                select(api.SubmittedAssignment.student_id, api.BaseCell.name, api.Comment.comment)
                .select_from(api.Comment)
                .join(api.BaseCell, api.BaseCell.id == api.Comment.cell_id)
                .join(api.SubmittedNotebook, api.SubmittedNotebook.id == api.Comment.notebook_id)
            )).all()  # fmt: skip
        finally:
            db.remove()
        scores: dict[str, dict[str, tuple[float, float]]] = {student: {} for student in penalties}
        waiting: dict[str, set[str]] = {student: set() for student in penalties}
        said: dict[str, dict[str, str | None]] = {student: {} for student in penalties}
        for student, name, score, points, needs, manual in grades:
            scores[student][name] = (score, points)
            if needs and manual is None:
                waiting[student].add(name)
        for student, name, comment in comments:
            said[student][name] = comment
        return {s: StoredGrades(scores[s], frozenset(waiting[s]), said[s], penalties[s]) for s in penalties}


class _Cells:
    """One submission's grades and comments, looked up as nbgrader's preprocessors look them up in a gradebook."""

    def __init__(self, db: Any) -> None:
        self.db = db
        self.grades: dict[str, api.Grade] = {}
        self.comments: dict[str, api.Comment] = {}

    def find_grade(self, name: str, notebook: str, assignment: str, student: str) -> api.Grade:
        """Raises: MissingEntry."""
        return self._found(self.grades, name, "grade")

    def find_comment(self, name: str, notebook: str, assignment: str, student: str) -> api.Comment:
        """Raises: MissingEntry."""
        return self._found(self.comments, name, "comment")

    @staticmethod
    def _found(cells: Mapping[str, Any], name: str, kind: str) -> Any:
        if name not in cells:
            raise MissingEntry(f"No such {kind}: {name}")
        return cells[name]


class _SaveAutoGrades(SaveGrades):
    """nbgrader's, on a gradebook that is open already."""

    def save(self, gradebook: _Cells, notebook: NotebookNode, lesson: str, student: str) -> None:
        self.gradebook, self.notebook_id, self.assignment_id, self.student_id = gradebook, lesson, lesson, student
        for index, cell in enumerate(notebook.cells):
            self.preprocess_cell(cell, {}, index)


class _SaveCells(SaveCells):
    """nbgrader's, on a gradebook that is open already."""

    def save(self, gradebook: Gradebook, notebook: NotebookNode, lesson: str) -> None:
        self.gradebook, self.notebook_id, self.assignment_id = gradebook, lesson, lesson
        for kind in ("grade", "solution", "task", "source"):
            setattr(self, f"new_{kind}_cells", {})
        for index, cell in enumerate(notebook.cells):
            self.preprocess_cell(cell, {}, index)
        self._create_notebook(notebook)


class _LatePenalties(LatePenalties):
    """Ours, on a submission that is at hand."""

    def assess(self, submission: api.SubmittedAssignment, lesson: str, *, missing: bool) -> None:
        """As AssignLatePenalties.preprocess does. `missing`: nothing was run, so there is nothing to take off."""
        for notebook in submission.notebooks:
            notebook.late_submission_penalty = None
            late = submission.total_seconds_late
            if late <= 0 or missing:
                continue
            self.start(lesson)
            penalty = self.plugin_inst.late_submission_penalty(submission.student_id, notebook.score, late)
            if penalty is not None:
                notebook.late_submission_penalty = self._check_late_penalty(notebook, penalty)


def _by_lesson(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    for lesson, group in groupby(sorted(entries, key=lambda e: e.lesson), key=lambda e: e.lesson):
        yield lesson, list(group)


def _of(lesson: str, students: Sequence[str]) -> Any:
    """Narrows a query that has SubmittedNotebook to these students' submissions of a lesson."""

    def narrowed(query: Select[Any]) -> Select[Any]:
        return (
            query.join(
                api.SubmittedAssignment, api.SubmittedAssignment.id == api.SubmittedNotebook.assignment_id
            )
            .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
            .where(api.Assignment.name == lesson, api.SubmittedAssignment.student_id.in_(students))
        )  # fmt: skip

    return narrowed


def _cells_of(kind: Any, lesson: str, students: Sequence[str]) -> Select[Any]:
    """Student, cell name and object of all grades or comments."""
    query = (
        select(api.SubmittedAssignment.student_id, api.BaseCell.name, kind).select_from(kind)
        .join(api.BaseCell, api.BaseCell.id == kind.cell_id)
        .join(api.SubmittedNotebook, api.SubmittedNotebook.id == kind.notebook_id)
    )  # fmt: skip
    return _of(lesson, students)(query)


def _make_tables(db_url: str) -> None:
    """As Gradebook does for a new database, which starts the `alembic` command for its newest version's name."""
    engine = create_engine(db_url)
    try:
        if inspect(engine).get_table_names():
            return
        from alembic.script import ScriptDirectory

        newest = ScriptDirectory(dbutil.ALEMBIC_DIR).get_current_head()
        versions = table("alembic_version", named("version_num"))
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # else each table would be made for itself
            api.Base.metadata.create_all(connection)
            connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            if not connection.scalar(select(func.count()).select_from(versions)):
                connection.execute(insert(versions).values(version_num=newest))
    finally:
        engine.dispose()
