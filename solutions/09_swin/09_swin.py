# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 09 · Swin: attention in shifted windows {{badge}}
#
# **In one sentence:** you will restrict attention to small windows, shift the windows from block to block, add a bias
# for relative positions, merge tokens into a hierarchy, and check that your parts compute the same logits as
# torchvision's Swin-T.
#
# **The question of this lesson.** The cost of attention grows with the square of the number of tokens. How can a
# transformer process large images with small patches?
#
# | | |
# |---|---|
# | **You need** | attention with heads (lesson 05), the encoder block (06), `nn.Module`, einops |
# | **Time** | 120 minutes; the end of section 6 and the end of section 9 are good places to pause |
# | **Grading** | the checks grade Q15 to Q18b; your teacher reads W9a and W9b; Q18c is optional |
#
# **Afterwards you can**
# - state the cost of attention and of window attention by formula, and confirm it by measured time;
# - explain the cyclic shift and the attention mask that it needs, and write both;
# - write window attention with a relative position bias, and a complete Swin block;
# - build a hierarchical transformer, and load published weights into it.
#
# {{questions}}
#
# {{names: lectures (SUTD 50.039 W9-S1, CS163 lecture 12)}}
# tokens $H \times W$ | `H`, `W`; a batch is `B H W C` | `H`, `W` | $h$, $w$
# window size $M$ | `window_size`, letter `M` | `window_size` | $M$
# – | `shift` | `shift_size` | $\lfloor M/2 \rfloor$
# $B: M^2 \times M^2$ (learned biases) | `relative_position_bias_table` | the same | $\hat{B}$, $B$
# merging | `PatchMerging.reduction` | the same | patch merging
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers import check, ready
from helpers.data import load, sample_image
from helpers.experiments.swin import (
    Parts,
    Swin,
    evenness,
    parameters_of,
    power_of_growth,
    small_models,
    time_attention,
    train_small,
    train_three,
)
from helpers.explore import explore
from helpers.pictures.patches import show_numbers
from helpers.pictures.swin import (
    reach_figure,
    show_block,
    show_regions,
    show_speed,
    show_stages,
    show_steps,
    show_wrapped,
)
from helpers.plots import compare, curves, show, show_grid, show_patches
from helpers.torchvision_ops import load_torchvision

torch.set_num_threads(1)  # the models of this lesson are small; several threads would not make them faster

# %% [markdown]
# In this lesson tokens keep their place in the grid: a batch has the shape `B H W C` (images, rows, columns,
# channels). `M` is the side of a window, called `window_size` in signatures. The width of one head is $d_k$.

# %% [markdown]
# ## 1 · What attention costs in a large image
#
# **Question.** An image of 224 x 224 pixels in patches of 4 x 4 gives a grid of 56 x 56 tokens. How many attention
# weights does one head compute?
#
# *CS163, lecture 12* gives the number: "56x56 grid of 4x4 patches: attention matrix has $56^4 = 9.8M$ entries".
# **Window attention** restricts the attention of each token to the tokens of its own small window of M x M tokens.

# %%
H = W = 56
M, C = 7, 96
print(f"every token attends to every token : (HW)² = {(H * W) ** 2:>9,}")
print(f"every token attends to its window  : M² HW = {M**2 * H * W:>9,}")
print(f"                                     {(H * W) ** 2 // (M**2 * H * W)} times fewer")
assert ((H * W) ** 2, M**2 * H * W) == (9_834_496, 153_664)

# %% [markdown]
# A ViT avoids the cost with patches of 16 x 16 pixels, which gives a coarse grid of tokens. *Swin* (short for
# "shifted windows") keeps small patches and uses window attention. The two also differ in shape:
#
# | | ViT | Swin |
# |---|---|---|
# | architecture | **isotropic**: the same grid and width throughout | **hierarchical**: coarser and wider by stage |
# | a token covers | 16 x 16 pixels | 4, then 8, 16 and 32 pixels a side |
# | a token attends to | all tokens | the tokens of its window; every second block shifts the windows |
# | cost grows with | the square of the number of pixels | the number of pixels |
# | position | a position embedding, added once | a bias inside each attention |
#
# The words are those of *CS163, lecture 12*: "In a ViT, all blocks have same resolution and number of channels
# (Isotropic architecture)". The *SUTD lecture (50.039, W9-S1)* names the tasks for which resolution matters most:
# object detection and segmentation.
#
# **Answer.** One head computes 9.8 million weights if all tokens attend to all, and 64 times fewer in windows of 7.

# %% [markdown]
# ## 2 · Q15: cut a grid into windows
#
# **Question.** How do we rearrange a grid of tokens so that the tokens of a window stand together?
#
# Nothing is computed here, tokens only change places. The figure shows an image as a grid of 32 x 32 tokens with
# three channels each, and its windows of 8 x 8.

# %%
image = sample_image(32)  # c h w
show_grid(image, 8)

# %% [markdown]
# > **Figure 9.1 · Sixteen windows.** The numbers give the order in which windows are listed: row by row from the top
# > left.
#
# With several images, **all windows of the first image come before those of the second**. (The comment
# `num_windows*B` in Swin's published code suggests the other order; the code itself puts the image first.)
#
# Write `window_partition(x, window_size)`.
#
# {{level: guided}}
# One blank: an einops pattern and its sizes.
# {{end}}


# %% tags=["answer"] question="Q15"
# Q15: cut a grid into windows
def window_partition(x, window_size):
    """(B, H, W, C) -> (num_windows*B, window_size, window_size, C)"""
    return rearrange(
        x, "b (r p) (c q) d -> (b r c) p q d", p=window_size, q=window_size
    )  # BLANK: "b (r p) (c q) d -> (b r c) p q d", p=window_size, q=window_size


# %% tags=["check"] question="Q15" points=3
check("Q15", window_partition)

# %% [markdown]
# <details><summary>Hint: how do I split an axis with einops?</summary>
#
# Parentheses on the left split an axis: `(a b)` has `a` groups of `b` neighbours, and the right letter changes
# fastest. Do this for H and for W, and give einops the sizes that it cannot infer.
# </details>
# <details><summary>Hint: the windows are right, their order is not</summary>
#
# Parentheses on the right merge axes, and the left letter changes slowest: first the image, then the row of windows,
# then the column of windows.
# </details>

# %%
if ready("Q15"):
    cells = image.permute(1, 2, 0)[None]  # B H W C
    windows = window_partition(cells, 8)
    print(tuple(cells.shape), "->", tuple(windows.shape))
    show_patches(windows.permute(0, 3, 1, 2))

# %% [markdown]
# > **Figure 9.2 · The windows that your function returns,** in their order.
#
# ### A common mistake
#
# `x.view(-1, M, M, C)` returns the same shape and raises no error:

# %%
viewed = image.permute(1, 2, 0).reshape(-1, 8, 8, 3)
show_patches(viewed.permute(0, 3, 1, 2))
assert torch.equal(viewed[0].reshape(2, 32, 3), image.permute(1, 2, 0)[:2])  # two rows of the image

# %% [markdown]
# > **Figure 9.3 · The right shape and the wrong content.** Each “window” holds two whole rows of the image, folded
# > into a square. Tokens that stand side by side in it are no neighbours in the image.
#
# ### Q15b: put the windows back
#
# Write `window_reverse`, the exact inverse. The number of images is not passed; it follows from the other sizes.
#
# {{level: guided}}
# One blank again: a pattern and two sizes.
# {{end}}


