# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 03 · Patch embedding {{badge}}
#
# **In one sentence:** you will turn patches into tokens with a single matrix, write it twice (as a cut and a
# multiplication, then as one convolution), make both agree to the sixth decimal, and see with your own eyes
# what that matrix keeps of a patch and what it drops.
#
# | | |
# |---|---|
# | **You need** | lesson 01 (patches); `nn.Linear`, `nn.Conv2d`; einops' bracket patterns come with a reminder |
# | **Time** | 45 minutes |
# | **You write** | Q2 `PatchEmbedding` (2 short blanks), Q2b `ConvPatchEmbedding` (2 more), W3a and W3b in words |
#
# **Afterwards you can**
# - write a patch embedding in either form, and count its parameters on a napkin;
# - carry weights from one form to the other, past a mistake that raises no error;
# - say how many numbers of a patch survive, and which;
# - explain why pixels may stand in any order, and patches may not.
#
# {{questions}}
#
# {{names: lectures L0, L1, L2, L4}}
# `PatchEmbedding`, `patch_embed` | `PatchEmbedding` | `PatchEmbed`, `patch_embed` | linear projection of patches
# `projection` | `projection` | `patch_embed.proj` | $\mathbf{E}$
# `emb_size`, `embed_dim`, `embedding_dim` | `emb_size`, letter `d` | `embed_dim` | $D$
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import time

import torch
import torch.nn.functional as F
from einops import rearrange
from einops.layers.torch import Rearrange
from torch import nn

from helpers import check, ready
from helpers.data import load, sample_image
from helpers.device import device, seed_everything
from helpers.explore import explore
from helpers.pictures.patch_embedding import show_filters, show_reading_order
from helpers.pictures.patches import show_numbers
from helpers.plots import bars, compare, curves, show_grid, token_strip

torch.set_num_threads(1)  # for models this small, several threads mostly wait for each other

# %% [markdown]
# Letters: `b` batch, `n` tokens, `d` width of a token (`emb_size` in code), `c h w` image, `p` side of a
# patch, and, today only, `k` for the count of numbers in one patch.

# %% [markdown]
# ## 1 · Sixteen rows of numbers
#
# The house by the lake again, cut as in lesson 01.

# %%
image = sample_image(32)  # c h w
show_grid(image, 8)

# %% [markdown]
# Roll every patch out into one long row. (`F.unfold` does it; it puts the patches last, so we transpose.)

# %%
patches = F.unfold(image[None], 8, stride=8)[0].T  # n k
print(tuple(patches.shape))
token_strip(
    patches,
    title="sixteen patches, rolled out",
    alt="Sixteen rows of 192 colours, one row per patch.",
)

# %% [markdown]
# Could a transformer not read this as it is? Two things speak against it. First, the scissors decide how long
# a row is:

# %%
for p in (4, 8, 16):
    rows = F.unfold(image[None], p, stride=p)[0].T  # n k
    print(f"patches of {p:>2} x {p:<2}: {rows.shape[0]:>2} rows of {rows.shape[1]:>3} numbers")

# %% [markdown]
# But a transformer has *one* width through all its layers: residual sums need equal lengths.
#
# Second, pixels echo. How well does one foretell its right-hand neighbour?

# %%
neighbours = torch.stack([image[:, :, :-1].flatten(), image[:, :, 1:].flatten()])
print(f"correlation of neighbours: {torch.corrcoef(neighbours)[0, 1]:.2f}")

# %% [markdown]
# So the rows are as long as the scissors say, and full of echoes. One learned matrix cures both:
#
# $$ z = x\,E + b \qquad\qquad x: (n, k) \quad E: (k, d) \quad z: (n, d) $$
#
# That is the whole patch embedding: equation 1 of the ViT paper, up to the things lesson 04 adds.

# %% [markdown]
# ## 2 · A matrix is a list of questions
#
# Each column of `E` asks one question of every patch. Let us write three by hand, for grey patches of 4 x 4.

# %%
right = torch.ones(4, 4)
right[:, :2] = -1  # + on the right half, − on the left
questions = torch.stack([torch.ones(4, 4), right, right.T]) / 16  # d p p
names = ["how bright?", "brighter right?", "brighter below?"]
compare(list(zip(names, questions, strict=True)), alt="Three 4 by 4 patterns of plus and minus.")

