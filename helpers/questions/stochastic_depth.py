"""Lesson 08: stochastic depth. It rolls dice, so properties are judged, never values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.module_probes import NOTHING, as_single
from helpers.pictures.training_recipe import dropped_picture


class DropPath(Question):
    id = "Q12"
    title = "Stochastic depth"
    signature = "drop_path(x, drop_prob, training) -> the shape of x"
    criteria = (
        Criterion(
            "shape",
            "the output has the shape of the input",
            share=0,
            hint="The output has the shape of x.",
        ),
        Criterion(
            "whole",
            "in training each sample is kept or dropped as a whole, independently of the others",
            hint="In the picture every row is one sample: it is either zero throughout or a multiple of x throughout.",
        ),
        Criterion(
            "rate",
            "a share drop_prob of the samples is dropped, drawn anew in each call",
            hint="The dropped samples of a large batch are counted, in two calls.",
        ),
        Criterion(
            "mean",
            "kept samples are scaled so that the mean over many calls is x",
            hint="The factor of the kept samples is measured.",
        ),
        Criterion(
            "identity",
            "in evaluation, and with drop_prob 0, the output is x; the caller's x is never changed",
            counts_with=("whole", "rate", "mean"),
            hint="It is called with training=False, and with drop_prob=0; and x is compared before and after a call.",
        ),
        Criterion(
            "axes",
            "images (b, c, h, w) and vectors (b, d) as well as tokens (b, n, d)",
            hint="All of the above is measured for tensors with two and with four axes.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        p = 0.05 * int(rng.integers(4, 8))
        n, d = int(rng.integers(2, 4)), int(rng.integers(3, 5))
        yield _sample_case(rng, "tokens", (600, n, d), p, ("shape", "whole", "rate", "mean", "identity"))
        p = 0.05 * int(rng.integers(2, 5))
        c, h = int(rng.integers(2, 4)), int(rng.integers(2, 4))
        yield _sample_case(rng, "images", (400, c, h, 2), p, ("shape", "axes"))
        yield _sample_case(rng, "vectors", (500, int(rng.integers(5, 9))), 0.6, ("shape", "axes"))

    def probe(self, answer, case):
        x, p = tensor(case["x"]), case["drop_prob"]
        record: dict[str, Any] = {"out": _of_size(answer(x, p, True), x), "after": x}
        record |= {"again": _of_size(answer(tensor(case["x"]), p, True), x)}
        few = tensor(case["x"][:8])
        for name, drop, training in (("eval", p, False), ("zero", 0.0, True)):
            record[name] = _of_size(answer(few.clone(), drop, training), few)
        return record

    def judge(self, case, expected, got):
        x, p, out, again = case["x"], case["drop_prob"], got.get("out", NOTHING), got.get("again", NOTHING)
        shape = same_shape("shape", x, out)
        if not shape.ok and out.ndim != x.ndim:
            shape = Finding("shape", False, f"x has {x.ndim} axes, and what comes out has {out.ndim}")
        yield shape
        found = [
            _whole(x, out),
            _rate(x, p, out, again),
            _mean(x, p, out, max(1e-3, got.tolerance)),
            _untouched(x, got),
        ]
        yield from found
        bad = next((f for f in (shape, *found) if not f.ok), None)
        yield Finding("axes", bad is None, bad.detail if bad else "")

    def features(self, case, expected, got):
        x, marks = case["x"], {}
        for name in ("out", "again"):
            marks[name] = _sample_marks(x, got.get(name, NOTHING), case["drop_prob"])
        one_fate = marks["out"][0] == 1
        if one_fate:  # all or nothing: which of the two is a matter of chance
            marks = {"out": marks["out"][:1]}
        untouched = [
            got.get(name, NOTHING).shape == x[:m].shape and np.allclose(got[name], x[:m], atol=1e-4)
            for name, m in (("eval", 8), ("zero", 8), ("after", None))
        ]
        calm = got.get("eval", NOTHING)
        ratios = calm / x[:8] if calm.shape == x[:8].shape and np.isfinite(calm).all() else np.full(1, -1.0)
        left = ratios[np.abs(ratios) > 1e-3]
        scale = np.median(left) if left.size else 0.0
        repeated = not one_fate and np.array_equal(got.get("out", NOTHING), got.get("again", NOTHING))
        return marks | {"flags": np.array([*untouched, repeated, round(4 * float(scale))], np.float64)}

    def picture(self, case, expected, got):
        if case["x"].ndim != 3:
            return None
        return dropped_picture(case["x"], expected["out"], None if got is None else got["out"])


def _sample_case(
    rng: np.random.Generator, what: str, shape: tuple[int, ...], p: float, criteria: tuple[str, ...]
) -> Case:
    x = as_single(rng.uniform(0.5, 2, shape) * rng.choice([-1, 1], shape))
    p = round(p, 2)
    return Case(f"{what} {shape}, drop_prob = {p:g}", criteria=criteria, x=x, drop_prob=p)


def _of_size(out: Any, x: Any) -> Any:
    """What was returned; of a far larger tensor (dice in the wrong shape blow it up) only a corner."""
    import torch

    out = torch.as_tensor(out)
    return out if out.numel() <= 2 * x.numel() else out[(slice(8),) * out.ndim]


def _ratios(x: np.ndarray, out: np.ndarray) -> np.ndarray | None:
    """(b, numbers per sample): what each was multiplied by; None for other shapes, or numbers that aren't finite."""
    if out.shape != x.shape or not np.isfinite(out).all():
        return None
    return (np.asarray(out, np.float64) / x).reshape(len(x), -1)


