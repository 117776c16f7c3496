"""Writes the report page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import mean, median

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from grading.course import Course, CourseError
from grading.engine.outcome import SubmissionOutcome
from grading.report import tally
from grading.report.chart import question_chart

_HERE = Path(__file__).parent


def write_report(
    outcomes: Sequence[SubmissionOutcome], path: Path, *, title: str, course: Course | None = None
) -> Path:
    """Write one self-contained HTML page about a graded class.

    Args:
        path: the page; links to feedback pages are relative to its folder, so it belongs into the output folder.
        title: of the page, for instance the course's.
        course: gives the titles of lessons and their order.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"sha256": _sha256, "number": tally.number, "chart": question_chart}
    style = Markup((_HERE / "report.css").read_text("utf-8"))
    html = environment.get_template("report.html.j2").render(
        title=title, style=style, states=tally.STATES, written=datetime.now().astimezone(), **_content(outcomes, course)
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, "utf-8", errors="replace", newline="\n")
    return path


def _content(outcomes: Sequence[SubmissionOutcome], course: Course | None) -> dict[str, object]:
    outcomes = sorted(outcomes, key=lambda o: (o.lesson, o.student.casefold()))
    shares = [s for o in outcomes if (s := tally.share_of(o)) is not None]
    lessons = [
        tally.tally_lesson(lesson, _title(lesson, course), [o for o in outcomes if o.lesson == lesson])
        for lesson in _in_order({o.lesson for o in outcomes}, course)
    ]
    return {
        "lessons": lessons,
        "students": len({o.student for o in outcomes}),
        "submissions": len(outcomes),
        "mean": mean(shares) if shares else None,
        "median": median(shares) if shares else None,
        "full": sum(s >= 1 for s in shares),
        "stopped": tally.stopped(outcomes),
        "suspicious": tally.suspicious(outcomes),
        "repaired": tally.repaired(outcomes),
        "waiting": tally.waiting(outcomes),
        "waiting_count": sum(q.score is None for o in outcomes for q in o.questions),
        "look": {
            "stopped": sum(o.status != "graded" for o in outcomes),
            "to look at twice": sum(bool(o.suspicious) for o in outcomes),
            "repaired": sum(bool(o.notes) for o in outcomes),
        },
        "known": tally.hints(outcomes, known=True),
        "unknown": tally.hints(outcomes, known=False),
        "stages": tally.stages(outcomes),
    }


def _title(lesson: str, course: Course | None) -> str:
    try:
        return course.lesson(lesson).title if course is not None else ""
    except CourseError:
        return ""


def _in_order(lessons: set[str], course: Course | None) -> list[str]:
    known = [lesson.id for lesson in course.lessons] if course is not None else []
    return [lesson for lesson in known if lesson in lessons] + sorted(lessons - set(known))


def _sha256(text: str) -> str:
    """A Content-Security-Policy source for an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(str(text).encode()).digest()).decode()}"
