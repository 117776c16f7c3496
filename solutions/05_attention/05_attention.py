# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 05 · Attention {{badge}}
#
# **In one sentence:** you will write attention, the operation in which every token computes a weighted average
# over all tokens, first with one head and then with several, and measure why its scores are scaled and what it
# costs.
#
# **The question of this lesson.** A convolution mixes each pixel with its neighbours, always with the same
# weights. How can a layer choose, for each image and each patch, which other patches matter?
#
# | | |
# |---|---|
# | **You need** | matrix products; patches as tokens (lesson 01) |
# | **Time** | 95 minutes; section 6 is a good place to pause |
# | **Grading** | the checks grade Q5a to Q5d; your teacher reads W5a and W5b |
#
# **Afterwards you can**
# - explain queries, keys and values, and write attention with a shape beside each line;
# - say why scores are divided by $\sqrt{d_k}$, and what happens to the gradient without it;
# - use the words *equivariant* and *invariant* correctly;
# - split a width into heads and join them, apply a mask, and attend from one set of tokens to another;
# - predict how time and memory grow with the number of tokens.
#
# {{questions}}
#
# {{names: lectures (walk-through Q1-Q7, introductory deck)}}
# `emb_size` | `emb_size`, letter `d` | `dim` | $d_{model}$
# `num_heads` | `num_heads`, letter `h` | `num_heads` | $h$
# $d_k$ | width of one head, `d // h` | `head_dim` | $d_k$, $d_v$
# `keys`, `queries`, `values` | the same | `qkv`, one fused layer | $W^K, W^Q, W^V$
# `att`, the attention weights | `weights` | `attn` | $\mathrm{softmax}(QK^\top/\sqrt{d_k})$
# `projection` | `projection` | `proj` | $W^O$
# `att_drop` | `att_drop` | `attn_drop` | –
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import time

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from helpers import check, ready, written
from helpers.data import load, sample_image
from helpers.explore import explore
from helpers.pictures.attention import show_looks, show_matrices, show_powers
from helpers.pictures.patches import show_numbers
from helpers.plots import bars, compare, curves, heatmap, show_images, show_patches

# %% [markdown]
# The letters are the same in every lesson: `b` is the batch, `n` the number of tokens that attend, `m` the number
# of tokens that are attended to, `d` the width of a token and `h` the number of heads. In self-attention both sets
# of tokens are the same, so `m = n`.

# %% [markdown]
# ## 1 · A weighted average with weights that depend on the content
#
# **Question.** How can a patch select the patches that are similar to it?
#
# We cut an image into 64 patches and describe each patch by its mean colour, as a difference from the mean colour
# of the whole image.

# %%
image = sample_image(32)  # c h w
patches = F.unfold(image[None], 4, stride=4)[0].T  # n (c p p)
colours = patches.unflatten(1, (3, 16)).mean(2)  # n 3
colours = colours - colours.mean(0)  # n 3, differences from the mean colour
print(tuple(patches.shape), tuple(colours.shape))

# %% [markdown]
# Patch 29 shows a part of the tree. The dot product of its colour with the colour of each patch is an **attention
# score**: it is large where two colours point in the same direction.

# %%
scores = colours @ colours[29]  # n
show_looks(image, {"scores": scores}, grid=(8, 8), token=29)

# %% [markdown]
# > **Figure 5.1 · Attention scores of one patch.** Left: the image; patch 29 is framed. Right: the dot product of
# > its colour with that of each patch, brighter for larger. Other green patches have the largest scores.
#
# A dictionary would return only the best match. Attention uses all patches, in proportion to their scores. For that
# the scores must become positive weights that add up to 1. The function that does this is **softmax**:
#
# $$\mathrm{softmax}(s)_j = \frac{e^{s_j}}{\sum_k e^{s_k}}$$
#
# The results are the **attention weights**.

# %%
weights = (20 * scores).softmax(0)  # n
print(f"sum {weights.sum():.4f}, smallest {weights.min():.1e}, largest {weights.max():.2f}")
show_looks(image, {"scores": scores, "weights": weights}, grid=(8, 8), token=29)

# %% [markdown]
# > **Figure 5.2 · From scores to weights.** Middle: the scores. Right: the weights after softmax, on a scale from 0
# > (dark) to the largest weight (bright). Softmax enlarges differences: two patches
# > of the tree receive the largest weights, blue and red patches almost none.
#
# The output for patch 29 is the average of all patches with these weights: `weights @ patches`.
#
# **Try it.** The factor 20 sets how peaked the weights are. With 0 every patch receives the same weight, 1/64, which
# is called **uniform attention**: the output is the plain mean. With 1000 almost all weight goes to one patch: the
# dictionary again.


# %%
def peaked(factor):
    weights = (factor * colours @ colours[29]).softmax(0)
    show_looks(image, {f"largest weight {weights.max():.2f}": weights}, grid=(8, 8), token=29)


explore(peaked, factor=[0, 5, 20, 1000])

# %% [markdown]
# > **Figure 5.3 · The same scores with different factors.** The framed patch attends to the bright patches. The
# > brightest colour marks the largest weight of each map, so uniform attention is bright everywhere.
#
# The next figure shows the weights of other patches: one of the sun, the roof, the lake and the sky.


# %%
def attends_to(token):
    weights = (20 * colours @ colours[token]).softmax(0)
    show_looks(image, {"weights": weights}, grid=(8, 8), token=token)


explore(attends_to, token=[14, 26, 54, 2])

# %% [markdown]
# > **Figure 5.4 · Each patch has weights of its own.** The sun (14) and the roof (26) have colours that no other patch
# > shares, so they attend to themselves. The lake (54) and the sky (2) attend to blue and white patches, wherever they
# > are in the image.
#
# **Answer.** Three steps let a patch select others by content: compute scores, turn them into weights by softmax,
# average with these weights. The positions of the patches play no part in it.

# %% [markdown]
# ## 2 · Queries, keys and values
#
# **Question.** So far one vector of a patch served three purposes. What does that exclude?
#
# If token `i` is compared with token `j` by the dot product of the same two vectors, the score is symmetric: `i`
# attends to `j` as much as `j` to `i`.

# %%
torch.manual_seed(0)
x = torch.randn(6, 16)  # n d
symmetric = x @ x.T  # n n
assert torch.allclose(symmetric, symmetric.T)
print("each token has its largest score with itself:", bool((symmetric.argmax(1) == torch.arange(6)).all()))

# %% [markdown]
# Moreover each token scores itself highest, because a vector is most similar to itself. Attention therefore gives
# each of the three roles a vector of its own, made by a **linear projection** (lesson 03) that is learned:
#
# | role | purpose | made by |
# |---|---|---|
# | **query** | what the token looks for | `queries` |
# | **key** | what the token can be found by; it is compared with queries | `keys` |
# | **value** | what the token passes on to those that attend to it | `values` |
#
# With one matrix of tokens $X$ of shape `(n, d)` these are three matrix products: $Q = XW^Q$, $K = XW^K$,
# $V = XW^V$. Queries and keys must have the same width, $d_k$, since they are multiplied with each other. The width
# of the values, $d_v$, is free. In most models $d_v = d_k$.

# %%
queries, keys = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
directed = (queries(x) @ keys(x).T).detach()  # n n
show_matrices([("one vector for all roles", symmetric), ("queries and keys", directed)])

