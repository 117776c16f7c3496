"""Nothing of a lesson is fetched from anywhere. (Every journey asks for the same in the end: conftest.py.)"""

from __future__ import annotations

from tests.browser.jupyter_page import Desk, abroad


def test_a_whole_lesson_runs_and_the_browser_asks_this_machine_alone(desk: Desk, lesson, student) -> None:
    _, wanted = student
    desk.open(lesson("offline", "01_patches"))
    desk.command("notebook:run-all-cells")
    desk.wait_ran()
    assert desk.errors() == [], "untouched, it runs from top to bottom"
    assert len(wanted) > 10
    assert abroad(wanted) == []
    assert abroad([*wanted, "https://example.org/"]) == ["https://example.org/"]
