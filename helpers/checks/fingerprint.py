"""Recognising a mistake by what it returns: small projections of its arrays, never its code.

A fingerprint keeps, for each public case, the shape of each feature array with eight random projections of it, or the
exception's class and message. Projections change smoothly, so a mistake is recognised across devices and dtypes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from helpers.checks.question import Case, Question
from helpers.checks.wire_format import Arrays, Failure

PROJECTIONS = 8
CLOSE = 2e-3


@dataclass(frozen=True)
class Fingerprint:
    """What a known mistake gives on each public case, and the hint that belongs to it.

    Attributes:
        marks: per case either ``{"error": "ValueError: …"}`` or ``{name: [shape, scale, projections]}``.
        fails: ids of the criteria that it does not meet on the public cases.
        wrong: numbers of the public cases on which it raises or fails one of these.
    """

    hint: str
    marks: tuple[Mapping[str, Any], ...]
    fails: tuple[str, ...] = ()
    wrong: tuple[int, ...] = ()


_CALLED = re.compile(r"\b\w+\(\)")


def mark(question: Question, case: Case, expected: Mapping[str, np.ndarray], got: Arrays | Failure) -> dict[str, Any]:
    """The mark that an answer leaves on one case.

    Features see the expected arrays in the order of their names: the file that ships has an order of its own, and a
    feature that lists "which of them arrived" would look different on a student's machine.
    """
    if isinstance(got, Failure):
        message = _CALLED.sub("…()", got.message)  # the bank's name for an answer never ships
        return {"error": f"{got.kind}: {normalised(message)}", "exact": message.split("\n")[0][:200]}
    try:
        features = question.features(case, dict(sorted(expected.items())), got)
    except Exception as error:
        return {"error": f"features: {type(error).__name__}"}
    return {name: project(name, np.asarray(array)) for name, array in sorted(features.items())}


def project(name: str, array: np.ndarray) -> list:
    """Shape, scale (root mean square) and projections of an array on eight fixed random sign vectors."""
    flat = np.asarray(array, np.float64).reshape(-1)
    bad = ~np.isfinite(flat)
    flat = np.where(bad, 0.0, np.clip(flat, -1e6, 1e6))
    signs = np.random.default_rng(zlib.crc32(name.encode())).choice([-1.0, 1.0], (PROJECTIONS, flat.size))
    scale = float(np.sqrt(np.mean(flat**2))) if flat.size else 0.0
    values = signs @ flat / np.sqrt(max(1, flat.size))
    shape = [int(n) for n in array.shape] + ([-int(bad.sum())] if bad.any() else [])
    return [shape, round(scale, 6), [round(float(v), 6) for v in values]]


def alike(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two marks are the same up to rounding."""
    if "error" in a or "error" in b:
        return a.get("error") == b.get("error")
    if a.keys() != b.keys():
        return False
    for name in a:
        (shape_a, scale_a, values_a), (shape_b, scale_b, values_b) = a[name], b[name]
        if shape_a != shape_b:
            return False
        allowed = CLOSE * max(scale_a, scale_b) + 1e-6
        if abs(scale_a - scale_b) > allowed or np.abs(np.subtract(values_a, values_b)).max(initial=0) > 4 * allowed:
            return False
    return True


def matching_hint(
    fingerprints: Sequence[Fingerprint],
    question: Question,
    cases: Sequence[Case],
    expected: Sequence[Mapping[str, np.ndarray]],
    recorded: Sequence[Arrays | Failure],
    *,
    unmet: set[str] = frozenset(),  # type: ignore[assignment]
    wrong: set[int] = frozenset(),  # type: ignore[assignment]
    publicly: set[str] | None = None,
) -> str:
    """The hint of the known mistake that explains an answer best, or "".

    A mistake that leaves the same marks on every public case and fails the same criteria is the one that was made
    (marks are coarser than the judge: 9999 written for 10000 leaves the marks of half precision). Otherwise candidates
    are those that leave the same marks on at least half of the wrong cases, are wrong on no case that the answer has
    right, and fail every criterion that the answer fails. The one that agrees on most cases is named; of two that
    agree on equally many and have different hints, none is.

    Args:
        unmet: ids of the criteria that the answer does not meet.
        wrong: numbers of the public cases on which it raises or fails one of these.
        publicly: those of `unmet` that the public cases show; default: all.
    """
    if not fingerprints or not wrong:
        return ""
    marks = [mark(question, *row) for row in zip(cases, expected, recorded, strict=True)]
    shown = unmet if publicly is None else publicly
    whole = [f for f in fingerprints if _same_everywhere(f, marks) and (not f.fails or set(f.fails) in (shown, unmet))]
    exact = [f for f in whole if [m.get("exact") for m in f.marks] == [m.get("exact") for m in marks]]
    if whole:  # errors are alike without their numbers; where two mistakes end in the same error, the numbers decide
        hints = list(dict.fromkeys(f.hint for f in exact or whole))
        return hints[0] if exact or (len(hints) == 1 and not _of_shapes(marks)) else ""
    ranked: dict[str, int] = {}
    for known in fingerprints:
        agreed = _agreed(known, marks, unmet, wrong)
        if agreed > ranked.get(known.hint, 0):
            ranked[known.hint] = agreed
    most = max(ranked.values(), default=0)
    best = [hint for hint, agreed in ranked.items() if agreed == most]
    return best[0] if len(best) == 1 else ""


def _of_shapes(marks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether torch raised an error about shapes, which has many causes: only its numbers tell one from another."""
    return any(str(m.get("error", "")).startswith("RuntimeError") for m in marks)


def _same_everywhere(known: Fingerprint, marks: Sequence[Mapping[str, Any]]) -> bool:
    return len(known.marks) == len(marks) and all(map(alike, known.marks, marks))


def _agreed(known: Fingerprint, marks: Sequence[Mapping[str, Any]], unmet: set[str], wrong: set[int]) -> int:
    """On how many wrong cases a mistake leaves these marks; 0 where it explains less than half of them."""
    if len(known.marks) != len(marks) or not unmet <= set(known.fails) or not set(known.wrong) <= wrong:
        return 0
    agreed = sum("error" not in marks[n] and alike(known.marks[n], marks[n]) for n in wrong & set(known.wrong))
    return agreed if 2 * agreed >= len(wrong) else 0


def normalised(message: str) -> str:
    """An error message without numbers and names that vary from student to student."""
    message = re.sub(r"0x[0-9a-f]+", "#", message.split("\n")[0])
    return re.sub(r"\d+", "#", message)[:120]
