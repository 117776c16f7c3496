"""`progress()`: the course as a map, with what is done."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from helpers.checks import expectations
from helpers.portfolio import record
from helpers.portfolio.folder import folder
from helpers.questions import every_question

_LESSONS = Path(__file__).parent / "lessons.toml"  # written by `vitlab build`
_DONE, _BEGUN, _OPEN = "done", "begun", "open"
_SIGNS = {_DONE: "✓", _BEGUN: "◐", _OPEN: "○"}
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
        return (
            f'<div style="font-size:13px"><p style="margin:0 0 6px">{escape(self._headline())}</p>'
            f'<table role="list" style="border-collapse:collapse">{rows}</table>'
            f'<p style="margin:6px 0 0;opacity:.7">Kept in {escape(self.place)}.</p></div>'
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
        steps = " ".join(_badge(step) for step in lesson.steps) or '<span style="opacity:.7">to read</span>'
        cell = '<td style="text-align:left;padding:3px 14px 3px 0;white-space:nowrap">'
        link = f'<a href="../{lesson.id}/{lesson.id}.ipynb">{lesson.id[:2]} · {escape(lesson.title)}</a>'
        return (
            f"<tr>{cell}{link}</td>{cell}{lesson.minutes} min</td>{cell}{bar} {lesson.done}/{len(lesson.steps)}</td>"
            f'<td style="text-align:left;padding:3px 0">{steps}</td></tr>'
        )


def lessons() -> list[dict[str, Any]]:
    """The course's lessons in order: id, title, minutes, questions."""
    return tomllib.loads(_LESSONS.read_text("utf-8"))["lessons"]


def progress() -> Progress:
    """The course map: each lesson with its questions, and which of their checks have passed in any notebook so far."""
    place = folder()
    seen = record.read(place)
    titles = every_question()
    found = []
    for entry in lessons():
        path = expectations.FOLDER / f"{entry['id']}.safetensors"
        steps = []
        built = expectations.read(path) if path.is_file() else {}
        for question in (one for one in entry["questions"] if one in built):
            known, expected = seen.get(question), built[question]
            steps.append(
                Step(
                    question, titles[question].title, expected.points,
                    known.score if known else 0.0, known.tries if known else 0,
                )
            )  # fmt: skip
        found.append(LessonProgress(entry["id"], entry["title"], entry["minutes"], tuple(steps)))
    return Progress(tuple(found), str(place) if place is not None else "no folder: keeping is switched off")


def _badge(step: Step) -> str:
    words = {_DONE: "done", _BEGUN: f"begun: {step.score:g} of {step.points:g} points", _OPEN: "not begun"}
    label = f"{step.question}, {step.title}: {words[step.state]}"
    return (
        f'<span title="{escape(label)}" aria-label="{escape(label)}" style="white-space:nowrap;margin-right:8px;'
        f'color:{_COLOURS[step.state]}">{_SIGNS[step.state]} {step.question}</span>'
    )
