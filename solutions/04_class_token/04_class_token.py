# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 04 · The class token {{badge}}
#
# **Question of this lesson.** A transformer returns one vector per token. Which of them represents the image?
#
# **Why it matters.** The class token and the position embedding complete the input of a ViT. Both are easy to write
# in a way that runs, looks right and is never trained or never moved to the GPU.
#
# | | |
# |---|---|
# | **You need** | `nn.Module`; patch embedding (lesson 03), position encoding (lesson 02) |
# | **Time** | 60 minutes |
# | **You write** | Q3 the class token, Q4 positions for all tokens; W4a and W4b in words |
#
# **Afterwards you can**
# - say what a class token is, what it contains before the first layer, and how it becomes a summary of the image;
# - choose between a parameter, a buffer and a plain tensor;
# - add learned or sinusoidal positions, for the right number of tokens and along the right axis;
# - answer "class token or mean?" with measurements.
#
# {{questions}}
#
# | in the lectures | here | in timm | in the papers |
# |---|---|---|---|
# | `cls_token` | `cls_token` | `cls_token` | $x_\text{class}$ |
# | `pos_embed`, `learnable_positions` | `learnable_positions` | `pos_embed` | $E_\text{pos}$ |
# | `sinusoids_positions` | `sinusoids_positions` | – (a learned one is the default) | – |

# %% tags=["bootstrap"]

# %% tags=["setup"]
import torch
import torch.nn.functional as F
from einops import repeat
from torch import nn

from helpers import check, ready
from helpers.built import built
from helpers.data import load
from helpers.device import device
from helpers.experiments.class_token import (
    SmallViT,
    accuracy_without,
    class_token_attention,
    draw_class_tokens,
    flattened_patches,
    linear_accuracy,
    small_cnn,
    train_all,
)
from helpers.explore import explore
from helpers.pictures.class_token import show_listening
from helpers.pictures.patches import show_numbers
from helpers.plots import bars, compare, curves, heatmap, show_grid, token_strip
from helpers.training import evaluate, fit

PatchProjection, getPositionEncoding = built("PatchProjection", "getPositionEncoding")
torch.set_num_threads(1)  # these models are so small that further threads would only wait for each other

# %% [markdown]
# Two parts come from earlier lessons: `PatchProjection` is the class `PatchEmbedding` of Q2 (lesson 03) under a name
# of its own, because this lesson defines the next version of `PatchEmbedding`. `getPositionEncoding` is Q1 (lesson
# 02). It returns a tensor here. The lecture's function returns a numpy array, so the lecture writes
# `torch.from_numpy(...)` around it; the check takes both, this notebook needs the tensor.
#
# The letters: `b` batch, `n` tokens, `d` width (`emb_size` in code), `c h w` image.

# %% [markdown]
# ## 1 · Why does an image need a token of its own?
#
# Here is a handwritten digit of 8 x 8 pixels in sixteen patches. The transformer returns sixteen vectors, but the
# question "which digit?" needs *one*. What does a single patch reveal? We fit the best linear map from its four
# pixels to the ten classes.

# %%
where = device()
train, test = load("digits").to(where), load("digits", "test").to(where)
show_grid(test.images[0], 2, title=f"a {test.labels[0]}")
seen, unseen = flattened_patches(train.images), flattened_patches(test.images)  # b n 4


def percent(features, others):
    return linear_accuracy(features, train.labels, others, test.labels)


alone = torch.tensor([percent(seen[:, k], unseen[:, k]) for k in range(16)])
compare([("accuracy from one patch, %", 100 * alone.reshape(4, 4))],
        alt="A 4 by 4 map: corners about 20 %, the middle four patches almost half.")  # fmt: skip
ways = {
    "the best single patch": alone.max().item(),
    "the mean of all patches": percent(seen.mean(1), unseen.mean(1)),
    "all patches in order": percent(seen.flatten(1), unseen.flatten(1)),
}
bars(ways, xlabel="accuracy on test digits", form="{:.0%}")
mean, best, together = sorted(ways.values())
assert mean < 0.3 < best < 0.6 < 0.9 < together

# %% [markdown]
# > **Figure 4.1 · Accuracy of linear classifiers.** Top: from each patch alone (chance is 10 %). Bottom: from the best
# > patch, from the mean of all raw patches, and from all patches in order.
#
# The class is determined by all patches together, so information must be gathered. In a transformer, attention
# exchanges information between the tokens first. Then one vector is taken, which is called **pooling**. Two ways are
# in use:
#
# - **mean pooling**: the mean of all output tokens;
# - the **class token**: one additional token that belongs to no patch. It attends to all tokens, and only its output
#   is read.
#
# The class token comes from BERT (2018), and ViT adopted it.
#
# **Answer.** No single patch represents the image. A class token gives the image a vector of its own.

