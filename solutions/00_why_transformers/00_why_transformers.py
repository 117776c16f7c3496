# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 00 · Why transformers? {{badge}}
#
# **Question of this lesson.** Convolutional networks see well. What can they not do, and does attention help?
#
# **Why it matters.** A Vision Transformer gives up what makes a CNN good with little data. You should know what it gets
# in exchange, and when the exchange is a bad one.
#
# | | |
# |---|---|
# | **You need** | PyTorch's `nn.Conv2d`, a training loop, gradients by `backward()` |
# | **Time** | 55 minutes |
# | **You write** | Q00a `receptive_field`, Q00b `gradient_map`; W0a and W0b in words |
#
# **Afterwards you can**
# - name the inductive biases of a CNN, and show a task on which each helps and one on which it hurts;
# - compute the receptive field of any stack of convolutions, and measure which part of it is really used;
# - compare recurrence, convolution and attention by sequential operations, path length, memory and time;
# - say when to choose a CNN.
#
# {{questions}}
#
# | in the lectures | here | in the papers |
# |---|---|---|
# | locality, translation invariance | locality, translation equivariance and invariance | inductive bias |
# | sequential processing | recurrence, sequential operations | sequential operations |
# | global context | receptive field of the whole image | maximum path length 1 |

# %% tags=["bootstrap"]

# %% tags=["setup"]
import torch
import torch.nn.functional as F
from torch import nn

from helpers import check, ready
from helpers.data import load
from helpers.device import device
from helpers.experiments import sequence_layers
from helpers.experiments.positions_in_images import (
    PLACES,
    accuracy_by_place,
    accuracy_on_thirds,
    on_a_stripe,
    shuffle_tiles,
    tiles_accuracy,
)
from helpers.experiments.pushed_images import accuracy_by_strength, draw_changes, rotate, show_changes, under_all
from helpers.experiments.small_networks import (
    OneAttention,
    SmallViT,
    accuracy,
    bag_of_views,
    cnn_with_maximum,
    conv_stack,
    growth,
    small_cnn,
    square_holding,
    stripe_vit,
    trained,
)
from helpers.pictures import why_transformers as draw
from helpers.plots import bars, compare, curves, show_images

torch.set_num_threads(1)  # networks as small as these are faster on one thread
where = device()

# %% [markdown]
# The letters are the same in every lesson: `b` batch, `n` tokens, `d` width of a token, `c h w` channels, height and
# width of an image.

# %% [markdown]
# ## 1 · Two architectures
#
# A **convolutional network (CNN)** slides small kernels over the image. Its design contains two assumptions about
# images:
#
# - **Locality**: pixels that belong together are close to each other.
# - **Translation equivariance**: if the image is shifted, the features are shifted along. The same kernel is used
#   everywhere.
#
# Such an assumption, built into a model before it sees any data, is called an **inductive bias**.
#
# A **Vision Transformer (ViT)** makes neither assumption. It cuts the image into patches, turns each patch into a
# vector (a *token*), and lets every token exchange information with every other one by **self-attention**: each
# token receives a weighted mean of all tokens, with weights that are computed from their contents.

# %%
draw.show_architectures()

# %% [markdown]
# > **Figure 0.1 · A CNN and a ViT.** The CNN (top) looks at small neighbourhoods and widens its view layer by layer.
# > The ViT (bottom) connects all patches in every layer.
#
# We train a small CNN on ten classes of drawings, with two random initialisations (seeds):

# %%
train, test = load("shapes"), load("shapes", "test")
first = [test.labels.tolist().index(k) for k in range(10)]
show_images(test.images[first], titles=test.classes, columns=5)
cnns = [trained(small_cnn, train, test, seed, epochs=5) for seed in (0, 1)]
for seed, (_, history) in enumerate(cnns):
    print(f"seed {seed}: {100 * history.test_accuracy[-1]:.1f} % of the test images are right")
assert min(history.test_accuracy[-1] for _, history in cnns) > 0.93

# %% [markdown]
# **Answer.** The CNN learns this task from 2,000 images in seconds. In the next sections we look for its limits.

# %% [markdown]
# ## 2 · First limit: images unlike the training images
#
# We change the test images in four ways that would not confuse a person.

# %%
show_changes(test.images[first[7]])
cnn_changes = under_all([model for model, _ in cnns], test)
draw_changes({"CNN": cnn_changes})
for name, runs in cnn_changes.items():
    print(f"{name:<20} best {runs.mean(0).max():.0f} %, worst {runs.mean(0).min():.0f} %")
    assert runs.mean(0).min() < runs.mean(0).max() - 20

