"""Tests what an attention map is worth: cover the patches that it calls important, and measure the accuracy (07)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from helpers.data import Dataset
from helpers.training import evaluate


def covered(images: Tensor, order: Tensor, grid: tuple[int, int], patch: int, count: int = 4) -> Tensor:
    """The images (b, c, h, w) with the first `count` patches of each row of `order` (b, n) set to 0."""
    hidden = torch.zeros(len(images), grid[0] * grid[1], device=images.device)
    hidden.scatter_(1, order[:, :count].to(images.device), 1.0)
    mask = hidden.reshape(-1, 1, *grid).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return images * (1 - mask)


def covering_test(
    model: nn.Module, data: Dataset, maps: Mapping[str, Tensor], grid: tuple[int, int], patch: int, count: int = 4
) -> dict[str, float]:
    """Accuracies in percent with the `count` most and least important patches covered, for each map (b, n), with
    random ones (mean of five draws), and with none."""

    def accuracy(order: Tensor) -> float:
        return 100 * evaluate(model, replace(data, images=covered(data.images, order, grid, patch, count))).accuracy

    found = {"nothing covered": 100 * evaluate(model, data).accuracy}
    for name, values in maps.items():
        found[f"{count} most important, {name}"] = accuracy(values.argsort(1, descending=True))
        found[f"{count} least important, {name}"] = accuracy(values.argsort(1))
    torch.manual_seed(0)
    draws = torch.rand(5, len(data.images), grid[0] * grid[1]).argsort(-1)
    found[f"{count} random ones (mean of five)"] = sum(accuracy(order) for order in draws) / 5
    return found
