"""Warm starts, seen from outside: one zygote that has imported everything, one fork of it per notebook.

The zygote (`zygote.py`) has a bubblewrap of its own; each fork makes further namespaces (`nested.py`) and is
to the rest what a cold sandbox is. Where a zygote cannot be had, notebooks start cold.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grading.sandbox.forked import WarmProcess, Zygote
from grading.sandbox.limits import Limits
from grading.sandbox.process import WarmFailure
from grading.sandbox.sandboxed import SandboxedProcess

MAX_ZYGOTES = 3


class WarmPool:
    """Warm starts for `run_notebook(..., warm=pool)`; the zygote is started at first use.

    May be used by several threads at once. Pickling carries the settings alone: another process makes a
    zygote of its own. Close it, or use it as a context manager.

    problem: why starts are cold now, as a sentence; "" while warm ones work.
    """

    def __init__(self, *, read_only: Mapping[str, str | Path] | None = None, gpu_share: float | None = None) -> None:
        """read_only, gpu_share: as for `run_notebook`; a notebook that asks for others starts cold."""
        self.read_only = {inside: str(outside) for inside, outside in (read_only or {}).items()}
        self.gpu_share = gpu_share
        self.problem = ""
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._made = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"read_only": self.read_only, "gpu_share": self.gpu_share}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __enter__(self) -> WarmPool:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(
        self,
        connection: Mapping[str, Any],
        *,
        limits: Limits,
        env: Mapping[str, str],
        read_only: Mapping[str, str | Path],
        files: Mapping[str, str],
    ) -> SandboxedProcess:
        """A kernel in a sandbox, warm where that is possible now. `WarmFailure`: try again without."""
        other = {k: str(v) for k, v in read_only.items()} != self.read_only or limits.gpu_share != self.gpu_share
        if self.problem or other:
            return SandboxedProcess(connection, limits=limits, env=env, read_only=read_only, files=files)
        return WarmProcess(self._current(), self.give_up, connection, limits=limits, env=env, files=files)

    def _current(self) -> Zygote:
        with self._lock:
            if self._zygote is not None and self._zygote.alive():
                return self._zygote
            if self._zygote is not None:
                self._zygote.close()
                self._zygote = None
            if self.problem:
                raise WarmFailure(self.problem)
            if self._made >= MAX_ZYGOTES:
                raise self.give_up(f"the zygote was lost {self._made} times")
            self._made += 1
            try:
                self._zygote = Zygote(self.read_only, gpu_share=self.gpu_share)
            except (OSError, RuntimeError) as error:
                raise self.give_up(f"no zygote could be started: {error}") from error
            return self._zygote

    def start_early(self) -> None:
        """Starts the zygote in the background; a notebook that comes meanwhile waits for it."""
        threading.Thread(target=self.wait, name="vitlab-zygote", daemon=True).start()

    def wait(self) -> None:
        """Returns when the zygote is up, or when it is clear that there is none: `problem` tells."""
        with contextlib.suppress(WarmFailure):
            self._current()

    def give_up(self, why: str) -> WarmFailure:
        """From now on starts are cold."""
        self.problem = self.problem or f"Kernels are started cold, which is slower: {why}"
        return WarmFailure(self.problem)

    def close(self) -> None:
        """Ends the zygote and everything forked from it; the next start makes a new one."""
        with self._lock:
            if self._zygote is not None:
                self._zygote.close()
                self._zygote = None
            self._made = 0

    def forget(self) -> None:
        """In a fork of this process: the zygote is not ours."""
        if self._zygote is not None:
            self._zygote.forget()
        self.__init__(**self.__getstate__())  # type: ignore[misc]


_shared: WarmPool | None = None


def shared_pool(gpu_share: float | None = None, *, read_only: Mapping[str, str | Path] | None = None) -> WarmPool:
    """This process's own pool, which all who grade in it share; ends with the process.

    read_only, gpu_share: as for `WarmPool`; its zygote is started anew when they change.
    """
    global _shared
    shown = {inside: str(outside) for inside, outside in (read_only or {}).items()}
    if _shared is not None:
        if (gpu_share, shown) != (_shared.gpu_share, _shared.read_only):
            _shared.close()
            _shared.gpu_share, _shared.read_only = gpu_share, shown
    else:
        _shared = WarmPool(gpu_share=gpu_share, read_only=shown)
        atexit.register(close_shared_pool)
        os.register_at_fork(after_in_child=_shared.forget)
    return _shared


def close_shared_pool() -> None:
    """Ends its zygote; the next use makes a new one."""
    if _shared is not None:
        _shared.close()
