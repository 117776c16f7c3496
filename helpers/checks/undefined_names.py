"""The names that a check cell uses: its answer's, which may not be there yet, and `check` and `ready` themselves.

`check("Q1", getPositionEncoding)` needs the name before `check` is called. In IPython the transformer makes the name
something that is looked up with care, so that a card says what is missing; elsewhere, and always while a class is
graded, it stays the NameError it was. `check` and `ready` are looked up here and not in the notebook.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

EXAM_SEED = "VITLAB_EXAM_SEED"
LABEL = "Not there yet"


@dataclass(frozen=True)
class NotThere:
    """What a check is given for a name that nothing has defined; `instead` is a name that looks like it."""

    name: str
    instead: str = ""

    @property
    def message(self) -> str:
        if self.instead:
            return f"there is no {self.name}, but a {self.instead}: the check looks for the name {self.name}."
        return (
            f"{self.name} is not defined. Run the cell with your answer (Shift+Enter), then this one; "
            "if that cell ends in an error, put that right first."
        )


def named(look_up: Callable[[], Any]) -> Any:
    """What a check's argument stands for, or NotThere.

    Raises:
        NameError: a class is being graded.
    """
    try:
        return look_up()
    except NameError as error:
        if EXAM_SEED in os.environ or not error.name:
            raise
        return NotThere(error.name, _alike(error.name))


class CheckTransformer(ast.NodeTransformer):
    """Makes `check("Q1", name)` into `own("check")("Q1", named(lambda: name))`, and `ready` likewise.

    A notebook that has said `check = True` still gets its check: a check cell runs on names of its own.
    """

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return node  # a lambda there doesn't see the class's names

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Name) or not node.args or not _is_question(node.args[0]):
            return node
        if node.func.id == "ready" and len(node.args) == 1:
            node.func = _expression("own('ready')", node.func)
        elif node.func.id == "check" and len(node.args) == 2:
            node.func = _expression("own('check')", node.func)
            if isinstance(node.args[1], ast.Name):
                node.args[1] = _expression(f"named(lambda: {node.args[1].id})", node.args[1])
        return node


def own(name: str) -> Callable[..., Any]:
    """`check` or `ready`, whatever the notebook's names of that kind stand for."""
    return getattr(importlib.import_module("helpers.checks.check"), name)


def _is_question(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _expression(text: str, place: ast.expr) -> ast.expr:
    """`own(…)` or `named(…)` of this module, without a name of the notebook's, on the line of `place`."""
    call = ast.parse(f"__import__('helpers.checks.undefined_names', fromlist=['own']).{text}", mode="eval").body
    for part in ast.walk(call):
        ast.copy_location(part, place)
    return call


def install() -> None:
    """Register the transformer with the running IPython, once."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None or any(isinstance(t, CheckTransformer) for t in shell.ast_transformers):
        return
    shell.ast_transformers.append(CheckTransformer())


def _alike(name: str) -> str:
    """A function or class of the notebook's whose name is nearly this one, and which no question asks for."""
    from IPython import get_ipython

    from helpers.questions import every_question

    shell = get_ipython()
    names: Mapping[str, Any] = shell.user_ns if shell is not None else {}
    asked = {question.signature.partition("(")[0] for question in every_question().values()}
    own = [n for n, value in names.items() if getattr(value, "__module__", "") == "__main__" and callable(value)]
    found = difflib.get_close_matches(name, [n for n in own if not n.startswith("_") and n not in asked], 1, 0.8)
    return found[0] if found else ""
