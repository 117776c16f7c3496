"""Warm starts, seen from outside: one zygote that has imported everything, one fork of it per notebook.

The zygote (`zygote.py`) has a bubblewrap of its own; each fork makes further namespaces (`nested.py`) and is
to the rest what a cold sandbox is. Where a zygote cannot be had, notebooks start cold.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grading.sandbox import bubblewrap
from grading.sandbox.identity import Identity, take_identity
from grading.sandbox.limits import Limits
from grading.sandbox.process import ErrorPipe, KernelStartError, WarmFailure, kernel_environment
from grading.sandbox.sandboxed import (
    HOME,
    WORK,
    SandboxedProcess,
    kernel_brief,
    start_bubblewrap,
    wait_for_end,
)
from grading.sandbox.seccomp import seccomp_filter

PRELOAD_SECONDS = 120
ANSWER_SECONDS = 20
DEATH_SECONDS = 5  # between the end of a zygote's children and its own
MAX_ZYGOTES = 3
MESSAGE = 1 << 20


class WarmPool:
    """Warm starts for `run_notebook(..., warm=pool)`; the zygote is started at first use.

    May be used by several threads at once. Pickling carries the settings alone: another process makes a
    zygote of its own. Close it, or use it as a context manager.

    problem: why starts are cold now, as a sentence; "" while warm ones work.
    """

    def __init__(self, *, read_only: Mapping[str, str | Path] | None = None) -> None:
        """read_only: as for `run_notebook`; a notebook that asks for other folders starts cold."""
        self.read_only = {inside: str(outside) for inside, outside in (read_only or {}).items()}
        self.problem = ""
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None
        self._made = 0

    def __getstate__(self) -> dict[str, Any]:
        return {"read_only": self.read_only}

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
    ) -> SandboxedProcess:
        """A kernel in a sandbox, warm where that is possible now. `WarmFailure`: try again without."""
        if self.problem or {k: str(v) for k, v in read_only.items()} != self.read_only:
            return SandboxedProcess(connection, limits=limits, env=env, read_only=read_only)
        return WarmProcess(self._current(), self, connection, limits=limits, env=env)

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
                self._zygote = Zygote(self.read_only)
            except (OSError, RuntimeError) as error:
                raise self.give_up(f"no zygote could be started: {error}") from error
            return self._zygote

    def start_early(self) -> None:
        """Starts the zygote in the background; a notebook that comes meanwhile waits for it."""
        threading.Thread(target=self._try, name="vitlab-zygote", daemon=True).start()

    def _try(self) -> None:
        with contextlib.suppress(WarmFailure):  # `problem` tells
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
        self.__init__(read_only=self.read_only)  # type: ignore[misc]


_shared: WarmPool | None = None


def shared_pool() -> WarmPool:
    """This process's own pool, which all who grade in it share; ends with the process."""
    global _shared
    if _shared is None:
        _shared = WarmPool()
        atexit.register(close_shared_pool)
        os.register_at_fork(after_in_child=_shared.forget)
    return _shared


def close_shared_pool() -> None:
    """Ends its zygote; the next use makes a new one."""
    if _shared is not None:
        _shared.close()


class Zygote:
    """The process in its sandbox; ready when the constructor returns."""

    def __init__(self, read_only: Mapping[str, str]) -> None:
        bubblewrap.require_bubblewrap()
        self._identity = take_identity()
        self._errors = ErrorPipe()
        self._process: subprocess.Popen[bytes] | None = None
        self._first: int | None = None  # pidfd
        self._closing = threading.Lock()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                self._process, self.pid = start_bubblewrap(
                    [sys.executable, "-I", "-S", bubblewrap.ZYGOTE],
                    stdin=theirs.fileno(),
                    errors=self._errors,
                    filtered=False,
                    limits=Limits(),
                    uid=self._identity.uid,
                    read_only=read_only,
                    zygote=True,
                )
            with contextlib.suppress(ProcessLookupError):
                self._first = os.pidfd_open(self.pid)
            environment = kernel_environment(HOME, {}, packages=bubblewrap.PACKAGES)
            spec = {
                "uid": self._identity.uid, "env": environment, "cwd": WORK,
                "folders": [HOME, WORK, f"{HOME}/.matplotlib"], "files": {},
                "links": {f"{HOME}/.matplotlib": bubblewrap.FONTS},
            }  # fmt: skip
            self._control.settimeout(PRELOAD_SECONDS)
            with contextlib.suppress(BrokenPipeError):
                self._control.send(json.dumps(spec).encode())
            if _received(self._control) != b"ready":
                raise KernelStartError(f"it ended while starting: {self._errors.text()[-500:] or 'no message'}")
        except BaseException:
            self.close()
            raise

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def fork(self, channel: socket.socket, errors: int, uid_map: str | None) -> None:
        """Asks for a child that talks on `channel`; an `OSError` where there is no zygote any more."""
        request = json.dumps({"uid_map": uid_map}).encode()
        socket.send_fds(self._control, [request], [channel.fileno(), errors])

    def ends_within(self, seconds: float) -> bool:
        """Whether it is dead, or dies within so many seconds."""
        with self._closing:
            return self._first is None or wait_for_end(self._first, seconds)

    def close(self) -> None:
        """Ends it with all its children; returns when they are gone. May be called twice."""
        if self._first is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first, signal.SIGKILL)
        self._control.close()
        if self._process is not None:
            if self._first is None:
                self._process.kill()
            self._process.wait()
        with self._closing:
            if self._first is not None:
                os.close(self._first)
                self._first = None
        self._errors.close()
        self._identity.release()

    def forget(self) -> None:
        """Closes what a fork of this process inherited."""
        self._control.close()
        self._errors.close()
        self._identity.release()


