"""`vitlab demo`: what it says about the class, and the class graded for real."""

from __future__ import annotations

import ast
import os

import nbformat
import pytest

from grading.course import CourseError, load_course
from grading.demo import make_class, show
from grading.demo.classroom import FULL, SEATS, SOME, ZERO, came_out
from grading.demo.lesson_kit import make_kit
from grading.engine.grade import grade
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.judging.cells_to_run import role_of
from grading.lesson_source.source import read_source
from tests.conftest import ROOT
from tests.demo_lesson import LESSON, tiny_course


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return tiny_course(tmp_path_factory.mktemp("course"))


def outcome(student, score, *, written=None):
    questions = (QuestionOutcome("Q1", "add", score, 4.0, "correct" if score == 4 else "wrong"),)
    questions += (QuestionOutcome("W1", "Written", written, 2.0, "needs grading"),)
    return SubmissionOutcome(student, LESSON, "graded", questions=questions)


@pytest.mark.parametrize(("score", "word"), [(4.0, FULL), (0.5, SOME), (0.0, ZERO)])
def test_what_came_out_leaves_written_questions_aside(score, word):
    assert came_out(outcome("ada", score), ["W1"]) == word
    assert came_out(outcome("ada", score, written=1.0), ["W1"]) == word


def test_the_demo_says_who_came_out_otherwise_and_prints_the_report_last(tiny, tmp_path, monkeypatch, capsys):
    due = {FULL: 4.0, SOME: 1.0, ZERO: 0.0}
    graded = [outcome(seat.student, due[seat.expected]) for seat in SEATS if seat.student != "lars"]
    graded = [outcome("yara", 4.0) if o.student == "yara" else o for o in graded]
    monkeypatch.setattr(show, "grade", lambda *_, **__: graded)
    monkeypatch.setattr(show, "build_if_stale", lambda *_: [])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(show.Unexpected, match="2 did not come out as expected"):
        show.run_demo(tiny, tmp_path / "out")
    printed = capsys.readouterr().out
    path = tmp_path / "out" / "report.html"
    assert printed.rstrip().splitlines()[-1] == str(path)
    assert "<title>" in path.read_text("utf-8")
    assert f"2 of {len(SEATS)} did not come out as expected" in printed
    assert "yara (forged score: a check of its own that says full marks): due zero, got full" in printed
    assert "lars (untouched): not graded at all" in printed


def test_the_demo_replaces_its_own_folder_and_no_other(tiny, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(show, "grade", lambda *_, **__: [])
    monkeypatch.setattr(show, "build_if_stale", lambda *_: ["a notebook differs from its source"])
    monkeypatch.setattr(show, "print_table", lambda *_: 0)
    show.run_demo(tiny, tmp_path / "out")
    (tmp_path / "out" / "old").touch()
    show.run_demo(tiny, tmp_path / "out")
    assert f"Built {LESSON} anew: a notebook differs" in capsys.readouterr().out, "and no other lesson"
    assert not (tmp_path / "out" / "old").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(CourseError, match="no demo wrote"):
        show.run_demo(tiny, tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


def built():
    course = load_course(ROOT)
    return [lesson.id for lesson in course.lessons if course.student_notebook(lesson.id).exists()]


@pytest.mark.parametrize("lesson", built())
def test_a_class_can_be_made_of_each_lesson(course, tmp_path, lesson):
    kit = make_kit(course, lesson)
    for member in make_class(course, tmp_path, [lesson]):
        if member.kind in ("right", "another style", "one mistake", "half done"):
            found = nbformat.read(member.paths[0], as_version=4)
            for cell in (c for c in found.cells if role_of(c) == "answer"):
                defined = {getattr(node, "name", "") for node in ast.parse(cell.source).body}
                if not defined and member.kind == "half done":
                    continue  # a blank page that was left blank
                assert kit.name(cell.metadata["vitlab"]["question"]) in defined


def test_graded_for_real_every_kind_comes_out_as_expected(course, tmp_path):
    """The whole path, on one lesson: intake, sandbox, judge, gradebook, feedback."""
    lesson = built()[0]
    members = make_class(course, tmp_path / "submitted", [lesson])
    quick = course.model_copy(update={"limits": course.limits.model_copy(update={"cell_seconds": 12})})
    outcomes = grade(
        quick, [lesson], submissions=tmp_path / "submitted", out=tmp_path, jobs=os.cpu_count() or 1, seed=show.SEED
    )
    written = [cell.question for cell in read_source(course.source(lesson)).of("written")]
    found = {o.student: (came_out(o, written), o.status, o.reason) for o in outcomes}
    surprises = {m.student: (m.kind, m.expected, found.get(m.student)) for m in members}
    assert {k: v for k, v in surprises.items() if v[2] is None or v[1] != v[2][0]} == {}
    statuses = {m.kind: found[m.student][1] for m in members}
    assert statuses["unreadable"] == "unreadable"
    assert statuses["endless loop"] == "timeout"
    assert statuses["exits"] == "died"
    assert statuses["output bomb"] == "output_limit"
    for o in outcomes:
        assert not o.feedback or (tmp_path / o.feedback).is_file()
