"""Lesson 07: one training step, and the accuracy of a model, on models small enough to follow every number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.module_probes import as_single
from helpers.pictures.vision_transformer import accuracy_picture, step_picture

_NONE = np.full(1, np.nan)


class TrainStep(Question):
    id = "Q9"
    title = "One training step"
    signature = "train_step(model, images, labels, optimizer, loss_fn=F.cross_entropy) -> loss (float)"
    needs_gradients = True
    criteria = (
        Criterion(
            "walks",
            "one call changes the weights as one step of the optimizer does",
            share=2,
            hint="The weights before and after one call are compared with those of the solution.",
        ),
        Criterion(
            "again",
            "so does the second call, and the third",
            share=2,
            hint="The first step is right and later ones are not. `backward` adds to the gradients that are there.",
        ),
        Criterion(
            "returns",
            "it returns this batch's loss as a plain number",
            hint="Compare the losses above, and the type of what you return. A tensor with its graph keeps the "
            "whole batch in memory.",
        ),
        Criterion(
            "loss_fn",
            "the loss is loss_fn(logits, labels), whatever loss_fn is",
            hint="The function was called with another loss_fn, for numbers as labels.",
        ),
        Criterion(
            "mode",
            "the model is in training mode, even if it was in evaluation mode before",
            hint="The model was in evaluation mode before the call, and its mode during the forward pass was recorded.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def batch(b: int, f: int, k: int) -> dict[str, Any]:
            return {
                "weight": as_single(rng.normal(0, 1, (k, f))),
                "images": as_single(rng.normal(0, 1, (3, b, f))),
                "labels": rng.integers(0, k, (3, b)),
                "rate": round(float(rng.uniform(0.1, 0.5)), 2),
            }

        b, f, k = int(rng.integers(4, 9)), int(rng.integers(3, 7)), int(rng.integers(3, 6))
        yield Case(
            f"{b} images, {k} classes, SGD", criteria=("walks", "again", "returns"), kind="sgd", **batch(b, f, k)
        )
        b, f, k = int(rng.integers(4, 9)), int(rng.integers(3, 7)), int(rng.integers(3, 6))
        yield Case(f"{b} images, AdamW", criteria=("walks", "again"), kind="adamw", **batch(b, f, k))
        b, f, k = int(rng.integers(4, 9)), int(rng.integers(3, 7)), int(rng.integers(3, 6))
        numbers = as_single(rng.normal(0, 1, (3, b, k)))
        yield Case(
            "another loss_fn", criteria=("loss_fn",), kind="sgd", numbers=numbers, pull=round(rng.uniform(1, 3), 2),
            **batch(b, f, k),
        )  # fmt: skip
        b, f, k = int(rng.integers(4, 9)), int(rng.integers(3, 7)), int(rng.integers(3, 6))
        yield Case("a model in eval mode", criteria=("mode",), kind="sgd", resting=1, **batch(b, f, k))

    def probe(self, answer, case):
        import torch

        model = _linear(case["weight"])
        kinds = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW}
        optimizer = kinds[case["kind"]](model.parameters(), lr=case["rate"])
        counts = _count(model.weight, optimizer)
        given = {"loss_fn": _lopsided(case["pull"])} if "numbers" in case else {}
        labels = case["numbers"] if "numbers" in case else case["labels"]
        weights, losses, tied = [], [], []
        for x, y in zip(case["images"], labels, strict=True):
            if "resting" in case:
                model.eval()
            loss = answer(model, tensor(x), tensor(y), optimizer, **given)
            weights.append(model.weight.detach().clone())
            losses.append(_number(loss))
            tied.append(float(getattr(loss, "requires_grad", False)))
        return {
            "weights": torch.stack(weights),
            "losses": np.array(losses),
            "tied": np.array(tied),
            "modes": np.array(model.modes, np.float64),
            "counts": np.array([counts["backward"], counts["step"]], np.float64),
            "left": _size(model.weight.grad),
        }

    def judge(self, case, expected, got):
        walked = np.asarray(got["weights"], np.float64)
        wanted = np.asarray(expected["weights"], np.float64)
        if case.covers("walks"):
            shapes = same_shape("walks", wanted, walked)
            yield _walked("walks", case["weight"], wanted[0], walked[0]) if shapes.ok else shapes
            yield (
                same("again", wanted[1:], walked[1:], 1e-3, what="weights")
                if shapes.ok
                else same_shape("again", wanted, walked)
            )
        if case.covers("returns"):
            yield _returned(expected, got)
        if case.covers("loss_fn"):
            yield same("loss_fn", wanted, walked, 1e-3, what="weights")
        if case.covers("mode"):
            yield _in_training(expected, got, wanted, walked)

    def features(self, case, expected, got):
        return {name: got[name] for name in ("weights", "losses", "tied", "modes", "counts", "left")}

    def picture(self, case, expected, got):
        return step_picture(case["weight"], expected["weights"], None if got is None else got["weights"])


def _linear(weight: np.ndarray) -> Any:
    """A linear classifier that drops each second input while training, and notes in which mode it was called."""
    import torch
    from torch import nn

    from helpers.device import device

    class Known(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.as_tensor(np.array(weight)))
            self.modes: list[float] = []

        def forward(self, x):
            self.modes.append(self.training + 2.0 * torch.is_grad_enabled())
            kept = torch.arange(x.shape[1], device=x.device) % 2 == 0
            return nn.functional.linear(2 * x * kept if self.training else x, self.weight)

    return Known().to(device())


def _count(weight: Any, optimizer: Any) -> dict[str, int]:
    """How often a gradient arrives at the weight, and how often the optimizer steps, from now on."""
    counts = {"backward": 0, "step": 0}
    weight.register_hook(lambda _: counts.update(backward=counts["backward"] + 1))
    optimizer.register_step_post_hook(lambda *_: counts.update(step=counts["step"] + 1))
    return counts


def _size(gradient: Any) -> np.ndarray:
    return np.array([-1.0 if gradient is None else float(gradient.norm())])


def _lopsided(pull: float):
    """A loss in which the two arguments can't be swapped."""

    def loss_fn(scores, wanted):
        return ((scores - wanted) ** 2).mean() + pull * (scores * wanted.detach()).mean() + 0.1 * (scores**3).mean()

    return loss_fn


