"""Everything around the code answers: written ones, our own cells, the student's cells, the wrong file."""

from __future__ import annotations

import copy

import pytest
from nbformat import NotebookNode
from nbgrader.utils import determine_grade

from grading.lesson_builder.notebook import write_here
from tests.test_intake_fixtures import (
    ALL_RIGHT,
    NAMES,
    PROSE,
    RIGHT,
    SETUP,
    at,
    code,
    extras,
    insert,
    moved,
    other_released,
    prose,
    released,
    said,
    scores,
    solved,
    strip,
)

# Retyped


@pytest.mark.parametrize("kind", ["markdown", "raw"])
@pytest.mark.parametrize("fenced", [False, True])
def test_a_code_answer_retyped_as_text_is_recovered(kind: str, fenced: bool) -> None:
    for notebook in (solved(), strip(solved())):
        cell = next(c for c in notebook.cells if c.source == RIGHT["Q1b"])
        cell.cell_type = kind
        cell.source = f"```python\n{cell.source}\n```" if fenced else cell.source
        del cell["outputs"], cell["execution_count"]
        done = moved(notebook)
        assert scores(done.notebook) == ALL_RIGHT
        assert said(done, "Q1b", kind)


def test_an_old_attempt_kept_as_text_does_not_win() -> None:
    done = moved(insert(solved(), "demo-01", prose("def triple(xs):\n    return xs")))
    assert scores(done.notebook) == ALL_RIGHT


def test_a_written_answer_retyped_as_code_is_recovered() -> None:
    notebook = solved()
    at(notebook, "W1").update(cell_type="code", outputs=[], execution_count=None)
    done = moved(notebook)
    assert at(done.notebook, "W1").source == PROSE
    assert said(done, "W1", "code")


# Written answers


def test_a_written_answer_below_its_untouched_cell_is_found_and_reported() -> None:
    for notebook in (solved(W1=write_here("W1")), strip(solved(W1=write_here("W1")))):
        where = next(i for i, c in enumerate(notebook.cells) if c.source == write_here("W1"))
        notebook.cells.insert(where + 1, prose(PROSE))
        done = moved(notebook)
        assert at(done.notebook, "W1").source == PROSE
        assert done.confidence["W1"] == "low"
        assert determine_grade(at(done.notebook, "W1")) == (None, 3.0)


def test_a_written_answer_typed_into_the_questions_text_is_found_and_reported() -> None:
    notebook = solved(W1=write_here("W1"))
    at(notebook, "text-05").source += f"\n\n{PROSE}"
    done = moved(notebook)
    assert at(done.notebook, "W1").source == PROSE
    assert done.confidence["W1"] == "low"
    assert said(done, "W1", "question's text")


def test_many_loose_texts_are_not_taken_for_one_answer() -> None:
    notebook = strip(solved(W1="Short."))
    notebook.cells[-1:-1] = [prose(f"Note {number}.", f"n{number}") for number in range(9)]
    done = moved(notebook)
    assert at(done.notebook, "W1").source == write_here("W1")
    assert said(done, "W1", "none was taken")


def test_a_note_beside_a_written_answer_stays_a_note() -> None:
    done = moved(insert(solved(), "text-06", prose("Ask about this.")))
    assert at(done.notebook, "W1").source == PROSE
    assert extras(done) == ["Ask about this."]


def test_pictures_pasted_into_a_written_answer_come_along() -> None:
    notebook = solved(W1="![sketch](attachment:a.png)")
    at(notebook, "W1")["attachments"] = {"a.png": {"image/png": "iVBORw0KGgo="}, "b": {"text/html": "<script>"}}
    cell = at(moved(notebook).notebook, "W1")
    assert cell.attachments == {"a.png": {"image/png": "iVBORw0KGgo="}}


# Cells that are ours


def test_edits_of_check_and_setup_cells_are_dropped_with_a_note() -> None:
    notebook = solved()
    at(notebook, "Q1-check").source = 'print("2.0")'
    at(notebook, "setup-01").source = SETUP.replace("3", "7")
    done = moved(notebook)
    assert scores(done.notebook) == ALL_RIGHT
    assert extras(done) == []
    assert said(done, "check cell of Q1", "changed")
    assert said(done, "setup cell", "changed")


def test_what_was_added_to_our_cells_is_kept_beside_them() -> None:
    notebook = solved(Q1="# Q1: triple every number\ndef triple(xs):\n    return list(map(partial(mul, SCALE), xs))")
    at(notebook, "setup-01").source = SETUP + "\nfrom functools import partial\nSCALE = 8"
    at(notebook, "Q1-check").source = 'from operator import mul\nprint("hi")\ncheck("Q1", triple)'
    done = moved(notebook)
    assert scores(done.notebook) == ALL_RIGHT
    assert extras(done) == ["from functools import partial", "from operator import mul"]


