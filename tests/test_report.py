"""The report page: says what the outcomes say, trusts nothing in them, and needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from grading.engine.outcome import QuestionOutcome, SubmissionOutcome
from grading.report import tally, write_report
from grading.report.chart import in_words, question_chart

LESSON = "02_positional_encoding"
TITLES = {"Q1": "Sinusoidal code", "Q1b": "Cosine similarity", "W1": "Written"}
SWAPPED = "Your even columns start at cos(0)."


def answer(question: str, score: float | None, status: str, hint: str = "", known: bool = False) -> QuestionOutcome:
    return QuestionOutcome(question, TITLES[question], score, 4.0, status, hint, known)


def submission(student: str, *questions: QuestionOutcome, **more) -> SubmissionOutcome:
    more.setdefault("feedback", f"feedback/{student}/{LESSON}/{LESSON}.html")
    status = more.pop("status", "graded")
    return SubmissionOutcome(student, more.pop("lesson", LESSON), status, questions=questions, **more)


def a_class() -> list[SubmissionOutcome]:
    correct, waiting = answer("Q1", 4.0, "correct"), answer("W1", None, "needs grading")
    half = answer("Q1b", 2.0, "partial", "Divide by both norms.", True)
    swapped = answer("Q1", 0.0, "wrong", SWAPPED, True)
    blank, nothing = answer("Q1b", 0.0, "not started", "Line 3 is blank"), answer("Q1b", 0.0, "no answer", "stopped")
    seconds = {"intake": 0.01, "cells": 3.0, "tea": 1.0}
    return [
        submission("ada", correct, answer("Q1b", 4.0, "correct"), waiting, seconds=seconds),
        submission("bo", swapped, half, waiting, seconds=seconds | {"cells": 5.0}),
        submission("chidi", swapped, blank, waiting, notes=("metadata was gone",), seconds=seconds | {"cells": 9.0}),
        submission("dana", correct, blank, answer("W1", 0.0, "not started"), notes=("metadata was gone",)),
        submission("emil", answer("Q1", 0.0, "error", "Line 2 raised TypeError: no"), half, waiting),
        submission("fatima", correct, nothing, waiting, status="timeout", reason="cell 7 ran longer than 30 s"),
        submission("goran", correct, half, waiting, suspicious=("two answer records",)),
        submission(
            "hana",
            answer("Q1", 0.0, "no answer", "the file breaks off"),
            answer("Q1b", 0.0, "no answer"),
            answer("W1", 0.0, "no answer"),
            status="unreadable",
            reason="the file breaks off",
            feedback="",
        ),
    ]


class Page(HTMLParser):
    """What a page holds: tags with attributes, and the text under each section's id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[str, str] = {}
        self._section = self._skip = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "section":
            self._section = dict(attrs)["id"]
        self._skip = tag if tag in ("script", "style") else self._skip

    def handle_endtag(self, tag):
        self._skip = "" if tag == self._skip else self._skip
        self._section = "" if tag == "section" else self._section

    def handle_data(self, data):
        if not self._skip:
            text = " ".join((self.text.get(self._section, "") + data).split()) + " "
            self.text[self._section] = text.replace(" ,", ",")


def written(outcomes, folder: Path, **more) -> tuple[str, Page]:
    path = write_report(outcomes, folder / "report.html", title=more.pop("title", "ViT Lab"), **more)
    html = path.read_text("utf-8")
    return html, Page(html)


@pytest.fixture
def page(tmp_path):
    return written(a_class(), tmp_path)[1]


SECTIONS = ("questions", "mistakes", "stuck", "attention", "students", "time")


def test_every_section_is_there_and_the_menu_leads_to_it(page):
    links = {attrs["href"] for tag, attrs in page.tags if tag == "a" and attrs["href"].startswith("#")}
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    assert {f"#{section}" for section in SECTIONS} <= links
    assert links <= {f"#{name}" for name in ids}


@pytest.mark.parametrize("outcomes", [[], [submission("ada")], [submission("ada", status="failed", reason="oh")]])
def test_a_class_of_nobody_or_nothing_still_has_a_page(tmp_path, outcomes):
    _, page = written(outcomes, tmp_path)
    assert set(SECTIONS) <= page.text.keys()


