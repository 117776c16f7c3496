"""Lesson 06: the parts of an encoder block, and the block.

Weights are drawn by the probe and put into the answer's own layers, whatever their layout, so that values can be
compared. Each criterion has inputs of its own that look at one thing with the others silent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.placed_weights import (
    draw_weights,
    learned,
    norm_parameters,
    place_block,
    place_feed_forward,
    put,
)  # fmt: skip
from helpers.pictures.encoder_block import bend_picture, panels_picture

_MANY = 4096  # samples behind a mean and a spread
_NOTHING = np.zeros(0)


class ResidualAddQuestion(Question):
    id = "Q6"
    title = "Residual connection"
    signature = "ResidualAdd(fn); forward(x, **kwargs)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "what comes out is shaped like x",
            share=0,
            hint="x and what fn makes of it have one shape, and their sum has it too. What changes it on the way?",
        ),
        Criterion(
            "sum",
            "x comes back with what fn made of it on top",
            share=2,
            hint="Take one number of the picture: what was x there, what did fn say, and what should the two give?",
        ),
        Criterion(
            "kwargs",
            "keyword arguments reach fn, by their names",
            hint="Without keyword arguments all is well. With a mask and a scale fn should do something else; does it "
            "hear of them?",
        ),
        Criterion(
            "input",
            "the caller's own x is left as it was",
            hint="After the call the caller's x holds other numbers than before. Which line writes into a tensor "
            "instead of making a new one?",
        ),
        Criterion(
            "gradient",
            "a gradient takes both ways, and reaches fn's weights",
            hint="The values are right, the gradients are not. Is everything between x and the sum something that "
            "autograd can follow, and is fn a part of the module?",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, shape: tuple[int, ...], criteria: tuple[str, ...], **more: Any) -> Case:
            d = shape[-1]
            x, matrix = rng.normal(0, 1, shape), rng.normal(0, 1, (d, d))
            return Case(name, criteria=criteria, x=_single(x), matrix=_single(matrix), **more)

        b, n, d = (int(k) for k in rng.integers((2, 3, 4), (4, 6, 7)))
        yield case(f"{b} images, {n} tokens, width {d}", (b, n, d), ("shape", "sum", "input"))
        yield case("a feature map, b c h w", (2, 3, 4, int(rng.integers(5, 8))), ("sum",))
        mask = (rng.permutation(b * n) % 2).reshape(b, n, 1)
        scale = float(rng.uniform(1.5, 3))
        yield case("with a mask and a scale", (b, n, d), ("kwargs",), mask=_single(mask), scale=scale)
        yield case("fn gives back the very tensor it got", (n, d), ("input",), same=True)
        yield case("the way back", (b, n, d), ("gradient",), aim=_single(rng.normal(0, 1, (b, n, d))))

    def probe(self, answer, case):
        fn = _branch(case["matrix"], give_back="same" in case)
        model = _ready(answer(fn))
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
        wanted, given = expected["out"], got.get("out", _NOTHING)
        yield same_shape("shape", wanted, given)
        for criterion in ("sum", "kwargs"):
            yield same(criterion, wanted, given, got.tolerance)
        if case.covers("input"):
            right = same("input", wanted, given, got.tolerance)
            yield right if not right.ok else same("input", case["x"], got.get("after"), got.tolerance, what="inputs")
        if case.covers("gradient"):
            found = [same("gradient", expected[k], got.get(k), got.tolerance, what="gradients") for k in _GRADIENTS]
            bad = next((f for f in found if not f.ok), None)
            counted = int(_number(got, "learned")) == int(expected["learned"])
            yield bad or Finding("gradient", counted, "" if counted else "an optimiser would not find fn's weights")

    def picture(self, case, expected, got):
        return _panels(case, expected["out"], got, "out", ("x", case["x"]))


_GRADIENTS = ("to_x", "to_weights", "to_bias")


class LayerNormQuestion(Question):
    id = "Q6b"
    title = "Layer norm by hand"
    signature = "LayerNorm(emb_size, eps=1e-5)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "what comes out is shaped like what goes in",
            share=0,
            hint="One number in, one number out. Which of your lines changes the number of axes?",
        ),
        Criterion(
            "normal",
            "every token is brought to mean 0 and variance 1, by its own numbers alone",
            share=2,
            hint="Take one token, one row of the picture, and work it out on paper: its mean, its variance (d numbers, "
            "divided by d), then each number. Where do you and your code part?",
        ),
        Criterion(
            "eps",
            "eps keeps a token of equal numbers finite, and acts where it should",
            hint="Ordinary tokens come out right, tokens of almost equal numbers don't. What is eps added to, and is "
            "it the eps that was given?",
        ),
        Criterion(
            "affine",
            "weight and bias act on each dimension, the weight first",
            hint="With weights of one and biases of zero all is well. Set them otherwise, and follow one number "
            "through your last line.",
        ),
        Criterion(
            "any_axes",
            "any number of axes before the last one",
            hint="For (b, n, d) it works, for other inputs it doesn't. Count the axis that you norm over from the end.",
        ),
        Criterion(
            "gradient",
            "a gradient reaches x, through mean and variance too, and both weight and bias",
            hint="The values are right, the gradients are not. Is anything detached, or no nn.Parameter?",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def tokens(*shape: int) -> np.ndarray:
            centre, spread = rng.normal(0, 2, (*shape[:-1], 1)), rng.uniform(0.5, 3, (*shape[:-1], 1))
            return _single(centre + spread * rng.normal(0, 1, shape))

        def affine(d: int) -> dict[str, np.ndarray]:
            return {"weight": _single(rng.uniform(0.4, 2, d)), "bias": _single(rng.normal(0, 1, d))}

        b, n = (2, 3) if rng.random() < 0.5 else (3, 2)
        yield Case(f"{b} images, {n} tokens, width 4", criteria=("shape", "normal"), x=tokens(b, n, 4))
        side = int(rng.integers(3, 5))
        yield Case("as many images as tokens as dimensions", criteria=("normal",), x=tokens(side, side, side))
        faint = 4e-3 * tokens(1, 3, 5)
        faint[0, 1] = 2.0  # all numbers of one token equal
        yield Case("faint tokens, and one of equal numbers", criteria=("eps",), x=faint)
        yield Case("a large eps", criteria=("eps",), x=tokens(2, 3, 4), eps=float(rng.uniform(0.3, 0.8)))
        yield Case("drawn weight and bias", criteria=("affine",), x=tokens(2, 3, 5), **affine(5))
        yield Case("a single token", criteria=("any_axes",), x=tokens(6), **affine(6))
        yield Case("four axes", criteria=("any_axes",), x=tokens(2, 3, 2, 4), **affine(4))
        aim = _single(rng.normal(0, 1, (2, 3, 4)))
        yield Case("the way back", criteria=("gradient",), x=tokens(2, 3, 4), aim=aim, **affine(4))

    def probe(self, answer, case):
        d = case["x"].shape[-1]
        model = _ready(answer(d, eps=case["eps"]) if "eps" in case else answer(d))
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
        wanted, given = expected["out"], got.get("out", _NOTHING)
        yield same_shape("shape", wanted, given)
        for criterion in ("normal", "eps", "affine", "any_axes"):
            yield same(criterion, wanted, given, got.tolerance)
        if case.covers("gradient"):
            names = [k for k in expected if k != "out"]
            flat = [(expected[k], None if k not in got else got[k].reshape(-1)) for k in names]
            found = [same("gradient", w.reshape(-1), g, 3 * got.tolerance, what="gradients") for w, g in flat]
            yield next((f for f in found if not f.ok), Finding("gradient", True))

    def picture(self, case, expected, got):
        return _panels(case, expected["out"], got, "out", ("in", case["x"]))


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
        bend = _single(np.linspace(-4, 4, 33) + rng.uniform(-0.1, 0.1))
        yield Case("one number in, one number out", criteria=("gelu",), bend=bend)
        d = int(rng.integers(4, 7))
        x = _single(rng.normal(0, 1, (2, 3, d)))
        seed = int(rng.integers(2**31))
        yield Case(f"width {d}, expansion not said", criteria=("shape", "maps"), x=x, hidden=4 * d, seed=seed)
        d, expansion = int(rng.integers(4, 7)), int(rng.choice([2, 3, 5]))
        x = _single(rng.normal(0, 1, (1, 4, d)))
        name = f"width {d}, expansion {expansion}"
        seed = int(rng.integers(2**31))
        yield Case(name, criteria=("sizes",), x=x, hidden=expansion * d, expansion=expansion, seed=seed)
        p = float(rng.choice([0.3, 0.4, 0.5]))
        x = _single(rng.normal(0, 1, (1, 1, 4)))
        seed = int(rng.integers(2**31))
        yield Case(
            f"drop_p = {p:g}", criteria=("dropout",), x=x, hidden=12, expansion=3, drop_p=p, seed=seed, many=_MANY
        )

    def probe(self, answer, case):
        import torch

        if "bend" in case:
            model = _ready(answer(1, expansion=1))
            x = tensor(case["bend"])[:, None, None]
            model(x)  # layers that wait for their first input get their weights here
            for parameter in model.parameters() if hasattr(model, "parameters") else ():
                put(parameter, np.full(parameter.shape, float(parameter.ndim > 1), np.float32))
            out = torch.as_tensor(model(x))
            return {"bend": out.reshape(-1), "learned": learned(model, out)}
        d, hidden = case["x"].shape[-1], case["hidden"]
        model = _ready(answer(d, **{k: case[k] for k in ("expansion", "drop_p") if k in case}))
        x, weights = tensor(case["x"]), draw_weights(case["seed"], d, hidden)
        torch.manual_seed(1)
        model(x)
        if "many" in case:
            weights["b1"], weights["w2"] = np.abs(weights["b1"]) / 6, 3 * weights["w2"]
        record: dict[str, Any] = {}
        for name, turned in (("out", False), ("turned", True)):
            place_feed_forward(model, weights, turned=turned)
            if "many" in case:
                record |= {f"{k}_{name}": v for k, v in _spread(model, x, case["many"]).items()}
            else:
                torch.manual_seed(1)
                record[name] = model(x)
        if "many" not in case:
            record["learned"] = learned(model, model(x))
        return record

    def judge(self, case, expected, got):
        if "bend" in case:
            curve = same("gelu", expected["bend"], got.get("bend"), max(5e-4, got.tolerance), what="values")
            weights = _number(got, "learned") > 1
            yield curve if weights or not curve.ok else Finding("gelu", False, "there is nothing here that learns")
            return
        if "many" in case:
            yield _scattered("dropout", expected, got, "out", "turned")
            return
        yield same_shape("shape", expected["out"], got.get("out", _NOTHING))
        for criterion in ("maps", "sizes"):
            yield _either(criterion, expected["out"], got, int(expected["learned"]))

    def features(self, case, expected, got):
        if "many" in case:
            return _scatter_marks(expected, got, "out")
        return _marks(expected, got) if "seed" in case else {"bend": got["bend"]}

    def picture(self, case, expected, got):
        if "bend" in case:
            return bend_picture(case["bend"], expected["bend"], None if got is None else got["bend"])
        if "many" in case:
            return None
        return _panels(case, expected["out"], got, "out", ("in", case["x"]))


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
            drawn = _single(rng.normal(0, 1.5, x) + rng.normal(0, 1, (*x[:-1], 1)))
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
            f"drop_p = {rate:g}", ("dropout",), (1, 1, 4), emb_size=4, num_heads=2, expansion=2, drop_p=rate, many=_MANY
        )
        yield block(
            f"forward_drop_p = {rate:g}", ("dropout",), (1, 1, 4), emb_size=4, num_heads=2, expansion=2,
            forward_drop_p=rate, many=_MANY,
        )  # fmt: skip
        yield block("no arguments at all", ("defaults",), (1, 3, 64))

    def probe(self, answer, case):
        import torch

        given = {k: case[k] for k in ("emb_size", "num_heads", "expansion", "drop_p", "forward_drop_p") if k in case}
        model, x = _ready(answer(**given)), tensor(case["x"])
        d = x.shape[-1]
        torch.manual_seed(1)
        model(x)
        weights = _silenced(case, draw_weights(case["seed"], d, case.get("expansion", 4) * d))
        record: dict[str, Any] = {}
        for name, turned in (("out", False), ("turned", True)):
            place_block(model, x, weights, turned=turned)
            if "many" in case:
                record |= {f"{k}_{name}": v for k, v in _spread(model, x, case["many"]).items()}
            else:
                torch.manual_seed(1)
                record[name] = model(x)
        if "many" not in case:
            record["learned"] = learned(model, model(x))
        return record

    def judge(self, case, expected, got):
        if "many" in case:
            yield _scattered("dropout", expected, got, "out", "turned")
            return
        yield same_shape("shape", expected["out"], got.get("out", _NOTHING))
        for criterion in ("attend", "think", "order", "sizes"):
            yield _either(criterion, expected["out"], got)
        if case.covers("defaults"):
            yield _either("defaults", expected["out"], got, int(expected["learned"]))

    def features(self, case, expected, got):
        if "many" in case:
            return _scatter_marks(expected, got, "out")
        return _marks(expected, got)

    def picture(self, case, expected, got):
        if "many" in case or case["x"].shape[-1] > 16:
            return None
        return _panels(case, expected["out"], got, "out", ("x", case["x"]))


QUESTIONS = (ResidualAddQuestion(), LayerNormQuestion(), FeedForwardQuestion(), EncoderBlockQuestion())


def _single(array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float32)


def _ready(model: Any) -> Any:
    """On the device that checks run on, and training, as a new module is."""
    from helpers.device import device

    return model.to(device()) if hasattr(model, "to") else model


def _branch(matrix: np.ndarray, *, give_back: bool) -> Any:
    """A module that bends x through a matrix, or hands it back as it is; it listens to `mask` and `scale`."""
    import torch
    from torch import nn

    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.as_tensor(matrix))
            self.bias = nn.Parameter(torch.linspace(-0.5, 0.5, len(matrix)))

        def forward(self, x, *, mask=None, scale=None):
            y = x if give_back else torch.tanh(nn.functional.linear(x, self.weight.to(x), self.bias.to(x)))
            y = y if mask is None else y * mask
            return y if scale is None else y * scale

    return _ready(Branch())


def _silenced(case: Case, weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The drawn weights with one half of the block, or all but its summands, set to zero."""
    zero: tuple[str, ...] = {"think": ("w2", "b2"), "attend": ("o", "bo")}.get(case.get("silent", ""), ())
    if "silent" in case:
        weights |= {"norm2": weights["norm1"], "bnorm2": weights["bnorm1"]}
    if "drop_p" in case:
        zero = ("o", "w2")
        weights |= {"bo": np.linspace(1.0, 1.6, 4), "b2": np.linspace(1.5, 1.0, 4)}
    if "forward_drop_p" in case:
        zero = ("o", "bo")
        weights |= {"b1": np.abs(weights["b1"]) / 6, "w2": 3 * weights["w2"]}
    return weights | {name: np.zeros_like(weights[name]) for name in zero}


