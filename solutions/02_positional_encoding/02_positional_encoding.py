# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 02 · Positional encoding {{badge}}
#
# **In one sentence:** you will build the code of sines and cosines that tells a transformer where each patch was, and
# measure what it is good for, where it fails, and why a widely printed version of it is broken.
#
# | | |
# |---|---|
# | **You need** | patches as tokens (lesson 01); sine and cosine; no earlier code |
# | **Time** | 60 minutes |
# | **You write** | Q1 `getPositionEncoding`, Q1b `cosine_similarity`, Q1c `getPositionEncoding2D`, 3 lines each; W2 |
#
# **Afterwards you can**
# - show that attention alone cannot tell an image from its own puzzle;
# - write the sinusoidal code and read it as a row of clocks;
# - measure resemblance by cosine, and see from it whether a code is sound;
# - explain why a shift is a rotation, and why sine and cosine come in pairs;
# - choose between one line, rows and columns, and a learned table, knowing what each costs.
#
# {{questions}}
#
# {{names: lectures L0 and L2}}
# `getPositionEncoding(seq_len, d, n)` | the same, returns a tensor | `build_sincos2d_pos_embed` | $PE_{(pos, 2i)}$
# `k`, the position | position, letter `k` | – | $pos$
# `d`, `embed_dim` | `d` | `embed_dim` | $d_{model}$
# `n` = 10000 | `n` | `temperature` | 10000
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
from math import cos, sin

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from helpers import check, ready
from helpers.data import load, sample_image
from helpers.explore import explore
from helpers.pictures.positional_encoding import show_arrows, show_clocks, show_puzzle, show_similarity
from helpers.plots import bars, compare, curves, heatmap

# %% [markdown]
# Letters, the same in every lesson: `b` batch, `n` tokens, `d` width of a token, `c h w` an image, `p` the side of a
# patch. (In Q1 the lecture calls one more thing `n`: a constant of the code. It keeps that name there.)

# %% [markdown]
# ## 1 · A bag of patches
#
# Sixteen patches, sixteen tokens. We shuffle them like a puzzle.


# %%
def patches_of(images, p):
    windows = images.unfold(-2, p, p).unfold(-2, p, p)  # … c rows columns p p
    return windows.movedim(-5, -3).flatten(-3).flatten(-3, -2)  # … n d


def picture_of(tokens):
    return rearrange(
        tokens, "(rows columns) (c ph pw) -> c (rows ph) (columns pw)", rows=4, c=3, ph=8
    )  # fmt: skip


# %%
image = sample_image(32)  # c h w
tokens = patches_of(image, 8)  # n d
order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
compare(
    [("image", image), ("the same 16 patches, shuffled", picture_of(tokens[order]))],
    alt="Left, a house by a lake. Right, its sixteen patches in random order: no house to be seen.",
)

# %% [markdown]
# Now the heart of a transformer, a black box until lesson 05: *attention*. Every token gathers from all others; at the
# end we take the mean.


# %%
def look_around(tokens):
    """(n, d) -> (d,): attention among all tokens, then their mean."""
    t = tokens[None]  # 1 n d
    return F.scaled_dot_product_attention(t, t, t).mean(1)[0]


difference = (look_around(tokens) - look_around(tokens[order])).abs().max().item()
print(f"image and puzzle differ by at most {difference:.0e}")
assert difference < 1e-5

# %% [markdown]
# That is rounding, and nothing else. To attention, the image and the puzzle are *the same bag of patches*.
#
# No size of model and no amount of training cures this. The place of a patch has to be written into its token.
#
# ## 2 · Four wishes
#
# So each position gets a vector, its *code*, which is added to the token. What should we wish for?
#
# 1. **Distinct.** No two positions share a code.
# 2. **Absolute.** The code says where, and says the same for every image, whatever its length.
# 3. **Relative.** "Three further" looks the same wherever you start.
# 4. **Near is similar.** Neighbours have codes that resemble each other.
#
# Let us try the obvious. First idea: write the number of the position.

# %%
for count in (16, 196, 3136):
    print(f"{count:>4} tokens: pixels reach {image.max():.1f}, the last position reaches {count - 1}")

# %% [markdown]
# A patch is drowned by its own address. So divide by the length, and everything lies between 0 and 1?

# %%
for count in (16, 64, 256):
    print(f"position 3 of {count:>3}: {3 / (count - 1):.3f}, one step: {1 / (count - 1):.3f}")

# %% [markdown]
# Bounded, but position 3 is another number in every image size. Wishes 2 and 3 are gone.
#
# Computers count in bits, which stay small:

# %%
bits = (torch.arange(16)[:, None] >> torch.arange(4)) & 1  # n bits
heatmap(bits.T, xlabel="position", ylabel="bit",
        alt="Four rows of stripes: bit 0 changes at every position, bit 3 only once, at 8.")  # fmt: skip


def flips(a, b):
    return (bits[a] != bits[b]).sum().item()


