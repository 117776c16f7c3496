"""Lesson 11, second third: how well boxes fit, and which prediction answers for which object.

A matching is judged by its total cost, so that any of several equally good ones is right. The fit of boxes that a
matching is made with may be the student's own (a question of its own) or, in its place, a made-up closeness: a wrong
Q23a costs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.gradients import input_gradients, same_gradients, with_paths
from helpers.checks.module_probes import NOTHING, as_single
from helpers.checks.stub_modules import namespaces_of
from helpers.pictures.beyond_checks import fits_picture, pairs_picture

FIT = "generalized_iou"


class GeneralizedIoU(Question):
    id = "Q23a"
    title = "Generalized IoU"
    needs_gradients = True
    signature = "generalized_iou(boxes_a, boxes_b): (n, 4) and (m, 4), each cx cy w h -> (n, m)"
    criteria = (
        Criterion(
            "shape",
            "one row per box of the first set, one column per box of the second",
            share=0,
            hint="Every box of the first set is compared with every box of the second.",
        ),
        Criterion(
            "over",
            "boxes that overlap: what they share, of what they cover together",
            share=2,
            hint="All boxes of this case overlap. Three areas enter: the intersection, the union, and the smallest box "
            "around both.",
        ),
        Criterion(
            "inside",
            "a box inside another, and a box with itself",
            hint="The smallest box around both is then the outer box, so the last term is zero.",
        ),
        Criterion(
            "apart",
            "boxes that don't meet: below 0, and lower the farther apart they are",
            share=2,
            hint="In this case the intersection is empty.",
        ),
        Criterion(
            "gradient",
            "differentiable in both sets of boxes, as a loss has to be",
            hint="The gradients for both sets of boxes are compared with the solution's.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        n, m = int(rng.integers(2, 4)), int(rng.integers(2, 5))
        few = _drawn(rng, n, 0.4, 0.6, 0.3), _drawn(rng, m, 0.4, 0.6, 0.3)
        yield Case(f"{n} by {m} boxes", criteria=("shape", "over"), a=few[0], b=few[1])
        n, m = int(rng.integers(4, 6)), int(rng.integers(2, 4))
        many = _drawn(rng, n, 0.38, 0.62, 0.28), _drawn(rng, m, 0.38, 0.62, 0.28)
        yield Case(f"{n} by {m} boxes that overlap", criteria=("shape", "over", "gradient"), a=many[0], b=many[1])
        n = int(rng.integers(3, 8))
        outer = _drawn(rng, n, 0.45, 0.55, 0.6)
        inner = np.concatenate([outer[:, :2] + rng.uniform(-0.08, 0.08, (n, 2)), outer[:, 2:] * 0.4], -1)
        both = as_single(np.concatenate([inner[:-1], outer[-1:]]))
        yield Case("boxes inside boxes", criteria=("shape", "inside"), a=outer, b=both)
        n, m = int(rng.integers(2, 5)), int(rng.integers(5, 7))
        corner = as_single(np.concatenate([rng.uniform(0.05, 0.3, (n, 2)), rng.uniform(0.05, 0.25, (n, 2))], -1))
        far = as_single(np.concatenate([rng.uniform(0.55, 0.95, (m, 2)), rng.uniform(0.05, 0.25, (m, 2))], -1))
        beside = far * np.array([1, 0.3, 1, 1])  # apart in x alone
        yield Case(f"{n} by {m} boxes far apart", criteria=("shape", "apart", "gradient"), a=corner, b=far)
        yield Case(f"{n} by {m} boxes side by side", criteria=("shape", "apart"), a=corner, b=as_single(beside))

    def probe(self, answer, case):
        record = {"fit": answer(tensor(case["a"]), tensor(case["b"]))}
        if case.covers("gradient"):
            record |= input_gradients(answer, {"a": case["a"], "b": case["b"]}, 7)
        return record

    def judge(self, case, expected, got):
        given = got.get("fit", NOTHING)
        yield same_shape("shape", expected["fit"], given)
        for criterion in ("over", "inside", "apart"):
            yield same(criterion, expected["fit"], given, got.tolerance, what="pairs")
        if case.covers("gradient"):
            of = "over" if case.covers("over") else "apart"
            yield replace(same_gradients("gradient", expected, got, got.tolerance), of=of)

    def features(self, case, expected, got):
        fit = np.nan_to_num(np.asarray(got["fit"], np.float64), nan=7.0, posinf=8.0, neginf=9.0)
        return with_paths(expected, got) | {"fit": fit}

    def picture(self, case, expected, got):
        return fits_picture(case["a"], case["b"], expected["fit"], None if got is None else np.asarray(got["fit"]))


class Match(Question):
    id = "Q23b"
    title = "Bipartite matching"
    needs_gradients = True
    signature = (
        "match(class_logits, boxes, target_classes, target_boxes): (q, classes + 1), (q, 4), (t,), (t, 4) -> "
        "(prediction indices, target indices)"
    )
    criteria = (
        Criterion(
            "pairs",
            "as many pairs as objects, each object once, no prediction twice; predictions first",
            share=0,
            hint="Two lists of whole numbers of the same length: the numbers of predictions, and the numbers of the "
            "objects that they are matched to.",
        ),
        Criterion(
            "classes",
            "among boxes that fit equally well, the class decides",
            share=2,
            hint="All boxes are equal in this case, so the matching with the largest sum of class probabilities is the "
            "cheapest.",
        ),
        Criterion(
            "boxes",
            "among equal classes, distance and overlap decide",
            share=2,
            hint="All predictions have the same logits in this case, so the two terms for boxes decide.",
        ),
        Criterion(
            "all",
            "the total of all three terms is the smallest possible",
            share=3,
            hint="The three terms have weights and signs, and the class term is a probability. The check compares the "
            "total cost of your matching with the least one, on many objects.",
        ),
        Criterion(
            "counts",
            "one object, as many as predictions, or none at all",
            hint="An image may hold no object: then both lists are empty.",
        ),
        Criterion(
            "training",
            "works while a model is being trained",
            counts_with=("classes", "boxes", "all"),
            hint="In this case the logits and the boxes require gradients, as the output of a model in training does.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        q, t, k = int(rng.integers(7, 10)), int(rng.integers(4, 7)), int(rng.integers(3, 5))
        yield _crowd(rng, q, t, k, f"a crowd of {q} predictions, {t} objects", ("pairs", "all"))
        q, t, k = int(rng.integers(6, 8)), int(rng.integers(4, 6)), int(rng.integers(3, 5))
        heap = np.repeat(_drawn(rng, 1, 0.4, 0.6, 0.3), q, 0)
        alike = {"target_boxes": heap[:t], "target_classes": _classes(rng, t, k)}
        yield Case(
            f"{q} predictions on one spot, {t} objects",
            criteria=("pairs", "classes"),
            boxes=heap,
            class_logits=as_single(rng.normal(0, 2, (q, k + 1)) + rng.normal(0, 2, (q, 1))),
            **alike,
        )
        yield _swayed(rng)
        for _ in range(2):
            q, t, k = int(rng.integers(16, 20)), int(rng.integers(12, 15)), int(rng.integers(2, 4))
            seen = {"target_boxes": _drawn(rng, t, 0.2, 0.8, 0.1), "target_classes": _classes(rng, t, k)}
            even = np.repeat(rng.normal(0, 1, (1, k + 1)), q, 0)
            yield Case(
                f"{q} predictions of one mind, {t} objects",
                criteria=("pairs", "boxes"),
                boxes=_drawn(rng, q, 0.2, 0.8, 0.1),
                class_logits=as_single(even),
                **seen,
            )
        for _ in range(3):
            q, t, k = int(rng.integers(20, 25)), int(rng.integers(16, 20)), int(rng.integers(3, 6))
            yield _crowd(rng, q, t, k, f"{q} predictions, {t} objects", ("pairs", "all"))
        q = int(rng.integers(4, 7))
        for t, name in ((1, "one object"), (q, "as many objects as predictions"), (0, "no object at all")):
            yield _crowd(rng, q, t, 3, f"{q} predictions, {name}", ("pairs", "counts"))
        yield _crowd(rng, 6, 4, 3, "6 predictions of a model in training, 4 objects", ("training",))

    def probe(self, answer, case):
        names = ("class_logits", "boxes", "target_classes", "target_boxes")
        inputs = {name: tensor(case[name]) for name in names}
        if case.covers("training"):
            inputs |= {name: inputs[name].requires_grad_() * 1 for name in names[:2]}
        record: dict[str, Any] = {"known_predictions": NOTHING, "known_objects": NOTHING, "known": False}
        with made_up_fit(answer) as asked:
            found = answer(**inputs)
        if not asked:
            return record | _two_lists(found)
        record |= {f"known_{name}": indices for name, indices in _two_lists(found).items()} | {"known": True}
        try:
            return record | _two_lists(answer(**inputs))
        except Exception:  # the student's own Q23a: asked there
            return record | {"predictions": NOTHING, "objects": NOTHING}

    def judge(self, case, expected, got):
        ways = ["", "known_"] if bool(np.asarray(got.get("known", False)).any()) else [""]
        found = [_judged(expected, got, way) for way in ways]
        formed, total, detail = max(found, key=lambda one: (one[1], one[0]))
        yield Finding("pairs", formed, "" if formed else detail)
        for criterion in ("classes", "boxes", "all", "counts"):
            yield Finding(criterion, total, "" if total else detail)
        yield Finding("training", formed, "" if formed else detail)

    def features(self, case, expected, got):
        way = "known_" if bool(np.asarray(got["known"]).any()) else ""
        pairs = [np.asarray(got[way + name], np.float64).reshape(-1) for name in ("predictions", "objects")]
        order = np.lexsort(pairs) if pairs[0].shape == pairs[1].shape else slice(None)
        return {"predictions": pairs[0][order], "objects": pairs[1][order]}

    def picture(self, case, expected, got):
        if "crowd" not in case.name:
            return None
        given = None if got is None else _valid(expected, got, "")
        return pairs_picture(case["boxes"], case["target_boxes"], _valid(expected, expected, ""), given)


def made_up(boxes_a: Any, boxes_b: Any) -> Any:
    """(n, 4) and (m, 4) -> (n, m) in -1..1: a closeness that is none in use."""
    import torch

    away = boxes_a[:, None] - boxes_b[None]
    return torch.cos(4 * away @ torch.tensor([1.0, -0.7, 1.9, 1.3]).to(away))


@contextmanager
def made_up_fit(answer: Any) -> Iterator[list[int]]:
    """The made-up closeness stands for `generalized_iou` inside; the list grows when it is asked."""
    asked: list[int] = []

    def fit(boxes_a: Any, boxes_b: Any) -> Any:
        asked.append(1)
        return made_up(boxes_a, boxes_b)

    old = [(room, room[FIT]) for room in namespaces_of(answer) if FIT in room]
    for room, _ in old:
        room[FIT] = fit
    try:
        yield asked
    finally:
        for room, own in old:
            room[FIT] = own


def _two_lists(found: Any) -> dict[str, Any]:
    predictions, objects = found
    return {"predictions": predictions, "objects": objects}


def _valid(expected: Any, got: Any, way: str) -> np.ndarray | None:
    """(2, pairs) whole numbers that are indices, each at most once and each object once; else None."""
    queries, count = expected["cost"].shape
    lists = [np.asarray(got.get(way + name, NOTHING), np.float64) for name in ("predictions", "objects")]
    if any(one.shape != (min(queries, count),) or not np.isfinite(one).all() for one in lists):
        return None
    pairs = np.stack([one.astype(int) for one in lists])
    fits = (pairs == np.stack(lists)).all() and (pairs >= 0).all() and (pairs < [[queries], [count]]).all()
    once = all(len(set(one.tolist())) == len(one) for one in pairs)
    return pairs if fits and once else None


def _judged(expected: Any, got: Any, way: str) -> tuple[bool, bool, str]:
    """Whether these are pairs, whether their cost is the least, and what to say if not."""
    pairs, cost = _valid(expected, got, way), np.asarray(expected[f"{way}cost"], np.float64)
    if pairs is None:
        return False, False, "these are no pairs of a prediction and an object, each object once, no prediction twice"
    best = _valid(expected, expected, way)
    least = cost[best[0], best[1]].sum() if best is not None else 0.0
    total = cost[pairs[0], pairs[1]].sum()
    wrong = sum(int(p not in best.T.tolist()) for p in pairs.T.tolist()) if best is not None else 0
    return (
        True,
        bool(total <= least + 1e-4 * max(1.0, abs(least))),
        f"{wrong} of {pairs.shape[1]} pairs differ from a matching that costs less",
    )


def _drawn(rng: np.random.Generator, n: int, low: float, high: float, size: float) -> np.ndarray:
    """(n, 4) boxes with centres between low and high, and sides of `size` and up to twice as much."""
    return as_single(np.concatenate([rng.uniform(low, high, (n, 2)), rng.uniform(size, 2 * size, (n, 2))], -1))


def _classes(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    return rng.integers(0, k, n).astype(np.int64)


def _crowd(rng: np.random.Generator, q: int, t: int, k: int, name: str, criteria: tuple[str, ...]) -> Case:
    """Boxes that crowd in the middle, predictions near objects, classes that are often right."""
    objects, classes = _drawn(rng, t, 0.35, 0.65, 0.15), _classes(rng, t, k)
    near = rng.integers(0, max(t, 1), q)
    boxes, logits = _drawn(rng, q, 0.3, 0.7, 0.15), rng.normal(0, 1.5, (q, k + 1)) + rng.normal(0, 2, (q, 1))
    if t:
        boxes = 0.5 * boxes + 0.5 * objects[near]
        logits[np.arange(q), classes[near]] += rng.normal(1, 1.5, q)
        logits[:, -1] += rng.normal(1, 2, q)
    return Case(
        name,
        criteria=criteria,
        class_logits=as_single(logits),
        boxes=as_single(boxes),
        target_classes=classes,
        target_boxes=objects,
    )


def _swayed(rng: np.random.Generator) -> Case:
    """Two unlikely classes, one much less likely still, and boxes that say the opposite: probabilities hardly differ,
    their logarithms do."""
    rest, kinds = int(rng.integers(2, 7)), int(rng.integers(2, 5))
    objects = as_single(np.array([[0.3, 0.5, 0.2, 0.2], [0.45, 0.5, 0.2, 0.2]]) + rng.uniform(-0.02, 0.02, (2, 1)))
    boxes = np.concatenate([objects[::-1] + rng.normal(0, 0.01, (2, 4)), _drawn(rng, rest, 0.8, 0.9, 0.1)])
    logits = rng.normal(0, 0.2, (2 + rest, kinds + 1))
    logits[:, -1] = 9
    logits[:2, :2] = [[5, -9], [-9, 5]]
    return Case(
        f"{2 + rest} predictions nearly sure of nothing, 2 objects",
        criteria=("pairs", "all"),
        class_logits=as_single(logits),
        boxes=as_single(boxes),
        target_classes=np.array([0, 1]),
        target_boxes=objects,
    )


QUESTIONS = (GeneralizedIoU(), Match())
