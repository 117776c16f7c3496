# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 04 · The class token {{badge}}
#
# **In one sentence:** you will give every image one token that belongs to no patch, and every token its place, then
# train the result, watch whom that extra token listens to, and find out whether it is worth having.
#
# | | |
# |---|---|
# | **You need** | `nn.Module`; patches as tokens (lesson 03), a code for places (lesson 02); attention as a black box |
# | **Time** | 60 minutes |
# | **You write** | Q3 the class token (3 short blanks), Q4 its positions (5); W4a, W4b in words |
#
# **Afterwards you can**
# - say what a class token is, what it knows at the start, and how it comes to know more;
# - choose between a parameter, a buffer and a plain tensor, and say what each choice costs;
# - add positions of either kind, for the right number of tokens, along the right axis;
# - answer "class token or mean?" with numbers instead of taste.
#
# {{questions}}
#
# {{names: lectures L0, L1, L2}}
# `cls_token` | `cls_token` | `cls_token` | $\mathbf{x}_{class}$
# `learnable_positions`, `pos_embed` | `learnable_positions` | `pos_embed` | $\mathbf{E}_{pos}$
# `sinusoids_positions` | `sinusoids_positions` | – | sinusoidal encoding
# {{end}}

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
from helpers.explore import explore
from helpers.pictures.class_token import show_listening
from helpers.pictures.patches import show_numbers
from helpers.plots import bars, compare, curves, heatmap, show_grid, token_strip
from helpers.training import evaluate, fit

PatchProjection, getPositionEncoding = built("PatchProjection", "getPositionEncoding")
torch.set_num_threads(1)  # for models this small, several threads mostly wait for each other

# %% [markdown]
# Two parts come from earlier lessons: `PatchProjection` makes a token of each patch (it is the class of lesson 03's
# Q2), and `getPositionEncoding` is lesson 02's code.
#
# Letters: `b` batch, `n` tokens, `d` width (`emb_size` in code), `c h w` image.

# %% [markdown]
# ## 1 · Sixteen tokens, one answer
#
# A real digit, 8 x 8, in sixteen patches:

# %%
where = device()
train, test = load("digits").to(where), load("digits", "test").to(where)
show_grid(test.images[0], 2, title=f"a {test.labels[0]}")

# %% [markdown]
# Sixteen tokens go into a transformer, sixteen come out. The question was *one*: which digit? Which token shall
# answer? Ask each patch alone, with the best linear map from its four pixels to ten classes:


# %%
def rolled(images):
    return F.unfold(images.cpu(), 2, stride=2).mT  # b n 4


def linear_accuracy(seen, unseen):
    """Fit (b, k) to the classes by least squares; the share of unseen images that it gets right."""
    seen, unseen = (F.pad(x, (0, 1), value=1.0) for x in (seen, unseen))  # a constant
    wanted = F.one_hot(train.labels.cpu(), 10).float()
    weights = torch.linalg.lstsq(seen, wanted, driver="gelsd").solution
    return ((unseen @ weights).argmax(1) == test.labels.cpu()).float().mean().item()


# %%
seen, unseen = rolled(train.images), rolled(test.images)
alone = torch.tensor([linear_accuracy(seen[:, k], unseen[:, k]) for k in range(16)])
compare([("right, %, from one patch alone", 100 * alone.reshape(4, 4))],
        alt="A 4 by 4 map: corners about 20 %, the middle four patches almost half.")  # fmt: skip
print(f"the worst {alone.min():.0%}, the best {alone.max():.0%}")

# %% [markdown]
# Guessing is 10 %. The middle knows most, and even there half of the answers are wrong. What about all together,
# averaged or side by side?

# %%
ways = {
    "the best patch alone": alone.max().item(),
    "the mean of all patches": linear_accuracy(seen.mean(1), unseen.mean(1)),
    "all patches side by side": linear_accuracy(seen.flatten(1), unseen.flatten(1)),
}
bars(ways, xlabel="accuracy on unseen digits", form="{:.0%}")
mean, best, together = sorted(ways.values())
assert mean < 0.3 < best < 0.6 < 0.9 < together

