"""A check before its answer's cell has run: a card, no NameError; and never while a class is graded."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from helpers.checks.undefined_names import EXAM_SEED, CheckTransformer, install

ANSWER = "def getPositionEncoding(seq_len, d, n=10000):\n    return None\n"


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> InteractiveShell:
    monkeypatch.delenv(EXAM_SEED, raising=False)
    made = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: made)
    install()
    install()
    assert [type(t) for t in made.ast_transformers] == [CheckTransformer], "once"
    run(made, "from helpers import check")
    return made


def run(shell: InteractiveShell, source: str):
    with capture_output():
        return shell.run_cell(source)


def test_a_name_that_nothing_has_defined_gets_a_card(shell) -> None:
    done = run(shell, 'check("Q1", getPositionEncoding)')
    assert done.success, "Run All goes on"
    assert done.result.status == "not started"
    assert repr(done.result) == "0", "what nbgrader's Validate reads"
    card = done.result._repr_html_()
    assert "Not there yet:" in card
    assert "getPositionEncoding is not defined. Run the cell with your answer" in card
    assert "<img" in card, "with the target"
    assert "getPositionEncoding is not defined" in done.result.text


def test_a_name_that_is_nearly_right_is_named(shell) -> None:
    run(shell, ANSWER.replace("getPosition", "getPositional"))
    hint = run(shell, 'check("Q1", getPositionEncoding)').result.hint
    assert hint.startswith("there is no getPositionEncoding, but a getPositionalEncoding: the check looks for")


def test_another_questions_answer_is_no_misspelling(shell) -> None:
    run(shell, ANSWER)
    assert "but a" not in run(shell, 'check("Q1c", getPositionEncoding2D)').result.hint


def test_what_is_there_is_checked_as_ever(shell) -> None:
    run(shell, ANSWER)
    assert run(shell, 'check("Q1", getPositionEncoding)').result.status != "not started"
    assert run(shell, 'def f():\n    own = None\n    return check("Q1", own)\nf()').result.status == "not started"
    inside = run(shell, 'class A:\n    own = getPositionEncoding\n    found = check("Q1", own)\nA.found')
    assert inside.result.status != "not started"


def test_other_names_are_still_errors(shell) -> None:
    assert isinstance(run(shell, "getPositionEncoding(1, 2)").error_in_exec, NameError)
    assert isinstance(run(shell, 'check("Q1", lambda: 1, nothing)').error_in_exec, NameError)


def test_while_a_class_is_graded_it_stays_the_error_it_was(shell, monkeypatch) -> None:
    monkeypatch.setenv(EXAM_SEED, "1")
    done = run(shell, 'check("Q1", getPositionEncoding)')
    assert isinstance(done.error_in_exec, NameError)


def test_outside_of_ipython_nothing_is_done(monkeypatch) -> None:
    monkeypatch.setattr("IPython.get_ipython", lambda: None)
    install()
