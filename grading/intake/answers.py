"""Which of the student's cells answers each question.

Among cells that could be meant, a finished one beats one with blanks, which beats one that is untouched. Of several
that are equally far the one is taken that the student's last check of that question saw: the last one above it.
Without any check the last one counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from grading.intake.cells import Slot, SubmittedCell, of_role
from grading.intake.code_analysis import definitions, look, statements, syntax_error
from grading.intake.match_cells import CellMatches
from grading.intake.rejoin_cells import join_parts

UNTOUCHED, NAMELESS, BROKEN, BEGUN_AS_TEXT, BEGUN, DONE_AS_TEXT, DONE = range(7)
MAX_VERSIONS = 20  # of one answer that are looked at: the last ones


@dataclass(frozen=True)
class Choice:
    """What goes into an answer's slot.

    Attributes:
        how: "grade id", "cell id", "marker", "name" or "order"; "untouched"; "missing".
        sure: False when a person should look.
        submitted: None when the template's own text stays.
    """

    source: str
    how: str
    sure: bool = True
    submitted: SubmittedCell | None = None


@dataclass
class Answers:
    """All choices.

    Attributes:
        early: places of other versions that must stand before their question's slot, with its index: later they would
            undo the answer.
        dropped: places of untouched copies.
    """

    choices: dict[str, Choice] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)
    early: dict[int, int] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def choose_answers(slots: list[Slot], matches: CellMatches) -> Answers:
    """Decide for every answer slot; `matches.handed_in` loses those that were joined to the one before."""
    answers = Answers()
    join_parts(matches, answers.notes)
    targets = of_role(slots, "answer")
    matches.handed_in = [_without_stubs(submitted, targets) for submitted in matches.handed_in]
    for slot in targets:
        _choose(slot, targets, matches, answers)
    for slot in targets:
        if answers.choices[slot.question].how == "missing":
            _by_order(slot, slots, matches, answers)
    _share(targets, answers)
    return answers


def _choose(slot: Slot, targets: list[Slot], matches: CellMatches, answers: Answers) -> None:
    others = frozenset().union(*(t.names for t in targets if t.at != slot.at)) - slot.names
    signs = []
    for submitted in matches.handed_in:
        if (how := _signal(submitted, slot, others, matches)) and submitted.place not in matches.copy_of:
            signs.append((submitted, how))
    found = [(_fitness(submitted, slot, how), submitted, how) for submitted, how in signs[-MAX_VERSIONS:]]
    if any(level > UNTOUCHED and how != "name" for level, _, how in found):
        rivals = [t for t in targets if t.at != slot.at and t.names & slot.names]
        found = [(f, p, how) for f, p, how in found if how != "name" or not _speaks_for(p, rivals, matches)]
    if not found:
        answers.choices[slot.question] = Choice(slot.source, "missing", sure=False)
        return
    top = max(level for level, _, _ in found)
    best = [(submitted, how) for level, submitted, how in found if level == top]
    checks = matches.check_places.get(slot.question, [])
    last = max(checks, default=-1)
    seen = [(p, h) for p, h in best if p.place <= last]
    submitted, how = max(seen or best, key=lambda candidate: candidate[0].place)
    if len({p.plain for p, _ in best}) > 1 and top > UNTOUCHED:
        cells = ", ".join(str(p.number) for p, _ in best[-6:])
        why = "the last one above its last check" if seen else "the last one"
        answers.notes.append(f"{slot.question}: answered in cells {cells}; cell {submitted.number} is graded, {why}.")
    answers.choices[slot.question] = _choice(slot, submitted, how, top, answers)
    for level, other, _ in found:
        if other is submitted:
            continue
        if other.plain in (submitted.plain, slot.plain) or (level == UNTOUCHED and not _more_than(other, slot)):
            answers.dropped.add(other.place)
        elif other.binds & slot.names and (level < top or not checks or other.place <= last):
            answers.early[other.place] = slot.at


def _speaks_for(submitted: SubmittedCell, rivals: list[Slot], matches: CellMatches) -> bool:
    """Whether a submitted cell is, by its id or marker, the answer of another question that asks for the same name."""
    claimed, _ = matches.claimed.get(submitted.place, (None, ""))
    return any(claimed is rival or rival.question in submitted.markers for rival in rivals)


def _without_stubs(submitted: SubmittedCell, targets: list[Slot]) -> SubmittedCell:
    """A cell that defines a name twice, once as we gave it out, without that untouched copy."""
    if submitted.kind != "code" or not (submitted.code.parsed and submitted.code.blank):
        return submitted
    for slot in targets:
        if not submitted.binds & slot.names:
            continue
        mine = [(text, look(text).shape) for text, bound in statements(submitted.source) if bound & slot.names]
        stubs = {look(text).shape for text, bound in statements(slot.source) if bound & slot.names}
        untouched = [text for text, shape in mine if shape in stubs]
        if untouched and len(untouched) < len(mine):
            for text in untouched:
                submitted = submitted.with_source(submitted.source.replace(text, "", 1))
    return submitted


def _choice(slot: Slot, submitted: SubmittedCell, how: str, level: int, answers: Answers) -> Choice:
    question, cell, names = slot.question, f"cell {submitted.number}", " and ".join(sorted(slot.names))
    if level == UNTOUCHED:
        mine = (
            how != "name"
            and submitted.kind == slot.kind
            and submitted.plain != slot.plain
            and not _more_than(submitted, slot)
        )
        source = submitted.source if mine and submitted.source.strip() else slot.source
        return Choice(source, "untouched", submitted=None if _more_than(submitted, slot) else submitted)
    if submitted.kind != "code":
        answers.notes.append(f"{question}: {cell} had become a {submitted.kind} cell; its code is used.")
    if error := syntax_error(submitted.python):
        answers.notes.append(f"{question}: {cell} has a syntax error ({error}); it is placed as it is.")
    if level == NAMELESS:
        answers.notes.append(f"{question}: {cell} is its answer but doesn't define {names}, which its check looks for.")
    return Choice(submitted.python, how, submitted=submitted)


def _signal(submitted: SubmittedCell, slot: Slot, others: frozenset[str], matches: CellMatches) -> str:
    """How a submitted cell shows that it is about this question; "" when it doesn't."""
    named = bool(submitted.binds & slot.names)
    if submitted.binds & others and not named:
        return ""  # whatever its ids say, it answers something else
    claimed, how = matches.claimed.get(submitted.place, (None, ""))
    if claimed is not None and claimed.at == slot.at:
        return how if how != "same text" else "grade id"
    if slot.question in submitted.markers and (submitted.kind == "code" or named):
        return "marker"
    return "name" if named else ""