# %% tags=["answer"] question="Q15b"
# Q15b: windows back into a grid
def window_reverse(windows, window_size, H, W):
    """(num_windows*B, window_size, window_size, C) -> (B, H, W, C)"""
    return rearrange(
        windows, "(b r c) p q d -> b (r p) (c q) d", r=H // window_size, c=W // window_size
    )  # BLANK: "(b r c) p q d -> b (r p) (c q) d", r=H // window_size, c=W // window_size


# %% tags=["check"] question="Q15b" points=2
check("Q15b", window_reverse)

# %% [markdown]
# <details><summary>Hint: einops cannot infer the sizes</summary>
#
# The first axis is a product of three numbers. Two of them follow from H, W and the window; then the third is known.
# </details>
# <details><summary>Stronger hint</summary>
#
# Exchange the two sides of your pattern of Q15. Which sizes are unknown now?
# </details>

# %%
if ready("Q15") and ready("Q15b"):
    there_and_back = window_reverse(window_partition(cells, 8), 8, 32, 32)
    print("partition and reverse give the same grid:", torch.equal(there_and_back, cells))

# %% [markdown]
# **Answer.** A partition into windows is a reshape with a permutation of axes; a reshape alone is wrong.

# %% [markdown]
# ## 3 · What window attention costs, measured
#
# **Question.** Does the time follow the formula?
#
# We time one head without any weights, over all tokens and over your windows of 8. The axes are logarithmic, so a
# power law is a straight line, and its slope is the exponent.

# %% fold="skip"
# Times attention over all tokens and in windows, for grids of 8 x 8 to 56 x 56 tokens
sides = [8, 16, 24, 32, 40, 48, 56]
tokens = [side * side for side in sides]
if ready("Q15"):
    spent = time_attention(window_partition, sides)
    curves(tokens, spent, xlabel="tokens", ylabel="milliseconds", logx=True, logy=True)
    for name, times in spent.items():
        print(f"{name:<12} {times[-1]:7.1f} ms at {tokens[-1]} tokens, exponent {power_of_growth(tokens, times):.1f}")

# %% tags=["solution"]
assert power_of_growth(tokens, spent["all tokens"]) > 1.5 > power_of_growth(tokens, spent["windows of 8"])

# %% [markdown]
# > **Figure 9.4 · Processor time against the number of tokens.** The steeper line is attention over all tokens.
#
# The exponents are close to 2 and to 1, as the formulas say. (Measured exponents vary from run to run: small tensors
# fit into the processor's cache and large ones do not.) The lecture's notation is $O(N^2)$ and $O(N)$, with N tokens.
#
# ### The cost of a whole layer
#
# A layer also has four square matrices: queries, keys, values and projection. They cost $4HWC^2$ multiplications in
# both cases. These are equations 1 and 2 of the paper:
#
# $$\Omega(\mathrm{MSA}) = 4HWC^2 + 2(HW)^2C \qquad \Omega(\text{W-MSA}) = 4HWC^2 + 2M^2HWC$$


# %%
def all_tokens(h, w, c):
    return 4 * h * w * c**2 + 2 * (h * w) ** 2 * c


def in_windows(h, w, c, m):
    return 4 * h * w * c**2 + 2 * m**2 * h * w * c


grids = [14, 28, 56, 112]
work = {
    "all tokens": [all_tokens(side, side, C) / 1e6 for side in grids],
    "windows of 7": [in_windows(side, side, C, M) / 1e6 for side in grids],
}
curves([g * g for g in grids], work, xlabel="tokens", ylabel="million multiplications", logx=True, logy=True)
for side, *pair in zip(grids, *work.values(), strict=True):
    print(f"{side:>3} x {side:<3} tokens: {pair[0]:9,.0f} million over all tokens, {pair[1]:5,.0f} in windows")
assert in_windows(112, 112, C, M) == 4 * in_windows(56, 56, C, M)  # four times the pixels, four times the work

# %% [markdown]
# > **Figure 9.5 · Multiplications of one layer with 96 channels.** At 14 x 14 tokens, the grid of a ViT with patches
# > of 16, windows save less than half of the work. At 112 x 112 tokens they save a factor of more than 50.
#
# **Answer.** The cost of window attention grows linearly with the number of tokens, in the formula and in the
# measurement.

# %% [markdown]
# ## 4 · Windows alone do not communicate
#
# **Question.** What is lost if every token attends only to its own window?
#
# We mark one token and compute, block by block, which outputs depend on it. A token depends on the marked one if it
# attends to a token that does.

# %%
if ready("Q15") and ready("Q15b"):
    plain = Parts(window_partition, window_reverse).reach_by_block(4, shifted=False)
    frames = [("after 1 block", *plain[0]), ("after 4 blocks", *plain[3])]
    alt = "After one block and after four blocks the same window of 4 by 4 tokens depends on the marked token."
    show(reach_figure(frames, 4, (1, 6)), alt=alt)

# %% [markdown]
# > **Figure 9.6 · Tokens that depend on the marked one (orange), in windows of 4.** The number of dependent tokens is
# > in the title. It stays at 16, however many blocks follow.
#
# **Answer.** Information never crosses the border of a window. A stack of such blocks is a set of independent small
# models, one for each window.

# %% [markdown]
# ## 5 · Q16a: the cyclic shift
#
# **Question.** How can information cross the borders without larger windows?
#
# Every second block cuts the grid in other places, half a window further. The *SUTD lecture* puts it so: "Swin shifts
# the windows between successive layers. This allows cross-window interactions". What was a border is then the middle
# of a window. But windows that are cut elsewhere are smaller at the edges; *CS163, lecture 12* calls this the "Ugly
# detail: Non-square windows at edges and corners". A grid of `r x r` windows would become `r + 1` by `r + 1` windows,
# and the small ones would have to be padded:

# %%
for r in (2, 4, 8):
    factor = (r + 1) ** 2 / r**2
    print(f"{r} x {r} windows become {(r + 1) ** 2:>2}: {factor:.2f} times the work if each is padded to full size")

# %% [markdown]
# The **cyclic shift** avoids this. It rolls the *grid* instead of moving the windows: rows that leave at the top come
# back at the bottom, columns that leave on the left come back on the right. The number of windows stays the same.
#
# Write `cyclic_shift(x, shift)`: row `shift` becomes the first row, and column `shift` becomes the first column. A
# negative `shift` undoes it.
#
# {{level: guided}}
# One blank: by how much, and along which axes.
# {{end}}


# %% tags=["answer"] question="Q16a"
# Q16a: the cyclic shift
def cyclic_shift(x, shift):
    """(B, H, W, C) -> the same shape, rolled up and to the left"""
    return torch.roll(x, (-shift, -shift), (1, 2))  # BLANK: (-shift, -shift), (1, 2)


# %% tags=["check"] question="Q16a" points=1
check("Q16a", cyclic_shift)

# %% [markdown]
# <details><summary>Hint: which arguments does torch.roll take?</summary>
#
# By how much, and along which axes; each may be a tuple. Try `torch.roll(torch.arange(5), 1)` in a new cell and look
# at the direction.
# </details>
# <details><summary>Hint: another axis moved as well</summary>
#
# Count the axes of `B H W C` from 0.
# </details>

# %%
if ready("Q16a"):
    moved = cyclic_shift(image.permute(1, 2, 0)[None], 4)[0].permute(2, 0, 1)
    show_grid(moved, 8, numbers=False)

# %% [markdown]
# > **Figure 9.7 · The image after a cyclic shift by 4, with the same windows of 8.** Windows in the middle now
# > contain tokens of four former windows. Windows at the lower and right edge contain parts of opposite edges of the
# > image.
#
# **Answer.** If every second block shifts the grid by half a window, each border lies inside a window of the next
# block.

