# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 06 · The encoder block {{badge}}
#
# **In one sentence:** you will build the block that a Vision Transformer repeats twelve times, and measure what each
# of its parts (residual connection, layer normalisation, attention, feed-forward network) does to the gradients.
#
# **The question of this lesson.** One layer of attention is not enough, and a plain stack of many layers cannot be
# trained. What must surround each layer, so that dozens can be stacked?
#
# | | |
# |---|---|
# | **You need** | `nn.Module`, gradients by `backward()`; attention as a layer that mixes tokens (lesson 05) |
# | **Time** | 85 minutes; the end of section 5 is a good place to pause |
# | **Grading** | the checks grade Q6 to Q7d; your teacher reads W6a and W6b |
#
# **Afterwards you can**
# - say what a residual connection does to a gradient, and show it at a depth of 64 layers;
# - write layer normalisation by hand, and check it against PyTorch's;
# - write the equations of an encoder block, and the block itself from an empty cell;
# - count the parameters of any ViT without a computer;
# - tell pre-norm from post-norm in a drawing, in code and in a training run.
#
# {{questions}}
#
# {{names: lectures (walk-through Q1-Q7; CS163, lecture 12)}}
# `ResidualAdd(fn)` | `ResidualAdd(fn)` | `x + …` in `Block.forward` | $x + \mathrm{Sublayer}(x)$
# `FeedForwardBlock(expansion)` | `FeedForwardBlock(expansion)` | `Mlp`, `mlp_ratio` | FFN, MLP
# `TransformerEncoderBlock` | `TransformerEncoderBlock` | `Block` | encoder layer
# `drop_p`, `forward_drop_p` | the same | `proj_drop` | $P_{drop}$
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import time

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from helpers import check, ready, written
from helpers.built import built
from helpers.checks.placed_weights import draw_weights, place_block
from helpers.data import load
from helpers.device import device
from helpers.pictures.encoder_block import show_activations, show_ring, show_wiring
from helpers.plots import bars, compare, curves, token_strip
from helpers.torchvision_ops import load_torchvision

# %% [markdown]
# Attention comes from lesson 05: your own `MultiHeadAttention` if its check has passed, otherwise a stand-in.

# %% tags=["setup"]
MultiHeadAttention = built("MultiHeadAttention")

# %% [markdown]
# The letters are the same in every lesson: `b` is the batch, `n` the number of tokens, `d` the width of a token
# (`emb_size` in signatures).

# %% [markdown]
# ## 1 · Encoder, decoder, and what a ViT keeps
#
# The transformer of 2017 translated sentences. It has two halves:
#
# - The **encoder** reads the source sentence. All of its tokens attend to each other, and each leaves as a vector
#   that describes a word in its context.
# - The **decoder** writes the translation, one word at a time. It attends to the words written so far (with the
#   causal mask of lesson 05) and, by cross-attention, to the encoder's output.
#
# A classifier writes no sentence. The *walk-through Q1-Q7* therefore says: "The Vision Transformer only utilizes the
# encoder part of the transformer model." The decoder returns in lesson 11, where it reads objects from an image.
#
# The encoder is a stack of equal **blocks**. With tokens $z$, layer normalisation LN, multi-head self-attention MSA
# and a feed-forward network MLP, a block of a ViT computes
#
# $$z' = \mathrm{MSA}(\mathrm{LN}(z)) + z \qquad\qquad z'' = \mathrm{MLP}(\mathrm{LN}(z')) + z'$$
#
# The rest of the lesson explains each symbol: the `+` in section 2, LN in sections 3 and 4, MLP in sections 5 and 6.

# %% [markdown]
# ## 2 · Residual connections
#
# **Question.** What happens to the gradient in a plain stack of layers?
#
# We stack linear layers with a tanh, send a gradient of length 1 into the output, and measure its length at the
# input.


# %%
def layer(d=64):
    return nn.Sequential(nn.Linear(d, d), nn.Tanh())


# %% fold="read"
# The length of the gradient at the input, when it has length 1 at the output
def gradient_at_the_input(network):
    x, direction = torch.randn(2, 32, 64)  # b d, twice
    out = network(x.requires_grad_())
    (slope,) = torch.autograd.grad((out * direction).sum() / direction.norm(), x)
    return slope.norm().item()


depths = [1, 2, 4, 8, 16, 32, 64]


def at_each_depth(wrap, scale=1.0):
    found = []
    for depth in depths:
        torch.manual_seed(0)
        stack = nn.Sequential(*[wrap(layer()) for _ in range(depth)])
        with torch.no_grad():
            for p in stack.parameters():
                p.mul_(scale)
        found.append(gradient_at_the_input(stack))
    return found


# %%
plain = at_each_depth(wrap=lambda one: one)
for depth, length in zip(depths, plain, strict=True):
    print(f"{depth:>2} layers: {length:.1e}")
assert plain[-1] < 1e-12

# %% [markdown]
# After 64 layers the gradient is smaller than $10^{-12}$: it has **vanished** (lesson 05), and the first layers cannot
# learn. Each layer multiplies the gradient by its derivative, and a product of many factors below 1 tends to 0.
#
# A **residual connection** (or shortcut) changes this. The layer $f$ no longer replaces $x$; its output is *added* to
# it: $x + f(x)$.
#
# ### Q6 · The residual connection
#
# Write `ResidualAdd`, which wraps any module `fn`. It returns the input plus what `fn` computes from it. Keyword
# arguments, such as the mask of an attention layer, are meant for `fn`.


# %% tags=["answer"] question="Q6"
# Q6: the residual connection
class ResidualAdd(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x, **kwargs):
        return x + self.fn(x, **kwargs)  # BLANK: self.fn(x, **kwargs)


# %% tags=["check"] question="Q6" points=2
check("Q6", ResidualAdd)

