"""Saving in batches leaves in the gradebook what nbgrader's own preprocessors leave, one by one, and pages the same."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from nbformat.v4 import new_output
from nbgrader.api import Gradebook
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from sqlalchemy import text
from traitlets.config import Config

from grading.course import Course, load_course
from grading.engine.feedback import FeedbackWriter, focused
from grading.judging.cells_to_run import role_of
from grading.nbgrader_plugin.carry_over import SaveGrades
from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.gradebook import Entry, GradebookWriter
from grading.nbgrader_plugin.late_penalty import LatePenalties
from tests.classroom import released
from tests.conftest import ROOT

LESSON = "01_patches"
DUE = datetime(2027, 1, 1, 12, tzinfo=UTC)
CLASS = {"ada": (1.0, 0), "bo": (0.5, 26), "cy": (0.0, 0), "dee": (0.25, 300), "eve": (None, 30)}  # share, hours late


@pytest.fixture(scope="module")
def late() -> Course:
    """The course with a due time and a penalty."""
    course = load_course(ROOT)
    lessons = tuple(
        lesson.model_copy(update={"due": DUE, "late_penalty_per_day": 0.25}) if lesson.id == LESSON else lesson
        for lesson in course.lessons
    )
    return course.model_copy(update={"lessons": lessons})


def judged(course: Course, share: float) -> NotebookNode:
    """As the judge leaves a notebook: `share` of the points for each check; written answers from bo downwards."""
    notebook = released(course, LESSON)
    for cell in notebook.cells:
        role = role_of(cell)
        if role == "check":
            score = repr(cell.metadata.nbgrader.points * share)
            data = {"text/plain": score, "text/html": f"<div class='vitlab-card'><b>{score}</b></div>"}
            cell.outputs = [new_output("execute_result", data=data, execution_count=1)]
        elif role == "written" and share < 1:
            cell.source = "Because *it is* so."
        elif role == "answer" and share:
            cell.source += "\n# mine"
            cell.outputs = [new_output("stream", text="printed <b>this</b>")]
    return notebook


def entries(course: Course) -> list[Entry]:
    return [
        Entry(
            student, LESSON, None if share is None else judged(course, share),
            datetime.fromtimestamp(DUE.timestamp() + hours * 3600, UTC).replace(tzinfo=None),
        )
        for student, (share, hours) in CLASS.items()
    ]  # fmt: skip


def one_by_one(url: str, config: Config, course: Course, handed_in: list[Entry]) -> None:
    """nbgrader's way: each preprocessor opens the gradebook and commits cell by cell."""
    save, penalties = SaveGrades(config=config), LatePenalties(config=config)
    for entry in handed_in:
        with Gradebook(url) as gradebook:
            gradebook.update_or_create_student(entry.student)
            gradebook.update_or_create_submission(LESSON, entry.student, timestamp=entry.timestamp)
        if entry.notebook is None:
            with Gradebook(url) as gradebook:
                for grade in gradebook.find_submission_notebook(LESSON, LESSON, entry.student).grades:
                    grade.auto_score, grade.needs_manual_grade = 0, False
                gradebook.db.commit()
            continue
        resources = {
            "nbgrader": {"assignment": LESSON, "notebook": LESSON, "student": entry.student, "db_url": url},
            "unique_key": LESSON,
        }
        save.preprocess(deepcopy(entry.notebook), resources)
        penalties.preprocess(deepcopy(entry.notebook), resources)


def dump(url: str) -> dict:
    """Everything of the class that a gradebook tells."""
    found = {}
    with Gradebook(url) as gradebook:
        for submission in gradebook.assignment_submissions(LESSON):
            [notebook] = submission.notebooks
            found[submission.student.id] = (
                notebook.score, notebook.max_score, notebook.needs_manual_grade, notebook.failed_tests,
                notebook.late_submission_penalty, submission.timestamp, submission.score,
                sorted((g.name, g.auto_score, g.manual_score, g.needs_manual_grade, g.max_score, g.cell_type)
                       for g in notebook.grades),
                sorted((c.name, c.auto_comment or "", c.comment or "") for c in notebook.comments),
            )  # fmt: skip
        assignment = gradebook.find_assignment(LESSON)
        found[""] = (assignment.duedate, assignment.max_score, sorted(n.name for n in assignment.notebooks))
    return found


