"""The cards' pictures of a class: a blank, or a mistake that many make, is drawn once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import numpy as np

from helpers.checks.check import draw
from helpers.checks.question import Case, Question
from helpers.checks.verdict import Verdict
from helpers.checks.wire_format import Arrays

REMEMBERED = 512  # pictures of a few kilobytes each


class Pictures:
    """Draws as `check` does; for one thread at a time. A question's public cases must not change meanwhile."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, bytes | None] = OrderedDict()

    def draw(
        self,
        question: Question,
        verdict: Verdict,
        cases: Sequence[Case],
        expected: Sequence[Mapping[str, np.ndarray]],
        got: Sequence[Arrays | None],
    ) -> bytes | None:
        """A PNG, or None where there is nothing to see. Only the public cases' arrays `got` may be given."""
        key = _digest(question, verdict, got)
        if key not in self._known:
            self._known[key] = draw(question, verdict, cases, expected, got)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]


def _digest(question: Question, verdict: Verdict, got: Sequence[Arrays | None]) -> bytes:
    """Of all that a picture depends on."""
    digest = hashlib.sha256(f"{question.id} {verdict.status}".encode())
    for arrays in got:
        if arrays is None:
            digest.update(b" nothing")
            continue
        digest.update(f" {arrays.tolerance!r}".encode())
        for name, array in arrays.items():
            digest.update(repr((name, array.dtype.str, array.shape)).encode("utf-8", "backslashreplace"))
            digest.update(array.tobytes())
    return digest.digest()