# %% [markdown]
# <details><summary>Hint: an error about adding a module, or a dictionary</summary>
#
# `fn` is a module: it must be called with an input. `kwargs` is a dictionary: the two stars that collect keyword
# arguments in a signature also unpack them in a call.
# </details>
# <details><summary>Hint: the values are right, and the card names the caller's x, or gradients</summary>
#
# `+` makes a new tensor. `+=` changes an existing one, which may still be needed elsewhere.
# </details>
# <details><summary>Stronger hint</summary>
#
# There are two summands. One is the input. The other is `fn`, called with the input and with all keyword arguments.
# </details>

# %% [markdown]
# ### The same stack with residual connections
#
# The layers and their weights are as before; each layer is wrapped in your class.

# %%
if ready("Q6"):
    wrapped = at_each_depth(ResidualAdd)
    both = {"plain": plain, "with residuals": wrapped}
    curves(depths, both, xlabel="layers", ylabel="gradient at the input", logx=True, logy=True)
    assert min(wrapped) > 1 > max(plain)

# %% [markdown]
# > **Figure 6.1 · Length of the gradient at the input against depth.** Both axes are logarithmic. In the plain stack
# > the gradient vanishes; with residual connections it does not.
#
# The derivative of $x + f(x)$ is $1 + f'(x)$. For a stack with small $f'$ the product of these factors stays close
# to 1. For layers of many numbers, $f'$ is a matrix (the Jacobian $J$) and each factor is $I + J$. Such a product
# need not vanish, but it may shrink or grow. The next cell multiplies all weights by a factor.

# %%
if ready("Q6"):
    scaled = {f"weights x {s:g}": at_each_depth(ResidualAdd, s) for s in (0.0, 0.5, 1.0, 2.0)}
    curves(depths, scaled, xlabel="layers", ylabel="gradient at the input", logx=True, logy=True)
    assert abs(scaled["weights x 0"][-1] - 1) < 1e-4 < 10 < scaled["weights x 2"][-1]

# %% [markdown]
# > **Figure 6.2 · Residual stacks with weights of different size.** With weights of zero every layer is the identity
# > and the gradient has length 1 at any depth. With larger weights it grows with depth.
#
# So residual connections remove the vanishing, and growth remains. Section 3 deals with growth.
#
# ### Residual connections keep tokens different
#
# Attention computes averages of tokens, and averages of averages become more and more alike. We measure the mean
# cosine similarity between different tokens after each of 12 layers of attention.


# %% fold="read"
# The mean cosine similarity of different tokens, after each layer
@torch.no_grad()
def similarity_along(layers, x):
    found = []
    for one in [nn.Identity(), *layers]:
        x = one(x)
        unit = F.normalize(x, dim=-1)  # b n d
        pairs, n = unit @ unit.mT, x.shape[1]  # b n n
        found.append(((pairs.sum() / len(x) - n) / (n * (n - 1))).item())
    return found


# %%
if ready("Q6"):
    torch.manual_seed(0)
    heads = [MultiHeadAttention() for _ in range(12)]
    tokens = torch.randn(4, 16, 64)  # b n d
    alone, added = similarity_along(heads, tokens), similarity_along([ResidualAdd(h) for h in heads], tokens)
    lines = {"attention alone": alone, "with residuals": added}
    curves(range(13), lines, xlabel="layer", ylabel="mean cosine similarity")
    assert alone[2] > 0.99 > 0.6 > added[12]

# %% [markdown]
# > **Figure 6.3 · Mean cosine similarity of tokens.** With attention alone all tokens are almost equal after two
# > layers. With residual connections each token keeps its own content and the similarity grows slowly.
#
# ### A common mistake: the sum in place
#
# Some published code writes the sum in place, `x += …`. There are two variants:


# %%
def into_x(fn, x):
    x += fn(x)
    return x


def into_result(fn, x):
    result = fn(x)
    result += x
    return result


# %% fold="read"
# Calls both variants: what happens to the caller's tensor, and does backward() work?
for add in (into_x, into_result):
    x = torch.ones(3)
    add(nn.Identity(), x)
    print(f"{add.__name__:<12} the caller passed ones and now holds {x.tolist()}")
    assert x.tolist() == [2, 2, 2]
for add in (into_x, into_result):
    for last in (nn.Identity(), nn.Tanh()):
        fn = nn.Sequential(nn.Linear(3, 3), last)
        try:
            add(fn, torch.ones(3, requires_grad=True) * 1.0).sum().backward()
            print(f"{add.__name__:<12} fn ends with {last}: no error")
        except RuntimeError as error:
            print(f"{add.__name__:<12} fn ends with {last}: {str(error)[:62]} …")

# %% [markdown]
# When `fn` returns its own input, both variants change the *caller's* tensor. In the backward pass three of four
# combinations raise an error, because the tanh needs its output and the linear layer its input, and these were
# overwritten. The fourth works by chance: it fails as soon as `fn` ends with another layer.
#
# **Answer.** In a plain stack the gradient vanishes. A residual connection adds the input to the output of each
# layer, so that a gradient reaches the first layer at any depth, and tokens stay different.

# %% [markdown]
# ## 3 · The residual stream grows
#
# **Question.** How long do tokens become when every layer adds to them?
#
# The tokens between the blocks are called the **residual stream**. Suppose that each layer adds a vector that is as
# long as the token itself and points in a random direction. Then the length grows by the factor $\sqrt2$ per layer.
# We compare this with layers that read a copy of the tokens with a *fixed* length.


# %% fold="read"
# Adds the output of 32 random layers, each of which rotates what `read` gives it
def rotation(d=64):
    return nn.init.orthogonal_(torch.empty(d, d))  # changes directions, keeps lengths


@torch.no_grad()
def stream(read, layers=32):
    torch.manual_seed(0)
    x = torch.randn(4, 16, 64)  # b n d
    lengths = [x.norm(dim=-1).mean().item()]
    for _ in range(layers):
        x = x + read(x) @ rotation()
        lengths.append(x.norm(dim=-1).mean().item())
    return lengths