# %% [markdown]
# Sixteen numbers in, three out. One multiplication asks all three of all patches:

# %%
photo = sample_image(64).mean(0, keepdim=True)  # 1 h w, grey
E = rearrange(questions, "d y x -> (y x) d")  # k d
answers = F.unfold(photo[None], 4, stride=4)[0].T @ E  # n d
print(tuple(answers.shape))

# %% [markdown]
# 256 tokens of width 3. Put each number back where its patch was, and the answers are little pictures:

# %%
maps = rearrange(answers, "(y x) d -> d y x", y=16)
compare(
    [("image", photo), (names[0], maps[0])],
    alt="The grey house, and its brightness on a 16 by 16 map.",
)
compare(
    list(zip(names, maps, strict=True))[1:],
    alt="Left-right edges on one map, top-down edges on the other.",
)

# %% [markdown]
# Door and windows stand out in the left map. In the right one it is the eaves: dark roof above, bright wall
# below. Nobody writes such questions for a real model; they are learned.
#
# **Try it.** Ask something of your own: change the sixteen numbers, run, and look where it fires.

# %%
mine = torch.tensor(
    [
        [1.0, -1, 1, -1],
        [-1, 1, -1, 1],
        [1, -1, 1, -1],
        [-1, 1, -1, 1],
    ]
)
mine_map = (F.unfold(photo[None], 4, stride=4)[0].T @ mine.flatten()).reshape(16, 16)
compare(
    [("my question", mine), ("its answers", mine_map)],
    shared=False,
    alt="My pattern, and where it fires.",
)

# %% [markdown]
# ## 3 · Brackets, a reminder
#
# A bracket on the *left* of einops' arrow splits an axis. Two ways to split twelve numbers by threes:

# %%
row = torch.arange(12)
groups = rearrange(row, "(n s) -> n s", s=3)
combs = rearrange(row, "(s n) -> n s", s=3)
show_numbers([("(n s) -> n s", groups), ("(s n) -> n s", combs)], groups=row // 3)

# %% [markdown]
# In a bracket the last letter runs fastest: `(n s)` keeps neighbours together, `(s n)` makes combs.
#
# A bracket on the *right* merges:

# %%
grid = rearrange(row, "(y x) -> y x", x=4)
show_numbers(
    [("grid", grid), ("y x -> (y x)", grid.flatten()), ("y x -> (x y)", grid.T.flatten())],
    groups=row // 4,
)

# %% [markdown]
# `Rearrange(pattern, s=3)` is the same as a layer, to stand in an `nn.Sequential`. And `nn.Linear` works on
# the last axis, whatever stands before it:

# %%
layers = nn.Sequential(Rearrange("b (n s) -> b n s", s=3), nn.Linear(3, 5))
print(tuple(layers(torch.rand(7, 12)).shape))  # b n 5

# %% [markdown]
# ## 4 · Q2: cut and project
#
# Write the embedding as the lecture does: one `Rearrange`, one `Linear`. From `(b, c, h, w)` to
# `(b, patches, emb_size)`, the patches in reading order.
#
# Two blanks:
# 1. how many numbers does one patch hold, all channels counted?
# 2. the pattern that cuts and rolls out, and the sizes einops can't guess.
#
# The order of pixels *inside* a patch is yours to choose.


# %% tags=["answer"] question="Q2"
# Q2: from images to tokens, by a cut and a matrix
class PatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, patches, emb_size), patches row by row from the top left."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.num_patches = (img_size // patch_size) ** 2
        # What the Linear gets to see at a time: one patch, rolled out.
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
# <details><summary>Hint: “mat1 and mat2 shapes cannot be multiplied”</summary>
#
# The first pair of numbers is what arrives, its second number being the length of one rolled-out patch. The
# second pair starts with what your Linear was told to expect. They should be equal: which one is wrong?
# </details>
# <details><summary>Hint: einops complains about sizes, or about letters on one side only</summary>
#
# Each letter of the left side must appear on the right, once. And a bracket of two letters can only be split
# when you say how long one of them is; after the pattern, as `s=3` above.
# </details>
# <details><summary>Hint: it runs, but the picture shows combs, stripes or a wrong order</summary>
#
# Combs: which letter runs fastest inside the brackets on the left? Wrong order: which runs fastest in the
# bracket that makes the tokens?
# </details>
# <details><summary>Stronger hint</summary>
#
# Read lesson 01's einops line aloud: it splits height and width, then gathers the two *counting* letters into
# one axis and leaves `c`, row and column of the patch as three. You want those three as one.
# </details>

