"""The class: who handed in what, and what should come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from grading.course import Course
from grading.demo import honest, hostile, mangled
from grading.demo.lesson_kit import File, LessonKit, make_kit
from grading.engine.outcome import SubmissionOutcome

FULL, SOME, ZERO = "full", "some", "zero"


@dataclass(frozen=True)
class Member:
    """One made-up student.

    Attributes:
        kind: name of what they handed in.
        says: it in a sentence.
        expected: what the questions graded automatically should give: "full", "some" (neither full nor nothing) or
            "zero".
        paths: the files written, one per lesson.
    """

    student: str
    kind: str
    says: str
    expected: str
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Seat:
    student: str
    kind: str
    expected: str
    says: str
    make: Callable[[LessonKit], File]


_MISTAKES = ("emil", 0, 0), ("fatima", 0, 0), ("goran", 1, 0), ("hana", 0, 1), ("inga", -1, 1), ("jamal", 0, 3)

SEATS = (
    _Seat("ada", "right", FULL, "everything is right", honest.right),
    *(
        _Seat(who, "another style", FULL, "right, in an unusual way", partial(honest.another_style, number=number))
        for number, who in enumerate(("bo", "chidi", "dana"))
    ),
    *(
        _Seat(who, "one mistake", SOME, "one mistake that is known", partial(honest.one_mistake, question=q, number=n))
        for who, q, n in _MISTAKES
    ),
    _Seat("kaya", "half done", SOME, "only the first question is answered", honest.half_done),
    _Seat("lars", "untouched", ZERO, "the notebook as it was given out", honest.untouched),
    _Seat(
        "liv",
        "wrote together",
        FULL,
        "right, and odd as one other's",
        partial(honest.alike, names=("seen", "size", "pair")),
    ),
    _Seat("mina", "missing bracket", SOME, "the last answer's cell doesn't parse", honest.missing_bracket),
    _Seat(
        "nils", "wrote together", FULL, "the same under other names", partial(honest.alike, names=("notes", "k", "p"))
    ),
    _Seat("noor", "warnings", FULL, "right, with warnings on standard error", honest.warnings),
    _Seat("otto", "renamed", FULL, "right, in a file of another name", honest.renamed),
    _Seat("priya", "duplicated cell", FULL, "answered in a copy of the answer's cell", mangled.duplicated),
    _Seat("quinn", "check deleted", FULL, "right, without the first check", mangled.check_deleted),
    _Seat("rosa", "Colab", FULL, "right, all metadata lost", mangled.colab),
    _Seat("sami", "VS Code", FULL, "right, saved with other ids and line ends", mangled.vscode),
    _Seat("tove", "unreadable", ZERO, "the file breaks off in the middle", mangled.unreadable),
    _Seat("uma", "endless loop", SOME, "the first answer never returns", hostile.endless_loop),
    _Seat("viktor", "exits", SOME, "the first answer ends its process", hostile.exits),
    _Seat("wen", "output bomb", SOME, "the last answer prints 50 MB", hostile.output_bomb),
    _Seat("xenia", "check edited", ZERO, "blank answers, checks that print full marks", mangled.check_edited),
    _Seat("yara", "forged score", ZERO, "a check of its own that says full marks", hostile.forged_score),
    _Seat("zeno", "forged record", ZERO, "the public key handed in as an answer", hostile.forged_record),
    _Seat("zoe", "patched helpers", ZERO, "helpers rewritten from inside", hostile.patched_helpers),
)


def make_class(course: Course, folder: Path, lessons: Sequence[str]) -> list[Member]:
    """Write ``folder/<student>/<lesson>/<file>`` for every member of the class; the same bytes at every run.

    Raises:
        CourseError: a lesson hasn't been built.
    """
    kits = [make_kit(course, lesson) for lesson in lessons]
    members = []
    for seat in SEATS:
        paths = []
        for kit in kits:
            file = seat.make(kit)
            path = Path(folder) / seat.student / kit.lesson / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.data)
            paths.append(path)
        members.append(Member(seat.student, seat.kind, seat.says, seat.expected, tuple(paths)))
    return members


def came_out(outcome: SubmissionOutcome, written: Sequence[str] = ()) -> str:
    """What a submission got for its code: "full", "some" or "zero"; `written` are the questions that don't count."""
    graded = [q for q in outcome.questions if q.question not in written]
    score, worth = sum(q.score or 0.0 for q in graded), sum(q.max for q in graded)
    if not score:
        return ZERO
    return FULL if score >= worth else SOME