# %% [markdown]
# > **Figure 5.5 · Scores with one vector and with two.** Entry `(i, j)` is the score of token `i` with token `j`.
# > Left: the matrix is symmetric and its diagonal is largest. Right: with separate queries and keys it is neither.
#
# Note that the *introductory deck* simplifies this step. Its `attention_mechanism` computes all three with one layer:
#
#     query = linear_layer(patch)   # "What am I looking for?"
#     key = linear_layer(patch)     # "What do I contain?"
#     value = linear_layer(patch)   # "Actual information"
#
# Taken literally, the three are equal, and the scores are the symmetric matrix on the left. Three layers are meant.
#
# **Answer.** With a single vector, scores are symmetric and every token prefers itself. Separate queries and keys
# allow directed relations, for example from an edge to the rest of its circle, and what is useful is learned.

# %% [markdown]
# ## 3 · Why the scores are scaled
#
# **Question.** How large is a dot product of two random vectors of width $d_k$?
#
# We draw queries and keys with independent entries of mean 0 and variance 1 and measure the standard deviation of
# their dot products.

# %%
widths = [4, 16, 64, 256, 1024]
spread = []
for d_k in widths:
    q, k = torch.randn(2, 2000, d_k)
    spread.append((q * k).sum(1).std().item())
    print(f"d_k = {d_k:>4}: standard deviation {spread[-1]:5.2f}, and √d_k = {d_k**0.5:g}")
assert all(abs(s / d**0.5 - 1) < 0.1 for s, d in zip(spread, widths, strict=True))

# %% [markdown]
# The standard deviation is $\sqrt{d_k}$. The reason: each product $q_i k_i$ has variance 1, the variances of $d_k$
# independent terms add up to $d_k$, and the standard deviation is the root of the variance.
#
# Softmax depends on the *differences* between scores. If these are large, one weight is almost 1 and all others are
# almost 0.


# %%
def one_row(d_k):
    weights = (long_keys[:, :d_k] @ long_query[:d_k]).softmax(0)  # m
    heatmap(weights[None], values=True, xlabel="key", vmin=0, vmax=1)


torch.manual_seed(4)
long_query, long_keys = torch.randn(1024), torch.randn(8, 1024)
explore(one_row, d_k=[4, 16, 64, 1024])

# %% [markdown]
# > **Figure 5.6 · Weights of one query for 8 keys, without a scale.** The wider the vectors, the closer one weight is
# > to 1.
#
# This is **softmax saturation**. It is a problem for training, because the derivative of a weight with respect to its
# own score is $w(1 - w)$. This is close to 0 when $w$ is close to 0 or to 1. A gradient that is close to zero is
# called a **vanishing gradient**: the layers before it learn almost nothing.

# %%
slopes = {"not scaled": [], "scaled": []}
for d_k in widths:
    scores = torch.randn(500, d_k) @ torch.randn(8, d_k).T  # n m
    for name, one in (("not scaled", scores), ("scaled", scores / scores.std())):
        weights = one.softmax(1)
        slopes[name].append((weights * (1 - weights)).mean().item())
show_powers(widths, {"mean of w (1 - w)": slopes}, xlabel="width d_k")
assert slopes["not scaled"][-1] < slopes["scaled"][-1] / 5

# %% [markdown]
# > **Figure 5.7 · The derivative of the weights against the width.** Both axes are logarithmic. Without a scale the
# > derivative falls as the width grows; with scores divided by $\sqrt{d_k}$ it stays the same.
#
# **Answer.** Dot products grow like $\sqrt{d_k}$, and large scores saturate the softmax. Dividing the scores by
# $\sqrt{d_k}$ keeps their spread at 1 for every width. This gives **scaled dot-product attention**:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V$$

# %% [markdown]
# ## 4 · Q5a: attention with one head
#
# Write `attention(q, k, v)`. `q` has the shape `(b, n, d)`, `k` and `v` have `(b, m, d)`. With a single head,
# $d_k$ is the width `d` of `q`.
#
# {{level: guided}}
# Four short blanks, one for each step:
# 1. the scores: the dot product of each query with each key;
# 2. the scaled scores;
# 3. the attention weights, which add up to 1 for each query;
# 4. the average of the values with these weights.
# {{end}}
# {{level: standard, open}}
# Four steps: the scores, the scale, the softmax, the average of the values. Write the shape beside each line.
# {{end}}


# %% tags=["answer"] question="Q5a"
# Q5a: attention with one head
def attention(q, k, v):
    """(b, n, d), (b, m, d), (b, m, d) -> (b, n, d): for each query an average of the values."""
    d_k = q.shape[-1]
    # (b, n, d) and (b, m, d) -> (b, n, m)
    scores = q @ k.transpose(1, 2)  # BLANK
    # (b, n, m), standard deviation about 1
    scaled = scores / d_k**0.5  # BLANK
    # (b, n, m): positive, one sum per query
    weights = scaled.softmax(dim=-1)  # BLANK
    # (b, n, m) and (b, m, d) -> (b, n, d)
    return weights @ v  # BLANK


# %% tags=["check"] question="Q5a" points=4
check("Q5a", attention)

# %% [markdown]
# <details><summary>Hint: the sizes of two tensors don't match</summary>
#
# A matrix product pairs the last axis of the left factor with the last but one of the right factor. Write both
# shapes below each other. Which axis of `k` must come last?
# </details>
# <details><summary>Hint: it runs, and the picture is wrong</summary>
#
# The picture shows the weights; rows are queries. Do your *rows* add up to 1? If your columns do, look at `dim`. If
# neither does, look at what follows the softmax.
# </details>
# <details><summary>Hint: the right order, but too peaked or too even</summary>
#
# Section 3 printed the standard deviation of dot products at each width. By what must scores be divided to bring it
# back to 1?
# </details>
# <details><summary>Stronger hint: the batch gets in the way</summary>
#
# Think of one image first, with shapes `(n, d)` and `(m, d)`. With a batch nothing changes if you name axes from the
# *end*, or exchange exactly axes 1 and 2. (`.T` would reverse all three.)
# </details>

# %% [markdown]
# ### The same as PyTorch's function
#
# PyTorch has this operation as one call. The two should differ only by rounding. The values may have another width
# than the keys; then the output has the width of the values.

# %%
if ready("Q5a"):
    q, k, v = torch.randn(2, 5, 32), torch.randn(2, 9, 32), torch.randn(2, 9, 20)
    library = F.scaled_dot_product_attention(q, k, v)
    difference = (attention(q, k, v) - library).abs().max().item()
    print(f"{tuple(library.shape)}, largest difference {difference:.1e}")
    assert difference < 1e-6

# %% [markdown]
# With the identity matrix as values, the output is the matrix of weights itself. The check uses the same trick.

# %%
if ready("Q5a"):
    weights = attention(q, k, torch.eye(9).expand(2, 9, 9))  # b n m
    print("rows add up to", [round(total, 4) for total in weights.sum(-1).flatten().tolist()[:3]])

# %% [markdown]
# Now your function computes the weights of all 64 patches at once. Three of them are shown.

# %%
if ready("Q5a"):
    sharp = 6 * colours[None]  # 1 n 3
    maps = attention(sharp, sharp, torch.eye(64)[None])[0]  # n n
    picked = {f"patch {token}": maps[token] for token in (14, 26, 29)}
    alt = "Three maps: patches of the sun, of the roof, and green patches are bright."
    show_looks(image, picked, grid=(8, 8), alt=alt)

# %% [markdown]
# > **Figure 5.8 · Attention weights of three patches, from your function.** Patch 14 shows the sun, 26 the roof, 29
# > the tree. Bright patches receive the most weight.

# %% [markdown]
# ## 5 · Equivariant, not invariant
#
# **Question.** What happens to the output if the tokens are reordered?
#
# The *exercise sheet* writes: "Multi-head attention layer is permutation equivariant (does not change with changed
# word/patch order)". The word and its explanation contradict each other, so we measure.

