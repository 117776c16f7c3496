# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 06 · The encoder block {{badge}}
#
# **In one sentence:** you will build the block that a Vision Transformer repeats twelve times, add, norm,
# attention, feed-forward, and see in measured gradients why each part is where it is.
#
# | | |
# |---|---|
# | **You need** | `nn.Module`, gradients by `backward()`; attention as a black box that mixes tokens |
# | **Time** | 60 minutes |
# | **You write** | Q6 residual, Q6b layer norm, Q7 feed-forward, Q7b the block; W6a, W6b in words |
#
# **Afterwards you can**
# - say what a shortcut does to a gradient, and show it at depth 64;
# - write layer norm by hand, to the last digit of PyTorch's;
# - count the parameters of any ViT on the back of an envelope;
# - tell pre-norm from post-norm in a drawing, in code, and in a training curve.
#
# {{questions}}
#
# {{names: lecture L2}}
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
from torch import nn

from helpers import check, ready
from helpers.built import built
from helpers.checks.placed_weights import draw_weights, place_block
from helpers.data import load
from helpers.device import device
from helpers.explore import explore
from helpers.pictures.encoder_block import show_bends, show_ring, show_wiring
from helpers.plots import bars, compare, curves, figure, token_strip

# %% [markdown]
# Attention is lesson 05's: tokens in, tokens out. Yours, if its check has passed; until then a stand-in.

# %% tags=["setup"]
MultiHeadAttention = built("MultiHeadAttention")

# %% [markdown]
# Letters as always: `b` batch, `n` tokens, `d` width (called `emb_size` in signatures).

# %% [markdown]
# ## 1 · Depth alone is not enough
#
# Attention lets tokens talk. One conversation is not much, so models stack many layers. What happens to a
# plain stack? Send a gradient of length 1 in at the end, and see what arrives at the input.


# %%
def layer(d=64):
    return nn.Sequential(nn.Linear(d, d), nn.Tanh())


def gradient_at_the_input(network):
    x, direction = torch.randn(2, 32, 64)  # b d, twice
    out = network(x.requires_grad_())
    (slope,) = torch.autograd.grad((out * direction).sum() / direction.norm(), x)
    return slope.norm().item()


# %%
depths = [1, 2, 4, 8, 16, 32, 64]
plain = []
for depth in depths:
    torch.manual_seed(0)
    plain.append(gradient_at_the_input(nn.Sequential(*[layer() for _ in range(depth)])))
    print(f"{depth:>2} layers: {plain[-1]:.1e}")
assert plain[-1] < 1e-12

# %% [markdown]
# Sixty-four layers, and the first one hears nothing. Each layer multiplies the gradient by its slope, and
# slopes below 1 multiply to nothing.

# %% [markdown]
# ## 2 · Q6: add, don't replace
#
# The cure is one plus sign. A layer no longer *replaces* x; it says what to *change*, and x goes on beside
# it.
#
# Write `ResidualAdd`: it wraps any module `fn`. What came in is `x`; what else goes into the sum? One blank,
# half a line. Keyword arguments (a mask, say) are meant for `fn`.


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
# <details><summary>Hint: it complains about adding a module, or a dictionary</summary>
#
# `fn` is a machine: it must be called, with something in it. And `kwargs` is a dictionary; the two stars that
# packed it in the line above also unpack it.
# </details>
# <details><summary>Hint: right values, but the check speaks of the caller's x or of gradients</summary>
#
# `+` makes a new tensor. `+=` writes into an old one, which somebody else may still need.
# </details>
# <details><summary>Stronger hint</summary>
#
# Say it aloud: "x, plus what my function makes of x, told everything that I was told." Three words of that
# sentence are already in the line.
# </details>

# %% [markdown]
# ### Your shortcut, at work
#
# The same layers, the same random numbers, each wrapped by your class:

# %%
if ready("Q6"):
    wrapped = []
    for depth in depths:
        torch.manual_seed(0)
        stack = nn.Sequential(*[ResidualAdd(layer()) for _ in range(depth)])
        wrapped.append(gradient_at_the_input(stack))
    both = {"plain": plain, "with your shortcut": wrapped}
    curves(depths, both, xlabel="layers", ylabel="gradient at the input", logx=True, logy=True)
    assert min(wrapped) > 1 > max(plain)

# %% [markdown]
# Why: the slope of `x + f(x)` is `1 + f'(x)`. Multiply those, and a 1 survives every layer, however small
# `f'` is.
#
# **Try it.** Scale the weights of all layers. With shortcuts, can you still lose a gradient?