# %% [markdown]
# ## 5 · Your tokens
#
# One image in, sixteen tokens of 64 out, by your own code:

# %%
if ready("Q2"):
    seed_everything(0)
    embed = PatchEmbedding()
    tokens = embed(image[None])  # b n d
    print(tuple(tokens.shape))
    token_strip(tokens[0], title="sixteen tokens", alt="Sixteen rows of 64 colours: the tokens.")

# %% [markdown]
# On a napkin, a matrix `(k, d)` and a bias `(d)` make `k·d + d` parameters. Count:

# %%
if ready("Q2"):
    print(
        sum(parameter.numel() for parameter in embed.parameters()),
        "parameters; the napkin says",
        192 * 64 + 64,
    )

# %% [markdown]
# The number of patches doesn't appear: one matrix serves all. In a full-grown model, ViT-Base with patches of
# 16 and width 768:

# %%
base = nn.Linear(16 * 16 * 3, 768)
count = sum(parameter.numel() for parameter in base.parameters())
assert count == 768 * 768 + 768 == 590_592
print(f"{count:,} parameters, {count / 86e6:.1%} of the 86 million in the ViT paper's table 1")

# %% [markdown]
# ### Which token notices?
#
# **Try it.** Change a single pixel and measure how far each token moves. First guess, then slide.


# %%
def poke(row=12, column=20):
    poked = image.clone()
    poked[:, row, column] = torch.tensor([1.0, 0.0, 1.0])  # one magenta pixel
    moved = (embed(poked[None]) - embed(image[None])).norm(dim=-1)  # b n
    compare([("one pixel changed", poked), ("how far each token moves", moved.reshape(4, 4))])


if ready("Q2"):
    explore(poke, row=[2, 12, 21, 30], column=[4, 12, 20, 28])

# %% [markdown]
# One token, never two: before attention comes in, a token knows its own patch only.

# %% [markdown]
# ### It is a matrix, and nothing more
#
# So images may be added before or after, the bias counted once. Two halves of the picture:

# %%
if ready("Q2"):
    left, right_half, nothing = image.clone(), image.clone(), torch.zeros_like(image)
    left[:, :, 16:], right_half[:, :, :16] = 0, 0
    a, b, whole, zero = embed(torch.stack([left, right_half, image, nothing]))  # n d each
    print(f"f(a) + f(b) − f(0) misses f(a + b) by {(a + b - zero - whole).abs().max():.0e}")

# %% [markdown]
# A linear map keeps no secrets: asked about one pixel at a time, it gives its matrix away. No need to open it:


# %%
def read_matrix(embedding, c=3, p=8, size=32):
    """E (k d), rows in the order c y x, and b (d), read off token 0."""
    ask = torch.zeros(1 + c * p * p, c, size, size)  # image 0 is empty
    # each other has a single lit pixel
    ask[1:, :, :p, :p] = torch.eye(c * p * p).reshape(-1, c, p, p)
    with torch.no_grad():
        told = embedding(ask)[:, 0].float()  # (1 + k) d
    return told[1:] - told[0], told[0]


# %%
if ready("Q2"):
    E, bias = read_matrix(embed)
    gap = (patches @ E + bias - tokens[0]).abs().max()
    print(f"E {tuple(E.shape)}: patches @ E + b misses your tokens by {gap:.0e}")

# %% [markdown]
# Each column of `E` is as long as a patch: look at it as one. Your 64 questions, before training (grey is
# zero):

# %%
if ready("Q2"):
    fresh = rearrange(E, "(c y x) d -> d c y x", c=3, y=8)
    show_filters({"64 filters, untrained": fresh}, alt="64 little squares of coloured noise.")

# %% [markdown]
# Noise. Are the tokens worthless, then? Compare patches with patches, as pixels and as tokens (each minus
# their mean):


# %%
def likeness(rows):
    rows = F.normalize(rows - rows.mean(0), dim=-1)
    return rows @ rows.T  # n n, cosines


