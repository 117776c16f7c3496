"""What `vitlab collect` says: what was placed, and everything that needs a person."""

from __future__ import annotations

from collections.abc import Mapping

from grading.lms.collect import Collected
from grading.lms.unpack import printable


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("s" if count != 1 else "")


def report_lines(
    found: Collected, names: Mapping[str, str] | None = None, *, everything: bool = False, penalty: bool = True
) -> list[str]:
    """The report as text: what was placed, and everything that needs a person.

    Args:
        names: students' names by id.
        everything: also what was told when the same was collected before.
        penalty: the lesson takes a late penalty.
    """
    known = {} if found.hidden else dict(names or {})

    def who(student: str) -> str:
        name = known.get(student, student)
        return printable(student if name == student else f"{student} ({name})", 80)

    shown = found.doubts if everything else found.new
    new = len(found.placed) - len(found.unchanged) - len(found.replaced)
    counts = f"{new} new, {len(found.replaced)} replaced, {len(found.unchanged)} unchanged"
    lines = [f"{found.kind}: {_many(len(found.placed), 'submission')} ({counts})"]
    if found.hidden:
        lines.append(_HIDDEN[found.kind])
    if shown:
        lines.append(f"Needs a person ({_many(len(shown), 'student')}):")
        lines += [f"  {who(student)}: {text}" for student, texts in sorted(shown.items()) for text in texts]
    if told := sum(map(len, found.doubts.values())) - sum(map(len, shown.values())):
        lines.append(f"{_many(told, 'thing')} that a person should look at, told before: --all lists them again")
    if found.shared:
        count = len({one.group for one in found.shared.values()})
        lines.append(f"{_many(count, 'group')} handed in, {_many(len(found.shared), 'member')} in all")
    if found.unmatched:
        lines.append(f"{_many(len(found.unmatched), 'file')} for whom nobody was found, not placed:")
        lines += [f"  {printable(name)}: {why}" for name, why in found.unmatched]
    if found.refused:
        lines.append(f"{_many(len(found.refused), 'file')} left out:")
        lines += [f"  {printable(name)}: {why}" for name, why in found.refused]
    if found.without:
        lines.append(f"Nothing to grade came from {', '.join(map(who, found.without))}.")
    if found.late:
        late = f"{_many(len(found.late), 'student')} handed in late: {', '.join(map(who, found.late))}."
        lines.append(late + (_no_penalty(found) if penalty else " The LMS's download does not say by how much."))
    if found.missing:
        lines.append(f"{_many(len(found.missing), 'student')} handed in nothing: {', '.join(map(who, found.missing))}")
    if found.passed_over:
        some = ", ".join(printable(name) for name in found.passed_over[:5])
        more = f" and {len(found.passed_over) - 5} more" if len(found.passed_over) > 5 else ""
        lines.append(f"{_many(len(found.passed_over), 'file')} of other lessons or of nobody: {some}{more}")
    return lines + [f"note: {note}" for note in found.notes]


_HIDDEN = {
    "moodle": "This download has no names (blind marking): each student stands as “participant” with Moodle's number. "
    "`vitlab export --for moodle` finds them by it; with a column moodle_id in roster.csv, or --roster WORKSHEET, they "
    "get their ids.",
    "canvas": "This download has no names (anonymous grading): each student stands as “participant” with Canvas's "
    "anonymous id. `vitlab return --for canvas` finds them by it; for names and scores in Canvas's gradebook, switch "
    "anonymity off there, download again, and collect into another folder with --into.",
}


def _no_penalty(found: Collected) -> str:
    return (
        " The LMS's download does not say when, so no late penalty can be taken off. Collect again with --times FILE "
        "(Moodle's grading worksheet, or Canvas's list of submissions). Or write when it came, such as 2027-01-16 "
        f"01:30 UTC, into the timestamp.txt beside the hand-in, for instance {_stamp(found)}."
    )


def _stamp(found: Collected) -> str:
    student = found.late[0]
    path = found.placed.get(student)
    return str(path.with_name("timestamp.txt")) if path is not None else "timestamp.txt"