# %%
def strength(factor=1.0):
    arrived = []
    for depth in depths:
        torch.manual_seed(0)
        stack = nn.Sequential(*[ResidualAdd(layer()) for _ in range(depth)])
        with torch.no_grad():
            _ = [p.mul_(factor) for p in stack.parameters()]
        arrived.append(gradient_at_the_input(stack))
    fig, ax = figure(2.0, width=3.4)
    curves(depths, {"": arrived}, xlabel="layers", ylabel="gradient", logx=True, logy=True, ax=ax)
    ax.set(ylim=(0.3, 3e3))
    return fig


if ready("Q6"):
    explore(strength, factor=[0.0, 0.5, 1.0, 2.0])

# %% [markdown]
# With weights of zero every layer is the identity, and exactly 1 arrives at any depth: a deep network *starts*
# as a shallow one. What is left to fear is growth; section 3 comes to that.
#
# And the keyword arguments? A mask that forbids looking ahead reaches attention through your class. Change
# token 3: does token 0 hear of it?

# %%
if ready("Q6"):
    torch.manual_seed(0)
    # True: may look
    talk, back = ResidualAdd(MultiHeadAttention(8, 2)), torch.ones(4, 4).tril().bool()
    before, after = torch.randn(1, 4, 8).expand(2, 4, 8).clone().split(1)  # b n d, twice the same
    after[0, 3] += 1
    for name, named in (("without a mask", {}), ("with the mask", {"mask": back})):
        heard = not torch.allclose(talk(before, **named)[0, 0], talk(after, **named)[0, 0])
        print(f"{name:<14} token 0 hears of token 3: {heard}")

# %% [markdown]
# ### What else it saves: the tokens' differences
#
# Attention averages tokens. Averages of averages are all alike. Measure how similar tokens become, layer by
# layer:


# %%
@torch.no_grad()
def similarity(x):
    unit = F.normalize(x, dim=-1)  # b n d
    pairs = unit @ unit.mT  # b n n
    n = x.shape[1]
    return ((pairs.sum() / len(x) - n) / (n * (n - 1))).item()  # mean cosine of different tokens


def through(layers, x):
    seen = [similarity(x)]
    for one in layers:
        x = one(x).detach()
        seen.append(similarity(x))
    return seen


# %%
if ready("Q6"):
    torch.manual_seed(0)
    heads = [MultiHeadAttention() for _ in range(12)]
    tokens = torch.randn(4, 16, 64)  # b n d
    alone, added = through(heads, tokens), through([ResidualAdd(h) for h in heads], tokens)
    curves(
        range(13),
        {"attention alone": alone, "with shortcuts": added},
        xlabel="layer",
        ylabel="mean cosine",
    )
    assert alone[2] > 0.99 > 0.6 > added[12]

# %% [markdown]
# After two layers of bare attention all tokens say the same. With shortcuts each keeps what it was and adds
# what it heard.
#
# ### A mistake that travels
#
# Many tutorials write the sum in place. Once into x, once into what `fn` gave; as functions:


# %%
def into_x(fn, x):
    x += fn(x)
    return x


def into_result(fn, x):
    result = fn(x)
    result += x
    return result


# %%
for add in (into_x, into_result):
    x = torch.ones(3)
    add(nn.Identity(), x)
    print(f"{add.__name__:<12} the caller's x is now {x.tolist()}")
    assert x.tolist() == [2, 2, 2]

# %% [markdown]
# Ones went in; twos are what the *caller* now holds. And on the way back:

# %%
for add in (into_x, into_result):
    for last in (nn.Identity(), nn.Tanh()):
        fn = nn.Sequential(nn.Linear(3, 3), last)
        try:
            add(fn, torch.ones(3, requires_grad=True) * 1.0).sum().backward()
            print(f"{add.__name__:<12} fn ends with {last}: no complaint")
        except RuntimeError as error:
            print(f"{add.__name__:<12} fn ends with {last}: {str(error)[:62]} …")

# %% [markdown]
# One of four survives: a tanh needs its own output for the way back, a Linear its input, and both were
# overwritten. The lecture's `x += res` is the survivor, until somebody changes `fn`.

# %% [markdown]
# ## 3 · The residual stream grows
#
# Each layer adds. If every addition is as large as what is there, lengths grow by √2 per layer:


# %%
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
raw = stream(lambda x: x)
print(f"0 layers: {raw[0]:.0f}    16 layers: {raw[16]:,.0f}    32 layers: {raw[32]:,.0f}")
assert 0.5 < raw[32] / raw[0] / 2**16 < 2

