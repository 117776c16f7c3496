"""nbgrader's preprocessors on a gradebook that is open already, so that many submissions are one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nbformat import NotebookNode
from nbgrader import api
from nbgrader.api import Gradebook, MissingEntry

from grading.nbgrader_plugin.changed_cells import SaveChangedCells
from grading.nbgrader_plugin.extra_credit import SaveScores
from grading.nbgrader_plugin.late_penalty import LatePenalties


class SubmissionCells:
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


class BatchSaveAutoGrades(SaveScores):
    """nbgrader's, on a gradebook that is open already."""

    def save(self, gradebook: SubmissionCells, notebook: NotebookNode, lesson: str, student: str) -> None:
        self.gradebook, self.notebook_id, self.assignment_id, self.student_id = gradebook, lesson, lesson, student
        for index, cell in enumerate(notebook.cells):
            self.preprocess_cell(cell, {}, index)


class BatchSaveCells(SaveChangedCells):
    """The same step, on a gradebook that is open already."""

    def save(self, gradebook: Gradebook, notebook: NotebookNode, lesson: str, name: str) -> None:
        """Save the cells of the notebook called `name`."""
        self.gradebook, self.notebook_id, self.assignment_id = gradebook, name, lesson
        for kind in ("grade", "solution", "task", "source"):
            setattr(self, f"new_{kind}_cells", {})
        for index, cell in enumerate(notebook.cells):
            self.preprocess_cell(cell, {}, index)
        self._create_notebook(notebook)


class BatchLatePenalties(LatePenalties):
    """Ours, on a submission that is at hand."""

    def assess(self, submission: api.SubmittedAssignment, lesson: str, *, missing: bool) -> None:
        """As AssignLatePenalties.preprocess does. `missing`: nothing was run, so there is nothing to take off."""
        self.grant(submission, lesson)
        for notebook in submission.notebooks:
            late = submission.total_seconds_late
            penalty = None
            if late > 0 and not missing and not self.is_excused(submission.student_id, lesson):
                self.start(lesson)
                penalty = self.plugin_inst.late_submission_penalty(submission.student_id, notebook.score, late)
                if penalty is not None:
                    penalty = self._check_late_penalty(notebook, penalty)
            if penalty != notebook.late_submission_penalty:
                notebook.late_submission_penalty = penalty
