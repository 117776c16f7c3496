# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 10 · Hybrids: convolution meets attention {{badge}}
#
# **In one sentence:** you will join convolution and attention in three places, put right two mistakes that travel
# through lectures, and measure what a convolution's prejudice is worth as data grow.
#
# | | |
# |---|---|
# | **You need** | convolutions (`stride`, `padding`), attention (lesson 05), the encoder block (06) |
# | **Time** | 75 minutes |
# | **You write** | Q19 a stem, Q20 attention made of convolutions, Q21 the non-local block; W10a, W10b in words |
#
# **Afterwards you can**
# - replace a ViT's patch embedding by a stem, and show what its tokens see;
# - write attention over a feature map, and tell by one sum whether the indices are right;
# - recognise attention that does nothing;
# - put a new block into a trained network without changing its answers;
# - compare models fairly: as many weights, as much time, more than one seed.
#
# {{questions}}
#
# {{names: lectures L0 and L3}}
# `ConvAttentionLayer` | the same | – | –
# `query_conv`, `key_conv`, `value_conv` | the same | – | $\theta$, $\phi$, $g$ in the non-local block
# convolutional stem | `ConvStem` | `HybridEmbed` | convolutional stem
# {{end}}

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

from helpers import check, ready
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

torch.set_num_threads(1)  # what is trained here is small: more threads only wait for each other
where = device()

# %% tags=["setup"]
TransformerEncoderBlock = built("TransformerEncoderBlock")

# %% [markdown]
# Letters: `b` batch, `c h w` a feature map, `n = h·w` its places in a row, `d` width; `i` is the place that asks, `j`
# the place that is asked.

# %% [markdown]
# ## 1 · Two ways to look
#
# | | convolution | attention |
# |---|---|---|
# | looks at | its neighbours | everybody |
# | weights are | learned, then fixed | made anew for each image |
# | knows from birth | near belongs together; the same everywhere | nothing |
# | learns with | few images | many images |
#
# A *hybrid* wants both columns. There are three places to join them, and you will build each:

# %%
show_meetings()

# %% [markdown]
# ## 2 · Q19: a stem before the blocks
#
# A ViT begins with one convolution as wide as its step: 8 x 8 pixels, step 8. No patch sees over its border, and the
# map is linear. Xiao et al. (2021) replaced that line by what CNNs begin with, and took one block out to pay for it.
#
# The recipe: each *stage* is a 3 x 3 convolution of step 2, a norm, an activation. It halves the map. When one token
# per patch is left, a bare 1 x 1 convolution mixes the channels.
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
# Widths, norm (batch, layer, group) and activation are yours to choose; the check looks at what your tokens look at.
#
# <details><summary>Hint: the sizes are off by one</summary>
#
# A kernel of 3 at step 1 needs a margin of 1 to keep the size. With step 2 the same margin halves it.
# </details>
# <details><summary>Hint: how many stages?</summary>
#
# 8 → 4 → 2 → 1. It is the number that `math` calls the logarithm to base 2, as a whole number.
# </details>
# <details><summary>Hint: the shape is right and the picture is wrong</summary>
#
# `view` doesn't move axes. Name the four axes of the grid, and write with einops which two melt together and which
# comes last.
# </details>

# %% [markdown]
# ### What a token sees
#
# Which pixels does token 5 hang on? Ask the gradient. Left lesson 03's patches, right your stem, both untrained:


# %%
class Patchify(nn.Module):
    """Lesson 03's embedding: (b, c, h, w) -> (b, n, d)."""

    def __init__(self, in_channels=3, emb_size=64, patch_size=8):
        super().__init__()
        self.cut = nn.Conv2d(in_channels, emb_size, patch_size, stride=patch_size)

    def forward(self, images):
        return self.cut(images).flatten(2).mT


def sight(model, token, size=32, c=3):
    """(h, w): how steeply one token rises with each pixel, averaged over a few directions."""
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
            f"{name:<13} {int((pixels > 0).sum()):>4} pixels; {100 * inside:.0f} % of the weight in the own patch"
        )  # fmt: skip

