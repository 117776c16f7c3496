"""One student's files in a download: which is graded, why, and what a person should look at."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from grading.intake.archive import notebooks_in_zip
from grading.intake.choose import reason
from grading.intake.contents import Content, LessonContents, kind_of_file
from grading.intake.read import Unreadable, file_bytes
from grading.lms.downloads import Named
from grading.lms.unpack import Entry, printable

_GRADED = (".ipynb", ".py")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError)
_NOTEBOOK_BYTES = 64 * 2**20
_HEAD = 2**16  # bytes at either end of a file in which a notebook's keys stand


@dataclass(frozen=True)
class File:
    """A file of the download that is one student's."""

    entry: Entry
    named: Named

    @property
    def shown(self) -> str:
        """Its own name, as the student chose it."""
        return printable(self.named.file, 80)


@dataclass(frozen=True)
class Candidate:
    """A notebook or script that could be graded: a file, or one in a student's archive."""

    file: File
    name: str
    data: bytes
    content: Content

    @property
    def suffix(self) -> str:
        return ".py" if self.name.lower().endswith(".py") else ".ipynb"

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def rank(self, lesson: str) -> tuple[object, ...]:
        """Content first, then the LMS's order, then the lesson's name, then the date; never the alphabet."""
        own = self.name.rsplit("/", 1)[-1].lower()
        when = self.file.entry.when.timestamp() if self.file.entry.when else 0.0
        copy = self.file.named.copy
        return (*self.content.rank, not copy, own.startswith(lesson.lower()), self.suffix == ".ipynb",
                self.file.named.attempt, when, self.digest)  # fmt: skip


@dataclass
class Choice:
    """What became of one student's files.

    Attributes:
        best: what is graded; None when nothing can be.
        why: why it was chosen among several; "" when there was no choice.
        doubts: what a person should look at, one sentence each.
        unread: the one of them that grading will find by itself: the file cannot be read.
        others: files of the download that are not graded.
    """

    best: Candidate | None = None
    why: str = ""
    doubts: list[str] = field(default_factory=list)
    unread: str = ""
    others: list[File] = field(default_factory=list)


def choose(files: Sequence[File], lesson: str, contents: LessonContents) -> Choice:
    """The file to grade among all that came from one student.

    Files of one moment are compared by content. Of several hand-ins (nbgrader's exchange keeps each) the latest
    counts, unless it holds nothing of the lesson that is filled in and an earlier one does.
    """
    choice = Choice()
    candidates: list[Candidate] = []
    for file in files:
        candidates += _candidates(file, lesson, contents, choice.doubts)
    moments = sorted({file.named.when for file in files if file.named.when})
    if candidates:
        choice.best = _best(candidates, lesson, moments, choice)
    used = choice.best.file if choice.best is not None else None
    inside = choice.best is not None and used is not None and choice.best.name != used.named.file
    choice.others = [file for file in files if file is not used or inside]
    _judge(choice, candidates, files, lesson)
    return choice


def _best(candidates: list[Candidate], lesson: str, moments: Sequence[str], choice: Choice) -> Candidate:
    best = max(candidates, key=lambda one: one.rank(lesson))
    if len(moments) > 1:
        latest = max((one.file.named.attempt for one in candidates), default=())
        newest = [one for one in candidates if one.file.named.attempt == latest]
        of_newest = max(newest, key=lambda one: one.rank(lesson))
        if not of_newest.content.problem and of_newest.content.belongs and of_newest.content.filled:
            best = of_newest
        elif best.file.named.attempt != latest:
            when, earlier = of_newest.file.named.when, best.file.named.when
            choice.doubts.append(
                f"the latest hand-in ({when}) has no answer to {lesson}; the one of {earlier} is graded instead."
            )
        if best is of_newest:
            choice.why = "the latest hand-in"
    different = {one.digest: one for one in candidates}
    rest = [one for one in different.values() if one.digest != best.digest]
    if rest and not choice.why:
        choice.why = reason(best.content, [one.content for one in rest], lesson)
        if best.content.rank == max(one.content.rank for one in rest):
            shown = _told_apart([best, *rest][:4])
            choice.doubts.append(
                f"{', '.join(shown)} are filled in alike, but differ; {shown[0]} is graded: please look."
            )
    return best


