"""The commands between an LMS and the course: `vitlab collect`, `export`, `return`, `forget` and `backup`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Annotated

import typer

from grading.course import Course, CourseError, load_course

RosterOption = Annotated[
    Path | None,
    typer.Option(
        help="who is in the class: Canvas's gradebook export, Moodle's grading worksheet, or a CSV with `id`; "
        "default: the course's roster.csv"
    ),
]
TheirsOption = Annotated[
    Path | None, typer.Option(help="the LMS's own file: Canvas's gradebook export, Moodle's grading worksheet")
]
CourseOption = Annotated[Path | None, typer.Option(help="the course's folder; default: upwards from here")]
OutOption = Annotated[Path, typer.Option(help="the folder given to grade")]
DbOption = Annotated[str | None, typer.Option(help="gradebook, as nbgrader's db_url; default: the one graded into")]
ListOption = Annotated[bool, typer.Option("--list", help="list single cases, not only how many there are")]


class Form(StrEnum):
    canvas = "canvas"
    moodle = "moodle"
    csv = "csv"


class Back(StrEnum):
    moodle = "moodle"
    canvas = "canvas"
    exchange = "exchange"
    folder = "folder"


_NO_ROSTER = (
    "roster.csv is still empty: students are named as in the download, and it cannot be said who is missing. Fill it "
    "before you grade, remove what was collected now, and collect again."
)
_ROSTER_HERE_ALONE = (
    "roster.csv is still empty, so that grade, report and export know neither names nor who is missing: copy the file "
    "given as --roster to roster.csv."
)


def collect(
    source: Annotated[Path, typer.Argument(help="the downloaded zip or folder, or nbgrader's exchange folder")],
    lesson: Annotated[str, typer.Argument(help="the lesson that was handed in")],
    roster: RosterOption = None,
    into: Annotated[Path, typer.Option(help="where submissions go")] = Path("course_data/submitted"),
    times: Annotated[
        Path | None,
        typer.Option(
            help="when each student handed in: Moodle's grading worksheet, or Canvas's submissions (JSON of its API, "
            "or a CSV with user_id and submitted_at); default: the roster, when it is a worksheet"
        ),
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="of times that name none, such as Europe/Berlin; default: that of `due`")
    ] = None,
    groups: Annotated[
        Path | None,
        typer.Option(
            help="for hand-ins of groups, who works together: Canvas's group list, or a CSV with student and group; "
            "one member's file counts for all"
        ),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="also list what was told at an earlier collect")] = False,
    course: CourseOption = None,
) -> None:
    """Sort an LMS's download by student, choose the file to grade, and say what needs a person."""
    from grading.extensions import course_extensions
    from grading.intake.contents import contents_of
    from grading.lms.collect import collect as collect_from
    from grading.lms.collect_report import report_lines
    from grading.lms.inputs import class_of, excused_there, groups_of, times_of
    from grading.lms.needs_person import write_found
    from grading.lms.roster import course_roster

    loaded = load_course(course)
    known = loaded.lesson(lesson)
    people = class_of(loaded, roster)
    came = times_of(known, people, times, timezone)
    came.notes += excused_there(came, people, course_extensions(loaded), known.id)
    teams = groups_of(groups, people)
    for stranger in teams.strangers if teams is not None else ():
        came.notes.append(f"{groups}: {stranger} is not on the roster")
    paths = {one.id: loaded.student_notebook(one.id) for one in loaded.lessons}
    contents = contents_of({one: path.read_text("utf-8") for one, path in paths.items() if path.is_file()})
    if (source / "inbound").is_dir() and (source / "outbound").is_dir():  # a course's folder in nbgrader's exchange
        source = source / "inbound"
    found = collect_from(source, known.id, into, people, contents=contents, times=came.of, groups=teams)
    written = write_found(found, known.id, into.parent)
    names, penalty = people.names if people is not None else None, known.late_penalty_per_day > 0
    for line in [*report_lines(found, names, everything=all_, penalty=penalty), *came.notes]:
        typer.echo(line)
    if found.placed and course_roster(loaded.root) is None:
        typer.echo(_NO_ROSTER if people is None else _ROSTER_HERE_ALONE)
    if found.doubts or found.unmatched or found.refused:
        typer.echo(f"kept in {written}, and in the report")
    if found.unmatched:
        raise typer.Exit(1)