print(f"bits that flip from 7 to 8: {flips(7, 8)}, from 0 to 8: {flips(0, 8)}")

# %% [markdown]
# Distinct and bounded! But neighbours 7 and 8 have nothing in common, and 0 and 8 nearly everything. Wish 4 fails.
#
# Look along the rows of that picture, though. Each bit is a wave with corners, twice as slow as the one above. **Keep
# the waves, lose the corners.**
#
# ## 3 · Clocks
#
# One smooth wave is not enough: it passes every height twice, once rising and once falling.

# %%
k = torch.arange(12.0)  # positions
curves(k, {"sine": torch.sin(0.4 * k)}, xlabel="position", ylabel="value", height=2.2,
       alt="A sine wave over 12 positions: it rises up to position 4, then falls.")  # fmt: skip
print(f"position 2: {sin(0.4 * 2):.2f}, position 6: {sin(0.4 * 6):.2f}")

# %% [markdown]
# A second number settles it. Sine and cosine *together* are the tip of a clock's hand, and a hand points one way only.

# %%
places = torch.tensor([0, 2, 4, 6, 8, 12, 14, 16])
angle = 0.4 * places
tips = torch.stack([angle.sin(), angle.cos()], 1)
show_clocks(tips.flatten(), titles=[f"position {j}" for j in places], same_hand=True,
            alt="Eight clocks with one hand: 2 and 6 look different; by 16 it has come around.")  # fmt: skip

# %% [markdown]
# One hand comes around again and repeats itself. A clock has the answer to this as well: *more hands, each slower
# than the one before*. The fast hand tells neighbours apart, the slow ones tell far places apart.
#
# ## 4 · Q1: the code
#
# A code of width `d` has `d/2` hands. Hand `i` turns by $1 / n^{2i/d}$ radians per position: hand 0 by one radian, each
# next one by a fixed factor less, down towards $1/n$. At position `k`:
#
# $$P_{k,\,2i} = \sin\!\Big(\frac{k}{n^{\,2i/d}}\Big) \qquad\qquad P_{k,\,2i+1} = \cos\!\Big(\frac{k}{n^{\,2i/d}}\Big)$$
#
# Two columns, one angle. Three blanks of one line each; `sin` and `cos` are imported from Python's `math`.


# %% tags=["answer"] question="Q1"
# Q1: the sinusoidal code
def getPositionEncoding(seq_len, d, n=10000):
    """A (seq_len, d) tensor: row k is the code of position k. The width d is even."""
    P = torch.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // 2):
            denominator = n ** (2 * i / d)  # BLANK
            P[k, 2 * i] = sin(k / denominator)  # BLANK
            P[k, 2 * i + 1] = cos(k / denominator)  # BLANK
    return P


# %% tags=["check"] question="Q1" points=4
check("Q1", getPositionEncoding)

# %% [markdown]
# <details><summary>Hint: a ZeroDivisionError, or numbers that explode</summary>
#
# Python's `**` binds tighter than `*` and `/`. The whole fraction belongs in the exponent: what holds it together?
# </details>
# <details><summary>Hint: row 0 is right, and everything below is off</summary>
#
# At position 0 every angle is 0, so row 0 forgives everything. Print `denominator` for `d = 4`, `n = 100`: you should
# see 1, then 10. Which of the two do you miss?
# </details>
# <details><summary>Stronger hint: what depends on what</summary>
#
# The denominator knows the hand `i`, and nothing of the position `k`. The angle is one number, made of `k` and that
# denominator. Both columns of the pair take this same angle, one through each of the two functions.
# </details>

# %% [markdown]
# ### Your code, number by number
#
# Four positions, four dimensions, `n = 100`: small enough to check with a pocket calculator.

# %%
if ready("Q1"):
    heatmap(getPositionEncoding(4, 4, 100), values=True, xlabel="dimension", ylabel="position",
            alt="A 4 by 4 table of the code; row 0 reads 0, 1, 0, 1.")  # fmt: skip

# %% tags=["solution"]
lecture = [
    [0, 1, 0, 1],
    [0.84, 0.54, 0.10, 1.00],
    [0.91, -0.42, 0.20, 0.98],
    [0.14, -0.99, 0.30, 0.96],
]
assert np.array_equal(np.round(getPositionEncoding(4, 4, 100).numpy(), 2), np.float32(lecture))

# %% [markdown]
# As clocks: each row is a position, each clock a pair of columns. Read one line and you know where you are.

# %%
if ready("Q1"):
    places = [0, 1, 2, 8, 40]
    show_clocks(getPositionEncoding(41, 12, 100)[places], titles=[f"hand {i}" for i in range(6)],
                labels=[f"position {j}" for j in places],
                alt="Six clocks per position: the left ones have turned far, the right ones hardly.")  # fmt: skip

# %% [markdown]
# How slow is the last hand? No formula needed: read the angle of one step off row 1 of your own tensor.