# %%
raw, normed = stream(lambda x: x), stream(lambda x: F.layer_norm(x, (64,)))
lengths = {"layers read the tokens": raw, "layers read a normed copy": normed}
curves(range(33), lengths, xlabel="layer", ylabel="length of a token", logy=True)
print(f"after 32 layers: {raw[32] / raw[0]:,.0f} times as long, against {normed[32] / normed[0]:.1f} times")
assert 0.5 < raw[32] / raw[0] / 2**16 < 2
assert abs(normed[32] / (64 * 33) ** 0.5 - 1) < 0.05

# %% [markdown]
# > **Figure 6.4 · Length of a token along 32 layers, on a logarithmic axis.** If the layers read the tokens as they
# > are, the length grows by $2^{16}$. If they read a copy of fixed length, it grows like the square root of the depth.
#
# In the second case the stream is a sum of 33 vectors of length 8 at nearly right angles, so its length is
# $8\sqrt{33}$. A copy of fixed length is what *layer normalisation* makes.
#
# **Answer.** Without normalisation the length of tokens grows exponentially with depth; if each layer reads a
# normalised copy, it grows like the square root.

# %% [markdown]
# ## 4 · Q6b: layer normalisation by hand
#
# **Layer normalisation** treats each token by itself: it subtracts the mean of the token's `d` numbers and divides by
# their standard deviation. A learned weight and bias per dimension follow.
#
# $$\text{LN}(x) = w \cdot \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + b \qquad
# \mu = \tfrac1d \textstyle\sum_i x_i \qquad \sigma^2 = \tfrac1d \textstyle\sum_i (x_i - \mu)^2$$
#
# Here is an example for pencil and paper. The token (1, 3, 5, 7) has the mean 4. The squared differences are 9, 1, 1
# and 9, so $\sigma^2 = 20/4 = 5$.

# %%
token = torch.tensor([1.0, 3.0, 5.0, 7.0])
print(F.layer_norm(token, (4,)))
assert torch.allclose(F.layer_norm(token, (4,)), torch.tensor([-3.0, -1.0, 1.0, 3.0]) / 5**0.5)

# %% [markdown]
# Write it for inputs with any number of axes; the width is always the last one.
#
# {{level: guided}}
# Four short lines: the mean, the variance, the normalised token, and the result with weight and bias.
# {{end}}
# {{level: standard, open}}
# In `__init__`, make `eps`, a weight and a bias of `emb_size` numbers; at first the layer should only normalise.
# {{end}}


# %% tags=["answer"] question="Q6b"
# Q6b: layer normalisation by hand
class LayerNorm(nn.Module):
    """(…, emb_size) -> (…, emb_size)"""

    def __init__(self, emb_size, eps=1e-5):  # WRITE
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(emb_size))
        self.bias = nn.Parameter(torch.zeros(emb_size))

    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)  # BLANK
        variance = x.var(dim=-1, keepdim=True, unbiased=False)  # BLANK
        normed = (x - mean) / torch.sqrt(variance + self.eps)  # BLANK
        return self.weight * normed + self.bias  # BLANK


# %% tags=["check"] question="Q6b" points=3
check("Q6b", LayerNorm)

# %% [markdown]
# <details><summary>Hint: the shapes (b, n, d) and (b, n) don't fit</summary>
#
# `x.mean` removes the axis that it averages over. A keyword argument keeps it with length 1, and then it broadcasts.
# </details>
# <details><summary>Hint: almost right, and all numbers a little too small</summary>
#
# $\sigma^2$ in the formula is a sum over `d` numbers divided by `d`. By what does `torch.var` divide, and which
# argument changes it? In the example it is 20/4, not 20/3.
# </details>
# <details><summary>Hint: right, but not for tokens close to zero or with equal numbers</summary>
#
# Read the denominator in the formula again: is $\varepsilon$ inside the root or outside? Is it the `eps` that was
# passed?
# </details>

# %% [markdown]
# ### What layer normalisation removes
#
# Your layer agrees with PyTorch's. A token that is multiplied by 10 and shifted by 3 gives the same output, and all
# outputs have the length $\sqrt d$.

# %%
if ready("Q6b"):
    mine, theirs = LayerNorm(64), nn.LayerNorm(64)
    x = torch.randn(2, 16, 64)
    print(f"largest difference to nn.LayerNorm: {(mine(x) - theirs(x)).abs().max():.1e}")
    print("ten times as long, shifted by 3:", torch.allclose(mine(10 * x + 3), mine(x), atol=1e-3))
    print(f"length of a token: {mine(x).norm(dim=-1).mean():.3f}, and √64 = 8")
    assert torch.allclose(mine(x), theirs(x), atol=1e-5)

# %% [markdown]
# With tokens of width 3 this can be drawn. We look along the diagonal (1, 1, 1), in which the mean is not visible.

# %%
if ready("Q6b"):
    torch.manual_seed(0)
    cloud = torch.randn(400, 3) * 1.3
    show_ring(cloud, LayerNorm(3)(cloud))

# %% [markdown]
# > **Figure 6.5 · Tokens of width 3 before and after layer normalisation.** All tokens are moved to a ring of radius
# > $\sqrt3$. Their direction (colour) stays, their length does not.
#
# ### Layer norm and batch norm
#
# Batch normalisation computes mean and variance over the *batch*. We change one number of one token, in a batch of 4
# images with 6 tokens, and measure which outputs change.


# %% fold="read"
# Which outputs change when one number of one token changes
def changed_outputs(norm):
    torch.manual_seed(0)
    x = torch.randn(4, 6, 8)  # b n d
    other = x.clone()
    other[1, 2, 0] += 5
    return (norm(other) - norm(x)).abs().amax(-1).detach()  # b n


def batch_norm(x):
    return nn.BatchNorm1d(8)(x.mT).mT  # it expects b d n


if ready("Q6b"):
    panels = [("layer norm", changed_outputs(LayerNorm(8))), ("batch norm", changed_outputs(batch_norm))]
    compare(panels, shared=False)

# %% [markdown]
# > **Figure 6.6 · Change of the outputs.** Rows are images, columns tokens; each panel has its own scale. With layer
# > norm only the token itself changes. With batch norm the tokens of all images change.
#
# Batch norm makes the output for an image depend on the other images of the batch, and it needs another rule in
# `eval()`. Layer norm has neither property.

