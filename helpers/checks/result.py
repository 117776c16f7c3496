"""What `check` returns: in a notebook it shows the card; its plain text is the score, as nbgrader reads it.

For a question that does not count for the total nbgrader's maximum is 0, and a number above it is an error there. The
plain text is then no number.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.checks.card import as_text, card
from helpers.checks.verdict import Line, Verdict


@dataclass(frozen=True)
class Result:
    """The outcome of a check. `print(result.text)` gives the whole card as text."""

    verdict: Verdict
    picture: bytes | None = None
    counts: bool = True  # for the total

    @property
    def score(self) -> float:
        return self.verdict.score

    @property
    def points(self) -> float:
        return self.verdict.points

    @property
    def passed(self) -> bool:
        return self.verdict.passed

    @property
    def status(self) -> str:
        return self.verdict.status

    @property
    def findings(self) -> tuple[Line, ...]:
        return self.verdict.lines

    @property
    def hint(self) -> str:
        return self.verdict.hint

    @property
    def text(self) -> str:
        return as_text(self.verdict)

    def __repr__(self) -> str:
        return f"{self.score:g}" if self.counts else f"{self.score:g} of {self.points:g} points, beside the total"

    def _repr_html_(self) -> str:
        return card(self.verdict, self.picture, picture_alt(self.verdict))


def picture_alt(verdict: Verdict) -> str:
    """Alt text of a card's picture."""
    if verdict.status == "not started":
        return f"The target of {verdict.question}: what a right answer looks like"
    return f"{verdict.question}: the target and what your answer gave"
