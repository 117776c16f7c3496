"""From the top of a lesson to a passed check without a mouse."""

from __future__ import annotations

from tests.browser.jupyter_page import JupyterPage


def test_shift_enter_leads_through_the_lesson_to_a_passed_check(jupyter: JupyterPage, lesson) -> None:
    jupyter.open(lesson("keyboard"))
    press = jupyter.page.keyboard.press
    jupyter.page.wait_for_function("() => document.activeElement?.closest('.jp-Notebook')")
    for _ in range(200):
        if jupyter.active() == "Q1":
            break
        press("Shift+Enter")
    assert jupyter.active() == "Q1"
    press("Enter")
    press("Control+Home")
    answers = ["n ** (2 * i / d)", "sin(k / denominator)", "cos(k / denominator)"]
    for _ in range(20):
        press("ArrowDown")
        press("End")
        line = jupyter.page.evaluate("() => getSelection().anchorNode.parentElement.closest('.cm-line').textContent")
        if line.rstrip().endswith("___"):
            for _ in range(3):
                press("Backspace")
            jupyter.page.keyboard.type(answers.pop(0))
        if not answers:
            break
    press("Shift+Enter")
    assert jupyter.active() == "Q1-check"
    press("Shift+Enter")
    jupyter.wait_idle()
    assert "correct · 4 / 4" in jupyter.card("Q1-check").inner_text()
    assert jupyter.errors() == []
    press("Control+s")
    jupyter.wait_saved()
