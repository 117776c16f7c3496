"""The wheel is complete: installed outside of any checkout, it makes a course, builds, bundles and grades."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from grading.course import load_course
from tests.classroom import filled, released, solutions
from tests.conftest import ROOT

LESSON = "02_positional_encoding"
MAX_MB = 4
PARTS = (
    "pyproject.toml",
    "setup.py",
    "README.md",
    "LICENSE",
    "course.toml",
    "helpers",
    "grading",
    "solutions",
    "notebooks",
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "my_work")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, so that nothing is written into the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    (folder / "source").mkdir()
    for name in PARTS:
        copy = folder / "source" / name
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / name, copy)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir",
         "--disable-pip-version-check", "--wheel-dir", str(folder), str(folder / "source")],
        check=True, cwd=folder,
    )  # fmt: skip
    [made] = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory) -> Path:
    """A folder with the wheel's files; the other packages are those of this environment."""
    target = tmp_path_factory.mktemp("site") / "packages"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check",
         "--target", str(target), str(wheel)],
        check=True,
    )  # fmt: skip
    return target


def vitlab(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("VITLAB_", "PYTHON"))}
    environment |= {"PYTHONPATH": str(installed), "COLUMNS": "160"}
    return subprocess.run(
        [sys.executable, "-m", "grading", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_it_carries_the_lessons_and_no_outputs_tests_or_data(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    template = {name.removeprefix("grading/course_template/") for name in names if "/course_template/" in name}
    for lesson in load_course(ROOT).lessons:
        assert f"solutions/{lesson.id}/{lesson.id}.py" in template
        assert f"notebooks/{lesson.id}/{lesson.id}.ipynb" in template
        assert f"helpers/checks/expected/{lesson.id}.safetensors" in names
    assert {"course.toml", "notebooks/start_here.ipynb"} <= template
    assert not [name for name in names if re.match(r"(tests|benchmarks|docs|solutions|notebooks)/", name)]
    assert not [name for name in template if name.startswith("solutions/") and name.endswith(".ipynb")]
    assert wheel.stat().st_size < MAX_MB * 1e6


def test_from_an_empty_folder_to_grades(installed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "vision"

    def command(*arguments: str, where: Path = folder) -> str:
        done = vitlab(installed, where, *arguments)
        assert done.returncode == 0, f"vitlab {' '.join(arguments)}: {done.stdout[-1000:]}{done.stderr[-2000:]}"
        return done.stdout

    assert str(folder) in command("init", "vision", "--lesson", "02", where=tmp_path)
    course = load_course(folder)
    assert [lesson.id for lesson in course.lessons] == [LESSON]
    with course.source(LESSON).open("a") as file:  # an instructor changes the lesson
        file.write("\n# %% [markdown]\n# A paragraph of our own.\n")
    command("build")
    assert "A paragraph of our own." in course.student_notebook(LESSON).read_text("utf-8")
    with zipfile.ZipFile(folder / command("bundle").strip()) as archive:
        names = archive.namelist()
        assert f"vision/helpers/course/expected/{LESSON}.safetensors" in names
        assert "vision/helpers/checks/check.py" in names
        assert b"einops" in archive.read("vision/requirements.txt")
        assert not [name for name in names if "mistakes" in name or "grading" in name or "solutions" in name]

    download = tmp_path / "download"
    for student, notebook in (
        ("jdoe", filled(course, LESSON, solutions(course, LESSON))),
        ("bo", released(course, LESSON)),
    ):
        (download / student).mkdir(parents=True)
        nbformat.write(notebook, download / student / f"{LESSON}.ipynb")
    with (folder / "roster.csv").open("a") as file:
        file.write("bo,Bo,Li,bo@example.org\n")
    command("collect", str(download), "02", "--roster", "roster.csv")
    graded = command("grade", "02", "--json", "--jobs", "1")
    assert '"student": "jdoe"' in graded
    assert "report.html" in command("report")
    exported = command("export", "--for", "csv")
    assert "jdoe" in exported or any("jdoe" in path.read_text("utf-8") for path in folder.rglob("*.csv"))
    assert "index.html" in command("site", "--no-execute")


def test_without_the_instructors_packages_a_sentence_says_which_to_install(installed: Path, tmp_path: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); sys.argv[1:] = ['--help']; import grading.__main__"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'vit-lab[instructor]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_students_side_does_not_need_the_instructors_packages(installed: Path, tmp_path: Path) -> None:
    """With the student's packages alone: typer, jupytext and pydantic can't be imported."""
    code = (
        f"import sys; sys.path.insert(0, {str(installed)!r})\n"
        "for name in ('typer', 'jupytext', 'pydantic', 'nbclient', 'sqlalchemy', 'rich'): sys.modules[name] = None\n"
        "import helpers; print(helpers.__file__); print(helpers.progress())\n"
        "from helpers import check; print(check('Q1', None).status)"
    )
    environment = {**os.environ, "VITLAB_WORK": "off"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed))
    assert "not started" in done.stdout
