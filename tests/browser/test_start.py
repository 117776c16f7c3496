"""The command that the bundle's README.txt gives starts JupyterLab on the map, with what students use and no more."""

from __future__ import annotations

import os
import shlex
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from grading.bundle import make_bundle
from tests.browser.jupyter_page import JupyterPage, Lab, abroad, visitor

LESSON = "01_patches"


@pytest.fixture(scope="module")
def started(course, tmp_path_factory) -> Iterator[Lab]:
    """The zip, unzipped into a folder with a space, and the last command of README.txt before the word submit."""
    base = tmp_path_factory.mktemp("bundle")
    with zipfile.ZipFile(make_bundle(course, base / "vitlab-students.zip")) as archive:
        archive.extractall(base / "My Documents")
    folder = base / "My Documents" / course.course.id
    commands = [line.strip() for line in (folder / "README.txt").read_text("utf-8").splitlines() if line[:4] == "    "]
    (command,) = [line for line in commands if line.endswith(" lab")]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    lab = Lab(folder, base / "home", env={"PATH": path, "OMP_NUM_THREADS": "1"}, starts=shlex.split(command))
    yield lab
    lab.stop()


def test_it_opens_on_the_course_map_and_a_lesson_has_the_validate_button(browser: Browser, started: Lab) -> None:
    wanted: list[str] = []
    context = visitor(browser, wanted)
    jupyter = JupyterPage(context.new_page(), started)
    jupyter.page.goto(started.printed())
    jupyter.page.wait_for_function("() => window.jupyterapp")
    jupyter.wait_open("start_here.ipynb")
    assert "Q1, The sinusoidal code" in jupyter.page.locator(".jp-Notebook").inner_html()
    assert jupyter.page.locator(".Toastify__toast").all_inner_texts() == [], "nothing covers the page"

    jupyter.page.get_by_role("link", name="01 · Patches").click()
    jupyter.wait_open(f"{LESSON}.ipynb")
    expect(jupyter.page.get_by_role("button", name="Validate")).to_be_visible()
    assert "Nbgrader" not in jupyter.page.locator(".lm-MenuBar").inner_text(), "what there is for teachers"
    assert create_assignment(jupyter).count() == 0
    jupyter.run("bootstrap")
    assert jupyter.errors() == []
    jupyter.shut_down_kernels()
    context.close()
    assert abroad(wanted) == []


def test_make_lab_has_no_panel_for_making_assignments_either(jupyter: JupyterPage, lesson) -> None:
    """A lesson is written as text; what that panel puts into a notebook is lost at the next build."""
    jupyter.open(lesson("panels", LESSON))
    expect(jupyter.page.get_by_role("button", name="Validate")).to_be_visible()
    assert "Nbgrader" in jupyter.page.locator(".lm-MenuBar").inner_text(), "formgrader is for teachers"
    assert create_assignment(jupyter).count() == 0


def create_assignment(jupyter: JupyterPage):
    """The tab at the side that opens nbgrader's panel."""
    return jupyter.page.locator('.jp-SideBar [data-id*="create"], .jp-SideBar [title*="Create Assignment"]')
