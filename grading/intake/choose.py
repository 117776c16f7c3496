"""Which file of a submission's folder is the notebook, and a sentence on what there is when none is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

MAX_FILES = 2000  # looked at in one submission
MAX_DEPTH = 4
_NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Chosen:
    """The file to read, or the problem that there is none."""

    path: Path | None
    problem: str = ""
    notes: tuple[str, ...] = ()


def is_notebook(path: Path, also: tuple[str, ...] = ()) -> bool:
    """By its name: `.ipynb`, what browsers make of it (`.ipynb.txt`), or one of the suffixes in `also`."""
    return bool(_NOTEBOOK.search(path.name)) or path.suffix.lower() in also


def choose_file(folder: Path, lesson: str) -> Chosen:
    """The notebook called like the lesson, else the newest; failing that a zip archive, or a Python script."""
    files, links, checkpoints = _files(folder)
    notes = [f"{link!r} is a link out of the submission; it was not followed." for link in links]
    notebooks = [path for path in files if is_notebook(path)]
    zips = [path for path in files if path.suffix.lower() == ".zip"]
    scripts = [path for path in files if path.suffix.lower() == ".py"]
    for candidates in (notebooks, zips, scripts):
        if not candidates or (candidates is not notebooks and len(candidates) > 1):
            continue
        path, why = _best(candidates, folder, lesson)
        if len(candidates) > 1:
            others = ", ".join(repr(str(p.relative_to(folder))) for p in candidates if p != path)
            notes.append(f"several notebooks; {path.name!r} is graded, {why}, not {others}.")
        elif path.parent != folder:
            notes.append(f"the notebook was found in {str(path.relative_to(folder))!r}.")
        return Chosen(path, notes=tuple(notes))
    return Chosen(None, _nothing(files, links, checkpoints, lesson), tuple(notes))


def _best(candidates: list[Path], folder: Path, lesson: str) -> tuple[Path, str]:
    """Files at the top before those further down; then the lesson's name, then the newest."""
    depth = min(len(path.relative_to(folder).parts) for path in candidates)
    top = [path for path in candidates if len(path.relative_to(folder).parts) == depth]
    named = [path for path in top if _NOTEBOOK.sub("", path.name).lower() == lesson.lower()]
    newest = max(named or top, key=lambda path: (path.stat().st_mtime_ns, path.name))
    return newest, "called like the lesson" if named else "the newest"


def _files(folder: Path) -> tuple[list[Path], list[str], int]:
    """Regular files below the folder; links that lead out of it; how many notebooks are automatic copies."""
    files: list[Path] = []
    links: list[str] = []
    checkpoints = 0
    real = folder.resolve()
    for parent, folders, names in os.walk(folder):  # doesn't follow links to folders
        here = Path(parent)
        depth = len(here.relative_to(folder).parts)
        if here.name == ".ipynb_checkpoints":
            checkpoints += sum(name.endswith(".ipynb") for name in names)
            folders.clear()
            continue
        links += [str((here / name).relative_to(folder)) for name in folders if (here / name).is_symlink()]
        folders[:] = sorted(
            f for f in folders if depth < MAX_DEPTH and (f[:1] not in "._" or f == ".ipynb_checkpoints")
        )
        for name in sorted(names):
            path = here / name
            if path.is_symlink():
                target = path.resolve()
                if not (target.is_relative_to(real) and target.is_file()):
                    links.append(str(path.relative_to(folder)))
                    continue
                path = target
            if path.is_file() and not name.startswith("._") and path not in files:
                files.append(path)
            if len(files) >= MAX_FILES:
                return files, links, checkpoints
    return files, links, checkpoints


def _nothing(files: list[Path], links: list[str], checkpoints: int, lesson: str) -> str:
    found = [repr(path.name[:60]) for path in files if path.name != "timestamp.txt"]
    if found:
        what = ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")
    elif links:
        what = f"the link {links[0]!r}, which leads out of the folder"
    elif checkpoints:
        what = "Jupyter's automatic copy in .ipynb_checkpoints"
    else:
        what = "an empty folder"
    return f"no notebook: found {what}, expected {lesson}.ipynb; ask the student to hand it in"