# %%
if ready("Q5a"):
    x = torch.randn(1, 8, 6)  # b n d
    order = torch.tensor([3, 0, 6, 1, 7, 4, 2, 5])
    plain, reordered = attention(x, x, x), attention(x[:, order], x[:, order], x[:, order])
    compare([("f(x)", plain[0]), ("f(reordered x)", reordered[0]), ("f(x), reordered after", plain[0, order])])

# %% [markdown]
# > **Figure 5.9 · Reordering tokens before and after attention.** Rows are tokens. The middle and the right matrix are
# > equal; the left one differs from both.
#
# The outputs are reordered in the same way as the inputs, and otherwise unchanged: $f(Px) = P f(x)$ for a
# permutation $P$. This is **permutation equivariance**. *Invariance* would be $f(Px) = f(x)$.

# %%
if ready("Q5a"):

    def gap(a, b):
        return (a - b).abs().max().item()

    print(f"f(Px) against P f(x)           : {gap(reordered, plain[:, order]):.0e}   equivariant")
    print(f"f(Px) against f(x)             : {gap(reordered, plain):.1f}     not invariant")
    print(f"means over the tokens          : {gap(reordered.mean(1), plain.mean(1)):.0e}   invariant")
    assert gap(reordered, plain[:, order]) < 1e-6 < 0.1 < gap(reordered, plain)

# %% [markdown]
# What is computed *from* all outputs together can be invariant: their mean, or the output of one class token that
# stays in place. In the same way, a query's output does not change when *keys and values* are reordered together.

# %%
if ready("Q5a"):
    unmoved = gap(attention(x, x[:, order], x[:, order]), plain)
    print(f"only keys and values reordered : {unmoved:.0e}")
    assert unmoved < 1e-6

# %% [markdown]
# Attention therefore treats its input as a set. If a position encoding (lesson 02; random numbers stand in for it
# here) is added by place, a reordered image consists of different vectors, and the equivariance ends:

# %%
if ready("Q5a"):
    positions = torch.randn(1, 8, 6)
    before, after = x + positions, x[:, order] + positions  # the contents move, the positions stay
    moved = gap(attention(after, after, after), attention(before, before, before)[:, order])
    print(f"with positions: {moved:.2f}, no longer equivariant")
    assert moved > 0.1

# %% [markdown]
# **Answer.** Self-attention is permutation equivariant: the outputs move with their tokens. The exercise sheet's
# explanation in brackets describes invariance. Without positions a ViT could not use the order of its patches.

# %% [markdown]
# ## 6 · Why several heads?
#
# **Question.** One softmax gives each query a single set of weights. What if a token needs information from two places
# at once?
#
# Suppose a token should learn both the colour on its left (red) and the colour above it (blue). With one set of
# weights it receives a weighted average: purple. No later layer can recover from purple which colour came from where.

# %%
left, above = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.2, 0.9])
average = 0.5 * left + 0.5 * above
squares = [colour[:, None, None].expand(3, 4, 4) for colour in (left, above, average)]
alt = "Red, blue, and their average, purple."
show_patches(squares, grid=(1, 3), titles=["left", "above", "one head"], alt=alt)

# %% [markdown]
# > **Figure 5.10 · An average loses the source.** Left and middle: two values. Right: their average with weights 0.5
# > and 0.5. It is the same if the two are exchanged.
#
# **Multi-head attention** runs several attentions side by side. The width `d` is divided into `h` **heads** of width
# $d_k = d / h$. Each head attends with its own slice of the queries, keys and values. The results are concatenated and
# mixed by a last linear layer:
#
# $$\mathrm{head}_i = \mathrm{softmax}\!\left(\frac{Q_i K_i^\top}{\sqrt{d_k}}\right) V_i \qquad
# \mathrm{MHA}(x) = \mathrm{Concat}(\mathrm{head}_1, \dots, \mathrm{head}_h)\, W^O$$
#
# The division is a reshape: head 0 takes the first $d_k$ numbers of *every* token, head 1 the next $d_k$, and so on.
# Here are 3 tokens of width 8, and 2 heads of width 4.

# %%
numbers = torch.arange(24).reshape(3, 8)  # n (h d)
head_of = (numbers % 8) // 4
heads = rearrange(numbers, "n (h d) -> h n d", h=2)
show_numbers([("3 tokens", numbers), ("head 0", heads[0]), ("head 1", heads[1])], groups=head_of)

# %% [markdown]
# > **Figure 5.11 · Splitting the width into heads.** Colours mark the head that each number belongs to. Each head
# > receives a slice of every token.
#
# A plain `reshape` to `(2, 3, 4)` has the same shape and the wrong content:

# %%
wrong = numbers.reshape(2, 3, 4)  # h n d
show_numbers([("3 tokens", numbers), ("“head 0”", wrong[0]), ("“head 1”", wrong[1])], groups=head_of)

# %% [markdown]
# > **Figure 5.12 · The same shape, the wrong content.** “Head 0” now holds the first one and a half *tokens*, in both
# > colours. Nothing raises an error. This is the reshape mistake of lesson 01.
#
# Heads need no additional parameters. Four layers from `d` to `d` have $4d^2 + 4d$ of them, whatever `h` is:

# %%
for num_heads in (1, 4, 16):
    layer = nn.MultiheadAttention(64, num_heads)
    count = sum(p.numel() for p in layer.parameters())
    print(f"{num_heads:>2} heads: {count:,} parameters")
    assert count == 4 * (64 * 64 + 64)

# %% [markdown]
# (The lecture *CS163, lecture 12* gives the original transformer as "12 blocks, D_Q = 512, 6 heads". The paper's base
# model has 6 encoder and 6 decoder layers, width 512 and **8** heads, so $d_k = 64$.)

# %% [markdown]
# ### A notation for products: einsum
#
# With heads, tensors have four axes, and matrix products become hard to read. **einsum** (Einstein summation) names
# each axis by a letter. Two rules are enough:
#
# 1. Axes with the same letter are multiplied with each other, position by position.
# 2. A letter that is missing after the arrow is summed over.

# %%
a, b = torch.randn(3, 4), torch.randn(5, 4)
assert torch.allclose(torch.einsum("nd, md -> nm", a, b), a @ b.T, atol=1e-6)  # d is missing: the sum runs over d
assert torch.allclose(torch.einsum("nd -> n", a), a.sum(1), atol=1e-6)
assert torch.equal(torch.einsum("nd -> dn", a), a.T)  # nothing is missing: only the order changes
batch = torch.randn(2, 3, 4)
print(tuple(torch.einsum("bnd, md -> bnm", batch, b).shape), "one product per image of the batch")

# %% [markdown]
# In `"bhnd, bhmd -> bhnm"` the letters `b` and `h` occur everywhere: there is a separate product for each image and
# each head. The letter `d` is missing after the arrow, so each result is a dot product over the width of one head.

# %% [markdown]
# ### Q5b · Attention weights of several heads
#
# Write `attention_weights(q, k, num_heads)`: split the width into heads, compute the scores head by head, scale them,
# and apply softmax over the keys.
#
# One thing needs thought. A score now sums over the width of *one head*. Which width belongs under the root?
#
# {{level: guided}}
# The split and the scores are given. Two short blanks:
# 1. the scale, a number to *multiply* the scores with;
# 2. the weights, of shape `(b, h, n, m)`.
# {{end}}


# %% tags=["answer"] question="Q5b"
# Q5b: attention weights of several heads, with the scale
def attention_weights(q, k, num_heads):
    """(b, n, emb_size), (b, m, emb_size) -> (b, h, n, m): for each head and query, weights over the keys."""
    queries = rearrange(q, "b n (h d) -> b h n d", h=num_heads)
    keys = rearrange(k, "b m (h d) -> b h m d", h=num_heads)
    scores = torch.einsum("bhnd, bhmd -> bhnm", queries, keys)
    scale = queries.shape[-1] ** -0.5  # BLANK
    return torch.softmax(scores * scale, dim=-1)  # BLANK


