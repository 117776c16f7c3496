"""Lesson 11, first third: the MLP-Mixer block, judged with drawn weights wherever its layers keep them.

A matrix is known by its shape, so a square case tells who forgot to turn the tokens. Norms stay as they are born.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape
from helpers.checks.gradients import gradients, same_gradients, with_gradient
from helpers.checks.module_probes import NOTHING, as_single, number_of, prepared
from helpers.checks.placed_weights import learned, put
from helpers.checks.seeding import seed_torch
from helpers.pictures.beyond_checks import halves_picture

_FORMS = ("out", "turned")
_SIZES = ("num_tokens", "emb_size", "token_dim", "channel_dim")


class MixerBlockQuestion(Question):
    id = "Q22"
    title = "MLP-Mixer block"
    signature = "MixerBlock(num_tokens, emb_size, token_dim, channel_dim): (b, num_tokens, emb_size) -> the same"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "tokens go in and come out with the same shape",
            share=0,
            hint="Both halves add to the residual stream, so the shape never changes.",
        ),
        Criterion(
            "tokens",
            "the token half: each channel's numbers are mixed over all tokens, normed before, added to the stream",
            share=3,
            hint="In these cases the channel half has output weights of zero, so the output is x plus what the "
            "token half "
            "adds.",
        ),
        Criterion(
            "channels",
            "the channel half: each token's numbers are mixed, normed before, added to the stream",
            share=2,
            hint="In these cases the token half has output weights of zero, so the output is x plus what the channel "
            "half adds.",
        ),
        Criterion(
            "order",
            "first over tokens, then, on its result, over channels",
            share=2,
            hint="In these cases both halves have weights. The second half reads the sum that the first one made.",
        ),
        Criterion(
            "own",
            "each half has a norm and an MLP of its own",
            counts_with=("tokens", "channels", "order"),
            hint="The check counts the weights that get a gradient: two norms, and four Linear layers with biases.",
        ),
        Criterion(
            "gradient",
            "gradients flow back to x through both halves",
            hint="The gradient of x is compared with the solution's, with the same weights.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def block(name: str, criteria: tuple[str, ...], b: int, sizes: tuple[int, ...], **more: Any) -> Case:
            n, d = sizes[:2]
            x = as_single(rng.normal(0, 1.5, (b, n, d)) + rng.normal(0, 1, (b, n, 1)))
            named = dict(zip(_SIZES, sizes, strict=True))
            return Case(name, criteria=criteria, x=x, seed=int(rng.integers(2**31)), **named, **more)

        side, inner, broad = int(rng.choice([5, 6, 7])), int(rng.choice([9, 10])), int(rng.choice([14, 16]))
        square = (side, side, inner, broad)
        yield block(f"{side} tokens of width {side}, channel half silent", ("shape", "tokens"), 2, square, silent="c2")
        yield block(f"{side} tokens of width {side}, token half silent", ("channels",), 2, square, silent="t2")
        n, d = (int(rng.integers(3, 6)), int(rng.integers(7, 10)))
        long = (d, n) if rng.random() < 0.5 else (n, d)
        for own, sizes in (
            (("order", "own", "gradient"), (n, d, 11, 13)),
            (("tokens", "channels", "order"), (*long, 17, 12)),
        ):
            yield block(f"{sizes[0]} tokens of width {sizes[1]}, both halves at work", ("shape", *own), 3, sizes)

    def probe(self, answer, case):

        model = prepared(answer(**{name: case[name] for name in _SIZES}))
        leaf, x = with_gradient(case["x"])
        weights, record = drawn_weights(case), dict[str, Any]()
        for name in _FORMS:
            place(model, weights, turned=name == "turned")
            seed_torch(1)
            record[name] = model(x)
            if case.covers("gradient"):
                record |= gradients(record[name], {f"x, {name}": leaf}, 3)
        record["learned"] = learned(model, record["turned"])
        return record

    def judge(self, case, expected, got):
        wanted = expected["out"]
        yield same_shape("shape", wanted, got.get("out", NOTHING))
        found = [same("tokens", wanted, got.get(name), got.tolerance) for name in _FORMS]
        best = next((f for f in found if f.ok), found[0])
        if case.covers("gradient"):
            form = _FORMS[found.index(best)]
            given = {"grad x": got[f"grad x, {form}"]} if f"grad x, {form}" in got else {}
            right = {"grad x": expected["grad x, out"]}
            yield replace(same_gradients("gradient", right, given, got.tolerance), of="order")
        for criterion in ("tokens", "channels", "order"):
            yield Finding(criterion, best.ok, best.detail)
        if case.covers("own"):
            full, seen = int(expected["learned"]), int(number_of(got, "learned"))
            fits = seen in (full, full - 4 * case["emb_size"])  # a norm without weights is a norm
            yield Finding("own", fits, "" if fits else f"{seen:,} numbers learn; it should be {full:,}")

    def features(self, case, expected, got):
        seen, out = number_of(got, "learned"), np.asarray(got.get("out", NOTHING))
        marks = {"learned": np.array([seen]), "shape": np.array(out.shape, np.float64)}
        usual = abs(seen - int(expected["learned"])) <= 4 * max(case["num_tokens"], case["emb_size"])
        return marks | ({"out": out} if usual else {})

    def picture(self, case, expected, got):
        if "silent" not in case:
            return None
        given = None if got is None else np.asarray(got.get("out", NOTHING))
        return halves_picture(case["x"], expected["out"], given)


def drawn_weights(case: Case) -> dict[str, np.ndarray]:
    """t1 t2 c1 c2, (out, in), and the biases inside, which are far from zero: each activation is open or shut."""
    rng = np.random.default_rng(case["seed"])
    n, d, inner, broad = (int(case[name]) for name in _SIZES)
    weights: dict[str, np.ndarray] = {}
    for half, size, hidden in (("t", n, inner), ("c", d, broad)):
        weights[f"{half}1"] = rng.normal(0, 1 / np.sqrt(size), (hidden, size))
        weights[f"{half}2"] = rng.normal(0, 0.2 / np.sqrt(hidden), (size, hidden)) * rng.choice([1, 3], (size, 1))
        weights[f"b{half}"] = 20.0 * rng.permutation(np.where(np.arange(hidden) % 2, 1.0, -1.0))
    if "silent" in case:
        weights[case["silent"]] = np.zeros_like(weights[case["silent"]])
    return {name: as_single(array) for name, array in weights.items()}


def place(model: Any, weights: dict[str, np.ndarray], *, turned: bool) -> None:
    """Put the drawn weights where their shapes fit, and zero where a bias has the width of the stream."""
    fits: dict[tuple[int, ...], np.ndarray] = {}
    for half in "tc":
        first, second = weights[f"{half}1"], weights[f"{half}2"]
        hidden, size = first.shape
        fits[hidden, size], fits[size, hidden] = (second.T, first.T) if turned else (first, second)
        fits[hidden,] = weights[f"b{half}"]
    for _, parameter in getattr(model, "named_parameters", list)():
        shape = tuple(int(k) for k in parameter.shape if k != 1)
        if shape in fits:
            put(parameter, fits[shape])
        elif len(shape) == 1 and not bool((parameter == 1).all()):
            put(parameter, np.zeros(shape, np.float32))


QUESTIONS = (MixerBlockQuestion(),)
