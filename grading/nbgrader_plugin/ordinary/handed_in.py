"""What a student handed in for an ordinary assignment: which file is which notebook, and what lies beside them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from grading.intake.read import Unreadable, file_bytes, read_bytes
from grading.nbgrader_plugin.ordinary.assignment import MAX_FILES_MB, Assignment, Part

MAX_FILES = 200  # looked at in one hand-in
_NOT_WORK = ("timestamp.txt", "submission_secret.txt")  # nbgrader writes these beside a hand-in
_COPY = re.compile(r" ?\(\d{1,3}\)$|[-_]copy\d*$", re.IGNORECASE)


@dataclass
class HandedIn:
    """Attributes:
    notebooks: by the name of the assignment's notebook; one that is missing was not handed in or can't be read.
    files: other files, by path relative to the hand-in's folder.
    notes: what was chosen and what is missing, one sentence each.
    """

    notebooks: dict[str, NotebookNode] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def contents_of_path(path: Path) -> dict[str, bytes]:
    """A hand-in's files by relative path: of a folder all regular files in it, else the file itself.

    Links are not followed; files that can't be read and those beyond the first 200 are left out.

    Raises:
        Unreadable: the path is a single file that can't be read.
    """
    if not path.is_dir():
        return {path.name: file_bytes(path)}
    found: dict[str, bytes] = {}
    for one in sorted(path.rglob("*"))[: 10 * MAX_FILES]:
        within = one.relative_to(path)
        if any(part.startswith(".") or part == "__pycache__" for part in within.parts) or one.name in _NOT_WORK:
            continue
        if len(found) < MAX_FILES and not one.is_symlink() and one.is_file():
            try:
                found[within.as_posix()] = file_bytes(one)
            except Unreadable:
                continue
    return found


def read_handed_in(contents: Mapping[str, bytes], assignment: Assignment) -> HandedIn:
    """Tell the notebooks apart: by name, else by the grade ids that they hold.

    Raises:
        Unreadable: there is no notebook that can be read.
    """
    result = HandedIn()
    readable: dict[str, NotebookNode] = {}
    problems: list[str] = []
    for name, data in contents.items():
        suffix = Path(name).suffix.lower()
        if suffix not in (".ipynb", ".zip", ".json", ".txt") or (suffix in (".json", ".txt") and ".ipynb" not in name):
            result.files[name] = data
            continue
        wanted = [part.name for part in assignment.parts] if suffix == ".zip" else [""]
        for prefer in wanted:
            try:
                reading = read_bytes(data, suffix, prefer=prefer)
            except Unreadable as error:
                problems.append(f"{name!r} can't be read: {error}")
                continue
            readable[f"{prefer}.ipynb" if prefer else name] = reading.notebook
            result.notes += [f"{name}: {note}" for note in reading.notes]
    if not readable:
        raise Unreadable(problems[0] if problems else "no notebook was handed in")
    result.notes += problems
    _assign(readable, assignment, result)
    if not result.notebooks:
        raise Unreadable(f"none of the files ({', '.join(sorted(readable)[:4])}) belongs to {assignment.lesson}")
    if sum(map(len, result.files.values())) > MAX_FILES_MB * 2**20:
        result.notes.append(f"the files beside the notebooks have more than {MAX_FILES_MB} MB; they were left out.")
        result.files = {}
    return result


def _assign(readable: Mapping[str, NotebookNode], assignment: Assignment, result: HandedIn) -> None:
    free = dict(readable)
    for exact in (True, False):
        for part in assignment.parts:
            fitting = [name for name in free if _stem(name, exact=exact) == (part.name if exact else part.name.lower())]
            if part.name not in result.notebooks and fitting:
                best = max(fitting, key=lambda name: (-name.count("/"), name))
                result.notebooks[part.name] = free.pop(best)
                if not exact:
                    result.notes.append(f"{best!r} was taken for {part.name}.ipynb.")
    for part in assignment.parts:
        if part.name in result.notebooks:
            continue
        counts = {name: _in_common(notebook, part) for name, notebook in free.items()}
        likely = max(counts, key=lambda name: counts[name], default="")
        only = len(assignment.parts) == len(readable) == 1
        if likely and (counts[likely] or only):
            result.notebooks[part.name] = free.pop(likely)
            result.notes.append(f"{likely!r} was taken for {part.name}.ipynb, since it holds its cells.")
        else:
            result.notes.append(f"{part.name}.ipynb was not handed in; its questions get no points.")
    result.notes += [f"{name!r} is no notebook of this assignment; it was passed over." for name in free]


def _stem(name: str, *, exact: bool) -> str:
    stem = name.rsplit("/", 1)[-1].removesuffix(".txt").removesuffix(".json").removesuffix(".ipynb")
    return stem if exact else _COPY.sub("", stem).lower()


def _in_common(notebook: NotebookNode, part: Part) -> int:
    ids = {str(cell.metadata.get("nbgrader", {}).get("grade_id", "")) for cell in notebook.cells}
    return len(ids & part.marked.keys())
