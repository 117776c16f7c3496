"""`vitlab collect`: from an LMS's download to `submitted/<student>/<lesson>/`, with a report of what did not match."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from grading.course import CourseError
from grading.intake.find_submissions import usable_name
from grading.lms.downloads import Named, kind_of, read_name
from grading.lms.roster import Person, Roster, plain, squeezed

MAX_FILE = 200 * 2**20
MAX_ENTRIES = 50_000
_WANTED = (".ipynb", ".zip", ".py")
_EARLIER = ".earlier"  # find_submissions passes over what begins with a dot


@dataclass(frozen=True)
class Collected:
    """What became of a download.

    Attributes:
        placed: student id to the file that was put there.
        unchanged: students whose file was there already, byte for byte.
        replaced: students whose earlier file was put aside.
        unmatched: paths that belong to nobody on the roster, with the reason.
        missing: students of the roster from whom nothing came.
        passed_over: paths that are no notebook.
    """

    kind: str
    placed: dict[str, Path] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    unmatched: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def collect(source: Path, lesson: str, into: Path, roster: Roster | None = None) -> Collected:
    """Put each student's newest notebook of a download where `vitlab grade` looks for it.

    Args:
        source: a zip or a folder: Moodle's or Canvas's "download all", a Google Classroom or Drive folder, nbgrader's
            exchange (`inbound`), or files named after students.
        into: the folder of submissions; a file that is replaced moves into `.earlier` beside it.
        roster: without one the LMS's spelling of a name becomes the student's id.

    Raises:
        CourseError: the source is no zip and no folder, is broken, or holds nothing that could be a submission.
    """
    with _unpacked(Path(source)) as folder:
        paths = sorted(_files(folder))
        names = [path.relative_to(folder).as_posix() for path in paths]
        found = Collected(kind_of(names))
        chosen: dict[str, tuple[tuple, Path, Named]] = {}
        for path, name in zip(paths, names, strict=True):
            if path.suffix.lower() not in _WANTED:
                if path.name != "timestamp.txt":
                    found.passed_over.append(name)
                continue
            named = read_name(name)
            if named is None or (found.kind == "exchange" and f"+{lesson}+" not in name):
                found.passed_over.append(name)
                continue
            student, why = _whose(named, roster)
            if not student:
                found.unmatched.append((name, why))
                continue
            rank = (path.suffix.lower() == ".ipynb", *named.attempt, path.stat().st_mtime)
            if student in chosen:
                latest = _latest(chosen[student], rank, path)
                found.notes.append(f"{student} handed in several files; the latest is taken, {latest}.")
            if student not in chosen or rank > chosen[student][0]:
                chosen[student] = (rank, path, named)
        for student, (_, path, named) in sorted(chosen.items()):
            _place(found, student, path, named, into / student / lesson, lesson)
    if not found.placed and not found.unmatched:
        raise CourseError(
            f"{source} holds no notebook ({len(found.passed_over)} other files); expected the zip or folder that your "
            "LMS gives for “download all submissions”"
        )
    if roster is not None:
        found.missing.extend(person.id for person in roster if person.id not in found.placed)
    return found


def _latest(other: tuple[tuple, Path, Named], rank: tuple, path: Path) -> str:
    return repr((path if rank > other[0] else other[1]).name)


def _whose(named: Named, roster: Roster | None) -> tuple[str, str]:
    """(student id, "") or ("", why not). Nobody is guessed: a number, a key or a whole name must fit exactly one."""
    if roster is None:
        return usable_name(named.who or named.number), ""
    by_number = [p for p in roster if named.number and p.number == named.number]
    if len(by_number) == 1:
        return by_number[0].id, ""
    who = named.who.strip().lower()
    by_key = [p for p in roster if who and who in p.keys]
    if len(by_key) == 1:
        return by_key[0].id, ""
    by_name = [p for p in roster if who and _same_name(named, p)]
    if len(by_name) == 1:
        return by_name[0].id, ""
    shown = named.who or f"number {named.number}"
    if len(by_name) > 1:
        return "", f"{shown} may be {', '.join(p.id for p in by_name)}: give the roster the LMS's numbers"
    return "", f"{shown} is not on the roster"


def _same_name(named: Named, person: Person) -> bool:
    if named.squeezed:
        return any(named.who.lower() in squeezed(name) for name in person.names)
    return any(plain(named.who) == plain(name) for name in person.names)


def _place(found: Collected, student: str, path: Path, named: Named, target: Path, lesson: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    suffix = path.suffix.lower()
    destination = target / f"{lesson}{suffix}"
    found.placed[student] = destination
    before = [old for old in target.iterdir() if old.is_file() and old.suffix.lower() in _WANTED]
    if [old.name for old in before] == [destination.name] and _digest(destination) == _digest(path):
        found.unchanged.append(student)
        return
    if before:
        found.replaced.append(student)
        aside = target / _EARLIER
        aside.mkdir(exist_ok=True)
        for old in before:
            old.replace(aside / f"{_digest(old)[:12]}-{old.name}")
    part = target / f".{destination.name}.part"
    shutil.copyfile(path, part)
    part.replace(destination)
    stamp = named.when or _stamp_beside(path)
    if stamp:
        (target / "timestamp.txt").write_text(stamp, "utf-8")
    else:
        (target / "timestamp.txt").unlink(missing_ok=True)
    if named.late:
        found.notes.append(
            f"{student} was late by the LMS's own clock, which doesn't say by how much. For a late penalty, write when "
            f"it came, such as 2027-01-16 01:30 UTC, into {target / 'timestamp.txt'}."
        )


def _stamp_beside(path: Path) -> str:
    beside = path.with_name("timestamp.txt")
    return beside.read_text("utf-8", "replace").strip()[:100] if beside.is_file() else ""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """Regular files, no links, none that a system or an editor left."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if any(part.startswith((".", "__MACOSX")) for part in parts) or path.is_symlink() or not path.is_file():
            continue
        yield path