# %% [markdown]
# ## 6 · Q16: the attention mask
#
# **Question.** Which tokens of a shifted window must not attend to each other?
#
# After the shift, a window at the edge holds tokens that are far apart in the image. In the figure, tokens of the
# same colour are neighbours in the image.

# %%
show_wrapped(12, 12, 4, 2)

# %% [markdown]
# > **Figure 9.8 · Regions of a 12 x 12 grid with windows of 4 and a shift of 2.** Left: the windows that we want, in
# > the image; those at the edges are smaller. Right: the same tokens after the cyclic shift. Every window now has 4 x
# > 4 tokens, and the windows in the last row and in the last column hold two or four regions.
#
# Tokens of different regions should not attend to each other. An **attention mask** ensures this: a matrix that is
# added to the scores before the softmax. An entry of 0 allows a pair of tokens. An entry of -100 blocks it, because
# the weight of the pair is then multiplied by $e^{-100}$.
#
# Only two facts about a token matter: whether its row came from the top edge, and whether its column came from the
# left edge. After the shift these are the last `shift` rows and the last `shift` columns.
#
# Write `shifted_window_mask(H, W, window_size, shift)`: one matrix for each window, windows in reading order.
#
# {{level: guided}}
# Five short blanks:
# 1. which rows came from the top (H booleans);
# 2. which columns came from the left (W booleans);
# 3. the regions, cut into windows as the tokens are: M² numbers for each window;
# 4. which pairs of tokens belong to different regions;
# 5. the mask.
# {{end}}
# {{level: standard, open}}
# Give each token of the grid the number of its region, cut the numbers into windows as you cut tokens, and compare
# all pairs within each window.
# {{end}}


# %% tags=["answer"] question="Q16"
# Q16: the attention mask for shifted windows
def shifted_window_mask(H, W, window_size, shift):
    """-> (num_windows, window_size**2, window_size**2), 0 or a large negative number"""
    came_from_above = torch.arange(H) >= H - shift  # BLANK
    came_from_left = torch.arange(W) >= W - shift  # BLANK
    region = 2 * came_from_above[:, None] + came_from_left  # H W, numbers 0 to 3
    tokens = window_partition(region[None, :, :, None], window_size).flatten(1)  # BLANK
    differ = tokens[:, :, None] != tokens[:, None, :]  # BLANK
    return torch.where(differ, -100.0, 0.0)  # BLANK


# %% tags=["check"] question="Q16" points=4
check("Q16", shifted_window_mask)

# %% [markdown]
# <details><summary>Hint: the regions are H x W, and Q15 expects B H W C</summary>
#
# Give it an image with one channel: an additional axis in front and one at the end (`[None]`, `[..., None]`). The
# result has M x M x 1 numbers for each window; flatten them.
# </details>
# <details><summary>Hint: how do I compare all pairs?</summary>
#
# Use the same row of M² numbers once as a column and once as a row, by a new axis of length 1 in two different
# places. Broadcasting then compares all pairs.
# </details>
# <details><summary>Hint: the wrong windows are masked</summary>
#
# Which rows get new neighbours by a shift upwards: the first `shift` rows or the last?
# </details>

# %% [markdown]
# ### Your mask
#
# The next figure is drawn from *your* mask: a colour is a group of tokens that may attend to each other. It should
# agree with Figure 9.8. Change the sizes and the shift.

# %%
if ready("Q16") and ready("Q15"):
    show_regions(shifted_window_mask(12, 12, 4, 2), 12, 12, 4, 2)

# %% [markdown]
# > **Figure 9.9 · What your mask separates.** Left and middle: groups of tokens in the image and after the shift.
# > Right: the masks of four windows (first window, last of the first row, first of the last row, last window); blue
# > pairs are blocked.
#
# ### Which tokens depend on one token
#
# Even blocks use plain windows, odd blocks shifted ones. The titles count the tokens that depend on the marked one,
# and the white lines are the windows of the last block.


# %% fold="skip"
# Draws the reach of one token after 1 to 4 blocks, for plain windows, shifted windows, and shifted windows without mask
def film(blocks=1):
    parts = Parts(window_partition, window_reverse, cyclic_shift, shifted_window_mask)
    kinds = {"plain": {"shifted": False}, "shifted": {}, "no mask": {"masked": False}}
    frames = [(name, *parts.reach_by_block(blocks, **how)[-1]) for name, how in kinds.items()]
    return reach_figure(frames, 4, (1, 6))


windows_work = all(ready(q) for q in ("Q15", "Q15b", "Q16a", "Q16"))
if windows_work:
    explore(film, blocks=[1, 2, 3, 4])

# %% [markdown]
# > **Figure 9.10 · Reach of one token, block by block.** With the shift, the reach grows by half a window or more per
# > block. Without the mask it also crosses the edge of the image: tokens at the bottom depend on a token at the top
# > as if they were neighbours.

# %%
if windows_work:
    parts = Parts(window_partition, window_reverse, cyclic_shift, shifted_window_mask)
    counts = {}
    for name, how in {"plain": {"shifted": False}, "shifted": {}, "no mask": {"masked": False}}.items():
        counts[name] = [1, *(int(grid.sum()) for grid, _ in parts.reach_by_block(8, **how))]
    curves(range(9), counts, xlabel="blocks", ylabel="dependent tokens (of 256)")

# %% [markdown]
# > **Figure 9.11 · Number of tokens that depend on the marked one.** Attention over all tokens would reach 256 after
# > one block. Shifted windows need several blocks.
#
# **Answer.** Tokens from different edges of the image must not attend to each other; the mask blocks them. The low
# cost of windows is paid for in depth: several blocks are needed until all tokens depend on each other. The hierarchy
# of section 10 reduces their number.

# %% [markdown]
# ## 7 · Q17: relative positions
#
# **Question.** Attention is permutation equivariant (lesson 05). How does a token take into account *where* in its
# window another token is?
#
# ViT adds a position embedding to the tokens. Swin adds a **relative position bias** to each score. It depends on the
# **offset** from the key to the query, that is on the difference of their rows and of their columns:
#
# $$\mathrm{softmax}\!\left(\frac{QK^\top}{\sqrt{d_k}} + B\right) V$$
#
# *CS163, lecture 12* shows this formula with "$B: M^2 \times M^2$ (learned biases)". Not all of these $M^4$ entries
# are free: pairs with the same offset share one. In a window of side M an offset goes from -(M-1) to M-1 in rows and
# in columns. A table with $(2M-1)^2$ rows therefore holds one number for each offset, and it has a column for each
# head.

# %%
for m in (7, 12):
    print(f"M = {m:>2}: {m**4:>6,} pairs of tokens, {(2 * m - 1) ** 2} different offsets")
assert (7**4, 13**2) == (2401, 169)

# %% [markdown]
# Write `relative_position_index(window_size)`: for each pair of tokens (query, key), both numbered in reading order,
# the row of its offset in the table. Any numbering is accepted in which equal offsets share a number and different
# ones do not. The paper's is: make both parts of the offset start at 0, then take `rows * (2M - 1) + columns`.
# (Torchvision's weights, in section 11, need this one, with the offset as query position minus key position.)
#
# {{level: guided}}
# Three blanks of one line each.
# {{end}}


