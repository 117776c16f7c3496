"""Lesson 02's measurements: attention without positions, noise, and a digit reader with five encodings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from helpers.data import load


def patches_of(images: Tensor, p: int) -> Tensor:
    """(..., c, h, w) -> (..., n, c * p * p): flattened patches in reading order (lesson 01)."""
    windows = images.unfold(-2, p, p).unfold(-2, p, p)  # ... c rows columns p p
    return windows.movedim(-5, -3).flatten(-3).flatten(-3, -2)  # ... n d


def picture_of(tokens: Tensor, side: int) -> Tensor:
    """(n, 3 * p * p) -> (3, side * p, side * p): the inverse of `patches_of` for a square grid of `side` patches."""
    p = round((tokens.shape[1] / 3) ** 0.5)
    return rearrange(tokens, "(rows columns) (c ph pw) -> c (rows ph) (columns pw)", rows=side, c=3, ph=p)


def attention_and_mean(tokens: Tensor) -> Tensor:
    """(n, d) -> (d,): attention among all tokens without weights (lesson 05), then the mean over tokens."""
    t = tokens[None]  # 1 n d
    return F.scaled_dot_product_attention(t, t, t).mean(1)[0]


def shuffled(moved: int, count: int = 16, seed: int = 2) -> Tensor:
    """(count,) An order in which `moved` tokens have exchanged their places in a circle and the others stay."""
    order = torch.arange(count)
    places = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:moved]
    order[places] = places.roll(1)
    return order


def share_read_back(P: Tensor, noise: float, draws: int = 20) -> float:
    """Share of positions, in percent, whose noisy row of `P` (n, d) is still nearest to its own row.

    Args:
        noise: standard deviation of the normal noise that is added to every number.
    """
    noisy = P.repeat(draws, 1) + noise * torch.randn(draws * len(P), P.shape[1])
    found = torch.cdist(noisy, P).argmin(1) == torch.arange(len(P)).repeat(draws)
    return 100 * found.float().mean().item()


class Reader(nn.Module):
    """One encoder block (lesson 06) over 16 patches of 2 x 2 of a digit, then the mean and a linear layer.

    Args:
        encoding: (16, 32) added to the embedded patches.
        learn: train the encoding with the other weights.
    """

    def __init__(self, encoding: Tensor, learn: bool = False) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(4, 32), nn.Linear(32, 10)
        self.encoding = nn.Parameter(encoding.clone(), requires_grad=learn)  # n d
        self.block = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True, norm_first=True)

    def forward(self, images: Tensor) -> Tensor:
        """(b, 1, 8, 8) -> logits (b, 10)."""
        x = self.embed(patches_of(images, 2)) + self.encoding  # b n d
        return self.head(self.block(x).mean(1))


def trained_accuracy(model: nn.Module, seed: int, epochs: int = 8) -> float:
    """Test accuracy on the digits in percent after training `model` in place with Adam (5e-3, batches of 64)."""
    digits, unseen = load("digits"), load("digits", "test")
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(epochs):
        for x, y in digits.batches(64, shuffle=True, seed=100 * seed + epoch):
            optimiser.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimiser.step()
    with torch.no_grad():
        return 100 * (model(unseen.images).argmax(1) == unseen.labels).float().mean().item()


def compare_encodings(
    encodings: Mapping[str, Tensor | None], seeds: int = 3, tell: Callable[[str], object] = print
) -> tuple[dict[str, list[float]], Reader]:
    """Train a `Reader` per encoding and seed; None is a learned one that starts near zero.

    Returns:
        accuracies in percent by name, one per seed; and the last learned reader.
    """
    scores: dict[str, list[float]] = {name: [] for name in encodings}
    learned = None
    for seed in range(seeds):
        for name, encoding in encodings.items():
            torch.manual_seed(seed)
            start = 0.02 * torch.randn(16, 32) if encoding is None else encoding
            reader = Reader(start, learn=encoding is None)
            scores[name].append(trained_accuracy(reader, seed))
            learned = reader if encoding is None else learned
        tell(f"seed {seed}: " + ", ".join(f"{name} {values[-1]:.1f} %" for name, values in scores.items()))
    assert learned is not None
    return scores, learned


def small_cnn_scores(seeds: int = 3) -> list[float]:
    """Accuracies in percent of a small CNN under the same training, one per seed."""
    found = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        cnn = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, 10),
        )
        found.append(trained_accuracy(cnn, seed))
    return found


def mean_and_spread(scores: Mapping[str, list[float]]) -> tuple[dict[str, float], dict[str, float]]:
    """Mean and sample standard deviation by name."""
    means = {name: float(np.mean(s)) for name, s in scores.items()}
    return means, {name: float(np.std(s, ddof=1)) if len(s) > 1 else 0.0 for name, s in scores.items()}
