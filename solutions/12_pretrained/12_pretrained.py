# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 12 · Pretrained models and transfer learning {{badge}}
#
# **In one sentence:** you will adapt a pretrained ViT to images of another size and other channels, measure when its
# weights help and how to fine-tune them, and enter a leaderboard with hidden images.
#
# **The question of this lesson.** Most people never train a ViT from scratch. What has to be changed when you use
# weights that others trained, and when is it worth it?
#
# | | |
# |---|---|
# | **You need** | position encodings (lesson 02), the whole ViT (07), training (08) |
# | **Time** | 100 minutes; the end of section 4 and the end of section 7 are good places to pause |
# | **Grading** | the checks grade Q25 to Q27; your teacher reads W12a and W12b; Q27b and Q27c are optional |
#
# **Afterwards you can**
# - read timm's error messages, and say what `img_size`, `in_chans` and `num_classes` change;
# - resample position embeddings and adapt the first layer, with the same numbers as timm;
# - freeze and unfreeze layers, and give each layer its own learning rate;
# - measure with several seeds whether a transfer helps.
#
# {{questions}}
#
# {{names: lectures (exercise sheet, CS163 lecture 12)}}
# positional embedding | `resize_position_embedding` | `resample_abs_pos_embed` | 2-D interpolation, Section 3.2
# input channels | `adapt_first_layer` | `adapt_input_conv`, `in_chans` | –
# resolution | `new_grid` | `img_size`, `patch_size` | –
# learning rate for different layers | `layer_groups` | `layer_decay` | layer-wise learning-rate decay
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
from copy import deepcopy
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from helpers import check, ready, written
from helpers.data import load
from helpers.data.weather import weather
from helpers.device import device
from helpers.experiments.transfer import (
    LAYERS,
    distance_moved,
    far_task,
    fine_tune,
    layer_of,
    near_task,
    pretrain,
    show_seeds,
    small_vit,
    three_seeds,
)
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

torch.set_num_threads(1)  # the models of this lesson are small; several threads would not make them faster

# %% [markdown]
# **timm** (*PyTorch Image Models*) is the library from which most people take a ViT. It imports torchvision, and on
# some machines torchvision's compiled part does not fit the installed torch; then `import timm` fails with *operator
# torchvision::nms does not exist*. The first line below prevents that.

# %%
load_torchvision()
import timm

print("timm", timm.__version__, "has", len(timm.list_models("vit_*")), "ViT architectures")

# %% [markdown]
# ## 1 · A model from the library
#
# **Question.** What happens if a model for colour images of 224 x 224 pixels gets grey images of 28 x 28?
#
# **Transfer learning** means to use what a model learned on one task (the *source*) for another task (the *target*).
# The model here is ViT-S/16: width 384, 12 blocks, patches of 16 x 16 pixels, 1000 classes. No weights are downloaded
# (`pretrained=False`); we need only the architecture. You can count its parameters by hand:


