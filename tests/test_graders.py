"""Several persons at one class: authors and times, requests, shares for tutors, and no score lost between two."""

from __future__ import annotations

from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from grading.cli import app
from grading.course import Course, CourseError
from grading.engine import grade as engine
from grading.engine.current import bring_up_to_date
from grading.graders.share import merge, split
from grading.report import report_of
from tests.classroom import hand_in
from tests.stub_lesson import LESSON, StubExecutor, filled_in, stub_prepare, write_course

STUDENTS = ("ada", "bo", "cy", "dee")


@pytest.fixture
def room(tmp_path: Path, monkeypatch) -> tuple[Course, Path]:
    monkeypatch.setattr(engine, "prepare", stub_prepare)
    course = write_course(tmp_path / "course")
    (course.root / "nbgrader_config.py").write_text("")
    for student in STUDENTS:
        hand_in(tmp_path / "in", student, LESSON, filled_in(course, {"S1": "# 2", "V1": f"{student} thinks so."}))
    hand_in(tmp_path / "in", "zed", LESSON, b"no notebook")
    grade_again(course, tmp_path)
    return course, tmp_path


def grade_again(course: Course, folder: Path) -> None:
    engine.grade(
        course, [LESSON], submissions=folder / "in", out=folder / "out", sandbox="none", executor=StubExecutor()
    )


def give(database: Path, student: str, score: float, comment: str = "", cell: str = "V1") -> None:
    """As formgrader does."""
    with Gradebook(f"sqlite:///{database}") as gradebook:
        grade = gradebook.find_grade(cell, LESSON, LESSON, student)
        grade.manual_score, grade.needs_manual_grade = score, False
        if comment:
            gradebook.find_comment(cell, LESSON, LESSON, student).manual_comment = comment
        gradebook.db.commit()


def question(course: Course, out: Path, student: str, name: str = "V1"):
    [outcome] = [o for o in bring_up_to_date(course, out) if o.student == student]
    return next(q for q in outcome.questions if q.question == name)


def test_who_gave_a_score_and_when_is_on_record(room, monkeypatch) -> None:
    course, folder = room
    monkeypatch.setenv("VITLAB_GRADER", "tutor one")
    give(folder / "out" / "gradebook.db", "ada", 1.5)
    found = question(course, folder / "out", "ada")
    assert (found.score, found.by_hand, found.author, found.given_at[:2]) == (1.5, True, "tutor one", "20")
    monkeypatch.delenv("VITLAB_GRADER")
    monkeypatch.setenv("JUPYTERHUB_USER", "hub user")
    give(folder / "out" / "gradebook.db", "ada", 2.0)
    assert question(course, folder / "out", "ada").author == "hub user"


def test_an_earlier_comment_stays_beside_the_new_answer_and_counts_again_with_the_old_one(room) -> None:
    course, folder = room
    out = folder / "out"
    give(out / "gradebook.db", "ada", 1.5, "Say why.")
    hand_in(folder / "in", "ada", LESSON, filled_in(course, {"S1": "# 2", "V1": "Now I say why."}))
    grade_again(course, folder)
    new = question(course, out, "ada")
    assert (new.score, new.comment, new.status) == (None, "", "needs grading")
    page = (out / "feedback" / "ada" / LESSON / f"{LESSON}.html").read_text("utf-8")
    assert "On your earlier answer" in page
    assert "Say why." in page
    hand_in(folder / "in", "ada", LESSON, filled_in(course, {"S1": "# 2", "V1": "ada thinks so."}))
    grade_again(course, folder)
    assert (question(course, out, "ada").score, question(course, out, "ada").comment) == (1.5, "Say why.")


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_a_request_stands_in_report_and_page_until_and_after_it_is_closed(room, monkeypatch) -> None:
    course, folder = room
    out = folder / "out"
    where = ["--out", str(out), "--course", str(course.root)]
    run("regrade-request", "add", "01", "ada", "I <b>did</b> say it", "--question", "V1", *where)
    assert "ada, 01_stub V1: I <b>did</b> say it" in run("regrade-request", "list", *where)
    report = report_of(out, course, title="Stub").read_text("utf-8")
    assert "I &lt;b&gt;did&lt;/b&gt; say it" in report
    page = out / "feedback" / "ada" / LESSON / f"{LESSON}.html"
    assert "This request is open." in page.read_text("utf-8")
    monkeypatch.setenv("VITLAB_GRADER", "head")
    run("regrade-request", "close", "1", "You did: 2 of 2.", *where)
    assert "no request is open" in run("regrade-request", "list", *where)
    assert "closed" in run("regrade-request", "list", "--all", *where)
    report = report_of(out, course, title="Stub").read_text("utf-8")
    assert "You did: 2 of 2." in report
    assert "You did: 2 of 2." in page.read_text("utf-8")
    for wrong in (["add", "01", "ada", "x", "--question", "Q9"], ["add", "01", "nobody", "x"], ["close", "1", "y"]):
        assert isinstance(CliRunner().invoke(app, ["regrade-request", *wrong, *where]).exception, CourseError)


