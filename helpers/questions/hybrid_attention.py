"""Lesson 10: attention whose queries, keys and values are convolutions, and the non-local block, with drawn kernels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.module_probes import NOTHING, as_single, number_of, prepared
from helpers.checks.placed_kernels import ATTENTION, NON_LOCAL, place_kernels
from helpers.checks.placed_weights import learned
from helpers.checks.slopes import slopes, slopes_agree
from helpers.pictures.hybrid_checks import maps_picture

_SLIPS = ("columns", "unscaled", "columns unscaled")  # made by `attention_slips`, which the instructor's bank calls


class ConvAttentionQuestion(Question):
    id = "Q20"
    title = "Attention made of convolutions"
    signature = "ConvAttentionLayer(in_channels, out_channels, kernel_size=3): (b, c, h, w) -> (b, out_channels, h, w)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "a feature map comes back, as high and as wide as it went in",
            share=0,
            hint="The convolutions keep height and width, and the positions go back to rows and columns.",
        ),
        Criterion(
            "sums",
            "for each position, the weights with which it adds up all values sum to one",
            share=2,
            hint="In one case all values of a channel are the same number, so every weighted mean is that number.",
        ),
        Criterion(
            "mix",
            "each position gets the values of all positions, weighted by its query and their keys",
            share=2,
            hint="The check compares the output with drawn kernels. Letters: b, d, i (the position of the "
            "query), j (the "
            "position of the key and the value).",
        ),
        Criterion(
            "scale",
            "the scores are divided by the root of the query's width before the softmax",
            hint="The width of a query is the number of its channels. It matters in cases with several channels only.",
        ),
        Criterion(
            "sizes",
            "other kernels, 1 or 5 wide; maps that are not square",
            hint="`kernel_size` is 1 or 5 here, and height and width differ.",
        ),
        Criterion(
            "learns",
            "three convolutions learn, and nothing else",
            counts_with=("mix",),
            hint="Query, key and value have in x out x k x k weights each, and out biases if you want them.",
        ),
        Criterion(
            "gradient",
            "gradients flow back to the feature map through queries, keys and values",
            counts_with=("mix",),
            hint="The gradient of x is compared with what the output does when x is moved a little.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def layer(criteria: tuple[str, ...], out: int, name: str, kernel: int = 3, even: bool = False) -> Case:
            b, c = (int(v) for v in rng.integers(2, 4, 2))
            h = int(rng.integers(3, 6))
            w = h + int(rng.choice([-1, 1, 2]))
            x = as_single(rng.normal(0, 1, (b, c, h, w)))
            if even:
                x[:, -1] = 1
            seed = int(rng.integers(2**31))
            return Case(name, criteria=criteria, x=x, out=out, kernel=kernel, even=even, seed=seed)

        yield layer(("shape", "mix"), 1, "one channel out")
        yield layer(("sums",), int(rng.integers(2, 5)), "the same value everywhere", even=True)
        yield layer(("scale", "learns", "gradient"), int(rng.integers(5, 8)), "several channels out")
        yield layer(("sizes",), int(rng.integers(2, 5)), "a kernel of 1", kernel=1)
        yield layer(("sizes",), int(rng.integers(2, 5)), "a kernel of 5", kernel=5)

    def probe(self, answer, case):
        x, c, out, k = tensor(case["x"]), case["x"].shape[1], case["out"], case["kernel"]
        model = prepared(answer(c, out) if k == 3 else answer(c, out, kernel_size=k))
        model(x)  # layers that wait for their first input get their weights here
        place_kernels(model, attention_kernels(case), ATTENTION)
        y = model(x)
        record = {"out": y, "learned": learned(model, y) if hasattr(y, "numel") else 0}
        return record | (slopes(model, {"x": x}, case["seed"]) if case.covers("gradient") else {})

    def judge(self, case, expected, got):
        """One mistake costs once: an output with the known slip of another criterion is right for this one."""
        given = got.get("out", NOTHING)
        yield same_shape("shape", expected["out"], given)
        fits = {way: same("", expected[way], given, got.tolerance).ok for way in ("out", *_SLIPS)}
        detail = same("", expected["out"], given, got.tolerance).detail
        accepted = {"sums": ("out", "unscaled"), "mix": ("out", *_SLIPS), "scale": ("out", "columns"), "sizes": fits}
        for name, ways in accepted.items():
            ok = any(fits[way] for way in ways)
            yield Finding(name, ok, "" if ok else detail, of="mix" if name == "sizes" else "")
        if case.covers("gradient"):
            yield slopes_agree("gradient", got, "x")
        found, most = number_of(got, "learned"), 3 * case["out"]
        weights = int(expected["learned"]) - most
        ok = weights <= found <= weights + most
        yield Finding(
            "learns", ok, "" if ok else f"{int(found):,} numbers learn; it should be {weights:,} (and biases)"
        )

    def picture(self, case, expected, got):
        return maps_picture(case["x"], expected["out"], None if got is None else got.get("out"))


def attention_kernels(case: Case) -> dict[str, np.ndarray]:
    """Kernels (out, in, k, k) of query, key and value; for an even case the values are one drawn number per channel."""
    rng = np.random.default_rng(case["seed"])
    c, k = case["x"].shape[1], case["kernel"]
    shape = (case["out"], c, k, k)
    kernels = {
        role: rng.normal(0, size / np.sqrt(c * k * k), shape)
        for role, size in (("query", 1.7), ("key", 1.7), ("value", 1.5))
    }
    if case["even"]:
        kernels["value"] = np.zeros(shape)
        kernels["value"][:, -1, k // 2, k // 2] = rng.uniform(0.5, 2, case["out"])
    return {role: as_single(kernel) for role, kernel in kernels.items()}


class NonLocalQuestion(Question):
    id = "Q21"
    title = "The non-local block"
    signature = "NonLocalBlock(channels, inner=None): (b, c, h, w) -> (b, c, h, w)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "a feature map goes in and one of the same shape comes out",
            share=0,
            hint="W_z brings `inner` channels back to `channels`, and the positions go back to rows and columns.",
        ),
        Criterion(
            "born",
            "a new block changes nothing: what goes in comes out",
            share=2,
            counts_with=("mix", "sum"),
            hint="The output of a new block is compared with its input, in training and in evaluation mode.",
        ),
        Criterion(
            "mix",
            "softmax over all positions of theta with phi, times g, through W_z",
            share=3,
            hint="With drawn weights, what the block adds is compared with the formula, which has no scale.",
        ),
        Criterion(
            "sum",
            "added to what came in, which stays as it was",
            hint="The check compares the sum, and the caller's x before and after the call.",
        ),
        Criterion(
            "sizes",
            "inner is half of the channels unless it is passed; maps that are not square",
            hint="One case passes no `inner`; another passes one that is larger than the number of channels.",
        ),
        Criterion(
            "learns",
            "a new block can learn, and all four convolutions do",
            counts_with=("mix", "sum"),
            hint="In a new block some gradient has to arrive, or the block stays the identity. With drawn weights all "
            "four convolutions get one.",
        ),
        Criterion(
            "gradient",
            "gradients flow back to x, through the block and past it",
            counts_with=("mix",),
            hint="The gradient of x is compared with what the output does when x is moved a little.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def block(criteria: tuple[str, ...], c: int, inner: int, name: str, said: bool = True) -> Case:
            h = int(rng.integers(3, 6))
            w = h + int(rng.choice([-1, 1, 2]))
            x = as_single(rng.normal(0, 1, (int(rng.integers(2, 4)), c, h, w)))
            return Case(name, criteria=criteria, x=x, inner=inner, said=said, seed=int(rng.integers(2**31)))

        main = ("shape", "born", "mix", "sum", "learns", "gradient")
        yield block(main, 6, int(rng.integers(2, 5)), "6 channels")
        half = int(rng.integers(4, 7))
        yield block(("sizes", "born"), 2 * half, half, f"{2 * half} channels, inner not said", said=False)
        yield block(("sizes",), 3, 4, "3 channels, inner 4")

    def probe(self, answer, case):
        import torch

        c, x = case["x"].shape[1], tensor(case["x"])
        model = prepared(answer(c, inner=case["inner"]) if case["said"] else answer(c))
        born = model(x.clone())
        record: dict[str, Any] = {"born": born, "alive": _moved(model, born)}
        if hasattr(model, "eval"):
            model.eval()
        with torch.no_grad():
            record["calm"] = model(x.clone())
        place_kernels(model, non_local_kernels(case), NON_LOCAL, gates=True)
        given = x.clone()
        out = model(given)
        record["out"], record["given"] = out, given
        record["learned"] = learned(model, out) if hasattr(out, "numel") else 0
        if case.covers("gradient"):
            record |= slopes(model, {"x": x}, case["seed"])
        return record

    def judge(self, case, expected, got):
        room, x = got.tolerance, case["x"]
        if case.covers("gradient"):
            yield slopes_agree("gradient", got, "x")
        given = np.asarray(got.get("out", NOTHING), np.float64)
        yield same_shape("shape", expected["out"], given)
        for name in ("born", "calm"):
            finding = same("born", x, got.get(name, NOTHING), room)
            idle = finding.ok and same("born", x, given, room).ok
            yield Finding("born", False, "with drawn weights it changes nothing either") if idle else finding
        added, right = expected["out"] - x, same("sum", expected["out"], given, room)
        alone = same("mix", added, given, room)
        fits = given.shape == x.shape
        yield Finding("mix", True) if alone.ok else same("mix", added, given - x if fits else given, room)
        kept = same("sum", x, got.get("given", NOTHING), room)
        changed = Finding("sum", False, "the tensor that the caller still holds was changed")
        yield right if not right.ok else (right if kept.ok else changed)
        yield replace(same("sizes", expected["out"], given, room), of="mix")
        found, weights = number_of(got, "learned"), 4 * x.shape[1] * case["inner"]
        if number_of(got, "alive") < 1:
            yield Finding("learns", False, "in a new block every gradient is zero")
        else:
            yield Finding("learns", found >= weights, "" if found >= weights else f"{int(found):,} numbers learn")

    def features(self, case, expected, got):
        born = np.asarray(got["born"], np.float64)
        same_size = born.shape == case["x"].shape
        idle = same_size and np.allclose(born, case["x"], atol=1e-4)
        still = same_size and np.allclose(np.asarray(got["given"]), case["x"], atol=1e-4)
        even = same_size and (born - case["x"]).std(axis=(0, 2, 3)).max() < 1e-4
        traits = (idle, even, same_size and not born.any(), number_of(got, "alive") > 0, still)
        return {"out": got["out"], "traits": np.zeros([1 + int(on) for on in traits])}

    def picture(self, case, expected, got):
        return maps_picture(case["x"], expected["out"], None if got is None else got.get("out"))


def non_local_kernels(case: Case) -> dict[str, np.ndarray]:
    """1 x 1 kernels of theta, phi, g (inner, channels, 1, 1) and W_z (channels, inner, 1, 1)."""
    rng = np.random.default_rng(case["seed"])
    c, e = case["x"].shape[1], case["inner"]
    size = 1.5 / np.sqrt(c * np.sqrt(e))
    kernels = {role: rng.normal(0, size, (e, c, 1, 1)) for role in ("theta", "phi")}
    kernels["g"] = rng.normal(0, 1.5 / np.sqrt(c), (e, c, 1, 1))
    kernels["W_z"] = rng.normal(0, 1.5 / np.sqrt(e), (c, e, 1, 1))
    return {role: as_single(kernel) for role, kernel in kernels.items()}


def _moved(model: Any, out: Any) -> int:
    """How many numbers of the module, biases aside, have a gradient that is not zero."""
    import torch

    named: Any = getattr(model, "named_parameters", list)()
    parameters = [p for name, p in named if p.requires_grad and "bias" not in name]
    if not parameters or not getattr(out, "requires_grad", False):
        return 0
    aim = torch.linspace(-1, 1, out.numel(), device=out.device, dtype=out.dtype).reshape(out.shape).sin()
    found = torch.autograd.grad((out * aim).sum(), parameters, allow_unused=True)
    return sum(int((g != 0).sum()) for g in found if g is not None)


QUESTIONS = (ConvAttentionQuestion(), NonLocalQuestion())
