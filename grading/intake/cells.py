"""The two sides of a transplant: slots of the released notebook, cells that a student handed in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from nbformat import NotebookNode

from grading.intake.code_analysis import Code, look

FIXED = ("bootstrap", "setup", "check")  # always the instructor's
STEP = 4  # distance of two cells, so that a part of a cell can stand just before or after it
_CODE = re.compile(r"^(?:async |def |class |import |from )|=", re.MULTILINE)
_MARKER = re.compile(r"^#+[ \t]*([QW]\d+[a-z]?)\b", re.MULTILINE)
_WRITTEN_MARKER = re.compile(r"^[#*_> \t]{0,20}(W\d+[a-z]?)\b", re.MULTILINE)


@dataclass(frozen=True)
class Slot:
    """One cell of the released notebook.

    Attributes:
        at: its index.
        names: of an answer, the names that its check looks at.
    """

    at: int
    role: str
    question: str
    grade_id: str
    id: str
    kind: str
    source: str
    names: frozenset[str] = frozenset()

    @cached_property
    def plain(self) -> str:
        return plain(self.source)


@dataclass(frozen=True)
class SubmittedCell:
    """One cell of the submission, or a part of one; `place` orders them as the student did.

    Attributes:
        carved: taken out of the student's copy of a cell that is the instructor's.
    """

    place: int
    kind: str
    source: str
    grade_id: str = ""
    id: str = ""
    carved: bool = False
    attachments: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def number(self) -> int:
        """Which cell of the student's notebook it is, counted from 1."""
        return self.place // STEP + 1

    @cached_property
    def python(self) -> str:
        """The source as code; of a cell that isn't code without the fence around it."""
        return self.source if self.kind == "code" else _unfenced(self.source)

    @cached_property
    def code(self) -> Code:
        return look(self.python)

    @property
    def binds(self) -> frozenset[str]:
        """Names it binds when run as code; prose that only shows a definition binds nothing."""
        if self.kind != "code" and not _CODE.search(self.python):
            return frozenset()  # most prose: not worth parsing
        return self.code.binds if self.kind == "code" or self.code.parsed else frozenset()

    @cached_property
    def plain(self) -> str:
        return plain(self.source)

    @cached_property
    def markers(self) -> frozenset[str]:
        """Questions named by a comment `# Q1: …` in code, or by a first word `W1` in prose."""
        found = _MARKER.findall(self.python)
        return frozenset(found if self.kind == "code" else found + _WRITTEN_MARKER.findall(self.source))

    def with_source(self, source: str, **changes: Any) -> SubmittedCell:
        return replace(self, source=source, **changes)


def plain(source: str) -> str:
    """A source as compared: without trailing blanks, blank lines at its ends, and differences of Unicode form."""
    lines = [line.rstrip() for line in unicodedata.normalize("NFC", source).replace("\r\n", "\n").split("\n")]
    return "\n".join(lines).strip("\n")


def _unfenced(source: str) -> str:
    """The inside of a Markdown code block that is the whole cell; else the source."""
    lines = source.strip().split("\n")
    if len(lines) > 2 and lines[0].startswith("```") and lines[-1].strip() == "```":
        return "\n".join(lines[1:-1])
    return source


def submitted_cells(submission: NotebookNode) -> list[SubmittedCell]:
    """The cells of a valid notebook; empty ones and Colab's own badge left out."""
    found = []
    for index, cell in enumerate(submission.cells):
        badge = cell.get("id") == "view-in-github" and "colab-badge" in cell.source
        if not cell.source.strip() or badge:
            continue
        grader = cell.metadata.get("nbgrader")
        grade_id = grader.get("grade_id", "") if isinstance(grader, dict) else ""
        found.append(
            SubmittedCell(
                index * STEP,
                cell.cell_type,
                cell.source,
                str(grade_id),
                str(cell.get("id", "")),
                attachments=cell.get("attachments", {}),
            )
        )
    return found


def slots_of(template: NotebookNode) -> list[Slot]:
    """The cells of a released notebook, by role."""
    slots = [_slot(at, cell) for at, cell in enumerate(template.cells)]
    asked = {slot.question: look(slot.source).reads for slot in slots if slot.role == "check"}
    found = []
    for slot in slots:
        if slot.role == "answer":
            bound = look(slot.source).binds
            wanted = asked.get(slot.question, frozenset()) - {"check"}  # of a blank page only the check knows the name
            slot = replace(slot, names=(bound & wanted) or bound or wanted)
        found.append(slot)
    return found


def _slot(at: int, cell: NotebookNode) -> Slot:
    vitlab, grader = cell.metadata.get("vitlab", {}), cell.metadata.get("nbgrader", {})
    grade_id = str(grader.get("grade_id", ""))
    role, question = vitlab.get("role"), vitlab.get("question", "")
    if role is None:  # a notebook that nbgrader made without our builder
        grade, solution = grader.get("grade"), grader.get("solution")
        if solution:
            role = "written" if grade and cell.cell_type == "markdown" else "answer"
        elif grader.get("locked") or grade:
            role = "check" if grade else "setup"
        else:
            role = "demo" if cell.cell_type == "code" else "text"
        question = grade_id if role in ("answer", "written") else ""
    return Slot(at, role, question, grade_id, str(cell.get("id", "")), cell.cell_type, cell.source)


def of_role(slots: Iterable[Slot], *roles: str) -> list[Slot]:
    return [slot for slot in slots if slot.role in roles]
