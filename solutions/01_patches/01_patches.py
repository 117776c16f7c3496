# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 01 · Patches {{badge}}
#
# **Question of this lesson.** A transformer reads a sequence of vectors. How does an image become one?
#
# **Why it matters.** Every Vision Transformer begins with this step. It decides how much memory and time the
# model needs, and a mistake in it raises no error.
#
# | | |
# |---|---|
# | **You need** | tensors and indexing in PyTorch; no earlier lesson |
# | **Time** | 50 minutes |
# | **You write** | Q0a `split_into_patches`, Q0b `join_patches`; W1a and W1b in words |
#
# **Afterwards you can**
# - say what a token is in an image, and count the tokens of any image;
# - cut an image into patches with `reshape` and `permute` and put it back, explaining each axis;
# - find a scrambled cut that has the right shape;
# - choose a patch size and state what it costs.
#
# {{questions}}
#
# | in the lectures | here | in timm | in the ViT paper |
# |---|---|---|---|
# | `patch_size` | `patch_size`, letter `p` | `patch_size` | $P$ |
# | `num_patches`, `nb_tokens` | letter `n` | `num_patches` | $N$ |
# | `patch_dim` | letter `d` before the embedding | – | $P^2 C$ |
#
# The course follows five lectures. Where a lesson discusses a line of one of them, the line is shown.

# %% tags=["bootstrap"]

# %% tags=["setup"]
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from helpers import check, ready
from helpers.data import load, sample_image
from helpers.data.photographs import photograph
from helpers.experiments.patches import (
    attention_bytes,
    cnn_accuracy,
    compare_speed,
    digit_accuracy,
    memory_chart,
    memory_table,
    share_of_known_patches,
)
from helpers.explore import explore
from helpers.pictures.patches import show_numbers
from helpers.plots import bars, compare, curves, show_grid, show_images, show_patches, token_strip

torch.set_num_threads(1)  # these tensors are so small that further threads would only wait for each other

# %% [markdown]
# The letters are the same in every lesson: `b` batch, `n` tokens, `d` width of a token, `c h w` channels, height
# and width of an image, `p` side of a patch (`ph pw` when it isn't square).

# %% [markdown]
# ## 1 · What is a token in an image?
#
# A transformer reads a sequence of vectors. Each vector is called a **token**. In a text a token is a word or a
# part of a word. In this photograph there are no words:

# %%
photo = photograph("china", 224)  # c h w
print(tuple(photo.shape))
show_images([photo], alt="A temple with a curved roof in front of hills, 224 by 224 pixels.")

# %% [markdown]
# The Vision Transformer cuts the image into squares of equal size, called **patches**. It reads them like a
# page: from left to right, then the next row.

# %%
show_grid(photo, 32)

# %% [markdown]
# > **Figure 1.1 · An image as a sequence.** The photograph is cut into 7 x 7 patches of 32 x 32 pixels. The
# > numbers give the order in which the patches are read. Each patch becomes one token.
#
# **Answer.** A token is one patch. The number of tokens is called the **sequence length**; here `n` is 49.

# %% [markdown]
# ## 2 · Why not one token per pixel?
#
# Attention, the layer at the heart of a transformer (lesson 05), computes one number for every pair of tokens.
# These numbers form an **attention map** with `n` rows and `n` columns. Its size therefore grows with the square
# of the sequence length: the cost is **quadratic** in `n`.
#
# An image of `R` x `R` pixels read pixel by pixel has `n = R²` tokens and maps of `R⁴` numbers. The table shows
# what that means in memory. The last column is for a large model: 48 layers with 16 maps each, 4 bytes per number.

# %%
memory_table()

# %% [markdown]
# > **Table 1.2 · Memory of the attention maps of one image.** With one token per pixel a small image of 128 x 128
# > needs 768 GiB. Patches of 16 x 16 bring an image of 224 x 224 down to 112.5 MiB.
#
# Read "14 x 14 patches" with care: it can be the *number* of patches (each 16 pixels wide, 112.5 MiB) or their
# *size* (16 x 16 of them, 192 MiB). Both occur in papers.
#
# Modern attention kernels avoid *storing* the maps, but they still compute every entry.

