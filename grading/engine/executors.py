"""Who runs submissions: threads of this process, each with sandboxes of its own, or (`cluster`) other machines."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from typing import Any

from grading.sandbox.course_data import course_data
from grading.sandbox.run import stop_running
from grading.sandbox.warm import close_shared_pool, shared_pool


class SubmissionExecutor(Executor, ABC):
    """Maps the execute stage: an `Executor` of the standard library with a beginning and a size.

    ``submit(function, job)`` calls ``function(job, released)`` with what `start` was given. ``shutdown`` with
    `cancel_futures` also abandons what runs, and returns when nothing of it runs any more.
    """

    @abstractmethod
    def start(self, released: Mapping[str, str], *, warm: bool) -> None:
        """Called once, before anything is submitted. `released`: every built lesson's released notebook, by id."""

    @abstractmethod
    def capacity(self) -> int:
        """How many submissions to have in its hands at once; a few wait there."""

    @abstractmethod
    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Schedule ``fn(*args, released, **kwargs)``."""


class Threads(SubmissionExecutor):
    """A thread for each of `jobs` sandboxes; the student's code runs in processes of its own anyway.

    keep_zygote: leave it running after the shutdown, for another class.
    """

    def __init__(self, jobs: int, *, keep_zygote: bool = False) -> None:
        self._keep = keep_zygote
        self._jobs = max(1, jobs)
        self._pool = ThreadPoolExecutor(max_workers=self._jobs, thread_name_prefix="vitlab-grade")
        self._stopping = threading.Event()
        self._released: Mapping[str, str] = {}
        self._warm = False

    def start(self, released: Mapping[str, str], *, warm: bool) -> None:
        self._released, self._warm = released, warm

    def capacity(self) -> int:
        return 4 * self._jobs

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return self._pool.submit(self._unless_stopping, fn, *args, **kwargs)

    def _unless_stopping(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if self._stopping.is_set():
            raise CancelledError
        return self._work(fn, *args, **kwargs)

    def _work(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return fn(*args, self._released, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            self._stopping.set()
            self._pool.shutdown(wait=False, cancel_futures=True)
            over = threading.Thread(target=self._pool.shutdown)
            over.start()
            while over.is_alive():  # one that had just begun is not running yet
                stop_running()
                over.join(0.1)
            return
        self._pool.shutdown(wait=wait)
        if self._warm and not self._keep:
            close_shared_pool()


def start_zygote_early(gpu_share: float | None = None) -> None:
    """In the background: what comes before the first submission takes as long as the zygote's imports."""
    shared_pool(gpu_share, read_only=course_data("bubblewrap")[0]).start_early()
