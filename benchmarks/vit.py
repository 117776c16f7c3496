"""The models that the benchmarks measure: the lecture's, and the course's at its fastest."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cut(images: Tensor, patch_size: int) -> Tensor:
    """(b, c, h, w) -> (b, patches, values), patches row by row."""
    b, c, h, w = images.shape
    p = patch_size
    return images.view(b, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1).reshape(b, -1, p * p * c)


class LectureViT(nn.Module):
    """Lecture L0's: torch's encoder as it comes (post-norm, ReLU, dropout 0.1), class token, learned positions."""

    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, mlp=128, n_classes=10
    ):
        super().__init__()
        self.patch_size = patch_size
        self.projection = nn.Linear(patch_size**2 * in_channels, emb_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, emb_size))
        self.positions = nn.Parameter(torch.randn((img_size // patch_size) ** 2 + 1, emb_size))
        layer = nn.TransformerEncoderLayer(emb_size, num_heads, mlp, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.projection(cut(x, self.patch_size))  # b n d
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1) + self.positions
        return self.head(self.encoder(tokens)[:, 0])


class FusedAttention(nn.Module):
    """Lesson 05's attention with one matrix for queries, keys and values, and torch's fused kernel."""

    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads, self.dropout = num_heads, dropout
        self.qkv = nn.Linear(emb_size, 3 * emb_size)
        self.projection = nn.Linear(emb_size, emb_size)

    def forward(self, x: Tensor, asking: int | None = None) -> Tensor:
        """(b, n, d) -> (b, n, d), or (b, asking, d) when only the first so many tokens ask."""
        b, n, d = x.shape
        if asking is None:
            q, k, v = self.qkv(x).view(b, n, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)  # b h n d/h
        else:
            (w_q, w_kv), (b_q, b_kv) = (t.split((d, 2 * d)) for t in (self.qkv.weight, self.qkv.bias))
            q = F.linear(x[:, :asking], w_q, b_q).view(b, asking, self.num_heads, -1).transpose(1, 2)
            k, v = F.linear(x, w_kv, b_kv).view(b, n, 2, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        return self.projection(out.transpose(1, 2).reshape(b, -1, d))


class FusedBlock(nn.Module):
    """Lesson 06's pre-norm block around the fused attention."""

    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0):
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(emb_size), FusedAttention(emb_size, num_heads)
        self.forward_norm = nn.LayerNorm(emb_size)
        self.expand, self.shrink = nn.Linear(emb_size, expansion * emb_size), nn.Linear(expansion * emb_size, emb_size)
        self.drop_p = drop_p

    def forward(self, x: Tensor, asking: int | None = None) -> Tensor:
        """(b, n, d) -> (b, n, d), or (b, asking, d): the first tokens alone, for less work."""
        x = x[:, :asking] + self._drop(self.attention(self.attention_norm(x), asking))
        return x + self._drop(self.shrink(F.gelu(self.expand(self.forward_norm(x)))))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.drop_p, self.training) if self.drop_p else x


class Patches(nn.Module):
    """Lesson 03's Q2: (b, c, h, w) -> (b, n, d). Faster on a CPU than the convolution of Q2b, which is the same map."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64):
        super().__init__()
        self.patch_size = patch_size
        self.projection = nn.Linear(patch_size**2 * in_channels, emb_size)

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(cut(x, self.patch_size))


class ConvolutionalStem(nn.Sequential):
    """A few 3x3 convolutions in the place of patches (Xiao et al., 2021): (b, c, h, w) -> (b, n, d)."""

    def __init__(self, in_channels: int, widths: tuple[int, ...], strides: tuple[int, ...], emb_size: int):
        layers: list[nn.Module] = []
        for width, stride in zip(widths, strides, strict=True):
            layers += [nn.Conv2d(in_channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.GELU()]
            in_channels = width
        super().__init__(*layers, nn.Conv2d(in_channels, emb_size, 1), nn.Flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).transpose(1, 2)


class ConvolutionalStages(nn.Module):
    """The convolutional half of a hybrid: (b, c, h, w) -> (b, n, widths[-1]).

    Before each width after the first the map is halved; the last stage adds a residual convolution, and `halve_last`
    halves once more before tokens are made.
    """

    def __init__(self, in_channels: int, widths: tuple[int, ...], *, halve_last: bool):
        super().__init__()
        layers: list[nn.Module] = []
        for i, width in enumerate(widths):
            layers += ([nn.MaxPool2d(2)] if i else []) + self._convolution(in_channels, width)
            in_channels = width
        self.stages = nn.Sequential(*layers)
        self.residual = nn.Sequential(*self._convolution(in_channels, in_channels))
        self.halve = nn.MaxPool2d(2) if halve_last else nn.Identity()

    @staticmethod
    def _convolution(before: int, after: int) -> list[nn.Module]:
        return [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]

    def forward(self, x: Tensor) -> Tensor:
        x = self.stages(x)
        return self.halve(x + self.residual(x)).flatten(2).transpose(1, 2)


class FusedViT(nn.Module):
    """Lesson 07's ViT from fused blocks.

    `stem` may take the place of the patches: (b, c, h, w) -> (b, n, d), n = (img_size // patch_size)**2. `pool` is
    "class" (the token of lesson 04), or "mean" over the patches, without a class token. The head reads the class token
    alone, so nobody else's last block matters: with `lean` it is not computed. Outputs and gradients are the same.
    """

    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.0, stem: nn.Module | None = None, pool="class", lean=True,
    ):  # fmt: skip
        super().__init__()
        self.stem = stem or Patches(in_channels, patch_size, emb_size)
        tokens = (img_size // patch_size) ** 2 + (pool == "class")
        self.cls_token = nn.Parameter(torch.zeros(1, 1, emb_size)) if pool == "class" else None
        self.positions = nn.Parameter(torch.randn(tokens, emb_size) * 0.02)
        self.lean = lean and pool == "class"
        self.blocks = nn.ModuleList([FusedBlock(emb_size, num_heads, expansion, drop_p) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(emb_size), nn.Linear(emb_size, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.stem(x)
        if self.cls_token is not None:
            tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1)
        tokens = tokens + self.positions
        for i, block in enumerate(self.blocks, start=1):
            tokens = block(tokens, asking=1 if self.lean and i == len(self.blocks) else None)
        readout = tokens[:, 0] if self.cls_token is not None else tokens.mean(dim=1)
        return self.head(self.norm(readout))