@contextmanager
def _unpacked(source: Path) -> Iterator[Path]:
    """The folder itself, or a zip's files in a folder that is removed afterwards."""
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise CourseError(f"{source} is not there; expected a zip or a folder of submissions")
    with tempfile.TemporaryDirectory(prefix="vitlab-collect-") as folder:
        try:
            with zipfile.ZipFile(source) as archive:
                _unpack(archive, Path(folder))
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise CourseError(f"{source} is no zip that can be read ({str(error)[:80]}): download it again") from None
        yield Path(folder)


def _unpack(archive: zipfile.ZipFile, folder: Path) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise CourseError(f"the zip holds {len(entries)} files; more than {MAX_ENTRIES} are no class")
    for info in entries:
        name = info.filename.replace("\\", "/")
        parts = [part for part in name.split("/") if part]
        if info.is_dir() or not parts or ".." in parts or name.startswith("/") or ":" in parts[0]:
            continue
        if stat.S_ISLNK(info.external_attr >> 16):
            continue
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as content, target.open("wb") as out:
            left = MAX_FILE
            while chunk := content.read(min(2**20, left)):
                out.write(chunk)
                left -= len(chunk)
                if left <= 0:
                    raise CourseError(f"{info.filename[:80]!r} in the zip is larger than {MAX_FILE // 2**20} MB")


def _many(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}" + ("s" if len(things) != 1 else "")


def report_lines(found: Collected) -> Sequence[str]:
    """The report as text: what was placed, and everything that needs a person."""
    new = len(found.placed) - len(found.unchanged) - len(found.replaced)
    counts = f"{new} new, {len(found.replaced)} replaced, {len(found.unchanged)} unchanged"
    lines = [f"{found.kind}: {_many(found.placed, 'submission')} ({counts})"]
    if found.unmatched:
        lines += [f"{_many(found.unmatched, 'file')} for whom nobody was found, not placed:"]
        lines += [f"  {name}: {why}" for name, why in found.unmatched]
    if found.missing:
        lines.append(f"{_many(found.missing, 'student')} handed in nothing: {', '.join(found.missing)}")
    if found.passed_over:
        shown = ", ".join(found.passed_over[:5]) + (", …" if len(found.passed_over) > 5 else "")
        lines.append(f"{_many(found.passed_over, 'file')} without a notebook: {shown}")
    return lines + [f"note: {note}" for note in found.notes]
