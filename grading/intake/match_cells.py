"""Which cell of the released notebook each of the student's cells is a copy of, and what they wrote into ours."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from grading.intake.cells import FIXED, Slot, SubmittedCell, of_role
from grading.intake.code_analysis import look, statements, without_checks

ALIKE = 0.6  # share of lines in common, below which a changed cell is not taken for a copy
MAX_COMPARED = 400  # pairs of cells compared line by line
MAX_LINES = 300
MAX_COPIES = 5  # of one of our cells that are looked into
RESERVED = frozenset({"check", "ready", "helpers"})


@dataclass
class CellMatches:
    """What is known after looking at identity alone.

    Attributes:
        copy_of: by the cell's place, the slot that it copies, for cells that hold no answer (text, demonstration,
            setup, check).
        claimed: by the cell's place, the answer or written slot it claims by "grade id" or "cell id".
        handed_in: all cells in order; statements that the student put into setup and check cells are cells of their
            own.
        check_places: by question, where in the student's notebook it is checked.
    """

    copy_of: dict[int, Slot] = field(default_factory=dict)
    claimed: dict[int, tuple[Slot, str]] = field(default_factory=dict)
    handed_in: list[SubmittedCell] = field(default_factory=list)
    check_places: dict[str, list[int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def match_cells(slots: list[Slot], handed_in: list[SubmittedCell]) -> CellMatches:
    """Tell copies of our cells from answers and from the student's own cells."""
    matches = CellMatches()
    answers = of_role(slots, "answer")
    names = frozenset().union(*(slot.names for slot in answers))
    sources = Counter(slot.plain for slot in slots)
    exact = {slot.plain: slot for slot in slots if sources[slot.plain] == 1 and slot.role != "written"}
    by_grade_id = {slot.grade_id: slot for slot in slots if slot.grade_id}
    by_id = {slot.id: slot for slot in slots if slot.id}
    checks = {slot.question: slot for slot in of_role(slots, "check")}
    for submitted in handed_in:
        signals = (
            (exact.get(submitted.plain), "same text"),
            (by_grade_id.get(submitted.grade_id), "grade id"),
            (by_id.get(submitted.id), "cell id"),
            (_called_check(submitted, checks, names), "check"),
        )
        slot, how = next(((s, h) for s, h in signals if s is not None), (None, ""))
        if slot is None:
            continue
        if slot.role in ("answer", "written"):
            matches.claimed[submitted.place] = (slot, how)
        elif submitted.plain == slot.plain or _fits(submitted, slot, names):
            matches.copy_of[submitted.place] = slot
    _by_likeness(slots, handed_in, matches, names)
    copies: Counter[int] = Counter()
    for submitted in handed_in:
        copied_slot = matches.copy_of.get(submitted.place)
        if copied_slot is not None and copied_slot.role == "check":
            matches.check_places.setdefault(copied_slot.question, []).append(submitted.place)
        for question in submitted.code.checks if submitted.kind == "code" else ():
            matches.check_places.setdefault(question, []).append(submitted.place)
        if copied_slot is not None and copied_slot.role in FIXED:
            copies[copied_slot.at] += 1
            matches.handed_in += (
                _carve(submitted, copied_slot, matches) if copies[copied_slot.at] <= MAX_COPIES else [submitted]
            )
        elif submitted.kind == "code" and copied_slot is None and submitted.code.checks & checks.keys():
            # Our check cells ask; asked twice, an answer costs twice, and a record too many looks like a forgery.
            matches.handed_in.append(submitted.with_source(without_checks(submitted.source)))
        else:
            matches.handed_in.append(submitted)
    return matches


def _called_check(submitted: SubmittedCell, checks: Mapping[str, Slot], names: frozenset[str]) -> Slot | None:
    """The check cell that a code cell repeats; a cell that answers too is not a check cell."""
    if submitted.kind != "code" or len(submitted.code.checks) != 1 or submitted.binds & names or submitted.markers:
        return None
    return checks.get(next(iter(submitted.code.checks)))


def _fits(submitted: SubmittedCell, slot: Slot, names: frozenset[str]) -> bool:
    """Whether a submitted cell with a slot's id can be its copy: a demonstration that became an answer can't."""
    if slot.role in FIXED:
        return True
    return submitted.kind == slot.kind and not submitted.binds & names


def _by_likeness(
    slots: list[Slot], handed_in: list[SubmittedCell], matches: CellMatches, names: frozenset[str]
) -> None:
    """Match edited text, demonstration and setup cells without ids: to the free slot with most lines in common."""
    taken = {slot.at for slot in matches.copy_of.values()}
    free = [slot for slot in of_role(slots, "text", "demo", "setup", "bootstrap") if slot.at not in taken]
    compared = 0
    for submitted in handed_in:
        if submitted.place in matches.copy_of or submitted.place in matches.claimed or submitted.binds & names:
            continue
        best: tuple[float, Slot | None] = (ALIKE, None)
        for slot in free:
            ours, theirs = slot.plain.split("\n"), submitted.plain.split("\n")
            if slot.kind != submitted.kind or compared >= MAX_COMPARED or len(theirs) > MAX_LINES:
                continue
            compared += 1
            matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
            if matcher.quick_ratio() > best[0] and (ratio := matcher.ratio()) > best[0]:
                best = (ratio, slot)
        if best[1] is not None:
            matches.copy_of[submitted.place] = best[1]
            free.remove(best[1])


def _carve(submitted: SubmittedCell, slot: Slot, matches: CellMatches) -> list[SubmittedCell]:
    """A copy of one of our cells: what the student added becomes a cell of its own, the rest is ours again.

    Kept are statements that bind new names and imports; what they change in our own statements is dropped.
    """
    if submitted.plain == slot.plain:
        return [submitted]
    ours = look(slot.source)
    if submitted.kind == "code" and submitted.code.shape == ours.shape and ours.shape:
        return [submitted]
    kept = []
    shapes = {look(text).shape for text, _ in statements(slot.source)}
    for text, bound in statements(submitted.python):
        code = look(text)
        if code.shape in shapes or code.checks == {slot.question}:
            continue
        new = bound - ours.binds - RESERVED
        if new and (new == bound or text.lstrip().startswith(("import ", "from "))):
            kept.append(text)
    cell = f"cell {submitted.number}"
    what = f"the {slot.role} cell" + (f" of {slot.question}" if slot.question else "")
    if not submitted.code.parsed:
        matches.notes.append(f"{cell}: {what} was changed and is not valid Python any more; the original is used.")
    elif kept:
        matches.notes.append(
            f"{cell}: {what} was changed; the original is used, and what was added to it stands in a cell of its own."
        )
    else:
        matches.notes.append(f"{cell}: {what} was changed; the original is used.")
    if not kept:
        return [submitted]
    # A name added to the setup may need what the setup imports; one added to a check is needed by the check.
    place = submitted.place + (-1 if slot.role == "check" else 1)
    extra = SubmittedCell(place, "code", "\n".join(kept), carved=True)
    return [extra, submitted] if slot.role == "check" else [submitted, extra]