# %% [markdown]
# ## 2 · Three tools
#
# **`nn.Parameter`: a tensor that is trained.** A module can hold two kinds of tensors as attributes:


# %%
class TwoTensors(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = torch.ones(3)
        self.learned = nn.Parameter(torch.ones(3))


print([name for name, _ in TwoTensors().named_parameters()])

# %% [markdown]
# Only an `nn.Parameter` is registered, so only it is returned by `parameters()` and trained by an optimiser that
# receives `model.parameters()`.
#
# **`einops.repeat`: copies along a new axis.** A letter that occurs only on the right is a new axis whose length you
# give. An axis of length 1 is written `1` or `()`:

# %%
row = torch.arange(3)[None]  # 1 x
show_numbers([("1 x", row), ("() x -> y x, y=3", repeat(row, "() x -> y x", y=3))])

# %% [markdown]
# **`torch.cat`: concatenation.** It joins tensors along the axis `dim`. All other axes must agree; unlike `+`, it
# does not broadcast:

# %%
one, many = torch.zeros(1, 2, 4), torch.ones(3, 2, 4)
print("plus:", tuple((one + many).shape))
try:
    torch.cat([one, many], dim=2)
except RuntimeError as error:
    print("cat: ", str(error)[:72], "…")

# %% [markdown]
# ## 3 · Q3: the class token
#
# Extend the patch embedding by a class token:
# 1. `cls_token`: **one** trainable vector for all images, of shape `(1, 1, emb_size)`. Zeros or small random numbers
#    are usual at the start;
# 2. one copy of it for each image of the batch;
# 3. copies and patches joined, the class token **first**: later code reads token 0.


# %% tags=["answer"] question="Q3"
# Q3: the class token
class PatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, patches + 1, emb_size): the class token first, then the patches."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        # One trainable vector for all images.
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, emb_size))  # BLANK

    def forward(self, x):
        x = self.projection(x)  # b patches d
        b = len(x)
        # One copy for each image.
        cls_tokens = repeat(self.cls_token, "() n e -> b n e", b=b)  # BLANK: "() n e -> b n e", b=b
        return torch.cat([cls_tokens, x], dim=1)  # BLANK: [cls_tokens, x], dim=1


# %% tags=["check"] question="Q3" points=4
check("Q3", PatchEmbedding)

# %% [markdown]
# <details><summary>Hint: "Sizes of tensors must match except in dimension …"</summary>
#
# Write down both shapes, one below the other, and compare them axis by axis. They may differ only in the axis that
# you gave as `dim`. Is the batch the same in both?
# </details>
# <details><summary>Hint: einops says that a letter appears on one side only</summary>
#
# New letters on the right are allowed if you give their length: `y=3` above. Letters of the left must all appear on the
# right, except for `()`.
# </details>
# <details><summary>Hint: the values are right, but the check says that it does not learn</summary>
#
# Print `[name for name, _ in PatchEmbedding().named_parameters()]`. Is `cls_token` among them?
# </details>
# <details><summary>Stronger hint</summary>
#
# The shapes from line to line are `(1, 1, d)`, then `(b, 1, d)`, then `(b, 1 + n, d)`. Only the batch grows in the
# second line, only the tokens in the third.
# </details>

# %% [markdown]
# ### What does the class token contain?

# %%
if ready("Q3"):
    torch.manual_seed(0)
    embed = PatchEmbedding(in_channels=1, patch_size=2, emb_size=32, img_size=8).to(where)
    tokens = embed(test.images).detach()  # b n+1 d
    token_strip(tokens[0], title=f"a {test.labels[0]}: {len(tokens[0])} tokens, the class token is row 0", height=2.3)
    spread = tokens.std(0).mean(1)  # n+1
    some = {"class token": 0} | {f"patch {k}": k + 1 for k in (0, 1, 5, 6)}
    bars({name: spread[k] for name, k in some.items()}, xlabel=f"standard deviation over {len(tokens)} images",
         form="{:.3f}")  # fmt: skip

# %% tags=["solution"]
assert spread[0] < 1e-6 < 0.01 < spread[6]

# %% [markdown]
# > **Figure 4.2 · Tokens of one digit (top), and how much a token varies between images (bottom).** The class token
# > does not vary at all.
#
# **Answer.** Before the first layer the class token is the same for every image: it contains no information about the
# image. It is only a learned query. It becomes a summary after attention has written into it.

