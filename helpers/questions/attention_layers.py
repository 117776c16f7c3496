"""Lesson 05, the layers: many heads, and attention from one set of tokens to another.

Random matrices are put into the answer's queries, keys, values and projection, and outputs and gradients are compared
with the solution's. The four layers are known by the names that the question asks for; where one is missing, they are
found by what they do (`helpers.checks.layouts`). Biases are set to zero, so a layer without one is as good.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.gradients import one_tensor, same_gradients, with_gradient, with_paths
from helpers.checks.layouts import Layout, NoLayout, attention_layout, layout_of
from helpers.pictures.attention import beside_target

LAYERS = {"keys": "k", "queries": "q", "values": "v", "projection": "o"}
_BIASES = ("bq", "bk", "bv", "bo")
_MANY = 2048  # samples behind the mean and the spread of dropout
_NOTHING = np.zeros(0)


class ManyHeads(Question):
    id = "Q5"
    title = "Multi-head attention"
    signature = (
        "MultiHeadAttention(emb_size=64, num_heads=4, dropout=0.0); forward(x, mask=None): (b, n, d) -> (b, n, d)"
    )
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "as many tokens out as in, and as wide",
            share=0,
            hint="The output has the shape of x: (b, n, emb_size).",
        ),
        Criterion(
            "one",
            "with a single head: scores, weights, mixture, projection",
            share=2,
            hint="The module was made with num_heads=1, and known matrices were put into its four layers.",
        ),
        Criterion(
            "heads",
            "with several heads: each on its own part of the width, joined side by side",
            share=3,
            hint="The module was made with several heads, and known matrices were put into its four layers.",
        ),
        Criterion(
            "mask",
            "where the mask is False the weight is 0, and the other weights of the row still add up to 1",
            hint="Two masks were given: (n, n), one row per query, and (b, 1, 1, n), which hides padding.",
        ),
        Criterion(
            "dropout",
            "dropout acts in training, on average without a change, and never in evaluation",
            hint="The module was made with dropout=0.5. In evaluation its output is compared with the solution's, in "
            "training the mean and the spread of many outputs.",
        ),
        Criterion(
            "defaults",
            "without arguments: width 64, 4 heads, no dropout",
            hint="The module was made without arguments and called in training mode.",
        ),
        Criterion(
            "trains",
            "gradients flow to x and to the weights of all four layers",
            hint="The gradients for x and for the four weight matrices are compared with the solution's. A layer "
            "learns if the module lists it among its parameters and if autograd records the way to it.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        yield _module(rng, "1 head of width 6", ("shape", "one"), b=2, n=4, emb_size=6, num_heads=1)
        h, d = (2, 6) if rng.random() < 0.5 else (3, 5)
        yield _module(
            rng, f"{h} heads of width {d}", ("shape", "heads", "trains"), b=2, n=5, emb_size=h * d, num_heads=h
        )
        b, n = int(rng.integers(2, 4)), int(rng.integers(6, 9))
        yield _module(rng, f"4 heads of width 3, {n} tokens", ("shape", "heads"), b=b, n=n, emb_size=12, num_heads=4)
        n = int(rng.integers(5, 8))
        free, padding = _mask(rng, n, n), _mask(rng, 2, 1, 1, n)
        yield _module(
            rng, f"{n} tokens, a mask", ("mask",), b=2, n=n, emb_size=8, num_heads=2, free=free, padding=padding
        )
        yield _module(rng, "dropout 0.5", ("dropout",), b=2, n=6, emb_size=8, num_heads=2, dropout=0.5)
        yield _module(rng, "no arguments at all", ("defaults",), b=1, n=5, emb_size=64, num_heads=4)

    def probe(self, answer, case):
        if case.covers("defaults"):
            model = answer()
        elif case.covers("dropout"):
            model = answer(case["emb_size"], case["num_heads"], dropout=case["dropout"])
        else:
            model = answer(case["emb_size"], case["num_heads"])
        layout = _loaded(model, case, lambda x: model(x)[:, 0])
        if case.covers("mask"):
            x = tensor(case["x"])
            return {name: _one(model(x, mask=tensor(case[name]))).detach() for name in ("free", "padding")}
        leaf, x = with_gradient(case["x"])
        if case.covers("dropout"):
            record = {"out": _one(model(x)).detach()}
            model.train()
            return record | _spread(_one(model(x[:1].detach().expand(_MANY, -1, -1).clone())))
        model.train()  # without dropout, nothing changes
        out = _one(model(x))
        return {"out": out.detach()} | (layout.gradients(out, {"x": leaf}, 5) if case.covers("trains") else {})

    def judge(self, case, expected, got):
        if case.covers("mask"):
            for name in ("free", "padding"):
                what = "numbers (mask of every query)" if name == "free" else "numbers (mask of padding)"
                yield same("mask", expected[name], got.get(name), got.tolerance, what=what)
            return
        if case.covers("shape"):
            yield same_shape("shape", expected["out"], got.get("out"))
        for criterion in ("one", "heads", "defaults"):
            if case.covers(criterion):
                yield same(criterion, expected["out"], got.get("out"), got.tolerance, what="numbers")
        if case.covers("trains"):
            yield trains("heads", expected, got)
        if case.covers("dropout"):
            yield _dropped(case["dropout"], expected, got)

    def features(self, case, expected, got):
        if case.covers("dropout"):
            return {"out": got["out"]} | _spread_marks(expected, got)
        return with_paths(expected, got, "out", "free", "padding")

    def picture(self, case, expected, got):
        if case.covers("one") and (got is None or np.shape(got["out"]) == np.shape(expected["out"])):
            weights = None if got is None else explaining_weights(case, got["out"])
            return beside_target(explaining_weights(case, expected["out"]), weights, xlabel="key", ylabel="query")
        name = "free" if case.covers("mask") else "out"
        given = None if got is None else got[name][:1]
        return beside_target(expected[name][:1], given, xlabel="width", ylabel="token")


class FromAnotherSet(Question):
    id = "Q5c"
    title = "Cross-attention"
    signature = (
        "CrossAttention(emb_size=64, num_heads=4); forward(x, context): (b, n, emb_size), (b, m, emb_size) -> like x"
    )
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "one output token for each token of x",
            share=0,
            hint="The output has the shape of x, whatever the length of context.",
        ),
        Criterion(
            "one",
            "with a single head: queries come from x, keys and values from context",
            share=2,
            hint="The module was made with num_heads=1, and known matrices were put into its four layers.",
        ),
        Criterion(
            "heads",
            "with several heads",
            share=2,
            hint="The module was made with several heads, and known matrices were put into its four layers.",
        ),
        Criterion(
            "alike",
            "x and context of equal length are still not confused",
            hint="x and context have the same number of tokens here, so no shape complains when the two are mixed up.",
        ),
        Criterion(
            "trains",
            "gradients flow to x, to context and to the weights of all four layers",
            hint="The gradients for x, for context and for the four weight matrices are compared with the solution's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        n, m = int(rng.integers(3, 5)), int(rng.integers(5, 8))
        yield _module(rng, f"{n} queries, {m} keys", ("shape", "one"), b=2, n=n, m=m, emb_size=6, num_heads=1)
        n, m = int(rng.integers(6, 9)), int(rng.integers(3, 5))
        name = f"{n} queries, {m} keys, 3 heads"
        yield _module(rng, name, ("shape", "heads", "trains"), b=2, n=n, m=m, emb_size=12, num_heads=3)
        n = int(rng.integers(4, 7))
        yield _module(rng, f"{n} queries, {n} keys", ("alike",), b=2, n=n, m=n, emb_size=8, num_heads=2)

    def probe(self, answer, case):
        model = answer(case["emb_size"], case["num_heads"])
        layout = _loaded(model, case, lambda tokens: model(tokens[:, :1], tokens)[:, 0])
        (own, x), (other, context) = with_gradient(case["x"]), with_gradient(case["context"])
        out = _one(model(x, context))
        record = {"out": out.detach()}
        if case.covers("trains"):
            record |= layout.gradients(out, {"x": own, "context": other}, 5)
        return record

    def judge(self, case, expected, got):
        if case.covers("shape"):
            yield same_shape("shape", expected["out"], got.get("out"))
        for criterion in ("one", "heads", "alike"):
            if case.covers(criterion):
                yield same(criterion, expected["out"], got.get("out"), got.tolerance, what="numbers")
        if case.covers("trains"):
            yield trains("heads", expected, got)

    def features(self, case, expected, got):
        # The library's kernel reads past the end when there are fewer values than keys: only sizes are sure then.
        marks = with_paths(expected, got, "out")
        if not case.covers("alike"):
            marks["out"] = np.zeros(got["out"].shape)
        return marks

    def picture(self, case, expected, got):
        given = None if got is None else got["out"][:1]
        return beside_target(expected["out"][:1], given, xlabel="width", ylabel="token of x")


QUESTIONS = (ManyHeads(), FromAnotherSet())


def explaining_weights(case: Case, out: np.ndarray) -> np.ndarray:
    """(1, n, n): the attention weights of the first example's single head with which its values give this output.

    There are more numbers per token than tokens, so the weights follow from the output by least squares. An output that
    is no weighted sum of the values gives rows that do not add up to 1.
    """
    _, _, values, projection = np.asarray(case["layers"], np.float64)
    mixed = np.asarray(case["x"][0], np.float64) @ values.T @ projection.T
    return (np.asarray(out[0], np.float64) @ np.linalg.pinv(mixed))[None]


def _draw(rng: np.random.Generator, *size: int) -> np.ndarray:
    return rng.normal(size=size).astype(np.float32)


def _module(
    rng: np.random.Generator, name: str, criteria: tuple[str, ...], *, b: int, n: int, emb_size: int, m: int = 0, **more
) -> Case:
    """Tokens x, perhaps a context of m tokens, and one matrix for each of the four layers."""
    spread = np.array([1.5, 1.5, 1.5, 1.0])[:, None, None] / np.sqrt(emb_size)
    layers = _draw(rng, len(LAYERS), emb_size, emb_size) * spread.astype(np.float32)
    if m:
        more["context"] = _draw(rng, b, m, emb_size)
    return Case(name, criteria=criteria, x=_draw(rng, b, n, emb_size), layers=layers, emb_size=emb_size, **more)


def _mask(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """True and False by chance, at least one of each in every row."""
    order = rng.random(shape).argsort(-1)
    mask = rng.random(shape) < 0.5
    np.put_along_axis(mask, order[..., :1], True, -1)
    np.put_along_axis(mask, order[..., 1:2], False, -1)
    return mask


def _loaded(model: Any, case: Case, call: Any) -> Layout:
    """Put the case's matrices into the answer's layers and zeros into their biases; evaluation mode.

    Raises:
        TypeError: the answer made no module.
        AttributeError: layers of these names are missing, and what there is does not do what they do.
        ValueError: a weight is of another size.
    """
    import torch

    from helpers.device import device

    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"an nn.Module was expected, and a {type(model).__name__} came back")
    if type(model).__module__.split(".")[0] in ("helpers", "timm", "torch"):
        raise TypeError(f"{type(model).__name__} comes from a library: the module is to be written")
    model.to(device()).eval()
    layout = _by_name(model, case) or _by_behaviour(model, case, call)
    weights = dict(zip(LAYERS.values(), case["layers"], strict=True))
    layout.write(weights | {role: np.zeros(case["emb_size"], np.float32) for role in _BIASES})
    return layout


def _by_name(model: Any, case: Case) -> Layout | None:
    size, roles = int(case["emb_size"]), dict[str, Any]()
    for name, role in LAYERS.items():
        layer = getattr(model, name, None)
        weight = getattr(layer, "weight", None)
        if weight is None:
            return None
        if weight.numel() != size**2:
            shape = " x ".join(map(str, weight.shape))
            kind = "large" if weight.numel() > size**2 else "small"
            raise ValueError(f"the weight of `{name}` is {shape}, too {kind} for emb_size {size}")
        roles |= {role: weight, f"b{role}": getattr(layer, "bias", None)}
    return layout_of(roles, model)


def _by_behaviour(model: Any, case: Case, call: Any) -> Layout:
    try:
        return attention_layout(model, call, int(case["emb_size"]))
    except Exception as error:
        missing = [name for name in LAYERS if getattr(model, name, None) is None]
        named = f"there is no layer called `{missing[0]}`" if missing else "the four layers could not be told apart"
        why = f" ({error})" if isinstance(error, NoLayout) else ""
        asked = ", ".join(LAYERS)
        raise AttributeError(
            f"{named}: layers called {asked} are asked for, and what your module does with its own was not "
            f"recognised as attention{why}"
        ) from error


def trains(output: str, expected: Any, got: Any) -> Finding:
    """The gradients; where the output is another one already, they cannot be judged.

    Args:
        output: the criterion that asks for the output of this case.
    """
    if not same(output, expected["out"], got.get("out"), got.tolerance).ok:
        return Finding("trains", False, "can be seen once the output is right", of=output)
    return same_gradients("trains", expected, got, got.tolerance, optional=_BIASES)


def _spread(out: Any) -> dict[str, Any]:
    """Mean and spread over many runs with dropout."""
    return {"mean": out.detach().mean(0), "spread": out.detach().std(0)}


def _dropped(rate: float, expected: Any, got: Any) -> Finding:
    """In evaluation the plain output; in training its mean, and the spread that dropout has on weights or on tokens."""
    calm = same("dropout", expected["out"], got.get("out"), got.tolerance, what="numbers in evaluation")
    if not calm.ok:
        return calm
    for name in ("mean", "spread"):
        if got.get(name, _NOTHING).shape != expected[name].shape:
            return Finding("dropout", False, "in training the output has another shape")
    if np.nan_to_num(got["spread"]).max(initial=0.0) < 1e-4:
        return Finding("dropout", False, "in training, too, nothing is dropped")
    behind = np.abs(expected["out"][0]) * np.sqrt(rate / (1 - rate))  # of dropout on the output's own numbers
    room = 0.12 * np.maximum(expected["spread"], behind) + 1e-3
    drift = np.abs(np.nan_to_num(got["mean"], nan=1e9) - expected["out"][0])
    if (drift > room).any():
        return Finding("dropout", False, "in training the mean of many outputs is not the output in evaluation")
    for wanted in (expected["spread"], behind):
        if (np.abs(np.nan_to_num(got["spread"], nan=1e9) - wanted) <= room).all():
            return Finding("dropout", True)
    ratio = float(np.mean(got["spread"]) / np.mean(expected["spread"]))
    return Finding(
        "dropout", False, f"in training the outputs spread {ratio:.2g} times as far as with dropout={rate:g}"
    )


def _spread_marks(expected: Any, got: Any) -> dict[str, np.ndarray]:
    """Coarse marks, which do not depend on what was dropped."""
    spread = np.nan_to_num(np.asarray(got.get("spread", _NOTHING), np.float64))
    wanted = np.asarray(expected["spread"], np.float64)
    if spread.shape != wanted.shape:
        return {"shape": np.array(spread.shape, np.float64)}
    return {"ratio": np.round(3 * spread.mean() / wanted.mean()).reshape(1)}


def _one(out):
    """The module's output, which must be one tensor."""
    return one_tensor(out, "(b, n, emb_size)")
