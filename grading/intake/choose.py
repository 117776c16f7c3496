"""Which file of a submission's folder is the notebook, and a sentence on what there is when none is."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grading.intake.contents import Content, LessonContents, kind_of_file
from grading.intake.read import Unreadable, file_bytes

MAX_FILES = 2000  # looked at in one submission
MAX_COMPARED = 50  # notebooks whose contents are compared
MAX_DEPTH = 4
_NOT_WORK = ("timestamp.txt", "submission_secret.txt")  # nbgrader writes these beside a hand-in
_NOTEBOOK = re.compile(r"\.ipynb(\.txt|\.json)?$", re.IGNORECASE)


@dataclass(frozen=True)
class Chosen:
    """The file to read, or the problem that there is none.

    Attributes:
        notes: what was chosen and why, one sentence each.
        doubts: what a person should look at, one sentence each; a part of `notes`.
    """

    path: Path | None
    problem: str = ""
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


def is_notebook(path: Path, also: tuple[str, ...] = ()) -> bool:
    """By its name: `.ipynb`, what browsers make of it (`.ipynb.txt`), or one of the suffixes in `also`."""
    return bool(_NOTEBOOK.search(path.name)) or path.suffix.lower() in also


def choose_file(folder: Path, lesson: str, contents: LessonContents | None = None) -> Chosen:
    """The notebook of a lesson in a folder; failing that a zip archive, or a Python script.

    Among several the content decides (see `compare`). Without `contents` the one called like the lesson is taken,
    else the newest.
    """
    files, links, checkpoints = _files(folder)
    notes = [f"{link!r} is a link out of the submission; it was not followed." for link in links]
    notebooks = [path for path in files if is_notebook(path)]
    zips = [path for path in files if path.suffix.lower() == ".zip"]
    scripts = [path for path in files if path.suffix.lower() == ".py"]
    for candidates in (notebooks, zips, scripts):
        if not candidates or (candidates is scripts and len(candidates) > 1 and contents is None):
            continue
        if candidates is zips and len(candidates) > 1 and contents is None:
            continue
        doubts: list[str] = []
        if len(candidates) > 1 and contents is not None:
            path, why, doubts = compare(candidates, lesson, contents)
        else:
            path, why = _by_name(candidates, folder, lesson)
        if len(candidates) > 1:
            others = ", ".join(repr(str(p.relative_to(folder))) for p in candidates if p != path)
            notes.append(f"several notebooks; {path.name!r} is graded, {why}, not {others}.")
        elif path.parent != folder:
            notes.append(f"the notebook was found in {str(path.relative_to(folder))!r}.")
        return Chosen(path, notes=(*notes, *doubts), doubts=tuple(doubts))
    return Chosen(None, _nothing(files, links, checkpoints, lesson), tuple(notes))


def compare(candidates: Sequence[Path], lesson: str, contents: LessonContents) -> tuple[Path, str, list[str]]:
    """The file to grade among several of one student, why it was chosen, and what a person should look at.

    What decides, in this order: it can be read; it belongs to the lesson; how many answers are filled in; how many
    signs of the lesson it holds; its name is the lesson's; its date.
    """
    looked = {path: _look(path, lesson, contents) for path in candidates[:MAX_COMPARED]}
    best = max(looked, key=lambda path: (looked[path].rank, *_by_name_and_date(path, lesson)))
    rest = [content for path, content in looked.items() if path != best]
    doubts = []
    if looked[best].rank == max(content.rank for content in rest) and not _same(best, candidates):
        doubts.append(
            f"several files are filled in alike; {best.name!r} is graded: please look whether it is the right one."
        )
    return best, reason(looked[best], rest, lesson), doubts


def reason(best: Content, rest: Sequence[Content], lesson: str) -> str:
    """Why `best` was chosen among several, in words that fit into a sentence."""
    if all(content.problem for content in rest) and not best.problem:
        return "the only one that can be read"
    if best.belongs and not any(content.belongs for content in rest):
        return f"the only one with answers to {lesson}"
    if best.filled > max((content.filled for content in rest if content.belongs), default=0.0):
        return f"the one with most answers filled in ({best.filled:g} of {best.asked})"
    if best.rank > max(content.rank for content in rest):
        return f"the one that holds most of {lesson}"
    return "called like the lesson or the newest"


def _look(path: Path, lesson: str, contents: LessonContents) -> Content:
    try:
        data = file_bytes(path)
    except Unreadable as error:
        return Content(problem=str(error))
    return contents.look_into(data, path.suffix.lower(), lesson)


def _same(best: Path, candidates: Sequence[Path]) -> bool:
    """Whether all that could have been chosen hold the same bytes."""
    try:
        mine = best.read_bytes()
        return (
            all(path.read_bytes() == mine for path in candidates if path.stat().st_size == len(mine))
            and len({path.stat().st_size for path in candidates}) == 1
        )
    except OSError:
        return False


def _by_name_and_date(path: Path, lesson: str) -> tuple[bool, int]:
    return _NOTEBOOK.sub("", path.name).lower() == lesson.lower(), path.stat().st_mtime_ns


def _by_name(candidates: list[Path], folder: Path, lesson: str) -> tuple[Path, str]:
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
            if path.is_file() and not name.startswith(".") and path not in files:
                files.append(path)
            if len(files) >= MAX_FILES:
                return files, links, checkpoints
    return files, links, checkpoints


def _nothing(files: list[Path], links: list[str], checkpoints: int, lesson: str) -> str:
    found = [path for path in files if path.name not in _NOT_WORK]
    if found:
        what = ", ".join(_described(path.name) for path in found[:4]) + (
            f" and {len(found) - 4} more" if len(found) > 4 else ""
        )
    elif links:
        what = f"the link {links[0]!r}, which leads out of the folder"
    elif checkpoints:
        what = "Jupyter's automatic copy in .ipynb_checkpoints"
    else:
        what = "an empty folder"
    return f"no notebook: found {what}, expected {lesson}.ipynb; ask the student to hand it in"


def _described(name: str) -> str:
    plain = name.lower().endswith((".py", ".zip", ".ipynb"))
    return repr(name[:60]) if plain else f"{name[:60]!r} ({kind_of_file(name)})"
