"""One truth for scores: whatever happens to a class, everything that shows a score shows the gradebook's."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from nbgrader.api import Gradebook
from rich.console import Console
from sqlalchemy import text as sql
from traitlets.config import Config

from grading.engine import grade as engine
from grading.engine.current import bring_up_to_date
from grading.engine.outcome import SubmissionOutcome
from grading.engine.summary import print_summary
from grading.lms.export import export, read_scores
from grading.nbgrader_plugin.carry_over import SaveGrades
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.feedback_facts import ShowGrades
from grading.nbgrader_plugin.late_penalty import LatePenalties
from grading.nbgrader_plugin.rubrics import without_rubrics
from grading.report import tally
from tests.classroom import hand_in
from tests.stub_lesson import (
    CODE,
    GRADED,
    LESSON,
    POINTS,
    RATE,
    WRITTEN,
    StubExecutor,
    automatic,
    filled_in,
    stub_prepare,
    write_course,
)

STUDENTS = ("ada", "bo")
DUE = datetime(2027, 1, 10, 12, tzinfo=UTC)
students, questions = st.sampled_from(STUDENTS), st.sampled_from([*CODE, *WRITTEN])
halves = st.integers(0, 8).map(lambda n: n / 2)
texts = st.sampled_from(["", "# 0", "# 1", "# 3", "# 9"])  # "" leaves the blank alone


class Class(RuleBasedStateMachine):
    """A class of two, and a model of what each of them should have."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.out, self.submitted = self.root / "out", self.root / "submitted"
        self.points = dict(POINTS)
        self.edition = 0
        self.course = write_course(self.root / "course")
        self.answers: dict[str, dict[str, str] | None] = {}  # None: nothing could be read
        self.days: dict[str, int] = {}
        self.by_hand: dict[tuple[str, str, object], tuple[float | None, float | None]] = {}
        self.remarks: dict[tuple[str, str, object], str] = {}
        self.excused: dict[str, bool] = {}
        self.extra_days: dict[str, int] = {}
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(engine, "prepare", stub_prepare)
        self.patch.setenv("VITLAB_GRADER", "the tutor")

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.root)

    # ---- what may happen ----

    @initialize()
    def first(self) -> None:
        for student in STUDENTS:
            self._write(student, dict.fromkeys([*CODE, *WRITTEN], "# 1"), 0)
        self._grade()

    @rule(student=students, question=questions, text=texts, days=st.integers(0, 3))
    def hands_in(self, student: str, question: str, text: str, days: int) -> None:
        if question not in self.points:
            return
        self._write(student, {**(self.answers[student] or {}), question: text}, days)
        self._grade()

    @rule(student=students)
    def hands_in_an_untouched_notebook(self, student: str) -> None:
        self._write(student, {}, self.days[student])
        self._grade()

    @rule(student=students)
    def hands_in_what_is_no_notebook(self, student: str) -> None:
        self._write(student, None, self.days[student])
        self._grade()

    @rule(student=students, question=questions, score=halves | st.none(), extra=st.sampled_from([None, 0.5]))
    def is_scored_in_formgrader(self, student: str, question: str, score: float | None, extra: float | None) -> None:
        if question not in self.points:
            return
        with Gradebook(self.url) as gradebook:  # as formgrader's handler does
            grade = gradebook.find_grade(GRADED[question], LESSON, LESSON, student)
            grade.manual_score, grade.extra_credit = score, extra
            grade.needs_manual_grade = grade.manual_score is None and grade.auto_score is None
            gradebook.db.commit()
        self._given(student, question, score, extra)

    @rule(student=students, question=questions, score=halves)
    def is_scored_by_a_tool_we_know_nothing_of(self, student: str, question: str, score: float) -> None:
        if question not in self.points:
            return
        with Gradebook(self.url) as gradebook:
            found = gradebook.find_grade(GRADED[question], LESSON, LESSON, student)
            extra = found.extra_credit
            gradebook.db.execute(
                sql("UPDATE grade SET manual_score = :score, needs_manual_grade = 0 WHERE id = :id"),
                {"score": score, "id": found.id},
            )
            gradebook.db.commit()
        self._given(student, question, score, extra)

    @rule(student=students, question=questions, remark=st.sampled_from(["Well said.", "Look at row 1.", ""]))
    def gets_a_comment(self, student: str, question: str, remark: str) -> None:
        if question not in self.points:
            return
        with Gradebook(self.url) as gradebook:
            gradebook.find_comment(question, LESSON, LESSON, student).manual_comment = remark
            gradebook.db.commit()
        self.remarks[student, question, self._key(student, question)] = remark

    @rule(question=questions, points=st.sampled_from([2.0, 3.0, 5.0]))
    def the_lesson_changes_its_points(self, question: str, points: float) -> None:
        if question not in self.points:
            return
        self.points[question] = points
        self._new_edition()

    @rule(question=st.sampled_from(["S2", "V2"]))
    def the_lesson_loses_a_question_or_has_it_again(self, question: str) -> None:
        if question in self.points:
            del self.points[question]
        else:
            self.points[question] = POINTS[question]
        self.points = {question: self.points[question] for question in GRADED if question in self.points}
        self._new_edition()

    @rule()
    def the_lesson_changes_its_text(self) -> None:
        self._new_edition()

    @rule(student=students, excused=st.booleans(), days=st.integers(0, 2))
    def is_excused_or_gets_more_time(self, student: str, excused: bool, days: int) -> None:
        self.excused[student], self.extra_days[student] = excused, days
        rows = [
            f"{who},{LESSON},{self.extra_days.get(who) or ''},{'yes' if self.excused.get(who) else ''}"
            for who in STUDENTS if self.excused.get(who) or self.extra_days.get(who)
        ]  # fmt: skip
        (self.course.root / "extensions.csv").write_text("\n".join(["student,lesson,extra_days,excused", *rows]) + "\n")

    @rule()
    def all_are_graded_again(self) -> None:
        self._grade(regrade=True)

    @rule(student=students)
    def nbgrader_autogrades_it_again(self, student: str) -> None:
        """The steps of `nbgrader autograde` that save."""
        if self.answers[student] is None:
            return
        config = configure(Config(), self.course.root, self.out, course=self.course)
        notebook = without_rubrics(nbformat.read(self._autograded(student), as_version=4))
        for step in (SaveGrades(config=config), LatePenalties(config=config)):
            step.preprocess(notebook, self._resources(student))

    # ---- what must hold ----

    @invariant()
    def everything_agrees(self) -> None:
        if not self.answers:
            return
        outcomes = {o.student: o for o in bring_up_to_date(self.course, self.out)}
        table, exported = self._table(list(outcomes.values())), self._exported()
        with Gradebook(self.url) as gradebook:
            for student in STUDENTS:
                held = gradebook.find_submission(LESSON, student)
                total, most, waits = self._expected(student)
                assert held.score - held.late_submission_penalty == pytest.approx(total)
                outcome = outcomes[student]
                for question, cell in self.graded.items():
                    grade = gradebook.find_grade(cell, LESSON, LESSON, student)
                    score, waiting, again = self._expected_cell(student, question)
                    assert grade.score == pytest.approx(0.0 if waiting else score), (student, question)
                    assert grade.needs_manual_grade == (waiting or again), (student, question)
                    self._question_agrees(outcome, question, score, waiting, again)
                assert (outcome.score, outcome.max, outcome.max_waiting) == pytest.approx((total, most, waits))
                lines = [json.loads(json.dumps(line)) for line in outcome.lines()]
                assert {line["lesson_score"] for line in lines} == {None if outcome.excused else outcome.score}
                [row] = tally.tally_lesson(LESSON, "", [outcome]).rows
                if self.excused.get(student):
                    assert (table[student], exported[student]["01_stub"]) == ("excused", "EX")
                    assert (row.score, row.share, outcome.excused) == ("", None, True)
                else:
                    waiting = f" +{waits:g} wait" if waits else ""
                    assert table[student] == f"{round(total, 2):g}/{most - waits:g}{waiting}"
                    assert float(exported[student]["01_stub"]) == pytest.approx(total, abs=0.006)
                    assert float(row.score) == pytest.approx(total, abs=0.006)
                self._page_agrees(student, self.out / outcome.feedback, total, most, waits)

    def _question_agrees(
        self, outcome: SubmissionOutcome, question: str, score: float, waiting: bool, again: bool
    ) -> None:
        [found] = [q for q in outcome.questions if q.question == question]
        assert found.score == (None if waiting else pytest.approx(score)), (outcome.student, question)
        assert (found.max, found.read_again) == (self.points[question], again)
        key = outcome.student, question, self._key(outcome.student, question)
        given = self.by_hand.get(key, (None, None))
        assert found.by_hand == (given != (None, None))
        assert found.comment == self.remarks.get(key, "")

    def _page_agrees(self, student: str, page: Path, total: float, most: float, waits: float) -> None:
        html = page.read_text("utf-8")
        soup = BeautifulSoup(html, "html.parser")
        said = " ".join(soup.select_one(".total").get_text().split())
        if self.excused.get(student):
            assert "You are excused" in said
            return
        figures = [float(x) for x in re.findall(r"[\d.]+\d|\d", said)]
        wanted = [total, most - waits, waits] if waits else [total, most]
        assert figures == pytest.approx(wanted, abs=0.006), said
        rows = soup.select(".contents tr:not(.late-penalty)")
        for row, question in zip(rows, self.graded, strict=True):
            score, waiting, _ = self._expected_cell(student, question)
            name, shown = (cell.get_text() for cell in row.find_all("td"))
            assert name.startswith(question)
            assert ("waits for a person" in shown) == waiting
            if not waiting:
                assert float(re.findall(r"[\d.]+", shown)[0]) == pytest.approx(score, abs=0.006)
            remark = self.remarks.get((student, question, self._key(student, question)))
            if remark and self.answers[student] is not None:
                assert remark in html
        if self.answers[student] is None:
            assert "The file holds no notebook." in html
            assert "page.docx is a Word document." in html
        config = configure(Config(), self.course.root, self.out, course=self.course)
        notebook, resources = nbformat.read(self._autograded(student), as_version=4), self._resources(student)
        _, theirs = ShowGrades(config=config).preprocess(without_rubrics(notebook), resources)
        assert theirs["nbgrader"]["score"] == pytest.approx(total)

    # ---- the model ----

    def _key(self, student: str, question: str) -> object:
        """The answer that a cell holds: text, or why there is none."""
        answers = self.answers[student]
        return "unread" if answers is None else (answers.get(question) or "untouched")

    def _given(self, student: str, question: str, score: float | None, extra: float | None) -> None:
        self.by_hand[student, question, self._key(student, question)] = score, extra
        self.remarks.setdefault((student, question, self._key(student, question)), "")

    def _expected_cell(self, student: str, question: str) -> tuple[float, bool, bool]:
        """Score, whether it waits, whether it is to be read again."""
        key = self._key(student, question)
        answers = self.answers[student]
        score, extra = self.by_hand.get((student, question, key), (None, None))
        absent = key in ("unread", "untouched")
        auto = automatic((answers or {}).get(question), self.points[question]) if question in CODE else 0.0
        waits = score is None and question in WRITTEN and not absent
        looked_at = (student, question, key) in self.by_hand
        if question in CODE:
            touched = looked_at
        else:
            touched = looked_at or self.remarks.get((student, question, key), None) is not None
        others = [
            given for (who, what, answer), given in self.by_hand.items()
            if (who, what) == (student, question) and answer != key and given != (None, None)
        ]  # fmt: skip
        again = bool(others) and not touched and not absent and not waits
        return (auto if score is None else score) + (extra or 0.0), waits, again

    def _expected(self, student: str) -> tuple[float, float, float]:
        """Total, points, points that wait."""
        cells = {question: self._expected_cell(student, question) for question in self.graded}
        earned = sum(extra_or_score for extra_or_score, waiting, _ in cells.values() if not waiting)
        earned += sum(
            self.by_hand.get((student, q, self._key(student, q)), (None, None))[1] or 0.0
            for q, (_, waiting, _) in cells.items() if waiting
        )  # fmt: skip
        late = 0 if self.answers[student] is None else max(0, self.days[student] - self.extra_days.get(student, 0))
        penalty = min(earned, earned * RATE * late)
        return earned - penalty, sum(self.points.values()), sum(self.points[q] for q, c in cells.items() if c[1])

    # ---- means ----

    @property
    def url(self) -> str:
        return f"sqlite:///{self.out / 'gradebook.db'}"

    @property
    def graded(self) -> dict[str, str]:
        """Graded cell by question, of the questions that the lesson has now."""
        return {question: cell for question, cell in GRADED.items() if question in self.points}

    def _write(self, student: str, answers: dict[str, str] | None, days: int) -> None:
        if answers is not None:  # a question that the lesson lacks is not in the notebook
            answers = {question: text for question, text in answers.items() if question in self.points}
        self.answers[student], self.days[student] = answers, days
        content = b"no notebook" if answers is None else filled_in(self.course, answers)
        path = hand_in(self.submitted, student, LESSON, content)
        when = DUE + (timedelta(days=days, hours=-1) if days else timedelta(hours=-1))
        (path.parent / "timestamp.txt").write_text(when.strftime("%Y-%m-%d %H:%M:%S UTC"))

    def _grade(self, **options: Any) -> list[SubmissionOutcome]:
        return engine.grade(
            self.course, [LESSON], submissions=self.submitted, out=self.out, sandbox="none", jobs=1,
            executor=StubExecutor(), **options,
        )  # fmt: skip

    def _new_edition(self) -> None:
        self.edition += 1
        self.course = write_course(
            self.root / "course", self.points, f"Edition {self.edition}.", stub=f" ({self.edition})"
        )
        self._grade()

    def _autograded(self, student: str) -> Path:
        return self.out / "autograded" / student / LESSON / f"{LESSON}.ipynb"

    def _resources(self, student: str) -> dict[str, Any]:
        names = {"assignment": LESSON, "notebook": LESSON, "student": student, "db_url": self.url}
        return {"nbgrader": names, "unique_key": LESSON}

    def _table(self, outcomes: list[SubmissionOutcome]) -> dict[str, str]:
        """The column `sum` of the grade table, by student."""
        out = io.StringIO()
        print_summary(outcomes, self.out, Console(file=out, width=400, color_system=None))
        rows = [re.split(r"\s{2,}", line.strip()) for line in out.getvalue().splitlines()]
        return {row[0]: row[-1] for row in rows if row[0] in STUDENTS}

    def _exported(self) -> dict[str, dict[str, str]]:
        target = self.root / "grades.csv"
        export(self.course, read_scores(self.url, [LESSON], self.course), target, form="csv")
        with target.open(newline="") as file:
            return {row["student"]: row for row in csv.DictReader(file)}


TestClass = Class.TestCase
TestClass.settings = settings(
    max_examples=int(os.environ.get("VITLAB_HISTORIES", 3)), stateful_step_count=8, deadline=None, print_blob=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_a_question_that_comes_or_goes_after_grading_loses_no_score(tmp_path: Path) -> None:
    """Those by hand of the others stay, a new one is graded, and one that comes back has its score again."""
    room = Class()
    try:
        room.first()
        room.is_scored_in_formgrader("ada", "V2", 1.5, None)
        room.gets_a_comment("ada", "V2", "Well said.")
        for _ in range(2):
            room.the_lesson_loses_a_question_or_has_it_again("V2")
            room.everything_agrees()
        with Gradebook(room.url) as gradebook:
            assert gradebook.find_grade("V2", LESSON, LESSON, "ada").manual_score == 1.5
            assert gradebook.find_comment("V2", LESSON, LESSON, "ada").manual_comment == "Well said."
    finally:
        room.teardown()
