"""Lesson 08: mixup. It rolls dice, so properties are judged, never values.

The weights of a mixture are solved for: how much of which image each row holds. So any partner is right.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.module_probes import NOTHING, as_single
from helpers.pictures.training_recipe import weights_picture

_DRAWS = 100  # calls behind a mean and a spread of lam
_SIGMAS = 5  # what chance may explain


class Mixup(Question):
    id = "Q11"
    title = "Mixup"
    signature = "mixup(x, y, alpha, num_classes, lam=None) -> mixed images (b, c, h, w), soft labels (b, num_classes)"
    criteria = (
        Criterion(
            "shape",
            "images keep their shape; labels become (b, num_classes)",
            share=0,
            hint="Each image gets one number per class, for all num_classes classes.",
        ),
        Criterion(
            "images",
            "each image is lam of itself plus 1 - lam of its partner, another image of the batch",
            share=2,
            hint="The left pictures show what each image consists of: its own share on the diagonal, its partner's "
            "beside it.",
        ),
        Criterion(
            "labels",
            "labels are mixed like the images: same partner, same shares",
            share=2,
            hint="The right pictures show the shares in the labels. They are compared with those in your own images.",
        ),
        Criterion(
            "kept",
            "the batch that was passed is not changed",
            counts_with=("images", "labels"),
            hint="x is compared before and after the call.",
        ),
        Criterion(
            "sizes",
            "other batches, grey images, classes that don't occur, lam below one half, lam = 0",
            hint="The same function is called with other batches and other values of lam.",
        ),
        Criterion(
            "draws",
            "without a lam it is drawn from Beta(alpha, alpha), or the larger of lam and 1 - lam is taken",
            share=2,
            hint="It is called 100 times without lam, for a small and for a large alpha. The mean of lam and its "
            "distance from 1/2 are measured.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        given = ("shape", "images", "labels", "kept")
        b = int(rng.integers(6, 9))
        lam = round(float(rng.uniform(0.6, 0.85)), 2)
        x, y = as_single(rng.uniform(0, 1, (b, 3, 4, 4))), rng.permutation(10)[:b]
        yield Case(f"{b} images, lam = {lam:g}", criteria=given, x=x, y=y, num_classes=10, lam=lam, alpha=0.4)
        b, h, w = int(rng.integers(9, 12)), int(rng.integers(3, 5)), int(rng.integers(5, 8))
        lam, k = round(float(rng.uniform(0.15, 0.4)), 2), int(rng.integers(5, 8))
        x, y = as_single(rng.uniform(0, 1, (b, 1, h, w))), rng.integers(0, k - 2, b)
        yield Case(
            f"{b} grey images, {k} classes, lam = {lam:g}", criteria=("shape", "sizes"),
            x=x, y=y, num_classes=k, lam=lam, alpha=0.4,
        )  # fmt: skip
        b = int(rng.integers(12, 15))
        x, y = as_single(rng.uniform(0, 1, (b, 2, 3, 4))), rng.integers(0, 4, b)
        yield Case("lam = 0", criteria=("sizes",), x=x, y=y, num_classes=4, lam=0.0, alpha=0.4)
        for low, high in ((0.3, 0.45), (3.0, 5.0)):
            alpha = round(float(rng.uniform(low, high)), 2)
            x, y = as_single(rng.uniform(0, 1, (6, 1, 3, 4))), rng.permutation(7)[:6]
            yield Case(f"alpha = {alpha:g}, lam drawn", criteria=("draws",), x=x, y=y, num_classes=7, alpha=alpha)

    def probe(self, answer, case):
        import torch

        x, y = tensor(case["x"]), tensor(case["y"]).long()
        if "lam" in case:
            mixed, soft = answer(x, y, case["alpha"], case["num_classes"], lam=case["lam"])
            return {"mixed": mixed, "soft": soft, "after": x}
        drawn = [answer(x.clone(), y, case["alpha"], case["num_classes"]) for _ in range(_DRAWS)]
        mixed, soft = (torch.stack([torch.as_tensor(pair[i]).detach() for pair in drawn]) for i in (0, 1))
        return {"mixed": mixed, "soft": soft}

    def judge(self, case, expected, got):
        mixed, soft = got.get("mixed", NOTHING), got.get("soft", NOTHING)
        if "lam" not in case:
            yield _draws(case, expected, mixed, soft, got.tolerance)
            return
        shapes = [same_shape("shape", expected[name], got.get(name)) for name in ("mixed", "soft")]
        yield from shapes
        room = max(1e-3, got.tolerance)
        images = _images(case, expected, mixed, room)
        yield images
        labels = _labels(case, expected, mixed, soft, room)
        yield labels
        bad = next((f for f in (*shapes, images, labels) if not f.ok), None)
        yield Finding("sizes", bad is None, bad.detail if bad else "")
        after = got.get("after", NOTHING)
        kept = after.shape == case["x"].shape and bool(np.abs(after - case["x"]).max() <= room)
        yield Finding("kept", kept, "the batch that was given holds other numbers after the call")

    def features(self, case, expected, got):
        mixed, soft = got.get("mixed", NOTHING), got.get("soft", NOTHING)
        if "lam" not in case:
            return _draw_marks(case, expected, mixed)
        marks = {"soft shape": np.array(soft.shape, np.float64), "images shape": np.array(mixed.shape, np.float64)}
        if mixed.shape == expected["mixed"].shape and np.isfinite(mixed).all():
            weights, rest = solved(case["x"], mixed)
            off = _without_diagonal(weights)
            parts = [np.median(np.diag(weights)), np.median(off.max(1)), rest > 1e-2, _moved(weights) >= 0.5]
            marks["images"] = np.array(parts, np.float64) if rest <= 1e-2 else np.ones(1)
            if soft.shape == expected["soft"].shape:
                own = np.median(soft[np.arange(len(soft)), case["y"]])
                agree = np.allclose(soft, weights @ one_hot(case["y"], case["num_classes"]), atol=1e-2)
                marks["labels"] = np.array([own, np.median(soft.sum(1)), agree], np.float64)
        marks["rounded"] = np.array([float(np.array_equal(soft, np.round(soft)))])
        after = got.get("after", NOTHING)
        kept = after.shape == case["x"].shape and np.allclose(after, case["x"], atol=1e-4)
        return marks | {"kept": np.array([float(kept)])}

    def picture(self, case, expected, got):
        if case["num_classes"] != 10:
            return None
        return weights_picture(_both(case, expected), None if got is None else _both(case, got))


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[np.asarray(labels, int)]


def solved(x: np.ndarray, mixed: np.ndarray) -> tuple[np.ndarray, float]:
    """(weights (…, b, b) by which images x make up the mixed (…, b, c, h, w), the largest pixel they don't explain)."""
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    made = np.asarray(mixed, np.float64).reshape(*mixed.shape[: mixed.ndim - x.ndim + 1], -1)
    weights = made @ np.linalg.pinv(flat)
    return weights, float(np.abs(weights @ flat - made).max(initial=0.0))


def _without_diagonal(weights: np.ndarray) -> np.ndarray:
    return weights - np.diag(np.diag(weights))


def _moved(weights: np.ndarray) -> float:
    """Share of the rows that hold something of another image."""
    return float((np.abs(_without_diagonal(weights)).max(1) > 1e-3).mean())


def _images(case: Case, expected: Any, mixed: np.ndarray, room: float) -> Finding:
    shape = same_shape("images", expected["mixed"], mixed)
    if not shape.ok:
        return shape
    if not np.isfinite(mixed).all():
        return Finding("images", False, "some pixels are nan or infinite")
    weights, rest = solved(case["x"], mixed)
    if rest > 10 * room:
        return Finding("images", False, "your images are no mixture of whole images of the batch")
    lam, rows = case["lam"], np.arange(len(weights))
    off = _without_diagonal(weights)
    partner = off.argmax(1)
    wanted = np.zeros_like(weights)
    wanted[rows, rows] = lam
    wanted[rows, partner] += 1 - lam
    alone = np.eye(len(weights))
    fits = (np.abs(weights - wanted).max(1) < 10 * room) | (np.abs(weights - alone).max(1) < 10 * room)
    if not fits.all():
        i = int(np.argmin(fits))
        own, other = weights[i, i], off[i, partner[i]]
        return Finding("images", False, f"image {i} holds {own:.2f} of itself and {other:.2f} of image {partner[i]}")
    if _moved(weights) < 0.5:
        return Finding("images", False, "most images have no partner but themselves")
    return Finding("images", True)


def _labels(case: Case, expected: Any, mixed: np.ndarray, soft: np.ndarray, room: float) -> Finding:
    shape = same_shape("labels", expected["soft"], soft)
    if not shape.ok:
        return shape
    if mixed.shape != expected["mixed"].shape or not np.isfinite(mixed).all():
        return Finding("labels", False, "there are no images to compare them with")
    weights, rest = solved(case["x"], mixed)
    if rest > 10 * room or _moved(weights) < 0.5:
        return Finding("labels", False, "the images are not mixed, so there is nothing to compare with")
    wanted = weights @ one_hot(case["y"], case["num_classes"])
    return same("labels", wanted, soft, 10 * room, what="label entries")


def _lams(all_weights: np.ndarray, rest: float) -> np.ndarray | None:
    """The share of itself that one image held in each call; None when images are no mixtures of whole images."""
    if rest > 1e-2 or np.abs(all_weights.sum(-1) - 1).max() > 1e-2:
        return None
    found = []
    for weights in all_weights:
        paired = np.flatnonzero(np.abs(_without_diagonal(weights)).max(1) > 1e-5)
        found.append(weights[paired[0], paired[0]] if len(paired) else 1.0)
    return np.array(found)


def _draws(case: Case, expected: Any, mixed: np.ndarray, soft: np.ndarray, tolerance: float) -> Finding:
    for given, wanted in ((mixed, expected["mixed"]), (soft, expected["soft"])):
        if given.shape != wanted.shape or not np.isfinite(given).all():
            return Finding("draws", False, "in some call images or labels have another shape, or are not finite")
    weights, rest = solved(case["x"], mixed)
    lams = _lams(weights, rest)
    if lams is None:
        return Finding("draws", False, "without lam, your images are no mixture of two whole images")
    together = weights @ one_hot(case["y"], case["num_classes"])
    if np.abs(together - soft).max() > max(2e-2, 10 * tolerance):
        return Finding("draws", False, "without lam, images and labels are not mixed by the same shares")
    a = case["alpha"]
    second, fourth = 1 / (4 * (2 * a + 1)), 3 / (16 * (2 * a + 1) * (2 * a + 3))
    offset, spread = float((lams - 0.5).mean()), float(((lams - 0.5) ** 2).mean())
    folded = float(np.abs(lams - 0.5).mean())  # the larger share may always be called lam: the same mixtures
    if min(abs(offset), abs(offset - folded)) > _SIGMAS * (second / _DRAWS) ** 0.5:
        return Finding("draws", False, f"the mean of lam is {0.5 + offset:.2f} over {_DRAWS} calls")
    if abs(spread - second) > _SIGMAS * ((fourth - second**2) / _DRAWS) ** 0.5:
        detail = f"lam lies {spread**0.5:.2f} from ½ (root mean square); Beta({a:g}, {a:g}) gives {second**0.5:.2f}"
        return Finding("draws", False, detail)
    return Finding("draws", True)


def _draw_marks(case: Case, expected: Any, mixed: np.ndarray) -> dict[str, np.ndarray]:
    if mixed.shape != expected["mixed"].shape or not np.isfinite(mixed).all():
        return {"shape": np.array(mixed.shape, np.float64)}
    lams = _lams(*solved(case["x"], mixed))
    if lams is None:
        return {"no mixture": np.ones(1)}
    second = 1 / (4 * (2 * case["alpha"] + 1))
    ratio = float(((lams - 0.5) ** 2).mean() / second)
    return {
        "lam": np.array([round(5 * float((lams - 0.5).mean())), round(3 * min(ratio, 4.0)), lams.std() < 1e-4], float)
    }


def _both(case: Case, arrays: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the images and what the labels are made of, (b, b) each; nan where it can't be said."""
    b = len(case["x"])
    images, labels = np.full((b, b), np.nan), np.full((b, b), np.nan)
    mixed, soft = np.asarray(arrays.get("mixed", NOTHING)), np.asarray(arrays.get("soft", NOTHING))
    if mixed.shape == case["x"].shape and np.isfinite(mixed).all():
        images = solved(case["x"], mixed)[0]
    if soft.ndim == 2 and len(soft) == b and soft.shape[1] > max(case["y"]):
        labels = soft[:, case["y"]].astype(float)
    return images, labels


QUESTIONS = (Mixup(),)