# %%
if ready("Q1"):
    step = getPositionEncoding(2, 8)[1]  # d
    turn = 2 * math.pi / torch.atan2(step[0::2], step[1::2])
    print("positions per turn:", [f"{float(t):,.0f}" for t in turn])

# %% [markdown]
# Each hand is slower by the same factor, here ten: the seconds, minutes and hours of a sequence.
#
# At full width, as it is added to the tokens:

# %%
if ready("Q1"):
    heatmap(getPositionEncoding(64, 64), xlabel="dimension", ylabel="position",
            alt="64 positions by 64 dimensions: fast waves on the left, slower ones to the right.")  # fmt: skip

# %% [markdown]
# **Try it.** Half of these hands stand still: they are made for thousands of words. What does a smaller `n` do?


# %%
def draw_code(n):
    P = getPositionEncoding(32, 32, n)
    moving = (P.amax(0) - P.amin(0) > 0.5).sum().item()
    heatmap(P, title=f"{moving} of 32 columns move", xlabel="dimension", ylabel="position")


if ready("Q1"):
    explore(draw_code, n=[2, 10, 100, 10000])


# %% tags=["solution"]
# The same without loops, for the record: one outer division, then the two columns of each pair side by side.
def without_loops(seq_len, d, n=10000):
    angle = torch.arange(seq_len)[:, None] / n ** (torch.arange(0, d, 2) / d)  # seq_len d/2
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)  # seq_len d


print("largest difference:", (without_loops(64, 64) - getPositionEncoding(64, 64)).abs().max().item())

# %% [markdown]
# ### The puzzle again
#
# Now add the code, place by place, then shuffle the patches among the places. Does the black box notice?


# %%
def shuffled(moved):
    order = torch.arange(16)
    places = torch.randperm(16, generator=torch.Generator().manual_seed(2))[:moved]
    order[places] = places.roll(1)  # each of these takes another one's place
    return order


def puzzle(moved):
    P, piled = getPositionEncoding(16, 192), tokens[shuffled(moved)]
    plain = (look_around(piled) - look_around(tokens)).norm().item()
    coded = (look_around(piled + P) - look_around(tokens + P)).norm().item()
    show_puzzle(
        picture_of(piled),
        {"no code": plain, "with code": coded},
        title="change of the result",
        limit=2.2,
    )


if ready("Q1"):
    explore(puzzle, moved=[0, 2, 8, 16])

# %% [markdown]
# Without a code the bar stays at zero, however many patches move. With it, the bag has become a picture.
#
# ## 5 · Q1b: resemblance
#
# The fourth wish speaks of *similar* codes. The usual measure is the angle between two arrows, or rather its cosine:
# 1 for the same direction, 0 for a right angle, −1 for opposite.

# %%
east = [1.8, 0.0]
show_arrows(
    [
        ("same direction: 1", [east, [0.9, 0.0]]),
        ("60 degrees: 0.5", [east, [0.7, 1.21]]),
        ("right angle: 0", [east, [0.0, 1.5]]),
        ("opposite: −1", [east, [-1.2, 0.0]]),
    ],
    alt="Four pairs of arrows with the cosine of the angle between them: 1, 0.5, 0 and minus 1.",
)

# %% [markdown]
# $$\cos(a, b) = \frac{a \cdot b}{|a|\,|b|}$$
#
# Write it for all pairs of rows at once: `P` of shape `(n, d)` gives `(n, n)`. Three lines, with no loop.
#
# A row of zeros has no direction. We agree: its resemblance to anything, itself included, is **0**, and never `nan`.
# (A learned table often starts with zeros.)


# %% tags=["answer"] question="Q1b"
# Q1b: the cosine between all pairs of rows
def cosine_similarity(P):
    """(n, d) -> (n, n): entry (i, j) is the cosine of the angle between rows i and j; 0 where a row is all zeros."""
    # The length of each row, as a column: n 1
    lengths = P.norm(dim=1, keepdim=True)  # BLANK
    # Each row made one long; mind the zeros: n d
    directions = P / lengths.clamp(min=1e-12)  # BLANK
    return directions @ directions.T  # BLANK


# %% tags=["check"] question="Q1b" points=3
check("Q1b", cosine_similarity)

# %% [markdown]
# <details><summary>Hint: "The size of tensor a must match the size of tensor b"</summary>
#
# `n` lengths should divide `n` rows. Broadcasting lines shapes up from the right: which shape must the lengths have,
# so that each meets its own row? Most functions that sum over an axis can be told to keep it.
# </details>
# <details><summary>Hint: nan</summary>
#
# 0 / 0. A length that is never *quite* zero would divide just as well: look for a function that sets a floor.
# </details>
# <details><summary>Stronger hint: all pairs at once</summary>
#
# A matrix product takes rows of the left with columns of the right, and makes a dot product of each pair. You want
# rows with rows.
# </details>

# %% [markdown]
# ### Your codes, compared
#
# Sixteen patches, width 64. First five pairs by number, then all of them:

# %%
if ready("Q1") and ready("Q1b"):
    S = cosine_similarity(getPositionEncoding(16, 64))  # n n
    for a, b in ((5, 6), (5, 7), (5, 8), (6, 7), (7, 8)):
        print(f"patches {a} and {b}: {S[a, b]:.4f}")

# %% tags=["solution"]
lecture = {(5, 6): 0.9662, (5, 7): 0.8845, (5, 8): 0.7996, (6, 7): 0.9662, (7, 8): 0.9662}
assert all(abs(S[pair].item() - value) < 5e-5 for pair, value in lecture.items())

# %%
if ready("Q1") and ready("Q1b"):
    heatmap(
        S,
        xlabel="patch",
        ylabel="patch",
        alt="A 16 by 16 map: stripes along the diagonal that fade.",
    )

# %% [markdown]
# Stripes along the diagonal: **only the distance counts**, never the place. Three starting points, one curve:

# %%
if ready("Q1") and ready("Q1b"):
    S = cosine_similarity(getPositionEncoding(64, 64))
    curves(range(24), {f"from {start}": S[start, start : start + 24] for start in (0, 13, 37)},
           xlabel="steps further", ylabel="similarity", height=2.5,
           alt="Three curves that coincide: similarity falls from 1 to about 0.6, with a ripple.")  # fmt: skip
    spread = max(S.diagonal(s)[:40].std().item() for s in range(24))
    print(f"spread over 40 starting points: {spread:.0e}")

# %% [markdown]
# **Try it.** How does similarity fade? Find a setting in which position 25 resembles position 0 more than position 5
# does.


# %%
def fading(d):
    lines = {
        f"n = {n:,}": cosine_similarity(getPositionEncoding(49, d, n))[0]
        for n in (10, 100, 10000)
    }  # fmt: skip
    curves(range(49), lines, xlabel="steps from position 0", ylabel="similarity", height=2.3)


if ready("Q1") and ready("Q1b"):
    explore(fading, d=[2, 8, 64])

# %% [markdown]
# One hand (`d = 2`) comes home every six steps. A large `n` leaves so many hands at rest that nothing is ever far.
#
# ## 6 · A mistake that travels
#
# Some give *every column its own* frequency: exponent `j/d` for column `j`, sines at even `j`, cosines at odd ones.
# It is printed in lectures, looks alike, and runs:


# %%
def own_frequency(seq_len, d, n=10000):
    j = torch.arange(d)
    angle = torch.arange(seq_len)[:, None] / n ** (j / d)  # seq_len d
    return torch.where(j % 2 == 0, angle.sin(), angle.cos())


if ready("Q1"):
    compare(
        [
            ("in pairs (yours)", getPositionEncoding(32, 32)),
            ("each its own", own_frequency(32, 32)),
        ],
        alt="Two codes of 32 positions by 32 dimensions; at first sight they look the same.",
    )

# %% [markdown]
# Can you tell them apart? The table of similarities above can. With unpaired frequencies it reads:

# %%
if ready("Q1b"):
    S_own = cosine_similarity(own_frequency(16, 64))
    for a, b in ((5, 6), (5, 7), (5, 8), (6, 7), (7, 8)):
        print(f"patches {a} and {b}: {S_own[a, b]:.4f}")

# %% tags=["solution"]
own = {(5, 6): 0.9671, (5, 7): 0.8796, (5, 8): 0.8084, (6, 7): 0.9674, (7, 8): 0.9784}
assert all(abs(S_own[pair].item() - value) < 5e-5 for pair, value in own.items())

# %% [markdown]
# Three single steps, three different numbers. Here is the similarity of each patch to its right-hand neighbour, along
# the line:

# %%
if ready("Q1") and ready("Q1b"):
    both = {"in pairs": getPositionEncoding(32, 64), "each its own": own_frequency(32, 64)}
    curves(range(31), {name: cosine_similarity(P).diagonal(1) for name, P in both.items()},
           xlabel="position", ylabel="similarity to the next", height=2.4,
           alt="In pairs: a flat line. Each its own: a line that wobbles from position to position.")  # fmt: skip

# %% [markdown]
# Why? Take one pair, at angles $a$ and $b$. Its part of the dot product is
#
# $$\sin a \sin b + \cos a \cos b = \cos(a - b)$$
#
# Only the difference is left. This needs the *same* frequency in both columns. With two different ones nothing
# cancels, and the code's length wobbles too:

# %%
if ready("Q1") and ready("Q1b"):
    curves(range(32), {name: P.norm(dim=1) for name, P in both.items()},
           xlabel="position", ylabel="length of the code", height=2.2,
           alt="In pairs: a flat line at 5.66. Each its own: a line that wobbles around it.")  # fmt: skip

# %% [markdown]
# In pairs, every code is $\sqrt{d/2}$ long.
#
# ## 7 · The four wishes, measured
#
# **Distinct.** Of 512 positions, how close do any two come?

# %%
if ready("Q1"):
    long = getPositionEncoding(512, 64)
    apart = torch.cdist(long, long) + 99 * torch.eye(512)  # n n
    print(f"closest pair: {apart.min():.2f} apart, codes are {long[0].norm():.2f} long")

