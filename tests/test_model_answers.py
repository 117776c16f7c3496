"""Feedback pages show rubric, model answer and a half-right sample of written questions; nothing else shows them."""

from __future__ import annotations

import re
import zipfile
from html import unescape
from pathlib import Path

import nbformat
import pytest
from traitlets.config import Config

from grading.bundle import make_bundle
from grading.course import Course, load_course
from grading.engine.feedback import FeedbackWriter
from grading.engine.keys import mark_of
from grading.intake.find_submissions import Submission
from grading.judging.cells_to_run import role_of
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.model_answers import model_answers_of, released_with_feedback, with_model_answers
from grading.nbgrader_plugin.rubrics import rubrics_of, with_rubrics
from grading.nbgrader_plugin.stored_grades import StoredGrades
from tests.classroom import released
from tests.conftest import ROOT

LESSON = "01_patches"
LESSONS = [lesson.id for lesson in load_course(ROOT).lessons]


def telling(text: str) -> str:
    """A stretch of plain words that nothing else says."""
    line = max(text.splitlines(), key=len)
    return max("".join(c if c.isalnum() or c in " ," else "\n" for c in line).splitlines(), key=len).strip()


def in_plain_words(text: str) -> str:
    return " ".join(unescape(text).split())


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_written_question_has_rubric_answer_and_sample_with_its_points(course: Course, lesson: str) -> None:
    found = model_answers_of(course.source(lesson))
    assert found.keys() == rubrics_of(course.source(lesson)).keys()
    assert found
    for question, one in found.items():
        assert one.rubric.startswith(f"**{question}"), question
        assert len(one.answer.split()) > 30, question
        assert re.search(r" points?\.$|^\*A half-right sample \([\d½]+ of \d\)", one.sample), (question, "its points")


def test_a_page_shows_them_after_the_answer(course: Course, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    FeedbackWriter(configure(Config(), course.root, tmp_path)).write(
        "ada", LESSON, released(course, LESSON), page, StoredGrades({})
    )
    text = in_plain_words(page.read_text("utf-8"))
    for question, one in model_answers_of(course.source(LESSON)).items():
        at = [text.index(f"Your answer to {question}")]
        at += [text.index(telling(part), at[0]) for part in (one.rubric, one.answer, one.sample)]
        assert at == sorted(at), question


def test_a_course_may_keep_them(tmp_path: Path, course: Course) -> None:
    assert released_with_feedback(str(course.root), LESSON)
    text = (ROOT / "course.toml").read_text("utf-8").replace("model_answers = true ", "model_answers = false")
    (tmp_path / "course.toml").write_text(text)
    (tmp_path / "solutions").symlink_to(ROOT / "solutions")
    assert load_course(tmp_path).source(LESSON).is_file()
    assert released_with_feedback(str(tmp_path), LESSON) == {}


def test_the_bundle_holds_neither(course: Course, tmp_path: Path) -> None:
    with zipfile.ZipFile(make_bundle(course, tmp_path / "students.zip")) as archive:
        shipped = {
            name: in_plain_words(archive.read(name).decode().replace("\\n", " ").replace('\\"', '"'))
            for name in archive.namelist()
            if name.endswith((".ipynb", ".py", ".md", ".toml", ".txt", ".html", ".json"))
        }
    for lesson in LESSONS:
        for question, one in model_answers_of(course.source(lesson)).items():
            for part in (one.answer, one.sample):
                assert not [name for name, text in shipped.items() if telling(part) in text], (lesson, question)


def test_graders_see_the_rubric_with_its_sample_as_before_and_no_second_time(course: Course) -> None:
    notebook = released(course, LESSON)
    graders = with_rubrics(notebook, rubrics_of(course.source(LESSON)))
    assert "A half-right sample" in nbformat.writes(graders)
    assert [role_of(cell) for cell in graders.cells].count("rubric") == 2
    assert not [cell for cell in graders.cells if role_of(cell) == "model answer"]
    shown = with_model_answers(notebook.cells, model_answers_of(course.source(LESSON)))
    assert len(shown) == len(notebook.cells) + 2
    assert not [cell for cell in notebook.cells if role_of(cell) == "model answer"], "the notebook stays as it was"


def test_switching_them_off_has_pages_written_anew(course: Course) -> None:
    settings = course.course.model_copy(update={"model_answers": False})
    without = course.model_copy(update={"course": settings})
    submission = Submission("ada", LESSON, None)
    assert mark_of("k", submission, course, "db") != mark_of("k", submission, without, "db")
