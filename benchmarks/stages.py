"""Where the seconds of a submission go: `python benchmarks/stages.py [--students 12] [--lesson 01_patches]`.

Grades copies of the solution with the sandbox on, one at a time and then two at once, and prints the median of each
stage; beside them what a bare interpreter and `import torch` cost on the same machine in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/grading.py would hide the package

import nbformat

from grading.course import Course, load_course
from grading.engine.grade import grade
from grading.judging.cells_to_run import role_of
from grading.lesson_source.source import read_source


def make_class(course: Course, lesson: str, folder: Path, students: int) -> None:
    """`students` copies of the released notebook with the solution's answers."""
    notebook = nbformat.read(course.student_notebook(lesson), as_version=4)
    answers = {cell.question: cell.source for cell in read_source(course.source(lesson)).of("answer")}
    for cell in notebook.cells:
        if role_of(cell) == "answer":
            cell.source = answers[cell.metadata["vitlab"]["question"]]
    for number in range(students):
        path = folder / f"s{number:04d}" / lesson / f"{lesson}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)


def median_seconds(command: list[str], repeat: int = 5) -> float:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run(command, check=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=12)
    parser.add_argument("--lesson", default="01_patches")
    options = parser.parse_args()
    course = load_course(ROOT)
    bare = median_seconds([sys.executable, "-c", "pass"])
    torch = median_seconds([sys.executable, "-c", "import torch"])
    print(f"{'interpreter':14} {bare:6.2f} s\n{'import torch':14} {torch - bare:6.2f} s (more)")
    with tempfile.TemporaryDirectory() as folder:
        make_class(course, options.lesson, Path(folder) / "in", options.students)
        for jobs in (1, 2):
            start = time.perf_counter()
            outcomes = grade(
                course, [options.lesson], submissions=Path(folder) / "in", out=Path(folder) / f"out{jobs}", jobs=jobs
            )
            wall = time.perf_counter() - start
            assert all(q.score == q.max for o in outcomes for q in o.questions if q.question.startswith("Q"))
            print(f"\n{options.students} submissions, {jobs} at once: {wall / options.students:.2f} s each, wall")
            for stage in outcomes[0].seconds:
                print(f"{stage:14} {statistics.median(o.seconds[stage] for o in outcomes):6.3f} s")


if __name__ == "__main__":
    main()
