"""A new kernel, and everything once more."""

from __future__ import annotations

from tests.browser.jupyter_page import JupyterPage
from tests.classroom import solutions

LESSON = "01_patches"


def test_restart_and_run_all_ends_with_the_same_cards(jupyter: JupyterPage, lesson, course) -> None:
    jupyter.open(lesson("restart", LESSON, solutions(course, LESSON)))
    jupyter.page.get_by_role("menuitem", name="Kernel").click()
    jupyter.page.get_by_text("Restart Kernel and Run All Cells").click()
    jupyter.page.get_by_role("button", name="Confirm Kernel Restart").click()
    jupyter.wait_ran()
    assert jupyter.errors() == []
    for question in ("Q0a", "Q0b"):
        assert "correct" in jupyter.card(f"{question}-check").inner_text()
