"""Where the student's own cells go, so that what an answer needs is defined when its check runs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from grading.intake.cells import Slot, SubmittedCell, of_role
from grading.intake.code_analysis import Code, look

MAX_MOVED = 50  # cells of one submission
NOTHING = Code(True)


@dataclass
class Layout:
    """The student's own cells by the index of the slot they stand before or after, each list in the student's order."""

    before: dict[int, list[SubmittedCell]] = field(default_factory=dict)
    after: dict[int, list[SubmittedCell]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def order(self, count: int) -> list[SubmittedCell | int]:
        """The whole notebook: slots by index, and submitted cells."""
        found: list[SubmittedCell | int] = [*self.after.get(-1, [])]
        for at in range(count):
            found += [*self.before.get(at, []), at, *self.after.get(at, [])]
        return found


def lay_out(
    slots: list[Slot],
    sources: Mapping[int, str],
    extras: list[SubmittedCell],
    anchors: Mapping[int, int],
    early: Mapping[int, int],
) -> Layout:
    """Put each extra after the cell it followed, and early enough for the answers that need it.

    Args:
        sources: what each slot will hold.
        anchors: by place of a submitted cell with a slot, the slot's index.
        early: by place of an extra, the index of a slot that it must stand before.
    """
    layout = Layout()
    first = min((slot.at for slot in of_role(slots, "bootstrap")), default=-1)
    ours = [(slot.at, look(slot.source).binds) for slot in of_role(slots, "bootstrap", "setup")]
    places = sorted(anchors)
    for submitted in extras:
        if submitted.place in early:
            layout.before.setdefault(early[submitted.place], []).append(submitted)
            continue
        above = bisect_left(places, submitted.place)
        at = anchors[places[above - 1]] if above else -1
        if submitted.kind == "code":  # never before our own cells that it needs
            at = max([at, first, *(at for at, binds in ours if binds & submitted.code.early)])
        layout.after.setdefault(at, []).append(submitted)
    code = {slot.at: look(sources[slot.at]) for slot in slots if slot.kind == "code"}
    moves = 0
    for slot in of_role(slots, "answer"):
        while moves < MAX_MOVED and _supply(slot, slots, code, layout):
            moves += 1
    return layout


def _supply(slot: Slot, slots: list[Slot], code: Mapping[int, Code], layout: Layout) -> bool:
    """Move one cell that this answer needs, and that stands too late, in front of it; False when there is none."""
    check = next((s.at for s in of_role(slots, "check") if s.question == slot.question), slot.at)
    order = layout.order(len(slots))
    here, there = order.index(slot.at), order.index(check)
    looks = [_code(item, code) for item in order]
    front = [code[slot.at], *(p.code for p in layout.before.get(slot.at, []) if p.kind == "code")]
    called = _union(c.reads for c in front) - _union(c.binds for c in looks[:there])
    running = _union(c.early for c in front) - _union(c.binds for c in [*looks[:here], code[slot.at]])
    late = [
        (item, found)
        for at, (item, c) in enumerate(zip(order, looks, strict=True))
        if at > here and (found := c.binds & (called | running if at > there else running))
    ]
    submitted, names = next(((i, found) for i, found in late if isinstance(i, SubmittedCell)), (None, frozenset[str]()))
    if submitted is None and not late:  # a helper in a cell that is no longer code
        anywhere = _union(c.binds for c in looks)
        texts = [item for item in order if isinstance(item, SubmittedCell) and item.kind != "code"]
        submitted = next((p for p in texts if p.binds & called - anywhere), None)
        names = submitted.binds & called if submitted else names
    if submitted is None:
        if late:
            missing = ", ".join(sorted(_union(found for _, found in late)))
            layout.notes.append(f"{slot.question}: it needs {missing}, which is only defined further down.")
        return False
    for handed_in in (*layout.before.values(), *layout.after.values()):
        handed_in[:] = [p for p in handed_in if p.place != submitted.place]
    if submitted.kind != "code":
        kind = submitted.kind
        layout.notes.append(f"{slot.question}: cell {submitted.number} had become a {kind} cell; its code is used.")
        submitted = submitted.with_source(submitted.python, kind="code")
    layout.before.setdefault(slot.at, []).append(submitted)
    layout.before[slot.at].sort(key=lambda p: p.place)
    layout.notes.append(
        f"{slot.question}: cell {submitted.number} defines {', '.join(sorted(names))}, which it needs; it now stands "
        "before it."
    )
    return True


def _code(item: SubmittedCell | int, code: Mapping[int, Code]) -> Code:
    if isinstance(item, SubmittedCell):
        return item.code if item.kind == "code" else NOTHING
    return code.get(item, NOTHING)


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)