# %% tags=["check"] question="Q5b" points=3
check("Q5b", attention_weights)

# %% [markdown]
# <details><summary>Hint: one head is right, several are not</summary>
#
# In `einsum`, a letter that is missing after the arrow is summed over. Which letter is that here, and how long is its
# axis?
# </details>
# <details><summary>Hint: rows don't add up to 1</summary>
#
# Softmax makes each row add up to 1. If you multiply or divide afterwards, it no longer does.
# </details>
# <details><summary>Stronger hint: multiply or divide?</summary>
#
# Dividing by a root is multiplying by a power: `4 ** -0.5` is 0.5.
# </details>

# %% [markdown]
# ### A common mistake, measured
#
# A widely copied implementation computes, in effect, `softmax(scores) / sqrt(emb_size)`. It has two faults: it scales
# *after* the softmax, and it uses the *whole* width instead of the width of a head. We compare it with three variants
# on random queries and keys: 8 sequences of 64 tokens, 4 heads of width 64, so `emb_size` is 256.
#
# The **effective number** of attended tokens is the exponential of the entropy of a row,
# $\exp(-\sum_j w_j \ln w_j)$. It is 1 if all weight is on one token and 64 for uniform attention.

# %% fold="read"
# The four variants, and the effective number of attended tokens
torch.manual_seed(0)
emb_size, tokens = 256, 64  # 4 heads of width 64


def four_variants(q, k, h):
    split = [rearrange(t, "b n (h d) -> b h n d", h=h) for t in (q, k)]
    scores = torch.einsum("bhid, bhjd -> bhij", *split)
    return {
        "before, √d_k": attention_weights(q, k, h),
        "not scaled": scores.softmax(-1),
        "after, √emb_size": scores.softmax(-1) / emb_size**0.5,
        "before, √emb_size": (scores / emb_size**0.5).softmax(-1),
    }


def effective_number(weights):
    p = weights / weights.sum(-1, keepdim=True)
    return (-(p * (p + 1e-20).log()).sum(-1)).exp().mean().item()


# %%
if ready("Q5b"):
    q, k = torch.randn(2, 8, tokens, emb_size)  # b n (h d) each
    variants = four_variants(q, k, 4)
    print("scaled             sum of a row   effective number of tokens")
    for name, weights in variants.items():
        print(f"{name:<18} {weights.sum(-1).mean():12.3f} {effective_number(weights):28.1f}")
    assert round(variants["after, √emb_size"].sum(-1).mean().item(), 4) == 1 / 16
    same = effective_number(variants["after, √emb_size"]), effective_number(variants["not scaled"])
    assert abs(same[0] - same[1]) < 1e-3

# %% [markdown]
# Scaling after the softmax leaves the weights exactly as peaked as without a scale. It only makes the output smaller,
# here by a factor of 16. The sorted weights of one query show both:

# %%
if ready("Q5b"):
    rows = {name: weights[0, 0, 0].sort(descending=True).values[:8] for name, weights in variants.items()}
    lines = {name: row.tolist() for name, row in rows.items()}
    curves(list(range(1, 9)), lines, logy=True, xlabel="keys, from the largest weight", ylabel="weight")

# %% [markdown]
# > **Figure 5.13 · The 8 largest of one query's 64 weights, sorted, on a logarithmic axis.** The curves “not scaled”
# > and “after” are parallel: the same ratios, 16 times smaller. Only the two variants that scale before the softmax
# > have other ratios.
#
# The gradient shows what this costs in training. We compute its norm for each query, with random values and a random
# upstream gradient.

# %% fold="read"
# The norm of the gradient that reaches each query
if ready("Q5b"):
    values, upstream = torch.randn(2, 8, 4, tokens, 64)  # b h m d, b h n d
    q.requires_grad_(True)
    norms = {}
    for name, weights in four_variants(q, k, 4).items():
        gradient = torch.autograd.grad((weights @ values * upstream).sum(), q, retain_graph=True)[0]
        norms[name] = rearrange(gradient, "b n (h d) -> (b h n) d", h=4).norm(dim=1)  # one per query
    rank = torch.linspace(0.01, 0.99, 99)
    lines = {name: one.quantile(rank).tolist() for name, one in norms.items()}
    curves((100 * rank).tolist(), lines, logy=True, xlabel="per cent of the queries", ylabel="gradient norm")

# %%
if ready("Q5b"):
    ratio = {name: (one.quantile(0.95) / one.quantile(0.05)).item() for name, one in norms.items()}
    for name, one in ratio.items():
        print(f"{name:<18} median {norms[name].median():5.2f}, 95th over 5th percentile {one:7.1f}")
    assert ratio["before, √d_k"] < 5 < 500 < min(ratio["not scaled"], ratio["after, √emb_size"])

# %% [markdown]
# > **Figure 5.14 · Gradient norm per query, sorted.** With the correct scale queries receive gradients of similar
# > size: the 95th percentile is less than 5 times the 5th. Without a scale the ratio is over 500.
#
# Without a scale many queries are saturated, and their gradients vanish. Scaling after the softmax does not help: the
# saturation has already happened.
#
# The other fault, $\sqrt{d}$ in place of $\sqrt{d_k}$ *before* the softmax, shows only with several heads. Rows still
# add up to 1, so the sum of a row does not reveal it.

# %%
if ready("Q5b"):
    counts = [1, 2, 4, 8, 16]
    with torch.no_grad():
        found = [{name: effective_number(w) for name, w in four_variants(q, k, h).items()} for h in counts]
    names = ("before, √d_k", "not scaled", "before, √emb_size")
    lines = {name: [one[name] for one in found] for name in names}
    show_powers(counts, {"effective number, of 64": lines}, xlabel="heads", logy=False)

# %% [markdown]
# > **Figure 5.15 · Effective number of attended tokens against the number of heads.** With $\sqrt{d_k}$ it does not
# > depend on the number of heads. With $\sqrt{d}$ attention becomes nearly uniform as heads are added.
#
# Models with these faults can still be trained, since other layers adapt: `queries` and `keys` can learn larger
# weights, and `projection` can undo a factor. A falling loss therefore proves nothing. The check compares numbers.
#
# **Answer.** Heads let a token receive several averages at once. The scale belongs before the softmax, with the width
# of one head under the root.

# %% [markdown]
# ## 7 · Q5: multi-head attention
#
# Now write the whole layer, with the names of the *walk-through Q1-Q7*. Its line for the last step reads
# `out = torch.einsum('bhal, bhlv -> """Fill Here.""" ', att, values)`: the letter `a` stands for the token that
# attends, `l` for the token that is attended to, and `v` for a number of the value.
#
# Tokens of shape `(b, n, d)` go in and come out. The **mask**, if there is one, is a boolean tensor that says which
# keys a query may attend to: **True means allowed**. Its shape broadcasts to `(b, h, n, n)`. The layer `att_drop`
# (dropout, which sets random weights to zero in training; lesson 06) acts on the weights.
#
# {{level: guided}}
# Four short blanks:
# 1. the arguments of `masked_fill`: where to fill, and with what;
# 2. the weights, from the scores;
# 3. the letters of the result of the einsum;
# 4. the pattern that puts the heads side by side again.
# {{end}}
# {{level: open}}
# The check asks for four linear layers with the names `keys`, `queries`, `values` and `projection`.
# {{end}}


