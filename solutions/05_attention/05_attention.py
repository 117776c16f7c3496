# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 05 · Attention {{badge}}
#
# **In one sentence:** you will write the operation that gave transformers their power, first with one head and
# then with many, prove yours equal to PyTorch's, and know by measurement why it is scaled and what it costs.
#
# | | |
# |---|---|
# | **You need** | matrix products and softmax; patches as tokens (lesson 01) |
# | **Time** | 75 minutes |
# | **You write** | Q5a `attention`, Q5b `attention_weights`, Q5 `MultiHeadAttention`, Q5c `CrossAttention`; W5a, W5b |
#
# **Afterwards you can**
# - say what queries, keys and values are, and write attention with a shape beside each line;
# - tell from two numbers whether the scale is in its place;
# - use *equivariant* and *invariant* so that nobody has to correct you;
# - split and join heads, mask, and attend from one set to another;
# - predict what twice the tokens cost.
#
# {{questions}}
#
# {{names: lectures L1 and L2}}
# `emb_size` | `emb_size`, letter `d` | `dim` | $d_{model}$
# `num_heads` | `num_heads`, letter `h` | `num_heads` | $h$
# width of a head | $d_k$ = `emb_size // num_heads` | `head_dim` | $d_k$, $d_v$
# `keys`, `queries`, `values` | the same | `qkv`, one fused layer | $W^K, W^Q, W^V$
# `energy` | scores | – | $QK^\top$
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

from helpers import check, ready
from helpers.data import load, sample_image
from helpers.explore import explore
from helpers.pictures.attention import show_looks, show_matrices, show_powers
from helpers.pictures.patches import show_numbers
from helpers.plots import bars, compare, curves, heatmap, show_images, show_patches

# %% [markdown]
# Letters, the same in every lesson: `b` batch, `n` tokens that ask, `m` tokens that are asked, `d` width, `h`
# heads. Often the same tokens do both, and `m = n`.

# %% [markdown]
# ## 1 · Ask, and everybody answers
#
# A convolution looks at its neighbours. What if a patch could choose whom to look at? Here are 64 patches, each
# summed up by its mean colour.

# %%
image = sample_image(32)  # c h w
patches = F.unfold(image[None], 4, stride=4)[0].T  # n (c p p)
colours = patches.unflatten(1, (3, 16)).mean(2)  # n 3
colours = colours - colours.mean(0)  # each is now a direction away from grey
print(tuple(patches.shape), tuple(colours.shape))

# %% [markdown]
# Patch 29 is in the tree. It asks: *who is like me?* The dot product gives each patch a score, large where two
# colours point the same way.

# %%
scores = colours @ colours[29]  # n
show_looks(image, {"scores": scores}, grid=(8, 8), token=29)

# %% [markdown]
# A dictionary would return the best match. Attention is softer: *every* patch answers, in proportion. Softmax
# turns scores into shares that add up to 1.

# %%
shares = (20 * scores).softmax(0)  # n
print(f"sum {shares.sum():.4f}, smallest {shares.min():.1e}, largest {shares.max():.2f}")
show_looks(image, {"scores": scores, "shares": shares}, grid=(8, 8), token=29)

# %% [markdown]
# What comes back is a mixture: all patches, each weighted by its share.

# %%
mixture = (shares[:, None] * patches).sum(0)  # (c p p)
asked, answered = patches[29].reshape(3, 4, 4), mixture.reshape(3, 4, 4)
show_patches(
    [asked, answered],
    grid=(1, 2),
    titles=["asks", "gets"],
    alt="A green patch, and a green mixture.",
)

# %% [markdown]
# **Try it.** The 20 is a sharpness. At 0 everyone is heard alike. At 1000 it is a dictionary again, which
# prefers the patch below: greener still.


# %%
def listen(sharpness):
    shares = (sharpness * colours @ colours[29]).softmax(0)
    show_looks(image, {f"largest share {shares.max():.2f}": shares}, grid=(8, 8), token=29)


explore(listen, sharpness=[0, 5, 20, 1000])

# %% [markdown]
# Whom does the sun look at? The roof? The lake? (Change the numbers, too.)


# %%
def ask(token):
    shares = (20 * colours @ colours[token]).softmax(0)
    show_looks(image, {"looks at": shares}, grid=(8, 8), token=token)


explore(ask, token=[14, 26, 54, 2])

# %% [markdown]
# Score, soften, mix. That is all of it, and nobody said where in the image a patch is.

# %% [markdown]
# ## 2 · Three roles: query, key, value
#
# So far one vector asked, was compared, and was handed over. Then who looks at whom is a symmetric affair.

# %%
torch.manual_seed(0)
x = torch.randn(6, 16)  # n d
both_ways = x @ x.T  # n n
assert torch.allclose(both_ways, both_ways.T)
print("largest score is one's own:", bool((both_ways.argmax(1) == torch.arange(6)).all()))

# %% [markdown]
# Narcissists, all of them. Three linear layers give each role a vector of its own:
#
# | role | says | made by |
# |---|---|---|
# | **query** | what I am looking for | `queries` |
# | **key** | what I can be found by | `keys` |
# | **value** | what I hand over | `values` |

# %%
queries, keys = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
one_way = (queries(x) @ keys(x).T).detach()  # n n
show_matrices([("one vector for all roles", both_ways), ("a query and a key each", one_way)])

