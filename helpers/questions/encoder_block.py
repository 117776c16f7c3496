"""Lesson 06: the parts of an encoder block, and the block.

Weights are drawn by the probe and put into the answer's own layers, whatever their layout, so that values can be
compared. Each criterion has inputs of its own that look at one thing with the others silent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.module_probes import (
    NOTHING,
    as_single,
    known_branch,
    number_of,
    prepared,
)
from helpers.checks.placed_weights import (
    learned,
    norm_parameters,
    put,
)  # fmt: skip
from helpers.pictures.encoder_block import value_panels


class ResidualAddQuestion(Question):
    id = "Q6"
    title = "Residual connection"
    signature = "ResidualAdd(fn); forward(x, **kwargs)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "the output has the shape of x",
            share=0,
            hint="x and fn(x) have the same shape, and so has their sum.",
        ),
        Criterion(
            "sum",
            "the output is x plus what fn returns",
            share=2,
            hint="The output is compared with x + fn(x), number by number.",
        ),
        Criterion(
            "kwargs",
            "keyword arguments reach fn, by their names",
            hint="The block was called with a mask and a scale, which fn takes as keyword arguments.",
        ),
        Criterion(
            "input",
            "the caller's x is left as it was",
            hint="After the call the caller's x holds other numbers than before: a line writes into it.",
        ),
        Criterion(
            "gradient",
            "gradients flow through both terms of the sum, and to fn's weights",
            hint="The values are right, and a gradient is not: those for x and for the weights of fn are "
            "compared with the solution's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, shape: tuple[int, ...], criteria: tuple[str, ...], **more: Any) -> Case:
            d = shape[-1]
            x, matrix = rng.normal(0, 1, shape), rng.normal(0, 1, (d, d))
            return Case(name, criteria=criteria, x=as_single(x), matrix=as_single(matrix), **more)

        b, n, d = (int(k) for k in rng.integers((2, 3, 4), (4, 6, 7)))
        yield case(f"{b} images, {n} tokens, width {d}", (b, n, d), ("shape", "sum", "input"))
        yield case("a feature map, b c h w", (2, 3, 4, int(rng.integers(5, 8))), ("sum",))
        mask = (rng.permutation(b * n) % 2).reshape(b, n, 1)
        scale = float(rng.uniform(1.5, 3))
        yield case("with a mask and a scale", (b, n, d), ("kwargs",), mask=as_single(mask), scale=scale)
        yield case("fn returns its own input", (n, d), ("input",), same=True)
        yield case("the backward pass", (b, n, d), ("gradient",), aim=as_single(rng.normal(0, 1, (b, n, d))))

    def probe(self, answer, case):
        fn = known_branch(case["matrix"], give_back="same" in case)
        model = prepared(answer(fn))
        x = tensor(case["x"])
        named = {"mask": tensor(case["mask"]), "scale": case["scale"]} if "mask" in case else {}
        if "aim" not in case:
            return {"out": model(x, **named), "after": x}
        import torch

        leaf = x.requires_grad_()
        out = model(leaf * 1.0)
        record: dict[str, Any] = {"out": out}
        if not hasattr(out, "backward"):
            return record
        loss = (out * tensor(case["aim"])).sum()
        wanted = [leaf, *fn.parameters()]
        found = torch.autograd.grad(loss, wanted, allow_unused=True, retain_graph=True)
        names = ("to_x", "to_weights", "to_bias")
        record |= {k: torch.zeros_like(w) if g is None else g for k, g, w in zip(names, found, wanted, strict=True)}
        return record | {"learned": learned(model, out)}

    def judge(self, case, expected, got):
        wanted, given = expected["out"], got.get("out", NOTHING)
        yield same_shape("shape", wanted, given)
        for criterion in ("sum", "kwargs"):
            yield same(criterion, wanted, given, got.tolerance)
        if case.covers("input"):
            right = same("input", wanted, given, got.tolerance)
            yield right if not right.ok else same("input", case["x"], got.get("after"), got.tolerance, what="inputs")
        if case.covers("gradient"):
            found = [same("gradient", expected[k], got.get(k), got.tolerance, what="gradients") for k in _GRADIENTS]
            bad = next((f for f in found if not f.ok), None)
            counted = int(number_of(got, "learned")) == int(expected["learned"])
            yield bad or Finding("gradient", counted, "" if counted else "an optimiser would not find fn's weights")

    def picture(self, case, expected, got):
        return value_panels(expected["out"], got, "out", ("x", case["x"]))


_GRADIENTS = ("to_x", "to_weights", "to_bias")


class LayerNormQuestion(Question):
    id = "Q6b"
    title = "Layer normalisation by hand"
    signature = "LayerNorm(emb_size, eps=1e-5)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "the output has the shape of the input",
            share=0,
            hint="A norm changes no axis.",
        ),
        Criterion(
            "normal",
            "every token has mean 0 and variance 1, computed from its own numbers alone",
            share=2,
            hint="Take one token, one row of the picture, and compute it on paper: its mean, its "
            "variance (divided by d), then each number.",
        ),
        Criterion(
            "eps",
            "eps keeps a token of equal numbers finite, and is added to the variance",
            hint="Tokens of almost equal numbers are compared, with the default eps and with another one.",
        ),
        Criterion(
            "affine",
            "weight and bias act on each dimension, the weight first",
            hint="The check writes other numbers than ones and zeros into `weight` and `bias`, which must be "
            "parameters of the module. Follow one number through your last line.",
        ),
        Criterion(
            "any_axes",
            "any number of axes before the last one",
            hint="For (b, n, d) it works, for other inputs it does not. Count the axis that you normalise over from "
            "the end.",
        ),
        Criterion(
            "gradient",
            "gradients flow to x, through mean and variance too, and to weight and bias",
            hint="The values are right, and a gradient is not: those for x, weight and bias are compared "
            "with the solution's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def tokens(*shape: int) -> np.ndarray:
            centre, spread = rng.normal(0, 2, (*shape[:-1], 1)), rng.uniform(0.5, 3, (*shape[:-1], 1))
            return as_single(centre + spread * rng.normal(0, 1, shape))

        def affine(d: int) -> dict[str, np.ndarray]:
            return {"weight": as_single(rng.uniform(0.4, 2, d)), "bias": as_single(rng.normal(0, 1, d))}

        b, n = (2, 3) if rng.random() < 0.5 else (3, 2)
        yield Case(f"{b} images, {n} tokens, width 4", criteria=("shape", "normal"), x=tokens(b, n, 4))
        side = int(rng.integers(3, 5))
        yield Case("as many images as tokens as dimensions", criteria=("normal",), x=tokens(side, side, side))
        faint = 4e-3 * tokens(1, 3, 5)
        faint[0, 1] = 2.0  # all numbers of one token equal
        yield Case("tokens close to zero, and one of equal numbers", criteria=("eps",), x=faint)
        yield Case("a large eps", criteria=("eps",), x=tokens(2, 3, 4), eps=float(rng.uniform(0.3, 0.8)))
        yield Case("random weight and bias", criteria=("affine",), x=tokens(2, 3, 5), **affine(5))
        yield Case("a single token", criteria=("any_axes",), x=tokens(6), **affine(6))
        yield Case("four axes", criteria=("any_axes",), x=tokens(2, 3, 2, 4), **affine(4))
        aim = as_single(rng.normal(0, 1, (2, 3, 4)))
        yield Case("the backward pass", criteria=("gradient",), x=tokens(2, 3, 4), aim=aim, **affine(4))

    def probe(self, answer, case):
        d = case["x"].shape[-1]
        model = prepared(answer(d, eps=case["eps"]) if "eps" in case else answer(d))
        factor, summand = norm_parameters(model, d)
        if "weight" in case:
            put(factor, case["weight"])
            put(summand, case["bias"])
        x = tensor(case["x"])
        if "aim" not in case:
            return {"out": model(x)}
        import torch

        out = model(x.requires_grad_())
        record: dict[str, Any] = {"out": out}
        if not hasattr(out, "backward") or not out.requires_grad:
            return record
        wanted = [w for w in (x, factor, summand) if w is not None]
        found = torch.autograd.grad((out * tensor(case["aim"])).sum(), wanted, allow_unused=True, retain_graph=True)
        given = {id(w): torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found, strict=True)}
        for name, at in zip(("to_x", "to_factor", "to_summand"), (x, factor, summand), strict=True):
            record[name] = given.get(id(at), torch.zeros(1))
        return record

    def judge(self, case, expected, got):
        wanted, given = expected["out"], got.get("out", NOTHING)
        yield same_shape("shape", wanted, given)
        for criterion in ("normal", "eps", "affine", "any_axes"):
            yield same(criterion, wanted, given, got.tolerance)
        if case.covers("gradient"):
            names = [k for k in expected if k != "out"]
            flat = [(expected[k], None if k not in got else got[k].reshape(-1)) for k in names]
            found = [same("gradient", w.reshape(-1), g, 3 * got.tolerance, what="gradients") for w, g in flat]
            yield next((f for f in found if not f.ok), Finding("gradient", True))

    def picture(self, case, expected, got):
        return value_panels(expected["out"], got, "out", ("in", case["x"]))


QUESTIONS = (ResidualAddQuestion(), LayerNormQuestion())
