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

from helpers import check, ready

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