if ready("Q2"):
    of_pixels, of_tokens = likeness(patches), likeness(tokens[0].detach())
    r = torch.corrcoef(torch.stack([of_pixels.flatten(), of_tokens.flatten()]))[0, 1]
    compare([("patches, as pixels", of_pixels), (f"tokens, r = {r:.2f}", of_tokens)])

# %% [markdown]
# Nearly the same picture. A random matrix asks random questions, but enough of them: what was alike stays
# alike. Training starts from there, not from nothing.

# %% [markdown]
# ## 6 · What gets lost
#
# 192 numbers go in, 64 come out. The pseudo-inverse of `E` is the best way back there is.
#
# **Try it.** How wide must the tokens be for the house to return?


# %%
def join(rows):  # n k -> c h w
    return F.fold(rows.T[None], 32, 8, stride=8)[0].clamp(0, 1)


def there_and_back(emb_size=64):
    seed_everything(0)
    E, _ = read_matrix(PatchEmbedding(emb_size=emb_size))
    back = (patches @ E) @ torch.linalg.pinv(E)  # n k
    rank = torch.linalg.matrix_rank(E)
    compare(
        [(f"rank {rank}", join(back))],
        alt=f"What returns of the house through a matrix of rank {rank}.",
    )


if ready("Q2"):
    explore(there_and_back, emb_size=[16, 64, 128, 176, 192, 256])

# %% [markdown]
# At 192 everything returns. Past it nothing is gained: the rank can't exceed 192. Below, an untrained
# embedding keeps `d` of 192 directions, and drops the others blindly.
#
# Now choose the directions well, by a singular value decomposition of patches from 500 other images:

# %%
photos = load("shapes", limit=500).images  # b c h w
many = F.unfold(photos, 8, stride=8).transpose(1, 2).flatten(0, 1)  # (b n) k
# k k: a direction per row, the weightiest first
best = torch.linalg.svd(many, full_matrices=False).Vh
best = best * best.sum(1, keepdim=True).sign()  # a sign is free: mostly bright
kept = [best[:d].T @ best[:d] for d in (4, 16, 64)]
panels = [(f"back from {d}", join(patches @ P)) for d, P in zip((4, 16, 64), kept, strict=True)]
compare(
    [("image", image), *panels],
    alt="The house returns well from 64 numbers per patch, and blurred from 4.",
)

# %% [markdown]
# Measured on patches that neither way has seen: the share of the patches' energy that doesn't come back.

# %%
new = F.unfold(load("shapes", "test", limit=200).images, 8, stride=8).transpose(1, 2).flatten(0, 1)
widths = [1, 2, 4, 8, 16, 32, 64, 128, 191]
lost = {"random directions": [], "best directions": []}
for d in widths:
    for name, basis in zip(lost, (torch.linalg.qr(torch.randn(192, d)).Q, best[:d].T), strict=True):
        lost[name].append(float((new - new @ basis @ basis.T).square().sum() / new.square().sum()))
curves(widths, lost, logx=True, logy=True, xlabel="emb_size", ylabel="share that is lost")

# %%
print({d: f"{share:.1%}" for d, share in zip(widths, lost["best directions"], strict=True)})
assert (
    lost["best directions"][widths.index(64)]
    < 0.01
    < 0.5
    < lost["random directions"][widths.index(64)]
)  # fmt: skip

# %% [markdown]
# Sixty-four numbers chosen well lose less than one percent. That is why `emb_size` may be smaller than a
# patch, and why the embedding is learned.

# %% [markdown]
# ## 7 · What training makes of the noise
#
# The smallest classifier that needs an embedding: embed, bend, average all tokens, one linear layer. No
# positions, no attention yet.


# %%
class BagOfTokens(nn.Module):
    def __init__(self, embedding, emb_size=64, classes=10):
        super().__init__()
        self.embedding, self.head = embedding, nn.Linear(emb_size, classes)

    def forward(self, x):
        return self.head(F.gelu(self.embedding(x)).mean(dim=1))  # b n d -> b d -> b classes


# %%
shapes, unseen = load("shapes").to(device()), load("shapes", "test").to(device())
unseen.take(8).show(8)

# %% [markdown]
# Against it, a small CNN with as many parameters. Same data, same eight epochs:


# %%
def small_cnn():
    sizes = [(3, 16), (16, 24), (24, 40)]
    stages = [
        layer for i, o in sizes for layer in (nn.Conv2d(i, o, 3, stride=2, padding=1), nn.ReLU())
    ]  # fmt: skip
    return nn.Sequential(*stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 10))


