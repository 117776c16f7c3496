"""Grades a class: the slow stage over a executor, then judge, gradebook and feedback as results come in.

Each result is on disk (`journal`) before anything else happens with it, and gradebook and pages are made from what is
on disk: a run that was killed is taken up by the next without executing anything twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from dataclasses import replace
from pathlib import Path

from traitlets.config import Config

from grading.course import Course, CourseError
from grading.engine.current import all_as_they_count, read_grades, remember_gradebook
from grading.engine.execute import Job, execute_safely
from grading.engine.executors import SubmissionExecutor, Threads, start_zygote_early
from grading.engine.interrupts import InterruptGuard
from grading.engine.journal import Journal, only_run
from grading.engine.keys import lesson_version, mark_of, submission_key
from grading.engine.lesson_context import LessonContext, prepare
from grading.engine.outcome import SubmissionOutcome
from grading.engine.progress import Silent, Watcher
from grading.engine.recorder import ResultRecorder
from grading.intake.contents import contents_of
from grading.intake.find_submissions import Submission, find_submissions
from grading.judging.execution import Executed
from grading.judging.judge import device_of, fresh_seed
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.gradebook import GradebookWriter
from grading.nbgrader_plugin.ordinary.assignment import is_ordinary
from grading.sandbox import gpu
from grading.sandbox.bubblewrap import require_bubblewrap
from grading.submission_id import SubmissionId

TICK_SECONDS = 0.2
GPU_MEMORY = 0.9  # of each GPU, for all submissions at once


class Interrupted(Exception):
    """The run was stopped; `done` of `total` submissions are graded and saved."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(f"stopped: {done} of {total} submissions are graded and saved")
        self.done, self.total = done, total


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
    regrade: bool = False,
    device: str = "cpu",
    progress: Watcher | None = None,
    executor: SubmissionExecutor | None = None,
) -> list[SubmissionOutcome]:
    """Grade every submission of `lessons` found under `submissions`.

    Writes ``autograded/``, ``feedback/``, ``results.jsonl`` and, unless `db_url` says otherwise, ``gradebook.db``
    into `out`. Secret cases come from `seed`, by default a fresh one. With `warm`, kernels in the sandbox are forked
    from one that has imported what lessons need, else each is started anew; results are the same. What was graded
    before and has not changed since is not graded again, unless `regrade`; its outcome is returned all the same.
    With the device "cuda", sandboxes see the GPUs, and `jobs` of them share the memory.

    Raises:
        SandboxUnavailable: no working bubblewrap, and `sandbox` is not "none".
        CourseError: a lesson hasn't been built, another run is writing into `out`, or there is no such device.
        FindError: the submissions folder isn't there, or leaves the lesson open.
        Interrupted: Ctrl-C; the next call goes on from there.
    """
    course.activate()
    if sandbox != "none" and executor is None:
        require_bubblewrap()
    warm = warm and sandbox != "none"
    gpu_share = GPU_MEMORY / max(1, jobs) if device == "cuda" else None
    if gpu_share and executor is None and not gpu.device_nodes():
        raise CourseError("--device cuda: this machine shows no NVIDIA GPU (no /dev/nvidia0)")
    if warm and executor is None:
        start_zygote_early(gpu_share)
    progress = progress or Silent()
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    executor = executor or Threads(jobs)
    try:
        with only_run(out):
            config = configure(Config(), course.root, out, db_url=db_url, course=course)
            remember_gradebook(out, config.CourseDirectory.db_url)
            with GradebookWriter(config.CourseDirectory.db_url, config) as gradebook:
                run = _Run(course, lessons, gradebook, config, out, seed, sandbox, progress, gpu_share)
                return run.grade(Path(submissions), executor, warm=warm, regrade=regrade)
    finally:
        executor.shutdown()


