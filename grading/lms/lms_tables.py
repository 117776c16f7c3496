"""Scores in the tables that Canvas and Moodle import: their own export, with our numbers in the right cells."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grading.course import CourseError
from grading.lms.columns import bare, heads_of
from grading.lms.roster import Person, Roster
from grading.lms.scores import Score, Scores
from grading.tables import has_commas, number, plain_number, safe

_CANVAS_WHO = (
    "student", "lastname", "firstname", "last name", "first name", "id", "sis user id", "sis login id",
    "integration id", "root account", "section",
)  # fmt: skip
_EXCUSED = "EX"


@dataclass
class Filled:
    """A table to write, and what is to be said about it.

    Attributes:
        written: how many scores were put in.
        kept: students whose cell stays as the LMS had it, with the reason.
        warnings: what a teacher must know before importing.
        details: what a teacher can look up.
    """

    rows: list[list[str]] = field(default_factory=list)
    students: int = 0
    written: int = 0
    excused: int = 0
    kept: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)


def canvas_table(
    scores: Scores, names: Mapping[str, str], roster: Roster, students: Mapping[int, str | None]
) -> Filled:
    """Canvas's gradebook export with the columns of these lessons filled in.

    Canvas matches students by ID, and assignments by the whole head with its number in brackets. It takes a cell that
    differs from what it holds as a change, an empty one too: a cell for which we have no score stays as it was.

    Args:
        names: what Canvas calls each lesson.
        students: the gradebook's id by index of a row.
    """
    table, filled = roster.table, Filled()
    who = [at for at, head in enumerate(table.heads) if bare(head) in _CANVAS_WHO]
    points_row = next((row for row in table.rows if any(bare(c).startswith("points possible") for c in row[:2])), None)
    commas = has_commas(cell for row in table.rows for at, cell in enumerate(row) if at not in who)
    heads, columns, worth = [], [], []
    for lesson, of in scores.items():
        at = canvas_column(names[lesson], table.heads)
        points = max((score.points for score in of.values()), default=0.0)
        theirs = number(points_row[at]) if points_row is not None and at is not None else None
        columns.append(at)
        heads.append(names[lesson] if at is None else table.heads[at])
        worth.append((points, theirs if theirs else points))
        if at is None:
            filled.warnings.append(_no_column(names[lesson], lesson, table.heads, who))
        elif theirs and abs(theirs - points) > 1e-9:
            filled.details.append(f"{lesson}: scores out of {points:g} are scaled to the {theirs:g} points of Canvas")
    filled.rows.append([*(table.heads[at] for at in who), *heads])
    above = _points_above(points_row, who, columns, worth, commas)
    filled.rows.append(above)
    for person in roster:
        cells = list(table.rows[person.at])
        student = students.get(person.at)
        given = [
            _canvas_cell(filled, person, student, of, "" if at is None else cells[at], out, commas)
            for of, at, out in zip(scores.values(), columns, worth, strict=True)
        ]
        filled.rows.append([*(safe(cells[at]) for at in who), *given])
    filled.students = len(roster)
    return filled


def _points_above(
    row: Sequence[str] | None,
    who: Sequence[int],
    columns: Sequence[int | None],
    worth: Sequence[tuple[float, float]],
    commas: bool,
) -> list[str]:
    first = ["    Points Possible", *[""] * (len(who) - 1)]
    return first + [
        row[at] if row is not None and at is not None and row[at] else plain_number(points, comma=commas)
        for at, (_, points) in zip(columns, worth, strict=True)
    ]


def _canvas_cell(
    filled: Filled,
    person: Person,
    student: str | None,
    of: Mapping[str, Score],
    there: str,
    worth: tuple[float, float],
    commas: bool,
) -> str:
    score = of.get(student) if student is not None else None
    if score is not None and score.excused:
        filled.excused += 1
        return _EXCUSED
    if there.strip().upper() == _EXCUSED:
        if score is not None:
            filled.kept.append(f"{person.id} is excused in Canvas and stays so; our score would be {score.score:g}")
        return there
    if score is None or (score.ungraded and there):
        if there:
            why = "" if score is None else ": nothing of the hand-in could be graded"
            filled.kept.append(f"{person.id} keeps the {there} that Canvas has{why}")
        return safe(there)
    filled.written += 1
    return plain_number(_scaled(score, *worth), comma=commas)


def _scaled(score: Score, points: float, theirs: float) -> float:
    most = score.points or points
    return score.score / most * theirs if most and theirs else score.score


def canvas_column(name: str, heads: Sequence[str]) -> int | None:
    """Index of the export's own column for an assignment, `Attention (123456)`; None when there is none, or several."""
    wanted = bare(name)
    exact = [at for at, head in enumerate(heads) if head == name]
    numbered = [
        at
        for at, head in enumerate(heads)
        if (match := re.fullmatch(r"(.*) \(\d+\)", head)) and bare(match[1]) == wanted
    ]
    for fitting in (exact, numbered):
        if len(fitting) == 1:
            return fitting[0]
    return None