# %% [markdown]
# Left, a mirror. Right, `i` may look at `j` while `j` looks elsewhere, as an edge may look for the rest of its
# circle. Which looks are useful is learned.

# %% [markdown]
# ## 3 · Why the scale
#
# A dot product adds up `d` products. Let us see how large it gets when queries and keys have unit spread.

# %%
widths = [4, 16, 64, 256, 1024]
spread = []
for d in widths:
    q, k = torch.randn(2, 2000, d)
    spread.append((q * k).sum(1).std().item())
    print(f"d = {d:>4}: dot products spread by {spread[-1]:5.2f}, and √d = {d**0.5:g}")
assert all(abs(s / d**0.5 - 1) < 0.1 for s, d in zip(spread, widths, strict=True))

# %% [markdown]
# They grow like √d: variances of independent things add up. And softmax cares for *differences*: ten times
# larger scores are no longer a choice, but a verdict.


# %%
def one_row(width):
    shares = (long_keys[:, :width] @ long_query[:width]).softmax(0)  # m
    heatmap(shares[None], values=True, xlabel="key", vmin=0, vmax=1)


torch.manual_seed(4)
long_query, long_keys = torch.randn(1024), torch.randn(8, 1024)
explore(one_row, width=[4, 16, 64, 1024])

# %% [markdown]
# A verdict teaches nothing. Nudge the scores, and the shares don't move: the gradient is gone.

# %%
slopes = {"as it is": [], "unit spread": []}
for d in widths:
    energy = torch.randn(500, d) @ torch.randn(8, d).T  # n m
    for name, grades in (("as it is", energy), ("unit spread", energy / energy.std())):
        shares = grades.softmax(1)
        # how a share moves with its own score
        slopes[name].append((shares * (1 - shares)).mean().item())
show_powers(widths, {"slope of a share": slopes}, xlabel="width d")
assert slopes["as it is"][-1] < slopes["unit spread"][-1] / 5

# %% [markdown]
# At unit spread, width no longer matters. Hence the formula that everyone quotes:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\!\left(\frac{Q K^\top}{\sqrt{d}}\right) V$$

# %% [markdown]
# ## 4 · Q5a: one head
#
# Write it, one step per line. `q` is `(b, n, d)`; `k` and `v` are `(b, m, d)`. Four short blanks:
# 1. the *energy*: each query's dot product with each key;
# 2. the same, scaled;
# 3. the weights: every query has exactly 1 to hand out;
# 4. the values, mixed.


# %% tags=["answer"] question="Q5a"
# Q5a: attention with one head
def attention(q, k, v):
    """(b, n, d), (b, m, d), (b, m, d) -> (b, n, d): each query's mixture of the values."""
    d = q.shape[-1]
    # (b, n, d) and (b, m, d) -> (b, n, m)
    energy = q @ k.transpose(1, 2)  # BLANK
    # (b, n, m): dot products of wide vectors, back to unit spread
    scaled = energy / d**0.5  # BLANK
    # (b, n, m): shares, one row per query
    weights = scaled.softmax(dim=-1)  # BLANK
    # (b, n, m) and (b, m, d) -> (b, n, d)
    return weights @ v  # BLANK


# %% tags=["check"] question="Q5a" points=4
check("Q5a", attention)

# %% [markdown]
# <details><summary>Hint: the sizes of two tensors don't match</summary>
#
# A matrix product pairs the last axis of the left with the last but one of the right. Write both shapes below
# each other. Which axis of `k` must come last?
# </details>
# <details><summary>Hint: it runs, and the picture is wrong</summary>
#
# The picture shows the weights: rows are queries. Do your *rows* add up to 1? If your columns do, look at
# `dim`. If nothing does, look at what comes after the softmax.
# </details>
# <details><summary>Hint: right order, wrong sharpness</summary>
#
# Section 3 printed by how much dot products spread at each width. What brings that back to 1?
# </details>
# <details><summary>Stronger hint: the batch gets in the way</summary>
#
# Think of one image first: `(n, d)`, `(m, d)`. With a batch all stays the same as long as you name axes from
# the *end*, or turn exactly axes 1 and 2. (`.T` would turn all three.)
# </details>

# %% [markdown]
# ### Yours and PyTorch's
#
# PyTorch has this as one call. They should differ by rounding only:

# %%
if ready("Q5a"):
    q, k, v = torch.randn(2, 5, 32), torch.randn(2, 9, 32), torch.randn(2, 9, 32)
    library = F.scaled_dot_product_attention(q, k, v)
    difference = (attention(q, k, v) - library).abs().max().item()
    print(f"{tuple(library.shape)}, largest difference {difference:.1e}")
    assert difference < 1e-6

# %% [markdown]
# A trick worth keeping: hand in the identity as values, and out come the weights. (The check does it, too.)

# %%
if ready("Q5a"):
    looks = attention(q, k, torch.eye(9).expand(2, 9, 9))  # b n m
    print("rows add up to", looks.sum(-1).flatten().tolist()[:3])
    show_matrices([(f"image {i}", looks[i]) for i in range(2)], xlabel="key", ylabel="query")

# %% [markdown]
# The house again, with your function: 64 queries at once, one map each.

