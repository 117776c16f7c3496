"""The students' zip: notebooks, helpers, environment, and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from grading.bundle import bundle_files, make_bundle
from grading.course import Course, CourseError, load_course
from grading.lesson_builder.lesson import student_notebook
from grading.lesson_builder.notebook import solution_notebook
from grading.lesson_source.source import read_source
from tests.conftest import ROOT

TINY = """\
# %% [markdown]
# # A lesson {{badge}}
# %% tags=["bootstrap"]
# %% tags=["solution"]
print("the model answer")
# %%
print(1 + 1)
"""
SECRET = "a mistake nobody may see"
FIRST_EXPECTATIONS = "helpers/checks/expected/01_tiny.safetensors"


@pytest.fixture
def tiny(tmp_path: Path) -> Course:
    """A course of one built lesson, with the helpers as they are and things around it that must not travel."""
    root = tmp_path / "course"
    shutil.copytree(ROOT / "helpers", root / "helpers", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "course.toml").write_text(
        '[course]\nid = "tiny"\ntitle = "Tiny"\nrepository = "a/b"\nref = "v1"\n'
        '[[lessons]]\nid = "01_tiny"\ntitle = "Tiny"\nminutes = 5\n',
        "utf-8",
    )
    course = load_course(root)
    for name, text in {
        "solutions/01_tiny/01_tiny.py": TINY,
        "solutions/01_tiny/mistakes.py": f"# {SECRET}",
        "grading/seed.py": SECRET,
        "tests/test_secret.py": SECRET,
        "course_data/gradebook.db": SECRET,
        "notebooks/01_tiny/01_tiny-Copy1.ipynb": SECRET,
        "notebooks/01_tiny/.ipynb_checkpoints/01_tiny-checkpoint.ipynb": SECRET,
        "helpers/__pycache__/answers.cpython-311.pyc": SECRET,
        "helpers/.hidden.py": SECRET,
        FIRST_EXPECTATIONS: "arrays",
        "helpers/checks/expected/99_later.safetensors": SECRET,
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    build(course)
    return course


def build(course: Course) -> None:
    solution = solution_notebook(read_source(course.source("01_tiny")), course.course)
    nbformat.write(student_notebook(solution, "01_tiny"), course.student_notebook("01_tiny"))


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def run_first_cell(notebook: Path) -> Path:
    """Where the helpers come from when the first code cell runs as Jupyter runs it: in the notebook's folder."""
    cell = next(c for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "code")
    done = subprocess.run(
        [sys.executable, "-c", cell.source + "\nprint(helpers.__file__)"],
        cwd=notebook.parent,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()).parent


def test_it_holds_notebooks_helpers_environment_and_nothing_else(tiny, tmp_path):
    files = contents(make_bundle(tiny, tmp_path / "out" / "students.zip"))
    kinds = Counter(name.split("/")[1] for name in files)
    assert set(kinds) == {"README.txt", "notebooks", "helpers", "environment.yml", "requirements.txt"}
    assert kinds["notebooks"] == 2, "the lesson and the page to start from"
    assert "01_tiny/01_tiny.ipynb" in files["tiny/notebooks/start_here.ipynb"].decode()
    assert {name for name in files if name.endswith(".safetensors")} == {f"tiny/{FIRST_EXPECTATIONS}"}
    assert not [name for name in files if "__pycache__" in name or "/." in name]
    for name, content in files.items():
        assert SECRET.encode() not in content, name
        assert b"the model answer" not in content, name


def test_its_helpers_are_all_there(tiny, tmp_path):
    files = contents(make_bundle(tiny, tmp_path / "students.zip"))
    for path in (ROOT / "helpers").rglob("*.py"):
        assert f"tiny/{path.relative_to(ROOT).as_posix()}" in files


def test_the_same_course_gives_the_same_bytes(tiny, tmp_path):
    first = make_bundle(tiny, tmp_path / "a.zip").read_bytes()
    for path in (tiny.root / "helpers").rglob("*.py"):
        path.touch()
    assert make_bundle(tiny, tmp_path / "b.zip").read_bytes() == first


