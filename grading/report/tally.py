"""What a class's outcomes add up to, as the report page shows it. Pure: outcomes in, plain data out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean, median
from urllib.parse import quote

from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.engine.summary import above, number
from grading.nbgrader_plugin.regrade_requests import RegradeRequest
from grading.report.page_data import (
    AGAIN,
    CORRECT,
    FIRST,
    NO_ANSWER,
    NOT_STARTED,
    PARTIAL,
    STAGES,
    STATES,
    WAITING,
    WRONG,
    Chip,
    Group,
    LessonTally,
    Overview,
    QuestionTally,
    Row,
    Stage,
    Stuck,
    Suspect,
    Who,
)


def state_of(q: QuestionOutcome) -> str:
    """One of STATES. What a person graded counts by its score."""
    if q.score is None:
        return WAITING
    if q.status in (NOT_STARTED, NO_ANSWER):
        return q.status
    if q.status == "correct" or q.score >= q.max > 0:
        return CORRECT
    return PARTIAL if q.score > 0 else WRONG


def share_of(outcome: SubmissionOutcome) -> float | None:
    """Score, late penalty taken off, over points of the questions that are graded already.

    None when there is none, and for an excused student.
    """
    worth = outcome.max - outcome.max_waiting
    return outcome.score / worth if worth and not outcome.excused else None


def who_of(outcome: SubmissionOutcome, detail: str = "") -> Who:
    """A student with the link to their page: quoted, so that no name can be anything but a relative path."""
    return Who(outcome.student, quote(outcome.feedback, errors="replace"), outcome.lesson, detail)


def tally_lesson(lesson: str, title: str, outcomes: Sequence[SubmissionOutcome]) -> LessonTally:
    """Everything shown about one lesson; questions come in the order of the first student who has them."""
    order: dict[str, QuestionOutcome] = {}
    for outcome in outcomes:
        for q in outcome.questions:
            order.setdefault(q.question, q)
    questions = tuple(_question(first, outcomes) for first in order.values())
    rows = tuple(_row(outcome, list(order)) for outcome in sorted(outcomes, key=lambda o: o.student.casefold()))
    ran = [o for o in outcomes if o.status not in ("unreadable", "failed") and o.questions]
    stuck = tuple(s for first in order.values() if (s := _stuck(first, ran)).count)
    return LessonTally(lesson, title, questions, rows, stuck, sum(_open_question(o) is None for o in ran))


def _question(first: QuestionOutcome, outcomes: Iterable[SubmissionOutcome]) -> QuestionTally:
    mine = [q for o in outcomes for q in o.questions if q.question == first.question]
    states = [state_of(q) for q in mine]
    shares = [q.score / q.max for q in mine if q.score is not None and q.max]
    share = mean(shares) if shares and WAITING not in states else None
    counts = {state: states.count(state) for state in STATES}
    return QuestionTally(first.question, first.title, first.max, counts, share, first.counted_max)


def _row(outcome: SubmissionOutcome, order: Sequence[str]) -> Row:
    by_id = {q.question: q for q in outcome.questions}
    flags = [] if outcome.status == "graded" else [outcome.status.replace("_", " ")]
    flags += ["look twice"] if outcome.suspicious else []
    flags += ["repaired"] if outcome.notes else []
    flags += [f"late −{number(outcome.penalty)}"] if outcome.penalty else []
    flags += above(outcome)
    flags += ["excused"] if outcome.excused else []
    flags += ["new answer"] if any(_replaced(q) for q in outcome.questions) else []
    chips = tuple(_chip(by_id.get(question)) for question in order)
    score = "" if outcome.excused else number(outcome.score)
    return Row(who_of(outcome), chips, score, share_of(outcome), tuple(flags))


def _chip(q: QuestionOutcome | None) -> Chip:
    if q is None:
        return Chip("", "")
    state = state_of(q)
    text = {NOT_STARTED: "–", NO_ANSWER: "✗", WAITING: "…"}.get(state) or number(q.score or 0.0)
    if not q.by_hand:
        return Chip(state, text)
    return Chip(state, f"{text}*", f"given by {q.author or 'a person'} {q.given_at[:16].replace('T', ' ')}".strip())


def _open_question(outcome: SubmissionOutcome) -> QuestionOutcome | None:
    """The first question that is not solved; optional ones and written ones that wait are no obstacle."""
    asked = (q for q in outcome.questions if q.worth == "points")
    return next((q for q in asked if state_of(q) not in (CORRECT, WAITING)), None)


def _stuck(first: QuestionOutcome, outcomes: Iterable[SubmissionOutcome]) -> Stuck:
    tried, blank = [], []
    for outcome in outcomes:
        q = _open_question(outcome)
        if q is not None and q.question == first.question:
            if state_of(q) == NOT_STARTED:
                blank.append(who_of(outcome))
            else:
                tried.append(who_of(outcome, f"{number(q.score or 0.0)}/{number(q.max)}"))
    return Stuck(first.question, first.title, tuple(tried), tuple(blank))


def hints(outcomes: Iterable[SubmissionOutcome], *, known: bool) -> list[Group]:
    """What students were told, most frequent first: about known mistakes, or about what no known mistake matched."""
    pairs = (
        ((o.lesson, q.question, q.hint), who_of(o))
        for o in outcomes
        for q in o.questions
        if q.hint and q.known_mistake is known and _is_hint(o, q)
    )
    return _grouped(pairs)


def _is_hint(outcome: SubmissionOutcome, q: QuestionOutcome) -> bool:
    """No answer counts where the submission ran to its end (a syntax error, say); else the reason has its own place."""
    state = state_of(q)
    return state in (PARTIAL, WRONG) or (state == NO_ANSWER and outcome.status == "graded")


def stopped(outcomes: Iterable[SubmissionOutcome]) -> list[Group]:
    """Submissions that did not run to their end, by status and reason."""
    pairs = ((("", o.status.replace("_", " "), o.reason), who_of(o)) for o in outcomes if o.status != "graded")
    return _grouped(pairs)


def suspicious(outcomes: Iterable[SubmissionOutcome]) -> list[Suspect]:
    """Whom to look at twice, most reasons first."""
    found = [Suspect(who_of(o), tuple(dict.fromkeys(o.suspicious))) for o in outcomes if o.suspicious]
    return sorted(found, key=lambda s: (-len(s.reasons), s.who.name.casefold(), s.who.lesson))


def repaired(outcomes: Iterable[SubmissionOutcome]) -> list[Group]:
    """What intake repaired or could not place."""
    return _grouped((("", "", note), who_of(o)) for o in outcomes for note in dict.fromkeys(o.notes))


def waiting(outcomes: Iterable[SubmissionOutcome]) -> list[Group]:
    """Answers that a person is to read, by question; those that replaced an answer scored by hand apart."""
    return _grouped(
        ((o.lesson, q.question, (AGAIN if _replaced(q) else FIRST).format(number(q.max))), who_of(o, _before(q)))
        for o in outcomes
        for q in o.questions
        if needs_reading(q)
    )


def _replaced(q: QuestionOutcome) -> bool:
    return q.read_again or q.earlier is not None


def _before(q: QuestionOutcome) -> str:
    return "" if q.earlier is None else f"{number(q.earlier)} before"


def requests(outcomes: Iterable[SubmissionOutcome]) -> list[tuple[Who, RegradeRequest]]:
    """Requests to look again, the open ones first, then the latest."""
    found = [(who_of(o), one) for o in outcomes for one in o.requests]
    return sorted(found, key=lambda pair: (not pair[1].open, -pair[1].number))


def needs_reading(q: QuestionOutcome) -> bool:
    """Whether a person is to read the answer."""
    return q.score is None or q.read_again


def _grouped(pairs: Iterable[tuple[tuple[str, str, str], Who]]) -> list[Group]:
    groups: dict[tuple[str, str, str], list[Who]] = {}
    for key, who in pairs:
        groups.setdefault(key, []).append(who)
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Group(*key, tuple(who)) for key, who in ordered]


def overview(outcomes: Sequence[SubmissionOutcome], lessons: Sequence[str]) -> list[Overview]:
    """Every student's share of every lesson, by name."""
    by_student: dict[str, dict[str, SubmissionOutcome]] = {}
    for outcome in outcomes:
        by_student.setdefault(outcome.student, {})[outcome.lesson] = outcome
    rows = []
    for student in sorted(by_student, key=str.casefold):
        own = by_student[student]
        shares = tuple(share_of(own[lesson]) if lesson in own else None for lesson in lessons)
        known = [share for share in shares if share is not None]
        score = sum(o.score for o in own.values() if not o.excused)
        rows.append(Overview(student, shares, score, mean(known) if known else None))
    return rows


def stages(outcomes: Sequence[SubmissionOutcome]) -> list[Stage]:
    """Stages of grading in their order; a stage we have no words for keeps its name."""
    names = dict.fromkeys([*STAGES, *(name for o in outcomes for name in o.seconds)])
    found = (
        _stage(STAGES.get(name, name), [(o.seconds[name], o) for o in outcomes if name in o.seconds]) for name in names
    )
    return [stage for stage in found if stage is not None]


def work(outcomes: Sequence[SubmissionOutcome]) -> Stage | None:
    """All stages together, without standing in line."""
    timed = [(sum(s for name, s in o.seconds.items() if name != "queue"), o) for o in outcomes if o.seconds]
    return _stage("all but the line", timed)


def _stage(name: str, timed: Sequence[tuple[float, SubmissionOutcome]]) -> Stage | None:
    if not timed:
        return None
    seconds = [s for s, _ in timed]
    longest, whose = max(timed, key=lambda pair: pair[0])
    return Stage(name, median(seconds), longest, who_of(whose), sum(seconds))
