"""Lesson 11's small diffusion transformer: the model around the student's block, training, sampling, measurements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from helpers.data import Dataset
from helpers.experiments.mixer import warm_up_and_cosine

ANY = 10  # the class number that stands for "any digit"


class DiT(nn.Module):
    """Noisy digits (b, 1, 8, 8), times (b,) and classes (b,) -> the direction from digit to noise, (b, 1, 8, 8).

    Args:
        block: called as `block(d, heads, expansion)`; its forward takes tokens (b, n, d) and a condition (b, d).
    """

    def __init__(self, block: Callable[..., nn.Module], d: int = 48, depth: int = 3, heads: int = 4) -> None:
        super().__init__()
        self.pixels, self.positions = nn.Linear(4, d), nn.Parameter(0.3 * torch.randn(16, d))
        self.label = nn.Embedding(11, d)
        self.time = nn.Sequential(nn.Linear(16, d), nn.SiLU(), nn.Linear(d, d))
        self.blocks = nn.ModuleList([block(d, heads, 3) for _ in range(depth)])
        self.norm, self.out = nn.LayerNorm(d), nn.Linear(d, 4)
        nn.init.zeros_(self.out.weight)

    def forward(self, images: Tensor, t: Tensor, classes: Tensor) -> Tensor:
        waves = t[:, None] * math.pi * torch.arange(1, 9, device=t.device)
        condition = self.time(torch.cat([waves.sin(), waves.cos()], -1)) + self.label(classes)
        x = self.pixels(rearrange(images, "b 1 (r p) (s q) -> b (r s) (p q)", p=2, q=2)) + self.positions
        for block in self.blocks:
            x = block(x, condition)
        return rearrange(self.out(self.norm(x)), "b (r s) (p q) -> b 1 (r p) (s q)", r=4, p=2)


@torch.no_grad()
def sample(
    model: DiT, classes: Tensor, noise: Tensor, place: Any, steps: int = 16, guidance: float = 1.0
) -> Tensor:  # fmt: skip
    """From noise (b, 1, 8, 8) to images in equal steps; all intermediate results, (steps + 1, b, 1, 8, 8).

    Args:
        guidance: how far to follow the difference between the direction for the class and for any digit; 1 for none.
    """
    x, classes = noise.to(place), classes.to(place)
    stations, times = [x], torch.linspace(1, 0, steps + 1)
    for now, then in pairwise(times):
        t = now.expand(len(x)).to(place)
        direction = model(x, t, classes)
        if guidance != 1:
            unconditional = model(x, t, torch.full_like(classes, ANY))
            direction = unconditional + guidance * (direction - unconditional)
        x = x + (then - now) * direction
        stations.append(x)
    return torch.stack(stations).cpu()


def train_dit(
    model: DiT, digits: Tensor, labels: Tensor, steps: int, place: Any, *, batch: int = 64, lr: float = 4e-3,
    film: Sequence[int] = (),
) -> tuple[list[float], list[tuple[str, Tensor]]]:  # fmt: skip
    """Train in place on digits (n, 1, 8, 8) from -1 to 1; losses, and samples of the ten classes at steps of `film`.

    In one of ten images the class is replaced by `ANY`, so that the model also learns the direction without a class.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    images, labels = digits.to(place), labels.to(place)
    torch.manual_seed(0)
    losses: list[float] = []
    shots: list[tuple[str, Tensor]] = []
    start = torch.randn(10, 1, 8, 8)
    for step in range(steps + 1):
        if step in film:
            shots.append((f"{step} steps", sample(model, torch.arange(10), start, place)[-1]))
            print(f"step {step} of {steps}" + (f": loss {np.mean(losses[-20:]):.3f}" if losses else ""))
        optimizer.param_groups[0]["lr"] = lr * warm_up_and_cosine(step, steps + 1)
        pick = torch.randint(len(images), (batch,), device=place)
        hidden = torch.rand(batch, device=place) < 0.1
        classes = torch.where(hidden, ANY, labels[pick])
        t, noise = torch.randn(batch, device=place).sigmoid(), torch.randn(batch, 1, 8, 8, device=place)
        s = t[:, None, None, None]
        direction = model((1 - s) * images[pick] + s * noise, t, classes)
        loss = F.mse_loss(direction, noise - images[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, shots


class DigitJudge:
    """A support vector classifier trained on the real digits: which samples it recognises, and how varied they are."""

    def __init__(self, train: Dataset, test: Dataset) -> None:
        from sklearn.svm import SVC

        self._svc = SVC().fit(train.images.flatten(1), train.labels)
        self.train = train.images.flatten(1)
        self.wanted = torch.arange(10).repeat(10)  # the classes of 100 samples
        self.real = 100 * float(self._svc.score(test.images.flatten(1), test.labels))
        first = [test.images[test.labels == k][:10].flatten(1) for k in range(10)]
        self.of_test = torch.stack(first, 1).flatten(0, 1)  # 100 real test digits, in the order of `wanted`

    @staticmethod
    def rows(samples: Tensor) -> Tensor:
        """(n, 1, 8, 8) from -1 to 1 -> (n, 64) from 0 to 1."""
        return ((samples + 1) / 2).clamp(0, 1).flatten(1)

    def recognised(self, samples: Tensor) -> float:
        """Percentage of 100 samples in which the classifier sees the class that was asked for."""
        return 100 * float((self._svc.predict(self.rows(samples)) == self.wanted.numpy()).mean())

    def variety(self, rows: Tensor) -> float:
        """Mean distance of 100 images (100, 64) from the mean of their class."""
        groups = [rows[self.wanted == k] for k in range(10)]
        return float(np.mean([(group - group.mean(0)).norm(dim=-1).mean() for group in groups]))

    def nearest(self, rows: Tensor) -> Any:
        """Distance to the nearest training image, and its number."""
        return torch.cdist(rows, self.train).min(-1)


@torch.no_grad()
def halfway(model: DiT, make: Callable[[], DiT], one: int, other: int, share: float) -> DiT:
    """A copy of the model in which class 0 is `share` of class `one` and the rest of class `other`."""
    mixed = make().to(model.positions.device)
    mixed.load_state_dict(model.state_dict())
    weights = mixed.label.weight
    weights[0] = share * weights[one] + (1 - share) * weights[other]
    return mixed
