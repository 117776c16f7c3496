"""Scores and comments given by hand: for which answer, by whom and when. Three tables beside nbgrader's.

nbgrader keeps one score by hand for each cell, whatever answer it was given for. Here each belongs to an answer
(`answers.answers_of`): when another answer is handed in, it no longer counts, and when the same answer comes back, it
counts again. Nothing is ever deleted, so that an earlier score and comment can be shown beside a new answer.

- ``vitlab_answer``: fingerprint of the answer that a cell holds now, as it was graded last;
- ``vitlab_hand_score``: everything that persons have given, in order;
- ``vitlab_request``: students' requests to look again, and what came of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Float, Integer, MetaData, String, Table, Text, delete, insert, select

from grading.nbgrader_plugin.answers import ABSENT

_tables = MetaData()
_place = [("lesson", String(128)), ("student", String(128)), ("cell", String(128))]
ANSWERS = Table(
    "vitlab_answer",
    _tables,
    *(Column(name, kind, primary_key=True) for name, kind in _place),
    Column("answer", String(64), nullable=False),
)
HAND_SCORES = Table(
    "vitlab_hand_score", _tables, Column("id", Integer, primary_key=True),
    *(Column(name, kind, nullable=False, index=True) for name, kind in _place),
    Column("answer", String(64), nullable=False), Column("score", Float), Column("extra", Float),
    Column("comment", Text), Column("author", String(128), nullable=False), Column("at", String(32), nullable=False),
)  # fmt: skip
REQUESTS = Table(
    "vitlab_request",
    _tables,
    Column("id", Integer, primary_key=True),
    *(Column(name, kind, nullable=False, index=True) for name, kind in _place),
    Column("text", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Column("outcome", Text),
    Column("author", String(128)),
    Column("closed_at", String(32)),
)


@dataclass(frozen=True)
class HandScore:
    """What a person gave at one time.

    Attributes:
        answer: fingerprint of the answer it was given for; "" when it is not known.
        score: in place of the automatic one; None: the automatic one stands, or the answer waits.
        extra: credit beyond the score.
        author: who; "" when it was not recorded.
        at: ISO time in UTC.
    """

    answer: str
    score: float | None = None
    extra: float | None = None
    comment: str | None = None
    author: str = ""
    at: str = ""

    @property
    def given(self) -> tuple[float | None, float | None, str | None]:
        return self.score, self.extra, self.comment or None

    @property
    def empty(self) -> bool:
        return self.given == (None, None, None)


@dataclass
class CellHistory:
    """One cell of one student: the answer it holds, and what persons have given for this and earlier ones."""

    answer: str = ""
    given: list[HandScore] = field(default_factory=list)

    @property
    def last(self) -> HandScore | None:
        return self.given[-1] if self.given else None

    def for_answer(self, answer: str) -> HandScore | None:
        """The last that was given for an answer."""
        return next((one for one in reversed(self.given) if one.answer == answer), None)

    @property
    def current(self) -> HandScore | None:
        """What holds now."""
        return self.for_answer(self.answer)

    @property
    def earlier(self) -> list[HandScore]:
        """The last that was given for each other answer, the latest one first; withdrawn ones are left out."""
        found: dict[str, HandScore] = {}
        for one in reversed(self.given):
            if one.answer != self.answer:
                found.setdefault(one.answer, one)
        return [one for one in found.values() if not one.empty]

    @property
    def read_again(self) -> bool:
        """A person had scored an earlier answer, and no person has looked at this one."""
        scored = any(one.score is not None or one.extra is not None for one in self.earlier)
        return scored and self.current is None and self.answer not in ABSENT


Histories = dict[tuple[str, str], CellHistory]  # student, cell


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def make_tables(connection: Connection) -> None:
    """Those that are not there yet."""
    _tables.create_all(connection)


def histories(db: Any, lesson: str, students: Sequence[str]) -> Histories:
    """Of all cells of these students' hand-ins; a cell that has not been saved yet is left out."""
    found: Histories = {}
    for chunk in chunks(students):
        mine = ANSWERS.c.lesson == lesson, ANSWERS.c.student.in_(chunk)
        for row in db.execute(select(ANSWERS).where(*mine)).mappings():
            found[row["student"], row["cell"]] = CellHistory(row["answer"])
        mine = HAND_SCORES.c.lesson == lesson, HAND_SCORES.c.student.in_(chunk)
        for row in db.execute(select(HAND_SCORES).where(*mine).order_by(HAND_SCORES.c.id)).mappings():
            one = HandScore(*(row[name] for name in ("answer", "score", "extra", "comment", "author", "at")))
            found.setdefault((row["student"], row["cell"]), CellHistory()).given.append(one)
    return found


def add_hand_score(db: Any, lesson: str, student: str, cell: str, given: HandScore) -> None:
    db.execute(insert(HAND_SCORES).values(lesson=lesson, student=student, cell=cell, **columns_of(given)))


def put_answers(db: Any, lesson: str, answers: Mapping[str, Mapping[str, str]]) -> None:
    """What the cells hold now, by student and cell; what they held before is forgotten."""
    for chunk in chunks(list(answers)):
        db.execute(delete(ANSWERS).where(ANSWERS.c.lesson == lesson, ANSWERS.c.student.in_(chunk)))
    rows = [
        {"lesson": lesson, "student": student, "cell": cell, "answer": answer}
        for student, cells in answers.items()
        for cell, answer in cells.items()
    ]
    if rows:
        db.execute(insert(ANSWERS), rows)


def chunks(names: Sequence[str], size: int = 500) -> Iterator[Sequence[str]]:
    """Databases have a largest number of parameters."""
    for start in range(0, len(names), size):
        yield names[start : start + size]


def columns_of(given: HandScore) -> dict[str, Any]:
    return {
        "answer": given.answer,
        "score": given.score,
        "extra": given.extra,
        "comment": given.comment,
        "author": given.author,
        "at": given.at or now(),
    }
