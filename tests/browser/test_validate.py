"""nbgrader's Validate button and the cards agree."""

from __future__ import annotations

from tests.browser.desk import PATIENCE, Desk
from tests.classroom import solutions

LESSON = "01_patches"


def test_validate_names_the_check_that_does_not_pass_and_no_other(desk: Desk, lesson, course) -> None:
    answers = solutions(course, LESSON)
    answers["Q0b"] = answers["Q0b"].replace("permute(", "permute(*reversed(").replace("5)", "5))")
    assert answers["Q0b"] != solutions(course, LESSON)["Q0b"]
    desk.open(lesson("validate", LESSON, answers))
    desk.page.get_by_role("button", name="Validate").click()
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_text("VALIDATION FAILED ON 1 CELL").wait_for(timeout=PATIENCE)
    text = dialog.inner_text()
    assert 'check("Q0b"' in text
    assert 'check("Q0a"' not in text
    dialog.get_by_role("button").last.click()
