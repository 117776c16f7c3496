"""Lecture L0's two networks exactly as its slides have them, and the networks that they are compared with.

`SlidesViT` is L0's `VisionTransformerProcessor` (patch embedding, fixed 2-D position encoding) and then its `ViT`.
In the lecture `Adam(model.parameters())` receives the `ViT` alone, so the patch embedding is never trained.
`SlidesMnist` is L0's "Transformer" for MNIST: each attention layer sees a sequence of length one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.vit import cut


def slides_positions(count: int, d: int, n: float = 10000.0) -> Tensor:
    """(count, d) by L0's formula: sine in even and cosine in odd dimensions k, each with the frequency n^(-k/d).

    The usual formula pairs a sine and a cosine of the same frequency (k and k + 1 share an exponent); L0's does not.
    """
    angle = torch.arange(count)[:, None] / n ** (torch.arange(d) / d)
    even = torch.arange(d) % 2 == 0
    return torch.where(even, angle.sin(), angle.cos())


def slides_positions_2d(side: int, d: int) -> Tensor:
    """(side * side, d): the row's encoding plus the column's, as L0 sums them."""
    axis = slides_positions(side, d)
    return (axis[:, None] + axis[None, :]).reshape(side * side, d)


class SlidesViT(nn.Module):
    """L0's processor and model: post-norm encoder with GELU, class token of zeros without a position, head with norm.

    `processor` is the only part that L0's optimiser does not receive (`outside_optimizer` names its weights).
    """

    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, mlp=128, n_classes=10
    ):
        super().__init__()
        self.patch_size = patch_size
        self.processor = nn.Linear(patch_size**2 * in_channels, emb_size)
        self.register_buffer("positions", slides_positions_2d(img_size // patch_size, emb_size))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, emb_size))
        layer = nn.TransformerEncoderLayer(emb_size, num_heads, mlp, dropout=0.1, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.mlp_head = nn.Sequential(nn.LayerNorm(emb_size), nn.Linear(emb_size, n_classes))

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> logits (b, n_classes)."""
        tokens = self.processor(cut(x, self.patch_size)) + self.positions
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1)
        return self.mlp_head(self.encoder(tokens)[:, 0])

    def outside_optimizer(self) -> list[nn.Parameter]:
        """The weights that `Adam(model.parameters())` misses in L0's code."""
        return list(self.processor.parameters())


class SlidesAttention(nn.Module):
    """L0's `SelfAttentionLayer`: queries, keys and values by one linear layer each, no projection."""

    def __init__(self, in_features: int) -> None:
        super().__init__()
        self.in_features = in_features
        self.query = nn.Linear(in_features, in_features)
        self.key = nn.Linear(in_features, in_features)
        self.value = nn.Linear(in_features, in_features)

    def forward(self, x: Tensor) -> Tensor:
        """(b, in_features) or (b, n, in_features) -> (b, n * in_features).

        In L0's network n is 1, so each attention weight is exactly 1.
        """
        q, k, v = (layer(x).view(len(x), -1, self.in_features) for layer in (self.query, self.key, self.value))
        weights = F.softmax(torch.bmm(q, k.transpose(1, 2)) / self.in_features**0.5, dim=2)
        return torch.bmm(weights, v).reshape(len(x), -1)


class SlidesMnist(nn.Module):
    """L0's network for MNIST: 784-128, attention, 128-64, attention, 64-10; ReLU after the first two linear layers."""

    def __init__(self, channels: int = 1, side: int = 28, classes: int = 10) -> None:
        super().__init__()
        self.fc1, self.attention1 = nn.Linear(channels * side * side, 128), SlidesAttention(128)
        self.fc2, self.attention2 = nn.Linear(128, 64), SlidesAttention(64)
        self.fc3 = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> logits (b, classes)."""
        x = self.attention1(F.relu(self.fc1(x.flatten(1))))
        return self.fc3(self.attention2(F.relu(self.fc2(x))))


class EqualMlp(nn.Module):
    """The multilayer perceptron that `SlidesMnist` equals: hidden layers of 128 and 64, each then mapped linearly."""

    def __init__(self, channels: int = 1, side: int = 28, classes: int = 10) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(channels * side * side, 128), nn.ReLU(), nn.Linear(128, 128),
            nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 64), nn.Linear(64, classes),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> logits (b, classes)."""
        return self.layers(x)


class PatchAttention(nn.Module):
    """The same two attention layers over 16 patches of 7 x 7 instead of over one vector of 784 numbers."""

    def __init__(self, channels: int = 1, side: int = 28, classes: int = 10) -> None:
        super().__init__()
        self.patch_size = patch_size = side // 4
        self.fc1, self.attention1 = nn.Linear(channels * patch_size**2, 128), SlidesAttention(128)
        self.positions = nn.Parameter(0.02 * torch.randn((side // patch_size) ** 2, 128))
        self.fc2, self.attention2 = nn.Linear(128, 64), SlidesAttention(64)
        self.fc3 = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> logits (b, classes), the mean over patches before the last layer."""
        tokens = F.relu(self.fc1(cut(x, self.patch_size)) + self.positions)
        b, n, _ = tokens.shape
        tokens = self.attention1(tokens).view(b, n, -1)
        tokens = self.attention2(F.relu(self.fc2(tokens))).view(b, n, -1)
        return self.fc3(tokens.mean(1))