# %% [markdown]
# ## 4 · How does it receive information?
#
# In attention (lesson 05) each token has a **query**, which is compared with the **keys** of all tokens. The
# comparison gives weights that add up to 1, and the token receives the weighted mean of all **values** (queries,
# keys and values are linear maps of the tokens). We look at the weights of the class token, with an untrained
# attention layer:

# %%
if ready("Q3"):
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(32, 4, batch_first=True).to(where)
    with torch.no_grad():
        received, weights = attention(tokens, tokens, tokens)  # b n+1 d, b n+1 n+1
    relative = 17 * weights[:, 0]  # b n+1; 1 is a uniform weight
    print(
        f"largest difference between a weight of the class token and a uniform weight: {(relative - 1).abs().max():.1%}"
    )
    before, after = tokens[:, 0].std(0).mean(), received[:, 0].std(0).mean()
    print(f"standard deviation of the class token over images: {before:.3f} before, {after:.3f} after attention")

# %% tags=["solution"]
assert 0.9 < relative.min() < relative.max() < 1.1
assert after > 1e-3

# %% [markdown]
# After one layer the class token depends on its image. How it attends depends on its start: with small random
# numbers or zeros, as is usual, its weights are nearly uniform, so it receives the **mean** of all values. (If you
# started it with large random numbers, the first line prints a larger difference.)
#
# **Try it.** The weights depend on the length of the query. We scale one random query:


# %%
def attend(length=1):
    torch.manual_seed(3)
    query = length * torch.randn(32, device=where) / 32**0.5  # the class token's query
    keys = (tokens[0, 1:] - tokens[0, 1:].mean(0)) @ torch.randn(32, 32).to(where)  # n d
    chosen = (keys @ query).softmax(0)  # n
    heatmap(chosen.reshape(4, 4), vmin=0, vmax=0.25 if length < 2 else 1, title=f"largest weight {chosen.max():.2f}")


if ready("Q3"):
    explore(attend, length=[0, 1, 4, 16])

# %% [markdown]
# > **Figure 4.3 · Attention weights over the 16 patches for queries of growing length.** (The first two maps use a
# > scale up to 0.25, the others up to 1.) Length 0 gives uniform attention, a large length selects one patch.
#
# **Answer.** A class token can start as mean pooling, and training can make it select. Mean pooling has no such choice.

# %% [markdown]
# ## 5 · Learned or sinusoidal positions?
#
# Attention does not see the order of its tokens (lesson 02), so a position is added to each of them. The class token
# counts as a position, number 0:
#
# $$ z_0 = [\,x_\text{class};\; x_1 E;\; \dots;\; x_n E\,] + E_\text{pos} \qquad E_\text{pos}: (n + 1, d) $$
#
# The rows of $E_\text{pos}$ are either trained with the other weights, a learned **position embedding**, or they are
# the fixed sinusoids of lesson 02. (The introductory deck remarks that "every pixel of the original image has its
# own positional embedding value". That is true only if `d` happens to equal the number of values in a patch, as in
# its example, and even then the values belong to dimensions of the token, not to pixels.)
#
# For fixed positions a module needs a tensor that is neither plain nor a parameter: a **buffer**. The three kinds
# side by side:


# %%
class ThreeTensors(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = torch.ones(2)
        self.register_buffer("fixed", torch.ones(2))
        self.learned = nn.Parameter(torch.ones(2))


module = ThreeTensors()
trained, saved = dict(module.named_parameters()), module.state_dict()
module.to("meta")  # a device that every machine has: it stores shapes only
print("          trained  saved  after .to(device)")
for name in ("plain", "fixed", "learned"):
    print(f"{name:<9} {name in trained!s:<8} {name in saved!s:<6} {getattr(module, name).device}")
assert (module.plain.device.type, module.fixed.device.type) == ("cpu", "meta")
assert (list(trained), sorted(saved)) == (["learned"], ["fixed", "learned"])
try:
    module.learned + module.plain
except RuntimeError as error:
    print(error)

# %% [markdown]
# **Answer.** What is trained is a **parameter**. What is fixed and belongs to the module is a
# **buffer**. A plain tensor is neither trained nor saved nor moved; on a GPU the last line of the output is the
# error that you get.

# %% [markdown]
# ### Q4: a position for every token
#
# Write the whole class, now with `positions="learnable"` or `"sinusoidal"`. Store the rows as `learnable_positions` or
# `sinusoids_positions`. (The walk-through Q1-Q7 writes
# `self.sinusoids_positions = torch.from_numpy(getPositionEncoding(…))`. That line makes a plain tensor, and here
# `getPositionEncoding` returns a torch tensor already.)


# %% tags=["answer"] question="Q4"
# Q4: a position for every token
class PatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, patches + 1, emb_size): class token first; a position is added to each token."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.positions = positions
        # As in Q3.
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, emb_size))  # BLANK
        # The number of tokens, the class token included.
        num_tokens = (img_size // patch_size) ** 2 + 1  # BLANK
        if positions == "learnable":
            # Small random numbers at the start.
            self.learnable_positions = nn.Parameter(0.02 * torch.randn(num_tokens, emb_size))  # BLANK
        elif positions == "sinusoidal":
            # Stored as sinusoids_positions: fixed, and moved and saved with the module.
            # BEGIN BLANK
            self.register_buffer("sinusoids_positions", getPositionEncoding(num_tokens, emb_size))
            # END BLANK
        else:
            raise ValueError(f'positions is {positions!r}; it should be "learnable" or "sinusoidal"')

    def forward(self, x):
        x = self.projection(x)  # b patches d
        # BEGIN BLANK
        x = torch.cat([repeat(self.cls_token, "() n e -> b n e", b=len(x)), x], dim=1)
        return x + (self.learnable_positions if self.positions == "learnable" else self.sinusoids_positions)
        # END BLANK


# %% tags=["check"] question="Q4" points=6
check("Q4", PatchEmbedding)

# %% [markdown]
# <details><summary>Hint: "The size of tensor a must match the size of tensor b"</summary>
#
# Look at the two numbers. If they differ by one, a token has no position. If one is the square root of the other, or
# one is your width, count rows and columns again.
# </details>
# <details><summary>Hint: right values, but the check speaks of moving or of training</summary>
#
# Look at the table of section 5. Which kind of tensor is moved and saved, but not trained?
# </details>
# <details><summary>Hint: "object has no attribute …"</summary>
#
# Each module has only one of the two kinds. `self.positions` says which.
# </details>
# <details><summary>Stronger hint</summary>
#
# Positions are `(n + 1, d)` and tokens `(b, n + 1, d)`. Broadcasting aligns axes from the right, so the batch needs
# no code of its own.
# </details>

# %% [markdown]
# ### Both kinds compared


# %%
def rows_of(embedding):
    tensors = [*embedding.parameters(), *embedding.buffers()]
    return next(one for one in tensors if one.numel() == 17 * 32).detach().reshape(17, 32)  # n+1 d


def small(positions="learnable"):
    return PatchEmbedding(in_channels=1, patch_size=2, emb_size=32, img_size=8, positions=positions)


if ready("Q4"):
    torch.manual_seed(0)
    both = {kind: small(kind) for kind in ("learnable", "sinusoidal")}
    compare([(kind, rows_of(one)) for kind, one in both.items()], shared=False,
            alt="Learnable: faint noise, 17 rows. Sinusoidal: waves of several lengths, 17 rows.")  # fmt: skip
    for kind, one in both.items():
        count = sum(p.numel() for p in one.parameters() if p.requires_grad)
        size = rows_of(one).square().mean().sqrt()
        print(f"{kind:<11} rows {tuple(rows_of(one).shape)}, root mean square {size:.2f}; {count} trainable numbers")

# %% tags=["solution"]
learning = [sum(p.numel() for p in one.parameters()) for one in both.values()]
assert learning[0] - learning[1] == 17 * 32 == 544

# %% [markdown]
# > **Figure 4.4 · The rows of both kinds before training, each on its own colour scale.** Learned rows start as
# > small random numbers. They add 17 · 32 = 544 trainable numbers.
#
# The dtype matters, too. NumPy computes in float64, and a position in float64 turns every token into float64:

# %%
tokens64 = torch.rand(17, 32) + torch.rand(17, 32, dtype=torch.float64)
try:
    nn.Linear(32, 10)(tokens64)
except RuntimeError as error:
    print(f"{tokens64.dtype}, and the next layer raises: {error}")

# %%
if ready("Q4"):
    one = both["sinusoidal"]
    after = one(test.images[:1].cpu())[0].detach()
    compare([("tokens", after - rows_of(one)), ("positions", rows_of(one)), ("their sum", after)])

# %% [markdown]
# > **Figure 4.5 · Adding sinusoidal positions, on one colour scale.** The positions are larger than the untrained patch
# > embeddings. Section 6 measures whether that is a disadvantage.
#
# ### Is row 0 necessary?
#
# The class token and row 0 occur only as a sum. We move a vector from one to the other:

# %%
if ready("Q4"):
    one = both["learnable"]
    with torch.no_grad():
        before, vector = one(test.images[:4].cpu()), torch.randn(32)
        one.cls_token += vector
        rows_of(one)[0] -= vector
        print(f"largest change of any token: {(one(test.images[:4].cpu()) - before).abs().max():.0e}")

# %% [markdown]
# **Answer.** Only rounding changes. With learned positions row 0 adds nothing that the class token could not hold;
# one table for all tokens is simpler than a table with an exception.

# %% [markdown]
# ## 6 · Class token or mean?
#
# We build a small ViT around your embedding: two of PyTorch's encoder layers (lesson 06) and a linear layer that
# reads the class token, or the mean of the patches without a class token. Three versions and a small CNN are trained
# with three seeds each on the same 1,433 digits for eight epochs.

# %%
if ready("Q4"):
    makers = {
        "class token, learnable": lambda: SmallViT(small("learnable")),
        "class token, sinusoidal": lambda: SmallViT(small("sinusoidal")),
        "mean, learnable": lambda: SmallViT(small("learnable"), "mean"),
        "a small CNN": small_cnn,
    }
    histories, models = train_all(makers, train, test)

# %%
if ready("Q4"):
    final = {name: 100 * torch.tensor([h.test_accuracy[-1] for h in runs]) for name, runs in histories.items()}
    bars({name: f.mean().item() for name, f in final.items()}, {name: f.std().item() for name, f in final.items()},
         form="{:.1f}", xlabel="test accuracy, %: mean and standard deviation of 3 seeds")  # fmt: skip
    paths = {name: torch.tensor([h.test_accuracy for h in runs]).mean(0) for name, runs in histories.items()}
    curves(range(1, 9), paths, xlabel="epoch", ylabel="test accuracy, mean of 3 seeds")

# %% tags=["solution"]
transformers = [f.mean() for name, f in final.items() if name != "a small CNN"]
assert max(transformers) - min(transformers) < 7
assert final["a small CNN"].mean() > max(transformers)

# %% [markdown]
# > **Figure 4.6 · Accuracy after eight epochs (top) and its course (bottom).**
#
# - The three transformers end within a few points of each other, and each varies by about as much between seeds.
#   Three seeds are too few to call the class token better or worse than the mean, or learned positions better than
#   sinusoids.
# - The ViT paper found the same with far more data: class token and mean perform equally well, each at its own
#   learning rate (Figure 9 in its appendix), and the kind of position hardly matters (Table 8).
# - The CNN is best. It has locality built in, which a ViT has to learn, here from 1,433 digits.
#
# **Answer.** Accuracy does not decide between class token and mean. The class token costs one token of 17, and it
# offers something else: a single row of attention weights that shows which patches contributed to the image's
# vector.

# %% [markdown]
# ### Do class tokens of the same class become similar?
#
# The introductory deck states that images of the same class have similar class tokens only after training. We draw
# what the head reads for each test image, in two dimensions:

# %%
if ready("Q4"):
    torch.manual_seed(0)
    fresh, taught = SmallViT(small()).to(where).eval(), models["class token, learnable"].eval()
    stages = {"untrained": fresh, "trained": taught}
    share = draw_class_tokens(stages, test.images, test.labels)
    for name, value in share.items():
        print(f"{name}: {value:.0%} of the variance lies between the classes")

# %% tags=["solution"]
assert share["trained"] > share["untrained"] + 0.1

# %% [markdown]
# > **Figure 4.7 · Output class tokens of the test digits (first two principal components), coloured by class.** Before
# > training the classes are mixed. After training, images of one class lie close together, though some classes still
# > overlap in two dimensions: the printed share counts all 32. The statement is right.

# %% [markdown]
# ### To which patches does the class token attend?

# %%
if ready("Q4"):
    shown = test.images[:8]
    maps = {name: class_token_attention(model, shown)[-1][:, 1:] for name, model in stages.items()}
    show_listening(shown, maps, (4, 4))
    for name, model in stages.items():
        largest = class_token_attention(model, test.images).amax(-1).mean(1)  # layers
        print(
            f"{name:<9} largest weight in layer 1: {largest[0]:.2f}, layer 2: {largest[1]:.2f}; uniform: {1 / 17:.2f}"
        )

# %% [markdown]
# > **Figure 4.8 · Attention of the class token in the last layer, mean over heads.** Before training it is nearly
# > uniform. After training it selects patches, others for each image.
#
# Do these patches matter for the answer? We remove patches from the sequence, those with the largest weights first,
# those with the smallest first, or in random order, and let the trained model classify the rest:

# %%
if ready("Q4"):
    looks = class_token_attention(taught, test.images).mean(0)[:, 1:]  # b n
    torch.manual_seed(0)
    orders = {"largest first": looks.argsort(1, descending=True), "smallest first": looks.argsort(1),
              "random": torch.rand_like(looks).argsort(1)}  # fmt: skip
    counts = range(0, 17, 2)
    falls = {name: [accuracy_without(taught, test, k, order) for k in counts] for name, order in orders.items()}
    curves(counts, falls, xlabel="patches removed, of 16", ylabel="test accuracy")

# %% tags=["solution"]
assert falls["smallest first"][4] > falls["random"][4] + 0.1 > falls["largest first"][4] + 0.2

# %% [markdown]
# > **Figure 4.9 · Accuracy without patches (one model).** Half of the patches can be removed with little loss if
# > they have small weights. Without the other half the model is far worse.
#
# **Answer.** In this small model the attention weights show which patches the answer depends on. They do not show
# *what* is read from them, and in deep models a token no longer stands for its patch alone; lesson 07 returns to
# this.

# %% [markdown]
# ### What did the learned positions learn?

# %%
if ready("Q4"):
    owners = {"learned, untrained": fresh.embedding, "learned, trained": taught.embedding,
              "sinusoidal": both["sinusoidal"]}  # fmt: skip
    tables = {name: rows_of(owner)[1:].cpu() for name, owner in owners.items()}
    units = {name: F.normalize(rows - rows.mean(0), dim=1) for name, rows in tables.items()}
    compare([(name, (unit @ unit[5]).reshape(4, 4)) for name, unit in units.items()],
            alt="Only the sinusoidal rows resemble their neighbours, and only to the left and right.")  # fmt: skip
    places = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))  # n 2
    apart = torch.cdist(places, places)
    for name, unit in units.items():
        alike = unit @ unit.T  # n n
        print(f"{name:<19} neighbours {alike[apart == 1].mean():+.2f}, further apart {alike[apart > 1.5].mean():+.2f}")

