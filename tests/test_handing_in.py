"""The file to hand in: looked through first, nothing blank goes out unnoticed."""

from __future__ import annotations

import nbformat
import pytest
from typer.testing import CliRunner

from grading.cli import app
from grading.course import CourseError
from grading.intake.read import read_notebook
from helpers.__main__ import main
from helpers.portfolio import HandInError, progress_store, submit
from tests.conftest import ROOT

LESSON = "02_positional_encoding"


@pytest.fixture
def student_folder(tmp_path, monkeypatch):
    """A student's own folder with the lesson in it."""
    monkeypatch.setenv("VITLAB_WORK", str(tmp_path / "my_work"))
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(ROOT / "notebooks" / LESSON / f"{LESSON}.ipynb", as_version=4)
    return notebook, tmp_path / f"{LESSON}.ipynb"


def cell_of(notebook, question):
    return next(c for c in notebook.cells if c.source.startswith(f"# {question}") and c.cell_type == "code")


def words_of(notebook, question):
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == question)


def test_an_untouched_notebook_says_what_is_blank(student_folder):
    notebook, path = student_folder
    nbformat.write(notebook, path)
    made = submit("02")
    assert not made.complete
    assert made.states["Q1"].startswith("still blank in line")
    assert list(made.states)[:3] == ["Q1", "Q1b", "Q1c"]
    assert "no words yet" in made.states.values()
    assert "You can hand it in as it is" in repr(made)


def test_a_finished_notebook_is_complete_and_readable_by_the_grader(student_folder, tmp_path):
    notebook, path = student_folder
    solution = nbformat.read(ROOT / "solutions" / LESSON / f"{LESSON}.ipynb", as_version=4)
    tags = (cell.metadata.get("vitlab", {}) for cell in solution.cells)
    for question in [tag["question"] for tag in tags if tag.get("role") == "answer"]:
        cell_of(notebook, question).source = cell_of(solution, question).source
        progress_store.add(tmp_path / "my_work", question, 4.0, 4.0)
    for cell in notebook.cells:
        if cell.metadata.get("vitlab", {}).get("role") == "written":
            cell.source = "Because positions matter."
    cell_of(notebook, "Q1").outputs = [nbformat.v4.new_output("stream", text="x" * 10_000)]
    nbformat.write(notebook, path)
    made = submit(LESSON)
    assert made.complete, made
    assert "Everything is answered" in repr(made)
    assert made.path.stat().st_size < path.stat().st_size - 9_000
    assert read_notebook(made.path).notebook
    assert "xxxx" in path.read_text(), "the student's own file is left as it was"


def test_a_syntax_error_a_failed_check_and_a_missing_cell_are_told_apart(student_folder):
    notebook, path = student_folder
    cell_of(notebook, "Q1").source = "# Q1\ndef getPositionEncoding(:\n    pass"
    cell_of(notebook, "Q1b").source = "# Q1b\n%time\ndef cosine_similarity(P):\n    return P"
    notebook.cells.remove(cell_of(notebook, "Q1c"))
    nbformat.write(notebook, path)
    states = submit(LESSON, path).states
    assert states["Q1"].startswith("line 2 is no Python")
    assert "its check has not passed" in states["Q1b"]
    assert states["Q1c"] == "its cell is missing"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{half", "is no notebook that can be read"),
        ('{"cells": [{"source": 3}]}', "no notebook"),
        ("[]", "no notebook"),
    ],
)
def test_a_broken_file_is_named(student_folder, content, says):
    _, path = student_folder
    path.write_text(content)
    with pytest.raises(HandInError, match=says):
        submit(LESSON)


def test_a_missing_notebook_and_an_unknown_lesson_are_named(student_folder):
    with pytest.raises(HandInError, match="is neither in"):
        submit(LESSON)
    with pytest.raises(HandInError, match="There is no lesson '99'"):
        submit("99")


def test_vitlab_submit_is_the_same_command(student_folder):
    notebook, path = student_folder
    nbformat.write(notebook, path)
    made = CliRunner().invoke(app, ["submit", "02"])
    assert made.exit_code == 0
    assert made.stdout.strip() == repr(submit("02"))
    assert "still blank in line" in made.stdout
    with pytest.raises(CourseError, match="There is no lesson '99'"):
        CliRunner().invoke(app, ["submit", "99"], catch_exceptions=False)


def test_the_command(student_folder, capsys):
    notebook, path = student_folder
    nbformat.write(notebook, path)
    assert main(["submit", "02"]) == 0
    assert "Hand in this file" in capsys.readouterr().out
    assert main(["submit", "77"]) == 2
    assert main(["progress"]) == 0
    assert "questions done" in capsys.readouterr().out
