"""Lesson 00: how far a stack of convolutions sees, on paper and by its gradient.

The nets whose gradient is asked for are made here from drawn weights. Their outputs have odd sides, so that there is
one centre and no two opinions about it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.pictures.why_transformers import fields_picture, maps_picture

_NOTHING = np.zeros(0)


class ReceptiveField(Question):
    id = "Q00a"
    title = "The receptive field of a stack"
    signature = "receptive_field(kernels, strides) -> side of the square that one output pixel sees"
    criteria = (
        Criterion(
            "single",
            "a single layer sees its kernel, whatever its stride",
            hint="Single layers of drawn kernels and strides are asked for, such as `receptive_field([5], [2])`.",
        ),
        Criterion(
            "deep",
            "without strides, every layer adds the same small border again",
            hint="Stacks of three to five layers, all of stride 1, are asked for.",
        ),
        Criterion(
            "strides",
            "a layer that stands behind strides sees further",
            share=2,
            hint="Stacks of four to six layers are asked for, in which the first, a middle and the last layer may have "
            "a stride.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        sides = rng.choice([2, 3, 4, 5, 6, 7, 9, 11], 3, replace=False).tolist()
        strides = [[1], [2], [int(rng.integers(3, 5))]]
        yield _stacks("one layer", "single", [[side] for side in sides], strides)
        layers = int(rng.integers(3, 6))
        drawn = [[3] * layers, *rng.choice([1, 3, 5, 7], (2, layers)).tolist()]
        yield _stacks(f"{layers} layers of stride 1", "deep", drawn, [[1] * layers] * 3)
        layers = int(rng.integers(4, 7))
        drawn = rng.choice([2, 3, 5, 7], (4, layers)).tolist()
        steps = rng.choice([1, 2, 3], (4, layers), p=[0.35, 0.45, 0.2])
        steps[:, 0] = [2, 3, 2, 1]
        steps[:, 1] = [2, 1, 3, 2]
        steps[:, -1] = [2, 1, 2, 3]
        yield _stacks(f"{layers} layers, some with strides", "strides", drawn, steps.tolist())

    def probe(self, answer, case):
        pairs = zip(case["kernels"], case["strides"], strict=True)
        return {"fields": [answer(list(kernels), list(strides)) for kernels, strides in pairs]}

    def judge(self, case, expected, got):
        given = got.get("fields", _NOTHING)
        yield same(case.criteria[0], expected["fields"], given, 1e-6, what="stacks")

    def picture(self, case, expected, got):
        yours = None if got is None or got["fields"].ndim != 1 else got["fields"]
        return fields_picture(case["kernels"], case["strides"], expected["fields"], yours)


class GradientMap(Question):
    id = "Q00b"
    title = "What a network really looks at"
    signature = "gradient_map(model, image) -> (h, w) for an image (1, c, h, w)"
    criteria = (
        Criterion(
            "shape",
            "one number per pixel: (h, w)",
            share=0,
            hint="For an image (1, c, h, w) the map has the shape (h, w).",
        ),
        Criterion(
            "centre",
            "zero for pixels that the centre of the output can't see, and only for those",
            hint="Your map is compared with the pixels that the output's middle place depends on, at `h' // 2`, `w' // "
            "2` of the output.",
        ),
        Criterion(
            "strength",
            "absolute slopes, added up over the colours",
            share=2,
            hint="For each pixel: the absolute values of the slopes of its colours, added up; all output channels "
            "count.",
        ),
        Criterion(
            "again",
            "asked twice, it answers the same",
            share=0,
            hint="The function is called twice with the same model and the same image.",
        ),
    )
    needs_gradients = True

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        side = int(rng.choice([9, 11, 13]))
        yield _net(rng, "two layers of 3 x 3 on a square image", (3, 3), (1, 1), 1, (side, side))
        wide = (int(rng.choice([13, 15])), int(rng.choice([19, 21, 23])))
        yield _net(rng, "no padding, an oblong image", (3, int(rng.choice([3, 5]))), (1, 1), 0, wide)
        tall = (int(rng.choice([29, 33])), int(rng.choice([21, 25])))
        yield _net(rng, "a stride of 2", (3, 3), (2, 1), 1, tall)

    def probe(self, answer, case):
        model, image = _model(case), tensor(case["image"])
        once = answer(model, image)
        return {"map": _copied(once), "again": _copied(answer(model, image))}

    def judge(self, case, expected, got):
        wanted, given = expected["map"], got.get("map", _NOTHING)
        yield same_shape("shape", wanted, given)
        yield _same_reach(wanted, given, got.tolerance)
        yield same("strength", wanted, given, got.tolerance, what="pixels")
        yield same("again", given, got.get("again", _NOTHING), got.tolerance, what="pixels of the second map")

    def picture(self, case, expected, got):
        return maps_picture(case["image"][0], expected["map"], None if got is None else got["map"])


QUESTIONS = (ReceptiveField(), GradientMap())


def _stacks(name: str, criterion: str, kernels: list, strides: list) -> Case:
    as_tuples = {"kernels": tuple(map(tuple, kernels)), "strides": tuple(map(tuple, strides))}
    return Case(name, criteria=criterion, **as_tuples)


def _net(rng: np.random.Generator, name: str, kernels, strides, padding: int, size: tuple[int, int]) -> Case:
    """Weights of two layers, 3 to 5 to 2 channels, and an image."""
    first = rng.normal(0, 0.6, (5, 3, kernels[0], kernels[0])).astype("float32")
    second = rng.normal(0, 0.6, (2, 5, kernels[1], kernels[1])).astype("float32")
    image = rng.uniform(0, 1, (1, 3, *size)).astype("float32")
    return Case(name, first=first, second=second, strides=strides, padding=padding, image=image)


def _model(case: Case) -> nn.Sequential:
    """The case's net: convolution, tanh, convolution."""
    layers: list[nn.Module] = []
    for weight, stride in zip((case["first"], case["second"]), case["strides"], strict=True):
        c_out, c_in, side, _ = weight.shape
        layer = nn.Conv2d(c_in, c_out, side, stride, case["padding"], bias=False)
        layer.weight = nn.Parameter(tensor(weight))
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def _copied(found):
    """As it is now: a second call may write into the same memory."""
    return found.detach().clone() if isinstance(found, torch.Tensor) else np.array(found)


def _same_reach(wanted: np.ndarray, given: np.ndarray, tolerance: float) -> Finding:
    shapes = same_shape("centre", wanted, given)
    if not shapes.ok:
        return shapes
    largest = float(np.abs(wanted).max())
    outside, inside = wanted == 0, wanted > 0.01 * largest
    heard = np.nan_to_num(np.abs(np.asarray(given, np.float64)), nan=np.inf)
    too_far, missed = outside & (heard > tolerance * largest), inside & (heard <= 1e-9 * largest)
    if not too_far.any() and not missed.any():
        return Finding("centre", True)
    what = f"{int(too_far.sum())} pixels too many, {int(missed.sum())} missed, of {int((~outside).sum())}"
    return Finding("centre", False, what)