# %% tags=["solution"]
assert int((seen["your stem"] > 0).sum()) == 15 * 15

# %% [markdown]
# Three stages of 3 x 3 see 15 x 15 pixels: 1 + 2·(1 + 2 + 4). Neighbouring tokens overlap, so an edge on the border
# of two patches is one edge, and no longer two halves.
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
# Count weights, and multiplications per image of 32 x 32, for both entrances and for one encoder block on 16 tokens:


# %%
def count(module):
    return sum(p.numel() for p in module.parameters())


def work(module, x):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(x)
    return counter.get_total_flops() // 2


if ready("Q19"):
    image, tokens = torch.randn(1, 3, 32, 32), torch.randn(1, 16, 64)
    block = TransformerEncoderBlock(64, 2, 2)
    for name, part, x in (("patches", Patchify(), image), ("stem", ConvStem(), image), ("block", block, tokens)):
        print(f"{name:<8} {count(part):>6,} weights {work(part.eval(), x):>9,} multiplications")

# %% [markdown]
# That is the bargain: the stem costs about what a block costs, so leave a block out. (Counted in multiplications the
# stem is the dearer one: it works on large maps. We will go by the clock.)

# %% [markdown]
# ## 3 · Q20: convolutions inside attention
#
# Second place: in an attention layer over a feature map, let each place ask not for itself alone but for its
# neighbourhood. Queries, keys and values come from 3 x 3 convolutions (lecture L0; CvT, Wu et al. 2021):
#
# $$\text{out}_i = \sum_j w_{ij}\, v_j \qquad w_{ij} = \text{softmax}_j\left(\frac{q_i \cdot k_j}{\sqrt d}\right)$$
#
# `i` and `j` are places, and `d` is `out_channels`. Nothing else learns, and the layer adds no shortcut.
#
# Five blanks, half a line each: the margin that keeps the size for any odd kernel; energies (b i j), scaled; weights;
# the mixture (b d i); and back to a map.


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
# In `w_ij` somebody asks and somebody is asked. The softmax goes over the places *asked*, and so does the sum. If one
# goes over i and the other over j, no place gets a fair average.
# </details>
# <details><summary>Hint: right with one channel, wrong with more</summary>
#
# Either the scale, or a `view` where an axis had to move: with one channel both go unnoticed.
# </details>

# %% [markdown]
# With a kernel of 1 there is no neighbourhood, and yours must be lesson 05's attention over pixels:

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
# ### Untrained, and already useful
#
# Give your layer kernels by hand: queries and keys read the whole 3 x 3 neighbourhood, values the pixel in its
# middle. Then a pixel collects from pixels that lie in *similar surroundings*, wherever in the image. That is
# *non-local means* (Buades et al. 2005), long a standard way to take noise out of a photograph.
#
# Two more channels, a one and |x|², turn the product into a distance: $-\tfrac12|p_i - p_j|^2 = p_i \cdot p_j -
# \tfrac12|p_j|^2 - \dots$, and what depends on i alone a softmax ignores.


# %%
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


# %%
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
# One pixel alone can't tell noise from colour; nine together can. This is what a convolution does for attention: it
# makes the *question* a better one.
#
# ### A mistake that travels: whose sum is it?
#
# Lecture L0 ends its attention layer with `torch.bmm(value, attention_weights)`, where value is (b, d, n) and the
# weights are (b, n, n). It runs. Which places does it sum over?


# %%
def lecture(query, key, value):  # b d n each, as on L0's slide
    attention_weights = torch.softmax(torch.bmm(query.mT, key), dim=-1)
    return torch.bmm(value, attention_weights)


def weights_of(query, key):
    """The same weights, (n, n) of the first image: row i is what place i takes."""
    return torch.softmax(torch.bmm(query.mT, key), dim=-1)[0]


