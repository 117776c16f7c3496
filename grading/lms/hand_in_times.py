"""When each student handed in, from what the LMS writes about it: Moodle's grading worksheet, Canvas's submissions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from grading.course import CourseError
from grading.lms.columns import bare, heads_of, moodle_columns, named_columns
from grading.lms.moments import day_first, read_lateness, read_moment
from grading.tables import Table, read_table

_STUDENT = (
    "user_id", "user id", "student id", "student_id", "canvas user id", "canvas_id", "canvas id", "sis login id",
    "sis user id", "login id", "id", "student", "student name", "name", "email", "email address",
)  # fmt: skip
_WHEN = (
    "submitted_at", "submitted at", "submission time", "submission date", "submitted", "submission_time", "time",
    "date submitted", "handed in", "timestamp",
)  # fmt: skip
_LATE_BY = ("seconds_late", "seconds late")


@dataclass(frozen=True)
class HandInTime:
    """What the LMS says about one hand-in.

    Attributes:
        when: in UTC; None when it is not known.
        late_by: how late the LMS says it was; None when it does not.
        late: the LMS calls it late.
        excused: the LMS says that the student need not hand in.
    """

    when: datetime | None = None
    late_by: timedelta | None = None
    late: bool = False
    excused: bool = False


@dataclass
class HandInTimes:
    """Times by student id (folded), by any other key of the student, and as "#number" by the LMS's number."""

    of: dict[str, HandInTime] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, keys: Sequence[str], time: HandInTime) -> None:
        for key in keys:
            if key:
                self.of[key.casefold()] = time


def read_times(path: Path, zone: tzinfo, due: datetime | None = None) -> HandInTimes:
    """Read hand-in times.

    Understood are Moodle's grading worksheet, what Canvas's API answers for an assignment's submissions (JSON), and a
    CSV with a column for the student (user_id, SIS Login ID, email) and one for the time (submitted_at).

    Args:
        zone: of times that name none; Moodle writes them in the teacher's own.
        due: the lesson's due date. Where only "1 day 3 hours late" is known, the time is counted from it.

    Raises:
        CourseError: it cannot be read, or a column is missing.
    """
    try:
        start = path.read_bytes()[:200].lstrip(b"\xef\xbb\xbf \r\n\t")
    except OSError as error:
        raise CourseError(f"{path} can't be read: {error.strerror or error}") from None
    if start.startswith((b"[", b"{")):
        return _canvas(path, zone)
    table = read_table(path, "the list of times")
    where = moodle_columns(table)
    return _moodle(table, where, zone, due) if where else _listed(path, table, zone)


def moodle_times(table: Table, where: Mapping[str, int], zone: tzinfo, due: datetime | None) -> HandInTimes:
    """Times of a grading worksheet that was read already."""
    return _moodle(table, where, zone, due)


def _moodle(table: Table, where: Mapping[str, int], zone: tzinfo, due: datetime | None) -> HandInTimes:
    found = HandInTimes()
    column = [row[where["submitted"]] for row in table.rows] if "submitted" in where else []
    order = day_first(column)
    unread: list[str] = []
    apart: list[str] = []
    for row in table.rows:
        number = re.sub(r"\D", "", row[where["identifier"]])
        text = row[where["submitted"]] if "submitted" in where else ""
        late_by = read_lateness(row[where["status"]]) if "status" in where else None
        when = read_moment(text, zone, days_first=order) if text not in ("", "-") else None
        if text not in ("", "-") and when is None:
            unread.append(text)
        by_due = due + late_by if due is not None and late_by is not None else None
        if when is not None and by_due is not None and late_by is not None and abs(when - by_due) > _grain(late_by):
            apart.append(number)
        when = when or by_due
        if when is None and late_by is None:
            continue
        keys = [f"#{number}"] + [row[where[key]] for key in ("email", "username", "idnumber") if key in where]
        found.add(keys, HandInTime(when, late_by, late_by is not None))
    if unread:
        why = " (the day and the month can be taken for each other)" if order is None and "/" in unread[0] else ""
        found.notes.append(f"{len(unread)} hand-in times could not be read{why}, for instance {unread[0]!r}.")
    if apart:
        found.notes.append(
            f"for {len(apart)} students Moodle's “late by” and its time of handing in do not agree with `due` in "
            f"course.toml (participant {apart[0]}): Moodle's due date is another, somebody has an extension there, or "
            "--timezone is not the one in which the worksheet was written."
        )
    return found


def _grain(late_by: timedelta) -> timedelta:
    """What Moodle leaves out of a duration: it names the two largest units."""
    return timedelta(hours=1, minutes=1) if late_by >= timedelta(days=1) else timedelta(minutes=2)


def _canvas(path: Path, zone: tzinfo) -> HandInTimes:
    try:
        raw = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} is no JSON that can be read ({str(error)[:80]})") from None
    items = raw if isinstance(raw, list) else raw.get("submissions") if isinstance(raw, dict) else None
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise CourseError(f"{path} is no list of Canvas's submissions; expected objects with user_id and submitted_at")
    found = HandInTimes()
    for item in items:
        if "user_id" not in item:
            continue
        when = read_moment(str(item.get("submitted_at") or ""), zone)
        seconds = item.get("seconds_late")
        late_by = timedelta(seconds=seconds) if isinstance(seconds, int | float) and seconds > 0 else None
        user = item.get("user")
        person: dict[str, Any] = user if isinstance(user, dict) else {}
        keys = [f"#{item['user_id']}"] + [str(person.get(key) or "") for key in ("login_id", "sis_user_id", "email")]
        found.add(keys, HandInTime(when, late_by, bool(item.get("late")), bool(item.get("excused"))))
    return found


def _listed(path: Path, table: Table, zone: tzinfo) -> HandInTimes:
    heads = [bare(head) for head in table.heads]
    people = [heads.index(head) for head in _STUDENT if head in heads]
    people += list(named_columns(table, ("email", "username", "idnumber", "name")).values())
    at = next((heads.index(head) for head in _WHEN if head in heads), None)
    late = next((heads.index(head) for head in _LATE_BY if head in heads), None)
    if not people or (at is None and late is None):
        raise CourseError(
            f"{path} has the columns {heads_of(table)}; expected one for the student (user_id, SIS Login ID, id or "
            "email) and one for the time (submitted_at), or Moodle's grading worksheet"
        )
    order = day_first([row[at] for row in table.rows]) if at is not None else None
    found = HandInTimes()
    unread: list[str] = []
    for row in table.rows:
        text = row[at] if at is not None else ""
        when = read_moment(text, zone, days_first=order)
        if text not in ("", "-") and when is None:
            unread.append(text)
        digits = row[late] if late is not None else ""
        late_by = timedelta(seconds=float(digits)) if re.fullmatch(r"\d+(\.\d+)?", digits) and float(digits) else None
        if when is None and late_by is None:
            continue
        keys = [row[one] for one in dict.fromkeys(people)]
        found.add(
            [*keys, *(f"#{key}" for key in keys if key.isdigit())], HandInTime(when, late_by, late_by is not None)
        )
    if unread:
        found.notes.append(
            f"{len(unread)} times could not be read, for instance {unread[0]!r}; expected 2027-01-16T01:30Z."
        )
    return found


def iso(when: datetime | None) -> str:
    """A time as records keep it: ISO, UTC, to the second; "" for None."""
    return when.astimezone(UTC).isoformat(timespec="seconds") if when is not None else ""
