"""The tidy table: a row per question and attempt, scores as the gradebook has them, nothing a spreadsheet would run."""

from __future__ import annotations

import csv
from pathlib import Path

from nbgrader.api import Gradebook
from typer.testing import CliRunner

from grading.cli import app
from grading.engine import grade as engine
from tests.classroom import hand_in
from tests.stub_lesson import LESSON, StubExecutor, filled_in, stub_prepare, write_course


def test_the_tidy_table_holds_every_attempt_and_the_gradebook_s_scores(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(engine, "prepare", stub_prepare)
    monkeypatch.setenv("VITLAB_GRADER", "tutor")
    course, out = write_course(tmp_path / "course"), tmp_path / "out"
    for first in ("# 1", "# 3"):
        hand_in(tmp_path / "in", "ada", LESSON, filled_in(course, {"S1": first, "V1": "Because."}))
        engine.grade(course, [LESSON], submissions=tmp_path / "in", out=out, sandbox="none", executor=StubExecutor())
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("S1-check", LESSON, LESSON, "ada").manual_score = 4.0
        gradebook.find_comment("V1", LESSON, LESSON, "ada").manual_comment = "=HYPERLINK(1)"
        gradebook.db.commit()
    done = CliRunner().invoke(app, ["export", "--tidy", "--out", str(out), "--course", str(course.root)])
    assert done.exit_code == 0, done.output
    with (out / "tidy.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4
    of = {(row["question"], row["attempt"]): row for row in rows}
    assert [of["S1", n]["points"] for n in "12"] == ["1", "4"]
    assert [of["S1", n]["author"] for n in "12"] == ["", "tutor"]
    assert of["V1", "2"]["points"] == "", "what waits is no zero"
    assert of["V1", "2"]["comment"] == "'=HYPERLINK(1)"
    wrong = CliRunner().invoke(app, ["export", "--tidy", "--for", "moodle", "--course", str(course.root)])
    assert "leave out --for moodle" in str(wrong.exception)