# %% [markdown]
# ## 5 · An activation for every token
#
# **Question.** What is still missing after attention?
#
# The output of attention is a weighted average: once the weights are fixed, it is linear in the values. The
# **feed-forward network** (also called MLP) adds a nonlinear function. It treats each token by itself, with the same
# weights for all tokens. Attention is thus the only part of a block in which tokens interact; layer normalisation and
# feed-forward network work on each vector independently (*CS163, lecture 12*).
#
# The transformer of 2017 computes
#
# $$\mathrm{FFN}(x) = \max(0,\, x W_1 + b_1)\, W_2 + b_2$$
#
# The first matrix widens a token, usually to 4 times its width. A nonlinear function, the **activation**, follows.
# The second matrix returns to the width `d`. The activation above is the ReLU, $\max(0, x)$. A ViT uses **GELU**
# (Gaussian error linear unit): $x$ times the probability that a standard normal variable is below $x$.

# %% fold="read"
# Values and derivatives of ReLU and GELU
z = torch.linspace(-4, 4, 201, requires_grad=True)
drawn = {}
for name, activation in (("ReLU", F.relu), ("GELU", F.gelu)):
    (slope,) = torch.autograd.grad(activation(z).sum(), z)
    drawn[name] = (activation(z), slope)
show_activations(drawn, z)
normal = torch.distributions.Normal(0.0, 1.0)
assert torch.allclose(F.gelu(z), z * normal.cdf(z), atol=1e-6)

# %% [markdown]
# > **Figure 6.7 · Two activations.** Left: their values. Right: their derivatives. The derivative of the ReLU is
# > exactly 0 for negative inputs; that of the GELU is small there, and not 0.
#
# A hidden unit with a ReLU whose input is negative for *all* tokens receives no gradient and cannot recover. We shift
# the inputs of 512 units to the left, as a too large step may do, and count the units without any gradient.


# %% fold="read"
# The share of 512 units that receive no gradient from any of 256 tokens
def without_gradient(activation, shift):
    torch.manual_seed(0)
    inputs = (torch.randn(256, 512) - shift).requires_grad_()  # tokens, units
    (slope,) = torch.autograd.grad(activation(inputs).sum(), inputs)
    return 100 * (slope == 0).all(0).float().mean().item()


shifts = [0, 1, 2, 3, 4, 5]
share = {name: [without_gradient(f, s) for s in shifts] for name, f in (("ReLU", F.relu), ("GELU", F.gelu))}
curves(shifts, share, xlabel="shift to the left, in standard deviations", ylabel="units without gradient, %")
assert share["ReLU"][5] > 90 > 1 > share["GELU"][5]

# %% [markdown]
# > **Figure 6.8 · Hidden units without gradient.** With ReLU, almost all units are lost when their inputs are shifted
# > by 4 or more standard deviations; with GELU almost none.
#
# ### Dropout
#
# **Dropout** is a regularisation method: in training it sets each number to 0 with probability `p`, so that no unit
# can rely on another one. The numbers that remain are multiplied by $1/(1-p)$, which keeps the mean. In evaluation
# mode it does nothing.

# %%
drop, ones = nn.Dropout(0.3), torch.ones(100_000)
torch.manual_seed(0)
print("training:  ", [round(v, 3) for v in drop(ones).unique().tolist()], f"mean {drop(ones).mean():.3f}")
print("evaluation:", drop.eval()(ones).unique().tolist())
assert torch.isclose(drop.train()(ones).max(), torch.tensor(1 / 0.7))

# %% [markdown]
# ## 6 · Q7: the feed-forward block
#
# Write it as an `nn.Sequential`: a linear layer to `expansion` times the width, GELU, dropout, a linear layer back.
#
# {{level: guided}}
# The dropout is given; three blanks surround it.
# {{end}}


# %% tags=["answer"] question="Q7"
# Q7: the feed-forward block
class FeedForwardBlock(nn.Sequential):
    def __init__(self, emb_size, expansion=4, drop_p=0.0):
        super().__init__(
            nn.Linear(emb_size, expansion * emb_size),
            nn.GELU(),
            nn.Dropout(drop_p),
            nn.Linear(expansion * emb_size, emb_size),
        )  # BLANK: emb_size, expansion * emb_size  # BLANK: nn.GELU()  # BLANK: expansion * emb_size, emb_size


# %% tags=["check"] question="Q7" points=3
check("Q7", FeedForwardBlock)

# %% [markdown]
# <details><summary>Hint: mat1 and mat2 shapes cannot be multiplied</summary>
#
# `nn.Linear(in_features, out_features)`. Write the width below each of the four lines; neighbours must agree.
# </details>
# <details><summary>Hint: the picture shows another curve</summary>
#
# The curve is your activation alone. Figure 6.7 shows two activations; the target is the one with a minimum below
# zero.
# </details>

# %% [markdown]
# ### Look inside
#
# These are eight tokens of width 24: the hidden numbers that the second matrix reads, and the output.

# %% fold="skip"
# Draws the hidden numbers and the output
if ready("Q7"):
    torch.manual_seed(0)
    block, x, seen = FeedForwardBlock(24), torch.randn(8, 24), []
    last = [part for part in block.modules() if isinstance(part, nn.Linear)][-1]
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    out, hidden = block(x), seen[0]
    print(f"{100 * (hidden < 0).float().mean():.0f} % of the hidden numbers are between -0.17 and 0")
    token_strip(hidden, title=f"hidden: width {hidden.shape[-1]}")
    token_strip(out, title="output: width 24 again")

# %% [markdown]
# > **Figure 6.9 · Hidden numbers and output of a feed-forward block.** Each row is a token. About half of the hidden
# > numbers are close to zero after GELU, so each token uses only a part of the hidden units.
#
# The tokens do not interact: reordered tokens give outputs in the same new order.

# %%
if ready("Q7"):
    order = torch.randperm(8)
    print("permutation equivariant:", torch.allclose(block(x[order]), block(x)[order], atol=1e-6))

