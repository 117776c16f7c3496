"""What goes wrong while a lesson is written, as one sentence that begins with file and line."""

from __future__ import annotations

import inspect
from itertools import combinations
from pathlib import Path

from grading.course import Course
from grading.judging.bank import Bank, Entry
from grading.lesson_source.errors import place_of, said
from grading.lesson_source.source import LessonError, LessonSource
from helpers.checks.fingerprint import Fingerprint, alike
from helpers.checks.wire_format import Arrays, Failure
from helpers.questions import every_question


def require_questions(course: Course, lesson: LessonSource) -> None:
    """Every check of a lesson has its question.

    Raises:
        LessonError: one has none, or a module with questions can't be imported.
    """
    known = known_questions(course)
    for question, (cell, _) in lesson.checks().items():
        if question not in known:
            raise LessonError(
                f"{lesson.path}:{cell.line}: no module in {course.questions} defines the question {question}; "
                f'write a class with id = "{question}" and name it in the module\'s QUESTIONS'
            )


def known_questions(course: Course) -> set[str]:
    """The ids of all questions that the course can ask.

    Raises:
        LessonError: a module can't be imported, or two questions have one id.
    """
    folder = course.questions
    try:
        return set(every_question())
    except LessonError:
        raise
    except Exception as error:
        raise LessonError(f"{place_of(error, folder) or folder}: {said(error)}") from error


def require_known_entries(lesson: LessonSource, bank: Bank, path: Path) -> None:
    """Every entry of mistakes.py is about a question of the lesson.

    Raises:
        LessonError: one is not.
    """
    asked = lesson.checks()
    for entry in (*bank.mistakes, *bank.rights):
        if entry.question not in asked:
            raise LessonError(
                f"{_place(entry, path)}: {entry.name} is an answer to {entry.question}, which the lesson doesn't "
                f"ask; it asks {', '.join(asked) or 'nothing'}"
            )


def require_callable(entry: Entry, recorded: list[Arrays | Failure], path: Path) -> None:
    """An entry has what it needs to run.

    Raises:
        LessonError: it fails in every case for want of a name.
    """
    failures = [one for one in recorded if isinstance(one, Failure)]
    if failures and len(failures) == len(recorded) and failures[0].kind == "NameError":
        raise LessonError(
            f"{_place(entry, path)}: {entry.name} can't run: {failures[0].message}; import it at the top of "
            f"{path.name}, or nest it in the definition"
        )


def require_told_apart(entries: list[Entry], prints: list[Fingerprint], right: Fingerprint, path: Path) -> None:
    """Each mistake of a question can be recognised by its arrays on the public cases.

    Raises:
        LessonError: one gives the solution's arrays, or two give the same.
    """
    for entry, one in zip(entries, prints, strict=True):
        if not one.fails and _same(one, right):
            raise LessonError(
                f"{_place(entry, path)}: the mistake {entry.name} gives the solution's arrays in all public cases "
                f"of {entry.question}: add a case in which it differs, or take it out"
            )
    for (entry, one), (other, two) in combinations(zip(entries, prints, strict=True), 2):
        if entry.hint != other.hint and _same(one, two):
            raise LessonError(
                f"{_place(other, path)}: the mistakes {entry.name} and {other.name} give the same arrays in all "
                f"public cases of {entry.question}, so their hints can't be told apart (random generators are seeded "
                "anew before each case, so that drawing from them once or twice may look alike): add a case that "
                "separates them, or give both one hint"
            )


def _same(one: Fingerprint, other: Fingerprint) -> bool:
    """Whether a check can't tell them apart: the same arrays, the same criteria and cases that fail."""
    failed = (one.fails, one.wrong) == (other.fails, other.wrong)
    return failed and len(one.marks) == len(other.marks) and all(map(alike, one.marks, other.marks))


def _place(entry: Entry, path: Path) -> str:
    """`path:line` of an entry's definition, or of its name where it is an edited solution."""
    if entry.text:
        lines = path.read_text("utf-8").splitlines()
        line = next((n for n, text in enumerate(lines, 1) if f'"{entry.name}"' in text), 1)
    elif isinstance(entry.answer, type):
        line = inspect.getsourcelines(entry.answer)[1]
    else:
        line = int(entry.answer.__code__.co_firstlineno)
    return f"{path}:{line}"