# %% [markdown]
# 65 thousand times as long, as 2¹⁶ promises. The fix: let every layer read a copy of *fixed length*, and add
# to the stream itself.

# %%
normed = stream(lambda x: F.layer_norm(x, (64,)))
lengths = {"reads the raw stream": raw, "reads a normed copy": normed}
curves(range(33), lengths, xlabel="layer", ylabel="length of a token", logy=True)
assert abs(normed[32] / (64 * 33) ** 0.5 - 1) < 0.05  # 33 pieces of length 8 at right angles

# %% [markdown]
# Now it grows like √layers: 33 pieces of length 8, all at about right angles. That copy is made by *layer
# norm*.

# %% [markdown]
# ## 4 · Q6b: layer norm, by hand
#
# Each token, on its own: take its mean away, divide by its standard deviation. Then a learned weight and bias
# per dimension.
#
# $$\text{LN}(x) = w \cdot \frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + b \qquad
# \sigma^2 = \tfrac1d \textstyle\sum_i (x_i - \mu)^2$$
#
# On paper first. Token (1, 3, 5, 7): the mean is 4, the squares of what remains are 9, 1, 1, 9, and σ² is 20/4.

# %%
token = torch.tensor([1.0, 3.0, 5.0, 7.0])
print(F.layer_norm(token, (4,)))
assert torch.allclose(F.layer_norm(token, (4,)), torch.tensor([-3.0, -1.0, 1.0, 3.0]) / 5**0.5)

# %% [markdown]
# Here are tokens as loud and quiet as they come out of a network, before and after:

# %%
torch.manual_seed(0)
# n d
loud = torch.randn(8, 20) * torch.tensor([0.3, 1, 3, 1, 0.3, 2, 1, 0.5])[:, None] + 2 * torch.randn(
    8, 1
)  # fmt: skip
compare([("tokens", loud), ("after PyTorch's layer norm", F.layer_norm(loud, (20,)))])

# %% [markdown]
# Write it for inputs with any number of axes; the width is always the last. Four short lines: mean, variance,
# the normed token, and what weight and bias make of it.


# %% tags=["answer"] question="Q6b"
# Q6b: layer norm by hand
class LayerNorm(nn.Module):
    def __init__(self, emb_size, eps=1e-5):
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
# <details><summary>Hint: shapes don't fit, (b, n, d) minus (b, n)</summary>
#
# `x.mean` drops the axis it averages over. One keyword argument keeps it with length 1; then it broadcasts.
# </details>
# <details><summary>Hint: nearly right, all numbers a little too small</summary>
#
# σ² above is a sum over d numbers, divided by d. Look up what `torch.var` divides by, and which argument
# changes it. On the paper token: 20/4, not 20/3.
# </details>
# <details><summary>Hint: fine, but not for faint or constant tokens</summary>
#
# Read the formula's fraction once more: where does ε stand, inside the root or outside? And whose ε is it?
# </details>

# %% [markdown]
# ### Against PyTorch's own

# %%
if ready("Q6b"):
    mine, theirs = LayerNorm(64), nn.LayerNorm(64)
    x = torch.randn(2, 16, 64)
    print(f"largest difference: {(mine(x) - theirs(x)).abs().max():.1e}")
    assert torch.allclose(mine(x), theirs(x), atol=1e-5)

# %% [markdown]
# Two things it forgets about a token, its loudness and its offset, and one that it fixes, the length:

# %%
if ready("Q6b"):
    print("ten times louder, shifted by 3:", torch.allclose(mine(10 * x + 3), mine(x), atol=1e-3))
    print(f"length of a token: {mine(x).norm(dim=-1).mean():.3f}, and √64 = 8")

# %% [markdown]
# In three dimensions one can see it. Look along the diagonal (1, 1, 1), so that a token's mean is out of
# sight:

# %%
if ready("Q6b"):
    torch.manual_seed(0)
    cloud = torch.randn(400, 3) * 1.3
    show_ring(cloud, LayerNorm(3)(cloud))

# %% [markdown]
# Every token lands on a ring of radius √3. Direction is kept (colours), length is not.
#
# ### Who hears of it?
#
# Change one number of one token, in a batch of 4 images with 6 tokens. Whose output moves?


# %%
def who_moves(norm):
    torch.manual_seed(0)
    x = torch.randn(4, 6, 8)  # b n d
    nudged = x.clone()
    nudged[1, 2, 0] += 5
    return (norm(nudged) - norm(x)).abs().amax(-1).detach()  # b n


def batch_norm(x):
    return nn.BatchNorm1d(8)(x.mT).mT  # it wants b d n


