"""Lesson 09, first third: windows, their reverse, the cyclic shift, and the mask for windows that wrap.

Every entry of a drawn input is a whole number that occurs once, so its value tells where it came from. The mask is
judged by which pairs it blocks: 0 lets a pair through, any large negative number (-inf too) blocks it.

A rearrangement has to pass values and gradients on unchanged, whatever their order: the gradient of the sum of all
squares is twice the input. So an error of order does not cost this criterion as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same_shape, tensor
from helpers.checks.given_parts import given_parts
from helpers.checks.gradients import gradients, same_gradients, with_gradient
from helpers.checks.index_probes import counted, held, kept_whole, origins, shuffled, traced, whole
from helpers.checks.module_probes import as_single
from helpers.pictures.swin_checks import grids_picture, masks_picture, windows_picture

_NOTHING = np.zeros(0)
FLOWS = Criterion(
    "gradient",
    "values pass unchanged in float32, and gradients flow back to the input",
    counts_with=("order", "places", "rows", "columns"),
    hint="The input is float32 and requires a gradient. The check compares the gradient of the sum of all squares.",
)
BLOCKED = -20.0  # at most: the weight e^-20 of a blocked pair is nothing beside rounding
_CAN = "can be seen once the shape is right"


class WindowPartition(Question):
    id = "Q15"
    title = "Cut into windows"
    signature = "window_partition(x, window_size): (B, H, W, C) -> (num_windows*B, window_size, window_size, C)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "all windows of all images on one axis: (num_windows*B, window_size, window_size, C)",
            share=0,
            hint="One image has (H / window_size) * (W / window_size) windows.",
        ),
        Criterion(
            "order",
            "windows row by row from the top left, and all windows of an image before those of the next",
            share=2,
            hint="The check compares which tokens each window holds, in any arrangement. To find the error, pick one "
            "wrong number in the picture and find its place in the grid.",
        ),
        Criterion(
            "inside",
            "inside a window every token keeps its row, its column and its channels",
            share=2,
            hint="The check looks for each expected window, with its tokens in their places, anywhere in your result.",
        ),
        Criterion(
            "sizes",
            "grids need not be square",
            hint="These grids have more rows than columns, or more columns than rows.",
        ),
        FLOWS,
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        even = ("shape", "order", "inside")
        yield Case("16 numbered tokens, windows of 2 x 2", criteria=even, x=counted((1, 4, 4, 1)), window_size=2)
        b, c, m, rows = _unlike(rng)
        x = shuffled(rng, (b, rows * m, rows * m, c))
        name = f"{b} images of {rows} x {rows} windows, {c} channels"
        yield Case(name, criteria=even, x=x, window_size=m)
        for _ in range(2):
            rows, columns = unequal(rng)
            m, b = int(rng.integers(2, 5)), int(rng.integers(1, 3))
            x = shuffled(rng, (b, rows * m, columns * m, 2))
            yield Case(f"{rows * m} x {columns * m} tokens, window {m}", criteria=("sizes",), x=x, window_size=m)
        x = as_single(rng.normal(0, 1, (2, 6, 4, 3)))
        yield Case("6 x 4 tokens of decimal numbers", criteria=("gradient",), x=x, window_size=2)

    def probe(self, answer, case):
        if case.covers("gradient"):
            return squared(answer, case["x"], case["window_size"])
        return {"windows": answer(tensor(case["x"]), case["window_size"])}

    def judge(self, case, expected, got):
        if case.covers("gradient"):
            yield same_gradients("gradient", expected, got, got.tolerance, room=1)
            return
        wanted, given = expected["windows"], got.get("windows", _NOTHING)
        yield same_shape("shape", wanted, given)
        if case.covers("sizes"):
            yield from _asked_again(wanted, given, "order", "inside", 1)
        if case.covers("order"):
            yield held("order", wanted, given, 1, "window")
            yield kept_whole("inside", wanted, given, 1, "window")

    def picture(self, case, expected, got):
        if case.covers("gradient"):
            return None
        return windows_picture(expected["windows"], None if got is None else got["windows"])


class WindowReverse(Question):
    id = "Q15b"
    title = "Windows back into a grid"
    signature = "window_reverse(windows, window_size, H, W): (num_windows*B, M, M, C) -> (B, H, W, C)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "four axes again: (B, H, W, C)",
            share=0,
            hint="B is not passed. It is the length of the first axis, divided by the number of windows of one image.",
        ),
        Criterion(
            "places",
            "each window lands where it was cut from, in its own image",
            share=2,
            hint="In the picture each colour is one window. The check compares from which window each number came.",
        ),
        Criterion(
            "inside",
            "inside a window every token keeps its row, its column and its channels",
            share=2,
            hint="The check compares from which place inside its window each number came.",
        ),
        Criterion(
            "sizes",
            "grids need not be square",
            hint="In these grids H and W differ.",
        ),
        FLOWS,
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        even = ("shape", "places", "inside")
        numbered = counted((4, 2, 2, 1))
        yield Case("4 windows of 2 x 2, numbered", criteria=even, windows=numbered, window_size=2, H=4, W=4)
        b, c, m, rows = _unlike(rng)
        windows = shuffled(rng, (b * rows * rows, m, m, c))
        name = f"{b} images of {rows} x {rows} windows, {c} channels"
        yield Case(name, criteria=even, windows=windows, window_size=m, H=rows * m, W=rows * m)
        for _ in range(2):
            rows, columns = unequal(rng)
            m, b = int(rng.integers(2, 5)), int(rng.integers(1, 3))
            windows = shuffled(rng, (b * rows * columns, m, m, 2))
            name = f"{rows * m} x {columns * m} tokens, window {m}"
            yield Case(name, criteria=("sizes",), windows=windows, window_size=m, H=rows * m, W=columns * m)
        windows = as_single(rng.normal(0, 1, (12, 2, 2, 3)))
        yield Case("windows of decimal numbers", criteria=("gradient",), windows=windows, window_size=2, H=6, W=4)

    def probe(self, answer, case):
        if case.covers("gradient"):
            return squared(answer, case["windows"], case["window_size"], case["H"], case["W"])
        return {"x": answer(tensor(case["windows"]), case["window_size"], case["H"], case["W"])}

    def judge(self, case, expected, got):
        if case.covers("gradient"):
            yield same_gradients("gradient", expected, got, got.tolerance, room=1)
            return
        wanted, given = expected["x"], got.get("x", _NOTHING)
        yield same_shape("shape", wanted, given)
        window_of, place_of = origins(case["windows"], 1)
        asked = (
            ("places", window_of, "lie in another window's place"),
            ("inside", place_of, "changed their place inside their window"),
        )
        for name, origin, words in asked:
            found = traced(name, origin, wanted, given, words)
            yield Finding("sizes", found.ok, found.detail, of=name) if case.covers("sizes") else found

    def picture(self, case, expected, got):
        if case.covers("gradient"):
            return None
        window_of, _ = origins(case["windows"], 1)
        return grids_picture(expected["x"], None if got is None else got["x"], window_of)


class CyclicShift(Question):
    id = "Q16a"
    title = "Cyclic shift"
    signature = "cyclic_shift(x, shift): (B, H, W, C) -> (B, H, W, C)"
    needs_gradients = True
    criteria = (
        Criterion(
            "whole",
            "nothing is lost: every number is still there, in its own image and channel",
            share=0,
            hint="The shift is cyclic: what leaves at one edge comes back at the opposite edge. Only the axes H and W "
            "move.",
        ),
        Criterion(
            "rows",
            "row `shift` comes first, and the rows above it come last",
            share=2,
            hint="With shift 1 on 4 rows, the rows come in the order 1, 2, 3, 0.",
        ),
        Criterion(
            "columns",
            "column `shift` comes first, and the columns left of it come last",
            share=2,
            hint="With shift 1 on 4 columns, the columns come in the order 1, 2, 3, 0.",
        ),
        Criterion(
            "back",
            "a negative shift goes the other way",
            hint="A shift of -s undoes a shift of s.",
        ),
        replace(FLOWS, share=0),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        main = ("whole", "rows", "columns")
        yield Case("4 x 4 numbered tokens, shift 1", criteria=main, x=counted((1, 4, 4, 1)), shift=1)
        for _ in range(2):
            h, w, shift = int(rng.integers(5, 9)), int(rng.integers(5, 9)), int(rng.choice([1, 2, 4]))
            name = f"3 images of {h} x {w} tokens, shift {shift}"  # a shift by 3 would leave images and channels alone
            yield Case(name, criteria=main, x=shuffled(rng, (3, h, w, 3)), shift=shift)
        h, w, shift = int(rng.integers(5, 10)), int(rng.integers(5, 10)), -int(rng.integers(1, 4))
        x = shuffled(rng, (2, h, w, 1))
        yield Case(f"{h} x {w} tokens, shift {shift}", criteria=("back",), x=x, shift=shift)
        x = as_single(rng.normal(0, 1, (2, 5, 4, 2)))
        yield Case("5 x 4 tokens of decimal numbers", criteria=("gradient",), x=x, shift=2)

    def probe(self, answer, case):
        if case.covers("gradient"):
            return squared(answer, case["x"], case["shift"])
        return {"x": answer(tensor(case["x"]), case["shift"])}

    def judge(self, case, expected, got):
        if case.covers("gradient"):
            yield same_gradients("gradient", expected, got, got.tolerance, room=1)
            return
        wanted, given = expected["x"], got.get("x", _NOTHING)
        if case.covers("back"):
            yield traced("back", np.arange(wanted.size), wanted, given, "stand in another's place")
            return
        if given.shape != wanted.shape:
            yield same_shape("whole", wanted, given)
            yield from (Finding(name, False, _CAN) for name in ("rows", "columns"))
            return
        image, row, column, channel = (
            axis.reshape(-1)[np.argsort(case["x"].reshape(-1))] for axis in np.indices(wanted.shape)
        )
        there = np.array_equal(np.sort(whole(given).reshape(-1)), np.sort(wanted.reshape(-1)))
        kept = traced("whole", image * wanted.shape[-1] + channel, wanted, given, "are in another image or channel")
        yield kept if there else Finding("whole", False, "some numbers are missing, or there twice")
        yield traced("rows", row, wanted, given, "are in another row")
        yield traced("columns", column, wanted, given, "are in another column")

    def picture(self, case, expected, got):
        if case.covers("gradient"):
            return None
        row = np.indices(case["x"].shape)[1].reshape(-1)[np.argsort(case["x"].reshape(-1))]
        return grids_picture(expected["x"], None if got is None else got["x"], row)


class ShiftedWindowMask(Question):
    id = "Q16"
    title = "The mask of shifted windows"
    signature = "shifted_window_mask(H, W, window_size, shift) -> (num_windows, window_size**2, window_size**2)"
    criteria = (
        Criterion(
            "shape",
            "one matrix per window, tokens by tokens",
            share=0,
            hint="A window of M x M has M² tokens, and the mask has one entry for each ordered pair of them.",
        ),
        Criterion(
            "values",
            "only two kinds of entry: 0, or a large negative number",
            share=0,
            hint="The mask is added to the attention scores before the softmax. Adding 0 leaves a pair as it is; "
            "adding a large negative number makes its weight vanish.",
        ),
        Criterion(
            "windows",
            "only windows that wrap around an edge block anything",
            share=2,
            hint="The picture shows the mask of each window. The check compares which windows block at least one pair.",
        ),
        Criterion(
            "pairs",
            "in such a window, two tokens attend to each other exactly if they come from the same side of the edge",
            share=3,
            hint="The check compares every pair of tokens. To find the error, take one wrong pair from the picture and "
            "mark where its two tokens stood before the shift.",
        ),
        Criterion(
            "sizes",
            "other grids, other windows, other shifts; a shift of 0 blocks nothing",
            hint="These grids need not be square, and their shift is not half of the window.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        main = ("shape", "values", "windows", "pairs")
        yield Case("4 x 4 tokens, window 2, shift 1", criteria=main, **_grid(2, 2, 2, 1))
        for _ in range(2):
            m, rows = int(rng.integers(3, 6)), int(rng.integers(2, 4))
            shift = int(rng.integers(1, m))
            columns = rows if m == 5 else int(rng.integers(2, 4))
            grid = _grid(rows, columns, m, shift)
            name = f"{grid['H']} x {grid['W']} tokens, window {m}, shift {shift}"
            yield Case(name, criteria=(*main, "sizes"), **grid)
        rows, columns = unequal(rng)
        m = int(rng.integers(3, 5))
        shift = int(rng.choice([s for s in range(1, m) if s != m // 2]))
        grid = _grid(rows, columns, m, shift)
        name = f"{grid['H']} x {grid['W']} tokens, window {m}, shift {shift}"
        yield Case(name, criteria=("shape", "values", "sizes"), **grid)
        m = int(rng.integers(2, 5))
        yield Case(f"window {m}, shift 0", criteria=("sizes",), **_grid(2, 3, m, 0))

    def probe(self, answer, case):
        sizes = case["H"], case["W"], case["window_size"], case["shift"]
        with given_parts(answer, {"window_partition": by_columns}) as found:
            known = answer(*sizes)
        if not found:
            return {"mask": known, "known": known, "given": False}
        try:
            return {"mask": answer(*sizes), "known": known, "given": True}
        except Exception:  # the notebook's own window_partition, which is asked in Q15
            return {"mask": known, "known": known, "given": True}

    def judge(self, case, expected, got):
        name = _way(expected, got)
        blocked, given = expected[name] <= BLOCKED, got.get(name, _NOTHING)
        yield same_shape("shape", expected[name], given)
        if given.shape != blocked.shape:
            yield from (Finding(name, False, _CAN) for name in ("values", "windows", "pairs", "sizes"))
            return
        odd = odd_entries(given)
        if odd.any():
            first = given[odd].reshape(-1)[0]
            detail = f"{int(odd.sum())} of {odd.size} entries are neither, such as {float(first):.3g}"
            yield Finding("values", False, detail)
            yield from (
                Finding(n, False, "can be seen once the values are right") for n in ("windows", "pairs", "sizes")
            )
            return
        yours = given <= BLOCKED
        wrong = [int(k) for k in np.argwhere(yours.any((1, 2)) != blocked.any((1, 2)))[:, 0]]
        says = f"window {wrong[0]} blocks {'something' if yours[wrong[0]].any() else 'nothing'}" if wrong else ""
        off = np.argwhere(yours != blocked)
        pairs = len(off)
        any_wrong = f"{pairs} of {blocked.size} pairs are wrong, the first in window {off[0][0]}" if pairs else ""
        yield Finding("values", True)
        yield Finding("windows", not wrong, says)
        yield Finding("pairs", not pairs, any_wrong)
        yield Finding(
            "sizes", not pairs, any_wrong, of="" if case.covers("shape") and not case.covers("pairs") else "pairs"
        )

    def features(self, case, expected, got):
        mask = np.asarray(got[_way(expected, got)])
        if mask.dtype == bool:
            return {"bool": mask.astype(np.float64)}
        blocked = np.where(mask <= BLOCKED, -1.0, mask)
        return {"mask": np.where(np.isfinite(blocked), blocked, 9.0)}

    def picture(self, case, expected, got):
        name = "mask" if got is None else _way(expected, got)
        given = None if got is None else np.asarray(got[name])
        return masks_picture(expected[name] <= BLOCKED, given, odd_entries)


def by_columns(x: Any, window_size: int) -> Any:
    """Windows column by column, transposed: given to Q16 in the place of the notebook's own `window_partition`.

    It is no answer to Q15. The solution is asked with it as well, so a wrong Q15 costs nothing in Q16.
    """
    b, h, w, c = x.shape
    m = window_size
    return x.reshape(b, h // m, m, w // m, m, c).movedim((3, 4), (1, 3)).reshape(-1, m, m, c)


def _way(expected: Any, got: Any) -> str:
    """Which of the two records of a mask is judged: the one with the notebook's own parts where it is right."""
    given = bool(np.asarray(got.get("given", False)).any())
    if not given:
        return "mask"
    own = np.asarray(got.get("mask", _NOTHING))
    right = own.shape == expected["mask"].shape and np.array_equal(own <= BLOCKED, expected["mask"] <= BLOCKED)
    return "mask" if right else "known"


