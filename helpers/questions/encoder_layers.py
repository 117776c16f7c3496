"""Lesson 06, second half: the feed-forward block and the whole encoder block, with weights drawn by the probe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
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
from helpers.pictures.encoder_block import bend_picture, value_panels


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
            "what bends is a GELU",
            hint="The picture shows your block with one number in, one number out, and weights of one: what is left is "
            "the bend alone. Compare it with the target on the left of zero.",
        ),
        Criterion(
            "maps",
            "a linear map to expansion times the width, the bend, a linear map back",
            share=2,
            hint="Two linear layers with biases, one bend between them, nothing else that changes a number. Write the "
            "width beside each line of yours.",
        ),
        Criterion(
            "sizes",
            "other widths and other expansions",
            hint="With the default expansion it works. Look for a number that should be the name of an argument.",
        ),
        Criterion(
            "dropout",
            "drop_p drops widened numbers after the bend while training, and nothing in eval",
            hint="Compare the two lines of numbers above. Which share of what is zeroed, where, and does .eval() turn "
            "it off?",
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
            return bend_picture(case["bend"], expected["bend"], None if got is None else got["bend"])
        if "many" in case:
            return None
        return value_panels(expected["out"], got, "out", ("in", case["x"]))


class EncoderBlockQuestion(Question):
    id = "Q7b"
    title = "Transformer encoder block"
    signature = "TransformerEncoderBlock(emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "tokens go in and come out with the same shape",
            share=0,
            hint="Both halves add to the stream, so nothing may change its shape.",
        ),
        Criterion(
            "attend",
            "the attention half: it reads a normed copy and adds to the untouched stream",
            share=2,
            hint="Here the feed-forward half is silent: what you see is x and what attention adds. Follow the drawing "
            "of the first half from left to right, and your line with it.",
        ),
        Criterion(
            "think",
            "the feed-forward half: the same again",
            share=2,
            hint="Here attention is silent: what you see is x and what the feed-forward adds. What does it read, and "
            "what is its result added to?",
        ),
        Criterion(
            "order",
            "first attention, then, on its result, feed-forward; each half has a norm of its own",
            share=2,
            hint="Each half alone is right, both together are not. What does the second half get to read?",
        ),
        Criterion(
            "sizes",
            "other widths, heads and expansions",
            hint="Right for one size, wrong for another. Which of the five arguments never arrives where it should?",
        ),
        Criterion(
            "dropout",
            "drop_p drops what either half adds, forward_drop_p acts inside the feed-forward, both in training only",
            hint="Two rates, three places. Compare the means and spreads above with and without your Dropouts.",
        ),
        Criterion(
            "defaults",
            "without arguments: width 64, 4 heads, expansion 4, no dropout",
            hint="Called without arguments your block gives something else, or holds another number of weights. "
            "Compare the first line of your `__init__` with the question's.",
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
        yield block("both halves at work", ("order",), (b, n, 8), **small)
        sizes = {"emb_size": 12, "num_heads": int(rng.choice([3, 6])), "expansion": int(rng.choice([2, 5]))}
        yield block(f"width 12, {sizes['num_heads']} heads", ("sizes",), (1, 5, 12), **sizes)
        rate = float(rng.choice([0.3, 0.4]))
        yield block(
            f"drop_p = {rate:g}", ("dropout",), (1, 1, 4), emb_size=4, num_heads=2, expansion=2, drop_p=rate, many=MANY
        )
        yield block(
            f"forward_drop_p = {rate:g}", ("dropout",), (1, 1, 4), emb_size=4, num_heads=2, expansion=2,
            forward_drop_p=rate, many=MANY,
        )  # fmt: skip
        yield block("no arguments at all", ("defaults",), (1, 3, 64))

    def probe(self, answer, case):

        given = {k: case[k] for k in ("emb_size", "num_heads", "expansion", "drop_p", "forward_drop_p") if k in case}
        model, x = prepared(answer(**given)), tensor(case["x"])
        d = x.shape[-1]
        seed_torch(1)
        model(x)
        weights = silenced(case, draw_weights(case["seed"], d, case.get("expansion", 4) * d))
        record: dict[str, Any] = {}
        for name, turned in (("out", False), ("turned", True)):
            place_block(model, x, weights, turned=turned)
            if "many" in case:
                record |= {f"{k}_{name}": v for k, v in dropout_spread(model, x, case["many"]).items()}
            else:
                seed_torch(1)
                record[name] = model(x)
        if "many" not in case:
            record["learned"] = learned(model, model(x))
        return record

    def judge(self, case, expected, got):
        if "many" in case:
            yield scattered("dropout", expected, got, "out", "turned")
            return
        yield same_shape("shape", expected["out"], got.get("out", NOTHING))
        for criterion in ("attend", "think", "order", "sizes"):
            yield either_form(criterion, expected["out"], got)
        if case.covers("defaults"):
            yield either_form("defaults", expected["out"], got, int(expected["learned"]))

    def features(self, case, expected, got):
        if "many" in case:
            return scatter_marks(expected, got, "out")
        return value_marks(expected, got)

    def picture(self, case, expected, got):
        if "many" in case or case["x"].shape[-1] > 16:
            return None
        return value_panels(expected["out"], got, "out", ("x", case["x"]))


QUESTIONS = (FeedForwardQuestion(), EncoderBlockQuestion())