# %% tags=["answer"] question="Q5"
# Q5: multi-head attention
class MultiHeadAttention(nn.Module):
    """(b, n, emb_size) -> (b, n, emb_size); mask is bool, True = may be attended to."""

    def __init__(self, emb_size=64, num_heads=4, dropout=0.0):
        super().__init__()
        self.num_heads = num_heads
        self.keys = nn.Linear(emb_size, emb_size)
        self.queries = nn.Linear(emb_size, emb_size)
        self.values = nn.Linear(emb_size, emb_size)
        self.projection = nn.Linear(emb_size, emb_size)
        self.att_drop = nn.Dropout(dropout)

    def forward(self, x, mask=None):
        keys = rearrange(self.keys(x), "b n (h d) -> b h n d", h=self.num_heads)
        queries = rearrange(self.queries(x), "b n (h d) -> b h n d", h=self.num_heads)
        values = rearrange(self.values(x), "b n (h d) -> b h n d", h=self.num_heads)
        scores = torch.einsum("bhqd, bhkd -> bhqk", queries, keys)
        if mask is not None:
            smallest = torch.finfo(scores.dtype).min
            # a new tensor: scores where attending is allowed, elsewhere a very negative number
            scores = scores.masked_fill(~mask, smallest)  # BLANK: ~mask, smallest
        # (b, h, n, n), scaled, each row adds up to 1
        weights = torch.softmax(scores * keys.shape[-1] ** -0.5, dim=-1)  # BLANK
        weights = self.att_drop(weights)
        # weights: b h a l (token a attends to token l), values: b h l v
        out = torch.einsum("bhal, bhlv -> bhav", weights, values)  # BLANK: "bhal, bhlv -> bhav"
        # the same letters, heads side by side: back to three axes
        out = rearrange(out, "b h a v -> b a (h v)")  # BLANK: "b h a v -> b a (h v)"
        return self.projection(out)


# %% tags=["check"] question="Q5" points=6
check("Q5", MultiHeadAttention)

# %% [markdown]
# <details><summary>Hint: the einsum</summary>
#
# It is a matrix product in letters. The letter that both inputs share, and that is summed over, is missing after the
# arrow. The others stay: image, head, token that attends, number of the value.
# </details>
# <details><summary>Hint: right with one head, wrong with several</summary>
#
# Then only splitting and joining can differ. Your join must undo the split. In the split, `(h d)` had the head outside
# and the number within the head inside.
# </details>
# <details><summary>Hint: the mask</summary>
#
# `masked_fill(where, value)` fills where its first argument is *True*. Our mask is True where attending is *allowed*.
# And the score that gets weight 0 from softmax is not 0.
# </details>
# <details><summary>Stronger hint: the weights</summary>
#
# Scale the masked scores, then apply softmax over the keys. After the split, which axis of `keys` holds the width of a
# head?
# </details>

# %% [markdown]
# ### The same as PyTorch's layer
#
# `nn.MultiheadAttention` keeps queries, keys and values as one tall matrix. We copy your weights into it and compare.

# %%
if ready("Q5"):
    torch.manual_seed(0)
    mine, theirs = MultiHeadAttention(64, 4), nn.MultiheadAttention(64, 4, batch_first=True)
    layers = (mine.queries, mine.keys, mine.values)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in layers]))
        theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in layers]))
        theirs.out_proj.load_state_dict(mine.projection.state_dict())
    x = torch.randn(2, 10, 64)
    difference = (mine(x) - theirs(x, x, x)[0]).abs().max().item()
    print(f"largest difference {difference:.1e}")
    assert difference < 1e-6

# %% [markdown]
# ### Masks
#
# A **causal mask** lets each token attend only to itself and to earlier tokens. Language models need it. We replace the
# tokens from 6 on and measure how much each output changes.

# %%
if ready("Q5"):
    causal = torch.ones(10, 10, dtype=torch.bool).tril()  # n n
    other = x.clone()
    other[:, 6:] = torch.randn(2, 4, 64)  # other tokens from 6 on
    change = (mine(x, mask=causal) - mine(other, mask=causal)).abs().amax((0, 2))  # n
    print("change per token:", [round(c, 3) for c in change.tolist()])
    assert change[:6].max() < 1e-6 < change[6:].min()

# %% [markdown]
# The outputs 0 to 5 do not depend on later tokens. The weights show why:

# %% fold="skip"
# Draws the weights of head 0 without and with the causal mask
if ready("Q5"):
    q, k = (rearrange(layer(4 * x), "b n (h d) -> b h n d", h=4) for layer in (mine.queries, mine.keys))
    identity = torch.eye(10).expand(2, 4, 10, 10)
    free, masked = (F.scaled_dot_product_attention(q, k, identity, m) for m in (None, causal))
    compare([("no mask", free[0, 0]), ("causal", masked[0, 0])])

# %% [markdown]
# > **Figure 5.16 · Weights without and with a causal mask.** Rows are queries, columns keys. On the right the weights
# > above the diagonal are 0, and each row still adds up to 1.

# %% [markdown]
# ## 8 · What attention learns
#
# **Question.** Can attention learn to look at particular places, and how does it compare with a convolution?
#
# The images are mosaics of 4 x 4 colours, made from the set `shapes`. For every square the model must report the
# colour of the square on its **left** and of the square **above** it. Beyond the edge, the mosaic continues on the
# other side.


# %% fold="skip"
# Makes the mosaics and shows eight of them
def mosaics(split):
    images = F.adaptive_avg_pool2d(load("shapes", split).images, 4)  # b c 4 4
    return (images - 0.7) / 0.25


train, test = mosaics("train"), mosaics("test")
show_images((0.25 * train[:8] + 0.7), columns=8, alt="Eight mosaics of four by four colours.")

# %% [markdown]
# The model is the smallest one that holds your layer: embed the colours, add a learned position embedding (lesson
# 04), attend, and read out six numbers.
#
# {{level: open}}
# Write the model, and in the next cell the training loop and the test error. These cells give no points. The cells
# after them use what you wrote, and their assertions say whether it is right.
# {{end}}


# %% write_from="open"
class Neighbours(nn.Module):
    """Mosaics (b, 3, 4, 4) -> (b, 6, 4, 4): embed each square's colour as 32 numbers, add positions, attend, read out.

    `self.attend` is the MultiHeadAttention, and the position embedding has the shape (16, 32).
    """

    def __init__(self, num_heads):
        super().__init__()
        self.embed, self.read = nn.Linear(3, 32), nn.Linear(32, 6)
        self.positions = nn.Parameter(torch.randn(16, 32))
        self.attend = MultiHeadAttention(32, num_heads)

    def tokens(self, images):  # KEEP
        """(b, 3, 4, 4) -> (b, 16, 32): what goes into the attention layer."""
        return self.embed(images.flatten(2).transpose(1, 2)) + self.positions  # b n d

    def forward(self, images):
        return self.read(self.attend(self.tokens(images))).transpose(1, 2).reshape(-1, 6, 4, 4)


# %% fold="read"
# The target: the colours on the left and above
def neighbours(images):
    return torch.cat([images.roll(1, 3), images.roll(1, 2)], 1)  # b 6 4 4


# %% fold="read" write_from="open"
# 150 steps of training, and the error on test images
def fit(model, target, steps=150):
    """Train with Adam on the mean squared error to target(batch); return the loss of each step, a list of floats.

    Each step uses 32 random images of `train`. The learning rate is 0.05 for an nn.Conv2d and 0.01 for other models.
    """
    conv = isinstance(model, nn.Conv2d)
    # each at a learning rate that suits it
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-2 if conv else 1e-2)
    losses = []
    for _ in range(steps):
        batch = train[torch.randint(0, len(train), (32,))]
        loss = F.mse_loss(model(batch), target(batch))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_error(model, target):
    """The mean squared error on all images of `test`, a float, computed without a graph."""
    with torch.no_grad():
        return F.mse_loss(model(test), target(test)).item()


# %% [markdown]
# We train three models, each with three seeds: attention with one head, attention with two heads, and a single 3 x 3
# convolution, which has the neighbours in its receptive field from the start.

