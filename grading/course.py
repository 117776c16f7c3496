"""The one reader of course.toml. Every error names the key, what was found and what was expected."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from grading.sandbox.limits import Limits
from helpers import course_folder

FILE = "course.toml"
PLACEHOLDER = "vit-lab/vit-lab"  # `repository` of a course whose author has not set one
TEMPLATE = Path(__file__).resolve().parent / "course_template"  # filled when a wheel is built; see setup.py


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

    id: str = Field(
        pattern=r"^[A-Za-z0-9_.-]+$",
        examples=["vision-2027"],
        description="short name, used for the gradebook and as the folder in the students' zip",
    )
    title: str = Field(examples=["Vision, spring 2027"], description="as students see it")
    repository: str = Field(
        pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$",
        examples=["my-name/my-course"],
        description="owner/name on GitHub: Colab opens the notebooks and installs the helpers from there",
    )
    ref: str = Field(
        pattern=r"^[A-Za-z0-9_./-]+$",
        examples=["v0.1.0"],
        description="tag, branch or commit of that repository which Colab uses",
    )
    level: Level = Field(default=Level.guided, examples=[Level.standard], description="how much of an answer is blank")
    blank_pages: Worth = Field(
        default=Worth.points, examples=[Worth.bonus], description="what questions on a blank page count for"
    )
    stretch: Worth = Field(default=Worth.none, examples=[Worth.bonus], description="what optional questions count for")
    model_answers: bool = Field(
        default=True,
        description="whether feedback pages show rubric, model answer and half-right sample of written questions; "
        "false where the same question is used again",
    )

    def worth(self, kind: str) -> Worth:
        """What a question of this kind ("", "blank-page" or "stretch") counts for."""
        return {"blank-page": self.blank_pages, "stretch": self.stretch}.get(kind, Worth.points)


class LimitSettings(_Table):
    """The [limits] table: of one submission in the sandbox; seconds, MiB, counts.

    What each limit means and its default stand in `grading.sandbox.limits.Limits`, which the sandbox is given.
    """

    cell_seconds: float = Field(default=Limits.cell_seconds, gt=0, description="seconds that one cell may run")
    total_seconds: float = Field(
        default=Limits.total_seconds, gt=0, description="seconds that all cells of a submission may run"
    )
    memory_mb: int = Field(
        default=Limits.memory_mb, ge=512, description="memory in MiB of all processes of a submission"
    )
    processes: int = Field(default=Limits.processes, ge=16, description="processes and threads at one time")
    open_files: int = Field(default=Limits.open_files, ge=64, description="open files of one process")
    disk_mb: int = Field(default=Limits.disk_mb, ge=1, description="MiB that a submission may write to files")
    output_mb: int = Field(default=Limits.output_mb, ge=1, description="MiB of output of one submission")
    answer_mb: int = Field(default=8, ge=1, description="MiB of the recorded answer to one question")

    def of_sandbox(self, gpu_share: float | None = None) -> Limits:
        """The limits of one run; `gpu_share` is the share of each GPU's memory that it may use."""
        return Limits(**self.model_dump(exclude={"answer_mb"}), gpu_share=gpu_share)


