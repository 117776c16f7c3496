"""What a screen reader is given: pictures in words, a card as a group with its criteria."""

from __future__ import annotations

from tests.browser.jupyter_page import Desk


def test_a_screen_reader_gets_the_card_as_text_and_every_picture_in_words(desk: Desk, lesson) -> None:
    desk.open(lesson("accessibility"))
    desk.select("Q1-check")
    desk.command("notebook:run-all-above")
    desk.wait_idle()
    desk.replace("Q1", "def getPositionEncoding(seq_len, d, n=10000):\n    return torch.zeros(seq_len, d)")
    desk.run("Q1")
    desk.run("Q1-check")
    heard = desk.card("Q1-check").aria_snapshot()
    assert 'group "Q1 The sinusoidal code: not right yet, 0 of 4 points"' in heard.splitlines()[0], heard
    assert 'list "criteria"' in heard
    assert 'img "met"' in heard
    assert 'img "not met"' in heard
    assert "Hint: " in heard
    assert 'img "Q1: the target and what your answer gave"' in heard

    pictures = desk.page.evaluate(
        """() => jupyterapp.shell.currentWidget.content.widgets.flatMap((cell) =>
            [...cell.node.querySelectorAll('.jp-OutputArea img')].map((image) => image.alt))"""
    )
    assert len(pictures) > 3
    assert all(len(alt) > 10 for alt in pictures), pictures
    moving = desk.page.evaluate("() => document.querySelector('.jp-Notebook').getAnimations({subtree: true}).length")
    assert moving == 0, "somebody asked for less motion"
