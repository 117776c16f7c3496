"""Places in a syntax tree at which one change is made, and the text of the tree with that change."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SKIPPED = ("annotation", "returns", "decorator_list", "type_comment", "ctx", "op", "ops")


class Swap:
    """Stands for "this statement and the next one change places"."""


Change = ast.AST | list[ast.stmt] | type[Swap] | None  # None: the statement goes


@dataclass(frozen=True)
class Site:
    """A node with its place: `getattr(parent, field)`, or its entry `index` where that is a list.

    Attributes:
        scope: the function around it.
    """

    node: Any
    parent: ast.AST
    field: str
    index: int | None
    scope: ast.FunctionDef | ast.Lambda

    @property
    def body(self) -> list[Any]:
        """The list that the node stands in."""
        return getattr(self.parent, self.field)

    @property
    def following(self) -> Any:
        """The next statement of the same body, or None."""
        return self.body[self.index + 1] if self.index is not None and self.index + 1 < len(self.body) else None

    def text_with(self, tree: ast.AST, change: Change) -> str | None:
        """The whole tree as text with this one change, or None when that is no program. The tree stays as it was."""
        before = self._place(change)
        try:
            text = ast.unparse(ast.fix_missing_locations(tree))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                compile(text, "<mutant>", "exec")
        except (SyntaxError, ValueError, AttributeError, TypeError):
            text = None
        self._put_back(before)
        return text

    def _place(self, change: Change) -> Any:
        if self.index is None:
            setattr(self.parent, self.field, change)
            return self.node
        before = list(self.body)
        if change is Swap:
            i = self.index
            self.body[i : i + 2] = [self.body[i + 1], self.body[i]]
        elif change is None or isinstance(change, list):
            self.body[self.index : self.index + 1] = change or []
            if not self.body:
                self.body.append(ast.Pass())
        else:
            self.body[self.index] = change
        return before

    def _put_back(self, before: Any) -> None:
        if self.index is None:
            setattr(self.parent, self.field, before)
        else:
            self.body[:] = before

    def said(self, change: Change) -> str:
        """What stood there and what stands there now, in one line."""
        now = self.following if change is Swap else change
        parts = now if isinstance(now, list) else [] if now is None else [now]
        after = "; ".join(ast.unparse(ast.fix_missing_locations(part)) for part in parts)
        return f"{_short(ast.unparse(self.node))} -> {_short(after) or '(nothing)'}"


def sites(tree: ast.AST) -> Iterator[Site]:
    """Every node inside a function, in source order; no annotations, docstrings, decorators or error messages."""
    yield from _walk(tree, None)


def _walk(parent: ast.AST, scope: Any) -> Iterator[Site]:
    if isinstance(parent, ast.Raise | ast.Import | ast.ImportFrom | ast.JoinedStr):
        return
    if isinstance(parent, ast.FunctionDef | ast.Lambda):
        scope = parent
    for name, value in ast.iter_fields(parent):
        if name in _SKIPPED:
            continue
        for i, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_docstring(child):
                continue
            if scope is not None:
                yield Site(child, parent, name, i, scope)
            yield from _walk(child, scope)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _short(text: str) -> str:
    text = " ".join(text.replace("\n", "; ").split())
    return text if len(text) <= 110 else f"{text[:70]} … {text[-36:]}"
