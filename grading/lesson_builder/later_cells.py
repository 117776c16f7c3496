"""What the cells after a check look up on its answer, read from the lesson's source."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from grading.lesson_source.source import Cell, LessonSource
from helpers.checks.parsing import parse

_OF_EVERY_MODULE = frozenset(
    {
        "parameters",
        "named_parameters",
        "modules",
        "named_modules",
        "children",
        "buffers",
        "state_dict",
        "load_state_dict",
        "train",
        "eval",
        "to",
        "cpu",
        "cuda",
        "double",
        "float",
        "half",
        "zero_grad",
        "apply",
        "weight",
        "bias",
        "requires_grad_",
        "register_forward_hook",
        "shape",
        "training",
        "norm",
        "mean",
        "sum",
        "std",
        "min",
        "max",
    }
)


def needs(lesson: LessonSource) -> dict[str, tuple[str, ...]]:
    """Per question the attributes that later cells read from instances of its answer, where the answer has them."""
    found: dict[str, tuple[str, ...]] = {}
    cells = list(lesson.cells)
    for number, cell in enumerate(cells):
        if cell.role != "check" or cell.question is None:
            continue
        _, answer = lesson.checks()[cell.question]
        if not isinstance(answer, ast.Name):
            continue
        own = _stored(cells[:number], cell.question)
        later = [_parsed(c) for c in cells[number + 1 :] if c.kind == "code" and c.role not in ("answer", "check")]
        names = {name for tree in later if _is_about(tree, answer.id, cell.question) for name in _looked_up(tree)}
        wanted = tuple(sorted(names & own - _OF_EVERY_MODULE))
        if wanted:
            found[cell.question] = wanted
    return found


def _parsed(cell: Cell) -> ast.AST:
    try:
        return parse(cell.source)
    except SyntaxError:
        return ast.Module([], [])


def _stored(cells: Iterable[Cell], question: str) -> set[str]:
    """What the solution's class keeps under `self.name`, or registers under a name."""
    found: set[str] = set()
    for cell in cells:
        if cell.role == "answer" and cell.question == question:
            for node in ast.walk(_parsed(cell)):
                if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                    found.add(node.attr)
                if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("register_buffer", "add_module"):
                    found |= {str(a.value) for a in node.args[:1] if isinstance(a, ast.Constant)}
    return found


def _is_about(tree: ast.AST, answer: str, question: str) -> bool:
    """Whether a cell names the answer, or waits for its question."""
    return any(
        (isinstance(node, ast.Name) and node.id == answer)
        or (isinstance(node, ast.Constant) and node.value == question)
        for node in ast.walk(tree)
    )


def _looked_up(tree: ast.AST) -> set[str]:
    """Attributes that a cell reads, by name or through `getattr`."""
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)}
    return found | {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
