"""Tables and parts for one level in a lesson's text, folded cells, blank pages and stretch questions in a notebook."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from grading.course import Level, Settings, Worth
from grading.intake.transplant import transplant
from grading.lesson_builder.lesson import student_notebook
from grading.lesson_builder.notebook import solution_notebook
from grading.lesson_builder.prose import ProseError, prose_at
from grading.lesson_source.source import LessonError, read_source

SETTINGS = Settings(id="t", title="T", repository="a/b", ref="main")
SOURCE = """\
# %% [markdown]
# # A lesson
#
# {{questions}}
#
# {{names: lecture L1}}
# `a` | `b` |  | $c$
# {{end}}
#
# {{level: guided}}
# Two short blanks.
# {{end}}
# {{level: standard, open}}
# Write the body.
# {{end}}
# %% tags=["bootstrap"]
# %% tags=["setup"]
import math
# %% tags=["answer"] question="Q1"
# Q1: double
def double(x):
    y = 2 * x  # BLANK
    return y
# %% tags=["check"] question="Q1" points=2
check("Q1", double)
# %% fold="skip"
# Draws a line.
print("a line")
# %% tags=["answer"] question="Q1b" kind="stretch"
# Q1b: triple
def triple(x):
    return 3 * x  # BLANK
# %% tags=["check"] question="Q1b" points=3
check("Q1b", triple)
# %% tags=["answer"] question="Q1c" kind="blank-page"
# Q1c: from memory
def quadruple(x):
    return 4 * x
# %% tags=["check"] question="Q1c" points=5
check("Q1c", quadruple)
"""


def lesson_of(tmp_path: Path, text: str = SOURCE):
    path = tmp_path / "01_test.py"
    path.write_text(text)
    return read_source(path)


def cell_of(notebook, identity: str):
    return next(cell for cell in notebook.cells if cell.id == identity)


def test_the_tables_and_the_parts_for_a_level(tmp_path) -> None:
    lesson = lesson_of(tmp_path)
    text = prose_at(lesson.cells[0].source, Level.standard, lesson)
    assert "| Q1 | double | 1 / 2 / 2 |" in text
    assert "| Q1b | stretch, optional: triple | 1 / 1 / 1 |" in text
    assert "| Q1c | blank page: from memory | 2 / 2 / 2 |" in text
    assert "| lecture L1 | this course | timm | the paper |" in text
    assert "| `a` | `b` | – | $c$ |" in text
    assert "Write the body." in text
    assert "Two short blanks." not in text
    assert "{{" not in text
    assert "Two short blanks." in prose_at(lesson.cells[0].source, Level.guided, lesson)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a\n{{level: guided}}\nb", 2, "without its"),
        ("{{end}}", 1, "without a"),
        ("{{level: easy}}\n{{end}}", 1, "levels are guided, standard, open"),
        ("{{level: open}}\n{{level: guided}}\n{{end}}", 2, "inside the part begun on line 1"),
        ("x\n{{names}}\na | b\n{{end}}", 3, "4 columns"),
    ],
)
def test_a_marker_that_cannot_be_understood_is_named_by_its_line(text: str, line: int, says: str) -> None:
    with pytest.raises(ProseError, match=says) as caught:
        prose_at(text, Level.guided)
    assert caught.value.line == line


def test_the_build_names_file_and_line_of_it(tmp_path) -> None:
    lesson = lesson_of(tmp_path, SOURCE.replace("# {{level: guided}}", "# {{level: easy}}"))
    with pytest.raises(LessonError, match=r"01_test\.py:10: .*easy"):
        solution_notebook(lesson, SETTINGS)


def test_a_folded_cell_shows_one_line_in_jupyterlab_and_colab_and_intake_keeps_it(tmp_path) -> None:
    released = student_notebook(solution_notebook(lesson_of(tmp_path), SETTINGS), "01_test")
    folded = cell_of(released, "demo-01")
    assert folded.source == '# @title Show code: Draws a line (not needed to go on)\nprint("a line")'
    for identity in ("demo-01", "bootstrap"):
        cell = cell_of(released, identity)
        assert cell.metadata["jupyter"]["source_hidden"] is True
        assert cell.metadata["cellView"] == "form"
        assert cell.source.startswith("# @title ")
    submission = nbformat.from_dict(released)
    cell_of(submission, "demo-01").metadata = {}
    cell_of(submission, "Q1").source = "# Q1: double\ndef double(x):\n    return x + x"
    placed = transplant(released, submission).notebook
    assert cell_of(placed, "demo-01").metadata["jupyter"]["source_hidden"] is True
    assert "x + x" in cell_of(placed, "Q1").source


@pytest.mark.parametrize("worth", list(Worth))
def test_what_a_stretch_question_counts_for_stands_in_its_cell(tmp_path, worth: Worth) -> None:
    settings = SETTINGS.model_copy(update={"stretch": worth})
    released = student_notebook(solution_notebook(lesson_of(tmp_path), settings), "01_test")
    check = cell_of(released, "Q1b-check")
    assert check.metadata["nbgrader"]["points"] == (3 if worth is Worth.points else 0)
    assert check.metadata["vitlab"] == {
        "role": "check",
        "question": "Q1b",
        "kind": "stretch",
        "worth": worth.value,
        "points": 3,
    }
    assert cell_of(released, "Q1c-check").metadata["nbgrader"]["points"] == 5
    assert cell_of(released, "Q1-check").metadata["vitlab"] == {"role": "check", "question": "Q1"}


def test_an_answer_on_a_blank_page_is_taken_up(tmp_path) -> None:
    released = student_notebook(solution_notebook(lesson_of(tmp_path), SETTINGS), "01_test")
    assert cell_of(released, "Q1c").source == "# Q1c: from memory"
    assert transplant(released, released).placed["Q1c"] == "untouched"
    submission = nbformat.from_dict(released)
    cell_of(submission, "Q1c").source = "def quadruple(x):\n    return x * 4"
    for cell in submission.cells:
        cell.metadata, cell.id = {}, f"x{cell.id}"
    placed = transplant(released, submission)
    assert "x * 4" in cell_of(placed.notebook, "Q1c").source


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('kind="stretch"', 'kind="hard"', "kind='hard'"),
        ('fold="skip"', 'fold="yes"', "fold='yes'"),
        ("    return 4 * x", "    return 4 * x  # BLANK", "a marker on a blank page"),
        ('tags=["setup"]', 'tags=["setup"] kind="stretch"', "kind='stretch'"),
    ],
)
def test_an_unknown_kind_or_fold_is_refused(tmp_path, old: str, new: str, says: str) -> None:
    with pytest.raises(LessonError, match=says):
        lesson_of(tmp_path, SOURCE.replace(old, new, 1))
