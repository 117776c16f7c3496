# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 11 · Beyond classification {{badge}}
#
# **In one sentence:** three other lives of the block you know: one that mixes tokens without attention, one that finds
# things and draws boxes round them, and one that paints digits out of noise; you write the heart of each.
#
# | | |
# |---|---|
# | **You need** | attention and the encoder block (lessons 05, 06), a training loop (07) |
# | **Time** | 75 minutes |
# | **You write** | Q22 a Mixer block, Q23a how well boxes fit, Q23b who answers for whom, Q24 DiT's block; W11a, W11b |
#
# **Afterwards you can**
# - say what attention does that a fixed mixing matrix does not, and measure it;
# - compare a *set* of predictions with a set of truths, and train on the result;
# - tell a transformer something (a time, a class) at every layer, without waking it with a start;
# - recognise the same block in captioning, video and handwriting.
#
# {{questions}}
#
# {{names: lecture L3}}
# token mixing, channel mixing | `mix_tokens`, `mix_channels` | `mlp_tokens`, `mlp_channels` | token and channel MLP
# bipartite matching | `match` | – | $\hat\sigma$
# adaptive layer norm | `modulation` | – | adaLN-Zero
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from scipy.optimize import linear_sum_assignment
from torch import nn

from helpers import check, ready
from helpers.built import built
from helpers.data import load
from helpers.data.scenes import draw_scenes
from helpers.device import device
from helpers.explore import explore
from helpers.pictures.beyond_classification import (
    overlap_figure,
    scene_figure,
    show_adaln,
    show_captioning,
    show_handwriting,
    show_matching,
    show_mixing,
    show_territories,
    show_tubelets,
    strip_figure,
)
from helpers.plots import bars, compare, curves, show
from helpers.torchvision_ops import load_torchvision
from helpers.training import evaluate, fit

torch.set_num_threads(1)  # what is trained here is small: more threads only wait for each other
where = device()

# %% tags=["setup"]
MultiHeadAttention, FeedForwardBlock, TransformerEncoderBlock = built(
    "MultiHeadAttention", "FeedForwardBlock", "TransformerEncoderBlock"
)

# %% [markdown]
# Letters as always: `b` batch, `n` tokens, `d` width; new: `q` queries and `t` targets.
#
# Everything below is trained on the spot, in seconds, and is small for that. With a GPU and some minutes, turn the
# switch:

# %%
LARGE = False  # change me: more images, wider models, longer training

small = {
    "mixer epochs": 7,
    "scenes": 2500,
    "queries": 3,
    "width": 64,
    "detr steps": 250,
    "dit steps": 304,
    "dit": (48, 3),
}
large = {
    "mixer epochs": 40,
    "scenes": 20_000,
    "queries": 4,
    "width": 128,
    "detr steps": 6000,
    "dit steps": 6000,
    "dit": (128, 6),
}
size = large if LARGE else small


# %%
def count(module):
    return sum(p.numel() for p in module.parameters())


def warm_up_and_cosine(step, total):
    warm = 0.1 * total
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (total - warm))


# %% [markdown]
# ## 1 · Is it the attention?
#
# An encoder block does two things in turn. Attention moves news *between tokens*; the feed-forward works *inside* each
# token. In 2021 Tolstikhin and others asked what happens if the first job, too, is done by a plain MLP: one with
# learned, fixed weights, that never looks at what the tokens say. They called it **MLP-Mixer**.

# %%
show_mixing()

# %% [markdown]
# Both halves are built like those of lesson 06: a norm, an MLP, a plus. Only the direction differs. Here is the MLP:


# %% tags=["setup"]
def mlp(width, hidden):
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


# %% [markdown]
# ### Q22
#
# Write the block. First the token half: norm (over channels, as always), mix each column of the table, add. Then the
# channel half, on the result.
#
# Four blanks, half a line each: the two MLPs, with hidden widths `token_dim` and `channel_dim`; the two sums.


# %% tags=["answer"] question="Q22"
# Q22: the Mixer block
class MixerBlock(nn.Module):
    """(b, num_tokens, emb_size) -> the same"""

    def __init__(self, num_tokens, emb_size, token_dim, channel_dim):
        super().__init__()
        self.norm_tokens, self.norm_channels = nn.LayerNorm(emb_size), nn.LayerNorm(emb_size)
        self.mix_tokens = mlp(num_tokens, token_dim)  # BLANK
        self.mix_channels = mlp(emb_size, channel_dim)  # BLANK

    def forward(self, x):
        x = x + self.mix_tokens(self.norm_tokens(x).mT).mT  # BLANK: self.mix_tokens(self.norm_tokens(x).mT).mT
        return x + self.mix_channels(self.norm_channels(x))  # BLANK: self.mix_channels(self.norm_channels(x))


# %% tags=["check"] question="Q22" points=4
check("Q22", MixerBlock)

# %% [markdown]
# <details><summary>Hint: sizes don't fit, or tokens never hear of each other</summary>
#
# A Linear works along the *last* axis, and leaves all others alone. Which axis is last in (b, n, d)? Which one should
# the first MLP work along?
# </details>
# <details><summary>Hint: the picture shows my rows and columns exchanged</summary>
#
# Two axes of a tensor change places with `.mT` (or `transpose`, or einops). The stream is (b, n, d), so what you
# add must be (b, n, d) again.
# </details>

# %% [markdown]
# ### Against attention
#
# Two classifiers that differ in the mixing alone: patches of 2 x 2 of the real 8 x 8 digits, so 16 tokens; two blocks;
# the mean over tokens; a Linear. The ViT needs codes for the positions. The Mixer has none.

# %%
raw = load("digits"), load("digits", "test")
train, test = (replace(d, images=(d.images - 0.3) / 0.35) for d in raw)


class Classifier(nn.Module):
    def __init__(self, blocks, emb_size, positions, patch=2, num_tokens=16):
        super().__init__()
        self.patches = nn.Conv2d(1, emb_size, patch, stride=patch)
        self.positions = nn.Parameter(0.3 * torch.randn(num_tokens, emb_size)) if positions else 0.0
        self.blocks, self.norm, self.head = (
            nn.Sequential(*blocks),
            nn.LayerNorm(emb_size),
            nn.Linear(emb_size, 10),
        )

    def tokens(self, images):
        return self.patches(images).flatten(2).permute(0, 2, 1) + self.positions  # b n d

    def forward(self, images):
        return self.head(self.norm(self.blocks(self.tokens(images))).mean(1))


def new_mixer(d=24):
    return Classifier([MixerBlock(16, d, 48, 64) for _ in range(2)], d, positions=False)


