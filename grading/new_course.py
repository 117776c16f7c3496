"""`vitlab init`: a course folder of your own, which holds lessons and settings and no copy of the engine."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat

from grading.course import FILE, PLACEHOLDER, Course, CourseError, load_course
from grading.course_file import course_text
from grading.environment import PACKAGE, engine_release
from grading.lesson_builder.course_map import write_course_map
from grading.lesson_builder.notebook import carry_outputs, solution_notebook
from grading.lesson_builder.readme_table import BEGIN, END, readme_table
from grading.lesson_builder.start_page import write_start_page
from grading.lesson_source.source import read_source
from grading.nbgrader_plugin.release import student_notebook

_LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "*.pyc", ".*", "*.part")
ROSTER = "id,first_name,last_name,email\njdoe,Jane,Doe,jane@example.org\n"

_NBGRADER = '''\
"""Read by nbgrader's own commands and by formgrader when they start in this folder."""

from grading.nbgrader_plugin.config import configure_folder

configure_folder(get_config(), __file__)  # noqa: F821  (traitlets provides get_config)
'''

_REQUIREMENTS = """\
# The engine that checks and grades this course. Install: pip install -r requirements.txt
# Upgrade: pip install -U '{package}[instructor]', then write the new version here.
{package}[instructor]=={version}
"""

_IGNORED = """\
# Never into a repository that students see: hand-ins, grades, and what is made again at any time.
course_data/
my_work/
demo_out/
site/
vitlab-students.zip
.cache/
.venv/
__pycache__/
.ipynb_checkpoints/
gradebook.db*
"""

_README = """\
# {title}

A course made with [ViT Lab](https://github.com/{engine}).

{lessons}

## Files

| file or folder | content |
|---|---|
| `course.toml` | title, due dates, late penalty, limits, the order of the lessons |
| `roster.csv` | the students: replace the example by yours, or by the export of your LMS |
| `solutions/<lesson>/` | the lesson's source, its mistakes, and the solution notebook: for instructors only |
| `notebooks/` | what students get, written by `vitlab build` |
| `expected/` | the arrays that the checks compare with, written by `vitlab build` |
| `questions/` | question modules of your own, if you write any |
| `requirements.txt` | the version of the engine that this course is used with |
| `nbgrader_config.py` | lets nbgrader's own commands and formgrader work here |
| `course_data/` | hand-ins and grades, once there are any: never publish it |

## Commands

Once, in an environment with Python 3.11 or newer: `pip install -r requirements.txt`. Several courses can share one
environment. Then, in this folder:

    vitlab doctor                  # what this machine offers, and what is missing
    vitlab lab                     # JupyterLab on the lessons, with formgrader
    vitlab build                   # after a change to a lesson or to course.toml
    vitlab bundle                  # the zip for students
    vitlab collect FILE LESSON     # sort what the LMS gives into course_data/submitted
    vitlab grade LESSON            # grade it in the sandbox
    vitlab report                  # a page about the class
    vitlab export --for canvas     # scores for the LMS

`vitlab --help` lists all commands. A fix of the engine reaches this course by
`pip install -U '{package}[instructor]'`.
"""


def make_course(
    source: Course,
    target: Path,
    *,
    course_id: str,
    title: str,
    lessons: Sequence[str] = (),
    repository: str | None = None,
) -> Path:
    """Write a course into `target` under a new id and title, with the lessons asked for (default: all of them).

    Nothing is left behind when it fails.

    Args:
        source: the course to take the lessons from.
        repository: owner/name on GitHub from which Colab opens the new course; default: that of `source`.

    Raises:
        CourseError: `target` exists and isn't empty, a lesson is unknown, or id, title or repository is none.
    """
    target = Path(target).resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise CourseError(f"{target} is there already; give a folder that doesn't exist yet, or an empty one")
    chosen = [source.lesson(one) for one in dict.fromkeys(source.lesson(one).id for one in lessons)] or source.lessons
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", course_id):
        raise CourseError(f"a course id has letters, digits, dots, dashes and underscores; got {course_id!r}")
    if '"' in title or "\\" in title or not title.isprintable() or not title.strip():
        raise CourseError(f"a title is one line without quotation marks and backslashes; got {title!r}")
    if repository is not None and not re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", repository):
        raise CourseError(f"a repository is owner/name, as on GitHub; got {repository!r}")
    if target.is_relative_to(source.root):
        raise CourseError(f"{target} lies inside the course it is made from, {source.root}; choose a place outside")
    settings = source.course.model_copy(
        update={"id": course_id, "title": title, "repository": repository or source.course.repository}
    )
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        wanted = source.model_copy(update={"course": settings, "lessons": tuple(chosen)})
        (part / FILE).write_text(course_text(wanted), "utf-8")
        made = load_course(part)
        _copy_lessons(source, made)
        _write_files(made)  # after the lessons, whose questions the README lists
        write_course_map(made)
        write_start_page(made)
        if target.exists():
            target.rmdir()
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    load_course(target)
    return target


def course_readme(course: Course) -> str:
    """The README of a course folder: its lessons, its files, its commands."""
    lessons = f"{BEGIN}\n\n{readme_table(course)}\n\n{END}"
    return _README.format(title=course.course.title, lessons=lessons, engine=PLACEHOLDER, package=PACKAGE)


def _write_files(course: Course) -> None:
    """What lies beside the lessons."""
    files = {
        "roster.csv": ROSTER,
        "README.md": course_readme(course),
        "nbgrader_config.py": _NBGRADER,
        "requirements.txt": _REQUIREMENTS.format(package=PACKAGE, version=engine_release()),
        ".gitignore": _IGNORED,
    }
    for name, text in files.items():
        (course.root / name).write_text(text, "utf-8", newline="\n")


def _copy_lessons(source: Course, made: Course) -> None:
    if source.data_folder and source.questions.is_dir():
        shutil.copytree(source.questions, made.questions, ignore=_LEFT_BEHIND)
    made.expected.mkdir()
    for lesson in (one.id for one in made.lessons):
        old, new = source.source(lesson).parent, made.source(lesson).parent
        if not old.is_dir():
            raise CourseError(f"{old} is not there: {FILE} lists {lesson}, and its source is missing")
        shutil.copytree(old, new, ignore=_LEFT_BEHIND)
        if source.expectations(lesson).is_file():
            shutil.copyfile(source.expectations(lesson), made.expectations(lesson))
        if made.source(lesson).is_file():
            _write_notebooks(made, lesson)
        else:  # an ordinary nbgrader notebook, which is its own source
            _copy_files(source.student_notebook(lesson).parent, made.student_notebook(lesson).parent)


def _write_notebooks(course: Course, lesson: str) -> None:
    """Both notebooks as the source builds them for this course; outputs of the solution are kept if there are any."""
    path = course.solution_notebook(lesson)
    solution = solution_notebook(read_source(course.source(lesson)), course.course, course.level(lesson))
    if path.is_file():
        carry_outputs(nbformat.read(path, as_version=4), solution)
    student = student_notebook(solution, lesson)
    for target, notebook in ((path, solution), (course.student_notebook(lesson), student)):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(nbformat.writes(notebook) + "\n", "utf-8")


def _copy_files(old: Path, new: Path) -> None:
    if old.is_dir():
        shutil.copytree(old, new, ignore=_LEFT_BEHIND)
