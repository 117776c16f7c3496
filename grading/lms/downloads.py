"""What an LMS calls the files it lets a teacher download, and whom such a name means.

Which system a download comes from is decided once, for all its files. Then only the part of a path that this system
wrote is read. What follows is the student's to choose, and says nothing about whose file it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from grading.lms.roster import plain

# Moodle's mod/assign: "Jane Doe_12345_assignsubmission_file" as a folder, or the same before "_name.ipynb".
# Moodle turns an underscore in a name into a space, so the first one ends the name.
_MOODLE = re.compile(
    r"(?P<prefix>(?P<name>[^_]+)_(?P<number>\d+)_assignsubmission_(?P<plugin>[a-z]+)_?)(?P<rest>.*)\Z", re.DOTALL
)
# Canvas's content_zipper.rb: doejane_LATE_123_456_name-1.ipynb, doejane_123_text.html, anon_aB3_456_name.ipynb.
# Canvas takes "_digits_" out of names, so the first such place ends the name.
_CANVAS = re.compile(
    r"(?P<prefix>(?P<name>[^\s.]*?)(?P<late>_LATE)?_(?P<number>\d+)_)"
    r"(?:(?P<attachment>\d+)_(?P<rest>.*)|(?P<entry>text|link)\.html)\Z",
    re.DOTALL,
)
_CANVAS_ANONYMOUS = re.compile(
    r"(?P<prefix>(?P<late>LATE_)?(?P<name>anon)_(?P<number>[A-Za-z0-9]+)_)"
    r"(?:(?P<attachment>\d+)_(?P<rest>.*)|(?P<entry>text|link)\.html)\Z",
    re.DOTALL,
)
_AGAIN = re.compile(r"-\d{1,2}(?=\.ipynb$)", re.IGNORECASE)
# nbgrader's exchange: user+lesson+2027-01-15 23:59:00 UTC, with or without "+random" after it. Unpacking on Windows
# replaces the colons.
_EXCHANGE = re.compile(
    r"(?P<prefix>(?P<name>[^+]+)\+(?P<lesson>[^+]+)\+(?P<when>\d{4}-\d\d-\d\d \d\d[:_.-]\d\d[:_.-]\d\d(?:\.\d+)? "
    r"(?:[+-]\d{4}|[A-Za-z]+(?:/[A-Za-z_]+)*))(?:\+(?P<tail>.*))?)\Z",
    re.DOTALL,
)
# Google Classroom: "Jane Doe - 05_attention.ipynb"; Google Forms: "05_attention - Jane Doe.ipynb". Drive puts words in
# the teacher's language before the name of a copy.
_COPY = "Copy of |Kopie von |Kopie van |Copie de |Copia de |Copia di |Cópia de |Kopia |Kopi av |Kopia av |Копия "
_CLASSROOM = re.compile(rf"(?P<copy>{_COPY})?(?P<name>.+?) - (?P<rest>.+)\Z", re.IGNORECASE | re.DOTALL)
_FORMS = re.compile(r"(?P<rest>.+) - (?P<name>[^.]+?)(?P<suffix>(?:\.\w+)+)\Z", re.DOTALL)
_DOWNLOADED_AGAIN = re.compile(r" ?\(\d{1,3}\)$")
_BLIND = (
    "participant", "participante", "partecipante", "teilnehmer", "teilnehmerin", "deelnemer", "deltagare", "deltager",
    "uczestnik", "osallistuja", "katılımcı", "участник", "参加者", "参与者", "anonymous",
)  # fmt: skip
KINDS = ("moodle", "canvas", "exchange", "classroom")


@dataclass(frozen=True)
class Named:
    """What the part of a path says that the system wrote.

    Attributes:
        who: a name as the LMS spells it; "" where it keeps names back.
        number: the LMS's number of the person or the participation; "" without one.
        file: the file's own name, as the student chose it.
        squeezed: whether `who` is Canvas's spelling, without spaces.
        attempt: orders several files of one person: the larger the later.
        when: when it was handed in, if the name says so.
        late: the LMS says that it was late.
        entry: "text" or "link" when the student typed into a box and uploaded nothing.
        prefix: what the LMS wrote before the file's name.
        copy: a copy that a person made ("Copy of ...").
    """

    who: str
    number: str
    file: str
    squeezed: bool = False
    attempt: tuple[object, ...] = ()
    when: str = ""
    late: bool = False
    entry: str = ""
    prefix: str = ""
    lesson: str = ""
    copy: bool = False


@dataclass(frozen=True)
class Layout:
    """How a download is laid out.

    Attributes:
        kind: "moodle", "canvas", "exchange", "classroom" or "folder".
        depth: folders above the part that names the student.
        blind: the system keeps the names back; only its numbers tell students apart.
        forms: the student's name stands at the end, as Google Forms writes it.
    """

    kind: str
    depth: int = 0
    blind: bool = False
    forms: bool = False


def layout_of(paths: Sequence[str], people: Collection[str] = ()) -> Layout:
    """Decide once which system a download comes from: the one whose names more than half of its files bear.

    people: names of the class, as `roster.plain` writes them. They tell whether a student's name is at the beginning
        of a file's name (Google Classroom) or at its end (Google Forms).
    """
    parts = [_parts(path) for path in paths]
    for depth in range(3):
        if any(len(one) <= depth for one in parts) or (depth and len({one[depth - 1] for one in parts}) > 1):
            break
        heads = {one[depth] for one in parts}
        files = {one[depth] for one in parts if len(one) == depth + 1}
        for kind in KINDS:
            able = files if kind == "classroom" else heads  # a Mac may have unpacked what was handed in to Canvas
            matches = [match for head in sorted(able) if (match := _match(kind, head))]
            if len(matches) * 2 > len(heads):
                return _layout(kind, depth, matches, people)
    tops = {one[0] for one in parts}
    below = {one[1] for one in parts if len(one) > 2}
    return Layout("folder", int(len(tops) == 1 and len(below) > 1 and all(len(one) > 1 for one in parts)))


def _layout(kind: str, depth: int, matches: list[re.Match[str]], people: Collection[str]) -> Layout:
    names = {match["name"].lower() for match in matches}
    numbers = {match["number"] for match in matches} if kind == "moodle" else set()
    blind = kind == "moodle" and len(names) == 1 and (len(numbers) > 2 or bool(names & set(_BLIND)))
    blind = blind or (kind == "canvas" and names == {"anon"})
    ends = {found["name"] for match in matches if kind == "classroom" and (found := _FORMS.match(match.string))}
    known = [sum(plain(_DOWNLOADED_AGAIN.sub("", name)) in people for name in side) for side in (ends, names)]
    forms = known[0] > known[1] if any(known) else len(ends) > len(names)
    return Layout(kind, depth, blind, forms=forms)


def read_name(path: str, layout: Layout | None = None) -> Named | None:
    """Whom a path means, relative to the download's root; None when the LMS did not write it so."""
    layout = layout or layout_of([path])
    parts = _parts(path)[layout.depth :]
    if not parts:
        return None
    file = parts[-1]
    if layout.kind == "folder":
        if len(parts) > 1:
            return Named(parts[0], "", file, prefix=parts[0])
        stem = _DOWNLOADED_AGAIN.sub("", re.sub(r"(?i)(\.ipynb(\.txt|\.json)?|\.\w{1,5})$", "", file))
        return Named(stem, "", file, prefix=stem)
    if layout.kind == "classroom" and len(parts) > 1:
        return None
    match = _match(layout.kind, parts[0])
    if match is None:
        return None
    if layout.kind == "moodle":
        own = file if len(parts) > 1 else match["rest"]
        who = "" if layout.blind or match["name"].lower() in _BLIND else match["name"]
        entry = "text" if match["plugin"] == "onlinetext" else ""
        prefix = parts[0] if len(parts) > 1 else match["prefix"]
        return Named(who, match["number"], own, entry=entry, prefix=prefix)
    if layout.kind == "canvas":
        named = _canvas(match, layout)
        return named if len(parts) == 1 else replace(named, file=file)
    if layout.kind == "exchange":
        when = _with_colons(match["when"])
        attempt = (str(exchange_time(when) or when),)
        return Named(
            match["name"], "", file, attempt=attempt, when=when, prefix=parts[0], lesson=match["lesson"]
        )  # fmt: skip
    return _classroom(match, layout)


