"""From a lesson source to its solution notebook: nbgrader metadata, stable ids, the student text beside each answer."""

from __future__ import annotations

from collections import Counter
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grading.course import Level, Settings, Worth
from grading.intake.code_analysis import look
from grading.lesson_builder.bootstrap import bootstrap_cell, with_colab_link
from grading.lesson_builder.folding import METADATA as FOLDED
from grading.lesson_builder.folding import folded_source
from grading.lesson_builder.prose import ProseError, prose_at
from grading.lesson_source.source import Cell, LessonError, LessonSource


def write_here(question: str) -> str:
    """What stands in the place of a written answer; nbgrader's Validate quotes it when nothing else is there."""
    return f"*Your answer to {question}: write it here, in place of this line.*"


def solution_notebook(lesson: LessonSource, settings: Settings, level: Level | None = None) -> NotebookNode:
    """The solution notebook without outputs, which holds the student's texts at `level`; default: the course's.

    Raises:
        LessonError: a marker in the prose can't be understood.
    """
    level = level or settings.level
    numbers: Counter[str] = Counter()
    written = ""
    cells = []
    for cell in lesson.cells:
        if cell.role == "written":
            written = cell.question
        identity = _identity(cell, numbers, written)
        try:
            cells.append(_node(cell, identity, lesson, settings, level))
        except ProseError as error:
            raise LessonError(f"{lesson.path}:{cell.line + error.line}: {error}") from None
    notebook = new_notebook(cells=cells)
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        vitlab={"lesson": lesson.id} | ({} if level is Level.guided else {"level": level.value}),
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def _identity(cell: Cell, numbers: Counter[str], written: str) -> str:
    """A cell id that stays when other kinds of cells come and go."""
    if cell.role in ("answer", "written"):
        return cell.question
    if cell.role == "check":
        return f"{cell.question}-check"
    if cell.role == "rubric":
        return f"{written}-rubric"
    if cell.role == "bootstrap":
        return "bootstrap"
    name = cell.role or ("demo" if cell.kind == "code" else "text")
    numbers[name] += 1
    return f"{name}-{numbers[name]:02d}"


def _node(cell: Cell, identity: str, lesson: LessonSource, settings: Settings, level: Level) -> NotebookNode:
    text = prose_at(cell.source, level, lesson) if cell.kind == "markdown" else cell.source
    written = cell.blanked is not None and cell.blanked.written[level] > 0
    fold = "" if written else cell.fold
    source = folded_source(text, fold) if fold else text
    if cell.role == "bootstrap":
        source = bootstrap_cell(settings)
    source = with_colab_link(source, settings, f"solutions/{lesson.id}/{lesson.id}.ipynb")
    node = (new_code_cell if cell.kind == "code" else new_markdown_cell)(source, id=identity)
    role = cell.role or ("demo" if cell.kind == "code" else "text")
    vitlab: dict[str, Any] = {"role": role}
    if cell.question:
        vitlab["question"] = cell.question
    if cell.blanked and written:
        vitlab["student"] = cell.blanked.texts[level]
    worth = settings.worth(cell.kind_of_question)
    if cell.kind_of_question:
        vitlab |= {"kind": cell.kind_of_question, "worth": worth.value}
        if cell.role == "check":
            vitlab["points"] = cell.points
    if fold:
        vitlab["fold"] = fold
    if cell.role == "written":
        vitlab["student"] = write_here(cell.question)
    shown = with_colab_link(text, settings, f"notebooks/{lesson.id}/{lesson.id}.ipynb")
    if text != shown:
        vitlab["student"] = shown
    node.metadata["vitlab"] = vitlab
    if cell.role in ("rubric", "solution"):
        node.metadata["tags"] = [cell.role]
    if fold or cell.role == "bootstrap":
        node.metadata |= nbformat.from_dict(FOLDED)
    grader = _nbgrader(cell, identity, worth)
    if grader:
        node.metadata["nbgrader"] = grader
    if cell.role in ("bootstrap", "setup", "check"):
        node.metadata["deletable"] = False
        node.metadata["editable"] = False
    return node


def _nbgrader(cell: Cell, identity: str, worth: Worth) -> dict[str, Any] | None:
    base = {"grade_id": identity, "schema_version": 3, "task": False}
    if cell.role == "answer":
        return base | {"grade": False, "solution": True, "locked": False}
    if cell.role == "check":
        points = cell.points if worth is Worth.points else 0  # nbgrader's maximum: what is on top doesn't raise it
        return base | {"grade": True, "solution": False, "locked": True, "points": points}
    if cell.role == "written":
        return base | {"grade": True, "solution": True, "locked": False, "points": cell.points}
    if cell.role in ("bootstrap", "setup"):
        return base | {"grade": False, "solution": False, "locked": True}
    return None


def without_outputs(notebook: NotebookNode) -> NotebookNode:
    """A copy with everything that running changes taken out: for comparing."""
    copy = nbformat.from_dict(notebook)
    copy = nbformat.reads(nbformat.writes(copy), as_version=4)
    copy.metadata.pop("widgets", None)
    copy.metadata["language_info"] = {"name": "python"}
    for cell in copy.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return copy


def carry_outputs(old: NotebookNode, new: NotebookNode) -> None:
    """Give `new` the outputs of `old` for cells whose id and code stayed; another layout is no other code."""
    kept = {cell.id: cell for cell in old.cells if cell.cell_type == "code" and "id" in cell}
    for cell in new.cells:
        before = kept.get(cell.id)
        if cell.cell_type == "code" and before is not None and _same_code(before.source, cell.source):
            cell.outputs, cell.execution_count = before.outputs, before.execution_count


def _same_code(one: str, other: str) -> bool:
    return one == other or (look(one).parsed and look(one).shape == look(other).shape)
