"""Grades a class: the slow stage over an executor, then judge, gradebook and feedback as results come in."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import nbformat
from traitlets.config import Config

from grading.course import Course, CourseError
from grading.engine.execute import Executed, Job, clean, execute
from grading.engine.feedback import FeedbackWriter
from grading.engine.gradebook import Register
from grading.engine.outcome import RESULTS, QuestionOutcome, SubmissionOutcome
from grading.engine.progress import Silent, Watcher
from grading.exam.judging import Judge, fresh_seed, judge_of
from grading.exam.selection import role_of
from grading.intake.find import Submission, find_submissions
from grading.nbgrader_config import configure
from grading.sandbox.bubblewrap import require_bubblewrap
from grading.sandbox.limits import Limits
from grading.sandbox.warm import close_shared_pool, shared_pool
from helpers.checks.verdict import Verdict


@dataclass(frozen=True)
class _Room:
    """What is prepared once per lesson."""

    template: str
    judge: Judge
    written: tuple[str, ...]


def grade(
    course: Course,
    lessons: Sequence[str],
    *,
    submissions: Path,
    out: Path,
    db_url: str | None = None,
    jobs: int = 2,
    seed: int | None = None,
    sandbox: str = "bubblewrap",
    warm: bool = True,
    progress: Watcher | None = None,
    executor: Executor | None = None,
) -> list[SubmissionOutcome]:
    """Grade every submission of `lessons` found under `submissions`.

    Writes ``autograded/``, ``feedback/``, ``results.jsonl`` and, unless `db_url` says otherwise, ``gradebook.db``
    into `out`. Secret cases come from `seed`, by default a fresh one. With `warm`, kernels in the sandbox are forked
    from one that has imported what lessons need, else each is started anew; results are the same.

    Raises:
        SandboxUnavailable: no working bubblewrap, and `sandbox` is not "none".
        CourseError: a lesson hasn't been built.
        FindError: the submissions folder isn't there, or leaves the lesson open.
    """
    if sandbox != "none":
        require_bubblewrap()
    warm = warm and sandbox != "none"
    if warm and executor is None:
        shared_pool().start_early()
    progress = progress or Silent()
    seed = fresh_seed() if seed is None else seed
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    config = configure(Config(), course.root, out, db_url=db_url, course=course)
    register = Register(config.CourseDirectory.db_url, config)
    rooms = {lesson: _prepare(course, lesson, seed, register) for lesson in lessons}
    found = find_submissions(Path(submissions), list(lessons), [lesson.id for lesson in course.lessons])
    for text in found.notes:
        progress.note(text)
    released = _released(course)
    feedback = FeedbackWriter(config)
    limits = Limits(**course.limits.model_dump(exclude={"answer_mb"}))
    desk = _Desk(course, rooms, register, feedback, out)
    pool = executor or ThreadPoolExecutor(max_workers=max(1, jobs))
    outcomes = []
    progress.start(len(found.submissions))
    try:
        work = {
            pool.submit(_timed, _job(s, rooms[s.lesson].template, released, seed, limits, sandbox, warm)): s
            for s in found.submissions
        }
        told: set[str] = set()
        for submission, executed in _as_they_come(work):
            for warning in set(executed.warnings) - told:
                told.add(warning)
                progress.note(warning)
            outcome = desk.finish(submission, executed)
            outcomes.append(outcome)
            progress.advance(outcome)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        progress.stop()
    if executor is None:
        pool.shutdown()
        close_shared_pool()
    return sorted(outcomes, key=lambda o: (o.student, o.lesson))


class _Desk:
    """Where executed submissions become outcomes, one after the other."""

    def __init__(
        self, course: Course, rooms: dict[str, _Room], register: Register, feedback: FeedbackWriter, out: Path
    ) -> None:
        self._course, self._rooms, self._register, self._feedback, self._out = (
            course,
            rooms,
            register,
            feedback,
            out,
        )

    def finish(self, submission: Submission, executed: Executed) -> SubmissionOutcome:
        """Judge, save, write; a fault of ours in one submission is recorded and stays with it."""
        try:
            outcome = self._finish(submission, executed)
        except Exception as error:
            outcome = self._failed(submission, f"a fault of the grader: {type(error).__name__}: {error}")
        with (self._out / RESULTS).open("a", encoding="utf-8") as file:
            file.write(outcome.to_json() + "\n")
        return outcome

    def _finish(self, submission: Submission, executed: Executed) -> SubmissionOutcome:
        room = self._rooms[submission.lesson]
        seconds = dict(executed.seconds)
        if executed.notebook is None:
            self._register.save_zero(submission.student, submission.lesson, submission.timestamp)
            return self._zero(submission, executed.status, executed.reason, executed.notes)
        notebook = executed.notebook
        start = time.perf_counter()
        clean(notebook)
        verdicts, suspicious = room.judge.judge_notebook(notebook, executed.stopped)
        seconds["judge"] = time.perf_counter() - start
        start = time.perf_counter()
        notebook.metadata["vitlab"] = {"lesson": submission.lesson, "intake": list(executed.notes)}
        path = self._out / "autograded" / submission.student / submission.lesson / f"{submission.lesson}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._register.save(submission.student, submission.lesson, notebook, submission.timestamp)
        path.write_text(nbformat.writes(notebook), "utf-8")
        written = self._register.written(submission.student, submission.lesson, room.written)
        seconds["save"] = time.perf_counter() - start
        start = time.perf_counter()
        page = self._out / "feedback" / submission.student / submission.lesson / f"{submission.lesson}.html"
        self._feedback.write(submission.student, submission.lesson, notebook, page)
        seconds["feedback"] = time.perf_counter() - start
        return SubmissionOutcome(
            submission.student, submission.lesson, executed.status, executed.reason,
            (*map(_question, verdicts), *(_written(cell, *row) for cell, row in written.items())),
            executed.notes, (*executed.suspicious, *suspicious), seconds,
            str(page.relative_to(self._out)), str(submission.path or ""),
        )  # fmt: skip

    def _zero(self, submission: Submission, status: str, reason: str, notes: Sequence[str] = ()) -> SubmissionOutcome:
        room = self._rooms[submission.lesson]
        points = room.judge.reference.points
        titles = {qid: room.judge.title(qid) for qid in points}
        questions = [QuestionOutcome(qid, titles[qid], 0.0, p, "no answer", reason) for qid, p in points.items()]
        for cell in room.judge.reference.lesson.of("written"):
            questions.append(QuestionOutcome(cell.question, "Written", 0.0, cell.points, "no answer", reason))
        return SubmissionOutcome(
            submission.student, submission.lesson, status, reason, tuple(questions), tuple(notes),
            source=str(submission.path or ""),
        )  # fmt: skip

    def _failed(self, submission: Submission, reason: str) -> SubmissionOutcome:
        return self._zero(submission, "failed", reason)


def _prepare(course: Course, lesson: str, seed: int, register: Register) -> _Room:
    released, expectations = course.student_notebook(lesson), course.expectations(lesson)
    for path in (released, expectations):
        if not path.exists():
            raise CourseError(f"{path.relative_to(course.root)} is not there: run `vitlab build {lesson}` first")
    template = nbformat.read(released, as_version=4)
    written = tuple(c.metadata["nbgrader"]["grade_id"] for c in template.cells if role_of(c) == "written")
    register.register_lesson(course.lesson(lesson), released)
    judge = judge_of(course, lesson, seed)
    return _Room(nbformat.writes(template), judge, written)


def _released(course: Course) -> dict[str, str]:
    """Every lesson's released notebook as JSON, by id."""
    paths = {lesson.id: course.student_notebook(lesson.id) for lesson in course.lessons}
    return {lesson: path.read_text("utf-8") for lesson, path in paths.items() if path.exists()}


