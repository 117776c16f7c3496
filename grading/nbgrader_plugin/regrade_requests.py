"""Students' requests to look again at a score, and what came of them: a table in the gradebook's database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, update

from grading.course import CourseError
from grading.nbgrader_plugin.grader_log import who_grades
from grading.nbgrader_plugin.hand_scores import REQUESTS, now


@dataclass(frozen=True)
class RegradeRequest:
    """One request.

    Attributes:
        cell: the question's name; "" for the whole lesson.
        at, closed_at: ISO times in UTC; `closed_at` is "" while it is open.
        outcome: what the student is told; "" while it is open.
        author: who closed it.
    """

    number: int
    lesson: str
    student: str
    cell: str
    text: str
    at: str
    outcome: str = ""
    author: str = ""
    closed_at: str = ""

    @property
    def open(self) -> bool:
        return not self.closed_at


def requests_of(db: Any, lesson: str | None = None) -> list[RegradeRequest]:
    """Oldest first; of all lessons by default."""
    query = select(REQUESTS).order_by(REQUESTS.c.id)
    if lesson is not None:
        query = query.where(REQUESTS.c.lesson == lesson)
    return [
        RegradeRequest(
            row["id"], row["lesson"], row["student"], row["cell"], row["text"], row["at"], row["outcome"] or "",
            row["author"] or "", row["closed_at"] or "",
        )
        for row in db.execute(query).mappings()
    ]  # fmt: skip


def add_request(db: Any, lesson: str, student: str, cell: str, text: str) -> int:
    """Put a request on record; returns its number."""
    if not text.strip():
        raise CourseError("a request needs its reason, in the student's words")
    row = {"lesson": lesson, "student": student, "cell": cell, "text": text.strip(), "at": now()}
    number = db.execute(insert(REQUESTS).values(**row)).inserted_primary_key[0]
    db.commit()
    return int(number)


def close_request(db: Any, number: int, outcome: str) -> None:
    """Say what came of a request.

    Raises:
        CourseError: there is no such request, it is closed already, or there is no outcome.
    """
    if not outcome.strip():
        raise CourseError("closing a request needs its outcome: the student reads it on the feedback page")
    row = db.execute(select(REQUESTS).where(REQUESTS.c.id == number)).mappings().one_or_none()
    if row is None:
        raise CourseError(f"there is no request {number}: `vitlab regrade-request list` shows those there are")
    changed = db.execute(
        update(REQUESTS)
        .where(REQUESTS.c.id == number, REQUESTS.c.closed_at.is_(None))
        .values(outcome=outcome.strip(), author=who_grades(), closed_at=now())
    )
    if not changed.rowcount:
        raise CourseError(f"request {number} was closed by {row['author']} at {row['closed_at']}: {row['outcome']}")
    db.commit()
