"""One wish decides where tensors live, and one seed makes a run repeatable."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from helpers.device import device, seed_everything


def test_the_environment_decides(monkeypatch):
    monkeypatch.setenv("VITLAB_DEVICE", "cpu")
    assert device() == torch.device("cpu")
    monkeypatch.setenv("VITLAB_DEVICE", "meta")
    assert device() == torch.device("meta")


def test_an_unknown_device_is_named(monkeypatch):
    monkeypatch.setenv("VITLAB_DEVICE", "gpu")
    with pytest.raises(ValueError, match=r"VITLAB_DEVICE is 'gpu'.*cpu, cuda"):
        device()


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]
)
def test_the_fastest_device_is_taken(monkeypatch, cuda, mps, expected):
    monkeypatch.delenv("VITLAB_DEVICE", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert device().type == expected


def test_one_seed_repeats_python_numpy_and_torch():
    def draw():
        seed_everything(7)
        return random.random(), np.random.rand(), torch.rand(()).item()

    assert draw() == draw()
