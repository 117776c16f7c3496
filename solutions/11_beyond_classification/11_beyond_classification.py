# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 11 · Beyond classification {{badge}}
#
# **In one sentence:** you will write the core of three other uses of the transformer block: mixing tokens without
# attention (MLP-Mixer), detecting objects (DETR), and generating images (a diffusion transformer).
#
# **The question of this lesson.** Which parts of a ViT are specific to classification, and what has to be added for
# other tasks?
#
# | | |
# |---|---|
# | **You need** | attention and the encoder block (lessons 05, 06), a training loop (07) |
# | **Time** | 115 minutes; the ends of sections 1 and 2 are good places to pause |
# | **Grading** | the checks grade Q22 to Q24; your teacher reads W11a and W11b; Q24b is optional |
#
# **Afterwards you can**
# - say what attention does that a fixed mixing matrix does not, and measure it;
# - compare a *set* of predictions with a set of objects, and write the loss of a detector;
# - pass a condition (a time, a class) to every block of a transformer by adaptive layer norm;
# - recognise the same block in captioning, video and handwriting recognition.
#
# {{questions}}
#
# {{names: lectures (CS163 lecture 12, introductory deck)}}
# MLP 1, MLP 2 | `mix_channels`, `mix_tokens` | `mlp_channels`, `mlp_tokens` | channel, token mixing
# bipartite matching | `match` | – | $\hat\sigma$
# – | `generalized_iou` | – | GIoU
# diffusion model with a transformer (DiT) | `AdaLNZeroBlock` | – | adaLN-Zero
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
from dataclasses import replace

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
from helpers.experiments import detr as detection
from helpers.experiments import mixer as mixing
from helpers.experiments.dit import DigitJudge, DiT, halfway, sample, train_dit
from helpers.explore import explore
from helpers.pictures.beyond_classification import (
    overlap_figure,
    scene_figure,
    show_adaln,
    show_captioning,
    show_detr,
    show_handwriting,
    show_matching,
    show_mixing,
    show_territories,
    show_tubelets,
    strip_figure,
)
from helpers.plots import bars, compare, curves, show
from helpers.torchvision_ops import load_torchvision

torch.set_num_threads(1)  # the models of this lesson are small; several threads would not make them faster
where = device()

# %% tags=["setup"]
MultiHeadAttention, FeedForwardBlock, TransformerEncoderBlock = built(
    "MultiHeadAttention", "FeedForwardBlock", "TransformerEncoderBlock"
)

# %% [markdown]
# Letters: `b` is the batch, `n` the number of tokens, `d` their width, `q` the number of queries of a detector and
# `t` the number of objects in an image.
#
# All models below are trained in seconds and are small for that. If you have a GPU and some minutes, set `LARGE`.

# %%
LARGE = False  # change this: more images, wider models, longer training

size = {"epochs": 7, "scenes": 2500, "queries": 3, "width": 64, "detr steps": 250, "dit steps": 304, "dit": (48, 3)}
if LARGE:
    size = {"epochs": 40, "scenes": 20_000, "queries": 4, "width": 128, "detr steps": 6000, "dit steps": 6000}
    size["dit"] = (128, 6)

# %% [markdown]
# ## 1 · Is attention necessary?
#
# **Question.** An encoder block alternates between two operations. Attention moves information *between tokens*; the
# feed-forward network transforms each token by itself. *CS163, lecture 12* asks: "Can we use something simpler than
# self-attention to mix across tokens?"
#
# **MLP-Mixer** (Tolstikhin et al., 2021) uses an MLP for both. **Token mixing** applies an MLP along the tokens,
# separately for each channel. Its weights are learned and then fixed; they do not depend on the content of the
# tokens. **Channel mixing** is the usual feed-forward network.

# %% fold="skip"
# Draws the two directions of mixing
show_mixing()

# %% [markdown]
# > **Figure 11.1 · Token mixing and channel mixing.** A row is a token, a column a channel. Left: one MLP is applied
# > to each column. Right: one MLP is applied to each row.
#
# Both halves are built like those of lesson 06: a norm over the channels, an MLP, a residual connection:
#
# $$u = x + \mathrm{MLP}_{\text{tokens}}\big(\mathrm{LN}(x)^\top\big)^\top \qquad
# y = u + \mathrm{MLP}_{\text{channels}}\big(\mathrm{LN}(u)\big)$$
#
# This is the MLP:


# %% tags=["setup"]
def mlp(width, hidden):
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


# %% [markdown]
# ### Q22 · The Mixer block
#
# Write `MixerBlock(num_tokens, emb_size, token_dim, channel_dim)`. `token_dim` and `channel_dim` are the hidden
# widths of the two MLPs.
#
# {{level: guided}}
# Four blanks of half a line: the two MLPs, and what is added in each half.
# {{end}}
# {{level: standard, open}}
# Each half has a LayerNorm of its own. Two axes of a tensor change places with `.mT`.
# {{end}}


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
# <details><summary>Hint: sizes don't match, or tokens do not depend on each other</summary>
#
# A linear layer works along the *last* axis. Which axis is last in (b, n, d)? Along which one should the first MLP
# work?
# </details>
# <details><summary>Hint: the picture shows rows and columns exchanged</summary>
#
# The residual stream is (b, n, d), so what you add must be (b, n, d) again.
# </details>

# %% [markdown]
# ### Compared with attention
#
# Two classifiers that differ only in the mixing: 16 patches of 2 x 2 of the 8 x 8 digits, two blocks, the mean over
# tokens, a linear layer. The ViT needs a position embedding. The Mixer has none.

# %%
raw = load("digits"), load("digits", "test")
train, test = (replace(d, images=(d.images - 0.3) / 0.35) for d in raw)


def new_mixer(d=24):
    return mixing.Classifier([MixerBlock(16, d, 48, 64) for _ in range(2)], d, positions=False)


def new_vit(d=24, positions=True):
    return mixing.Classifier([TransformerEncoderBlock(d, 4, 2) for _ in range(2)], d, positions)


# %%
if ready("Q22"):
    makers = {"Mixer": new_mixer, "ViT": new_vit, "ViT without positions": lambda: new_vit(positions=False)}
    models, accuracies = mixing.train_classifiers(makers, train, test, epochs=size["epochs"])