def test_an_answer_written_into_the_check_cell_is_found() -> None:
    notebook = released()
    at(notebook, "Q1-check").source = RIGHT["Q1"] + '\ncheck("Q1", triple)'
    assert scores(moved(notebook).notebook)["Q1"] == "right"


def test_an_answer_written_into_a_demonstration_is_found() -> None:
    notebook = released()
    at(notebook, "demo-02").source = RIGHT["Q2"]
    assert scores(moved(notebook).notebook)["Q2"] == "right"


def test_student_edits_of_demonstrations_and_text_stay() -> None:
    for notebook in (solved(), strip(solved())):
        changed = next(c for c in notebook.cells if "length([3, 4])" in c.source)
        changed.source = 'if ready("Q2"):\n    print(length([5, 12]))'
        next(c for c in notebook.cells if c.source.startswith("## Triple")).source += "\nMy note."
        done = moved(notebook)
        assert scores(done.notebook) == ALL_RIGHT
        assert "My note." in at(done.notebook, "text-02").source
        assert at(done.notebook, "text-02").metadata.vitlab.role == "extra"  # shown as a student's words
        cell = next(c for c in done.notebook.cells if "[5, 12]" in c.source)
        if notebook.cells[0].id == "text-01":
            assert cell.metadata.vitlab.role == "demo"


def test_forged_metadata_and_outputs_do_not_travel() -> None:
    notebook = insert(solved(), "text-06", code("x = 1"))
    at(notebook, "Q1-check").metadata.nbgrader.update(points=100, grade=True, locked=False, checksum="0")
    at(notebook, "mine").metadata = NotebookNode(
        vitlab={"role": "check", "question": "Q1"},
        nbgrader={"grade": True, "grade_id": "Q9", "points": 50, "solution": False, "locked": True},
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [{"output_type": "stream", "name": "stdout", "text": "2.0"}]
    assert extras(moved(notebook)) == ["x = 1"]


# The student's own cells


def test_extra_cells_keep_their_place() -> None:
    notebook = insert(solved(), "demo-01", code("a = triple([1])"), prose("So."))
    notebook.cells.append(code("b = 2", name="last"))
    done = moved(notebook)
    order = [cell.source for cell in done.notebook.cells]
    assert order.index("a = triple([1])") == order.index('check("Q1", triple)') + 1
    assert order.index("So.") == order.index("a = triple([1])") + 1
    assert order[-1] == "b = 2"
    assert [c.id for c in done.notebook.cells if c.id.startswith("extra")] == ["extra-01", "extra-02", "extra-03"]


def test_an_extra_cell_never_runs_before_the_setup_it_needs() -> None:
    notebook = strip(solved(Q1="# Q1: triple\ndef triple(xs):\n    return [k * x for x in xs]"))
    notebook.cells.insert(0, code("k = int(math.pow(SCALE, 1))"))
    assert scores(moved(notebook).notebook) == ALL_RIGHT


def test_copies_of_our_cells_and_empty_cells_leave_no_trace() -> None:
    notebook = solved()
    notebook.cells += copy.deepcopy(released().cells)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"n{number}"
    notebook.cells.append(code("\n"))
    done = moved(notebook)
    assert scores(done.notebook) == ALL_RIGHT
    assert extras(done) == []


# The wrong file


def test_a_notebook_of_another_lesson_is_recognised_and_nothing_is_placed() -> None:
    other = other_released()
    at(other, "Q3").source = "# Q3: halve\ndef halve(x):\n    return x / 2"
    for notebook in (other, strip(other)):
        done = moved(notebook, others={"02_halves": other_released()})
        assert done.notebook == released()
        assert done.lesson == "02_halves"
        assert set(done.placed.values()) == {"missing"}
        assert said(done, "02_halves", "no answer was placed")


def test_a_notebook_of_nothing_we_know_is_reported() -> None:
    notebook = released()
    notebook.cells = [code("import pandas"), prose("# My thesis")]
    done = moved(notebook, others={"02_halves": other_released()})
    assert done.notebook == released()
    assert said(done, "Nothing of this lesson")


def test_a_notebook_without_cells_is_not_started() -> None:
    notebook = released()
    notebook.cells = []
    assert scores(moved(notebook).notebook) == dict.fromkeys(RIGHT, "blank")


def test_every_question_is_accounted_for() -> None:
    done = moved(solved())
    assert list(done.placed) == list(done.confidence) == [*(q for q in NAMES if q != "Q3"), "W1"]