# %%
if ready("Q5a"):
    sharp = 6 * colours[None]  # 1 n 3
    maps = attention(sharp, sharp, torch.eye(64)[None])[0]  # n n
    picked = {f"patch {token}": maps[token] for token in (14, 26, 29)}
    show_looks(
        image,
        picked,
        grid=(8, 8),
        alt="Three maps: the sun lights up, then the roof, then the green.",
    )

# %% [markdown]
# ## 5 · Equivariant, not invariant
#
# Two words that are mixed up even in lectures. Shuffle the tokens. What happens to the answers?

# %%
if ready("Q5a"):
    x = torch.randn(1, 8, 6)  # b n d
    order = torch.tensor([3, 0, 6, 1, 7, 4, 2, 5])
    plain, shuffled = attention(x, x, x), attention(x[:, order], x[:, order], x[:, order])
    compare(
        [
            ("f(x)", plain[0]),
            ("f(shuffled x)", shuffled[0]),
            ("f(x), shuffled after", plain[0, order]),
        ]
    )

# %% [markdown]
# The answers moved along with their tokens. That is **equivariant**. *Invariant* would mean that nothing
# changes, and the first two panels differ.

# %%
if ready("Q5a"):

    def gap(a, b):
        return (a - b).abs().max().item()

    print(f"f(shuffled) against f, shuffled: {gap(shuffled, plain[:, order]):.0e}   -> equivariant")
    print(f"f(shuffled) against f          : {gap(shuffled, plain):.1f}     -> not invariant")
    print(
        f"their means over the tokens    : {gap(shuffled.mean(1), plain.mean(1)):.0e}   -> invariant"
    )  # fmt: skip
    assert gap(shuffled, plain[:, order]) < 1e-6 < 0.1 < gap(shuffled, plain)

# %% [markdown]
# Invariant is what one reads *out*: a mean, or one class token's answer. And within attention, shuffle *keys
# and values* together: no query notices.

# %%
if ready("Q5a"):
    unmoved = gap(attention(x, x[:, order], x[:, order]), plain)
    print(f"only keys and values shuffled  : {unmoved:.0e}")
    assert unmoved < 1e-6

# %% [markdown]
# So attention sees a bag. Give each place a code, *then* move the contents (random numbers stand in for lesson
# 02's), and the spell is broken:

# %%
if ready("Q5a"):
    places = torch.randn(1, 8, 6)
    here, there = x + places, x[:, order] + places  # the contents move, the places stay
    moved = gap(attention(there, there, there), attention(here, here, here)[:, order])
    print(f"with places: {moved:.2f}, no longer equivariant")
    assert moved > 0.1

# %% [markdown]
# ## 6 · Several heads
#
# One softmax has one opinion. A token that wants the colour on its left *and* the one above gets both, stirred.

# %%
# two values: a red, a blue
left, above = torch.tensor([0.9, 0.1, 0.1]), torch.tensor([0.1, 0.2, 0.9])
stirred = 0.5 * left + 0.5 * above
squares = [colour[:, None, None].expand(3, 4, 4) for colour in (left, above, stirred)]
show_patches(
    squares,
    grid=(1, 3),
    titles=["left", "above", "one head"],
    alt="Red, blue, and the purple mixture.",
)

# %% [markdown]
# From purple nobody can tell which was where. Two heads keep them apart, each on its own part of the width.
# Here 3 numbered tokens of width 8:

# %%
numbers = torch.arange(24).reshape(3, 8)  # n (h d)
head_of = (numbers % 8) // 4
parts = rearrange(numbers, "n (h d) -> h n d", h=2)
show_numbers([("3 tokens", numbers), ("head 0", parts[0]), ("head 1", parts[1])], groups=head_of)

# %% [markdown]
# Every head sees a slice of every token. The careless reshape (lesson 01's trap) deals out whole *tokens*
# instead:

# %%
careless = numbers.reshape(2, 3, 4)  # h n d: the right shape ...
show_numbers(
    [("3 tokens", numbers), ("“head 0”", careless[0]), ("“head 1”", careless[1])], groups=head_of
)  # fmt: skip

# %% [markdown]
# Heads cost nothing extra in weights. Four layers from `d` to `d`, whatever `h`:

# %%
for num_heads in (1, 4, 16):
    layer = nn.MultiheadAttention(64, num_heads)
    count = sum(p.numel() for p in layer.parameters())
    print(f"{num_heads:>2} heads: {count:,} parameters")
    assert count == 4 * (64 * 64 + 64)

# %% [markdown]
# ### Q5b: where the scale goes
#
# Write the weights of several heads. The split and the energy are given; read them letter by letter. Two short
# blanks:
# 1. the scale: a number to *multiply* by. Mind which width an entry of the energy adds up, now;
# 2. the weights `(b, h, n, m)`.


# %% tags=["answer"] question="Q5b"
# Q5b: the weights of several heads
def attention_weights(q, k, num_heads):
    """(b, n, emb_size), (b, m, emb_size) -> (b, h, n, m): how much each query looks at each key, head by head."""
    queries = rearrange(q, "b n (h d) -> b h n d", h=num_heads)
    keys = rearrange(k, "b m (h d) -> b h m d", h=num_heads)
    energy = torch.einsum("bhnd, bhmd -> bhnm", queries, keys)
    scale = queries.shape[-1] ** -0.5  # BLANK
    return torch.softmax(energy * scale, dim=-1)  # BLANK


