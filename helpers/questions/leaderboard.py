"""Lesson 12, the open task: whatever tells the ten classes of `shapes` apart in bad weather.

The hidden images are drawn where grades are made (`helpers.checks.sealed`): this process never learns what is on them.

In a student's notebook the check also draws fresh images, which nobody has seen before, and times the entry. An entry
that was trained on the public images does well on these alone, and the card says so.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from helpers.checks import Case, Criterion, Finding, tensor
from helpers.checks.question import public_rng
from helpers.checks.sealed import SealedQuestion
from helpers.checks.time_limit import stopped_after
from helpers.checks.undefined_names import EXAM_SEED
from helpers.checks.wire_format import to_array
from helpers.data import Dataset
from helpers.data.shapes import CLASSES
from helpers.data.weather import draw_in_bad_weather
from helpers.pictures.leaderboard import entry_picture

COUNT = 500
AGAIN = 24  # images asked for a second time, in other company
STEPS = (30, 50, 65, 80)  # per cent
SECONDS = 30  # for one run of the check, training included
FRESH = 300  # images drawn anew for each check in a notebook
GAP = 10.0  # percentage points; the accuracy of one model on 500 images varies by about 2
_UNSTEADY = 2
_longest: WeakKeyDictionary[Any, float] = WeakKeyDictionary()  # of each entry, whose model is trained once


class Leaderboard(SealedQuestion):
    id = "Q27"
    title = "The leaderboard"
    signature = "predict(images): (n, 3, 32, 32) in 0..1 -> (n,) class numbers from 0 to 9"
    measured = "accuracy"
    trains = True
    needs_gradients = True  # an entry may be trained when it is first called
    criteria = (
        Criterion(
            "labels",
            "one whole number from 0 to 9 for each image",
            share=0,
            hint="`predict` returns one class number per image, in the order of the images.",
        ),
        Criterion(
            "alone",
            "an image gets the same class whichever images come with it",
            share=0,
            hint="The check asks for some images a second time, in a smaller batch. Batch normalisation and dropout "
            "depend on the batch or on chance while a model is in training mode.",
        ),
        Criterion(
            "time",
            f"one run of the check, training included, takes at most {SECONDS} seconds",
            share=0,
            hint="The grader stops an entry that takes longer, and it then earns nothing.",
        ),
        Criterion(
            "fresh",
            f"about as good on fresh images as on the public ones (at most {GAP:.0f} points worse)",
            share=0,
            hint="An entry that was trained on the public images does better on these than on any "
            "others. The public images are for choosing between models; train on `shapes`.",
        ),
        Criterion(
            "step30",
            "30 % right or more (always the same class: 10 %)",
            hint="The images of `predict` need the same preprocessing as those in training.",
        ),
        Criterion(
            "step50",
            "50 % right or more",
            hint="Draw the images that are classified wrongly, and look which classes are confused.",
        ),
        Criterion(
            "step65",
            "65 % right or more",
            hint="Compare this accuracy with the one on the test set of `shapes`. A large difference means that the "
            "weather is the problem; a small one means that the model underfits.",
        ),
        Criterion(
            "step80",
            "80 % right or more",
            hint="What can still help: longer training, stronger augmentation, a model that suits few images, an "
            "ensemble.",
        ),
    )

    def draw(self, rng: np.random.Generator) -> Iterator[tuple[Case, Mapping[str, np.ndarray]]]:
        images, labels = draw_in_bad_weather(COUNT, rng)
        again = rng.permutation(COUNT)[:AGAIN]
        yield Case(f"{COUNT} images in bad weather", images=images, again=again), {"labels": labels}

    def probe(self, answer, case):
        images, again = tensor(case["images"]).float() / 255, tensor(case["again"])
        with stopped_after(SECONDS) as passed:
            record = {"labels": answer(images), "again": answer(images[again])}
            record["seconds"] = _longest_of(answer, passed())
            if EXAM_SEED not in os.environ:
                drawn, labels = draw_in_bad_weather(FRESH, np.random.default_rng())
                given = to_array(answer(tensor(drawn).float() / 255))[0]
                record["fresh"] = _right(labels, given) if given.shape == labels.shape else 0.0
        return record

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
        seconds = float(np.asarray(got.get("seconds", 0.0)).reshape(-1)[:1].sum())
        yield Finding("time", seconds <= SECONDS, f"it took {seconds:.0f} seconds")
        share = 100 * _right(wanted, given)
        fresh = 100 * float(np.asarray(got.get("fresh", share / 100)).reshape(-1)[:1].sum())
        yield Finding("fresh", share - fresh <= GAP, f"public {share:.1f} %, fresh {fresh:.1f} %")
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

    def notes(self, recorded):
        [got] = recorded
        if got is None or "seconds" not in got or "fresh" not in got:
            return []
        seconds, fresh = (float(np.asarray(got[name]).reshape(-1)[:1].sum()) for name in ("seconds", "fresh"))
        took = f"This entry took {seconds:.1f} of the {SECONDS} seconds that it has, training included."
        return [f"{took} On {FRESH} fresh images it has {100 * fresh:.1f} % right."]

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


def _longest_of(answer: Any, seconds: float) -> float:
    """The longest that this very entry took: a model that is trained once costs its time once."""
    try:
        _longest[answer] = max(seconds, _longest.get(answer, 0.0))
        return _longest[answer]
    except TypeError:
        return seconds


def _differ(case: Case, given: np.ndarray, again: np.ndarray | None) -> int | None:
    """How many images got another class in other company."""
    if again is None or again.shape != (AGAIN,):
        return None
    return int((given[case["again"]] != again).sum())


QUESTIONS = (Leaderboard(),)
