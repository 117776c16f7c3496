"""Lesson 09's parts carry torchvision's Swin-T: the same logits, at 224 x 224 and at sizes that don't divide."""

from __future__ import annotations

from typing import Any

import pytest

from grading.course import load_course
from grading.lesson_source.source import read_source
from helpers.experiments.swin import Swin
from tests.conftest import ROOT

SOURCE = load_course(ROOT).source("09_swin")


@pytest.fixture(scope="module")
def lesson() -> dict[str, Any]:
    """The names that the lesson's solution defines, and `swin`, which makes Swin-T of them."""
    names: dict[str, Any] = {"__name__": "lesson"}
    for cell in read_source(SOURCE).cells:
        if cell.role in ("setup", "answer"):
            exec(compile(cell.source, "<lesson 09>", "exec"), names)
    names["swin"] = lambda: Swin(names["SwinBlock"], names["PatchMerging"])
    return names


@pytest.fixture(scope="module")
def theirs():
    import torch

    from helpers.torchvision_ops import load_torchvision

    torch.manual_seed(0)
    model = load_torchvision().models.swin_t().eval()
    for name, parameter in model.named_parameters():
        if "table" in name or name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=1.0 if "table" in name else 0.1)
    return model


@pytest.fixture(scope="module")
def ours(lesson, theirs):
    model = lesson["swin"]().eval()
    weights = {n: w for n, w in theirs.state_dict().items() if "relative_position_index" not in n}
    model.load_state_dict(weights)  # strict: every name, every shape
    return model


@pytest.mark.parametrize("size", [(224, 224), (90, 110), (64, 64)])
def test_the_logits_are_torchvisions(ours, theirs, size: tuple[int, int]) -> None:
    import torch

    torch.manual_seed(1)
    images = torch.rand(2 if size[0] < 100 else 1, 3, *size)
    with torch.no_grad():
        wanted, given = theirs(images), ours(images)
    assert (wanted - given).abs().max() < 1e-4
    assert wanted.std() > 1e-2, "the logits differ from each other, so that agreement means something"


def test_a_long_narrow_image_is_where_they_differ(ours, theirs) -> None:
    """One window high, several wide: torchvision shifts along the width, ours (as the paper) not."""
    import torch

    torch.manual_seed(1)
    images = torch.rand(1, 3, 64, 200)
    with torch.no_grad():
        assert (ours(images) - theirs(images)).abs().max() > 1e-3


def test_the_index_is_torchvisions(lesson, theirs) -> None:
    import torch

    wanted = theirs.features[1][0].attn.relative_position_index.view(49, 49)
    assert torch.equal(lesson["relative_position_index"](7), wanted)


@pytest.mark.parametrize("broken", ["relative_position_index", "shifted_window_mask", "cyclic_shift"])
def test_the_comparison_would_see_a_fault(lesson, theirs, monkeypatch, broken: str) -> None:
    """With one part wrong the logits are far off: the test above can fail."""
    import torch

    right = lesson[broken]
    wrong = {
        "relative_position_index": lambda m: right(m).flip(0),
        "shifted_window_mask": lambda *sizes: right(*sizes) * 0,
        "cyclic_shift": lambda x, shift: right(x, -shift),
    }[broken]
    monkeypatch.setitem(lesson, broken, wrong)
    model = lesson["swin"]().eval()
    model.load_state_dict({n: w for n, w in theirs.state_dict().items() if "relative_position_index" not in n})
    images = torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        assert (model(images) - theirs(images)).abs().max() > 1e-3


def test_the_long_run_in_the_text_is_the_one_measured() -> None:
    from helpers.measured import measured

    runs = measured("swin_epochs")
    assert "25 epochs" in runs.about["recipe"]
    assert f"reaches {runs.values('Swin', 'accuracy')[0]:.1f} % (one run" in SOURCE.read_text("utf-8").replace(
        "\n# ", " "
    )
    assert len(runs.values("Swin", "accuracy")) == 1, "say how many runs there are"
