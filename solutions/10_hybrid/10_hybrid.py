# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 10 · Hybrids: convolution meets attention {{badge}}
#
# **Question of this lesson.** Convolution and attention have different strengths. How can one network have both, and
# what is the inductive bias of a convolution worth as the amount of data grows?
#
# **Why it matters.** Many of the best vision models are hybrids. Two mistakes in published hybrid code make attention
# useless without an error message.
#
# | | |
# |---|---|
# | **You need** | convolutions (`stride`, `padding`), attention (lesson 05), the encoder block (06) |
# | **Time** | 105 minutes; a good place to pause is the end of section 4 |
# | **Grading** | the checks grade Q19 to Q21b; your teacher reads W10a and W10b; Q21c is optional |
#
# **Afterwards you can**
# - replace a ViT's patch embedding by a convolutional stem, and show which pixels its tokens depend on;
# - write attention over a feature map, and test with one sum whether its indices are right;
# - recognise attention that has no effect;
# - insert a new block into a trained network without changing its outputs;
# - write such a layer on an empty page;
# - compare models fairly: equal numbers of weights, equal time, several seeds.
#
# {{questions}}
#
# | in the lectures | here | in the papers |
# |---|---|---|
# | `ConvAttentionLayer`, `query_conv`, `key_conv`, `value_conv` | the same | convolutional projection (CvT) |
# | `SelfAttentionLayer(in_features)` | the same | self-attention |
# | `Transformer` (for MNIST) | `SlidesNet` | – |

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
import time
from dataclasses import replace
from statistics import stdev

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers import check, ready, written
from helpers.built import built
from helpers.checks.placed_kernels import ATTENTION, place_kernels
from helpers.checks.receptive_field import influence, still_norms
from helpers.data import DataUnavailable, load
from helpers.data.shapes import draw_shapes
from helpers.device import device
from helpers.explore import explore
from helpers.measured import measured
from helpers.pictures.hybrid import show_meetings, show_received, show_sights, show_sizes
from helpers.plots import bars, compare, curves, show_images
from helpers.training import evaluate, fit

torch.set_num_threads(1)  # these models are so small that further threads would only wait for each other
where = device()

# %% tags=["setup"]
TransformerEncoderBlock = built("TransformerEncoderBlock")

# %% [markdown]
# The letters: `b` batch, `c h w` a feature map, `n = h·w` its positions in a sequence, `d` width; `i` is the
# position of the query, `j` that of the key.

# %% [markdown]
# ## 1 · Three places where they can meet
#
# | | convolution | attention |
# |---|---|---|
# | an output depends on | its neighbourhood | all positions |
# | its weights are | learned, then constant | computed from each image |
# | inductive bias | locality, translation equivariance | hardly any |
# | works well with | few images | many images |
#
# A **hybrid** combines both. There are three places to do so, and you will build each of them:

# %%
show_meetings()

# %% [markdown]
# ## 2 · Q19: a convolutional stem before the blocks
#
# A ViT begins with one convolution whose kernel is as wide as its stride: 8 x 8 pixels, stride 8. No token depends on
# pixels outside its patch, and the map is linear. Xiao et al. (2021) replaced it by a **convolutional stem**, the
# first layers of a CNN, and removed one encoder block to keep the cost equal.
#
# The recipe of the paper: each *stage* is a 3 x 3 convolution of stride 2, a normalisation and an activation. It
# halves the map. When one token per patch is left, a 1 x 1 convolution without an activation mixes the channels.
# Kernel sizes, widths, the kind of normalisation and activation and their order inside a stage are free, and the
# check accepts any. It tests on which pixels your tokens depend, and the properties that its card lists.
#
# Four blanks:
# 1. how many stages make `patch_size` (2, 4, 8, 16, …);
# 2. the three parts of a stage, from `width` to `wider` channels. Height and width shall be *exactly* halved;
# 3. the last layer;
# 4. from a grid to tokens, row by row.


# %% tags=["answer"] question="Q19"
# Q19: a convolutional stem
class ConvStem(nn.Module):
    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        stages = int(math.log2(patch_size))  # BLANK
        layers, width = [], in_channels
        for stage in range(stages):
            wider = emb_size // 2 ** (stages - 1 - stage)  # for 64: 16, 32, 64
            layers += [
                nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU(),
            ]  # BLANK: nn.Conv2d(width, wider, 3, stride=2, padding=1), nn.BatchNorm2d(wider), nn.ReLU(),  # fmt: skip
            width = wider
        layers += [nn.Conv2d(width, emb_size, kernel_size=1)]  # BLANK: nn.Conv2d(width, emb_size, kernel_size=1)
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        grid = self.layers(images)  # b d r c
        return rearrange(grid, "b d r c -> b (r c) d")  # BLANK


# %% tags=["check"] question="Q19" points=4
check("Q19", ConvStem)

# %% [markdown]
# <details><summary>Hint: the sizes are off by one</summary>
#
# A kernel of 3 with stride 1 needs a padding of 1 to keep the size. With stride 2 the same padding halves it.
# </details>
# <details><summary>Hint: how many stages?</summary>
#
# 8 → 4 → 2 → 1. It is the number that `math` calls the logarithm to base 2, as a whole number.
# </details>
# <details><summary>Hint: the shape is right and the picture is wrong</summary>
#
# `view` doesn't move axes. Name the four axes of the grid, and write with einops which two are merged and which comes
# last.
# </details>

# %% [markdown]
# ### Which pixels does a token depend on?
#
# We take the gradient of token 5 with respect to the image. Left the patch embedding of lesson 03, right your stem,
# both untrained:


# %% fold="read"
# The patch embedding as a module, and which pixels a token depends on
class Patchify(nn.Module):
    """Lesson 03's embedding: (b, c, h, w) -> (b, n, d)."""

    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        self.cut = nn.Conv2d(in_channels, emb_size, patch_size, stride=patch_size)

    def forward(self, images):
        return self.cut(images).flatten(2).mT


def sight(model, token, size=32, c=3):
    """(h, w): gradient of one token with respect to each pixel, averaged over a few random directions."""
    torch.manual_seed(0)
    model, image = model.eval(), torch.randn(c, size, size)
    with still_norms(model):
        d = model(image[None]).shape[-1]
        return sum(influence(model, image, torch.randn(d).numpy())[token] for _ in range(4))


# %%
if ready("Q19"):
    torch.manual_seed(0)
    seen = {"patches of 8": sight(Patchify(), 5), "your stem": sight(ConvStem(), 5)}
    show_sights(seen, 8, 5)
    for name, pixels in seen.items():
        inside = pixels[8:16, 8:16].sum() / pixels.sum()
        print(
            f"{name:<13} {int((pixels > 0).sum()):>4} pixels; {100 * inside:.0f} % of the gradient in its own patch"
        )  # fmt: skip

# %% tags=["solution"]
assert int((seen["your stem"] > 0).sum()) == 15 * 15

# %% [markdown]
# Three stages of 3 x 3 have a receptive field of 15 x 15 pixels: 1 + 2·(1 + 2 + 4). Neighbouring tokens overlap, so
# an edge on the border of two patches is seen whole by both.
#
# **Try it.** Other patch sizes; the framed patch is in the middle of the image:


