"""Cards and map read well: light and dark, wide and narrow."""

from __future__ import annotations

import pytest

from tests.browser.jupyter_page import JupyterPage
from tests.classroom import solutions

CONTRAST = 4.5  # WCAG 2, level AA, for words of this size
CONTRASTS = """(card) => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const seen = (colour, below) => {
        canvas.fillStyle = below; canvas.fillRect(0, 0, 1, 1);
        canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const light = (rgb) => {
        const [r, g, b] = rgb.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    let ground = 'white';
    for (let e = card; e; e = e.parentElement) {
        const colour = getComputedStyle(e).backgroundColor;
        if (seen(colour, 'white').join() === seen(colour, 'black').join()) { ground = colour; break; }
    }
    const words = [...card.querySelectorAll('*')].filter((e) => [...e.childNodes].some((n) => n.data?.trim()));
    return words.map((e) => {
        const pair = [getComputedStyle(e).color, ground].map((c) => light(seen(c, ground))).sort((a, b) => b - a);
        return [e.textContent.slice(0, 40), (pair[0] + 0.05) / (pair[1] + 0.05)];
    });
}"""


@pytest.fixture
def wrong(course) -> dict[str, str]:
    answer = solutions(course, "02_positional_encoding")["Q1"]
    return {"Q1": answer.replace("sin(", "SIN(").replace("cos(", "sin(").replace("SIN(", "cos(")}


def test_a_card_and_the_map_read_well_in_both_themes_and_in_narrow_windows(jupyter: JupyterPage, lesson, wrong) -> None:
    jupyter.open(lesson("appearance", answers=wrong))
    jupyter.begin()
    jupyter.run("Q1")
    jupyter.run("Q1-check")
    for theme in ("Dark", "Light"):
        jupyter.theme(theme)
        faint = [pair for pair in jupyter.card("Q1-check").evaluate(CONTRASTS) if pair[1] < CONTRAST]
        assert faint == [], f"too faint in the {theme} theme"
    jupyter.command("application:toggle-left-area")
    for width, height in ((800, 900), (390, 844)):
        jupyter.page.set_viewport_size({"width": width, "height": height})
        card = jupyter.card("Q1-check")
        fits = "(e) => e.scrollWidth <= e.clientWidth + 1 && e.getBoundingClientRect().right <= innerWidth"
        assert card.evaluate(fits), f"the card is cut off at {width} pixels"
        image = card.locator("img").evaluate("(e) => e.getBoundingClientRect().width")
        assert 200 < image <= card.evaluate("(e) => e.clientWidth")
    jupyter.page.set_viewport_size({"width": 1200, "height": 900})
    jupyter.command("application:toggle-left-area")

    jupyter.go("lab/tree/notebooks/start_here.ipynb")
    jupyter.wait_open("start_here.ipynb")
    for theme in ("Dark", "Light"):
        jupyter.theme(theme)
        shown = jupyter.run("map").locator(".jp-RenderedHTMLCommon")
        faint = [pair for pair in shown.evaluate(CONTRASTS) if pair[1] < CONTRAST]
        assert faint == [], f"too faint in the {theme} theme"
