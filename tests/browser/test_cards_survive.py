"""Cards are light and plain, and are there again when the notebook is opened another day, or by somebody else."""

from __future__ import annotations

import json

from tests.browser.jupyter_page import JupyterPage


def test_a_card_is_light_and_survives_save_and_reload_and_a_stranger(jupyter: JupyterPage, lesson) -> None:
    path = lesson("survives")
    jupyter.open(path)
    jupyter.begin()
    jupyter.replace("Q1", "def getPositionEncoding(seq_len, d, n=10000):\n    return torch.ones(seq_len, d)")
    jupyter.run("Q1")
    jupyter.run("Q1-check")
    before = jupyter.card("Q1-check").inner_text()
    assert "Hint:" in before
    jupyter.save()
    jupyter.shut_down_kernels()

    file = jupyter.lab.folder / path
    notebook = json.loads(file.read_text("utf-8"))
    [output] = next(cell["outputs"] for cell in notebook["cells"] if cell["id"] == "Q1-check")
    html = "".join(output["data"]["text/html"])
    assert len(html) < 30_000
    assert "<script" not in html
    assert "http" not in html
    assert "".join(output["data"]["text/plain"]) == "0"

    jupyter.open(path)
    assert jupyter.card("Q1-check").inner_text() == before

    notebook["cells"][0]["source"] = "another hand was here, so nobody has signed this notebook"
    stranger = file.with_name("stranger.ipynb")
    stranger.write_text(json.dumps(notebook), "utf-8")
    jupyter.open(path.replace("survives", "stranger"))
    assert jupyter.card("Q1-check").inner_text() == before
    assert jupyter.card("Q1-check").locator("img").evaluate("(image) => image.naturalWidth") > 200
    stranger.unlink()
