"""What a kernel sees of a course that has questions and expected arrays of its own: those two folders, read-only."""

from __future__ import annotations

from pathlib import Path

from grading.sandbox.bubblewrap import SandboxUnavailable
from grading.sandbox.identity import is_real_root
from helpers.course_folder import VARIABLE, course_folder

INSIDE = "/opt/vitlab-course"
_PARTS = ("questions", "expected")


def course_data(sandbox: str) -> tuple[dict[str, str], dict[str, str]]:
    """What to show (path inside -> path here), and the environment that tells `helpers` where it lies.

    Both are empty where `helpers` itself holds everything.

    Raises:
        SandboxUnavailable: this is root, whose sandboxes run as another user, and that user can't read a file.
    """
    folder = course_folder()
    if folder is None:
        return {}, {}
    if sandbox == "none":
        return {}, {VARIABLE: str(folder)}
    parts = [folder / name for name in _PARTS if (folder / name).is_dir()]
    if is_real_root():
        _require_readable(parts)
    return {f"{INSIDE}/{part.name}": str(part) for part in parts}, {VARIABLE: INSIDE}


def _require_readable(parts: list[Path]) -> None:
    for part in parts:
        for path in (part, *part.rglob("*")):
            if not path.stat().st_mode & (0o001 if path.is_dir() else 0o004):
                raise SandboxUnavailable(
                    f"{path} can be read by its owner alone, and root grades as another user. "
                    f"What to do: chmod -R o+rX {part}"
                )
