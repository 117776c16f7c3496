"""The roster after grading: names in the gradebook and in the table, and who handed in nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from grading.course import Course
from grading.engine.current import has_gradebook, open_gradebook
from grading.extensions import Extensions, course_extensions
from grading.lms.roster import Roster, course_roster
from grading.lms.whose import folded


def enrol(course: Course, out: Path, db_url: str | None = None) -> Roster | None:
    """Give the gradebook the names and emails of roster.csv, as formgrader shows them.

    Returns:
        the roster; None when the course has none.
    """
    people = course_roster(course.root)
    if people is not None and (db_url is not None or has_gradebook(out)):
        with open_gradebook(course, out, db_url) as (gradebook, _):
            gradebook.enrol((one.id, one.first, one.last, one.email) for one in people)
    return people


def absent_lines(
    course: Course, people: Roster, came: Mapping[str, Collection[str]], granted: Extensions | None = None
) -> list[str]:
    """Who of the class handed in nothing, and who is excused, one line per lesson; and who is not on the roster.

    Args:
        came: by lesson the students from whom something came.
    """
    granted = granted if granted is not None else course_extensions(course)
    lines = []
    for lesson, students in came.items():
        there = {folded(student) for student in students}
        gone = [one for one in people if folded(one.id) not in there]
        excused = [one.id for one in gone if granted.excused(one.id, lesson)]
        missing = [_shown(one.id, one.name) for one in gone if one.id not in excused]
        if missing:
            lines.append(f"{lesson}: {len(missing)} of {len(people)} handed in nothing: {', '.join(missing)}")
        if excused:
            lines.append(f"{lesson}: excused: {', '.join(excused)}")
    known = {folded(one.id) for one in people}
    strangers = sorted({s for students in came.values() for s in students if folded(s) not in known})
    if strangers:
        lines.append(
            f"not in roster.csv: {', '.join(strangers)}. Add them, or take them out of the course: `vitlab forget ID`"
        )
    return lines


def _shown(student: str, name: str) -> str:
    return student if name == student else f"{student} ({name})"


def by_lesson(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """(student, lesson) pairs as students by lesson."""
    found: dict[str, list[str]] = {}
    for student, lesson in pairs:
        found.setdefault(lesson, []).append(student)
    return found
