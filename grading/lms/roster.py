"""Who is in the class: one CSV, as an LMS writes it or as a person types it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grading.course import CourseError
from grading.intake.find_submissions import usable_name
from grading.lms.columns import WORDS, bare, heads_of, moodle_columns, named_columns
from grading.tables import Table, read_table

FILE = "roster.csv"
EXAMPLE = ("jdoe", "Jane", "Doe", "jane@example.org")  # the row that `vitlab init` writes, to be replaced
_OWN_ID = ("id", "student_id", "student id", "user_id")
_CANVAS_ID = ("canvas_id", "canvas id", "canvas number")
_MOODLE_ID = ("moodle_id", "moodle id", "moodle number")
_CANVAS_FIELDS = ("sis login id", "sis user id", "section", "integration id", "root account")
_NEEDED = (
    "`id`; or Canvas's own columns (Student, ID, SIS Login ID: from Grades, Export); or Moodle's grading worksheet "
    "(Identifier, Full name: from View all submissions, Download grading worksheet); or a name and an email"
)


@dataclass(frozen=True)
class Person:
    """One student.

    Attributes:
        id: the student's id everywhere in the course: folder, gradebook, report.
        names: spellings of the name.
        keys: what else an LMS may call the person: email, login, numbers; lower-case.
        number: the LMS's own number, as it stands in the names of downloaded files.
        row: the roster's row as it was read.
        numbers: the person's number by system: "canvas", "moodle".
        first, last, email: as formgrader shows them; "" when not known.
        at: index of the row in the table.
    """

    id: str
    names: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    number: str = ""
    row: Mapping[str, str] = field(default_factory=dict)
    numbers: Mapping[str, str] = field(default_factory=dict)
    first: str = ""
    last: str = ""
    email: str = ""
    at: int = -1

    @property
    def name(self) -> str:
        return self.names[0] if self.names else self.id


@dataclass(frozen=True)
class Roster:
    """A class.

    Attributes:
        kind: "canvas", "moodle" or "plain".
        above: Canvas's rows that are no student, such as "Points Possible", and its test student.
        table: the file as it was read.
        where: for Moodle, index of a column by its meaning.
    """

    people: tuple[Person, ...]
    columns: tuple[str, ...] = ()
    kind: str = "plain"
    above: tuple[Mapping[str, str], ...] = ()
    table: Table = field(default_factory=lambda: Table((), ()))
    where: Mapping[str, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Person]:
        return iter(self.people)

    def __len__(self) -> int:
        return len(self.people)

    @property
    def names(self) -> dict[str, str]:
        """Name by student id."""
        return {person.id: person.name for person in self.people}


def course_roster(root: Path) -> Roster | None:
    """The course's own `roster.csv`; None when there is none, or only the example that `vitlab init` wrote.

    Raises:
        CourseError: it is there and cannot be understood.
    """
    path = root / FILE
    if not path.is_file():
        return None
    try:
        lines = [line.strip() for line in path.read_text("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    if len(lines) < 2 or lines[1:] == [",".join(EXAMPLE)]:
        return None
    return read_roster(path)


def read_roster(path: Path) -> Roster:
    """Read a roster: UTF-8, UTF-16 or Windows' encoding; comma, semicolon or tab.

    Understood are Canvas's gradebook export (also with first and last names apart), Moodle's grading worksheet in the
    languages of `columns`, nbgrader's students CSV (id, first_name, last_name, email), and any CSV with a column `id`,
    or a name and an email.

    Raises:
        CourseError: no such file, no column that names a student, no row, or an id that stands twice.
    """
    table = read_table(path, "the roster")
    kind, where = _kind(table)
    people: list[Person] = []
    above: list[Mapping[str, str]] = []
    for at, cells in enumerate(table.rows):
        row = dict(zip(table.heads, cells, strict=True))
        person = _moodle(table, cells, row, where, at) if kind == "moodle" else _listed(table, cells, row, kind, at)
        if person is None:
            above.append(row)
        else:
            people.append(person)
    if not people:
        raise CourseError(f"the roster {path} names no student: its columns are {heads_of(table)}; expected {_NEEDED}")
    ids = [person.id.casefold() for person in people]
    twice = sorted({person.id for person in people if ids.count(person.id.casefold()) > 1})
    if twice:
        raise CourseError(f"the roster {path} has {', '.join(twice[:5])} more than once: an id stands for one student")
    return Roster(tuple(people), table.heads, kind, tuple(above), table, where)


def _kind(table: Table) -> tuple[str, dict[str, int]]:
    lowered = {bare(head) for head in table.heads}
    named = "student" in lowered or {"lastname", "firstname"} <= lowered or {"last name", "first name"} <= lowered
    if named and "id" in lowered and lowered & set(_CANVAS_FIELDS):
        return "canvas", {}
    where = moodle_columns(table)
    return ("moodle", where) if where else ("plain", {})


def _moodle(
    table: Table, cells: tuple[str, ...], row: Mapping[str, str], where: Mapping[str, int], at: int
) -> Person | None:
    """A row of the worksheet. With blind marking there is a number and nothing else."""
    number = re.sub(r"\D", "", cells[where["identifier"]])

    def cell(meaning: str) -> str:
        return cells[where[meaning]] if meaning in where else ""

    parts = named_columns(table, ("first", "last"))
    name = cell("name")
    if not name and parts:
        name = " ".join(cells[parts[part]] for part in ("first", "last") if part in parts).strip()
    identity = cell("username") or cell("idnumber") or cell("email") or number
    return _person(identity, [name] if name else [], cell("email"), {"moodle": number}, row, at, {cell("idnumber")})


def _listed(table: Table, cells: tuple[str, ...], row: Mapping[str, str], kind: str, at: int) -> Person | None:
    low = {bare(head): value for head, value in zip(table.heads, cells, strict=True) if value}

    def first(*heads: str) -> str:
        return next((low[head] for head in heads if low.get(head)), "")

    where = named_columns(table, ("first", "last", "email", "username", "idnumber"))

    def cell(meaning: str) -> str:
        return cells[where[meaning]] if meaning in where else ""

    name = first(*WORDS["name"])
    if kind == "canvas" and _no_student(name or cells[0], low):
        return None
    given, family = cell("first"), cell("last")
    names = [name] if name else []
    if given or family:
        names.append(f"{given} {family}".strip())
    if "," in name:
        behind, _, before = name.partition(",")
        names.insert(0, f"{before.strip()} {behind.strip()}")
        given, family = given or before.strip(), family or behind.strip()
    email = cell("email")
    numbers: dict[str, str] = {}
    if kind == "canvas":
        numbers["canvas"] = low["id"]
        identity = first("sis login id", "login id", "sis user id") or low["id"]
    else:
        for system, heads in (("canvas", _CANVAS_ID), ("moodle", _MOODLE_ID)):
            if digits := re.sub(r"\D", "", first(*heads)):
                numbers[system] = digits
        identity = first(*_OWN_ID) or cell("username") or first("sis login id", "login id") or cell("idnumber") or email
        identity = identity or next(iter(numbers.values()), "") or (names[0] if names and len(table.heads) > 1 else "")
    more = {first("sis login id"), first("sis user id"), cell("idnumber"), cell("username")}
    return _person(identity, names, email, numbers, row, at, more, given, family)


def _no_student(name: str, low: Mapping[str, str]) -> bool:
    """Canvas's second row, its row on muted assignments, and the student that a teacher tests with."""
    plain_name = bare(name)
    test = plain_name in ("student, test", "test student", "test, student")
    return not low.get("id") or plain_name.startswith("points possible") or test


