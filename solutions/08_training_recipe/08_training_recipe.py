# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 08 · The training recipe {{badge}}
#
# **In one sentence:** you will write the four ingredients with which a Vision Transformer is trained on few images,
# see what each of them does, and measure, with error bars, which of them help.
#
# | | |
# |---|---|
# | **You need** | a training loop (lesson 07); gradients; softmax and cross-entropy |
# | **Time** | 75 minutes |
# | **You write** | Q13 warm-up and cosine, Q11 mixup, Q12 stochastic depth, Q14, Q14b distillation; W8a, W8b in words |
#
# **Afterwards you can**
# - split your images into three piles, and say what a percentage point on each of them is worth;
# - give a transformer the learning rate it needs at each step;
# - mix images and labels, drop whole blocks, and learn from a teacher, in a few lines each;
# - keep a log of experiments, and read a ladder of recipes without fooling yourself.
#
# {{questions}}
#
# {{names: lecture L3}}
# mixup | `mixup` | `Mixup(mixup_alpha)` | $\lambda$, $\alpha$
# stochastic depth | `drop_path(x, drop_prob, training)` | `DropPath`, `drop_path_rate` | stochastic depth
# distillation | `distillation_loss` | `--distillation-type` (DeiT) | $\tau$, $\lambda$
# schedule | `warmup_cosine` | `CosineLRScheduler` | –
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
import time
import warnings
from dataclasses import replace
from functools import partial
from itertools import pairwise
from statistics import mean, variance

import torch
import torch.nn.functional as F
from torch import nn

from helpers import check, ready
from helpers.built import built
from helpers.data import Dataset, load
from helpers.explore import explore
from helpers.measured import measured
from helpers.pictures.training_recipe import show_depth, show_ladder, show_softened
from helpers.plots import COLOURS, bars, curves, figure, show_images
from helpers.torchvision_ops import load_torchvision
from helpers.training import evaluate, fit
from helpers.training.blocks import blocks_of
from helpers.training.log import ExperimentLog

torch.set_num_threads(1)  # for a model as small as this, more threads only wait for each other

# %% tags=["setup"]
ViT = built("ViT")

# %% [markdown]
# Letters as always: `b` batch, `n` tokens, `d` width, `c h w` image.

# %% [markdown]
# ## 1 · Three piles
#
# One set to learn from, one to *choose* with, one to be opened once, at the end. Two piles are not enough: who picks
# the best of thirty models by their test accuracy has trained on the test set, by hand.


# %%
def part(data, start, stop):
    return Dataset(
        data.name, data.images[start:stop], data.labels[start:stop], data.classes, data.source
    )  # fmt: skip


shapes = load("shapes")
train, validation = part(shapes, 0, 800), part(shapes, 1600, 2000)
sealed = load("shapes", "test")  # not before section 8
train.show(8)

# %% [markdown]
# The model is your ViT of lesson 07. Before it stands a layer that spreads the pixels around zero, where a fresh model
# likes them.


# %%
class Standardise(nn.Module):
    def forward(self, x):
        return 4 * (x - 0.5)