# %%
def reach(patch=8):
    side = 32 // patch
    token = (side // 2) * side + side // 2
    torch.manual_seed(0)
    show_sights({"your stem": sight(ConvStem(patch_size=patch), token)}, patch, token)


if ready("Q19"):
    explore(reach, patch=[2, 4, 8, 16])

# %% [markdown]
# ### What it costs
#
# We count weights, and multiplications per image of 32 x 32, for both embeddings and for one encoder block on 16
# tokens:


# %% fold="skip"
# Counts weights and multiplications of the patch embedding, the stem and a block
def count(module):
    return sum(p.numel() for p in module.parameters())


def work(module, x):
    torch.backends.mha.set_fastpath_enabled(False)  # PyTorch's fast path for encoder layers hides from the counter
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() // 2


if ready("Q19"):
    image, tokens = torch.randn(1, 3, 32, 32), torch.randn(1, 16, 64)
    block = TransformerEncoderBlock(64, 2, 2)
    for name, part, x in (("patches", Patchify(), image), ("stem", ConvStem(), image), ("block", block, tokens)):
        print(f"{name:<8} {count(part):>6,} weights {work(part.eval(), x):>9,} multiplications")

# %% [markdown]
# The stem has about as many weights as a block, so one block is removed. (It needs more multiplications than a block,
# since it works on large maps. The comparison in section 7 uses measured time.)

# %% [markdown]
# ## 3 · Q20: convolutions inside attention
#
# Second place: in an attention layer over a feature map, compute queries, keys and values from a neighbourhood
# instead of a single position, by 3 x 3 convolutions (the SUTD lecture, 50.039 W9-S1; CvT, Wu et al. 2021):
#
# $$\text{out}_i = \sum_j w_{ij}\, v_j \qquad w_{ij} = \text{softmax}_j\left(\frac{q_i \cdot k_j}{\sqrt d}\right)$$
#
# `i` and `j` are positions, and `d` is `out_channels`. There are no other weights, and no residual connection.
#
# Five steps: the padding that keeps the size for any odd kernel; attention scores (b i j), scaled; weights; the
# weighted sum (b d i); and back to a map.


# %% tags=["answer"] question="Q20"
# Q20: attention made of convolutions
class ConvAttentionLayer(nn.Module):
    def __init__(self, in_channels, out_channels, kernel_size=3):
        super().__init__()
        margin = kernel_size // 2  # BLANK
        self.query_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=margin)
        self.key_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=margin)
        self.value_conv = nn.Conv2d(in_channels, out_channels, kernel_size, padding=margin)

    def forward(self, x):
        height = x.shape[2]
        layers = self.query_conv, self.key_conv, self.value_conv
        query, key, value = (conv(x).flatten(2) for conv in layers)  # b d n
        energy = torch.einsum("bdi,bdj->bij", query, key) / math.sqrt(query.shape[1])  # BLANK
        weights = torch.softmax(energy, dim=2)  # BLANK
        mixed = torch.einsum("bij,bdj->bdi", weights, value)  # BLANK: "bij,bdj->bdi", weights, value
        return rearrange(mixed, "b d (h w) -> b d h w", h=height)  # BLANK: "b d (h w) -> b d h w", h=height


# %% tags=["check"] question="Q20" points=4
check("Q20", ConvAttentionLayer)

# %% [markdown]
# <details><summary>Hint: einsum, or bmm?</summary>
#
# Either. With `einsum` you write the formula's letters: which of b, d, i, j has the query, which the key, which the
# result? The letter that is missing on the right is summed over. With `bmm` draw the two rectangles first.
# </details>
# <details><summary>Hint: "adds up to one" is not met</summary>
#
# In `w_ij`, i belongs to the query and j to the key. The softmax runs over the keys, and so does the sum. If one
# runs over i and the other over j, the result is no weighted mean.
# </details>
# <details><summary>Hint: right with one channel, wrong with more</summary>
#
# Either the scale is wrong, or a `view` stands where an axis had to move: with one channel neither has an effect.
# </details>

# %% [markdown]
# With a kernel of 1 there is no neighbourhood, and your layer must equal lesson 05's attention over pixels:

# %%
if ready("Q20"):
    torch.manual_seed(0)
    layer, x = ConvAttentionLayer(4, 8, kernel_size=1), torch.randn(2, 4, 6, 5)
    names = ("query_conv", "key_conv", "value_conv")
    if all(hasattr(layer, name) for name in names):
        q, k, v = (getattr(layer, name)(x).flatten(2).mT for name in names)  # b n d
        theirs = F.scaled_dot_product_attention(q, k, v).mT.reshape(2, 8, 6, 5)
        print(f"largest difference from PyTorch's attention: {(layer(x) - theirs).abs().max():.0e}")

# %% [markdown]
# ### Useful without training
#
# We set the kernels of your layer by hand: queries and keys read the whole 3 x 3 neighbourhood, values the pixel in
# its centre. Each pixel then becomes a weighted mean of pixels with *similar neighbourhoods*, wherever they are. This
# is *non-local means* (Buades et al. 2005), long a standard method to remove noise from photographs.
#
# Two more channels, a one and |x|², turn the dot product into a distance: $-\tfrac12|p_i - p_j|^2 = p_i \cdot p_j -
# \tfrac12|p_j|^2 - \dots$, and a softmax over j does not depend on terms in i alone.


# %% fold="skip"
# Measures the noise that is left after averaging with the layer
def denoising(size, noise):
    """A ConvAttentionLayer (5, d, size) whose softmax goes by the distance of neighbourhoods of size x size."""
    pixels = size * size
    d, middle = 3 * pixels + 1, size // 2
    kernels = {role: torch.zeros(d, 5, size, size) for role in ("query", "key", "value")}
    each = torch.eye(3 * pixels).view(3 * pixels, 3, size, size)
    # undoes your scale; distances count in units of the noise
    sharp = d**0.25 / (noise * pixels**0.5)
    for role in ("query", "key"):
        kernels[role][:-1, :3] = sharp * each
    kernels["query"][-1, 3, middle, middle] = sharp
    kernels["key"][-1, 4] = -0.5 * sharp
    kernels["value"][:3, :3, middle, middle] = torch.eye(3)
    layer = ConvAttentionLayer(5, d, size)
    place_kernels(layer, {role: kernel.numpy() for role, kernel in kernels.items()}, ATTENTION)
    return layer


def with_extras(image):
    """(3, h, w) -> (1, 5, h, w): a one and |x|² behind the colours."""
    return torch.cat([image, torch.ones_like(image[:1]), (image**2).sum(0, keepdim=True)])[None]


def noise_in(a, b):
    return 20 * math.log10(1 / (a - b).pow(2).mean().sqrt().item())  # decibels: more is cleaner


# %% fold="skip"
# Draws noisy and averaged images for kernels of three sizes
NOISE = 0.15
clean = load("shapes").images[5]
torch.manual_seed(0)
noisy = clean + NOISE * torch.randn_like(clean)
if ready("Q20"):
    with torch.no_grad():
        tidied = {size: denoising(size, NOISE)(with_extras(noisy))[0, :3] for size in (1, 3, 5)}
    shown = {"clean": clean, f"noisy: {noise_in(noisy, clean):.1f} dB": noisy}
    shown |= {f"kernel {size}: {noise_in(t, clean):.1f} dB": t for size, t in tidied.items()}
    show_images([t.clamp(0, 1) for t in shown.values()], list(shown), columns=5)

# %% tags=["solution"]
assert noise_in(tidied[3], clean) > noise_in(tidied[1], clean) + 2 > noise_in(noisy, clean) + 4

