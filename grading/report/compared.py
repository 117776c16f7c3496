"""A lesson beside the ones before it: did the same students do better, and who fell behind or stayed away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

from grading.engine.outcome import SubmissionOutcome
from grading.report.attempts import BANDS, band_counts
from grading.report.chart import Bar
from grading.report.tally import Who, share_of, who_of

FELL = 0.25  # of a lesson's points, below the student's own mean over the earlier ones


@dataclass(frozen=True)
class Step:
    """One lesson and the one before it.

    Attributes:
        both: how many handed in both and have a score in both; the means are theirs alone.
        before, now: their mean share in the earlier and in this lesson; None when there is nobody.
        new: how many handed in this one and not the one before.
        gone: the other way round.
    """

    lesson: str
    earlier: str
    both: int
    before: float | None
    now: float | None
    new: int
    gone: int

    @property
    def change(self) -> float | None:
        return None if self.before is None or self.now is None else self.now - self.before


@dataclass(frozen=True)
class Compared:
    """All lessons in order.

    Attributes:
        bars: how the shares of each lesson are spread.
        fell: who scored much less in the last lesson than before, with both numbers; the largest fall first.
        away: who handed in the lesson before the last and not the last.
    """

    steps: tuple[Step, ...]
    bars: tuple[Bar, ...]
    fell: tuple[Who, ...]
    away: tuple[Who, ...]


def compare(outcomes: Sequence[SubmissionOutcome], lessons: Sequence[str]) -> Compared:
    """Compare lessons; with fewer than two there is nothing to compare.

    Args:
        outcomes: as they count; excused ones are left out.
        lessons: in the course's order.
    """
    if len(lessons) < 2:
        return Compared((), (), (), ())
    by_lesson: dict[str, dict[str, SubmissionOutcome]] = {lesson: {} for lesson in lessons}
    for outcome in outcomes:
        if outcome.lesson in by_lesson and not outcome.excused:
            by_lesson[outcome.lesson][outcome.student] = outcome
    shares = {
        lesson: {student: share for student, o in of.items() if (share := share_of(o)) is not None}
        for lesson, of in by_lesson.items()
    }  # fmt: skip
    pairs = list(pairwise(lessons))
    excused = {(o.student, o.lesson) for o in outcomes if o.excused}
    *_, previous, last = lessons
    away = sorted(
        student for student in by_lesson[previous] if student not in by_lesson[last] and (student, last) not in excused
    )
    return Compared(
        tuple(_step(by_lesson, shares, pair, {who for who, lesson in excused if lesson == pair[1]}) for pair in pairs),
        tuple(_bar(lesson, list(shares[lesson].values())) for lesson in lessons if shares[lesson]),
        _fell(by_lesson[last], shares, lessons),
        tuple(who_of(by_lesson[previous][student]) for student in away),
    )


def _step(
    by_lesson: dict[str, dict[str, SubmissionOutcome]], shares: dict[str, dict[str, float]], pair: tuple[str, str],
    excused: set[str],
) -> Step:  # fmt: skip
    earlier, lesson = pair
    both = sorted(shares[earlier].keys() & shares[lesson].keys())
    before = mean(shares[earlier][student] for student in both) if both else None
    now = mean(shares[lesson][student] for student in both) if both else None
    there, here = by_lesson[earlier].keys(), by_lesson[lesson].keys()
    return Step(lesson, earlier, len(both), before, now, len(here - there), len(there - here - excused))


def _fell(
    last: dict[str, SubmissionOutcome], shares: dict[str, dict[str, float]], lessons: Sequence[str]
) -> tuple[Who, ...]:
    found: list[tuple[float, Who]] = []
    for student, outcome in last.items():
        earlier = [shares[lesson][student] for lesson in lessons[:-1] if student in shares[lesson]]
        now = shares[lessons[-1]].get(student)
        if now is not None and earlier and mean(earlier) - now >= FELL:
            detail = f"{100 * mean(earlier):.0f}\u00a0% → {100 * now:.0f}\u00a0%"
            found.append((mean(earlier) - now, who_of(outcome, detail)))
    return tuple(who for _, who in sorted(found, key=lambda pair: (-pair[0], pair[1].name.casefold())))


def _bar(lesson: str, shares: Sequence[float]) -> Bar:
    counts = band_counts(shares)
    parts = tuple((style, band, count) for style, (band, count) in enumerate(zip(BANDS, counts, strict=True)))
    return Bar(lesson, "", f"{100 * mean(shares):.0f} %", parts)
