"""The README's table of lessons is that of course.toml."""

from __future__ import annotations

from grading.lesson_builder.bootstrap import badge
from tests.conftest import ROOT


def test_every_lesson_stands_in_the_readme_with_its_badge(course) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for lesson in course.lessons:
        path = f"notebooks/{lesson.id}/{lesson.id}.ipynb"
        row = next((line for line in text.splitlines() if f"({path})" in line and line.startswith("|")), "")
        assert f"| {lesson.minutes} |" in row, lesson.id
        assert badge(course.course, path) in row, lesson.id
