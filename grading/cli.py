"""The `vitlab` command."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grading.course import PLACEHOLDER, Course, CourseError, load_course
from grading.course_commands import CourseOption, Lessons, LevelOption, bundle, doctor, init, lab, site
from grading.graders.commands import requests, shares
from grading.lesson_source.source import LessonError
from grading.lms.commands import backup, collect, export, forget, give_back

if TYPE_CHECKING:
    from grading.engine.executors import SubmissionExecutor

app = typer.Typer(
    name="vitlab",
    help="Build lessons, grade classes, make the students' bundle.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class Device(StrEnum):
    """What student code computes on."""

    cpu = "cpu"
    cuda = "cuda"


class Sandbox(StrEnum):
    """Where student code runs."""

    bubblewrap = "bubblewrap"
    none = "none"


def chosen(course: Course, lessons: list[str] | None) -> list[str]:
    """The lessons asked for (an unknown one is an error), or all of them."""
    return [course.lesson(lesson).id for lesson in lessons] if lessons else [lesson.id for lesson in course.lessons]


@app.command(epilog="Example: vitlab build 02_positional_encoding --execute")
def build(
    lessons: Lessons = None,
    check: Annotated[bool, typer.Option("--check", help="change nothing; fail if a committed product differs")] = False,
    execute: Annotated[bool, typer.Option("--execute", help="run the solution and keep its outputs")] = False,
    stale: Annotated[
        bool, typer.Option("--stale", help="only lessons that are not as their source builds them")
    ] = False,
    level: LevelOption = None,
    course: CourseOption = None,
) -> None:
    """Build solution notebooks, student notebooks and public expectations from the lesson sources."""
    from grading.lesson_builder.author_errors import known_questions
    from grading.lesson_builder.course_map import course_map_drift, write_course_map
    from grading.lesson_builder.glossary import glossary_drift, write_glossary
    from grading.lesson_builder.lesson import build_lesson, drift
    from grading.lesson_builder.readme_table import readme_table_drift, write_readme_table
    from grading.lesson_builder.start_page import start_page_drift, write_start_page

    loaded = load_course(course).at_level(level)
    picked = chosen(loaded, lessons)
    known_questions(loaded)  # what is broken there is told before anything is written
    differs = False
    if not check:
        write_course_map(loaded)
        write_start_page(loaded)
        write_readme_table(loaded)
        write_glossary(loaded)
    elif problems := [
        *course_map_drift(loaded),
        *start_page_drift(loaded),
        *readme_table_drift(loaded),
        *glossary_drift(loaded),
    ]:
        differs = True
        typer.echo("; ".join(problems))
    for lesson in picked:
        if check:
            problems = drift(loaded, lesson)
            differs |= bool(problems)
            typer.echo(f"{lesson}: " + ("; ".join(problems) if problems else "as its source builds it"))
        elif stale and not drift(loaded, lesson):
            typer.echo(f"{lesson}: as its source builds it")
        else:
            built = build_lesson(loaded, lesson, execute=execute)
            ran = f", solution ran in {built.seconds:.1f} s" if execute else ""
            sizes = ", ".join(f"{p.relative_to(loaded.root)} {p.stat().st_size / 1024:.0f} kB" for p in built.paths)
            typer.echo(f"{lesson}: {sizes}{ran}")
    if differs:
        typer.echo("run `vitlab build` and commit what it writes", err=True)
        raise typer.Exit(1)


@app.command(epilog="Example: vitlab lines 05_attention")
def lines(lessons: Lessons = None, course: CourseOption = None) -> None:
    """Count the lines that a student writes at each level, and the given code that is visible."""
    from grading.lesson_builder.line_counts import lines_of_course, lines_table

    loaded = load_course(course)
    typer.echo(lines_table(lines_of_course(loaded, chosen(loaded, lessons))))


@app.command(epilog="Example: vitlab new 16_my_lesson")
def new(
    lesson: Annotated[str, typer.Argument(help="its id: two digits and a name in lower case, such as 16_my_lesson")],
    title: Annotated[str | None, typer.Option(help="as students see it; default: from the id")] = None,
    minutes: Annotated[int, typer.Option(min=1, help="how long it takes to work through")] = 45,
    course: CourseOption = None,
) -> None:
    """Start a lesson that works: its source, its mistakes, a question with a check, its entry in course.toml."""
    from grading.new_lesson import make_lesson

    loaded = load_course(course)
    made = make_lesson(loaded, lesson, title=title, minutes=minutes)
    for path in made:
        typer.echo(path.relative_to(loaded.root))
    guide = "docs/writing-a-lesson.md"
    if not (loaded.root / guide).is_file():  # a course of data has no documentation of the engine
        guide = f"https://github.com/{PLACEHOLDER}/blob/main/{guide}"
    typer.echo(f"Edit these, then: vitlab build {lesson} --execute. {guide} says what goes where.")


@app.command(
    epilog="Example: vitlab grade 02_positional_encoding --submissions course_data/submitted --out course_data"
)
def grade(
    lessons: Lessons = None,
    submissions: Annotated[
        Path, typer.Option(help="DIR/<student>/<lesson>/*.ipynb, or one folder of <student>.ipynb")
    ] = Path("course_data/submitted"),
    out: Annotated[Path, typer.Option(help="where autograded notebooks, feedback and results go")] = Path(
        "course_data"
    ),
    db: Annotated[str | None, typer.Option(help="gradebook, as nbgrader's db_url; default: OUT/gradebook.db")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="submissions run at once")] = os.cpu_count() or 1,
    seed: Annotated[int | None, typer.Option(min=0, help="draws the secret cases; default: a fresh one")] = None,
    sandbox: Annotated[
        Sandbox, typer.Option(help="none runs student code unprotected: only where bubblewrap can't be had")
    ] = Sandbox.bubblewrap,
    cold: Annotated[bool, typer.Option("--cold", help="start each kernel anew: slower, same results")] = False,
    device: Annotated[Device, typer.Option(help="cuda shows the sandbox NVIDIA's GPUs; jobs share them")] = Device.cpu,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="grade submissions again that have not changed since they were graded")
    ] = False,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="run submissions on this Dask cluster; see docs/cluster.md")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one line per student and question, nothing else")] = False,
    course: CourseOption = None,
) -> None:
    """Grade a class: every submission of the lessons, in the sandbox, into nbgrader's gradebook.

    What was graded before and has not changed is not graded again. Stop with Ctrl-C; the same command goes on.
    """
    loaded = load_course(course)
    from grading.intake.find_submissions import require_folder

    picked = chosen(loaded, lessons)  # a wrong name is told before anything slow begins
    require_folder(submissions)
    if sandbox is Sandbox.bubblewrap and device is Device.cpu and not (cold or dask):
        from grading.engine.executors import start_zygote_early

        start_zygote_early()  # its imports and ours take as long
    from grading.engine.grade import Interrupted
    from grading.engine.grade import grade as grade_class
    from grading.engine.progress import Bar, Silent
    from grading.engine.summary import print_summary

    executor = _cluster(dask, sandbox.value) if dask else None
    try:
        outcomes = grade_class(
            loaded, picked, submissions=submissions, out=out, db_url=db, jobs=jobs, seed=seed,
            sandbox=sandbox.value, warm=not cold, regrade=regrade, device=device.value,
            progress=Silent() if as_json else Bar(), executor=executor,
        )  # fmt: skip
    except Interrupted as stopped:
        again = "the same command without --regrade" if regrade else "the same command"
        typer.echo(f"vitlab: {stopped}; {again} goes on from there", err=True)
        raise typer.Exit(130) from None
    except KeyboardInterrupt:
        typer.echo("vitlab: stopped; what was graded is kept, the same command goes on from there", err=True)
        raise typer.Exit(130) from None
    if as_json:
        for outcome in outcomes:
            for line in outcome.lines():
                typer.echo(json.dumps(line, ensure_ascii=False))
        return
    from grading.lms.class_list import absent_lines, by_lesson, enrol

    people = enrol(loaded, out, db)
    print_summary(outcomes, out, names=people.names if people is not None else None)
    if people is not None:
        came = by_lesson([(one.student, one.lesson) for one in outcomes])
        for text in absent_lines(loaded, people, came):
            typer.echo(text)


def _cluster(address: str, sandbox: str) -> SubmissionExecutor:
    try:
        from grading.engine.dask_executor import Cluster
    except ImportError as error:
        raise CourseError(f"--dask needs the extra `cluster` ({error}): pip install 'vit-lab[cluster]'") from None
    return Cluster(address, sandbox=sandbox)


@app.command(epilog="Example: vitlab report --out course_data")
def report(
    out: Annotated[Path, typer.Option(help="the folder given to grade")] = Path("course_data"),
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="a page to show in class, report-anonymous.html: no names, no links")
    ] = False,
    db: Annotated[
        str | None, typer.Option(help="gradebook, as nbgrader's db_url; default: the one graded into")
    ] = None,
    course: CourseOption = None,
) -> None:
    """Write the report page of a graded class."""
    from grading.report import report_of

    loaded = load_course(course)
    typer.echo(report_of(out, loaded, title=loaded.course.title, anonymous=anonymous, db_url=db))


@app.command(epilog="Example: vitlab submit 02")
def submit(
    lesson: Annotated[str, typer.Argument(help="its id or its number: 05_attention, or 05")],
    notebook: Annotated[
        Path | None, typer.Argument(help="the notebook, when it lies elsewhere or has another name")
    ] = None,
) -> None:
    """Look a lesson through, say what is still blank, and make the file to hand in.

    For students without these tools: `python -m helpers submit 02` does the same.
    """
    from helpers.portfolio import HandInError
    from helpers.portfolio import submit as hand_in

    try:
        typer.echo(repr(hand_in(lesson, notebook)))
    except HandInError as error:
        raise CourseError(str(error)) from None


@app.command(epilog="Example: vitlab demo --out demo_out")
def demo(
    out: Annotated[Path, typer.Option(help="where the class and its results go; replaced when it exists")] = Path(
        "demo_out"
    ),
    sandbox: Annotated[Sandbox, typer.Option(help="none runs without protection")] = Sandbox.bubblewrap,
    course: CourseOption = None,
) -> None:
    """Make a class of named kinds of submission, grade it, write the report."""
    from grading.demo.show import run_demo

    run_demo(load_course(course), out, sandbox=sandbox.value)


app.command(epilog="Example: vitlab init ../vision-2027 --lesson 01 --lesson 02")(init)
app.command(epilog="Example: vitlab bundle --to vitlab-students.zip")(bundle)
app.command(epilog="Example: vitlab site --out site")(site)
app.command(
    epilog="Example: vitlab lab --no-browser",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(lab)
app.command(epilog="Example: vitlab doctor")(doctor)
app.command(epilog="Example: vitlab collect submissions.zip 05_attention --roster canvas.csv")(collect)
app.command(epilog="Example: vitlab export --for canvas --roster canvas.csv")(export)
app.command("return", epilog="Example: vitlab return 05_attention --for moodle")(give_back)
app.command(epilog="Example: vitlab forget jdoe")(forget)
app.command(epilog="Example: vitlab backup")(backup)
app.add_typer(requests, name="regrade-request")
app.add_typer(shares, name="share")


def main() -> None:
    """Entry point: our own errors are one clear message and exit code 2, never a traceback."""
    from grading.intake.find_submissions import FindError
    from grading.sandbox.bubblewrap import SandboxUnavailable

    try:
        app()
    except (CourseError, LessonError, FindError, SandboxUnavailable) as error:
        typer.echo(f"vitlab: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
