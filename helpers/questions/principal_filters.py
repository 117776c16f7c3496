"""Lesson 03, stretch: filters for a patch embedding from the principal components of patches.

A principal component is known up to its sign. So the judge compares the space that the filters span, and each filter
up to its sign. The drawn patches have clearly different variances in all directions.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor

_NOTHING = np.zeros(0)


class PrincipalFilters(Question):
    id = "Q2d"
    title = "Filters from principal components"
    signature = "principal_filters(patches, d): (m, k) -> (k, d)"
    criteria = (
        Criterion("shape", "one filter of k numbers in each of d columns", share=0, hint="The shape is (k, d)."),
        Criterion(
            "space",
            "the d filters span the directions of largest variance",
            share=2,
            hint="Variance is measured around the mean of all patches. Compared is the projection onto the space that "
            "your filters span, so neither their order nor their signs matter here.",
        ),
        Criterion(
            "order",
            "the filter with the largest variance comes first",
            hint="Column j is compared with component j, up to its sign.",
        ),
        Criterion(
            "unit",
            "each filter has length 1, and all are orthogonal",
            counts_with=("space",),
            hint="The product filters.T @ filters must be the identity matrix.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        yield _case(rng, m=int(rng.integers(60, 80)), k=8, d=3)
        yield _case(rng, m=int(rng.integers(60, 80)), k=int(rng.integers(9, 13)), d=5)
        k = int(rng.integers(5, 8))
        yield _case(rng, m=50, k=k, d=k)

    def probe(self, answer, case):
        return {"filters": answer(tensor(case["patches"]), case["d"])}

    def judge(self, case, expected, got):
        wanted, given = expected["filters"], got.get("filters", _NOTHING)
        yield same_shape("shape", wanted, given)
        if given.shape != wanted.shape or not np.isfinite(given).all():
            for criterion in ("space", "order", "unit"):
                yield Finding(criterion, False, "can be seen once shape and numbers are right")
            return
        wanted, given = wanted.astype(np.float64), given.astype(np.float64)
        room = max(20 * got.tolerance, 2e-3)
        if case["d"] < case["k"]:  # with d = k every basis spans the whole space
            yield same("space", _projection(wanted), _projection(given), room, what="numbers of the projection")
        lengths = np.linalg.norm(given, axis=0)
        alike = np.abs((wanted * given / np.where(lengths > 0, lengths, 1)).sum(0))
        wrong = np.flatnonzero(alike < 1 - room)
        yield Finding("order", not len(wrong), f"column {wrong[0]} is another direction" if len(wrong) else "")
        yield same("unit", np.eye(case["d"]), given.T @ given, room, what="products")

    def features(self, case, expected, got):
        filters = np.asarray(got["filters"], np.float64)
        if filters.ndim != 2:
            return {"filters": filters}
        first = np.abs(filters).argmax(0) if filters.size else np.zeros(0, int)
        signs = np.sign(filters[first, np.arange(filters.shape[1])])
        return {"filters": filters * np.where(signs == 0, 1, signs)}


def _case(rng: np.random.Generator, *, m: int, k: int, d: int) -> Case:
    """Patches (m, k): drawn in random orthogonal directions whose spreads differ by a factor, around a large mean."""
    directions, _ = np.linalg.qr(rng.normal(size=(k, k)))
    spreads = 2.0 * 0.7 ** np.arange(k)
    mean = 3.0 * directions[:, -1] + rng.normal(size=k)  # along the direction with the least variance
    patches = (rng.normal(size=(m, k)) * spreads) @ directions.T + mean
    return Case(f"{m} patches of {k} numbers, {d} filters", patches=patches.astype(np.float32), k=k, d=d)


def _projection(filters: np.ndarray) -> np.ndarray:
    """The orthogonal projection onto the columns' space: (k, d) -> (k, k)."""
    return filters @ np.linalg.pinv(filters)


QUESTIONS = (PrincipalFilters(),)
