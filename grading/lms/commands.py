"""The commands between an LMS and the course: `vitlab collect` and `vitlab export`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from grading.course import Course, CourseError, load_course

RosterOption = Annotated[
    Path | None,
    typer.Option(help="who is in the class: Canvas's gradebook export, Moodle's grading worksheet, or a CSV with `id`"),
]
CourseOption = Annotated[Path | None, typer.Option(help="the course's folder; default: upwards from here")]


class Form(StrEnum):
    canvas = "canvas"
    moodle = "moodle"
    csv = "csv"


def collect(
    source: Annotated[Path, typer.Argument(help="the downloaded zip or folder, or nbgrader's exchange folder")],
    lesson: Annotated[str, typer.Argument(help="the lesson that was handed in")],
    roster: RosterOption = None,
    into: Annotated[Path, typer.Option(help="where submissions go")] = Path("course_data/submitted"),
    course: CourseOption = None,
) -> None:
    """Sort an LMS's download by student, and say what did not match."""
    from grading.lms.collect import collect as collect_from
    from grading.lms.collect import report_lines
    from grading.lms.roster import read_roster

    known = load_course(course).lesson(lesson)
    found = collect_from(source, known.id, into, read_roster(roster) if roster is not None else None)
    for line in report_lines(found):
        typer.echo(line)
    if found.unmatched:
        raise typer.Exit(1)


def export(
    lessons: Annotated[list[str] | None, typer.Argument(help="default: all that were graded")] = None,
    form: Annotated[Form, typer.Option("--for", help="whose columns")] = Form.csv,
    roster: RosterOption = None,
    to: Annotated[Path | None, typer.Option(help="the file to write; default: OUT/grades-FORM.csv")] = None,
    out: Annotated[Path, typer.Option(help="the folder given to grade")] = Path("course_data"),
    db: Annotated[str | None, typer.Option(help="gradebook, as nbgrader's db_url; default: OUT/gradebook.db")] = None,
    column: Annotated[
        list[str] | None, typer.Option(help="LESSON=NAME: what the LMS calls a lesson; default: its title")
    ] = None,
    tidy: Annotated[
        bool, typer.Option("--tidy", help="one row per question of each hand-in, for your own analysis (CSV only)")
    ] = False,
    course: CourseOption = None,
) -> None:
    """Write the gradebook's scores for Canvas, Moodle or a spreadsheet; late penalties are taken off."""
    from grading.lms.export import export as write
    from grading.lms.export import graded_lessons, read_scores
    from grading.lms.roster import read_roster

    loaded = load_course(course)
    if tidy:
        if form is not Form.csv:
            raise CourseError(f"--tidy writes a plain CSV table: leave out --for {form}")
        _export_tidy(loaded, lessons, roster, to or out / "tidy.csv", out, db)
        return
    file = out / "gradebook.db"
    if db is None and not file.is_file():
        raise CourseError(f"there is no gradebook {file}: run `vitlab grade --out {out}` first")
    url = db or f"sqlite:///{file.resolve()}"
    chosen = [loaded.lesson(one).id for one in lessons or graded_lessons(url, loaded)]
    names = dict(_pair(text) for text in column or ())
    done = write(
        loaded, read_scores(url, chosen, loaded), to or out / f"grades-{form}.csv", form=form,
        roster=read_roster(roster) if roster is not None else None, columns=names,
    )  # fmt: skip
    typer.echo(f"{done.path}: {done.students} students, {', '.join(chosen)}")
    for note in done.notes:
        typer.echo(f"note: {note}")


def _export_tidy(
    course: Course, lessons: list[str] | None, roster: Path | None, target: Path, out: Path, db: str | None
) -> None:
    from grading.engine.current import bring_up_to_date
    from grading.engine.journal import read_attempts
    from grading.lms.export import _safe
    from grading.lms.roster import read_roster
    from grading.lms.tidy import tidy_rows, write_tidy

    chosen = {course.lesson(one).id for one in lessons or ()}
    current = bring_up_to_date(course, out, db)
    attempts = {key: found for key, found in read_attempts(out).items() if not chosen or key[1] in chosen}
    names = {person.id: person.name for person in read_roster(roster)} if roster is not None else {}
    count = write_tidy(tidy_rows(attempts, current, names), target, _safe)
    typer.echo(f"{target}: {count} rows")


def _pair(text: str) -> tuple[str, str]:
    lesson, equals, name = text.partition("=")
    if not equals or not name:
        raise CourseError(f"--column takes LESSON=NAME, for instance 05_attention='Attention (123456)'; got {text!r}")
    return lesson, name
