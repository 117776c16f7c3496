"""From any JSON that resembles a notebook to a valid one of version 4.5, keeping what grading uses and no more."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import nbformat
from nbformat import NotebookNode

from grading.intake.code_analysis import look
from grading.intake.decode import Unreadable

MAX_CELLS = 2000
MAX_CODE = 2 * 2**20  # characters of all code cells together
MAX_PROSE = 32 * 2**20  # of all others: Colab puts pasted pictures into the text
MAX_NOTES = 30
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CONFLICT = re.compile(r"^(?:<{7} |>{7} )", re.MULTILINE)


@dataclass(frozen=True)
class Reading:
    """A valid notebook without outputs, and what had to be repaired, one sentence each."""

    notebook: NotebookNode
    notes: tuple[str, ...] = ()


def normalise(raw: Any, notes: list[str] | None = None) -> Reading:
    """A valid version 4.5 notebook from parsed JSON.

    Of the metadata only grade ids stay, everything else is taken from the released notebook; pictures pasted into
    prose stay too.

    Raises:
        Unreadable: it is no notebook.
    """
    notes = [] if notes is None else notes
    cells = _raw_cells(raw, notes)
    if len(cells) > MAX_CELLS:
        raise Unreadable(f"the notebook has {len(cells)} cells; at most {MAX_CELLS} are read: delete what isn't yours")
    read: list[NotebookNode] = []
    seen: set[str] = set()
    size = {True: 0, False: 0}
    for number, cell in enumerate(cells, 1):
        if not isinstance(cell, Mapping):
            notes.append(f"cell {number} is not a cell but {_kind(cell)}; it was left out.")
            continue
        node = _cell(cell, number, notes)
        size[node.cell_type == "code"] += len(node.source)
        if node.id in seen or not node.id:
            node["id"] = _fresh(number, seen)
        seen.add(node.id)
        read.append(node)
    for code, limit in ((True, MAX_CODE), (False, MAX_PROSE)):
        if size[code] > limit:
            what = "code" if code else "text"
            raise Unreadable(
                f"the cells hold {size[code]} characters of {what}, at most {limit} are read; take out pasted data"
            )
    notebook = NotebookNode(nbformat=4, nbformat_minor=5, metadata=NotebookNode(), cells=read)
    nbformat.validate(notebook)
    return Reading(notebook, bounded(notes))


def bounded(notes: Iterable[str]) -> tuple[str, ...]:
    """Each note once, and no more than a person will read."""
    unique = tuple(dict.fromkeys(notes))
    return unique if len(unique) <= MAX_NOTES else (*unique[:MAX_NOTES], f"… and {len(unique) - MAX_NOTES} more.")


def _raw_cells(raw: Any, notes: list[str]) -> list[Any]:
    if not isinstance(raw, Mapping):
        raise Unreadable(f"the file holds {_kind(raw)}, not a notebook; hand in the .ipynb as Jupyter saves it")
    version = raw.get("nbformat")
    cells = raw.get("cells")
    if cells is None and isinstance(raw.get("worksheets"), list):
        cells = []
        for sheet in raw["worksheets"]:
            part = sheet.get("cells") if isinstance(sheet, Mapping) else None
            cells += part if isinstance(part, list) else []
        notes.append(f"the notebook has the old format {version}; it was upgraded.")
    elif isinstance(version, int) and version > 4:
        notes.append(f"the notebook has format {version}, newer than this grader knows; it was read as format 4.")
    if not isinstance(cells, list):
        found = ", ".join(str(key)[:20] for key in list(raw)[:4]) or "nothing"
        raise Unreadable(
            f"the file is JSON but not a notebook: it holds {found} and no list of cells; hand in the .ipynb itself"
        )
    metadata = raw.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, Mapping) else None
    language = kernel.get("language") if isinstance(kernel, Mapping) else None
    if isinstance(language, str) and language.lower() not in ("python", ""):
        notes.append(f"the notebook's kernel is for {language[:20]}; it is graded as Python.")
    return cells


def _cell(cell: Mapping[str, Any], number: int, notes: list[str]) -> NotebookNode:
    source = _clean(_source(cell, number, notes), number, notes)
    kind = _cell_kind(cell, source, number, notes)
    if cell.get("cell_type") == "heading":
        level = cell.get("level")
        source = f"{'#' * (level if isinstance(level, int) and 0 < level < 7 else 1)} {source}"
    if _CONFLICT.search(source):
        notes.append(
            f"cell {number} holds the marks of a git merge conflict; only the student can say which side counts."
        )
    metadata = cell.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    identity = cell.get("id", metadata.get("id"))  # Colab keeps ids in the metadata
    node = NotebookNode(
        cell_type=kind,
        id=identity if isinstance(identity, str) and _ID.fullmatch(identity) else "",
        metadata=NotebookNode(),
        source=source,
    )
    grader = metadata.get("nbgrader")
    grade_id = grader.get("grade_id") if isinstance(grader, Mapping) else None
    if isinstance(grade_id, str) and _ID.fullmatch(grade_id):
        node.metadata["nbgrader"] = NotebookNode(grade_id=grade_id)
    if kind == "code":
        node["execution_count"], node["outputs"] = None, []
    elif pictures := _pictures(cell.get("attachments"), number, notes):
        node["attachments"] = pictures
    return node


def _source(cell: Mapping[str, Any], number: int, notes: list[str]) -> str:
    """The text of a cell of any version: a string, or a list of lines."""
    source = next((cell[key] for key in ("source", "input", "code", "text") if key in cell), None)
    if isinstance(source, str):
        return source
    if isinstance(source, list):
        if not all(isinstance(line, str) for line in source):
            notes.append(f"cell {number} holds lines that are no text; they were left out.")
        return "".join(line for line in source if isinstance(line, str))
    notes.append(
        f"cell {number} has {'no source' if source is None else f'{_kind(source)} for a source'}; it counts as empty."
    )
    return ""


def _clean(source: str, number: int, notes: list[str]) -> str:
    """Line ends of one kind, and no characters that databases and encoders refuse."""
    source = source.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    cleaned = source.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    if cleaned != source:
        notes.append(f"cell {number} holds characters that are no text; they were replaced.")
    return cleaned


def _cell_kind(cell: Mapping[str, Any], source: str, number: int, notes: list[str]) -> str:
    kind = cell.get("cell_type")
    if kind in ("code", "markdown", "raw"):
        return str(kind)
    if kind in ("heading", "html"):
        return "markdown"
    if kind == "plaintext":
        return "raw"
    code = "outputs" in cell or "execution_count" in cell or (source.strip() != "" and look(source).parsed)
    guess = "code" if code else "markdown"
    what = f"has the unknown type {str(kind)[:20]!r}" if kind is not None else "has no type"
    notes.append(f"cell {number} {what}; it was read as {guess}.")
    return guess


def _pictures(attachments: Any, number: int, notes: list[str]) -> NotebookNode | None:
    """Bitmaps pasted into prose; anything else that was attached is left out."""
    if not isinstance(attachments, Mapping) or not attachments:
        return None
    kept = NotebookNode()
    for name, bundle in attachments.items():
        images = (
            {mime: data for mime, data in bundle.items() if mime in PICTURES and isinstance(data, str)}
            if isinstance(bundle, Mapping)
            else {}
        )
        if images:
            kept[str(name)] = NotebookNode(images)
        else:
            notes.append(f"cell {number} has an attachment that is no picture; it was left out.")
    return kept or None


def _fresh(number: int, taken: set[str]) -> str:
    name = f"cell-{number:04d}"
    while name in taken:
        name += "x"
    return name


def _kind(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "nothing" if value is None else names.get(type(value), "something else")
