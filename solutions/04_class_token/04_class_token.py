# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 04 · The class token {{badge}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import nn

from helpers import check, ready
from helpers.built import built

PatchProjection, getPositionEncoding = built("PatchProjection", "getPositionEncoding")


# %% tags=["answer"] question="Q3"
# Q3: the class token
class PatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, patches + 1, emb_size): the class token first, then the patches."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        # One vector for all images, (1, 1, emb_size), and it can learn.
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, emb_size))  # BLANK

    def forward(self, x):
        x = self.projection(x)  # b patches d
        b = len(x)
        cls_tokens = repeat(self.cls_token, "() n e -> b n e", b=b)  # BLANK: "() n e -> b n e", b=b
        return torch.cat([cls_tokens, x], dim=1)  # BLANK: [cls_tokens, x], dim=1


# %% tags=["check"] question="Q3" points=4
check("Q3", PatchEmbedding)


# %% tags=["answer"] question="Q4"
# Q4: a position for every token
class PatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, patches + 1, emb_size): class token first, and to each token its position added."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        # The class token, as in Q3.
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, emb_size))  # BLANK
        # How many tokens stand in line?
        tokens = (img_size // patch_size) ** 2 + 1  # BLANK
        if positions == "learnable":
            # Begins as small random numbers and is trained.
            self.learnable_positions = nn.Parameter(0.02 * torch.randn(tokens, emb_size))  # BLANK
        elif positions == "sinusoidal":
            # Lesson 02's code: never trained, and moves with the module.
            self.register_buffer("sinusoids_positions", getPositionEncoding(tokens, emb_size))  # BLANK
        else:
            raise ValueError(f'positions is {positions!r}: it should be "learnable" or "sinusoidal"')
        self.positions = positions

    def forward(self, x):
        x = self.projection(x)  # b patches d
        # Class token first, as in Q3; then the positions.
        # BEGIN BLANK
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if self.positions == "learnable" else self.sinusoids_positions)
        # END BLANK


# %% tags=["check"] question="Q4" points=6
check("Q4", PatchEmbedding)

# %% [markdown]
# **W4a** (2 points). Why?

# %% [markdown] tags=["written"] question="W4a" points=2
# The model answer.

# %% [markdown] tags=["rubric"]
# One point for saying so.
