"""Parsing Python, safe for threads.

CPython 3.11 counts the depth of syntax trees in one place for all threads. Two threads that parse at the same time
sometimes end with `SystemError: AST constructor recursion depth mismatch` (https://github.com/python/cpython/issues/106905).
So the grader parses in one thread at a time, and tries again where a thread of another library got in between.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
TRIES = 10
_parsing = threading.RLock()


def one_at_a_time(work: Callable[[], T]) -> T:
    """What `work` returns, which parses Python: called by one thread at a time, and again after a `SystemError`.

    Raises what `work` raises; the `SystemError` after ten tries.
    """
    for _ in range(TRIES - 1):
        try:
            with _parsing:
                return work()
        except SystemError:
            continue
    with _parsing:
        return work()


def parse(source: str) -> ast.Module:
    """`ast.parse(source)`, from any thread. Raises as it does: `SyntaxError`, `ValueError`, `RecursionError`."""
    return one_at_a_time(lambda: ast.parse(source))