def grade_by_hand(url: str, course: Course) -> None:
    cell = next(c.metadata.nbgrader.grade_id for c in released(course, LESSON).cells if role_of(c) == "written")
    with Gradebook(url) as gradebook:
        gradebook.find_grade(cell, LESSON, LESSON, "bo").manual_score = 0.5
        gradebook.find_comment(cell, LESSON, LESSON, "bo").manual_comment = "Well said."
        gradebook.db.commit()


def same_as_nbgraders_way(course: Course, folder: Path, batched: str, single: str) -> None:
    config = configure(Config(), ROOT, folder, course=course)
    for url in (batched, single):
        with GradebookWriter(url, config) as gradebook_writer:
            gradebook_writer.register_lesson(course.lesson(LESSON), course.student_notebook(LESSON))
    for again in (False, True):
        if again:
            grade_by_hand(batched, course)
            grade_by_hand(single, course)
        with GradebookWriter(batched, config) as gradebook_writer:
            held = gradebook_writer.save(entries(course))
        one_by_one(single, config, course, entries(course))
        kept = dump(batched)
        assert kept == dump(single)
        for (student, _), stored in held.items():
            assert sum(score for score, _ in stored.scores.values()) == pytest.approx(kept[student][0])
            assert stored.penalty == (kept[student][4] or 0.0)
    assert kept["bo"][4] == pytest.approx(kept["bo"][0] * 0.5), "two days begun"


def test_a_batch_leaves_what_nbgrader_leaves_one_by_one(late: Course, tmp_path: Path) -> None:
    urls = [f"sqlite:///{tmp_path / name}" for name in ("batched.db", "single.db")]
    same_as_nbgraders_way(late, tmp_path, *urls)


def test_a_new_database_is_the_one_nbgrader_makes(late: Course, tmp_path: Path) -> None:
    ours, theirs = (f"sqlite:///{tmp_path / name}" for name in ("ours.db", "theirs.db"))
    GradebookWriter(ours, configure(Config(), ROOT, tmp_path)).close()
    env = os.environ["PATH"]
    os.environ["PATH"] = os.pathsep.join([str(Path(os.sys.executable).parent), env])
    try:
        found = []
        for url in (ours, theirs):
            with Gradebook(url) as gradebook:
                found.append([
                    gradebook.db.execute(text(query)).all()
                    for query in (
                        "SELECT * FROM alembic_version",
                        "SELECT name, sql FROM sqlite_master WHERE tbl_name NOT LIKE 'vitlab%' ORDER BY name",
                    )
                ])  # fmt: skip
    finally:
        os.environ["PATH"] = env
    assert found[0] == found[1]
    assert found[0][0]


def test_a_batch_is_one_transaction(late: Course, tmp_path: Path) -> None:
    config = configure(Config(), ROOT, tmp_path, course=late)
    with GradebookWriter(config.CourseDirectory.db_url, config) as gradebook_writer:
        gradebook_writer.register_lesson(late.lesson(LESSON), late.student_notebook(LESSON))
        commits = []
        from sqlalchemy import event

        event.listen(gradebook_writer._gradebook.engine, "commit", lambda connection: commits.append(1))
        gradebook_writer.save(entries(late))
    assert len(commits) == 1


def test_one_that_cannot_be_saved_does_not_keep_the_others_out(late: Course, tmp_path: Path) -> None:
    config = configure(Config(), ROOT, tmp_path, course=late)
    broken = judged(late, 1.0)
    broken.cells[-1].metadata["nbgrader"] = {"grade_id": "nowhere", "grade": True, "solution": True, "points": 1}
    with GradebookWriter(config.CourseDirectory.db_url, config) as gradebook_writer:
        gradebook_writer.register_lesson(late.lesson(LESSON), late.student_notebook(LESSON))
        held = gradebook_writer.save([*entries(late), Entry("zed", LESSON, broken)])
    assert isinstance(held["zed", LESSON], Exception)
    assert [place for place, stored in held.items() if isinstance(stored, Exception)] == [("zed", LESSON)]
    assert dump(config.CourseDirectory.db_url)["ada"][0] > 0


