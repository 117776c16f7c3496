"""Lesson 08, second half: the schedule of the learning rate, and learning from a teacher.

Losses are judged by what moves a student: the gradient, and differences of the loss. A constant that depends on the
teacher alone is free.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor
from helpers.checks.module_probes import NOTHING, as_single
from helpers.pictures.training_recipe import gradient_picture, schedule_picture


class Schedule(Question):
    id = "Q13"
    title = "Warm-up and cosine"
    signature = "warmup_cosine(step, total_steps, warmup_steps, base_lr=1.0, final_lr=0.0) -> learning rate"
    criteria = (
        Criterion(
            "warmup",
            "a straight line from 0 at step 0 up to base_lr at step warmup_steps",
            hint="The rate is compared step by step from step 0 to the end of the warm-up.",
        ),
        Criterion(
            "cosine",
            "from there half a cosine wave down, to its end at total_steps",
            share=2,
            hint="The rate is compared step by step from the end of the warm-up to total_steps.",
        ),
        Criterion(
            "final",
            "it ends at final_lr",
            hint="The function is called with a final_lr above 0, and every step is compared.",
        ),
        Criterion(
            "alone",
            "without a warm-up (warmup_steps = 0) it starts at base_lr",
            hint="The function is called with warmup_steps = 0, and every step is compared.",
        ),
        Criterion(
            "defaults",
            "base_lr and final_lr left out: a factor between 1 and 0",
            hint="The function is called with three arguments, and every step is compared.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        total, warmup = int(rng.integers(20, 40)), int(rng.integers(5, 9))
        base = round(float(rng.uniform(0.5, 4.0)), 2)
        name = f"{total} steps, {warmup} of warm-up"
        yield Case(f"{name}, base_lr = {base:g}", criteria=("warmup", "cosine"), total=total, warmup=warmup, base=base)
        total, warmup = int(rng.integers(41, 70)), int(rng.integers(4, 20))
        final = round(base * float(rng.uniform(0.1, 0.4)), 2)
        yield Case(
            f"final_lr = {final:g}", criteria=("final",), total=total, warmup=warmup, base=base, final=final
        )  # fmt: skip
        total = int(rng.integers(10, 20))
        yield Case(f"{total} steps without warm-up", criteria=("alone",), total=total, warmup=0, base=base)
        total = int(rng.integers(71, 400))
        warmup = int(rng.integers(5, total // 2))
        yield Case("base_lr and final_lr left out", criteria=("defaults",), total=total, warmup=warmup)

    def probe(self, answer, case):
        given = {f"{name}_lr": case[name] for name in ("base", "final") if name in case}
        steps = range(case["total"] + 1)
        return {"lr": [_number(answer(step, case["total"], case["warmup"], **given)) for step in steps]}

    def judge(self, case, expected, got):
        wanted, given, room = expected["lr"], got.get("lr", NOTHING), got.tolerance
        if given.shape != wanted.shape:
            for criterion in ("warmup", "cosine", "final", "alone", "defaults"):
                yield same_shape(criterion, wanted, given)
            return
        top = case["warmup"]
        yield _by_step("warmup", wanted, given, range(top), room)
        yield _by_step("cosine", wanted, given, range(top, len(wanted)), room)
        for criterion in ("final", "alone", "defaults"):
            yield _by_step(criterion, wanted, given, range(len(wanted)), room)

    def picture(self, case, expected, got):
        return schedule_picture(expected["lr"], case["warmup"], None if got is None else got["lr"])


class Distillation(Question):
    id = "Q14"
    title = "Distillation loss"
    signature = "distillation_loss(student_logits, teacher_logits, labels, temperature, alpha) -> loss, one number"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "the loss is one number",
            share=0,
            hint="A loss per image or per class has to be averaged to one number.",
        ),
        Criterion(
            "labels",
            "alpha = 0: the plain cross-entropy with the labels",
            hint="With alpha = 0 the loss depends on the labels alone. The gradient for the student's logits is "
            "compared.",
        ),
        Criterion(
            "teacher",
            "alpha = 1, temperature 1: the gradient points to the teacher's probabilities",
            share=2,
            hint="The gradient for the student's logits is compared with the solution's: the picture shows both.",
        ),
        Criterion(
            "temperature",
            "alpha = 1, other temperatures: both sides are softened, and the loss is scaled accordingly",
            share=2,
            hint="The gradient for the student's logits is compared at two temperatures, one above 1 and one below.",
        ),
        Criterion(
            "constant",
            "the teacher's logits get no gradient",
            counts_with=("teacher", "temperature", "blend"),
            hint="Only the student learns. The gradient of the loss for the teacher's logits is compared with zero.",
        ),
        Criterion(
            "blend",
            "alpha between 0 and 1: 1 - alpha of the labels' part and alpha of the teacher's",
            share=2,
            hint="Both parts count here. The gradient for the student's logits is compared.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        warm = round(float(rng.uniform(1.5, 5.0)), 1)
        yield _loss_case(rng, "alpha = 0", ("shape", "labels"), temperature=warm, alpha=0.0)
        yield _loss_case(rng, "alpha = 1, temperature 1", ("teacher", "constant"), temperature=1.0, alpha=1.0)
        warm = round(float(rng.uniform(2.5, 6.0)), 1)
        yield _loss_case(rng, f"alpha = 1, temperature {warm:g}", ("temperature",), temperature=warm, alpha=1.0)
        warm = round(float(rng.uniform(0.4, 0.8)), 1)
        yield _loss_case(rng, f"alpha = 1, temperature {warm:g}", ("temperature",), temperature=warm, alpha=1.0)
        warm, alpha = round(float(rng.uniform(2.0, 4.0)), 1), float(rng.choice([0.2, 0.3, 0.7, 0.8]))
        yield _loss_case(
            rng, f"alpha = {alpha:g}, temperature {warm:g}", ("blend", "constant"), temperature=warm, alpha=alpha
        )

    def probe(self, answer, case):
        return _learned_from(case, lambda s, t, y: answer(s, t, y, case["temperature"], case["alpha"]))

    def judge(self, case, expected, got):
        yield same_shape("shape", np.zeros(2), got.get("losses"))
        for criterion in ("labels", "teacher", "temperature", "blend"):
            yield _same_pull(criterion, case, expected, got)
        still = np.abs(np.nan_to_num(got.get("teacher", np.ones(1)), nan=1.0)).max(initial=0.0) <= 1e-6
        yield Finding("constant", still, "the teacher's logits get a gradient")

    def features(self, case, expected, got):
        return _pull_marks(got)

    def picture(self, case, expected, got):
        return _pull_picture(expected, got)


class HardDistillation(Question):
    id = "Q14b"
    title = "Hard distillation"
    signature = "hard_distillation_loss(student_logits, teacher_logits, labels) -> loss, one number"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "the loss is one number",
            share=0,
            hint="A loss per image has to be averaged to one number.",
        ),
        Criterion(
            "agree",
            "teacher and labels agree: the plain cross-entropy",
            hint="When teacher and label name the same class, the two halves are equal. Compare the sizes.",
        ),
        Criterion(
            "differ",
            "they differ: half of the gradient for the label, half for the teacher's class",
            share=2,
            hint="Blue marks logits that a step raises. Each row should have a blue field for the label and one for "
            "the teacher's class, equally strong.",
        ),
        Criterion(
            "sizes",
            "other numbers of images and classes",
            hint="The same is asked of other numbers of images and classes.",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        yield _loss_case(rng, "a teacher who is right", ("shape", "agree"), agree=True)
        yield _loss_case(rng, "a teacher who is not", ("differ",), agree=False)
        b = int(rng.integers(9, 14))
        yield _loss_case(rng, f"{b} images", ("sizes",), b=b)

    def probe(self, answer, case):
        return _learned_from(case, answer)

    def judge(self, case, expected, got):
        yield same_shape("shape", np.zeros(2), got.get("losses"))
        for criterion in ("agree", "differ", "sizes"):
            yield _same_pull(criterion, case, expected, got)

    def features(self, case, expected, got):
        return _pull_marks(got)

    def picture(self, case, expected, got):
        return _pull_picture(expected, got)


def _number(value: Any) -> float:
    import torch

    one = torch.as_tensor(value).reshape(-1)
    if one.numel() != 1:
        raise ValueError(f"one learning rate was expected, and {one.numel()} came")
    return float(one)


def _by_step(criterion: str, wanted: np.ndarray, given: np.ndarray, steps: range, room: float) -> Finding:
    off = [s for s in steps if not abs(given[s] - wanted[s]) <= room * max(1.0, float(np.abs(wanted).max()))]
    if not off:
        return Finding(criterion, True)
    first = off[0]
    return Finding(criterion, False, f"step {first}: expected {wanted[first]:.4g}, got {given[first]:.4g}")


def _loss_case(
    rng: np.random.Generator,
    name: str,
    criteria: tuple[str, ...],
    b: int = 5,
    agree: bool | None = None,
    **settings: float,
) -> Case:
    """Logits of two students and a teacher (b, k), and labels; k is drawn, and is never b."""
    k = int(rng.choice([k for k in (3, 4, 6, 7, 8) if k != b]))
    students, teacher = rng.normal(0, 1.5, (2, b, k)), rng.normal(0, 2.0, (b, k))
    labels = rng.integers(0, k, b)
    if agree is not None:
        labels = (teacher.argmax(1) + (0 if agree else rng.integers(1, k, b))) % k
    return Case(
        name, criteria=criteria, students=as_single(students), teacher=as_single(teacher), labels=labels, **settings
    )


def _learned_from(case: Case, loss_of: Any) -> dict[str, Any]:
    """The losses of two students beside one teacher, and the first one's gradient for its and the teacher's logits."""
    import torch

    teacher, labels = tensor(case["teacher"]).requires_grad_(), tensor(case["labels"]).long()
    students = [tensor(s).requires_grad_() for s in case["students"]]
    losses = [torch.as_tensor(loss_of(student, teacher, labels)) for student in students]
    if losses[0].requires_grad:
        losses[0].sum().backward()
    pulls = [torch.zeros_like(t) if t.grad is None else t.grad for t in (students[0], teacher)]
    return {"losses": torch.stack([one.detach() for one in losses]), "student": pulls[0], "teacher": pulls[1]}


def _same_pull(criterion: str, case: Case, expected: Any, got: Any) -> Finding:
    wanted, given = expected["losses"], got.get("losses", NOTHING)
    if given.shape != wanted.shape or not np.isfinite(given).all():
        return Finding(criterion, False, "the loss is not one finite number")
    pull = same(criterion, 10 * expected["student"], 10 * got.get("student", NOTHING), got.tolerance, what="slopes")
    if not pull.ok:
        return Finding(criterion, False, f"gradient for the student's logits: {_ratio(expected['student'], got)}")
    change = same(criterion, np.diff(wanted), np.diff(given), got.tolerance)
    if not change.ok:
        return Finding(criterion, False, "the gradient is right, and the loss changes by another amount than it says")
    return Finding(criterion, True)


def _ratio(wanted: np.ndarray, got: Any) -> str:
    given = got.get("student", NOTHING)
    if given.shape != wanted.shape or not np.isfinite(given).all():
        return "another shape, or not finite"
    size, right = float(np.linalg.norm(given)), float(np.linalg.norm(wanted))
    if size < 1e-9:
        return "there is none"
    angle = np.degrees(np.arccos(np.clip((given * wanted).sum() / (size * right), -1, 1)))
    turned = "in the right direction" if angle < 1 else f"{angle:.0f}° off"
    return f"{size / right:.3g} times as long, {turned}"


def _pull_marks(got: Any) -> dict[str, np.ndarray]:
    teacher = got.get("teacher", NOTHING)
    losses = np.asarray(got.get("losses", NOTHING), np.float64)
    change = losses[0] - losses[1] if losses.ndim and len(losses) == 2 else losses
    return {"student": 10 * got["student"], "teacher": 10 * teacher, "change": np.asarray(change)}


def _pull_picture(expected: Any, got: Any) -> Any:
    return gradient_picture(expected["student"], None if got is None else got.get("student"))


QUESTIONS = (Schedule(), Distillation(), HardDistillation())
