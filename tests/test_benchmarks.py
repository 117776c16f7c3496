"""The benchmarks of models and of accuracy run, on little, and their last line is JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks import accuracy, mangling, models
from benchmarks.accuracy import RECIPES, moved, one_cycle, training_flops
from benchmarks.vit import FusedViT, LectureViT
from helpers.torchvision_ops import load_torchvision
from tests.conftest import ROOT

Run = Callable[..., tuple[str, dict]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a benchmark without real data: what it prints, and its last line."""
    monkeypatch.delenv("VITLAB_DATA", raising=False)
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)  # other tests' business

    def call(benchmark, *arguments: str) -> tuple[str, dict]:
        benchmark.main(list(arguments))
        printed = capsys.readouterr().out
        return printed, json.loads(printed.splitlines()[-1])

    return call


def test_accuracy_on_embedded_data_says_so_and_saves_its_curves(run: Run, tmp_path: Path):
    out = tmp_path / "accuracy.json"
    small = ("--epochs", "2", "--limit", "50", "--out", str(out))
    printed, summary = run(accuracy, *small)
    assert printed.count("compare no number") == len(RECIPES)
    assert all(f"{part}  {recipe.title}" in printed for part, recipe in RECIPES.items()), "a row per part"
    expected = {f"{part}-2epochs": (2, False) for part in RECIPES}
    assert {name: (row["epochs"], row["real"]) for name, row in summary.items()} == expected
    runs = json.loads(out.read_text("utf-8"))["runs"]
    assert {key: len(entry["test_accuracy"]) for key, entry in runs.items()} == {f"{p}0-2epochs": 2 for p in RECIPES}
    assert os.listdir(tmp_path) == ["accuracy.json"], "checkpoints of finished runs are gone"
    again, same = run(accuracy, *small)
    assert again.count("done before") == len(RECIPES), "a finished run is not done again"
    assert same == summary


