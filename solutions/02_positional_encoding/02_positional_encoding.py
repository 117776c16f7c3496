# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 02 · Position encoding {{badge}}
#
# **Question of this lesson.** Attention treats an image as a set of patches. How does a transformer learn where each
# patch was?
#
# **Why it matters.** Without positions a Vision Transformer cannot tell an image from its shuffled patches, however
# large it is and however long it is trained.
#
# | | |
# |---|---|
# | **You need** | patches as tokens (lesson 01); sine and cosine; no earlier code |
# | **Time** | 70 minutes |
# | **You write** | Q1 one position, Q1b cosine similarity, Q1c and Q1d rows and columns; W2a, W2b in words |
#
# **Afterwards you can**
# - show that attention alone cannot tell an image from its shuffled patches;
# - write the sinusoidal position encoding and explain each factor in it;
# - compare encodings by cosine similarity and find faults in them;
# - explain why a shift of positions is a rotation, and why sine and cosine come in pairs;
# - choose between one line, rows and columns, and a learned position embedding.
#
# {{questions}}
#
# | in the lectures | here | in timm | in the papers |
# |---|---|---|---|
# | `getPositionEncoding(seq_len, d, n)` | the same | `build_sincos2d_pos_embed` | $PE_{(pos, 2i)}$ |
# | `cosine_similarity(vec1, vec2)` | `cosine_similarity(P)`: all pairs of rows | – | – |
# | `pos_embed`, `learnable_positions` | learned position embedding | `pos_embed` | $E_{pos}$ |

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
from math import cos, sin

import numpy as np
import torch

from helpers import check, ready
from helpers.data import sample_image
from helpers.experiments.position_encoding import (
    attention_and_mean,
    compare_encodings,
    mean_and_spread,
    patches_of,
    picture_of,
    share_read_back,
    shuffled,
    small_cnn_scores,
)
from helpers.explore import explore
from helpers.pictures.positional_encoding import show_arrows, show_clocks, show_puzzle, show_similarity
from helpers.plots import bars, compare, curves, heatmap

torch.set_num_threads(1)  # these tensors are so small that further threads would only wait for each other

# %% [markdown]
# The letters are the same in every lesson: `b` batch, `n` tokens, `d` width of a token, `c h w` an image, `p` side of
# a patch. (In Q1 the walk-through uses `n` for one more thing, a constant of the formula. It keeps that name there.)

# %% [markdown]
# ## 1 · Does attention see the order of its tokens?
#
# In a text the order carries meaning: "the dog bites the man" and "the man bites the dog" contain the same words.
# In an image it is the same with patches. We shuffle the sixteen patches of a small image.

# %%
image = sample_image(32)  # c h w
tokens = patches_of(image, 8)  # n d
order = torch.randperm(16, generator=torch.Generator().manual_seed(2))
compare(
    [("image", image), ("the same 16 patches, shuffled", picture_of(tokens[order], 4))],
    alt="Left, a house by a lake. Right, its sixteen patches in random order.",
)

# %% [markdown]
# > **Figure 2.1 · One set of patches in two orders.** Both images consist of the same sixteen patches.
#
# The central operation of a transformer is *attention* (lesson 05): each token receives a weighted mean of all tokens,
# and the weights depend on the tokens' contents. We apply it to both images and average the results over the tokens.

# %%
difference = (attention_and_mean(tokens) - attention_and_mean(tokens[order])).abs().max().item()
print(f"largest difference between image and shuffled image: {difference:.0e}")
assert difference < 1e-5

# %% [markdown]
# The difference is a rounding error. Attention is **permutation equivariant**: if the tokens are permuted, its outputs
# are the same vectors in the permuted order. Their mean does not change at all.
#
# **Answer.** Attention does not see the order. No size of model and no amount of training changes that, so the
# position of a patch must be written into its token.
#
# ## 2 · What do we want from a position encoding?
#
# Each position gets a vector, its **position encoding**, which is added to the token. Four properties are desirable:
#
# 1. **Distinct.** Two positions never have the same encoding.
# 2. **Absolute.** The encoding of a position is the same for every image and every sequence length.
# 3. **Relative.** "Three positions further" has the same form wherever one starts.
# 4. **Near is similar.** Neighbouring positions have similar encodings.
#
# (The SUTD lecture, 50.039 W9-S1, asks for "kind-of orthogonality" in place of *distinct*. Section 7 shows that
# sinusoidal encodings are distinct and far from orthogonal: on 16 positions no cosine similarity is below 0.6.)
#
# We try three simple ideas. The first is the position as a number:

# %%
for count in (16, 196, 3136):
    print(f"{count:>4} tokens: pixel values reach {image.max():.1f}, the last position is {count - 1}")

# %% [markdown]
# The position would be far larger than the pixel values that it is added to. The second idea divides by the length:

# %%
for count in (16, 64, 256):
    print(f"position 3 of {count:>3}: {3 / (count - 1):.3f}, step between neighbours: {1 / (count - 1):.3f}")

# %% [markdown]
# The numbers are bounded, but position 3 has another value for each image size. Properties 2 and 3 are lost. The third
# idea writes the position in binary digits:

# %%
bits = (torch.arange(16)[:, None] >> torch.arange(4)) & 1  # n bits
heatmap(bits.T, xlabel="position", ylabel="bit",
        alt="Four rows of stripes: bit 0 changes at every position, bit 3 only once, at 8.")  # fmt: skip
print("bits that differ between 7 and 8:", (bits[7] != bits[8]).sum().item())
print("bits that differ between 0 and 8:", (bits[0] != bits[8]).sum().item())

