"""One JupyterLab and one Chromium for all journeys; a notebook of one's own for each."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, sync_playwright

from grading.bundle import make_bundle
from tests.browser.jupyter_page import JupyterPage, Lab, abroad, launch, visitor
from tests.classroom import filled

LESSON = "02_positional_encoding"


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All journeys run one after another, in the process that has the server and the browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="package")  # no longer: while Playwright runs, its event loop counts as running here
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = launch(playwright)
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def lab(course, tmp_path_factory) -> Iterator[Lab]:
    """JupyterLab in the students' bundle, unzipped into a folder with blanks and letters that ASCII lacks."""
    base = tmp_path_factory.mktemp("student")
    with zipfile.ZipFile(make_bundle(course, base / "students.zip")) as archive:
        archive.extractall(base / "Übungen für Zoë 2027")
    started = Lab(base / "Übungen für Zoë 2027" / course.course.id, base / "home", env={"OMP_NUM_THREADS": "1"})
    yield started
    started.stop()


@pytest.fixture(scope="package")
def student(browser: Browser) -> Iterator:
    """A browser context: what was loaded once is in its cache."""
    wanted: list[str] = []
    context = visitor(browser, wanted)
    yield context, wanted
    context.close()


@pytest.fixture
def jupyter(lab: Lab, student, tmp_path: Path) -> Iterator[JupyterPage]:
    """A fresh page; whatever a journey does, it asks no other machine for anything."""
    context, wanted = student
    wanted.clear()
    shutil.rmtree(lab.folder / "my_work", ignore_errors=True)
    page = context.new_page()
    jupyter = JupyterPage(page, lab)
    yield jupyter
    page.screenshot(path=tmp_path / "last.png")  # pytest keeps the folder of the last runs
    jupyter.shut_down_kernels()
    page.close()
    assert abroad(wanted) == [], "a page that needs the internet"


@pytest.fixture
def lesson(course, lab: Lab) -> Iterator[Callable[..., str]]:
    """Puts a lesson into the folder, under a name of its own and with these answers typed in, and says where."""
    made: list[Path] = []

    def copy(name: str, lesson: str = LESSON, answers: Mapping[str, str] | None = None) -> str:
        made.append(lab.folder / "notebooks" / lesson / f"{name}.ipynb")
        nbformat.write(filled(course, lesson, answers or {}), made[-1])
        return made[-1].relative_to(lab.folder).as_posix()

    yield copy
    for path in made:
        path.unlink(missing_ok=True)