def test_a_class_is_shared_and_merged_and_nothing_is_overwritten(room, monkeypatch) -> None:
    course, folder = room
    out = folder / "out"
    give(out / "gradebook.db", "dee", 0.5)
    shares = split(course, LESSON, ["one", "two"], out=out, to=folder / "shares")
    assert [path.name for path in shares] == ["01_stub-one.zip", "01_stub-two.zip"]
    import shutil

    theirs: dict[str, Path] = {}
    for path in shares:
        shutil.unpack_archive(path, folder / path.stem)
        root = folder / path.stem / path.stem
        for autograded in (root / "course_data" / "autograded").iterdir():
            theirs[autograded.name] = root
    assert set(theirs) == {*STUDENTS, "zed"}
    assert len(set(theirs.values())) == 2
    assert theirs["ada"] != theirs["bo"], "what is to be read is shared, not only the students"
    data = {student: root / "course_data" / "gradebook.db" for student, root in theirs.items()}
    with Gradebook(f"sqlite:///{data['dee']}") as gradebook:
        assert gradebook.find_grade("V1", LESSON, LESSON, "dee").score == 0.5, "what was given before is there"
    monkeypatch.setenv("VITLAB_GRADER", "tutor")
    give(data["ada"], "ada", 2.0, "Well said.")
    give(data["bo"], "bo", 1.0)
    give(data["dee"], "dee", 1.5)
    monkeypatch.setenv("VITLAB_GRADER", "head")
    give(out / "gradebook.db", "bo", 0.0, "No.")
    hand_in(folder / "in", "cy", LESSON, filled_in(course, {"S1": "# 2", "V1": "another thought"}))
    give(data["cy"], "cy", 1.0)
    grade_again(course, folder)

    found = [merge(course, root, out=out) for root in sorted(set(theirs.values()))]
    assert sum(one.added for one in found) == 3
    assert sum(one.outdated for one in found) == 1
    [conflict] = [c for one in found for c in one.conflicts]
    assert (conflict.student, conflict.here.score, conflict.theirs.score) == ("bo", 0.0, 1.0)
    scores = {student: question(course, out, student) for student in STUDENTS}
    assert (scores["ada"].score, scores["ada"].author, scores["ada"].comment) == (2.0, "tutor", "Well said.")
    assert (scores["bo"].score, scores["bo"].author) == (0.0, "head")
    assert (scores["dee"].score, scores["cy"].score) == (1.5, None)
    again = [merge(course, root, out=out) for root in sorted(set(theirs.values()))]
    assert sum(one.added for one in again) == 0, "merging twice changes nothing"
    with pytest.raises(CourseError, match="is no share of a class"):
        merge(course, folder / "in", out=out)
