"""Names that cells after a check look up on a student's answer, and whether the answer has them.

A class may be right and call its buffer `pe`, while the next demonstration draws `model.sinusoids_positions`. The card
says so, so that the AttributeError that follows is no riddle. It costs no points.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from types import CodeType
from typing import Any

from helpers.checks.parsing import parse


def missing(answer: Any, needed: Iterable[str]) -> list[str]:
    """Those of `needed` that a class neither defines nor mentions in its code; [] for functions."""
    if not inspect.isclass(answer):
        return []
    known = set(dir(answer))
    for kind in answer.__mro__:
        for member in vars(kind).values():
            code = getattr(getattr(member, "__func__", member), "__code__", None)
            if isinstance(code, CodeType) and kind.__module__.partition(".")[0] != "torch":
                known |= _mentioned(code)
    return [name for name in needed if name not in known]


def missing_in_text(source: str, needed: Iterable[str]) -> list[str]:
    """The same of the text of a cell, which is not run: names that a class in it mentions nowhere.

    [] where the text holds no class, or one that inherits from another cell's class, whose names are not seen here.
    """
    try:
        tree = parse(source)
    except (SyntaxError, ValueError):
        return []
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    own = {node.name for node in classes} | {"nn.Module", "torch.nn.Module", "Module", "object"}
    if not classes or any(ast.unparse(base) not in own for node in classes for base in node.bases):
        return []
    known: set[str] = set()
    for node in ast.walk(tree):
        known |= {str(getattr(node, name)) for name in ("id", "attr", "name", "arg") if hasattr(node, name)}
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            known.add(node.value)
    return [name for name in needed if name not in known]


def in_words(names: list[str]) -> str:
    """One sentence for the card."""
    listed = ", ".join(f"`.{name}`" for name in names)
    return f"Cells below this check use {listed}, which your class does not have: they will stop. Your points stay."


def _mentioned(code: CodeType) -> set[str]:
    found = set(code.co_names) | {c for c in code.co_consts if isinstance(c, str)}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _mentioned(constant)
    return found
