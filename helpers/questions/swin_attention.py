"""Lesson 09, second third: where tokens stand to each other, and attention inside windows.

Layers may be named and laid out as the student likes. So nothing is compared weight by weight: all matrices are made
level (every entry alike), which leaves every layout the same function, and the table of biases is read from outside,
by raising one entry after the other and watching whom each token then looks at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.module_probes import NOTHING, as_single, number_of, prepared
from helpers.checks.placed_weights import put
from helpers.pictures.swin_checks import curves_of_tokens, index_picture, steered_picture

_STEER = 60.0  # so much more energy that a token looks at nobody else
_CAN = "can be seen once the shape is right"


class RelativePositionIndex(Question):
    id = "Q17"
    title = "Relative position index"
    signature = "relative_position_index(window_size) -> (window_size**2, window_size**2) whole numbers"
    criteria = (
        Criterion(
            "shape",
            "tokens by tokens: (window_size**2, window_size**2)",
            share=0,
            hint="Compare the two shapes above. There is one entry for each pair of tokens of one window.",
        ),
        Criterion(
            "same",
            "pairs that stand alike to each other share an index",
            share=2,
            hint="Two pairs with the same step down and the same step right have different numbers. Does your index "
            "know of anything but the two steps?",
        ),
        Criterion(
            "apart",
            "pairs that stand differently have different ones",
            share=3,
            hint="Two different steps got one number, so they would have to share one bias. Which numbers can the step "
            "to the right take, and how far apart must two rows of steps then be?",
        ),
        Criterion(
            "range",
            "whole numbers from 0 to (2*window_size - 1)**2 - 1, to look up a table with",
            hint="What is the smallest step down, and what the largest? The table's first row has number 0, and it "
            "has (2M - 1)² rows.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        yield Case("window 2", window_size=2)
        for m in rng.permutation(np.arange(3, 9))[:4]:
            yield Case(f"window {m}", window_size=int(m))

    def probe(self, answer, case):
        return {"index": answer(case["window_size"])}

    def judge(self, case, expected, got):
        m, wanted, given = case["window_size"], expected["index"], got.get("index", NOTHING)
        yield same_shape("shape", wanted, given)
        distinct = np.unique(given) if given.shape == wanted.shape and np.isfinite(given).all() else NOTHING
        if len(distinct) < 2 * m - 1:
            yield from (
                Finding(n, False, "can be seen once there are enough numbers") for n in ("same", "apart", "range")
            )
            return
        yield _grouped("same", wanted, given, m)
        yield _grouped("apart", given, wanted, m)
        whole = given.dtype.kind in "iu"
        fits = distinct[0] >= 0 and distinct[-1] < (2 * m - 1) ** 2
        seen = f"yours go from {distinct[0]:g} to {distinct[-1]:g}" if not fits else f"yours are of type {given.dtype}"
        yield Finding("range", bool(whole and fits), "" if whole and fits else seen)

    def picture(self, case, expected, got):
        return index_picture(expected["index"], None if got is None else np.asarray(got["index"]))


def _grouped(criterion: str, by: np.ndarray, values: np.ndarray, m: int) -> Finding:
    """Met when pairs that are equal in `by` are equal in `values`."""
    keys, flat = np.asarray(by).reshape(-1), np.asarray(values).reshape(-1)
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    wrong = np.argwhere(flat != flat[first[group]])[:, 0]
    if not wrong.size:
        return Finding(criterion, True)
    one, two = ((int(p) // m**2, int(p) % m**2) for p in (first[group[wrong[0]]], wrong[0]))
    return Finding(criterion, False, f"window {m}: look at pair {one} and pair {two}")


class WindowAttentionQuestion(Question):
    id = "Q17b"
    title = "Window attention with relative positions"
    signature = "WindowAttention(dim, num_heads, window_size); forward(x, mask=None): (num_windows*B, M*M, dim) -> same"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "tokens go in and come out with the same shape",
            share=0,
            hint="Compare the two shapes above; heads must be joined again at the end.",
        ),
        Criterion(
            "table",
            "each entry of relative_position_bias_table acts on exactly the pairs of its step",
            share=2,
            hint="One entry of the table after the other was raised by 60. Each colour in the picture is an entry: "
            "it shows which pairs of tokens that entry made look at each other.",
        ),
        Criterion(
            "formula",
            "the weights are softmax(QKᵀ/√d + B), with d the width of a head",
            share=2,
            hint="The table acts on the right pairs, but the numbers are not those of the formula. What is divided, "
            "by which root, and what is added before the softmax?",
        ),
        Criterion(
            "heads",
            "each head has a column of the table to itself",
            hint="With equal columns all is well. With different ones, some head reads the column of another. Write "
            "the shape of your bias beside the shape of the energy.",
        ),
        Criterion(
            "mask",
            "window k of every image gets mask k, before the softmax",
            share=2,
            hint="Without a mask all is well. Two images with three windows each arrive as six windows. In which "
            "order, and which mask does each need?",
        ),
        Criterion(
            "learns",
            "queries, keys, values, projection and table all learn",
            share=0,
            hint="Some weights get no gradient at all. Is the table an nn.Parameter, and does everything you make "
            "reach the output?",
        ),
        Criterion(
            "sizes",
            "other widths, heads and windows",
            hint="Right for one size, wrong for another. Which number in your lines ought to be a name?",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def case(name: str, *criteria: str, d: int, h: int, m: int, b: int = 2, windows: int = 0, equal: bool = False):
            rows = (2 * m - 1) ** 2
            biases = rng.normal(0, 1.2, (rows, 1 if equal else h)) * np.ones((1, h))
            given: dict[str, Any] = {"x": _tokens(rng, b * max(windows, 1), m * m, d), "biases": as_single(biases)}
            if windows:
                blocked = (rng.random((windows, m * m, m * m)) < 0.4) & ~np.eye(m * m, dtype=bool)
                given["mask"] = np.where(blocked, -100.0, 0.0).astype(np.float32)
            sizes = {"dim": d, "num_heads": h, "window_size": m}
            return Case(name, criteria=("shape", *criteria), **sizes, **given)

        wide = int(rng.choice([8, 12]))
        yield case(f"window 2, 2 heads, width {wide}", "table", "formula", "learns", d=wide, h=2, m=2, equal=True)
        h = int(rng.choice([2, 3]))
        yield case(f"window 2, {h} heads", "heads", d=6, h=h, m=2, b=int(rng.integers(2, 5)))
        n, b = int(rng.integers(3, 5)), int(rng.integers(2, 4))
        name = f"{b} images of {n} windows, with a mask"
        yield case(name, "mask", d=6, h=3, m=2, b=b, windows=n)
        h, per_head = int(rng.choice([1, 3, 4])), int(rng.integers(2, 5))
        name = f"window 3, {h} head{'s' * (h > 1)}, width {h * per_head}"
        yield case(name, "table", "sizes", d=h * per_head, h=h, m=3, b=int(rng.integers(2, 5)))

    def probe(self, answer, case):
        import torch

        d, h, m = case["dim"], case["num_heads"], case["window_size"]
        model, x = prepared(answer(d, h, m)), tensor(case["x"])
        given = (x, tensor(case["mask"])) if "mask" in case else (x,)
        out = model(*given)
        record: dict[str, Any] = {"shape": out}
        if case.covers("learns"):
            record["learned"], record["parts"] = _moved(model, out)
        table = _find_table(model, (2 * m - 1) ** 2, h)
        if table is None:
            return record | {"rows": 0}
        with torch.no_grad():
            for parameter in model.parameters():
                level = 1.0 / d if parameter.ndim > 1 and parameter is not table else 0.0
                put(parameter, np.full(parameter.shape, level, np.float32))
            steered = [_alone(model, x[:1])]
            for row in range((2 * m - 1) ** 2):
                put(table, _as_laid_out(_one_row(row, (2 * m - 1) ** 2, h), table))
                steered.append(_alone(model, x[:1]))
            step = _steps(_owners(np.stack(steered), case["x"][:1].mean(-1)), m)
            biases = case["biases"][np.where(step >= 0, step, 0)] * (step >= 0)[:, None]
            put(table, _as_laid_out(biases, table))
            record |= {"out": model(*given), "steered": steered, "rows": len(steered) - 1}
        return record

    def judge(self, case, expected, got):
        yield same_shape("shape", expected["shape"], got.get("shape", NOTHING))
        if case.covers("learns"):
            seen, least = number_of(got, "learned"), int(expected["learned"])
            detail = "" if seen >= least else f"{int(seen)} weights move when it learns; it should be {least}"
            yield Finding("learns", seen >= least, detail)
        out, steered = got.get("out", NOTHING), got.get("steered", NOTHING)
        if case.covers("table"):
            yield _table_finding(expected["steered"], steered, case)
        for criterion in ("formula", "heads", "mask", "sizes"):
            if case.covers(criterion):
                yield same(criterion, expected["out"], out, got.tolerance, what="numbers")

    def features(self, case, expected, got):
        marks = {"rows": np.array([number_of(got, "rows")])}
        if case.covers("learns") and number_of(got, "learned") < int(expected["learned"]):
            marks["parts"] = np.asarray(got["parts"])
        if "out" not in got:
            return marks
        owner = _owners(got["steered"], case["x"][:1].mean(-1))
        return marks | {"out": got["out"], "owner": np.sort(owner, 0).astype(np.float64)}

    def picture(self, case, expected, got):
        if not case.covers("table"):
            token = expected["out"][0].mean(-1)
            given = None if got is None or got.get("out", NOTHING).shape != expected["out"].shape else got["out"]
            return curves_of_tokens(token, None if given is None else given[0].mean(-1))
        s = case["x"][:1].mean(-1)
        given = None
        if got is not None and got.get("steered", NOTHING).shape == expected["steered"].shape:
            given = _pairs(_owners(got["steered"], s))
        return steered_picture(_relabelled(_pairs(_owners(expected["steered"], s))), _relabelled(given))


def _tokens(rng: np.random.Generator, windows: int, n: int, d: int) -> np.ndarray:
    """Tokens (windows, n, d) whose means, which is all that a level layer sees, are well apart."""
    means = np.stack([rng.permutation(np.linspace(-1.3, 1.5, n)) for _ in range(windows)])
    noise = rng.normal(0, 1, (windows, n, d))
    return as_single(
        noise - noise.mean(-1, keepdims=True) + means[..., None] + rng.uniform(-0.03, 0.03, (windows, n, 1))
    )


def _moved(model: Any, out: Any) -> tuple[int, np.ndarray]:
    """How many entries of matrices get a gradient that is not zero, and the share of them in each third's rows."""
    import torch

    parameters = [p for p in model.parameters() if p.requires_grad and p.ndim > 1]
    if not parameters or not getattr(out, "requires_grad", False):
        return 0, np.zeros((1, 3))
    aim = torch.linspace(0.5, 2, out.numel(), device=out.device, dtype=out.dtype).reshape(out.shape).sin()
    found = torch.autograd.grad((out * aim).sum(), parameters, allow_unused=True)
    moved = [torch.zeros_like(p) if g is None else g.abs() > 1e-12 for p, g in zip(parameters, found, strict=True)]
    parts = [[float(third.float().mean()) for third in m.reshape(len(m), -1).tensor_split(3)] for m in moved]
    return sum(int(m.sum()) for m in moved), np.nan_to_num(np.array(parts))