# %% [markdown]
# > **Figure 2.2 · Positions in binary.** Each bit is a square wave with half the frequency of the bit above it.
#
# Binary numbers are distinct and bounded, but the neighbours 7 and 8 differ in all bits while 0 and 8 differ in one.
# Property 4 fails.
#
# **Answer.** Each simple idea fails at least one property. The binary code is close: it fails only because its waves
# are square. The sinusoidal encoding replaces them with smooth waves.
#
# ## 3 · Why sine and cosine together?
#
# A single smooth wave takes every value twice, once while it rises and once while it falls.

# %%
k = torch.arange(12.0)  # positions
curves(k, {"sine": torch.sin(0.4 * k)}, xlabel="position", ylabel="value", height=2.2,
       alt="A sine wave over 12 positions: it rises up to position 4, then falls.")  # fmt: skip
print(f"position 2: {sin(0.4 * 2):.2f}, position 6: {sin(0.4 * 6):.2f}")

# %% [markdown]
# Positions 2 and 6 have nearly the same value. A second number removes the ambiguity: sine and cosine of one angle are
# the coordinates of a point on a circle, which we draw as the tip of a clock's hand.

# %%
places = torch.tensor([0, 2, 4, 6, 8, 12, 14, 16])
angle = 0.4 * places
tips = torch.stack([angle.sin(), angle.cos()], 1)
show_clocks(tips.flatten(), titles=[f"position {j}" for j in places], same_hand=True,
            alt="Eight clocks with one hand: 2 and 6 look different; by 16 it has come around.")  # fmt: skip

# %% [markdown]
# > **Figure 2.3 · One pair (sine, cosine) as the hand of a clock.** Positions 2 and 6 now differ. After a full turn
# > (position 16) the hand is back where it began.
#
# **Answer.** A pair determines an angle uniquely within one turn. To tell far positions apart we use several pairs with
# different **frequencies** (angle per position), as a clock has a fast and a slow hand.
#
# ## 4 · Q1: the sinusoidal position encoding
#
# An encoding of width `d` has `d/2` pairs. Pair `i` turns by $1 / n^{2i/d}$ radians per position: pair 0 by one radian,
# each next pair by a fixed factor less, down to almost $1/n$. For position `k`:
#
# $$P_{k,\,2i} = \sin\!\Big(\frac{k}{n^{\,2i/d}}\Big) \qquad\qquad P_{k,\,2i+1} = \cos\!\Big(\frac{k}{n^{\,2i/d}}\Big)$$
#
# Columns $2i$ and $2i+1$ use the same angle. `sin` and `cos` are imported from Python's `math`.


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
# <details><summary>Hint: a ZeroDivisionError, or numbers that grow without bound</summary>
#
# Python's `**` binds more tightly than `*` and `/`. The whole fraction belongs in the exponent: which sign keeps it
# together?
# </details>
# <details><summary>Hint: row 0 is right and all rows below it are wrong</summary>
#
# At position 0 every angle is 0, so row 0 is 0, 1, 0, 1 for almost any formula and cannot reveal a wrong denominator.
# Print `denominator` for `d = 4`, `n = 100`: it should be 1, then 10.
# </details>
# <details><summary>Stronger hint: what depends on what</summary>
#
# The denominator depends on the pair `i` and not on the position `k`. The angle is one number, made from `k` and that
# denominator. Both columns of the pair use this angle, each through one of the two functions.
# </details>

# %% [markdown]
# ### Your encoding in numbers
#
# Four positions, four dimensions, `n = 100`: the example of the walk-through Q1-Q7, small enough to check by hand.

# %%
if ready("Q1"):
    heatmap(getPositionEncoding(4, 4, 100), values=True, xlabel="dimension", ylabel="position",
            alt="A 4 by 4 table of the encoding; row 0 reads 0, 1, 0, 1.")  # fmt: skip

# %% tags=["solution"]
lecture = [
    [0, 1, 0, 1],
    [0.84, 0.54, 0.10, 1.00],
    [0.91, -0.42, 0.20, 0.98],
    [0.14, -0.99, 0.30, 0.96],
]
assert np.array_equal(np.round(getPositionEncoding(4, 4, 100).numpy(), 2), np.float32(lecture))

# %%
if ready("Q1"):
    places = [0, 1, 2, 8, 40]
    show_clocks(getPositionEncoding(41, 12, 100)[places], titles=[f"pair {i}" for i in range(6)],
                labels=[f"position {j}" for j in places],
                alt="Six clocks per position: the left ones have turned far, the right ones hardly.")  # fmt: skip

# %% [markdown]
# > **Figure 2.4 · Five rows of your encoding as clocks.** Each row is a position, each clock a pair of columns. The
# > fast pairs on the left distinguish neighbours, the slow pairs on the right distinguish far positions.
#
# How many positions does each pair need for one turn? We read the angle of one step from row 1 of your tensor.

# %%
if ready("Q1"):
    step = getPositionEncoding(2, 8)[1]  # d
    turn = 2 * math.pi / torch.atan2(step[0::2], step[1::2])
    print("positions per turn:", [f"{float(t):,.0f}" for t in turn])
    heatmap(getPositionEncoding(64, 64), xlabel="dimension", ylabel="position",
            alt="64 positions by 64 dimensions: fast waves on the left, slower ones to the right.")  # fmt: skip

# %% [markdown]
# > **Figure 2.5 · The encoding at full width.** Each pair of columns is slower than the one before by the same factor.
# > Many columns on the right hardly change over 64 positions.
#
# **Try it.** `n = 10000` was chosen for sentences of many words. How many columns change visibly with a smaller `n`?


