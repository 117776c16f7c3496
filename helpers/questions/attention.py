"""Lesson 05: attention with one head, and the weights of several. (The layers are asked in attention_layers.py.)

If the values are the identity matrix, the output is the matrix of weights. So three things can be told apart: in which
order a query ranks the keys, how sharp the weights are, and what is mixed. Gradients show that it can be trained.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.gradients import input_gradients, one_tensor, same_gradients, with_paths
from helpers.pictures.attention import beside_target

_NOTHING = np.zeros(0)


class OneHead(Question):
    id = "Q5a"
    title = "Attention with one head"
    signature = "attention(q, k, v): (b, n, d), (b, m, d), (b, m, d) -> (b, n, d)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "one output token per query: three axes b, n, d",
            share=0,
            hint="The output has as many tokens as there are queries, and the width of the values.",
        ),
        Criterion(
            "ranking",
            "the larger the dot product of a query and a key, the larger the weight",
            hint="Here the values are an identity matrix, so the output is the matrix of weights itself: one row per "
            "query, one column per key.",
        ),
        Criterion(
            "weights",
            "the weights are those of the formula",
            share=2,
            hint="Compare one row of your weights with the target's: its sum, and its largest number.",
        ),
        Criterion(
            "mix",
            "each output token is the sum of the values, weighted by these weights",
            share=2,
            hint="The weights that you give to an identity matrix are used here to mix other values, and your output "
            "for these values is compared with that mixture.",
        ),
        Criterion(
            "sizes",
            "other numbers of queries, keys and images, and other widths",
            hint="The same function is called with tensors of other sizes.",
        ),
        Criterion(
            "trains",
            "gradients flow back to queries, keys and values",
            hint="The gradients of your output for q, k and v are compared with the solution's. A model can only "
            "learn through operations that autograd records.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        main = ("shape", "ranking", "weights", "mix", "trains")
        yield _triple(rng, "3 queries, 5 keys of width 5", main, b=2, n=3, m=5, d=5)
        n, d = int(rng.integers(4, 7)), int(rng.integers(8, 12))
        yield _triple(rng, f"{n} queries and {n} keys of width {d}", ("shape", "sizes"), b=2, n=n, m=n, d=d)
        b, n, m, d = int(rng.integers(2, 4)), int(rng.integers(4, 6)), int(rng.integers(6, 8)), int(rng.integers(8, 12))
        yield _triple(rng, f"{b} images, {n} queries, {m} keys, width {d}", ("shape", "sizes"), b=b, n=n, m=m, d=d)
        n, m, d = int(rng.integers(6, 9)), int(rng.integers(2, 5)), int(rng.choice([3, 5, 7]))
        yield _triple(rng, f"1 image, {n} queries, {m} keys, width {d}", ("shape", "sizes"), b=1, n=n, m=m, d=d)

    def probe(self, answer, case):
        q, k, v = (tensor(case[name]) for name in "qkv")
        record = {"mixed": one_tensor(answer(q, k, v))}
        if case.covers("weights"):
            identity = tensor(np.broadcast_to(np.eye(v.shape[1], dtype=np.float32), v.shape))
            record["weights"] = one_tensor(answer(q, k, identity))
            record |= input_gradients(answer, {name: case[name] for name in "qkv"})
        return record

    def judge(self, case, expected, got):
        yield same_shape("shape", expected["mixed"], got.get("mixed"))
        if not case.covers("weights"):
            yield same("sizes", expected["mixed"], got.get("mixed"), got.tolerance, what="numbers")
            return
        wanted, given = expected["weights"], got.get("weights", _NOTHING)
        ranking = _ranking(wanted, given, got.tolerance)
        yield ranking
        yield _weights("weights", wanted, given, got.tolerance)
        yield _mixture(ranking, given, case["v"], got.get("mixed", _NOTHING), got.tolerance)
        yield _trains(same("mix", expected["mixed"], got.get("mixed"), got.tolerance), expected, got)

    def features(self, case, expected, got):
        return with_paths(expected, got, "mixed", "weights")

    def picture(self, case, expected, got):
        name = "weights" if case.covers("weights") else "mixed"
        xlabel = "key" if case.covers("weights") else "width of the values"
        given = None if got is None else got[name][:1]
        return beside_target(expected[name][:1], given, xlabel=xlabel, ylabel="query")


class Weights(Question):
    id = "Q5b"
    title = "Attention weights of several heads"
    signature = "attention_weights(q, k, num_heads): (b, n, emb_size), (b, m, emb_size) -> (b, h, n, m)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "four axes: image, head, query, key",
            share=0,
            hint="The axes are b, h, n, m: the number of images, of heads, of queries, of keys.",
        ),
        Criterion(
            "ranking",
            "each head compares its own part of the width, and ranks the keys by it",
            hint="For each head and each query, the order of the keys by weight is compared with the solution's.",
        ),
        Criterion(
            "sum",
            "the weights of each query of each head add up to 1",
            hint="Each row (one query of one head) is added up over the keys.",
        ),
        Criterion(
            "scale",
            "the weights are as sharp as the formula makes them",
            share=2,
            hint="The scores are divided by a root that depends on the number of products in one score: with several "
            "heads that number is the width of one head.",
        ),
        Criterion(
            "sizes",
            "other numbers of heads, tokens and images, other widths",
            hint="The same function is called with tensors of other sizes.",
        ),
        Criterion(
            "trains",
            "gradients flow back to queries and keys",
            hint="The gradients of your weights for q and k are compared with the solution's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        main = ("shape", "ranking", "sum", "scale", "trains")
        yield _pair(rng, "2 heads of width 5", main, b=2, n=3, m=4, h=2, d=5)
        b, n, m = int(rng.integers(2, 4)), int(rng.integers(4, 6)), int(rng.integers(6, 8))
        yield _pair(rng, f"3 heads of width 4, {n} queries, {m} keys", ("shape", "sizes"), b=b, n=n, m=m, h=3, d=4)
        d = int(rng.choice([3, 6, 7]))
        yield _pair(rng, f"1 head of width {d}", ("shape", "sizes"), b=1, n=5, m=3, h=1, d=d)

    def probe(self, answer, case):
        heads = case["num_heads"]
        record = {"weights": one_tensor(answer(tensor(case["q"]), tensor(case["k"]), heads))}
        if case.covers("trains"):
            record |= input_gradients(lambda q, k: answer(q, k, heads), {"q": case["q"], "k": case["k"]})
        return record

    def judge(self, case, expected, got):
        wanted, given = expected["weights"], got.get("weights", _NOTHING)
        yield same_shape("shape", wanted, given)
        if case.covers("sizes"):
            yield same("sizes", wanted, given, got.tolerance, what="weights")
        if case.covers("scale"):
            ranking = _ranking(wanted, given, got.tolerance)
            yield ranking
            yield _sums(ranking, given, got.tolerance)
            yield _weights("scale", wanted, given, got.tolerance)
            yield _trains(same("scale", wanted, given, got.tolerance), expected, got)

    def features(self, case, expected, got):
        return with_paths(expected, got, "weights")

    def picture(self, case, expected, got):
        given = None if got is None else got["weights"]
        if given is not None:
            given = given[0] if given.ndim == 4 and len(given) else _NOTHING
        wanted = expected["weights"][0]
        titles = [f"head {head}" for head in range(len(wanted))]
        return beside_target(wanted, given, xlabel="key", ylabel="query", titles=titles, low=0.0)


QUESTIONS = (OneHead(), Weights())


def _trains(output: Finding, expected: Any, got: Any) -> Finding:
    """The gradients; where the output is another one already, they cannot be judged."""
    if not output.ok:
        return Finding("trains", False, "can be seen once the output is right", of=output.criterion)
    return same_gradients("trains", expected, got, got.tolerance)


def _draw(rng: np.random.Generator, *size: int, spread: float = 1.0) -> np.ndarray:
    return (spread * rng.normal(size=size)).astype(np.float32)


def _triple(rng: np.random.Generator, name: str, criteria: tuple[str, ...], *, b: int, n: int, m: int, d: int) -> Case:
    q, k = _draw(rng, b, n, d, spread=1.3), _draw(rng, b, m, d, spread=1.3)
    return Case(name, criteria=criteria, q=q, k=k, v=_draw(rng, b, m, d, spread=2.0))


def _pair(
    rng: np.random.Generator, name: str, criteria: tuple[str, ...], *, b: int, n: int, m: int, h: int, d: int
) -> Case:
    q, k = _draw(rng, b, n, h * d, spread=1.2), _draw(rng, b, m, h * d, spread=1.2)
    return Case(name, criteria=criteria, q=q, k=k, num_heads=h)


def _usable(wanted: np.ndarray, given: np.ndarray) -> bool:
    return given.shape == wanted.shape and bool(np.isfinite(given).all())


def _ranking(wanted: np.ndarray, given: np.ndarray, tolerance: float) -> Finding:
    """Does every query put the keys in the order that the solution puts them in?"""
    if not _usable(wanted, given):
        return Finding("ranking", False, "can be seen once the shape is right and every number is finite")
    order = wanted.argsort(-1)
    apart = np.diff(np.take_along_axis(wanted, order, -1)) > 10 * tolerance  # closer ones may change places by rounding
    wrong = (apart & ~(np.diff(np.take_along_axis(given, order, -1)) > 0)).any(-1)
    if not wrong.any():
        return Finding("ranking", True)
    query = int(np.argwhere(wrong)[0][-1])
    detail = f"{int(wrong.sum())} of {wrong.size} queries rank the keys in another order; the first is query {query}"
    return Finding("ranking", False, detail)


def _weights(criterion: str, wanted: np.ndarray, given: np.ndarray, tolerance: float) -> Finding:
    """Equal weights; where only the sharpness differs, by how much."""
    finding = same(criterion, wanted, given, tolerance, what="weights")
    if finding.ok or not _usable(wanted, given) or not (given > 1e-20).all():
        return finding
    logs = [np.log(a.astype(np.float64)) for a in (wanted, given)]
    target, yours = (a - a.mean(-1, keepdims=True) for a in logs)
    factor = float((target * yours).sum() / (target**2).sum())
    if np.abs(yours - factor * target).max() > 1e-2 * np.abs(yours).max() or abs(factor - 1) < 1e-2:
        return finding
    kind = "too sharp" if factor > 1 else "too even"
    return Finding(
        criterion, False, f"{finding.detail}. They are {kind}: the logs of yours differ {factor:.3g} times as much"
    )


def _sums(ranking: Finding, given: np.ndarray, tolerance: float) -> Finding:
    if not ranking.ok:
        return Finding("sum", False, "can be seen once the keys are ranked")
    sums = given.astype(np.float64).sum(-1)
    off = np.abs(sums - 1) > 10 * tolerance
    first = float(sums[off][0]) if off.any() else 1.0
    return Finding(
        "sum",
        not off.any(),
        f"{int(off.sum())} of {off.size} rows add up to something else, such as {first:.3g}" if off.any() else "",
    )


def _mixture(ranking: Finding, weights: np.ndarray, v: np.ndarray, mixed: np.ndarray, tolerance: float) -> Finding:
    """Are the answers what the student's own weights make of the values? Told apart from whether those are right."""
    if not ranking.ok:
        return Finding("mix", False, "can be seen once the keys are ranked")
    if mixed.shape != (*weights.shape[:2], v.shape[-1]):
        return Finding("mix", False, "can be seen once the shape is right")
    own = np.stack([one.astype(np.float64).dot(values) for one, values in zip(weights, v, strict=True)])
    return same("mix", own, mixed, max(tolerance, 1e-4), what="numbers")
