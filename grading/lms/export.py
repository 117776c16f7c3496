"""`vitlab export`: the gradebook's scores in the columns that Canvas and Moodle import, or as plain CSV."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from grading.course import Course, CourseError
from grading.extensions import Extensions
from grading.intake.record import Record
from grading.lms.columns import heads_of
from grading.lms.lms_tables import Filled, canvas_table, moodle_table
from grading.lms.matching import Matches
from grading.lms.roster import Roster
from grading.lms.scores import Score, Scores, graded_lessons, read_scores
from grading.tables import plain_number, safe, write_file, written

Records = Mapping[str, Mapping[str, Record]]  # lesson, student


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Attributes:
        warnings: what a teacher must know before importing it.
        notes: single cases, to be listed on demand; warnings are among them.
        summary: one line.
    """

    path: Path
    students: int
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    summary: str = ""


def export(
    course: Course, scores: Scores, target: Path, *, form: str, roster: Roster | None = None,
    columns: Mapping[str, str] | None = None, people: Roster | None = None, records: Records | None = None,
    extensions: Extensions | None = None,
) -> Exported:  # fmt: skip
    """Write scores as `form`: "canvas", "moodle" (one lesson) or "csv".

    Args:
        roster: the LMS's own export, whose identifying columns the import needs; required but for "csv".
        columns: lesson id to the name of the LMS's column, such as "Attention (123456)".
        people: the course's own roster, whose ids the gradebook has.
        records: what `vitlab collect` noted of each hand-in.
        extensions: who is excused.

    Raises:
        CourseError: the roster isn't the LMS's, several lessons go to Moodle, or the form is unknown.
    """
    records, granted = records or {}, extensions or Extensions()
    own = people or (roster if roster is not None and form == "csv" else None)
    scores = {lesson: _with_excused(of, lesson, own, granted, records.get(lesson, {})) for lesson, of in scores.items()}
    names = {lesson: (columns or {}).get(lesson) or course.lesson(lesson).title for lesson in scores}
    if form == "csv":
        filled, delimiter, newline, bom = _plain(scores, own), ",", "\n", False
    elif form in ("canvas", "moodle"):
        place = "Grades, Export, Export Entire Gradebook" if form == "canvas" else "Download grading worksheet"
        theirs = _of_kind(roster, form, place)
        filled = _for_lms(form, scores, names, theirs, people, records)
        delimiter, bom = theirs.table.delimiter, theirs.table.bom
        newline = "\r\n" if form == "moodle" else "\n"
    else:
        raise CourseError(f"there is no export {form!r}: it is canvas, moodle or csv")
    warnings = [*filled.warnings, *_late(course, scores, records, granted)]
    graded = [
        (lesson, student, score) for lesson, of in scores.items() for student, score in of.items() if not score.excused
    ]
    waits = {student for _, student, score in graded if score.waits}
    warnings += [
        f"{student}: {text} in {lesson}, more than the question is worth: mend it, or give the rest as extra credit"
        for lesson, student, score in graded
        for text in score.above
    ]
    unread = [
        f"{student}: nothing of the hand-in to {lesson} could be graded" for lesson, student, s in graded if s.ungraded
    ]
    details = [
        f"{student} has ungraded written answers in {lesson}: the score will rise"
        for lesson, student, score in graded
        if score.waits
    ]
    details += [
        f"{student}: a person is to look at an answer of {lesson} again"
        for lesson, student, score in graded
        if score.read_again
    ]
    details += [f"{text}: it counts 0 unless the LMS has a score already" for text in unread]
    write_file(target, written(filled.rows, delimiter, newline, bom=bom))
    notes = (*warnings, *filled.details, *filled.kept, *details)
    return Exported(target, filled.students, notes, tuple(warnings), _summary(filled, len(waits), len(unread)))


def _summary(filled: Filled, waits: int, unread: int) -> str:
    parts = [f"{filled.written} scores written"]
    if filled.excused:
        parts.append(f"{filled.excused} excused")
    if filled.kept:
        kept = len(filled.kept)
        parts.append(f"{kept} cell{'s' * (kept != 1)} kept as the LMS has {'them' if kept != 1 else 'it'}")
    if waits:
        parts.append(f"{waits} with ungraded written answers")
    if unread:
        parts.append(f"{unread} {'files' if unread != 1 else 'file'} that could not be graded")
    return ", ".join(parts)


