"""The whole way through JupyterHub and nbgrader's exchange: release, fetch, answer, submit, collect, grade, return."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from grading.course import Course, load_course
from grading.new_course import make_course
from tests.conftest import ROOT
from tests.jupyterhub_on_loopback import Hub, find_proxy

LESSON = "01_patches"
STUDENTS = ("ada", "bo", "cy")
TEACHER = "teacher"
# Pages that nobody opens here; without them a server starts in half the time. nbgrader's own extensions stay.
UNUSED = dict.fromkeys(
    ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook", "notebook_shim", "nbclassic"), False
)
pytestmark = [pytest.mark.hub, pytest.mark.xdist_group("hub")]


@pytest.fixture(scope="module")
def proxy() -> str:
    pytest.importorskip("jupyterhub")
    found = find_proxy()
    if found is None:
        said = "JupyterHub needs configurable-http-proxy: run `sh .ci/install-hub-proxy`, or npm install -g it"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return found


@pytest.fixture(scope="module")
def hub(proxy: str, tmp_path_factory) -> Iterator[tuple[Hub, Course]]:
    base = tmp_path_factory.mktemp("hub")
    exchange = base / "exchange"
    exchange.mkdir(mode=0o777)
    exchange.chmod(0o777)
    home = base / "home"
    home.mkdir()
    make_course(load_course(ROOT), home / TEACHER, course_id="vision", title="Vision", lessons=[LESSON])
    for user in (TEACHER, *STUDENTS):
        settings = home / user / ".jupyter"
        settings.mkdir(parents=True)
        student = f"c.CourseDirectory.student_id = {user!r}\n" if user != TEACHER else ""
        (settings / "jupyter_server_config.json").write_text(json.dumps({"ServerApp": {"jpserver_extensions": UNUSED}}))
        (settings / "nbgrader_config.py").write_text(
            f"c = get_config()\nc.Exchange.root = {str(exchange)!r}\nc.CourseDirectory.course_id = 'vision'\n{student}"
        )
    running = Hub(base, proxy, (TEACHER, *STUDENTS), {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})
    yield running, load_course(home / TEACHER)
    running.stop()


def vitlab(course: Course, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "grading", *arguments], cwd=course.root, capture_output=True, text=True, timeout=600,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_a_class_goes_through_the_hub_and_back(hub: tuple[Hub, Course]) -> None:
    running, course = hub
    exchange = running.base / "exchange" / "vision"
    for user in (TEACHER, *STUDENTS):
        running.start_server(user)
    running.wait_for_server(TEACHER)
    status, said = running.ask("POST", f"/user/{TEACHER}/formgrader/api/assignment/{LESSON}/release")
    assert status == 200, said
    assert said["success"], said.get("log", said)
    assert (exchange / "outbound" / LESSON / f"{LESSON}.ipynb").is_file()

    for student in STUDENTS:
        running.wait_for_server(student)
        assignment(running, student, "fetch")
        path = f"/user/{student}/api/contents/{LESSON}/{LESSON}.ipynb"
        status, model = running.ask("GET", path)
        assert status == 200, model
        [written] = [c for c in model["content"]["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == "W1a"]
        written["source"] = f"{student} says: a row of one patch holds pixels of several."
        status, said = running.ask("PUT", path, {"type": "notebook", "format": "json", "content": model["content"]})
        assert status == 200, said
        assignment(running, student, "submit")

    said = vitlab(course, "collect", str(exchange), LESSON)
    assert all(
        student in {p.name for p in (course.root / "course_data" / "submitted").iterdir()} for student in STUDENTS
    ), said
    lines = vitlab(course, "grade", LESSON, "--jobs", "1", "--json").splitlines()
    waiting = {line["student"] for line in map(json.loads, lines) if line["status"] == "needs grading"}
    assert waiting == set(STUDENTS)
    vitlab(course, "return", LESSON, "--for", "exchange", "--to", str(exchange))
    for student in STUDENTS:
        assignment(running, student, "fetch_feedback")
        pages = list((running.base / "home" / student).rglob(f"feedback/**/{LESSON}.html"))
        assert len(pages) == 1, said
        html = pages[0].read_text("utf-8")
        assert f"{student} says" in html
        assert "waits for a person" in html
        assert not [other for other in STUDENTS if other != student and f"{other} says" in html]


def assignment(running: Hub, student: str, action: str) -> None:
    """What a click in the student's list of assignments asks for."""
    form = f"course_id=vision&assignment_id={LESSON}"
    status, said = running.ask("POST", f"/user/{student}/assignments/{action}", form=form)
    assert status == 200, said
    assert said["success"], said
