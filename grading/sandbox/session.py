"""One kernel from start to end, and one cell at a time in it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import zmq.asyncio
from nbformat import NotebookNode

from grading.sandbox import client
from grading.sandbox.limits import MB, Limits
from grading.sandbox.local import LocalProcess
from grading.sandbox.process import KernelProcess, KernelStartError, WarmFailure
from grading.sandbox.relay import Relay
from grading.sandbox.sandboxed import SandboxedProcess
from grading.sandbox.warm import WarmPool

SandboxKind = Literal["bubblewrap", "none"]

START_SECONDS = 60
INTERRUPT_GRACE_SECONDS = 3
READ_SECONDS = 30  # for output still unread when a cell is done, on top of the cell's own time
WATCH_SECONDS = 0.05
MAX_FILES = 20_000  # on the memory disks
SHARED_LIBRARIES_MB = 512  # resident, and no memory of the student's own
ZYGOTE_LOST = "zygote"  # the kind of a stop that is no fault of the notebook


@dataclass(frozen=True)
class Stop:
    """Why a cell did not end by itself. `kernel_lost`: nothing more can run in this session."""

    kind: str
    message: str
    kernel_lost: bool = True


class Session:
    """A running kernel. Use as `async with Session(...) as session`; on leaving, all of it is gone."""

    def __init__(
        self,
        notebook: NotebookNode,
        *,
        limits: Limits,
        sandbox: SandboxKind,
        env: Mapping[str, str],
        read_only: Mapping[str, str | Path],
        warm: WarmPool | None = None,
        files: Mapping[str, str] | None = None,
    ) -> None:
        self._notebook, self._warm, self._files = notebook, warm, dict(files or {})
        self._limits, self._sandbox, self._env, self._read_only = limits, sandbox, env, read_only
        self._process: KernelProcess | None = None
        self._client: Any = None
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Session:
        parent = "/tmp" if Path("/tmp").is_dir() else None  # short: a socket's path has 107 characters at most
        self._folder = Path(tempfile.mkdtemp(prefix=f"vl-{os.getpid()}-", dir=parent))
        self._context = zmq.asyncio.Context()
        self._context.linger = 0
        self._context.rcvhwm = 0  # the relay has a bound; a full queue would only hold it up
        self._lost: asyncio.Future[Stop] = asyncio.get_running_loop().create_future()
        self.relay = Relay(self._folder, allowance=MB, on_excess=self._too_much_output)
        try:
            await asyncio.wait_for(self._start(), START_SECONDS)
        except TimeoutError:
            words = self._process.last_words() if self._process else ""
            await self.close()
            raise KernelStartError(f"the kernel did not answer within {START_SECONDS} s. {words}") from None
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def _start(self) -> None:
        ports = {f"{name}_port": i for i, name in enumerate(("shell", "iopub", "stdin", "control", "hb"), start=1)}
        connection: dict[str, Any] = {
            "transport": "ipc",
            "key": secrets.token_hex(32),
            "signature_scheme": "hmac-sha256",
            **ports,
        }
        if self._sandbox == "bubblewrap":
            start = self._warm.start if self._warm is not None else SandboxedProcess
            self._process = start(
                connection, limits=self._limits, env=self._env, read_only=self._read_only, files=self._files
            )
        else:
            self._process = LocalProcess(connection, folder=self._folder / "kernel", env=self._env, files=self._files)
        for port in (ports["shell_port"], ports["iopub_port"]):
            while True:
                try:
                    await self.relay.connect(self._process.sockets, port)
                    break
                except OSError:  # not there yet
                    self._expect_alive()
                    await asyncio.sleep(0.005)
        self._client = client.connect(self._context, connection, self.relay.address)
        ready = asyncio.ensure_future(client.wait_until_ready(self._client))
        try:
            while not (await asyncio.wait({ready}, timeout=WATCH_SECONDS))[0]:
                self._expect_alive()
            ready.result()
        finally:
            ready.cancel()
        self._process.ready()
        if self._sandbox == "bubblewrap":  # connected: nobody needs the paths, and a killed owner leaves none
            shutil.rmtree(self._folder)
        # a list of its own: running a cell again must not replace the one that holds the first outputs
        cells = NotebookNode(cells=list(self._notebook.cells))
        self._runner = client.CellRunner(cells, self._client)
        self._watch = asyncio.ensure_future(self._watch_process())

    def _expect_alive(self) -> None:
        assert self._process is not None
        status = self._process.poll()
        if status is not None:
            raise KernelStartError(
                f"the kernel ended while starting ({_describe(status, self._limits)}). It said: "
                f"{self._process.last_words() or 'nothing'}"
            )

    async def _watch_process(self) -> None:
        """Notices death, and memory, processes or files beyond what all of the sandbox may have."""
        assert self._process is not None
        most = (self._limits.memory_mb + SHARED_LIBRARIES_MB) * MB
        while not self._lost.done():
            try:
                status = self._process.poll()
            except WarmFailure as error:
                self._lose(ZYGOTE_LOST, str(error))
                return
            usage = self._process.usage(most)
            if status is not None:
                self._lose("died", f"the kernel died: {_describe(status, self._limits)}")
            elif usage.bytes >= most:
                self._lose(
                    "memory",
                    f"the kernel was stopped: its processes together held {usage.bytes // MB} MB of memory "
                    f"(limit {self._limits.memory_mb} MB)",
                )
            elif usage.processes > self._limits.processes:
                self._lose(
                    "processes",
                    f"the kernel was stopped: {usage.processes} processes (limit {self._limits.processes})",
                )
            elif usage.files > MAX_FILES:
                self._lose("files", f"the kernel was stopped: {usage.files} files (at most {MAX_FILES} are allowed)")
            else:
                await asyncio.sleep(WATCH_SECONDS)

    def _too_much_output(self) -> None:
        self._lose("output_limit", f"stopped: the output grew beyond {self._limits.output_mb} MB")

    def _lose(self, kind: str, message: str) -> None:
        if not self._lost.done():
            self._lost.set_result(Stop(kind, message))

    async def run_cell(self, cell: NotebookNode, index: int, *, seconds: float, number: int) -> Stop | None:
        """Runs one cell for at most `seconds`; None if it ended by itself, with or without an error.

        A cell out of time is interrupted; if it does not end within a short grace, the kernel counts as lost.
        """
        runner = self._runner
        work = asyncio.ensure_future(runner.async_execute_cell(cell, index, execution_count=number))
        ends: set[asyncio.Future[Any]] = {work, self._lost, runner.failed}
        out_of_time = False
        try:
            done, _ = await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the whole run is stopped
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            raise
        if not done and runner.answered:  # it is we who are behind
            done, _ = await asyncio.wait(ends, timeout=READ_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            out_of_time = True
            assert self._process is not None
            self._process.interrupt()
            done, _ = await asyncio.wait(ends, timeout=INTERRUPT_GRACE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if work in done:
            error = work.exception()
            if error is not None:
                return _unreadable(error)
            if runner.failed.done():
                return _unreadable(runner.failed.result())
            if self._lost.done():
                return self._lost.result()
            if out_of_time:
                return Stop("timeout", f"stopped after {seconds:.3g} s", kernel_lost=False)
            return None
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        if self._lost in done:
            return self._lost.result()
        if runner.failed in done:
            return _unreadable(runner.failed.result())
        return Stop("timeout", f"stopped after {seconds:.3g} s; it ignored the interrupt, so the kernel was ended")

    def take_left_out(self) -> int:
        """How many invalid outputs were left out since the last call."""
        count, self._runner.left_out = self._runner.left_out, 0
        return count

    async def close(self) -> None:
        """Kills the kernel and all it started, closes every socket, removes the folder."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._process is not None:
            self._process.kill()
        if self._client is not None:
            self._client.stop_channels()
        await self.relay.close()
        self._context.destroy(linger=0)
        shutil.rmtree(self._folder, ignore_errors=True)


def _unreadable(error: BaseException) -> Stop:
    return Stop("protocol", f"the kernel sent a message that cannot be read ({type(error).__name__})")


def _describe(status: int, limits: Limits) -> str:
    """An exit status as a teacher would say it."""
    if status <= 128:
        return f"the code ended the Python process itself (exit status {status})"
    try:
        name = signal.Signals(status - 128).name
    except ValueError:
        name = f"signal {status - 128}"
    likely = {
        "SIGKILL": f"; most likely out of memory, limit {limits.memory_mb} MB",
        "SIGABRT": f"; a library ended the process, for instance without memory (limit {limits.memory_mb} MB)",
        "SIGSEGV": "; a crash in compiled code, or endless recursion",
    }.get(name, "")
    return f"killed ({name}{likely})"


def now() -> float:
    """Seconds on a clock that only goes forward."""
    return time.monotonic()