# %% [markdown]
# `bmm(value, weights)` is $\sum_i v_i w_{ij}$: down the *columns*. Rows of a softmax add up to one. Columns? Take the
# weights of the denoiser, on the same noisy image:

# %%
patches = F.unfold(noisy[None], 3, padding=1)  # 1 d n: the 3 x 3 neighbourhoods
near = -(torch.cdist(patches.mT, patches.mT) ** 2) / (2 * 9 * NOISE**2)
w = near.softmax(-1)[0]  # n n
rows, columns = w.sum(1), w.sum(0)
for name, sums in (("row", rows), ("column", columns)):
    print(f"{name:<6} sums from {sums.min():.3f} to {sums.max():.3f}")
show_received(
    rows.view(32, 32),
    columns.view(32, 32),
    "Row sums are one everywhere; column sums differ by place.",
)
assert (rows - 1).abs().max() < 1e-5
assert columns.max() > 1.5 > 0.9 > columns.min()

# %% [markdown]
# So the lecture's output at place j is the values of all who wanted something *from* j, weighted by how much. Popular
# places are overfed, unpopular ones starve. In a picture, with the colours as values:

# %%
colours = noisy.flatten(1)  # 3 n
made = {"right": colours @ w.T, "L0": colours @ w}
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
# The cure is one transpose, and one test finds it: give all places the same value. Every fair average is that value.

# %%
torch.manual_seed(0)
query, key = torch.randn(2, 1, 16, 64)  # twice 1 d n
ones = torch.ones(1, 1, 64)
unfair = lecture(query, key, ones)
print(f"L0, all values 1: outputs from {unfair.min():.3f} to {unfair.max():.2f}")
if ready("Q20"):
    torch.manual_seed(0)
    layer, x = ConvAttentionLayer(2, 16), torch.randn(1, 2, 8, 8)
    drawn = {role: torch.randn(16, 2, 3, 3).numpy() for role in ("query", "key")}
    value = torch.zeros(16, 2, 3, 3)
    value[:, 1, 1, 1] = 1  # reads channel 1, where every place says one
    x[:, 1] = 1
    place_kernels(layer, drawn | {"value": value.numpy()}, ATTENTION)
    out = layer(x)
    print(f"yours          : outputs from {out.min():.3f} to {out.max():.3f}")
assert unfair.min() < 0.2 < 3 < unfair.max()

# %% [markdown]
# And the second fault of the same slide, no scale. How even are the weights, from 0 (all on one place) to 1 (all
# alike)?


# %%
def evenness(w):
    return (torch.special.entr(w).sum(-1).mean() / math.log(w.shape[-1])).item()


widths, even = [4, 16, 64, 256], {"with 1/√d": [], "L0, without": []}
for d in widths:
    torch.manual_seed(0)
    query, key = torch.randn(2, 1, d, 64)
    even["with 1/√d"].append(evenness(weights_of(query / math.sqrt(d), key)))
    even["L0, without"].append(evenness(weights_of(query, key)))
curves(widths, even, xlabel="channels d", ylabel="evenness", logx=True, height=2.2)
assert even["L0, without"][-1] < 0.1 < 0.7 < even["with 1/√d"][-1]

# %% [markdown]
# Without a scale, wide layers are born with all their weight on one place, and a softmax at its end has no slope.
#
# And a surprise: take the mean over all places, as many nets do before their last layer. Each value of L0's has been
# given away with weights that add up to one, so the mean is the mean of the values. Attention has cancelled out:

# %%
torch.manual_seed(0)
query, key, value = torch.randn(3, 1, 16, 64)  # three times 1 d n
off = (lecture(query, key, value).mean(-1) - value.mean(-1)).abs().max()
right = F.scaled_dot_product_attention(query.mT, key.mT, value.mT).mT.mean(-1)
moved = (right - value.mean(-1)).abs().max()
print(f"how far the mean over places is from that of the values: L0 {off:.0e}, right {moved:.2f}")
assert off < 1e-6

