"""What grading runs of the thirteen lessons: no demonstration, whatever is left out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import jupytext
import nbformat
import pytest
from nbformat import NotebookNode

from grading.course import load_course
from grading.judging.cells_to_run import cells_to_run, role_of
from grading.lesson_source.blanks import make_blanks
from grading.lesson_source.source import read_source
from tests.conftest import ROOT

COURSE = load_course(ROOT)
LESSONS = [lesson.id for lesson in COURSE.lessons]
ALLOWED: dict[tuple[str, str], str] = {
    # (lesson, first line of the demonstration): why an answer may need it
}
ONE_LINE = re.compile(r"[ \t]*# BLANK\b.*$", re.MULTILINE)
REGION = re.compile(r"^[ \t]*# BEGIN BLANK[ \t]*$.*?^[ \t]*# END BLANK[ \t]*$", re.MULTILINE | re.DOTALL)


def test_each_single_blank_of_an_answer_is_made() -> None:
    source = (
        "def f(x):\n    # BEGIN BLANK\n    a = x\n    # END BLANK\n    b = 2 * a  # BLANK\n    return b  # BLANK: b\n"
    )
    assert list(with_one_blank_left(source)) == [
        "def f(x):\n    # Your code here (1 line).\n    ___\n    b = 2 * a\n    return b\n",
        "def f(x):\n    a = x\n    b = ___\n    return b\n",
        "def f(x):\n    a = x\n    b = 2 * a\n    return ___\n",
    ]


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_left_out_answer_brings_in_a_demonstration(lesson: str) -> None:
    released = nbformat.read(COURSE.student_notebook(lesson), as_version=4)
    answers = {cell.question: cell for cell in read_source(COURSE.source(lesson)).of("answer")}
    marked = marked_answers(lesson)
    assert marked.keys() == answers.keys()
    solved = {question: cell.blanked.solution for question, cell in answers.items()}
    states = {"solved": solved, "untouched": {q: cell.blanked.student for q, cell in answers.items()}}
    for question, cell in answers.items():
        states[f"{question} untouched"] = {**solved, question: cell.blanked.student}
        states[f"{question} emptied"] = {**solved, question: ""}
        for number, text in enumerate(with_one_blank_left(marked[question]), 1):
            states[f"{question}, blank {number} left"] = {**solved, question: text}
    found = {state: demonstrations(filled(released, texts)) for state, texts in states.items()}
    unwanted = {
        state: sorted(first for first in lines if (lesson, first) not in ALLOWED) for state, lines in found.items()
    }
    assert not any(unwanted.values()), {state: lines for state, lines in unwanted.items() if lines}


def marked_answers(lesson: str) -> dict[str, str]:
    """Each answer cell's text with its markers, as its author wrote it."""
    cells = jupytext.reads(COURSE.source(lesson).read_text("utf-8"), fmt="py:percent").cells
    return {
        c.metadata["question"]: re.sub(r"  # fmt: skip", "", c.source)
        for c in cells
        if "answer" in c.metadata.get("tags", [])
    }


def with_one_blank_left(source: str) -> Iterator[str]:
    """The answer as a student leaves it who filled in all blanks but one; for each of them."""
    markers = sorted([*ONE_LINE.finditer(source), *REGION.finditer(source)], key=lambda found: found.start())
    for kept in markers:
        text = source
        for marker in reversed(markers):
            if marker is not kept:
                inner = marker[0].split("\n")[1:-1]
                text = text[: marker.start()] + "\n".join(inner) + text[marker.end() :]
        yield make_blanks(text).student


def filled(released: NotebookNode, texts: dict[str, str]) -> NotebookNode:
    made = nbformat.from_dict(released)
    for cell in made.cells:
        if role_of(cell) == "answer":
            cell.source = texts[cell.metadata["vitlab"]["question"]]
    return made


def demonstrations(notebook: NotebookNode) -> set[str]:
    """First lines of the demonstrations that grading would run."""
    cells = [notebook.cells[i] for i in cells_to_run(notebook)]
    return {cell.source.split("\n")[0] for cell in cells if role_of(cell) == "demo"}
