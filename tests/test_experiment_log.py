"""The log of experiments, the blocks of a model, and what was measured in advance."""

from __future__ import annotations

import pytest
from torch import nn

from helpers.built import stand_ins
from helpers.measured import measured
from helpers.training.blocks import blocks_of
from helpers.training.log import ExperimentLog


@pytest.fixture
def log() -> ExperimentLog:
    made = ExperimentLog("validation", about={"command": "none"})
    made.add("plain", seed=0, validation=0.70, seconds=3.0)
    made.add("plain", seed=1, validation=0.74, seconds=3.1)
    made.add("flips", seed=0, validation=0.80, seconds=3.2)
    return made


def test_a_row_is_a_recipe_with_its_mean_and_spread(log: ExperimentLog) -> None:
    assert log.table() == [["recipe", "runs", "validation"], ["plain", "2", "0.720 ± 0.028"], ["flips", "1", "0.800"]]
    assert "0.720 ± 0.028" in repr(log)
    assert "<td" in log._repr_html_()


def test_names_cannot_break_the_table(log: ExperimentLog) -> None:
    log.add("<script>", seed=0, validation=0.1)
    assert "<script>" not in log._repr_html_()


def test_the_best_is_the_highest_mean(log: ExperimentLog) -> None:
    assert log.best("validation") == "flips"
    assert log.by_name("validation", 100)["plain"] == [70.0, 74.0]


def test_an_unknown_recipe_is_named_with_those_there_are(log: ExperimentLog) -> None:
    with pytest.raises(KeyError, match="plain, flips"):
        log.values("mixup", "validation")


def test_a_log_comes_back_as_it_was_saved(log: ExperimentLog, tmp_path) -> None:
    log.save(tmp_path / "deep" / "log.json")
    again = ExperimentLog.load(tmp_path / "deep" / "log.json")
    assert (again.runs, again.about, list(again.columns)) == (log.runs, log.about, list(log.columns))


def test_what_is_no_log_is_refused(tmp_path) -> None:
    (tmp_path / "other.json").write_text('{"runs": 3}')
    with pytest.raises(ValueError, match="no experiment log"):
        ExperimentLog.load(tmp_path / "other.json")


def test_the_ladder_says_where_it_comes_from() -> None:
    ladder = measured("ladder")
    assert ladder.about["command"].startswith("python benchmarks/ladder.py")
    assert {"date", "machine", "data"} <= set(ladder.about)
    assert all(0 < run["validation"] <= 1 for run in ladder)


def test_what_was_never_measured_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="ladder"):
        measured("nothing")


@pytest.mark.parametrize("depth", [2, 3])
def test_the_blocks_of_a_vit_are_found(depth: int) -> None:
    found = blocks_of(stand_ins.ViT(depth=depth))
    assert [type(block) for block in found] == [stand_ins.TransformerEncoderBlock] * depth


def test_a_model_without_blocks_is_refused() -> None:
    with pytest.raises(ValueError, match="no blocks"):
        blocks_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
