"""The lessons as the students' side knows them: the file `Course.lessons_file`, written from course.toml."""

from __future__ import annotations

import json
from typing import Any

from grading.course import Course
from grading.lesson_source.source import read_source

_HEAD = "# The course's lessons in order. Written by `vitlab build` from course.toml: change that one.\n"


def course_map_entries(course: Course) -> list[dict[str, Any]]:
    """The lessons in order: id, title, minutes, and the questions in the order in which they are asked."""
    return [
        {"id": one.id, "title": one.title, "minutes": one.minutes, "questions": _questions(course, one.id)}
        for one in course.lessons
    ]


def course_map_text(course: Course) -> str:
    lessons = (
        f"\n[[lessons]]\nid = {json.dumps(one['id'])}\ntitle = {json.dumps(one['title'])}\n"
        f"minutes = {one['minutes']}\nquestions = {json.dumps(one['questions'])}\n"
        for one in course_map_entries(course)
    )
    return _HEAD + "".join(lessons)


def _questions(course: Course, lesson_id: str) -> list[str]:
    source = course.source(lesson_id)
    return list(read_source(source).checks()) if source.is_file() else []


def write_course_map(course: Course) -> None:
    course.lessons_file.parent.mkdir(parents=True, exist_ok=True)
    course.lessons_file.write_text(course_map_text(course), "utf-8")


def course_map_drift(course: Course) -> list[str]:
    """Empty when the file says what course.toml says."""
    path = course.lessons_file
    same = path.is_file() and path.read_text("utf-8") == course_map_text(course)
    return [] if same else [f"{path.relative_to(course.root)} differs from course.toml"]