# %% [markdown]
# The digit is in the whole, in no part of it, so somebody has to *gather*. Averaging raw patches forgets what stood
# where. A transformer lets tokens talk first; then one vector is taken. Two ways to take it are in use:
#
# - the **mean** of all tokens that come out;
# - one **extra token** that belongs to no patch, asks everybody, and is the only one to be read.
#
# The second is the *class token*. BERT brought it in 2018, ViT took it over. You build it now.

# %% [markdown]
# ## 2 · Three tools
#
# **A tensor that learns.** A module has two kinds of attributes, and to the eye they look alike:


# %%
class TwoTensors(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = torch.ones(3)
        self.learned = nn.Parameter(torch.ones(3))


print([name for name, _ in TwoTensors().named_parameters()])

# %% [markdown]
# What an optimiser isn't told of, it can't train. Only `nn.Parameter` is announced.
#
# **Copies along a new axis.** In `einops.repeat` a letter that stands on the right alone is a new axis; you say how
# long it is. An axis of length 1 is written `1` or `()`:

# %%
row = torch.arange(3)[None]  # 1 x
show_numbers([("1 x", row), ("() x -> y x, y=3", repeat(row, "() x -> y x", y=3))])

# %% [markdown]
# **Joining.** `torch.cat` puts tensors one behind the other along the axis that you name. All other axes must agree;
# unlike `+`, it stretches nothing:

# %%
one, many = torch.zeros(1, 2, 4), torch.ones(3, 2, 4)
print("plus:", tuple((one + many).shape))
try:
    torch.cat([one, many], dim=2)
except RuntimeError as error:
    print("cat: ", str(error)[:72], "…")

# %% [markdown]
# ## 3 · Q3: one token more
#
# Three blanks:
# 1. `cls_token`: **one** vector for all images, shaped `(1, 1, emb_size)`, that can learn. How it begins is yours to
#    choose; zeros or small random numbers are usual;
# 2. `repeat` it, so that each image of the batch has a copy;
# 3. join copies and patches. The class token comes **first**: everybody looks for it in place 0.


# %% tags=["answer"] question="Q3"
# Q3: the class token
class PatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, patches + 1, emb_size): the class token first, then the patches."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        # One vector for all images, and it can learn.
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, emb_size))  # BLANK

    def forward(self, x):
        x = self.projection(x)  # b patches d
        b = len(x)
        # A copy for each image.
        cls_tokens = repeat(self.cls_token, "() n e -> b n e", b=b)  # BLANK: "() n e -> b n e", b=b
        return torch.cat([cls_tokens, x], dim=1)  # BLANK: [cls_tokens, x], dim=1


# %% tags=["check"] question="Q3" points=4
check("Q3", PatchEmbedding)

# %% [markdown]
# <details><summary>Hint: “Sizes of tensors must match except in dimension …”</summary>
#
# Write both shapes, one under the other, and compare them axis by axis. They may differ in one place only, the one
# that you named as `dim`. Is the batch the same in both?
# </details>
# <details><summary>Hint: einops says that a letter appears on one side only</summary>
#
# New letters on the right are fine, if you say how long they are: `y=3` above. Letters of the left must all come
# back, except for `()`.
# </details>
# <details><summary>Hint: all is right, but it does not learn</summary>
#
# Print `[name for name, _ in PatchEmbedding().named_parameters()]`. Is `cls_token` among them?
# </details>
# <details><summary>Stronger hint</summary>
#
# Shapes, from line to line: `(1, 1, d)`, then `(b, 1, d)`, then `(b, 1 + n, d)`. Only the batch is new in the second
# line, only the tokens grow in the third.
# </details>

# %% [markdown]
# ### Your tokens
#
# Two digits through your embedding, small images, width 32:

# %%
if ready("Q3"):
    torch.manual_seed(0)
    embed = PatchEmbedding(in_channels=1, patch_size=2, emb_size=32, img_size=8).to(where)
    tokens = embed(test.images).detach()  # b n+1 d
    for k in (0, 1):
        token_strip(tokens[k], title=f"a {test.labels[k]}, {len(tokens[k])} tokens", height=2.3)

