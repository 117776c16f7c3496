"""Runs the probe beside the student's code: seeds, catches, records; never judges."""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from helpers.checks.precision import full_precision
from helpers.checks.question import Case, Question
from helpers.checks.seeding import seeded
from helpers.checks.wire_format import Arrays, Failure, collect

_CELL = re.compile(r"(ipykernel_\d+|<ipython-input|<answer|/cell_\d+)")


def tensor(array: Any):
    """A numpy array (or list) as a torch tensor on the device that checks run on."""
    import torch

    from helpers.device import device

    return torch.as_tensor(np.array(array)).to(device())


def raises(call: Callable[[], Any], error: type[Exception]) -> int:
    """0 when nothing was raised, 1 for the right error, 2 for another one.

    Raises:
        StillBlank: passed on, so that a blank stays a blank.
    """
    from helpers.checks.blanks import StillBlank

    try:
        call()
    except StillBlank:
        raise
    except error:
        return 1
    except NameError as other:
        if "'___'" in str(other):
            raise
        return 2
    except Exception:
        return 2
    return 0


def probe_all(question: Question, answer: Any, cases: Iterable[Case]) -> list[Arrays | Failure]:
    """Arrays or a failure for each case, in order. One case's exception never hides another's arrays."""
    return [_probe_one(question, answer, case, number) for number, case in enumerate(cases)]


def _probe_one(question: Question, answer: Any, case: Case, number: int) -> Arrays | Failure:
    import torch

    gradients = torch.no_grad() if _without_gradients(question) else torch.enable_grad()
    with seeded(number), full_precision(), gradients:
        try:
            return collect(question.probe(answer, case))
        except Exception as error:
            return failure_of(error)


def _without_gradients(question: Question) -> bool:
    return not getattr(question, "needs_gradients", False)


def failure_of(error: BaseException) -> Failure:
    """The exception with the line of the student's own cell on which it came up, not ours."""
    line, source = 0, ""
    for frame in traceback.extract_tb(error.__traceback__):
        if _CELL.search(frame.filename):
            line = frame.lineno or 0
            source = (frame.line or linecache.getline(frame.filename, line)).strip()
    return Failure(type(error).__name__, str(error)[:500], line, source[:200])
