"""Whether a submission was graded before: hashes over everything that could change what comes of it."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from grading.course import Course
from grading.engine.imports import imported_files
from grading.intake.find_submissions import Submission
from grading.lesson_source.source import read_source
from grading.nbgrader_plugin.ordinary.assignment import is_ordinary
from helpers.course_folder import PACKAGE, questions_folder
from helpers.questions import COURSE_PACKAGE, every_question

_HERE = Path(__file__).resolve().parents[1]
_ENGINE = (
    "judging",
    "intake",
    "sandbox",
    "lesson_source/source.py",
    "engine/execute.py",
    "nbgrader_plugin/ordinary",
    "engine/keys.py",
    "copying.py",
)
_LIBRARIES = ("torch", "numpy", "einops", "ipython", "ipykernel", "safetensors")
_PIECE = 1 << 20


def lesson_version(course: Course, lesson: str) -> str:
    """Hash of a lesson as it is graded: released notebook, solution, bank, expectations, what it imports; the engine.

    A change to a module of `helpers` that this lesson does not import, directly or through others, changes nothing.
    """
    own = [course.student_notebook(lesson), course.source(lesson), course.bank(lesson), course.expectations(lesson)]
    if is_ordinary(course, lesson):
        own = [course.source(lesson).parent]
    imported = [(_named(path, course), content_of(path)) for path in lesson_imports(course, lesson)]
    return _hash(engine_version(), lesson, [content_of(path) for path in own], imported)


def lesson_imports(course: Course, lesson: str) -> list[Path]:
    """The files of `helpers` and of the course's own questions that grading a lesson imports."""
    course.activate()
    texts = [
        path.read_text("utf-8", "replace") for path in (course.source(lesson), course.bank(lesson)) if path.is_file()
    ]
    notebook = course.student_notebook(lesson)
    if notebook.is_file():
        cells = json.loads(notebook.read_bytes())["cells"]
        texts += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    asked = read_source(course.source(lesson)).checks() if course.source(lesson).is_file() else ()
    known = every_question()
    modules = [type(known[question]).__module__ for question in asked if question in known]
    return imported_files(texts, ["helpers", *modules], _packages(course))


def _packages(course: Course) -> dict[str, Path]:
    packages = {"helpers": course.helpers}
    return packages | ({COURSE_PACKAGE: course.questions} if course.questions != course.helpers / "questions" else {})


def _named(path: Path, course: Course) -> str:
    """A file's name that is the same wherever engine and course lie."""
    inside = course.helpers if path.is_relative_to(course.helpers) else course.questions
    return f"{inside.name}/{path.relative_to(inside).as_posix()}"


@cache
def engine_version() -> str:
    """Hash of the code that executes and judges, and of the libraries' versions; computed once per process."""
    return _hash(
        _contents(path for name in _ENGINE for path in _files(_HERE / name)),
        [_version(library) for library in _LIBRARIES],
        platform.python_version(),
        platform.machine(),
    )


def code_version() -> str:
    """Hash of everything that runs on a worker: the engine, all of `helpers`, the course's own questions."""
    own = questions_folder()
    return _hash(
        engine_version(), _contents(_files(PACKAGE)), [content_of(path) for path in _files(own)] if own else []
    )


def _contents(paths: Iterable[Path]) -> list[tuple[str, str]]:
    return [(path.relative_to(_HERE.parent).as_posix(), content_of(path)) for path in paths]


def _files(place: Path) -> list[Path]:
    return [place] if place.is_file() else sorted(place.rglob("*.py"))


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""


def submission_key(
    submission: Submission,
    lesson: str,
    *,
    limits: Mapping[str, float],
    seed: int | None,
    sandbox: str,
    device: str = "cpu",
) -> str:
    """Hash of a submission and all that it is graded with.

    Args:
        lesson: its `lesson_version`.
        seed: None for "a fresh one each run": then a new run doesn't grade the unchanged again for the seed's sake.
    """
    path = submission.path
    return _hash(
        submission.student, submission.lesson, "" if path is None else path.suffix.lower(),
        "" if path is None else content_of(path), submission.problem, submission.notes, lesson, dict(limits),
        seed, sandbox, device,
    )  # fmt: skip


def mark_of(key: str, submission: Submission, course: Course, db_url: str) -> str:
    """Hash of what a saved result and its page depend on besides: gradebook, time, due time, penalty, model answers."""
    lesson, shown = course.lesson(submission.lesson), course.course.model_answers
    return _hash(key, str(submission.timestamp), str(lesson.due), lesson.late_penalty_per_day, db_url, shown)


def content_of(path: Path) -> str:
    """Hash of a file's bytes, or of why they can't be had; of a folder, of all in it. A link is not followed."""
    try:
        if path.is_dir() and not path.is_symlink():
            return _hash([(one.relative_to(path).as_posix(), content_of(one)) for one in sorted(path.rglob("*"))])
        if path.is_symlink() or not path.is_file():
            return "none"
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
        return digest.hexdigest()
    except OSError as error:
        return f"unreadable: {error.strerror}"


def _hash(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
