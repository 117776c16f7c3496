"""Builds a lesson's products, or says how the committed ones differ from what the source builds."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from grading.course import Course
from grading.judging.reference import load_reference
from grading.lesson_builder.expectations import differences, public_expectations
from grading.lesson_builder.notebook import carry_outputs, solution_notebook, without_outputs
from grading.lesson_source.source import LessonError, read_source
from grading.nbgrader_plugin.release import student_notebook
from helpers.checks.expectations import read as read_expectations
from helpers.checks.expectations import to_bytes


@dataclass(frozen=True)
class Built:
    """What was written, and how long the solution took to run (0 when it wasn't)."""

    lesson: str
    paths: tuple[Path, ...]
    seconds: float


def build_lesson(course: Course, lesson_id: str, *, execute: bool = False) -> Built:
    """Write the solution notebook, the student notebook and the public expectations of a lesson.

    Outputs of unchanged cells are kept unless `execute` runs the solution anew.

    Raises:
        LessonError: the source is refused, or a cell of the solution fails.
    """
    course.activate()
    path = course.solution_notebook(lesson_id)
    solution = solution_notebook(read_source(course.source(lesson_id)), course.course)
    expectations = course.expectations(lesson_id)
    expectations.parent.mkdir(parents=True, exist_ok=True)
    _write_if_changed(course, lesson_id, expectations)
    seconds = 0.0
    if execute:
        seconds = _execute(solution, path)
    elif path.exists():
        carry_outputs(nbformat.read(path, as_version=4), solution)
    student = student_notebook(solution, lesson_id)
    for target, notebook in ((path, solution), (course.student_notebook(lesson_id), student)):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(nbformat.writes(notebook) + "\n", "utf-8")
    return Built(lesson_id, (path, course.student_notebook(lesson_id), expectations), seconds)


def drift(course: Course, lesson_id: str) -> list[str]:
    """How the committed products differ from what the source builds, outputs aside; empty when they don't."""
    course.activate()
    solution = solution_notebook(read_source(course.source(lesson_id)), course.course)
    wanted = {
        course.solution_notebook(lesson_id): solution,
        course.student_notebook(lesson_id): student_notebook(solution, lesson_id),
    }
    found = []
    for path, notebook in wanted.items():
        name = path.relative_to(course.root)
        if not path.exists():
            found.append(f"{name} is missing")
        elif without_outputs(nbformat.read(path, as_version=4)) != without_outputs(notebook):
            found.append(f"{name} differs from its source")
    path = course.expectations(lesson_id)
    if not path.exists():
        return [*found, f"{path.relative_to(course.root)} is missing"]
    new = public_expectations(load_reference(course.source(lesson_id), course.bank(lesson_id)))
    return found + [f"{path.relative_to(course.root)}: {d}" for d in differences(read_expectations(path), new)]


def _write_if_changed(course: Course, lesson_id: str, path: Path) -> None:
    """Leave the file alone when only rounding differs, so that rebuilding on another machine changes nothing."""
    new = public_expectations(load_reference(course.source(lesson_id), course.bank(lesson_id)))
    if path.exists():
        try:
            if not differences(read_expectations(path), new):
                return
        except (ValueError, KeyError):
            pass  # an unreadable file is simply written anew
    path.write_bytes(to_bytes(lesson_id, new))


def _execute(notebook: NotebookNode, path: Path) -> float:
    start = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False, record_timing=False, shutdown_kernel="immediate",
        extra_arguments=["--log-level=ERROR"],
    )  # fmt: skip
    try:
        client.execute(env={**os.environ, "VITLAB_WORK": "off"})  # a build is nobody's progress
    except CellExecutionError as error:
        raise LessonError(f"{path}: a cell of the solution fails:\n{error}") from None
    notebook.metadata["language_info"] = {"name": "python"}
    return time.perf_counter() - start
