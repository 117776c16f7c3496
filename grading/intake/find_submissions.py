"""Which submissions a folder holds, and what is wrong with those that can't be read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from grading.intake.choose import choose_file, compare, is_notebook
from grading.intake.contents import LessonContents, kind_of_file
from grading.intake.record import read_record

MAX_NAME = 100
_BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_OFFSET = re.compile(r" ([+-]\d{4})$")  # apart from the time, nbgrader takes +0100 for a hundred seconds
_COPY = re.compile(r"(.+?) ?\((\d{1,3})\)$")


class FindError(Exception):
    """A folder that can't be taken for a class: says what was found, what was expected and what to do."""


@dataclass(frozen=True)
class Submission:
    """What one student handed in for one lesson.

    Attributes:
        path: a file for `read_notebook`: a notebook, or a .zip or .py in its stead; None when there is none.
        timestamp: of nbgrader's timestamp.txt, UTC without zone as nbgrader's gradebook keeps it; None without one.
        problem: why there is nothing to read, one sentence; "" when there is.
        notes: what was chosen among several, one sentence each.
    """

    student: str
    lesson: str
    path: Path | None
    timestamp: datetime | None = None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """All submissions, by student and lesson, and what in the folder is none."""

    submissions: tuple[Submission, ...]
    notes: tuple[str, ...] = ()


def require_folder(folder: Path) -> None:
    """Raises `FindError` unless submissions can be looked for in `folder`."""
    if not folder.is_dir():
        kind = "a file" if folder.exists() else "not there"
        raise FindError(f"{folder} is {kind}; expected a folder of submissions, <student>/<lesson>/<name>.ipynb")


def find_submissions(
    folder: Path, lessons: Sequence[str], known: Collection[str] = (), contents: LessonContents | None = None
) -> Findings:
    """Look through a folder of submissions.

    Understood are `<student>/<lesson>/<any name>.ipynb`, as nbgrader collects them, and for a single lesson also
    `<student>/<any name>.ipynb` and one flat folder of `<student>.ipynb`.

    Args:
        lessons: the lessons to grade.
        known: all lessons of the course; folders of those that aren't asked for are passed over without a note.
        contents: looks into files: among several of one student, the content decides. Without it, name and date do.

    Raises:
        FindError: no such folder, or a layout that leaves the lesson open.
    """
    folder = Path(folder)
    require_folder(folder)
    known = set(known) | set(lessons)
    folders, files, notes = _entries(folder.resolve())
    nested = any((child / lesson).is_dir() for child in folders for lesson in known)
    one = lessons[0] if len(lessons) == 1 else ""
    if nested or (folders and not any(is_notebook(file) for file in files)):
        found = _by_student(folders, lessons, known, nested, one, notes, contents)
        notes += [
            f"{file.name} lies beside the students' folders; it was passed over." for file in files if is_notebook(file)
        ]
    elif files:
        if not one:
            asked = ", ".join(lessons) or "none"
            raise FindError(
                f"{folder} holds files, not one folder per student, so exactly one lesson must be named; "
                f"asked for: {asked}"
            )
        found = _flat(files, one, notes, contents)
    else:
        found = []
    return Findings(tuple(sorted(found, key=lambda s: (s.student, s.lesson))), tuple(notes))


def _entries(folder: Path) -> tuple[list[Path], list[Path], list[str]]:
    """Folders and files with usable names, and notes on the others."""
    folders, files, notes = [], [], []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__")):
            continue
        if path.is_symlink():
            notes.append(f"{_shown(path.name)} is a link; links are not followed: put the folder itself there.")
        elif problem := _unusable(path.name):
            notes.append(f"{_shown(path.name)} was passed over: its name {problem}; rename it to the student's id.")
        elif path.is_dir():
            folders.append(path)
        elif path.is_file():
            files.append(path)
    return folders, files, notes


def _unusable(name: str) -> str:
    """Why a name can't stand for a student in paths and pages; "" when it can."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8"
    if any(c in "/\\" + _BIDI or unicodedata.category(c) == "Cc" for c in name):
        return "holds a path separator, a control character or one that turns the writing direction"
    if len(name) > MAX_NAME or not name.strip(" ."):
        return f"is empty or longer than {MAX_NAME} characters"
    return ""


def usable_name(name: str) -> str:
    """The same name with everything taken out that can't stand in a path or on a page; "" when nothing is left."""
    kept = "".join("-" if c in "/\\" else c for c in name if c not in _BIDI and unicodedata.category(c) != "Cc")
    return kept.encode("utf-8", "ignore").decode().strip(" .")[:MAX_NAME]


