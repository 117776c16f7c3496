"""What a cell's Python defines, reads and asks; magics, `!pip` lines and a pasted indent don't matter."""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
import symtable
import threading
import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

from grading.intake.ipython_syntax import as_python, is_foreign
from helpers.checks.parsing import parse

BLANK = "___"
MAX_SOURCE = 200_000  # characters; a longer cell is placed, but not looked into
MAX_STATEMENTS = 200
_BUILTINS = frozenset(dir(builtins))
_DEFINITION = re.compile(r"^(?:async\s+def|def|class)\s+(\w+)", re.MULTILINE)
_LOCK = threading.Lock()
_STRAIGHT = (ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return)
_COMPREHENSIONS = ("listcomp", "setcomp", "dictcomp", "genexpr")


@dataclass(frozen=True)
class Code:
    """What there is to know of a cell.

    Attributes:
        parsed: it is Python, magics aside. If not, `binds` is a guess and the rest is empty.
        error_line: line of the syntax error, 0 when there is none.
        binds: names that running the cell binds.
        reads: global names it reads anywhere, inside functions too, that aren't built in.
        early: those of them that are read while the cell itself runs, not when its functions are called.
        checks: questions in its `check("Q1", …)` calls.
        blank: a `___` is left.
        cut_off: global names that are read only behind a blank: whoever calls the function is stopped before.
        shape: a digest that formatting and comments don't change.
    """

    parsed: bool
    error_line: int = 0
    binds: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    early: frozenset[str] = frozenset()
    checks: frozenset[str] = frozenset()
    blank: bool = False
    shape: str = ""
    cut_off: frozenset[str] = frozenset()


@lru_cache(maxsize=512)
def look(source: str) -> Code:
    """Look into a cell without running it; never raises, whatever the source."""
    text, tree, line = _parse(source)
    if tree is None:
        guessed = frozenset() if is_foreign(source) else frozenset(_DEFINITION.findall(source[:MAX_SOURCE]))
        return Code(False, line, guessed)
    try:
        with _quiet():
            table = symtable.symtable(text, "cell", "exec")
        shape = hashlib.sha256(ast.dump(tree).encode("utf-8", "replace")).hexdigest()
        binds: set[str] = set()
        reads: set[str] = set()
        early: set[str] = set()
        _walk(table, binds, reads, early, running=True)
        nodes = list(ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Code(False, getattr(error, "lineno", 0) or 0, frozenset(_DEFINITION.findall(source)))
    checks = frozenset(
        node.args[0].value
        for node in nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "check"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    )
    drop = _BUILTINS | {BLANK, "get_ipython"}
    return Code(
        True, 0, frozenset(binds), frozenset(reads) - drop, frozenset(early) - drop, checks, BLANK in reads, shape,
        _cut_off(nodes) & (reads - drop) if BLANK in reads else frozenset(),
    )  # fmt: skip


def syntax_error(source: str) -> str:
    """What keeps a cell from running at all, with its line; "" when it is Python, or not meant to be."""
    _, tree, line = _parse(source)
    if tree is None:
        return f"line {line}" if line else ""
    try:
        with _quiet():  # finds what parsing doesn't: a `return` outside a function
            compile(tree, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError as error:
        return f"line {error.lineno}, {error.msg}"
    except (ValueError, RecursionError, MemoryError):
        return "it can't be compiled"
    return ""


def definitions(source: str, names: Collection[str]) -> str:
    """The cell's top-level statements that bind one of `names`, each with the comment right above it; "" for none."""
    return "\n\n\n".join(text for text, bound in statements(source) if bound & frozenset(names))


def statements(source: str) -> list[tuple[str, frozenset[str]]]:
    """The cell's top-level statements as text, with the names each binds; empty when it doesn't parse."""
    text, tree, _ = _parse(source)
    if tree is None or len(tree.body) > MAX_STATEMENTS:
        return []
    lines = text.split("\n")
    found = []
    end = 0
    starts = [node.lineno for node in tree.body]
    for number, node in enumerate(tree.body):
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
        last = node.end_lineno or node.lineno
        shared = first < end or last in starts[number + 1 : number + 2]
        try:
            statement = ast.unparse(node) if shared else "\n".join(lines[first:last])
        except (RecursionError, ValueError):
            statement = ""
        binds = look(statement).binds
        while not shared and first > end and lines[first - 1].startswith("#"):
            first -= 1
            statement = f"{lines[first]}\n{statement}"
        end = last
        found.append((statement, binds))
    return found


def without_checks(source: str) -> str:
    """The same lines with top-level calls `check("Q1", …)` as comments."""
    text, tree, _ = _parse(source)
    lines = source.split("\n")
    if tree is None or len(lines) != text.count("\n") + 1:
        return source
    used = Counter(line for node in tree.body for line in {node.lineno, node.end_lineno})
    for node in tree.body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "check":
            rows = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            if all(used[row] <= 1 for row in rows):
                for row in rows:
                    lines[row - 1] = f"# {lines[row - 1]}"
    return "\n".join(lines)


@contextmanager
def _quiet() -> Iterator[None]:
    """Invalid escapes in a student's strings are no news. The lock, because filters belong to the whole process."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _parse(source: str) -> tuple[str, ast.Module | None, int]:
    """The text that parsed, its tree (None when nothing did) and the line of the error."""
    if len(source) > MAX_SOURCE or is_foreign(source):
        return source, None, 0
    line = 0
    for translate in (str, as_python):
        text = translate(source)
        if line and text == source:
            break
        try:
            with _quiet():
                return text, parse(text), 0
        except SyntaxError as error:
            line = error.lineno or 1
        except (ValueError, RecursionError, MemoryError):
            line = 1
    return source, None, line


def _cut_off(nodes: list[ast.AST]) -> frozenset[str]:
    """Names whose every use stands behind a blank that its function can't get past.

    Such a name is most often a local one whose only assignment is the blank.
    """
    behind: Counter[str] = Counter()
    for function in nodes:
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        stopped = False
        for statement in function.body:
            if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                uses = []
            else:
                uses = [node.id for node in ast.walk(statement) if isinstance(node, ast.Name)]
            if stopped:
                behind.update(uses)
            stopped = stopped or (BLANK in uses and isinstance(statement, _STRAIGHT))
    everywhere = Counter(node.id for node in nodes if isinstance(node, ast.Name))
    return frozenset(name for name, times in behind.items() if times == everywhere[name])


def _walk(table: symtable.SymbolTable, binds: set[str], reads: set[str], early: set[str], *, running: bool) -> None:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        name = symbol.get_name()
        bound = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
        if bound and (top or symbol.is_declared_global()):
            binds.add(name)
        if symbol.is_referenced() and (top or symbol.is_global()):
            reads.add(name)
            if running:
                early.add(name)
    for child in table.get_children():
        now = running and (child.get_type() == "class" or child.get_name() in _COMPREHENSIONS)
        _walk(child, binds, reads, early, running=now)