# %%
torch.set_num_threads(1)  # for matrices of this size one core is faster than two
SEEDS = range(3)


def fresh(name):
    conv = nn.Conv2d(3, 6, 3, padding=1, padding_mode="circular")
    return conv if name.startswith("conv") else Neighbours(int(name[0]))


trained = ready("Q5") and written(Neighbours, fit, test_error)
if trained:
    models, history, errors = {}, {}, {}
    for name in ("1 head", "2 heads", "conv 3 x 3"):
        runs, errors[name] = [], []
        for seed in SEEDS:
            torch.manual_seed(seed)
            models[name] = fresh(name)
            runs.append(fit(models[name], neighbours))
            errors[name].append(test_error(models[name], neighbours))
        history[name] = torch.tensor(runs).mean(0)
        print(f"{name:<11} trained with {len(runs)} seeds")

# %%
if trained:
    assert all(len(losses) == 150 for losses in history.values())
    smooth = {name: losses.reshape(-1, 10).mean(1).tolist() for name, losses in history.items()}
    curves(range(10, 151, 10), smooth, xlabel="step", ylabel="mean squared error", logy=True)

# %% [markdown]
# > **Figure 5.17 · Training error on the task “left and above”.** Means of three seeds, logarithmic axis. One head
# > learns much less than two. The convolution reaches the lowest error.

# %%
if trained:
    for name, found in errors.items():
        count = sum(p.numel() for p in models[name].parameters())
        print(f"{name:<11} test error {min(found):.1e} to {max(found):.1e} over 3 seeds, {count:>6,} parameters")
    assert max(errors["conv 3 x 3"]) < min(errors["2 heads"])
    assert max(errors["2 heads"]) < 0.5 * min(errors["1 head"])

# %% [markdown]
# On test images, too, one head is far behind, as the purple square of section 6 suggested. Your `attention_weights`
# shows what the two heads have learned:

# %%
if trained and ready("Q5b"):
    with torch.no_grad():
        inside = models["2 heads"].tokens(test[:1])
        layer = models["2 heads"].attend
        maps = attention_weights(layer.queries(inside), layer.keys(inside), 2)[0]  # h n n
    show_matrices([(f"head {h}", maps[h]) for h in range(2)])

# %% [markdown]
# > **Figure 5.18 · Weights of both heads for all 16 squares.** Rows are queries, columns keys. Each head has learned a
# > shifted diagonal: one head attends to the square on the left, the other to the square above.
#
# Which of the two a head learns differs from seed to seed. With the slider you choose the square that attends.


# %%
def chosen(token):
    shown = {f"head {h}": maps[h, token] for h in range(2)}
    show_looks(0.25 * test[0] + 0.7, shown, grid=(4, 4), token=token, side=1.5)


if trained and ready("Q5b"):
    explore(chosen, token=list(range(16)))

# %% [markdown]
# > **Figure 5.19 · One square, two heads.** The framed square attends to the bright squares: its neighbours on the left
# > and above.
#
# For neighbours the convolution is the better tool: a smaller error with far fewer parameters. Its inductive bias
# (what a model assumes before it sees data; lesson 00) fits the task. Now every square must report the colour of the
# *opposite* square, on the other side of the centre. Here the two heads compute the same target.


# %%
def opposite(images):
    return images.flip(2, 3).repeat(1, 2, 1, 1)  # b 6 4 4: the same colour twice


if trained:
    far = {"2 heads": [], "conv 3 x 3": []}
    for name, found in far.items():
        for seed in SEEDS:
            torch.manual_seed(seed)
            model = fresh(name)
            fit(model, opposite)
            found.append(test_error(model, opposite))
        print(f"{name:<11} test error {min(found):.1e} to {max(found):.1e} over 3 seeds")
    bars({name: sum(found) / 3 for name, found in far.items()}, xlabel="test error, opposite square", form="{:.2g}")
    assert max(far["2 heads"]) < 0.2 * min(far["conv 3 x 3"])

# %% [markdown]
# > **Figure 5.20 · Test error on the task “opposite square”.** Means of three seeds. The opposite square is mostly
# > outside the receptive field of a 3 x 3 convolution, so the convolution cannot solve the task.
#
# **Answer.** Attention learned two different relations with the same layer. Where the inductive bias of a convolution
# is right, the convolution is cheaper and more exact; where it is wrong, it fails.

# %% [markdown]
# ## 9 · Q5c: cross-attention
#
# **Question.** Must the tokens that attend and the tokens that are attended to be the same?
#
# No. In **cross-attention** the queries come from one set of tokens, `x`, and the keys and values from another, the
# `context`. The two may have different lengths. The decoder of the original transformer (lesson 06) attends to the
# encoder's output in this way, and an image captioner attends to the image.
#
# Since your attention agreed with PyTorch's, the solution uses `F.scaled_dot_product_attention` for the scores, the
# softmax and the average. It takes queries, keys and values of shape `(b, h, n, d_k)`.
#
# {{level: guided}}
# Two blanks, about four lines: which input goes through which layer, and how the heads are joined.
# {{end}}
# {{level: open}}
# The check asks for four linear layers with the names `keys`, `queries`, `values` and `projection`.
# {{end}}


# %% tags=["answer"] question="Q5c"
# Q5c: cross-attention
class CrossAttention(nn.Module):
    """x (b, n, emb_size) attends to context (b, m, emb_size) -> (b, n, emb_size)."""

    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys = nn.Linear(emb_size, emb_size)
        self.queries = nn.Linear(emb_size, emb_size)
        self.values = nn.Linear(emb_size, emb_size)
        self.projection = nn.Linear(emb_size, emb_size)

    def split(self, tokens):  # WRITE
        return rearrange(tokens, "b n (h d) -> b h n d", h=self.num_heads)

    def forward(self, x, context):
        # queries, keys and values, each split into heads
        # BEGIN BLANK
        queries = self.split(self.queries(x))
        keys = self.split(self.keys(context))
        values = self.split(self.values(context))
        # END BLANK
        out = F.scaled_dot_product_attention(queries, keys, values)  # b h n d
        # join the heads, then the last layer
        return self.projection(rearrange(out, "b h n d -> b n (h d)"))  # BLANK


# %% tags=["check"] question="Q5c" points=3
check("Q5c", CrossAttention)

# %% [markdown]
# <details><summary>Hint: how many outputs come back?</summary>
#
# One for each token of `x`. If you get as many as the context has tokens, queries and keys are exchanged.
# </details>
# <details><summary>Hint: unequal lengths raise an error</summary>
#
# The weights have the shape `(n, m)`. What they are multiplied with must have `m` rows. Which set do those come from?
# </details>
# <details><summary>Stronger hint</summary>
#
# `self.split(...)` makes heads of what a layer returns. Three lines have the same form; only the layer and its input
# change.
# </details>

# %% [markdown]
# ### Three queries that are no patches
#
# Three colours (red, green, yellow) attend to the image of section 1. Nothing is trained: we set the layers to the
# identity, and those of queries and keys to six times the identity, so that the weights are peaked.

# %%
if ready("Q5c") and ready("Q5b"):
    asked = torch.stack([colours[26], colours[29], colours[14]])[None]  # 1 3 3: roof, tree, sun
    cross = CrossAttention(emb_size=3, num_heads=1)
    with torch.no_grad():
        for layer, strength in ((cross.queries, 6), (cross.keys, 6), (cross.values, 1), (cross.projection, 1)):
            layer.weight.copy_(strength * torch.eye(3))
            layer.bias.zero_()
        answers = cross(asked, colours[None])
        maps = attention_weights(cross.queries(asked), cross.keys(colours[None]), 1)[0, 0]  # n m
    print(tuple(asked.shape), "attends to", (1, *colours.shape), "->", tuple(answers.shape))
    show_looks(image, dict(zip(("red", "green", "yellow"), maps, strict=True)), grid=(8, 8))