# %% fold="skip"
# Draws the accuracies
if ready("Q22"):
    means = {name: float(np.mean(values)) for name, values in accuracies.items()}
    spreads = {name: float(np.std(values, ddof=1)) for name, values in accuracies.items()}
    bars(means, spreads, xlabel="test accuracy, % (mean and standard deviation of three seeds)", form="{:.1f}")

# %% tags=["solution"]
assert min(means["Mixer"], means["ViT"]) > 90
assert means["Mixer"] > means["ViT"] - 1.5
assert means["ViT"] > means["ViT without positions"] + 2

# %% [markdown]
# > **Figure 11.2 · Digits read with and without attention.** The Mixer reads the digits at least as well as the ViT
# > with positions. Without positions the ViT is worse.
#
# With the paper's millions of images, the Mixer is about one point behind ViTs trained on the same data (Table 2).
#
# ### Which token depends on which
#
# We change one token a little and measure how much the output of the first block changes at every other token.

# %% fold="skip"
# Measures the dependence for a 0, a 1 and a 7, and draws it for both models
if ready("Q22"):
    three = [int((test.labels == digit).nonzero()[0]) for digit in (0, 1, 7)]
    elsewhere = {}
    for name in ("Mixer", "ViT"):
        model = models[name].eval().cpu()
        maps = [mixing.dependence(model, test.images[k]) for k in three]
        compare([(f"{name}, a {test.labels[k]}", m) for k, m in zip(three, maps, strict=True)])
        elsewhere[name] = np.mean([(a - b).abs().sum() / 32 for a in maps for b in maps if a is not b])
        print(f"{name}: between two images {100 * elsewhere[name]:.0f} % of the dependence moves to other tokens")

# %% tags=["solution"]
assert elsewhere["Mixer"] < elsewhere["ViT"]

# %% [markdown]
# > **Figure 11.3 · Dependence between tokens in the first block.** Rows: the token whose output changes. Columns: the
# > token that was changed. Upper row: the three maps of the Mixer are nearly the same for all images. Lower row:
# > those of the ViT differ from image to image.
#
# In the Mixer the pattern is decided in training. In the ViT it depends on the tokens of each image. This is what
# attention adds, at the cost of n² weights that have to be computed for each image.
#
# ### What a Mixer cannot do
#
# The token MLP has weights for each *position*. The number of tokens is therefore fixed:

# %%
if ready("Q22"):
    larger = F.interpolate(test.images[:5], 12)  # 12 x 12 pixels: 36 tokens
    for name in ("ViT without positions", "Mixer"):
        try:
            logits = models[name].cpu()(larger)
            print(f"{name:<22} on 36 tokens: logits {tuple(logits.shape)}")
        except RuntimeError as error:
            print(f"{name:<22} on 36 tokens: {error}")

# %% [markdown]
# The same weights make the Mixer depend on positions without an embedding. We put the patches of all images into one
# other order:

# %%
if ready("Q22"):
    puzzle = mixing.shuffled(test)
    falls = {name: (mixing.percent(model, test), mixing.percent(model, puzzle)) for name, model in models.items()}
    for name, (before, after) in falls.items():
        print(f"{name:<22} {before:5.1f} % -> {after:5.1f} % on shuffled patches")
    again = mixing.train_classifier(new_mixer, 0, mixing.shuffled(train), puzzle, size["epochs"])
    print(f"a Mixer trained on shuffled patches: {mixing.percent(again, puzzle):.1f} %")

# %% tags=["solution"]
assert falls["Mixer"][1] < 40
assert abs(np.subtract(*falls["ViT without positions"])) < 0.5
assert mixing.percent(again, puzzle) > 88

# %% [markdown]
# A ViT without positions gives the same answer for any order. The Mixer fails on another order, because each row of
# its first matrix belongs to a position. If it is trained on shuffled patches, it is as good as before: neighbouring
# positions have no special meaning for it. (A CNN is worse on shuffled images: lesson 00.)
#
# *CS163, lecture 12* lists successors: ResMLP (a linear layer instead of the token MLP), gMLP (*Pay Attention to
# MLPs*, a gate that mixes tokens), S²-MLP (shifts of channels in four directions) and CycleMLP (shifts along rows and
# columns, for images of any size).
#
# **Answer.** Attention is one way to mix tokens and not the only one. What it adds is mixing that depends on the
# content and that works for any number of tokens.

# %% [markdown]
# ## 2 · Detecting objects
#
# **Question.** How can a transformer output a *set*: for each object in an image a class and a box?
#
# The images are drawn scenes with one to three objects. A box is `cx cy w h`: centre, width and height, as shares of
# the image.

# %%
scenes, unseen = draw_scenes(size["scenes"], seed=1), draw_scenes(200, seed=2)
print(scenes)
show(scene_figure(scenes.images[:6], scenes.boxes[:6]), alt="Six scenes with suns, tiles and tents in dashed boxes.")

# %% [markdown]
# > **Figure 11.4 · Six scenes.** Dashed boxes are the true boxes of a sun, a tile or a tent.
#
# Earlier detectors place thousands of candidate boxes (anchors) on the image and remove duplicates afterwards.
# **DETR** (detection transformer; Carion et al., 2020) predicts the set directly. *CS163, lecture 12*: "No anchors,
# no regression of box transforms. Match predicted boxes to GT boxes with bipartite matching" (GT: ground truth, the
# true boxes). The *introductory deck* cites it as an architecture that combines convolutions with transformers.

# %% fold="skip"
# Draws the architecture
show_detr()

# %% [markdown]
# > **Figure 11.5 · DETR.** A CNN makes a grid of tokens, an encoder mixes them. **Object queries**, learned tokens,
# > attend to each other and to the image in a decoder. Each output gives a class, or “no object”, and a box.
#
# Training needs two things: a number for how well two boxes agree, and a rule that decides which query is compared
# with which object.
#
# ### Q23a · How well two boxes agree
#
# The **intersection over union** (IoU) divides the area that two boxes share by the area that they cover together.
# For boxes that do not meet it is 0, near or far, and has no gradient. **Generalised IoU** (GIoU; Rezatofighi et al.,
# 2019) also uses the smallest box H around both, and subtracts the share of it that is empty:
#
# $$\text{GIoU} = \frac{|A\cap B|}{|A\cup B|} - \frac{|H| - |A\cup B|}{|H|}$$
#
# This function converts centres and sizes to corners:


