# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 01 · Patches {{badge}}
#
# **In one sentence:** you will cut any image into a sequence of patches with one reshape and one permute, put
# it back without losing a pixel, and know to the byte why nobody feeds pixels to a transformer.
#
# | | |
# |---|---|
# | **You need** | tensors and indexing in PyTorch; no earlier lesson |
# | **Time** | 45 minutes |
# | **You write** | Q0a `split_into_patches` (3 short blanks), Q0b `join_patches` (3 more), W1a and W1b in words |
#
# **Afterwards you can**
# - say what a token is when there are no words, and count the tokens of any image;
# - cut and join with reshape and permute, and read such a line aloud, axis by axis;
# - spot a scrambled cut that has the right shape, which no error message will ever tell you about;
# - choose a patch size knowing what it costs.
#
# {{questions}}
#
# {{names: lectures L0 to L3}}
# patch size | `patch_size`, letters `ph`, `pw` | `patch_size` | $P$
# number of patches, `nb_tokens` | letter `n` | `num_patches` | $N = HW/P^2$
# `unfold` | `split_into_patches` | – | $x_p$
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import time

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from helpers import check, ready
from helpers.data import load, sample_image
from helpers.explore import explore
from helpers.pictures.patches import show_numbers
from helpers.plots import (
    bars,
    compare,
    curves,
    figure,
    show,
    show_grid,
    show_images,
    show_patches,
    token_strip,
)

torch.set_num_threads(1)  # for tensors as small as these, more threads only wait for each other

# %% [markdown]
# Letters, the same in every lesson: `b` batch, `n` tokens, `d` width of a token, `c h w` channels, height and
# width of an image, `p` the side of a patch (`ph pw` when it isn't square).

# %% [markdown]
# ## 1 · An image is not a sequence. Yet.
#
# A transformer reads a list of vectors, its *tokens*. Where is the list in this image?

# %%
image = sample_image(32)  # c h w
print(tuple(image.shape))
show_images([image], alt="A house by a lake in the evening sun, 32 by 32 pixels.")

# %% [markdown]
# The Vision Transformer's answer is a pair of scissors. Cut squares, and read them like a page: left to right,
# then the next row.

# %%
show_grid(image, 8)

# %% [markdown]
# Sixteen patches, numbered 0 to 15: that is the list. Each patch becomes one token.

# %% [markdown]
# ## 2 · Why not simply pixels?
#
# Attention compares every token with every other. Read pixel by pixel, an image of `R` x `R` asks for `R⁴`
# numbers.

# %%
for side in (8, 32, 128):
    tokens = side * side
    print(f"{side:>3} x {side:<3} pixels: {tokens:>6,} tokens, {tokens**2:>12,} attention entries")

# %% [markdown]
# And that is one head of one layer. Take 48 layers of 16 heads, and 4 bytes per entry (float32).


# %%
def attention_bytes(tokens, layers=48, heads=16):
    return tokens**2 * layers * heads * 4


GiB, MiB = 2**30, 2**20
print(f"128 x 128 pixels as tokens: {attention_bytes(128 * 128) / GiB:g} GiB")

# %% [markdown]
# That is for *one* small image. Now the same model on a larger one, 224 x 224, in patches of 16 x 16 pixels:

# %%
tokens = (224 // 16) ** 2
print(
    f"{tokens} tokens: {attention_bytes(tokens) / MiB:.1f} MiB, for {224**2 / 128**2:.1f} times the pixels"
)  # fmt: skip

# %% [markdown]
# A tenth of a GiB instead of hundreds, on an image of three times as many pixels.
#
# Mind the words: "14 x 14 patches" may be a *count* or a *size*. Ask which, for the bill differs.

# %%
for p in (16, 14, 4):
    side = 224 // p
    n = side**2
    cost = f"{n**2:>9,} entries, {attention_bytes(n) / MiB:>8,.1f} MiB"
    print(f"patches of {p:>2} x {p:<2} pixels: {side} x {side} = {n:>4} tokens, {cost}")

# %%
assert attention_bytes(128 * 128) == 768 * GiB
assert round(attention_bytes(14 * 14) / MiB, 1) == 112.5  # 14 x 14 patches, each 16 px wide
assert attention_bytes(16 * 16) == 192 * MiB  # 16 x 16 patches, each 14 px wide
assert attention_bytes((128 // 2) ** 2) * 16 == attention_bytes(128 * 128)  # twice the patch side
assert round((56 * 56) ** 2 / 1e6, 1) == 9.8  # million entries: where Swin starts, lesson 09

# %% [markdown]
# The curves are parallel: patches don't change the law, they shift it. Twice the patch side saves a factor of
# 16.

# %%
sides = torch.tensor([32, 64, 128, 256, 512])
memory = {f"p = {p}": [attention_bytes((int(s) // p) ** 2) / GiB for s in sides] for p in (1, 4, 16)}
fig, ax = figure(2.9)
curves(
    sides,
    memory,
    xlabel="side of the image",
    ylabel="attention maps, GiB",
    logx=True,
    logy=True,
    ax=ax,
)
ax.set_xticks(sides.tolist(), sides.tolist(), minor=False)
ax.minorticks_off()
show(
    fig,
    alt="Memory against image side, on log scales: parallel straight lines for p = 1, 4 and 16.",
)

# %% [markdown]
# (Modern kernels avoid *storing* these maps. They still compute every entry.)

# %% [markdown]
# ## 3 · First, with two loops
#
# Scissors in four lines. Slow, and impossible to get wrong, which is what a first version is for.


# %%
def cut_by_hand(image, p):
    h, w = image.shape[1:]
    pieces = [image[:, y : y + p, x : x + p] for y in range(0, h, p) for x in range(0, w, p)]
    return torch.stack(pieces)  # n c p p


by_hand = cut_by_hand(image, 8)
print(tuple(by_hand.shape))
show_patches(by_hand, grid=(4, 4), alt="The sixteen patches, side by side with gaps.")

# %% [markdown]
# In the transformer's eyes there is no grid, only the line:

# %%
show_patches(by_hand, grid=(1, 16), alt="The sixteen patches in a single row.")

# %% [markdown]
# **Try it.** Smaller patches show more detail, and the line grows. Where do you stop recognising what a
# single patch shows?


# %%
def line_of_patches(patch_size):
    pieces = cut_by_hand(image, patch_size)
    show_patches(pieces, grid=(-(-len(pieces) // 16), min(16, len(pieces))), numbers=False)


explore(line_of_patches, patch_size=[4, 8, 16])

# %% [markdown]
# ## 4 · A reshape never moves a number
#
# Loops are slow; one reshape would be fast. It also has a trap in it, so let us number the pixels and watch
# where they go.

# %%
numbers = torch.arange(16).reshape(4, 4)  # h w
# the patch of each pixel
corner = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])
show_numbers(
    [("image", numbers), ("the same, as memory holds it", numbers.reshape(1, 16))], groups=corner
)  # fmt: skip

# %% [markdown]
# Four patches of 2 x 2, one colour each. In memory the colours alternate: a patch is *not* a run of
# neighbours there.
#
# So what does the obvious line do?

# %%
hopeful = numbers.reshape(4, 2, 2)  # n ph pw: the right shape ...
show_numbers([(f"“patch” {k}", hopeful[k]) for k in range(4)], groups=corner)

# %% [markdown]
# Every shape is right and every patch is wrong: strips, cut from two patches each. Nothing raises. A model
# would train on this.
#
# A reshape only moves the commas between the numbers. It splits one axis into two, *(how many, how long)*:

# %%
strip = torch.arange(12)
show_numbers([("12 in a row", strip), ("reshape(3, 4)", strip.reshape(3, 4))])

# %% [markdown]
# Split the height and you get bands. Split the width and each line of pixels falls into pieces:

# %%
bands = numbers.reshape(2, 2, 4)  # rows ph w
pieces = numbers.reshape(4, 2, 2)  # h columns pw
show_numbers([(f"bands[{i}]", bands[i]) for i in range(2)], groups=corner)
show_numbers([(f"pieces[{i}]", pieces[i]) for i in range(4)], groups=corner)

# %% [markdown]
# The other tool is `permute`. It changes the order in which axes are read; its numbers say *which old axis
# comes here*.

# %%
towers = pieces.permute(1, 0, 2)  # columns h pw
print(tuple(pieces.shape), "->", tuple(towers.shape))
show_numbers([("towers[0]", towers[0]), ("towers[1]", towers[1])], groups=corner)

# %% [markdown]
# Neither tool has copied anything so far. It is the same memory, read with other strides:

# %%
print("same memory:", numbers.data_ptr() == pieces.data_ptr() == towers.data_ptr())
print("strides    :", numbers.stride(), pieces.stride(), towers.stride())

# %% [markdown]
# Now you hold both tools. Bands cut the height, towers cut the width; a patch needs both.

# %% [markdown]
# ## 5 · Q0a: cut
#
# Write `split_into_patches`. It takes a whole batch `(b, c, h, w)`, and gives `(b, n, c, ph, pw)`: row by
# row, from the top left. `patch_size` is one number, or a pair (height, width).
#
# Three blanks, each shorter than a line:
# 1. when does the image divide into whole patches?
# 2. six sizes: both sides of the image split in two;
# 3. six axis numbers: the order in which the last line wants to read them.


# %% tags=["answer"] question="Q0a"
# Q0a: from images to patches
def split_into_patches(images, patch_size):
    """(b, c, h, w) -> (b, n, c, ph, pw), row by row from the top left.

    Raises ValueError when the image doesn't divide into whole patches.
    """
    ph, pw = (patch_size, patch_size) if isinstance(patch_size, int) else patch_size
    b, c, h, w = images.shape
    divides = h % ph == 0 and w % pw == 0  # BLANK
    if not divides:
        raise ValueError(f"an image of {h} x {w} does not divide into patches of {ph} x {pw}")
    rows, columns = h // ph, w // pw
    # Split both sides: six axes.
    cut = images.reshape(b, c, rows, ph, columns, pw)  # BLANK: b, c, rows, ph, columns, pw
    # The same six axes, in the order of the line below.
    cut = cut.permute(0, 2, 4, 1, 3, 5)  # BLANK: 0, 2, 4, 1, 3, 5
    return cut.reshape(b, rows * columns, c, ph, pw)


# %% tags=["check"] question="Q0a" points=4
check("Q0a", split_into_patches)

# %% [markdown]
# <details><summary>Hint: the check says it can't reshape, or the sizes don't multiply out</summary>
#
# The six sizes must multiply to `b * c * h * w`. Which two of them multiply to `h`? Which two to `w`?
# </details>
# <details><summary>Hint: it runs, but the picture shows strips or a sieve</summary>
#
# Go back to `strip.reshape(3, 4)`: how many comes first, how long comes second. Then think of `bands` and
# `pieces`, which are one half of your reshape each.
# </details>
# <details><summary>Stronger hint: the six numbers of the permute</summary>
#
# Take a pencil. Write the names of the six axes you *have*, and under each its number, 0 to 5. Below, write
# the names in the order you *want*: the last line merges the two that count patches, so they must be
# neighbours, right after the batch. Copy the numbers down.
# </details>
# <details><summary>Hint: when does it divide?</summary>
#
# `7 % 2` is what is left over when 7 is cut into twos. Nothing may be left over, on either side.
# </details>

# %% [markdown]
# ### Your patches
#
# Drawn from your own tensor. They should look just like the ones cut by hand.

# %%
if ready("Q0a"):
    patches = split_into_patches(image[None], 8)  # b n c ph pw
    print(tuple(patches.shape), "equal to the loop:", torch.equal(patches[0], by_hand))
    show_patches(patches[0], grid=(4, 4), alt="The sixteen patches of your own cut.")

# %% [markdown]
# Nothing in it is about squares. A wide image and oblong patches, with the same function:

# %%
if ready("Q0a"):
    wide = sample_image((24, 48))
    oblong = split_into_patches(wide[None], (8, 12))[0]
    show_patches(oblong, grid=(3, 4), alt="A wide image as 3 rows of 4 oblong patches.")

# %% [markdown]
# An image that doesn't divide is refused, with words one can act on. Then *you* decide: crop, resize, or pad.

# %%
if ready("Q0a"):
    odd = sample_image((30, 32))[None]
    try:
        split_into_patches(odd, 8)
    except ValueError as error:
        print("ValueError:", error)
    padded = F.pad(odd, (0, 0, 0, 2))  # two more rows, below
    print("padded:", tuple(split_into_patches(padded, 8).shape))

# %% [markdown]
# ### Three more ways to say it
#
# `einops` writes the axes by name. Read it aloud: it is your pencil note from the hint, as code.


# %%
def cut_einops(images, p):
    return rearrange(images, "b c (rows ph) (columns pw) -> b (rows columns) c ph pw", ph=p, pw=p)


# %% [markdown]
# `Tensor.unfold` slides a window along one axis; `F.unfold` does both at once, flattens each patch, and puts
# the patches *last*.


# %%
def cut_unfold(images, p):
    windows = images.unfold(2, p, p).unfold(3, p, p)  # b c rows columns ph pw
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)  # b n c ph pw


def cut_f_unfold(images, p):
    flat = F.unfold(images, p, stride=p)  # b (c ph pw) n
    return flat.transpose(1, 2).unflatten(2, (images.shape[1], p, p))  # b n c ph pw


# %% [markdown]
# All four agree to the last bit. They only move numbers, so there is nothing to round.

# %%
photos = load("shapes").images[:64]  # b c h w
if ready("Q0a"):
    mine = split_into_patches(photos, 4)
    for other in (cut_einops, cut_unfold, cut_f_unfold):
        print(f"{other.__name__:<14}", torch.equal(mine, other(photos, 4)))

# %% [markdown]
# Which is fastest? Sixty-four images in patches of 4, the best of twenty runs each (on a shared machine noise
# only adds).


# %%
def milliseconds(call, runs=20):
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds)


if ready("Q0a"):
    ways = {
        "yours": split_into_patches,
        "einops": cut_einops,
        "unfold": cut_unfold,
        "F.unfold": cut_f_unfold,
    }
    timings = {
        "two loops": milliseconds(
            lambda: torch.stack([cut_by_hand(x, 4) for x in photos]), runs=5
        )
    }  # fmt: skip
    timings |= {name: milliseconds(lambda way=way: way(photos, 4)) for name, way in ways.items()}
    bars(timings, xlabel="milliseconds for 64 images of 32 x 32", form="{:.2g}")

# %% [markdown]
# The loop pays for every slice. The others copy the numbers about once, and which of them is ahead changes with the
# machine: take the one that you can read.

# %% [markdown]
# ## 6 · A mistake that travels
#
# One of this course's source lectures cuts with two `unfold`s as above, then permutes otherwise. As six
# numbers its permute looks harmless. Here it is with names; which axis stands where it shouldn't?


# %%
def lecture_order(images, p):
    windows = images.unfold(2, p, p).unfold(3, p, p)  # b c rows columns ph pw
    return rearrange(windows, "b c rows columns ph pw -> b rows ph c columns pw")


lecture = lecture_order(image[None], 16).reshape(1, 4, 3, 16, 16)  # b n c ph pw, it says

# %%
correct = cut_unfold(image[None], 16)
names = [f"{who} {k}" for who in ("right", "lecture") for k in range(4)]
stripes = "Above, the image's four quarters. Below, the lecture's: stripes of two quarters in false colours."
show_patches([*correct[0], *lecture[0]], grid=(2, 4), titles=names, alt=stripes)

# %% [markdown]
# Same shape, same pixels, no error; even the colours are mixed. To see what its token 0 holds, follow the
# pixels themselves: number them, cut, and look which numbers arrive.

# %%
index = torch.arange(32 * 32).reshape(1, 1, 32, 32)
token = lecture_order(index, 16).reshape(4, 256)[0]
rows, columns = token // 32, token % 32
print(
    f"token 0 holds rows {rows.min()} to {rows.max()} and columns {columns.min()} to {columns.max()}"
)  # fmt: skip
assert (rows.max(), columns.max(), len(token.unique())) == (7, 31, 256)


# %%
def spotlight(pixels):
    light = torch.full((32 * 32,), 0.25)
    light[pixels] = 1.0
    return image * light.reshape(32, 32)


quarter = index[0, 0, :16, :16].flatten()
lit = "Left, the top left quarter is lit. Right, a band is lit: the top 8 rows over the whole width."
compare(
    [("token 0, right", spotlight(quarter)), ("token 0 of the lecture", spotlight(token))],
    alt=lit,
)

# %% [markdown]
# A band of eight rows across the whole image. `ph`, an axis of *pixels*, got in front of `columns`, which
# counts patches; the reshape then merges `rows` with half of `ph`.
#
# <details><summary>A twist, for after Q0a</summary>
#
# Write the lecture's order as six numbers. You have met them before, on a route where the axes stood in another
# order, and there they are right.
# </details>
#
# **A permute is only right together with the shape before it.** So write that shape beside it, always.

# %% [markdown]
# ## 7 · Q0b: join
#
# The way back: `(b, n, c, ph, pw)` to `(b, c, height, width)`. Nothing is lost in cutting, so the inverse is
# exact.
#
# Again three short blanks: how many rows and columns of patches; six sizes; six axis numbers.


# %% tags=["answer"] question="Q0b"
# Q0b: from patches back to images
def join_patches(patches, height, width):
    """(b, n, c, ph, pw) -> (b, c, height, width), the inverse of split_into_patches."""
    b, n, c, ph, pw = patches.shape
    rows, columns = height // ph, width // pw  # BLANK
    if rows * columns != n:
        raise ValueError(f"{n} patches do not fill {rows} rows of {columns}")
    # Split n into its grid: six axes.
    grid = patches.reshape(b, rows, columns, c, ph, pw)  # BLANK: b, rows, columns, c, ph, pw
    # The same six axes, in the order of an image.
    grid = grid.permute(0, 3, 1, 4, 2, 5)  # BLANK: 0, 3, 1, 4, 2, 5
    return grid.reshape(b, c, height, width)


# %% tags=["check"] question="Q0b" points=3
check("Q0b", join_patches)

# %% [markdown]
# <details><summary>Hint: which axis is split now?</summary>
#
# On the way in, the last line merged two axes into `n`. Now the first line undoes that merge; the other axes
# stay as they came.
# </details>
# <details><summary>Hint: the picture shows patches rolled out flat, or woven cloth</summary>
#
# Walk along the first row of an image: you pass the pixels of one patch, then the pixels of its right
# neighbour. So which axis runs fastest, and which comes just before it?
# </details>
# <details><summary>Stronger hint: the inverse of a permutation</summary>
#
# Your two permutes undo each other: if the first one put old axis 4 in place 2, the second must put axis 2
# back in place 4. Do this for all six. (`torch.argsort` would also know, but the pencil teaches more.)
# </details>

# %% [markdown]
# ### There and back
#
# Equal to the last bit, for several sizes at once:

# %%
if ready("Q0a") and ready("Q0b"):
    for size, p in (((32, 32), 8), ((24, 48), (8, 12)), ((15, 35), 5)):
        picture = sample_image(size)[None]
        back = join_patches(split_into_patches(picture, p), *size)
        print(size, p, "identical:", torch.equal(back, picture))

# %% [markdown]
# **Try it.** Cut, shuffle the line, join. Same patches, same shape: only the *order* of tokens says where
# anything is. At which patch size does the house disappear for you?

# %%
seed = 0  # change me


def puzzle(patch_size):
    pieces = split_into_patches(image[None], patch_size)  # 1 n c ph pw
    n = pieces.shape[1]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    compare([(f"{n} patches, shuffled", join_patches(pieces[:, order], 32, 32)[0])])


if ready("Q0a") and ready("Q0b"):
    explore(puzzle, patch_size=[16, 8, 4, 2])

# %% [markdown]
# A transformer without more help sees exactly this: a bag of patches. Lesson 02 gives each one its place.

# %% [markdown]
# ## 8 · Which patch size?
#
# Flatten a patch and it is a token of width `d`. Fewer tokens are wider ones; nothing is added or lost.

# %%
print(" p     n      d   n * d   entries n²")
for p in (1, 2, 4, 8, 16, 32):
    tokens = cut_einops(image[None], p).flatten(2)[0]  # n d
    n, d = tokens.shape
    print(f"{p:>2} {n:>5} {d:>6} {n * d:>7} {n * n:>12,}")

# %% [markdown]
# What does a token see? Give each patch only its mean colour, the coarsest thing one could say about it.


# %%
def mosaic(patch_size):
    pieces = split_into_patches(image[None], patch_size)
    means = pieces.mean((3, 4), keepdim=True).expand_as(pieces)
    n = pieces.shape[1]
    compare([(f"n = {n}, n² = {n * n:,}", join_patches(means, 32, 32)[0])])


if ready("Q0a") and ready("Q0b"):
    explore(mosaic, patch_size=[1, 2, 4, 8, 16, 32])

# %% [markdown]
# As a row of numbers a patch is less pretty, and it is all that the network gets: 16 tokens, 192 numbers
# each.

# %%
if ready("Q0a"):
    vectors = split_into_patches(image[None], 8)[0].flatten(1)  # n d
    token_strip(vectors, title="one row per patch: 64 reds, 64 greens, 64 blues")

# %% [markdown]
# ### The grid doesn't move with the image
#
# Shift an image to the right, pixel by pixel, and count how many of its patches were there before, in any
# place.


# %%
def familiar(p, shift):
    before = cut_einops(image[None], p).flatten(2)[0]  # n d
    after = cut_einops(image.roll(shift, dims=2)[None], p).flatten(2)[0]
    same = (after[:, None] == before[None]).all(-1).any(1)  # n
    return same.float().mean().item()


shifts = range(13)
seen = {f"p = {p}": [100 * familiar(p, s) for s in shifts] for p in (8, 4)}
combs = "Two combs: all patches are back at shifts by whole patches, hardly any in between."
curves(list(shifts), seen, xlabel="shift, pixels", ylabel="patches seen before, %", alt=combs)
assert familiar(8, 8) == familiar(4, 4) == familiar(4, 12) == 1.0 > familiar(8, 4)

# %% [markdown]
# A shift by whole patches only moves tokens along the line; any other makes new tokens. A convolution of
# stride 1 has no favourite steps. A ViT must learn to live with its own: lesson 10 asks what that costs.

# %% [markdown]
# ## 9 · An honest result
#
# Do patches alone make a good classifier? Take handwritten digits, 8 x 8, and the simplest model there is:
# one linear layer, fitted in closed form.

# %%
train, test = load("digits"), load("digits", "test")


def linear_accuracy(features):
    x, y = (features(s.images).double() for s in (train, test))
    x, y = F.pad(x, (0, 1), value=1.0), F.pad(y, (0, 1), value=1.0)  # a one for the bias
    targets = F.one_hot(train.labels, 10).double()
    weights = torch.linalg.solve(x.T @ x + 0.01 * torch.eye(x.shape[1]).double(), x.T @ targets)
    return ((y @ weights).argmax(1) == test.labels).double().mean().item()


# %% [markdown]
# Once it sees all tokens in order; once only their mean, a bag of patches in which no place is known.


# %%
def in_order(p):
    return linear_accuracy(lambda images: cut_einops(images, p).flatten(1))


def bag(p):
    return linear_accuracy(lambda images: cut_einops(images, p).flatten(2).mean(1))


sizes = [1, 2, 4, 8]
accuracy = {name: [100 * f(p) for p in sizes] for name, f in (("in order", in_order), ("bag", bag))}
curves(sizes, accuracy, xlabel="patch size, pixels", ylabel="test accuracy, %")
assert max(accuracy["in order"]) - min(accuracy["in order"]) < 0.5
assert accuracy["bag"][0] < 15

# %% [markdown]
# In order, the patch size makes no difference: a linear layer doesn't care how its inputs are arranged. In a
# bag, all that is known of places lies *inside* the patches, so tiny ones are hopeless.
#
# Now the careless reshape from section 4, on the same digits:


# %%
def careless(images):
    return images.reshape(len(images), 4, 1, 4, 4)  # the right shape, the wrong pixels


scrambled = linear_accuracy(lambda images: careless(images).flatten(1))
bag_scrambled = linear_accuracy(lambda images: careless(images).flatten(2).mean(1))
print(f"in order: {100 * in_order(4):.1f} % cut well, {100 * scrambled:.1f} % cut carelessly")
print(f"bag     : {100 * bag(4):.1f} % cut well, {100 * bag_scrambled:.1f} % cut carelessly")
assert abs(scrambled - in_order(4)) < 0.005
assert bag_scrambled < bag(4) - 0.1

# %% [markdown]
# Look at the first line. Cut carelessly, *nothing* shows in the score, as long as the model sees everything
# in order. Only when a patch must mean something by itself does the bug cost. That is how it can live in code
# for years.
#
# And for scale a small CNN, trained for a moment:

# %%
torch.manual_seed(0)
cnn = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))  # fmt: skip
optimiser = torch.optim.Adam(cnn.parameters(), lr=5e-3)
start = time.perf_counter()
for epoch in range(8):
    for x, y in train.batches(128, shuffle=True, seed=epoch):
        optimiser.zero_grad()
        F.cross_entropy(cnn(x), y).backward()
        optimiser.step()
seconds = time.perf_counter() - start
with torch.no_grad():
    convolution = (cnn(test.images).argmax(1) == test.labels).float().mean().item()

# %%
scores = {"CNN": convolution, "in order": in_order(4), "bag of 4 x 4": bag(4), "bag of 2 x 2": bag(2)}
percent = {name: 100 * score for name, score in scores.items()}
bars(percent, xlabel=f"test accuracy on digits, % (CNN: {seconds:.1f} s of training)", form="{:.1f}")
assert convolution > in_order(4) > bag(4)

# %% [markdown]
# The CNN wins, and should: it knows from birth that neighbours belong together and that a stroke is a stroke
# wherever it is. Patches don't make a ViT clever. They make it affordable; the rest of this course makes it
# clever.
#
# > ### What could go wrong
# > - **Right shape, wrong pixels.** `images.reshape(b, n, c, p, p)` runs. Always draw one patch, or compare
# >   with two loops.
# > - **A borrowed permute.** Its numbers belong to the shape before it. Write that shape beside it.
# > - **`view` after `permute`** raises, for memory is no longer in reading order (below). `reshape` copies
# >   when it must.
# > - **Channels last.** Files and matplotlib hold `h w c`. Cut that as `c h w` and a 32-pixel image has 32
# >   channels.
# > - **"16 x 16 patches".** Count or size? For a 224 image that is 256 tokens or 196.
# > - **Silent cropping.** `unfold` and strided convolutions drop what doesn't fit. Your `ValueError` is
# >   kinder.

# %%
turned = numbers.permute(1, 0)
try:
    turned.view(16)
except RuntimeError as error:
    print("view   :", str(error).split(".")[0])
print("reshape:", turned.reshape(16).tolist())

# %%
silent = cut_unfold(sample_image((30, 32))[None], 8)
print("unfold of a 30 x 32 image:", tuple(silent.shape), "- where did 6 rows go?")

# %% [markdown]
# ## 10 · In words
#
# **W1a** (2 points). A friend replaces your function by `images.reshape(b, n, c, p, p)`. All shapes fit,
# training runs and the loss falls. What does one token hold now? Why does the model still learn something?
# Name one test of a line or two that would have caught it.

# %% [markdown] tags=["written"] question="W1a" points=2
# A reshape keeps the order of memory, which is row by row, channel by channel. So a token holds `c·p·p`
# consecutive numbers: a strip of full or partial image rows, mostly from a single channel, and no square. No
# pixel is lost and the scramble is the same for every image, so whatever reads all tokens together can still
# find the information (our linear layer scored the same); what suffers is everything that should be seen
# *inside* one token, neighbours above and below, and the meaning of a token's place.
#
# A test: `torch.equal(split(images, p)[:, 0], images[:, :, :p, :p])`, or an image of numbered pixels, or a
# comparison with two loops. A test of shapes alone, or of the round trip with an equally careless join, would
# not see it.

# %% [markdown] tags=["rubric"]
# **W1a, 2 points.**
# - 1 point: says that a token is a run of memory (strip of rows, one channel first) **and** that nothing is
#   lost: a fixed scramble of the same numbers, so learning is still possible. Half a point for only one of
#   the two.
# - 1 point: a test that compares *values* with a known patch, a loop, or numbered pixels. No point for
#   testing shapes, the sum of pixels, or "the loss".

# %% [markdown]
# **W1b** (2 points). You halve the patch side of a ViT, `p` to `p/2`, on images of the same size. By which
# factor change `n`, `d` and the attention entries? Give one reason for doing it, and one case in which you
# would rather double `p`.

# %% [markdown] tags=["written"] question="W1b" points=2
# `n` grows by 4, `d` (before the embedding) shrinks to a quarter, their product stays; the attention entries
# grow by 16. Worth it when what matters is small: fine texture, small objects, dense prediction such as
# segmentation, for which one token per 16 x 16 pixels is too coarse. Doubling `p` makes sense for large
# images or video, on small hardware, or when the signal is coarse: attention becomes 16 times cheaper, at the
# price that more must be said about each patch by one vector.

# %% [markdown] tags=["rubric"]
# **W1b, 2 points.**
# - 1 point: the factors 4, 1/4 and 16 (half a point for two of them).
# - ½ point: a reason for smaller patches that speaks of detail or resolution of the *tokens*.
# - ½ point: a case for larger patches that speaks of cost or of coarse content.

# %% [markdown]
# ## 11 · What you take along
#
# | | |
# |---|---|
# | token | one patch: `c·p·p` numbers |
# | tokens per image | `n = (h / ph) · (w / pw)`, read row by row |
# | attention entries | `n²` per head and layer: pixels cost `R⁴`, patches `p⁴` times less |
# | reshape | moves commas, never numbers |
# | permute | says in which order axes are read; right only for the shape before it |
# | cut and join | exact inverses |
# | what a cut forgets | where a patch was: lesson 02 |
#
# **Further reading**
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 1 is your `split_into_patches` and
#   everything after it; Table 1 lists the models, and Section 4.1 explains the "/16" in ViT-L/16: the patch's
#   size in pixels.
# - Cordonnier, Loukas and Jaggi, *On the Relationship between Self-Attention and Convolutional Layers*, ICLR
#   2020: patches of 2 x 2, a year earlier.
# - Chen et al., *Generative Pretraining from Pixels* (iGPT), ICML 2020: what it takes to use pixels after
#   all. Images shrink to 32 x 32, 48 x 48 or 64 x 64 first, for the reason of section 2.
# - Rogozhnikov, *Einops: Clear and Reliable Tensor Manipulations with Einstein-like Notation*, ICLR 2022.
#
# Next: **02 · Positional encoding**, in which each patch learns where it came from.