def _spread(model: Any, x: Any, many: int) -> dict[str, Any]:
    """Mean and spread of what one token becomes in training, many times over, and what it becomes in eval."""
    import torch

    with torch.no_grad():
        torch.manual_seed(2)
        out = model(x.expand(many, *x.shape[1:]).clone())
        if hasattr(model, "eval"):
            model.eval()
        calm = model(x.repeat(2, 1, 1))
        if hasattr(model, "train"):
            model.train()
    return {"mean": out.mean(0), "spread": out.std(0), "calm": calm}


def _marks(expected: Any, got: Any) -> dict[str, np.ndarray]:
    """The values; or, where many weights are none of those that were drawn, their number alone."""
    found, shape = _number(got, "learned"), np.shape(got["out"])
    marks = {"learned": np.array([found]), "shape": np.array(shape, np.float64)}
    most = 4 * np.shape(expected["out"])[-1]  # a norm more or less, which is no matter of chance
    return marks | ({"out": got["out"]} if abs(found - int(expected["learned"])) <= most else {})


def _either(criterion: str, wanted: np.ndarray, got: Any, count: int | None = None) -> Finding:
    """Met when the answer agrees with its matrices kept one way or the other, and holds `count` numbers that learn."""
    found = [same(criterion, wanted, got.get(name), max(2e-3, got.tolerance)) for name in ("out", "turned")]
    bad = next((f for f in found if not f.ok), None) if not any(f.ok for f in found) else None
    if bad is not None:
        return bad
    seen = int(_number(got, "learned"))
    if count is not None and seen != count:
        return Finding(criterion, False, f"{seen:,} numbers learn; it should be {count:,}")
    return Finding(criterion, True)


