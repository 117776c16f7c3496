"""A kernel in bubblewrap.

Its sockets lie on its own memory disk and are reached through `/proc/<pid>/root`: no folder of this machine
is writable from inside, so there is nothing to fill and nothing to clean up. The sandbox's first process is
`launch.py`; when that is killed, the Linux kernel ends every other process in the namespace.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from grading.sandbox import bubblewrap
from grading.sandbox.fonts import matplotlib_cache
from grading.sandbox.identity import Identity, take_identity
from grading.sandbox.limits import Limits
from grading.sandbox.process import (
    ErrorPipe,
    KernelStartError,
    Usage,
    kernel_command,
    kernel_environment,
    parted,
    sealed_folder,
)
from grading.sandbox.seccomp import seccomp_filter

HOME, WORK, PRIVATE = "/tmp/home", "/tmp/work", "/tmp/.kernel"  # all on the one memory disk
CONNECTION_FILE = f"{PRIVATE}/connection.json"
SEALED = f"{PRIVATE}/sealed"
START_SECONDS = 20
REAP_SECONDS = 0.5


class SandboxedProcess:
    """See `process.KernelProcess`."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        *,
        limits: Limits,
        env: Mapping[str, str],
        read_only: Mapping[str, str | Path],
        files: Mapping[str, str],
    ) -> None:
        bubblewrap.require_bubblewrap()
        self._identity = take_identity()
        self._process: subprocess.Popen[bytes] | None = None
        self._init: int | None = None  # pidfd of the sandbox's first process
        self._kernel: int | None = None  # handle of the kernel process
        self._errors = ErrorPipe()
        try:
            self._process, pid = start_bubblewrap(
                [sys.executable, "-I", "-S", bubblewrap.LAUNCHER],
                stdin=subprocess.PIPE,
                errors=self._errors,
                limits=limits,
                uid=self._identity.uid,
                read_only=read_only,
            )
            try:
                self._init = os.pidfd_open(pid)
            except ProcessLookupError:
                raise KernelStartError(f"the sandbox ended at once: {self._errors.text()}") from None
            self._root = f"/proc/{pid}/root"
            self.sockets = f"{self._root}{PRIVATE}/k"
            self._brief(connection, limits, env, files)
        except BaseException:
            self.kill()
            raise

    def _brief(
        self, connection: Mapping[str, Any], limits: Limits, env: Mapping[str, str], files: Mapping[str, str]
    ) -> None:
        """Tells the launcher what to start. By pipe: any user of a machine can read command lines."""
        spec = kernel_brief(self._identity, connection, limits, env, files)
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it ended already: `poll` and `last_words` tell
            self._process.stdin.write(json.dumps(spec).encode() + b"\n")
            self._process.stdin.flush()  # and left open: when it closes, the sandbox ends

    def poll(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    def ready(self) -> None:
        pids = sorted(int(name) for name in os.listdir(f"{self._root}/proc") if name.isdigit())
        self._kernel = os.open(f"{self._root}/proc/{pids[1]}", os.O_RDONLY | os.O_DIRECTORY)

    def interrupt(self) -> None:
        if self._kernel is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._kernel, signal.SIGINT)

    def usage(self, enough: int) -> Usage:
        try:
            names = [name for name in os.listdir(f"{self._root}/proc") if name.isdigit()]
        except OSError:
            return Usage()
        held = sum(self._resident(name) for name in names)
        if held >= enough:  # pages shared by forked processes were counted once for each
            held = sum(self._proportional(name) for name in names)
        return Usage(held, len(names), sum(self._files(disk) for disk in ("/tmp", "/dev/shm")))

    def _files(self, disk: str) -> int:
        """Files, folders and links: each takes memory of the machine's kernel, which the disk's size doesn't count."""
        with contextlib.suppress(OSError):
            status = os.statvfs(f"{self._root}{disk}")
            return status.f_files - status.f_ffree
        return 0

    def _resident(self, name: str) -> int:
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = Path(self._root, "proc", name, "statm").read_text()
            return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return 0

    def _proportional(self, name: str) -> int:
        with contextlib.suppress(OSError, ValueError, IndexError):
            for line in Path(self._root, "proc", name, "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
        return self._resident(name)

    def last_words(self) -> str:
        return self._errors.text()

    def kill(self) -> None:
        if self._init is not None and self._kernel is not None:
            # its process 1 waits for it and ends: what it used of the processor is then counted, which Linux leaves
            # out where process 1 is killed
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._kernel, signal.SIGKILL)
            wait_for_end(self._init, REAP_SECONDS)
        if self._init is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init, signal.SIGKILL)
        if self._process is not None:
            if self._init is None:
                self._process.kill()
            self._process.wait()
            with contextlib.suppress(OSError):
                self._process.stdin.close()  # type: ignore[union-attr]
        if self._init is not None:
            wait_for_end(self._init, 30)
            os.close(self._init)
            self._init = None
        if self._kernel is not None:
            os.close(self._kernel)
            self._kernel = None
        self._errors.close()
        self._identity.release()


