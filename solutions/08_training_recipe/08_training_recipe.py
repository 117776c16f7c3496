# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 08 · The training recipe {{badge}}
#
# **In one sentence:** you will write four methods with which Vision Transformers are trained on few images (schedule,
# mixup, stochastic depth, distillation), see what each of them does, and learn how to measure whether it helps.
#
# **The question of this lesson.** A ViT overfits when images are few (lesson 07). Which changes to the *training*, with
# the same model, help against that, and how does one find out?
#
# | | |
# |---|---|
# | **You need** | a training loop, underfitting and overfitting (lesson 07); softmax and cross-entropy |
# | **Time** | 110 minutes; the end of section 5 is a good place to pause |
# | **Grading** | the checks grade Q13, Q11, Q12, Q14 and Q14b; your teacher reads W8a and W8b |
#
# **Afterwards you can**
# - split images into training, validation and test set, and give the standard error of an accuracy;
# - write a learning-rate schedule with warm-up and cosine;
# - write mixup, stochastic depth, and soft and hard distillation;
# - read an ablation without being misled by chance or by selection.
#
# {{questions}}
#
# (The numbers follow the lectures, so Q13 comes before Q11.)
#
# {{names: lecture (CS163, lecture 12)}}
# mixup | `mixup` | `Mixup(mixup_alpha)` | $\lambda$, $\alpha$
# stochastic depth | `drop_path(x, drop_prob, training)` | `DropPath`, `drop_path_rate` | stochastic depth
# distillation | `distillation_loss` | `--distillation-type` (DeiT) | $\tau$, $\lambda$
# scheduler | `warmup_cosine` | `CosineLRScheduler` | –
# label smoothing | – | `LabelSmoothingCrossEntropy` | $\varepsilon$
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

from helpers import check, ready, written
from helpers.built import built
from helpers.data import Dataset, load
from helpers.explore import explore
from helpers.measured import measured
from helpers.pictures.training_recipe import show_depth, show_ladder, show_softened
from helpers.plots import bars, curves, show_images
from helpers.torchvision_ops import load_torchvision
from helpers.training import evaluate, fit
from helpers.training.blocks import blocks_of
from helpers.training.log import ExperimentLog

torch.set_num_threads(1)  # for a model as small as this one core is faster than two

# %% tags=["setup"]
ViT = built("ViT")

# %% [markdown]
# The letters are the same in every lesson: `b` is the batch, `n` the number of tokens, `d` the width, and `c h w` an
# image.

# %% [markdown]
# ## 1 · Training, validation and test set
#
# **Question.** On which images should one choose between recipes?
#
# There are three sets with three purposes. The model learns from the **training set**. The **validation set** serves to
# *choose*: between learning rates, recipes, epochs. The **test set** is used once, at the end, to report. Two sets are
# not enough: whoever picks the best of thirty models by their test accuracy has used the test set for training.


# %%
def part(data, start, stop):
    return Dataset(data.name, data.images[start:stop], data.labels[start:stop], data.classes, data.source)


shapes = load("shapes")
train, validation = part(shapes, 0, 800), part(shapes, 1600, 2000)
test = load("shapes", "test")  # not used before section 8
train.show(8)

# %% [markdown]
# > **Figure 8.1 · Eight of the 800 training images.**
#
# The model is the ViT of lesson 07, with a layer in front that brings the pixels near zero.


# %%
class Standardise(nn.Module):
    def forward(self, x):
        return 4 * (x - 0.5)


