"""Notebooks as an instructor writes them with nbgrader's own toolbar: cells of each kind, in a line or two each."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def _marked(cell: NotebookNode, grade_id: str, **flags: Any) -> NotebookNode:
    known = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = known | {"grade_id": grade_id} | flags
    return cell


def text(source: str) -> NotebookNode:
    """A cell that nbgrader doesn't look at."""
    return new_markdown_cell(source)


def code(source: str) -> NotebookNode:
    """A code cell that nbgrader doesn't look at."""
    return new_code_cell(source)


def answer(grade_id: str, source: str) -> NotebookNode:
    """An autograded answer."""
    return _marked(new_code_cell(source), grade_id, solution=True)


def autograder_tests(grade_id: str, points: float, source: str) -> NotebookNode:
    """Autograder tests."""
    return _marked(new_code_cell(source), grade_id, grade=True, locked=True, points=points)


def manual(grade_id: str, points: float, source: str, *, is_code: bool = False) -> NotebookNode:
    """A manually graded answer."""
    cell = new_code_cell(source) if is_code else new_markdown_cell(source)
    return _marked(cell, grade_id, grade=True, solution=True, points=points)


def task(grade_id: str, points: float, source: str) -> NotebookNode:
    """A manually graded task."""
    return _marked(new_markdown_cell(source), grade_id, task=True, points=points)


def read_only(grade_id: str, source: str) -> NotebookNode:
    """A cell that students can't change."""
    return _marked(new_code_cell(source), grade_id, locked=True)


def notebook(*cells: NotebookNode, minor: int = 5) -> NotebookNode:
    """A notebook of format 4.`minor`; below 4.5 its cells have no ids."""
    made = new_notebook(cells=list(cells), metadata={"kernelspec": dict(KERNEL)})
    made.nbformat_minor = minor
    for number, cell in enumerate(made.cells):
        if minor < 5:
            cell.pop("id", None)
        else:
            cell["id"] = f"cell-{number}"
    return made
