"""Gradients of an answer whose weights are its own: they must agree with what its output really does.

Where drawn weights cannot be placed, a gradient cannot be compared with the solution's. It can be compared with the
answer itself: moving an input by a small step must change the output as the gradient says. `detach`, `no_grad` and a
value computed outside of torch all show as a gradient that is too small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from helpers.checks.question import Finding

_STEP = 1e-2
_DIRECTIONS = 3
_CLOSE = 0.03  # central differences in float32, of smooth functions


def slopes(call: Callable[..., Any], inputs: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Directional derivatives of ``(call(*inputs) * aim).sum()``, by autograd and by central differences.

    Args:
        call: takes the inputs in order and returns a tensor; the same input must always give the same output.
        inputs: float tensors by name.
        seed: draws the directions and the aim.

    Returns:
        per input two arrays (3,), ``"slope x"`` and ``"moved x"``; zeros for a gradient that does not arrive.
    """
    import torch

    rng = np.random.default_rng([seed % 2**32, 11])
    leaves = {name: t.detach().clone().requires_grad_() for name, t in inputs.items()}
    with torch.enable_grad():
        out = call(*(leaf * 1 for leaf in leaves.values()))
        aim = torch.as_tensor(rng.normal(0, 1, tuple(out.shape))).to(out)
        total = (out * aim).sum()
        found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True) if total.requires_grad else None
    record: dict[str, Any] = {}
    for k, (name, leaf) in enumerate(leaves.items()):
        slope, moved = np.zeros(_DIRECTIONS), np.zeros(_DIRECTIONS)
        for n in range(_DIRECTIONS):
            way = torch.as_tensor(rng.normal(0, 1, tuple(leaf.shape))).to(leaf)
            gradient = found[k] if found is not None else None
            slope[n] = 0.0 if gradient is None else float((gradient.double() * way.double()).sum())
            ends = []
            with torch.no_grad():
                for sign in (1, -1):
                    there = [t.detach() + (sign * _STEP * way if t is leaf else 0) for t in leaves.values()]
                    ends.append((call(*there).double() * aim.double()).sum())
            moved[n] = float(ends[0] - ends[1]) / (2 * _STEP)
        record |= {f"slope {name}": slope, f"moved {name}": moved}
    return record


def slopes_agree(criterion: str, got: Mapping[str, np.ndarray], *names: str) -> Finding:
    """Met when every gradient says what the output does, and the output depends on the input at all."""
    for name in names:
        slope = np.asarray(got.get(f"slope {name}", np.zeros(0)), np.float64)
        moved = np.asarray(got.get(f"moved {name}", np.zeros(0)), np.float64)
        if slope.shape != (_DIRECTIONS,) or moved.shape != slope.shape or not np.isfinite([slope, moved]).all():
            return Finding(criterion, False, f"the gradient for `{name}` could not be tried out")
        size = float(np.abs(moved).max())
        if size < 1e-3:
            return Finding(criterion, False, f"the output does not depend on `{name}`")
        if not slope.any():
            return Finding(criterion, False, f"`{name}` gets no gradient")
        if np.abs(slope - moved).max() > _CLOSE * size + 1e-3:
            worst = int(np.abs(slope - moved).argmax())
            detail = f"the output changes by {moved[worst]:.3g} per step along `{name}`, its gradient says {slope[worst]:.3g}"
            return Finding(criterion, False, detail)
    return Finding(criterion, True)
