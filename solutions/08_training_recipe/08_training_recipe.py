# ---
# jupyter:
#   jupytext:
#     formats: py:percent
# ---

# %% [markdown]
# # 08 · The training recipe {{badge}}

# %% tags=["bootstrap"]

# %% tags=["setup"]
import math

import torch
import torch.nn.functional as F
from torch import nn

from helpers import check, ready

# %% tags=["answer"] question="Q13"
# Q13: warm-up and cosine
def warmup_cosine(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0):
    if step < warmup_steps:
        return base_lr * step / warmup_steps  # BLANK
    progress = (step - warmup_steps) / (total_steps - warmup_steps)  # BLANK
    return final_lr + (base_lr - final_lr) * (1 + math.cos(math.pi * progress)) / 2  # BLANK


# %% tags=["check"] question="Q13" points=3
check("Q13", warmup_cosine)

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

# %% tags=["answer"] question="Q14b"
# Q14b: hard distillation
def hard_distillation_loss(student_logits, teacher_logits, labels):
    named = teacher_logits.argmax(dim=-1)  # BLANK
    return (F.cross_entropy(student_logits, labels) + F.cross_entropy(student_logits, named)) / 2  # BLANK


# %% tags=["check"] question="Q14b" points=2
check("Q14b", hard_distillation_loss)
