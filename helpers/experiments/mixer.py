"""Lesson 11's comparison of a Mixer with a ViT on the 8 x 8 digits: models, training, what a token depends on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import mean, stdev

import torch
from einops import rearrange
from torch import Tensor, nn

from helpers.data import Dataset
from helpers.training import evaluate, fit


def parameters_of(module: nn.Module) -> int:
    """How many numbers the module can learn."""
    return sum(p.numel() for p in module.parameters())


def warm_up_and_cosine(step: int, total: int) -> float:
    """Factor of the learning rate: a linear rise over 10 % of the steps, then a cosine down to 0."""
    warm = 0.1 * total
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (total - warm))


class Classifier(nn.Module):
    """Digits (b, 1, 8, 8) -> logits (b, 10): 16 patches of 2 x 2, blocks, a norm, the mean over tokens, a linear layer.

    Args:
        blocks: modules (b, 16, emb_size) -> the same.
        positions: whether a learned position embedding is added.
    """

    def __init__(self, blocks: Sequence[nn.Module], emb_size: int, positions: bool) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, emb_size, 2, stride=2)
        self.positions = nn.Parameter(0.3 * torch.randn(16, emb_size)) if positions else 0.0
        self.blocks = nn.Sequential(*blocks)
        self.norm, self.head = nn.LayerNorm(emb_size), nn.Linear(emb_size, 10)

    def tokens(self, images: Tensor) -> Tensor:
        """(b, 1, 8, 8) -> (b, 16, emb_size)."""
        return self.patches(images).flatten(2).permute(0, 2, 1) + self.positions

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.tokens(images))).mean(1))


def train_classifier(make: Callable[[], nn.Module], seed: int, train: Dataset, test: Dataset, epochs: int) -> nn.Module:
    """A model made and trained with this seed."""
    torch.manual_seed(seed)
    model = make()
    fit(model, train, test, epochs=epochs, batch_size=64, lr=6e-3, weight_decay=0.01, schedule=warm_up_and_cosine,
        seed=seed, progress=False)  # fmt: skip
    return model


def percent(model: nn.Module, data: Dataset) -> float:
    """Accuracy in percent."""
    return 100 * evaluate(model, data).accuracy


def train_classifiers(
    makers: dict[str, Callable[[], nn.Module]], train: Dataset, test: Dataset, *, epochs: int, seeds: int = 3
) -> tuple[dict[str, nn.Module], dict[str, list[float]]]:
    """The last model of each kind, and test accuracies in percent, one per seed; prints a line per kind."""
    models: dict[str, nn.Module] = {}
    found: dict[str, list[float]] = {}
    for name, make in makers.items():
        start, found[name] = time.process_time(), []
        for seed in range(seeds):
            models[name] = train_classifier(make, seed, train, test, epochs)
            found[name].append(percent(models[name], test))
        seconds = (time.process_time() - start) / seeds
        values = found[name]
        print(f"{name:<21} {parameters_of(models[name]):,} parameters: {mean(values):.1f} ± {stdev(values):.1f} % "
              f"({seeds} seeds, {seconds:.1f} s of processor time each)")  # fmt: skip
    return models, found


@torch.no_grad()
def dependence(model: Classifier, image: Tensor, draws: int = 16) -> Tensor:
    """How much the output of the first block at each token (row) changes when each other token (column) is changed.

    Returns:
        (n, n), rows add up to 1, the diagonal is 0; for one image (1, 8, 8).
    """
    torch.manual_seed(0)
    x = model.tokens(image[None])  # 1 n d
    n = x.shape[1]
    changes = torch.zeros(n, n)
    each = torch.arange(n)
    for _ in range(draws):
        moved = x.repeat(n, 1, 1)
        moved[each, each] += 0.03 * torch.randn_like(x[0])  # in copy k, token k
        changes += (model.blocks[0](moved) - model.blocks[0](x)).norm(dim=-1).mT.cpu()
    changes.fill_diagonal_(0)
    return changes / changes.sum(-1, keepdim=True)


def shuffled(data: Dataset, seed: int = 0) -> Dataset:
    """The 16 patches of each image in another order, the same for all images."""
    order = torch.randperm(16, generator=torch.Generator().manual_seed(seed))
    pieces = rearrange(data.images, "b c (r p) (s q) -> b (r s) c p q", p=2, q=2)[:, order]
    return replace(data, images=rearrange(pieces, "b (r s) c p q -> b c (r p) (s q)", r=4))
