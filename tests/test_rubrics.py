"""Rubrics stand beside the written answers for those who grade; what is for graders only reaches no student."""

from __future__ import annotations

import nbformat
from traitlets.config import Config

from grading.engine.feedback import focused
from grading.judging.cells_to_run import role_of
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.rubrics import HideRubrics, ShowRubrics, rubrics_of, with_rubrics, without_rubrics
from tests.classroom import released
from tests.conftest import ROOT

LESSON = "01_patches"


def test_each_rubric_follows_its_answer_once(course) -> None:
    rubrics = rubrics_of(course.source(LESSON))
    assert set(rubrics) == {"W1a", "W1b"}
    notebook = released(course, LESSON)
    shown = with_rubrics(with_rubrics(notebook, rubrics), rubrics)
    nbformat.validate(shown)
    names = [cell.id for cell in shown.cells]
    for question, rubric in rubrics.items():
        assert names.count(f"{question}-rubric") == 1
        after = shown.cells[names.index(question) + 1]
        assert after.id == f"{question}-rubric"
        assert rubric.splitlines()[0] in after.source
    assert without_rubrics(shown) == notebook, "and the notebook itself is left as it was"


def test_no_feedback_page_has_them(course) -> None:
    shown = with_rubrics(released(course, LESSON), rubrics_of(course.source(LESSON)))
    assert not [cell for cell in focused(without_rubrics(shown)) if role_of(cell) == "rubric"]
    assert not [cell for cell in focused(shown) if role_of(cell) == "rubric"]
    hidden, _ = HideRubrics().preprocess(shown, {})
    assert "For graders only" not in nbformat.writes(hidden)
    config = configure(Config(), ROOT)
    assert config.GenerateFeedback.preprocessors[0] == "grading.nbgrader_plugin.rubrics.HideRubrics"


def test_nbgraders_own_autograde_shows_them_too(course) -> None:
    config = configure(Config(), ROOT)
    assert config.Autograde.autograde_preprocessors[-1] == "grading.nbgrader_plugin.rubrics.ShowRubrics"
    shown, _ = ShowRubrics(config=config).preprocess(released(course, LESSON), {"nbgrader": {"assignment": LESSON}})
    assert [role_of(cell) for cell in shown.cells].count("rubric") == 2
