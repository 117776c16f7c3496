"""Somebody else's weights: from a folder, from timm, or a sentence that says why not. Nothing is fetched here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from helpers import weights
from helpers.torchvision_ops import load_torchvision
from helpers.weights import WeightsUnavailable, pretrained_model

load_torchvision()
timm = pytest.importorskip("timm")
NAME = "test_vit"  # timm's own smallest: 160 x 160 pixels, patches of 16


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(0)
    save_file(timm.create_model(NAME).state_dict(), tmp_path / f"{NAME}.safetensors")
    monkeypatch.setenv("VITLAB_WEIGHTS", str(tmp_path))
    return tmp_path


def test_weights_come_from_the_folder(folder: Path) -> None:
    torch.manual_seed(0)
    wanted = timm.create_model(NAME).state_dict()
    torch.manual_seed(1)
    model = pretrained_model(NAME)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in model.state_dict().items())


def test_they_are_made_to_fit(folder: Path) -> None:
    wanted = timm.create_model(NAME)
    model = pretrained_model(NAME, img_size=96, in_chans=1, num_classes=7)
    assert model(torch.rand(2, 1, 96, 96)).shape == (2, 7)
    assert model.pos_embed.shape[1] < wanted.pos_embed.shape[1]
    assert model.patch_embed.proj.weight.shape[1] == 1


def test_a_model_that_is_not_in_the_folder_is_named(folder: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"a folder without resnet18\.safetensors"):
        pretrained_model("resnet18")


@pytest.mark.parametrize("content", [b"", b"half a file", bytes(200)])
def test_a_broken_file_is_named(folder: Path, content: bytes) -> None:
    (folder / f"{NAME}.safetensors").write_bytes(content)
    with pytest.raises(WeightsUnavailable, match=f"{NAME}.safetensors does not load"):
        pretrained_model(NAME)


def test_another_models_file_is_named(folder: Path) -> None:
    save_file({"stranger": torch.zeros(3)}, folder / f"{NAME}.safetensors")
    with pytest.raises(WeightsUnavailable, match="does not load"):
        pretrained_model(NAME)


def test_without_a_network_there_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(name: str, *, pretrained: bool, **settings: object) -> None:
        assert pretrained
        raise OSError("[Errno 101] Network is unreachable\nwith a long story after it")

    monkeypatch.delenv("VITLAB_WEIGHTS", raising=False)
    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(WeightsUnavailable) as caught:
        pretrained_model(NAME)
    assert "could not be fetched: OSError: [Errno 101] Network is unreachable" in str(caught.value)
    assert "long story" not in str(caught.value)
    assert "VITLAB_WEIGHTS" in str(caught.value)


def test_a_model_nobody_knows_is_a_sentence_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VITLAB_WEIGHTS", raising=False)
    with pytest.raises(WeightsUnavailable, match="no_such_model"):
        pretrained_model("no_such_model")


def test_pickles_are_never_looked_for() -> None:
    source = Path(weights.__file__).read_text("utf-8")
    assert ".pth" not in source
    assert ".bin" not in source
