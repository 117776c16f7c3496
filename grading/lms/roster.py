"""Who is in the class: one CSV, as an LMS writes it or as a person types it."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from grading.course import CourseError
from grading.intake.find_submissions import usable_name

# Column heads, lower-case, in the order of preference: ours, Canvas's gradebook export, Moodle's grading worksheet.
_ID: tuple[str, ...] = (
    "id",
    "student_id",
    "student id",
    "username",
    "sis login id",
    "login id",
    "sis user id",
    "id number",
    "email address",
)
_NAME = ("name", "full name", "student")
_FIRST, _LAST = ("first name", "first_name", "firstname"), ("last name", "last_name", "surname", "lastname")
_EMAIL = ("email address", "email", "e-mail")
_CANVAS_ID = ("canvas_id", "canvas id")
_MOODLE_ID = ("moodle_id", "identifier")


@dataclass(frozen=True)
class Person:
    """One student.

    Attributes:
        id: the student's id everywhere in the course: folder, gradebook, report.
        names: spellings of the name.
        keys: what else an LMS may call the person: email, login, numbers; lower-case.
        number: the LMS's own number, as it stands in the names of downloaded files.
        row: the roster's row as it was read.
    """

    id: str
    names: tuple[str, ...] = ()
    keys: frozenset[str] = frozenset()
    number: str = ""
    row: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.names[0] if self.names else self.id


@dataclass(frozen=True)
class Roster:
    people: tuple[Person, ...]
    columns: tuple[str, ...] = ()
    kind: str = "plain"  # "canvas", "moodle" or "plain"
    above: tuple[Mapping[str, str], ...] = ()  # Canvas's rows that are no student, such as "Points Possible"

    def __iter__(self):
        return iter(self.people)

    def __len__(self) -> int:
        return len(self.people)


def read_roster(path: Path) -> Roster:
    """Read a roster: UTF-8 (with or without BOM) or Latin-1, comma, semicolon or tab.

    Understood are Canvas's gradebook export, Moodle's grading worksheet, nbgrader's students CSV (id, first_name,
    last_name, email), and any CSV with a column `id`, or a name and an email.

    Raises:
        CourseError: no such file, no column that names a student, no row, or an id that stands twice.
    """
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise CourseError(f"the roster {path} can't be read: {error.strerror or error}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise CourseError(f"the roster {path} holds no student: expected a row of column heads and a row per student")
    split = max(",;\t", key=lines[0].count)
    reader = csv.DictReader(io.StringIO(text), delimiter=split, restkey="", restval="")
    rows = [{(k or "").strip(): (v or "").strip() for k, v in row.items() if isinstance(v, str)} for row in reader]
    columns = tuple((name or "").strip() for name in reader.fieldnames or ())
    kind = _kind(columns)
    people, above = [], []
    for row in rows:
        if not any(row.values()):
            continue
        person = _person(row, kind)
        if person is None:
            above.append(row)
        else:
            people.append(person)
    if not people:
        known = ", ".join(columns)
        raise CourseError(
            f"the roster {path} names no student: its columns are {known}; expected `id`, or Canvas's or Moodle's own"
        )
    ids = [person.id for person in people]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise CourseError(f"the roster {path} has {', '.join(twice[:5])} more than once: an id stands for one student")
    return Roster(tuple(people), columns, kind, tuple(above))


def _kind(columns: Iterable[str]) -> str:
    lowered = {name.lower() for name in columns}
    if {"student", "id"} <= lowered and {"sis login id", "sis user id", "section"} & lowered:
        return "canvas"
    if "identifier" in lowered and "full name" in lowered:
        return "moodle"
    return "plain"


def _person(row: Mapping[str, str], kind: str) -> Person | None:
    low = {name.lower(): value for name, value in row.items()}

    def first(*heads: str) -> str:
        return next((low[head] for head in heads if low.get(head)), "")

    name = first(*_NAME)
    if kind == "canvas" and (name.lower().startswith(("points possible", "test student")) or not low.get("id")):
        return None
    given, family = first(*_FIRST), first(*_LAST)
    names = [name] if name else []
    if given or family:
        names.append(f"{given} {family}".strip())
    if "," in name:
        family, _, given = name.partition(",")
        names.insert(0, f"{given.strip()} {family.strip()}")
    number, heads = "", _ID
    if kind == "canvas":
        number, heads = low["id"], tuple(h for h in _ID if h not in ("id", "student_id", "student id"))
    elif kind == "moodle":
        number = re.sub(r"\D", "", first(*_MOODLE_ID))
    else:
        number = re.sub(r"\D", "", first(*_CANVAS_ID, *_MOODLE_ID))
    identity = first(*heads) or number or (names[0] if names else "")
    if not identity:
        return None
    keys = {first(*_EMAIL), low.get("sis login id", ""), low.get("sis user id", ""), low.get("id number", ""), identity}
    email = first(*_EMAIL)
    if "@" in email:
        keys.add(email.split("@")[0])
    return Person(usable_name(identity), tuple(names), frozenset(k.lower() for k in keys if k), number, row)


def plain(name: str) -> str:
    """A name without accents, case, punctuation and order: `Müller, Jörg` and `jorg muller` are alike."""
    bare = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("ø", "o").replace("ł", "l").lower())
    return " ".join(sorted(re.findall(r"\w+", "".join(c for c in bare if not unicodedata.combining(c)))))


def squeezed(name: str) -> frozenset[str]:
    """How Canvas squeezes a name into a file's name: family name and given names without spaces, in either order."""
    words = re.findall(r"\w+", plain(name))
    ordered = re.findall(r"\w+", unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode())
    found = {"".join(words), "".join(ordered), "".join(ordered[::-1])}
    found |= {"".join(ordered[cut:] + ordered[:cut]) for cut in range(len(ordered))}
    return frozenset(one for one in found if one)
