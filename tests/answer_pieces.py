"""The pieces of code that a student has to write, as the searches for leaks look for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import nbformat

from grading.course import load_course
from grading.lesson_source.source import read_source
from tests.conftest import ROOT

COURSE = load_course(ROOT)


def squeeze(text: str) -> str:
    """Without white space, so that layout hides nothing."""
    return "".join(text.split())


@cache
def given_lines() -> frozenset[str]:
    """Whole lines of code that the student notebooks give, such as a signature or `self.eps = eps`.

    A blank page or a stretch question asks for a whole class, so lines that every class of its kind has are among its
    pieces. Only a whole
    line of code counts here: part of a line, a hint or prose that holds a piece is a leak.
    """
    lines: set[str] = set()
    for lesson in COURSE.lessons:
        notebook = nbformat.read(COURSE.student_notebook(lesson.id), as_version=4)
        lines |= {squeeze(line) for c in notebook.cells if c.cell_type == "code" for line in c.source.splitlines()}
    return frozenset(lines)


def answer_pieces(lesson: str) -> Iterator[tuple[str, str]]:
    """Question and piece; of a region of several lines those that no notebook gives as they stand."""
    for cell in read_source(COURSE.source(lesson)).of("answer"):
        hidden = cell.blanked.hidden
        for piece in hidden:
            if len(hidden) >= 4 and squeeze(piece) in given_lines():
                continue
            yield cell.question, piece
