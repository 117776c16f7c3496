# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 03 · Patch embedding {{badge}}
#
# **Question of this lesson.** A patch has `p · p · c` numbers. How does it become a token of a chosen width `d`?
#
# **Why it matters.** This is the first layer of every Vision Transformer: one linear layer, shared by all patches. It
# can be written in two ways that give the same numbers, and converted wrongly without an error.
#
# | | |
# |---|---|
# | **You need** | lesson 01 (patches); `nn.Linear`, `nn.Conv2d` |
# | **Time** | 60 minutes |
# | **You write** | Q2 `PatchEmbedding`, Q2b `ConvPatchEmbedding`, Q2c from an empty cell; W3a and W3b in words |
#
# **Afterwards you can**
# - write a patch embedding in both forms and count its parameters;
# - carry weights from one form to the other, and test that the outputs agree;
# - say how much of a patch a token keeps;
# - explain why the order of pixels inside a patch is free and the order of patches is not.
#
# {{questions}}
#
# | in the lectures | here | in timm | in the ViT paper |
# |---|---|---|---|
# | `PatchEmbedding(in_channels, patch_size, emb_size, img_size)` | the same | `PatchEmbed` | $E$ |
# | `projection`, `patch_embed` | `projection` | `proj` (a convolution) | $x_p E$ |
# | `emb_size`, `embed_dim`, `embedding_dim` | `emb_size`, letter `d` | `embed_dim` | $D$ |

# %% tags=["bootstrap"]

# %% tags=["setup"]
import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import nn

from helpers import check, ready
from helpers.data import load, sample_image
from helpers.data.photographs import photograph
from helpers.device import device, seed_everything
from helpers.experiments.patch_embedding import (
    BagOfTokens,
    accuracy,
    best_directions,
    cosines,
    flattened_patches,
    joined,
    median_milliseconds,
    read_matrix,
    share_lost,
    small_cnn,
    train,
)
from helpers.explore import explore
from helpers.pictures.patch_embedding import show_filters, show_reading_order
from helpers.pictures.patches import show_numbers
from helpers.plots import bars, compare, curves, show_grid, token_strip

torch.set_num_threads(1)  # these models are so small that further threads would only wait for each other

# %% [markdown]
# The letters are the same in every lesson: `b` batch, `n` tokens, `d` width of a token (`emb_size` in code), `c h w`
# image, `p` side of a patch; in this lesson also `k = c · p · p`, the number of values in a patch.

# %% [markdown]
# ## 1 · Why not use the flattened patch itself?
#
# We cut a small image into patches (lesson 01) and flatten each into a row of `k` numbers. (`F.unfold` does both. It
# puts the patches last, so we transpose.)

# %%
image = sample_image(32)  # c h w
show_grid(image, 8)
patches = F.unfold(image[None], 8, stride=8)[0].T  # n k
print(tuple(patches.shape))
for p in (4, 8, 16):
    rows = F.unfold(image[None], p, stride=p)[0].T  # n k
    print(f"patches of {p:>2} x {p:<2}: {rows.shape[0]:>2} rows of {rows.shape[1]:>3} numbers")

# %% [markdown]
# Two reasons speak against giving these rows to a transformer. First, their length depends on the patch size, but a
# transformer has the *same* width in all its layers, because it adds the input of a layer to its output (residual
# connections, lesson 06). Second, neighbouring pixels are strongly correlated, so most of the numbers are redundant:

# %%
photo = photograph("china", 64)
neighbours = torch.stack([photo[:, :, :-1].flatten(), photo[:, :, 1:].flatten()])
print(f"correlation of horizontal neighbours in a photograph: {torch.corrcoef(neighbours)[0, 1]:.2f}")

# %% [markdown]
# A learned matrix solves both problems:
#
# $$ z = x\,E + b \qquad\qquad x: (n, k) \quad E: (k, d) \quad z: (n, d) $$
#
# This **linear projection** is the whole **patch embedding**: equation 1 of the ViT paper, without the parts that
# lesson 04 adds. A vector that represents something else, here a patch, is called its **embedding**.
#
# **Answer.** The flattened patch has the wrong length and redundant numbers. A linear layer turns it into a token of
# width `d`.

# %% [markdown]
# ## 2 · What does one column of the matrix compute?
#
# Each column of `E` multiplies the pixels of a patch with `k` weights and adds the products. The result is large where
# the patch looks like the weights; such a set of weights is called a **filter**. Here are three filters written by hand
# for grey patches of 4 x 4:

# %%
right = torch.ones(4, 4)
right[:, :2] = -1  # + on the right half, − on the left
filters = torch.stack([torch.ones(4, 4), right, right.T]) / 16  # d p p
names = ["mean brightness", "brighter on the right", "brighter below"]
compare(list(zip(names, filters, strict=True)), alt="Three 4 by 4 patterns of plus and minus.")

# %% [markdown]
# One matrix product applies all three filters to all patches: 256 tokens of width 3. We arrange each of the three
# numbers on the grid of patches:

# %%
grey = photo.mean(0, keepdim=True)  # 1 h w
E = rearrange(filters, "d y x -> (y x) d")  # k d
tokens = F.unfold(grey[None], 4, stride=4)[0].T @ E  # n d
maps = rearrange(tokens, "(y x) d -> d y x", y=16)
print(tuple(tokens.shape))
compare([("image", grey), (names[0], maps[0])], alt="The grey photograph, and its brightness on a 16 by 16 map.")
compare(list(zip(names, maps, strict=True))[1:], alt="Vertical edges on one map, horizontal edges on the other.")

# %% [markdown]
# > **Figure 3.1 · The three numbers of each token, arranged on the grid of patches.** The first filter gives a small
# > version of the image, the second responds to vertical edges, the third to horizontal ones (the roofs).
#
# In a real model the filters are not written by hand; they are learned.
#
# **Try it.** Change the sixteen weights, run the cell, and look where your filter responds.

# %%
mine = torch.tensor([[1.0, -1, 1, -1], [-1, 1, -1, 1], [1, -1, 1, -1], [-1, 1, -1, 1]])
mine_map = (F.unfold(grey[None], 4, stride=4)[0].T @ mine.flatten()).reshape(16, 16)
compare([("my filter", mine), ("its response", mine_map)], shared=False, alt="My filter, and where it responds.")

# %% [markdown]
# ## 3 · Splitting and merging axes with einops
#
# You need one more tool. In `einops`, a bracket on the *left* of the arrow splits an axis. There are two ways to split
# twelve numbers by threes:

# %%
row = torch.arange(12)
groups = rearrange(row, "(n s) -> n s", s=3)
every_fourth = rearrange(row, "(s n) -> n s", s=3)
show_numbers([("(n s) -> n s", groups), ("(s n) -> n s", every_fourth)], groups=row // 3)

# %% [markdown]
# The last letter in a bracket changes fastest: `(n s)` keeps neighbours together, `(s n)` takes every fourth number.
# A bracket on the *right* merges axes by the same rule. Four examples on six small images (as in the walk-through
# Q1-Q7, which shows them on letters):

# %%
six = torch.stack([photograph(name, 40) for name in ("china", "flower", "hopper")] * 2)  # b c h w
stacked = rearrange(six, "b c h w -> c (b h) w")  # one below the other
wide = rearrange(six, "b c h w -> c h (b w)")  # side by side
table = rearrange(six, "(rows columns) c h w -> c (rows h) (columns w)", rows=2)
halves = rearrange(six, "b c (y h) w -> c (y h) (b w)", y=2)
space_to_depth = rearrange(six, "b c (h y) (w x) -> b (c y x) h w", y=2, x=2)
for name, result in (("one below the other", stacked), ("side by side", wide), ("2 x 3 table", table)):
    print(f"{name:<22} {tuple(six.shape)} -> {tuple(result.shape)}")
print(f"{'space to depth':<22} {tuple(six.shape)} -> {tuple(space_to_depth.shape)}")
compare([("side by side: c h (b w)", wide)], alt="Six small photographs side by side.")
assert torch.equal(halves, wide)  # splitting and merging the same axis changes nothing

# %% [markdown]
# > **Figure 3.2 · `b c h w -> c h (b w)`.** The batch axis was merged with the width; `b` comes first in the
# > bracket, so the images stay whole. With `(w b)` their columns would be interleaved.
#
# `Rearrange(pattern, s=3)` is the same operation as a layer, for use in `nn.Sequential`. `nn.Linear` works on the last
# axis, whatever axes precede it:

# %%
layers = nn.Sequential(Rearrange("b (n s) -> b n s", s=3), nn.Linear(3, 5))
print(tuple(layers(torch.rand(7, 12)).shape))  # b n 5

# %% [markdown]
# ## 4 · Q2: patch embedding as cut and projection
#
# Write the embedding with one `Rearrange` and one `Linear`: from `(b, c, h, w)` to `(b, patches, emb_size)`, with the
# patches in reading order. The order of the pixels *inside* a patch is yours to choose.


# %% tags=["answer"] question="Q2"
# Q2: from images to tokens, by a cut and a matrix
class PatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, patches, emb_size), patches row by row from the top left."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        # The width of the linear layer's input: all numbers of one flattened patch.
        values = patch_size * patch_size * in_channels  # BLANK
        self.projection = nn.Sequential(
            Rearrange("b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size),
            nn.Linear(values, emb_size),
        )  # BLANK: "b c (h p1) (w p2) -> b (h w) (p1 p2 c)", p1=patch_size, p2=patch_size

    def forward(self, x):
        return self.projection(x)  # b n d


# %% tags=["check"] question="Q2" points=6
check("Q2", PatchEmbedding)

# %% [markdown]
# <details><summary>Hint: "mat1 and mat2 shapes cannot be multiplied"</summary>
#
# The message gives two shapes. The second number of the first shape is the length of a flattened patch. The first
# number of the second shape is the input width of your linear layer. They must be equal: which one is wrong?
# </details>
# <details><summary>Hint: einops complains about sizes, or about letters on one side only</summary>
#
# Each letter on the left must appear on the right exactly once. A bracket of two letters can be split only if you give
# the size of one of them after the pattern, as `s=3` above.
# </details>
# <details><summary>Hint: it runs, but the picture shows interleaved rows or a wrong order</summary>
#
# Interleaved rows: which letter changes fastest inside the brackets on the left? Wrong order: which letter changes
# fastest in the bracket that makes the tokens?
# </details>
# <details><summary>Stronger hint</summary>
#
# Compare with the einops line of lesson 01. It splits height and width, merges the two letters that *count* patches,
# and keeps channel, row and column of the patch as three axes. Here these three are one axis.
# </details>

# %% [markdown]
# ## 5 · What do your tokens contain?

# %%
if ready("Q2"):
    seed_everything(0)
    embed = PatchEmbedding()
    tokens = embed(image[None])  # b n d
    print(tuple(tokens.shape))
    print(sum(parameter.numel() for parameter in embed.parameters()), "parameters; k·d + d =", 192 * 64 + 64)
    token_strip(tokens[0], title="sixteen tokens of width 64", alt="Sixteen rows of 64 colours: the tokens.")

# %% [markdown]
# The number of patches does not enter the count: one matrix serves all patches. In ViT-Base, with patches of 16 x 16
# and width 768, the patch embedding is a small part of the model:

# %%
base = nn.Linear(16 * 16 * 3, 768)
count = sum(parameter.numel() for parameter in base.parameters())
assert count == 768 * 768 + 768 == 590_592
print(f"{count:,} parameters, {count / 86e6:.1%} of ViT-Base's 86 million")

# %% [markdown]
# ### Which tokens depend on a pixel?
#
# **Try it.** Change a block of pixels and measure how far each token moves. Predict the result first.


# %%
def changed(row=12, column=20):
    other = image.clone()
    other[:, row : row + 2, column : column + 2] = torch.tensor([1.0, 0.0, 1.0])[:, None, None]  # magenta
    moved = (embed(other[None]) - embed(image[None])).norm(dim=-1)  # b n
    compare([("four pixels changed", other), ("how far each token moves", moved.reshape(4, 4))])


if ready("Q2"):
    explore(changed, row=[2, 12, 20, 28], column=[4, 12, 20, 28])

# %% [markdown]
# > **Figure 3.3 · Tokens that depend on the changed pixels.** Only one token moves: before attention, a token
# > depends on its own patch alone.
#
# ### Reading the matrix from outside
#
# The embedding is an affine map (linear plus bias). We can therefore read `E` and `b` from its outputs: an empty image
# gives the bias, and an image with a single bright pixel gives one row of `E`.

# %%
if ready("Q2"):
    E, bias = read_matrix(embed)
    gap = (patches @ E + bias - tokens[0]).abs().max()
    print(f"E {tuple(E.shape)}: patches @ E + b differs from your tokens by at most {gap:.0e}")
    fresh = rearrange(E, "(c y x) d -> d c y x", c=3, y=8)
    show_filters({"64 filters, untrained": fresh}, alt="64 little squares of coloured noise.")

# %% [markdown]
# > **Figure 3.4 · The columns of your untrained `E` as images of 8 x 8 (grey is zero).** They are noise.
#
# Are tokens of a random matrix useless? We compare all pairs of patches, once as pixels and once as tokens:

# %%
if ready("Q2"):
    of_pixels, of_tokens = cosines(patches), cosines(tokens[0].detach())
    r = torch.corrcoef(torch.stack([of_pixels.flatten(), of_tokens.flatten()]))[0, 1]
    compare([("similarity as pixels", of_pixels), (f"similarity as tokens, r = {r:.2f}", of_tokens)])

# %% [markdown]
# > **Figure 3.5 · Cosine similarity of all pairs of patches.** The two maps are nearly equal.
#
# **Answer.** Even a random matrix preserves which patches are similar, if it has enough columns. Training starts from
# there.

# %% [markdown]
# ## 6 · What does a token lose?
#
# 192 numbers go in and 64 come out. The best linear reconstruction uses the pseudo-inverse of `E`.
#
# **Try it.** How wide must the tokens be for the image to be reconstructed?


# %%
def reconstruct(emb_size=64):
    seed_everything(0)
    E, _ = read_matrix(PatchEmbedding(emb_size=emb_size))
    back = (patches @ E) @ torch.linalg.pinv(E)  # n k
    rank = torch.linalg.matrix_rank(E)
    compare([(f"rank {rank}", joined(back))], alt=f"The image reconstructed through a matrix of rank {rank}.")


if ready("Q2"):
    explore(reconstruct, emb_size=[16, 64, 128, 176, 192, 256])

# %% [markdown]
# > **Figure 3.6 · Reconstruction from an untrained embedding.** With `d = 192` everything is recovered. A larger `d`
# > adds nothing, since the rank of `E` cannot exceed `k = 192`. A smaller one keeps `d` of 192 directions, chosen at
# > random.
#
# Better directions can be computed from data: a singular value decomposition (SVD) of the patches of 500 other drawings
# gives the directions with the most energy (sum of squares).

# %%
drawings = load("shapes", limit=500).images  # b c h w
best = best_directions(drawings)  # k k
panels = [(f"from {d} numbers", joined(patches @ best[:d].T @ best[:d])) for d in (4, 16, 64)]
compare([("image", image), *panels], alt="The image returns well from 64 numbers per patch, and blurred from 4.")

new = flattened_patches(load("shapes", "test", limit=200).images)
widths = [1, 2, 4, 8, 16, 32, 64, 128, 191]
lost = {"random directions": [share_lost(new, torch.linalg.qr(torch.randn(192, d)).Q) for d in widths],
        "best directions": [share_lost(new, best[:d].T) for d in widths]}  # fmt: skip
curves(widths, lost, logx=True, logy=True, xlabel="width d of the token", ylabel="share of the energy that is lost")
assert lost["best directions"][widths.index(64)] < 0.01 < 0.5 < lost["random directions"][widths.index(64)]

# %% [markdown]
# > **Figure 3.7 · Energy lost on 200 new drawings.** Random directions lose it in proportion; the best 64 directions
# > lose less than one percent.
#
# **Answer.** A token narrower than the patch loses information, but with well-chosen directions very little. This is
# why `emb_size` may be smaller than `k`, and why the embedding is learned.

# %% [markdown]
# ## 7 · What does training change?
#
# The smallest classifier with a patch embedding is a **bag of tokens**: embedding, GELU (a nonlinearity, lesson 06),
# mean over all tokens, one linear layer. It has no positions and no attention. We compare it with a CNN of about the
# same number of parameters on ten classes of drawings, eight epochs, three seeds.

# %%
results = {}
if ready("Q2"):
    for seed in range(3):
        seed_everything(seed)
        models = {"bag of tokens": BagOfTokens(PatchEmbedding()), "small CNN": small_cnn()}
        for name, model in models.items():
            results.setdefault(name, []).append(train(model, seed=seed))
            print(f"seed {seed}, {name}: {results[name][-1]:.1%}")
    bag = models["bag of tokens"]
    means = {name: sum(values) / 3 for name, values in results.items()}
    spread = {name: (max(values) - min(values)) / 2 for name, values in results.items()}
    bars(means | {"chance": 0.1}, spread, xlabel="accuracy on 500 test drawings", form="{:.0%}")
    assert min(results["small CNN"]) > max(results["bag of tokens"])

# %% [markdown]
# > **Figure 3.8 · Accuracy, mean and half the range of three seeds.** The CNN is far ahead. A bag of tokens can
# > represent "there is a stripe somewhere", but not which shape is above which.
#
# Positions (lessons 02 and 04) and attention (lesson 05) are needed for that. But the filters have changed:

# %%
if ready("Q2"):
    E, bias = read_matrix(bag.embedding.cpu())
    trained = rearrange(E, "(c y x) d -> d c y x", c=3, y=8)
    svd = best[:64].reshape(64, 3, 8, 8)
    blobs = "Noise; then colour blobs, edges and corners; then smooth waves of rising frequency."
    show_filters({"untrained": fresh, "after 8 epochs": trained, "best for reconstruction": svd}, alt=blobs)

# %% [markdown]
# > **Figure 3.9 · 64 filters: untrained, trained for classification, and the SVD's directions for reconstruction.**
# > Training produced colour blobs, edges and corners. Figure 7 (left) of the ViT paper shows the principal
# > components of a large model's filters; they resemble the third set.
#
# **Answer.** Training turns noise into filters that respond to colours, edges and corners. Without positions and
# attention the model is still weak.

# %% [markdown]
# ## 8 · Which order is free?
#
# Inside a patch, every order works as long as it is always the same: permute the pixels and the rows of the matrix
# in the same way, and the tokens stay the same.

# %%
shuffle = torch.randperm(192)
plain, other = nn.Linear(192, 64), nn.Linear(192, 64)
with torch.no_grad():
    other.weight.copy_(plain.weight[:, shuffle])
    other.bias.copy_(plain.bias)
gap = (plain(patches) - other(patches[:, shuffle])).abs().max()
assert gap < 1e-5
print(f"largest difference: {gap:.0e}")

# %% [markdown]
# The order of the *patches* is different. Position 5 means "second row, second patch" to the position encoding, to
# every pretrained model and to every map that we draw.

# %%
down = [4 * row + column for column in range(4) for row in range(4)]
show_reading_order({"row by row": (4, 4, list(range(16))), "column by column": (4, 4, down)})
compare([("row by row", joined(patches)), ("column by column", joined(patches[down]))])

# %% [markdown]
# > **Figure 3.10 · Tokens in column order, read as if they were in row order (right).** Every patch is intact, and
# > the image is scrambled. The shapes do not reveal it. The check of Q2 does: it changes single pixels and looks
# > which token moves.
#
# **Answer.** The learned matrix absorbs any order of pixels. Nothing absorbs an order of patches.

# %% [markdown]
# ## 9 · The same map as a convolution
#
# Take one filter, one column of `E`, and slide it over the image: at each place multiply and add. This is a convolution
# with one **kernel**.

# %%
kernel = torch.ones(1, 3, 8, 8)  # d c p p
kernel[..., :4] = -1  # brighter on the right
everywhere = F.conv2d(image[None], kernel)[0, 0]
patches_only = everywhere[::8, ::8]
titles = ["image", f"at {everywhere.numel()} places", f"at {patches_only.numel()} of them"]
compare(list(zip(titles, (image, everywhere, patches_only), strict=True)), shared=False)
by_matrix = patches @ kernel.flatten()  # n
assert torch.allclose(patches_only.flatten(), by_matrix, atol=1e-4)
print(f"largest difference between matrix and convolution: {(patches_only.flatten() - by_matrix).abs().max():.0e}")

# %% [markdown]
# > **Figure 3.11 · One kernel at all places and at the corners of the patches.** Where a patch begins, the kernel
# > covers exactly that patch and computes the same number as the matrix.
#
# Computing 625 numbers to keep 16 is wasteful. The **stride** of a convolution is the distance between the places
# that it computes. One kernel gives one number per token: how many kernels give a token of width `d`?
#
# ### Q2b: patch embedding as one convolution
#
# Two steps: choose the arguments of the convolution; then turn its grid `(b, d, h, w)` into tokens `(b, n, d)`.


# %% tags=["answer"] question="Q2b"
# Q2b: from images to tokens, by one convolution
class ConvPatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, patches, emb_size), patches row by row from the top left."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        self.projection = nn.Conv2d(
            in_channels, emb_size, kernel_size=patch_size, stride=patch_size
        )  # BLANK: in_channels, emb_size, kernel_size=patch_size, stride=patch_size

    def forward(self, x):
        grid = self.projection(x)  # b d h w
        return grid.flatten(2).transpose(1, 2)  # BLANK