def _whole(x: np.ndarray, out: np.ndarray) -> Finding:
    ratios = _ratios(x, out)
    if ratios is None:
        return Finding("whole", False, "there is nothing to compare")
    dropped, kept = (out.reshape(len(x), -1) == 0).all(1), ratios.min(1) > 0.3
    torn = int((~dropped & ~(kept & (np.ptp(ratios, axis=1) < 1e-3 * np.abs(ratios).max(1)))).sum())
    if torn:
        return Finding("whole", False, f"{torn} of {len(x)} samples are kept in one place and changed in another")
    gone = int((np.abs(ratios[:, 0]) < 1e-3).sum())
    if gone in (0, len(x)):
        return Finding("whole", False, f"{gone} of {len(x)} samples are dropped: all share one fate")
    return Finding("whole", True)


def _rate(x: np.ndarray, p: float, out: np.ndarray, again: np.ndarray) -> Finding:
    found = [_ratios(x, one) for one in (out, again)]
    if found[0] is None or found[1] is None:
        return Finding("rate", False, "there is nothing to compare")
    first, second = (np.abs(ratios) < 1e-3 for ratios in (found[0], found[1]))
    if first.mean() in (0.0, 1.0):
        return Finding("rate", False, f"{100 * first.mean():.0f} % are dropped; expected about {100 * p:.0f} %")
    room = 6 * (p * (1 - p) / len(x)) ** 0.5
    for gone in (first, second):
        if abs(gone.mean() - p) > room:
            return Finding("rate", False, f"{100 * gone.mean():.0f} % are dropped; expected about {100 * p:.0f} %")
    if np.array_equal(first, second):
        return Finding("rate", False, "two calls drop the very same samples")
    return Finding("rate", True)


def _mean(x: np.ndarray, p: float, out: np.ndarray, room: float) -> Finding:
    ratios = _ratios(x, out)
    if ratios is None:
        return Finding("mean", False, "there is nothing to compare")
    kept = ratios[np.abs(ratios) >= 1e-3]
    if not kept.size:
        return Finding("mean", False, "nothing was kept")
    typical = float(np.median(kept))
    if np.abs(kept * (1 - p) - 1).max() > 10 * room:
        return Finding("mean", False, f"what is kept is multiplied by {typical:.3g}, with drop_prob = {p:g}")
    return Finding("mean", True)


def _untouched(x: np.ndarray, got: Any) -> Finding:
    for name, when, wanted in (("eval", "in eval", x[:8]), ("zero", "with drop_prob 0", x[:8])):
        same_numbers = same("identity", wanted, got.get(name), got.tolerance)
        if not same_numbers.ok:
            return Finding("identity", False, f"{when}: {same_numbers.detail}")
    after = same("identity", x, got.get("after"), got.tolerance)
    return after if after.ok else Finding("identity", False, "the tensor that was given has changed")


def _sample_marks(x: np.ndarray, out: np.ndarray, p: float) -> np.ndarray:
    """Coarse marks that don't depend on which samples were dropped; the first is 1 when all share one fate."""
    ratios = _ratios(x, out)
    if ratios is None:
        return np.array([-1.0, *out.shape])
    gone = np.abs(ratios) < 1e-3
    if gone.all() or (not gone.any() and np.ptp(ratios) < 1e-2):
        return np.ones(1 + 2 * x.ndim)
    kept = np.median(ratios[~gone])
    flat = np.abs(out.reshape(x.shape) / x) < 1e-3
    constant = [np.ptp(flat.astype(int), axis=axis).max() == 0 for axis in range(x.ndim)]  # along which axes all agree
    room = 4 * np.sqrt(p * (1 - p) / len(x))  # a share of len(x) dice is hardly ever further off
    share = next((k for k, wanted in enumerate((p, 1 - p)) if abs(gone.mean() - wanted) < room), 2)
    return np.array([0, kept if np.ptp(ratios[~gone]) < 1e-2 else -1, share, *constant], np.float64)


QUESTIONS = (DropPath(),)
