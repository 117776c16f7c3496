"""What is compared: the answers of a graded class, read from the autograded notebooks as text."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grading.course import Course, CourseError
from grading.engine.outcome import SubmissionOutcome
from grading.similarity.similar_pairs import QuestionKey


@dataclass(frozen=True)
class Answers:
    """Arguments of `alike`."""

    texts: dict[QuestionKey, dict[str, str]]
    given: dict[QuestionKey, str]
    known: dict[str, list[str]]


def answers_of(outcomes: Iterable[SubmissionOutcome], out: Path, course: Course) -> Answers:
    """Every student's answers; a notebook that isn't there or can't be read is passed over."""
    texts: dict[QuestionKey, dict[str, str]] = defaultdict(dict)
    lessons: dict[str, None] = {}
    for outcome in outcomes:
        lessons[outcome.lesson] = None
        path = out / "autograded" / outcome.student / outcome.lesson / f"{outcome.lesson}.ipynb"
        for question, text in _cells(path):
            texts[outcome.lesson, question][outcome.student] = text
    given: dict[QuestionKey, str] = {}
    known: dict[str, list[str]] = {}
    for lesson in lessons:
        try:
            released = course.student_notebook(course.lesson(lesson).id)
        except CourseError:  # graded once, and gone from the course since
            continue
        given |= {(lesson, question): text for question, text in _cells(released)}
        sources = [course.source(lesson), course.bank(lesson)]
        known[lesson] = [path.read_text("utf-8") for path in sources if path.is_file()]
    return Answers(dict(texts), given, known)


def _cells(path: Path) -> list[tuple[str, str]]:
    """Question and text of each answer cell; none where the file isn't there or is broken."""
    try:
        return list(_answer_cells(json.loads(path.read_bytes())["cells"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _answer_cells(cells: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    for cell in cells:
        about = cell.get("metadata", {}).get("vitlab", {})
        if about.get("role") == "answer" and cell.get("cell_type") == "code":
            source = cell.get("source", "")
            yield str(about.get("question")), source if isinstance(source, str) else "".join(source)
