"""Lesson 09, last third: patch merging. The order of the four neighbours is free, and so is how the layers are kept.

A right answer is one linear map of the four neighbours, normed together, whatever their order. So the map is fitted,
and asked to leave nothing over. The normed neighbours come with what is expected; no judge makes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same_shape, tensor
from helpers.checks.module_probes import NOTHING, as_single, number_of, prepared
from helpers.checks.placed_weights import learned
from helpers.checks.slopes import slopes, slopes_agree

_CAN = "can be seen once the shape is right"


class PatchMergingQuestion(Question):
    id = "Q18"
    title = "Patch merging"
    signature = "PatchMerging(dim): (B, H, W, dim) -> (B, H/2, W/2, 2*dim)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "half the rows, half the columns, twice the width",
            share=0,
            hint="(B, H, W, dim) becomes (B, H/2, W/2, 2*dim), with odd sizes rounded up.",
        ),
        Criterion(
            "own",
            "each new token is made of the 2 x 2 tokens it stands for, and of nothing else",
            share=2,
            hint="One token of the input was changed at a time. The check compares which new tokens change with it.",
        ),
        Criterion(
            "map",
            "all 4C numbers are normed together, then mapped linearly to 2C, without a bias",
            share=2,
            hint="The check fits one linear map without a bias from the normed 4C numbers to your 2C.",
        ),
        Criterion(
            "learns",
            "8C² weights of the map, and 4C factors and 4C summands of the norm learn",
            share=0,
            hint="The check counts the weights that get a gradient.",
        ),
        Criterion(
            "gradient",
            "gradients flow back to the tokens",
            counts_with=("own", "map"),
            hint="The check compares the gradient of the input with what the output does when the input is moved.",
        ),
        Criterion(
            "odd",
            "an odd number of rows or columns is filled up with zeros at the bottom or on the right",
            hint="Five rows make three. The last new row is made of row 4 and of a row of zeros below it.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, criteria: tuple[str, ...], h: int, w: int) -> Case:
            b, c = int(rng.integers(3, 5)), int(rng.integers(2, 4))
            return Case(f"{name}, width {c}", criteria=criteria, x=as_single(rng.normal(0, 12, (b, h, w, c))))

        h, w = 2 * int(rng.integers(3, 5)), 2 * int(rng.integers(3, 6))
        yield case(f"{h} x {w} tokens", ("shape", "own", "map", "learns"), h, w)
        h, w = 2 * int(rng.integers(5, 7)), 2 * int(rng.integers(2, 4))
        yield case(f"{h} x {w} tokens", ("shape", "own", "map", "learns"), h, w)
        h, w = 2 * int(rng.integers(3, 6)) + 1, 2 * int(rng.integers(3, 5))
        yield case(f"{h} x {w} tokens", ("odd", "gradient"), h, w)
        h, w = 2 * int(rng.integers(3, 5)) + 1, 2 * int(rng.integers(3, 6)) + 1
        yield case(f"{h} x {w} tokens", ("odd",), h, w)

    def probe(self, answer, case):
        import torch

        x = tensor(case["x"])
        model = prepared(answer(x.shape[-1]))
        out = model(x)
        record = {"out": out}
        if case.covers("own"):
            record["learned"] = learned(model, out)
        if case.covers("gradient"):
            record |= slopes(model, {"x": x}, 5)
        if case.covers("own"):
            record["moved"] = torch.stack([(model(_nudged(x, place)) - out).abs().amax((0, -1)) for place in _PLACES])
        return record

    def judge(self, case, expected, got):
        out, blocks = np.asarray(got.get("out", NOTHING), np.float64), expected["blocks"]
        wanted = (*blocks.shape[:3], blocks.shape[-1] // 2)
        if case.covers("gradient"):
            yield slopes_agree("gradient", got, "x")
        yield same_shape("shape", np.zeros(wanted), out)
        if out.shape != wanted or not np.isfinite(out).all():
            yield from (Finding(name, False, _CAN) for name in ("own", "map", "learns", "odd"))
            return
        linear = _linear(blocks.reshape(-1, blocks.shape[-1]), out.reshape(-1, wanted[-1]), got.tolerance)
        if case.covers("odd"):
            yield Finding("odd", not linear, linear, of="map")
            return
        yield _own_places(expected["moved"], got.get("moved", NOTHING))
        yield Finding("map", not linear, linear)
        c = wanted[-1] // 2
        seen, right = int(number_of(got, "learned")), 8 * c * c + 8 * c
        yield Finding("learns", seen == right, "" if seen == right else f"{seen} numbers learn; it should be {right}")

    def features(self, case, expected, got):
        out, blocks = got["out"], expected["blocks"]
        marks = {"shape": np.array(out.shape, np.float64), "learned": np.array([number_of(got, "learned")])}
        if case.covers("own"):
            marks["moved"] = (np.asarray(got["moved"]) > 1e-6).astype(np.float64)
        if out.shape != (*blocks.shape[:3], blocks.shape[-1] // 2):
            return marks
        flat, raw = out.reshape(-1, out.shape[-1]), np.asarray(expected["raw"], np.float64)
        four = raw.reshape(*raw.shape[:-1], 4, -1)
        traits = {
            "normed": _left_over(blocks, out),
            "affine": _left_over(blocks, out - flat.mean(0)),
            "raw": _left_over(raw, out),
            "inner": _left_over(blocks[:, :-1, :-1], out[:, :-1, :-1]),
            "mean": _left_over(_normed(four.mean(-2)), out),
            "most": _left_over(_normed(four.max(-2)), out),
            "norm last": float(np.abs(out.mean(-1)).max() < 1e-3),
        }
        return marks | {"traits": np.array(list(traits.values()))}

    def picture(self, case, expected, got):
        return None


_PLACES = ((2, 2), (3, 2), (2, 3), (3, 3), (1, 2), (2, 1))  # the four of one new token, and two neighbours of them


def _nudged(x: Any, place: tuple[int, int]) -> Any:
    """x with the token at one place changed, in more than its mean and its size."""
    import torch

    other = x.clone()
    other[:, place[0], place[1]] += torch.linspace(1.0, 2.5, x.shape[-1], device=x.device, dtype=x.dtype)
    return other


def _own_places(wanted: np.ndarray, moved: np.ndarray) -> Finding:
    if moved.shape != wanted.shape:
        return Finding("own", False, _CAN)
    target, yours = wanted > 1e-6, np.nan_to_num(np.asarray(moved, np.float64), nan=1.0) > 1e-6
    for place, want, seen in zip(_PLACES, target, yours, strict=True):
        if not np.array_equal(want, seen):
            places = ", ".join(str(tuple(int(i) for i in p)) for p in np.argwhere(seen)[:3]) or "none"
            right = tuple(int(i) for i in np.argwhere(want)[0])
            return Finding(
                "own", False, f"the token at {place} should reach the new token {right} alone; in yours: {places}"
            )
    return Finding("own", True)


def _left_over(blocks: np.ndarray, out: np.ndarray) -> float:
    """1 where no linear map from blocks to tokens exists, 0 where one does, of whatever rank."""
    blocks, out = np.asarray(blocks, np.float64), np.asarray(out, np.float64)
    return float("left over" in _linear(blocks.reshape(-1, blocks.shape[-1]), out.reshape(-1, out.shape[-1]), 2e-3))


def _normed(x: np.ndarray) -> np.ndarray:
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + 1e-5)


def _linear(blocks: np.ndarray, out: np.ndarray, tolerance: float) -> str:
    """What is wrong with `out` as one linear map of `blocks`, of full rank; "" when nothing is."""
    blocks, out = np.asarray(blocks, np.float64), np.asarray(out, np.float64)
    if len(out) != len(blocks) or not np.isfinite(out).all():
        return _CAN
    matrix, *_ = np.linalg.lstsq(blocks, out, rcond=1e-6)
    size = float(np.abs(out).max())
    if size < 1e-3:
        return "all numbers are zero"
    left = float(np.abs(blocks.dot(matrix) - out).max()) / size
    if left > tolerance:
        return f"no one linear map makes them of the normed neighbours: {100 * left:.2g} % are left over"
    rank = int(np.linalg.matrix_rank(matrix, tol=1e-3 * size))
    return "" if rank == out.shape[1] else f"the map has rank {rank}; it should be {out.shape[1]}"


QUESTIONS = (PatchMergingQuestion(),)