# %% [markdown]
# > **Figure 4.10 · Cosine similarity of the position of patch 5 to all others.** After eight epochs the learned rows
# > are distinct but hardly show a neighbourhood. In the ViT paper, after far more images, rows and columns are
# > visible (Figure 7, centre). The sinusoids have the neighbourhood of a line from the start, but not that of a
# > grid.

# %% [markdown]
# ## 7 · A common mistake
#
# PyTorch's tutorial on sequences contains a `PositionalEncoding` that many projects have copied. Its table has the
# shape `(max_len, 1, d)`, and it computes `x + pe[:x.size(0)]` for tokens of shape `(n, b, d)`. Our tokens are `(b,
# n, d)`:


# %%
class CopiedPositions(nn.Module):
    def __init__(self, embedding, max_len=512):
        super().__init__()
        self.embedding = embedding
        self.register_buffer("pe", getPositionEncoding(max_len, 32)[:, None])  # max_len 1 d

    def forward(self, images):
        x = self.embedding(images)  # b n d
        return x + self.pe[: x.size(0)]


torch.manual_seed(0)
plain = PatchProjection(1, 2, 32, 8)
copied = CopiedPositions(plain)
same = test.images[:1].cpu().repeat(6, 1, 1, 1)  # one image, six times
added = (copied(same) - plain(same)).detach()  # b n d
compare([(f"added to image {k}", added[k]) for k in (0, 5)],
        alt="In each image all rows are alike; the two images differ.")  # fmt: skip

