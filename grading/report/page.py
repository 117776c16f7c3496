"""Writes the report page."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from statistics import mean, median

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from grading.course import Course, CourseError
from grading.engine.current import bring_up_to_date, has_gradebook
from grading.engine.journal import read_attempts, read_results
from grading.engine.not_graded_yet import behind_lines, not_graded_yet
from grading.engine.outcome import SubmissionOutcome
from grading.intake.record import Record
from grading.lms.class_list import absent_lines, by_lesson
from grading.lms.needs_person import Doubt, read_doubts, read_records
from grading.lms.roster import course_roster
from grading.report import tally
from grading.report.attempts import tally_attempts
from grading.report.chart import bar_chart, question_chart
from grading.report.compared import compare
from grading.report.leaderboard import leaderboards
from grading.similarity import Group, alike, answers_of
from grading.submission_id import SubmissionId

_HERE = Path(__file__).parent


def report_of(
    out: Path,
    course: Course,
    *,
    title: str,
    outcomes: Sequence[SubmissionOutcome] | None = None,
    anonymous: bool = False,
    db_url: str | None = None,
) -> Path:
    """Write the page of what was graded into `out`: ``report.html``, or ``report-anonymous.html`` without names.

    Args:
        outcomes: as they count now; by default all results that are kept there, as the gradebook has them.
        db_url: where the gradebook is, when it is not where `vitlab grade` had it.

    Raises:
        CourseError: nothing was graded there, or there is no gradebook.
    """
    if outcomes is None:
        outcomes = read_results(out)
        if not outcomes:
            raise CourseError(f"no results in {out}: run `vitlab grade --out {out}` first")
        if db_url is not None or has_gradebook(out):
            outcomes = bring_up_to_date(course, out, db_url)
    groups: list[Group] = []
    people = course_roster(course.root)
    if not anonymous:
        answers = answers_of(_one_of_each_group(outcomes, out), out, course)
        groups = alike(answers.texts, answers.given, answers.known)
    name = "report-anonymous.html" if anonymous else "report.html"
    return write_report(
        outcomes, out / name, title=title, course=course, attempts=read_attempts(out), groups=groups,
        anonymous=anonymous, collected=read_doubts(out, [lesson.id for lesson in course.lessons]),
        names=people.names if people is not None else None, behind=not_graded_yet(course, out),
        absent=absent_lines(course, people, by_lesson([(o.student, o.lesson) for o in outcomes])) if people else (),
    )  # fmt: skip


def _one_of_each_group(outcomes: Sequence[SubmissionOutcome], out: Path) -> list[SubmissionOutcome]:
    """Members of a group hand in the same file, which says nothing: of each group its one who handed in is left."""
    records = read_records(out / "submitted", sorted({o.lesson for o in outcomes}))
    noted = {(o.student, o.lesson): records[o.lesson].get(o.student, Record()) for o in outcomes}
    return [o for o in outcomes if noted[o.student, o.lesson].by in ("", o.student)]


def write_report(
    outcomes: Sequence[SubmissionOutcome],
    path: Path,
    *,
    title: str,
    course: Course | None = None,
    attempts: Mapping[tuple[str, str], Sequence[SubmissionOutcome]] | None = None,
    groups: Sequence[Group] = (),
    anonymous: bool = False,
    collected: Sequence[Doubt] = (),
    names: Mapping[str, str] | None = None,
    behind: Sequence[SubmissionId] = (),
    absent: Sequence[str] = (),
) -> Path:
    """Write one self-contained HTML page about a graded class.

    Args:
        path: the page; links to feedback pages are relative to its folder, so it belongs into the output folder.
        title: of the page, for instance the course's.
        course: gives the titles of lessons and their order.
        attempts: by student and lesson: the outcomes of all files that were handed in, oldest first.
        groups: students with near-identical answers.
        collected: what `vitlab collect` found that a person should look at.
        names: students' names by id, as the roster has them.
        absent: who of the class handed in nothing, who is excused and who is not on the roster, in sentences.
        behind: whose newer file was collected and not graded yet.
        anonymous: a page to show in class: no names, no links, and nothing that is about one student.
    """
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "sha256": _sha256, "person": partial(_named, names or {}), "number": tally.number,
        "chart": question_chart, "bars": bar_chart, "code": _with_code,
    }  # fmt: skip
    style, script = (Markup((_HERE / name).read_text("utf-8")) for name in ("report.css", "report.js"))
    html = environment.get_template("report.html.j2").render(
        title=title, style=style, script=script, states=tally.STATES, written=datetime.now().astimezone(),
        named=not anonymous, groups=groups, collected=collected, behind=behind_lines(behind),
        absent=absent,
        attempts=tally_attempts(attempts or {}),
        **_content(outcomes, course),
    )  # fmt: skip
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, "utf-8", errors="replace", newline="\n")
    return path


def _with_code(text: str) -> Markup:
    """What stands between backticks as code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(p) if n % 2 else escape(p) for n, p in enumerate(parts))


def _named(names: Mapping[str, str], student: str) -> str:
    name = names.get(student, student)
    return student if name == student else f"{name} ({student})"


def _content(outcomes: Sequence[SubmissionOutcome], course: Course | None) -> dict[str, object]:
    outcomes = sorted(outcomes, key=lambda o: (o.lesson, o.student.casefold()))
    shares = [s for o in outcomes if (s := tally.share_of(o)) is not None]
    order = _in_order({o.lesson for o in outcomes}, course)
    by_lesson: dict[str, list[SubmissionOutcome]] = {lesson: [] for lesson in order}
    for outcome in outcomes:
        by_lesson[outcome.lesson].append(outcome)
    lessons = [tally.tally_lesson(lesson, _title(lesson, course), own) for lesson, own in by_lesson.items()]
    return {
        "lessons": lessons,
        "compared": compare(outcomes, order),
        "overview": tally.overview(outcomes, order) if len(lessons) > 1 else [],
        "students": len({o.student for o in outcomes}),
        "submissions": len(outcomes),
        "mean": mean(shares) if shares else None,
        "median": median(shares) if shares else None,
        "full": sum((tally.share_of(o) or 0.0) >= 1 and not o.max_waiting for o in outcomes),
        "stopped": tally.stopped(outcomes),
        "suspicious": tally.suspicious(outcomes),
        "repaired": tally.repaired(outcomes),
        "waiting": tally.waiting(outcomes),
        "requests": tally.requests(outcomes),
        "by_hand": any(q.by_hand for o in outcomes for q in o.questions),
        "waiting_count": sum(tally.needs_reading(q) for o in outcomes for q in o.questions),
        "look": {
            "stopped": sum(o.status != "graded" for o in outcomes),
            "to look at twice": sum(bool(o.suspicious) for o in outcomes),
            "repaired": sum(bool(o.notes) for o in outcomes),
        },
        "known": tally.hints(outcomes, known=True),
        "unknown": tally.hints(outcomes, known=False),
        "boards": leaderboards(outcomes),
        "stages": tally.stages(outcomes),
        "work": tally.work(outcomes),
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
