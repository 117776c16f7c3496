"""The text of an answer together with everything it needs, out of cells that were run."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections.abc import Iterator, Sequence

Place = tuple[int, int]
_KNOWN = set(dir(builtins))


def with_all_it_needs(cells: Sequence[str], name: str) -> str | None:
    """Source that defines `name`, preceded by the imports, constants, functions and classes it uses.

    Args:
        cells: code in the order in which it ran; of several definitions of a name the last one counts. Code that
            isn't Python is passed over.

    Returns:
        None when no cell defines `name`.
    """
    definitions: dict[str, tuple[Place, str]] = {}
    for number, cell in enumerate(cells):
        try:
            tree = ast.parse(cell)
        except (SyntaxError, ValueError):
            continue
        for statement in tree.body:
            for defined in _names(statement):
                definitions[defined] = ((number, statement.lineno), _text(cell, statement, defined))
    wanted, found = [name], {}
    while wanted:
        one = wanted.pop()
        if one in found or one not in definitions:
            continue
        found[one] = definitions[one]
        wanted.extend(_used(definitions[one][1]) - _KNOWN)
    if name not in found:
        return None
    pieces = dict.fromkeys(sorted(found.values(), key=lambda d: d[0]))
    return "\n\n".join(text for _, text in pieces) + "\n"


def _names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        for alias in statement.names:
            yield alias.asname or alias.name.split(".")[0]
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _used(text: str) -> set[str]:
    """Global names that a statement reads; a function's own variables are not among them."""
    wanted, tables = set(), [symtable.symtable(text, "<answer>", "exec")]
    while tables:
        table = tables.pop()
        outermost = table.get_type() == "module"
        wanted |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (outermost or s.is_global())}
        tables += table.get_children()
    return wanted


def _text(cell: str, statement: ast.stmt, name: str) -> str:
    """A statement's own lines, decorators included; of an import, only the name that is needed."""
    if isinstance(statement, ast.ImportFrom):
        alias = next(a for a in statement.names if (a.asname or a.name) == name or a.name == "*")
        return ast.unparse(ast.ImportFrom(statement.module, [alias], statement.level))
    first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])
    return "\n".join(cell.splitlines()[first - 1 : statement.end_lineno])
