"""Lesson 07, blank page: a Vision Transformer written in one cell, trained, and judged on images it has never seen.

The images of the secret cases are drawn where grades are made (`helpers.checks.sealed`), so the process that trains
the model never has their labels. That the model is a Vision Transformer is seen from its outputs and from its
gradients with respect to the pixels: one shared linear map of separate patches, patches that act on each other, and
an output that depends on where a patch is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from helpers.checks import Case, Criterion, Finding, tensor
from helpers.checks.given_parts import given_parts
from helpers.checks.sealed import SealedQuestion
from helpers.checks.time_limit import stopped_after
from helpers.data import load
from helpers.data.shapes import CLASSES, draw_shapes

COUNT, PATCH, WIDTH, SECONDS = 400, 8, 64, 120
STEPS = (42, 50)  # per cent; a model without attention reaches about 37
EARLIER = ("PatchEmbedding", "TransformerEncoderBlock", "ViT")
_LIBRARIES = ("timm", "torchvision", "transformers")
_SLOPES = 24  # images whose gradients are recorded: 24 * 16 rows of 192 numbers
_SIDE = 32 // PATCH


class ModelFromMemory(SealedQuestion):
    id = "Q8b"
    trains = True
    title = "A Vision Transformer from an empty cell"
    signature = "train_vit(images, labels) -> model: (n, 3, 32, 32) in 0..1, (n,) -> a trained nn.Module"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "the model gives ten logits for each image",
            share=0,
            hint="`train_vit` returns the model, and the model returns logits of the shape (b, 10).",
        ),
        Criterion(
            "steady",
            "the same images get the same logits twice",
            share=0,
            hint="The same images are given twice, and the logits differ. The model is used right after training.",
        ),
        Criterion(
            "patches",
            f"patches of {PATCH} x {PATCH} pixels, each embedded by the same linear map to a width of {WIDTH} or less",
            counts_with=("step42",),
            hint="The gradients of the logits with respect to the pixels of a patch are combinations of the rows of "
            "the embedding. Here they need more directions than the embedding has rows.",
        ),
        Criterion(
            "attends",
            "patches act on each other on their way to the logits",
            counts_with=("step42",),
            hint="Two patches are changed alone and together. Without attention the two changes simply add up.",
        ),
        Criterion(
            "placed",
            "the logits depend on where a patch is",
            counts_with=("step42",),
            hint="The patches of an image were exchanged, and the logits stayed the same.",
        ),
        Criterion(
            "step42",
            f"{STEPS[0]} % of {COUNT} new images are classified correctly",
            share=2,
            hint="A class drawn at random is right in 10 %. Print the loss in each epoch: does it fall?",
        ),
        Criterion(
            "step50",
            f"{STEPS[1]} % of them are classified correctly",
            share=2,
            hint="The model learns, and it has not learned enough. Compare its accuracy on the training images: is it "
            "underfitting?",
        ),
    )

    def draw(self, rng: np.random.Generator) -> Iterator[tuple[Case, Mapping[str, np.ndarray]]]:
        images, labels = draw_shapes(COUNT, seed=(7, int(rng.integers(2**31))))
        aim = rng.normal(size=(_SLOPES, len(CLASSES))).astype(np.float32)
        order = rng.permutation(_SIDE**2)
        pixels = np.rint(255 * images).astype(np.uint8)
        yield Case(f"{COUNT} new images", images=pixels, aim=aim, order=order), {"labels": labels}

    def probe(self, answer, case):
        import torch

        images = tensor(case["images"]).float() / 255
        with given_parts(answer, dict.fromkeys(EARLIER, _refused)), stopped_after(SECONDS):
            model = _trained(answer, images.device)
            with torch.no_grad():
                out = model(images)
                again = model(images)
        if not isinstance(out, torch.Tensor) or out.shape != (COUNT, len(CLASSES)):
            return {"shape": np.array(getattr(out, "shape", ()), np.int64)}
        mean, std = (f(images, dim=(0, 2, 3), keepdim=True) for f in (torch.mean, torch.std))
        few = images[:_SLOPES]
        with torch.no_grad():
            standard = model((images - mean) / std).argmax(-1)
            moved = model(_exchanged(few, case["order"].tolist()))
            effects = _effects(model, few)
        leaf = few.clone().requires_grad_()
        slopes = torch.autograd.grad((model(leaf) * tensor(case["aim"])).sum(), leaf, allow_unused=True)[0]
        return {
            "labels": out.argmax(-1), "again": (out - again).abs().amax(), "logits": out[:_SLOPES], "moved": moved,
            "standard": standard, "effects": effects, "slopes": leaf * 0 if slopes is None else slopes,
        }  # fmt: skip

    def judge(self, case, expected, got):
        if "shape" in got:
            found = tuple(int(n) for n in np.nan_to_num(np.ravel(np.asarray(got["shape"], np.float64))))
            yield Finding("shape", False, f"expected ({COUNT}, {len(CLASSES)}), got {found}")
            yield from (Finding(c.id, False, "can be seen once the logits are there") for c in self.criteria[1:])
            return
        right = _share(expected["labels"], got["labels"])
        for step in STEPS:
            yield Finding(f"step{step}", 100 * right >= step, f"{100 * right:.1f} % are right")
        logits = np.asarray(got["logits"], np.float64)
        fine = logits.shape == (_SLOPES, len(CLASSES)) and bool(np.isfinite(logits).all())
        yield Finding("shape", fine, "" if fine else "some logits are nan or infinite")
        if not fine:
            yield from (Finding(c.id, False, "can be seen once the logits are numbers") for c in self.criteria[1:5])
            return
        scale = max(float(logits.std()), 1e-9)
        yield Finding(
            "steady",
            float(np.max(np.asarray(got["again"], np.float64), initial=0)) < 1e-3 * scale,
            "the logits differ from call to call",
        )
        rank = _rank(_patches(np.asarray(got["slopes"], np.float64)))
        yield Finding("patches", 0 < rank <= WIDTH, f"the gradients of a patch need {rank} directions")
        apart = _apart(np.asarray(got["effects"], np.float64))
        yield Finding("attends", apart > 1e-3, "the effects of two patches add up: they never meet")
        moved = np.asarray(got["moved"], np.float64)
        differ = float(np.abs(moved - logits).max()) / scale if moved.shape == logits.shape else 0.0
        yield Finding("placed", differ > 1e-3, "exchanged patches give the same logits")

    def features(self, case, expected, got):
        """One number: the first thing that is not as it should be."""
        return {"first": np.array([float(_first(self, case, expected, got))])}


QUESTIONS = (ModelFromMemory(),)

_models: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # one training serves the public and the secret images


def _trained(answer: Any, device: Any) -> Any:
    import torch

    maker = getattr(answer, "func", answer)
    if maker in _models:
        return _models[maker]
    data = load("shapes")
    model = answer(data.images.to(device), data.labels.to(device))
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"`train_vit` should return the trained model, and {type(model).__name__} came back")
    if any(type(part).__module__.partition(".")[0] in _LIBRARIES for part in model.modules()):
        raise TypeError("the model should be written in the cell; this one comes from a library")
    _models[maker] = model
    return model


def _refused(*_: Any, **__: Any) -> None:
    raise TypeError(f"write the whole model in the cell itself, without {', '.join(EARLIER)} from above")


def _exchanged(images: Any, order: list[int]) -> Any:
    """The images with their patches in another order."""
    import torch.nn.functional as F

    columns = F.unfold(images, PATCH, stride=PATCH)[:, :, order]  # b values patches
    return F.fold(columns, images.shape[2:], PATCH, stride=PATCH)


def _effects(model: Any, images: Any) -> Any:
    """(4, b, classes): logits as they are, with patch 5 at 0.5, with patch 10 at 0.5, and with both."""
    import torch

    rows = []
    for places in ((), (5,), (10,), (5, 10)):
        changed = images.clone()
        for place in places:
            i, j = (PATCH * k for k in divmod(place, _SIDE))
            changed[:, :, i : i + PATCH, j : j + PATCH] = 0.5
        rows.append(model(changed))
    return torch.stack(rows)


def _patches(slopes: np.ndarray) -> np.ndarray:
    """(b, 3, 32, 32) -> (rows, 192): one row per patch."""
    if slopes.shape != (_SLOPES, 3, 32, 32) or not np.isfinite(slopes).all():
        return np.zeros((1, 3 * PATCH**2))
    grid = slopes.reshape(-1, 3, _SIDE, PATCH, _SIDE, PATCH).swapaxes(1, 2).swapaxes(2, 4).swapaxes(3, 4)
    return grid.reshape(-1, 3 * PATCH**2)


def _rank(rows: np.ndarray) -> int:
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    values = np.linalg.svd(rows / np.maximum(size, 1e-12), compute_uv=False)
    return int((values > 1e-4 * values[0]).sum()) if size.max() > 0 else 0


def _apart(effects: np.ndarray) -> float:
    """How far the effect of two patches is from the sum of their effects, relative to the effects."""
    if effects.shape != (4, _SLOPES, len(CLASSES)) or not np.isfinite(effects).all():
        return 0.0
    none, one, two, both = effects
    return float(np.abs(both - one - two + none).mean() / max(np.abs(both - none).mean(), 1e-9))


def _share(wanted: np.ndarray, given: np.ndarray) -> float:
    given = np.asarray(given)
    return float((given == wanted).mean()) if given.shape == wanted.shape else 0.0


def _first(question: ModelFromMemory, case: Case, expected: Mapping[str, np.ndarray], got: Any) -> int:
    if "shape" in got:
        shape = np.ravel(got["shape"])
        return {1: 1, 3: 2}.get(len(shape), 3)
    failed = {f.criterion for f in question.judge(case, expected, got) if not f.ok}
    if failed & {"shape", "steady"}:
        return 4 if "shape" in failed else 5
    logits = np.asarray(got["logits"], np.float64)
    if np.allclose(logits.sum(-1), 1, atol=1e-3) and logits.min() >= 0:
        return 6
    standard, right = (_share(expected["labels"], got[name]) for name in ("standard", "labels"))
    if standard > max(0.4, right + 0.1):
        return 13
    if right < 0.2 and _loss(logits, expected["labels"][:_SLOPES]) > 4:
        return 12
    if logits.std(0).max() < 1e-4 * max(logits.std(), 1e-9):
        return 7
    if "patches" in failed:
        lines = np.asarray(got["slopes"], np.float64).reshape(-1, 3 * PATCH**2)
        return 8 if 0 < _rank(lines) <= WIDTH else 9
    if failed & {"attends", "placed"}:
        return 10 if "attends" in failed else 11
    return 14 if right < 0.2 else 15


def _loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean cross-entropy."""
    shifted = logits - logits.max(-1, keepdims=True)
    return float(np.mean(np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(len(labels)), labels]))
