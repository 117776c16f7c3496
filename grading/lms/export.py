"""`vitlab export`: the gradebook's scores in the columns that Canvas and Moodle import, or as plain CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbgrader.api import Gradebook
from traitlets.config import Config

from grading.course import Course, CourseError
from grading.lms.roster import Roster
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.gradebook import GradebookWriter, commands_on_path

CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
MOODLE = (
    "Identifier", "Full name", "Email address", "Status", "Grade", "Maximum grade", "Grade can be changed",
    "Last modified (submission)", "Last modified (grade)", "Feedback comments",
)  # fmt: skip


@dataclass(frozen=True)
class Score:
    """A student's score in one lesson, late penalty taken off.

    Attributes:
        waits: an answer has no score yet.
        read_again: every answer has one, and a person is to look at one of them again.
    """

    score: float
    points: float
    waits: bool = False
    excused: bool = False
    read_again: bool = False


Scores = Mapping[str, Mapping[str, Score]]  # lesson, student


@dataclass(frozen=True)
class Exported:
    path: Path
    students: int
    notes: tuple[str, ...] = ()


def graded_lessons(db_url: str, course: Course) -> list[str]:
    """The course's lessons that are in the gradebook, in order.

    Raises:
        CourseError: there is none.
    """
    commands_on_path()
    with Gradebook(db_url) as gradebook:
        graded = {assignment.name for assignment in gradebook.assignments}
    found = [lesson.id for lesson in course.lessons if lesson.id in graded]
    if not found:
        raise CourseError(f"no lesson of this course is in the gradebook {db_url}: run `vitlab grade` first")
    return found


def read_scores(db_url: str, lessons: Sequence[str], course: Course | None = None) -> dict[str, dict[str, Score]]:
    """Scores by lesson and student, from nbgrader's gradebook.

    course: gives the late penalties, which are brought up to date with changed scores first.

    Raises:
        CourseError: a lesson isn't in the gradebook, because nothing of it was graded.
    """
    commands_on_path()
    found: dict[str, dict[str, Score]] = {}
    config = configure(Config(), course.root, db_url=db_url, course=course) if course is not None else Config()
    with GradebookWriter(db_url, config) as gradebook:
        held = gradebook.lessons()
        for lesson in lessons:
            if lesson not in held:
                raise CourseError(f"nothing of {lesson} is in the gradebook {db_url}: run `vitlab grade {lesson}`")
            if course is not None:
                gradebook.settle(lesson)
            stored = gradebook.stored(lesson, gradebook.students(lesson))
            found[lesson] = {
                student: Score(one.total, one.points, bool(one.waiting), one.excused, bool(one.read_again))
                for student, one in stored.items()
            }
    return found


def export(
    course: Course, scores: Scores, target: Path, *, form: str, roster: Roster | None = None,
    columns: Mapping[str, str] | None = None,
) -> Exported:  # fmt: skip
    """Write scores as `form`: "canvas", "moodle" (one lesson) or "csv".

    Args:
        roster: the LMS's own export, whose identifying columns the import needs; required but for "csv".
        columns: lesson id to the name of the LMS's column, such as "Attention (123456)".

    Raises:
        CourseError: the roster isn't the LMS's, several lessons go to Moodle, or the form is unknown.
    """
    notes = [
        f"{student} has ungraded written answers in {lesson}: the score will rise"
        for lesson, of in scores.items() for student, score in of.items() if score.waits
    ]  # fmt: skip
    names = {lesson: (columns or {}).get(lesson) or course.lesson(lesson).title for lesson in scores}
    if form == "csv":
        rows = _plain(scores, roster)
    elif form == "canvas":
        rows = _canvas(scores, names, _of_kind(roster, "canvas", "Grades, Export, Export Entire Gradebook"), notes)
    elif form == "moodle":
        if len(scores) != 1:
            raise CourseError(f"a Moodle grading worksheet holds one assignment; got {len(scores)} lessons")
        rows = _moodle(next(iter(scores.values())), _of_kind(roster, "moodle", "Download grading worksheet"), notes)
    else:
        raise CourseError(f"there is no export {form!r}: it is canvas, moodle or csv")
    known = {person.id for person in roster} if roster is not None else None
    strangers = sorted({s for of in scores.values() for s in of} - known) if known is not None else []
    notes += [f"{student} is graded but not on the roster, and was left out" for student in strangers if form != "csv"]
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n" if form == "moodle" else "\n").writerows(rows)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(out.getvalue().encode("utf-8"))
    part.replace(target)
    head = 2 if form == "canvas" else 1
    return Exported(target, len(rows) - head, tuple(notes))


def _of_kind(roster: Roster | None, kind: str, where: str) -> Roster:
    if roster is None or roster.kind != kind:
        found = "no roster" if roster is None else f"a roster of another kind ({', '.join(roster.columns[:6])})"
        raise CourseError(f"{kind.title()} imports need its own export as --roster ({where}); got {found}")
    return roster


def _canvas(scores: Scores, names: Mapping[str, str], roster: Roster, notes: list[str]) -> list[list[str]]:
    """Canvas matches students by ID, and assignments by the whole name with its number in brackets."""
    heads = [_canvas_head(names[lesson], roster.columns) for lesson in scores]
    for (lesson, head), name in zip(zip(scores, heads, strict=True), names.values(), strict=True):
        if head == name:
            notes.append(f"the export has no column “{name} (number)”: Canvas will make a new assignment for {lesson}")
    keep = [c for c in CANVAS if c in roster.columns]
    points = ["    Points Possible" if c == "Student" else "" for c in keep]
    points += [_number(max((s.points for s in of.values()), default=0.0)) for of in scores.values()]
    rows = [[*keep, *heads], points]
    for person in roster:
        given = [_number(of[person.id].score) if person.id in of else "" for of in scores.values()]
        rows.append([*(_safe(person.row.get(c, "")) for c in keep), *given])
    return rows


def _canvas_head(name: str, columns: Sequence[str]) -> str:
    """The export's own column for an assignment, `Attention (123456)`; the name alone when there is none."""
    fitting = [
        c
        for c in columns
        if c == name or (c.startswith(f"{name} (") and c.endswith(")") and c[len(name) + 2 : -1].isdigit())
    ]
    return fitting[0] if len(fitting) == 1 else name


