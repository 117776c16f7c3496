"""What grading one submission gave: plain data, one JSON line each in ``results.jsonl`` (see `journal`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from grading.nbgrader_plugin.regrade_requests import RegradeRequest

RESULTS = "results.jsonl"


@dataclass(frozen=True)
class QuestionOutcome:
    """One question of one student.

    Attributes:
        score: points earned; None for a written question that waits for a person.
        max: points it is worth.
        status: a verdict's status ("correct", "partial", "wrong", "error", "not started", "no answer"), or
            "needs grading" for a written question.
        hint: what the student is told; "" when correct.
        known_mistake: the hint came from the bank of mistakes.
        extra: credit beyond the score that a person gave; `score` holds it already.
        by_hand: a person gave what counts; by `author`, at `given_at` (ISO, UTC), where that is known.
        read_again: there is a score, and a person is to look at the answer: an earlier one was scored by hand.
        earlier: what a person gave for the answer that this one replaced, while this one waits.
        comment: what a person wrote about the answer; "" when nothing.
        measure: what entries to a leaderboard are compared by, between 0 and 1, as the judge found it on hidden cases;
            None where the question has no such number.
        worth: what the points count for: "points" (the total), "bonus" (on top of it), "none".
    """

    question: str
    title: str
    score: float | None
    max: float
    status: str
    hint: str = ""
    known_mistake: bool = False
    measure: float | None = None
    extra: float = 0.0
    by_hand: bool = False
    author: str = ""
    given_at: str = ""
    read_again: bool = False
    comment: str = ""
    worth: str = "points"
    earlier: float | None = None

    @property
    def counted(self) -> float:
        """What the score adds to the total."""
        return 0.0 if self.worth == "none" else self.score or 0.0

    @property
    def counted_max(self) -> float:
        """What the points add to the total's maximum."""
        return self.max if self.worth == "points" else 0.0


@dataclass(frozen=True)
class SubmissionOutcome:
    """One submission of one lesson.

    Attributes:
        status: "graded", or what kept it from being run to its end: "unreadable", "timeout", "died", "output_limit",
            "memory", "failed" (a fault of ours).
        reason: one sentence for a person; "" when graded.
        notes: what intake repaired or could not place.
        suspicious: reasons to look twice.
        seconds: by stage: queue, intake, kernel_start, cells, shutdown, judge, save, feedback.
        feedback: path of the feedback page relative to the output folder; "" when there is none.
        key: hash of all that this came from (`keys`); "" where it must be graded again in any case.
        content: hash of what was handed in: another one is another attempt; "" when nothing was, or not known.
        handed_in: when, by timestamp.txt; "" when not known. Like `judged_at` an ISO time in UTC.
        judged_at: when it was put on record.
        penalty: points taken off for being late.
        excused: the lesson does not count for this student.
        requests: of the student, to look again at a score; never in the journal.
    """

    student: str
    lesson: str
    status: str
    reason: str = ""
    questions: tuple[QuestionOutcome, ...] = ()
    notes: tuple[str, ...] = ()
    suspicious: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    feedback: str = ""
    source: str = ""
    key: str = ""
    content: str = ""
    handed_in: str = ""
    judged_at: str = ""
    penalty: float = 0.0
    excused: bool = False
    requests: tuple[RegradeRequest, ...] = ()

    @property
    def earned(self) -> float:
        """Points of all questions, before the late penalty."""
        return sum(q.counted for q in self.questions)

    @property
    def score(self) -> float:
        """What counts: points of all questions, less the late penalty."""
        return max(0.0, self.earned - self.penalty)

    @property
    def max(self) -> float:
        return sum(q.counted_max for q in self.questions)

    @property
    def max_waiting(self) -> float:
        """Points of what waits for a person."""
        return sum(q.max for q in self.questions if q.score is None)

    def lines(self) -> Iterator[dict[str, Any]]:
        """What ``--json`` prints: one mapping per question."""
        for q in self.questions:
            yield {
                "student": self.student, "lesson": self.lesson, "question": q.question, "score": q.score,
                "max": q.max, "status": q.status, "hint": q.hint, "measure": q.measure, "extra": q.extra,
                "by_hand": q.by_hand, "author": q.author, "comment": q.comment, "read_again": q.read_again,
                "lesson_score": None if self.excused else self.score, "lesson_max": self.max,
                "penalty": self.penalty, "excused": self.excused,
            }  # fmt: skip

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SubmissionOutcome:
        raw = dict(values)
        raw["questions"] = tuple(QuestionOutcome(**q) for q in raw["questions"])
        raw["notes"], raw["suspicious"] = tuple(raw["notes"]), tuple(raw["suspicious"])
        raw["requests"] = ()
        return cls(**raw)
