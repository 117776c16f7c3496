"""Lesson 06: what students really write, right in unusual ways and wrong in usual ones."""

import math

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from torch import nn

from grading.judging.bank import mistake, right


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
    hint="What comes out is what fn says, and x is gone. In the picture, lay the left panel on top of yours: does it "
    "look like the target then?",
)
class shortcut_forgotten(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return self.fn(x, **kwargs)


@mistake(
    "Q6",
    hint="Your numbers are twice x, and fn's voice is missing. One of the two summands has to pass through fn.",
)
class x_twice(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + x


@mistake(
    "Q6",
    hint="What comes out is twice what fn says: x was overwritten before it was added. After a line `x = …`, which x "
    "does the next line see?",
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
    hint="Alone, fn is fed well; but a mask and a scale that were meant for it fall off the table. What does `forward` "
    "get besides x, and to whom does it hand it on?",
)
class kwargs_dropped(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(x)


@mistake(
    "Q6",
    hint="The keyword arguments arrive as one dictionary, where fn expects a name for each (or nothing at all). How "
    "many stars stand before `kwargs` in the first line of `forward`?",
)
class a_dictionary_handed_over(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(x, kwargs)


@mistake(
    "Q6",
    hint="One star unpacks a dictionary into its *keys*: fn got the word 'mask' where a mask belongs.",
)
class one_star_too_few(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(x, *kwargs)


@mistake(
    "Q6",
    hint="You add a module to a tensor: fn itself, not what fn makes of x. A module has to be called.",
)
class fn_never_called(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn


@mistake(
    "Q6",
    hint="Right numbers, at somebody else's expense: after the call the caller's x holds your sum. `+=` on a tensor "
    "writes where the tensor lives. Who else looks at that place?",
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
    hint="You write your sum into the tensor that fn returned. When fn hands x straight back, that *is* x; and some "
    "layers need what they returned once more, on the way back. The lecture's `x += res` looks innocent, doesn't it?",
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
    hint="The values are right, but on the way back the shortcut is closed: a gradient passes through fn only. What "
    "does `detach` (or `.data`) do to a gradient, and why is there a shortcut at all?",
)
class shortcut_detached(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x.detach() + self.fn(x, **kwargs)


@mistake(
    "Q6",
    hint="The values are right, but nothing flows back through fn: it never learns. What does `no_grad` switch off?",
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
    hint="You take the mean of the two. Stack twelve of those, and how much of x is left at the end?",
)
class mean_of_both(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return (x + self.fn(x, **kwargs)) / 2


@mistake(
    "Q6",
    hint="fn's part arrives with its sign turned: your output is as far from x as the target, on the other side.",
)
class change_taken_away(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x - self.fn(x, **kwargs)


@mistake(
    "Q6",
    hint="You put x and fn's part side by side, and the width has doubled. The next block expects the old width: they "
    "go on top of each other.",
)
class glued_to_its_side(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return torch.cat([x, self.fn(x, **kwargs)], dim=-1)


@mistake(
    "Q6",
    hint="One fn too many: you add fn of fn of x. Count the parentheses that open.",
)
class fn_of_fn(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(self.fn(x, **kwargs), **kwargs)


@mistake(
    "Q6",
    hint="fn sits in a plain list, where no optimiser will look: `parameters()` finds nothing. How does a module know "
    "of its parts?",
)
class fn_hidden_in_a_list(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.parts = [fn]

    def forward(self, x, **kwargs):
        return x + self.parts[0](x, **kwargs)


@mistake(
    "Q6",
    hint="Nothing comes back. The sum is made, and then dropped at the end of `forward`.",
)
class return_missing(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        x + self.fn(x, **kwargs)  # noqa: B018


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
    hint="Your numbers are a little too small, the more so the narrower the token: torch's `var` divides by d - 1 "
    "unless told otherwise. Which of its arguments changes that?",
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
    hint="You divide by the variance. Widen a token by 10 and its variance grows by 100: what should the divisor "
    "grow by?",
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
    hint="Ordinary tokens are right, faint ones come out too large or too small: eps stands outside the root. The "
    "standard deviation of a faint token is small; which is smaller, eps or its root?",
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
    hint="A token of equal numbers becomes nan: its variance is 0, and you divide by it. There is an argument that was "
    "made for this moment.",
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
    hint="With the usual eps all is well; with a large one nothing changes. Somewhere in your code stands 1e-5 where a "
    "name belongs.",
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
    hint="The spread is right and the mean is not 0: you divide x itself. (That is the way to RMSNorm, which is a fine "
    "layer, but another one.) What comes before the fraction bar?",
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
    hint="You divide by the root of the mean square: RMSNorm, the younger sister, which never takes the mean away. "
    "Layer norm does so first.",
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
    hint="Means are gone, spreads are as they were. After the subtraction there is a division; for that you have a "
    "variance.",
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
    hint="You multiply where you should divide: wide tokens got wider. Or did a `rsqrt` become a `sqrt`?",
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
    hint="Each dimension is normed over the images of the batch: that is batch norm's idea, and a token now depends on "
    "its neighbours in the batch. Over which axis should a token look only at itself?",
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
    hint="Axis 1 counts tokens: you norm each dimension over the tokens of an image. A token's own numbers lie along "
    "another axis; count it from the end.",
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
    hint="For (b, n, d) all is well, for anything with fewer or more axes not. You count your axis from the front; the "
    "width is always the last.",
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
    hint="All tokens of an image share one mean and one variance. A loud token still drowns a quiet one; each needs "
    "its own.",
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
    hint="One mean and one variance for the whole batch. Without an axis, `mean()` means everything.",
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
    hint="(b, n, d) minus (b, n): the axis that you averaged over is gone, and the rest no longer lines up (or worse: "
    "lines up by chance, when all sizes are equal). One argument keeps it, with length 1.",
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
    hint="A perfect norm, and then weight and bias stay at home: drawn ones change nothing. Who uses them?",
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
    hint="The weight acts, the bias never arrives. Look at the end of your last line.",
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
    hint="The bias is scaled as well: it joined before the weight had its turn. Where do your parentheses close?",
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
    hint="Values right, gradients wrong: mean and variance come from x too, and a nudge to one number moves both. Is "
    "something detached, or under `no_grad`?",
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
    hint="Weight and bias are plain tensors: `parameters()` finds nothing, so nothing can be set and nothing learns. "
    "What turns a tensor into a parameter?",
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
    hint="A fresh norm gives only zeros: its weight starts at 0, and nothing gets past a factor of 0. With which "
    "factor does a layer start that wants to change nothing yet?",
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
    hint="Left of zero your curve lies flat on the axis: that is the ReLU of 2017. The target dips below the axis "
    "before it comes up.",
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
    hint="Your curve is a straight line: nothing bends. Two linear maps without a bend between them are one linear "
    "map, dearly bought.",
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
    hint="Your curve dips a little deeper, and returns more slowly: x times a sigmoid, known as SiLU or swish. A near "
    "relative, but the target weighs x by the bell curve's area.",
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
    hint="Very near: x · sigmoid(1.702 x), the quick approximation that CLIP uses. It is off by up to 0.02; torch has "
    "the real one.",
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
    hint="Your curve saturates on both sides: whatever is large comes out as ±1. A tanh squeezes; the target lets "
    "large numbers pass.",
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
    hint="It bends once more at the end. What a block adds to the stream must be free to be negative: the last thing "
    "in it is a linear map.",
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
    hint="The bend comes after both linear maps, so between them nothing bends. Which two layers should it separate?",
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
    hint="The first layer makes `expansion` numbers, four for every token however wide it is. It should make that many "
    "times the width.",
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
    hint="Your hidden layer is `emb_size + expansion` wide: a handful of numbers more, where the block asks for a "
    "multiple.",
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
    hint="Your block stays at the width of the token from end to end: the expansion goes unused.",
)
class never_widened(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(nn.Linear(emb_size, emb_size), nn.GELU(), nn.Dropout(drop_p), nn.Linear(emb_size, emb_size))


@mistake(
    "Q7",
    hint="You squeeze where you should widen: the hidden layer is narrower than the token (an hourglass). This block "
    "is a barrel.",
)
class an_hourglass(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        hidden = max(1, emb_size // expansion)
        super().__init__(nn.Linear(emb_size, hidden), nn.GELU(), nn.Dropout(drop_p), nn.Linear(hidden, emb_size))


@mistake(
    "Q7",
    hint="Four times, whatever was asked for: with another expansion your hidden layer is still 4 times as wide. A "
    "number stands where a name belongs.",
)
class four_for_ever(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, 4 * emb_size), nn.GELU(), nn.Dropout(drop_p), nn.Linear(4 * emb_size, emb_size)
        )


@mistake(
    "Q7",
    hint="Tokens come out as wide as the hidden layer: the way back is missing, or ends where the first layer did.",
)
class the_way_back_is_missing(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(nn.Linear(emb_size, expansion * emb_size), nn.GELU(), nn.Dropout(drop_p))


@mistake(
    "Q7",
    hint="The second Linear expects a token and gets a widened one: the two sizes of the way back are exchanged. The "
    "first number is what comes in.",
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
    hint="x itself is in what comes out. A fine idea, but it is ResidualAdd's: the block would add x twice.",
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
    hint="There is a norm in your block: blow x up and the output hardly moves. The norm belongs to the encoder block, "
    "in front of this one.",
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
    hint="Both maps without a bias: one number per hidden unit and per dimension is missing, and no unit can choose "
    "where it bends.",
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
    hint="Whatever drop_p says, nothing is ever dropped. Is there a Dropout, and does it know its rate?",
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
    hint="Your block drops numbers although drop_p is 0: `nn.Dropout()` without an argument drops every second one.",
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
    hint="In eval your block still drops: the same input twice gives two answers. `F.dropout` has to be told whether "
    "the module is training.",
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
    hint="Your dropout comes last: it silences whole output dimensions, where it should thin out the widened numbers. "
    "Between which two layers does it belong?",
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
    hint="Your dropout comes first and drops numbers of the token itself, so whole hidden units go astray. It belongs "
    "behind the bend.",
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
    hint="You drop with probability 1 - drop_p. PyTorch's p is the share that goes, not the share that stays.",
)
class kept_and_dropped_exchanged(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Dropout(1 - drop_p) if drop_p else nn.Identity(),
            nn.Linear(expansion * emb_size, emb_size),
        )


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


# --- Q7b, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q7b",
    hint="Your norms stand on the stream, after each sum: the post-norm of 2017. In the drawing, is there anything on "
    "the thick line besides two plus signs?",
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
    hint="Your norms come before the fork, so the shortcut carries the normed x and the untouched one is lost. "
    "The norm belongs inside of what ResidualAdd wraps.",
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
    hint="The norm comes after attention and after the feed-forward, inside their branches. Each of them should "
    "*read* normed tokens: who comes first in a Sequential?",
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
    hint="Attention reads the raw stream. The feed-forward half has its norm; the attention half wants one too.",
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
    hint="The feed-forward half reads the raw stream: one norm for the whole block is one too few.",
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
    hint="No norm anywhere. Section 4 showed where that leads in a deep stack.",
)
class no_norm_at_all(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(nn.Sequential(MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p))),
            ResidualAdd(nn.Sequential(FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p))),
        )


@mistake(
    "Q7b",
    hint="Both halves share a single norm: one weight and one bias for two jobs. They are two layers, made one by one.",
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
    hint="The feed-forward half has lost its shortcut: with attention silent, x doesn't come through.",
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
    hint="The attention half has lost its shortcut: what attention doesn't say, nobody behind it will ever know.",
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
    hint="No shortcut left at all: two halves in a row, and x is gone after the first. What did you write Q6 for?",
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
    hint="One shortcut around both halves together. Each half adds to the stream for itself: two forks, two pluses.",
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
    hint="Each half alone is right, but both read the same x, side by side. The feed-forward should think about what "
    "attention has just brought in.",
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
    hint="Each half alone is right, but they come in the other order. First tokens talk, then each one thinks.",
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
    hint="The block ends with a norm that isn't in the drawing. A deep pre-norm model has one such norm, after "
    "its last block; it belongs to the model.",
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
    hint="Whatever number of heads was asked for, yours are the default's. Does `num_heads` arrive at the attention?",
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
    hint="Attention is asked for `num_heads` dimensions and `emb_size` heads, or so its complaint says. In which order "
    "does it take its two numbers?",
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
    hint="Your feed-forward widens by its own default whatever `expansion` says. Four arguments arrive where they "
    "should, the fifth does not.",
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
    hint="The feed-forward's second argument is its expansion, and yours is a rate: the hidden layer got a width that "
    "no layer can have. Name your arguments, and they find their places.",
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
    hint="drop_p changes nothing: neither half's contribution is ever dropped.",
)
class drop_p_unused(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        super().__init__(
            ResidualAdd(nn.Sequential(nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads))),
            ResidualAdd(nn.Sequential(nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p))),
        )


@mistake(
    "Q7b",
    hint="drop_p reaches one half, and the other is spared. Both have the same three parts.",
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
    hint="forward_drop_p changes nothing. It is the rate *inside* the feed-forward: does Q7's block hear of it?",
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
    hint="The two rates have changed places: inside the feed-forward acts drop_p, at the ends of the branches "
    "forward_drop_p.",
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
    hint="Your dropout stands behind the plus sign and thins out the stream itself: what is lost there is lost for "
    "every block behind. Which side of ResidualAdd's parenthesis is it on?",
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
    hint="Your defaults drop: called without arguments the block is asked for rates of 0. (0.1 is a fine rate, for "
    "those who ask for it.)",
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
