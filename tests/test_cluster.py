"""Two Dask workers as processes of their own: the same results as here, and a worker that is killed loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributed import Client

from grading.course import Course, CourseError
from grading.engine import dask_executor
from grading.engine.dask_executor import Cluster
from grading.engine.grade import grade
from grading.engine.outcome import SubmissionOutcome
from grading.judging.cells_to_run import role_of
from tests.classroom import filled, hand_in, released, solutions
from tests.conftest import ROOT

LESSON = "01_patches"
SEED = 11


def wait_until(true, seconds: float = 90) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(true())


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory) -> Iterator[str]:
    """A scheduler's address."""
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--no-dashboard", "--scheduler-file", str(file)], stderr=subprocess.DEVNULL, cwd=ROOT
    )
    try:
        assert wait_until(lambda: file.exists() and file.read_text().endswith("}"))
        yield json.loads(file.read_text())["address"]
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def workers(scheduler: str, tmp_path: Path) -> Iterator[list[subprocess.Popen]]:
    """Two workers of one thread each."""
    command = [sys.executable, "-m", "distributed.cli.dask_worker", scheduler, "--nthreads", "1", "--no-nanny"]
    command += ["--no-dashboard", "--host", "127.0.0.1", "--local-directory", str(tmp_path / "dask")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    started = [subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=tmp_path, env=env) for _ in range(2)]
    try:
        with Client(scheduler, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=90)
        yield started
    finally:
        for worker in started:
            worker.kill()
            worker.wait()
        with Client(scheduler, set_as_default=False) as client:
            wait_until(lambda: not client.nthreads())


def told(outcomes: list[SubmissionOutcome]) -> dict:
    return {o.student: (o.status, o.reason, o.questions, o.notes) for o in outcomes}


def complete(outcome: SubmissionOutcome) -> bool:
    """Full points for all that is graded without a person."""
    return all(q.score == q.max for q in outcome.questions if q.question.startswith("Q"))


def test_a_cluster_gives_the_same_results(course: Course, tmp_path: Path, scheduler: str, workers) -> None:
    right = solutions(course, LESSON)
    hand_in(tmp_path / "in", "ada", LESSON, filled(course, LESSON, right))
    hand_in(tmp_path / "in", "half", LESSON, filled(course, LESSON, dict(list(right.items())[:1])))
    hand_in(tmp_path / "in", "untouched", LESSON, released(course, LESSON))
    hand_in(tmp_path / "in", "broken", LESSON, b'{"cells": [')
    options = {"submissions": tmp_path / "in", "seed": SEED}
    there = grade(course, [LESSON], out=tmp_path / "there", executor=Cluster(scheduler), **options)
    here = grade(course, [LESSON], out=tmp_path / "here", **options)
    assert told(there) == told(here)
    assert {o.student: o.status for o in there}["broken"] == "unreadable"
    assert complete(there[0])


def test_a_worker_killed_in_the_middle_loses_nothing(course: Course, tmp_path: Path, scheduler: str, workers) -> None:
    for number in range(6):
        notebook = filled(course, LESSON, solutions(course, LESSON))
        [first, *_] = [cell for cell in notebook.cells if role_of(cell) == "answer"]
        first.source += "\nimport time; time.sleep(2)"
        hand_in(tmp_path / "in", f"s{number}", LESSON, notebook)
    executor, submitted = Cluster(scheduler), []
    submit = executor.submit
    executor.submit = lambda job: (submitted.append(job.student), submit(job))[1]  # type: ignore[method-assign]

    def kill_one() -> None:
        wait_until(lambda: submitted)
        time.sleep(4)
        os.kill(workers[0].pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    outcomes = grade(course, [LESSON], submissions=tmp_path / "in", out=tmp_path / "out", seed=SEED, executor=executor)
    killer.join()
    assert workers[0].wait(10) == -signal.SIGKILL
    assert [(o.student, o.status) for o in outcomes] == [(f"s{number}", "graded") for number in range(6)]
    assert all(map(complete, outcomes))


def test_where_there_is_no_cluster_or_worker_it_is_said(scheduler: str, monkeypatch) -> None:
    monkeypatch.setattr(dask_executor, "CONNECT_SECONDS", 1)
    with pytest.raises(CourseError, match="has no worker"):
        Cluster(scheduler)
    with pytest.raises(CourseError, match="no Dask scheduler answers at"):
        Cluster("tcp://127.0.0.1:9")


def test_a_worker_with_other_code_is_refused(scheduler: str, workers, monkeypatch) -> None:
    monkeypatch.setattr(dask_executor, "code_version", lambda: "another")
    with pytest.raises(CourseError, match="another version of this course's code"):
        Cluster(scheduler)
