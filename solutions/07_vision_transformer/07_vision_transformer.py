# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 07 · Vision Transformer {{badge}}
# %% tags=["bootstrap"]

# %% tags=["setup"]
import torch
import torch.nn.functional as F
from torch import nn

from helpers import check, ready
from helpers.built import built

# %% tags=["setup"]
PatchEmbedding, TransformerEncoderBlock = built("PatchEmbedding", "TransformerEncoderBlock")


# %% tags=["answer"] question="Q8"
# Q8: the Vision Transformer
class ViT(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size=patch_size, emb_size=emb_size, img_size=img_size)  # BLANK
        blocks = [TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, drop_p) for each in range(depth)]  # BLANK
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):  # b c h w
        tokens = self.norm(self.blocks(self.embed(images)))  # BLANK
        return self.head(tokens[:, 0])  # BLANK


# %% tags=["check"] question="Q8" points=5
check("Q8", ViT)


# %% tags=["answer"] question="Q9"
# Q9: one training step
def train_step(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    # BEGIN BLANK
    model.train()  # dropout on
    batch_loss = loss_fn(model(images), labels)
    optimizer.zero_grad()  # forget the last batch
    batch_loss.backward()
    optimizer.step()  # and walk
    # END BLANK
    return batch_loss.item()  # BLANK


# %% tags=["check"] question="Q9" points=3
check("Q9", train_step)


# %% tags=["answer"] question="Q9b"
# Q9b: accuracy
def evaluate(model, batches):
    right = total = 0
    # BEGIN BLANK
    model.eval()  # dropout off
    with torch.no_grad():  # no graph for backward
        for images, labels in batches:  # b c h w, b
            right += (model(images).argmax(dim=-1) == labels).sum().item()
            total += len(labels)
    # END BLANK
    return right / total


# %% tags=["check"] question="Q9b" points=2
check("Q9b", evaluate)


# %% tags=["answer"] question="Q10"
# Q10: what the class token looks at
def class_attention(weights, grid):
    return weights[:, 0, 1:].reshape(-1, *grid)  # BLANK


# %% tags=["check"] question="Q10" points=2
check("Q10", class_attention)


# %% tags=["answer"] question="Q10b"
# Q10b: attention rollout
def attention_rollout(attentions):
    identity = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    rollout = identity
    for attention in attentions:  # first layer first; (heads, n, n) each
        mixing = attention.mean(dim=0) + identity  # BLANK
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)  # BLANK
        rollout = mixing @ rollout  # BLANK
    return rollout


# %% tags=["check"] question="Q10b" points=2
check("Q10b", attention_rollout)
