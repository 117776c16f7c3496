"""Parts out of files: a student's own answer, and, where the course is written, the solution."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from helpers.course_folder import PACKAGE, course_folder
from helpers.portfolio.parts import Part
from helpers.portfolio.source import with_all_it_needs

_depth = 0


def under_way() -> bool:
    """Whether a part is being loaded right now, so that the parts it is made of need not announce themselves."""
    return _depth > 0


def own(path: Path, name: str) -> Callable[..., Any]:
    """What a student's file defines as `name`.

    Raises:
        Exception: whatever running the file raises.
        NameError: the file doesn't define it.
    """
    return _run(path.read_text("utf-8"), str(path), f"my_work.{path.stem}", name)


@cache
def solution(part: Part) -> Callable[..., Any] | None:
    """The solution's part, or None where the solutions aren't."""
    path = (course_folder() or PACKAGE.parent) / "solutions" / part.lesson / f"{part.lesson}.py"
    if not path.is_file():
        return None
    name = part.called or part.name
    text = with_all_it_needs([path.read_text("utf-8")], name)
    return None if text is None else _run(text, f"<{part.lesson}: {name}>", f"{part.lesson}.{part.name}", name)


def _run(text: str, file: str, module_name: str, name: str) -> Callable[..., Any]:
    module = ModuleType(module_name)
    module.__file__ = file
    sys.modules[module_name] = module  # `inspect.getsource` finds a class by its module
    with _quietly():
        exec(compile(text, file, "exec"), module.__dict__)
    if not callable(module.__dict__.get(name)):
        raise NameError(f"it does not define {name}")
    return module.__dict__[name]


@contextmanager
def _quietly() -> Iterator[None]:
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
