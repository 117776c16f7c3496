# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 07 · Vision Transformer {{badge}}
#
# **In one sentence:** you will put the parts of six lessons together into a Vision Transformer, train it, and ask
# it where it looks.
#
# | | |
# |---|---|
# | **You need** | what a patch, a token, a class token and an encoder block are; `nn.Module`; the parts come ready |
# | **Time** | 75 minutes |
# | **You write** | Q8 the model, Q9 a training step, Q9b evaluation, Q10 attention maps, Q10b rollout; W7a, W7b |
#
# **Afterwards you can**
# - build a ViT of any size, and say how many weights it has and what it costs per token;
# - write the training loop that all of deep learning uses, and name five ways to get it wrong;
# - tell a model that learns from one that only remembers, in one figure;
# - draw what a model attends to, and say what such a picture is worth.
#
# {{questions}}
#
# {{names: lectures L0 and L4}}
# `embed_dim`, `embedding_dim` | `emb_size` | `embed_dim` | $D$
# `num_layers`, `nb_blocks` | `depth` | `depth` | $L$
# `mlp_dim` | `expansion * emb_size` | `mlp_ratio * embed_dim` | MLP size
# `mlp_head` | `head` | `head` | classification head
# `VisionTransformerProcessor.process_images` | `PatchEmbedding`, a part of the model | `patch_embed` | Eq. 1
# `train_model`, `evaluate_model` | `train_step`, `evaluate` | – | –
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
import time
import tomllib
from dataclasses import replace
from importlib.resources import files

import torch
import torch.nn.functional as F
from torch import nn

from helpers import check, ready
from helpers.attention_maps import by_layer, record_attention
from helpers.built import built
from helpers.checks.placed_weights import draw_weights, place_block
from helpers.data import DataUnavailable, load
from helpers.device import device
from helpers.experiments.left_out_of_the_optimiser import compare_optimisers
from helpers.explore import explore
from helpers.pictures.vision_transformer import (
    attention_picture,
    show_assembly,
    show_attention_rows,
    show_confusion,
    show_plan,
    show_study,
)
from helpers.plots import bars, curves, heatmap, show_images
from helpers.training import evaluate as examine
from helpers.training import fit

torch.set_num_threads(1)  # for tensors as small as these, more threads only wait for each other
where = device()

# %% [markdown]
# The parts of the lessons before. Yours, where their checks have passed; else a stand-in of another design, which
# does the same job:

# %% tags=["setup"]
PatchEmbedding, TransformerEncoderBlock = built("PatchEmbedding", "TransformerEncoderBlock")

# %% [markdown]
# Letters as always: `b` batch, `n` patches, `d` width, `c h w` an image.

# %% [markdown]
# ## 1 · Something to look at
#
# One switch chooses the images. `"shapes"` and `"digits"` are in the box; `"cifar10"` and `"mnist"` are
# downloaded once, and want more patience, or a GPU.

# %%
DATASET = "shapes"  # change me: "digits", "cifar10", "mnist"

try:
    raw, raw_test = load(DATASET), load(DATASET, "test")
except DataUnavailable as trouble:
    print(f"{trouble}\nGoing on with shapes.")
    raw, raw_test = load("shapes"), load("shapes", "test")
print(raw)
raw.show(16)

# %% [markdown]
# A network likes numbers around zero. Mean and spread of each channel, measured on the *training* images, are
# taken out of both sets:


# %%
def normalised(data):
    mean, spread = raw.images.mean((0, 2, 3), keepdim=True), raw.images.std((0, 2, 3), keepdim=True)
    return replace(data, images=(data.images - mean) / spread)


train, test = normalised(raw), normalised(raw_test)
channels, height = train.images.shape[1:3]
patch = {32: 8, 28: 7, 8: 2}[height]
sizes = {
    "in_channels": channels,
    "patch_size": patch,
    "img_size": height,
    "n_classes": len(train.classes),
}
print(
    f"mean {train.images.mean():.3f}, spread {train.images.std():.3f}; {(height // patch) ** 2} patches per image"
)  # fmt: skip

# %% [markdown]
# ## 2 · Q8: the whole model
#
# Here is the plan, with the shape after each step. You have built all of it but the last three boxes, and those are
# small.

# %%
show_plan()

# %% [markdown]
# The head reads *one* token, the class token: the only one that has no patch of its own, and all the room to
# collect.
#
# Norm and head are there. Four blanks: the embedding, a list with `depth` blocks, and the two lines of `forward`.
# `drop_p` goes into both places where a block drops.


# %% tags=["answer"] question="Q8"
# Q8: the Vision Transformer
class ViT(nn.Module):
    def __init__(
        self, in_channels=3, patch_size=8, emb_size=64, img_size=32, depth=2, num_heads=2, expansion=2, n_classes=10,
        drop_p=0.1,
    ):  # fmt: skip
        super().__init__()
        self.embed = PatchEmbedding(in_channels, patch_size=patch_size, emb_size=emb_size, img_size=img_size)  # BLANK
        blocks = [
            TransformerEncoderBlock(emb_size, num_heads, expansion, drop_p, forward_drop_p=drop_p) for _ in range(depth)
        ]  # BLANK
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.LayerNorm(emb_size)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, images):  # b c h w
        tokens = self.norm(self.blocks(self.embed(images)))  # BLANK
        return self.head(tokens[:, 0])  # BLANK


# %% tags=["check"] question="Q8" points=5
check("Q8", ViT)

