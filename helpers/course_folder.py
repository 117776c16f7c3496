"""The course in whose folder this process works, when that course has questions and expected arrays of its own.

A course made by `vitlab init` is a folder with `notebooks/`, `expected/` (the arrays that the checks compare with, and
`lessons.toml`, the list of lessons) and, if its author wrote any, `questions/` (modules like those of
`helpers.questions`). The students' bundle carries the two folders inside of the package, as `helpers/course/`. In this
repository both are parts of `helpers`, and `course_folder()` is None.

Nothing here imports more than the standard library.
"""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "VITLAB_COURSE"
LESSONS = Path("expected", "lessons.toml")
PACKAGE = Path(__file__).resolve().parent
BUNDLED = PACKAGE / "course"

_UNSET = object()
_chosen: object = _UNSET


def use(folder: Path | None) -> None:
    """Work with the course in `folder` from now on; None: with what `helpers` itself holds."""
    global _chosen
    _chosen = folder


def course_folder() -> Path | None:
    """The folder that holds `expected/` and perhaps `questions/`, or None where `helpers` itself holds everything.

    It is, in this order: what `use` was told; the environment variable VITLAB_COURSE; the nearest folder with
    `expected/lessons.toml`, from the current one upwards; the course that came with the package.
    """
    if _chosen is not _UNSET:
        return _chosen  # type: ignore[return-value]
    if named := os.environ.get(VARIABLE):
        return Path(named)
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        here = PACKAGE
    for folder in (here, *here.parents):
        if (folder / LESSONS).is_file():
            return folder
        if folder == PACKAGE.parent:  # a repository or a bundle, with everything in its `helpers`
            break
    return BUNDLED if (BUNDLED / LESSONS).is_file() else None


def expected_folder() -> Path:
    """Where the lessons' expected arrays lie, one `<lesson>.safetensors` each."""
    folder = course_folder()
    return PACKAGE / "checks" / "expected" if folder is None else folder / "expected"


def lessons_file() -> Path:
    """The list of lessons with their questions, in TOML, written by `vitlab build`."""
    folder = course_folder()
    return PACKAGE / "portfolio" / "lessons.toml" if folder is None else folder / LESSONS


def questions_folder() -> Path | None:
    """The folder of the course's own question modules, or None where there are none."""
    folder = course_folder()
    if folder is None or not (folder / "questions").is_dir():
        return None
    return folder / "questions"


def root() -> Path:
    """The folder with `notebooks/`: of the course, of the unzipped bundle or of the repository."""
    try:
        here = Path.cwd()
    except OSError:
        here = PACKAGE
    for folder in (here, *here.parents):
        if (folder / "notebooks" / "start_here.ipynb").is_file() or (folder / LESSONS).is_file():
            return folder
    return PACKAGE.parent
