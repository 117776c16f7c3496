"""Lesson 06, stretch: root-mean-square normalisation, which many language models and newer ViTs use for LayerNorm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor

_NOTHING = np.zeros(0)


class RootMeanSquareNorm(Question):
    id = "Q7c"
    title = "RMSNorm"
    signature = "RMSNorm(emb_size, eps=1e-6); forward(x): (b, n, emb_size) -> (b, n, emb_size)"
    needs_gradients = True
    criteria = (
        Criterion("shape", "the shape stays", share=0, hint="Compare the two shapes above: the norm changes no axis."),
        Criterion(
            "values",
            "each token divided by its root mean square",
            share=2,
            hint="Compute one token by hand: square its numbers, take their mean, then the root, and divide by it.",
        ),
        Criterion(
            "weight",
            "a learned factor for each dimension, 1 at the start",
            hint="Other factors than 1 were put into the learned factor, and its gradient is compared "
            "with the solution's.",
        ),
        Criterion(
            "eps",
            "eps is added to the mean square, under the root",
            hint="Tokens that are nearly zero are compared, with eps = 0.01.",
        ),
        Criterion(
            "gradient",
            "the gradient with respect to the input is right",
            hint="The values are right and the gradient is not: look for .detach(), .data or torch.no_grad().",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        d = int(rng.integers(4, 8))
        n = int(rng.integers(2, 5))
        yield _case(rng, f"{n} tokens of width {d}, with a mean", ("shape", "values", "gradient"), n, d, mean=2.0)
        d = int(rng.integers(5, 9))
        yield _case(rng, f"width {d}, other factors than 1", ("weight",), 3, d, turned=True)
        d = int(rng.integers(4, 7))
        yield _case(rng, f"width {d}, nearly zero, eps 0.01", ("eps",), 3, d, spread=0.05, eps=0.01)

    def probe(self, answer, case):
        import torch

        from helpers.device import device

        model = answer(case["emb_size"], eps=case["eps"]) if "eps" in case else answer(case["emb_size"])
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"an nn.Module was expected, and {type(model).__name__} came back")
        model.to(device())
        learned = [p for p in model.parameters() if p.requires_grad]
        if "factor" in case and learned:
            with torch.no_grad():
                learned[0].copy_(tensor(case["factor"]).reshape(learned[0].shape))
        x = tensor(case["x"]).clone().requires_grad_()
        out = model(x)
        wanted = [x, *learned] if case.covers("weight") else [x]
        slopes: list[Any] = [None] * len(wanted)
        if out.requires_grad and out.shape == x.shape:
            slopes = list(torch.autograd.grad((out * tensor(case["aim"])).sum(), wanted, allow_unused=True))
        record = {"out": out, "count": len(learned)}
        record |= {} if slopes[0] is None else {"slope": slopes[0]}
        return record | ({} if len(slopes) != 2 or slopes[1] is None else {"of_factor": slopes[1]})

    def judge(self, case, expected, got):
        given = got.get("out", _NOTHING)
        if case.covers("shape"):
            yield same_shape("shape", expected["out"], given)
        for criterion in ("values", "weight", "eps"):
            if case.covers(criterion):
                yield same(criterion, expected["out"], given, got.tolerance, what="numbers")
        if case.covers("weight"):
            factor = got.get("of_factor", _NOTHING).reshape(-1)
            if factor.size == 0:
                yield Finding("weight", False, "one learned factor was expected, and none gets a gradient")
            else:
                yield same("weight", expected["of_factor"].reshape(-1), factor, 1e-3, what="slopes of the factor")
        if case.covers("gradient"):
            slope = got.get("slope", _NOTHING)
            if slope.size == 0:
                yield Finding("gradient", False, "no gradient reaches the input")
            else:
                yield same("gradient", expected["slope"], slope, max(got.tolerance, 1e-4), what="slopes")


QUESTIONS = (RootMeanSquareNorm(),)


def _case(
    rng: np.random.Generator, name: str, criteria: tuple[str, ...], n: int, d: int, *, mean: float = 0.0,
    spread: float = 1.0, turned: bool = False, **more,
) -> Case:  # fmt: skip
    x = (mean + spread * rng.normal(size=(2, n, d))).astype(np.float32)
    aim = rng.normal(size=(2, n, d)).astype(np.float32)
    if turned:
        more["factor"] = rng.uniform(0.3, 2.0, d).astype(np.float32)
    return Case(name, criteria=criteria, x=x, aim=aim, emb_size=d, **more)