# %% tags=["answer"] question="Q17"
# Q17: the index of relative positions
def relative_position_index(window_size):
    """-> (window_size**2, window_size**2), whole numbers from 0 to (2*window_size - 1)**2 - 1"""
    token = torch.arange(window_size**2)
    row, column = token // window_size, token % window_size
    down = row[:, None] - row  # BLANK
    across = column[:, None] - column  # BLANK
    return (down + window_size - 1) * (2 * window_size - 1) + across + window_size - 1  # BLANK


# %% tags=["check"] question="Q17" points=3
check("Q17", relative_position_index)

# %% [markdown]
# <details><summary>Hint: how do I get the differences of all pairs?</summary>
#
# As in Q16: the rows once as a column, once as a row. For a window of 2 the rows are 0, 0, 1, 1, and their
# differences form a matrix of -1, 0 and 1.
# </details>
# <details><summary>Hint: different offsets share a number</summary>
#
# Think of a number with two digits: the first digit must be worth more than the largest second digit. How many values
# can the difference of columns take?
# </details>
# <details><summary>Hint: negative numbers</summary>
#
# What is the smallest difference of rows? Add what makes it 0, and the same for the columns.
# </details>

# %% [markdown]
# ### A table that we fill by hand
#
# We put minus the distance into the table. The bias then favours near tokens:

# %%
if ready("Q17"):
    index, side = relative_position_index(5), torch.arange(25)
    place = torch.stack([side // 5, side % 5], -1).float()
    table = torch.zeros(81)
    # pairs with the same offset write the same number
    table[index.flatten().long()] = -torch.cdist(place, place).flatten()
    show_steps(index, 5, table)

# %% [markdown]
# > **Figure 9.12 · A bias that favours near tokens, window of 5.** Left: the matrix B; rows are queries, columns
# > keys. Right: rows 0, 12 and 24 of it, drawn as windows. It is one pattern that moves with the query: the table has
# > 81 numbers, a free matrix would have 625.


# %% fold="skip"
# Draws the attention weights of three queries if the bias alone decides, for three factors of the bias
def preference(strength=1.0):
    weights = (strength * table[index.long()]).softmax(-1)
    compare([(f"query {token}", weights[token].reshape(5, 5)) for token in (0, 12, 19)])


if ready("Q17"):
    explore(preference, strength=[0.2, 1.0, 3.0])

# %% [markdown]
# > **Figure 9.13 · Attention weights from the bias alone.** A larger bias concentrates the weights on the query's
# > neighbours. In training the table learns which offsets matter.
#
# **Answer.** One learned number for each offset and head is added to the scores. Attention then depends on positions
# relative to each other, and not on absolute positions.

# %% [markdown]
# ## 8 · Q17b: attention in a window
#
# Now write the layer. Its scores have the shape `w h n m`: windows, heads, queries, keys.
#
# - The bias is looked up in the table: `table[index]` has the shape `n m h`.
# - The mask has the shape `(num_windows, n, m)`. The first axis of the scores holds the windows of *all* images,
#   image by image, so every image uses the same masks in the same order. All heads share them.
#
# {{level: guided}}
# Three blanks:
# 1. the bias, with its axes in the order of the scores;
# 2. the mask, added to the scores (one line);
# 3. the attention weights.
# {{end}}
# {{level: standard, open}}
# Use the names `relative_position_bias_table` (a parameter of shape `((2M-1)², heads)`), `qkv` (one linear layer for
# queries, keys and values, in this order) and `proj`: section 11 loads torchvision's weights by these names. Keep the
# index as a buffer with `persistent=False`, since it is no weight.
# {{end}}


# %% tags=["answer"] question="Q17b"
# Q17b: attention in windows, with a relative position bias
class WindowAttention(nn.Module):
    """(num_windows*B, M*M, dim), mask (num_windows, M*M, M*M) -> (num_windows*B, M*M, dim)"""

    def __init__(self, dim, num_heads, window_size):  # WRITE
        super().__init__()
        self.num_heads = num_heads
        offsets = (2 * window_size - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn(offsets, num_heads))
        index = relative_position_index(window_size)
        self.register_buffer("relative_position_index", index, persistent=False)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        h = self.num_heads
        q, k, v = rearrange(self.qkv(x), "w n (three h d) -> three w h n d", three=3, h=h)
        scores = q @ k.mT / math.sqrt(q.shape[-1])  # w h n m
        bias = self.relative_position_bias_table[self.relative_position_index]  # n m h
        scores = scores + rearrange(bias, "n m h -> h n m")  # BLANK: rearrange(bias, "n m h -> h n m")
        if mask is not None:
            scores = scores + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))  # BLANK
        weights = scores.softmax(dim=-1)  # BLANK
        return self.proj(rearrange(weights @ v, "w h n d -> w n (h d)"))


# %% tags=["check"] question="Q17b" points=4
check("Q17b", WindowAttention)

# %% [markdown]
# <details><summary>Hint: the sizes don't match when the bias is added</summary>
#
# Broadcasting starts at the last axes: scores of shape `w h n m` need a bias of shape `h n m`. Use `rearrange` or
# `permute`; `view` keeps the order of the numbers and does not exchange axes.
# </details>
# <details><summary>Hint: it works for one image and not for two</summary>
#
# Two images of three windows arrive as windows 0 1 2 0 1 2. Which list of masks fits: 0 1 2 0 1 2, or 0 0 1 1 2 2?
# </details>
# <details><summary>Stronger hint for the mask</summary>
#
# einops' `repeat` makes copies: write a new letter on the right, in parentheses with the windows, and give its size.
# The letter that changes more slowly stands on the left. An axis `1` leaves room for the heads.
# </details>

# %% [markdown]
# ### What the bias changes
#
# We reorder the tokens of a window. Without a bias the outputs are reordered in the same way. With a random table
# they change:

# %%
if ready("Q17") and ready("Q17b"):
    torch.manual_seed(0)
    layer, x, order = WindowAttention(32, 4, 4), torch.randn(1, 16, 32), torch.randperm(16)
    for name, table_of in (("a table of zeros", torch.zeros_like), ("a random table", torch.randn_like)):
        for parameter in layer.parameters():
            if parameter.shape == (49, 4):
                parameter.data = table_of(parameter)
        off = (layer(x[:, order]) - layer(x)[:, order]).abs().max()
        print(f"{name:<16}: f(reordered x) and reordered f(x) differ by {off:.0e}")

# %% [markdown]
# Does the layer need as many multiplications as equation 2 says? PyTorch counts two operations for each
# multiplication with its addition:

# %%
if ready("Q17") and ready("Q17b"):
    layer = WindowAttention(C, 3, M)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.randn(64, M * M, C))  # 64 windows: 56 x 56 tokens
    print(f"counted {counter.get_total_flops() // 2:,}, equation 2 says {in_windows(56, 56, C, M):,}")

# %% tags=["solution"]
assert counter.get_total_flops() // 2 == in_windows(56, 56, C, M)

# %% [markdown]
# ## 9 · Q17c: the Swin block
#
# **Question.** How do these parts form a block?
#
# The block is a pre-norm encoder block (lesson 06) whose attention works in windows:
#
# $$\hat{z} = \text{W-MSA}(\mathrm{LN}(z)) + z \qquad z' = \mathrm{MLP}(\mathrm{LN}(\hat{z})) + \hat{z}$$
#
# The blocks of a stage alternate between `shift = 0` and `shift = M // 2`.

# %% fold="skip"
# Draws the path of tokens through a Swin block
show_block()

