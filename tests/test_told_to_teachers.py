"""What a teacher must not have to find out alone: slips, absences, files that count as zero, what does not count."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from grading.course import Course
from grading.engine.current import as_it_counts
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.engine.summary import above, note, print_summary
from grading.extensions import Extensions
from grading.intake.record import Record
from grading.lms.export import export
from grading.lms.scores import Score
from grading.lms.student_data import forget
from grading.nbgrader_plugin.hand_scores import HandScore
from grading.nbgrader_plugin.stored_grades import CellGrade, StoredGrades
from grading.report import tally
from grading.report.attempts import tally_attempts
from grading.report.page import write_report

LESSON = "02_positional_encoding"


def outcome(*questions: QuestionOutcome, student: str = "ada") -> SubmissionOutcome:
    return SubmissionOutcome(student, LESSON, "graded", "", questions)


SOLVED = QuestionOutcome("Q1", "", 4.0, 4.0, "correct")
SLIP = QuestionOutcome("W1a", "", 9.0, 2.0, "needs grading", by_hand=True)
EXTRA = QuestionOutcome("W1b", "", 2.5, 2.0, "needs grading", by_hand=True, extra=0.5)
OPTIONAL = QuestionOutcome("Q0c", "", 0.0, 5.0, "not started", worth="none")


def test_a_score_above_its_points_is_named_and_extra_credit_is_not():
    assert above(outcome(SOLVED, SLIP, EXTRA)) == ["W1a has 9 of 2 points"]
    [row] = tally.tally_lesson(LESSON, "", [outcome(SOLVED, SLIP)]).rows
    assert "W1a has 9 of 2 points" in row.flags
    stored = StoredGrades(
        {"W1a": CellGrade(9, 2, manual=9), "W1b": CellGrade(2.5, 2, manual=2, extra=0.5), "Q0c-check": CellGrade(1, 0)}
    )
    assert list(stored.above) == ["W1a"]


def test_an_export_warns_of_scores_above_their_points_and_counts_what_it_lists(course: Course, tmp_path: Path):
    scores = {
        LESSON: {
            "ada": Score(13, 11, above=("W1a has 9 of 2 points",)),
            "bob": Score(0, 11, waits=True),
            "eve": Score(0, 11, waits=True, excused=True),
            "fin": Score(0, 11),
        }
    }
    records = {LESSON: {"fin": Record(chosen="")}}
    done = export(course, scores, tmp_path / "o.csv", form="csv", records=records, extensions=Extensions())
    assert any(note.startswith("ada: W1a has 9 of 2 points in 02_positional_encoding") for note in done.warnings)
    assert "1 with ungraded written answers" in done.summary
    assert sum("has ungraded written answers" in note for note in done.notes) == 1
    assert "1 file that could not be graded" in done.summary
    assert any(note.startswith("fin: nothing of the hand-in") for note in done.notes)


def test_optional_questions_are_no_part_of_the_sum_and_stop_nobody(tmp_path: Path):
    lesson = tally.tally_lesson(LESSON, "", [outcome(SOLVED, OPTIONAL)])
    assert sum(question.counted for question in lesson.questions) == 4
    assert (lesson.solved, lesson.stuck) == (1, ())
    page = write_report([outcome(SOLVED, OPTIONAL)], tmp_path / "report.html", title="t").read_text("utf-8")
    assert "Sum<small>of 4</small>" in page
    assert "Q0c<small>optional</small>" in page
    out = io.StringIO()
    print_summary([outcome(SOLVED, OPTIONAL)], tmp_path, Console(file=out, width=200, color_system=None))
    assert "(0/5)" in out.getvalue()
    assert "( ) optional" in out.getvalue()


def test_the_report_names_who_handed_in_nothing(tmp_path: Path):
    page = write_report(
        [outcome(SOLVED)], tmp_path / "report.html", title="t", absent=["02: 1 of 2 handed in nothing: bo"]
    )
    assert "<li>02: 1 of 2 handed in nothing: bo</li>" in page.read_text("utf-8")
    assert "handed in nothing" not in write_report([outcome(SOLVED)], page, title="t").read_text("utf-8")


@pytest.mark.parametrize("name", ["tidy.csv", "grades-canvas.csv", "my own.csv", "return-moodle", "backup.zip"])
def test_forgetting_a_student_names_every_file_that_may_still_hold_them(course: Course, tmp_path: Path, name: str):
    mine = course.model_copy(update={"root": tmp_path})
    out = tmp_path / "course_data"
    (out / "submitted" / "ada" / LESSON).mkdir(parents=True)
    (out / name).write_text("ada")
    (tmp_path / "shares").mkdir()
    (tmp_path / "shares" / "tutor.zip").touch()
    left = forget(mine, "ada", out, None).left
    assert str(out / name) in left
    assert str(tmp_path / "shares" / "tutor.zip") in left


def test_full_scores_are_of_those_whose_answers_were_all_read(tmp_path: Path):
    unread = QuestionOutcome("W1b", "", None, 2.0, "needs grading")
    outcomes = [outcome(SOLVED, unread), outcome(SOLVED, student="bo")]
    assert tally.tally_lesson(LESSON, "", outcomes).full == 1
    page = write_report(outcomes, tmp_path / "report.html", title="t").read_text("utf-8")
    assert "<dt>with full score</dt><dd>1</dd>" in page
    assert "mean score, unread answers aside" in page


def test_an_optional_question_does_not_count_as_progress():
    solved = replace(OPTIONAL, score=5.0, status="correct")
    one = outcome(SOLVED, OPTIONAL), outcome(SOLVED, solved)
    [again] = tally_attempts({("ada", LESSON): one}).again
    assert (again.change, again.scores) == (0.0, ("4", "4"))


def test_a_new_answer_after_one_that_was_read_says_what_that_one_had(tmp_path: Path):
    judged = outcome(SOLVED, QuestionOutcome("W1a", "", None, 2.0, "needs grading"))
    cells = {"Q1-check": CellGrade(4, 4, auto=4), "W1a": CellGrade(0, 2, waits=True)}
    before = {"W1a": (HandScore("another answer", score=1.5, comment="good"),)}
    now = as_it_counts(judged, StoredGrades(cells, earlier=before))
    assert [q.earlier for q in now.questions] == [None, 1.5]
    assert note(now) == "a new answer to W1a, whose earlier one had 1.5"
    [group] = tally.waiting([now])
    assert "a new answer after one that was scored by hand" in group.text
    assert group.who[0].detail == "1.5 before"
    assert tally.tally_lesson(LESSON, "", [now]).rows[0].flags == ("new answer",)
    first = as_it_counts(judged, StoredGrades(cells))
    assert note(first) == ""
    assert tally.tally_lesson(LESSON, "", [first]).rows[0].flags == ()
    read = as_it_counts(judged, StoredGrades(cells | {"W1a": CellGrade(1, 2, manual=1)}, earlier=before))
    assert [q.earlier for q in read.questions] == [None, None], "it has been read"
