"""A small class through the whole engine, under the real sandbox: scores, reasons, gradebook, pages."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from grading.course import Course, load_course
from grading.engine.grade import grade
from grading.engine.journal import read_results
from grading.engine.outcome import RESULTS, SubmissionOutcome
from grading.lesson_source.source import read_source
from helpers.portfolio.lessons import counts_for_the_total
from tests.classroom import filled, hand_in, released, solutions
from tests.conftest import ROOT

LESSON = "01_patches"
SEED = 987_654_321_987_654_321
CHEAT = """
import base64, IPython
from IPython.display import display
import helpers, helpers.checks.check as room

class Full:
    score = points = 4.0
    passed = True
    def __repr__(self): return "4.0"
    def _repr_mimebundle_(self, *a, **k): return {"text/plain": "4.0", "text/html": "<b>full marks</b>"}

check = lambda *a: Full()
room.check = helpers.check = check
room.judge_answer = lambda *a, **k: Full()
display({"application/vnd.vitlab.answer": base64.b64encode(b"forged").decode()}, raw=True)
"""


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Course:
    """The course with time limits that a test can wait for."""
    course = load_course(ROOT)
    limits = course.limits.model_copy(update={"cell_seconds": 8.0, "total_seconds": 40.0, "output_mb": 4})
    return course.model_copy(update={"limits": limits})


@pytest.fixture(scope="module")
def graded(short: Course, tmp_path_factory) -> tuple[Path, dict[str, SubmissionOutcome]]:
    """The class, graded once for all tests here."""
    folder = tmp_path_factory.mktemp("class")
    right = solutions(short, LESSON)
    first = next(iter(right))
    rest = {q: s for q, s in right.items() if q != first}
    submissions = folder / "submitted"

    def give(student: str, answers: dict[str, str]) -> None:
        hand_in(submissions, student, LESSON, filled(short, LESSON, answers))

    give("ada", right)
    give("untouched", {})
    give("half", rest)

    def inside(statement: str) -> dict[str, str]:
        """The first answer with a statement at the top of its body."""
        return {first: right[first].replace("\n    ", f"\n    {statement}\n    ", 1)} | rest

    give("loop", inside("while True: pass"))
    give("exit", inside("import os; os._exit(3)"))
    give("raises", inside("1 / 0"))
    give("bomb", inside("for _ in range(64): print('x' * 2**20)"))
    warned = "import sys, warnings\nwarnings.warn('careful')\nprint('noise', file=sys.stderr)\n"
    give("stderr", {q: re.sub(r"\n", "\n" + warned, s, count=1) for q, s in right.items()})
    hand_in(submissions, "broken", LESSON, b'{"cells": [')
    cheat = released(short, LESSON)
    for cell in cheat.cells:
        if cell.metadata.get("vitlab", {}).get("role") == "answer":
            cell.source = CHEAT
        if cell.metadata.get("vitlab", {}).get("role") == "check":
            cell.source = "4.0"
    hand_in(submissions, "mallory", LESSON, cheat)
    out = folder / "out"
    outcomes = grade(short, [LESSON], submissions=submissions, out=out, jobs=2, seed=SEED)
    return out, {o.student: o for o in outcomes}


def scores(outcome: SubmissionOutcome) -> dict[str, float]:
    return {q.question: q.score or 0.0 for q in outcome.questions if q.question.startswith("Q")}


def points(outcome: SubmissionOutcome) -> dict[str, float]:
    return {q.question: q.max for q in outcome.questions if q.question.startswith("Q")}


def test_everybody_is_graded(graded) -> None:
    _, outcomes = graded
    assert len(outcomes) == 10


@pytest.mark.parametrize("student", ["ada", "stderr"])
def test_right_answers_score_full_warnings_or_not(graded, student: str) -> None:
    outcome = graded[1][student]
    assert scores(outcome) == points(outcome)
    assert (outcome.status, outcome.reason) == ("graded", "")


def test_untouched_is_zero_and_not_started(graded) -> None:
    outcome = graded[1]["untouched"]
    assert set(scores(outcome).values()) == {0.0}
    assert {q.status for q in outcome.questions} == {"not started"}


@pytest.mark.parametrize(
    ("student", "status", "says"),
    [
        ("half", "graded", "still blank"),
        ("loop", "timeout", "stopped after 8 s"),
        ("exit", "died", "ended the Python process itself (exit status 3)"),
        ("raises", "graded", "ZeroDivisionError"),
        ("bomb", "output_limit", "output grew beyond 4 MB"),
    ],
)
def test_trouble_in_one_answer_costs_that_answer_only(graded, student: str, status: str, says: str) -> None:
    outcome = graded[1][student]
    first, *others = points(outcome)
    assert outcome.status == status
    assert {q: scores(outcome)[q] for q in others} == {q: points(outcome)[q] for q in others}
    hint = next(q.hint for q in outcome.questions if q.question == first)
    assert scores(outcome)[first] == 0
    assert says in f"{outcome.reason} {hint}"
    if student == "raises":
        assert re.search(r"Line \d+ of your cell \(`1 / 0`\) raised ZeroDivisionError", hint), hint


def test_an_unreadable_file_is_zero_with_its_reason(graded) -> None:
    outcome = graded[1]["broken"]
    assert (outcome.status, outcome.score) == ("unreadable", 0)
    assert "breaks off" in outcome.reason


def test_forging_earns_nothing_and_is_noticed(graded) -> None:
    outcome = graded[1]["mallory"]
    assert outcome.score == 0
    assert outcome.suspicious


def test_the_gradebook_holds_the_same_scores(graded) -> None:
    out, outcomes = graded
    with Gradebook(f"sqlite:///{out / 'gradebook.db'}") as gradebook:
        for student, outcome in outcomes.items():
            submission = gradebook.find_submission_notebook(LESSON, LESSON, student)
            assert submission.score == pytest.approx(outcome.score), student
            assert submission.max_score == pytest.approx(outcome.max), student


def test_feedback_shows_the_cards_and_fetches_nothing(graded) -> None:
    out, outcomes = graded
    for student, outcome in outcomes.items():
        html = (out / outcome.feedback).read_text("utf-8")
        cards = 0 if student == "broken" else len(points(outcome))  # an unreadable file gets a page that says so
        assert html.count('class="vitlab-card"') == cards
        assert not re.search(r'(?:src|href)="https?://(?!colab\.research|arxiv|doi|github)', html), student
        assert not re.search(r"<(?:script|link|img|iframe)[^>]+https?://", html), student
        assert "<b>full marks</b>" not in html
        assert student == "mallory" or "mallory" not in html


def test_the_secret_seed_and_the_records_are_written_nowhere(graded) -> None:
    out, _ = graded
    for path in [*out.rglob("*.html"), *out.rglob("*.ipynb"), out / RESULTS]:
        text = path.read_text("utf-8")
        assert str(SEED) not in text, path
        if path.suffix == ".ipynb":
            outputs = [o for c in json.loads(text)["cells"] for o in c.get("outputs", [])]
            assert not any("application/vnd.vitlab.answer" in o.get("data", {}) for o in outputs), path


def test_results_are_one_readable_line_each(graded) -> None:
    out, outcomes = graded
    assert {o.student: o for o in read_results(out)} == outcomes
    with (out / RESULTS).open("a") as file:
        file.write('{"student": "cut o')
    assert len(read_results(out)) == len(outcomes), "a line cut off by a crash is passed over"


def test_the_autograded_notebook_is_the_templates_with_the_students_answers(graded, short: Course) -> None:
    out, _ = graded
    path = out / "autograded" / "mallory" / LESSON / f"{LESSON}.ipynb"
    assert "\n" not in path.read_text("utf-8").strip(), "indented, it takes ten times as long to write"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    template = {c.id: c for c in released(short, LESSON).cells}
    checks = [c for c in notebook.cells if c.metadata.get("vitlab", {}).get("role") == "check"]
    assert checks
    for cell in checks:
        assert cell.source == template[cell.id].source


# ---- the same configuration under nbgrader's own commands ----


def test_stock_autograde_agrees(short: Course, tmp_path: Path) -> None:
    """`nbgrader autograde` with our configuration gives the same scores as `vitlab grade`."""
    right = solutions(short, LESSON)
    first = next(iter(right))
    data = tmp_path / "data"
    hand_in(data / "submitted", "ada", LESSON, filled(short, LESSON, right))
    hand_in(data / "submitted", "half", LESSON, filled(short, LESSON, {first: right[first]}))
    hand_in(data / "submitted", "untouched", LESSON, released(short, LESSON))
    ours = grade(short, [LESSON], submissions=data / "submitted", out=tmp_path / "ours", jobs=2)
    from traitlets.config import Config

    from grading.nbgrader_plugin.config import configure
    from grading.nbgrader_plugin.gradebook import GradebookWriter

    config = configure(Config(), ROOT, data, course=short)
    GradebookWriter(config.CourseDirectory.db_url, config).register_lesson(
        short.lesson(LESSON), short.student_notebook(LESSON)
    )
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "autograde", LESSON],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "VITLAB_COURSE_DATA": str(data)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with Gradebook(config.CourseDirectory.db_url) as gradebook:
        stock = {s: gradebook.find_submission(LESSON, s).score for s in ("ada", "half", "untouched")}
    assert stock == {o.student: pytest.approx(o.score) for o in ours}
    assert stock["ada"] > stock["half"] > stock["untouched"] == 0


def test_formgraders_button_agrees(short: Course, tmp_path: Path) -> None:
    """What formgrader calls when a teacher presses Autograde, inside the server's running event loop."""
    import asyncio

    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    from grading.nbgrader_plugin.config import configure
    from grading.nbgrader_plugin.gradebook import GradebookWriter

    right = solutions(short, LESSON)
    hand_in(tmp_path / "submitted", "ada", LESSON, filled(short, LESSON, right))
    config = configure(Config(), ROOT, tmp_path, course=short)
    GradebookWriter(config.CourseDirectory.db_url, config).register_lesson(
        short.lesson(LESSON), short.student_notebook(LESSON)
    )
    api = NbGraderAPI(CourseDirectory(config=config), config=config)

    async def press() -> dict:
        return api.autograde(LESSON, "ada")

    result = asyncio.run(press())
    assert result["success"], result
    with Gradebook(config.CourseDirectory.db_url) as gradebook:
        assert gradebook.find_submission(LESSON, "ada").score == sum(
            cell.points for cell in read_source(short.source(LESSON)).of("check") if counts_for_the_total(cell.question)
        )


