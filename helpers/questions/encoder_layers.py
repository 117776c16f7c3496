"""Lesson 06, second half: the feed-forward block and the whole encoder block, with weights drawn by the probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.block_parts import block_parts
from helpers.checks.given_parts import given_parts
from helpers.checks.gradients import same_gradients, with_gradient, with_paths
from helpers.checks.layouts import Layout, block_layout
from helpers.checks.module_probes import (
    MANY,
    NOTHING,
    as_single,
    dropout_spread,
    either_form,
    number_of,
    prepared,
    scatter_marks,
    scattered,
    silenced,
    value_marks,
)
from helpers.checks.placed_weights import (
    draw_weights,
    learned,
    place_block,
    place_feed_forward,
    put,
)  # fmt: skip
from helpers.checks.seeding import seed_torch
from helpers.pictures.encoder_block import activation_picture, value_panels

_OPTIONAL = ("bq", "bk", "bv", "bo")


class FeedForwardQuestion(Question):
    id = "Q7"
    title = "Feed-forward block"
    signature = "FeedForwardBlock(emb_size, expansion=4, drop_p=0.0)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "tokens go in and come out with the same width",
            share=0,
            hint="Compare the two shapes above. The last layer decides the width that comes out.",
        ),
        Criterion(
            "gelu",
            "the activation is a GELU",
            hint="The picture shows the block with one number in, one number out, and weights of one: "
            "only the activation is left. Compare it with the target on the left of zero.",
        ),
        Criterion(
            "maps",
            "a linear map to expansion times the width, the activation, a linear map back",
            share=2,
            hint="Known weights and biases were put into the two linear layers, and the output is "
            "compared with the solution's.",
        ),
        Criterion(
            "sizes",
            "other widths and other expansions",
            hint="With the default expansion it works. Look for a number that should be the name of an argument.",
        ),
        Criterion(
            "dropout",
            "drop_p drops widened numbers after the activation in training, and none in evaluation",
            hint="The two lines of numbers above compare which share of the numbers is zeroed, in "
            "training and in evaluation.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        bend = as_single(np.linspace(-4, 4, 33) + rng.uniform(-0.1, 0.1))
        yield Case("one number in, one number out", criteria=("gelu",), bend=bend)
        d = int(rng.integers(4, 7))
        x = as_single(rng.normal(0, 1, (2, 3, d)))
        seed = int(rng.integers(2**31))
        yield Case(f"width {d}, expansion not said", criteria=("shape", "maps"), x=x, hidden=4 * d, seed=seed)
        d, expansion = int(rng.integers(4, 7)), int(rng.choice([2, 3, 5]))
        x = as_single(rng.normal(0, 1, (1, 4, d)))
        name = f"width {d}, expansion {expansion}"
        seed = int(rng.integers(2**31))
        yield Case(name, criteria=("sizes",), x=x, hidden=expansion * d, expansion=expansion, seed=seed)
        p = float(rng.choice([0.3, 0.4, 0.5]))
        x = as_single(rng.normal(0, 1, (1, 1, 4)))
        seed = int(rng.integers(2**31))
        yield Case(
            f"drop_p = {p:g}", criteria=("dropout",), x=x, hidden=12, expansion=3, drop_p=p, seed=seed, many=MANY
        )

    def probe(self, answer, case):
        import torch

        if "bend" in case:
            model = prepared(answer(1, expansion=1))
            x = tensor(case["bend"])[:, None, None]
            model(x)  # layers that wait for their first input get their weights here
            for parameter in model.parameters() if hasattr(model, "parameters") else ():
                put(parameter, np.full(parameter.shape, float(parameter.ndim > 1), np.float32))
            out = torch.as_tensor(model(x))
            return {"bend": out.reshape(-1), "learned": learned(model, out)}
        d, hidden = case["x"].shape[-1], case["hidden"]
        model = prepared(answer(d, **{k: case[k] for k in ("expansion", "drop_p") if k in case}))
        x, weights = tensor(case["x"]), draw_weights(case["seed"], d, hidden)
        seed_torch(1)
        model(x)
        if "many" in case:
            weights["b1"], weights["w2"] = np.abs(weights["b1"]) / 6, 3 * weights["w2"]
        record: dict[str, Any] = {}
        for name, turned in (("out", False), ("turned", True)):
            place_feed_forward(model, weights, turned=turned)
            if "many" in case:
                record |= {f"{k}_{name}": v for k, v in dropout_spread(model, x, case["many"]).items()}
            else:
                seed_torch(1)
                record[name] = model(x)
        if "many" not in case:
            record["learned"] = learned(model, model(x))
        return record

    def judge(self, case, expected, got):
        if "bend" in case:
            curve = same("gelu", expected["bend"], got.get("bend"), max(5e-4, got.tolerance), what="values")
            weights = number_of(got, "learned") > 1
            yield curve if weights or not curve.ok else Finding("gelu", False, "there is nothing here that learns")
            return
        if "many" in case:
            yield scattered("dropout", expected, got, "out", "turned")
            return
        yield same_shape("shape", expected["out"], got.get("out", NOTHING))
        for criterion in ("maps", "sizes"):
            yield either_form(criterion, expected["out"], got, int(expected["learned"]))

    def features(self, case, expected, got):
        if "many" in case:
            return scatter_marks(expected, got, "out")
        return value_marks(expected, got) if "seed" in case else {"bend": got["bend"]}

    def picture(self, case, expected, got):
        if "bend" in case:
            return activation_picture(case["bend"], expected["bend"], None if got is None else got["bend"])
        if "many" in case:
            return None
        return value_panels(expected["out"], got, "out", ("in", case["x"]))


class EncoderBlockQuestion(Question):
    id = "Q7b"
    title = "Transformer encoder block"
    signature = "TransformerEncoderBlock(emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0)"
    needs_gradients = True
    criteria: ClassVar[tuple[Criterion, ...]] = (
        Criterion(
            "shape",
            "tokens go in and come out with the same shape",
            share=0,
            hint="The output has the shape of x: (b, n, emb_size).",
        ),
        Criterion(
            "attend",
            "the attention half: attention reads the normed tokens, and its output is added to the tokens themselves",
            share=2,
            hint="Here the feed-forward half adds nothing, since its last matrix is zero.",
        ),
        Criterion(
            "think",
            "the feed-forward half: it reads the normed tokens, and its output is added to the tokens themselves",
            share=2,
            hint="Here the attention half adds nothing, since its last matrix is zero.",
        ),
        Criterion(
            "order",
            "first the attention half, then the feed-forward half on its result, each with a norm of its own",
            share=2,
            hint="Here both halves add something, and the two norms hold different weights.",
        ),
        Criterion(
            "sizes",
            "other widths, numbers of heads and expansions",
            hint="The block was made with another emb_size, num_heads and expansion.",
        ),
        Criterion(
            "dropout",
            "drop_p acts on what each half adds, forward_drop_p inside the feed-forward, both in training only",
            hint="The mean and the spread of many outputs in training are compared with the solution's, for each of "
            "the two rates alone.",
        ),
        Criterion(
            "defaults",
            "without arguments: width 64, 4 heads, expansion 4, no dropout",
            counts_with=("order",),
            hint="The block made without arguments is compared with the one made with all of them written out.",
        ),
        Criterion(
            "trains",
            "gradients flow to x and to every weight of both halves",
            hint="The gradients for x and for the weights are compared with the solution's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def block(name: str, criteria: tuple[str, ...], x: tuple[int, ...], **sizes: Any) -> Case:
            seed = int(rng.integers(2**31))
            drawn = as_single(rng.normal(0, 1.5, x) + rng.normal(0, 1, (*x[:-1], 1)))
            return Case(name, criteria=criteria, x=drawn, seed=seed, **sizes)

        b, n = (2, 5) if rng.random() < 0.5 else (3, 4)
        small = {"emb_size": 8, "num_heads": 2, "expansion": 2}
        yield block("feed-forward silent", ("shape", "attend"), (b, n, 8), silent="think", **small)
        yield block("attention silent", ("think",), (b, n, 8), silent="attend", **small)
        yield block("both halves at work", ("order", "trains"), (b, n, 8), **small)
        sizes = {"emb_size": 12, "num_heads": int(rng.choice([3, 6])), "expansion": int(rng.choice([2, 5]))}
        yield block(f"width 12, {sizes['num_heads']} heads", ("sizes",), (1, 5, 12), **sizes)
        rate = float(rng.choice([0.3, 0.4]))
        yield block(f"drop_p = {rate:g}", ("dropout",), (1, 1, 8), drop_p=rate, many=MANY, **small)
        yield block(f"forward_drop_p = {rate:g}", ("dropout",), (1, 1, 8), forward_drop_p=rate, many=MANY, **small)
        yield block("no arguments at all", ("defaults",), (2, 3, 64))

    def probe(self, answer, case):
        with given_parts(answer, block_parts()) as found:
            if "emb_size" not in case:
                return _without_arguments(answer, case)
            record = placed(answer, case)
            if case.covers("order") and "FeedForwardBlock" not in found:
                record["bent"] = placed(answer, case, near=True)["out"]
            return record

    def judge(self, case, expected, got):
        if "many" in case:
            found = scattered("dropout", expected, got, "out", "turned")
            if not found.ok and "spread_bare" in got and "spread_bare" in expected:
                wanted, given = (
                    {
                        f"{what}_out": arrays[f"{what}_bare"]
                        for what in ("spread", "mean", "calm")
                        if f"{what}_bare" in arrays
                    }
                    for arrays in (expected, got)
                )
                found = scattered("dropout", wanted, given, "out") if len(given) == 3 else found
            yield found
            return
        if case.covers("defaults"):
            yield same("defaults", got["written"], got["left"], got.tolerance, what="numbers")
            return
        yield same_shape("shape", expected["out"], got.get("out", NOTHING))
        for criterion in ("attend", "think", "sizes"):
            yield either_form(criterion, expected["out"], got)
        order = either_form("order", expected["out"], got)
        if order.ok and "bent" in got and case.covers("order"):
            order = same("order", expected["bent"], got["bent"], max(5e-4, got.tolerance), what="numbers")
            order = order if order.ok else Finding("order", False, "the activation of its feed-forward is no GELU")
        yield order
        if case.covers("trains") and not order.ok:
            yield Finding("trains", False, "can be seen once the output is right", of="order")
        elif case.covers("trains"):
            yield same_gradients("trains", expected, got, got.tolerance, optional=_OPTIONAL)

    def features(self, case, expected, got):
        if "many" in case:
            return scatter_marks(expected, got, "out")
        if case.covers("defaults"):
            counts = np.asarray(got["counts"], np.float64)
            differ = got["written"].shape != got["left"].shape or not np.allclose(
                got["written"], got["left"], atol=1e-4
            )
            noisy = not np.allclose(got["left"], got["again"], atol=1e-5)
            return {"counts": counts / counts[-1], "differ": np.array([float(differ), float(noisy)])}
        marks = with_paths(expected, got, "out") | value_marks(expected, got)
        return marks | ({"bent": got["bent"]} if "bent" in got and case.covers("order") else {})

    def picture(self, case, expected, got):
        if "many" in case or case["x"].shape[-1] > 16:
            return None
        return value_panels(expected["out"], got, "out", ("x", case["x"]))


def placed(answer: Any, case: Case, *, near: bool = False) -> dict[str, Any]:
    """Outputs (and gradients) with the case's weights in the answer's own layers, wherever it keeps them.

    They are found by what they do. Where that fails, since the block is wired in another way, they are placed by name
    and shape, so that the values can tell which mistake it is.

    Args:
        near: biases of the hidden layer near zero, where activations differ.
    """
    given = {k: case[k] for k in ("emb_size", "num_heads", "expansion", "drop_p", "forward_drop_p") if k in case}
    model, d = prepared(answer(**given)), int(case["emb_size"])
    hidden = int(case["expansion"]) * d
    drawn = draw_weights(case["seed"], d, hidden)
    drawn |= {name: np.zeros(d, np.float32) for name in _OPTIONAL}  # a layer without a bias is as good
    weights = silenced(case, dict(drawn))
    if near:
        weights["b1"] = weights["b1"] / 12
    seed_torch(1)
    model(tensor(case["x"]))  # layers that wait for their first input get their weights here
    record: dict[str, Any] = {}
    layout = _layout(answer, model, case, d, hidden)
    for name, turned in (("out", False),) if layout else (("out", False), ("turned", True)):
        if layout:
            layout.write(weights)
        else:
            place_block(model, tensor(case["x"]), weights, turned=turned)
        if "many" in case:
            record |= {f"{k}_{name}": v for k, v in dropout_spread(model, tensor(case["x"]), case["many"]).items()}
            if layout and "drop_p" in case:  # what attention adds comes from its matrices, not from its last bias
                layout.write(weights | {"o": drawn["o"], "bo": drawn["bo"]})
                record |= {f"{k}_bare": v for k, v in dropout_spread(model, tensor(case["x"]), case["many"]).items()}
            continue
        seed_torch(1)
        leaf, x = with_gradient(case["x"])
        out = model(x)
        record[name] = out
        if layout and case.covers("trains"):
            record |= layout.gradients(out, {"x": leaf}, 5)
        record["learned"] = learned(model, out)
    return record


_found: tuple[Any, dict[tuple[int, ...], Any]] = (None, {})  # of the answer that was asked last, by sizes


def _layout(answer: Any, model: Any, case: Case, d: int, hidden: int) -> Layout | None:
    """Where this answer keeps its weights; tried out once for each size, since it makes its parts in the same order."""
    global _found
    if _found[0] is not answer:
        _found = (answer, {})
    sizes = (d, hidden, int(case["num_heads"]))
    if sizes not in _found[1]:
        try:
            model.eval()
            _found[1][sizes] = block_layout(model, d, hidden).places
        except Exception:
            _found[1][sizes] = None
    if hasattr(model, "train"):
        model.train()
    places = _found[1][sizes]
    return None if places is None else Layout([p for p in model.parameters() if p.requires_grad], places)


def _without_arguments(answer: Any, case: Case) -> dict[str, Any]:
    """Outputs, in training, of a block made without arguments and of one with all of them written out, with the same
    numbers in their parameters, one after the other."""
    written = {"emb_size": 64, "num_heads": 4, "expansion": 4, "drop_p": 0.0, "forward_drop_p": 0.0}
    record: dict[str, Any] = {}
    counts = []
    for name, given in (("left", dict[str, Any]()), ("written", written)):
        model, rng = prepared(answer(**given)), np.random.default_rng(case["seed"])
        x = tensor(case["x"])
        model(x)
        parameters = list(model.parameters()) if hasattr(model, "parameters") else []
        for p in parameters:
            size = 1.5 * max(p[0].numel(), 1) ** -0.5 if p.ndim > 1 else 0.5
            put(p, as_single(rng.normal(0, size, tuple(p.shape))))
        counts.append(sum(p.numel() for p in parameters))
        record[name] = model(x).detach()
        if name == "left":
            record["again"] = model(x).detach()
    return record | {"counts": np.array(counts, np.float64)}


QUESTIONS = (FeedForwardQuestion(), EncoderBlockQuestion())
