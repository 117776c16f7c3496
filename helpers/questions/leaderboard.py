"""Lesson 12, the open task: whatever tells the ten classes of `shapes` apart in bad weather.

The hidden images are drawn where grades are made (`helpers.checks.sealed`): this process never learns what is on them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from helpers.checks import Case, Criterion, Finding, tensor
from helpers.checks.question import public_rng
from helpers.checks.sealed import SealedQuestion
from helpers.data import Dataset
from helpers.data.shapes import CLASSES
from helpers.data.weather import draw_in_bad_weather
from helpers.pictures.leaderboard import entry_picture

COUNT = 500
AGAIN = 24  # images asked for a second time, in other company
STEPS = (30, 50, 65, 80)  # per cent
_UNSTEADY = 2


class Leaderboard(SealedQuestion):
    id = "Q27"
    title = "The leaderboard"
    signature = "predict(images): (n, 3, 32, 32) in 0..1 -> (n,) class numbers from 0 to 9"
    measured = "accuracy"
    needs_gradients = True  # an entry may be trained when it is first called
    criteria = (
        Criterion(
            "labels",
            "one whole number from 0 to 9 for each image",
            share=0,
            hint="Look at what `predict` returns for five images: its shape, and its first entries.",
        ),
        Criterion(
            "alone",
            "an image gets the same class whichever images come with it",
            share=0,
            hint="The same images, asked again in a smaller batch, got other classes. What in a model looks at the "
            "whole batch, or draws at random, unless it is told that training is over?",
        ),
        Criterion(
            "step30",
            "30 % right or more (always the same class: 10 %)",
            hint="Little better than guessing. Do the images of `predict` get the same treatment as those it was "
            "trained on? Does the loss go down at all?",
        ),
        Criterion(
            "step50",
            "50 % right or more",
            hint="It has learned something. Draw the images that it gets wrong: is it the weather, or are there "
            "classes that it mixes up?",
        ),
        Criterion(
            "step65",
            "65 % right or more",
            hint="Compare the accuracy on `shapes`' own test set with the one above. If they are far apart, weather is "
            "what your model has never met; if not, it needs to learn more of the shapes.",
        ),
        Criterion(
            "step80",
            "80 % right or more",
            hint="Good. What is left: longer training, images that vary more, a model that suits so few images, "
            "several models that vote.",
        ),
    )

    def draw(self, rng: np.random.Generator) -> Iterator[tuple[Case, Mapping[str, np.ndarray]]]:
        images, labels = draw_in_bad_weather(COUNT, rng)
        again = rng.permutation(COUNT)[:AGAIN]
        yield Case(f"{COUNT} images in bad weather", images=images, again=again), {"labels": labels}

    def probe(self, answer, case):
        images, again = tensor(case["images"]).float() / 255, tensor(case["again"])
        return {"labels": answer(images), "again": answer(images[again])}

    def judge(self, case, expected, got):
        wanted, given = expected["labels"], got["labels"]
        trouble = _trouble(wanted, given)
        yield Finding("labels", not trouble, trouble)
        if trouble:
            yield from (Finding(c.id, False, "can be seen once the labels are right") for c in self.criteria[1:])
            return
        differ = _differ(case, given, got.get("again"))
        says = "nothing was recorded" if differ is None else f"{differ} of {AGAIN} images got another class"
        yield Finding("alone", differ is not None and differ <= _UNSTEADY, says)
        share = 100 * _right(wanted, given)
        for step in STEPS:
            yield Finding(f"step{step}", share >= step, f"{share:.1f} % of the public images are right")

    def measure(self, case, expected, got):
        wanted, given = expected["labels"], got["labels"]
        return 0.0 if _trouble(wanted, given) else _right(wanted, given)

    def features(self, case, expected, got):
        wanted, given = expected["labels"], np.asarray(got["labels"])
        if _trouble(wanted, given):
            whole = bool(given.size) and np.isfinite(given).all() and np.array_equal(given, np.rint(given))
            high = float(given.max()) if whole else -1.0
            low = float(given.min()) if whole else -1.0
            return {"shape": np.array([given.ndim, *given.shape[:3]]), "entries": np.array([whole, low, high])}
        differ = _differ(case, given, got.get("again"))
        steady = differ is not None and differ <= _UNSTEADY
        kinds = len(np.unique(given))
        steps = (20, *STEPS) if steady else (20,)
        level = sum(100 * _right(wanted, given) >= step for step in steps)
        return {"steady": np.array([1.0 + steady, 1.0 + min(kinds, 2) + (kinds > 8), 1.0 + level])}

    def picture(self, case, expected, got):
        given = None if got is None else got["labels"]
        if given is not None and _trouble(expected["labels"], given):
            given = None
        return entry_picture(case["images"], expected["labels"], given, CLASSES)


def validation() -> Dataset:
    """The public images of the leaderboard, with their labels: what the check in your notebook looks at."""
    import torch

    [(case, kept)] = Leaderboard().draw(public_rng(Leaderboard.id))
    images = torch.from_numpy(case["images"]).float() / 255
    return Dataset("bad weather", images, torch.from_numpy(kept["labels"]), CLASSES, "helpers/data/weather.py (public)")


def _trouble(wanted: np.ndarray, given: np.ndarray) -> str:
    """What keeps an array from being labels, in words; "" when nothing does."""
    if given.shape != wanted.shape:
        return f"expected shape {wanted.shape}, got {tuple(int(n) for n in given.shape)}"
    values = np.asarray(given, np.float64)
    if not np.isfinite(values).all() or not np.array_equal(values, np.rint(values)) or given.dtype == bool:
        return "some entries are no whole numbers"
    if values.min() < 0 or values.max() >= len(CLASSES):
        return f"classes are 0 to {len(CLASSES) - 1}; yours go from {values.min():g} to {values.max():g}"
    return ""


def _right(wanted: np.ndarray, given: np.ndarray) -> float:
    return float((np.asarray(given) == wanted).mean())


def _differ(case: Case, given: np.ndarray, again: np.ndarray | None) -> int | None:
    """How many images got another class in other company."""
    if again is None or again.shape != (AGAIN,):
        return None
    return int((given[case["again"]] != again).sum())


QUESTIONS = (Leaderboard(),)