def test_the_header_counts_the_class_and_who_needs_a_person(page):
    for words in ("8 students", "1 to look at twice", "2 not run to the end", "2 repaired", "6 written answers"):
        number, label = words.split(" ", 1)
        assert re.search(rf"{label}[a-z, ]* {number}\b", page.text[""]), words


def test_the_mean_leaves_out_what_nobody_has_read_yet():
    assert tally.share_of(a_class()[0]) == 1.0
    assert tally.share_of(submission("ada", answer("W1", None, "needs grading"))) is None


def test_the_picture_holds_each_count_once_and_is_told_in_words(page):
    questions = tally.tally_lesson(LESSON, "", a_class()).questions
    assert questions[0].counts == {
        "correct": 4,
        "partly right": 0,
        "wrong": 3,
        "not started": 0,
        "no answer": 1,
        "to be read": 0,
    }
    assert "Q1: 4 correct, 3 wrong, 1 no answer; Q1b: 1 correct, 3 partly right" in in_words(questions)
    svg = question_chart(questions)
    assert [float(w) for w in re.findall(r'width="([\d.]+)%"', svg)][1:4] == [50.0, 37.5, 12.5]
    assert in_words(questions) in svg
    assert ("svg", "img") in [(tag, attrs.get("role")) for tag, attrs in page.tags]


def test_bars_fill_the_width_and_never_overlap():
    for q in tally.tally_lesson(LESSON, "", a_class()).questions:
        bars = re.findall(r'<rect[^>]*x="([\d.]+)%"[^>]*width="([\d.]+)%"', question_chart([q]))
        edge = 0.0
        for x, width in bars:
            assert float(x) == pytest.approx(edge, abs=0.01)
            edge = float(x) + float(width)
        assert edge == pytest.approx(100, abs=0.01)


def test_the_mistakes_come_with_their_hint_their_count_and_their_names_most_frequent_first(page):
    found = tally.hints(a_class(), known=True)
    assert [(g.label, len(g.who)) for g in found] == [("Q1b", 3), ("Q1", 2)]
    assert f"2 Q1 {SWAPPED} bo, chidi" in page.text["mistakes"]
    assert "TypeError" in page.text["mistakes"]
    assert "Line 3 is blank" not in page.text["mistakes"], "a blank is no mistake"


def test_a_cell_that_does_not_parse_is_among_the_hints_but_a_timeout_is_said_once():
    broken = submission("ada", answer("Q1", 0.0, "no answer", "SyntaxError on line 2"))
    stopped = submission("bo", answer("Q1", 0.0, "no answer", "out of time"), status="timeout", reason="out of time")
    assert [g.text for g in tally.hints([broken, stopped], known=False)] == ["SyntaxError on line 2"]


def test_each_student_is_stuck_at_one_question_the_first_unsolved(page):
    lesson = tally.tally_lesson(LESSON, "", a_class())
    stops = {s.question: ({w.name for w in s.tried}, {w.name for w in s.not_started}) for s in lesson.stuck}
    assert stops["Q1"] == ({"bo", "chidi", "emil"}, set())
    assert stops["Q1b"] == ({"fatima", "goran"}, {"dana"})
    assert lesson.solved == 1
    assert "hana" not in page.text["stuck"], "nobody knows where an unreadable file stands"


def test_what_needs_a_person_is_listed_with_its_reason(page):
    text = page.text["attention"]
    assert "timeout cell 7 ran longer than 30 s fatima" in text
    assert "unreadable the file breaks off hana" in text
    assert "goran two answer records" in text
    assert "2 metadata was gone chidi, dana" in text
    assert re.search(r"6 W1 worth 4 points ada, bo, chidi, emil,", text)


def test_the_table_has_a_row_per_student_with_a_score_per_question(page):
    text = page.text["students"]
    assert "bo 0 2 … 2 25 %" in text
    assert "hana ✗ ✗ ✗ 0 0 % unreadable" in text
    assert "chidi 0 – … 0 0 % repaired" in text


