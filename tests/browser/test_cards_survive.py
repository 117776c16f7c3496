"""Cards are light and plain, and are there again when the notebook is opened another day, or by somebody else."""

from __future__ import annotations

import json

from tests.browser.jupyter_page import Desk


def test_a_card_is_light_and_survives_save_and_reload_and_a_stranger(desk: Desk, lesson) -> None:
    path = lesson("survives")
    desk.open(path)
    desk.begin()
    desk.replace("Q1", "def getPositionEncoding(seq_len, d, n=10000):\n    return torch.ones(seq_len, d)")
    desk.run("Q1")
    desk.run("Q1-check")
    before = desk.card("Q1-check").inner_text()
    assert "Hint:" in before
    desk.save()
    desk.shut_down_kernels()

    file = desk.lab.folder / path
    notebook = json.loads(file.read_text("utf-8"))
    [output] = next(cell["outputs"] for cell in notebook["cells"] if cell["id"] == "Q1-check")
    html = "".join(output["data"]["text/html"])
    assert len(html) < 30_000
    assert "<script" not in html
    assert "http" not in html
    assert "".join(output["data"]["text/plain"]) == "0"

    desk.open(path)
    assert desk.card("Q1-check").inner_text() == before

    notebook["cells"][0]["source"] = "another hand was here, so nobody has signed this notebook"
    stranger = file.with_name("stranger.ipynb")
    stranger.write_text(json.dumps(notebook), "utf-8")
    desk.open(path.replace("survives", "stranger"))
    assert desk.card("Q1-check").inner_text() == before
    assert desk.card("Q1-check").locator("img").evaluate("(image) => image.naturalWidth") > 200
    stranger.unlink()