# %% [markdown]
# Ten lines train either of them, and count what they get right on images never seen.


# %%
def accuracy(model):
    with torch.no_grad():
        return float((model(unseen.images - 0.5).argmax(-1) == unseen.labels).float().mean())


def train(model, epochs=8):
    model.to(device())
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    for epoch in range(epochs):
        for x, y in shapes.batches(64, shuffle=True, seed=epoch):
            optimiser.zero_grad()
            F.cross_entropy(model(x - 0.5), y).backward()
            optimiser.step()
    return accuracy(model)


# %%
results = {}
if ready("Q2"):
    seed_everything(0)
    bag, cnn = BagOfTokens(embed), small_cnn()
    for name, model in {"bag of tokens": bag, "small CNN": cnn}.items():
        size = sum(parameter.numel() for parameter in model.parameters())
        start = time.perf_counter()
        results[f"{name}, {size:,} parameters"] = train(model)
        print(f"{name}: {time.perf_counter() - start:.1f} s")
    bars(results | {"guessing": 0.1}, xlabel="accuracy on 500 unseen images", form="{:.0%}")

# %% [markdown]
# Honest, and sobering: the CNN wins by far. A bag of patches can say "there is a stripe somewhere"; it can't
# say what is above what. Positions and attention will have to earn that.
#
# But look what eight epochs did to the filters:

# %%
if ready("Q2"):
    E, bias = read_matrix(embed.cpu())
    trained = rearrange(E, "(c y x) d -> d c y x", c=3, y=8)
    svd = best[:64].reshape(64, 3, 8, 8)
    blobs = "Noise; then colour blobs, edges and corners; then smooth waves of rising frequency."
    show_filters(
        {"untrained": fresh, "after 8 epochs": trained, "best for reconstruction": svd}, alt=blobs
    )  # fmt: skip

# %% [markdown]
# Out of noise came colours, edges and corners: questions worth asking about these shapes. The third set asks
# for reconstruction only, and gets waves.
#
# Figure 7 (left) of the ViT paper shows the main components of a large model's filters. They look much like
# our third set.

# %% [markdown]
# ## 8 · Which order is free?
#
# Inside a patch, any. Shuffle the pixels, shuffle the matrix's rows alike, and no token changes:

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
# Whatever one order can learn, the other can. The order of the *patches* is another matter: position 5 is the
# second row's second patch, for the code of lesson 02, for every pretrained model, for each map we shall draw.

# %%
down = [4 * row + column for column in range(4) for row in range(4)]
show_reading_order({"row by row": (4, 4, list(range(16))), "column by column": (4, 4, down)})

# %% [markdown]
# Tokens made column by column, read by someone who expects rows:

# %%
compare([("row by row", join(patches)), ("column by column", join(patches[down]))])

# %% [markdown]
# Every patch is whole, and the house is a heap. No shape gives it away; your check did, by poking pixels.

# %% [markdown]
# ## 9 · The same, as a convolution
#
# Take one question, one column of `E`, and slide it over the image: at every place multiply and add. That is
# a convolution with one kernel.

# %%
kernel = torch.ones(1, 3, 8, 8)  # d c p p
kernel[..., :4] = -1  # brighter right?
everywhere = F.conv2d(image[None], kernel)[0, 0]
patches_only = everywhere[::8, ::8]
titles = ["image", f"at {everywhere.numel()} places", f"at {patches_only.numel()} of them"]
compare(list(zip(titles, (image, everywhere, patches_only), strict=True)), shared=False)

# %% [markdown]
# At the sixteen places where a patch begins, the window covers that patch exactly. There it computes what the
# matrix computes:

# %%
by_matrix = patches @ kernel.flatten()  # n
assert torch.allclose(patches_only.flatten(), by_matrix, atol=1e-4)
print(f"largest difference: {(patches_only.flatten() - by_matrix).abs().max():.0e}")