# %% [markdown]
# > **Figure 0.2 · Accuracy under four changes.** Lines are means of two seeds, bands reach from one to the other, the
# > dotted line is chance (10 %). Each change costs more than 20 points.
#
# Is this a fault of convolution? We train once more and rotate each training image by a random angle:


# %%
def with_rotations(images, labels):
    return rotate(images, 120 * torch.rand(len(images), device=images.device) - 60), labels


robust, _ = trained(small_cnn, train, epochs=5, augment=with_rotations)
before, after = cnn_changes["rotation, degrees"].mean(0), accuracy_by_strength(robust, test, "rotation, degrees")
lines = {"trained upright": before, "trained with rotations": after}
curves([0, 15, 30, 45, 60], lines, xlabel="rotation of the test images, degrees", ylabel="test accuracy, %")
assert after[4] > before[4] + 15
assert after[0] < before[0]

# %% [markdown]
# > **Figure 0.3 · Training with rotated images (one seed).** Rotated test images are recognised much better. Upright
# > ones are recognised less well, because the same number of epochs had to cover more variation.
#
# **Answer.** This limit comes from the training data, not from convolution. Such changes of the training images are
# called **data augmentation** (lesson 08). Section 9 shows that a ViT has the same limit.

# %% [markdown]
# ## 3 · Second limit: the receptive field
#
# The **receptive field** of an output is the set of input pixels that it depends on. One convolution with kernel 3
# has a receptive field of 3 pixels per side; each further layer adds to it. In one dimension:


