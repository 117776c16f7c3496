"""How much of an answer the student writes: `guided`, `standard` and `open`, derived from one marked answer cell.

guided    the blanks as they are marked
standard  the body of each function or method that holds a blank; what has none stays (imports, an `__init__` that
          only makes layers), and so do docstrings, `super().__init__(…)` and lines marked `# KEEP`
open      the question's comment, the signatures and the docstrings

Two optional markers help where the syntax tree can't tell: `# KEEP` at the end of a statement leaves it at
`standard`; `# KEEP` on a `def` line leaves that method at `standard` and its signature at `open`. `# WRITE` on a
`def` line that holds no blank makes its body the student's at `standard`.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from grading.course import Level
from grading.lesson_source.blanks import BEGIN_MARKER, END_MARKER, Blanked, BlankError, blank_text, make_blanks
from helpers.checks.parsing import parse

_KEEP = re.compile(r"[ \t]*#\s*KEEP\s*$", re.MULTILINE)
_WRITE = re.compile(r"[ \t]*#\s*WRITE\s*$", re.MULTILINE)
_BLANK = re.compile(r"#\s*(?:BEGIN )?BLANK\b")
_TELLING = 30  # characters: a shorter line of a blank page (`super().__init__()`) stands in many places
_SHOWN_METHODS = ("__init__", "forward", "__call__")  # whose signature an answer at `open` is given

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Levelled:
    """An answer cell at every level.

    Attributes:
        solution: without markers.
        texts: the student's text by level.
        hidden: the pieces of text that `guided` hides; every level hides them.
        written: by level how many lines of code the student writes.
    """

    solution: str
    texts: dict[Level, str]
    hidden: tuple[str, ...]
    written: dict[Level, int]

    @property
    def student(self) -> str:
        """The text at `guided`."""
        return self.texts[Level.guided]


def make_levels(source: str) -> Levelled:
    """The texts of a marked answer cell.

    Raises:
        BlankError: as `make_blanks`; a KEEP on a statement that holds a blank; a marker at a place where it means
            nothing.
    """
    _refuse_lost_markers(source)
    ending = "\n" if source.endswith("\n") else ""
    guided = make_blanks(without_marks(source))
    tree, lines = parse(source), source.splitlines()
    standard, written = _standard(tree, lines)
    opened = _open(tree, lines)
    solution = len(code_rows(guided.solution))
    return Levelled(
        guided.solution,
        {Level.guided: guided.student, Level.standard: standard + ending, Level.open: opened + ending},
        guided.hidden,
        {
            Level.guided: _lines_with_blanks(guided),
            Level.standard: written,
            Level.open: solution - len([row for row in code_rows(opened) if row.strip() != "___"]),
        },
    )


def make_blank_page(source: str) -> Levelled:
    """The answer of a blank page: at every level the student sees only the comment on top.

    Raises:
        BlankError: a marker, which would mean nothing here; code that doesn't parse; no code.
    """
    lines = source.splitlines()
    for row, line in enumerate(lines, 1):
        if _BLANK.search(line) or _KEEP.search(line) or _WRITE.search(line):
            raise BlankError(row, "a marker on a blank page: everything below the comment is the student's")
    try:
        rows = code_rows(source)
    except SyntaxError as error:
        raise BlankError(error.lineno or 1, f"the answer is not valid Python: {error}") from None
    if not rows:
        raise BlankError(1, "a blank page without an answer")
    head = []
    for line in lines:
        if not line.startswith("#"):
            break
        head.append(line)
    hidden = tuple(row.strip() for row in rows if len(row.strip()) >= _TELLING)
    return Levelled(source, dict.fromkeys(Level, "\n".join(head)), hidden, dict.fromkeys(Level, len(rows)))


def code_rows(source: str) -> list[str]:
    """The lines of a source that hold code: without empty lines, comments and docstrings."""
    lines = source.splitlines()
    drop: set[int] = set()
    for node in ast.walk(parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            drop |= set(range(node.lineno - 1, node.end_lineno or node.lineno))
    left = [line for n, line in enumerate(lines) if n not in drop and line.strip()]
    return [line for line in left if not line.lstrip().startswith("#")]


def open_text(source: str) -> str:
    """Comment on top, signatures and docstrings of a source that parses."""
    return _open(parse(source), source.splitlines()) + ("\n" if source.endswith("\n") else "")


def without_marks(source: str) -> str:
    """A source without KEEP and WRITE."""
    return _WRITE.sub("", _KEEP.sub("", source))


def _lines_with_blanks(made: Blanked) -> int:
    """A region counts its lines; any other line with a blank counts once."""
    regions = sum(size for size in made.regions)
    lone = sum("___" in line and line.strip() != "___" for line in made.student.splitlines())
    return regions + lone


def _standard(tree: ast.Module, lines: list[str]) -> tuple[str, int]:
    edits: list[tuple[int, int, list[str]]] = []
    count = 0
    for function in _functions(tree):
        body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
        first, last = _rows_of(function, body, lines)
        marked = any(_BLANK.search(line) for line in lines[first:last])
        header = " ".join(lines[function.lineno - 1 : function.body[0].lineno - 1])
        if not body or (not marked and not _WRITE.search(lines[_colon_row(function)])) or "# KEEP" in header:
            continue
        new, size = _blank_body(body, lines, first, last)
        edits.append((first, last, new))
        count += size
    if not edits:  # blanks at class level only: nothing to widen
        made = make_blanks(without_marks("\n".join(lines) + "\n"))
        return made.student, _lines_with_blanks(made)
    for first, last, new in sorted(edits, reverse=True):
        lines = [*lines[:first], *new, *lines[last:]]
    text = _stripped("\n".join(lines))
    parse(text)
    return text, count


def _blank_body(body: list[ast.stmt], lines: list[str], first: int, last: int) -> tuple[list[str], int]:
    """The lines of a blank body, statements that stay among them, and how many lines of code went."""
    indent = lines[body[0].lineno - 1][: body[0].col_offset]
    new: list[str] = []
    total = 0
    start = first
    for statement in body:
        if not _stays(statement, lines):
            continue
        top = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))]) - 1
        while top > start and lines[top - 1].lstrip().startswith("#") and not _BLANK.search(lines[top - 1]):
            top -= 1
        total += _fill(new, lines[start:top], indent)
        new += lines[top : statement.end_lineno]
        start = statement.end_lineno or start
    total += _fill(new, lines[start:last], indent)
    return new, total


def _fill(new: list[str], gone: list[str], indent: str) -> int:
    size = len([g for g in gone if g.strip() and not g.lstrip().startswith("#")])
    if size:
        new += blank_text(indent, size).splitlines()
    return size


def _stays(statement: ast.stmt, lines: list[str]) -> bool:
    rows = lines[statement.lineno - 1 : statement.end_lineno]
    marked = any(_BLANK.search(row) for row in rows)
    if any(_KEEP.search(row) for row in rows):
        if marked:
            raise BlankError(statement.lineno, "KEEP on a statement that holds a blank: it can't stay and go")
        return True
    return not marked and bool(re.fullmatch(r"super\(\)\.__init__\(.*\)", " ".join(rows).strip(), re.DOTALL))


def _open(tree: ast.Module, lines: list[str]) -> str:
    """Comment, signatures, docstrings; top-level statements that define nothing stay (an import, a constant)."""
    pieces: list[str] = []
    head = [line for line in lines[: _top(tree.body[0])] if line.startswith("#")]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            pieces.append("\n\n\n" if pieces else "")
            pieces.append("\n".join(_open_class(node, lines)))
        elif isinstance(node, Function):
            pieces.append("\n\n\n" if pieces else "")
            pieces.append("\n".join(_open_function(node, lines)))
        else:
            pieces.append("\n" if pieces else "")
            pieces.append("\n".join(lines[node.lineno - 1 : node.end_lineno]))
    return _stripped("\n".join(head) + "\n" + "".join(pieces))


def _open_class(node: ast.ClassDef, lines: list[str]) -> list[str]:
    methods = [one for one in node.body if isinstance(one, Function)]
    shown = [m for m in methods if m.name in _SHOWN_METHODS or "# KEEP" in lines[_colon_row(m)]]
    out = _header(node, lines)
    for number, method in enumerate(shown or methods):
        if number or ast.get_docstring(node, clean=False) is not None:
            out.append("")
        out += _open_function(method, lines)
    return out


def _open_function(node: Function, lines: list[str]) -> list[str]:
    return [*_header(node, lines), f"{' ' * (node.col_offset + 4)}___"]


def _header(node: Function | ast.ClassDef, lines: list[str]) -> list[str]:
    """Decorators, signature and docstring."""
    out = lines[_top(node) : _colon_row(node) + 1]
    if ast.get_docstring(node, clean=False) is not None:
        doc = node.body[0]
        out = out + lines[doc.lineno - 1 : doc.end_lineno]
    return out


def _functions(tree: ast.Module) -> list[Function]:
    """Top-level functions and methods of top-level classes."""
    found: list[Function] = []
    for node in tree.body:
        if isinstance(node, Function):
            found.append(node)
        elif isinstance(node, ast.ClassDef):
            found += [one for one in node.body if isinstance(one, Function)]
    return found


def _top(node: ast.stmt) -> int:
    return min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1


def _colon_row(node: Function | ast.ClassDef) -> int:
    """Index of the line that ends the signature."""
    inside = [*getattr(node, "bases", []), *(k.value for k in getattr(node, "keywords", []))]
    if isinstance(node, Function):
        a = node.args
        inside = [*a.posonlyargs, *a.args, *a.kwonlyargs, *a.defaults, *(d for d in a.kw_defaults if d)]
        inside += [one for one in (a.vararg, a.kwarg, node.returns) if one]
    row = max([node.lineno, *(one.end_lineno or 0 for one in inside)]) - 1
    return row if inside == [] or row == node.lineno - 1 else _closing(row, node.body[0].lineno - 1, node)


def _closing(row: int, body: int, node: Function | ast.ClassDef) -> int:
    """A signature over several lines ends at most one line after its last argument."""
    return min(row + 1, body - 1)


def _rows_of(function: Function, body: list[ast.stmt], lines: list[str]) -> tuple[int, int]:
    """First line of what may go (comments before the first statement with it) and the line after the last."""
    doc = ast.get_docstring(function, clean=False) is not None
    first = (function.body[0].end_lineno or 0) if doc else _colon_row(function) + 1
    last = function.end_lineno or first
    while last < len(lines) and END_MARKER.search(lines[last]):
        last += 1
    return first, last


def _stripped(text: str) -> str:
    """Without KEEP, WRITE and markers of regions that were swallowed."""
    text = without_marks(text)
    rows = [row for row in text.splitlines() if not BEGIN_MARKER.search(row) and not END_MARKER.search(row)]
    return "\n".join(rows).strip("\n")


def _refuse_lost_markers(source: str) -> None:
    try:
        tree = parse(source)
    except SyntaxError:
        return  # make_blanks says so
    lines = source.splitlines()
    defs = {_colon_row(function) for function in _functions(tree)}
    ends = {(s.end_lineno or 0) - 1 for function in _functions(tree) for s in function.body}
    for row, line in enumerate(lines):
        if _WRITE.search(line) and row not in defs:
            raise BlankError(row + 1, "WRITE belongs at the end of the line that ends a `def`'s signature")
        if _KEEP.search(line) and row not in defs | ends:
            raise BlankError(row + 1, "KEEP belongs at the end of a statement in a function's body, or of a `def`")