def test_a_page_is_nbgraders_own(late: Course, tmp_path: Path) -> None:
    """Rendered as nbgrader renders it: the same text and the same elements, but for what would be fetched."""
    config = configure(Config(), ROOT, tmp_path, course=late)
    url = config.CourseDirectory.db_url
    with GradebookWriter(url, config) as gradebook_writer:
        gradebook_writer.register_lesson(late.lesson(LESSON), late.student_notebook(LESSON))
        gradebook_writer.save(entries(late))
        grade_by_hand(url, late)
        stored = gradebook_writer.stored(LESSON, ["bo"])["bo"]
    [entry] = [e for e in entries(late) if e.student == "bo"]
    assert entry.notebook is not None
    stamp = tmp_path / "submitted" / "bo" / LESSON / "timestamp.txt"
    stamp.parent.mkdir(parents=True)
    stamp.write_text("2027-01-15 10:00:00.123456 UTC")
    FeedbackWriter(config).write("bo", LESSON, entry.notebook, tmp_path / "page.html", stored)
    assert (tmp_path / "timestamp.txt").read_bytes() == stamp.read_bytes(), "ngshare finds the hand-in by it"
    converter = GenerateFeedback(coursedir=CourseDirectory(config=config), config=config)
    exporter = converter.exporter_class(config=converter.config)
    for preprocessor in converter.preprocessors:
        exporter.register_preprocessor(preprocessor, enabled=True)
    resources = {
        "nbgrader": {"assignment": LESSON, "notebook": LESSON, "student": "bo", "db_url": url},
        "unique_key": LESSON, "metadata": {"name": LESSON},
    }  # fmt: skip
    page = NotebookNode(entry.notebook)
    page.cells = focused(entry.notebook)
    theirs, _ = exporter.from_notebook_node(page, resources=resources)

    def shape(html: str) -> tuple[list[str], list[tuple[str, str | None]]]:
        soup = BeautifulSoup(html, "html.parser")
        for element in soup.find_all(["script", "link"]):
            element.decompose()
        for image in soup.select("img[src*=colab-badge]"):
            image.replace_with("Open in Colab")
        return soup.get_text().split(), [(e.name, " ".join(e.get("class", []))) for e in soup.find_all(True)]

    ours, stock = shape((tmp_path / "page.html").read_text("utf-8")), shape(theirs)
    assert ours[0] == stock[0]
    assert ours[1] == stock[1]
    assert "said." in ours[0]


# ---- another database ----


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory) -> Iterator[str]:
    """A PostgreSQL of our own on a socket in a temporary folder."""
    pytest.importorskip("psycopg")
    programs = {name: shutil.which(name) for name in ("initdb", "pg_ctl")}
    if not all(programs.values()):
        pytest.skip("no PostgreSQL server is installed")
    user = None
    if os.geteuid() == 0:  # it refuses to run as root
        names = {entry.pw_name for entry in pwd.getpwall()}
        if "postgres" not in names:
            pytest.skip("root, and no user `postgres` to run PostgreSQL as")
        user = "postgres"
    folder = Path("/tmp", f"vitlab-postgresql-{os.getpid()}")
    folder.mkdir(mode=0o700)
    if user:
        shutil.chown(folder, user)
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [programs[program], *arguments], user=user, cwd="/", check=True, timeout=120,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

        data = str(folder / "data")
        run("initdb", "-D", data, "-U", "vitlab", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-k {folder} -p {port} -c listen_addresses='' -c fsync=off"
        run("pg_ctl", "-D", data, "-o", options, "-w", "-l", str(folder / "log"), "start")
        try:
            yield f"postgresql+psycopg://vitlab@/{{}}?host={folder}&port={port}"
        finally:
            run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder)


def test_postgresql_holds_the_same(late: Course, tmp_path: Path, postgresql: str) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(postgresql.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("batched", "single"):
            connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    same_as_nbgraders_way(late, tmp_path, postgresql.format("batched"), postgresql.format("single"))


def test_notebooks_are_valid(late: Course) -> None:
    """What these tests take for a judged notebook is one."""
    nbformat.validate(judged(late, 0.5))
