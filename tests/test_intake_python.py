"""Answers that are Python only nearly: magics, shell lines, shifted or broken code."""

from __future__ import annotations

import re

import pytest

from grading.intake.code_analysis import look, syntax_error
from grading.intake.ipython_syntax import as_python
from tests.test_intake_fixtures import ALL_RIGHT, RIGHT, STUBS, at, code, moved, prose, said, scores, solved, strip


@pytest.mark.parametrize(
    "source",
    [
        "%%time\n" + RIGHT["Q1"],
        "# Q1: triple every number\n!pip install einops\n%load_ext autoreload\n" + RIGHT["Q1"],
        "%matplotlib inline\n\n" + RIGHT["Q1"] + "\ntriple?\nfiles = !ls -la\n",
        "    " + RIGHT["Q1"].replace("\n", "\n    "),
        RIGHT["Q1"] + "\nif True:\n    !echo \\\n      more",
        RIGHT["Q1"] + "\n%time y = triple([1])",
        RIGHT["Q1"] + "\nz = ('%d'\n    % 3)",
        RIGHT["Q1"] + "\npath = '\\d'",
    ],
)
def test_magics_and_shell_lines_do_not_hide_an_answer(source: str) -> None:
    for notebook in (solved(Q1=source), strip(solved(Q1=re.sub(r"(?m)^ *# Q1.*\n", "", source)))):
        done = moved(notebook)
        assert "def triple" in at(done.notebook, "Q1").source
        assert done.placed["Q1"] in ("grade id", "name")
        assert not said(done, "syntax")
    assert at(moved(solved(Q1=source)).notebook, "Q1").source == source


@pytest.mark.parametrize(
    ("source", "binds"),
    [
        ("a, b = !ls\nc = %who", {"a", "b", "c"}),
        ("?print\nprint??\nx = 1", {"x"}),
        (">>> x = 1\n>>> y = 2", {"x", "y"}),
        ("\n\n%%time\n%%capture\nx = 1", {"x"}),
        ("    x = 1\n    %time y = f()\n    %matplotlib inline", {"x", "y"}),
        ("text = '''\n%time z = 1\n'''\n!ls", {"text"}),
        ("!" + "a" * 1000 + "\n" + "!ls\n" * 600 + "x = 1", set()),  # minutes in IPython: not looked into
    ],
)
def test_a_cell_is_read_as_ipython_reads_it(source: str, binds: set[str]) -> None:
    code = look(source)
    assert code.binds == binds
    assert not code.reads & {"get_ipython", "print"}


def test_lines_keep_their_numbers() -> None:
    assert syntax_error("\n%%time\n!ls\nx = (1\ny = 2") == "line 4"
    assert as_python("\n%%time\n!ls\nx = 1\n").split("\n")[3:] == ["x = 1", ""]


def test_an_answer_with_a_syntax_error_is_placed_and_reported() -> None:
    for notebook in (
        solved(Q1="def triple(xs):\n    return [x for"),
        strip(solved(Q1="def triple(xs):\n    return [x for")),
    ):
        done = moved(notebook)
        assert at(done.notebook, "Q1").source == "def triple(xs):\n    return [x for"
        assert said(done, "Q1", "syntax error (line 2")
        assert scores(done.notebook) == {"Q1": "wrong", "Q1b": "right", "Q2": "right"}


def test_a_renamed_answer_is_placed_and_the_missing_name_is_reported() -> None:
    done = moved(solved(Q1=RIGHT["Q1"].replace("triple", "thrice")))
    assert said(done, "Q1", "triple")
    assert scores(done.notebook)["Q1"] == "wrong"


def test_an_answer_given_as_an_alias_or_lambda_counts() -> None:
    for source in ("triple = lambda xs: [3 * x for x in xs]", "def f(xs):\n    return [3 * x for x in xs]\ntriple = f"):
        for notebook in (solved(Q1=source), strip(solved(Q1=source))):
            assert scores(moved(notebook).notebook) == ALL_RIGHT


