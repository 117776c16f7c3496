"""Lesson 01's measurements: memory of attention maps, speed of cutting, shifted grids, classifiers of patches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import load
from helpers.plots import bars, curves, figure, show

GiB, MiB, KiB = 2**30, 2**20, 2**10

Cut = Callable[[Tensor, int], Tensor]  # (b, c, h, w), patch side -> (b, n, c, p, p)


def attention_bytes(tokens: int, layers: int = 48, heads: int = 16) -> int:
    """Bytes of all attention maps of one image in float32: one (tokens, tokens) map for each head of each layer."""
    return tokens**2 * layers * heads * 4


def memory_table() -> None:
    """Print tokens, entries of one map, bytes of one map and of all maps, for pixels and for patches."""
    rows = [("128 x 128, pixels", 128 * 128), ("224 x 224, pixels", 224 * 224)]
    rows += [(f"224 x 224, patches of {p} x {p}", (224 // p) ** 2) for p in (16, 14, 4)]
    print(f"{'image and tokens':32} {'tokens':>7} {'entries of one map':>19} {'one map':>12} {'48 x 16 maps':>13}")
    for name, n in rows:
        print(f"{name:32} {n:>7,} {n * n:>19,} {_size(4 * n * n):>12} {_size(attention_bytes(n)):>13}")


def _size(count: int) -> str:
    for unit, name in ((GiB, "GiB"), (MiB, "MiB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count / KiB:,.0f} KiB"


def memory_chart() -> None:
    """Draw the memory of all attention maps against the image side, one line per patch side, both axes logarithmic."""
    sides = torch.tensor([32, 64, 128, 256, 512])
    memory = {f"p = {p}": [attention_bytes((int(s) // p) ** 2) / GiB for s in sides] for p in (1, 4, 16)}
    fig, ax = figure(2.9)
    curves(sides, memory, xlabel="side of the image, pixels", ylabel="attention maps, GiB", logx=True, logy=True, ax=ax)
    ax.set_xticks(sides.tolist(), sides.tolist(), minor=False)
    ax.minorticks_off()
    show(fig, alt="Memory against image side, on log scales: parallel straight lines for p = 1, 4 and 16.")


def compare_speed(ways: dict[str, Callable[[], object]], runs: int = 20) -> dict[str, float]:
    """Best time of `runs` calls of each way in milliseconds, drawn as bars and returned. Noise only adds time."""
    found = {}
    for name, call in ways.items():
        seconds = []
        for _ in range(runs):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        found[name] = 1000 * min(seconds)
    bars(found, xlabel="milliseconds for 64 images of 32 x 32, best of 20", form="{:.2g}")
    return found


def share_of_known_patches(cut: Cut, image: Tensor, p: int, shift: int) -> float:
    """Share of the patches of `image`, rolled by `shift` pixels to the right, that occur unchanged in `image`."""
    before = cut(image[None], p).flatten(2)[0]  # n d
    after = cut(image.roll(shift, dims=2)[None], p).flatten(2)[0]
    same = (after[:, None] == before[None]).all(-1).any(1)  # n
    return same.float().mean().item()


def digit_accuracy(features: Callable[[Tensor], Tensor]) -> float:
    """Test accuracy of a linear classifier on the digits, fitted in closed form (ridge regression) on `features`.

    Args:
        features: images (b, 1, 8, 8) -> (b, any width).
    """
    train, test = load("digits"), load("digits", "test")
    x, y = (F.pad(features(s.images).double(), (0, 1), value=1.0) for s in (train, test))  # a one for the bias
    targets = F.one_hot(train.labels, 10).double()
    weights = torch.linalg.solve(x.T @ x + 0.01 * torch.eye(x.shape[1]).double(), x.T @ targets)
    return ((y @ weights).argmax(1) == test.labels).double().mean().item()


def cnn_accuracy(seeds: Sequence[int] = (0, 1, 2), epochs: int = 8) -> list[float]:
    """Test accuracy on the digits of a small CNN (two convolutions, one linear layer), once per seed."""
    train, test = load("digits"), load("digits", "test")
    found = []
    for seed in seeds:
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
        optimiser = torch.optim.Adam(cnn.parameters(), lr=5e-3)
        for epoch in range(epochs):
            for x, y in train.batches(128, shuffle=True, seed=100 * seed + epoch):
                optimiser.zero_grad()
                F.cross_entropy(cnn(x), y).backward()
                optimiser.step()
        with torch.no_grad():
            found.append((cnn(test.images).argmax(1) == test.labels).float().mean().item())
    return found
