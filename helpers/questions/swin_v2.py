"""Lesson 09, stretch: the attention of Swin V2, with cosines for scores and a bias from log-spaced offsets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.gradients import gradients, same_gradients
from helpers.checks.module_probes import NOTHING, as_single


class CosineWindowAttention(Question):
    id = "Q18c"
    title = "Swin V2's attention"
    signature = "cosine_window_attention(q, k, v, logit_scale, bias_network) -> (windows, heads, M*M, d)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "one vector for each query: (windows, heads, M*M, d)",
            share=0,
            hint="q, k and v have the shape (windows, heads, M*M, d), and so has the result.",
        ),
        Criterion(
            "cosine",
            "the scores are cosines times exp(logit_scale), one factor for each head",
            share=2,
            hint="bias_network returns zeros here, so the bias is the same for all pairs. Compute one score by hand.",
        ),
        Criterion(
            "limit",
            "the factor is at most 100",
            share=1,
            hint="logit_scale is larger here than log 100.",
        ),
        Criterion(
            "bias",
            "the bias is 16 · sigmoid of the network's output at the log-spaced offset from key to query",
            share=2,
            hint="q and k are small here, so that the bias decides. Write down the four offsets of a window of 2 and "
            "what the formula makes of them.",
        ),
        Criterion(
            "gradient",
            "gradients reach q, k, v, logit_scale and the network",
            share=1,
            counts_with=("cosine",),
            hint="The check compares the gradient of each of them.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, criteria: tuple[str, ...], m: int, *, size: float, scale: float, bias: float) -> Case:
            h, d = int(rng.integers(2, 4)), int(rng.integers(3, 6))
            q, k, v = as_single(rng.normal(0, 1, (3, 2, h, m * m, d)))
            lengths = as_single(rng.uniform(0.5, 2.0, (2, 1, h, m * m, 1))) * np.float32(size)
            given: dict[str, Any] = {"q": q * lengths[0], "k": k * lengths[1], "v": v}
            given["logit_scale"] = as_single(scale + rng.uniform(-0.3, 0.3, (h, 1, 1)))
            given["w1"] = as_single(rng.normal(0, 1.2, (2, 6)))
            given["w2"] = as_single(rng.normal(0, bias, (6, h)))
            return Case(f"{h} heads, window {m}, {name}", criteria=criteria, **given)

        yield case("no bias", ("shape", "cosine", "gradient"), 2, size=1.0, scale=1.5, bias=0.0)
        yield case("a large factor", ("limit",), 2, size=1.0, scale=5.4, bias=0.0)
        yield case("a bias", ("shape", "bias"), 2, size=1.0, scale=0.2, bias=0.3)
        yield case("a bias", ("bias", "gradient"), int(rng.integers(3, 5)), size=1.0, scale=0.2, bias=0.3)

    def probe(self, answer, case):
        leaves = {name: tensor(case[name]).requires_grad_() for name in ("q", "k", "v", "logit_scale", "w1", "w2")}

        def bias_network(offsets):
            import torch

            return torch.tanh(offsets.to(leaves["w1"]) @ leaves["w1"]) @ leaves["w2"]

        out = answer(*(leaves[name] * 1 for name in ("q", "k", "v", "logit_scale")), bias_network)
        record = {"out": out}
        if case.covers("gradient"):
            record |= gradients(out, leaves, 3)
        return record

    def judge(self, case, expected, got):
        given = got.get("out", NOTHING)
        if case.covers("shape"):
            yield same_shape("shape", expected["out"], given)
        for criterion in ("cosine", "limit", "bias"):
            if case.covers(criterion):
                yield same(criterion, expected["out"], given, max(got.tolerance, 1e-5), what="numbers")
        if case.covers("gradient"):
            right = same("gradient", expected["out"], given, max(got.tolerance, 1e-5))
            if not right.ok:
                yield Finding("gradient", False, "can be compared once the numbers are right", of="cosine")
            else:
                yield same_gradients("gradient", expected, got, max(got.tolerance, 1e-4))


QUESTIONS = (CosineWindowAttention(),)