# %% write_from="open"
def vit_parameters(d, depth, patch, image, classes, channels=3, mlp=4):
    """The number of parameters of a ViT: patch embedding, class token, positions, blocks, a last norm, a linear head.

    Each linear layer has a bias. A block has four matrices (d, d), two matrices (d, mlp * d), and two norms.
    """
    first = channels * patch**2 * d + d
    tokens = d + ((image // patch) ** 2 + 1) * d  # class token, one position embedding per token
    block = (4 + 2 * mlp) * d**2 + (4 + mlp + 1) * d + 2 * 2 * d  # matrices, their biases, two norms
    return first + tokens + depth * block + 2 * d + d * classes + classes


# %%
vit = timm.create_model("vit_small_patch16_224", pretrained=False).eval()
counted = sum(p.numel() for p in vit.parameters())
print(f"counted {counted:,}; file size in single precision: {4 * counted / 1e6:.0f} MB")
if written(vit_parameters):
    print(f"by the formula {vit_parameters(384, 12, 16, 224, 1000):,}")
    assert counted == vit_parameters(384, 12, 16, 224, 1000) == 22_050_664

# %% [markdown]
# Now images of another size and with one channel. A CNN, ResNet-18, gets the same.


# %%
def attempt(model, images):
    try:
        with torch.no_grad():
            return f"works: {tuple(model(images).shape)}"
    except Exception as error:
        return f"{type(error).__name__}:\n    {str(error).replace('Given groups=1, ', '')}"


grey, colour = torch.rand(2, 1, 28, 28), torch.rand(2, 3, 28, 28)
resnet = timm.create_model("resnet18", pretrained=False).eval()
for name, model in (("ViT-S", vit), ("ResNet-18", resnet)):
    print(f"{name}, 28 x 28 grey  -> {attempt(model, grey)}")
    print(f"{name}, 28 x 28 RGB   -> {attempt(model, colour)}")
print(f"ViT-S, 224 x 224 grey -> {attempt(vit, torch.rand(1, 1, 224, 224))}")

# %% tags=["solution"]
assert "doesn't match model (224)" in attempt(vit, colour)
assert "3 channels" in attempt(vit, torch.rand(1, 1, 224, 224))
assert "3 channels" in attempt(resnet, grey)
assert attempt(resnet, colour) == "works: (2, 1000)"

# %% [markdown]
# There are two kinds of errors:
#
# - **three channels**: the first layer has weights for each colour channel. This is so in a CNN as well.
# - **224**: a ViT has a table with one position embedding for each of its 14 x 14 positions. A CNN has no such table:
#   its filters slide over any size, and global average pooling takes whatever is left.
#
# The *exercise sheet* says: "Input shape is fixed for CNNs and ViTs by choice of architecture". For the channels that
# is right. For the size it is wrong for most CNNs: the ResNet accepts 28 x 28 pixels. But does it still have useful
# feature maps?

# %%
stages = timm.create_model("resnet18", pretrained=False, features_only=True).eval()
with torch.no_grad():
    for side in (224, 28):
        maps = stages(torch.rand(1, 3, side, side))
        print(f"{side:>3}: " + " -> ".join(f"{m.shape[-2]} x {m.shape[-1]}" for m in maps))

# %% [markdown]
# The last feature map is 1 x 1. The last stage was trained to combine 7 x 7 positions, and one is left.
#
# ### Three arguments
#
# timm builds a variant of the model if you pass arguments. On the device `meta` tensors have shapes and no numbers,
# so this needs no memory:

# %%
variants = {
    "as it is": {},
    "num_classes=10": {"num_classes": 10},
    "in_chans=1": {"in_chans": 1},
    "img_size=28": {"img_size": 28},
    "img_size=28, patch_size=4": {"img_size": 28, "patch_size": 4},
}
with torch.device("meta"):
    for text, arguments in variants.items():
        model = timm.create_model("vit_small_patch16_224", pretrained=False, **arguments)
        first, table = model.patch_embed.proj.weight, model.pos_embed
        print(f"{text:<26} first layer {tuple(first.shape)!s:<17} table {tuple(table.shape)!s:<14} "
              f"head {tuple(model.head.weight.shape)}")  # fmt: skip

# %% [markdown]
# Each argument changes one tensor. A tensor of another shape cannot take the pretrained weights as they are:
#
# | argument | tensor | what timm does with pretrained weights |
# |---|---|---|
# | `num_classes` | head | discarded; a new head starts at random |
# | `img_size` | position embedding | **resampled**: Q25 |
# | `in_chans` | first layer | **adapted**: Q26 |
#
# This is the "trick in timm" that the *exercise sheet* mentions in its Q8b.
#
# ### `img_size=28` alone raises no error
#
# 28 is no multiple of the patch size 16. Which pixels does the one remaining patch depend on?

# %%
patcher = timm.layers.PatchEmbed(img_size=28, patch_size=16, in_chans=1, embed_dim=8)
image = torch.rand(1, 1, 28, 28, requires_grad=True)
patcher(image).sum().backward()
used = int((image.grad != 0).sum())
print(f"{patcher.num_patches} patch, which depends on {used} of {28 * 28} pixels: {100 * used / 28**2:.0f} %")
assert (patcher.num_patches, used) == (1, 256)

# %% [markdown]
# **Answer.** The size of the images is fixed by the position embedding and the number of channels by the first layer.
# If the size is no multiple of the patch size, pixels are dropped without an error, here two thirds of the digit.
# Choose a patch size that divides, or resize the images.

# %% [markdown]
# ## 2 · Q25: positions for another grid
#
# **Question.** A position embedding was learned for a grid of 14 x 14. Which embedding should a grid of 6 x 10 get?
#
# The positions of the new grid lie *between* the old ones. So treat the table as a picture of 14 x 14 pixels with 384
# channels, and resize that picture. The class token has no position in the image, and its row is not part of the
# picture.
#
# The position embeddings of large pretrained models are smooth: neighbouring positions have similar vectors (Figure 7
# of the ViT paper). We use a smooth table that can be computed for any grid, so we know what *should* come out: sines
# and cosines of the position of a patch in the image.

# %%
old, new = (8, 8), (12, 12)
known, target = waves(old), waves(new)  # positions, 64
show_likeness([("8 x 8 positions", known, old), ("12 x 12 positions: the target", target, new)])

# %% [markdown]
# > **Figure 12.1 · Cosine similarity of one position (framed) with all others.** Red is similar, blue is opposite.
#
# Four simple ways to get 12 x 12 positions have the right shape and raise no error:

# %%
ways = {
    "filled up\nwith zeros": filled_up, "stretched\nas one line": stretched_as_a_line,
    "axes not moved": misread, "nearest copied": nearest_copied,
}  # fmt: skip
show_likeness([(name, way(known, old, new), new) for name, way in ways.items()])


# %% fold="skip"
# Measures the error of each way, as a share of the length of the target
def error_of(made):
    return float(np.linalg.norm(np.asarray(made) - target) / np.linalg.norm(target))


errors = {name.replace("\n", " "): error_of(way(known, old, new)) for name, way in ways.items()}
for name, error in errors.items():
    print(f"{name:<22} error {error:.2f}")
assert min(errors, key=errors.get) == "nearest copied"

# %% [markdown]
# > **Figure 12.2 · Similarity after four wrong or crude ways.** *Filled up*: the framed position is no longer where
# > it was, and two sides have no embedding. *One line*: a position is similar to others in different columns, because
# > the ends of rows are mixed. *Axes not moved*: a `reshape` where a transposition was needed gives noise. *Nearest*:
# > the right pattern in steps, so neighbours share one vector.
#
# timm uses **bicubic** interpolation, which draws smooth curves, with **antialias**: if the grid shrinks, each new
# position averages all old ones that it covers, and skips none.
#
# Write `resize_position_embedding`, in agreement with timm. Grids are `(rows, columns)`. Interpolate in single
# precision, and return the dtype that came in.
#
# {{level: guided}}
# Five blanks of one line:
# 1. the rows before the grid, and the grid;
# 2. the grid as a picture, channels first;
# 3. the picture, resized;
# 4. back to a list of positions;
# 5. all rows.
# {{end}}
# {{level: standard, open}}
# `old_grid=None` means that the old grid is square.
# {{end}}


# %% tags=["answer"] question="Q25"
# Q25: the position embedding for another grid
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
# The table is positions x dimensions, and `interpolate` needs (batch, channels, rows, columns). Splitting the
# positions into rows and columns is a reshape; moving the dimensions in front of them is not. One einops pattern does
# both.
# </details>
# <details><summary>Hint: square grids are right, others are not</summary>
#
# Three things may be wrong: a 1 where `num_prefix_tokens` belongs, a square where `old_grid` says otherwise, or rows
# and columns exchanged. And `F.interpolate` has two arguments besides `size` that decide how smooth the result is.
# </details>

# %%
if ready("Q25"):
    table = torch.cat([torch.zeros(1, 64), torch.from_numpy(known)])[None]  # a class token first
    yours = resize_position_embedding(table, new)[0, 1:]
    errors["yours"] = error_of(yours)
    show_likeness([("8 x 8", known, old), ("yours", yours, new), ("target", target, new)])
    bars(errors, xlabel="error, as a share of the target's length", form="{:.2f}")
    apart = np.abs(yours.numpy() - target).reshape(*new, -1)
    inside, edge = apart[3:-3, 3:-3].mean(), apart[0].mean()
    print(f"mean error inside {inside:.3f}, in the first row {edge:.3f}")

# %% tags=["solution"]
assert inside < 0.6 * edge
assert errors["yours"] < 0.5 * errors["nearest copied"]

# %% [markdown]
# > **Figure 12.3 · Your resampled embedding.** Above: similarity before, after, and the target. Below: the error of
# > all ways.
#
# The error is not zero, because a curve through eight points is not exactly the wave. It is larger at the border,
# where the interpolation has to extrapolate.
#
# ### The same as timm
#
# timm's `set_input_size` changes the size of a ViT. We compare its table with yours:

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
# ### What is lost
#
# A smaller grid holds less. We resize to a smaller grid and back, once a smooth table and once noise, whose
# neighbours have nothing in common.


# %% fold="skip"
# Draws what is lost on the way to another grid and back
def there_and_back(side, sides=14):
    smooth = torch.from_numpy(waves((sides, sides)))[None]
    noise = torch.randn(smooth.shape, generator=torch.Generator().manual_seed(0))
    lost = {}
    for name, full in {"smooth table": smooth, "noise": noise}.items():
        small = resize_position_embedding(full, (side, side), num_prefix_tokens=0)
        again = resize_position_embedding(small, (sides, sides), num_prefix_tokens=0)
        lost[name] = float((again - full).norm() / full.norm())
    return lost


def draw_loss(side=7):
    fig, ax = figure(1.15, width=3.6)
    bars(there_and_back(side), xlabel=f"error from 14 x 14 to {side} x {side} and back", form="{:.2f}", ax=ax)
    ax.set_xlim(0, 1.3)
    return fig


if ready("Q25"):
    explore(draw_loss, side=[4, 7, 10, 28])

# %% [markdown]
# > **Figure 12.4 · Error after resizing to another grid and back, as a share of the table's length.** A smooth table
# > returns nearly unchanged unless the grid becomes very small. Noise does not.
#
# **Answer.** Resample the embedding as a picture, bicubic with antialias, without the class token. Interpolation
# keeps what is smooth. An untrained table is noise, and resampling it has little meaning.

# %% [markdown]
# ## 3 · Q26: the first layer for other channels
#
# **Question.** The first layer is a convolution with weights for red, green and blue. Your images have one channel.
# Which weights should it have?
#
# You could pass the grey image three times, which works and computes everything three times. Can *one* slice of
# weights do the same? The output of a filter is a sum over the channels. Write down what it is if red = green = blue,
# and you have the rule for one channel. **It must hold exactly.**
#
# For other numbers of channels (satellite images have 12) there is no exact rule. timm takes the slices in turn (red,
# green, blue, red, ...) and multiplies all by one factor, so that an image with the same grey value in every channel
# gives about the same output as before. For three channels the weights stay as they are.
#
# {{level: guided}}
# Three blanks of one line: the rule for one channel; which of the three slices each channel takes; the result for
# many.
# {{end}}


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
# <details><summary>Hint: the rule for one channel</summary>
#
# With weights r, g, b at one pixel and the same value x in all channels, the filter adds r·x, g·x and b·x. Factor out
# x. Keep the axis of channels, with length 1.
# </details>
# <details><summary>Hint: the factor for many channels</summary>
#
# With six channels twice as many terms are added as with three. By what must each be multiplied so that the sum stays
# the same? Now say it for any number.
# </details>

# %% [markdown]
# We compare a grey image in three channels through the old layer with one channel through yours:

# %%
if ready("Q26"):
    layer = vit.patch_embed.proj
    digit = torch.rand(1, 1, 224, 224)
    with torch.no_grad():
        before = layer(digit.repeat(1, 3, 1, 1))
        for name, folded in {
            "yours": adapt_first_layer(layer.weight, 1),
            "the mean": adapt_first_layer(layer.weight, 1) / 3,
            "red alone": layer.weight[:, :1],
        }.items():
            after = F.conv2d(digit, folded, layer.bias, stride=16)
            off, size = (after - before).abs().max(), after.std() / before.std()
            print(f"{name:<10} differs by {off:.1e}, relative size {size:.2f}")

# %% tags=["solution"]
after = F.conv2d(digit, adapt_first_layer(layer.weight, 1), layer.bias, stride=16)
assert (after - before).abs().max() < 1e-5

# %% [markdown]
# Yours differs only by rounding. With the mean of the slices, patch embeddings become three times smaller, while the
# position embeddings keep their size.
#
# timm's own rule, for 1 to 13 channels:

# %%
if ready("Q26"):
    from timm.models._manipulate import adapt_input_conv

    weight = layer.weight.detach()
    gaps = [float((adapt_first_layer(weight, n) - adapt_input_conv(n, weight)).abs().max()) for n in range(1, 14)]
    print(f"largest difference from timm's over 1 to 13 channels: {max(gaps):.0e}")

# %% tags=["solution"]
assert max(gaps) < 1e-6

# %% [markdown]
# **Answer.** For one channel add the three slices; this is exact for grey images. For many channels repeat the slices
# and scale them.

# %% [markdown]
# ## 4 · Q26b: loading the weights
#
# **Question.** How do the weights of a model for one size get into a model for another?
#
# The *exercise sheet* asks for ViT-S with weights from ImageNet (Q8c). That is a download of 88 MB, and it needs a
# GPU to be trained in reasonable time; `helpers.weights.pretrained_model` loads it if you have both. Here a small
# model is pretrained on another task: timm's `VisionTransformer` with width 96 and two blocks, on coloured `shapes`
# of 24 x 24 pixels.

# %%
EPOCHS = 5 if device().type == "cpu" else 30
pretrained, by_epoch = pretrain(EPOCHS)
print(f"{sum(p.numel() for p in pretrained.parameters()):,} parameters")
print("test accuracy by epoch:", [f"{100 * a:.0f} %" for a in by_epoch])

# %% tags=["solution"]
assert by_epoch[-1] > 0.4

# %% [markdown]
# There are two target tasks. Both have grey images of 16 x 16 pixels, so both of your functions are needed: the grid
# of 6 x 6 becomes 4 x 4, and three channels become one.
#
# - **near**: new images of `shapes`, grey;
# - **far**: `digits`, real handwriting.

# %%
near, far = near_task(), far_task()
show_images([*near[0].images[:8], *far[0].images[:8]], alt="Eight grey shapes above eight digits, 16 by 16 pixels.")

# %% [markdown]
# > **Figure 12.5 · The two target tasks.** Upper row: near. Lower row: far.
#
# Write `adapt_weights(weights, new_grid, in_channels)`. `weights` is a `state_dict`: a dictionary from names to
# tensors, with timm's names. Return a new dictionary:
#
# 1. without the head, that is without all names that begin with `head.`;
# 2. with `pos_embed` resampled for `new_grid` (Q25; one class token);
# 3. with `patch_embed.proj.weight` adapted to `in_channels` (Q26);
# 4. with all other tensors as they are. The dictionary that came in stays unchanged.
#
# {{level: guided}}
# Three blanks: the condition for a name to be kept, the new position embedding, and the new first layer.
# {{end}}


# %% tags=["answer"] question="Q26b"
# Q26b: pretrained weights for another size and other channels
def adapt_weights(weights, new_grid, in_channels):
    """A state_dict of timm's ViT -> a new one, without its head"""
    adapted = {}
    for name, tensor in weights.items():
        keep = not name.startswith("head.")  # BLANK
        if keep:
            adapted[name] = tensor
    adapted["pos_embed"] = resize_position_embedding(weights["pos_embed"], new_grid)  # BLANK
    first = "patch_embed.proj.weight"
    adapted[first] = adapt_first_layer(weights[first], in_channels)  # BLANK
    return adapted


# %% tags=["check"] question="Q26b" points=2
check("Q26b", adapt_weights)

# %% [markdown]
# <details><summary>Hint: a part of a name</summary>
#
# Strings have a method `startswith`. A layer such as `blocks.0.head_norm` does not begin with `head.`.
# </details>

# %% [markdown]
# `load_state_dict` refuses weights with missing names unless `strict=False`. That setting also accepts misspelt names
# and leaves those layers random. So state what may be missing:


# %%
def scratch(seed):
    return small_vit(16, 1, seed)


def transferred(seed):
    model = small_vit(16, 1, seed)
    problems = model.load_state_dict(adapt_weights(pretrained.state_dict(), (4, 4), 1), strict=False)
    assert set(problems.missing_keys) == {"head.weight", "head.bias"}
    assert not problems.unexpected_keys
    return model


everything = all(ready(question) for question in ("Q25", "Q26", "Q26b"))
if everything:
    print("only the head is new:", sum(p.numel() for p in transferred(0).head.parameters()), "weights")

# %% [markdown]
# **Answer.** Drop the head, adapt two tensors, load the rest, and check which names were missing.

# %% [markdown]
# ## 5 · Does it help?
#
# **Question.** Is a pretrained model better than one trained from scratch, with few labelled images?
#
# Three seeds; each draws other images and another initialisation. Both models get the same number of steps.

# %%
counts, epochs = (50, 200), {50: 15, 200: 8}
kinds = {"pretrained": transferred, "from scratch": scratch}
runs = {name: [] for name in kinds}
if everything:
    for count in counts:
        for name, make in kinds.items():
            label = f"near, {count} images, {name}"
            run = lambda s, n=count, f=make: fine_tune(f(s), near, n, s, epochs[n], lr=1e-3)  # noqa: E731
            runs[name].append(three_seeds(label, run))
    show_learning(counts, runs, title="near: grey shapes")

# %% tags=["solution"]
gain = np.mean(runs["pretrained"], axis=1) - np.mean(runs["from scratch"], axis=1)
assert (gain > 3).all()
assert (np.array(runs["pretrained"]) > np.array(runs["from scratch"])).all()

# %% [markdown]
# > **Figure 12.6 · Accuracy on the near task with 50 and 200 labelled images.** Lines: means of three seeds. Points:
# > single runs.

# %%
distant = {}
if everything:
    for name, make in kinds.items():
        label = f"far, 50 images, {name}"
        distant[name] = three_seeds(label, lambda s, f=make: fine_tune(f(s), far, 50, s, 15, lr=1e-3))

# %% tags=["solution"]
assert np.mean(distant["pretrained"]) < np.mean(distant["from scratch"]) + 3

# %% [markdown]
# **Answer.** On the near task the pretrained weights are worth several points, with 50 images and with 200, in each
# seed. On the far task they are worth nothing here, or they harm: a possible reason is that digits have no textures,
# and the pretrained model learned to distinguish textures. These are three seeds and one small model. Weights from
# ImageNet have seen far more images; whether they help on *your* task can be measured in the same way.

# %% [markdown]
# ## 6 · Freezing and linear probing
#
# **Question.** Should all weights be trained, or only the head?
#
# A new head is random. Its first gradients are therefore random as well, and they pass through everything that was
# learned. The winner of the MiniPlaces leaderboard in *CS163, lecture 12* writes: "Freeze the remainder of the
# network for the first few epochs while the new linear layer is learning such that disruptive gradients don't destroy
# previously-learned features". Two terms:
#
# 1. **freezing**: parameters get no gradient (`requires_grad_(False)`). Training the head alone on frozen features is
#    called **linear probing**.
# 2. **fine-tuning**: training all weights, usually with a small learning rate.

# {{level: open}}
# Write both. This cell gives no points; the next cell asserts which weights are free.
# {{end}}


# %% write_from="open"
def freeze_all_but_the_head(model):
    """Let only parameters whose name begins with "head." get gradients; return the model."""
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("head."))
    return model


def probe_then_tune(seed):
    """Linear probing, then fine-tuning of the same model; return the accuracies in per cent after each.

    The model is transferred(seed). fine_tune(model, near, 50, seed, epochs, lr=...) trains it with 50 images and
    returns the accuracy: 15 epochs at 0.01 for the head alone, then 8 epochs at 0.0005 for all weights.
    """
    model = freeze_all_but_the_head(transferred(seed))
    probed = fine_tune(model, near, 50, seed, 15, lr=1e-2)
    model.requires_grad_(True)
    return probed, fine_tune(model, near, 50, seed, 8, lr=5e-4)


# %%
frozen = everything and written(freeze_all_but_the_head, probe_then_tune)
if frozen:
    model = freeze_all_but_the_head(transferred(0))
    total = sum(p.numel() for p in model.parameters())
    free = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(f"linear probing trains {free:,} of {total:,} weights")
    assert free == sum(p.numel() for p in model.head.parameters())
    probed, after = zip(*(probe_then_tune(seed) for seed in range(3)), strict=True)
    show_seeds("linear probing", probed)
    show_seeds("then fine-tuning", after)
    show_seeds("all at once (section 5)", runs["pretrained"][0])

# %% tags=["solution"]
assert (free, total) == (970, 154_090)
assert np.mean(probed) > np.mean(runs["pretrained"][0]) - 5

# %% [markdown]
# **Answer.** With 50 images, a head of 970 weights does as well as all 154,090 (the spreads overlap), and no gradient
# has to be computed for the rest. Fine-tuning afterwards changes little. A frozen model is also limited: for another
# task the head can only use what the features already distinguish.
#
# Between the two lies **LoRA** (low-rank adaptation; Hu et al., ICLR 2022): the weights W stay frozen, and a product
# of two thin matrices is trained in addition, $W + BA$ with B of shape (d, r) and A of shape (r, d). For d = 384 and
# r = 8 that is 6,144 weights instead of 147,456.

# %% [markdown]
# ## 7 · Q26c: a learning rate for each layer
#
# **Question.** Is there something between frozen and free?
#
# Early layers of a pretrained model detect simple patterns that are useful for many tasks; late layers are specific
# to the source task. **Layer-wise learning-rate decay** gives the last layer the learning rate `lr`, the layer before
# it `lr * decay`, the one before that `lr * decay**2`, and so on. (Number 5 of the lecture's leaderboard: "Fine-tune
# full model with carefully designed learning rate for different layers".) In PyTorch different rates are given as
# **parameter groups**, a list of dictionaries:
#
#     [{"params": [p1, p2], "lr": 1e-3}, {"params": [p3], "lr": 2e-3}]
#
# Write `layer_groups(named_parameters, layer_of, layers, lr, decay)`:
#
# - `named_parameters` gives pairs of a name and a parameter, as `model.named_parameters()` does;
# - `layer_of(name)` gives the number of a parameter's layer, from 0 (first) to `layers - 1` (last);
# - parameters that are frozen (`requires_grad` is False) belong to no group.
#
# {{level: guided}}
# Two blanks: the learning rate of layer k, and the condition for a parameter to be left out.
# {{end}}


# %% tags=["answer"] question="Q26c"
# Q26c: parameter groups with a learning rate for each layer
def layer_groups(named_parameters, layer_of, layers, lr, decay):
    """-> [{"params": [...], "lr": ...}, ...], a group for each layer"""
    groups = []
    for k in range(layers):
        groups.append({"params": [], "lr": lr * decay ** (layers - 1 - k)})  # BLANK: lr * decay ** (layers - 1 - k)
    for name, parameter in named_parameters:
        frozen = not parameter.requires_grad  # BLANK
        if frozen:
            continue
        groups[layer_of(name)]["params"].append(parameter)
    return groups


# %% tags=["check"] question="Q26c" points=2
check("Q26c", layer_groups)

# %% [markdown]
# <details><summary>Hint: the wrong end gets the small rate</summary>
#
# The exponent of the last layer, `layers - 1`, is 0. What is it for layer 0?
# </details>

# %%
moves, by_decay = {}, {}
if everything and ready("Q26c"):
    shown = layer_groups(transferred(0).named_parameters(), layer_of, len(LAYERS), 3e-3, 0.5)
    for name, group in zip(LAYERS, shown, strict=True):
        print(f"{name:<8} lr {group['lr']:.2e}, {sum(p.numel() for p in group['params']):>6,} weights")

    def tune_with(decay, seed):
        model = transferred(seed).to(device())
        start = {name: p.detach().clone() for name, p in model.named_parameters()}
        groups = layer_groups(model.named_parameters(), layer_of, len(LAYERS), 3e-3, decay)
        updates = torch.optim.AdamW(groups, weight_decay=0.02)
        accuracy = fine_tune(model, near, 50, seed, 15, optimizer=updates)
        moves[f"decay {decay}"] = distance_moved(model, start)
        return accuracy

    for decay in (1.0, 0.5):
        by_decay[decay] = three_seeds(f"decay {decay}", lambda seed, d=decay: tune_with(d, seed))
    show_moves(LAYERS, moves)

# %% tags=["solution"]
assert abs(np.mean(by_decay[0.5]) - np.mean(by_decay[1.0])) < 6
assert moves["decay 0.5"][0] < 0.5 * moves["decay 1.0"][0]

# %% [markdown]
# > **Figure 12.7 · How far the weights of each layer moved, as a share of their length at the start (last seed).**
# > With a decay of 0.5 the first layer moves less than half as far.
#
# **Answer.** Layer-wise decay keeps early layers close to their pretrained weights. In this model with two blocks the
# accuracy is the same within the spread of three seeds; the method matters for deep models (BEiT's appendix).
#
# **Try it.** Another decay, or the far task.

# %%
decay, task, count = 0.25, "near", 50  # change these

if everything and ready("Q26c"):
    model = transferred(1).to(device())
    groups = layer_groups(model.named_parameters(), layer_of, len(LAYERS), 3e-3, decay)
    accuracy = fine_tune(model, {"near": near, "far": far}[task], count, 1, 15, optimizer=torch.optim.AdamW(groups))
    print(f"{task}, {count} images, decay {decay}: {accuracy:.1f} %")

# %% [markdown]
# ## 8 · Q27: the leaderboard
#
# The open task. Train what you like on `shapes`: a CNN, a ViT, or several models that vote. Then classify images in
# **bad weather**: fog, rain, blur and noise. You get 500 public images with labels:

# %%
public = validation()
public.show(16)

# %% [markdown]
# > **Figure 12.8 · Sixteen public images in bad weather.**
#
# **The rules.** The score counts 500 *hidden* images: the same ten classes and the same kinds of weather
# (`helpers/data/weather.py`), drawn anew for each grading run. Your notebook gets the images and never the labels.
#
# | right, public *and* hidden | points |
# |---|---|
# | under 30 % | 0 (always the same class gives 10 %) |
# | 30 %, 50 %, 65 %, 80 % | 1, 2, 3, 4 |
#
# The accuracy on the hidden images is also shown on the leaderboard of the class. A run of the check, training
# included, has **30 seconds**, here and in grading. Training belongs into `entry`, which is called once. The card
# says how long your entry took. It also shows how many of 300 fresh images are right: an entry that was trained on
# the public images is good on these alone, and is not accepted.
#
# What helped in the lecture's own leaderboard (MiniPlaces, *CS163, lecture 12*):
#
# | place | accuracy | what they did |
# |---|---|---|
# | 1 | 82.4 % | DINOv2 weights (142 M images), larger images, head first, RandomCrop, RandomErasing |
# | 2 | 82.1 % | CLIP weights, half precision, a search for the learning rate |
# | 3 | 75.1 % | CutMix, grid search, learning-rate schedule, an ensemble, an average of the weights (EMA) |
# | 4 | 73.0 % | nine pretrained models that vote, weighted by validation accuracy |
# | 5 | 72.9 % | learning rates by layer, noise, colour jitter, flips, label smoothing |
#
# The first two places differ from the others by their pretrained weights. The code below is a small, fast start:


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
# ### Training on clear images is not enough
#
# We train it on `shapes` as they are and test it in both kinds of weather:

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
# This is a **distribution shift**: the test images come from another distribution than the training images. A test
# set of the same kind as the training set does not show it. Write your entry: about three lines of training, and the
# prediction.


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
# Do in the region what the cell above does with `plain`, and let `predict` return the class with the highest of the
# ten scores for each image. Then improve one thing at a time.
# </details>
# <details><summary>Hint: how do I train for the weather?</summary>
#
# `fit(..., augment=f)` calls `f(images, labels)` on each batch and trains on what it returns. You may use `weather`;
# it takes numpy arrays and a numpy generator. Harder images need a little more time.
# </details>

# %%
if ready("Q27"):
    found, truth = predict(public.images.to(device())).cpu(), public.labels
    right = 100 * float((found == truth).float().mean())
    one_class = 100 * float(torch.bincount(truth).max()) / len(truth)
    bars({"one class for all": one_class, "clear weather only": bad_weather, "your entry": right},
         xlabel="accuracy on public images in bad weather, %", form="{:.1f}")  # fmt: skip

# %% tags=["solution"]
assert right > bad_weather + 5

# %% [markdown]
# > **Figure 12.9 · Accuracy on the public images.**
#
# How much of a score is chance? With 500 images, an entry that is right nine times in ten has the standard error

# %%
share, n = 0.9, 500
standard_error = math.sqrt(share * (1 - share) / n)
difference = 2 * math.sqrt(2) * standard_error  # two entries, each with its own error
print(f"{100 * share:.0f} % ± {100 * standard_error:.1f} %; "
      f"two entries closer than about {100 * difference:.0f} % cannot be distinguished")  # fmt: skip
assert round(100 * standard_error, 1) == 1.3

# %% [markdown]
# If you try twenty entries on the public images and hand in the best, its public accuracy is too high: you selected
# it on these images. The hidden accuracy has no such bias.
#
# > ### What could go wrong
# > - **Other inputs than in training.** Weights expect their own mean, standard deviation and colour order (see
# >   `model.pretrained_cfg`). Nothing raises an error.
# > - **The class token inside the picture.** If it is interpolated along, it is mixed into the first positions.
# > - **The mean instead of the sum.** Patch embeddings are three times smaller.
# > - **`strict=False` with a misspelt name.** You fine-tune random weights.
# > - **An image size that is no multiple of the patch size.** Pixels are dropped without an error.
# > - **Frozen, and still in training mode.** `requires_grad_(False)` does not switch off dropout or batch norm;
# >   `eval()` does (below).
# > - **The optimiser was made before unfreezing,** from the parameters that had gradients then. The others never
# >   change.
# > - **Selecting on the test set.** The best of twenty tries is partly chance.

# %%
dropout = nn.Dropout(0.5).requires_grad_(False)
dropout.train()
print("frozen, in training mode:", dropout(torch.ones(8)).tolist())

# %% [markdown]
# ## Stretch · Q27b: an average of the weights
#
# An **exponential moving average** (EMA) of the weights is often more accurate than the weights of the last step.
# After each training step
#
# $$\bar w \leftarrow \texttt{decay} \cdot \bar w + (1 - \texttt{decay}) \cdot w$$
#
# Write `WeightAverage(model, decay)`: it starts with a copy of the model (`.model`), and `update(model)` applies the
# formula to every parameter. Buffers (the statistics of batch norm) are copied as they are; some of them are whole
# numbers. The model in training is not changed, and the average needs no gradient. Optional; see Polyak and Juditsky,
# *SIAM Journal on Control and Optimization* 1992, and timm's `ModelEmaV3`.


# %% tags=["answer"] question="Q27b" kind="stretch"
# Q27b: an exponential moving average of the weights
class WeightAverage:
    def __init__(self, model, decay=0.99):
        # BEGIN BLANK
        self.model, self.decay = deepcopy(model).requires_grad_(False), decay
        # END BLANK

    def update(self, model):
        # BEGIN BLANK
        with torch.no_grad():
            for mean, now in zip(self.model.parameters(), model.parameters(), strict=True):
                mean.mul_(self.decay).add_(now, alpha=1 - self.decay)
            for mean, now in zip(self.model.buffers(), model.buffers(), strict=True):
                mean.copy_(now)
        # END BLANK


# %% tags=["check"] question="Q27b" points=3
check("Q27b", WeightAverage)

# %% [markdown]
# <details><summary>Hint: the average equals the model</summary>
#
# `self.model = model` gives the same object a second name. It has to be a copy.
# </details>
#
# ## Stretch · Q27c: models that vote
#
# An **ensemble** averages the predictions of several models. Write `vote(models, images, weights=None)`: the mean of
# the models' *probabilities*, weighted if `weights` has a number for each model (number 4 of the lecture's
# leaderboard used validation accuracies). The weights need not add up to 1; the result does. Models are asked in
# evaluation mode, without gradients, and each is left in the mode in which it came. Optional; see Lakshminarayanan et
# al., NeurIPS 2017.


# %% tags=["answer"] question="Q27c" kind="stretch"
# Q27c: models that vote
def vote(models, images, weights=None):
    """Models (b, ...) -> logits (b, classes); gives probabilities (b, classes)"""
    # BEGIN BLANK
    weights = [1.0] * len(models) if weights is None else [float(w) for w in weights]
    total = 0
    for model, weight in zip(models, weights, strict=True):
        mode = model.training
        model.eval()
        with torch.no_grad():
            total = total + weight / sum(weights) * model(images).softmax(-1)
        model.train(mode)
    return total
    # END BLANK


# %% tags=["check"] question="Q27c" points=3
check("Q27c", vote)

# %% [markdown]
# <details><summary>Hint: the rows do not add up to 1</summary>
#
# Divide by the sum of the weights. And average probabilities, not scores.
# </details>

# %% [markdown]
# ## 9 · In words
#
# **W12a** (2 points). A colleague loads a ViT for 224 x 224 images (14 x 14 patches, one class token) into a model
# for 320 x 480. He interpolates the table of 197 rows as one line to the new number of rows. How many rows must there
# be? Name two things that his table gets wrong. Why does nothing raise an error, and why is only the table affected
# and not the attention layers?

# %% [markdown] tags=["written"] question="W12a" points=2
# 320 / 16 = 20 and 480 / 16 = 30, so 600 positions and one class token: 601 rows. As one line, the class token is
# mixed with the first position; the end of each grid row is mixed with the beginning of the next; and neighbours
# above each other, 14 rows of the list apart, are not interpolated between at all. Nothing raises an error because
# the shape, (1, 601, d), is what the model adds to its tokens. Attention layers apply the same matrices to each token
# and to pairs of tokens, whatever their number; only the table has a row for each position.

# %% [markdown] tags=["rubric"]
# **W12a, 2 points.**
# - ½ point: 20 x 30 + 1 = 601 rows.
# - ½ point: two faults of the line (class token mixed in; row ends mixed with row starts; vertical neighbours not).
# - ½ point: nothing raises an error because the shape is right.
# - ½ point: attention and MLP weights do not depend on the number of tokens.
#
# A half-right answer: "600 rows. The class token is interpolated with the first patch, and rows of the grid run into
# each other. There is no error because the shape fits." The class token's own row is missing (0), two faults (½), the
# shape (½), nothing about attention layers (0): 1 point.

# %% [markdown]
# **W12b** (2 points). You have 60 labelled grey X-ray images and a ViT pretrained on ImageNet. What do you do with
# the first layer, the position embedding and the head? What do you train first, what next, and with which learning
# rates? How would you find out whether pretraining helped at all?

# %% [markdown] tags=["written"] question="W12b" points=2
# First layer: add the three colour slices, so that a grey image gives what it gave in three channels (and normalise
# the images as the weights expect). Positions: resample the grid if the images have another size, without the class
# token. Head: new, with as many outputs as there are findings. First train the head alone with the rest frozen,
# because 60 images cannot determine millions of weights and a random head would disturb them; then unfreeze with a
# small learning rate, smaller still for early layers (layer-wise decay), for few epochs. Whether it helped: train the
# same model from scratch with the same steps, with several seeds and splits (cross-validation, as there are few
# images), and compare means and spreads on images on which nothing was selected. X-rays are far from photographs, so
# it may help little.

# %% [markdown] tags=["rubric"]
# **W12b, 2 points.**
# - ½ point: first layer summed (not averaged, not one colour), positions resampled where needed, new head.
# - ½ point: head first, the rest frozen; then unfreeze.
# - ½ point: small learning rates, smaller for early layers, with a reason.
# - ½ point: a comparison from scratch under equal conditions with seeds or cross-validation, on images that were not
#   used for any choice.
#
# A half-right answer: "Sum the colour weights, interpolate the positions, new head. Train the head first, then
# everything. Compare the test accuracy with 90 %." Three adaptations (½), head first (½), no learning rates (0), no
# comparison with training from scratch (0): 1 point.

# %% [markdown]
# ## 10 · Which parts of which model you have written
#
# | model | its parts | you wrote (lesson: question) |
# |---|---|---|
# | **ViT** | patches, class token, positions, pre-norm blocks | 03: Q2; 04: Q3, Q4; 05: Q5; 06: Q6 to Q7b; 07: Q8 |
# | **DeiT** | a ViT, its training recipe, a distillation token | 08: Q11 to Q14b |
# | **Swin** | windows, shift and mask, relative position bias, merging | 09: Q15 to Q18 |
# | **CvT** | convolutions for queries, keys, values and between stages | 10: Q20 and its stretch question |
# | **CoAtNet** | convolutional stages, then relative attention | 10: Q19 (the stem); 09: Q17, Q17b (the bias) |
# | **MLP-Mixer** | patches, an MLP over tokens, an MLP over channels | 03: Q2; 11: Q22 |
# | **DETR** | a CNN, encoder and decoder, queries, matching, loss | 05: Q5c; 06: Q7b; 11: Q23a, Q23b, Q23c |
# | **DiT** | noisy patches, blocks with adaptive layer norm | 03: Q2; 11: Q24 |
# | **MAE**, **DINO** | a ViT trained without labels, then transferred | 07: Q8; 12: Q25 to Q26b |
#
# DETR's positions are the sines of rows and of columns side by side, not their sum (Q1c): lesson 02 shows that the
# sum gives several positions the same vector. How MAE and DINO train is not part of this course's lessons 00 to 12.
# **ConvNeXt** has no attention: it is a CNN after Swin's plan, with stages, merging and layer norms.

# %% [markdown]
# ## 11 · Summary
#
# | | |
# |---|---|
# | `img_size` | the position embedding is a picture: resample it, bicubic with antialias, without the class token |
# | `in_chans` | one channel: add the slices, which is exact; many: repeat them, times 3/n, an approximation |
# | `num_classes` | a new head; everything else is kept |
# | transfer learning | helps as far as the target task needs what the source task taught |
# | linear probing | only the head is trained; then fine-tuning with a small learning rate |
# | layer-wise decay | early layers get smaller learning rates |
# | hidden images | the only accuracy on which nothing was selected |
#
# **Further reading**
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Section 3.2: a higher resolution, and the table
#   interpolated in 2-D; Figure 7: learned positions; Figure 3: how much data pretraining needs.
# - Steiner et al., *How to train your ViT?*, TMLR 2022. Section 4: many pretrained ViTs, and which to choose.
# - Kumar et al., *Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution*, ICLR 2022.
#   Figure 1: linear probing first, then fine-tuning.
# - Bao, Dong and Wei, *BEiT*, ICLR 2022. Its appendix lists layer-wise decay for fine-tuning.
# - Hu et al., *LoRA: Low-Rank Adaptation of Large Language Models*, ICLR 2022.
# - Kornblith, Shlens and Le, *Do Better ImageNet Models Transfer Better?*, CVPR 2019. Figure 2: twelve target tasks.
# - Wightman, *PyTorch Image Models*: `timm/layers/pos_embed.py` and `timm/models/_manipulate.py`, with which your two
#   answers agree.
#
# This was the last lesson. `helpers.progress()` shows which questions of the course you have solved.
