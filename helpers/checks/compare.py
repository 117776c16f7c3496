"""The comparisons that judges are made of. Each returns a Finding with a sentence a student can use."""

from __future__ import annotations

import numpy as np

from helpers.checks.question import Finding


def same_shape(criterion: str, expected: np.ndarray, got: np.ndarray | None) -> Finding:
    """Met when both shapes are equal."""
    if got is None:
        return Finding(criterion, False, "nothing was returned here")
    if got.shape != expected.shape:
        return Finding(criterion, False, f"expected shape {_shape(expected)}, got {_shape(got)}")
    return Finding(criterion, True)


def same(
    criterion: str,
    expected: np.ndarray,
    got: np.ndarray | None,
    tolerance: float = 1e-4,
    *,
    what: str = "values",
) -> Finding:
    """Met when shapes agree and every value is finite and within `tolerance`, relative to the largest expected value.

    A criterion judged this way can't be met by a constant unless the expected array is one.
    """
    shapes = same_shape(criterion, expected, got)
    if not shapes.ok or got is None:
        return shapes
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if not np.isfinite(got).all() and np.isfinite(expected).all():
        return Finding(criterion, False, f"{int((~np.isfinite(got)).sum())} of {got.size} {what} are nan or infinite")
    scale = max(1.0, float(np.abs(expected[np.isfinite(expected)]).max(initial=0.0)))
    with np.errstate(invalid="ignore"):
        off = ~((np.abs(got - expected) <= tolerance * scale) | (got == expected))
    if not off.any():
        return Finding(criterion, True)
    first = tuple(int(i) for i in np.argwhere(off)[0])
    at = f"at {list(first)} " if first else ""
    detail = f"{int(off.sum())} of {off.size} {what} differ; {at}expected {expected[first]:.4g}, got {got[first]:.4g}"
    return Finding(criterion, False, detail)


def raised(criterion: str, got: np.ndarray | None, error: str, when: str) -> Finding:
    """Met when `helpers.checks.probe.raises` recorded the right error (1)."""
    code = -1 if got is None or got.size != 1 else int(got.reshape(-1)[0])
    if code == 1:
        return Finding(criterion, True)
    seen = {0: "nothing was raised", 2: "another error was raised"}.get(code, "nothing was recorded")
    return Finding(criterion, False, f"{when}: expected {error}, but {seen}")


def _shape(array: np.ndarray) -> str:
    return str(tuple(int(n) for n in array.shape))
