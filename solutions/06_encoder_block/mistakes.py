"""Lesson 06: what students really write, right in unusual ways and wrong in usual ones."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import nn

from grading.judging.bank import edited, mistake, reference, right
from helpers.checks.placed_weights import draw_weights


# What a notebook holds when Q7b is reached: the given attention, and the answers to Q6 and Q7.
class MultiHeadAttention(nn.MultiheadAttention):
    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__(emb_size, num_heads, dropout=dropout, batch_first=True)

    def forward(self, x, mask=None):
        return super().forward(x, x, x, attn_mask=mask, need_weights=False)[0]


class ResidualAdd(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(x, **kwargs)


class FeedForwardBlock(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        hidden = expansion * emb_size
        super().__init__(nn.Linear(emb_size, hidden), nn.GELU(), nn.Dropout(drop_p), nn.Linear(hidden, emb_size))


@reference("Q7b")
def block_with_a_gelu(case):
    """Both halves with biases of the hidden layer near zero, where activations differ."""
    if not case.covers("order") or "emb_size" not in case or "many" in case:
        return {}
    d, heads = case["emb_size"], case["num_heads"]
    w = {k: torch.as_tensor(a) for k, a in draw_weights(case["seed"], d, case["expansion"] * d).items()}
    w |= {name: torch.zeros(d) for name in ("bq", "bk", "bv", "bo")}
    x = torch.as_tensor(case["x"])
    u = F.layer_norm(x, (d,), w["norm1"], w["bnorm1"])
    q, k, v = (rearrange(F.linear(u, w[r], w[f"b{r}"]), "b n (h d) -> b h n d", h=heads) for r in "qkv")
    out = rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)")
    x = x + F.linear(out, w["o"], w["bo"])
    u = F.layer_norm(x, (d,), w["norm2"], w["bnorm2"])
    return {"bent": x + F.linear(F.gelu(F.linear(u, w["w1"], w["b1"] / 12)), w["w2"], w["b2"])}


# --- Q6, right -------------------------------------------------------------------------------------------------------


@right("Q6")
class functional_sum_of_two(nn.Module):
    def __init__(self, branch):
        super().__init__()
        self.add_module("branch", branch)

    def forward(self, x, *args, **kwargs):
        return torch.add(self.branch(x, *args, **kwargs), x)


@right("Q6")
class in_place_on_a_copy(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        out = x.clone()
        out += self.fn(x, **kwargs)
        return out


@right("Q6")
class lecture_form_without_in_place(nn.Module):
    def __init__(self, fn, scale=1.0):
        super().__init__()
        self.fn, self.scale_of_branch = fn, scale

    def forward(self, x, **kwargs):
        res = x
        x = self.fn(x, **kwargs)
        x = x * self.scale_of_branch + res
        return x


@right("Q6")
class stacked_and_summed(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.ways = nn.ModuleList([nn.Identity(), fn])

    def forward(self, x, **kwargs):
        return reduce([x, self.ways[1](x, **kwargs)], "two ... -> ...", "sum")


@right("Q6")
class a_sequential_with_a_shortcut(nn.Sequential):
    def forward(self, x, **kwargs):
        shortcut = x
        for part in self:
            x = part(x, **kwargs)
        return shortcut + x


@right("Q6")
class summed_in_double(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x.double() + self.fn(x, **kwargs).double()


# --- Q6, wrong -------------------------------------------------------------------------------------------------------


@mistake(
    "Q6",
    hint="The output is fn(x) alone: x is not added.",
)
class shortcut_forgotten(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return self.fn(x, **kwargs)


@mistake(
    "Q6",
    hint="The output is twice x: fn is not called. One of the two summands is fn(x).",
)
class x_twice(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + x


@mistake(
    "Q6",
    hint="The output is twice fn(x): x was overwritten before it was added. After a line `x = ...`, the name x "
    "stands for something else.",
)
class x_overwritten_first(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        x = self.fn(x, **kwargs)
        return x + x


@mistake(
    "Q6",
    hint="Without keyword arguments it is right; a mask and a scale do not reach fn. What does `forward` get "
    "besides x?",
)
class kwargs_dropped(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(x)


@mistake(
    "Q6",
    hint="The keyword arguments arrive as one dictionary. Compare the stars before `kwargs` in the first line of "
    "`forward` and in your call.",
)
class a_dictionary_handed_over(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(x, kwargs)


@mistake(
    "Q6",
    hint="One star unpacks a dictionary into its keys, so fn got the word 'mask' by position and not the mask by name.",
)
class one_star_too_few(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(x, *kwargs)


@mistake(
    "Q6",
    hint="A module is added to a tensor: fn itself and not what it returns. A module has to be called.",
)
class fn_never_called(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn


@mistake(
    "Q6",
    hint="The values are right, but after the call the caller's x holds your sum: `+=` on a tensor writes into its"
    " memory.",
)
class written_into_x(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        x += self.fn(x, **kwargs)
        return x


@mistake(
    "Q6",
    hint="The sum is written into the tensor that fn returned. If fn returns x itself, this overwrites the "
    "caller's x; and a layer may need what it returned for its backward pass.",
)
class written_into_what_fn_gave(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        res = x
        x = self.fn(x, **kwargs)
        x += res
        return x


@mistake(
    "Q6",
    hint="The values are right, but the gradient for x passes through fn only: x is detached before it is added.",
)
class shortcut_detached(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x.detach() + self.fn(x, **kwargs)


@mistake(
    "Q6",
    hint="The values are right, but no gradient reaches fn's weights, so fn never learns. What do `no_grad` and "
    "`detach` switch off?",
)
class branch_without_gradient(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        with torch.no_grad():
            change = self.fn(x, **kwargs)
        return x + change


@mistake(
    "Q6",
    hint="The output is the mean of x and fn(x), half of what is asked for.",
)
class mean_of_both(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return (x + self.fn(x, **kwargs)) / 2


@mistake(
    "Q6",
    hint="fn(x) is subtracted where it should be added.",
)
class change_taken_away(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x - self.fn(x, **kwargs)


@mistake(
    "Q6",
    hint="x and fn(x) are concatenated, so the width has doubled. They are added.",
)
class glued_to_its_side(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return torch.cat([x, self.fn(x, **kwargs)], dim=-1)


@mistake(
    "Q6",
    hint="fn is applied twice: the output is x + fn(fn(x)), or fn gets its own output. It is called once.",
)
class fn_of_fn(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(self.fn(x, **kwargs), **kwargs)


@mistake(
    "Q6",
    hint="fn is kept in a plain list or dictionary, so `parameters()` does not contain its weights and no "
    "optimizer gets them. An nn.Module finds its parts among its own attributes.",
)
class fn_hidden_in_a_list(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.parts = [fn]

    def forward(self, x, **kwargs):
        return x + self.parts[0](x, **kwargs)


@mistake(
    "Q6",
    hint="`forward` returns None: the sum is computed and not returned.",
)
class return_missing(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        x + self.fn(x, **kwargs)  # noqa: B018


edited(
    "Q6", "doubled_branch", {"x + self.fn(x, **kwargs)": "x + 2 * self.fn(x, **kwargs)"},
    hint="What fn returned is added twice, or multiplied by 2.",
)  # fmt: skip
edited(
    "Q6", "input_of_the_branch_detached", {"self.fn(x, **kwargs)": "self.fn(x.detach(), **kwargs)"},
    hint="The values are right, but the gradient for x passes through the sum only and not through fn: what fn gets is "
    "detached.",
)  # fmt: skip
edited(
    "Q6", "multiplied", {"x + self.fn(x, **kwargs)": "x * self.fn(x, **kwargs)"},
    hint="x and fn(x) are multiplied where they should be added.",
)  # fmt: skip


# --- Q6b, right ------------------------------------------------------------------------------------------------------


@right("Q6b")
class mean_of_squares(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, 1, emb_size))
        self.beta = nn.Parameter(torch.zeros(1, 1, emb_size))
        self.eps = eps

    def forward(self, x):
        centred = x - x.mean(-1, keepdim=True)
        out = centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + self.eps)
        return (out * self.gamma + self.beta).reshape(x.shape)


@right("Q6b")
class bias_registered_first(nn.Module):
    def __init__(self, emb_size, eps=1e-5, affine=True):
        super().__init__()
        self.eps, self.shift, self.scale = eps, nn.Parameter(torch.zeros(emb_size)), nn.Parameter(torch.ones(emb_size))

    def forward(self, x):
        var, mean = torch.var_mean(x, dim=-1, correction=0, keepdim=True)
        return torch.addcmul(self.shift, self.scale, (x - mean) / (var + self.eps) ** 0.5)


@right("Q6b")
class functional_layer_norm(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)


@right("Q6b")
class torch_has_it_already(nn.LayerNorm):
    pass


@right("Q6b")
class einops_and_double(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(emb_size, dtype=torch.float64))
        self.bias = nn.Parameter(torch.zeros(emb_size, dtype=torch.float64))
        self.eps = eps

    def forward(self, x):
        x = x.double()
        mean = reduce(x, "... d -> ... 1", "mean")
        var = reduce((x - mean) ** 2, "... d -> ... 1", "mean")
        return (x - mean) / (var + self.eps).sqrt() * self.weight + self.bias


@right("Q6b")
class token_by_token(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        done = []
        for token in x.reshape(-1, x.shape[-1]):
            mean = sum(token) / len(token)
            var = sum((v - mean) ** 2 for v in token) / len(token)
            done.append(self.weight * (token - mean) / torch.sqrt(var + self.eps) + self.bias)
        return torch.stack(done).reshape(x.shape)


@right("Q6b")
class moments_subtracted(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean = x.mean(-1, keepdim=True)
        var = ((x**2).mean(-1, keepdim=True) - mean**2).clamp(min=0)
        return self.weight * (x - mean) / (var + self.eps).sqrt() + self.bias


# --- Q6b, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q6b",
    hint="Your numbers are a little too small, the more so the narrower the token: `var` and `std` divide by d - 1"
    " by default. Which of their arguments changes that?",
)
class divided_by_d_minus_one(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="You divide by the variance. If a token is multiplied by 10, its variance grows by 100, and the divisor "
    "should grow by 10.",
)
class divided_by_the_variance(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / (var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="Tokens of ordinary size are right, and tokens with a small spread are not: eps is added outside the root.",
)
class eps_outside_the_root(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, std = x.mean(-1, keepdim=True), x.std(-1, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / (std + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="A token of equal numbers becomes nan: its variance is 0, and eps is not used.",
)
class eps_forgotten(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var) + self.bias


@mistake(
    "Q6b",
    hint="With the default eps it is right; another eps changes nothing. A number stands where the argument belongs.",
)
class eps_written_in_stone(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var + 1e-5) + self.bias


@mistake(
    "Q6b",
    hint="The spread is right and the mean is not 0: x is divided without the mean being subtracted.",
)
class mean_stays_in(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        var = x.var(-1, keepdim=True, unbiased=False)
        return self.weight * x / torch.sqrt(var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="You divide by the root of the mean square: that is RMSNorm, which does not subtract the mean.",
)
class root_mean_square(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="The means are 0 and the spreads are as they were: the division is missing.",
)
class only_centred(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        return self.weight * (x - x.mean(-1, keepdim=True)) + self.bias


@mistake(
    "Q6b",
    hint="You multiply by the standard deviation where you should divide by it.",
)
class multiplied_instead(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.weight * (x - mean) * torch.sqrt(var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="Each channel is normed over the images of the batch, as in batch norm. Layer norm takes mean and "
    "variance over the numbers of one token.",
)
class over_the_batch(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(0, keepdim=True), x.var(0, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="Each channel is normed over the tokens of an image. Layer norm takes mean and variance over the numbers "
    "of one token, which lie along the last axis.",
)
class over_the_tokens(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="For (b, n, d) it is right, for tensors with fewer or more axes it is not: the axis is counted from the "
    "front. The width is always the last axis.",
)
class axis_two_for_ever(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(2, keepdim=True), x.var(2, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="All tokens of an image share one mean and one variance. Each token has its own.",
)
class one_mean_per_image(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        axes = tuple(range(min(1, x.ndim - 1), x.ndim))
        mean, var = x.mean(axes, keepdim=True), x.var(axes, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="There is one mean and one variance for the whole batch: without an axis, `mean()` takes all numbers.",
)
class one_mean_for_all(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        return self.weight * (x - x.mean()) / torch.sqrt(x.var(unbiased=False) + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="(b, n, d) minus (b, n) does not line up: the axis that was averaged over is gone. One argument keeps it "
    "with length 1.",
)
class axis_not_kept(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(-1), x.var(-1, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="The normed tokens are right, and other weights and biases change nothing: they are not used in the output.",
)
class weight_and_bias_unused(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return (x - mean) / torch.sqrt(var + self.eps)


@mistake(
    "Q6b",
    hint="The weight acts and the bias does not: it is missing in your last line.",
)
class bias_left_out(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps)


@mistake(
    "Q6b",
    hint="The bias is multiplied by the weight: it is added before the weight is applied. Look at your parentheses.",
)
class bias_before_weight(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.weight * ((x - mean) / torch.sqrt(var + self.eps) + self.bias)


@mistake(
    "Q6b",
    hint="The values are right and the gradients are not: mean and variance depend on x, and the gradient has to "
    "pass through them as well. Is something detached, or under `no_grad`?",
)
class statistics_detached(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        with torch.no_grad():
            mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


@mistake(
    "Q6b",
    hint="Weight and bias are plain tensors: `parameters()` does not contain them, so nothing learns.",
)
class plain_tensors(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = torch.ones(emb_size), torch.zeros(emb_size)
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.weight.to(x) * (x - mean) / torch.sqrt(var + self.eps) + self.bias.to(x)


@mistake(
    "Q6b",
    hint="A new norm returns zeros only: its weight starts at 0. It should change nothing at first.",
)
class weight_starts_at_zero(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(emb_size)), nn.Parameter(torch.zeros(emb_size))
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=False)
        return self.weight * (x - mean) / torch.sqrt(var + self.eps) + self.bias


# --- Q7, right -------------------------------------------------------------------------------------------------------


@right("Q7")
class attributes_and_forward(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0, bias=True):
        super().__init__()
        hidden = int(emb_size * expansion)
        self.down = nn.Linear(hidden, emb_size, bias=bias)
        self.up = nn.Linear(emb_size, hidden, bias=bias)
        self.drop_p = drop_p

    def forward(self, x):
        return self.down(F.dropout(F.gelu(self.up(x)), self.drop_p, self.training))


@right("Q7")
class lazy_layers_and_the_tanh_form(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.LazyLinear(emb_size * expansion),
            nn.GELU(approximate="tanh"),
            nn.Dropout(p=drop_p),
            nn.LazyLinear(emb_size),
        )


@right("Q7")
class matrices_by_hand(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        hidden = emb_size * expansion
        self.w1 = nn.Parameter(torch.randn(emb_size, hidden) / math.sqrt(emb_size))
        self.b1 = nn.Parameter(torch.zeros(hidden))
        self.w2 = nn.Parameter(torch.randn(hidden, emb_size) / math.sqrt(hidden))
        self.b2 = nn.Parameter(torch.zeros(emb_size))
        self.drop = nn.Dropout(drop_p)

    def forward(self, x):
        h = x @ self.w1 + self.b1
        h = h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))
        return self.drop(h) @ self.w2 + self.b2


@right("Q7")
class convolutions_of_one(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv1d(emb_size, expansion * emb_size, 1),
            nn.GELU(),
            nn.Dropout(drop_p),
            nn.Conv1d(expansion * emb_size, emb_size, 1),
        )

    def forward(self, x):
        return rearrange(self.net(rearrange(x, "b n d -> b d n")), "b d n -> b n d")


@right("Q7")
class double_precision(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        self.layers = nn.ModuleList(
            [nn.Linear(emb_size, emb_size * expansion), nn.Linear(emb_size * expansion, emb_size)]
        )
        self.drop = nn.Dropout(drop_p)
        self.double()

    def forward(self, x):
        first, second = self.layers
        return second(self.drop(F.gelu(first(x.double()))))


@right("Q7")
class one_token_at_a_time(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(emb_size, expansion * emb_size)
        self.act = nn.GELU()
        self.drop = nn.Dropout(drop_p)
        self.fc2 = nn.Linear(expansion * emb_size, emb_size)

    def forward(self, x):
        return torch.stack([self.fc2(self.drop(self.act(self.fc1(token)))) for token in x.unbind(1)], dim=1)


# --- Q7, wrong -------------------------------------------------------------------------------------------------------


@mistake(
    "Q7",
    hint="Left of zero your curve is exactly zero: that is a ReLU. The target has a minimum below the axis there.",
)
class relu_of_2017(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.ReLU(),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size),
        )


@mistake(
    "Q7",
    hint="Your curve is a straight line: there is no activation. Two linear maps without one between them are a "
    "single linear map.",
)
class no_bend_at_all(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size),
        )


@mistake(
    "Q7",
    hint="Your curve falls lower and returns more slowly than the target: x times sigmoid(x), known as SiLU or "
    "swish. GELU multiplies x by the normal distribution function.",
)
class a_silu(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.SiLU(),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size),
        )


@mistake(
    "Q7",
    hint="Your curve is x times sigmoid(1.702 x), an approximation that differs from GELU by up to 0.02. torch has"
    " GELU itself.",
)
class the_quick_approximation(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(emb_size, expansion * emb_size)
        self.fc2 = nn.Linear(expansion * emb_size, emb_size)
        self.drop = nn.Dropout(drop_p)

    def forward(self, x):
        h = self.fc1(x)
        return self.fc2(self.drop(h * torch.sigmoid(1.702 * h)))


@mistake(
    "Q7",
    hint="Your curve saturates at -1 and 1: that is a tanh. GELU lets large positive numbers pass.",
)
class a_tanh(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.Tanh(),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size),
        )


@mistake(
    "Q7",
    hint="There is a second activation after the last linear map. What the block returns may have any sign, so the"
    " last layer is linear.",
)
class bent_at_the_end_too(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size),
            nn.GELU(),
        )


@mistake(
    "Q7",
    hint="The activation comes after both linear maps. It belongs between them.",
)
class bent_only_at_the_end(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size),
            nn.GELU(),
        )


@mistake(
    "Q7",
    hint="The first layer makes `expansion` numbers, whatever the width. It should make expansion times the width.",
)
class expansion_as_a_width(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion),
            nn.GELU(),
            nn.Dropout(drop_p),
            nn.Linear(expansion, emb_size),
        )


@mistake(
    "Q7",
    hint="The hidden layer is emb_size + expansion wide. It should be emb_size times expansion.",
)
class added_instead_of_multiplied(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, emb_size + expansion),
            nn.GELU(),
            nn.Dropout(drop_p),
            nn.Linear(emb_size + expansion, emb_size),
        )


@mistake(
    "Q7",
    hint="The hidden layer is as wide as the token: the expansion is not used.",
)
class never_widened(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(nn.Linear(emb_size, emb_size), nn.GELU(), nn.Dropout(drop_p), nn.Linear(emb_size, emb_size))


@mistake(
    "Q7",
    hint="The hidden layer is narrower than the token: the width is divided by the expansion and not multiplied.",
)
class an_hourglass(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        hidden = max(1, emb_size // expansion)
        super().__init__(nn.Linear(emb_size, hidden), nn.GELU(), nn.Dropout(drop_p), nn.Linear(hidden, emb_size))


@mistake(
    "Q7",
    hint="With another expansion the hidden layer is still 4 times as wide: a number stands where the argument "
    "belongs.",
)
class four_for_ever(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, 4 * emb_size), nn.GELU(), nn.Dropout(drop_p), nn.Linear(4 * emb_size, emb_size)
        )


@mistake(
    "Q7",
    hint="The output is as wide as the hidden layer: the second linear map is missing, or makes too many numbers.",
)
class the_way_back_is_missing(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(nn.Linear(emb_size, expansion * emb_size), nn.GELU(), nn.Dropout(drop_p))


@mistake(
    "Q7",
    hint="The second Linear expects the token's width and gets the hidden layer's: its two sizes are exchanged. "
    "The first one is the size of its input.",
)
class sizes_of_the_way_back_exchanged(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Dropout(drop_p),
            nn.Linear(emb_size, expansion * emb_size),
        )


@mistake(
    "Q7",
    hint="x is contained in the output. The residual connection is ResidualAdd's, which would add x a second time.",
)
class shortcut_inside(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size),
        )

    def forward(self, x):
        return x + self.net(x)


@mistake(
    "Q7",
    hint="There is a norm in the block: if x is multiplied by a number, the output hardly changes. The norm "
    "belongs to the encoder block, before this one.",
)
class norm_inside(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.LayerNorm(emb_size),
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size),
        )


@mistake(
    "Q7",
    hint="The linear maps have no biases, so the block has fewer weights than the solution.",
)
class biases_left_out(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size, bias=False),
            nn.GELU(),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size, bias=False),
        )


@mistake(
    "Q7",
    hint="Nothing is dropped in training, whatever drop_p says.",
)
class nothing_dropped(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Linear(expansion * emb_size, emb_size),
        )


@mistake(
    "Q7",
    hint="Numbers are dropped although drop_p is 0: `nn.Dropout()` without an argument has a rate of one half.",
)
class dropout_with_its_own_idea(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Dropout(),
            nn.Linear(expansion * emb_size, emb_size),
        )


@mistake(
    "Q7",
    hint="In evaluation the same input still gives different outputs. `F.dropout` has to be told whether the "
    "module is training.",
)
class dropping_in_eval_too(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        self.fc1 = nn.Linear(emb_size, expansion * emb_size)
        self.fc2 = nn.Linear(expansion * emb_size, emb_size)
        self.drop_p = drop_p

    def forward(self, x):
        return self.fc2(F.dropout(F.gelu(self.fc1(x)), self.drop_p))


@mistake(
    "Q7",
    hint="Dropout is the last step and drops numbers of the output. It belongs after the activation, where it "
    "drops numbers of the hidden layer.",
)
class dropped_at_the_end(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Linear(expansion * emb_size, emb_size),
            nn.Dropout(drop_p),
        )


@mistake(
    "Q7",
    hint="Dropout is the first step and drops numbers of the input. It belongs after the activation, where it "
    "drops numbers of the hidden layer.",
)
class dropped_at_the_start(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Dropout(drop_p),
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Linear(expansion * emb_size, emb_size),
        )


@mistake(
    "Q7",
    hint="Numbers are dropped with probability 1 - drop_p. PyTorch's p is the share that is dropped.",
)
class kept_and_dropped_exchanged(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Dropout(1 - drop_p) if drop_p else nn.Identity(),
            nn.Linear(expansion * emb_size, emb_size),
        )


edited(
    "Q7", "the_class_of_the_activation", {"nn.GELU()": "nn.GELU"},
    hint="`nn.GELU` is a class: the Sequential needs a module, so an instance of it. Which two characters are missing?",
)  # fmt: skip
edited(
    "Q7", "gelu_of_an_argument", {"nn.GELU()": "F.gelu"},
    hint="`F.gelu` is a function, and a Sequential takes modules. torch has the same activation as a module.",
)  # fmt: skip
edited(
    "Q7", "an_elu", {"nn.GELU()": "nn.ELU()"},
    hint="Your curve falls towards -1 far to the left: that is an ELU. GELU goes back to 0 there.",
)  # fmt: skip
edited(
    "Q7", "a_leaky_relu", {"nn.GELU()": "nn.LeakyReLU(0.1)"},
    hint="Left of zero your curve is a straight line that keeps falling: a leaky ReLU. GELU goes back to 0 there.",
)  # fmt: skip


@right("Q7")
class through_einsum_and_raw_parameters(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        hidden = expansion * emb_size
        self.up, self.up_bias = nn.Parameter(torch.randn(hidden, emb_size) / 8), nn.Parameter(torch.zeros(hidden))
        self.down, self.down_bias = nn.Parameter(torch.randn(emb_size, hidden) / 8), nn.Parameter(torch.zeros(emb_size))
        self.drop_p = drop_p

    def forward(self, x):
        hidden = F.gelu(torch.einsum("bnd,hd->bnh", x, self.up) + self.up_bias)
        hidden = F.dropout(hidden, self.drop_p, self.training)
        return torch.einsum("bnh,dh->bnd", hidden, self.down) + self.down_bias


@right("Q7")
class the_layer_of_torchvision(nn.Module):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__()
        self.net = nn.Sequential()
        self.net.add_module("widen", nn.Linear(emb_size, emb_size * expansion))
        self.net.add_module("activation", nn.GELU())
        self.net.add_module("drop", nn.Dropout(drop_p))
        self.net.add_module("narrow", nn.Linear(emb_size * expansion, emb_size))

    def forward(self, tokens):
        return self.net(tokens)


# --- Q7b, right ------------------------------------------------------------------------------------------------------


@right("Q7b")
class attributes_and_two_lines(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0, attn_drop_p=0.0):
        super().__init__()
        self.ff = FeedForwardBlock(emb_size, expansion=expansion, drop_p=forward_drop_p)
        self.norm2, self.norm1 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.attention = nn.MultiheadAttention(emb_size, num_heads, dropout=attn_drop_p, batch_first=True)
        self.drop = nn.Dropout(drop_p)

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.drop(self.attention(y, y, y)[0])
        return x + self.drop(self.ff(self.norm2(x)))


@right("Q7b")
class torch_has_this_too(nn.TransformerEncoderLayer):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            emb_size, num_heads, expansion * emb_size, drop_p, activation="gelu", batch_first=True, norm_first=True
        )
        self.dropout.p = forward_drop_p


@right("Q7b")
class attention_of_lesson_five(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        class Heads(nn.Module):
            def __init__(self):
                super().__init__()
                self.keys = nn.Linear(emb_size, emb_size)
                self.queries = nn.Linear(emb_size, emb_size)
                self.values = nn.Linear(emb_size, emb_size)
                self.projection = nn.Linear(emb_size, emb_size)

            def forward(self, x, mask=None):
                q, k, v = (
                    rearrange(layer(x), "b n (h d) -> b h n d", h=num_heads)
                    for layer in (self.queries, self.keys, self.values)
                )
                out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
                return self.projection(rearrange(out, "b h n d -> b n (h d)"))

        super().__init__(
            ResidualAdd(nn.Sequential(nn.LayerNorm(emb_size), Heads(), nn.Dropout(drop_p))),
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
                )
            ),
        )


@right("Q7b")
class one_matrix_for_three_and_a_norm_by_hand(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__()

        class Norm(nn.Module):
            def __init__(self):
                super().__init__()
                self.g, self.b = nn.Parameter(torch.ones(emb_size)), nn.Parameter(torch.zeros(emb_size))

            def forward(self, x):
                var, mean = torch.var_mean(x, -1, unbiased=False, keepdim=True)
                return self.g * (x - mean) / (var + 1e-5).sqrt() + self.b

        self.h, self.p, self.fp = num_heads, drop_p, forward_drop_p
        self.ln1, self.ln2 = Norm(), Norm()
        self.to_qkv = nn.Linear(emb_size, 3 * emb_size)
        self.proj = nn.Linear(emb_size, emb_size)
        self.fc1, self.fc2 = nn.Linear(emb_size, expansion * emb_size), nn.Linear(expansion * emb_size, emb_size)

    def forward(self, x):
        q, k, v = rearrange(self.to_qkv(self.ln1(x)), "b n (three h d) -> three b h n d", three=3, h=self.h)
        weights = (torch.einsum("bhid,bhjd->bhij", q, k) / math.sqrt(q.shape[-1])).softmax(-1)
        heads = rearrange(torch.einsum("bhij,bhjd->bhid", weights, v), "b h n d -> b n (h d)")
        x = x + F.dropout(self.proj(heads), self.p, self.training)
        h = F.dropout(F.gelu(self.fc1(self.ln2(x)), approximate="tanh"), self.fp, self.training)
        return x + F.dropout(self.fc2(h), self.p, self.training)


@right("Q7b")
class named_parts_and_dropout_in_attention(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__()
        attend = nn.Sequential()
        attend.add_module("norm", nn.LayerNorm(emb_size))
        attend.add_module("attention", MultiHeadAttention(emb_size, num_heads, dropout=drop_p))
        attend.add_module("drop", nn.Dropout(drop_p))
        self.add_module("attend", ResidualAdd(attend))
        think = [nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)]
        self.add_module("think", ResidualAdd(nn.Sequential(*think)))


@right("Q7b")
class feed_forward_by_matrices(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__()
        hidden = expansion * emb_size
        self.attend = MultiHeadAttention(emb_size, num_heads)
        self.norms = nn.ModuleList([nn.LayerNorm(emb_size) for _ in range(2)])
        self.w1, self.b1 = nn.Parameter(torch.randn(emb_size, hidden) / 8), nn.Parameter(torch.zeros(hidden))
        self.w2, self.b2 = nn.Parameter(torch.randn(hidden, emb_size) / 8), nn.Parameter(torch.zeros(emb_size))
        self.inner, self.outer = nn.Dropout(forward_drop_p), nn.Dropout(drop_p)

    def forward(self, x):
        x = self.outer(self.attend(self.norms[0](x))) + x
        hidden = self.inner(F.gelu(self.norms[1](x) @ self.w1 + self.b1))
        return self.outer(hidden @ self.w2 + self.b2) + x


@right("Q7b")
class fused_by_head_without_bias(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__()
        self.h, self.rates = num_heads, (drop_p, forward_drop_p)
        self.ln1, self.ln2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.qkv, self.out = nn.Linear(emb_size, 3 * emb_size, bias=False), nn.Linear(emb_size, emb_size)
        self.a, self.b = nn.Linear(emb_size, expansion * emb_size), nn.Linear(expansion * emb_size, emb_size)

    def forward(self, x):
        drop, inner = self.rates
        q, k, v = rearrange(self.qkv(self.ln1.forward(x)), "b n (h three d) -> three b h n d", three=3, h=self.h)
        heads = rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)")
        x = x + F.dropout(self.out(heads), drop, self.training)
        hidden = F.dropout(F.gelu(self.a(self.ln2.forward(x))), inner, self.training)
        return x + F.dropout(self.b(hidden), drop, self.training)


@right("Q7b")
class qkv_innermost_and_functional_norms(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__()
        self.h, self.d = num_heads, emb_size
        self.first, self.second = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.linears = nn.ModuleList([nn.Linear(emb_size, 3 * emb_size), nn.Linear(emb_size, emb_size)])
        self.mlp = FeedForwardBlock(emb_size, expansion, forward_drop_p)
        self.drop = nn.Dropout(drop_p)

    def forward(self, x):
        u = F.layer_norm(x, (self.d,), self.first.weight, self.first.bias)
        q, k, v = rearrange(self.linears[0](u), "b n (h d three) -> three b h n d", three=3, h=self.h)
        weights = torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), -1)
        x = x + self.drop(self.linears[1](rearrange(weights @ v, "b h n d -> b n (h d)")))
        return x + self.drop(self.mlp(F.layer_norm(x, (self.d,), self.second.weight, self.second.bias)))


@right("Q7b")
class a_list_of_heads(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__()
        d = emb_size // num_heads
        self.heads = nn.ModuleList([nn.ModuleList([nn.Linear(emb_size, d) for _ in "qkv"]) for _ in range(num_heads)])
        self.join, self.drop = nn.Linear(emb_size, emb_size), nn.Dropout(drop_p)
        self.norms = nn.ModuleList([nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)])
        self.think = FeedForwardBlock(emb_size, expansion, forward_drop_p)

    def one(self, head, u):
        q, k, v = (layer(u) for layer in head)
        return F.softmax(q @ k.transpose(1, 2) * q.shape[-1] ** -0.5, dim=-1) @ v

    def forward(self, x):
        u = self.norms[0](x)
        x = x + self.drop(self.join(torch.cat([self.one(head, u) for head in self.heads], dim=-1)))
        return x + self.drop(self.think(self.norms[1](x)))


@right("Q7b")
class raw_matrices_and_float64(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__()
        self.h = num_heads
        self.W_k, self.W_q, self.W_v, self.W_o = (nn.Parameter(torch.randn(emb_size, emb_size) / 8) for _ in range(4))
        self.pre, self.post = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.ff, self.drop = FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)

    def attend(self, u):
        split = "b n (h d) -> b h n d"
        q, k, v = (rearrange((u @ w).double(), split, h=self.h) for w in (self.W_q, self.W_k, self.W_v))
        heads = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v
        return rearrange(heads, "b h n d -> b n (h d)").float() @ self.W_o

    def forward(self, x):
        x = x + self.drop(self.attend(self.pre(x)))
        return x + self.drop(self.ff(self.post(x)))


@right("Q7b")
class keys_and_values_in_one_layer(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        class Attention(nn.Module):
            def __init__(self):
                super().__init__()
                self.project_q, self.kv = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, 2 * emb_size)
                self.last = nn.Linear(emb_size, emb_size)

            def forward(self, u):
                k, v = rearrange(self.kv(u), "b n (two h d) -> two b h n d", two=2, h=num_heads)
                q = rearrange(self.project_q(u), "b n (h d) -> b h n d", h=num_heads)
                return self.last(rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"))

        attend = nn.Sequential(nn.LayerNorm(emb_size), Attention(), nn.Dropout(drop_p))
        think = nn.Sequential(
            nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
        )
        super().__init__(ResidualAdd(attend), ResidualAdd(think))


# --- Q7b, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q7b",
    hint="The norms come after each sum: this is post-norm. In the drawing there is nothing on the residual path "
    "except two plus signs.",
)
class norms_on_the_stream(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(nn.Sequential(MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))),
            nn.LayerNorm(emb_size),
            ResidualAdd(nn.Sequential(FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p))),
            nn.LayerNorm(emb_size),
        )


@mistake(
    "Q7b",
    hint="The norm comes before the residual connection branches off, so x itself is not added. The norm belongs "
    "into what ResidualAdd wraps.",
)
class norm_before_the_fork(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            nn.LayerNorm(emb_size),
            ResidualAdd(nn.Sequential(MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))),
            nn.LayerNorm(emb_size),
            ResidualAdd(nn.Sequential(FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p))),
        )


@mistake(
    "Q7b",
    hint="The norm comes after attention and after the feed-forward, inside their branches. Each of the two should"
    " read normed tokens.",
)
class norm_at_the_end_of_each_branch(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(MultiHeadAttention(emb_size, num_heads), nn.LayerNorm(emb_size), nn.Dropout(drop_p))
            ),
            ResidualAdd(
                nn.Sequential(
                    FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.LayerNorm(emb_size), nn.Dropout(drop_p)
                )
            ),
        )


@mistake(
    "Q7b",
    hint="Attention reads tokens that are not normed. The attention half needs a norm of its own, as the "
    "feed-forward half has.",
)
class attention_reads_raw(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(nn.Sequential(MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))),
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
                )
            ),
        )


@mistake(
    "Q7b",
    hint="The feed-forward reads tokens that are not normed. The feed-forward half needs a norm of its own, as the"
    " attention half has.",
)
class feed_forward_reads_raw(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
            ),
            ResidualAdd(nn.Sequential(FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p))),
        )


@mistake(
    "Q7b",
    hint="There is no norm in either half. Section 3 measures what follows in a deep model.",
)
class no_norm_at_all(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(nn.Sequential(MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))),
            ResidualAdd(nn.Sequential(FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p))),
        )


@mistake(
    "Q7b",
    hint="Both halves share one norm. They are two layers with weights of their own.",
)
class one_norm_for_two(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        norm = nn.LayerNorm(emb_size)
        super().__init__(
            ResidualAdd(nn.Sequential(norm, MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))),
            ResidualAdd(nn.Sequential(norm, FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p))),
        )


@mistake(
    "Q7b",
    hint="The feed-forward half has no residual connection: with attention silent, x does not come through.",
)
class second_shortcut_missing(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
            ),
            nn.Sequential(
                nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
            ),
        )


@mistake(
    "Q7b",
    hint="The attention half has no residual connection: only what attention returns goes on.",
)
class first_shortcut_missing(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p)),
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
                )
            ),
        )


@mistake(
    "Q7b",
    hint="Neither half has a residual connection: x itself is not contained in the output.",
)
class no_shortcut_left(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p)),
            nn.Sequential(
                nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
            ),
        )


@mistake(
    "Q7b",
    hint="One residual connection goes around both halves together. Each half has one of its own.",
)
class one_shortcut_around_both(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size),
                    MultiHeadAttention(emb_size, num_heads),
                    nn.Dropout(drop_p),
                    nn.LayerNorm(emb_size),
                    FeedForwardBlock(emb_size, expansion, forward_drop_p),
                    nn.Dropout(drop_p),
                )
            )
        )


@mistake(
    "Q7b",
    hint="Each half alone is right, but both read the same x. The feed-forward should read the result of the "
    "attention half.",
)
class halves_in_parallel(nn.Module):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__()
        self.attend = nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
        self.think = nn.Sequential(
            nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
        )

    def forward(self, x):
        return x + self.attend(x) + self.think(x)


@mistake(
    "Q7b",
    hint="Each half alone is right, but the feed-forward comes before attention.",
)
class thinking_before_talking(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
                )
            ),
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
            ),
        )


@mistake(
    "Q7b",
    hint="The block ends with a norm that is not in the drawing. A pre-norm model has one such norm, after its "
    "last block, and it belongs to the model.",
)
class a_norm_too_many(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
            ),
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
                )
            ),
            nn.LayerNorm(emb_size),
        )


@mistake(
    "Q7b",
    hint="The number of heads has no effect: `num_heads` does not reach the attention.",
)
class heads_never_passed(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size), nn.Dropout(drop_p))),
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
                )
            ),
        )


@mistake(
    "Q7b",
    hint="The attention gets its two numbers in the wrong order: the first is the width, the second the number of "
    "heads.",
)
class width_and_heads_exchanged(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(num_heads, emb_size), nn.Dropout(drop_p))
            ),
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
                )
            ),
        )


@mistake(
    "Q7b",
    hint="The expansion has no effect: `expansion` does not reach the feed-forward, which uses its default.",
)
class expansion_never_passed(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
            ),
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, drop_p=forward_drop_p), nn.Dropout(drop_p)
                )
            ),
        )


@mistake(
    "Q7b",
    hint="The second argument of the feed-forward is its expansion, and it gets a dropout rate. Pass the arguments"
    " by name.",
)
class rate_passed_as_expansion(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
            ),
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, forward_drop_p), nn.Dropout(drop_p))
            ),
        )


@mistake(
    "Q7b",
    hint="drop_p has no effect: what either half adds is never dropped.",
)
class drop_p_unused(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads))),
            ResidualAdd(nn.Sequential(nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p))),
        )


@mistake(
    "Q7b",
    hint="drop_p acts on one half only. Both halves have the same three parts.",
)
class one_half_spared(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
            ),
            ResidualAdd(nn.Sequential(nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p))),
        )


@mistake(
    "Q7b",
    hint="forward_drop_p has no effect: it is the rate inside the feed-forward and does not reach it.",
)
class forward_drop_p_unused(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
            ),
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion), nn.Dropout(drop_p))
            ),
        )


@mistake(
    "Q7b",
    hint="The two rates are exchanged: drop_p acts inside the feed-forward, and forward_drop_p on what the halves add.",
)
class rates_exchanged(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(forward_drop_p)
                )
            ),
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, drop_p), nn.Dropout(forward_drop_p)
                )
            ),
        )


@mistake(
    "Q7b",
    hint="Dropout acts after the sum and so on the tokens themselves. It belongs to what a half adds, before the sum.",
)
class stream_dropped(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads))),
            nn.Dropout(drop_p),
            ResidualAdd(nn.Sequential(nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p))),
            nn.Dropout(drop_p),
        )


@mistake(
    "Q7b",
    hint="Called without arguments the block drops numbers: the default rates should be 0.",
)
class rates_of_a_tenth(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.1, forward_drop_p=0.1):
        super().__init__(
            ResidualAdd(
                nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))
            ),
            ResidualAdd(
                nn.Sequential(
                    nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
                )
            ),
        )


ATTEND = "MultiHeadAttention(emb_size, num_heads)"
edited(
    "Q7b", "attention_twice", {"ResidualAdd(attend), ResidualAdd(feed)": "ResidualAdd(attend), ResidualAdd(attend)"},
    hint="The attention half is used twice, and the feed-forward half is made and never used.",
)  # fmt: skip
edited(
    "Q7b", "feed_forward_twice", {"ResidualAdd(attend), ResidualAdd(feed)": "ResidualAdd(feed), ResidualAdd(feed)"},
    hint="The feed-forward half is used twice, and the attention half is made and never used.",
)  # fmt: skip
edited(
    "Q7b", "two_attentions_in_a_half",
    {ATTEND: "MultiHeadAttention(emb_size, num_heads), MultiHeadAttention(emb_size, num_heads)"},
    hint="The attention half contains two attentions, one after the other, and so more weights than the solution's.",
)  # fmt: skip
edited(
    "Q7b", "norm_without_weights",
    {"nn.LayerNorm(emb_size), Multi": "nn.LayerNorm(emb_size, elementwise_affine=False), Multi"},
    hint="The norm of the attention half has no weights: `elementwise_affine=False` leaves out its factor and its "
    "summand.",
)  # fmt: skip
# --- Q7c, the stretch question ---------------------------------------------------------------------------------------


@right("Q7c")
class LibraryFunction(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.scale, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return F.rms_norm(x, self.scale.shape, self.scale, self.eps)


@right("Q7c")
class ByTheReciprocalRoot(nn.Module):
    def __init__(self, emb_size, eps=1e-6):
        super().__init__()
        self.g, self.eps = nn.Parameter(torch.ones(1, 1, emb_size)), eps

    def forward(self, x):
        return self.g * x * torch.rsqrt(x.pow(2).mean(dim=-1, keepdim=True) + self.eps)


@right("Q7c")
class ByTheLength(nn.Module):
    def __init__(self, emb_size, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(emb_size)), eps

    def forward(self, x):
        mean_square = torch.linalg.vector_norm(x, dim=-1, keepdim=True) ** 2 / x.shape[-1]
        return x / (mean_square + self.eps) ** 0.5 * self.weight


@mistake("Q7c", hint="Your norm subtracts the mean first: that is LayerNorm. RMSNorm leaves the mean in place.")
class mean_subtracted(nn.Module):
    def __init__(self, emb_size, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(emb_size)), eps

    def forward(self, x):
        x = x - x.mean(-1, keepdim=True)
        return self.weight * x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


@mistake("Q7c", hint="You divide by the length of a token, the root of the sum of its squares; a mean was asked for.")
class sum_of_squares(nn.Module):
    def __init__(self, emb_size, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(emb_size)), eps

    def forward(self, x):
        return self.weight * x / torch.sqrt(x.pow(2).sum(-1, keepdim=True) + self.eps)


@mistake("Q7c", hint="You divide by the mean square itself. Its square root is missing.")
class without_the_root(nn.Module):
    def __init__(self, emb_size, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(emb_size)), eps

    def forward(self, x):
        return self.weight * x / (x.pow(2).mean(-1, keepdim=True) + self.eps)


@mistake("Q7c", hint="Your eps is added after the square root. For tokens near zero that makes a large difference.")
class eps_outside_the_root(nn.Module):
    def __init__(self, emb_size, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(emb_size)), eps

    def forward(self, x):
        return self.weight * x / (x.pow(2).mean(-1, keepdim=True).sqrt() + self.eps)


@mistake("Q7c", hint="All tokens share one root mean square in your norm. Each token is normalised by its own.")
class over_all_tokens(nn.Module):
    def __init__(self, emb_size, eps=1e-6):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(emb_size)), eps

    def forward(self, x):
        return self.weight * x / torch.sqrt(x.pow(2).mean((-2, -1), keepdim=True) + self.eps)


@mistake("Q7c", hint="The values are right, and nothing is learned: the factor of each dimension is missing.")
class without_a_factor(nn.Module):
    def __init__(self, emb_size, eps=1e-6):
        super().__init__()
        self.eps = eps

    def forward(self, x):
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


# --- Q7d, the blank page ---------------------------------------------------------------------------------------------

reference("Q7d")(block_with_a_gelu)


@right("Q7d")
class separate_matrices_and_a_sequential(nn.Module):
    def __init__(self, dim, heads, ratio):
        super().__init__()
        self.h = heads
        self.mlp = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, ratio * dim), nn.GELU(), nn.Linear(ratio * dim, dim))
        self.ln = nn.LayerNorm(dim)
        self.v, self.k, self.q = (nn.Linear(dim, dim, bias=False) for _ in range(3))
        self.o = nn.Linear(dim, dim)

    def forward(self, x):
        y = self.ln(x)
        q, k, v = (rearrange(f(y), "b n (h d) -> b h n d", h=self.h) for f in (self.q, self.k, self.v))
        x = x + self.o(rearrange(F.scaled_dot_product_attention(q, k, v), "b h n d -> b n (h d)"))
        return x + self.mlp(x)


@right("Q7d")
class attention_of_torch(nn.Module):
    def __init__(self, emb_size, num_heads, expansion):
        super().__init__()
        self.n1, self.n2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.attention = nn.MultiheadAttention(emb_size, num_heads, batch_first=True)
        self.up, self.down = nn.Linear(emb_size, expansion * emb_size), nn.Linear(expansion * emb_size, emb_size)

    def forward(self, x):
        y = self.n1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.down(F.gelu(self.up(self.n2(x))))


@right("Q7d")
class attention_of_the_lesson(nn.Module):
    def __init__(self, emb_size, num_heads, expansion):
        super().__init__()
        self.first = nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads))
        wide = expansion * emb_size
        self.second = nn.Sequential(nn.LayerNorm(emb_size), nn.Linear(emb_size, wide), nn.GELU())
        self.second.append(nn.Linear(wide, emb_size))

    def forward(self, x):
        for half in (self.first, self.second):
            x = half(x) + x
        return x


@right("Q7d")
class one_layer_per_head(nn.Module):
    def __init__(self, emb_size, num_heads, expansion):
        super().__init__()
        d = emb_size // num_heads
        self.norms = nn.ModuleList([nn.LayerNorm(emb_size) for _ in range(2)])
        self.heads = nn.ModuleList(nn.ModuleList(nn.Linear(emb_size, d) for _ in range(3)) for _ in range(num_heads))
        self.join = nn.Linear(emb_size, emb_size)
        self.inner, self.outer = nn.Linear(emb_size, emb_size * expansion), nn.Linear(emb_size * expansion, emb_size)

    def forward(self, x):
        y, found = self.norms[0](x), []
        for query, key, value in self.heads:
            scores = query(y) @ key(y).mT / math.sqrt(query.out_features)
            found.append(scores.softmax(-1) @ value(y))
        x = x + self.join(torch.cat(found, -1))
        return x + self.outer(F.gelu(self.inner(self.norms[1](x)), approximate="tanh"))


@right("Q7d")
class plain_parameters(nn.Module):
    def __init__(self, emb_size, num_heads, expansion):
        super().__init__()
        self.h, wide = num_heads, expansion * emb_size
        self.norm_a, self.norm_b = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        for name, rows, columns in (("wqkv", emb_size, 3 * emb_size), ("wo", emb_size, emb_size),
                                    ("w1", emb_size, wide), ("w2", wide, emb_size)):  # fmt: skip
            setattr(self, name, nn.Parameter(torch.randn(rows, columns) / rows**0.5))
        self.b1, self.b2 = nn.Parameter(torch.zeros(wide)), nn.Parameter(torch.zeros(emb_size))

    def forward(self, x):
        q, k, v = rearrange(self.norm_a(x) @ self.wqkv, "b n (three h d) -> three b h n d", three=3, h=self.h)
        weights = torch.einsum("bhqd,bhkd->bhqk", q, k).mul(q.shape[-1] ** -0.5).softmax(-1)
        x = x + rearrange(torch.einsum("bhqk,bhkd->bhqd", weights, v), "b h n d -> b n (h d)") @ self.wo
        return x + F.gelu(self.norm_b(x) @ self.w1 + self.b1) @ self.w2 + self.b2


FIRST, SECOND = "x = x + self.attend(self.norm1(x))", "return x + self.feed_forward(self.norm2(x))"
SOFTMAX = "(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(dim=-1)"
for name, changes, hint in (
    ("memory_post_norm", {FIRST: "x = self.norm1(x + self.attend(x))",
                          SECOND: "return self.norm2(x + self.feed_forward(x))"},
     "Your norms come after the sums: that is post-norm. In pre-norm the residual stream contains additions only."),
    ("memory_norm_on_the_stream", {FIRST: "x = self.norm1(x)\n        x = x + self.attend(x)",
                                   SECOND: "x = self.norm2(x)\n        return x + self.feed_forward(x)"},
     "You add to the normalised tokens. The branch reads the norm's output, and the sum uses the tokens before it."),
    ("memory_relu", {"F.gelu(": "F.relu("}, "Your activation is a ReLU. Which activation does a ViT use?"),
    ("memory_no_activation", {"F.gelu(self.widen(x))": "self.widen(x)"},
     "There is no activation between your two linear layers, so together they are one linear layer."),
    ("memory_activation_last", {"self.narrow(F.gelu(self.widen(x)))": "F.gelu(self.narrow(self.widen(x)))"},
     "Your activation comes after both linear layers. Which width do the numbers have that it should act on?"),
    ("memory_attention_replaces", {FIRST: "x = self.attend(self.norm1(x))"},
     "The output of attention replaces the tokens: the first half has no residual connection."),
    ("memory_feed_forward_replaces", {SECOND: "return self.feed_forward(self.norm2(x))"},
     "The output of the feed-forward network replaces the tokens: the second half has no residual connection."),
    ("memory_one_norm_for_both", {"self.feed_forward(self.norm2(x))": "self.feed_forward(self.norm1(x))"},
     "Both halves use the same norm. How many norms does the drawing of the block show?"),
    ("memory_parallel_halves", {FIRST: "y = x + self.attend(self.norm1(x))",
                                SECOND: "return y + self.feed_forward(self.norm2(x))"},
     ("Your feed-forward network reads the tokens as they were before attention. Which tokens does the second equation "
     "use?")),
    ("memory_other_order", {FIRST: "x = x + self.feed_forward(self.norm2(x))",
                            SECOND: "return x + self.attend(self.norm1(x))"},
     "Your feed-forward network comes first. The order of the two halves changes the result."),
    ("memory_attention_without_norm", {"self.attend(self.norm1(x))": "self.attend(x)"},
     "Your attention reads tokens that are not normalised."),
    ("memory_feed_forward_without_norm", {"self.feed_forward(self.norm2(x))": "self.feed_forward(x)"},
     "Your feed-forward network reads tokens that are not normalised."),
    ("memory_not_scaled", {SOFTMAX: "(q @ k.transpose(-1, -2)).softmax(dim=-1)"},
     "The scores of your attention are not scaled before the softmax."),
    ("memory_whole_width", {SOFTMAX: "(q @ k.transpose(-1, -2) / x.shape[-1] ** 0.5).softmax(dim=-1)"},
     "Your scores are divided by the root of the whole width. Over how many numbers does one score sum?"),
    ("memory_softmax_over_queries", {"softmax(dim=-1)": "softmax(dim=-2)"},
     "The weights of your attention add up to 1 over the queries, and should do so over the keys."),
    ("memory_heads_joined_by_reshape",
     {'rearrange(weights @ v, "b h n d -> b n (h d)")': "(weights @ v).reshape(x.shape)"},
     "Your heads are joined by a reshape alone, so a token receives numbers that belong to other tokens."),
    ("memory_final_norm", {SECOND: "return self.norm1(x + self.feed_forward(self.norm2(x)))"},
     "Your block normalises its output. A pre-norm model has one such norm, after its last block."),
    ("memory_fixed_expansion", {"nn.Linear(emb_size, expansion * emb_size)": "nn.Linear(emb_size, 4 * emb_size)",
                                "nn.Linear(expansion * emb_size, emb_size)": "nn.Linear(4 * emb_size, emb_size)"},
     "Your hidden layer is 4 times as wide as a token, whatever `expansion` is."),
):  # fmt: skip
    edited("Q7d", name, changes, hint=hint)
