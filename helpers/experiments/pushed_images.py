"""Four ways to change an image that leave its class as it is, and what they do to a network's accuracy (lesson 00)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import Dataset
from helpers.experiments.small_networks import accuracy
from helpers.plots import curves, figure, show, show_images
from helpers.theme import RIM


def _warped(images: Tensor, matrices: Tensor) -> Tensor:
    grid = F.affine_grid(matrices[:, :2], list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def rotate(images: Tensor, degrees: float | Tensor) -> Tensor:
    """Images (b, c, h, w) rotated around their centres, all by one angle or each by its own (b,)."""
    angle = torch.as_tensor(degrees, device=images.device).expand(len(images)) * math.pi / 180
    cos, sin, o = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _warped(images, torch.stack([cos, sin, o, -sin, cos, o], 1).view(-1, 2, 3))


def scale(images: Tensor, factor: float) -> Tensor:
    """Images enlarged (factor above 1) or reduced around their centres."""
    return _warped(images, (torch.eye(3, device=images.device) / factor).expand(len(images), 3, 3))


def blur(images: Tensor, sigma: float) -> Tensor:
    """Images (b, 3, h, w) blurred by a Gaussian of this many pixels."""
    at = torch.arange(-6.0, 7.0, device=images.device)
    bell = torch.exp(-(at**2) / (2 * max(sigma, 0.1) ** 2))
    kernel = (bell[:, None] * bell / bell.sum() ** 2).expand(3, 1, 13, 13)
    return F.conv2d(F.pad(images, (6, 6, 6, 6), mode="replicate"), kernel, groups=3)


def cover(images: Tensor, side: int) -> Tensor:
    """Images with a grey square of this side at a random place."""
    covered, place = images.clone(), torch.Generator().manual_seed(0)
    for image in covered:
        y, x = torch.randint(0, 32 - side + 1, (2,), generator=place).tolist()
        image[:, y : y + side, x : x + side] = 0.5
    return covered


Change = Callable[[Tensor, Any], Tensor]  # images and a strength -> images
CHANGES: dict[str, tuple[Change, list[Any]]] = {
    "rotation, degrees": (rotate, [0.0, 15.0, 30.0, 45.0, 60.0]),
    "blur, pixels": (blur, [0.0, 0.5, 1.0, 1.5, 2.0]),
    "grey square, pixels": (cover, [0, 4, 8, 12, 16]),
    "size, factor": (scale, [0.5, 0.7, 1.0, 1.4, 2.0]),
}


def show_changes(image: Tensor) -> None:
    """Draw one image (3, h, w) under every change and strength."""
    shown = [change(image[None], strength)[0] for change, strengths in CHANGES.values() for strength in strengths]
    titles = [f"{name.split(',')[0]} {s:g}" for name, (_, strengths) in CHANGES.items() for s in strengths]
    show_images(shown, titles=titles, columns=5, alt="One picture under four changes, five strengths each.")


def accuracy_by_strength(model: nn.Module, test: Dataset, name: str, count: int = 300) -> list[float]:
    """Accuracy in percent of a model on the first `count` images under one change, one number per strength."""
    change, strengths = CHANGES[name]
    return [accuracy(model, change(test.images[:count], s), test.labels[:count]) for s in strengths]


def under_all(models: Sequence[nn.Module], test: Dataset) -> dict[str, Tensor]:
    """By change: accuracies in percent (models, strengths)."""
    return {name: torch.tensor([accuracy_by_strength(model, test, name) for model in models]) for name in CHANGES}


def draw_changes(measured: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Draw accuracy against strength, a panel per change and a line per kind of network.

    Args:
        measured: by kind of network, what `under_all` returned; bands reach from the worst to the best model.
    """
    fig, axes = figure(4.4, rows=2, columns=2)
    for ax, (name, (_, strengths)) in zip(axes.flat, CHANGES.items(), strict=True):
        means = {kind: runs[name].mean(0) for kind, runs in measured.items()}
        bands = {kind: (runs[name].amin(0), runs[name].amax(0)) for kind, runs in measured.items()}
        ax.set_ylim(0, 103)
        ax.axhline(10, color=RIM, linewidth=1, linestyle=":")
        curves(strengths, means, xlabel=name, ylabel="test accuracy, %", bands=bands, ax=ax, height=2.2)
    alt = f"Accuracy of {', '.join(measured)} under growing rotation, blur, grey square and size: all fall."
    show(fig, alt=alt)