# %% [markdown]
# > **Figure 9.14 · A Swin block.** The blue line is the residual stream. The first branch shifts the grid, cuts
# > windows, attends, and undoes both; the second is the feed-forward network.
#
# Two details:
# - **Padding.** If H or W is no multiple of M, the grid is filled with zeros below and on the right, *after* the
#   first norm. The zeros are cut off again at the end of the branch.
# - **One window.** If the (padded) grid is only one window high or wide, the block does not shift, whatever `shift`
#   says: there is no other window to communicate with.
#
# {{level: guided}}
# Six blanks: the numbers of zeros for the width and for the height (each is 0 if the size divides); the windows, from
# the grid to `(num_windows*B, M*M, C)`; the step from windows to the grid; the shift back and the cut; and the two
# equations.
# {{end}}
# {{level: standard, open}}
# Use the names `norm1`, `attn`, `norm2` and `mlp` (a `Sequential` of `Linear`, `GELU`, `Identity`, `Linear`):
# section 11 loads torchvision's weights by these names. Use your functions of Q15 to Q17b.
# {{end}}


# %% tags=["answer"] question="Q17c"
# Q17c: the Swin block
class SwinBlock(nn.Module):
    """(B, H, W, dim) -> (B, H, W, dim); any H and W."""

    def __init__(self, dim, num_heads, window_size, shift, expansion=4):  # WRITE
        super().__init__()
        self.window_size, self.shift = window_size, shift
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, num_heads, window_size)
        hidden = expansion * dim
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Identity(), nn.Linear(hidden, dim))

    def attend(self, x):
        (H, W), M = x.shape[1:3], self.window_size
        # zeros on the right and below, up to whole windows
        x = F.pad(x, (0, 0, 0, -W % M, 0, -H % M))  # BLANK: -W % M  # BLANK: -H % M
        Hp, Wp = x.shape[1:3]
        shift = self.shift if min(Hp, Wp) > M else 0
        mask = shifted_window_mask(Hp, Wp, M, shift).to(x) if shift else None
        windows = window_partition(cyclic_shift(x, shift), M).flatten(1, 2)  # BLANK
        windows = self.attn(windows, mask)
        x = window_reverse(windows.unflatten(1, (M, M)), M, Hp, Wp)  # BLANK
        return cyclic_shift(x, -shift)[:, :H, :W]  # BLANK

    def forward(self, x):
        x = x + self.attend(self.norm1(x))  # BLANK
        return x + self.mlp(self.norm2(x))  # BLANK


# %% tags=["check"] question="Q17c" points=4
check("Q17c", SwinBlock)

# %% [markdown]
# <details><summary>Hint: how many zeros?</summary>
#
# 5 tokens and windows of 3 need 1 zero, 6 tokens need none, 7 need 2. Python's `%` gives a result between 0 and M - 1
# for negative numbers as well.
# </details>
# <details><summary>Hint: `window_partition` and `WindowAttention` expect different shapes</summary>
#
# The first returns `(num_windows*B, M, M, C)`, the second takes `(num_windows*B, M*M, C)`. `flatten` and `unflatten`
# are a pair.
# </details>
# <details><summary>Hint: right without a shift, wrong with one</summary>
#
# Is the grid shifted back by the same amount? Is the mask passed? Is the residual added to tokens in their original
# places?
# </details>

# %% [markdown]
# ### Two tests of the block
#
# Images of a batch must not influence each other. If the masks are in the wrong order, the results for two images
# differ from those for each image alone:

# %%
block_works = all(ready(q) for q in ("Q15", "Q15b", "Q16a", "Q16", "Q17", "Q17b", "Q17c"))
if block_works:
    torch.manual_seed(0)
    block, pair = SwinBlock(32, 4, 4, shift=2), torch.randn(2, 12, 8, 32)
    alone = torch.cat([block(one) for one in pair.split(1)])
    print(f"one by one against together: {(block(pair) - alone).abs().max():.0e}")

# %% [markdown]
# Opposite edges must not influence each other in one block. We change the last row of tokens and measure the first
# row, with the mask and without it:

# %%
if block_works:
    changed, moves = pair.clone(), {}
    changed[:, -1] *= -1
    moves["with your mask"] = (block(changed) - block(pair))[:, 0].abs().max().item()
    without = block.attn.register_forward_pre_hook(lambda layer, given: (given[0], None))  # drops the mask
    moves["without"] = (block(changed) - block(pair))[:, 0].abs().max().item()
    without.remove()
    for name, move in moves.items():
        print(f"{name:<15} the first row changes by {move:.2f}")

# %% tags=["solution"]
assert moves["with your mask"] == 0 < 0.01 < moves["without"]

# %% [markdown]
# **Answer.** A Swin block is a pre-norm encoder block. Only its attention differs: shift, cut into windows, attend
# with bias and mask, and undo both steps.

# %% [markdown]
# ## 10 · Q18: patch merging
#
# **Question.** How does Swin reach a large receptive field with few blocks?
#
# A CNN halves its grid every few layers. Swin does the same by **patch merging**: the four tokens of each 2 x 2
# square are concatenated (C becomes 4C), normalised together, and mapped by a linear layer without bias to 2C.

# %%
down, across = torch.arange(8)[:, None], torch.arange(8)
which_of_four = 2 * (down % 2) + across % 2
square = 4 * (down // 2) + across // 2
show_numbers([("which of the four", which_of_four), ("which square", square)], groups=torch.arange(16))

# %% [markdown]
# > **Figure 9.15 · An 8 x 8 grid before merging.** Left: tokens with the same number form one slice, a quarter of all
# > tokens. Right: the four tokens of a square become one new token.
#
# The order of the four slices is free if you train from scratch. Torchvision's weights expect: top left, bottom left,
# top right, bottom right. An odd number of rows or columns is filled up with one row or column of zeros.
#
# {{level: guided}}
# Four blanks: how many zeros an odd width and an odd height need, the list of the four slices, and the path through
# both layers.
# {{end}}
# {{level: standard, open}}
# Use the names `reduction` (the linear layer) and `norm`.
# {{end}}


# %% tags=["answer"] question="Q18"
# Q18: patch merging
class PatchMerging(nn.Module):
    """(B, H, W, C) -> (B, H/2, W/2, 2C), sizes rounded up"""

    def __init__(self, dim):  # WRITE
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x):
        H, W = x.shape[1:3]
        x = F.pad(x, (0, 0, 0, W % 2, 0, H % 2))  # BLANK: W % 2  # BLANK: H % 2
        four = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]  # BLANK
        return self.reduction(self.norm(torch.cat(four, dim=-1)))  # BLANK


# %% tags=["check"] question="Q18" points=3
check("Q18", PatchMerging)

# %% [markdown]
# <details><summary>Hint: how do I take every second row?</summary>
#
# `x[:, start::2]` begins at `start` and takes every second row. Two starts for rows and two for columns give four
# slices.
# </details>
# <details><summary>Hint: odd sizes</summary>
#
# What is the remainder of an odd number divided by 2, and of an even one?
# </details>
# <details><summary>Hint: the check says that a part is left over</summary>
#
# Concatenate first, on the last axis. Then normalise all 4C numbers together. Then apply the linear layer.
# </details>

# %% [markdown]
# ### The reach in a hierarchy
#
# We repeat the measurement of section 6 with the plan of Swin-T: 2, 2, 6 and 2 blocks on 56, 28, 14 and 7 tokens a
# side, from the token in the corner. A merged token depends on the marked one if one of its four does.

# %% fold="skip"
# Computes the share of the image that depends on one token, with merging and without
if windows_work:
    parts = Parts(window_partition, window_reverse, cyclic_shift, shifted_window_mask)
    shares = {"with merging": parts.reach_in_swin_t(), "56 x 56 throughout": parts.reach_in_swin_t(merging=False)}
    curves(range(1, 13), shares, xlabel="block", ylabel="share of the image, %")
    print({name: f"{share[-1]:.0f} % after 12 blocks" for name, share in shares.items()})

