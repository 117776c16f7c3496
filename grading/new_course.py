"""`vitlab init`: a course folder of your own, complete and independent of the one it was made from."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Sequence
from pathlib import Path

from grading.course import FILE, Course, CourseError, load_course
from grading.lesson_builder.course_map import write_course_map
from grading.lesson_builder.start_page import write_start_page

# What a course is made of; data, environments and results of the old one stay behind.
_PARTS = (
    "helpers", "grading", "solutions", "notebooks", "docs", "tests", "benchmarks", "pyproject.toml", "constraints.txt",
    "environment.yml", "Makefile", "nbgrader_config.py", "LICENSE", "README.md", "CONTRIBUTING.md", ".gitignore", ".ci",
)  # fmt: skip
_LEFT_BEHIND = shutil.ignore_patterns(
    "__pycache__", "*.pyc", ".ipynb_checkpoints", "*.egg-info", ".pytest_cache", ".hypothesis", "*.part", "my_work"
)
ROSTER = "id,first_name,last_name,email\njdoe,Jane,Doe,jane@example.org\n"


def make_course(source: Course, target: Path, *, course_id: str, title: str, lessons: Sequence[str] = ()) -> Path:
    """Copy a course into `target` under a new id and title, with the lessons asked for (default: all of them).

    Nothing is left behind when it fails.

    Raises:
        CourseError: `target` exists and isn't empty, a lesson is unknown, or the id is no id.
    """
    chosen = [source.lesson(one).id for one in lessons] or [one.id for one in source.lessons]
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", course_id):
        raise CourseError(f"a course id has letters, digits, dots, dashes and underscores; got {course_id!r}")
    if '"' in title or "\\" in title or not title.isprintable() or not title.strip():
        raise CourseError(f"a title is one line without quotation marks and backslashes; got {title!r}")
    target = Path(target).resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CourseError(f"{target} is there already; give a folder that doesn't exist yet, or an empty one")
    if target.is_relative_to(source.root):
        raise CourseError(f"{target} lies inside the course it is made from, {source.root}; choose a place outside")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for name in _PARTS:
            _copy(source.root / name, part / name, {one.id for one in source.lessons} - set(chosen))
        text = _settings((source.root / FILE).read_text("utf-8"), course_id, title, chosen)
        (part / FILE).write_text(text, "utf-8")
        (part / "roster.csv").write_text(ROSTER, "utf-8")
        made = load_course(part)
        write_course_map(made)
        write_start_page(made)
        if target.exists():
            target.rmdir()
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return target


def _copy(old: Path, new: Path, dropped: set[str]) -> None:
    if old.is_dir():

        def ignore(folder: str, names: list[str]) -> set[str]:
            left = set(_LEFT_BEHIND(folder, names))
            if Path(folder).name in ("solutions", "notebooks", "expected"):
                left |= {name for name in names if name.removesuffix(".safetensors") in dropped}
            return left

        shutil.copytree(old, new, ignore=ignore)
    elif old.is_file():
        shutil.copy2(old, new)


def _settings(text: str, course_id: str, title: str, lessons: Sequence[str]) -> str:
    """course.toml with other values, its comments kept; only the [[lessons]] that were chosen, in their order."""
    head, *tables = re.split(r"^(?=\[\[lessons\]\])", text, flags=re.MULTILINE)
    head = re.sub(r'^id = ".*"', f'id = "{course_id}"', head, count=1, flags=re.MULTILINE)
    head = re.sub(r'^title = ".*"', f'title = "{title}"', head, count=1, flags=re.MULTILINE)
    kept = {tomllib.loads(table)["lessons"][0]["id"]: table.rstrip() + "\n" for table in tables}
    return head + "\n".join(kept[one] for one in lessons)
