"""Lesson 09: the Swin block, assembled from the parts of earlier questions (Q17c), and from an empty cell (Q18b).

In Q17c the attention is a known part, and the functions of Q15 to Q16 are either the notebook's own or known ones: an
answer is right when it agrees with the solution under either, so an error in an earlier question costs nothing here.
In Q18b weights are drawn and put into the student's layers; the judge accepts every order of offsets and of fused
queries, keys and values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.given_parts import given_parts
from helpers.checks.module_probes import NOTHING, as_single, prepared
from helpers.checks.placed_weights import (
    draw_weights,
    norm_parameters,
    norms_as_called,
    place_block,
    place_feed_forward,
    put,
)
from helpers.questions.swin_windows import by_columns

_WAYS = ("own", "given")
SHAPE = Criterion(
    "shape",
    "the grid of tokens comes out as it went in: (B, H, W, dim)",
    share=0,
    hint="The windows are put together again, and zeros that were added at the edges are cut off.",
)


class SwinBlockQuestion(Question):
    id = "Q17c"
    title = "The Swin block"
    signature = "SwinBlock(dim, num_heads, window_size, shift); forward(x): (B, H, W, dim) -> (B, H, W, dim)"
    needs_gradients = True
    criteria = (
        SHAPE,
        Criterion(
            "plain",
            "without a shift: two residual connections, each around a norm and a branch",
            share=2,
            hint="shift is 0 here and all sizes divide. Compare the order of the norm, the windows, the attention and "
            "the addition with the two equations.",
        ),
        Criterion(
            "shift",
            "with a shift: the grid is shifted, attention gets the mask, and the grid is shifted back",
            share=2,
            hint="Without a shift the block agrees and with one it does not. Follow one token: it must come back to "
            "its place.",
        ),
        Criterion(
            "pad",
            "sizes that are no multiple of the window are filled with zeros below and on the right",
            hint="The check compares grids such as 5 x 7 with a window of 3. The zeros are added after the first norm.",
        ),
        Criterion(
            "single",
            "a grid of one window is not shifted",
            hint="Here the whole grid, filled up, is one window, and the block was made with a shift.",
        ),
        Criterion(
            "gradient",
            "gradients flow from the output to the input",
            share=2,
            counts_with=("plain",),
            hint="The check compares the gradient with respect to the input.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, criteria: tuple[str, ...], h: int, w: int, m: int, shift: int) -> Case:
            d, seed = 4, int(rng.integers(1 << 30))
            x, aim = as_single(rng.normal(0.3, 1.5, (2, h, w, d))), as_single(rng.normal(size=(2, h, w, d)))
            given = {"x": x, "aim": aim, "window_size": m, "shift": shift, "seed": seed}
            return Case(f"{h} x {w} tokens, window {m}, {name}", criteria=criteria, **given)

        m = int(rng.integers(2, 4))
        yield case("no shift", ("shape", "plain", "gradient"), 2 * m, 3 * m, m, 0)
        m = int(rng.integers(3, 5))
        yield case(f"shift {m // 2}", ("shape", "shift"), 3 * m, 2 * m, m, m // 2)
        yield case("shift 2", ("shift",), 6, 9, 3, 2)
        yield case("no shift", ("pad",), 5, 7, 3, 0)
        yield case("shift 1", ("pad",), 7, int(rng.integers(4, 6)), 3, 1)
        yield case("shift 1", ("single",), 3, 3, 3, 1)
        yield case("shift 2", ("single",), 3, 4, 4, 2)

    def probe(self, answer, case):
        record: dict[str, Any] = {}
        trouble: Exception | None = None
        for way, parts in (("own", {}), ("given", known_functions())):
            try:
                with given_parts(answer, {**parts, "WindowAttention": known_attention(case["seed"])}) as found:
                    asked = self._asked(answer, case)
                    if "WindowAttention" not in found:
                        raise NameError("the block is to use WindowAttention of Q17b, and does not look it up")
                    record |= {f"{name} {way}": value for name, value in asked.items()}
            except Exception as error:
                trouble = trouble or error
        if not record and trouble is not None:
            raise trouble
        return record

    def _asked(self, answer: Any, case: Case) -> dict[str, Any]:
        import torch

        d = case["x"].shape[-1]
        x = tensor(case["x"]).requires_grad_()
        model = prepared(answer(d, 2, case["window_size"], case["shift"]))
        place_halves(model, x.detach(), case["seed"])
        out = model(x)
        found = {"out": out}
        if case.covers("gradient") and out.shape == x.shape and out.requires_grad:
            (found["slope"],) = torch.autograd.grad((out * tensor(case["aim"])).sum(), x)
        return found

    def judge(self, case, expected, got):
        shapes = [same_shape("shape", expected["out own"], got.get(f"out {way}", NOTHING)) for way in _WAYS]
        if case.covers("shape"):
            yield next((f for f in shapes if f.ok), shapes[0])
        for criterion in ("plain", "shift", "pad", "single"):
            if case.covers(criterion):
                yield _either(criterion, "out", expected, got, got.tolerance)
        if case.covers("gradient"):
            yield _either("gradient", "slope", expected, got, max(got.tolerance, 1e-4))


class SwinBlockFromMemory(Question):
    id = "Q18b"
    title = "A Swin block from an empty cell"
    signature = "ShiftedBlock(dim, num_heads, window_size, shift); forward(x): (B, H, W, dim) -> (B, H, W, dim)"
    needs_gradients = True
    criteria = (
        SHAPE,
        Criterion(
            "plain",
            "without a shift and with biases of 0: norm, window attention, addition; norm, feed-forward, addition",
            share=2,
            hint="One image at a time, no shift, all relative position biases 0. Check the scale of the scores, the "
            "order of norm and addition, and which tokens share a window.",
        ),
        Criterion(
            "bias",
            "a relative position bias for each offset and head, added to the scores",
            share=1,
            hint="The check looks for a parameter with (2M - 1)² · heads numbers and fills it with random ones.",
        ),
        Criterion(
            "shift",
            "with a shift: tokens from opposite edges do not attend to each other, and all come back to their places",
            share=2,
            hint="Two images, random biases, and a shift. The mask belongs to the windows after the shift.",
        ),
        Criterion(
            "gradient",
            "gradients flow from the output to the input",
            share=1,
            counts_with=("plain",),
            hint="The check compares the gradient with respect to the input.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(
            name: str, criteria: tuple[str, ...], rows: int, columns: int, m: int, h: int, shift: int, bias: float
        ):
            d = 2 * h
            shape = (2, rows * m, columns * m, d)
            biases = as_single(rng.normal(0, 1, ((2 * m - 1) ** 2, h)) * bias)
            given: dict[str, Any] = {
                "x": as_single(rng.normal(0.3, 1.5, shape)),
                "aim": as_single(rng.normal(size=shape)),
            }
            given |= {"biases": biases, "seed": int(rng.integers(1 << 30))}
            sizes = {"dim": d, "num_heads": h, "window_size": m, "shift": shift}
            text = f"{rows * m} x {columns * m} tokens, window {m}, {h} heads, {name}"
            return Case(text, criteria=criteria, **sizes, **given)

        yield case("no biases", ("shape", "plain", "gradient"), 2, 3, 2, 2, 0, 0.0)
        yield case("biases", ("bias",), 2, 1, int(rng.integers(2, 4)), 3, 0, 2.0)
        yield case("shift 1", ("shift",), 3, 2, 2, 2, 1, 1.0)
        yield case("shift 2", ("shift",), 2, 3, 3, 2, 2, 1.0)

    def probe(self, answer, case):
        import torch

        d, h, m = case["dim"], case["num_heads"], case["window_size"]
        model = prepared(answer(d, h, m, case["shift"]))
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"an nn.Module was expected, and {type(model).__name__} came back")
        x = tensor(case["x"]).requires_grad_()
        table = [p for p in model.parameters() if p.ndim > 1 and p.numel() == case["biases"].size and p.shape[-1] != d]
        place_block(model, x.detach(), block_weights(case["seed"], d), turned=False)
        if table:
            heads_first = table[0].shape[0] == h != table[0].shape[-1]
            put(table[0], case["biases"].T if heads_first else case["biases"])
        out = model(x)
        record = {"out": out}
        if case.covers("gradient") and out.shape == x.shape and out.requires_grad:
            (record["slope"],) = torch.autograd.grad((out * tensor(case["aim"])).sum(), x)
        return record

    def judge(self, case, expected, got):
        given, ways = got.get("out", NOTHING), expected["ways"]
        if case.covers("shape"):
            yield same_shape("shape", expected["out"], given)
        fits = given.shape == ways.shape[1:] and np.isfinite(given).all()
        way = int(np.abs(ways - given).reshape(len(ways), -1).max(1).argmin()) if fits else 0
        for criterion in ("plain", "bias", "shift"):
            if case.covers(criterion):
                yield same(criterion, ways[way], given, max(got.tolerance, 1e-4), what="numbers")
        if case.covers("gradient"):
            slope = got.get("slope", NOTHING)
            if slope.size == 0:
                yield Finding("gradient", False, "no gradient reaches the input")
            else:
                yield same("gradient", expected["slopes"][way], slope, max(5 * got.tolerance, 5e-4), what="slopes")


QUESTIONS = (SwinBlockQuestion(), SwinBlockFromMemory())


def block_weights(seed: int, d: int) -> dict[str, np.ndarray]:
    """Weights of a block of width d with a feed-forward of width 4d, whose first biases leave the GELU curved."""
    weights = draw_weights(seed, d, 4 * d)
    return weights | {"b1": np.float32(0.05) * weights["b1"]}


def place_halves(model: Any, x: Any, seed: int) -> None:
    """Put drawn weights into the feed-forward and, in the order of calls, into the two norms."""
    d = x.shape[-1]
    weights = block_weights(seed, d)
    place_feed_forward(model, weights, turned=False)
    for number, norm in enumerate(norms_as_called(model, x, d)[:2], 1):
        factor, summand = norm_parameters(norm, d)
        put(factor, weights[f"norm{number}"])
        put(summand, weights[f"bnorm{number}"])


def known_attention(seed: int) -> Any:
    """A class in the place of WindowAttention: it mixes the tokens of a window by drawn numbers and the mask.

    It is no answer to Q17b: it has no queries, keys, values or biases, and its weights do not depend on the tokens.
    """
    import torch
    from torch import nn

    class KnownAttention(nn.Module):
        def __init__(self, dim: int, num_heads: int, window_size: int) -> None:
            super().__init__()
            n = window_size**2
            drawn = np.random.default_rng([seed, n, num_heads]).normal(0, 1.5, (n, n)).astype(np.float32)
            self.register_buffer("drawn", torch.as_tensor(drawn))
            self.gain = nn.Parameter(torch.tensor(1.3))

        def forward(self, x, mask=None):
            drawn: torch.Tensor = self.get_buffer("drawn")
            n = len(drawn)
            if x.ndim != 3 or x.shape[1] != n:
                raise ValueError(f"WindowAttention expects (windows, {n}, dim), and got {tuple(x.shape)}")
            mixed = []
            for number, tokens in enumerate(x):
                scores = drawn if mask is None else drawn + mask[number % len(mask)].to(x)
                mixed.append(torch.tanh(scores.softmax(-1) @ tokens) * self.gain)
            return torch.stack(mixed)

    return KnownAttention


def known_functions() -> Mapping[str, Any]:
    """Functions in the place of those of Q15 to Q16, which agree with each other and answer none of these questions."""
    import torch

    def reverse(windows, window_size, H, W):
        m, c = window_size, windows.shape[-1]
        return windows.reshape(-1, W // m, H // m, m, m, c).movedim((1, 4), (3, 2)).reshape(-1, H, W, c)

    def shift(x, shift):
        return torch.roll(torch.roll(x, shift, 1), 2 * shift, 2)

    def mask(H, W, window_size, shift):
        n = window_size**2
        k, i, j = torch.meshgrid(torch.arange(H * W // n), torch.arange(n), torch.arange(n), indexing="ij")
        return torch.where(((7 * i + 3 * j + 5 * k) % 3 == 0) & (i != j), -100.0, 0.0)

    return {
        "window_partition": by_columns, "window_reverse": reverse, "cyclic_shift": shift,
        "shifted_window_mask": mask,
    }  # fmt: skip


def _either(criterion: str, name: str, expected: Any, got: Any, tolerance: float) -> Finding:
    """Met when the answer agrees with the solution with the notebook's own parts or with the known ones."""
    found = []
    for way in _WAYS:
        given = got.get(f"{name} {way}", NOTHING)
        if given.size:
            found.append(same(criterion, expected[f"{name} {way}"], given, tolerance, what="numbers"))
    if not found:
        return Finding(criterion, False, "nothing came back that could be compared")
    return next((f for f in found if f.ok), found[0])
