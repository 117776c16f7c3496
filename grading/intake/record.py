"""What `vitlab collect` found out about a hand-in, kept beside it: a file that a hand-in itself cannot bring along."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

RECORD = ".collected.json"


@dataclass(frozen=True)
class Record:
    """One student's hand-in of one lesson as the learning management system gave it.

    Attributes:
        source: the kind of download: "canvas", "moodle", "exchange", "classroom", "folder".
        chosen: the path in the download of the file that is graded; "" when none can be.
        why: why it was chosen among several.
        others: paths of the other files, which are kept in `.others`.
        doubts: what a person should look at, one sentence each.
        unread: the one of them that reading the file finds out again; "" when there is none.
        number: the system's number of the person or of the participation.
        name: the name as the system spells it.
        prefix: what the system wrote before the file's own name; a page goes back under the same.
        handed_in: when, as ISO time in UTC; "" when not known.
        late: the system says that it was late.
        group: with whom it was handed in; "" for a student's own hand-in.
        by: the member of the group who handed in the file that is graded.
    """

    source: str = ""
    chosen: str = ""
    why: str = ""
    others: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    unread: str = ""
    number: str = ""
    name: str = ""
    prefix: str = ""
    handed_in: str = ""
    late: bool = False
    group: str = ""
    by: str = ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What grading would not find out by itself."""
        return tuple(doubt for doubt in self.doubts if doubt != self.unread)


def read_record(folder: Path) -> Record:
    """The record beside a hand-in; an empty one when there is none or it cannot be read."""
    path = folder / RECORD
    try:
        if path.is_symlink():
            return Record()
        raw = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return Record()
    return _from(raw) if isinstance(raw, dict) else Record()


def write_record(folder: Path, record: Record) -> None:
    """Keep the record beside a hand-in, whole or not at all."""
    part = folder / f"{RECORD}.part"
    part.write_text(json.dumps(asdict(record), ensure_ascii=False, indent=1), "utf-8")
    part.replace(folder / RECORD)


def _from(raw: dict[str, Any]) -> Record:
    values: dict[str, Any] = {}
    for field in fields(Record):
        value = raw.get(field.name, field.default)
        if isinstance(field.default, tuple):
            value = tuple(str(one) for one in value) if isinstance(value, list) else ()
        elif isinstance(field.default, bool):
            value = value is True
        else:
            value = value if isinstance(value, str) else ""
        values[field.name] = value
    return Record(**values)
