"""What a kernel process is to the rest: the interface, its command line and its environment."""

from __future__ import annotations

import base64
import contextlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# One core per notebook: grading runs several at once, and more threads than cores only slow each other down.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")


SEALED = "VITLAB_SEALED"
_WORK = "work/"


class KernelStartError(RuntimeError):
    """The kernel did not come up: a fault of the installation or of the limits, never of the student."""


class WarmFailure(RuntimeError):
    """A warm start did not work out, through no fault of the notebook: run it again with a cold one."""


@dataclass(frozen=True)
class Usage:
    """What all processes of a kernel hold together: resident bytes, processes, files on the memory disks."""

    bytes: int = 0
    processes: int = 0
    files: int = 0


class KernelProcess(Protocol):
    """A started kernel and everything it starts in turn."""

    sockets: str  # what the paths of its sockets begin with, seen from here; `-1` to `-5` follows

    def poll(self) -> int | None:
        """None while the kernel runs, then its exit status, 128 + signal number where a signal ended it.

        Raises `WarmFailure` where the kernel is gone because its zygote is.
        """

    def ready(self) -> None:
        """To be called once, when the kernel answers and before it runs any student code."""

    def interrupt(self) -> None:
        """Interrupts the running cell, as Ctrl-C would."""

    def usage(self, enough: int) -> Usage:
        """What is held now; exact where it comes to `enough` bytes or more, else possibly a little high."""

    def last_words(self) -> str:
        """What the process wrote to its own standard error, bubblewrap's messages included."""

    def kill(self) -> None:
        """Ends every process and returns when they are gone; may be called twice."""


def kernel_command(script: str | Path, connection_file: str | Path) -> list[str]:
    """The kernel's command line. `script` is `kernel.py`, wherever it is seen from the kernel."""
    return [sys.executable, str(script), "-f", str(connection_file), "--HistoryManager.enabled=False"]


def kernel_environment(home: str, extra: Mapping[str, str], *, packages: str) -> dict[str, str]:
    """The kernel's whole environment: nothing of the host's, `extra` last."""
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "HOME": home,
        "USER": "student",
        "LOGNAME": "student",
        "LANG": "C.UTF-8",
        "PYTHONPATH": packages,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        "IPYTHONDIR": f"{home}/.ipython",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        **ONE_THREAD,
        **extra,
    }


def as_work_files(files: Mapping[str, bytes]) -> dict[str, str]:
    """Files for the work folder as they travel among a kernel's other files: base64, under ``work/<path>``."""
    return {f"{_WORK}{path}": base64.b64encode(data).decode("ascii") for path, data in files.items()}


def parted(files: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """A kernel's files: text by name for its sealed folder, and base64 by path for its work folder.

    A path that leads out of the work folder is left out.
    """
    work = {name.removeprefix(_WORK): data for name, data in files.items() if name.startswith(_WORK)}
    inside = {path: data for path, data in work.items() if path[:1] != "/" and ".." not in path.split("/")}
    return {name: text for name, text in files.items() if not name.startswith(_WORK)}, inside


def sealed_folder(folder: str | Path, files: Mapping[str, str]) -> dict[str, str]:
    """What tells a kernel where the files lie that it was given; nothing where there are none."""
    return {SEALED: str(folder)} if files else {}


class ErrorPipe:
    """A process's standard error: 64 KiB are kept, a writer beyond that gets an error and never blocks."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    @property
    def write_end(self) -> int:
        """For the child; `close_write_end` once it has it."""
        return self._write

    def close_write_end(self) -> None:
        """Closes our copy."""
        if self._write >= 0:
            os.close(self._write)
            self._write = -1

    def text(self) -> str:
        """What was written since the last call."""
        with contextlib.suppress(OSError):
            return os.read(self._read, 65536).decode("utf-8", "replace").strip()
        return ""

    def close(self) -> None:
        """Closes both ends."""
        self.close_write_end()
        if self._read >= 0:
            os.close(self._read)
            self._read = -1
