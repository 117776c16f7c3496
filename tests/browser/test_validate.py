"""nbgrader's Validate button and the cards agree, also where a question does not count for the total (Q0c)."""

from __future__ import annotations

from tests.browser.jupyter_page import PATIENCE, JupyterPage
from tests.classroom import solutions

LESSON = "01_patches"


def test_validate_names_the_checks_that_do_not_pass_and_no_others(jupyter: JupyterPage, lesson, course) -> None:
    answers = solutions(course, LESSON)
    answers["Q0b"] = answers["Q0b"].replace("permute(0, 3, 1, 4, 2, 5)", "permute(0, 3, 1, 5, 2, 4)")
    assert answers["Q0b"] != solutions(course, LESSON)["Q0b"]
    jupyter.open(lesson("validate", LESSON, answers))
    jupyter.page.get_by_role("button", name="Validate").click()
    dialog = jupyter.page.locator(".jp-Dialog", has_text="Validation Results")
    dialog.wait_for(timeout=2 * PATIENCE)
    failed = dialog.locator("pre").all_inner_texts()
    assert [text for text in failed if "check(" in text] == ['check("Q0b", join_patches)'], failed
    assert any("Partial credit" in text for text in failed), failed
    assert sum("did not provide a response" in text for text in failed) == 2, "and the words are still to be written"
    words = [text for text in failed if "Your answer to" in text]
    assert [text[:19].removeprefix("*") for text in words] == ["Your answer to W1a", "Your answer to W1b"], failed
    dialog.get_by_role("button", name="Ok").click()
