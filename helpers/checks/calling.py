"""Calls an answer by the names that its question gives: an order of arguments other than ours is as right as ours."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from typing import Any

from helpers.checks.question import Question


def names_of(signature: str) -> tuple[str, ...]:
    """The argument names in a question's signature: ``"f(a, b=2) -> c"`` gives ``("a", "b")``."""
    head = signature[: _closing(signature) + 1]
    try:
        function = ast.parse(f"def {head}: pass").body[0]
    except SyntaxError:
        return ()
    assert isinstance(function, ast.FunctionDef)
    return tuple(argument.arg for argument in function.args.args)


def by_name(question: Question, answer: Callable[..., Any]) -> Callable[..., Any]:
    """The answer itself; or, where it has the question's argument names in another order, one that is called by name.

    An answer with names of its own is called by position, as a student reads the signature.
    """
    names = names_of(question.signature)
    try:
        own = [p for p in inspect.signature(answer).parameters.values() if p.kind is not p.VAR_KEYWORD]
    except (TypeError, ValueError):
        return answer
    given = [p.name for p in own if p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(given) != len(own) or not names or given[: len(names)] == list(names):
        return answer
    if not set(names) <= set(given):
        return answer

    class Called(functools.partial):  # `func` is the answer, for probes that look at the answer's own globals
        def __call__(self, *args: Any, **rest: Any) -> Any:
            return self.func(**dict(zip(names, args, strict=False)), **rest)

    return Called(answer)


def _closing(text: str) -> int:
    """The index of the bracket that closes the first one that is opened; -1 where there is none."""
    depth = 0
    for index, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == ")" and depth == 0:
            return index
    return -1