def _by_student(
    folders: list[Path],
    lessons: Sequence[str],
    known: set[str],
    nested: bool,
    one: str,
    notes: list[str],
    contents: LessonContents | None,
) -> list[Submission]:
    found: list[Submission] = []
    names: dict[str, str] = {}
    for student in folders:
        same = names.setdefault(unicodedata.normalize("NFC", student.name), student.name)
        if same != student.name:
            notes.append(f"{_shown(student.name)} reads like another student's folder; it was passed over: rename one.")
            continue
        try:
            children = sorted(student.iterdir())
        except OSError as error:
            notes.append(f"{student.name}: the folder can't be opened ({error.strerror}); it was passed over.")
            continue
        own: list[Submission] = []
        for child in children:
            if child.is_symlink() and child.name in lessons:
                problem = "the lesson's folder is a link, which is not followed; hand in the folder itself"
                own.append(Submission(student.name, child.name, None, problem=problem))
            elif child.is_dir() and child.name in lessons:
                own.append(_one(student.name, child.name, child, contents))
            elif child.is_dir() and child.name not in known and child.name[:1] not in "._" and nested:
                what = f"folder {_shown(child.name)} is none of the course's lessons"
                notes.append(f"{student.name}: {what}; it was passed over.")
        loose = [path for path in children if is_notebook(path)]
        if not own and one and (loose or not nested):
            own.append(_one(student.name, one, student, contents))
        elif not own and loose:
            notes.append(f"{student.name}: {_shown(loose[0].name)} lies in no lesson's folder; it was passed over.")
        found += own
    return found


def _one(student: str, lesson: str, folder: Path, contents: LessonContents | None) -> Submission:
    choice = choose_file(folder, lesson, contents)
    timestamp, note = read_timestamp(folder / "timestamp.txt")
    record = read_record(folder)
    notes = [*record.notes, *choice.notes, *([note] if note else [])]
    problem = choice.problem
    if problem and record.notes:  # what collect found is told in more detail than an empty folder tells
        problem, notes = record.notes[0], notes[1:]
    return Submission(student, lesson, choice.path, timestamp, problem, tuple(dict.fromkeys(notes)))


def _flat(files: list[Path], lesson: str, notes: list[str], contents: LessonContents | None) -> list[Submission]:
    """One file per student; `ada (1).ipynb` is a second download of ada's."""
    byname: dict[str, list[Path]] = {}
    for file in files:
        if not is_notebook(file, also=(".zip", ".py")):
            notes.append(f"{_shown(file.name)} is {kind_of_file(file.name)}, not a notebook; it was passed over.")
            continue
        stem = re.sub(r"(?i)(\.ipynb(\.txt|\.json)?|\.zip|\.py)$", "", file.name).strip()
        copy = _COPY.match(stem)
        if problem := _unusable(stem):
            notes.append(f"{_shown(file.name)} was passed over: its name {problem}.")
            continue
        byname.setdefault(copy[1] if copy else stem, []).append(file)
    found = []
    for student, versions in byname.items():
        versions.sort(key=lambda path: (is_notebook(path), path.stat().st_mtime, path.name))
        best, why, doubts = versions[-1], "the newest", list[str]()
        if len(versions) > 1 and contents is not None:
            best, why, doubts = compare(versions, lesson, contents)
        submission = Submission(student, lesson, best)
        if len(versions) > 1:
            others = ", ".join(_shown(path.name) for path in versions if path != best)
            note = f"several files of {student}; {_shown(best.name)}, {why}, is graded, not {others}."
            submission = replace(submission, notes=(note, *doubts))
        found.append(submission)
    return found


def read_timestamp(path: Path) -> tuple[datetime | None, str]:
    """nbgrader's timestamp.txt, and a note when it can't be understood."""
    if path.is_symlink() or not path.is_file():
        return None, ""
    from nbgrader.utils import parse_utc

    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(200).strip()
        text = _OFFSET.sub(r"\1", text)
        return (parse_utc(text), "") if text else (None, "timestamp.txt is empty; the time of submission is not known.")
    except (ValueError, OverflowError, OSError, TypeError):
        return None, f"timestamp.txt holds {_shown(text)}, which is no time; the time of submission is not known."


def _shown(name: str) -> str:
    text = ascii(name) if _unusable(name) else repr(name)
    return text if len(text) <= 80 else f"{text[:77]}…'"
