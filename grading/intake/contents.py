"""What a handed-in file is: which lesson it belongs to and how much of it is filled in. Nothing is executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import nbformat
from nbformat import NotebookNode

from grading.intake.archive import Pick, notebook_in_zip
from grading.intake.cells import Slot, SubmittedCell, of_role, slots_of, submitted_cells
from grading.intake.decode import Unreadable, load_json
from grading.intake.lessons import evidence, other_lesson
from grading.intake.normalise import normalise
from grading.intake.read import read_bytes

MAX_NOTEBOOK = 64 * 2**20  # bytes
BLANK = "___"  # what the released notebook shows in place of an answer
_KINDS = {
    ".pdf": "a PDF", ".html": "a web page", ".htm": "a web page", ".doc": "a Word document",
    ".docx": "a Word document", ".odt": "a text document", ".rtf": "a text document", ".pages": "a text document",
    ".txt": "a text file", ".md": "a text file", ".csv": "a table", ".xlsx": "a table", ".xls": "a table",
    ".png": "a picture", ".jpg": "a picture", ".jpeg": "a picture", ".heic": "a picture", ".gif": "a picture",
    ".mp4": "a video", ".mov": "a video", ".rar": "a RAR archive", ".7z": "a 7z archive", ".gz": "a gzip archive",
    ".tar": "a tar archive", ".zip": "a zip archive", ".py": "a Python script", ".ipynb": "a notebook",
}  # fmt: skip


@dataclass(frozen=True)
class Content:
    """What one file is.

    Attributes:
        problem: why it cannot be graded, one sentence; "" when it can.
        lesson: the lesson it belongs to by its content; "" when that cannot be told.
        belongs: it belongs to the lesson that was asked for.
        filled: how many of the lesson's answers are filled in; an answer with blanks left counts a half.
        asked: how many answers the lesson asks for.
        evidence: how many signs of the lesson it holds (metadata, check cells, names, question markers).
        old: its check cells differ from those that were released.
    """

    problem: str = ""
    lesson: str = ""
    belongs: bool = False
    filled: float = 0.0
    asked: int = 0
    evidence: int = 0
    old: bool = False

    @property
    def rank(self) -> tuple[bool, bool, bool, float, int]:
        """Orders files of one hand-in: the larger, the more likely it is the one to grade."""
        return (not self.problem, self.belongs, not self.old or self.filled > 0, self.filled, self.evidence)

    def doubt(self, name: str, wanted: str) -> str:
        """One sentence for a person when the file is no ordinary hand-in for `wanted`; "" when it is."""
        if self.problem:
            return f"{name!r} cannot be read: {self.problem}."
        if not self.belongs and self.lesson:
            return (
                f"{name!r} belongs to lesson {self.lesson}, not to {wanted}; the right file is still to be handed in."
            )
        if not self.belongs:
            return f"{name!r} holds nothing of lesson {wanted}; the right file is still to be handed in."
        if not self.filled:
            return f"{name!r} is the lesson as it was released: no answer is filled in."
        if self.old:
            return f"{name!r} has other check cells than the released lesson: an earlier version, or edited."
        return ""


class LessonContents:
    """Looks into files, given every lesson's released notebook.

    Args:
        released: released notebooks by lesson id.
    """

    def __init__(self, released: Mapping[str, NotebookNode]) -> None:
        self._released = dict(released)
        self._slots: dict[str, list[Slot]] = {}

    def slots(self, lesson: str) -> list[Slot]:
        """The cells of a lesson's released notebook; none for a lesson that has not been built."""
        if lesson not in self._slots:
            notebook = self._released.get(lesson)
            self._slots[lesson] = slots_of(notebook) if notebook is not None else []
        return self._slots[lesson]

    def look(self, data: bytes, suffix: str, lesson: str) -> Content:
        """What the file with this content is, seen from `lesson`. Never raises for what the file holds."""
        try:
            notebook, named = _read(data, suffix)
        except Unreadable as error:
            return Content(problem=str(error))
        except Exception as error:  # parsers fail in their own ways on hostile files
            return Content(problem=f"the file cannot be read ({type(error).__name__})")
        return self._judged(submitted_cells(notebook), named, lesson)

    def look_into(self, data: bytes, suffix: str, lesson: str) -> Content:
        """As `look`; of an archive, what its best notebook is."""
        if suffix != ".py" and data.startswith(b"PK\x03\x04"):
            try:
                _, data = notebook_in_zip(data, max_bytes=MAX_NOTEBOOK, pick=self.picker(lesson))
            except Unreadable as error:
                return Content(problem=str(error))
            suffix = ".ipynb"
        return self.look(data, suffix, lesson)

    def picker(self, lesson: str) -> Pick:
        """Chooses among the notebooks of an archive: by content, then by the lesson's name."""

        def pick(files: Sequence[tuple[str, bytes]]) -> int:
            named = [name.rsplit("/", 1)[-1].lower() == f"{lesson}.ipynb" for name, _ in files]
            ranks = [self.look(data, ".ipynb", lesson).rank for _, data in files]
            return max(range(len(files)), key=lambda at: (ranks[at], named[at]))

        return pick

    def _judged(self, handed_in: list[SubmittedCell], named: str, lesson: str) -> Content:
        slots = self.slots(lesson)
        asked = of_role(slots, "answer", "written")
        if not asked:  # the lesson asks nothing, or was not built: the name in the metadata is all there is
            return Content(lesson=named, belongs=named in ("", lesson), evidence=2 * (named == lesson))
        found = evidence(slots, handed_in)
        others = {one: book for one, book in self._released.items() if one != lesson}
        other = other_lesson(slots, handed_in, others)
        strange = found == 0 and other is not None
        if named and named != lesson and named in self._released:
            theirs = evidence(self.slots(named), handed_in)
            strange = strange or theirs > found
            other = named if theirs > found else other
        if strange and not (other or named):
            other = ""
        ours = {slot.plain for slot in slots}
        own = [submitted for submitted in handed_in if submitted.plain.strip() and submitted.plain not in ours]
        filled = sum(_filled(slot, own) for slot in asked)
        checks = {slot.grade_id: slot.plain for slot in of_role(slots, "check")}
        old = any(p.grade_id in checks and p.plain != checks[p.grade_id] for p in handed_in)
        return Content(
            lesson=(other or "") if strange else lesson,
            belongs=not strange,
            filled=0.0 if strange else filled,
            asked=len(asked),
            evidence=found + 2 * (named == lesson),
            old=old,
        )


