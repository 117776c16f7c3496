"""A slider moves by keyboard, and the picture with it."""

from __future__ import annotations

from tests.browser.jupyter_page import JupyterPage


def test_a_slider_moved_by_keyboard_changes_the_picture(jupyter: JupyterPage, lesson) -> None:
    path = lesson("widgets", "01_patches")
    jupyter.open(path)
    name = jupyter.containing("explore(line_of_patches")
    jupyter.cell(name)
    jupyter.select(name)
    jupyter.command("notebook:run-all-above")
    jupyter.wait_idle()
    output = jupyter.run(name).locator(".jp-OutputArea")
    slider = output.get_by_role("slider")
    slider.wait_for()
    picture = output.locator(".vitlab-explore img")
    assert "patch_size = 32" in picture.get_attribute("alt")
    assert not output.locator("img.vitlab-picture").is_visible(), "the still picture makes room for the one that moves"
    before = picture.get_attribute("src")
    slider.focus()
    jupyter.page.keyboard.press("ArrowRight")
    output.locator('img[alt^="patch_size = 16"]').wait_for()
    assert picture.get_attribute("src") != before
