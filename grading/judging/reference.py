"""The solution's answers, and the arrays it gives on any cases. Runs trusted code only."""

from __future__ import annotations

import ast
import linecache
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from grading.judging.bank import Bank, load_bank
from grading.lesson_source.errors import as_lesson_error, line_in_source, said
from grading.lesson_source.source import Cell, LessonError, LessonSource, read_source
from helpers.checks.probing import probe_all
from helpers.checks.question import Case, Expected, case_rng, public_rng, secret_cases
from helpers.checks.sealed import SealedQuestion
from helpers.checks.wire_format import Arrays, Failure, collect
from helpers.questions import find


class BrokenSolution(LessonError):
    """The solution itself fails: a fault of the lesson, not of a student. The message begins with file and line."""


@dataclass(frozen=True)
class Reference:
    """A lesson's answers by question, its points and its bank."""

    lesson: LessonSource
    answers: dict[str, Any]
    points: dict[str, float]
    bank: Bank

    def arrays(self, question_id: str, cases: Sequence[Case]) -> tuple[dict[str, np.ndarray], ...]:
        """What the solution returns on these cases, with the instructor-only reference arrays merged in.

        Raises:
            BrokenSolution: the solution raised, which is a fault of the lesson.
        """
        recorded = probe_all(find(question_id), self.answers[question_id], cases)
        return tuple(self._with_extras(question_id, *row) for row in zip(cases, recorded, strict=True))

    def _with_extras(self, question_id: str, case: Case, got: Arrays | Failure) -> dict[str, np.ndarray]:
        if isinstance(got, Failure):
            cell = next(cell for cell in self.lesson.of("answer") if cell.question == question_id)
            where = f"{self.lesson.path}:{line_in_source(self.lesson.path, cell, got.line)}"
            raise BrokenSolution(
                f"{where}: the solution of {question_id} fails on {case.name!r}: {got.kind}: {got.message}"
            )
        extra = self.bank.references.get(question_id)
        return dict(got) | (dict(collect(extra(case))) if extra else {})

    def public(self, question_id: str) -> tuple[list[Case], Expected]:
        """The public cases, and what is expected on them."""
        question = find(question_id)
        if isinstance(question, SealedQuestion):
            return self._drawn(question, public_rng(question_id))
        cases = list(question.cases(public_rng(question_id)))
        return cases, Expected(self.points[question_id], self.arrays(question_id, cases))

    def _drawn(self, question: SealedQuestion, rng: np.random.Generator) -> tuple[list[Case], Expected]:
        """What is expected was drawn with the inputs; the solution isn't asked."""
        drawn = list(question.draw(rng))
        arrays = tuple({name: np.asarray(a) for name, a in kept.items()} for _, kept in drawn)
        return [case for case, _ in drawn], Expected(self.points[question.id], arrays)

    def secret(self, question_id: str, seed: int) -> tuple[list[Case], Expected]:
        """Cases drawn with `seed`, and what is expected on them."""
        question = find(question_id)
        if isinstance(question, SealedQuestion):
            return self._drawn(question, case_rng(question_id, seed))
        cases = secret_cases(question, seed)
        return cases, Expected(self.points[question_id], self.arrays(question_id, cases))


@lru_cache(maxsize=32)
def _load(path: Path, bank: Path, stamp: tuple[float, float]) -> Reference:
    lesson = read_source(path)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    checks, answers = lesson.checks(), {}
    for cell in lesson.cells:
        if cell.role in ("setup", "answer"):
            _run(cell, lesson, namespace)
        elif cell.role == "check":  # here and now: a later answer may define the same name again, as in lesson 04
            expression = ast.Expression(checks[cell.question][1])
            answers[cell.question] = eval(compile(expression, f"<check {cell.question}>", "eval"), namespace)
    with as_lesson_error(bank):
        entries = load_bank(bank)
    return Reference(lesson, answers, {qid: cell.points for qid, (cell, _) in checks.items()}, entries)


def load_reference(source: Path, bank: Path) -> Reference:
    """Run the setup and answer cells of a lesson's solution, once per version of its files."""
    stamps = tuple(p.stat().st_mtime if p.exists() else 0.0 for p in (source, bank))
    return _load(source, bank, stamps)  # type: ignore[arg-type]


def _run(cell: Cell, lesson: LessonSource, namespace: dict[str, Any]) -> None:
    """Execute a cell of the solution.

    Raises:
        BrokenSolution: it raises.
    """
    source, name = cell.source, f"<answer {cell.question or 'setup'} of {lesson.id}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        exec(compile(source, name, "exec"), namespace)
    except Exception as error:
        lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
        if isinstance(error, SyntaxError) and error.filename == name:
            lines = [error.lineno or 0]
        where = f"{lesson.path}:{line_in_source(lesson.path, cell, lines[-1] if lines else 0)}"
        what = f"the answer of {cell.question}" if cell.question else "the setup cell"
        raise BrokenSolution(f"{where}: {what} raises {said(error)}") from error
