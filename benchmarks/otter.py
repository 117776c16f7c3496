"""A class graded by otter-grader, for `grading.py --otter PYTHON`.

PYTHON is an interpreter that has otter-grader 7 besides all that the course needs: an environment made like the
course's, then `pip install otter-grader`. Each question gets one test in otter's own format, worth the question's
points, which asks the student's own check whether it gives them all; `otter.api.grade_submission` then runs the
notebooks one after another in one process, without a container, which is otter's cheapest way.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import nbformat

from grading.course import Course
from grading.judging.cells_to_run import role_of

LOOP = """
import contextlib, io, json, sys
from pathlib import Path
from otter.api import grade_submission
archive, submissions, lesson, scores = sys.argv[1:]
found = {}
for folder in sorted(Path(submissions).iterdir()):
    with contextlib.redirect_stdout(io.StringIO()):
        result = grade_submission(str(folder / lesson / f"{lesson}.ipynb"), archive, quiet=True)
    found[folder.name] = result.total
Path(scores).write_text(json.dumps(found))
"""


def make_archive(course: Course, lesson: str, folder: Path, python: str) -> Path:
    """Otter's autograder zip for a lesson."""
    tests = folder / "tests"
    tests.mkdir(parents=True)
    for cell in nbformat.read(course.student_notebook(lesson), as_version=4).cells:
        if role_of(cell) != "check":
            continue
        question, points = cell.metadata["vitlab"]["question"], float(cell.metadata["nbgrader"]["points"])
        case = {"code": f">>> {cell.source}.score == {points}\nTrue", "hidden": False, "locked": False}
        suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
        test = {"name": question, "points": points, "suites": [suite]}
        (tests / f"{question}.py").write_text(f"OK_FORMAT = True\ntest = {test!r}\n")
    archive = folder / "autograder.zip"
    subprocess.run(
        [python, "-m", "otter", "generate", "-t", str(tests), "-o", str(archive), "--no-requirements", "--no-config",
         "--no-environment"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return archive


def command(archive: Path, submissions: Path, lesson: str, scores: Path, python: str) -> list[str]:
    """The command to be measured; it writes scores by student into `scores`."""
    return [python, "-c", LOOP, str(archive), str(submissions), lesson, str(scores)]


def environment(root: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
