"""`vitlab collect`: from an LMS's download to `submitted/<student>/<lesson>/`, with a report of what needs a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from grading.course import CourseError
from grading.intake.contents import LessonContents
from grading.intake.record import read_record
from grading.lms.downloads import Layout, Named, layout_of, read_name, without_lesson
from grading.lms.groups import Groups, Shared, share
from grading.lms.hand_in_times import HandInTime
from grading.lms.handins import Choice, File, choose
from grading.lms.place import SECRET, Placed, place
from grading.lms.roster import Roster, plain
from grading.lms.unpack import Entry, printable, unpacked
from grading.lms.whose import Claim, Owners, folded, settle


@dataclass
class Collected:
    """What became of a download.

    Attributes:
        placed: student id to the file that was put there to be graded.
        unchanged: students whose file was there already, byte for byte.
        replaced: students whose earlier file was put aside.
        without: students from whom something came, but nothing that could be graded.
        unmatched: paths that belong to nobody, or to more than one, with the reason.
        refused: entries of the download that were left out, with the reason.
        missing: students of the roster from whom nothing came.
        passed_over: files of other lessons, and files that no student handed in.
        doubts: by student what a person should look at.
        new: those of them that were not there when the same was collected before.
        chosen: by student the path in the download of the file that is graded.
        late: students whom the LMS calls late without saying when they handed in.
        hidden: the LMS keeps names back, and the roster has no numbers: students stand under the LMS's own.
        shared: by student the group whose hand-in it is.
        notes: what else is new since the last time.
    """

    kind: str
    placed: dict[str, Path] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    unmatched: list[tuple[str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)
    doubts: dict[str, list[str]] = field(default_factory=dict)
    new: dict[str, list[str]] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    times: int = 0
    hidden: bool = False
    shared: dict[str, Shared] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def collect(
    source: Path,
    lesson: str,
    into: Path,
    roster: Roster | None = None,
    *,
    contents: LessonContents | None = None,
    times: Mapping[str, HandInTime] | None = None,
    groups: Groups | None = None,
) -> Collected:
    """Put the file to grade of each student where `vitlab grade` looks for it, and keep all others beside it.

    Args:
        source: a zip or a folder: Moodle's or Canvas's "download all", a Google Classroom or Drive folder, nbgrader's
            exchange (`inbound`), or files named after students.
        into: the folder of submissions; a file that is replaced moves into `.earlier` beside it, other files of the
            hand-in into `.others`.
        roster: without one the LMS's spelling of a name becomes the student's id.
        contents: looks into files, to choose by content; without it no lesson is known.
        times: when each student handed in, by student id or by the LMS's number.
        groups: who works together; what one member hands in counts for all.

    Raises:
        CourseError: the source is no zip and no folder, is broken, holds nothing that anybody handed in, or an earlier
            collect into the same place knew groups and this one does not.
    """
    contents = contents or LessonContents({})
    if groups is None and (shared := _groups_before(into, lesson)):
        raise CourseError(
            f"{into} holds hand-ins of groups, for instance {shared[0]}'s, which somebody else uploaded: give --groups "
            "again, or collect into another folder with --into"
        )
    with unpacked(Path(source)) as download:
        people = {plain(name) for person in roster or () for name in person.names}
        layout = layout_of([entry.name for entry in download.entries], people)
        found = Collected(layout.kind)
        found.refused += download.refused
        files = _own_files(found, layout, download.entries, lesson)
        owned = _by_student(found, layout, files, roster, groups or Groups())
        choices = {student: choose(own, lesson, contents) for student, own in owned.items()}
        nobody = roster is None and layout.kind == "folder" and not any(c.best for c in choices.values())
        if nobody or not (choices or found.unmatched):
            raise CourseError(
                f"{source} holds no notebook ({len(download.entries) + len(found.refused)} other files); expected the "
                "zip or folder that your LMS gives for “download all submissions”"
            )
        secrets = _secrets(layout, download.entries)
        found.shared = share(owned, choices, groups, lesson) if groups is not None else {}
        for student, own in sorted(owned.items()):
            try:
                _keep(found, student, own, choices[student], into / student / lesson, lesson, times or {}, secrets)
            except OSError as error:
                found.refused.append(
                    (own[0].entry.name if own else student, f"cannot be put in place ({error.strerror or error})")
                )
    if roster is not None and not found.hidden:
        came = {folded(student) for student in (*found.placed, *found.without)}
        found.missing.extend(person.id for person in roster if folded(person.id) not in came)
    return found


def _groups_before(into: Path, lesson: str) -> list[str]:
    """Students for whom an earlier collect took the file of another member of their group."""
    folders = sorted(into.iterdir()) if into.is_dir() else []
    return [one.name for one in folders if read_record(one / lesson).by not in ("", one.name)]


def _own_files(found: Collected, layout: Layout, entries: Sequence[Entry], lesson: str) -> list[File]:
    """The entries that the LMS says a student handed in."""
    files: list[File] = []
    for entry in entries:
        named = read_name(entry.name, layout)
        if entry.name.rsplit("/", 1)[-1] in ("timestamp.txt", "submission_secret.txt"):
            continue  # nbgrader's own in its exchange; in a hand-in it says nothing about when that came
        if named is None:
            if layout.kind in ("folder", "exchange") or entry.name.count("/") > layout.depth:
                found.passed_over.append(entry.name)
            else:
                found.unmatched.append((entry.name, f"it is not named as {_SYSTEMS[layout.kind]} names hand-ins"))
        elif _none_of(entry.name, named, layout, entries, lesson):
            found.passed_over.append(entry.name)
        else:
            alone = layout.kind == "folder" and entry.name.count("/") == layout.depth
            files.append(File(entry, without_lesson(named, lesson) if alone else named))
    return files


_SYSTEMS = {
    "moodle": "Moodle", "canvas": "Canvas", "exchange": "nbgrader's exchange", "classroom": "Google Classroom",
}  # fmt: skip


def _none_of(name: str, named: Named, layout: Layout, entries: Sequence[Entry], lesson: str) -> bool:
    """A hand-in of another lesson, or a file that no student handed in."""
    if layout.kind == "exchange":
        return named.lesson != lesson
    if layout.kind != "folder":
        return False
    return _beside(name, layout, entries) or _of_another_lesson(name, layout, lesson)


def _beside(name: str, layout: Layout, entries: Sequence[Entry]) -> bool:
    """A file that lies beside students' folders, or is no work and bears no student's name."""
    parts = name.split("/")[layout.depth :]
    if len(parts) > 1:
        return False
    folders = any(entry.name.count("/") > layout.depth for entry in entries)
    return (folders and not name.lower().endswith((".ipynb", ".zip", ".py"))) or name.lower().startswith("readme")


def _of_another_lesson(name: str, layout: Layout, lesson: str) -> bool:
    """In folders as nbgrader collects them, `<student>/<lesson>/…`: a folder of another lesson."""
    parts = name.split("/")[layout.depth :]
    return len(parts) > 2 and parts[1][:2].isdigit() and parts[1][2:3] == "_" and parts[1] != lesson


def _by_student(
    found: Collected, layout: Layout, files: Sequence[File], roster: Roster | None, groups: Groups
) -> dict[str, list[File]]:
    """Files by student id; what has no owner, or two, is put on the list instead."""
    owners = Owners(layout, roster, [file.named for file in files])
    if owners.hidden and files:
        found.hidden = True
    claims: dict[str, list[tuple[str, str, Claim]]] = {}
    mine: list[tuple[File, str, Claim]] = []
    for file in files:
        claim, why = owners.claim(file.named)
        if claim is None and (members := groups.called(file.named.who)):
            claim = Claim(members[0], "name")  # Canvas writes a group's name in the place of a student's
        if claim is None:
            found.unmatched.append((file.entry.name, why))
            continue
        identity = _identity(file.named)
        shown = printable(file.named.who or file.named.number, 60)
        shown += f" ({file.named.number})" if file.named.who and file.named.number else ""
        claims.setdefault(folded(claim.student), []).append((identity, shown, claim))
        mine.append((file, identity, claim))
    refused = settle(claims)
    result: dict[str, list[File]] = {}
    for file, identity, claim in mine:
        if identity in refused:
            found.unmatched.append((file.entry.name, refused[identity]))
        else:
            result.setdefault(claim.student, []).append(file)
    return result


def _secrets(layout: Layout, entries: Sequence[Entry]) -> dict[str, Path]:
    """By the name of a hand-in's folder in nbgrader's exchange the file that nbgrader wrote at its top."""
    found: dict[str, Path] = {}
    if layout.kind == "exchange":
        for entry in entries:
            parts = entry.name.split("/")[layout.depth :]
            if len(parts) == 2 and parts[1] == SECRET:
                found[parts[0]] = entry.path
    return found


def _identity(named: Named) -> str:
    """One person as the LMS tells people apart."""
    return f"{named.number}\n" if named.number else f"\n{named.who}"


def _keep(
    found: Collected, student: str, own: Sequence[File], choice: Choice, target: Path, lesson: str,
    times: Mapping[str, HandInTime], secrets: Mapping[str, Path],
) -> None:  # fmt: skip
    named = choice.best.file.named if choice.best is not None else own[0].named
    time = times.get(student.casefold()) or (times.get(f"#{named.number}") if named.number else None)
    secret, shared = secrets.get(named.prefix), found.shared.get(student)
    if shared is not None and shared.by != student:
        time = time or times.get(shared.by.casefold())
        mine = own[0].named if own else Named("", "", "")  # a page goes back under the student's own number
        named, secret = replace(mine, when=named.when, late=named.late), secrets.get(mine.prefix)
    placed: Placed = place(found.kind, named, choice, target, lesson, time, secret, shared)
    if placed.path is not None:
        found.placed[student] = placed.path
        found.chosen[student] = printable(choice.best.name if choice.best else "the earlier hand-in")
    else:
        found.without.append(student)
    if placed.what == "unchanged":
        found.unchanged.append(student)
    elif placed.what == "replaced":
        found.replaced.append(student)
    if placed.doubts:
        found.doubts[student] = list(placed.doubts)
    if placed.new:
        found.new[student] = list(placed.new)
    found.times += bool(placed.record.handed_in)
    if placed.record.late and not placed.record.handed_in:
        found.late.append(student)
