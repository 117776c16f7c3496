"""`progress()`: the course as a map, with what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helpers.checks import expectations
from helpers.portfolio import progress_store
from helpers.portfolio.folder import folder
from helpers.portfolio.lessons import lessons
from helpers.questions import every_question
from helpers.theme import RIM, STATES, readable

if TYPE_CHECKING:
    from jinja2 import Template

_DONE, _BEGUN, _OPEN = "done", "begun", "open"
_SIGNS = {_DONE: "✓", _BEGUN: "◐", _OPEN: "○"}
_OPTIONAL, _BLANK_PAGE = "optional", "blank page"
_LEFT = "text-align:left;padding:4px 18px 4px 0;vertical-align:top"


@dataclass(frozen=True)
class Step:
    """One question: its state, the best score so far, and its kind: "", "blank page" or "optional"."""

    question: str
    title: str
    points: float
    score: float
    tries: int
    kind: str = ""

    @property
    def state(self) -> str:
        """Done with full points, begun once a check has seen an answer, else open."""
        return _OPEN if not self.tries else _DONE if self.score >= self.points else _BEGUN

    @property
    def label(self) -> str:
        """The question and its state in words, for readers who don't see the sign."""
        words = {_DONE: "done", _BEGUN: f"begun: {self.score:g} of {self.points:g} points", _OPEN: "not begun"}
        kind = f" ({self.kind})" if self.kind else ""
        return f"{self.question}, {self.title}{kind}: {words[self.state]}"

    @property
    def mark(self) -> str:
        """What stands behind the question's number: "", " (blank page)" or " (optional)"."""
        return f" ({self.kind})" if self.kind else ""


@dataclass(frozen=True)
class LessonProgress:
    """One lesson: its questions in order, and a link to its notebook from where the map is shown."""

    id: str
    title: str
    minutes: int
    steps: tuple[Step, ...]
    link: str = ""  # to its notebook, from where the map is shown; "" where there is none

    @property
    def done(self) -> int:
        """Questions that are done; optional ones are shown, and not counted."""
        return sum(step.state == _DONE for step in self.counted)

    @property
    def counted(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.kind != _OPTIONAL)

    @property
    def share(self) -> float:
        """The same as a share of all, between 0 and 1; 0 for a lesson without questions."""
        return self.done / len(self.counted) if self.counted else 0.0


@dataclass(frozen=True)
class Progress:
    """The whole course. Shows itself as a map; `print` gives it as text."""

    lessons: tuple[LessonProgress, ...]
    kept_in: str

    @property
    def done(self) -> int:
        return sum(lesson.done for lesson in self.lessons)

    @property
    def questions(self) -> int:
        return sum(len(lesson.counted) for lesson in self.lessons)

    @property
    def next(self) -> tuple[LessonProgress, Step] | None:
        """The first question that is not done."""
        return next(((one, s) for one in self.lessons for s in one.counted if s.state != _DONE), None)

    def __repr__(self) -> str:
        lines = [self._headline()]
        for lesson in self.lessons:
            steps = "  ".join(f"{_SIGNS[s.state]} {s.question}{s.mark}" for s in lesson.steps) or "to read"
            lines.append(f"{lesson.id[:2]} {lesson.title:<28} {lesson.minutes:>3} min   {steps}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return _template().render(
            headline=self._headline(), lessons=self.lessons, kept_in=self.kept_in, signs=_SIGNS, colours=STATES, rim=RIM
        )

    def _headline(self) -> str:
        if self.next is None:
            return f"All {self.questions} questions done."
        lesson, step = self.next
        where = f"{step.question}, {step.title} (lesson {lesson.id[:2]})"
        return f"{self.done} of {self.questions} questions done. Next: {where}."


@lru_cache(maxsize=1)
def _template() -> Template:
    """The map's HTML; Jinja is imported when a map is first shown, since most cells show none."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    environment.filters["readable"] = readable
    return environment.get_template("course_map.html.j2")


def progress() -> Progress:
    """The course map: each lesson with its questions, and which of their checks have passed in any notebook so far."""
    work_folder = folder()
    built = [_only_built(entry) for entry in lessons()]
    shown = str(work_folder) if work_folder is not None else "no folder: keeping is switched off"
    return Progress(course_map(built, progress_store.read(work_folder), Path.cwd()), shown)


def course_map(
    entries: Sequence[Mapping[str, Any]], seen: Mapping[str, progress_store.Entry], at: Path
) -> tuple[LessonProgress, ...]:
    """The lessons with what is done; `at` is the folder in which the map is shown, from which its links lead."""
    titles, points = every_question(), expectations.every_question()
    found = []
    for entry in entries:
        kinds = dict.fromkeys(entry.get("stretch", ()), _OPTIONAL)
        kinds |= dict.fromkeys(entry.get("blank_pages", ()), _BLANK_PAGE)
        steps = tuple(
            Step(
                question,
                titles[question].title if question in titles else question,
                points[question].points if question in points else 0.0,
                seen[question].score if question in seen else 0.0,
                seen[question].tries if question in seen else 0,
                kinds.get(question, ""),
            )
            for question in entry["questions"]
        )
        found.append(LessonProgress(entry["id"], entry["title"], entry["minutes"], steps, _link(entry["id"], at)))
    return tuple(found)


def _only_built(entry: Mapping[str, Any]) -> dict[str, Any]:
    built = expectations.every_question()
    return {**entry, "questions": [question for question in entry["questions"] if question in built]}


def _link(lesson: str, at: Path) -> str:
    for way in ("", "../", "notebooks/"):
        if (at / way / lesson / f"{lesson}.ipynb").is_file():
            return f"{way}{lesson}/{lesson}.ipynb"
    for way in ("", "../", "notebooks/"):  # an assignment whose notebooks have names of their own
        for path in sorted((at / way / lesson).glob("*.ipynb")):
            return f"{way}{lesson}/{path.name}"
    return ""
