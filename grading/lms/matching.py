"""Which student of the gradebook a row of an LMS's table is."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from grading.intake.record import Record
from grading.lms.roster import Person, Roster, plain, squeezed
from grading.lms.whose import folded


class Matches:
    """Finds students of the gradebook for the people of an LMS's table.

    Args:
        students: ids in the gradebook.
        people: the course's own roster, whose ids these are; None without one.
        records: what `vitlab collect` noted of each student's hand-in.
    """

    def __init__(self, students: Collection[str], people: Roster | None, records: Mapping[str, Record]) -> None:
        self._students = {folded(student): student for student in students}
        self._people = list(people) if people is not None else []
        self._records = records

    def student(self, row: Person, kind: str) -> str | None:
        """The gradebook's id of a row's person; None when there is none, or when it could be several.

        Compared are, in this order: the id; the LMS's number; login, email and number at the university; the whole
        name, which must be one person's alone.
        """
        for found in (
            {folded(row.id)},
            self._by_number(row, kind),
            {folded(one.id) for one in self._people if one.keys & row.keys},
            {folded(key) for key in row.keys},
            self._by_name(row),
        ):
            there = {self._students[one] for one in found if one in self._students}
            if len(there) == 1:
                return there.pop()
            if there:
                return None
        return None

    def _by_number(self, row: Person, kind: str) -> set[str]:
        number = row.numbers.get(kind, "")
        if not number:
            return set()
        found = {folded(one.id) for one in self._people if one.numbers.get(kind) == number}
        noted = {folded(s) for s, record in self._records.items() if record.number == number and record.source == kind}
        return found | noted

    def _by_name(self, row: Person) -> set[str]:
        names = {plain(name) for name in row.names}
        found = {folded(one.id) for one in self._people if names & {plain(name) for name in one.names}}
        if self._people:
            return found
        for student, record in self._records.items():
            spelling = record.name or student
            alike = plain(spelling) in names
            if record.source == "canvas":
                alike = alike or any(spelling.lower().replace("_", "") in squeezed(name) for name in row.names)
            if alike:
                found.add(folded(student))
        return found | {one for one, student in self._students.items() if plain(student) in names}
