"""How much a student writes, and how much given code is visible, lesson by lesson."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from grading.course import Course, Level
from grading.lesson_source.levels import code_rows
from grading.lesson_source.source import LessonSource, read_source


@dataclass(frozen=True)
class LineCounts:
    """Lines of code of one lesson; empty lines, comments and docstrings aside.

    Attributes:
        written: by level, lines that the student writes in answers, those to optional questions too, and in practice
            cells.
        optional: by level, those of them that belong to stretch questions.
        visible: given lines in demonstrations and setup that are not folded.
        folded: given lines that are.
    """

    lesson: str
    written: dict[Level, int]
    optional: dict[Level, int]
    visible: int
    folded: int


def count_lines(lesson: LessonSource) -> LineCounts:
    """Count one lesson; the installing cell, checks and answers are no given code."""
    answers = [cell for cell in lesson.of("answer") if cell.blanked is not None]
    stretch = [cell for cell in answers if cell.kind_of_question == "stretch"]
    practice = lesson.practice()
    given = [cell for cell in lesson.cells if cell.kind == "code" and cell.role in ("", "setup")]
    return LineCounts(
        lesson.id,
        {level: sum(c.blanked.written[level] for c in [*answers, *practice] if c.blanked) for level in Level},
        {level: sum(c.blanked.written[level] for c in stretch if c.blanked) for level in Level},
        sum(len(code_rows(cell.source)) for cell in given if not cell.fold),
        sum(len(code_rows(cell.source)) for cell in given if cell.fold),
    )


def lines_of_course(course: Course, lessons: Iterable[str]) -> list[LineCounts]:
    """Counts of these lessons; those whose source isn't written in our format are left out."""
    return [count_lines(read_source(course.source(one))) for one in lessons if course.source(one).is_file()]


def lines_table(counts: list[LineCounts]) -> str:
    """The counts as text, with a last line of sums."""
    rows: list[tuple[Any, ...]] = [
        (c.lesson, *(c.written[level] for level in Level), c.visible, c.folded) for c in counts
    ]
    rows.append(("all", *(sum(row[n] for row in rows) for n in range(1, 6))))
    head = ("lesson", *(f"written, {level}" for level in Level), "visible given", "folded given")
    width = max(len(str(row[0])) for row in [head, *rows])
    lines = [
        "  ".join([f"{row[0]:<{width}}", *(f"{v:>{len(h)}}" for v, h in zip(row[1:], head[1:], strict=True))])
        for row in [head, *rows]
    ]
    optional = {level: sum(c.optional[level] for c in counts) for level in Level}
    if any(optional.values()):
        lines.append("of these optional: " + ", ".join(f"{n} at {level}" for level, n in optional.items()))
    return "\n".join(lines)
