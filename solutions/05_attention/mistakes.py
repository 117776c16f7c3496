"""Lesson 05: what students really write, right in unusual ways and wrong in usual ones."""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum as einsum_by_name
from einops import rearrange
from torch import nn

from grading.judging.bank import edited, mistake, reference, right

# --- Q5a, right ------------------------------------------------------------------------------------------------------


@right("Q5a")
def the_library_call(queries, keys, values):
    return F.scaled_dot_product_attention(queries, keys, values)


@right("Q5a")
def two_einsums_in_float64(q, k, v, eps=0.0):
    q, k, v = q.double(), k.double(), v.double()
    energy = torch.einsum("bid,bjd->bij", q, k) / (math.sqrt(q.size(-1)) + eps)
    return torch.einsum("bij,bjd->bid", torch.softmax(energy, 2), v)


@right("Q5a")
def a_fourth_root_on_either_side(q, k, v):
    root = q.shape[-1] ** 0.25
    energy = torch.bmm(q / root, (k / root).mT)
    return torch.bmm(F.softmax(energy, dim=2), v)


@right("Q5a")
def mixed_first_and_normalised_last(q, k, v):
    grades = torch.baddbmm(q.new_zeros(1), q, k.transpose(1, 2), beta=0, alpha=q.size(2) ** -0.5).exp()
    return grades @ v / grades.sum(2, keepdim=True)


@right("Q5a")
def image_by_image_through_logs(q, k, v):
    out = []
    for queries, keys, values in zip(q, k, v, strict=True):
        energy = keys @ queries.T / keys.shape[-1] ** 0.5  # m n, the other way round
        out.append(torch.log_softmax(energy, dim=0).exp().T @ values)
    return torch.stack(out)


# --- Q5a, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q5a",
    hint="The numbers are right, and it cannot be differentiated: numpy's arrays leave the graph. torch has the "
    "same operations for tensors.",
)
def numpy_with_the_maximum_taken_off(q, k, v):
    q, k, v = (np.asarray(t.detach().cpu(), np.float64) for t in (q, k, v))
    energy = q @ k.swapaxes(1, 2) * q.shape[2] ** -0.5
    grades = np.exp(energy - energy.max(-1, keepdims=True))
    return grades / grades.sum(-1, keepdims=True) @ v


@mistake(
    "Q5a",
    hint="The numbers are right, and no gradient flows through the weights to queries and keys: `.detach()`, "
    "`no_grad` and Python numbers (`float`, `.item()`, `math`) leave the graph.",
)
def three_loops(q, k, v):
    out = torch.zeros(q.shape[0], q.shape[1], v.shape[2], device=q.device)
    for b in range(q.shape[0]):
        for i in range(q.shape[1]):
            grades = [math.exp(float(q[b, i] @ k[b, j]) / math.sqrt(q.shape[2])) for j in range(k.shape[1])]
            for j, grade in enumerate(grades):
                out[b, i] += grade / sum(grades) * v[b, j]
    return out


@mistake(
    "Q5a",
    hint="The order of your weights is right and they are too sharp: the scores are not divided by anything. "
    "Section 3 measures how dot products grow with the width.",
)
def no_scale(q, k, v):
    return (q @ k.transpose(1, 2)).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="Your weights are too even: the scores are divided by the width itself. Section 3 measures a spread that "
    "grows more slowly.",
)
def divided_by_the_width(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1]).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="Your rows no longer add up to 1: the division comes after the softmax.",
)
def scaled_after_the_softmax(q, k, v):
    return (q @ k.transpose(1, 2)).softmax(-1) / q.shape[-1] ** 0.5 @ v


@mistake(
    "Q5a",
    hint="Nearly every row of yours is a single 1 among zeros: the scores are multiplied where they should be divided.",
)
def multiplied_by_the_root(q, k, v):
    return (q @ k.transpose(1, 2) * q.shape[-1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="In your picture the columns add up to 1 and the rows do not: the softmax runs over the queries. Which "
    "axis of (b, n, m) counts the keys?",
)
def softmax_over_the_queries(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(1) @ v


@mistake(
    "Q5a",
    hint="The softmax runs over the images of the batch. Which axis of (b, n, m) counts the keys?",
)
def softmax_over_the_batch(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(0) @ v


@mistake(
    "Q5a",
    hint="All weights of an image together add up to 1. The weights of each query should.",
)
def one_softmax_for_the_whole_matrix(q, k, v):
    energy = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    return energy.flatten(1).softmax(-1).reshape(energy.shape) @ v


@mistake(
    "Q5a",
    hint="Some of your weights are negative and no row adds up to 1: the values are mixed with raw scores. The "
    "softmax is missing.",
)
def no_softmax(q, k, v):
    return q @ k.transpose(1, 2) / q.shape[-1] ** 0.5 @ v


@mistake(
    "Q5a",
    hint="The product of q and k itself runs only where the number of keys equals the width. A dot product pairs "
    "the width of a query with the width of a key: how must k lie for that?",
)
def keys_not_turned(q, k, v):
    return (q @ k / q.shape[-1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="`.T` reverses all axes, so the batch comes last. Only the last two axes should be exchanged.",
)
def every_axis_turned(q, k, v):
    return (q @ k.permute(2, 1, 0) / q.shape[-1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="The weights themselves are returned, (b, n, m). The values are not used yet.",
)
def weights_returned(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)


@mistake(
    "Q5a",
    hint="Your weights are right, but they mix the keys and not the values.",
)
def keys_mixed(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ k


@mistake(
    "Q5a",
    hint="It is right where the number of keys equals the width, and wrong elsewhere: the scores are scaled by the"
    " number of keys.",
)
def scaled_by_the_number_of_keys(q, k, v):
    return (q @ k.transpose(1, 2) / k.shape[1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="The scores are scaled by the number of queries, so one more query changes the output for the others. "
    "Which number does section 3 vary?",
)
def scaled_by_the_number_of_queries(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="Queries and keys are exchanged: you have one row per key.",
)
def roles_swapped(q, k, v):
    return (k @ q.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="Each output sums over the queries: the matrix of weights is transposed before it meets the values.",
)
def weights_turned_before_mixing(q, k, v):
    weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
    return weights.transpose(1, 2) @ v


@mistake(
    "Q5a",
    hint="Each of your rows adds up to 1, but scores are divided by their sum, so a negative score gives a "
    "negative weight. A softmax takes exponentials first.",
)
def divided_by_the_sum(q, k, v):
    energy = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    return energy / energy.sum(-1, keepdim=True) @ v


@mistake(
    "Q5a",
    hint="Each query takes the single best value and nothing of the others. Attention is a weighted sum over all "
    "values.",
)
def only_the_best_key(q, k, v):
    best = (q @ k.transpose(1, 2)).argmax(-1)
    return F.one_hot(best, k.shape[1]).to(v.dtype) @ v


# --- Q5b, right ------------------------------------------------------------------------------------------------------


@right("Q5b")
def chunk_by_chunk(q, k, num_heads):
    pairs = zip(q.chunk(num_heads, dim=-1), k.chunk(num_heads, dim=-1), strict=True)
    return torch.stack([torch.softmax(a @ b.mT / math.sqrt(a.shape[-1]), -1) for a, b in pairs], dim=1)


@right("Q5b")
def identity_through_the_library(queries, keys, heads):
    def split(tokens):
        return tokens.unflatten(-1, (heads, -1)).transpose(1, 2)

    eye = torch.eye(keys.shape[1], device=keys.device).expand(len(keys), heads, -1, -1)
    return F.scaled_dot_product_attention(split(queries), split(keys), eye)


@right("Q5b")
def einops_in_float64_and_queries_scaled(q, k, num_heads, dtype=torch.float64):
    q = rearrange(q, "b n (heads each) -> b heads n each", heads=num_heads).to(dtype)
    k = rearrange(k, "b m (heads each) -> b heads m each", heads=num_heads).to(dtype)
    q = q * q.shape[-1] ** -0.5
    energy = einsum_by_name(q, k, "b heads n each, b heads m each -> b heads n m")
    return energy.softmax(-1)


@right("Q5b")
def heads_folded_into_the_batch(q, k, num_heads):
    width = q.shape[-1] // num_heads
    q = rearrange(q, "b n (h d) -> (b h) n d", h=num_heads)
    k = rearrange(k, "b m (h d) -> (b h) d m", h=num_heads)
    weights = torch.bmm(q, k).div(width**0.5).softmax(dim=2)
    return weights.unflatten(0, (-1, num_heads))


# --- Q5b, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q5b",
    hint="The numbers are right, and it cannot be differentiated: numpy's arrays and Python numbers leave the "
    "graph. torch has the same operations for tensors.",
)
def numpy_reshape(q, k, num_heads):
    (b, n, e), m = q.shape, k.shape[1]
    q = np.asarray(q.cpu(), np.float64).reshape(b, n, num_heads, -1).transpose(0, 2, 1, 3)
    k = np.asarray(k.cpu(), np.float64).reshape(b, m, num_heads, -1).transpose(0, 2, 3, 1)
    grades = np.exp(q @ k / np.sqrt(e / num_heads))
    return grades / grades.sum(-1, keepdims=True)


@mistake(
    "Q5b",
    hint="The ranking is right and the weights are too sharp: the scores are not scaled.",
)
def not_scaled(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2)).softmax(-1)


@mistake(
    "Q5b",
    hint="It is right with one head and too even with several: the scale is made from the whole width. How many "
    "products does one score of one head add up?",
)
def scale_of_the_whole_width(q, k, num_heads):
    emb_size = q.shape[-1]
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) / emb_size**0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="No row of yours adds up to 1, since the division comes after the softmax; and it takes the root of the "
    "whole width where one head's is asked for.",
)
def whole_width_after_the_softmax(q, k, num_heads):
    emb_size = q.shape[-1]
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2)).softmax(-1) / emb_size**0.5


@mistake(
    "Q5b",
    hint="No row of yours adds up to 1: the number is right, but the division comes after the softmax.",
)
def head_width_after_the_softmax(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2)).softmax(-1) * q.shape[-1] ** -0.5


