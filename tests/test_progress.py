"""The progress bar says how many, by status, on a narrow terminal too."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from grading.engine.outcome import SubmissionOutcome
from grading.engine.progress import Bar


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_bar_shows_counts_by_status(width: int) -> None:
    screen = io.StringIO()
    bar = Bar(Console(file=screen, width=width, force_terminal=True))
    bar.start(3)
    bar.note("a [note] is printed as it is")
    for student, status in (("ada", "graded"), ("bo", "graded"), ("uma", "timeout")):
        bar.advance(SubmissionOutcome(student, "01_patches", status))
    bar.stop()
    text = screen.getvalue()
    assert "3/3" in text
    assert "2 graded, 1 t" in text
    assert "a [note] is printed as it is" in text
