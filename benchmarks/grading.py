"""How fast a class is graded: `python benchmarks/grading.py [--students 40] [--lessons 01_patches …] [--jobs 2]`.

Grades one class per lesson with stock `nbgrader autograde` (its own Execute, no sandbox, no feedback) and with `vitlab
grade` (sandbox, judge, gradebook, feedback) before and after it, each as a command of its own with everything it
starts; checks that honest submissions get the same scores; and measures the floor, the same cells alone in a warm
IPython shell: those that grading runs, and all of them, which is what stock runs. Processor time is what the commands'
processes used, students' kernels included; memory the sum of their proportional set sizes, sampled. A class of one,
graded by itself, tells start-up and the cost of each further submission apart. `--ours-only` leaves stock out, for
large classes, and prints seconds and memory over the run's quarters.

`--otter PYTHON` grades the class with otter-grader, too (see `otter.py`): the students' public checks, no sandbox.
The last line is JSON: `wall_ratio` is stock over ours; `cpu_over_floor` our processor time, start-up included, over
that of the submission's cells in the warm shell; `cpu_over_floor_run` over that of the few cells that grading runs,
and `cpu_over_floor_run_each` the same without start-up. Over several lessons the values are means; `--lessons all`
takes every one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # this file's own name would hide the package

import nbformat
from nbgrader.api import Gradebook
from traitlets.config import Config

from benchmarks import otter
from grading.course import Course, load_course
from grading.engine.journal import read_results
from grading.engine.outcome import RESULTS
from grading.judging.cells_to_run import role_of
from grading.lesson_source.source import read_source
from grading.nbgrader_plugin.gradebook import GradebookWriter

FLOOR = ROOT / "benchmarks" / "floor.py"
KINDS = ("right", "right", "right", "half", "untouched")
SAMPLE_SECONDS = 0.5


@dataclass
class Cost:
    """What one command used, start-up included."""

    wall: float
    cpu: float
    peak_mb: float
    course: tuple[tuple[float, float, int], ...] = ()  # seconds, MB and results so far, over time

    def line(self, name: str, students: int) -> str:
        return (
            f"{name:30} {self.wall / students:7.3f} s wall {self.cpu / students:7.3f} s cpu per submission,"
            f" {self.peak_mb:6.0f} MB at most"
        )


def make_class(course: Course, lesson: str, folder: Path, students: int) -> None:
    """Honest submissions in nbgrader's layout: right, half done and untouched ones in turn."""
    notebook = nbformat.read(course.student_notebook(lesson), as_version=4)
    answers = {cell.question: cell.source for cell in read_source(course.source(lesson)).of("answer")}
    blank = [cell.source for cell in notebook.cells]
    for number in range(students):
        kind = KINDS[number % len(KINDS)]
        given = {"right": list(answers), "half": list(answers)[: (len(answers) + 1) // 2], "untouched": []}[kind]
        for cell, source in zip(notebook.cells, blank, strict=True):
            question = cell.metadata.get("vitlab", {}).get("question")
            cell.source = answers[question] if role_of(cell) == "answer" and question in given else source
        path = folder / f"s{number:04d}" / lesson / f"{lesson}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def family(pid: int) -> Iterator[int]:
    """A process and all its descendants."""
    yield pid
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in Path(f"/proc/{pid}/task/{task}/children").read_text().split():
                yield from family(int(child))


def proportional_mb(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def lines_in(path: Path | None) -> int:
    """How many students have an outcome in a results file, which may hold several of one."""
    if path is None or not path.exists():
        return 0
    return len(set(re.findall(rb'^{"student": ("[^"]*")', path.read_bytes(), re.MULTILINE)))


def quarters(cost: Cost, students: int) -> str:
    """Seconds per submission and memory, for each quarter of the class."""
    told = []
    at = [next((c for c in cost.course if c[2] >= students * k / 4), cost.course[-1]) for k in range(1, 5)]
    start = next((c for c in cost.course if c[2] > 0), cost.course[0])
    for before, after in zip((start, *at), at, strict=False):
        each = (after[0] - before[0]) / max(1, after[2] - before[2])
        told.append(f"{each:.3f} s, {after[1]:.0f} MB")
    return "; ".join(told)


def measured(command: list[str], results: Path | None = None, **options: object) -> Cost:
    """Runs a command to its end; a failure is ours to see. `results`: the file to watch growing."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, **options)  # type: ignore[call-overload]
        seen, done = [(0.0, 0.0, 0)], threading.Event()

        def sample() -> None:
            while not done.wait(SAMPLE_SECONDS):
                held = sum(map(proportional_mb, family(process.pid)))
                seen.append((time.perf_counter() - start, held, lines_in(results)))

        sampler = threading.Thread(target=sample)
        sampler.start()
        status = process.wait()
        wall = time.perf_counter() - start
        done.set()
        sampler.join()
        if status != 0:
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read().decode()[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, max(held for _, held, _ in seen), tuple(seen))


def stock(course: Course, lesson: str, submissions: Path, folder: Path) -> tuple[Cost, dict[str, float]]:
    """`nbgrader autograde` in a plain course made from the released notebook; scores by student."""
    folder.mkdir()
    (folder / "submitted").symlink_to(submissions)
    url = f"sqlite:///{folder / 'gradebook.db'}"
    config = f"c = get_config()\nc.CourseDirectory.root = {str(folder)!r}\nc.CourseDirectory.db_url = {url!r}\n"
    (folder / "nbgrader_config.py").write_text(config)
    GradebookWriter(url, Config()).register_lesson(course.lesson(lesson), course.student_notebook(lesson))
    with Gradebook(url) as gradebook:
        for path in submissions.iterdir():
            gradebook.update_or_create_student(path.name)
    here = str(Path(sys.executable).parent)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": os.pathsep.join([here, os.environ["PATH"]])}
    cost = measured([sys.executable, "-m", "nbgrader", "autograde", lesson], cwd=folder, env=environment)
    with Gradebook(url) as gradebook:
        scores = {path.name: gradebook.find_submission(lesson, path.name).score for path in submissions.iterdir()}
    return cost, scores


def ours(lesson: str, submissions: Path, out: Path, *options: str) -> tuple[Cost, dict[str, float]]:
    """`vitlab grade`, sandbox on, feedback written; scores by student."""
    command = [sys.executable, "-m", "grading", "grade", lesson, "--submissions", str(submissions), "--out", str(out)]
    cost = measured([*command, *options], results=out / RESULTS, cwd=ROOT)
    outcomes = read_results(out)
    assert all((out / o.feedback).is_file() for o in outcomes)
    assert len(outcomes) == len(list(submissions.iterdir()))
    return cost, {o.student: o.score for o in outcomes}


def otter_graded(
    course: Course, lesson: str, submissions: Path, folder: Path, python: str
) -> tuple[Cost, dict[str, float]]:
    """otter-grader, one notebook after another; scores by student."""
    archive = otter.make_archive(course, lesson, folder, python)
    scores = folder / "scores.json"
    command = otter.command(archive, submissions, lesson, scores, python)
    cost = measured(command, cwd=folder, env=otter.environment(ROOT))
    return cost, json.loads(scores.read_text("utf-8"))


def floor(lesson: str, notebook: Path) -> dict[str, float]:
    """Processor seconds of one submission's cells in a warm shell: those that grading runs, and all of them."""
    done = subprocess.run(
        [sys.executable, str(FLOOR), lesson, str(notebook)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    return json.loads(done.stdout.splitlines()[-1])


def compare(course: Course, lesson: str, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """One lesson; prints as it goes."""
    students, jobs = options.students, ("--jobs", str(options.jobs))
    make_class(course, lesson, folder / "in", students)
    make_class(course, lesson, folder / "one", 1)
    print(f"{lesson}; load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    start, _ = ours(lesson, folder / "one", folder / "start", *jobs)
    print(start.line("vitlab grade, a class of one", 1), flush=True)
    rounds = [ours(lesson, folder / "in", folder / "ours1", *jobs)]
    print(rounds[0][0].line("vitlab grade", students), flush=True)
    found: dict[str, float] = {}
    if options.ours_only:
        print(f"each quarter: {quarters(rounds[0][0], students)}")
    else:
        plain, scores = stock(course, lesson, folder / "in", folder / "stock")
        print(plain.line("nbgrader autograde", students), flush=True)
        rounds.append(ours(lesson, folder / "in", folder / "ours2", *jobs))
        print(rounds[1][0].line("vitlab grade", students), flush=True)
        if options.cold:
            rounds.append(ours(lesson, folder / "in", folder / "cold", *jobs, "--cold"))
            print(rounds.pop()[0].line("vitlab grade --cold", students), flush=True)
            cold = {o.student: o.score for o in read_results(folder / "cold")}
            assert cold == scores, (cold, scores)
        for _, got in rounds:
            assert got == scores, {s: (got.get(s), scores[s]) for s in scores if got.get(s) != scores[s]}
        wall = sum(cost.wall for cost, _ in rounds) / len(rounds)
        cpu = sum(cost.cpu for cost, _ in rounds) / len(rounds)
        if options.otter:
            peer, got = otter_graded(course, lesson, folder / "in", folder / "otter", options.otter)
            print(peer.line("otter-grader", students), flush=True)
            assert got == scores, {s: (got.get(s), scores[s]) for s in scores if got.get(s) != scores[s]}
            found = {"otter_ratio": peer.wall / wall}
        found |= {"wall_ratio": plain.wall / wall, "cpu_ratio": plain.cpu / cpu, "stock_wall": plain.wall / students}
    least = floor(lesson, folder / "in" / "s0000" / lesson / f"{lesson}.ipynb")
    print(f"{'floor, the cells we run':30} {least['run']:17.3f} s cpu")
    print(f"{'floor, all cells':30} {least['all']:17.3f} s cpu")
    print(f"load after: {os.getloadavg()[0]:.1f}\n", flush=True)
    wall = sum(cost.wall for cost, _ in rounds) / len(rounds) / students
    cpu = sum(cost.cpu for cost, _ in rounds) / len(rounds)
    each = (cpu - start.cpu) / max(1, students - 1)
    return found | {
        "cpu_over_floor": cpu / students / least["all"], "cpu_over_floor_run": cpu / students / least["run"],
        "cpu_over_floor_run_each": each / least["run"], "floor": least["all"], "floor_run": least["run"],
        "wall_per_submission": wall,
        "cpu_per_submission": cpu / students, "cpu_each": each, "start_cpu": start.cpu, "start_wall": start.wall,
        "peak_mb": max(cost.peak_mb for cost, _ in rounds),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=40)
    parser.add_argument("--lessons", nargs="+", default=["01_patches"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--otter", metavar="PYTHON", help="an interpreter that has otter-grader")
    parser.add_argument("--cold", action="store_true", help="grade with cold starts, too")
    parser.add_argument("--ours-only", action="store_true", help="without stock nbgrader")
    options = parser.parse_args()
    course = load_course(ROOT)
    rows = []
    lessons = [lesson.id for lesson in course.lessons] if options.lessons == ["all"] else options.lessons
    for lesson in lessons:
        with tempfile.TemporaryDirectory(prefix="vitlab-benchmark-") as name:
            rows.append(compare(course, lesson, options, Path(name)))
    means = {name: round(sum(row[name] for row in rows) / len(rows), 3) for name in rows[0]}
    print(json.dumps({"lessons": lessons, "students": options.students, "jobs": options.jobs, **means}))


if __name__ == "__main__":
    main()