# %% [markdown]
# Computing 625 to keep 16 is wasteful; a convolution can be told how far to step. And one kernel is one
# number per token: how many kernels make a token of width `d`?
#
# ### Q2b: one layer that cuts and projects
#
# Two blanks:
# 1. the four arguments of the convolution;
# 2. from its grid `(b, d, h, w)` to tokens `(b, n, d)`: two calls, one after the other.


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
# <details><summary>Hint: far too many tokens, or tokens that see only part of their patch</summary>
#
# A window has a size and a step. In section 9 the size was 8, and of all places we kept every 8th.
# </details>
# <details><summary>Hint: “expected input to have … channels”</summary>
#
# The first argument is what the image brings, the second what a token shall have.
# </details>
# <details><summary>Hint: the right shape, but every token sees several patches</summary>
#
# After merging `h` and `w` you hold `(b, d, n)`. A reshape to `(b, n, d)` keeps the numbers in their old row
# and cuts it elsewhere; it never exchanges two axes.
# </details>
# <details><summary>Stronger hint</summary>
#
# Merge the last two axes first: `Tensor.flatten` takes the axis at which to begin. Then let the last two
# change places.
# </details>

# %% [markdown]
# ## 10 · One matrix, two homes
#
# Are both classes the same thing? Carry the trained `E` over: each column becomes a kernel.

# %%
if ready("Q2") and ready("Q2b"):
    twin = ConvPatchEmbedding()
    kernels, *biases = sorted(twin.parameters(), key=lambda values: -values.ndim)
    with torch.no_grad():
        kernels.copy_(rearrange(E, "(c y x) d -> d c y x", c=3, y=8))
        for values in biases:
            values.copy_(bias)
        tokens, twins = embed(photos - 0.5), twin(photos - 0.5)  # b n d
    gap = (tokens - twins).abs().max() / tokens.abs().max()
    print(f"largest difference over {len(photos)} images: {gap:.0e} of the largest token entry")

# %% [markdown]
# Less than a millionth (if yours is more: has one of the two no bias?). Float32 can't agree better, so pick what
# reads better to you. The course's exercise sheet (L4), timm and torchvision all pick the convolution.

# %% [markdown]
# ### A mistake that travels
#
# A Linear that rolls patches out with the channel *last* keeps its weights as `(d, y x c)`. Reshaped into
# `(d, c, y, x)` they fit a convolution perfectly. It is one line, it runs, and it is wrong:

# %%
if ready("Q2") and ready("Q2b"):
    stored = rearrange(E, "(c y x) d -> d (y x c)", c=3, y=8)  # as such a Linear keeps them
    wrong = stored.reshape(64, 3, 8, 8)  # fits, and lies
    correct = rearrange(stored, "d (y x c) -> d c y x", y=8, x=8)
    above = "Above, blobs of colour and edges; below, the same numbers as stripes and checks."
    show_filters({"rearranged": correct[:32], "reshaped": wrong[:32]}, alt=above)

# %% [markdown]
# Same numbers, same shape, no error. But red, green and blue now pass for three neighbouring pixels. What does
# the trained classifier say?

# %%
if ready("Q2") and ready("Q2b"):
    bag.embedding = twin.to(device())
    for name, values in {"rearranged": correct, "reshaped": wrong}.items():
        kernels.data.copy_(values)
        print(f"{name}: {accuracy(bag):.0%}")

# %% [markdown]
# When you convert weights, compare *outputs*, not shapes. One random image through both models is enough.

# %% [markdown]
# ### Which is faster?
#
# Both multiply `n·k·d` times per image, so on paper it's a tie. The median of 21 runs each, taking turns:


# %%
def medians(ways, x, runs=21):
    seconds = {name: [] for name in ways}
    with torch.no_grad():
        for _ in range(runs):
            for name, way in ways.items():
                start = time.perf_counter()
                way(x)
                seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * sorted(taken)[runs // 2] for name, taken in seconds.items()}


# %%
if ready("Q2") and ready("Q2b"):
    timings = {}
    for b, s, p, d in [(64, 32, 8, 64), (8, 224, 16, 192)]:
        sizes = {"patch_size": p, "emb_size": d, "img_size": s}
        ways = {"Linear": PatchEmbedding(**sizes), "Conv2d": ConvPatchEmbedding(**sizes)}
        took = medians(ways, torch.rand(b, 3, s, s))
        print(f"{b} images of {s}: Linear / Conv2d = {took['Linear'] / took['Conv2d']:.1f}")
        timings |= {f"{name}, {b} x {s}²": milliseconds for name, milliseconds in took.items()}
    bars(timings, xlabel="milliseconds, median", form="{:.2g}")

# %% [markdown]
# A ratio above 1 means that the convolution wins: it needn't write the rolled-out patches to memory first.
# Either way it is little beside the blocks that follow. Measure on your own machine before you argue.

# %% [markdown]
# > ### What could go wrong
# >
# > - **It runs, and learns slowly.** The cut is scrambled or its order is wrong. Poke one pixel: exactly one
# >   token must move, and you must know which.
# > - **`reshape` where axes should change places.** Right shape, wrong rows. A transpose or einops moves axes.
# > - **Pretrained weights, poor accuracy.** Kernels reshaped instead of rearranged, or pixels in 0..255 where
# >   the model saw 0..1. Compare outputs on one image.
# > - **Layers in a Python list, or made in `forward`.** `model.parameters()` doesn't find them, so nothing is
# >   learned. Print the count, compare with your napkin.
# > - **An image that doesn't divide.** einops refuses; a strided convolution silently drops the rest:

# %%
uneven = sample_image((36, 36))[None]
grid = nn.Conv2d(3, 64, kernel_size=8, stride=8)(uneven)  # b d h w
print(tuple(grid.shape), "from 36 x 36: the last 4 rows and columns are in no token")

# %% [markdown]
# ## 11 · In words
#
# **W3a** (3 points). A colleague wants a stronger embedding for patches of 8 x 8 x 3 and proposes (i) two
# `nn.Linear` layers in a row, 192 → 128 → 64, instead of one, and (ii) `emb_size=256`, so that nothing is lost.
# What does each change, what does it not change?

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
# - 1 point: (i) a product of matrices is a matrix; no new function without an activation.
# - 1 point: (ii) the rank is bounded by 192 (the smaller side), so no information is gained past it.
# - 1 point: a cost or a use named correctly in either case (parameters, time, room for later layers, little is
#   lost at 64). Half a point off for "more layers are always stronger" left standing.

# %% [markdown]
# **W3b** (2 points). Pixels inside a patch may be rolled out in any order, as long as it is always the same. Why
# does this freedom end at the patches? And what would have to be true of the rest of the model for the order of
# patches not to matter either?

# %% [markdown] tags=["written"] question="W3b" points=2
# Inside a patch the order only permutes the rows of `E`, which is learned: another order has
# another optimal matrix with exactly the same tokens. Between patches there is no learned matrix that could
# undo a permutation; the place in the sequence is itself the message, read by the positional code, by pretrained
# weights and by whoever maps attention back onto the image. If nothing downstream used the place (no positional
# code, attention or averaging only, as in the bag of tokens), the result would be the same for any order.

# %% [markdown] tags=["rubric"]
# - 1 point: the learned matrix absorbs an order inside a patch (its rows are permuted); nothing does so for patches,
#   where the place carries meaning.
# - 1 point: without positions, with operations that treat tokens as a set (attention, mean), order wouldn't matter.
#   "A learned positional code could be permuted too, if trained from scratch" also earns this point.

# %% [markdown]
# ## Recap
#
# - A patch embedding is one matrix and a bias, shared by all patches: `k·d + d` parameters.
# - Cut and multiply, or a convolution whose step is its size: the same function, to rounding.
# - It is linear. Its rank is at most min(k, d), so below `k` something is dropped; training chooses what.
# - The order of pixels is absorbed by the matrix. The order of patches is part of the message.
# - Alone it sees no neighbours: a bag of tokens loses to a CNN of its size. Next: positions and a class token.

# %% [markdown]
# ## Further reading
#
# - Dosovitskiy et al. 2021, *An Image is Worth 16x16 Words* (arXiv 2010.11929): equation 1; figure 7, left, the
#   learned filters; table 1, the sizes. Section 3.1 notes that a patch may be 1 x 1, on a CNN's feature map.
# - Xiao et al. 2021, *Early Convolutions Help Transformers See Better* (arXiv 2106.14881): figure 1 sets this
#   "patchify stem" beside a stack of small convolutions, which trains more calmly. Lesson 10 builds it.
# - Chen, Xie, He 2021, *An Empirical Study of Training Self-Supervised Vision Transformers* (MoCo v3, arXiv
#   2104.02057): freezing a *random* patch projection makes training steadier. Section 5 shows why that can work.