def start_bubblewrap(
    argv: Sequence[str], *, stdin: int, errors: ErrorPipe, filtered: bool = True, **shown: Any
) -> tuple[subprocess.Popen[bytes], int]:
    """Starts `argv` in bubblewrap: the process, and the host pid of the sandbox's first process.

    filtered: under the system call filter.
    shown: for `bwrap_command`.
    """
    info, info_end = os.pipe()
    filter_end = _filled_pipe(seccomp_filter() or b"") if filtered else None
    passed = [info_end] if filter_end is None else [info_end, filter_end]
    command = bubblewrap.bwrap_command(argv, fonts=matplotlib_cache(), info_fd=info_end, seccomp_fd=filter_end, **shown)
    try:
        process = subprocess.Popen(
            command,
            env=bubblewrap.clean_environment(),
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=errors.write_end,
            pass_fds=passed,
            cwd="/",
        )
    finally:
        errors.close_write_end()
        for end in passed:
            os.close(end)
    text = b""
    with os.fdopen(info, "rb", buffering=0) as stream:
        while select.select([stream], [], [], START_SECONDS)[0] and (more := stream.read(4096)):
            text += more
            with contextlib.suppress(ValueError):
                return process, int(json.loads(text)["child-pid"])
    process.kill()
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
    raise KernelStartError(f"bubblewrap did not start: {errors.text() or 'no message'}")


def kernel_brief(
    identity: Identity,
    connection: Mapping[str, Any],
    limits: Limits,
    env: Mapping[str, str],
    files: Mapping[str, str],
) -> dict[str, Any]:
    """What `launch.py` or `nested.py` is told to set up and start."""
    sealed, work = parted(files)
    counted = identity.uid is not None or _counts_by_namespace()
    return {
        "argv": kernel_command(bubblewrap.KERNEL, CONNECTION_FILE),
        "env": kernel_environment(HOME, {**env, **sealed_folder(SEALED, sealed)}, packages=bubblewrap.PACKAGES),
        "cwd": WORK,
        "uid": identity.uid,
        "limits": {**asdict(limits), "processes": limits.processes if counted else None},
        "folders": [PRIVATE, SEALED, HOME, WORK, f"{HOME}/.matplotlib"],
        "files": {
            CONNECTION_FILE: json.dumps({**connection, "ip": f"{PRIVATE}/k"}),
            **{f"{SEALED}/{name}": text for name, text in sealed.items()},
        },
        "data": {f"{WORK}/{path}": data for path, data in work.items()},
        "links": {f"{HOME}/.matplotlib": bubblewrap.FONTS},
    }


def wait_for_end(pidfd: int, seconds: float) -> bool:
    """Whether the process ended, and with it all of its namespace if it was the first one there."""
    gone = select.poll()
    gone.register(pidfd, select.POLLIN)
    return bool(gone.poll(int(seconds * 1000)))


def _counts_by_namespace() -> bool:
    """Before Linux 5.14 RLIMIT_NPROC in a user namespace counted all the user's processes outside, too."""
    release = platform.release().split("-")[0].split(".")
    return (int(release[0]), int(release[1])) >= (5, 14)


def _filled_pipe(content: bytes) -> int:
    read, write = os.pipe()
    os.write(write, content)
    os.close(write)
    return read