# %% [markdown]
# > **Figure 5.21 · Cross-attention from three colours to 64 patches.** Each map shows the weights of one query. Red
# > attends to the roof, green to the trees, yellow to the sun.
#
# Three queries give three outputs, however long the context is. The order of the context does not matter:

# %%
if ready("Q5c") and ready("Q5b"):
    with torch.no_grad():
        reordered = cross(asked, colours[torch.randperm(64)][None])
    print(f"context reordered: the outputs change by {(reordered - answers).abs().max():.0e}")
    assert torch.allclose(reordered, answers, atol=1e-6)

# %% [markdown]
# **Answer.** Queries and keys may come from different sets. The number of outputs is the number of queries.

# %% [markdown]
# ## 10 · What attention costs
#
# **Question.** How do time and memory grow with the number of tokens?
#
# There are $n^2$ scores for `n` tokens. We measure your Q5a: milliseconds on one core, and the bytes that PyTorch keeps
# for the backward pass.


# %% fold="skip"
# Counts the bytes that are kept for the backward pass, and measures processor time
def kept_bytes(call, n):
    stored = {}

    def pack(t):
        stored[t.untyped_storage().data_ptr()] = t.untyped_storage().nbytes()
        return t

    q, k, v = torch.randn(3, 1, n, 64).requires_grad_(True).unbind(0)
    with saved_tensors_hooks(pack, lambda t: t):
        keep_alive = call(q, k, v)
    del keep_alive
    return sum(stored.values())


def milliseconds(call, n, runs=8):
    q, k, v = torch.randn(3, 1, n, 64)
    best = float("inf")
    for _ in range(runs):
        start = time.process_time()  # stands still while other programs have the processor
        call(q, k, v)
        best = min(best, time.process_time() - start)
        if best > 0.1:
            break
    return 1000 * best


def fused(q, k, v):
    return F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]


# %%
if ready("Q5a"):
    counts, times, memory = [], {"yours": []}, {"yours": []}
    for n in (128, 256, 512, 1024, 2048):
        counts.append(n)
        times["yours"].append(milliseconds(attention, n))
        memory["yours"].append(kept_bytes(attention, n) / 2**20)
        if times["yours"][-1] > 300:  # with Python loops this would take too long
            break
    times["fused"] = [milliseconds(fused, n) for n in counts]
    memory["fused"] = [kept_bytes(fused, n) / 2**20 for n in counts]
    show_powers(counts, {"milliseconds": times, "MiB kept for backward": memory}, xlabel="tokens")

# %% [markdown]
# > **Figure 5.22 · Time and memory against the number of tokens.** Both axes are logarithmic, so a power $n^p$ is a
# > straight line with slope $p$. “Yours” is your Q5a, “fused” PyTorch's single kernel.

# %%
if ready("Q5a"):
    for name, of in (("memory", memory), ("time", times)):
        for who, series in of.items():
            factor = series[-1] / series[-2]
            print(f"{name}, {who:<5}: {factor:.1f} times as much from {counts[-2]} to {counts[-1]} tokens")
    if counts[-1] == 2048:
        assert 3.5 < memory["yours"][-1] / memory["yours"][-2] < 4.5
    assert memory["fused"][-1] / memory["fused"][-2] < 2.1

# %% [markdown]
# Twice the tokens need about four times the memory if all weights are stored: the cost is **quadratic** (lesson 01).
# Time grows by about four, too, and by more once the matrix no longer fits into the processor's cache. PyTorch's
# **fused kernel** computes the same result tile by tile and never stores the whole matrix. Its memory grows only
# linearly. Its time remains quadratic, since every score is still computed.
#
# The quadratic part is not the whole layer. The four linear layers need $4nd^2$ multiplications, the scores and the
# averages $2n^2d$. The two are equal at $n = 2d$. For a ViT-B with patches of 16 x 16 pixels:

# %%
for side in (224, 512, 1024):
    n, d = (side // 16) ** 2 + 1, 768
    share = 2 * n * n * d / (2 * n * n * d + 4 * n * d * d)
    print(f"{side:>4} pixels: {n:>4} tokens, {100 * share:3.0f} % of the layer's multiplications are quadratic in n")

# %% [markdown]
# **Answer.** Memory and time of the weights grow with $n^2$; a fused kernel makes the memory linear. At 224 pixels the
# linear layers dominate, at 1024 pixels the quadratic part does. Windows (lesson 09) reduce the quadratic part only.
#
# > ### What could go wrong
# > - **The scale after the softmax.** No error is raised, and rows don't add up to 1.
# > - **The whole width under the root.** No error is raised, rows *do* add up to 1, and attention is too even. Compare
# >   numbers with several heads.
# > - **`softmax(dim=1)`.** This is right for `(n, m)` and wrong for `(b, n, m)`. Write `dim=-1`.
# > - **Joining heads without moving axes.** `out.reshape(b, n, -1)` on `b h n d` has the right shape and the wrong
# >   content (Figure 5.23).
# > - **The meaning of a mask.** Here and in `F.scaled_dot_product_attention`, True means *allowed*. In
# >   `nn.MultiheadAttention`, True means *forbidden*.
# > - **A row in which everything is forbidden.** Filled with `-inf` it becomes `nan`; filled with the smallest number
# >   it becomes uniform attention (printed below).
# > - **`masked_fill` without an assignment** has no effect, since it returns a new tensor.
# > - **`F.dropout`** ignores `.eval()` unless it is given `training=self.training`.

# %%
scores = torch.tensor([[1.0, 2.0, 3.0]])
nothing_allowed = torch.zeros(1, 3, dtype=torch.bool)
for fill in (-torch.inf, torch.finfo(torch.float32).min):
    print(f"{fill:>9.1e}:", scores.masked_fill(~nothing_allowed, fill).softmax(-1).tolist()[0])

# %%
answers = torch.arange(12).reshape(2, 3, 2)  # h n d: two heads, three tokens
glued = answers.reshape(3, 4)  # the right shape, the wrong content
groups = torch.arange(12) // 6
show_numbers([("head 0", answers[0]), ("head 1", answers[1]), ("“3 tokens”", glued)], groups=groups)

# %% [markdown]
# > **Figure 5.23 · Heads joined by a reshape alone.** Each row on the right should hold two numbers of head 0 and two
# > of head 1 for the same token. Instead the first row holds only numbers of head 0, from two different tokens.

# %% [markdown]
# ## 11 · Q5d: a blank page
#
# Write multi-head attention again, from memory: the class `SelfAttention(emb_size, num_heads)` with
# `forward(x, mask=None)`, without looking at the cells above. It needs the linear layers, the heads, the scale, the
# mask and the last linear layer, and no dropout.
#
# Name and arrange the layers as you like: separate layers, one fused layer, or a list of heads are all accepted. Only
# `nn.MultiheadAttention` is not, since it is the answer itself. The check fills your matrices with random numbers and
# compares outputs and gradients.


# %% tags=["answer"] question="Q5d" kind="blank-page"
# Q5d: multi-head attention from memory
# Write the class SelfAttention in this cell.
class SelfAttention(nn.Module):
    def __init__(self, emb_size, num_heads):
        super().__init__()
        self.num_heads = num_heads
        self.to_queries, self.to_keys = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)
        self.to_values, self.to_out = nn.Linear(emb_size, emb_size), nn.Linear(emb_size, emb_size)

    def forward(self, x, mask=None):
        q = rearrange(self.to_queries(x), "b n (h d) -> b h n d", h=self.num_heads)
        k = rearrange(self.to_keys(x), "b m (h d) -> b h m d", h=self.num_heads)
        v = rearrange(self.to_values(x), "b m (h d) -> b h m d", h=self.num_heads)
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        heads = scores.softmax(dim=-1) @ v
        return self.to_out(rearrange(heads, "b h n d -> b n (h d)"))


