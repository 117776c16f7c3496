"""What the LMS side changes in the gradebook and keeps beside it: extensions, names, one student's data, backups."""

from __future__ import annotations

import json
import re
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from traitlets.config import Config

from grading.course import Course, CourseError
from grading.lms.student_data import backup, forget
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.gradebook import GradebookWriter, commands_on_path

LESSON = "02_positional_encoding"


@pytest.fixture
def graded(course: Course, tmp_path: Path) -> tuple[Course, Path, str]:
    """A course folder with a gradebook: ada handed in a day and a half late."""
    due = datetime(2027, 1, 15, tzinfo=UTC)
    lesson = course.lesson(LESSON).model_copy(update={"due": due, "late_penalty_per_day": 0.1})
    mine = course.model_copy(update={"lessons": (lesson,), "root": tmp_path})
    url = f"sqlite:///{tmp_path / 'course_data' / 'gradebook.db'}"
    (tmp_path / "course_data").mkdir()
    (tmp_path / "course.toml").write_text("# settings")
    commands_on_path()
    with Gradebook(url) as gradebook:
        gradebook.add_assignment(LESSON, duedate="2027-01-15 00:00:00 UTC")
        gradebook.add_notebook(LESSON, LESSON)
        gradebook.add_grade_cell("Q1-check", LESSON, LESSON, max_score=10, cell_type="code")
        for student in ("ada", "bob"):
            gradebook.add_student(student)
            submission = gradebook.add_submission(LESSON, student)
            submission.timestamp = datetime(2027, 1, 16, 12)
            (grade,) = submission.notebooks[0].grades
            grade.auto_score, grade.needs_manual_grade = 10.0, False
        gradebook.db.commit()
    return mine, tmp_path / "course_data", url


def totals(course: Course, url: str, out: Path) -> dict[str, tuple[float, bool]]:
    config = configure(Config(), course.root, out, db_url=url, course=course)
    with GradebookWriter(url, config) as gradebook:
        gradebook.settle(LESSON)
        held = gradebook.stored(LESSON, gradebook.students(LESSON))
    return {student: (one.total, one.excused) for student, one in held.items()}


def test_extensions_reach_the_gradebook_and_leave_it_again(graded: tuple[Course, Path, str]) -> None:
    course, out, url = graded
    assert totals(course, url, out) == {"ada": (8.0, False), "bob": (8.0, False)}
    extensions = course.root / "extensions.csv"
    extensions.write_text(f"student,lesson,extra_days,excused\nADA,{LESSON},1,\nbob,{LESSON},,yes\n")
    assert totals(course, url, out) == {"ada": (9.0, False), "bob": (10.0, True)}
    extensions.write_text(f"student,lesson,due\nada,{LESSON},2027-01-16T12:00:00Z\n")
    assert totals(course, url, out) == {"ada": (10.0, False), "bob": (8.0, False)}
    extensions.unlink()
    assert totals(course, url, out) == {"ada": (8.0, False), "bob": (8.0, False)}


def test_names_of_the_roster_reach_formgrader(graded: tuple[Course, Path, str]) -> None:
    course, out, url = graded
    config = configure(Config(), course.root, out, db_url=url, course=course)
    with GradebookWriter(url, config) as gradebook:
        gradebook.enrol([("ada", "Ada", "Ashdown", "a@b"), ("eve", "Eve", "Eriksson", "")])
    with Gradebook(url) as gradebook:
        known = {one.id: (one.first_name, one.last_name, one.email) for one in gradebook.students}
    assert known["ada"] == ("Ada", "Ashdown", "a@b")
    assert known["eve"][:2] == ("Eve", "Eriksson")


def test_forgetting_a_student_leaves_no_trace_and_everybody_else(graded: tuple[Course, Path, str]) -> None:
    course, out, url = graded
    for student in ("ada", "bob", "adam"):
        for folder in ("submitted", "autograded", "feedback"):
            (out / folder / student / LESSON).mkdir(parents=True)
            (out / folder / student / LESSON / "x.ipynb").write_text(student)
    lines = [{"student": student, "lesson": LESSON} for student in ("ada", "bob")]
    lines.append({"saved": [{"student": "ada"}, {"student": "bob"}]})
    lines.append({"again": [["ada", LESSON], ["bob", LESSON]]})
    (out / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (out / "returned.json").write_text(json.dumps({"moodle": {LESSON: {"ada": {"page": "1"}, "bob": {"page": "2"}}}}))
    (out / "report.html").write_text("ada")
    (course.root / "roster.csv").write_text("id,name\nada,Ada\nbob,Bob\n")
    done = forget(course, "ada", out, url)
    left = [path for path in course.root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    assert [path.name for path in left if re.search(rb"\bada\b", path.read_bytes(), re.I)] == []
    assert (out / "submitted" / "adam" / LESSON / "x.ipynb").read_text() == "adam"
    assert len(done.removed) >= 7
    with Gradebook(url) as gradebook:
        assert [one.id for one in gradebook.students] == ["bob"]
    with pytest.raises(CourseError, match="nothing is kept of 'ada'"):
        forget(course, "ada", out, url)


def test_a_backup_restores_by_unzipping(graded: tuple[Course, Path, str], tmp_path_factory) -> None:
    course, out, _ = graded
    (out / "submitted" / "ada").mkdir(parents=True)
    (out / "submitted" / "ada" / ".collected.json").write_text("{}")
    to = course.root / "backup.zip"
    backup(course, out, to)
    there = tmp_path_factory.mktemp("restored")
    with zipfile.ZipFile(to) as archive:
        archive.extractall(there)
    assert (there / "course.toml").read_text() == "# settings"
    assert (there / "course_data" / "submitted" / "ada" / ".collected.json").is_file()
    with Gradebook(f"sqlite:///{there / 'course_data' / 'gradebook.db'}") as gradebook:
        assert [one.id for one in gradebook.students] == ["ada", "bob"]
    with pytest.raises(CourseError, match="is there already"):
        backup(course, out, to)