# %% [markdown]
# Does it hurt? A small net on real digits: a convolution, an attention, a Linear. With your layer, with L0's, and
# with L0's given a scale:


# %%
digits, unseen = (
    replace(s, images=(s.images - 0.3) / 0.4) for s in (load("digits"), load("digits", "test"))
)  # fmt: skip


class LectureLayer(nn.Module):
    """L0's layer, with its sum; `scale` shrinks the queries."""

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
        "L0, scaled": lambda: LectureLayer(16, 0.25),
        "L0": lambda: LectureLayer(16),
    }
    how, scores = {"epochs": 6, "lr": 8e-3}, {}
    for name, layer in kinds.items():
        scores[name] = accuracies(lambda layer=layer: OnMaps(layer(), 16), digits, unseen, **how)
        print(f"{name:<11} {listed(scores[name])}")

# %% tags=["solution"]
assert min(scores["yours"]) > max(scores["L0"]) + 5
assert abs(scores["L0"].mean() - scores["L0, scaled"].mean()) < 8

# %% [markdown]
# The sum costs many points. The missing scale costs nothing here: 16 channels are few, look at the curve above. Of
# two faults on one slide, one mattered for this net, and you can't tell which by reading.

# %% [markdown]
# ## 4 · A mistake that travels: attention with nobody to attend to
#
# Lecture L0 puts a `SelfAttentionLayer` onto MNIST: the image becomes *one* vector of 784 numbers, and the layer sees
# a sequence of length one. The lecture reports 97.04 %. What did attention do for it?


# %%
class SelfAttentionLayer(nn.Module):
    """(b, n, into) -> (b, n, out), single-headed and scaled; it keeps its weights to look at."""

    def __init__(self, into, out):
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(into, out) for _ in range(3))

    def forward(self, x):
        energies = self.query(x) @ self.key(x).mT / math.sqrt(self.query.out_features)
        self.seen = torch.softmax(energies, -1)
        return self.seen @ self.value(x)


# %%
torch.manual_seed(0)
layer, flat = SelfAttentionLayer(64, 64), digits.images[:256].flatten(1)[:, None]  # b 1 64
out = layer(flat)
print(
    f"shape of the weights {tuple(layer.seen.shape)}, smallest {layer.seen.min()}, largest {layer.seen.max()}"
)  # fmt: skip
print(f"difference from the value layer alone: {(out - layer.value(flat)).abs().max():.1f}")
assert bool((layer.seen == 1).all())
assert torch.equal(out, layer.value(flat))

# %% [markdown]
# Every weight is exactly 1.0: a softmax over one number has no choice. The layer *is* its value layer, one Linear.
# And query and key?

# %%
out.square().sum().backward()
slopes = {name: part.weight.grad.abs().max().item() for name, part in layer.named_children()}
print("steepest gradient:", ", ".join(f"{name} {value:.3g}" for name, value in slopes.items()))
idle = count(layer.query) + count(layer.key)
print(f"{idle:,} of {count(layer):,} weights never learn anything")
assert slopes["query"] == slopes["key"] == 0 < slopes["value"]

# %% [markdown]
# Now train it, on digits (or on MNIST, by the switch), and beside it the same net without attention, started from the
# same weights:

# %%
DATASET = "digits"  # change me: "mnist" (60,000 images; patience, or a GPU)

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


class FlatNet(nn.Module):
    """L0's net: all pixels as one token, attention (or only its value layer), a ReLU, a Linear."""

    def __init__(self, attend, d=64):
        super().__init__()
        self.attend = attend
        self.layer = SelfAttentionLayer(SIDE * SIDE, d)
        self.head = nn.Linear(d, 10)

    def forward(self, images):
        x = images.flatten(1)[:, None]  # b 1 h·w
        x = self.layer(x) if self.attend else self.layer.value(x)
        return self.head(torch.relu(x[:, 0]))


