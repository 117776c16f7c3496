"""Where executed submissions become outcomes: judged and put on record one by one, saved in batches."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from traitlets.config import Config

from grading.course import Course
from grading.engine.feedback import FeedbackWriter
from grading.engine.journal import Journal, write_whole
from grading.engine.keys import content_of
from grading.engine.lesson_context import LessonContext
from grading.engine.outcome import SubmissionOutcome
from grading.intake.find_submissions import Submission
from grading.judging.execution import Executed
from grading.nbgrader_plugin.feedback_facts import noted
from grading.nbgrader_plugin.gradebook import Entry, GradebookWriter
from grading.nbgrader_plugin.stored_grades import StoredGrades
from grading.submission_id import SubmissionId

BATCH = 32
NOT_RUN = ("unreadable",)  # the notebook kept of these is the lesson's own, for the page alone
BATCH_SECONDS = 4.0


@dataclass
class _Open:
    """On record, still to be saved."""

    submission: Submission
    outcome: SubmissionOutcome
    notebook: NotebookNode | None
    mark: str
    held: StoredGrades | None = None  # it is in the gradebook already; only its page has to be written anew

    @property
    def submission_id(self) -> SubmissionId:
        return SubmissionId(self.submission.student, self.submission.lesson)

    @property
    def graded(self) -> NotebookNode | None:
        """What scores are taken from; None when nothing could be run."""
        return None if self.outcome.status in NOT_RUN else self.notebook


class ResultRecorder:
    """Judges, records, saves; for one thread."""

    def __init__(
        self,
        course: Course,
        contexts: dict[str, LessonContext],
        gradebook: GradebookWriter,
        journal: Journal,
        config: Config,
        out: Path,
    ) -> None:
        self._course, self._contexts, self._gradebook, self._journal, self._out = (
            course,
            contexts,
            gradebook,
            journal,
            out,
        )
        self._feedback = FeedbackWriter(config)
        self._open: list[_Open] = []
        self._since = 0.0

    def record(self, submission: Submission, executed: Executed, key: str, mark: str) -> SubmissionOutcome:
        """Judge, and put on disk; a fault of ours in one submission is recorded and stays with it."""
        try:
            notebook, outcome = self._judge(submission, executed)
        except Exception as error:
            notebook, outcome = None, self._zero(submission, "failed", _fault(error))
        outcome = replace(
            outcome,
            content="" if submission.path is None else content_of(submission.path),
            handed_in=_utc(submission.timestamp),
            judged_at=_utc(datetime.now(UTC)),
        )
        if outcome.status != "failed":  # that is not the submission's doing: the next run tries again
            outcome = replace(outcome, key=key)
        self._journal.add(outcome)
        if outcome.status != "failed":
            self._put(_Open(submission, outcome, notebook, mark))
        return outcome

    def keep(self, submission: Submission, key: str, mark: str, stored: StoredGrades | None) -> bool:
        """Look after a submission that was graded before; False: it has to be executed after all."""
        submission_id = SubmissionId(submission.student, submission.lesson)
        outcome = self._journal.latest[submission_id]
        saved = stored is not None and self._journal.marks.get(submission_id) == mark
        paths = self._autograded(submission)
        if not all(path.is_file() for path in paths.values()) or not outcome.feedback:
            return False
        shown = self._journal.pages.get(submission_id) if (self._out / outcome.feedback).is_file() else None
        if saved and stored is not None and shown == stored.fingerprint():
            return True
        try:
            kept = {name: nbformat.read(path, as_version=4) for name, path in paths.items()}
            notebook = self._contexts[submission.lesson].read_back(kept)
        except Exception:  # cut off when the power went
            return False
        self._put(_Open(submission, outcome, notebook, mark, stored if saved else None))
        return True

    def _put(self, item: _Open) -> None:
        if not self._open:
            self._since = time.monotonic()
        self._open.append(item)

    def settle_when_due(self) -> None:
        """Save, once there is a batch or some time has passed."""
        if len(self._open) >= BATCH or (self._open and time.monotonic() - self._since >= BATCH_SECONDS):
            self.settle()

    def settle(self) -> None:
        """Gradebook and pages of all that is on record; may be done twice without harm."""
        items, self._open = self._open, []
        for start in range(0, len(items), BATCH):
            self._settle(items[start : start + BATCH])

    def _settle(self, items: Sequence[_Open]) -> None:
        begin = time.perf_counter()
        entries = [Entry(*i.submission_id, i.graded, i.submission.timestamp) for i in items if i.held is None]
        held = {i.submission_id: i.held for i in items if i.held is not None} | self._gradebook.save(entries)
        each = (time.perf_counter() - begin) / len(items)
        saved: dict[SubmissionId, tuple[str, dict[str, float]]] = {}
        pages: dict[SubmissionId, str] = {}
        for item in items:
            stored = held[item.submission_id]
            begin = time.perf_counter()
            try:
                if isinstance(stored, Exception):
                    raise stored
                if item.notebook is not None:
                    page = self._out / item.outcome.feedback
                    self._feedback.write(*item.submission_id, item.notebook, page, stored)
                    pages[item.submission_id] = stored.fingerprint()
            except Exception as error:
                failed = replace(item.outcome, status="failed", reason=_fault(error), key="")
                self._journal.add(failed)
                continue
            saved[item.submission_id] = item.mark, {"save": each, "feedback": time.perf_counter() - begin}
        self._journal.add_saved(saved, pages)

    def _judge(self, submission: Submission, executed: Executed) -> tuple[NotebookNode | None, SubmissionOutcome]:
        context, notebook = self._contexts[submission.lesson], executed.notebook
        page = Path("feedback", submission.student, submission.lesson, f"{submission.lesson}.html")
        if notebook is None:
            outcome = self._zero(submission, executed.status, executed.reason, executed.notes)
            if outcome.status == "failed":
                return None, outcome
            notebook = deepcopy(context.template)  # so that the student gets a page, and formgrader can show why
            outcome = replace(outcome, status="unreadable", feedback=str(page))
            self._keep(submission, notebook, outcome)
            return notebook, outcome
        begin = time.perf_counter()
        questions, suspicious = context.judged(notebook, executed.stopped)
        outcome = SubmissionOutcome(
            submission.student, submission.lesson, executed.status, executed.reason, questions, executed.notes,
            (*executed.suspicious, *suspicious), executed.seconds, str(page), str(submission.path or ""),
        )  # fmt: skip
        self._keep(submission, notebook, outcome)
        seconds = {**executed.seconds, "judge": time.perf_counter() - begin}
        return notebook, replace(outcome, seconds=seconds)

    def _keep(self, submission: Submission, notebook: NotebookNode, outcome: SubmissionOutcome) -> None:
        """The autograded notebooks, for formgrader and for the page."""
        noted(notebook, lesson=submission.lesson, status=outcome.status, reason=outcome.reason, notes=outcome.notes)
        paths = self._autograded(submission)
        for name, whole in self._contexts[submission.lesson].kept(notebook).items():
            write_whole(paths[name], _on_one_line(whole))

    def _autograded(self, submission: Submission) -> dict[str, Path]:
        """Where nbgrader looks for a submission's notebooks, by name."""
        folder = self._out / "autograded" / submission.student / submission.lesson
        return {name: folder / f"{name}.ipynb" for name in self._contexts[submission.lesson].notebooks}

    def _zero(self, submission: Submission, status: str, reason: str, notes: Sequence[str] = ()) -> SubmissionOutcome:
        return SubmissionOutcome(
            submission.student,
            submission.lesson,
            status,
            reason,
            self._contexts[submission.lesson].nothing(reason),
            tuple(notes),
            source=str(submission.path or ""),
        )


def _utc(when: datetime | None) -> str:
    """ISO, to the second; a time without zone is UTC, as the gradebook has it."""
    if when is None:
        return ""
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC).isoformat(timespec="seconds")


def _on_one_line(notebook: NotebookNode) -> str:
    """Its JSON; nbformat's writer indents, which takes ten times as long."""
    return json.dumps(notebook, ensure_ascii=False, sort_keys=True)


def _fault(error: Exception) -> str:
    return f"a fault of the grader: {type(error).__name__}: {str(error)[:300]}"
