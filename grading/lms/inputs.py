"""What `vitlab collect` reads beside the download: the class, hand-in times, groups."""

from __future__ import annotations

from datetime import UTC, tzinfo
from pathlib import Path

from grading.course import Course, CourseError, Lesson
from grading.extensions import Extensions
from grading.lms.groups import Groups, read_groups
from grading.lms.hand_in_times import HandInTimes, moodle_times, read_times
from grading.lms.moments import zone_of
from grading.lms.roster import Roster, course_roster, read_roster


def class_of(course: Course, roster: Path | None) -> Roster | None:
    """The class: the list that was named, else the course's own; None when there is none."""
    return read_roster(roster) if roster is not None else course_roster(course.root)


def times_of(lesson: Lesson, people: Roster | None, times: Path | None, timezone: str | None) -> HandInTimes:
    """When each student handed in, by the list that was named, or by a roster that is Moodle's worksheet.

    Raises:
        CourseError: the list cannot be understood, or there is no such zone.
    """
    zone = _zone(lesson, timezone)
    if times is not None:
        return by_id(read_times(times, zone, lesson.due), people)
    if people is not None and people.kind == "moodle":
        return by_id(moodle_times(people.table, people.where, zone, lesson.due), people)
    return HandInTimes()


def _zone(lesson: Lesson, timezone: str | None) -> tzinfo:
    if timezone is not None:
        return zone_of(timezone)
    return lesson.due.tzinfo if lesson.due is not None and lesson.due.tzinfo is not None else UTC


def by_id(times: HandInTimes, people: Roster | None) -> HandInTimes:
    """Times also under the students' ids: a list of times may name them by login, email or number."""
    for person in people or ():
        keys = [*person.keys, *(f"#{number}" for number in person.numbers.values())]
        time = next((times.of[key] for key in keys if key in times.of), None)
        if time is not None:
            times.of.setdefault(person.id.casefold(), time)
    return times


def groups_of(path: Path | None, people: Roster | None) -> Groups | None:
    """Who works together; None when students hand in alone.

    Raises:
        CourseError: there are groups and no class, or the list cannot be understood.
    """
    if path is None:
        return None
    if people is None:
        raise CourseError("--groups needs the class: fill in roster.csv, or give --roster")
    return read_groups(path, people)


def excused_there(times: HandInTimes, people: Roster | None, granted: Extensions, lesson: str) -> list[str]:
    """Notes on whom the LMS excuses and `extensions.csv` does not."""
    found = [
        person.id for person in people or ()
        if (time := times.of.get(person.id.casefold())) is not None and time.excused
        and not granted.excused(person.id, lesson)
    ]  # fmt: skip
    if not found:
        return []
    rows = "; ".join(f"{student},{lesson},,,yes" for student in found[:3])
    said = f"The LMS excuses {', '.join(found)}, and the lesson counts here. If it should not, add to extensions.csv "
    return [f"{said}(student,lesson,due,extra_days,excused): {rows}"]
