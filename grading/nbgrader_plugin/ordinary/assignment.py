"""The instructor's side of an ordinary assignment: its notebooks as students get them, and as they are graded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    InstantiateTests,
    LockCells,
)
from nbgrader.utils import is_grade, is_locked, is_solution, is_task

from grading.copying import copied
from grading.course import Course, CourseError
from grading.lesson_source.source import LessonError

MAX_FILES_MB = 32  # of all files beside the notebooks, which every kernel gets
_BEFORE_SAVING = (LockCells, InstantiateTests, ClearSolutions, ClearOutput, CheckCellMetadata, ComputeChecksums)
_AFTER_SAVING = (ClearHiddenTests, ClearMarkScheme, ComputeChecksums, CheckCellMetadata)


@dataclass(frozen=True)
class Part:
    """One notebook of an assignment; picklable.

    Attributes:
        name: the notebook's name without ``.ipynb``, nbgrader's notebook id.
        released_json: what students get.
        graded_json: the same with hidden tests and mark schemes, which nbgrader keeps in its gradebook.
    """

    name: str
    released_json: str
    graded_json: str

    @cached_property
    def released(self) -> NotebookNode:
        """As students get it; not to be changed."""
        return nbformat.reads(self.released_json, as_version=4)

    @cached_property
    def graded(self) -> NotebookNode:
        """With hidden tests; not to be changed."""
        return nbformat.reads(self.graded_json, as_version=4)

    @cached_property
    def marked(self) -> dict[str, NotebookNode]:
        """The cells that nbgrader keeps track of, by grade id, in their order, with hidden tests."""
        return {cell.metadata.nbgrader["grade_id"]: cell for cell in self.graded.cells if is_marked(cell)}


@dataclass(frozen=True)
class Assignment:
    """All notebooks of an ordinary assignment, and what lies beside them; picklable.

    Attributes:
        files: by path relative to the assignment's folder, what the kernel finds in its work folder.
    """

    lesson: str
    parts: tuple[Part, ...]
    files: tuple[tuple[str, bytes], ...] = ()

    def key(self, part: Part, grade_id: str) -> str:
        """The name of a cell in results and pages, unique in the assignment (see `cell_key`)."""
        return cell_key(self.lesson, part.name, grade_id)


def cell_key(lesson: str, notebook: str, grade_id: str) -> str:
    """The grade id, after the notebook's name where that isn't the lesson's: grade ids repeat between notebooks."""
    return grade_id if notebook == lesson else f"{notebook}/{grade_id}"


def is_marked(cell: NotebookNode) -> bool:
    """Whether nbgrader keeps track of a cell: a test, an answer, a task, or one that is locked."""
    return is_grade(cell) or is_solution(cell) or is_locked(cell) or is_task(cell)


def notebooks_of(course: Course, lesson: str) -> list[Path]:
    """The instructor's notebooks of an ordinary assignment by name; none for a lesson that is built from a source."""
    if course.source(lesson).is_file():
        return []
    return sorted(path for path in course.source(lesson).parent.glob("*.ipynb") if path.is_file())


def is_ordinary(course: Course, lesson: str) -> bool:
    """Whether a lesson is an ordinary nbgrader assignment: notebooks, and no source to build them from."""
    return bool(notebooks_of(course, lesson))


def load_assignment(course: Course, lesson: str) -> Assignment:
    """Read an ordinary assignment and take out what students must not see.

    Raises:
        LessonError: a notebook is refused; the message begins with its file.
        CourseError: what lies beside the notebooks is too large.
    """
    folder = course.source(lesson).parent
    stamps = tuple((path, path.stat().st_mtime_ns) for path in notebooks_of(course, lesson))
    size = sum(path.stat().st_size for path in _files_beside(folder))
    if size > MAX_FILES_MB * 2**20:
        raise CourseError(
            f"{folder}: the files beside the notebooks have {size / 2**20:.0f} MB, at most {MAX_FILES_MB} go into "
            "each sandbox: make them smaller"
        )
    files = tuple((path.relative_to(folder).as_posix(), path.read_bytes()) for path in _files_beside(folder))
    return Assignment(lesson, tuple(_part(path, changed) for path, changed in stamps), files)


def _files_beside(folder: Path) -> Iterator[Path]:
    """What nbgrader copies along: everything but notebooks, caches and what begins with a dot."""
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder).parts
        if path.suffix in (".ipynb", ".pyc") or any(part[0] == "." or part == "__pycache__" for part in within):
            continue
        if path.is_file() and not path.is_symlink():
            yield path


@lru_cache(maxsize=64)
def _part(path: Path, _changed: int) -> Part:
    try:
        notebook = nbformat.read(path, as_version=4)
        language = notebook.metadata.get("kernelspec", {}).get("language", "python")
        if language != "python":
            raise LessonError(f"{path}: the notebook is written in {language}; the sandbox runs Python")
        graded = _through(_BEFORE_SAVING, notebook, path)
        released = _through(_AFTER_SAVING, copied(graded), path)
    except LessonError:
        raise
    except Exception as error:  # nbgrader's preprocessors say in their own ways what is wrong
        raise LessonError(f"{path}: nbgrader refuses the notebook: {type(error).__name__}: {error}") from None
    if not any(is_grade(cell) or is_task(cell) for cell in graded.cells):
        raise LessonError(
            f"{path}: no cell has points: mark tests or answers with nbgrader's Create Assignment toolbar"
        )
    return Part(path.stem, nbformat.writes(released), nbformat.writes(graded))


def _through(steps: tuple[type, ...], notebook: NotebookNode, path: Path) -> NotebookNode:
    resources = {"nbgrader": {"notebook": path.stem, "assignment": path.parent.name}, "metadata": {"path": path.parent}}
    for step in steps:
        notebook, resources = step().preprocess(notebook, resources)
    return notebook