# %% tags=["setup"]
def corners(boxes):
    """cx cy w h -> left, top, right, bottom"""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


# %% [markdown]
# Write `generalized_iou(boxes_a, boxes_b)` for all pairs of two sets.
#
# {{level: guided}}
# `a` and `b` are arranged so that they broadcast to (n, m, 4). Four blanks of one line: the intersections, the
# unions, the areas of the smallest boxes around both, and the result. Each has the shape (n, m).
# {{end}}
# {{level: standard, open}}
# With a new axis in different places, the corners of the two sets broadcast to (n, m, 4).
# {{end}}


# %% tags=["answer"] question="Q23a"
# Q23a: generalised IoU
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
# <details><summary>Hint: the intersection of two boxes</summary>
#
# In each direction it starts where the later box starts, and ends where the earlier one ends. `torch.maximum` and
# `torch.minimum` compare pair by pair. The last axis then holds width and height, and `.prod(-1)` gives the area.
# </details>
# <details><summary>Hint: boxes far apart have a result above 0</summary>
#
# Their intersection ends before it starts, so its width is negative. Two negative sides give a positive area. Use
# `clamp` on the sides, before they are multiplied.
# </details>

# %% [markdown]
# We move one box away from the other and draw both measures.


# %% fold="skip"
# Draws two boxes at growing distances, with both measures
still, steps = torch.tensor([[0.3, 0.5, 0.24, 0.3]]), torch.linspace(0, 0.5, 26)
moving = still + torch.stack([steps, 0 * steps, 0 * steps, 0 * steps], -1)


def plain_overlap(a, b):  # for boxes of one size that differ in x alone
    common = (0.24 - (a[:, 0] - b[:, 0]).abs()).clamp(min=0) * 0.3
    return common / (2 * 0.24 * 0.3 - common)


def slide(away=0.1):
    other = still + torch.tensor([away, 0, 0, 0])
    numbers = {"IoU": float(plain_overlap(still, other)), "GIoU": float(generalized_iou(still, other))}
    return overlap_figure(still[0], other[0], numbers)