def export(
    lessons: Annotated[list[str] | None, typer.Argument(help="default: all that were graded")] = None,
    form: Annotated[Form, typer.Option("--for", help="whose columns")] = Form.csv,
    roster: TheirsOption = None,
    to: Annotated[Path | None, typer.Option(help="the file to write; default: OUT/grades-FORM.csv")] = None,
    out: OutOption = Path("course_data"),
    db: DbOption = None,
    column: Annotated[
        list[str] | None, typer.Option(help="LESSON=NAME: what the LMS calls a lesson; default: its title")
    ] = None,
    tidy: Annotated[
        bool, typer.Option("--tidy", help="one row per question of each hand-in, for your own analysis (CSV only)")
    ] = False,
    list_: ListOption = False,
    course: CourseOption = None,
) -> None:
    """Write the gradebook's scores for Canvas, Moodle or a spreadsheet; late penalties are taken off."""
    from grading.engine.current import gradebook_of
    from grading.engine.not_graded_yet import behind_lines, not_graded_yet
    from grading.extensions import course_extensions
    from grading.lms.export import export as write
    from grading.lms.export import graded_lessons, read_scores
    from grading.lms.needs_person import read_records
    from grading.lms.roster import course_roster, read_roster

    loaded = load_course(course)
    if tidy:
        if form is not Form.csv:
            raise CourseError(f"--tidy writes a plain CSV table: leave out --for {form}")
        _export_tidy(loaded, lessons, roster, to or out / "tidy.csv", out, db)
        return
    url = gradebook_of(out, db)
    chosen = [loaded.lesson(one).id for one in lessons or graded_lessons(url, loaded)]
    names = {loaded.lesson(lesson).id: name for lesson, name in (_pair(text) for text in column or ())}
    own, theirs = course_roster(loaded.root), read_roster(roster) if roster is not None else None
    people = own if own is not None or form is not Form.csv else theirs
    done = write(
        loaded, read_scores(url, chosen, loaded), to or out / f"grades-{form}.csv", form=form, roster=theirs,
        columns=names, people=people, records=read_records(out / "submitted", chosen),
        extensions=course_extensions(loaded),
    )  # fmt: skip
    typer.echo(f"{done.path}: {done.students} students, {', '.join(chosen)}: {done.summary}")
    for warning in [*done.warnings, *behind_lines(not_graded_yet(loaded, out, chosen))]:
        typer.echo(f"warning: {warning}")
    details = [note for note in done.notes if note not in done.warnings]
    for note in details if list_ else ():
        typer.echo(f"note: {note}")
    if details and not list_:
        typer.echo(f"{len(details)} note{'s' * (len(details) != 1)} on single cases: --list shows them")


def give_back(
    lesson: Annotated[str, typer.Argument(help="the lesson whose pages go back")],
    form: Annotated[Back, typer.Option("--for", help="to which system")],
    roster: TheirsOption = None,
    to: Annotated[
        Path | None,
        typer.Option(
            help="the zip or folder to write; for the exchange its course folder, such as "
            "/srv/nbgrader/exchange/COURSE; default: in OUT"
        ),
    ] = None,
    out: OutOption = Path("course_data"),
    db: DbOption = None,
    again: Annotated[bool, typer.Option("--again", help="also to students who have the same page already")] = False,
    finished: Annotated[
        bool, typer.Option("--finished", help="only pages on which no answer waits for a person")
    ] = False,
    list_: ListOption = False,
    course: CourseOption = None,
) -> None:
    """Give feedback pages back: a zip that Moodle or Canvas imports, nbgrader's exchange, or a folder."""
    from grading.engine.current import bring_up_to_date
    from grading.engine.not_graded_yet import behind_lines, not_graded_yet
    from grading.lms.give_back import Page, ReturnTo, return_lines
    from grading.lms.give_back import give_back as write
    from grading.lms.needs_person import read_records
    from grading.lms.roster import course_roster, read_roster

    loaded = load_course(course)
    known = loaded.lesson(lesson).id
    outcomes = [one for one in bring_up_to_date(loaded, out, db) if one.lesson == known]
    if not outcomes:
        raise CourseError(f"nothing of {known} was graded into {out}: run `vitlab grade {known}` first")
    pages = {
        one.student: Page(one.student, out / one.feedback, bool(one.max_waiting)) for one in outcomes if one.feedback
    }
    target = ReturnTo(form, _where(form, to, out, known), loaded.course.id)
    done = write(
        known, pages, out, target, records=read_records(out / "submitted", [known])[known],
        people=course_roster(loaded.root), worksheet=read_roster(roster) if roster is not None else None,
        again=again, finished=finished, submitted=out / "submitted",
    )  # fmt: skip
    done.left_out += [(one.student, f"there is no page: {one.reason}") for one in outcomes if not one.feedback]
    for line in return_lines(done, target, everything=list_):
        typer.echo(line)
    for line in behind_lines(not_graded_yet(loaded, out, [known])):
        typer.echo(f"warning: {line}")


