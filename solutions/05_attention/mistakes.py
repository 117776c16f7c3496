"""Lesson 05: what students really write, right in unusual ways and wrong in usual ones."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from einops import einsum as einsum_by_name
from einops import rearrange
from torch import nn

from grading.judging.bank import mistake, right

# --- Q5a, right ------------------------------------------------------------------------------------------------------


@right("Q5a")
def three_loops(q, k, v):
    out = torch.zeros(q.shape[0], q.shape[1], v.shape[2], device=q.device)
    for b in range(q.shape[0]):
        for i in range(q.shape[1]):
            grades = [math.exp(float(q[b, i] @ k[b, j]) / math.sqrt(q.shape[2])) for j in range(k.shape[1])]
            for j, grade in enumerate(grades):
                out[b, i] += grade / sum(grades) * v[b, j]
    return out


@right("Q5a")
def the_library_call(queries, keys, values):
    return F.scaled_dot_product_attention(queries, keys, values)


@right("Q5a")
def two_einsums_in_float64(q, k, v, eps=0.0):
    q, k, v = q.double(), k.double(), v.double()
    energy = torch.einsum("bid,bjd->bij", q, k) / (math.sqrt(q.size(-1)) + eps)
    return torch.einsum("bij,bjd->bid", torch.softmax(energy, 2), v)


@right("Q5a")
def numpy_with_the_maximum_taken_off(q, k, v):
    q, k, v = (np.asarray(t.detach().cpu(), np.float64) for t in (q, k, v))
    energy = q @ k.swapaxes(1, 2) * q.shape[2] ** -0.5
    grades = np.exp(energy - energy.max(-1, keepdims=True))
    return grades / grades.sum(-1, keepdims=True) @ v


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
    hint="The order of your weights is right, and they are too sharp: the largest of a row takes nearly all. "
    "Section 3 measured how dot products grow with the width. Where do you make up for it?",
)
def no_scale(q, k, v):
    return (q @ k.transpose(1, 2)).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="Your weights are too even, all close to one another. You divide by the width; section 3 measured a "
    "spread that grows more slowly than that.",
)
def divided_by_the_width(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1]).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="Your rows no longer add up to 1, and they are as sharp as if nothing had been scaled. You do divide, "
    "and too late: which of your lines must the division come before?",
)
def scaled_after_the_softmax(q, k, v):
    return (q @ k.transpose(1, 2)).softmax(-1) / q.shape[-1] ** 0.5 @ v


@mistake(
    "Q5a",
    hint="Nearly every row of yours is a single 1 among zeros. You scale in the wrong direction: should dot "
    "products of wide vectors be made larger, or smaller?",
)
def multiplied_by_the_root(q, k, v):
    return (q @ k.transpose(1, 2) * q.shape[-1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="In your picture the columns add up to 1, and the rows should. Each query shares out its attention "
    "among the keys: along which axis of (b, n, m) is that?",
)
def softmax_over_the_queries(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(1) @ v


@mistake(
    "Q5a",
    hint="Your softmax runs over the images of the batch: with one image, every weight is 1. Which axis counts "
    "the keys?",
)
def softmax_over_the_batch(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(0) @ v


@mistake(
    "Q5a",
    hint="All weights of an image together add up to 1; each *query* should have 1 to hand out. Your softmax "
    "saw the matrix as one long row.",
)
def one_softmax_for_the_whole_matrix(q, k, v):
    energy = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    return energy.flatten(1).softmax(-1).reshape(energy.shape) @ v


@mistake(
    "Q5a",
    hint="Some of your weights are negative, and no row adds up to 1. You mix with the raw scores: what turns "
    "scores into shares?",
)
def no_softmax(q, k, v):
    return q @ k.transpose(1, 2) / q.shape[-1] ** 0.5 @ v


@mistake(
    "Q5a",
    hint="With 5 keys of width 5 your product runs, by luck, and ranks the keys by something else; with other "
    "sizes it stops. A dot product pairs a query's width with a key's width: how must k lie for that?",
)
def keys_not_turned(q, k, v):
    return (q @ k / q.shape[-1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="`.T` turns *all* axes around, so your batch went to the back. Only the last two should change places.",
)
def every_axis_turned(q, k, v):
    return (q @ k.permute(2, 1, 0) / q.shape[-1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="You return the weights themselves, (b, n, m). They say who is looked at; the answer is what is "
    "*seen* there. What is still unused?",
)
def weights_returned(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)


@mistake(
    "Q5a",
    hint="Your weights are right and then mix the keys. Keys are for being found; what is handed over is "
    "something else.",
)
def keys_mixed(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ k


@mistake(
    "Q5a",
    hint="Right where the number of keys equals the width, wrong elsewhere. You scale by how *many* keys there "
    "are. Which number did section 3 vary?",
)
def scaled_by_the_number_of_keys(q, k, v):
    return (q @ k.transpose(1, 2) / k.shape[1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="You scale by how *many* queries there are; asking one question more shouldn't change the other "
    "answers. Which number did section 3 vary?",
)
def scaled_by_the_number_of_queries(q, k, v):
    return (q @ k.transpose(1, 2) / q.shape[1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="The keys ask and the queries are asked: you have one row per key. Which of the two should own the rows?",
)
def roles_swapped(q, k, v):
    return (k @ q.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v


@mistake(
    "Q5a",
    hint="Each of your answers sums over the queries. The lines of the weights belong to queries, and you meet "
    "the values with the wrong side of the matrix.",
)
def weights_turned_before_mixing(q, k, v):
    weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
    return weights.transpose(1, 2) @ v


@mistake(
    "Q5a",
    hint="Each of your rows does add up to 1, but twice as large a score gives twice as large a share, and a "
    "negative score a negative one. What makes scores positive before they are shared?",
)
def divided_by_the_sum(q, k, v):
    energy = q @ k.transpose(1, 2) / q.shape[-1] ** 0.5
    return energy / energy.sum(-1, keepdim=True) @ v


@mistake(
    "Q5a",
    hint="Each query takes the one best value whole, and nothing of the others. That is a dictionary; "
    "attention is softer, and has a gradient.",
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
def numpy_reshape(q, k, num_heads):
    (b, n, e), m = q.shape, k.shape[1]
    q = np.asarray(q.cpu(), np.float64).reshape(b, n, num_heads, -1).transpose(0, 2, 1, 3)
    k = np.asarray(k.cpu(), np.float64).reshape(b, m, num_heads, -1).transpose(0, 2, 3, 1)
    grades = np.exp(q @ k / np.sqrt(e / num_heads))
    return grades / grades.sum(-1, keepdims=True)


@right("Q5b")
def heads_folded_into_the_batch(q, k, num_heads):
    width = q.shape[-1] // num_heads
    q = rearrange(q, "b n (h d) -> (b h) n d", h=num_heads)
    k = rearrange(k, "b m (h d) -> (b h) d m", h=num_heads)
    weights = torch.bmm(q, k).div(width**0.5).softmax(dim=2)
    return weights.unflatten(0, (-1, num_heads))


@right("Q5b")
def loops_over_everything(q, k, num_heads):
    width = q.shape[2] // num_heads
    return [
        [
            [torch.softmax(torch.stack([(a[s] * b[s]).sum() / width**0.5 for b in keys]), 0).tolist() for a in queries]
            for s in (slice(h * width, h * width + width) for h in range(num_heads))
        ]
        for queries, keys in zip(q, k, strict=True)
    ]


# --- Q5b, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q5b",
    hint="Right ranking, too sharp: nothing is scaled yet. With q and k of unit spread, how large are the dot "
    "products of *one head*?",
)
def not_scaled(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2)).softmax(-1)


@mistake(
    "Q5b",
    hint="Right with one head, too even with more. Your scale knows the width of the whole token. How many "
    "products does one entry of the energy add up in a head?",
)
def scale_of_the_whole_width(q, k, num_heads):
    emb_size = q.shape[-1]
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) / emb_size**0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="No row of yours adds up to 1, and inside a row they are as sharp as unscaled ones. Two things at "
    "once: look at what your division comes after, and at whose width it takes.",
)
def whole_width_after_the_softmax(q, k, num_heads):
    emb_size = q.shape[-1]
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2)).softmax(-1) / emb_size**0.5


@mistake(
    "Q5b",
    hint="You divide by the right number, at the wrong moment: no row adds up to 1 any more. A softmax should "
    "have the last word.",
)
def head_width_after_the_softmax(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2)).softmax(-1) * q.shape[-1] ** -0.5


@mistake(
    "Q5b",
    hint="Far too even: you divide by the width of a head itself. Which power of it did you measure in section 3?",
)
def no_root(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) / q.shape[-1]).softmax(-1)


@mistake(
    "Q5b",
    hint="You scale by the *number* of heads. Is that how many products are added up in one entry of the energy?",
)
def root_of_the_number_of_heads(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) / num_heads**0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="After the split, your `q.shape[1]` is no longer what it was: you scale by another axis than the "
    "width of a head.",
)
def root_of_the_number_of_tokens(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) / q.shape[2] ** 0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="Almost every row is one 1 and zeros: your scale makes the energies larger. Is it a root to multiply "
    "by, or to divide by?",
)
def scaled_the_wrong_way(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** 0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="Your columns add up to 1: the keys hand out attention to the queries. Who should hand out here, and "
    "along which axis of (b, h, n, m)?",
)
def softmax_along_the_queries(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(2)


@mistake(
    "Q5b",
    hint="Your heads share one attention among themselves: for one head every weight is exactly 1. `dim=1` "
    "counted keys in Q5a's tensors minus one; what does it count in these?",
)
def softmax_along_the_heads(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(1)


@mistake(
    "Q5b",
    hint="These are still energies: negative ones too, and no row adds up to 1. One step is missing at the end.",
)
def energies_returned(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5


@mistake(
    "Q5b",
    hint="One head is right, two are not: your head 0 takes every second number of a token. In `(h d)`, which "
    "of the two letters runs faster?",
)
def heads_interleaved(q, k, num_heads):
    q, k = (rearrange(t, "b n (d h) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="One head is right, two are not: a single reshape to (b, h, n, d) has given head 0 the first *tokens* "
    "instead of the first numbers of each. Lesson 01's trap: which step is missing after the reshape?",
)
def heads_by_reshape_alone(q, k, num_heads):
    q, k = (t.reshape(len(t), num_heads, t.shape[1], -1) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="Three axes came back: you compare whole tokens, so there is only one opinion. The heads want an axis "
    "of their own.",
)
def never_split(q, k, num_heads):
    return (q @ k.transpose(-1, -2) * (q.shape[-1] // num_heads) ** -0.5).softmax(-1)


@mistake(
    "Q5b",
    hint="The heads' axis is gone: you averaged their opinions. They are wanted one by one.",
)
def heads_averaged(q, k, num_heads):
    q, k = (rearrange(t, "b n (h d) -> b h n d", h=num_heads) for t in (q, k))
    return (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1).mean(1)


@mistake(
    "Q5b",
    hint="Queries and keys have changed roles: your rows belong to keys. Read your two letters before the "
    "arrow and after it.",
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
    hint="One head is right, several are not: your last reshape puts one head's answers for many tokens where "
    "one token's answers from many heads should stand. Which axis has to move first?",
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
    hint="Split and join don't match: you cut the width into heads with one order of letters and glue it with "
    "another. Read your two patterns side by side.",
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
    hint="One head is right, several are not: your reshape straight to (b, h, n, d) gives head 0 the first "
    "*tokens*, whole, and not the first numbers of each token. Which axis has to be split, and which "
    "moved?",
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
    hint="Well split and well joined, only not as the contract says: your head 0 takes every second number. "
    "With `(h d)` it takes the first block, and so do the weights that others publish.",
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
    hint="Everything is in place but one thing: your weights are too sharp, already with one head. What did "
    "Q5b do to the energy?",
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
    hint="The mistake of section 6, in person: your rows add up to much less than 1. What is divided, by whose "
    "width, and when?",
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
    hint="You divide by the right number and too late: the weights of a row no longer add up to 1. Which comes "
    "last, the scale or the softmax?",
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
    hint="One head is right, several are too even. In Q5b you asked how many products an entry of the energy "
    "adds up. Which width is that here?",
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
    hint="Your columns add up to 1 and your rows don't: keys hand out attention to queries. Along which axis "
    "of (b, h, query, key) should the softmax run?",
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
    hint="With one head all your weights are 1: the softmax runs over the heads, which should not compete. "
    "Which axis counts the keys?",
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
    hint="You mix with raw energies, negative ones included. Between the energy and the mixture something "
    "turns scores into shares.",
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
    hint="Every token sits on its own value: your einsum has dropped the letter that counts queries and kept "
    "the one that counts keys. Which of the two should still be there after the arrow?",
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
    hint="You sum over the queries: token 0 collects what everybody thinks of it, where it should collect what "
    "it looks at. Which letter do weights and values share?",
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
    hint="Queries and keys have changed places: row i of your energy belongs to key i. Look at the last two "
    "letters of your energy.",
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
    hint="Your heads lie side by side, unmixed: there is a fourth layer, and nobody has called it.",
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
    hint="You mix the tokens themselves. What is handed over has a layer of its own, as keys and queries have.",
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
    hint="Right weights, and then you mix the keys. Three layers, three roles: which one hands over?",
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
    hint="Your energies are symmetric: the same layer is used for asking and for being asked. Which of the "
    "four layers never appears in your forward?",
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
    hint="You add the incoming tokens to the answer. A good idea, and not this question's: lesson 06 makes a "
    "block of its own of it.",
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
    hint="With the mask or without it, your answer is the same. `masked_fill` doesn't change its tensor, it "
    "returns a new one: who keeps it?",
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
    hint="You look exactly where you must not: here True means *may be looked at*. (Other libraries mean the "
    "opposite. Ask, each time.)",
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
    hint="Forbidden keys get nothing, and what they had is lost: your rows add up to less than 1. At which "
    "moment must they leave, so that the others share it?",
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
    hint="Forbidden keys still get weight. You put their *energy* to 0, and e⁰ is 1: which energy makes a weight of 0?",
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
    hint="A mask of (n, n) works, one of (b, 1, 1, n) doesn't: you give the mask two axes more, whatever it "
    "has. Broadcasting adds leading axes by itself.",
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
    hint="After `.eval()` your answer is still noisy. A functional dropout doesn't know the mode of the "
    "module: who tells it?",
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
    hint="All right except that nothing is ever dropped: your `dropout` comes in and leads nowhere.",
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
    hint="Right wherever the number of heads is given; without arguments you take another one than the question does.",
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
    hint="Your heads are averaged into one, too narrow for the projection. They should stand side by side: 4 "
    "heads of 16 make 64.",
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
    hint="Without arguments all is well; with another width your layers stay as they were. Which number in "
    "`__init__` should be a name?",
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
    hint="You return two things, as `nn.MultiheadAttention` does. A block that stacks these layers expects the "
    "tokens alone.",
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


# --- Q5c, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q5c",
    hint="You get one answer for each token of the *context*: the two have changed roles. Who asks in the "
    "signature, and whom?",
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
    hint="You can change the context as you like and your answer stays the same. This is self-attention: two "
    "of three layers should look elsewhere.",
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
    hint="Your answer doesn't change with x at all: the context talks to itself. Which layer speaks for x?",
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
    hint="Found in one set, handed over from the other: key j and value j no longer belong to the same token. "
    "With unequal lengths it can't even run. Where do keys and values live?",
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
    hint="You look for keys in x and hand over from the context, so what is found and what is given are not "
    "the same token. Keys and values come in pairs: from where?",
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
    hint="Your queries also look at x itself: you have glued both sets together before asking. A good model "
    "does that too, and it is another one than this.",
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
    hint="The right sources, through the wrong layers: keys are made by `values` and the other way round. Read "
    "your line once more, name by name.",
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
    hint="What is handed over is what was searched: one layer does two jobs. Which of the four names is "
    "missing in your forward?",
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
    hint="One layer never gets its turn: the heads lie side by side and nobody mixes them.",
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
    hint="One head is right, three are not: your reshape lays out one head's answers for many tokens where one "
    "token's answers from all heads belong. Which axis has to move first?",
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
    hint="One head is right, three are not: the letters in the brackets of your join stand the other way round "
    "than in the split.",
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
    hint="Right for a single head. With more you still compare whole tokens: `num_heads` is taken in and never used.",
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
    hint="Too sharp, already with one head. If you write the attention out yourself, Q5b's factor belongs in "
    "here as well.",
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
    hint="One head is right, three are too even: you scale by the width of the whole token. Q5b was about "
    "exactly this.",
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
    hint="You add x to the answer. Lesson 06 will do so around the whole layer; in here it is not asked for.",
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
