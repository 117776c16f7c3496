"""The bank of a lesson: wrong answers with their hints, unusual right answers, reference arrays.

Written as decorated functions and classes in `solutions/<lesson>/mistakes.py`; see docs/writing-a-lesson.md.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from helpers.checks.parsing import parse


@dataclass(frozen=True)
class Entry:
    """One wrong or right answer. `hint` is "" for right ones.

    Attributes:
        claims: a function of an answer: whether the factual statement of the hint is true of it; None where no test
            is written.
        text: of an edited solution; "" for a definition of the bank's own.
    """

    question: str
    name: str
    answer: Any
    hint: str = ""
    claims: Callable[[Any], bool] | None = None
    text: str = ""

    def source(self, rename: str) -> str:
        """The definition's text without its decorator, called `rename`: what a student's cell would hold."""
        if self.text:
            return re.sub(rf"\b{re.escape(self.answer.__name__)}\b", rename, self.text)
        tree = parse(textwrap.dedent(inspect.getsource(self.answer)))
        node = tree.body[0]
        assert isinstance(node, ast.FunctionDef | ast.ClassDef)
        node.decorator_list = []
        for part in ast.walk(node):
            if isinstance(part, ast.Name) and part.id == self.name:
                part.id = rename
        node.name = rename
        return ast.unparse(tree)


@dataclass
class Bank:
    """All entries of a lesson, by kind, in the order written; `path` is the file they stand in."""

    mistakes: list[Entry] = field(default_factory=list)
    rights: list[Entry] = field(default_factory=list)
    references: dict[str, Callable[..., Mapping[str, Any]]] = field(default_factory=dict)
    path: Path = Path("mistakes.py")
    lesson: Path | None = None

    def mistakes_of(self, question: str) -> list[Entry]:
        return [e for e in self.mistakes if e.question == question]

    def rights_of(self, question: str) -> list[Entry]:
        return [e for e in self.rights if e.question == question]


_open: list[Bank] = []


def _bank() -> Bank:
    if not _open:
        raise RuntimeError("`mistake`, `right` and `reference` are used in a lesson's mistakes.py, read by load_bank")
    return _open[-1]


def mistake(question: str, *, hint: str, claims: Callable[[Any], bool] | None = None) -> Callable[[Any], Any]:
    """Mark a definition as a wrong answer that students give, with the hint that belongs to it.

    Args:
        claims: whether the hint's factual statement is true of an answer; the tests ask it of this answer (true) and
            of the solution (false).
    """

    def register(answer: Any) -> Any:
        _bank().mistakes.append(Entry(question, answer.__name__, answer, hint, claims))
        return answer

    return register


def right(question: str) -> Callable[[Any], Any]:
    """Mark a definition as a right answer in an unusual style."""

    def register(answer: Any) -> Any:
        _bank().rights.append(Entry(question, answer.__name__, answer))
        return answer

    return register


def edited(
    question: str, name: str, changes: Mapping[str, str], *, hint: str = "", claims: Callable[[Any], bool] | None = None
) -> None:
    """An entry that is the solution's answer cell with some text changed: a mistake where it has a hint, else right.

    Args:
        changes: text of the solution's cell and what stands in its place; every text must occur there.

    Raises:
        ValueError: a text does not occur in the cell.
    """
    from grading.judging.edited import answer_of  # runs the solution's cells, which need no bank

    bank = _bank()
    assert bank.lesson is not None, "a bank is read by load_bank"
    answer, text = answer_of(bank.lesson, question, name, changes)
    (bank.mistakes if hint else bank.rights).append(Entry(question, name, answer, hint, claims, text))


def also(question: str, *, of: str, mistakes: bool = True) -> None:
    """Take over the entries of one question for another that is asked in the same way.

    Args:
        question: the question that gets them.
        of: the question whose entries have been written above this line.
        mistakes: False takes over the right answers only.
    """
    bank = _bank()
    bank.rights += [replace(entry, question=question) for entry in bank.rights_of(of)]
    if mistakes:
        bank.mistakes += [replace(entry, question=question) for entry in bank.mistakes_of(of)]


def reference(question: str) -> Callable[[Any], Any]:
    """Mark `f(case) -> {name: array}` as the source of arrays that only the instructor can compute."""

    def register(function: Any) -> Any:
        _bank().references[question] = function
        return function

    return register


def load_bank(path: Path) -> Bank:
    """Import a `mistakes.py` and return what it registers; an absent file is an empty bank."""
    bank = Bank(path=path, lesson=path.with_name(f"{path.parent.name}.py"))
    if not path.exists():
        return bank
    name = f"_vitlab_bank_{path.parent.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # inspect.getsource of classes looks here
    _open.append(bank)
    try:
        with warnings.catch_warnings():  # wrong answers are wrong on purpose
            warnings.simplefilter("ignore")
            spec.loader.exec_module(module)
    finally:
        _open.pop()
    return bank
