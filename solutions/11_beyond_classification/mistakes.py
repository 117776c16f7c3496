"""Lesson 11: what students really write, right in unusual ways and wrong in usual ones."""

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from scipy.optimize import linear_sum_assignment
from torch import nn

from grading.judging.bank import edited, mistake, reference, right
from helpers.built import built
from helpers.questions.box_matching import made_up
from helpers.torchvision_ops import load_torchvision

MultiHeadAttention, FeedForwardBlock = built("MultiHeadAttention", "FeedForwardBlock")


# What a notebook holds when its answers are reached.
def mlp(width, hidden):
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


def corners(boxes):
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def generalized_iou(boxes_a, boxes_b):
    a, b = corners(boxes_a)[:, None], corners(boxes_b)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = boxes_a[:, 2:].prod(-1)[:, None] + boxes_b[:, 2:].prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / union - (hull - union) / hull


@reference("Q23b")
def costs(case):
    """What each prediction costs for each object, (q, t), by the true fit and by the made-up one."""
    logits, boxes, classes, objects = (
        torch.as_tensor(case[name]) for name in ("class_logits", "boxes", "target_classes", "target_boxes")
    )
    rest = 5 * torch.cdist(boxes, objects, p=1) - logits.softmax(-1)[:, classes]
    return {
        "cost": (rest - 2 * generalized_iou(boxes, objects)).numpy(),
        "known_cost": (rest - 2 * made_up(boxes, objects)).numpy(),
    }


# --- Q22, right ------------------------------------------------------------------------------------------------------


@right("Q22")
class WithRearrange(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.tokens = nn.Sequential(
            nn.LayerNorm(emb_size), Rearrange("b n d -> b d n"), nn.Linear(num_tokens, token_dim), nn.GELU(),
            nn.Linear(token_dim, num_tokens), Rearrange("b d n -> b n d"),
        )  # fmt: skip
        self.channels = nn.Sequential(
            nn.LayerNorm(emb_size), nn.Linear(emb_size, channel_dim), nn.GELU(), nn.Linear(channel_dim, emb_size)
        )

    def forward(self, x):
        x = x + self.tokens(x)
        return x + self.channels(x)


@right("Q22")
class WithConvolutions(nn.Module):
    """A Conv1d of kernel 1 mixes its first axis, so tokens need no turn."""

    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.first, self.second = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.token = nn.Sequential(nn.Conv1d(num_tokens, token_dim, 1), nn.GELU(), nn.Conv1d(token_dim, num_tokens, 1))
        self.channel = nn.Sequential(
            nn.Conv1d(emb_size, channel_dim, 1), nn.GELU(), nn.Conv1d(channel_dim, emb_size, 1)
        )

    def forward(self, x):
        x = x + self.token(self.first(x))
        return x + self.channel(self.second(x).transpose(1, 2)).transpose(1, 2)


@right("Q22")
class WithEinsum(nn.Module):
    """All by hand, matrices kept as (in, out)."""

    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.a = nn.Parameter(torch.randn(num_tokens, token_dim) * 0.1)
        self.b = nn.Parameter(torch.randn(token_dim, num_tokens) * 0.1)
        self.ba, self.bb = nn.Parameter(torch.zeros(token_dim)), nn.Parameter(torch.zeros(num_tokens))
        self.c = nn.Parameter(torch.randn(emb_size, channel_dim) * 0.1)
        self.d = nn.Parameter(torch.randn(channel_dim, emb_size) * 0.1)
        self.bc, self.bd = nn.Parameter(torch.zeros(channel_dim)), nn.Parameter(torch.zeros(emb_size))
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)

    def forward(self, x):
        hidden = F.gelu(torch.einsum("bnd,nt->bdt", self.norm1(x), self.a) + self.ba)
        x = x + torch.einsum("bdt,tn->bnd", hidden, self.b) + self.bb[:, None]
        return x + F.gelu(self.norm2(x) @ self.c + self.bc) @ self.d + self.bd


@right("Q22")
class FromTimm(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        load_torchvision()
        from timm.models.mlp_mixer import MixerBlock as Theirs

        self.block = Theirs(emb_size, num_tokens, (token_dim / emb_size + 1e-6, channel_dim / emb_size + 1e-6))

    def forward(self, x):
        return self.block(x)


@right("Q22")
class NormsWithoutWeights(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        tokens_last = F.layer_norm(x, x.shape[-1:]).permute(0, 2, 1)
        x = x + self.tokens(tokens_last).permute(0, 2, 1)
        return x + self.channels(F.layer_norm(x, x.shape[-1:]))


@right("Q22")
class TokenByToken(nn.Module):
    """Loops over channels, and another activation."""

    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)])
        self.t1, self.t2 = nn.Linear(num_tokens, token_dim), nn.Linear(token_dim, num_tokens)
        self.c1, self.c2 = nn.Linear(emb_size, channel_dim), nn.Linear(channel_dim, emb_size)

    def forward(self, x):
        normed = self.norms[0](x)
        columns = [self.t2(F.silu(self.t1(normed[:, :, k]))) for k in range(x.shape[-1])]
        x = x + torch.stack(columns, dim=-1)
        rows = [self.c2(F.silu(self.c1(self.norms[1](x[:, k])))) for k in range(x.shape[1])]
        return x + torch.stack(rows, dim=1)


# --- Q22, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q22",
    hint="Your first MLP works along each token's channels: with as many tokens as channels it runs and "
    "mixes the wrong axis, otherwise the sizes do not fit. A Linear works on the last axis, so the "
    "tokens have to be last there.",
)
class TokensNotTurned(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = x + self.tokens(self.norm1(x))
        return x + self.channels(self.norm2(x))


@mistake(
    "Q22",
    hint="The tokens are transposed and mixed, and not transposed back: rows and columns of what you add "
    "to x are exchanged.",
)
class NotTurnedBack(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).mT)
        return x + self.channels(self.norm2(x))


