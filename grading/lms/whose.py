"""Whose hand-in a name in a download means. No owner is guessed, and no student hands in for another."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from grading.intake.find_submissions import usable_name
from grading.lms.downloads import Layout, Named
from grading.lms.roster import Person, Roster, plain, squeezed

_STRENGTH = {"number": 3, "key": 2, "name": 1, "own": 0}


@dataclass(frozen=True)
class Claim:
    """A name that was matched: with whom, and by what ("number", "key", "name", "own" without a roster)."""

    student: str
    by: str


class Owners:
    """Matches what an LMS wrote with students.

    Args:
        roster: without one the LMS's own spelling becomes the student's id.
        named: all names of the download, so that two people of one name are seen.
    """

    def __init__(self, layout: Layout, roster: Roster | None, named: Iterable[Named]) -> None:
        self._layout, self._roster = layout, roster
        self._numbers: dict[str, set[str]] = {}
        for one in named:
            self._numbers.setdefault(one.who.casefold(), set()).add(one.number)
        system = layout.kind
        numbered = roster is not None and any(person.numbers.get(system) for person in roster)
        # names are hidden, and the roster has no numbers to find them by: students stay who they are for the LMS
        self.hidden = layout.blind and (system == "canvas" or not numbered)

    def claim(self, named: Named) -> tuple[Claim | None, str]:
        """(the claim, "") or (None, why it is refused)."""
        if self._roster is None or self.hidden:
            return self._own(named)
        people = list(self._roster)
        system = self._layout.kind
        by_number = [p for p in people if named.number and p.numbers.get(system) == named.number]
        who = named.who.strip().casefold()
        by_key = [p for p in people if who and not named.squeezed and who in p.keys]
        by_name = [p for p in people if who and _same_name(named, p)]
        shown = named.who or f"number {named.number}"
        if len(by_number) == 1:
            person = by_number[0]
            strangers = [p.id for p in (*by_key, *by_name) if p.id != person.id]
            if strangers and person not in (*by_key, *by_name):
                return None, f"its number is {person.id}'s and its name is {strangers[0]}'s"
            return Claim(person.id, "number"), ""
        for by, found in (("key", by_key), ("name", by_name)):
            if len(found) > 1:
                ids = ", ".join(p.id for p in found)
                return None, f"{shown} may be {ids}: give the roster the LMS's numbers"
            if len(found) == 1:
                theirs = found[0].numbers.get(system, "")
                if system == "canvas" and named.number and theirs and theirs != named.number:
                    return None, f"{shown} has the number {named.number}, and {found[0].id} on the roster has {theirs}"
                return Claim(found[0].id, by), ""
        if system == "canvas" and who.replace(",", "").replace(" ", "") in ("studenttest", "teststudent"):
            return None, "this is Canvas's test student, whom nobody grades"
        return None, f"{shown} is not on the roster"

    def _own(self, named: Named) -> tuple[Claim | None, str]:
        """Without a roster: the name, and the LMS's number where the name alone would mix people up."""
        name = named.who or f"participant {named.number}"
        apart = self._layout.kind == "canvas" or len(self._numbers.get(named.who.casefold(), ())) > 1
        if named.number and named.who and apart:
            name = f"{name}_{named.number}" if named.squeezed else f"{name} {named.number}"
        usable = usable_name(name)
        return (Claim(usable, "own"), "") if usable else (None, "its name holds nothing that could name a student")


def settle(claims: dict[str, list[tuple[str, str, Claim]]]) -> dict[str, str]:
    """Who loses when several people of the LMS claim to be one student.

    Args:
        claims: by student (folded, see `folded`) a list of (identity in the LMS, shown name, claim).

    Returns:
        by identity why it is refused. The best evidence (number, then login or email, then name) wins; of two alike
        none does.
    """
    refused: dict[str, str] = {}
    for own in claims.values():
        identities = dict.fromkeys(identity for identity, _, _ in own)
        if len(identities) < 2:
            continue
        strength = {identity: max(_STRENGTH[c.by] for i, _, c in own if i == identity) for identity in identities}
        best = [identity for identity in identities if strength[identity] == max(strength.values())]
        shown = {identity: name for identity, name, _ in own}
        student = own[0][2].student
        for identity in identities:
            if len(best) > 1:
                others = ", ".join(shown[one] for one in identities if one != identity)
                refused[identity] = f"it claims to be {student}, and so does {others}: rename one, or see who it is"
            elif identity != best[0]:
                refused[identity] = f"it claims to be {student}, whose hand-in is {shown[best[0]]}"
    return refused


def folded(student: str) -> str:
    """An id without case and Unicode form: what a disk may take for the same folder."""
    return unicodedata.normalize("NFKC", student).casefold()


def _same_name(named: Named, person: Person) -> bool:
    if named.squeezed:
        who = unicodedata.normalize("NFC", named.who).lower().replace("_", "")
        return any(who in squeezed(name) for name in person.names)
    spellings = {plain(named.who)}
    for at, character in enumerate(named.who):  # Moodle puts a group's name and a dash before a student's
        if character == "-":
            spellings.add(plain(named.who[at + 1 :]))
    return any(plain(name) in spellings for name in person.names if plain(name))