# %%
def draw_encoding(n):
    P = getPositionEncoding(32, 32, n)
    moving = (P.amax(0) - P.amin(0) > 0.5).sum().item()
    heatmap(P, title=f"{moving} of 32 columns change by more than 0.5", xlabel="dimension", ylabel="position")


if ready("Q1"):
    explore(draw_encoding, n=[2, 10, 100, 10000])


# %% tags=["solution"]
# The same without loops: one division for all angles, then the two columns of each pair side by side.
def without_loops(seq_len, d, n=10000):
    angle = torch.arange(seq_len)[:, None] / n ** (torch.arange(0, d, 2) / d)  # seq_len d/2
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)  # seq_len d


print("largest difference:", (without_loops(64, 64) - getPositionEncoding(64, 64)).abs().max().item())

# %% [markdown]
# ### Does attention see the order now?
#
# We add the encoding to the tokens and then move patches to other places.


# %%
def puzzle(moved):
    P, mixed = getPositionEncoding(16, 192), tokens[shuffled(moved)]
    plain = (attention_and_mean(mixed) - attention_and_mean(tokens)).norm().item()
    encoded = (attention_and_mean(mixed + P) - attention_and_mean(tokens + P)).norm().item()
    bar_values = {"no encoding": plain, "with encoding": encoded}
    show_puzzle(picture_of(mixed, 4), bar_values, title="change of the result", limit=2.2)


if ready("Q1"):
    explore(puzzle, moved=[0, 2, 8, 16])

# %% [markdown]
# > **Figure 2.6 · Change of attention's result when patches move.** Without an encoding the change is zero, however
# > many patches move. With it, the change grows with the number of moved patches.
#
# **Answer.** Adding a position encoding makes the result depend on the order.
#
# ## 5 · Q1b: cosine similarity
#
# Property 4 asks for *similar* encodings. A common measure is the **cosine similarity**, the cosine of the angle
# between two vectors: 1 for the same direction, 0 for a right angle, −1 for opposite directions.
#
# $$\cos(a, b) = \frac{a \cdot b}{|a|\,|b|}$$

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
# Write it for all pairs of rows at once: `P` of shape `(n, d)` gives a matrix `(n, n)`, without a loop. (The
# function of this name in the SUTD lecture takes two vectors and returns one number. Here the argument is the whole
# matrix.)
#
# A row of zeros has no direction. We define its similarity to every row, itself included, as **0**; the result must
# never contain `nan`. (A learned position embedding often starts with zeros.)


# %% tags=["answer"] question="Q1b"
# Q1b: the cosine between all pairs of rows
def cosine_similarity(P):
    """(n, d) -> (n, n): entry (i, j) is the cosine of the angle between rows i and j; 0 where a row is all zeros."""
    # The length of each row, as a column: n 1
    lengths = P.norm(dim=1, keepdim=True)  # BLANK
    # Each row scaled to length 1, rows of zeros left as they are: n d
    directions = P / lengths.clamp(min=1e-12)  # BLANK
    return directions @ directions.T  # BLANK


# %% tags=["check"] question="Q1b" points=3
check("Q1b", cosine_similarity)

# %% [markdown]
# <details><summary>Hint: "The size of tensor a must match the size of tensor b"</summary>
#
# `n` lengths should divide `n` rows. Broadcasting aligns shapes from the right: which shape must the lengths have so
# that each one divides its own row? Most functions that reduce an axis have an argument that keeps it.
# </details>
# <details><summary>Hint: the result contains nan</summary>
#
# 0 / 0 is `nan`. A length that is never *exactly* zero can be divided by: look for a function that sets a lower bound.
# </details>
# <details><summary>Stronger hint: all pairs at once</summary>
#
# A matrix product takes the dot product of each row of the left matrix with each column of the right one. You want
# rows with rows.
# </details>

# %% [markdown]
# ### How similar are your encodings?
#
# Sixteen patches, width 64, first five pairs in numbers and then all of them:

# %%
if ready("Q1") and ready("Q1b"):
    S = cosine_similarity(getPositionEncoding(16, 64))  # n n
    for a, b in ((5, 6), (5, 7), (5, 8), (6, 7), (7, 8)):
        print(f"patches {a} and {b}: {S[a, b]:.4f}")
    heatmap(S, xlabel="patch", ylabel="patch", alt="A 16 by 16 map: stripes along the diagonal that fade.")

# %% tags=["solution"]
lecture = {(5, 6): 0.9662, (5, 7): 0.8845, (5, 8): 0.7996, (6, 7): 0.9662, (7, 8): 0.9662}
assert all(abs(S[pair].item() - value) < 5e-5 for pair, value in lecture.items())
assert 0.55 < S.min().item() < 0.65  # far from orthogonal

# %% [markdown]
# > **Figure 2.7 · Cosine similarity of all pairs of positions.** The stripes run parallel to the diagonal: the
# > similarity depends only on the *distance* of two positions.
#
# Three starting points therefore give one and the same curve:

# %%
if ready("Q1") and ready("Q1b"):
    S = cosine_similarity(getPositionEncoding(64, 64))
    curves(range(24), {f"from {start}": S[start, start : start + 24] for start in (0, 13, 37)},
           xlabel="distance in positions", ylabel="similarity", height=2.5,
           alt="Three curves that coincide: similarity falls from 1 to about 0.6, with a ripple.")  # fmt: skip
    spread = max(S.diagonal(s)[:40].std().item() for s in range(24))
    print(f"standard deviation over 40 starting points: at most {spread:.0e}")