def _number(value: Any) -> float:
    try:
        return float(value.detach() if hasattr(value, "detach") else value)
    except (TypeError, ValueError):
        return float("nan")


def _walked(criterion: str, start: np.ndarray, wanted: np.ndarray, walked: np.ndarray) -> Finding:
    if np.abs(walked - start).max() < 1e-7:
        return Finding(criterion, False, "after one call the weights are where they were")
    return same(criterion, wanted, walked, 1e-3, what="weights after one call")


def _returned(expected: Any, got: Any) -> Finding:
    found = same("returns", expected["losses"], got["losses"], 1e-3, what="losses")
    tied = np.asarray(got.get("tied", _NONE))
    if found.ok and (tied.shape != expected["tied"].shape or not (tied == 0).all()):
        return Finding("returns", False, "the loss is right, and still tied to its graph")
    if not found.ok and np.isnan(np.asarray(got["losses"], np.float64)).all():
        return Finding("returns", False, "what is returned is no number")
    return found


def _in_training(expected: Any, got: Any, wanted: np.ndarray, walked: np.ndarray) -> Finding:
    modes = np.asarray(got.get("modes", _NONE), np.float64).reshape(-1)
    if not modes.size or not (modes % 2 == 1).all():
        return Finding("mode", False, "it saw the images in eval mode")
    return same("mode", wanted, walked, 1e-3, what="weights")


