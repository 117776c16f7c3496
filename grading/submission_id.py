"""The one key by which results, grades and pages of a submission are found."""

from __future__ import annotations

from typing import NamedTuple


class SubmissionId(NamedTuple):
    """One student's hand-in for one lesson. Compares and hashes like the tuple ``(student, lesson)``."""

    student: str
    lesson: str
