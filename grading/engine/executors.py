"""Who runs submissions: threads of this process, each with sandboxes of its own, or (`cluster`) other machines."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import Protocol

from grading.engine.execute import Job, execute_safely
from grading.judging.execution import Executed
from grading.sandbox.course_data import course_data
from grading.sandbox.run import stop_running
from grading.sandbox.warm import close_shared_pool, shared_pool


class SubmissionExecutor(Protocol):
    """Maps the execute stage."""

    def start(self, released: Mapping[str, str], *, warm: bool) -> None:
        """Called once, before anything is submitted. `released`: every lesson's released notebook, by id."""

    def capacity(self) -> int:
        """How many submissions to have in its hands at once; a few wait there."""

    def submit(self, job: Job) -> Future[Executed]: ...

    def stop(self) -> None:
        """Abandons what runs and what waits; returns when nothing of it runs any more."""

    def close(self) -> None:
        """Lets go of processes and connections; nothing is running."""


class Threads:
    """A thread for each of `jobs` sandboxes; the student's code runs in processes of its own anyway.

    keep_zygote: leave it running when closed, for another class.
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

    def submit(self, job: Job) -> Future[Executed]:
        return self._pool.submit(self._work, job)

    def _work(self, job: Job) -> Executed:
        if self._stopping.is_set():
            raise CancelledError
        return execute_safely(job, self._released)

    def stop(self) -> None:
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        over = threading.Thread(target=self._pool.shutdown)
        over.start()
        while over.is_alive():  # one that had just begun is not running yet
            stop_running()
            over.join(0.1)

    def close(self) -> None:
        self._pool.shutdown()
        if self._warm and not self._keep:
            close_shared_pool()


def start_zygote_early(gpu_share: float | None = None) -> None:
    """In the background: what comes before the first submission takes as long as the zygote's imports."""
    shared_pool(gpu_share, read_only=course_data("bubblewrap")[0]).start_early()