def _where(form: Back, to: Path | None, out: Path, lesson: str) -> Path:
    if form is Back.exchange:
        return (to or out / f"return-{lesson}-exchange") / "feedback"
    if to is not None:
        return to
    if form is Back.folder:
        return out / f"return-{lesson}"
    names = (f"return-{lesson}-{form}{'' if turn == 1 else f'-{turn}'}.zip" for turn in count(1))
    return next(out / name for name in names if not (out / name).exists())  # an earlier zip may still be to be uploaded


def forget(
    student: Annotated[str, typer.Argument(help="the student's id, as in roster.csv and in the gradebook")],
    out: OutOption = Path("course_data"),
    db: DbOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    course: CourseOption = None,
) -> None:
    """Delete all that the course keeps of one student: hand-ins, pages, grades, rows of roster and extensions."""
    from grading.engine.current import gradebook_of, has_gradebook
    from grading.lms.student_data import forget as remove

    loaded = load_course(course)
    if not yes:
        typer.confirm(f"Delete all that is kept of {student} under {out} and in {loaded.root}?", abort=True)
    url = gradebook_of(out, db) if db is not None or has_gradebook(out) else None
    done = remove(loaded, student, out, url)
    for what in done.removed:
        typer.echo(f"deleted: {what}")
    for path in done.left:
        typer.echo(f"look at yourself, the student may be in it: {path}")


def backup(
    to: Annotated[Path | None, typer.Option(help="the zip to write; default: COURSE-backup-DAY-TIME.zip here")] = None,
    out: OutOption = Path("course_data"),
    course: CourseOption = None,
) -> None:
    """Copy hand-ins, grades, settings and lessons into one zip; unzipping it in a course's folder restores them."""
    from grading.lms.student_data import backup as copy
    from grading.lms.student_data import backup_name

    loaded = load_course(course)
    target = to or Path(backup_name(loaded, datetime.now().astimezone()))
    files = copy(loaded, out, target)
    size = target.stat().st_size / 2**20
    typer.echo(f"{target}: {files} files, {size:.1f} MB. To restore: unzip it in the course's folder. It holds grades")


def _export_tidy(
    course: Course, lessons: list[str] | None, roster: Path | None, target: Path, out: Path, db: str | None
) -> None:
    from grading.engine.current import bring_up_to_date
    from grading.engine.journal import read_attempts
    from grading.lms.inputs import class_of
    from grading.lms.tidy import tidy_rows, write_tidy
    from grading.tables import safe

    chosen = {course.lesson(one).id for one in lessons or ()}
    current = bring_up_to_date(course, out, db)
    attempts = {key: found for key, found in read_attempts(out).items() if not chosen or key[1] in chosen}
    people = class_of(course, roster)
    names = people.names if people is not None else {}
    count = write_tidy(tidy_rows(attempts, current, names), target, safe)
    typer.echo(f"{target}: {count} rows")


def _pair(text: str) -> tuple[str, str]:
    lesson, equals, name = text.partition("=")
    if not equals or not name:
        raise CourseError(f"--column takes LESSON=NAME, for instance 05_attention='Attention (123456)'; got {text!r}")
    return lesson, name
