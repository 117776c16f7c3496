"""What a hand-in does to scores and comments by hand: those for this very answer count, those for others don't."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nbformat import NotebookNode
from nbgrader import api
from nbgrader.api import Gradebook

from grading.nbgrader_plugin.answers import answers_of
from grading.nbgrader_plugin.extra_credit import SaveScores
from grading.nbgrader_plugin.grader_log import quietly
from grading.nbgrader_plugin.hand_scores import (
    CellHistory,
    HandScore,
    add_hand_score,
    histories,
    make_tables,
    put_answers,
)
from grading.nbgrader_plugin.stored_grades import joined


def record_unseen(db: Any, lesson: str, students: Sequence[str]) -> None:
    """Put scores and comments by hand on record that came into nbgrader's tables without our being told.

    They were given for the answers that the cells hold now; so this comes before new answers are saved.
    """
    known = histories(db, lesson, students)
    held: dict[tuple[str, str], HandScore] = {}
    grade, comment = api.Grade, api.Comment
    for student, name, score, extra, most in db.execute(
        joined(grade, lesson, students, grade.manual_score, grade.extra_credit, grade.max_score)
    ):
        held[student, name] = HandScore("", score, extra if most else None)  # of a bonus question it is the judge's
    for student, name, text in db.execute(joined(comment, lesson, students, comment.manual_comment)):
        held[student, name] = replace(held.get((student, name), HandScore("")), comment=text or None)
    for (student, name), found in held.items():
        history = known.get((student, name), CellHistory())
        current = history.current or HandScore("")
        if found.given != current.given:
            add_hand_score(db, lesson, student, name, replace(found, answer=history.answer))


def carry_over(db: Any, lesson: str, notebooks: Mapping[str, NotebookNode | None]) -> None:
    """After automatic scores were saved: put in place what persons gave for these answers, and ask for what is new.

    Args:
        notebooks: as they were graded, by student; None where nothing could be read.
    """
    students = list(notebooks)
    known = histories(db, lesson, students)
    grades: dict[str, dict[str, api.Grade]] = {student: {} for student in students}
    comments: dict[str, dict[str, api.Comment]] = {student: {} for student in students}
    for student, name, grade in db.execute(joined(api.Grade, lesson, students)):
        grades[student][name] = grade
    for student, name, comment in db.execute(joined(api.Comment, lesson, students)):
        comments[student][name] = comment
    answers = {}
    for student, notebook in notebooks.items():
        names = sorted(grades[student].keys() | comments[student].keys())
        found = answers_of(notebook, names)
        answers[student] = {name: found[name] for name in names}
        for name in names:
            history = known.get((student, name), CellHistory())
            doubtful = False
            last = history.last
            if not history.answer and last is not None and not last.answer and not last.empty:
                # from before answers were on record: it is taken for this answer, and a person is to look
                adopted = replace(last, answer=found[name])
                add_hand_score(db, lesson, student, name, adopted)
                history.given.append(adopted)
                doubtful = True
            history.answer = found[name]
            _put(history, grades[student].get(name), comments[student].get(name), doubtful=doubtful)
    put_answers(db, lesson, answers)


def put_in_place(db: Any, lesson: str, students: Sequence[str]) -> None:
    """Write into nbgrader's tables what is on record for the answers that the cells hold now."""
    known = histories(db, lesson, students)
    for kind in (api.Grade, api.Comment):
        for student, name, row in db.execute(joined(kind, lesson, students)):
            history = known.get((student, name))
            if history is not None and history.given:
                grade, comment = (row, None) if kind is api.Grade else (None, row)
                _put(history, grade, comment, doubtful=False)


def _put(history: CellHistory, grade: api.Grade | None, comment: api.Comment | None, *, doubtful: bool) -> None:
    given = history.current or HandScore(history.answer)
    if comment is not None and (comment.manual_comment or None) != (given.comment or None):
        comment.manual_comment = given.comment
    if grade is None:
        return
    grade.manual_score = given.score
    if grade.max_score:  # a bonus question has none: its extra credit is what the judge gave
        grade.extra_credit = given.extra
    unscored = grade.auto_score is None and grade.manual_score is None
    grade.needs_manual_grade = unscored or history.read_again or (doubtful and given.score is not None)


class SaveGrades(SaveScores):
    """In `nbgrader autograde`: nbgrader's own step, and then what persons gave for these answers."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        names = resources["nbgrader"]
        lesson, student, url = names["assignment"], names["student"], names["db_url"]
        if names["notebook"] != lesson:  # one of several: what a person gave is looked after by `vitlab grade` alone
            return super().preprocess(nb, resources)
        with Gradebook(url) as gradebook:
            make_tables(gradebook.db.connection())
            record_unseen(gradebook.db, lesson, [student])
            gradebook.db.commit()
        nb, resources = super().preprocess(nb, resources)
        with Gradebook(url) as gradebook, quietly(gradebook.db):
            carry_over(gradebook.db, lesson, {student: nb})
            gradebook.db.commit()
        return nb, resources