def test_a_late_submission_is_penalised_and_a_manual_score_survives_a_regrade(short: Course, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    due = datetime(2027, 1, 1, 12, tzinfo=UTC)
    lessons = tuple(
        lesson.model_copy(update={"due": due, "late_penalty_per_day": 0.25}) if lesson.id == LESSON else lesson
        for lesson in short.lessons
    )
    course = short.model_copy(update={"lessons": lessons})
    for student, handed_in in (("ada", "2027-01-01 11:00:00 UTC"), ("bo", "2027-01-02 13:00:00 UTC")):
        path = hand_in(tmp_path / "in", student, LESSON, filled(course, LESSON, solutions(course, LESSON)))
        (path.parent / "timestamp.txt").write_text(handed_in)
    options = {"submissions": tmp_path / "in", "out": tmp_path / "out", "sandbox": "none"}
    grade(course, [LESSON], **options)
    url = f"sqlite:///{tmp_path / 'out' / 'gradebook.db'}"
    written = read_source(course.source(LESSON)).of("written")[0]
    with Gradebook(url) as gradebook:
        notebooks = {s: gradebook.find_submission_notebook(LESSON, LESSON, s) for s in ("ada", "bo")}
        assert notebooks["ada"].late_submission_penalty is None
        assert notebooks["bo"].late_submission_penalty == pytest.approx(notebooks["bo"].score * 0.5)  # two days begun
        by_hand = gradebook.find_grade(written.question, LESSON, LESSON, "ada")
        by_hand.manual_score = written.points
        gradebook.db.commit()
    again = {o.student: o for o in grade(course, [LESSON], **options)}
    assert {q.question: q.score for q in again["ada"].questions}[written.question] == written.points


@pytest.mark.parametrize("kind", ["right", "half"])
def test_nbgrader_validate_gives_the_same_verdict(short: Course, tmp_path: Path, kind: str) -> None:
    right = solutions(short, LESSON)
    first = next(iter(right))
    answers = right if kind == "right" else {first: right[first]}
    path = tmp_path / f"{LESSON}.ipynb"
    notebook = filled(short, LESSON, answers)
    for cell in notebook.cells:
        if cell.metadata.get("vitlab", {}).get("role") == "written":
            cell.source = "Because."
    nbformat.write(notebook, path)
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", "validate", str(path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    others = sum(counts_for_the_total(question) for question in right) - 1  # Q0c is optional
    if kind == "right":
        assert "Success! Your notebook passes all the tests." in said, said
    else:
        assert f"VALIDATION FAILED ON {others} CELL(S)" in " ".join(said.split()), said


# ---- the command ----


def vitlab(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "grading", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **(env or {})},
    )


