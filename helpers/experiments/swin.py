"""Lesson 09's measurements around the student's parts: cost of attention, what can be reached, small models trained."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import mean, stdev
from typing import Any

import torch
import torch.nn.functional as F
from einops.layers.torch import Rearrange
from torch import Tensor, nn

from helpers.data import Dataset
from helpers.training import fit


def bare_attention(x: Tensor) -> Tensor:
    """(..., n, d) -> the same: one head without any weights, in which queries, keys and values are x itself."""
    return F.softmax(x @ x.mT / math.sqrt(x.shape[-1]), dim=-1) @ x


def milliseconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Processor time of the fastest of several calls; it does not count while other programs have the processor."""

    def once() -> float:
        start = time.process_time()
        work()
        return 1000 * (time.process_time() - start)

    return min(once() for _ in range(repeats))


def time_attention(partition: Callable[[Tensor, int], Tensor], sides: Iterable[int]) -> dict[str, list[float]]:
    """Milliseconds of bare attention on grids of side x side tokens of width 32: over all, and in windows of 8."""

    def in_windows(x: Tensor) -> Tensor:
        return bare_attention(partition(x, 8).flatten(1, 2))

    spent: dict[str, list[float]] = {"all tokens": [], "windows of 8": []}
    for side in sides:
        x = torch.randn(1, side, side, 32)
        spent["all tokens"].append(milliseconds(partial(bare_attention, x.flatten(1, 2))))
        spent["windows of 8"].append(milliseconds(partial(in_windows, x)))
    return spent


def power_of_growth(sizes: Iterable[float], times: Iterable[float]) -> float:
    """The exponent p of times ~ sizes^p: the slope of the last four points on logarithmic axes."""
    x, y = (torch.tensor(list(values)[-4:]).log() for values in (sizes, times))
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / (x * x).sum())


