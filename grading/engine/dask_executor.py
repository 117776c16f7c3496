"""Submissions executed on a dask.distributed cluster: the same stage, with each worker's own sandboxes.

A worker needs this course's code, Python environment and bubblewrap, and nothing else: no shared disk, no gradebook.
Submissions travel to it as bytes. What a lost worker had in hands, another one does again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from distributed import Client

from grading.course import CourseError
from grading.engine.execute import Job, execute_safely
from grading.engine.keys import code_version
from grading.intake.read import Unreadable, file_bytes
from grading.judging.execution import Executed
from grading.nbgrader_plugin.ordinary.handed_in import contents_of_path
from grading.sandbox.bubblewrap import require_bubblewrap
from grading.sandbox.run import stop_running
from grading.sandbox.warm import close_shared_pool

CONNECT_SECONDS = 30
RETRIES = 2  # of a task that raises; one whose worker is lost is done again in any case
PER_THREAD = 2  # submissions in a worker's hands: one that runs, one that waits beside it


class Cluster:
    """A `SubmissionExecutor` of all worker threads that a scheduler has, now or later.

    Args:
        address: the scheduler's, for instance ``tcp://10.0.0.1:8786``.

    Raises:
        CourseError: nobody answers there, there is no worker, or one has other code than ours or no sandbox.
    """

    def __init__(self, address: str, *, sandbox: str = "bubblewrap") -> None:
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CourseError(f"no Dask scheduler answers at {address}: {error}") from None
        try:
            self._client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            ours, theirs = code_version(), self._client.run(_look, sandbox, on_error="return")
        except TimeoutError:
            self._client.close()
            raise CourseError(f"the Dask cluster at {address} has no worker: start some first") from None
        for worker, found in theirs.items():
            if found != ours:
                said = found if isinstance(found, Exception) else "it has another version of this course's code"
                self._client.close()
                raise CourseError(f"the Dask worker {worker} can't grade: {said}")
        self._executor = self._client.get_executor(pure=False, retries=RETRIES)
        self._released: Any = None

    def start(self, released: Mapping[str, str], *, warm: bool) -> None:
        # a task rather than scattered data: should the workers that hold it be lost, others make it again
        self._released = self._client.submit(dict, dict(released), pure=False)

    def capacity(self) -> int:
        threads = self._client.nthreads().values()
        return max(1, PER_THREAD * sum(threads))

    def submit(self, job: Job) -> Future[Executed]:
        if job.path is not None and not job.problem:
            try:
                path = job.path
                if job.assignment is not None:
                    job = replace(job, contents=contents_of_path(path))
                else:
                    job = replace(job, content=file_bytes(path))
            except Unreadable as error:
                job = replace(job, problem=str(error))
        return self._executor.submit(execute_safely, job, self._released)

    def stop(self) -> None:
        with contextlib.suppress(Exception):  # whatever is still there
            self._executor.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(Exception):
            self._client.run(stop_running)

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._executor.shutdown(wait=False)
            self._released = None
            self._client.run(close_shared_pool)
        self._client.close()


def _look(sandbox: str) -> str:
    """On a worker: its version of the engine."""
    if sandbox != "none":
        require_bubblewrap()
    return code_version()
