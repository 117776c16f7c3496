"""JupyterLab opens on the course map; a lesson is one click away."""

from __future__ import annotations

from helpers.portfolio.lessons import lessons
from tests.browser.jupyter_page import JupyterPage


def test_the_lab_opens_on_a_map_from_which_lessons_open(jupyter: JupyterPage) -> None:
    jupyter.go()
    jupyter.wait_open("start_here.ipynb")
    shown = jupyter.cell("map").locator(".jp-OutputArea")
    text = shown.inner_text()
    for lesson in lessons():
        assert f"{lesson['id'][:2]} · {lesson['title']}" in text, "before anything was run"
        assert f"{lesson['minutes']} min" in text
    assert jupyter.page.locator(".Toastify__toast").all_inner_texts() == [], "nothing covers the page"

    jupyter.run("map")
    assert "0 of" in shown.inner_text()
    assert "my_work" in shown.inner_text()
    assert jupyter.errors() == []
    shown.get_by_role("link", name="02 · Position encoding").click()
    jupyter.wait_open("02_positional_encoding.ipynb")
    assert jupyter.page.get_by_role("heading", name="02 · Position encoding").is_visible()
