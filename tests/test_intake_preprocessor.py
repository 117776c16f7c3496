"""The transplant as nbgrader's own `autograde` runs it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.nbgrader_plugin.sanitize_submission import MissingTemplate, Transplant
from tests.test_intake_fixtures import ALL_RIGHT, assert_ours, at, other_released, released, scores, solved, strip

LESSON = "01_numbers"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    for lesson, notebook in ((LESSON, released()), ("02_halves", other_released())):
        (tmp_path / "notebooks" / lesson).mkdir(parents=True)
        nbformat.write(notebook, tmp_path / "notebooks" / lesson / f"{lesson}.ipynb")
    return tmp_path / "notebooks"


def resources(name: str = LESSON) -> dict:
    return {"nbgrader": {"assignment": LESSON, "notebook": name, "student": "ada", "db_url": ""}}


def test_a_stripped_notebook_becomes_ours_with_notes(release: Path) -> None:
    step = Transplant(release_directory=str(release))
    notebook, _ = step.preprocess(strip(solved()), resources())
    notes = notebook.metadata.vitlab.intake
    assert any(note.startswith("W1:") for note in notes)
    assert scores(notebook) == ALL_RIGHT
    del notebook.metadata.vitlab["intake"]
    assert_ours(notebook, released())


def test_the_released_notebook_is_not_changed_by_grading(release: Path) -> None:
    step = Transplant(release_directory=str(release))
    step.preprocess(solved(), resources())
    notebook, _ = step.preprocess(released(), resources())
    assert notebook.metadata.vitlab.intake == []
    assert at(notebook, "Q1").source == at(released(), "Q1").source


def test_another_lessons_notebook_is_recognised(release: Path) -> None:
    other = other_released()
    at(other, "Q3").source = "# Q3: halve\ndef halve(x):\n    return x / 2"
    notebook, _ = Transplant(release_directory=str(release)).preprocess(other, resources())
    assert "lesson 02_halves" in notebook.metadata.vitlab.intake[0]


def test_the_courses_release_directory_is_the_default(release: Path) -> None:
    config = Config(CourseDirectory={"root": str(release.parent), "release_directory": "notebooks"})
    notebook, _ = Transplant(config=config).preprocess(solved(), resources())
    assert scores(notebook) == ALL_RIGHT


def test_a_lesson_that_was_not_built_is_named(release: Path) -> None:
    with pytest.raises(MissingTemplate, match="vitlab build"):
        Transplant(release_directory=str(release)).preprocess(solved(), resources("03_none"))


def test_nbgraders_autograde_runs_it_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stock nbgrader, all its own checks on: what a mangled notebook leaves behind is one it accepts."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # for alembic
    for folder, notebook in ((f"source/{LESSON}", solved()), (f"submitted/ada/{LESSON}", strip(solved()))):
        (tmp_path / folder).mkdir(parents=True)
        nbformat.write(notebook, tmp_path / folder / f"{LESSON}.ipynb")
    config = Config()
    config.CourseDirectory.root = str(tmp_path)
    config.CourseDirectory.db_url = f"sqlite:///{tmp_path}/gradebook.db"
    config.GenerateAssignment.preprocessors = [
        f"nbgrader.preprocessors.{name}" for name in ("LockCells", "ComputeChecksums", "SaveCells", "CheckCellMetadata")
    ]
    config.Autograde.sanitize_preprocessors = [
        "grading.nbgrader_plugin.sanitize_submission.Transplant",
        *(f"nbgrader.preprocessors.{name}" for name in ("DeduplicateIds", "OverwriteCells", "CheckCellMetadata")),
    ]
    config.Autograde.autograde_preprocessors = ["nbgrader.preprocessors.SaveAutoGrades"]
    directory = CourseDirectory(config=config)
    directory.assignment_id = LESSON
    GenerateAssignment(coursedir=directory, config=config).start()
    nbformat.write(released(), tmp_path / "release" / LESSON / f"{LESSON}.ipynb")
    Autograde(coursedir=directory, config=config).start()
    graded = nbformat.read(tmp_path / "autograded" / "ada" / LESSON / f"{LESSON}.ipynb", as_version=4)
    assert scores(graded) == ALL_RIGHT
    assert any(note.startswith("W1:") for note in graded.metadata.vitlab.intake)
