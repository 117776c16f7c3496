"""Preprocessors for nbgrader's generate step: what students get of a built lesson, and of an ordinary notebook.

The same list serves both kinds of notebook, because `nbgrader generate_assignment` and formgrader's button know only
one. A built lesson (`vitlab build` made it from a source file) carries the text that students get in the metadata of
each answer cell. An ordinary nbgrader notebook marks its solution with ``### BEGIN SOLUTION`` and its hidden tests with
``### BEGIN HIDDEN TESTS``; nbgrader's own preprocessors take these out. The decision is made cell by cell, so that a
notebook that mixes both never ships a solution.
"""

from __future__ import annotations

from nbformat import NotebookNode
from nbgrader.preprocessors import ClearSolutions, NbGraderPreprocessor

INSTRUCTOR_ROLES = ("rubric", "solution")

# nbgrader's own order (nbgrader.converters.GenerateAssignment.preprocessors), with four steps of ours in it.
PREPROCESSORS = [
    "nbgrader.preprocessors.IncludeHeaderFooter",
    "nbgrader.preprocessors.InstantiateTests",
    "nbgrader.preprocessors.LockCells",
    "grading.nbgrader_plugin.generate.RemoveInstructorCells",
    "grading.nbgrader_plugin.generate.ClearUnbuiltSolutions",
    "grading.nbgrader_plugin.generate.StudentText",
    "nbgrader.preprocessors.ClearOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "grading.nbgrader_plugin.changed_cells.SaveChangedCells",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
]


def _vitlab(cell: NotebookNode) -> dict:
    """The metadata that `vitlab build` left in a cell; empty for any other cell."""
    found = cell.metadata.get("vitlab", {})
    return found if isinstance(found, dict) else {}


class RemoveInstructorCells(NbGraderPreprocessor):
    """Drops the cells of a built lesson that only the instructor reads: rubrics, and solutions to written questions."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        nb.cells = [cell for cell in nb.cells if _vitlab(cell).get("role") not in INSTRUCTOR_ROLES]
        return nb, resources


class ClearUnbuiltSolutions(ClearSolutions):
    """nbgrader's ClearSolutions for every cell that doesn't carry its students' text; configured as ClearSolutions."""

    def preprocess_cell(self, cell: NotebookNode, resources: dict, cell_index: int) -> tuple[NotebookNode, dict]:
        if "student" in _vitlab(cell):
            return cell, resources
        return super().preprocess_cell(cell, resources, cell_index)


class StudentText(NbGraderPreprocessor):
    """Puts the students' text in the place of each answer of a built lesson, and drops traces of its execution."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        if "vitlab" not in nb.metadata:
            return nb, resources
        for cell in nb.cells:
            student = _vitlab(cell).pop("student", None)
            if student is not None:
                cell.source = student
            cell.metadata.pop("execution", None)
        nb.metadata.pop("widgets", None)
        return nb, resources