class _Run:
    """One call of `grade`."""

    def __init__(
        self, course: Course, lessons: Sequence[str], gradebook: GradebookWriter, config: Config, out: Path,
        seed: int | None, sandbox: str, progress: Watcher, gpu_share: float | None = None,
    ) -> None:  # fmt: skip
        self._course, self._lessons, self._gradebook = course, list(lessons), gradebook
        self._sandbox, self._progress, self._asked_seed, self._gpu_share = sandbox, progress, seed, gpu_share
        self._seed = fresh_seed() if seed is None else seed
        self._journal = Journal(out)
        self._db_url = config.CourseDirectory.db_url
        self._config, self._out = config, out
        self._told: set[str] = set()

    def grade(
        self, submissions: Path, executor: SubmissionExecutor, *, warm: bool, regrade: bool
    ) -> list[SubmissionOutcome]:
        known, contents = [lesson.id for lesson in self._course.lessons], contents_of(_released(self._course))
        found = find_submissions(submissions, self._lessons, known, contents)
        found = replace(found, submissions=tuple(_whole(s, submissions, self._course) for s in found.submissions))
        for text in found.notes:
            self._progress.note(text)
        device = device_of(self._sandbox, gpu=bool(self._gpu_share))
        contexts = {
            lesson: prepare(self._course, lesson, self._seed, self._gradebook, device) for lesson in self._lessons
        }
        for text in self._gradebook.changes():
            self._progress.note(text)
        recorder = ResultRecorder(self._course, contexts, self._gradebook, self._journal, self._config, self._out)
        keys = self._keys(found.submissions)
        if regrade:
            self._journal.grade_again(SubmissionId(s.student, s.lesson) for s in found.submissions)
        todo = self._what_is_new(found.submissions, keys, recorder, contexts)
        if kept := len(found.submissions) - len(todo):
            self._progress.note(f"{kept} submissions were graded before and have not changed (--regrade grades them).")
        with InterruptGuard() as guard:
            self._progress.start(len(todo))
            try:
                executor.start(_released(self._course), warm=warm)
                self._execute(todo, keys, executor, recorder, guard, warm, contexts)
            finally:
                self._progress.stop()
        judged = [self._journal.latest[SubmissionId(s.student, s.lesson)] for s in found.submissions]
        return all_as_they_count(judged, read_grades(self._gradebook, self._lessons))

    def _keys(self, submissions: Sequence[Submission]) -> dict[Submission, tuple[str, str]]:
        """Key and mark of each."""
        versions = {lesson: lesson_version(self._course, lesson) for lesson in self._lessons}
        found = {}
        for submission in submissions:
            key = submission_key(
                submission, versions[submission.lesson], limits=self._course.limits.model_dump(),
                seed=self._asked_seed, sandbox=self._sandbox, device="cuda" if self._gpu_share else "cpu",
            )  # fmt: skip
            found[submission] = key, mark_of(key, submission, self._course, self._db_url)
        return found

    def _what_is_new(
        self, submissions: Sequence[Submission], keys: dict[Submission, tuple[str, str]], recorder: ResultRecorder,
        contexts: dict[str, LessonContext],
    ) -> list[Submission]:  # fmt: skip
        """What has to be executed; the rest is looked after: a killed run may not have saved it."""
        todo: list[Submission] = []
        kept: list[Submission] = []
        for submission in submissions:
            submission_id = SubmissionId(submission.student, submission.lesson)
            known = self._journal.latest.get(submission_id)
            same = known is not None and known.key == keys[submission][0] and submission_id not in self._journal.due
            (kept if same else todo).append(submission)
        for lesson in contexts:
            self._gradebook.settle(lesson)  # persons may have been at it
            group = [s for s in kept if s.lesson == lesson]
            held = self._gradebook.stored(lesson, [s.student for s in group])
            for submission in group:
                if not recorder.keep(submission, *keys[submission], held.get(submission.student)):
                    todo.append(submission)
        recorder.settle()
        return sorted(todo, key=lambda s: (s.student, s.lesson))

    def _execute(
        self, todo: Sequence[Submission], keys: dict[Submission, tuple[str, str]], executor: SubmissionExecutor,
        recorder: ResultRecorder, guard: InterruptGuard, warm: bool, contexts: dict[str, LessonContext],
    ) -> None:  # fmt: skip
        limits = self._course.limits.of_sandbox(self._gpu_share)
        waiting = iter(todo)
        at_work: dict[Future[Executed], Submission] = {}
        clock = _Clock()
        done = 0
        try:
            while not guard.requested:
                while len(at_work) < executor.capacity() and (submission := next(waiting, None)) is not None:
                    job = Job(
                        submission.student, submission.lesson, submission.path, self._seed, limits, self._sandbox,
                        submission.problem, submission.notes, warm, assignment=contexts[submission.lesson].assignment,
                    )  # fmt: skip
                    at_work[clock.watched(executor.submit(execute_safely, job))] = submission
                if not at_work:
                    break
                ended, _ = wait(at_work, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
                done += self._take(ended, at_work, keys, recorder, clock)
                recorder.settle_when_due()
        except BaseException:
            executor.shutdown(cancel_futures=True)
            raise
        if guard.requested and (at_work or next(waiting, None) is not None):
            self._progress.note("stopping")
            executor.shutdown(cancel_futures=True)
            done += self._take([future for future in at_work if future.done()], at_work, keys, recorder, clock)
            recorder.settle()
            raise Interrupted(done, len(todo))
        recorder.settle()

    def _take(
        self, ended: Sequence[Future[Executed]] | set[Future[Executed]], at_work: dict[Future[Executed], Submission],
        keys: dict[Submission, tuple[str, str]], recorder: ResultRecorder, clock: _Clock,
    ) -> int:  # fmt: skip
        """Hands what came back to the recorder; returns how many submissions that were."""
        taken = 0
        for future in ended:
            submission = at_work.pop(future)
            try:
                executed = future.result()
            except (CancelledError, asyncio.CancelledError):
                continue
            except Exception as error:
                reason = f"the worker was lost: {type(error).__name__}: {str(error)[:300]}"
                executed = Executed(None, "failed", reason)
            executed = replace(executed, seconds={"queue": clock.queued(future, executed), **executed.seconds})
            for warning in set(executed.warnings) - self._told:
                self._told.add(warning)
                self._progress.note(warning)
            self._progress.advance(recorder.record(submission, executed, *keys[submission]))
            taken += 1
        return taken


class _Clock:
    """How long submissions stood in line since the run began: all were there then. Workers' clocks aren't asked."""

    def __init__(self) -> None:
        self._begin = time.monotonic()
        self._ended: dict[Future[Executed], float] = {}

    def watched(self, future: Future[Executed]) -> Future[Executed]:
        future.add_done_callback(lambda done: self._ended.setdefault(done, time.monotonic()))
        return future

    def queued(self, future: Future[Executed], executed: Executed) -> float:
        """Until the work on it began."""
        ended = self._ended.get(future, time.monotonic())
        return max(0.0, ended - self._begin - sum(executed.seconds.values()))


def _whole(submission: Submission, submissions: Path, course: Course) -> Submission:
    """For an ordinary assignment the student's folder in the place of one file: it may hold several notebooks."""
    folder = Path(submissions).resolve() / submission.student / submission.lesson
    if not is_ordinary(course, submission.lesson) or not folder.is_dir() or folder.is_symlink():
        return submission
    return replace(submission, path=folder, problem="", notes=())


def _released(course: Course) -> dict[str, str]:
    """The released notebook of every built lesson as JSON, by id."""
    built = [lesson.id for lesson in course.lessons if not is_ordinary(course, lesson.id)]
    paths = {lesson: course.student_notebook(lesson) for lesson in built}
    return {lesson: path.read_text("utf-8") for lesson, path in paths.items() if path.exists()}
