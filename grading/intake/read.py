"""One file that a student handed in, as a valid notebook without outputs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from grading.intake.archive import Pick, notebook_in_zip
from grading.intake.decode import Unreadable, decode, load_json
from grading.intake.exported_script import cells_of_script, is_exported
from grading.intake.normalise import Reading, normalise

__all__ = ["Reading", "Unreadable", "file_bytes", "read_bytes", "read_notebook"]


def read_notebook(path: Path, max_mb: int = 64, *, prefer: str = "", pick: Pick | None = None) -> Reading:
    """Read a notebook, a zip archive with a notebook in it, or a Python script made from one.

    Args:
        path: links are not followed.
        max_mb: larger files are refused unread.
        prefer: name of the notebook to take when an archive holds several: the lesson's.
        pick: chooses among several (name, content) in an archive, by index; asked before `prefer`.

    Raises:
        Unreadable: one sentence for a person.
    """
    return read_bytes(file_bytes(Path(path), max_mb), Path(path).suffix.lower(), max_mb, prefer=prefer, pick=pick)


def read_bytes(
    data: bytes, suffix: str = ".ipynb", max_mb: int = 64, *, prefer: str = "", pick: Pick | None = None
) -> Reading:
    """As `read_notebook`, of a file's content.

    Raises:
        Unreadable: one sentence for a person.
    """
    notes: list[str] = []
    if data.startswith(b"PK\x03\x04"):
        name, data = notebook_in_zip(data, max_bytes=max_mb * 2**20, prefer=prefer, pick=pick)
        notes.append(f"a zip archive was handed in; {name[:80]!r} in it was read.")
    elif suffix == ".zip":
        raise Unreadable("the file is called .zip but is none; hand in the .ipynb itself")
    elif suffix == ".py":
        return _script(data, notes)
    value = load_json(data, notes)
    try:
        return normalise(value, notes)
    except RecursionError:
        raise Unreadable(
            "the file nests values thousands deep, as no notebook does; hand in the notebook itself"
        ) from None


def _script(data: bytes, notes: list[str]) -> Reading:
    """A script that Jupyter, VS Code or jupytext exported; any other Python is one cell, found again by its names."""
    import jupytext

    text = decode(data, notes).replace("\r\n", "\n")
    if not text.strip():
        raise Unreadable("the file is an empty Python script; hand in the notebook itself")
    notes.append("a Python script was handed in instead of a notebook; its cells were read.")
    if is_exported(text):
        return normalise(cells_of_script(text), notes)
    marked = any(line.startswith("# %%") for line in text.split("\n"))
    try:
        notebook = jupytext.reads(text, fmt="py:percent" if marked else "py:light")
    except Exception as error:  # jupytext's readers raise what they like on odd headers
        raise Unreadable(f"the script can't be read ({type(error).__name__}); hand in the .ipynb itself") from None
    return normalise(notebook, notes)


def file_bytes(path: Path, max_mb: int = 64) -> bytes:
    """A file's content; links are not followed.

    Raises:
        Unreadable: one sentence for a person.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        link = path.is_symlink()
        kind = "a link, which is not followed" if link else f"a file that can't be opened ({error.strerror})"
        raise Unreadable(f"found {kind}; hand in the .ipynb itself") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Unreadable("found a folder or a device called like a notebook; hand in the .ipynb itself")
        if status.st_size > max_mb * 2**20:
            raise Unreadable(
                f"the file has {status.st_size / 2**20:.0f} MB, at most {max_mb} are read; clear the outputs "
                "(Edit, Clear Outputs of All Cells), save, hand it in again"
            )
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(max_mb * 2**20 + 1)
    finally:
        os.close(descriptor)