# %% tags=["check"] question="Q5b" points=3
check("Q5b", attention_weights)

# %% [markdown]
# <details><summary>Hint: one head is right, several are not</summary>
#
# An einsum adds up the letter that stands before the arrow and not after it. Which letter is that, and how long
# is its axis?
# </details>
# <details><summary>Hint: rows don't add up to 1</summary>
#
# A softmax makes them 1. Anything you do to them afterwards unmakes it.
# </details>
# <details><summary>Stronger hint: multiply or divide?</summary>
#
# Dividing by a root is multiplying by a power. `4 ** -0.5` is 0.5.
# </details>

# %% [markdown]
# ### A mistake that travels
#
# A widely copied implementation reads, in effect, `softmax(energy) / sqrt(emb_size)`. Two slips: the scale
# comes *after* the softmax, and the width is the *whole* one.
#
# Here it is beside three others.

# %%
torch.manual_seed(0)
emb_size, tokens = 256, 64  # 4 heads of 64


def four_ways(q, k, h):
    split = [rearrange(t, "b n (h d) -> b h n d", h=h) for t in (q, k)]
    energy = torch.einsum("bhid, bhjd -> bhij", *split)
    return {
        "in its place": attention_weights(q, k, h),
        "no scale": energy.softmax(-1),
        "after, √emb_size": energy.softmax(-1) / emb_size**0.5,
        "before, √emb_size": (energy / emb_size**0.5).softmax(-1),
    }


# %% [markdown]
# What does a row add up to? And to how many of the 64 tokens does a query really listen? That is
# `exp(entropy)`: 1 for a dictionary, 64 for a plain mean.


# %%
def listened_to(weights):
    p = weights / weights.sum(-1, keepdim=True)
    return (-(p * (p + 1e-20).log()).sum(-1)).exp().mean().item()


if ready("Q5b"):
    q, k = torch.randn(2, 8, tokens, emb_size)  # b n (h d) each
    ways = four_ways(q, k, 4)
    for name, weights in ways.items():
        print(
            f"{name:<18} rows add up to {weights.sum(-1).mean():.3f}, listens to {listened_to(weights):4.1f} tokens"
        )  # fmt: skip
    assert round(ways["after, √emb_size"].sum(-1).mean().item(), 4) == 1 / 16
    assert abs(listened_to(ways["after, √emb_size"]) - listened_to(ways["no scale"])) < 1e-3

# %% [markdown]
# Divided afterwards, a row is exactly as sharp as with no scale at all, and sixteen times smaller. As pictures,
# each on its own colours:

# %%
if ready("Q5b"):
    show_matrices(
        [(name, weights[0, 0, :16, :16]) for name, weights in ways.items()],
        ylabel="query",
        xlabel="key",
    )

# %% [markdown]
# Now the gradient that reaches a query, for drawn values and a drawn wish: what `queries` and `keys` learn
# from.

# %%
if ready("Q5b"):
    values, wish = torch.randn(2, 8, 4, tokens, 64)  # b h m d, b h n d
    q.requires_grad_(True)
    pull = {}
    for name, weights in four_ways(q, k, 4).items():
        gradient = torch.autograd.grad((weights @ values * wish).sum(), q, retain_graph=True)[0]
        pull[name] = rearrange(gradient, "b n (h d) -> (b h n) d", h=4).norm(dim=1)  # one per query

# %%
if ready("Q5b"):
    rank = torch.linspace(0.01, 0.99, 99)
    lines = {name: one.quantile(rank).tolist() for name, one in pull.items()}
    curves(
        (100 * rank).tolist(),
        lines,
        logy=True,
        xlabel="per cent of the queries",
        ylabel="gradient",
    )

# %% [markdown]
# Sorted from the quietest query to the loudest: in its place, all hear about alike. Without the scale it is a
# lottery. Dividing afterwards turns the volume down, and the lottery goes on.

# %%
if ready("Q5b"):
    uneven = {name: (one.quantile(0.95) / one.quantile(0.05)).item() for name, one in pull.items()}
    for name, ratio in uneven.items():
        print(
            f"{name:<18} median {pull[name].median():5.2f}, loud over quiet (95 % over 5 %): {ratio:6.1f}"
        )  # fmt: skip
    assert uneven["in its place"] < 5 < 500 < min(uneven["no scale"], uneven["after, √emb_size"])

# %% [markdown]
# The other slip, √emb_size *before* the softmax, shows only with several heads. With sixteen, every row is
# nearly a plain mean.

# %%
if ready("Q5b"):
    heads = [1, 2, 4, 8, 16]
    with torch.no_grad():
        listens = [{name: listened_to(w) for name, w in four_ways(q, k, h).items()} for h in heads]
    names = ("in its place", "no scale", "before, √emb_size")
    lines = {name: [row[name] for row in listens] for name in names}
    show_powers(heads, {"tokens listened to, of 64": lines}, xlabel="heads", logy=False)

# %% [markdown]
# How can such a model train at all? Its other layers adapt: `queries` and `keys` learn other lengths,
# `projection` undoes a factor. So the loss falls, and proves nothing.
#
# **A test beats a falling loss:** rows must add up to 1.

