"""Lesson 02: row and column encodings side by side; and, as a stretch, positions as rotations of queries and keys."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.given_parts import given_parts
from helpers.checks.gradients import input_gradients, same_gradients
from helpers.pictures.positional_encoding import matrices_picture

_NOTHING = np.zeros(0)


class ConcatenatedEncoding(Question):
    id = "Q1d"
    title = "Rows and columns side by side"
    signature = "getPositionEncoding2DConcat(rows, columns, d, n=10000) -> (rows * columns, d)"
    criteria = (
        Criterion(
            "shape",
            "one row per patch, d numbers wide",
            share=0,
            hint="For a grid of rows x columns patches the result has the shape (rows * columns, d).",
        ),
        Criterion(
            "halves",
            "the first half of the width depends on the row only, the second half on the column only",
            share=0,
            hint="Two patches of one row must agree in the first half, two patches of one column in the second half, "
            "and different rows and columns must differ.",
        ),
        Criterion(
            "values",
            "square grids: the numbers are right",
            share=2,
            hint="Every number is compared with the target, for drawn d and n. A mistake in Q1 costs nothing here.",
        ),
        Criterion(
            "oblong",
            "oblong grids: the numbers are right",
            hint="Every number is compared with the target, for oblong grids.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        square = ("shape", "halves", "values")
        yield Case("4 x 4 patches, width 16", criteria=square, rows=4, columns=4, d=16)
        side, d, n = int(rng.choice([3, 5, 6])), 4 * int(rng.integers(2, 6)), int(rng.integers(20, 3000))
        name = f"{side} x {side} patches, width {d}, n = {n}"
        yield Case(name, criteria=square, rows=side, columns=side, d=d, n=n)
        rows, columns = int(rng.integers(3, 5)), int(rng.integers(5, 8))
        yield Case(
            f"{rows} x {columns} patches, width 8", criteria=("shape", "oblong"), rows=rows, columns=columns, d=8
        )
        rows, columns = int(rng.integers(5, 8)), int(rng.integers(3, 5))
        d, n = 4 * int(rng.integers(3, 6)), int(rng.integers(20, 3000))
        name = f"{rows} x {columns} patches, width {d}, n = {n}"
        yield Case(name, criteria=("shape", "oblong"), rows=rows, columns=columns, d=d, n=n)

    def probe(self, answer, case):
        given = (case["n"],) if "n" in case else ()
        sizes = (case["rows"], case["columns"], case["d"])
        with given_parts(answer, {"getPositionEncoding": _known_code}):
            record = {"with_known": answer(*sizes, *given)}
        try:
            return record | {"code": answer(*sizes, *given)}
        except Exception:  # the notebook's own Q1 fails; the answer itself does not
            return record | {"code": record["with_known"]}

    def judge(self, case, expected, got):
        name = _nearer(expected, got, 10 * got.tolerance)
        wanted, given = expected[name], got.get(name, _NOTHING)
        yield same_shape("shape", wanted, given)
        if case.covers("halves"):
            yield _halves(case, wanted, given, 2 * got.tolerance)
            yield same("values", wanted, given, got.tolerance)
        if case.covers("oblong"):
            yield same("oblong", wanted, given, got.tolerance)

    def picture(self, case, expected, got):
        code = None if got is None else got["code"]
        return matrices_picture(expected["code"], code, xlabel="dimension", ylabel="patch", limits=(-1, 1))


class RotaryEncoding2D(Question):
    id = "Q1e"
    title = "Rotary encoding in two dimensions"
    signature = "rotate2D(x, rows, columns, n=100): (rows * columns, d) -> (rows * columns, d)"
    needs_gradients = True
    criteria = (
        Criterion("shape", "the shape stays", share=0, hint="x and the result have the shape (rows * columns, d)."),
        Criterion(
            "rows",
            "the first half of the width is rotated by the row",
            share=2,
            hint="In the first half, pair i of a token in row r is rotated by r / n^(i / (d/4)) radians. The second "
            "half is not looked at here.",
        ),
        Criterion(
            "columns",
            "the second half of the width is rotated by the column",
            share=2,
            hint="In the second half, pair i of a token in column c is rotated by c / n^(i / (d/4)) radians. The "
            "first half is not looked at here.",
        ),
        Criterion(
            "n", "a smaller n makes the slow pairs faster", hint="The function is called with other values of n."
        ),
        Criterion(
            "gradient",
            "gradients flow from the result to x",
            counts_with=("rows", "columns"),
            hint="The gradient with respect to x is compared with the target's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        halves = ("shape", "rows", "columns", "gradient")
        yield _rotary(rng, halves, 3, 3, 8)
        rows, columns = int(rng.integers(2, 4)), int(rng.integers(4, 7))
        yield _rotary(rng, halves, rows, columns, 4 * int(rng.integers(3, 6)))
        rows, columns = int(rng.integers(4, 7)), int(rng.integers(2, 4))
        yield _rotary(rng, ("shape", "n"), rows, columns, 12, n=int(rng.integers(3, 40)))

    def probe(self, answer, case):
        given = (case["rows"], case["columns"], *((case["n"],) if "n" in case else ()))
        record = {"out": answer(tensor(case["x"]), *given)}
        if case.covers("gradient"):
            record |= input_gradients(lambda x: answer(x, *given), {"x": case["x"]})
        return record

    def judge(self, case, expected, got):
        wanted, given = expected["out"], got.get("out", _NOTHING)
        yield same_shape("shape", wanted, given)
        middle = wanted.shape[1] // 2
        for criterion, part in (("rows", slice(0, middle)), ("columns", slice(middle, None)), ("n", slice(None))):
            if case.covers(criterion):
                fits = given.shape == wanted.shape
                yield same(criterion, wanted[:, part], given[:, part] if fits else given, got.tolerance, what="numbers")
        if case.covers("gradient"):
            yield same_gradients("gradient", expected, got, got.tolerance)

    def features(self, case, expected, got):
        return {"out": got["out"]} | {name: got[name] for name in expected if name.startswith("grad ") and name in got}


def _known_code(seq_len: int, d: int, n: float = 10000):
    """A code for each position that stands for Q1 while Q1d is checked: (seq_len, d), no sinusoidal encoding."""
    import torch

    from helpers.device import device

    k, column = torch.arange(seq_len, device=device())[:, None], torch.arange(d, device=device())
    return torch.cos(0.7 * k + 0.37 * column * (k + 1) + math.log(n) + 0.11 * d)


def _nearer(expected, got, tolerance: float) -> str:
    """Which record to judge: that of the known part if the answer called it and agrees, else the notebook's own."""
    wanted, given = expected["with_known"], got.get("with_known", _NOTHING)
    fits = given.shape == wanted.shape and bool((np.abs(given.astype(np.float64) - wanted) <= tolerance).all())
    return "with_known" if fits else "code"


