"""Unsolved is a state, not a crash: blanks in a real IPython."""

from __future__ import annotations

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from helpers.checks.blanks import BlankTransformer, StillBlank


@pytest.fixture
def shell():
    made = InteractiveShell()
    made.ast_transformers.append(BlankTransformer())
    return made


def run(shell, source: str):
    with capture_output() as out:
        result = shell.run_cell(source)
    return result, out.stdout


def test_running_a_cell_names_each_blank_line(shell) -> None:
    source = "def f(x):\n    y = ___\n    z = g(y, ___)\n    return z\n"
    result, printed = run(shell, source)
    assert result.success
    assert printed == "Lines still blank: 2  y = ___; 3  z = g(y, ___)\n"


def test_calling_it_raises_with_the_line(shell) -> None:
    run(shell, "def f(x):\n    y = ___\n    return y\n")
    result, _ = run(shell, "f(1)")
    assert isinstance(result.error_in_exec, StillBlank)
    assert str(result.error_in_exec) == "line 2 is still blank: y = ___"


def test_a_blank_is_not_an_old_output(shell) -> None:
    """In IPython `___` is a variable: without the transformer the blank would silently be some old value."""
    run(shell, "1+1")
    run(shell, "def f():\n    return ___\n")
    result, _ = run(shell, "f()")
    assert isinstance(result.error_in_exec, StillBlank)


def test_other_cells_run_as_ever(shell) -> None:
    result, printed = run(shell, "x = [_a for _a in range(3)]\nx")
    assert result.result == [0, 1, 2]
    assert "blank" not in printed
