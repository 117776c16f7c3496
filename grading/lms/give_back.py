"""`vitlab return`: feedback pages in the form in which an LMS takes them back, one per student, each once."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from grading.course import CourseError
from grading.intake.record import Record
from grading.lms.roster import Person, Roster
from grading.lms.whose import folded
from grading.nbgrader_plugin.exchange_names import feedback_name
from grading.tables import safe, write_file, written

FORMS = ("moodle", "canvas", "exchange", "folder")
RETURNED = "returned.json"
_MOODLE_FOLDER = "{name}_{number}_assignsubmission_file_"


@dataclass(frozen=True)
class Page:
    """One student's feedback page of one lesson; `waits`: an answer on it has no score yet."""

    student: str
    path: Path
    waits: bool = False


@dataclass
class GivenBack:
    """What was made.

    Attributes:
        target: the zip or the folder; None when there was nothing to give back.
        students: who gets a page.
        had: who got the same page before.
        waits: of `students`, those whose page will change again.
        left_out: who gets none, with the reason.
    """

    target: Path | None = None
    students: list[str] = field(default_factory=list)
    had: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ReturnTo:
    """Where pages go.

    Attributes:
        form: one of `FORMS`.
        target: the zip or the folder to write.
        course_id: for nbgrader's exchange.
    """

    form: str
    target: Path
    course_id: str = ""


def give_back(
    lesson: str, pages: Mapping[str, Page], out: Path, to: ReturnTo, *, records: Mapping[str, Record],
    people: Roster | None = None, worksheet: Roster | None = None, again: bool = False, finished: bool = False,
    submitted: Path | None = None,
) -> GivenBack:  # fmt: skip
    """Write the pages of a lesson that their students have not got yet.

    What was given back is noted in `OUT/returned.json`; a page that has changed since goes out again.

    Args:
        pages: by student.
        records: what `vitlab collect` noted of each hand-in: pages go back under the names that the LMS wrote.
        people: the course's roster: names and emails.
        worksheet: Moodle's grading worksheet, for the numbers of students whose download was not collected.
        again: also those who got theirs.
        finished: only pages on which nothing waits for a person.
        submitted: the folder of submissions, for nbgrader's exchange.

    Raises:
        CourseError: there is no such form, or the disk refuses.
    """
    if to.form not in FORMS:
        raise CourseError(f"there is no way back {to.form!r}: it is {', '.join(FORMS)}")
    noted = _Noted(out)
    done = GivenBack()
    files: dict[str, tuple[str, bytes]] = {}
    for student, page in sorted(pages.items()):
        try:
            content = page.path.read_bytes()
        except OSError as error:
            done.left_out.append((student, f"the page can't be read ({error.strerror})"))
            continue
        if page.waits and finished:
            done.left_out.append((student, "an answer on the page has no score yet"))
        elif noted.has(to.form, lesson, student, content) and not again:
            done.had.append(student)
        else:
            place = _Place(lesson, student, records.get(student, Record()), people, worksheet, submitted, to)
            name, why = place.name()
            if name:
                files[student] = (name, content)
            else:
                done.left_out.append((student, why))
    _no_two_alike(files, done)
    if files:
        if to.form in ("moodle", "canvas"):
            write_file(to.target, _zip(files))
        else:
            _write_folder(to, files, people)
        done.target = to.target
        for student, (_, content) in files.items():
            noted.add(to.form, lesson, student, content)
        noted.save()
    done.students = list(files)
    done.waits = [student for student in files if pages[student].waits]
    return done


@dataclass(frozen=True)
class _Place:
    """Under which name one page goes back."""

    lesson: str
    student: str
    record: Record
    people: Roster | None
    worksheet: Roster | None
    submitted: Path | None
    to: ReturnTo

    def name(self) -> tuple[str, str]:
        """(name, "") or ("", why there is none)."""
        if self.to.form == "folder":
            return f"{self.student}.html", ""
        return {"moodle": self._moodle, "canvas": self._canvas, "exchange": self._exchange}[self.to.form]()

    def _moodle(self) -> tuple[str, str]:
        """As mod/assign/feedback/file/importziplib.php takes a path apart: name, number, and two words between "_"."""
        person = self._person(self.worksheet, "moodle")
        number = self.record.number if self.record.source == "moodle" else ""
        number = number or (person.numbers.get("moodle", "") if person is not None else "")
        if not number:
            why = "the number in Moodle is not known: collect Moodle's download, or give --roster WORKSHEET.csv"
            return "", why
        own = self._person(self.people, "moodle")
        spelling = self.record.name or (person.name if person is not None else "") or (own.name if own else "")
        bare = "".join(c if c.isalnum() or c in " -'." else " " for c in spelling).strip(" .") or "Participant"
        return f"{_MOODLE_FOLDER.format(name=bare, number=number)}/feedback.html", ""

    def _canvas(self) -> tuple[str, str]:
        """As Canvas finds the person and the attachment: the first two whole numbers between "_"."""
        if self.record.group and self.record.by != self.student:
            return "", f"{self.record.by} handed in for the group, and Canvas takes one page for each file"
        if self.record.source != "canvas" or not self.record.prefix:
            return "", "no file was collected from Canvas, which takes feedback only under that file's name"
        if self.record.prefix.count("_") < 3 and not self.record.prefix.startswith(("anon", "LATE_anon")):
            return "", "text was typed and no file handed in, and Canvas takes feedback only under a file's name"
        own = self.record.chosen.split("/", 1)[0] or self.lesson
        stem = own.rsplit(".", 1)[0] if "." in own else own
        return f"{self.record.prefix}{_safe_name(stem)}.html", ""

    def _exchange(self) -> tuple[str, str]:
        """As nbgrader's fetch_feedback looks for it: a hash of the hand-in's secret and the notebook's name."""
        folder = (self.submitted or Path()) / self.student / self.lesson
        when = self.record.prefix.split("+")[2] if self.record.prefix.count("+") >= 2 else ""
        name = feedback_name(
            self.record.chosen.rsplit("/", 1)[-1].removesuffix(".ipynb") or self.lesson,
            folder / "submission_secret.txt",
            folder / f"{self.lesson}.ipynb" if self.record.source == "exchange" else folder / "none",
            (self.to.course_id, self.lesson, self.student, when),
        )
        return (name, "") if name else ("", "the hand-in was not collected from nbgrader's exchange")

    def _person(self, roster: Roster | None, kind: str) -> Person | None:
        """The student on a roster: by id, by number, by a login or email, by the whole name."""
        if roster is None:
            return None
        mine = next((p for p in self.people or () if folded(p.id) == folded(self.student)), None)
        keys = {self.student.casefold()} | (set(mine.keys) if mine is not None else set())
        found = [p for p in roster if folded(p.id) == folded(self.student) or keys & p.keys]
        if not found and mine is not None:
            found = [p for p in roster if set(p.names) & set(mine.names)]
        return found[0] if len(found) == 1 else None


