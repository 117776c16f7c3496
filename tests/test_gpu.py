"""The checks on a GPU: solution and right answers pass there too. Deselected where there is none."""

from __future__ import annotations

import pytest

from helpers.checks.card import as_text
from tests.test_banks import judged, lesson_reference, questions


@pytest.mark.gpu
@pytest.mark.parametrize(("lesson", "qid"), questions())
def test_right_answers_pass_on_cuda(lesson: str, qid: str, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = lesson_reference(lesson)[0]
    monkeypatch.setenv("VITLAB_DEVICE", "cuda")
    for answer in (reference.answers[qid], *(entry.answer for entry in reference.bank.rights_of(qid))):
        verdict = judged(lesson, qid, answer)
        assert verdict.passed, as_text(verdict)
