"""How long each check takes on this machine, picture included: `python benchmarks/checks.py`.

Prints the median and the largest of several runs per question, for the solution and for an untouched answer.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/grading.py would hide the package

from grading.course import load_course
from grading.judging.reference import load_reference
from helpers import check


def seconds(call, repeat: int) -> list[float]:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    course = load_course(ROOT)
    print(f"{'question':10} {'solution median':>16} {'largest':>9} {'card kB':>8}")
    for lesson in course.lessons:
        if not course.source(lesson.id).exists():
            continue
        for qid, answer in load_reference(course.source(lesson.id), course.bank(lesson.id)).answers.items():
            check(qid, answer)  # warm: imports, fonts
            times = seconds(lambda q=qid, a=answer: check(q, a), repeat)
            size = len(check(qid, answer)._repr_html_()) / 1024
            print(f"{qid:10} {statistics.median(times):15.3f}s {max(times):8.3f}s {size:8.1f}")


if __name__ == "__main__":
    main()
