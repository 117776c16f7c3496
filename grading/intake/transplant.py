"""Moves a student's answers into our own copy of the notebook.

Whatever happened to the student's file, what is graded has our cells, our checks and our metadata, and the student's
answers. Nothing is guessed silently: what could not be placed for sure is in `Transplanted.notes`, a sentence each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nbformat import NotebookNode

from grading.copying import copied
from grading.intake.answers import Answers, choose_answers
from grading.intake.cells import FIXED, Slot, SubmittedCell, of_role, slots_of, submitted_cells
from grading.intake.extra_cells import Layout, lay_out
from grading.intake.lessons import other_lesson
from grading.intake.match_cells import CellMatches, match_cells
from grading.intake.normalise import bounded
from grading.intake.written import Prose, choose_written


@dataclass(frozen=True)
class Transplanted:
    """The notebook to grade, and how it came about.

    Attributes:
        notes: sentences for a person; none when there is nothing to say.
        placed: by question how its answer was found: "grade id", "cell id", "marker", "name" or "order"; "untouched"
            when the student's copy is as we gave it out; "missing" when there is none.
        confidence: by question "high", or "low" when a person should look.
        lesson: the other lesson that was handed in by mistake, or "".
    """

    notebook: NotebookNode
    notes: tuple[str, ...]
    placed: dict[str, str]
    confidence: dict[str, str]
    lesson: str = ""


def transplant(
    template: NotebookNode, submission: NotebookNode, others: Mapping[str, NotebookNode] | None = None
) -> Transplanted:
    """A copy of `template` with the answers of `submission` in it; neither is changed.

    Args:
        template: the released student notebook.
        submission: a valid notebook, as `read_notebook` gives it.
        others: released notebooks of the other lessons by id, to recognise a mix-up.
    """
    slots, handed_in = slots_of(template), submitted_cells(submission)
    questions = [slot.question for slot in of_role(slots, "answer", "written")]
    lesson = other_lesson(slots, handed_in, others or {})
    if lesson is not None:
        note = "nothing of this lesson was found in the notebook"
        note = f"this is a notebook of lesson {lesson}, not of this one" if lesson else note
        notes = (f"{note[0].upper()}{note[1:]}; no answer was placed.",)
        return Transplanted(
            _build(template, {}, {}, Layout()),
            notes,
            dict.fromkeys(questions, "missing"),
            dict.fromkeys(questions, "low"),
            lesson,
        )
    matches = match_cells(slots, handed_in)
    answers = choose_answers(slots, matches)
    of_answer = {
        slot.at: choice.submitted.place
        for slot in of_role(slots, "answer")
        if (choice := answers.choices[slot.question]).submitted is not None
    }
    kept = _kept_copies(matches)
    busy = answers.used | answers.early.keys() | answers.dropped
    written = choose_written(slots, matches, busy, of_answer)
    sources = _sources(slots, answers, kept)
    taken = busy - answers.early.keys() | written.used | {place for place, _ in kept.values()}
    ours = {slot.plain for slot in slots}
    copies = {place for place, slot in matches.copy_of.items() if slot.role in FIXED}
    extras = [p for p in matches.handed_in if p.place not in taken | copies and p.plain not in ours]
    anchors = {place: at for at, (place, _) in kept.items()} | {place: at for at, place in of_answer.items()}
    anchors |= {p: matches.claimed[p][0].at for p in written.used if p in matches.claimed}
    layout = lay_out(slots, sources, extras, anchors, answers.early)
    prose = {slot.at: written.choices[slot.question] for slot in of_role(slots, "written")}
    choices = answers.choices | written.choices
    return Transplanted(
        _build(template, sources, prose, layout),
        bounded([*answers.notes, *written.notes, *matches.notes, *layout.notes]),
        {question: choices[question].how for question in questions},
        {question: "high" if choices[question].sure else "low" for question in questions},
    )


def _kept_copies(matches: CellMatches) -> dict[int, tuple[int, SubmittedCell]]:
    """By slot the student's copy that stands for it, with its place: the last edited one, else the first."""
    kept: dict[int, tuple[int, SubmittedCell]] = {}
    for submitted in matches.handed_in:
        slot = matches.copy_of.get(submitted.place)
        if slot is None:
            continue
        edited = slot.role not in FIXED and submitted.plain != slot.plain
        if edited or slot.at not in kept:
            kept[slot.at] = (submitted.place, submitted)
    return kept


def _sources(slots: list[Slot], answers: Answers, kept: Mapping[int, tuple[int, SubmittedCell]]) -> dict[int, str]:
    """What each slot will hold, written answers aside."""
    sources = {}
    for slot in slots:
        source = slot.source
        if slot.role == "answer":
            source = answers.choices[slot.question].source
        elif slot.role in ("demo", "text") and slot.at in kept and kept[slot.at][1].plain != slot.plain:
            source = kept[slot.at][1].source
        sources[slot.at] = source
    return sources


def _build(
    template: NotebookNode, sources: Mapping[int, str], prose: Mapping[int, Prose], layout: Layout
) -> NotebookNode:
    notebook = copied(template)
    ids = {cell.get("id") for cell in notebook.cells}
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if at in prose:
            cell.source = prose[at].source
            if prose[at].attachments:
                cell["attachments"] = copied(prose[at].attachments)
        elif sources.get(at, cell.source) != cell.source:
            cell.source = sources[at]
            if cell.cell_type != "code":  # the student's words now, to be shown as such
                cell.metadata["vitlab"] = NotebookNode(role="extra")
    cells = []
    number = 0
    for item in layout.order(len(notebook.cells)):
        if isinstance(item, int):
            cells.append(notebook.cells[item])
            continue
        number += 1
        while (name := f"extra-{number:02d}") in ids:
            number += 1
        cells.append(_extra(item, name))
    notebook.cells = cells
    return notebook


def _extra(submitted: SubmittedCell, name: str) -> NotebookNode:
    cell = NotebookNode(cell_type=submitted.kind, id=name, metadata=NotebookNode(), source=submitted.source)
    cell.metadata["vitlab"] = NotebookNode(role="extra")
    if submitted.kind == "code":
        cell.outputs, cell.execution_count = [], None
    elif submitted.attachments:
        cell["attachments"] = copied(submitted.attachments)
    return cell
