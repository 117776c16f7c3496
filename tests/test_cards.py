"""What a card says and draws beyond its criteria, and that it is the same one in a notebook and after grading."""

from __future__ import annotations

import base64
from dataclasses import replace

import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from grading.judging.judge import Judge
from grading.judging.reference import load_reference
from grading.judging.seeds import seed_of
from helpers.checks import check
from helpers.checks.later_cells import missing_in_text
from helpers.checks.question import public_rng
from helpers.checks.undefined_names import EXAM_SEED
from helpers.checks.wire_format import MIME
from helpers.pictures.encoder_block import value_panels
from helpers.pictures.why_transformers import fields_picture
from helpers.questions import find
from helpers.questions.attention_layers import explaining_weights
from tests.test_banks import COURSE

LESSON = "00_why_transformers"
SEED = 11


@pytest.fixture(scope="module")
def judge() -> Judge:
    reference = load_reference(COURSE.source(LESSON), COURSE.bank(LESSON))
    return Judge(reference, COURSE.expectations(LESSON), SEED)


def handed_in(answer: str, bundle: str | None):
    asked = {"vitlab": {"question": "Q00a", "role": "answer"}}, {"vitlab": {"question": "Q00a", "role": "check"}}
    cells = [new_code_cell(answer, metadata=asked[0]), new_code_cell("check", metadata=asked[1], execution_count=1)]
    if bundle is not None:
        cells[1].outputs = [new_output("execute_result", {MIME: bundle, "text/plain": "recorded"})]
    return new_notebook(cells=cells)


def recorded(monkeypatch: pytest.MonkeyPatch, answer) -> str:
    monkeypatch.setenv(EXAM_SEED, str(seed_of(find("Q00a"), SEED)))
    return check("Q00a", answer)._repr_mimebundle_()[MIME]  # type: ignore[union-attr]


def test_an_answer_cell_without_code_is_not_started(judge: Judge) -> None:
    [blank], _ = judge.judge_notebook(handed_in("# Q00a\n# Write the function in this cell.\n", None))
    assert (blank.status, blank.score) == ("not started", 0)
    [begun], _ = judge.judge_notebook(handed_in("def receptive_field(:", None))
    assert begun.status == "no answer"


def test_a_name_that_later_cells_need_is_said_after_grading_as_well(judge: Judge, monkeypatch) -> None:
    cases, expected = judge._public["Q00a"]
    monkeypatch.setitem(judge._public, "Q00a", (cases, replace(expected, needed=("sides",))))
    bundle = recorded(monkeypatch, judge.reference.answers["Q00a"])
    without = handed_in("class receptive_field:\n    pass", bundle)
    [verdict], _ = judge.judge_notebook(without)
    assert verdict.passed
    assert any("`.sides`" in note for note in verdict.notes)
    assert ">.sides</code>" in without.cells[1].outputs[0].data["text/html"]
    [verdict], _ = judge.judge_notebook(handed_in("class receptive_field:\n    sides = 2", bundle))
    assert not verdict.notes


def test_a_right_answer_has_the_same_picture_after_grading(judge: Judge, monkeypatch) -> None:
    right = judge.reference.answers["Q00a"]
    monkeypatch.delenv(EXAM_SEED, raising=False)
    here = check("Q00a", right)
    graded = handed_in("def receptive_field(kernels, strides): ...", recorded(monkeypatch, right))
    judge.judge_notebook(graded)
    assert base64.b64encode(here.picture).decode() in graded.cells[1].outputs[0].data["text/html"]  # type: ignore


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class A(nn.Module):\n    def __init__(self):\n        self.pe = 1", ["keys"]),
        ("class A(nn.Module):\n    def __init__(self):\n        self.keys = 1", []),
        ("class A(nn.Module):\n    def __init__(self):\n        self.register_buffer('keys', x)", []),
        ("class A(Earlier):\n    pass", []),
        ("class B(nn.Module):\n    pass\nclass A(B):\n    pass", ["keys"]),
        ("def a():\n    return 1", []),
        ("class A(", []),
    ],
)
def test_names_are_looked_up_in_the_text_of_a_cell(text: str, found: list[str]) -> None:
    assert missing_in_text(text, ("keys",)) == found


def test_the_picture_of_a_single_head_shows_attention_weights() -> None:
    case = next(iter(find("Q5").cases(public_rng("Q5"))))
    keys, queries, values, projection = np.asarray(case["layers"], np.float64)
    x = np.asarray(case["x"], np.float64)
    scores = (x @ queries.T) @ (x @ keys.T).transpose(0, 2, 1) / np.sqrt(x.shape[-1])
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    shown = explaining_weights(case, weights @ (x @ values.T) @ projection.T)
    assert np.allclose(shown[0], weights[0], atol=1e-8)
    assert not np.allclose(explaining_weights(case, weights @ (x @ values.T))[0].sum(-1), 1, atol=1e-2)


def test_a_wrong_output_is_drawn_with_its_difference() -> None:
    x, wanted = np.ones((1, 3, 4)), np.arange(12.0).reshape(1, 3, 4)

    def titles(given) -> list[str]:
        return [ax.get_title("left") + ax.get_title() for ax in value_panels(wanted, given, "out", ("x", x)).axes]

    assert "yours − target" in titles({"out": wanted + 1})
    assert "yours − target" not in titles({"out": wanted})
    assert "yours − target" not in titles({"out": wanted[:, :2]})


def test_wrong_bars_are_marked() -> None:
    figure = fields_picture([(3,), (3, 3)], [(1,), (1, 1)], np.array([3, 5]), np.array([3, 9]))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert " ✗ 9" in texts
    assert " ✗ 3" not in texts