def test_accuracy_stopped_by_its_limit_shows_how_far_it_went_and_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    small = ("--part", "a", "--epochs", "3", "--limit", "50", "--out", str(tmp_path / "accuracy.json"))
    assert run(accuracy, *small, "--limit-minutes", "0")[1] == {}, "not one epoch was begun"
    batches = accuracy.Watched.batches

    def two_epochs(self, *arguments, **options):
        if len(self.seconds) == 2:
            raise KeyboardInterrupt
        return batches(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(accuracy.Watched, "batches", two_epochs)
        printed, stopped = run(accuracy, *small)
    assert "stopped after 2 of 3: the curve as far as it went" in printed
    assert stopped["a-3epochs"]["epochs"] == 2
    finished = run(accuracy, *small)[1]["a-3epochs"]
    whole = run(accuracy, *small[:-1], str(tmp_path / "other.json"))[1]["a-3epochs"]
    assert finished["epochs"] == 3
    assert (finished["accuracy"], finished["best"]) == (whole["accuracy"], whole["best"]), "a stop changes nothing"


def test_results_of_several_files_are_merged_and_give_a_spread(run: Run, tmp_path: Path):
    files = [str(tmp_path / f"{seed}.json") for seed in (0, 1)]
    for seed, file in enumerate(files):
        run(accuracy, "--part", "c", "--epochs", "1", "--limit", "60", "--seeds", str(seed), "--out", file)
    _, summary = run(accuracy, "--merge", files[1], "--out", files[0])
    assert summary["c-1epochs"]["seeds"] == 2
    curves = [entry["test_accuracy"][-1] for entry in json.loads(Path(files[0]).read_text("utf-8"))["runs"].values()]
    assert summary["c-1epochs"]["spread"] == pytest.approx(max(curves) - min(curves))


def test_the_committed_results_can_be_shown(run: Run):
    if not accuracy.OUT.is_file():
        pytest.skip("nothing was measured yet")
    printed, summary = run(accuracy, "--show")
    assert all(row["real"] for row in summary.values()), "only real data is worth keeping"
    assert "the lecture reports 56.76%" in printed


def test_models_compares_each_kind_with_the_libraries(run: Run):
    load_torchvision()
    pytest.importorskip("timm")
    printed, summary = run(models, "--rounds", "1", "--steps", "1", "--shapes", "1")
    ratios = summary["over"]["cpu"]["lesson 07"]
    assert set(ratios["attention"]) == {"by hand", "fused", "torch.nn", "timm"}
    assert set(ratios["block"]) == {"by hand", "fused", "torch.nn", "timm", "torchvision"}
    assert set(ratios["ViT"]) == {"by hand", "fused", "fused, lean", "torch.nn", "timm", "torchvision"}
    assert all(row["timm"] == 1 for row in ratios.values())
    assert summary["vit_over_timm"] == ratios["ViT"]["fused, lean"]
    weights = {line.split()[-6] for line in printed.splitlines() if " ViT " in line}
    assert len(weights) == 1, f"all are of one size, not {weights}"


def test_leaving_out_what_the_head_never_reads_changes_no_logit_and_no_gradient():
    torch.manual_seed(0)
    lean, whole = FusedViT(), FusedViT(lean=False)
    whole.load_state_dict(lean.state_dict())
    images = torch.randn(4, 3, 32, 32)
    for model in (lean, whole):
        model(images).square().mean().backward()
    torch.testing.assert_close(lean(images), whole(images))
    torch.testing.assert_close([p.grad for p in lean.parameters()], [p.grad for p in whole.parameters()])


def test_flops_are_three_times_the_forward_matrices():
    """Two for a multiply-add; backward costs twice the forward, but for the images' own gradient."""
    model, tokens, d = LectureViT(), 17, 64
    patches = 16 * 192 * d
    layer = tokens * (4 * d * d + 2 * d * 128) + 2 * tokens * tokens * d
    expected = 2 * (2 * patches + 3 * (2 * layer + d * 10))
    assert training_flops(model, torch.randn(2, 3, 32, 32), torch.zeros(2, dtype=torch.long)) == expected


def test_an_image_is_moved_as_a_whole():
    torch.manual_seed(0)
    images = torch.rand(64, 3, 8, 8)
    torch.testing.assert_close(moved(images, flip=False, shift=0), images)
    flipped = moved(images, flip=True, shift=0)
    kept = (flipped == images).flatten(1).all(dim=1)
    assert 10 < kept.sum() < 54
    torch.testing.assert_close(flipped[~kept], images[~kept].flip(3))
    shifted = moved(images, flip=False, shift=2)
    inner = images[:, :, 2:-2, 2:-2].flatten(1).unsqueeze(1)
    windows = shifted.unfold(2, 4, 1).unfold(3, 4, 1).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    assert (windows == inner).all(dim=2).any(dim=1).all(), "the middle of each image is found in it, somewhere"


def test_the_learning_rate_warms_up_and_ends_near_zero():
    rates = [one_cycle(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates.index(max(rates)) in (8, 9, 10)
    assert rates[-1] == pytest.approx(0.0, abs=1e-3)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_lesson_10_quotes_the_committed_results() -> None:
    runs = json.loads((ROOT / "benchmarks/results/accuracy.json").read_text("utf-8"))["runs"]
    text = (ROOT / "solutions/10_hybrid/10_hybrid.py").read_text("utf-8")
    for part in "hi":  # L0's network for MNIST, and the perceptron that it equals
        last = [100 * runs[f"{part}{seed}"]["test_accuracy"][-1] for seed in range(3)]
        assert f"{sum(last) / 3:.1f} %" in text
        assert f"{min(last):.1f} to {max(last):.1f} %" in text


def test_mangling_counts_every_answer_once(run: Run):
    printed, summary = run(mangling, "--notebooks", "20", "--seed", "3")
    assert printed.startswith("lost answers by")
    assert sum(summary["written"].values()) == summary["notebooks"] == 20
    assert 20 < sum(summary["code"].values()) <= 60
    assert "LOST" not in summary["code"].keys() | summary["written"].keys()