def _read(data: bytes, suffix: str) -> tuple[NotebookNode, str]:
    """The notebook, and the lesson that its metadata names."""
    if suffix == ".py":
        return read_bytes(data, ".py").notebook, ""
    value = load_json(data, [])
    try:
        return normalise(value, []).notebook, _named(value)
    except RecursionError:
        raise Unreadable("the file nests values thousands deep, as no notebook does") from None


def _named(value: Any) -> str:
    here = value
    for key in ("metadata", "vitlab", "lesson"):
        here = here.get(key) if isinstance(here, dict) else None
    return here if isinstance(here, str) else ""


def _filled(slot: Slot, handed_in: list[SubmittedCell]) -> float:
    """1 for an answer without blanks, a half for one with blanks left, 0 for one that was not touched.

    handed_in: those that are not as the lesson was released.
    """
    best = 0.0
    for submitted in handed_in:
        mine = submitted.grade_id == slot.grade_id and slot.grade_id
        if not (mine or slot.question in submitted.markers or (slot.role == "answer" and slot.names & submitted.binds)):
            continue
        best = max(best, 0.5 if slot.role == "answer" and BLANK in submitted.source else 1.0)
    return best


def kind_of_file(name: str) -> str:
    """What a file is by its name, in words: "a PDF", "a Word document"."""
    dot = name.rfind(".")
    suffix = name[dot:].lower() if dot > 0 else ""
    return _KINDS.get(suffix, f"a {suffix} file" if 1 < len(suffix) < 8 else "a file without an ending")


@cache
def _parsed(text: str) -> NotebookNode:
    return nbformat.reads(text, as_version=4)


def contents_of(released: Mapping[str, str]) -> LessonContents:
    """From released notebooks as JSON text, by lesson."""
    return LessonContents({lesson: _parsed(text) for lesson, text in released.items()})