def new_model(seed=0, drop_p=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(Standardise(), ViT(drop_p=drop_p))


# %%
plain = new_model()
history = fit(plain, train, validation, epochs=12, lr=1e-3)
seen = {"training": history.accuracy, "validation": history.test_accuracy}  # `fit` calls its second set "test"
percent = {name: [100 * share for share in shares] for name, shares in seen.items()}
curves(range(1, 13), percent, xlabel="epoch", ylabel="accuracy, %")

# %% [markdown]
# > **Figure 8.2 · Accuracy during training.** The distance between the curves grows: the model overfits. One run.
#
# ### The standard error of an accuracy
#
# An accuracy $p$ on $n$ images is an average of $n$ zeros and ones. Its **standard error** is $\sqrt{p(1-p)/n}$: about
# that much it would change with another choice of images.

# %%
accuracy, n = history.test_accuracy[-1], len(validation)
error = math.sqrt(accuracy * (1 - accuracy) / n)
print(f"{100 * accuracy:.1f} % of {n} images, with a standard error of {100 * error:.1f} points")

# %% [markdown]
# Two recipes that differ by one point can therefore not be told apart by one run each. *Choosing* makes it worse.
# Suppose that $k$ recipes are equally good, with a true accuracy of 70 %, and the one with the best result is kept:


# %% fold="read"
# The expected best result among k equally good recipes
def best_of(k, n=400, truth=0.7, studies=2000):
    torch.manual_seed(0)
    results = torch.distributions.Binomial(n, torch.tensor(truth)).sample((studies, k)) / n
    return 100 * results.amax(1).mean().item()


counts = [1, 2, 5, 10, 20, 50]
found = [best_of(k) for k in counts]
series = {"best result": found, "true accuracy": [70.0] * len(counts)}
curves(counts, series, xlabel="recipes tried", ylabel="accuracy, %", logx=True)
print(f"the best of 20 equally good recipes seems {found[4] - 70:.1f} points better than it is")
assert 3.5 < found[4] - 70 < 5

# %% [markdown]
# > **Figure 8.3 · Selection bias.** 2,000 simulated studies with 400 images each. The more recipes are tried, the
# > more the best result exceeds the true accuracy.
#
# This excess is **selection bias**: nothing has become better. So the set with which one chooses cannot be the set with
# which one reports.
#
# An experiment log keeps every run with its seed, and computes means and spreads:

# %%
log = ExperimentLog("training", "validation")
log.add("plain, 12 epochs", seed=0, training=percent["training"][-1], validation=percent["validation"][-1])
log

# %% [markdown]
# **Answer.** Learn on the training set, choose on the validation set, report on the test set, and state the standard
# error.

# %% [markdown]
# ## 2 · Q13: warm-up and cosine schedule
#
# **Question.** Which learning rate should each step have?
#
# Adam divides each gradient by a running estimate of its size. In the first steps this estimate is based on few
# gradients and is unreliable, so steps can be too large. A **learning-rate warm-up** starts with a rate of 0 and
# increases it over some steps. We compare two starts at six times the learning rate of section 1.


# %% fold="read"
# The training loss of the first 50 steps for two seeds, smoothed over 8 steps
def first_steps(schedule=None, lr=6e-3):
    runs = []
    for seed in (0, 1):
        losses = []

        def noted(logits, labels, losses=losses):
            losses.append(F.cross_entropy(logits, labels))
            return losses[-1]

        model = new_model(seed)
        options = {"epochs": 2, "batch_size": 32, "lr": lr, "seed": seed, "progress": False}
        fit(model, train, schedule=schedule, loss=noted, **options)
        runs.append(torch.stack(losses).detach().cpu())
    print(f"trained for {len(losses)} steps with 2 seeds", flush=True)
    return F.avg_pool1d(F.pad(torch.stack(runs)[:, None], (7, 0), mode="replicate"), 8, 1)[:, 0]


def show_first_steps(starts):
    middle = {name: runs.mean(0) for name, runs in starts.items()}
    bands = {name: (runs.amin(0), runs.amax(0)) for name, runs in starts.items()}
    steps = range(1, len(next(iter(middle.values()))) + 1)
    curves(steps, middle, bands=bands, xlabel="step", ylabel="training loss")


# %%
def linear_warmup(step, total):
    return min(1.0, step / 20)  # a factor of the learning rate


starts = {"no warm-up": first_steps(), "20 steps of warm-up": first_steps(linear_warmup)}
show_first_steps(starts)

# %% [markdown]
# > **Figure 8.4 · The first steps with and without warm-up.** Mean and range of two seeds. Without warm-up the loss
# > rises at first. This small model recovers, and after 50 steps both are about equal. In deep and in post-norm
# > models (lesson 06) a start without warm-up can fail altogether.
#
# At the end of training the rate should be small, because with a large one the weights keep jumping around a minimum. A
# **cosine schedule** lowers it along half a cosine wave: slowly at first, faster in the middle, slowly at the end.
#
# Write the learning rate as a function of the step, counted from 0. Three points are fixed: **0 at step 0, `base_lr` at
# step `warmup_steps`, `final_lr` at step `total_steps`.** From the first to the second point it is a straight line,
# from the second to the third half a cosine wave.
#
# {{level: guided}}
# Three blanks, one line each: the warm-up; the progress of the descent, from 0 to 1; the rate at this progress.
# {{end}}


# %% tags=["answer"] question="Q13"
# Q13: warm-up and cosine
def warmup_cosine(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    """The learning rate at a step, a float."""
    if step < warmup_steps:
        return base_lr * step / warmup_steps  # BLANK
    progress = (step - warmup_steps) / (total_steps - warmup_steps)  # BLANK
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2  # BLANK


# %% tags=["check"] question="Q13" points=3
check("Q13", warmup_cosine)

# %% [markdown]
# <details><summary>Hint: the curve jumps where the warm-up ends</summary>
#
# The progress of the descent is 0 when the warm-up is over and 1 at `total_steps`. How many steps of the descent have
# passed, and how many does it have?
# </details>
# <details><summary>Hint: right for final_lr = 0 only</summary>
#
# `math.cos` runs from 1 to -1 while its angle runs from 0 to π. First bring that to the range from 1 to 0. Then scale
# it to the distance between the two rates, and add what it should end at.
# </details>

# %%
if ready("Q13"):
    rates = {f"warm-up {w}, final {f:g}": [warmup_cosine(s, 100, w, 1.0, f) for s in range(101)]
             for w, f in ((0, 0.0), (10, 0.0), (30, 0.2))}  # fmt: skip
    curves(range(101), rates, xlabel="step of 100", ylabel="factor of the learning rate")

# %% [markdown]
# > **Figure 8.5 · Your schedule with three settings.**
#
# `fit` uses it as a factor of the learning rate. Here is the fast start from above with your schedule:

# %%
if ready("Q13"):
    starts["warm-up and cosine"] = first_steps(lambda step, total: warmup_cosine(step, total, 20))
    show_first_steps(starts)

# %% [markdown]
# > **Figure 8.6 · The first steps, with your schedule added.** Mean and range of two seeds. Over these few steps
# > warm-up with and without the descent differ little.
#
# At step 0 the rate is 0, so one step changes nothing. Some recipes use `step + 1` instead; both are common.
#
# **Answer.** A rate that rises in the first steps, when Adam's estimates are unreliable, and falls to almost 0 at the
# end.

# %% [markdown]
# ## 3 · Weight decay
#
# **Question.** Why is the optimiser of transformers called AdamW?
#
# **Weight decay** is a form of **regularisation** (a measure against overfitting): in each step every weight is reduced
# by a small share of itself, because large weights allow functions that fit single images. In Adam it can be built in
# two ways. The demonstration sets the gradient of the loss to zero, so only the decay acts, on a weight of 1 and on one
# of 0.1.


# %% fold="read"
# 100 steps in which only weight decay acts
def decayed(make, steps=100):
    weights = nn.Parameter(torch.tensor([1.0, 0.1]))
    optimizer, seen = make([weights], lr=0.01, weight_decay=0.1), []
    for _ in range(steps):
        weights.grad = torch.zeros(2)  # the loss does not depend on the weights
        optimizer.step()
        seen.append(weights.tolist())
    return list(zip(*seen, strict=True))


decoupled, coupled = decayed(torch.optim.AdamW), decayed(torch.optim.Adam)
series = {"AdamW, from 1": decoupled[0], "AdamW, from 0.1": decoupled[1],
          "Adam, from 1": coupled[0], "Adam, from 0.1": coupled[1]}  # fmt: skip
curves(range(1, 101), series, xlabel="step", ylabel="weight")
large, small = decoupled[0][-1], decoupled[1][-1] / 0.1
print(f"AdamW leaves {large:.3f} of the large weight and {small:.3f} of the small one")
assert abs(decoupled[0][-1] - (1 - 0.01 * 0.1) ** 100) < 1e-4
assert abs(coupled[1][-1]) < 0.01 < 0.3 > coupled[0][-1]

# %% [markdown]
# > **Figure 8.7 · Weight decay in AdamW and Adam, without any other gradient.** AdamW takes the same share of both
# > weights. Adam moves both at full speed towards 0.
#
# Adam's `weight_decay` is added to the *gradient*, and Adam divides gradients by their size. In this extreme case the
# decay is then as fast as any other step. With real gradients the effect is uneven: weights with large gradients are
# hardly decayed, those with small gradients strongly. AdamW takes `lr · weight_decay` of each weight itself, separately
# from the gradient. Most recipes exclude biases, norms, the class token and position embeddings from the decay, since
# it is meant for matrices; timm does this by default for parameters with one axis.
#
# **Answer.** The W stands for weight decay that is decoupled from the gradient and acts on all weights in the same way.

# %% [markdown]
# ## 4 · Data augmentation
#
# **Question.** How can 800 images become more?
#
# **Data augmentation** makes new training images by changes that leave the label true. `RandAugment` chooses `num_ops`
# of 14 operations at random (rotate, shear, shift, brighten, …), each as strong as `magnitude` says.

# %%
load_torchvision()
from torchvision.transforms import v2


def altered(magnitude=5):
    torch.manual_seed(1)
    rand = v2.RandAugment(num_ops=2, magnitude=magnitude)
    show_images(torch.stack([rand(x) for x in train.images[:6]]), columns=6)


explore(altered, magnitude=[1, 5, 9, 15])

# %% [markdown]
# > **Figure 8.8 · Six images after RandAugment at different magnitudes.**
#
# Which changes leave the label true depends on the data. Upside down, a class of `shapes` turns into another one:

# %% fold="skip"
# Draws one image of each of two classes, and both upside down
first = [int((train.labels == shapes.classes.index(name)).nonzero()[0]) for name in shapes.classes[7:9]]
pair = train.images[first]  # 2 c h w
titles = [*shapes.classes[7:9], "the first, upside down", "the second, upside down"]
show_images(torch.cat([pair, pair.flip(2)]), titles=titles, columns=4)

# %% [markdown]
# > **Figure 8.9 · A flip that changes the class.** “Circle over square” upside down is “square over circle”. A flip
# > from left to right is allowed for shapes, but not for digits or letters.


# %%
def flips(x, y):
    mirrored = torch.rand(len(x), device=x.device) < 0.5
    return torch.where(mirrored[:, None, None, None], x.flip(-1), x), y


# %% [markdown]
# **Answer.** By changes that leave the label true, and only by these.

# %% [markdown]
# ## 5 · Q11: mixup
#
# **Question.** Can images be mixed, if the labels are mixed in the same way?
#
# **Mixup** averages two images pixel by pixel, and their labels with the same weights: 70 % of a ring and 30 % of a
# cross are labelled "0.7 ring, 0.3 cross". The model learns to change its answer linearly from one image to another.
#
# $$\tilde x = \lambda\, x_i + (1-\lambda)\, x_j \qquad \tilde y = \lambda\, y_i + (1-\lambda)\, y_j \qquad
# \lambda \sim \text{Beta}(\alpha, \alpha)$$
#
# The labels $y$ are one-hot: 1 for the class, 0 elsewhere. $\lambda$ is drawn from a **Beta distribution**:

# %% fold="skip"
# Draws the density of the Beta distribution for four values of alpha
lam = torch.linspace(0.02, 0.98, 97)
densities = {
    f"α = {a:g}": torch.distributions.Beta(a, a).log_prob(lam).exp().clamp(max=4) for a in (0.2, 1.0, 2.0, 8.0)
}
curves(lam, densities, xlabel="λ", ylabel="density", height=2.2)

# %% [markdown]
# > **Figure 8.10 · Density of $\lambda$.** With $\alpha = 0.2$, $\lambda$ is mostly near 0 or 1: almost one image. With
# > $\alpha = 1$ all values are equally likely. With $\alpha = 8$ it is mostly near one half. (Cut off at 4.)
#
# Write `mixup` for a batch: `x` is (b, c, h, w), `y` holds b class numbers. Each image gets a partner from the same
# batch, by a random permutation. `lam` is the share of the image *itself*: one number for the whole batch, drawn only
# if none is given. Don't change the tensors that are passed.
#
# {{level: guided}}
# Four blanks, one short line each: $\lambda$; the images; the labels as one-hot rows of width `num_classes`; the mixed
# labels.
# {{end}}
# {{level: standard, open}}
# `torch.distributions.Beta(alpha, alpha).sample()`, `torch.randperm` and `F.one_hot` are useful. The labels have the
# dtype of `x`.
# {{end}}


# %% tags=["answer"] question="Q11"
# Q11: mixup
def mixup(x, y, alpha, num_classes, lam=None):
    """(b, c, h, w) and (b,) -> mixed images (b, c, h, w) and soft labels (b, num_classes)"""
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
# Each row says what one mixed image consists of: on the left by its pixels, on the right by its label. They must be the
# same matrix, with the same partner and the same shares.
# </details>
# <details><summary>Hint: the labels are whole numbers, or have one axis</summary>
#
# The average of class 2 and class 6 is not class 4. Give each class a column first (`F.one_hot`), then mix the rows
# as you mix images.
# </details>
# <details><summary>Hint: only "without a lam" is missing</summary>
#
# A distribution of `torch.distributions` has a method `sample`, which returns a tensor with one number here.
# </details>

# %% fold="skip"
# Draws six images mixed with different shares
if ready("Q11"):

    def mixtures(lam=0.7):
        torch.manual_seed(3)
        mixed, soft = mixup(train.images[:6], train.labels[:6], 0.2, 10, lam=lam)
        share, column = soft.topk(2)
        named = [
            " + ".join(f"{s:.1f} {shapes.classes[k]}" for s, k in zip(*row, strict=True) if s > 0.005)
            for row in zip(share.tolist(), column.tolist(), strict=True)
        ]
        show_images(mixed, titles=named, columns=6)

    explore(mixtures, lam=[1.0, 0.8, 0.6, 0.5])

# %% [markdown]
# > **Figure 8.11 · Your mixup on six images.** The titles are the mixed labels.
#
# ### Soft labels, label smoothing and CutMix
#
# `F.cross_entropy` accepts soft labels. But the loss can no longer become 0: a model that answers exactly 0.7 and 0.3
# still has a loss equal to the entropy of this label.

# %%
lam = torch.distributions.Beta(0.2, 0.2).sample((100_000,)).clamp(1e-6, 1 - 1e-6)
floor = -(lam * lam.log() + (1 - lam) * (1 - lam).log())
asked = torch.tensor([[0.7, 0.3]])
print(f"the loss of the perfect answer to a 0.7 / 0.3 label: {F.cross_entropy(asked.log(), asked):.3f}")
print(f"mean of the smallest possible loss, alpha = 0.2, two different classes: {floor.mean():.2f}")

# %% [markdown]
# So with mixup a training loss of 0.2 may be perfect. Compare validation curves instead.
#
# Two related methods occur in *CS163, lecture 12* (in its leaderboard of student projects) and in DeiT's recipe:
#
# - **Label smoothing** takes a share $\varepsilon$, often 0.1, from the correct class and distributes it over all
#   classes: $(1-\varepsilon)\,y + \varepsilon/K$ for $K$ classes. The model is trained to be less certain. In PyTorch
#   it is `F.cross_entropy(logits, y, label_smoothing=0.1)`.
# - **CutMix** replaces a rectangle of one image by the same rectangle of another, and mixes the labels by area.
#
# What does mixup change? We move in a straight line from one image to another and follow the predicted probabilities,
# for the plain model of section 1 and for one trained with mixup.

# %%
if ready("Q11"):
    mixing = new_model()
    fit(mixing, train, epochs=12, lr=1e-3, augment=lambda x, y: mixup(x, y, 0.4, 10))


# %% fold="read"
# How far the probabilities are from a straight line between the two ends
@torch.no_grad()
def off_the_line(model, pairs=200, stops=11):
    model.eval()
    ends = validation.images[: 2 * pairs].to(next(model.parameters()).device)
    lam = torch.linspace(0, 1, stops, device=ends.device)[:, None, None, None, None]
    between = lam * ends[:pairs] + (1 - lam) * ends[pairs:]  # stops, pairs, c h w
    found = model(between.flatten(0, 1)).softmax(-1).unflatten(0, (stops, pairs))
    straight = lam[..., 0, 0] * found[-1] + (1 - lam[..., 0, 0]) * found[0]
    return (found - straight).abs().sum(-1).mean(1).cpu()  # stops


if ready("Q11"):
    lines = {"plain": off_the_line(plain), "with mixup": off_the_line(mixing)}
    curves(torch.linspace(0, 1, 11), lines, xlabel="λ", ylabel="distance from the line")
    for name, model in (("plain", plain), ("with mixup", mixing)):
        found = evaluate(model, validation)
        sure = found.probabilities.amax(1).mean()
        print(f"{name:<10} mean largest probability {100 * sure:.0f} %, accuracy {100 * found.accuracy:.0f} %")

# %% [markdown]
# > **Figure 8.12 · Distance of the probabilities from a straight line between two images.** Mean over 200 pairs; one
# > run each. The model trained with mixup stays closer to the line.
#
# The probabilities also become smaller and closer to the accuracy: the model is less overconfident. Whether it is right
# *more often* must be measured with several seeds (section 8).
#
# **Answer.** Yes: with soft labels. It is a regularisation that makes the model change gradually between images.

# %% [markdown]
# ## 6 · Q12: stochastic depth
#
# **Question.** Dropout sets single numbers to zero (lesson 06). Can one drop a whole branch of a block?
#
# **Stochastic depth** does this in training: with probability $p$ the branch of a residual block is left out for a
# sample, and only $x$ remains. The sample then passes through a shallower network.
#
# $$\text{out} = x + \frac{m}{1-p}\, f(x) \qquad m = 0 \text{ with probability } p \text{, else } 1$$
#
# Each *sample* of a batch has its own $m$, the same for all of its tokens and dimensions. The division keeps the
# mean. In evaluation mode nothing is dropped and nothing is scaled.
#
# Write `drop_path`, which is used around a branch: `x + drop_path(f(x), p, training)`. Its argument is the branch's
# output, with any number of axes, the batch first.
#
# {{level: guided}}
# Three blanks: the shape of the random numbers, the comparison, the result.
# {{end}}


# %% tags=["answer"] question="Q12"
# Q12: stochastic depth
def drop_path(x, drop_prob, training):
    """(b, …) -> (b, …): in training each sample is 0 with probability drop_prob, else scaled."""
    if not training or drop_prob == 0:
        return x
    dice = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device)  # BLANK: len(x), *[1] * (x.ndim - 1)
    kept = (dice >= drop_prob).to(x.dtype)  # BLANK: dice >= drop_prob
    return x * kept / (1 - drop_prob)  # BLANK


# %% tags=["check"] question="Q12" points=3
check("Q12", drop_path)

# %% [markdown]
# <details><summary>Hint: single numbers or single tokens are dropped</summary>
#
# One random number per sample: a tensor with b numbers, and no more. To act on all tokens and dimensions by
# broadcasting, its other axes must have length 1.
# </details>
# <details><summary>Hint: it works for (b, n, d) only</summary>
#
# `x.ndim` is the number of axes. A list of ones can be as long as needed: `[1] * 3`.
# </details>
# <details><summary>Hint: the mean is wrong</summary>
#
# With p = 0.2, four of five samples remain. By what factor must they grow, so that the sum of five is as before?
# </details>

# %% [markdown]
# ### The mean is kept
#
# The average of many draws should approach `x`.

# %% fold="read"
# The relative error of the average against the number of draws, with and without the division
if ready("Q12"):
    torch.manual_seed(0)
    x, draws = torch.randn(4, 3, 8), [1, 4, 16, 64, 256, 1024]
    many = torch.stack([drop_path(x, 0.3, True) for _ in range(draws[-1])])
    off = [(many[:k].mean(0) - x).norm() / x.norm() for k in draws]
    bare = [(0.7 * many[:k].mean(0) - x).norm() / x.norm() for k in draws]
    series = {"yours": off, "not divided": bare}
    curves(draws, series, xlabel="draws", ylabel="relative error", logx=True, logy=True)

# %% [markdown]
# > **Figure 8.13 · Relative error of the average.** It falls like one over the root of the number of draws. Without the
# > division it stops at p = 0.3.
#
# ### In a deep model
#
# Later blocks depend on the features of the first ones, so the rate usually grows linearly from block to block. For
# twelve blocks and 0.3 at the last one (here the first block has 0.025; DeiT and timm start at 0):

# %%
if ready("Q12"):
    torch.manual_seed(0)
    rates = [0.3 * (i + 1) / 12 for i in range(12)]
    paths = torch.stack([drop_path(torch.ones(40, 1), rate, True)[:, 0] > 0 for rate in rates])
    show_depth(paths)
    through = paths.float().sum(0).mean()
    print(f"a sample passes {through:.1f} of 12 blocks; expected {12 - sum(rates):.2f}")

# %% [markdown]
# > **Figure 8.14 · Which of 12 blocks 40 samples pass.** Each column is a sample; light fields are dropped branches.
# > Each sample trains another, shallower network with shared weights.
#
# To use it in *your* ViT, nothing has to be rewritten: a forward hook replaces a block's output by its input plus
# `drop_path` of the difference.
#
# {{level: open}}
# Write it. This cell gives no points; the next cell asserts what a model with stochastic depth must do.
# {{end}}


# %% fold="read" write_from="open"
# Stochastic depth by hooks on the blocks of a model
def with_drop_path(model, rate):
    """Register a forward hook on each block of blocks_of(model), and return the model.

    A hook receives (block, inputs, output), and what it returns takes the output's place: the block's input plus
    drop_path of the difference, with `block.training`. The rate of block i of N is rate * (i + 1) / N.
    """
    blocks = blocks_of(model)
    for i, block in enumerate(blocks):
        own = rate * (i + 1) / len(blocks)
        block.register_forward_hook(
            lambda block, given, out, own=own: (
                given[0] + drop_path(out - given[0], own, block.training)
            )
        )  # fmt: skip
    return model


# %% fold="read"
# Thirty calls in training mode, and one in evaluation mode
if ready("Q12") and written(with_drop_path):
    deep = with_drop_path(new_model(), 0.5)
    x = validation.images[:2].expand(2, -1, -1, -1).to(next(deep.parameters()).device)
    with torch.no_grad():
        answers = torch.stack([deep.train()(x)[0] for _ in range(30)])
        same = torch.allclose(deep.eval()(x), new_model().eval()(x), atol=1e-5)
    print(f"training mode: {len(answers.round(decimals=4).unique(dim=0))} different outputs in 30 calls")
    print(f"evaluation mode: the same as without the hooks: {same}")
    assert same
    assert 1 < len(answers.round(decimals=4).unique(dim=0)) <= 4

# %% [markdown]
# With two blocks there are four paths (with twelve there would be 4,096).
#
# **Answer.** Yes: per sample, with a division that keeps the mean.

# %% [markdown]
# ## 7 · Q14: knowledge distillation
#
# **Question.** Can a ViT learn from a network that is already good?
#
# In **knowledge distillation** a *student* model learns from the outputs of a trained *teacher*, beside the labels. The
# teacher here is a CNN:

# %% fold="read"
# Trains the teacher
teacher = nn.Sequential(Standardise())
for c, d in ((3, 16), (16, 32), (32, 64)):
    teacher.extend([nn.Conv2d(c, d, 3, padding=1), nn.BatchNorm2d(d), nn.ReLU(), nn.MaxPool2d(2)])
teacher.extend([nn.Flatten(), nn.Linear(1024, 10)])
start = time.process_time()
torch.manual_seed(0)
fit(teacher, train, epochs=6, lr=2e-3)
on_validation, seconds = evaluate(teacher, validation), time.process_time() - start
print(f"teacher: {100 * on_validation.accuracy:.1f} % on the validation set, {seconds:.0f} s of processor time")

# %% [markdown]
# The teacher's probabilities contain more than a label: "a ring, and somewhat like a circle". But they are mostly
# near 1 and 0. A **temperature** $T$ makes them softer: all logits are divided by $T$ before the softmax. Here is an
# image of which the teacher is about 98 % certain:

# %%
sure = int((on_validation.probabilities.amax(1) - 0.98).abs().argmin())
logits = on_validation.probabilities[sure].log()  # logits up to a constant, which softmax ignores


def softened(T=1):
    show_softened((logits / T).softmax(-1), shapes.classes, validation.images[sure])


explore(softened, T=[1, 2, 4, 10])

# %% [markdown]
# > **Figure 8.15 · The teacher's probabilities at different temperatures.** The higher the temperature, the more
# > visible are the classes that the teacher considers similar.
#
# The student uses the same temperature. How large is its gradient then? We measure it for random logits of ten classes:

# %% fold="read"
# The gradient for the student's logits against the temperature
torch.manual_seed(0)
theirs, temperatures = 3 * torch.randn(256, 10), [0.5, 1, 2, 4, 8, 16]
lengths = []
for T in temperatures:
    mine = torch.zeros(256, 10, requires_grad=True)
    F.cross_entropy(mine / T, torch.softmax(theirs / T, 1)).backward()
    lengths.append(256 * mine.grad.norm(dim=1).mean().item())
series = {"as it is": lengths, "times T": [p * T for p, T in zip(lengths, temperatures, strict=True)],
          "times T²": [p * T**2 for p, T in zip(lengths, temperatures, strict=True)]}  # fmt: skip
curves(temperatures, series, xlabel="temperature T", ylabel="gradient of the logits", logx=True, logy=True)
assert abs(math.log2(lengths[-2] / lengths[-1]) - 2) < 0.15  # from 8 to 16: a quarter

# %% [markdown]
# > **Figure 8.16 · Length of the gradient against the temperature.** For large $T$ it falls like $1/T^2$; multiplied by
# > $T^2$ it is nearly constant.
#
# One factor $1/T$ comes from the division of the student's logits, the other from probabilities that become more equal.
# The loss is therefore multiplied by $T^2$, so that the teacher's share does not depend on the temperature:
#
# $$L = (1-\alpha)\,\text{CE}(\text{student}, y) \;+\;
# \alpha\, T^2\, \text{KL}\big(\text{softmax}(t/T)\,\|\,\text{softmax}(s/T)\big)$$
#
# Here $s$ and $t$ are the logits of student and teacher, (b, classes). KL is the Kullback-Leibler divergence,
# $\text{KL}(p\,\|\,q) = \sum p\,(\log p - \log q)$: summed over the classes and averaged over the images. **The teacher
# receives no gradient.** `F.kl_div(a, b)` computes the terms $b\,(\log b - a)$: it expects logarithms on the student's
# side, and its `reduction` must be chosen with care.
#
# {{level: guided}}
# Four blanks, a line each: the student's side, the teacher's side, the teacher's part of the loss, and the sum.
# {{end}}


# %% tags=["answer"] question="Q14"
# Q14: learning from a teacher
def distillation_loss(student_logits, teacher_logits, labels, temperature, alpha):
    """(b, classes), (b, classes), (b,) -> the loss, a scalar tensor; alpha is the teacher's share."""
    student = F.log_softmax(student_logits / temperature, dim=-1)  # BLANK
    teacher = F.softmax(teacher_logits.detach() / temperature, dim=-1)  # BLANK
    from_teacher = temperature**2 * F.kl_div(student, teacher, reduction="batchmean")  # BLANK
    from_labels = F.cross_entropy(student_logits, labels)
    return (1 - alpha) * from_labels + alpha * from_teacher  # BLANK


# %% tags=["check"] question="Q14" points=4
check("Q14", distillation_loss)

# %% [markdown]
# <details><summary>Hint: the gradient has another direction</summary>
#
# Check the two sides one by one. Both logits are divided by T; both softmaxes run over the classes; only one of them
# is a logarithm, and it is the first argument.
# </details>
# <details><summary>Hint: the direction is right, the length is not</summary>
#
# The card says by what factor it is too long or too short. Is that the number of classes? The number of images? The
# temperature, or its square? Each has a cause of its own: the `reduction`, or the factor in front.
# </details>
# <details><summary>Hint: "the teacher's logits get a gradient too"</summary>
#
# A tensor has a method that returns the same numbers without the graph.
# </details>

# %% [markdown]
# ### A common mistake: the default of `kl_div`
#
# `F.kl_div` without a `reduction` averages over images *and classes*. No error is raised, and the teacher's part
# becomes ten times smaller than intended with ten classes:

# %%
p, q = torch.softmax(theirs[:8], 1), torch.zeros(8, 10).log_softmax(1)
right = (p * (p.log() - q)).sum(1).mean()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch warns, and in a long log the line is easily missed
    default = F.kl_div(q, p)
print(f"KL {right:.3f}; the default gives {default:.3f}, a {right / default:.0f}th")
assert torch.isclose(right / default, torch.tensor(10.0))

# %% [markdown]
# ### Q14b · Hard distillation
#
# DeiT found a simpler form to work better on ImageNet: the teacher only *names* a class, which counts as a second
# label.
#
# $$L = \tfrac12\,\text{CE}(s, y) + \tfrac12\,\text{CE}(s, y_t) \qquad y_t = \text{the teacher's most likely class}$$
#
# There is no temperature and no $\alpha$. Two lines.


# %% tags=["answer"] question="Q14b"
# Q14b: hard distillation
def hard_distillation_loss(student_logits, teacher_logits, labels):
    """(b, classes), (b, classes), (b,) -> the loss, a scalar tensor"""
    named = teacher_logits.argmax(dim=-1)  # BLANK
    return (F.cross_entropy(student_logits, labels) + F.cross_entropy(student_logits, named)) / 2  # BLANK


# %% tags=["check"] question="Q14b" points=2
check("Q14b", hard_distillation_loss)

# %% [markdown]
# <details><summary>Hint: a row of the picture has no second blue field</summary>
#
# Which index has the teacher's largest logit, along the classes? You need the index, not the value.
# </details>
# <details><summary>Hint: twice as large</summary>
#
# Two halves make one loss.
# </details>

# %% [markdown]
# If teacher and labels always agree, the second label adds nothing. How often does this teacher differ from the labels?

# %% fold="read"
# Compares the teacher's classes with the labels, on images that are changed in four ways
turned = replace(train, images=v2.functional.rotate(train.images, 20.0))
differs = {
    "its training images": evaluate(teacher, train),
    "the same, mirrored": evaluate(teacher, replace(train, images=train.images.flip(-1))),
    "the same, rotated by 20°": evaluate(teacher, turned),
    "the same, upside down": evaluate(teacher, replace(train, images=train.images.flip(-2))),
    "new images": on_validation,
}  # fmt: skip
bars({name: 100 * (1 - found.accuracy) for name, found in differs.items()},
     xlabel="the teacher names another class than the label, %", form="{:.1f}")  # fmt: skip
stacked = (train.labels == 7) | (train.labels == 8)  # circle over square, square over circle
swapped = differs["the same, upside down"].predictions[stacked] == 15 - train.labels[stacked]
print(f"upside down, these two classes are exchanged in {100 * swapped.float().mean():.0f} %")

# %% [markdown]
# > **Figure 8.17 · How often the teacher contradicts the labels.** On its own training images hardly ever. Upside down,
# > where the label is wrong for two classes, the teacher mostly names the class that is seen. Rotated by 20°, it is
# > mostly mistaken, since it was not trained with black corners.
#
# So a hard teacher is useful on images that it has *not* memorised, for example augmented ones. *CS163, lecture 12*
# adds two points. A student can also learn from a teacher on *unlabelled* images, since only the teacher's part of
# the loss needs no label ($\alpha = 1$). And DeiT's teacher is a CNN, which passes its inductive bias (lesson 00) on.
#
# **Answer.** Yes: with a loss that compares probabilities at a temperature, or with the teacher's class as a second
# label.

# %% [markdown]
# ## 8 · Which of it helps? An ablation
#
# **Question.** How does one find out what each part of a recipe contributes?
#
# An **ablation** study changes one part at a time and compares. Each variant needs several seeds. First a small one
# that runs here: 300 images, four recipes, two seeds.
#
# {{level: open}}
# Write the step with a teacher. This cell gives no points; the next cell asserts that a step changes the student, and
# not the teacher.
# {{end}}


# %% fold="read" write_from="open"
# A training step with a teacher
def taught_by(teacher, loss):
    """A function step(model, images, labels, optimizer): one step of training, which returns the loss, a tensor.

    The loss is loss(logits of the model, logits of the teacher, labels). The teacher is in evaluation mode, and no
    graph is kept of it.
    """

    def step(model, images, labels, optimizer):
        with torch.no_grad():
            their_logits = teacher.eval()(images)
        value = loss(model(images), their_logits, labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


# %% fold="read"
# A test of this step, and one run of the experiment
if written(taught_by):
    device_of = next(teacher.parameters()).device
    pupil, seen = new_model(0).to(device_of), []
    batch = [part[:8].to(device_of) for part in (train.images, train.labels)]
    fixed = {name: value.clone() for name, value in teacher.state_dict().items()}
    before = [weight.clone() for weight in pupil.parameters()]
    step = taught_by(teacher, lambda *given: (seen.append(given), F.mse_loss(*given[:2]))[1])
    value = step(pupil, *batch, torch.optim.SGD(pupil.parameters(), 0.1))
    assert seen[0][0].requires_grad
    assert not seen[0][1].requires_grad
    assert value.item() > 0
    assert any(not torch.equal(old, new) for old, new in zip(before, pupil.parameters(), strict=True))
    assert all(torch.equal(fixed[name], now) for name, now in teacher.state_dict().items())

few = train.take(300)


def experiment(name, seed, augment=None, step=None, lr=3e-3):
    model = new_model(seed)
    fit(
        model, few, epochs=6, batch_size=32, lr=lr, weight_decay=0.05, augment=augment, step=step,
        schedule=lambda s, total: warmup_cosine(s, total, total // 10), seed=seed, progress=False,
    )  # fmt: skip
    sets = {"training": few, "validation": validation}
    live.add(name, seed=seed, **{k: 100 * evaluate(model, data).accuracy for k, data in sets.items()})
    print(f"{name}, seed {seed}: {live.values(name, 'validation')[-1]:.1f} %", flush=True)


# %%
live = ExperimentLog("training", "validation")
asked = all([ready("Q13"), ready("Q11"), ready("Q14"), written(taught_by)])
if asked:
    teaching = taught_by(teacher, partial(distillation_loss, temperature=3.0, alpha=0.7))
    for seed in (0, 1):
        experiment("warm-up, cosine, decay", seed)
        experiment("+ flips", seed, flips)
        experiment("+ flips and mixup", seed, lambda x, y: mixup(*flips(x, y), 0.2, 10))
        experiment("+ flips and a teacher", seed, flips, teaching)

# %%
if asked:
    show_ladder(live.by_name("validation"), xlabel="validation accuracy, % (dots: seeds; ± standard deviation)")

# %% [markdown]
# > **Figure 8.18 · Four recipes after six epochs on 300 images.** Each dot is a seed. After so few epochs all models
# > underfit, so measures against overfitting cannot help yet, and the order says little.
#
# Longer runs were made by a script with the same functions. This is what their log says about itself:

# %% fold="read"
# Reads the stored runs and draws them as a ladder: each recipe adds one part to the one above it
ladder = measured("ladder")
for key, value in ladder.about.items():
    print(f"{key:<8} {value}")
recipes = ladder.by_name("validation", 100)
added = {name: values for name, values in recipes.items() if name == "plain" or name.startswith("+")}
show_ladder(added, xlabel="validation accuracy, %")

# %% [markdown]
# > **Figure 8.19 · One part added after the other.** 1,600 training images, 40 epochs. Each line contains all parts
# > of the lines above it. Dots are seeds; a single dot has no spread.
#
# In such a ladder the effect of a part depends on what was added before. So here is each part alone, on top of flips:

# %% fold="read"
# Each part alone, and the differences with their standard errors
base = recipes["+ flips"]
alone = {"flips, and nothing else": base, "flips and RandAugment": recipes["+ RandAugment"]}
alone |= {name: values for name, values in recipes.items() if name.startswith("flips")}
show_ladder(alone, xlabel="validation accuracy, %")


def difference(name, values, base):
    """The mean difference, and its standard error when there is more than one seed."""
    text = f"{name:<34} {mean(values) - mean(base):+5.1f}"
    if min(len(values), len(base)) > 1:
        text += f" ± {math.sqrt(variance(values) / len(values) + variance(base) / len(base)):.1f}"
    print(text)


print("compared with the line above")
for before, after in pairwise(added):
    difference(after, added[after], added[before])
print("compared with flips alone")
for name in list(alone)[1:]:
    difference(name, alone[name], base)

# %% [markdown]
# > **Figure 8.20 · Each part alone, on top of flips.** The number after ± below the figure is the standard error of a
# > difference. Differences smaller than twice their standard error are not established; those without ± come from a
# > single run.
#
# The difference between training and validation accuracy shows the regularisation at work:

# %% fold="read"
# Training minus validation accuracy for each recipe
known, new = ladder.by_name("train", 100), ladder.by_name("validation", 100)
gaps = {name: mean(known[name]) - mean(new[name]) for name in added}
bars(gaps, xlabel="training minus validation accuracy, points", form="{:.1f}")
assert gaps["plain"] > gaps["+ flips"] > gaps["+ dropout"]
assert mean(added["+ flips"]) > mean(added["+ warm-up, cosine"]) + 5
assert mean(known["+ stochastic depth"]) < mean(known["+ mixup"]) < mean(known["+ flips"])

# %% [markdown]
# > **Figure 8.21 · Training minus validation accuracy.** From the flips on, the difference is much smaller than
# > before. The validation accuracy does not rise with it (Figure 8.19).
#
# A small difference is no aim in itself: a model that learns nothing has none. For *this* model on *these* images:
#
# - **Flips** help clearly: more than five points with two seeds each.
# - **RandAugment and mixup**, each alone on top of flips, change the mean by less than the seeds differ. Mixup after
#   RandAugment lowers it, by 3.2 ± 0.8 points with two seeds.
# - **Dropout, stochastic depth and the two teachers** have one seed each. Single runs say nothing reliable: two seeds
#   of the same recipe differ by up to ten points here.
#
# ### Why published results differ
#
# In the literature the same methods help. *CS163, lecture 12* quotes Steiner et al. (*How to train your ViT?*): on
# ImageNet alone, without strong regularisation and augmentation, ViT-B/16 and ViT-L/16 had reached 77.9 % and 76.53 %
# (Dosovitskiy et al., Table 5). "Adding regularization is (almost) always helpful", and with augmentation there are
# "big improvements over original results". DeiT reaches 81.8 % with ViT-B, and its ablation (Table 8) loses 2 points
# without RandAugment, 6 without mixup and CutMix, and fails to train without stochastic depth or random erasing.
#
# The setting differs in three respects. Their models have twelve blocks of width 768, with a thousand times our
# number of weights, so overfitting is stronger. They train for 300 epochs, ours for 40: regularisation slows
# learning, and a short run ends before it pays. And our images are so simple that flips alone nearly close the
# difference. A recipe is thus good *for* a model, a data set and a number of epochs. (DeiT also uses label smoothing,
# CutMix, random erasing and repeated augmentation, and no dropout. An exponential moving average, EMA, of the weights
# changed its result by 0.1.)
#
# **Try it.** Add a recipe of your own to the live comparison.

# %%
my_name, my_alpha, my_lr = "mine", 0.4, 1e-3  # change me

if ready("Q11") and ready("Q13"):
    for seed in (0,):  # more seeds give a smaller standard error
        experiment(my_name, seed, lambda x, y: mixup(*flips(x, y), my_alpha, 10), lr=my_lr)
live

# %% [markdown]
# ### The test set, once
#
# Choose by the validation accuracy. Then look at the test set, once, for the recipe that was chosen.

# %%
chosen = ladder.best("validation")
for name in ("plain", chosen):
    scores = {k: 100 * mean(ladder.values(name, k)) for k in ("validation", "test")}
    print(f"{name:<34}", ", ".join(f"{k} {v:.1f} %" for k, v in scores.items()))
print(f"{'a CNN on the same images':<34} test {100 * ladder.about['teacher']['test']:.1f} %")
print(f"{'the CNN of section 7, 800 images':<34} test {100 * evaluate(teacher, test).accuracy:.1f} %")
assert mean(ladder.values(chosen, "test")) > mean(ladder.values("plain", "test")) + 0.05

# %% [markdown]
# **Answer.** By an ablation with several seeds. Here the recipe gives the ViT more than five points on the test set,
# most of them by flips, and the CNN remains far ahead without any recipe. No recipe makes 1,600 images equal to the
# 300 million behind the first large ViT. DeiT's recipe, of which this lesson contains a part, made ImageNet's 1.3
# million sufficient.
#
# > ### What could go wrong
# > - **Choosing on the test set.** The best of thirty recipes seems better than it is (Figure 8.3).
# > - **Augmenting before the split.** If an image is in the training set and its mirror image in the validation set,
# >   the validation accuracy is too high.
# > - **A change that changes the label.** Upside down, a shape over another is another class, and a 6 is a 9.
# > - **Mixed images with unmixed labels.** A third of a cross is then labelled as a pure ring.
# > - **Everything at once.** Each regularisation slows learning. If the model no longer overfits, more of it only
# >   harms.
# > - **One seed.** A gain of one point means something after several seeds.
# > - **Forgotten `eval()`.** Dropout and dropped branches stay active, and the teacher's batch norm changes.

# %% [markdown]
# ## Stretch: the distillation token
#
# In Q14b one output has to agree with the label and with the teacher. DeiT separates the two: it adds a **distillation
# token**, a second learned token after the class token. The class token's head learns from the label, the distillation
# token's head from the teacher. For a prediction the two logits are averaged. On ImageNet this raised hard distillation
# from 83.0 % to 83.4 % (DeiT, Table 3).
#
# Write `DistilledEncoder(blocks, emb_size, n_classes)`: a module around given `blocks` and what follows them.
#
# - `forward(tokens)` receives (b, n + 1, emb_size), the class token first. It inserts the learned `dist_token` at
#   position 1, calls `blocks`, and applies the linear layer `head` to token 0 and the linear layer `head_dist` to
#   token 1.
# - In training mode it returns both logits as a tuple: class, then distillation. In evaluation mode it returns their
#   mean.
#
# The three names are timm's, and the check uses them. There is no norm here. This question is optional.


# %% tags=["answer"] question="Q14c" kind="stretch"
# Q14c: DeiT's distillation token
class DistilledEncoder(nn.Module):
    """(b, n + 1, emb_size) -> two logits (b, n_classes) in training mode, their mean in evaluation mode"""

    def __init__(self, blocks, emb_size, n_classes):
        super().__init__()
        # BEGIN BLANK
        self.blocks = blocks
        self.dist_token = nn.Parameter(0.02 * torch.randn(1, 1, emb_size))
        self.head = nn.Linear(emb_size, n_classes)
        self.head_dist = nn.Linear(emb_size, n_classes)
        # END BLANK

    def forward(self, tokens):
        # BEGIN BLANK
        added = self.dist_token.expand(len(tokens), -1, -1)
        tokens = torch.cat([tokens[:, :1], added, tokens[:, 1:]], dim=1)
        tokens = self.blocks(tokens)
        by_class, by_teacher = self.head(tokens[:, 0]), self.head_dist(tokens[:, 1])
        if self.training:
            return by_class, by_teacher
        return (by_class + by_teacher) / 2
        # END BLANK


# %% tags=["check"] question="Q14c" points=3
check("Q14c", DistilledEncoder)

# %% [markdown]
# <details><summary>Hint: sizes of tensors must match</summary>
#
# A parameter of the shape (1, 1, emb_size) has to be repeated for each image before it can be concatenated.
# </details>
# <details><summary>Hint: right in one of the two modes</summary>
#
# `self.training` is True after `model.train()` and False after `model.eval()`.
# </details>

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
# equally good; and because the choice used the test set, no unbiased number is left. Better: split a validation set off
# the training images, try fewer recipes (say six) with five seeds each, compare means with their standard errors on the
# validation set, and use the test set once, for the chosen recipe and the plain one.

# %% [markdown] tags=["rubric"]
# **W8a, 2 points.**
# - ½ point: the difference is within the standard error of 400 images, or of the seeds (a number or a formula).
# - ½ point: selection: the maximum of many noisy results is biased upwards, or the test set was used to choose.
# - 1 point: a validation set for choosing *and* several seeds per recipe (half a point for one of the two).
#
# A half-right answer: "One seed each is too few; 400 images give ± 2 points. Use more seeds." Chance with a number (½),
# no selection (0), several seeds without a validation set (½): 1 point.

# %% [markdown]
# **W8b** (2 points). With mixup, dropout and stochastic depth, your training loss stays above 0.5 and your training
# accuracy is *below* the validation accuracy. A friend says: "That's a bug." Give two reasons why it need not be one,
# and one quick experiment that would tell.

# %% [markdown] tags=["written"] question="W8b" points=2
# The two numbers are not measured on the same task. Training images are mixed (and otherwise changed), so they are
# harder than clean validation images; and with soft labels even the perfect answer has a loss of the label's entropy,
# so 0.5 may be near the smallest possible value. Training also runs in training mode: numbers and whole branches are
# dropped, while validation uses the full network in evaluation mode. The experiment: evaluate the model on the *clean
# training* images in evaluation mode. If all is well, that accuracy is at or above the validation accuracy. (Or:
# train once with all three turned off, on a few images; the loss must go to zero.)

# %% [markdown] tags=["rubric"]
# **W8b, 2 points.**
# - ½ point: the inputs are changed (mixed), or soft labels have a smallest possible loss, the entropy.
# - ½ point: dropout and stochastic depth are on in training and off in evaluation.
# - 1 point: an experiment that separates: clean training images in evaluation mode, or regularisation off and a tiny
#   set memorised (half a point if it is only "train longer" or "look at the curves").
#
# A half-right answer: "Dropout is only on in training. I would look at the curves for longer." Training mode (½), no
# mixed inputs (0), an experiment that does not separate (½): 1 point.

# %% [markdown]
# ## 10 · Summary
#
# | | |
# |---|---|
# | three sets | learn, choose, report; standard error $\sqrt{p(1-p)/n}$; choosing biases upwards |
# | warm-up and cosine | from 0 to `base_lr` in a straight line, then half a cosine wave to `final_lr` |
# | weight decay | AdamW takes a share of each weight, separately from the gradient |
# | augmentation | changes that leave the label true, and nothing else |
# | mixup | one λ for image and label, from Beta(α, α) |
# | label smoothing | a share ε of the label is distributed over all classes |
# | stochastic depth | a sample's whole branch is dropped or divided by 1 - p; nothing in evaluation mode |
# | distillation | soft: KL at temperature T, times T²; hard: the teacher's class as a second label |
# | ablation | one part at a time, several seeds, validation accuracy with its standard error |
#
# **Further reading**
# - Touvron et al., *Training Data-Efficient Image Transformers & Distillation through Attention* (DeiT), ICML 2021.
#   Table 8 is their ablation; Table 3 compares soft and hard distillation; Figure 2 shows the distillation token.
# - Steiner et al., *How to train your ViT? Data, Augmentation, and Regularization in Vision Transformers*, TMLR 2022:
#   regularisation against augmentation for models and data sets of several sizes.
# - Zhang et al., *mixup: Beyond Empirical Risk Minimization*, ICLR 2018. Figure 1 has your Q11 in a few lines.
# - Huang et al., *Deep Networks with Stochastic Depth*, ECCV 2016. Figure 2 shows rates that grow with depth.
# - Hinton, Vinyals and Dean, *Distilling the Knowledge in a Neural Network*, 2015. Section 2 derives the factor T².
# - Loshchilov and Hutter, *Decoupled Weight Decay Regularization* (AdamW), ICLR 2019, Algorithm 2; and *SGDR*, ICLR
#   2017, the origin of the cosine schedule.
# - Cubuk et al., *RandAugment*, 2020. Figure 2 is code of a few lines with the 14 operations.
# - Goyal et al., *Accurate, Large Minibatch SGD*, 2017, section 2.2: the reasons for a warm-up.
#
# Next: **09 · Swin**, in which attention is computed within windows.