# %% [markdown]
# **Answer to section 5.** Attention mixes tokens and is linear in the values. The feed-forward network adds a nonlinear
# function of each token.

# %% [markdown]
# ## 7 · Q7b: the block
#
# All parts are ready. In this drawing the thick line is the residual stream; the only operations on it are two
# additions.

# %%
show_wiring(["pre"])

# %% [markdown]
# > **Figure 6.10 · The encoder block of a ViT.** Two branches leave the residual stream. Each reads a normalised copy
# > of the tokens, and its output is added. The equations of section 1 say the same. The dropout with the rate `drop_p`
# > at the end of each branch is not drawn.
#
# `forward_drop_p` is the rate inside the feed-forward block.
#
# {{level: guided}}
# Three blanks: the first branch and the second branch (an `nn.Sequential` of three parts each), and the two halves of
# the block.
# {{end}}
# {{level: standard, open}}
# Use the parts that you have written. `nn.LayerNorm` and your own `LayerNorm` are both accepted.
# {{end}}


# %% tags=["answer"] question="Q7b"
# Q7b: the encoder block
class TransformerEncoderBlock(nn.Sequential):
    """(b, n, emb_size) -> (b, n, emb_size), pre-norm"""

    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        attend = nn.Sequential(
            nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p)
        )  # BLANK
        feed = nn.Sequential(
            nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
        )  # BLANK
        super().__init__(ResidualAdd(attend), ResidualAdd(feed))  # BLANK: ResidualAdd(attend), ResidualAdd(feed)


# %% tags=["check"] question="Q7b" points=4
check("Q7b", TransformerEncoderBlock)

# %% [markdown]
# <details><summary>Hint: both halves are wrong</summary>
#
# Is the norm inside the branch, or on the thick line? Only what is inside `ResidualAdd(…)` belongs to a branch.
# </details>
# <details><summary>Hint: each half is right, and both together are not</summary>
#
# The second half must read the output of the first one, and each half has a norm of its own.
# </details>
# <details><summary>Hint: the rates</summary>
#
# `drop_p` is used at the end of both branches. `forward_drop_p` is an argument of your Q7; check the order of its
# arguments.
# </details>

# %% [markdown]
# ### The same as PyTorch's
#
# `nn.TransformerEncoderLayer` computes the same function if it is given `norm_first=True` and `"gelu"`. We put the same
# random weights into both (by name and shape, so yours may be in any order) and compare the outputs.

# %% fold="read"
# Your block and PyTorch's with the same weights
if ready("Q7b"):
    torch.manual_seed(0)
    mine, x = TransformerEncoderBlock(64, 4), torch.randn(2, 17, 64)
    options = {"dropout": 0.0, "activation": "gelu", "batch_first": True, "norm_first": True}
    theirs = nn.TransformerEncoderLayer(64, 4, 256, **options)
    for block in (mine, theirs):
        place_block(block.eval(), x, draw_weights(0, 64, 256), turned=False)
    with torch.no_grad():
        ours, library = mine(x), theirs(x)
    far, size = (ours - library).abs().max(), library.abs().max()
    print(f"largest difference: {far:.1e}, of numbers up to {size:.1f}")

# %% tags=["solution"]
assert far < 1e-5 * size

# %% [markdown]
# ### Parameters, without a computer
#
# With biases and norms, and expansion 4, a block has
#
# | part | parameters |
# |---|---|
# | attention: four matrices from `d` to `d` | $4d^2 + 4d$ |
# | feed-forward: two matrices between `d` and `4d` | $8d^2 + 5d$ |
# | two norms | $4d$ |
# | together | $12d^2 + 13d$ |


# %%
def block_parameters(d):
    return 12 * d * d + 13 * d


def count(module):
    return sum(p.numel() for p in module.parameters())


if ready("Q7b"):
    for d in (64, 192, 768):
        with torch.device("meta"):  # shapes only, no memory
            counted = count(TransformerEncoderBlock(d))
        print(f"d = {d:>3}: formula {block_parameters(d):>9,}, code {counted:>9,}")

# %% [markdown]
# Two thirds of the parameters are in the feed-forward network. ViT-B has 12 such blocks of width 768:

# %%
with torch.device("meta"):
    vit_b = load_torchvision().models.vit_b_16()
print(f"formula {12 * block_parameters(768):,}, torchvision {count(vit_b.encoder.layers):,}")
print(f"the whole ViT-B/16: {count(vit_b):,}")
assert count(vit_b.encoder.layers) == 12 * block_parameters(768) == 85_054_464

# %% [markdown]
# Neither the number of heads nor the number of tokens occurs in the formula.

# %% [markdown]
# ## 8 · Pre-norm and post-norm
#
# **Question.** Does it matter where the norm is?
#
# The transformer of 2017 applies the norm to the residual stream, after each sum: $\mathrm{LN}(x + f(x))$. This is
# **post-norm**. A ViT applies it inside the branches, $x + f(\mathrm{LN}(x))$: **pre-norm**.

# %%
show_wiring(["pre", "post"])

# %% [markdown]
# > **Figure 6.11 · Pre-norm and post-norm.** Above, the residual stream contains only additions. Below, every token
# > passes through two norms per block on the stream itself.
#
# We measure the length of a token after each of 24 blocks, and the length of the gradient of each block's weights,
# when the same random gradient enters at the output.
#
# {{level: open}}
# Write both measurements. This cell gives no points; the assertions of the next cells say whether they are right.
# {{end}}


# %% fold="read" write_from="open"
# Token lengths and gradients along 24 blocks
def lengths_along(layers, x):
    """Pass x (b, n, d) through the list of layers; return after each layer the mean length of a token, floats."""
    seen = []
    for one in layers:
        x = one(x).detach()
        seen.append(x.norm(dim=-1).mean().item())
    return seen