# %% [markdown]
# A single pixel does not distinguish noise from colour; nine together do. This is what a convolution adds to
# attention: better queries and keys.
#
# ### A common mistake: the sum over the wrong index
#
# The SUTD lecture ends its attention layer with
#
# ```python
# out = torch.bmm(value, attention_weights).view(batch_size, channels, height, width)
# ```
#
# where `value` is (b, d, n) and the weights are (b, n, n). It runs. Over which positions does it sum?


# %%
def lecture(query, key, value):  # b d n each, as on the lecture's slide
    attention_weights = torch.softmax(torch.bmm(query.mT, key), dim=-1)
    return torch.bmm(value, attention_weights)


def weights_of(query, key):
    """The same weights, (n, n) of the first image: row i belongs to query i."""
    return torch.softmax(torch.bmm(query.mT, key), dim=-1)[0]


# %% [markdown]
# `bmm(value, weights)` is $\sum_i v_i w_{ij}$: a sum over the *queries*, down the columns. The softmax makes rows
# add up to one, not columns. We look at the weights of the denoiser on the same noisy image:

# %% fold="skip"
# Computes row sums and column sums of the attention weights of a noisy image
patches = F.unfold(noisy[None], 3, padding=1)  # 1 d n: the 3 x 3 neighbourhoods
near = -(torch.cdist(patches.mT, patches.mT) ** 2) / (2 * 9 * NOISE**2)
w = near.softmax(-1)[0]  # n n
rows, columns = w.sum(1), w.sum(0)
for name, sums in (("row", rows), ("column", columns)):
    print(f"{name:<6} sums from {sums.min():.3f} to {sums.max():.3f}")
show_received(
    rows.view(32, 32),
    columns.view(32, 32),
    "Row sums are one everywhere; column sums differ by position.",
)
assert (rows - 1).abs().max() < 1e-5
assert columns.max() > 1.5 > 0.9 > columns.min()

# %% [markdown]
# The lecture's output at position j adds up the values of all positions i that attend to j. Positions with a large
# column sum get outputs that are too large, others outputs that are too small. With the colours as values:


# %% fold="skip"
# Averages the noisy image in the right way and in the lecture's way
colours = noisy.flatten(1)  # 3 n
made = {"correct": colours @ w.T, "lecture": colours @ w}
shown = [
    (f"{name}: {noise_in(out.view(3, 32, 32), clean):.1f} dB", out) for name, out in made.items()
]  # fmt: skip
compare(
    [
        ("noisy", noisy.clamp(0, 1)),
        *((title, out.clamp(0, 1).view(3, 32, 32)) for title, out in shown),
    ]
)

# %% [markdown]
# The correction is one transpose, and one test finds the mistake: give all positions the same value. Every weighted
# mean then equals that value.

# %% fold="read"
# Tests both layers with equal values
torch.manual_seed(0)
query, key = torch.randn(2, 1, 16, 64)  # twice 1 d n
ones = torch.ones(1, 1, 64)
unfair = lecture(query, key, ones)
print(f"lecture, all values 1: outputs from {unfair.min():.3f} to {unfair.max():.2f}")
if ready("Q20"):
    torch.manual_seed(0)
    layer, x = ConvAttentionLayer(2, 16), torch.randn(1, 2, 8, 8)
    drawn = {role: torch.randn(16, 2, 3, 3).numpy() for role in ("query", "key")}
    value = torch.zeros(16, 2, 3, 3)
    value[:, 1, 1, 1] = 1  # reads channel 1, which is 1 everywhere
    x[:, 1] = 1
    place_kernels(layer, drawn | {"value": value.numpy()}, ATTENTION)
    out = layer(x)
    print(f"yours                : outputs from {out.min():.3f} to {out.max():.3f}")
assert unfair.min() < 0.2 < 3 < unfair.max()

# %% [markdown]
# A version of this layer without the scale $1/\sqrt d$ is also common. How uniform are the weights then? We measure
# their entropy, divided by its maximum: 0 if all weight is on one position, 1 if attention is uniform.


# %% fold="skip"
# Measures the entropy of the weights with and without the scale
def evenness(w):
    return (torch.special.entr(w).sum(-1).mean() / math.log(w.shape[-1])).item()


widths, even = [4, 16, 64, 256], {"with 1/√d": [], "without scale": []}
for d in widths:
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, d, 64)
    even["with 1/√d"].append(evenness(weights_of(query / math.sqrt(d), key)))
    even["without scale"].append(evenness(weights_of(query, key)))
curves(widths, even, xlabel="channels d", ylabel="relative entropy of the weights", logx=True, height=2.2)
assert even["without scale"][-1] < 0.1 < 0.7 < even["with 1/√d"][-1]

# %% [markdown]
# Without the scale, wide layers start with nearly all weight on one position: the softmax is saturated and its
# gradient vanishes (lesson 05).
#
# The wrong sum has one more consequence. If the mean over all positions is taken afterwards, as many networks do
# before their last layer, each value has been distributed with weights that add up to one. The result is the mean of
# the values: attention has cancelled out.

# %%
torch.manual_seed(0)
query, key, value = torch.randn(3, 1, 16, 64)  # three times 1 d n
off = (lecture(query, key, value).mean(-1) - value.mean(-1)).abs().max()
right = F.scaled_dot_product_attention(query.mT, key.mT, value.mT).mT.mean(-1)
moved = (right - value.mean(-1)).abs().max()
print(f"difference of the mean over positions from the mean of the values: lecture {off:.0e}, correct {moved:.2f}")
assert off < 1e-6

# %% [markdown]
# Does it matter in training? A small network on handwritten digits: a convolution, an attention layer, a linear
# layer. We compare your layer, the wrong sum with the scale, and the wrong sum without it:


# %% fold="read"
# The data, the lecture's layer, a small network around a layer, and three seeds of training
digits, unseen = (
    replace(s, images=(s.images - 0.3) / 0.4) for s in (load("digits"), load("digits", "test"))
)  # fmt: skip


class LectureLayer(nn.Module):
    """The lecture's sum; `scale` multiplies the queries."""

    def __init__(self, d, scale=1.0):
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(d, d, 3, padding=1) for _ in range(3))
        self.scale = scale

    def forward(self, x):
        q, k, v = (conv(x).flatten(2) for conv in (self.q, self.k, self.v))
        return lecture(self.scale * q, k, v).view_as(x)


class OnMaps(nn.Module):
    def __init__(self, attention, d):
        super().__init__()
        self.first, self.attention, self.head = nn.Conv2d(1, d, 3, 2, 1), attention, nn.Linear(d, 10)

    def forward(self, x):
        return self.head(torch.relu(self.attention(torch.relu(self.first(x)))).mean((2, 3)))


def accuracies(make, train, test, seeds=3, **how):
    """Test accuracy in per cent, once per seed."""
    found = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        history = fit(make(), train, test, seed=seed, progress=False, **how)
        found.append(100 * history.test_accuracy[-1])
    return torch.tensor(found)


def listed(found):
    return f"{found.mean():.1f} ± {found.std():.1f} % ({', '.join(f'{one:.1f}' for one in found)})"


# %%
if ready("Q20"):
    kinds = {
        "yours": lambda: ConvAttentionLayer(16, 16),
        "wrong sum": lambda: LectureLayer(16, 0.25),
        "wrong sum, no scale": lambda: LectureLayer(16),
    }
    how, scores = {"epochs": 6, "lr": 8e-3}, {}
    for name, layer in kinds.items():
        scores[name] = accuracies(lambda layer=layer: OnMaps(layer(), 16), digits, unseen, **how)
        print(f"{name:<19} {listed(scores[name])}")

