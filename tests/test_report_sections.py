"""The report's further sections: leaderboard, hand-ins over time, likenesses, lessons side by side, no names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from grading.cli import app
from grading.course import CourseError
from grading.engine.journal import Journal
from grading.engine.keys import content_of
from grading.engine.not_graded_yet import not_graded_yet
from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.report import report_of, tally
from grading.report.attempts import tally_attempts
from grading.report.compared import compare
from grading.report.leaderboard import leaderboards
from grading.similarity import Alike, Group
from tests.chromium import found_by
from tests.classroom import filled, hand_in
from tests.conftest import ROOT
from tests.test_report import HOSTILE, LESSON, a_class, answer, submission, written
from tests.test_similarity import ODD


def measured(student: str, accuracy: float, lesson: str = LESSON) -> SubmissionOutcome:
    question = QuestionOutcome("QL", "Open task", 1.0, 4.0, "partial", measure=accuracy)
    return submission(student, question, lesson=lesson)


def test_the_leaderboard_has_the_largest_first_and_equals_share_a_rank(tmp_path: Path) -> None:
    accuracies = {"ada": 0.81, "bo": 0.93, "chidi": 0.81, "dana": 0.5, "emil": float("nan")}
    outcomes = [measured(name, accuracy) for name, accuracy in accuracies.items()]
    board = leaderboards(outcomes)[0]
    assert [(r.place, r.who.name) for r in board.ranks] == [(1, "bo"), (2, "ada"), (2, "chidi"), (4, "dana")]
    text = written(outcomes, tmp_path)[1].text["leaderboard"]
    assert "1bo93.0 %" in text.replace(" ", "").replace("%", " %")
    assert "leaderboard" not in written(a_class(), tmp_path)[1].text, "a class without an open task has none"


def attempts_of(*shares: float, student: str = "ada", **more) -> dict:
    first = [
        submission(student, answer("Q1", 4 * share, "correct" if share == 1 else "partial"), content=str(n), **more)
        for n, share in enumerate(shares)
    ]
    return {(student, LESSON): first}


def test_who_handed_in_again_is_shown_with_first_and_last_score(tmp_path: Path) -> None:
    attempts = attempts_of(0.25, 0.5, 1, handed_in="2027-01-15T10:00:00+00:00") | attempts_of(1, 0, student="bo")
    attempts |= attempts_of(0.5, student="chidi")
    told = tally_attempts(attempts)
    assert told.by_count == ((1, 1), (2, 1), (3, 1))
    assert (told.rose, told.fell, told.mean_change) == (1, 1, -0.125)
    assert [part[2] for part in told.bars[0].parts] == [1, 0, 1, 0]
    assert [part[2] for part in told.bars[1].parts] == [1, 0, 0, 1]
    _, page = written([o[-1] for o in attempts.values()], tmp_path, attempts=attempts)
    text = page.text["again"]
    assert "1 came once, 1 came twice, 1 came three times" in text
    assert re.search(r"ada 3 ?1 → 2 → 4 ?\+75 % ?2027-01-15 10:00", text)
    assert "again" not in written(a_class(), tmp_path)[1].text


def test_a_written_question_that_nobody_had_read_the_first_time_changes_no_score() -> None:
    q = answer("Q1", 2.0, "partial")
    first = submission("ada", q, answer("W1", None, "needs grading"), content="1")
    last = submission("ada", q, answer("W1", 4.0, "graded by hand"), content="2")
    assert tally_attempts({("ada", LESSON): [first, last]}).again[0].change == 0


def test_near_identical_answers_come_with_a_caution_and_as_text(tmp_path: Path) -> None:
    tie = Alike(LESSON, "Q1", (HOSTILE, "bo"), 0.91, 30.0, (HOSTILE, "x = 1"))
    html, page = written(a_class(), tmp_path, groups=[Group((HOSTILE, "bo"), (tie,))])
    text = page.text["alike"]
    assert "no proof" in text
    assert "91 % the same" in text
    assert "<script>alert" not in html
    assert "x = 1" in text
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "alike" not in written(a_class(), tmp_path)[1].text


def test_with_several_lessons_each_student_has_a_line_over_all_of_them(tmp_path: Path) -> None:
    outcomes = [*a_class(), submission("ada", answer("Q1", 2.0, "partial"), lesson="01_patches")]
    rows = {row.name: row for row in tally.overview(outcomes, ["01_patches", LESSON])}
    assert rows["ada"].shares == (0.5, 1.0)
    assert rows["bo"].shares == (None, 0.25)
    text = written(outcomes, tmp_path)[1].text
    assert "ada 50 % 100 %" in text["students"].replace("%", " %").replace("  ", " ")
    assert re.search(r"01_patches ?1 ?50 %", text["questions"])


def test_suspicious_submissions_are_told_by_student_with_all_reasons(tmp_path: Path) -> None:
    many = submission("zoe", answer("Q1", 0.0, "wrong"), suspicious=tuple(f"reason {n}" for n in range(9)))
    text = written([*a_class(), many], tmp_path)[1].text["attention"]
    assert "9 zoe reason 0" in text
    assert "reason 5" in text
    assert "and 3 more" in text


def test_time_in_line_is_apart_from_the_work(tmp_path: Path) -> None:
    outcome = submission("ada", answer("Q1", 4.0, "correct"), seconds={"queue": 30.0, "intake": 1.0, "cells": 2.0})
    text = written([outcome], tmp_path)[1].text["time"]
    assert "standing in line 30" in text
    assert "all but the line 3.00" in text


def test_the_anonymous_page_names_nobody(tmp_path: Path) -> None:
    names = {o.student: f"zq{n}x" for n, o in enumerate(a_class())}
    outcomes = [
        submission(
            names[o.student], *o.questions, status=o.status, notes=(f"several files of {names[o.student]}",),
            suspicious=(f"{names[o.student]} again",), reason=f"{names[o.student]} broke off", seconds={"cells": 1.0},
        )
        for o in a_class()
    ]  # fmt: skip
    outcomes.append(measured("zq99x", 0.7))
    a, b = list(names.values())[:2]
    attempts = attempts_of(0.5, 1, student=a)
    groups = [Group((a, b), (Alike(LESSON, "Q1", (a, b), 1.0, 30.0, (f"# {a}", "x")),))]
    html, page = written(outcomes, tmp_path, attempts=attempts, groups=groups, anonymous=True)
    assert not re.search(r"zq\d+x", html)
    assert not [href for tag, at in page.tags if tag == "a" and not (href := at["href"]).startswith("#")]
    assert {"questions", "mistakes", "stuck", "again", "leaderboard", "time"} <= page.text.keys()
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {at["href"][1:] for tag, at in page.tags if tag == "a"} <= ids
    assert "70.0 %" in page.text["leaderboard"]


@pytest.mark.parametrize("anonymous", [False, True])
def test_the_page_of_a_folder_holds_everything_that_was_kept_there(tmp_path: Path, course, anonymous: bool) -> None:
    journal = Journal(tmp_path)
    for n in range(20):
        student = f"s{n:02d}"
        text = ODD if n in (3, 7) else f"def getPositionEncoding(seq_len, d, n=10000):\n    return seq_len + {n % 4}\n"
        hand_in(tmp_path / "autograded", student, LESSON, filled(course, LESSON, {"Q1": text}))
        journal.add(submission(student, answer("Q1", 2.0, "partial"), content="first"))
    journal.add(submission("s03", answer("Q1", 4.0, "correct"), content="second"))
    path = report_of(tmp_path, course, title="ViT Lab", anonymous=anonymous)
    html = path.read_text("utf-8")
    assert path.name == ("report-anonymous.html" if anonymous else "report.html")
    assert 'id="again"' in html
    assert ('id="alike"' in html) is not anonymous
    assert ("s03, s07" in html) is not anonymous


def test_an_autograded_notebook_that_is_gone_or_broken_stops_no_page(tmp_path: Path, course) -> None:
    for student, text in (("ada", "{"), ("bo", "[]"), ("cy", '{"cells": [1, {"metadata": 3}]}'), ("dana", None)):
        Journal(tmp_path).add(submission(student, answer("Q1", 2.0, "partial")))
        if text:
            hand_in(tmp_path / "autograded", student, LESSON, text.encode())
    assert report_of(tmp_path, course, title="ViT Lab").exists()


def test_the_command_writes_the_page_and_says_where_it_is(tmp_path: Path) -> None:
    command = ["report", "--out", str(tmp_path), "--course", str(ROOT)]
    with pytest.raises(CourseError, match="run `vitlab grade"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    Journal(tmp_path).add(submission("ada", answer("Q1", 2.0, "partial")))
    for more, name in (([], "report.html"), (["--anonymous"], "report-anonymous.html")):
        assert CliRunner().invoke(app, [*command, *more]).output.strip() == str(tmp_path / name)
        assert ("ada" in (tmp_path / name).read_text("utf-8")) is not bool(more)


@pytest.mark.browser
def test_tables_sort_by_their_heads_which_are_buttons(tmp_path: Path) -> None:
    written(a_class(), tmp_path)
    script = """
      const table = document.querySelector("table.chips"), heads = [...table.tHead.rows[0].cells];
      const column = n => [...table.tBodies[0].rows].map(row => row.cells[n].textContent);
      const share = heads.findIndex(head => head.textContent === "Share");
      found = [];
      for (const n of [share, share, 0]) {
        const button = heads[n].querySelector("button");
        button.focus();
        button.click();
        found.push([column(n), heads.map(head => head.getAttribute("aria-sort")), document.activeElement === button]);
      }
    """
    up, down, names = found_by(script, tmp_path / "report.html", tmp_path)
    shares = [float(text.removesuffix(" %")) for text in up[0]]
    assert shares == sorted(shares)
    assert [float(text.removesuffix(" %")) for text in down[0]] == sorted(shares, reverse=True)
    assert names[0] == sorted(names[0])
    for _, sorts, focused in (up, down, names):
        assert len([s for s in sorts if s]) == 1
        assert focused
    assert "descending" in down[1]
    assert "ascending" in up[1]


def test_lessons_are_compared_by_those_who_handed_in_both(tmp_path: Path) -> None:
    first, second = "01_patches", LESSON

    def of(student: str, share: float, lesson: str, **more: object) -> SubmissionOutcome:
        return submission(student, answer("Q1", 4 * share, "partial"), lesson=lesson, **more)

    outcomes = [
        of("ada", 0.5, first), of("bo", 1.0, first), of("cy", 0.0, first), of("eve", 1.0, first),
        of("ada", 0.75, second), of("bo", 0.5, second), of("dan", 0.0, second), of("eve", 0.0, second, excused=True),
    ]  # fmt: skip
    found = compare(outcomes, [first, second])
    (step,) = found.steps
    assert (step.both, step.before, step.now, step.change) == (2, 0.75, 0.625, -0.125)
    assert (step.new, step.gone) == (1, 1), "dan is new, cy stayed away, and eve is excused"
    assert [(who.name, who.detail) for who in found.fell] == [("bo", "100\u00a0% → 50\u00a0%")]
    assert [who.name for who in found.away] == ["cy"], "who is excused did not stay away"
    assert compare(outcomes, [first]).steps == ()
    html, page = written(outcomes, tmp_path)
    assert 'id="compared"' in html
    assert "bo (100 % → 50 %)" in page.text["questions"]
    assert "Handed in 01 and not 02, 1: cy" in page.text["questions"]
    anonymous, _ = written(outcomes, tmp_path, anonymous=True)
    assert 'id="compared"' in anonymous
    assert not re.search(r"\b(ada|bo|cy|dan|eve)\b", anonymous)


def test_what_was_collected_and_not_graded_since_stands_at_the_top(tmp_path: Path, course) -> None:
    folder = tmp_path / "submitted"
    graded = hand_in(folder, "ada", LESSON, b"{}")
    journal = Journal(tmp_path)
    done = submission("ada", answer("Q1", 2.0, "partial"), content=content_of(graded), source=str(graded))
    journal.add(done)
    assert not_graded_yet(course, tmp_path) == []
    graded.write_bytes(b'{"new": 1}')
    hand_in(folder, "bo", LESSON, b"{}")
    assert [one.student for one in not_graded_yet(course, tmp_path)] == ["ada", "bo"]
    assert not_graded_yet(course, tmp_path, ["01_patches"]) == []
    html = report_of(tmp_path, course, title="ViT Lab").read_text("utf-8")
    assert "2 hand-ins were collected and are not graded yet: ada, bo." in html
    assert f"<code>vitlab grade {LESSON}</code>" in html
