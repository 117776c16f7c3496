"""Inputs whose every entry is a whole number that occurs once: a value tells where it came from, wherever it went.

Whole numbers up to 2048 survive half precision, and TF32 too.
"""

from __future__ import annotations

import numpy as np

from helpers.checks.question import Finding


def counted(size: tuple[int, ...]) -> np.ndarray:
    """0, 1, 2, … in the order of memory."""
    return np.arange(np.prod(size), dtype=np.float32).reshape(size)


def shuffled(rng: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """The same numbers, in any order."""
    return rng.permutation(int(np.prod(size))).astype(np.float32).reshape(size)


def whole(array: np.ndarray) -> np.ndarray:
    """Rounded where a value is a whole number up to the rounding of some convolution; -1 where it is none."""
    values = np.nan_to_num(np.asarray(array, np.float64), nan=-1.0, posinf=-1.0, neginf=-1.0)
    return np.where(np.abs(values - np.rint(values)) < 0.05, np.rint(values), -1.0)


def origins(pieces: np.ndarray, axes: int) -> tuple[np.ndarray, np.ndarray]:
    """For each number: the piece it is from, counted over the first `axes` axes, and its place in that piece."""
    inside = int(np.prod(pieces.shape[axes:]))
    where = np.argsort(pieces.reshape(-1))
    return where // inside, where % inside


def traced(criterion: str, origin: np.ndarray, wanted: np.ndarray, given: np.ndarray, what: str) -> Finding:
    """Met when each number given is of the same origin as the number wanted there."""
    if given.shape != wanted.shape:
        return Finding(criterion, False, "can be seen once the shape is right")
    values = whole(given)
    if not ((values >= 0) & (values < origin.size)).all():
        return Finding(criterion, False, "some numbers are none of those that were given")
    wrong = int((origin[values.astype(int)] != origin[wanted.astype(int)]).sum())
    return Finding(criterion, not wrong, f"{wrong} of {wanted.size} numbers {what}" if wrong else "")


def held(criterion: str, wanted: np.ndarray, given: np.ndarray, axes: int, piece: str) -> Finding:
    """Met when each piece (of the first `axes` axes) holds the numbers it should, in whatever arrangement."""
    if given.shape[:axes] != wanted.shape[:axes] or given.size != wanted.size:
        return Finding(criterion, False, f"{' x '.join(map(str, wanted.shape[:axes]))} {piece}s were expected")
    given, wanted = (np.sort(whole(a).reshape(-1, int(np.prod(wanted.shape[axes:]))), -1) for a in (given, wanted))
    wrong = (given != wanted).any(-1)
    first = f"{int(wrong.sum())} of {wrong.size} {piece}s hold other numbers; the first is {piece} {wrong.argmax()}"
    return Finding(criterion, not wrong.any(), first if wrong.any() else "")


def kept_whole(criterion: str, wanted: np.ndarray, given: np.ndarray, axes: int, piece: str) -> Finding:
    """Met when every piece that should be there is somewhere among those given, as it should be inside."""
    if given.shape != wanted.shape:
        return Finding(criterion, False, "can be seen once the shape is right")
    given, wanted = (whole(a).reshape(-1, int(np.prod(wanted.shape[axes:]))) for a in (given, wanted))
    missing = sum(not (given == one).all(-1).any() for one in wanted)
    return Finding(
        criterion, not missing, f"{missing} of {len(wanted)} {piece}s are nowhere among yours" * bool(missing)
    )
