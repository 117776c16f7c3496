"""A download as a list of files: each under a name of our own, whatever it was called, and none of them trusted."""

from __future__ import annotations

import os
import stat
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from grading.course import CourseError

MAX_FILE = 200 * 2**20
MAX_TOTAL = 8 * 2**30
MAX_ENTRIES = 50_000
_JUNK = ("thumbs.db", "desktop.ini")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)


@dataclass(frozen=True)
class Entry:
    """One file of a download.

    Attributes:
        name: its path in the download, with "/" between the parts.
        path: where its bytes are.
        when: when it was last changed, as far as the archive or the disk says.
    """

    name: str
    path: Path
    when: datetime | None = None


@dataclass
class Download:
    """The files of a download, and what was left out with the reason."""

    entries: list[Entry] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def unpacked(source: Path) -> Iterator[Download]:
    """The files of a zip or of a folder. A zip's are unpacked into a folder that is removed afterwards.

    One bad entry is left out and named; it never stops the others.

    Raises:
        CourseError: there is no such zip or folder, or the zip as a whole cannot be read.
    """
    if source.is_dir():
        download = _walk(source)
        if len(download.entries) == 1 and download.entries[0].name.lower().endswith(".zip"):
            with unpacked(download.entries[0].path) as inner:  # a folder with nothing but the LMS's zip in it
                yield inner
            return
        with _parts_of_one(download) as merged:
            yield merged
        return
    if not source.is_file():
        raise CourseError(f"{source} is not there; expected a zip or a folder of submissions")
    with tempfile.TemporaryDirectory(prefix="vitlab-collect-") as folder:
        try:
            with zipfile.ZipFile(source) as archive:
                download = _unzip(archive, Path(folder))
        except _BROKEN as error:
            raise CourseError(f"{source} is no zip that can be read ({str(error)[:80]}): download it again") from None
        inside = download.entries
        if len(inside) == 1 and not download.refused and _is_download(inside[0]):
            with unpacked(inside[0].path) as inner:
                yield inner
            return
        yield download


@contextmanager
def _parts_of_one(download: Download) -> Iterator[Download]:
    """A folder of nothing but zips that the LMS made (Drive splits a large download; a download for each group)."""
    if len(download.entries) < 2 or not all(_made_by_lms(entry) for entry in download.entries):
        yield download
        return
    merged = Download(refused=list(download.refused))
    with ExitStack() as stack:
        for entry in download.entries:
            inner = stack.enter_context(unpacked(entry.path))
            merged.entries += inner.entries
            merged.refused += inner.refused
        yield merged


