"""Makes submissions from the released notebook: the shortest way for a test to say what a student did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grading.course import Course
from grading.judging.cells_to_run import role_of
from grading.lesson_source.source import read_source


def released(course: Course, lesson: str) -> NotebookNode:
    return nbformat.read(course.student_notebook(lesson), as_version=4)


def solutions(course: Course, lesson: str) -> dict[str, str]:
    """The solution's text of each answer cell."""
    return {cell.question: cell.source for cell in read_source(course.source(lesson)).of("answer")}


def filled(course: Course, lesson: str, answers: Mapping[str, str]) -> NotebookNode:
    """The released notebook with these answers typed in."""
    notebook = released(course, lesson)
    for cell in notebook.cells:
        if role_of(cell) == "answer" and cell.metadata["vitlab"]["question"] in answers:
            cell.source = answers[cell.metadata["vitlab"]["question"]]
    return notebook


def hand_in(folder: Path, student: str, lesson: str, notebook: NotebookNode | bytes) -> Path:
    """Write a submission in nbgrader's layout."""
    path = folder / student / lesson / f"{lesson}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(notebook, bytes):
        path.write_bytes(notebook)
    else:
        nbformat.write(notebook, path)
    return path


def each_answer(answers: Mapping[str, str], change: Callable[[str], str]) -> dict[str, str]:
    return {question: change(source) for question, source in answers.items()}