class WarmProcess(SandboxedProcess):
    """A kernel forked from the zygote. See `process.KernelProcess`."""

    def __init__(
        self,
        zygote: Zygote,
        pool: WarmPool,
        connection: Mapping[str, Any],
        *,
        limits: Limits,
        env: Mapping[str, str],
    ) -> None:
        self._zygote, self._pool = zygote, pool
        self._identity: Identity = take_identity()
        self._process = None
        self._init: int | None = None
        self._kernel: int | None = None
        self._errors = ErrorPipe()
        self._status: int | None = None
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(ANSWER_SECONDS)
        try:
            with theirs:
                pid = self._fork(theirs)
            self._root = f"/proc/{pid}/root"
            self.sockets = f"{self._root}/tmp/.kernel/k"
            brief = kernel_brief(self._identity, connection, limits, env)
            brief |= {
                "filter": (seccomp_filter() or b"").hex(),
                "kept": [str(path) for path in bubblewrap.python_folders() if path.is_relative_to("/tmp")],
                "shared_memory_mb": bubblewrap.SHARED_MEMORY_MB,
            }
            with contextlib.suppress(BrokenPipeError):  # `poll` tells
                self._channel.send(json.dumps(brief).encode())
            self._channel.setblocking(False)
        except BaseException:
            self.kill()
            raise

    def _fork(self, theirs: socket.socket) -> int:
        """The host pid of the new sandbox's first process."""
        uid = self._identity.uid
        own = None if uid is not None else "1000 1000 1"
        try:
            self._zygote.fork(theirs, self._errors.write_end, own)
            theirs.close()
            self._errors.close_write_end()
            message, handles, _, _ = socket.recv_fds(self._channel, MESSAGE, 1)
        except OSError as error:
            raise WarmFailure(f"the zygote was lost: {error}") from error
        if not handles:
            if not message:
                raise WarmFailure("the zygote was lost")
            raise self._pool.give_up(json.loads(message)["error"])
        self._init = handles[0]
        pid = _pid_of(self._init)
        if pid is None:
            raise WarmFailure("a warm sandbox ended at once")
        if uid is not None:  # from here: an unprivileged process may give itself no other uid than its own
            for name in ("uid_map", "gid_map"):
                Path(f"/proc/{pid}/{name}").write_text(f"{uid} {uid} 1")
        return pid

    def poll(self) -> int | None:
        if self._status is None:
            try:
                text = _received(self._channel)
            except BlockingIOError:
                return None
            message = json.loads(text or "{}")
            if "error" in message:
                raise self._pool.give_up(message["error"])
            if "status" not in message:  # its first process was killed, which nothing inside can do
                if self._zygote.ends_within(DEATH_SECONDS):
                    raise WarmFailure("the zygote was lost while the notebook ran")
                message["status"] = 128 + signal.SIGKILL
            self._status = message["status"]
        return self._status

    def kill(self) -> None:
        self._channel.close()
        super().kill()


def _received(channel: socket.socket) -> bytes:
    """One message; b"" where the other side is gone."""
    try:
        return channel.recv(MESSAGE)
    except ConnectionResetError:
        return b""


def _pid_of(pidfd: int) -> int | None:
    """The process id as this process sees it; None once it has ended."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():
        if line.startswith("Pid:"):
            return pid if (pid := int(line.split()[1])) > 0 else None
    return None
