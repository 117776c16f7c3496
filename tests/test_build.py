"""What is built: only what is out of date, without warnings of anybody's wrong code."""

from __future__ import annotations

import warnings

import pytest

from grading.judging.bank import load_bank
from grading.lesson_builder import lesson as builder
from grading.lesson_builder.lesson import build_if_stale


@pytest.mark.parametrize(("problems", "built"), [([], []), (["01.ipynb is missing"], ["01_patches"])])
def test_a_lesson_is_built_only_if_it_differs_from_its_source(course, monkeypatch, problems, built) -> None:
    done: list[str] = []
    monkeypatch.setattr(builder, "drift", lambda course, lesson: problems)
    monkeypatch.setattr(builder, "build_lesson", lambda course, lesson: done.append(lesson))
    assert build_if_stale(course, "01_patches") == problems
    assert done == built


def test_a_bank_whose_wrong_answers_are_odd_python_gives_no_warning(tmp_path) -> None:
    path = tmp_path / "mistakes.py"
    path.write_text(
        "import warnings\nfrom grading.judging.bank import mistake\nwarnings.warn('of a module')\n"
        "@mistake('Q1', hint='h')\ndef odd(a):\n    assert (a, 'always true')\n    return a is 3\n"
    )
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        assert [entry.name for entry in load_bank(path).mistakes] == ["odd"]
    assert found == []
