"""Earlier lessons' parts: the student's own when it passed, else the solution's, else a stand-in that is no answer."""

from __future__ import annotations

import os

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from grading.course import load_course
from grading.judging import reference as reference_module
from grading.judging.reference import load_reference
from grading.lesson_source.source import read_source
from helpers import check
from helpers.built import built, stand_ins
from helpers.checks import expectations
from helpers.course_map import progress
from helpers.portfolio import progress_store
from helpers.portfolio.parts import PARTS
from helpers.portfolio.source import with_all_it_needs
from tests.conftest import ROOT

RIGHT = """
import math
import torch as t
from math import sin, cos
HALF = 2
def angle(k, i, d, n):
    return k / n ** (HALF * i / d)
def getPositionEncoding(seq_len, d, n=10000):
    P = t.zeros(seq_len, d)
    for k in range(seq_len):
        for i in range(d // HALF):
            P[k, 2 * i], P[k, 2 * i + 1] = sin(angle(k, i, d, n)), cos(angle(k, i, d, n))
    return P
"""
USE = "from helpers.built import built\ngetPositionEncoding = built('getPositionEncoding')\n"


def run(folder, *cells, **environment):
    """The text that each cell puts out, in a kernel of its own that starts in `folder`."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    keep = {**os.environ, "VITLAB_WORK": str(folder / "kept"), "PYTHONPATH": str(ROOT), **environment}
    client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute(env=keep)
    return ["".join(o.get("text") or o["data"]["text/plain"] for o in cell.outputs) for cell in notebook.cells]


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A student's folder after a wrong try, and a right one with names of the student's own around it."""
    folder = tmp_path_factory.mktemp("student")
    run(
        folder,
        "from helpers import check",
        "unused = 1/3",
        "def getPositionEncoding(seq_len, d, n=10000):\n    return None",
        "check('Q1', getPositionEncoding)",
        "%config InlineBackend.figure_format = 'png'",
        RIGHT,
        "check('Q1', getPositionEncoding)",
    )
    return folder


def test_an_answer_that_passed_is_there_in_the_next_notebook(answered):
    out = run(answered, USE, "print(getPositionEncoding(2, 4)[1], getPositionEncoding.__module__)")
    assert "your own (Q1)" in out[0]
    assert out[1] == "tensor([0.8415, 0.5403, 0.0100, 0.9999]) my_work.Q1\n"
    kept = (answered / "kept" / "answers" / "Q1.py").read_text()
    assert "HALF = 2" in kept
    assert "unused" not in kept
    assert "return None" not in kept


def test_a_wrong_answer_later_takes_nothing_away(answered):
    run(
        answered,
        "from helpers import check",
        "def getPositionEncoding(seq_len, d, n=10000):\n    return None",
        "check('Q1', getPositionEncoding)",
    )
    assert "your own" in run(answered, USE)[0]
    assert progress_store.read(answered / "kept")["Q1"].passed
    assert progress_store.read(answered / "kept")["Q1"].tries == 3


def test_progress_over_notebooks(answered):
    text = run(answered, "from helpers import progress", "progress()", "progress()._repr_html_()")
    assert "1 of" in text[1]
    assert "✓ Q1 " in text[1]
    assert "○ Q1b" in text[1]
    assert "aria-label" in text[2]


def test_while_grading_only_stand_ins_and_nothing_is_kept(answered):
    before = sorted((answered / "kept").rglob("*"))
    out = run(
        answered,
        USE,
        "print(getPositionEncoding.__module__)",
        "from helpers import check",
        RIGHT,
        "check('Q1', getPositionEncoding)",
        VITLAB_EXAM_SEED="7",
    )
    assert "stand-in" in out[0]
    assert out[1] == "helpers.built.stand_ins\n"
    assert sorted((answered / "kept").rglob("*")) == before


def test_an_answer_that_no_longer_runs_gives_the_stand_in_and_says_why(answered, tmp_path):
    broken = tmp_path / "kept" / "answers" / "Q1.py"
    broken.parent.mkdir(parents=True)
    broken.write_text("import no_such_module\n")
    out = run(tmp_path, USE)
    assert "a stand-in until Q1 of lesson 02 has passed" in out[0]
    assert "No module named 'no_such_module'" in out[0]


def test_a_folder_that_cannot_be_written_costs_no_card(tmp_path):
    (tmp_path / "kept").write_text("a file where the folder should be")
    out = run(tmp_path, "from helpers import check", RIGHT, "check('Q1', getPositionEncoding)")
    assert "progress can't be kept" in out[2]
    assert out[2].endswith("4")


@pytest.mark.parametrize("name", [n for n in PARTS if PARTS[n].question in expectations.every_question()])
def test_a_stand_in_is_no_answer(name):
    result = check(PARTS[name].question, getattr(stand_ins, name))
    assert result.score == 0, result.text