def _scattered(criterion: str, expected: Any, got: Any, *ways: str) -> Finding:
    """Met when mean, spread and the value in eval agree, up to chance."""
    details = []
    for way in ways:
        bad = [what for what, ok in _scatter(expected, got, way).items() if not ok]
        if not bad:
            return Finding(criterion, True)
        details.append(_scatter_text(expected, got, way, bad[0]))
    return Finding(criterion, False, details[0])


def _scatter(expected: Any, got: Any, way: str) -> dict[str, bool]:
    found = {}
    spread = np.asarray(expected["spread_out"], np.float64)
    room = {"spread": 0.09 * spread, "mean": 0.13 * spread, "calm": 2e-3 * (1 + np.abs(expected["calm_out"]))}
    for what in ("spread", "mean", "calm"):
        wanted, given = np.asarray(expected[f"{what}_out"]), np.asarray(got.get(f"{what}_{way}", _NOTHING))
        same_size = wanted.shape == given.shape
        found[what] = same_size and bool((np.abs(np.nan_to_num(given, nan=1e9) - wanted) <= room[what]).all())
    return found


_WORDS = {"spread": "spread in training", "mean": "mean in training", "calm": "in eval"}


def _scatter_text(expected: Any, got: Any, way: str, what: str) -> str:
    wanted, given = expected[f"{what}_out"], np.asarray(got.get(f"{what}_{way}", _NOTHING))
    if given.shape != wanted.shape:
        return "the output has another shape"
    first = [", ".join(f"{v:.2f}" for v in a.reshape(-1)[:4]) for a in (wanted, given)]
    return f"{_WORDS[what]}: expected about {first[0]}, got {first[1]}"


