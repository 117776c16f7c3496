"""Lesson 07, stretch: gradient times input, summed over each patch, for the logit of each image's own label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor

_NOTHING = np.zeros(0)


class InputAttribution(Question):
    id = "Q10c"
    title = "Gradient times input for each patch"
    signature = "input_attribution(model, images, labels, patch_size) -> (b, h / patch_size, w / patch_size)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape", "one number per patch, in the shape of the grid", share=0,
            hint="Compare the two shapes above: b, then rows, then columns of patches.",
        ),
        Criterion(
            "values", "the gradient of the label's logit times the pixels, summed over each patch", share=2,
            hint="Compute one patch by hand: the gradient there, times the pixels there, summed over pixels and "
            "channels.",
        ),
        Criterion(
            "sizes", "other images, patch sizes and labels",
            hint="Images that are not square, with another number of channels and another patch size.",
        ),
        Criterion(
            "clean", "weights get no gradient, and the images stay as they are", counts_with=("values", "sizes"),
            hint="After the call a weight has a `.grad`, or the images hold other numbers than before.",
        ),
    )  # fmt: skip

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        p = int(rng.integers(2, 4))
        yield _case(rng, ("shape", "values", "clean"), b=3, c=2, p=p, rows=2, columns=2)
        yield _case(rng, ("shape", "sizes", "clean"), b=4, c=int(rng.choice([1, 3])), p=5 - p, rows=2, columns=3)

    def probe(self, answer, case):
        import torch

        model = _model(case)
        images, labels = tensor(case["images"]), tensor(case["labels"])
        before = images.clone()
        out = answer(model, images, labels, case["patch_size"])
        record: dict[str, Any] = {"map": torch.as_tensor(out).detach()}
        collected = [p.grad.abs().sum() for p in model.parameters() if p.grad is not None]
        record["collected"] = torch.stack([*collected, torch.zeros_like(images.sum())]).sum().detach()
        record["changed"] = (images.detach() - before).abs().max()
        return record

    def judge(self, case, expected, got):
        given = got.get("map", _NOTHING)
        yield same_shape("shape", expected["map"], given)
        for criterion in ("values", "sizes"):
            if case.covers(criterion):
                yield same(criterion, expected["map"], given, max(got.tolerance, 1e-4), what="numbers")
        left = float(np.sum(got["collected"])), float(np.sum(got["changed"]))
        yield Finding("clean", left == (0.0, 0.0), "weights have gradients" if left[0] else "the images were changed")

    def features(self, case, expected, got):
        marks = {"map": got["map"]}
        return marks | {"left": np.array([float(np.sum(got[k]) > 0) for k in ("collected", "changed")])}


QUESTIONS = (InputAttribution(),)


def _case(
    rng: np.random.Generator, criteria: tuple[str, ...], *, b: int, c: int, p: int, rows: int, columns: int
) -> Case:
    images = rng.normal(0.3, 1, (b, c, rows * p, columns * p)).astype(np.float32)
    classes, hidden = 5, 6
    first = (rng.normal(0, 1, (hidden, images[0].size)) / images[0].size ** 0.5).astype(np.float32)
    second = rng.normal(0, 1, (classes, hidden)).astype(np.float32)
    labels = rng.permutation(classes)[:b].astype(np.int64)
    name = f"{b} images of {rows * p} x {columns * p} pixels, {c} channel{'s' if c > 1 else ''}, patches of {p} x {p}"
    return Case(name, criteria=criteria, images=images, labels=labels, first=first, second=second, patch_size=p)


def _model(case: Case) -> Any:
    """Two linear layers with a tanh between them, with the weights of the case."""
    from torch import nn

    model = nn.Sequential(
        nn.Flatten(), nn.Linear(case["first"].shape[1], case["first"].shape[0], bias=False), nn.Tanh(),
        nn.Linear(case["second"].shape[1], case["second"].shape[0], bias=False),
    ).to(tensor(case["images"]).device)  # fmt: skip
    for layer, name in ((model[1], "first"), (model[3], "second")):
        nn.Module.load_state_dict(layer, {"weight": tensor(case[name])})
    return model.eval()
