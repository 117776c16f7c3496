"""The course on a pretend GPU: checks give the CPU's verdicts, and every lesson runs from top to bottom.

What fails here fails for everybody who runs the notebooks on a real one. See tests/pretend_device for what the device
imitates, and tests/test_gpu.py for the same checks on a real GPU.
"""

from __future__ import annotations

import re
import sys

import pytest
import torch

from grading.judging.bank import Bank, Entry
from grading.judging.reference import Reference, load_reference
from helpers.checks import expectations, seeding
from helpers.checks.card import as_text
from helpers.checks.device_errors import meaning_of
from helpers.checks.probing import probe_all
from helpers.checks.question import public_rng
from helpers.checks.verdict import Verdict, judge_answer
from helpers.checks.wire_format import Answer, Arrays, Failure
from helpers.questions import find
from tests.pretend_device import Device, pretend_cuda
from tests.pretend_device.lessons import run_lesson
from tests.test_banks import COURSE, LESSONS

pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="a real GPU is here: tests/test_gpu.py")

EVERY = 10  # one mistake of a question in so many
# Beside these: mistakes that draw numbers of their own, and modules that keep something in a plain list, since such
# ones behave differently on a GPU.
SPECIAL = re.compile(r"\brand\w*\(|bernoulli|F\.dropout|self\.\w+ = \[")
LEFT_BEHIND = "Two tensors met on two devices"


@pytest.fixture
def on_gpu(monkeypatch):
    """A GPU that multiplies in TF32 wherever it may, as after `torch.set_float32_matmul_precision("high")`."""
    monkeypatch.delenv("VITLAB_DEVICE", raising=False)
    torch.set_num_threads(1)
    with pretend_cuda(tf32=True) as device:
        torch.set_float32_matmul_precision("high")
        try:
            yield device
        finally:
            torch.set_float32_matmul_precision("highest")


def reference_of(lesson: str) -> Reference:
    return load_reference(COURSE.source(lesson), COURSE.bank(lesson))


def judged(qid: str, answer) -> tuple[Verdict, list[Arrays | Failure]]:
    """As in the student's notebook: the public cases, and the expectations that everybody has."""
    question = find(qid)
    cases = list(question.cases(public_rng(qid)))
    recorded = probe_all(question, answer, cases)
    public = (cases, expectations.every_question()[qid])
    verdict = judge_answer(question, Answer(qid, {f"public/{i}": r for i, r in enumerate(recorded)}), public=public)
    return verdict, recorded


def is_trained(qid: str) -> bool:
    """Whether an answer is a whole training: the lesson's own run has one, and a check here would take minutes."""
    return find(qid).trains


def asked():
    return [
        pytest.param(lesson, q, id=f"{lesson}-{q}")
        for lesson in LESSONS
        for q in reference_of(lesson).answers
        if not is_trained(q)
    ]


@pytest.mark.parametrize(("lesson", "qid"), asked())
def test_right_answers_pass_on_a_gpu(on_gpu: Device, lesson: str, qid: str) -> None:
    reference = reference_of(lesson)
    for answer in (reference.answers[qid], *(entry.answer for entry in reference.bank.rights_of(qid))):
        verdict, recorded = judged(qid, answer)
        assert verdict.passed, as_text(verdict)
        assert not on_gpu.broken
        assert not any(isinstance(r, Failure) for r in recorded)


def some_mistakes(bank: Bank) -> list[Entry]:
    """A few of each question, and those that may behave differently on a GPU."""
    questions = dict.fromkeys(m.question for m in bank.mistakes)
    found = [m for q in questions for m in bank.mistakes_of(q)[:: EVERY if not is_trained(q) else 100]]
    found += [m for m in bank.mistakes if SPECIAL.search(m.source("answer")) and not is_trained(m.question)]
    return list({m.name: m for m in found}.values())