def _no_column(name: str, lesson: str, heads: Sequence[str], who: Sequence[int]) -> str:
    known = [head for at, head in enumerate(heads) if at not in who and re.search(r"\(\d+\)$", head)]
    shown = ", ".join(known[:6]) + (", …" if len(known) > 6 else "") or "none"
    return (
        f"the export has no column “{name} (number)”, so Canvas would make a new assignment for {lesson}. Its "
        f"assignments are: {shown}. Give --column {lesson}=“{known[0] if known else name}”, or another of them"
    )


def moodle_table(
    scores: Mapping[str, Score], roster: Roster, students: Mapping[int, str | None], comments: Mapping[str, str]
) -> Filled:
    """The grading worksheet as it was downloaded, with grades and comments filled in.

    Args:
        comments: by student what persons wrote, put into the worksheet's column for it.

    Raises:
        CourseError: the worksheet has no column for the grade.
    """
    table, where, filled = roster.table, roster.where, Filled()
    if "grade" not in where:
        raise CourseError(
            f"the worksheet has no column for the grade: its columns are {heads_of(table)}; expected Grade (Bewertung, "
            "Note, Calificación, Nota, Valutazione, Cijfer, …) just before the maximum grade"
        )
    commas = has_commas(cell for row in table.rows for cell in row)
    filled.rows.append(list(table.heads))
    scaled: set[str] = set()
    locked: list[str] = []
    for person in roster:
        cells = list(table.rows[person.at])
        student = students.get(person.at)
        score = scores.get(student) if student is not None else None
        typed = score is not None and score.ungraded and cells[where["grade"]]
        if score is not None and score.excused:
            filled.excused += 1
        elif score is not None and not typed:
            most = number(cells[where["maximum"]]) if "maximum" in where else None
            cells[where["grade"]] = _moodle_grade(score, most, commas)
            filled.written += 1
            if most and abs(most - score.points) > 1e-9:
                scaled.add(f"scores out of {score.points:g} were scaled to the worksheet's maximum of {most:g}")
            if "changeable" in where and bare(cells[where["changeable"]]) in ("no", "nein", "non", "nao", "nee"):
                locked.append(person.id)
        elif cells[where["grade"]]:
            filled.kept.append(f"{person.id} keeps the {cells[where['grade']]} that Moodle has")
        if "comment" in where and student is not None and comments.get(student):
            cells[where["comment"]] = _with_comment(cells[where["comment"]], comments[student])
        filled.rows.append([safe(cell) for cell in cells])
    filled.students = len(roster)
    filled.details += sorted(scaled)
    if locked:
        filled.warnings.append(f"Moodle does not let the grade of {', '.join(locked[:5])} be changed by import")
    if "comment" not in where and any(comments.values()):
        filled.warnings.append(
            f"the worksheet has no column for comments ({heads_of(table)}): in Moodle, switch on the feedback type "
            "“Feedback comments” of the assignment, and download the worksheet again"
        )
    return filled


def _moodle_grade(score: Score, most: float | None, commas: bool) -> str:
    value = score.score if not most or not score.points else score.score / score.points * most
    text = f"{value:.2f}"
    return text.replace(".", ",") if commas else text


def _with_comment(there: str, ours: str) -> str:
    """Moodle keeps comments as HTML; what a teacher typed there stays."""
    text = "<br>".join(html.escape(line, quote=False) for line in ours.splitlines())
    if text in there:
        return there
    return f"{there}<br>{text}" if there else text
