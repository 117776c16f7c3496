"""The students' zip: notebooks, helpers, environment, and nothing else."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nbformat

from grading.course import Course, CourseError, Level, sealed_answers_file
from grading.environment import student_environment, student_readme, student_requirements
from grading.lesson_builder.glossary import glossary_notebook, glossary_page, read_glossary
from grading.lesson_builder.lesson import student_notebook_at
from grading.lesson_builder.notebook import without_outputs
from grading.lesson_builder.start_page import start_page

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
    files = {
        "README.txt": student_readme(course).encode(),
        "environment.yml": student_environment(course.root, course.course.id).encode(),
        "requirements.txt": student_requirements(course.root).encode(),
        course.start_page.relative_to(course.root).as_posix(): (nbformat.writes(start_page(course)) + "\n").encode(),
    }
    if read_glossary(course):
        page = nbformat.writes(glossary_notebook(course)) + "\n"
        files[glossary_page(course).relative_to(course.root).as_posix()] = page.encode()
    for lesson in course.lessons:
        name = course.student_notebook(lesson.id).relative_to(course.root).as_posix()
        files[name] = _notebook(course, lesson.id, level).encode()
    files |= {path.relative_to(course.root).as_posix(): path.read_bytes() for path in helper_files(course)}
    for lesson in course.lessons:
        name = course.expectations(lesson.id).relative_to(course.root).as_posix()
        if name not in files:
            raise CourseError(f"{name} is not built: run `vitlab build {lesson.id}` first")
    return files


def helper_files(course: Course) -> Iterator[Path]:
    """The files of the students' package; expectations only of the lessons that course.toml lists."""
    listed = {course.expectations(lesson.id) for lesson in course.lessons}
    listed |= {sealed_answers_file(course, lesson.id) for lesson in course.lessons}
    by_lesson = {path.parent for path in listed}
    for path in sorted((course.root / "helpers").rglob("*")):
        within = path.relative_to(course.root)
        if any(part.startswith(".") or part == "__pycache__" for part in within.parts):
            continue
        if path.suffix in HELPER_SUFFIXES and path.is_file() and (path.parent not in by_lesson or path in listed):
            yield path


def _notebook(course: Course, lesson_id: str, level: Level | None) -> str:
    """The student notebook as its source builds it: somebody may have worked in the one that lies there."""
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
