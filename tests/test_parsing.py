"""Python is parsed by one thread at a time, wherever a grader's thread may come by."""

from __future__ import annotations

import ast
import gc
import sys
import threading

import pytest

from helpers.checks import parsing
from tests.conftest import ROOT

SOURCE = (ROOT / "grading/engine/recorder.py").read_text()


@pytest.fixture
def threads_that_get_in_between():
    """Threads take turns as often as they can, in the garbage collector too: that is where CPython 3.11 loses count."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    gc.callbacks.append(spend_time)
    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    yield
    gc.callbacks.remove(spend_time)
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


def spend_time(*_args: object) -> None:
    sum(range(200))


def test_threads_that_parse_at_the_same_time_do_not_disturb_each_other(threads_that_get_in_between):
    problems: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                parsing.parse(SOURCE)
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


def test_another_librarys_disturbance_is_tried_again(monkeypatch):
    calls = []

    def disturbed(source: str) -> ast.Module:
        calls.append(source)
        if len(calls) < 3:
            raise SystemError("AST constructor recursion depth mismatch (before=54, after=38)")
        return ast.Module([], [])

    monkeypatch.setattr(ast, "parse", disturbed)
    assert parsing.parse("x = 1").body == []
    assert len(calls) == 3


def test_what_does_not_go_away_is_raised():
    calls = []

    def broken() -> None:
        calls.append(1)
        raise SystemError("always")

    with pytest.raises(SystemError, match="always"):
        parsing.one_at_a_time(broken)
    assert len(calls) == parsing.TRIES


@pytest.mark.parametrize("source", ["x = (", "x = 1\0", "f(" * 500])
def test_errors_are_those_of_ast(source):
    with pytest.raises((SyntaxError, ValueError, RecursionError, MemoryError)) as ours:
        parsing.parse(source)
    with pytest.raises(ours.type):
        ast.parse(source)


def test_nothing_in_grading_parses_by_itself():
    """A call of `ast.parse` anywhere else in the grader can be disturbed by a thread, or disturb one.

    The rest of `helpers` parses in a kernel, where nothing else does.
    """
    found = [
        f"{path.relative_to(ROOT)}, line {node.lineno}"
        for path in [*sorted((ROOT / "grading").rglob("*.py")), ROOT / "helpers/checks/later_cells.py"]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("ast.parse", "ast.PyCF_ONLY_AST")
    ]
    assert not found, f"use helpers.checks.parsing.parse: {found}"
