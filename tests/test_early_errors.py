"""A wrong argument is refused before anything slow begins and before anything is written."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from grading import cli
from grading.course import CourseError
from grading.engine import executors
from grading.intake.find_submissions import FindError
from grading.lesson_builder import course_map


@pytest.fixture
def nothing_slow(monkeypatch):
    def fail(*_args: object, **_kwargs: object) -> None:
        pytest.fail("it began before the arguments were looked at")

    monkeypatch.setattr(executors, "start_zygote_early", fail)
    monkeypatch.setattr(course_map, "write_course_map", fail)


def refused(*arguments: str) -> Exception:
    result = CliRunner().invoke(cli.app, list(arguments))
    assert isinstance(result.exception, Exception), result.output
    return result.exception


def test_a_lesson_that_is_not_there(nothing_slow):
    for command in ("grade", "build"):
        error = refused(command, "99")
        assert isinstance(error, CourseError)
        assert "no lesson '99' in course.toml; it lists 00_why_transformers" in str(error)


def test_a_place_for_a_new_course_that_is_taken(tmp_path):
    (tmp_path / "thesis.txt").touch()
    for target in ("/", str(tmp_path)):
        error = refused("init", target, "--lesson", "02")
        assert isinstance(error, CourseError)
        assert "is there already; give a folder that doesn't exist yet" in str(error)


def test_a_folder_of_submissions_that_is_not_there(nothing_slow, tmp_path):
    error = refused("grade", "01", "--submissions", str(tmp_path / "nothing"))
    assert isinstance(error, FindError)
    assert "nothing is not there; expected a folder of submissions" in str(error)
    (tmp_path / "a file").touch()
    assert "is a file; expected a folder" in str(refused("grade", "01", "--submissions", str(tmp_path / "a file")))
