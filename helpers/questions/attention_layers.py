"""Lesson 05, the layers: many heads, and attention from one set to another.

The probe puts drawn matrices into the four named layers (biases are set to zero, so a layer without one is as good),
and the outputs are compared as they are: whatever stands between the layers is the student's own affair.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.pictures.attention import beside_target

LAYERS = ("keys", "queries", "values", "projection")
_NOTHING = np.zeros(0)


class ManyHeads(Question):
    id = "Q5"
    title = "Multi-head attention"
    signature = (
        "MultiHeadAttention(emb_size=64, num_heads=4, dropout=0.0); forward(x, mask=None): (b, n, d) -> (b, n, d)"
    )
    criteria = (
        Criterion(
            "shape",
            "as many tokens out as in, and as wide",
            share=0,
            hint="Compare the two shapes above, axis by axis: b, n, emb_size.",
        ),
        Criterion(
            "one",
            "with a single head: weigh, mix, project",
            share=2,
            hint="Even with one head the numbers differ, so splitting and joining are not to blame. Follow one query "
            "through your lines: energy, weights, mixture, projection.",
        ),
        Criterion(
            "heads",
            "with several heads: each on its own part, then side by side",
            share=3,
            hint="One head is right, several are not. Which part of the width does head 0 get, and where does its "
            "answer go when the heads are joined?",
        ),
        Criterion(
            "mask",
            "where the mask is False nothing is looked at; the rest still adds up to 1",
            hint="A key that the mask forbids must get no weight, and the others must share what it had. Print the "
            "weights of one row with and without the mask.",
        ),
        Criterion(
            "dropout",
            "dropout acts in training, and never in evaluation",
            hint="The module was asked twice with dropout=0.5: after `.eval()` for the plain answer, after "
            "`.train()` for a noisy one.",
        ),
        Criterion(
            "defaults",
            "without arguments: width 64, 4 heads, no dropout",
            hint="Called without arguments your class gives something else. Compare its defaults with the question's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        yield _module(rng, "1 head of width 6", ("shape", "one"), b=2, n=4, emb_size=6, num_heads=1)
        h, d = (2, 6) if rng.random() < 0.5 else (3, 5)
        yield _module(rng, f"{h} heads of width {d}", ("shape", "heads"), b=2, n=5, emb_size=h * d, num_heads=h)
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
        _load(model, case)
        x = tensor(case["x"])
        if case.covers("mask"):
            masks = (tensor(case["free"]), tensor(case["padding"]))
            free, padding = (_one(model(x, mask=mask)) for mask in masks)
            return {"free": free, "padding": padding}
        record = {"out": _one(model(x))}
        if case.covers("dropout"):
            model.train()
            noisy = _one(model(x))
            record["noisy"] = bool((noisy - record["out"]).abs().max() > 1e-3)
        return record

    def judge(self, case, expected, got):
        if case.covers("mask"):
            for name in ("free", "padding"):
                what = "numbers (mask of every query)" if name == "free" else "numbers (mask of padding)"
                yield same("mask", expected[name], got.get(name), got.tolerance, what=what)
            return
        if case.covers("shape"):
            yield same_shape("shape", expected["out"], got.get("out"))
        for criterion in ("one", "heads", "dropout", "defaults"):
            if case.covers(criterion):
                yield same(criterion, expected["out"], got.get("out"), got.tolerance, what="numbers")
        if case.covers("dropout"):
            noisy = got.get("noisy", _NOTHING)
            moved = noisy.size == 1 and bool(np.nan_to_num(noisy).reshape(-1)[0])
            yield Finding("dropout", moved, "" if moved else "in training, too, nothing is dropped")

    def picture(self, case, expected, got):
        name = "free" if case.covers("mask") else "out"
        given = None if got is None else got[name][:1]
        return beside_target(expected[name][:1], given, xlabel="width", ylabel="token")


class FromAnotherSet(Question):
    id = "Q5c"
    title = "Cross-attention"
    signature = (
        "CrossAttention(emb_size=64, num_heads=4); forward(x, context): (b, n, emb_size), (b, m, emb_size) -> like x"
    )
    criteria = (
        Criterion(
            "shape",
            "one answer for each token of x",
            share=0,
            hint="Compare the two shapes above. Who asks here, and so how many answers come back?",
        ),
        Criterion(
            "one",
            "with a single head: x asks, context is asked",
            share=2,
            hint="With one head already the numbers differ. For each of the three layers: does x go in, or context?",
        ),
        Criterion(
            "heads",
            "with several heads",
            share=2,
            hint="One head is right, several are not: look at the line that joins them.",
        ),
        Criterion(
            "alike",
            "x and context of equal length are still not confused",
            hint="With as many tokens in x as in context no shape will complain when the two are mixed up.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        n, m = int(rng.integers(3, 5)), int(rng.integers(5, 8))
        yield _module(rng, f"{n} tokens ask {m}", ("shape", "one"), b=2, n=n, m=m, emb_size=6, num_heads=1)
        n, m = int(rng.integers(6, 9)), int(rng.integers(3, 5))
        name = f"{n} tokens ask {m}, 3 heads"
        yield _module(rng, name, ("shape", "heads"), b=2, n=n, m=m, emb_size=12, num_heads=3)
        n = int(rng.integers(4, 7))
        yield _module(rng, f"{n} tokens ask {n}", ("alike",), b=2, n=n, m=n, emb_size=8, num_heads=2)

    def probe(self, answer, case):
        model = answer(case["emb_size"], case["num_heads"])
        _load(model, case)
        return {"out": _one(model(tensor(case["x"]), tensor(case["context"])))}

    def judge(self, case, expected, got):
        if case.covers("shape"):
            yield same_shape("shape", expected["out"], got.get("out"))
        for criterion in ("one", "heads", "alike"):
            if case.covers(criterion):
                yield same(criterion, expected["out"], got.get("out"), got.tolerance, what="numbers")

    def features(self, case, expected, got):
        # The library's kernel reads past the end when there are fewer values than keys: only sizes are sure then.
        return dict(got) if case.covers("alike") else {"size": np.array(got["out"].shape, np.float64)}

    def picture(self, case, expected, got):
        given = None if got is None else got["out"][:1]
        return beside_target(expected["out"][:1], given, xlabel="width", ylabel="token of x")


QUESTIONS = (ManyHeads(), FromAnotherSet())


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


def _load(model, case: Case) -> None:
    """Put the case's matrices into the four layers and zeros into their biases; evaluation mode.

    Raises:
        AttributeError: a layer of that name is missing, or is none.
        ValueError: its weight is of another size.
    """
    import torch

    from helpers.device import device

    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"an nn.Module was expected, and a {type(model).__name__} came back")
    model.to(device()).eval()
    for name, matrix in zip(LAYERS, case["layers"], strict=True):
        layer = getattr(model, name, None)
        if layer is None or not hasattr(layer, "weight"):
            raise AttributeError(f"there is no layer called `{name}`: {', '.join(LAYERS)} are asked for")
        if layer.weight.numel() != matrix.size:
            size = " x ".join(map(str, layer.weight.shape))
            kind = "large" if layer.weight.numel() > matrix.size else "small"
            raise ValueError(f"the weight of `{name}` is {size}, too {kind} for emb_size {case['emb_size']}")
        with torch.no_grad():
            layer.weight.copy_(tensor(matrix).reshape(layer.weight.shape))
            if getattr(layer, "bias", None) is not None:
                layer.bias.zero_()


def _one(out):
    """The module's answer, which must be one tensor."""
    if isinstance(out, tuple | list | dict):
        raise TypeError(f"forward gave a {type(out).__name__} of {len(out)}; one tensor (b, n, emb_size) was expected")
    if out is None:
        raise TypeError("forward returned None: is a `return` missing?")
    return out
