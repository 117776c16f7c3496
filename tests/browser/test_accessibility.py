"""What a screen reader is given: pictures in words, a card as a group with its criteria."""

from __future__ import annotations

from tests.browser.jupyter_page import JupyterPage


def test_a_screen_reader_gets_the_card_as_text_and_every_picture_in_words(jupyter: JupyterPage, lesson) -> None:
    jupyter.open(lesson("accessibility"))
    jupyter.select("Q1-check")
    jupyter.command("notebook:run-all-above")
    jupyter.wait_idle()
    jupyter.replace("Q1", "def getPositionEncoding(seq_len, d, n=10000):\n    return torch.zeros(seq_len, d)")
    jupyter.run("Q1")
    jupyter.run("Q1-check")
    heard = jupyter.card("Q1-check").aria_snapshot()
    assert 'group "Q1 The sinusoidal code: not right yet, 0 of 4 points"' in heard.splitlines()[0], heard
    assert 'list "criteria"' in heard
    assert 'img "met"' in heard
    assert 'img "not met"' in heard
    assert "Hint: " in heard
    assert 'img "Q1: the target and what your answer gave"' in heard

    pictures = jupyter.page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets.flatMap((cell) =>
            [...cell.node.querySelectorAll('.jp-OutputArea img')].map((image) => image.alt))"""
    )
    assert len(pictures) > 3
    assert all(len(alt) > 10 for alt in pictures), pictures
    moving = jupyter.page.evaluate("() => document.querySelector('.jp-Notebook').getAnimations({subtree: true}).length")
    assert moving == 0, "somebody asked for less motion"