if ready("Q6b"):
    compare(
        [("layer norm", who_moves(LayerNorm(8))), ("batch norm", who_moves(batch_norm))],
        shared=False,
    )

# %% [markdown]
# Rows are images, columns are tokens. In layer norm a token's output is its own business. Batch norm carries
# news from image to image, and needs another rule in `eval()`.

# %% [markdown]
# ## 5 · A bend for every token
#
# Attention mixes tokens, linearly in the values. Somebody must *think* about what was heard: the feed-forward
# block, the same for each token, alone.
#
# In 2017 it was written as `max(0, x W₁ + b₁) W₂ + b₂`:


# %%
def feed_forward_2017(x, w1, b1, w2, b2):
    hidden = torch.relu(x @ w1 + b1)  # b n 4d
    return hidden @ w2 + b2  # b n d


torch.manual_seed(0)
w1, b1, w2, b2 = (
    torch.randn(64, 256) / 8,
    torch.zeros(256),
    torch.randn(256, 64) / 16,
    torch.zeros(64),
)
print(tuple(feed_forward_2017(torch.randn(2, 16, 64), w1, b1, w2, b2).shape))

# %% [markdown]
# Wide, bend, narrow. ViT has the same with a softer bend, the GELU: x times the share of a bell curve that
# lies below x.

# %%
z = torch.linspace(-4, 4, 201, requires_grad=True)
drawn = {}
for name, bend in (("ReLU", F.relu), ("GELU", F.gelu)):
    (slope,) = torch.autograd.grad(bend(z).sum(), z)
    drawn[name] = (bend(z), slope)
show_bends(drawn, z)
bell = torch.distributions.Normal(0.0, 1.0)
assert torch.allclose(F.gelu(z), z * bell.cdf(z), atol=1e-6)

# %% [markdown]
# Left of zero a ReLU's slope is exactly 0: a unit that is shut for all tokens can never learn to open. Move
# all units to the left, as a bad step may do, and count those without any gradient:


# %%
def stuck(bend, shift):
    torch.manual_seed(0)
    before = (torch.randn(256, 512) - shift).requires_grad_()  # tokens, units
    (slope,) = torch.autograd.grad(bend(before).sum(), before)
    return 100 * (slope == 0).all(0).float().mean().item()


shifts = [0, 1, 2, 3, 4, 5]
share = {name: [stuck(f, s) for s in shifts] for name, f in (("ReLU", F.relu), ("GELU", F.gelu))}
curves(shifts, share, xlabel="shift to the left", ylabel="units that can't learn, %")
assert share["ReLU"][5] > 90 > 1 > share["GELU"][5]

# %% [markdown]
# ### Dropout keeps the mean
#
# Between bend and second map stands a Dropout: in training it zeroes a share `p` of the numbers, and scales
# the others up.

# %%
drop, ones = nn.Dropout(0.3), torch.ones(100_000)
torch.manual_seed(0)
print("training:", drop(ones).unique().tolist(), f"mean {drop(ones).mean():.3f}")
print("eval    :", drop.eval()(ones).unique().tolist())
assert torch.isclose(drop.train()(ones).max(), torch.tensor(1 / 0.7))

# %% [markdown]
# What stays is multiplied by 1 / (1 - p) = 1.43, so the next layer sees the same mean in both modes.


# %%
def dropped(p=0.3):
    torch.manual_seed(0)
    hidden = F.gelu(torch.randn(8, 24))
    compare([("before", hidden), (f"p = {p}, training", F.dropout(hidden, p))])


explore(dropped, p=[0.1, 0.3, 0.5, 0.9])

# %% [markdown]
# ## 6 · Q7: feed-forward
#
# As `nn.Sequential`: a Linear to `expansion` times the width, a GELU, a Dropout, a Linear back. The Dropout
# stands; three blanks around it.


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
# `nn.Linear(comes_in, goes_out)`. Write the width under each of the four lines; neighbours must agree.
# </details>
# <details><summary>Hint: the picture shows another curve</summary>
#
# The curve is your bend alone. Section 5 drew two; the target is the one that dips below zero.
# </details>

# %% [markdown]
# ### Look inside
#
# Eight tokens, inside and after. Inside there are four times as many numbers, and about half are bent to almost
# nothing:

# %%
if ready("Q7"):
    torch.manual_seed(0)
    block, x, seen = FeedForwardBlock(24), torch.randn(8, 24), []
    last = [part for part in block.modules() if isinstance(part, nn.Linear)][-1]
    # what the last layer gets to see
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    out, hidden = block(x), seen[0]
    print(f"{100 * (hidden < 0).float().mean():.0f} % of the hidden numbers lie between -0.17 and 0")
    token_strip(hidden, title=f"hidden: width {hidden.shape[-1]}")
    token_strip(out, title="out: width 24 again")

