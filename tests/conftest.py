"""The course under test, and small things that many tests need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["VITLAB_WORK"] = "off"  # no test's checks go into somebody's own progress

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def course():
    from grading.course import load_course

    return load_course(ROOT)


@pytest.fixture(autouse=True)
def _questions_of_this_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that loads a course of data leaves the next test with the questions of `helpers` again."""
    from helpers import course_folder

    monkeypatch.setattr(course_folder, "_chosen", None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked `gpu` run where there is one; elsewhere they are deselected, which the summary reports."""
    import torch

    if torch.cuda.is_available():
        return
    without = [item for item in items if item.get_closest_marker("gpu")]
    if without:
        config.hook.pytest_deselected(items=without)
        items[:] = [item for item in items if item not in without]
