"""Lesson 02: a code for each position, how much two codes resemble each other, and a code for rows and columns.

The first question is asked in parts that can be right one by one: the fastest pair of columns, the even columns, the
odd ones, and the part that `n` plays. The 2-D code stands on the student's own 1-D code, so it is judged twice: by its
structure, which a slip in the 1-D code leaves whole, and by its values.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.pictures.positional_encoding import matrices_picture

_NOTHING = np.zeros(0)


class PositionEncoding(Question):
    id = "Q1"
    title = "The sinusoidal code"
    signature = "getPositionEncoding(seq_len, d, n=10000) -> (seq_len, d)"
    criteria = (
        Criterion(
            "shape",
            "one row per position, one column per dimension",
            share=0,
            hint="The result has the shape (seq_len, d).",
        ),
        Criterion(
            "first",
            "the first pair of columns turns by one radian per position",
            hint="Columns 0 and 1 are compared with the target, at every position.",
        ),
        Criterion(
            "even",
            "even columns hold the sine of their pair's angle",
            hint="All even columns are compared with the target, at every position.",
        ),
        Criterion(
            "odd",
            "odd columns hold the cosine of the same angle",
            hint="All odd columns are compared with the target, at every position.",
        ),
        Criterion(
            "n",
            "a smaller n makes the slow pairs faster",
            hint="The function is called with values of n other than 10000, and all columns are compared.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        yield Case("4 positions, width 4, n = 100", criteria=("shape", "n"), seq_len=4, d=4, n=100)
        waves = ("shape", "first", "even", "odd")
        seq_len, d = int(rng.integers(5, 9)), _even(rng, 10, 17)
        yield Case(f"{seq_len} positions, width {d}", criteria=waves, seq_len=seq_len, d=d)
        seq_len, d = int(rng.integers(130, 161)), _even(rng, 6, 11)  # so many that n = 10001 gives other numbers
        yield Case(f"{seq_len} positions, width {d}", criteria=waves, seq_len=seq_len, d=d)
        seq_len = int(rng.integers(3, 8))
        yield Case(f"{seq_len} positions, a single pair", criteria=waves, seq_len=seq_len, d=2)
        seq_len, d = int(rng.integers(5, 10)), _even(rng, 10, 15)
        n = int(rng.integers(20, 3000))
        yield Case(f"{seq_len} positions, width {d}, n = {n}", criteria=("shape", "n"), seq_len=seq_len, d=d, n=n)

    def probe(self, answer, case):
        given = (case["n"],) if "n" in case else ()
        return {"code": answer(case["seq_len"], case["d"], *given)}

    def judge(self, case, expected, got):
        wanted, given = expected["code"], got.get("code", _NOTHING)
        yield same_shape("shape", wanted, given)
        if case.covers("n"):
            yield same("n", wanted, given, got.tolerance)
        if case.covers("even"):
            yield _columns("first", slice(0, 2), wanted, given, got.tolerance)
            yield _columns("even", slice(0, None, 2), wanted, given, got.tolerance)
            yield _columns("odd", slice(1, None, 2), wanted, given, got.tolerance)

    def features(self, case, expected, got):
        code = got["code"]
        return {"code": code, "whole numbers": np.array([code.dtype.kind in "biu"])}

    def picture(self, case, expected, got):
        code = None if got is None else got["code"]
        return matrices_picture(expected["code"], code, xlabel="dimension", ylabel="position", limits=(-1, 1))


class CosineSimilarity(Question):
    id = "Q1b"
    title = "How much two codes resemble each other"
    signature = "cosine_similarity(P) -> (n, n)"
    criteria = (
        Criterion(
            "shape",
            "one row and one column for each row of P",
            share=0,
            hint="For P of the shape (n, d) the result has the shape (n, n).",
        ),
        Criterion(
            "unit",
            "right for rows of length one",
            hint="All rows of P have length one here.",
        ),
        Criterion(
            "any",
            "right for rows of any length, with negative numbers too",
            share=2,
            hint="The rows of P have lengths between 0.03 and 30 here.",
        ),
        Criterion(
            "zero",
            "a row of zeros resembles nothing: 0, and never nan",
            hint="One row of P is all zeros here; its similarities are 0, also that with itself.",
        ),
        Criterion(
            "input",
            "P itself is left as it was",
            hint="P is compared before and after the call.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        arrows = [[2.0, 0.0], [0.0, 1.0], [-3.0, 0.0], [0.5, 0.5], [0.0, -4.0]]
        by_hand = ("shape", "any", "input")
        yield Case("five arrows to check by hand", criteria=by_hand, P=np.array(arrows, np.float32))
        n, d = int(rng.integers(4, 8)), int(rng.integers(9, 14))
        yield Case(f"{n} rows of length one", criteria=("shape", "unit"), P=_length_one(rng, n, d))
        n, d = int(rng.integers(5, 8)), int(rng.integers(9, 14))
        rows = rng.standard_normal((n, d)) * 10 ** rng.uniform(-1.5, 1.5, (n, 1))
        yield Case(f"{n} rows of any length", criteria=("shape", "any", "input"), P=rows.astype(np.float32))
        n, d = int(rng.integers(6, 8)), int(rng.integers(3, 5))
        rows = rng.standard_normal((n, d)) * rng.uniform(0.5, 3, (n, 1))
        rows[int(rng.integers(1, n))] = 0
        yield Case(f"{n} rows, one of them all zeros", criteria=("shape", "zero"), P=rows.astype(np.float32))

    def probe(self, answer, case):
        P = tensor(case["P"])
        return {"similarity": answer(P), "P": P}

    def judge(self, case, expected, got):
        wanted, given = expected["similarity"], got.get("similarity", _NOTHING)
        yield same_shape("shape", wanted, given)
        values = same("any", wanted, given, got.tolerance)
        for criterion in ("unit", "any", "zero"):
            if case.covers(criterion):
                yield Finding(criterion, values.ok, values.detail)
        if case.covers("input"):
            yield _untouched(case["P"], got.get("P", _NOTHING), values.ok)

    def picture(self, case, expected, got):
        given = None if got is None else got["similarity"]
        return matrices_picture(expected["similarity"], given, xlabel="row of P", ylabel="row of P", limits=(-1, 1))


class PositionEncoding2D(Question):
    id = "Q1c"
    title = "A code for rows and columns"
    signature = "getPositionEncoding2D(rows, columns, d, n=10000) -> (rows * columns, d)"
    criteria = (
        Criterion(
            "shape",
            "one row per patch, as wide as a 1-D code",
            share=0,
            hint="For a grid of rows x columns patches the result has the shape (rows * columns, d).",
        ),
        Criterion(
            "sum",
            "square grids: each patch carries its row's code plus its column's",
            hint="In a sum of a row code and a column code, a step to the right changes the code alike in every row, "
            "and a step down alike in every column.",
        ),
        Criterion(
            "values",
            "square grids: the numbers are right",
            hint="Every number is compared with the target, for drawn d and n.",
        ),
        Criterion(
            "place",
            "oblong grids: patch after patch along a row, then the next row",
            hint="The same as for square grids is asked of oblong ones, row by row.",
        ),
        Criterion(
            "oblong",
            "oblong grids: the numbers are right",
            hint="Every number is compared with the target, for oblong grids.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        square, oblong = ("shape", "sum", "values"), ("shape", "place", "oblong")
        yield Case("4 x 4 patches, width 16", criteria=square, rows=4, columns=4, d=16)
        side, d, n = int(rng.choice([3, 5, 6])), 4 * int(rng.integers(2, 5)), int(rng.integers(20, 3000))
        name = f"{side} x {side} patches, width {d}, n = {n}"
        yield Case(name, criteria=square, rows=side, columns=side, d=d, n=n)
        rows, columns = int(rng.integers(3, 5)), int(rng.integers(5, 8))
        yield Case(f"{rows} x {columns} patches, width 8", criteria=oblong, rows=rows, columns=columns, d=8)
        rows, columns = int(rng.integers(5, 8)), int(rng.integers(3, 5))
        d, n = 4 * int(rng.integers(2, 4)), int(rng.integers(20, 3000))
        name = f"{rows} x {columns} patches, width {d}, n = {n}"
        yield Case(name, criteria=oblong, rows=rows, columns=columns, d=d, n=n)

    def probe(self, answer, case):
        given = (case["n"],) if "n" in case else ()
        return {"code": answer(case["rows"], case["columns"], case["d"], *given)}

    def judge(self, case, expected, got):
        wanted, given = expected["code"], got.get("code", _NOTHING)
        yield same_shape("shape", wanted, given)
        structure, values = ("sum", "values") if case.covers("sum") else ("place", "oblong")
        yield _grid(structure, case, wanted, given, 2 * got.tolerance)
        yield same(values, wanted, given, got.tolerance)

    def picture(self, case, expected, got):
        code = None if got is None else got["code"]
        return matrices_picture(expected["code"], code, xlabel="dimension", ylabel="patch", limits=(-2, 2))


def _even(rng: np.random.Generator, low: int, high: int) -> int:
    """An even number, at least `low` and below `high`."""
    return 2 * int(rng.integers(-(-low // 2), -(-high // 2)))


def _length_one(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Rows of length one, drawn without measuring any: four halves each, of either sign, in four places."""
    rows = np.zeros((n, d), np.float32)
    for row in rows:
        row[rng.permutation(d)[:4]] = rng.choice([-0.5, 0.5], 4)
    return rows