@pytest.mark.parametrize("name", PARTS)
def test_stand_ins_do_the_job(name, monkeypatch):
    monkeypatch.setenv("VITLAB_BUILT", "stand-ins")
    part = built(name)
    assert part is getattr(stand_ins, name)
    x = torch.randn(2, 7, 12)
    if name == "getPositionEncoding":
        assert torch.linalg.matrix_rank(part(7, 12)) == 7
        assert part(20, 6).shape == (20, 6)
    elif name == "PatchEmbedding":
        for size, patch in ((32, 8), (28, 4), (8, 2), (6, 3)):
            tokens = part(in_channels=1, patch_size=patch, emb_size=12, img_size=size)(torch.randn(2, 1, size, size))
            assert tokens.shape == (2, 1 + (size // patch) ** 2, 12)
    elif name == "PatchProjection":
        for size, patch in ((32, 8), (8, 2), (6, 3), (4, 1)):
            tokens = part(in_channels=1, patch_size=patch, emb_size=12, img_size=size)(torch.randn(2, 1, size, size))
            assert tokens.shape == (2, (size // patch) ** 2, 12)
    elif name == "ViT":
        assert part(in_channels=1, patch_size=4, img_size=8, n_classes=3)(torch.randn(2, 1, 8, 8)).shape == (2, 3)
    elif name == "ResidualAdd":
        assert part(torch.nn.Linear(12, 12))(x).shape == x.shape
    elif name == "MultiHeadAttention":
        own_only = torch.eye(7, dtype=torch.bool)
        layer = part(12, 3)
        one = layer(x[:, :1])
        assert torch.allclose(layer(x, own_only)[:, :1], one, atol=1e-6)
    else:
        assert part(12)(x).shape == x.shape


@pytest.mark.parametrize("name", PARTS)
def test_the_checkout_has_the_solutions_parts(name, course):
    if not course.source(PARTS[name].lesson).is_file():
        pytest.skip(f"{PARTS[name].lesson} is not written yet")
    part = built(name)
    assert part.__module__ == f"{PARTS[name].lesson}.{name}"
    assert check(PARTS[name].question, part).passed


def test_an_unknown_part_is_named():
    with pytest.raises(KeyError, match="no part 'Transformer'; there are getPositionEncoding, PatchEmbedding"):
        built("Transformer")


def test_the_source_of_an_answer_brings_what_it_uses_and_no_more():
    body = "    def f(self, x, k=SIZE):\n        own = [optim for optim in x]\n        return base(own)"
    cells = [
        "from torch import nn, optim\nimport numpy as np, os.path",
        "this is no Python",
        "SIZE, OTHER = 3, 4",
        "x, own = 1 / 0, [y for y in range(3)]",
        "def base(x): return np.asarray(x)",
        "@classmethod\ndef never(): pass",
        "class Answer(nn.Module):\n" + body,
        "def base(x):\n    return 2 * x",
    ]
    text = with_all_it_needs(cells, "Answer")
    assert text == (
        "from torch import nn\n\nSIZE, OTHER = 3, 4\n\n"
        f"class Answer(nn.Module):\n{body}\n\n"
        "def base(x):\n    return 2 * x\n"
    )
    assert with_all_it_needs(cells, "Missing") is None


def test_the_record_survives_garbage_and_keeps_the_best(tmp_path):
    progress_store.add(tmp_path, "Q1", 3.0, 4.0)
    (tmp_path / "progress" / "Q2.json").write_text("{half")
    (tmp_path / "progress" / "Q3.json").write_text('["a list"]')
    assert progress_store.add(tmp_path, "Q1", 1.0, 4.0).score == 3.0
    assert progress_store.add(tmp_path, "Q2", 1.0, 4.0).tries == 1
    assert set(progress_store.read(tmp_path)) == {"Q1", "Q2"}


def test_the_map_of_a_new_student(monkeypatch, tmp_path, course):
    monkeypatch.setenv("VITLAB_WORK", str(tmp_path / "nothing yet"))
    seen = progress()
    assert [one.id for one in seen.lessons] == [one.id for one in course.lessons]
    assert seen.done == 0
    shown = [step for one in seen.lessons for step in one.steps]
    assert {step.question for step in shown} == set(expectations.every_question())
    answers = [cell for one in course.lessons for cell in read_source(course.source(one.id)).of("answer")]
    optional = [cell.question for cell in answers if cell.kind_of_question == "stretch"]
    assert optional == [step.question for step in shown if step.kind == "optional"]
    assert seen.questions == len(shown) - len(optional)
    assert "Next: Q" in repr(seen)
    assert not (tmp_path / "nothing yet").exists()


def _lessons_that_build_on_others():
    course = load_course(ROOT)
    return [one.id for one in course.lessons if "built(" in course.source(one.id).read_text("utf-8")]


@pytest.mark.parametrize("lesson", _lessons_that_build_on_others())
def test_a_solution_passes_on_stand_ins_as_well(lesson, course, monkeypatch):
    """As when a class is graded: the expected arrays may not depend on whose parts a lesson was built with."""
    monkeypatch.setenv("VITLAB_BUILT", "stand-ins")
    monkeypatch.setattr(reference_module, "_load", reference_module._load.__wrapped__)  # not what is cached already
    reference = load_reference(course.source(lesson), course.bank(lesson))
    for question, answer in reference.answers.items():
        result = check(question, answer)
        assert result.passed, result.text
