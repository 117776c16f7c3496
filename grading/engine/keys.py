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
from grading.intake.find_submissions import Submission

_HERE = Path(__file__).resolve().parents[1]
_ENGINE = (
    "judging",
    "intake",
    "sandbox",
    "lesson_source/source.py",
    "engine/execute.py",
    "engine/keys.py",
    "copying.py",
)
_LIBRARIES = ("torch", "numpy", "einops", "ipython", "ipykernel", "safetensors")
_PIECE = 1 << 20


def lesson_version(course: Course, lesson: str) -> str:
    """Hash of a lesson as it is graded: released notebook, solution, bank, expectations; all helpers; the engine."""
    questions = [
        course.student_notebook(lesson), course.source(lesson), course.bank(lesson), course.expectations(lesson),
    ]  # fmt: skip
    return _hash(engine_version(), lesson, [content_of(path) for path in questions])


@cache
def engine_version() -> str:
    """Hash of the code that runs and judges, and of the libraries' versions; looked at once per process."""
    helpers = sorted((_HERE.parent / "helpers").rglob("*.py"))
    engine = [_HERE / name for name in _ENGINE]
    sources = [*helpers, *(path for entry in engine for path in ([entry] if entry.is_file() else _python(entry)))]
    return _hash(
        [(str(path.relative_to(_HERE.parent)), content_of(path)) for path in sources],
        [_version(library) for library in _LIBRARIES], platform.python_version(), platform.machine(),
    )  # fmt: skip


def _python(folder: Path) -> Iterable[Path]:
    return sorted(folder.rglob("*.py"))


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
    """Hash of what a saved result depends on besides: the gradebook, time and due time, the late penalty."""
    lesson = course.lesson(submission.lesson)
    return _hash(key, str(submission.timestamp), str(lesson.due), lesson.late_penalty_per_day, db_url)


def content_of(path: Path) -> str:
    """Hash of a file's bytes, or of why they can't be had; a link is not followed."""
    try:
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