# %% [markdown]
# No token knows of any other. Shuffle the tokens, and the outputs are shuffled, no more:

# %%
if ready("Q7"):
    order = torch.randperm(8)
    print("shuffled alike:", torch.allclose(block(x[order]), block(x)[order], atol=1e-6))

# %% [markdown]
# ## 7 · Q7b: the block
#
# Everything is on the table. Follow the thick line: it is your ResidualAdd's `x`, and nothing stands on it
# but two plus signs.

# %%
show_wiring(["pre"])

# %% [markdown]
# Each grey arch is one branch, and ends with a Dropout(`drop_p`) (not drawn). `forward_drop_p` is the rate
# inside the feed-forward.
#
# Three blanks: the first branch, the second branch (an `nn.Sequential` of three parts each), and the two
# halves of the block.


# %% tags=["answer"] question="Q7b"
# Q7b: the encoder block
class TransformerEncoderBlock(nn.Sequential):
    def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0):
        attend = nn.Sequential(
            nn.LayerNorm(emb_size), MultiHeadAttention(emb_size, num_heads), nn.Dropout(drop_p)
        )  # BLANK
        think = nn.Sequential(
            nn.LayerNorm(emb_size), FeedForwardBlock(emb_size, expansion, forward_drop_p), nn.Dropout(drop_p)
        )  # BLANK
        super().__init__(ResidualAdd(attend), ResidualAdd(think))  # BLANK: ResidualAdd(attend), ResidualAdd(think)


# %% tags=["check"] question="Q7b" points=4
check("Q7b", TransformerEncoderBlock)

# %% [markdown]
# <details><summary>Hint: both halves are wrong</summary>
#
# Where does the norm stand: inside the arch, or on the thick line? Only what is inside of
# `ResidualAdd(…)` is inside an arch. (`nn.LayerNorm` or your own, both are right.)
# </details>
# <details><summary>Hint: each half is right, both together are not</summary>
#
# Two halves, one after the other: the second must read what the first has left on the stream. And each has a
# norm of its own.
# </details>
# <details><summary>Hint: the rates</summary>
#
# `drop_p` closes both arches. `forward_drop_p` goes into your Q7, which already has a place for it. Look
# at the order of its arguments.
# </details>

# %% [markdown]
# ### The same as PyTorch's
#
# `nn.TransformerEncoderLayer` is this very block, if one asks for `norm_first` and "gelu". Put the same drawn weights
# into both (by name and shape, so that yours may stand in any order), and compare:

# %%
if ready("Q7b"):
    torch.manual_seed(0)
    mine, x = TransformerEncoderBlock(64, 4), torch.randn(2, 17, 64)
    theirs = nn.TransformerEncoderLayer(
        64, 4, 256, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )  # fmt: skip
    for block in (mine, theirs):
        place_block(block.eval(), x, draw_weights(0, 64, 256), turned=False)
    with torch.no_grad():
        ours, library = mine(x), theirs(x)
    far, size = (ours - library).abs().max(), library.abs().max()
    print(f"largest difference: {far:.1e}, of numbers up to {size:.1f}")

# %% tags=["solution"]
assert far < 1e-5 * size

# %% [markdown]
# Another author, the same numbers.
#
# ### Parameters, on the back of an envelope
#
# Attention has four square matrices, the feed-forward two of `4d²`. With biases and norms, for expansion 4:


# %%
def attention_parameters(d):
    return 4 * d * d + 4 * d


def feed_forward_parameters(d):
    return 8 * d * d + 5 * d


def block_parameters(d):
    return attention_parameters(d) + feed_forward_parameters(d) + 2 * 2 * d  # two norms: 12d² + 13d


# %%
def count(module):
    return sum(p.numel() for p in module.parameters())


if ready("Q7b"):
    for d in (64, 192, 768):
        with torch.device("meta"):  # shapes only, no memory
            counted = count(TransformerEncoderBlock(d))
        print(f"d = {d:>3}: formula {block_parameters(d):>9,}, code {counted:>9,}")

# %%
d = 768
parts = {
    "attention": attention_parameters(d),
    "feed-forward": feed_forward_parameters(d),
    "norms": 4 * d,
}
millions = {name: number / 1e6 for name, number in parts.items()}
bars(millions, xlabel="million parameters in one block, d = 768", form="{:.3f}")
assert block_parameters(d) == 12 * d * d + 13 * d == 7_087_872

