"""Late penalties from course.toml, with each student's own due date, in nbgrader's own places for them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.plugins import LateSubmissionPlugin
from nbgrader.preprocessors import AssignLatePenalties
from traitlets import Dict, Float

DAY = 86_400


class PerDay(LateSubmissionPlugin):
    """A share of the score for each day begun."""

    rate = Float(0.0)

    def late_submission_penalty(self, student_id: str, score: float, total_seconds_late: float) -> float | None:
        if self.rate <= 0:
            return None
        return min(score, score * self.rate * math.ceil(total_seconds_late / DAY))


class LatePenalties(AssignLatePenalties):
    """nbgrader's preprocessor with each lesson's own rate."""

    rates = Dict({}, help="lesson id to share of the score per day begun").tag(config=True)
    extra_seconds = Dict({}, help="lesson id to seconds after the class's due date, by student").tag(config=True)
    excused = Dict({}, help="lesson id to the students who need not hand in").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        of = resources["nbgrader"]
        self._rate = self.rates.get(of["assignment"], 0.0)
        with Gradebook(of["db_url"]) as gradebook:
            self.grant(gradebook.find_submission(of["assignment"], of["student"]), of["assignment"])
            gradebook.db.commit()
        return super().preprocess(nb, resources)

    def grant(self, submission: Any, lesson: str) -> None:
        """Give a submission its student's own due date, which nbgrader keeps as an extension of the class's."""
        seconds = self.extra_seconds.get(lesson, {}).get(submission.student_id)
        extension = None if seconds is None else timedelta(seconds=seconds)
        if submission.extension != extension:
            submission.extension = extension

    def is_excused(self, student: str, lesson: str) -> bool:
        """Whether the lesson does not count for the student."""
        return student in self.excused.get(lesson, ())

    def start(self, lesson: str) -> None:
        """Ready to assess submissions of this lesson."""
        self._rate = self.rates.get(lesson, 0.0)
        self.init_plugin()

    def init_plugin(self) -> None:
        self.plugin_inst = PerDay(parent=self, rate=self._rate)