# %% tags=["solution"]
assert min(scores["yours"]) > max(scores["wrong sum, no scale"]) + 5
assert abs(scores["wrong sum, no scale"].mean() - scores["wrong sum"].mean()) < 8

# %% [markdown]
# The wrong sum costs many points. The missing scale makes no clear difference here, since 16 channels are few (see
# the curve above). Only a measurement tells which of two faults matters.

# %% [markdown]
# ## 4 · A common mistake: attention over a sequence of length one
#
# The SUTD lecture's network for MNIST is
#
# ```python
# self.fc1 = nn.Linear(28*28, 128)
# self.attention1 = SelfAttentionLayer(128)
# self.fc2 = nn.Linear(128, 64)
# self.attention2 = SelfAttentionLayer(64)
# self.fc3 = nn.Linear(64, 10)
# ```
#
# with a ReLU after `fc1` and `fc2`. The lecture reports 97.04 % on the test set. The image enters as *one* vector of
# 784 numbers, so both attention layers receive a sequence of length one. What do they contribute?
#
# {{level: open}}
# Write the layer and the network. This cell gives no points; the assertions of the next two cells compare outputs,
# gradients and the numbers of weights.
# {{end}}


# %% write_from="open"
class SelfAttentionLayer(nn.Module):
    """(b, n, d) -> (b, n, d), one head, scaled, from linear layers `query`, `key` and `value`.

    `forward` keeps the attention weights (b, n, n) as `self.seen`.
    """

    def __init__(self, in_features):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(in_features, in_features) for _ in range(3))

    def forward(self, x):
        scores = self.query(x) @ self.key(x).mT / math.sqrt(self.query.out_features)
        self.seen = torch.softmax(scores, -1)
        return self.seen @ self.value(x)


class SlidesNet(nn.Module):
    """The lecture's network: images (b, 1, h, w) -> logits (b, 10); h * w is `pixels`.

    The layers are called as in the lecture. Without `attend`, each attention layer is replaced by its value layer.
    """

    def __init__(self, pixels=784, attend=True):
        super().__init__()
        self.attend = attend
        self.fc1, self.attention1 = nn.Linear(pixels, 128), SelfAttentionLayer(128)
        self.fc2, self.attention2 = nn.Linear(128, 64), SelfAttentionLayer(64)
        self.fc3 = nn.Linear(64, 10)

    def forward(self, images):
        x = images.flatten(1)[:, None]  # b 1 pixels
        x = torch.relu(self.fc1(x))
        x = self.attention1(x) if self.attend else self.attention1.value(x)
        x = torch.relu(self.fc2(x))
        x = self.attention2(x) if self.attend else self.attention2.value(x)
        return self.fc3(x)[:, 0]


# %%
if written(SelfAttentionLayer, SlidesNet):
    torch.manual_seed(0)
    net, without = SlidesNet(), SlidesNet(attend=False)
    without.load_state_dict(net.state_dict())
    some = torch.rand(256, 1, 28, 28)
    out = net(some)
    for name, layer in (("attention1", net.attention1), ("attention2", net.attention2)):
        print(f"{name}: weights of shape {tuple(layer.seen.shape)}, from {layer.seen.min()} to {layer.seen.max()}")
    print(f"largest difference to the network without attention: {(out - without(some)).abs().max():.1f}")
    assert torch.equal(out, without(some))
    assert out.shape == (256, 10)
    tokens = torch.randn(2, 5, 128)
    q, k, v = (getattr(net.attention1, name)(tokens) for name in ("query", "key", "value"))
    assert torch.allclose(net.attention1(tokens), F.scaled_dot_product_attention(q, k, v), atol=1e-5)

# %% [markdown]
# Every weight is exactly 1: a softmax over a single number is 1 whatever the number is. Each attention layer *is*
# its value layer, and the network equals a multilayer perceptron with two hidden layers of 128 and 64 units. What
# happens to query and key in training?

# %%
if written(SelfAttentionLayer, SlidesNet):
    out.square().sum().backward()
    gradients = {name: part.weight.grad.abs().max().item() for name, part in net.attention1.named_children()}
    print("largest gradient in attention1:", ", ".join(f"{name} {value:.3g}" for name, value in gradients.items()))
    idle = sum(count(layer.query) + count(layer.key) for layer in (net.attention1, net.attention2))
    print(f"{idle:,} of {count(net):,} weights never learn anything")
    assert gradients["query"] == gradients["key"] == 0 < gradients["value"]
    assert (idle, count(net)) == (41_344, 171_402)

# %% [markdown]
# We train both versions on digits (or on MNIST, by the switch) from the same initial weights, three seeds each:

# %% fold="skip"
# Loads digits, or MNIST by the switch
DATASET = "digits"  # change me: "mnist" (60,000 images: minutes per seed, or a GPU)

train, test = digits, unseen
if DATASET != "digits":
    try:
        train, test = (
            replace(s, images=(s.images - 0.3) / 0.4)
            for s in (load(DATASET), load(DATASET, "test"))
        )  # fmt: skip
    except DataUnavailable as trouble:
        print(f"{trouble}\nGoing on with digits.")
SIDE = train.images.shape[-1]

# %%
how = {"epochs": 8, "lr": 1e-3}
if written(SelfAttentionLayer, SlidesNet):
    scores = {
        "one token, with attention": accuracies(lambda: SlidesNet(SIDE * SIDE), train, test, **how),
        "one token, without": accuracies(lambda: SlidesNet(SIDE * SIDE, attend=False), train, test, **how),
    }
    for name, found in scores.items():
        print(f"{name:<27} {listed(found)}")
    assert torch.equal(*scores.values()) or where.type != "cpu"

# %% [markdown]
# The results are equal, seed by seed, to the last image. The lecture's 97.04 % is the accuracy of a multilayer
# perceptron with two hidden layers. On MNIST, `python benchmarks/accuracy.py --part h --part i` gives, after 5
# epochs, 97.2 % for the lecture's network (three seeds from 97.0 to 97.4 %) and 97.1 % for the perceptron with other
# initial weights (96.6 to 97.5 %).
#
# ### Corrected: several tokens
#
# For attention to select something, there must be several tokens: rows of the image, or patches. Each gets a learned
# position, or the order would be lost, and the layer gets lesson 06's residual connection:


# %% fold="read" write_from="open"
# A network with several tokens, and two ways to cut an image into tokens
class TokenNet(nn.Module):
    """Images (b, 1, SIDE, SIDE) -> logits (b, 10); cut(images) gives the tokens (b, n, width).

    A linear layer embeds the tokens with width d; learned positions (n, d) are added, and a ReLU follows. Then come
    `self.layer`, a SelfAttentionLayer (or only its value layer, without `attend`), with a residual connection, a
    second ReLU, and a linear layer on all tokens side by side.
    """

    def __init__(self, cut, attend, d=16):
        super().__init__()
        self.cut, self.attend = cut, attend
        n, width = cut(torch.zeros(1, 1, SIDE, SIDE)).shape[1:]
        self.embed, self.positions = nn.Linear(width, d), nn.Parameter(0.5 * torch.randn(n, d))
        self.layer = SelfAttentionLayer(d)
        self.head = nn.Linear(n * d, 10)

    def forward(self, images):
        x = torch.relu(self.embed(self.cut(images)) + self.positions)
        x = x + (self.layer(x) if self.attend else self.layer.value(x))
        return self.head(torch.relu(x).flatten(1))


