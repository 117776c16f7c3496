"""Who changes scores and comments by hand, in this process: put on record at the moment of the change."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nbgrader import api
from sqlalchemy import Connection, event, insert, inspect, select
from sqlalchemy.orm import object_session

from grading.nbgrader_plugin.hand_scores import ANSWERS, HAND_SCORES, HandScore, columns_of, make_tables, now

QUIET = "vitlab quiet"  # a session with this in its `info` writes for the engine, not for a person


def who_grades() -> str:
    """Who sits here: VITLAB_GRADER, JupyterHub's user, or the operating system's."""
    for name in ("VITLAB_GRADER", "JUPYTERHUB_USER"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return f"user {os.getuid()}"


@contextmanager
def quietly(db: Any) -> Iterator[None]:
    """What is written meanwhile is recorded under no person."""
    session = db() if callable(db) else db  # a scoped session
    session.info[QUIET] = True
    try:
        yield
    finally:
        session.info.pop(QUIET, None)


def watch_persons() -> None:
    """From now on, in this process, whoever changes a score or a comment by hand is put on record.

    nbgrader's formgrader changes them; so does any script that uses nbgrader's Gradebook.
    """
    for kind in (api.Grade, api.Comment):
        if not event.contains(kind, "after_update", _on_change):
            event.listen(kind, "after_update", _on_change)


_WATCHED = {api.Grade: ("manual_score", "extra_credit"), api.Comment: ("manual_comment",)}


def _on_change(mapper: Any, connection: Connection, target: Any) -> None:
    session = object_session(target)
    if session is None or session.info.get(QUIET):
        return
    state = inspect(target)
    if any(state.attrs[name].history.has_changes() for name in _WATCHED[type(target)]):
        make_tables(connection)
        _record(connection, target.notebook_id, target.cell_id)


def _record(connection: Connection, notebook_id: str, cell_id: str) -> None:
    """What nbgrader's tables say of a cell now, as the newest line of its history."""
    found = connection.execute(
        select(api.Assignment.name, api.SubmittedAssignment.student_id, api.BaseCell.name)
        .select_from(api.SubmittedNotebook)
        .join(api.SubmittedAssignment, api.SubmittedAssignment.id == api.SubmittedNotebook.assignment_id)
        .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
        .join(api.BaseCell, api.BaseCell.id == cell_id)
        .where(api.SubmittedNotebook.id == notebook_id)
    ).one_or_none()
    if found is None:
        return
    lesson, student, cell = found
    # by name: nbgrader keeps a written cell twice, as what is graded and as what is commented
    score, extra = connection.execute(
        select(api.Grade.manual_score, api.Grade.extra_credit)
        .join(api.BaseCell, api.BaseCell.id == api.Grade.cell_id)
        .where(api.Grade.notebook_id == notebook_id, api.BaseCell.name == cell)
    ).first() or (None, None)
    comment = connection.scalar(
        select(api.Comment.manual_comment)
        .join(api.BaseCell, api.BaseCell.id == api.Comment.cell_id)
        .where(api.Comment.notebook_id == notebook_id, api.BaseCell.name == cell)
    )
    where = ANSWERS.c.lesson == lesson, ANSWERS.c.student == student, ANSWERS.c.cell == cell
    answer = connection.scalar(select(ANSWERS.c.answer).where(*where)) or ""
    given = HandScore(answer, score, extra, comment, who_grades(), now())
    connection.execute(insert(HAND_SCORES).values(lesson=lesson, student=student, cell=cell, **columns_of(given)))
