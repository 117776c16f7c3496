"""Nothing of the course is fetched from anywhere. (Every journey asks for the same in the end: conftest.py.)"""

from __future__ import annotations

import re

import nbformat
import pytest

from tests.browser.desk import Desk, abroad
from tests.conftest import ROOT

FETCHED = re.compile(
    r"!\[[^\]]*\]\(\s*(?:https?:)?//|<(?:img|script|iframe|link|video)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//"
)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").rglob("*.ipynb")), ids=lambda path: path.stem)
def test_a_lesson_shows_nothing_from_elsewhere(path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            assert not FETCHED.search(cell.source), cell.source


def test_a_whole_lesson_runs_and_the_browser_asks_this_machine_alone(desk: Desk, lesson, student) -> None:
    _, wanted = student
    desk.open(lesson("offline", "01_patches"))
    desk.command("notebook:run-all-cells")
    desk.wait_ran()
    assert desk.errors() == [], "untouched, it runs from top to bottom"
    assert len(wanted) > 10
    assert abroad(wanted) == []
    assert abroad([*wanted, "https://example.org/"]) == ["https://example.org/"]