# %% [markdown]
# **Try it.** Find a setting in which position 25 is more similar to position 0 than position 5 is.


# %%
def fading(d):
    lines = {f"n = {n:,}": cosine_similarity(getPositionEncoding(49, d, n))[0] for n in (10, 100, 10000)}
    curves(range(49), lines, xlabel="distance from position 0", ylabel="similarity", height=2.3)


if ready("Q1") and ready("Q1b"):
    explore(fading, d=[2, 8, 64])

# %% [markdown]
# > **Figure 2.8 · Similarity against distance.** With a single pair (`d = 2`) the three lines coincide and repeat about
# > every six positions, since pair 0 does not depend on `n`. With a large `n` most dimensions hardly change over 49
# > positions, so all encodings stay similar.
#
# **Answer.** Similarity depends on the distance alone and falls with it, quickly for near positions and slowly for far
# ones.
#
# ## 6 · A common mistake
#
# The formula is often printed with a separate frequency for *each column*: exponent `j/d` for column `j`, sines in even
# and cosines in odd columns. The SUTD lecture writes
#
# $$\phi(i,k) = \sin\!\big(i / 10000^{k/D}\big) \text{ if } k \text{ is even},
# \quad \cos\!\big(i / 10000^{k/D}\big) \text{ if } k \text{ is odd.}$$
#
# It runs, and its picture looks the same:


# %%
def own_frequency(seq_len, d, n=10000):
    j = torch.arange(d)
    angle = torch.arange(seq_len)[:, None] / n ** (j / d)  # seq_len d
    return torch.where(j % 2 == 0, angle.sin(), angle.cos())


if ready("Q1"):
    compare(
        [("in pairs (yours)", getPositionEncoding(32, 32)), ("one frequency per column", own_frequency(32, 32))],
        alt="Two encodings of 32 positions by 32 dimensions that look alike.",
    )  # fmt: skip

# %% [markdown]
# The similarities reveal the difference. Here are the same five pairs as above:

# %%
if ready("Q1b"):
    S_own = cosine_similarity(own_frequency(16, 64))
    for a, b in ((5, 6), (5, 7), (5, 8), (6, 7), (7, 8)):
        print(f"patches {a} and {b}: {S_own[a, b]:.4f}")

# %% tags=["solution"]
own = {(5, 6): 0.9671, (5, 7): 0.8796, (5, 8): 0.8084, (6, 7): 0.9674, (7, 8): 0.9784}
assert all(abs(S_own[pair].item() - value) < 5e-5 for pair, value in own.items())

# %% [markdown]
# Three steps of length one have three different similarities. (The lecture prints 0.9662 for all three: its figures
# come from code with pairs, unlike its formula.) Along the whole line:

# %%
if ready("Q1") and ready("Q1b"):
    both = {"in pairs": getPositionEncoding(32, 64), "per column": own_frequency(32, 64)}
    curves(range(31), {name: cosine_similarity(P).diagonal(1) for name, P in both.items()},
           xlabel="position", ylabel="similarity to the next", height=2.4,
           alt="In pairs: a flat line. Per column: a line that varies from position to position.")  # fmt: skip
    curves(range(32), {name: P.norm(dim=1) for name, P in both.items()},
           xlabel="position", ylabel="length of the encoding", height=2.2,
           alt="In pairs: a flat line at 5.66. Per column: a line that varies around it.")  # fmt: skip

# %% [markdown]
# > **Figure 2.9 · Similarity to the next position (top) and length of the encoding (bottom).** With pairs both are
# > constant. With one frequency per column both depend on the position.
#
# The reason is one identity. A pair with angles $a$ and $b$ contributes to the dot product
#
# $$\sin a \sin b + \cos a \cos b = \cos(a - b)$$
#
# Only the difference of the angles is left. This needs the *same* frequency in both columns; with two frequencies
# nothing cancels. For $a = b$ the identity also gives the length: with pairs every encoding has length $\sqrt{d/2}$.
#
# **Answer.** Sine and cosine must share their frequency. Otherwise similarity depends on the place, not only on the
# distance.
#
# ## 7 · Which of the four properties hold?
#
# **Distinct.** How close do any two of 512 positions come?

# %%
if ready("Q1"):
    long = getPositionEncoding(512, 64)
    apart = torch.cdist(long, long) + 99 * torch.eye(512)  # n n
    print(f"closest pair: distance {apart.min():.2f}; each encoding has length {long[0].norm():.2f}")

# %% [markdown]
# **Absolute.** The encoding of a position does not depend on the sequence length. It can also be recovered when noise
# is added: we look for the nearest of 64 encodings.

# %%
if ready("Q1"):
    P = getPositionEncoding(64, 64)
    print("the same in a shorter sequence:", torch.equal(P[:16], getPositionEncoding(16, 64)))
    torch.manual_seed(0)
    noise = [0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0]
    curves(noise, {"recovered": [share_read_back(P, s) for s in noise]},
           xlabel="standard deviation of the noise", ylabel="positions recovered, %", height=2.4,
           alt="All are recovered up to 0.25, then fewer and fewer.")  # fmt: skip

# %% [markdown]
# **Relative.** Three positions further, each pair has turned by its own angle. A rotation is linear, so *one matrix*
# should move every position by three. We find it by least squares from positions 0 to 39 and try it on positions 40 to
# 79:


# %%
def shift_matrix(P, steps):
    return torch.linalg.lstsq(P[: 40 - steps], P[steps:40]).solution.T  # d d