@dataclass(frozen=True)
class Parts:
    """The student's functions of Q15, Q15b, Q16a and Q16; the last two may be None where nothing is shifted."""

    partition: Callable[[Tensor, int], Tensor]
    reverse: Callable[[Tensor, int, int, int], Tensor]
    shift: Callable[[Tensor, int], Tensor] | None = None
    mask: Callable[[int, int, int, int], Tensor] | None = None

    def reach(self, known: Tensor, window_size: int, shift: int = 0, masked: bool = True) -> Tensor:
        """Which tokens depend on a token after one more block: (1, H, W, 1) of zeros and ones -> the same."""
        _, height, width, _ = known.shape
        size = window_size
        if shift and self.shift:
            known = self.shift(known, shift)
        tokens = self.partition(known, size).flatten(1)[..., None]  # windows M*M 1
        allowed = torch.ones(len(tokens), size * size, size * size)
        if shift and masked and self.mask:
            allowed = (self.mask(height, width, size, shift) > -1).float()
        reached = ((allowed @ tokens) > 0).float().view(-1, size, size, 1)
        known = self.reverse(reached, size, height, width)
        return self.shift(known, -shift) if shift and self.shift else known

    def reach_by_block(
        self, blocks: int, *, masked: bool = True, shifted: bool = True, token: tuple[int, int] = (1, 6)
    ) -> list[tuple[Tensor, int]]:
        """For each block the grid (16, 16) of what depends on the token, and the block's shift (windows of 4)."""
        known, found = one_token(token, 16), []
        for block in range(blocks):
            shift = 2 if shifted and block % 2 else 0
            known = self.reach(known, 4, shift, masked)
            found.append((known[0, ..., 0], shift))
        return found

    def reach_in_swin_t(self, merging: bool = True) -> list[float]:
        """Share of the image in percent that depends on the corner token, after each of Swin-T's 12 blocks."""
        known, shares = one_token((0, 0), 56), []
        for stage, depth in enumerate((2, 2, 6, 2)):
            if stage and merging:
                known = F.max_pool2d(known.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
            for block in range(depth):
                known = self.reach(known, 7, 3 if block % 2 and known.shape[1] > 7 else 0)
                shares.append(100 * known.mean().item())
        return shares


def one_token(token: tuple[int, int], side: int) -> Tensor:
    """(1, side, side, 1): 1 at the token's row and column, 0 elsewhere."""
    known = torch.zeros(1, side, side, 1)
    known[0, token[0], token[1]] = 1
    return known


class Swin(nn.Module):
    """Images (b, 3, h, w) -> logits (b, classes), from the student's block and merging; names are torchvision's.

    Args:
        block: called as `block(dim, num_heads, window_size, shift)`.
        merging: called as `merging(dim)`.
    """

    def __init__(
        self, block: Callable[..., nn.Module], merging: Callable[[int], nn.Module], dim: int = 96,
        depths: tuple[int, ...] = (2, 2, 6, 2), heads: tuple[int, ...] = (3, 6, 12, 24), window_size: int = 7,
        classes: int = 1000,
    ):  # fmt: skip
        super().__init__()
        embed = nn.Conv2d(3, dim, 4, 4)  # patches of 4 x 4 pixels
        layers = [nn.Sequential(embed, Rearrange("b c h w -> b h w c"), nn.LayerNorm(dim))]
        for stage, (depth, h) in enumerate(zip(depths, heads, strict=True)):
            if stage:
                layers.append(merging(dim))  # type: ignore[arg-type]
                dim *= 2
            shifts = [window_size // 2 if number % 2 else 0 for number in range(depth)]
            layers.append(nn.Sequential(*[block(dim, h, window_size, shift) for shift in shifts]))
        self.features = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.norm(self.features(images)).mean((1, 2)))


def parameters_of(module: nn.Module) -> int:
    """How many numbers the module can learn."""
    return sum(p.numel() for p in module.parameters())


def small_models(block: Callable[..., nn.Module], merging: Callable[[int], nn.Module]) -> dict[str, Callable]:
    """Makers of three models for `shapes` with about 36,000 parameters each.

    "Swin" has two stages and windows of 4; "ViT" is the same blocks with one window over all 8 x 8 tokens and no
    merging, so an isotropic ViT with a relative position bias; "CNN" has three convolutions of stride 2.
    """
    return {
        "Swin": lambda: Swin(block, merging, 16, (2, 2), (2, 4), 4, 10),
        "ViT": lambda: Swin(block, merging, 36, (2,), (3,), 8, 10),
        "CNN": small_cnn,
    }


def small_cnn() -> nn.Sequential:
    """Three convolutions of stride 2 with batch norm, and a linear layer: (b, 3, 32, 32) -> (b, 10)."""
    layers: list[nn.Module] = []
    for into, out in ((3, 24), (24, 48), (48, 44)):
        layers += [nn.Conv2d(into, out, 3, stride=2, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(44 * 16, 10))


def warm_up_and_cosine(step: int, total: int) -> float:
    """Factor of the learning rate: a linear rise over 15 % of the steps, then a cosine down to 0."""
    warm = 0.15 * total
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (total - warm))


def train_small(
    make: Callable[[], nn.Module], train: Dataset, test: Dataset, *, seed: int, epochs: int
) -> tuple[float, float]:
    """(test accuracy in percent after the last epoch, seconds of processor time)."""
    start = time.process_time()
    torch.manual_seed(seed)
    history = fit(make(), train, test, epochs=epochs, batch_size=32, lr=4e-3, weight_decay=0.01,
                  schedule=warm_up_and_cosine, seed=seed, progress=False)  # fmt: skip
    return 100 * history.test_accuracy[-1], time.process_time() - start


def train_three(
    makers: Mapping[str, Callable[[], nn.Module]], train: Dataset, test: Dataset, *, seeds: int = 3, epochs: int = 2
) -> dict[str, list[float]]:
    """Test accuracies in percent by model, one per seed; prints a line per seed and model as it goes."""
    found: dict[str, list[float]] = {name: [] for name in makers}
    for name, make in makers.items():
        times: list[float] = []
        for seed in range(seeds):
            accuracy, seconds = train_small(make, train, test, seed=seed, epochs=epochs)
            found[name].append(accuracy)
            times.append(seconds)
        values = found[name]
        print(f"{name:<4} {parameters_of(make()):,} parameters: {mean(values):.1f} ± {stdev(values):.1f} % "
              f"({len(values)} seeds, {mean(times):.1f} s of processor time each)")  # fmt: skip
    return found


def evenness(q: Tensor, k: Tensor, factor: float | None = None) -> float:
    """Entropy of the attention weights as a share of that of uniform weights: (n, d), (n, d) -> 0..1.

    Args:
        factor: for cosine attention, the factor of the cosines; None for scaled dot products.
    """
    scores: Any = q @ k.mT / math.sqrt(q.shape[-1])
    if factor is not None:
        scores = factor * F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT
    return float(torch.special.entr(scores.softmax(-1)).sum(-1).mean() / math.log(len(k)))
