"""One submission through intake and the sandbox: a pure function of its job, the stage mapped over an executor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import cast

import nbformat
from nbformat import NotebookNode

from grading.intake.contents import contents_of
from grading.intake.read import Unreadable, read_bytes, read_notebook
from grading.intake.transplant import transplant
from grading.judging.cells_to_run import cells_to_run
from grading.judging.sanitize import make_safe
from grading.judging.seeds import kernel_seed, sealed_files
from grading.sandbox import gpu
from grading.sandbox.limits import Limits
from grading.sandbox.run import Run, run_notebook
from grading.sandbox.session import SandboxKind
from grading.sandbox.warm import WarmPool, shared_pool
from helpers.checks.check import EXAM_SEED
from helpers.checks.wire_format import MIME


@dataclass(frozen=True)
class Job:
    """What the stage needs; picklable.

    Attributes:
        content: the file's bytes where the machine that runs this may not see it; None: `path` is read.
        problem: why there is nothing to run; "" when there is.
        warm: fork the kernel from this process's zygote.
    """

    student: str
    lesson: str
    path: Path | None
    seed: int
    limits: Limits
    sandbox: str = "bubblewrap"
    problem: str = ""
    notes: tuple[str, ...] = ()
    warm: bool = False
    content: bytes | None = None


@dataclass(frozen=True)
class Executed:
    """What came of it; picklable.

    Attributes:
        notebook: with outputs; None when nothing could be run.
        stopped: why a cell did not finish, by cell index.
        status, reason: as in SubmissionOutcome.
        warnings: about our own machinery, for the instructor alone.
    """

    notebook: NotebookNode | None
    status: str = "graded"
    reason: str = ""
    notes: tuple[str, ...] = ()
    suspicious: tuple[str, ...] = ()
    stopped: dict[int, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def execute(job: Job, released: Mapping[str, str]) -> Executed:
    """Read, repair and run one submission. Never raises for what a submission contains.

    released: every lesson's released notebook as JSON, by id; the others serve to recognise a mix-up.
    """
    start = time.perf_counter()
    if job.problem or job.path is None:
        return Executed(None, "unreadable", job.problem or "nothing was handed in", job.notes)
    try:
        pick = contents_of(released).picker(job.lesson)
        if job.content is None:
            read = read_notebook(job.path, prefer=job.lesson, pick=pick)
        else:
            read = read_bytes(job.content, job.path.suffix.lower(), prefer=job.lesson, pick=pick)
        others = {lesson: _notebook(text) for lesson, text in released.items() if lesson != job.lesson}
        moved = transplant(_notebook(released[job.lesson]), read.notebook, others)
    except Unreadable as error:
        return Executed(None, "unreadable", str(error), job.notes)
    notes = (*job.notes, *read.notes, *moved.notes)
    intake = time.perf_counter() - start
    warm = shared_pool(job.limits.gpu_share) if job.warm and job.sandbox != "none" else None
    run = run_prepared(moved.notebook, seed=job.seed, limits=job.limits, sandbox=job.sandbox, warm=warm)
    return finished(run, notes=notes, intake=intake)


def execute_safely(job: Job, released: Mapping[str, str]) -> Executed:
    """`execute`, with a fault of ours turned into a status: the batch goes on."""
    try:
        return execute(job, released)
    except Exception as error:
        return Executed(None, "failed", f"a fault of the grader: {type(error).__name__}: {str(error)[:300]}")


@lru_cache(maxsize=64)
def _notebook(text: str) -> NotebookNode:
    """Parsed once per process; nobody changes it."""
    return nbformat.reads(text, as_version=4)


def run_prepared(
    notebook: NotebookNode, *, seed: int, limits: Limits, sandbox: str, warm: WarmPool | None = None
) -> Run:
    """Run the cells that grading needs; what the kernel gets of the secret seed, `sealing` says."""
    chosen = {id(notebook.cells[i]) for i in cells_to_run(notebook)}
    positions = {cell.id: id(cell) in chosen for cell in notebook.cells if cell.cell_type == "code"}
    return run_notebook(
        notebook, limits=limits, sandbox=cast(SandboxKind, sandbox),
        env={EXAM_SEED: str(kernel_seed(seed)), **gpu.environment(limits.gpu_share)},
        should_run=lambda cell: positions.get(cell.id, True), warm=warm, files=sealed_files(notebook, seed),
    )  # fmt: skip


def finished(run: Run, *, notes: Sequence[str] = (), intake: float = 0.0) -> Executed:
    """A run as the judge takes it: what stopped which cell, in words."""
    ok = run.status == "ok"
    reason = "" if ok else next(message for _, kind, message in run.events if kind == run.status)
    return Executed(
        run.notebook, "graded" if ok else run.status, reason, tuple(notes), (), run.stopped,
        {"intake": intake, **run.seconds}, tuple(run.notes),
    )  # fmt: skip


def clean(notebook: NotebookNode) -> None:
    """In place: active content out, answer records kept for the judge."""
    records = [[o for o in cell.get("outputs", []) if MIME in o.get("data", {})] for cell in notebook.cells]
    for cell, kept in zip(notebook.cells, records, strict=True):
        if kept:
            cell.outputs = [o for o in cell.outputs if MIME not in o.get("data", {})]
    make_safe(notebook)
    for cell, kept in zip(notebook.cells, records, strict=True):
        if kept:
            cell.outputs = [*cell.outputs, *kept]
