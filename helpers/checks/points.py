"""Points of criteria: quarters of a point that add up to the question's points."""

from __future__ import annotations

from collections.abc import Sequence

from helpers.checks.question import Criterion

STEP = 0.25


def points_of(criteria: Sequence[Criterion], points: float) -> dict[str, float]:
    """What each criterion is worth, in steps of a quarter, as near to its share as can be.

    The quarters that are left after rounding down go to the criteria that lost most by it, the first ones first.
    """
    total = sum(c.share for c in criteria)
    if not total:
        return {c.id: 0.0 for c in criteria}
    exact = [points / STEP * c.share / total for c in criteria]
    steps = [int(value + 1e-9) for value in exact]
    left = round(points / STEP) - sum(steps)
    by_loss = sorted(range(len(criteria)), key=lambda k: (steps[k] - exact[k], k))
    for k in by_loss[: max(0, left)]:
        steps[k] += 1
    return {c.id: STEP * n for c, n in zip(criteria, steps, strict=True)}
