"""Names that a notebook took from Python or from a library: `list = [1]`, `sum = 3`, `torch = 0`, `math = "homework"`.

A right answer that calls `sum` then raises "'int' object is not callable", on a line that is right. The card says what
the name stands for, and which line of which cell made it so.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import re
from types import ModuleType, TracebackType
from typing import Any

_MODULES = {
    "torch": "torch", "np": "numpy", "numpy": "numpy", "math": "math", "nn": "torch.nn", "F": "torch.nn.functional",
    "random": "random", "einops": "einops", "plt": "matplotlib.pyplot",
}  # fmt: skip
CELL = re.compile(r"(ipykernel_\d+|<ipython-input|<answer|/cell_\d+)")


def in_the_way(trace: TracebackType | None) -> str:
    """A sentence on the first such name that the failing line uses, or ""."""
    frame = None
    while trace is not None:
        if CELL.search(trace.tb_frame.f_code.co_filename):
            frame = trace
        trace = trace.tb_next
    if frame is None:
        return ""
    names = frame.tb_frame.f_globals
    for name in _used(frame.tb_frame.f_code.co_filename, frame.tb_lineno) or frame.tb_frame.f_code.co_names:
        if name in names and name not in frame.tb_frame.f_locals and (usual := _usual(name, names[name])):
            return f"In your notebook the name `{name}` stands for {_kind(names[name])} and no longer for {usual}" + (
                _where(name) or ""
            )
    return ""


def _usual(name: str, value: Any) -> str:
    """What a name stands for in a new notebook, where `value` is something else; "" where nothing is wrong."""
    if name in _MODULES:
        same = isinstance(value, ModuleType) and value.__name__ == _MODULES[name]
        return "" if same else f"the module {_MODULES[name]}"
    usual = getattr(builtins, name, None)
    if usual is None or name.startswith("_") or value is usual or callable(value):
        return ""
    return "Python's own"


def _kind(value: Any) -> str:
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}"
    return f"something of the type {type(value).__name__}"


def _used(filename: str, line: int) -> list[str]:
    try:
        tree = ast.parse(linecache.getline(filename, line).strip())
    except SyntaxError:
        return []
    return [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]


def _where(name: str) -> str:
    """The last line of the notebook's cells that binds the name at the top level."""
    found = ""
    for filename in [f for f in linecache.cache if CELL.search(f)]:
        lines = linecache.getlines(filename)
        try:
            body = ast.parse("".join(lines)).body
        except SyntaxError:
            continue
        for statement in body:
            if name in _bound(statement):
                text = lines[statement.lineno - 1].strip()[:80]
                found = f", since the line `{text}`. Give that variable another name, then restart the kernel"
    return found


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(a.asname or a.name).partition(".")[0] for a in statement.names}
    return {n.id for n in ast.walk(statement) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
