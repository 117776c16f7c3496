"""A lesson's code from top to bottom, in one namespace, with its trainings and pictures cut short."""

from __future__ import annotations

import linecache
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import Any
from unittest.mock import patch

import torch
from matplotlib.figure import Figure

from grading.lesson_source.source import Cell, read_source
from helpers.data.dataset import Dataset
from helpers.training import Evaluation
from tests.test_banks import COURSE

IMAGES = 16  # of each set that a lesson trains on or looks at
_PIXEL = (
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02\x00\x00\x00\x90wS\xde\x00\x00\x00"
    b"\x0cIDATx\x9cc\xf8\xff\xff?\x00\x05\xfe\x02\xfe\xa75\x81\x84\x00\x00\x00\x00IEND\xaeB`\x82"
)


def code_cells(lesson: str) -> list[Cell]:
    """Every cell that runs in the solution notebook, except the one that finds the helpers."""
    cells = read_source(COURSE.source(lesson)).cells
    return [cell for cell in cells if cell.kind == "code" and cell.role != "bootstrap"]


def run_lesson(lesson: str, changes: dict[str, str] | None = None) -> dict[str, Any]:
    """Run a lesson's solution and return its names.

    Results of trainings are worth nothing when they are cut short: a failing `assert` ends its cell and no more.
    Any other exception comes out as it is.

    Args:
        changes: text of the lesson, and what stands in its place.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    with ExitStack() as stack:
        for one in _shortened():
            stack.enter_context(one)
        for number, cell in enumerate(code_cells(lesson)):
            source = cell.source
            for old, new in (changes or {}).items():
                source = source.replace(old, new)
            label = f"<{lesson}, cell {number}, line {cell.line}>"
            linecache.cache[label] = (len(source), None, source.splitlines(keepends=True), label)
            try:
                exec(compile(source, label, "exec"), names)
            except AssertionError as error:
                if not _about_a_result(error, label):
                    raise
    return names


def _about_a_result(error: AssertionError, label: str) -> bool:
    """Whether it is the cell's own assert, not one within what it calls."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename == label


def _shortened() -> list[Any]:
    import helpers.training as training
    from helpers.training import evaluation, loop

    whole_fit, whole_evaluate, whole_batches = loop.fit, evaluation.evaluate, Dataset.batches

    def fit(model, train: Dataset, test: Dataset | None = None, *, epochs: int, **options):
        few = None if test is None else test.take(IMAGES)
        history = whole_fit(model, train.take(IMAGES), few, epochs=1, **(options | {"progress": False}))
        for name in ("loss", "accuracy", "test_loss", "test_accuracy", "lr", "seconds"):
            values = getattr(history, name)
            values.extend(values[-1:] * (epochs - len(values)))
        return history

    def evaluate(model, data: Dataset, batch_size: int = 256) -> Evaluation:
        few = whole_evaluate(model, data.take(IMAGES), batch_size)
        again = torch.arange(len(data)) % len(few.labels)
        return replace(
            few, predictions=few.predictions[again], probabilities=few.probabilities[again], labels=data.labels.cpu()
        )

    def batches(self: Dataset, batch_size: int = 64, *, shuffle: bool = False, seed: int | None = None):
        found = whole_batches(self, min(batch_size, IMAGES) if shuffle else batch_size, shuffle=shuffle, seed=seed)
        return islice(found, 1 if shuffle else None)

    def savefig(self, target, *_, **__):
        if hasattr(target, "write"):
            target.write(_PIXEL)

    return [
        patch.object(training, "fit", fit),
        patch.object(training, "evaluate", evaluate),
        patch.object(Dataset, "batches", batches),
        patch.object(Figure, "savefig", savefig),
    ]
