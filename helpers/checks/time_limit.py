"""Stops an answer that takes longer than the grader would wait, where a timer can be had (in the main thread)."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def stopwatch() -> Callable[[], float]:
    """Seconds since now, as `f()`: of the clock or of the processors, whichever is less.

    A machine that is busy with other things, and several threads at once, do not make an answer slower.
    """
    clock, work = time.perf_counter(), time.process_time()
    return lambda: min(time.perf_counter() - clock, time.process_time() - work)


@contextmanager
def stopped_after(seconds: float) -> Iterator[Callable[[], float]]:
    """Raise TimeoutError inside once `seconds` of a stopwatch have passed; gives the stopwatch.

    It only measures in other threads than the main one, on Windows, and where another timer is running already.
    """
    passed = stopwatch()
    main = threading.current_thread() is threading.main_thread()
    if not main or not hasattr(signal, "setitimer") or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield passed
        return

    def look(*_: object) -> None:
        if passed() >= seconds:
            raise TimeoutError(f"longer than the {seconds:g} seconds that this check has, training included")
        signal.setitimer(signal.ITIMER_REAL, max(0.05, seconds - passed()))

    before = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield passed
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
