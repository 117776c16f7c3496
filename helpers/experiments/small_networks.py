"""Lesson 00's small networks: a CNN, a ViT made of PyTorch's parts, networks without positions; their training."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import Dataset
from helpers.training import History, evaluate, fit


def stage(c_in: int, c_out: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    """A convolution, batch normalisation and ReLU."""
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False)
    return [conv, nn.BatchNorm2d(c_out), nn.ReLU()]


def small_cnn(n_classes: int = 10, w: int = 12) -> nn.Sequential:
    """Images (b, 3, 32, 32) -> logits (b, n_classes): three stages, then one linear layer."""
    return nn.Sequential(
        *stage(3, w, 4, 2, 1),
        *stage(w, 2 * w, 3, 1, 1),
        nn.MaxPool2d(2),
        *stage(2 * w, 4 * w, 3, 1, 1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 4 * w, n_classes),
    )


class SmallViT(nn.Module):
    """Images (b, c, h, w) -> logits (b, n_classes): patches, positions, two encoder blocks, mean over tokens."""

    def __init__(self, n_classes: int = 10, patch: int = 8, d: int = 48, c: int = 3, n: int = 16) -> None:
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(c * patch * patch, d)
        self.positions = nn.Parameter(torch.randn(n, d) / 2)
        block = nn.TransformerEncoderLayer(d, 4, 2 * d, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, nn.LayerNorm(d), enable_nested_tensor=False)
        self.head = nn.Linear(d, n_classes)

    def tokens(self, images: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, n, d)."""
        pieces = F.unfold(4 * (images - 0.5), self.patch, stride=self.patch).mT  # b n (c p p)
        return self.embed(pieces) + self.positions

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(self.tokens(images)).mean(1))

    @torch.no_grad()
    def attention_weights(self, images: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, n, n): the first layer's attention weights, mean over heads; row i belongs to query i."""
        layer = self.blocks.layers[0]
        tokens = layer.norm1(self.tokens(images))
        return layer.self_attn(tokens, tokens, tokens, need_weights=True)[1]


class OneAttention(nn.Module):
    """Images (1, 3, h, w) -> (1, d, h/4, w/4): patches of 4 x 4, then one untrained layer of attention."""

    def __init__(self, d: int = 32) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, d, 4, 4)
        self.attention = nn.MultiheadAttention(d, 4, batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        grid = self.embed(images)  # b d rows columns
        tokens = grid.flatten(2).mT  # b n d
        return self.attention(tokens, tokens, tokens)[0].mT.unflatten(2, grid.shape[2:])


def conv_stack(depth: int, kernel: int = 3, stride: int = 1, c: int = 16) -> nn.Sequential:
    """`depth` convolutions with ReLU between them, initialised so that signals keep their size."""
    layers: list[nn.Module] = []
    for i in range(depth):
        conv = nn.Conv2d(c if i else 3, c, kernel, stride, kernel // 2, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def bag_of_views(extra: int, w: int = 16) -> nn.Sequential:
    """A CNN whose receptive field is 5 + 4 * `extra` pixels, with a mean over all places before its last layer."""
    layers = stage(3, w, 5, 2)
    for _ in range(extra):
        layers += stage(w, w, 3)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(w, 2))


def cnn_with_maximum(n_classes: int = 10, padding: Literal["circular", "zeros"] = "circular") -> nn.Sequential:
    """A CNN for (b, 1, 8, 24) that takes the maximum over all places before its last layer."""
    layers: list[nn.Module] = []
    for c_in, c_out in ((1, 16), (16, 32), (32, 32)):
        conv = nn.Conv2d(c_in, c_out, 3, padding=1, padding_mode=padding)
        layers += [conv, nn.BatchNorm2d(c_out), nn.ReLU(), *([nn.MaxPool2d(2)] if c_in == 1 else [])]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, n_classes))


def stripe_vit(n_classes: int = 10) -> SmallViT:
    """A ViT for (b, 1, 8, 24) in patches of 4 x 4."""
    return SmallViT(n_classes, patch=4, d=32, c=1, n=12)


def _rise_and_fall(step: int, total: int) -> float:
    """Factor of the learning rate: a linear rise over 30 steps, then a linear fall to 0."""
    return min(1, (step + 1) / 30) * (1 - step / total)


def trained(
    make: Callable[[], nn.Module],
    train: Dataset,
    test: Dataset | None = None,
    seed: int = 0,
    lr: float = 5e-3,
    **options: Any,
) -> tuple[Any, History]:
    """Build a model under `seed` and train it with `helpers.training.fit`, which gets `options`; model and history."""
    torch.manual_seed(seed)
    model = make()
    return model, fit(model, train, test, lr=lr, schedule=_rise_and_fall, seed=seed, progress=False, **options)


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Accuracy in percent."""
    return 100 * evaluate(model, Dataset("test", images, labels, (), "")).accuracy


def square_holding(found: Tensor, share: float = 0.9) -> int:
    """Side of the smallest centred square that holds this share of a map (h, w)."""
    size = len(found)
    for side in range(2 - size % 2, size + 1, 2):
        edge = (size - side) // 2
        if found[edge : edge + side, edge : edge + side].sum() >= share * found.sum():
            return side
    return size


def growth(depths: list[int], sides: list[int]) -> float:
    """The exponent e of side ~ depth^e between the third and the last depth."""
    return math.log(sides[-1] / sides[2]) / math.log(depths[-1] / depths[2])
