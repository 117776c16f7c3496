"""A lesson whose answers say their own score, so that a class is graded in milliseconds and without a kernel.

An answer ``# 3`` earns three points. Everything after execution is real: journal, gradebook, pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from types import SimpleNamespace

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.utils import compute_checksum

from grading.course import Course, load_course
from grading.engine.execute import Executed, Job
from grading.engine.executors import Threads
from grading.engine.lesson_context import BuiltLesson, LessonContext
from grading.judging.cells_to_run import role_of
from grading.nbgrader_plugin.gradebook import GradebookWriter
from helpers.checks.verdict import Verdict

LESSON = "01_stub"
CODE, WRITTEN = ("S1", "S2"), ("V1", "V2")
POINTS = {"S1": 4.0, "S2": 3.0, "V1": 2.0, "V2": 2.0}
RATE = 0.1
CHECKS = {question: f"{question}-check" for question in CODE}
GRADED = {**CHECKS, "V1": "V1", "V2": "V2"}  # question to graded cell
_COURSE = """
[course]
id = "stub"
title = "Stub"
repository = "a/b"
ref = "main"
[[lessons]]
id = "01_stub"
title = "Stub lesson"
minutes = 5
due = 2027-01-10T12:00:00+00:00
late_penalty_per_day = {rate}
"""


def write_course(root: Path, points: Mapping[str, float] = POINTS, text: str = "Read this.", stub: str = "") -> Course:
    """The course's folder, or a changed edition of it: other questions, points, text, and text in the blanks."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "course.toml").write_text(_COURSE.format(rate=RATE))
    course = load_course(root)
    cells = [new_markdown_cell(f"# Stub lesson\n\n{text}", id="text-01")]
    for question in filter(points.__contains__, CODE):
        cells.append(new_code_cell(f"# your answer{stub}", id=question))
        cells[-1].metadata |= _names(question, "answer", question, solution=True)
        cells.append(new_code_cell(f'check("{question}")', id=CHECKS[question]))
        cells[-1].metadata |= _names(CHECKS[question], "check", question, points=points[question])
    for question in filter(points.__contains__, WRITTEN):
        cells.append(new_markdown_cell(f"**{question}** (points). Why is {question} so?", id=f"ask-{question}"))
        cells.append(new_markdown_cell(f"*Write here.*{stub}", id=question))
        cells[-1].metadata |= _names(question, "written", question, solution=True, points=points[question])
    for cell in cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
    path = course.student_notebook(LESSON)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata={"vitlab": {"lesson": LESSON}}), path)
    return course


def _names(grade_id: str, role: str, question: str, *, solution: bool = False, points: float | None = None) -> dict:
    own = {"grade_id": grade_id, "grade": points is not None, "solution": solution, "locked": not solution,
           "task": False, "schema_version": 3}  # fmt: skip
    if points is not None:
        own["points"] = points
    return nbformat.from_dict({"nbgrader": own, "vitlab": {"role": role, "question": question}})


def automatic(text: str | None, points: float) -> float:
    """What an answer earns by itself."""
    found = re.match(r"# (\d+)", text or "")
    return min(points, float(found.group(1))) if found else 0.0


class StubJudge:
    def __init__(self, template: NotebookNode) -> None:
        cells = {role: [c for c in template.cells if role_of(c) == role] for role in ("check", "written")}
        self._points = {c.metadata.vitlab.question: c.metadata.nbgrader.points for c in cells["check"]}
        written = [
            SimpleNamespace(question=c.metadata.vitlab.question, points=c.metadata.nbgrader.points)
            for c in cells["written"]
        ]
        self.reference = SimpleNamespace(points=self._points, lesson=SimpleNamespace(of=lambda role: written))

    def title(self, question: str) -> str:
        return f"Title of {question}"

    def judge_notebook(self, notebook: NotebookNode, stopped: object) -> tuple[list[Verdict], list[str]]:
        texts = {c.metadata.vitlab.question: c.source for c in notebook.cells if role_of(c) == "answer"}
        verdicts = []
        for cell in notebook.cells:
            if role_of(cell) == "check":
                question = cell.metadata.vitlab.question
                score, points = automatic(texts[question], self._points[question]), self._points[question]
                status = "correct" if score == points else "partial" if score else "wrong"
                if texts[question].startswith("# your answer"):
                    status = "not started"
                verdicts.append(Verdict(question, self.title(question), status, score, points))
                data = {"text/plain": repr(score), "text/html": f"<b>{score}</b>"}
                cell.outputs = [new_output("execute_result", data=data, execution_count=1)]
        return verdicts, []


def stub_prepare(
    course: Course, lesson: str, seed: int, gradebook: GradebookWriter, device: str = "cpu"
) -> LessonContext:
    """In the place of `grading.engine.lesson_context.prepare`."""
    released = course.student_notebook(lesson)
    template = nbformat.read(released, as_version=4)
    gradebook.register_lesson(course.lesson(lesson), released)
    return BuiltLesson(lesson, StubJudge(template), {}, template)  # type: ignore[arg-type]


class StubExecutor(Threads):
    """Puts the answers into the released notebook and runs nothing."""

    def __init__(self) -> None:
        super().__init__(1)

    def _work(self, fn, job: Job) -> Executed:  # type: ignore[override, no-untyped-def]
        assert job.path is not None
        text = job.path.read_text("utf-8")
        if not text.startswith("{"):
            return Executed(None, "unreadable", "the file holds no notebook", ("page.docx is a Word document",))
        answers = {c.metadata.nbgrader.grade_id: c.source for c in nbformat.reads(text, 4).cells if _solved(c)}
        notebook = deepcopy(nbformat.reads(self._released[job.lesson], 4))
        for cell in notebook.cells:
            if _solved(cell) and answers.get(cell.metadata.nbgrader.grade_id) is not None:
                mine = answers[cell.metadata.nbgrader.grade_id]
                if not mine.startswith(("# your answer", "*Write here.*")):  # left alone: the lesson's own words
                    cell.source = mine
        return Executed(notebook, notes=("A cell was renamed",) if "renamed" in text else ())


def _solved(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("nbgrader", {}).get("solution"))


def filled_in(course: Course, answers: Mapping[str, str]) -> NotebookNode:
    """The released notebook with these answers."""
    notebook = nbformat.read(course.student_notebook(LESSON), as_version=4)
    for cell in notebook.cells:
        if _solved(cell) and answers.get(cell.metadata.nbgrader.grade_id):
            cell.source = answers[cell.metadata.nbgrader.grade_id]
    return notebook
