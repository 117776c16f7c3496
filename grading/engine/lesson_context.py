"""What is prepared once per lesson before a class is graded: how notebooks are judged, kept and read back.

One class for lessons that are built from a source, one for ordinary nbgrader assignments; the recorder asks both the
same questions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import determine_grade

from grading.course import Course, CourseError
from grading.engine.outcome import QuestionOutcome
from grading.judging.cells_to_run import role_of
from grading.judging.execution import clean
from grading.judging.judge import Judge, judge_of
from grading.nbgrader_plugin.gradebook import GradebookWriter
from grading.nbgrader_plugin.ordinary.assignment import Assignment, is_ordinary, load_assignment
from grading.nbgrader_plugin.ordinary.intake import blank
from grading.nbgrader_plugin.ordinary.run import combine, split
from grading.nbgrader_plugin.ordinary.scores import score_cells
from grading.nbgrader_plugin.rubrics import rubrics_of, with_notices, with_rubrics, without_rubrics
from helpers.checks.verdict import Verdict

Questions = tuple[QuestionOutcome, ...]


class LessonContext(Protocol):
    """Attributes:
    template: the released notebook; of an assignment with several, all of their cells.
    notebooks: names of the notebooks that nbgrader knows.
    assignment: of an ordinary nbgrader assignment, its notebooks; None for a built lesson.
    """

    template: NotebookNode
    notebooks: tuple[str, ...]
    assignment: Assignment | None

    def judged(self, notebook: NotebookNode, stopped: Mapping[int, str]) -> tuple[Questions, tuple[str, ...]]:
        """Make an executed notebook safe to show, in place, and judge it: questions, and reasons to look twice."""

    def nothing(self, reason: str) -> Questions:
        """The outcome of each question of a hand-in that could not be run."""

    def kept(self, notebook: NotebookNode) -> dict[str, NotebookNode]:
        """The autograded notebooks by name, as formgrader shows them; the argument is not changed."""

    def read_back(self, kept: Mapping[str, NotebookNode]) -> NotebookNode:
        """The notebook that `kept` came from."""


def prepare(
    course: Course, lesson: str, seed: int, gradebook: GradebookWriter, device: str = "cpu"
) -> LessonContext:
    """The lesson registered in the gradebook, with its judge under `seed`.

    Raises:
        CourseError: it hasn't been built.
        LessonError: nbgrader refuses a notebook of an ordinary assignment.
    """
    if is_ordinary(course, lesson):
        assignment = load_assignment(course, lesson)
        gradebook.register_notebooks(course.lesson(lesson), {part.name: part.graded for part in assignment.parts})
        return OrdinaryLesson(assignment)
    released, expectations = course.student_notebook(lesson), course.expectations(lesson)
    for path in (released, expectations):
        if not path.exists():
            raise CourseError(f"{path.relative_to(course.root)} is not there: run `vitlab build {lesson}` first")
    template = nbformat.read(released, as_version=4)
    gradebook.register_lesson(course.lesson(lesson), released)
    return BuiltLesson(lesson, judge_of(course, lesson, seed, device), rubrics_of(course.source(lesson)), template)


class BuiltLesson:
    """A lesson that `vitlab build` makes from a source file.

    Args:
        judge: compares recorded answers with the solution's.
        rubrics: by written question, what it is graded by.
        template: the released notebook.
    """

    def __init__(self, lesson: str, judge: Judge, rubrics: Mapping[str, str], template: NotebookNode) -> None:
        self.judge, self.template = judge, template
        self.notebooks: tuple[str, ...] = (lesson,)
        self.assignment: Assignment | None = None
        self._lesson, self._rubrics = lesson, rubrics
        self._written = tuple(c.metadata["nbgrader"]["grade_id"] for c in template.cells if role_of(c) == "written")

    def judged(self, notebook: NotebookNode, stopped: Mapping[int, str]) -> tuple[Questions, tuple[str, ...]]:
        clean(notebook)
        verdicts, suspicious = self.judge.judge_notebook(notebook, stopped)
        cells = {cell.metadata["nbgrader"]["grade_id"]: cell for cell in notebook.cells if role_of(cell) == "written"}
        written = [_written(name, *determine_grade(cells[name])) for name in self._written]
        return (*map(_question, verdicts), *written), tuple(suspicious)

    def nothing(self, reason: str) -> Questions:
        reference = self.judge.reference
        asked = [
            QuestionOutcome(qid, self.judge.title(qid), 0.0, points, "no answer", reason)
            for qid, points in reference.points.items()
        ]
        written = reference.lesson.of("written")
        return (*asked, *(QuestionOutcome(c.question, "Written", 0.0, c.points, "no answer", reason) for c in written))

    def kept(self, notebook: NotebookNode) -> dict[str, NotebookNode]:
        return {self._lesson: with_notices(with_rubrics(notebook, self._rubrics))}

    def read_back(self, kept: Mapping[str, NotebookNode]) -> NotebookNode:
        return without_rubrics(kept[self._lesson])


class OrdinaryLesson:
    """An ordinary nbgrader assignment of one notebook or several."""

    def __init__(self, assignment: Assignment) -> None:
        self.assignment: Assignment | None = assignment
        self._parts = assignment
        self.notebooks = tuple(part.name for part in assignment.parts)
        self.template = combine([(part, blank(part)) for part in assignment.parts], assignment)

    def judged(self, notebook: NotebookNode, stopped: Mapping[int, str]) -> tuple[Questions, tuple[str, ...]]:
        scores, suspicious = score_cells(notebook)
        clean(notebook)
        found = (QuestionOutcome(s.key, s.title, s.score, s.points, s.status, s.hint) for s in scores)
        return tuple(found), tuple(suspicious)

    def nothing(self, reason: str) -> Questions:
        scores, _ = score_cells(self.template)
        return tuple(QuestionOutcome(s.key, s.title, 0.0, s.points, "no answer", reason) for s in scores)

    def kept(self, notebook: NotebookNode) -> dict[str, NotebookNode]:
        return {name: with_notices(part) for name, part in split(notebook, self._parts).items()}

    def read_back(self, kept: Mapping[str, NotebookNode]) -> NotebookNode:
        return combine([(part, without_rubrics(kept[part.name])) for part in self._parts.parts], self._parts)


def _question(verdict: Verdict) -> QuestionOutcome:
    return QuestionOutcome(
        verdict.question, verdict.title, verdict.score, verdict.points, verdict.status, verdict.hint,
        verdict.known_mistake, verdict.measure,
    )  # fmt: skip


def _written(cell: str, score: float | None, points: float) -> QuestionOutcome:
    status = "needs grading" if score is None else ("graded by hand" if score else "not started")
    return QuestionOutcome(cell, "Written", score, points, status)