# %%
how = {"epochs": 8, "lr": 5e-3}
scores = {
    "one token, with attention": accuracies(lambda: FlatNet(True), train, test, **how),
    "one token, without": accuracies(lambda: FlatNet(False), train, test, **how),
}
for name, found in scores.items():
    print(f"{name:<27} {listed(found)}")
assert torch.equal(*scores.values()) or where.type != "cpu"

# %% [markdown]
# The same, seed by seed, to the last image. So the lecture's 97.04 % is the figure of an MLP with one hidden layer.
# (A good one, by the way.)
#
# ### Put right: tokens
#
# For attention to have a choice, there must be several tokens. Rows of the image, or patches; each with a learned
# position, or order would be lost, and with lesson 06's shortcut, or all tokens would soon say the same:


# %%
class TokenNet(nn.Module):
    """Tokens, positions, the same attention layer (or only its value layer) and a shortcut, a ReLU, a Linear."""

    def __init__(self, cut, attend, d=16):
        super().__init__()
        self.cut, self.attend = cut, attend
        n, width = cut(torch.zeros(1, 1, SIDE, SIDE)).shape[1:]
        self.embed, self.positions = nn.Linear(width, d), nn.Parameter(0.5 * torch.randn(n, d))
        self.layer = SelfAttentionLayer(d, d)
        self.head = nn.Linear(n * d, 10)

    def forward(self, images):
        x = torch.relu(self.embed(self.cut(images)) + self.positions)
        x = x + (self.layer(x) if self.attend else self.layer.value(x))
        return self.head(torch.relu(x).flatten(1))


def rows_of(images):
    return images.flatten(1, 2)  # b h w: a token per row


def patches_of(images):
    return F.unfold(images, SIDE // 4, stride=SIDE // 4).mT  # b 16 p·p


# %%
for name, cut in (("rows", rows_of), ("patches", patches_of)):
    scores[name] = accuracies(lambda cut=cut: TokenNet(cut, True), train, test, **how)
    scores[f"{name}, without"] = accuracies(lambda cut=cut: TokenNet(cut, False), train, test, **how)
means = {name: found.mean().item() for name, found in scores.items()}
errors = {name: found.std().item() for name, found in scores.items()}
bars(means, errors, xlabel="test accuracy, %", form="{:.1f}")

# %%
torch.manual_seed(0)
net = TokenNet(patches_of, True)
fit(net, train, progress=False, seed=0, **how)
with torch.no_grad():
    net.eval()(test.images[:1].to(where))
seen = net.layer.seen[0].cpu()
compare([("the digit", test.images[0]), ("who looks at whom: 16 patches", seen)], shared=False)
print(f"weights from {seen.min():.3f} to {seen.max():.2f}; by chance each would be {1 / 16:.3f}")
assert seen.max() > 0.1

# %% [markdown]
# Now weights differ: attention works. Does it *pay*? Look at the bars in pairs, and at their spread. On pictures of 8
# x 8 pixels it doesn't, beyond chance: a Linear over all positions sees everything anyway. A fair answer needs the
# row "without", whatever the layer is called.
#
# How you would have noticed: print the *shape* of the weights. (b, 1, 1) says it all.

# %% [markdown]
# ## 5 · Q21: a non-local block between
#
# Third place: inside a CNN, between two of its stages. Wang et al. (2018) wanted far places to hear of each other
# without stacking dozens of convolutions:
#
# $$y_i = \sum_j \text{softmax}_j\left(\theta_i \cdot \phi_j\right) g_j \qquad z_i = x_i + W_z\, y_i$$
#
# θ, φ, g are 1 x 1 convolutions to `inner` channels, and W_z leads back. No scale here; it is the paper's formula.
#
# The clever part: **W_z starts at zero**, weight and bias. A new block then changes nothing, and may be put into a
# network that has already learned.
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
# What does your block return when W_z says zero? The formula has a last `x` for that. And a convolution has two
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
# A small CNN, trained on shapes for a moment. Then your block goes in behind its second stage:

# %%
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
        nn.init.normal_(parameter, std=0.3)  # what if W_z had begun anywhere else?
    some = shapes_test.images[:64].to(where)
    with torch.no_grad():
        print(f"largest change of a logit: {(joined(some) - plain(some)).abs().max():.1f}")
    for name, model in (("your block", joined), ("drawn weights", spoiled)):
        print(f"{name:<14} {100 * evaluate(model, shapes_test).accuracy:.1f} %")

# %% [markdown]
# ### What it opens
#
# One place in the middle of the map behind the block: on which pixels of the image does it hang? Before, and after
# one more epoch with the block:


# %%
class Tokens(nn.Module):
    """The first layers of a CNN, their map as tokens."""

    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x).flatten(2).mT


