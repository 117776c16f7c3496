"""From arrays to a score: pure functions, the same in the student's kernel and in the grader."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from helpers.checks.device_errors import meaning_of
from helpers.checks.fingerprint import matching_hint
from helpers.checks.points import STEP, points_of
from helpers.checks.question import Case, Criterion, Expected, Finding, Question
from helpers.checks.replay import REPLAYED, replayed
from helpers.checks.tolerances import HALF_INPUTS, tolerance
from helpers.checks.wire_format import Answer, Arrays, Failure, MissingArray

COUNTS_LATER = "this counts once the criteria about values are met"
_MARK = re.compile(r"#\s*([QW]\w+)")
MET, NOT_MET, NOT_REACHED = "met", "not met", "not reached"


@dataclass(frozen=True)
class Line:
    """One criterion of the card: `state` is one of MET, NOT_MET, NOT_REACHED."""

    criterion: Criterion
    state: str
    detail: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a question was found to be worth, and why.

    Attributes:
        status: "correct", "partial", "wrong", "error", "not started", or "no answer".
        score: points earned, between 0 and `points`.
        hint: the hint for the very mistake made when it is known, else the best that can be said; "" when correct.
        known_mistake: True when the hint came from a fingerprint.
        failure: the first exception of the answer, if there was one.
        faults: exceptions in our own judge; the tests ask for none.
        measure: the question's own number, such as an accuracy, on secret cases where there are any; None: it has none.
        measured: what that number is, in words.
        notes: sentences for the card that cost no points.
    """

    question: str
    title: str
    status: str
    score: float
    points: float
    lines: tuple[Line, ...] = ()
    hint: str = ""
    known_mistake: bool = False
    failure: Failure | None = None
    reason: str = ""
    faults: tuple[str, ...] = field(default=())
    measure: float | None = None
    measured: str = ""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.status == "correct"

    @property
    def findings(self) -> tuple[Line, ...]:
        return self.lines


def no_answer(question: Question, points: float, reason: str) -> Verdict:
    """Zero, with the reason: the kernel died, the cell above failed, the answer can't be read."""
    lines = tuple(Line(c, NOT_REACHED) for c in question.criteria)
    return Verdict(question.id, question.title, "no answer", 0.0, points, lines, hint=reason, reason=reason)


def not_started(question: Question, points: float, hint: str) -> Verdict:
    """Zero without an answer to judge, because none was begun: its cell holds no code."""
    lines = tuple(Line(c, NOT_REACHED) for c in question.criteria)
    return Verdict(question.id, question.title, "not started", 0.0, points, lines, hint=hint, reason="Not there yet")


def judge_answer(
    question: Question,
    answer: Answer,
    *,
    public: tuple[Sequence[Case], Expected],
    secret: tuple[Sequence[Case], Expected] | None = None,
    device: str = "cpu",
) -> Verdict:
    """Judge the public cases and, when grading, the secret ones.

    A criterion is met when every case that covers it, public or secret, says so. Details quote public cases only,
    so a card never shows a secret input.

    Args:
        device: the type of the device that the answer ran on, as the caller knows it; it decides the tolerance.
    """
    points = public[1].points
    parts = [("public", *public)] + ([("secret", *secret)] if secret else [])
    recorded = {part: _allowed(answer.of(part, len(cases)), cases, device) for part, cases, _ in parts}
    failures = [c for content in recorded.values() for c in content if isinstance(c, Failure)]
    if failures and any(f.blank for f in failures):
        blank = next(f for f in failures if f.blank)
        lines = tuple(Line(c, NOT_REACHED) for c in question.criteria)
        hint = blank.message if blank.kind == "StillBlank" else "a blank `___` is still to be filled"
        return Verdict(question.id, question.title, "not started", 0.0, points, lines, hint=hint, failure=blank)

    faults: list[str] = []
    seen = Seen(tuple(c.id for c in question.criteria))
    for part, cases, expected in parts:
        for number, (case, wanted, got) in enumerate(zip(cases, expected.arrays, recorded[part], strict=True)):
            seen.add(part, number, case, got, _findings(question, case, wanted, got, faults))
    if secret and replayed(public, secret, recorded["secret"]):
        lines = tuple(Line(c, NOT_MET) for c in question.criteria)
        return Verdict(question.id, question.title, "wrong", 0.0, points, lines, REPLAYED, faults=tuple(faults))

    lines = _lines(question, seen)
    score = _score(question, lines, points)
    everything = all(line.state == MET for line in lines)
    if everything:
        status = "correct"
    elif failures and score == 0:
        status = "error"
    else:
        status = "partial" if score > 0 else "wrong"
    verdict = Verdict(question.id, question.title, status, score, points, lines, faults=tuple(faults))
    measured = _measured(question, *(secret or public), recorded["secret" if secret else "public"])
    if measured is not None:
        where = "hidden" if secret else "public"
        verdict = replace(verdict, measure=measured, measured=f"{question.measured} on the {where} cases")
    if everything:
        return verdict
    failure = next((f for f in failures if f.kind != "Missing"), None)
    unmet = {line.criterion.id for line in lines if line.state != MET}
    hint = matching_hint(
        public[1].mistakes, question, public[0], public[1].arrays, recorded["public"],
        unmet=unmet, wrong=seen.wrong_public(unmet),
        publicly=set(failing(question, public[0], public[1], recorded["public"])[0]),
    )  # fmt: skip
    if hint:
        return replace(verdict, hint=hint, known_mistake=True, failure=failure)
    return replace(verdict, hint=_what_was_seen(question, lines, failure, recorded["public"]), failure=failure)