# %% [markdown]
# Seventeen rows: one faint one on top, then sixteen patches. Row 0 is the same in both. How much does each token
# change from image to image?

# %%
if ready("Q3"):
    spread = tokens.std(0).mean(1)  # n+1
    some = {"class token": 0} | {f"patch {k}": k + 1 for k in (0, 1, 5, 6)}
    widths = {name: spread[k] for name, k in some.items()}
    bars(widths, xlabel=f"spread over {len(tokens)} images", form="{:.3f}")

# %% tags=["solution"]
assert spread[0] < 1e-6 < 0.01 < spread[6]

# %% [markdown]
# Zero. At this point the class token knows *nothing*: for every image in the world it is the same. Read it now, and
# you get one answer for all. It isn't a summary; it is a **question** that will be put to a summary's sources.

# %% [markdown]
# ## 4 · How it comes to know
#
# Attention (lesson 05) lets each token take a weighted mean of all: a query from the one who asks, keys from those
# who are asked, shares that add up to 1. Look at row 0 of the shares alone: whom does the class token ask?

# %%
if ready("Q3"):
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(32, 4, batch_first=True).to(where)
    with torch.no_grad():
        heard, shares = attention(tokens, tokens, tokens)  # b n+1 d, b n+1 n+1
    asked = 17 * shares[:, 0]  # b n+1; an even share is 1
    print(f"no share of the class token is further from even than {(asked - 1).abs().max():.1%}")
    before, after = tokens[:, 0].std(0).mean(), heard[:, 0].std(0).mean()
    print(f"its spread over images: {before:.3f} before, {after:.3f} after")

# %% tags=["solution"]
assert 0.9 < asked.min() < asked.max() < 1.1
assert after > 1e-3

# %% [markdown]
# Two things. It is no longer the same for all: it has heard of its image. And this one, faint and untrained, asks
# everybody alike: what it has heard is **the mean**. A class token can begin as mean pooling; training may teach it to
# be choosy.
#
# **Try it.** How choosy? The class token's query decides. Make it longer, in the same random direction:


# %%
def ask(loudness=1):
    torch.manual_seed(3)
    question = loudness * torch.randn(32, device=where) / 32**0.5  # the class token's query
    keys = (tokens[0, 1:] - tokens[0, 1:].mean(0)) @ torch.randn(32, 32).to(where)  # n d
    chosen = (keys @ question).softmax(0)  # n
    heatmap(chosen.reshape(4, 4), vmin=0, vmax=1, title=f"largest share {chosen.max():.2f}")


if ready("Q3"):
    explore(ask, loudness=[0, 1, 4, 16])

# %% [markdown]
# At 0 it is the mean, exactly. The longer the query, the fewer it listens to; in the end, to one. All between can be
# learned. A mean pool has no such choice.

# %% [markdown]
# ## 5 · Two kinds of position
#
# Attention doesn't care in which order tokens stand (lesson 02's puzzle), so each token must carry its place. ViT adds
# a vector per place, and the class token counts as a place, number 0:
#
# $$ z_0 = [\,x_\text{class};\; x_1 E;\; \dots;\; x_n E\,] + E_\text{pos} \qquad E_\text{pos}: (n + 1, d) $$
#
# Where do the rows of $E_\text{pos}$ come from? Either they are **learned** with all the rest, or they are lesson 02's
# **sinusoids**, fixed for ever. For the second kind a module needs something between plain tensor and parameter: a
# *buffer*. All three on one shelf:


# %%
class Shelf(nn.Module):
    def __init__(self):
        super().__init__()
        self.plain = torch.ones(2)
        self.register_buffer("kept", torch.ones(2))
        self.learned = nn.Parameter(torch.ones(2))


# %%
shelf = Shelf()
trained, saved = dict(shelf.named_parameters()), shelf.state_dict()
shelf.to("meta")  # a device that every machine has; it holds shapes only
print("          trained  saved  after .to(device)")
for name in ("plain", "kept", "learned"):
    print(f"{name:<9} {name in trained!s:<8} {name in saved!s:<6} {getattr(shelf, name).device}")
assert (shelf.plain.device.type, shelf.kept.device.type) == ("cpu", "meta")
assert list(trained) == ["learned"]
assert sorted(saved) == ["kept", "learned"]