# %% [markdown]
# **Absolute.** A position's code doesn't depend on the length. And it can be read back from under noise: find the
# nearest of 64 codes.

# %%
if ready("Q1"):
    P = getPositionEncoding(64, 64)
    print("the same in a shorter sequence:", torch.equal(P[:16], getPositionEncoding(16, 64)))


def found(P, noise):
    """The share of positions read back from noisy codes, in percent."""
    noisy = P.repeat(20, 1) + noise * torch.randn(20 * len(P), P.shape[1])
    return (
        100
        * (torch.cdist(noisy, P).argmin(1) == torch.arange(len(P)).repeat(20))
        .float()
        .mean()
        .item()
    )  # fmt: skip


if ready("Q1"):
    torch.manual_seed(0)
    noise = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0]
    curves(
        noise,
        {"found": [found(P, s) for s in noise]},
        xlabel="noise added to every number (standard deviation)",
        ylabel="positions found, %",
        height=2.4,
        alt="All are found up to 0.25, then ever fewer.",
    )

# %% [markdown]
# **Relative.** Three steps further, each hand has turned by an angle of its own. Turning is linear: *one matrix*
# should do it everywhere. Least squares finds it from positions 0 to 39:


# %%
def shift_matrix(P, steps):
    return torch.linalg.lstsq(P[: 40 - steps], P[steps:40]).solution.T  # d d


if ready("Q1"):
    P = getPositionEncoding(80, 8, 100).double()
    M = shift_matrix(P, 3)
    heatmap(M.round(decimals=6) + 0.0, values=True, title="three steps further",
            alt="An 8 by 8 matrix, zero except for four 2 by 2 rotations on its diagonal.")  # fmt: skip

# %% [markdown]
# Four little rotations, one for each hand, and nothing else. Does it also move positions it has never seen?

# %%
if ready("Q1"):
    for name, code in {"in pairs": P, "each its own": own_frequency(80, 8, 100).double()}.items():
        M = shift_matrix(code, 3)
        error = (code[:77] @ M.T - code[3:]).abs().amax(1)  # one number per position
        shown, new = error[:37].max(), error[40:].max()
        print(
            f"{name:<12} largest error: {shown:.1e} on positions it was shown, {new:.1e} on new ones"
        )  # fmt: skip

# %% tags=["solution"]
M = shift_matrix(P, 3)
assert (P[40:77] @ M.T - P[43:80]).abs().max() < 1e-4
assert (M @ M.T - torch.eye(8)).abs().max() < 1e-4  # a rotation
own = own_frequency(80, 8, 100).double()
assert (own[40:77] @ shift_matrix(own, 3).T - own[43:80]).abs().max() > 0.3

# %% [markdown]
# So $P_{k+3} = M\,P_k$ for *every* `k`: who learns one such matrix can look "three to the left" from anywhere.
# Unpaired, there is none.
#
# **Near is similar.** You have seen the curve fall. How far does that hold?

# %%
if ready("Q1") and ready("Q1b"):
    fade = cosine_similarity(long)[0]  # n
    rises = (fade[1:] > fade[:-1]).nonzero()[0].item()
    curves(
        range(512),
        {"n = 10,000": fade},
        xlabel="steps from position 0",
        ylabel="similarity",
        height=2.3,
        alt="Similarity falls quickly from 1 to about 0.6, then slowly and with ripples.",
    )
    print(f"falls at every step up to {rises}, rises for the first time at {rises + 1}")

# %% [markdown]
# Near *is* similar, far is vague. Three wishes in full, the fourth in part.
#
# ## 8 · Rows and columns
#
# An image isn't a line: on a 4 x 4 grid, patch 4 lies right below patch 0. We fold the similarities of three patches
# back onto the grid:

# %%
if ready("Q1") and ready("Q1b"):
    S = cosine_similarity(getPositionEncoding(16, 64))
    show_similarity(
        S,
        (4, 4),
        [0, 3, 5],
        alt="Similarity to patches 0, 3, 5: high along the row, low above and below.",
    )
    for a, b, where in ((0, 1, "in one row"), (0, 4, "one below the other"), (3, 4, "at opposite ends")):
        print(f"{a} and {b}, {where}: {S[a, b]:.2f}")

# %% [markdown]
# To the code, the patch below is four steps away, and the end of one row *touches* the beginning of the next.
#
# ## 9 · Q1c: a 2-D code
#
# The lecture's remedy: each patch carries the code of its row **plus** the code of its column. Both come from your
# Q1, at full width `d`; patches are in reading order.
#
# Three blanks: the codes of all rows; the codes of all columns; every row with every column.


