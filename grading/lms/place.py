"""Puts one student's hand-in in place: the file to grade, all others beside it, and a record of where it came from."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from grading.intake.find_submissions import read_timestamp
from grading.intake.record import Record, read_record, write_record
from grading.lms.downloads import Named, exchange_time
from grading.lms.groups import Shared
from grading.lms.hand_in_times import HandInTime, iso
from grading.lms.handins import Choice, File
from grading.lms.unpack import printable

EARLIER = ".earlier"  # find_submissions passes over what begins with a dot
OTHERS = ".others"
SECRET = "submission_secret.txt"
_GRADED = (".ipynb", ".zip", ".py")


@dataclass(frozen=True)
class Placed:
    """What was done.

    Attributes:
        path: the file that will be graded; None when there is none.
        what: "new", "unchanged", "replaced", or "nothing".
        doubts: what a person should look at.
        new: those of them that were not there when the same was collected before.
    """

    path: Path | None
    what: str
    doubts: tuple[str, ...]
    new: tuple[str, ...]
    record: Record


def place(
    kind: str, named: Named, choice: Choice, target: Path, lesson: str, time: HandInTime | None,
    secret: Path | None = None, shared: Shared | None = None,
) -> Placed:  # fmt: skip
    """Write the chosen file, the others, the time and the record. Nothing that was there is lost.

    Args:
        secret: of nbgrader's exchange, the file after which a student's feedback is named there.
        shared: the group that the hand-in is of.

    Raises:
        OSError: the disk refuses.
    """
    before = read_record(target)
    target.mkdir(parents=True, exist_ok=True)
    (target / ".part").unlink(missing_ok=True)
    _keep_others(choice, target)
    doubts = list(choice.doubts)
    old = [path for path in sorted(target.iterdir()) if path.is_file() and path.suffix.lower() in _GRADED]
    old = [path for path in old if not path.name.startswith(".")]
    what, path = "nothing", None
    if choice.best is not None:
        path = target / f"{lesson}{choice.best.suffix}"
        what = _write(choice.best.data, path, old)
    elif old:
        path, what = old[0], "unchanged"
        doubts.append(f"the file that was collected before, {old[0].name}, is still the one that is graded.")
    handed_in = _when(kind, named, time)
    late = named.late or bool(time and time.late)
    if what == "unchanged" and not handed_in:
        handed_in = before.handed_in
    record = Record(
        kind, choice.best.name if choice.best else before.chosen, choice.why,
        tuple(file.named.file for file in choice.others), tuple(doubts), choice.unread, named.number, named.who,
        named.prefix, handed_in, late, shared.group if shared else "", shared.by if shared else "",
    )  # fmt: skip
    record = _timed(record, target, before)
    if secret is not None:
        _write_text(target / SECRET, secret.read_text("utf-8", "replace")[:1000])
    if record != before:
        write_record(target, record)
    new = tuple(doubt for doubt in doubts if doubt not in before.doubts)
    return Placed(path, what, tuple(doubts), new, record)


def _write(data: bytes, path: Path, old: list[Path]) -> str:
    if [one.name for one in old] == [path.name] and path.read_bytes() == data:
        return "unchanged"
    for one in old:
        _aside(one, path.parent / EARLIER)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
    return "replaced" if old else "new"


def _aside(path: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    path.replace(folder / f"{_digest(path)[:12]}-{path.name}")


def _keep_others(choice: Choice, target: Path) -> None:
    """Every other file of the hand-in, under its own name as far as a disk takes it; none is overwritten."""
    for file in choice.others:
        folder = target / OTHERS
        folder.mkdir(exist_ok=True)
        name = _disk_name(file)
        there = {path.name.casefold(): path for path in folder.iterdir()}
        digest = _digest(file.entry.path)
        if name.casefold() in there and _digest(there[name.casefold()]) != digest:
            name = f"{digest[:12]}-{name}"
        if not (folder / name).exists():
            shutil.copyfile(file.entry.path, folder / name)


def _disk_name(file: File) -> str:
    """A name that any disk takes: no control characters, no dot in front, 120 bytes at most, its ending kept."""
    name = printable(file.named.file, 1000).replace("/", "_").replace("\\", "_").lstrip(". ") or "file"
    stem, dot, suffix = name.rpartition(".")
    if not dot or len(suffix) > 10:
        stem, suffix = name, ""
    short = stem.encode("utf-8", "replace")[: 120 - len(suffix)].decode("utf-8", "ignore")
    return f"{short}{dot if suffix else ''}{suffix}"


def _when(kind: str, named: Named, time: HandInTime | None) -> str:
    if kind == "exchange" and named.when:
        return iso(exchange_time(named.when))
    return iso(time.when) if time is not None else ""


def _timed(record: Record, target: Path, before: Record) -> Record:
    """nbgrader's timestamp.txt: as the LMS says, else as a person typed it for the same hand-in."""
    stamp = target / "timestamp.txt"
    if record.handed_in:
        moment = datetime.fromisoformat(record.handed_in).astimezone(UTC)
        _write_text(stamp, f"{moment:%Y-%m-%d %H:%M:%S} UTC")
        return record
    if stamp.is_file() and before.source and before.chosen == record.chosen:
        typed, _ = read_timestamp(stamp)
        return replace(record, handed_in=iso(typed.replace(tzinfo=UTC)) if typed else "")
    stamp.unlink(missing_ok=True)
    return record


def _write_text(path: Path, text: str) -> None:
    if not (path.is_file() and path.read_text("utf-8", "replace") == text):
        path.write_text(text, "utf-8")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
