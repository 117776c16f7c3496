# %% tags=["bootstrap"]

# %% tags=["setup"]
import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import nn
from helpers import check, ready

# %% tags=["answer"] question="Q2"
# Q2: cut, flatten, project
class PatchEmbedding(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(patch_size * patch_size * in_channels, emb_size),
        )  # BLANK: "b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size  # BLANK: patch_size * patch_size * in_channels

    def forward(self, x):
        return self.projection(x)  # b n d

# %% tags=["check"] question="Q2" points=6
check("Q2", PatchEmbedding)

# %% tags=["answer"] question="Q2b"
# Q2b: the same as a convolution
class ConvPatchEmbedding(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        self.projection = nn.Conv2d(in_channels, emb_size, kernel_size=patch_size, stride=patch_size)  # BLANK: in_channels, emb_size, kernel_size=patch_size, stride=patch_size

    def forward(self, x):
        grid = self.projection(x)  # b d h w
        return grid.flatten(2).transpose(1, 2)  # BLANK

# %% tags=["check"] question="Q2b" points=6
check("Q2b", ConvPatchEmbedding)
