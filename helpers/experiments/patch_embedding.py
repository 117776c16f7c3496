"""Lesson 03's measurements: reading a linear map from outside, lossy embeddings, a bag of tokens, timings."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import load
from helpers.device import device


def read_matrix(embedding: Callable[[Tensor], Tensor], c: int = 3, p: int = 8, size: int = 32) -> tuple[Tensor, Tensor]:
    """The matrix E (k, d), rows in the order (c, y, x), and the bias b (d,) of a patch embedding, from its outputs.

    A linear map is known once its outputs for an empty image and for images with a single bright pixel are known.
    """
    images = torch.zeros(1 + c * p * p, c, size, size)  # image 0 is empty
    images[1:, :, :p, :p] = torch.eye(c * p * p).reshape(-1, c, p, p)  # each other has one bright pixel
    with torch.no_grad():
        outputs = embedding(images)[:, 0].float()  # (1 + k) d
    return outputs[1:] - outputs[0], outputs[0]


def cosines(rows: Tensor) -> Tensor:
    """(n, d) -> (n, n): cosine similarities of rows after their mean has been subtracted."""
    rows = F.normalize(rows - rows.mean(0), dim=-1)
    return rows @ rows.T


def flattened_patches(images: Tensor, p: int = 8) -> Tensor:
    """(b, c, h, w) -> (b * n, k)."""
    return F.unfold(images, p, stride=p).transpose(1, 2).flatten(0, 1)


def joined(rows: Tensor, p: int = 8, size: int = 32) -> Tensor:
    """(n, k) -> (c, size, size), values clamped to 0..1."""
    return F.fold(rows.T[None], size, p, stride=p)[0].clamp(0, 1)


def best_directions(images: Tensor, p: int = 8) -> Tensor:
    """(k, k): orthonormal rows, the directions along which the patches have most energy first (SVD)."""
    best = torch.linalg.svd(flattened_patches(images, p), full_matrices=False).Vh
    return best * best.sum(1, keepdim=True).sign()  # the sign is free: choose mostly positive


def share_lost(rows: Tensor, basis: Tensor) -> float:
    """Share of the energy (sum of squares) of `rows` (n, k) outside the span of the orthonormal columns of `basis`."""
    return float((rows - rows @ basis @ basis.T).square().sum() / rows.square().sum())


class BagOfTokens(nn.Module):
    """Embedding, GELU, mean over tokens, one linear layer: no positions and no attention."""

    def __init__(self, embedding: nn.Module, emb_size: int = 64, classes: int = 10) -> None:
        super().__init__()
        self.embedding, self.head = embedding, nn.Linear(emb_size, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> logits (b, classes)."""
        return self.head(F.gelu(self.embedding(x)).mean(dim=1))


def small_cnn() -> nn.Sequential:
    """A CNN with about as many parameters as `BagOfTokens`."""
    sizes = [(3, 16), (16, 24), (24, 40)]
    stages = [layer for i, o in sizes for layer in (nn.Conv2d(i, o, 3, stride=2, padding=1), nn.ReLU())]
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 10))


def accuracy(model: nn.Module) -> float:
    """Share of the 500 test drawings that are classified correctly."""
    test = load("shapes", "test").to(device())
    with torch.no_grad():
        return float((model(test.images - 0.5).argmax(-1) == test.labels).float().mean())


def train(model: nn.Module, epochs: int = 8, seed: int = 0) -> float:
    """Train `model` in place on the drawings with AdamW; its test accuracy."""
    shapes = load("shapes").to(device())
    model.to(device())
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    for epoch in range(epochs):
        for x, y in shapes.batches(64, shuffle=True, seed=100 * seed + epoch):
            optimiser.zero_grad()
            F.cross_entropy(model(x - 0.5), y).backward()
            optimiser.step()
    return accuracy(model)


def median_milliseconds(ways: Mapping[str, Callable[[Tensor], object]], x: Tensor, runs: int = 21) -> dict[str, float]:
    """Median time of each way on `x`, in turns so that all see the same load."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    with torch.no_grad():
        for _ in range(runs):
            for name, way in ways.items():
                start = time.perf_counter()
                way(x)
                seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * sorted(taken)[runs // 2] for name, taken in seconds.items()}