# %% [markdown]
# ## 7 · Q5: multi-head attention
#
# The whole layer, with the lecture's names. Tokens `(b, n, d)` go in and come out. `mask`, if there is one, is
# bool: **True = may be looked at**, in any shape that broadcasts to `(b, h, n, n)`.
#
# Four short blanks:
# 1. what `masked_fill` needs: where to fill, and with what;
# 2. the weights, from the energy (Q5b is your friend);
# 3. the einsum: which letters does the result keep?
# 4. the pattern that puts the heads side by side again.


# %% tags=["answer"] question="Q5"
# Q5: multi-head attention
class MultiHeadAttention(nn.Module):
    """(b, n, emb_size) -> (b, n, emb_size); mask is bool, True = may be looked at."""

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
        energy = torch.einsum("bhqd, bhkd -> bhqk", queries, keys)
        if mask is not None:
            smallest = torch.finfo(energy.dtype).min
            # a new tensor: energy where it may be looked at, elsewhere next to no chance
            energy = energy.masked_fill(~mask, smallest)  # BLANK: ~mask, smallest
        # (b, h, n, n), scaled, each row adds up to 1
        weights = torch.softmax(energy * keys.shape[-1] ** -0.5, dim=-1)  # BLANK
        weights = self.att_drop(weights)
        # weights: b h a l (token a asks token l), values: b h l v
        out = torch.einsum("bhal, bhlv -> bhav", weights, values)  # BLANK: "bhal, bhlv -> bhav"
        # the same letters, heads side by side: back to three axes
        out = rearrange(out, "b h a v -> b a (h v)")  # BLANK: "b h a v -> b a (h v)"
        return self.projection(out)


# %% tags=["check"] question="Q5" points=6
check("Q5", MultiHeadAttention)

# %% [markdown]
# <details><summary>Hint: the einsum</summary>
#
# Matrix product, said in letters: the letter that both inputs share is added up, so it is gone afterwards.
# Everyone else stays: which image, which head, which token asks, which number of the value.
# </details>
# <details><summary>Hint: right with one head, wrong with several</summary>
#
# Only splitting and joining differ then. Your join must undo the split: there, `(h d)` had the head outside and
# the number inside.
# </details>
# <details><summary>Hint: the mask</summary>
#
# `masked_fill(where, value)` fills where its first argument is *True*. Our mask is True where one *may* look.
# And the value that becomes 0 after a softmax is not 0.
# </details>
# <details><summary>Stronger hint: the weights</summary>
#
# Two lines of Q5b in one. After the split, which axis of `keys` tells you the width of a head?
# </details>

# %% [markdown]
# ### The same as PyTorch's layer
#
# `nn.MultiheadAttention` keeps three of the layers as one tall matrix. Put yours into it, and compare.

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
# A causal mask: no one looks ahead. Change the tokens from 6 on, and see who notices.

# %%
if ready("Q5"):
    causal = torch.ones(10, 10, dtype=torch.bool).tril()  # n n
    future = x.clone()
    future[:, 6:] = torch.randn(2, 4, 64)  # other tokens from 6 on
    change = (mine(x, mask=causal) - mine(future, mask=causal)).abs().amax((0, 2))  # n
    print("change per token:", [round(c, 3) for c in change.tolist()])
    assert change[:6].max() < 1e-6 < change[6:].min()

# %% [markdown]
# Tokens 0 to 5 don't feel what happens later. To *see* the weights, the identity trick again:

# %%
if ready("Q5"):
    q, k = (
        rearrange(layer(4 * x), "b n (h d) -> b h n d", h=4)
        for layer in (mine.queries, mine.keys)
    )  # fmt: skip
    free, masked = (
        F.scaled_dot_product_attention(q, k, torch.eye(10).expand(2, 4, 10, 10), m)
        for m in (None, causal)
    )  # fmt: skip
    compare([("no mask", free[0, 0]), ("causal", masked[0, 0])])

# %% [markdown]
# ## 8 · Learn to look, and click through it
#
# Mosaics of 4 x 4 colours, made from the set `shapes`. Every square must report the colour on its **left** and
# the one **above** (across the edge: from the far side).


# %%
def mosaics(split):
    images = F.adaptive_avg_pool2d(load("shapes", split).images, 4)  # b c 4 4
    return (images - 0.7) / 0.25


train, test = mosaics("train"), mosaics("test")
show_images((0.25 * train[:8] + 0.7), columns=8, alt="Eight mosaics of four by four colours.")

# %% [markdown]
# The smallest model with your layer in it: embed, add a learned place, attend, read out.


# %%
class Neighbours(nn.Module):
    def __init__(self, num_heads):
        super().__init__()
        self.embed, self.read = nn.Linear(3, 32), nn.Linear(32, 6)
        self.places = nn.Parameter(torch.randn(16, 32))
        self.attend = MultiHeadAttention(32, num_heads)

    def tokens(self, images):
        return self.embed(images.flatten(2).transpose(1, 2)) + self.places  # b n d

    def forward(self, images):
        return self.read(self.attend(self.tokens(images))).transpose(1, 2).reshape(-1, 6, 4, 4)


# %%
def neighbours(images):
    return torch.cat([images.roll(1, 3), images.roll(1, 2)], 1)  # b 6 4 4: left, above


