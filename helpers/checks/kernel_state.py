"""The state of the process while a probe runs: as in a fresh kernel inside, as the notebook left it after.

A notebook may have set any of it: `torch.set_default_dtype(torch.float64)`, `torch.set_grad_enabled(False)`,
`np.seterr(all="raise")`, `warnings.simplefilter("error")`. A right answer stays right whatever stands there.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from helpers.checks.precision import full_precision
from helpers.checks.seeding import seeded


@contextmanager
def fresh_state(seed: int) -> Iterator[None]:
    """Seeds, default dtype and device, gradients, precision, numpy's errors and warnings of a new kernel.

    Matplotlib's settings and print options stay the notebook's own.

    Everything is as it was before when the block ends, also when it ends by an exception.
    """
    import torch

    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.resetwarnings()
        warnings.simplefilter("default")
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        stack.enter_context(np.printoptions())
        stack.enter_context(_matplotlib())
        for switch in _switches(torch):
            stack.enter_context(switch)
        stack.enter_context(seeded(seed))
        stack.enter_context(full_precision())
        yield


def changed_by_the_notebook() -> list[str]:
    """Settings that differ from a new kernel's, in words: they may explain an error of code that ran before."""
    import torch

    found = []
    if torch.get_default_dtype() != torch.float32:
        found.append(f"torch's default dtype is {str(torch.get_default_dtype()).removeprefix('torch.')}")
    if torch.get_default_device().type != "cpu":
        found.append(f"torch's default device is {torch.get_default_device()}")
    if torch.is_inference_mode_enabled():
        found.append("inference mode is on")
    elif not torch.is_grad_enabled():
        found.append("gradients are switched off")
    return found


@contextmanager
def _set(get: Callable[[], Any], put: Callable[[Any], Any], value: Any) -> Iterator[None]:
    before = get()
    if before != value:
        put(value)
    try:
        yield
    finally:
        if get() != before:
            put(before)


def _switches(torch: Any) -> list[Any]:
    return [
        torch.inference_mode(False),
        torch.enable_grad(),
        _set(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
        _default_device(torch),
        _set(torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, False),
        _set(torch.is_anomaly_enabled, torch.set_anomaly_enabled, False),
        _set(torch.get_num_threads, torch.set_num_threads, torch.get_num_threads()),
        _print_options(torch),
    ]


@contextmanager
def _default_device(torch: Any) -> Iterator[None]:
    """The CPU, as in a new kernel. `torch.set_default_device(None)` is the state in which nothing was ever set."""
    import torch.utils._device as module

    before = getattr(module, "CURRENT_DEVICE", None)
    if before is not None:
        torch.set_default_device(None)
    try:
        yield
    finally:
        if getattr(module, "CURRENT_DEVICE", None) != before:
            torch.set_default_device(before)


@contextmanager
def _matplotlib() -> Iterator[None]:
    """Backend and rcParams stay the notebook's. An answer may draw, and a probe must not change how the next cell does.

    Nothing is imported for it: where matplotlib is not loaded, there is nothing to put back.
    """
    library = sys.modules.get("matplotlib")
    if library is None:
        yield
        return
    before, backend = dict.copy(library.rcParams), _backend()
    try:
        yield
    finally:
        if backend and _backend() != backend:
            sys.modules["matplotlib.pyplot"].switch_backend(backend)
        dict.update(library.rcParams, before)


def _backend() -> str:
    """The backend that pyplot draws with; "" where pyplot has not loaded one."""
    drawn = getattr(sys.modules.get("matplotlib.pyplot"), "_backend_mod", None)
    return str(sys.modules["matplotlib"].get_backend()) if drawn is not None else ""


@contextmanager
def _print_options(torch: Any) -> Iterator[None]:
    import torch._tensor_str as module

    before = vars(module.PRINT_OPTS).copy()
    try:
        yield
    finally:
        vars(module.PRINT_OPTS).update(before)
