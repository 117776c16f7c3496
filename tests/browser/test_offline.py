"""Nothing of a lesson is fetched from anywhere. (Every journey asks for the same in the end: conftest.py.)"""

from __future__ import annotations

from tests.browser.jupyter_page import JupyterPage, abroad


def test_a_whole_lesson_runs_and_the_browser_asks_this_machine_alone(jupyter: JupyterPage, lesson, student) -> None:
    _, wanted = student
    jupyter.open(lesson("offline", "01_patches"))
    jupyter.command("notebook:run-all-cells")
    jupyter.wait_ran()
    assert jupyter.errors() == [], "untouched, it runs from top to bottom"
    assert len(wanted) > 10
    assert abroad(wanted) == []
    assert abroad([*wanted, "https://example.org/"]) == ["https://example.org/"]