def gradients_along(layers, x):
    """The length of the gradient of all weights of each layer, floats.

    Pass x (b, n, 64) through the layers and a layer norm over the last axis. Then call torch.manual_seed(1), and go
    backward from the mean of the outputs times random numbers of their shape.
    """
    out = F.layer_norm(nn.Sequential(*layers)(x), (64,))
    torch.manual_seed(1)
    (out * torch.randn_like(out)).mean().backward()
    return [sum(p.grad.square().sum() for p in one.parameters()).sqrt().item() for one in layers]


# %% fold="read"
# 24 blocks of each kind, with the same random tokens
def post_norm(d=64):
    return nn.TransformerEncoderLayer(d, 4, 4 * d, dropout=0.0, activation="gelu", batch_first=True)


def in_both(measure):
    found = {}
    for name, make in (("pre-norm", TransformerEncoderBlock), ("post-norm", post_norm)):
        torch.manual_seed(0)
        tokens = torch.randn(8, 16, 64)
        found[name] = measure([make() for _ in range(24)], tokens)
    return found


# %%
if ready("Q7b") and written(lengths_along):
    grown = in_both(lengths_along)
    curves(range(1, 25), grown, xlabel="block", ylabel="length of a token")
    assert grown["pre-norm"][-1] > 1.3 * grown["pre-norm"][0]
    assert len(grown["pre-norm"]) == 24
    assert abs(grown["post-norm"][0] - 8) < 0.01
    assert max(grown["post-norm"]) - min(grown["post-norm"]) < 0.01

# %% [markdown]
# > **Figure 6.12 · Length of a token after each of 24 untrained blocks.** With pre-norm it grows; with post-norm it is
# > $\sqrt{64} = 8$ after each block.
#
# Because the pre-norm stream itself is never normalised, a pre-norm model needs *one more norm* after its last block.

# %%
if ready("Q7b") and written(gradients_along):
    slopes = in_both(gradients_along)
    curves(range(1, 25), slopes, xlabel="block", ylabel="gradient of the weights")
    pre, post = slopes["pre-norm"], slopes["post-norm"]
    print(f"last block over first block: pre-norm {pre[-1] / pre[0]:.2f}, post-norm {post[-1] / post[0]:.2f}")
    print(f"post-norm over pre-norm, sum of all blocks: {sum(post) / sum(pre):.1f}")
    assert sum(a < b for a, b in zip(pre, post, strict=True)) > 20

# %% [markdown]
# > **Figure 6.13 · Length of the gradient of each block's weights.** 24 untrained blocks, one seed. With pre-norm it
# > becomes smaller from block to block, since each block changes a longer token relatively less. With post-norm it is
# > about the same everywhere, and larger at every block.
#
# Larger gradients at the start are one reason why post-norm models need a small learning rate in the first steps.
# Xiong et al. (2020) derive this: in a post-norm transformer the expected gradients near the output are large at
# initialisation.
#
# ### Does it matter in training?
#
# We train twelve blocks on digits, without a learning-rate warm-up (lesson 08), at two learning rates. Beside pre-norm
# and post-norm there are two models in which a part is removed: one without norms and one without residual
# connections. Removing a part to see what it contributes is called an *ablation* (lesson 08).
#
# {{level: open}}
# Write the model around the blocks, and the training loop with its evaluation. This cell gives no points; the cell
# that trains asserts what it must reach.
# {{end}}

# %% fold="read"
# The data
where = device()
torch.set_num_threads(1)  # for tensors as small as these one core is faster than two
train, test = load("digits").to(where), load("digits", "test").to(where)


# %% fold="read" write_from="open"
# The model around the blocks, and the training loop
class Reader(nn.Module):
    """Digits (b, 1, 8, 8) -> scores (b, 10), read from all tokens.

    The images are standardised by (images - 0.3) / 0.4 and cut into 8 patches of 2 x 4 pixels. Then follow a linear
    embedding, learned positions (8, d), the blocks, a last norm and a linear layer on all tokens side by side.
    """

    def __init__(self, blocks, d=32):
        super().__init__()
        self.embed, self.positions = nn.Linear(8, d), nn.Parameter(torch.randn(8, d) / 2)
        self.blocks, self.norm, self.scores = nn.Sequential(*blocks), nn.LayerNorm(d), nn.Linear(8 * d, 10)

    def forward(self, images):
        patches = F.unfold((images - 0.3) / 0.4, (2, 4), stride=(2, 4)).mT  # b n 8
        return self.scores(self.norm(self.blocks(self.embed(patches) + self.positions)).flatten(1))


def fit(model, lr, epochs=4):
    """Train with Adam; return the accuracy in per cent on `test`, in evaluation mode and without a graph.

    The batches of an epoch are train.batches(128, shuffle=True, seed=epoch), pairs of images and labels. The model
    moves to the device `where` first.
    """
    model = model.to(where)
    optimiser = torch.optim.Adam(model.parameters(), lr)
    for epoch in range(epochs):
        for x, y in train.batches(128, shuffle=True, seed=epoch):
            optimiser.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimiser.step()
    with torch.no_grad():
        return 100 * (model.eval()(test.images).argmax(1) == test.labels).float().mean().item()


# %% fold="read"
# The removal of parts
def swap(model, kind, new):
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kind):
                setattr(parent, name, new(child))
    return model


def yours(d=32, depth=12):
    return [TransformerEncoderBlock(d, 4) for _ in range(depth)]


def no_norms():
    return [swap(b, (nn.LayerNorm, LayerNorm), lambda _: nn.Identity()) for b in yours()]


def no_residuals():
    return [swap(b, ResidualAdd, lambda part: part.fn) for b in yours()]


kinds = {"pre-norm": yours, "post-norm": lambda: [post_norm(32) for _ in range(12)],
         "no norms": no_norms, "no residuals": no_residuals}  # fmt: skip

# %%
trainable = ready("Q6") and ready("Q7b") and written(Reader, fit)
if trainable:
    scores = {}
    for name, blocks in kinds.items():
        for lr in (1e-3, 1e-2):
            torch.manual_seed(0)
            scores[f"{name}, lr {lr:g}"] = fit(Reader(blocks()), lr)
            print(f"{name:<13} learning rate {lr:<6g} {scores[f'{name}, lr {lr:g}']:5.1f} %", flush=True)

