"""The page on which JupyterLab opens: what course.toml says, nothing done, ways to every lesson."""

from __future__ import annotations

import nbformat
import pytest

from grading.course import load_course
from grading.lesson_builder.start_page import start_page, start_page_drift, write_start_page
from helpers.course_map import progress
from helpers.portfolio import progress_store
from tests.conftest import ROOT


def test_it_shows_every_lesson_with_its_minutes_before_anything_runs(course) -> None:
    page = start_page(course)
    nbformat.validate(page)
    [output] = page.cells[1].outputs
    for lesson in course.lessons:
        path = f"{lesson.id}/{lesson.id}.ipynb"
        assert f'<a href="{path}">{lesson.id[:2]} · {lesson.title}</a>' in output.data["text/html"]
        assert (course.start_page.parent / path).is_file()
        assert f"{lesson.minutes} min" in output.data["text/plain"]
    assert "0 of" in output.data["text/plain"]
    assert str(ROOT) not in nbformat.writes(page), "nothing of this machine"


def test_the_committed_page_is_the_course_s_and_drift_is_noticed(course, tmp_path) -> None:
    assert start_page_drift(course) == [], "run: vitlab build"
    (tmp_path / "course.toml").write_text((ROOT / "course.toml").read_text("utf-8"), "utf-8")
    other = load_course(tmp_path)
    assert start_page_drift(other) == ["notebooks/start_here.ipynb is missing"]
    write_start_page(other)
    assert start_page_drift(other) == []
    notebook = nbformat.read(other.start_page, as_version=4)
    notebook.cells[1].outputs = []
    nbformat.write(notebook, other.start_page)
    assert start_page_drift(other) == [], "somebody ran it or cleared it: that is no drift"
    notebook.cells[0].source = "mine"
    nbformat.write(notebook, other.start_page)
    assert start_page_drift(other) == ["notebooks/start_here.ipynb differs from course.toml"]


@pytest.mark.parametrize(
    ("where", "way"), [("notebooks", ""), ("notebooks/01_patches", "../"), (".", "notebooks/"), ("/", None)]
)
def test_the_map_leads_to_lessons_from_wherever_it_is_shown(course, monkeypatch, tmp_path, where, way) -> None:
    monkeypatch.setenv("VITLAB_WORK", str(tmp_path))
    monkeypatch.chdir(ROOT / where)
    progress_store.add(tmp_path, "Q0a", 4.0, 4.0)
    shown = progress()._repr_html_()
    path = f"{way}01_patches/01_patches.ipynb"
    assert (f'href="{path}"' in shown) == (way is not None)
    assert 'aria-label="Q0a, Split images into patches: done"' in shown
    assert progress().done == 1
