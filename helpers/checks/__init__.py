"""Checks: how an answer is probed, judged and shown. See docs/writing-a-lesson.md for how a question is written."""

from helpers.checks.check import check, ready
from helpers.checks.compare import raised, same, same_shape
from helpers.checks.probing import raises, tensor
from helpers.checks.question import Case, Criterion, Finding, Question

__all__ = [
    "Case",
    "Criterion",
    "Finding",
    "Question",
    "check",
    "raised",
    "raises",
    "ready",
    "same",
    "same_shape",
    "tensor",
]
