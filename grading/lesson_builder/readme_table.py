"""The table of lessons in a course's README, between two markers, written by `vitlab build` from course.toml."""

from __future__ import annotations

from pathlib import Path

from grading.course import Course
from grading.lesson_builder.bootstrap import badge
from grading.lesson_builder.course_map import course_map_entries
from helpers.questions import every_question

BEGIN = "<!-- lessons: this table is written by `vitlab build` -->"
END = "<!-- end of lessons -->"


def readme_table(course: Course) -> str:
    """A Markdown table with a row for each lesson: its notebook, its questions, its minutes, its badge."""
    titles = {name: question.title for name, question in every_question().items()}
    rows = []
    for entry in course_map_entries(course):
        folder = course.student_notebook(entry["id"]).parent
        notebooks = [f"{entry['id']}.ipynb"]
        if not (folder / notebooks[0]).is_file():
            notebooks = sorted(path.name for path in folder.glob("*.ipynb")) or notebooks
        path = f"notebooks/{entry['id']}/{notebooks[0]}"
        number = entry["id"].partition("_")[0]
        name = f"{number} {entry['title']}" if number.isdecimal() else entry["title"]
        asked = ", ".join(f"{one} {titles.get(one, '')}".strip() for one in entry["questions"])
        rows.append(f"| [{name}]({path}) | {asked} | {entry['minutes']} | {badge(course.course, path)} |")
    return "\n".join(["| lesson | you write | minutes | |", "|---|---|---|---|", *rows])


def _file(course: Course) -> Path:
    return course.root / "README.md"


def _renewed(text: str, course: Course) -> str:
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{readme_table(course)}\n\n{END}{rest.partition(END)[2]}"


def write_readme_table(course: Course) -> None:
    """Renew the table of a README that has the markers; any other is left as it is."""
    path = _file(course)
    text = path.read_text("utf-8") if path.is_file() else ""
    if BEGIN in text and END in text and (new := _renewed(text, course)) != text:
        path.write_text(new, "utf-8")


def readme_table_drift(course: Course) -> list[str]:
    """Empty when the table is what course.toml says, or the README has none."""
    path = _file(course)
    text = path.read_text("utf-8") if path.is_file() else ""
    stale = BEGIN in text and END in text and _renewed(text, course) != text
    return ["README.md: the table of lessons differs from course.toml"] if stale else []
