"""Everything of ours that touches nbgrader's gradebook goes through nbgrader's own preprocessors and API."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import SaveAutoGrades, SaveCells
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from grading.course import Lesson
from grading.late import LatePenalties


def commands_on_path() -> None:
    """nbgrader calls the `alembic` command by name: make this environment's commands found, activated or not."""
    here = str(Path(sys.executable).parent)
    if shutil.which("alembic") is None:
        os.environ["PATH"] = os.pathsep.join([here, os.environ.get("PATH", "")])


class Register:
    """The gradebook of a course.

    Args:
        db_url: as nbgrader takes it, ``sqlite:////path`` or ``postgresql://…``.
        config: our nbgrader configuration (late penalties).
    """

    def __init__(self, db_url: str, config: Config) -> None:
        commands_on_path()
        # nbgrader adds a submission before its session knows it, and SQLAlchemy says so each time
        warnings.filterwarnings("ignore", category=SAWarning, module=r"nbgrader\.")
        self.db_url = db_url
        if db_url.startswith("sqlite:///"):
            Path(db_url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        self._log = logging.getLogger("vitlab.gradebook")
        self._log.setLevel(logging.ERROR)
        self._save = SaveAutoGrades(config=config, log=self._log)
        self._late = LatePenalties(config=config, log=self._log)
        self._cells = SaveCells(config=config, log=self._log)

    def register_lesson(self, lesson: Lesson, released: Path) -> None:
        """Make sure the lesson is an assignment whose cells are those of the released notebook."""
        with Gradebook(self.db_url) as gradebook:
            due = lesson.due.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if lesson.due else None
            gradebook.update_or_create_assignment(lesson.id, duedate=due)
        notebook = nbformat.read(released, as_version=4)
        self._cells.preprocess(notebook, self._resources(lesson.id, ""))

    def save(self, student: str, lesson: str, notebook: NotebookNode, timestamp: datetime | None) -> None:
        """Save a judged notebook's scores; a manual score given before is kept."""
        self._open(student, lesson, timestamp)
        resources = self._resources(lesson, student)
        self._save.preprocess(notebook, resources)
        self._late.preprocess(notebook, resources)

    def save_zero(self, student: str, lesson: str, timestamp: datetime | None) -> None:
        """Nothing could be run: zero for every cell, as nbgrader does for a missing notebook."""
        self._open(student, lesson, timestamp)
        with Gradebook(self.db_url) as gradebook:
            for grade in gradebook.find_submission_notebook(lesson, lesson, student).grades:
                grade.auto_score, grade.needs_manual_grade = 0, False
            gradebook.db.commit()

    def _open(self, student: str, lesson: str, timestamp: datetime | None) -> None:
        with Gradebook(self.db_url) as gradebook:
            gradebook.update_or_create_student(student)
            extra = {"timestamp": timestamp} if timestamp else {}
            gradebook.update_or_create_submission(lesson, student, **extra)

    def _resources(self, lesson: str, student: str) -> dict:
        return {
            "nbgrader": {"assignment": lesson, "notebook": lesson, "student": student, "db_url": self.db_url},
            "unique_key": lesson,
        }

    def written(self, student: str, lesson: str, cells: Iterable[str]) -> dict[str, tuple[float | None, float]]:
        """Score (None while it waits for a person) and points of written questions."""
        found: dict[str, tuple[float | None, float]] = {}
        with Gradebook(self.db_url) as gradebook:
            for cell in cells:
                grade = gradebook.find_grade(cell, lesson, lesson, student)
                score = None if grade.needs_manual_grade and grade.manual_score is None else grade.score
                found[cell] = (score, grade.max_score)
        return found
