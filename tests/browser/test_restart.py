"""A new kernel, and everything once more."""

from __future__ import annotations

from tests.browser.jupyter_page import Desk
from tests.classroom import solutions

LESSON = "01_patches"


def test_restart_and_run_all_ends_with_the_same_cards(desk: Desk, lesson, course) -> None:
    desk.open(lesson("restart", LESSON, solutions(course, LESSON)))
    desk.page.get_by_role("menuitem", name="Kernel").click()
    desk.page.get_by_text("Restart Kernel and Run All Cells").click()
    desk.page.get_by_role("button", name="Confirm Kernel Restart").click()
    desk.wait_ran()
    assert desk.errors() == []
    for question in ("Q0a", "Q0b"):
        assert "correct" in desk.card(f"{question}-check").inner_text()