# %% tags=["answer"] question="Q1c"
# Q1c: row code plus column code
def getPositionEncoding2D(rows, columns, d, n=10000):
    """(rows * columns, d): for each patch, in reading order, the code of its row plus the code of its column."""
    # One code for each row: rows d
    row_codes = getPositionEncoding(rows, d, n)  # BLANK
    # One code for each column: columns d
    column_codes = getPositionEncoding(columns, d, n)  # BLANK
    # Every row with every column: rows columns d
    grid = row_codes[:, None] + column_codes[None]  # BLANK
    return grid.reshape(rows * columns, d)


# %% tags=["check"] question="Q1c" points=4
check("Q1c", getPositionEncoding2D)

# %% [markdown]
# (Q1 not green yet? Half of Q1c is about the grid alone.)
#
# <details><summary>Hint: shapes that don't fit, or fit by luck when the grid is square</summary>
#
# You have `(rows, d)` and `(columns, d)`, and want `(rows, columns, d)`. A new axis of length 1 stretches to whatever
# it meets: where does each of the two need one?
# </details>
# <details><summary>Stronger hint</summary>
#
# Write the wanted shape, and below it what each code has: `rows – d` and `– columns d`. The dashes are the new axes;
# indexing with `None` makes one.
# </details>

# %% [markdown]
# ### The same three patches
#
# Drawn from your own code:

# %%
if ready("Q1b") and ready("Q1c"):
    S = cosine_similarity(getPositionEncoding2D(4, 4, 64))
    show_similarity(
        S, (4, 4), [0, 3, 5], alt="It fades in all directions; patch 0 resembles 1 and 4 most."
    )  # fmt: skip

# %% [markdown]
# Patch 0 resembles patches 1 and 4 alike, its neighbours to the right and below. As a whole matrix:

# %%
if ready("Q1b") and ready("Q1c"):
    heatmap(
        S,
        xlabel="patch",
        ylabel="patch",
        alt="A 16 by 16 map of 4 by 4 blocks, bright at a distance of 4.",
    )
    print("patch 0 resembles most:", sorted(S[0].argsort(descending=True)[1:3].tolist()))

# %% tags=["solution"]
assert sorted(S[0].argsort(descending=True)[1:3].tolist()) == [1, 4]
assert abs(S[0, 1] - S[0, 4]) < 1e-6
assert abs(S[1, 4] - 1) < 1e-6  # the twins

# %% [markdown]
# Look closely. Who has similarity 1.000 with patch 3? And whom does patch 5 prefer to its own neighbours?
#
# ### Twins
#
# Row 1 plus column 0 is the same as row 0 plus column 1. How many pairs of patches share one code?


# %%
def twins(P):
    return [(a, b) for a in range(len(P)) for b in range(a) if torch.allclose(P[a], P[b], atol=1e-5)]


if ready("Q1c"):
    for side in (4, 8, 14):
        pairs = twins(getPositionEncoding2D(side, side, 64))
        print(f"{side} x {side}: {len(pairs)} pairs of twins among {side**2} patches")

# %% [markdown]
# The first wish is broken! Mirror the grid along its diagonal, and the sum sees nothing. The cure: don't add, put
# **side by side**, half of the width each:


# %%
def side_by_side(rows, columns, d, n=10000):
    down, across = getPositionEncoding(rows, d // 2, n), getPositionEncoding(columns, d // 2, n)
    # rows*columns d
    return torch.cat([down.repeat_interleave(columns, 0), across.repeat(rows, 1)], 1)


if ready("Q1"):
    print("twins:", twins(side_by_side(14, 14, 64)))

# %%
if ready("Q1") and ready("Q1b") and ready("Q1c"):
    codes = {"one line": getPositionEncoding(64, 64), "sum": getPositionEncoding2D(8, 8, 64),
             "side by side": side_by_side(8, 8, 64)}  # fmt: skip
    # row 1, column 6
    maps = [(name, cosine_similarity(P)[14].reshape(8, 8)) for name, P in codes.items()]
    compare(
        maps,
        alt="One line: a bright row. Sum: two bright spots, mirrored. Side by side: one spot.",
    )

# %% [markdown]
# The line sees a row, the sum sees two places at once, side by side sees one.
#
# **Try it.** Walk the patch along row 3. Where do the two spots of the sum meet?


# %%
def walk(column):
    k = 8 * 3 + column  # row 3
    compare([(name, cosine_similarity(P)[k].reshape(8, 8)) for name, P in list(codes.items())[1:]])


if ready("Q1") and ready("Q1b") and ready("Q1c"):
    explore(walk, column=[0, 1, 3, 5, 6, 7])

# %% [markdown]
# And the black box of section 1? Swap the twins 1 and 4 of our house:

# %%
if ready("Q1") and ready("Q1c"):
    swap = torch.arange(16)
    swap[[1, 4]] = swap[[4, 1]]
    wide = {"one line": getPositionEncoding(16, 192), "sum": getPositionEncoding2D(4, 4, 192),
            "side by side": side_by_side(4, 4, 192)}  # fmt: skip
    noticed = {}
    for name, P in wide.items():
        noticed[name] = (look_around(tokens[swap] + P) - look_around(tokens + P)).norm().item()
    show_puzzle(
        picture_of(tokens[swap]), noticed, title="change of the result", limit=max(noticed.values())
    )  # fmt: skip

# %% [markdown]
# ## 10 · An honest result
#
# Does it matter in training? Handwritten digits, 8 x 8, in sixteen patches of 2 x 2, read by one transformer block
# (your lesson 06).


# %%
class Reader(nn.Module):
    def __init__(self, code, learn=False):
        super().__init__()
        self.embed, self.head = nn.Linear(4, 32), nn.Linear(32, 10)
        self.code = nn.Parameter(code.clone(), requires_grad=learn)  # n d
        self.block = nn.TransformerEncoderLayer(
            32, 4, 64, dropout=0.0, batch_first=True, norm_first=True
        )  # fmt: skip

    def forward(self, images):
        x = self.embed(patches_of(images, 2)) + self.code  # b n d
        return self.head(self.block(x).mean(1))


# %%
digits, unseen = load("digits"), load("digits", "test")
print(digits)
torch.set_num_threads(1)  # such small tensors gain nothing from more


def accuracy_of(model, seed):
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(8):
        for x, y in digits.batches(64, shuffle=True, seed=100 * seed + epoch):
            optimiser.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimiser.step()
    with torch.no_grad():
        return 100 * (model(unseen.images).argmax(1) == unseen.labels).float().mean().item()


# %% [markdown]
# Five codes, three seeds each. The last is *learned*: a table that starts near zero and is trained with the rest, as
# in the original ViT.

# %%
if ready("Q1") and ready("Q1c"):
    kinds = {"no code": torch.zeros(16, 32), "sum": getPositionEncoding2D(4, 4, 32),
             "side by side": side_by_side(4, 4, 32), "one line": getPositionEncoding(16, 32),
             "learned": None}  # fmt: skip
    scores = {name: [] for name in kinds}
    for seed in range(3):
        for name, code in kinds.items():
            torch.manual_seed(seed)
            reader = Reader(0.02 * torch.randn(16, 32) if code is None else code, learn=code is None)
            scores[name].append(accuracy_of(reader, seed))

# %% [markdown]
# For scale, a small CNN with the same eight epochs. It needs no code: a convolution knows its neighbours by
# construction.

# %%
torch.manual_seed(0)
cnn = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))  # fmt: skip
by_cnn = accuracy_of(cnn, 0)
if ready("Q1") and ready("Q1c"):
    means = {name: np.mean(s) for name, s in scores.items()} | {"a small CNN": by_cnn}
    spread = {name: np.std(s) for name, s in scores.items()}
    bars(means, spread, xlabel="test accuracy on digits, % (three seeds; the CNN one)", form="{:.0f}")

# %% tags=["solution"]
assert 40 < means["no code"] < means["sum"] - 5 < means["side by side"] - 8
assert means["learned"] > means["sum"] + 5
assert by_cnn > max(means["side by side"], means["one line"])

# %% [markdown]
# Read it slowly:
# - **No code** is far above guessing (10 %): a bag of strokes says something about a digit. And it is far below all
#   others.
# - **The sum** pays dearly for its twins: it cannot tell a place from its mirror place.
# - **Side by side** and **one line** do well. On sixteen patches a line is no handicap: the places are distinct, and
#   that is most of it.
# - **Learned** wins here. Its rows are free to differ as they like, while most of the hands of `n = 10000` hardly
#   move in 16 steps.
# - **The CNN** wins over all, with no code.
#
# What has the learned table learned?

# %%
if ready("Q1") and ready("Q1b") and ready("Q1c"):
    maps = {"side by side": side_by_side(4, 4, 32), "learned": reader.code.detach()}
    compare(
        [(name, cosine_similarity(P)) for name, P in maps.items()],
        shared=False,
        alt="Left, the regular map of side by side. Right, the learned one: distinct, without order.",
    )

# %% [markdown]
# Distinct places, and no map: 1,433 small images don't teach which places are near. Millions do (the ViT paper's
# Figure 7, below). The sinusoidal code gives it for nothing, and a longer image too:

# %%
if ready("Q1") and ready("Q1c"):
    print("learned table:", tuple(reader.code.shape), "and row 16 is nowhere to be found")
    print("sinusoidal, 8 x 8 grid:", tuple(side_by_side(8, 8, 32).shape), "without training")

# %% [markdown]
# > ### What could go wrong
# > - **A code with the right shape.** Sine and cosine swapped, unpaired frequencies, positions from 1: everything
# >   trains. Look at row 0, and at the stripes of the similarity map.
# > - **Added twice, or to the wrong axis.** `(n, d)` broadcasts over `(b, n, d)`. If it is `(d, n)` and `n = d`,
# >   nobody complains.
# > - **Drowned.** Codes are $\sqrt{d/2}$ long. If your tokens are much shorter, scale one of them.
# > - **`n = 10000` out of habit.** It was chosen for sentences. Sixteen patches use few of its hands: see section 4.
# > - **Twins.** Any 2-D code that adds equal parts is blind to the mirror. Test for distinct rows: it takes one line.
# > - **Half precision.** At position 3000 the fast hand's angle has lost its decimals. Compute codes in float32, then
# >   convert:

