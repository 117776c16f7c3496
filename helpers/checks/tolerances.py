"""How far an answer may be from the solution. The judge decides, from what it knows itself.

The judge knows the device of the run and the dtype of a case's inputs. It never asks the answer: an answer that is
computed or returned in half precision where float32 came in is compared like any other, and fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

CPU = 1e-4  # float32, sums of some hundred terms in any order
ACCELERATOR = 2e-4  # float32 without TF32 (`helpers.checks.precision`); float16 rounds to 5e-4, bfloat16 to 4e-3
HALF_INPUTS = 2e-2  # where the case itself hands in float16


def tolerance(case: Mapping[str, Any], device: str = "cpu") -> float:
    """The allowed difference, relative to the largest expected value.

    Args:
        case: its inputs; only their dtypes matter.
        device: the type of the device of the run: "cpu", "cuda", "mps".
    """
    if any(isinstance(value, np.ndarray) and value.dtype == np.float16 for value in case.values()):
        return HALF_INPUTS
    return CPU if device == "cpu" else ACCELERATOR
