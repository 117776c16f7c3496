"""What stands in curly brackets in a lesson's text: parts for some levels only, and tables the builder writes.

{{level: standard, open}}      until {{end}}: text for these levels only
{{questions}}                  table of the lesson's questions, with the lines that are written at each level
{{names: lecture Q1-Q7}}       until {{end}}: rows "lecture | here | timm | paper", made a table
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from grading.course import Level

if TYPE_CHECKING:
    from grading.lesson_source.source import Cell, LessonSource

_LEVEL = re.compile(r"\{\{level:\s*([a-z, ]+)\}\}\s*$")
_NAMES = re.compile(r"\{\{names(?::\s*(.+?))?\s*\}\}\s*$")
_END = re.compile(r"\{\{end\}\}\s*$")
_KINDS = {"": "", "blank-page": "blank page: ", "stretch": "stretch, optional: "}


class ProseError(ValueError):
    """A marker that can't be understood; `line` counts from 1 within the cell."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def prose_at(source: str, level: Level, lesson: LessonSource | None = None) -> str:
    """The text of a markdown cell at one level.

    Args:
        source: with markers.
        level: the notebook's.
        lesson: whose questions the table lists; without it the marker of that table stays.

    Raises:
        ProseError: a marker without its end, or a level that there is not.
    """
    if "{{" not in source:
        return source
    out: list[str] = []
    opened, shown, heading = 0, True, ""
    rows: list[str] | None = None  # of a table of names that was begun
    for number, line in enumerate(source.split("\n"), 1):
        at_level, names = _LEVEL.fullmatch(line), _NAMES.fullmatch(line)
        if at_level or names:
            if opened:
                raise ProseError(number, f"{line.strip()} inside the part begun on line {opened}")
            opened = number
        if at_level:
            shown = level in _levels(at_level[1], number)
        elif names:
            rows, heading = [], names[1] or "lecture"
        elif _END.fullmatch(line):
            if not opened:
                raise ProseError(number, "{{end}} without a {{level: …}} or {{names}}")
            if rows is not None:
                out += _names_table(rows, heading, opened)
            opened, shown, rows = 0, True, None
        elif rows is not None:
            rows.append(line)
        elif line.strip() == "{{questions}}" and lesson is not None:
            out += _questions_table(lesson)
        elif shown:
            out.append(line)
    if opened:
        raise ProseError(opened, "a part without its {{end}}")
    return "\n".join(out)


def _levels(text: str, number: int) -> set[Level]:
    try:
        return {Level(name.strip()) for name in text.split(",")}
    except ValueError:
        raise ProseError(number, f"{text!r}: levels are {', '.join(Level)}") from None


def _names_table(rows: list[str], heading: str, number: int) -> list[str]:
    table = [f"| {heading} | this course | timm | the paper |", "|---|---|---|---|"]
    for offset, row in enumerate(rows, 1):
        if not row.strip():
            continue
        columns = [column.strip() or "–" for column in row.split(" | ")]
        if len(columns) != 4:
            raise ProseError(number + offset, f"a row of names has 4 columns between ` | `, found {len(columns)}")
        table.append(f"| {' | '.join(columns)} |")
    return table


def _questions_table(lesson: LessonSource) -> list[str]:
    table = ["| question | you write | lines at guided / standard / open |", "|---|---|---|"]
    table += [_row(cell) for cell in lesson.of("answer")]
    if written := [cell.question for cell in lesson.of("written")]:
        table.append(f"| {', '.join(written)} | answers in words | – |")
    return table


def _row(cell: Cell) -> str:
    assert cell.blanked is not None
    says = question_says(cell)
    lines = " / ".join(str(cell.blanked.written[level]) for level in Level)
    return f"| {cell.question} | {_KINDS[cell.kind_of_question]}{says} | {lines} |"


def question_says(cell: Cell) -> str:
    """What an answer cell's first comment says after the question's number."""
    first = cell.source.split("\n", 1)[0]
    return first.partition(":")[2].strip() or cell.question
