"""Lesson 08: what students really write, right in unusual ways and wrong in usual ones."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from grading.judging.bank import edited, mistake, right

# --- Q13, right ------------------------------------------------------------------------------------------------------


@right("Q13")
def a_minimum_and_a_squared_cosine(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if warmup_steps and step <= warmup_steps:
        return base_lr * min(1.0, step / warmup_steps)
    angle = math.pi / 2 * (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * math.cos(angle) ** 2


@right("Q13")
def with_tensors(step, total, warm, base_lr=1.0, final_lr=0.0):
    step = torch.tensor(float(step))
    rise = base_lr * step / max(warm, 1)
    fall = torch.lerp(
        torch.tensor(base_lr), torch.tensor(final_lr), (1 - torch.cos(torch.pi * (step - warm) / (total - warm))) / 2
    )
    return torch.where(step < warm, rise, fall)


@right("Q13")
def numpy_interpolation(step, total_steps, warmup_steps, base_lr=1, final_lr=0):
    if step < warmup_steps:
        return np.interp(step, [0, warmup_steps], [0, base_lr])
    wave = np.cos(np.linspace(0, np.pi, total_steps - warmup_steps + 1))
    return ((base_lr + final_lr) / 2 + (base_lr - final_lr) / 2 * wave)[step - warmup_steps]


@right("Q13")
def from_the_end(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    left = (total_steps - step) / (total_steps - warmup_steps)
    wave = (1 - math.cos(math.pi * left)) / 2
    return step * base_lr / warmup_steps if step < warmup_steps else wave * base_lr + (1 - wave) * final_lr


@right("Q13")
def torchs_own_schedulers(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr / warmup_steps * step
    weight = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=base_lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total_steps - warmup_steps, eta_min=final_lr)
    for _ in range(step - warmup_steps):
        optimizer.step()
        schedule.step()
    return optimizer.param_groups[0]["lr"]


# --- Q13, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q13",
    hint="The curve starts at base_lr at step 0: there is no warm-up.",
)
def no_warmup(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * step / total_steps)) / 2


@mistake(
    "Q13",
    hint="During the warm-up the rate stays at base_lr. It should rise from 0.",
)
def a_flat_start(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    progress = max(0, step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="The warm-up is one step ahead: at step 0 the rate is not 0, and base_lr is reached one step before "
    "warmup_steps.",
)
def one_step_ahead(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="The warm-up would reach base_lr at total_steps and not at warmup_steps, so the curve jumps where the "
    "descent begins.",
)
def climbs_over_the_whole_run(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / total_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="The warm-up is right, then the rate drops: the progress of the cosine is counted from step 0 and not "
    "from the end of the warm-up.",
)
def cosine_counts_from_zero(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * step / total_steps)) / 2


@mistake(
    "Q13",
    hint="The descent starts well and has not ended at total_steps: its length is taken as all steps, though some "
    "belong to the warm-up.",
)
def cosine_over_all_steps(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / total_steps
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="The descent does not end at final_lr: the progress goes past 1, because steps are counted from 0 and "
    "divided by the length of the descent. What is the progress at step warmup_steps?",
)
def progress_not_shifted(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = step / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="After the warm-up the rate starts at the middle and rises first: that is a sine. Which of the two is "
    "largest at progress 0?",
)
def a_sine(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.sin(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="The rate jumps up and down from step to step: `math.cos` takes radians.",
)
def degrees(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(180 * progress)) / 2


@mistake(
    "Q13",
    hint="The descent is a quarter of a wave, steepest at the end, where the target is flat.",
)
def a_quarter_wave(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * math.cos(math.pi / 2 * progress)


@mistake(
    "Q13",
    hint="Half way through the descent the rate is zero, and then negative. A cosine runs from 1 to -1, and the "
    "rate from base_lr to final_lr.",
)
def below_zero(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * math.cos(math.pi * progress)


@mistake(
    "Q13",
    hint="The descent starts at twice base_lr: a cosine plus 1 runs from 2 to 0.",
)
def twice_as_high(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress))


@mistake(
    "Q13",
    hint="The descent is a straight line. The target is half a cosine wave.",
)
def a_straight_line(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return base_lr + (final_lr - base_lr) * progress


@mistake(
    "Q13",
    hint="The rate goes down and up again: that is a whole wave, and half of one is asked for.",
)
def a_whole_wave(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(2 * math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="With final_lr = 0 it is right. With another one the curve still goes down to 0: the argument is not used.",
)
def final_never_read(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return base_lr * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="With final_lr = 0 it is right. With another one the descent starts above base_lr: final_lr is added to "
    "the whole wave. What is the height of a wave from base_lr to final_lr?",
)
def final_put_on_top(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + base_lr * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="With final_lr = 0 it is right. With another one the curve is flat at the end, because it is cut off "
    "there. The wave itself ends at final_lr.",
)
def cut_off_at_final(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return max(final_lr, base_lr * (1 + math.cos(math.pi * progress)) / 2)


@mistake(
    "Q13",
    hint="With final_lr = 0 it is right. With another one the warm-up starts at final_lr and not at 0.",
)
def warmup_from_final(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return final_lr + (base_lr - final_lr) * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="The rate is 0 during the whole warm-up: `//` rounds down to a whole number.",
)
def whole_numbers(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * (step // warmup_steps)
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


# --- Q11, right ------------------------------------------------------------------------------------------------------


@right("Q11")
def the_batch_turned_around(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    soft = torch.eye(num_classes, device=y.device)[y]
    return torch.lerp(x.flip(0), x, lam), torch.lerp(soft.flip(0), soft, lam)


@right("Q11")
def a_matrix_of_shares(x, y, alpha, num_classes, lam=None):
    if lam is None:
        lam = float(torch.distributions.Beta(alpha, alpha).sample())
    eye = torch.eye(len(x), device=x.device)
    shares = lam * eye + (1 - lam) * eye.roll(1, 0)
    return torch.einsum("ij,jchw->ichw", shares, x), shares @ F.one_hot(y, num_classes).float()


@right("Q11")
def image_by_image_in_float64(x, y, alpha, num_classes, lam=None):
    if lam is None:
        lam = np.random.default_rng(np.random.randint(2**31)).beta(alpha, alpha)
    pictures, labels = x.double().cpu().numpy(), y.cpu().numpy()
    mixed, soft = np.empty_like(pictures), np.zeros((len(labels), num_classes))
    for i, j in enumerate(np.random.permutation(len(labels))):
        mixed[i] = lam * pictures[i] + (1 - lam) * pictures[j]
        soft[i, labels[i]] += lam
        soft[i, labels[j]] += 1 - lam
    return mixed, soft


@right("Q11")
def a_lam_for_every_image(x, y, alpha, num_classes, lam=None):
    b = len(x)
    lam = torch.distributions.Beta(alpha, alpha).sample((b,)) if lam is None else torch.full((b,), float(lam))
    lam, other = lam.to(x.device), torch.randperm(b)
    grown = lam[:, None, None, None]
    soft = F.one_hot(y, num_classes)
    return grown * x + (1 - grown) * x[other], lam[:, None] * soft + (1 - lam[:, None]) * soft[other]


@right("Q11")
def the_larger_share_is_called_lam(x, y, alpha, num_classes, lam=None):
    if lam is None:
        lam = np.random.beta(alpha, alpha)
        lam = max(lam, 1 - lam)
    places = (torch.arange(len(x)) + len(x) // 2) % len(x)
    targets = torch.zeros(len(x), num_classes, device=x.device)
    targets.scatter_add_(1, y[:, None], torch.full_like(y[:, None], lam, dtype=torch.float32))
    targets.scatter_add_(1, y[places][:, None], torch.full_like(y[:, None], 1 - lam, dtype=torch.float32))
    return x.mul(lam).add(x[places], alpha=1 - lam), targets


@right("Q11")
def two_gammas(images, labels, alpha, num_classes, lam=None):
    if lam is None:
        first, second = np.random.gamma(alpha, size=2)
        lam = first / (first + second)
    order = torch.randperm(images.size(0), device=images.device)
    hot = torch.stack([(labels == k).float() for k in range(num_classes)], dim=1)
    return images[order] + lam * (images - images[order]), hot[order] + lam * (hot - hot[order])


@right("Q11")
def an_adapter_of_torchvision(x, y, alpha, num_classes, lam=None):
    from helpers.torchvision_ops import load_torchvision

    load_torchvision()
    from torchvision.transforms import v2

    transform = v2.MixUp(alpha=alpha, num_classes=num_classes)
    if lam is not None:
        transform.make_params = lambda _: {"lam": lam}
        transform._get_params = lambda _: {"lam": lam}
    return transform(x, y)


# --- Q11, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q11",
    hint="The images are mixed and the labels are not: each label still gives all its weight to the image's own class.",
)
def labels_not_mixed(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.randperm(len(x))
    return lam * x + (1 - lam) * x[p], F.one_hot(y, num_classes).float()


@mistake(
    "Q11",
    hint="The labels come back as class numbers. A mixed label needs one number per class.",
)
def labels_as_they_came(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.randperm(len(x))
    return lam * x + (1 - lam) * x[p], y


@mistake(
    "Q11",
    hint="Class numbers are averaged: between class 2 and class 6 lies class 4, which has nothing to do with "
    "either. Mix one-hot rows.",
)
def class_numbers_mixed(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.arange(len(x) - 1, -1, -1)
    return lam * x + (1 - lam) * x[p], lam * y + (1 - lam) * y[p]


@mistake(
    "Q11",
    hint="Each row of your labels has a single 1: class numbers were mixed, rounded and then turned into one-hot "
    "rows. The order of these steps matters.",
)
def class_numbers_mixed_then_spread(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.arange(len(x) - 1, -1, -1)
    return lam * x + (1 - lam) * x[p], F.one_hot((lam * y + (1 - lam) * y[p]).long(), num_classes).float()


@mistake(
    "Q11",
    hint="The labels are right; the images hold lam of the partner and 1 - lam of themselves.",
)
def shares_swapped_in_the_images(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return (1 - lam) * x + lam * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="The images are right; the labels give lam to the partner's class and 1 - lam to their own.",
)
def shares_swapped_in_the_labels(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], (1 - lam) * hot + lam * hot[p]


@mistake(
    "Q11",
    hint="Images and labels agree with each other, but lam goes to the partner in both. With lam = 1 each image "
    "should be left as it is.",
)
def shares_swapped_in_both(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return (1 - lam) * x + lam * x[p], (1 - lam) * hot + lam * hot[p]


@mistake(
    "Q11",
    hint="The images come out as they went in: each is mixed with itself.",
)
def mixed_with_themselves(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    hot = F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x, lam * hot + (1 - lam) * hot


@mistake(
    "Q11",
    hint="The labels are mixed and the images are as they were.",
)
def only_labels_mixed(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.arange(len(x) - 1, -1, -1), F.one_hot(y, num_classes).float()
    return x, lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="The shares are right, but an image and its label have different partners: two permutations are drawn. "
    "Draw one and use it twice.",
)
def two_shuffles(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    hot = F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x.roll(1, 0), lam * hot + (1 - lam) * hot.roll(2, 0)


@mistake(
    "Q11",
    hint="The labels have too few columns if the last classes do not occur in the batch: num_classes is not used.",
)
def as_wide_as_the_largest_label(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.randperm(len(x))
    hot = F.one_hot(y).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="With a given lam it is right. Without one, every pixel gets a lam of its own, so no label can say how "
    "much of each image there is.",
)
def a_lam_for_every_pixel(x, y, alpha, num_classes, lam=None):
    if lam is None:
        lam = torch.distributions.Beta(alpha, alpha).sample(x.shape).to(x.device)
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    share = lam.mean().item() if torch.is_tensor(lam) else lam
    return lam * x + (1 - lam) * x[p], share * hot + (1 - share) * hot[p]


@mistake(
    "Q11",
    hint="With a given lam it is right. Without one, lam is drawn evenly from 0 to 1, whatever alpha is.",
)
def lam_drawn_evenly(x, y, alpha, num_classes, lam=None):
    lam = torch.rand(1).item() if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="With a given lam it is right. Without one, the mean of lam is not one half: the two parameters of the "
    "Beta distribution differ.",
)
def a_lopsided_beta(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, 1) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="With a given lam it is right. Without one, lam is always alpha itself and is not drawn.",
)
def alpha_is_taken_for_lam(x, y, alpha, num_classes, lam=None):
    lam = min(alpha, 1.0) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="It is right except for lam = 0, where lam is drawn although it was given: 0.0 counts as false in Python."
    " Test for None.",
)
def zero_counts_as_nothing(x, y, alpha, num_classes, lam=None):
    lam = lam or np.random.beta(alpha, alpha)
    p, hot = torch.arange(len(x) - 1, -1, -1), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="Images and labels agree, but on another lam than the one that was given.",
)
def given_lam_thrown_away(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha)
    p, hot = torch.arange(len(x) - 1, -1, -1), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="Both shares are always one half, whatever lam is.",
)
def always_half_and_half(x, y, alpha, num_classes, lam=None):
    p, hot = torch.arange(len(x) - 1, -1, -1), F.one_hot(y, num_classes).float()
    return (x + x[p]) / 2, (hot + hot[p]) / 2


@mistake(
    "Q11",
    hint="The result is right, but the batch that was given holds other numbers after the call: an operation "
    "writes into it.",
)
def written_into_the_batch(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.arange(len(x) - 1, -1, -1), F.one_hot(y, num_classes).float()
    other = x[p].clone()
    x *= lam
    x += (1 - lam) * other
    return x, lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="Each image is mixed with its own mirror image: the last axis is reversed and not the first.",
)
def mixed_with_the_mirror_image(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    hot = F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x.flip(-1), lam * hot + (1 - lam) * hot.flip(0)


@mistake(
    "Q11",
    hint="Both parts get the share lam, so the shares of a label do not add up to 1. The partner gets 1 - lam.",
)
def both_get_lam(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return lam * x + lam * x[p], lam * hot + lam * hot[p]


# --- Q12, right ------------------------------------------------------------------------------------------------------


@right("Q12")
def dropout_of_ones(x, drop_prob, training):
    ones = torch.ones((x.shape[0],) + (1,) * (x.dim() - 1), device=x.device, dtype=x.dtype)
    return x * F.dropout(ones, drop_prob, training)


@right("Q12")
def sample_by_sample(x, drop_prob, training):
    if not training:
        return x.clone()
    fates = [0.0 if np.random.rand() < drop_prob else 1 / (1 - drop_prob) for _ in x]
    return torch.stack([fate * sample for fate, sample in zip(fates, x, strict=True)])


@right("Q12")
def torchvisions_own(x, p, training):
    from helpers.torchvision_ops import load_torchvision

    return load_torchvision().ops.stochastic_depth(x, p, "row", training)


@right("Q12")
def timms_own(x, drop_prob=0.0, training=False):
    from timm.layers import drop_path

    return drop_path(x, drop_prob, training)


@right("Q12")
def bernoulli_and_where(x, drop_prob, training):
    keep = 1 - drop_prob if training else 1.0
    kept = torch.bernoulli(torch.full((len(x),), keep, device=x.device)).bool()
    return torch.where(kept.view(-1, *[1] * (x.ndim - 1)), x / keep, torch.zeros_like(x))


@right("Q12")
def flattened_first(x, drop_prob, training):
    if drop_prob == 0.0 or training is False:
        return x
    mask = torch.floor(torch.rand(x.shape[0], 1, dtype=torch.float64) + 1 - drop_prob).to(x.device)
    return (x.reshape(len(x), -1).double() / (1 - drop_prob) * mask).reshape(x.shape)


@right("Q12")
def an_exact_number_of_samples(x, drop_prob, training):
    if not training:
        return x
    out = torch.zeros_like(x)
    kept = torch.randperm(len(x), device=x.device)[: round(len(x) * (1 - drop_prob))]
    out[kept] = x[kept] * (len(x) / len(kept))
    return out


# --- Q12, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q12",
    hint="The right samples are dropped, and the others are as they were, so the mean over many calls is too small.",
)
def not_rescaled(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob)


@mistake(
    "Q12",
    hint="Single numbers are dropped, as in ordinary dropout. Stochastic depth drops a sample as a whole: how many"
    " random numbers does one sample need?",
)
def dice_for_every_number(x, drop_prob, training):
    return F.dropout(x, drop_prob, training)


@mistake(
    "Q12",
    hint="Samples are dropped in evaluation as well: the argument `training` is not used.",
)
def dice_in_eval_too(x, drop_prob, training):
    kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob
    return x * kept / (1 - drop_prob)


@mistake(
    "Q12",
    hint="In training what is kept is not scaled, and in evaluation everything is. The means agree, but evaluation"
    " should return x itself.",
)
def eval_is_scaled_instead(x, drop_prob, training):
    if not training:
        return x * (1 - drop_prob)
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob)


@mistake(
    "Q12",
    hint="One random number decides for the whole batch. Each sample needs its own.",
)
def one_fate_for_the_whole_batch(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(1, device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="What is kept is too large: it is divided by drop_prob and not by the probability of being kept.",
)
def divided_by_the_dropped_share(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob) / drop_prob


@mistake(
    "Q12",
    hint="What is kept becomes smaller: it is multiplied by the probability of being kept, where the mean asks for"
    " a division.",
)
def multiplied_by_the_kept_share(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob) * (1 - drop_prob)


@mistake(
    "Q12",
    hint="The share that should be dropped is kept: with drop_prob = 0.2, four of five samples are zero. Look at "
    "your comparison.",
)
def comparison_turned_around(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) < drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="drop_prob is used as the probability of keeping, in the draw and in the scale: the mean is right and the"
    " rate is not.",
)
def keeps_with_the_drop_probability(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) < drop_prob) / drop_prob


@mistake(
    "Q12",
    hint="It is right for tokens (b, n, d) only: the random numbers always have three axes. Take the number of "
    "axes from x.",
)
def three_axes_always(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), 1, 1, device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="Each token is dropped on its own. A sample is all the tokens of one image.",
)
def dice_for_every_token(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(*x.shape[:2], *[1] * (x.ndim - 2), device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="The random numbers lie along the last axis, so the same channels are dropped in every sample. "
    "Broadcasting lines shapes up from the right.",
)
def dice_along_the_last_axis(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(x.shape[-1], device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="Every sample is multiplied by a random number between 0 and 1. A comparison turns it into kept or dropped.",
)
def multiplied_by_the_dice(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="Samples are dropped in evaluation and not in training: the test of `training` is negated.",
)
def training_turned_around(x, drop_prob, training):
    if training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="The result is right, but the tensor that was given holds other numbers after the call: an operation "
    "writes into it.",
)
def written_into_x(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x.mul_(torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob).div_(1 - drop_prob)


@mistake(
    "Q12",
    hint="Every call drops the same samples: a seed is set inside the function.",
)
def always_the_same_dice(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    dice = torch.rand(len(x), *[1] * (x.ndim - 1), generator=torch.Generator().manual_seed(0)).to(x.device)
    return x * (dice >= drop_prob) / (1 - drop_prob)


# --- Q14, right ------------------------------------------------------------------------------------------------------


@right("Q14")
def hintons_cross_entropy(student_logits, teacher_logits, labels, temperature, alpha):
    with torch.no_grad():
        soft = torch.softmax(teacher_logits / temperature, 1)
    hard = nn.CrossEntropyLoss()(student_logits, labels)
    return alpha * temperature**2 * F.cross_entropy(student_logits / temperature, soft) + (1 - alpha) * hard


@right("Q14")
def image_by_image_in_float64(s, t, y, temperature, alpha):
    losses = []
    for a, b, k in zip(s.double(), t.detach().double(), y, strict=True):
        log_q, log_p = ((z / temperature - torch.logsumexp(z / temperature, 0)) for z in (a, b))
        apart = sum(torch.exp(log_p[i]) * (log_p[i] - log_q[i]) for i in range(len(a)))
        losses.append(alpha * apart * temperature * temperature - (1 - alpha) * (a - a.logsumexp(0))[k])
    return sum(losses) / len(losses)


@right("Q14")
def torchs_distributions(student_logits, teacher_logits, labels, temperature, alpha):
    from torch.distributions import Categorical, kl_divergence

    teacher, student = (Categorical(logits=z / temperature) for z in (teacher_logits.detach(), student_logits))
    label_part = -Categorical(logits=student_logits).log_prob(labels).mean()
    return torch.lerp(label_part, kl_divergence(teacher, student).mean() * temperature**2, alpha)


@right("Q14")
def both_sides_in_logs(student_logits, teacher_logits, labels, temperature, alpha):
    apart = nn.KLDivLoss(reduction="none", log_target=True)(
        (student_logits / temperature).log_softmax(-1), (teacher_logits / temperature).log_softmax(-1).detach()
    )
    return (1 - alpha) * F.nll_loss(student_logits.log_softmax(-1), labels) + alpha * temperature**2 * apart.sum(
        1
    ).mean()


@right("Q14")
def a_sum_over_the_batch_size(student_logits, teacher_logits, labels, temperature, alpha):
    p = torch.exp(teacher_logits.detach() / temperature)
    p = p / p.sum(1, keepdim=True)
    q = F.softmax(student_logits / temperature, dim=1)
    soft = F.kl_div(q.log(), p, reduction="sum") / len(labels)
    return soft * (alpha * temperature**2) + F.cross_entropy(student_logits, labels) * (1 - alpha)


# --- Q14, wrong ------------------------------------------------------------------------------------------------------


@mistake(
    "Q14",
    hint="At temperature 1 it is right. At others the gradient has the right direction and is too small by the "
    "square of the temperature.",
)
def not_made_up_for(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * soft


@mistake(
    "Q14",
    hint="The gradient is still too small by a factor of the temperature. Section 7 shows where its two factors "
    "come from.",
)
def made_up_for_once(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature * soft


@mistake(
    "Q14",
    hint="At temperature 1 it is right. Above it, the gradient becomes smaller still: the factor for the "
    "temperature divides where it should multiply.",
)
def made_up_for_the_wrong_way(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * soft / temperature**2


@mistake(
    "Q14",
    hint="The student's logits are divided by the temperature and the teacher's are not.",
)
def a_teacher_without_temperature(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), t.detach().softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The teacher's logits are divided by the temperature and the student's are not.",
)
def a_student_without_temperature(s, t, y, temperature, alpha):
    soft = F.kl_div(s.log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The temperature only scales the loss. It also belongs inside both softmaxes.",
)
def only_the_factor(s, t, y, temperature, alpha):
    soft = F.kl_div(s.log_softmax(1), t.detach().softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The logits are multiplied by the temperature, which makes the probabilities sharper. A higher "
    "temperature should make them softer.",
)
def multiplied_by_the_temperature(s, t, y, temperature, alpha):
    soft = F.kl_div((s * temperature).log_softmax(1), (t.detach() * temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="`F.kl_div` takes the student's side as log-probabilities, and it gets probabilities.",
)
def no_logarithm(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The teacher's side is given as log-probabilities and the student's as probabilities. Which of its two "
    "arguments does `F.kl_div` want as logarithms?",
)
def the_logarithm_on_the_other_side(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).softmax(1), (t.detach() / temperature).log_softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="Student and teacher are exchanged: this is the divergence in the other direction, with another gradient."
    " `F.kl_div(input, target)`: which of the two is the target?",
)
def the_two_sides_swapped(s, t, y, temperature, alpha):
    soft = F.kl_div((t.detach() / temperature).log_softmax(1), (s / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The direction is right, and the teacher's part is too small by the number of classes: it is averaged "
    "over images and classes. A divergence is summed over the classes; one of the reductions of `F.kl_div` "
    "does that.",
)
def averaged_over_classes_too(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="mean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The teacher's part grows with the number of images: it is summed over the batch, while the labels' part "
    "is averaged.",
)
def summed_over_the_batch(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="sum")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The loss and the student's gradient are right, and the teacher's logits get a gradient as well, so the "
    "teacher would be trained too. Which call cuts a tensor off from the graph?",
)
def a_teacher_who_learns(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="alpha is the share of the labels in your loss. It should be the teacher's: with alpha = 0 the teacher "
    "has no effect.",
)
def shares_swapped(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return alpha * F.cross_entropy(s, y) + (1 - alpha) * temperature**2 * soft


@mistake(
    "Q14",
    hint="The labels' part keeps its full weight, whatever alpha is. The two shares add up to 1.",
)
def labels_in_full(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The labels' part is computed at the temperature as well. It uses the student's logits as they are.",
)
def labels_at_the_temperature(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s / temperature, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The square of the temperature multiplies both parts. Only the teacher's part needs it.",
)
def both_parts_made_up_for(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return temperature**2 * ((1 - alpha) * F.cross_entropy(s, y) + alpha * soft)


@mistake(
    "Q14",
    hint="The softmax runs over the images of the batch. Which axis holds the classes?",
)
def softmax_over_the_images(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(0), (t.detach() / temperature).softmax(0), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="Logits are compared by their squared distance. The question compares probabilities: a constant added to "
    "all logits must not change the loss.",
)
def squared_distance_of_logits(s, t, y, temperature, alpha):
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * F.mse_loss(s, t.detach())


@mistake(
    "Q14",
    hint="Only the class that the teacher ranks first is used. That is hard distillation (Q14b); here the "
    "teacher's whole distribution counts.",
)
def only_what_the_teacher_names(s, t, y, temperature, alpha):
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * F.cross_entropy(s, t.argmax(1))


@mistake(
    "Q14",
    hint="The loss has no gradient for the student: its logits are detached. Detach the teacher's.",
)
def the_student_cut_off(s, t, y, temperature, alpha):
    student = (s.detach() / temperature).log_softmax(1)
    soft = F.kl_div(student, (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


# --- Q14b, right -----------------------------------------------------------------------------------------------------


@right("Q14b")
def one_soft_target(student_logits, teacher_logits, labels):
    k = student_logits.shape[1]
    target = F.one_hot(labels, k) + F.one_hot(teacher_logits.max(dim=1).indices, k)
    return F.cross_entropy(student_logits, target / 2)


@right("Q14b")
def from_log_probabilities(student_logits, teacher_logits, labels):
    log_q = student_logits.log_softmax(-1)
    named = torch.topk(teacher_logits, 1, dim=-1).indices
    return -0.5 * (log_q.gather(1, labels[:, None]) + log_q.gather(1, named)).mean()


@right("Q14b")
def image_by_image(student_logits, teacher_logits, labels):
    total = 0
    for s, t, y in zip(student_logits, teacher_logits, labels, strict=True):
        best = max(range(len(t)), key=lambda k: t[k].item())
        total = total + s.logsumexp(0) - 0.5 * s[y] - 0.5 * s[best]
    return total / len(labels)


@right("Q14b")
def both_in_one_batch(student_logits, teacher_logits, labels):
    return F.cross_entropy(student_logits.repeat(2, 1), torch.cat([labels, teacher_logits.softmax(-1).argmax(-1)]))


@right("Q14b")
def in_float64_without_gradients_for_the_teacher(s, t, y):
    with torch.no_grad():
        decision = torch.argsort(t, dim=1, descending=True)[:, 0]
    loss = nn.NLLLoss(reduction="none")
    log_q = F.log_softmax(s.double(), dim=1)
    return torch.stack([loss(log_q, y), loss(log_q, decision)]).mean()


# --- Q14b, wrong -----------------------------------------------------------------------------------------------------


@mistake("Q14b", hint="The labels have no effect on your loss.")
def only_the_teacher(s, t, y):
    return F.cross_entropy(s, t.argmax(1))


@mistake("Q14b", hint="The teacher has no effect on your loss.")
def only_the_labels(s, t, y):
    return F.cross_entropy(s, y)


@mistake(
    "Q14b",
    hint="Both parts are right, and the gradient is twice as large as asked for: the two parts are added and not "
    "averaged.",
)
def two_wholes(s, t, y):
    return F.cross_entropy(s, y) + F.cross_entropy(s, t.argmax(1))


@mistake(
    "Q14b",
    hint="The teacher's whole distribution takes part: that is soft distillation. Hard distillation uses only the "
    "class that the teacher ranks first.",
)
def still_soft(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(s, t.detach().softmax(1))) / 2


@mistake(
    "Q14b",
    hint="The largest logit is looked for along the images. Along which axis does one image hold its classes?",
)
def largest_over_the_images(s, t, y):
    named = t.argmax(0)[torch.arange(len(y)) % t.shape[1]] % t.shape[1]
    return (F.cross_entropy(s, y) + F.cross_entropy(s, named)) / 2


@mistake(
    "Q14b",
    hint="The class that the student ranks first stands where the teacher's should.",
)
def the_students_own_favourite(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(s, s.argmax(1))) / 2


@mistake(
    "Q14b",
    hint="The class that the teacher finds least likely is used, and not the most likely one.",
)
def the_least_likely(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(s, t.argmin(1))) / 2


@mistake(
    "Q14b",
    hint="The class numbers of label and teacher are averaged: between class 1 and class 5 lies class 3, which "
    "neither named. Average the losses.",
)
def class_numbers_averaged(s, t, y):
    return F.cross_entropy(s, (y + t.argmax(1)) // 2)


@mistake(
    "Q14b",
    hint="The teacher's part grows with the number of images: it is summed over the batch, while the labels' part "
    "is averaged.",
)
def one_half_summed(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(s, t.argmax(1), reduction="sum")) / 2


@mistake(
    "Q14b",
    hint="The second part compares the teacher's logits with the labels. Both parts should use the student's logits.",
)
def the_teacher_examined(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(t, y)) / 2


@mistake(
    "Q14b",
    hint="The logits of student and teacher are mixed before they are compared with the labels. The loss compares "
    "the student's logits with two targets.",
)
def logits_mixed(s, t, y):
    return F.cross_entropy((s + t.detach()) / 2, y)


# --- Q14c, the stretch question --------------------------------------------------------------------------------------


@right("Q14c")
class inserted_after_splitting(nn.Module):
    def __init__(self, blocks, d, classes):
        super().__init__()
        self.encoder, self.head, self.head_dist = blocks, nn.Linear(d, classes), nn.Linear(d, classes)
        self.dist_token = nn.Parameter(torch.zeros(d))

    def forward(self, x):
        first, rest = x.split([1, x.shape[1] - 1], dim=1)
        x = self.encoder(torch.cat((first, self.dist_token.repeat(len(x), 1, 1), rest), 1))
        both = self.head(x[:, 0]), self.head_dist(x[:, 1])
        return both if self.training else sum(both) / 2


@right("Q14c")
class filled_into_a_new_tensor(nn.Module):
    def __init__(self, blocks, emb_size, n_classes):
        super().__init__()
        self.dist_token = nn.Parameter(torch.randn(1, emb_size))
        self.blocks = blocks
        self.head_dist = nn.Linear(emb_size, n_classes)
        self.head = nn.Linear(emb_size, n_classes)

    def forward(self, tokens):
        b, n, d = tokens.shape
        longer = tokens.new_zeros(b, n + 1, d)
        longer[:, 0], longer[:, 1], longer[:, 2:] = tokens[:, 0], self.dist_token, tokens[:, 1:]
        longer = self.blocks(longer)
        logits = torch.stack([self.head(longer[:, 0]), self.head_dist(longer[:, 1])])
        return tuple(logits) if self.training else logits.mean(0)


@right("Q14c")
class as_timm_has_it(nn.Module):
    def __init__(self, blocks, emb_size, n_classes):
        super().__init__()
        self.blocks = blocks
        self.dist_token = nn.Parameter(torch.zeros(1, 1, emb_size))
        nn.init.trunc_normal_(self.dist_token, std=0.02)
        self.head, self.head_dist = nn.Linear(emb_size, n_classes), nn.Linear(emb_size, n_classes)

    def forward_head(self, x):
        x, x_dist = self.head(x[:, 0]), self.head_dist(x[:, 1])
        if not self.training:
            return (x + x_dist) / 2
        return x, x_dist

    def forward(self, tokens):
        dist = self.dist_token.expand(tokens.shape[0], -1, -1)
        return self.forward_head(self.blocks(torch.cat((tokens[:, :1], dist, tokens[:, 1:]), dim=1)))


edited("Q14c", "a_list_of_two", {"return by_class, by_teacher": "return [by_class, by_teacher]"})
edited("Q14c", "halves_of_the_mean", {"return (by_class + by_teacher) / 2": "return by_class / 2 + by_teacher / 2"})

RETURN = "return (by_class + by_teacher) / 2"
for name, changes, hint in (
    ("token_at_the_end", {"tokens[:, :1], added, tokens[:, 1:]": "tokens, added"},
     "The distillation token is at the end of the sequence. `head_dist` reads token 1, which is then a patch."),
    ("token_in_front", {"tokens[:, :1], added, tokens[:, 1:]": "added, tokens"},
     "The distillation token is in front of the class token, so each head reads the other's token."),
    ("token_replaces_a_patch", {"tokens[:, :1], added, tokens[:, 1:]": "tokens[:, :1], added, tokens[:, 2:]"},
     ("The distillation token takes the place of the first patch. It should be inserted, so that the sequence becomes "
     "longer.")),
    ("no_blocks", {"tokens = self.blocks(tokens)": "tokens = tokens"},
     "The heads read the tokens as they came in: the blocks are not called."),
    ("one_head_for_both", {"self.head_dist(tokens[:, 1])": "self.head(tokens[:, 1])"},
     "Both tokens are read by the same head."),
    ("both_heads_read_the_class_token", {"self.head_dist(tokens[:, 1])": "self.head_dist(tokens[:, 0])"},
     "Both heads read the class token, so the distillation token has no output of its own."),
    ("heads_exchanged", {"return by_class, by_teacher": "return by_teacher, by_class"},
     "In training mode the two logits come in the opposite order: the class token's logits come first."),
    ("always_the_mean", {"if self.training:": "if False:"},
     "In training mode the mean is returned. The two losses need two separate logits."),
    ("never_the_mean", {RETURN: "return by_class, by_teacher"},
     "In evaluation mode two logits are returned. A prediction needs one."),
    ("class_token_alone_in_evaluation", {RETURN: "return by_class"},
     "In evaluation mode only the class token's logits are returned."),
    ("sum_in_evaluation", {RETURN: "return by_class + by_teacher"},
     "In evaluation mode the two logits are added, and not averaged."),
    ("mean_of_probabilities", {RETURN: "return (by_class.softmax(-1) + by_teacher.softmax(-1)) / 2"},
     "In evaluation mode probabilities are averaged. The logits should be."),
    ("token_detached", {"added = self.dist_token.expand": "added = self.dist_token.detach().expand"},
     "The logits are right, and the distillation token receives no gradient."),
    ("teacher_branch_detached", {"self.head_dist(tokens[:, 1])": "self.head_dist(tokens[:, 1].detach())"},
     "The logits are right, but the gradient of the teacher's loss stops at the second head."),
    ("mean_over_the_tokens", {"self.head(tokens[:, 0])": "self.head(tokens.mean(1))"},
     "The first head reads the mean of all tokens and not the class token."),
):  # fmt: skip
    edited("Q14c", name, changes, hint=hint)
