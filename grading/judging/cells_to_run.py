"""Which cells run when grading: everything an answer needs, and no demonstration that it doesn't."""

from __future__ import annotations

from nbformat import NotebookNode

from grading.intake.code_analysis import look


def role_of(cell: NotebookNode) -> str:
    """The cell's role; a cell that isn't of the template is the student's own: "extra"."""
    vitlab = cell.metadata.get("vitlab", {})
    role = vitlab.get("role", "extra") if isinstance(vitlab, dict) else "extra"
    return str(role)


def cells_to_run(notebook: NotebookNode) -> set[int]:
    """Indices of the code cells that grading runs.

    Demonstrations are left out unless a cell that runs reads a name that only they bind. What is read behind a
    blank counts for nothing: with `queries = ...` still to be written, the next line's `queries` looks like the
    name of a demonstration, and is none.
    """
    code = {i: cell for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
    names = {i: look(cell.source) for i, cell in code.items()}
    chosen = {i for i, cell in code.items() if role_of(cell) != "demo"}
    while True:
        bound = frozenset().union(*(names[i].binds for i in chosen))
        needed = frozenset().union(*(names[i].reads - names[i].cut_off for i in chosen)) - bound
        more = {i for i in code if i not in chosen and names[i].binds & needed}
        if not more:
            return chosen
        chosen |= more
