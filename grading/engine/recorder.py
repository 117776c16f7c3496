"""Where executed submissions become outcomes: judged and put on record one by one, saved in batches."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.utils import determine_grade
from traitlets.config import Config

from grading.course import Course, CourseError
from grading.engine.execute import Executed, clean
from grading.engine.feedback import FeedbackWriter
from grading.engine.journal import Journal, write_whole
from grading.engine.keys import content_of
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.intake.find_submissions import Submission
from grading.judging.cells_to_run import role_of
from grading.judging.judge import Judge, judge_of
from grading.nbgrader_plugin.gradebook import Entry, GradebookWriter, StoredGrades
from grading.nbgrader_plugin.rubrics import rubrics_of, with_rubrics, without_rubrics
from grading.submission_id import SubmissionId
from helpers.checks.verdict import Verdict

BATCH = 32
BATCH_SECONDS = 4.0


@dataclass(frozen=True)
class LessonContext:
    """What is prepared once per lesson; `written`: its written questions; `rubrics`: what they are graded by."""

    judge: Judge
    written: tuple[str, ...]
    rubrics: Mapping[str, str]


def prepare(course: Course, lesson: str, seed: int, gradebook: GradebookWriter) -> LessonContext:
    """The lesson in the gradebook, its judge under `seed`.

    Raises:
        CourseError: it hasn't been built.
    """
    released, expectations = course.student_notebook(lesson), course.expectations(lesson)
    for path in (released, expectations):
        if not path.exists():
            raise CourseError(f"{path.relative_to(course.root)} is not there: run `vitlab build {lesson}` first")
    template = nbformat.read(released, as_version=4)
    gradebook.register_lesson(course.lesson(lesson), released)
    written = tuple(c.metadata["nbgrader"]["grade_id"] for c in template.cells if role_of(c) == "written")
    return LessonContext(judge_of(course, lesson, seed), written, rubrics_of(course.source(lesson)))


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
        notebook = executed.notebook
        try:
            outcome = self._judge(submission, executed)
        except Exception as error:
            notebook, outcome = None, self._zero(submission, "failed", _fault(error))
        outcome = replace(
            outcome, content="" if submission.path is None else content_of(submission.path),
            handed_in=_utc(submission.timestamp), judged_at=_utc(datetime.now(UTC)),
        )  # fmt: skip
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
        notebook = None
        saved = stored is not None and self._journal.marks.get(submission_id) == mark
        if outcome.feedback:
            page, path = self._out / outcome.feedback, self._autograded(submission)
            if not path.is_file():
                return False
            if saved and page.is_file() and self._updated(outcome, stored) == outcome:
                return True
            try:
                notebook = without_rubrics(nbformat.read(path, as_version=4))
            except Exception:  # cut off when the power went
                return False
        elif saved:
            return True
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
        entries = [Entry(*i.submission_id, i.notebook, i.submission.timestamp) for i in items if i.held is None]
        held = {i.submission_id: i.held for i in items if i.held is not None} | self._gradebook.save(entries)
        each = (time.perf_counter() - begin) / len(items)
        saved: dict[SubmissionId, tuple[str, dict[str, float]]] = {}
        for item in items:
            stored = held[item.submission_id]
            begin = time.perf_counter()
            try:
                if isinstance(stored, Exception):
                    raise stored
                if item.notebook is not None:
                    outcome = self._updated(item.outcome, stored)
                    self._feedback.write(*item.submission_id, item.notebook, self._out / outcome.feedback, stored)
                    if outcome != item.outcome:
                        self._journal.add(outcome)
            except Exception as error:
                failed = replace(item.outcome, status="failed", reason=_fault(error), key="")
                self._journal.add(failed)
                continue
            saved[item.submission_id] = item.mark, {"save": each, "feedback": time.perf_counter() - begin}
        self._journal.add_saved(saved)

    def _judge(self, submission: Submission, executed: Executed) -> SubmissionOutcome:
        if executed.notebook is None:
            return self._zero(submission, executed.status, executed.reason, executed.notes)
        context, notebook = self._contexts[submission.lesson], executed.notebook
        begin = time.perf_counter()
        clean(notebook)
        verdicts, suspicious = context.judge.judge_notebook(notebook, executed.stopped)
        notebook.metadata["vitlab"] = {"lesson": submission.lesson, "intake": list(executed.notes)}
        whole = with_rubrics(notebook, context.rubrics)
        write_whole(self._autograded(submission), _on_one_line(whole))
        cells = {cell.metadata["nbgrader"]["grade_id"]: cell for cell in notebook.cells if role_of(cell) == "written"}
        written = [_written(name, *determine_grade(cells[name])) for name in context.written]
        automatic = [_question(verdict, self._worth(submission.lesson, verdict.question)) for verdict in verdicts]
        page = Path("feedback", submission.student, submission.lesson, f"{submission.lesson}.html")
        return SubmissionOutcome(
            submission.student, submission.lesson, executed.status, executed.reason,
            (*automatic, *written), executed.notes, (*executed.suspicious, *suspicious),
            {**executed.seconds, "judge": time.perf_counter() - begin}, str(page), str(submission.path or ""),
        )  # fmt: skip

    def _worth(self, lesson: str, question: str) -> str:
        source = self._contexts[lesson].judge.reference.lesson
        return self._course.course.worth(source.kind_of(question)).value

    def _autograded(self, submission: Submission) -> Path:
        return self._out / "autograded" / submission.student / submission.lesson / f"{submission.lesson}.ipynb"

    def _updated(self, outcome: SubmissionOutcome, stored: StoredGrades | None) -> SubmissionOutcome:
        """With the written questions as the gradebook has them."""
        assert stored is not None
        written = stored.written(self._contexts[outcome.lesson].written)
        kept = tuple(q for q in outcome.questions if q.question not in written)
        return replace(outcome, questions=(*kept, *(_written(cell, *row) for cell, row in written.items())))

    def _zero(self, submission: Submission, status: str, reason: str, notes: Sequence[str] = ()) -> SubmissionOutcome:
        context = self._contexts[submission.lesson]
        reference = context.judge.reference
        questions = [
            replace(
                QuestionOutcome(qid, context.judge.title(qid), 0.0, points, "no answer", reason),
                worth=self._worth(submission.lesson, qid),
            )
            for qid, points in reference.points.items()
        ]
        for cell in reference.lesson.of("written"):
            questions.append(QuestionOutcome(cell.question, "Written", 0.0, cell.points, "no answer", reason))
        return SubmissionOutcome(
            submission.student, submission.lesson, status, reason, tuple(questions), tuple(notes),
            source=str(submission.path or ""),
        )  # fmt: skip


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


def _question(verdict: Verdict, worth: str) -> QuestionOutcome:
    return QuestionOutcome(
        verdict.question, verdict.title, verdict.score, verdict.points, verdict.status, verdict.hint,
        verdict.known_mistake, verdict.measure, worth,
    )  # fmt: skip


def _written(cell: str, score: float | None, points: float) -> QuestionOutcome:
    status = "needs grading" if score is None else ("graded by hand" if score else "not started")
    return QuestionOutcome(cell, "Written", score, points, status)