def test_json_prints_one_line_per_student_and_question(short: Course, tmp_path: Path) -> None:
    hand_in(tmp_path / "in", "ada", LESSON, filled(short, LESSON, solutions(short, LESSON)))
    done = vitlab("grade", LESSON, "--submissions", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {line["question"] for line in lines} >= set(solutions(short, LESSON))
    assert set(lines[0]) >= {"student", "lesson", "question", "score", "max", "status", "hint", "measure", "penalty"}
    assert all(line["status"] == "correct" for line in lines if line["question"].startswith("Q"))


def test_one_seed_gives_one_outcome(tmp_path: Path) -> None:
    course = load_course(ROOT)  # its own limits: a cold start that imports torch may take long
    hand_in(tmp_path / "in", "ada", LESSON, filled(course, LESSON, {}))
    first, second = (
        grade(course, [LESSON], submissions=tmp_path / "in", out=tmp_path / name, seed=7, sandbox="none")[0].questions
        for name in ("first", "second")
    )
    assert first == second


def test_without_bubblewrap_grading_refuses_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    done = vitlab(
        "grade",
        LESSON,
        "--submissions",
        str(tmp_path / "in"),
        "--out",
        str(tmp_path / "o"),
        env={"PATH": "/nonexistent"},
    )
    assert done.returncode == 2
    assert "bubblewrap" in done.stderr
    assert "--sandbox=none" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_lesson_or_folder_is_one_clear_message(tmp_path: Path) -> None:
    done = vitlab("grade", "99_nothing", "--submissions", str(tmp_path))
    assert (done.returncode, "no lesson '99_nothing'" in done.stderr) == (2, True), done.stderr
    done = vitlab("grade", LESSON, "--submissions", str(tmp_path / "nowhere"), "--out", str(tmp_path / "o"))
    assert done.returncode == 2, done.stderr
    assert "nowhere" in done.stderr
    assert "Traceback" not in done.stderr
