# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 09 · Swin: windows that shift {{badge}}
#
# **In one sentence:** you will cut attention into windows, shift them, tell them where tokens stand, merge tokens
# into a hierarchy, and see your parts carry the weights of torchvision's Swin-T to the same logits.
#
# | | |
# |---|---|
# | **You need** | attention with heads (lesson 05), the encoder block (06), `nn.Module`, einops |
# | **Time** | 75 minutes |
# | **You write** | Q15 windows, Q15b back, Q16a shift, Q16 mask, Q17 index, Q17b attention, Q18 merging; W9a, W9b |
#
# **Afterwards you can**
# - say what attention costs in a large image, and what it costs in windows, by formula and by clock;
# - shift windows and mask what must not meet, and draw why;
# - give attention a sense of direction with a small table;
# - build the hierarchy of any Swin, and load somebody else's weights into it.
#
# {{questions}}
#
# {{names: lectures L0 and L3}}
# window size M | `window_size` | `window_size` | $M$
# shift | `shift` | `shift_size` | $\lfloor M/2 \rfloor$
# relative position bias | `relative_position_bias_table` | the same | $\hat{B}$, $B$
# patch merging | `PatchMerging.reduction` | the same | patch merging
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
import time
from dataclasses import replace

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from einops.layers.torch import Rearrange
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from helpers import check, ready
from helpers.data import load, sample_image
from helpers.explore import explore
from helpers.pictures.patches import show_numbers
from helpers.pictures.swin import reach_figure, show_block, show_regions, show_stages, show_steps
from helpers.plots import bars, compare, curves, figure, show, show_grid, show_patches
from helpers.torchvision_ops import load_torchvision
from helpers.training import fit

torch.set_num_threads(1)  # what is trained here is small: more threads only wait for each other

# %% [markdown]
# In this lesson tokens keep their places: a batch is `B H W C`, channels last. `M` is the side of a window,
# `window_size` in signatures.

# %% [markdown]
# ## 1 · The bill
#
# In a ViT each token looks at each. An image of 224 x 224 in patches of 4 is a grid of 56 x 56 tokens. How many
# weights does one head compute?

# %%
H = W = 56
M, C = 7, 96
print(f"every token, every token : (HW)² = {(H * W) ** 2:>9,}")
print(f"every token, its window  : M² HW = {M**2 * H * W:>9,}")
print(f"                                   {(H * W) ** 2 // (M**2 * H * W)} times fewer")
assert ((H * W) ** 2, M**2 * H * W) == (9_834_496, 153_664)

# %% [markdown]
# ViT avoids the bill with patches of 16, and loses sight of everything small. *Swin* keeps patches of 4, and
# lets a token look at its own window of 7 x 7 only.
#
# | | ViT | Swin |
# |---|---|---|
# | tokens | one size, 16 x 16 pixels | 4, 8, 16, 32 pixels, stage by stage |
# | a token sees | all | its window; the next block's windows are shifted |
# | work grows with | pixels squared | pixels |
# | where am I? | codes added at the entrance | a bias inside each attention |

# %% [markdown]
# ## 2 · Q15: cut into windows
#
# Patches again, one floor up: the tokens of a window go together, and nothing is computed. Here is an image as
# a grid of 32 x 32 "tokens" with three channels each, and its windows of 8:

# %%
image = sample_image(32)  # c h w
show_grid(image, 8)

# %% [markdown]
# Order matters from now on: windows row by row from the top left, and **all windows of the first image, then all
# of the second**. (The famous comment in Swin's code says `num_windows*B`; what happens is "image first".)
#
# Write `window_partition`. One blank: an einops pattern and its sizes.


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
# <details><summary>Hint: how do I say "a row is a row of windows and a row inside"?</summary>
#
# Parentheses on the left split an axis: `(a b)` has `a` groups of `b` neighbours. The right letter runs fastest. Do
# that for both H and W, and give einops the size it can't guess.
# </details>
# <details><summary>Hint: the windows are right, their order is not</summary>
#
# Parentheses on the right melt axes together. The left letter changes slowest: image, then window row, then
# window column.
# </details>

# %%
if ready("Q15"):
    cells = image.permute(1, 2, 0)[None]  # B H W C
    windows = window_partition(cells, 8)
    print(tuple(cells.shape), "->", tuple(windows.shape))
    show_patches(windows.permute(0, 3, 1, 2))

# %% [markdown]
# ### A mistake that travels
#
# `x.view(-1, M, M, C)` has the same shape, raises nothing, and is everywhere. What does it cut?

# %%
viewed = image.permute(1, 2, 0).reshape(-1, 8, 8, 3)
show_patches(viewed.permute(0, 3, 1, 2))
assert torch.equal(viewed[0].reshape(2, 32, 3), image.permute(1, 2, 0)[:2])  # two rows of the image

# %% [markdown]
# Each of these "windows" holds two whole rows of the image, wound up. A model still trains on it, only
# worse: its neighbours are no neighbours.
#
# ### Q15b: and back
#
# The exact inverse. `B` is told by nobody; einops finds it from the rest. One blank again.


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
# <details><summary>Hint: einops says it can't tell the sizes</summary>
#
# The first axis is three numbers in one. Two of them follow from H, W and the window; then the third is known.
# </details>
# <details><summary>Stronger hint</summary>
#
# Read your answer to Q15 from right to left.
# </details>

# %%
if ready("Q15") and ready("Q15b"):
    there_and_back = window_reverse(window_partition(cells, 8), 8, 32, 32)
    print("there and back, bit by bit the same:", torch.equal(there_and_back, cells))

