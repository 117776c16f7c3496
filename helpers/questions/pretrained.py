"""Lesson 12: the two tensors that must be adapted before pretrained weights load.

Values are compared with the solution's, which agrees with timm's own code to rounding. The position grid is smooth
plus a little noise, so that each way of resampling gives other numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.pictures.pretrained_checks import filters_picture, grid_picture

_NOTHING = np.zeros(0)
_AS_MANY_AS_A_SQUARE = ((2, 8), (4, 9), (3, 12))  # a root of their number of rows exists, and is no side of the grid
_NO_SQUARE = ((3, 7), (4, 7), (3, 8), (5, 9))
_CAN = "can be seen once the shape is right"


class ResizePositionEmbedding(Question):
    id = "Q25"
    title = "Positions for another grid"
    signature = (
        "resize_position_embedding(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None): "
        "(1, prefix + h*w, d) -> (1, prefix + new_h*new_w, d)"
    )
    criteria = (
        Criterion(
            "shape",
            "one row for the class token, one for each place of the new grid; the same width and dtype",
            share=0,
            hint="The first `num_prefix_tokens` rows belong to no position of the grid. The dtype that comes in "
            "goes out.",
        ),
        Criterion(
            "prefix",
            "the class token's row comes first, as it was, and positions follow",
            counts_with=("larger", "smaller", "oblong", "others"),
            hint="The check compares the rows of the prefix tokens with those that came in.",
        ),
        Criterion(
            "larger",
            "a larger grid: bicubic, as timm does it",
            share=2,
            hint="The picture shows one dimension of the table on its grid. A mixed-up pattern means another order of "
            "axes; small differences mean another interpolation.",
        ),
        Criterion(
            "smaller",
            "a smaller grid: bicubic and antialiased, as timm does it",
            share=2,
            hint='timm calls `F.interpolate` with `mode="bicubic"` and `antialias=True`.',
        ),
        Criterion(
            "oblong",
            "grids that are not square, before and after",
            share=2,
            hint="Grids are given as (rows, columns). `old_grid` says what the table's grid is; it can't be told "
            "from the "
            "number of rows.",
        ),
        Criterion(
            "others",
            "no token before the grid, or two of them",
            hint="DeiT has two tokens before the grid, and some models have none: `num_prefix_tokens` says how many.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        main = ("shape", "prefix")
        side, wide = int(rng.integers(4, 7)), int(rng.integers(3, 7)) * 2
        bigger = (side + int(rng.integers(2, 5)),) * 2
        yield _case(rng, (*main, "larger"), (side, side), bigger, wide)
        side = int(rng.integers(7, 11))
        fewer = (int(rng.integers(3, side - 3)),) * 2
        yield _case(rng, (*main, "smaller"), (side, side), fewer, int(rng.integers(3, 7)) * 2)
        side = int(rng.integers(5, 8))
        h, w = (int(n) for n in rng.permutation(np.arange(3, 12))[:2])
        yield _case(rng, "oblong", (side, side), (h, w), 6)
        for grids in (_AS_MANY_AS_A_SQUARE, _NO_SQUARE):
            h, w = (int(n) for n in rng.permutation(grids[int(rng.integers(len(grids)))]))
            a, b = (int(n) for n in rng.permutation(np.arange(3, 9))[:2])
            yield _case(rng, "oblong", (h, w), (a, b), 6, told=True)
        for prefix in (0, 2):
            side = int(rng.integers(4, 8))
            yield _case(rng, "others", (side, side), (side + 3, side + 3), 6, prefix=prefix)
        yield _case(rng, "shape", (6, 6), (9, 9), int(rng.integers(3, 7)) * 2, half=True)

    def probe(self, answer, case):
        given = tensor(case["pos_embed"])
        given = given.half() if case["half"] else given
        more: dict[str, Any] = {}
        if case["told"]:
            more["old_grid"] = tuple(int(n) for n in case["old_grid"])
        if case["prefix"] != 1:
            more["num_prefix_tokens"] = case["prefix"]
        made = answer(given, tuple(int(n) for n in case["new_grid"]), **more)
        return {"pos_embed": made, "kept": np.array([1.0 + (made.dtype == given.dtype)])}

    def judge(self, case, expected, got):
        wanted, given = expected["pos_embed"], got.get("pos_embed", _NOTHING)
        if case["half"]:
            kept = got.get("kept")
            ok = kept is not None and kept.shape == (1,) and kept[0] == 2
            yield Finding("shape", bool(ok), "" if ok else "half precision came in, and another dtype came out")
            return
        shape = same_shape("shape", wanted, given)
        yield shape
        names = [c.id for c in self.criteria[1:] if case.covers(c.id)]
        if not shape.ok:
            yield from (Finding(name, False, _CAN) for name in names)
            return
        prefix, room = case["prefix"], max(got.tolerance / 5, 2e-5)
        yield same("prefix", wanted[:, :prefix], given[:, :prefix], room)
        for name in ("larger", "smaller"):
            yield same(name, wanted[:, prefix:], given[:, prefix:], room)
        for name in ("oblong", "others"):
            yield same(name, wanted, given, room)

    def features(self, case, expected, got):
        return {"pos_embed": got["pos_embed"]} | ({"kept": got["kept"]} if case["half"] else {})

    def picture(self, case, expected, got):
        old = np.asarray(case["pos_embed"])[0, case["prefix"] :, 0].reshape(case["old_grid"])
        given = None if got is None else got.get("pos_embed")
        return grid_picture(old, expected["pos_embed"], given, tuple(case["new_grid"]), case["prefix"])


class AdaptFirstLayer(Question):
    id = "Q26"
    title = "A first layer for other colours"
    signature = "adapt_first_layer(weight, in_channels): (out, 3, p, p) -> (out, in_channels, p, p)"
    criteria = (
        Criterion(
            "shape",
            "as many filters as before, each with one slice per channel; the same dtype",
            share=0,
            hint="The second axis of `weight` is the channel. The dtype that comes in goes out.",
        ),
        Criterion(
            "grey",
            "one channel: a grey image gives what it gave as red = green = blue",
            share=3,
            hint="A grey image in all three channels gives every filter one number. The new filter, applied to "
            "the grey "
            "image alone, must give the same number.",
        ),
        Criterion(
            "many",
            "two, four or more channels: the three in turn, scaled so that the sum of all keeps its size",
            share=3,
            hint="The three slices repeat in turn (red, green, blue, red, ...). Then all are scaled, so that equal "
            "channels give what they gave before.",
        ),
        Criterion(
            "three",
            "three channels: nothing to do",
            share=0,
            hint="With three channels the weights stay as they are.",
        ),
        Criterion(
            "whole",
            "the weights that came in stay as they are",
            share=0,
            hint="The check compares the weights that were passed before and after the call.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        out, p = int(rng.integers(4, 7)), int(rng.integers(3, 6))
        yield Case(f"{out} filters, one channel", criteria=("shape", "grey", "whole"), **_weights(rng, out, p, 1))
        counts = [2, int(rng.choice([4, 5])), int(rng.choice([6, 7, 8]))]
        for count in counts:
            out, p = int(rng.integers(3, 8)), int(rng.integers(2, 6))
            yield Case(f"{count} channels", criteria=("shape", "many", "whole"), **_weights(rng, out, p, count))
        out, p = int(rng.integers(3, 8)), int(rng.integers(2, 6))
        yield Case("three channels", criteria=("shape", "three", "whole"), **_weights(rng, out, p, 3))
        half = _weights(rng, int(rng.integers(3, 8)), int(rng.integers(2, 6)), 1, half=True)
        yield Case("half precision", criteria=("shape",), **half)

    def probe(self, answer, case):
        weight = tensor(case["weight"])
        weight = weight.half() if case["half"] else weight
        before = weight.clone()
        made = answer(weight, case["in_channels"])
        kept = np.array([1.0 + (made.dtype == before.dtype)])
        return {"weight": made, "kept": kept, "given": weight - before}

    def judge(self, case, expected, got):
        wanted, given = expected["weight"], got.get("weight", _NOTHING)
        kept = got.get("kept")
        shape = same_shape("shape", wanted, given)
        if shape.ok and not (kept is not None and kept.shape == (1,) and kept[0] == 2):
            came = "half precision" if case["half"] else "float32"
            shape = Finding("shape", False, f"{came} came in, and another dtype came out")
        yield shape
        for name in ("grey", "many", "three"):
            yield same(name, wanted, given, max(got.tolerance / 5, 2e-5))
        change = got.get("given")
        moved = change is None or not np.isfinite(change).all() or bool(np.abs(change).max(initial=0) > 0)
        yield Finding("whole", not moved, "they changed" if moved else "")

    def features(self, case, expected, got):
        moved = bool(np.abs(got["given"]).max(initial=0) > 0)
        return {"weight": got["weight"], "moved": np.array([1.0 + moved]), "kept": got["kept"]}

    def picture(self, case, expected, got):
        return filters_picture(case["weight"], expected["weight"], None if got is None else got.get("weight"))


def _case(
    rng: np.random.Generator, criteria: Any, old: tuple[int, int], new: tuple[int, int], wide: int,
    prefix: int = 1, told: bool = False, half: bool = False,
) -> Case:  # fmt: skip
    """Waves of drawn direction over the old grid, with a little noise; a prefix of other size and mean."""
    row, column = np.mgrid[0 : old[0], 0 : old[1]][..., None] + 0.5
    across, down = rng.uniform(-1.2, 1.2, (2, wide))
    waves = np.sin(down * row + across * column + rng.uniform(0, 6.28, wide)) + 0.15 * rng.normal(size=(*old, wide))
    table = np.concatenate([rng.normal(2, 1, (prefix, wide)), waves.reshape(-1, wide)])[None].astype(np.float32)
    table = table.astype(np.float16) if half else table
    name = f"{old[0]} x {old[1]} positions to {new[0]} x {new[1]}"
    name += {0: ", no class token", 2: ", two tokens before"}.get(prefix, "") + (", half precision" if half else "")
    return Case(
        name, criteria=criteria, pos_embed=table, old_grid=old, new_grid=new, prefix=prefix, told=told, half=half
    )


def _weights(rng: np.random.Generator, out: int, p: int, count: int, half: bool = False) -> dict[str, Any]:
    weight = rng.normal(0.2, 1, (out, 3, p, p)).astype(np.float32)
    return {"weight": weight.astype(np.float16) if half else weight, "in_channels": count, "half": half}


QUESTIONS = (ResizePositionEmbedding(), AdaptFirstLayer())