# %% [markdown]
# The plain tensor stayed behind. On your laptop nobody notices; on the first GPU:

# %%
try:
    shelf.learned + shelf.plain
except RuntimeError as error:
    print(error)

# %% [markdown]
# So: what learns is a **parameter**, what is fixed and belongs to the module is a **buffer**, and a plain tensor is
# neither moved, nor saved, nor trained.

# %% [markdown]
# ### Q4: a place for every token
#
# The whole class once more, now with `positions="learnable"` or `"sinusoidal"`. The rows are kept under the names
# `learnable_positions` and `sinusoids_positions`. Five blanks:
# 1. the class token, as in your Q3;
# 2. how many tokens are there, all counted, for square images of `img_size`?
# 3. the learned rows;
# 4. the sinusoidal rows: one line that puts what `getPositionEncoding(…)` gives where it belongs;
# 5. the way forward, about 2 lines: class token first as in Q3, then add the rows.


# %% tags=["answer"] question="Q4"
# Q4: a position for every token
class PatchEmbedding(nn.Module):
    """(b, c, h, w) -> (b, patches + 1, emb_size): class token first, and to each token its position added."""

    def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, positions="learnable"):
        super().__init__()
        self.projection = PatchProjection(in_channels, patch_size, emb_size, img_size)
        self.positions = positions
        # As in Q3.
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, emb_size))  # BLANK
        # How many stand in line?
        num_tokens = (img_size // patch_size) ** 2 + 1  # BLANK
        if positions == "learnable":
            # They begin small and random.
            self.learnable_positions = nn.Parameter(0.02 * torch.randn(num_tokens, emb_size))  # BLANK
        elif positions == "sinusoidal":
            # Kept as sinusoids_positions; never trained, and they move with the module.
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
# <details><summary>Hint: “The size of tensor a must match the size of tensor b”</summary>
#
# The two numbers in the message are telling: do they differ by one? Then somebody has no place. Are they the square
# root of each other, or is one of them your width? Count rows again, then columns.
# </details>
# <details><summary>Hint: right values, but the check speaks of moving or of training</summary>
#
# Look at the shelf in section 5. Which of its three places is neither trained nor left behind?
# </details>
# <details><summary>Hint: “object has no attribute …”</summary>
#
# Only one of the two kinds exists in each module. `self.positions` remembers which.
# </details>
# <details><summary>Stronger hint</summary>
#
# Positions are `(n + 1, d)` and tokens `(b, n + 1, d)`: a plus sign lines axes up from the right, so the batch needs no
# line of its own.
# </details>

# %% [markdown]
# ### Both kinds, side by side


# %%
def rows_of(embedding):
    name = "learnable_positions" if embedding.positions == "learnable" else "sinusoids_positions"
    return getattr(embedding, name).detach().reshape(-1, 32)  # n+1 d


def small(positions="learnable"):
    return PatchEmbedding(in_channels=1, patch_size=2, emb_size=32, img_size=8, positions=positions)


if ready("Q4"):
    torch.manual_seed(0)
    both = {kind: small(kind) for kind in ("learnable", "sinusoidal")}
    compare([(kind, rows_of(one)) for kind, one in both.items()], shared=False,
            alt="Learnable: faint noise, 17 rows. Sinusoidal: waves of several lengths, 17 rows.")  # fmt: skip

# %% [markdown]
# One begins as noise, and mind the two scales: much fainter than the other. How much, and what else differs?

# %%
if ready("Q4"):
    for kind, one in both.items():
        learns = sum(p.numel() for p in one.parameters() if p.requires_grad)
        rows, moved = rows_of(one), rows_of(small(kind).to("meta"))
        print(
            f"{kind:<11} rows {tuple(rows.shape)} of {rows.dtype}, size {rows.square().mean().sqrt():.2f}"
        )  # fmt: skip
        print(f"{'':<11} {learns} numbers learn; after .to('meta') the rows are on {moved.device}")

# %% tags=["solution"]
learning = [sum(p.numel() for p in one.parameters()) for one in both.values()]
assert learning[0] - learning[1] == 17 * 32 == 544

# %% [markdown]
# The difference in what learns is 17 · 32 = 544, one table. And the dtype matters more than it seems. Give one table
# `float64`, as numpy would, and every token follows:

# %%
tokens64 = torch.rand(17, 32) + torch.rand(17, 32, dtype=torch.float64)
try:
    nn.Linear(32, 10)(tokens64)
except RuntimeError as error:
    print(f"{tokens64.dtype}, and the next layer says: {error}")

# %% [markdown]
# What does adding do to the tokens? With the sinusoids, it is plain to see:

# %%
if ready("Q4"):
    one = both["sinusoidal"]
    after = one(test.images[:1].cpu())[0].detach()
    before = after - rows_of(one)
    compare([("tokens", before), ("positions", rows_of(one)), ("their sum", after)])

# %% [markdown]
# The places are louder than the patches! Is that a handicap? The race in section 6 will tell.
#
# ### A row too many?
#
# The class token and row 0 are only ever seen as a sum. Carry a vector from one to the other:

# %%
if ready("Q4"):
    one = both["learnable"]
    with torch.no_grad():
        before, carried = one(test.images[:4].cpu()), torch.randn(32)
        one.cls_token += carried
        one.learnable_positions.view(-1, 32)[0] -= carried
        print(f"largest change in any token: {(one(test.images[:4].cpu()) - before).abs().max():.0e}")

# %% [markdown]
# Nothing but rounding. With learned positions row 0 adds nothing that the class token couldn't hold; it is there
# because one table for all is simpler than a table with an exception.

# %% [markdown]
# ## 6 · The race
#
# A small ViT around your embedding: two of PyTorch's encoder layers (lesson 06 builds them), and a head that reads the
# class token, or the mean of the patches without any class token.


# %%
class SmallViT(nn.Module):
    def __init__(self, embedding, pool="class token"):
        super().__init__()
        self.embedding, self.pool = embedding, pool
        layer = nn.TransformerEncoderLayer(
            32, 4, 64, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )  # fmt: skip
        self.body = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(32), enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def forward(self, images):
        tokens = self.embedding(images - 0.5)  # b n+1 d
        if self.pool == "mean":
            return self.head(self.body(tokens[:, 1:]).mean(1))
        return self.head(self.body(tokens)[:, 0])


# %% [markdown]
# One of them is the yardstick: class token, learned positions. In the other two one thing is changed. Three seeds each,
# the same 1433 digits, the same eight epochs.

# %%
racers = [("class token", "learnable"), ("class token", "sinusoidal"), ("mean", "learnable")]
runs, kept, seconds = {}, {}, []
if ready("Q4"):
    for pool, kind in racers:
        for seed in range(3):
            torch.manual_seed(seed)
            model = SmallViT(small(kind), pool)
            history = fit(model, train, test, epochs=8, lr=3e-3, seed=seed, progress=False)
            runs.setdefault(f"{pool}, {kind}", []).append(history.test_accuracy)
            kept.setdefault(f"{pool}, {kind}", model)  # of the first seed
            seconds += torch.tensor(history.seconds).diff().tolist()
    learns = sum(p.numel() for p in model.parameters())
    print(f"{learns:,} numbers learn; fastest epoch {min(seconds):.2f} s")

# %% [markdown]
# And a small CNN, with as many epochs:

# %%
torch.manual_seed(0)
cnn = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))  # fmt: skip
by_cnn = fit(cnn, train, test, epochs=8, lr=3e-3, progress=False)
fastest, learns = torch.tensor(by_cnn.seconds).diff().min(), sum(p.numel() for p in cnn.parameters())
print(f"{learns:,} numbers learn; fastest epoch {fastest:.2f} s")