# %%
angle = torch.tensor([30.0, 300.0, 3000.0]) / 1.3  # positions / denominator
error = (angle.sin() - angle.half().float().sin()).abs()
print("the sine is off by", [f"{e:.3f}" for e in error.tolist()], "when its angle is kept in float16")

# %% [markdown]
# ## 11 · In words
#
# **W2a** (2 points). A friend saves space: no cosines, but `d` sines with `d` different frequencies. Every position
# still gets another code. Which of the four wishes is lost? Explain it with one formula or one picture from this
# lesson.

# %% [markdown] tags=["written"] question="W2a" points=2
# The third: relative. A hand needs both coordinates to be turned: sin(ω(k+s)) = sin(ωk)cos(ωs) + cos(ωk)sin(ωs)
# contains cos(ωk), which is no longer in the code, so no fixed matrix maps the code of k to that of k+s. In the same
# way the product sin(a)sin(b) alone is ½(cos(a−b) − cos(a+b)): besides the difference it keeps the sum, so the
# similarity of two neighbours depends on where they are. The map of similarities loses its stripes, and the length of
# the codes wobbles (position 0 even gets the code 0).

# %% [markdown] tags=["rubric"]
# **W2a, 2 points.**
# - 1 point: names the relative wish (a shift is no fixed linear map any more, or similarity no longer depends on
#   distance alone). Half a point for "near is similar" with a sound reason, for instance the wobbling similarity of
#   neighbours.
# - 1 point: a reason that uses the missing cosine: the addition formula, the identity sin·sin + cos·cos = cos(a−b),
#   or the clock's hand of which only the height is left (rising and falling look alike). Half a point for pointing to
#   the wobbling curve of section 6 without saying why.

# %% [markdown]
# **W2b** (2 points). A ViT was trained on grids of 4 x 4 patches and gets an image of 6 x 6. What happens to the
# patch in row 1, column 0, if its code is (i) one sinusoidal line, (ii) sinusoidal, row and column side by side,
# (iii) a learned table? What would you do in case (iii)?

# %% [markdown] tags=["written"] question="W2b" points=2
# (i) It was patch 4 and is now patch 6: it gets the code that meant "row 1, column 2" in training, so the meaning of
# all places below the first row slips. There are codes for the new positions, but they were never seen. (ii) Its row
# code and column code are exactly the same as before; only rows and columns 4 and 5 are new. (iii) The table has 16
# rows for 36 patches: the model doesn't run, and its order would be that of the old grid anyway. One folds the table
# to 4 x 4 x d, interpolates it to 6 x 6 x d (bilinear or bicubic), unfolds it and fine-tunes; that is what the ViT
# paper does for higher resolution, and we do it in lesson 12.

# %% [markdown] tags=["rubric"]
# **W2b, 2 points.**
# - ½ point: (i) the running number of the place changes, from 4 to 6 (or: the code now means another place).
# - ½ point: (ii) unchanged for this patch.
# - ½ point: (iii) there is no row for the new patches, or the shapes don't fit.
# - ½ point: a sound remedy: interpolate on the 2-D grid; or train new rows; "repeat the table" or "pad with zeros"
#   earns nothing without a word on retraining.

# %% [markdown]
# ## 12 · What you take along
#
# | | |
# |---|---|
# | attention alone | sees a bag: shuffle the tokens, and the mean of the results stays |
# | the code | `d/2` clocks; hand `i` turns by $n^{-2i/d}$ per position |
# | pairs | sine *and* cosine of one angle: only then does the difference alone count |
# | a shift | one rotation for all positions: `P[k + s] = M @ P[k]` |
# | cosine similarity | rows made one long, then all dot products |
# | 2-D as a sum | near is similar in both directions, and mirrored patches are twins |
# | 2-D side by side | the same without twins |
# | learned | best on this small task; says nothing beyond the length it was trained for |
#
# **Further reading**
# - Vaswani et al., *Attention Is All You Need*, NeurIPS 2017. Section 3.5 is your Q1, with the reason of the fixed
#   linear map; Table 3, row (E), replaces it by a learned table, with nearly the same result.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 7 (centre) draws the similarities of a
#   learned code as little maps, in which rows and columns appear; Table 8 in appendix D.4 compares no code, 1-D, 2-D
#   and relative codes: any code beats none, and the kind matters little.
# - He et al., *Masked Autoencoders Are Scalable Vision Learners*, CVPR 2022: fixed sine-cosine codes; the released
#   code puts rows and columns side by side. So does DETR (Carion et al., ECCV 2020).
# - Su et al., *RoFormer*, 2021: takes the rotation of section 7 seriously, and turns queries and keys instead of
#   adding a code.
#
# Next: **03 · Patch embedding**, in which the patches themselves become tokens of width `d`.
