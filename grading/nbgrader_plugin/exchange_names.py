"""Under which name a student's `nbgrader fetch_feedback` looks for a page in the exchange."""

from __future__ import annotations

from pathlib import Path

from nbgrader.utils import make_unique_key, notebook_hash


def feedback_name(notebook: str, secret: Path, handed_in: Path, key: tuple[str, str, str, str]) -> str:
    """The page's file name; "" when neither the hand-in's secret nor the hand-in is there.

    Args:
        notebook: the notebook's name as the student handed it in, without ending.
        secret: the file that nbgrader wrote beside the hand-in.
        handed_in: the notebook, for hand-ins of versions of nbgrader without a secret.
        key: course, assignment, student and the time as it stands in the name of the hand-in's folder.
    """
    if secret.is_file():
        return f"{notebook_hash(secret=secret.read_text('utf-8'), notebook_id=notebook)}.html"
    if not handed_in.is_file():
        return ""
    course, assignment, student, when = key
    unique = make_unique_key(course, assignment, notebook, student, when)
    return f"{notebook_hash(str(handed_in), unique)}.html"