def test_stages_have_median_longest_and_total(page):
    assert "running the cells 3.00" not in page.text["time"]
    assert re.search(r"running the cells 5\.00 ?9\.00 ?chidi ?17\b", page.text["time"])
    assert "tea 1.00" in page.text["time"], "a stage we have no words for keeps its name"


def test_links_lead_to_the_feedback_pages(tmp_path):
    odd = submission("ümit o'neil #1?", answer("Q1", 4.0, "correct"))
    outcomes = [*a_class(), odd]
    for outcome in outcomes:
        if outcome.feedback:
            (tmp_path / outcome.feedback).parent.mkdir(parents=True)
            (tmp_path / outcome.feedback).touch()
    _, page = written(outcomes, tmp_path)
    links = {a["href"] for tag, a in page.tags if tag == "a" and not a["href"].startswith("#")}
    assert len(links) == len([o for o in outcomes if o.feedback])
    for link in links:
        assert (tmp_path / unquote(link)).is_file(), link


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&<!--"


def test_names_hints_notes_and_titles_are_text_whatever_they_hold(tmp_path):
    q = QuestionOutcome(HOSTILE, HOSTILE, 1.0, 4.0, "partial", HOSTILE, True)
    w = QuestionOutcome(f"W{HOSTILE}", HOSTILE, None, 2.0, "needs grading")
    outcome = SubmissionOutcome(
        HOSTILE, HOSTILE, HOSTILE, HOSTILE, (q, w), (HOSTILE,), (HOSTILE,), {HOSTILE: 1.0}, f"javascript:{HOSTILE}"
    )
    html, page = written([outcome, submission("ada", answer("Q1", 4.0, "correct"))], tmp_path, title=HOSTILE)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in page.tags}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert not [a["href"] for tag, a in page.tags if tag == "a" and ":" in a["href"]]
    assert html.count("&lt;script&gt;") > 10


def test_names_that_are_no_valid_text_do_not_stop_the_page(tmp_path):
    html, _ = written([submission("a\udcff\u202eb", answer("Q1", 0.0, "wrong", "\ud800 and \x00"))], tmp_path)
    assert "a?\u202eb" in html


def test_the_page_asks_for_nothing_outside_itself(tmp_path):
    html, page = written(a_class(), tmp_path)
    for tag, attrs in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form", "img"), tag
        assert not {"src", "srcset", "data", "action", "style"} & attrs.keys(), (tag, attrs)
    assert not re.search(r"https?:|@import|url\(", html)


def test_a_browser_is_told_to_run_our_script_and_style_only(tmp_path):
    html, _ = written(a_class(), tmp_path)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html).group(1)
    assert "default-src 'none'" in policy
    for tag, rule in (("script", "script-src"), ("style", "style-src")):
        body = re.search(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}'" in policy


def test_500_students_with_6_questions_stay_small(tmp_path):
    """What a browser does grows with bytes and elements: both are bounded per student."""
    titles = [f"Q{i}" for i in range(6)]
    outcomes = [
        SubmissionOutcome(
            f"student{n:03d}", LESSON, "graded", "",
            tuple(QuestionOutcome(q, q, n % 3, 2.0, "x", f"hint {n % 9}", True) for q in titles),
            ("a note",), (), {"cells": 1.0}, f"feedback/student{n:03d}/{LESSON}/{LESSON}.html",
        )
        for n in range(500)
    ]  # fmt: skip
    html, page = written(outcomes, tmp_path)
    assert len(html) < 800_000
    assert len(page.tags) < 500 * (6 + 6) + 6 * 500 + 2_000, "a row is a link and plain cells"


def test_lessons_stand_in_the_course_s_order_under_their_titles(tmp_path, course):
    outcomes = [
        submission("ada", answer("Q1", 0.0, "wrong", SWAPPED, True), lesson=lesson)
        for lesson in ("99_unknown", LESSON, "01_patches")
    ]
    _, page = written(outcomes, tmp_path, course=course)
    places = [page.text["questions"].index(x) for x in ("01_patches · Patches", LESSON, "99_unknown")]
    assert places == sorted(places)
    assert "1 02 · Q1 Your even" in page.text["mistakes"], "hints of several lessons say whose they are"
