"""Whichever way a code answer comes back, it is found and graded; one claim each."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from nbformat import NotebookNode
from nbgrader.utils import determine_grade

from tests.test_intake_fixtures import (
    ALL_RIGHT,
    BOOTSTRAP,
    PROSE,
    RIGHT,
    SETUP,
    STUBS,
    at,
    code,
    extras,
    insert,
    moved,
    prose,
    released,
    said,
    scores,
    solved,
    strip,
    without,
)

# What nobody touched, and what only the editor touched


def test_an_untouched_notebook_comes_back_as_the_template() -> None:
    done = moved(released())
    assert done.notebook == released()
    assert set(done.placed.values()) == {"untouched"}
    assert done.notes == ()
    assert determine_grade(at(done.notebook, "W1")) == (0, 3.0)


@pytest.mark.parametrize("change", [lambda s: s + "\n\n", lambda s: s.replace("\n", "  \n"), lambda s: "\n" + s])
def test_blanks_at_line_ends_leave_an_untouched_answer_untouched(change: Any) -> None:
    notebook = released()
    for name in ("Q1", "Q1b", "Q2", "W1"):
        at(notebook, name).source = change(at(notebook, name).source)
    assert moved(notebook).notebook == released()


def test_right_answers_are_placed_by_their_grade_ids() -> None:
    done = moved(solved())
    assert scores(done.notebook) == ALL_RIGHT
    assert set(done.placed.values()) == {"grade id"}
    assert set(done.confidence.values()) == {"high"}
    assert done.notes == ()
    assert extras(done) == []
    assert at(done.notebook, "W1").source == PROSE
    assert determine_grade(at(done.notebook, "W1")) == (None, 3.0)


def test_without_metadata_the_cell_ids_do() -> None:
    notebook = solved()
    for cell in notebook.cells:
        cell.metadata = NotebookNode()
    done = moved(notebook)
    assert set(done.placed.values()) == {"cell id"}
    assert scores(done.notebook) == ALL_RIGHT


def test_without_metadata_and_ids_the_markers_do() -> None:
    done = moved(strip(solved()))
    assert {done.placed[q] for q in RIGHT} == {"marker"}
    assert scores(done.notebook) == ALL_RIGHT
    assert extras(done) == []
    assert at(done.notebook, "W1").source == PROSE
    assert done.confidence["W1"] == "low"
    assert said(done, "W1", "Please look")


def test_without_markers_the_defined_names_do() -> None:
    notebook = strip(solved())
    for cell in notebook.cells:
        cell.source = cell.source.removeprefix("# Q1: triple every number\n").removeprefix("# Q1b: a scaler\n")
    done = moved(notebook)
    assert (done.placed["Q1"], done.placed["Q1b"]) == ("name", "name")
    assert scores(done.notebook) == ALL_RIGHT


def test_without_any_sign_the_only_cell_in_the_right_place_is_taken_and_reported() -> None:
    notebook = strip(solved(Q1="def thrice(xs):\n    return [3 * x for x in xs]"))
    done = moved(notebook)
    assert done.placed["Q1"] == "order"
    assert done.confidence["Q1"] == "low"
    assert said(done, "Q1", "triple", "Please look")
    assert "thrice" in at(done.notebook, "Q1").source


def test_two_unknown_cells_in_the_right_place_are_not_guessed_between() -> None:
    notebook = strip(solved(Q1="def thrice(xs):\n    return [3 * x for x in xs]"))
    notebook.cells.insert(5, code("y = 1"))
    done = moved(notebook)
    assert done.placed["Q1"] == "missing"
    assert said(done, "Q1", "not started")
    assert at(done.notebook, "Q1").source == STUBS["Q1"]


def test_colab_moves_ids_and_adds_its_own_metadata() -> None:
    notebook = solved()
    notebook.nbformat_minor = 0
    notebook.metadata = NotebookNode(colab={"provenance": []}, accelerator="GPU")
    for cell in notebook.cells:
        cell.metadata = NotebookNode(id=cell.pop("id"), colab={"base_uri": "x"}, cellView="form", outputId="y")
    notebook.cells.insert(
        0, prose('<a href="…"><img src="https://colab.research.google.com/assets/colab-badge.svg"></a>')
    )
    notebook.cells[0].metadata, _ = NotebookNode(id="view-in-github", colab_type="text"), notebook.cells[0].pop("id")
    done = moved(notebook)
    assert scores(done.notebook) == ALL_RIGHT
    assert set(done.placed.values()) == {"cell id"}
    assert extras(done) == []


def test_vs_code_drops_language_info_and_adds_its_own() -> None:
    notebook = solved()
    notebook.metadata = NotebookNode()
    for cell in notebook.cells:
        cell.id = f"W{hash(cell.id) & 0xFFFF:x}sZmls"
        cell.metadata = NotebookNode(vscode={"languageId": "python"}, nbgrader=cell.metadata.get("nbgrader", {}))
    done = moved(notebook)
    assert scores(done.notebook) == ALL_RIGHT
    assert set(done.placed.values()) == {"grade id"}


# Duplicated, deleted, reordered


def test_an_edited_duplicate_beats_the_untouched_original_wherever_it_stands() -> None:
    for before in ("Q1", "Q1-check", "demo-01", "text-06"):
        copied = copy.deepcopy(at(solved(), "Q1")) | {"id": "copy"}
        done = moved(insert(released(), before, NotebookNode(copied)))
        assert scores(done.notebook)["Q1"] == "right", before
        assert extras(done) == []


def test_of_two_edited_copies_the_one_that_the_last_check_saw_is_graded() -> None:
    wrong = NotebookNode(copy.deepcopy(at(released(), "Q1")) | {"id": "copy"})
    wrong["source"] = "# Q1: triple every number\ndef triple(xs):\n    return xs"
    above = moved(insert(solved(), "Q1", wrong))  # a first try, then the right one, then the check
    assert scores(above.notebook)["Q1"] == "right"
    assert said(above, "Q1", "cells 5, 6", "cell 6 is graded")
    below = moved(insert(solved(), "demo-01", wrong))  # an experiment under the check
    assert scores(below.notebook)["Q1"] == "right"
    checked = insert(solved(), "demo-01", wrong, NotebookNode(copy.deepcopy(at(released(), "Q1-check")) | {"id": "c"}))
    assert scores(moved(checked).notebook)["Q1"] == "wrong"  # a second try with its own check


def test_without_any_check_the_last_edited_copy_is_graded() -> None:
    wrong = NotebookNode(copy.deepcopy(at(released(), "Q1")) | {"id": "copy"})
    wrong["source"] = RIGHT["Q1"].replace("SCALE * x", "x")
    assert scores(moved(without(insert(solved(), "demo-01", wrong), "Q1-check")).notebook)["Q1"] == "wrong"
    assert scores(moved(without(insert(solved(), "Q1", wrong), "Q1-check")).notebook)["Q1"] == "right"


def test_a_finished_answer_beats_a_later_one_with_blanks() -> None:
    half = NotebookNode(copy.deepcopy(at(released(), "Q1b")) | {"id": "copy"})
    half["source"] = STUBS["Q1b"].replace("self.by = ___", "self.by = by")
    done = moved(insert(solved(), "Q1b-check", half))
    assert scores(done.notebook) == ALL_RIGHT
    assert half["source"] in extras(done)


def test_a_second_definition_in_an_extra_cell_counts_when_its_own_cell_is_untouched() -> None:
    for before in ("text-02", "Q1-check", "text-06"):
        done = moved(insert(released(), before, code("def triple(xs):\n    return [3 * x for x in xs]")))
        assert scores(done.notebook)["Q1"] == "right", before
        assert done.placed["Q1"] == "name"


def test_deleted_cells_come_back_and_a_deleted_answer_is_not_started() -> None:
    done = moved(without(solved(), "Q1", "Q2-check", "setup-01", "bootstrap", "demo-01", "text-03"))
    assert scores(done.notebook) == {"Q1": "blank", "Q1b": "right", "Q2": "right"}
    assert done.placed["Q1"] == "missing"
    assert said(done, "Q1", "not started")


def test_an_emptied_answer_is_not_started() -> None:
    done = moved(solved(Q1="  \n"))
    assert scores(done.notebook)["Q1"] == "blank"


def test_a_reordered_notebook_is_put_in_order() -> None:
    for notebook in (solved(), strip(solved())):
        notebook.cells.reverse()
        assert scores(moved(notebook).notebook) == ALL_RIGHT


def test_answers_under_each_others_ids_go_by_what_they_define() -> None:
    done = moved(solved(Q1=RIGHT["Q2"], Q2=RIGHT["Q1"]))
    assert scores(done.notebook) == ALL_RIGHT


# Split and merged


def test_an_answer_split_over_two_cells_still_works() -> None:
    helper = "def _by(x):\n    return SCALE * x"
    answer = "# Q1: triple every number\ndef triple(xs):\n    return [_by(x) for x in xs]"
    for before in ("text-02", "Q1", "Q1-check"):
        assert scores(moved(insert(solved(Q1=answer), before, code(helper))).notebook)["Q1"] == "right"
    late = moved(insert(solved(Q1=answer), "text-06", code(helper)))
    assert scores(late.notebook)["Q1"] == "right"
    assert said(late, "Q1", "_by")


def test_a_split_that_copies_the_grade_id_to_both_parts_still_works() -> None:
    notebook = solved(Q1="# Q1: triple every number\ndef _by(x):\n    return SCALE * x")
    second = NotebookNode(copy.deepcopy(at(notebook, "Q1")) | {"id": "part"})
    second["source"] = "def triple(xs):\n    return [_by(x) for x in xs]"
    assert scores(moved(insert(notebook, "Q1-check", second)).notebook)["Q1"] == "right"


@pytest.mark.parametrize("line", range(1, 7))
def test_a_definition_cut_in_two_is_joined(line: int) -> None:
    lines = RIGHT["Q1b"].split("\n")
    first, second = "\n".join(lines[:line]), "\n".join(lines[line:])
    done = moved(insert(solved(Q1b=first), "Q1b-check", code(second)))
    assert scores(done.notebook)["Q1b"] == "right"


def test_two_answers_merged_into_one_cell_still_work() -> None:
    both = RIGHT["Q1"] + "\n\n\n" + RIGHT["Q1b"]
    for notebook in (
        without(solved(Q1=both), "Q1b"),
        without(solved(Q1b=both), "Q1"),
        solved(Q1=both, Q1b=STUBS["Q1b"]),
        strip(without(solved(Q1=both), "Q1b", "Q1b-check", "text-03")),
    ):
        done = moved(notebook)
        assert scores(done.notebook) == ALL_RIGHT
        assert said(done, "Q1b", "together with Q1")


def test_an_answer_merged_with_another_ones_blank_leaves_that_not_started() -> None:
    done = moved(without(solved(Q1=RIGHT["Q1"] + "\n\n" + STUBS["Q1b"]), "Q1b"))
    assert scores(done.notebook) == {"Q1": "right", "Q1b": "blank", "Q2": "right"}


def test_an_answer_merged_with_its_check_is_the_answer() -> None:
    merged = RIGHT["Q1"] + '\n\ncheck("Q1", triple)'
    for notebook in (solved(Q1=merged), strip(solved(Q1=merged))):
        assert scores(moved(without(notebook, "Q1-check")).notebook) == ALL_RIGHT


def test_everything_in_one_cell_still_works() -> None:
    notebook = released()
    notebook.cells = [code("\n\n".join([BOOTSTRAP, SETUP, *RIGHT.values(), "print(triple([1]))"]))]
    assert scores(moved(notebook).notebook) == ALL_RIGHT
