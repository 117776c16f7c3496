"""Late penalties from course.toml, in nbgrader's own place for them."""

from __future__ import annotations

import math

from nbformat import NotebookNode
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

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        self._rate = self.rates.get(resources["nbgrader"]["assignment"], 0.0)
        return super().preprocess(nb, resources)

    def start(self, lesson: str) -> None:
        """Ready to assess submissions of this lesson."""
        self._rate = self.rates.get(lesson, 0.0)
        self.init_plugin()

    def init_plugin(self) -> None:
        self.plugin_inst = PerDay(parent=self, rate=self._rate)
