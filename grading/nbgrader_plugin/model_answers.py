"""After a written answer on a feedback page: its rubric, the course's model answer, and a half-right sample.

They come from the lesson's source: the written cell holds the model answer, and the rubric ends with a paragraph that
begins with "A half-right answer:" or "*A half-right sample (1 of 2):*". The released notebook has neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from grading.course import load_course
from grading.judging.cells_to_run import role_of
from grading.lesson_source.source import read_source

_SAMPLE = re.compile(r"^(?=A half-right answer:|\*A half-right sample \()", re.MULTILINE)


@dataclass(frozen=True)
class ModelAnswer:
    """What a page shows about a written question; `sample` is "" where the rubric has none."""

    rubric: str
    answer: str
    sample: str

    def as_markdown(self) -> str:
        parts = ["#### How this question is marked", self.rubric, "#### The course's model answer", self.answer]
        if self.sample:
            parts += ["#### A half-right answer, and its points", self.sample]
        return "\n\n".join(parts)


def model_answers_of(source: Path) -> dict[str, ModelAnswer]:
    """Written question to its model answer, from a lesson's source."""
    found = {}
    for cell, after in pairwise(read_source(source).cells):
        if cell.role == "written" and after.role == "rubric":
            rubric, *sample = _SAMPLE.split(after.source, maxsplit=1)
            found[cell.question] = ModelAnswer(rubric.strip(), cell.source.strip(), "".join(sample).strip())
    return found


def released_with_feedback(root: str, lesson: str) -> Mapping[str, ModelAnswer]:
    """What feedback pages of a lesson show; nothing without a course, or where it says `model_answers = false`.

    It is read anew when the course's file or the lesson's source has changed.
    """
    if not root:
        return {}
    course = load_course(Path(root))
    source = course.source(lesson)
    if not course.course.model_answers or not source.is_file():
        return {}
    return _read(source, source.stat().st_mtime_ns)


def with_model_answers(cells: Iterable[NotebookNode], answers: Mapping[str, ModelAnswer]) -> list[NotebookNode]:
    """The cells, and after each written answer a cell about its question."""
    out = []
    for cell in cells:
        out.append(cell)
        question = str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
        if role_of(cell) == "written" and question in answers:
            text = answers[question].as_markdown()
            out.append(
                new_markdown_cell(text, id=f"{question}-model-answer", metadata={"vitlab": {"role": "model answer"}})
            )
    return out


@lru_cache(maxsize=64)
def _read(source: Path, changed: int) -> dict[str, ModelAnswer]:
    return model_answers_of(source)
