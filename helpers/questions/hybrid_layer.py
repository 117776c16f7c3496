"""Lesson 10: a hybrid layer from an empty cell (Q21b), and CvT's token embedding (Q21c).

In Q21b the kernels of queries, keys and values are filled, in the order of registration, with slices of one drawn
array. The instructor's reference holds the output for every order, so layers may have any names and may be fused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.gradients import gradients, same_gradients
from helpers.checks.module_probes import NOTHING, as_single, prepared
from helpers.checks.placed_weights import norm_parameters, put


class HybridLayerFromMemory(Question):
    id = "Q21b"
    title = "A hybrid layer from an empty cell"
    signature = "HybridLayer(channels, inner, kernel_size=3); forward(x): (b, channels, h, w) -> the same"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "a feature map comes out as it went in: (b, channels, h, w)",
            share=0,
            hint="The last convolution maps back to `channels`, and the positions become rows and columns again.",
        ),
        Criterion(
            "start",
            "a new layer returns x unchanged",
            counts_with=("values",),
            hint="The check calls a new layer before it fills its weights. The last convolution starts at zero.",
        ),
        Criterion(
            "values",
            "x plus the projected attention: scaled scores, softmax over the keys, weighted values",
            share=2,
            hint="The check fills all kernels with random numbers. Give all positions the same value and look at the "
            "sum of the weights.",
        ),
        Criterion(
            "sizes",
            "other kernels, and maps that are not square",
            share=1,
            hint="The kernel size is 1 or 5 here, or the map is higher than wide.",
        ),
        Criterion(
            "gradient",
            "gradients flow from the output to the input",
            share=1,
            counts_with=("values",),
            hint="The check compares the gradient with respect to the input.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(criteria: tuple[str, ...], c: int, inner: int, k: int, h: int, w: int) -> Case:
            x, aim = as_single(rng.normal(size=(2, 2, c, h, w)))
            kernels = as_single(rng.normal(0, 1.4 / np.sqrt(c * k * k), (3, inner, c, k, k)))
            back = as_single(rng.normal(0, 1, (c, inner)))
            sizes = {"channels": c, "inner": inner, "kernel_size": k}
            name = f"{c} channels, inner {inner}, kernel {k}, {h} x {w} positions"
            return Case(name, criteria=criteria, x=x, aim=aim, kernels=kernels, back=back, **sizes)

        yield case(("shape", "start", "values", "gradient"), 4, 2, 3, 4, 4)
        yield case(("values",), 5, 3, 3, 3, int(rng.integers(4, 6)))
        yield case(("sizes",), 4, 3, 1, int(rng.integers(4, 6)), 3)
        yield case(("sizes",), 3, 2, 5, 5, 3)

    def probe(self, answer, case):
        import torch

        model = prepared(answer(case["channels"], case["inner"], kernel_size=case["kernel_size"]))
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"an nn.Module was expected, and {type(model).__name__} came back")
        x = tensor(case["x"]).requires_grad_()
        record = {"start": model(x)} if case.covers("start") else {}
        _fill(model, case)
        record["out"] = out = model(x)
        if case.covers("gradient") and out.shape == x.shape and out.requires_grad:
            (record["slope"],) = torch.autograd.grad((out * tensor(case["aim"])).sum(), x)
        return record

    def judge(self, case, expected, got):
        given, ways = got.get("out", NOTHING), expected["ways"]
        if case.covers("shape"):
            yield same_shape("shape", expected["out"], given)
        if case.covers("start"):
            yield same("start", expected["start"], got.get("start", NOTHING), got.tolerance, what="numbers")
        fits = given.shape == ways.shape[1:] and np.isfinite(given).all()
        way = int(np.abs(ways - given).reshape(len(ways), -1).max(1).argmin()) if fits else 0
        for criterion in ("values", "sizes"):
            if case.covers(criterion):
                yield same(criterion, ways[way], given, max(got.tolerance, 1e-5), what="numbers")
        if case.covers("gradient"):
            slope = got.get("slope", NOTHING)
            if slope.size == 0:
                yield Finding("gradient", False, "no gradient reaches the input")
            else:
                yield same("gradient", expected["slopes"][way], slope, max(got.tolerance, 1e-4), what="slopes")


class ConvTokenEmbedding(Question):
    id = "Q21c"
    title = "CvT's token embedding"
    signature = (
        "ConvTokenEmbedding(in_channels, emb_size, kernel_size=7, stride=4, padding=2); "
        "forward(x): (b, in_channels, h, w) -> tokens (b, n, emb_size), (rows, columns)"
    )
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "tokens (b, n, emb_size) and their grid (rows, columns)",
            share=0,
            hint="Return a tensor and a pair of whole numbers whose product is n.",
        ),
        Criterion(
            "values",
            "a convolution, tokens row by row, then a LayerNorm over the channels",
            share=2,
            hint="The check fills the convolution and the norm with random numbers and compares the tokens.",
        ),
        Criterion(
            "grid",
            "the grid of the convolution's output, for images that are not square too",
            share=1,
            counts_with=("values",),
            hint="A convolution of kernel k, stride s and padding p turns h into (h + 2p - k) // s + 1.",
        ),
        Criterion(
            "later",
            "other kernels and strides, as CvT uses them in its later stages",
            share=1,
            hint="Kernel, stride and padding are other than the defaults here.",
        ),
        Criterion(
            "gradient",
            "gradients reach the image, the convolution and the norm",
            share=1,
            counts_with=("values",),
            hint="The check compares the gradients of the image, the kernel and the norm's factor.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, criteria: tuple[str, ...], h: int, w: int, c: int = 3, **more: int) -> Case:
            d, k = int(rng.integers(4, 7)), more.get("kernel_size", 7)
            drawn = {"x": rng.normal(size=(2, c, h, w)), "kernel": rng.normal(0, 1 / k, (d, c, k, k))}
            drawn |= {"bias": rng.normal(size=d), "factor": rng.uniform(0.4, 2, d), "summand": rng.normal(size=d)}
            given = {n: as_single(a) for n, a in drawn.items()}
            return Case(f"{h} x {w} pixels, {name}", criteria=criteria, emb_size=d, **given, **more)

        yield case("as by default", ("shape", "values", "gradient", "grid"), 16, 16)
        yield case("as by default", ("values", "grid"), 15, int(rng.choice([20, 24])))
        yield case("kernel 3, stride 2", ("later",), 8, 6, 2, kernel_size=3, stride=2, padding=1)
        yield case(
            "kernel 5, stride 3", ("later",), 9, int(rng.integers(10, 13)), 2, kernel_size=5, stride=3, padding=0
        )

    def probe(self, answer, case):
        more = {name: case[name] for name in ("kernel_size", "stride", "padding") if name in case}
        model = prepared(answer(case["x"].shape[1], case["emb_size"], **more))
        wanted: dict[str, Any] = {"x": tensor(case["x"]).requires_grad_()}
        for parameter in model.parameters():
            if parameter.ndim == 4 and tuple(parameter.shape) == case["kernel"].shape:
                put(parameter, case["kernel"])
                wanted["kernel"] = parameter
        norms = [m for m in model.modules() if getattr(m, "weight", None) is not None and m.weight.ndim == 1]
        for module in model.modules():
            weight = getattr(module, "weight", None)
            if weight is not None and weight.ndim == 4 and getattr(module, "bias", None) is not None:
                put(module.bias, case["bias"])
        if norms:
            factor, summand = norm_parameters(norms[0], case["emb_size"])
            put(factor, case["factor"])
            put(summand, case["summand"])
            wanted["factor"] = factor
        tokens, grid = model(wanted["x"] * 1)
        record = {"tokens": tokens, "grid": np.array([int(n) for n in grid], np.float64)}
        return record | (gradients(tokens, wanted, 5) if case.covers("gradient") else {})

    def judge(self, case, expected, got):
        given, grid = got.get("tokens", NOTHING), np.asarray(got.get("grid", NOTHING), np.float64).reshape(-1)
        if case.covers("shape"):
            yield same_shape("shape", expected["tokens"], given)
        for criterion in ("values", "later"):
            if case.covers(criterion):
                yield same(criterion, expected["tokens"], given, max(got.tolerance, 2e-5), what="numbers")
        if case.covers("grid"):
            right = np.array_equal(grid, expected["grid"])
            yield Finding("grid", right, "" if right else f"expected {expected['grid']}, got {grid[:4]}")
        if case.covers("gradient"):
            yield same_gradients("gradient", expected, got, max(got.tolerance, 1e-4))


QUESTIONS = (HybridLayerFromMemory(), ConvTokenEmbedding())


def _fill(model: Any, case: Case) -> None:
    """Fill the convolutions of a hybrid layer in the order of registration, and set all biases to zero.

    Raises:
        ValueError: the kernels are not those of queries, keys, values and a 1 x 1 projection.
    """
    c, inner, k = case["channels"], case["inner"], case["kernel_size"]
    rows = case["kernels"].reshape(3 * inner, c, k, k)
    start, projected = 0, False
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        if parameter.ndim == 1:
            put(parameter, np.zeros(shape, np.float32))
        elif parameter.numel() == c * inner and shape[:2] == (c, inner) and not projected:
            put(parameter, case["back"])
            projected = True
        elif parameter.ndim >= 2 and shape[0] % inner == 0 and parameter[0].numel() == c * k * k:
            part = rows[start : start + shape[0]]
            start += shape[0]
            if len(part) != shape[0]:
                raise ValueError(f"more kernels than queries, keys and values need: {name} {shape}")
            put(parameter, part)
        else:
            raise ValueError(f"a parameter that is no kernel of this layer: {name} {shape}")
    if start != 3 * inner or not projected:
        raise ValueError(
            f"kernels for queries, keys and values ({3 * inner} x {c} x {k} x {k} in all) and a 1 x 1 projection from "
            f"{inner} to {c} channels were expected"
        )
