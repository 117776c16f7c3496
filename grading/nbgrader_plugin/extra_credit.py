"""Questions on top of the total: nbgrader's extra credit for those that are a bonus, nothing for those that are not.

Their check cells are worth 0 points to nbgrader, so that its maximum stays; the points that can be earned stand in the
cell's own metadata.
"""

from __future__ import annotations

from nbformat import NotebookNode
from nbgrader.preprocessors import SaveAutoGrades
from nbgrader.utils import determine_grade

from grading.course import Worth


def worth_of(cell: NotebookNode) -> Worth:
    """What a check cell's points count for."""
    return Worth(cell.metadata.get("vitlab", {}).get("worth", Worth.points))


def points_earned(cell: NotebookNode) -> float:
    """What nbgrader would read from a judged check cell if its points counted."""
    counted = NotebookNode(cell)
    grader = {**cell.metadata["nbgrader"], "points": cell.metadata["vitlab"]["points"]}
    counted.metadata = NotebookNode({**cell.metadata, "nbgrader": NotebookNode(grader)})
    return determine_grade(counted)[0] or 0.0


class SaveScores(SaveAutoGrades):
    """nbgrader's SaveAutoGrades, which also saves extra credit."""

    def _add_score(self, cell: NotebookNode, resources: dict) -> None:
        worth = worth_of(cell)
        if worth is Worth.points:
            super()._add_score(cell, resources)
            return
        grade = self.gradebook.find_grade(
            cell.metadata["nbgrader"]["grade_id"], self.notebook_id, self.assignment_id, self.student_id
        )
        grade.auto_score = 0.0
        grade.needs_manual_grade = grade.manual_score is not None
        if grade.manual_score is None:  # what a person decided stays
            grade.extra_credit = points_earned(cell) if worth is Worth.bonus else None
        self.gradebook.db.commit()
