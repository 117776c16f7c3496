"""Where a student's progress lies."""

from __future__ import annotations

import os
from pathlib import Path

from helpers.course_folder import LESSONS

NAME = "my_work"
DRIVE = Path("/content/drive/MyDrive")


def folder() -> Path | None:
    """The folder: `VITLAB_WORK` when set ("off" for none), else `my_work` in the course, in Drive, or right here.

    It need not exist. None means that nothing is to be kept: switched off, or a class is being graded.
    """
    wish = os.environ.get("VITLAB_WORK", "").strip()
    if wish == "off" or "VITLAB_EXAM_SEED" in os.environ:
        return None
    if wish:
        return Path(wish).expanduser()
    here = Path.cwd()
    for place in (here, *here.parents):
        if (place / "helpers" / "checks" / "__init__.py").is_file() or (place / LESSONS).is_file():
            return place / NAME
    return (DRIVE if DRIVE.is_dir() else here) / NAME


def write(path: Path, text: str) -> None:
    """Write a file in one step: whoever reads it sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, "utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