def _fitness(submitted: SubmittedCell, slot: Slot, how: str) -> int:
    code, stub = submitted.code, look(slot.source)
    if submitted.plain == slot.plain or not submitted.python.strip():
        return UNTOUCHED
    if not submitted.binds & slot.names:
        return NAMELESS
    if not code.parsed:
        return BROKEN
    if code.shape == stub.shape:
        return UNTOUCHED if submitted.kind == slot.kind else NAMELESS
    part, given = look(definitions(submitted.python, slot.names)), look(definitions(slot.source, slot.names))
    text = submitted.kind != "code"
    if part.shape == given.shape and given.blank:
        return UNTOUCHED if how == "name" else (BEGUN_AS_TEXT if text else BEGUN)
    # A cell of two answers may hold the other one's blanks; what the definition itself needs must be filled in.
    blank = part.blank or (part.shape == given.shape and code.blank)
    if blank:
        return BEGUN_AS_TEXT if text else BEGUN
    return DONE_AS_TEXT if text else DONE


def _more_than(submitted: SubmittedCell, slot: Slot) -> bool:
    """Whether a submitted cell holds more than this answer's untouched text, for instance a second answer."""
    return bool(submitted.binds - look(slot.source).binds) and submitted.code.shape != look(slot.source).shape


def _by_order(slot: Slot, slots: list[Slot], matches: CellMatches, answers: Answers) -> None:
    """The one unknown code cell where this answer should stand, when there is exactly one."""
    known = {slot.at: place for place, slot in matches.copy_of.items()}
    for other in of_role(slots, "answer"):
        chosen = answers.choices[other.question].submitted
        if chosen is not None:
            known[other.at] = chosen.place
    above = [place for at, place in known.items() if at < slot.at]
    below = [place for at, place in known.items() if at > slot.at]
    low, high = max(above, default=-1), min(below, default=float("inf"))
    names = frozenset().union(*(s.names for s in of_role(slots, "answer")))
    near = [
        submitted
        for submitted in matches.handed_in
        if low < submitted.place < high
        and submitted.kind == "code"
        and not submitted.carved
        and submitted.place not in matches.copy_of.keys() | answers.used | answers.early.keys() | answers.dropped
        and not submitted.binds & names
    ]
    wanted = " and ".join(sorted(slot.names))
    if len(near) == 1 and above and below:
        submitted = near[0]
        answers.choices[slot.question] = Choice(submitted.python, "order", sure=False, submitted=submitted)
        answers.notes.append(
            f"{slot.question}: no cell carries its mark or defines {wanted}; cell {submitted.number} is taken for its "
            "answer because it stands where the answer belongs. Please look."
        )
    else:
        answers.notes.append(
            f"{slot.question}: no cell with its answer ({wanted}) was found; it counts as not started."
        )


def _share(targets: list[Slot], answers: Answers) -> None:
    """A cell that answers several questions goes whole into the first; the others get their definitions from it."""
    first: dict[int, str] = {}
    for slot in targets:
        choice = answers.choices[slot.question]
        if choice.submitted is None:
            continue
        place = choice.submitted.place
        answers.used.add(place)
        answers.early.pop(place, None)
        if choice.how == "untouched" or place not in first:
            first.setdefault(place, slot.question)
            continue
        part = definitions(choice.source, slot.names)
        if part:
            heading = "" if part.startswith(f"# {slot.question}") else f"# {slot.question}\n"
            answers.choices[slot.question] = Choice(heading + part, choice.how, choice.sure, choice.submitted)
        answers.notes.append(
            f"{slot.question}: answered in cell {choice.submitted.number} together with {first[place]}; its "
            "definition is repeated here."
        )
    answers.dropped -= answers.used