# %% tags=["solution"]
assert shares["with merging"][6] == 100 == shares["with merging"][-1]
assert 60 < shares["56 x 56 throughout"][-1] < 70

# %% [markdown]
# > **Figure 9.16 · Share of the image that depends on the corner token.** With merging all tokens depend on it after
# > seven blocks. Without merging about a third still does not after twelve.
#
# **Answer.** Merging halves the grid, so a window of 7 x 7 tokens covers four times the area in the next stage.

# %% [markdown]
# ## 11 · The whole model, compared with torchvision's
#
# **Question.** Do your parts compute what published Swin weights expect?
#
# The class `Swin` puts your blocks and mergings in a row (helpers/experiments/swin.py, about 25 lines): patches of 4
# x 4 by a convolution, four stages with a merging before each but the first, a final norm, the mean over all tokens,
# a linear layer. Its names are torchvision's. The shapes come from a forward pass through your parts:

# %%
everything = block_works and ready("Q18")
if everything:
    with torch.no_grad():
        mine = Swin(SwinBlock, PatchMerging).eval()
        picture = torch.rand(1, 3, 224, 224)
        stages, x = [], picture
        for number, part in enumerate(mine.features):
            x = part(x)
            if number % 2:
                stages.append((f"stage {number // 2 + 1}", tuple(x.shape[1:])))
    show_stages(stages)
    print(f"{parameters_of(mine):,} parameters")

# %% [markdown]
# > **Figure 9.17 · The four stages of Swin-T.** Squares show the grid of tokens, bars the number of channels. Each
# > stage has a quarter of the tokens and twice the channels of the one before.
#
# Detectors and segmentation networks were built on the four grids of a CNN, and can use these four in the same way. A
# plain ViT has one grid.
#
# ### The same logits
#
# We take torchvision's `swin_t` with random weights and large random biases, so that a wrong index would show. We
# copy its weights into your model by name and compare the logits of one image.

# %%
if everything:
    torch.manual_seed(0)
    theirs = load_torchvision().models.swin_t().eval()
    for name, parameter in theirs.named_parameters():
        if "table" in name:
            nn.init.normal_(parameter)
    weights = {n: w for n, w in theirs.state_dict().items() if "relative_position_index" not in n}
    shapes = [{n: w.shape for n, w in state.items()} for state in (weights, mine.state_dict())]
    same_names = shapes[0] == shapes[1]
    print("names and shapes agree:", same_names, f"({len(weights)} tensors)")

# %%
if everything and same_names:
    mine.load_state_dict(weights)
    with torch.no_grad():
        a, b = mine(picture), theirs(picture)
    print(f"1000 logits from {b.min():.1f} to {b.max():.1f}, largest difference {(a - b).abs().max():.1e}")
    if not torch.allclose(a, b, atol=1e-4):
        print("Your parts number offsets, or the four tokens of a square, in another order than these weights expect.")

# %% tags=["solution"]
assert same_names
assert (a - b).abs().max() < 1e-4

# %% [markdown]
# ### Sizes that do not divide
#
# 90 x 110 pixels give 22 x 27 tokens, which is no multiple of 7 and soon odd. The block and the merging then add
# zeros, as torchvision's do:

# %%
if everything and same_names:
    odd = torch.rand(1, 3, 90, 110)
    with torch.no_grad():
        x, grids = odd, []
        for number, part in enumerate(mine.features):
            x = part(x)
            grids += [tuple(x.shape[1:3])] if number % 2 else []
        print("grids:", " -> ".join(f"{h} x {w}" for h, w in grids))
        print(f"largest difference of the logits: {(mine(odd) - theirs(odd)).abs().max():.1e}")

# %% tags=["solution"]
assert grids == [(22, 27), (11, 14), (6, 7), (3, 4)]
assert (mine(odd) - theirs(odd)).abs().max() < 1e-4

# %% [markdown]
# Note that these zeros are not masked: real tokens at the lower and right edge attend to them, here and in the
# published code. We replace the zeros by ones and count the real tokens whose output changes.

# %%
if everything:
    torch.manual_seed(0)
    block, x = SwinBlock(32, 4, 7, shift=0), torch.randn(1, 10, 10, 32)  # padded to 14 x 14
    before = block(x)

    def ones_for_zeros(layer, given):
        windows, mask = given
        return windows + (windows == 0).all(-1, keepdim=True), mask

    block.attn.register_forward_pre_hook(ones_for_zeros)
    moved = (block(x) - before).abs().amax((0, -1)) > 1e-6  # H W
    print(f"{int(moved.sum())} of {moved.numel()} real tokens attend to the padding")

# %% tags=["solution"]
assert int(moved.sum()) == 100 - 49  # all but those of the one whole window

# %% [markdown]
# A network is trained with these zeros and can adapt to them. But the output for an image depends a little on whether
# its size divides.
#
# **Answer.** Yes: names, shapes and logits agree, for sizes that divide and for sizes that do not.

# %% [markdown]
# ## 12 · Does it learn, and what does it cost?
#
# **Question.** How does a small Swin compare with a ViT and a CNN?
#
# All three models have about 36,000 parameters and are trained on `shapes` (32 x 32 pixels, ten classes, 2000
# training images). The ViT is isotropic: the same blocks with one window over all 8 x 8 tokens and no merging.

# %% fold="read"
# Trains the three models for two epochs each, with three seeds
train, test = (replace(d, images=(d.images - 0.5) / 0.25) for d in (load("shapes"), load("shapes", "test")))
if everything:
    makers = small_models(SwinBlock, PatchMerging)
    short_runs = train_three(makers, train, test, seeds=3, epochs=2)

# %% tags=["solution"]
average = {name: sum(values) / len(values) for name, values in short_runs.items()}
assert average["CNN"] > average["Swin"] + 15
assert average["CNN"] > average["ViT"] + 15

# %% [markdown]
# **Answer.** At equal parameters the CNN is far ahead after two epochs: locality and translation equivariance are
# built into it. Swin's mean is above the ViT's, and three seeds are few for this difference (look at the spreads).
# Two epochs show mainly how fast a model starts to learn. In 25 epochs the same Swin reaches 93.0 % (one run with one
# seed, about a minute; `python benchmarks/swin_epochs.py` repeats it and runs the other models and seeds).
#
# ### Speed against accuracy
#
# At 32 x 32 pixels the main purpose of windows, large images, does not appear. *CS163, lecture 12* shows the paper's
# comparison of speed and accuracy on ImageNet (224 x 224 pixels). These are numbers from Table 1 of the paper:

# %%
show_speed()

# %% [markdown]
# > **Figure 9.18 · Images per second (one V100 GPU) and top-1 accuracy on ImageNet-1K.** Letters name the sizes of
# > each family. At equal speed, read along the lines, Swin is about 1 to 1.7 points above DeiT (a plain ViT) and up
# > to 0.6 points above RegNetY (convolutional networks). Data: Liu et al. 2021, Table 1 (a).
#
# (The lecture cites the paper as CVPR 2021. It appeared at ICCV 2021.)
#
# **Try it.** Train for more epochs, without a shifted block (`depths=(1, 1)`), or with smaller windows.

# %%
seed, epochs = 1, 1  # change these

