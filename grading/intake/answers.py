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
        piece: None when the template's own text stays.
    """

    source: str
    how: str
    sure: bool = True
    piece: SubmittedCell | None = None


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
    """Decide for every answer slot; `matches.pieces` loses those that were joined to the one before."""
    answers = Answers()
    join_parts(matches, answers.notes)
    targets = of_role(slots, "answer")
    matches.pieces = [_without_stubs(piece, targets) for piece in matches.pieces]
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
    for piece in matches.pieces:
        if (how := _signal(piece, slot, others, matches)) and piece.place not in matches.copy_of:
            signs.append((piece, how))
    found = [(_fitness(piece, slot, how), piece, how) for piece, how in signs[-MAX_VERSIONS:]]
    if any(level > UNTOUCHED and how != "name" for level, _, how in found):
        rivals = [t for t in targets if t.at != slot.at and t.names & slot.names]
        found = [(f, p, how) for f, p, how in found if how != "name" or not _speaks_for(p, rivals, matches)]
    if not found:
        answers.choices[slot.question] = Choice(slot.source, "missing", sure=False)
        return
    top = max(level for level, _, _ in found)
    best = [(piece, how) for level, piece, how in found if level == top]
    checks = matches.check_places.get(slot.question, [])
    last = max(checks, default=-1)
    seen = [(p, h) for p, h in best if p.place <= last]
    piece, how = max(seen or best, key=lambda candidate: candidate[0].place)
    if len({p.plain for p, _ in best}) > 1 and top > UNTOUCHED:
        cells = ", ".join(str(p.number) for p, _ in best[-6:])
        why = "the last one above its last check" if seen else "the last one"
        answers.notes.append(f"{slot.question}: answered in cells {cells}; cell {piece.number} is graded, {why}.")
    answers.choices[slot.question] = _choice(slot, piece, how, top, answers)
    for level, other, _ in found:
        if other is piece:
            continue
        if other.plain in (piece.plain, slot.plain) or (level == UNTOUCHED and not _more_than(other, slot)):
            answers.dropped.add(other.place)
        elif other.binds & slot.names and (level < top or not checks or other.place <= last):
            answers.early[other.place] = slot.at


def _speaks_for(piece: SubmittedCell, rivals: list[Slot], matches: CellMatches) -> bool:
    """Whether a piece is, by its id or marker, the answer of another question that asks for the same name."""
    claimed, _ = matches.claimed.get(piece.place, (None, ""))
    return any(claimed is rival or rival.question in piece.markers for rival in rivals)


def _without_stubs(piece: SubmittedCell, targets: list[Slot]) -> SubmittedCell:
    """A cell that defines a name twice, once as we gave it out, without that untouched copy."""
    if piece.kind != "code" or not (piece.code.parsed and piece.code.blank):
        return piece
    for slot in targets:
        if not piece.binds & slot.names:
            continue
        mine = [(text, look(text).shape) for text, bound in statements(piece.source) if bound & slot.names]
        stubs = {look(text).shape for text, bound in statements(slot.source) if bound & slot.names}
        untouched = [text for text, shape in mine if shape in stubs]
        if untouched and len(untouched) < len(mine):
            for text in untouched:
                piece = piece.with_source(piece.source.replace(text, "", 1))
    return piece


def _choice(slot: Slot, piece: SubmittedCell, how: str, level: int, answers: Answers) -> Choice:
    question, cell, names = slot.question, f"cell {piece.number}", " and ".join(sorted(slot.names))
    if level == UNTOUCHED:
        mine = how != "name" and piece.kind == slot.kind and piece.plain != slot.plain and not _more_than(piece, slot)
        source = piece.source if mine and piece.source.strip() else slot.source
        return Choice(source, "untouched", piece=None if _more_than(piece, slot) else piece)
    if piece.kind != "code":
        answers.notes.append(f"{question}: {cell} had become a {piece.kind} cell; its code is used.")
    if error := syntax_error(piece.python):
        answers.notes.append(f"{question}: {cell} has a syntax error ({error}); it is placed as it is.")
    if level == NAMELESS:
        answers.notes.append(f"{question}: {cell} is its answer but doesn't define {names}, which its check looks for.")
    return Choice(piece.python, how, piece=piece)


def _signal(piece: SubmittedCell, slot: Slot, others: frozenset[str], matches: CellMatches) -> str:
    """How a piece shows that it is about this question; "" when it doesn't."""
    named = bool(piece.binds & slot.names)
    if piece.binds & others and not named:
        return ""  # whatever its ids say, it answers something else
    claimed, how = matches.claimed.get(piece.place, (None, ""))
    if claimed is not None and claimed.at == slot.at:
        return how if how != "same text" else "grade id"
    if slot.question in piece.markers and (piece.kind == "code" or named):
        return "marker"
    return "name" if named else ""


