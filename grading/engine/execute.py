"""One submission through intake and the sandbox: a pure function of its job, the stage mapped over an executor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from grading.intake.contents import contents_of
from grading.intake.read import Unreadable, read_bytes, read_notebook
from grading.intake.transplant import transplant
from grading.judging.execution import Executed, finished, run_prepared
from grading.nbgrader_plugin.ordinary.assignment import Assignment
from grading.nbgrader_plugin.ordinary.handed_in import contents_of_path
from grading.nbgrader_plugin.ordinary.run import execute_assignment
from grading.sandbox.course_data import course_data
from grading.sandbox.limits import Limits
from grading.sandbox.warm import WarmPool, shared_pool


@dataclass(frozen=True)
class Job:
    """What the stage needs; picklable.

    Attributes:
        content: the file's bytes where the machine that runs this may not see it; None: `path` is read.
        problem: why there is nothing to run; "" when there is.
        warm: fork the kernel from this process's zygote.
        assignment: for an ordinary nbgrader assignment, its notebooks; None for a built lesson.
        contents: of an ordinary assignment, the files that were handed in, where `path` may not be seen.
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
    assignment: Assignment | None = None
    contents: Mapping[str, bytes] | None = None


def execute(job: Job, released: Mapping[str, str]) -> Executed:
    """Read, repair and run one submission. Never raises for what a submission contains.

    released: every lesson's released notebook as JSON, by id; the others serve to recognise a mix-up.
    """
    start = time.perf_counter()
    if job.problem or job.path is None:
        return Executed(None, "unreadable", job.problem or "nothing was handed in", job.notes)
    if job.assignment is not None:
        return _ordinary(job, job.assignment)
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
    run = run_prepared(moved.notebook, seed=job.seed, limits=job.limits, sandbox=job.sandbox, warm=_warm(job))
    return finished(run, notes=notes, intake=intake)


def _ordinary(job: Job, assignment: Assignment) -> Executed:
    assert job.path is not None
    try:
        contents = contents_of_path(job.path) if job.contents is None else job.contents
    except Unreadable as error:
        return Executed(None, "unreadable", str(error), job.notes)
    done = execute_assignment(contents, assignment, limits=job.limits, sandbox=job.sandbox, warm=_warm(job))
    return replace(done, notes=(*job.notes, *done.notes))


def _warm(job: Job) -> WarmPool | None:
    """The pool of this process that kernels are forked from; None for a cold start."""
    shown, _ = course_data(job.sandbox)
    return shared_pool(job.limits.gpu_share, read_only=shown) if job.warm and job.sandbox != "none" else None


def execute_safely(job: Job, released: Mapping[str, str]) -> Executed:
    """`execute`, with a fault of ours turned into a status: the batch goes on."""
    try:
        return execute(job, released)
    except Exception as error:
        return Executed(None, "failed", f"a fault of the grader: {type(error).__name__}: {str(error)[:300]}")


@lru_cache(maxsize=64)
def _notebook(text: str) -> NotebookNode:
    """Parsed once per process and never changed."""
    return nbformat.reads(text, as_version=4)
