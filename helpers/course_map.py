"""`progress()`: the course as a map, with what is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from helpers.checks import expectations
from helpers.portfolio import progress_store as record
from helpers.portfolio.folder import folder
from helpers.portfolio.lessons import lessons
from helpers.questions import every_question
from helpers.theme import readable

_DONE, _BEGUN, _OPEN = "done", "begun", "open"
_SIGNS = {_DONE: "✓", _BEGUN: "◐", _OPEN: "○"}
_LEFT = "text-align:left;padding:4px 18px 4px 0;vertical-align:top"
_COLOURS = {_DONE: "#1a7f37", _BEGUN: "#9a6700", _OPEN: "#6e7781"}


@dataclass(frozen=True)
class Step:
    """One question: its state, and the best score so far."""

    question: str
    title: str
    points: float
    score: float
    tries: int

    @property
    def state(self) -> str:
        return _OPEN if not self.tries else _DONE if self.score >= self.points else _BEGUN


@dataclass(frozen=True)
class LessonProgress:
    id: str
    title: str
    minutes: int
    steps: tuple[Step, ...]
    link: str = ""  # to its notebook, from where the map is shown; "" where there is none

    @property
    def done(self) -> int:
        return sum(step.state == _DONE for step in self.steps)


@dataclass(frozen=True)
class Progress:
    """The whole course. Shows itself as a map; `print` gives it as text."""

    lessons: tuple[LessonProgress, ...]
    place: str

    @property
    def done(self) -> int:
        return sum(lesson.done for lesson in self.lessons)

    @property
    def questions(self) -> int:
        return sum(len(lesson.steps) for lesson in self.lessons)

    @property
    def next(self) -> tuple[LessonProgress, Step] | None:
        """The first question that is not done."""
        return next(((one, s) for one in self.lessons for s in one.steps if s.state != _DONE), None)

    def __repr__(self) -> str:
        lines = [self._headline()]
        for lesson in self.lessons:
            steps = "  ".join(f"{_SIGNS[s.state]} {s.question}" for s in lesson.steps) or "to read"
            lines.append(f"{lesson.id[:2]} {lesson.title:<28} {lesson.minutes:>3} min   {steps}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(self._row(lesson) for lesson in self.lessons)
        kept = f'<p style="margin:8px 0 0;opacity:.75">Kept in {escape(self.place)}.</p>' if self.place else ""
        head = "".join(f'<th scope="col" style="{_LEFT}">{name}</th>' for name in ("Lesson", "Time", "Done", "Checks"))
        return (
            f'<div style="font-size:13px"><p style="margin:0 0 8px">{escape(self._headline())}</p>'
            f'<table style="border-collapse:collapse"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
            f"{kept}</div>"
        )

    def _headline(self) -> str:
        if self.next is None:
            return f"All {self.questions} questions done."
        lesson, step = self.next
        where = f"{step.question}, {step.title} (lesson {lesson.id[:2]})"
        return f"{self.done} of {self.questions} questions done. Next: {where}."

    def _row(self, lesson: LessonProgress) -> str:
        share = lesson.done / len(lesson.steps) if lesson.steps else 0.0
        bar = (
            '<span style="display:inline-block;width:80px;height:7px;border-radius:4px;background:#8c959f55">'
            f'<span style="display:block;height:7px;border-radius:4px;width:{share:.0%};background:{_COLOURS[_DONE]}">'
            "</span></span>"
        )
        steps = " ".join(_badge(step) for step in lesson.steps) or '<span style="opacity:.75">to read</span>'
        name = f"{lesson.id[:2]} · {escape(lesson.title)}"
        if lesson.link:
            name = f'<a href="{escape(lesson.link)}">{name}</a>'
        return (
            f'<tr><td style="{_LEFT};white-space:nowrap">{name}</td>'
            f'<td style="{_LEFT};white-space:nowrap">{lesson.minutes} min</td>'
            f'<td style="{_LEFT};white-space:nowrap">{bar} {lesson.done}/{len(lesson.steps)}</td>'
            f'<td style="{_LEFT}">{steps}</td></tr>'
        )


def progress() -> Progress:
    """The course map: each lesson with its questions, and which of their checks have passed in any notebook so far."""
    place = folder()
    built = [_only_built(entry) for entry in lessons()]
    shown = str(place) if place is not None else "no folder: keeping is switched off"
    return Progress(course_map(built, record.read(place), Path.cwd()), shown)


def course_map(
    entries: Sequence[Mapping[str, Any]], seen: Mapping[str, record.Entry], at: Path
) -> tuple[LessonProgress, ...]:
    """The lessons with what is done; `at` is the folder in which the map is shown, from which its links lead."""
    titles, points = every_question(), expectations.every_question()
    found = []
    for entry in entries:
        steps = tuple(
            Step(
                question, titles[question].title if question in titles else question,
                points[question].points if question in points else 0.0,
                seen[question].score if question in seen else 0.0, seen[question].tries if question in seen else 0,
            )
            for question in entry["questions"]
        )  # fmt: skip
        found.append(LessonProgress(entry["id"], entry["title"], entry["minutes"], steps, _link(entry["id"], at)))
    return tuple(found)


def _only_built(entry: Mapping[str, Any]) -> dict[str, Any]:
    built = expectations.every_question()
    return {**entry, "questions": [question for question in entry["questions"] if question in built]}


def _link(lesson: str, at: Path) -> str:
    for way in ("", "../", "notebooks/"):
        if (at / way / lesson / f"{lesson}.ipynb").is_file():
            return f"{way}{lesson}/{lesson}.ipynb"
    return ""


def _badge(step: Step) -> str:
    words = {_DONE: "done", _BEGUN: f"begun: {step.score:g} of {step.points:g} points", _OPEN: "not begun"}
    label = f"{step.question}, {step.title}: {words[step.state]}"
    return (
        f'<span title="{escape(label)}" aria-label="{escape(label)}" style="white-space:nowrap;margin-right:8px;'
        f'color:{readable(_COLOURS[step.state])}">{_SIGNS[step.state]} {step.question}</span>'
    )