def rows_of(images):
    """(b, 1, h, w) -> (b, h, w): a token per row"""
    return images.flatten(1, 2)


def patches_of(images):
    """(b, 1, SIDE, SIDE) -> (b, 16, p * p): a token per patch, 4 x 4 patches of p = SIDE // 4 pixels a side"""
    return F.unfold(images, SIDE // 4, stride=SIDE // 4).mT


# %%
tokens_differ = written(SelfAttentionLayer, SlidesNet, TokenNet, rows_of, patches_of)
if tokens_differ:
    assert rows_of(test.images[:2]).shape == (2, SIDE, SIDE)
    assert torch.equal(patches_of(test.images[:2])[:, 1, 0], test.images[:2, 0, 0, SIDE // 4])
    for name, cut in (("rows", rows_of), ("patches", patches_of)):
        scores[name] = accuracies(lambda cut=cut: TokenNet(cut, True), train, test, **how)
        scores[f"{name}, without"] = accuracies(lambda cut=cut: TokenNet(cut, False), train, test, **how)
    means = {name: found.mean().item() for name, found in scores.items()}
    errors = {name: found.std().item() for name, found in scores.items()}
    bars(means, errors, xlabel="test accuracy, %", form="{:.1f}")
    assert min(means["rows"], means["patches"]) > 80

# %% fold="skip"
# Draws the attention weights of one digit
if tokens_differ:
    torch.manual_seed(0)
    net = TokenNet(patches_of, True)
    fit(net, train, progress=False, seed=0, **how)
    with torch.no_grad():
        net.eval()(test.images[:1].to(where))
    seen = net.layer.seen[0].cpu()
    compare([("the digit", test.images[0]), ("attention weights of 16 patches", seen)], shared=False)
    print(f"weights from {seen.min():.3f} to {seen.max():.2f}; uniform would be {1 / 16:.3f}")
    assert seen.max() > 0.1

# %% [markdown]
# Now the weights differ. Does attention raise the accuracy? Compare the bars in pairs, with their spread. On images
# of 8 x 8 pixels the difference is within the spread of the seeds: the linear layer over all positions sees
# everything anyway. A fair answer needs the version "without".
#
# **Answer.** Attention over one token has no effect. Print the *shape* of the weights: (b, 1, 1) reveals it.

# %% [markdown]
# ## 5 · Q21: a non-local block between
#
# Third place: inside a CNN, between two of its stages (the first idea of CS163, lecture 12: SAGAN, non-local
# networks). The **non-local block** (Wang et al., 2018) connects distant positions without dozens of convolutions:
#
# $$y_i = \sum_j \text{softmax}_j\left(\theta_i \cdot \phi_j\right) g_j \qquad z_i = x_i + W_z\, y_i$$
#
# θ, φ and g are 1 x 1 convolutions to `inner` channels, and W_z maps back. There is no scale in the paper's formula.
#
# **W_z starts at zero**, weight and bias. A new block then changes nothing, so it can be inserted into a trained
# network.
#
# Four blanks: two lines that make W_z zero; the weights (b i j), in one line; the sum over j, (b e i); what is
# returned.


# %% tags=["answer"] question="Q21"
# Q21: the non-local block
class NonLocalBlock(nn.Module):
    def __init__(self, channels, inner=None):
        super().__init__()
        inner = inner or channels // 2
        self.theta = nn.Conv2d(channels, inner, kernel_size=1)
        self.phi = nn.Conv2d(channels, inner, kernel_size=1)
        self.g = nn.Conv2d(channels, inner, kernel_size=1)
        self.W_z = nn.Conv2d(inner, channels, kernel_size=1)
        # BEGIN BLANK
        nn.init.zeros_(self.W_z.weight)
        nn.init.zeros_(self.W_z.bias)
        # END BLANK

    def forward(self, x):
        theta, phi, g = (conv(x).flatten(2) for conv in (self.theta, self.phi, self.g))  # b e n
        weights = (theta.mT @ phi).softmax(dim=-1)  # BLANK
        y = torch.einsum("bij,bej->bei", weights, g).unflatten(2, x.shape[2:])  # BLANK: "bij,bej->bei", weights, g
        return x + self.W_z(y)  # BLANK


# %% tags=["check"] question="Q21" points=3
check("Q21", NonLocalBlock)

# %% [markdown]
# <details><summary>Hint: "a new block changes nothing" is not met</summary>
#
# What does your block return when W_z gives zero? The formula has a last `x` for that. And a convolution has two
# parameters; `nn.init` has a function for zeros.
# </details>
# <details><summary>Hint: the block can't learn</summary>
#
# Zero times zero: if g *and* W_z are zero, neither gets a gradient. One zero is enough.
# </details>
# <details><summary>Stronger hint for weights and sum</summary>
#
# They are Q20's two lines without the scale, and with e for d. The map's last two axes come back by `unflatten`, or
# `reshape`.
# </details>

# %% [markdown]
# ### Into a trained network
#
# We train a small CNN on shapes for two epochs and insert your block after its second stage:

# %% fold="skip"
# Loads the data and trains a small CNN
raw, raw_test = load("shapes"), load("shapes", "test")
shapes, shapes_test = (replace(s, images=(s.images - 0.5) / 0.25) for s in (raw, raw_test))


def conv(into, out, stride=2):
    return [nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]


def small_cnn():
    layers = conv(3, 16) + conv(16, 32) + conv(32, 48, 1) + conv(48, 48) + conv(48, 56, 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(56, 10))


torch.manual_seed(0)
plain = small_cnn()
fit(plain, shapes, epochs=2, lr=4e-3, batch_size=32, progress=False)
before = evaluate(plain, shapes_test).accuracy
print(f"after two epochs: {100 * before:.1f} %")

# %%
if ready("Q21"):
    layers = list(plain.eval())
    torch.manual_seed(0)
    joined = nn.Sequential(*layers[:6], NonLocalBlock(32).to(where), *layers[6:]).eval()
    spoiled = nn.Sequential(*layers[:6], NonLocalBlock(32).to(where), *layers[6:]).eval()
    for parameter in spoiled[6].parameters():
        nn.init.normal_(parameter, std=0.3)  # for comparison: random weights in W_z, too
    some = shapes_test.images[:64].to(where)
    with torch.no_grad():
        print(f"largest change of a logit: {(joined(some) - plain(some)).abs().max():.1f}")
    for name, model in (("your block", joined), ("random weights", spoiled)):
        print(f"{name:<14} {100 * evaluate(model, shapes_test).accuracy:.1f} %")

# %% [markdown]
# ### What does the block change?
#
# On which pixels does one position of the map after the block depend, without the block and after one more epoch
# with it?


# %%
class Tokens(nn.Module):
    """The first layers of a CNN, their map as tokens."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x).flatten(2).mT


# %% fold="skip"
# Draws what the block receives before and after training
if ready("Q21"):
    alone = sight(Tokens(layers[:6]).cpu(), 27)
    joined.to(where)
    fit(joined, shapes, epochs=1, lr=4e-3, batch_size=32, seed=1, progress=False)
    after = evaluate(joined, shapes_test).accuracy
    opened = sight(Tokens(list(joined)[:7]).cpu(), 27)
    show_sights({"two convolutions": alone, "and your block, trained": opened}, 4, 27)
    for name, pixels in (("without", alone), ("with", opened)):
        far = 100 * pixels[alone == 0].sum() / pixels.sum()
        print(
            f"{name:<8} depends on {int((pixels > 0).sum()):>4} of 1024 pixels; {far:.0f} % of it beyond the 7 x 7"
        )  # fmt: skip
    print(f"accuracy {100 * before:.1f} % before, {100 * after:.1f} % after another epoch")

# %% [markdown]
# From 7 x 7 pixels to all of them, in one layer; the share is still small after one epoch. (The higher accuracy is
# no evidence for the block: the plain CNN would also have gained from another epoch. A comparison needs equal
# training and several seeds, as in section 7.)

# %% [markdown]
# ## 6 · Local attention
#
# Between a neighbourhood and the whole image lies **local attention** (the second idea of CS163, lecture 12;
# Ramachandran et al. 2019; Hu et al. 2019): each position attends to a square of radius r around itself, and the
# rest is masked. The lecture's verdict is that it improves a ResNet only marginally at equal cost.


# %% fold="skip"
# Draws the mask of local attention for several radii
def neighbours(side, radius):
    """(n, n) bools: may query i attend to key j? n = side²"""
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side)).float()  # n 2
    far = torch.cdist(places, places, p=math.inf)  # the larger of the steps down and across
    return far <= radius


def dial(radius=1, side=8):
    mask = neighbours(side, radius).float()
    pairs = f"all places: {int(mask.sum()):,} of {side**4:,} pairs"
    compare([("keys of one query", mask[2 * side + 1].view(side, side)), (pairs, mask)])


explore(dial, radius=[0, 1, 2, 4])
assert neighbours(8, 0).equal(torch.eye(64).bool())
assert bool(neighbours(8, 7).all())

# %% [markdown]
# The stripes beside the diagonal are the rows above and below. Radius 0 is a 1 x 1 convolution, radius 7 is full
# attention. In between, the layer has the receptive field of a convolution with weights that depend on the content.
# Swin's windows (lesson 09) are fixed; here each position is the centre of its own window.
#
# The cost is n (2r + 1)², linear in n:

# %%
for side in (8, 14, 56):
    print(
        f"{side:>2} x {side:<2} positions, radius 3: at most {side**2 * 49:>9,} pairs instead of {side**4:>9,}"
    )  # fmt: skip
assert (56**2 * 49, 56**4) == (153_664, 9_834_496)

# %% [markdown]
# ## 7 · What is an inductive bias worth?
#
# A convolution assumes locality and translation equivariance (lesson 00). An **inductive bias** that is true of the
# data saves training images. So a CNN should win with few images; with many, a less restricted model should catch up
# and perhaps overtake it. Where do the curves cross?
#
# For a fair comparison we use three models with the same number of weights and about the same training time. ViT and
# hybrid differ in the embedding, and the hybrid has one block less.


# %% fold="read"
# The ViT and the hybrid of the comparison
class Former(nn.Module):
    """Embedding, positions, encoder blocks, mean over tokens, a linear layer."""

    def __init__(self, embedding, d, depth, tokens=16):
        super().__init__()
        self.embedding = embedding
        self.positions = nn.Parameter(0.02 * torch.randn(tokens, d))
        self.blocks = nn.Sequential(*[TransformerEncoderBlock(d, 2, 2) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, 10)

    def forward(self, images):
        return self.head(self.norm(self.blocks(self.embedding(images) + self.positions)).mean(1))


def vit():
    return Former(Patchify(3, 56, 8), 56, depth=2)


def hybrid():
    return Former(ConvStem(3, 64, 8), 64, depth=1)


# %% fold="skip"
# Measures the time of a training step of each model
def step_time(make, images, labels, repeats=6):
    """Milliseconds of processor time for one training step; the least disturbed one."""
    model, taken = make(), []
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(repeats):
        start = time.process_time()
        optimizer.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimizer.step()
        taken.append(1000 * (time.process_time() - start))
    return min(taken)


racers = {"ViT": vit, "hybrid": hybrid, "CNN": small_cnn}
if ready("Q19"):
    for name, make in racers.items():
        spent = step_time(make, shapes.images[:64], shapes.labels[:64])
        print(f"{name:<7} {count(make()):>6,} weights, {spent:5.1f} ms per step of 64 images")

# %% [markdown]
# The numbers of weights agree within 3 %. The ViT's steps are shorter (by how much depends on the machine), so it
# gets a quarter more of them.
#
# ### A short run, live
#
# All models get the same training time, with few images seen often or with more images seen less often, three seeds
# each.


# %% fold="read"
# Settings of the comparison, and one model trained with three seeds
LARGE = where.type == "cuda"  # change me: without a GPU, True takes half an hour and more
SIZES = (250, 1000, 4000, 16000) if LARGE else (64, 512)
STEPS, BATCH = (1500, 64) if LARGE else (64, 32)
MORE = {"ViT": 1.25}  # times the steps, so that all take equally long


def warm_up_and_cosine(step, total):
    warm = 0.1 * total
    return (
        (step + 1) / warm
        if step < warm
        else 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (total - warm))
    )  # fmt: skip


def drawn(count, seed=1):
    """A new data set of `count` drawn shapes."""
    images, labels = draw_shapes(count, seed=seed)
    return replace(
        shapes, images=(torch.from_numpy(images) - 0.5) / 0.25, labels=torch.from_numpy(labels)
    )  # fmt: skip


def race(name, size):
    epochs = max(1, round(MORE.get(name, 1) * STEPS / math.ceil(size / BATCH)))
    found = []
    for seed in range(3):
        torch.manual_seed(seed)
        model = racers[name]()
        fit(model, pool.take(size), epochs=epochs, batch_size=BATCH, lr=2e-3, weight_decay=0.05,
            schedule=warm_up_and_cosine, seed=seed, progress=False)  # fmt: skip
        found.append(100 * evaluate(model, shapes_test).accuracy)
    return found


# %%
pool, live = drawn(max(SIZES)) if LARGE else shapes, {}
if ready("Q19"):
    for name in racers:
        live[name] = {size: race(name, size) for size in SIZES}
        print(
            f"{name:<7} "
            + "; ".join(f"{size:,}: {listed(torch.tensor(live[name][size]))}" for size in SIZES)
        )  # fmt: skip
    show_sizes(live, f"{STEPS} steps of {BATCH} images (ViT: {MORE['ViT']:g} times as many)")

# %% tags=["solution"]
few, more = (
    {name: sum(found[size]) / 3 for name, found in live.items()} for size in (SIZES[0], SIZES[-1])
)  # fmt: skip
assert more["CNN"] > more["ViT"] + 5
assert more["CNN"] > few["CNN"] + 5
sizes = [count(make()) for make in racers.values()]
assert max(sizes) < 1.03 * min(sizes)

# %% [markdown]
# With few images all models are weak, and their spreads overlap. With more images they separate, in the order of
# their inductive bias.

# %% [markdown]
# ### A long run, measured once
#
# The same models from torch's own parts with more steps, up to 16,000 training and 2,000 test images. The command
# that made it:

# %% fold="skip"
# Reads the stored runs
log = measured("data_size")
for key in ("command", "machine", "settings", "date"):
    print(f"{key:<9} {log.about[key]}")


def results(world, column="test", scale=100):
    """{model: {images: values, one per seed}}"""
    found = {}
    for run in log:
        if run["world"] == world:
            found.setdefault(run["model"], {}).setdefault(run["size"], []).append(scale * run[column])
    return found


long = results("shapes")
runs = [len(values) for found in long.values() for values in found.values()]
print(f"seeds     {min(runs)} for every point; the bars are their standard deviation")
show_sizes(long, f"{log.about['steps']:,} steps of 64 images")

# %% fold="skip"
# Prints the differences between the models in the stored runs
mean = {name: {size: sum(v) / len(v) for size, v in found.items()} for name, found in long.items()}
spent = {name: sum(sum(v) for v in found.values()) / sum(map(len, found.values()))
         for name, found in results("shapes", "seconds", 1).items()}  # fmt: skip
print(
    "seconds of the processor per run:",
    ", ".join(f"{name} {value:.0f}" for name, value in spent.items()),
)
longer = results("longer")["ViT"]
print(
    "ViT with a quarter more steps:",
    ", ".join(f"{size:,}: {sum(v) / len(v):.1f} %" for size, v in longer.items()),
)
for size in sorted(mean["ViT"]):
    gap, left = mean["CNN"][size] - mean["ViT"][size], mean["CNN"][size] - mean["hybrid"][size]
    print(
        f"{size:>6,} images: the CNN is {gap:4.1f} points ahead of the ViT, {left:4.1f} ahead of the hybrid"
    )  # fmt: skip

# %% tags=["solution"]
assert all(mean["CNN"][size] > mean["hybrid"][size] - 0.5 > mean["ViT"][size] for size in mean["ViT"])
assert {run["epochs"] for run in log if run["size"] == 250} == {375}
assert all(abs(sum(v) / len(v) - mean["ViT"][size]) < 5 for size, v in longer.items())
assert mean["CNN"][1000] - mean["ViT"][1000] > 20 > 6 > mean["CNN"][16000] - mean["ViT"][16000]

# %% [markdown]
# - **The curves approach each other, and we saw no crossing.** With 1,000 images the inductive bias is worth dozens
#   of points, with 16,000 a few. The CNN is then near 100 %, so no model can overtake it on these shapes.
# - At equal time (a quarter more steps for the ViT) nothing changes: the ViT is limited by data, not by steps.
# - The hybrid needs far fewer images than the ViT. It differs in the embedding, and has one block less.
# - Crossings occur with very large data sets. In Dosovitskiy et al. (Figure 4) ViT-B/32 is far behind a ResNet-50
#   after 9 million images, and ahead after 90 million.
# - All three used one learning rate, and none was tuned. The results hold for this recipe.
#
# ### What if the assumption is false?
#
# We cut each image into its 16 patches and arrange them in a scrambled order, the same for all images. Neighbouring
# patches are no longer neighbours in the scene; all information is still there.

# %%
shuffle = torch.randperm(16, generator=torch.Generator().manual_seed(0))


def scrambled(images):
    patches = F.unfold(images, 8, stride=8)[:, :, shuffle]
    return F.fold(patches, (32, 32), 8, stride=8)


show_images(torch.cat([raw.images[:5], scrambled(raw.images[:5])]), columns=5)

# %% [markdown]
# For a ViT with learned positions this changes nothing: with its positions permuted in the same way it gives the
# same outputs.

# %%
torch.manual_seed(0)
one, other = vit().eval(), vit().eval()
other.load_state_dict(one.state_dict())
with torch.no_grad():
    other.positions.copy_(one.positions[shuffle])
    off = (one(shapes.images[:8]) - other(scrambled(shapes.images[:8]))).abs().max()
print(f"largest difference of logits: {off:.0e}")
assert off < 1e-4

# %% [markdown]
# For the other two the assumption has become false. With 4,000 images:

# %% fold="skip"
# Draws the accuracy on whole and on scrambled images
odd = results("scrambled")
rows = {}
for name in racers:
    rows[f"{name}, whole"], rows[f"{name}, scrambled"] = long[name][4000], odd[name][4000]
means = {name: sum(found) / len(found) for name, found in rows.items()}
errors = {name: stdev(found) if len(found) > 1 else 0.0 for name, found in rows.items()}
bars(means, errors, xlabel="test accuracy, %, 4000 images", form="{:.1f}")
lost = {name: means[f"{name}, whole"] - means[f"{name}, scrambled"] for name in racers}
print("; ".join(f"{name} loses {points:.1f} points" for name, points in lost.items()))

# %% tags=["solution"]
assert abs(lost["ViT"]) < 3

# %% [markdown]
# The ViT hardly changes, and the others lose points. Their assumption is still true *inside* a patch, and the first
# two of the CNN's convolutions have a receptive field of 7 x 7 pixels, less than a patch. The CNN is still first.
#
# **Answer.** An inductive bias is worth most when data are few, and only as far as it is true.
#
# **Try it.** Your own hybrid: the number of blocks, the width, the stem's patches (64 tokens for 4). Is the
# comparison still fair?

# %%
width, depth, patch, seed = 64, 1, 8, 0  # change me

if ready("Q19"):
    torch.manual_seed(seed)
    mine = Former(ConvStem(3, width, patch), width, depth, tokens=(32 // patch) ** 2)
    fit(
        mine,
        shapes,
        epochs=1,
        batch_size=32,
        lr=2e-3,
        weight_decay=0.05,
        schedule=warm_up_and_cosine,
        seed=seed,
        progress=False,
    )
    print(
        f"{count(mine):,} weights: {100 * evaluate(mine, shapes_test).accuracy:.1f} % after one epoch"
    )  # fmt: skip

# %% [markdown]
# > ### What could go wrong
# > - **`bmm(value, weights)`** sums over the queries. No error is raised. Test with equal values.
# > - **No scale** in a wide layer: the softmax is saturated from the start.
# > - **A sequence of length one**: attention weights of exactly 1.0. Print the shape of the weights.
# > - **`view` from (b, d, n) to (b, n, d)**: right shape, wrong content. Invisible with one channel.
# > - **A stem without activation**: one linear map with a large kernel.
# > - **g and W_z both zero**: the block stays the identity.
# > - **Batch norm in the stem and small batches**: training and `eval()` then see different tokens.
# > - **A hybrid with more weights or more time** than the models it is compared with.

# %% [markdown]
# ## 8 · Q21b: a blank page
#
# Write a hybrid layer from memory, in one class, without looking at the cells above:
# `HybridLayer(channels, inner, kernel_size=3)` with `forward(x)` from `(b, channels, h, w)` to the same shape. It
# combines the second and the third place of this lesson:
#
# - queries, keys and values are convolutions from `channels` to `inner` channels that keep the size (`kernel_size` is
#   odd);
# - attention over all positions, with scaled scores;
# - a 1 x 1 convolution back to `channels`, which starts at zero (weight and bias), and a residual connection.
#
# Name and arrange the layers as you like; one fused convolution for queries, keys and values is accepted as well. The
# check fills the kernels with random numbers, sets all biases to zero, and compares outputs and gradients.


# %% tags=["answer"] question="Q21b" kind="blank-page"
# Q21b: a hybrid layer from memory
# Write the class HybridLayer in this cell.
class HybridLayer(nn.Module):
    def __init__(self, channels, inner, kernel_size=3):
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(channels, inner, kernel_size, padding=kernel_size // 2) for _ in range(3))
        self.back = nn.Conv2d(inner, channels, 1)
        nn.init.zeros_(self.back.weight)
        nn.init.zeros_(self.back.bias)

    def forward(self, x):
        q, k, v = (conv(x).flatten(2).mT for conv in (self.q, self.k, self.v))
        weights = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
        return x + self.back((weights @ v).mT.unflatten(2, x.shape[2:]))


# %% tags=["check"] question="Q21b" points=5
check("Q21b", HybridLayer)

# %% [markdown]
# <details><summary>Hint: from a map to a sequence and back</summary>
#
# A map `(b, c, h, w)` becomes a sequence by merging rows and columns into positions. At the end, channels stand
# before positions again.
# </details>
#
# ## Stretch · Q21c: CvT's token embedding
#
# CvT (Wu et al., ICCV 2021) also uses convolutions *between* its stages: a **convolutional token embedding** replaces
# the patch embedding. Its kernel is larger than its stride, so patches overlap. Write
# `ConvTokenEmbedding(in_channels, emb_size, kernel_size=7, stride=4, padding=2)`: a convolution with a bias, the
# positions as tokens row by row, and a LayerNorm over the channels of each token. Return the tokens `(b, n,
# emb_size)` and their grid `(rows, columns)`, which the next stage needs. This question is optional.


# %% tags=["answer"] question="Q21c" kind="stretch"
# Q21c: CvT's token embedding
class ConvTokenEmbedding(nn.Module):
    """(b, in_channels, h, w) -> tokens (b, n, emb_size), (rows, columns)"""

    def __init__(self, in_channels, emb_size, kernel_size=7, stride=4, padding=2):
        super().__init__()
        # BEGIN BLANK
        self.look = nn.Conv2d(in_channels, emb_size, kernel_size, stride, padding)
        self.norm = nn.LayerNorm(emb_size)
        # END BLANK

    def forward(self, x):
        # BEGIN BLANK
        grid = self.look(x)
        return self.norm(grid.flatten(2).mT), tuple(grid.shape[2:])
        # END BLANK


# %% tags=["check"] question="Q21c" points=3
check("Q21c", ConvTokenEmbedding)

# %% [markdown]
# <details><summary>Hint: the order of LayerNorm and the axes</summary>
#
# `nn.LayerNorm(emb_size)` works along the last axis. Where are the channels of a feature map?
# </details>

# %% [markdown]
# ## 9 · In words
#
# **W10a** (2 points). A colleague replaces the patch embedding by a convolutional stem, keeps all blocks, trains with
# one seed and the old learning rate, and writes: "+2.1 points. Overlapping patches are better." Name three things
# besides the overlap that changed with the stem. Which comparisons would show that it is the overlap?

# %% [markdown] tags=["written"] question="W10a" points=2
# The stem has more weights and costs more time; it is several layers deep and has activations where the patch
# embedding is one linear map; it has norms, which change how well the old learning rate fits; and one seed says
# nothing about spread. To isolate the overlap, compare the stem with the same stem without overlap (kernels of 2 with
# stride 2, as many weights by wider channels, same norms and activations), several seeds each, learning rate tuned
# for both, and a block left out so that weights and time agree with the plain ViT.

# %% [markdown] tags=["rubric"]
# **W10a, 2 points.**
# - 1 point: three of: weights, time, depth, non-linearity, norm, fitting learning rate (⅓ each).
# - ½ point: a control in which only the overlap differs (a stem of 2 x 2 kernels with stride 2, or the like).
# - ½ point: seeds with spread, and equal weights or time.
#
# A half-right answer: "The stem has more weights and more layers, and it has batch norm. I would repeat it with five
# seeds and fewer channels, so that the weights are equal." Three differences (1), no control in which only the overlap
# differs (0), seeds and equal weights (½): 1½ points.

# %% [markdown]
# **W10b** (2 points). The SUTD lecture reports 97.04 % on MNIST for the network of section 4, in which the image
# enters as one vector of 784 numbers. What are its attention weights, and why? Which of its layers never learn, and
# which network remains? A reader objects: "But 97 % proves that attention works." Answer in two sentences, and say
# which tokens you would use instead.

# %% [markdown] tags=["written"] question="W10b" points=2
# The sequence has length one, so each softmax runs over a single score: its result is exactly 1, whatever the score
# is. Each attention layer's output is that of its value layer. Since a constant has gradient zero, the query and key
# layers never learn. What remains is a multilayer perceptron with two hidden layers of 128 and 64 units (784-128,
# 128-64, 64-10 with the two value layers as additional linear maps). The figure shows that such an MLP reaches 97 %;
# the same network without the attention gives the same answers seed by seed, so attention can't be the reason.
# Tokens: the 28 rows, or patches of 7 x 7 or 4 x 4, with positions added, so that there is something to choose from.

# %% [markdown] tags=["rubric"]
# **W10b, 2 points.**
# - ½ point: weights are exactly 1, because the softmax is over one element.
# - ½ point: query and key learn nothing (gradient zero).
# - ½ point: the figure is that of the layers that are left (an MLP with two hidden layers); the network without
#   attention is the control.
# - ½ point: rows or patches as tokens (positions mentioned or not).
#
# A half-right answer: "All weights are 1, because there is only one token. So the attention does nothing, and I would
# use patches." Weights with the reason (½), nothing about query and key (0) or about the network that remains (0),
# patches (½): 1 point.

# %% [markdown]
# ## 10 · Summary
#
# | | |
# |---|---|
# | convolutional stem | log₂ p stages of 3 x 3, stride 2, norm, activation; a last 1 x 1; costs about a block |
# | convolutional attention | q, k, v from neighbourhoods; out_i = Σ_j w_ij v_j |
# | test for any attention | give all positions the same value: it must come back |
# | length one | softmax of one number is 1: attention has no effect |
# | non-local block | softmax(θ·φ) g; W_z starts at zero, so a new block is the identity |
# | local attention | a mask; n (2r + 1)² pairs |
# | inductive bias | worth most when data are few, and only if it is true |
#
# **Further reading**
# - Xiao et al., *Early Convolutions Help Transformers See Better*, NeurIPS 2021. Figure 1: your Q19, and the block
#   that pays for it; Figures 3 to 5: faster, and less sensitive to optimizer and learning rate.
# - Wang et al., *Non-local Neural Networks*, CVPR 2018. Figure 2 is your Q21; Table 2 shows that the kind of
#   similarity hardly matters.
# - Wu et al., *CvT: Introducing Convolutions to Vision Transformers*, ICCV 2021. Figure 3: queries, keys and values
#   by convolution.
# - Buades, Coll and Morel, *A Non-Local Algorithm for Image Denoising*, CVPR 2005. Figure 1: which pixels contribute.
# - Ramachandran et al., *Stand-Alone Self-Attention in Vision Models*, NeurIPS 2019: attention in a neighbourhood
#   instead of every convolution; and how large it has to be.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figures 3 and 4: accuracy against pre-training
#   data, with the crossing; Figure 5 has the hybrids.
# - Dai et al., *CoAtNet: Marrying Convolution and Attention for All Data Sizes*, NeurIPS 2021. Figure 1:
#   generalisation against capacity.
# - Cordonnier, Loukas and Jaggi, *On the Relationship between Self-Attention and Convolutional Layers*, ICLR 2020.
#   Theorem 1: attention with relative (quadratic) position encodings can express a convolution.
#
# Next: **11 · Beyond classification**.
