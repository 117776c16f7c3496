"""The course's lessons as the students' package knows them: ``lessons.toml``, which `vitlab build` writes."""

from __future__ import annotations

import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any

from helpers.course_folder import lessons_file


def lessons() -> list[dict[str, Any]]:
    """The lessons in order: id, title, minutes, and the ids of their questions."""
    return tomllib.loads(lessons_file().read_text("utf-8"))["lessons"]


def counts_for_the_total(question_id: str) -> bool:
    """False for a question whose points are extra credit or are only shown."""
    return question_id not in _beside_the_total(lessons_file())


@lru_cache(maxsize=4)
def _beside_the_total(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    found = tomllib.loads(path.read_text("utf-8"))["lessons"]
    return frozenset(q for lesson in found for q in lesson.get("beside_the_total", ()))
