"""Makes a handed-in notebook of an ordinary assignment ready to run, as nbgrader's sanitising steps do.

nbgrader's order stays: the student's notebook is run as it is, with the instructor's cells put back to what they were
(`OverwriteCells`) and hidden tests in them. Where nbgrader gives up (a cell twice, metadata that a tool has removed),
or gives no points without a word (a test cell that was deleted), this one repairs and says so.
"""

from __future__ import annotations

from collections.abc import Mapping

from nbformat import NotebookNode
from nbgrader.utils import compute_checksum, is_grade, is_locked, is_solution

from grading.copying import copied
from grading.intake.cells import plain
from grading.intake.transplant import transplant
from grading.nbgrader_plugin.ordinary.assignment import Part

KNOWN_SHARE = 0.5  # of the marked cells; below it, answers are found by what the cells hold


def prepare(part: Part, submission: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """The notebook to run for one that was handed in, and what was repaired, one sentence each.

    Args:
        submission: valid, without outputs, with no metadata but grade ids, as `read_notebook` gives it.
    """
    notes: list[str] = []
    ids = {_grade_id(cell) for cell in submission.cells}
    if len(ids & part.marked.keys()) < KNOWN_SHARE * len(part.marked):
        moved = transplant(part.released, submission)
        notes += [f"{part.name}: {note}" for note in moved.notes]
        submission = moved.notebook
    cells = _without_copies([copied(cell) for cell in submission.cells], part, notes)
    cells = [_restored(cell, part, notes) for cell in cells]
    _put_back(cells, part, notes)
    return NotebookNode({**copied(submission), "cells": cells, "metadata": copied(part.graded.metadata)}), notes


def blank(part: Part) -> NotebookNode:
    """The notebook as it was given out, with hidden tests: in the place of one that was not handed in."""
    notebook = copied(part.graded)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def _grade_id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _without_copies(cells: list[NotebookNode], part: Part, notes: list[str]) -> list[NotebookNode]:
    """The last of several cells with one grade id keeps it, as in nbgrader's DeduplicateIds; the others still run."""
    seen: set[str] = set()
    for cell in reversed(cells):
        name = _grade_id(cell)
        if name in seen and name in part.marked:
            notes.append(f"{part.name}: cell {name!r} is there more than once; the last one is graded.")
        if name in seen or name not in part.marked:
            cell.metadata.pop("nbgrader", None)
        seen.add(name)
    return cells


def _restored(cell: NotebookNode, part: Part, notes: list[str]) -> NotebookNode:
    """A marked cell with the instructor's metadata, and with the instructor's text where students may not change it."""
    name = _grade_id(cell)
    if name not in part.marked:
        return cell
    ours = part.marked[name]
    cell.metadata = copied(ours.metadata)
    if cell.cell_type != ours.cell_type:
        notes.append(f"{part.name}: cell {name!r} was turned from {ours.cell_type} into {cell.cell_type}, and back.")
        _retype(cell, ours.cell_type)
    if is_locked(ours):
        given = next(c for c in part.released.cells if _grade_id(c) == name)
        if plain(cell.source) not in (plain(given.source), plain(ours.source)):
            notes.append(f"{part.name}: cell {name!r} was changed, which is not allowed; the original is used.")
        cell.source = ours.source
    return cell


def _retype(cell: NotebookNode, kind: str) -> None:
    cell.cell_type = kind
    if kind == "code":
        cell.outputs, cell.execution_count = [], None
        cell.pop("attachments", None)
    else:
        cell.pop("outputs", None)
        cell.pop("execution_count", None)


def _put_back(cells: list[NotebookNode], part: Part, notes: list[str]) -> None:
    """Marked cells that are gone: each after the marked cell that comes before it in the instructor's notebook."""
    before = ""
    for name, ours in part.marked.items():
        here = {_grade_id(cell): at for at, cell in enumerate(cells)}
        if name not in here:
            cells.insert(here[before] + 1 if before in here else 0, _given(name, ours, part))
            if is_grade(ours) and not is_solution(ours):
                notes.append(f"{part.name}: test cell {name!r} was missing; it was put back and run.")
            elif is_solution(ours):
                notes.append(f"{part.name}: answer cell {name!r} was missing; it counts as left empty.")
            else:
                notes.append(f"{part.name}: cell {name!r} was missing; it was put back.")
        before = name


def _given(name: str, ours: NotebookNode, part: Part) -> NotebookNode:
    """A marked cell to be put back: the test with its hidden part, an empty answer as it was given out.

    An empty code answer isn't run: nbgrader's stub raises an error, and the student's code may stand in another cell.
    """
    cell = copied(ours if is_locked(ours) else next(c for c in part.released.cells if _grade_id(c) == name))
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
        if not is_locked(ours) and not is_grade(ours):
            cell.source = ""
    return cell


def keyed(notebook: NotebookNode, names: Mapping[str, str]) -> NotebookNode:
    """In place: each marked cell under another grade id, with the checksum that belongs to it.

    An answer's checksum is that of the text which was given out, by which nbgrader knows an answer left empty.

    Args:
        names: grade id to the new one.
    """
    for cell in notebook.cells:
        grader = cell.metadata.get("nbgrader", {})
        new = names.get(str(grader.get("grade_id", "")))
        if new is None or new == grader["grade_id"]:
            continue
        as_given = "checksum" in grader and grader["checksum"] == compute_checksum(cell)
        grader["grade_id"] = new
        grader["checksum"] = compute_checksum(cell) if as_given else ""
    return notebook
