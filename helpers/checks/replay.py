"""Whether a record holds the arrays of public cases, which ship to all, in the place of secret ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from helpers.checks.question import Case, Expected
from helpers.checks.wire_format import Arrays, Failure

REPLAYED = (
    "Inputs that were drawn for grading got the arrays that belong to the public cases. The answer must compute its "
    "result from its arguments."
)
_RICH = 8  # values, of which half differ: nobody gives so many of them by chance


def replayed(
    public: tuple[Sequence[Case], Expected],
    secret: tuple[Sequence[Case], Expected],
    recorded: Sequence[Arrays | Failure],
) -> bool:
    """True when any secret case got what belongs to a public case of other inputs, as it is or up to 5 %.

    Cases whose answers are few numbers say nothing one by one; they count when all of them were replayed.
    """
    poor: list[bool] = []
    for number, (case, own, got) in enumerate(zip(secret[0], secret[1].arrays, recorded, strict=True)):
        for place, (known, wanted) in enumerate(zip(public[0], public[1].arrays, strict=True)):
            if _same_inputs(case, known) or _equal(wanted, own, wanted):
                continue
            if isinstance(got, Failure):
                match = False
            elif _rich(own):
                if _equal(got, wanted, wanted) and not _equal(got, own, wanted):
                    return True
                continue
            else:
                match = _equal(got, wanted, wanted)
            if place == number:
                poor.append(match)
    return bool(poor) and all(poor)


def _same_inputs(case: Case, known: Case) -> bool:
    return set(case) == set(known) and all(np.array_equal(case[k], known[k]) for k in case)


def _compared(wanted: Mapping[str, np.ndarray]) -> list[str]:
    """Names of the arrays that tell one case from another: numbers, and not a single one."""
    named = [name for name, array in wanted.items() if array.dtype.kind == "f" and array.size > 1]
    return named or list(wanted)


def _rich(arrays: Mapping[str, np.ndarray]) -> bool:
    return any(a.dtype.kind == "f" and a.size >= _RICH and np.unique(a).size >= _RICH // 2 for a in arrays.values())


def _equal(got: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray], names: Mapping[str, np.ndarray]) -> bool:
    compared = [name for name in _compared(names) if name in got and name in wanted]
    return bool(compared) and all(
        got[n].shape == wanted[n].shape and np.allclose(got[n], wanted[n], rtol=0.05, atol=1e-6, equal_nan=True)
        for n in compared
    )