# %%
if ready("Q4"):
    final = {name: 100 * torch.tensor(curve)[:, -1] for name, curve in runs.items()}
    means = {name: f.mean().item() for name, f in final.items()}
    means["a small CNN"] = 100 * by_cnn.test_accuracy[-1]
    bars(means, {name: f.std().item() for name, f in final.items()}, form="{:.1f}",
         xlabel="test accuracy, % (mean and spread of three seeds; CNN: one)")  # fmt: skip

# %% tags=["solution"]
assert max(f.mean() for f in final.values()) - min(f.mean() for f in final.values()) < 7
assert means["a small CNN"] > max(f.mean() for f in final.values())

# %%
if ready("Q4"):
    paths = {name: torch.tensor(curve).mean(0) for name, curve in runs.items()}
    curves(range(1, 9), paths, xlabel="epoch", ylabel="test accuracy, mean of seeds")

# %% [markdown]
# An honest reading:
#
# - The three end within a few points of each other, and each moves by about as much from seed to seed. From three
#   seeds one can't say that the class token is better than the mean, or worse; nor that learned positions are.
# - The loud sinusoids were no handicap.
# - The ViT paper found the same with far more data: class token and mean do equally well, each at its own learning
#   rate (Figure 9 in its appendix), and which positions you take hardly matters, as long as you take some (Table 8).
# - The CNN wins, in less time and with fewer numbers. It has locality built in; a ViT has to learn it, from 1433
#   digits.
#
# So why a class token? Not for accuracy. It costs one token of seventeen, and it gives the image a place of its own
# *inside* the network: somebody who can be asked whom it listens to.

