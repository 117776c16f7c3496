"""Writes course.toml and the files beside it for a new course; the keys and their comments are those of `course.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from grading.course import Course, Lesson, LimitSettings, Settings

_HEAD = """\
# What an instructor sets. Every key is here, with what it is for; a key behind # has the value that is shown, or none.
# After a change of title, repository or ref: vitlab build
"""
_LESSONS = "# The lessons in their order, one table for each. Its keys:\n"


def course_text(course: Course) -> str:
    """course.toml with every key commented: keys that are set, and, behind a #, those that have their defaults."""
    parts = [_HEAD, _table("course", course.course), _table("limits", course.limits)]
    for name, field in type(course).model_fields.items():  # tables and keys that were added since
        if name not in ("course", "limits", "lessons", "root"):
            value = getattr(course, name)
            parts.append(_table(name, value) if isinstance(value, BaseModel) else _line(name, field, value))
    legend = "".join(f"# {_line(name, field, _example(field))}" for name, field in Lesson.model_fields.items())
    return "\n".join([*parts, _LESSONS + legend, *map(_lesson, course.lessons)])


def _table(name: str, values: BaseModel) -> str:
    lines = [f"[{name}]" + (f"  # {_meaning(type(values))}" if name == "limits" else "") + "\n"]
    for key, field in type(values).model_fields.items():
        value = getattr(values, key)
        unset = not field.is_required() and value == field.get_default(call_default_factory=True)
        lines.append(("# " if unset else "") + _line(key, field, _example(field) if unset and value is None else value))
    return "".join(lines)


def _meaning(table: type[BaseModel]) -> str:
    return {LimitSettings: "of one submission, while it runs in the sandbox", Settings: ""}.get(table, "")


def _line(key: str, field: FieldInfo, value: Any) -> str:
    text = f"{key} = {_toml(value)}"
    return f"{text:<40} # {field.description}\n" if field.description else f"{text}\n"


def _example(field: FieldInfo) -> Any:
    return field.examples[0] if field.examples else field.get_default(call_default_factory=True)


def _lesson(lesson: Lesson) -> str:
    given = lesson.model_dump(exclude_unset=True)
    return "[[lessons]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in given.items() if value is not None)


def _toml(value: Any) -> str:
    """A TOML value: strings, numbers, booleans, times, and lists of them."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)
