"""Lesson 09, first third: windows, the way back, the cyclic shift, and the mask for windows that wrap.

Every entry of a drawn input is a whole number that occurs once, so its value tells where it came from. The mask is
judged by which pairs it blocks: 0 lets a pair through, any large negative number (-inf too) blocks it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same_shape, tensor
from helpers.checks.index_probes import counted, held, kept_whole, origins, shuffled, traced, whole
from helpers.pictures.swin_checks import grids_picture, masks_picture, windows_picture

_NOTHING = np.zeros(0)
BLOCKED = -20.0  # at most: the weight e^-20 of a blocked pair is nothing beside rounding
_CAN = "can be seen once the shape is right"


class WindowPartition(Question):
    id = "Q15"
    title = "Cut into windows"
    signature = "window_partition(x, window_size): (B, H, W, C) -> (num_windows*B, window_size, window_size, C)"
    criteria = (
        Criterion(
            "shape",
            "all windows of all images on one axis: (num_windows*B, window_size, window_size, C)",
            share=0,
            hint="Compare the two shapes above, axis by axis. How many windows has one image, and how many the batch?",
        ),
        Criterion(
            "order",
            "windows row by row from the top left, and all windows of an image before those of the next",
            share=2,
            hint="Some window holds tokens of another. Pick one wrong number in the picture, find it in the 4 x 4 "
            "grid, and follow it through your line.",
        ),
        Criterion(
            "inside",
            "inside a window every token keeps its row, its column and its channels",
            share=2,
            hint="The right tokens, in the wrong places of their window. Which axis runs fastest in your window?",
        ),
        Criterion(
            "sizes",
            "grids need not be square",
            hint="Square is right, oblong is not. Read your line once more and say for each size: height or width?",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        even = ("shape", "order", "inside")
        yield Case("16 numbered tokens, windows of 2 x 2", criteria=even, x=counted((1, 4, 4, 1)), window_size=2)
        b, c, m, rows = (int(rng.integers(low, high)) for low, high in ((2, 4), (2, 4), (2, 4), (2, 4)))
        x = shuffled(rng, (b, rows * m, rows * m, c))
        name = f"{b} images of {rows} x {rows} windows, {c} channels"
        yield Case(name, criteria=even, x=x, window_size=m)
        for _ in range(2):
            rows, columns = unequal(rng)
            m, b = int(rng.integers(2, 5)), int(rng.integers(1, 3))
            x = shuffled(rng, (b, rows * m, columns * m, 2))
            yield Case(f"{rows * m} x {columns * m} tokens, window {m}", criteria=("sizes",), x=x, window_size=m)

    def probe(self, answer, case):
        return {"windows": answer(tensor(case["x"]), case["window_size"])}

    def judge(self, case, expected, got):
        wanted, given = expected["windows"], got.get("windows", _NOTHING)
        yield same_shape("shape", wanted, given)
        if case.covers("sizes"):
            yield traced("sizes", np.arange(wanted.size), wanted, given, "stand in another's place")
        if case.covers("order"):
            yield held("order", wanted, given, 1, "window")
            yield kept_whole("inside", wanted, given, 1, "window")

    def picture(self, case, expected, got):
        return windows_picture(expected["windows"], None if got is None else got["windows"])


class WindowReverse(Question):
    id = "Q15b"
    title = "Windows back into a grid"
    signature = "window_reverse(windows, window_size, H, W): (num_windows*B, M, M, C) -> (B, H, W, C)"
    criteria = (
        Criterion(
            "shape",
            "four axes again: (B, H, W, C)",
            share=0,
            hint="Compare the two shapes above. B is told by nobody: it is what is left of the first axis.",
        ),
        Criterion(
            "places",
            "each window lands where it was cut from, in its own image",
            share=2,
            hint="In the picture each colour is one window. Walk along the first row: where does the colour change, "
            "and where should it?",
        ),
        Criterion(
            "inside",
            "inside a window every token keeps its row, its column and its channels",
            share=2,
            hint="The windows are in their places, their tokens are not. Take one window and compare its four corners.",
        ),
        Criterion(
            "sizes",
            "grids need not be square",
            hint="Square is right, oblong is not. Which of your two counts comes from H, and which from W?",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        even = ("shape", "places", "inside")
        numbered = counted((4, 2, 2, 1))
        yield Case("4 windows of 2 x 2, numbered", criteria=even, windows=numbered, window_size=2, H=4, W=4)
        b, c, m, rows = (int(rng.integers(low, high)) for low, high in ((2, 4), (2, 4), (2, 4), (2, 4)))
        windows = shuffled(rng, (b * rows * rows, m, m, c))
        name = f"{b} images of {rows} x {rows} windows, {c} channels"
        yield Case(name, criteria=even, windows=windows, window_size=m, H=rows * m, W=rows * m)
        for _ in range(2):
            rows, columns = unequal(rng)
            m, b = int(rng.integers(2, 5)), int(rng.integers(1, 3))
            windows = shuffled(rng, (b * rows * columns, m, m, 2))
            name = f"{rows * m} x {columns * m} tokens, window {m}"
            yield Case(name, criteria=("sizes",), windows=windows, window_size=m, H=rows * m, W=columns * m)

    def probe(self, answer, case):
        return {"x": answer(tensor(case["windows"]), case["window_size"], case["H"], case["W"])}

    def judge(self, case, expected, got):
        wanted, given = expected["x"], got.get("x", _NOTHING)
        yield same_shape("shape", wanted, given)
        if case.covers("sizes"):
            yield traced("sizes", np.arange(wanted.size), wanted, given, "stand in another's place")
        if case.covers("places"):
            window_of, place_of = origins(case["windows"], 1)
            yield traced("places", window_of, wanted, given, "lie in another window's place")
            yield traced("inside", place_of, wanted, given, "changed their place inside their window")

    def picture(self, case, expected, got):
        window_of, _ = origins(case["windows"], 1)
        return grids_picture(expected["x"], None if got is None else got["x"], window_of)


class CyclicShift(Question):
    id = "Q16a"
    title = "Cyclic shift"
    signature = "cyclic_shift(x, shift): (B, H, W, C) -> (B, H, W, C)"
    criteria = (
        Criterion(
            "whole",
            "nothing is lost: every number is still there, in its own image and channel",
            share=0,
            hint="Some numbers are gone, or moved to another image or channel. What leaves at one edge must come back "
            "at the other, and only two of the four axes move.",
        ),
        Criterion(
            "rows",
            "row `shift` comes first, and the rows above it come last",
            share=2,
            hint="Look at the first row of your picture. Which row of the grid should stand there, and which does?",
        ),
        Criterion(
            "columns",
            "column `shift` comes first, and the columns left of it come last",
            share=2,
            hint="Look at the first column of your picture. Which column of the grid should stand there?",
        ),
        Criterion(
            "back",
            "a negative shift goes the other way",
            hint="With shift > 0 all is well. Put a negative number into your line, and say what happens.",
        ),
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

    def probe(self, answer, case):
        return {"x": answer(tensor(case["x"]), case["shift"])}

    def judge(self, case, expected, got):
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
            hint="Compare the two shapes above. A window of M x M has M² tokens, and each may ask each.",
        ),
        Criterion(
            "values",
            "only two kinds of entry: 0, or a large negative number",
            share=0,
            hint="Your mask will be added to the energies, before the softmax. What must be added to leave a pair "
            "alone, and what to make its weight vanish?",
        ),
        Criterion(
            "windows",
            "only windows that wrap around an edge block anything",
            share=2,
            hint="Look at the row of windows in the picture: which of yours are blank, and which should be? After the "
            "shift, where in the grid do tokens stand that came from the other edge?",
        ),
        Criterion(
            "pairs",
            "in such a window, two tokens see each other exactly if they come from the same side of the edge",
            share=3,
            hint="The right windows, the wrong pairs. Take one wrong pair from the picture; draw where each of the two "
            "stood before the shift. Was there an edge between them?",
        ),
        Criterion(
            "sizes",
            "other grids, other windows, other shifts; a shift of 0 blocks nothing",
            hint="Right for one size, not for all. Is there a number in your lines that ought to be `shift`, or an H "
            "that ought to be a W?",
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
        return {"mask": answer(case["H"], case["W"], case["window_size"], case["shift"])}

    def judge(self, case, expected, got):
        blocked, given = expected["mask"] <= BLOCKED, got.get("mask", _NOTHING)
        yield same_shape("shape", expected["mask"], given)
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
        yield Finding("sizes", not pairs, any_wrong)

    def features(self, case, expected, got):
        mask = np.asarray(got["mask"])
        if mask.dtype == bool:
            return {"bool": mask.astype(np.float64)}
        blocked = np.where(mask <= BLOCKED, -1.0, mask)
        return {"mask": np.where(np.isfinite(blocked), blocked, 9.0)}

    def picture(self, case, expected, got):
        given = None if got is None else np.asarray(got["mask"])
        return masks_picture(expected["mask"] <= BLOCKED, given, odd_entries)


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