# %%
if trainable:
    assert min(scores["pre-norm, lr 0.001"], scores["post-norm, lr 0.001"]) > 90
    bars(scores, xlabel="test accuracy after 4 epochs, %, one seed", form="{:.0f}")

# %% [markdown]
# > **Figure 6.14 · Twelve blocks, four variants, two learning rates.** Guessing gives 10 %. One run each.
#
# With seeds 0, 1 and 2 the same cell gives these ranges:
#
# | | learning rate 0.001 | learning rate 0.01 |
# |---|---|---|
# | pre-norm | 96 to 97 % | 91 to 95 % |
# | post-norm | 95 to 96 % | 10 % |
# | no norms | 95 to 97 % | 10 % |
# | no residual connections | 10 to 18 % | 10 % |
#
# Without residual connections twelve blocks learn next to nothing. Without norms, and with post-norm, the small
# learning rate works and the large one fails. So a norm does not make the model more accurate here; it makes training
# stable over a wider range of learning rates, and most so in pre-norm.
#
# **Answer.** Pre-norm keeps the residual stream free of other operations and tolerates a larger learning rate.
# Post-norm needs a gentle start, which is why the transformer of 2017 used a warm-up.

# %% [markdown]
# **Try it.** Other depths, learning rates and seeds: which variant fails first?

# %%
depth, lr, seed = 4, 3e-3, 1  # change me

if ready("Q7b"):
    torch.manual_seed(seed)
    print(f"{depth} blocks, learning rate {lr:g}: {fit(Reader(yours(depth=depth)), lr):.1f} %")

# %% [markdown]
# ### And a CNN?
#
# A small CNN on the same digits, for 20 epochs, because its epochs are much cheaper:

# %%
torch.manual_seed(0)
cnn = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))  # fmt: skip
start = time.process_time()
accuracy = fit(cnn, 5e-3, epochs=20)
print(f"CNN: {accuracy:.1f} % in {time.process_time() - start:.1f} s of processor time, {count(cnn):,} parameters")
print(f"twelve blocks of width 32: {12 * block_parameters(32):,} parameters")
assert accuracy > 95

# %% [markdown]
# The CNN is about as accurate (one seed; the difference is within the noise of 364 test images), and reaches this with
# a fifteenth of the parameters. Its inductive bias (lesson 00) fits small images. A transformer block has no built-in
# knowledge of images; lesson 07 returns to what that costs with few training images.
#
# > ### What could go wrong
# > - **`x += …`** in a residual connection changes the caller's tensor, or raises an error in `backward`. Write
# >   `x = x + …`.
# > - **The norm before the branch.** `Sequential(norm, ResidualAdd(fn))` looks like pre-norm, but normalises the
# >   residual stream itself.
# > - **One norm used twice.** A module that is used in two places shares its weights between them.
# > - **No final norm.** Without it the classifier reads tokens whose length depends on the depth (Figure 6.12).
# > - **Forgotten `eval()`.** Dropout stays active, and the same image gets two different outputs (printed below).
# > - **The defaults of `nn.TransformerEncoderLayer`** are post-norm (`norm_first=False`) and ReLU: the block of 2017.

# %%
if ready("Q7b"):
    torch.manual_seed(0)
    noisy, x = TransformerEncoderBlock(drop_p=0.1), torch.randn(1, 4, 64)
    print("training mode, the same output twice:  ", torch.equal(noisy(x), noisy(x)))
    print("evaluation mode, the same output twice:", torch.equal(noisy.eval()(x), noisy(x)))

# %% [markdown]
# ## 9 · Q7d: a blank page
#
# Write the whole encoder block again, from memory and in one cell: the class `EncoderBlock(emb_size, num_heads,
# expansion)` with `forward(x)`. It is pre-norm, has multi-head self-attention and a feed-forward network with GELU,
# and no dropout. All three arguments are always passed.
#
# Names and layout are free. Use layers and functions of PyTorch; `nn.MultiheadAttention` and the `MultiHeadAttention`
# of this lesson are allowed. The check replaces `ResidualAdd`, `FeedForwardBlock` and `TransformerEncoderBlock`, so
# that the cells above don't help, and it does not accept the finished block of a library. It fills your layers with
# random weights and compares outputs and gradients.


# %% tags=["answer"] question="Q7d" kind="blank-page"
# Q7d: the encoder block from memory
# Write the class EncoderBlock in this cell.
class EncoderBlock(nn.Module):
    def __init__(self, emb_size, num_heads, expansion):
        super().__init__()
        self.num_heads = num_heads
        self.norm1, self.norm2 = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.qkv = nn.Linear(emb_size, 3 * emb_size)
        self.projection = nn.Linear(emb_size, emb_size)
        self.widen = nn.Linear(emb_size, expansion * emb_size)
        self.narrow = nn.Linear(expansion * emb_size, emb_size)

    def attend(self, x):
        q, k, v = rearrange(self.qkv(x), "b n (three h d) -> three b h n d", three=3, h=self.num_heads)
        weights = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(dim=-1)  # b h n n
        return self.projection(rearrange(weights @ v, "b h n d -> b n (h d)"))

    def feed_forward(self, x):
        return self.narrow(F.gelu(self.widen(x)))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


# %% tags=["check"] question="Q7d" points=6
check("Q7d", EncoderBlock)

# %% [markdown]
# When the check is green, `show_answer("Q7d")` (import it by `from helpers import show_answer`) shows the course's
# answer and other right ones.

# %% [markdown]
# ## Stretch: RMSNorm
#
# **RMSNorm** (root-mean-square normalisation; Zhang and Sennrich, NeurIPS 2019) is layer normalisation without the
# mean and without the bias. Each token is divided by its root mean square, and each dimension has a learned factor:
#
# $$\mathrm{RMSNorm}(x) = w \odot \frac{x}{\sqrt{\frac{1}{d}\sum_i x_i^2 + \epsilon}}$$
#
# Many language models since 2023 and several newer ViTs use it: it is cheaper, and in the paper's experiments the
# results without the mean were about as good. This question is optional.


