"""What `___` does: running the cell names each blank line; calling code that still holds one raises StillBlank.

In IPython `___` is a variable (the output before last but one), so a blank would silently be some old value. The
transformer turns each `___` of a cell into a call that raises.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import CodeType
from typing import Any, NoReturn

BLANK = "___"


class StillBlank(NotImplementedError):
    """Raised where a blank is reached; the message names the line."""


def still_blank(line: int, text: str) -> NoReturn:
    """What a blank calls. `line` counts from the top of the cell."""
    raise StillBlank(f"line {line} is still blank: {text}")


def written(*definitions: Any) -> bool:
    """Whether none of these functions and classes holds a blank; if one does, one line says what the cell waits for."""
    waiting = [one.__name__ for one in definitions if any(_blank(code) for code in _codes(one))]
    if waiting:
        print(f"This cell comes alive once {' and '.join(waiting)} {'is' if len(waiting) == 1 else 'are'} written.")
    return not waiting


def _codes(definition: Any) -> Iterator[CodeType]:
    members = vars(definition).values() if isinstance(definition, type) else [definition]
    for member in members:
        code = getattr(getattr(member, "__func__", member), "__code__", None)
        if isinstance(code, CodeType):
            yield code


def _blank(code: CodeType) -> bool:
    inside = [part for part in code.co_consts if isinstance(part, CodeType)]
    return bool({BLANK, still_blank.__name__} & set(code.co_names)) or any(_blank(part) for part in inside)


class BlankTransformer(ast.NodeTransformer):
    """Replaces each `___` that is read by a call of `still_blank`; collects them in `found`."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self._statement: ast.stmt | None = None

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, ast.Module):
            self.found = []
        if isinstance(node, ast.stmt):
            outer, self._statement = self._statement, node
            try:
                node = super().visit(node)
            finally:
                self._statement = outer
        else:
            node = super().visit(node)
        if isinstance(node, ast.Module) and self.found:
            self._announce()
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id != BLANK or not isinstance(node.ctx, ast.Load):
            return node
        text = ast.unparse(self._statement).split("\n")[0] if self._statement else BLANK
        self.found.append((node.lineno, text))
        call = ast.parse(
            f"__import__('helpers.checks.blanks', fromlist=['still_blank']).still_blank({node.lineno}, {text!r})",
            mode="eval",
        ).body
        for part in ast.walk(call):
            ast.copy_location(part, node)
        return call

    def _announce(self) -> None:
        lines = dict(self.found)
        noun = "Line" if len(lines) == 1 else "Lines"
        print(f"{noun} still blank: " + "; ".join(f"{n}  {text}" for n, text in sorted(lines.items())))


def install() -> None:
    """Register the transformer with the running IPython, once; elsewhere `___` is a NameError, also a blank."""
    try:
        from IPython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    if shell is None or any(isinstance(t, BlankTransformer) for t in shell.ast_transformers):
        return
    shell.ast_transformers.append(BlankTransformer())
