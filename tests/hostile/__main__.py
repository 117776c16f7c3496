"""`python -m tests.hostile [NAME]`: grades the bank, or the attacks whose name matches, and prints the table."""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from pathlib import Path

from grading.course import load_course
from tests.hostile.session import run, table

os.environ.setdefault("OMP_NUM_THREADS", "1")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        batch = run(Path(folder), load_course(Path(__file__).resolve().parents[2]), *sys.argv[1:2], loud=True)
    print(table(batch))
    used = sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"{batch.seconds:.0f} s, {used:.0f} s of CPU for {batch.expected} submissions", file=sys.stderr)
    print(*batch.left, *batch.inside, *batch.leaks, batch.problem, sep="\n", file=sys.stderr)


if __name__ == "__main__":
    main()
