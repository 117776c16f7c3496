"""A wrong answer gets its hint and a picture, a right one turns the card, and the map has grown."""

from __future__ import annotations

from helpers.portfolio.lessons import lessons
from tests.browser.jupyter_page import JupyterPage


def test_a_wrong_answer_is_named_and_a_right_one_is_kept(jupyter: JupyterPage, lesson) -> None:
    jupyter.open(lesson("answering"))
    jupyter.begin()
    jupyter.run("Q1-check")
    assert "Not there yet: getPositionEncoding is not defined. Run the cell" in jupyter.card("Q1-check").inner_text()
    assert jupyter.errors() == []
    jupyter.run("Q1")
    jupyter.run("Q1-check")
    assert "not started · 0 / 4" in jupyter.card("Q1-check").inner_text(), "no answer is no mistake"

    jupyter.fill("Q1", "___", "n ** (2 * i / d)")
    jupyter.fill("Q1", "___", "cos(k / denominator)")  # the two are mixed up
    jupyter.fill("Q1", "___", "sin(k / denominator)")
    jupyter.run("Q1")
    jupyter.run("Q1-check")
    card = jupyter.card("Q1-check")
    text = card.inner_text()
    assert "not right yet · 0 / 4" in text
    assert "Your row 0 reads 1, 0, 1, 0" in text, "the hint for this very mistake"
    assert card.locator("img").evaluate("(image) => image.complete && image.naturalWidth > 200")

    jupyter.fill("Q1", "cos", "sin")
    jupyter.fill("Q1", "sin", "cos", line="i + 1]")
    jupyter.run("Q1")
    jupyter.run("Q1-check")
    text = jupyter.card("Q1-check").inner_text()
    assert "correct · 4 / 4" in text
    assert "Hint" not in text

    jupyter.go("lab/tree/notebooks/start_here.ipynb")
    jupyter.wait_open("start_here.ipynb")
    shown = jupyter.run("map").locator(".jp-OutputArea")
    count = sum(len(set(entry["questions"]) - set(entry.get("stretch", ()))) for entry in lessons())
    assert f"1 of {count} questions done" in shown.inner_text(), "optional questions are shown and not counted"
    assert shown.get_by_label("Q1, The sinusoidal code: done").is_visible()