# %%
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
            f"{name:<8} it hangs on {int((pixels > 0).sum()):>4} of 1024 pixels; {far:.0f} % lie beyond the 7 x 7"
        )  # fmt: skip
    print(f"accuracy {100 * before:.1f} % before, {100 * after:.1f} % after another epoch")

# %% [markdown]
# From 7 x 7 pixels to all of them, in one layer; faintly so far, for the block has only begun to speak. (That the
# accuracy rose is no proof for the block: the plain CNN would have had another epoch as well. To compare, both need
# the same training, and seeds. That is section 7.)

# %% [markdown]
# ## 6 · Aside: attention that stays near
#
# Between "neighbours" and "everybody" there is a dial (lecture L3's second idea; Ramachandran et al. 2019): each
# place attends to a square of radius r around itself, and the rest is masked.


# %%
def neighbours(side, radius):
    """(n, n) bools: may place i look at place j? n = side²"""
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side)).float()  # n 2
    far = torch.cdist(places, places, p=math.inf)  # the larger of the steps down and across
    return far <= radius


def dial(radius=1, side=8):
    mask = neighbours(side, radius).float()
    pairs = f"all places: {int(mask.sum()):,} of {side**4:,} pairs"
    compare([("what one place sees", mask[2 * side + 1].view(side, side)), (pairs, mask)])


explore(dial, radius=[0, 1, 2, 4])
assert neighbours(8, 0).equal(torch.eye(64).bool())
assert bool(neighbours(8, 7).all())

# %% [markdown]
# Stripes beside the diagonal are the rows above and below. Radius 0 is a 1 x 1 convolution, radius 7 is full
# attention. In between it looks as far as a convolution does, but chooses by content. Swin's windows (lesson 09) have
# walls; here each place stands in the middle of its own.
#
# The work grows with n (2r + 1)², a straight line in n:

# %%
for side in (8, 14, 56):
    print(
        f"{side:>2} x {side:<2} places, radius 3: at most {side**2 * 49:>9,} pairs instead of {side**4:>9,}"
    )  # fmt: skip
assert (56**2 * 49, 56**4) == (153_664, 9_834_496)

# %% [markdown]
# ## 7 · What prejudice is worth
#
# A convolution is prejudiced: near things belong together, and a shape is the same shape elsewhere. The technical
# word is *inductive bias*. True prejudices save data. So a CNN should win with few images; with many, a model that is
# free to learn something better should catch up, and perhaps pass. Where do the lines cross?
#
# For a fair race, three models with as many weights and steps that take as long. ViT and hybrid share everything but
# the entrance; the hybrid has a block less.


# %%
class Former(nn.Module):
    """Tokens, positions, encoder blocks, the mean of the tokens, a Linear."""

    def __init__(self, entrance, d, depth, tokens=16):
        super().__init__()
        self.entrance = entrance
        self.positions = nn.Parameter(0.02 * torch.randn(tokens, d))
        self.blocks = nn.Sequential(*[TransformerEncoderBlock(d, 2, 2) for _ in range(depth)])
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, 10)

    def forward(self, images):
        return self.head(self.norm(self.blocks(self.entrance(images) + self.positions)).mean(1))