# %% [markdown]
# ### Whom it listens to
#
# The shares of the class token in the last layer, mean over heads, before and after training:


# %%
@torch.no_grad()
def listening(model, images):
    """Whom the class token asks, (layers, b, n+1)."""
    x, seen = model.embedding(images - 0.5), []
    for layer in model.body.layers:
        normed = layer.norm1(x)
        seen.append(layer.self_attn(normed, normed, normed)[1][:, 0])
        x = layer(x)
    return torch.stack(seen)


# %%
if ready("Q4"):
    torch.manual_seed(0)
    fresh, taught = SmallViT(small()).to(where), kept["class token, learnable"].eval()
    shown = test.images[:8]
    models = {"untrained": fresh, "trained": taught}
    maps = {name: listening(model, shown)[-1][:, 1:] for name, model in models.items()}
    show_listening(shown, maps, (4, 4))

# %%
if ready("Q4"):
    print(f"an even share would be {1 / 17:.2f}")
    for name, model in models.items():
        largest = listening(model, test.images).amax(-1).mean(1)  # layers
        print(f"{name:<9} largest share, layer 1: {largest[0]:.2f}, layer 2: {largest[1]:.2f}")

# %% [markdown]
# Before, nearly even shares. After, it has become choosy, and differently for each image.
#
# Is that where the knowledge is? Take patches out of the sequence, those it listens to most first, or least first,
# and let the trained model read the rest:


# %%
@torch.no_grad()
def accuracy_without(model, count, order):
    """Accuracy when the first `count` patches in each image's order (b, n) are taken out."""
    x = model.embedding(test.images - 0.5)  # b n+1 d
    left = 1 + order[:, count:]  # b n
    x = torch.cat([x[:, :1], x.gather(1, left[..., None].expand(-1, -1, 32))], dim=1)
    return (model.head(model.body(x)[:, 0]).argmax(1) == test.labels).float().mean().item()


# %%
if ready("Q4"):
    looks = listening(taught, test.images).mean(0)[:, 1:]  # b n
    torch.manual_seed(0)
    orders = {"most first": looks.argsort(1, descending=True), "least first": looks.argsort(1),
              "at random": torch.rand_like(looks).argsort(1)}  # fmt: skip
    counts = range(0, 17, 2)
    falls = {name: [accuracy_without(taught, k, o) for k in counts] for name, o in orders.items()}
    curves(counts, falls, xlabel="patches taken away, of 16", ylabel="accuracy")

# %% tags=["solution"]
assert falls["least first"][4] > falls["at random"][4] + 0.1 > falls["most first"][4] + 0.2

# %% [markdown]
# Half of the patches can go, if they are the ones it doesn't listen to: little is lost. Take the other half, and it
# guesses. So here the shares do say which patches the answer rests on. They don't say *what* it sees in them, and in
# deep models a token's place no longer tells what it holds; lesson 07 comes back to that.
#
# **Try it.** One layer's shares alone, or another model of `kept`: is the order as telling?