# %% tags=["answer"] question="Q7c" kind="stretch"
# Q7c: RMSNorm
class RMSNorm(nn.Module):
    """(b, n, emb_size) -> (b, n, emb_size); one learned factor for each dimension, 1 at the start."""

    def __init__(self, emb_size, eps=1e-6):
        super().__init__()
        # BEGIN BLANK
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(emb_size))
        # END BLANK

    def forward(self, x):
        # BEGIN BLANK
        mean_square = (x * x).mean(dim=-1, keepdim=True)
        return self.weight * x / torch.sqrt(mean_square + self.eps)
        # END BLANK


# %% tags=["check"] question="Q7c" points=3
check("Q7c", RMSNorm)

# %% [markdown]
# <details><summary>Hint: the output has mean 0</summary>
#
# Then the mean was subtracted, as in layer normalisation. RMSNorm keeps it.
# </details>
# <details><summary>Hint: the numbers are too small by a constant factor</summary>
#
# Compare the sum of the squares with their mean. By what factor do they differ, for tokens of width `d`?
# </details>

# %% [markdown]
# ## 10 · In words
#
# **W6a** (2 points). A friend moves both norms of a 24-block ViT onto the residual stream, after the sums: "The tokens
# are normalised either way." What changes for the path of a gradient from the last block to the first? What must be
# different in training? And which additional layer does *your* version need that the friend's doesn't?

# %% [markdown] tags=["written"] question="W6a" points=2
# With the norm inside the branches the output is x plus what each branch added. The derivative from the last block to
# the first therefore contains the identity, which passes through no layer. With the norm after the sum every gradient
# must pass through 48 norms, each of which rescales it: there is no path without a layer on it. Post-norm needs care
# at the start, a warm-up or a small learning rate; pre-norm trains without (in our run at ten times the learning
# rate). The price of pre-norm is that the stream is never normalised and grows with depth, so one final norm is needed
# after the last block, before the classifier.

# %% [markdown] tags=["rubric"]
# **W6a, 2 points.**
# - 1 point: pre-norm leaves an identity path through all blocks, post-norm puts a norm on it (half a point for
#   "gradients are better" without the reason).
# - ½ point: warm-up or a smaller learning rate for post-norm.
# - ½ point: the final norm, because the pre-norm stream itself is never normalised (or grows).
#
# A half-right answer: "Gradients flow better in pre-norm, so post-norm needs warm-up." No reason for the gradients (½),
# the warm-up (½), no final norm (0): 1 point.

# %% [markdown]
# **W6b** (2 points). ViT-S has width 384, 12 blocks, 6 heads and expansion 4. How many parameters do its blocks have,
# to within 2 %, without a computer? Which change costs more: twice the width, or twice the expansion? What do twice
# the heads cost, and twice the tokens?

# %% [markdown] tags=["written"] question="W6b" points=2
# One block has about 12 d² = 12 · 384² ≈ 1.77 million parameters, twelve of them 21.2 million (exactly 21,293,568 with
# the 13 d per block of biases and norms). Twice the width: d² grows by 4, so all of it by 4. Twice the expansion: only
# the feed-forward network's 8 d² double, and 12 d² become 20 d², a factor of 5/3. Heads divide the same matrices into
# other slices: no additional parameters. Tokens share all weights: no additional parameters either, but the work of
# the attention scores grows with the square of their number.

# %% [markdown] tags=["rubric"]
# **W6b, 2 points.**
# - 1 point: 21.2 to 21.3 million, by 12 · 12 d² (half a point for one block, or for a slip of arithmetic).
# - ½ point: width, by factor 4 against 5/3 (any right comparison).
# - ½ point: heads and tokens cost no parameters.
#
# A half-right answer: "12 · 384² = 1.77 million. Width costs more. Heads and tokens are free." One block only (½), a
# comparison without factors (0), heads and tokens (½): 1 point.

# %% [markdown]
# ## 11 · Summary
#
# | | |
# |---|---|
# | encoder block | $z' = \mathrm{MSA}(\mathrm{LN}(z)) + z$, then $z'' = \mathrm{MLP}(\mathrm{LN}(z')) + z'$ |
# | residual connection | `out = x + f(x)`: derivative $1 + f'$, so gradients don't vanish |
# | never in place | `+=` changes a tensor that is still needed |
# | layer normalisation | per token: mean 0, variance 1 (divided by d), then weight and bias; length √d |
# | feed-forward network | per token: wide, GELU, narrow; two thirds of the parameters |
# | dropout | in training sets a share p to zero and multiplies the rest by 1 / (1 - p) |
# | parameters | $12d^2 + 13d$ per block, whatever the number of heads and tokens |
# | pre-norm, post-norm | norm inside the branch, or on the stream; pre-norm needs one last norm |
#
# **Further reading**
# - He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016. Figure 1: a plain network of 56 layers is
#   worse than one of 20, on its *training* data. Figure 2 is your Q6.
# - Ba, Kiros and Hinton, *Layer Normalization*, 2016. Table 1 lists what each norm is invariant to.
# - Vaswani et al., *Attention Is All You Need*, NeurIPS 2017. Figure 1 shows encoder and decoder, post-norm; Equation
#   2 is the feed-forward network with a ReLU.
# - Hendrycks and Gimpel, *Gaussian Error Linear Units*, 2016. Figure 1 is the curve of Figure 6.7.
# - Xiong et al., *On Layer Normalization in the Transformer Architecture*, ICML 2020. Figure 1 shows both designs side
#   by side; the paper explains the warm-up.
# - Dong, Cordonnier and Loukas, *Attention Is Not All You Need: Pure Attention Loses Rank Doubly Exponentially with
#   Depth*, ICML 2021: Figure 6.3 of this lesson as a theorem.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 1, right, is your Q7b; Equations 2 and 3 are
#   those of section 1; Table 1 lists widths and depths.
#
# Next: **07 · Vision Transformer**, in which the blocks are stacked and trained.
