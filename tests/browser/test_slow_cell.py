"""A cell that takes its time says so while it runs."""

from __future__ import annotations

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.browser.desk import Desk

SETUP = """\
import sys
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
    torch.utils.data.get_worker_info() or __import__("time").sleep(0.02)
    return loss"""
TRAIN = "history = fit(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits, epochs=10, batch_size=100, step=step)"


def test_training_shows_how_far_it_is_and_can_be_stopped(desk: Desk) -> None:
    file = desk.lab.folder / "notebooks" / "slow.ipynb"
    cells = [new_code_cell(text, id=name) for name, text in (("setup", SETUP), ("train", TRAIN))]
    nbformat.write(new_notebook(cells=cells), file)
    desk.open("notebooks/slow.ipynb")
    desk.run("setup")
    cell = desk.start("train")
    output = cell.locator(".jp-OutputArea")
    output.get_by_text("epoch 1 of 10").wait_for()
    assert "[*]" in cell.locator(".jp-InputPrompt").inner_text(), "while it runs"
    assert "left" in output.inner_text(), "and how long it will take"
    output.get_by_text("epoch 3 of 10").wait_for()
    assert output.locator("svg[role=img]").count() > 0, "a curve, in words too"
    desk.wait_idle()
    assert "left" not in output.inner_text()
    assert output.locator(".jp-OutputArea-child").count() == 1, "one line that changed in place"
    assert desk.errors() == []

    cell = desk.start("train")
    output.get_by_text("epoch 1 of 10").wait_for()
    desk.page.keyboard.press("i")
    desk.page.keyboard.press("i")
    desk.wait_idle()
    assert desk.errors() in ([], [""]), "stopped, with or without Python's word for it"
    file.unlink()
