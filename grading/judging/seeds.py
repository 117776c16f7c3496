"""What the kernel may know of a run's seed: enough for ordinary questions, nothing of a sealed one's.

The kernel gets one number derived from the seed, sealed questions are drawn from another; neither leads back, or to
the other, unless the seed itself can be guessed.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

from nbformat import NotebookNode

from grading.judging.cells_to_run import role_of
from helpers.checks.question import Question, case_rng
from helpers.checks.sealed import SealedQuestion, sealed
from helpers.questions import every_question


def kernel_seed(seed: int) -> int:
    """The seed that the kernel of a submission sees: 64 bits."""
    return int.from_bytes(_derived("kernel", seed)[:8], "big")


def seed_of(question: Question, seed: int) -> int:
    """The seed from which a question's secret cases are drawn."""
    if isinstance(question, SealedQuestion):
        return int.from_bytes(_derived("sealed", seed)[:16], "big")
    return kernel_seed(seed)


def sealed_files(notebook: NotebookNode, seed: int) -> dict[str, str]:
    """By name, the files of hidden inputs that the checks of a notebook read."""
    asked = {str(cell.metadata["vitlab"].get("question")) for cell in notebook.cells if role_of(cell) == "check"}
    return {f"{name}.txt": _sealed(name, seed) for name in sorted(asked & _sealed_questions())}


@lru_cache(maxsize=1)
def _sealed_questions() -> frozenset[str]:
    return frozenset(name for name, question in every_question().items() if isinstance(question, SealedQuestion))


@lru_cache(maxsize=8)
def _sealed(name: str, seed: int) -> str:
    question = every_question()[name]
    assert isinstance(question, SealedQuestion)
    return sealed(question, case_rng(name, seed_of(question, seed)))


def _derived(use: str, seed: int) -> bytes:
    return hashlib.sha256(f"vitlab {use} {seed % 2**128}".encode()).digest()