@mistake(
    "Q5b",
    hint="The weights are too even: the scores are divided by the width of a head itself and not by its root.",
)
def no_root(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) / q.shape[-1]).softmax(-1)


@mistake(
    "Q5b",
    hint="The scores are scaled by the root of the number of heads. A score adds up as many products as one head "
    "is wide.",
)
def root_of_the_number_of_heads(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) / num_heads**0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="The scores are scaled by another axis than the width of a head. Print the shape of the tensor whose size"
    " you take: after the split its axes are b, h, n, d.",
)
def root_of_the_number_of_tokens(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) / q.shape[2] ** 0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="Almost every row is a single 1 among zeros: the scale makes the scores larger and not smaller.",
)
def scaled_the_wrong_way(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** 0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="Your columns add up to 1 and your rows do not: the softmax runs over the queries. Which axis of (b, h, "
    "n, m) counts the keys?",
)
def softmax_along_the_queries(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(2)


@mistake(
    "Q5b",
    hint="The softmax runs over the heads: with one head every weight is 1. In Q5a's tensors (b, n, m) `dim=1` "
    "counted the queries; in (b, h, n, m) it counts the heads. Which axis counts the keys?",
)
def softmax_along_the_heads(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(1)


@mistake(
    "Q5b",
    hint="Raw scores are returned: some are negative, and no row adds up to 1. The softmax is missing.",
)
def energies_returned(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5


@mistake(
    "Q5b",
    hint="One head is right, several are not: head 0 takes every h-th number of a token. With the pattern `(h d)` "
    "it takes the first block of numbers.",
)
def heads_interleaved(q, k, num_heads):
    q, k = (rearrange(t, "b n (d h) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="One head is right, several are not: a reshape straight to (b, h, n, d) gives head 0 the first tokens, "
    "and not the first numbers of each token.",
)
def heads_by_reshape_alone(q, k, num_heads):
    q, k = (t.reshape(len(t), num_heads, t.shape[1], -1) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="Three axes come back: whole tokens are compared, and the heads have no axis of their own.",
)
def never_split(q, k, num_heads):
    return (q @ k.transpose(-1, -2) * (q.shape[-1] // num_heads) ** -0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="The axis of the heads is gone: they are averaged. Each head's weights are asked for.",
)
def heads_averaged(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1).mean(1)


@mistake(
    "Q5b",
    hint="Queries and keys are exchanged: your rows belong to keys. Compare the letters before the arrow with "
    "those after it.",
)
def keys_ask(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (k @ q.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)


# --- Q5, right -------------------------------------------------------------------------------------------------------


@right("Q5")
class LibraryInside(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.heads, self.dropout = num_heads, dropout
        for name in ("keys", "queries", "values", "projection"):
            setattr(self, name, nn.Linear(emb_size, emb_size))

    def forward(self, x, mask=None):
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.queries, self.keys, self.values)
        )
        rate = self.dropout if self.training else 0.0
        return self.projection(F.scaled_dot_product_attention(q, k, v, mask, rate).transpose(1, 2).flatten(2))


@right("Q5")
class ALoopOverHeads(nn.Module):
    def __init__(self, dim=64, heads=4, dropout=0.0, bias=False):
        super().__init__()
        self.h = heads
        self.queries, self.keys = nn.Linear(dim, dim, bias=bias), nn.Linear(dim, dim, bias=bias)
        self.values, self.projection = nn.Linear(dim, dim, bias=bias), nn.Linear(dim, dim)
        self.drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        b, n, _ = x.shape
        allowed = torch.ones(1, 1, n, n, dtype=torch.bool, device=x.device) if mask is None else mask
        allowed = allowed.expand(b, self.h, n, n)
        answers = []
        q, k, v = (layer(x).chunk(self.h, -1) for layer in (self.queries, self.keys, self.values))
        for i in range(self.h):
            energy = q[i] @ k[i].mT / math.sqrt(q[i].size(-1))
            energy = torch.where(allowed[:, i], energy, torch.tensor(-math.inf, device=x.device))
            answers.append(self.drop(energy.softmax(-1)) @ v[i])
        return self.projection(torch.cat(answers, -1))


@right("Q5")
class HeadsInTheBatch(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        b, n, d = x.shape
        h = self.num_heads

        def fold(t):
            return t.view(b, n, h, d // h).permute(0, 2, 1, 3).reshape(b * h, n, d // h)

        energy = torch.bmm(fold(self.queries(x)), fold(self.keys(x)).transpose(1, 2)) * (d // h) ** -0.5
        if mask is not None:
            energy = energy.view(b, h, n, n).masked_fill(mask.logical_not(), -1e9).view(b * h, n, n)
        out = torch.bmm(self.att_drop(energy.softmax(-1)), fold(self.values(x)))
        return self.projection(out.view(b, h, n, d // h).permute(0, 2, 1, 3).reshape(b, n, d))


@right("Q5")
class FunctionalWithWeightsGlued(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads, self.rate = num_heads, dropout
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        n = x.shape[1]
        blocked = None
        if mask is not None:
            blocked = ~mask.expand(len(x), self.num_heads, n, n).flatten(0, 1)
        turned = x.transpose(0, 1)
        out, _ = F.multi_head_attention_forward(
            turned, turned, turned, x.shape[-1], self.num_heads,
            torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers]),
            None, None, False, self.rate, self.projection.weight, self.projection.bias,
            training=self.training, attn_mask=blocked, need_weights=False,
        )  # fmt: skip
        return out.transpose(0, 1)


@right("Q5")
class PointwiseConvolutionsInFloat64(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.h = num_heads
        self.keys, self.queries, self.values, self.projection = (nn.Conv1d(emb_size, emb_size, 1) for _ in range(4))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        tokens = x.transpose(1, 2)
        q, k, v = (
            rearrange(layer(tokens), "b (h d) n -> b n h d", h=self.h).double()
            for layer in (self.queries, self.keys, self.values)
        )
        energy = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
        grades = (energy - energy.amax(-1, keepdim=True)).exp()
        if mask is not None:
            grades = grades * mask
        weights = self.dropout(grades / grades.sum(-1, keepdim=True))
        out = torch.einsum("bhij,bjhd->bihd", weights, v).flatten(2).float()
        return self.projection(out.transpose(1, 2)).transpose(1, 2)


@right("Q5")
class EachHeadProjectedAndAdded(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.out_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        d = x.shape[-1] // self.num_heads
        bias = 0.0
        if mask is not None:
            bias = torch.zeros(mask.shape, device=x.device).masked_fill(~mask, float("-inf"))
        split = "b n (h d) -> h b n d"
        q, k, v = (rearrange(layer(x), split, d=d) for layer in (self.queries, self.keys, self.values))
        out = self.projection.bias
        for i in range(self.num_heads):
            extra = bias[:, 0] if mask is not None and mask.ndim == 4 else bias
            one = (q[i] @ k[i].mT * d**-0.5 + extra).softmax(-1) @ v[i]
            out = out + one @ self.projection.weight[:, i * d : i * d + d].T
        return self.out_drop(out)


@right("Q5")
class HeadsBeforeWidth(nn.Module):
    def __init__(self, num_heads=4, emb_size=64, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@right("Q5")
class ThreeLayersInOne(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.qkv, self.projection = nn.Linear(emb_size, 3 * emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "b n (s h d) -> s b h n d", s=3, h=self.num_heads)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


# --- Q5, wrong -------------------------------------------------------------------------------------------------------


@mistake(
    "Q5",
    hint="One head is right, several are not: the last reshape lays the outputs of one head for several tokens "
    "next to each other, where the outputs of all heads for one token belong. The axis of the heads has to "
    "stand beside the width before the two are joined.",
)
class JoinedWithoutMoving(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = (weights @ v).reshape(x.shape)
        return self.projection(out)


@mistake(
    "Q5",
    hint="Split and join do not match: the width is cut into heads with one order of letters and joined with "
    "another. Compare the two patterns.",
)
class JoinedTheOtherWayRound(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (d h)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="One head is right, several are not: a reshape straight to (b, h, n, d) gives head 0 the first tokens, "
    "and not the first numbers of each token. Split the last axis first, then move the new axis.",
)
class SplitByReshapeAlone(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (layer(x).reshape(len(x), self.num_heads, x.shape[1], -1) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="Split and join match each other, but head 0 takes every h-th number of a token. With the pattern `(h d)`"
    " it takes the first block of numbers, as published weights do.",
)
class HeadsInterleaved(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (d h) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (d h)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The weights are too sharp, already with one head: the scores go into the softmax unscaled. See what Q5b "
    "does with them.",
)
class NoScale(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2)
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The rows of your weights add up to less than 1, because the weights are divided after the softmax, and "
    "by the root of the whole width. This is the mistake that section 6 measures.",
)
class AfterTheSoftmaxByTheWholeWidth(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2)
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1) / x.shape[-1] ** 0.5)
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The rows of your weights add up to less than 1: the number is right, but it divides the weights after "
    "the softmax and not the scores before it.",
)
class AfterTheSoftmaxByTheHead(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2)
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1) / q.shape[-1] ** 0.5)
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="One head is right, with several heads the weights are too even: the scores are scaled by the root of the"
    " whole width. A score adds up as many products as one head is wide.",
)
class ScaledByTheWholeWidth(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * x.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="Your columns add up to 1 and your rows do not: the softmax runs over the queries. It belongs on the axis"
    " that counts the keys.",
)
class SoftmaxOverQueries(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-2))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="With a single head all your weights are 1: the softmax runs over the heads. It belongs on the axis that "
    "counts the keys.",
)
class SoftmaxOverHeads(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The values are mixed with raw scores, some of them negative, and no row adds up to 1: the softmax is "
    "missing.",
)
class NoSoftmaxAtAll(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, 0.0)
        weights = self.att_drop(energy)
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="Every token gets a multiple of its own value only: the einsum has dropped the letter that counts the "
    "queries and kept the one that counts the keys.",
)
class MixedWithTheWrongLetter(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(torch.einsum("bhal,bhlv->bhlv", weights, v), "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The sum runs over the queries, where it should run over the keys. Which letter do weights and values share?",
)
class WeightsTurnedAround(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(torch.einsum("bhla,bhlv->bhav", weights, v), "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="Queries and keys are exchanged: row i of your scores belongs to key i. Look at the last two letters of "
    "your scores.",
)
class KeysAsk(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = k @ q.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The output is the joined heads themselves: the fourth layer, `projection`, is never called.",
)
class ProjectionForgotten(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return out


@mistake(
    "Q5",
    hint="The weights mix the tokens themselves: the layer `values` is never called.",
)
class ValuesNotProjected(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, nn.Identity())
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The weights are right, but they mix the keys and not the values.",
)
class KeysHandedOver(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ k, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="Your scores are symmetric: the same layer makes the queries and the keys. One of the four layers never "
    "appears in your forward.",
)
class KeysAskThemselves(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.keys, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The output is the right one plus x. A residual connection belongs to the block of lesson 06 and not into"
    " the attention.",
)
class OldTokensAdded(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return x + self.projection(out)


@mistake(
    "Q5",
    hint="With the mask and without it the output is the same. `masked_fill` changes nothing in place: it returns "
    "a new tensor, which has to be kept.",
)
class MaskWithoutEffect(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The keys that are forbidden get all the weight: here True means that a key may be attended to. (Some "
    "libraries mean the opposite.)",
)
class MaskTurnedAround(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="Forbidden keys get no weight, but the rows of the others add up to less than 1: the mask is applied "
    "after the softmax.",
)
class MaskedAfterTheSoftmax(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        weights = self.att_drop(energy.softmax(-1))
        if mask is not None:
            weights = weights * mask
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="Forbidden keys still get weight. Their score is set to 0, and e to the power 0 is 1: which score gives a"
    " weight of 0?",
)
class MaskedWithZero(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy * mask
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="A mask (n, n) works and one of (b, 1, 1, n) does not: two axes are put in front of any mask. "
    "Broadcasting adds leading axes by itself.",
)
class MaskAlwaysLifted(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask[None, None], torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="After `.eval()` the output is still random. `F.dropout` has to be told whether the module is training.",
)
class DropoutInEvaluation(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.rate = dropout

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = F.dropout(energy.softmax(-1), self.rate)
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="Everything is right except that nothing is dropped in training: the argument `dropout` is not used.",
)
class DropoutForgotten(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = energy.softmax(-1)
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="It is right wherever the number of heads is given. Without arguments it has another number of heads than"
    " the signature says.",
)
class OtherDefaults(nn.Module):
    def __init__(self, emb_size=64, num_heads=8, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="The heads are averaged, so the result is as wide as one head and does not fit the projection. Heads are "
    "joined side by side: 4 heads of 16 make 64.",
)
class HeadsAveraged(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = (weights @ v).mean(1)
        return self.projection(out)


@mistake(
    "Q5",
    hint="Without arguments the module works; with another emb_size its layers keep their size. A number in "
    "`__init__` stands where the argument belongs.",
)
class WidthWrittenAsANumber(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(64, 64), nn.Linear(64, 64)
        self.values, self.projection = nn.Linear(64, 64), nn.Linear(64, 64)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out)


@mistake(
    "Q5",
    hint="A tuple of two is returned, as `nn.MultiheadAttention` does. One tensor is asked for: the tokens.",
)
class WeightsReturnedToo(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        layers = (self.queries, self.keys, self.values)
        q, k, v = (rearrange(layer(x), "b n (h d) -> b h n d", h=self.num_heads) for layer in layers)
        energy = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
        if mask is not None:
            energy = energy.masked_fill(~mask, torch.finfo(energy.dtype).min)
        weights = self.att_drop(energy.softmax(-1))
        out = rearrange(weights @ v, "b h n d -> b n (h d)")
        return self.projection(out), weights


SCALED = "scores * keys.shape[-1] ** -0.5"
for name, line, hint in (
    (
        "multiplied_by_the_root",
        "scores * keys.shape[-1] ** 0.5",
        (
            "Nearly every weight is 0 or 1, already with one head: the scores are multiplied by the root of the width, "
            "where they should be divided by it."
        ),
    ),
    (
        "heads_in_the_root",
        "scores / (keys.shape[-1] * self.num_heads / self.num_heads**0.5)",
        (
            "The scores are divided by emb_size / num_heads ** 0.5. Python takes the power first, so the root is that "
            "of the number of heads and not that of the width of one head."
        ),
    ),
    (
        "divided_by_the_width_itself",
        "scores / keys.shape[-1]",
        (
            "The weights are too even, already with one head: the scores are divided by the width of a head itself and "
            "not by its root."
        ),
    ),
    (
        "divided_by_the_number_of_tokens",
        "scores * keys.shape[2] ** -0.5",
        (
            "The scores are scaled by the number of tokens. After the split the axes are b, h, n, d: which of them is "
            "the width of a head?"
        ),
    ),
    (
        "divided_by_the_number_of_heads",
        "scores * keys.shape[1] ** -0.5",
        "The scores are scaled by the number of heads. A score adds up as many products as one head is wide.",
    ),
):
    edited("Q5", name, {SCALED: line}, hint=hint)

HEADS = "self.num_heads = num_heads"
edited(
    "Q5", "a_single_head", {HEADS: "self.num_heads = 1"},
    hint="One head is right, several are not: the number of heads has no effect, and whole tokens are compared.",
)  # fmt: skip
edited(
    "Q5", "values_of_the_queries", {"rearrange(self.values(x)": "rearrange(self.queries(x)"},
    hint="The weights are right, but they mix the queries and not the values.",
)  # fmt: skip
edited(
    "Q5", "weights_without_gradient",
    {"weights = self.att_drop(weights)": "weights = self.att_drop(weights.detach())"},
    hint="The outputs are right, and queries and keys get no gradient: the weights are detached (or computed under "
    "`no_grad`), so only the values and the projection learn.",
)  # fmt: skip
edited(
    "Q5", "all_without_gradient", {"return self.projection(out)": "return self.projection(out.detach())"},
    hint="The outputs are right, and only the projection gets a gradient: what it reads is detached, or computed "
    "under `no_grad`.",
)  # fmt: skip
edited(
    "Q5", "layers_hidden_in_a_list",
    {
        "self.keys = nn.Linear(emb_size, emb_size)": "self.__dict__['keys'] = nn.Linear(emb_size, emb_size)",
        "self.queries = nn.Linear(emb_size, emb_size)": "self.__dict__['queries'] = nn.Linear(emb_size, emb_size)",
        "self.values = nn.Linear(emb_size, emb_size)": "self.__dict__['values'] = nn.Linear(emb_size, emb_size)",
    },
    hint="The outputs are right, and the weights of some layers are not among the module's parameters, so no "
    "optimizer gets them. A layer is registered when it is assigned to an attribute of the module.",
)  # fmt: skip
edited(
    "Q5", "dropout_of_the_complement", {"nn.Dropout(dropout)": "nn.Dropout(dropout / 4)"},
    hint="In training too little is dropped: the rate of the Dropout is another one than the argument.",
)  # fmt: skip


# --- Q5c, right ------------------------------------------------------------------------------------------------------


@right("Q5c")
class WrittenOut(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.h = num_heads
        self.queries, self.keys = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        split = "b n (h d) -> b h n d"
        q = rearrange(self.queries(x), split, h=self.h)
        k, v = (rearrange(layer(context), split, h=self.h) for layer in (self.keys, self.values))
        energy = torch.einsum("bhnd,bhmd->bhnm", q, k) / math.sqrt(q.shape[-1])
        return self.projection(torch.einsum("bhnm,bhmd->bnhd", energy.softmax(-1), v).flatten(2))


@right("Q5c")
class HeadAfterHead(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, bias=False):
        super().__init__()
        self.num_heads = num_heads
        for name in ("queries", "keys", "values", "projection"):
            self.add_module(name, nn.Linear(emb_size, emb_size, bias=bias))

    def forward(self, tokens, memory):
        q, k, v = self.queries(tokens), self.keys(memory), self.values(memory)
        parts = zip(*(t.chunk(self.num_heads, dim=-1) for t in (q, k, v)), strict=True)
        return self.projection(torch.cat([F.scaled_dot_product_attention(*part) for part in parts], dim=-1))


@right("Q5c")
class FunctionalOfPyTorch(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.queries, self.keys = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        layers = (self.queries, self.keys, self.values)
        asks, asked = x.transpose(0, 1), context.transpose(0, 1)
        out, _ = F.multi_head_attention_forward(
            asks, asked, asked, x.shape[-1], self.num_heads, None, torch.cat([layer.bias for layer in layers]),
            None, None, False, 0.0, self.projection.weight, self.projection.bias, use_separate_proj_weight=True,
            q_proj_weight=self.queries.weight, k_proj_weight=self.keys.weight, v_proj_weight=self.values.weight,
        )  # fmt: skip
        return out.transpose(0, 1)


@right("Q5c")
class SelfAttentionWithAMask(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.queries, self.keys = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        both = torch.cat([x, context], dim=1)
        allowed = torch.arange(both.shape[1], device=x.device) >= x.shape[1]
        layers = (self.queries, self.keys, self.values)
        q, k, v = (layer(both).unflatten(2, (self.num_heads, -1)).transpose(1, 2) for layer in layers)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed.expand(both.shape[1], -1))
        return self.projection(out.transpose(1, 2).flatten(2)[:, : x.shape[1]])


@right("Q5c")
class EveryQueryByItself(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.width = emb_size // num_heads
        self.queries, self.keys = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        keys, values = (layer(context).unflatten(2, (-1, self.width)) for layer in (self.keys, self.values))
        out = []
        for token in self.queries(x).unbind(1):
            query = token.unflatten(1, (-1, self.width))[:, None]  # b 1 h d
            weights = (query * keys).sum(-1).div(self.width**0.5).softmax(1)  # b m h
            out.append((weights[..., None] * values).sum(1).flatten(1))
        return self.projection(torch.stack(out, 1))


@right("Q5c")
class KeysAndValuesInOneLayer(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.h = num_heads
        self.to_q, self.to_kv = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, 2 * emb_size)
        self.out = nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        k, v = rearrange(self.to_kv(context), "b m (two h d) -> two b h m d", two=2, h=self.h)
        q = rearrange(self.to_q(x), "b n (h d) -> b h n d", h=self.h)
        return self.out(rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"))


@right("Q5c")
class RawMatricesInFloat64(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.h = num_heads
        self.W_q, self.W_k, self.W_v, self.W_o = (nn.Parameter(torch.randn(emb_size, emb_size) / 8) for _ in range(4))

    def forward(self, x, context):
        q, k, v = ((t @ w).double() for t, w in ((x, self.W_q), (context, self.W_k), (context, self.W_v)))
        q, k, v = (t.unflatten(-1, (self.h, -1)).transpose(1, 2) for t in (q, k, v))
        heads = torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v
        return heads.transpose(1, 2).flatten(2).float() @ self.W_o


@right("Q5c")
class TorchsOwn(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.attention = nn.MultiheadAttention(emb_size, num_heads, batch_first=True)

    def forward(self, x, context):
        return self.attention(x, context, context, need_weights=False)[0]


# --- Q5c, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q5c",
    hint="There is one output for each token of the context: x and context have changed roles. The queries come "
    "from x.",
)
class ContextAsks(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(context), self.keys(x), self.values(x)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="The output does not depend on the context: all three layers get x, which is self-attention.",
)
class ContextIgnored(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(x), self.values(x)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="The output does not depend on x: all three layers get the context. The queries come from x.",
)
class OnlyContext(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(context), self.keys(context), self.values(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="Keys come from the context and values from x, so key j and value j belong to different tokens. With "
    "unequal lengths it cannot run.",
)
class KeysFromContextOnly(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(context), self.values(x)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="Keys come from x and values from the context, so key j and value j belong to different tokens. Both have"
    " to come from the same set.",
)
class ValuesFromContextOnly(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(x), self.values(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="The queries attend to x as well: x and context are concatenated before keys and values are made. Here "
    "they are made from the context alone.",
)
class BothSetsAsked(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        both = torch.cat([x, context], 1)
        q, k, v = self.queries(x), self.keys(both), self.values(both)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="The sources are right and the layers are exchanged: `values` makes the keys and `keys` makes the values.",
)
class LayersMixedUp(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.values(context), self.keys(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="One layer makes the keys and the values. Which of the four layers never appears in your forward?",
)
class OneLayerForKeysAndValues(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(context), self.keys(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="The output is the joined heads themselves: the layer `projection` is never called.",
)
class NoProjection(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(context), self.values(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return rearrange(out, "b h n d -> b n (h d)")


@mistake(
    "Q5c",
    hint="One head is right, several are not: the reshape lays the outputs of one head for several tokens next to "
    "each other, where the outputs of all heads for one token belong.",
)
class HeadsNotMovedBack(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(context), self.values(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(out.reshape(x.shape))


@mistake(
    "Q5c",
    hint="One head is right, several are not: the letters in the brackets of your join stand in another order than"
    " in the split.",
)
class HeadsJoinedInterleaved(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(context), self.values(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(rearrange(out, "b h n d -> b n (d h)"))


@mistake(
    "Q5c",
    hint="It is right for a single head. With several heads whole tokens are still compared: `num_heads` is not used.",
)
class OneWideHead(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(context), self.values(context)
        out = F.scaled_dot_product_attention(q, k, v)
        return self.projection(out)


@mistake(
    "Q5c",
    hint="The weights are too sharp, already with one head: the scores are not scaled. If you write attention out "
    "yourself, the factor of Q5b belongs here as well.",
)
class WithoutScale(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(context), self.values(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = (q @ k.transpose(-1, -2)).softmax(-1) @ v
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="One head is right, with several heads the weights are too even: the scores are scaled by the root of the"
    " whole width and not of one head's.",
)
class WholeWidthScale(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(context), self.values(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = (q @ k.transpose(-1, -2) / x.shape[-1] ** 0.5).softmax(-1) @ v
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))


@mistake(
    "Q5c",
    hint="The output is the right one plus x. A residual connection belongs around the layer (lesson 06) and not "
    "into it.",
)
class QuestionsAdded(nn.Module):
    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys, self.queries = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.values, self.projection = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, context):
        q, k, v = self.queries(x), self.keys(context), self.values(context)
        q, k, v = (rearrange(t, "b n (h d) -> b h n d", h=self.num_heads) for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return x + self.projection(rearrange(out, "b h n d -> b n (h d)"))


# --- Q5d, the blank page ---------------------------------------------------------------------------------------------


@reference("Q5d")
def every_layout(case):
    """Output and input gradient for every order in which rows may act as queries, keys, values and projection."""
    d, h = case["emb_size"], case["num_heads"]
    blocks = torch.from_numpy(case["rows"]).double().reshape(4, d, d)
    fused = blocks[:3].reshape(3 * d, d)
    by_head = rearrange(fused, "(h three k) d -> three (h k) d", h=h, three=3)
    by_number = rearrange(fused, "(h k three) d -> three (h k) d", h=h, three=3)
    late = rearrange(blocks[1:].reshape(3 * d, d), "(h three k) d -> three (h k) d", h=h, three=3)
    layouts = [blocks[list(order)] for order in itertools.permutations(range(4))]
    layouts += [layout.mT for layout in layouts]
    for three, last in ((by_head, blocks[3]), (by_number, blocks[3]), (late, blocks[0])):
        layouts += [torch.stack([*three[list(o)], last]) for o in itertools.permutations(range(3))]
    mask = torch.from_numpy(case["mask"]) if "mask" in case else None
    outs, slopes = [], []
    for q, k, v, o in layouts:
        x = torch.from_numpy(case["x"]).double().requires_grad_()
        parts = [rearrange(x @ w.T, "b n (h k) -> b h n k", h=h) for w in (q, k, v)]
        out = rearrange(F.scaled_dot_product_attention(*parts, mask), "b h n k -> b n (h k)") @ o.T
        outs.append(out.detach())
        slopes.append(torch.autograd.grad((out * torch.from_numpy(case["aim"]).double()).sum(), x)[0])
    return {"ways": torch.stack(outs).float().numpy(), "slopes": torch.stack(slopes).float().numpy()}


@right("Q5d")
class OneFusedLayer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.qkv(x), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        return self.proj(F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2))


@right("Q5d")
class OneModulePerHead(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        d = emb_size // num_heads
        self.heads = nn.ModuleList(
            nn.ModuleList(nn.Linear(emb_size, d, bias=False) for _ in range(3)) for _ in range(num_heads)
        )
        self.out = nn.Linear(emb_size, emb_size, bias=False)

    def forward(self, x, mask=None):
        parts = []
        for query, key, value in self.heads:
            scores = query(x) @ key(x).mT / math.sqrt(query.out_features)
            if mask is not None:
                scores = scores.masked_fill(~mask, -math.inf)
            parts.append(scores.softmax(-1) @ value(x))
        return self.out(torch.cat(parts, -1))


@right("Q5d")
class PlainParameters(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.h = num_heads
        for name in ("wo", "wv", "wk", "wq"):
            setattr(self, name, nn.Parameter(torch.randn(emb_size, emb_size) / emb_size**0.5))

    def forward(self, x, mask=None):
        q, k, v = (rearrange(x @ w, "b n (h d) -> b h n d", h=self.h) for w in (self.wq, self.wk, self.wv))
        scores = torch.einsum("bhqd, bhkd -> bhqk", q, k) * q.shape[-1] ** -0.5
        scores = scores if mask is None else torch.where(mask, scores, torch.finfo(scores.dtype).min)
        return rearrange(scores.softmax(-1) @ v, "b h n d -> b n (h d)") @ self.wo


@right("Q5d")
class InterleavedInEachHead(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.h = num_heads
        self.c_attn = nn.Linear(emb_size, 3 * emb_size)
        self.c_proj = nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        q, k, v = rearrange(self.c_attn(x), "b n (h three d) -> three b h n d", three=3, h=self.h)
        return self.c_proj(rearrange(F.scaled_dot_product_attention(q, k, v, mask), "b h n d -> b n (h d)"))


@mistake(
    "Q5d",
    hint="Your scores are divided by the square root of the whole width. A score sums over the width of one head only.",
)
class memory_scaled_by_whole_width(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.h = num_heads
        self.q, self.k = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.v, self.o = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        q, k, v = (rearrange(f(x), "b n (h d) -> b h n d", h=self.h) for f in (self.q, self.k, self.v))
        scores = q @ k.mT / x.shape[-1] ** 0.5
        scores = scores if mask is None else scores.masked_fill(~mask, -1e9)
        return self.o(rearrange(scores.softmax(-1) @ v, "b h n d -> b n (h d)"))


@mistake("Q5d", hint="Your scores are not scaled. Dot products of vectors of width d have a spread of √d.")
class memory_without_scale(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.h = num_heads
        self.q, self.k = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.v, self.o = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        q, k, v = (rearrange(f(x), "b n (h d) -> b h n d", h=self.h) for f in (self.q, self.k, self.v))
        scores = q @ k.mT
        scores = scores if mask is None else scores.masked_fill(~mask, -1e9)
        return self.o(rearrange(scores.softmax(-1) @ v, "b h n d -> b n (h d)"))


@mistake(
    "Q5d",
    hint="Your weights add up to 1 over the queries. Each query has one unit of weight to divide among the keys: over "
    "which axis must the softmax run?",
)
class memory_softmax_over_queries(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.h = num_heads
        self.q, self.k = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.v, self.o = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        q, k, v = (rearrange(f(x), "b n (h d) -> b h n d", h=self.h) for f in (self.q, self.k, self.v))
        scores = q @ k.mT / q.shape[-1] ** 0.5
        scores = scores if mask is None else scores.masked_fill(~mask, -1e9)
        return self.o(rearrange(scores.softmax(-2) @ v, "b h n d -> b n (h d)"))


@mistake(
    "Q5d",
    hint="The heads are joined by a reshape alone, so a token receives numbers of other tokens. Which two axes must "
    "change places before the reshape?",
)
class memory_joined_without_move(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.h = num_heads
        self.q, self.k = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.v, self.o = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        q, k, v = (rearrange(f(x), "b n (h d) -> b h n d", h=self.h) for f in (self.q, self.k, self.v))
        scores = q @ k.mT / q.shape[-1] ** 0.5
        scores = scores if mask is None else scores.masked_fill(~mask, -1e9)
        return self.o((scores.softmax(-1) @ v).reshape(x.shape))


@mistake("Q5d", hint="Your mask is read the other way round: here True means that a key may be attended to.")
class memory_mask_inverted(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.h = num_heads
        self.q, self.k = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.v, self.o = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        q, k, v = (rearrange(f(x), "b n (h d) -> b h n d", h=self.h) for f in (self.q, self.k, self.v))
        scores = q @ k.mT / q.shape[-1] ** 0.5
        scores = scores if mask is None else scores.masked_fill(mask, -1e9)
        return self.o(rearrange(scores.softmax(-1) @ v, "b h n d -> b n (h d)"))


@mistake(
    "Q5d",
    hint="Your mask acts after the softmax: the remaining weights no longer add up to 1. Forbid a key before the "
    "softmax, by its score.",
)
class memory_mask_after_softmax(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.h = num_heads
        self.q, self.k = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.v, self.o = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        q, k, v = (rearrange(f(x), "b n (h d) -> b h n d", h=self.h) for f in (self.q, self.k, self.v))
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        weights = weights if mask is None else weights * mask
        return self.o(rearrange(weights @ v, "b h n d -> b n (h d)"))


@mistake(
    "Q5d",
    hint="The layers are right and the heads are cut out of the tokens, not out of the width: a reshape to "
    "(b, h, n, d) has the right shape and the wrong content.",
)
class memory_heads_of_tokens(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.h = num_heads
        self.q, self.k = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.v, self.o = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        b, n, e = x.shape
        q, k, v = (f(x).reshape(b, self.h, n, e // self.h) for f in (self.q, self.k, self.v))
        scores = q @ k.mT / q.shape[-1] ** 0.5
        scores = scores if mask is None else scores.masked_fill(~mask, -1e9)
        return self.o(rearrange(scores.softmax(-1) @ v, "b h n d -> b n (h d)"))


@right("Q5d")
class EinsumOnFourMatrices(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(width, width) for _ in range(4))
        self.heads = heads

    def forward(self, x, mask=None):
        q, k, v = (part(x).unflatten(-1, (self.heads, -1)) for part in self.maps[:3])
        scores = torch.einsum("bqhd,bkhd->bhqk", q / math.sqrt(q.shape[-1]), k)
        if mask is not None:
            scores = scores + torch.zeros_like(mask, dtype=scores.dtype).masked_fill(~mask, -1e30)
        weights = torch.exp(scores - torch.logsumexp(scores, dim=-1, keepdim=True))
        return self.maps[3](torch.einsum("bhqk,bkhd->bqhd", weights, v).flatten(2))


JOINED = 'rearrange(heads, "b h n d -> b n (h d)")'
SPLIT = '"b n (h d) -> b h n d"'
for name, changes, hint in (
    (
        "memory_keys_of_the_queries",
        {"self.to_keys(x)": "self.to_queries(x)"},
        "Keys and queries are made by the same layer, and one of your layers is never called.",
    ),
    (
        "memory_values_of_the_keys",
        {"self.to_values(x)": "self.to_keys(x)"},
        "Keys and values are made by the same layer, and one of your layers is never called.",
    ),
    (
        "memory_without_projection",
        {f"return self.to_out({JOINED})": f"return {JOINED}"},
        "The output is the joined heads themselves. The last linear layer is never called.",
    ),
    (
        "memory_multiplied_by_the_root",
        {"/ q.shape[-1] ** 0.5": "* q.shape[-1] ** 0.5"},
        "The scores are multiplied by the root of a head's width. They should be divided by it.",
    ),
    (
        "memory_divided_by_the_width",
        {"/ q.shape[-1] ** 0.5": "/ q.shape[-1]"},
        "The scores are divided by the width of a head. They should be divided by its square root.",
    ),
    (
        "memory_queries_split_otherwise",
        {SPLIT: '"b n (d h) -> b h n d"'},
        (
            "The queries are split as (d h) and the keys as (h d), so a query is compared with other numbers "
            "than its own "
            "head's."
        ),
    ),
    (
        "memory_joined_in_another_order",
        {'"b h n d -> b n (h d)"': '"b h n d -> b n (d h)"'},
        "The heads are split as (h d) and joined as (d h), so the last layer gets the numbers in another order.",
    ),
    (
        "memory_without_softmax",
        {"scores.softmax(dim=-1)": "scores"},
        "The scores are used as weights as they are. The softmax is missing.",
    ),
    (
        "memory_softmax_over_heads",
        {"softmax(dim=-1)": "softmax(dim=1)"},
        "The softmax runs over the heads, axis 1 of (b, h, n, m). It should run over the keys, the last axis.",
    ),
    (
        "memory_x_added",
        {"return self.to_out(": "return x + self.to_out("},
        "The output is the right one plus x. A residual connection belongs around the layer and not into it.",
    ),
    (
        "memory_detached",
        {JOINED: JOINED.replace("heads,", "heads.detach(),")},
        (
            "The outputs are right, and no gradient reaches the input: what the last layer reads is "
            "detached, or computed "
            "under `no_grad`."
        ),
    ),
    (
        "memory_mask_without_effect",
        {"if mask is not None:": "if mask is None and False:"},
        "The mask has no effect: the output is the same with and without it.",
    ),
    (
        "memory_forbidden_score_zero",
        {"torch.finfo(scores.dtype).min": "0.0"},
        "A forbidden key gets the score 0, and exp(0) = 1 still gives it weight. Use a very large negative number.",
    ),
    (
        "memory_a_single_head",
        {"h=self.num_heads": "h=1"},
        "One head is right, several are not: the number of heads has no effect, and whole tokens are compared.",
    ),
):
    edited("Q5d", name, changes, hint=hint)


OUT = 'self.projection(rearrange(out, "b h n d -> b n (h d)"))'
for name, changes, hint in (
    (
        "detached_context",
        {"keys = self.split(self.keys(context))": "keys = self.split(self.keys(context.detach()))",
         "values = self.split(self.values(context))": "values = self.split(self.values(context.detach()))"},
        ("The outputs are right, and no gradient reaches the context: it is detached, so an encoder that "
         "makes it could "
        "not be trained."),
    ),
    (
        "detached_heads",
        {"rearrange(out,": "rearrange(out.detach(),"},
        ("The outputs are right, and only `projection` gets a gradient: what it reads is detached, or computed under "
        "`no_grad`."),
    ),
    (
        "causal_as_well",
        {"(queries, keys, values)": "(queries, keys, values, is_causal=True)"},
        ("Token i of x attends to the first i + 1 tokens of the context only: a causal mask is set. Here "
         "every token of "
        "x attends to the whole context."),
    ),
    (
        "context_added",
        {f"return {OUT}": f"return {OUT} + context.mean(dim=1, keepdim=True)"},
        "The output is the right one plus the mean of the context.",
    ),
    (
        "keys_and_values_split_otherwise",
        {"keys = self.split(self.keys(context))":
         'keys = rearrange(self.keys(context), "b n (d h) -> b h n d", h=self.num_heads)'},
        "One head is right, several are not: the keys are split as (d h) and the queries as (h d).",
    ),
    (
        "projection_before_the_heads_are_joined",
        {f"return {OUT}": "return rearrange(self.projection.weight[: out.shape[-1], : out.shape[-1]] @ out.mT, "
                          '"b h d n -> b n (h d)")'},
        "The last layer is applied to each head by itself. Join the heads first, then apply `projection`.",
    ),
):  # fmt: skip
    edited("Q5c", name, changes, hint=hint)


@right("Q5b")
def einsum_on_split_axes(queries, keys, num_heads):
    queries, keys = (tokens.unflatten(2, (num_heads, tokens.shape[2] // num_heads)) for tokens in (queries, keys))
    exponents = torch.einsum("bnhd,bmhd->bhnm", queries, keys).div(math.sqrt(queries.shape[3]))
    return torch.exp(exponents - exponents.logsumexp(dim=3, keepdim=True))


for name, changes, hint in (
    (
        "logarithms_of_weights",
        {"torch.softmax(": "torch.log_softmax("},
        "You return the logarithms of the weights, so all numbers are below 0. Use `softmax`.",
    ),
    (
        "sigmoid_in_place_of_softmax",
        {"torch.softmax(scores * scale, dim=-1)": "torch.sigmoid(scores * scale)"},
        (
            "Each weight comes from a sigmoid of its own score, so the rows do not add up to 1. Use a softmax over the "
            "keys."
        ),
    ),
    (
        "heads_in_front_of_the_batch",
        {"torch.softmax(scores * scale, dim=-1)": "torch.softmax(scores * scale, dim=-1).transpose(0, 1)"},
        "The weights are right and the axes are (h, b, n, m). The batch comes first: (b, h, n, m).",
    ),
    (
        "weights_cut_off_from_autograd",
        {"torch.softmax(scores * scale, dim=-1)": "torch.softmax(scores * scale, dim=-1).detach()"},
        (
            "The weights are right, and no gradient reaches queries and keys: they are detached, or computed under "
            "`no_grad`."
        ),
    ),
):
    edited("Q5b", name, changes, hint=hint)


# --- Q5e, the stretch question ---------------------------------------------------------------------------------------


@right("Q5e")
def with_split_and_logsumexp(q, k, v, block):
    outs, sums = [], []
    for some_k, some_v in zip(k.split(block), v.split(block), strict=True):
        scores = q @ some_k.T * q.shape[1] ** -0.5
        outs.append(scores.softmax(-1) @ some_v)
        sums.append(scores.logsumexp(-1))
    weights = torch.stack(sums, -1).softmax(-1)  # n blocks
    return sum(weights[:, [i]] * out for i, out in enumerate(outs))


@right("Q5e")
def log_sum_so_far(q, k, v, block):
    log_sum, out = None, None
    for i in range(0, k.shape[0], block):
        scores = (q / math.sqrt(q.shape[-1])) @ k[i : i + block].mT
        new = scores.logsumexp(1, keepdim=True)
        part = (scores - new).exp() @ v[i : i + block]
        if out is None:
            log_sum, out = new, part
        else:
            both = torch.logaddexp(log_sum, new)
            out = out * (log_sum - both).exp() + part * (new - both).exp()
            log_sum = both
    return out


@right("Q5e")
def maximum_first_then_a_second_pass(queries, keys, values, size):
    scale = queries.shape[-1] ** -0.5
    starts = range(0, len(keys), size)
    top = torch.stack([(queries @ keys[s : s + size].T).max(-1).values for s in starts]).max(0).values[:, None]
    total, out = 0, 0
    for s in starts:
        e = torch.exp(scale * (queries @ keys[s : s + size].T - top))
        total, out = total + e.sum(-1, keepdim=True), out + e @ values[s : s + size]
    return out / total


@right("Q5e")
def query_by_query(q, k, v, block):
    rows = []
    for query in q:
        scores = [part @ query / len(query) ** 0.5 for part in k.split(block)]
        top = torch.stack([s.max() for s in scores]).max()
        weights = torch.cat([(s - top).exp() for s in scores])
        rows.append(weights @ v / weights.sum())
    return torch.stack(rows)


@right("Q5e")
def always_normalised(q, k, v, block):
    top = torch.full_like(q[:, :1], -1e30)
    total, mean = torch.zeros_like(top), q.new_zeros(len(q), v.size(1))
    for part_k, part_v in zip(torch.split(k, block), torch.split(v, block), strict=True):
        scores = torch.einsum("nd,md->nm", q, part_k) / math.sqrt(q.size(1))
        new_top = torch.maximum(top, scores.max(dim=1, keepdim=True)[0])
        e = torch.exp(scores - new_top)
        old = total * torch.exp(top - new_top)
        total = old + e.sum(1, keepdim=True)
        mean = (mean * old + e @ part_v) / total
        top = new_top
    return mean


edited(
    "Q5e", "no_maximum", {"torch.maximum(top, scores.amax(dim=1, keepdim=True))": "torch.zeros_like(top)",
                          "-torch.inf": "0.0"},
    hint="With large scores your result is nan: nothing is subtracted before `exp`, which overflows above 88.",
)  # fmt: skip
edited(
    "Q5e", "sum_not_rescaled", {"total = total * rescale +": "total = total +"},
    hint="Your sum of exponentials is not rescaled when a larger score appears; the weighted sum is.",
)  # fmt: skip
edited(
    "Q5e", "result_not_rescaled", {"result = result * rescale +": "result = result +"},
    hint="Your weighted sum of values is not rescaled when a larger score appears; the sum of exponentials is.",
)  # fmt: skip
edited(
    "Q5e",
    "nothing_rescaled",
    {"total = total * rescale +": "total = total +", "result = result * rescale +": "result = result +"},
    hint="Each block is measured against its own maximum, and nothing is rescaled when that changes.",
)
edited(
    "Q5e",
    "rescaled_the_wrong_way",
    {"rescale = (top - new_top).exp()": "rescale = (new_top - top).exp().nan_to_num(0, 0, 0)"},
    hint="You rescale by exp(new − old), which is at least 1. What was added before must become smaller.",
)
edited(
    "Q5e",
    "maximum_of_the_block_alone",
    {"torch.maximum(top, scores.amax(dim=1, keepdim=True))": "scores.amax(dim=1, keepdim=True)"},
    hint="Your new maximum forgets the earlier blocks. The result is right while scores are moderate, and large scores "
    "overflow when you rescale.",
)
edited(
    "Q5e",
    "mean_of_the_blocks",
    {
        "total = total * rescale + weights.sum(dim=1, keepdim=True)": "total = total + 1",
        "result = result * rescale + weights @ v[start : start + block]": (
            "result = result + weights / weights.sum(dim=1, keepdim=True) @ v[start : start + block]"
        ),
    },
    hint="You average the attention of the blocks. A block with larger scores must count for more.",
)
edited(
    "Q5e", "not_divided", {"return result / total": "return result"},
    hint="Your result is not divided by the sum of the exponentials.",
)  # fmt: skip
edited(
    "Q5e", "not_scaled", {" / d**0.5": ""},
    hint="Your scores are not divided by the root of d.",
)  # fmt: skip
edited(
    "Q5e", "divided_by_the_width", {" / d**0.5": " / d"},
    hint="Your scores are divided by d. Its root belongs there.",
)  # fmt: skip
edited(
    "Q5e", "last_block_forgotten", {"range(0, len(k), block)": "range(0, len(k) - block + 1, block)"},
    hint="Your loop leaves out the last block when it is shorter than the others.",
)  # fmt: skip
edited(
    "Q5e", "first_block_only", {"        top = new_top\n": "        top = new_top\n        break\n"},
    hint="Only the first block is used: the loop ends after it.",
)  # fmt: skip
edited(
    "Q5e", "top_not_kept", {"        top = new_top\n": ""},
    hint="`top` never changes, so every rescaling starts from minus infinity and forgets the earlier blocks.",
)  # fmt: skip
edited(
    "Q5e", "top_starts_at_zero", {"-torch.inf": "0.0"},
    hint="`top` starts at 0, so that queries whose scores are all very negative lose everything: exp of each is 0.",
)  # fmt: skip
edited(
    "Q5e", "gradient_stops_at_the_keys", {"q @ k[start : start + block].T": "q @ k[start : start + block].T.detach()"},
    hint="The numbers are right, and no gradient reaches the keys: they are detached.",
)  # fmt: skip
edited(
    "Q5e", "weights_detached", {"weights = (scores - new_top).exp()": "weights = (scores - new_top).exp().detach()"},
    hint="The numbers are right, but the weights are detached: gradients reach the values only.",
)  # fmt: skip


@mistake("Q5e", hint="All n · m scores are made at once, as in Q5a. Here the keys come block by block.")
def all_at_once(q, k, v, block):
    return (q @ k.T / q.shape[1] ** 0.5).softmax(1) @ v


@mistake(
    "Q5e", hint="You use F.scaled_dot_product_attention, which is the answer itself: write the loop over the blocks."
)
def by_torch(q, k, v, block):
    return F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