def _rotary(rng: np.random.Generator, criteria: tuple[str, ...], rows: int, columns: int, d: int, **more) -> Case:
    name = f"{rows} x {columns} tokens of width {d}" + (f", n = {more['n']}" if more else "")
    x = rng.normal(size=(rows * columns, d)).astype(np.float32)
    return Case(name, criteria=criteria, x=x, rows=rows, columns=columns, **more)


def _halves(case: Case, wanted: np.ndarray, given: np.ndarray, tolerance: float) -> Finding:
    """Whether the first half is a function of the row alone and the second of the column alone, whatever function."""
    if given.shape != wanted.shape:
        return Finding("halves", False, "can be seen once the shape is right")
    code = np.asarray(given, np.float64).reshape(case["rows"], case["columns"], -1)  # rows columns d
    if not np.isfinite(code).all():
        return Finding("halves", False, "some numbers are nan or infinite")
    middle = code.shape[-1] // 2
    of_row, of_column = code[:, :, :middle], code[:, :, middle:].transpose(1, 0, 2)
    for half, name, one in ((of_row, "first", "row"), (of_column, "second", "column")):
        if np.abs(half - half[:, :1]).max() > tolerance:
            return Finding("halves", False, f"the {name} half differs between patches of one {one}")
        apart = np.abs(half[:, None, 0] - half[None, :, 0]).max(-1)
        if (apart[~np.eye(len(half), dtype=bool)] <= 4 * tolerance).any():
            return Finding("halves", False, f"the {name} half is the same for two {one}s")
    if len(of_row) == len(of_column) and np.abs(of_row[:, 0] - of_column[:, 0]).max() > tolerance:
        return Finding("halves", False, "row k and column k have different encodings")
    if np.linalg.matrix_rank(of_row[:, 0], tol=tolerance) < 2:
        return Finding("halves", False, "all dimensions of a half contain the same")
    return Finding("halves", True)


QUESTIONS = (ConcatenatedEncoding(), RotaryEncoding2D())