if ready("Q1"):
    P = getPositionEncoding(80, 8, 100).double()
    heatmap(shift_matrix(P, 3).round(decimals=6) + 0.0, values=True, title="matrix for three positions further",
            alt="An 8 by 8 matrix, zero except for four 2 by 2 rotations on its diagonal.")  # fmt: skip
    for name, code in {"in pairs": P, "per column": own_frequency(80, 8, 100).double()}.items():
        M = shift_matrix(code, 3)
        error = (code[:77] @ M.T - code[3:]).abs().amax(1)  # one number per position
        print(f"{name:<10} largest error: {error[:37].max():.1e} on fitted, {error[40:].max():.1e} on new positions")

# %% tags=["solution"]
M = shift_matrix(P, 3)
assert (P[40:77] @ M.T - P[43:80]).abs().max() < 1e-4
assert (M @ M.T - torch.eye(8)).abs().max() < 1e-4  # a rotation
own = own_frequency(80, 8, 100).double()
assert (own[40:77] @ shift_matrix(own, 3).T - own[43:80]).abs().max() > 0.3

# %% [markdown]
# > **Figure 2.10 · A shift is a rotation.** The matrix consists of four rotations, one per pair.
#
# So $P_{k+3} = M\,P_k$ for *every* position `k`. A layer that has learned this one matrix can look three positions
# ahead from anywhere. Without pairs no such matrix exists. Rotary position embeddings (RoPE), used by most language
# models today, build on the same rotation: they rotate queries and keys instead of adding an encoding.
#
# **Near is similar.** Up to which distance does the similarity fall?

# %%
if ready("Q1") and ready("Q1b"):
    fade = cosine_similarity(long)[0]  # n
    rises = (fade[1:] > fade[:-1]).nonzero()[0].item()
    curves(range(512), {"n = 10,000": fade}, xlabel="distance from position 0", ylabel="similarity", height=2.3,
           alt="Similarity falls quickly from 1 to about 0.6, then slowly and with ripples.")  # fmt: skip
    print(f"it falls at each step up to distance {rises} and rises for the first time at {rises + 1}")

# %% [markdown]
# **Answer.** Distinct, absolute and relative hold in full. "Near is similar" holds for near positions; for far ones the
# similarity is only roughly ordered.
#
# ## 8 · What is missing for images?
#
# An image is not a line. On a grid of 4 x 4 patches, patch 4 lies directly below patch 0. We arrange the
# similarities to three patches on the grid:

# %%
if ready("Q1") and ready("Q1b"):
    S = cosine_similarity(getPositionEncoding(16, 64))
    show_similarity(S, (4, 4), [0, 3, 5], alt="Similarity to patches 0, 3, 5: high along the row, low above and below.")
    for a, b, where in ((0, 1, "in one row"), (0, 4, "one below the other"), (3, 4, "at opposite ends of two rows")):
        print(f"{a} and {b}, {where}: {S[a, b]:.2f}")

# %% [markdown]
# > **Figure 2.11 · A one-dimensional encoding on a grid.** Each map shows the similarity of one patch (framed) to all
# > others. The patch below is four steps away, while the end of a row counts as a neighbour of the next row's start.
#
# **Answer.** A one-dimensional encoding does not reflect neighbourhood between rows.
#
# ## 9 · Q1c: a two-dimensional encoding
#
# The SUTD lecture proposes a sum: each patch gets the encoding of its row **plus** the encoding of its column. Both
# come from your Q1 at full width `d`; the patches are in reading order.


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
# (If Q1 is not solved yet, half of Q1c's points can still be earned: they concern the grid alone.)
#
# <details><summary>Hint: the shapes don't fit, or fit only when the grid is square</summary>
#
# You have `(rows, d)` and `(columns, d)` and need `(rows, columns, d)`. An axis of length 1 is repeated by
# broadcasting: where does each of the two need one?
# </details>
# <details><summary>Stronger hint</summary>
#
# Write down the wanted shape, and below it the axes that each encoding has: `rows – d` and `– columns d`. The dashes
# are the new axes; indexing with `None` makes one.
# </details>

# %% [markdown]
# ### The same three patches with your encoding

# %%
if ready("Q1b") and ready("Q1c"):
    S = cosine_similarity(getPositionEncoding2D(4, 4, 64))
    show_similarity(S, (4, 4), [0, 3, 5], alt="It fades in all directions; patch 0 resembles 1 and 4 most.")
    print("most similar to patch 0:", sorted(S[0].argsort(descending=True)[1:3].tolist()))

# %% tags=["solution"]
assert sorted(S[0].argsort(descending=True)[1:3].tolist()) == [1, 4]
assert abs(S[0, 1] - S[0, 4]) < 1e-6
assert abs(S[1, 4] - 1) < 1e-6  # two patches with one encoding

# %% [markdown]
# > **Figure 2.12 · The sum of row and column encodings.** Patch 0 is now equally similar to its right neighbour 1
# > and to its lower neighbour 4. But look at the numbers for patch 3: another patch has similarity 1.000 with it.
#
# ### Two patches with the same encoding
#
# Row 1 plus column 0 equals row 0 plus column 1. How many pairs of patches share an encoding?


# %%
def equal_pairs(P):
    return [(a, b) for a in range(len(P)) for b in range(a) if torch.allclose(P[a], P[b], atol=1e-5)]


if ready("Q1c"):
    for side in (4, 8, 14):
        pairs = equal_pairs(getPositionEncoding2D(side, side, 64))
        print(f"{side} x {side}: {len(pairs)} pairs with equal encodings among {side**2} patches")

