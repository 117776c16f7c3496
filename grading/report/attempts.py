"""What handing in again did for a class: first and last score of those who did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from grading.engine.outcome import SubmissionOutcome
from grading.report.chart import Bar
from grading.report.tally import Who, number, who_of

BANDS = "full score", "half or more", "less than half", "nothing"
_STYLES = 0, 1, 2, 3


@dataclass(frozen=True)
class Again:
    """One student and lesson with several hand-ins; shares are of the points graded automatically."""

    who: Who
    count: int
    first: float
    last: float
    scores: tuple[str, ...]
    first_time: str
    last_time: str

    @property
    def change(self) -> float:
        return self.last - self.first


@dataclass(frozen=True)
class Attempts:
    """All who handed in more than once.

    Attributes:
        by_count: how many handed in once, twice, …: (1, 20), (2, 5), ….
        bars: first and last scores of those who did so more than once.
    """

    again: tuple[Again, ...]
    by_count: tuple[tuple[int, int], ...]
    bars: tuple[Bar, ...]

    @property
    def rose(self) -> int:
        return sum(a.change > 0 for a in self.again)

    @property
    def fell(self) -> int:
        return sum(a.change < 0 for a in self.again)

    @property
    def mean_change(self) -> float:
        return mean(a.change for a in self.again) if self.again else 0.0


def tally_attempts(attempts: Mapping[tuple[str, str], Sequence[SubmissionOutcome]]) -> Attempts:
    """From one outcome per different file that was graded, oldest first, by student and lesson."""
    counts: dict[int, int] = {}
    again: list[Again] = []
    for outcomes in attempts.values():
        counts[len(outcomes)] = counts.get(len(outcomes), 0) + 1
        if len(outcomes) > 1:
            again.append(_again(outcomes))
    again.sort(key=lambda a: (-a.change, a.who.name.casefold(), a.who.lesson))
    bars: tuple[Bar, ...] = ()
    if again:
        bars = _bar("First hand-in", [a.first for a in again]), _bar("Last hand-in", [a.last for a in again])
    return Attempts(tuple(again), tuple(sorted(counts.items())), bars)


def _again(outcomes: Sequence[SubmissionOutcome]) -> Again:
    """Written questions are left out: a person has read those of the last hand-in at most."""
    written = {q.question for o in outcomes for q in o.questions if q.status in ("needs grading", "graded by hand")}
    automatic = [[q for q in o.questions if q.question not in written] for o in outcomes]
    scores = [sum(q.counted for q in questions) for questions in automatic]
    shares = [score / (sum(q.counted_max for q in qs) or 1.0) for score, qs in zip(scores, automatic, strict=True)]
    first, last = outcomes[0], outcomes[-1]
    return Again(
        who_of(last), len(outcomes), shares[0], shares[-1], tuple(map(number, scores)), _time(first), _time(last)
    )


def _time(outcome: SubmissionOutcome) -> str:
    when = outcome.handed_in or outcome.judged_at
    return when[:16].replace("T", " ")


def band_counts(shares: Sequence[float]) -> list[int]:
    """How many shares are in each of `BANDS`."""
    counts = [0, 0, 0, 0]
    for share in shares:
        counts[0 if share >= 1 else 1 if share >= 0.5 else 2 if share > 0 else 3] += 1
    return counts


def _bar(label: str, shares: Sequence[float]) -> Bar:
    parts = tuple(zip(_STYLES, BANDS, band_counts(shares), strict=True))
    return Bar("", label, f"{100 * mean(shares):.0f} %", parts)