if everything:
    accuracy, seconds = train_small(
        lambda: Swin(SwinBlock, PatchMerging, dim=16, depths=(1, 1), heads=(2, 4), window_size=4, classes=10),
        train, test, seed=seed, epochs=epochs,
    )  # fmt: skip
    print(f"{accuracy:.1f} % after {epochs} epoch(s), {seconds:.0f} s of processor time")

# %% [markdown]
# ## 13 · Later hierarchical transformers
#
# **Question.** What did later models change?
#
# **Swin V2** made three changes, for larger models and for windows larger than those trained.
#
# *Cosine attention.* Dot products grow with the length of the tokens, and long tokens saturate the softmax (lesson
# 05). Cosines do not depend on the length. We scale random queries and keys and compute how even the weights are: 1
# for uniform attention, 0 if one key gets all the weight.

# %% fold="skip"
# Measures the evenness of attention weights for tokens of growing length
torch.manual_seed(0)
q, k = torch.randn(2, 49, 32)
lengths = [0.25, 0.5, 1, 2, 4, 8]
even = {
    "dot product (V1)": [evenness(a * q, a * k) for a in lengths],
    "cosine (V2)": [evenness(a * q, a * k, factor=10) for a in lengths],
}
curves(lengths, even, xlabel="factor of the tokens' length", ylabel="evenness of weights", height=2.3)
assert even["dot product (V1)"][-1] < 0.1 < 0.5 < even["cosine (V2)"][-1]

# %% [markdown]
# > **Figure 9.19 · Evenness of attention weights (entropy, 1 = uniform) for longer and longer tokens.** Dot products
# > saturate; cosines, here with the factor 10, do not change.
#
# *Log-spaced offsets.* V2 replaces the table by a small network that computes the bias from the offset, as
# $\mathrm{sign}(\Delta)\log(1 + |\Delta|)$. If a model is trained with windows of 8 and used with windows of 16, the
# network has to extrapolate less:

# %%
old, new = 7, 15  # the largest offsets
print(f"linear offsets: {(new - old) / old:.2f} of the old range lies beyond it")
print(f"log offsets   : {(math.log1p(new) - math.log1p(old)) / math.log1p(old):.2f}")
assert round((new - old) / old, 2) == 1.14
assert round((math.log1p(new) - math.log1p(old)) / math.log1p(old), 2) == 0.33

# %% [markdown]
# *Post-normalisation of each branch.* V2 normalises what a branch *adds* (res-post-norm), so that the residual stream
# does not grow from block to block (the curve of lesson 06, section 8).
#
# **MViT** (Multiscale Vision Transformers) is hierarchical without windows. Attention stays global, and keys and
# values are **pooled** to fewer tokens. Between stages the queries are pooled as well, which makes the grid smaller.
# **Improved MViT** (MViTv2) adds relative positions and a residual connection around the pooling. Attention weights
# per head on 56 x 56 tokens:

# %%
n = 56 * 56
entries = {"all tokens": n * n, "MViT, keys pooled by 4 x 4": n * n // 16, "windows of 7": n * 49}
for name, number in entries.items():
    print(f"{name:<27} {number:>9,}")
assert (n * n // 16, n * 49) == (614_656, 153_664)

# %% [markdown]
# **Answer.** Swin V2 makes attention stable for large models and its bias usable for other window sizes. MViT keeps
# global attention at a lower resolution: with a fixed pooling its cost still grows quadratically, with a smaller
# factor.
#
# > ### What could go wrong
# > - **`view` instead of a partition.** The shape is right, and each window is a strip of the image.
# > - **No mask, or a mask for the other direction.** Nothing raises an error. Opposite edges attend to each other.
# > - **Masks in the wrong order.** Right at batch size 1, wrong at 2 (below).
# > - **Region numbers that collide** in the corner window: 0 + 1 and 1 + 0 are equal.
# > - **A shift when the grid is one window.** The mask then divides it into four for no benefit. (If only one side is
# >   a single window, the paper's code and ours do not shift at all; torchvision still shifts along the other side.
# >   For long, narrow images the two give different logits.)
# > - **Weights for another window size.** The table has (2M - 1)² rows, so another M needs another table, or an
# >   interpolated one.

# %%
if everything:
    mask = shifted_window_mask(8, 8, 4, 2)
    for images in (1, 2):
        in_order, repeated = mask.repeat(images, 1, 1), mask.repeat_interleave(images, 0)
        print(f"{images} image(s): the two orders of masks agree: {torch.equal(in_order, repeated)}")

# %% [markdown]
# ## 14 · Q18b: a blank page
#
# Write the whole Swin block again from memory, in one class, without using your functions above:
# `ShiftedBlock(dim, num_heads, window_size, shift)`, `forward(x)` from `(B, H, W, dim)` to `(B, H, W, dim)`.
#
# It contains two norms, attention in shifted windows with a relative position bias and a mask, and a feed-forward
# network of width `4 * dim` with GELU. H and W are multiples of the window size, and `shift` may be 0. You need
# neither padding nor the rule for a single window.
#
# Number the offsets and arrange the layers as you like. The check recognises queries, keys and values by names that
# begin with `q`, `k` and `v` (or a fused layer), and the table of biases by its size. It fills all weights with
# random numbers and compares outputs and gradients.


# %% tags=["answer"] question="Q18b" kind="blank-page"
# Q18b: a Swin block from memory
# Write the class ShiftedBlock in this cell.
class ShiftedBlock(nn.Module):
    def __init__(self, dim, num_heads, window_size, shift):
        super().__init__()
        self.heads, self.side, self.offset = num_heads, window_size, shift
        self.before, self.between = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.biases = nn.Parameter(torch.zeros((2 * window_size - 1) ** 2, num_heads))
        self.wide, self.narrow = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        at = torch.cartesian_prod(torch.arange(window_size), torch.arange(window_size))
        steps = at[:, None] - at + window_size - 1  # n n 2
        self.register_buffer("pairs", steps[..., 0] * (2 * window_size - 1) + steps[..., 1])

    def mixed(self, x):
        _, H, W, _ = x.shape
        cut = {"p": self.side, "q": self.side}
        x = x.roll((-self.offset, -self.offset), (1, 2))
        x = rearrange(x, "b (r p) (c q) d -> b (r c) (p q) d", **cut)
        edge = [torch.arange(size, device=x.device) >= size - self.offset for size in (H, W)]
        parts = rearrange(2 * edge[0][:, None] + edge[1], "(r p) (c q) -> (r c) (p q)", **cut)
        q, k, v = rearrange(self.qkv(x), "b w n (three h e) -> three b w h n e", three=3, h=self.heads)
        scores = q @ k.mT * q.shape[-1] ** -0.5 + self.biases[self.pairs].movedim(-1, 0)
        scores = scores.masked_fill((parts[:, :, None] != parts[:, None])[:, None], -torch.inf)
        x = self.out(rearrange(scores.softmax(-1) @ v, "b w h n e -> b w n (h e)"))
        x = rearrange(x, "b (r c) (p q) d -> b (r p) (c q) d", r=H // self.side, **cut)
        return x.roll((self.offset, self.offset), (1, 2))

    def forward(self, x):
        x = x + self.mixed(self.before(x))
        return x + self.narrow(F.gelu(self.wide(self.between(x))))


# %% tags=["check"] question="Q18b" points=6
check("Q18b", ShiftedBlock)

# %% [markdown]
# <details><summary>Hint: it does not fit into my head at once</summary>
#
# Write it in three steps and try each with random tokens: the block with attention over windows only; then the bias;
# then the shift with its mask.
# </details>
# <details><summary>Hint: right without a shift, wrong with one</summary>
#
# The mask belongs to the windows *after* the shift. And the tokens must come back before they are added to the
# residual stream.
# </details>

# %% [markdown]
# ## Stretch · Q18c: Swin V2's attention
#
# Write `cosine_window_attention(q, k, v, logit_scale, bias_network)`. `q`, `k` and `v` have the shape
# `(windows, heads, M*M, d)`. The weights are
#
# $$\mathrm{softmax}\!\left(\tau \cos(q_i, k_j) + B_{ij}\right), \qquad \tau = \min(e^{\text{logit\_scale}}, 100)$$
#
# with `logit_scale` of shape `(heads, 1, 1)`. For the bias, take the offset $\Delta$ from key to query (rows,
# columns), and scale and compress each part:
#
# $$\hat\Delta = \mathrm{sign}(\Delta)\,\frac{\log_2\!\left(1 + 8\,\frac{|\Delta|}{M-1}\right)}{\log_2 8}, \qquad
# B = 16 \cdot \mathrm{sigmoid}(\texttt{bias\_network}(\hat\Delta))$$
#
# `bias_network` maps a tensor of shape `(..., 2)` to `(..., heads)`. This is equation 2 and the appendix of Liu et
# al., *Swin Transformer V2*. The question is optional.


# %% tags=["answer"] question="Q18c" kind="stretch"
# Q18c: Swin V2's attention
def cosine_window_attention(q, k, v, logit_scale, bias_network):
    """(w, h, M*M, d) three times, (h, 1, 1), a network (..., 2) -> (..., h): gives (w, h, M*M, d)"""
    # BEGIN BLANK
    M = math.isqrt(q.shape[-2])
    scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT
    scores = scores * logit_scale.clamp(max=math.log(100)).exp()
    place = torch.cartesian_prod(torch.arange(M), torch.arange(M)).to(q)
    delta = place[:, None] - place  # n n 2
    near = delta.sign() * torch.log2(1 + 8 * delta.abs() / (M - 1)) / 3
    bias = 16 * torch.sigmoid(bias_network(near)).permute(2, 0, 1)
    return (scores + bias).softmax(-1) @ v
    # END BLANK


# %% tags=["check"] question="Q18c" points=3
check("Q18c", cosine_window_attention)

# %% [markdown]
# <details><summary>Hint: the cosine of two vectors</summary>
#
# It is the dot product of the two vectors, each divided by its length. No further scale by the width is needed.
# </details>
# <details><summary>Hint: everything is right but the bias</summary>
#
# The largest possible offset, M - 1, gives log₂ 9 / log₂ 8 = 1.06. Print your smallest and largest entry, and check
# for one pair that a key *above* the query has a positive row offset.
# </details>

# %% [markdown]
# ## 15 · In words
#
# **W9a** (2 points). Your Swin block works on 56 x 56 tokens with windows of 7. One colleague doubles the sides of
# the image. Another keeps the image and doubles the side of the window. By what factor does the number of attention
# weights grow in each case, and by what factor does it grow in a ViT in the first case? Why does Swin shift its
# windows rather than enlarge them?

# %% [markdown] tags=["written"] question="W9a" points=2
# The number of weights is M² HW. Doubling the sides of the image makes HW four times as large: factor 4 (a ViT has
# (HW)², so factor 16). Doubling M makes M² four times as large: also factor 4, for the same image. Larger windows
# would let tokens attend further, but the cost grows with the window's area, and there would still be borders between
# windows, only fewer. Shifting costs nothing more, because the number and the size of windows stay the same, and a
# border of one block lies inside a window of the next. After a few blocks the whole grid is connected.

# %% [markdown] tags=["rubric"]
# **W9a, 2 points.**
# - ½ point: factor 4 for the image, because of HW.
# - ½ point: factor 4 for the window, because of M².
# - ½ point: factor 16 in a ViT.
# - ½ point: shifting connects windows across blocks at no extra cost (a larger window costs more and still has
#   borders).
#
# A half-right answer: "The number is M² HW. Four times HW in the first case, four times M² in the second. In a ViT it
# is also four times. Swin shifts to be faster." Factor 4 with its reason in both cases (½ each), a wrong factor for the
# ViT (0), no word about the connection between windows (0): 1 point.

# %% [markdown]
# **W9b** (2 points). "I left the mask out, the accuracy hardly changed, and the code is shorter." Which windows
# behave differently now, and which tokens do they mix? Why is it an error all the same: name a task or an image for
# which it would hurt. And why is the mask cheaper than padding the small windows at the edges?

# %% [markdown] tags=["written"] question="W9b" points=2
# Only windows that wrap around an edge behave differently: those in the last row and in the last column of windows,
# in every shifted block. In them, tokens from the top of the image attend to tokens from the bottom, and tokens from
# the left to tokens from the right; the corner window mixes four corners. In classification most windows do not wrap,
# and objects are usually in the middle, so the accuracy hardly changes. It hurts where the position of each pixel
# matters: in segmentation or detection, an object at the upper edge receives features of the lower edge. The relative
# bias is wrong as well, because it treats tokens at opposite edges as neighbours. Padding would need (r+1)² windows
# instead of r², which is 2.25 times the work for 2 x 2 windows. The mask is one addition.

# %% [markdown] tags=["rubric"]
# **W9b, 2 points.**
# - ½ point: only the last row and column of windows (in shifted blocks) are affected.
# - ½ point: they mix opposite edges of the image (the corner window: four corners).
# - ½ point: a sound example (dense prediction, objects at the edge), or the wrong relative bias.
# - ½ point: padding makes more windows, (r+1)² against r²; the mask keeps their number.
#
# A half-right answer: "The windows at the edge mix the top of the image with the bottom. In segmentation that gives
# wrong features at the border." It does not say which windows of which blocks (0); opposite edges (½), an example (½),
# nothing about padding (0): 1 point.

# %% [markdown]
# ## 16 · Summary
#
# | | |
# |---|---|
# | window attention | M² HW weights instead of (HW)²: linear in the number of tokens |
# | order of windows | all windows of one image before those of the next; the masks follow the same order |
# | cyclic shift | rolls the grid by half a window in every second block, and back |
# | attention mask | blocks pairs of tokens of one window that come from different edges |
# | relative position bias | one number for each offset and head: (2M - 1)² rows |
# | patch merging | 2 x 2 tokens concatenated, norm over 4C, linear layer to 2C without bias |
# | padding | sizes that do not divide are filled with zeros, which are attended to |
#
# **Further reading**
# - Liu et al., *Swin Transformer: Hierarchical Vision Transformer using Shifted Windows*, ICCV 2021. Figure 2:
#   windows and their shift; Figure 4: the mask; equations 1 and 2: the costs; Table 1: speed and accuracy; Table 4:
#   what shift and bias contribute.
# - Liu et al., *Swin Transformer V2: Scaling Up Capacity and Resolution*, CVPR 2022. Figure 1 shows the three
#   changes; Table 1 what happens to tables when the window size changes.
# - Fan et al., *Multiscale Vision Transformers*, ICCV 2021. Figure 3: pooling attention.
# - Li et al., *MViTv2: Improved Multiscale Vision Transformers for Classification and Detection*, CVPR 2022.
# - Shaw, Uszkoreit and Vaswani, *Self-Attention with Relative Position Representations*, NAACL 2018: offsets instead
#   of positions, first for sentences.
# - Liu et al., *A ConvNet for the 2020s*, CVPR 2022. Figure 2: a CNN built after Swin's plan that reaches its
#   accuracy.
#
# Next: **10 · Hybrid**, in which convolution and attention are combined.
