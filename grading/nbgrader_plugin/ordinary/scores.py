"""Scores of a hand-in that was run: nbgrader's `determine_grade` on each graded cell, and a sentence on what failed."""

from __future__ import annotations

from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.utils import determine_grade, is_grade, is_task

from grading.nbgrader_plugin.ordinary.run import NOT_RUN


@dataclass(frozen=True)
class CellScore:
    """One graded cell.

    Attributes:
        key: its name in results and pages.
        title: what kind of cell it is.
        score: None while it waits for a person.
        status: as in QuestionOutcome.
        hint: what a failed test said.
    """

    key: str
    title: str
    score: float | None
    points: float
    status: str
    hint: str = ""


def score_cells(notebook: NotebookNode) -> tuple[list[CellScore], list[str]]:
    """The scores of a combined notebook, and reasons to look twice.

    nbgrader gives up on a submission in which a test's value is larger than its points. Here that test gets an error
    output and no points, so that the gradebook, which reads the same outputs, agrees.
    """
    found, suspicious = [], []
    for cell in notebook.cells:
        grader = cell.metadata.get("nbgrader", {})
        if is_task(cell):
            found.append(CellScore(grader["grade_id"], "Task", None, float(grader["points"]), "needs grading"))
            continue
        if not is_grade(cell):
            continue
        try:
            score, points = determine_grade(cell)
        except (ValueError, KeyError) as error:
            suspicious.append(f"test {grader['grade_id']} has a value that nbgrader refuses: {error}")
            message = f"the value of this cell can't be a score: {error}"
            cell.outputs = [new_output("error", ename="ValueError", evalue=message, traceback=[message])]
            score, points = 0.0, float(grader["points"])
        found.append(_scored(cell, score, points))
    return found, suspicious


def _scored(cell: NotebookNode, score: float | None, points: float) -> CellScore:
    key = cell.metadata.nbgrader["grade_id"]
    if cell.metadata.nbgrader.get("solution"):
        return CellScore(key, "Answer", score, points, "needs grading" if score is None else "not started")
    if score is None:
        return CellScore(key, "Answer", None, points, "needs grading")
    hint = _what_failed(cell)
    if score >= points and not hint:
        return CellScore(key, "Tests", score, points, "correct")
    if score > 0:
        return CellScore(key, "Tests", score, points, "partial" if score < points else "correct")
    return CellScore(key, "Tests", score, points, "no answer" if NOT_RUN in hint else "wrong", hint)


def _what_failed(cell: NotebookNode) -> str:
    """The last line of an error, or that something was written to standard error, which nbgrader takes for one."""
    for output in cell.get("outputs", []):
        if output.output_type == "error":
            message = str(output.get("evalue", ""))[:300]
            return f"{str(output.get('ename', ''))[:80]}: {message}" if message else str(output.get("ename", ""))[:80]
        if output.output_type == "stream" and output.name == "stderr":
            first = str(output.text).strip().split("\n")[0][:200]
            return f"the test wrote to standard error, which counts as a failure: {first}"
    return ""
