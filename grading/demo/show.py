"""`vitlab demo`: makes the class, grades it, says what came of it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from grading.course import Course, CourseError
from grading.demo.classroom import Member, came_out, make_class
from grading.engine.grade import grade
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.engine.progress import Bar
from grading.engine.summary import WIDEST
from grading.lesson_builder.lesson import build_if_stale
from grading.lesson_source.source import read_source
from grading.report import report_of, tally

LESSON = "02_positional_encoding"
CELL_SECONDS = 12  # the class has an endless loop in it: no need to wait for the course's limit
SEED = 20_261_121  # the same table at every run; real grading draws a fresh seed
_MARKER = ".vitlab-demo"


class Unexpected(CourseError):
    """A submission of the made-up class was graded otherwise than its kind deserves."""


def run_demo(
    course: Course,
    out: Path,
    *,
    lessons: Sequence[str] | None = None,
    sandbox: str = "bubblewrap",
    jobs: int | None = None,
) -> Path:
    """Grade a made-up class in `out`, which is replaced when an earlier demo wrote it; returns the report's path.

    Args:
        lessons: by default the lesson on positional encoding.

    Raises:
        CourseError: `out` holds something else.
        LessonError: a lesson has to be built anew, and its source is refused.
        Unexpected: after everything is written, when a submission came out otherwise than its kind deserves.
        SandboxUnavailable: no working bubblewrap, and `sandbox` is not "none".
    """
    lessons = list(lessons or [LESSON if any(x.id == LESSON for x in course.lessons) else course.lessons[0].id])
    out = _fresh(Path(out))
    console = Console()
    for lesson in lessons:
        if built := build_if_stale(course, lesson):
            console.print(f"Built {lesson} anew: {'; '.join(built)}.")
    members = make_class(course, out / "submitted", lessons)
    kinds = len({member.kind for member in members})
    console.print(f"A class of {len(members)} with {kinds} kinds of submission, under {out / 'submitted'}.")
    outcomes = grade(
        _hurried(course), lessons, submissions=out / "submitted", out=out, jobs=jobs or os.cpu_count() or 1,
        seed=SEED, sandbox=sandbox, progress=Bar(),
    )  # fmt: skip
    surprises = sum(
        print_table(
            console,
            lesson,
            members,
            [o for o in outcomes if o.lesson == lesson],
            [cell.question for cell in read_source(course.source(lesson)).of("written")],
        )
        for lesson in lessons
    )
    path = report_of(out, course, title=f"{course.course.title}: a made-up class", outcomes=outcomes)
    console.print("\nThe report page, with a link to each feedback page:")
    print(path)  # last and on a line of its own, never wrapped
    if surprises:
        raise Unexpected(f"{surprises} did not come out as expected; see the table above")
    return path


def _fresh(out: Path) -> Path:
    """An empty folder; only what an earlier demo left is removed."""
    if out.exists() and any(out.iterdir()):
        if not (out / _MARKER).exists():
            raise CourseError(f"{out} holds files that no demo wrote: give an empty folder or another name with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARKER).write_text("written by `vitlab demo`, which replaces this folder\n", "utf-8")
    return out.resolve()


def _hurried(course: Course) -> Course:
    seconds = min(course.limits.cell_seconds, CELL_SECONDS)
    return course.model_copy(update={"limits": course.limits.model_copy(update={"cell_seconds": seconds})})


def print_table(
    console: Console,
    lesson: str,
    members: Sequence[Member],
    outcomes: Sequence[SubmissionOutcome],
    written: Sequence[str],
) -> int:
    """Prints one lesson's table; returns how many came out otherwise than expected.

    Args:
        written: the questions that a person reads; they have no column.
    """
    by_student = {o.student: o for o in outcomes}
    asked = list(dict.fromkeys(q.question for o in outcomes for q in o.questions))
    questions = [question for question in asked if question not in written]
    rows, surprises = [], []
    for member in members:
        outcome = by_student.get(member.student)
        if outcome is None:
            surprises.append(f"{member.student} ({member.kind}): not graded at all")
            continue
        got = came_out(outcome, written)
        if got != member.expected:
            surprises.append(f"{member.student} ({member.kind}: {member.says}): due {member.expected}, got {got}")
        found = {q.question: q for q in outcome.questions}
        verdict = f"[green]✓[/green] {got}" if got == member.expected else f"[red]✗[/red] {got}, due {member.expected}"
        marks = [_mark(found.get(question)) for question in questions]
        rows.append((member.student, member.kind, marks, verdict + escape(_status(outcome))))
    table = _table(lesson, questions, rows)
    if console.measure(table, options=console.options.update(width=WIDEST)).maximum > console.width:
        table = _table(lesson, [], rows)  # the report has the columns
    console.print(table)
    if table.columns[2:-1]:
        console.print("✓ correct, 2/4 partly right, 0 wrong, – not started or no answer")
    if written:
        verb = "is a written answer" if len(written) == 1 else "are written answers"
        console.print(f"{' and '.join(written)} {verb}: a person reads {'it' if len(written) == 1 else 'them'}.")
    if surprises:
        console.print(f"[red]{len(surprises)} of {len(members)} did not come out as expected:[/red]")
        for surprise in surprises:
            console.print(f"  {escape(surprise)}")
    else:
        console.print(f"[green]All {len(members)} came out as expected.[/green]")
    return len(surprises)


def _table(lesson: str, questions: Sequence[str], rows: Sequence[tuple[str, str, Sequence[str], str]]) -> Table:
    table = Table(title=lesson, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("student", "handed in"):
        table.add_column(name, no_wrap=True)
    for question in questions:
        table.add_column(question, justify="right", no_wrap=True)
    table.add_column("as expected?")
    for student, kind, marks, verdict in rows:
        table.add_row(student, kind, *marks[: len(questions)], verdict)
    return table


def _mark(q: QuestionOutcome | None) -> str:
    if q is None:
        return ""
    fixed = {
        tally.CORRECT: "[green]✓[/green]",
        tally.WRONG: "0",
        tally.NOT_STARTED: "–",
        tally.NO_ANSWER: "–",
        tally.WAITING: "…",
    }
    part = f"{tally.number(q.score or 0)}/{tally.number(q.max)}"
    return fixed.get(tally.state_of(q), f"[yellow]{part}[/yellow]")


def _status(outcome: SubmissionOutcome) -> str:
    words = [] if outcome.status == "graded" else [outcome.status.replace("_", " ")]
    words += ["look twice"] if outcome.suspicious else []
    words += ["repaired"] if outcome.notes else []
    return "".join(f", {word}" for word in words)