# %% [markdown]
# ## 3 · What windows cost, by the clock
#
# One head, no weights, the bare formula. Once over all tokens, once over your windows of 8:


# %%
def attend(x):
    return F.softmax(x @ x.mT / math.sqrt(x.shape[-1]), dim=-1) @ x  # windows n d


def milliseconds(work, repeats=3):
    def once():
        start = time.process_time()  # stands still while other programs have the processor
        work()
        return 1000 * (time.process_time() - start)

    return min(once() for _ in range(repeats))  # the least disturbed one


# %%
sides = [8, 16, 24, 32, 40, 48, 56]
tokens = [side * side for side in sides]
if ready("Q15"):
    spent = {"all tokens": [], "windows": []}
    for side in sides:
        x = torch.randn(1, side, side, 32)
        spent["all tokens"].append(milliseconds(lambda x=x: attend(x.flatten(1, 2))))
        spent["windows"].append(
            milliseconds(lambda x=x: attend(window_partition(x, 8).flatten(1, 2)))
        )  # fmt: skip
    fig, (left, right) = figure(2.7, columns=2)
    curves(tokens, spent, xlabel="tokens", ylabel="milliseconds", ax=left)
    curves(tokens, spent, xlabel="tokens", logx=True, logy=True, ax=right)
    show(
        fig,
        alt="Time against tokens, plain and logarithmic: a parabola for all, a line for windows.",
    )


# %%
def slope(times):
    """Of the straight line through the last four points on logarithmic axes: the power of growth."""
    x, y = torch.tensor(tokens[-4:]).log(), torch.tensor(times[-4:]).log()
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).sum() / (x * x).sum()).item()


if ready("Q15"):
    for name, times in spent.items():
        print(
            f"{name:<10} {times[-1]:7.1f} ms for {tokens[-1]} tokens, growing with power {slope(times):.1f}"
        )  # fmt: skip

# %% tags=["solution"]
assert slope(spent["all tokens"]) > 1.5 > slope(spent["windows"])

# %% [markdown]
# A parabola and a straight line: about power 2, about power 1. (A little more than 2 where the square of weights
# outgrows the processor's cache; run it again and see how steady the clock is.)
#
# ### And in a real layer
#
# Around the weights stand four square matrices, `4HWC²`, in both. The paper's equations 1 and 2, in
# multiplications:


# %%
def all_tokens(h, w, c):
    return 4 * h * w * c**2 + 2 * (h * w) ** 2 * c


def in_windows(h, w, c, m):
    return 4 * h * w * c**2 + 2 * m**2 * h * w * c


print(f"all tokens : {all_tokens(H, W, C) / 1e6:7,.0f} million")
print(f"in windows : {in_windows(H, W, C, M) / 1e6:7,.0f} million")
assert in_windows(112, 112, C, M) == 4 * in_windows(56, 56, C, M)  # four times the pixels, the work


# %%
def growth(side=56):
    work = {"all tokens": all_tokens(side, side, C), "in windows": in_windows(side, side, C, M)}
    fig, ax = figure(1.15, width=3.6)
    millions = {name: number / 1e6 for name, number in work.items()}
    bars(millions, xlabel=f"million multiplications, {side} x {side} tokens", form="{:,.0f}", ax=ax)
    return fig


explore(growth, side=[14, 28, 56, 112])

# %% [markdown]
# At 14 x 14, ViT's own size, windows save little. The gap opens with the image.

# %% [markdown]
# ## 4 · Windows are walls
#
# Nothing is free: a token at a border never meets its neighbour across. Watch how far the news of one token
# spreads, block by block. A token that hears somebody who knows, knows.


# %%
def spread(known, M, shift=0, masked=True):
    """Who knows after one more block: (1, H, W, 1) of zeros and ones -> the same."""
    _, H, W, _ = known.shape
    if shift:
        known = cyclic_shift(known, shift)
    tokens = window_partition(known, M).flatten(1)[..., None]  # windows M*M 1
    sees = torch.ones(len(tokens), M * M, M * M)
    if shift and masked:
        sees = (shifted_window_mask(H, W, M, shift) > -1).float()
    known = window_reverse(((sees @ tokens) > 0).float().view(-1, M, M, 1), M, H, W)
    return cyclic_shift(known, -shift) if shift else known


def news(token=(1, 6), side=16):
    known = torch.zeros(1, side, side, 1)
    known[0, token[0], token[1]] = 1
    return known


# %%
if ready("Q15") and ready("Q15b"):
    known, frames = news(), []
    for block in range(4):
        frames.append((f"{block} blocks", known[0, ..., 0], 0))
        known = spread(known, 4)
    show(
        reach_figure(frames, 4, (1, 6)),
        alt="News of one token fills its window after one block, and stays.",
    )

# %% [markdown]
# After one block the window knows, and that is all, forever. A deep stack of plain windows is many little
# models that never talk.
#
# ## 5 · Q16a: shift
#
# The idea that gave Swin its name (*Shifted windows*): every second block cuts the grid elsewhere, half a
# window further. What was a border is now the middle of a window.
#
# Cutting elsewhere leaves small windows at the edges. In a grid of `r x r` windows there would be `r + 1` by `r + 1`:

# %%
for r in (2, 4, 8):
    print(
        f"{r} x {r} windows become {(r + 1) ** 2:>2}: {(r + 1) ** 2 / r**2:.2f} times the work, each padded"
    )  # fmt: skip

# %% [markdown]
# The trick: don't move the windows, roll the *grid*. What leaves at the top comes back at the bottom, and the number
# of windows stays.
#
# Write `cyclic_shift`: row `shift` becomes the first row, column `shift` the first column. A negative shift goes
# back. One blank.