def squared(answer: Any, x: np.ndarray, *sizes: int) -> dict[str, Any]:
    """The gradient of the sum of all squares of what an answer returns, with respect to `x`."""
    leaf, copy = with_gradient(x)
    out = answer(copy, *sizes)
    total = out.square().sum() if hasattr(out, "square") else out
    return gradients(total, {"x": leaf}, np.ones(()))


def _asked_again(wanted: np.ndarray, given: np.ndarray, order: str, inside: str, axes: int) -> Iterable[Finding]:
    """Both criteria of windows, for grids that are not square."""
    for found in (held(order, wanted, given, axes, "window"), kept_whole(inside, wanted, given, axes, "window")):
        yield Finding("sizes", found.ok, found.detail, of=found.criterion)


def _unlike(rng: np.random.Generator) -> tuple[int, int, int, int]:
    """Images, channels, the window's side, and windows per row: never as many as a window is wide."""
    b, c, m = (int(n) for n in rng.integers(2, 4, 3))
    return b, c, m, m + 1 if rng.random() < 0.5 or m == 2 else m - 1


def odd_entries(mask: np.ndarray) -> np.ndarray:
    """Entries that are neither 0 nor large and negative; all of a mask of bools."""
    if mask.dtype == bool:
        return np.ones(mask.shape, bool)
    with np.errstate(invalid="ignore"):
        return ~((np.abs(mask) < 1e-6) | (mask <= BLOCKED))


def unequal(rng: np.random.Generator) -> tuple[int, int]:
    """Two different small counts, either one larger."""
    small = int(rng.integers(2, 4))
    sizes = (small, small + int(rng.integers(1, 3)))
    return sizes if rng.random() < 0.5 else sizes[::-1]


def _grid(rows: int, columns: int, m: int, shift: int) -> dict[str, Any]:
    return {"H": rows * m, "W": columns * m, "window_size": m, "shift": shift}


QUESTIONS = (WindowPartition(), WindowReverse(), CyclicShift(), ShiftedWindowMask())
