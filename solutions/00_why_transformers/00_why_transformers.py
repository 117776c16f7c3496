# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 00 · Why transformers? {{badge}}
#
# **In one sentence:** you will push a good convolutional network until it fails in four ways, measure each
# failure, see which of them attention cures, and which it doesn't.
#
# | | |
# |---|---|
# | **You need** | PyTorch's `nn.Conv2d`, a training loop, gradients by `backward()` |
# | **Time** | 50 minutes |
# | **You write** | Q00a `receptive_field` (2 short blanks), Q00b `gradient_map` (3 short lines); W0a, W0b in words |
#
# **Afterwards you can**
# - say how far any stack of convolutions sees, and measure how far it *really* looks;
# - tell equivariance from invariance, and show a task on which each is a gift, and one on which it blinds;
# - compare recurrence, convolution and attention by waiting, distance, memory and time, from your own curves;
# - say honestly when to take a CNN.
#
# {{questions}}
#
# {{names: lectures L0 and L3}}
# kernel | `kernels` | `kernel_size` | filter size $k$
# pixel range that a layer sees | receptive field | – | receptive field
# attention energy | attention weights | `attn` | $\mathrm{softmax}(QK^\top/\sqrt{d_k})$
# {{end}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math
import time

import torch
import torch.nn.functional as F
from torch import nn

from helpers import check, ready
from helpers.data import Dataset, load
from helpers.device import device
from helpers.explore import explore
from helpers.pictures import why_transformers as draw
from helpers.plots import bars, compare, curves, figure, show, show_images
from helpers.training import evaluate, fit

torch.set_num_threads(1)  # networks this small are faster alone
where = device()

# %% [markdown]
# Letters, the same in every lesson: `b` batch, `n` tokens, `d` width of a token, `c h w` channels, height and
# width of an image.

# %% [markdown]
# ## 1 · A network that is good at its job
#
# Ten kinds of pictures. Some are told apart by form, some by texture, some by what stands over what.

# %%
train, test = load("shapes"), load("shapes", "test")
first = [test.labels.tolist().index(k) for k in range(10)]
show_images(test.images[first], titles=test.classes, columns=5)

# %% [markdown]
# A small CNN of the usual build: convolve, normalise, bend, shrink, three times.


# %%
def stage(c_in, c_out, kernel, stride=1, padding=0):
    conv = nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False)
    return [conv, nn.BatchNorm2d(c_out), nn.ReLU()]


def small_cnn(n_classes=10, w=12):
    return nn.Sequential(
        *stage(3, w, 4, 2, 1),
        *stage(w, 2 * w, 3, 1, 1), nn.MaxPool2d(2),
        *stage(2 * w, 4 * w, 3, 1, 1), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 4 * w, n_classes),
    )  # fmt: skip


def gently(step, total):
    # the learning rate: a short rise, then down to 0
    return min(1, (step + 1) / 30) * (1 - step / total)


def trained(make, train, test=None, seed=0, lr=5e-3, **rest):
    torch.manual_seed(seed)
    model = make()
    history = fit(model, train, test, lr=lr, schedule=gently, seed=seed, progress=False, **rest)
    return model, history


# %%
cnns = [trained(small_cnn, train, test, seed, epochs=5) for seed in (0, 1)]
for _, history in cnns:
    print(history)
assert min(history.test_accuracy[-1] for _, history in cnns) > 0.93

# %% [markdown]
# Two starts, and both times nearly every test picture is right. A good network. Now push it.

# %% [markdown]
# ## 2 · First limit: it knows what it was shown
#
# Four pushes that wouldn't trouble you: a tilt, a blur, a grey square in the way, another size.


