"""Entries of a bank that are the solution with some text changed: how most mistakes come about."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from grading.lesson_source.source import LessonSource, read_source


def answer_of(path: Path, question: str, name: str, changes: Mapping[str, str]) -> tuple[Any, str]:
    """The changed answer, and the changed text of its cell.

    Args:
        path: the lesson's source.
        name: of the entry, for messages and tracebacks.

    Raises:
        ValueError: a text does not occur in the cell.
    """
    lesson = _lesson(path, path.stat().st_mtime)
    text = next(cell.source for cell in lesson.of("answer") if cell.question == question)
    for old, new in changes.items():
        if old not in text:
            raise ValueError(f"{path.name}, {question}, {name}: {old!r} does not occur in the solution's cell")
        text = text.replace(old, new)
    namespace = dict(_before(path, path.stat().st_mtime, question))
    _run(text, f"<answer {question} of {path.stem}, {name}>", namespace)
    expression = ast.Expression(lesson.checks()[question][1])
    return eval(compile(expression, f"<check {question}>", "eval"), namespace), text


@lru_cache(maxsize=32)
def _lesson(path: Path, _stamp: float) -> LessonSource:
    return read_source(path)


@lru_cache(maxsize=128)
def _before(path: Path, stamp: float, question: str) -> dict[str, Any]:
    """The names that the solution's setup and earlier answers define."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for cell in _lesson(path, stamp).cells:
        if cell.role == "answer" and cell.question == question:
            break
        if cell.role in ("setup", "answer"):
            _run(cell.source, f"<answer {cell.question or 'setup'} of {path.stem}>", namespace)
    return namespace


def _run(source: str, name: str, namespace: dict[str, Any]) -> None:
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    exec(compile(source, name, "exec"), namespace)
