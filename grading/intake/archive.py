"""Notebooks inside a zip archive, also in archives inside it: read in memory, within bounds, written nowhere."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from collections.abc import Callable, Sequence

from grading.intake.decode import Unreadable

MAX_ENTRIES = 10_000
MAX_DEPTH = 3  # archives in archives
MAX_TOTAL = 512 * 2**20  # bytes of all notebooks of one archive together
Pick = Callable[[Sequence[tuple[str, bytes]]], int]
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError,
)  # fmt: skip
_ENTRY = b"PK\x01\x02"  # begins each entry of a zip's table of contents


def notebook_in_zip(data: bytes, *, max_bytes: int, prefer: str = "", pick: Pick | None = None) -> tuple[str, bytes]:
    """Name and bytes of the notebook in an archive.

    Args:
        prefer: of several, the one called so is taken.
        pick: chooses among several (name, content) and returns an index; it is asked before `prefer`.

    Raises:
        Unreadable: no notebook, several and no way to choose, one that would unpack to more than `max_bytes`, a
            password, or no zip.
    """
    try:
        found, problems = notebooks_in_zip(data, max_bytes=max_bytes)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            contents = _contents(archive)
    except _BROKEN as error:
        raise Unreadable(f"the zip is broken ({str(error)[:80]}); hand in the .ipynb itself") from None
    if not found:
        raise Unreadable(
            problems[0] if problems else f"the zip holds no notebook but {contents}; hand in the .ipynb alone"
        )
    if len(found) > 1 and pick is not None:
        return found[pick(found)]
    named = [entry for entry in found if prefer and _stem(entry[0]).lower() == prefer.lower()]
    if len(named) == 1 or len(found) == 1:
        return (named or found)[0]
    names = ", ".join(_shown(name) for name, _ in found[:5])
    raise Unreadable(f"the zip holds {len(found)} notebooks ({names}); hand in the one that counts")


def notebooks_in_zip(
    data: bytes, *, max_bytes: int, suffixes: Sequence[str] = (".ipynb",)
) -> tuple[list[tuple[str, bytes]], list[str]]:
    """Every notebook of an archive and of the archives inside it, and a sentence on each that cannot be read.

    Raises:
        Unreadable: too many entries. What `zipfile` raises on a broken archive passes through.
    """
    found: list[tuple[str, bytes]] = []
    problems: list[str] = []
    _gather(data, "", found, problems, max_bytes, tuple(suffixes), MAX_DEPTH)
    return found, problems


def _gather(
    data: bytes,
    inside: str,
    found: list[tuple[str, bytes]],
    problems: list[str],
    max_bytes: int,
    suffixes: tuple[str, ...],
    depth: int,
) -> None:
    if data.count(_ENTRY) > MAX_ENTRIES:
        raise Unreadable(f"the zip holds more than {MAX_ENTRIES} files; hand in the .ipynb alone")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for info in archive.infolist():
            nested = _is_file(info, (".zip",)) and depth > 1
            if not (nested or _is_file(info, suffixes)):
                continue
            if _leaves(info.filename):
                what = f"the zip holds {_shown(info.filename)}, a path that leads out of its folder"
                problems.append(f"{what}; hand in the .ipynb alone")
                continue
            if info.flag_bits & 1:
                problems.append("the zip is locked with a password; hand in the .ipynb itself")
                continue
            left = min(max_bytes, MAX_TOTAL - sum(len(content) for _, content in found))
            try:
                with archive.open(info) as file:
                    content = file.read(left + 1)  # what the header says of the size is not believed
            except _BROKEN as error:
                problems.append(f"the zip is broken ({str(error)[:80]}); hand in the .ipynb itself")
                continue
            if len(content) > left:
                size = f"larger than {max_bytes // 2**20} MB"
                problems.append(f"the notebook in the zip is {size}; clear its outputs, save, hand it in again")
            elif nested:
                try:
                    _gather(content, f"{inside}{info.filename}/", found, problems, max_bytes, suffixes, depth - 1)
                except _BROKEN as error:
                    problems.append(f"the zip is broken ({str(error)[:80]}); hand in the .ipynb itself")
            else:
                found.append((inside + info.filename, content))


def _is_file(info: zipfile.ZipInfo, suffixes: tuple[str, ...]) -> bool:
    parts = info.filename.replace("\\", "/").split("/")
    hidden = any(part in ("__MACOSX", ".ipynb_checkpoints") for part in parts) or parts[-1].startswith("._")
    link = stat.S_ISLNK(info.external_attr >> 16)
    return parts[-1].lower().endswith(suffixes) and not (hidden or link or info.is_dir())


def _leaves(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or name.startswith(("/", "\\")) or parts[0].endswith(":")


def _stem(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _contents(archive: zipfile.ZipFile) -> str:
    names = [_shown(name) for name in archive.namelist() if not name.endswith("/")]
    return (", ".join(names[:4]) + (", …" if len(names) > 4 else "")) or "nothing"


def _shown(name: str) -> str:
    return repr(name[:60])
