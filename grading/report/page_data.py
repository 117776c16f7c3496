"""What the report page shows, as plain data: one class for each of its lists and tables."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import mean, median

CORRECT, PARTIAL, WRONG, NOT_STARTED, NO_ANSWER, WAITING = STATES = (
    "correct",
    "partly right",
    "wrong",
    "not started",
    "no answer",
    "to be read",
)

FIRST = "worth {} points"
AGAIN = "worth {} points, a new answer after one that was scored by hand"
STAGES = {
    "queue": "standing in line",
    "intake": "reading and repairing",
    "kernel_start": "starting the kernel",
    "cells": "running the cells",
    "shutdown": "closing the sandbox",
    "judge": "judging",
    "save": "gradebook",
    "feedback": "feedback page",
}


@dataclass(frozen=True)
class Who:
    """A student as the page names one: with a link to the feedback page ("" when there is none)."""

    name: str
    href: str
    lesson: str = ""
    detail: str = ""


@dataclass(frozen=True)
class QuestionTally:
    """One question: how many students are in each state, and the mean share of its points (None while answers wait).

    counted: what it adds to the points that a sum is out of; 0 when it is optional.
    """

    id: str
    title: str
    max: float
    counts: dict[str, int]
    mean: float | None
    counted: float = 0.0


@dataclass(frozen=True)
class Chip:
    """One student's score on one question; `by`: who gave it, where a person did."""

    state: str
    text: str
    by: str = ""


@dataclass(frozen=True)
class Row:
    """One student's line of a lesson's table; `share` is of the points that are graded already."""

    who: Who
    chips: tuple[Chip, ...]
    score: str
    share: float | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Stuck:
    """A question that stopped students: it is the first one that they have not solved."""

    question: str
    title: str
    tried: tuple[Who, ...]
    not_started: tuple[Who, ...]

    @property
    def count(self) -> int:
        return len(self.tried) + len(self.not_started)


@dataclass(frozen=True)
class LessonTally:
    """All of one lesson."""

    id: str
    title: str
    questions: tuple[QuestionTally, ...]
    rows: tuple[Row, ...]
    stuck: tuple[Stuck, ...]
    solved: int

    @property
    def shares(self) -> list[float]:
        return [row.share for row in self.rows if row.share is not None]

    @property
    def mean(self) -> float | None:
        return mean(self.shares) if self.shares else None

    @property
    def median(self) -> float | None:
        return median(self.shares) if self.shares else None

    @property
    def full(self) -> int:
        """Students with every point, no answer unread."""
        return sum(
            row.share is not None and row.share >= 1 and all(chip.state != WAITING for chip in row.chips)
            for row in self.rows
        )


@dataclass(frozen=True)
class Group:
    """Students who share something: a hint, a note, a reason. `label` says where it belongs."""

    lesson: str
    label: str
    text: str
    who: tuple[Who, ...]


@dataclass(frozen=True)
class Suspect:
    """A submission to look at twice, with the reasons."""

    who: Who
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Overview:
    """One student over all lessons; None where nothing was handed in or nothing is graded yet."""

    name: str
    shares: tuple[float | None, ...]
    score: float
    mean: float | None


@dataclass(frozen=True)
class Stage:
    """Seconds that one stage of grading took."""

    name: str
    median: float
    longest: float
    who: Who
    total: float
