"""The changes: one small edit per mutant, of the kinds that students and refactorings make.

The same source always gives the same mutants in the same order.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise, zip_longest
from typing import Any

from tests.mutants.tree import Change, Site, Swap, sites

Edits = Iterator[tuple[str, Change]]


@dataclass(frozen=True)
class Mutant:
    """A changed answer cell.

    Attributes:
        kind: the operator's name, such as ``"drop statement"``.
        change: what stood there and what stands there now, ``"a + b -> a"``.
        source: the whole cell after the change.
    """

    kind: str
    change: str
    source: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.change}"


def mutants(source: str, limit: int | None = None) -> list[Mutant]:
    """All distinct mutants of a cell, or `limit` of them, spread evenly over the operators and over the cell.

    Args:
        source: Python text of an answer cell.
        limit: how many at most; None for all.
    """
    tree = ast.parse(source)
    seen = {ast.unparse(tree)}
    by_kind: dict[str, list[Mutant]] = {}
    for site in list(sites(tree)):
        for kind, change in list(_edits(site)):
            text = site.text_with(tree, change)
            if text is not None and text not in seen:
                seen.add(text)
                by_kind.setdefault(kind, []).append(Mutant(kind, site.said(change), text))
    if limit is None:
        return [mutant for found in by_kind.values() for mutant in found]
    turns = zip_longest(*(_spread(found) for found in by_kind.values()))
    return [mutant for mutant in chain.from_iterable(turns) if mutant is not None][:limit]


def _spread(found: list[Mutant]) -> list[Mutant]:
    """The same mutants in an order of which any beginning covers the cell evenly (bits of the number, reversed)."""
    order = sorted(range(len(found)), key=lambda i: int(f"{i:010b}"[::-1], 2))
    return [found[i] for i in order]


def _edits(site: Site) -> Edits:
    node = site.node
    if isinstance(node, ast.stmt):
        yield from _statement(site)
    for kind, operator in _BY_NODE:
        if isinstance(node, kind):
            yield from operator(site)


# --- statements -------------------------------------------------------------------------------------

_FIXED = (ast.Return, ast.Pass, ast.FunctionDef, ast.ClassDef, ast.Raise, ast.Import, ast.ImportFrom)
_SIMPLE = (ast.Assign, ast.AugAssign, ast.Expr)


def _statement(site: Site) -> Edits:
    node = site.node
    if isinstance(node, _FIXED):
        return
    yield "drop statement", None
    if isinstance(node, _SIMPLE):
        yield "repeat statement", [node, node]
        yield "no_grad", _without_gradients(node)
        if isinstance(site.following, _SIMPLE):
            yield "reorder statements", Swap
    if isinstance(node, ast.If):
        yield "branch", list(node.body)
        if node.orelse:
            yield "branch", list(node.orelse)
    if isinstance(node, ast.AugAssign):
        yield "accumulate", ast.Assign([node.target], node.value)
        opposite = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield "sign", ast.AugAssign(node.target, opposite, node.value)


def _without_gradients(node: ast.stmt) -> ast.stmt:
    block = ast.parse("with __import__('torch').no_grad():\n    pass").body[0]
    assert isinstance(block, ast.With)
    block.body = [node]
    return block


def _assigned(site: Site) -> Edits:
    node = site.node
    target = node.targets[0]
    if _is_data(node.value):
        yield "detach", ast.Assign(node.targets, _method(node.value, "detach"))
    if isinstance(target, ast.Attribute) and getattr(target.value, "id", "") == "self":
        hidden = _expression(f"self.__dict__[{target.attr!r}]")
        hidden.ctx = ast.Store()
        if isinstance(node.value, ast.Call):
            yield "not registered", ast.Assign([hidden], node.value)
            for other in _assigned_before(site):
                yield "shared part", ast.Assign(node.targets, other)


def _assigned_before(site: Site) -> Iterator[ast.expr]:
    """Earlier parts `self.x = Kind(...)` of the same kind as this one."""
    kind = ast.unparse(site.node.value.func)
    for earlier in site.body[: site.index]:
        if isinstance(earlier, ast.Assign) and isinstance(earlier.value, ast.Call):
            target = earlier.targets[0]
            if ast.unparse(earlier.value.func) == kind and isinstance(target, ast.Attribute):
                yield ast.Attribute(target.value, target.attr, ast.Load())


def _returned(site: Site) -> Edits:
    node = site.node
    if node.value is None:
        return
    if _is_data(node.value):
        yield "detach", ast.Return(_method(node.value, "detach"))
        yield "half precision", ast.Return(_method(_method(node.value, "half"), "float"))
        yield "sign", ast.Return(ast.UnaryOp(ast.USub(), node.value))
        block = _without_gradients(node)
        yield "no_grad", block
    if isinstance(node.value, ast.Tuple) and len(node.value.elts) == 2:
        yield "swap results", ast.Return(ast.Tuple(node.value.elts[::-1], ast.Load()))


# --- expressions ------------------------------------------------------------------------------------

_INSTEAD: dict[type, tuple[Any, ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult, ast.Mod),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
_UNORDERED = (ast.Add, ast.Mult, ast.BitAnd, ast.BitOr)


def _binary(site: Site) -> Edits:
    node = site.node
    for other in _INSTEAD.get(type(node.op), ()):
        yield "operator", ast.BinOp(node.left, other(), node.right)
    if not isinstance(node.op, _UNORDERED):
        yield "swap operands", ast.BinOp(node.right, node.op, node.left)
    yield "drop term", node.left
    yield "drop term", node.right
    for side in ("left", "right"):
        operand = getattr(node, side)
        if _is_data(operand):
            detached = ast.BinOp(node.left, node.op, node.right)
            setattr(detached, side, _method(operand, "detach"))
            yield "detach", detached


def _compared(site: Site) -> Edits:
    node = site.node
    for other in _INSTEAD.get(type(node.ops[0]), ()):
        yield "comparison", ast.Compare(node.left, [other()], node.comparators)


def _logical(site: Site) -> Edits:
    node = site.node
    yield "operator", ast.BoolOp(_INSTEAD[type(node.op)][0](), node.values)
    for value in node.values:
        yield "drop term", value


def _unary(site: Site) -> Edits:
    if not (isinstance(site.node.operand, ast.Constant) and isinstance(site.node.op, ast.USub)):
        yield "sign", site.node.operand


def _choice(site: Site) -> Edits:
    node = site.node
    yield "branch", node.body
    yield "branch", node.orelse


def _called(site: Site) -> Edits:
    node = site.node
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "super":
        return
    plain = not any(isinstance(a, ast.Starred) for a in node.args)
    if plain:
        for i in range(len(node.args) - 1):
            swapped = [*node.args]
            swapped[i : i + 2] = swapped[i + 1], swapped[i]
            yield "swap arguments", ast.Call(node.func, swapped, node.keywords)
        if len(node.args) > 1:
            yield "drop argument", ast.Call(node.func, node.args[:-1], node.keywords)
        if node.args and not isinstance(site.parent, ast.Expr):
            yield "drop call", node.args[0]
    for i in range(len(node.keywords)):
        yield "drop argument", ast.Call(node.func, node.args, node.keywords[:i] + node.keywords[i + 1 :])
    method = isinstance(node.func, ast.Attribute) and not _is_module(node.func.value)
    if method and not isinstance(site.parent, ast.Expr):
        yield "drop call", node.func.value
    for i, argument in enumerate(node.args):
        if _is_data(argument):
            detached = [*node.args]
            detached[i] = _method(argument, "detach")
            yield "detach", ast.Call(node.func, detached, node.keywords)
    if name == "Parameter" and node.args:
        yield "not registered", node.args[0]
        yield "not registered", _method(node.args[0], "requires_grad_")
        frozen = ast.keyword("requires_grad", ast.Constant(False))
        yield "frozen", ast.Call(node.func, node.args, [*node.keywords, frozen])
    if name == "register_buffer" and len(node.args) == 2 and isinstance(node.args[0], ast.Constant):
        yield "not registered", ast.Call(_expression("self.__dict__.__setitem__"), node.args, [])
    if name in ("ModuleList", "ModuleDict") and node.args:
        yield "not registered", node.args[0]
    if name in ("Dropout", "LayerNorm", "BatchNorm2d", "GELU", "ReLU"):
        yield "left out", _expression("__import__('torch').nn.Identity()")
    for other in _SIMILAR.get(name, ()):
        function: Any = ast.Name(other, ast.Load())
        if isinstance(node.func, ast.Attribute):
            function = ast.Attribute(node.func.value, other, ast.Load())
        yield "another function", ast.Call(function, node.args, node.keywords)


_SIMILAR = {
    "sum": ("mean",), "mean": ("sum",), "softmax": ("log_softmax", "sigmoid"), "log_softmax": ("softmax",),
    "sin": ("cos",), "cos": ("sin",), "min": ("max",), "max": ("min",), "minimum": ("maximum",),
    "maximum": ("minimum",), "cumsum": ("flip",), "GELU": ("ReLU",), "ReLU": ("GELU",), "ones": ("zeros",),
    "zeros": ("ones",), "eval": ("train",), "train": ("eval",), "argmax": ("argmin",), "reshape": ("view",),
    "bmm": ("matmul",), "floor": ("ceil",), "abs": ("square",), "sqrt": ("exp",), "std": ("var",),
    "BatchNorm2d": ("InstanceNorm2d",), "unsqueeze": ("squeeze",), "flatten": ("squeeze",), "randn": ("rand",),
    "rand": ("randn",), "sub": ("add",), "add": ("sub",), "clamp": ("clip",),
}  # fmt: skip


def _made_many(site: Site) -> Edits:
    """`[part() for _ in range(n)]`: the same part n times; and one more, one less."""
    node, first = site.node, site.node.generators[0]
    times = first.iter.args if isinstance(first.iter, ast.Call) else []
    counted = len(times) == 1 and getattr(first.iter.func, "id", "") == "range"
    if isinstance(node, ast.ListComp) and counted and not _uses(node.elt, first.target):
        yield "shared part", ast.BinOp(ast.List([node.elt], ast.Load()), ast.Mult(), times[0])


def _counted(site: Site) -> Edits:
    node = site.node
    if getattr(node.func, "id", "") == "range" and len(node.args) == 1:
        for sign in (ast.Add(), ast.Sub()):
            yield "one more or less", ast.Call(node.func, [ast.BinOp(node.args[0], sign, ast.Constant(1))], [])


def _constant(site: Site) -> Edits:
    value = site.node.value
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int):
        negative = isinstance(site.parent, ast.UnaryOp)
        yield "constant", ast.Constant(value + 1)
        if value > 0 and not (negative and value == 1):
            yield "constant", ast.Constant(value - 1)
        if value == 1 and not negative and isinstance(site.parent, ast.Call | ast.keyword | ast.Tuple | ast.Subscript):
            yield "constant", ast.UnaryOp(ast.USub(), ast.Constant(1))
        if value >= 4:
            yield "constant", ast.Constant(2 * value)
    elif isinstance(value, float):
        for other in {2 * value, value / 2, value + 1} - {value}:
            yield "constant", ast.Constant(other)
    elif isinstance(value, str):
        yield from (("letters", ast.Constant(text)) for text in _other_text(value))


_WORDS = {"ij": "xy", "xy": "ij", "bicubic": "bilinear", "bilinear": "nearest", "nearest": "bilinear", "sum": "mean",
          "mean": "sum", "batchmean": "mean", "reflect": "zeros", "same": "valid", "tanh": "none"}  # fmt: skip


def _other_text(text: str) -> Iterator[str]:
    """Patterns of einops and einsum with two neighbouring names swapped; options by another option."""
    if text in _WORDS:
        yield _WORDS[text]
    if "->" not in text:
        return
    left, right = text.split("->")
    for side, other, turned in ((right, left, False), (left, right, True)):
        names = list(re.finditer(r"\w+" if " " in text else r"\w", side))
        for a, b in pairwise(names):
            if a.group() == b.group():
                continue
            changed = side[: a.start()] + b.group() + side[a.end() : b.start()] + a.group() + side[b.end() :]
            yield f"{changed}->{other}" if turned else f"{other}->{changed}"


def _sliced(site: Site) -> Edits:
    node = site.node
    for bound in ("lower", "upper"):
        if getattr(node, bound) is not None:
            kept = {name: getattr(node, name) for name in ("lower", "upper", "step")}
            yield "slice", ast.Slice(**(kept | {bound: None}))
    if node.lower is not None and node.upper is None and node.step is None:
        yield "slice", ast.Slice(None, node.lower, None)


def _indexed(site: Site) -> Edits:
    if isinstance(site.node.ctx, ast.Load) and not isinstance(site.parent, ast.Assign):
        yield "drop index", site.node.value
    if isinstance(site.node.slice, ast.Tuple) and len(site.node.slice.elts) == 2:
        swapped = ast.Tuple(site.node.slice.elts[::-1], ast.Load())
        yield "swap indices", ast.Subscript(site.node.value, swapped, site.node.ctx)


def _named(site: Site) -> Edits:
    """The next two names of the same scope in place of this one: swapped and confused variables."""
    node = site.node
    if not isinstance(node.ctx, ast.Load) or (isinstance(site.parent, ast.Call) and site.field == "func"):
        return
    names = _local_names(site.scope)
    if node.id in names and node.id != "self":
        others = [n for n in names if n not in (node.id, "self")]
        start = sum(n < node.id for n in others)
        for other in dict.fromkeys([*others[start : start + 1], *others[start - 1 : start]]):
            yield "another variable", ast.Name(other, ast.Load())


def _attribute(site: Site) -> Edits:
    node = site.node
    if not isinstance(node.ctx, ast.Load) or getattr(node.value, "id", "") != "self":
        return
    if node.attr == "training":
        yield "train or eval", ast.Constant(True)
        yield "train or eval", ast.Constant(False)
        yield "train or eval", ast.UnaryOp(ast.Not(), node)
        return
    holder = site.scope
    used = sorted(
        {
            n.attr
            for n in ast.walk(holder)
            if isinstance(n, ast.Attribute) and getattr(n.value, "id", "") == "self" and isinstance(n.ctx, ast.Load)
        }
    )
    for other in used:
        if other not in (node.attr, "training"):
            yield "another part", ast.Attribute(node.value, other, ast.Load())
            return


_BY_NODE: tuple[tuple[Any, Callable[[Site], Edits]], ...] = (
    (ast.Assign, _assigned),
    (ast.Return, _returned),
    (ast.BinOp, _binary),
    (ast.Compare, _compared),
    (ast.BoolOp, _logical),
    (ast.UnaryOp, _unary),
    (ast.IfExp, _choice),
    (ast.Call, _called),
    (ast.Call, _counted),
    ((ast.ListComp, ast.GeneratorExp), _made_many),
    (ast.Constant, _constant),
    (ast.Slice, _sliced),
    (ast.Subscript, _indexed),
    (ast.Name, _named),
    (ast.Attribute, _attribute),
)


# --- helpers ----------------------------------------------------------------------------------------


_NO_DATA = ("int", "range", "len", "round", "list", "float")


def _is_data(node: ast.AST) -> bool:
    """Whether it may be a tensor, as far as the text tells; shapes and numbers are left alone."""
    if isinstance(node, ast.BinOp) and any(isinstance(n, ast.Constant) for n in (node.left, node.right)):
        return False
    if isinstance(node, ast.Name | ast.BinOp | ast.Subscript):
        return ".shape" not in ast.unparse(node)
    return isinstance(node, ast.Call) and ast.unparse(node.func) not in _NO_DATA


def _is_module(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "nn", "F", "np", "math", "einops", "self")


def _method(value: Any, name: str) -> ast.expr:
    return ast.Call(ast.Attribute(value, name, ast.Load()), [], [])


def _expression(text: str) -> Any:
    return ast.parse(text, mode="eval").body


def _uses(node: ast.AST, target: ast.AST) -> bool:
    names = {n.id for n in ast.walk(target) if isinstance(n, ast.Name)}
    return any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(node))


def _local_names(scope: Any) -> list[str]:
    arguments = [a.arg for a in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)]
    stored = [n.id for n in ast.walk(scope) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    return sorted({*arguments, *stored} - {"_"})