def _canvas(match: re.Match[str], layout: Layout) -> Named:
    rest = match["rest"] or ""
    again = _AGAIN.search(rest)
    attempt = (int(match["attachment"] or 0), int(again.group()[1:]) if again else 0)
    who = "" if layout.blind or match["name"] == "anon" else match["name"]
    prefix = match["prefix"] + (f"{match['attachment']}_" if match["attachment"] else "")
    return Named(
        who, match["number"], _AGAIN.sub("", rest) or f"{match['entry'] or 'file'}.html", True, attempt,
        late=bool(match["late"]), entry=match["entry"] or "", prefix=prefix,
    )  # fmt: skip


def _classroom(match: re.Match[str], layout: Layout) -> Named:
    name, rest, prefix = match["name"], match["rest"], f"{match['name']} - "
    if layout.forms:
        at_end = _FORMS.match(match.string)
        if at_end is not None:
            name, rest, prefix = at_end["name"], at_end["rest"] + at_end["suffix"], ""
    return Named(_DOWNLOADED_AGAIN.sub("", name), "", rest, prefix=prefix, copy=bool(match["copy"]))


def without_lesson(named: Named, lesson: str) -> Named:
    """In a plain folder a file may bear the lesson's name beside the student's: `jdoe_05_attention.ipynb`."""
    ours = re.escape(lesson)
    who = re.sub(rf"^{ours}[\s_.+-]+|[\s_.+-]+{ours}$", "", named.who, flags=re.IGNORECASE)
    return replace(named, who=who, prefix=who) if who and who != named.who else named


