"""Whether two answers are the same function: outputs, gradients, side effects and first weights, apart from any check.

The calls that a question's probe makes are recorded with the solution and made again, with gradients on, with both
answers. So this asks more than the judge does, and says when a surviving mutant is no mutant at all.
"""

from __future__ import annotations

import copy
import functools
import inspect
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers.checks.probing import probe_all
from helpers.checks.question import Question, case_rng

CALLS = 24  # replayed at most, of all that a probe made
CLOSE = 3e-5
_UNLIKE = {
    300: 0.35,
    60: 0.8,
    0: 2.0,
}  # by how much the spread of first weights may differ, which is drawn: by their number


class _Call:
    """Arguments of one call and, for a class, those of its construction and the weights at that time."""

    def __init__(self, arguments: Any, made_with: Any = None, state: Any = None, training: bool = True) -> None:
        self.arguments, self.made_with, self.state, self.training = arguments, made_with, state, training


def recorded_calls(question: Question, answer: Any, seeds: Sequence[int]) -> list[_Call]:
    """What the question's probe asks of `answer` on the cases of these seeds; a selection of at most CALLS."""
    found: list[_Call] = []
    for seed in seeds:
        cases = list(question.cases(case_rng(question.id, seed)))
        for case in cases:
            calls: list[_Call] = []
            with _recording(answer, calls) as watched:
                probe_all(question, watched, [case])
            found += calls[:3] + calls[-1:] if len(calls) > 4 else calls
    step = max(1, -(-len(found) // CALLS))
    return found[::step]


def difference(calls: Sequence[_Call], solution: Any, mutant: Any) -> str:
    """The first thing in which two answers differ, in words; "" where none was found."""
    for call in calls:
        for floats in (False, True):
            try:
                wanted = _outcome(call, solution, floats=floats)
            except Exception:
                if floats:
                    continue  # whole numbers are all that the solution takes
                wanted = {"raised": True}
            try:
                given = _outcome(call, mutant, floats=floats)
            except Exception:
                given = {"raised": True}
            if found := _first_difference(wanted, given):
                return found
    return ""


@contextmanager
def _recording(answer: Any, calls: list[_Call]) -> Iterator[Any]:
    if not inspect.isclass(answer):

        @functools.wraps(answer)
        def watched(*args: Any, **kwargs: Any) -> Any:
            calls.append(_Call(_copied((args, kwargs))))
            return answer(*args, **kwargs)

        yield watched
        return
    made, called = answer.__init__, answer.forward

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        if type(self) is answer:
            self.__dict__["_made_with"] = _copied((args, kwargs))

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        if type(self) is answer and (made_with := self.__dict__.get("_made_with")) is not None:
            state = {k: v.detach().clone() for k, v in self.state_dict().items()}
            calls.append(_Call(_copied((args, kwargs)), made_with, state, self.training))
        return called(self, *args, **kwargs)

    answer.__init__, answer.forward = functools.wraps(made)(__init__), functools.wraps(called)(forward)
    try:
        yield answer
    finally:
        answer.__init__, answer.forward = made, called


def _copied(value: Any) -> Any:
    """A deep copy; tensors lose their history."""
    if isinstance(value, torch.Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, tuple | list):
        return type(value)(_copied(v) for v in value)
    if isinstance(value, dict):
        return {k: _copied(v) for k, v in value.items()}
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def _outcome(call: _Call, answer: Any, *, floats: bool) -> dict[str, Any]:
    _seed(5)
    outcome: dict[str, Any] = {}
    args, kwargs = _copied(call.arguments)
    if floats:
        args = tuple(a.double() if isinstance(a, torch.Tensor) and not a.is_floating_point() else a for a in args)
    function = answer
    if call.made_with is not None:
        function = answer(*_copied(call.made_with)[0], **_copied(call.made_with)[1])
        outcome["names"] = sorted((n, p.requires_grad) for n, p in function.named_parameters())
        outcome["state"] = sorted(function.state_dict())
        outcome["first weights"] = [_nature(p) for _, p in sorted(function.named_parameters())]
        function.load_state_dict(call.state, strict=False)
        function.train(call.training)
    inputs = [a for a in _tensors((args, kwargs)) if a.is_floating_point() and a.is_leaf]
    modules = [a for a in _flat((args, kwargs)) if isinstance(a, nn.Module)]
    before = [a.detach().clone() for a in inputs]
    given = [a.requires_grad_() for a in inputs]
    _seed(6)
    with torch.enable_grad():
        shared = [a * 1 for a in given]  # an answer may write into these, not into leaves
        args, kwargs = _replaced((args, kwargs), dict(zip(map(id, given), shared, strict=True)))
        output = function(*args, **kwargs)
        made = _tensors(output)
        total = sum((_aimed(t) for t in made if t.is_floating_point() and t.requires_grad), torch.zeros(()))
    outcome["output"] = _plain(output)
    learning = [p for m in [*modules, function] if isinstance(m, nn.Module) for _, p in sorted(m.named_parameters())]
    wanted = [p for p in [*given, *learning] if p.requires_grad]
    if total.requires_grad and wanted:
        grads = torch.autograd.grad(total, wanted, allow_unused=True)
        outcome["gradients"] = [
            np.zeros(p.shape) if g is None else _array(g) for p, g in zip(wanted, grads, strict=True)
        ]
    else:
        outcome["gradients"] = [np.zeros(p.shape) for p in wanted]
    outcome["kept inputs"] = [bool(torch.equal(a.detach(), b)) for a, b in zip(shared, before, strict=True)]
    outcome["modules"] = [
        _array(v) for m in [*modules, function] if isinstance(m, nn.Module) for _, v in sorted(m.state_dict().items())
    ]
    outcome["left gradients"] = [_array(p.grad) for p in learning if p.grad is not None]
    outcome["modes"] = [m.training for m in modules]
    return outcome


def _aimed(tensor: torch.Tensor) -> torch.Tensor:
    aim = torch.linspace(0.3, 7, tensor.numel(), dtype=torch.float64).sin().add(0.2).reshape(tensor.shape)
    kept = torch.where(tensor.isfinite(), tensor, torch.zeros_like(tensor))
    return (kept.double() * aim).sum()


def _nature(parameter: torch.Tensor) -> tuple[str, float, int]:
    values = parameter.detach().double()
    spread = float(values.std()) if values.numel() > 1 else 0.0
    if spread < 1e-12:
        return "constant", float(values.reshape(-1)[0]) if values.numel() else 0.0, values.numel()
    return "drawn", spread, values.numel()


def _first_difference(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    if "raised" in wanted or "raised" in given:
        return "" if ("raised" in wanted) == ("raised" in given) else "one of both raises"
    for name in wanted:
        if name == "first weights":
            if len(wanted[name]) != len(given[name]) or any(map(_unlike, wanted[name], given[name])):
                return name
        elif not _equal(wanted[name], given[name]):
            return name
    return ""


def _unlike(a: tuple[str, float, int], b: tuple[str, float, int]) -> bool:
    room = next(share for count, share in _UNLIKE.items() if a[2] >= count)
    return a[0] != b[0] or abs(a[1] - b[1]) > room * max(abs(a[1]), abs(b[1]))


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.shape != b.shape or (a.dtype.kind == "b") != (b.dtype.kind == "b"):
            return False
        a, b = a.astype(np.float64), b.astype(np.float64)
        scale = max(1e-3, float(np.abs(a[np.isfinite(a)]).max(initial=0)))
        with np.errstate(invalid="ignore"):
            return bool(((np.abs(a - b) <= CLOSE * scale) | (a == b) | (np.isnan(a) & np.isnan(b))).all())
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=CLOSE, equal_nan=True))
    return bool(a == b)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list):
        for part in value:
            yield from _flat(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _flat(part)
    else:
        yield value


def _tensors(value: Any) -> list[torch.Tensor]:
    return [v for v in _flat(value) if isinstance(v, torch.Tensor)]


def _replaced(value: Any, new: Mapping[int, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return new.get(id(value), value)
    if isinstance(value, tuple | list):
        return type(value)(_replaced(v, new) for v in value)
    if isinstance(value, dict):
        return {k: _replaced(v, new) for k, v in value.items()}
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return _array(value)
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return sorted((str(k), _plain(v)) for k, v in value.items())
    if isinstance(value, nn.Module):
        return type(value).__name__
    return value if isinstance(value, int | float | str | bool | None | np.ndarray) else type(value).__name__


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _seed(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