# %% tags=["check"] question="Q5d" points=6
check("Q5d", SelfAttention)

# %% [markdown]
# When the check is green, `show_answer("Q5d")` (import it by `from helpers import show_answer`) shows the course's
# answer and other right ones.

# %% [markdown]
# ## Stretch: attention in blocks
#
# Section 10 mentioned fused kernels that never store the $n \times n$ weights. The idea of **FlashAttention** (Dao et
# al., 2022) is a softmax that is computed block by block. For each query keep three things while you walk through the
# keys: the largest score so far (`top`), the sum of the exponentials so far (`total`), and the weighted sum of values
# so far (`result`), both relative to `top`. When a new block brings a larger score, multiply `total` and `result` by
#
# $$e^{\text{old top} - \text{new top}}$$
#
# and go on. At the end `result / total` is *exactly* attention, with scores divided by $\sqrt d$ as always. Subtracting
# the maximum is also what keeps `exp` from overflowing. Write it with a loop over blocks of `block` keys, so that no
# tensor has as many as `n · m` numbers. This question is optional.


# %% tags=["answer"] question="Q5e" kind="stretch"
# Q5e: attention in blocks, with a running maximum
def attention_in_blocks(q, k, v, block):
    """q (n, d), k (m, d), v (m, e) -> (n, e): softmax(q kᵀ / √d) v, from `block` keys at a time."""
    # BEGIN BLANK
    n, d = q.shape
    top = q.new_full((n, 1), -torch.inf)
    total, result = q.new_zeros(n, 1), q.new_zeros(n, v.shape[1])
    for start in range(0, len(k), block):
        scores = q @ k[start : start + block].T / d**0.5  # n block
        new_top = torch.maximum(top, scores.amax(dim=1, keepdim=True))
        weights = (scores - new_top).exp()
        rescale = (top - new_top).exp()
        total = total * rescale + weights.sum(dim=1, keepdim=True)
        result = result * rescale + weights @ v[start : start + block]
        top = new_top
    return result / total
    # END BLANK


# %% tags=["check"] question="Q5e" points=6
check("Q5e", attention_in_blocks)

# %% [markdown]
# <details><summary>Hint: what are the three things before the first block?</summary>
#
# No score has been seen, so any score must be larger than `top`; the two sums are empty. `exp` of minus infinity is 0.
# </details>
# <details><summary>Hint: one block is right, several are not</summary>
#
# Take two blocks of one key each by hand, with scores 0 and 1. After the second block `total` must be `exp(0 - 1) + 1`.
# </details>

# %%
if ready("Q5e"):
    torch.manual_seed(0)
    q, k, v = (torch.randn(1000, 32) for _ in range(3))
    whole = (q @ k.T / 32**0.5).softmax(1) @ v
    for block in (1000, 128, 7):
        gap = (attention_in_blocks(q, k, v, block) - whole).abs().max()
        print(f"blocks of {block:>4}: at most {1000 * block:>9,} scores at once, largest difference {gap:.0e}")

# %% [markdown]
# ## 12 · In words
#
# **W5a** (2 points). A colleague writes: "Attention is permutation invariant, so the order of the patches makes no
# difference to a ViT." Correct the first half with the right word and an equation. What in a ViT *without* position
# encoding is invariant nevertheless, and what changes once there is a position encoding?

# %% [markdown] tags=["written"] question="W5a" points=2
# Self-attention is permutation *equivariant*: for every permutation `P` of the tokens, `f(Px) = P f(x)`. The outputs
# are reordered with their tokens; invariance, `f(Px) = f(x)`, does not hold. What is computed from all outputs can be
# invariant: their mean, or the output of a class token that stays in place, because keys and values enter as a sum over
# a set. So the logits of a ViT without position encoding do not change when its patches are reordered. With a position
# encoding added by place, a reordered image consists of different vectors (content plus position): neither property
# holds for the contents any longer, and the order can matter.

# %% [markdown] tags=["rubric"]
# **W5a, 2 points.**
# - 1 point: "equivariant" with `f(Px) = P f(x)` in symbols or in clear words. Half a point for the word alone.
# - ½ point: names something invariant (mean over tokens, class token, or the logits), with a reason.
# - ½ point: says that position encodings tie content to position, so that a reordered image is a different set of
#   tokens. No point for "the encoding restores the order".
#
# A half-right answer: "It is equivariant, not invariant. With positions the order matters." The word is right without
# an equation (½), nothing invariant is named (0), and no reason is given (0): ½ point.

# %% [markdown]
# **W5b** (2 points). You fine-tune a ViT on images of twice the side, with patches of the same size. By what factors
# do these grow: the number of tokens, the work of the four linear layers, the work of scores and averages, the bytes of
# stored weights? Which of these does a fused kernel avoid? Name one change to the model that reduces the rest, and what
# it gives up.

# %% [markdown] tags=["written"] question="W5b" points=2
# Tokens 4 times, linear layers 4 times (linear in n), scores and averages 16 times, stored weights 16 times. A fused
# kernel avoids storing the weights, so memory grows only 4 times; the 16-fold work stays. Possible changes: attention
# within windows (work linear in n, but a token no longer attends to the whole image in one layer); larger patches (n as
# before, but finer detail must fit into one token); fewer keys and values by pooling them (each query attends to a
# coarser image).

# %% [markdown] tags=["rubric"]
# **W5b, 2 points.**
# - 1 point: the factors 4, 4, 16, 16 (half a point for three of them).
# - ½ point: the fused kernel saves the *memory* of the weights, not the work.
# - ½ point: one change **and** its price.
#
# A half-right answer: "4, 4, 16, 16. Flash attention makes it linear. Use windows." The factors are right (1), "it"
# does not say whether memory or work is meant (0), and the price of windows is missing (0): 1 point.

# %% [markdown]
# ## 13 · Summary
#
# | | |
# |---|---|
# | attention | scores, softmax, average: each query receives its own weighted average of the values |
# | scale | before the softmax, by $\sqrt{d_k}$, the root of the width of *one head* |
# | without it | the softmax saturates and the gradient vanishes |
# | self-attention | permutation equivariant; a mean of its outputs, or one class token's output, is invariant |
# | heads | slices of the width that attend separately; no additional parameters |
# | cross-attention | queries from one set of tokens, keys and values from another |
# | cost | time $n^2 d$; memory $n^2$ per head, or $n$ with a fused kernel |
#
# **Further reading**
# - Vaswani et al., *Attention Is All You Need*, NeurIPS 2017. Figure 2 is your Q5a and Q5; a footnote in Section 3.2.1
#   is section 3 of this lesson; Table 1 compares costs; Table 3, rows (A), varies the number of heads.
# - Cordonnier, Loukas and Jaggi, *On the Relationship between Self-Attention and Convolutional Layers*, ICLR 2020.
#   Theorem 1: with enough heads and a quadratic *relative* position encoding, attention can express any convolution.
#   The two diagonals of Figure 5.18 are two of its pixels.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 7, right: how far each head of a trained ViT
#   attends; some attend far from the first layer on.
# - Bahdanau, Cho and Bengio, *Neural Machine Translation by Jointly Learning to Align and Translate*, ICLR 2015. Figure
#   3: attention maps before there were transformers, and an ancestor of Q5c.
# - Dao et al., *FlashAttention*, NeurIPS 2022. Figure 1: the tiles behind the fused kernel.
#
# Next: **06 · The encoder block**, which surrounds your layer with what makes it possible to stack many of them.