# %%
layer, which = 0, "class token, sinusoidal"  # change me

if ready("Q4"):
    other = kept[which].eval()
    looks = listening(other, test.images)[layer][:, 1:]  # b n
    for name, down in (("most first", True), ("least first", False)):
        order = looks.argsort(1, descending=down)
        print(f"{name:<11} 8 of 16 patches taken away: {accuracy_without(other, 8, order):.0%} right")

# %% [markdown]
# ### What the learned rows became
#
# Nobody told the learned rows that patches lie on a grid. Do neighbours resemble each other after training? Patch 5
# against all:

# %%
if ready("Q4"):
    owners = {"learnable, untrained": fresh.embedding, "learnable, trained": taught.embedding,
              "sinusoidal": both["sinusoidal"]}  # fmt: skip
    tables = {name: rows_of(owner)[1:].cpu() for name, owner in owners.items()}
    units = {name: F.normalize(rows - rows.mean(0), dim=1) for name, rows in tables.items()}
    compare([(name, (unit @ unit[5]).reshape(4, 4)) for name, unit in units.items()],
            alt="Only the sinusoidal rows resemble their neighbours, and only to the left and right.")  # fmt: skip

# %%
places = torch.cartesian_prod(torch.arange(4.0), torch.arange(4.0))  # n 2
apart = torch.cdist(places, places)
if ready("Q4"):
    for name, unit in units.items():
        alike = unit @ unit.T  # n n
        near, far = alike[apart == 1].mean(), alike[apart > 1.5].mean()
        print(f"{name:<21} neighbours {near:+.2f}, further apart {far:+.2f}")

# %% [markdown]
# Hardly: eight epochs moved the rows far enough to tell places apart, and no more. In the ViT paper, after far more
# images, rows and columns stand out clearly (Figure 7, centre). The sinusoids know a line from the start, but not a
# grid.

# %% [markdown]
# ## 7 · A mistake that travels
#
# PyTorch's own tutorial on sequences has a `PositionalEncoding` that thousands of projects have copied. Its table has
# shape `(max_len, 1, d)`, and it says `x + pe[:x.size(0)]`, for tokens shaped `(n, b, d)`. Ours are `(b, n, d)`:


# %%
class CopiedPositions(nn.Module):
    def __init__(self, embedding, max_len=512):
        super().__init__()
        self.embedding = embedding
        self.register_buffer("pe", getPositionEncoding(max_len, 32)[:, None])  # max_len 1 d

    def forward(self, images):
        x = self.embedding(images)  # b n d
        return x + self.pe[: x.size(0)]


# %%
torch.manual_seed(0)
plain = PatchProjection(1, 2, 32, 8)
copied = CopiedPositions(plain)
same = test.images[:1].cpu().repeat(6, 1, 1, 1)  # one image, six times
added = (copied(same) - plain(same)).detach()  # b n d
print("no complaint; what was added to image 0 and to image 5:")
compare([(f"image {k}", added[k]) for k in (0, 5)],
        alt="In each image all rows are alike; the two images differ.")  # fmt: skip

# %% [markdown]
# No error: broadcasting found a way. Within an image all tokens get the *same* vector, so places are lost; and the
# same image gets another one depending on where in the batch it lies. Train that, in place of your own rows, with all
# the rest as before:

# %%
if ready("Q4"):
    torch.manual_seed(0)
    bare = small()
    for parameter in bare.parameters():
        if parameter.shape[-2:] == (17, 32):
            parameter.data.zero_()  # your own rows, switched off
            parameter.requires_grad_(False)
    lost = SmallViT(CopiedPositions(bare))
    fit(lost, train, test, epochs=8, lr=3e-3, progress=False)
    right = runs["class token, sinusoidal"][0][-1]
    found = {"along the tokens": right, "along the batch": evaluate(lost, test).accuracy}
    bars(found, xlabel="test accuracy, seed 0", form="{:.0%}")

# %% tags=["solution"]
assert found["along the batch"] < found["along the tokens"] - 0.1

# %% [markdown]
# It trains, the loss falls, and the result is better than guessing: so such a mistake survives. One look gives it away.
# Hand in the same images in the opposite order, and count the answers that change.

