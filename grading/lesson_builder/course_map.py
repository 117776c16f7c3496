"""The lessons as the students' side knows them: the file `Course.lessons_file`, written from course.toml."""

from __future__ import annotations

from typing import Any

import tomlkit

from grading.course import Course, Worth
from grading.lesson_source.source import read_source

_HEAD = "# The course's lessons in order. Written by `vitlab build` from course.toml: change that one.\n"


def course_map_entries(course: Course) -> list[dict[str, Any]]:
    """The lessons in order: id, title, minutes, the questions in the order in which they are asked, and the kind of
    those that are blank pages or stretch questions."""
    return [
        {"id": one.id, "title": one.title, "minutes": one.minutes, "questions": _questions(course, one.id)}
        | _optional(course, one.id)
        for one in course.lessons
    ]


def course_map_text(course: Course) -> str:
    """The list of lessons as TOML."""
    return _HEAD + "\n" + tomlkit.dumps({"lessons": course_map_entries(course)})


def _questions(course: Course, lesson_id: str) -> list[str]:
    source = course.source(lesson_id)
    return list(read_source(source).checks()) if source.is_file() else []


def _optional(course: Course, lesson_id: str) -> dict[str, list[str]]:
    """Where there are some: blank pages, stretch questions, and questions that don't count for the total."""
    source = course.source(lesson_id)
    answers = read_source(source).of("answer") if source.is_file() else []
    kinds = {"blank_pages": "blank-page", "stretch": "stretch"}
    found = {name: [c.question for c in answers if c.kind_of_question == kind] for name, kind in kinds.items()}
    settings = course.course
    found["beside_the_total"] = [c.question for c in answers if settings.worth(c.kind_of_question) is not Worth.points]
    return {name: questions for name, questions in found.items() if questions}


def write_course_map(course: Course) -> None:
    course.lessons_file.parent.mkdir(parents=True, exist_ok=True)
    course.lessons_file.write_text(course_map_text(course), "utf-8")


def course_map_drift(course: Course) -> list[str]:
    """Empty when the file says what course.toml says."""
    path = course.lessons_file
    same = path.is_file() and path.read_text("utf-8") == course_map_text(course)
    return [] if same else [f"{path.relative_to(course.root)} differs from course.toml"]
