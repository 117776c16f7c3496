"""Runs a hand-in of an ordinary assignment in the sandbox, each notebook in a kernel of its own.

What comes out is one notebook with the cells of all: the engine keeps, judges and shows a submission as one. `split`
takes it apart again, into the notebooks that nbgrader knows.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import cast

from nbformat import NotebookNode
from nbformat.v4 import new_output

from grading.copying import copied
from grading.intake.normalise import bounded
from grading.intake.read import Unreadable
from grading.judging.execution import Executed, finished
from grading.nbgrader_plugin.ordinary.assignment import Assignment, Part
from grading.nbgrader_plugin.ordinary.handed_in import read_handed_in
from grading.nbgrader_plugin.ordinary.intake import blank, keyed, prepare
from grading.sandbox import gpu
from grading.sandbox.course_data import course_data
from grading.sandbox.limits import Limits
from grading.sandbox.run import run_notebook
from grading.sandbox.session import SandboxKind
from grading.sandbox.warm import WarmPool

NOT_RUN = "NotRun"  # the name of an error that stands in a test cell which did not run


def execute_assignment(
    contents: Mapping[str, bytes], assignment: Assignment, *, limits: Limits, sandbox: str, warm: WarmPool | None
) -> Executed:
    """Read, repair and run all notebooks of one hand-in.

    Args:
        contents: the hand-in's files by relative path.
        limits: of each notebook.
    """
    begin = time.perf_counter()
    try:
        handed_in = read_handed_in(contents, assignment)
    except Unreadable as error:
        return Executed(None, "unreadable", str(error))
    files = handed_in.files | dict(assignment.files)  # the instructor's win, as in nbgrader
    notes, done = list(handed_in.notes), list[tuple[Part, NotebookNode]]()
    status, reason, warnings = "graded", "", list[str]()
    stopped: dict[int, str] = {}
    seconds = {"intake": time.perf_counter() - begin}
    for part in assignment.parts:
        if part.name not in handed_in.notebooks:
            done.append((part, _not_run(blank(part), f"{part.name}.ipynb was not handed in")))
            continue
        notebook, repaired = prepare(part, handed_in.notebooks[part.name])
        notes += repaired
        executed = run_part(notebook, files, limits=limits, sandbox=sandbox, warm=warm)
        offset = sum(len(book.cells) for _, book in done)
        assert executed.notebook is not None
        done.append((part, executed.notebook))
        stopped |= {offset + index: message for index, message in executed.stopped.items()}
        warnings += executed.warnings
        for stage, spent in executed.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
        if executed.status != "graded" and status == "graded":
            status, reason = executed.status, f"{part.name}: {executed.reason}"
    combined = combine(done, assignment)
    return Executed(combined, status, reason, bounded(notes), (), stopped, seconds, tuple(dict.fromkeys(warnings)))


def run_part(
    notebook: NotebookNode, files: Mapping[str, bytes], *, limits: Limits, sandbox: str, warm: WarmPool | None = None
) -> Executed:
    """Run all cells of a notebook that `prepare` made ready, with `files` in the work folder."""
    shown, where = course_data(sandbox)
    run = run_notebook(
        notebook,
        limits=limits,
        sandbox=cast(SandboxKind, sandbox),
        read_only=shown,
        warm=warm,
        work_files=files,
        env={"NBGRADER_EXECUTION": "autograde", **gpu.environment(limits.gpu_share), **where},
    )
    executed = finished(run)
    assert executed.notebook is not None
    _not_run(executed.notebook, executed.reason or "the notebook was stopped before this cell")
    return executed


def _not_run(notebook: NotebookNode, reason: str) -> NotebookNode:
    """In place: an error in each test that did not run. nbgrader gives full points to a cell without any output."""
    for cell in notebook.cells:
        is_test = cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("grade")
        if is_test and cell.source.strip() and cell.execution_count is None and not cell.outputs:
            cell.outputs = [new_output("error", ename=NOT_RUN, evalue=reason, traceback=[f"{NOT_RUN}: {reason}"])]
    return notebook


def combine(parts: list[tuple[Part, NotebookNode]], assignment: Assignment) -> NotebookNode:
    """One notebook of several: cells know their part, and no two of the assignment have the same grade id."""
    cells = []
    for number, (part, notebook) in enumerate(parts):
        for cell in notebook.cells:
            grader = cell.metadata.get("nbgrader", {})
            kept = {"part": part.name, "grade_id": grader.get("grade_id", ""), "checksum": grader.get("checksum", "")}
            cell.metadata["vitlab"] = NotebookNode(kept)
            if number:
                cell["id"] = f"{number}-{cell.get('id', '')}"[:64]
        keyed(notebook, {name: assignment.key(part, name) for name in part.marked})
        cells += notebook.cells
    metadata = copied(parts[0][1].metadata)
    return NotebookNode(nbformat=4, nbformat_minor=5, metadata=metadata, cells=cells)


def split(combined: NotebookNode, assignment: Assignment) -> dict[str, NotebookNode]:
    """By name the notebooks that `combine` put together, with nbgrader's own grade ids; the argument is not changed."""
    found = {}
    for part in assignment.parts:
        cells = []
        for cell in combined.cells:
            about = cell.metadata.get("vitlab", {})
            if about.get("part") != part.name:
                continue
            own = copied(cell)
            own.metadata.pop("vitlab")
            if about["grade_id"] and "nbgrader" in own.metadata:
                own.metadata["nbgrader"] |= {"grade_id": about["grade_id"], "checksum": about["checksum"]}
            cells.append(own)
        metadata = NotebookNode({**copied(part.graded.metadata), "vitlab": copied(combined.metadata.get("vitlab", {}))})
        found[part.name] = NotebookNode(nbformat=4, nbformat_minor=5, metadata=metadata, cells=cells)
    return found