def new_vit(d=24, positions=True):
    return Classifier([TransformerEncoderBlock(d, 4, 2) for _ in range(2)], d, positions)


# %%
def trained(make, seed, train=train, test=test):
    torch.manual_seed(seed)
    model = make()
    fit(model, train, test, epochs=size["mixer epochs"], batch_size=64, lr=6e-3, weight_decay=0.01,
        schedule=warm_up_and_cosine, seed=seed, progress=False)  # fmt: skip
    return model


def percent(model, data=test):
    return 100 * evaluate(model, data).accuracy


means, spreads, models = {}, {}, {}


def contest(name, make, seeds=3):
    start, runs = time.process_time(), []
    for seed in range(seeds):
        models[name] = trained(make, seed)
        runs.append(percent(models[name]))
    seconds = (time.process_time() - start) / seeds
    label = f"{name}, {count(models[name]):,} parameters"
    means[label], spreads[label] = np.mean(runs), np.std(runs, ddof=1) if seeds > 1 else 0
    print(f"{label}: {', '.join(f'{r:.1f}' for r in runs)} %, {seconds:.1f} s of the processor each")


# %%
if ready("Q22"):
    contest("Mixer", new_mixer)
    contest("ViT", new_vit)
    contest("ViT without positions", lambda: new_vit(positions=False), seeds=1)
    bars(
        means,
        spreads,
        xlabel="test accuracy, % (three seeds; without positions, one)",
        form="{:.1f}",
    )

# %% tags=["solution"]
mixer_score, vit_score, blind_score = means.values()
assert min(mixer_score, vit_score) > 90
assert mixer_score > vit_score - 1
assert vit_score > blind_score + 2

# %% [markdown]
# Without a single attention weight the Mixer reads digits as well as the ViT, here even a little better: on few and
# small images, trained for a moment, a fixed pattern of mixing is quickly learned. (With the paper's millions of images
# it comes out about a point behind ViTs trained on the same ones: Table 2.) Attention is one way of mixing tokens, not
# the only one.
#
# ### Who listens to whom
#
# Where is the difference then? Move one token a little, and see which tokens notice at the end of the first block:


# %%
@torch.no_grad()
def listening(model, image, draws=16):
    """How much each token (row) hears of each other token (column) in the first block: (n, n)."""
    torch.manual_seed(0)
    x = model.tokens(image[None])  # 1 n d
    n, heard = x.shape[1], 0
    everyone = torch.arange(n)
    for _ in range(draws):
        moved = x.repeat(n, 1, 1)
        moved[everyone, everyone] += 0.03 * torch.randn_like(x[0])  # in copy k, token k
        heard = heard + (model.blocks[0](moved) - model.blocks[0](x)).norm(dim=-1).mT.cpu()
    heard.fill_diagonal_(0)
    return heard / heard.sum(-1, keepdim=True)


if ready("Q22"):
    three = [int((test.labels == digit).nonzero()[0]) for digit in (0, 1, 7)]
    for name in ("Mixer", "ViT"):
        model = models[name].eval()
        maps = [listening(model, test.images[k].to(where)) for k in three]
        compare([(f"{name}, a {test.labels[k]}", m) for k, m in zip(three, maps, strict=True)])
        change = np.mean([(a - b).abs().sum() / 32 for a in maps for b in maps if a is not b])
        print(f"{name}: from image to image {100 * change:.0f} % of the listening goes elsewhere")

# %% [markdown]
# The Mixer's pattern hardly depends on the image: who listens to whom is decided in training, once. In the ViT
# the tokens decide, image by image. That is what attention buys, and what it pays for with n² weights that have to be
# computed anew each time.
#
# ### What a Mixer can't do
#
# Its token MLP has a weight for each *place*. So the number of tokens is fixed: larger images don't fit.

# %%
if ready("Q22"):
    larger = F.interpolate(test.images[:5], 12)  # 12 x 12: 36 tokens
    for name in ("ViT without positions", "Mixer"):
        try:
            logits = models[name].cpu()(larger)
            print(f"{name:<22} on 36 tokens: logits {tuple(logits.shape)}")
        except RuntimeError as error:
            print(f"{name:<22} on 36 tokens: {error}")

# %% [markdown]
# And places matter without any code. Shuffle the patches of each image, all images alike:


# %%
def shuffled(data, seed=0):
    order = torch.randperm(16, generator=torch.Generator().manual_seed(seed))
    pieces = rearrange(data.images, "b c (r p) (s q) -> b (r s) c p q", p=2, q=2)[:, order]
    return replace(data, images=rearrange(pieces, "b (r s) c p q -> b c (r p) (s q)", r=4))


if ready("Q22"):
    puzzle = shuffled(test)
    falls = {name: (percent(model), percent(model, puzzle)) for name, model in models.items()}
    for name, (before, after) in falls.items():
        print(f"{name:<22} {before:5.1f} % -> {after:5.1f} % on shuffled patches")
    again = trained(new_mixer, 0, shuffled(train), puzzle)
    print(f"a Mixer that has only ever seen shuffled ones: {percent(again, puzzle):.1f} %")

# %% tags=["solution"]
assert falls["Mixer"][1] < 40
assert abs(np.subtract(*falls["ViT without positions"])) < 0.5
assert percent(again, puzzle) > 88

# %% [markdown]
# A ViT without codes gives the same answer, whatever the order; it never knew it. The Mixer breaks down: each row of
# its first matrix *is* a place. But trained on shuffled images, it is as good as before. It has no idea
# that neighbours are neighbours; any fixed order will do. (A CNN would suffer: lesson 00.)

# %% [markdown]
# ## 2 · Finding things
#
# Now images with several things in them. The answer is no longer one class but a *set*: for each thing a class and a
# box. Boxes are `cx cy w h`: centre, width, height, in shares of the image.

# %%
scenes, unseen = draw_scenes(size["scenes"], seed=1), draw_scenes(200, seed=2)
print(scenes)
figure_of = scene_figure(scenes.images[:6], scenes.boxes[:6])
show(figure_of, alt="Six scenes with suns, tiles and tents, each thing in its dashed box.")

# %% [markdown]
# Older detectors lay thousands of candidate boxes over the image and clean up afterwards. **DETR** (Carion and others,
# 2020) is shorter. A few learned tokens, the *queries*, ask the image by cross-attention; each one says what it found,
# or "nothing". Two things are needed to train that: a number for how well two boxes fit, and a rule for which query
# is to be compared with which thing.
#
# ### Q23a: how well do two boxes fit?
#
# The share of overlap, *intersection over union*, is the usual number. But boxes that don't meet have 0, near or far,
# and nothing to learn from. *Generalized* IoU (Rezatofighi and others, 2019) looks at the smallest box around both, the
# hull, and takes away the share of it that is empty:
#
# $$\text{GIoU} = \frac{|A\cap B|}{|A\cup B|} - \frac{|H| - |A\cup B|}{|H|}$$
#
# From centres and sizes to corners:


# %% tags=["setup"]
def corners(boxes):
    """cx cy w h -> left, top, right, bottom"""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


# %% [markdown]
# Write it for all pairs of two sets at once. `a` and `b` are lined up so that they broadcast to (n, m, 4). Four blanks,
# one line each: the shared areas, the unions, the hulls, the result; each is (n, m).


# %% tags=["answer"] question="Q23a"
# Q23a: generalized IoU
def generalized_iou(boxes_a, boxes_b):
    """(n, 4) and (m, 4), each cx cy w h -> (n, m)"""
    a, b = corners(boxes_a)[:, None], corners(boxes_b)[None]  # n 1 4 and 1 m 4
    shared = (
        (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    )  # BLANK
    union = boxes_a[:, None, 2:].prod(-1) + boxes_b[None, :, 2:].prod(-1) - shared  # BLANK
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)  # BLANK
    return shared / union - (hull - union) / hull  # BLANK


# %% tags=["check"] question="Q23a" points=3
check("Q23a", generalized_iou)

# %% [markdown]
# <details><summary>Hint: what is the shared part of two boxes?</summary>
#
# It starts where the later one starts, and ends where the earlier one ends; so in x, and so in y. `torch.maximum` and
# `torch.minimum` compare pair by pair. The last axis then holds width and height: `.prod(-1)` is the area.
# </details>
# <details><summary>Hint: boxes far apart come out above 0</summary>
#
# They end before they start: a negative width. Two negatives make a positive area. `clamp` the sides, before they are
# multiplied.
# </details>

# %% [markdown]
# Slide one box away from the other. What do the two measures say?

# %%
still, steps = torch.tensor([[0.3, 0.5, 0.24, 0.3]]), torch.linspace(0, 0.5, 26)
moving = still + torch.stack([steps, 0 * steps, 0 * steps, 0 * steps], -1)


def plain_overlap(a, b):
    shared = (0.24 - (a[:, 0] - b[:, 0]).abs()).clamp(min=0) * 0.3
    return shared / (2 * 0.24 * 0.3 - shared)


def slide(away=0.1):
    other = still + torch.tensor([away, 0, 0, 0])
    said = {"IoU": float(plain_overlap(still, other)), "GIoU": float(generalized_iou(still, other))}
    return overlap_figure(still[0], other[0], said)


