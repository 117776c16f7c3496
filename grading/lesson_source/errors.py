"""Says where in an author's file something went wrong, in place of a traceback."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from grading.lesson_source.source import Cell, LessonError


@contextmanager
def as_lesson_error(path: Path) -> Iterator[None]:
    """An exception out of an author's file becomes one sentence with that file and the line in it.

    Raises:
        LessonError: in the place of any other exception.
    """
    try:
        yield
    except LessonError:
        raise
    except Exception as error:
        raise LessonError(f"{place_of(error, path) or path}: {said(error)}") from error


def place_of(error: BaseException, path: Path) -> str:
    """``file:line`` of the innermost line in `path`, a file or a folder, that an exception went through; "" if none."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_relative_to(path):
        return f"{error.filename}:{error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(path):
            return f"{frame.filename}:{frame.lineno}"
    return ""


def said(error: BaseException) -> str:
    """An exception as `Type: first line of its message`."""
    first = str(error.msg if isinstance(error, SyntaxError) else error).strip().split("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def line_in_source(path: Path, cell: Cell, number: int) -> int:
    """The line of an author's file that became line `number` of a cell's code, counted from 1.

    Lines that hold nothing but a marker of a blank are not in the code, so that the text is looked for.
    """
    code = cell.source.splitlines()
    wanted = code[number - 1].strip() if 0 < number <= len(code) else ""
    for at, line in enumerate(path.read_text("utf-8").splitlines()[cell.line :], cell.line + 1):
        if line.startswith("# %%"):
            break
        if wanted and line.strip().startswith(wanted) and at >= cell.line + number:
            return at
    return cell.line + max(number, 0)