# %% tags=["check"] question="Q2b" points=6
check("Q2b", ConvPatchEmbedding)

# %% [markdown]
# <details><summary>Hint: far too many tokens, or tokens that depend on a part of their patch</summary>
#
# A kernel has a size and a stride. In section 9 the size was 8, and every 8th place was kept.
# </details>
# <details><summary>Hint: "expected input to have … channels"</summary>
#
# The first argument is the number of channels of the image, the second the width of a token.
# </details>
# <details><summary>Hint: the right shape, but every token depends on several patches</summary>
#
# After merging `h` and `w` you have `(b, d, n)`. A reshape to `(b, n, d)` keeps the order of the numbers in memory and
# only regroups them (lesson 01); it never exchanges two axes.
# </details>
# <details><summary>Stronger hint</summary>
#
# Merge the last two axes first: `Tensor.flatten` takes the axis at which to begin. Then exchange the last two axes.
# </details>

# %% [markdown]
# ## 10 · Are both forms the same?
#
# We copy the trained `E` into the convolution, each column as one kernel.

# %%
if ready("Q2") and ready("Q2b"):
    twin = ConvPatchEmbedding()
    kernels, *biases = sorted(twin.parameters(), key=lambda values: -values.ndim)
    with torch.no_grad():
        kernels.copy_(rearrange(E, "(c y x) d -> d c y x", c=3, y=8))
        for values in biases:
            values.copy_(bias)
        tokens, twins = bag.embedding(drawings - 0.5), twin(drawings - 0.5)  # b n d
    gap = (tokens - twins).abs().max() / tokens.abs().max()
    print(f"largest difference over {len(drawings)} images: {gap:.0e} of the largest token entry")