def vit():
    return Former(Patchify(3, 56, 8), 56, depth=2)


def hybrid():
    return Former(ConvStem(3, 64, 8), 64, depth=1)


# %%
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
# As many weights, to within 3 %. The ViT's steps are shorter (by how much depends on the machine: compare the long race
# below), so it gets a quarter more of them.
#
# ### A short race, live
#
# Everybody gets the same time, with few images seen often, or with more seen less often. Three seeds. On a GPU the
# switch makes it a long race.


# %%
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
    """That many shapes, as many as one likes: they are drawn here."""
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
# With few images nobody gets far, and the spreads touch. With more of them the lines part, in the order of their
# prejudice.

# %% [markdown]
# ### The long race, measured once
#
# The same models from torch's own parts, more steps, up to 16,000 images, 2000 others for the test. Which command
# made it, and on what:

# %%
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

# %%
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
# Read it honestly:
#
# - **the lines come together, and we saw no crossing.** At 1000 images the prejudice is worth dozens of points, at
#   16,000 a few. The CNN stands at the ceiling by then: on these shapes there is nothing better to learn, so nobody can
#   pass it;
# - at equal time (a quarter more steps for the ViT) nothing changes: steps are not what it is short of;
# - the hybrid needs far fewer images than the ViT. It differs in the entrance, and has a block less;
# - crossings are seen where data are huge. In Dosovitskiy et al. (Figure 4) ViT-B/32 is far behind a ResNet-50 after
#   9 million images, and ahead after 90 million. Don't expect one on a laptop, and don't believe a talk that shows
#   one without seeds;
# - all three got one learning rate, none was tuned, and 250 images are seen 375 times: results about this recipe.
#
# ### And if the prejudice is false?
#
# Cut each image into its 16 patches and lay them out in one scrambled order, the same for all images. Neighbours are
# no neighbours any more; all information is still there.

# %%
shuffle = torch.randperm(16, generator=torch.Generator().manual_seed(0))


def scrambled(images):
    patches = F.unfold(images, 8, stride=8)[:, :, shuffle]
    return F.fold(patches, (32, 32), 8, stride=8)


show_images(torch.cat([raw.images[:5], scrambled(raw.images[:5])]), columns=5)

# %% [markdown]
# A ViT with learned positions can't even notice. Move its positions along, and it gives the same answers:

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
# For the others the world has changed. With 4000 images:

# %%
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
# The ViT hardly moves, and the others lose points: their prejudice has become partly false. Only partly, for *inside*
# a patch neighbours are still neighbours, and the first two of the CNN's convolutions see 7 x 7 pixels (section 5),
# less than a patch. It is still first.
#
# **Try it.** Your own hybrid: the number of blocks, the width, the stem's patches (64 tokens for 4). Is it still a
# fair race?

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
# > - **`bmm(value, weights)`**: sums over those who ask. Nothing raises. Test with equal values.
# > - **No scale** in a wide layer: born with all weight on one place.
# > - **A sequence of length one**: attention weights of exactly 1.0. Print the shape of the weights.
# > - **`view` from (b, d, n) to (b, n, d)**: right shape, wound-up contents. Unseen with one channel.
# > - **A stem without activation**: one linear map with a large kernel.
# > - **g and W_z both zero**: the block is the identity for ever.
# > - **Batch norm in the stem and small batches**: training and `eval()` then see different tokens.
# > - **A hybrid that has more weights, or more time**, and wins. Of course it does.

# %% [markdown]
# ## 8 · In words
#
# **W10a** (2 points). A friend replaces the patch embedding by a convolutional stem, keeps all blocks, trains with
# one seed and the old learning rate, and writes: "+2.1 points. Overlapping patches are better." Name three things
# besides the overlap that changed with the stem. Which comparisons would show that it is the overlap?

