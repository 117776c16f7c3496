"""Processor time of each question's check, as in a notebook: `python -m tests.check_times [lesson …]`."""

from __future__ import annotations

import statistics
import sys
import time

from grading.course import load_course
from grading.judging.reference import load_reference
from helpers.checks.probing import probe_all
from helpers.checks.question import public_rng
from helpers.questions import find
from tests.conftest import ROOT


def main(lessons: list[str]) -> None:
    """Probe every solution on the public cases, twice; the second time counts, since the first one imports."""
    course, taken = load_course(ROOT), {}
    for lesson in course.lessons:
        if lessons and not any(lesson.id.startswith(name) for name in lessons):
            continue
        reference = load_reference(course.source(lesson.id), course.bank(lesson.id))
        for qid, answer in reference.answers.items():
            question = find(qid)
            cases = list(question.cases(public_rng(qid)))
            for _ in range(2):
                start = time.process_time()
                probe_all(question, answer, cases)
                taken[qid] = time.process_time() - start
            print(f"{qid:<5} {taken[qid]:.2f} s", flush=True)
    worst = max(taken, key=lambda qid: taken[qid])
    print(f"median {statistics.median(taken.values()):.2f} s, worst {taken[worst]:.2f} s ({worst})")


if __name__ == "__main__":
    main(sys.argv[1:])