def _safe_name(name: str) -> str:
    return "".join("_" if c in '\x00/\\:*?"<>|' or not c.isprintable() else c for c in name)[:120]


def _no_two_alike(files: dict[str, tuple[str, bytes]], done: GivenBack) -> None:
    """Two pages under one name would overwrite each other: neither goes."""
    by_name: dict[str, list[str]] = {}
    for student, (name, _) in files.items():
        by_name.setdefault(name.casefold(), []).append(student)
    for students in by_name.values():
        if len(students) > 1:
            for student in students:
                del files[student]
                done.left_out.append((student, f"the page would get the same name as that of {', '.join(students)}"))


def _zip(files: Mapping[str, tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.values()):
            archive.writestr(name, content)
    return out.getvalue()


def _write_folder(to: ReturnTo, files: Mapping[str, tuple[str, bytes]], people: Roster | None) -> None:
    try:
        if not to.target.is_dir():
            to.target.mkdir(parents=True)
            if to.form == "exchange":
                os.chmod(to.target, 0o711)  # as nbgrader does: whoever knows a page's name may open it, nobody lists
        for name, content in files.values():
            write_file(to.target / name, content)
            if to.form == "exchange":
                os.chmod(to.target / name, 0o644)
    except OSError as error:
        raise CourseError(f"{to.target} can't be written: {error.strerror or error}") from None
    if to.form == "folder":
        known = {folded(person.id): person for person in people or ()}
        rows = [["student", "name", "email", "file"]]
        for student, (name, _) in sorted(files.items()):
            person = known.get(folded(student))
            told = (person.name, person.email) if person is not None else ("", "")
            rows.append([safe(student), *map(safe, told), name])
        write_file(to.target / "students.csv", written(rows))


class _Noted:
    """`returned.json`: by form, lesson and student the hash of the page that was given back, and when."""

    def __init__(self, out: Path) -> None:
        self._path = out / RETURNED
        self._all: dict[str, Any] = {}
        try:
            raw = json.loads(self._path.read_text("utf-8"))
            self._all = raw if isinstance(raw, dict) else {}
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            raise CourseError(
                f"{self._path}, the record of what was given back, can't be read ({error}): repair or delete it"
            ) from None

    def _of(self, form: str, lesson: str) -> dict[str, Any]:
        return self._all.setdefault(form, {}).setdefault(lesson, {})  # type: ignore[no-any-return]

    def has(self, form: str, lesson: str, student: str, content: bytes) -> bool:
        entry = self._of(form, lesson).get(student)
        return isinstance(entry, dict) and entry.get("page") == _digest(content)

    def add(self, form: str, lesson: str, student: str, content: bytes) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds")
        self._of(form, lesson)[student] = {"page": _digest(content), "at": at}

    def save(self) -> None:
        write_file(self._path, json.dumps(self._all, ensure_ascii=False, indent=1).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def return_lines(done: GivenBack, to: ReturnTo, *, everything: bool = False) -> list[str]:
    """What was made and what to do with it, as text."""
    lines = []
    if done.target is None:
        lines.append("nothing to give back" + (": everybody has the latest page (--again: once more)" * bool(done.had)))
    else:
        lines.append(f"{done.target}: {_many(len(done.students), 'page')}. {_WHAT_TO_DO[to.form]}")
    if done.had and done.target is not None:
        lines.append(f"{_many(len(done.had), 'student')} with the latest page already: none for them")
    if done.waits:
        lines.append(
            f"{_many(len(done.waits), 'page')} with answers that no person has scored yet; run this again afterwards "
            "(--finished leaves such pages out until then)"
        )
    by_reason: dict[str, list[str]] = {}
    for student, why in done.left_out:
        by_reason.setdefault(why, []).append(student)
    for why, students in by_reason.items():
        shown = students if everything else students[:5]
        more = f", and {len(students) - len(shown)} more (--list shows all)" if len(shown) < len(students) else ""
        lines.append(f"no page for {', '.join(shown)}{more}: {why}")
    return lines


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + "s" * (count != 1)


_WHAT_TO_DO = {
    "moodle": "In Moodle: View all submissions, Grading action, Upload multiple feedback files in a zip",
    "canvas": "In Canvas: Gradebook, the assignment's menu, Re-Upload Submissions",
    "exchange": "Students get them by nbgrader's Fetch Feedback",
    "folder": "students.csv beside them has names and emails",
}
