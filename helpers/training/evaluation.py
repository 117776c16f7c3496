"""How good a model is on a set of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import Dataset


@dataclass(frozen=True)
class Evaluation:
    """What a model said about n images.

    Attributes:
        accuracy: share of right answers, 0..1.
        loss: mean cross-entropy.
        predictions: (n,) int64, the likeliest class of each image.
        probabilities: (n, classes).
        labels: (n,) int64, the truth.
    """

    accuracy: float
    loss: float
    predictions: Tensor = field(repr=False)
    probabilities: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)

    def confusion(self) -> Tensor:
        """(classes, classes) counts: row = truth, column = answer."""
        classes = self.probabilities.shape[1]
        return torch.bincount(self.labels * classes + self.predictions, minlength=classes**2).view(classes, classes)


@contextmanager
def at_rest(model: nn.Module) -> Iterator[None]:
    """Without dropout and without gradients; each module's own mode is as before afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.train(False)
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(model: nn.Module, data: Dataset, batch_size: int = 256) -> Evaluation:
    """Ask a model for every image of a set, in eval mode, where its parameters are.

    Raises:
        ValueError: the set is empty, or the model's output is not (batch, classes).
    """
    if not len(data):
        raise ValueError(f"There is nothing to evaluate: {data.name} holds no images.")
    place = place_of(model)
    with at_rest(model):
        logits = torch.cat([logits_of(model, images.to(place)).float().cpu() for images, _ in data.batches(batch_size)])
    labels = data.labels.cpu()
    predictions = logits.argmax(dim=1)
    return Evaluation(
        accuracy=(predictions == labels).double().mean().item(),
        loss=F.cross_entropy(logits, labels).item(),
        predictions=predictions,
        probabilities=logits.softmax(dim=1),
        labels=labels,
    )


def logits_of(model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The model's output, which must be (batch, classes).

    Raises:
        ValueError: it is not; the message names its shape.
    """
    logits = model(images)
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(images):
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(
            f"For {len(images)} images the model gave {found}; training needs logits of shape ({len(images)}, classes)."
        )
    return logits


def place_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are; the CPU for one without any."""
    return next((p.device for p in model.parameters()), torch.device("cpu"))