# %% tags=["answer"] question="Q16a"
# Q16a: the cyclic shift
def cyclic_shift(x, shift):
    """(B, H, W, C) -> the same, moved up and to the left, round the edges"""
    return torch.roll(x, (-shift, -shift), (1, 2))  # BLANK: (-shift, -shift), (1, 2)


# %% tags=["check"] question="Q16a" points=1
check("Q16a", cyclic_shift)

# %% [markdown]
# <details><summary>Hint: what does torch.roll want?</summary>
#
# By how much, and along which axes; each may be a tuple. Try `torch.roll(torch.arange(5), 1)` in a cell of your own
# and watch which way it goes.
# </details>
# <details><summary>Hint: something else moved too</summary>
#
# Count the axes of `B H W C` from 0.
# </details>

# %%
if ready("Q16a"):
    moved = cyclic_shift(image.permute(1, 2, 0)[None], 4)[0].permute(2, 0, 1)
    show_grid(moved, 8, numbers=False)

# %% [markdown]
# ## 6 · Q16: who must not meet
#
# Look at the lower right window: it holds four corners of the image. Sky beside grass, that were never
# neighbours. Attention would mix them.
#
# So it gets a mask: 0 lets a pair through, -100 blocks it (added before the softmax, e⁻¹⁰⁰ of a weight remains).
# Tokens may meet if they come from the same side of both edges.
#
# After the shift, the last `shift` rows came round from the top, and the last `shift` columns from the left.
# Write the mask, one matrix per window, in reading order. Five blanks of half a line:
# 1. which rows came round (H bools);
# 2. which columns (W bools);
# 3. the regions, cut as the tokens are: one row of M² per window;
# 4. which pairs are of different regions;
# 5. the mask.


# %% tags=["answer"] question="Q16"
# Q16: the mask for windows that wrap
def shifted_window_mask(H, W, window_size, shift):
    """-> (num_windows, window_size**2, window_size**2), 0 or a large negative number"""
    came_from_above = torch.arange(H) >= H - shift  # BLANK
    came_from_left = torch.arange(W) >= W - shift  # BLANK
    region = 2 * came_from_above[:, None] + came_from_left  # H W, numbers 0 to 3
    tokens = window_partition(region[None, :, :, None], window_size).flatten(1)  # BLANK
    strangers = tokens[:, :, None] != tokens[:, None, :]  # BLANK
    return torch.where(strangers, -100.0, 0.0)  # BLANK


# %% tags=["check"] question="Q16" points=4
check("Q16", shifted_window_mask)

# %% [markdown]
# <details><summary>Hint: how do I cut H x W regions, when my Q15 wants B H W C?</summary>
#
# Give it an image of one channel: an axis in front, an axis behind (`[None]`, `[..., None]`). What comes out has M x M
# x 1 per window; flatten that.
# </details>
# <details><summary>Hint: how do I compare all pairs?</summary>
#
# Put the same row of M² once as a column and once as a row: a new axis of length 1, in two different places.
# Broadcasting makes the square.
# </details>
# <details><summary>Hint: the wrong windows are masked</summary>
#
# Which rows are new neighbours after a shift up: the first `shift`, or the last?
# </details>

# %% [markdown]
# ### Your mask in colours
#
# The picture every talk on Swin shows, drawn from *your* mask: a colour is a group of tokens that see each other.

# %%
if ready("Q16") and ready("Q15"):
    show_regions(shifted_window_mask(12, 12, 4, 2), 12, 12, 4, 2)

# %% [markdown]
# Left: the windows as one wanted them, small ones at the edges. Middle: rolled, four times four tokens
# everywhere, and up to four colours in one window. Right: dark pairs are blocked.


# %%
def regions(shift=1):
    show_regions(shifted_window_mask(8, 8, 4, shift), 8, 8, 4, shift)


if ready("Q16") and ready("Q15"):
    explore(regions, shift=[1, 2, 3])

# %% [markdown]
# ### One token's reach, block by block
#
# Even blocks plain, odd blocks shifted by half a window. Move the slider (without a kernel: a film strip). Titles
# count the tokens that know; the white lines are the windows that spread it.


# %%
def story(masked=True, shifted=True, blocks=6, token=(1, 6)):
    known, frames = news(token), []
    for block in range(blocks):
        shift = 2 if shifted and block % 2 else 0
        known = spread(known, 4, shift, masked)
        frames.append((known[0, ..., 0], shift))
    return frames


def film(blocks=1):
    alone, shifts, torus = story(shifted=False), story(), story(masked=False)
    k = blocks - 1
    return reach_figure(
        [("plain", *alone[k]), ("shifted", *shifts[k]), ("no mask", *torus[k])], 4, (1, 6)
    )  # fmt: skip


if ready("Q15") and ready("Q15b") and ready("Q16a") and ready("Q16"):
    explore(film, blocks=[1, 2, 3, 4])

# %% [markdown]
# With the shift, news goes on by half a window per block. Without the mask it also leaps over the edge: the grid is a
# ring, and after two blocks the lower edge hears of the upper one as if it were next to it.

# %%
if ready("Q15") and ready("Q15b") and ready("Q16a") and ready("Q16"):
    heard = {name: [1, *(int(f.sum()) for f, _ in story(blocks=8, **how))] for name, how in
             {"plain": {"shifted": False}, "shifted": {}, "no mask": {"masked": False}}.items()}  # fmt: skip
    curves(range(9), heard, xlabel="blocks", ylabel="tokens of 256 that know")

# %% [markdown]
# Attention over all tokens would stand at 256 after one block. Windows pay for their price in depth; the hierarchy
# of section 9 will make up for it.

