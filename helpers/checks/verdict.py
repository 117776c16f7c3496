"""From arrays to a score: pure functions, the same in the student's kernel and in the grader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from helpers.checks.device_errors import meaning_of
from helpers.checks.fingerprint import Fingerprint, matching_hint
from helpers.checks.question import Case, Criterion, Expected, Finding, Question
from helpers.checks.wire_format import Answer, Arrays, Failure, MissingArray

REPLAYED = "The arrays are those of the cases you see, whatever the answer was given. Compute them from the arguments."
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


def judge_answer(
    question: Question,
    answer: Answer,
    *,
    public: tuple[Sequence[Case], Expected],
    secret: tuple[Sequence[Case], Expected] | None = None,
) -> Verdict:
    """Judge the public cases and, when grading, the secret ones.

    A criterion is met when every case that covers it, public or secret, says so. Details quote public cases only,
    so a card never shows a secret input.
    """
    points = public[1].points
    parts = [("public", *public)] + ([("secret", *secret)] if secret else [])
    recorded = {part: answer.of(part, len(cases)) for part, cases, _ in parts}
    failures = [c for content in recorded.values() for c in content if isinstance(c, Failure)]
    if failures and any(f.blank for f in failures):
        blank = next(f for f in failures if f.blank)
        lines = tuple(Line(c, NOT_REACHED) for c in question.criteria)
        hint = blank.message if blank.kind == "StillBlank" else "a blank `___` is still to be filled"
        return Verdict(question.id, question.title, "not started", 0.0, points, lines, hint=hint, failure=blank)

    findings: dict[str, list[tuple[str, Finding]]] = {c.id: [] for c in question.criteria}
    reached: dict[str, bool] = {c.id: True for c in question.criteria}
    faults: list[str] = []
    for part, cases, expected in parts:
        for case, wanted, got in zip(cases, expected.arrays, recorded[part], strict=True):
            if isinstance(got, Failure):
                for criterion in question.criteria:
                    if case.covers(criterion.id):
                        reached[criterion.id] = False
                continue
            try:
                found = list(question.judge(case, wanted, got))
            except MissingArray as error:
                found = [Finding(c.id, False, f"nothing was recorded for {error}") for c in question.criteria]
            except Exception as error:
                faults.append(f"{question.id}, {case.name}: {type(error).__name__}: {error}")
                found = [Finding(c.id, False, "this could not be compared") for c in question.criteria]
            for finding in found:
                if case.covers(finding.criterion):
                    findings[finding.criterion].append((part, finding))

    if secret and _replayed(public, secret, recorded["secret"]):
        lines = tuple(Line(c, NOT_MET) for c in question.criteria)
        return Verdict(question.id, question.title, "wrong", 0.0, points, lines, REPLAYED, faults=tuple(faults))
    lines = tuple(_line(c, findings[c.id], reached[c.id], public[0]) for c in question.criteria)
    total = sum(c.share for c in question.criteria)
    met = sum(line.criterion.share for line in lines if line.state == MET)
    everything = all(line.state == MET for line in lines)
    score = points if everything else round(points * met / total, 4) if total else 0.0
    if not everything and score >= points:  # an unmet criterion without a share still costs: the answer is not right
        score = round(points * 0.5, 4)
    if everything:
        status = "correct"
    elif failures and met == 0:
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
    hint = matching_hint(_fingerprints(public[1]), question, public[0], public[1].arrays, recorded["public"])
    if hint:
        return replace(verdict, hint=hint, known_mistake=True, failure=failure)
    return replace(verdict, hint=_best_hint(lines, failure), failure=failure)


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


def _replayed(
    public: tuple[Sequence[Case], Expected],
    secret: tuple[Sequence[Case], Expected],
    recorded: Sequence[Arrays | Failure],
) -> bool:
    """Whether each secret case that is none of the public ones got the arrays of the public case in its place."""
    drawn = 0
    for known, wanted, case, own, got in zip(
        public[0], public[1].arrays, secret[0], secret[1].arrays, recorded, strict=False
    ):
        if all(np.array_equal(case[k], known[k]) for k in case) or _equal(wanted, own):
            continue
        if isinstance(got, Failure) or not _equal(got, wanted):
            return False
        drawn += 1
    return drawn > 0


def _equal(got: Mapping[str, np.ndarray], wanted: Mapping[str, np.ndarray]) -> bool:
    names = [name for name in got if name in wanted]
    return bool(names) and all(
        got[n].shape == wanted[n].shape and np.allclose(got[n], wanted[n], rtol=0.05, atol=1e-6) for n in names
    )


def _fingerprints(expected: Expected) -> Sequence[Fingerprint]:
    return expected.mistakes


def _line(criterion: Criterion, findings: Sequence[tuple[str, Finding]], reached: bool, cases: Sequence[Case]) -> Line:
    bad = [(part, f) for part, f in findings if not f.ok]
    if bad:
        shown = next((f.detail for part, f in bad if part == "public"), None)
        if shown is None:
            shown = "holds on the cases you see, not on others that were drawn for grading"
        return Line(criterion, NOT_MET, shown)
    if not reached or not findings:
        return Line(criterion, NOT_REACHED)
    return Line(criterion, MET)


def _best_hint(lines: Sequence[Line], failure: Failure | None) -> str:
    if failure is not None:
        where = f"Line {failure.line} of your cell" if failure.line else "Calling your answer"
        quoted = f" (`{failure.source}`)" if failure.source else ""
        meaning = meaning_of(failure)
        return f"{where}{quoted} raised {failure.kind}: {failure.message}{'. ' + meaning if meaning else ''}"
    for line in lines:
        if line.state == NOT_MET:
            return line.criterion.hint or f"{line.criterion.says}: {line.detail or 'not met yet'}"
    return "Something is not right yet; compare the picture with the target."


def arrays_only(recorded: Sequence[Arrays | Failure]) -> list[Arrays | None]:
    """Failures replaced by None, for pictures."""
    return [None if isinstance(r, Failure) else r for r in recorded]