def _fitness(piece: SubmittedCell, slot: Slot, how: str) -> int:
    code, stub = piece.code, look(slot.source)
    if piece.plain == slot.plain or not piece.python.strip():
        return UNTOUCHED
    if not piece.binds & slot.names:
        return NAMELESS
    if not code.parsed:
        return BROKEN
    if code.shape == stub.shape:
        return UNTOUCHED if piece.kind == slot.kind else NAMELESS
    part, given = look(definitions(piece.python, slot.names)), look(definitions(slot.source, slot.names))
    text = piece.kind != "code"
    if part.shape == given.shape and given.blank:
        return UNTOUCHED if how == "name" else (BEGUN_AS_TEXT if text else BEGUN)
    # A cell of two answers may hold the other one's blanks; what the definition itself needs must be filled in.
    blank = part.blank or (part.shape == given.shape and code.blank)
    if blank:
        return BEGUN_AS_TEXT if text else BEGUN
    return DONE_AS_TEXT if text else DONE


def _more_than(piece: SubmittedCell, slot: Slot) -> bool:
    """Whether a piece holds more than this answer's untouched text, for instance a second answer."""
    return bool(piece.binds - look(slot.source).binds) and piece.code.shape != look(slot.source).shape


def _by_order(slot: Slot, slots: list[Slot], matches: CellMatches, answers: Answers) -> None:
    """The one unknown code cell where this answer should stand, when there is exactly one."""
    known = {slot.at: place for place, slot in matches.copy_of.items()}
    for other in of_role(slots, "answer"):
        chosen = answers.choices[other.question].piece
        if chosen is not None:
            known[other.at] = chosen.place
    above = [place for at, place in known.items() if at < slot.at]
    below = [place for at, place in known.items() if at > slot.at]
    low, high = max(above, default=-1), min(below, default=float("inf"))
    names = frozenset().union(*(s.names for s in of_role(slots, "answer")))
    near = [
        piece
        for piece in matches.pieces
        if low < piece.place < high
        and piece.kind == "code"
        and not piece.carved
        and piece.place not in matches.copy_of.keys() | answers.used | answers.early.keys() | answers.dropped
        and not piece.binds & names
    ]
    wanted = " and ".join(sorted(slot.names))
    if len(near) == 1 and above and below:
        piece = near[0]
        answers.choices[slot.question] = Choice(piece.python, "order", sure=False, piece=piece)
        answers.notes.append(
            f"{slot.question}: no cell carries its mark or defines {wanted}; cell {piece.number} is taken for its "
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
        if choice.piece is None:
            continue
        place = choice.piece.place
        answers.used.add(place)
        answers.early.pop(place, None)
        if choice.how == "untouched" or place not in first:
            first.setdefault(place, slot.question)
            continue
        part = definitions(choice.source, slot.names)
        if part:
            heading = "" if part.startswith(f"# {slot.question}") else f"# {slot.question}\n"
            answers.choices[slot.question] = Choice(heading + part, choice.how, choice.sure, choice.piece)
        answers.notes.append(
            f"{slot.question}: answered in cell {choice.piece.number} together with {first[place]}; its definition is "
            "repeated here."
        )
    answers.dropped -= answers.used