def _find_table(model: Any, rows: int, h: int) -> Any:
    """The parameter with one entry per step and head, by its name, else by its size."""
    named = list(model.named_parameters()) if hasattr(model, "named_parameters") else []
    fits = [(name, p) for name, p in named if p.numel() == rows * h and p.ndim > 1]
    return next((p for name, p in fits if "table" in name or "bias" in name), fits[0][1] if fits else None)


def _one_row(row: int, rows: int, h: int) -> np.ndarray:
    return np.where(np.arange(rows)[:, None] == row, _STEER, 0.0) * np.ones((1, h))


def _as_laid_out(biases: np.ndarray, table: Any) -> np.ndarray:
    """(rows, heads) as the table keeps it: heads last, or heads first."""
    heads_first = table.shape[0] == biases.shape[1] != table.shape[-1]
    return np.asarray(biases.T if heads_first else biases, np.float32)


def _alone(model: Any, x: Any) -> np.ndarray:
    out = model(x)
    return out.float().mean(-1)[0].cpu().numpy()


def _owners(steered: np.ndarray, means: np.ndarray) -> np.ndarray:
    """(rows, n): whom token i looks at when an entry is raised; -1 where it doesn't matter to it."""
    steered, means = np.nan_to_num(np.asarray(steered, np.float64)), np.asarray(means, np.float64).reshape(-1)
    if steered.ndim != 2 or steered.shape[1] != means.size or len(steered) < 2:
        return np.full((1, means.size), -1)
    distance = np.abs(steered[1:, :, None] - means)
    moved = np.abs(steered[1:] - steered[0]) > 1e-3
    return np.where(moved & (distance.min(-1) < 5e-2), distance.argmin(-1), -1)


