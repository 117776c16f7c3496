"""The commands for several persons at one class: `vitlab regrade-request` and `vitlab share`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from grading.course import CourseError, load_course

Out = Annotated[Path, typer.Option(help="the folder given to grade")]
Db = Annotated[str | None, typer.Option(help="gradebook, as nbgrader's db_url; default: where grade put it")]
CourseOption = Annotated[Path | None, typer.Option(help="the course's folder; default: upwards from here")]

requests = typer.Typer(help="Students' requests to look again at a score, and what came of them.", no_args_is_help=True)
shares = typer.Typer(help="Share a class among tutors with machines of their own.", no_args_is_help=True)


@requests.command(epilog='Example: vitlab regrade-request add 05 ada "W1 says the same as the rubric" --question W1')
def add(
    lesson: Annotated[str, typer.Argument(help="its id or number")],
    student: Annotated[str, typer.Argument(help="who asks")],
    text: Annotated[str, typer.Argument(help="the reason, in the student's words")],
    question: Annotated[str, typer.Option(help="for instance Q1 or W1a; default: the whole lesson")] = "",
    out: Out = Path("course_data"),
    db: Db = None,
    course: CourseOption = None,
) -> None:
    """Put a request on record; it stands in the report and on the student's page."""
    from grading.engine.current import open_gradebook
    from grading.nbgrader_plugin.regrade_requests import add_request

    loaded = load_course(course)
    name = loaded.lesson(lesson).id
    with open_gradebook(loaded, out, db) as (gradebook, _):
        held = gradebook.stored(name, [student]).get(student)
        if held is None:
            raise CourseError(f"the gradebook holds nothing of {student} in {name}")
        if question and held.cell_of(question) is None:
            known = ", ".join(sorted(cell.removesuffix("-check") for cell in held.cells))
            raise CourseError(f"{name} has no question {question!r}; it has {known}")
        number = add_request(gradebook.session(), name, student, question, text)
    typer.echo(f"request {number} is on record")


@requests.command("list", epilog="Example: vitlab regrade-request list --all")
def list_(
    everything: Annotated[bool, typer.Option("--all", help="closed ones too")] = False,
    out: Out = Path("course_data"),
    db: Db = None,
    course: CourseOption = None,
) -> None:
    """Show the open requests."""
    from grading.engine.current import open_gradebook
    from grading.nbgrader_plugin.regrade_requests import requests_of

    with open_gradebook(load_course(course), out, db) as (gradebook, _):
        shown = [one for one in requests_of(gradebook.session()) if everything or one.open]
    for one in shown:
        place = f"{one.lesson} {one.cell}".strip()
        typer.echo(f"{one.number}  {one.at[:10]}  {one.student}, {place}: {one.text}")
        if not one.open:
            typer.echo(f"   closed {one.closed_at[:10]} by {one.author}: {one.outcome}")
    if not shown:
        typer.echo("no request is open" if not everything else "there are no requests")


@requests.command(epilog='Example: vitlab regrade-request close 3 "You are right: 2 of 2 now."')
def close(
    number: Annotated[int, typer.Argument(help="as `list` shows it")],
    outcome: Annotated[str, typer.Argument(help="what the student is told")],
    out: Out = Path("course_data"),
    db: Db = None,
    course: CourseOption = None,
) -> None:
    """Say what came of a request. The score itself is changed in formgrader."""
    from grading.engine.current import open_gradebook
    from grading.nbgrader_plugin.regrade_requests import close_request

    with open_gradebook(load_course(course), out, db) as (gradebook, _):
        close_request(gradebook.session(), number, outcome)
    typer.echo(f"request {number} is closed")


@shares.command(epilog="Example: vitlab share split 05_attention --tutors ada,bo,cy")
def split(
    lesson: Annotated[str, typer.Argument(help="a lesson that was graded: its id or number")],
    tutors: Annotated[str, typer.Option(help="names, with commas between them")],
    to: Annotated[Path, typer.Option(help="the folder that the zips go into")] = Path("shares"),
    out: Out = Path("course_data"),
    db: Db = None,
    course: CourseOption = None,
) -> None:
    """Make a zip for each tutor: a small gradebook and hand-ins that formgrader opens without a network."""
    from grading.graders.share import split as make

    loaded = load_course(course)
    for path in make(loaded, loaded.lesson(lesson).id, tutors.split(","), out=out, to=to, db=db):
        typer.echo(path)


@shares.command(epilog="Example: vitlab share merge 05_attention-ada.zip 05_attention-bo.zip")
def merge(
    share: Annotated[list[Path], typer.Argument(help="zips or folders that tutors sent back")],
    out: Out = Path("course_data"),
    db: Db = None,
    course: CourseOption = None,
) -> None:
    """Take over scores and comments from tutors' shares; two scores for one answer are shown, and neither is lost."""
    from grading.graders.share import merge as take
    from grading.nbgrader_plugin.hand_scores import HandScore

    def said(given: HandScore) -> str:
        score = "no score" if given.score is None else f"{given.score:g}"
        return f"{given.author or 'somebody'}: {score}" + (f", “{given.comment}”" if given.comment else "")

    loaded, clash = load_course(course), False
    for path in share:
        done = take(loaded, path, out=out, db=db)
        typer.echo(f"{path}: {done.added} answers scored or commented by {done.tutor}")
        if done.outdated:
            typer.echo(f"  {done.outdated} of them for an answer that has been replaced since: shown as earlier ones")
        for one in done.conflicts:
            clash = True
            typer.echo(
                f"  conflict, nothing was overwritten: {one.student}, {one.cell}: here {said(one.here)}; "
                f"in the share {said(one.theirs)}"
            )
    if clash:
        typer.echo("decide on these in formgrader, then merge again")
        raise typer.Exit(1)