# %% [markdown]
# > **Figure 4.11 · What is added to the tokens of two copies of the same image.** Within an image all tokens receive
# > the *same* vector, so positions are lost; and the vector depends on the place of the image in the batch.
#
# Broadcasting raises no error. What does it cost in training? We replace your positions by these:

# %%
if ready("Q4"):
    torch.manual_seed(0)
    bare = small()
    for parameter in bare.parameters():
        if parameter.shape[-2:] == (17, 32):
            parameter.data.zero_()  # your own positions, switched off
            parameter.requires_grad_(False)
    lost = SmallViT(CopiedPositions(bare))
    fit(lost, train, test, epochs=8, lr=3e-3, progress=False)
    right = histories["class token, sinusoidal"][0].test_accuracy[-1]
    found = {"positions along the tokens": right, "positions along the batch": evaluate(lost, test).accuracy}
    bars(found, xlabel="test accuracy, seed 0", form="{:.0%}")
    for name, model in {"along the tokens": models["class token, sinusoidal"], "along the batch": lost}.items():
        with torch.no_grad():
            there, back = model(test.images), model(test.images.flip(0)).flip(0)
        changed = (there.argmax(1) != back.argmax(1)).float().mean()
        print(f"{name:<17} {changed:.0%} of the answers change when the batch is reversed")

