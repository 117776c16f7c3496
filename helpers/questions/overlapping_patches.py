"""Lesson 01, stretch: patches that overlap, put back so that each pixel is the mean of all patches that cover it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Question, same, same_shape, tensor
from helpers.checks.gradients import input_gradients, same_gradients

_NOTHING = np.zeros(0)


class JoinOverlapping(Question):
    id = "Q0c"
    title = "Join overlapping patches"
    signature = "join_overlapping(patches, height, width, stride) -> (b, c, height, width)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "four axes: image, channel, row, column",
            share=0,
            hint="The axes are b images, c channels, height and width.",
        ),
        Criterion(
            "apart",
            "patches that do not overlap are joined as in Q0b",
            hint="Here the stride equals the patch side, so that every pixel is covered once.",
        ),
        Criterion(
            "mean",
            "where patches overlap, a pixel is the mean of their values",
            share=2,
            hint="Here the stride is smaller than the patch side. A pixel near the corner is covered by fewer patches "
            "than one in the middle.",
        ),
        Criterion(
            "oblong",
            "the image need not be square",
            hint="Here the numbers of rows and columns of patches differ.",
        ),
        Criterion(
            "gradient",
            "gradients flow from the image to the patches",
            counts_with=("mean", "oblong"),
            hint="The gradient with respect to the patches is compared with the target's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        p = int(rng.integers(2, 4))
        yield _case(rng, ("shape", "apart"), p=p, stride=p, rows=3, columns=3)
        p = int(rng.choice([4, 6]))
        yield _case(rng, ("shape", "mean", "gradient"), p=p, stride=p // 2, rows=4, columns=4)
        p = int(rng.integers(3, 6))
        yield _case(rng, ("shape", "mean", "gradient"), p=p, stride=1, rows=3, columns=3)
        rows = int(rng.integers(2, 4))
        yield _case(rng, ("oblong",), p=5, stride=int(rng.integers(2, 4)), rows=rows, columns=rows + 2)

    def probe(self, answer, case):
        patches, sizes = tensor(case["patches"]), (case["height"], case["width"], case["stride"])
        record = {"images": answer(patches, *sizes)}
        if case.covers("gradient"):
            record |= input_gradients(lambda p: answer(p, *sizes), {"patches": case["patches"]})
        return record

    def judge(self, case, expected, got):
        wanted, given = expected["images"], got.get("images", _NOTHING)
        if case.covers("shape"):
            yield same_shape("shape", wanted, given)
        for criterion in ("apart", "mean", "oblong"):
            if case.covers(criterion):
                yield same(criterion, wanted, given, got.tolerance, what="pixels")
        if case.covers("gradient"):
            yield same_gradients("gradient", expected, got, got.tolerance)

    def features(self, case, expected, got):
        return {"images": got["images"]}


def _case(rng: np.random.Generator, criteria: tuple[str, ...], *, p: int, stride: int, rows: int, columns: int) -> Case:
    height, width = (rows - 1) * stride + p, (columns - 1) * stride + p
    patches = rng.normal(size=(2, rows * columns, 3, p, p)).astype(np.float32)
    name = f"{rows} x {columns} patches of {p} x {p}, stride {stride}"
    return Case(name, criteria=criteria, patches=patches, height=height, width=width, stride=stride)


QUESTIONS = (JoinOverlapping(),)
