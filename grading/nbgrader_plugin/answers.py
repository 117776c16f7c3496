"""Fingerprints of answers: what a score or a comment by hand was given for.

A score by hand belongs to an answer, not to a cell. The answer is what the student wrote: whatever changes around it
(the lesson's text, the points, the check, the text in a blank that the student left alone) keeps its fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from nbformat import NotebookNode
from nbgrader.utils import compute_checksum, is_grade, is_solution, is_task

UNREAD = "unread"  # nothing could be read, or the notebook lacks the cell
UNTOUCHED = "untouched"  # still what the lesson gave
ABSENT = frozenset({UNREAD, UNTOUCHED, ""})  # there is no answer that a person could read


def answers_of(notebook: NotebookNode | None, cells: Iterable[str] = ()) -> dict[str, str]:
    """Fingerprint of the answer that each graded or commented cell is about.

    A check cell is about the answer cells of its question (``metadata.vitlab.question``); in a notebook without such
    metadata, about the solution cells since the check before it. A task cell is about the cells added under it.

    Args:
        notebook: as it was graded; None when nothing could be read.
        cells: names (nbgrader's grade ids) that get `UNREAD` when the notebook lacks them.
    """
    found = dict.fromkeys(cells, UNREAD)
    if notebook is None:
        return found
    by_question = _by_question(notebook)
    every = [cell for cell in notebook.cells if is_solution(cell)]
    since: list[NotebookNode] = []
    for index, cell in enumerate(notebook.cells):
        name = str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
        if is_task(cell):
            found[name] = _fingerprint([cell, *_added_under(notebook.cells, index)])
        elif is_solution(cell):
            found[name] = _fingerprint([cell])
            since.append(cell)
        elif is_grade(cell):
            found[name] = _fingerprint(by_question.get(_question(cell), []) or since or every)
            since = []
    return found


def _question(cell: NotebookNode) -> str:
    vitlab = cell.metadata.get("vitlab", {})
    return str(vitlab.get("question", "")) if isinstance(vitlab, dict) else ""


def _by_question(notebook: NotebookNode) -> Mapping[str, list[NotebookNode]]:
    found: dict[str, list[NotebookNode]] = {}
    for cell in notebook.cells:
        if is_solution(cell) and _question(cell):
            found.setdefault(_question(cell), []).append(cell)
    return found


def _added_under(cells: Sequence[NotebookNode], index: int) -> Iterable[NotebookNode]:
    """What a student added under a task cell."""
    for cell in cells[index + 1 :]:
        if "nbgrader" in cell.metadata:
            return
        yield cell


def _fingerprint(cells: Sequence[NotebookNode]) -> str:
    """White space at line ends and around the text makes no other answer; editors add and remove it."""
    if cells and all(_as_released(cell) for cell in cells):
        return UNTOUCHED
    digest = hashlib.sha256()
    for cell in cells:
        text = "\n".join(line.rstrip() for line in str(cell.source).splitlines()).strip()
        digest.update(text.encode("utf-8", "replace") + b"\0")
        for name, held in sorted(cell.get("attachments", {}).items()):
            digest.update(f"{name}\0{sorted(held.items())}\0".encode("utf-8", "replace"))
    return digest.hexdigest()


def _as_released(cell: NotebookNode) -> bool:
    checksum = cell.metadata.get("nbgrader", {}).get("checksum")
    return bool(checksum) and checksum == compute_checksum(cell)