# %% [markdown]
# ## 7 · Q17: where do you stand to me?
#
# Attention knows no places. ViT adds a code at the entrance. Swin adds a number to each energy, which depends on
# the *step* from one token to the other:
#
# $$\text{softmax}\left(\frac{QK^\top}{\sqrt d} + B\right) V$$
#
# In a window of side M a step goes from -(M-1) to M-1, down and across. So a table of (2M-1)² rows has a number
# for every step, and one column per head:

# %%
for m in (7, 12):
    print(f"M = {m:>2}: {m**4:>6,} pairs of tokens, {(2 * m - 1) ** 2} different steps")
assert (7**4, 13**2) == (2401, 169)

# %% [markdown]
# Write `relative_position_index`: for each pair of tokens (who asks, who is asked; numbered in reading order) the
# row of its step in the table. Any numbering of the steps will do, if equal steps share a number and different ones
# don't. The paper's: both parts moved up to begin at 0, then `down * (2M - 1) + across`. (Torchvision's weights, in
# section 10, expect that one, with the step as asker's place minus asked one's.)
#
# Three blanks, one line each.


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
# As in Q16: the rows once as a column, once as a row. For a window of 2 the rows are 0, 0, 1, 1; their differences a
# matrix of -1, 0 and 1.
# </details>
# <details><summary>Hint: different steps share a number</summary>
#
# Think of a two-digit number: the first digit must be worth more than the largest second digit. How many values can
# `across` take?
# </details>
# <details><summary>Hint: negative numbers</summary>
#
# What is the smallest `down`? Add what makes it 0, and the same for `across`.
# </details>

# %% [markdown]
# ### A table, looked up
#
# Fill a table by hand: nearer is better. Column 0 then says, for each pair, how welcome the asked one is:

# %%
if ready("Q17"):
    index, side = relative_position_index(5), torch.arange(25)
    place = torch.stack([side // 5, side % 5], -1).float()
    table = torch.zeros(81)
    # equal steps write equal numbers
    table[index.flatten().long()] = -torch.cdist(place, place).flatten()
    show_steps(index, 5, table)

# %% [markdown]
# White is nearest, dark is far. It is *one* pattern, moved along with the token that asks: 81 numbers where a full
# matrix would learn 625.


# %%
def preference(strength=1.0):
    """Who gets a token's weight if only B decides."""
    weights = (strength * table[index.long()]).softmax(-1)
    compare([(f"token {token}", weights[token].reshape(5, 5)) for token in (0, 12, 19)])


if ready("Q17"):
    explore(preference, strength=[0.2, 1.0, 3.0])

# %% [markdown]
# ## 8 · Q17b: attention in a window
#
# Now all together. What is given: the table, the four matrices, heads. The energy has the shape `w h n m`: windows,
# heads, tokens that ask, tokens asked.
#
# Three blanks:
# 1. the bias, turned into the energy's order of axes (its look-up is `n m h`);
# 2. the mask, added to the energy. It comes as `(num_windows, n, m)`; the energy's first axis holds the windows of
#    *all* images, image by image. (One line; heads share it.)
# 3. the weights.


# %% tags=["answer"] question="Q17b"
# Q17b: attention in windows, with relative positions
class WindowAttention(nn.Module):
    def __init__(self, dim, num_heads, window_size):
        super().__init__()
        self.num_heads = num_heads
        steps = (2 * window_size - 1) ** 2
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn(steps, num_heads))
        index = relative_position_index(window_size)
        self.register_buffer("relative_position_index", index, persistent=False)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x, mask=None):
        """(num_windows*B, M*M, dim), (num_windows, M*M, M*M) -> (num_windows*B, M*M, dim)"""
        h = self.num_heads
        q, k, v = rearrange(self.qkv(x), "w n (three h d) -> three w h n d", three=3, h=h)
        energy = q @ k.mT / math.sqrt(q.shape[-1])  # w h n m
        bias = self.relative_position_bias_table[self.relative_position_index]  # n m h
        energy = energy + rearrange(bias, "n m h -> h n m")  # BLANK: rearrange(bias, "n m h -> h n m")
        if mask is not None:
            energy = energy + repeat(mask, "k n m -> (b k) 1 n m", b=len(x) // len(mask))  # BLANK
        weights = energy.softmax(dim=-1)  # BLANK
        return self.proj(rearrange(weights @ v, "w h n d -> w n (h d)"))


# %% tags=["check"] question="Q17b" points=4
check("Q17b", WindowAttention)

# %% [markdown]
# <details><summary>Hint: sizes don't match when the bias is added</summary>
#
# Broadcasting begins at the last axes: `w h n m` wants `h n m`. Moving axes is `rearrange` or `permute`; `view` moves
# nothing.
# </details>
# <details><summary>Hint: it works for one image, and not for two</summary>
#
# Two images of three windows arrive as windows 0 1 2 0 1 2. Which list of masks fits beside it: 0 1 2 0 1 2, or
# 0 0 1 1 2 2?
# </details>
# <details><summary>Stronger hint for the mask</summary>
#
# einops' `repeat` makes copies: give a new letter on the right, inside parentheses with the windows, and its
# size. The slower of the two letters stands left. And an axis `1` leaves room for the heads.
# </details>

# %% [markdown]
# ### A sense of direction
#
# Shuffle the tokens of a window. Plain attention shuffles its answers alike, and notices nothing. With the table?

# %%
if ready("Q17") and ready("Q17b"):
    torch.manual_seed(0)
    layer, x, order = WindowAttention(32, 4, 4), torch.randn(1, 16, 32), torch.randperm(16)
    for name, table_of in (("a table of zeros", torch.zeros_like), ("a drawn table", torch.randn_like)):
        for parameter in layer.parameters():
            if parameter.shape == (49, 4):
                parameter.data = table_of(parameter)
        off = (layer(x[:, order]) - layer(x)[:, order]).abs().max()
        print(f"{name:<16}: shuffled tokens change answers by {off:.0e}")

# %% [markdown]
# Does the formula's count hold? PyTorch counts two operations per multiplication and addition:

# %%
if ready("Q17") and ready("Q17b"):
    layer = WindowAttention(C, 3, M)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layer(torch.randn(64, M * M, C))  # 64 windows: 56 x 56 tokens
    print(f"counted {counter.get_total_flops() // 2:,}, equation 2 says {in_windows(56, 56, C, M):,}")

# %% tags=["solution"]
assert counter.get_total_flops() // 2 == in_windows(56, 56, C, M)

# %% [markdown]
# ### The block
#
# Shift, cut, attend, put together, shift back; then the feed-forward of lesson 06. Pre-norm, two additions:

# %%
show_block()


# %%
class SwinBlock(nn.Module):
    """(B, H, W, C) -> the same; any H and W."""

    def __init__(self, dim, num_heads, window_size, shift, expansion=4, filler=0.0):
        super().__init__()
        self.window_size, self.shift, self.filler, self.masks = window_size, shift, filler, {}
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, num_heads, window_size)
        hidden = expansion * dim
        widen, narrow = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.mlp = nn.Sequential(widen, nn.GELU(), nn.Identity(), narrow)

    def mask(self, H, W, x):
        if (H, W) not in self.masks:  # made once per size
            self.masks[H, W] = shifted_window_mask(H, W, self.window_size, self.shift).to(x)
        return self.masks[H, W]

    def look_around(self, x):
        (H, W), M = x.shape[1:3], self.window_size
        x = F.pad(x, (0, 0, 0, -W % M, 0, -H % M), value=self.filler)  # up to whole windows
        Hp, Wp = x.shape[1:3]
        shift = self.shift if min(Hp, Wp) > M else 0  # one window alone: nothing to shift
        windows = window_partition(cyclic_shift(x, shift), M).flatten(1, 2)  # num_windows*B, M*M, C
        windows = self.attn(windows, self.mask(Hp, Wp, x) if shift else None)
        x = window_reverse(windows.unflatten(1, (M, M)), M, Hp, Wp)
        return cyclic_shift(x, -shift)[:, :H, :W]

    def forward(self, x):
        x = x + self.look_around(self.norm1(x))
        return x + self.mlp(self.norm2(x))


