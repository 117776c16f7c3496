"""The zygote and its children as the grader sees them: starting, briefing, watching, ending."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from grading.sandbox import bubblewrap, gpu
from grading.sandbox.identity import Identity, take_identity
from grading.sandbox.limits import Limits
from grading.sandbox.process import ErrorPipe, KernelStartError, WarmFailure, kernel_command, kernel_environment
from grading.sandbox.sandboxed import (
    CONNECTION_FILE,
    HOME,
    PRIVATE,
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
MESSAGE = 1 << 20
PIECE = 1 << 16


class Zygote:
    """The process in its sandbox; ready when the constructor returns."""

    def __init__(self, read_only: Mapping[str, str], *, gpu_share: float | None = None) -> None:
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
                    limits=Limits(gpu_share=gpu_share),
                    uid=self._identity.uid,
                    read_only=read_only,
                    zygote=True,
                )
            with contextlib.suppress(ProcessLookupError):
                self._first = os.pidfd_open(self.pid)
            environment = kernel_environment(
                HOME, gpu.COUNT_WITHOUT_CUDA if gpu_share else {}, packages=bubblewrap.PACKAGES
            )
            spec = {
                "uid": self._identity.uid,
                "env": environment,
                "cwd": WORK,
                "argv": kernel_command(bubblewrap.KERNEL, CONNECTION_FILE),
                "folders": [HOME, WORK, f"{HOME}/.matplotlib"],
                "files": {},
                "links": {f"{HOME}/.matplotlib": bubblewrap.FONTS},
            }
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
        if self._first is not None:
            os.close(self._first)
            self._first = None
        self._control.close()
        self._errors.close()
        self._identity.release()


class WarmProcess(SandboxedProcess):
    """A kernel forked from the zygote. See `process.KernelProcess`."""

    def __init__(
        self,
        zygote: Zygote,
        give_up: Callable[[str], WarmFailure],
        connection: Mapping[str, Any],
        *,
        limits: Limits,
        env: Mapping[str, str],
        files: Mapping[str, str],
    ) -> None:
        """give_up: told why no warm start can work on this machine; returns what to raise."""
        self._zygote, self._give_up = zygote, give_up
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
            self.sockets = f"{self._root}{PRIVATE}/k"
            brief = kernel_brief(self._identity, connection, limits, env, files)
            brief |= {
                "filter": (seccomp_filter() or b"").hex(),
                "kept": [str(path) for path in bubblewrap.python_folders() if path.is_relative_to("/tmp")],
                "shared_memory_mb": bubblewrap.SHARED_MEMORY_MB,
            }
            with contextlib.suppress(BrokenPipeError):  # `poll` tells
                self._tell(json.dumps(brief).encode())
            self._channel.setblocking(False)
        except BaseException:
            self.kill()
            raise

    def _tell(self, text: bytes) -> None:
        """In pieces that a socket takes, after a line with their number."""
        pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        for message in (str(len(pieces)).encode(), *pieces):
            self._channel.send(message)

    def _fork(self, theirs: socket.socket) -> int:
        """The host pid of the new sandbox's first process."""
        uid = self._identity.uid
        own = None if uid is not None else "1000 1000 1"
        try:
            self._zygote.fork(theirs, self._errors.write_end, own)
            theirs.close()
            self._errors.close_write_end()
            message, handles, _, _ = socket.recv_fds(self._channel, MESSAGE, 1)
        except OSError as error:  # a time-out, too
            raise WarmFailure(f"the zygote did not answer: {error}") from error
        if not handles:
            if not message:
                raise WarmFailure("the zygote was lost")
            raise self._give_up(json.loads(message)["error"])
        self._init = handles[0]
        pid = _pid_of(self._init)
        if pid is None:
            raise WarmFailure("a warm sandbox ended at once")
        if uid is not None:  # from here: an unprivileged process may give itself no other uid than its own
            try:
                for name in ("uid_map", "gid_map"):
                    Path(f"/proc/{pid}/{name}").write_text(f"{uid} {uid} 1")
            except OSError as error:
                raise self._give_up(f"a warm sandbox could not be given its user: {error}") from error
        return pid

    def poll(self) -> int | None:
        if self._status is None:
            try:
                text = _received(self._channel)
            except BlockingIOError:
                return None
            message = json.loads(text or "{}")
            if "error" in message:
                raise self._give_up(message["error"])
            if "status" not in message:  # its first process was killed, which nothing inside can do
                if self._zygote.ends_within(DEATH_SECONDS):
                    raise WarmFailure("the zygote was lost while the notebook ran")
                message["status"] = 128 + signal.SIGKILL
            self._status = message["status"]
        return self._status

    def kill(self) -> None:
        super().kill()
        self._channel.close()  # last: process 1 ends at once when it is closed


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