def _with_excused(
    of: Mapping[str, Score], lesson: str, people: Roster | None, granted: Extensions, noted: Mapping[str, Record]
) -> dict[str, Score]:
    """Also those who are excused and handed in nothing; what could not be graded is marked as such."""
    found = {
        student: replace(
            score,
            excused=score.excused or granted.excused(student, lesson),
            ungraded=student in noted and (not noted[student].chosen or bool(noted[student].unread)),
        )
        for student, score in of.items()
    }
    points = max((score.points for score in of.values()), default=0.0)
    for person in people or ():
        if person.id not in found and granted.excused(person.id, lesson):
            found[person.id] = Score(0.0, points, excused=True)
    return found


def _for_lms(
    form: str, scores: Scores, names: Mapping[str, str], roster: Roster, people: Roster | None, records: Records
) -> Filled:
    students = {student for of in scores.values() for student in of}
    noted = {student: record for of in records.values() for student, record in of.items()}
    matches = Matches(students, people, noted)
    found = {person.at: matches.student(person, form) for person in roster}
    taken = [student for student in found.values() if student is not None]
    doubled = {student for student in taken if taken.count(student) > 1}
    found = {at: None if student in doubled else student for at, student in found.items()}
    if form == "canvas":
        filled = canvas_table(scores, names, roster, found)
    elif len(scores) == 1:
        of = next(iter(scores.values()))
        filled = moodle_table(of, roster, found, {student: score.remarks for student, score in of.items()})
    else:
        raise CourseError(f"a Moodle grading worksheet holds one assignment; got {len(scores)} lessons")
    filled.warnings += [f"several rows could be {student}: none of them got a score" for student in sorted(doubled)]
    strangers = sorted(students - {student for student in found.values() if student is not None} - doubled)
    if strangers and len(strangers) == len(students):
        filled.warnings.append(
            f"none of the {len(students)} graded students was found in the {form.title()} file, for instance "
            f"{strangers[0]}: list the LMS's logins or emails in roster.csv"
        )
    else:
        filled.warnings += [f"{student} is graded but not on the roster, and was left out" for student in strangers]
    return filled


def _late(course: Course, scores: Scores, records: Records, granted: Extensions) -> list[str]:
    """Hand-ins that are late by the LMS and have no time, so that no penalty could be taken off."""
    warnings = []
    for lesson in scores:
        rate = course.lesson(lesson).late_penalty_per_day
        unknown = sorted(
            student
            for student, record in records.get(lesson, {}).items()
            if record.late and not record.handed_in and not granted.excused(student, lesson)
        )
        if unknown and rate:
            warnings.append(
                f"{lesson}: no late penalty was taken off for {', '.join(unknown)}, who handed in late: the LMS's "
                "download does not say when. Collect again with --times FILE, grade, and export again"
            )
    return warnings


def _of_kind(roster: Roster | None, kind: str, where: str) -> Roster:
    if roster is None or roster.kind != kind:
        found = "no roster" if roster is None else f"a roster of another kind ({heads_of(roster.table)})"
        raise CourseError(f"{kind.title()} imports need its own export as --roster ({where}); got {found}")
    return roster


def _plain(scores: Scores, roster: Roster | None) -> Filled:
    people = {person.id: person.name for person in roster} if roster is not None else {}
    students = sorted(set(people) | {student for of in scores.values() for student in of})
    filled = Filled([["student", "name", *scores, "total", "out of"]], len(students))
    for student in students:
        own = [of.get(student) for of in scores.values()]
        total = sum(score.score for score in own if score and not score.excused)
        most = sum(
            max((s.points for s in of.values()), default=0.0)
            for of in scores.values()
            if not (student in of and of[student].excused)
        )
        given = [("EX" if score.excused else plain_number(score.score)) if score else "" for score in own]
        filled.written += sum(score is not None and not score.excused for score in own)
        filled.excused += sum(score is not None and score.excused for score in own)
        name = people.get(student, "")
        filled.rows.append([safe(student), safe(name), *given, plain_number(total), plain_number(most)])
    return filled


__all__ = ["Exported", "Score", "Scores", "export", "graded_lessons", "read_scores"]
