"""The engine as preprocessors: `nbgrader autograde` and formgrader's button grade as `vitlab grade` does."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from grading.course import load_course
from grading.judging.execution import clean, finished, run_prepared
from grading.judging.judge import Judge, device_of, fresh_seed, judge_of
from grading.nbgrader_plugin.ordinary.assignment import Assignment, assignment_of
from grading.nbgrader_plugin.ordinary.handed_in import contents_of_path
from grading.nbgrader_plugin.ordinary.run import run_part
from grading.nbgrader_plugin.ordinary.scores import score_cells


@lru_cache(maxsize=32)
def _judge(root: Path, lesson: str, seed: int, device: str) -> Judge:
    return judge_of(load_course(root), lesson, seed, device)


@lru_cache(maxsize=1)
def _seed() -> int:
    """One fresh seed per process: a run of `nbgrader autograde` compares all students on the same cases."""
    return fresh_seed()


class ExecuteInSandbox(NbGraderPreprocessor):
    """In place of nbgrader's Execute: runs the cells that grading needs, in bubblewrap."""

    course = Unicode("", help="the course's folder").tag(config=True)
    sandbox = Unicode("bubblewrap", help='"bubblewrap", or "none" where it can\'t be had').tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        course = load_course(Path(self.course))
        limits = course.limits.of_sandbox()
        sandbox = os.environ.get("VITLAB_SANDBOX", self.sandbox)
        assignment = assignment_of(self.course, resources["nbgrader"]["assignment"])
        if assignment is not None:
            executed = run_part(nb, self._files(assignment, resources), limits=limits, sandbox=sandbox)
        else:
            executed = finished(run_prepared(nb, seed=_seed(), limits=limits, sandbox=sandbox))
        resources["vitlab"] = {"stopped": executed.stopped, "seed": _seed(), "device": device_of(sandbox, gpu=False)}
        assert executed.notebook is not None
        if executed.reason:
            self.log.warning("%s: %s", resources["nbgrader"]["student"], executed.reason)
        return executed.notebook, resources

    @staticmethod
    def _files(assignment: Assignment, resources: dict) -> dict[str, bytes]:
        """What lies beside the notebook: nbgrader has copied what was handed in; the instructor's files win."""
        folder = Path(resources["metadata"]["path"])
        beside = {name: data for name, data in contents_of_path(folder).items() if not name.endswith(".ipynb")}
        return beside | dict(assignment.files)


class JudgeAnswers(NbGraderPreprocessor):
    """Replaces what the checks printed by the judge's cards and scores, which nbgrader then saves."""

    course = Unicode("", help="the course's folder").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        lesson = resources["nbgrader"]["assignment"]
        if assignment_of(self.course, lesson) is not None:
            _, suspicious = score_cells(nb)
            clean(nb)
        else:
            clean(nb)
            run = resources["vitlab"]
            judge = _judge(Path(self.course), lesson, run["seed"], run["device"])
            _, suspicious = judge.judge_notebook(nb, run["stopped"])
        for reason in suspicious:
            self.log.warning("%s: %s", resources["nbgrader"]["student"], reason)
        return nb, resources
