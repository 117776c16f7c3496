# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 12 · Pretrained: somebody else's weights {{badge}}
#
# **In one sentence:** you will make a pretrained ViT take images it was never meant for, find out when its
# weights are worth having and how to touch them gently, and enter a leaderboard with hidden images.
#
# | | |
# |---|---|
# | **You need** | position codes (lesson 02), the whole ViT (07), training (08) |
# | **Time** | 75 minutes |
# | **You write** | Q25 positions for another grid, Q26 a first layer for grey, Q27 your entry; W12a, W12b |
#
# **Afterwards you can**
# - read timm's complaints, and know what `img_size`, `in_chans` and `num_classes` really do;
# - resize a position table and fold three colours into one, to the last digit as timm does;
# - freeze, unfreeze, and give each layer a learning rate of its own;
# - tell a transfer that helps from one that doesn't, with seeds.

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
import time
from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from helpers import check, ready
from helpers.data import load
from helpers.data.shapes import draw_shapes
from helpers.data.weather import weather
from helpers.device import device
from helpers.explore import explore
from helpers.pictures.pretrained import (
    filled_up,
    misread,
    nearest_copied,
    show_learning,
    show_likeness,
    show_moves,
    stretched_as_a_line,
    waves,
)
from helpers.plots import bars, figure, show_images
from helpers.questions.leaderboard import validation
from helpers.torchvision_ops import load_torchvision
from helpers.training import evaluate, fit
from helpers.weights import WeightsUnavailable, pretrained_model

torch.set_num_threads(1)  # what is trained here is small: more threads only wait for each other

# %% [markdown]
# **timm** (*PyTorch Image Models*) is the shelf from which most people take a ViT. It imports torchvision, and
# on some machines torchvision's compiled part doesn't fit torch; then `import timm` ends in *operator
# torchvision::nms does not exist*. One line of ours goes first and mends that:

# %%
load_torchvision()
import timm
from timm.models.vision_transformer import VisionTransformer

print("timm", timm.__version__, "knows", len(timm.list_models("vit_*")), "kinds of ViT")

# %% [markdown]
# ## 1 · Off the shelf
#
# ViT-S/16: width 384, 12 blocks, patches of 16, images of 224 x 224, 1000 classes. No weights are fetched here
# (`pretrained=False`); the structure is all we need for now. You can count it by hand:


# %%
def vit_parameters(d, depth, patch, image, classes, channels=3, mlp=4):
    first = channels * patch**2 * d + d
    tokens = d + ((image // patch) ** 2 + 1) * d  # class token, one code per token
    block = (4 + 2 * mlp) * d**2 + (4 + mlp + 1) * d + 2 * 2 * d  # matrices, their biases, two norms
    return first + tokens + depth * block + 2 * d + d * classes + classes


vit = timm.create_model("vit_small_patch16_224", pretrained=False).eval()
counted = sum(p.numel() for p in vit.parameters())
print(f"counted {counted:,}, by the formula {vit_parameters(384, 12, 16, 224, 1000):,}")
print(f"as a file, in single precision: {4 * counted / 1e6:.0f} MB")
assert counted == vit_parameters(384, 12, 16, 224, 1000) == 22_050_664

# %% [markdown]
# ### And now a grey digit of 28 x 28


# %%
def tried(model, images):
    try:
        with torch.no_grad():
            return f"works: {tuple(model(images).shape)}"
    except Exception as error:
        return f"{type(error).__name__}:\n    {str(error).replace('Given groups=1, ', '')}"


grey, colour = torch.rand(2, 1, 28, 28), torch.rand(2, 3, 28, 28)
resnet = timm.create_model("resnet18", pretrained=False).eval()
for name, model in (("ViT-S", vit), ("ResNet-18", resnet)):
    print(f"{name}, 28 x 28 grey  -> {tried(model, grey)}")
    print(f"{name}, 28 x 28 RGB   -> {tried(model, colour)}")
print(f"ViT-S, 224 x 224 grey -> {tried(vit, torch.rand(1, 1, 224, 224))}")

# %% tags=["solution"]
assert "doesn't match model (224)" in tried(vit, colour)
assert "3 channels" in tried(vit, torch.rand(1, 1, 224, 224))
assert "3 channels" in tried(resnet, grey)
assert tried(resnet, colour) == "works: (2, 1000)"

# %% [markdown]
# Two complaints, for two reasons:
#
# - **three channels**: the first layer holds one slice of weights per colour. That is so in any CNN, too;
# - **224**: a ViT has a table with one code for each of its 14 x 14 places. A CNN has no such table: its filters
#   slide over any size, and the average at the end takes whatever is left.
#
# "Works" is not "sees", though. What is left of 28 x 28 inside the ResNet?

# %%
stages = timm.create_model("resnet18", pretrained=False, features_only=True).eval()
with torch.no_grad():
    for side in (224, 28):
        maps = stages(torch.rand(1, 3, side, side))
        print(f"{side:>3}: " + " -> ".join(f"{m.shape[-2]} x {m.shape[-1]}" for m in maps))

# %% [markdown]
# A map of 1 x 1: the last stage, made to see how parts lie in 7 x 7 places, has one.
#
# ### Three arguments
#
# timm builds another model if you ask. On the device `meta` tensors have shapes and no numbers, so this costs
# nothing:

# %%
wishes = {
    "as it is": {},
    "num_classes=10": {"num_classes": 10},
    "in_chans=1": {"in_chans": 1},
    "img_size=28": {"img_size": 28},
    "img_size=28, patch_size=4": {"img_size": 28, "patch_size": 4},
}
with torch.device("meta"):
    for text, wish in wishes.items():
        model = timm.create_model("vit_small_patch16_224", pretrained=False, **wish)
        first, table = model.patch_embed.proj.weight, model.pos_embed
        print(f"{text:<26} first layer {tuple(first.shape)!s:<17} table {tuple(table.shape)!s:<14} "
              f"head {tuple(model.head.weight.shape)}")  # fmt: skip

# %% [markdown]
# Each argument changes one tensor, and a tensor of another shape can't take the old weights:
#
# | argument | tensor | what timm does with pretrained weights |
# |---|---|---|
# | `num_classes` | head | thrown away: a new head starts at random |
# | `img_size` | position table | **resampled**: Q25 |
# | `in_chans` | first layer | **folded**: Q26 |
#
# ### `img_size=28` alone: nobody complains
#
# 28 isn't a multiple of 16. Which pixels does the one remaining patch see?

# %%
patcher = timm.layers.PatchEmbed(img_size=28, patch_size=16, in_chans=1, embed_dim=8)
image = torch.rand(1, 1, 28, 28, requires_grad=True)
patcher(image).sum().backward()
seen = int((image.grad != 0).sum())
print(
    f"{patcher.num_patches} patch, which sees {seen} of {28 * 28} pixels: {100 * seen / 28**2:.0f} %"
)  # fmt: skip
assert (patcher.num_patches, seen) == (1, 256)

# %% [markdown]
# Two thirds of the digit are dropped without a word. A convolution with a stride leaves out what doesn't fit.
# Take a patch size that divides, or resize the image.

# %% [markdown]
# ## 2 · Q25: positions for another grid
#
# A pretrained table was learned for one grid. The image of another size has another grid, and its places lie *between*
# the old ones. So read the table as a picture: 14 x 14 pixels, 384 channels. Then resize that picture.
#
# The class token stands nowhere in the image. Its row isn't part of the picture.
#
# Tables of large models come out of training smooth: neighbours have like codes (Figure 7 of the ViT paper). Here is
# a smooth table to look at, sines and cosines of where a patch lies in the image. We can compute it for any grid, so
# we know what *should* come out.

# %%
old, new = (8, 8), (12, 12)
known, wished = waves(old), waves(new)  # places, 64
show_likeness([("8 x 8 places", known, old), ("12 x 12 places: what we want", wished, new)])

# %% [markdown]
# Red places have codes like that of the framed one. Now four quick ways to 12 x 12. All have the right shape and
# raise nothing:

# %%
ways = {
    "filled up\nwith zeros": filled_up, "stretched\nas one line": stretched_as_a_line,
    "axes not moved": misread, "nearest copied": nearest_copied,
}  # fmt: skip
show_likeness([(name, way(known, old, new), new) for name, way in ways.items()])


# %%
def error_of(made):
    """Distance to the table that we want, in shares of its own length."""
    return float(np.linalg.norm(np.asarray(made) - wished) / np.linalg.norm(wished))


errors = {name.replace("\n", " "): error_of(way(known, old, new)) for name, way in ways.items()}
bars(errors, xlabel="error, in shares of the table's length", form="{:.2f}")
assert min(errors, key=errors.get) == "nearest copied"

# %% [markdown]
# - *Filled up*: the framed place is no longer where it was, and the right and lower parts have no code.
# - *One line*: a place resembles places in other columns. The line doesn't know where a row ends.
# - *Axes not moved*: noise. That is `reshape` where a transposition was due.
# - *Nearest*: the right picture, in steps: new neighbours share one code.
#
# timm draws curves: **bicubic** interpolation with **antialias**. The second matters when the grid
# shrinks: then each new place averages over all the old ones it covers, and skips none.
#
# Write it, to agree with timm. Grids are `(rows, columns)`. Five blanks of one line:
# 1. the rows before the grid, and the grid;
# 2. the grid as a picture, channels first (interpolation wants single precision);
# 3. the picture, resized;
# 4. back to a list of places, in the dtype that came in;
# 5. all rows.


# %% tags=["answer"] question="Q25"
# Q25: the position table for another grid
def resize_position_embedding(pos_embed, new_grid, num_prefix_tokens=1, old_grid=None):
    """(1, prefix + h*w, d) -> (1, prefix + new_h*new_w, d)"""
    if old_grid is None:  # then it is square
        side = math.isqrt(pos_embed.shape[1] - num_prefix_tokens)
        old_grid = (side, side)
    prefix, places = pos_embed.tensor_split([num_prefix_tokens], dim=1)  # BLANK
    picture = rearrange(places.float(), "1 (h w) d -> 1 d h w", h=old_grid[0])  # BLANK
    picture = F.interpolate(picture, size=tuple(new_grid), mode="bicubic", antialias=True)  # BLANK
    places = rearrange(picture, "1 d h w -> 1 (h w) d").to(pos_embed.dtype)  # BLANK
    return torch.cat([prefix, places], dim=1)  # BLANK


# %% tags=["check"] question="Q25" points=4
check("Q25", resize_position_embedding)

# %% [markdown]
# <details><summary>Hint: my picture looks like noise</summary>
#
# The table lies as places x dimensions, and `interpolate` wants (batch, channels, rows, columns). Splitting the places
# into rows and columns is a reshape; bringing the dimensions in front of them is not. einops says both in one
# pattern.
# </details>
# <details><summary>Hint: square is right, something else isn't</summary>
#
# Three things may have crept in: a 1 where `num_prefix_tokens` belongs, a square where `old_grid` says otherwise, rows
# for columns. And `F.interpolate` has two arguments besides `size` that decide how smooth the result is.
# </details>

# %%
if ready("Q25"):
    table = torch.cat([torch.zeros(1, 64), torch.from_numpy(known)])[None]  # a class token first
    yours = resize_position_embedding(table, new)[0, 1:]
    errors["yours"] = error_of(yours)
    show_likeness([("8 x 8", known, old), ("yours", yours, new), ("what we want", wished, new)])
    bars(errors, xlabel="error, in shares of the table's length", form="{:.2f}")
    apart = np.abs(yours.numpy() - wished).reshape(*new, -1)
    inside, edge = apart[3:-3, 3:-3].mean(), apart[0].mean()
    print(f"mean error inside {inside:.3f}, in the first row {edge:.3f}")

# %% tags=["solution"]
assert inside < 0.6 * edge
assert errors["yours"] < 0.5 * errors["nearest copied"]

# %% [markdown]
# Not zero: a curve through eight places isn't the wave. And at the border there is nobody to lean on.
#
# ### timm does the same
#
# A ViT can be asked to change its size (`set_input_size`). Its table before and after, against yours:

# %%
if ready("Q25"):
    theirs = deepcopy(vit)
    theirs.set_input_size(img_size=(96, 160))
    yours = resize_position_embedding(vit.pos_embed.detach(), (6, 10))
    print(tuple(vit.pos_embed.shape), "->", tuple(theirs.pos_embed.shape))
    print(f"largest difference: {(yours - theirs.pos_embed).abs().max():.1e}")

# %% tags=["solution"]
assert (yours - theirs.pos_embed).abs().max() < 1e-5

# %% [markdown]
# ### How far can you go?
#
# Fewer places hold less. There, and back again: how much of the table returns? Once for the smooth table and
# once for noise, whose neighbours have nothing in common.


# %%
def there_and_back(side, sides=14):
    smooth = torch.from_numpy(waves((sides, sides)))[None]
    noise = torch.randn(smooth.shape, generator=torch.Generator().manual_seed(0))
    made = {"smooth table": smooth, "noise": noise}
    lost = {}
    for name, full in made.items():
        small = resize_position_embedding(full, (side, side), num_prefix_tokens=0)
        again = resize_position_embedding(small, (sides, sides), num_prefix_tokens=0)
        lost[name] = float((again - full).norm() / full.norm())
    return lost


def draw_loss(side=7):
    fig, ax = figure(1.15, width=3.6)
    way = f"lost from 14 x 14 to {side} x {side} and back"
    bars(there_and_back(side), xlabel=way, form="{:.2f}", ax=ax)
    ax.set_xlim(0, 1.3)
    return fig


if ready("Q25"):
    explore(draw_loss, side=[4, 7, 10, 28])

# %% [markdown]
# And antialias? Where the grid shrinks to a third, skipping takes one place of nine. Noise tells the difference: the
# average of many is quieter than one of them.

# %%
if ready("Q25"):
    noise = torch.randn(1, 144, 64, generator=torch.Generator().manual_seed(0))
    skipped = nearest_copied(noise[0].numpy(), (12, 12), (4, 4))
    averaged = resize_position_embedding(noise, (4, 4), num_prefix_tokens=0)
    print(
        f"spread of the noise {noise.std():.2f}, skipped {skipped.std():.2f}, yours {averaged.std():.2f}"
    )  # fmt: skip

# %% tags=["solution"]
assert averaged.std() < 0.6 * skipped.std()

# %% [markdown]
# Interpolation keeps what is smooth. An untrained table is noise, and resizing it means little: a resized table
# is worth as much as the training behind it.

# %% [markdown]
# ## 3 · Q26: three colours into one
#
# The first layer is a convolution: for each of its filters one slice of weights for red, one for green, one for blue.
# Your image has one channel.
#
# One way out: hand in the grey image three times. It works, and computes everything three times to
# no end. Can *one* slice do the same?
#
# A filter's answer is a sum over channels. Write down what it says when red = green = blue, and you have the rule
# for one channel. **It must hold exactly.**
#
# For other counts (satellites have 12) nothing exact exists. timm takes the slices in turn, red, green, blue, red, ...,
# and multiplies all by one factor, chosen so that a grey image given in every channel still gets about the
# same answer: as many slices as before, in total. For three channels the weights stay as they are.
#
# Three blanks of one line: the rule for one; which of the three slices stands at each place; the result for many.


# %% tags=["answer"] question="Q26"
# Q26: a first layer for another number of channels
def adapt_first_layer(weight, in_channels):
    """(out, 3, p, p) -> (out, in_channels, p, p)"""
    if in_channels == 3:
        return weight
    if in_channels == 1:
        return weight.sum(dim=1, keepdim=True)  # BLANK
    in_turn = [channel % 3 for channel in range(in_channels)]  # BLANK
    return weight[:, in_turn] * (3 / in_channels)  # BLANK


# %% tags=["check"] question="Q26" points=3
check("Q26", adapt_first_layer)

# %% [markdown]
# <details><summary>Hint: what is the rule for one channel?</summary>
#
# With weights r, g, b at one pixel and the same value x in all channels, the filter adds r·x, g·x and b·x. Put
# x outside the brackets. And keep the axis, even at length 1.
# </details>
# <details><summary>Hint: which factor for many?</summary>
#
# With six channels twice as many terms are added up as with three. By what must each shrink so that the total stays?
# Now say it for any number.
# </details>

# %% [markdown]
# Does it hold? A grey image in all three channels through the old layer, once through yours:

# %%
if ready("Q26"):
    layer = vit.patch_embed.proj
    digit = torch.rand(1, 1, 224, 224)
    with torch.no_grad():
        before = layer(digit.repeat(1, 3, 1, 1))
        for name, folded in {
            "yours": adapt_first_layer(layer.weight, 1),
            "a third of it (the mean)": adapt_first_layer(layer.weight, 1) / 3,
            "red alone": layer.weight[:, :1],
        }.items():
            after = F.conv2d(digit, folded, layer.bias, stride=16)
            off, size = (after - before).abs().max(), after.std() / before.std()
            print(f"{name:<25} off by {off:.1e}, size {size:.2f}")

# %% tags=["solution"]
after = F.conv2d(digit, adapt_first_layer(layer.weight, 1), layer.bias, stride=16)
assert (after - before).abs().max() < 1e-5

# %% [markdown]
# Zero, but for rounding. With the mean, tokens come out a third as large, beside position codes that keep
# their size: the picture whispers while the places shout.
#
# And timm's own rule, for all counts up to 13:

# %%
if ready("Q26"):
    from timm.models._manipulate import adapt_input_conv

    weight = layer.weight.detach()
    same = [
        torch.equal(adapt_first_layer(weight, n), adapt_input_conv(n, weight))
        for n in range(1, 14)
    ]  # fmt: skip
    print(f"bit by bit the same as timm's: {sum(same)} of {len(same)}")

# %% tags=["solution"]
assert all(same)

# %% [markdown]
# ## 4 · A small stranger
#
# ViT-S with real weights would now be a download, and wants a GPU. If you have both, change this switch: ViT-S on 200
# digits of 96 x 96, from scratch and pretrained. The weights come from the folder that `VITLAB_WEIGHTS` names, else
# from timm's server. All that follows works without.

# %%
REAL_WEIGHTS = None  # for instance "vit_small_patch16_224.augreg_in21k_ft_in1k"

if REAL_WEIGHTS:
    try:
        big = pretrained_model(REAL_WEIGHTS, img_size=96, in_chans=1, num_classes=10)
        enlarged = {part: load("digits", part) for part in ("train", "test")}
        for part, data in enlarged.items():
            images = F.interpolate(data.images, size=96, mode="bicubic").clamp(0, 1) * 2 - 1
            enlarged[part] = replace(data, images=images)
        fresh = timm.create_model(REAL_WEIGHTS.split(".")[0], img_size=96, in_chans=1, num_classes=10)
        few = enlarged["train"].take(200)
        for name, model in {"from scratch": fresh, "pretrained": big}.items():
            history = fit(model, few, enlarged["test"], epochs=8, batch_size=50, lr=5e-5)
            print(f"{name}: {100 * history.test_accuracy[-1]:.1f} %")
    except WeightsUnavailable as missing:
        print(missing)

# %% [markdown]
# Instead we raise a small stranger ourselves: a ViT of timm's make, trained on coloured `shapes` of 24 x 24.
# (Its weights start from torch's own rule, which gives a narrow model larger numbers than timm's 0.02.)


# %%
def small_vit(size, channels, seed, classes=10):
    torch.manual_seed(seed)
    model = VisionTransformer(img_size=size, patch_size=4, in_chans=channels, num_classes=classes,
                              embed_dim=96, depth=2, num_heads=4, mlp_ratio=2)  # fmt: skip
    for part in model.modules():
        if isinstance(part, nn.Linear):
            part.reset_parameters()
    return model


def resized(data, side):
    images = F.interpolate(data.images, size=side, mode="bilinear", antialias=True)
    return replace(data, images=(images - 0.5) / 0.25)


def warm_up_and_cosine(step, total):
    return min(1.0, (step + 1) / (0.15 * total)) * (0.5 + 0.5 * math.cos(math.pi * step / total))


# %%
EPOCHS = 5 if device().type == "cpu" else 30  # a GPU may take its time
start = time.process_time()
stranger = small_vit(24, 3, seed=0)
school = [resized(load("shapes", part), 24) for part in ("train", "test")]
history = fit(stranger, *school, epochs=EPOCHS, batch_size=50, lr=3e-3, weight_decay=0.02,
              schedule=warm_up_and_cosine, progress=False)  # fmt: skip
size = sum(p.numel() for p in stranger.parameters())
print(f"{size:,} parameters, {time.process_time() - start:.0f} s of the processor")
print("test accuracy by epoch:", [f"{100 * a:.0f} %" for a in history.test_accuracy])

# %% tags=["solution"]
assert history.test_accuracy[-1] > 0.4

# %% [markdown]
# No genius, but it has seen something. Its first layer, 96 filters of 4 x 4 pixels in colour; some of them:

# %%
filters = stranger.patch_embed.proj.weight.detach().cpu()
strong = filters.flatten(1).norm(dim=1).argsort(descending=True)[:24]
show_images(filters[strong], columns=12, alt="24 of the first layer's filters, in colour.")
if ready("Q26"):
    folded = adapt_first_layer(filters, 1)
    show_images(folded[strong], columns=12, alt="The same 24 filters folded into one channel.")
    kept = (folded.square().sum() / 3 / filters.square().sum()).item()
    print(f"{100 * kept:.0f} % of the first layer is alike in all colours; of random numbers 33 %")

# %% [markdown]
# Above in colour, below folded by you. Much of it is still the noise it began with, five epochs are little; and all
# that told one colour from another is gone. A grey image never asked for it.
#
# ### Two new jobs
#
# Both are grey, and 16 x 16, so that both of your functions are needed (a grid of 6 x 6 becomes 4 x 4).
#
# - **near**: `shapes` again, new ones, through a small grey camera;
# - **far**: `digits`, real handwriting.


# %%
def grey_camera(data):
    return resized(replace(data, images=data.images.mean(1, keepdim=True)), 16)


images, labels = draw_shapes(750, seed=7)
fresh = replace(load("shapes"), images=torch.from_numpy(images), labels=torch.from_numpy(labels))
near = grey_camera(fresh), grey_camera(load("shapes", "test"))
far = resized(load("digits"), 16), resized(load("digits", "test"), 16)
some = [*near[0].images[:8], *far[0].images[:8]]
show_images(some, alt="Eight grey shapes above eight digits, 16 by 16 pixels.")


# %% [markdown]
# The move itself: fit the two tensors, leave the head behind, load the rest.


# %%
def moved(seed, side=16, channels=1):
    model, weights = small_vit(side, channels, seed), dict(stranger.state_dict())
    weights["pos_embed"] = resize_position_embedding(weights["pos_embed"], (side // 4, side // 4))
    first = "patch_embed.proj.weight"
    weights[first] = adapt_first_layer(weights[first], channels)
    weights = {name: tensor for name, tensor in weights.items() if not name.startswith("head.")}
    problems = model.load_state_dict(weights, strict=False)
    assert set(problems.missing_keys) == {"head.weight", "head.bias"}
    assert not problems.unexpected_keys
    return model


def scratch(seed):
    return small_vit(16, 1, seed)


# %% [markdown]
# `strict=False` forgives everything, so say yourself what may be missing. (Name a layer wrongly, and you would
# fine-tune random weights and never be told.)
#
# ## 5 · Does it help?
#
# Few labelled images, three seeds: each seed draws other images and another start. The same steps for both.


# %%
def some_of(data, count, seed):
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:count]
    return replace(data, images=data.images[chosen], labels=data.labels[chosen])


def tuned(model, job, count, seed, epochs, **settings):
    """Train in place on `count` labelled images; the accuracy on the job's test set, in per cent."""
    fit(model, some_of(job[0], count, seed), epochs=epochs, batch_size=20, weight_decay=0.02,
        schedule=warm_up_and_cosine, seed=seed, progress=False, **settings)  # fmt: skip
    return 100 * evaluate(model, job[1]).accuracy


def told(name, accuracies):
    accuracies = torch.tensor(accuracies)
    listed = ", ".join(f"{a:.1f}" for a in accuracies)
    print(f"{name:<34} {accuracies.mean():5.1f} ± {accuracies.std():.1f} %   ({listed})")
    return accuracies.mean().item()


# %%
both = ready("Q25") and ready("Q26")
counts, epochs = (50, 200), {50: 15, 200: 8}
runs = {"pretrained": [], "from scratch": []}
if both:
    for count in counts:
        for name, make in (("pretrained", moved), ("from scratch", scratch)):
            long = epochs[count]
            found = [tuned(make(seed), near, count, seed, long, lr=1e-3) for seed in range(3)]
            runs[name].append(found)
            told(f"near, {count} images, {name}", runs[name][-1])
    show_learning(counts, runs, title="near: grey shapes")

# %% tags=["solution"]
gain = np.mean(runs["pretrained"], axis=1) - np.mean(runs["from scratch"], axis=1)
assert (gain > 3).all()
assert (np.array(runs["pretrained"]) > np.array(runs["from scratch"])).all()

# %%
distant = {}
if both:
    for name, make in (("pretrained", moved), ("from scratch", scratch)):
        distant[name] = [tuned(make(seed), far, 50, seed, 15, lr=1e-3) for seed in range(3)]
        told(f"far, 50 images, {name}", distant[name])

# %% tags=["solution"]
assert np.mean(distant["pretrained"]) < np.mean(distant["from scratch"]) + 3

# %% [markdown]
# Read it honestly:
#
# - **near**: the stranger's weights are worth several points at 50 images and at 200, in each seed;
# - **far**: they are worth nothing, or do harm. Our guess: on a dark ground, with strokes and no texture, nothing of
#   what it learned about stripes and checks comes up, and it starts from an opinion;
# - three seeds and one small stranger. Weights from ImageNet have seen far more; whether they help *you* is to be
#   measured all the same, just like this.

# %% [markdown]
# ## 6 · Freeze, then unfreeze
#
# A new head is random. Its first gradients are random too, and go through everything that was learned. So:
#
# 1. **freeze** all but the head, and train it alone (a *linear probe*);
# 2. **unfreeze**, and go on with a small learning rate (*fine-tuning*).


# %%
def freeze_all_but_the_head(model):
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("head."))
    return model


def trainable(model):
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


if both:
    model = freeze_all_but_the_head(moved(0))
    total = sum(p.numel() for p in model.parameters())
    print(f"frozen: {trainable(model):,} of {total:,} weights learn")


# %%
def probe_then_tune(seed):
    model = freeze_all_but_the_head(moved(seed))
    probed = tuned(model, near, 50, seed, 15, lr=1e-2)
    model.requires_grad_(True)
    return probed, tuned(model, near, 50, seed, 8, lr=5e-4)


if both:
    probed, after = zip(*(probe_then_tune(seed) for seed in range(3)), strict=True)
    told("frozen, the head alone", probed)
    told("then unfrozen", after)
    told("all at once (section 5)", runs["pretrained"][0])

# %% [markdown]
# With 50 images a head of 970 weights does as well as all 154,090 of them (the spreads overlap), and no gradient has to
# pass through the rest. Unfreezing afterwards moves it little. A frozen model is also a limit: on another job the head
# can only use what is already told apart.

# %% tags=["solution"]
assert trainable(model) == 96 * 10 + 10 == 970
assert sum(p.numel() for p in model.parameters()) == 154_090
assert np.mean(probed) > np.mean(runs["pretrained"][0]) - 5

# %% [markdown]
# ## 7 · A learning rate for each layer
#
# Between frozen and free lies a slope: early layers, which know edges and places, move slowly; late ones, which name
# classes, move fast. Each layer's rate is a fixed share of the next one's. In PyTorch these are *parameter
# groups*:


# %%
LAYERS = ("first", "block 0", "block 1", "head")


def layer_of(name):
    """0: patches, class token, positions; then the blocks; last the final norm and head."""
    if name.startswith("blocks."):
        return 1 + int(name.split(".")[1])
    return 0 if name.startswith(("patch_embed", "cls_token", "pos_embed")) else len(LAYERS) - 1


def layered(model, lr, decay):
    groups = [{"params": [], "lr": lr * decay ** (len(LAYERS) - 1 - k)} for k in range(len(LAYERS))]
    for name, parameter in model.named_parameters():
        groups[layer_of(name)]["params"].append(parameter)
    return torch.optim.AdamW(groups, weight_decay=0.02)


if both:
    for name, group in zip(LAYERS, layered(moved(0), 3e-3, 0.5).param_groups, strict=True):
        print(
            f"{name:<8} lr {group['lr']:.2e}, {sum(p.numel() for p in group['params']):>6,} weights"
        )  # fmt: skip


# %%
def how_far(model, start):
    """By layer: the length of the change of its weights, in shares of the weights' own length."""
    change, size = [0.0] * len(LAYERS), [0.0] * len(LAYERS)
    for (name, now), then in zip(model.named_parameters(), start.parameters(), strict=True):
        k = layer_of(name)
        change[k] += float((now.detach().cpu() - then.detach().cpu()).square().sum())
        size[k] += float(then.detach().square().sum())
    return [math.sqrt(c / s) for c, s in zip(change, size, strict=True)]


moves, by_decay = {}, {}
if both:
    for decay in (1.0, 0.5):
        name, found = f"decay {decay}", []
        for seed in range(3):
            model = moved(seed).to(device())
            start = deepcopy(model)
            found.append(tuned(model, near, 50, seed, 15, optimizer=layered(model, 3e-3, decay)))
        moves[name] = how_far(model, start)
        by_decay[name] = told(name, found)
    show_moves(LAYERS, moves)

# %% tags=["solution"]
assert abs(by_decay["decay 0.5"] - by_decay["decay 1.0"]) < 6
assert moves["decay 0.5"][0] < 0.5 * moves["decay 1.0"][0]

# %% [markdown]
# With a decay of 0.5 the first layer moves by a fraction, and accuracy is the same within the spread, at three times
# the learning rate of section 5. It is a safety belt: early layers stay near what they knew. In a model of two blocks
# it makes no difference that three seeds could show.
#
# **Try it.** Frozen first layer? Another decay? The far job?

# %%
decay, job, count = 0.25, "near", 50  # change me

if both:
    model = moved(1).to(device())
    updates = layered(model, 3e-3, decay)
    accuracy = tuned(model, {"near": near, "far": far}[job], count, 1, 15, optimizer=updates)
    print(f"{job}, {count} images, decay {decay}: {accuracy:.1f} %")

# %% [markdown]
# ## 8 · Q27: the leaderboard
#
# The open task. Train whatever you like on `shapes`: a CNN, a ViT, ten of them that vote. Then tell ten classes
# apart in **bad weather**: fog, rain, a soft focus, grain. You get 500 public images with labels to look at:

# %%
public = validation()
public.show(16)

# %% [markdown]
# **The rules.** The score counts 500 *hidden* images: the same ten classes and the same kind of weather
# (`helpers/data/weather.py` is all of it), drawn anew for each run of the grading. Nobody has seen them. Your notebook
# gets the images and never the labels: those stay where grades are made.
#
# | right, public *and* hidden | points |
# |---|---|
# | under 30 % | 0 (always the same class: 10 %) |
# | 30 %, 50 %, 65 %, 80 % | 1, 2, 3, 4 |
#
# Besides points there is the number itself, the accuracy on hidden images, for the class's leaderboard. A run of
# the check, training included, has **30 seconds**, here as in the grading; training belongs into `entry`, which is
# called once. The card says how long your entry took. It also says how many of 300 fresh images, drawn in that moment,
# are right: an entry that was trained on the public images does well on these alone, and is not accepted.
#
# Something to begin with, small and quick:


# %% tags=["setup"]
class Even(nn.Module):
    """Takes brightness and contrast out of each image."""

    def forward(self, images):
        images = images - images.mean((1, 2, 3), keepdim=True)
        return images / (images.std((1, 2, 3), keepdim=True) + 0.05)


def small_cnn():
    layers = [Even()]
    for into, out, stride in ((3, 16, 2), (16, 32, 1), (32, 64, 1)):
        layers += [nn.Conv2d(into, out, 3, stride, 1), nn.BatchNorm2d(out), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if stride == 1 else []
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 10))


def rise_and_fall(step, total):
    return min(1.0, (step + 1) / (0.15 * total)) * (0.5 + 0.5 * math.cos(math.pi * step / total))


# %% [markdown]
# ### Clear weather is not enough
#
# Trained on `shapes` as they are, and asked in both weathers:

# %%
torch.manual_seed(0)
plain = small_cnn()
fit(plain, load("shapes"), epochs=3, batch_size=32, lr=4e-3, schedule=rise_and_fall, progress=False)
clear_sky = 100 * evaluate(plain, load("shapes", "test")).accuracy
bad_weather = 100 * evaluate(plain, public).accuracy
print(f"clear: {clear_sky:.1f} %, bad weather: {bad_weather:.1f} %")

# %% tags=["solution"]
assert clear_sky > bad_weather + 4

# %% [markdown]
# A test set of the same kind as the training set hides this gap. What would close it? Write your entry: a region of
# about three lines, and one blank.


# %% tags=["answer"] question="Q27"
# Q27: your entry to the leaderboard
@cache
def entry():
    """Called once: trains a model, (n, 3, 32, 32) in 0..1 -> (n, 10) scores."""
    torch.manual_seed(0)
    model = small_cnn()  # or another
    # BEGIN BLANK
    rng = np.random.default_rng(27)
    fit(model, load("shapes"), epochs=4, batch_size=32, lr=8e-3, schedule=rise_and_fall, progress=False,
        augment=lambda x, y: (torch.from_numpy(weather(x.cpu().numpy(), rng)).to(x), y))  # fmt: skip
    # END BLANK
    return model.eval()


def predict(images):
    """(n, 3, 32, 32) in 0..1 -> (n,) class numbers"""
    return entry()(images).argmax(dim=1)  # BLANK


# %% tags=["check"] question="Q27" points=4
check("Q27", predict)

# %% [markdown]
# <details><summary>Hint: how do I begin?</summary>
#
# Fill the region with what the cell above does to `plain`, and let `predict` name the best of ten scores per image.
# That climbs the first steps. Then improve one thing at a time.
# </details>
# <details><summary>Hint: how do I get used to the weather?</summary>
#
# `fit(..., augment=f)` calls `f(images, labels)` on each batch and trains on what comes back. You may read and use
# `weather`; it takes numpy arrays and a numpy generator. Harder images need a little more time.
# </details>

# %%
if ready("Q27"):
    found, truth = predict(public.images.to(device())).cpu(), public.labels
    right = 100 * float((found == truth).float().mean())
    one_class = 100 * float(torch.bincount(truth).max()) / len(truth)
    bars({"one class for all": one_class, "clear weather only": bad_weather, "your entry": right},
         xlabel="public images in bad weather, % right", form="{:.1f}")  # fmt: skip
    wrong = torch.nonzero(found != truth).flatten()[:8]
    if len(wrong):
        names = [
            f"{public.classes[int(truth[k])]}, not {public.classes[int(found[k])]}" for k in wrong
        ]  # fmt: skip
        show_images(public.images[wrong], names)

# %% tags=["solution"]
assert right > bad_weather + 5

# %% [markdown]
# How much is luck? With 500 images, an entry that is right nine times in ten gets

# %%
share, n = 0.9, 500
luck = math.sqrt(share * (1 - share) / n)
draw = 2 * math.sqrt(2) * luck  # two of them, and both are lucky or not
print(
    f"{100 * share:.0f} % ± {100 * luck:.1f} %: entries closer than about {100 * draw:.0f} % are a draw"
)  # fmt: skip
assert round(100 * luck, 1) == 1.3

# %% [markdown]
# And if you try twenty entries on the public images and hand in the best, its public number flatters you. The
# hidden one doesn't: that is what it is for.
#
# > ### What could go wrong
# > - **Other inputs than in training.** Weights expect their own mean, spread and colour order
# >   (`model.pretrained_cfg` tells). Nothing raises.
# > - **A class token in the picture.** Interpolated along, it leaks into the first places.
# > - **The mean in place of the sum.** A third of the size; the model limps, and learns around it.
# > - **`strict=False` on a misspelt name.** You fine-tune noise.
# > - **An image size that isn't a multiple of the patch.** Pixels fall off the edge, silently.
# > - **Frozen, but not at rest.** `requires_grad_(False)` stops no dropout and no batch norm: `model.train()` wakes
# >   them.
# > - **The optimizer was made before the unfreezing**, from the parameters that had gradients then: the rest never
# >   moves.
# > - **Choosing on the test set.** Twenty tries, and the best one is luck.

# %%
dropout = nn.Dropout(0.5).requires_grad_(False)
dropout.train()
print("frozen, in training:", dropout(torch.ones(8)).tolist())

# %% [markdown]
# ## 9 · In words
#
# **W12a** (2 points). A friend loads a ViT for 224 x 224 images (14 x 14 patches, one class token) into a model for
# 320 x 480. He interpolates the table of 197 rows as one line to the new number of rows. How many rows must there
# be, what does his table get wrong (name two things), and why does nothing raise? Why is the table alone concerned, and
# not the attention layers?

# %% [markdown] tags=["written"] question="W12a" points=2
# 320 / 16 = 20 and 480 / 16 = 30, so 600 places and one class token: 601 rows. As one line, the class token is
# blended with the first place; and the end of each grid row is blended with the beginning of the next, while neighbours
# above each other, 14 rows of the list apart, are not blended at all. Nothing raises because the shape, (1, 601, d), is
# what the model adds to its tokens. Attention layers act on each token, and on pairs of tokens, with the same matrices
# whatever their number; only the table has a row per place.

# %% [markdown] tags=["rubric"]
# **W12a, 2 points.**
# - ½ point: 20 x 30 + 1 = 601 rows.
# - ½ point: two faults of the line (class token blended; row ends blended with row starts; vertical neighbours not).
# - ½ point: nothing raises because the shape is right.
# - ½ point: attention and MLP weights don't depend on the number of tokens.

# %% [markdown]
# **W12b** (2 points). You have 60 labelled X-ray images, grey, and a ViT pretrained on ImageNet. Say what you do
# with the first layer, the positions and the head; what you train first, what then and with which learning rates. How
# would you find out whether pretraining helped at all?

# %% [markdown] tags=["written"] question="W12b" points=2
# First layer: add the three colour slices up, so that a grey image gives what it gave in three channels (and
# normalise grey as the weights expect). Positions: resample the grid if the images have another size, class token
# apart. Head: new, with as many outputs as there are findings. First the head alone with the rest frozen, since 60
# images can't guide millions of weights and a random head would spoil them; then unfreeze with a small learning rate,
# smaller still for early layers (layer-wise decay), few epochs. Whether it helped: train the same model from scratch
# with the same steps, with several seeds and splits (cross-validation, as there are few images), compare means and
# spreads on images that no choice was made on. X-rays are far from photographs: it may help little.

# %% [markdown] tags=["rubric"]
# **W12b, 2 points.**
# - ½ point: first layer summed (not averaged, not one colour), positions resampled where needed, new head.
# - ½ point: head first, frozen rest; then unfreeze.
# - ½ point: small learning rates, smaller for early layers, with a reason.
# - ½ point: a comparison from scratch under equal conditions with seeds or cross-validation, on untouched images.

# %% [markdown]
# ## 10 · A map: what you built of the models you will meet
#
# | model | is made of | you wrote (lesson: question) |
# |---|---|---|
# | **ViT** | patches, class token, positions, pre-norm blocks | 03: Q2; 04: Q3, Q4; 05: Q5; 06: Q6 to Q7b; 07: Q8 |
# | **DeiT** | a ViT; its recipe; a second token that learns from a teacher | 08: Q11 to Q13, Q14, Q14b |
# | **Swin** | windows, shift and mask, a bias for each step, merging | 09: Q15 to Q18 |
# | **hybrids**, as CoAtNet | convolutions first, attention behind | 10: Q19 (stem), Q20, Q21 |
# | **MLP-Mixer** | patches, an MLP over tokens, an MLP over channels | 03: Q2; 11: Q22 |
# | **DETR** | a CNN's map as tokens, 2-D codes, queries, matching | 02: Q1c; 05: Q5c; 06: Q7b; 11: Q23a, Q23b |
# | **DiT** | patches of a noisy image, blocks whose norms are set by time and class | 03: Q2; 11: Q24 |
# | **MAE**, **DINO** | a ViT trained without labels, then moved to your job | 07: Q8; 12: Q25, Q26 |
#
# What is not in it: how MAE and DINO train (patches to fill in; two views of one image to agree on). **ConvNeXt** has
# no attention at all: a CNN on Swin's plan, with stages, merging and the norms of Q6b.

# %% [markdown]
# ## 11 · What you take along
#
# | | |
# |---|---|
# | `img_size` | the table is a picture: resize it, bicubic and antialiased, class token apart |
# | `in_chans` | one channel: add the slices up, exact; many: in turn, times 3/n, a stopgap |
# | `num_classes` | a new head; the rest is kept |
# | near and far | pretraining helps as far as what was learned comes up again |
# | probe, then tune | a random head first learns alone |
# | layer-wise decay | early layers move slowly |
# | hidden images | the only accuracy that no choice has flattered |
#
# **Further reading**
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Section 3.2: a higher resolution, and the table
#   interpolated in 2-D; Figure 7: what learned positions look like; Figure 3: how much data pretraining needs.
# - Steiner et al., *How to train your ViT?*, TMLR 2022. Section 4: many pretrained ViTs, and which to choose.
# - Kumar et al., *Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution*, ICLR 2022.
#   Figure 1: probe first, then tune.
# - Bao, Dong and Wei, *BEiT*, ICLR 2022. Its appendix lists layer-wise decay for fine-tuning.
# - Kornblith, Shlens and Le, *Do Better ImageNet Models Transfer Better?*, CVPR 2019. Figure 2: twelve jobs, near
#   and far.
# - Wightman, *PyTorch Image Models*: `timm/layers/pos_embed.py` and `timm/models/_manipulate.py`, with which your two
#   answers agree.
#
# This was the last lesson. `helpers.progress()` draws the whole way.