def _scatter_marks(expected: Any, got: Any, way: str) -> dict[str, np.ndarray]:
    """What dropout did, in coarse marks that don't depend on which numbers were dropped."""
    marks = {k: np.array([float(v)]) for k, v in _scatter(expected, got, way).items()}
    given, wanted = np.asarray(got.get(f"spread_{way}", _NOTHING)), np.asarray(expected["spread_out"])
    if given.shape != wanted.shape or not np.isfinite(given).all():
        return marks | {"shape": np.array(given.shape, np.float64)}
    calm = np.asarray(got.get(f"calm_{way}", _NOTHING), np.float64)
    steady = calm.shape[:1] == (2,) and np.allclose(calm[0], calm[1], atol=1e-5)
    return marks | {
        "ratio": np.round(4 * given.mean() / wanted.mean()).reshape(1),
        "never": np.array([float(given.max(initial=0) < 1e-6)]),
        "steady": np.array([float(steady)]),
    }


def _number(got: Any, name: str) -> float:
    value = np.asarray(got.get(name, 0))
    return float(value) if value.ndim == 0 and np.isfinite(value) and abs(float(value)) < 1e9 else -1.0


def _panels(case: Case, wanted: np.ndarray, got: Any, name: str, first: tuple[str, np.ndarray]) -> Any:
    panels = [first, ("target", wanted)]
    if got is not None and np.ndim(got.get(name, _NOTHING)) >= 1 and got[name].size:
        panels.append(("yours", got[name]))
    return panels_picture(panels)
