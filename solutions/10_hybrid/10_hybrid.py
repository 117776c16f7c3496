# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 10 · Hybrids {{badge}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math

import torch
from einops import rearrange
from torch import nn

from helpers import check


# %% tags=["answer"] question="Q19"
# Q19: a convolutional stem
class ConvStem(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        stages = int(math.log2(patch_size))  # BLANK
        layers, width = [], in_channels
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)  # for 64: 16, 32, 64
            layers += [
                nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU(),
            ]  # BLANK: nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU(),  # fmt: skip
            width = wider
        layers += [nn.Conv2d(width, emb_size, kernel_size=1)]  # BLANK: nn.Conv2d(width, emb_size, kernel_size=1)
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        grid = self.layers(images)  # b d r c
        return rearrange(grid, "b d r c -> b (r c) d")  # BLANK


# %% tags=["check"] question="Q19" points=4
check("Q19", ConvStem)


# %% tags=["answer"] question="Q20"
# Q20: attention made of convolutions
class ConvAttentionLayer(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        margin = kernel_size // 2  # BLANK
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=margin)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=margin)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=margin)

    def forward(self, x):
        height = x.shape[2]
        query, key, value = (conv(x).flatten(2) for conv in (self.query_conv, self.key_conv, self.value_conv))  # b d n
        energy = torch.einsum("bdi,bdj->bij", query, key) / math.sqrt(query.shape[1])  # BLANK
        weights = torch.softmax(energy, dim=2)  # BLANK
        mixed = torch.einsum("bij,bdj->bdi", weights, value)  # BLANK: "bij,bdj->bdi", weights, value
        return rearrange(mixed, "b d (h w) -> b d h w", h=height)  # BLANK: "b d (h w) -> b d h w", h=height


# %% tags=["check"] question="Q20" points=4
check("Q20", ConvAttentionLayer)


# %% tags=["answer"] question="Q21"
# Q21: the non-local block
class NonLocalBlock(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = inner or channels // 2
        self.theta = nn.Conv2d(channels, inner, kernel_size=1)
        self.phi = nn.Conv2d(channels, inner, kernel_size=1)
        self.g = nn.Conv2d(channels, inner, kernel_size=1)
        self.W_z = nn.Conv2d(inner, channels, kernel_size=1)
        # BEGIN BLANK
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)
        # END BLANK

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(dim=-1)  # BLANK
        y = torch.einsum("bij,bej->bei", weights, g).unflatten(2, x.shape[2:])  # BLANK: "bij,bej->bei", weights, g
        return x + self.W_z(y)  # BLANK


# %% tags=["check"] question="Q21" points=3
check("Q21", NonLocalBlock)