# %% [markdown]
# Two thirds are feed-forward. The envelope also knows a famous model: ViT-B has twelve such blocks.

# %%
from helpers.torchvision_ops import load_torchvision

with torch.device("meta"):
    vit_b = load_torchvision().models.vit_b_16()
print(f"envelope {12 * block_parameters(768):,}, torchvision {count(vit_b.encoder.layers):,}")
print(f"the whole ViT-B/16: {count(vit_b):,}")
assert count(vit_b.encoder.layers) == 12 * block_parameters(768) == 85_054_464

# %% [markdown]
# Neither the number of heads nor the number of tokens is in the formula.

# %% [markdown]
# ## 8 · Where the norm stands
#
# The transformer of 2017 normed the stream itself, after each sum. ViT norms inside the arches.

# %%
show_wiring(["pre", "post"])

# %% [markdown]
# Measure the thick line: how long is a token after each of 24 blocks?


# %%
def lengths_along(layers, x):
    seen = []
    for one in layers:
        x = one(x).detach()
        seen.append(x.norm(dim=-1).mean().item())
    return seen


def post_norm(d=64):
    return nn.TransformerEncoderLayer(d, 4, 4 * d, dropout=0.0, activation="gelu", batch_first=True)


# %%
if ready("Q7b"):
    torch.manual_seed(0)
    tokens = torch.randn(8, 16, 64)
    grown = lengths_along([TransformerEncoderBlock() for _ in range(24)], tokens)
    held = lengths_along([post_norm() for _ in range(24)], tokens)
    curves(
        range(1, 25),
        {"pre-norm": grown, "post-norm": held},
        xlabel="block",
        ylabel="length of a token",
    )
    assert grown[-1] > 1.3 * grown[0]
    assert max(held) - min(held) < 0.01

# %% [markdown]
# Pre-norm lets the stream grow; each later block weighs less. So a pre-norm model needs *one more norm*
# after its last block, before the classifier.
#
# And the gradients? For each of the 24 blocks, the length of its whole gradient, from the same signal at the
# end:


# %%
def gradients_along(layers, x):
    out = F.layer_norm(nn.Sequential(*layers)(x), (64,))
    torch.manual_seed(1)
    (out * torch.randn_like(out)).mean().backward()
    return [sum(p.grad.square().sum() for p in one.parameters()).sqrt().item() for one in layers]


# %%
if ready("Q7b"):
    torch.manual_seed(0)
    pre = gradients_along([TransformerEncoderBlock() for _ in range(24)], tokens)
    post = gradients_along([post_norm() for _ in range(24)], tokens)
    curves(
        range(1, 25),
        {"pre-norm": pre, "post-norm": post},
        xlabel="block",
        ylabel="gradient of its weights",
    )
    print(
        f"last block against first: pre-norm {pre[-1] / pre[0]:.2f}, post-norm {post[-1] / post[0]:.2f}"
    )  # fmt: skip
    print(
        f"post-norm against pre-norm, over all blocks: {sum(post) / sum(pre):.1f} times the gradient"
    )  # fmt: skip
    assert pre[-1] < 0.85 * pre[0]
    assert sum(a < b for a, b in zip(pre, post, strict=True)) > 20

# %% [markdown]
# Post-norm pulls harder at (nearly) every block. In pre-norm the longer the stream, the less one more addition
# turns it, so later blocks are pulled at less. (Post-norm's pull falls about as far here: what differs is its size.)
#
# Does it matter? Train twelve blocks on real digits, without any warm-up, once gently, once at ten times the
# learning rate.


# %%
class Reader(nn.Module):
    """Digits (b, 1, 8, 8) as 8 patches of 2 x 4, some blocks, a last norm, ten scores from all tokens."""

    def __init__(self, blocks, d=32):
        super().__init__()
        self.embed, self.places = nn.Linear(8, d), nn.Parameter(torch.randn(8, d) / 2)
        self.blocks, self.norm, self.scores = (
            nn.Sequential(*blocks),
            nn.LayerNorm(d),
            nn.Linear(8 * d, 10),
        )

    def forward(self, images):
        patches = F.unfold((images - 0.3) / 0.4, (2, 4), stride=(2, 4)).mT  # b n 8
        return self.scores(self.norm(self.blocks(self.embed(patches) + self.places)).flatten(1))


# %%
where = device()
torch.set_num_threads(1)  # for tensors as small as these, more threads only wait for each other
train, test = load("digits").to(where), load("digits", "test").to(where)


