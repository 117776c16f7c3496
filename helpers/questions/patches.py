"""Lesson 01: cutting images into patches, and putting them back.

Every pixel of a drawn input is a whole number that occurs once: its value tells where it came from. So the judges can
ask two things apart, "which patch did this pixel end up in" and "where in the patch", without cutting anything
themselves. Whole numbers up to 2048 survive half precision, and TF32 too.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, raises, same, same_shape, tensor
from helpers.checks.index_probes import counted, origins, shuffled, whole
from helpers.pictures.patches import joined_picture, patches_picture

Size = tuple[int, int, int, int]
_NOTHING = np.zeros(0)


class SplitIntoPatches(Question):
    id = "Q0a"
    title = "Split images into patches"
    signature = "split_into_patches(images, patch_size) -> (b, n, c, ph, pw)"
    criteria = (
        Criterion(
            "shape",
            "five axes: image, patch, channel, row, column",
            share=0,
            hint="The axes are b images, n patches, c channels, ph rows and pw columns of a patch.",
        ),
        Criterion(
            "order",
            "patches follow each other row by row, from the top left",
            share=3,
            hint="Patch k is compared with the target's patch k as a collection of pixels, in whatever place they have "
            "inside the patch.",
        ),
        Criterion(
            "inside",
            "inside a patch every pixel keeps its channel, row and column",
            share=3,
            hint="Each patch of the target is looked for among your patches, wherever it stands.",
        ),
        Criterion(
            "sizes",
            "images and patches need not be square",
            hint="Oblong images, and patches of a size such as (2, 3), are asked for.",
        ),
        Criterion(
            "refuses",
            "an image that does not divide raises a ValueError, any other does not",
            hint="Images of six sizes are given: four do not divide into patches, two do.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        even = ("shape", "order", "inside")
        yield Case("16 numbered pixels, patch 2", criteria=even, images=counted((1, 1, 4, 4)), patch_size=2)
        b, p = int(rng.integers(2, 4)), int(rng.integers(2, 4))
        images = _smooth(rng, (b, 3, 4 * p, 4 * p))
        yield Case(f"{b} colour images, 4 x 4 patches of {p} x {p}", criteria=even, images=images, patch_size=p)
        p = int(rng.integers(2, 4))
        rows, columns = _unequal(rng)
        images = _smooth(rng, (2, 1, rows * p, columns * p))
        yield Case(f"{rows * p} x {columns * p} pixels, patch {p}", criteria=("sizes",), images=images, patch_size=p)
        ph, pw = _unequal(rng)
        rows, columns = _unequal(rng)
        images = _smooth(rng, (1, 3, rows * ph, columns * pw))
        name = f"{rows * ph} x {columns * pw} pixels, patch ({ph}, {pw})"
        yield Case(name, criteria=("sizes",), images=images, patch_size=(ph, pw))
        p = int(rng.integers(2, 4)) * 2
        left = int(rng.choice([1, p - 1]))
        sizes = [
            (p + left, 2 * p),
            (2 * p, p + left),
            (p + p // 2, 2 * p),
            (p + left, p + left),
            (2 * p, 2 * p),
            (p, p),
        ]
        sizes = [sizes[i] for i in rng.permutation(len(sizes))]
        yield Case("sizes that divide, and sizes that do not", criteria=("refuses",), sizes=sizes, patch_size=p)

    def probe(self, answer, case):
        if "sizes" not in case:
            return {"patches": answer(tensor(case["images"]), case["patch_size"])}

        def refuses(size: tuple[int, int]) -> int:
            return raises(lambda: answer(tensor(counted((1, 1, *size))), case["patch_size"]), ValueError)

        return {"refused": np.array([refuses(size) for size in case["sizes"]])}

    def judge(self, case, expected, got):
        if "sizes" in case:
            yield _refusals(case, expected["refused"], got.get("refused"))
            return
        wanted, given = expected["patches"], got.get("patches", _NOTHING)
        yield same_shape("shape", wanted, given)
        if case.covers("sizes"):
            yield same("sizes", wanted, given, got.tolerance, what="pixels")
        if case.covers("order"):
            yield _order(wanted, given)
            yield _inside(wanted, given)

    def picture(self, case, expected, got):
        if "sizes" in case:
            return None
        return patches_picture(expected["patches"], None if got is None else got["patches"])


class JoinPatches(Question):
    id = "Q0b"
    title = "Join patches into images"
    signature = "join_patches(patches, height, width) -> (b, c, height, width)"
    criteria = (
        Criterion(
            "shape",
            "four axes: image, channel, row, column",
            share=0,
            hint="The axes are b images, c channels, height and width.",
        ),
        Criterion(
            "places",
            "each patch lands where it was cut from",
            hint="Each pixel is compared by the patch that it comes from. In the picture each colour is one patch.",
        ),
        Criterion(
            "inside",
            "inside a patch every pixel keeps its channel, row and column",
            hint="Each pixel is compared by its place inside the patch that it comes from.",
        ),
        Criterion(
            "sizes",
            "images and patches need not be square",
            hint="Oblong images, and patches of a size such as 2 x 3, are asked for.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        even = ("shape", "places", "inside")
        yield Case(
            "4 patches of 2 x 2, numbered",
            criteria=even,
            patches=counted((1, 4, 1, 2, 2)),
            height=4,
            width=4,
        )
        b, p = int(rng.integers(2, 4)), int(rng.integers(2, 4))
        patches = shuffled(rng, (b, 16, 3, p, p))
        name = f"{b} colour images, 4 x 4 patches of {p} x {p}"
        yield Case(name, criteria=even, patches=patches, height=4 * p, width=4 * p)
        rows, columns = _unequal(rng)
        p = int(rng.integers(2, 4))
        patches = shuffled(rng, (2, rows * columns, 1, p, p))
        name = f"{rows * p} x {columns * p} pixels, patch {p}"
        yield Case(name, criteria=("sizes",), patches=patches, height=rows * p, width=columns * p)
        ph, pw = _unequal(rng)
        rows, columns = _unequal(rng)
        patches = shuffled(rng, (1, rows * columns, 3, ph, pw))
        name = f"{rows * ph} x {columns * pw} pixels, patch ({ph}, {pw})"
        yield Case(name, criteria=("sizes",), patches=patches, height=rows * ph, width=columns * pw)

    def probe(self, answer, case):
        return {"images": answer(tensor(case["patches"]), case["height"], case["width"])}

    def judge(self, case, expected, got):
        wanted, given = expected["images"], got.get("images", _NOTHING)
        yield same_shape("shape", wanted, given)
        if case.covers("sizes"):
            yield same("sizes", wanted, given, got.tolerance, what="pixels")
        if case.covers("places"):
            patch_of, place_of = origins(case["patches"], 2)
            yield _traced("places", patch_of, wanted, given, "lie in another patch's place")
            yield _traced("inside", place_of, wanted, given, "changed their place inside their patch")

    def picture(self, case, expected, got):
        patch_of, place_of = origins(case["patches"], 2)
        return joined_picture(expected["images"], None if got is None else got["images"], patch_of, place_of)


def _smooth(rng: np.random.Generator, size: Size) -> np.ndarray:
    """The same numbers again, laid out as soft hills, so that a picture of them is easy on the eye."""
    b, c, h, w = size
    y, x = np.linspace(0, 1, h)[:, None], np.linspace(0, 1, w)
    centre, slope = rng.uniform(0, 1, (2, b, c, 1, 1)), rng.uniform(-1, 1, (2, b, c, 1, 1))
    hills = -((y - centre[0]) ** 2 + (x - centre[1]) ** 2) + 0.4 * (slope[0] * y + slope[1] * x)
    return np.argsort(np.argsort(hills.reshape(-1))).astype(np.float32).reshape(size)


def _unequal(rng: np.random.Generator) -> tuple[int, int]:
    """Two different small sizes, either one larger."""
    small = int(rng.integers(2, 4))
    sizes = (small, small + int(rng.integers(1, 3)))
    return sizes if rng.random() < 0.5 else sizes[::-1]


def _order(wanted: np.ndarray, given: np.ndarray) -> Finding:
    """Does patch k hold the pixels that patch k should hold, in whatever arrangement?"""
    if given.shape[:2] != wanted.shape[:2] or given.size != wanted.size:
        return Finding("order", False, f"{wanted.shape[1]} patches per image were expected")
    b, n = wanted.shape[:2]
    wrong = (_sorted(given.reshape(b, n, -1)) != _sorted(wanted.reshape(b, n, -1))).any(-1)
    if not wrong.any():
        return Finding("order", True)
    k = int(np.argwhere(wrong)[0][1])
    return Finding("order", False, f"{int(wrong.sum())} of {b * n} patches hold other pixels; the first is patch {k}")


def _inside(wanted: np.ndarray, given: np.ndarray) -> Finding:
    """Is every patch that should be there somewhere among those given, whole?"""
    if given.shape != wanted.shape:
        return Finding("inside", False, "can be seen once the shape is right")
    flat = [whole(patches).reshape(*patches.shape[:2], -1) for patches in (given, wanted)]
    missing = [sum(not (g == patch).all(-1).any() for patch in w) for g, w in zip(*flat, strict=True)]
    detail = f"{sum(missing)} of {wanted.shape[0] * wanted.shape[1]} patches are nowhere among yours"
    return Finding("inside", not sum(missing), detail if sum(missing) else "")


def _sorted(array: np.ndarray) -> np.ndarray:
    return np.sort(whole(array), -1)


def _refusals(case: Case, wanted: np.ndarray, refused: np.ndarray | None) -> Finding:
    if refused is None or refused.shape != wanted.shape:
        return Finding("refuses", False, "nothing was recorded")
    seen = {0: "was accepted", 1: "was refused", 2: "stopped with another kind of error"}
    rows = zip(case["sizes"], wanted, np.nan_to_num(refused), strict=True)
    wrong = [f"{h} x {w} {seen.get(int(code), 'gave something odd')}" for (h, w), right, code in rows if code != right]
    return Finding("refuses", not wrong, f"patch {case['patch_size']}: {', '.join(wrong)}" if wrong else "")


def _traced(criterion: str, origin: np.ndarray, wanted: np.ndarray, given: np.ndarray, what: str) -> Finding:
    """Met when each pixel given is of the same origin as the pixel wanted there."""
    if given.shape != wanted.shape:
        return Finding(criterion, False, "can be seen once the shape is right")
    values = whole(given)
    if not ((values >= 0) & (values < origin.size)).all():
        return Finding(criterion, False, "some numbers are none of the patches' own")
    wrong = int((origin[values.astype(int)] != origin[wanted.astype(int)]).sum())
    return Finding(criterion, not wrong, f"{wrong} of {wanted.size} pixels {what}" if wrong else "")


QUESTIONS = (SplitIntoPatches(), JoinPatches())