# %% [markdown] tags=["written"] question="W10a" points=2
# The stem has more weights and costs more time; it is several layers deep and bends (activations) where the patch
# embedding is one linear map; it has norms, which change how well the old learning rate fits; and one seed says
# nothing about spread. To isolate the overlap, compare the stem with the same stem without overlap (kernels of 2 at
# step 2, as many weights by wider channels, same norms and activations), several seeds each, learning rate tuned for
# both, and a block left out so that weights and time agree with the plain ViT.

# %% [markdown] tags=["rubric"]
# **W10a, 2 points.**
# - 1 point: three of: weights, time, depth, non-linearity, norm, fitting learning rate (⅓ each).
# - ½ point: a control in which only the overlap differs (a stem of 2 x 2 kernels with step 2, or the like).
# - ½ point: seeds with spread, and equal weights or time.

# %% [markdown]
# **W10b** (2 points). Lecture L0 reports 97.04 % on MNIST for a network with a self-attention layer that gets the
# image as one vector of 784 numbers. What are its attention weights, and why? Which of its layers never learn? A
# reader objects: "But 97 % proves that attention works." Answer in two sentences, and say which tokens you would give
# it instead.

# %% [markdown] tags=["written"] question="W10b" points=2
# The sequence has length one, so the softmax goes over a single energy: its result is exactly 1, whatever the energy
# is. The output is the value layer's, and as a constant has slope zero, query and key never get a gradient. The
# figure shows that an MLP of that size reaches 97 %; the same network without the attention gives the same answers
# seed by seed, so attention can't be the reason. Tokens: the 28 rows, or patches of 7 x 7 or 4 x 4, with positions
# added, so that there is something to choose from.

# %% [markdown] tags=["rubric"]
# **W10b, 2 points.**
# - ½ point: weights are exactly 1, because the softmax is over one element.
# - ½ point: query and key learn nothing (gradient zero).
# - ½ point: the figure is that of the layers that are left (an MLP); the net without attention is the control.
# - ½ point: rows or patches as tokens (positions mentioned or not).

# %% [markdown]
# ## 9 · What you take along
#
# | | |
# |---|---|
# | stem | log₂ p stages of 3 x 3, step 2, norm, bend; a bare 1 x 1; costs about a block |
# | convolutional attention | q, k, v from neighbourhoods: a better question; out_i = Σ_j w_ij v_j |
# | test for any attention | give all places the same value: it must come back |
# | length one | softmax of one number is 1: no attention at all |
# | non-local block | softmax(θ·φ) g, W_z starts at zero: the identity, until it has something to say |
# | local attention | a mask; n (2r + 1)² pairs |
# | inductive bias | worth most when data are few, and only if it is true |
#
# **Further reading**
# - Xiao et al., *Early Convolutions Help Transformers See Better*, NeurIPS 2021. Figure 1: your Q19, and the block
#   that pays for it; Figures 3 to 5: faster, and less particular about optimizer and learning rate.
# - Wang et al., *Non-local Neural Networks*, CVPR 2018. Figure 2 is your Q21; Table 2 shows that the kind of
#   similarity hardly matters.
# - Wu et al., *CvT: Introducing Convolutions to Vision Transformers*, ICCV 2021. Figure 3: queries, keys and values
#   by convolution.
# - Buades, Coll and Morel, *A Non-Local Algorithm for Image Denoising*, CVPR 2005. Figure 1: which pixels may vote.
# - Ramachandran et al., *Stand-Alone Self-Attention in Vision Models*, NeurIPS 2019: attention in a neighbourhood
#   instead of every convolution; and how large it has to be.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figures 3 and 4: accuracy against pre-training
#   data, with the crossing; Figure 5 has the hybrids.
# - Dai et al., *CoAtNet: Marrying Convolution and Attention for All Data Sizes*, NeurIPS 2021. Figure 1: who
#   generalises and who has capacity.
# - Cordonnier, Loukas and Jaggi, *On the Relationship between Self-Attention and Convolutional Layers*, ICLR 2020.
#   Theorem 1: attention can be a convolution, if it wants to.
#
# Next: **11 · Beyond classification**.