# %% [markdown]
# The difference is within the precision of float32. (If yours is larger: does one of the two have no bias?) The
# exercise sheet, timm and torchvision use the convolution.

# %% [markdown]
# ### A common mistake
#
# A linear layer that flattens patches with the channel *last* stores its weights as `(d, y x c)`. Reshaped to
# `(d, c, y, x)` they have the right shape for a convolution and the wrong content:

# %%
if ready("Q2") and ready("Q2b"):
    stored = rearrange(E, "(c y x) d -> d (y x c)", c=3, y=8)  # as such a layer stores them
    wrong = stored.reshape(64, 3, 8, 8)
    correct = rearrange(stored, "d (y x c) -> d c y x", y=8, x=8)
    above = "Above, blobs of colour and edges; below, the same numbers as stripes and checks."
    show_filters({"rearranged": correct[:32], "reshaped": wrong[:32]}, alt=above)
    bag.embedding = twin.to(device())
    for name, values in {"rearranged": correct, "reshaped": wrong}.items():
        kernels.data.copy_(values)
        print(f"accuracy of the trained classifier with weights {name}: {accuracy(bag):.0%}")

# %% [markdown]
# > **Figure 3.12 · The same weights, rearranged and reshaped.** After the reshape, the red, green and blue weights
# > of one pixel are used for three neighbouring pixels of one channel. No error is raised.
#
# **Answer.** The two forms are one function. When you convert weights, compare *outputs* on a random image, not shapes.

