"""`vitlab init`: a whole course, with its own name, and nothing of anybody's data."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest
from typer.testing import CliRunner

from grading.cli import app
from grading.course import CourseError, load_course
from grading.new_course import make_course


@pytest.fixture(scope="module")
def made(tmp_path_factory, course):
    target = tmp_path_factory.mktemp("courses") / "spring"
    lessons = ["02_positional_encoding", "03_patch_embedding"]
    return make_course(course, target, course_id="spring", title="Vision, spring", lessons=lessons)


def test_it_has_the_lessons_asked_for_and_no_others(made):
    loaded = load_course(made)
    assert loaded.course.id == "spring"
    assert loaded.course.title == "Vision, spring"
    assert [one.id for one in loaded.lessons] == ["02_positional_encoding", "03_patch_embedding"]
    for folder in ("solutions", "notebooks"):
        assert sorted(p.name for p in (made / folder).iterdir() if p.is_dir()) == [one.id for one in loaded.lessons]
    assert not list(made.rglob("__pycache__"))
    assert not (made / "course_data").exists()


def test_a_lesson_may_be_called_by_its_number(made):
    assert load_course(made).lesson("03").id == "03_patch_embedding"
    for wrong in ("3", "0", "", "03_"):
        with pytest.raises(CourseError, match="no lesson"):
            load_course(made).lesson(wrong)


def test_its_own_tools_work_in_it(made):
    """Run by the copy's own code, as after `make` there: what it builds is what was copied, the course map aside."""
    environment = {**os.environ, "PYTHONPATH": str(made)}

    def vitlab(*arguments):
        command = [sys.executable, "-m", "grading", *arguments]
        return subprocess.run(command, cwd=made, env=environment, capture_output=True, text=True, check=True).stdout

    vitlab("build", "03_patch_embedding")
    vitlab("build", "--check", "03_patch_embedding")
    vitlab("bundle")
    assert zipfile.ZipFile(made / "vitlab-students.zip").namelist()[0].startswith("spring/")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"course_id": "a b"}, "a course id has letters"),
        ({"title": 'say "hi"'}, "without quotation marks"),
        ({"lessons": ["77_none"]}, "no lesson '77_none'"),
    ],
)
def test_what_makes_no_course_is_refused_and_leaves_nothing(tmp_path, course, change, says):
    with pytest.raises(CourseError, match=says):
        make_course(course, tmp_path / "new", **{"course_id": "x", "title": "X", **change})
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, course):
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(CourseError, match="is there already"):
        make_course(course, tmp_path, course_id="x", title="X")
    with pytest.raises(CourseError, match="lies inside the course"):
        make_course(course, course.root / "inner", course_id="x", title="X")
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_the_command(tmp_path):
    target = tmp_path / "autumn"
    result = CliRunner().invoke(app, ["init", str(target), "--title", "Autumn", "--lesson", "01_patches"])
    assert result.exit_code == 0, result.output
    assert load_course(target).course.id == "autumn"
    assert (target / "roster.csv").read_text().startswith("id,first_name")