def fit(model, lr, epochs=4):
    model = model.to(where)
    optimiser = torch.optim.Adam(model.parameters(), lr)
    for epoch in range(epochs):
        for x, y in train.batches(128, shuffle=True, seed=epoch):
            optimiser.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimiser.step()
    with torch.no_grad():
        return 100 * (model.eval()(test.images).argmax(1) == test.labels).float().mean().item()


# %% [markdown]
# To see what a part is good for, take it out. This swaps parts of a finished model:


# %%
def swap(model, kind, new):
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kind):
                setattr(parent, name, new(child))
    return model


def yours(d=32, depth=12):
    return [TransformerEncoderBlock(d, 4) for _ in range(depth)]


def no_norms(d=32, depth=12):
    return [swap(b, (nn.LayerNorm, LayerNorm), lambda _: nn.Identity()) for b in yours(d, depth)]


def no_shortcuts(d=32, depth=12):
    return [swap(b, ResidualAdd, lambda part: part.fn) for b in yours(d, depth)]


# %%
kinds = {"pre-norm (yours)": yours, "post-norm": lambda: [post_norm(32) for _ in range(12)],
         "no norms": no_norms, "no shortcuts": no_shortcuts}  # fmt: skip
if ready("Q6") and ready("Q7b"):
    start, scores = time.perf_counter(), {}
    for name, blocks in kinds.items():
        for lr in (1e-3, 1e-2):
            torch.manual_seed(0)
            scores[f"{name}, lr {lr:g}"] = fit(Reader(blocks()), lr)
    seconds = time.perf_counter() - start
    bars(scores, xlabel=f"test accuracy, % ({seconds:.0f} s for all eight)", form="{:.0f}")

# %% [markdown]
# Ten per cent is guessing. Read it honestly:
#
# - without shortcuts, twelve blocks learn next to nothing;
# - without norms the gentle run is as good as any, and the fast one dies: a norm doesn't make a model clever,
#   it makes it hard to break;
# - post-norm trains gently, but not at ten times the rate. That is why the recipe of 2017 begins with a
#   warm-up (lesson 08).

# %% [markdown]
# **Try it.** Other depths, other rates, other seeds: what breaks first?

# %%
depth, lr, seed = 4, 3e-3, 1  # change me

if ready("Q6") and ready("Q7b"):
    torch.manual_seed(seed)
    print(f"{depth} blocks, lr {lr:g}: {fit(Reader(yours(depth=depth)), lr):.1f} %")

# %% [markdown]
# ### And a CNN?
#
# The small CNN of lesson 01, on the same digits. It gets twenty epochs where the blocks got four, and is done
# sooner:

# %%
torch.manual_seed(0)
cnn = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))  # fmt: skip
start = time.perf_counter()
accuracy = fit(cnn, 5e-3, epochs=20)
print(f"CNN: {accuracy:.1f} % in {time.perf_counter() - start:.1f} s, with {count(cnn):,} parameters")
print(f"twelve blocks of width 32: {12 * block_parameters(32):,} parameters")
assert accuracy > 95

# %% [markdown]
# The CNN is better in less time, with a fifteenth of the parameters. A block like yours knows nothing of
# images; it shows its worth with data that dwarf 1433 digits.
#
# > ### What could go wrong
# > - **`x += …`** in a residual: changes the caller's tensor, or stops `backward`. Write `x = x + …`.
# > - **The norm before the fork.** `Sequential(norm, ResidualAdd(fn))` looks like pre-norm, and norms the
# >   stream itself.
# > - **One norm, used twice.** Modules are objects: the same object in two places shares its weights.
# > - **No final norm.** A pre-norm stream leaves the last block longer than it came (your curve above).
# > - **Forgotten `eval()`.** Dropout stays on, and the same image gets two answers (below).
# > - **`norm_first=False`** is PyTorch's default, and so is ReLU: `nn.TransformerEncoderLayer` is the block of
# >   2017 unless told otherwise.

# %%
if ready("Q7b"):
    torch.manual_seed(0)
    noisy, x = TransformerEncoderBlock(drop_p=0.1), torch.randn(1, 4, 64)
    print("training, twice the same:", torch.equal(noisy(x), noisy(x)))
    print("eval,     twice the same:", torch.equal(noisy.eval()(x), noisy(x)))

# %% [markdown]
# ## Stretch: RMSNorm
#
# **RMSNorm** (root-mean-square normalisation; Zhang and Sennrich, NeurIPS 2019) is layer normalisation without the
# mean and without the bias. Each token is divided by its root mean square, and each dimension has a learned factor:
#
# $$\mathrm{RMSNorm}(x) = w \odot \frac{x}{\sqrt{\frac{1}{d}\sum_i x_i^2 + \epsilon}}$$
#
# Most language models since 2023 and several newer ViTs use it: it is cheaper, and in the paper's experiments the
# mean made no difference. This question is optional.


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
# Compare the sum of the squares with their mean. By which factor do they differ, for tokens of width `d`?
# </details>