def _steps(owner: np.ndarray, m: int) -> np.ndarray:
    """For each entry of the table the number of its step, from the first pair it acts on; -1 where it acts on none."""
    found = np.full(len(owner), -1)
    for row, asked in enumerate(owner):
        asking = np.argwhere(asked >= 0)[:, 0]
        if asking.size:
            i, j = int(asking[0]), int(asked[asking[0]])
            down, right = j // m - i // m, j % m - i % m
            found[row] = (down + m - 1) + (right + m - 1) * (2 * m - 1)
    return found


def _pairs(owner: np.ndarray) -> np.ndarray:
    """(n, n): the entry that acts on each pair, -1 for none, -2 for several."""
    n = owner.shape[1]
    pairs = np.full((n, n), -1)
    for row, asked in enumerate(owner):
        for i in np.argwhere(asked >= 0)[:, 0]:
            pairs[i, asked[i]] = row if pairs[i, asked[i]] == -1 else -2
    return pairs


def _relabelled(pairs: np.ndarray | None) -> Any:
    """The same groups, numbered in the order in which they come up."""
    if pairs is None:
        return None
    seen: dict[int, int] = {}
    flat = [p if p < 0 else seen.setdefault(int(p), len(seen)) for p in pairs.reshape(-1)]
    return np.array(flat).reshape(pairs.shape)


def _table_finding(wanted: np.ndarray, steered: np.ndarray, case: Case) -> Finding:
    if steered.shape != wanted.shape:
        rows, heads = len(wanted) - 1, case["num_heads"]
        return Finding("table", False, f"no parameter of shape ({rows}, {heads}) was found")
    means = case["x"][:1].mean(-1)
    target, yours = (_relabelled(_pairs(_owners(s, means))) for s in (wanted, steered))
    wrong = int((target != yours).sum())
    none = int((yours == -1).sum())
    detail = f"{wrong} of {yours.size} pairs" + (f"; no entry acts on {none} of them" if none else "")
    return Finding("table", not wrong, detail if wrong else "")


QUESTIONS = (RelativePositionIndex(), WindowAttentionQuestion())
