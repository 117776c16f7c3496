"""Probing whole modules: known branches, silenced weights, the spread that dropout makes, and findings on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.checks import Case, Finding, same
from helpers.checks.seeding import seed_torch

MANY = 4096  # samples behind a mean and a spread
NOTHING = np.zeros(0)


def as_single(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32)


def prepared(model: Any) -> Any:
    """On the device that checks run on, and training, as a new module is."""
    from helpers.device import device

    return model.to(device()) if hasattr(model, "to") else model


def known_branch(matrix: np.ndarray, *, give_back: bool) -> Any:
    """A module that maps x by a matrix and an activation, or returns it as it is; it takes `mask` and `scale`."""
    import torch
    from torch import nn

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.as_tensor(matrix))
            self.bias = nn.Parameter(torch.linspace(-0.5, 0.5, len(matrix)))

        def forward(self, x, *, mask=None, scale=None):
            y = x if give_back else torch.tanh(nn.functional.linear(x, self.weight.to(x), self.bias.to(x)))
            y = y if mask is None else y * mask
            return y if scale is None else y * scale

    return prepared(Branch())


def silenced(case: Case, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The drawn weights with one half of the block, or all but its summands, set to zero."""
    zero: tuple[str, ...] = {"think": ("w2", "b2"), "attend": ("o", "bo")}.get(case.get("silent", ""), ())
    if "silent" in case:
        weights |= {"norm2": weights["norm1"], "bnorm2": weights["bnorm1"]}
    if "drop_p" in case:
        zero = ("o", "w2")
        d = len(weights["bo"])
        weights |= {"bo": np.linspace(1.0, 1.6, d), "b2": np.linspace(1.5, 1.0, d)}
    if "forward_drop_p" in case:
        zero = ("o", "bo")
        weights |= {"b1": np.abs(weights["b1"]) / 2, "w2": 2 * weights["w2"]}
    return weights | {name: np.zeros_like(weights[name]) for name in zero}


def dropout_spread(model: Any, x: Any, many: int) -> dict[str, Any]:
    """Mean and spread of what one token becomes in training, many times over, and what it becomes in eval."""
    import torch

    with torch.no_grad():
        seed_torch(2)
        out = model(x.expand(many, *x.shape[1:]).clone())
        if hasattr(model, "eval"):
            model.eval()
        calm = model(x.repeat(2, 1, 1))
        if hasattr(model, "train"):
            model.train()
    return {"mean": out.mean(0), "spread": out.std(0), "calm": calm}


def value_marks(expected: Any, got: Any) -> dict[str, np.ndarray]:
    """The values; or, where many weights are none of those that were drawn, their number alone."""
    found, shape = number_of(got, "learned"), np.shape(got["out"])
    marks = {"learned": np.array([found]), "shape": np.array(shape, np.float64)}
    most = 4 * np.shape(expected["out"])[-1]  # a norm more or less, which is no matter of chance
    return marks | ({"out": got["out"]} if abs(found - int(expected["learned"])) <= most else {})


def either_form(criterion: str, wanted: np.ndarray, got: Any, count: int | None = None) -> Finding:
    """Met when the answer agrees with its matrices kept one way or the other, and holds `count` numbers that learn."""
    found = [same(criterion, wanted, got.get(name), max(2e-3, got.tolerance)) for name in ("out", "turned")]
    bad = next((f for f in found if not f.ok), None) if not any(f.ok for f in found) else None
    if bad is not None:
        return bad
    seen = int(number_of(got, "learned"))
    if count is not None and seen != count:
        return Finding(criterion, False, f"{seen:,} numbers learn; it should be {count:,}")
    return Finding(criterion, True)


def scattered(criterion: str, expected: Any, got: Any, *ways: str) -> Finding:
    """Met when mean, spread and the value in eval agree, up to chance."""
    details = []
    for way in ways:
        bad = [what for what, ok in scatter_of(expected, got, way).items() if not ok]
        if not bad:
            return Finding(criterion, True)
        details.append(scatter_text(expected, got, way, bad[0]))
    return Finding(criterion, False, details[0])


def scatter_of(expected: Any, got: Any, way: str) -> dict[str, bool]:
    found = {}
    spread = np.asarray(expected["spread_out"], np.float64)
    room = {"spread": 0.09 * spread, "mean": 0.13 * spread, "calm": 2e-3 * (1 + np.abs(expected["calm_out"]))}
    for what in ("spread", "mean", "calm"):
        wanted, given = np.asarray(expected[f"{what}_out"]), np.asarray(got.get(f"{what}_{way}", NOTHING))
        same_size = wanted.shape == given.shape
        found[what] = same_size and bool((np.abs(np.nan_to_num(given, nan=1e9) - wanted) <= room[what]).all())
    return found


_WORDS = {"spread": "spread in training", "mean": "mean in training", "calm": "in eval"}


def scatter_text(expected: Any, got: Any, way: str, what: str) -> str:
    wanted, given = expected[f"{what}_out"], np.asarray(got.get(f"{what}_{way}", NOTHING))
    if given.shape != wanted.shape:
        return "the output has another shape"
    first = [", ".join(f"{v:.2f}" for v in a.reshape(-1)[:4]) for a in (wanted, given)]
    return f"{_WORDS[what]}: expected about {first[0]}, got {first[1]}"


def scatter_marks(expected: Any, got: Any, way: str) -> dict[str, np.ndarray]:
    """What dropout did, in coarse marks that don't depend on which numbers were dropped."""
    marks = {k: np.array([float(v)]) for k, v in scatter_of(expected, got, way).items()}
    given, wanted = np.asarray(got.get(f"spread_{way}", NOTHING)), np.asarray(expected["spread_out"])
    if given.shape != wanted.shape or not np.isfinite(given).all():
        return marks | {"shape": np.array(given.shape, np.float64)}
    calm = np.asarray(got.get(f"calm_{way}", NOTHING), np.float64)
    steady = calm.shape[:1] == (2,) and np.allclose(calm[0], calm[1], atol=1e-5)
    return marks | {
        "ratio": np.round(4 * given.mean() / wanted.mean()).reshape(1),
        "never": np.array([float(given.max(initial=0) < 1e-6)]),
        "steady": np.array([float(steady)]),
    }


def number_of(got: Any, name: str) -> float:
    value = np.asarray(got.get(name, 0))
    return float(value) if value.ndim == 0 and np.isfinite(value) and abs(float(value)) < 1e9 else -1.0
