"""Gradients as evidence: what an answer is connected to, compared number by number with the solution's.

Outputs alone do not show whether an answer can be trained. `torch.no_grad()`, `.detach()`, a layer kept in a plain
list, or one layer used where two are asked for can all give the right output. Their gradients differ.

In a probe (it runs beside the student's code; the question needs ``needs_gradients = True``)::

    leaf, x = with_gradient(case["x"])                # x may be written to in place; the gradient arrives at leaf
    out = model(x)
    record = {"out": out}
    record |= gradients(out, {"x": leaf, "keys": model.keys.weight}, aim=case["seed"])

A function of tensors has a shorter form: ``record |= input_gradients(answer, {"q": case["q"], "k": case["k"]})``.

In a judge (pure numpy)::

    yield same_gradients("gradient", expected, got, got.tolerance)                      # all that are expected
    yield same_gradients("gradient", expected, got, got.tolerance, names=("x",))        # or some of them

The recorded arrays are called ``"grad x"``, ``"grad keys"`` and so on. A tensor that gets no gradient is recorded as
zeros, so a missing connection is a wrong array and not an exception. Draw the weights before the probe calls the
answer (weights of the answer's own making cannot be compared). A gradient can be judged only where the output is right:
say so with ``Finding(..., of=...)``, or give the gradient a criterion and a case of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from helpers.checks.question import Finding

PREFIX = "grad "
_NO_GRADIENT = 1e-6  # of the expected gradient's size


def with_gradient(array: Any) -> tuple[Any, Any]:
    """(leaf, copy): a tensor that collects the gradient, and a copy to call the answer with.

    The copy is no leaf, so an answer that writes into its input raises nothing here; whether it may do so is another
    criterion's question.
    """
    from helpers.checks.probing import tensor

    leaf = tensor(array).requires_grad_()
    return leaf, leaf * 1


def aim_like(out: Any, seed: int) -> Any:
    """Random weights shaped like `out`, from `seed`: the gradients are those of ``(out * aim).sum()``."""
    import torch

    values = np.random.default_rng([seed % 2**32, 7]).normal(0, 1, tuple(out.shape)).astype(np.float32)
    return torch.as_tensor(values).to(out)


def gradients(out: Any, wrt: Mapping[str, Any], aim: Any = 0) -> dict[str, Any]:
    """The gradient of ``(out * aim).sum()`` with respect to each tensor of `wrt`, called ``"grad <name>"``.

    Args:
        out: what the answer returned; the graph is kept, so that it can be used again.
        wrt: tensors by name; None for a tensor that the answer does not have, which is left out of the record.
        aim: an array or tensor shaped like `out`, or a seed from which one is drawn.

    Returns:
        arrays shaped like the tensors: zeros where no gradient arrives; empty, shape (0,), where `out` is no tensor,
        has another shape than `aim`, or cannot be differentiated at all (an in-place operation destroyed the graph).
    """
    import torch

    present = {name: one for name, one in wrt.items() if one is not None}
    nothing = {PREFIX + name: np.zeros(0) for name in present}
    if not isinstance(out, torch.Tensor) or not out.is_floating_point():
        return nothing
    aim = aim_like(out, aim) if isinstance(aim, int) else torch.as_tensor(aim).to(out)
    if aim.shape != out.shape:
        return nothing
    able = {name: one for name, one in present.items() if one.requires_grad}
    found: dict[str, Any] = {}
    if out.requires_grad and able:
        try:
            given = torch.autograd.grad((out * aim).sum(), list(able.values()), allow_unused=True, retain_graph=True)
        except RuntimeError:
            return nothing
        found = {name: one for name, one in zip(able, given, strict=True) if one is not None}
    return {PREFIX + name: found.get(name, torch.zeros_like(one)).detach() for name, one in present.items()}


def input_gradients(call: Callable[..., Any], inputs: Mapping[str, Any], aim: Any = 0) -> dict[str, Any]:
    """The gradients of a function of tensors for each of its inputs, given by name as arrays and called in this order.

    A call that raises when its inputs ask for gradients (numpy does) gives empty arrays: it cannot be differentiated.
    """
    pairs = {name: with_gradient(array) for name, array in inputs.items()}
    try:
        out = call(*(x for _, x in pairs.values()))
    except Exception:
        out = None
    return gradients(out, {name: leaf for name, (leaf, _) in pairs.items()}, aim)


def same_gradients(
    criterion: str,
    expected: Mapping[str, np.ndarray],
    got: Mapping[str, np.ndarray],
    tolerance: float = 1e-4,
    *,
    names: Iterable[str] | None = None,
    optional: Iterable[str] = (),
    room: float = 10.0,
) -> Finding:
    """Met when every expected gradient is there and agrees within `room` times `tolerance` of its own largest number.

    A gradient that is next to nothing beside the others (that of a key's bias is zero, up to rounding) may be so.

    Args:
        names: the tensors to compare; all whose gradient is expected by default.
        optional: names that an answer may lack (the bias of a layer that has none).
        room: a backward pass adds up more numbers than a forward pass, in another order.

    Returns:
        a Finding whose detail names the first tensor that differs: it gets no gradient, one of another shape, or
        another gradient.
    """
    wanted = {name: np.asarray(a, np.float64) for name, a in expected.items() if name.startswith(PREFIX)}
    floor = 1e-3 * max((float(np.abs(a).max(initial=0.0)) for a in wanted.values()), default=0.0)  # below: rounding
    chosen = list(wanted) if names is None else [PREFIX + name for name in names]
    for name in chosen:
        called = f"`{name.removeprefix(PREFIX)}`"
        given = got.get(name) if name in got else None
        if given is None:
            if name.removeprefix(PREFIX) in optional:
                continue
            return Finding(criterion, False, f"{called} has no gradient that could be compared")
        given = np.asarray(given, np.float64)
        if given.shape != wanted[name].shape:
            what = "no backward pass was possible" if given.size == 0 else f"its gradient has shape {given.shape}"
            return Finding(criterion, False, f"{called}: {what}")
        size = float(np.abs(wanted[name]).max(initial=0.0))
        seen = float(np.abs(np.nan_to_num(given, nan=np.inf)).max(initial=0.0))
        if size > floor and seen <= _NO_GRADIENT * size:
            return Finding(criterion, False, f"{called} gets no gradient")
        off = np.abs(given - wanted[name]) > room * tolerance * max(size, floor, 1e-6)
        if not np.isfinite(given).all() or off.any():
            if size < 1e-3 * floor:
                return Finding(criterion, False, f"{called} gets a gradient, and should get none")
            first = tuple(int(i) for i in np.argwhere(off | ~np.isfinite(given))[0])
            detail = f"{int(off.sum())} of {off.size} numbers of the gradient for {called} differ"
            at = f" at {list(first)}" if first else ""
            return Finding(
                criterion, False, f"{detail};{at} expected {wanted[name][first]:.4g}, got {given[first]:.4g}"
            )
    return Finding(criterion, True)


def with_paths(expected: Mapping[str, np.ndarray], got: Mapping[str, np.ndarray], *names: str) -> dict[str, Any]:
    """Marks for a fingerprint: the named arrays, and which gradients arrive (rather than their values)."""
    marks: dict[str, Any] = {name: got[name] for name in names if name in got}
    wanted = [name for name in expected if name.startswith(PREFIX)]
    if wanted:
        finite = [np.nan_to_num(np.asarray(got.get(name, np.zeros(0)), np.float64)) for name in wanted]
        marks["paths"] = np.array([float(bool(a.any())) for a in finite])
        marks["depth"] = np.array([float(a.size > 0) for a in finite])
    return marks


def one_tensor(out: Any, shape: str = "(b, n, d)") -> Any:
    """An answer's output, which must be a single tensor or array.

    Raises:
        TypeError: it is a tuple, a list, a dict or None; the message says so.
    """
    if isinstance(out, tuple | list | dict):
        raise TypeError(f"a {type(out).__name__} of {len(out)} was returned; one tensor {shape} was expected")
    if out is None:
        raise TypeError("None was returned: is a `return` missing?")
    return out
