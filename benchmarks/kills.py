"""Kills grading runs at random moments and takes them up again: `python benchmarks/kills.py [--trials 30]`.

Each trial grades a class of its own, killed with SIGKILL time and again (`--kills`) before a last run may finish.
Counted are submissions lost, submissions executed though they were on record, and executions that a kill cut off or
that had ended without being on record; the gradebook is compared with an uninterrupted run's. With `--stub` the execute
stage gives back what an earlier run of it gave, which is quicker: everything else is real. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/grading.py would hide the package

import torch
from nbgrader.api import Gradebook

from benchmarks.grading import make_class
from grading.course import Course, load_course
from grading.engine.execute import Job
from grading.engine.executors import Threads
from grading.engine.grade import grade
from grading.engine.journal import Journal
from grading.judging.execution import Executed

SEED = 20_270_101


class Counted(Threads):
    """Writes down each execution's start and end; with `known`, gives back what is known of such a submission."""

    def __init__(self, log: Path, known: dict[bytes, Executed]) -> None:
        super().__init__(2)
        self._log, self._known = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), known

    def _work(self, fn: Callable[..., Executed], job: Job) -> Executed:
        os.write(self._log, f"start {job.student}\n".encode())
        if self._known:
            time.sleep(random.uniform(0.005, 0.03))
            executed = deepcopy(self._known[job.path.read_bytes()])  # type: ignore[union-attr]
        else:
            executed = super()._work(fn, job)
        os.write(self._log, f"end {job.student}\n".encode())
        return executed


class _Recorder(Threads):
    def __init__(self) -> None:
        super().__init__(2)
        self.known: dict[bytes, Executed] = {}

    def _work(self, fn: Callable[..., Executed], job: Job) -> Executed:
        executed = super()._work(fn, job)
        self.known[job.path.read_bytes()] = deepcopy(executed)  # type: ignore[union-attr]
        return executed


def run(course: Course, lesson: str, folder: Path, known: dict[bytes, Executed], spread: float) -> str:
    """One grading run in a fork, killed at a random moment if `spread`; "killed", "finished" or "failed"."""
    log = folder / "log"
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.dup2(os.open(folder / "said", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), 2)
            grade(
                course,
                [lesson],
                submissions=folder.parent / "in",
                out=folder / "out",
                seed=SEED,
                executor=Counted(log, known),
                warm=not known,
            )
            status = 0
        finally:
            os._exit(status)
    if spread:
        size = log.stat().st_size if log.exists() else 0
        at_work = random.random() < 0.8  # else while it prepares, or saves what the last one left
        while at_work and not (log.exists() and log.stat().st_size > size):
            if os.waitpid(pid, os.WNOHANG)[0]:
                return "finished"
            time.sleep(0.002)
        time.sleep(random.uniform(0, spread if at_work else 1.0))
        os.kill(pid, signal.SIGKILL)
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return "killed"
    return "finished" if status == 0 else "failed"


def gradebook(out: Path, lesson: str) -> dict[str, tuple]:
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as book:
        return {
            s.student.id: (s.score, s.needs_manual_grade, sorted((g.name, g.auto_score) for g in s.notebooks[0].grades))
            for s in book.assignment_submissions(lesson)
        }


def trial(course: Course, lesson: str, folder: Path, known: dict, students: int, kills: int) -> Counter[str]:
    """Kills `kills` runs, lets the next finish; what was lost or done twice."""
    folder.mkdir()
    found: Counter[str] = Counter()
    log, begun, recorded = folder / "log", 0, set()
    spread = (0.02 if known else 0.25) * students / max(1, kills)
    for number in range(kills + 1):
        ended = run(course, lesson, folder, known, spread if number < kills else 0.0)
        if ended == "failed":
            raise SystemExit((folder / "said").read_text()[-3000:])
        found[ended] += 1
        lines = log.read_text().splitlines() if log.exists() else []
        again = {line.split()[1] for line in lines[begun:] if line.startswith("start")} & recorded
        found["executed though on record"] += len(again)
        begun, recorded = len(lines), {student for student, _ in Journal(folder / "out").latest}
    started = Counter(line.split()[1] for line in lines if line.startswith("start"))
    whole = Counter(line.split()[1] for line in lines if line.startswith("end"))
    found["lost"] = students - len(recorded)
    found["executions"] = sum(started.values())
    found["cut off by a kill"] = sum(started.values()) - sum(whole.values())
    found["ended but not on record"] = sum(whole.values()) - len(whole)
    pages = len(list((folder / "out" / "feedback").rglob("*.html")))
    found["pages missing"] = students - pages
    found["leftover files"] = len(list((folder / "out").rglob("*.part")))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--kills", type=int, default=3, help="of each trial")
    parser.add_argument("--students", type=int, default=12)
    parser.add_argument("--lesson", default="01_patches")
    parser.add_argument("--stub", action="store_true", help="don't execute anew what was executed once")
    parser.add_argument("--random", type=int, default=None, help="seed of the moments")
    options = parser.parse_args()
    random.seed(options.random)
    torch.set_num_threads(1)  # the process is forked
    course, students = load_course(ROOT), options.students
    total: Counter[str] = Counter()
    different = 0
    with tempfile.TemporaryDirectory(prefix="vitlab-kills-") as name:
        folder = Path(name)
        make_class(course, options.lesson, folder / "in", students)
        recorder = _Recorder()
        grade(
            course,
            [options.lesson],
            submissions=folder / "in",
            out=folder / "whole",
            seed=SEED,
            executor=recorder,
        )
        wanted = gradebook(folder / "whole", options.lesson)
        assert len(wanted) == students
        known = recorder.known if options.stub else {}
        for number in range(options.trials):
            found = trial(course, options.lesson, folder / f"trial{number}", known, students, options.kills)
            total += found
            different += gradebook(folder / f"trial{number}" / "out", options.lesson) != wanted
            print(f"trial {number}: {dict(found)}", flush=True)
    print(json.dumps({
        "trials": options.trials, "students": students, "kills": total["killed"], "lost": total["lost"],
        "executed_though_on_record": total["executed though on record"], "executions": total["executions"],
        "cut_off": total["cut off by a kill"], "ended_but_not_on_record": total["ended but not on record"],
        "pages_missing": total["pages missing"], "gradebooks_different": different,
        "leftover_files": total["leftover files"],
    }))  # fmt: skip


if __name__ == "__main__":
    main()
