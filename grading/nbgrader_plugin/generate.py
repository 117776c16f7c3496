"""Preprocessors that nbgrader's generate step runs for us."""

from __future__ import annotations

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor


class StudentText(NbGraderPreprocessor):
    """Puts the student's text in the place of each answer, and drops what only the instructor reads."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        for cell in nb.cells:
            student = cell.metadata.get("vitlab", {}).pop("student", None)
            if student is not None:
                cell.source = student
            cell.metadata.pop("execution", None)
        nb.metadata.pop("widgets", None)
        return nb, resources