# %% [markdown]
# ### Which form is faster?
#
# Both multiply `n·k·d` numbers per image. Median of 21 runs each, in turns:

# %%
if ready("Q2") and ready("Q2b"):
    for b, s, p, d in [(64, 32, 8, 64), (8, 224, 16, 192)]:
        sizes = {"patch_size": p, "emb_size": d, "img_size": s}
        ways = {"Linear": PatchEmbedding(**sizes), "Conv2d": ConvPatchEmbedding(**sizes)}
        took = median_milliseconds(ways, torch.rand(b, 3, s, s))
        print(f"{b} images of {s} x {s}: Linear {took['Linear']:.2f} ms, Conv2d {took['Conv2d']:.2f} ms")

# %% [markdown]
# The convolution need not write the flattened patches to memory; which form is faster still depends on sizes and
# machine. Either way the time is small beside that of the blocks that follow.

# %% [markdown]
# > ### What could go wrong
# >
# > - **It runs, and learns slowly.** The cut or its order may be scrambled. Change one pixel: exactly one token must
# >   move, and you must know which.
# > - **`reshape` where axes should be exchanged.** The shape is right and the rows are wrong. A transpose or einops
# >   moves axes.
# > - **Pretrained weights with poor accuracy.** Kernels were reshaped instead of rearranged, or pixels are in 0..255
# >   where the model was trained on 0..1. Compare outputs on one image.
# > - **Layers in a Python list, or created in `forward`.** `model.parameters()` does not contain them, so they are not
# >   trained. Print the number of parameters and compare it with `k·d + d`.
# > - **An image that does not divide.** einops raises an error; a strided convolution silently drops the rest:

# %%
uneven = sample_image((36, 36))[None]
grid = nn.Conv2d(3, 64, kernel_size=8, stride=8)(uneven)  # b d h w
print(tuple(grid.shape), "from 36 x 36: the last 4 rows and columns are in no token")

# %% [markdown]
# ## 11 · Q2c: a blank page
#
# Write the patch embedding again, from memory: the class `ImageToTokens(in_channels=3, patch_size=8, emb_size=64,
# img_size=32)`, from `(b, c, h, w)` to `(b, patches, emb_size)`, with the patches in reading order. Use either form or
# another one; names and layers are yours. The check looks at what each token depends on.


# %% tags=["answer"] question="Q2c" kind="blank-page"
# Q2c: the patch embedding from memory
# Write the class ImageToTokens in this cell.
class ImageToTokens(nn.Module):
    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.patch_size = patch_size
        self.linear = nn.Linear(in_channels * patch_size**2, emb_size)

    def forward(self, x):
        patches = F.unfold(x, self.patch_size, stride=self.patch_size)  # b k n
        return self.linear(patches.transpose(1, 2))  # b n d


# %% tags=["check"] question="Q2c" points=6
check("Q2c", ImageToTokens)

# %% [markdown]
# ## Stretch: filters from the data
#
# Section 6 used an SVD to find directions that keep much of a patch. **Principal component analysis** (PCA) is the same
# with one more step: the mean over all patches is subtracted first. Its first direction is the one along which the
# patches differ most (largest variance), the second the one of largest variance orthogonal to the first, and so on. An
# embedding may be initialised with these directions instead of random numbers.
#
# Write `principal_filters`: from patches `(m, k)` to the first `d` directions as the columns of a matrix `(k, d)`, each
# of length 1. The sign of a direction is free. This question is optional.


# %% tags=["answer"] question="Q2d" kind="stretch"
# Q2d: filters from principal components
def principal_filters(patches, d):
    """(m, k) -> (k, d): the d orthonormal directions of largest variance, the largest first."""
    # BEGIN BLANK
    centred = patches - patches.mean(dim=0)
    _, _, components = torch.linalg.svd(centred, full_matrices=False)
    return components[:d].T
    # END BLANK


# %% tags=["check"] question="Q2d" points=4
check("Q2d", principal_filters)

# %% [markdown]
# <details><summary>Hint: which of the three results of the SVD?</summary>
#
# `torch.linalg.svd(A)` returns `U`, `S` and `Vh` with `A = U @ diag(S) @ Vh`, sorted by `S`. A row of `A` is a patch,
# so a direction among patches has `k` numbers. Which of the matrices has rows of `k` numbers?
# </details>
# <details><summary>Hint: another way</summary>
#
# The directions are also the eigenvectors of the covariance matrix `(k, k)`. `torch.linalg.eigh` returns them as
# columns, with the *smallest* eigenvalue first.
# </details>

# %%
if ready("Q2d"):
    drawn = load("shapes", limit=500).images
    rows = F.unfold(drawn, 8, stride=8).transpose(1, 2).flatten(0, 1)  # m k
    found = principal_filters(rows, 16)
    show_filters({"the first 16 principal filters": rearrange(found, "(c y x) d -> d c y x", c=3, y=8)},
                 alt="Sixteen small squares: even colours first, then edges in several directions.")  # fmt: skip

# %% [markdown]
# > **Figure 3.13 · Principal components of 8,000 patches of drawings.** First come areas of one colour, then edges,
# > then finer patterns: without any training they resemble the filters that a ViT learns (Figure 7, left, in its
# paper).

