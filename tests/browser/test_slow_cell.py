"""A cell that takes its time says so while it runs."""

from __future__ import annotations

import re

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.browser.jupyter_page import JupyterPage

SETUP = """\
import sys, time
sys.path.insert(0, "..")
import torch
from torch import nn
from helpers.data import load
from helpers.training import fit
torch.set_num_threads(1)
digits = load("digits")
def step(model, images, labels, optimizer):
    loss = nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    time.sleep(0.02)
    return loss"""
TRAIN = "history = fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits, epochs={}, batch_size=100, step=step)"


def test_training_shows_how_far_it_is_and_can_be_stopped(jupyter: JupyterPage) -> None:
    file = jupyter.lab.folder / "notebooks" / "slow.ipynb"
    sources = {"setup": SETUP, "long": TRAIN.format(200), "short": TRAIN.format(3)}
    cells = [new_code_cell(text, id=name) for name, text in sources.items()]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": ""}}), file)
    jupyter.open("notebooks/slow.ipynb")
    jupyter.run("setup")
    cell = jupyter.start("long")
    output = cell.locator(".jp-OutputArea")
    output.get_by_text(re.compile(r"epoch \d+ of 200")).wait_for()
    assert "[*]" in cell.locator(".jp-InputPrompt").inner_text(), "while it runs"
    assert re.search(r"loss \d\.\d+, .* left", output.inner_text()), "and how long it will take"
    before = output.inner_text()
    output.locator("svg[role=img]").wait_for()
    jupyter.page.wait_for_function("(before) => !document.body.innerText.includes(before)", arg=before)
    jupyter.select("long")
    jupyter.page.keyboard.press("i")
    jupyter.page.keyboard.press("i")
    jupyter.wait_idle()
    assert output.locator(".jp-OutputArea-child").count() <= 2, "one line that changed in place, and the interruption"

    output = jupyter.run("short").locator(".jp-OutputArea")
    assert "3 epochs in" in output.inner_text()
    assert "left" not in output.inner_text()
    file.unlink()
