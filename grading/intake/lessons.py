"""Which lesson a notebook belongs to, by what it answers: file names and metadata are no evidence."""

from __future__ import annotations

from collections.abc import Mapping

from nbformat import NotebookNode

from grading.intake.cells import Slot, SubmittedCell, of_role, slots_of


def evidence(slots: list[Slot], handed_in: list[SubmittedCell]) -> int:
    """How much of a lesson's questions is there: two for a defined name, one for a marker or a check."""
    markers, names = frozenset[str](), frozenset[str]()
    for submitted in handed_in:
        names |= submitted.binds
        markers |= submitted.markers | (submitted.code.checks if submitted.kind == "code" else frozenset())
    asked = of_role(slots, "answer", "written")
    return sum(2 * bool(slot.names & names) + (slot.question in markers) for slot in asked)


def other_lesson(slots: list[Slot], handed_in: list[SubmittedCell], others: Mapping[str, NotebookNode]) -> str | None:
    """The lesson handed in instead of this one: "" when it is none we know, None when it is this one.

    A notebook with anything of this lesson in it is this lesson's, whatever else it holds.
    """
    asked = of_role(slots, "answer", "written")
    if not asked or evidence(slots, handed_in):
        return None
    scores = {lesson: evidence(slots_of(notebook), handed_in) for lesson, notebook in others.items()}
    best = max(scores, key=lambda lesson: scores[lesson], default="")
    if best and scores[best]:
        return best
    ids = {slot.grade_id for slot in asked}
    texts = {slot.plain for slot in of_role(slots, "text", "demo")}
    return None if any(submitted.grade_id in ids or submitted.plain in texts for submitted in handed_in) else ""
