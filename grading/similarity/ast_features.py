"""An answer's form: its syntax tree without names, comments, docstrings, annotations, as a bag of subtrees."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from helpers.checks.parsing import parse

LONGEST = 20_000  # characters; nobody answers with more
_MAGIC = re.compile(r"^(\s*)[%!?].*$", re.MULTILINE)
_DROPPED = ("annotation", "returns", "type_comment", "ctx", "kind", "type_params", "simple")


@dataclass(frozen=True)
class Form:
    """What is compared.

    Attributes:
        whole: the same for two answers that differ in nothing but names, comments and layout.
        counts: how often each subtree occurs; every node roots one.
        inner: for each subtree the subtrees right below it.
    """

    whole: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    inner: dict[int, tuple[int, ...]] = field(default_factory=dict)


@lru_cache(maxsize=4096)
def form_of(source: str, longest: int = LONGEST) -> Form | None:
    """The form of a cell's text; None when it isn't Python. Constants and names from elsewhere stay what they are."""
    if len(source) > longest:
        return None
    try:
        tree = parse(_MAGIC.sub(r"\1pass", source))
        form = Form()
        skeleton, names, _ = _walk(tree, _own_names(tree), form)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return Form(hash((skeleton, _pattern(names))), form.counts, form.inner)


def _own_names(tree: ast.AST) -> frozenset[str]:
    """Names that the cell itself gives, which its writer was free to choose; `self.x` counts as `x`."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load) and _is_self(node.value):
            found.add(f".{node.attr}")
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return frozenset(found)


def _is_self(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _walk(node: ast.AST, own: frozenset[str], form: Form) -> tuple[int, list[str], int]:
    """(hash of the tree with own names left out, own names in order, the subtree); notes every subtree in `form`."""
    label: list[object] = [type(node).__name__]
    names: list[str] = []
    skeletons: list[int] = []
    below: list[int] = []
    for part in _parts(node):
        if isinstance(part, ast.AST):
            skeleton, more, subtree = _walk(part, own, form)
            skeletons.append(skeleton)
            names += more
            below.append(subtree)
        elif isinstance(part, str) and (text := _chosen(node, part)) in own:
            label.append("•")
            names.append(text)
        else:
            label.append((type(part).__name__, repr(part)))
    skeleton = hash((*label, *skeletons))
    subtree = hash((skeleton, _pattern(names)))
    form.counts[subtree] = form.counts.get(subtree, 0) + 1
    form.inner[subtree] = tuple(below)
    return skeleton, names, subtree


def _chosen(node: ast.AST, text: str) -> str:
    return f".{text}" if isinstance(node, ast.Attribute) and _is_self(node.value) else text


def _parts(node: ast.AST) -> Iterator[object]:
    """Children and plain values in order; operators are plain values, text that only stands there is left out."""
    for name, value in ast.iter_fields(node):
        if name in _DROPPED:
            continue
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, ast.Pass) or _is_text(part):
                continue
            if isinstance(part, ast.operator | ast.unaryop | ast.cmpop | ast.boolop):
                yield type(part)
            else:
                yield part
        if isinstance(value, list):
            yield "|"  # where one list ends and the next begins


def _is_text(part: object) -> bool:
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def _pattern(names: list[str]) -> tuple[int, ...]:
    """Names by the order of their first appearance."""
    order: dict[str, int] = {}
    return tuple(order.setdefault(name, len(order)) for name in names)