# %% tags=["solution"]
assert found["positions along the batch"] < found["positions along the tokens"] - 0.1

# %% [markdown]
# > **Figure 4.12 · Test accuracy with positions along the wrong axis (one seed).** The model trains and is better
# > than chance, so the mistake can go unnoticed. The test below the figure reveals it at once.
#
# **Answer.** The output for an image must not depend on its neighbours in the batch. Test that on every model you copy.
#
# > ### What could go wrong
# > - **n positions for n + 1 tokens.** The class token needs one, too.
# > - **Positions added before the class token.** It runs, and the class token has no position.
# > - **A plain tensor.** It is not trained, not saved and not moved by `.to(device)`.
# > - **Sinusoids as a parameter.** They are right at first, and training changes them.
# > - **A token drawn in `forward`.** It is another vector for each batch, and nothing is learned.
# > - **The class token at the end.** Your own model works; pretrained weights don't, nor does code that reads
# >   `out[:, 0]`.
# > - **Larger images.** A learned table has a fixed number of rows. Lesson 12 interpolates it.

# %% [markdown]
# ## Stretch: pooling by attention
#
# Between the class token and the mean lies a third way to read one vector from all tokens: **attention pooling** (used
# by CLIP's convolutional image encoders and, with several layers, by SigLIP). One learned vector, the **query** $q$,
# is compared with every token of the last layer; the image is the weighted mean
#
# $$w = \mathrm{softmax}\big(x_1 \cdot q / \sqrt d,\; \dots,\; x_n \cdot q / \sqrt d\big) \qquad z = \sum_j w_j\, x_j$$
#
# Write it with the query as its only parameter, a zero vector at the start: then the weights are equal, and training
# begins from the mean. (The papers add linear layers for keys and values; lesson 05 explains them, and the root of
# `d`.) This question is optional.


# %% tags=["answer"] question="Q4b" kind="stretch"
# Q4b: pooling by attention
class AttentionPooling(nn.Module):
    """(b, n, emb_size) -> (b, emb_size): a weighted mean of the tokens; the query is the only parameter, 0 at first."""

    def __init__(self, emb_size):
        super().__init__()
        # BEGIN BLANK
        self.query = nn.Parameter(torch.zeros(emb_size))
        # END BLANK

    def forward(self, x):
        # BEGIN BLANK
        scores = x @ self.query / x.shape[-1] ** 0.5  # b n
        weights = scores.softmax(dim=1)
        return (weights[:, :, None] * x).sum(dim=1)
        # END BLANK


# %% tags=["check"] question="Q4b" points=4
check("Q4b", AttentionPooling)

# %% [markdown]
# <details><summary>Hint: which axis does the softmax use?</summary>
#
# The weights of the tokens of *one* image must add up to 1. Along which axis of `(b, n)` do these tokens lie?
# </details>
# <details><summary>Hint: multiply weights and tokens</summary>
#
# `(b, n)` and `(b, n, d)` need a third axis for the weights. Or use a matrix product: `(b, 1, n)` by `(b, n, d)`.
# </details>

# %% [markdown]
# A small test that a mean cannot pass: in each image one of sixteen tokens carries the answer and is marked by a large
# first number; the others are noise. Which pooling reads it?

# %%
if ready("Q4b"):
    torch.manual_seed(0)
    x = torch.randn(512, 16, 8)
    x[:, :, 0] = 0
    marked = torch.randint(16, (512,))
    x[torch.arange(512), marked, 0] = 4.0
    target = x[torch.arange(512), marked, 1]
    for name, pooling in (("mean", nn.Identity()), ("attention pooling", AttentionPooling(8))):
        head = nn.Linear(8, 1)
        optimizer = torch.optim.Adam([*pooling.parameters(), *head.parameters()], lr=0.03)
        for _ in range(300):
            pooled = pooling(x).mean(1) if name == "mean" else pooling(x)
            loss = F.mse_loss(head(pooled)[:, 0], target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"{name:<18} squared error {loss.item():.3f} (always answering 0 gives {target.square().mean():.2f})")

# %% tags=["solution"]
assert loss.item() < 0.1

