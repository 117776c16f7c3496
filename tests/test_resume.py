"""Nothing is graded twice, and nothing is lost: unchanged submissions, killed runs, Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_output
from nbgrader.api import Gradebook

from grading.course import Course, CourseError
from grading.engine.execute import Job
from grading.engine.executors import Threads
from grading.engine.grade import Interrupted, grade
from grading.engine.interrupts import InterruptGuard
from grading.engine.journal import Journal, only_run, read_attempts, read_results
from grading.engine.outcome import RESULTS, SubmissionOutcome
from grading.intake.read import Unreadable, read_notebook
from grading.intake.transplant import transplant
from grading.judging.cells_to_run import role_of
from grading.judging.execution import Executed
from tests.classroom import hand_in, released
from tests.conftest import ROOT

LESSON = "01_patches"
STUDENTS = ("ada", "bo", "cy")
KILLS = ROOT / "benchmarks" / "kills.py"


class Pretended(Threads):
    """Executes nothing: checks record no answer; keeps count of who came by."""

    def __init__(self, fail: tuple[str, ...] = ()) -> None:
        super().__init__(1)
        self.seen: list[str] = []
        self._fail = fail

    def _work(self, fn, job: Job) -> Executed:
        self.seen.append(job.student)
        if job.student in self._fail:
            raise OSError("the machine under it went away")
        try:
            assert job.path is not None
            read = read_notebook(job.path)
        except Unreadable as error:
            return Executed(None, "unreadable", str(error))
        notebook = deepcopy(transplant(nbformat.reads(self._released[job.lesson], 4), read.notebook, {}).notebook)
        for cell in notebook.cells:
            if role_of(cell) == "check":
                cell.outputs = [new_output("error", ename="Pretended", evalue="", traceback=[])]
        return Executed(notebook)


@pytest.fixture
def course_folder(tmp_path: Path, course: Course) -> Path:
    for student in STUDENTS:
        hand_in(tmp_path / "in", student, LESSON, released(course, LESSON))
    hand_in(tmp_path / "in", "broken", LESSON, b'{"cells": [')
    return tmp_path


def graded(course: Course, course_folder: Path, **options) -> tuple[list[str], dict[str, SubmissionOutcome]]:
    """Who was executed, and all outcomes."""
    executor = options.pop("executor", None) or Pretended()
    outcomes = grade(
        course,
        [LESSON],
        submissions=course_folder / "in",
        out=course_folder / "out",
        executor=executor,
        **{"sandbox": "none"} | options,
    )
    return sorted(executor.seen), {o.student: o for o in outcomes}


EVERYBODY = sorted([*STUDENTS, "broken"])


def test_what_has_not_changed_is_not_graded_again(course: Course, course_folder: Path) -> None:
    first, outcomes = graded(course, course_folder)
    pages = {page: page.stat().st_mtime_ns for page in course_folder.rglob("*.html")}
    second, again = graded(course, course_folder)
    assert (first, second) == (EVERYBODY, [])
    assert again == outcomes == {o.student: o for o in read_results(course_folder / "out")}
    assert {page: page.stat().st_mtime_ns for page in course_folder.rglob("*.html")} == pages


def test_regrade_grades_everything_and_a_killed_regrade_goes_on_without_it(course: Course, course_folder: Path) -> None:
    graded(course, course_folder)
    assert graded(course, course_folder, regrade=True)[0] == EVERYBODY
    Journal(course_folder / "out").grade_again([("ada", LESSON), ("bo", LESSON)])  # a regrade killed after two of four
    assert graded(course, course_folder)[0] == ["ada", "bo"]
    assert graded(course, course_folder)[0] == []


@pytest.mark.parametrize("change", ["submission", "limits", "seed", "bank", "sandbox"])
def test_whatever_could_change_a_score_has_it_graded_again(
    course: Course, course_folder: Path, change: str, monkeypatch
) -> None:
    graded(course, course_folder)
    options, wanted = {}, EVERYBODY
    if change == "submission":
        notebook = released(course, LESSON)
        notebook.cells[0].source += "\nmine"
        hand_in(course_folder / "in", "bo", LESSON, notebook)
        wanted = ["bo"]
    elif change == "limits":
        course = course.model_copy(update={"limits": course.limits.model_copy(update={"cell_seconds": 5.0})})
    elif change == "seed":
        options = {"seed": 3}
    elif change == "sandbox":
        options = {"sandbox": "bubblewrap", "warm": False}
    else:
        copy = course_folder / "changed" / LESSON / "mistakes.py"  # beside its lesson, whose cells it edits
        copy.parent.mkdir(parents=True)
        shutil.copy(course.source(LESSON), copy.with_name(f"{LESSON}.py"))
        copy.write_text(course.bank(LESSON).read_text() + "\n# one more\n")
        monkeypatch.setattr(Course, "bank", lambda self, lesson: copy)
    assert graded(course, course_folder, **options)[0] == wanted


def test_a_fault_of_ours_is_tried_again(course: Course, course_folder: Path) -> None:
    _, outcomes = graded(course, course_folder, executor=Pretended(fail=("bo",)))
    assert outcomes["bo"].status == "failed"
    with Gradebook(f"sqlite:///{course_folder / 'out' / 'gradebook.db'}") as gradebook:
        assert {s.student.id for s in gradebook.assignment_submissions(LESSON)} == {"ada", "cy", "broken"}
    seen, outcomes = graded(course, course_folder)
    assert (seen, outcomes["bo"].status) == (["bo"], "graded")


def test_a_lost_page_or_gradebook_is_made_again_without_executing(course: Course, course_folder: Path) -> None:
    graded(course, course_folder)
    url = f"sqlite:///{course_folder / 'out' / 'gradebook.db'}"
    with Gradebook(url) as gradebook:
        before = {s.student.id: s.score for s in gradebook.assignment_submissions(LESSON)}
    (course_folder / "out" / "gradebook.db").unlink()
    (course_folder / "out" / "feedback" / "cy" / LESSON / f"{LESSON}.html").unlink()
    assert graded(course, course_folder)[0] == []
    with Gradebook(url) as gradebook:
        assert {s.student.id: s.score for s in gradebook.assignment_submissions(LESSON)} == before
    assert (course_folder / "out" / "feedback" / "cy" / LESSON / f"{LESSON}.html").is_file()
    (course_folder / "out" / "autograded" / "cy" / LESSON / f"{LESSON}.ipynb").unlink()
    assert graded(course, course_folder)[0] == ["cy"]


def test_a_new_due_time_is_saved_without_executing(course: Course, course_folder: Path) -> None:
    path = course_folder / "in" / "ada" / LESSON / "timestamp.txt"
    path.write_text("2027-01-02 13:00:00 UTC")
    graded(course, course_folder)
    due = datetime(2027, 1, 1, 12, tzinfo=UTC)
    lessons = tuple(
        lesson.model_copy(update={"due": due, "late_penalty_per_day": 0.25}) if lesson.id == LESSON else lesson
        for lesson in course.lessons
    )
    assert graded(course.model_copy(update={"lessons": lessons}), course_folder)[0] == []
    with Gradebook(f"sqlite:///{course_folder / 'out' / 'gradebook.db'}") as gradebook:
        assert gradebook.find_submission_notebook(LESSON, LESSON, "ada").late_submission_penalty == 0.0
        assert gradebook.find_submission_notebook(LESSON, LESSON, "bo").late_submission_penalty is None


@pytest.mark.parametrize("regrade", [False, True])
def test_a_score_given_by_hand_survives_and_is_shown(course: Course, course_folder: Path, regrade: bool) -> None:
    notebook = released(course, LESSON)
    [cell] = [cell for cell in notebook.cells if role_of(cell) == "written"][:1]
    cell.source, name = "Because.", cell.metadata.nbgrader.grade_id
    hand_in(course_folder / "in", "ada", LESSON, notebook)
    _, outcomes = graded(course, course_folder)
    assert {q.question: q.score for q in outcomes["ada"].questions}[name] is None
    url = f"sqlite:///{course_folder / 'out' / 'gradebook.db'}"
    with Gradebook(url) as gradebook:
        grade_ = gradebook.find_grade(name, LESSON, LESSON, "ada")
        grade_.manual_score, grade_.needs_manual_grade = 1.0, False
        gradebook.find_comment(name, LESSON, LESSON, "ada").manual_comment = "Well put."
        gradebook.db.commit()
    seen, outcomes = graded(course, course_folder, regrade=regrade)
    assert seen == (EVERYBODY if regrade else [])
    assert {q.question: q.score for q in outcomes["ada"].questions}[name] == 1.0
    assert "Well put." in (course_folder / "out" / outcomes["ada"].feedback).read_text()
    with Gradebook(url) as gradebook:
        kept = gradebook.find_grade(name, LESSON, LESSON, "ada")
        assert (kept.manual_score, kept.score, kept.needs_manual_grade) == (1.0, 1.0, False)


# ---- the journal ----


def test_a_torn_line_costs_neither_the_line_before_nor_the_one_after(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(SubmissionOutcome("ada", LESSON, "graded", key="a"))
    with (tmp_path / RESULTS).open("ab") as file:
        file.write('{"student": "bö'.encode()[:-1])
    journal = Journal(tmp_path)
    journal.add(SubmissionOutcome("cy", LESSON, "graded", key="c"))
    journal.add_saved({("cy", LESSON): ("m", {"save": 0.5})})
    found = Journal(tmp_path)
    assert {student for student, _ in found.latest} == {"ada", "cy"}
    assert found.marks == {("cy", LESSON): "m"}
    assert found.latest["cy", LESSON].seconds == {"save": 0.5}


def attempt(content: str, **more) -> SubmissionOutcome:
    return SubmissionOutcome("ada", LESSON, more.pop("status", "graded"), content=content, **more)


def test_each_file_that_was_handed_in_keeps_its_result_and_a_regrade_is_no_new_attempt(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.add(attempt("", reason="older than attempts are known"))
    journal.add(attempt("one", reason="first"))
    journal.add(attempt("one", reason="first, graded again"))
    journal.add(attempt("broken", status="failed"))
    journal.add(attempt("two", reason="second"))
    journal.add_saved({("ada", LESSON): ("m", {"save": 0.5})})
    found = read_attempts(tmp_path)["ada", LESSON]
    assert [o.reason for o in found] == ["first, graded again", "second"]
    assert found[-1].seconds == {"save": 0.5}


def test_a_newer_file_is_graded_and_the_earlier_score_and_time_are_kept(course: Course, course_folder: Path) -> None:
    graded(course, course_folder)
    first = read_attempts(course_folder / "out")["ada", LESSON][-1]
    notebook = released(course, LESSON)
    notebook.cells[0].source += "\nonce more"
    hand_in(course_folder / "in", "ada", LESSON, notebook)
    (course_folder / "in" / "ada" / LESSON / "timestamp.txt").write_text("2027-01-15 23:59:00 UTC")
    seen, _ = graded(course, course_folder)
    assert seen == ["ada"]
    kept = read_attempts(course_folder / "out")["ada", LESSON]
    assert [o.content for o in kept] == [first.content, kept[-1].content]
    assert kept[0].content != kept[1].content
    assert (kept[0].handed_in, kept[1].handed_in) == ("", "2027-01-15T23:59:00+00:00")
    assert kept[0].judged_at <= kept[1].judged_at
    graded(course, course_folder, regrade=True)
    assert len(read_attempts(course_folder / "out")["ada", LESSON]) == 2


def test_time_in_line_is_on_record(course: Course, course_folder: Path) -> None:
    _, outcomes = graded(course, course_folder)
    assert all(outcomes[student].seconds["queue"] >= 0 for student in STUDENTS)


@pytest.mark.parametrize("cut", range(0, 400, 37))
def test_a_journal_cut_off_anywhere_is_read(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path)
    for student in STUDENTS:
        journal.add(SubmissionOutcome(student, LESSON, "graded", key=student))
        journal.add_saved({(student, LESSON): ("m", {})})
    path = tmp_path / RESULTS
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])
    found = Journal(tmp_path)
    assert set(found.marks) <= set(found.latest)
    found.add(SubmissionOutcome("zed", LESSON, "graded"))
    assert set(Journal(tmp_path).latest) == {*found.latest, ("zed", LESSON)}


def test_two_runs_do_not_share_a_folder(course: Course, course_folder: Path) -> None:
    (course_folder / "out").mkdir()
    with only_run(course_folder / "out"), pytest.raises(CourseError, match="another run is grading into"):
        graded(course, course_folder)
    graded(course, course_folder)


# ---- killed, stopped ----


def test_runs_killed_at_random_moments_lose_nothing_and_redo_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(KILLS), "--stub", "--trials", "5", "--kills", "3", "--students", "8"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["kills"] >= 5
    none = ("lost", "executed_though_on_record", "pages_missing", "gradebooks_different", "leftover_files")
    assert {name: found[name] for name in none} == dict.fromkeys(none, 0), done.stdout


class Slow(Pretended):
    """Somebody presses Ctrl-C while the second submission runs; that one ends, but no further one."""

    def _work(self, fn, job: Job) -> Executed:
        if len(self.seen) == 1:
            os.kill(os.getpid(), signal.SIGINT)
            assert self._stopping.wait(60)  # until the run has seen it
        return super()._work(fn, job)


def test_ctrl_c_writes_what_is_done_and_the_next_run_goes_on(course: Course, course_folder: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted) as stopped:
        graded(course, course_folder, executor=Slow())
    assert signal.getsignal(signal.SIGINT) is before
    done = {o.student for o in read_results(course_folder / "out")}
    assert (stopped.value.done, stopped.value.total) == (len(done), 4)
    assert 1 <= len(done) < 4
    with Gradebook(f"sqlite:///{course_folder / 'out' / 'gradebook.db'}") as gradebook:
        assert {s.student.id for s in gradebook.assignment_submissions(LESSON)} == done
    seen, outcomes = graded(course, course_folder)
    assert (set(seen), set(outcomes)) == (set(EVERYBODY) - done, set(EVERYBODY))


def test_a_second_ctrl_c_does_not_wait() -> None:
    with InterruptGuard() as guard:
        os.kill(os.getpid(), signal.SIGINT)
        assert guard.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def family(pid: int) -> Iterator[int]:
    """All descendants of a process."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        children = [c for t in tasks for c in Path(f"/proc/{pid}/task/{t}/children").read_text().split()]
    except OSError:
        return
    for child in map(int, children):
        yield child
        yield from family(child)


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_command_leaves_no_process_behind(course: Course, tmp_path: Path, number: signal.Signals) -> None:
    """The real sandbox, an endless loop in it."""
    for student in ("ada", "bo"):
        notebook = released(course, LESSON)
        [first, *_] = [cell for cell in notebook.cells if role_of(cell) == "answer"]
        first.source = "while True: pass"
        hand_in(tmp_path / "in", student, LESSON, notebook)
    command = [sys.executable, "-m", "grading", "grade", LESSON, "--submissions", str(tmp_path / "in")]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "out"), "--jobs", "2"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    until, found = time.monotonic() + 120, set()
    while time.monotonic() < until and process.poll() is None:
        found |= set(family(process.pid))
        if sum("zygote.py\0serve" in command_of(pid) for pid in found) >= 3:  # the zygote and two of its children
            break
        time.sleep(0.05)
    found |= set(family(process.pid))
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    until = time.monotonic() + 15
    while not all(map(gone, found)) and time.monotonic() < until:
        time.sleep(0.05)
    assert [command_of(pid) for pid in found if not gone(pid)] == []
    assert len(found) >= 3
    if number == signal.SIGINT:
        assert process.returncode == 130, said
        assert "goes on from there" in said
        assert "Traceback" not in said
