"""The course's lessons as the students' package knows them: ``lessons.toml``, which `vitlab build` writes."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

_LESSONS = Path(__file__).parent / "lessons.toml"


def lessons() -> list[dict[str, Any]]:
    """The lessons in order: id, title, minutes, and the ids of their questions."""
    return tomllib.loads(_LESSONS.read_text("utf-8"))["lessons"]
