"""Lesson 08: what students really write, right in unusual ways and wrong in usual ones."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from grading.judging.bank import mistake, right

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
    hint="Your curve starts at base_lr, at the very first step: there is no warm-up in it. Which steps should not "
    "be on the cosine yet?",
)
def no_warmup(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * step / total_steps)) / 2


@mistake(
    "Q13",
    hint="During the warm-up yours stands still at base_lr. A warm-up climbs: what is the rate half way through?",
)
def a_flat_start(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    progress = max(0, step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="Your climb is one step ahead: at step 0 it is not 0 but already one stair up, and base_lr is there one step "
    "before the warm-up ends. Others count like that; here the first sentence of the question fixes both ends.",
)
def one_step_ahead(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="Your climb reaches its top at total_steps, not at warmup_steps: the curve jumps where the descent begins. "
    "How long should the climb take?",
)
def climbs_over_the_whole_run(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / total_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="The climb is right, then the curve falls off a cliff: your cosine has been running since step 0. When should "
    "its clock start?",
)
def cosine_counts_from_zero(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * step / total_steps)) / 2


@mistake(
    "Q13",
    hint="Your descent starts well and is not down when the training ends: it is stretched over all steps, though some "
    "of them went to the warm-up. How many are left for it?",
)
def cosine_over_all_steps(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / total_steps
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="Your descent ends below zero or half way: the progress goes past 1, because steps are counted from 0 while "
    "you divide by what the descent has left. Which progress does the step warmup_steps have?",
)
def progress_not_shifted(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = step / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="After the warm-up yours drops to the middle, swings up and comes back: that is the other wave. Which of sine "
    "and cosine is at its highest at progress 0?",
)
def a_sine(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.sin(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="Your curve flickers up and down from step to step: the angle runs far too fast. In which unit does math.cos "
    "want its angle?",
)
def degrees(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(180 * progress)) / 2


@mistake(
    "Q13",
    hint="You come down by a quarter of a wave: steepest at the end, where it should be flat. How far does a cosine "
    "turn from its highest to its lowest point?",
)
def a_quarter_wave(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * math.cos(math.pi / 2 * progress)


@mistake(
    "Q13",
    hint="Half way your rate is zero and then it is negative: training would walk uphill. A cosine runs from 1 to -1; "
    "what makes that 1 to 0?",
)
def below_zero(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * math.cos(math.pi * progress)


@mistake(
    "Q13",
    hint="The descent of yours starts at twice base_lr. A cosine plus 1 runs from 2 to 0: something is still missing.",
)
def twice_as_high(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress))


@mistake(
    "Q13",
    hint="Yours comes down along a straight line. It is the right way at both ends and in the middle, but a half wave "
    "bends in between.",
)
def a_straight_line(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return base_lr + (final_lr - base_lr) * progress


@mistake(
    "Q13",
    hint="Yours goes down and up again: a whole wave, so that training ends at full speed. Only half of it is wanted.",
)
def a_whole_wave(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(2 * math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="All is right as long as final_lr is 0. With another one, your curve goes down to 0 all the same: one "
    "argument is never read.",
)
def final_never_read(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return base_lr * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="All is right as long as final_lr is 0. With another one your descent starts above base_lr: you put final_lr "
    "on top. Over which height does the wave have to come down, if it must end there?",
)
def final_put_on_top(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + base_lr * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="All is right as long as final_lr is 0. With another one your curve stays flat at the end, as if cut off: the "
    "wave itself should end at final_lr, not be stopped there.",
)
def cut_off_at_final(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return max(final_lr, base_lr * (1 + math.cos(math.pi * progress)) / 2)


@mistake(
    "Q13",
    hint="With final_lr = 0 all is well. With another one, your warm-up starts there and not at 0.",
)
def warmup_from_final(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return final_lr + (base_lr - final_lr) * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2


@mistake(
    "Q13",
    hint="Your warm-up is 0 for all of its steps. `//` drops everything behind the point.",
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
    hint="Your images are mixed well, and your labels still say that each is itself alone. Whoever is one third a "
    "cross should be called one third a cross.",
)
def labels_not_mixed(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.randperm(len(x))
    return lam * x + (1 - lam) * x[p], F.one_hot(y, num_classes).float()


@mistake(
    "Q11",
    hint="You give the labels back as they came, one whole number each. A label that is two things at once needs a "
    "number per class.",
)
def labels_as_they_came(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.randperm(len(x))
    return lam * x + (1 - lam) * x[p], y


@mistake(
    "Q11",
    hint="You take the mean of class *numbers*: between class 2 and class 6 there is no class 4 that would be half of "
    "either. What can be mixed is one column per class.",
)
def class_numbers_mixed(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.arange(len(x) - 1, -1, -1)
    return lam * x + (1 - lam) * x[p], lam * y + (1 - lam) * y[p]


@mistake(
    "Q11",
    hint="Each row of your labels has a single 1, often in the column of a class that has nothing to do with the "
    "image: you mixed class numbers, rounded, and then spread them out. The order of these steps matters.",
)
def class_numbers_mixed_then_spread(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.arange(len(x) - 1, -1, -1)
    return lam * x + (1 - lam) * x[p], F.one_hot((lam * y + (1 - lam) * y[p]).long(), num_classes).float()


@mistake(
    "Q11",
    hint="Your labels are right; your images hold lam of the *partner*. Which of the two should be the larger part at "
    "lam = 0.8?",
)
def shares_swapped_in_the_images(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return (1 - lam) * x + lam * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="Your images are right; your labels give lam to the *partner's* class. The picture is 80 % a ring, and its "
    "label says 20 %.",
)
def shares_swapped_in_the_labels(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], (1 - lam) * hot + lam * hot[p]


@mistake(
    "Q11",
    hint="Images and labels agree with each other, but lam has gone to the partner in both. At lam = 1 each image "
    "should be left as it is.",
)
def shares_swapped_in_both(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return (1 - lam) * x + lam * x[p], (1 - lam) * hot + lam * hot[p]


@mistake(
    "Q11",
    hint="Your images come out as they went in: each is mixed with itself, lam of it and 1 - lam of it. Where does the "
    "partner come in?",
)
def mixed_with_themselves(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    hot = F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x, lam * hot + (1 - lam) * hot


@mistake(
    "Q11",
    hint="The labels are mixed, the images are as they were. You ask the model to see a second thing that isn't there.",
)
def only_labels_mixed(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p, hot = torch.arange(len(x) - 1, -1, -1), F.one_hot(y, num_classes).float()
    return x, lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="The shares are right on both sides, but an image and its label have *different* partners: you shuffle twice. "
    "How often should the dice for the order be rolled?",
)
def two_shuffles(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    hot = F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x.roll(1, 0), lam * hot + (1 - lam) * hot.roll(2, 0)


@mistake(
    "Q11",
    hint="Your labels have too few columns whenever the last classes don't occur in the batch. Who knows how many "
    "classes there are?",
)
def as_wide_as_the_largest_label(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    p = torch.randperm(len(x))
    hot = F.one_hot(y).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="With a given lam all is right. Drawn by you, every pixel gets a lam of its own: the result is noise made of "
    "two pictures, and no label could say how much of each.",
)
def a_lam_for_every_pixel(x, y, alpha, num_classes, lam=None):
    if lam is None:
        lam = torch.distributions.Beta(alpha, alpha).sample(x.shape).to(x.device)
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    share = lam.mean().item() if torch.is_tensor(lam) else lam
    return lam * x + (1 - lam) * x[p], share * hot + (1 - share) * hot[p]


@mistake(
    "Q11",
    hint="With a given lam all is right. Drawn by you, every lam from 0 to 1 is as likely as any other, whatever alpha "
    "says. Compare with the curves of section 5.",
)
def lam_drawn_evenly(x, y, alpha, num_classes, lam=None):
    lam = torch.rand(1).item() if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="With a given lam all is right. Drawn by you, lam leans to one side: its mean is not one half. A Beta has two "
    "numbers; which should both of them be?",
)
def a_lopsided_beta(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, 1) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="With a given lam all is right. Left out, yours is always alpha itself. alpha says how the dice are shaped; "
    "they still have to be rolled.",
)
def alpha_is_taken_for_lam(x, y, alpha, num_classes, lam=None):
    lam = min(alpha, 1.0) if lam is None else lam
    p, hot = torch.randperm(len(x)), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="All is right but for lam = 0: there you roll the dice, though a lam was given. In Python 0.0 counts as "
    "false; ask for None itself.",
)
def zero_counts_as_nothing(x, y, alpha, num_classes, lam=None):
    lam = lam or np.random.beta(alpha, alpha)
    p, hot = torch.arange(len(x) - 1, -1, -1), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="The lam that is given is thrown away: images and labels agree, but on a number that you drew yourself.",
)
def given_lam_thrown_away(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha)
    p, hot = torch.arange(len(x) - 1, -1, -1), F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x[p], lam * hot + (1 - lam) * hot[p]


@mistake(
    "Q11",
    hint="You always take half and half. How much of each is what lam says.",
)
def always_half_and_half(x, y, alpha, num_classes, lam=None):
    p, hot = torch.arange(len(x) - 1, -1, -1), F.one_hot(y, num_classes).float()
    return (x + x[p]) / 2, (hot + hot[p]) / 2


@mistake(
    "Q11",
    hint="The result is right, but the batch that was given to you is no longer what it was: you wrote into it. Make "
    "new tensors.",
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
    hint="Each of your images is mixed with its own mirror image: you turned the last axis around. Which axis counts "
    "the images?",
)
def mixed_with_the_mirror_image(x, y, alpha, num_classes, lam=None):
    lam = np.random.beta(alpha, alpha) if lam is None else lam
    hot = F.one_hot(y, num_classes).float()
    return lam * x + (1 - lam) * x.flip(-1), lam * hot + (1 - lam) * hot.flip(0)


@mistake(
    "Q11",
    hint="Both parts get the same share, so that your images grow lighter or darker and a label's shares don't add up "
    "to 1. What is left for the partner when lam is taken?",
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
    hint="The right samples are gone, and the others are as they were: over many draws the mean is too small. In eval "
    "every sample comes through; what must training do to match that?",
)
def not_rescaled(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob)


@mistake(
    "Q12",
    hint="You drop single numbers here and there: that is dropout. Stochastic depth drops a sample's whole branch, or "
    "nothing of it. How many dice does one sample get?",
)
def dice_for_every_number(x, drop_prob, training):
    return F.dropout(x, drop_prob, training)


@mistake(
    "Q12",
    hint="You roll the dice in eval as well: the same image would get another answer each time. One of the arguments "
    "is never asked.",
)
def dice_in_eval_too(x, drop_prob, training):
    kept = torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob
    return x * kept / (1 - drop_prob)


@mistake(
    "Q12",
    hint="You have it the old way around: training leaves what is kept as it is, eval shrinks everything. The means do "
    "match; but the question wants eval to be the identity.",
)
def eval_is_scaled_instead(x, drop_prob, training):
    if not training:
        return x * (1 - drop_prob)
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob)


@mistake(
    "Q12",
    hint="One roll of the dice decides for the whole batch: all samples are kept or all are dropped. Whose fate should "
    "be separate?",
)
def one_fate_for_the_whole_batch(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(1, device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="What is kept comes out far too large: you divide by the probability of being dropped. With drop_prob = 0.1 "
    "nearly all stays, so it should grow only a little.",
)
def divided_by_the_dropped_share(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob) / drop_prob


@mistake(
    "Q12",
    hint="What is kept gets smaller, though others are missing: you multiply where the mean asks for the opposite.",
)
def multiplied_by_the_kept_share(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob) * (1 - drop_prob)


@mistake(
    "Q12",
    hint="You *keep* the share that should be dropped: with drop_prob = 0.2, four of five samples are gone. Look at "
    "your comparison.",
)
def comparison_turned_around(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) < drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="Your keep and your drop are swapped everywhere: too many samples are gone, and the few that stay are scaled "
    "for that. The mean is right, the rate isn't.",
)
def keeps_with_the_drop_probability(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) < drop_prob) / drop_prob


@mistake(
    "Q12",
    hint="Right for tokens (b, n, d), and for nothing else: the shape of your dice has three axes, always. Take their "
    "number from x.",
)
def three_axes_always(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), 1, 1, device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="Each *token* has its own dice: in one sample, some tokens lose the branch and others don't. A sample is all "
    "the tokens of one image.",
)
def dice_for_every_token(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(*x.shape[:2], *[1] * (x.ndim - 2), device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="Your dice lie along the last axis: some columns are gone, in every sample alike. Broadcasting lines shapes "
    "up from the right; where do samples stand?",
)
def dice_along_the_last_axis(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * (torch.rand(x.shape[-1], device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="Every sample is multiplied by a random number between 0 and 1. The dice say yes or no; what turns a number "
    "into that?",
)
def multiplied_by_the_dice(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x * torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="You roll the dice in eval, and leave training alone: the argument is asked, the answer turned around.",
)
def training_turned_around(x, drop_prob, training):
    if training or drop_prob == 0:
        return x
    return x * (torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob) / (1 - drop_prob)


@mistake(
    "Q12",
    hint="The result is right, but the tensor you were given has changed: in a residual block, that is the stream "
    "itself. Make a new one.",
)
def written_into_x(x, drop_prob, training):
    if not training or drop_prob == 0:
        return x
    return x.mul_(torch.rand(len(x), *[1] * (x.ndim - 1), device=x.device) >= drop_prob).div_(1 - drop_prob)


@mistake(
    "Q12",
    hint="Every call drops the very same samples: your dice are glued to one seed.",
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
    hint="At temperature 1 all is right. At others the direction is right and the pull is too weak by the square of "
    "the temperature: something in section 7 makes up for that.",
)
def not_made_up_for(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * soft


@mistake(
    "Q14",
    hint="You make up for one of two divisions: the pull is still too weak by a factor of the temperature. One comes "
    "from the softer student; where does the second come from?",
)
def made_up_for_once(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature * soft


@mistake(
    "Q14",
    hint="At temperature 1 all is right. Beyond, your pull gets weaker and weaker: the factor that should make up for "
    "the temperature is on the wrong side of the fraction.",
)
def made_up_for_the_wrong_way(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * soft / temperature**2


@mistake(
    "Q14",
    hint="Your teacher speaks at temperature 1 while the student is softened: they could never agree. Both are asked "
    "at the same temperature.",
)
def a_teacher_without_temperature(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), t.detach().softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="Your student answers at temperature 1 while the teacher is softened: they could never agree. Both are asked "
    "at the same temperature.",
)
def a_student_without_temperature(s, t, y, temperature, alpha):
    soft = F.kl_div(s.log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The temperature only scales your loss; neither side is softened by it. It belongs inside, before the "
    "softmax.",
)
def only_the_factor(s, t, y, temperature, alpha):
    soft = F.kl_div(s.log_softmax(1), t.detach().softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="Your logits are made larger by the temperature, and so the probabilities sharper. Warm things melt: which "
    "operation makes differences smaller?",
)
def multiplied_by_the_temperature(s, t, y, temperature, alpha):
    soft = F.kl_div((s * temperature).log_softmax(1), (t.detach() * temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="`F.kl_div` takes the student's side as logarithms, and yours gets plain probabilities. The gradient then "
    "doesn't know where it is going: read the first lines of its documentation.",
)
def no_logarithm(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The logarithm is on the teacher's side, and the student's lacks it: negative numbers take the place of the "
    "teacher's probabilities. Which of its two arguments does `F.kl_div` want as logarithms?",
)
def the_logarithm_on_the_other_side(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).softmax(1), (t.detach() / temperature).log_softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="Each side is prepared well, but they stand in each other's place: yours measures how surprising the "
    "*student* is to the teacher. That is another divergence, with another gradient. Who is the truth here?",
)
def the_two_sides_swapped(s, t, y, temperature, alpha):
    soft = F.kl_div((t.detach() / temperature).log_softmax(1), (s / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The direction is right, and the teacher's part is too small by the number of classes: you average over "
    "images *and* classes. A divergence is summed over the classes; torch has a reduction for just that.",
)
def averaged_over_classes_too(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="mean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The teacher's part grows with the number of images: it is summed over the batch, while the labels' part is "
    "averaged.",
)
def summed_over_the_batch(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="sum")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The loss is right, and its gradient runs into the teacher as well: it would be taught to agree with its "
    "pupil. What cuts a tensor off from the way back?",
)
def a_teacher_who_learns(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="alpha has gone to the labels. The question gives it to the teacher: at alpha = 0 the teacher has no say.",
)
def shares_swapped(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return alpha * F.cross_entropy(s, y) + (1 - alpha) * temperature**2 * soft


@mistake(
    "Q14",
    hint="The labels' part keeps its full weight, whatever alpha is: the two shares should add up to 1.",
)
def labels_in_full(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The labels' part is softened too. The temperature is for the talk with the teacher; labels are judged as the "
    "model will be used, at temperature 1.",
)
def labels_at_the_temperature(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s / temperature, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="The square of the temperature multiplies both parts. Only one of them was made weaker by it.",
)
def both_parts_made_up_for(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(1), (t.detach() / temperature).softmax(1), reduction="batchmean")
    return temperature**2 * ((1 - alpha) * F.cross_entropy(s, y) + alpha * soft)


@mistake(
    "Q14",
    hint="Your softmax runs over the images of the batch: a class shares out its probability among images. Which axis "
    "holds the classes?",
)
def softmax_over_the_images(s, t, y, temperature, alpha):
    soft = F.kl_div((s / temperature).log_softmax(0), (t.detach() / temperature).softmax(0), reduction="batchmean")
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * temperature**2 * soft


@mistake(
    "Q14",
    hint="You compare logits by their squared distance. A constant added to all logits changes no probability, but "
    "changes your loss; the question compares probabilities.",
)
def squared_distance_of_logits(s, t, y, temperature, alpha):
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * F.mse_loss(s, t.detach())


@mistake(
    "Q14",
    hint="You let the teacher name one class and forget the rest of what it says. That is hard distillation, the next "
    "question; here its whole distribution counts.",
)
def only_what_the_teacher_names(s, t, y, temperature, alpha):
    return (1 - alpha) * F.cross_entropy(s, y) + alpha * F.cross_entropy(s, t.argmax(1))


@mistake(
    "Q14",
    hint="The loss is one number without a gradient: it was cut off, and nobody can learn from it. Cut off the "
    "teacher, not the student.",
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


@mistake("Q14b", hint="Only the teacher is listened to: the labels have no part in your loss.")
def only_the_teacher(s, t, y):
    return F.cross_entropy(s, t.argmax(1))


@mistake("Q14b", hint="Only the labels are listened to: whatever the teacher says, your loss stays the same.")
def only_the_labels(s, t, y):
    return F.cross_entropy(s, y)


@mistake(
    "Q14b",
    hint="Both parts are right, and together they pull twice as hard as one cross-entropy: two wholes, where the "
    "formula has two halves.",
)
def two_wholes(s, t, y):
    return F.cross_entropy(s, y) + F.cross_entropy(s, t.argmax(1))


@mistake(
    "Q14b",
    hint="The teacher's whole distribution takes part: that is soft distillation. Hard means that it names one class.",
)
def still_soft(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(s, t.detach().softmax(1))) / 2


@mistake(
    "Q14b",
    hint="You look for the largest along the images, and find the image that fits a class best. Along which axis does "
    "one image hold its classes?",
)
def largest_over_the_images(s, t, y):
    named = t.argmax(0)[torch.arange(len(y)) % t.shape[1]] % t.shape[1]
    return (F.cross_entropy(s, y) + F.cross_entropy(s, named)) / 2


@mistake(
    "Q14b",
    hint="The *student's* own favourite class stands where the teacher's should: it is patted on the back for whatever "
    "it says.",
)
def the_students_own_favourite(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(s, s.argmax(1))) / 2


@mistake(
    "Q14b",
    hint="You take the class that the teacher finds *least* likely.",
)
def the_least_likely(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(s, t.argmin(1))) / 2


@mistake(
    "Q14b",
    hint="You average the class numbers of label and teacher: between class 1 and class 5 lies class 3, which nobody "
    "spoke of. Average the losses.",
)
def class_numbers_averaged(s, t, y):
    return F.cross_entropy(s, (y + t.argmax(1)) // 2)


@mistake(
    "Q14b",
    hint="The teacher's part grows with the number of images: one half is averaged over the batch, the other summed.",
)
def one_half_summed(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(s, t.argmax(1), reduction="sum")) / 2


@mistake(
    "Q14b",
    hint="It is the *teacher* who is compared with the labels in your second half. The student learns nothing from "
    "that, and the teacher would.",
)
def the_teacher_examined(s, t, y):
    return (F.cross_entropy(s, y) + F.cross_entropy(t, y)) / 2


@mistake(
    "Q14b",
    hint="You mix the logits of student and teacher before you compare with the labels. The loss should compare the "
    "student's logits, alone, with two answers.",
)
def logits_mixed(s, t, y):
    return F.cross_entropy((s + t.detach()) / 2, y)
