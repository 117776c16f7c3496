"""Stand-ins for parts that a student has not built yet: the same job and the same call, but another design.

None of them answers the question of the part it stands for; the tests hand each to its check and see it refused.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def getPositionEncoding(seq_len: int, d: int, n: float = 10000) -> Tensor:
    """A code for each position, (seq_len, d): cosines that stand at right angles to each other, as in a DCT."""
    positions = torch.arange(seq_len, dtype=torch.float32)[:, None] + 0.5
    return math.sqrt(2) * torch.cos(math.pi / max(seq_len, d) * positions * torch.arange(d))


class PatchProjection(nn.Sequential):
    """(b, c, h, w) -> (b, patches, emb_size): a small stem of overlapping patches with an activation."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        margin = 1 + patch_size // 8
        look = nn.Conv2d(in_channels, emb_size, patch_size + 2 * margin, patch_size, margin)
        super().__init__(look, nn.Flatten(2), nn.GELU(), nn.Conv1d(emb_size, emb_size, 1))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).mT


class PatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, 1 + patches, emb_size): patches that overlap, and before them a summary of the image.

    Positions are learned per row and per column. `positions` is taken and changes nothing.
    """

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        margin, side = patch_size // 4, img_size // patch_size
        self.look = nn.Conv2d(in_channels, emb_size, patch_size + 2 * margin, patch_size, margin)
        self.row = nn.Parameter(0.02 * torch.randn(1, emb_size, side, 1))
        self.column = nn.Parameter(0.02 * torch.randn(1, emb_size, 1, side))
        self.summary = nn.Linear(emb_size, emb_size)

    def forward(self, x: Tensor) -> Tensor:
        tokens = (self.look(x) + self.row + self.column).flatten(2).mT
        return torch.cat([self.summary(tokens.mean(1, keepdim=True)), tokens], dim=1)


class MultiHeadAttention(nn.MultiheadAttention):
    """Self-attention, (b, n, d) -> (b, n, d), as torch packs it. `mask` is True where a query may look."""

    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__(emb_size, num_heads, dropout=dropout, batch_first=True)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        blocked = None if mask is None else mask.logical_not()
        return super().forward(x, x, x, attn_mask=blocked, need_weights=False)[0]


class ResidualAdd(nn.Module):
    """A highway: a learned gate per network decides how much of `fn(x)` replaces x."""

    def __init__(self, fn):
        super().__init__()
        self.branch, self.gate = fn, nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, **options) -> Tensor:
        return torch.lerp(x, self.branch(x, **options), self.gate.sigmoid())


class FeedForwardBlock(nn.Module):
    """A gated feed-forward (GLU): one half of the widened numbers decides how much of the other half goes on."""

    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        hidden = expansion * emb_size
        self.widen, self.back = nn.Linear(emb_size, 2 * hidden), nn.Linear(hidden, emb_size)
        self.drop_p = drop_p

    def forward(self, x: Tensor) -> Tensor:
        return self.back(F.dropout(F.glu(self.widen(x)), self.drop_p, self.training))


class TransformerEncoderBlock(nn.TransformerEncoderLayer):
    """The block of 2017, normed after each half, as torch has it: (b, n, d) -> (b, n, d)."""

    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(emb_size, num_heads, expansion * emb_size, dropout=drop_p, batch_first=True)
        self.dropout.p = forward_drop_p

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x)


class ViT(nn.Module):
    """(b, c, h, w) -> (b, n_classes): stand-in parts, and the mean over all tokens before the head."""

    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.tokens = PatchEmbedding(in_channels, patch_size, emb_size, img_size)
        self.body = nn.Sequential(
            *[TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for _ in range(depth)]
        )
        self.answer = nn.Linear(emb_size, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.answer(self.body(self.tokens(x)).mean(dim=1))