@mistake(
    "Q22",
    hint="You transpose what comes out of the first MLP and not what goes in, so it mixes channels. "
    "Transpose before and after.",
)
class TurnedAfterOnly(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = x + self.tokens(self.norm1(x)).mT
        return x + self.channels(self.norm2(x))


@mistake(
    "Q22",
    hint="`reshape` gives the right shape and the wrong numbers, because it keeps the order in memory. Use "
    "`transpose` to exchange two axes.",
)
class ReshapedNotTurned(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        b, n, d = x.shape
        x = x + self.tokens(self.norm1(x).reshape(b, d, n)).reshape(b, n, d)
        return x + self.channels(self.norm2(x))


@mistake(
    "Q22",
    hint="With the channel half set to zero, x is lost: the token half *replaces* x. Add its output to x.",
)
class NoPlusForTokens(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = self.tokens(self.norm1(x).mT).mT
        return x + self.channels(self.norm2(x))


@mistake(
    "Q22",
    hint="With the token half set to zero, x is lost: the channel half *replaces* x. Add its output to x.",
)
class NoPlusForChannels(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).mT).mT
        return self.channels(self.norm2(x))


@mistake("Q22", hint="Neither half has a residual connection: only what the MLPs compute comes out. Add x in both.")
class NoPlusAtAll(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        return self.channels(self.norm2(self.tokens(self.norm1(x).mT).mT))


@mistake(
    "Q22",
    hint="Your norms act on the transposed tokens: each channel is normalised over all tokens, instead of "
    "each token over its channels. Normalise first, then transpose.",
)
class NormedAcrossTokens(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(num_tokens), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = x + self.tokens(self.norm1(x.mT)).mT
        return x + self.channels(self.norm2(x))


@mistake("Q22", hint="Both halves read x as it is. The norms are missing, or they are made and not called.")
class WithoutNorms(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = x + self.tokens(x.mT).mT
        return x + self.channels(x)


@mistake(
    "Q22",
    hint="You normalise the *sum*, after the residual connection. Here each half normalises its input "
    "(pre-norm, lesson 06).",
)
class NormedBehindThePlus(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = self.norm1(x + self.tokens(x.mT).mT)
        return self.norm2(x + self.channels(x))


@mistake(
    "Q22",
    hint="The residual connection adds to the *normalised* tokens, so x itself is lost. Keep x apart from "
    "the input of the MLP.",
)
class NormedStreamKept(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = self.norm1(x)
        x = x + self.tokens(x.mT).mT
        x = self.norm2(x)
        return x + self.channels(x)


@mistake(
    "Q22",
    hint="Fewer weights get a gradient than there should be: one MLP is used for both halves.",
)
class OneMlpForBoth(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.mix = mlp(num_tokens, token_dim)

    def forward(self, x):
        x = x + self.mix(self.norm1(x).mT).mT
        return x + self.mix(self.norm2(x))


@mistake(
    "Q22",
    hint="All values are right, and fewer weights get a gradient than there should be: both halves share "
    "one LayerNorm.",
)
class OneNormForBoth(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm = nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = x + self.tokens(self.norm(x).mT).mT
        return x + self.channels(self.norm(x))


@mistake(
    "Q22",
    hint="Each half alone is right, and the channel half reads the original x. It should read the sum of x "
    "and the token half's output.",
)
class SideBySide(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        return x + self.tokens(self.norm1(x).mT).mT + self.channels(self.norm2(x))


@mistake("Q22", hint="Each half alone is right, and their order is not: yours mixes channels first, then tokens.")
class ChannelsFirst(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, token_dim), mlp(emb_size, channel_dim)

    def forward(self, x):
        x = x + self.channels(self.norm2(x))
        return x + self.tokens(self.norm1(x).mT).mT


@mistake(
    "Q22",
    hint="Without an activation between them, two Linear layers are one linear map. Both MLPs need their GELU.",
)
class NothingBends(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens = nn.Sequential(nn.Linear(num_tokens, token_dim), nn.Linear(token_dim, num_tokens))
        self.channels = nn.Sequential(nn.Linear(emb_size, channel_dim), nn.Linear(channel_dim, emb_size))

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).mT).mT
        return x + self.channels(self.norm2(x))


@mistake(
    "Q22",
    hint="The two hidden widths are exchanged: `token_dim` belongs to the MLP that mixes tokens, "
    "`channel_dim` to the other.",
)
class HiddenWidthsSwapped(nn.Module):
    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.tokens, self.channels = mlp(num_tokens, channel_dim), mlp(emb_size, token_dim)

    def forward(self, x):
        x = x + self.tokens(self.norm1(x).mT).mT
        return x + self.channels(self.norm2(x))


# --- Q23a, right -----------------------------------------------------------------------------------------------------


@right("Q23a")
def by_torchvision(boxes_a, boxes_b):
    load_torchvision()
    from torchvision.ops import box_convert, generalized_box_iou

    return generalized_box_iou(box_convert(boxes_a, "cxcywh", "xyxy"), box_convert(boxes_b, "cxcywh", "xyxy"))


@right("Q23a")
def all_pairs_written_out(boxes_a, boxes_b):
    n, m = len(boxes_a), len(boxes_b)
    a, b = boxes_a.repeat_interleave(m, 0), boxes_b.repeat(n, 1)
    left, right_ = (
        torch.maximum(a[:, 0] - a[:, 2] / 2, b[:, 0] - b[:, 2] / 2),
        torch.minimum(a[:, 0] + a[:, 2] / 2, b[:, 0] + b[:, 2] / 2),
    )
    top, foot = (
        torch.maximum(a[:, 1] - a[:, 3] / 2, b[:, 1] - b[:, 3] / 2),
        torch.minimum(a[:, 1] + a[:, 3] / 2, b[:, 1] + b[:, 3] / 2),
    )
    shared = F.relu(right_ - left) * F.relu(foot - top)
    union = a[:, 2] * a[:, 3] + b[:, 2] * b[:, 3] - shared
    c, d = corners(a), corners(b)
    wide, high = (torch.maximum(c, d)[:, 2:] - torch.minimum(c, d)[:, :2]).unbind(-1)
    return (shared / union - 1 + union / (wide * high)).view(n, m)


@right("Q23a")
def in_double(boxes_a, boxes_b):
    a, b = corners(boxes_a.double()).unsqueeze(1), corners(boxes_b.double()).unsqueeze(0)
    shared = (torch.min(a[..., 2:], b[..., 2:]) - torch.max(a[..., :2], b[..., :2])).clamp_min(0).prod(-1)
    hull = (torch.max(a[..., 2:], b[..., 2:]) - torch.min(a[..., :2], b[..., :2])).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    return shared / (union + 1e-9) - (hull - union) / (hull + 1e-9)


@right("Q23a")
def corners_by_hand(boxes_a, boxes_b):
    (ax, ay, aw, ah), (bx, by, bw, bh) = boxes_a.T[:, :, None], boxes_b.T[:, None]
    left, right_ = torch.maximum(ax - aw / 2, bx - bw / 2), torch.minimum(ax + aw / 2, bx + bw / 2)
    top, bottom = torch.maximum(ay - ah / 2, by - bh / 2), torch.minimum(ay + ah / 2, by + bh / 2)
    inner = (right_ - left).clamp(min=0) * (bottom - top).clamp(min=0)
    outer = (torch.maximum(ax + aw / 2, bx + bw / 2) - torch.minimum(ax - aw / 2, bx - bw / 2)) * (
        torch.maximum(ay + ah / 2, by + bh / 2) - torch.minimum(ay - ah / 2, by - bh / 2)
    )
    union = aw * ah + bw * bh - inner
    return inner / union - 1 + union / outer


# --- Q23a, wrong -----------------------------------------------------------------------------------------------------


@mistake(
    "Q23a",
    hint="The values are right, but no gradient reaches the boxes: they were computed from plain numbers "
    "(`.tolist()`, `.item()`), from detached tensors or under `torch.no_grad()`. Generalised IoU is "
    "also a loss, so it has to stay in the graph.",
)
def pair_by_pair(boxes_a, boxes_b):
    rows = []
    for ax, ay, aw, ah in boxes_a.tolist():
        row = []
        for bx, by, bw, bh in boxes_b.tolist():
            wide = max(0.0, min(ax + aw / 2, bx + bw / 2) - max(ax - aw / 2, bx - bw / 2))
            high = max(0.0, min(ay + ah / 2, by + bh / 2) - max(ay - ah / 2, by - bh / 2))
            union = aw * ah + bw * bh - wide * high
            around = (max(ax + aw / 2, bx + bw / 2) - min(ax - aw / 2, bx - bw / 2)) * (
                max(ay + ah / 2, by + bh / 2) - min(ay - ah / 2, by - bh / 2)
            )
            row.append(wide * high / union + union / around - 1)
        rows.append(row)
    return torch.tensor(rows)


@mistake(
    "Q23a",
    hint="The values are right, but NumPy computes outside of autograd, so no gradient reaches the boxes. "
    "A loss that is made of these values could not train a model.",
)
def in_numpy(boxes_a, boxes_b):
    a, b = (corners(boxes).numpy() for boxes in (boxes_a.cpu(), boxes_b.cpu()))
    a = a[:, None].repeat(len(b), 1)
    inner = np.clip(np.minimum(a, b)[..., 2:] - np.maximum(a, b)[..., :2], 0, None).prod(-1)
    size = [(box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) for box in (a, b)]
    hull = np.ptp(np.stack([a[..., 0], a[..., 2], b[None, :, 0] + 0 * a[..., 0], b[None, :, 2] + 0 * a[..., 0]]), 0)
    hull = hull * np.ptp(
        np.stack([a[..., 1], a[..., 3], b[None, :, 1] + 0 * a[..., 0], b[None, :, 3] + 0 * a[..., 0]]), 0
    )
    union = size[0] + size[1] - inner
    return inner / union - (hull - union) / hull


@mistake(
    "Q23a",
    hint="Boxes that are apart get an overlap: two negative widths multiply to a positive area. Set a "
    "negative width or height to 0 *before* you multiply.",
)
def negative_widths_kept(boxes_a, boxes_b):
    a, b = corners(boxes_a)[:, None], corners(boxes_b)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).prod(-1)
    union = boxes_a[:, 2:].prod(-1)[:, None] + boxes_b[:, 2:].prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / union - (hull - union) / hull


@mistake(
    "Q23a",
    hint="You clamp the *area*, which is too late for boxes that are apart in both directions: the product "
    "of two negative numbers is positive. Clamp width and height.",
)
def clamped_too_late(boxes_a, boxes_b):
    a, b = corners(boxes_a)[:, None], corners(boxes_b)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).prod(-1).clamp(min=0)
    union = boxes_a[:, 2:].prod(-1)[:, None] + boxes_b[:, 2:].prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / union - (hull - union) / hull


@mistake(
    "Q23a",
    hint="The boxes are read as corners. They come as centre and size; `corners` converts them.",
)
def centres_read_as_corners(boxes_a, boxes_b):
    a, b = boxes_a[:, None], boxes_b
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / union - (hull - union) / hull


@mistake(
    "Q23a",
    hint="The union counts the shared part twice: subtract the intersection from the sum of both areas.",
)
def shared_counted_twice(boxes_a, boxes_b):
    a, b = corners(boxes_a)[:, None], corners(boxes_b)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = boxes_a[:, 2:].prod(-1)[:, None] + boxes_b[:, 2:].prod(-1)
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / union - (hull - union) / hull


@mistake(
    "Q23a",
    hint="That is the plain IoU, which is 0 for all boxes that are apart, near or far. The last term of "
    "the generalised IoU is missing.",
)
def plain_iou(boxes_a, boxes_b):
    a, b = corners(boxes_a)[:, None], corners(boxes_b)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    return shared / (boxes_a[:, 2:].prod(-1)[:, None] + boxes_b[:, 2:].prod(-1) - shared)


@mistake(
    "Q23a",
    hint="The last term has the wrong sign: boxes that are far apart come out *above* 0. It is subtracted.",
)
def empty_space_rewarded(boxes_a, boxes_b):
    a, b = corners(boxes_a)[:, None], corners(boxes_b)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = boxes_a[:, 2:].prod(-1)[:, None] + boxes_b[:, 2:].prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / union + (hull - union) / hull


@mistake(
    "Q23a",
    hint="The empty area is divided by the union; it should be divided by the area of the enclosing box. "
    "For distant boxes your values are below -1, which the true ones never are.",
)
def divided_by_the_union(boxes_a, boxes_b):
    a, b = corners(boxes_a)[:, None], corners(boxes_b)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = boxes_a[:, 2:].prod(-1)[:, None] + boxes_b[:, 2:].prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / union - (hull - union) / union


@mistake(
    "Q23a",
    hint="The values are right and transposed: one row per box of the *second* set. The new axis belongs "
    "to the other set.",
)
def rows_and_columns_swapped(boxes_a, boxes_b):
    a, b = corners(boxes_b)[:, None], corners(boxes_a)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = boxes_b[:, 2:].prod(-1)[:, None] + boxes_a[:, 2:].prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / union - (hull - union) / hull


@mistake(
    "Q23a",
    hint="Minimum and maximum are exchanged: your intersection is the enclosing box, and the other way "
    "round. The intersection begins at the larger of both left edges.",
)
def shared_and_hull_swapped(boxes_a, boxes_b):
    a, b = corners(boxes_a)[:, None], corners(boxes_b)
    hull = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=1e-3).prod(-1)
    shared = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    union = boxes_a[:, 2:].prod(-1)[:, None] + boxes_b[:, 2:].prod(-1) - shared
    return shared / union - (hull - union) / hull


@mistake(
    "Q23a",
    hint="The last term takes the enclosing box minus the *intersection*. It should take the enclosing box "
    "minus the union.",
)
def hull_minus_the_shared(boxes_a, boxes_b):
    a, b = corners(boxes_a)[:, None], corners(boxes_b)
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = boxes_a[:, 2:].prod(-1)[:, None] + boxes_b[:, 2:].prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    return shared / union - (hull - shared) / hull


# --- Q23b, right -----------------------------------------------------------------------------------------------------


@right("Q23b")
def with_lists(class_logits, boxes, target_classes, target_boxes):
    chances = torch.softmax(class_logits, dim=1)
    cost = torch.zeros(len(boxes), len(target_boxes))
    fit = generalized_iou(boxes, target_boxes)
    for i in range(len(boxes)):
        for j in range(len(target_boxes)):
            cost[i, j] = 5 * (boxes[i] - target_boxes[j]).abs().sum() - chances[i, target_classes[j]] - 2 * fit[i, j]
    rows, columns = linear_sum_assignment(cost.detach().cpu().numpy())
    return rows.tolist(), columns.tolist()


@right("Q23b")
def in_another_order(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * (boxes[:, None] - target_boxes).abs().sum(-1) - 2 * generalized_iou(boxes, target_boxes)
    cost = cost - class_logits.softmax(-1)[:, target_classes]
    objects, predictions = linear_sum_assignment(cost.T.detach().cpu().numpy())
    back = np.arange(len(objects))[::-1].copy()
    return torch.as_tensor(predictions[back]), torch.as_tensor(objects[back])


@right("Q23b")
def maximised(class_logits, boxes, target_classes, target_boxes):
    gain = class_logits.softmax(-1).index_select(1, target_classes) + 2 * generalized_iou(boxes, target_boxes)
    gain = gain - 5 * torch.cdist(boxes, target_boxes, p=1)
    return linear_sum_assignment(gain.double().detach().cpu().numpy(), maximize=True)


@right("Q23b")
def one_minus_everything(class_logits, boxes, target_classes, target_boxes):
    """A constant more in every cell changes no matching."""
    load_torchvision()
    from torchvision.ops import box_convert, generalized_box_iou

    fit = generalized_box_iou(box_convert(boxes, "cxcywh", "xyxy"), box_convert(target_boxes, "cxcywh", "xyxy"))
    near = torch.cdist(boxes, target_boxes, p=1)
    seen = class_logits.softmax(-1)[:, target_classes]
    return linear_sum_assignment(((1 - seen) + 5 * near + 2 * (1 - fit)).detach().cpu())


@right("Q23b")
def padded_to_a_square(class_logits, boxes, target_classes, target_boxes):
    """A square cost matrix, with objects that cost nothing for the predictions that are left over."""
    with torch.no_grad():
        cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(-1)[:, target_classes]
        cost = cost - 2 * generalized_iou(boxes, target_boxes)
        square = F.pad(cost, (0, len(boxes) - len(target_boxes)))
    predictions, objects = linear_sum_assignment(square.cpu())
    real = objects < len(target_boxes)
    return predictions[real], objects[real]


# --- Q23b, wrong -----------------------------------------------------------------------------------------------------


@mistake(
    "Q23b",
    hint="In training the cost requires a gradient, and SciPy needs plain numbers: `linear_sum_assignment` "
    "gets them from `cost.detach()`. The matching itself is not differentiated.",
)
def cost_not_detached(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(-1)[:, target_classes]
    return linear_sum_assignment((cost - 2 * generalized_iou(boxes, target_boxes)).cpu())


@mistake(
    "Q23b",
    hint="The distance is the mean of the four differences, a quarter of what it should be. L1 is their sum.",
)
def distance_by_the_mean(class_logits, boxes, target_classes, target_boxes):
    distance = (boxes[:, None] - target_boxes).abs().mean(-1)
    cost = 5 * distance - class_logits.softmax(-1)[:, target_classes] - 2 * generalized_iou(boxes, target_boxes)
    return linear_sum_assignment(cost.detach().cpu())


@mistake(
    "Q23b",
    hint='The softmax leaves out the last column, "no object", so a prediction of "no object" gets large '
    "class probabilities. All columns belong to the softmax.",
)
def softmax_without_no_object(class_logits, boxes, target_classes, target_boxes):
    chances = class_logits[:, :-1].softmax(-1)[:, target_classes]
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - chances - 2 * generalized_iou(boxes, target_boxes)
    return linear_sum_assignment(cost.detach().cpu())


@mistake(
    "Q23b",
    hint="Each object takes its best prediction, so two objects may take the same one. The matching is one "
    "to one and is decided for all together.",
)
def best_for_each_object(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(-1)[:, target_classes]
    cost = cost - 2 * generalized_iou(boxes, target_boxes)
    return cost.argmin(0), torch.arange(len(target_boxes))


@mistake(
    "Q23b",
    hint="Each *prediction* takes its best object, so there are as many pairs as predictions, and some "
    "objects are matched twice or not at all. The matching is one to one.",
)
def best_for_each_prediction(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(-1)[:, target_classes]
    cost = cost - 2 * generalized_iou(boxes, target_boxes)
    empty = len(target_boxes) == 0
    chosen = torch.zeros(len(boxes), dtype=torch.long) if empty else cost.argmin(1)
    return torch.arange(len(boxes)), chosen


@mistake(
    "Q23b",
    hint="The pairs are one to one and not the cheapest in total: you take the cheapest pair, then the "
    "cheapest of what is left. The Hungarian algorithm minimises the sum.",
)
def greedy(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(-1)[:, target_classes]
    cost = (cost - 2 * generalized_iou(boxes, target_boxes)).clone()
    pairs = []
    for _ in range(len(target_boxes)):
        at = int(cost.argmin())
        i, j = divmod(at, cost.shape[1])
        pairs.append((i, j))
        cost[i], cost[:, j] = torch.inf, torch.inf
    return [i for i, _ in pairs], [j for _, j in pairs]


@mistake(
    "Q23b",
    hint="The class term has the wrong sign: where only classes decide, objects are matched with the "
    "*least* likely predictions. A large probability should lower the cost.",
)
def probability_added(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) + class_logits.softmax(-1)[:, target_classes]
    return linear_sum_assignment((cost - 2 * generalized_iou(boxes, target_boxes)).detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="The overlap term has the wrong sign: generalised IoU is large for boxes that fit, and should lower the cost.",
)
def fit_added(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(-1)[:, target_classes]
    return linear_sum_assignment((cost + 2 * generalized_iou(boxes, target_boxes)).detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="Your class term uses the logits. Adding the same number to all logits of a prediction should "
    "change nothing, and here it does: compute the softmax first.",
)
def raw_logits(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits[:, target_classes]
    return linear_sum_assignment((cost - 2 * generalized_iou(boxes, target_boxes)).detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="Your class term is a logarithm, which has no lower bound and can outweigh the boxes. The paper "
    "takes the probability itself.",
)
def log_probability(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.log_softmax(-1)[:, target_classes]
    return linear_sum_assignment((cost - 2 * generalized_iou(boxes, target_boxes)).detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="The softmax runs over the predictions. It should run over the classes of each prediction.",
)
def softmax_over_predictions(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(0)[:, target_classes]
    return linear_sum_assignment((cost - 2 * generalized_iou(boxes, target_boxes)).detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="The pairs are right and the two lists are exchanged: predictions first, then the objects that "
    "they are matched with.",
)
def lists_swapped(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(-1)[:, target_classes]
    predictions, objects = linear_sum_assignment(
        (cost - 2 * generalized_iou(boxes, target_boxes)).detach().cpu().numpy()
    )
    return objects, predictions


@mistake(
    "Q23b",
    hint="Your cost contains the boxes alone. Where all boxes are equal, the class should decide.",
)
def class_forgotten(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - 2 * generalized_iou(boxes, target_boxes)
    return linear_sum_assignment(cost.detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="The distance is missing: your cost contains class and overlap alone.",
)
def distance_forgotten(class_logits, boxes, target_classes, target_boxes):
    cost = -class_logits.softmax(-1)[:, target_classes] - 2 * generalized_iou(boxes, target_boxes)
    return linear_sum_assignment(cost.detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="The overlap is missing: your cost contains class and distance alone.",
)
def overlap_forgotten(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(-1)[:, target_classes]
    return linear_sum_assignment(cost.detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="The three terms are there without their weights: 1 for the class, 5 for the distance, 2 for the overlap.",
)
def weights_forgotten(class_logits, boxes, target_classes, target_boxes):
    cost = torch.cdist(boxes, target_boxes, p=1) - class_logits.softmax(-1)[:, target_classes]
    return linear_sum_assignment((cost - generalized_iou(boxes, target_boxes)).detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="The distance is computed from corners. L1 is computed from centre and size as they are given.",
)
def distance_of_corners(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(corners(boxes), corners(target_boxes), p=1)
    cost = cost - class_logits.softmax(-1)[:, target_classes] - 2 * generalized_iou(boxes, target_boxes)
    return linear_sum_assignment(cost.detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="The distance is Euclidean. L1 adds up the absolute differences; `torch.cdist` has an argument for that.",
)
def distance_euclidean(class_logits, boxes, target_classes, target_boxes):
    cost = 5 * torch.cdist(boxes, target_boxes) - class_logits.softmax(-1)[:, target_classes]
    return linear_sum_assignment((cost - 2 * generalized_iou(boxes, target_boxes)).detach().cpu().numpy())


@mistake(
    "Q23b",
    hint="The class term takes the first columns, one per object, whatever class the object has. Take the "
    "column of object j's class.",
)
def column_of_the_object_number(class_logits, boxes, target_classes, target_boxes):
    seen = class_logits.softmax(-1)
    columns = torch.arange(len(target_boxes)) % class_logits.shape[-1]
    cost = 5 * torch.cdist(boxes, target_boxes, p=1) - seen[:, columns]
    return linear_sum_assignment((cost - 2 * generalized_iou(boxes, target_boxes)).detach().cpu().numpy())


# --- Q24, right ------------------------------------------------------------------------------------------------------


@right("Q24")
class PaperOrder(nn.Module):
    """As in the paper's code: shift, scale, gate twice, and torch's own layers."""

    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False, eps=1e-6)
        self.attn = nn.MultiheadAttention(emb_size, num_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False, eps=1e-6)
        self.mlp = mlp(emb_size, expansion * emb_size)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size, bias=True))
        nn.init.constant_(self.adaLN_modulation[-1].weight, 0)
        nn.init.constant_(self.adaLN_modulation[-1].bias, 0)

    def forward(self, x, c):
        def modulate(x, shift, scale):
            return x * (1 + scale.unsqueeze(1)) + shift.unsqueeze(1)

        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, dim=1)
        y = modulate(self.norm1(x), shift1, scale1)
        x = x + gate1.unsqueeze(1) * self.attn(y, y, y)[0]
        return x + gate2.unsqueeze(1) * self.mlp(modulate(self.norm2(x), shift2, scale2))


@right("Q24")
class SixInTurn(nn.Module):
    """The six numbers of a dimension stand side by side; gates come first."""

    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Linear(emb_size, 6 * emb_size)
        for parameter in self.modulation.parameters():
            parameter.data.zero_()

    def forward(self, x, c):
        made = rearrange(self.modulation(F.silu(c)), "b (d six) -> six b () d", six=6)
        for (gate, scale, shift), branch in ((made[:3], self.attend), (made[3:], self.think)):
            x = x + gate * branch(torch.addcmul(shift, F.layer_norm(x, x.shape[-1:]), scale + 1))
        return x


@right("Q24")
class TwoLinears(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.first, self.second = nn.Linear(emb_size, 3 * emb_size), nn.Linear(emb_size, 3 * emb_size)
        for layer in (self.first, self.second):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x, c):
        norm = nn.LayerNorm(x.shape[-1], elementwise_affine=False, device=x.device)
        for made, branch in ((self.first, self.attend), (self.second, self.think)):
            scale, shift, gate = made(F.silu(c)).unflatten(-1, (3, 1, -1)).unbind(1)
            x = x + branch(norm(x) * (1 + scale) + shift) * gate
        return x


@right("Q24")
class ByHand(nn.Module):
    """The norm by its formula, attention with scaled_dot_product_attention, modulation matrices kept as (in, out)."""

    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.num_heads = num_heads
        self.qkv, self.out = nn.Linear(emb_size, 3 * emb_size, bias=False), nn.Linear(emb_size, emb_size)
        self.wide, self.narrow = nn.Linear(emb_size, expansion * emb_size), nn.Linear(expansion * emb_size, emb_size)
        self.made = nn.Parameter(torch.zeros(emb_size, 6 * emb_size))
        self.made_bias = nn.Parameter(torch.zeros(6 * emb_size))

    def forward(self, x, c):
        def normed(x):
            centred = x - x.mean(-1, keepdim=True)
            return centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()

        six = (c * c.sigmoid()) @ self.made + self.made_bias
        a, b, g, p, q, r = (part[:, None, :] for part in six.split(x.shape[-1], dim=-1))
        y = normed(x) + normed(x) * b + a
        heads = rearrange(self.qkv(y), "b n (three h d) -> three b h n d", three=3, h=self.num_heads)
        x = x + g * self.out(rearrange(F.scaled_dot_product_attention(*heads), "b h n d -> b n (h d)"))
        return x + r * self.narrow(F.relu(self.wide(normed(x) * (1 + q) + p)))


@right("Q24")
class FromTimm24(nn.Module):
    """Attention and feed-forward of timm's vision transformer."""

    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        load_torchvision()
        from timm.layers import Mlp
        from timm.models.vision_transformer import Attention

        self.norm = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attn, self.mlp = Attention(emb_size, num_heads, qkv_bias=True), Mlp(emb_size, expansion * emb_size)
        self.act, self.linear = nn.SiLU(), nn.Linear(emb_size, 6 * emb_size)
        with torch.no_grad():
            self.linear.weight *= 0
            self.linear.bias *= 0

    def forward(self, x, c):
        one, two, three, four, five, six = self.linear(self.act(c))[:, None].tensor_split(6, -1)
        x = x + three * self.attn(self.norm(x) * (one + 1) + two)
        return x + four * self.mlp(self.norm(x) * (five + 1) + six)


# --- Q24, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q24",
    hint="A new block already changes x: the modulations start as a Linear's usual random numbers. In "
    "adaLN-zero they start at zero.",
)
class NotZeroed(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = x + gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1)
        return x + gate2 * self.think(self.norm2(x) * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="The weights of the Linear start at zero, and its bias does not, so a new block changes x. Set both to zero.",
)
class BiasNotZeroed(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = x + gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1)
        return x + gate2 * self.think(self.norm2(x) * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="The *1 +* at the scale is missing: while the scale is 0 a half reads nothing of x, only the shift.",
)
class ScaleWithoutOne(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = x + gate1 * self.attend(self.norm1(x) * scale1 + shift1)
        return x + gate2 * self.think(self.norm2(x) * scale2 + shift2)


@mistake(
    "Q24",
    hint="A new block returns zeros: the gate multiplies the sum, x included. It should multiply only what is added.",
)
class GateBehindThePlus(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = gate1 * (x + self.attend(self.norm1(x) * (1 + scale1) + shift1))
        return gate2 * (x + self.think(self.norm2(x) * (1 + scale2) + shift2))


@mistake(
    "Q24",
    hint="Shifts and scales act, and no gate does, so a new block changes x. Two of the six modulations are unused.",
)
class GatesForgotten(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, _, shift2, scale2, _ = self.modulation(c)[:, None].chunk(6, -1)
        x = x + self.attend(self.norm1(x) * (1 + scale1) + shift1)
        return x + self.think(self.norm2(x) * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="Your norms have weights of their own, and the modulation does the same a second time. "
    "`nn.LayerNorm` has an argument that leaves them out.",
)
class NormsKeepTheirWeights(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = x + gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1)
        return x + gate2 * self.think(self.norm2(x) * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="c goes into the Linear as it is. The formula has an activation between them; look up which one.",
)
class WithoutSiLU(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Linear(emb_size, 6 * emb_size)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = x + gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1)
        return x + gate2 * self.think(self.norm2(x) * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="You shift first and scale then, so the shift is scaled as well. Multiply first, then add.",
)
class ShiftedFirst(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = x + gate1 * self.attend((self.norm1(x) + shift1) * (1 + scale1))
        return x + gate2 * self.think((self.norm2(x) + shift2) * (1 + scale2))


@mistake(
    "Q24",
    hint="Twice as large a token has twice as large an effect: x is modulated as it is. Normalise it "
    "before scale and shift.",
)
class NormsForgotten(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = x + gate1 * self.attend(x * (1 + scale1) + shift1)
        return x + gate2 * self.think(x * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="Your Linear has half of the numbers: both halves use the same three modulations. Six are needed.",
)
class ThreeForBoth(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 3 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift, scale, gate = self.modulation(c)[:, None].chunk(3, -1)
        x = x + gate * self.attend(self.norm1(x) * (1 + scale) + shift)
        return x + gate * self.think(self.norm2(x) * (1 + scale) + shift)


@mistake(
    "Q24",
    hint="The feed-forward half reads the original x. It should read x with the attention half's output "
    "added. Each half alone is right.",
)
class BothReadTheFirst(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        heard = gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1)
        return x + heard + gate2 * self.think(self.norm2(x) * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="The gates multiply the *input* of a half, which still adds its biases when the gate is zero. "
    "They should multiply the output.",
)
class GateBeforeTheHalf(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = x + self.attend(gate1 * (self.norm1(x) * (1 + scale1) + shift1))
        return x + self.think(gate2 * (self.norm2(x) * (1 + scale2) + shift2))


@mistake(
    "Q24",
    hint="The residual connections are missing: you return only what the halves add, which is zero in a new block.",
)
class NoPlusHere(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        x = gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1)
        return gate2 * self.think(self.norm2(x) * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="(b, d) cannot be combined with (b, n, d): torch would align images with tokens. The modulation "
    "of an image is the same for all its tokens, so give it an axis of length 1 there.",
)
class AxisForgotten(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c).chunk(6, -1)
        x = x + gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1)
        return x + gate2 * self.think(self.norm2(x) * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="You set the last layers of attention and feed-forward to zero and left the modulation random. "
    "The block starts as the identity, but its gates are open; DiT sets the gates to zero.",
)
class BranchesZeroedInstead(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend = nn.MultiheadAttention(emb_size, num_heads, batch_first=True)
        self.think = mlp(emb_size, expansion * emb_size)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))
        for layer in (self.attend.out_proj, self.think[-1]):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, -1)
        y = self.norm1(x) * (1 + scale1) + shift1
        x = x + gate1 * self.attend(y, y, y)[0]
        return x + gate2 * self.think(self.norm2(x) * (1 + scale2) + shift2)


@mistake(
    "Q24",
    hint="The modulation gets no gradient, so it stays zero. Let its numbers start at zero; do not "
    "multiply by zero, and do not freeze them.",
)
class ZeroForever(nn.Module):
    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend, self.think = MultiHeadAttention(emb_size, num_heads), FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(emb_size, 6 * emb_size))

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = (0 * self.modulation(c))[:, None].chunk(6, -1)
        x = x + gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1)
        return x + gate2 * self.think(self.norm2(x) * (1 + scale2) + shift2)


# --- Q23c, the loss of a detector -----------------------------------------------------------------------------------

WANTED = "wanted[k, i] = classes[j]"
ENTROPY = "F.cross_entropy(class_logits.flatten(0, 1), wanted.flatten(), weight)"
L1_TERM = "(found - true).abs().sum(-1).mean()"
GIOU_TERM = "1 - generalized_iou(found, true).diagonal().mean()"
TOTAL = "return of_classes + 5 * of_corners + 2 * of_fit"

edited("Q23c", "library_l1", {L1_TERM: 'F.l1_loss(found, true, reduction="sum") / len(found)'})
edited("Q23c", "classes_on_axis_one", {ENTROPY: "F.cross_entropy(class_logits.transpose(1, 2), wanted, weight)"})
edited(
    "Q23c", "weighted_by_hand",
    {
        f"of_classes = {ENTROPY}": "each = -class_logits.log_softmax(-1).gather(-1, wanted[..., None])[..., 0]\n"
        "    of_classes = (each * weight[wanted]).sum() / weight[wanted].sum()"
    },
)  # fmt: skip
edited("Q23c", "fit_pair_by_pair", {
    GIOU_TERM: "torch.stack([1 - generalized_iou(f[None], t[None]).sum() "
            "for f, t in zip(found, true)]).mean()"})  # fmt: skip
edited("Q23c", "four_times_the_mean", {L1_TERM: "4 * (found - true).abs().mean()"})
edited("Q23c", "trace_over_pairs", {GIOU_TERM: "1 - torch.trace(generalized_iou(found, true)) / len(found)"})
for name, changes, hint in (
    (
        "no_object_at_full_weight",
        {"weight[-1] = no_object": "pass"},
        "“No object” has the same weight as the classes, so the many unmatched queries dominate the loss.",
    ),
    (
        "weight_on_the_first_class",
        {"weight[-1] = no_object": "weight[0] = no_object"},
        "The small weight is on class 0. “No object” is the last class.",
    ),
    (
        "no_object_is_class_zero",
        {"torch.full((b, q), c - 1,": "torch.full((b, q), 0,"},
        "Unmatched queries get the target 0, which is a real class.",
    ),
    (
        "classes_in_the_order_of_objects",
        {WANTED: "wanted[k, i] = classes[: len(i)]"},
        "The classes are not reordered by the matching: query i belongs to object j.",
    ),
    (
        "first_queries_for_all_objects",
        {WANTED: "wanted[k, : len(classes)] = classes"},
        "The classes go to the first queries of the image. The matching says which queries they belong to.",
    ),
    (
        "only_matched_queries",
        {
            f"of_classes = {ENTROPY}": "seen = wanted != c - 1\n"
            "    of_classes = F.cross_entropy(class_logits[seen], wanted[seen], weight)"
        },
        "Only matched queries enter your cross-entropy, so no query ever learns to say “no object”.",
    ),
    (
        "mean_over_coordinates",
        {L1_TERM: "(found - true).abs().mean()"},
        "Your L1 distance is the mean over the four coordinates; their sum was asked for.",
    ),
    (
        "sum_over_pairs",
        {L1_TERM: "(found - true).abs().sum()"},
        "Your L1 distances are added up over the pairs. Take their mean, or the weight grows with the objects.",
    ),
    (
        "squared_distance",
        {L1_TERM: "(found - true).square().sum(-1).mean()"},
        "Your distance is squared. L1 is the sum of absolute differences.",
    ),
    (
        "fit_of_all_pairs",
        {GIOU_TERM: "1 - generalized_iou(found, true).mean()"},
        "The mean runs over all pairs of boxes and objects. Matched pairs are on the diagonal.",
    ),
    (
        "fit_is_rewarded_the_wrong_way",
        {GIOU_TERM: "1 + generalized_iou(found, true).diagonal().mean()"},
        "A larger GIoU raises your loss; the model would learn to avoid the objects.",
    ),
    (
        "one_is_missing",
        {GIOU_TERM: "-generalized_iou(found, true).diagonal().mean()"},
        "The gradients are right, and the number is not: 1 - GIoU was asked for.",
    ),
    (
        "weights_exchanged",
        {TOTAL: "return of_classes + 2 * of_corners + 5 * of_fit"},
        "The weights of the two box terms are exchanged.",
    ),
    (
        "weights_forgotten",
        {TOTAL: "return of_classes + of_corners + of_fit"},
        "The two box terms enter with weight 1. They have the weights 5 and 2.",
    ),
    (
        "no_fit_term",
        {TOTAL: "return of_classes + 5 * of_corners"},
        "The GIoU term is missing in the sum.",
    ),
    (
        "objects_in_their_own_order",
        {"true.append(target_boxes[j])": "true.append(target_boxes[: len(j)])"},
        "The true boxes are not reordered by the matching, so boxes are compared with those of other objects.",
    ),
    (
        "boxes_detached",
        {"found.append(boxes[k][i])": "found.append(boxes[k][i].detach())"},
        "The number is right, and the boxes get no gradient: those that enter the loss are detached.",
    ),
    (
        "logits_detached",
        {"class_logits.flatten(0, 1)": "class_logits.detach().flatten(0, 1)"},
        "The number is right, and the classes get no gradient: the scores that enter the loss are detached.",
    ),
):
    edited("Q23c", name, changes, hint=hint)


# --- Q24b, stretch ---------------------------------------------------------------------------------------------------

TRIANGLE = "mask = torch.ones(n + k, n + k, dtype=torch.bool, device=patches.device).tril()"
PATCHES_SEE = "mask[:n, :n] = True"
BEST = "best = int(scores[-1].argmax())"

edited("Q24b", "by_comparison", {
    TRIANGLE: "at = torch.arange(n + k, device=patches.device)\n"
        "        mask = (at[None] <= at[:, None]) | (at[None] < n)",
    PATCHES_SEE: "pass"})  # fmt: skip
edited("Q24b", "in_four_parts", {
    TRIANGLE: "mask = torch.zeros(n + k, n + k, dtype=torch.bool, device=patches.device)\n        mask[:, :n] = True",
    PATCHES_SEE: "mask[n:, n:] = torch.ones_like(mask[n:, n:]).tril()"})  # fmt: skip
edited("Q24b", "topk", {BEST: "best = scores[k - 1].topk(1).indices.item()"})
edited("Q24b", "after_softmax", {BEST: "best = scores.softmax(-1).argmax(-1).tolist()[-1]"})
edited("Q24b", "a_plain_list", {"return torch.tensor(words[1:], dtype=torch.long)": "return words[1:]"})
edited("Q24b", "a_for_loop", {"while len(words) <= max_words:": "for _ in range(max_words):"})
for name, changes, hint in (
    (
        "patches_in_the_triangle",
        {PATCHES_SEE: "pass"},
        "Your triangle covers the patches too: a patch attends to earlier patches only. Patches have no order in time.",
    ),
    (
        "patches_see_words",
        {PATCHES_SEE: "mask[:n] = True"},
        "Your patches attend to the words. Their outputs would change with every new word.",
    ),
    (
        "no_mask",
        {PATCHES_SEE: "mask[:] = True"},
        "Everything may attend to everything: a word must not attend to later words.",
    ),
    (
        "words_see_no_patch",
        {PATCHES_SEE: "mask[:n, :n] = True\n        mask[n:, :n] = False"},
        "Your words attend to no patch, so the caption does not depend on the image.",
    ),
    (
        "upper_triangle",
        {".tril()": ".triu()"},
        "Your triangle allows later words and blocks earlier ones. Rows are queries.",
    ),
    (
        "a_word_without_itself",
        {".tril()": ".tril(-1)"},
        "A word does not attend to itself in your mask.",
    ),
    (
        "mask_inverted",
        {PATCHES_SEE: "mask[:n, :n] = True\n        mask = ~mask"},
        "Your mask is True where attending is blocked. Here True means allowed.",
    ),
    (
        "scores_of_the_first_word",
        {BEST: "best = int(scores[0].argmax())"},
        "You always read the scores after the first word. The next word follows the last one.",
    ),
    (
        "best_of_all_rows",
        {BEST: "best = int(scores.max(0).values.argmax())"},
        "You take the best word over all rows of scores. Only the last row scores the next word.",
    ),
    (
        "lowest_score",
        {BEST: "best = int(scores[-1].argmin())"},
        "Your word is the one with the lowest score.",
    ),
    (
        "start_returned",
        {"words[1:]": "words"},
        "Your caption begins with `start`, which is no word of it.",
    ),
    (
        "end_returned",
        {
            "if best == end:\n            break\n        words.append(best)": "words.append(best)\n"
            "        if best == end:\n            break"
        },
        "Your caption ends with `end`, which is no word of it.",
    ),
    (
        "never_stops_early",
        {"if best == end:\n            break\n        ": ""},
        "Your loop ignores `end` and always writes `max_words` words.",
    ),
    (
        "one_word_less",
        {"while len(words) <= max_words:": "while len(words) < max_words:"},
        "Your caption has at most `max_words - 1` words, because `start` is counted.",
    ),
    (
        "one_word_more",
        {"while len(words) <= max_words:": "while len(words) <= max_words + 1:"},
        "Your caption may have `max_words + 1` words.",
    ),
):
    edited("Q24b", name, changes, hint=hint)