# %%
memory_chart()

# %%
assert attention_bytes(128 * 128) == 768 * 2**30
assert round(attention_bytes(14 * 14) / 2**20, 1) == 112.5  # 14 x 14 patches of 16 pixels
assert attention_bytes(16 * 16) == 192 * 2**20  # 16 x 16 patches of 14 pixels
assert 16 * attention_bytes((128 // 2) ** 2) == attention_bytes(128 * 128)  # twice the patch side
assert round((56 * 56) ** 2 / 1e6, 1) == 9.8  # million entries: where Swin starts (lesson 09)

# %% [markdown]
# > **Figure 1.3 · Memory against image side.** The lines are parallel because patches do not change the power of
# > four. They divide the cost by a constant: doubling the patch side divides it by 16.
#
# **Answer.** One token per pixel costs `R⁴` numbers per map. Patches of side `p` divide that by `p⁴`.

# %% [markdown]
# ## 3 · How do we cut an image? First with two loops
#
# A first version may be slow, as long as it is easy to check. Two loops over the corners of the patches are:


# %%
def cut_by_hand(image, p):
    h, w = image.shape[1:]
    pieces = [image[:, y : y + p, x : x + p] for y in range(0, h, p) for x in range(0, w, p)]
    return torch.stack(pieces)  # n c p p


image = sample_image(32)  # c h w: small enough to look at single pixels
by_hand = cut_by_hand(image, 8)
print(tuple(by_hand.shape))
show_patches(by_hand, grid=(1, 16), alt="The sixteen patches of a small image in a single row.")

# %% [markdown]
# > **Figure 1.4 · The sequence that the model receives.** A drawing of 32 x 32 pixels as 16 patches of 8 x 8 in
# > one row. The grid is gone; only the order is left.
#
# **Try it.** Choose a smaller patch. Up to which size can you still recognise what a single patch shows?


# %%
def line_of_patches(patch_size):
    pieces = cut_by_hand(photo, patch_size)
    first = max(0, len(pieces) // 2 - 24)  # at most 48 from the middle of the image
    pieces = pieces[first : first + 48]
    show_patches(pieces, grid=(-(-len(pieces) // 16), min(16, len(pieces))), numbers=False)


explore(line_of_patches, patch_size=[32, 16, 8])

# %% [markdown]
# ## 4 · What do `reshape` and `permute` do?
#
# The loops copy one patch at a time. Two tensor operations can do the whole batch at once, but their effect is
# easy to misjudge. We number the pixels of a tiny image and watch where the numbers go.

# %%
numbers = torch.arange(16).reshape(4, 4)  # h w
patch_of = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 3, 3]])  # the patch of each pixel
show_numbers([("image", numbers), ("in memory", numbers.reshape(1, 16))], groups=patch_of)

# %% [markdown]
# > **Figure 1.5 · Four patches of 2 x 2, one colour each.** In memory (right) the colours alternate: the pixels
# > of a patch are *not* neighbours there.
#
# What does the most obvious line do?

# %%
wrong = numbers.reshape(4, 2, 2)  # n ph pw: the right shape ...
show_numbers([(f"“patch” {k}", wrong[k]) for k in range(4)], groups=patch_of)

# %% [markdown]
# > **Figure 1.6 · The right shape with the wrong pixels.** Each "patch" is a strip of one image row and mixes two
# > patches. No error is raised, and a model can be trained on this.
#
# The reason: **`reshape` never changes the order of numbers in memory. It only changes how that list is grouped.**
# It can split one axis into two, *(how many, how long)*:

# %%
strip = torch.arange(12)
show_numbers([("12 numbers", strip), ("reshape(3, 4)", strip.reshape(3, 4))])

# %% [markdown]
# Splitting the height gives bands of rows. Splitting the width divides each row into pieces:

# %%
bands = numbers.reshape(2, 2, 4)  # rows ph w
pieces = numbers.reshape(4, 2, 2)  # h columns pw
show_numbers([(f"bands[{i}]", bands[i]) for i in range(2)], groups=patch_of)
show_numbers([(f"pieces[{i}]", pieces[i]) for i in range(4)], groups=patch_of)

# %% [markdown]
# The second operation is `permute`. It changes the order of the axes; its arguments say *which old axis comes at
# this place*.

# %%
towers = pieces.permute(1, 0, 2)  # columns h pw
print(tuple(pieces.shape), "->", tuple(towers.shape))
show_numbers([("towers[0]", towers[0]), ("towers[1]", towers[1])], groups=patch_of)

# %% [markdown]
# Neither operation has copied a number so far. All three tensors read the same memory with different **strides**
# (the distance in memory from one index to the next):

# %%
print("same memory:", numbers.data_ptr() == pieces.data_ptr() == towers.data_ptr())
print("strides    :", numbers.stride(), pieces.stride(), towers.stride())

# %% [markdown]
# **Answer.** `reshape` groups, `permute` reorders axes. Bands cut the height and towers cut the width. A patch
# needs both cuts.

# %% [markdown]
# ## 5 · Q0a: split images into patches
#
# Write `split_into_patches`. It takes a batch `(b, c, h, w)` and returns `(b, n, c, ph, pw)`, row by row from the
# top left. `patch_size` is one number or a pair (height, width).
#
# Three steps are yours:
# 1. the condition under which the image divides into whole patches;
# 2. the six sizes after both sides of the image have been split;
# 3. the order of these six axes that the last line needs.


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
# <details><summary>Hint: the error says that it can't reshape</summary>
#
# The product of the six sizes must be `b * c * h * w`. Which two of them multiply to `h`? Which two to `w`?
# </details>
# <details><summary>Hint: it runs, but the picture shows strips or a regular sieve</summary>
#
# Look at `strip.reshape(3, 4)` again: *how many* comes first, *how long* second. `bands` and `pieces` are each
# one half of your reshape.
# </details>
# <details><summary>Stronger hint: the six numbers of the permute</summary>
#
# Write down the names of the six axes you *have*, and under each its number, 0 to 5. Below, write the names in
# the order you *need*: the last line merges the two axes that count patches, so these two must be neighbours,
# right after the batch. Then copy the numbers.
# </details>
# <details><summary>Hint: when does an image divide?</summary>
#
# `7 % 2` is the remainder when 7 is divided by 2. The remainder must be 0 on both sides.
# </details>

# %% [markdown]
# ### Your patches
#
# These are drawn from your own tensor. They should equal the patches that were cut with loops. The same function
# also handles a wide image and patches that are not square.

# %%
if ready("Q0a"):
    patches = split_into_patches(image[None], 8)  # b n c ph pw
    print(tuple(patches.shape), "equal to the loop:", torch.equal(patches[0], by_hand))
    wide = photograph("flower", (96, 192))
    show_patches(split_into_patches(wide[None], (32, 48))[0], grid=(3, 4), alt="A wide photograph as 3 x 4 patches.")

# %% [markdown]
# An image that does not divide is refused with a sentence that says what was found. You then decide whether to
# crop, resize or pad it.

# %%
if ready("Q0a"):
    odd = sample_image((30, 32))[None]
    try:
        split_into_patches(odd, 8)
    except ValueError as error:
        print("ValueError:", error)
    padded = F.pad(odd, (0, 0, 0, 2))  # two more rows at the bottom
    print("padded:", tuple(split_into_patches(padded, 8).shape))

# %% [markdown]
# ### Three other ways to write it
#
# `einops.rearrange` names the axes. A group in brackets is split on the left side and merged on the right side,
# so one line contains your reshape, your permute and the last reshape. `Tensor.unfold` takes windows along one
# axis. `F.unfold` takes windows along both, flattens each, and puts the patches *last*.


# %%
def cut_einops(images, p):
    return rearrange(images, "b c (rows ph) (columns pw) -> b (rows columns) c ph pw", ph=p, pw=p)


def cut_unfold(images, p):
    windows = images.unfold(2, p, p).unfold(3, p, p)  # b c rows columns ph pw
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)  # b n c ph pw


def cut_f_unfold(images, p):
    flat = F.unfold(images, p, stride=p)  # b (c ph pw) n
    return flat.transpose(1, 2).unflatten(2, (images.shape[1], p, p))  # b n c ph pw


# %% [markdown]
# All ways agree exactly, since they only move numbers. How fast are they? We cut 64 images into patches of 4 x 4.

# %%
drawings = load("shapes").images[:64]  # b c h w
if ready("Q0a"):
    ways = {"yours": split_into_patches, "einops": cut_einops, "unfold": cut_unfold, "F.unfold": cut_f_unfold}
    print({name: torch.equal(split_into_patches(drawings, 4), way(drawings, 4)) for name, way in ways.items()})
    loops = {"two loops": lambda: torch.stack([cut_by_hand(x, 4) for x in drawings])}
    compare_speed(loops | {name: lambda way=way: way(drawings, 4) for name, way in ways.items()})

# %% [markdown]
# > **Figure 1.7 · Time of five ways to cut.** The loops are slowest because each slice is a separate operation.
# > The other four copy the numbers about once; which of them is fastest depends on the machine.
#
# **Answer.** Use the version that you can read.

# %% [markdown]
# ## 6 · A common mistake
#
# The introductory deck, one of the lectures that this course follows, cuts with two `unfold`s as above and then
# permutes with six numbers:
#
# ```python
# patches = data.unfold(2, patch_size, patch_size).unfold(3, patch_size, patch_size)
# patches = patches.permute(...).reshape(data.size(0), num_patches, -1)
# ```
#
# Here is its permute with names. Which axis is in the wrong place?


# %%
def lecture_order(images, p):
    windows = images.unfold(2, p, p).unfold(3, p, p)  # b c rows columns ph pw
    return rearrange(windows, "b c rows columns ph pw -> b rows ph c columns pw")


lecture = lecture_order(image[None], 16).reshape(1, 4, 3, 16, 16)  # b n c ph pw, it says
correct = cut_unfold(image[None], 16)
names = [f"{who} {k}" for who in ("correct", "lecture") for k in range(4)]
stripes = "Above, the image's four quarters. Below, the lecture's: stripes of two quarters in false colours."
show_patches([*correct[0], *lecture[0]], grid=(2, 4), titles=names, alt=stripes)

# %% [markdown]
# > **Figure 1.8 · Four patches of 16 x 16, correct (top) and by the lecture's permute (bottom).** The shapes agree
# > and no error is raised, but each lower patch mixes two patches and three colour channels.
#
# Which pixels does its token 0 contain? We number the pixels, cut, and look at the numbers.

# %%
index = torch.arange(32 * 32).reshape(1, 1, 32, 32)
token = lecture_order(index, 16).reshape(4, 256)[0]
rows, columns = token // 32, token % 32
print(f"token 0 has rows {rows.min()} to {rows.max()} and columns {columns.min()} to {columns.max()}")
assert (rows.max(), columns.max(), len(token.unique())) == (7, 31, 256)


# %%
def spotlight(pixels):
    light = torch.full((32 * 32,), 0.25)
    light[pixels] = 1.0
    return image * light.reshape(32, 32)


quarter = index[0, 0, :16, :16].flatten()
lit = "Left, the top left quarter is bright. Right, a band is bright: the top 8 rows over the whole width."
compare([("token 0, correct", spotlight(quarter)), ("token 0, lecture", spotlight(token))], alt=lit)

# %% [markdown]
# > **Figure 1.9 · The pixels of token 0.** Correct: the top left quarter. Lecture: a band of eight rows across the
# > whole image.
#
# The axis `ph` counts *pixels*, but stands before `columns`, which counts *patches*. The reshape then merges
# `rows` with half of `ph`.
#
# <details><summary>A puzzle for after Q0a</summary>
#
# Write the deck's permute as six numbers, and compare them with the six numbers of your own permute. Why can the same
# numbers be right in one place and wrong in the other?
# </details>
#
# **Answer.** A permute is right only for the shape before it. Write that shape beside each permute.

# %% [markdown]
# ## 7 · Q0b: join patches into images
#
# Now the inverse: `(b, n, c, ph, pw)` to `(b, c, height, width)`. Cutting loses nothing, so joining restores the
# image exactly.
#
# Again three steps: the number of rows and columns of patches, six sizes, and the order of six axes.


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
# <details><summary>Hint: which axis is split here?</summary>
#
# In `split_into_patches` the last line merged two axes into `n`. The first line here undoes that merge; the other
# axes keep their order.
# </details>
# <details><summary>Hint: the picture shows flattened patches or a woven pattern</summary>
#
# Follow the first row of an image: first come the pixels of one patch, then the pixels of its right neighbour. So
# which axis changes fastest, and which is the next one?
# </details>
# <details><summary>Stronger hint: the inverse of a permutation</summary>
#
# Your two permutes undo each other. If the first put old axis 4 at place 2, the second must put axis 2 back at
# place 4. Do this for all six. (`torch.argsort` computes the inverse, too.)
# </details>

# %% [markdown]
# ### Is the round trip exact?

# %%
if ready("Q0a") and ready("Q0b"):
    for size, p in (((32, 32), 8), ((24, 48), (8, 12)), ((15, 35), 5)):
        picture = photograph("hopper", size)[None]
        back = join_patches(split_into_patches(picture, p), *size)
        print(size, p, "identical:", torch.equal(back, picture))

# %% [markdown]
# **Try it.** Cut the photograph, shuffle the sequence, join it. Only the *order* of the tokens says where a patch
# belongs. At which patch size can you no longer recognise the temple?

# %%
seed = 0  # change me
temple = photograph("china", 112)


def puzzle(patch_size):
    pieces = split_into_patches(temple[None], patch_size)  # 1 n c ph pw
    n = pieces.shape[1]
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    compare([(f"{n} patches, shuffled", join_patches(pieces[:, order], 112, 112)[0])])


if ready("Q0a") and ready("Q0b"):
    explore(puzzle, patch_size=[56, 28, 14, 7])

# %% [markdown]
# > **Figure 1.10 · The same patches in another order.** A transformer without position information cannot tell
# > this image from the original: its output depends on the *set* of tokens. Lesson 02 adds the positions.

# %% [markdown]
# ## 8 · Which patch size?
#
# A flattened patch is a token of width `d = c · p · p`. Larger patches give fewer and wider tokens. The product
# `n · d` stays the same, because cutting only regroups the pixels.

# %%
print(" p     n      d   n * d   entries n²")
for p in (1, 2, 4, 8, 16, 32):
    n, d = cut_einops(image[None], p).flatten(2)[0].shape
    print(f"{p:>2} {n:>5} {d:>6} {n * d:>7} {n * n:>12,}")

# %% [markdown]
# What is left of the image if each patch is summarised by a single colour, its mean?


# %%
def mosaic(patch_size):
    pieces = split_into_patches(photo[None], patch_size)
    means = pieces.mean((3, 4), keepdim=True).expand_as(pieces)
    n = pieces.shape[1]
    compare([(f"n = {n:,}, n² = {n * n:,}", join_patches(means, 224, 224)[0])])


if ready("Q0a") and ready("Q0b"):
    explore(mosaic, patch_size=[7, 14, 28, 56])

# %% [markdown]
# > **Figure 1.11 · Detail against cost.** Halving the patch side shows four times as many tokens and costs 16
# > times as many attention entries.
#
# The network does not receive the mean but all numbers of the patch as one row:

# %%
if ready("Q0a"):
    vectors = split_into_patches(image[None], 8)[0].flatten(1)  # n d
    token_strip(vectors, title="16 tokens of 192 numbers: 64 red, 64 green, 64 blue values")

# %% [markdown]
# ### One linear layer for every patch is a 1 x 1 convolution
#
# The next step of a ViT (lesson 03) applies the same linear layer to each token. Applying one linear layer, or a
# stack of them (an MLP), at every place of the grid is the same as a stack of convolutions with kernels of size 1 x 1.
# CS163, lecture 12, says so in one line ("MLPs are stacks of 1x1 convolution"). Here is the proof for one layer:

# %%
linear = nn.Linear(192, 10)
tokens = cut_einops(image[None], 8).flatten(2)  # b n d
grid = rearrange(tokens, "b (rows columns) d -> b d rows columns", rows=4)
as_convolution = F.conv2d(grid, linear.weight[:, :, None, None], linear.bias)  # b 10 rows columns
same = rearrange(as_convolution, "b k rows columns -> b (rows columns) k")
print("largest difference:", (linear(tokens) - same).abs().max().item())
assert torch.allclose(linear(tokens), same, atol=1e-5)

# %% [markdown]
# ### The grid does not move with the image
#
# We shift the photograph to the right pixel by pixel. What share of its patches existed before the shift, at any
# place?

# %%
small = photograph("china", 64)
shifts = range(13)
seen = {f"p = {p}": [100 * share_of_known_patches(cut_einops, small, p, s) for s in shifts] for p in (8, 4)}
combs = "Two combs: all patches are known again at shifts by whole patches, almost none in between."
curves(list(shifts), seen, xlabel="shift, pixels", ylabel="patches seen before, %", alt=combs)
assert share_of_known_patches(cut_einops, small, 8, 8) == 1.0 > share_of_known_patches(cut_einops, small, 8, 4)

# %% [markdown]
# > **Figure 1.12 · Shifts of the image.** After a shift by a multiple of the patch side the same tokens appear in
# > other places. After any other shift nearly all tokens are new.
#
# A convolution with stride 1 (one output per pixel) moves its output by any shift; this property is called
# **translation equivariance** (lesson 00). A patch grid has it only for shifts by whole patches. A ViT must learn
# the rest from data; lesson 10 measures what that costs.

# %% [markdown]
# ## 9 · Do patches alone make a good classifier?
#
# We classify handwritten digits (8 x 8 pixels) with the simplest model: one linear layer, fitted in closed form.
# It receives either all tokens in their order, or only the mean of all tokens (a "bag of patches", which has no
# information about where a patch was).


# %%
def in_order(p):
    return digit_accuracy(lambda images: cut_einops(images, p).flatten(1))


def bag(p):
    return digit_accuracy(lambda images: cut_einops(images, p).flatten(2).mean(1))


sizes = [1, 2, 4, 8]
accuracy = {name: [100 * f(p) for p in sizes] for name, f in (("in order", in_order), ("bag", bag))}
curves(sizes, accuracy, xlabel="patch size, pixels", ylabel="test accuracy, %")
assert max(accuracy["in order"]) - min(accuracy["in order"]) < 0.5
assert accuracy["bag"][0] < 15

# %% [markdown]
# > **Figure 1.13 · Accuracy of a linear classifier on digits.** In order, the patch size makes no difference: a
# > linear layer has one weight per input, wherever that input stands. In the bag, position is known only *inside*
# > a patch, so small patches fail. (The fit is exact, so there is no seed; one test set of 364 images.)
#
# Now the wrong reshape of section 4 on the same digits:

# %%
scramble = lambda images: images.reshape(len(images), 4, 1, 4, 4)  # noqa: E731  the right shape, the wrong pixels
wrong_in_order = digit_accuracy(lambda images: scramble(images).flatten(1))
wrong_bag = digit_accuracy(lambda images: scramble(images).flatten(2).mean(1))
print(f"in order: {100 * in_order(4):.1f} % with correct patches, {100 * wrong_in_order:.1f} % with scrambled ones")
print(f"bag     : {100 * bag(4):.1f} % with correct patches, {100 * wrong_bag:.1f} % with scrambled ones")
assert abs(wrong_in_order - in_order(4)) < 0.005
assert wrong_bag < bag(4) - 0.1

# %% [markdown]
# The first line shows no loss at all: a model that reads all tokens in order can undo any fixed scramble. The
# mistake costs accuracy only where a patch must carry meaning by itself. So accuracy alone does not reveal it, and
# it can stay in code for years.
#
# For comparison, a small convolutional network (CNN) on the same digits, trained with three seeds:

# %%
convolution = cnn_accuracy(seeds=(0, 1, 2))
mean = sum(convolution) / 3
scores = {"CNN, mean of 3 seeds": mean, "in order": in_order(4), "bag of 4 x 4": bag(4), "bag of 2 x 2": bag(2)}
percent = {name: 100 * score for name, score in scores.items()}
bars(percent, xlabel="test accuracy on digits, %", form="{:.1f}")
print("CNN by seed:", ", ".join(f"{100 * a:.1f} %" for a in convolution))
assert min(convolution) > in_order(4) > bag(4)

# %% [markdown]
# **Answer.** The CNN wins. Locality (neighbouring pixels belong together) and translation equivariance are built
# into it. Patches reduce the cost of attention; useful features come from the layers that follow.
#
# > ### What could go wrong
# > - **Right shape, wrong pixels.** `images.reshape(b, n, c, p, p)` runs. Draw one patch, or compare with two
# >   loops.
# > - **A permute copied from elsewhere.** Its numbers belong to the shape before it.
# > - **`view` after `permute`** raises an error, because the memory is no longer in reading order (next cell).
# >   `reshape` copies when it must.
# > - **Channels last.** Files and matplotlib store `h w c`. If you cut such an array as `c h w`, an image of 32
# >   rows has 32 channels.
# > - **"16 x 16 patches".** Number or size? For an image of 224 pixels that is 256 tokens or 196.
# > - **Silent cropping.** `unfold` and convolutions with a stride drop what does not fit, without an error.

# %%
turned = numbers.permute(1, 0)
try:
    turned.view(16)
except RuntimeError as error:
    print("view   :", str(error).split(".")[0])
print("reshape:", turned.reshape(16).tolist())
print("unfold of a 30 x 32 image:", tuple(cut_unfold(sample_image((30, 32))[None], 8).shape), "(6 rows are lost)")

# %% [markdown]
# ## Stretch: patches that overlap
#
# The patches may also overlap: the **stride**, the distance from one patch to the next, is then smaller than the patch
# side. T2T-ViT (Yuan et al., ICCV 2021) and the convolutional stems of lesson 10 work this way, so that an edge that
# lies on the border of one patch is in the middle of another.
#
# Cutting is one line, `images.unfold(2, p, stride).unfold(3, p, stride)`. Joining is the question: several patches say
# something about the same pixel. Write `join_overlapping`, which gives each pixel the **mean** of the values of all
# patches that cover it. `F.fold` is the counterpart of `F.unfold`: it puts flattened patches, `(b, c·p·p, n)`, back to
# their places and *adds* where they overlap. The patches are in reading order and cover the image exactly. This
# question is optional.


# %% tags=["answer"] question="Q0c" kind="stretch"
# Q0c: join patches that overlap
def join_overlapping(patches, height, width, stride):
    """(b, n, c, p, p) -> (b, c, height, width): each pixel is the mean of the patches that cover it."""
    p = patches.shape[-1]
    # BEGIN BLANK
    columns = patches.flatten(2).transpose(1, 2)  # b c*p*p n
    total = F.fold(columns, (height, width), p, stride=stride)
    count = F.fold(torch.ones_like(columns), (height, width), p, stride=stride)
    return total / count
    # END BLANK


# %% tags=["check"] question="Q0c" points=5
check("Q0c", join_overlapping)

# %% [markdown]
# <details><summary>Hint: how many patches cover a pixel?</summary>
#
# In the middle of the image more than at its border. Patches full of ones, put back in the same way, count it.
# </details>
# <details><summary>Hint: F.fold complains about the second dimension</summary>
#
# It expects the values of one patch along axis 1 and the patches along axis 2. Your patches come along axis 1.
# </details>

# %% [markdown]
# With your function the mosaic of section 8 becomes smoother. Each patch is replaced by its mean colour, once without
# overlap and once with patches that start every 4 pixels:


# %%
def mean_patches(image, p, stride):
    windows = image[None].unfold(2, p, stride).unfold(3, p, stride)  # 1 c rows columns p p
    cut = windows.permute(0, 2, 3, 1, 4, 5).flatten(1, 2)  # 1 n c p p
    return cut.mean((3, 4), keepdim=True).expand_as(cut)


if ready("Q0c"):
    small_photo = photograph("flower", 96)
    blocks = join_overlapping(mean_patches(small_photo, 16, 16), 96, 96, 16)[0]
    smooth = join_overlapping(mean_patches(small_photo, 16, 4), 96, 96, 4)[0]
    compare([("image", small_photo), ("16 x 16, apart", blocks), ("16 x 16, every 4 pixels", smooth)],
            alt="A flower; the same as a coarse mosaic; and as a blurred image without visible squares.")  # fmt: skip

# %% [markdown]
# > **Figure 1.14 · Mean colours of patches, without and with overlap.** With overlap 441 patches take the place of 36,
# > and the borders of the squares disappear. The price is the sequence length: attention on 441 tokens has 150 times as
# > many entries.

# %% [markdown]
# ## 10 · In words
#
# These two answers are read by a person. You get the model answer with your feedback.
#
# **W1a** (2 points). A friend replaces your function by `images.reshape(b, n, c, p, p)`. All shapes fit, training
# runs and the loss falls. What does one token contain now? Why does the model still learn something? Name one
# test of a line or two that would have found the mistake.

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
#
# *A half-right sample (1 of 2):* "The token has pixels from different places. All pixels are still there, so the
# network can learn from them. I would check that the output shape is right." The second half tests only the shape.

# %% [markdown]
# **W1b** (2 points). You halve the patch side of a ViT, from `p` to `p/2`, on images of the same size. By what
# factor do `n`, `d` and the number of attention entries change? Give one reason for doing it, and one case in
# which you would rather double `p`.

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
#
# *A half-right sample (1 of 2):* "There are 4 times as many tokens and 16 times as many entries. Smaller patches
# are more accurate." Two of three factors (½), a reason that speaks of detail only vaguely (½), no case for
# doubling.

# %% [markdown]
# ## 11 · Summary
#
# | | |
# |---|---|
# | patch, token | a square of `p` x `p` pixels becomes one token of `c·p·p` numbers |
# | sequence length | `n = (h / ph) · (w / pw)`, read row by row |
# | attention entries | `n²` per head and layer: quadratic cost; patches need `p⁴` times fewer than pixels |
# | `reshape` | groups numbers, never reorders them |
# | `permute` | reorders axes; right only for the shape before it |
# | split and join | exact inverses |
# | what the cut loses | where a patch was: lesson 02 |
#
# **Further reading**
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 1 shows your `split_into_patches` and
#   everything that follows; Section 4.1 explains the "/16" in ViT-L/16, which is the patch size in pixels.
# - Cordonnier, Loukas and Jaggi, *On the Relationship between Self-Attention and Convolutional Layers*, ICLR
#   2020: patches of 2 x 2, one year earlier.
# - Chen et al., *Generative Pretraining from Pixels* (iGPT), ICML 2020: a transformer on pixels. Images are
#   reduced to 32 x 32, 48 x 48 or 64 x 64 first, because of the cost of section 2.
# - Rogozhnikov, *Einops: Clear and Reliable Tensor Manipulations with Einstein-like Notation*, ICLR 2022.
#
# Next: **02 · Position encoding**, in which each patch receives its position.
