"""The README's table of lessons is written by `vitlab build`, between two markers."""

from __future__ import annotations

import re
from pathlib import Path

from grading.course import Course
from grading.lesson_builder.bootstrap import badge
from grading.lesson_builder.readme_table import BEGIN, END, readme_table_drift, write_readme_table
from tests.conftest import ROOT


def test_every_lesson_stands_in_the_readme_with_its_badge(course: Course) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    for lesson in course.lessons:
        path = f"notebooks/{lesson.id}/{lesson.id}.ipynb"
        row = next((line for line in text.splitlines() if f"({path})" in line and line.startswith("|")), "")
        assert f"| {lesson.minutes} |" in row, lesson.id
        assert badge(course.course, path) in row, lesson.id


def test_the_table_is_as_course_toml_has_it(course: Course) -> None:
    assert readme_table_drift(course) == []


def test_a_stale_table_is_told_and_renewed_and_the_rest_is_left_alone(course: Course, tmp_path: Path) -> None:
    moved = course.model_copy(update={"root": tmp_path})
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    assert readme_table_drift(moved) != []
    write_readme_table(moved)
    text = readme.read_text("utf-8")
    assert text.startswith(f"before\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nafter\n")
    assert "old" not in text
    assert readme_table_drift(moved) == []


def test_a_readme_without_the_markers_is_the_authors_own(course: Course, tmp_path: Path) -> None:
    moved = course.model_copy(update={"root": tmp_path})
    (tmp_path / "README.md").write_text("mine\n")
    write_readme_table(moved)
    assert (tmp_path / "README.md").read_text("utf-8") == "mine\n"
    assert readme_table_drift(moved) == []


def test_minutes_in_course_toml_are_those_a_lesson_promises(course: Course) -> None:
    for lesson in course.lessons:
        text = course.source(lesson.id).read_text("utf-8")
        promised = re.search(r"\*\*Time\*\* \| (\d+) minutes", text)
        assert promised, f"{lesson.id}: no row with the minutes in the opening"
        assert int(promised[1]) == lesson.minutes, f"{lesson.id}: {promised[1]} minutes here, {lesson.minutes} there"
