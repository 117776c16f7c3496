"""`vitlab forget` and `vitlab backup`: what the course keeps of students, removed for one and copied for all."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from grading.course import FILE, Course, CourseError
from grading.engine.journal import only_run
from grading.engine.outcome import RESULTS
from grading.extensions import FILE as EXTENSIONS
from grading.lms.give_back import RETURNED
from grading.lms.roster import FILE as ROSTER
from grading.lms.whose import folded
from grading.nbgrader_plugin.forget_student import forget_student
from grading.tables import read_table, write_file, written

_FOLDERS = ("submitted", "autograded", "feedback")
_REPORTS = ("report.html", "report-anonymous.html")
_SETTINGS = (FILE, ROSTER, EXTENSIONS, "solutions", "notebooks", "helpers/checks/expected", "expected")
_PASSED_OVER = (".part", ".lock", "-wal", "-shm", "-journal")


@dataclass
class Forgotten:
    """What was removed, in words, and what a person still has to look at."""

    removed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def forget(course: Course, student: str, out: Path, db_url: str | None) -> Forgotten:
    """Delete everything that the course keeps of one student.

    Removed are the hand-ins with all earlier versions, graded notebooks, pages, results, the gradebook's rows, what
    was noted on giving back, and the rows of roster.csv and extensions.csv. Reports, which name the student, are
    deleted; `vitlab report` writes new ones.

    Raises:
        CourseError: nothing is kept of such a student, or a run is grading into the folder.
    """
    if not student.strip() or "/" in student or student in (".", ".."):
        raise CourseError(f"{student!r} is no student's id")
    done = Forgotten()
    out.mkdir(parents=True, exist_ok=True)
    with only_run(out):
        for folder in _FOLDERS:
            for path in _named(out / folder, student):
                shutil.rmtree(path)
                done.removed.append(str(path))
        _from_results(out / RESULTS, student, done)
        for name in (RETURNED, *(f"collected/{path.name}" for path in sorted((out / "collected").glob("*.json")))):
            _from_json(out / name, student, done)
        if db_url is not None:
            _from_gradebook(db_url, student, done)
        for name in (ROSTER, EXTENSIONS):
            _from_table(course.root / name, student, done)
        if not done.removed:
            raise CourseError(f"nothing is kept of {student!r} under {out} and {course.root}")
        for name in _REPORTS:
            if (out / name).exists():
                (out / name).unlink()
                done.removed.append(f"{out / name} (run `vitlab report` for a new one)")
    done.left = [
        str(path) for folder, pattern in ((out, "*.csv"), (out, "return-*"), (out, "*.zip"), (course.root, "shares/*"))
        for path in sorted(folder.glob(pattern))
    ]  # fmt: skip
    return done


def _named(folder: Path, student: str) -> list[Path]:
    if not folder.is_dir():
        return []
    same = [path for path in folder.iterdir() if path.name == student and path.is_dir() and not path.is_symlink()]
    return same


def _from_results(path: Path, student: str, done: Forgotten) -> None:
    if not path.is_file():
        return
    kept, gone = [], 0
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            value = json.loads(line)
        except ValueError:
            kept.append(line)
            continue
        if value.get("student") == student:
            gone += 1
            continue
        for key in ("saved", "again"):
            if isinstance(value.get(key), list):
                rest = [one for one in value[key] if _student_of(one) != student]
                gone += len(value[key]) - len(rest)
                value[key] = rest
        kept.append(line if student.encode() not in line else json.dumps(value, ensure_ascii=False).encode() + b"\n")
    if gone:
        write_file(path, b"".join(kept))
        done.removed.append(f"{gone} lines of {path}")


def _student_of(entry: Any) -> Any:
    if isinstance(entry, dict):
        return entry.get("student")
    return entry[0] if isinstance(entry, list) and entry else None


def _from_json(path: Path, student: str, done: Forgotten) -> None:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return
    cleaned = _without(value, student)
    if cleaned != value:
        write_file(path, json.dumps(cleaned, ensure_ascii=False, indent=1).encode())
        done.removed.append(f"{student} in {path}")


def _without(value: Any, student: str) -> Any:
    """A JSON value without keys and items that are the student's id."""
    if isinstance(value, dict):
        return {key: _without(one, student) for key, one in value.items() if key != student}
    if isinstance(value, list):
        return [_without(one, student) for one in value if one != student and _student_of(one) != student]
    return value


def _from_gradebook(db_url: str, student: str, done: Forgotten) -> None:
    try:
        rows = forget_student(db_url, student)
    except SQLAlchemyError as error:
        raise CourseError(f"the gradebook can't be changed: {str(error)[:120]}") from None
    if rows:
        done.removed.append("the gradebook's rows")


def _from_table(path: Path, student: str, done: Forgotten) -> None:
    """A row whose first cell, or a cell under `id` or `student`, is the student's id."""
    if not path.is_file():
        return
    try:
        table = read_table(path, "the table")
    except CourseError:
        return
    columns = {0} | {at for at, head in enumerate(table.heads) if head.lower() in ("id", "student", "sis login id")}
    kept = [row for row in table.rows if not any(folded(row[at]) == folded(student) for at in columns)]
    if len(kept) < len(table.rows):
        write_file(path, written([table.heads, *kept], table.delimiter, bom=table.bom))
        done.removed.append(f"the row in {path}")


def backup(course: Course, out: Path, to: Path) -> int:
    """Write hand-ins, grades, settings and lessons into one zip, from which unzipping restores them.

    The gradebook is copied in one state even while somebody grades in formgrader.

    Returns:
        how many files the zip holds.

    Raises:
        CourseError: a run is grading, the zip is there already, or the disk refuses.
    """
    if to.exists():
        raise CourseError(f"{to} is there already; give another name with --to")
    out.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f".{to.name}.part")
    count = 0
    try:
        with only_run(out), tempfile.TemporaryDirectory(prefix="vitlab-backup-") as scratch:
            to.parent.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
                for path, name in _to_keep(course, out):
                    if part.resolve() == path.resolve():
                        continue
                    if path.suffix == ".db":
                        path = _copied(path, Path(scratch))
                    archive.write(path, name)
                    count += 1
        part.replace(to)
    except (OSError, sqlite3.Error, ValueError) as error:
        part.unlink(missing_ok=True)
        raise CourseError(f"{to} can't be written: {error}") from None
    return count


def _to_keep(course: Course, out: Path) -> Iterator[tuple[Path, str]]:
    """Files with their names in the zip: relative to the course's folder."""
    root = course.root.resolve()
    data = out.resolve()
    base = data.relative_to(root).as_posix() if data.is_relative_to(root) else data.name
    for name in _SETTINGS:
        here = root / name
        for path in [here] if here.is_file() else sorted(here.rglob("*")) if here.is_dir() else []:
            if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
                yield path, path.relative_to(root).as_posix()
    for path in sorted(data.rglob("*")):
        zipped = path.suffix == ".zip" and path.parent == data
        if path.is_file() and not path.is_symlink() and not path.name.endswith(_PASSED_OVER) and not zipped:
            yield path, f"{base}/{path.relative_to(data).as_posix()}"


def _copied(database: Path, folder: Path) -> Path:
    """A copy of an SQLite database in one state."""
    target = folder / database.name
    source, copy = sqlite3.connect(database), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    return target


def backup_name(course: Course, now: datetime) -> str:
    """The default name of a backup, with the day and the time."""
    return f"{course.course.id}-backup-{now:%Y-%m-%d-%H%M%S}.zip"