def hint_with_other_dice(entry: Entry, monkeypatch: pytest.MonkeyPatch) -> str:
    """The hint on the CPU when torch throws other numbers than those that the fingerprints were made with."""

    def other(seed: int) -> None:
        torch.default_generator.manual_seed((seed + 1) % 2**31)

    theirs = seeding.seed_torch
    with monkeypatch.context() as patch:
        patch.setenv("VITLAB_DEVICE", "cpu")
        for module in list(sys.modules.values()):  # whoever imported the function by its name
            if vars(module).get("seed_torch") is theirs:
                patch.setattr(module, "seed_torch", other)
        return judged(entry.question, entry.answer)[0].hint


@pytest.mark.parametrize("lesson", LESSONS)
def test_mistakes_get_the_same_score_and_hint_on_a_gpu(
    on_gpu: Device, lesson: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two kinds get another hint: what leaves a tensor behind, which is the mistake itself here and is said to be it,
    and what is recognised by the numbers that torch throws, for a GPU throws its own."""
    for entry in some_mistakes(reference_of(lesson).bank):
        verdict, recorded = judged(entry.question, entry.answer)
        assert verdict.score < verdict.points, entry.name
        assert not on_gpu.broken, f"{entry.name} ends the GPU for everybody"
        if verdict.hint == entry.hint:
            continue
        left = next((r for r in recorded if isinstance(r, Failure) and LEFT_BEHIND in meaning_of(r)), None)
        if left is not None:
            assert meaning_of(left) in verdict.hint, entry.name
        else:
            assert hint_with_other_dice(entry, monkeypatch) != entry.hint, f"{entry.name}: {verdict.hint}"


CHANGES = {
    'LARGE = where.type == "cuda"': "LARGE = False",  # lesson 10's switch: half an hour here
    'train_detr(detr, size["detr steps"])': "train_detr(detr, 12)",
    'length = size["dit steps"]': "length = 16",
    "torch.randn(3, len(asked), 1, 8, 8)": "torch.randn(1, len(asked), 1, 8, 8)",
}


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_runs_on_a_gpu(monkeypatch: pytest.MonkeyPatch, lesson: str) -> None:
    monkeypatch.delenv("VITLAB_DEVICE", raising=False)
    torch.set_num_threads(1)
    with pretend_cuda(tf32=True) as gpu:
        names = run_lesson(lesson, CHANGES)
        assert names
        assert not gpu.broken


def test_a_check_gives_the_gpus_random_state_back() -> None:
    with pretend_cuda():
        torch.manual_seed(7)
        judged("Q12", reference_of("08_training_recipe").answers["Q12"])
        after = torch.rand(3, device="cuda").cpu()
        torch.manual_seed(7)
        assert torch.equal(torch.rand(3, device="cuda").cpu(), after)


def test_a_check_works_in_full_float32_and_leaves_the_switches_as_they_were(on_gpu: Device) -> None:
    def precision():
        return torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision(), torch.is_autocast_enabled("cpu")

    seen = []
    with torch.autocast("cuda", dtype=torch.bfloat16):
        before = precision()
        judged("Q1", lambda *_, **__: seen.append(precision()))
        assert precision() == before == (True, "high", True)
    assert set(seen) == {(False, "highest", False)}


@pytest.mark.parametrize(
    ("program", "says"),
    [
        (lambda: torch.ones(2, device="cuda") + torch.ones(2), "device=x.device"),
        (lambda: torch.ones(2)[torch.ones(2, device="cuda").long()], "device=x.device"),
        (lambda: torch.ones(2, device="cuda").numpy(), ".cpu()"),
        (lambda: torch.rand(2, device="cuda", generator=torch.Generator()), "torch.Generator(device=x.device)"),
        (lambda: torch.ones(2, 2, device="cuda").long() @ torch.ones(2, 2, device="cuda").long(), ".float()"),
        (lambda: torch.ones(2, device="cuda")[torch.tensor([3])], "restart the kernel"),
    ],
)
def test_an_error_of_the_device_is_explained(on_gpu: Device, program, says: str) -> None:
    verdict, _ = judged("Q1", lambda *_, **__: program())
    assert says in verdict.hint
