"""Reads a lesson's source file into cells that know their line, and refuses what can't become a fair notebook."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jupytext

from grading.lesson_source.blanks import BlankError
from grading.lesson_source.levels import Levelled, make_blank_page, make_levels
from grading.lesson_source.practice import make_practice
from helpers.checks.parsing import parse

CODE_ROLES = ("bootstrap", "setup", "answer", "check", "solution")
TEXT_ROLES = ("written", "rubric", "solution")
KINDS = ("", "blank-page", "stretch")
FOLDS = ("", "read", "skip")
_FOR_TOOLS = re.compile(r"[ \t]*#\s*(?:fmt: (?:skip|on|off)|noqa\b.*|type: ignore\b.*)$", re.MULTILINE)
_QUESTION = re.compile(r"[QW]\d+[a-z]?")


class LessonError(Exception):
    """A lesson source that is refused; the message begins with file and line."""


@dataclass(frozen=True)
class Cell:
    """One cell of the source.

    Attributes:
        line: that of its ``# %%``.
        role: "" for prose and demonstrations.
        blanked: the text at each level, of an answer and of a demonstration that the student writes at some level.
        kind_of_question: of an answer or a check: "", "blank-page" or "stretch".
        fold: "read" or "skip" for code that is shown folded.
    """

    line: int
    kind: str
    source: str
    role: str = ""
    question: str = ""
    points: float = 0.0
    blanked: Levelled | None = None
    options: dict[str, Any] = field(default_factory=dict)
    kind_of_question: str = ""
    fold: str = ""


@dataclass(frozen=True)
class LessonSource:
    """A whole lesson."""

    id: str
    path: Path
    cells: tuple[Cell, ...]

    def practice(self) -> list[Cell]:
        """Demonstrations that the student writes at some level."""
        return [cell for cell in self.cells if cell.role == "" and cell.blanked is not None]

    def of(self, role: str) -> list[Cell]:
        return [cell for cell in self.cells if cell.role == role]

    @property
    def points(self) -> float:
        return sum(cell.points for cell in self.cells)

    def kind_of(self, question: str) -> str:
        """ "" for an ordinary question, "blank-page" or "stretch"."""
        return next((c.kind_of_question for c in self.of("answer") if c.question == question), "")

    def checks(self) -> dict[str, tuple[Cell, ast.expr]]:
        """Question id to its check cell and the expression that is checked."""
        return {cell.question: (cell, _checked(cell, self.path)) for cell in self.of("check")}


def read_source(path: Path) -> LessonSource:
    """Read and validate ``solutions/<id>/<id>.py``.

    Raises:
        LessonError: naming file and line.
    """
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise LessonError(f"{path} is not there: a lesson's source is solutions/<id>/<id>.py") from None
    starts = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"# %%", line)]
    notebook = jupytext.reads(text, fmt="py:percent")
    if len(starts) != len(notebook.cells):
        raise LessonError(f"{path}:1: {len(notebook.cells)} cells but {len(starts)} lines beginning with `# %%`")
    cells = tuple(_cell(path, line, raw) for line, raw in zip(starts, notebook.cells, strict=True))
    lesson = LessonSource(path.stem, path, cells)
    _validate(lesson)
    kinds = {cell.question: cell.kind_of_question for cell in lesson.of("answer")}
    return replace(lesson, cells=tuple(replace(c, kind_of_question=kinds.get(c.question, "")) for c in lesson.cells))


def _cell(path: Path, line: int, raw: Any) -> Cell:
    options = dict(raw.metadata)
    tags = options.pop("tags", [])
    roles = CODE_ROLES if raw.cell_type == "code" else TEXT_ROLES
    unknown = [tag for tag in tags if tag not in roles]
    if unknown:
        raise LessonError(
            f"{path}:{line}: unknown tag {unknown[0]!r} on a {raw.cell_type} cell; known: {', '.join(roles)}"
        )
    if len(tags) > 1:
        raise LessonError(f"{path}:{line}: one tag per cell, found {', '.join(tags)}")
    role = tags[0] if tags else ""
    question = str(options.pop("question", ""))
    points = options.pop("points", None)
    if role in ("answer", "check", "written"):
        if not _QUESTION.fullmatch(question):
            raise LessonError(f'{path}:{line}: a {role} cell needs question="Q1" (or Q1b, W1a), found {question!r}')
    elif question:
        raise LessonError(f"{path}:{line}: question={question!r} on a cell without the tag answer, check or written")
    if role in ("check", "written"):
        if not isinstance(points, int | float) or isinstance(points, bool) or points <= 0:
            raise LessonError(f"{path}:{line}: {question}'s {role} cell needs points=… above 0, found {points!r}")
    elif points is not None:
        raise LessonError(f"{path}:{line}: points belong on a check or written cell")
    kind, fold = str(options.pop("kind", "")), str(options.pop("fold", ""))
    if kind not in KINDS or (kind and role != "answer"):
        raise LessonError(f'{path}:{line}: kind={kind!r}: an answer cell may have kind="blank-page" or kind="stretch"')
    if fold not in FOLDS or (fold and (raw.cell_type != "code" or role not in ("", "setup", "solution"))):
        raise LessonError(f'{path}:{line}: fold={fold!r}: a demonstration or setup may have fold="read" or fold="skip"')
    blanked = None
    source = raw.source
    if raw.cell_type == "code":
        source = _FOR_TOOLS.sub("", source)  # what our formatter needs and no reader
    write_from = str(options.pop("write_from", ""))
    if write_from:
        if raw.cell_type != "code" or role:
            raise LessonError(f"{path}:{line}: write_from belongs on a demonstration, a code cell without a tag")
        try:
            blanked = make_practice(source, write_from)
        except BlankError as error:
            raise LessonError(f"{path}:{line + error.line}: {error}") from None
        source = blanked.solution
    if role == "answer":
        try:
            blanked = make_blank_page(source) if kind == "blank-page" else make_levels(source)
        except BlankError as error:
            raise LessonError(f"{path}:{line + error.line}: {error}") from None
        if not re.match(rf"# {question}\b", raw.source):
            raise LessonError(f"{path}:{line + 1}: the answer of {question} begins with the comment `# {question}: …`")
        source = blanked.solution
    elif raw.cell_type == "code" and re.search(r"#\s*(BEGIN |END )?BLANK\b", raw.source):
        where = next(n for n, text in enumerate(raw.source.splitlines(), 1) if "BLANK" in text)
        raise LessonError(f"{path}:{line + where}: a blank outside an answer cell")
    return Cell(line, raw.cell_type, source, role, question, float(points or 0), blanked, options, kind, fold)


def _validate(lesson: LessonSource) -> None:
    def refuse(cell: Cell, message: str) -> None:
        raise LessonError(f"{lesson.path}:{cell.line}: {message}")

    first_code = next((c for c in lesson.cells if c.kind == "code"), None)
    if len(lesson.of("bootstrap")) != 1 or first_code is None or first_code.role != "bootstrap":
        refuse(first_code or lesson.cells[0], "the first code cell, and only it, carries the tag bootstrap")
    for role in ("answer", "check", "written"):
        seen: dict[str, int] = {}
        for cell in lesson.of(role):
            if cell.question in seen:
                refuse(cell, f"{cell.question} already has its {role} cell on line {seen[cell.question]}")
            seen[cell.question] = cell.line
    answers = {c.question: c for c in lesson.of("answer")}
    checks = lesson.checks()
    for question, cell in answers.items():
        if question not in checks:
            refuse(cell, f"{question} has an answer but no check")
    for question, (cell, expression) in checks.items():
        if question not in answers:
            refuse(cell, f"{question} has a check but no answer cell")
        if cell.line < answers[question].line:
            refuse(cell, f"the check of {question} stands before its answer")
        defined = {n.name for n in parse(answers[question].source).body if hasattr(n, "name")}
        if isinstance(expression, ast.Name) and expression.id not in defined:
            refuse(cell, f"{question} checks {expression.id!r}, which its answer doesn't define")
    for before, cell in zip((None, *lesson.cells), lesson.cells, strict=False):
        if cell.role == "rubric" and (before is None or before.role != "written"):
            refuse(cell, "a rubric stands right after its written question's answer")
    for before, cell in zip((None, *lesson.cells), lesson.cells, strict=False):
        if cell.role == "written" and (
            before is None or before.kind != "markdown" or f"**{cell.question}**" not in before.source
        ):
            refuse(cell, f"{cell.question} is asked in the cell before its answer, which must say **{cell.question}**")
    for cell in lesson.of("written"):
        after = lesson.cells[lesson.cells.index(cell) + 1 :]
        if not after or after[0].role != "rubric":
            refuse(cell, f"{cell.question} needs a rubric cell right after it")


def _checked(cell: Cell, path: Path) -> ast.expr:
    try:
        body = parse(cell.source).body
    except SyntaxError as error:
        raise LessonError(f"{path}:{cell.line + (error.lineno or 1)}: the check is not valid Python") from None
    call = body[0].value if len(body) == 1 and isinstance(body[0], ast.Expr) else None
    if (
        not isinstance(call, ast.Call)
        or not isinstance(call.func, ast.Name)
        or call.func.id != "check"
        or len(call.args) != 2
        or call.keywords
        or not isinstance(call.args[0], ast.Constant)
    ):
        raise LessonError(f'{path}:{cell.line}: a check cell holds exactly `check("{cell.question}", name)`')
    if call.args[0].value != cell.question:
        raise LessonError(f"{path}:{cell.line}: the cell is of {cell.question} but checks {call.args[0].value!r}")
    return call.args[1]
