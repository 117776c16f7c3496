"""Runs a whole notebook: cell after cell, past errors, time limits and dead kernels."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from nbformat import NotebookNode

from grading.copying import copied
from grading.sandbox import bubblewrap
from grading.sandbox.limits import MB, Limits
from grading.sandbox.outputs import fit_to_save, note
from grading.sandbox.process import KernelStartError, WarmFailure, as_work_files
from grading.sandbox.session import ZYGOTE_LOST, SandboxKind, Session, Stop, now
from grading.sandbox.warm import WarmPool

MAX_RESTARTS = 3
MESSAGE_CHARACTERS = 300
_HARMLESS = frozenset({"error", "bad_output"})
SandboxUnavailable = bubblewrap.SandboxUnavailable

__all__ = [
    "Event",
    "KernelStartError",
    "Limits",
    "Run",
    "SandboxUnavailable",
    "WarmPool",
    "run_notebook",
    "stop_running",
]


class Event(NamedTuple):
    """Something that happened in a cell.

    kind: "error" (the cell raised, which is no concern of the sandbox), "timeout", "total_timeout", "died",
    "memory", "processes", "files", "output_limit", "protocol" (a message that cannot be read), or "bad_output"
    (outputs that no notebook may hold were left out).
    """

    cell_index: int
    kind: str
    message: str


@dataclass
class Run:
    """What came of a notebook. Picklable.

    notebook: a copy with the outputs of this run; cells that did not run have none.
    events: in the order they happened.
    seconds: "kernel_start", "cells" and "shutdown", restarts included.
    notes: what the instructor should know about the machinery, none of it the notebook's doing.
    """

    notebook: NotebookNode
    events: list[Event] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=lambda: {"kernel_start": 0.0, "cells": 0.0, "shutdown": 0.0})
    notes: list[str] = field(default_factory=list)

    @property
    def status(self) -> str:
        """ "ok", or the kind of the first event that is more than an error in a cell."""
        return next((event.kind for event in self.events if event.kind not in _HARMLESS), "ok")

    @property
    def stopped(self) -> dict[int, str]:
        """By cell index, why a cell did not end by itself or did not run."""
        return {event.cell_index: event.message for event in self.events if event.kind not in _HARMLESS}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Adds the time spent inside to a stage."""
        begin = now()
        try:
            yield
        finally:
            self.seconds[stage] += now() - begin


def _every_cell(cell: NotebookNode) -> bool:
    return True


def run_notebook(
    nb: NotebookNode,
    *,
    limits: Limits | None = None,
    sandbox: SandboxKind = "bubblewrap",
    env: Mapping[str, str] | None = None,
    read_only: Mapping[str, str | Path] | None = None,
    should_run: Callable[[NotebookNode], bool] = _every_cell,
    warm: WarmPool | None = None,
    files: Mapping[str, str] | None = None,
    work_files: Mapping[str, bytes] | None = None,
) -> Run:
    """Runs the code cells of `nb` that `should_run` chooses, in a kernel of their own.

    env: environment variables for the kernel, besides the fixed ones.
    read_only: files or folders to show in the sandbox, path inside -> path here (data sets). Under root they
        must be readable by others: the kernel is not root. With sandbox="none" nothing is mapped; a path that
        is the same on both sides works in both.
    warm: fork the kernel from this pool's zygote instead of starting one; the result is the same. Where that
        does not work out the notebook is run again cold, and `notes` says so.
    files: text files to lay into a folder of the kernel's own, which `VITLAB_SEALED` names there; by name.
    work_files: files to lay into the kernel's work folder, by path relative to it.
    Raises `SandboxUnavailable` where bubblewrap does not work and `KernelStartError` where no kernel starts;
    whatever the notebook itself does ends up in the result.

    An error in a cell does not stop the run. A cell out of time is interrupted and the run goes on. Where the
    kernel is lost (killed, died, too much output), a fresh one runs the earlier cells again, less the ones
    that were stopped, and goes on after the cell that did it: at most 3 times, within `total_seconds`.
    May be called from several threads at once.
    """
    if sandbox not in ("bubblewrap", "none"):
        raise ValueError(f'sandbox is {sandbox!r}; expected "bubblewrap" or "none"')
    if sandbox == "bubblewrap":
        bubblewrap.require_bubblewrap()

    given = {**(files or {}), **as_work_files(work_files or {})}

    def attempt(warm: WarmPool | None) -> Run:
        plan = _Plan(nb, limits or Limits(), sandbox, dict(env or {}), dict(read_only or {}), should_run, warm, given)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(_stoppable(plan))
        return _in_a_thread(plan)

    if warm is None or sandbox == "none":
        return attempt(None)
    try:
        warm.wait()
        run = attempt(warm)
    except (WarmFailure, KernelStartError) as error:
        run = attempt(None)
        run.notes.append(f"run again with a cold start: {error}")
    if warm.problem:
        run.notes.append(warm.problem)
    return run


_running: set[tuple[asyncio.AbstractEventLoop, asyncio.Task[Run]]] = set()
_changing = threading.Lock()


def stop_running() -> None:
    """Ends every `run_notebook` of this process, from another thread: each raises asyncio's `CancelledError`."""
    with _changing:
        for loop, task in _running:
            loop.call_soon_threadsafe(task.cancel)
        _running.clear()


