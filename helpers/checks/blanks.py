"""What `___` does: running the cell names each blank line; calling code that still holds one raises StillBlank.

In IPython `___` is a variable (the output before last but one), so a blank would silently be some old value. The
transformer turns each `___` of a cell into a call that raises.
"""

from __future__ import annotations

import ast
from typing import Any, NoReturn

BLANK = "___"


class StillBlank(NotImplementedError):
    """Raised where a blank is reached; the message names the line."""


def still_blank(line: int, text: str) -> NoReturn:
    """What a blank calls. `line` counts from the top of the cell."""
    raise StillBlank(f"line {line} is still blank: {text}")


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
