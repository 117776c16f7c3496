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
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbgrader import api
from nbgrader.api import Gradebook
from nbgrader.utils import parse_utc
from sqlalchemy import select
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from grading.course import Lesson
from grading.nbgrader_plugin.batch_preprocessors import (
    BatchLatePenalties,
    BatchSaveAutoGrades,
    BatchSaveCells,
    SubmissionCells,
)
from grading.nbgrader_plugin.carry_over import carry_over, record_unseen
from grading.nbgrader_plugin.database import make_database
from grading.nbgrader_plugin.grader_log import quietly, watch_persons
from grading.nbgrader_plugin.stored_grades import StoredGrades, joined, read_stored, students_of
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
        self._save = BatchSaveAutoGrades(config=config, log=log)
        self._late = BatchLatePenalties(config=config, log=log)
        self._cells = BatchSaveCells(config=config, log=log)
        make_database(db_url)
        watch_persons()
        self._gradebook = Gradebook(db_url)

    def __enter__(self) -> GradebookWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the database."""
        self._gradebook.close()

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """The session: nbgrader's commits inside do nothing, one at the end does. What is written has no author."""
        db = self._gradebook.db
        db.commit = lambda: None  # of this object alone
        try:
            with quietly(db):
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
        self.register_notebooks(lesson, {lesson.id: nbformat.read(released, as_version=4)})

    def register_notebooks(self, lesson: Lesson, released: Mapping[str, NotebookNode]) -> None:
        """The same for an assignment of several notebooks, given by name."""
        due = lesson.due.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if lesson.due else None
        with self.transaction() as db:
            self._gradebook.update_or_create_assignment(lesson.id, duedate=due)
            db.flush()
            db.autoflush = True
            for name, notebook in released.items():
                self._cells.save(self._gradebook, notebook, lesson.id, name)

    def changes(self) -> list[str]:
        """What `register_lesson` found changed in lessons that were graded, one sentence each; told once."""
        notes, self._cells.notes = self._cells.notes, []
        return notes

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
        with self.transaction() as db:
            for lesson, group in _by_lesson(entries):
                students = [entry.student for entry in group]
                submissions = self._submissions(db, lesson, group)
                record_unseen(db, lesson, students)
                grades, comments = joined(api.Grade, lesson, students), joined(api.Comment, lesson, students)
                cells = {student: SubmissionCells(db) for student in students}
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
                carry_over(db, lesson, {entry.student: entry.notebook for entry in group})
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
        db = self._gradebook.db
        try:
            found = read_stored(db, lesson, students)
        finally:
            db.remove()
        excused = {student for student in found if self._late.is_excused(student, lesson)}
        return {s: replace(grades, excused=True) if s in excused else grades for s, grades in found.items()}

    def enrol(self, people: Iterable[tuple[str, str, str, str]]) -> None:
        """Make students known by name, as formgrader shows them.

        Args:
            people: id, first name, last name and email of each; what is "" leaves what the gradebook has.
        """
        with self.transaction() as db:
            there = {student.id: student for student in db.scalars(select(api.Student))}
            for student, first, last, email in people:
                told = {"first_name": first, "last_name": last, "email": email}
                given = {name: text for name, text in told.items() if text}
                if student not in there:
                    self._gradebook.add_student(student, **given)
                    continue
                for name, text in given.items():
                    if getattr(there[student], name) != text:
                        setattr(there[student], name, text)

    def students(self, lesson: str) -> list[str]:
        """Whose submissions of a lesson are held."""
        try:
            return students_of(self._gradebook.db, lesson)
        finally:
            self._gradebook.db.remove()

    def lessons(self) -> list[str]:
        """The lessons that are held."""
        try:
            return list(self._gradebook.db.scalars(select(api.Assignment.name).order_by(api.Assignment.name)))
        finally:
            self._gradebook.db.remove()

    def settle(self, lesson: str) -> None:
        """Bring a lesson up to date with what persons have changed in formgrader since it was graded.

        Scores and comments by hand are put on record, and late penalties, which are shares of scores, follow them and
        what `extensions.csv` grants by now.
        """
        with self.transaction() as db:
            students = students_of(db, lesson)
            record_unseen(db, lesson, students)
            query = (
                select(api.SubmittedAssignment).join(api.SubmittedAssignment.assignment)
                .where(api.Assignment.name == lesson)
            )  # fmt: skip
            for submission in db.scalars(query):
                was_late = submission.total_seconds_late > 0
                self._late.grant(submission, lesson)
                untaken = all(n.late_submission_penalty is None and not n.score for n in submission.notebooks)
                if (was_late or submission.total_seconds_late > 0) and not untaken:
                    self._late.assess(submission, lesson, missing=False)

    def session(self) -> Any:
        """nbgrader's database session, for what is kept beside its tables."""
        return self._gradebook.db


def _by_lesson(entries: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    for lesson, group in groupby(sorted(entries, key=lambda e: e.lesson), key=lambda e: e.lesson):
        yield lesson, list(group)