# %% [markdown]
# ## 8 · In words
#
# These answers are read by a person. You get the model answers with your feedback.
#
# **W4a** (3 points). What is a class token? Say what it contains before the first layer; how it receives information
# about the image; and why one reads it rather than, for instance, the token of patch 5. Name one argument for the
# mean instead.

# %% [markdown] tags=["written"] question="W4a" points=3
# It is one learned vector that is put in front of the patch tokens of every image. Before the first layer it holds
# nothing of the image: it is the same for all (spread 0 over images). In each attention layer its query is compared
# with the keys of all tokens, and it takes a weighted mean of their values; so layer by layer it collects what
# the head will need, and training shapes both what it asks and what patches answer. The token of patch 5 also
# receives from the others, but it has a job of its own, it must carry its patch, and it would favour one place of the
# image; the class token belongs to no place and is free to gather. For the mean: no extra token and no extra
# parameter, and in our race (and in the ViT paper) it is as accurate.

# %% [markdown] tags=["rubric"]
# **W4a, 3 points.**
# - 1 point: one learned vector for all images, which contains nothing of the image at the start (half a point without
#   the second part).
# - 1 point: it gathers by attention, a weighted mean over tokens, layer by layer.
# - ½ point: it belongs to no patch, so it is free for the whole image (or: patch 5 must represent its own patch).
# - ½ point: a sound argument for the mean: simpler, fewer tokens, measured equally good.
#
# *A half-right sample (1½ of 3):* "The class token is a learned vector in front of the patches. It summarises the
# image, and so one reads it. The mean would need no extra token." The vector without its empty start (½), no
# mechanism (0), the argument for the mean (½), and half a point for a special token that belongs to the whole image.

# %% [markdown]
# **W4b** (2 points). A friend writes `self.pe = getPositionEncoding(17, 64)` in `__init__` and adds it in `forward`.
# "Works on my laptop." Where does it fail, and which line corrects it? The friend then says: "I could as well make it
# an `nn.Parameter`." What changes? And which of the two kinds of position exists for a larger image at once?

# %% [markdown] tags=["written"] question="W4b" points=2
# A plain tensor isn't moved by `.to(device)`, so on a GPU the sum of a CUDA tensor and a CPU tensor raises an error
# (and `.half()` or `.double()` don't reach it either).
# `self.register_buffer("pe", getPositionEncoding(17, 64))` mends it.
# As a parameter it would move as well, but the optimiser would train it (and weight decay would shrink it): it begins
# as sinusoids and ends as learned positions; `requires_grad=False` would prevent that. Sinusoids are a formula, so
# for a larger image one simply asks for more rows; a learned table has no rows for places it has never seen, and must
# be interpolated (lesson 12).

# %% [markdown] tags=["rubric"]
# **W4b, 2 points.**
# - ½ point: it stays behind when the module moves (error on a GPU).
# - ½ point: `register_buffer`.
# - ½ point: a parameter would be trained, so it doesn't stay sinusoidal.
# - ½ point: sinusoids, because they are a formula; a learned table has a fixed number of rows.
#
# *A half-right sample (1 of 2):* "On a GPU there is an error because of the devices; he should write `self.pe =
# getPositionEncoding(17, 64).cuda()`. As a parameter it would be trained." The place and the last sentence are
# right; the line works on one device only, and the larger image is missing.

# %% [markdown]
# ## 9 · Summary
#
# | | |
# |---|---|
# | class token | one learned vector, first in the sequence; the same for all images until attention writes into it |
# | pooling | class token: a weighted mean with learned weights; mean pooling: uniform weights |
# | positions | `n + 1` rows, added along the tokens; row 0 belongs to the class token |
# | learned or sinusoidal | a parameter or a buffer; equally good on sixteen patches |
# | plain tensor | not trained, not saved, not moved |
# | the test | reverse the batch: no answer may change |
#
# **Further reading**
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Equation 1 is your Q4; Figure 9 (appendix) compares
#   class token and mean, Table 8 kinds of position; Figure 7, centre, shows learned ones.
# - Devlin et al., *BERT*, NAACL 2019. Figure 2: `[CLS]` at position 0, and embeddings as a sum.
# - Touvron et al., *Training Data-Efficient Image Transformers & Distillation through Attention*, ICML 2021. Figure 2:
#   a second extra token, which learns from a teacher (lesson 08).
# - Darcet et al., *Vision Transformers Need Registers*, ICLR 2024. Figure 1: attention maps of models with too few
#   tokens that belong to no patch.
#
# Next: **05 · Attention**, the operation that connects all tokens.