def _match(kind: str, text: str) -> re.Match[str] | None:
    if kind == "moodle":
        return _MOODLE.match(text)
    if kind == "canvas":
        return _CANVAS_ANONYMOUS.match(text) or _CANVAS.match(text)
    return _EXCHANGE.match(text) if kind == "exchange" else _CLASSROOM.match(text)


def _parts(path: str) -> list[str]:
    """A path's parts in one Unicode form: a Mac unpacks other code points than the LMS wrote."""
    return [part for part in unicodedata.normalize("NFC", path).replace("\\", "/").split("/") if part]


def kind_of(paths: Sequence[str]) -> str:
    """Which LMS a list of paths comes from: "moodle", "canvas", "exchange", "classroom" or "folder"."""
    return layout_of(paths).kind


def _with_colons(when: str) -> str:
    date, time, zone = when.split(" ", 2)
    return f"{date} {time[:2]}:{time[3:5]}:{time[6:]} {zone}"


def exchange_time(text: str) -> datetime | None:
    """nbgrader's timestamp, as it stands in the exchange's folder names, in UTC; None when it is none."""
    date, _, zone = text.rpartition(" ")
    for form in ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S"):
        try:
            moment = datetime.strptime(date, form)
        except ValueError:
            continue
        if zone in ("UTC", "GMT", "Z"):
            return moment.replace(tzinfo=UTC)
        if re.fullmatch(r"[+-]\d{4}", zone):
            return datetime.strptime(f"{moment:%Y-%m-%d %H:%M:%S} {zone}", "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
        from dateutil import tz

        known = tz.gettz(zone)
        return moment.replace(tzinfo=known).astimezone(UTC) if known else None
    return None
