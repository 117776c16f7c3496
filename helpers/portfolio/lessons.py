"""The course's lessons as the students' package knows them: ``lessons.toml``, which `vitlab build` writes."""

from __future__ import annotations

import tomllib
from typing import Any

from helpers.course_folder import lessons_file


def lessons() -> list[dict[str, Any]]:
    """The lessons in order: id, title, minutes, and the ids of their questions."""
    return tomllib.loads(lessons_file().read_text("utf-8"))["lessons"]
