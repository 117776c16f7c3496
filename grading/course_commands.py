"""The commands about a course as a whole: `vitlab init`, `bundle`, `site`, `lab`, `doctor`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from grading.course import Course, CourseError, Level, find_root, load_course

CourseOption = Annotated[
    Path | None,
    typer.Option("--course", help="the folder with course.toml; default: found upwards from here"),
]
Lessons = Annotated[
    list[str] | None, typer.Argument(help="lesson ids, for instance 02_positional_encoding; default: all")
]


LevelOption = Annotated[
    Level | None, typer.Option("--level", help="how much of each answer is blank; default: what course.toml says")
]


def init(
    folder: Annotated[Path, typer.Argument(help="the new course's folder; it must not exist yet")],
    title: Annotated[str | None, typer.Option(help="as students see it; default: from the folder's name")] = None,
    course_id: Annotated[str | None, typer.Option("--id", help="short name; default: the folder's")] = None,
    lesson: Annotated[list[str] | None, typer.Option(help="only these lessons; default: all")] = None,
    repository: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="on GitHub, from which Colab will open the notebooks")
    ] = None,
    course: Annotated[
        Path | None,
        typer.Option("--course", help="a course to copy; default: the one around this folder, else ViT Lab's lessons"),
    ] = None,
) -> None:
    """Make a course folder of your own: lessons, settings, and a roster to fill in. The engine stays installed."""
    from grading.new_course import make_course

    name = folder.resolve().name
    made = make_course(
        _to_copy(course),
        folder,
        course_id=course_id or name,
        title=title or _title(name),
        lessons=lesson or (),
        repository=repository,
    )
    typer.echo(
        f"{made}: list your students in roster.csv and set due dates in course.toml; "
        "`vitlab doctor` there says what this machine still lacks, `vitlab lab` opens the lessons"
    )


def _title(name: str) -> str:
    words = name.replace("-", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:] if words else name


def _to_copy(named: Path | None) -> Course:
    from grading.template import template_course

    if named is not None:
        return load_course(named)
    try:
        return load_course(find_root())
    except CourseError:
        if _inside_a_course():
            raise
        return template_course()


def _inside_a_course() -> bool:
    try:
        find_root()
    except CourseError:
        return False
    return True


def bundle(
    to: Annotated[Path, typer.Option(help="the zip to write")] = Path("vitlab-students.zip"),
    level: LevelOption = None,
    course: CourseOption = None,
) -> None:
    """Make the students' zip: notebooks, helpers, environment, and nothing else."""
    from grading.bundle import make_bundle

    typer.echo(make_bundle(load_course(course), to, level))


def site(
    lessons: Lessons = None,
    out: Annotated[Path, typer.Option(help="the site's folder; replaced when it is an earlier one")] = Path("site"),
    execute: Annotated[
        bool, typer.Option("--execute/--no-execute", help="run notebooks that changed, for their pictures")
    ] = True,
    course: CourseOption = None,
) -> None:
    """Render the student lessons as pages to read without a kernel, a server or a network."""
    from grading.site import make_site

    made = make_site(load_course(course), out, execute=execute, lessons=lessons)
    if made.without:
        typer.echo(f"without pictures, since not run as they are now: {', '.join(made.without)}", err=True)
    typer.echo(made.index)


def lab(
    context: typer.Context,
    course: CourseOption = None,
) -> None:
    """Start JupyterLab on the course map, with nbgrader's Validate button and formgrader.

    Further options are JupyterLab's own, for instance: vitlab lab --no-browser --port 8889
    """
    from helpers.lab import LabError, start

    os.chdir(load_course(course).root)
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    try:
        raise typer.Exit(start([*as_root, *context.args], teaching=True))
    except LabError as error:
        raise CourseError(str(error)) from None


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="a list of objects, for programs")] = False,
    course: CourseOption = None,
) -> None:
    """Say in one table what this machine offers for building and grading, what is missing, and how to get it.

    Exit status 1 when something that grading needs is missing.
    """
    from grading.doctor import examine, print_findings

    findings = examine(course)
    print_findings(findings, as_json=as_json)
    if any(finding.state == "missing" for finding in findings):
        raise typer.Exit(1)
