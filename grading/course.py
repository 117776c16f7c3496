"""The one reader of course.toml. Every error names the key, what was found and what was expected."""

from __future__ import annotations

import tomllib
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

FILE = "course.toml"


class CourseError(Exception):
    """A course that can't be read: says what was found, what was expected and what to do."""


class Level(StrEnum):
    """How much of an answer the student writes; see docs/writing-a-lesson.md."""

    guided = "guided"
    standard = "standard"
    open = "open"


class Worth(StrEnum):
    """What the points of a question count for: the total, beside the total, or nothing."""

    points = "points"
    bonus = "bonus"
    none = "none"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Settings(_Table):
    """The [course] table."""

    id: str = Field(pattern=r"^[A-Za-z0-9_.-]+$")
    title: str
    repository: str = Field(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")
    ref: str = Field(pattern=r"^[A-Za-z0-9_./-]+$")
    level: Level = Level.guided
    blank_pages: Worth = Worth.points
    stretch: Worth = Worth.none

    def worth(self, kind: str) -> Worth:
        """What a question of this kind ("", "blank-page" or "stretch") counts for."""
        return {"blank-page": self.blank_pages, "stretch": self.stretch}.get(kind, Worth.points)


class LimitSettings(_Table):
    """The [limits] table: of one submission in the sandbox; seconds, MiB, counts."""

    cell_seconds: float = Field(default=30, gt=0)
    total_seconds: float = Field(default=180, gt=0)
    memory_mb: int = Field(default=4096, ge=512)
    processes: int = Field(default=128, ge=16)
    open_files: int = Field(default=512, ge=64)
    disk_mb: int = Field(default=256, ge=1)
    output_mb: int = Field(default=16, ge=1)
    answer_mb: int = Field(default=8, ge=1)


class Lesson(_Table):
    """One [[lessons]] entry. `due` has a time zone; `late_penalty_per_day` is a share of the score."""

    id: str = Field(pattern=r"^\d\d_[a-z0-9_]+$")
    title: str
    minutes: int = Field(gt=0)
    due: datetime | None = None
    late_penalty_per_day: float = Field(default=0.0, ge=0, le=1)
    level: Level | None = None

    @field_validator("due")
    @classmethod
    def _has_zone(cls, due: datetime | None) -> datetime | None:
        if due is not None and due.tzinfo is None:
            raise ValueError("needs a time zone, for instance 2027-01-15T23:59:00+01:00")
        return due


class Course(_Table):
    """A whole course.toml, and the folder it lies in."""

    course: Settings
    limits: LimitSettings = LimitSettings()
    lessons: tuple[Lesson, ...] = Field(min_length=1)
    root: Path

    @field_validator("lessons")
    @classmethod
    def _unique(cls, lessons: tuple[Lesson, ...]) -> tuple[Lesson, ...]:
        ids = [lesson.id for lesson in lessons]
        if len(set(ids)) < len(ids):
            raise ValueError(f"lesson ids repeat: {', '.join(sorted({i for i in ids if ids.count(i) > 1}))}")
        return lessons

    def lesson(self, lesson_id: str) -> Lesson:
        """The lesson with this id, or with this number: "02" for "02_positional_encoding".

        Raises:
            CourseError: there is none; the message lists those there are.
        """
        named = [one for one in self.lessons if one.id == lesson_id]
        numbered = [one for one in self.lessons if one.id.partition("_")[0] == lesson_id]
        for fitting in (named, numbered):
            if len(fitting) == 1:
                return fitting[0]
        known = ", ".join(lesson.id for lesson in self.lessons)
        raise CourseError(f"no lesson {lesson_id!r} in {FILE}; it lists {known}")

    def level(self, lesson_id: str) -> Level:
        """The lesson's own level, or the course's."""
        return self.lesson(lesson_id).level or self.course.level

    def at_level(self, level: Level | None) -> Course:
        """This course with every lesson at `level`; itself when that is None."""
        if level is None:
            return self
        lessons = tuple(one.model_copy(update={"level": level}) for one in self.lessons)
        return self.model_copy(update={"lessons": lessons})

    def source(self, lesson_id: str) -> Path:
        return self.root / "solutions" / lesson_id / f"{lesson_id}.py"

    def bank(self, lesson_id: str) -> Path:
        return self.root / "solutions" / lesson_id / "mistakes.py"

    def solution_notebook(self, lesson_id: str) -> Path:
        return self.root / "solutions" / lesson_id / f"{lesson_id}.ipynb"

    @property
    def start_page(self) -> Path:
        return self.root / "notebooks" / "start_here.ipynb"

    def student_notebook(self, lesson_id: str) -> Path:
        return self.root / "notebooks" / lesson_id / f"{lesson_id}.ipynb"

    def expectations(self, lesson_id: str) -> Path:
        return self.root / "helpers" / "checks" / "expected" / f"{lesson_id}.safetensors"


def sealed_answers_file(course: Course, lesson_id: str) -> Path:
    """The lesson's encrypted reference answers, which ship with the helpers."""
    return course.root / "helpers" / "checks" / "answers" / f"{lesson_id}.json"


def find_root(start: Path | None = None) -> Path:
    """The nearest folder, from `start` upwards, that holds a course.toml.

    Raises:
        CourseError: there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    raise CourseError(f"no {FILE} in {start} or above it: run this in the course's folder, or give --course DIR")


def load_course(root: Path | None = None) -> Course:
    """Read and validate course.toml.

    Raises:
        CourseError: no file, broken TOML, or a key that is missing, unknown or of a wrong value.
    """
    root = find_root() if root is None else Path(root).resolve()
    path = root / FILE
    try:
        return Course(root=root, **tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise CourseError(f"{path} is not there: a course needs one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} is not valid TOML: {error}") from None
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}, found {str(e['input'])[:60]!r}"
            for e in error.errors()
        ]
        raise CourseError(f"{path}:\n  " + "\n  ".join(problems)) from None