# %% [markdown]
# The check puts parts of its own in the place of yours while it looks, so a stand-in costs you nothing.
#
# <details><summary>Hint: TypeError, missing or unexpected arguments</summary>
#
# `PatchEmbedding(in_channels, patch_size, emb_size, img_size)` and `TransformerEncoderBlock(emb_size, num_heads,
# expansion, drop_p, forward_drop_p)` are the orders they were born with. Arguments by name can't change seats.
# </details>
# <details><summary>Hint: depth changes nothing, or weights are missing</summary>
#
# Each block has to be made anew: the call belongs inside the brackets of a list comprehension, once for each of
# `range(depth)`. `[block] * depth` makes one block and names it often.
# </details>
# <details><summary>Hint: "what the head reads" shows many bars</summary>
#
# `tokens` is b × (n + 1) × d. Keep all of b, one of n + 1, all of d. What is the class token's number?
# </details>

# %% [markdown]
# ### Your model at work
#
# Untrained, one image. Hooks catch what passes from module to module, so your class needs no change:


# %%
def stages(model, images):
    """What each part of the model gave, of those that give n + 1 tokens: (b, n + 1, d) each."""
    seen, n = [], (height // patch) ** 2
    hooks = [
        part.register_forward_hook(
            lambda _part, _given, out: seen.append(out) if out.shape[1:2] == (n + 1,) else None
        )
        for part in model.children()
    ]  # fmt: skip
    with torch.no_grad():
        logits = model.eval()(images)
    for hook in hooks:
        hook.remove()
    return seen, logits


# %%
if ready("Q8"):
    torch.manual_seed(0)
    model = ViT(**sizes)
    tokens, logits = stages(model, test.images[:1])
    show_assembly(raw_test.images[0], patch, tokens[0][0], tokens[-1][0], logits[0], test.classes)

# %% [markdown]
# The framed row is the class token. It goes in knowing nothing, and comes out as the only row that anybody reads.
#
# One more look before any training. Ten classes, no knowledge: the loss should be about ln 10.

# %%
if ready("Q8"):
    loss = F.cross_entropy(model(test.images[:256]), test.labels[:256])
    print(
        f"loss before training {loss:.2f}, ln {len(test.classes)} = {math.log(len(test.classes)):.2f}"
    )  # fmt: skip

# %% [markdown]
# A loss far above that means a head that shouts before it knows anything: look at how weights begin.

# %% [markdown]
# ### How many weights
#
# On the envelope, for width d, expansion e, patches of p × p pixels with c channels:


# %%
def parameters(c=3, p=8, d=64, img=32, depth=2, e=2, classes=10):
    n = (img // p) ** 2
    return {
        "patches to tokens": c * p * p * d + d,
        "class token": d,
        "positions": (n + 1) * d,
        "blocks": depth * ((4 * d * d + 4 * d) + (2 * e * d * d + e * d + d) + 4 * d),
        "norm and head": 2 * d + d * classes + classes,
    }


def count(module):
    return sum(p.numel() for p in module.parameters())


envelope = parameters()
bars(
    envelope,
    xlabel=f"weights of the default ViT: {sum(envelope.values()):,} in all",
    form="{:,.0f}",
)
assert sum(envelope.values()) == 81_226

# %%
if ready("Q8"):
    torch.manual_seed(0)
    mine = ViT()
    print(f"whole model: envelope {sum(envelope.values()):,}, code {count(mine):,}")
    first = sum(envelope[k] for k in ("patches to tokens", "class token", "positions"))
    print(f"embedding:   envelope {first:,}, code {count(PatchEmbedding()):,}")
    print(
        f"one block:   envelope {envelope['blocks'] // 2:,}, code {count(TransformerEncoderBlock(64, 2, 2)):,}"
    )  # fmt: skip

# %% [markdown]
# (A stand-in for PatchEmbedding has weights of another number: it looks at overlapping patches.) The same
# envelope at another size is a famous model:

# %%
vit_b = sum(parameters(p=16, d=768, img=224, depth=12, e=4, classes=1000).values())
print(f"ViT-B/16: {vit_b:,}")
assert vit_b == 86_567_656

# %% [markdown]
# That is the number of `torchvision.models.vit_b_16`, to the last weight (lesson 06 counted its blocks).
#
# ### The same, by PyTorch
#
# Lecture L0 writes the body as `nn.TransformerEncoder` with an `mlp` of 128, which is `expansion` 2 at width 64:


# %%
class TorchViT(nn.Module):
    def __init__(self, embed, d=64, heads=2, mlp=128, depth=2, n_classes=10, norm_first=True):
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            d, heads, mlp, 0.1, "gelu", batch_first=True, norm_first=norm_first
        )  # fmt: skip
        self.embed = embed
        self.encoder = nn.TransformerEncoder(
            layer, depth, nn.LayerNorm(d), enable_nested_tensor=False
        )  # fmt: skip
        self.last = nn.Linear(d, n_classes)

    def forward(self, images):
        return self.last(self.encoder(self.embed(images)).select(1, 0))


# %%
if ready("Q8"):
    theirs = TorchViT(PatchEmbedding())
    print(
        f"yours {count(mine):,}, PyTorch's {count(theirs):,}: the same number: {count(mine) == count(theirs)}"
    )  # fmt: skip

# %% [markdown]
# The same number, and the same model? Draw weights, put them into both, and compare the logits. PyTorch's layer
# can be wired in two ways; yours is one of them.

# %%
if ready("Q8") and all(hasattr(mine, part) for part in ("embed", "blocks", "norm", "head")):
    images, x = torch.randn(4, 3, 32, 32), torch.randn(2, 17, 64)
    for norm_first in (True, False):
        theirs = TorchViT(mine.embed, norm_first=norm_first)
        for i, (a, b) in enumerate(zip(mine.blocks, theirs.encoder.layers, strict=True)):
            for block in (a, b):
                place_block(block.eval(), x, draw_weights(i, 64, 128), turned=False)
        theirs.encoder.norm, theirs.last = mine.norm, mine.head
        with torch.no_grad():
            far = (mine.eval()(images) - theirs.eval()(images)).abs().max()
        print(f"{'pre' if norm_first else 'post'}-norm: logits differ by {far:.1e}")

# %% [markdown]
# One of the two differences is rounding: two authors, one function. (Your own block is pre-norm, a stand-in
# post-norm.)

# %% [markdown]
# ### What a token costs
#
# Count multiplications in one block with n tokens of width d. Four projections and the feed-forward cost n · (4 +
# 2e) d²;
# who-looks-at-whom costs 2 n² d. The first is a straight line in n, the second a parabola.


# %%
def work(n, d=64, e=2):
    return {"each token alone": n * (4 + 2 * e) * d * d, "tokens with tokens": 2 * n * n * d}


counts = [4**k + 1 for k in range(1, 7)]
lines = {name: [work(n)[name] for n in counts] for name in work(1)}
curves(counts, lines, xlabel="tokens", ylabel="multiplications per block", logx=True, logy=True)
assert work(256)["each token alone"] == work(256)["tokens with tokens"]

# %% [markdown]
# At width 64 they meet at n = (2 + e) d = 256 tokens; for ViT-B (d = 768, e = 4) only at 4608. With 197 tokens of a
# 224-pixel image, what share of the work is attention between tokens?

# %%
for name, n, d, e in (("this model", 17, 64, 2), ("ViT-B/16", 197, 768, 4), ("ViT-B/16 at 1024 pixels", 4097, 768, 4)):
    share = work(n, d, e)["tokens with tokens"] / sum(work(n, d, e).values())
    print(f"{name:<24} {n:>5} tokens: {100 * share:.0f} % of the work")
assert round(100 * work(197, 768, 4)["tokens with tokens"] / sum(work(197, 768, 4).values())) == 4

# %% [markdown]
# So "attention is quadratic" is true, and in an ordinary ViT not yet the point. In large images it is (lesson 09).
#
# Halve the patch, and there are four times as many tokens. Measured, on your model:


# %%
def seconds(call, *given, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call(*given)
        times.append(time.perf_counter() - start)
    return min(times)


# %%
if ready("Q8"):
    images, taken, tokens_of = torch.randn(8, 3, 32, 32), [], []
    for p in (16, 8, 4, 2):
        with torch.no_grad():
            taken.append(1000 * seconds(ViT(patch_size=p).eval(), images))
        tokens_of.append((32 // p) ** 2 + 1)
        print(f"patch {p:>2}: {tokens_of[-1]:>3} tokens, {taken[-1]:.1f} ms for 8 images")
    curves(
        tokens_of,
        {"measured": taken},
        xlabel="tokens",
        ylabel="ms, 8 images",
        logx=True,
        logy=True,
        height=2.3,
    )

# %% [markdown]
# ## 3 · Q9: one step
#
# Training is five calls in the right order. Three of them are famous for being forgotten:
#
# | call | what for |
# |---|---|
# | training mode | Dropout on, whatever the last evaluation left behind |
# | forward, loss | how wrong is this batch? |
# | clear gradients | `.grad` *adds up*: yesterday's gradient is still in it |
# | backward | which way is uphill, for each weight? |
# | step | a bit downhill |
#
# That gradients add up, in numbers:

# %%
w = torch.tensor(1.0, requires_grad=True)
for call in (1, 2, 3):
    (3 * w).backward()
    print(f"after backward {call}: grad {w.grad.item():.0f}")
assert w.grad.item() == 9

# %% [markdown]
# Write the step (about five lines), and return the loss as a plain number. `loss_fn` gets logits and labels, in
# this order.


# %% tags=["answer"] question="Q9"
# Q9: one training step
def train_step(model, images, labels, optimizer, loss_fn=F.cross_entropy):
    # BEGIN BLANK
    model.train()  # dropout on
    batch_loss = loss_fn(model(images), labels)
    optimizer.zero_grad()  # forget the last batch
    batch_loss.backward()
    optimizer.step()  # and walk
    # END BLANK
    return batch_loss.item()  # BLANK


# %% tags=["check"] question="Q9" points=3
check("Q9", train_step)

# %% [markdown]
# <details><summary>Hint: the first step is right, the second is not</summary>
#
# Something survives from call to call, and it lives in `.grad`. Run the cell above once more.
# </details>
# <details><summary>Hint: the weights don't move</summary>
#
# Who fills `.grad`, who reads it, who empties it? Write the three calls in the order fill, read, and find the two
# places where emptying does no harm.
# </details>
# <details><summary>Hint: it speaks of a graph</summary>
#
# A loss remembers how it was made. A tensor with one number in it has a method that gives just that number.
# </details>

# %% [markdown]
# ### The first thing to try with any new model
#
# Can it learn 32 images by heart? A model that can't has a bug. Look at a loss that falls to almost nothing:


# %%
def by_heart(make=torch.optim.Adam, loss_fn=F.cross_entropy, steps=40):
    torch.manual_seed(0)
    model = ViT(**sizes, drop_p=0.0).to(where)
    optimizer = make(model.parameters(), 2e-3)
    images, labels = train.images[:32].to(where), train.labels[:32].to(where)
    return [float(train_step(model, images, labels, optimizer, loss_fn)) for _ in range(steps)]


if ready("Q8") and ready("Q9"):
    losses = {"your step": by_heart()}
    print(
        f"loss at the start {losses['your step'][0]:.2f}, after 40 steps {losses['your step'][-1]:.3f}"
    )  # fmt: skip


# %% [markdown]
# And the mistakes that travel, on the same 32 images: your step, sabotaged in three ways.


# %%
class NeverCleared(torch.optim.Adam):
    def zero_grad(self, set_to_none=True):
        pass


class ClearedTooLate(torch.optim.Adam):
    def step(self, closure=None):
        self.zero_grad()
        return super().step(closure)


def softmax_first(logits, labels):
    return F.cross_entropy(logits.softmax(-1), labels)


if ready("Q8") and ready("Q9"):
    losses["gradients never cleared"] = by_heart(NeverCleared)
    losses["cleared before the step"] = by_heart(ClearedTooLate)
    losses["softmax before the loss"] = by_heart(loss_fn=softmax_first)
    curves(range(1, 41), losses, xlabel="step", ylabel="loss on 32 images")

# %% [markdown]
# One of them doesn't learn at all. The others *do* learn, only worse, and so nobody notices: a softmax before
# `cross_entropy` can't bring the loss below

# %%
# the best that probabilities, taken for logits, can do with ten classes
floor = math.log(math.e + 9) - 1
print(f"{floor:.2f}")
assert round(floor, 2) == 1.46

# %% [markdown]
# ## 4 · Q9b: how good is it
#
# Right answers over all answers, on images it has never seen. In eval mode, without a graph, batch by batch:
# about five lines, with the counters given. `batches` yields pairs of images and labels, and may be a generator.


# %% tags=["answer"] question="Q9b"
# Q9b: accuracy
def evaluate(model, batches):
    right = total = 0
    # BEGIN BLANK
    model.eval()  # dropout off
    with torch.no_grad():  # no graph for backward
        for images, labels in batches:  # b c h w, b
            right += (model(images).argmax(dim=-1) == labels).sum().item()
            total += len(labels)
    # END BLANK
    return right / total


# %% tags=["check"] question="Q9b" points=2
check("Q9b", evaluate)

# %% [markdown]
# <details><summary>Hint: right for even batches only</summary>
#
# Count images, not batches. Both counters grow inside the loop; what by?
# </details>
# <details><summary>Hint: "gradients were switched on" or "it answered in training mode"</summary>
#
# Two switches, for two things. One belongs to the model (Dropout). The other belongs to torch, is a context
# manager, and the loop stands inside it.
# </details>

# %% [markdown]
# ### Train it
#
# The loop around your step is in `helpers.training`; it shuffles, calls, and keeps a diary. Ten rounds through all
# images, Adam at 1e-3, as in L0.

# %%
if ready("Q8") and ready("Q9"):
    torch.manual_seed(0)
    model = ViT(**sizes)
    untrained = ViT(**sizes)
    untrained.load_state_dict(model.state_dict())
    adam = torch.optim.Adam(model.to(where).parameters(), 1e-3)
    history = fit(model, train, test, epochs=10, optimizer=adam, step=train_step)
    history.plot()

# %% [markdown]
# From guessing (one in ten) to what you see, in seconds. Now your own judge, beside the helpers', and what a
# forgotten `eval()` would have reported:

# %%
if ready("Q8") and ready("Q9") and ready("Q9b"):
    seen = test.to(where)
    print(f"your evaluate:     {100 * evaluate(model, seen.batches(64)):.1f} %")
    print(f"helpers' evaluate: {100 * examine(model, test).accuracy:.1f} %")
    model.train()
    with torch.no_grad():
        runs = [
            100 * (model(seen.images).argmax(1) == seen.labels).float().mean().item()
            for _ in range(10)
        ]  # fmt: skip
    print(f"without eval():    {min(runs):.1f} to {max(runs):.1f} %, another number each time")

# %% [markdown]
# ### Where it errs
#
# Rows are the truth, columns the answers. What lies off the diagonal has a reason; find one.

# %%
if ready("Q8") and ready("Q9"):
    found = examine(model, test)
    show_confusion(found.confusion(), test.classes)

# %%
if ready("Q8") and ready("Q9"):
    sure = found.probabilities.max(1).values
    wrong = (found.predictions != found.labels).nonzero().flatten()
    worst = wrong[sure[wrong].argsort(descending=True)][:8]
    titles = [
        f"{test.classes[test.labels[i]]}, says {test.classes[found.predictions[i]]}"
        for i in worst.tolist()
    ]  # fmt: skip
    show_images(raw_test.images[worst], titles, columns=8)

# %% [markdown]
# The eight errors it was surest of.

# %% [markdown]
# ## 5 · Underfitting and overfitting
#
# A model can fail in two ways. In **underfitting** it has not learned enough: accuracy is low on the training
# images, too. In **overfitting** it has learned properties of the training images that do not hold elsewhere:
# accuracy is high on the training images and much lower on others. The test accuracy alone does not tell them apart;
# the training accuracy does.
#
# ### A common mistake: weights that the optimiser never receives
#
# The SUTD lecture (50.039, W9-S1) trains a ViT on CIFAR-10 for 100 epochs and reports 56.76 %. Its model is not the
# one of this lesson: it is post-norm, with GELU, a class token of zeros without a position, fixed 2-D sinusoids and
# a head with layer normalisation. The patch embedding is in a separate object:
#
# ```python
# vi_processor = VisionTransformerProcessor(img_size=img_size, patch_size=patch_size, embed_dim=embed_dim,
# device=device) model = ViT(embed_dim=embed_dim, num_patches=num_patches, ...) optimizer =
# optim.Adam(model.parameters(), lr=lr)
# ```
#
# `model.parameters()` contains class token, encoder and head. The patch embedding is not among them, so it is
# **never trained**, and no error is raised. What does that cost? We train your model with and without its patch
# embedding in the optimiser:

# %%
if ready("Q8"):
    left_out = compare_optimisers(
        lambda: ViT(**sizes), train, test, values_per_patch=channels * patch**2, seeds=2, epochs=6
    )
    means = {name: sum(values) / len(values) for name, values in left_out.items()}
    spread = {name: (max(values) - min(values)) / 2 for name, values in left_out.items()}
    bars(means, spread, xlabel="test accuracy, %: mean and half the range of 2 seeds", form="{:.1f}")

# %% tags=["solution"]
assert means["all weights"] > means["without the patch embedding"] + 2

# %% [markdown]
# > **Figure 7.8 · An optimiser that does not receive the patch embedding.** The other weights adapt to the random
# > embedding, so the loss falls and the model looks trained, but it is clearly worse.
#
# The lecture's own model both ways, on CIFAR-10, is `python benchmarks/accuracy.py --part f --part g`.
#
# **Answer.** Compare `sum(p.numel() for group in optimizer.param_groups for p in group["params"])` with the number
# of weights that should be trained. Keep all trained parts in one module.
#
# ### Overfitting, measured
#
# With few images a model can memorise them. We train on 300 images for many epochs and watch both curves:

# %%
if ready("Q8"):
    torch.manual_seed(0)
    few = fit(ViT(**sizes), train.take(300), test.take(250), epochs=30, progress=False)
    rounds = range(1, few.epochs + 1)
    both = {
        "the 300 images it trains on": few.accuracy,
        "images it has never seen": few.test_accuracy,
    }
    curves(
        rounds,
        {k: [100 * a for a in v] for k, v in both.items()},
        xlabel="epoch",
        ylabel="accuracy, %",
    )
    print(
        f"at the end: {few.accuracy[-1]:.0%} on its own images, {few.test_accuracy[-1]:.0%} on others"
    )  # fmt: skip

# %% [markdown]
# The upper curve goes on rising while the lower one has stopped: the gap between them is overfitting. The loss on
# the test images even rises again, because the model becomes more confident in its errors.

# %%
if ready("Q8"):
    curves(
        rounds,
        {"train": few.loss, "test": few.test_loss},
        xlabel="epoch",
        ylabel="loss",
        height=2.3,
    )
    best = min(range(few.epochs), key=lambda i: few.test_loss[i])
    print(
        f"test loss: lowest in epoch {best + 1} ({few.test_loss[best]:.2f}), and {few.test_loss[-1]:.2f} at the end"
    )  # fmt: skip

# %% [markdown]
# A ViT has hardly any inductive bias for images: neither locality nor translation equivariance (lesson 00) is built
# in. It has to learn both from examples. A CNN has both by design:

# %%
torch.manual_seed(0)
cnn = nn.Sequential(
    nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(),
    nn.Linear(128, len(train.classes)),
)  # fmt: skip
scores = {}
for name, images_used, epochs in (("300 images", train.take(300), 16), (f"all {len(train)}", train, 4)):
    torch.manual_seed(0)
    for part in cnn.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    record = fit(cnn, images_used, epochs=epochs, lr=3e-3, progress=False)
    scores[f"CNN, {name}, {record.seconds[-1]:.0f} s"] = 100 * examine(cnn, test).accuracy
if ready("Q8") and ready("Q9"):
    scores[f"ViT, 300 images, {few.seconds[-1]:.0f} s"] = 100 * few.test_accuracy[-1]
    scores[f"ViT, all {len(train)}, {history.seconds[-1]:.0f} s"] = 100 * history.test_accuracy[-1]
bars(
    scores,
    xlabel=f"test accuracy, % (weights: CNN {count(cnn):,}, ViT {sum(envelope.values()):,})",
    form="{:.0f}",
)

# %% [markdown]
# The CNN is ahead with few images and with all of them, in less time, and with far fewer weights (one seed each). A
# ViT needs more data: in Dosovitskiy et al. it overtakes CNNs when trained on 300 million images (their Figure 3).
# Lesson 08 shows what to do with fewer: augmentation and mixup, stochastic depth, warm-up with a cosine schedule,
# and distillation from a CNN.

# %% [markdown]
# ## 6 · Q10: what the class token looks at
#
# In each layer and head, row 0 of the attention matrix is the class token looking at all tokens. Your model keeps
# no such matrix; `record_attention` catches it on the way, whoever wrote the layer.

# %%
if ready("Q8") and ready("Q9"):
    model.to(where)
    with record_attention(model) as caught:
        model(test.images[:16].to(where))
    attention = by_layer(caught, layers=2).cpu()  # layers b heads n+1 n+1
    print("layers, images, heads, looks, is looked at:", tuple(attention.shape))
    heatmap(
        attention[0, 0, 0],
        title="layer 1, head 0, image 0",
        xlabel="is looked at",
        ylabel="looks",
    )

# %% [markdown]
# Each row sums to 1. The class token's row, laid out as an image, is a map of what it takes in. One line:


# %% tags=["answer"] question="Q10"
# Q10: what the class token looks at
def class_attention(weights, grid):
    """(heads, n + 1, n + 1) and (h, w) -> (heads, h, w)"""
    return weights[:, 0, 1:].reshape(-1, *grid)  # BLANK


# %% tags=["check"] question="Q10" points=2
check("Q10", class_attention)

# %% [markdown]
# <details><summary>Hint: shape is invalid for input of size …</summary>
#
# n patches fit on the grid; there are n + 1 tokens. Which one has no place in the image?
# </details>
# <details><summary>Hint: right on a square grid, wrong on the other one</summary>
#
# Reading order: along the first row, then the next. `reshape` fills just so, when height comes before width.
# </details>

# %% [markdown]
# **Try it.** Two heads, two layers, some images:

# %%
grid = (height // patch, height // patch)


def look(image=0, layer=1):
    maps = class_attention(attention[layer - 1, image], grid)
    return attention_picture(raw_test.images[image], maps, [f"head {h}" for h in range(len(maps))])


if ready("Q8") and ready("Q9") and ready("Q10"):
    explore(look, image=[0, 1, 4, 5], layer=[1, 2])

# %% [markdown]
# Heads share the work: one may look at the middle while the other looks at an edge.
#
# Training made these maps. Before it, the class token looked everywhere about alike. How many patches does it
# look at? exp(entropy) counts them:


# %%
def patches_looked_at(model):
    with record_attention(model.to(where)) as caught:
        model(test.images[:200].to(where))
    every = by_layer(caught, layers=2).cpu()  # layers b heads n+1 n+1
    # layers b*heads n
    maps = torch.stack([class_attention(layer.flatten(0, 1), grid).flatten(1) for layer in every])
    share = maps / maps.sum(-1, keepdim=True)
    entropy = -(share * share.clamp(min=1e-9).log()).sum(-1)
    return entropy.exp().mean(1).tolist()  # per layer


if ready("Q8") and ready("Q9") and ready("Q10"):
    before, after = patches_looked_at(untrained), patches_looked_at(model)
    named = {
        f"layer {i + 1}, {when}": v[i]
        for i in (0, 1)
        for when, v in (("untrained", before), ("trained", after))
    }  # fmt: skip
    bars(named, xlabel=f"patches the class token looks at, of {grid[0] * grid[1]}", form="{:.1f}")

# %% [markdown]
# ### A mistake that travels: the column
#
# `weights[:, 1:, 0]` runs as well, and draws a map: how much each patch looks *at the class token*. It is another
# question, and another picture:

# %%
if ready("Q8") and ready("Q9") and ready("Q10"):
    rows = [
        (
            "row: it looks",
            torch.stack([class_attention(attention[1, i], grid).mean(0) for i in range(8)]),
        ),
        ("column", attention[1, :8, :, 1:, 0].mean(1).reshape(8, *grid)),
    ]
    show_attention_rows(raw_test.images[:8], rows)

# %% [markdown]
# ## 7 · Q10b: through all layers
#
# In layer 2 a "patch" is no longer a patch: layer 1 has mixed it. To follow what comes from where, follow the
# mixing.
#
# A block hands on attention *plus* shortcut. So a layer's mixing is the mean over heads, plus the identity, each
# row divided by its sum. And layers act one after the other: the rollout is their product. (Abnar and Zuidema,
# 2020)
#
# On paper first, three tokens, two layers. In layer 1 token 1 looks at token 2 only; in layer 2 token 0 looks at
# token 1 only. How much of token 2 is in token 0?

# %%
one = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 1]])
two = torch.tensor([[0.0, 1, 0], [0, 1, 0], [0, 0, 1]])
half = torch.eye(3)
mixed = ((two + half) / 2) @ ((one + half) / 2)
print(mixed[0])
assert mixed[0].tolist() == [0.5, 0.25, 0.25]

# %% [markdown]
# A quarter: half of token 1, of which half came from token 2. No single layer shows it.
#
# Three blanks, one short line each: the mixing of a layer, its rows rescaled, the product so far.


# %% tags=["answer"] question="Q10b"
# Q10b: attention rollout
def attention_rollout(attentions):
    """One (heads, n, n) per layer, first layer first -> (n, n): how much of each input is in each output."""
    identity = torch.eye(attentions[0].shape[-1]).to(attentions[0])
    rollout = identity
    for attention in attentions:
        mixing = attention.mean(dim=0) + identity  # BLANK
        mixing = mixing / mixing.sum(dim=-1, keepdim=True)  # BLANK
        rollout = mixing @ rollout  # BLANK
    return rollout


# %% tags=["check"] question="Q10b" points=2
check("Q10b", attention_rollout)

# %% [markdown]
# <details><summary>Hint: one layer is right, many are not</summary>
#
# New = (what this layer mixes) of (what was there). In a matrix product the one that acts first stands on the
# right.
# </details>
# <details><summary>Hint: one layer is already wrong</summary>
#
# Two ways through a block: attention, and past it. Both count once, so each row holds 2 before it is rescaled.
# </details>

# %% [markdown]
# ### Layer by layer, and all together

# %%
if ready("Q8") and ready("Q9") and ready("Q10") and ready("Q10b"):
    single = [
        torch.stack([class_attention(attention[k, i], grid).mean(0) for i in range(8)])
        for k in (0, 1)
    ]  # fmt: skip
    rolled = torch.cat(
        [class_attention(attention_rollout(attention[:, i])[None], grid) for i in range(8)]
    )  # fmt: skip
    show_attention_rows(
        raw_test.images[:8], [("layer 1", single[0]), ("layer 2", single[1]), ("rollout", rolled)]
    )  # fmt: skip

# %% [markdown]
# ### What is such a map worth?
#
# A test: cover the patches that a map calls important, and see whether the model stumbles more than over patches
# that it calls unimportant, or over any.


# %%
def covered(images, order, k=4):
    """The images with the first k patches of `order` (b, n) set to the mean colour, which is 0."""
    hidden = torch.zeros(len(images), grid[0] * grid[1], device=images.device)
    hidden.scatter_(1, order[:, :k], 1.0)
    mask = hidden.reshape(-1, 1, *grid).repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    return images * (1 - mask)


# %%
if ready("Q8") and ready("Q9") and ready("Q10") and ready("Q10b"):
    some = test.take(400)
    with record_attention(model) as caught:
        model(some.images.to(where))
    every = by_layer(caught, layers=2).cpu()
    # b n+1 n+1
    means = {"rollout": torch.stack([attention_rollout(every[:, i]) for i in range(len(some))])}
    means |= {"layer 2": every[1].mean(1), "layer 1": every[0].mean(1)}
    maps = {name: class_attention(values, grid).flatten(1) for name, values in means.items()}  # b n
    scores = {"nothing covered": 100 * examine(model, some).accuracy}
    for name, values in maps.items():
        for which, order in (("most", values.argsort(1, descending=True)), ("least", values.argsort(1))):
            hidden = replace(some, images=covered(some.images, order))
            scores[f"the 4 {which} important, by {name}"] = 100 * examine(model, hidden).accuracy
    torch.manual_seed(0)
    draws = torch.rand(5, *maps["rollout"].shape).argsort(-1)
    chance = [
        100 * examine(model, replace(some, images=covered(some.images, o))).accuracy
        for o in draws
    ]  # fmt: skip
    scores["any 4 (mean of five draws)"] = sum(chance) / 5
    bars(scores, xlabel="accuracy with 4 of 16 patches covered, %", form="{:.0f}")

# %% [markdown]
# The lower the bar for "most", and the higher for "least", the more a map knows. A map of attention says where a
# model *takes from*, not what it does with it: read it as a hint, and test it as here.

# %% [markdown]
# ## 8 · Width, depth, patch size
#
# The exercise sheet L4 asks: what do `emb_size`, `depth` and `patch_size` do? An answer takes many runs, so they
# were made once, by a command; here is what it found. Real digits of 8 × 8 pixels, one thing changed at a time:

# %%
measured = tomllib.loads((files("helpers") / "measured" / "vit_sizes.toml").read_text("utf-8"))
print("\n".join(f"{key:<8} {value}" for key, value in measured["about"].items()))

# %%
study = {}
for run in measured["runs"]:
    values, scores = study.setdefault(run["changed"], ([], []))
    values.append(run["value"])
    scores.append(run["accuracy"])
usual = next(run for run in measured["runs"] if run["changed"] == "emb_size" and run["value"] == 32)
show_study(study, base=sum(usual["accuracy"]) / 3, ylabel="test accuracy, %")

# %%
for run in measured["runs"]:
    mean = sum(run["accuracy"]) / len(run["accuracy"])
    print(f"{run['changed']:<10} {run['value']:>2}: {mean:5.1f} %, {run['cpu_seconds']:4.1f} s")

means = {(run["changed"], run["value"]): sum(run["accuracy"]) / 3 for run in measured["runs"]}
assert means["emb_size", 8] < 60 < 80 < means["emb_size", 16] < means["emb_size", 32] - 5
assert means["emb_size", 64] < means["emb_size", 32] < means["patch_size", 4] - 3
assert means["depth", 1] + 5 < means["depth", 2] > means["depth", 4] - 1

# %% [markdown]
# Read only what is larger than the spread of the dots.
#
# - Width: 8 is far too narrow, 16 still is; 64 costs more than 32 and is no better in the same twelve epochs.
# - Depth: two blocks beat one; four take twice the time for nothing that three seeds could show.
# - Patches: four of 4 × 4 beat sixteen of 2 × 2. On tiny images with little data, a token that holds a quarter of a
#   digit leaves less to be learned about neighbours. With large images and much data it is the other way round
#   (Dosovitskiy et al., Table 5: B/16 above B/32).
#
# And all of it is a result about *twelve epochs on 1433 digits*: each answer may change with more of either.

# %% [markdown]
# **Try it.** One run of *your* model on the same digits, with any sizes you like. (The script's model has the same
# sizes and other first weights, and this is one seed: a few points of difference are nothing.)

# %%
chosen, seed = {"emb_size": 32, "depth": 2, "patch_size": 4}, 0  # change me

if ready("Q8"):
    digits, unseen = (
        replace(s, images=(s.images - 0.3) / 0.4) for s in (load("digits"), load("digits", "test"))
    )  # fmt: skip
    torch.manual_seed(seed)
    small = ViT(in_channels=1, img_size=8, **chosen)
    print(fit(small, digits, unseen, epochs=12, lr=2e-3, seed=seed, progress=False))

# %% [markdown]
# ## 9 · The same attention, faster
#
# By hand, attention writes its whole n × n matrix to memory, reads it for the softmax, and reads it again.
# `F.scaled_dot_product_attention` does all of it piece by piece and never holds the matrix: the same numbers, less
# traffic.


# %%
def by_hand(q, k, v):  # b h n e
    energy = q @ k.mT / math.sqrt(q.shape[-1])
    return energy.softmax(-1) @ v


lengths, slow, fast = [17, 65, 257, 1025], [], []
for n in lengths:
    q, k, v = torch.randn(3, 4, 2, n, 32, device=where)
    assert torch.allclose(by_hand(q, k, v), F.scaled_dot_product_attention(q, k, v), atol=1e-5)
    slow.append(1000 * seconds(by_hand, q, k, v))
    fast.append(1000 * seconds(F.scaled_dot_product_attention, q, k, v))
curves(
    lengths,
    {"by hand": slow, "fused": fast},
    xlabel="tokens",
    ylabel="ms",
    logx=True,
    logy=True,
    height=2.3,
)
print(
    ", ".join(
        f"{n} tokens: {a / b:.1f} times as fast"
        for n, a, b in zip(lengths, slow, fast, strict=True)
    )
)  # fmt: skip

# %% [markdown]
# And memory, which no clock shows. For one image at 1025 tokens, the matrices of ViT-B's twelve heads hold

# %%
print(f"{12 * 1025**2 * 4 / 2**20:.0f} MiB per layer by hand, and the fused one none")
assert round(12 * 1025**2 * 4 / 2**20) == 48

# %% [markdown]
# The price: where no matrix is written, none can be looked at. `record_attention` computes it once more, for the
# few images that you ask about.
#
# > ### What could go wrong
# > - **`[block] * depth`**: one block, used often. The weights don't grow with depth.
# > - **A Python list of blocks**: the optimizer never hears of them. Use `nn.Sequential` or `nn.ModuleList`.
# > - **No final norm** after pre-norm blocks: the head reads tokens of any length.
# > - **A softmax before `cross_entropy`**: learns, and stops at a loss of 1.46.
# > - **No `eval()`**: another accuracy each time. **No `no_grad()`**: the right accuracy, and memory for nothing.
# > - **The best epoch chosen by test accuracy**: then it isn't a test any more. Lesson 08 sets aside a validation
# > set.
# > - **One seed**: look at how far the dots in section 8 lie apart before you believe in half a per cent.

# %% [markdown]
# ## 10 · In words
#
# **W7a** (2 points). A friend trains a large ViT on a few thousand photographs: 99 % on training images, 57 % on
# test images. "It needs more parameters." What do the two numbers say together? Is the friend right? Name two
# changes that you would try first, and for each why it should narrow the gap.

# %% [markdown] tags=["written"] question="W7a" points=2
# 99 % against 57 % is overfitting: the model has capacity enough to learn its images by heart, and what it
# learned does not carry over. More parameters would make remembering easier still, so the friend is most likely
# wrong. Better: more different images, or the same ones in disguise (crops, flips, mixup), so that remembering
# single images no longer pays; and something that hinders remembering (weight decay, dropout, stochastic depth,
# stopping early), or knowledge about images that need not be learned (a convolutional stem, distillation from a
# CNN, pretraining).

# %% [markdown] tags=["rubric"]
# **W7a, 2 points.**
# - ½ point: both numbers together mean overfitting (memorised, does not generalise).
# - ½ point: capacity is not what is missing; more parameters don't help by themselves.
# - ½ point for each of two sensible remedies with its reason (at most 1 point).

# %% [markdown]
# **W7b** (2 points). An attention map of the last layer is bright on the sky above an aeroplane, and dark on the
# aeroplane; the answer "aeroplane" is right. A colleague concludes: "It only looks at the sky." Give two reasons
# why the map does not prove that, and one experiment that would tell.

# %% [markdown] tags=["written"] question="W7b" points=2
# First, the tokens of the last layer are no longer patches: earlier layers have mixed them, so a token "at the
# sky" may carry what the aeroplane's patches said; the rollout follows such ways. Second, attention says how much
# is taken, not what is done with it: a value may be small or be projected away, other heads and the shortcut (the
# class token's own row) carry the rest. The experiment: cover the sky's patches, cover the aeroplane's patches,
# cover as many at random, and compare the logit or the accuracy over many images.

# %% [markdown] tags=["rubric"]
# **W7b, 2 points.**
# - ½ point for each of two reasons (at most 1): mixing in earlier layers; weight is not effect (values, projection,
#   other heads, shortcut, earlier layers of the class token).
# - 1 point: covering (or another intervention) with a comparison; half a point without something to compare with.

# %% [markdown]
# ## 11 · What you take along
#
# | | |
# |---|---|
# | ViT | embed, depth blocks, norm, Linear on the class token |
# | weights | per block (4 + 2e) d² and a little; tokens and heads cost none |
# | work | n (4 + 2e) d² + 2 n² d per block: quadratic, but late |
# | step | train mode, loss, clear, backward, step |
# | evaluation | eval mode, no grad, count images |
# | first tests | loss ln(classes) before training; 32 images by heart |
# | small data | a CNN wins: what it is born with, a ViT has to learn |
# | attention map | row 0 without column 0; a hint, to be tested by covering |
# | rollout | (mean over heads + identity), rows rescaled, multiplied; first layer on the right |
#
# **Further reading**
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 1 is your Q8; Figure 3 shows ViT
#   overtaking
#   the ResNets as data grow; Figure 7 has attention at work.
# - Abnar and Zuidema, *Quantifying Attention Flow in Transformers*, ACL 2020. Section 3 defines rollout; Figure 1
#   shows
#   why raw attention of deep layers says little.
# - Raghu et al., *Do Vision Transformers See Like Convolutional Neural Networks?*, NeurIPS 2021. Figure 3: which
#   heads
#   look near and which look far.
# - Jain and Wallace, *Attention is not Explanation*, NAACL 2019, and Wiegreffe and Pinter, *Attention is not not
#   Explanation*, EMNLP 2019: both sides of section 7's last question.
# - Dao et al., *FlashAttention*, NeurIPS 2022. Figure 1: why not writing the matrix is faster.
#
# Next: **08 · Training recipe**, which takes the same model and closes the gap of section 5.
