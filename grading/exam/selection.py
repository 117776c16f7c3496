"""Which cells run when grading: everything an answer needs, and no demonstration that it doesn't."""

from __future__ import annotations

import re
import symtable
from dataclasses import dataclass

from nbformat import NotebookNode

_MAGIC = re.compile(r"^(\s*)[%!?]", re.MULTILINE)


@dataclass(frozen=True)
class Names:
    """Global names a cell binds, and those it reads anywhere, inside functions too."""

    bound: frozenset[str]
    read: frozenset[str]


def names_of(source: str) -> Names:
    """Names of a cell; a cell that doesn't parse has none."""
    source = _MAGIC.sub(r"\1#", source)
    try:
        top = symtable.symtable(source, "<cell>", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return Names(frozenset(), frozenset())
    bound: set[str] = set()
    read: set[str] = set()
    _walk(top, bound, read, top_level=True)
    return Names(frozenset(bound), frozenset(read))


def _walk(table: symtable.SymbolTable, bound: set[str], read: set[str], *, top_level: bool) -> None:
    for symbol in table.get_symbols():
        if top_level:
            if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                bound.add(symbol.get_name())
            if symbol.is_referenced():
                read.add(symbol.get_name())
        elif symbol.is_global() and symbol.is_referenced():
            read.add(symbol.get_name())
    for child in table.get_children():
        _walk(child, bound, read, top_level=False)


def role_of(cell: NotebookNode) -> str:
    """The cell's role; a cell that isn't of the template is the student's own: "extra"."""
    vitlab = cell.metadata.get("vitlab", {})
    role = vitlab.get("role", "extra") if isinstance(vitlab, dict) else "extra"
    return str(role)


def cells_to_run(notebook: NotebookNode) -> set[int]:
    """Indices of the code cells that grading runs.

    Demonstrations are left out unless a cell that runs reads a name that only they bind.
    """
    code = {i: cell for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"}
    names = {i: names_of(cell.source) for i, cell in code.items()}
    chosen = {i for i, cell in code.items() if role_of(cell) != "demo"}
    while True:
        bound = frozenset().union(*(names[i].bound for i in chosen))
        needed = frozenset().union(*(names[i].read for i in chosen)) - bound
        more = {i for i in code if i not in chosen and names[i].bound & needed}
        if not more:
            return chosen
        chosen |= more