def _judge(choice: Choice, candidates: Sequence[Candidate], files: Sequence[File], lesson: str) -> None:
    """Say what is out of the ordinary."""
    best = choice.best
    if best is None:
        if files and not choice.doubts:
            choice.doubts.append(_no_notebook(files, lesson))
        return
    if doubt := best.content.doubt(printable(best.name, 80), lesson):
        choice.doubts.insert(0, doubt)
        choice.unread = doubt if best.content.problem else ""
    candidates = [one for one in candidates if one.file.named.when == best.file.named.when]
    several = {one.digest for one in candidates if one.content.belongs and one.content.filled}
    if len(several) > 1 and choice.why and not any("filled in alike" in text for text in choice.doubts):
        others = [one for one in candidates if one.digest != best.digest and one.content.filled]
        first, *shown = _told_apart([best, *others[:3]])
        choice.doubts.append(
            f"several files with answers came: {first} is graded, {choice.why}; also {', '.join(shown)}."
        )
    if best.suffix == ".py":
        choice.doubts.append(f"{printable(best.name, 80)!r} is a Python script, not the notebook; its cells are read.")


def _told_apart(candidates: Sequence[Candidate]) -> list[str]:
    """Names to show; where two are alike, with what the LMS put before them."""
    names = [one.name for one in candidates]
    alike = len(set(names)) < len(names)
    return [repr(printable(one.file.entry.name if alike else one.name, 90)) for one in candidates]


def _no_notebook(files: Sequence[File], lesson: str) -> str:
    typed = [file for file in files if file.named.entry]
    if typed and len(typed) == len(files):
        what = "a link" if typed[0].named.entry == "link" else "text typed into the LMS's box"
        return f"handed in {what}, no file; expected {lesson}.ipynb."
    named = [f"{file.shown!r} ({kind_of_file(file.named.file)})" for file in files if not file.named.entry]
    more = f" and {len(named) - 4} more" if len(named) > 4 else ""
    return f"handed in {', '.join(named[:4])}{more}, no notebook; expected {lesson}.ipynb."


def _candidates(file: File, lesson: str, contents: LessonContents, doubts: list[str]) -> list[Candidate]:
    """What of a file could be graded: itself, or the notebooks in it when it is an archive."""
    low = file.named.file.lower()
    if file.named.entry:
        return []
    if not low.endswith((".ipynb", ".ipynb.txt", ".ipynb.json", ".py", ".zip")) and not _looks_like_one(file):
        return []
    try:
        data = file_bytes(file.entry.path, 200)
    except Unreadable as error:
        doubts.append(f"{file.shown!r} cannot be read: {error}.")
        return []
    if data.startswith(b"PK\x03\x04") or low.endswith(".zip"):
        return _in_archive(file, data, lesson, contents, doubts)
    suffix = ".py" if low.endswith(".py") else ".ipynb"
    content = contents.look(data, suffix, lesson)
    if suffix == ".py" and not content.belongs:
        return []  # a module of the student's own
    return [Candidate(file, file.named.file, data, content)]


def _looks_like_one(file: File) -> bool:
    """A notebook under another ending: browsers save it as .txt or .json, and some people take the ending off."""
    try:
        with file.entry.path.open("rb") as content:
            start = content.read(_HEAD).lstrip(b"\xef\xbb\xbf \r\n\t")
            size = content.seek(0, 2)
            content.seek(max(0, size - _HEAD))
            end = content.read(_HEAD)
    except OSError:
        return False
    return start.startswith(b"{") and b'"cells"' in start + end and b'"nbformat"' in start + end


def _in_archive(file: File, data: bytes, lesson: str, contents: LessonContents, doubts: list[str]) -> list[Candidate]:
    try:
        found, problems = notebooks_in_zip(data, max_bytes=_NOTEBOOK_BYTES, suffixes=_GRADED)
    except (*_BROKEN, Unreadable) as error:
        why = str(error)[:100] or type(error).__name__
        doubts.append(f"{file.shown!r} is no archive that can be read ({why}); expected the .ipynb itself.")
        return []
    doubts += [f"{file.shown!r}: {problem}." for problem in problems]
    looked = [(name, one, contents.look(one, ".py" if name.lower().endswith(".py") else ".ipynb", lesson))
              for name, one in found]  # fmt: skip
    usable = [(n, d, c) for n, d, c in looked if n.lower().endswith(".ipynb") or c.belongs]
    if not usable and not problems:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                names = [name for name in archive.namelist() if not name.endswith("/")]
        except _BROKEN:
            names = []
        shown = (
            ", ".join(f"{printable(n.rsplit('/', 1)[-1], 60)!r} ({kind_of_file(n)})" for n in names[:4]) or "nothing"
        )
        doubts.append(f"{file.shown!r} holds no notebook but {shown}; expected {lesson}.ipynb.")
    return [Candidate(file, f"{file.named.file}/{n}", d, c) for n, d, c in usable]
