"""What becomes of a mutant: killed by the check, the same function as the solution, explained, or survived."""

from __future__ import annotations

import ast
import signal
import tomllib
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

from grading.course import load_course
from grading.judging.reference import load_reference
from helpers.checks.probing import probe_all
from helpers.checks.question import Case, Expected, Question
from helpers.checks.sealed import SealedQuestion
from helpers.checks.verdict import Verdict, judge_answer
from helpers.checks.wire_format import Answer
from helpers.questions import find
from tests.conftest import ROOT
from tests.mutants.operators import Mutant, mutants
from tests.mutants.same_function import difference, recorded_calls

COURSE = load_course(ROOT)
EXPLAINED = Path(__file__).with_name("explained.toml")
SEED = 20_261_130
MORE_SEEDS = (3, 5, 7)
SECONDS = 10
KILLED, EQUIVALENT, ALLOWED, SURVIVED = "killed", "equivalent", "explained", "survived"


@dataclass(frozen=True)
class Fate:
    """What became of a mutant; `why` is the criterion that failed, the reason given, or what differs."""

    mutant: Mutant
    state: str
    why: str = ""
    verdict: Verdict | None = None


class Bench:
    """One question, ready to judge mutants of its solution."""

    def __init__(self, lesson: str, qid: str) -> None:
        self.lesson, self.qid = lesson, qid
        self.question: Question = find(qid)
        self.reference = load_reference(COURSE.source(lesson), COURSE.bank(lesson))
        self.cell = next(c for c in self.reference.lesson.of("answer") if c.question == qid)

    def mutants(self, limit: int | None = None) -> list[Mutant]:
        """None for a question that is judged by an accuracy, where any function is an answer."""
        return [] if isinstance(self.question, SealedQuestion) else mutants(self.cell.source, limit)

    def fate(self, mutant: Mutant) -> Fate:
        """Judge one mutant as grading does: public cases, then secret ones."""
        try:
            with _quietly(), _stopped_after(SECONDS):
                answer = self.answer_of(mutant)
                verdict = self._verdict(answer)
                if verdict.score < verdict.points:
                    return Fate(mutant, KILLED, _failed(verdict), verdict)
                if reason := _explanation(self.qid, str(mutant)):
                    return Fate(mutant, ALLOWED, reason, verdict)
                found = difference(self._calls, self.reference.answers[self.qid], answer)
        except _TooLong:
            return Fate(mutant, KILLED, f"did not stop within {SECONDS} s")
        except Exception as error:
            return Fate(mutant, KILLED, f"{type(error).__name__}: {error}")
        return Fate(mutant, SURVIVED if found else EQUIVALENT, found, verdict)

    def answer_of(self, mutant: Mutant) -> Any:
        """Run the changed cell after the solution's setup and earlier answers, and look up what its check names."""
        namespace = dict(self._before)
        exec(compile(mutant.source, f"<answer {self.qid} of a mutant>", "exec"), namespace)
        _, expression = self.reference.lesson.checks()[self.qid]
        return eval(compile(ast.Expression(expression), "<check>", "eval"), namespace)

    @cached_property
    def _before(self) -> dict[str, Any]:
        namespace: dict[str, Any] = {"__name__": "__main__"}
        for cell in self.reference.lesson.cells:
            if cell.role == "answer" and cell.question == self.qid:
                break
            if cell.role in ("setup", "answer"):
                exec(compile(cell.source, f"<answer {cell.question or 'setup'} of {self.lesson}>", "exec"), namespace)
        return namespace

    @cached_property
    def public(self) -> tuple[list[Case], Expected]:
        """The public cases with the solution's arrays, without fingerprints of mistakes."""
        return self.reference.public(self.qid)

    @cached_property
    def _secret(self) -> tuple[list[Case], Expected]:
        return self.reference.secret(self.qid, SEED)

    @cached_property
    def _calls(self) -> list[Any]:
        return recorded_calls(self.question, self.reference.answers[self.qid], MORE_SEEDS)

    def _verdict(self, answer: Any) -> Verdict:
        cases = {f"public/{i}": r for i, r in enumerate(probe_all(self.question, answer, self.public[0]))}
        verdict = judge_answer(self.question, Answer(self.qid, cases), public=self.public)
        if verdict.score < verdict.points:
            return verdict
        cases |= {f"secret/{i}": r for i, r in enumerate(probe_all(self.question, answer, self._secret[0]))}
        return judge_answer(self.question, Answer(self.qid, cases), public=self.public, secret=self._secret)


def benches(lessons: list[str] | None = None) -> Iterator[Bench]:
    """A bench for each question of these lessons, all by default; a lesson may be given by its number."""
    for lesson in COURSE.lessons:
        if lessons and not any(lesson.id == name or lesson.id.startswith(f"{name}_") for name in lessons):
            continue
        reference = load_reference(COURSE.source(lesson.id), COURSE.bank(lesson.id))
        yield from (Bench(lesson.id, qid) for qid in reference.answers)


def _failed(verdict: Verdict) -> str:
    failed = [line.criterion.id for line in verdict.lines if line.state != "met"]
    return f"{verdict.failure.kind}" if verdict.failure else ", ".join(failed)


def _explanation(qid: str, change: str) -> str:
    for entry in explained().get(qid, ()):
        if fnmatchcase(change, entry["change"]):
            return entry["reason"]
    return ""


def explained() -> Mapping[str, list[Mapping[str, str]]]:
    """Survivors that are right answers, by question: a pattern for the change, and the reason."""
    return tomllib.loads(EXPLAINED.read_text("utf-8"))


class _TooLong(BaseException):
    """Raised in a mutant that does not stop; no answer catches it."""


@contextmanager
def _stopped_after(seconds: float) -> Iterator[None]:
    def stop(*_: Any) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings(), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        warnings.simplefilter("ignore")
        yield