class Lesson(_Table):
    """One [[lessons]] entry. `due` has a time zone; `late_penalty_per_day` is a share of the score."""

    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
        examples=["01_patches"],
        description="the name of its folder in solutions/",
    )
    title: str = Field(examples=["Patches"], description="as students see it")
    minutes: int = Field(gt=0, examples=[45], description="how long it takes to work through")
    due: datetime | None = Field(
        default=None,
        examples=[datetime.fromisoformat("2027-01-15T23:59:00+01:00")],
        description="when it is to be handed in, with a time zone; without it nothing is late",
    )
    late_penalty_per_day: float = Field(
        default=0.0, ge=0, le=1, examples=[0.1], description="share of the score taken off for each day begun after due"
    )
    level: Level | None = Field(
        default=None, examples=[Level.open], description="this lesson's own level; without it the course's"
    )

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

    @property
    def holds_helpers(self) -> bool:
        """Whether this is the engine's repository, with the package `helpers` in it; a course of data has none."""
        return (self.root / "helpers" / "checks" / "__init__.py").is_file()

    @property
    def data_folder(self) -> Path | None:
        """The folder with the course's own `expected/` and `questions/`; None where `helpers` holds both."""
        return None if self.holds_helpers or self.root == TEMPLATE else self.root

    def activate(self) -> None:
        """Have the checks and questions of this process be those of this course."""
        course_folder.use(self.data_folder)

    @property
    def helpers(self) -> Path:
        """The folder of the package `helpers`: the repository's own, else the installed one."""
        return self.root / "helpers" if self.holds_helpers else course_folder.PACKAGE

    @property
    def questions(self) -> Path:
        """Where question modules of this course lie or would lie; it need not exist."""
        return self.root / "questions" if self.data_folder else self.helpers / "questions"

    @property
    def expected(self) -> Path:
        """The folder of the lessons' expected arrays."""
        return self.root / "expected" if self.data_folder else self.helpers / "checks" / "expected"

    def expectations(self, lesson_id: str) -> Path:
        """The expected arrays of a lesson on the cases that students see."""
        return self.expected / f"{lesson_id}.safetensors"

    def sealed_answers(self, lesson_id: str) -> Path:
        """The lesson's encrypted reference answers, which ship beside the expected arrays."""
        return self.expected / f"{lesson_id}.answers.json"

    @property
    def lessons_file(self) -> Path:
        """The list of lessons for the students' side, written by `vitlab build`."""
        return self.root / course_folder.LESSONS if self.data_folder else self.helpers / "portfolio" / "lessons.toml"

    @property
    def solutions(self) -> Path:
        """The folder with one folder for each lesson's source, mistakes and solution notebook."""
        return self.root / "solutions"

    def source(self, lesson_id: str) -> Path:
        return self.solutions / lesson_id / f"{lesson_id}.py"

    def bank(self, lesson_id: str) -> Path:
        return self.solutions / lesson_id / "mistakes.py"

    def solution_notebook(self, lesson_id: str) -> Path:
        return self.solutions / lesson_id / f"{lesson_id}.ipynb"

    @property
    def notebooks(self) -> Path:
        """The folder of what students get, one folder for each lesson."""
        return self.root / "notebooks"

    @property
    def start_page(self) -> Path:
        return self.notebooks / "start_here.ipynb"

    def student_notebook(self, lesson_id: str) -> Path:
        return self.notebooks / lesson_id / f"{lesson_id}.ipynb"


def find_root(start: Path | None = None) -> Path:
    """The nearest folder, from `start` upwards, that holds a course.toml.

    Raises:
        CourseError: there is none.
    """
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return folder
    raise CourseError(
        f"no {FILE} in {start} or above it: run this in a course's folder, give --course DIR, or make a course with "
        '`vitlab init FOLDER --title "…"`'
    )


def load_course(root: Path | None = None) -> Course:
    """Read and validate course.toml, and have this process use the course's own questions and expected arrays.

    Raises:
        CourseError: no file, broken TOML, or a key that is missing, unknown or of a wrong value.
    """
    root = find_root() if root is None else Path(root).resolve()
    path = root / FILE
    try:
        course = Course(root=root, **tomllib.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise CourseError(f"{path} is not there: a course needs one") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CourseError(f"{path} is not valid TOML: {error}") from None
    except ValidationError as error:
        raise CourseError(f"{path}:\n  " + "\n  ".join(map(_problem, error.errors()))) from None
    course.activate()
    return course


def _problem(error: Mapping[str, Any]) -> str:
    """One validation error as a line: the key, what is wrong, what was found; for an unknown key, the known ones."""
    place = [str(part) for part in error["loc"]]
    key = ".".join(place)
    if error["type"] != "extra_forbidden":
        return f"{key}: {error['msg']}, found {str(error['input'])[:60]!r}"
    known = [name for name in _TABLES[place[0] if len(place) > 1 else ""].model_fields if name != "root"]
    return f"{key}: there is no such key; the keys there are {', '.join(known)}"


_TABLES: dict[str, type[BaseModel]] = {"": Course, "course": Settings, "limits": LimitSettings, "lessons": Lesson}