def _moodle(scores: Mapping[str, Score], roster: Roster, notes: list[str]) -> list[list[str]]:
    """The worksheet as it was downloaded, with the grades filled in; only rows that change."""
    columns = [c for c in roster.columns if c]
    rows = [columns]
    for person in roster:
        row = dict(person.row)
        if person.id in scores:
            most = _float(row.get("Maximum grade") or row.get("Maximum Grade", ""))
            score = scores[person.id]
            value = score.score if most is None or not score.points else score.score / score.points * most
            row["Grade"] = f"{value:.2f}"
            if most is not None and most != score.points:
                note = f"scores out of {score.points:g} were scaled to the worksheet's maximum of {most:g}"
                if note not in notes:
                    notes.append(note)
        rows.append([row.get(c, "") for c in columns])
    return rows


def _plain(scores: Scores, roster: Roster | None) -> list[list[str]]:
    people = {person.id: person.name for person in roster} if roster is not None else {}
    students = sorted(set(people) | {student for of in scores.values() for student in of})
    rows = [["student", "name", *scores, "total", "out of"]]
    for student in students:
        own = [of.get(student) for of in scores.values()]
        total = sum(score.score for score in own if score)
        most = sum(max((s.points for s in of.values()), default=0.0) for of in scores.values())
        given = [_number(score.score) if score else "" for score in own]
        rows.append([_safe(student), _safe(people.get(student, "")), *given, _number(total), _number(most)])
    return rows


def _number(value: float) -> str:
    return f"{round(value, 2):g}"


def _float(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _safe(text: str) -> str:
    """A cell that a spreadsheet takes as text: a name that begins like a formula gets an apostrophe before it."""
    return f"'{text}" if text[:1] in ("=", "+", "@", "-") and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return _float(text) is not None