# %% [markdown]
# The first property is violated: patches that are mirror images along the diagonal get the same encoding.
#
# ## 10 · Q1d: rows and columns side by side
#
# The remedy is to **concatenate** instead of adding: the first half of the width is the encoding of the row, the second
# half that of the column. Each half comes from your Q1 at width `d/2`; `d` is a multiple of 4.


# %% tags=["answer"] question="Q1d"
# Q1d: rows and columns side by side
def getPositionEncoding2DConcat(rows, columns, d, n=10000):
    """(rows * columns, d): for each patch, in reading order, the encoding of its row, then that of its column."""
    # BEGIN BLANK
    of_rows = getPositionEncoding(rows, d // 2, n)  # rows d/2
    of_columns = getPositionEncoding(columns, d // 2, n)  # columns d/2
    return torch.cat([of_rows.repeat_interleave(columns, 0), of_columns.repeat(rows, 1)], dim=1)
    # END BLANK


# %% tags=["check"] question="Q1d" points=3
check("Q1d", getPositionEncoding2DConcat)

# %% [markdown]
# <details><summary>Hint: repeat_interleave or repeat?</summary>
#
# `torch.tensor([0, 1]).repeat_interleave(3)` is 0, 0, 0, 1, 1, 1; `torch.tensor([0, 1]).repeat(3)` is 0, 1, 0, 1, 0, 1.
# In reading order, which of them lists the rows of the patches, and which the columns?
# </details>
# <details><summary>Hint: another way to repeat</summary>
#
# `encoding[:, None].expand(rows, columns, d // 2)` gives each row its columns without copying. Do the same for the
# columns, and concatenate along the last axis before you flatten the grid.
# </details>

# %%
if ready("Q1d"):
    print("pairs with equal encodings:", equal_pairs(getPositionEncoding2DConcat(14, 14, 64)))

# %%
if ready("Q1") and ready("Q1b") and ready("Q1c") and ready("Q1d"):
    codes = {"one line": getPositionEncoding(64, 64), "sum": getPositionEncoding2D(8, 8, 64),
             "concatenated": getPositionEncoding2DConcat(8, 8, 64)}  # fmt: skip
    maps = [(name, cosine_similarity(P)[14].reshape(8, 8)) for name, P in codes.items()]  # row 1, column 6
    compare(maps, alt="One line: a bright row. Sum: two bright spots, mirrored. Concatenated: one spot.")

# %% [markdown]
# > **Figure 2.13 · Similarity to the patch in row 1, column 6 of an 8 x 8 grid.** One line: the whole row is similar.
# > Sum: the patch and its mirror image. Concatenated: one neighbourhood.
#
# **Try it.** Move the patch along row 3. In which column do the two spots of the sum coincide?


# %%
def walk(column):
    k = 8 * 3 + column  # row 3
    compare([(name, cosine_similarity(P)[k].reshape(8, 8)) for name, P in list(codes.items())[1:]])


if ready("Q1") and ready("Q1b") and ready("Q1c") and ready("Q1d"):
    explore(walk, column=[0, 1, 3, 5, 6, 7])

# %% [markdown]
# And attention? We exchange patches 1 and 4 of the image, two mirror images of each other:

# %%
if ready("Q1") and ready("Q1c") and ready("Q1d"):
    swap = torch.arange(16)
    swap[[1, 4]] = swap[[4, 1]]
    wide = {"one line": getPositionEncoding(16, 192), "sum": getPositionEncoding2D(4, 4, 192),
            "concatenated": getPositionEncoding2DConcat(4, 4, 192)}  # fmt: skip
    change = {name: (attention_and_mean(tokens[swap] + P) - attention_and_mean(tokens + P)).norm().item()
              for name, P in wide.items()}  # fmt: skip
    show_puzzle(picture_of(tokens[swap], 4), change, title="change of the result", limit=max(change.values()))

# %% [markdown]
# > **Figure 2.14 · Change of the result after exchanging patches 1 and 4.** With the sum nothing changes.
#
# **Answer.** The sum gives mirrored patches the same encoding. Concatenation keeps all positions distinct; the released
# code of MAE and DETR does it this way.
#
# ## 11 · Does it matter in training?
#
# We train a small transformer (one encoder block, lesson 06) on handwritten digits of 8 x 8 pixels in sixteen patches,
# with five encodings and three seeds each. The last encoding is **learned**: a parameter that starts near zero and is
# trained with the other weights, as in the original ViT. It is then called a **position embedding**.

# %%
if ready("Q1") and ready("Q1c") and ready("Q1d"):
    kinds = {"none": torch.zeros(16, 32), "sum": getPositionEncoding2D(4, 4, 32),
             "concatenated": getPositionEncoding2DConcat(4, 4, 32), "one line": getPositionEncoding(16, 32),
             "learned": None}  # fmt: skip
    scores, reader = compare_encodings(kinds, seeds=3)

# %% [markdown]
# For comparison, a small CNN with the same eight epochs. It needs no position encoding, because a convolution sees a
# pixel together with its neighbours.

# %%
if ready("Q1") and ready("Q1c") and ready("Q1d"):
    means, spread = mean_and_spread(scores | {"a small CNN": small_cnn_scores(3)})
    bars(means, spread, xlabel="test accuracy on digits, %: mean and standard deviation of 3 seeds", form="{:.1f}")

# %% tags=["solution"]
assert 40 < means["none"] < means["sum"] - 5 < means["concatenated"] - 8
assert means["learned"] > means["sum"] + 5
assert means["a small CNN"] > max(means["concatenated"], means["one line"])

# %% [markdown]
# > **Figure 2.15 · Accuracy by encoding.** Bars are means, lines the standard deviation over three seeds.
#
# - **None** is far above chance (10 %): the set of strokes alone says something about a digit. It is far below all
#   others.
# - **The sum** loses accuracy because mirrored patches share an encoding.
# - **Concatenated** and **one line** do better. On sixteen patches one line is no clear handicap, though it varies most
#   between seeds; distinct positions matter most.
# - **Learned** is best among the transformers here. Its rows can differ freely, while most dimensions of `n = 10000`
#   hardly change over 16 positions.
# - **The CNN** is best, without any encoding.
#
# What did the learned embedding learn?

# %%
if ready("Q1") and ready("Q1b") and ready("Q1c") and ready("Q1d"):
    maps = {"concatenated": getPositionEncoding2DConcat(4, 4, 32), "learned": reader.encoding.detach()}
    compare([(name, cosine_similarity(P)) for name, P in maps.items()],
            alt="Left, the regular map of the concatenated encoding. Right, the learned one.")  # fmt: skip

# %% [markdown]
# > **Figure 2.16 · Similarity of positions, on one colour scale.** The learned positions are distinct but show no
# > neighbourhood: 1,433 small images are too few to learn it. With millions of images it appears (Figure 7 of the ViT
# > paper).
#
# A sinusoidal encoding has this structure without training and exists for longer sequences, too:

# %%
if ready("Q1") and ready("Q1c") and ready("Q1d"):
    print("learned:", tuple(reader.encoding.shape), "- it has no row 16")
    print("sinusoidal for a grid of 8 x 8:", tuple(getPositionEncoding2DConcat(8, 8, 32).shape), "- without training")

# %% [markdown]
# **Answer.** An encoding with distinct positions matters a lot; which kind matters less. On this small task the learned
# embedding is best.
#
# > ### What could go wrong
# > - **An encoding with the right shape.** With sine and cosine exchanged, unpaired frequencies or positions from 1
# >   every model trains. Check row 0 and the stripes of the similarity map.
# > - **The wrong axis.** `(n, d)` broadcasts over `(b, n, d)`. An encoding of shape `(d, n)` raises no error if
# >   `n = d`.
# > - **Different scales.** Encodings have length $\sqrt{d/2}$. If your tokens are much shorter, scale one of the two.
# > - **`n = 10000` without thinking.** It suits sentences. Sixteen patches use few of its frequencies (section 4).
# > - **Equal encodings.** A 2-D encoding that adds two equal parts cannot distinguish mirrored positions. Testing for
# >   distinct rows takes one line.
# > - **Half precision.** At position 3000 the angle of the fastest pair has lost its decimals. Compute in float32 and
# >   convert afterwards:

# %%
angle = torch.tensor([30.0, 300.0, 3000.0]) / 1.3  # position / denominator
error = (angle.sin() - angle.half().float().sin()).abs()
print("error of the sine when its angle is stored in float16:", [f"{e:.3f}" for e in error.tolist()])

# %% [markdown]
# ## Stretch: rotary encoding in two dimensions
#
# Section 7 showed that a shift of positions rotates each pair of columns. **Rotary position encoding** (RoPE; Su et
# al., 2021) uses this directly: nothing is added to the tokens. Instead the queries and keys of attention (lesson 05)
# are themselves rotated, pair by pair, by an angle proportional to their position. Their dot product then depends on
# the *difference* of the positions alone. Newer ViTs (DINOv3, for instance) use it in two dimensions: the pairs of the
# first half of the width are rotated by the row, those of the second half by the column.
#
# The width `d` is a multiple of 4; each half has `d/4` pairs of neighbouring columns `2i` and `2i + 1`. For a token in
# row `r`, pair `i` of the first half turns by $\theta = r / n^{\,i/(d/4)}$, and in the second half the column takes the
# place of the row. A pair $(a, b)$ becomes
#
# $$(a \cos\theta - b \sin\theta,\;\; a \sin\theta + b \cos\theta)$$
#
# The tokens are in reading order. This question is optional.


# %% tags=["answer"] question="Q1e" kind="stretch"
# Q1e: rotary encoding in two dimensions
def rotate2D(x, rows, columns, n=100):
    """(rows * columns, d) -> (rows * columns, d): pairs rotated by the token's row, then pairs by its column."""
    # BEGIN BLANK
    pairs = x.shape[1] // 4
    speed = n ** (-torch.arange(pairs, device=x.device) / pairs)  # d/4
    row = torch.arange(rows, device=x.device).repeat_interleave(columns)
    column = torch.arange(columns, device=x.device).repeat(rows)
    angle = torch.cat([row[:, None] * speed, column[:, None] * speed], dim=1)  # tokens d/2
    a, b = x[:, 0::2], x[:, 1::2]
    rotated = [a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()]
    return torch.stack(rotated, dim=-1).flatten(1)
    # END BLANK


# %% tags=["check"] question="Q1e" points=6
check("Q1e", rotate2D)

# %% [markdown]
# <details><summary>Hint: where do I begin?</summary>
#
# Make the angles first, as a table of shape (tokens, d/2): one angle for each pair, row angles in the first half,
# column angles in the second. Then split `x` into the even and the odd columns, rotate, and interleave again.
# </details>
# <details><summary>Hint: how are two tensors interleaved?</summary>
#
# `torch.stack([even, odd], dim=-1)` puts them beside each other along a new last axis; `flatten(1)` merges it.
# </details>

# %% [markdown]
# Is the similarity of a query and a key the same wherever the two stand, if only their offset is the same?

# %%
if ready("Q1e"):
    g = torch.Generator().manual_seed(0)
    query, key = torch.randn(16, generator=g), torch.randn(16, generator=g)
    queries, keys = (rotate2D(v.repeat(36, 1), 6, 6) for v in (query, key))  # one vector at all 36 places
    for first, second in (((0, 0), (1, 2)), ((2, 3), (3, 5)), ((4, 1), (5, 3)), ((0, 0), (2, 1))):
        score = queries[6 * first[0] + first[1]] @ keys[6 * second[0] + second[1]]
        print(f"query at {first}, key at {second}: {score:.4f}")

# %% [markdown]
# The first three pairs of places have the offset (1, 2) and one score; the last has another offset and another score.

# %% [markdown]
# ## 12 · In words
#
# These answers are read by a person. You get the model answers with your feedback.
#
# **W2a** (2 points). A friend saves space: no cosines, but `d` sines with `d` different frequencies. Every position
# still gets a different encoding. Which of the four properties is lost? Explain it with one formula or one figure of
# this lesson.

# %% [markdown] tags=["written"] question="W2a" points=2
# The third: relative. A rotation needs both coordinates of a pair: sin(ω(k+s)) = sin(ωk)cos(ωs) + cos(ωk)sin(ωs)
# contains cos(ωk), which is no longer in the code, so no fixed matrix maps the code of k to that of k+s. In the same
# way the product sin(a)sin(b) alone is ½(cos(a−b) − cos(a+b)): besides the difference it keeps the sum, so the
# similarity of two neighbours depends on where they are. The map of similarities loses its stripes, and the length of
# the codes wobbles (position 0 even gets the code 0).

# %% [markdown] tags=["rubric"]
# **W2a, 2 points.**
# - 1 point: names the relative property (a shift is no fixed linear map any more, or similarity no longer depends on
#   distance alone). Half a point for "near is similar" with a sound reason, for instance the varying similarity of
#   neighbours.
# - 1 point: a reason that uses the missing cosine: the addition formula, the identity sin·sin + cos·cos = cos(a−b),
#   or the clock's hand of which only the height is left (rising and falling look alike). Half a point for pointing to
#   the varying curve of section 6 without saying why.
#
# *A half-right sample (1 of 2):* "The relative property, because in section 6 the curve was not flat." The property is
# named; the reason only points to a figure.

# %% [markdown]
# **W2b** (2 points). A ViT was trained on grids of 4 x 4 patches and receives an image of 6 x 6. What happens to the
# patch in row 1, column 0, if its encoding is (i) sinusoidal along one line, (ii) sinusoidal, row and column
# concatenated, (iii) a learned embedding? What would you do in case (iii)?

# %% [markdown] tags=["written"] question="W2b" points=2
# (i) It was patch 4 and is now patch 6: it gets the code that meant "row 1, column 2" in training, so the meaning of
# all places below the first row slips. There are codes for the new positions, but they were never seen. (ii) Its row
# code and column code are exactly the same as before; only rows and columns 4 and 5 are new. (iii) The table has 16
# rows for 36 patches: the model doesn't run, and its order would be that of the old grid anyway. One folds the table
# to 4 x 4 x d, interpolates it to 6 x 6 x d (bilinear or bicubic), unfolds it and fine-tunes; that is what the ViT
# paper does for higher resolution, and we do it in lesson 12.

# %% [markdown] tags=["rubric"]
# **W2b, 2 points.**
# - ½ point: (i) the running number of the place changes, from 4 to 6 (or: the encoding now means another place).
# - ½ point: (ii) unchanged for this patch.
# - ½ point: (iii) there is no row for the new patches, or the shapes don't fit.
# - ½ point: a sound remedy: interpolate on the 2-D grid; or train new rows; "repeat the table" or "pad with zeros"
#   earns nothing without a word on retraining.
#
# *A half-right sample (1 of 2):* "(i) It becomes patch 6. (ii) Nothing changes. (iii) It does not work, so I would use
# sinusoids." The first two halves are right; case (iii) gives neither the reason nor a remedy.

# %% [markdown]
# ## 13 · Summary
#
# | | |
# |---|---|
# | attention alone | permutation equivariant: the mean of its outputs does not depend on the order |
# | sinusoidal encoding | `d/2` pairs; pair `i` turns by $n^{-2i/d}$ per position |
# | pairs | sine *and* cosine of one angle, so that only differences of positions count |
# | a shift | one rotation for all positions: `P[k + s] = M @ P[k]` |
# | cosine similarity | rows scaled to length 1, then all dot products |
# | 2-D as a sum | near is similar in both directions, but mirrored patches share an encoding |
# | 2-D concatenated | the same with distinct positions |
# | learned position embedding | best on this small task; defined only for the length it was trained with |
#
# **Further reading**
# - Vaswani et al., *Attention Is All You Need*, NeurIPS 2017. Section 3.5 is your Q1, with the reason of the fixed
#   linear map; Table 3, row (E), replaces it by a learned embedding, with nearly the same result.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 7 (centre) shows the similarities of a
#   learned embedding as small maps, in which rows and columns appear; Table 8 in appendix D.4 compares no encoding,
#   1-D, 2-D and relative ones: any encoding is better than none, and the kind matters little.
# - He et al., *Masked Autoencoders Are Scalable Vision Learners*, CVPR 2022: fixed sine-cosine encodings; the released
#   code concatenates rows and columns. So does DETR (Carion et al., ECCV 2020).
# - Su et al., *RoFormer*, 2021: rotates queries and keys by the rotation of section 7 instead of adding an encoding.
#
# Next: **03 · Patch embedding**, in which a patch becomes a token of a chosen width `d`.