if ready("Q23a"):
    explore(slide, away=[0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    measures = {"GIoU": generalized_iou(still, moving)[0], "IoU": plain_overlap(still, moving)}
    curves(steps, measures, xlabel="distance of the centres", height=2.3)

# %% [markdown]
# > **Figure 11.6 · IoU and GIoU of two boxes that move apart.** IoU is 0 as soon as they do not meet. GIoU continues
# > to fall, so its gradient still pulls them together.
#
# torchvision has the same function:

# %%
ops = load_torchvision().ops

if ready("Q23a"):
    torch.manual_seed(0)
    some, others = torch.rand(50, 4) * 0.5 + 0.1, torch.rand(40, 4) * 0.5 + 0.1
    theirs = ops.generalized_box_iou(corners(some), corners(others))
    print(f"2000 pairs, largest difference {(generalized_iou(some, others) - theirs).abs().max():.0e}")

# %% [markdown]
# ### Q23b · Which prediction belongs to which object
#
# The model outputs q predictions in any order, and there are t objects in any order. **Bipartite matching** pairs
# each object with one prediction, and no prediction twice, so that the *total* cost is smallest. DETR's cost of a
# pair is
#
# $$-\,p(\text{class}) \;+\; 5\,\lVert \text{box} - \text{box}' \rVert_1 \;-\; 2\,\text{GIoU}$$
#
# where $p$ is the predicted *probability* of the object's class. It is not its logarithm, so that the three terms are
# of similar size. Why not take the cheapest pair first, and then the cheapest of what is left?

# %%
price = torch.tensor([[1.0, 2.0], [2.0, 9.0]])  # rows: predictions, columns: objects
rows, columns = linear_sum_assignment(price)
best = price[rows, columns].sum()
print(f"cheapest pair first: {price[0, 0]:.0f} + {price[1, 1]:.0f} = 10; the best pairing costs {best:.0f}")
assert (price[0, 0] + price[1, 1], best) == (10, 4)

# %% [markdown]
# `scipy.optimize.linear_sum_assignment` finds the best pairing without trying all of them. It takes a matrix of costs
# (numpy) and returns row numbers and column numbers.
#
# Write `match` for *one* image. `class_logits` has one column more than there are classes: the last means “no
# object”.
#
# {{level: guided}}
# Four blanks of at most one line: for each prediction (row) the probability of each object's class (column); the
# $\ell_1$ distances of the boxes; the cost; and what is passed to scipy.
# {{end}}
# {{level: standard, open}}
# Return the numbers of the matched predictions and of their objects, as two tensors. The matching is a decision and
# not differentiable: pass scipy a matrix without a gradient.
# {{end}}


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
# <details><summary>Hint: one column for each object</summary>
#
# First compute probabilities, along the axis of classes. Then select columns: a tensor can be indexed by a tensor of
# class numbers, and the same number may occur twice.
# </details>
# <details><summary>Hint: one to one, but not the cheapest</summary>
#
# Check the three signs. What is *good* must lower the cost: a high probability, a small distance, a large GIoU. For
# the distance, `torch.cdist` has an argument `p`.
# </details>

# %% [markdown]
# An example with two objects and three predictions of equal probability:

# %% fold="skip"
# Matches three predictions and two objects: closest pair first, and by your function
things = torch.tensor([[0.35, 0.65, 0.22, 0.22], [0.60, 0.35, 0.22, 0.22]])
guesses = torch.tensor([[0.49, 0.49, 0.22, 0.22], [0.77, 0.20, 0.22, 0.22], [0.84, 0.80, 0.16, 0.16]])


def closest_first(cost):
    cost, pairs = cost.clone(), []
    for _ in range(cost.shape[1]):
        pair = divmod(int(cost.argmin()), cost.shape[1])
        pairs.append(pair)
        cost[pair[0]], cost[:, pair[1]] = torch.inf, torch.inf
    return pairs


if ready("Q23a") and ready("Q23b"):
    undecided, kind = torch.zeros(3, 4), torch.tensor([0, 0])
    apart = (guesses[:, None, :2] - things[None, :, :2]).norm(dim=-1)  # distances of centres, 3 2
    matched = [(int(i), int(j)) for i, j in zip(*match(undecided, guesses, kind, things), strict=True)]
    ways = {"closest pair first": closest_first(apart), "your match": matched}
    totals = {name: sum(float(apart[i, j]) for i, j in pairs) for name, pairs in ways.items()}
    show_matching([(f"{name}: total {totals[name]:.2f}", guesses, things, pairs) for name, pairs in ways.items()])

# %% tags=["solution"]
assert totals["your match"] < totals["closest pair first"] - 0.2

# %% [markdown]
# > **Figure 11.7 · Two ways to match.** Blue: predictions. Orange, dashed: objects. Lines join matched pairs; the
# > title gives the sum of their distances. If the closest pair is taken first, the other object is left with a
# > distant one.
#
# ### Q23c · The loss of a detector
#
# The loss compares the predictions of a batch with the objects of each image:
#
# 1. Match the predictions of each image with its objects, by `match`.
# 2. **Classes.** The target of a matched query is the class of its object. The target of every other query is “no
#    object”, the last class. Take the cross-entropy over all queries of the batch, in which “no object” has the
# weight
#    `no_object` and all other classes have the weight 1 (the argument `weight` of `F.cross_entropy`).
# 3. **Boxes.** For the matched pairs of all images together: the mean over the pairs of the $\ell_1$ distance (the
#    sum of the four absolute differences), and the mean of 1 - GIoU.
# 4. The loss is classes + 5 · $\ell_1$ + 2 · (1 - GIoU).
#
# Most queries match nothing. With full weight, a model that always answers “no object” would already have a low loss.
# DETR uses the weight 0.1.
#
# {{level: guided}}
# Five blanks: the targets of the matched queries, the weights of the classes, the cross-entropy, the $\ell_1$ term
# and the GIoU term. `generalized_iou` compares all pairs; you need those on the diagonal.
# {{end}}
# {{level: standard, open}}
# `targets` has an entry for each image: its classes (t,) and its boxes (t, 4). An image may have no object. At least
# one image of a batch has one.
# {{end}}


# %% tags=["answer"] question="Q23c"
# Q23c: the loss of a detector
def detection_loss(class_logits, boxes, targets, no_object=0.1):
    """(b, q, classes + 1), (b, q, 4), a list of (classes (t,), boxes (t, 4)) for each image -> a number"""
    b, q, c = class_logits.shape
    wanted = torch.full((b, q), c - 1, device=class_logits.device)  # "no object" everywhere
    found, true = [], []
    for k, (classes, target_boxes) in enumerate(targets):
        i, j = match(class_logits[k].detach(), boxes[k].detach(), classes, target_boxes)
        i, j = i.to(boxes.device), j.to(boxes.device)
        wanted[k, i] = classes[j]  # BLANK
        found.append(boxes[k][i])
        true.append(target_boxes[j])
    found, true = torch.cat(found), torch.cat(true)  # matched boxes of all images, pair by pair
    weight = torch.ones(c, device=boxes.device)
    weight[-1] = no_object  # BLANK
    of_classes = F.cross_entropy(class_logits.flatten(0, 1), wanted.flatten(), weight)  # BLANK
    of_corners = (found - true).abs().sum(-1).mean()  # BLANK
    of_fit = 1 - generalized_iou(found, true).diagonal().mean()  # BLANK
    return of_classes + 5 * of_corners + 2 * of_fit


# %% tags=["check"] question="Q23c" points=4
check("Q23c", detection_loss)

# %% [markdown]
# <details><summary>Hint: cross_entropy complains about shapes</summary>
#
# It takes scores (n, classes) and targets (n,). Merge the axes of images and of queries, in both tensors.
# </details>
# <details><summary>Hint: the loss is right and the gradient of the boxes is not</summary>
#
# The boxes that enter the loss must be the model's own, indexed by the matching. Only what `match` receives is
# detached.
# </details>

# %% [markdown]
# ### A small DETR
#
# The model is in helpers/experiments/detr.py: a convolutional stem that makes 36 tokens, your encoder block, and two
# decoder blocks. DETR's queries start at random and need 500 epochs. Ours start at **anchors**, points of a grid, and
# learn to move them (the idea of *Anchor DETR*). The loss is computed after each decoder block and added up. We use
# `no_object=0.6`, because we have only 9 queries, not 100.

# %% fold="read"
# Makes the model, and shows its boxes before training
found_things = all(ready(q) for q in ("Q23a", "Q23b", "Q23c"))
if found_things:
    torch.manual_seed(0)
    width = size["width"]
    detr = detection.DETR(
        TransformerEncoderBlock(width, 4, 2), lambda: mlp(width, 2 * width), width, queries=size["queries"]
    ).to(where)
    untrained = detection.detect(detr, unseen.images, where)
    boxes_only = [[(box, "") for box in boxes] for boxes in untrained[1][:6]]
    show(scene_figure(unseen.images[:6], unseen.boxes[:6], boxes_only), alt="Before training: boxes at random places.")

# %% [markdown]
# > **Figure 11.8 · Before training.** Yellow: the boxes of all queries. White, dashed: the true boxes.

# %%
if found_things:
    losses = detection.train_detr(
        detr,
        lambda logits, boxes, targets: detection_loss(logits, boxes, targets, no_object=0.6),
        scenes,
        size["detr steps"],
        where,
    )
    print(f"{mixing.parameters_of(detr):,} parameters, {len(losses)} steps of 32 images")

# %% fold="skip"
# Draws the loss and the detections after training
if found_things:
    smooth = np.convolve(losses, np.ones(10) / 10, "valid")
    curves(range(len(smooth)), {"loss": smooth}, xlabel="step", ylabel="mean of 10 steps", height=2.0)
    trained = detection.detect(detr, unseen.images, where)
    confident = detection.confident(trained[0][:8], trained[1][:8], unseen.kinds)
    show(scene_figure(unseen.images[:8], unseen.boxes[:8], confident, columns=4),
         alt="After training: most objects are framed and named.")  # fmt: skip

# %% [markdown]
# > **Figure 11.9 · Training loss, and detections on unseen images.** White, dashed: the true boxes. Yellow: queries
# > that give an object a probability of at least 0.5.
#
# In numbers, over 200 unseen images:

# %%
if found_things:
    detection.report("before training", *untrained, unseen, match, corners)
    scores = detection.report("after training", *trained, unseen, match, corners)

# %% tags=["solution"]
assert scores[0] > 0.6
assert scores[1] > 0.75
assert scores[2] > 0.6

# %% [markdown]
# After a few seconds of training most objects are found. The boxes are not yet tight, and some detections are
# duplicates. This is one run with one seed. The original model was trained for days on 16 GPUs. With 500 epochs it
# was as accurate as a well-tuned Faster R-CNN: better on large objects, worse on small ones (Table 1).
#
# What have the queries learned? The next figure shows the centres of all detections over 200 images.

# %%
if found_things:
    logits, boxes = trained
    claimed = torch.where((logits.argmax(-1) < 3)[..., None], boxes, torch.nan)
    show_territories(claimed.transpose(0, 1)[:9])

# %% [markdown]
# > **Figure 11.10 · Each query is responsible for a region.** A dot is the centre of a detected box. The regions lie
# > around the anchors. (In DETR the queries have no anchors, and regions develop all the same: Figure 7 of the
# > paper.)
#
# **Answer.** A detector needs queries that attend to the image, a matching that assigns each object to one query, and
# a loss over the matched pairs. The one-to-one matching teaches the other queries to answer “no object”.

# %% [markdown]
# ## 3 · Generating images
#
# **Question.** How does a transformer generate an image, and how is it told which one?
#
# A **diffusion** model learns to remove noise. Take a digit and noise of the same size, and the straight line between
# them: at `t = 0` the digit, at `t = 1` the noise.

# %% fold="skip"
# Draws four digits on their way to noise
digits = 2 * raw[0].images - 1  # -1 to 1
torch.manual_seed(0)
noise, stops = torch.randn(4, 1, 8, 8), [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
path = [
    (f"a {raw[0].labels[k]}", torch.stack([(1 - t) * digits[k] + t * noise[k] for t in stops])) for k in range(4)
]  # fmt: skip
show(strip_figure(path, columns=[f"t = {t:g}" for t in stops]), alt="Four digits on their way to noise.")

# %% [markdown]
# > **Figure 11.11 · From digit to noise.** The model sees such an image with its `t` and its class.
#
# The model learns to predict the *direction* of the line, noise minus digit. To generate, we start from noise and
# walk back step by step, asking the model for the direction. (This straight version is called flow matching. The DiT
# paper uses an older, curved one. The block is the same.)
#
# *CS163, lecture 12* describes DiT (diffusion transformer): "For latent diffusion models, replacing the commonly-used
# U-Net backbone with a transformer that operates on latent patches", and calls it the "core model behind OpenAI's
# Sora". A **U-Net** is a CNN that reduces and then restores the resolution, with connections between equal sizes. A
# **latent** diffusion model works on the small feature maps of a separately trained autoencoder and not on pixels.
# Our digits are small enough to work on pixels. The tokens are 16 patches of 2 x 2.
#
# How does the model receive `t` and the class? Peebles and Xie compared additional tokens, cross-attention and two
# kinds of normalisation (their Figure 5). The best was **adaptive layer norm**: the condition c sets the scales and
# shifts.

# %% fold="skip"
# Draws the adaLN-zero block
show_adaln()

# %% [markdown]
# > **Figure 11.12 · The adaLN-zero block.** A linear layer computes six vectors from the condition c: a shift, a
# > scale and a gate for each half. The gate multiplies what is added to the residual stream.
#
# $$x \leftarrow x + g_1 \odot \mathrm{MHA}\big(\mathrm{LN}(x) \odot (1 + s_1) + h_1\big) \qquad
# x \leftarrow x + g_2 \odot \mathrm{FFN}\big(\mathrm{LN}(x) \odot (1 + s_2) + h_2\big)$$
#
# The linear layer starts at **zero**, weights and bias. All gates are then 0, and a new block returns x unchanged:
# this is the *zero* in adaLN-zero.
#
# ### Q24 · DiT's block
#
# `MultiHeadAttention` and `FeedForwardBlock` are those of lessons 05 and 06. The norms have no weights of their own:
# `elementwise_affine=False`.
#
# {{level: guided}}
# Seven blanks of at most a line: SiLU and a linear layer to six times the width; its weights and its bias set to
# zero; c turned into six parts of shape (b, 1, d), in any order; and for each half the modulated input and the sum.
# {{end}}
# {{level: standard, open}}
# `modulation` is a SiLU followed by a linear layer to six times the width. The order of the six parts is free.
# {{end}}


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
# <details><summary>Hint: a new block changes x</summary>
#
# A linear layer starts with random weights *and* a random bias; `nn.init.zeros_` sets one tensor to zero. Check also
# where the gate stands: it multiplies what is added, before the addition.
# </details>
# <details><summary>Hint: sizes don't match in forward</summary>
#
# The six parts are (b, d), tokens are (b, n, d). An axis of length 1 in the middle (`[:, None]`) lets one part
# broadcast to all tokens of its image. `chunk` cuts an axis into equal pieces.
# </details>
# <details><summary>Hint: with scale 0 the input of a half is 0</summary>
#
# A scale of zero should mean “unchanged”. By which number do you multiply to change nothing?
# </details>

# %% [markdown]
# ### Zero-initialised, still trainable
#
# We put twelve new blocks in a row, and compare them with the same blocks after a random initialisation of the
# modulation.

# %% fold="skip"
# Measures the size of the residual stream through twelve blocks
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

    out, zero_start = sizes_through(stack)
    print("the output of twelve new blocks equals x:", torch.equal(out, x))
    zero_matrices = [p for block in stack for p in block.parameters() if p.ndim == 2 and not p.any()]
    for matrix in zero_matrices:
        nn.init.normal_(matrix, std=0.3)
    random_start = sizes_through(stack)[1]
    series = {"zero": zero_start, "random": random_start}
    curves(range(13), series, xlabel="blocks", ylabel="size of the stream", height=2.2)

# %% tags=["solution"]
assert torch.equal(out, x)
assert len(zero_matrices) == 12
assert random_start[-1] > 1.2

# %% [markdown]
# > **Figure 11.13 · Size of the residual stream (standard deviation, relative to the input).** With zero
# > initialisation it stays 1 through all blocks.
#
# A deep stack that starts as the identity does not disturb training at the start. But can it learn if everything is
# multiplied by zero? We look which of the six parts receive a gradient in a new block:

# %% fold="read"
# Counts the modulations that receive a gradient
if ready("Q24"):
    torch.manual_seed(0)
    block = AdaLNZeroBlock(48, 4)
    block(x, c).square().sum().backward()
    made = [p for p in block.parameters() if p.ndim == 2 and not p.any()]  # what computes the modulations
    with_gradient = sum(int((p.grad != 0).any(p.shape.index(min(p.shape))).sum()) for p in made)
    print(f"{with_gradient} of {6 * 48} modulations receive a gradient: {with_gradient // 48} of the 6 parts")
    grads = [(p, p.grad) for p in block.parameters() if p.grad is not None]
    others = [g for p, g in grads if len(p) != 6 * 48 and p.shape[-1] != 6 * 48]
    print("sum of all other gradients:", sum(float(g.abs().sum()) for g in others))

# %% tags=["solution"]
assert with_gradient == 2 * 48
assert sum(float(g.abs().sum()) for g in others) == 0

# %% [markdown]
# Two of six: the gates. In the first step only they change. As soon as they differ from zero, all other weights
# receive gradients.
#
# ### A small DiT
#
# The model (helpers/experiments/dit.py) has three of your blocks. The condition is the sum of an encoding of `t` and
# an embedding of the class. In one of ten training images the class is hidden, so that the model also learns the
# direction for “any digit”. During training it generates ten digits from the same noise.

# %%
if ready("Q24"):
    torch.manual_seed(0)
    dit, length = DiT(AdaLNZeroBlock, *size["dit"]).to(where), size["dit steps"]
    film = [0, length // 16, length // 8, length // 4, length // 2, length]
    losses, shots = train_dit(dit, digits, raw[0].labels, length, where, film=film)
    show(strip_figure(shots, columns=[str(k) for k in range(10)]), alt="Ten samples as training proceeds.")

# %% [markdown]
# > **Figure 11.14 · Samples during training.** One row for each point in training, one column for each class, always
# > from the same noise.
#
# How many steps does sampling need?


# %% fold="skip"
# Draws the intermediate images of three samples, for 1, 2, 4 and 8 steps
def walk(steps=8):
    torch.manual_seed(5)
    stations = sample(dit, torch.tensor([3, 5, 8]), torch.randn(3, 1, 8, 8), where, steps)
    shown = torch.linspace(0, steps, min(steps, 8) + 1).round().long()
    return strip_figure([(f"a {k}", stations[shown, i]) for i, k in enumerate((3, 5, 8))], side=0.42)


if ready("Q24"):
    explore(walk, steps=[1, 2, 4, 8])

# %% [markdown]
# > **Figure 11.15 · From noise (left) to a digit (right) in 1, 2, 4 or 8 steps.** With one step the model can only
# > output the mean of all digits of the class that fit this noise, which is blurred. Further steps let it commit to
# > one digit.
#
# ### Are these digits?
#
# We ask a classifier that was trained on the real digits how often it recognises the class that was requested.
# **Classifier-free guidance** follows the difference between the direction for the class and the direction for any
# digit `guidance` times as far.

# %%
if ready("Q24"):
    judge = DigitJudge(*raw)
    torch.manual_seed(1)
    noises = torch.randn(3, 100, 1, 8, 8)
    print(f"real test digits: {judge.real:.1f} % recognised, variety {judge.variety(judge.of_test):.2f}")
    print(f"plain noise: {judge.recognised(noises[0]):.0f} %")
    for steps in (1, 2, 4, 8):
        some = sample(dit, judge.wanted, noises[0], where, steps)[-1]
        print(f"{steps} step{'s' * (steps > 1)}: {judge.recognised(some):.0f} % recognised, "
              f"variety {judge.variety(judge.rows(some)):.2f}")  # fmt: skip

# %%
if ready("Q24"):
    scores = {}
    for guidance in (1.0, 2.0, 4.0):
        runs = [sample(dit, judge.wanted, start, where, guidance=guidance)[-1] for start in noises]
        rates = [judge.recognised(one) for one in runs]
        scores[guidance] = np.mean(rates), judge.variety(judge.rows(runs[0]))
        listed = ", ".join(f"{rate:.0f}" for rate in rates)
        print(f"16 steps, guidance {guidance:g}: {listed} % recognised, variety {scores[guidance][1]:.2f}")

# %% tags=["solution"]
assert scores[1.0][0] > 85
assert scores[4.0][0] >= scores[1.0][0]
assert scores[4.0][1] < scores[1.0][1]
single = sample(dit, judge.wanted, noises[0], where, 1)[-1]
assert judge.recognised(single) > 90
assert judge.variety(judge.rows(single)) < 0.8 * scores[1.0][1]

# %% [markdown]
# “Variety” is the mean distance of the samples from the mean of their class. A single step gives images that are
# recognised nearly always and have much less variety than real digits, since all are close to the mean of their
# class. Recognition alone is therefore no measure of quality. Guidance makes samples clearer and more similar to each
# other.
#
# Has the model memorised training images? We compare each sample with the nearest one:

# %%
if ready("Q24"):
    generated = sample(dit, judge.wanted, noises[0], where)[-1]
    of_samples, of_real = judge.nearest(judge.rows(generated)), judge.nearest(judge.of_test)
    far = of_samples.values.mean(), of_real.values.mean()
    print(f"mean distance to the nearest training image: samples {far[0]:.2f}, real test digits {far[1]:.2f}")
    rows = [("generated", generated[:10]), ("nearest real", digits[of_samples.indices[:10]])]
    show(strip_figure(rows), alt="Ten samples and, below each, the most similar training image.")

# %% tags=["solution"]
assert far[0] > far[1]

# %% [markdown]
# > **Figure 11.16 · Samples and the most similar training images.** The samples are farther from the training set
# > than real test digits are, so they are not copies. Part of that distance is that they are not perfect digits
# > either.
#
# (A large model that is trained on few images for long does copy them; this distance then falls.)
#
# **Try it.** The class enters as a vector, so there are classes between two digits.

# %%
one, other, share = 3, 8, 0.5  # change these

if ready("Q24"):
    mixed = halfway(dit, lambda: DiT(AdaLNZeroBlock, *size["dit"]), one, other, share)
    torch.manual_seed(2)
    start = torch.randn(8, 1, 8, 8)
    kinds = ((f"a {one}", dit, one), ("between", mixed, 0), (f"a {other}", dit, other))
    rows = [(text, sample(model, torch.full((8,), k), start, where)[-1]) for text, model, k in kinds]
    show(strip_figure(rows), alt="Samples of two classes, and of a class between them.")

# %% [markdown]
# > **Figure 11.17 · Samples of two classes and of a mixture of their embeddings,** column by column from the same
# > noise.
#
# **Answer.** A diffusion transformer predicts a direction from noisy patches, and sampling follows it in steps. Time
# and class enter through the scales, shifts and gates of each block.

# %% [markdown]
# ## 4 · The same block elsewhere
#
# **Question.** What changes when the input or the output is text, video or handwriting?
#
# **Captioning.** The *SUTD lecture (50.039, W9-S1)* shows captions that a transformer wrote, such as "A woman is
# throwing a frisbee in a park." Patches and words form one sequence. The caption is generated word by word. A word
# may attend to all patches and to itself and earlier words. Patches attend to patches only:

# %% fold="skip"
# Draws the mask for a scene and a caption
words = ["<start>", "a", "sun", "and", "a", "tile"]
pair = next(k for k in range(len(scenes)) if sorted(scenes.classes[k].tolist()) == [0, 1])
show_captioning(scenes.images[pair], words)

# %% [markdown]
# > **Figure 11.18 · The mask of a captioner.** Row: the query, column: the key; pale grey is blocked. The patches see
# > no word, so their outputs do not change while the caption grows.
#
# **Video.** A patch gets a third dimension: the same place in two frames is one token, a **tubelet**. A video
# captioner, as in the lecture, then works as above.

# %% fold="skip"
# Cuts four frames into tubelets and draws them
wide = draw_scenes(1, seed=557, size=36).images[0]
frames = torch.stack([wide[:, 6:30, 3 * k : 3 * k + 24] for k in range(4)])  # the camera moves: 4 3 24 24
tubelets = rearrange(frames, "(f t) c (r p) (s q) -> (f r s) (t p q c)", t=2, p=12, q=12)
print(f"{tuple(frames.shape)} -> {len(tubelets)} tokens of {tubelets.shape[1]} numbers")
show_tubelets(frames, depth=2)

# %% [markdown]
# > **Figure 11.19 · Tubelets.** Frames of one colour at the same place form one token.
#
# **Handwriting.** A line of text is cut into narrow columns, which are the tokens in reading order. There are more
# columns than letters, so the output alphabet has an additional symbol, the **blank** of CTC (connectionist temporal
# classification), which means “no new letter here”. The lecture shows how hard this is: for one line its models read
# "more of national temperament", "more of natural temperament" and "more of nutional remperchaent".

# %% fold="skip"
# Cuts a line of four digits into columns
line = torch.cat([raw[0].images[int((raw[0].labels == k).nonzero()[0]), 0] for k in (2, 0, 1, 7)], 1)  # 8 32
columns_of_line = rearrange(line, "h (n w) -> n (h w)", w=4)
print(f"{tuple(line.shape)} -> {len(columns_of_line)} tokens of {columns_of_line.shape[1]} numbers")
show_handwriting(line, 4, ["2", "0", "1", "7"])

# %% [markdown]
# > **Figure 11.20 · A line of handwriting as eight tokens.**
#
# **Answer.** What changes is how tokens are cut, which token may attend to which, and what is read out at the end.
# The block in the middle stays the same. *CS163, lecture 12* closes with an estimate of why: "Main benefit is
# probably speed: Matrix multiply is more hardware-friendly than convolution". That is about large models on GPUs. In
# our small models on a CPU it does not show: in lesson 10 a CNN with as many weights takes about as long per step as
# the ViT.
#
# > ### What could go wrong
# > - **`reshape` instead of a transpose.** Shapes fit, and each “column” holds pieces of several tokens.
# > - **Corners and centres confused.** Nothing raises an error; the boxes are never right. Write the convention into
# >   the docstring.
# > - **Clamping an area instead of sides.** Two negative widths make a positive intersection.
# > - **Matching inside the gradient.** The pairing is a decision and not differentiable: detach the cost.
# > - **“No object” at full weight.** Most queries see nothing, and a model that always says so has a low loss.
# > - **A scale without its 1.** A scale of 0 then removes the input of the branch.
# > - **Zeros in the wrong place.** A gate at zero can learn, because what it multiplies is not zero. If the branch
# >   *and* the gate start at zero, no gradient ever arrives (below).

# %%
gate, branch = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
(gate * branch).backward()
print(f"both zero: gradients {gate.grad.item():.0f} and {branch.grad.item():.0f}")
gate, branch = torch.zeros(1, requires_grad=True), torch.ones(1, requires_grad=True)
(gate * branch).backward()
print(f"gate zero: gradients {gate.grad.item():.0f} and {branch.grad.item():.0f}")

# %% [markdown]
# ## Stretch · Q24b: writing a caption
#
# Write `write_caption(model, patches, start, end, max_words)`, the loop that generates a caption. Words are numbers,
# and `start` and `end` are two of them.
#
# - `model(patches, words, mask)` takes the patches `(n, d)`, the words so far `(k,)` (the first one is `start`), and
#   the mask of Figure 11.18 as a boolean tensor `(n + k, n + k)`, True where attending is allowed. It returns scores
#   `(k, vocabulary)`: row i scores the word that follows word i.
# - In each step take the word with the highest score (**greedy decoding**).
# - Stop at `end`, or after `max_words` words.
# - Return the words without `start` and `end` as a tensor of whole numbers.
#
# This question is optional. Show, Attend and Tell (Xu et al., ICML 2015) introduced attention to captioning.


# %% tags=["answer"] question="Q24b" kind="stretch"
# Q24b: writing a caption
def write_caption(model, patches, start, end, max_words=12):
    """Patches (n, d) -> word numbers (at most max_words,), without start and end."""
    # BEGIN BLANK
    n, words = len(patches), [start]
    while len(words) <= max_words:
        k = len(words)
        mask = torch.ones(n + k, n + k, dtype=torch.bool, device=patches.device).tril()
        mask[:n, :n] = True
        scores = model(patches, torch.tensor(words, device=patches.device), mask)
        best = int(scores[-1].argmax())
        if best == end:
            break
        words.append(best)
    return torch.tensor(words[1:], dtype=torch.long)
    # END BLANK


# %% tags=["check"] question="Q24b" points=3
check("Q24b", write_caption)

# %% [markdown]
# <details><summary>Hint: the mask</summary>
#
# It has four parts: patches to patches, patches to words, words to patches, words to words. One of them is a
# triangle, one is False, two are True.
# </details>
# <details><summary>Hint: the caption is one word too long or too short</summary>
#
# `max_words` does not count `start`. And `end` is never returned.
# </details>

# %% [markdown]
# ## 5 · In words
#
# **W11a** (2 points). A colleague trains a Mixer on images of 224 x 224 pixels in patches of 16, and wants to use it
# on 384 x 384. Another does the same with a ViT. What does each have to change, and why? And how does the number of
# weights of a token-mixing half grow with the number of tokens, compared with those of attention?

# %% [markdown] tags=["written"] question="W11a" points=2
# The images have 196 and 576 tokens. The Mixer's token MLP is a matrix from 196 positions to a hidden width, so it
# has no weights for 380 more positions: it has to be trained again, or its matrices must be interpolated over the
# grid. The ViT's attention has no weights that belong to positions, so its blocks run unchanged; only its position
# embedding must be interpolated (lesson 12). A token-mixing half has about 2 · n · token_dim learned weights, which
# grows with n (with n² if token_dim grows in proportion). Attention's learned weights, 4 d², do not depend on n. (The
# attention weights that are *computed*, n² for each head, do.)

# %% [markdown] tags=["rubric"]
# **W11a, 2 points.**
# - ½ point: the Mixer's token MLP has a fixed number of tokens: new or interpolated weights.
# - ½ point: the ViT's blocks run unchanged.
# - ½ point: but its position embedding must be interpolated (or be of a kind that continues).
# - ½ point: learned weights grow with n in the Mixer and not in attention (n² numbers are computed, not learned).
#
# A half-right answer: "The Mixer must be trained again, since its token MLP has weights for each token. The ViT needs
# no change. Attention needs n² weights, the Mixer n." The Mixer's fixed number of tokens (½), the ViT's blocks (½), no
# word about its positions (0), computed numbers taken for learned weights (0): 1 point.

# %% [markdown]
# **W11b** (2 points). A colleague trains the small DETR with the rule “each object is compared with the query whose
# box is nearest to it” instead of your matching. Describe what can go wrong in an image with two objects close
# together, and what can go wrong in an image with one object. What does the one-to-one rule teach the queries that
# other detectors do in a separate step afterwards?

# %% [markdown] tags=["written"] question="W11b" points=2
# Two objects close together may have the same nearest query. It is then trained to output two boxes at once, and the
# best it can do is their mean; one of the objects is lost. In an image with one object nothing distinguishes the
# chosen query from others near it: if these are compared as well (“nearest object for each query”), all of them learn
# to report the object, and it is found several times. One-to-one matching makes exactly one query responsible for
# each object and trains all others to answer “no object”. Because the queries attend to each other, they can learn to
# leave an object to one of them. Other detectors remove duplicates afterwards, by non-maximum suppression.

# %% [markdown] tags=["rubric"]
# **W11b, 2 points.**
# - ½ point: two objects can get the same query; one is lost or both are averaged.
# - ½ point: one object can be reported by several queries (no query is trained to answer “no object” there).
# - ½ point: one-to-one: exactly one query is responsible for an object, the others learn “no object”.
# - ½ point: this replaces the removal of duplicates afterwards (non-maximum suppression).
#
# A half-right answer: "Two close objects can get the same query, and then one is lost. With one-to-one matching each
# object has its own query, and all others learn 'no object'." A shared query (½), nothing about duplicates of one
# object (0), one query for each object (½), no step that this replaces (0): 1 point.

# %% [markdown]
# ## 6 · Summary
#
# | | |
# |---|---|
# | Mixer | an MLP over tokens and an MLP over channels; the pattern of mixing and the number of tokens are fixed |
# | boxes | centre and size for learning, corners for areas; GIoU has a gradient where IoU is 0 |
# | bipartite matching | all pairs at once, smallest total, one to one; not part of the gradient |
# | detection loss | classes of all queries, boxes of matched pairs; “no object” has a small weight |
# | object queries | learned tokens that attend to the image; each object is assigned to one of them |
# | adaLN-zero | the condition makes shift, scale and gate; at the start the block is the identity |
# | diffusion | learn the direction from image to noise, then walk back from noise in steps |
#
# **Further reading**
# - Tolstikhin et al., *MLP-Mixer: An all-MLP Architecture for Vision*, NeurIPS 2021. Figure 1: the block; Table 2:
#   comparison with other models; Figure 4: shuffled pixels.
# - Touvron et al., *ResMLP*, 2021; Liu et al., *Pay Attention to MLPs*, NeurIPS 2021.
# - Carion et al., *End-to-End Object Detection with Transformers*, ECCV 2020. Table 1: comparison with Faster R-CNN;
#   Figure 7: the queries' regions; section 3.1: matching and loss.
# - Rezatofighi et al., *Generalized Intersection over Union*, CVPR 2019. Figure 1: equal distances, unequal overlap;
#   Algorithm 1: the formula.
# - Wang et al., *Anchor DETR*, AAAI 2022: queries with a place, as here.
# - Peebles and Xie, *Scalable Diffusion Models with Transformers*, ICCV 2023. Figure 3: your block; Figure 5: four
#   ways to pass the class.
# - Lipman et al., *Flow Matching for Generative Modeling*, ICLR 2023. Section 4.1, example II: the straight path.
# - Ho and Salimans, *Classifier-Free Diffusion Guidance*, 2022. Figure 1: more guidance, less variety.
# - Arnab et al., *ViViT: A Video Vision Transformer*, ICCV 2021. Figure 3: tubelets.
#
# Next: **12 · Pretrained**, in which weights trained by others are used.