# %% [markdown]
# ## 9 · In words
#
# **W6a** (2 points). A friend moves both norms of a 24-block ViT onto the stream, behind the sums: "Everything
# is normed either way." What changes for the way a gradient takes from the last block to the first? What must
# be different in training? And which extra layer does *your* version need that the friend's doesn't?

# %% [markdown] tags=["written"] question="W6a" points=2
# With the norm inside the branches the sums form an unbroken line: the output is x plus what each branch
# added, so the slope from the last block to the first contains the identity, untouched by any layer. With the
# norm behind the sum, every gradient must pass 48 norms, each of which rescales it: there is no path without a
# layer on it. Post-norm therefore wants care at the start, a warm-up or a small learning rate; pre-norm trains
# without (in our run it took ten times the rate). The price of pre-norm: the stream is never normed, it grows
# with depth, so one final norm is needed after the last block, before the classifier.

# %% [markdown] tags=["rubric"]
# **W6a, 2 points.**
# - 1 point: pre-norm leaves an identity path through all blocks, post-norm puts a norm on it (half a point for
#   "gradients are better" without the reason).
# - ½ point: warm-up or smaller learning rate for post-norm.
# - ½ point: the final norm, because the pre-norm stream itself is never normed (or grows).

# %% [markdown]
# **W6b** (2 points). ViT-S has width 384, 12 blocks, 6 heads, expansion 4. How many parameters have its blocks,
# to within 2 %, without a computer? Which change costs more: twice the width, or twice the expansion? What do
# twice the heads cost, and twice the tokens?

# %% [markdown] tags=["written"] question="W6b" points=2
# One block has about 12 d² = 12 · 384² ≈ 1.77 million, twelve of them 21.2 million (exactly 21 293 568 with the
# 13 d per block of biases and norms). Twice the width: d² grows by 4, so all of it by 4. Twice the expansion:
# only the feed-forward's 8 d² double, 12 d² become 20 d², a factor of 5/3. Heads cut the same matrices into
# other slices: no parameter more. Tokens share all weights: no parameter more either, but attention's work grows
# with the square of their number.

# %% [markdown] tags=["rubric"]
# **W6b, 2 points.**
# - 1 point: 21.2 to 21.3 million, by 12 · 12 d² (half a point for one block, or for a slip of arithmetic).
# - ½ point: width, by factor 4 against 5/3 (any right comparison).
# - ½ point: heads and tokens cost no parameters.

# %% [markdown]
# ## 10 · What you take along
#
# | | |
# |---|---|
# | residual | `out = x + f(x)`: slope `1 + f'`, a gradient survives any depth |
# | never in place | `+=` writes where others still read |
# | layer norm | per token: mean 0, variance 1 (divided by d), then weight and bias; length √d |
# | feed-forward | per token: wide, GELU, narrow; two thirds of the parameters |
# | dropout | zeroes a share p, scales the rest by 1 / (1 - p), nothing in eval |
# | block | attention half, then feed-forward half, both pre-norm: `12d² + 13d` parameters |
# | pre-norm | trains at rates where post-norm fails; needs one last norm |
#
# **Further reading**
# - He et al., *Deep Residual Learning for Image Recognition*, CVPR 2016. Figure 1: a plain network of 56 layers
#   is worse than one of 20, on its *training* data. Figure 2 is your Q6.
# - Ba, Kiros and Hinton, *Layer Normalization*, 2016. Table 1 lists what each norm is invariant to.
# - Vaswani et al., *Attention Is All You Need*, NeurIPS 2017. Figure 1 is the post-norm block; Equation 2 the
#   feed-forward with a ReLU.
# - Hendrycks and Gimpel, *Gaussian Error Linear Units*, 2016. Figure 1 is the curve of section 5.
# - Xiong et al., *On Layer Normalization in the Transformer Architecture*, ICML 2020. Figure 1 shows both
#   wirings side by side; the paper explains the warm-up.
# - Dong, Cordonnier and Loukas, *Attention Is Not All You Need: Pure Attention Loses Rank Doubly Exponentially
#   with Depth*, ICML 2021: your curve of similar tokens, as a theorem.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 1, right: your Q7b; Table 1 lists the
#   widths and depths for your envelope.
#
# Next: **07 · Vision Transformer**, in which the blocks are stacked and learn to see.
