"""Hand-ins of groups: one file stands for all members."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from grading.course import CourseError
from grading.lms.columns import bare, heads_of
from grading.lms.handins import Choice, File
from grading.lms.roster import Person, Roster, plain, squeezed
from grading.lms.unpack import printable
from grading.lms.whose import folded
from grading.tables import read_table

_GROUP = (
    "group_name", "group name", "group", "team", "gruppe", "gruppenname", "groupe", "grupo", "gruppo", "groep", "grupp",
)  # fmt: skip


@dataclass(frozen=True)
class Groups:
    """Who works together.

    Attributes:
        members: ids of the roster by the group's name.
        strangers: what the list calls students that are not on the roster.
    """

    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strangers: tuple[str, ...] = ()

    def called(self, who: str) -> tuple[str, ...]:
        """The members of the group that an LMS wrote in the place of a student's name; Canvas squeezes it."""
        wanted = who.casefold().replace("_", "")
        found = [own for name, own in self.members.items() if wanted in squeezed(name) or plain(who) == plain(name)]
        return found[0] if wanted and len(found) == 1 else ()


def read_groups(path: Path, people: Roster) -> Groups:
    """Read a list of groups: a column for the group, and one or more that say who the student is.

    Understood are Canvas's group list (People, Groups, Download Group Roster CSV: canvas_user_id, login_id,
    group_name), a roster with a column `group`, and any CSV with `student` and `group`.

    Raises:
        CourseError: there is no such file, it has no column for the group, or a student is in two groups.
    """
    table = read_table(path, "the list of groups")
    heads = [bare(head) for head in table.heads]
    at = next((heads.index(name) for name in _GROUP if name in heads), None)
    if at is None:
        raise CourseError(
            f"{path} has the columns {heads_of(table)}; expected one for the group (group or group_name) and one for "
            "the student (student, id, login_id, email or canvas_user_id)"
        )
    known: dict[str, list[Person]] = {}
    for person in people:
        names = {plain(name) for name in person.names}
        for key in {folded(person.id), *person.keys, *(f"#{n}" for n in person.numbers.values()), *names}:
            known.setdefault(key, []).append(person)
    of: dict[str, str] = {}
    strangers: list[str] = []
    for row in table.rows:
        if not row[at]:
            continue
        cells = [cell for index, cell in enumerate(row) if index != at and cell]
        who = [one for cell in cells if (one := _who(cell, known)) is not None]
        if not who:
            strangers.append(printable(cells[0] if cells else "(nobody)", 60))
        elif (before := of.setdefault(who[0].id, row[at])) != row[at]:
            raise CourseError(f"{path} puts {who[0].id} into {before} and into {row[at]}; keep one row")
    members: dict[str, list[str]] = {}
    for student, group in of.items():
        members.setdefault(group, []).append(student)
    if not members:
        raise CourseError(f"{path} names no student of the roster, for instance {', '.join(strangers[:3]) or 'nobody'}")
    return Groups({group: tuple(own) for group, own in members.items()}, tuple(strangers))


def _who(cell: str, known: Mapping[str, list[Person]]) -> Person | None:
    for key in (folded(cell), f"#{cell}", plain(cell)):
        if len(found := known.get(key, [])) == 1:
            return found[0]
    return None


@dataclass(frozen=True)
class Shared:
    """One member's part in a group's hand-in: the group, and who handed in what is graded."""

    group: str
    by: str


def share(owned: dict[str, list[File]], choices: dict[str, Choice], groups: Groups, lesson: str) -> dict[str, Shared]:
    """Give every member of a group the file of the one who handed in; both mappings are changed.

    When members handed in different files, the one that `choose` would prefer is graded for all, and a person is told.
    """
    shared: dict[str, Shared] = {}
    ids = {folded(student): student for student in owned}
    for group, members in groups.members.items():
        here = {member: ids.get(folded(member), member) for member in members}
        came = {student: choices[student] for student in here.values() if student in choices}
        best = {student: choice.best for student, choice in came.items() if choice.best is not None}
        chosen = {student: one for student, one in best.items() if one is not None}
        if not chosen:
            continue
        by = max(chosen, key=lambda student: chosen[student].rank(lesson))
        doubts = list(choices[by].doubts)
        if len({one.digest for one in chosen.values()}) > 1:
            who = ", ".join(sorted(chosen))
            doubts.append(f"{who} of the group {printable(group, 60)!r} handed in different files; that of {by} is "
                          "graded for all: please look.")  # fmt: skip
        why = choices[by].why
        for student in here.values():
            shared[student] = Shared(group, by)
            if student == by:
                choices[student] = replace(choices[student], doubts=doubts)
                continue
            own = owned.get(student, [])
            choices[student] = Choice(choices[by].best, why, doubts, choices[by].unread, list(own))
            owned.setdefault(student, [])
    return shared