def fit(model, goal, steps=150):
    conv = isinstance(model, nn.Conv2d)
    # each at a rate that suits it
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-2 if conv else 1e-2)
    losses = []
    for _ in range(steps):
        batch = train[torch.randint(0, len(train), (32,))]
        loss = F.mse_loss(model(batch), goal(batch))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


# %% [markdown]
# One head, two heads, and for comparison a single 3 x 3 convolution, born with its neighbours in view.

# %%
torch.set_num_threads(1)  # for matrices as small as these, one core is faster than two
if ready("Q5"):
    fit(Neighbours(1), neighbours, steps=1)  # the first step of all loads the optimiser
    models, history, seconds = {}, {}, {}
    for name in ("1 head", "2 heads", "conv 3 x 3"):
        torch.manual_seed(0)
        conv = nn.Conv2d(3, 6, 3, padding=1, padding_mode="circular")
        models[name] = conv if name.startswith("conv") else Neighbours(int(name[0]))
        start = time.process_time()
        history[name] = fit(models[name], neighbours)
        seconds[name] = time.process_time() - start

# %%
if ready("Q5"):
    smooth = {
        name: torch.tensor(losses).reshape(-1, 10).mean(1).tolist()
        for name, losses in history.items()
    }  # fmt: skip
    curves(range(10, 151, 10), smooth, xlabel="step", ylabel="mean squared error", logy=True)

# %% [markdown]
# One head lags far behind, as the purple square said it would. Two get there. On images not seen in training:

# %%
if ready("Q5"):
    with torch.no_grad():
        error = {
            name: F.mse_loss(model(test), neighbours(test)).item()
            for name, model in models.items()
        }  # fmt: skip
    for name, model in models.items():
        weights = sum(p.numel() for p in model.parameters())
        print(f"{name:<11} error {error[name]:.1e}, {weights:>6,} parameters, {seconds[name]:.2f} s")
    assert error["conv 3 x 3"] < error["2 heads"] < 0.3 * error["1 head"]

# %% [markdown]
# ### What did it learn?
#
# Your Q5b reads the maps off the trained layers. All sixteen queries, head by head:

# %%
if ready("Q5") and ready("Q5b"):
    with torch.no_grad():
        inside = models["2 heads"].tokens(test[:1])
        layer = models["2 heads"].attend
        maps = attention_weights(layer.queries(inside), layer.keys(inside), 2)[0]  # h n n
    show_matrices([(f"head {h}", maps[h]) for h in range(2)])

# %% [markdown]
# Two shifted diagonals. Nobody told it what "left" is: it found two directions, and gave each a head. **Click
# through it:**


# %%
def click(token):
    looks = {f"head {h}": maps[h, token] for h in range(2)}
    show_looks(0.25 * test[0] + 0.7, looks, grid=(4, 4), token=token, side=1.5)


if ready("Q5") and ready("Q5b"):
    explore(click, token=list(range(16)))

# %% [markdown]
# **An honest result.** For neighbours the convolution is the better tool: a thirtieth of the weights, no error
# to speak of. What attention pays for is freedom. Now let every square report its *opposite*:


# %%
def opposite(images):
    return images.flip(2, 3).repeat(1, 2, 1, 1)  # b 6 4 4: the same colour twice


if ready("Q5"):
    far = {}
    torch.manual_seed(0)
    for name, model in (("2 heads", Neighbours(2)), ("conv 3 x 3", nn.Conv2d(3, 6, 3, padding=1))):
        fit(model, opposite)
        with torch.no_grad():
            far[name] = F.mse_loss(model(test), opposite(test)).item()
    bars(far, xlabel="error, the opposite square", form="{:.2g}")
    assert far["2 heads"] < 0.1 * far["conv 3 x 3"]

# %% [markdown]
# The same layer, another law; the convolution can't see that far. Prior knowledge is cheap where it is right.

# %% [markdown]
# ## 9 · Q5c: from one set to another
#
# Nothing says that those who ask and those who are asked are the same. *Cross-attention*: queries from `x`,
# keys and values from a `context` of another length. It is how a caption looks at an image.
#
# From here on the library does the arithmetic (yours agreed to 1e-6). About three lines, and one short blank:
# who goes through which layer, and what is returned.


# %% tags=["answer"] question="Q5c"
# Q5c: cross-attention
class CrossAttention(nn.Module):
    """x (b, n, emb_size) asks context (b, m, emb_size) -> (b, n, emb_size)."""

    def __init__(self, emb_size=64, num_heads=4):
        super().__init__()
        self.num_heads = num_heads
        self.keys = nn.Linear(emb_size, emb_size)
        self.queries = nn.Linear(emb_size, emb_size)
        self.values = nn.Linear(emb_size, emb_size)
        self.projection = nn.Linear(emb_size, emb_size)

    def split(self, tokens):
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
# <details><summary>Hint: how many answers come back?</summary>
#
# One for each that asks. If you get as many as the context has tokens, the wrong set is asking.
# </details>
# <details><summary>Hint: unequal lengths stop at the product</summary>
#
# The weights are `(n, m)`. What they are multiplied with must have `m` rows. From which set do those come?
# </details>
# <details><summary>Stronger hint</summary>
#
# `self.split(...)` makes heads of what a layer returns. Three lines of the same form; only the name of the
# layer and the source change.
# </details>