if ready("Q23a"):
    explore(slide, away=[0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    said = {"GIoU": generalized_iou(still, moving)[0], "IoU": plain_overlap(still, moving)}
    curves(steps, said, xlabel="moved by", height=2.3)

# %% [markdown]
# Where IoU has gone flat, GIoU still says "come back". torchvision has it too; do you agree?

# %%
ops = load_torchvision().ops

if ready("Q23a"):
    torch.manual_seed(0)
    some, others = torch.rand(50, 4) * 0.5 + 0.1, torch.rand(40, 4) * 0.5 + 0.1
    theirs = ops.generalized_box_iou(corners(some), corners(others))
    print(
        f"2000 pairs, largest difference {(generalized_iou(some, others) - theirs).abs().max():.0e}"
    )  # fmt: skip

# %% [markdown]
# ### Q23b: who answers for whom?
#
# The model says q boxes, in any order. The truth is t boxes, in any order. To compare them, pair them up: each thing
# with one prediction, no prediction twice. A pair is cheap if the prediction believes in the thing's class and its box
# fits. DETR's cost of a pair:
#
# $$-\,p(\text{class}) \;+\; 5\,\lVert \text{box} - \text{box}' \rVert_1 \;-\; 2\,\text{GIoU}$$
#
# with p the *probability*, not its logarithm, so that all three terms are of one size. Then the pairing with the
# smallest **total** cost. Why not simply take the cheapest pair, then the cheapest of what is left?

# %%
price = torch.tensor([[1.0, 2.0], [2.0, 9.0]])  # rows: predictions, columns: things
rows, columns = linear_sum_assignment(price)
best = price[rows, columns].sum()
print(f"greedy: {price[0, 0]:.0f} + {price[1, 1]:.0f}; the best pairing: {best:.0f}")
assert (price[0, 0] + price[1, 1], best) == (10, 4)

# %% [markdown]
# `scipy.optimize.linear_sum_assignment` finds the best of all pairings without trying them all; it takes a matrix of
# costs (numpy) and returns row numbers and column numbers.
#
# Write `match` for *one* image. `class_logits` has one column more than there are classes: the last means "nothing".
# Four blanks, one line or less each: for each prediction (row) the probability of each thing's class (column); the
# L1 distance of their boxes; the cost; what goes into scipy.


# %% tags=["answer"] question="Q23b"
# Q23b: bipartite matching
def match(class_logits, boxes, target_classes, target_boxes):
    """(q, classes + 1), (q, 4), (t,), (t, 4) -> prediction indices, target indices"""
    believed = class_logits.softmax(-1)[:, target_classes]  # BLANK
    distance = torch.cdist(boxes, target_boxes, p=1)  # BLANK
    cost = 5 * distance - believed - 2 * generalized_iou(boxes, target_boxes)  # BLANK
    predictions, targets = linear_sum_assignment(cost.detach().cpu().numpy())  # BLANK: cost.detach().cpu().numpy()
    return torch.as_tensor(predictions), torch.as_tensor(targets)


# %% tags=["check"] question="Q23b" points=4
check("Q23b", match)

# %% [markdown]
# <details><summary>Hint: how do I get one column per thing?</summary>
#
# First make probabilities, along the axis of classes. Then pick columns: a tensor can be indexed by a tensor of class
# numbers, and the same number may come twice.
# </details>
# <details><summary>Hint: one to one, but not the cheapest</summary>
#
# Follow the three signs. What is *good* must make the cost smaller: a believed class, a small distance, a large fit.
# For the distance, `torch.cdist` has an argument `p`.
# </details>

# %% [markdown]
# On drawn boxes: two things (red), three predictions (blue). Greedy takes the closest pair first, and what is left has
# to reach far. In the titles, the way from centre to centre:

# %%
things = torch.tensor([[0.35, 0.65, 0.22, 0.22], [0.60, 0.35, 0.22, 0.22]])
guesses = torch.tensor([[0.49, 0.49, 0.22, 0.22], [0.77, 0.20, 0.22, 0.22], [0.84, 0.80, 0.16, 0.16]])


def greedily(cost):
    cost, pairs = cost.clone(), []
    for _ in range(cost.shape[1]):
        pair = divmod(int(cost.argmin()), cost.shape[1])
        pairs.append(pair)
        cost[pair[0]], cost[:, pair[1]] = torch.inf, torch.inf
    return pairs


if ready("Q23a") and ready("Q23b"):
    no_idea, kind = torch.zeros(3, 4), torch.tensor([0, 0])
    apart = (guesses[:, None, :2] - things[None, :, :2]).norm(dim=-1)  # of centres, 3 2
    ways = {
        "greedy": greedily(apart),
        "your match": list(zip(*match(no_idea, guesses, kind, things), strict=True)),
    }
    totals = {
        name: sum(float(apart[int(i), int(j)]) for i, j in pairs) for name, pairs in ways.items()
    }  # fmt: skip
    show_matching(
        [
            (f"{name}: {totals[name]:.2f} in all", guesses, things, pairs)
            for name, pairs in ways.items()
        ]
    )  # fmt: skip

# %% tags=["solution"]
assert totals["your match"] < totals["greedy"] - 0.2

# %% [markdown]
# ### A tiny DETR
#
# A convolutional stem makes 36 tokens, your encoder block mixes them, and a *decoder* block lets queries ask: first
# each other (who takes what?), then the image.


# %%
class DecoderBlock(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.among, self.image = (nn.MultiheadAttention(d, heads, batch_first=True) for _ in range(2))
        self.norms, self.think = nn.ModuleList([nn.LayerNorm(d) for _ in range(3)]), mlp(d, 2 * d)

    def forward(self, x, spots, tokens, places):  # b q d, q d, b n d, n d
        y = self.norms[0](x)
        x = x + self.among(y + spots, y + spots, y, need_weights=False)[0]
        y = self.norms[1](x)
        # cross-attention
        x = x + self.image(y + spots, tokens + places, tokens, need_weights=False)[0]
        return x + self.think(self.norms[2](x))


def code_2d(points, d):
    """Sines and cosines of x and y (lesson 02): (…, 2) in 0..1 -> (…, d)"""
    angles = (
        points[..., None]
        * 4
        * math.pi
        * 30 ** -(torch.arange(d // 4, device=points.device) * 4 / d)
    )  # fmt: skip
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(-2)


def grid_points(side):
    steps = (torch.arange(side) + 0.5) / side
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).flatten(0, 1)


# %% [markdown]
# DETR's queries start as noise and need 500 epochs to find their places. Ours get a spot on a grid to start from, and
# learn to move it (the idea of *Anchor DETR* and its kin).


# %%
class DETR(nn.Module):
    def __init__(self, d=64, heads=4, side=6, queries=3, layers=2, kinds=3):
        super().__init__()
        stem = []
        for into, out in ((3, d // 2), (d // 2, d)):
            stem += [nn.Conv2d(into, out, 3, stride=2, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
        self.stem = nn.Sequential(*stem, nn.Conv2d(d, d, 1))
        self.register_buffer("places", code_2d(grid_points(side), d))
        self.encoder, self.norm = TransformerEncoderBlock(d, heads, 2), nn.LayerNorm(d)
        self.spots = nn.Parameter(torch.logit(grid_points(queries)))
        self.decoder = nn.ModuleList([DecoderBlock(d, heads) for _ in range(layers)])
        self.last, self.kind = nn.LayerNorm(d), nn.Linear(d, kinds + 1)
        self.box = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 4))

    def forward(self, images):
        """(b, 3, h, w) -> after each layer: logits (b, q, kinds + 1), boxes (b, q, 4)"""
        tokens = self.stem(4 * (images - 0.4)).flatten(2).permute(0, 2, 1) + self.places
        tokens = self.norm(self.encoder(tokens))
        spots = code_2d(self.spots.sigmoid(), tokens.shape[-1])
        x, found = torch.zeros_like(spots).expand(len(images), -1, -1), []
        for block in self.decoder:
            x = block(x, spots, tokens, self.places)
            y = self.last(x)
            boxes = (self.box(y) + F.pad(self.spots, (0, 2), value=-0.7)).sigmoid()
            found.append((self.kind(y), boxes))
        return found


# %% [markdown]
# The loss: match, by your rule; then every matched query learns its thing's class and box, and every other one
# learns to say "nothing" (with less weight, for there are many of them).


# %%
def pairs_of(logits, boxes, scenes, numbers):
    """Your match, image by image: which image, which query, which class and which box."""
    image, query, classes, truth = [], [], [], []
    logits, boxes = logits.detach().cpu(), boxes.detach().cpu()
    for k, number in enumerate(numbers):
        i, j = (torch.as_tensor(one).long() for one in
                match(logits[k], boxes[k], scenes.classes[number], scenes.boxes[number]))  # fmt: skip
        image.append(torch.full_like(i, k))
        query.append(i)
        classes.append(scenes.classes[number][j])
        truth.append(scenes.boxes[number][j])
    return [torch.cat(one).to(where) for one in (image, query, classes, truth)]


def detection_loss(found, scenes, numbers, nothing=3):
    # the last layer decides for all
    image, query, classes, truth = pairs_of(*found[-1], scenes, numbers)
    weight = torch.tensor([1.0, 1.0, 1.0, 0.6], device=where)
    total = 0.0
    for logits, boxes in found:
        wanted = torch.full(logits.shape[:2], nothing, device=where)
        wanted[image, query] = classes
        total = total + F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), weight)
        own = boxes[image, query]
        total = total + 5 * (own - truth).abs().sum(-1).mean()
        total = total + 2 * ops.generalized_box_iou_loss(
            corners(own), corners(truth), reduction="mean"
        )  # fmt: skip
    return total


# %%
def train_detr(model, steps, batch=32, lr=4e-3):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4)
    losses, pick = [], torch.Generator().manual_seed(0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * warm_up_and_cosine(step, steps)
        numbers = torch.randint(len(scenes), (batch,), generator=pick).tolist()
        loss = detection_loss(model(scenes.images[numbers].to(where)), scenes, numbers)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def look(model, images):
    """Logits (b, q, kinds + 1) and boxes (b, q, 4) of the last layer."""
    model.eval()
    logits, boxes = model(images.to(where))[-1]
    model.train()
    return logits.cpu(), boxes.cpu()


def said(logits, boxes, at_least=0.5):
    """Per image what the queries claim to see: (box, words)."""
    sure, kind = logits.softmax(-1).max(-1)
    return [
        [
            (b, f"{unseen.kinds[k]} {s:.2f}")
            for b, k, s in zip(*row, strict=True)
            if k < 3 and s > at_least
        ]
        for row in zip(boxes, kind.tolist(), sure.tolist(), strict=True)
    ]  # fmt: skip


# %%
found_things = ready("Q23a") and ready("Q23b")
if found_things:
    torch.manual_seed(0)
    detr = DETR(size["width"], queries=size["queries"]).to(where)
    before = look(detr, unseen.images)
    picture = scene_figure(
        unseen.images[:6], unseen.boxes[:6], [[(box, "") for box in boxes] for boxes in before[1]]
    )  # fmt: skip
    show(picture, alt="Before training: boxes that have nothing to do with the things.")

# %%
if found_things:
    start = time.process_time()
    losses = train_detr(detr, size["detr steps"])
    seconds = time.process_time() - start
    print(f"{count(detr):,} parameters, {len(losses)} steps, {seconds:.0f} s of the processor")
    smooth = np.convolve(losses, np.ones(10) / 10, "valid")
    curves(range(len(smooth)), {"loss": smooth}, xlabel="step", ylabel="mean of 10 steps", height=2.0)

# %%
if found_things:
    after = look(detr, unseen.images)
    picture = scene_figure(unseen.images[:8], unseen.boxes[:8], said(*after), columns=4)
    show(picture, alt="After training: most things are framed and named.")

# %% [markdown]
# Images the model has never seen. White and dashed is the truth, yellow what queries are at least half sure of. In
# numbers, over 200 images:


# %%
def report(name, logits, boxes):
    image, query, classes, truth = (
        one.cpu() for one in pairs_of(logits, boxes, unseen, range(len(unseen)))
    )  # fmt: skip
    overlap = ops.box_iou(corners(boxes[image, query]), corners(truth)).diagonal()
    right = logits[image, query].argmax(-1) == classes
    claims = int((logits.argmax(-1) < 3).sum())
    hits = int((right & (overlap > 0.5)).sum())
    print(
        f"{name:<7} mean IoU {overlap.mean():.2f}; class right {100 * right.float().mean():.0f} %; "
        f"{hits} of {len(truth)} things found; {claims - hits} of {claims} claims are wrong or double"
    )
    return overlap.mean().item(), right.float().mean().item(), hits / len(truth)


if found_things:
    report("before", *before)
    scores = report("after", *after)

# %% tags=["solution"]
assert scores[0] > 0.6
assert scores[1] > 0.75
assert scores[2] > 0.6

# %% [markdown]
# Honestly: in a few seconds of learning most things are found, with boxes that fit but don't sit tight, and quite a
# few of the claims are doubles. It is one run, with one seed. The real one trained for days on 16 GPUs. With 500
# epochs it was as good as a well-tuned Faster R-CNN: better on large things, worse on small ones (Table 1).
#
# What have the queries become? Where each one's boxes lie, over all 200 images:

# %%
if found_things:
    logits, boxes = after
    claimed = torch.where((logits.argmax(-1) < 3)[..., None], boxes, torch.nan)
    show_territories(claimed.transpose(0, 1)[:9])

# %% [markdown]
# Each looks after a region, around the spot that we gave it. Only things there are its own; with one rule, the
# matching, it has learned to leave the others to its neighbours. (In DETR itself nobody hands out spots, and regions
# come about all the same: Figure 7.)

# %% [markdown]
# ## 3 · Painting
#
# The same block can make images. Take a digit and some noise of the same size, and the straight line between them:
# at `t = 0` the digit, at `t = 1` the noise.

# %%
digits = 2 * raw[0].images - 1  # -1 to 1
torch.manual_seed(0)
noise, stops = torch.randn(4, 1, 8, 8), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
way = [
    (f"a {raw[0].labels[k]}", torch.stack([(1 - t) * digits[k] + t * noise[k] for t in stops]))
    for k in range(4)
]  # fmt: skip
show(
    strip_figure(way, columns=[f"t = {t:g}" for t in stops]),
    alt="Four digits on their way to noise.",
)

# %% [markdown]
# A model is shown a point of such a line, with t and the class, and learns to tell its *direction*, noise minus digit.
# Later one starts from fresh noise and walks back, asking for the direction at each step. (This straight version is
# called flow matching. The DiT paper took the older, curved one; the block is the same.)
#
# Tokens are patches of 2 x 2 again, 16 of them. But how do you tell the model t and the class? As two more tokens? By
# cross-attention? Peebles and Xie tried them all (their Figure 5), and the best was the cheapest: **let the condition c
# set the norms**.

# %%
show_adaln()

# %% [markdown]
# A LayerNorm usually learns one scale and one shift. Here they are made from c, for each image anew, and a *gate* says
# how much of each half is added. Six numbers per dimension: shift, scale, gate for attention, and again for the
# feed-forward. The Linear that makes them starts at **zero**. So the gates are shut, and a new block gives x back bit
# by bit: adaLN-*zero*.
#
# ### Q24
#
# Seven blanks, half a line to a line each: SiLU, then a Linear to six times the width; its weights and its bias set to
# zero; c turned into six parts (b, 1, d), in any order you like; and for each half what it reads and what is added.
# `MultiHeadAttention` and `FeedForwardBlock` are those of lessons 05 and 06, called on one tensor. The norms have no
# weights of their own: `elementwise_affine=False`.


# %% tags=["answer"] question="Q24"
# Q24: DiT's adaLN-zero block
class AdaLNZeroBlock(nn.Module):
    """forward(x, c): (b, n, emb_size) and (b, emb_size) -> (b, n, emb_size)"""

    def __init__(self, emb_size, num_heads, expansion=4):
        super().__init__()
        self.norm1 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.norm2 = nn.LayerNorm(emb_size, elementwise_affine=False)
        self.attend = MultiHeadAttention(emb_size, num_heads)
        self.think = FeedForwardBlock(emb_size, expansion)
        self.modulation = nn.Sequential(
            nn.SiLU(), nn.Linear(emb_size, 6 * emb_size)
        )  # BLANK: nn.SiLU(), nn.Linear(emb_size, 6 * emb_size)
        # BEGIN BLANK
        nn.init.zeros_(self.modulation[1].weight)
        nn.init.zeros_(self.modulation[1].bias)
        # END BLANK

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(c)[:, None].chunk(6, dim=-1)  # BLANK
        y = self.norm1(x) * (1 + scale1) + shift1  # BLANK
        x = x + gate1 * self.attend(y)  # BLANK
        y = self.norm2(x) * (1 + scale2) + shift2  # BLANK
        return x + gate2 * self.think(y)  # BLANK


# %% tags=["check"] question="Q24" points=5
check("Q24", AdaLNZeroBlock)

# %% [markdown]
# <details><summary>Hint: my fresh block changes x</summary>
#
# A Linear is born with random weights *and* a random bias; `nn.init.zeros_` empties one tensor. And look where your
# gate stands: it multiplies what is added, before the plus.
# </details>
# <details><summary>Hint: sizes don't fit in forward</summary>
#
# The six parts are (b, d), tokens are (b, n, d). An axis of length 1 in the middle (`[:, None]`) lets one part meet all
# tokens of its image. `chunk` cuts an axis into equal pieces.
# </details>
# <details><summary>Hint: with scale 0 nothing arrives</summary>
#
# Zero should mean "leave it as it is". By which number do you multiply to change nothing?
# </details>

# %% [markdown]
# ### Asleep, but not dead
#
# Twelve new blocks, one behind the other. The same twelve with their modulation filled at random, as any Linear is:

# %%
if ready("Q24"):
    torch.manual_seed(0)
    stack = [AdaLNZeroBlock(48, 4) for _ in range(12)]
    x, c = torch.randn(2, 16, 48), torch.randn(2, 48)

    def sizes_through(stack):
        y, sizes = x, [1.0]
        for block in stack:
            y = block(y, c)
            sizes.append((y.std() / x.std()).item())
        return y.detach(), sizes

    out, asleep = sizes_through(stack)
    print("x comes out bit by bit as it went in:", torch.equal(out, x))
    zero_born = [p for block in stack for p in block.parameters() if p.ndim == 2 and not p.any()]
    for matrix in zero_born:
        nn.init.normal_(matrix, std=0.3)
    awake = sizes_through(stack)[1]
    series = {"zero at birth": asleep, "random at birth": awake}
    curves(range(13), series, xlabel="blocks", ylabel="size of the stream", height=2.2)

# %% tags=["solution"]
assert torch.equal(out, x)
assert len(zero_born) == 12
assert awake[-1] > 1.2

# %% [markdown]
# A deep stack that starts as the identity is as easy to train as a shallow one: it deepens as it learns. But can it
# learn at all, if everything is multiplied by zero? See which of the six get a gradient in a new block:

# %%
if ready("Q24"):
    torch.manual_seed(0)
    block = AdaLNZeroBlock(48, 4)
    block(x, c).square().sum().backward()
    # what makes the modulations
    made = [p for p in block.parameters() if p.ndim == 2 and not p.any()]
    pulled = sum(int((p.grad != 0).any(p.shape.index(min(p.shape))).sum()) for p in made)
    print(f"{pulled} of {6 * 48} modulations get a gradient: {pulled // 48} of the 6 kinds")
    others = [
        p.grad
        for p in block.parameters()
        if p.grad is not None and len(p) != 6 * 48 and p.shape[-1] != 6 * 48
    ]  # fmt: skip
    print("everything else together:", sum(float(g.abs().sum()) for g in others))

# %% tags=["solution"]
assert pulled == 2 * 48
assert sum(float(g.abs().sum()) for g in others) == 0

# %% [markdown]
# Two of six: the gates. In the first step only they move; once they are a little open, everything else wakes up.
#
# ### A tiny DiT


# %%
class DiT(nn.Module):
    NOBODY = 10  # a class number for "any digit"

    def __init__(self, d=48, depth=3, heads=4):
        super().__init__()
        self.pixels, self.places = nn.Linear(4, d), nn.Parameter(0.3 * torch.randn(16, d))
        self.label, self.time = (
            nn.Embedding(11, d),
            nn.Sequential(nn.Linear(16, d), nn.SiLU(), nn.Linear(d, d)),
        )
        self.blocks = nn.ModuleList([AdaLNZeroBlock(d, heads, 3) for _ in range(depth)])
        self.norm, self.out = nn.LayerNorm(d), nn.Linear(d, 4)
        nn.init.zeros_(self.out.weight)

    def forward(self, images, t, classes):  # b 1 8 8, b, b
        waves = t[:, None] * math.pi * torch.arange(1, 9, device=t.device)
        c = self.time(torch.cat([waves.sin(), waves.cos()], -1)) + self.label(classes)
        x = self.pixels(rearrange(images, "b 1 (r p) (s q) -> b (r s) (p q)", p=2, q=2)) + self.places
        for block in self.blocks:
            x = block(x, c)
        return rearrange(self.out(self.norm(x)), "b (r s) (p q) -> b 1 (r p) (s q)", r=4, p=2)


@torch.no_grad()
def paint(model, classes, noise, steps=16, guidance=1.0):
    """From noise (b, 1, 8, 8) to images, in straight steps; all stations on the way, (steps + 1, b, 1, 8, 8)."""
    x, classes = noise.to(where), classes.to(where)
    stations, times = [x], torch.linspace(1, 0, steps + 1)
    for now, then in pairwise(times):
        t = now.expand(len(x)).to(where)
        direction = model(x, t, classes)
        if guidance != 1:
            anyhow = model(x, t, torch.full_like(classes, DiT.NOBODY))
            direction = anyhow + guidance * (direction - anyhow)
        x = x + (then - now) * direction
        stations.append(x)
    return torch.stack(stations).cpu()


# %% [markdown]
# Training is ten lines. In one of ten images the class is hidden, so that the model also learns to paint "any digit";
# we will use that. On the way it paints the same ten pieces of noise again and again:


# %%
def train_dit(model, steps, batch=64, lr=4e-3, film=()):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=0.0)
    images, labels = digits.to(where), raw[0].labels.to(where)
    torch.manual_seed(0)
    losses, shots, start = [], [], torch.randn(10, 1, 8, 8)
    for step in range(steps + 1):
        if step in film:
            shots.append((f"{step} steps", paint(model, torch.arange(10), start)[-1]))
        optimizer.param_groups[0]["lr"] = lr * warm_up_and_cosine(step, steps + 1)
        pick = torch.randint(len(images), (batch,), device=where)
        hidden = torch.rand(batch, device=where) < 0.1
        classes = torch.where(hidden, DiT.NOBODY, labels[pick])
        t, noise = (
            torch.randn(batch, device=where).sigmoid(),
            torch.randn(batch, 1, 8, 8, device=where),
        )
        s = t[:, None, None, None]
        direction = model((1 - s) * images[pick] + s * noise, t, classes)
        loss = F.mse_loss(direction, noise - images[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, shots


# %%
if ready("Q24"):
    torch.manual_seed(0)
    dit, start = DiT(*size["dit"]).to(where), time.process_time()
    length = size["dit steps"]
    film = [0, length // 16, length // 8, length // 4, length // 2, length]
    losses, shots = train_dit(dit, length, film=film)
    print(
        f"{count(dit):,} parameters, {length} steps, {time.process_time() - start:.0f} s of the processor"
    )  # fmt: skip
    digits_asked = [str(k) for k in range(10)]
    show(
        strip_figure(shots, columns=digits_asked),
        alt="Ten samples as training goes on: from noise to digits.",
    )

# %% [markdown]
# One row per look, one column per digit asked for, always from the same noise. The digits come out of the fog one by
# one.
#
# How many steps does the walk back need? Each row below is one walk, left the noise, right the digit:


# %%
def walk(steps=8):
    torch.manual_seed(5)
    stations = paint(dit, torch.tensor([3, 5, 8]), torch.randn(3, 1, 8, 8), steps)
    shown = torch.linspace(0, steps, min(steps, 8) + 1).round().long()
    return strip_figure([(f"a {k}", stations[shown, i]) for i, k in enumerate((3, 5, 8))], side=0.42)


if ready("Q24"):
    explore(walk, steps=[1, 2, 4, 8])

# %% [markdown]
# With one step the model can only give the mean of all digits that this noise may become: a blur. Each further step
# lets it make up its mind.
#
# ### Are these digits?
#
# Ask somebody who knows digits: a classifier trained on the real ones. How often does it see in a sample what was
# asked for? And we can exaggerate: walk in the direction that *this class* differs from any digit, `guidance` times
# as far (classifier-free guidance).

# %%
from sklearn.svm import SVC

judge = SVC().fit(raw[0].images.flatten(1), raw[0].labels)
real = 100 * judge.score(raw[1].images.flatten(1), raw[1].labels)
asked = torch.arange(10).repeat(10)


def as_rows(samples):
    return ((samples + 1) / 2).clamp(0, 1).flatten(1)


def recognised(samples):
    return 100 * float((judge.predict(as_rows(samples)) == asked.numpy()).mean())


def variety(rows):
    """Mean distance from the mean of one's class."""
    return float(
        np.mean(
            [(rows[asked == k] - rows[asked == k].mean(0)).norm(dim=-1).mean() for k in range(10)]
        )
    )  # fmt: skip


# %%
if ready("Q24"):
    of_test = torch.stack(
        [raw[1].images[raw[1].labels == k][:10].flatten(1) for k in range(10)], 1
    ).flatten(0, 1)  # fmt: skip
    torch.manual_seed(1)
    noises = torch.randn(3, len(asked), 1, 8, 8)
    print(
        f"real digits, not seen by the judge: {real:.1f} % recognised, variety {variety(of_test):.2f}"
    )  # fmt: skip
    blank_rate = recognised(noises[0])
    print(f"plain noise: {blank_rate:.0f} %")
    for steps in (1, 2, 4, 8):
        some = paint(dit, asked, noises[0], steps)[-1]
        rate, varied = recognised(some), variety(as_rows(some))
        print(f"{steps} step{'s' * (steps > 1)}: {rate:.0f} % recognised, variety {varied:.2f}")
    print("16 steps:")
    scores = {}
    for guidance in (1.0, 2.0, 4.0):
        samples = [paint(dit, asked, noise, guidance=guidance)[-1] for noise in noises]
        rates = [recognised(one) for one in samples]
        scores[guidance] = np.mean(rates), variety(as_rows(samples[0]))
        listed = ", ".join(f"{rate:.1f}" for rate in rates)
        print(f"guidance {guidance:g}: {listed} % of 100 samples, variety {scores[guidance][1]:.2f}")

# %% tags=["solution"]
assert scores[1.0][0] > 85
assert scores[4.0][0] >= scores[1.0][0]
assert scores[4.0][1] < scores[1.0][1]
single = paint(dit, asked, noises[0], 1)[-1]
assert recognised(single) > 90
assert variety(as_rows(single)) < 0.8 * scores[1.0][1]

# %% [markdown]
# Look at the single step: recognised nearly every time, and with far less variety than real digits have, as all of
# them are close to the mean of their class. Being recognised is not all; variety comes with the steps. Guidance goes
# the other way: clearer and more alike, recognised more often at the price of variety.
#
# And recognised doesn't mean *new*. Has the model just learned the images by heart?


# %%
def nearest(rows):
    """Distance to the nearest training image, and which one it is."""
    return torch.cdist(rows, raw[0].images.flatten(1)).min(-1)


if ready("Q24"):
    painted = paint(dit, asked, noises[0])[-1]
    mine, fresh = nearest(as_rows(painted)), nearest(of_test)
    far = mine.values.mean(), fresh.values.mean()
    print(
        f"distance to the nearest training image: samples {far[0]:.2f}, new real digits {far[1]:.2f}"
    )  # fmt: skip
    rows = [("painted", painted[:10]), ("nearest real", digits[mine.indices[:10]])]
    show(strip_figure(rows), alt="Ten samples and, below each, the most similar training image.")

# %% tags=["solution"]
assert far[0] > far[1]

# %% [markdown]
# No: a painted digit is farther from everything in the training set than a real new one is. It isn't copied; part of
# that distance is that it isn't quite a real digit either. (A large model, trained on few images for long, does copy:
# then this number sinks.)
#
# **Try it.** A class halfway between two: the label is only a vector.

# %%
one, other, share = 3, 8, 0.5  # change me

if ready("Q24"):
    mixed = DiT(*size["dit"]).to(where)
    mixed.load_state_dict(dit.state_dict())
    with torch.no_grad():
        weights = mixed.label.weight
        weights[0] = share * weights[one] + (1 - share) * weights[other]
    torch.manual_seed(2)
    start = torch.randn(8, 1, 8, 8)
    rows = [
        (text, paint(model, torch.full((8,), number), start)[-1])
        for text, model, number in (
            (f"a {one}", dit, one),
            ("between", mixed, 0),
            (f"a {other}", dit, other),
        )
    ]
    show(strip_figure(rows), alt="Samples of two classes, and of a class between them.")

# %% [markdown]
# ## 4 · The same block elsewhere
#
# **Captioning.** Patches and words in one sequence. Words are written one by one, so a word may look at all patches,
# and at the words before it: one mask, and nothing else is new.

# %%
words = ["<start>", "a", "sun", "and", "a", "tile"]
pair = next(k for k in range(len(scenes)) if sorted(scenes.classes[k].tolist()) == [0, 1])
show_captioning(scenes.images[pair], words)

# %% [markdown]
# **Video.** A patch gets a third side: the same place in two frames, a *tubelet*, is one token. Then as before.

# %%
wide = draw_scenes(1, seed=557, size=36).images[0]
# the camera moves: 4 3 24 24
frames = torch.stack([wide[:, 6:30, 3 * k : 3 * k + 24] for k in range(4)])
tubelets = rearrange(frames, "(f t) c (r p) (s q) -> (f r s) (t p q c)", t=2, p=12, q=12)
print(f"{tuple(frames.shape)} -> {len(tubelets)} tokens of {tubelets.shape[1]} numbers")
show_tubelets(frames, depth=2)

# %% [markdown]
# **Handwriting.** A line of text cut into narrow columns: tokens in reading order. There are more columns than letters,
# so the model may say "nothing yet" in between.

# %%
# 8 32
line = torch.cat(
    [raw[0].images[int((raw[0].labels == k).nonzero()[0]), 0] for k in (2, 0, 1, 7)], 1
)  # fmt: skip
columns_of_line = rearrange(line, "h (n w) -> n (h w)", w=4)
print(f"{tuple(line.shape)} -> {len(columns_of_line)} tokens of {columns_of_line.shape[1]} numbers")
show_handwriting(line, 4, ["2", "0", "1", "7"])

# %% [markdown]
# What changes from job to job is how tokens are cut, who may look at whom, and what is read off at the end. The block
# in the middle stays.
#
# > ### What could go wrong
# > - **`reshape` in place of a transpose.** Shapes fit, and each "column" holds pieces of several tokens.
# > - **Corners and centres mixed up.** Nothing raises; boxes are just never right. Write the convention into the
# >   docstring.
# > - **Clamping an area instead of sides.** Two negative widths make a positive overlap.
# > - **Matching inside the gradient.** The pairing is a decision, not a function to differentiate: `detach` the cost.
# > - **"Nothing" at full weight.** Most queries see nothing, and a model that always says so has a low loss.
# > - **`scale` without its 1.** Zero then means "hear nothing", and the block has to learn to listen first.
# > - **Zeros in the wrong place.** Gates at zero can learn, because what they multiply isn't zero. If branch *and* gate
# >   start at zero, no gradient ever comes (below).

# %%
gate, branch = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
(gate * branch).backward()
print(f"both zero: gradients {gate.grad.item():.0f} and {branch.grad.item():.0f}")
gate, branch = torch.zeros(1, requires_grad=True), torch.ones(1, requires_grad=True)
(gate * branch).backward()
print(f"gate zero: gradients {gate.grad.item():.0f} and {branch.grad.item():.0f}")

# %% [markdown]
# ## 5 · In words
#
# **W11a** (2 points). A friend trains a Mixer on images of 224 x 224 in patches of 16, and wants to run it on
# 384 x 384. Another does the same with a ViT. What does each have to change, and why? And how does the number of
# weights in a token half grow with the number of tokens, compared with those of attention?

# %% [markdown] tags=["written"] question="W11a" points=2
# The images have 196 and 576 tokens. The Mixer's token MLP is a matrix from 196 places to a hidden width, so it has no
# weights for 380 more places: it has to be trained anew, or its matrices stretched by interpolation over the grid. The
# ViT's attention has no weights that belong to places, so its blocks run as they are; only its table of position codes
# must be interpolated (lesson 12). A token half has about 2 · n · token_dim learned weights, which grows with n (with
# n² if token_dim grows along); attention's learned weights, 4 d², don't depend on n at all. (What is *computed* in
# attention, n² numbers per head, does.)

# %% [markdown] tags=["rubric"]
# **W11a, 2 points.**
# - ½ point: the Mixer's token MLP has its number of tokens built in: new or interpolated weights.
# - ½ point: the ViT's blocks run unchanged.
# - ½ point: but its position codes must be interpolated (or be of a kind that continues).
# - ½ point: learned weights grow with n in the Mixer, not in attention (n² numbers are computed, not learned).

# %% [markdown]
# **W11b** (2 points). Somebody trains the tiny DETR with "each thing is compared with the query that is nearest to it"
# in place of your matching. Describe what can go wrong in an image with two things close together, and what in an
# image with one thing. What does the one-to-one rule teach the queries that otherwise a clean-up step has to do?

# %% [markdown] tags=["written"] question="W11b" points=2
# Two things close together may have the same nearest query: it is then asked to give two boxes at once, and the mean of
# both is the best it can do; one of the things is lost. In an image with one thing nothing tells other queries near it
# apart from the chosen one: if they are compared too ("nearest thing for each query"), all of them learn to report it,
# and it is found many times. One-to-one matching makes exactly one query pay for each thing, and all others pay for not
# saying "nothing"; so they learn, by looking at each other in self-attention, to leave a thing to one of them.
# Detectors without it remove doubles afterwards, by non-maximum suppression.

# %% [markdown] tags=["rubric"]
# **W11b, 2 points.**
# - ½ point: two things can get the same query; one is lost or both are averaged.
# - ½ point: one thing can be reported by several queries (nobody learns to be silent).
# - ½ point: one-to-one: exactly one query answers for a thing, others learn "nothing".
# - ½ point: this replaces removing doubles afterwards (non-maximum suppression).

# %% [markdown]
# ## 6 · What you take along
#
# | | |
# |---|---|
# | Mixer | an MLP over tokens, an MLP over channels; who hears whom is fixed, and so is the number of tokens |
# | boxes | centre and size for learning, corners for areas; GIoU still points the way when IoU is 0 |
# | matching | all pairs at once, smallest total, one to one; not part of the gradient |
# | queries | learned tokens that ask the image; each thing is answered for by one of them |
# | adaLN-zero | c makes shift, scale and gate; zero at birth is the identity, and the gates learn first |
# | diffusion | learn the direction from noise to image at every station, then walk back in steps |
#
# **Further reading**
# - Tolstikhin et al., *MLP-Mixer: An all-MLP Architecture for Vision*, NeurIPS 2021. Figure 1: the block; Table 2:
#   beside the best of its day; Figure 4: pixels shuffled.
# - Carion et al., *End-to-End Object Detection with Transformers*, ECCV 2020. Table 1: against Faster R-CNN;
#   Figure 7: the queries' regions; section 3.1: matching.
# - Rezatofighi et al., *Generalized Intersection over Union*, CVPR 2019. Figure 1: equal distances, unequal overlap;
#   Algorithm 1: the formula.
# - Wang et al., *Anchor DETR*, AAAI 2022: queries with a place, as here.
# - Peebles and Xie, *Scalable Diffusion Models with Transformers*, ICCV 2023. Figure 3: your block; Figure 5: four
#   ways to tell it the class.
# - Lipman et al., *Flow Matching for Generative Modeling*, ICLR 2023. Section 4.1, example II: the straight way.
# - Ho and Salimans, *Classifier-Free Diffusion Guidance*, 2022. Figure 1: more guidance, less variety.
# - Arnab et al., *ViViT: A Video Vision Transformer*, ICCV 2021. Figure 3: tubelets.
#
# Next: **12 · Pretrained**, in which other people's weights do the work.
