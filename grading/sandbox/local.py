"""A kernel with no sandbox: a plain process with the caller's rights, for machines without bubblewrap.

It has a temporary home and work folder and an environment of its own, and nothing else keeps it from the
machine: memory, disk and process limits do not hold.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from grading.sandbox.fonts import matplotlib_cache
from grading.sandbox.process import ErrorPipe, Usage, kernel_command, kernel_environment, parted, sealed_folder
from helpers.course_folder import PACKAGE


class LocalProcess:
    """See `process.KernelProcess`. `folder` is private to this kernel and removed by its owner."""

    def __init__(
        self, connection: Mapping[str, Any], *, folder: Path, env: Mapping[str, str], files: Mapping[str, str]
    ) -> None:
        home, work, packages = folder / "home", folder / "work", folder / "packages"
        sealed = folder / "sealed"
        for made in (home / ".matplotlib", work, packages, sealed):
            made.mkdir(parents=True, exist_ok=True)
        texts, data = parted(files)
        for name, text in texts.items():
            (sealed / name).write_text(text, encoding="utf-8")
        for path, content in data.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_bytes(base64.b64decode(content))
        if not (packages / "helpers").exists():  # a link: PYTHONPATH must not lead to the rest of the course
            (packages / "helpers").symlink_to(PACKAGE)
        if fonts := matplotlib_cache():
            shutil.copytree(fonts, home / ".matplotlib", dirs_exist_ok=True)
        self.sockets = str(folder / "k")
        connection_file = folder / "connection.json"
        connection_file.write_text(json.dumps({**connection, "ip": self.sockets}), encoding="utf-8")
        self._errors = ErrorPipe()
        self._process = subprocess.Popen(
            kernel_command(Path(__file__).with_name("kernel.py"), connection_file),
            env=kernel_environment(str(home), {**env, **sealed_folder(sealed, texts)}, packages=str(packages)),
            cwd=work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors.write_end,
            start_new_session=True,
        )
        self._errors.close_write_end()

    def poll(self) -> int | None:
        status = self._process.poll()
        return 128 - status if status is not None and status < 0 else status

    def ready(self) -> None:
        pass

    def interrupt(self) -> None:
        self._signal(signal.SIGINT)

    def usage(self, enough: int) -> Usage:
        return Usage()

    def last_words(self) -> str:
        return self._errors.text()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._errors.close()

    def _signal(self, number: int) -> None:
        # the whole group: what the kernel started ends too, but not a daemon that made a group of its own
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