# %% [markdown]
# ### Ask the picture
#
# Three colours ask the house by the lake. No training: the layers are set to the identity, two of them six
# times as strong.

# %%
if ready("Q5c") and ready("Q5b"):
    questions = torch.stack([colours[26], colours[29], colours[14]])[None]  # 1 3 3: roof, tree, sun
    cross = CrossAttention(emb_size=3, num_heads=1)
    with torch.no_grad():
        for layer, strength in ((cross.queries, 6), (cross.keys, 6), (cross.values, 1), (cross.projection, 1)):
            layer.weight.copy_(strength * torch.eye(3))
            layer.bias.zero_()
        answers = cross(questions, colours[None])
        looks = attention_weights(cross.queries(questions), cross.keys(colours[None]), 1)[0, 0]  # n m
    print(tuple(questions.shape), "asks", (1, *colours.shape), "and gets", tuple(answers.shape))
    show_looks(image, dict(zip(("red?", "green?", "yellow?"), looks, strict=True)), grid=(8, 8))

# %% [markdown]
# Three questions, three answers, however long the context. Its order is no matter either:

# %%
if ready("Q5c") and ready("Q5b"):
    with torch.no_grad():
        stirred = cross(questions, colours[torch.randperm(64)][None])
    print(f"context shuffled: answers change by {(stirred - answers).abs().max():.0e}")
    assert torch.allclose(stirred, answers, atol=1e-6)

# %% [markdown]
# ## 10 · What it costs
#
# `n` queries meet `n` keys. Measure with your Q5a: milliseconds on one core, and the bytes that PyTorch keeps
# for the backward pass (a hook counts them).


# %%
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


# %%
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


# %%
if ready("Q5a"):
    counts, times, memory = [], {"yours": []}, {"yours": []}
    for n in (128, 256, 512, 1024, 2048):
        counts.append(n)
        times["yours"].append(milliseconds(attention, n))
        memory["yours"].append(kept_bytes(attention, n) / 2**20)
        if times["yours"][-1] > 300:  # with Python loops: enough is enough
            break

# %%
if ready("Q5a"):
    squares = [(n / counts[-1]) ** 2 for n in counts]
    panels = {"milliseconds": times, "MiB kept": memory}
    law = {
        name: series | {"n²": [series["yours"][-1] * s for s in squares]}
        for name, series in panels.items()
    }  # fmt: skip
    show_powers(counts, law, xlabel="tokens")

# %% [markdown]
# On a log plot a power is a straight line, and its slope is the exponent. Twice the tokens:

# %%
if ready("Q5a"):
    for name, series in (("memory", memory["yours"]), ("time", times["yours"])):
        print(
            f"{name}: {series[-1] / series[-2]:.1f} times as much from {counts[-2]} to {counts[-1]} tokens"
        )  # fmt: skip
    if counts[-1] == 2048:
        assert 3.5 < memory["yours"][-1] / memory["yours"][-2] < 4.5

# %% [markdown]
# (Time may do worse than four, once the matrix falls out of the processor's cache.)
#
# Must it be *stored*? No. PyTorch's fused kernel works tile by tile:


# %%
def fused(q, k, v):
    return F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]


if ready("Q5a"):
    times["fused"] = [milliseconds(fused, n) for n in counts]
    memory["fused"] = [kept_bytes(fused, n) / 2**20 for n in counts]
    show_powers(counts, {"milliseconds": times, "MiB kept": memory}, xlabel="tokens")
    assert memory["fused"][-1] / memory["fused"][-2] < 2.1

# %% [markdown]
# Memory is linear now. Time is not: every entry is still computed.
#
# And is it n² that hurts? Four layers cost 4nd² multiplications, energy and mixture 2n²d: even at `n = 2d`. For
# a ViT-B:

# %%
for side in (224, 512, 1024):
    n, d = (side // 16) ** 2 + 1, 768
    share = 2 * n * n * d / (2 * n * n * d + 4 * n * d * d)
    print(
        f"{side:>4} pixels: {n:>4} tokens, {100 * share:3.0f} % of the attention layer's work is quadratic"
    )  # fmt: skip

# %% [markdown]
# At 224 pixels attention is mostly four plain matrices. At 1024 it is mostly n². Windows (lesson 09) are an
# answer to the second, not to the first.
#
# > ### What could go wrong
# > - **The scale after the softmax,** or of the whole width. Nothing raises; rows don't add up to 1.
# > - **`softmax(dim=1)`.** Right for `(b, m)`, wrong for `(b, n, m)`. Say `dim=-1`.
# > - **A join without a move.** `out.reshape(b, n, -1)` on `b h n d` has the right shape (below).
# > - **Mask meanings.** Here and in `F.scaled_dot_product_attention`, True is *look*. In
# >   `nn.MultiheadAttention`, True is *don't*.
# > - **A row with nothing to look at.** Filled with `-inf` it becomes `nan`; with the smallest number, a plain
# >   mean (below).
# > - **`masked_fill` without an assignment** does nothing at all. So does a dropout that nobody calls.
# > - **A functional dropout** doesn't know about `.eval()`. Give it `p if self.training else 0.0`.

# %%
energy = torch.tensor([[1.0, 2.0, 3.0]])
nobody = torch.zeros(1, 3, dtype=torch.bool)
for fill in (-torch.inf, torch.finfo(torch.float32).min):
    print(f"{fill:>9.1e}:", energy.masked_fill(nobody.logical_not(), fill).softmax(-1).tolist()[0])

# %%
answers = torch.arange(12).reshape(2, 3, 2)  # h n d: two heads, three tokens
glued = answers.reshape(3, 4)  # the right shape ...
show_numbers([("head 0", answers[0]), ("head 1", answers[1]), ("“3 tokens”", glued)],
             groups=torch.arange(12) // 6)  # fmt: skip

# %% [markdown]
# Two of the three "tokens" hold a single head. In each row, blue should stand beside orange.

# %% [markdown]
# ## 11 · Blank page: multi-head attention from memory
#
# Close the cells above. Write the class `SelfAttention(emb_size, num_heads)` with `forward(x, mask=None)`, from an
# empty cell: the layers, the heads, the scale, the mask and the last linear layer. Name and arrange the layers as
# you like: separate layers, one fused layer, or a list of heads are all accepted. Only `nn.MultiheadAttention` is
# not, since it is the answer itself. The class needs no dropout.
#
# The check fills your matrices with random numbers and compares the outputs and the gradients.

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
# ## 12 · In words
#
# **W5a** (2 points). A colleague writes: "Attention is permutation invariant, so the order of the patches makes
# no difference to a ViT." Correct the first half with the right word and an equation. What in a ViT *without*
# position codes is invariant nevertheless, and what changes once there are position codes?

# %% [markdown] tags=["written"] question="W5a" points=2
# Self-attention is *equivariant*: for every permutation `P` of the tokens, `f(Px) = P f(x)`. The answers move
# along with their tokens; invariance, `f(Px) = f(x)`, doesn't hold. What is read out of it can be invariant:
# the mean over all tokens, or the answer of a class token that isn't shuffled itself, because keys and values
# enter as a sum over a set. So the logits of a ViT without position codes don't change when its patches are
# shuffled. With codes added by place, a shuffled image is a different set of vectors (content plus place):
# neither property holds for the contents any longer, and order can matter.

# %% [markdown] tags=["rubric"]
# **W5a, 2 points.**
# - 1 point: "equivariant" with `f(Px) = P f(x)` in symbols or in clear words. Half a point for the word alone.
# - ½ point: names an invariant read-out (mean over tokens, class token, or the logits), with a reason.
# - ½ point: says that codes bind content to place, so that a shuffle makes other tokens. No point for "the
#   codes restore the order".

# %% [markdown]
# **W5b** (2 points). You fine-tune a ViT on images of twice the side, with patches of the same size. By which
# factors grow the number of tokens, the work of the four linear layers, the work of energy and mixture, and the
# bytes of stored weights? Which of these does a fused kernel avoid? Name one change to the model that would
# tame the rest, and what it gives up.

# %% [markdown] tags=["written"] question="W5b" points=2
# Tokens 4 times, linear layers 4 times (linear in n), energy and mixture 16 times, stored weights 16 times. A
# fused kernel avoids storing the weights, so memory grows only 4 times; the 16-fold work stays. Ways out:
# attention within windows (work linear in n, but a token no longer sees the whole image in one layer); larger
# patches (n as before, but finer detail must fit one token); fewer keys and values by pooling them (each query
# sees a coarser image).

# %% [markdown] tags=["rubric"]
# **W5b, 2 points.**
# - 1 point: the factors 4, 4, 16, 16 (half a point for three of them).
# - ½ point: the fused kernel saves the *memory* of the weights, not the work.
# - ½ point: one change **and** its price.

# %% [markdown]
# ## 13 · What you take along
#
# | | |
# |---|---|
# | attention | score, soften, mix: every query gets its own mixture of the values |
# | scale | before the softmax, by the root of *one head's* width |
# | test for it | rows add up to 1; wide heads listen to as many tokens as narrow ones |
# | self-attention | equivariant in its tokens; a mean or a class token's answer is invariant |
# | heads | slices of the width, one opinion each; no extra weights |
# | cross-attention | queries from here, keys and values from there |
# | cost | work n²d; stored n² per head, or n with a fused kernel |
#
# **Further reading**
# - Vaswani et al., *Attention Is All You Need*, NeurIPS 2017. Figure 2 is your Q5a and Q5; a footnote in
#   Section 3.2.1 is section 3 of this lesson; Table 1 compares costs; Table 3, rows (A), varies the number of
#   heads.
# - Cordonnier, Loukas and Jaggi, *On the Relationship between Self-Attention and Convolutional Layers*, ICLR
#   2020. Theorem 1: with enough heads, attention can be any convolution. Your two diagonals are two of its
#   pixels.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 7, right: how far each head of a
#   trained ViT looks; some look far from the first layer on.
# - Bahdanau, Cho and Bengio, *Neural Machine Translation by Jointly Learning to Align and Translate*, ICLR
#   2015. Figure 3: attention maps before there were transformers; Q5c's ancestor.
# - Dao et al., *FlashAttention*, NeurIPS 2022. Figure 1: the tiles behind the fused kernel.
#
# Next: **06 · Encoder block**, which wraps your layer so that it can be stacked twelve deep.