# %%
def dependence_by_row(kernels, strides, length):
    """Gradient of the middle output of a stack of 1-D convolutions with respect to every layer's values."""
    rows = [torch.ones(1, 1, length, requires_grad=True)]  # b c n
    for k, s in zip(kernels, strides, strict=True):
        rows.append(F.conv1d(rows[-1], torch.ones(1, 1, k), stride=s))
    top = rows[-1][0, 0]
    return [row[0, 0] for row in torch.autograd.grad(top[len(top) // 2], rows)]


draw.show_cone(dependence_by_row([3, 3, 3], [1, 1, 1], 11), [3, 3, 3], [1, 1, 1])
draw.show_cone(dependence_by_row([3, 3, 3], [2, 2, 1], 23), [3, 3, 3], [2, 2, 1])

# %% [markdown]
# > **Figure 0.4 · Receptive fields of three layers with kernel 3.** Top: stride 1 (every position is computed), the
# > field is 7. Bottom: stride 2 in the first two layers (every second position is computed), the field is 15,
# > because neighbours of a later row lie further apart in the image.
#
# ### Q00a: the receptive field by formula
#
# Write `receptive_field`, from the first layer to the last. `jump` is the distance in image pixels between two
# neighbours of the current row. By how much does a layer enlarge the field, and what happens to `jump` after it?


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
# <details><summary>Hint: three layers of kernel 3 give 9 or 10 instead of 7</summary>
#
# A kernel of 3 placed on a position that is already in the field: how many of its positions are new? Count them in the
# upper part of Figure 0.4.
# </details>
# <details><summary>Hint: correct without strides, wrong with them</summary>
#
# In the lower part of Figure 0.4, measure the distance between neighbours in pixels of the bottom row: on the bottom
# row itself, on the next row, on the one above. By what is it multiplied from row to row? And which distance counts
# for a layer: that of the row it reads or of the row it writes?
# </details>
# <details><summary>Stronger hint</summary>
#
# The new positions of a layer are neighbours in the row that it *reads*. Each adds as many pixels as the distance in
# that row, which is the value of `jump` before you change it.
# </details>

# %% [markdown]
# ### Your formula on known networks
#
# The layers of AlexNet and VGG-16 up to the last pooling, and our own CNN:

# %%
known = {
    "our CNN": ([4, 3, 2, 3, 2], [2, 1, 2, 1, 2]),
    "AlexNet": ([11, 3, 5, 3, 3, 3, 3, 3], [4, 2, 1, 2, 1, 1, 1, 2]),
    "VGG-16": ([3, 3, 2] * 2 + [3, 3, 3, 2] * 3, [1, 1, 2] * 2 + [1, 1, 1, 2] * 3),
}
if ready("Q00a"):
    for name, (kernels, strides) in known.items():
        print(f"{name:<8} {len(kernels):>2} layers: {receptive_field(kernels, strides):>3} pixels")

# %% tags=["solution"]
assert [receptive_field(*layers) for layers in known.values()] == [22, 195, 212]

# %% [markdown]
# VGG-16 needs eighteen layers to see most of an image of 224 pixels. Does it *use* what it can see?
#
# ### Q00b: the receptive field by gradient
#
# The gradient of an output with respect to a pixel says how strongly the output depends on that pixel. Where the
# gradient is 0, the pixel has no influence.
#
# Write `gradient_map` for any model that maps (1, c, h, w) to (1, k, h', w'):
# 1. one number: the centre of the *output*, summed over its k channels;
# 2. its gradient with respect to the image;
# 3. one number per pixel: the absolute values, summed over the colours.


# %% tags=["answer"] question="Q00b"
# Q00b: the receptive field by gradient
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
# <details><summary>Hint: "grad can be implicitly created only for scalar outputs"</summary>
#
# A gradient is taken of *one* number. The output has a batch axis, channels, rows and columns. How do k channels become
# one number?
# </details>
# <details><summary>Hint: the map is right in one case and shifted in another</summary>
#
# An output is often smaller than its image. To which of the two shapes do your `h` and `w` belong?
# </details>
# <details><summary>Stronger hint: the right pixels with wrong values</summary>
#
# The gradient has the shape of the image: (1, c, h, w). A red value of +1 and a blue value of -1 both mean that this
# pixel has influence, but their sum is 0. What must happen *before* the colours are added?
# </details>

# %% [markdown]
# ### How much of its receptive field does a network use?
#
# We average your map over ten untrained stacks of 3 x 3 convolutions for each depth, and measure the side of the square
# that holds 90 % of the gradient. This square is called the **effective receptive field**; the formula gives the
# **theoretical** one.


# %%
def mean_map(make, size=65, draws=10):
    torch.manual_seed(0)
    maps = [gradient_map(make(), torch.rand(1, 3, size, size)) for _ in range(draws)]
    return torch.stack([found / found.sum() for found in maps]).mean(0)


depths = [1, 2, 4, 8, 16, 24]
if ready("Q00a") and ready("Q00b"):
    theoretical = [receptive_field([3] * depth, [1] * depth) for depth in depths]
    maps = [mean_map(lambda depth=depth: conv_stack(depth)) for depth in depths]
    effective = [square_holding(found) for found in maps]
    rows = zip(maps, theoretical, effective, strict=True)
    draw.show_fields({f"{d} layer{'s' * (d > 1)}": row for d, row in zip(depths, rows, strict=True)})
    print(f"from 4 to 24 layers: theoretical ~ depth^{growth(depths, theoretical):.2f}, "
          f"effective ~ depth^{growth(depths, effective):.2f}")  # fmt: skip

# %% tags=["solution"]
assert all(bool(found.isfinite().all()) for found in maps)
assert [int((found > 0).sum(1).max()) for found in maps] == theoretical
assert all(side <= field for side, field in zip(effective, theoretical, strict=True))
assert growth(depths, theoretical) > 0.9 > 0.75 > growth(depths, effective)
assert effective[-1] < 0.6 * theoretical[-1]

# %% [markdown]
# > **Figure 0.5 · Gradient maps of stacks with 1 to 24 layers (square root of the gradient).** Solid: theoretical
# > field. Dashed: effective field. The theoretical field grows with the depth, the effective one about with its
# > square root, because very many paths lead to the centre and few to the border (Luo et al., 2016).
#
# And one layer of attention? Each patch of 4 x 4 pixels is a token here. Beside it our trained CNN, averaged over 64
# test images:

# %%
if ready("Q00a") and ready("Q00b"):
    body = cnns[0][0].eval()[:-2]  # without Flatten and Linear
    pictures = F.pad(test.images[:64].to(where), (4, 4, 4, 4), mode="replicate")  # 40 x 40, so that there is a centre
    used = torch.stack([gradient_map(body, picture[None]) for picture in pictures]).mean(0)
    whole_image = mean_map(OneAttention, size=36)
    draw.show_fields(
        {
            "CNN, 5 layers": (used, receptive_field(*known["our CNN"]), square_holding(used)),
            "attention, 1 layer": (whole_image, None, square_holding(whole_image)),
        }
    )
    seen = [(found > 0).float().mean().item() for found in (used, whole_image)]
    print(f"share of the image with influence: CNN {seen[0]:.0%}, attention {seen[1]:.0%}")

# %% tags=["solution"]
assert seen[1] == 1
assert int((used > 0).sum(1).max()) == receptive_field(*known["our CNN"]) == 22

# %% [markdown]
# > **Figure 0.6 · A trained CNN and one untrained attention layer.** The CNN depends on 22 x 22 pixels. The
# > attention layer depends on the whole image. Its regular pattern repeats every 4 pixels: within a patch the
# > gradient differs from pixel to pixel, and the embedding treats every patch alike.
#
# **Answer.** A CNN needs depth or strides for a wide view, and a deep stack uses less than its formula says. Attention
# has the whole image in view after one layer. Which parts it uses is learned.

# %% [markdown]
# ## 4 · Third limit: parts without positions
#
# These faces have all their parts. In half of them the parts are in the wrong places.

# %%
faces, faces_test = load("faces"), load("faces", "test")
show_images(faces.images[:8], titles=[faces.classes[k] for k in faces.labels[:8]], columns=8)
whole_faces = [part.images[part.labels == 0] for part in (faces, faces_test)]
mixed = shuffle_tiles(whole_faces[1][:4])
show_images(torch.cat([whole_faces[1][:4], mixed]), columns=8, alt="Four faces, and the same four with shuffled tiles.")

# %% [markdown]
# > **Figure 0.7 · Above: whole and scrambled faces. Below: four faces and their 16 tiles in random order.**
#
# A network with a small receptive field that averages over all places is a **bag of features**: it knows which parts
# occur, but not where. We train one that sees a single tile at a time to tell whole faces from their shuffled tiles:

# %%
difference, percent = tiles_accuracy(*whole_faces)
print(f"largest difference of the logits between a face and its shuffled tiles: {difference:.0e}")
print(f"accuracy after training: {percent:.2f} %")
assert percent == 50

# %% [markdown]
# Its accuracy is *exactly* one half, because both images of a pair give the same logits. The average has removed the
# positions. A wider view helps. We enlarge the receptive field by four pixels per extra layer and train on the
# scrambled faces, two seeds each; a small ViT (two blocks with learned positions, from PyTorch's parts; you will
# write all of them in lessons 01 to 07) is trained with three:

# %%
extras, found = [0, 1, 2, 3], {}
for extra in extras:
    runs = [trained(lambda e=extra: bag_of_views(e), faces, seed=s, epochs=6)[0] for s in (0, 1)]
    found[extra] = torch.tensor([accuracy(m, faces_test.images, faces_test.labels) for m in runs])
    print(f"receptive field {5 + 4 * extra:>2} pixels: {found[extra].mean():.1f} %")
vits = [trained(lambda: SmallViT(2), faces, faces_test, seed, lr=2e-3, epochs=5) for seed in (0, 1, 2)]
vit_scores = torch.tensor([100 * history.test_accuracy[-1] for _, history in vits])

# %%
scores = {f"CNN, {5 + 4 * extra} pixels": runs for extra, runs in found.items()} | {"small ViT": vit_scores}
spread = {name: (s.max() - s.min()) / 2 for name, s in scores.items()}
bars({name: s.mean() for name, s in scores.items()}, spread, xlabel="test accuracy on faces, %", form="{:.1f}")
assert found[0].mean() < 60
assert min(found[3]) > 95
assert min(vit_scores) > 90

# %% tags=["solution"]
assert [receptive_field([5] + [3] * e, [2] + [1] * e) for e in extras] == [5, 9, 13, 17]

# %% [markdown]
# > **Figure 0.8 · Accuracy on scrambled faces by receptive field, and of a small ViT.** Means with half the range
# > over two seeds (ViT: three). Chance is 50 %.
#
# **Answer.** To judge composition, the receptive field must hold a part *and* its surroundings. A CNN gets there by
# depth. A ViT has every patch in view from its first layer, together with a vector that says where each patch is.

# %% [markdown]
# ## 5 · Translation equivariance and invariance
#
# A function is **equivariant** under shifts if shifting the input shifts the output: `f(shift(x)) = shift(f(x))`. It is
# **invariant** if the output stays the same: `f(shift(x)) = f(x)`. Which of the two is a convolution? (The border wraps
# around here, so that no pixel is lost.)

# %%
torch.manual_seed(0)
conv = nn.Conv2d(3, 1, 5, padding=2, padding_mode="circular", bias=False)
coarse = nn.Conv2d(3, 1, 5, stride=2, padding=2, padding_mode="circular", bias=False)
picture = test.images[first[5]][None]
shift = lambda x, by: x.roll(by, dims=-1)  # noqa: E731
with torch.no_grad():
    here, there = conv(picture), conv(shift(picture, 10))
    print(f"largest |f(shift(x)) - shift(f(x))|: {(there - shift(here, 10)).abs().max():.0e}")
    print(f"largest |f(shift(x)) - f(x)|:        {(there - here).abs().max():.2f}")
    for by in (1, 2):
        off = [(coarse(shift(picture, by)) - shift(coarse(picture), k)).abs().max() for k in (0, 1)]
        print(f"stride 2, shift by {by}: differs by {min(off):.0e} at best")
        assert (min(off) < 1e-5) == (by == 2)
assert torch.allclose(there, shift(here, 10), atol=1e-5)
compare([("x", picture[0]), ("f(x)", here[0, 0]), ("shift(x)", shift(picture, 10)[0]), ("f(shift(x))", there[0, 0])])

# %% [markdown]
# > **Figure 0.9 · A convolution is equivariant.** Its output moves with the image. With a stride of 2 this holds
# > only for shifts by even numbers of pixels. A global mean or maximum after it makes the network *invariant*.
#
# ### Where it helps
#
# Handwritten digits on a wide black stripe. In training they are always at the left end; in the test they are
# everywhere.

# %%
digit = load("digits", "test").images[3:4]
show_images([on_a_stripe(digit, [at])[0] for at in PLACES], titles=[f"at {at}" for at in PLACES], columns=5,
            alt="One digit on a stripe, further to the right each time.")  # fmt: skip
by_place = accuracy_by_place({"CNN with a global maximum": cnn_with_maximum, "ViT": stripe_vit})
curves(PLACES, by_place, xlabel="left edge of the test digit, pixels", ylabel="test accuracy, %")
cnn_line, vit_line = by_place.values()
assert max(cnn_line) - min(cnn_line) < 1
assert min(cnn_line) > 85
assert min(vit_line) < 40
assert min(vit_line[0::2]) > max(vit_line[1::2])  # places 0, 4, 8, 12, 16 against the others

# %% [markdown]
# > **Figure 0.10 · Accuracy by place (one seed).** What the CNN learned at the left end holds everywhere. The ViT
# > must be shown every place. Its sawtooth has a period of four pixels, because its patches of 4 x 4 then cut the
# > digit as in training.
#
# ### Where it hurts
#
# The same stripes with another question: in which *third* does the digit stand? Each test digit appears once in every
# third.

# %%
networks = {
    "CNN, borders wrap around": lambda: cnn_with_maximum(3),
    "ViT": lambda: stripe_vit(3),
    "CNN, zeros at the borders": lambda: cnn_with_maximum(3, "zeros"),
}
thirds = accuracy_on_thirds(networks)
bars(thirds, xlabel="accuracy on the third in which the digit stands, %", form="{:.1f}")
assert abs(thirds["CNN, borders wrap around"] - 100 / 3) < 0.5
assert thirds["ViT"] > 97
assert thirds["CNN, zeros at the borders"] > 60

# %% [markdown]
# > **Figure 0.11 · A task about position (one seed).** The invariant CNN is at chance (33.3 %) exactly: its logits
# > are the same in all three places. Zeros at the borders reveal the position, and nearly every CNN in use pads with
# > zeros.
#
# **Answer.** The same property helps where the position doesn't matter and hurts where it does. An inductive bias is
# useful exactly when it is true of the task.

# %% [markdown]
# ## 6 · Fourth limit: weights that don't depend on the image
#
# The kernel of a trained convolution is constant: whatever the image, each output mixes the same neighbours with the
# same weights. (After a ReLU the network's gradient depends on the image, but the set of neighbours stays the same.)
# Attention computes its weights from the tokens. We draw the weights of one patch of the small ViT for six faces:

# %%
vit = vits[0][0].cpu().eval()
six = faces_test.images[[int(i) for k in (0, 1) for i in (faces_test.labels == k).nonzero()[:3]]]
weights = vit.attention_weights(six)  # b n n
query = int(weights.std(0).sum(-1).argmax())  # the patch whose weights differ most between these faces
draw.show_looks(six, weights[:, query], query, titles=["whole"] * 3 + ["scrambled"] * 3)
varies = vit.attention_weights(faces_test.images).std(0).mean().item()
print(f"standard deviation of a weight over the test faces: {varies:.3f}; a mean weight is 1/16 = {1 / 16:.3f}")
assert varies > 0.005

# %% [markdown]
# > **Figure 0.12 · Attention weights of the framed patch for six faces.** Bright patches contribute most to its output.
# > They differ from face to face. For a convolution all six pictures would be the same: the framed patch and its eight
# > neighbours.
#
# **Answer.** Attention decides from the content which patches to combine. Lesson 05 shows how.

# %% [markdown]
# ## 7 · Three ways to process a sequence
#
# Transformers come from machine translation. The first neural translators had two parts: an **encoder** that reads
# the source sentence and a **decoder** that writes the translation word by word. Both were **recurrent** networks,
# which read one token after the other and carry a state along. The transformer (Vaswani et al., 2017) kept encoder
# and decoder and replaced recurrence by attention. A ViT uses only the encoder; the decoder returns in lesson 11
# (DETR).
#
# Here are one layer each of recurrence, convolution (kernel 3) and attention over eight tokens:

# %%
torch.manual_seed(0)
who = {name: sequence_layers.dependence(make(16), 8) for name, make in sequence_layers.LAYERS.items()}
draw.show_ways({name: (matrix, name == "recurrence") for name, matrix in who.items()})
for name, matrix in who.items():
    print(f"{name:<11} the last output depends on {int((matrix[-1] > 0).sum())} of 8 tokens")

# %% [markdown]
# > **Figure 0.13 · Which outputs depend on which inputs.** Orange: the dependences of the last output. Recurrence
# > reaches all tokens, one step after the other. A convolution computes all outputs at once and reaches neighbours.
# > Attention does both.
#
# We measure four properties: the number of **sequential operations** (which must wait for each other), the **path
# length** between the first and the last token in layers, the memory saved for the backward pass, and the time.

# %%
measured = sequence_layers.measure(where)
for name, values in measured["memory"].items():
    print(f"from 512 to 1024 tokens, {name:<16} saves {values[-1] / values[-2]:.1f} times as much memory")
steps, layers, memory = measured["operations"], measured["layers"], measured["memory"]
assert steps["recurrence"][-1] > 60
assert steps["attention"][0] == steps["attention"][-1]
assert steps["convolution"][0] == steps["convolution"][-1]
assert layers == {"recurrence": [1] * 5, "convolution": [n - 1 for n in (4, 8, 16, 32, 64)], "attention": [1] * 5}
assert memory["attention"][-1] / memory["attention"][-2] > 3 > 2.1 > memory["recurrence"][-1] / memory["recurrence"][-2]

# %% [markdown]
# > **Figure 0.14 · Four measurements against the number of tokens.** Upper row: only attention is constant in both
# > sequential operations and path length. Lower row: what this costs. The attention weights need memory that grows with
# > the square of the number of tokens; a fused kernel computes them without storing them.
#
# Path length matters because a signal fades on its way. How strongly does the last output depend on each of 48 tokens,
# with as many layers as it takes to connect them?

# %%
fades = sequence_layers.draw_fading(48)
assert fades["attention"].min() > 0.01
assert fades["recurrence"][0] < 1e-6

# %% [markdown]
# > **Figure 0.15 · Gradient of the last output with respect to each token (untrained layers).** It is level for
# > attention and falls by orders of magnitude for recurrence and for a stack of convolutions.
#
# **Answer.** Attention needs no sequential operations and connects any two tokens in one layer, at a cost that grows
# with `n²`. The title "Attention Is All You Need" states that recurrence and convolution can be dropped; the paper's
# Table 1 gives sequential operations and path length as reasons.

# %% [markdown]
# ## 8 · From text to images

# %%
papers = {
    "Transformer": ("1706.03762", "attention alone,\nfor text"),
    "Non-local nets": ("1711.07971", "attention\nin a CNN"),
    "BERT": ("1810.04805", "pretrain,\nthen adapt"),
    "Cordonnier et al.": ("1911.03584", "patches of 2x2;\nattention as convolution"),
    "DETR": ("2005.12872", "finds objects\nas a set"),
    "ViT": ("2010.11929", "images as\n16x16 words"),
    "DeiT": ("2012.12877", "with ImageNet\nonly"),
    "Swin": ("2103.14030", "windows,\nhierarchy"),
    "MLP-Mixer": ("2105.01601", "no\nattention"),
    "MAE": ("2111.06377", "learns by\nfilling gaps"),
}
draw.show_timeline({name: (2000 + int(number[:2]) + (int(number[2:4]) - 1) / 12, what)
               for name, (number, what) in papers.items()})  # fmt: skip

# %% [markdown]
# > **Figure 0.16 · Ten papers, by the month of their first version.** It took more than three years until an image
# > was cut into patches and given to an unchanged transformer *at scale*. You will build most of this line: ViT in
# > lessons 01 to 07, training in the style of DeiT in 08, Swin in 09, non-local nets in 10, DETR and the Mixer in
# > 11.

# %% [markdown]
# ## 9 · A fair comparison
#
# The ten classes of section 1 once more: five epochs of the CNN against seven of a small ViT, which take about the same
# time; two seeds each.

# %%
racers = [trained(SmallViT, train, test, seed, lr=2e-3, epochs=7) for seed in (0, 1)]
runs = {}
for kind, pairs in (("CNN", cnns), ("ViT", racers)):
    for seed, (_, history) in enumerate(pairs):
        runs[f"{kind}, seed {seed}"] = (history.seconds, [100 * a for a in history.test_accuracy])
draw.show_race(runs)
for name, (seconds, percent) in runs.items():
    print(f"{name}: {percent[-1]:.0f} % after {seconds[-1]:.1f} s")
best_vit = max(percent[-1] for name, (_, percent) in runs.items() if name[0] == "V")
assert min(percent[-1] for name, (_, percent) in runs.items() if name[0] == "C") > best_vit + 10

# %%
vit_changes = under_all([model for model, _ in racers], test)
draw_changes({"CNN": cnn_changes, "ViT": vit_changes})
for name in cnn_changes:
    kept = {kind: (m[name].mean(0).min() / m[name].mean(0).max()).item()
            for kind, m in (("CNN", cnn_changes), ("ViT", vit_changes))}  # fmt: skip
    print(f"{name:<20} share of the best accuracy that is kept at worst:",
          ", ".join(f"{kind} {share:.0%}" for kind, share in kept.items()))  # fmt: skip
    assert name.startswith("blur") or max(kept.values()) < 0.75

# %% [markdown]
# > **Figure 0.17 · Accuracy against training time (top), and under the four changes of section 2 (bottom).**
#
# The CNN wins clearly: locality and translation equivariance are true of these images, and the ViT would have to learn
# them from 2,000 examples. Under the changes both lose accuracy. For rotation, blur and size the ViT keeps a larger
# share of its own best accuracy, for the grey square a smaller one; but it starts far lower and stays below the CNN on
# unchanged images. The success of ViTs from 2020 on came from scale: with many millions of training images a ViT
# overtakes comparable CNNs (Dosovitskiy et al., Figure 3). Lesson 10 measures this at our size.
#
# | limit of a CNN | does attention help? |
# |---|---|
# | images unlike the training images | no; data augmentation does (sections 2 and 9) |
# | receptive field | yes, one layer sees everything; a CNN needs strides or depth (section 3) |
# | parts without positions | both can: a CNN by a wide view, a ViT by position information (section 4) |
# | weights that don't depend on the image | yes, at a cost of n² (sections 6 and 7) |
#
# **Answer.** Attention brings a global view and content-dependent weights. It costs memory and time, and it gives up
# inductive biases that help with little data.
#
# > ### What could go wrong
# > - **"The network sees 200 pixels."** That is the formula. Measure which part of it is used (section 3).
# > - **A layer's stride counted for the layer itself.** It spreads the positions of the *next* layer.
# > - **"CNNs are translation invariant."** A convolution is equivariant; a global mean or maximum makes it invariant;
# >   strides and zero padding break both.
# > - **A task about positions after a global mean.** The accuracy is at chance, and no error is raised.
# > - **A comparison by epochs.** Epochs of different models cost different amounts. Compare seconds, over several
# >   seeds.

# %% [markdown]
# ## Stretch: what do the two layers cost?
#
# The work of a layer is counted in **FLOPs**, floating-point operations: one multiplication and one addition are two.
# Compare two layers that read and write the same tensor of `side` x `side` positions, each with `d` numbers:
#
# - a **convolution** with kernels of `kernel` x `kernel`, from `d` to `d` channels, stride 1, padded so that the size
#   stays;
# - a **self-attention** layer over the $n = \text{side}^2$ positions. It consists of four linear layers from `d` to `d`
#   (queries, keys, values, output); of the scores, one dot product of width `d` for each of the $n^2$ pairs; and of the
#   weighted sums, in which each output adds up $n$ values of width `d`.
#
# Biases and the softmax are not counted: they are less than a hundredth of the work at usual sizes. This question is
# optional.


# %% tags=["answer"] question="Q00c" kind="stretch"
# Q00c: FLOPs of a convolution and of attention
def layer_flops(side, d, kernel=3):
    """FLOPs of a convolution and of a self-attention layer on side x side positions of width d: a pair of numbers."""
    n = side * side
    # BEGIN BLANK
    convolution = 2 * n * kernel**2 * d**2
    linear = 4 * 2 * n * d**2
    scores = 2 * n**2 * d
    weighted_sums = 2 * n**2 * d
    # END BLANK
    return convolution, linear + scores + weighted_sums


# %% tags=["check"] question="Q00c" points=3
check("Q00c", layer_flops)

# %% [markdown]
# <details><summary>Hint: how often is one weight of a convolution used?</summary>
#
# Once at every position. So the number of weights times the number of positions gives the multiplications.
# </details>
# <details><summary>Hint: the two products of attention</summary>
#
# `Q @ K.T` multiplies `(n, d)` by `(d, n)`; `weights @ V` multiplies `(n, n)` by `(n, d)`. A product of `(a, b)` by
# `(b, c)` has `a · c` results, each a sum of `b` products.
# </details>

# %%
if ready("Q00c"):
    for side in (7, 14, 28, 56):
        convolution, attention = layer_flops(side, 96)
        print(
            f"{side:>2} x {side:<2}: convolution {convolution / 1e6:>5,.0f} million, "
            f"attention {attention / 1e6:>6,.0f} million FLOPs, ratio {attention / convolution:.2f}"
        )

# %% [markdown]
# At few positions attention is the *cheaper* layer: four linear layers are less than the nine of a 3 x 3 kernel. Both
# layers cost the same where $18\,d = 8\,d + 4\,n$, that is at $n = 2.5\,d$ positions. Beyond it the term $n^2$ decides.

# %% tags=["solution"]
assert layer_flops(10, 40)[0] == layer_flops(10, 40)[1]  # n = 100 = 2.5 · 40

# %% [markdown]
# ## 10 · In words
#
# These answers are read by a person. You get the model answers with your feedback.
#
# **W0a** (2 points). A colleague counts parts in photographs of shelves, 512 x 512 pixels. "My CNN's receptive
# field is 520, so each output sees the whole shelf, and a transformer has nothing to add." What does the formula
# guarantee, and what not? Which measurement would you ask for, and what do you expect it to show? Name one way to
# widen the view without attention, and its cost.

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
# - ½ point: expects most influence in a much smaller centre, with a reason (many paths, bell shape, root of depth).
# - ½ point: one way to widen it **and** its cost.
#
# *A half-right sample (1 of 2):* "520 is only an upper bound. One should look at the gradient with respect to the
# image. A larger kernel would help." Bound and measurement are named; the expectation and the cost are missing.

# %% [markdown]
# **W0b** (2 points). Two tasks: (1) is there a crack anywhere in this steel plate, 3,000 labelled images, one CPU;
# (2) is the picture on the wall to the left or to the right of the window, from 10 million labelled photographs.
# For each, choose a CNN with a global maximum or a ViT, and argue from what you measured: the right word for what
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
# - ½ point: (1) few data or little time, with a number of one's own.
# - ½ point: (2) ViT (or a CNN *without* a global pool), because positions are the answer, with a number of one's own.
# - ½ point: a sound reason to change one's mind in (1).
#
# *A half-right sample (1 of 2):* "(1) CNN, because it is translation invariant and we have few images: mine had 97
# %, the ViT 60 %. (2) ViT, because it needs positions." Task (1) lacks the difference between the two words (½ for
# data); task (2) gives the reason and no number (½).

# %% [markdown]
# ## 11 · Summary
#
# | | |
# |---|---|
# | inductive bias | an assumption built into a model; CNNs: locality and translation equivariance |
# | theoretical receptive field | 1, then per layer (kernel − 1) times the product of the earlier strides |
# | effective receptive field | where most of the gradient is; grows about with the square root of the depth |
# | bag of features | small view and a mean: no information about positions |
# | equivariance | `f(shift(x)) = shift(f(x))`; invariance: `f(shift(x)) = f(x)` |
# | convolution | weights are constant; neighbours only; many layers to connect distant places |
# | recurrence | n sequential operations |
# | self-attention | weights from the content; path length 1; n² cost |
# | little data, little time | choose the CNN |
#
# **Further reading**
# - Luo, Li, Urtasun and Zemel, *Understanding the Effective Receptive Field in Deep Convolutional Neural
#   Networks*, NeurIPS 2016. Figure 1 corresponds to Figure 0.5.
# - Brendel and Bethge, *Approximating CNNs with Bag-of-local-Features Models Works Surprisingly Well on ImageNet*,
#   ICLR 2019. Figure 1: accuracy against the size of the view, on ImageNet.
# - Geirhos et al., *ImageNet-trained CNNs Are Biased Towards Texture*, ICLR 2019. Figure 1: a cat with an
#   elephant's skin.
# - Hendrycks and Dietterich, *Benchmarking Neural Network Robustness to Common Corruptions and Perturbations*,
#   ICLR 2019. Figure 1: fifteen further changes.
# - Islam, Jia and Bruce, *How Much Position Information Do Convolutional Neural Networks Encode?*, ICLR 2020: zero
#   padding reveals positions (section 5).
# - Vaswani et al., *Attention Is All You Need*, NeurIPS 2017. Table 1 compares the three layers of section 7.
# - Dosovitskiy et al., *An Image is Worth 16x16 Words*, ICLR 2021. Figure 3: where the ViT overtakes the CNN.
#
# Next: **01 · Patches**, the first step of every Vision Transformer.
