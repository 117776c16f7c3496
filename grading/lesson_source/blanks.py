"""From an answer cell with markers to two texts: the solution without markers, and the student's with blanks."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass

from helpers.checks.parsing import parse

_LINE = re.compile(r"#\s*BLANK\s*$")
_PART = re.compile(r"#\s*BLANK:\s*(.+?)\s*(?=#\s*BLANK:|$)")
BEGIN_MARKER = re.compile(r"#\s*BEGIN BLANK\s*$")
END_MARKER = re.compile(r"#\s*END BLANK\s*$")
_ANY = re.compile(r"#.*\bBLANKS?\b")


class BlankError(ValueError):
    """A marker that can't be understood; `line` counts from 1 within the cell."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Blanked:
    """Both texts of an answer cell, every piece of text that was hidden, and how many lines each region hid."""

    solution: str
    student: str
    hidden: tuple[str, ...]
    regions: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


def make_blanks(source: str) -> Blanked:
    """Blank what the markers mark.

    Raises:
        BlankError: malformed or unbalanced marker, a marker at no statement, text that doesn't occur exactly once,
            a blank outside a function or class, or a result that doesn't parse.
    """
    try:
        tree = parse(source)
        comments = [t for t in tokenize.generate_tokens(io.StringIO(source).readline) if t.type == tokenize.COMMENT]
    except (SyntaxError, tokenize.TokenError) as error:
        raise BlankError(getattr(error, "lineno", 1) or 1, f"the answer is not valid Python: {error}") from None
    offsets = _line_offsets(source)
    lines = source.splitlines(keepends=True)
    hide: list[_Edit] = []
    strip: list[_Edit] = []
    hidden: list[str] = []
    regions: list[int] = []
    opened = 0
    for comment in comments:
        row, text = comment.start[0], comment.string
        own_line = lines[row - 1].lstrip().startswith("#")
        at = offsets[row - 1] + comment.start[1]
        if BEGIN_MARKER.fullmatch(text):
            if opened:
                raise BlankError(row, f"BEGIN BLANK inside the region begun on line {opened}")
            if not own_line:
                raise BlankError(row, "BEGIN BLANK stands on a line of its own")
            opened = row
        elif END_MARKER.fullmatch(text):
            if not opened:
                raise BlankError(row, "END BLANK without a BEGIN BLANK")
            edit, pieces = _region(tree, lines, offsets, opened, row)
            hide.append(edit)
            hidden += pieces
            regions.append(len(pieces))
            strip += [_whole_line(offsets, lines, opened), _whole_line(offsets, lines, row)]
            opened = 0
        elif _ANY.match(text):
            if opened:
                raise BlankError(row, f"a blank inside the region begun on line {opened}")
            if own_line:
                raise BlankError(row, f"marker {text!r} stands alone; it belongs at the end of a statement")
            statement = _statement_ending_at(tree, row)
            if _LINE.fullmatch(text):
                edits = [_value_edit(source, offsets, statement)]
            elif _PART.match(text) and "".join(m.group(0) for m in _PART.finditer(text)).strip() == text.strip():
                edits = [_part_edit(source, offsets, statement, m.group(1), row) for m in _PART.finditer(text)]
            else:
                raise BlankError(row, f"malformed marker {text!r}; write `# BLANK` or `# BLANK: text to hide`")
            hidden += [source[e.start : e.end] for e in edits]
            hide += edits
            start = at - (len(source[:at]) - len(source[:at].rstrip(" \t")))
            strip.append(_Edit(start, at + len(text), ""))
            _inside_definition(tree, row)
    if opened:
        raise BlankError(opened, "BEGIN BLANK without an END BLANK")
    if not hide:
        raise BlankError(1, "an answer cell without a blank; mark one with `# BLANK`")
    student = _apply(source, [*hide, *[s for s in strip if not any(h.start <= s.start < h.end for h in hide)]])
    solution = _apply(source, strip)
    for name, text in (("student's", student), ("solution's", solution)):
        try:
            parse(text)
        except SyntaxError as error:
            raise BlankError(error.lineno or 1, f"the {name} text does not parse after blanking: {error}") from None
    return Blanked(solution, student, tuple(hidden), tuple(regions))


