"""Puts together what was cut in the middle of a definition: the parts alone aren't Python, joined they are."""

from __future__ import annotations

import re
from itertools import pairwise

from grading.intake.cells import SubmittedCell
from grading.intake.code_analysis import look
from grading.intake.match_cells import CellMatches

MAX_PARTS = 5  # of one definition
MAX_STRAYS = 20  # parts that stand alone and are looked at
_METHOD = re.compile(r"\s+(?:async )?def \w+\((?:self|cls)\b")


def join_parts(matches: CellMatches, notes: list[str]) -> None:
    """Join parts that stand together, and parts that were moved apart but share a grade id; note what is left over."""
    _join_neighbours(matches, notes)
    parts = {submitted.place: submitted for submitted in matches.handed_in}
    strays = [p for p in matches.handed_in if p.kind == "code" and p.place not in matches.copy_of and _inside(p)]
    for place in [submitted.place for submitted in strays[:MAX_STRAYS]]:
        slot, how = matches.claimed.get(place, (None, ""))
        if slot is not None and how == "grade id":
            family = [p for p in parts if p != place and matches.claimed.get(p, (None, ""))[0] == slot]
            start = next((p for p in family[:MAX_PARTS] if _continues(parts[p], parts[place], matches)), None)
            if start is not None:
                parts[start] = _join(parts[start], parts.pop(place), notes)
                continue
        of = f"{slot.question}: " if slot is not None else ""
        notes.append(f"{of}cell {parts[place].number} begins in the middle of a definition; it is kept as it is.")
    matches.handed_in = list(parts.values())


def _join_neighbours(matches: CellMatches, notes: list[str]) -> None:
    joined: list[SubmittedCell] = []
    handed_in, at = matches.handed_in, 0
    while at < len(handed_in):
        whole, at = handed_in[at], at + 1
        for _ in range(MAX_PARTS):
            parts = handed_in[at : at + _following(whole, handed_in[at : at + MAX_PARTS], matches)]
            for part in parts:
                if whole.place not in matches.claimed and part.place in matches.claimed:
                    matches.claimed[whole.place] = matches.claimed[part.place]
                whole = _join(whole, part, notes)
            at += len(parts)
        joined.append(whole)
    matches.handed_in = joined


def _following(whole: SubmittedCell, after: list[SubmittedCell], matches: CellMatches) -> int:
    """How many of the cells after this one it takes to make it Python again; 0 when there is nothing to join."""
    source = whole.source
    for count, (before, part) in enumerate(pairwise([whole, *after]), 1):
        if not _may_continue(before, part, matches):
            return 0
        source = f"{source}\n{part.source}"
        if look(source).parsed:
            return count
    return 0


def _join(before: SubmittedCell, submitted: SubmittedCell, notes: list[str]) -> SubmittedCell:
    notes.append(f"cells {before.number} and {submitted.number}: one definition cut in two; they were joined.")
    return before.with_source(f"{before.source}\n{submitted.source}")


def _inside(submitted: SubmittedCell) -> bool:
    """Whether it begins inside a definition; a whole cell that was only shifted to the right does not."""
    start = submitted.source.lstrip("\n")
    return start[:1] in (" ", "\t") and (not submitted.binds or bool(_METHOD.match(start)))


def _continues(before: SubmittedCell, submitted: SubmittedCell, matches: CellMatches) -> bool:
    return _may_continue(before, submitted, matches) and look(f"{before.source}\n{submitted.source}").parsed


def _may_continue(before: SubmittedCell, submitted: SubmittedCell, matches: CellMatches) -> bool:
    """Whether a cut between them is likely: one of them isn't Python, or both are indented where they meet."""
    if (
        {before.kind, submitted.kind} != {"code"}
        or before.place in matches.copy_of
        or submitted.place in matches.copy_of
    ):
        return False
    start = submitted.source.lstrip("\n")
    if (start.startswith("#") and submitted.markers) or before.carved or submitted.carved:
        return False
    if before.code.parsed and not before.binds:
        return False
    indents = (" ", "\t")
    ends = before.source.rstrip().split("\n")[-1]
    return not before.code.parsed or not submitted.code.parsed or (start[:1] in indents and ends[:1] in indents)
