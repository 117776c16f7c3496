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
from grading.lesson_builder.author_errors import require_questions
from grading.lesson_builder.expectations import differences, public_expectations
from grading.lesson_builder.notebook import carry_outputs, solution_notebook, without_outputs
from grading.lesson_builder.sealed_answers import sealed_drift, write_sealed
from grading.lesson_source.source import LessonError, LessonSource, read_source
from grading.nbgrader_plugin.ordinary.assignment import is_ordinary, load_assignment, notebooks_of
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
    if is_ordinary(course, lesson_id):
        return _build_ordinary(course, lesson_id, execute=execute)
    path = course.solution_notebook(lesson_id)
    source = read_source(course.source(lesson_id))
    require_questions(course, source)
    solution = _solution(course, source)
    expectations = course.expectations(lesson_id)
    expectations.parent.mkdir(parents=True, exist_ok=True)
    _write_if_changed(course, lesson_id, expectations)
    sealed = course.sealed_answers(lesson_id)
    write_sealed(load_reference(course.source(lesson_id), course.bank(lesson_id)), sealed)
    seconds = 0.0
    if execute:
        seconds = _execute(solution, path, source)
    elif path.exists():
        carry_outputs(nbformat.read(path, as_version=4), solution)
    student = student_notebook(solution, lesson_id)
    for target, notebook in ((path, solution), (course.student_notebook(lesson_id), student)):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(nbformat.writes(notebook) + "\n", "utf-8")
    return Built(lesson_id, (path, course.student_notebook(lesson_id), expectations, sealed), seconds)


def drift(course: Course, lesson_id: str) -> list[str]:
    """How the committed products differ from what the source builds, outputs aside; empty when they don't."""
    course.activate()
    if is_ordinary(course, lesson_id):
        return _drift_ordinary(course, lesson_id)
    solution = _solution(course, read_source(course.source(lesson_id)))
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
    reference = load_reference(course.source(lesson_id), course.bank(lesson_id))
    new = public_expectations(reference)
    found += sealed_drift(reference, course.sealed_answers(lesson_id))
    return found + [f"{path.relative_to(course.root)}: {d}" for d in differences(read_expectations(path), new)]


def student_notebook_at(course: Course, lesson_id: str) -> NotebookNode:
    """The student notebook as the source builds it at the lesson's level."""
    return student_notebook(_solution(course, read_source(course.source(lesson_id))), lesson_id)


def _solution(course: Course, source: LessonSource) -> NotebookNode:
    return solution_notebook(source, course.course, course.level(source.id))


def ordinary_release(course: Course, lesson_id: str) -> dict[Path, bytes]:
    """What students get of an ordinary nbgrader assignment: its stripped notebooks, and the files beside them.

    Raises:
        LessonError: nbgrader refuses a notebook.
    """
    assignment, folder = load_assignment(course, lesson_id), course.student_notebook(lesson_id).parent
    books = {folder / f"{part.name}.ipynb": (part.released_json + "\n").encode() for part in assignment.parts}
    return books | {folder / name: data for name, data in assignment.files}


def _build_ordinary(course: Course, lesson_id: str, *, execute: bool) -> Built:
    """`execute` runs the solution in its own tests, and keeps nothing of it."""
    seconds = 0.0
    for path in notebooks_of(course, lesson_id) if execute else []:
        seconds += _execute(nbformat.read(path, as_version=4), path)
    files = ordinary_release(course, lesson_id)
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Built(lesson_id, tuple(files), seconds)


def _drift_ordinary(course: Course, lesson_id: str) -> list[str]:
    found = []
    for path, data in ordinary_release(course, lesson_id).items():
        name = path.relative_to(course.root)
        if not path.is_file():
            found.append(f"{name} is missing")
        elif path.suffix != ".ipynb" and path.read_bytes() != data:
            found.append(f"{name} differs from the instructor's")
        elif path.suffix == ".ipynb":
            there, ours = nbformat.read(path, as_version=4), nbformat.reads(data.decode(), as_version=4)
            if without_outputs(there) != without_outputs(ours):
                found.append(f"{name} differs from the instructor's notebook")
    return found


def build_if_stale(course: Course, lesson_id: str) -> list[str]:
    """Build a lesson's products if they are not what its source builds; the reasons, empty when nothing was done.

    Raises:
        LessonError: as `build_lesson`.
    """
    found = drift(course, lesson_id)
    if found:
        build_lesson(course, lesson_id)
    return found


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


def _execute(notebook: NotebookNode, path: Path, source: LessonSource | None = None) -> float:
    start = time.perf_counter()
    path.parent.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        record_timing=False,
        shutdown_kernel="immediate",
        extra_arguments=["--log-level=ERROR"],
    )
    try:
        client.execute(env={**os.environ, "VITLAB_WORK": "off"})  # a build is nobody's progress
    except CellExecutionError as error:
        failed = next(
            index
            for index, cell in enumerate(notebook.cells)
            if any(output.output_type == "error" for output in cell.get("outputs", []))
        )
        where = f"{source.path}:{source.cells[failed].line}" if source else f"{path}: cell {failed + 1}"
        first = str(error.evalue).strip().split("\n")[0]
        raise LessonError(f"{where}: this cell of the solution fails with {error.ename}: {first}") from None
    notebook.metadata["language_info"] = {"name": "python"}
    return time.perf_counter() - start
