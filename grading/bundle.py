"""The students' zip: notebooks, helpers, environment, and nothing else."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

from grading.course import Course, CourseError, Level
from grading.environment import student_environment, student_project, student_readme, student_requirements
from grading.lesson_builder.glossary import glossary_notebook, glossary_page, read_glossary
from grading.lesson_builder.lesson import ordinary_release, student_notebook_at
from grading.lesson_builder.notebook import without_outputs
from grading.lesson_builder.start_page import start_page
from grading.nbgrader_plugin.ordinary.assignment import is_ordinary
from helpers import course_folder

# As in [tool.setuptools.package-data] of pyproject.toml, so that the bundle and Colab have the same files.
HELPER_SUFFIXES = {".py", ".json", ".safetensors", ".css", ".js", ".html", ".j2", ".svg", ".toml"}
_DATE = (2026, 1, 1, 0, 0, 0)  # the same course always gives the same bytes


def make_bundle(course: Course, target: Path, level: Level | None = None) -> Path:
    """Write the students' zip of a course to `target` and return it.

    With a `level` every notebook in the zip is built at that level, whatever course.toml says; such notebooks are
    graded as any other, since intake moves the answers into the notebook that lies in the course.

    Everything lies in one folder, named as the course's id, from which the notebooks run as they are.

    Raises:
        CourseError: a student notebook or its expectations are not built, or are not what the source builds.
    """
    files = bundle_files(course, level)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in sorted(files.items()):
                info = zipfile.ZipInfo(f"{course.course.id}/{name}", _DATE)
                info.create_system = 3  # Unix, also when made on Windows
                info.external_attr = 0o100644 << 16
                archive.writestr(info, content, zipfile.ZIP_DEFLATED, compresslevel=9)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return target


def bundle_files(course: Course, level: Level | None = None) -> dict[str, bytes]:
    """Name in the bundle, with forward slashes, to content.

    Raises:
        CourseError: as `make_bundle`.
    """
    course.activate()
    files = {
        "README.txt": student_readme(course).encode(),
        "environment.yml": student_environment(course.course.id).encode(),
        "requirements.txt": student_requirements().encode(),
        course.start_page.relative_to(course.root).as_posix(): (nbformat.writes(start_page(course)) + "\n").encode(),
    }
    if read_glossary(course):
        page = nbformat.writes(glossary_notebook(course)) + "\n"
        files[glossary_page(course).relative_to(course.root).as_posix()] = page.encode()
    built = [lesson for lesson in course.lessons if not is_ordinary(course, lesson.id)]
    for lesson in course.lessons:
        if lesson not in built:
            given = ordinary_release(course, lesson.id)
            files |= {path.relative_to(course.root).as_posix(): data for path, data in given.items()}
            continue
        name = course.student_notebook(lesson.id).relative_to(course.root).as_posix()
        files[name] = _notebook(course, lesson.id, level).encode()
    for lesson in built:
        path = course.expectations(lesson.id)
        if not path.is_file():
            raise CourseError(f"{path.relative_to(course.root)} is not built: run `vitlab build {lesson.id}` first")
    files |= {name: path.read_bytes() for name, path in helper_files(course)}
    if course.data_folder:
        files["pyproject.toml"] = student_project(course).encode()
    return files


def helper_files(course: Course) -> Iterator[tuple[str, Path]]:
    """The files of the students' package, each with its name in the bundle.

    Expected arrays are those of the lessons that course.toml lists. What a course of data has of its own lies in
    `helpers/course/`, so that the package is complete where it is installed, too.
    """
    engine = course_folder.PACKAGE / "checks" / "expected" if course.data_folder else course.expected
    own = _files_of(course.helpers)
    if course.data_folder:
        own = (path for path in own if path.parent != engine and path.name != "lessons.toml")
    listed = {course.expectations(one.id) for one in course.lessons if not is_ordinary(course, one.id)}
    listed |= {path for one in course.lessons if (path := course.sealed_answers(one.id)).is_file()}
    for path in own:
        if path.parent != engine or path in listed:
            yield f"helpers/{path.relative_to(course.helpers).as_posix()}", path
    if course.data_folder:
        for path in sorted([*_files_of(course.questions), *listed, course.lessons_file]):
            yield f"helpers/course/{path.relative_to(course.root).as_posix()}", path


def _files_of(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") or part == "__pycache__" for part in path.relative_to(folder).parts)
        if path.suffix in HELPER_SUFFIXES and path.is_file() and not hidden:
            yield path


def _notebook(course: Course, lesson_id: str, level: Level | None) -> str:
    """The student notebook as its source builds it: the one that lies there may have been worked in."""
    path = course.student_notebook(lesson_id)
    name = path.relative_to(course.root)
    if not path.is_file():
        raise CourseError(f"{name} is not built: run `vitlab build {lesson_id}` first")
    built = student_notebook_at(course, lesson_id)
    try:
        same = without_outputs(nbformat.read(path, as_version=4)) == without_outputs(built)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, UnicodeDecodeError):
        same = False
    if not same:
        raise CourseError(
            f"{name} is not what its source builds: the source changed, or somebody worked in it. "
            f"`vitlab build {lesson_id}` writes it anew"
        )
    if level not in (None, course.level(lesson_id)):
        built = student_notebook_at(course.at_level(level), lesson_id)
    return nbformat.writes(built) + "\n"
