"""A folded cell is one line that says what it does, and opens by a click."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.jupyter_page import JupyterPage


def test_the_setup_is_one_line_until_it_is_opened(jupyter: JupyterPage, lesson) -> None:
    jupyter.open(lesson("folded"))
    cell = jupyter.cell("bootstrap")
    line = cell.locator(".jp-InputPlaceholder")
    expect(line).to_contain_text("Setup: run this cell first")
    expect(cell.locator(".cm-content")).not_to_be_visible()
    assert cell.evaluate("(cell) => cell.getBoundingClientRect().height") < 60, "more than one line"
    line.click()
    expect(cell.locator(".cm-content")).to_be_visible()
    expect(cell.locator(".cm-content")).to_contain_text("Setup: run this cell first")
    assert cell.locator(".cm-line").count() > 3
    assert jupyter.errors() == []