# %% [markdown]
# Do two images in a batch disturb each other? Alone and together must agree, or the masks are in the wrong order:

# %%
block_works = all(ready(q) for q in ("Q15", "Q15b", "Q16a", "Q16", "Q17", "Q17b"))
if block_works:
    torch.manual_seed(0)
    block, pair = SwinBlock(32, 4, 4, shift=2), torch.randn(2, 12, 8, 32)
    alone = torch.cat([block(one) for one in pair.split(1)])
    print(f"alone against together: {(block(pair) - alone).abs().max():.0e}")

# %% [markdown]
# And is the edge really an edge? Change the last row; does the first row hear of it in a shifted block?

# %%
if block_works:
    nudged, moves = pair.clone(), {}
    nudged[:, -1] *= -1
    for name, masks in (("with your mask", {}), ("without", {(12, 8): None})):
        block.masks = masks
        moves[name] = (block(nudged) - block(pair))[:, 0].abs().max().item()
        print(f"{name:<15} the first row moves by {moves[name]:.2f}")

# %% tags=["solution"]
assert moves["with your mask"] == 0 < 0.01 < moves["without"]

# %% [markdown]
# ## 9 · Q18: merge, and see further
#
# A CNN halves its grid every few layers. Swin does it by merging: four neighbours (2 x 2) go side by side,
# C becomes 4C; a norm over all of it; a Linear brings it down to 2C.
#
# Which tokens go together, and which of the four each one is:

# %%
down, across = torch.arange(8)[:, None], torch.arange(8)
four_places = 2 * (down % 2) + across % 2
blocks = 4 * (down // 2) + across // 2
show_numbers([("one of four", four_places), ("in its block", blocks)], groups=torch.arange(16))

# %% [markdown]
# Equal numbers on the left become one slice of a quarter of the tokens. The four slices lie on each other like sheets,
# so that each block on the right is one stack: one new token.
#
# The order of the four is your choice when you train from scratch. Torchvision's weights expect: top left, bottom
# left, top right, bottom right.
#
# Four blanks: how many zeros fill up an odd width and an odd height (one behind the last, or none), the list
# of four slices, and the way through both layers.


# %% tags=["answer"] question="Q18"
# Q18: patch merging
class PatchMerging(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = nn.LayerNorm(4 * dim)

    def forward(self, x):
        """(B, H, W, C) -> (B, H/2, W/2, 2C), sizes rounded up"""
        H, W = x.shape[1:3]
        x = F.pad(x, (0, 0, 0, W % 2, 0, H % 2))  # BLANK: W % 2  # BLANK: H % 2
        four = [x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2]]  # BLANK
        return self.reduction(self.norm(torch.cat(four, dim=-1)))  # BLANK


# %% tags=["check"] question="Q18" points=3
check("Q18", PatchMerging)

# %% [markdown]
# <details><summary>Hint: how do I take every second row?</summary>
#
# `x[:, start::2]` begins at `start` and goes in steps of two. Two starts for rows, two for columns: four slices.
# </details>
# <details><summary>Hint: odd sizes</summary>
#
# What is the remainder of an odd number by 2, and of an even one?
# </details>
# <details><summary>Hint: a number of left-over per cent in the check</summary>
#
# Glue first, on the last axis; then the norm over all 4C; then the map. In the cell's first lines the two layers
# already have the widths for it.
# </details>

# %% [markdown]
# ### How far one sees in a hierarchy
#
# Spread the news again, now through Swin-T's own plan: 2, 2, 6 and 2 blocks on 56, 28, 14 and 7 tokens a side. A
# merged token knows if one of its four knew.


# %%
def through_the_plan(merging=True, depths=(2, 2, 6, 2)):
    known, shares = news((0, 0), 56), []
    for stage, depth in enumerate(depths):
        if stage and merging:
            known = F.max_pool2d(known.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        for block in range(depth):
            known = spread(known, 7, 3 if block % 2 and known.shape[1] > 7 else 0)
            shares.append(100 * known.mean().item())
    return shares


if ready("Q15") and ready("Q15b") and ready("Q16a") and ready("Q16"):
    shares = {"with merging": through_the_plan(), "56 x 56 throughout": through_the_plan(False)}
    curves(range(1, 13), shares, xlabel="block", ylabel="share of the image, %")
    print({name: f"{s[-1]:.0f} % after 12 blocks" for name, s in shares.items()})

# %% tags=["solution"]
assert shares["with merging"][-1] == 100 > 70 > shares["56 x 56 throughout"][-1]

# %% [markdown]
# Merging brings the news from the very corner to the whole image in seven blocks. Without it, after twelve, a third
# has not heard of it yet.

# %% [markdown]
# ## 10 · The real thing
#
# Your parts make a Swin. The names inside (`features`, `norm`, `head`) are torchvision's, so that weights find
# their places.


# %%
class Swin(nn.Module):
    """Images (b, c, h, w) -> logits (b, classes)."""

    def __init__(self, dim=96, depths=(2, 2, 6, 2), heads=(3, 6, 12, 24), window_size=7, classes=1000):
        super().__init__()
        embed = nn.Conv2d(3, dim, 4, 4)  # patches of 4 x 4 pixels
        layers = [nn.Sequential(embed, Rearrange("b c h w -> b h w c"), nn.LayerNorm(dim))]
        for stage, (depth, h) in enumerate(zip(depths, heads, strict=True)):
            if stage:
                layers.append(PatchMerging(dim))
                dim *= 2
            shifts = [window_size // 2 if block % 2 else 0 for block in range(depth)]
            layers.append(nn.Sequential(*[SwinBlock(dim, h, window_size, shift) for shift in shifts]))
        self.features = nn.Sequential(*layers)
        self.norm, self.head = nn.LayerNorm(dim), nn.Linear(dim, classes)

    def forward(self, images):
        x = self.norm(self.features(images))  # b H W C
        return self.head(x.mean((1, 2)))


def count(module):
    return sum(p.numel() for p in module.parameters())


# %% [markdown]
# Its shapes, from a real forward pass through your parts:

# %%
everything = all(ready(q) for q in ("Q15", "Q15b", "Q16a", "Q16", "Q17", "Q17b", "Q18"))
if everything:
    with torch.no_grad():
        mine = Swin().eval()
        picture = torch.rand(1, 3, 224, 224)
        stages, x = [], picture
        for number, part in enumerate(mine.features):
            x = part(x)
            if number % 2:
                stages.append((f"stage {number // 2 + 1}", tuple(x.shape[1:])))
    show_stages(stages)
    print(f"{count(mine):,} parameters")

# %% [markdown]
# Four grids, like the feature maps of a CNN, so that everything built on those (detectors, segmentation) can sit
# on top. A ViT has one.
#
# ### The same logits as torchvision's
#
# No download: torchvision's own `swin_t` with random weights, and tables drawn large, so that a wrong index would
# show. Copy everything over by name, and ask both the same:

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
    print(
        f"1000 logits from {b.min():.1f} to {b.max():.1f}, largest difference {(a - b).abs().max():.1e}"
    )  # fmt: skip
    if not torch.allclose(a, b, atol=1e-4):
        print("Your parts number steps, or neighbours, in another order than these weights expect.")

# %% tags=["solution"]
assert same_names
assert (a - b).abs().max() < 1e-4

# %% [markdown]
# Twenty-eight million weights of another author, and your windows, shifts, masks, steps and merges read them as
# intended.
#
# ### Sizes that don't divide
#
# 90 x 110 pixels make 22 x 27 tokens: no multiple of 7, and soon odd. The paper's code fills up with zeros (the
# block after its norm, the merging before its own), and cuts off again. Ours does the same:

# %%
if everything and same_names:
    odd = torch.rand(1, 3, 90, 110)
    with torch.no_grad():
        x, grids = odd, []
        for number, part in enumerate(mine.features):
            x = part(x)
            grids += [tuple(x.shape[1:3])] if number % 2 else []
        print("grids:", " -> ".join(f"{h} x {w}" for h, w in grids))
        print(f"largest difference of logits: {(mine(odd) - theirs(odd)).abs().max():.1e}")

# %% tags=["solution"]
assert grids == [(22, 27), (11, 14), (6, 7), (3, 4)]
assert (mine(odd) - theirs(odd)).abs().max() < 1e-4

# %% [markdown]
# **A detail that travels:** nobody masks those zeros. Tokens at the lower and right edge look at them too. Fill with
# something else, and see whether true tokens notice:

# %%
if everything:
    torch.manual_seed(0)
    block, x = SwinBlock(32, 4, 7, shift=0), torch.randn(1, 10, 10, 32)  # padded to 14 x 14
    plain = block(x)
    block.filler = 1.0
    moved = (block(x) - plain).abs().amax((0, -1)) > 1e-6  # H W
    print(f"{int(moved.sum())} of {moved.numel()} true tokens look at what was filled in")

# %% tags=["solution"]
assert int(moved.sum()) == 100 - 49  # all but the one whole window

# %% [markdown]
# Training sees the same zeros, so a network can get used to them. But an image's answer depends a little on how its
# size divides.

# %% [markdown]
# ## 11 · Does it learn?
#
# A tiny Swin on `shapes` (32 x 32, ten classes), beside the plain thing: the same blocks, one window over all 8 x 8
# tokens and no merging, which is a ViT with a bias table. And a small CNN. Equal epochs, three seeds each.

# %%
train, test = (
    replace(d, images=(d.images - 0.5) / 0.25) for d in (load("shapes"), load("shapes", "test"))
)  # fmt: skip


def tiny_swin():
    return Swin(dim=16, depths=(2, 2), heads=(2, 4), window_size=4, classes=10)


def tiny_vit():
    return Swin(dim=36, depths=(2,), heads=(3,), window_size=8, classes=10)


def small_cnn():
    layers = []
    for into, out in ((3, 24), (24, 48), (48, 44)):
        layers += [nn.Conv2d(into, out, 3, stride=2, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(44 * 16, 10))


def warm_up_and_cosine(step, total):
    warm = 0.15 * total
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (total - warm))


def trained(make, seed, epochs=2):
    start = time.process_time()
    torch.manual_seed(seed)
    history = fit(make(), train, test, epochs=epochs, batch_size=32, lr=4e-3, weight_decay=0.01,
                  schedule=warm_up_and_cosine, seed=seed, progress=False)  # fmt: skip
    return 100 * history.test_accuracy[-1], time.process_time() - start


# %%
means, spreads = {}, {}


def contest(name, make):
    runs = torch.tensor([trained(make, seed) for seed in range(3)])  # accuracy, seconds
    label = f"{name}, {count(make()) / 1000:.1f} k parameters"
    means[label], spreads[label] = runs[:, 0].mean().item(), runs[:, 0].std().item()
    listed = ", ".join(f"{accuracy:.1f}" for accuracy in runs[:, 0])
    print(f"{label}: {listed} %, {runs[:, 1].mean():.1f} s of the processor each")


if everything:
    contest("Swin", tiny_swin)

# %%
if everything:
    contest("ViT", tiny_vit)

# %%
if everything:
    contest("CNN", small_cnn)
    bars(means, spreads, xlabel="test accuracy after two epochs, %", form="{:.1f}")

# %% tags=["solution"]
swin, vit, cnn = means.values()
assert cnn > swin + 15
assert swin > vit

# %% [markdown]
# Read it honestly:
#
# - at equal parameters Swin is ahead of the ViT, and its runs are shorter: half of its blocks work on a quarter of the
#   tokens. Their spreads touch, and three seeds on one small set are a hint, no more;
# - both are far behind the CNN. It knows from the start that neighbours belong together and that a shape is the same
#   shape elsewhere; on 2000 images nobody learns that in two epochs;
# - what windows are for, large images, doesn't come up at 32 x 32.
#
# **Try it.** More epochs, no shifted block (`depths=(1, 1)`), smaller windows: what matters here?

# %%
seed, epochs = 1, 1  # change me

if everything:
    torch.manual_seed(seed)
    accuracy, seconds = trained(lambda: Swin(16, (1, 1), (2, 4), 4, 10), seed, epochs)
    print(f"{accuracy:.1f} % after {epochs} epoch(s), {seconds:.0f} s of the processor")

# %% [markdown]
# ## 12 · What came after
#
# **Swin V2** made three changes, for models of billions of weights and for windows larger than those trained.
#
# *Cosine attention.* Products grow with the length of tokens, and one pair takes all. Cosines don't:


# %%
def evenness(q, k, cosine):
    """Entropy of the weights, in shares of what even weights have: (n, d), (n, d) -> number."""
    energy = q @ k.mT / math.sqrt(q.shape[-1])
    if cosine:
        energy = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * 10  # V2 learns this factor
    return (torch.special.entr(energy.softmax(-1)).sum(-1).mean() / math.log(len(k))).item()


torch.manual_seed(0)
(q, k), loudness = torch.randn(2, 49, 32), [0.25, 0.5, 1, 2, 4, 8]
kinds = {"product (V1)": False, "cosine (V2)": True}
even = {name: [evenness(a * q, a * k, cosine) for a in loudness] for name, cosine in kinds.items()}
curves(loudness, even, xlabel="length of tokens", ylabel="evenness of weights", height=2.3)
assert even["product (V1)"][-1] < 0.1 < 0.5 < even["cosine (V2)"][-1]

# %% [markdown]
# *Log-spaced steps.* V2 has no table: a small network makes the bias from the step, as log(1 + |step|). From
# windows of 8 to windows of 16, how far outside of what it learned must it reach?

# %%
old, new = 7, 15  # the largest steps
print(f"linear: {(new - old) / old:.2f} of the old range beyond it")
print(f"log   : {(math.log1p(new) - math.log1p(old)) / math.log1p(old):.2f}")
assert round((new - old) / old, 2) == 1.14
assert round((math.log1p(new) - math.log1p(old)) / math.log1p(old), 2) == 0.33

# %% [markdown]
# *Norms behind.* V2 norms what each branch *adds* (res-post-norm), so that the stream can't swell from block to
# block (your curve of lesson 06, section 8).
#
# **MViT** keeps attention over the whole image, and pools keys and values instead. Weights per head, on 56 x 56
# tokens:

# %%
n = 56 * 56
entries = {"all tokens": n * n, "MViT, keys pooled by 4 x 4": n * n // 16, "windows of 7": n * 49}
for name, number in entries.items():
    print(f"{name:<27} {number:>9,}")
assert (n * n // 16, n * 49) == (614_656, 153_664)

# %% [markdown]
# Pooled keys keep a wide, blurred view at once. But with a fixed pooling the cost is still a parabola, only a flatter
# one.
#
# > ### What could go wrong
# > - **`view` in place of a partition.** The shape is right; the windows are strips.
# > - **No mask, or a mask for the other direction.** Nothing raises. Edges of the image hear each other.
# > - **Masks in the wrong order.** Right at batch size 1, wrong at 2 (below).
# > - **Labels that collide** in the corner window: 0 + 1 is 1 + 0.
# > - **A shift when the grid is one window.** Then the mask cuts it into four for nothing: Swin's last stage doesn't
# >   shift. (If only one side is down to one window, the paper's code and ours don't shift at all; torchvision still
# >   shifts the other side. On long, narrow images the two give different logits.)
# > - **Weights for another window size.** The table has (2M - 1)² rows; another M needs another table, or an
# >   interpolated one.

# %%
if everything:
    mask = shifted_window_mask(8, 8, 4, 2)
    for images in (1, 2):
        right, wrong = mask.repeat(images, 1, 1), mask.repeat_interleave(images, 0)
        print(f"{images} image(s): the two orders agree: {torch.equal(right, wrong)}")

# %% [markdown]
# ## 13 · In words
#
# **W9a** (2 points). Your Swin block works on 56 x 56 tokens with windows of 7. One friend doubles the image's sides.
# Another leaves the image and doubles the window's side. By what factor does the number of attention weights grow
# in each case? And by what factor in a ViT, for the first friend? Why does Swin shift its windows rather than enlarge
# them?

# %% [markdown] tags=["written"] question="W9a" points=2
# The count is M² HW. Doubling the image's sides makes HW four times as large: factor 4 (a ViT has (HW)², factor 16).
# Doubling M makes M² four times as large: also factor 4, at the same image. Larger windows would let tokens look
# further, but the price grows with the window's area, and the borders between windows would still be walls, only
# fewer. Shifting costs nothing more (the number of windows and their size stay the same), and what was a border in one
# block lies inside a window in the next: over a few blocks the whole grid is connected.

# %% [markdown] tags=["rubric"]
# **W9a, 2 points.**
# - ½ point: factor 4 for the image, because of HW.
# - ½ point: factor 4 for the window, because of M².
# - ½ point: factor 16 in a ViT.
# - ½ point: shifting connects windows across blocks at no extra cost (a larger window costs and still has borders).

# %% [markdown]
# **W9b** (2 points). "I left the mask out, the accuracy hardly changed, and the code is shorter." Which windows behave
# differently now, and what do they mix? Why is it a fault all the same: name a task, or an image, where it would hurt.
# And why is the mask cheaper than padding the small windows at the edges?

# %% [markdown] tags=["written"] question="W9b" points=2
# Only windows that wrap around an edge, those in the last row and last column of windows in every shifted block. In
# them tokens from the top of the image attend to tokens from the bottom, and left to right; the corner window mixes
# four corners. In classification most windows don't wrap, and objects sit in the middle, so it hardly shows. It hurts
# where the place of each pixel counts: in segmentation or detection an object at the upper edge gets features of the
# lower one; the relative bias is wrong too, for it says "neighbour" of tokens at opposite ends. Padding would need
# (r+1)² windows instead of r², 2.25 times the work at 2 x 2 windows; the mask is one addition, made once per size.

# %% [markdown] tags=["rubric"]
# **W9b, 2 points.**
# - ½ point: only the last row and column of windows (in shifted blocks) are concerned.
# - ½ point: they mix opposite edges of the image (corner window: four corners).
# - ½ point: a sound example (dense prediction, objects at the edge), or the wrong relative bias.
# - ½ point: padding makes more windows, (r+1)² against r²; the mask keeps their number.

# %% [markdown]
# ## 14 · What you take along
#
# | | |
# |---|---|
# | windows | M² HW weights instead of (HW)²: a line instead of a parabola |
# | image first | windows of one image stay together on the batch axis; so do masks |
# | shift | roll the grid by half a window in every second block, and back |
# | mask | keeps apart, in one window, what came from different edges |
# | bias | one number per step and head: (2M - 1)² rows |
# | merging | 2 x 2 tokens side by side, norm over 4C, Linear to 2C, no bias |
# | padding | odd sizes are filled with zeros, which take part |
#
# **Further reading**
# - Liu et al., *Swin Transformer: Hierarchical Vision Transformer using Shifted Windows*, ICCV 2021. Figure 2: windows
#   and their shift; Figure 4: your mask; equations 1 and 2: the costs; Table 4: what shift and bias are worth.
# - Liu et al., *Swin Transformer V2: Scaling Up Capacity and Resolution*, CVPR 2022. Figure 1 shows the three
#   changes; Table 1 what happens to tables that change their window size.
# - Fan et al., *Multiscale Vision Transformers*, ICCV 2021. Figure 3: pooling attention.
# - Shaw, Uszkoreit and Vaswani, *Self-Attention with Relative Position Representations*, NAACL 2018: steps instead of
#   places, first for sentences.
# - Liu et al., *A ConvNet for the 2020s*, CVPR 2022. Figure 2: a CNN that borrows Swin's plan, and catches up.
#
# Next: **10 · Hybrid**, in which convolution and attention share a model.