def _person(
    identity: str, names: list[str], email: str, numbers: Mapping[str, str], row: Mapping[str, str], at: int,
    keys: set[str], first: str = "", last: str = "",
) -> Person | None:  # fmt: skip
    identity = usable_name(identity)
    if not identity:
        return None
    keys = {identity, email, *keys, *([email.split("@")[0]] if "@" in email else [])}
    if names and not (first or last):
        first, _, last = names[0].rpartition(" ")
    return Person(
        identity, tuple(dict.fromkeys(names)), frozenset(key.casefold() for key in keys if key),
        next(iter(numbers.values()), ""), row, dict(numbers), first, last, email, at,
    )  # fmt: skip


def plain(name: str) -> str:
    """A name without accents, case, punctuation and order: `Müller, Jörg` and `jorg muller` are alike."""
    text = name.replace("ß", "ss").replace("ø", "o").replace("ł", "l").replace("Ø", "o").replace("Ł", "l")
    decomposed = unicodedata.normalize("NFKD", text.lower())
    return " ".join(sorted(re.findall(r"\w+", "".join(c for c in decomposed if not unicodedata.combining(c)))))


def squeezed(name: str) -> frozenset[str]:
    """How Canvas squeezes a name into a file's name: family name and given names without spaces, in either order."""
    words = re.findall(r"\w+", plain(name))
    found = {"".join(words)}
    spellings = [unicodedata.normalize("NFC", name.lower())]
    decomposed = unicodedata.normalize("NFKD", spellings[0])
    spellings.append("".join(c for c in decomposed if not unicodedata.combining(c)))
    for spelling in spellings:
        ordered = re.findall(r"\w+", spelling)
        found |= {"".join(ordered), "".join(ordered[::-1])}
        found |= {"".join(ordered[cut:] + ordered[:cut]) for cut in range(len(ordered))}
    return frozenset(one for one in found if one)