def _line_offsets(source: str) -> list[int]:
    offsets = [0]
    for line in source.splitlines(keepends=True):
        offsets.append(offsets[-1] + len(line))
    return offsets


def _whole_line(offsets: list[int], lines: list[str], row: int) -> _Edit:
    return _Edit(offsets[row - 1], offsets[row], "")


def _apply(source: str, edits: list[_Edit]) -> str:
    for edit in sorted(edits, key=lambda e: e.start, reverse=True):
        source = source[: edit.start] + edit.text + source[edit.end :]
    return source


def _position(source: str, offsets: list[int], row: int, column: int) -> int:
    """Offset of an AST position: its column counts UTF-8 bytes."""
    line = source[offsets[row - 1] : offsets[row] if row < len(offsets) else None]
    return offsets[row - 1] + len(line.encode()[:column].decode())


def _statement_ending_at(tree: ast.Module, row: int) -> ast.stmt:
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= row <= (node.end_lineno or 0) and not hasattr(node, "body")
    ]
    if not found:
        raise BlankError(row, "this marker is not at the end of a simple statement")
    statement = found[-1]
    if statement.end_lineno != row:
        raise BlankError(row, f"the statement goes on to line {statement.end_lineno}: the marker belongs there")
    return statement


def _value_edit(source: str, offsets: list[int], statement: ast.stmt) -> _Edit:
    value = getattr(statement, "value", None)
    if not isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Return | ast.Expr) or value is None:
        kind = type(statement).__name__
        raise BlankError(statement.lineno, f"{kind} has no value to blank; use `# BLANK: text` or a region")
    start = _position(source, offsets, value.lineno, value.col_offset)
    end = _position(source, offsets, value.end_lineno, value.end_col_offset)
    first = _position(source, offsets, statement.lineno, statement.col_offset)
    last = _position(source, offsets, statement.end_lineno or 0, statement.end_col_offset or 0)
    if isinstance(statement, ast.Expr):
        first = start
    # Parentheses around the value are no part of its node: hide them with it.
    while source[first:start].rstrip().endswith("(") and source[end:last].lstrip().startswith(")"):
        start = first + source[first:start].rindex("(")
        end = end + source[end:last].index(")") + 1
    return _Edit(start, end, "___")


def _part_edit(source: str, offsets: list[int], statement: ast.stmt, text: str, row: int) -> _Edit:
    start = _position(source, offsets, statement.lineno, statement.col_offset)
    end = _position(source, offsets, statement.end_lineno or 0, statement.end_col_offset or 0)
    count = source[start:end].count(text)
    if count != 1:
        raise BlankError(row, f"the text to hide, {text!r}, occurs {count} times in its statement; it must be once")
    at = source.index(text, start)
    return _Edit(at, at + len(text), "___")


def _region(tree: ast.Module, lines: list[str], offsets: list[int], begin: int, end: int) -> tuple[_Edit, list[str]]:
    inner = lines[begin : end - 1]
    code = [line for line in inner if line.strip() and not line.lstrip().startswith("#")]
    if not code:
        raise BlankError(begin, "an empty region: nothing stands between BEGIN BLANK and END BLANK")
    _inside_definition(tree, begin + 1)
    indent = lines[begin - 1][: len(lines[begin - 1]) - len(lines[begin - 1].lstrip())]
    edit = _Edit(offsets[begin - 1], offsets[end], blank_text(indent, len(code)))
    return edit, [line.strip() for line in code]


def blank_text(indent: str, size: int) -> str:
    """What stands in the place of `size` lines of code."""
    about = f"about {size} lines" if size > 1 else "1 line"
    return f"{indent}# Your code here ({about}).\n{indent}___\n"


def _inside_definition(tree: ast.Module, row: int) -> None:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and (
            node.lineno < row <= (node.end_lineno or 0) + 1
        ):
            return
    raise BlankError(row, "a blank at top level would stop an untouched notebook; put it inside a function or class")
