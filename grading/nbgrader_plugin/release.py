"""What nbgrader's generate step makes of a solution notebook, under our configuration, without a course around it."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.nbgrader_plugin.config import configure


def student_notebook(solution: NotebookNode, lesson_id: str) -> NotebookNode:
    """What nbgrader's own generate step makes of a solution notebook, under our configuration."""
    with tempfile.TemporaryDirectory(prefix="vitlab-") as folder, _quiet():
        root = Path(folder)
        source = root / "solutions" / lesson_id / f"{lesson_id}.ipynb"
        source.parent.mkdir(parents=True)
        nbformat.write(solution, source)
        config = configure(Config(), root)
        config.GenerateAssignment.no_database = True
        config.SaveCells.enabled = False
        directory = CourseDirectory(config=config)
        directory.assignment_id = lesson_id
        GenerateAssignment(coursedir=directory, config=config).start()
        return nbformat.read(root / "notebooks" / lesson_id / f"{lesson_id}.ipynb", as_version=4)


@contextmanager
def _quiet() -> Iterator[None]:
    """nbgrader's converters log each file to the root handlers; errors still raise."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)