def test_an_answer_that_needs_a_later_answer_is_reported() -> None:
    done = moved(solved(Q1="# Q1: x\ndef triple(xs):\n    return Scaler(3)(xs)"))
    assert said(done, "Q1", "Scaler", "further down")


def test_parts_that_were_moved_apart_are_joined_by_their_grade_id() -> None:
    first, second = RIGHT["Q1b"].split("\n\n")
    notebook = solved(Q1b=first)
    part = code(second)
    part.metadata["nbgrader"] = {"grade_id": "Q1b"}
    notebook.cells.append(part)
    done = moved(notebook)
    assert scores(done.notebook) == ALL_RIGHT
    assert said(done, "cut in two")


def test_a_definition_cut_into_four_is_joined() -> None:
    lines = RIGHT["Q1b"].split("\n")
    notebook = solved(Q1b="\n".join(lines[:2]))
    where = notebook.cells.index(at(notebook, "Q1b")) + 1
    notebook.cells[where:where] = [code("\n".join(part)) for part in (lines[2:3], lines[3:6], lines[6:])]
    assert scores(moved(notebook).notebook) == ALL_RIGHT


def test_an_untouched_copy_below_the_answer_in_one_cell_does_not_undo_it() -> None:
    done = moved(solved(Q1=f"{RIGHT['Q1']}\n\n{STUBS['Q1']}"))
    assert scores(done.notebook) == ALL_RIGHT


def test_own_calls_of_check_are_left_to_our_check_cells() -> None:
    notebook = solved(Q1='check("Q1", triple)\n' + RIGHT["Q1"] + '\ncheck("Q1",\n      triple)')
    notebook.cells.append(code('y = 1\ncheck("Q2", length)'))
    done = moved(notebook)
    calls = [cell for cell in done.notebook.cells for line in cell.source.split("\n") if line.startswith("check(")]
    assert [cell.metadata.vitlab.role for cell in calls] == ["check"] * 3
    assert scores(done.notebook) == ALL_RIGHT


def test_a_part_that_belongs_nowhere_is_reported() -> None:
    notebook = solved()
    notebook.cells.append(code("    return 7"))
    assert said(moved(notebook), "begins in the middle of a definition")


def test_a_return_outside_a_function_is_reported() -> None:
    done = moved(solved(Q1=RIGHT["Q1"] + "\nreturn 3"))
    assert said(done, "Q1", "'return' outside function")


BOMBS = (
    "-" * 100_000 + "1", "1" + "+1" * 40_000, "a" + ".b" * 60_000, "(" * 5000, "not " * 20_000 + "1", "f'{" * 3000,
    "lambda:" * 20_000 + "1", "1" * 100_000, "".join(" " * i + "if 1:\n" for i in range(120)), "\\" * 5000, "'" * 9999,
    "a;" * 9_000, "@a\n" * 9_000 + "def f(): pass", "\x0c\x0b\x1f", "?" * 100_000, "%" * 100_000,
)  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_source_made_to_break_parsers_harms_only_itself(bomb: str) -> None:
    notebook = solved(Q1=bomb + "\n" + RIGHT["Q1"])
    at(notebook, "Q2-check").source = bomb
    notebook.cells += [code(bomb), prose(bomb, "p")]
    found = scores(moved(notebook).notebook)
    assert (found["Q1b"], found["Q2"]) == ("right", "right")


def test_thousands_of_versions_are_bounded() -> None:
    notebook = solved()
    for number in range(1500):
        stray = f"    def triple_{number}(self):\n        return 1"
        cell = code(stray if number % 2 else f"def triple(xs):\n    return {number}")
        cell.metadata["nbgrader"] = {"grade_id": "Q1"}
        notebook.cells.append(cell)
    done = moved(notebook)
    assert scores(done.notebook) | {"Q1": "right"} == ALL_RIGHT
    assert len(done.notes) < 40
