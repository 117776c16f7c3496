"""Demonstrations that the student writes from some level on: `# %% write_from="open"` above a cell of definitions.

Below that level the cell is given (and folded, where it has `fold`). From that level on the student sees the comment on
top, the signatures and the docstrings, as of an answer at `open`. Such a cell has no points and no check of its own:
the cell after it asserts what right code must give, behind `if written(name):`.
"""

from __future__ import annotations

import ast

from grading.course import Level
from grading.lesson_source.blanks import BlankError
from grading.lesson_source.levels import Levelled, code_rows, open_text, without_marks
from helpers.checks.parsing import parse

ORDER = tuple(Level)


def make_practice(source: str, level: str) -> Levelled:
    """The texts of a practice cell by level.

    Args:
        source: definitions of functions and classes, each with a docstring; imports and constants may stand among them.
        level: "standard" or "open".

    Raises:
        BlankError: another level, code that doesn't parse, a definition without a docstring, no definition, or a
            statement that would run code.
    """
    if level not in (Level.standard, Level.open):
        raise BlankError(0, f'write_from={level!r}: a demonstration may have write_from="standard" or "open"')
    try:
        tree = parse(source)
    except SyntaxError as error:
        raise BlankError(error.lineno or 1, f"the practice cell is not valid Python: {error}") from None
    definitions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    if not definitions:
        raise BlankError(1, "a practice cell defines at least one function or class")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if ast.get_docstring(node) is None:
                raise BlankError(node.lineno, f"{node.name} needs a docstring: it is all that the student is told")
        elif not isinstance(node, ast.Assign | ast.Import | ast.ImportFrom):
            raise BlankError(node.lineno, "a practice cell holds definitions, constants and imports only")
    solution, blank = without_marks(source), open_text(source)
    lines = len(code_rows(solution)) - len([row for row in code_rows(blank) if row.strip() != "___"])
    first = ORDER.index(Level(level))
    mine = {one: ORDER.index(one) >= first for one in Level}
    return Levelled(
        solution,
        {one: blank if mine[one] else solution for one in Level},
        (),
        {one: lines if mine[one] else 0 for one in Level},
    )