def _job(
    s: Submission, template: str, released: dict[str, str], seed: int, limits: Limits, sandbox: str, warm: bool
) -> Job:
    others = {lesson: text for lesson, text in released.items() if lesson != s.lesson}
    return Job(s.student, s.lesson, s.path, template, seed, limits, sandbox, s.problem, s.notes, others, warm)


def _timed(job: Job) -> Executed:
    """`execute`, with a fault of ours turned into a status: the batch goes on."""
    try:
        return execute(job)
    except Exception as error:
        return Executed(None, "failed", f"a fault of the grader: {type(error).__name__}: {str(error)[:300]}")


def _as_they_come(work: dict[Future[Executed], Submission]) -> Iterator[tuple[Submission, Executed]]:
    for future in as_completed(work):
        try:
            yield work[future], future.result()
        except Exception as error:
            reason = f"the worker was lost: {type(error).__name__}: {str(error)[:300]}"
            yield work[future], Executed(None, "failed", reason)


def _question(verdict: Verdict) -> QuestionOutcome:
    return QuestionOutcome(
        verdict.question, verdict.title, verdict.score, verdict.points, verdict.status, verdict.hint,
        verdict.known_mistake,
    )  # fmt: skip


def _written(cell: str, score: float | None, points: float) -> QuestionOutcome:
    status = "needs grading" if score is None else ("graded by hand" if score else "not started")
    return QuestionOutcome(cell, "Written", score, points, status)
