"""`extensions.csv`: who has more time for a lesson, or need not hand it in. Grading, report and export all read it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from grading.course import Course, CourseError, Lesson
from grading.tables import read_table

FILE = "extensions.csv"
HEAD = "student,lesson,due,extra_days,excused"
_EXPECTED = (
    "expected the columns student and lesson, and one of due (2027-01-20T23:59:00+01:00), extra_days (2) and excused "
    "(yes)"
)
_YES = ("yes", "y", "true", "1", "x", "ex", "excused", "ja", "oui", "si", "sí")
_NO = ("", "no", "n", "false", "0", "nein", "non", "-")


@dataclass(frozen=True)
class Extension:
    """What one student was granted for one lesson."""

    due: datetime | None = None
    extra: timedelta = timedelta()
    excused: bool = False


@dataclass(frozen=True)
class Extensions:
    """All that was granted, by student and lesson; `""` as a lesson stands for all of them."""

    granted: Mapping[tuple[str, str], Extension] = field(default_factory=dict)

    def of(self, student: str, lesson: str) -> Extension:
        """What the student was granted; an empty Extension when nothing was."""
        for one in (lesson, ""):
            if (found := self.granted.get((_key(student), one))) is not None:
                return found
        return Extension()

    def due(self, course: Course, student: str, lesson: str) -> datetime | None:
        """When this student's hand-in is due; None when the lesson has no due date."""
        due, granted = course.lesson(lesson).due, self.of(student, lesson)
        if granted.due is not None:
            return granted.due
        return due + granted.extra if due is not None else None

    def extra_seconds(self, lesson: Lesson) -> Mapping[str, float]:
        """By student how much later than the class each of them may hand in, as nbgrader keeps it."""
        found = _Folding()
        for student, one in self._of_lesson(lesson.id).items():
            if lesson.due is not None and (one.due is not None or one.extra):
                found[student] = ((one.due or lesson.due + one.extra) - lesson.due).total_seconds()
        return found

    def _of_lesson(self, lesson: str) -> dict[str, Extension]:
        every = {student: one for (student, of), one in self.granted.items() if not of}
        return every | {student: one for (student, of), one in self.granted.items() if of == lesson}

    def excused(self, student: str, lesson: str) -> bool:
        return self.of(student, lesson).excused

    def excused_from(self, lesson: str) -> Mapping[str, bool]:
        """The students who need not hand in the lesson."""
        found = _Folding()
        found.update((student, True) for student, one in self._of_lesson(lesson).items() if one.excused)
        return found


class _Folding(dict[str, Any]):
    """Looks up students whatever the case and Unicode form of their ids."""

    def get(self, student: str, default: Any = None) -> Any:
        return super().get(_key(student), default)

    def __contains__(self, student: object) -> bool:
        return super().__contains__(_key(str(student)))


def course_extensions(course: Course) -> Extensions:
    """The course's own `extensions.csv`; nothing granted when there is none.

    Raises:
        CourseError: it is there and cannot be understood; the message names the row.
    """
    path = course.root / FILE
    return read_extensions(path, course) if path.is_file() else Extensions()


def read_extensions(path: Path, course: Course) -> Extensions:
    """Read a table of extensions.

    Raises:
        CourseError: a column is missing, a lesson is unknown, or a cell is no time, no number or no yes; an extension
            of a lesson that has no due date.
    """
    try:
        if len([line for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]) < 2:
            return Extensions()  # the heads alone
    except OSError as error:
        raise CourseError(f"{path} can't be read: {error.strerror or error}") from None
    table = read_table(path, "the list of extensions")
    heads = {re.sub(r"[ _-]+", "_", head.lower()): at for at, head in enumerate(table.heads)}
    if "student" not in heads or not heads.keys() & {"due", "extra_days", "excused"}:
        raise CourseError(f"{path} has the columns {', '.join(table.heads)}; {_EXPECTED}")
    granted: dict[tuple[str, str], Extension] = {}
    for number, row in enumerate(table.rows, 2):
        cells = {name: row[at] for name, at in heads.items()}
        student, where = cells["student"], f"{path}, row {number}"
        if not student:
            raise CourseError(f"{where} names no student; {_EXPECTED}")
        lesson = course.lesson(cells["lesson"]).id if cells.get("lesson") else ""
        one = _extension(cells, where)
        if lesson and one.extra and course.lesson(lesson).due is None:
            raise CourseError(f"{where} gives {student} more days for {lesson}, which has no `due` in course.toml")
        if (_key(student), lesson) in granted:
            raise CourseError(f"{where} is the second row for {student} and {lesson or 'all lessons'}; keep one")
        granted[_key(student), lesson] = one
    return Extensions(granted)


def _extension(cells: Mapping[str, str], where: str) -> Extension:
    due, days, excused = cells.get("due", ""), cells.get("extra_days", ""), cells.get("excused", "").lower()
    if excused not in (*_YES, *_NO):
        raise CourseError(f"{where}: excused is {excused!r}; expected yes, or nothing")
    if due and days:
        raise CourseError(f"{where} has both due and extra_days; give one of them")
    extra = timedelta()
    if days:
        try:
            extra = timedelta(days=float(days.replace(",", ".")))
        except (ValueError, OverflowError):
            raise CourseError(f"{where}: extra_days is {days!r}; expected a number of days, for instance 2") from None
    if not (due or days or excused):
        raise CourseError(f"{where} grants nothing; {_EXPECTED}")
    return Extension(_due(due, where), extra, excused in _YES)


def _due(text: str, where: str) -> datetime | None:
    if not text:
        return None
    try:
        due = datetime.fromisoformat(text.replace(" UTC", "+00:00"))
    except ValueError:
        due = None
    if due is None or due.tzinfo is None:
        raise CourseError(f"{where}: due is {text!r}; expected a time with its zone, such as 2027-01-20T23:59:00+01:00")
    return due


def _key(student: str) -> str:
    return unicodedata.normalize("NFC", student).casefold()