# %%
def moved(images, matrices):
    grid = F.affine_grid(matrices[:, :2], images.shape, align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def tilt(images, degrees):
    angle = torch.as_tensor(degrees, device=images.device).expand(len(images)) * math.pi / 180
    cos, sin, o = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return moved(images, torch.stack([cos, sin, o, -sin, cos, o], 1).view(-1, 2, 3))


def scale(images, factor):
    return moved(images, (torch.eye(3, device=images.device) / factor).expand(len(images), 3, 3))


# %%
def blur(images, sigma):
    at = torch.arange(-6.0, 7.0, device=images.device)
    bell = torch.exp(-(at**2) / (2 * max(sigma, 0.1) ** 2))
    kernel = (bell[:, None] * bell / bell.sum() ** 2).expand(3, 1, 13, 13)
    return F.conv2d(F.pad(images, (6, 6, 6, 6), mode="replicate"), kernel, groups=3)


def cover(images, side):
    covered, place = images.clone(), torch.Generator().manual_seed(0)
    for image in covered:
        y, x = torch.randint(0, 32 - side + 1, (2,), generator=place).tolist()
        image[:, y : y + side, x : x + side] = 0.5
    return covered


# %%
pushes = {
    "tilt, degrees": (tilt, [0.0, 15.0, 30.0, 45.0, 60.0]),
    "blur, pixels": (blur, [0.0, 0.5, 1.0, 1.5, 2.0]),
    "cover, pixels a side": (cover, [0, 4, 8, 12, 16]),
    "scale, times": (scale, [0.5, 0.7, 1.0, 1.4, 2.0]),
}
some = test.images[first[7:8]]
shown = [push(some, strength)[0] for push, strengths in pushes.values() for strength in strengths]
titles = [f"{name.split(',')[0]} {s:g}" for name, (_, strengths) in pushes.items() for s in strengths]
show_images(
    shown,
    titles=titles,
    columns=10,
    alt="One picture, a circle over a square, under four pushes.",
)

# %% [markdown]
# (No tilt beyond 60°: at 90° "over" would become "beside", and the question itself would change.)


# %%
def accuracy(model, images, labels):
    return 100 * evaluate(model, Dataset("pushed", images, labels, (), "")).accuracy


def pushed(model, name):
    push, strengths = pushes[name]
    return [accuracy(model, push(test.images[:300], s), test.labels[:300]) for s in strengths]


def under_all(models):
    # models, strengths
    return {name: torch.tensor([pushed(model, name) for model in models]) for name in pushes}


def draw_pushes(who):
    """`who`: name to what `under_all` measured; the band is from the worst model to the best."""
    fig, axes = figure(4.4, rows=2, columns=2)
    for ax, (name, (_, strengths)) in zip(axes.flat, pushes.items(), strict=True):
        means = {kind: runs[name].mean(0) for kind, runs in who.items()}
        bands = {kind: (runs[name].amin(0), runs[name].amax(0)) for kind, runs in who.items()}
        ax.set_ylim(0, 103)
        ax.axhline(10, color="#8c959f", linewidth=1, linestyle=":")
        curves(
            strengths,
            means,
            xlabel=name,
            ylabel="test accuracy, %",
            bands=bands,
            ax=ax,
            height=2.2,
        )
    show(
        fig,
        alt=f"Accuracy of {', '.join(who)} under growing tilt, blur, cover and scale: all fall.",
    )


# %%
cnn_falls = under_all([model for model, _ in cnns])
draw_pushes({"CNN": cnn_falls})
for name, runs in cnn_falls.items():
    print(f"{name:<21} best {runs.mean(0).max():.0f} %, worst {runs.mean(0).min():.0f} %")
    assert runs.mean(0).min() < runs.mean(0).max() - 20

# %% [markdown]
# The dotted line is guessing. Each push costs dearly, and nobody warned us: on its own test set the network is
# nearly perfect.
#
# Is that a fault of convolution? Train once more, tilting each training picture at random:


# %%
def with_tilts(images, labels):
    return tilt(images, 120 * torch.rand(len(images), device=images.device) - 60), labels


steady, _ = trained(small_cnn, train, epochs=5, augment=with_tilts)
degrees = pushes["tilt, degrees"][1]
before, after = cnn_falls["tilt, degrees"].mean(0), pushed(steady, "tilt, degrees")
both = {"as before": before, "trained with tilts": after}
curves(degrees, both, xlabel="tilt, degrees", ylabel="test accuracy, %")
assert after[4] > before[4] + 15
assert after[0] < before[0]

# %% [markdown]
# Much of it comes back, at a price: in the same five epochs there was more to learn, and upright pictures
# suffer. So the first limit is one of *learning*. What a network isn't shown, it needn't know. Attention will not
# change that; section 9 measures it.
#
# **Try it.** Tilt one picture and watch the first network's own confidence. (Another push? Change one line.)


# %%
def confidence(degrees=0.0):
    picture = tilt(some, degrees)
    with torch.no_grad():
        says = cnns[0][0].eval()(picture.to(where)).softmax(-1)[0].cpu()
    top = says.topk(3)
    fig, (left, right) = figure(1.5, width=3.6, columns=2, width_ratios=[1, 1.6])
    left.imshow(picture[0].permute(1, 2, 0).clamp(0, 1))
    left.set_axis_off()
    bars(
        {test.classes[k]: 100 * p for p, k in zip(*top, strict=True)},
        xlabel="%",
        form="{:.0f}",
        ax=right,
    )
    right.set_xlim(0, 119)
    return fig


explore(confidence, degrees=[0.0, 20.0, 40.0, 60.0])

# %% [markdown]
# ## 3 · Second limit: a short view
#
# A convolution sees as far as its kernel. Far sight needs depth. How much? Look at a single line of pixels, and
# ask by gradient which dots matter to one dot at the top:


# %%
def cone(kernels, strides, length):
    rows = [torch.ones(1, 1, length, requires_grad=True)]  # b c n
    for k, s in zip(kernels, strides, strict=True):
        rows.append(F.conv1d(rows[-1], torch.ones(1, 1, k), stride=s))
    top = rows[-1][0, 0]
    slopes = torch.autograd.grad(top[len(top) // 2], rows)
    return [row[0, 0] for row in slopes]


draw.show_cone(cone([3, 3, 3], [1, 1, 1], 11), [3, 3, 3], [1, 1, 1])

# %% [markdown]
# Seven pixels, read off the bottom row: that is the *receptive field* of three layers of kernel 3. Now the same
# kernels, the first two with a stride of 2:

# %%
draw.show_cone(cone([3, 3, 3], [2, 2, 1], 23), [3, 3, 3], [2, 2, 1])

# %% [markdown]
# Fifteen. Behind a stride, neighbours lie further apart in the image.
#
# ### Q00a: on paper
#
# Write `receptive_field`, from the first layer to the last. `jump` is how many pixels of the image lie between
# two neighbours of the current map. Two blanks, half a line each: how much does a layer add, and what happens
# to `jump` behind it?


# %% tags=["answer"] question="Q00a"
# Q00a: how far a stack of convolutions sees
def receptive_field(kernels, strides):
    """Side of the square of input pixels that one output pixel depends on; first layer first."""
    field, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field = field + (kernel - 1) * jump  # BLANK: (kernel - 1) * jump
        jump = jump * stride  # BLANK
    return field


# %% tags=["check"] question="Q00a" points=3
check("Q00a", receptive_field)

# %% [markdown]
# <details><summary>Hint: three layers of kernel 3 come out as 9 or 10, not 7</summary>
#
# Lay a ruler of 3 dots on one dot that you already see. How many dots are new? Count them in the first cone.
# </details>
# <details><summary>Hint: right without strides, wrong with them</summary>
#
# In the second cone, measure the gap between neighbours, in pixels of the bottom row: on the bottom row itself,
# on the next, on the one above. What happens from row to row? And which gap does a layer step over: that of the
# row it reads, or of the row it writes?
# </details>
# <details><summary>Stronger hint</summary>
#
# The new dots of a layer are neighbours in the row it *reads*. So each counts as many pixels as that row's gap,
# which is what `jump` holds until you change it.
# </details>

# %% [markdown]
# ### Your formula on known networks
#
# AlexNet's and VGG-16's layers up to the last pooling, and the CNN you have just trained:

# %%
known = {
    "our CNN": ([4, 3, 2, 3, 2], [2, 1, 2, 1, 2]),
    "AlexNet": ([11, 3, 5, 3, 3, 3, 3, 3], [4, 2, 1, 2, 1, 1, 1, 2]),
    "VGG-16": ([3, 3, 2] * 2 + [3, 3, 3, 2] * 3, [1, 1, 2] * 2 + [1, 1, 1, 2] * 3),
}
if ready("Q00a"):
    for name, (kernels, strides) in known.items():
        print(f"{name:<8} {len(kernels):>2} layers see {receptive_field(kernels, strides):>3} pixels")

# %% tags=["solution"]
assert [receptive_field(*layers) for layers in known.values()] == [22, 195, 212]

# %% [markdown]
# Eighteen layers until VGG sees most of a 224-pixel image. And does it *use* what it can see?
#
# ### Q00b: by gradient
#
# Ask the network itself. Take the centre of its output, and the slope of that number with respect to every
# pixel: where the slope is 0, nothing is seen.
#
# Write `gradient_map` for any model from (1, c, h, w) to (1, k, h', w'). Three short lines:
# 1. one number: the centre of the *output*, its k channels added up;
# 2. its gradient with respect to the image;
# 3. one number per pixel: absolute values, added up over the colours.


# %% tags=["answer"] question="Q00b"
# Q00b: what a network really looks at
def gradient_map(model, image):
    """(1, c, h, w) -> (h, w): how much the centre of the output depends on each pixel."""
    image = image.clone().requires_grad_()
    out = model(image)  # 1 k h' w'
    h, w = out.shape[-2:]
    centre = out[0, :, h // 2, w // 2].sum()  # BLANK
    (slope,) = torch.autograd.grad(centre, image)  # BLANK: centre, image
    return slope[0].abs().sum(dim=0)  # BLANK


# %% tags=["check"] question="Q00b" points=3
check("Q00b", gradient_map)

# %% [markdown]
# <details><summary>Hint: it complains that grad can be created only for scalar outputs</summary>
#
# A gradient is asked of *one* number. Index 0 is the image in the batch, then come all channels, then one row
# and one column. What turns k channels into one number?
# </details>
# <details><summary>Hint: the map is right on one case and shifted on another</summary>
#
# An output is often smaller than its image. Which of the two shapes are `h` and `w`?
# </details>
# <details><summary>Stronger hint: the right pixels, other values</summary>
#
# The slope is shaped like the image: (1, c, h, w). A red slope of +1 and a blue one of -1 are two reasons to
# call this pixel seen, not none. So what must happen *before* the colours are added up?
# </details>

# %% [markdown]
# ### What deep stacks look at
#
# Untrained stacks of 3 x 3, from 1 to 24 layers deep, your map averaged over ten of each. Beside what theory
# allows, measure the square that holds 90 % of all slope:


# %%
def stack(depth, kernel=3, stride=1, c=16):
    layers = []
    for i in range(depth):
        conv = nn.Conv2d(c if i else 3, c, kernel, stride, kernel // 2, bias=False)
        nn.init.kaiming_normal_(conv.weight)  # so that signals survive 24 layers
        layers += [conv, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def square_holding(found, share=0.9):
    """Side of the smallest square around the middle that holds this share of a map."""
    size = len(found)
    for side in range(2 - size % 2, size + 1, 2):
        edge = (size - side) // 2
        if found[edge : edge + side, edge : edge + side].sum() >= share * found.sum():
            return side


def mean_map(make, size=65, draws=10):
    torch.manual_seed(0)
    maps = [gradient_map(make(), torch.rand(1, 3, size, size)) for _ in range(draws)]
    return torch.stack([found / found.sum() for found in maps]).mean(0)


# %%
depths = [1, 2, 4, 8, 16, 24]
if ready("Q00a") and ready("Q00b"):
    fields = [receptive_field([3] * depth, [1] * depth) for depth in depths]
    maps = [mean_map(lambda depth=depth: stack(depth)) for depth in depths]
    looks = [square_holding(found) for found in maps]
    rows = zip(maps, fields, looks, strict=True)
    draw.show_fields(
        {f"{depth} layer{'s' * (depth > 1)}": row for depth, row in zip(depths, rows, strict=True)}
    )  # fmt: skip

# %% [markdown]
# Solid: what theory allows. Dashed: where 90 % of the slope is. (Brightness is the root of the slope, or you
# would see the middle only.) How do the two grow?

# %%
if ready("Q00a") and ready("Q00b"):
    growth = {"theory": fields, "90 % of the slope": looks}
    fig, ax = figure(2.9)
    curves(depths, growth, xlabel="layers", ylabel="pixels per side", logx=True, logy=True, ax=ax)
    ax.set_xticks(depths, depths)
    ax.set_yticks([3, 5, 10, 20, 50], [3, 5, 10, 20, 50])
    ax.minorticks_off()
    show(fig, alt="Field against layers on log scales: theory is steeper than what is used.")
    steep = [math.log(side[-1] / side[2]) / math.log(24 / 4) for side in (fields, looks)]
    print(
        f"from 4 to 24 layers: in theory like depth^{steep[0]:.2f}, in use like depth^{steep[1]:.2f}"
    )  # fmt: skip

# %% tags=["solution"]
assert all(bool(found.isfinite().all()) for found in maps)
assert [int((found > 0).sum(1).max()) for found in maps] == fields
assert all(side <= field for side, field in zip(looks, fields, strict=True))
assert steep[0] > 0.9 > 0.75 > steep[1]
assert looks[-1] < 0.6 * fields[-1]

# %% [markdown]
# Theory grows with the depth, use about with its root: the way to the edge is one path among very many to the
# middle. This is the *effective* receptive field of Luo et al. (2016).
#
# And with training? Our CNN, before its classifier, averaged over 64 test pictures (with a margin of 4, so that
# its output has a middle). Beside it one layer of PyTorch's attention, in which every patch of 4 x 4 pixels is a
# token:


# %%
class OneAttention(nn.Module):
    """Images (1, 3, h, w) -> (1, d, h/4, w/4): patches, then one layer of attention."""

    def __init__(self, d=32):
        super().__init__()
        self.embed = nn.Conv2d(3, d, 4, 4)
        self.attention = nn.MultiheadAttention(d, 4, batch_first=True)

    def forward(self, images):
        grid = self.embed(images)  # b d rows columns
        tokens = grid.flatten(2).mT  # b n d
        return self.attention(tokens, tokens, tokens)[0].mT.unflatten(2, grid.shape[2:])


# %%
if ready("Q00a") and ready("Q00b"):
    body = cnns[0][0].eval()[:-2]  # without Flatten and Linear
    pictures = F.pad(test.images[:64].to(where), (4, 4, 4, 4), mode="replicate")  # 40 x 40
    used = torch.stack([gradient_map(body, picture[None]) for picture in pictures]).mean(0)
    everywhere = mean_map(OneAttention, size=36)
    draw.show_fields(
        {
            "CNN, 5 layers": (used, receptive_field(*known["our CNN"]), square_holding(used)),
            "attention, 1 layer": (everywhere, None, square_holding(everywhere)),
        }
    )
    seen = [(found > 0).float().mean().item() for found in (used, everywhere)]
    print(f"the centre hears of: CNN {seen[0]:.0%} of the image, attention {seen[1]:.0%}")
    print(f"of the CNN's 22 pixels a side, {square_holding(used)} hold 90 % of the slope")

# %% tags=["solution"]
assert seen[1] == 1
assert int((used > 0).sum(1).max()) == receptive_field(*known["our CNN"]) == 22
assert square_holding(used) < 22

# %% [markdown]
# Five layers, with strides, use nearly all of the little they see: it is deep stacks of small kernels that waste
# it. And attention has the whole image after one layer. (*Can* see is not *will* look: what attention looks at is
# learned, and shown in section 6.)
#
# **Try it.** What buys sight faster, depth or strides? And larger kernels?


# %%
def sight(depth=4, stride=1, kernel=3):
    torch.manual_seed(0)
    found = gradient_map(stack(depth, kernel, stride), torch.rand(1, 3, 65, 65))
    field = receptive_field([kernel] * depth, [stride] * depth)
    fig, ax = figure(2.1, width=2.1)
    ax.imshow((found / found.max()).sqrt())
    ax.set(xticks=[], yticks=[], title=f"theory {field}, 90 % in {square_holding(found)}")
    return fig


if ready("Q00a") and ready("Q00b"):
    explore(sight, depth=[2, 4, 8], stride=[1, 2])

# %% [markdown]
# ## 4 · Third limit: parts without places
#
# These faces have all their parts. Half of them have the parts in the wrong places.

# %%
faces, faces_test = load("faces"), load("faces", "test")
show_images(faces.images[:8], titles=[faces.classes[k] for k in faces.labels[:8]], columns=8)

# %% [markdown]
# A network that looks for parts with a short view, then takes the *mean* over all places, is a bag of parts. Its
# logic on scissors and glue: cut a face into 16 tiles, shuffle them. Which network notices?


# %%
def shuffle_tiles(images, seed=0):
    generator = torch.Generator().manual_seed(seed)
    pieces = F.unfold(images, 8, stride=8)  # b (c 8 8) 16
    mixed = torch.stack([p[:, torch.randperm(16, generator=generator)] for p in pieces])
    return F.fold(mixed, images.shape[-2:], 8, stride=8)


def with_shuffled(images):
    labels = torch.arange(2).repeat_interleave(len(images))
    return Dataset(
        "tiles", torch.cat([images, shuffle_tiles(images)]), labels, ("whole", "shuffled"), ""
    )  # fmt: skip


def bag_of_tiles():
    # each sees one tile only
    tiles = [nn.Conv2d(3, 32, 8, 8), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU()]
    return nn.Sequential(*tiles, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))


puzzle = with_shuffled(faces.images[faces.labels == 0])
puzzle_test = with_shuffled(faces_test.images[faces_test.labels == 0])
n = len(puzzle_test) // 2
show_images(torch.cat([puzzle_test.images[:4], puzzle_test.images[n : n + 4]]), columns=8,
            alt="Four faces, and the same four with their tiles shuffled.")  # fmt: skip

# %%
bag, _ = trained(bag_of_tiles, puzzle, epochs=4)
bag = bag.cpu().double()  # so exact that the order of a sum can't tip a scale
with torch.no_grad():
    logits = bag(puzzle_test.images.double())
right = (logits.argmax(1) == puzzle_test.labels).double().mean().item()
print(
    f"face against its own shuffled tiles: logits differ by {(logits[:n] - logits[n:]).abs().max():.0e}"
)  # fmt: skip
print(f"accuracy after training: {right:.2%}")
assert right == 0.5

# %% [markdown]
# *Exactly* one half, trained or not: each pair gets the same logits, so one of the two is right. The mean has
# forgotten the places.
#
# ### How much view does it take?
#
# Back to the scrambled faces, whose parts stand on smooth skin. The same recipe, convolutions and a mean; only
# the view grows, four pixels per extra layer:


# %%
def bag_of_views(extra, w=16):
    layers = stage(3, w, 5, 2)
    for _ in range(extra):
        layers += stage(w, w, 3)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(w, 2))


extras, seeds, found = [0, 1, 2, 3], (0, 1), {}
for extra in extras:
    runs = [trained(lambda e=extra: bag_of_views(e), faces, seed=s, epochs=6)[0] for s in seeds]
    found[extra] = torch.tensor([accuracy(m, faces_test.images, faces_test.labels) for m in runs])

# %%
views = [5 + 4 * extra for extra in extras]  # pixels: your receptive_field([5, 3, …], [2, 1, …])
scored = torch.stack([found[extra] for extra in extras])  # extras, seeds
mean, low, high = scored.mean(1), scored.amin(1), scored.amax(1)
fig, ax = figure(2.6)
curves(views, {"bag of views": mean}, xlabel="receptive field, pixels", ylabel="test accuracy, %",
       bands={"bag of views": (low, high)}, ax=ax)  # fmt: skip
ax.axhline(50, color="#8c959f", linewidth=1, linestyle=":")
ax.set(ylim=(40, 103), xticks=views)
show(fig, alt="Accuracy on faces against receptive field: chance at 5 pixels, nearly perfect at 17.")
assert mean[0] < 60
assert min(found[3]) > 95

# %% tags=["solution"]
assert [receptive_field([5] + [3] * e, [2] + [1] * e) for e in extras] == views

# %% [markdown]
# With a short view it does hardly better than guessing. To know a part's place, the view must hold the part *and*
# something of what lies around it; from then on composition is no riddle. A CNN with a wide view solves this, and
# your Q00a tells whether it has one.
#
# And a transformer? Here is a tiny one, from PyTorch's parts: 16 patches as tokens, a learned place for each,
# two blocks of attention. (You will write all of it yourself, lessons 01 to 07.)


# %%
class SmallViT(nn.Module):
    """Images (b, c, h, w) -> scores (b, n_classes)."""

    def __init__(self, n_classes=10, patch=8, d=48, c=3, n=16):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(c * patch * patch, d)
        self.places = nn.Parameter(torch.randn(n, d) / 2)
        block = nn.TransformerEncoderLayer(
            d, 4, 2 * d, 0.0, "gelu", batch_first=True, norm_first=True
        )  # fmt: skip
        self.blocks = nn.TransformerEncoder(block, 2, nn.LayerNorm(d), enable_nested_tensor=False)
        self.scores = nn.Linear(d, n_classes)

    def tokens(self, images):
        pieces = F.unfold(4 * (images - 0.5), self.patch, stride=self.patch).mT  # b n (c p p)
        return self.embed(pieces) + self.places

    def forward(self, images):
        return self.scores(self.blocks(self.tokens(images)).mean(1))


# %%
vits = [trained(lambda: SmallViT(2), faces, faces_test, seed, lr=2e-3, epochs=5) for seed in seeds]
scores = {"bag of 5 pixels": found[0], "CNN, 17 pixels": found[3],
          "small ViT": torch.tensor([100 * h.test_accuracy[-1] for _, h in vits])}  # fmt: skip
spread = {name: (s.max() - s.min()) / 2 for name, s in scores.items()}
bars(
    {name: s.mean() for name, s in scores.items()},
    spread,
    xlabel="test accuracy on faces, %",
    form="{:.1f}",
)
assert min(scores["small ViT"]) > 90

# %% [markdown]
# Both solve it. The CNN got there by depth; the ViT has every patch in view from its first layer, and a vector
# that says where each patch stands.

# %% [markdown]
# ## 5 · The same weights everywhere: a gift and a blindfold
#
# A convolution treats all places alike. Shift the picture, and its map shifts along: it is *equivariant*,
# `f(shift(x)) = shift(f(x))`. (*Invariant* would be `f(shift(x)) = f(x)`.) Around the edges too, if the picture
# wraps:

# %%
torch.manual_seed(0)
conv = nn.Conv2d(3, 1, 5, padding=2, padding_mode="circular", bias=False)
picture = test.images[first[5]][None]
shift = lambda x, by: x.roll(by, dims=-1)  # noqa: E731
with torch.no_grad():
    here, there = conv(picture), conv(shift(picture, 10))
    print(f"f(shift(x)) - shift(f(x)): at most {(there - shift(here, 10)).abs().max():.0e}")
    print(f"f(shift(x)) - f(x):        at most {(there - here).abs().max():.2f}")
assert torch.allclose(there, shift(here, 10), atol=1e-5)
compare([("x", picture[0]), ("f(x)", here[0, 0]),
         ("shift(x)", shift(picture, 10)[0]), ("f(shift(x))", there[0, 0])])  # fmt: skip

# %% [markdown]
# With a stride it holds only for shifts that the stride divides:

# %%
coarse = nn.Conv2d(3, 1, 5, stride=2, padding=2, padding_mode="circular", bias=False)
with torch.no_grad():
    for by in (1, 2):
        off = [(coarse(shift(picture, by)) - shift(coarse(picture), k)).abs().max() for k in (0, 1)]
        print(f"shift by {by}: off by {min(off):.0e} at best")
        assert (min(off) < 1e-5) == (by == 2)

# %% [markdown]
# ### The gift
#
# Real digits on a wide black stripe. In training they always stand at the left. In the test they wander.


# %%
digits, digits_test = load("digits"), load("digits", "test")


def on_a_stripe(images, at):
    wide = torch.zeros(len(images), 1, 8, 24)
    for i, place in enumerate(at):
        wide[i, ..., place : place + 8] = images[i]
    return wide


def everywhere_alike(n_classes=10, padding="circular"):
    layers = []
    for c_in, c_out in ((1, 16), (16, 32), (32, 32)):
        conv = nn.Conv2d(c_in, c_out, 3, padding=1, padding_mode=padding)
        layers += [conv, nn.BatchNorm2d(c_out), nn.ReLU(), *([nn.MaxPool2d(2)] if c_in == 1 else [])]
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(32, n_classes))


def stripe_vit(n_classes=10):
    return SmallViT(n_classes, patch=4, d=32, c=1, n=12)


left = Dataset(
    "left", on_a_stripe(digits.images, [0] * len(digits)), digits.labels, digits.classes, ""
)  # fmt: skip
places = [0, 2, 4, 6, 8, 10, 12, 14, 16]
wandering = [on_a_stripe(digits_test.images, [at] * len(digits_test)) for at in places]
show_images([stripe[3] for stripe in wandering], titles=[f"at {at}" for at in places], columns=5,
            alt="One digit on a stripe, further to the right each time.")  # fmt: skip

# %%
wanders = {}
for name, make in (("CNN with a global maximum", everywhere_alike), ("ViT", stripe_vit)):
    model, _ = trained(make, left, epochs=6)
    wanders[name] = [accuracy(model, stripe, digits_test.labels) for stripe in wandering]
curves(places, wanders, xlabel="where the test digit stands", ylabel="test accuracy, %")
flat, steps = wanders.values()
assert max(flat) - min(flat) < 1
assert min(flat) > 85
assert min(steps) < 40
assert min(steps[0::2]) > max(steps[1::2])  # places 0, 4, 8, 12, 16 against the others

# %% [markdown]
# The CNN's line is flat: what it learned at the left it knows everywhere, for free. The ViT has to be shown
# every place. (Its teeth: at every fourth pixel its 4 x 4 patches cut the digit just as in training.)
#
# ### The blindfold
#
# The same stripes, another question: in which *third* does the digit stand? A child's question. Each test digit
# comes once in every third:

# %%
third = torch.randint(3, (len(digits),), generator=torch.Generator().manual_seed(0))
asks = Dataset(
    "thirds", on_a_stripe(digits.images, (8 * third).tolist()), third, ("left", "mid", "right"), ""
)  # fmt: skip
in_each = torch.cat([on_a_stripe(digits_test.images, [8 * k] * len(digits_test)) for k in range(3)])
truth = torch.arange(3).repeat_interleave(len(digits_test))
knows = {}
for name, make in (("CNN, wraps around", lambda: everywhere_alike(3)), ("ViT", lambda: stripe_vit(3)),
                   ("CNN, pads with zeros", lambda: everywhere_alike(3, "zeros"))):  # fmt: skip
    model, _ = trained(make, asks, epochs=4)
    knows[name] = accuracy(model, in_each, truth)
bars(knows, xlabel="which third? test accuracy, %", form="{:.1f}")
assert abs(knows["CNN, wraps around"] - 100 / 3) < 0.5
assert knows["ViT"] > 97

# %% [markdown]
# One third, exactly: the same logits in all three places, so one of three is right. What makes it generalise is
# what makes it blind.
#
# And the last bar? A loophole: zeros around the edge are something to see. Nearly every CNN in use pads with
# zeros, and knows more about places than its inventors meant it to.

# %%
assert knows["CNN, pads with zeros"] > 60

# %% [markdown]
# ## 6 · Fourth limit: kernels that never look
#
# A trained kernel is a constant. Whatever comes in, the same weights mix the same neighbours. Attention computes
# its weights *from the image*. Show both, on the 4 x 4 grid of the faces' patches: who listens to whom, and how
# much?
#
# For a convolution, ask the gradient: how strongly does output i depend on input j?


# %%
def mixing(layer, tokens):
    """Tokens (16, d) -> (16, 16): how strongly each output depends on each input."""
    d = tokens.shape[1]
    on_grid = lambda t: layer(t.mT.reshape(1, d, 4, 4)).flatten(2)[0].mT  # noqa: E731
    slopes = torch.autograd.functional.jacobian(on_grid, tokens)  # n d n d
    return slopes.pow(2).sum((1, 3)).sqrt()  # n n


vit = vits[0][0].cpu().eval()
grid_conv = nn.Conv2d(48, 48, 3, padding=1)
whole, scrambled = (faces_test.images[faces_test.labels == k][0] for k in (0, 1))
with torch.no_grad():
    a, b = (vit.tokens(image[None])[0] for image in (whole, scrambled))
conv_a, conv_b = mixing(grid_conv, a), mixing(grid_conv, b)
print("convolution, the same for both images:", torch.equal(conv_a, conv_b))


# %%
@torch.no_grad()
def listens(vit, images):
    """Weights of the first attention layer, mean over heads: (b, 16, 16)."""
    layer = vit.blocks.layers[0]
    tokens = layer.norm1(vit.tokens(images))
    return layer.self_attn(tokens, tokens, tokens, need_weights=True)[1]


attention_a, attention_b = listens(vit, torch.stack([whole, scrambled]))
# of all that an output hears, as in attention
shares = [m / m.sum(1, keepdim=True) for m in (conv_a, conv_b)]
compare([("conv, face A", shares[0]), ("conv, face B", shares[1]), ("attention, A", attention_a),
         ("attention, B", attention_b)])  # fmt: skip
print(f"attention, largest difference of a weight: {(attention_a - attention_b).abs().max():.2f}")
assert torch.equal(conv_a, conv_b)
assert (attention_a - attention_b).abs().max() > 0.05

# %% [markdown]
# Left, a band: neighbours only, the same for both faces. Right, anybody may listen to anybody, and whom depends
# on the face.
#
# The same as pictures: bright is what the framed patch listens to.

# %%
six = faces_test.images[[int(i) for k in (0, 1) for i in (faces_test.labels == k).nonzero()[:3]]]
weights = listens(vit, six)
query = int(weights.std(0).sum(-1).argmax())  # the patch whose weights vary most between these faces
draw.show_looks(six, weights[:, query], query, titles=["whole"] * 3 + ["scrambled"] * 3)
kernel_map = torch.stack([mixing(grid_conv, vit.tokens(x[None])[0].detach())[query] for x in six])
draw.show_looks(six, kernel_map, query, titles=["a convolution"] * 6)

# %%
attention_varies = listens(vit, faces_test.images).std(0).mean().item()
kernel_varies = kernel_map.std(0).mean().item()
print(
    f"a weight varies from face to face by: attention {attention_varies:.3f}, convolution {kernel_varies:.3f}"
)  # fmt: skip
print(f"(a mean attention weight is 1/16 = {1 / 16:.3f})")
assert kernel_varies == 0 < attention_varies

# %% [markdown]
# To be fair: a whole CNN isn't that rigid. Its ReLUs switch on and off with the image, so its total slope
# changes:

# %%
bent_a, bent_b = (mixing(nn.Sequential(grid_conv, nn.ReLU()), tokens) for tokens in (a, b))
print(
    f"convolution and ReLU: slopes change by up to {((bent_a - bent_b).abs() / conv_a.max()).max():.0%}"
)  # fmt: skip
print("anybody else heard:", bool(((bent_a + bent_b > 0) & (conv_a == 0)).any()))

# %% [markdown]
# But never *who* is heard: the band stays the band.

# %% [markdown]
# ## 7 · Three ways to read a sequence
#
# Transformers come from language, where the question was: how should word 1 reach word 1000? Three answers, one
# layer each, tokens (b, n, d) in and out.


# %%
class Recurrence(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.cell = nn.RNNCell(d, d)

    def forward(self, x):
        state, states = torch.zeros_like(x[:, 0]), []
        for token in x.unbind(1):
            state = self.cell(token, state)
            states.append(state)
        return torch.stack(states, 1)


class Convolution(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.conv = nn.Conv1d(d, d, 3, padding=1)

    def forward(self, x):
        return self.conv(x.mT).mT


class Attention(nn.Module):
    def __init__(self, d, keep_weights=True):
        super().__init__()
        self.attention, self.keep_weights = (
            nn.MultiheadAttention(d, 4, batch_first=True),
            keep_weights,
        )

    def forward(self, x):
        return self.attention(x, x, x, need_weights=self.keep_weights)[0]


ways = {"recurrence": Recurrence, "convolution": Convolution, "attention": Attention}

# %% [markdown]
# Who hears whom within one layer? By gradient, for eight tokens:


# %%
def heard(layer, n, d=16):
    x = torch.randn(1, n, d, requires_grad=True)
    out = layer(x)  # 1 n d
    rows = [
        torch.autograd.grad(out[0, i].sum(), x, retain_graph=True)[0][0].norm(dim=-1)
        for i in range(n)
    ]  # fmt: skip
    return torch.stack(rows)  # outputs, inputs


torch.manual_seed(0)
who = {name: heard(make(16), 8) for name, make in ways.items()}
draw.show_ways({name: (matrix, name == "recurrence") for name, matrix in who.items()})
for name, matrix in who.items():
    print(f"{name:<11} the last output hears {int((matrix[-1] > 0).sum())} of 8 tokens")

# %% [markdown]
# In orange: what the last output hears. Recurrence hears everybody, by passing a message along, and each step waits
# for the one before. Convolution waits for nobody, and hears its neighbours. Attention has both.
#
# ### Waiting, reaching, keeping, time
#
# Four measurements. *Waiting*: the longest chain of operations in the gradient's own graph, each of which needs
# the one before.


# %%
def waits(out):
    longest, todo = {}, [out.grad_fn]
    while todo:
        before = [node for node, _ in todo[-1].next_functions if node is not None]
        unknown = [node for node in before if node not in longest]
        if unknown:
            todo += unknown
        else:
            longest[todo[-1]] = 1 + max((longest[node] for node in before), default=0)
            todo.pop()
    return longest[out.grad_fn]


# %% [markdown]
# *Reaching*: how many layers until the last output hears of the first token, that is, until the gradient isn't
# zero.


# %%
def layers_to_reach(make, n, d=4):
    torch.manual_seed(0)
    x = torch.randn(1, n, d, dtype=torch.float64, requires_grad=True)
    out, layers = x, 0
    while layers < 2 * n:
        out, layers = make(d).double()(out), layers + 1
        (slope,) = torch.autograd.grad(out[0, -1].sum(), x, retain_graph=True)
        if slope[0, 0].any():
            return layers
    return math.nan


# %% [markdown]
# *Keeping*: bytes that the forward pass stores for the backward pass. *Time*: both passes, best of three.


# %%
def bytes_kept(layer, x):
    weights = {p.untyped_storage().data_ptr() for p in layer.parameters()}
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = layer(x)
    del out
    return sum(size for place, size in kept.items() if place not in weights)


def milliseconds(layer, x, runs=3):
    seconds = []
    for _ in range(runs + 1):  # the first one warms up
        start = time.perf_counter()
        layer(x).sum().backward()
        x.grad.sum().item()  # wait for the device
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds[1:])


# %%
short, long = [4, 8, 16, 32, 64], [16, 32, 64, 128, 256, 512, 1024]
chain = {name: [waits(make(16)(torch.randn(1, n, 16))) for n in short] for name, make in ways.items()}
reach = {name: [layers_to_reach(make, n) for n in short] for name, make in ways.items()}
kept, timed = {}, {}
for name, make in (ways | {"attention, fused": lambda d: Attention(d, keep_weights=False)}).items():
    layer = make(64).to(where)
    inputs = [torch.randn(1, n, 64, device=where, requires_grad=True) for n in long]
    kept[name] = [bytes_kept(layer, x) / 2**20 for x in inputs]
    timed[name] = [milliseconds(layer, x) for x in inputs]

# %%
fig, axes = figure(5.6, rows=2, columns=2)
panels = [
    (short, chain, "operations in a row, one layer"),
    (short, reach, "layers until the ends meet"),
    (long, kept, "MiB kept for the way back"),
    (long, timed, "milliseconds, there and back"),
]
for ax, (lengths, series, title) in zip(axes.flat, panels, strict=True):
    curves(lengths, series, title=title, xlabel="tokens", logx=True, logy=True, ax=ax, height=2.6)
    ticks = lengths if len(lengths) < 6 else lengths[::2]
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
show(fig, alt="Four charts on log scales. Waiting grows for recurrence only, layers for convolution "
     "only, memory steepest for attention.")  # fmt: skip
assert chain["recurrence"][-1] > 60
assert chain["attention"][0] == chain["attention"][-1]
assert chain["convolution"][0] == chain["convolution"][-1]
assert reach == {"recurrence": [1] * 5, "convolution": [n - 1 for n in short], "attention": [1] * 5}

# %% [markdown]
# Upper row: only attention is flat in both. Lower row: the bill.

# %%
doubled = {name: values[-1] / values[-2] for name, values in kept.items()}
for name, factor in doubled.items():
    print(f"from 512 to 1024 tokens, {name:<17} keeps {factor:.1f} times as much")
assert doubled["attention"] > 3
assert doubled["recurrence"] < 2.1
assert doubled["convolution"] < 2.1

# %% [markdown]
# Attention that stores its weights keeps nearly four times as much for twice the tokens: n². A fused kernel
# avoids storing them (still, it computes all n²). And recurrence shows its waiting as time, even on one core.
#
# ### Why the route matters
#
# A message that is passed on fades. How much of token k is left in the last output, when all layers that it
# takes to reach it are in place?

# %%
n = 48
torch.manual_seed(0)
deep = nn.Sequential(*[nn.Sequential(Convolution(16), nn.Tanh()) for _ in range(n - 1)])
chains = {"recurrence": Recurrence(16), f"{n - 1} convolutions": deep, "attention": Attention(16)}
fades = {}
for name, layer in chains.items():
    x = torch.randn(1, n, 16, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(layer.double()(x)[0, -1].sum(), x)
    strength = slope[0].norm(dim=-1)
    fades[name] = strength / strength.max()
fig, ax = figure(2.6)
curves(range(n), fades, xlabel="token", ylabel="heard by the last output", logy=True, ax=ax)
ax.set_ylim(1e-20, 10)
show(
    fig,
    alt="Slope of the last output by token: attention is level, recurrence and convolutions fade.",
)
assert fades["attention"].min() > 0.01
assert fades["recurrence"][0] < 1e-6

# %% [markdown]
# Attention hears the first token as well as the last. That one property, bought with n², is what the title
# "Attention Is All You Need" is about.

# %% [markdown]
# ## 8 · Five years
#
# From text to images, 2017 to 2021. Each paper's month is in its arXiv number.

# %%
papers = {
    "Transformer": ("1706.03762", "attention alone,\nfor text"),
    "Non-local nets": ("1711.07971", "attention\nin a CNN"),
    "BERT": ("1810.04805", "pretrain,\nthen adapt"),
    "Cordonnier et al.": ("1911.03584", "attention can\nbe convolution"),
    "DETR": ("2005.12872", "finds objects\nas a set"),
    "ViT": ("2010.11929", "images as\n16x16 words"),
    "DeiT": ("2012.12877", "with ImageNet\nonly"),
    "Swin": ("2103.14030", "windows,\nhierarchy"),
    "MLP-Mixer": ("2105.01601", "not even\nattention"),
    "MAE": ("2111.06377", "learns by\nfilling gaps"),
}
draw.show_timeline({name: (2000 + int(number[:2]) + (int(number[2:4]) - 1) / 12, what)
               for name, (number, what) in papers.items()})  # fmt: skip
months = {name: 12 * int(number[:2]) + int(number[2:4]) for name, (number, _) in papers.items()}
print(f"from Transformer to ViT: {months['ViT'] - months['Transformer']} months; "
      f"from ViT to Swin: {months['Swin'] - months['ViT']}")  # fmt: skip

# %% [markdown]
# More than three years until somebody cut an image into patches and changed nothing else; then everything
# within months. You will build most of this line: ViT in lessons 01 to 07, DeiT's recipe in 08, Swin in 09,
# non-local nets in 10, DETR and the Mixer in 11.

# %% [markdown]
# ## 9 · The honest race
#
# Back to the ten kinds of pictures. The same 2000 images, five epochs of our CNN against seven of our ViT, which
# take about the same time on a quiet machine; two starts each.

# %%
racers = [trained(SmallViT, train, test, seed, lr=2e-3, epochs=7) for seed in seeds]
runs = {}
for kind, pairs in (("CNN", cnns), ("ViT", racers)):
    for seed, (_, history) in zip(seeds, pairs, strict=True):
        runs[f"{kind}, start {seed}"] = (history.seconds, [100 * a for a in history.test_accuracy])
draw.show_race(runs)
for name, (seconds, percent) in runs.items():
    print(f"{name}: {percent[-1]:.0f} % after {seconds[-1]:.1f} s")
best_vit = max(percent[-1] for name, (_, percent) in runs.items() if name[0] == "V")
assert min(percent[-1] for name, (_, percent) in runs.items() if name[0] == "C") > best_vit + 10

# %% [markdown]
# The CNN wins, clearly. What section 5 called a blindfold is *knowledge* here: that neighbours belong together
# and that a form is the same form everywhere. The ViT must learn this from 2000 pictures, and can't.
#
# And the first limit, the pushes?

# %%
vit_falls = under_all([model for model, _ in racers])
draw_pushes({"CNN": cnn_falls, "ViT": vit_falls})
for kind, falls in (("CNN", cnn_falls), ("ViT", vit_falls)):
    means = {name.split(",")[0]: runs.mean(0) for name, runs in falls.items()}
    left_over = {name: (mean.min() / mean.max()).item() for name, mean in means.items()}
    print(
        f"{kind} keeps at worst:",
        ", ".join(f"{name} {share:.0%}" for name, share in left_over.items()),
    )
    assert max(left_over[name] for name in ("tilt", "cover", "scale")) < 0.7

# %% [markdown]
# No miracle: tilt, cover and scale fell the ViT too, and it starts lower. (Blur costs it little: it has learned
# less about fine detail.) What changed in 2020 wasn't robustness, it was scale: with many millions of images, what a
# CNN is *given* matters less than what a ViT is *free* to learn (Dosovitskiy et al., Figure 3). Lesson 10 measures
# that crossing at our size.
#
# Here is the score, from your own curves:
#
# | limit of a CNN | does attention cure it? |
# |---|---|
# | knows what it was shown | no: data do (section 2; above) |
# | short view | yes, in one layer; a CNN needs strides or depth, and a deep one uses less than it sees (section 3) |
# | parts without places | both can: a CNN by a wide view, a ViT by codes of place (section 4) |
# | fixed kernels | yes: weights from the image, for n² of them (sections 6, 7) |
#
# > ### What could go wrong
# > - **"It sees 200 pixels"**, by formula. Measure what it uses: the middle (section 3).
# > - **The stride of a layer counted for itself.** It moves the pixels of the *next* layer apart.
# > - **"CNNs are translation invariant."** A convolution is equivariant; a global mean or maximum makes it
# >   invariant; strides break it, zero padding too.
# > - **A task that needs places behind a global mean.** Exactly chance, and no error message.
# > - **A race by epochs.** A ViT's epoch isn't a CNN's: compare seconds, and more than one start.

# %% [markdown]
# ## 10 · In words
#
# **W0a** (2 points). A colleague counts parts in photographs of shelves, 512 x 512 pixels. "My CNN's receptive
# field is 520, so each output sees the whole shelf, and a transformer has nothing to add." What does the formula
# promise, and what not? Which measurement would you ask for, and what do you expect it to show? Name one way to
# widen the view without attention, and its price.

# %% [markdown] tags=["written"] question="W0a" points=2
# The formula gives the largest square that *can* have any influence; it says nothing about how much. In a stack of
# small kernels a central pixel reaches the output on very many paths and a corner pixel on one, so the influence
# is bell-shaped, and its width grows about with the root of the depth while the formula grows with the depth. I
# would take the gradient of one output with respect to the image on real photographs, average its absolute values,
# and compare the square that holds 90 % of it with 520: I expect a fraction, perhaps a third to a half. Ways to
# widen: larger strides or pooling (lost detail), dilation (holes in the view), larger kernels (parameters grow with
# the square), more layers (time, and only the root is gained), global pooling (forgets the places).

# %% [markdown] tags=["rubric"]
# **W0a, 2 points.**
# - ½ point: the formula is an upper bound on *which* pixels can matter, not on how much.
# - ½ point: the gradient of an output with respect to the image (or covering parts and watching the output).
# - ½ point: expects most influence in a much smaller middle, with a reason (many paths, bell shape, root of depth).
# - ½ point: one way to widen it **and** its price.

# %% [markdown]
# **W0b** (2 points). Two tasks: (1) is there a crack anywhere in this steel plate, 3000 labelled images, one CPU;
# (2) is the picture on the wall hanging left of the window or right of it, from 10 million labelled photographs.
# For each, choose a CNN with a global maximum, or a ViT, and argue from what you measured: the right word for what
# each does under a shift, and at least one of your own numbers. What would make you change your mind in (1)?

# %% [markdown] tags=["written"] question="W0b" points=2
# (1) A CNN with a global maximum. A crack is a crack wherever it is: convolutions are equivariant, the maximum
# makes the answer invariant, so what was learned at one place holds everywhere (the flat line on the stripes,
# where the ViT fell to a fraction). And data are few: on 2000 images the CNN had over 90 % when the ViT had
# little more than half, in the same seconds. (2) A ViT: the answer *is* a relation of places, over a long
# distance, and a global maximum throws places away (exactly 33.3 % on thirds); attention relates any two patches
# in one layer, and 10 million photographs are enough to learn what a CNN is given. I would change my mind in (1)
# with a ViT pretrained on much data, or if cracks only count in certain places of the plate, or if their length
# over the whole plate decides.

# %% [markdown] tags=["rubric"]
# **W0b, 2 points.**
# - ½ point: (1) CNN, with equivariance (convolution) told from invariance (after the maximum).
# - ½ point: (1) few data or few seconds, with a number of one's own.
# - ½ point: (2) ViT (or a CNN *without* a global pool), because places are the answer, with a number of one's own.
# - ½ point: a sound reason to change one's mind in (1).

# %% [markdown]
# ## 11 · What you take along
#
# | | |
# |---|---|
# | receptive field | 1, then per layer: kernel less one, times the gap that earlier strides have opened |
# | effective field | most of the slope sits in the middle; grows about like √depth |
# | bag of parts | short view and a mean: blind for places, exactly |
# | equivariant | `f(shift(x)) = shift(f(x))`; a gift when places don't matter, a blindfold when they do |
# | kernels | constants; attention weights are made from the image |
# | recurrence | waits n times |
# | convolution | waits once, needs many layers to reach |
# | attention | waits once, reaches at once, costs n² |
# | small data, few seconds | take the CNN |
#
# **Further reading**
# - Luo, Li, Urtasun and Zemel, *Understanding the Effective Receptive Field in Deep Convolutional Neural
#   Networks*, NeurIPS 2016. Figure 1 is your row of maps.
# - Brendel and Bethge, *Approximating CNNs with Bag-of-local-Features Models Works Surprisingly Well on ImageNet*,
#   ICLR 2019. Figure 1: accuracy against the size of the view, on ImageNet.
# - Geirhos et al., *ImageNet-trained CNNs Are Biased Towards Texture*, ICLR 2019. Figure 1: a cat with an
#   elephant's skin.
# - Hendrycks and Dietterich, *Benchmarking Neural Network Robustness to Common Corruptions and Perturbations*,
#   ICLR 2019. Figure 1: fifteen more ways to push.
# - Islam, Jia and Bruce, *How Much Position Information Do Convolutional Neural Networks Encode?*, ICLR 2020: the
#   loophole of section 5.
# - Vaswani et al., *Attention Is All You Need*, NeurIPS 2017. Table 1 is section 7 in three columns.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 3: where the ViT overtakes the CNN.
#
# Next: **01 · Patches**, the scissors with which it all begins.