def new_model(seed=0, drop_p=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(Standardise(), ViT(drop_p=drop_p))


# %%
plain = new_model()
history = fit(plain, train, validation, epochs=16, lr=1e-3)
# `fit` calls its second set "test"
seen = {"train": history.accuracy, "validation": history.test_accuracy}
percent = {name: [100 * share for share in shares] for name, shares in seen.items()}
curves(range(1, 17), percent, xlabel="epoch", ylabel="accuracy, %")

# %% [markdown]
# Two curves that part: what the model learns about its 800 images holds less and less for others. It *overfits*. A ViT
# is quick at that. It isn't told what a CNN is built on: that neighbours belong together, and that a shape is the same
# wherever it lies.
#
# ### What is a percentage point worth?
#
# Accuracy on n images is a poll of n voters, with a poll's standard error:

# %%
accuracy, n = history.test_accuracy[-1], len(validation)
error = math.sqrt(accuracy * (1 - accuracy) / n)
print(
    f"{100 * accuracy:.1f} % of {n} images: ± {100 * error:.1f} points, from the choice of images alone"
)  # fmt: skip

# %% [markdown]
# So two recipes one point apart are not told apart by one run each. And *choosing* makes it worse. Take k recipes that
# are all equally good, 70 % in truth, and keep the one that looks best:


# %%
def best_of(k, n=400, truth=0.7, studies=2000):
    torch.manual_seed(0)
    polls = torch.distributions.Binomial(n, torch.tensor(truth)).sample((studies, k)) / n
    return 100 * polls.amax(1).mean().item()


counts = [1, 2, 5, 10, 20, 50]
looks = [best_of(k) for k in counts]
series = {"looks like": looks, "is": [70.0] * len(counts)}
curves(counts, series, xlabel="recipes tried", ylabel="best accuracy, %", logx=True)
print(f"the best of 20 equal recipes looks {looks[4] - 70:.1f} points better than it is")
assert 3.5 < looks[4] - 70 < 5

# %% [markdown]
# That gain is air. It is why the pile you choose with is not the pile you report.
#
# ### A log
#
# Write down every run, with its seed. A table does the means and spreads.

# %%
log = ExperimentLog("train", "validation")
log.add("plain, 16 epochs", seed=0, train=percent["train"][-1], validation=percent["validation"][-1])
log

# %% [markdown]
# ## 2 · Q13: warm-up and cosine
#
# A fresh transformer is touchy. Adam divides each gradient by its usual size; in the first steps it doesn't know that
# size yet, and strides. Two beginnings, at six times the learning rate of section 1:


# %%
def beginning(schedule=None, lr=6e-3):
    """The training loss of the first steps, (2 seeds, steps), each the mean of the last eight."""
    runs = []
    for seed in (0, 1):
        losses = []

        def noted(logits, labels, losses=losses):
            losses.append(F.cross_entropy(logits, labels))
            return losses[-1]

        model = new_model(seed)
        fit(model, train, epochs=4, lr=lr, schedule=schedule, loss=noted, seed=seed, progress=False)
        runs.append(torch.stack(losses).detach().cpu())
    return F.avg_pool1d(F.pad(torch.stack(runs)[:, None], (7, 0), mode="replicate"), 8, 1)[:, 0]


def show_beginnings(starts):
    middle = {name: runs.mean(0) for name, runs in starts.items()}
    bands = {name: (runs.amin(0), runs.amax(0)) for name, runs in starts.items()}
    steps = range(1, len(next(iter(middle.values()))) + 1)
    curves(steps, middle, bands=bands, xlabel="step", ylabel="training loss, two seeds")


def climb(step, total):
    return min(1.0, step / 20)  # a straight line, for now


# %%
starts = {"from full speed": beginning(), "after 20 steps of warm-up": beginning(climb)}
show_beginnings(starts)

# %% [markdown]
# And at the end? A large rate jumps over the valley's floor; so the rate should come down. Not in a straight line but
# along half a cosine: long at full speed, gently to the ground.
#
# Write the learning rate as a function of the step, counted from 0. Three fixed points: **0 at step 0; `base_lr` at
# step `warmup_steps`; `final_lr` at step `total_steps`.** From the first to the second a straight line, from the second
# to the third half a wave of a cosine.
#
# Three blanks, one line each: the climb; how far the descent has come, from 0 to 1; the height of the wave there.


# %% tags=["answer"] question="Q13"
# Q13: warm-up and cosine
def warmup_cosine(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps  # BLANK
    progress = (step - warmup_steps) / (total_steps - warmup_steps)  # BLANK
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2  # BLANK


# %% tags=["check"] question="Q13" points=3
check("Q13", warmup_cosine)

# %% [markdown]
# <details><summary>Hint: the curve jumps where the warm-up ends</summary>
#
# The descent has a clock of its own. It shows 0 when the warm-up is over and 1 at `total_steps`. How many steps have
# passed on it, of how many?
# </details>
# <details><summary>Hint: right for final_lr = 0 only</summary>
#
# `math.cos` runs from 1 to -1 while its angle runs from 0 to π. Bring that to 1 … 0 first. Then stretch it over the
# height between the two rates, and lift it to where it should end.
# </details>

# %%
if ready("Q13"):

    def shape(warmup=10, final=0.0):
        fig, ax = figure(1.5, width=2.35)
        ax.plot([warmup_cosine(s, 100, warmup, 1.0, final) for s in range(101)], color=COLOURS[0])
        ax.set(ylim=(-0.05, 1.1), xlabel="step of 100", ylabel="factor")
        return fig

    explore(shape, final=[0.0, 0.2], warmup=[0, 10, 30])

# %% [markdown]
# `fit` takes it as a factor of the learning rate. The same fast rate as above, with your schedule:

# %%
if ready("Q13"):
    starts["your warm-up and cosine"] = beginning(lambda step, total: warmup_cosine(step, total, 20))
    show_beginnings(starts)

# %% [markdown]
# At step 0 the rate is 0, and one step is spent without moving. Some recipes count `step + 1` instead; both are in use.

# %% [markdown]
# ## 3 · Weight decay
#
# Large weights make sharp, fussy functions. Weight decay pulls each weight towards 0 at every step, by a share of
# itself. With Adam there are two ways to do that, and they are not the same:


# %%
def pulled(make, steps=100):
    weights = nn.Parameter(torch.tensor([1.0, 0.1]))
    optimizer, seen = make([weights], lr=0.01, weight_decay=0.1), []
    for _ in range(steps):
        weights.grad = torch.zeros(2)  # the data has no wish at all
        optimizer.step()
        seen.append(weights.tolist())
    return list(zip(*seen, strict=True))


decoupled, coupled = pulled(torch.optim.AdamW), pulled(torch.optim.Adam)
series = {"AdamW, from 1": decoupled[0], "AdamW, from 0.1": decoupled[1],
          "Adam, from 1": coupled[0], "Adam, from 0.1": coupled[1]}  # fmt: skip
curves(range(1, 101), series, xlabel="step", ylabel="weight")
large, small = decoupled[0][-1], decoupled[1][-1] / 0.1
print(f"AdamW keeps {large:.3f} of the large and {small:.3f} of the small weight")
assert abs(decoupled[0][-1] - (1 - 0.01 * 0.1) ** 100) < 1e-4
assert abs(coupled[1][-1]) < 0.01 < 0.3 > coupled[0][-1]

# %% [markdown]
# Adam's `weight_decay` adds the pull to the *gradient*, and Adam divides gradients by their size: every weight then
# walks to 0 at full speed, however weak the pull. AdamW takes `lr · weight_decay` of the weight itself. For
# transformers, that W matters.

# %% [markdown]
# ## 4 · More pictures for nothing
#
# A mirrored ring is a ring. Whatever leaves the label true makes new images:

# %%
load_torchvision()
from torchvision.transforms import v2


def altered(magnitude=5):
    torch.manual_seed(1)
    rand = v2.RandAugment(num_ops=2, magnitude=magnitude)
    show_images(torch.stack([rand(x) for x in train.images[:6]]), columns=6)


explore(altered, magnitude=[1, 5, 9, 15])

# %% [markdown]
# RandAugment picks `num_ops` operations at random out of 14 (turn, shear, shift, brighten, posterise, …), each as
# strong as `magnitude` says. Two numbers to tune, no more.
#
# But which changes leave the label true? That is knowledge about *these* images. Turn one upside down:

# %%
places = [
    int((train.labels == shapes.classes.index(name)).nonzero()[0]) for name in shapes.classes[7:9]
]  # fmt: skip
pair = train.images[places]  # 2 c h w
titles = [*shapes.classes[7:9], "the first, upside down", "the second, upside down"]
show_images(torch.cat([pair, pair.flip(2)]), titles=titles, columns=4)

# %% [markdown]
# "Circle over square" has become "square over circle", with the old label. From left to right one may mirror shapes;
# not digits, and not letters.


# %%
def flips(x, y):
    mirrored = torch.rand(len(x), device=x.device) < 0.5
    return torch.where(mirrored[:, None, None, None], x.flip(-1), x), y


# %% [markdown]
# ## 5 · Q11: mixup
#
# Now something bolder: lay two images over each other, and say so in the label. 70 % of a ring and 30 % of a cross are
# "0.7 ring, 0.3 cross". Between the images that one has, the model is asked to go in a straight line.
#
# $$\tilde x = \lambda\, x_i + (1-\lambda)\, x_j \qquad \tilde y = \lambda\, y_i + (1-\lambda)\, y_j \qquad
# \lambda \sim \text{Beta}(\alpha, \alpha)$$
#
# The y are one-hot here: a 1 in the column of the class, else 0. And the Beta? For small α it likes the ends: nearly
# one image, with a breath of another. At α = 1 every λ is alike.


# %%
def dice(alpha=0.2):
    lam = torch.linspace(0.005, 0.995, 199)
    fig, ax = figure(1.7, width=2.3)
    density = torch.distributions.Beta(alpha, alpha).log_prob(lam).exp()
    ax.plot(lam, density, color=COLOURS[0])
    ax.fill_between(lam, density, color=COLOURS[0], alpha=0.15)
    ax.set(xlabel="λ", ylim=(0, 4), yticks=[])
    return fig


explore(dice, alpha=[0.1, 0.2, 0.4, 1.0, 2.0, 8.0])

# %% [markdown]
# Write `mixup` for a batch: x is (b, c, h, w), y holds b class numbers. Each image gets a partner in the same batch
# (the line that shuffles stands; any other order does as well). `lam` is the share of the image *itself*: one number,
# drawn only if none is given. The tensor x itself must hold the same numbers after the call: make new tensors and write
# into none that was given.
#
# Four blanks, one short line each: the dice; the images; the labels one-hot, `num_classes` wide; the soft labels.


# %% tags=["answer"] question="Q11"
# Q11: mixup
def mixup(x, y, alpha, num_classes, lam=None):
    if lam is None:
        lam = torch.distributions.Beta(alpha, alpha).sample().item()  # BLANK
    partner = torch.randperm(len(x), device=x.device)  # who is mixed with whom
    mixed = lam * x + (1 - lam) * x[partner]  # BLANK
    hot = F.one_hot(y, num_classes).to(x.dtype)  # BLANK
    soft = lam * hot + (1 - lam) * hot[partner]  # BLANK
    return mixed, soft


# %% tags=["check"] question="Q11" points=4
check("Q11", mixup)

# %% [markdown]
# <details><summary>Hint: the two pictures, images and labels, differ</summary>
#
# Each row says what one mixed image is made of. Left by its pixels, right by its label. They must be the same matrix:
# the same partner, the same shares.
# </details>
# <details><summary>Hint: the labels are whole numbers, or have one axis</summary>
#
# Class 2 and class 6 don't meet in class 4. Give every class a column first (`F.one_hot`), then mix as you mix images.
# </details>
# <details><summary>Hint: only "without a lam" is missing</summary>
#
# The cell above asks `torch.distributions.Beta` for its density. It can also be asked for a sample, which is a tensor
# of one number.
# </details>

# %% [markdown]
# ### Your own mixtures
#
# The same six images at several λ:

# %%
if ready("Q11"):

    def mixtures(lam=0.7):
        torch.manual_seed(3)
        mixed, soft = mixup(train.images[:6], train.labels[:6], 0.2, 10, lam=lam)
        share, where = soft.topk(2)
        named = [
            " + ".join(f"{s:.1f} {shapes.classes[k]}" for s, k in zip(*row, strict=True) if s > 0.005)
            for row in zip(share.tolist(), where.tolist(), strict=True)
        ]
        show_images(mixed, titles=named, columns=6)

    explore(mixtures, lam=[1.0, 0.8, 0.6, 0.5])

# %% [markdown]
# A loss with soft labels is the same `F.cross_entropy`. But it can't go to zero any more: who answers 0.7 and 0.3,
# exactly as asked, still pays the entropy of that label.

# %%
lam = torch.distributions.Beta(0.2, 0.2).sample((100_000,)).clamp(1e-6, 1 - 1e-6)
floor = -(lam * lam.log() + (1 - lam) * (1 - lam).log())
asked = torch.tensor([[0.7, 0.3]])
print(f"the perfect answer to a 0.7 / 0.3 label costs {F.cross_entropy(asked.log(), asked):.3f}")
print(f"the floor of the training loss, alpha = 0.2, two different classes: {floor.mean():.2f}")

# %% [markdown]
# So with mixup a training loss of 0.2 may be a perfect one. Watch the validation curve instead.
#
# What does it buy? Walk in a straight line from one image to another, and look at the model's answers. Once the plain
# model of section 1, once one that learned on mixtures:

# %%
if ready("Q11"):
    mixing = new_model()
    fit(mixing, train, epochs=16, lr=1e-3, augment=lambda x, y: mixup(x, y, 0.4, 10), progress=False)


# %%
@torch.no_grad()
def bends(model, walks=200, stops=11):
    """How far the answers half way are from the mean of those at both ends."""
    model.eval()
    ends = validation.images[: 2 * walks].to(next(model.parameters()).device)
    lam = torch.linspace(0, 1, stops, device=ends.device)[:, None, None, None, None]
    road = lam * ends[:walks] + (1 - lam) * ends[walks:]  # stops, walks, c h w
    said = model(road.flatten(0, 1)).softmax(-1).unflatten(0, (stops, walks))
    straight = lam[..., 0, 0] * said[-1] + (1 - lam[..., 0, 0]) * said[0]
    return (said - straight).abs().sum(-1).mean(1).cpu()  # stops


if ready("Q11"):
    lines = {"plain": bends(plain), "with mixup": bends(mixing)}
    curves(torch.linspace(0, 1, 11), lines, xlabel="λ", ylabel="distance from the straight line")
    for name, model in (("plain", plain), ("with mixup", mixing)):
        found = evaluate(model, validation)
        sure = found.probabilities.amax(1).mean()
        print(
            f"{name:<10} is {100 * sure:.0f} % sure on average, and right in {100 * found.accuracy:.0f} %"
        )  # fmt: skip

# %% [markdown]
# Two things to read off. The road between images is straighter. And the model is less sure of itself, closer to how
# often it is right. Whether it is right *more* often is a question of several seeds: section 8.

# %% [markdown]
# ## 6 · Q12: stochastic depth
#
# Dropout zeroes single numbers (lesson 06). In a network of shortcuts one can drop something larger: a whole branch.
# What is left is `x`, and the sample takes a shorter way through the model.
#
# $$\text{out} = x + \frac{m}{1-p}\, f(x) \qquad m = 0 \text{ with probability } p \text{, else } 1$$
#
# Each *sample* of a batch has its own m, the same for all its tokens and dimensions. The division keeps the mean; in
# eval nothing is dropped and nothing scaled.
#
# Write `drop_path`, which is laid around a branch: `x + drop_path(f(x), p, training)`. Here its `x` is the branch's
# output, with any number of axes, the batch first. Three blanks in three lines: the shape of the dice, the comparison,
# the result.


# %% tags=["answer"] question="Q12"
# Q12: stochastic depth
def drop_path(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    dice = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device)  # BLANK: len(x), *[1] * (x.ndim - 1)
    kept = (dice >= drop_prob).to(x.dtype)  # BLANK: dice >= drop_prob
    return x * kept / (1 - drop_prob)  # BLANK


# %% tags=["check"] question="Q12" points=3
check("Q12", drop_path)

# %% [markdown]
# <details><summary>Hint: single numbers or single tokens are gone</summary>
#
# One die per sample: a tensor with b numbers in it, and no more. For it to meet all tokens and dimensions by
# broadcasting, its other axes must have length 1.
# </details>
# <details><summary>Hint: it works for (b, n, d) alone</summary>
#
# `x.ndim` says how many axes there are. A list of ones can be made as long as needed: `[1] * 3`.
# </details>
# <details><summary>Hint: the mean is off</summary>
#
# With p = 0.2, four of five samples stay. By which factor must they grow so that five have the old sum?
# </details>

# %% [markdown]
# ### The mean is kept
#
# Draw many times and average. The error falls like one over the root of the number of draws, as the mean of anything
# random does; without the division it would stop at p.

# %%
if ready("Q12"):
    torch.manual_seed(0)
    x, draws = torch.randn(4, 3, 8), [1, 4, 16, 64, 256, 1024]
    many = torch.stack([drop_path(x, 0.3, True) for _ in range(draws[-1])])
    off = [(many[:k].mean(0) - x).norm() / x.norm() for k in draws]
    bare = [(0.7 * many[:k].mean(0) - x).norm() / x.norm() for k in draws]
    series = {"yours": off, "not divided": bare}
    curves(draws, series, xlabel="draws", ylabel="relative error", logx=True, logy=True)

# %% [markdown]
# ### In a deep model
#
# The first blocks read pixels, and everybody after them needs what they say; so the rate grows from block to block,
# in a straight line. Twelve blocks, 0.3 at the last:

# %%
if ready("Q12"):
    torch.manual_seed(0)
    rates = [0.3 * (i + 1) / 12 for i in range(12)]
    ways = torch.stack([drop_path(torch.ones(40, 1), rate, True)[:, 0] > 0 for rate in rates])
    show_depth(ways)
    through = ways.float().sum(0).mean()
    print(f"a sample goes through {through:.1f} of 12 blocks; expected {12 - sum(rates):.2f}")

# %% [markdown]
# Every sample trains another, shorter network; all of them share their weights.
#
# To put it into *your* ViT, nothing needs to be rewritten. What a block adds is what comes out minus what went in, and
# a hook may change what comes out:


# %%
def with_drop_path(model, rate):
    blocks = blocks_of(model)
    for i, block in enumerate(blocks):
        own = rate * (i + 1) / len(blocks)
        block.register_forward_hook(
            lambda block, given, out, own=own: (
                given[0] + drop_path(out - given[0], own, block.training)
            )
        )  # fmt: skip
    return model


# %%
if ready("Q12"):
    deep = with_drop_path(new_model(), 0.5)
    x = validation.images[:2].expand(2, -1, -1, -1).to(next(deep.parameters()).device)
    with torch.no_grad():
        answers = torch.stack([deep.train()(x)[0] for _ in range(30)])
        calm = torch.allclose(deep.eval()(x), new_model().eval()(x), atol=1e-5)
    print(f"training: {len(answers.round(decimals=4).unique(dim=0))} different answers in 30 calls")
    print(f"eval: the same as without the hooks: {calm}")

# %% [markdown]
# Two blocks have four ways through. (Twelve would have 4096.)

# %% [markdown]
# ## 7 · Q14: a teacher
#
# A CNN needs no recipe for pictures like these:

# %%
teacher = nn.Sequential(Standardise())
for c, d in ((3, 16), (16, 32), (32, 64)):
    teacher.extend([nn.Conv2d(c, d, 3, padding=1), nn.BatchNorm2d(d), nn.ReLU(), nn.MaxPool2d(2)])
teacher.extend([nn.Flatten(), nn.Linear(1024, 10)])

start = time.perf_counter()
torch.manual_seed(0)
fit(teacher, train, epochs=8, lr=2e-3, progress=False)
said, seconds = evaluate(teacher, validation), time.perf_counter() - start
print(f"the teacher: {100 * said.accuracy:.1f} % on the validation set after {seconds:.0f} s")

# %% [markdown]
# It can teach the ViT: "this is a ring, though it has something of a circle" says more than "ring". That is in its
# probabilities, but squeezed to nearly 1 and nearly 0. A *temperature* T melts them: divide all logits by T before the
# softmax. An image of which the teacher is 98 % sure, or nearly:

# %%
sure = int((said.probabilities.amax(1) - 0.98).abs().argmin())
logits = said.probabilities[sure].log()  # logits, up to a constant that no softmax sees


def melted(T=1):
    show_softened((logits / T).softmax(-1), shapes.classes, validation.images[sure])


explore(melted, T=[1, 2, 4, 10])

# %% [markdown]
# The student is asked at the same temperature, and learns to agree. How hard does it pull? Measure the gradient on
# random logits of ten classes:

# %%
torch.manual_seed(0)
theirs, warm = 3 * torch.randn(256, 10), [0.5, 1, 2, 4, 8, 16]
pull = []
for T in warm:
    mine = torch.zeros(256, 10, requires_grad=True)
    target = torch.softmax(theirs / T, 1)
    F.cross_entropy(mine / T, target).backward()
    pull.append(256 * mine.grad.norm(dim=1).mean().item())
series = {"as it is": pull, "times T": [p * T for p, T in zip(pull, warm, strict=True)],
          "times T²": [p * T**2 for p, T in zip(pull, warm, strict=True)]}  # fmt: skip
curves(warm, series, xlabel="temperature T", ylabel="gradient for the logits", logx=True, logy=True)
assert abs(math.log2(pull[-2] / pull[-1]) - 2) < 0.15  # from 8 to 16: a quarter

# %% [markdown]
# For large T the pull dies with T². Once because the student's logits are divided by T, and once because melted
# probabilities hardly differ. So the loss is multiplied by T², and the share of the teacher stays what you set,
# whatever the temperature.
#
# $$L = (1-\alpha)\,\text{CE}(\text{student}, y) \;+\;
# \alpha\, T^2\, \text{KL}\big(\text{softmax}(t/T)\,\|\,\text{softmax}(s/T)\big)$$
#
# s and t are the logits of student and teacher, (b, classes). KL is summed over the classes and averaged over the
# images. **The teacher gets no gradient.** `F.kl_div(a, b)` computes the sum of b · (log b - a): it wants the student's
# side as logarithms, and its `reduction` has to be chosen with care.
#
# Four blanks, a line each: the student's side, the teacher's side, the teacher's part of the loss, the blend.


# %% tags=["answer"] question="Q14"
# Q14: learning from a teacher
def distillation_loss(student_logits, teacher_logits, labels, temperature, alpha):
    student = F.log_softmax(student_logits / temperature, dim=-1)  # BLANK
    teacher = F.softmax(teacher_logits.detach() / temperature, dim=-1)  # BLANK
    from_teacher = temperature**2 * F.kl_div(student, teacher, reduction="batchmean")  # BLANK
    from_labels = F.cross_entropy(student_logits, labels)
    return (1 - alpha) * from_labels + alpha * from_teacher  # BLANK


# %% tags=["check"] question="Q14" points=4
check("Q14", distillation_loss)

# %% [markdown]
# <details><summary>Hint: the gradient points somewhere else</summary>
#
# Check the two sides one by one. Both are divided by T *inside*; both softmaxes run over the classes; only one of them
# is a logarithm, and it comes first.
# </details>
# <details><summary>Hint: the direction is right, the length is not</summary>
#
# The card says how many times too long or short. Is it the number of classes? The number of images? The temperature,
# or its square? Each has its own cause: the `reduction`, or the factor in front.
# </details>
# <details><summary>Hint: "the teacher's logits get a gradient too"</summary>
#
# A tensor has a method that gives the same numbers, cut off from where they came.
# </details>

# %% [markdown]
# ### A default that travels
#
# `F.kl_div` without a word about `reduction` averages over images *and classes*. Nothing breaks; the teacher just
# speaks with a tenth of the voice you believe it has. On the logits of above:

# %%
p, q = torch.softmax(theirs[:8], 1), torch.zeros(8, 10).log_softmax(1)
right = (p * (p.log() - q)).sum(1).mean()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns; in a long log nobody sees it
    default = F.kl_div(q, p)
print(f"KL {right:.3f}, the default gives {default:.3f}: a {right / default:.0f}th, for 10 classes")
assert torch.isclose(right / default, torch.tensor(10.0))

# %% [markdown]
# ### Q14b: hard distillation
#
# DeiT found something simpler to work better on ImageNet: the teacher just *names* a class, and that counts as a second
# label, half and half.
#
# $$L = \tfrac12\,\text{CE}(s, y) + \tfrac12\,\text{CE}(s, y_t) \qquad y_t = \text{the teacher's likeliest class}$$
#
# No temperature, no α. Two lines.


# %% tags=["answer"] question="Q14b"
# Q14b: hard distillation
def hard_distillation_loss(student_logits, teacher_logits, labels):
    named = teacher_logits.argmax(dim=-1)  # BLANK
    return (F.cross_entropy(student_logits, labels) + F.cross_entropy(student_logits, named)) / 2  # BLANK


# %% tags=["check"] question="Q14b" points=2
check("Q14b", hard_distillation_loss)

# %% [markdown]
# <details><summary>Hint: a row of the picture has no second blue field</summary>
#
# Which index along the classes holds the teacher's largest logit? You want where it is, not how large.
# </details>
# <details><summary>Hint: twice as long</summary>
#
# Two halves make one loss.
# </details>

# %% [markdown]
# If teacher and labels always agree, the second label says nothing new. How often does this teacher differ from the
# labels it was trained with?

# %%
differs = {
    "its training images": evaluate(teacher, train),
    "the same, mirrored": evaluate(teacher, replace(train, images=train.images.flip(-1))),
    "the same, turned by 20°": evaluate(
        teacher, replace(train, images=v2.functional.rotate(train.images, 20.0))
    ),
    "the same, upside down": evaluate(teacher, replace(train, images=train.images.flip(-2))),
    "new images": said,
}  # fmt: skip
bars({name: 100 * (1 - found.accuracy) for name, found in differs.items()},
     xlabel="the teacher names another class, %", form="{:.1f}")  # fmt: skip
stacked = (train.labels == 7) | (train.labels == 8)  # circle over square, square over circle
swapped = differs["the same, upside down"].predictions[stacked] == 15 - train.labels[stacked]
print(
    f"upside down, one shape over another is the *other* class in {100 * swapped.float().mean():.0f} %"
)  # fmt: skip

# %% [markdown]
# With images it knows by heart, a hard teacher is a second copy of the label. On *changed* images it speaks for itself.
# Upside down, where the label is wrong for two classes, it sees the other class. Turned by 20° it is mostly just
# mistaken: it was never shown black corners. A teacher is as good as what it has seen. (DeiT also gives the teacher a
# token of its own, beside the class token, with a head of its own.)

# %% [markdown]
# ## 8 · The ladder
#
# Which of all this helps? Add one ingredient after the other, each time with several seeds. First live and small: four
# recipes, two seeds, a few seconds each.


# %%
def taught_by(teacher, loss):
    def step(model, images, labels, optimizer):
        with torch.no_grad():
            said = teacher.eval()(images)
        value = loss(model(images), said, labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


few = train.take(500)


def experiment(name, seed, augment=None, step=None, lr=3e-3):
    model = new_model(seed)
    fit(
        model, few, epochs=8, batch_size=32, lr=lr, weight_decay=0.05, augment=augment, step=step,
        schedule=lambda s, total: warmup_cosine(s, total, total // 10), seed=seed, progress=False,
    )  # fmt: skip
    sets = {"train": few, "validation": validation}
    live.add(name, seed=seed, **{k: 100 * evaluate(model, data).accuracy for k, data in sets.items()})


# %%
live = ExperimentLog("train", "validation")
asked = all([ready("Q13"), ready("Q11"), ready("Q14")])
if asked:
    start = time.perf_counter()
    teaching = taught_by(teacher, partial(distillation_loss, temperature=3.0, alpha=0.7))
    for seed in (0, 1):
        experiment("warm-up, cosine, decay", seed)
        experiment("+ flips", seed, flips)
        experiment("+ flips and mixup", seed, lambda x, y: mixup(*flips(x, y), 0.2, 10))
        experiment("+ flips and a teacher", seed, flips, teaching)
    print(f"{time.perf_counter() - start:.0f} s")

# %%
if asked:
    show_ladder(
        live.by_name("validation"),
        xlabel="validation accuracy, % (dots: seeds; ± standard deviation)",
    )

# %% [markdown]
# Now for longer. This log was made before, by a script that uses the same answers as you; all it says about itself:

# %%
ladder = measured("ladder")
for key, value in ladder.about.items():
    print(f"{key:<8} {value}")

# %%
rungs = ladder.by_name("validation", 100)
climbed = {name: values for name, values in rungs.items() if name == "plain" or name.startswith("+")}
show_ladder(climbed, xlabel="validation accuracy, %, each rung on top of all before it")
ladder.columns = ("train", "validation")  # not the test column, not yet
ladder

# %% [markdown]
# One rung stands out, and it is the cheapest: mirroring. Here it goes up; after it, no further.
#
# But the order of a ladder is not innocent: an ingredient is judged in the company it finds. So once more, each of them
# alone on top of flips, with the two teachers:

# %%
base = rungs["+ flips"]
alone = {"flips, and nothing else": base, "flips and RandAugment": rungs["+ RandAugment"]}
alone |= {name: values for name, values in rungs.items() if name.startswith("flips")}
show_ladder(alone, xlabel="validation accuracy, %")


# %%
def gain(name, values, base):
    """The mean difference, and its standard error (when there is more than one seed)."""
    print(f"{name:<34} {mean(values) - mean(base):+5.1f}", end="")
    if min(len(values), len(base)) > 1:
        print(
            f" ± {math.sqrt(variance(values) / len(values) + variance(base) / len(base)):.1f}",
            end="",
        )
    print()


print("on the rung before")
for before, after in pairwise(climbed):
    gain(after, climbed[after], climbed[before])
print("on flips alone")
for name in list(alone)[1:]:
    gain(name, alone[name], base)

# %% [markdown]
# (± is the standard error of the difference. Read what is less than twice that as "we don't know".)
#
# And the gap between known and new images, which section 1 began with? Regularisers are judged by it, too:

# %%
known, new = ladder.by_name("train", 100), ladder.by_name("validation", 100)
gaps = {name: mean(known[name]) - mean(new[name]) for name in climbed}
bars(gaps, xlabel="training minus validation accuracy, points", form="{:.1f}")
assert gaps["plain"] > gaps["+ flips"] > gaps["+ dropout"]
assert mean(climbed["+ flips"]) > mean(climbed["+ warm-up, cosine"]) + 5
assert mean(climbed["+ stochastic depth"]) < mean(climbed["+ dropout"]) < mean(climbed["+ mixup"])
assert mean(known["+ stochastic depth"]) < mean(known["+ mixup"])
assert mean(rungs["flips and a soft teacher"]) < mean(base) - 2

# %% [markdown]
# Above the flips the gap goes on closing, by and large, and the accuracy doesn't follow. A small gap is no aim: a model
# that learns nothing has none. Without hope or fear, for *this* model on *these* images:
#
# - **Mirroring** says something true about the pictures, for nothing.
# - **Dropout and stochastic depth** lead down, and the training accuracy falls with them (see the table). Two blocks
#   and forty epochs have nothing to spare. They were made for models many times as deep, trained many times as long.
# - **The soft teacher** (T = 3, α = 0.7) looks costly, **the hard one** neutral. Both know these images by heart
#   (section 7), so there is little in their answers that the labels don't say.
# - **Not known** is whatever lies within the seeds' spread; and a recipe with a single dot doesn't even have one. Two
#   seeds of one recipe differ by up to ten points here. The live runs above, on fewer images, order the recipes
#   otherwise.
#
# **Try it.** Your own rung, beside the live ones. (A few seconds for each seed.)

# %%
my_name, my_alpha, my_lr = "mine", 0.4, 1e-3  # change me

if ready("Q11") and ready("Q13"):
    for seed in (0,):  # more seeds, more certainty
        experiment(my_name, seed, lambda x, y: mixup(*flips(x, y), my_alpha, 10), lr=my_lr)
live

# %% [markdown]
# ### The seal is broken
#
# Choose by the validation column. Then, once, look at the test set for the recipe that was chosen.

# %%
chosen = ladder.best("validation")
for name in ("plain", chosen):
    scores = {k: 100 * mean(ladder.values(name, k)) for k in ("validation", "test")}
    print(f"{name:<34}", ", ".join(f"{k} {v:.1f} %" for k, v in scores.items()))
taught = ladder.about["teacher"]
print(f"{'the CNN, on the same images':<34} test {100 * taught['test']:.1f} %")
print(
    f"{'the CNN of section 7, 800 images':<34} test {100 * evaluate(teacher, sealed).accuracy:.1f} %"
)  # fmt: skip
assert mean(ladder.values(chosen, "test")) > mean(ladder.values("plain", "test")) + 0.05

# %% [markdown]
# The honest result: the recipe is worth more than five points to the ViT, and the CNN is far ahead of it, without any.
# No recipe gives 1600 images the weight of the 300 million behind the first ViT; DeiT's recipe, of which this lesson is
# the core, brought that down to the 1.3 million of ImageNet.
#
# > ### What could go wrong
# > - **Choosing on the test set.** Thirty recipes and one test set: the best looks better than it is (section 1).
# > - **Changing images before the split.** A mirrored twin in the training pile, its original in the validation pile:
# >   the model remembers, and you believe it understands.
# > - **A change that changes the label.** Upside down, a shape over another is another class; a 6 is a 9.
# > - **Labels left behind.** Images mixed, labels not: the model is told that a third of a cross is nothing.
# > - **Everything at once.** Each regulariser takes some of the overfitting. When none is left, the next one only
# >   slows learning down.
# > - **One seed.** A gain of a point is news after several seeds, not after one.
# > - **Forgotten `eval()`.** Dropout and dropped blocks go on rolling dice; the teacher's batch norm goes on learning.

# %% [markdown]
# ## 9 · In words
#
# **W8a** (2 points). A friend tries 30 recipes, one seed each, takes the one with the best *test* accuracy, and writes:
# "81.2 % against 79.8 % for the plain model, on 400 test images". Name two different reasons why this is no evidence.
# What should the friend do with the same computing time?

# %% [markdown] tags=["written"] question="W8a" points=2
# First, chance: with 400 images the standard error of one accuracy is about 2 points (the root of 0.8 · 0.2 / 400), and
# seeds add their own spread; 1.4 points between two single runs is within that. Second, selection: the best of 30 is
# partly the luckiest of 30, so its test accuracy is biased upwards, by about two standard errors, even if all 30 are
# equally good; and because the choice used the test set, no unbiased number is left. Better: split a validation set
# off the training images, try fewer recipes (say six) with five seeds each, compare means with their standard errors
# on the validation set, and open the test set once, for the chosen recipe and the plain one.

# %% [markdown] tags=["rubric"]
# **W8a, 2 points.**
# - ½ point: the difference is within the standard error of 400 images, or of the seeds (a number or a formula).
# - ½ point: selection: the maximum of many noisy results is biased upwards, or the test set was used to choose.
# - 1 point: a validation set for choosing *and* several seeds per recipe (half a point for one of the two).

# %% [markdown]
# **W8b** (2 points). With mixup, dropout and stochastic depth, your training loss stays above 0.5 and your training
# accuracy is *below* the validation accuracy. A friend says: "That's a bug." Give two reasons why it need not be one,
# and one quick experiment that would tell.

# %% [markdown] tags=["written"] question="W8b" points=2
# The two numbers are not measured on the same task. Training images are mixed (and otherwise changed), so they are
# harder than clean validation images; and with soft labels even the perfect answer has a loss of the label's entropy,
# so 0.5 may be near the floor. Training also runs in train mode: numbers and whole blocks are dropped, while
# validation uses the full network in eval mode. The experiment: evaluate the model on the *clean training* images in
# eval mode. If all is well, that accuracy is at or above the validation accuracy. (Or: train once with all three
# turned off, on a few images; the loss must go to zero.)

# %% [markdown] tags=["rubric"]
# **W8b, 2 points.**
# - ½ point: the inputs are changed (mixed), or soft labels have a loss floor, the entropy.
# - ½ point: dropout and stochastic depth are on in training and off in eval.
# - 1 point: an experiment that separates: clean training images in eval mode, or regularisers off and a tiny set
#   overfitted (half a point if it is only "train longer" or "look at the curves").

# %% [markdown]
# ## 10 · What you take along
#
# | | |
# |---|---|
# | three piles | learn, choose, report; ± √(p(1-p)/n), and choosing flatters |
# | warm-up and cosine | 0 to `base_lr` in a straight line, half a wave down to `final_lr` |
# | weight decay | AdamW: a share of the weight; not through the gradient |
# | augmentation | whatever leaves the label true, and nothing else |
# | mixup | one λ for image and label; λ from Beta(α, α) |
# | stochastic depth | a sample's whole branch or nothing, divided by 1 - p, identity in eval |
# | distillation | soft: KL at temperature T, times T²; hard: the teacher's class as a second label |
# | a ladder | one ingredient per rung, several seeds, validation accuracy, an honest ± |
#
# **Further reading**
# - Touvron et al., *Training Data-Efficient Image Transformers & Distillation through Attention* (DeiT), ICML 2021.
#   Table 8 is their ladder, turned around: what is lost when one ingredient is taken out. Table 3 compares soft and
#   hard distillation.
# - Zhang et al., *mixup: Beyond Empirical Risk Minimization*, ICLR 2018. Figure 1 has your Q11 in a few lines.
# - Huang et al., *Deep Networks with Stochastic Depth*, ECCV 2016. Figure 2 shows the rates that grow with depth.
# - Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network*, 2015. Section 2 derives the T².
# - Loshchilov and Hutter, *Decoupled Weight Decay Regularization* (AdamW), ICLR 2019, Algorithm 2; and *SGDR*, ICLR
#   2017, where the cosine comes from.
# - Cubuk et al., *RandAugment*, 2020: Figure 2 is a code of a few lines with the 14 operations.
# - Goyal et al., *Accurate, Large Minibatch SGD*, 2017, section 2.2: why one warms up.
#
# Next: **09 · Swin**, in which attention stays in its window.
