"""What an LMS calls the files it lets a teacher download, and whom such a name means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

# "Jane Doe_12345_assignsubmission_file" as a folder, or the same before "_name.ipynb"; blind: "Participant_12345_…"
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<rest>.*)$")
# doejane_LATE_123_456_name-1.ipynb
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<number>\d+)_(?P<submission>\d+)_(?P<rest>.+)$")
_AGAIN = re.compile(r"-\d{1,2}(?=\.ipynb$)", re.IGNORECASE)
# user+lesson+2027-01-15 23:59:00 UTC, with or without a random tail
_EXCHANGE = re.compile(
    r"(?P<name>[^+]+)\+(?P<lesson>[^+]+)\+(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? \S+)(?:\+.*)?$"
)
# Google Classroom's copies: "Jane Doe - 05_attention.ipynb"; "Copy of …" before it when copied by hand
_CLASSROOM = re.compile(r"(?:Copy of )?(?P<name>.+?) - (?P<rest>.+\.ipynb)$", re.IGNORECASE)


@dataclass(frozen=True)
class Named:
    """What a path in a download says.

    Attributes:
        who: a name as the LMS spells it.
        number: the LMS's number of the person or the participation; "" without one.
        file: the notebook's own name.
        squeezed: whether `who` is Canvas's spelling, without spaces.
        attempt: orders several submissions of one person: the larger the later.
        when: when it was handed in, if the name says so.
    """

    who: str
    number: str
    file: str
    squeezed: bool = False
    attempt: tuple = ()
    when: str = ""
    late: bool = False


def read_name(path: str) -> Named | None:
    """Whom a path means, relative to the download's root; None when it says nothing about a person."""
    parts = path.replace("\\", "/").split("/")
    for depth, part in enumerate(parts):
        if match := _EXCHANGE.match(part):
            return Named(match["name"], "", parts[-1], attempt=(match["when"],), when=match["when"])
        if match := _MOODLE.match(part):
            file = parts[-1] if depth < len(parts) - 1 else match["rest"]
            who = "" if match["name"].lower() == "participant" else match["name"]
            return Named(who, match["number"], file)
    if match := _CANVAS.match(parts[-1]):
        file = _AGAIN.sub("", match["rest"])
        again = _AGAIN.search(match["rest"])
        turn = int(again.group()[1:]) if again else 0
        attempt = (int(match["submission"]), turn)
        return Named(match["name"], match["number"], file, True, attempt, late=bool(match["late"]))
    if match := _CLASSROOM.match(parts[-1]):
        return Named(match["name"], "", match["rest"])
    if len(parts) > 1:
        return Named(parts[0], "", parts[-1])
    return Named(parts[0].rsplit(".", 1)[0], "", parts[0])


def kind_of(paths: list[str]) -> str:
    """Which LMS a list of paths comes from: "moodle", "canvas", "exchange", "classroom" or "folder"."""
    patterns = (("exchange", _EXCHANGE), ("moodle", _MOODLE), ("canvas", _CANVAS), ("classroom", _CLASSROOM))
    for kind, pattern in patterns:
        if any(pattern.match(part) for path in paths for part in path.replace("\\", "/").split("/")):
            return kind
    return "folder"


def exchange_time(text: str) -> datetime | None:
    """nbgrader's timestamp, as it stands in the exchange's folder names."""
    for form in ("%Y-%m-%d %H:%M:%S.%f %Z", "%Y-%m-%d %H:%M:%S %Z"):
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None
