"""Lesson 00, stretch: floating-point operations of a convolution and of an attention layer on the same grid.

Each case asks for two grids of one width. Dividing the count of the attention layer by the number of positions leaves a
straight line in that number: its constant belongs to the four linear layers, its slope to the pairs of positions. So
the judge can say which of the two parts is wrong.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape

_NOTHING = np.zeros(0)


class LayerFlops(Question):
    id = "Q00c"
    title = "FLOPs of a convolution and of attention"
    signature = "layer_flops(side, d, kernel=3) -> (FLOPs of the convolution, FLOPs of the attention layer)"
    criteria = (
        Criterion("shape", "two numbers", share=0, hint="A pair is returned: first the convolution, then attention."),
        Criterion(
            "convolution",
            "the convolution: one multiplication and one addition per weight and position",
            hint="The layer has kernel · kernel · d · d weights, and each is used once at every position.",
        ),
        Criterion(
            "linear",
            "attention: the part that is proportional to the number of positions",
            hint="From two grids of one width the part that grows with n is separated from the part that grows with "
            "n². This is the first part: the linear layers.",
        ),
        Criterion(
            "pairs",
            "attention: the part that is proportional to the number of pairs",
            hint="From two grids of one width the part that grows with n² is separated from the rest. It belongs to "
            "the scores and to the weighted sums of values.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        for kernel in (3, int(rng.choice([1, 5, 7])), 3):
            small, d = int(rng.integers(3, 8)), int(rng.integers(5, 40))
            large = small + int(rng.integers(2, 9))
            name = f"{small} x {small} and {large} x {large} positions, width {d}, kernel {kernel}"
            yield Case(name, sides=(small, large), d=d, kernel=kernel)

    def probe(self, answer, case):
        given = () if case["kernel"] == 3 else (case["kernel"],)
        rows = [answer(side, case["d"], *given) for side in case["sides"]]
        return {"flops": [[float(number) for number in row] for row in rows]}

    def judge(self, case, expected, got):
        wanted, given = expected["flops"], np.asarray(got.get("flops", _NOTHING), np.float64)
        yield same_shape("shape", wanted, given)
        if given.shape != wanted.shape:
            for criterion in ("convolution", "linear", "pairs"):
                yield Finding(criterion, False, "two numbers for each grid were expected")
            return
        yield same("convolution", wanted[:, 0], given[:, 0], 1e-6, what="grids")
        n = np.array([side * side for side in case["sides"]], np.float64)
        for criterion, part in (("linear", 0), ("pairs", 1)):
            yield same(criterion, _parts(n, wanted[:, 1])[part], _parts(n, given[:, 1])[part], 1e-6, what="factors")


def _parts(n: np.ndarray, flops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Constant and slope of flops / n as a function of n, from two points; each an array of one number."""
    per_position = flops / n
    slope = (per_position[1] - per_position[0]) / (n[1] - n[0])
    return np.array([per_position[0] - slope * n[0]]), np.array([slope])


QUESTIONS = (LayerFlops(),)
