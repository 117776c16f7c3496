"""What a student's page says beside the notebook: scores by question, what waits, notices, requests and comments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from grading.course import CourseError
from grading.judging.cells_to_run import role_of
from grading.nbgrader_plugin.late_penalty import LatePenalties
from grading.nbgrader_plugin.model_answers import released_with_feedback, with_model_answers
from grading.nbgrader_plugin.stored_grades import CellGrade, StoredGrades, read_stored
from helpers.questions import find

UNREADABLE = "unreadable"
_HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)
_LONGEST = 70  # characters of a written question in the contents


def focused(notebook: NotebookNode) -> list[NotebookNode]:
    """What a student wants to see again: title, questions, answers, cards, own cells, and whatever failed.

    Of a file that could not be read: the title.
    """
    kept: list[NotebookNode] = []
    unreadable = _vitlab(notebook).get("status") == UNREADABLE
    for before, cell in zip((None, *notebook.cells), notebook.cells, strict=False):
        role = role_of(cell)
        asked = role in ("answer", "check", "written", "extra") and not unreadable
        failed = any(o.output_type == "error" for o in cell.get("outputs", []))
        asks = role in ("answer", "written") and before is not None and before.cell_type == "markdown"
        if asks and not unreadable and not any(before is cell for cell in kept[-1:]):
            kept.append(before)
        if (not kept and cell.cell_type == "markdown") or asked or failed:
            kept.append(cell)
    return kept


def noted(notebook: NotebookNode, *, lesson: str, status: str, reason: str, notes: tuple[str, ...]) -> None:
    """Write into a notebook, in place, what was found out about the file: the page and formgrader say it."""
    notebook.metadata["vitlab"] = {"lesson": lesson, "status": status, "reason": reason, "intake": list(notes)}


def notices_of(notebook: NotebookNode) -> list[str]:
    """What was found out about the file that was handed in, one sentence each: the sentences that the teacher sees."""
    vitlab = _vitlab(notebook)
    said = [vitlab.get("reason"), *(vitlab.get("intake") or [])]
    return list(dict.fromkeys(sentence(str(one)) for one in said if one))


def sentence(text: str) -> str:
    """With a capital and a full stop; a file's name at the start keeps its spelling."""
    text = text.strip()
    first = text.split(" ", 1)[0]
    if first.isalpha() and first.islower():
        text = text[:1].upper() + text[1:]
    return text if text[-1:] in ".!?" else f"{text}."


def page_facts(notebook: NotebookNode, stored: StoredGrades, lesson: str, student: str) -> dict[str, Any]:
    """What the template reads as ``resources.nbgrader``.

    Args:
        notebook: the whole one, as it was graded.
    """
    shown = {_name(cell) for cell in focused(notebook)}
    return {
        "assignment": lesson, "notebook": lesson, "student": student, "title": _title(notebook) or lesson,
        "score": stored.total, "max_score": stored.points, "late_penalty": stored.penalty,
        "points_waiting": stored.points_waiting, "points_scored": stored.points - stored.points_waiting,
        "excused": stored.excused, "notices": notices_of(notebook),
        "requests": [asdict(request) for request in stored.requests],
        "questions": list(_questions(notebook, stored, shown)),
    }  # fmt: skip


def graded(cell: NotebookNode, stored: StoredGrades) -> NotebookNode:
    """A copy, as deep as the change, with what the template shows about a cell."""
    name = _name(cell)
    shown: dict[str, Any] = {}
    if name in stored.cells:
        one = stored.cells[name]
        shown |= {"score": one.score, "points": one.points, "graded": _marks(one)}
    if name in stored.comments:
        shown["comment"] = stored.comments[name]
    if name in stored.earlier:
        shown["earlier"] = [asdict(one) for one in stored.earlier[name]]
    shown_cell = NotebookNode(cell)
    if shown or "nbgrader" in cell.metadata:
        shown["question"] = _question(cell)
        shown_cell.metadata = NotebookNode(
            {**cell.metadata, "nbgrader": NotebookNode({**cell.metadata.nbgrader, **shown})}
        )
    return shown_cell


class ShowGrades(NbGraderPreprocessor):
    """In `nbgrader generate_feedback`, in place of GetGrades: the page that our own command writes."""

    course = Unicode("", help="the course's folder").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names = resources["nbgrader"]
        lesson, student = names["assignment"], names["student"]
        with Gradebook(names["db_url"]) as gradebook:
            stored = read_stored(gradebook.db, lesson, [student]).get(student)
        if stored is None:
            raise CourseError(f"the gradebook holds nothing of {student} in {lesson}: grade it first")
        stored = replace(stored, excused=LatePenalties(parent=self).is_excused(student, lesson))
        if names["notebook"] != lesson:  # the gradebook names its cells after it, as in `stored_grades.joined`
            for cell in nb.cells:
                if _name(cell):
                    cell.metadata["nbgrader"]["grade_id"] = f"{names['notebook']}/{_name(cell)}"
        resources["nbgrader"] = {**names, **page_facts(nb, stored, lesson, student)}
        cells = [graded(cell, stored) for cell in focused(nb)]
        nb.cells = with_model_answers(cells, released_with_feedback(self.course, lesson))
        return nb, resources


def _questions(notebook: NotebookNode, stored: StoredGrades, shown: set[str]) -> Any:
    """In the notebook's order; then what only the gradebook has."""
    before: NotebookNode | None = None
    left = dict(stored.cells)
    for cell in notebook.cells:
        name = _name(cell)
        if name in left:
            question = _question(cell)
            said = next((n for n in (question, name) if stored.comments.get(n)), "")
            yield {
                "cell": name,
                "question": question,
                "title": title_of(question, before),
                "shown": name in shown,
                "comment": said if said in shown else "",
                **_marks(left.pop(name)),
            }
        before = cell
    for name, grade in left.items():
        yield {"cell": name, "question": name, "title": "", "shown": False, "comment": "", **_marks(grade)}


def title_of(question: str, before: NotebookNode | None = None) -> str:
    """A question's title; of a written one, the beginning of its text.

    before: the cell in front of the answer, where a written question is asked.
    """
    try:
        return find(question).title
    except LookupError:
        pass
    if before is None or before.cell_type != "markdown":
        return ""
    text = str(before.source)
    asked = re.search(rf"\*\*{re.escape(question)}\*\*\s*(?:\([^)]*\))?[.:]?\s*(.+)", text, re.DOTALL)
    line = " ".join((asked.group(1) if asked else "").replace("`", "").replace("*", "").split())
    return line if len(line) <= _LONGEST else line[:_LONGEST].rsplit(" ", 1)[0].rstrip(",;:.") + " …"


def _marks(grade: CellGrade) -> dict[str, Any]:
    return {"score": grade.score, "points": grade.points, "waits": grade.waits, "read_again": grade.read_again}


def _title(notebook: NotebookNode) -> str:
    first = next((cell for cell in notebook.cells if cell.cell_type == "markdown"), None)
    found = _HEADING.search(first.source) if first is not None else None
    return found.group(1).strip() if found else ""


def _question(cell: NotebookNode) -> str:
    vitlab = cell.metadata.get("vitlab", {})
    named = vitlab.get("question") if isinstance(vitlab, dict) else ""
    return str(named or _name(cell))


def _name(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _vitlab(notebook: NotebookNode) -> Mapping[str, Any]:
    held = notebook.metadata.get("vitlab", {})
    return held if isinstance(held, dict) else {}
