"""What the gradebook holds of submissions: the one source of every score that is shown anywhere."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nbgrader import api
from sqlalchemy import Select, case, select

from grading.nbgrader_plugin.hand_scores import CellHistory, HandScore, Histories, chunks, histories
from grading.nbgrader_plugin.regrade_requests import RegradeRequest, requests_of


@dataclass(frozen=True)
class CellGrade:
    """One graded cell.

    Attributes:
        score: what counts, extra credit included; 0 while `waits`.
        points: what it is worth.
        auto, manual, extra: the automatic score, the score by hand in its place, and the extra credit.
        waits: it has no score, neither by hand nor automatic.
        read_again: it has a score, and a person is to look at it: an earlier answer was scored by hand.
        by, at: who gave what counts now, and when (ISO, UTC); "" when it is not by hand or not known.
    """

    score: float
    points: float
    auto: float | None = None
    manual: float | None = None
    extra: float | None = None
    waits: bool = False
    read_again: bool = False
    by: str = ""
    at: str = ""


@dataclass(frozen=True)
class StoredGrades:
    """One submission.

    Attributes:
        cells: graded ones, by name.
        comments: by cell, those given automatically too; None where there is none.
        remarks: by cell, what persons wrote.
        earlier: by cell: what persons gave for earlier answers, the latest first.
        penalty: for being late.
        requests: to look again.
        excused: the lesson does not count for this student.
    """

    cells: Mapping[str, CellGrade]
    comments: Mapping[str, str | None] = field(default_factory=dict)
    penalty: float = 0.0
    remarks: Mapping[str, str] = field(default_factory=dict)
    earlier: Mapping[str, tuple[HandScore, ...]] = field(default_factory=dict)
    requests: tuple[RegradeRequest, ...] = ()
    excused: bool = False

    @property
    def scores(self) -> dict[str, tuple[float, float]]:
        """Score and points by cell."""
        return {name: (cell.score, cell.points) for name, cell in self.cells.items()}

    @property
    def waiting(self) -> frozenset[str]:
        """Cells without any score yet."""
        return frozenset(name for name, cell in self.cells.items() if cell.waits)

    @property
    def above(self) -> dict[str, CellGrade]:
        """Cells that a person gave more than they are worth, extra credit aside: most often a slip of the keyboard."""
        return {
            name: cell for name, cell in self.cells.items() if cell.manual is not None and cell.manual > cell.points > 0
        }

    @property
    def read_again(self) -> frozenset[str]:
        return frozenset(name for name, cell in self.cells.items() if cell.read_again)

    @property
    def total(self) -> float:
        """What counts, late penalty taken off."""
        return max(0.0, sum(cell.score for cell in self.cells.values()) - self.penalty)

    @property
    def points(self) -> float:
        return sum(cell.points for cell in self.cells.values())

    @property
    def points_waiting(self) -> float:
        """Points of the cells that have no score yet."""
        return sum(cell.points for cell in self.cells.values() if cell.waits)

    def cell_of(self, question: str) -> str | None:
        """The graded cell of a question: its check, or the written answer itself."""
        return next((name for name in (question, f"{question}-check") if name in self.cells), None)

    def fingerprint(self) -> str:
        """Changes whenever a page about this submission would."""
        return hashlib.sha256(repr(self).encode("utf-8", "replace")).hexdigest()[:16]


def read_stored(db: Any, lesson: str, students: Sequence[str]) -> dict[str, StoredGrades]:
    """What is held of these students' submissions; those that aren't in the gradebook are left out."""
    found: dict[str, StoredGrades] = {}
    known = histories(db, lesson, students)
    asked = requests_of(db, lesson)
    for chunk in chunks(students):
        found |= _read(db, lesson, chunk, known)
    return {s: replace(g, requests=tuple(r for r in asked if r.student == s)) for s, g in found.items()}


def students_of(db: Any, lesson: str) -> list[str]:
    """Whose submissions of a lesson the gradebook holds."""
    query = (
        select(api.SubmittedAssignment.student_id)
        .join(api.SubmittedAssignment.assignment)
        .where(api.Assignment.name == lesson)
        .order_by(api.SubmittedAssignment.student_id)
    )
    return list(db.scalars(query))


def _read(db: Any, lesson: str, students: Sequence[str], known: Histories) -> dict[str, StoredGrades]:
    asked = of_lesson(lesson, students)
    penalties: dict[str, float] = {}
    for student, penalty in db.execute(
        asked(
            select(api.SubmittedAssignment.student_id, api.SubmittedNotebook.late_submission_penalty).select_from(
                api.SubmittedNotebook
            )
        )
    ):
        penalties[student] = penalties.get(student, 0.0) + (penalty or 0.0)
    grade = api.Grade
    cells: dict[str, dict[str, CellGrade]] = {student: {} for student in penalties}
    for student, name, *values in db.execute(joined(
        grade, lesson, students,
        grade.score, grade.max_score, grade.auto_score, grade.manual_score, grade.extra_credit,
        grade.needs_manual_grade,
    )):  # fmt: skip
        cells[student][name] = _cell(known.get((student, name)), *values)
    comments: dict[str, dict[str, str | None]] = {student: {} for student in penalties}
    remarks: dict[str, dict[str, str]] = {student: {} for student in penalties}
    said = joined(api.Comment, lesson, students, api.Comment.comment, api.Comment.manual_comment)
    for student, name, comment, remark in db.execute(said):
        comments[student][name] = comment
        if remark:
            remarks[student][name] = remark
    earlier: dict[str, dict[str, tuple[HandScore, ...]]] = {student: {} for student in penalties}
    for (student, name), history in sorted(known.items()):
        if student in earlier and history.earlier:
            earlier[student][name] = tuple(history.earlier)
    return {
        student: StoredGrades(
            dict(sorted(cells[student].items())),
            dict(sorted(comments[student].items())),
            penalties[student],
            dict(sorted(remarks[student].items())),
            earlier[student],
        )
        for student in penalties
    }


def _cell(
    history: CellHistory | None,
    score: float,
    points: float,
    auto: float | None,
    manual: float | None,
    extra: float | None,
    needs: bool,
) -> CellGrade:
    waits = needs and auto is None and manual is None
    given = history.current if history is not None else None
    by_hand = given is not None and (given.score, given.extra) == (manual, extra) and not given.empty
    return CellGrade(
        score, points, auto, manual, extra, waits, needs and not waits,
        given.author if given is not None and by_hand else "", given.at if given is not None and by_hand else "",
    )  # fmt: skip


def of_lesson(lesson: str, students: Sequence[str]) -> Any:
    """Narrows a query that has SubmittedNotebook to these students' submissions of a lesson."""

    def narrowed(query: Select[Any]) -> Select[Any]:
        return (
            query.join(api.SubmittedAssignment, api.SubmittedAssignment.id == api.SubmittedNotebook.assignment_id)
            .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
            .where(api.Assignment.name == lesson, api.SubmittedAssignment.student_id.in_(students))
        )

    return narrowed


def joined(kind: Any, lesson: str, students: Sequence[str], *columns: Any) -> Select[Any]:
    """Student, cell name, and `columns` (default: the object) of all grades or comments.

    A cell of a notebook that isn't called like its lesson is named ``<notebook>/<cell>`` (`ordinary.cell_key`).
    """
    own = case((api.Notebook.name == lesson, api.BaseCell.name), else_=api.Notebook.name + "/" + api.BaseCell.name)
    query = (
        select(api.SubmittedAssignment.student_id, own, *(columns or (kind,)))
        .select_from(kind)
        .join(api.BaseCell, api.BaseCell.id == kind.cell_id)
        .join(api.SubmittedNotebook, api.SubmittedNotebook.id == kind.notebook_id)
        .join(api.Notebook, api.Notebook.id == api.SubmittedNotebook.notebook_id)
    )
    return of_lesson(lesson, students)(query)
