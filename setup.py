"""Puts the course into the wheel: `grading/course_template/`, from which `vitlab init` makes courses.

Everything else about the package is in pyproject.toml. An editable installation reads the repository's own files and
gets no copy.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
# Sources, mistakes and student notebooks; solution notebooks with their outputs are made again by `vitlab init`.
PARTS = ("course.toml", "solutions/*/*.py", "notebooks/*.ipynb", "notebooks/*/*.ipynb")


class BuildWithCourse(build_py):
    """`build_py` that also copies the course."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib, "grading", "course_template")
        shutil.rmtree(target, ignore_errors=True)
        for path in (found for part in PARTS for found in sorted(ROOT.glob(part))):
            copy = target / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)


setup(cmdclass={"build_py": BuildWithCourse})
