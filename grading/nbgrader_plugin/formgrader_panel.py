"""What we add to formgrader: comments and rubric lines at hand, earlier scores, and no score lost between two graders.

Loaded by nbgrader_config.py in the server that runs formgrader. The page's part is ``templates/formgrade/panel.js``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import MissingEntry
from nbgrader.server_extensions.formgrader import apihandlers
from nbgrader.server_extensions.formgrader.base import BaseApiHandler, check_notebook_dir, check_xsrf
from sqlalchemy import select
from tornado import web

from grading.judging.cells_to_run import role_of
from grading.nbgrader_plugin.hand_scores import HAND_SCORES, make_tables
from grading.nbgrader_plugin.stored_grades import read_stored

SEEN = "X-Vitlab-Seen"
MOST = 12  # comments at hand for one question
_ADDRESS = r"/formgrader/api/vitlab/([^/]+)"


class PanelHandler(BaseApiHandler):
    """GET: by cell of a submission, what is at hand beside its comment box."""

    @web.authenticated
    @check_xsrf
    @check_notebook_dir
    def get(self, submission_id: str) -> None:
        try:
            submission = self.gradebook.find_submission_notebook_by_id(submission_id)
        except MissingEntry:
            raise web.HTTPError(404) from None
        lesson, student = submission.assignment.assignment.name, submission.student.id
        folder = Path(self.coursedir.format_path(self.coursedir.autograded_directory, student, lesson))
        db = self.gradebook.db
        try:
            make_tables(db.connection())
            db.commit()
            self.write(json.dumps(at_hand(db, lesson, student, folder / f"{lesson}.ipynb")))
        finally:
            db.rollback()  # formgrader keeps one session; it must not stay in a transaction of ours


def at_hand(db: Any, lesson: str, student: str, notebook: Path) -> dict[str, dict[str, Any]]:
    """By cell: comments given to this question, most frequent first; its rubric's lines; earlier scores and comments.

    notebook: the autograded one, whose rubric cells stand right after the answers.
    """
    used: dict[str, Counter[str]] = {}
    rows = db.execute(
        select(HAND_SCORES.c.cell, HAND_SCORES.c.student, HAND_SCORES.c.comment).where(
            HAND_SCORES.c.lesson == lesson, HAND_SCORES.c.comment.is_not(None)
        )
    )
    for cell, _, comment in sorted({tuple(row) for row in rows}):  # once for each student
        if comment.strip():
            used.setdefault(cell, Counter())[comment] += 1
    stored = read_stored(db, lesson, [student]).get(student)
    rubrics = _rubric_lines(notebook)
    found: dict[str, dict[str, Any]] = {}
    for cell in {*used, *rubrics, *(stored.earlier if stored else ()), *(stored.cells if stored else ())}:
        grade = stored.cells.get(cell) if stored else None
        found[cell] = {
            "comments": [text for text, _ in used.get(cell, Counter()).most_common(MOST)],
            "rubric": rubrics.get(cell, []),
            "earlier": [
                {"score": one.score, "comment": one.comment, "author": one.author, "at": one.at[:16]}
                for one in (stored.earlier.get(cell, ()) if stored else ())
            ],
            "by": grade.by if grade else "",
            "at": grade.at[:16] if grade else "",
            "read_again": bool(grade and grade.read_again),
        }
    return found


def _rubric_lines(path: Path) -> dict[str, list[str]]:
    try:
        cells = nbformat.read(path, as_version=4).cells
    except (OSError, ValueError):
        return {}
    found, before = {}, ""
    for cell in cells:
        if role_of(cell) == "rubric":
            lines = [line.lstrip("> ").strip() for line in str(cell.source).splitlines()[1:]]
            found[before] = [line.lstrip("-* ").strip() for line in lines if line]
        before = str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
    return found


def seen_by_nobody_else(header: str | None, now: Mapping[str, Any]) -> bool:
    """Whether a row still holds what the grader's page had shown; True when the page did not say."""
    if not header:
        return True
    try:
        seen = json.loads(header)
    except ValueError:
        return True
    return not isinstance(seen, dict) or all((seen.get(k) or None) == (v or None) for k, v in now.items() if k in seen)


def _guarded(handler: type[BaseApiHandler], find: str, columns: tuple[str, ...]) -> None:
    """Have a handler's `put` refuse a change that would overwrite what the page had not shown."""
    put = handler.put
    if getattr(put, "vitlab", False):
        return

    @web.authenticated
    def checked(self: Any, row_id: str) -> Any:
        try:
            row = getattr(self.gradebook, find)(row_id)
        except MissingEntry:
            raise web.HTTPError(404) from None
        now = {column: getattr(row, column) for column in columns}
        if seen_by_nobody_else(self.request.headers.get(SEEN), now):
            return put(self, row_id)
        self.set_status(409)
        return self.write(json.dumps({"now": now, "message": "somebody else has changed this meanwhile"}))

    checked.vitlab = True  # type: ignore[attr-defined]
    handler.put = checked


def extend_formgrader() -> None:
    """Add the panel's address, and guard scores and comments; done once, before formgrader's server starts."""
    if not any(address == _ADDRESS for address, *_ in apihandlers.default_handlers):
        apihandlers.default_handlers.append((_ADDRESS, PanelHandler))
    _guarded(apihandlers.GradeHandler, "find_grade_by_id", ("manual_score", "extra_credit"))
    _guarded(apihandlers.CommentHandler, "find_comment_by_id", ("manual_comment",))
