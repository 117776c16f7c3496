"""Cells that were added to a lesson or removed from it after it was graded.

nbgrader's SaveCells raises RuntimeError then. Here each hand-in that the gradebook holds gets a place for a new cell,
which waits until it is graded, and loses that of a cell that is gone. What persons gave for a removed cell stays on
record (`hand_scores`) and counts again when a cell of that name comes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nbformat import NotebookNode
from nbgrader import api
from nbgrader.api import MissingEntry
from nbgrader.preprocessors import SaveCells

from grading.nbgrader_plugin.carry_over import record_unseen
from grading.nbgrader_plugin.grader_log import quietly
from grading.nbgrader_plugin.hand_scores import make_tables

_KINDS = ("grade", "solution", "task", "source")


class SaveChangedCells(SaveCells):
    """nbgrader's SaveCells, also for an assignment that was handed in already.

    Attributes:
        notes: what changed in lessons that were graded, one sentence each, since the list was emptied last.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.notes: list[str] = []

    def _create_notebook(self, nb: NotebookNode) -> None:
        added: dict[str, set[str]] = {}
        notebook = self._handed_in()
        if notebook is not None:
            gone, added = self._difference(notebook)
            if any(gone.values()) or any(added.values()):
                self._remove(notebook, gone)
                self._add(added)
                self.notes.append(self._note(gone, added))
        super()._create_notebook(nb)
        if notebook is not None:
            self._open_places(added)

    def _handed_in(self) -> Any:
        """The notebook in the gradebook; None when it is not there, or there is no hand-in of it."""
        try:
            found = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        except MissingEntry:
            return None
        return found if found.submissions else None

    def _difference(self, notebook: Any) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
        """Names of removed and of added cells, by kind."""
        gone, added = {}, {}
        for kind in _KINDS:
            old = {cell.name for cell in getattr(notebook, f"{kind}_cells")}
            new = set(getattr(self, f"new_{kind}_cells"))
            gone[kind], added[kind] = old - new, new - old
        return gone, added

    def _remove(self, notebook: Any, gone: dict[str, set[str]]) -> None:
        db = self.gradebook.db
        make_tables(db.connection())
        students = [submission.student.id for submission in notebook.submissions]
        record_unseen(db, self.assignment_id, students)
        cells = [
            cell for kind in _KINDS for cell in getattr(notebook, f"{kind}_cells") if cell.name in gone[kind]
        ]  # fmt: skip
        with quietly(db):
            for cell in cells:
                for held in (*(getattr(cell, "grades", None) or ()), *(getattr(cell, "comments", None) or ())):
                    db.delete(held)
            db.flush()
            for cell in cells:
                db.delete(cell)
            db.flush()
        db.expire(notebook)

    def _add(self, added: dict[str, set[str]]) -> None:
        for kind in _KINDS:
            of_kind = getattr(self, f"new_{kind}_cells")
            for name in sorted(added[kind]):
                add = getattr(self.gradebook, f"add_{kind}_cell")
                add(name, self.notebook_id, self.assignment_id, **of_kind[name])
        self.gradebook.db.flush()

    def _open_places(self, added: dict[str, set[str]]) -> None:
        """A grade and a comment for each new cell in each hand-in, as `Gradebook.add_submission` makes them."""
        db = self.gradebook.db
        notebook = self.gradebook.find_notebook(self.notebook_id, self.assignment_id)
        cells = {kind: [c for c in getattr(notebook, f"{kind}_cells") if c.name in added.get(kind, ())]
                 for kind in ("grade", "solution", "task")}  # fmt: skip
        with quietly(db):
            for submission in notebook.submissions:
                for cell in (*cells["grade"], *cells["task"]):
                    db.add(api.Grade(cell_id=cell.id, notebook_id=submission.id, needs_manual_grade=True))
                for cell in (*cells["solution"], *cells["task"]):
                    db.add(api.Comment(cell_id=cell.id, notebook_id=submission.id))
            db.flush()
            db.expire_all()
            db.commit()

    def _note(self, gone: dict[str, set[str]], added: dict[str, set[str]]) -> str:
        parts = []
        if new := _questions(added):
            parts.append(f"{', '.join(new)} {_is(new)} new since it was graded")
        if old := _questions(gone):
            parts.append(f"{', '.join(old)} {_is(old)} no longer in it; what persons gave there stays on record")
        where = self.assignment_id if self.notebook_id == self.assignment_id else (
            f"{self.assignment_id}, notebook {self.notebook_id}"
        )  # fmt: skip
        return f"{where}: {'; '.join(parts) or 'cells that earn no points have changed'}."


def _questions(cells: dict[str, set[str]]) -> list[str]:
    """Graded cells by the name of their question."""
    return sorted({name.removesuffix("-check") for kind in ("grade", "task") for name in cells[kind]})


def _is(names: Iterable[str]) -> str:
    return "is" if len(list(names)) == 1 else "are"