def _made_by_lms(entry: Entry) -> bool:
    from grading.lms.downloads import kind_of

    if not entry.name.lower().endswith(".zip") or kind_of([entry.name]) != "folder":
        return False  # it bears a student's name
    try:
        with zipfile.ZipFile(entry.path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/") and not _is_junk(name.split("/"))]
    except _BROKEN:
        return False
    return bool(names) and kind_of(names) != "folder"


def _is_download(entry: Entry) -> bool:
    """Whether the only file of a zip is a zip that an LMS made, and not one that a student handed in."""
    from grading.lms.downloads import kind_of

    return entry.name.lower().endswith(".zip") and kind_of([entry.name]) == "folder" and zipfile.is_zipfile(entry.path)


def _unzip(archive: zipfile.ZipFile, folder: Path) -> Download:
    """Each member under a number: names that a disk would refuse or mix up do no harm."""
    download = Download()
    left = MAX_TOTAL
    for number, info in enumerate(archive.infolist()):
        name = _name_of(info)
        parts = [part for part in name.split("/") if part]
        if info.is_dir() or not parts or (".." not in parts and _is_junk(parts)):
            continue
        why = _why_not(info, name, parts, number, left)
        if not why:
            target = folder / f"{number:06d}{Path(parts[-1]).suffix.lower()[:12]}"
            try:
                left -= _copy(archive, info, target)
            except _TooLarge:
                target.unlink(missing_ok=True)
                why = f"is larger than {MAX_FILE // 2**20} MB"
            except _BROKEN as error:
                target.unlink(missing_ok=True)
                why = f"cannot be unpacked ({str(error)[:60]})"
        if why:
            download.refused.append((name, why))
        else:
            download.entries.append(Entry("/".join(parts), target, _when(info)))
    return download


class _TooLarge(Exception):
    pass


def _copy(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> int:
    size = 0
    with archive.open(info) as content, target.open("wb") as out:
        while chunk := content.read(2**20):
            size += len(chunk)
            if size > MAX_FILE:  # what the header says of the size is not believed
                raise _TooLarge
            out.write(chunk)
    return size


def _why_not(info: zipfile.ZipInfo, name: str, parts: list[str], number: int, left: int) -> str:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if number >= MAX_ENTRIES:
        return f"is past the first {MAX_ENTRIES} files of the zip"
    if ".." in parts or name.startswith("/") or (len(parts[0]) == 2 and parts[0][1] == ":"):
        return "has a path that leads out of the download"
    if kind == stat.S_IFLNK:
        return "is a link, which is not followed"
    if kind and kind != stat.S_IFREG:
        return "is a special file"
    if info.flag_bits & 1:
        return "is locked with a password"
    if info.file_size > MAX_FILE:
        return f"is larger than {MAX_FILE // 2**20} MB ({info.file_size / 2**20:.0f} MB)"
    if info.file_size > left:
        return f"would make the download larger than {MAX_TOTAL // 2**30} GB"
    return ""


def _name_of(info: zipfile.ZipInfo) -> str:
    """The member's name; UTF-8 that was not marked as such is read as UTF-8 all the same."""
    name = info.filename
    if not info.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.filename
    return name.replace("\\", "/")


def _when(info: zipfile.ZipInfo) -> datetime | None:
    try:
        return datetime(*info.date_time, tzinfo=UTC)
    except ValueError:
        return None


def _walk(source: Path) -> Download:
    """Regular files of a folder, none that a system or an editor left."""
    download = Download()
    for parent, folders, names in os.walk(source, onerror=lambda error: _unopened(download, source, error)):
        here = Path(parent)
        for name in sorted(folders):
            if (here / name).is_symlink():
                download.refused.append((_shown(here / name, source), "is a link, which is not followed"))
        folders[:] = sorted(name for name in folders if not _is_junk([name]) and not (here / name).is_symlink())
        for name in sorted(names):
            path = here / name
            if _is_junk([name]):
                continue
            if len(download.entries) >= MAX_ENTRIES:
                why = f"is past the first {MAX_ENTRIES} files of the folder"
            else:
                why = _why_no_file(path)
            if why:
                download.refused.append((_shown(path, source), why))
            else:
                when = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                download.entries.append(Entry(_shown(path, source), path, when))
    download.entries.sort(key=lambda entry: entry.name)
    return download


def _unopened(download: Download, source: Path, error: OSError) -> None:
    download.refused.append((_shown(Path(error.filename or source), source), f"cannot be opened ({error.strerror})"))


def _why_no_file(path: Path) -> str:
    try:
        status = path.lstat()
    except OSError as error:
        return f"cannot be opened ({error.strerror})"
    if stat.S_ISLNK(status.st_mode):
        return "is a link, which is not followed"
    if not stat.S_ISREG(status.st_mode):
        return "is a special file"
    if status.st_size > MAX_FILE:
        return f"is larger than {MAX_FILE // 2**20} MB ({status.st_size / 2**20:.0f} MB)"
    if not os.access(path, os.R_OK):
        return "cannot be opened (Permission denied)"
    return ""


def _shown(path: Path, source: Path) -> str:
    name = path.relative_to(source).as_posix() if path.is_relative_to(source) else path.name
    return name.encode("utf-8", "replace").decode("utf-8", "replace")


def _is_junk(parts: list[str]) -> bool:
    return any(part.startswith((".", "__MACOSX")) or part.lower() in _JUNK for part in parts)


def printable(text: str, most: int = 120) -> str:
    """A name as it can be printed: control characters and those that turn the writing direction are escaped."""
    shown = "".join(
        character if unicodedata.category(character)[0] != "C" else f"\\x{ord(character):02x}" for character in text
    )
    return shown if len(shown) <= most else f"{shown[: most - 20]}…{shown[-19:]}"
