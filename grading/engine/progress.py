"""Progress of a grading run on a terminal: how many, by status, and the time left."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from grading.engine.outcome import SubmissionOutcome


class Watcher(Protocol):
    """What grading tells while it runs."""

    def note(self, text: str) -> None: ...
    def start(self, total: int) -> None: ...
    def advance(self, outcome: SubmissionOutcome) -> None: ...
    def stop(self) -> None: ...


class Silent:
    """Says nothing: for tests and for ``--json``."""

    def note(self, text: str) -> None:
        """Nothing."""

    def start(self, total: int) -> None:
        """Nothing."""

    def advance(self, outcome: SubmissionOutcome) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


class Bar:
    """A bar with counts by status and time left, on standard error."""

    def __init__(self, console: Console | None = None) -> None:
        self._counts: Counter[str] = Counter()
        self._done = _tight(5)
        self._progress = Progress(
            TextColumn("grading", table_column=_tight(7)),
            BarColumn(bar_width=12),
            MofNCompleteColumn(table_column=self._done),
            TextColumn("left", table_column=_tight(4)),
            TimeRemainingColumn(compact=True, table_column=_tight(5)),
            TextColumn("{task.fields[counts]}", table_column=Column(no_wrap=True, overflow="ellipsis", ratio=1)),
            console=console or Console(stderr=True),
        )
        self._task = self._progress.add_task("grading", total=None, counts="")

    def note(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False)

    def start(self, total: int) -> None:
        self._done.min_width = len(f"{total}/{total}")
        self._progress.update(self._task, total=total)
        self._progress.start()

    def advance(self, outcome: SubmissionOutcome) -> None:
        self._counts[outcome.status] += 1
        counts = ", ".join(f"{n} {status}" for status, n in self._counts.most_common())
        self._progress.update(self._task, advance=1, counts=counts)

    def stop(self) -> None:
        self._progress.stop()


def _tight(characters: int) -> Column:
    """A column that a narrow terminal doesn't squeeze."""
    return Column(no_wrap=True, min_width=characters)
