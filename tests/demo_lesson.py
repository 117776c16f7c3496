"""A course of one lesson with two questions and a written one, for tests of the made-up class."""

from __future__ import annotations

from pathlib import Path

import nbformat

from grading.course import Course, load_course
from grading.lesson_builder.lesson import student_notebook
from grading.lesson_builder.notebook import solution_notebook
from grading.lesson_source.source import read_source

LESSON = "01_sums"
_COURSE = """
[course]
id = "tiny"
title = "Tiny"
repository = "a/b"
ref = "main"
[[lessons]]
id = "01_sums"
title = "Sums"
minutes = 5
"""
_SOURCE = """# %% [markdown]
# # Sums
# %% tags=["bootstrap"]
# %% tags=["setup"]
import operator
# %% tags=["answer"] question="Q1"
# Q1: add
ZERO = 0


def add(a, b):
    return a + b  # BLANK
# %% tags=["check"] question="Q1" points=4
check("Q1", add)
# %% tags=["answer"] question="Q2"
# Q2: a class
class Doubler:
    def __call__(self, a):
        return 2 * a  # BLANK
# %% tags=["check"] question="Q2" points=2
check("Q2", Doubler)
# %% [markdown]
# **W1** (2 points). Why?
# %% [markdown] tags=["written"] question="W1" points=2
# A model answer.
# %% [markdown] tags=["rubric"]
# Two points.
"""
_BANK = """import math
from functools import reduce as fold

from grading.judging.bank import mistake, right


@right("Q1")
def folded(a, b):
    return fold(operator.add, [a, b])


@right("Q1")
def exact(a, b):
    return math.fsum([a, b])


@right("Q2")
class ByAdding:
    def __call__(self, a):
        return a + a


@mistake("Q1", hint="minus")
def subtracted(a, b):
    return a - b


@mistake("Q1", hint="times")
def multiplied(a, b):
    return a * b


@mistake("Q2", hint="power")
class Squared:
    def __call__(self, a):
        return a**2


@mistake("Q2", hint="half")
class Halved:
    def __call__(self, a):
        return a / 2
"""


def tiny_course(root: Path) -> Course:
    """Write the course into a folder and build its student notebook."""
    (root / "course.toml").write_text(_COURSE)
    course = load_course(root)
    course.source(LESSON).parent.mkdir(parents=True)
    course.source(LESSON).write_text(_SOURCE)
    course.bank(LESSON).write_text(_BANK)
    built = student_notebook(solution_notebook(read_source(course.source(LESSON)), course.course), LESSON)
    course.student_notebook(LESSON).parent.mkdir(parents=True)
    course.student_notebook(LESSON).write_text(nbformat.writes(built))
    return course
