"""Hand-ins that were collected and not graded since: what table, report and export show is about an older file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grading.course import Course
from grading.engine.journal import Journal
from grading.engine.keys import content_of
from grading.intake.find_submissions import FindError, find_submissions
from grading.nbgrader_plugin.ordinary.assignment import is_ordinary
from grading.submission_id import SubmissionId


def not_graded_yet(course: Course, out: Path, lessons: Sequence[str] = ()) -> list[SubmissionId]:
    """Of an output folder: whose file in ``submitted/`` is another than the one that was graded last.

    Args:
        lessons: default: all lessons of which something was graded.
    """
    journal = Journal(out)
    graded = [lesson.id for lesson in course.lessons if any(key.lesson == lesson.id for key in journal.latest)]
    asked = [lesson for lesson in graded if not lessons or lesson in lessons]
    folder = Path(out) / "submitted"
    if not asked or not folder.is_dir():
        return []
    try:
        found = find_submissions(folder, asked, [lesson.id for lesson in course.lessons])
    except FindError:
        return []
    behind = []
    for submission in found.submissions:
        key = SubmissionId(submission.student, submission.lesson)
        known = journal.latest.get(key)
        path = submission.path
        if is_ordinary(course, submission.lesson):
            path = folder.resolve() / submission.student / submission.lesson
        if known is None or (path is not None and not known.source):
            behind.append(key)  # it is new, or there was nothing to grade before
        elif path is not None and _same_place(path, known.source) and known.content not in ("", content_of(path)):
            behind.append(key)
    return sorted(behind)


def _same_place(path: Path, source: str) -> bool:
    """Of a file that was graded from another folder nothing can be said; the course may have moved as a whole."""
    return Path(source).parts[-3:] == path.resolve().parts[-3:]


def behind_lines(behind: Sequence[SubmissionId]) -> list[str]:
    """One sentence for each lesson."""
    lines = []
    for lesson in dict.fromkeys(one.lesson for one in behind):
        own = [one.student for one in behind if one.lesson == lesson]
        shown = ", ".join(own[:10]) + (f" and {len(own) - 10} more" if len(own) > 10 else "")
        what = "hand-in was collected and is" if len(own) == 1 else "hand-ins were collected and are"
        lines.append(
            f"{lesson}: {len(own)} {what} not graded yet: {shown}. They count nothing here; run `vitlab grade {lesson}`"
        )
    return lines
