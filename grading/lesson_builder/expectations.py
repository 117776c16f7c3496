"""The public expectations of a lesson: the solution's arrays on the public cases, and fingerprints of its mistakes."""

from __future__ import annotations

import numpy as np

from grading.judging.reference import Reference
from grading.lesson_builder.author_errors import require_callable, require_known_entries, require_told_apart
from grading.lesson_builder.later_cells import needs
from grading.lesson_builder.quiet import without_warnings
from helpers.checks.fingerprint import Fingerprint, alike, mark
from helpers.checks.probing import probe_all
from helpers.checks.question import Expected
from helpers.checks.verdict import failing
from helpers.checks.wire_format import Arrays, Failure
from helpers.questions import find


@without_warnings()
def public_expectations(reference: Reference) -> dict[str, Expected]:
    """For each question of a lesson: points, expected arrays, fingerprints with hints.

    Raises:
        LessonError: the solution fails, or a mistake can't be recognised.
    """
    require_known_entries(reference.lesson, reference.bank, reference.bank.path)
    needed = needs(reference.lesson)
    return {qid: _question(reference, qid, needed.get(qid, ())) for qid in reference.answers}


def _question(reference: Reference, qid: str, needed: tuple[str, ...]) -> Expected:
    question = find(qid)
    cases, expected = reference.public(qid)
    arrays = expected.arrays

    def fingerprint(hint: str, recorded: list[Arrays | Failure]) -> Fingerprint:
        marks = tuple(mark(question, *row) for row in zip(cases, arrays, recorded, strict=True))
        return Fingerprint(hint, marks, *failing(question, cases, expected, recorded))

    mistakes, entries, path = list[Fingerprint](), reference.bank.mistakes_of(qid), reference.bank.path
    for entry in entries:
        recorded = probe_all(question, entry.answer, cases)
        require_callable(entry, recorded, path)
        mistakes.append(fingerprint(entry.hint, recorded))
    right = fingerprint("", probe_all(question, reference.answers[qid], cases)) if entries else Fingerprint("", ())
    require_told_apart(entries, mistakes, right, path)
    return Expected(reference.points[qid], arrays, tuple(mistakes), needed)


def differences(old: dict[str, Expected], new: dict[str, Expected]) -> list[str]:
    """What differs beyond rounding between machines; empty when nothing does."""
    if old.keys() != new.keys():
        return [f"questions are {', '.join(old)}; the source has {', '.join(new)}"]
    found = []
    for qid, wanted in new.items():
        have = old[qid]
        if have.points != wanted.points:
            found.append(f"{qid}: points {have.points:g}; the source says {wanted.points:g}")
        if have.needed != wanted.needed:
            found.append(f"{qid}: later cells need {wanted.needed}; the file says {have.needed}")
        if [m.hint for m in have.mistakes] != [m.hint for m in wanted.mistakes]:
            found.append(f"{qid}: hints differ")
        elif [(m.fails, m.wrong) for m in have.mistakes] != [(m.fails, m.wrong) for m in wanted.mistakes]:
            found.append(f"{qid}: criteria that mistakes fail differ")
        elif not all(
            len(a.marks) == len(b.marks) and all(map(alike, a.marks, b.marks))
            for a, b in zip(have.mistakes, wanted.mistakes, strict=True)
        ):
            found.append(f"{qid}: fingerprints of mistakes differ")
        if len(have.arrays) != len(wanted.arrays) or not all(map(_same, have.arrays, wanted.arrays)):
            found.append(f"{qid}: expected arrays differ")
    return found


def _same(a, b) -> bool:
    return a.keys() == b.keys() and all(
        a[k].shape == b[k].shape and np.allclose(a[k], b[k], rtol=1e-4, atol=1e-5, equal_nan=True) for k in a
    )
