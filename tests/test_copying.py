"""A copied notebook is equal to the first and shares nothing with it that can be changed."""

from __future__ import annotations

from copy import deepcopy

from nbformat import NotebookNode

from grading.copying import copied
from grading.course import Course
from tests.classroom import released


def changeable(value: object) -> set[int]:
    if isinstance(value, dict):
        return {id(value)}.union(*(changeable(entry) for entry in value.values()))
    if isinstance(value, list):
        return {id(value)}.union(*(changeable(entry) for entry in value))
    return set()


def test_a_copy_is_equal_and_shares_nothing(course: Course) -> None:
    notebook = released(course, "01_patches")
    notebook.cells[0]["attachments"] = {"a.png": {"image/png": "eA=="}}
    other = copied(notebook)
    assert other == deepcopy(notebook)
    assert not changeable(other) & changeable(notebook)
    assert type(other.cells[0].attachments) is NotebookNode
    other.cells[0].source = "changed"
    assert notebook.cells[0].source != "changed"