def failing(
    question: Question, cases: Sequence[Case], expected: Expected, recorded: Sequence[Arrays | Failure]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Ids of the criteria that a record does not meet, and numbers of the cases that show it."""
    seen = Seen(tuple(c.id for c in question.criteria))
    for number, (case, wanted, got) in enumerate(zip(cases, expected.arrays, recorded, strict=True)):
        seen.add("public", number, case, got, _findings(question, case, wanted, got, []))
    unmet = [line.criterion.id for line in _lines(question, seen) if line.state != MET]
    return tuple(unmet), tuple(sorted(seen.wrong_public(set(unmet))))


def _allowed(recorded: Sequence[Arrays | Failure], cases: Sequence[Case], device: str) -> list[Arrays | Failure]:
    """The records under the tolerance that the judge grants each case."""
    return [
        content if isinstance(content, Failure) else content.allowing(tolerance(case, device))
        for content, case in zip(recorded, cases, strict=True)
    ]


def _findings(
    question: Question, case: Case, wanted: Mapping[str, np.ndarray], got: Arrays | Failure, faults: list[str]
) -> list[Finding]:
    if isinstance(got, Failure):
        return []
    try:
        return list(question.judge(case, wanted, got))
    except MissingArray as error:
        return [Finding(c.id, False, f"nothing was recorded for {error}") for c in question.criteria]
    except Exception as error:
        faults.append(f"{question.id}, {case.name}: {type(error).__name__}: {error}")
        return [Finding(c.id, False, "this could not be compared") for c in question.criteria]


class Seen:
    """What all cases say, by criterion."""

    def __init__(self, criteria: tuple[str, ...]) -> None:
        self.findings: dict[str, list[tuple[str, int, Finding]]] = {name: [] for name in criteria}
        self.reached = dict.fromkeys(criteria, True)
        self._failed: set[int] = set()  # public cases that raised

    def add(self, part: str, number: int, case: Case, got: Arrays | Failure, found: Sequence[Finding]) -> None:
        for finding in found:
            if case.covers(finding.criterion):
                self.findings[finding.criterion].append((part, number, finding))
        if isinstance(got, Failure):
            if part == "public":
                self._failed.add(number)
            for name in self.reached:
                if case.covers(name):
                    self.reached[name] = False

    def wrong_public(self, unmet: set[str]) -> set[int]:
        """Numbers of the public cases that raised, or on which a criterion that is not met failed."""
        found = {n for name in unmet for part, n, f in self.findings[name] if part == "public" and not f.ok}
        return found | self._failed


def _lines(question: Question, seen: Seen) -> tuple[Line, ...]:
    """First what each criterion says by itself, then those that ask other criteria again at other sizes."""
    plain = {c.id for c in question.criteria if not any(f.of for _, _, f in seen.findings[c.id])}
    first = {c.id: _line(c, seen, frozenset()) for c in question.criteria if c.id in plain}
    unmet = frozenset(name for name, line in first.items() if line.state != MET)
    own = {name for name, line in first.items() if line.state == MET}
    worth = {c.id for c in question.criteria if c.share and c.id in own and _counts(c, own)}
    lines = [first.get(c.id) or _line(c, seen, unmet, worth) for c in question.criteria]
    met = {line.criterion.id for line in lines if line.state == MET}
    return tuple(
        replace(line, detail=COUNTS_LATER) if line.state == MET and not _counts(line.criterion, met) else line
        for line in lines
    )


def _line(criterion: Criterion, seen: Seen, unmet: frozenset[str], worth: Sequence[str] | set[str] = ()) -> Line:
    findings = [(part, f) for part, _, f in seen.findings[criterion.id]]
    bad = [(part, f) for part, f in findings if not f.ok and f.of not in unmet]
    if bad:
        shown = next((f.detail for part, f in bad if part == "public"), None)
        if shown is None:
            shown = "holds on the cases you see, not on others that were drawn for grading"
        return Line(criterion, NOT_MET, shown)
    excused = any(not f.ok for _, f in findings)
    rests_on = [f for _, f in findings if f.ok and (not f.of or f.of in worth)]
    if not seen.reached[criterion.id] or not rests_on:
        names = sorted({f.of for _, f in findings if not f.ok})
        return Line(criterion, NOT_REACHED, f"can be seen once this is met: {', '.join(names)}" if excused else "")
    return Line(criterion, MET)


def _counts(criterion: Criterion, met: set[str]) -> bool:
    return not criterion.counts_with or bool(met & set(criterion.counts_with))


def _score(question: Question, lines: Sequence[Line], points: float) -> float:
    """The points of all criteria that are met and count, in quarters; less than all while any is not met."""
    if all(line.state == MET for line in lines):
        return points
    worth = points_of(question.criteria, points)
    met = {line.criterion.id for line in lines if line.state == MET}
    score = sum(worth[c.id] for c in question.criteria if c.id in met and _counts(c, met))
    if score >= points:  # an unmet criterion without a share still costs: the answer is not right
        score = int(points * 0.5 / STEP) * STEP
    return score


def _measured(
    question: Question, cases: Sequence[Case], expected: Expected, recorded: Sequence[Arrays | Failure]
) -> float | None:
    """The mean of the question's own number over the cases that have one; a case without an answer counts 0."""
    if not question.measured:
        return None
    found = []
    for case, wanted, got in zip(cases, expected.arrays, recorded, strict=True):
        try:
            found.append(0.0 if isinstance(got, Failure) else question.measure(case, wanted, got))
        except MissingArray:
            found.append(0.0)
    known = [float(value) for value in found if value is not None]
    return round(sum(known) / len(known), 6) if known else None


def _what_was_seen(
    question: Question, lines: Sequence[Line], failure: Failure | None, recorded: Sequence[Arrays | Failure]
) -> str:
    """What happened, without a word about causes: the error and its line, or the first criterion that is not met."""
    if failure is not None:
        quoted = f" (`{failure.source}`)" if failure.source else ""
        texts = [f"{_place(question, failure)}{quoted} raised {failure.kind}: {failure.message}"]
        texts += [text for text in (failure.note, meaning_of(failure)) if text]
        return ". ".join(text.rstrip(". ") for text in texts) + "."
    asked = [r for r in recorded if isinstance(r, Arrays) and r.tolerance < HALF_INPUTS]  # where float32 came in
    half = sorted({dtype for r in asked for dtype in r.dtypes.values()})
    note = f" Your answer returned {half[0]}, which holds about three digits; the check compares four." if half else ""
    for line in lines:
        if line.state == NOT_MET:
            seen = f"{line.criterion.says}: {line.detail or 'not met yet'}."
            return " ".join(text for text in (f"Not met: {seen}", line.criterion.hint) if text) + note
    return "Some criteria could not be tested: see the card." + note


def _place(question: Question, failure: Failure) -> str:
    """The line of the student's on which an error came up, with the cell when it is not the answer's own."""
    if not failure.line:
        return "Calling your answer"
    mark = _MARK.match(failure.cell)
    if mark is None or mark.group(1) == question.id:
        return f"Line {failure.line} of your cell"
    return f"Line {failure.line} of the cell of {mark.group(1)}"


def arrays_only(recorded: Sequence[Arrays | Failure]) -> list[Arrays | None]:
    """Failures replaced by None, for pictures."""
    return [None if isinstance(r, Failure) else r for r in recorded]
