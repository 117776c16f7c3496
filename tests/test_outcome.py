"""What is on record of a submission: read back as it was written, from older runs too."""

from __future__ import annotations

import json
from pathlib import Path

from grading.engine.journal import Journal, read_results
from grading.engine.lesson_context import _question
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from helpers.checks.verdict import Verdict

LESSON = "01_patches"


def test_what_an_open_task_measured_reaches_the_results(tmp_path: Path) -> None:
    question = _question(Verdict("QL", "Open task", "partial", 3.0, 5.0, measure=0.83))
    Journal(tmp_path).add(SubmissionOutcome("ada", LESSON, "graded", questions=(question,)))
    assert read_results(tmp_path)[0].questions[0].measure == 0.83


def test_results_of_an_older_version_are_read(tmp_path: Path) -> None:
    line = json.loads(
        SubmissionOutcome("ada", LESSON, "graded", questions=(QuestionOutcome("Q1", "", 1, 1, "correct"),)).to_json()
    )
    del line["questions"][0]["measure"]
    (tmp_path / "results.jsonl").write_text(json.dumps(line) + "\n")
    assert read_results(tmp_path)[0].questions[0].measure is None
