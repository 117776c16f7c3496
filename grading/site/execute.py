"""Untouched student notebooks with their outputs, kept by the content of all that makes them."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from grading.course import Course, CourseError
from grading.engine.journal import write_whole
from grading.engine.keys import lesson_imports

CACHE = Path(".cache", "site")
CELL_SECONDS = 600
_LIBRARIES = ("torch", "numpy", "matplotlib", "ipython")


def released(course: Course, lesson: str) -> NotebookNode:
    """The notebook that students get.

    Raises:
        CourseError: it hasn't been built.
    """
    return nbformat.read(_built(course, lesson), as_version=4)


def kept(course: Course, lesson: str) -> NotebookNode | None:
    """The notebook with outputs, if it was run as it is now.

    Raises:
        CourseError: it hasn't been built.
    """
    _built(course, lesson)
    path = _place(course, lesson)
    return nbformat.read(path, as_version=4) if path.is_file() else None


def executed(course: Course, lesson: str) -> NotebookNode:
    """The notebook with outputs: from the last run, else run now, with every blank left blank.

    Raises:
        CourseError: it hasn't been built, or a cell fails.
    """
    if (notebook := kept(course, lesson)) is not None:
        return notebook
    notebook, path = released(course, lesson), course.student_notebook(lesson)
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        record_timing=False,
        shutdown_kernel="immediate",
        extra_arguments=["--log-level=ERROR"],
    )
    try:  # the solution's own parts, which are at hand here, are for nobody to see
        client.execute(env={**os.environ, "VITLAB_WORK": "off", "VITLAB_BUILT": "stand-ins"})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise CourseError(f"{path.relative_to(course.root)} does not run as it is given out:\n{error}") from None
    kept_at = _place(course, lesson)
    for old in kept_at.parent.glob(f"{lesson}-*.ipynb"):
        old.unlink()
    write_whole(kept_at, nbformat.writes(notebook))
    return notebook


def _built(course: Course, lesson: str) -> Path:
    path = course.student_notebook(lesson)
    if not path.is_file():
        raise CourseError(f"{path.relative_to(course.root)} is not there: run `vitlab build {lesson}` first")
    return path


def _place(course: Course, lesson: str) -> Path:
    digest = hashlib.sha256()
    for path in _makers(course, lesson):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    digest.update(repr([platform.python_version(), *map(version, _LIBRARIES)]).encode())
    return course.root / CACHE / f"{lesson}-{digest.hexdigest()[:16]}.ipynb"


def _makers(course: Course, lesson: str) -> Iterator[Path]:
    """The notebook, its expected arrays, and what it imports."""
    yield course.student_notebook(lesson)
    yield course.expectations(lesson)
    yield from lesson_imports(course, lesson)