def _columns(criterion: str, which: slice, wanted: np.ndarray, given: np.ndarray, tolerance: float) -> Finding:
    if given.shape != wanted.shape:
        return same_shape(criterion, wanted, given)
    found = same(criterion, wanted[:, which], given[:, which], tolerance)
    if found.ok:
        return found
    chosen = np.zeros(wanted.shape, bool)
    chosen[:, which] = True
    with np.errstate(invalid="ignore"):
        wrong = chosen & ~(np.abs(given.astype(np.float64) - wanted) <= tolerance)
    k, column = (int(x) for x in np.argwhere(wrong)[0])
    detail = f"{int(wrong.sum())} of {int(chosen.sum())} values differ; at position {k}, column {column}: "
    return Finding(criterion, False, detail + f"expected {wanted[k, column]:.4f}, got {given[k, column]:.4f}")


def _untouched(before: np.ndarray, after: np.ndarray, right: bool) -> Finding:
    """Leaving P alone counts once there is a right result to show for it."""
    if before.shape != after.shape or not np.array_equal(before, after):
        return Finding("input", False, "P held other numbers after the call than before")
    return Finding("input", right, "" if right else "can be seen once the values are right")


def _grid(criterion: str, case: Case, wanted: np.ndarray, given: np.ndarray, tolerance: float) -> Finding:
    """Whether a code is made of one part per row and one per column, whatever these parts are.

    Going one column on must change the code alike in every row, and rows and columns must all differ. On a square grid
    both parts must come from the same 1-D code as well.
    """
    if given.shape != wanted.shape:
        return Finding(criterion, False, "can be seen once the shape is right")
    code = np.asarray(given, np.float64).reshape(case["rows"], case["columns"], -1)  # rows columns d
    if not np.isfinite(code).all():
        return Finding(criterion, False, "some numbers are nan or infinite")
    room = tolerance * max(1.0, float(np.abs(code).max()))
    down, across = code[:, :1] - code[0, 0], code[:1] - code[0, 0]
    if not _all_differ(down[:, 0], room) or not _all_differ(across[0], room):
        return Finding(criterion, False, "two rows, or two columns, of the grid carry the same code")
    off = np.abs(code - code[0, 0] - down - across).max(-1) > room  # rows columns
    if off.any():
        r, c = (int(x) for x in np.argwhere(off)[0])
        return Finding(criterion, False, f"patch {r * case['columns'] + c} does not fit the rest of its row and column")
    if np.linalg.matrix_rank(np.concatenate([down[:, 0], across[0]]), tol=room) < 2:
        return Finding(criterion, False, "all dimensions say the same")
    if criterion == "sum" and np.abs(down[:, 0] - across[0]).max() > room:
        return Finding(criterion, False, "a step down does not change the code like a step to the right")
    return Finding(criterion, True)


def _all_differ(rows: np.ndarray, room: float) -> bool:
    apart = np.abs(rows[:, None] - rows[None]).max(-1)  # rows rows
    return bool((apart[~np.eye(len(rows), dtype=bool)] > 4 * room).all())


QUESTIONS = (PositionEncoding(), CosineSimilarity(), PositionEncoding2D())