# %%
if ready("Q4"):
    for name, model in {"along the tokens": kept["class token, sinusoidal"], "along the batch": lost}.items():
        with torch.no_grad():
            there, back = model(test.images), model(test.images.flip(0)).flip(0)
        changed = (there.argmax(1) != back.argmax(1)).float().mean()
        print(
            f"{name:<17} {changed:.0%} of the answers change, a logit by up to {(there - back).abs().max():.0e}"
        )  # fmt: skip

# %% [markdown]
# An image's answer must not depend on its neighbours in the batch. Test that on every model you copy.
#
# > ### What could go wrong
# > - **n positions for n + 1 tokens.** The class token stands in line too.
# > - **Positions before the class token.** It runs, and the class token has no place.
# > - **A plain tensor.** Never trained, never saved, and left on the CPU by `.to(device)`.
# > - **Sinusoids as a parameter.** They are right on the first day, and drift from then on.
# > - **A token drawn in `forward`.** Another question for each batch; nothing to learn.
# > - **The class token at the end.** Your own model won't mind; pretrained weights will, and so will everyone who
# >   reads `out[:, 0]`.
# > - **Larger images.** A learned table has a fixed number of rows. What then? Lesson 12.

# %% [markdown]
# ## 8 · In words
#
# **W4a** (3 points). What is a class token? Say what it holds before the first layer; how it comes to know of the
# image; why one reads it, and not for instance the token of patch 5. And one thing that speaks for a mean instead.

# %% [markdown] tags=["written"] question="W4a" points=3
# It is one learned vector that is put in front of the patch tokens of every image. Before the first layer it holds
# nothing of the image: it is the same for all (spread 0 over images). In each attention layer its query is compared
# with the keys of all tokens, and it takes a weighted mean of their values; so layer by layer it collects what
# the head will need, and training shapes both what it asks and what patches answer. The token of patch 5 also
# hears of the others, but it has a job of its own, it must carry its patch, and it would favour one place of the image;
# the class token belongs to no place and is free to gather. For the mean: no extra token and no extra
# parameter, and in our race (and in the ViT paper) it is as accurate.

# %% [markdown] tags=["rubric"]
# **W4a, 3 points.**
# - 1 point: one learned vector for all images, which knows nothing of the image at the start (half a point without
#   the second part).
# - 1 point: it gathers by attention, a weighted mean over tokens, layer by layer.
# - ½ point: it belongs to no patch, so it is free for the whole image (or: patch 5 must carry its own patch).
# - ½ point: a sound point for the mean: simpler, fewer tokens, measured equally good.

# %% [markdown]
# **W4b** (2 points). A friend writes `self.pe = getPositionEncoding(17, 64)` in `__init__` and adds it in `forward`.
# "Works on my laptop." Where does it fail, and which line mends it? The friend then says: "I could as well make it
# an `nn.Parameter`." What changes? And which of the two kinds of position can be made for a larger image at once?

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

# %% [markdown]
# ## 9 · What you take along
#
# | | |
# |---|---|
# | class token | one learned vector, first in line; the same for all images until attention fills it |
# | gathering | a weighted mean whose weights are learned; a mean pool has even weights |
# | positions | `n + 1` rows, added along the tokens; row 0 is the class token's |
# | learned or sinusoidal | a parameter or a buffer; on sixteen patches equally good |
# | plain tensor | not trained, not saved, not moved |
# | the test | turn the batch round: no answer may change |
#
# **Further reading**
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Equation 1 is your Q4; Figure 9 (appendix) compares
#   class token and mean, Table 8 kinds of position; Figure 7, centre, shows learned ones.
# - Devlin et al., *BERT*, NAACL 2019. Figure 2: `[CLS]` in place 0, and embeddings as a sum.
# - Touvron et al., *Training Data-Efficient Image Transformers & Distillation through Attention*, ICML 2021. Figure 2:
#   a second extra token, which learns from a teacher (lesson 08).
# - Darcet et al., *Vision Transformers Need Registers*, ICLR 2024. Figure 1: what happens to attention maps when a
#   model has too few tokens that belong to no patch.
#
# Next: **05 · Attention**, the conversation itself.
