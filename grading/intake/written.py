"""Where the student wrote the answers that people grade: in the cell for it, or beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from grading.intake.cells import Slot, SubmittedCell, of_role
from grading.intake.match_cells import CellMatches

MIN_ADDED = 20  # characters in the question's text that make an answer
MAX_NEAR = 5  # cells without a match that may together be one answer


@dataclass(frozen=True)
class Prose:
    """What goes into a written slot; `how` and `sure` as in an answer's Choice."""

    source: str
    how: str
    sure: bool = True
    attachments: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Written:
    """All written answers, and the places of the cells that went into them."""

    choices: dict[str, Prose] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def choose_written(
    slots: list[Slot], matches: CellMatches, taken: set[int], answer_places: Mapping[int, int]
) -> Written:
    """Decide for every written slot.

    Args:
        taken: places of submitted cells that already have a use.
        answer_places: index of an answer's slot to the place of the submitted cell chosen for it.
    """
    written = Written()
    known = {slot.at: place for place, slot in matches.copy_of.items()} | dict(answer_places)
    targets = of_role(slots, "written")
    places: dict[int, list[SubmittedCell]] = {}
    for slot in targets:
        mine = [p for p in matches.handed_in if p.place not in taken and _claims(p, slot, matches)]
        if any(p.place in matches.claimed and p.plain != slot.plain for p in mine):
            mine = [p for p in mine if p.place in matches.claimed]
        if not mine:  # by its unchanged text, between the cells that frame it
            mine = [p for p in _between(slot, known, matches, taken) if p.plain == slot.plain][:1]
        places[slot.at] = mine
        if mine:
            known[slot.at] = mine[-1].place
            taken = taken | {p.place for p in mine}
    for slot in targets:
        _choose(slot, slots, places[slot.at], known, matches, taken, written)
        taken = taken | written.used
    return written


def _claims(submitted: SubmittedCell, slot: Slot, matches: CellMatches) -> bool:
    claimed, _ = matches.claimed.get(submitted.place, (None, ""))
    if claimed is not None:
        return claimed.at == slot.at
    return submitted.kind != "code" and slot.question in submitted.markers and submitted.place not in matches.copy_of


def _choose(
    slot: Slot,
    slots: list[Slot],
    mine: list[SubmittedCell],
    known: Mapping[int, int],
    matches: CellMatches,
    taken: set[int],
    written: Written,
) -> None:
    question = slot.question
    edited = [p for p in mine if p.plain != slot.plain]
    for submitted in mine:
        written.used.add(submitted.place)
    if edited:
        kept = list({p.plain: p for p in edited}.values())
        if len(kept) > 1:
            cells = ", ".join(str(p.number) for p in kept)
            written.notes.append(f"{question}: written in cells {cells}; all of them stand in its cell.")
        if any(p.kind != "markdown" for p in kept):
            written.notes.append(f"{question}: its cell had become a {kept[0].kind} cell; its text is used.")
        how = matches.claimed.get(kept[-1].place, (None, "marker"))[1]
        written.choices[question] = _prose(kept, how, sure=len(kept) == 1)
        return
    near = _between(slot, known, matches, taken)
    if len(near) > MAX_NEAR:
        written.notes.append(f"{question}: {len(near)} cells of text stand where its answer belongs; none was taken.")
        near = []
    if mine and not near and (added := _added_above(slot, slots, matches)):
        written.choices[question] = _prose([added], "order", sure=False)
        written.notes.append(
            f"{question}: its own cell is unchanged; what was added to the question's text in cell {added.number} is "
            "taken for its answer. Please look."
        )
        return
    if not near:
        how = "untouched" if mine else "missing"
        written.choices[question] = Prose(slot.source, how, sure=bool(mine))
        if not mine:
            written.notes.append(f"{question}: no cell with its written answer was found; it counts as not written.")
        return
    written.used |= {p.place for p in near}
    written.choices[question] = _prose(near, "order", sure=False)
    cells = ", ".join(str(p.number) for p in near)
    was = "is unchanged" if mine else "is gone"
    written.notes.append(
        f"{question}: its own cell {was}; the text of cell {cells} is taken for its answer because it stands there. "
        "Please look."
    )


def _added_above(slot: Slot, slots: list[Slot], matches: CellMatches) -> SubmittedCell | None:
    """The lines that a student wrote into the question's own text, right above the cell for the answer."""
    above = slots[slot.at - 1] if slot.at else slot
    for submitted in matches.handed_in:
        if matches.copy_of.get(submitted.place) == above and above.role == "text" and submitted.plain != above.plain:
            ours = set(above.plain.split("\n"))
            added = "\n".join(line for line in submitted.plain.split("\n") if line not in ours).strip()
            if len(added) >= MIN_ADDED:
                return submitted.with_source(added)
    return None


def _between(slot: Slot, known: Mapping[int, int], matches: CellMatches, taken: set[int]) -> list[SubmittedCell]:
    """Prose without a match between the cells that frame a written answer."""
    if slot.at in known:
        low = known[slot.at]
    else:
        above = [at for at in known if at < slot.at]
        low = known[max(above)] if above else -1
    below = [place for at, place in known.items() if at > slot.at and place > low]
    high = min(below, default=float("inf"))
    return [
        p
        for p in matches.handed_in
        if low < p.place < high
        and p.kind != "code"
        and p.place not in matches.copy_of
        and p.place not in matches.claimed
        and p.place not in taken
    ]


def _prose(handed_in: list[SubmittedCell], how: str, *, sure: bool) -> Prose:
    attachments: dict[str, Any] = {}
    for submitted in handed_in:
        attachments |= submitted.attachments
    return Prose("\n\n".join(p.source for p in handed_in), how, sure, attachments)