class EvaluateModel(Question):
    id = "Q9b"
    title = "Accuracy on a test set"
    signature = "evaluate(model, batches) -> accuracy (float, 0 to 1)"
    needs_gradients = True
    criteria = (
        Criterion(
            "accuracy",
            "the number of right answers divided by the number of images",
            share=2,
            hint="In the picture a filled dot is a right answer. The accuracy is their number divided by "
            "the number of all images.",
        ),
        Criterion(
            "uneven",
            "also when the last batch is smaller, and when batches come from a generator",
            hint="With batches of one size it is right. An image in a small batch counts as much as any other, and "
            "a generator has no length and can be read only once.",
            counts_with=("accuracy",),
        ),
        Criterion(
            "eval",
            "the model is in evaluation mode while it answers",
            hint="The mode of the model was recorded at each forward pass.",
            counts_with=("accuracy",),
        ),
        Criterion(
            "no_grad",
            "no graph is kept for gradients",
            hint="Whether autograd records was noted at each forward pass. It should be switched off there.",
            counts_with=("accuracy",),
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        def batches(sizes: list[int], k: int) -> dict[str, Any]:
            n = sum(sizes)
            scores = rng.normal(0, 1, (n, k))
            labels = rng.integers(0, k, n)
            right = np.flatnonzero(rng.random(n) < rng.uniform(0.3, 0.8))
            scores[right, labels[right]] += 4
            return {"scores": as_single(scores - 3), "labels": labels, "sizes": np.array(sizes)}

        b, k = int(rng.integers(8, 14)), int(rng.integers(3, 6))
        yield Case(f"3 batches of {b}, {k} classes", criteria=("accuracy", "eval", "no_grad"), **batches([b] * 3, k))
        k = int(rng.integers(3, 6))
        sizes = [int(rng.integers(12, 18)), int(rng.integers(7, 11)), int(rng.integers(2, 5))]
        yield Case(f"batches of {sizes[0]}, {sizes[1]} and {sizes[2]}", criteria=("uneven",), **batches(sizes, k))

    def probe(self, answer, case):
        model = _oracle()
        model.train()
        parts = np.split(np.arange(len(case["labels"])), np.cumsum(case["sizes"])[:-1])
        batches = ((tensor(case["scores"][part]), tensor(case["labels"][part])) for part in parts)
        found = answer(model, batches if case.covers("uneven") else list(batches))
        return {
            "accuracy": np.array([_number(found)]),
            "modes": np.array(model.modes, np.float64),
            "seen": np.asarray(model.total / max(model.rows, 1)),
        }

    def judge(self, case, expected, got):
        for criterion in ("accuracy", "uneven"):
            yield same(criterion, expected["accuracy"], got["accuracy"], 1e-4, what="accuracies")
        modes = np.asarray(got["modes"], np.float64).reshape(-1)
        ran = same("eval", expected["seen"], got["seen"], 1e-3, what="means of the images it saw")
        for criterion, good, says in (
            ("eval", modes % 2 == 0, "it answered in training mode"),
            ("no_grad", np.isin(modes, (0.0, 1.0)), "gradients were switched on"),
        ):
            if not ran.ok:
                yield Finding(criterion, False, ran.detail)
            else:
                yield Finding(criterion, bool(modes.size and good.all()), says)

    def features(self, case, expected, got):
        return {"accuracy": got["accuracy"], "modes": np.unique(got["modes"])}

    def picture(self, case, expected, got):
        yours = None if got is None else float(np.asarray(got["accuracy"], np.float64).reshape(-1)[:1].sum())
        right = case["scores"].argmax(1) == case["labels"]
        return accuracy_picture(right, case["sizes"], float(expected["accuracy"][0]), yours)


def _oracle() -> Any:
    """A model whose output is its input; in training mode it exchanges rows, so that its answers are worse."""
    import torch
    from torch import nn

    from helpers.device import device

    class Known(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))
            self.modes: list[float] = []
            self.total, self.rows = np.zeros(()), 0  # of every class's scores, whatever the batches

        def forward(self, x):
            self.modes.append(self.training + 2.0 * torch.is_grad_enabled())
            self.total, self.rows = self.total + x.detach().double().sum(0).cpu().numpy(), self.rows + len(x)
            return self.weight * (x.roll(1, 0) if self.training else x)

    return Known().to(device())


QUESTIONS = (TrainStep(), EvaluateModel())