async def _stoppable(plan: _Plan) -> Run:
    entry = (asyncio.get_running_loop(), asyncio.current_task())
    with _changing:
        _running.add(entry)  # type: ignore[arg-type]
    try:
        return await plan.carry_out()
    finally:
        with _changing:
            _running.discard(entry)  # type: ignore[arg-type]


def _in_a_thread(plan: _Plan) -> Run:
    """For callers inside an event loop (formgrader): a loop cannot be run within a loop."""
    results: list[Run] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(asyncio.run(_stoppable(plan)))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="vitlab-run-notebook")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


class _Plan:
    """One call of `run_notebook`."""

    def __init__(
        self,
        nb: NotebookNode,
        limits: Limits,
        sandbox: SandboxKind,
        env: dict[str, str],
        read_only: dict[str, str | Path],
        should_run: Callable[[NotebookNode], bool],
        warm: WarmPool | None,
        files: dict[str, str],
    ) -> None:
        self.warm, self.files = warm, files
        self.notebook = copied(nb)
        self.limits, self.sandbox, self.env, self.read_only = limits, sandbox, env, read_only
        self.run = Run(self.notebook)
        self.todo: list[int] = []
        for index, cell in enumerate(self.notebook.cells):
            if cell.cell_type != "code":
                continue
            if cell.source.strip() and should_run(cell):
                self.todo.append(index)
            cell.outputs, cell.execution_count = [], None
        self.done: list[int] = []  # to run again after a restart
        self.received = 0  # bytes of output that count
        self.spent = 0.0  # seconds of cells, re-runs included

    async def carry_out(self) -> Run:
        restarts = 0
        while self.todo:
            lost = await self._one_kernel(again=restarts > 0)
            if lost is None:
                break
            restarts += 1
            if self.todo and restarts > MAX_RESTARTS:
                self._event(self.todo[0], lost, f"not run: the kernel was lost {restarts} times")
                break
        self.run.seconds["cells"] = self.spent
        for index, cell in enumerate(self.notebook.cells):
            # only now: a later cell may still update what an earlier one displayed
            if cell.cell_type == "code":
                cell.outputs, left_out = fit_to_save(cell.outputs)
                self._left_out(index, left_out)
        return self.run

    async def _one_kernel(self, *, again: bool) -> str | None:
        """Runs what is left in a fresh kernel; the kind of the event that lost it, None if all is done."""
        session = Session(
            self.notebook,
            limits=self.limits,
            sandbox=self.sandbox,
            env=self.env,
            read_only=self.read_only,
            warm=self.warm,
            files=self.files,
        )
        with self.run.timed("kernel_start"):
            await session.__aenter__()
        try:
            if again and not await self._run_again(session):
                return None
            while self.todo:
                if self._left() <= 0:
                    self._event(self.todo[0], "total_timeout", self._out_of_time("this cell and the rest"))
                    return None
                index = self.todo.pop(0)
                stop = await self._cell(session, index)
                if stop is not None and stop.kernel_lost:
                    return stop.kind
            return None
        finally:
            with self.run.timed("shutdown"):
                await session.close()

    async def _cell(self, session: Session, index: int) -> Stop | None:
        cell = self.notebook.cells[index]
        before = session.relay.received
        session.relay.allowance = before + self.limits.output_mb * MB - self.received
        number = len(self.done) + 1
        stop = await self._timed_cell(session, cell, index, number)
        if stop is not None and stop.kind == "output_limit":
            cell.outputs = []
        else:
            self.received += session.relay.received - before
        self._left_out(index, session.take_left_out())
        if stop is None:
            cell.execution_count = number
            self.done.append(index)
            for output in cell.outputs:
                if output.get("output_type") == "error":
                    self._event(index, "error", f"{output.get('ename')}: {output.get('evalue')}")
            return None
        cell.execution_count = None
        cell.outputs.append(note(stop.message))
        out_of_total = stop.kind == "timeout" and self._left() <= 0
        self._event(index, "total_timeout" if out_of_total else stop.kind, stop.message)
        return stop

    async def _run_again(self, session: Session) -> bool:
        """Brings a fresh kernel to where the lost one was; outputs are thrown away, those we have stay."""
        session.relay.allowance = session.relay.received + self.limits.output_mb * MB
        for number, index in enumerate(self.done, start=1):
            if self._left() <= 0:
                self._event(index, "total_timeout", self._out_of_time("re-running this cell after a restart"))
                return False
            scratch = copied(self.notebook.cells[index])
            stop = await self._timed_cell(session, scratch, index, number)
            if stop is not None:
                self._event(index, stop.kind, f"while re-running this cell after a restart: {stop.message}")
                return False
        return True

    async def _timed_cell(self, session: Session, cell: NotebookNode, index: int, number: int) -> Stop | None:
        begin = now()
        seconds = min(self.limits.cell_seconds, self._left())
        stop = await session.run_cell(cell, index, seconds=seconds, number=number)
        self.spent += now() - begin
        if stop is not None and stop.kind == ZYGOTE_LOST:
            raise WarmFailure(stop.message)
        return stop

    def _left_out(self, index: int, count: int) -> None:
        if count:
            self._event(index, "bad_output", f"{count} invalid outputs were left out")

    def _left(self) -> float:
        return self.limits.total_seconds - self.spent

    def _out_of_time(self, what: str) -> str:
        return f"not run: {what}; the notebook had used its {self.limits.total_seconds:.3g} s"

    def _event(self, index: int, kind: str, message: str) -> None:
        self.run.events.append(Event(index, kind, message[:MESSAGE_CHARACTERS]))
