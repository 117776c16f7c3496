"""The order of a class in an open task, by what the judge measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from grading.engine.outcome import SubmissionOutcome
from grading.report.tally import Who, who_of


@dataclass(frozen=True)
class Rank:
    """One line: equal figures share a place, and the next one is counted on from there."""

    place: int
    who: Who
    value: float
    text: str


@dataclass(frozen=True)
class Leaderboard:
    """One question's."""

    lesson: str
    question: str
    title: str
    ranks: tuple[Rank, ...]


def leaderboards(outcomes: Sequence[SubmissionOutcome]) -> list[Leaderboard]:
    """One for each question that measured an entry, the largest first; what is no number has no place."""
    found: dict[tuple[str, str], tuple[str, list[tuple[float, Who]]]] = {}
    for outcome in outcomes:
        for q in outcome.questions:
            if isinstance(q.measure, int | float) and isfinite(q.measure):
                key = outcome.lesson, q.question
                found.setdefault(key, (q.title, []))[1].append((float(q.measure), who_of(outcome)))
    return [Leaderboard(*key, title, _ranked(figures)) for key, (title, figures) in found.items()]


def _ranked(figures: list[tuple[float, Who]]) -> tuple[Rank, ...]:
    ranks: list[Rank] = []
    for position, (value, who) in enumerate(sorted(figures, key=lambda f: (-f[0], f[1].name.casefold())), start=1):
        text = f"{100 * value:.1f} %"
        tied = bool(ranks) and ranks[-1].text == text  # what reads the same is the same
        ranks.append(Rank(ranks[-1].place if tied else position, who, value, text))
    return tuple(ranks)
