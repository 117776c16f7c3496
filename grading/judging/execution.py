"""Runs the cells of a prepared notebook that grading needs, and hands what came of it to the judge.

Both ways to grade use this: the engine's execute stage (`grading.engine.execute`) and the steps that nbgrader's own
`autograde` runs (`grading.nbgrader_plugin.autograde`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from nbformat import NotebookNode

from grading.judging.cells_to_run import cells_to_run
from grading.judging.sanitize import make_safe
from grading.judging.seeds import kernel_seed, sealed_files
from grading.sandbox import gpu
from grading.sandbox.course_data import course_data
from grading.sandbox.limits import Limits
from grading.sandbox.run import Run, run_notebook
from grading.sandbox.session import SandboxKind
from grading.sandbox.warm import WarmPool
from helpers.checks.check import EXAM_SEED
from helpers.checks.wire_format import MIME


@dataclass(frozen=True)
class Executed:
    """What came of executing a submission; picklable.

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


def run_prepared(
    notebook: NotebookNode, *, seed: int, limits: Limits, sandbox: str, warm: WarmPool | None = None
) -> Run:
    """Run the cells that grading needs; what the kernel gets of the secret seed, `sealing` says."""
    chosen = {id(notebook.cells[i]) for i in cells_to_run(notebook)}
    positions = {cell.id: id(cell) in chosen for cell in notebook.cells if cell.cell_type == "code"}
    shown, where = course_data(sandbox)
    return run_notebook(
        notebook,
        limits=limits,
        sandbox=cast(SandboxKind, sandbox),
        read_only=shown,
        env={EXAM_SEED: str(kernel_seed(seed)), **gpu.environment(limits.gpu_share), **where},
        should_run=lambda cell: positions.get(cell.id, True),
        warm=warm,
        files=sealed_files(notebook, seed),
    )


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
