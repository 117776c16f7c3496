"""Ordinary nbgrader assignments: `vitlab grade` gives the scores of stock `nbgrader autograde`, and more where it gives up.

Stock runs once for all assignments, in this process. Each score of each cell is compared.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.course import Course, load_course
from grading.engine.grade import grade
from grading.engine.outcome import SubmissionOutcome
from grading.nbgrader_plugin.gradebook import commands_on_path
from tests.ordinary_assignments import ASSIGNMENTS

SECONDS = 3  # for a cell, in both
HEAD = '[course]\nid = "ps"\ntitle = "Problem sets"\nrepository = "a/b"\nref = "main"\n\n[limits]\n'
Scores = dict[str, tuple[float, float, bool]]  # notebook/cell: score, points, whether a person has to look


@dataclass
class Graded:
    """Both gradings. `stock` lacks the hand-ins that stock gave up on."""

    course: Course
    out: Path
    stock: dict[tuple[str, str], Scores]
    ours: dict[tuple[str, str], Scores]
    outcomes: dict[tuple[str, str], SubmissionOutcome]


def scores(db: str, lesson: str, student: str) -> Scores:
    with Gradebook(db) as gradebook:
        found = gradebook.find_submission(lesson, student).notebooks
        return {
            f"{book.name}/{grade.name}": (grade.score, grade.max_score, bool(grade.needs_manual_grade))
            for book in found
            for grade in book.grades
        }


def make(root: Path) -> None:
    """A course of ordinary assignments, and with stock nbgrader's help their hand-ins."""
    lessons = "".join(f'\n[[lessons]]\nid = "{name}"\ntitle = "{name}"\nminutes = 10\n' for name in ASSIGNMENTS)
    (root / "course.toml").write_text(f"{HEAD}cell_seconds = {SECONDS}\n{lessons}")
    for name, one in ASSIGNMENTS.items():
        folder = root / "solutions" / name
        folder.mkdir(parents=True)
        for path, content in one.files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        for book, source in one.notebooks.items():
            nbformat.write(source, folder / f"{book}.ipynb")


def hand_in(root: Path, lesson: str) -> None:
    for student, changes in ASSIGNMENTS[lesson].students.items():
        folder = root / "submitted" / student / lesson
        folder.mkdir(parents=True)
        for book, change in changes.items():
            if change is not None:
                given = nbformat.read(root / "release" / lesson / f"{book}.ipynb", as_version=4)
                change(given)
                (folder / f"{book}.ipynb").write_text(json.dumps(given))  # as it is, valid or not


def stock_scores(root: Path) -> dict[tuple[str, str], Scores]:
    config = Config()
    config.CourseDirectory.root = str(root)
    config.CourseDirectory.source_directory = "solutions"
    config.CourseDirectory.db_url = db = f"sqlite:///{root}/stock.db"
    config.Execute.timeout = SECONDS
    found = {}
    for lesson, one in ASSIGNMENTS.items():
        directory = CourseDirectory(config=config)
        directory.assignment_id = lesson
        GenerateAssignment(coursedir=directory, config=config).start()
        hand_in(root, lesson)
        for student in one.students:
            directory = CourseDirectory(config=config)
            directory.assignment_id, directory.student_id = lesson, student
            try:
                Autograde(coursedir=directory, config=config).start()
            except NbGraderException:
                continue
            found[lesson, student] = scores(db, lesson, student)
    return found


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Graded:
    commands_on_path()
    root = tmp_path_factory.mktemp("ordinary")
    make(root)
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # stock reports each step
    try:
        stock = stock_scores(root)
    finally:
        logging.disable(before)
    course, out = load_course(root), root / "out"
    outcomes = grade(course, list(ASSIGNMENTS), submissions=root / "submitted", out=out, jobs=2)
    ours = {(o.lesson, o.student): scores(f"sqlite:///{out}/gradebook.db", o.lesson, o.student) for o in outcomes}
    return Graded(course, out, stock, ours, {(o.lesson, o.student): o for o in outcomes})


CASES = [(lesson, student) for lesson, one in ASSIGNMENTS.items() for student in one.students]
ALIKE = [case for case in CASES if case[1] not in ASSIGNMENTS[case[0]].differs]


@pytest.mark.parametrize(("lesson", "student"), ALIKE)
def test_each_cell_gets_the_score_that_stock_gives(graded: Graded, lesson: str, student: str) -> None:
    stock, ours = graded.stock[lesson, student], graded.ours[lesson, student]
    assert ours == stock
    assert stock  # there is something to compare


def test_the_comparison_covers_what_it_should(graded: Graded) -> None:
    assert len(ASSIGNMENTS) >= 10
    assert len({score for cells in graded.stock.values() for score, *_ in cells.values()}) >= 5


@pytest.mark.parametrize(
    ("lesson", "student", "expected", "said"),
    [
        ("partial", "right", {"share": 4, "words": 2, "negative": 2, "most": 0}, "nbgrader refuses"),
        ("copied_cells", "test_twice", {"values": 2, "errors": 1}, "more than once"),
        ("copied_cells", "answer_twice", {"values": 2, "errors": 1}, "more than once"),
        ("deleted_cells", "test", {"values": 2, "errors": 1}, "'values' was missing; it was put back"),
        ("deleted_cells", "metadata", {"values": 2, "errors": 1}, ""),
    ],
)
def test_where_stock_gives_up_ours_grades_and_says_so(
    graded: Graded, lesson: str, student: str, expected: dict[str, float], said: str
) -> None:
    (book,) = ASSIGNMENTS[lesson].notebooks
    assert {cell: graded.ours[lesson, student][f"{book}/{cell}"][0] for cell in expected} == expected
    outcome = graded.outcomes[lesson, student]
    assert said in " ".join([*outcome.notes, *outcome.suspicious])
    assert graded.stock.get((lesson, student)) != graded.ours[lesson, student]  # else it belongs to the other test


def test_the_page_shows_the_notebooks_and_their_scores(graded: Graded) -> None:
    outcome = graded.outcomes["several", "both"]
    page = (graded.out / outcome.feedback).read_text("utf-8")
    assert "def squares(n)" in page
    assert "def total(n)" in page
    assert {q.question for q in outcome.questions} >= {"first/values", "second/total-values", "second/equation"}


def test_a_missing_notebook_is_told(graded: Graded) -> None:
    assert any("second.ipynb was not handed in" in note for note in graded.outcomes["several", "one"].notes)


def test_formgrader_finds_each_notebook_with_nbgraders_own_ids(graded: Graded) -> None:
    folder = graded.out / "autograded" / "both" / "several"
    books = {path.stem: nbformat.read(path, as_version=4) for path in folder.glob("*.ipynb")}
    assert set(books) == {"first", "second"}
    ids = [c.metadata.nbgrader["grade_id"] for c in books["second"].cells if "nbgrader" in c.metadata]
    assert ids == ["total", "total-values", "total-uses", "equation", "application"]


def test_nothing_is_executed_again_for_an_unchanged_class(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grading.engine.executors.execute_safely", lambda *_: pytest.fail("executed again"))
    again = grade(
        graded.course, ["several", "written"], submissions=graded.out.parent / "submitted", out=graded.out, jobs=1
    )
    assert {(o.lesson, o.student): o.score for o in again} == {
        key: o.score for key, o in graded.outcomes.items() if key[0] in ("several", "written")
    }