def test_its_names_are_fine_on_windows(tiny, course, tmp_path):
    names = [*contents(make_bundle(tiny, tmp_path / "students.zip")), *bundle_files(course)]
    parts = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, 9)}
    assert len({part.casefold() for part in parts}) == len(parts), "two names that Windows takes for one"
    for name in names:
        assert len(name) < 100, "Windows allows 260 characters with the folder it is unzipped to"
        assert name.isascii(), "an old unzip has its own idea of other letters"
        assert not re.search(r'[\\:*?"<>|\x00-\x1f]|[ .](/|$)|//|^/', name), name
        assert not re.search(r"(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)", name, re.IGNORECASE), name


def test_the_first_cell_finds_the_helpers_of_the_bundle(tiny, tmp_path):
    folder = tmp_path / "My Documents" / "vision course"
    with zipfile.ZipFile(make_bundle(tiny, tmp_path / "students.zip")) as archive:
        archive.extractall(folder)
    found = run_first_cell(folder / "tiny" / "notebooks" / "01_tiny" / "01_tiny.ipynb")
    assert found == folder / "tiny" / "helpers"


def test_a_lesson_that_is_not_built_is_refused(tiny, tmp_path):
    tiny.student_notebook("01_tiny").unlink()
    with pytest.raises(CourseError, match=r"01_tiny\.ipynb is not built: run `vitlab build 01_tiny`"):
        make_bundle(tiny, tmp_path / "students.zip")
    build(tiny)
    (tiny.root / FIRST_EXPECTATIONS).unlink()
    with pytest.raises(CourseError, match=r"01_tiny\.safetensors is not built"):
        make_bundle(tiny, tmp_path / "students.zip")
    assert not list(tmp_path.glob("*students.zip*")), "nothing half made is left"


@pytest.mark.parametrize("damage", ["an answer", "not JSON", "another format"])
def test_a_notebook_somebody_worked_in_is_refused(tiny, tmp_path, damage):
    path = tiny.student_notebook("01_tiny")
    notebook = json.loads(path.read_text("utf-8"))
    notebook["cells"][-1]["source"] = "print(2)  # my answer"
    path.write_text({"an answer": json.dumps(notebook), "not JSON": "{", "another format": "[]"}[damage], "utf-8")
    with pytest.raises(CourseError, match=r"01_tiny\.ipynb is not what its source builds"):
        make_bundle(tiny, tmp_path / "students.zip")


def test_outputs_of_a_run_do_not_travel(tiny, tmp_path):
    path = tiny.student_notebook("01_tiny")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].outputs = [nbformat.v4.new_output("stream", text="an output")]
    notebook.cells[-1].execution_count = 7
    nbformat.write(notebook, path)
    files = contents(make_bundle(tiny, tmp_path / "students.zip"))
    assert b"an output" not in files["tiny/notebooks/01_tiny/01_tiny.ipynb"]


def test_the_bundle_of_this_course_works_where_it_is_unzipped(course, tmp_path):
    missing = [lesson.id for lesson in course.lessons if not course.student_notebook(lesson.id).exists()]
    assert not missing, f"not built: {missing}"
    with zipfile.ZipFile(make_bundle(course, tmp_path / "students.zip")) as archive:
        archive.extractall(tmp_path / "a folder")
    unzipped = tmp_path / "a folder" / course.course.id
    assert {path.name for path in unzipped.iterdir()} == {
        "README.txt",
        "notebooks",
        "helpers",
        "environment.yml",
        "requirements.txt",
    }
    for lesson in course.lessons:
        assert (unzipped / "helpers" / "checks" / "expected" / f"{lesson.id}.safetensors").is_file()
    assert run_first_cell(unzipped / "notebooks" / lesson.id / f"{lesson.id}.ipynb") == unzipped / "helpers"
