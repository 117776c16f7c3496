"""Runs the probe beside the student's code: seeds, catches, records; never judges."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from helpers.checks.calling import by_name
from helpers.checks.kernel_state import changed_by_the_notebook, fresh_state
from helpers.checks.names_in_the_way import CELL, in_the_way
from helpers.checks.question import Case, Question
from helpers.checks.wire_format import Arrays, Failure, collect


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
    """Arrays or a failure for each case, in order. One case's exception never hides another's arrays.

    Each case is asked in a state of its own (`helpers.checks.kernel_state`), by the question's argument names
    (`helpers.checks.calling`).
    """
    asked = by_name(question, answer)
    return [_probe_one(question, asked, case, number) for number, case in enumerate(cases)]


def _probe_one(question: Question, answer: Any, case: Case, number: int) -> Arrays | Failure:
    import torch

    changed = changed_by_the_notebook()
    with fresh_state(number), torch.set_grad_enabled(bool(getattr(question, "needs_gradients", False))):
        try:
            return collect(question.probe(answer, case))
        except Exception as error:
            return failure_of(error, changed)


def failure_of(error: BaseException, changed: Sequence[str] = ()) -> Failure:
    """The exception with the line of the student's own cell on which it came up, not ours.

    Args:
        changed: settings of the process that the notebook has changed, said beside the error.
    """
    line, source, cell = 0, "", ""
    for frame in traceback.extract_tb(error.__traceback__):
        if CELL.search(frame.filename):
            line = frame.lineno or 0
            source = (frame.line or linecache.getline(frame.filename, line)).strip()
            cell = next((text.strip() for text in linecache.getlines(frame.filename) if text.strip()), "")
    note = in_the_way(error.__traceback__)
    if not note and changed:
        note = f"Your notebook has changed a setting of the whole process: {', '.join(changed)}"
    return Failure(type(error).__name__, str(error)[:500], line, source[:200], cell[:100], note[:400])