# %% [markdown]
# ## 12 · In words
#
# These answers are read by a person. You get the model answers with your feedback.
#
# **W3a** (3 points). A colleague wants a stronger embedding for patches of 8 x 8 x 3 and proposes (i) two
# `nn.Linear` layers in a row, 192 → 128 → 64, instead of one, and (ii) `emb_size=256`, so that nothing is lost.
# What does each proposal change, and what does it not change?

# %% [markdown] tags=["written"] question="W3a" points=3
# (i) Two linear layers without an activation between them are one linear layer: the product of the matrices is a
# (192, 64) matrix, and one layer can hold any such matrix (as 128 ≥ 64, two can as well). More parameters and
# time, the same set of functions. With an activation between, it would be another model.
#
# (ii) The rank of a (192, 256) matrix is at most 192: the tokens lie in a 192-dimensional
# subspace and carry no information that 192 numbers wouldn't carry. Nothing is lost, true, but that is so at
# 192 already, and well chosen 64 directions lose under a percent here. The width may still be useful: it is
# room for later layers to work in, and every later layer pays for it.

# %% [markdown] tags=["rubric"]
# **W3a, 3 points.**
# - 1 point: (i) a product of matrices is a matrix; no new function without an activation.
# - 1 point: (ii) the rank is bounded by 192 (the smaller side), so no information is gained past it.
# - 1 point: a cost or a use named correctly in either case (parameters, time, room for later layers, little is
#   lost at 64). Half a point off for "more layers are always stronger" left standing.
#
# *A half-right sample (1½ of 3):* "(i) Two layers learn more complex features than one. (ii) With 256 numbers
# nothing is lost, but it costs more parameters and time in every later layer, and 192 would be enough." Case (i) is
# wrong; case (ii) has rank and cost, with half a point off for the first sentence.

# %% [markdown]
# **W3b** (2 points). Pixels inside a patch may be flattened in any order, as long as it is always the same. Why does
# this freedom end at the patches? What would have to be true of the rest of the model for the order of patches not
# to matter either?

# %% [markdown] tags=["written"] question="W3b" points=2
# Inside a patch the order only permutes the rows of `E`, which is learned: another order has
# another optimal matrix with exactly the same tokens. Between patches there is no learned matrix that could
# undo a permutation; the place in the sequence is itself the message, read by the positional code, by pretrained
# weights and by whoever maps attention back onto the image. If nothing downstream used the place (no positional
# code, attention or averaging only, as in the bag of tokens), the result would be the same for any order.

# %% [markdown] tags=["rubric"]
# **W3b, 2 points.**
# - 1 point: the learned matrix absorbs an order inside a patch (its rows are permuted); nothing does so for patches,
#   where the place carries meaning.
# - 1 point: without positions, with operations that treat tokens as a set (attention, mean), order wouldn't matter.
#   "A learned position embedding could be permuted too, if trained from scratch" also earns this point.
#
# *A half-right sample (1 of 2):* "The matrix can be permuted in the same way, so the pixels don't matter. Patches have
# positions." The first half is right; the condition on the rest of the model is missing.

# %% [markdown]
# ## 13 · Summary
#
# | | |
# |---|---|
# | patch embedding | one matrix and a bias, shared by all patches: `k·d + d` parameters |
# | two forms | cut and project, or a convolution with stride = kernel size; equal up to rounding |
# | rank | at most min(k, d): for `d < k` something is lost, and training chooses what |
# | order of pixels | free, absorbed by the matrix |
# | order of patches | part of the information |
# | bag of tokens | weaker than a CNN of its size; positions and attention are missing |
#
# **Further reading**
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021: equation 1; Figure 7 (left), the learned filters;
#   Table 1, the sizes. Section 3.1 notes that a patch may be 1 x 1 on a CNN's feature map.
# - Xiao et al., *Early Convolutions Help Transformers See Better*, NeurIPS 2021: Figure 1 compares this "patchify stem"
#   with a stack of small convolutions, which trains more stably. Lesson 10 builds it.
# - Chen, Xie and He, *An Empirical Study of Training Self-Supervised Vision Transformers* (MoCo v3), ICCV 2021:
#   freezing a *random* patch projection makes training more stable. Section 5 shows why that can work.
#
# Next: **04 · The class token**, which adds a token for the whole image and positions for all.
