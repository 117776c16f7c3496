"""Tables and the progress bar can be read in a terminal of 80 characters, whatever a lesson asks."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from grading.demo.classroom import Member
from grading.demo.show import print_table
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.engine.progress import Bar
from grading.engine.summary import print_summary

QUESTIONS = [f"Q{number}" for number in range(1, 13)]


def outcome(student: str, share: float, status: str = "graded") -> SubmissionOutcome:
    questions = [
        QuestionOutcome(name, "", 4 * share, 4.0, "correct" if share == 1 else "partial" if share else "wrong")
        for name in QUESTIONS
    ]
    waits = QuestionOutcome("W1", "", None, 2.0, "needs grading")
    return SubmissionOutcome(student, "12_pretrained", status, "", (*questions, waits))


def printed(width: int, *, names: dict[str, str] | None = None) -> str:
    out = io.StringIO()
    print_summary(
        [outcome("ada", 1), outcome("bo", 0.5)], Path("out"), Console(file=out, width=width, color_system=None), names
    )
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_no_score_is_cut_off_in_the_summary(width):
    text = printed(width, names={"bo": "Bo Wilhelmina van der Bergh-Østergaard"})
    assert "…" not in text
    for question in QUESTIONS:
        assert question in text
    assert "48/48 +2 wait" in text
    assert "24/48 +2 wait" in text


def test_a_wide_terminal_has_a_column_for_each_question():
    assert all(f"{question} " in printed(200).splitlines()[2] for question in QUESTIONS)
    assert "below full points" in printed(80)


def test_the_progress_of_a_class_stands_in_one_line_of_80_characters():
    out = io.StringIO()
    bar = Bar(Console(file=out, width=80, color_system=None))
    bar.start(1234)
    for status in ("graded", "unreadable", "died", "output_limit", "timeout"):
        bar.advance(outcome("ada", 1, status))
    bar.stop()
    line = out.getvalue().strip().splitlines()[-1]
    assert line.startswith("grading ")
    assert "5/1234" in line
    assert " left " in line
    assert "1 graded" in line


def test_the_demos_table_is_one_line_for_each_student():
    out = io.StringIO()
    members = [Member(name, "duplicated cell", "says", "full") for name in ("ada", "bo")]
    print_table(
        Console(file=out, width=80, color_system=None), "02", members, [outcome("ada", 1), outcome("bo", 1)], ["W1"]
    )
    lines = out.getvalue().splitlines()
    assert "…" not in out.getvalue()
    assert sum("duplicated cell" in line and "✓ full" in line for line in lines) == 2
    assert "W1 is a written answer" in out.getvalue()
