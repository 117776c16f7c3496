"""What has a lesson graded again: a change to what it imports, and nothing else of `helpers`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grading.course import Course, load_course
from grading.engine.imports import imported_files
from grading.engine.keys import lesson_imports, lesson_version
from tests.conftest import ROOT

LESSONS = ("02_positional_encoding", "09_swin")


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Course:
    """The repository's two lessons with helpers that may be changed."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "helpers", root / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "course.toml", root)
    for lesson in LESSONS:
        for folder in ("solutions", "notebooks"):
            shutil.copytree(ROOT / folder / lesson, root / folder / lesson)
    return load_course(root)


@pytest.mark.parametrize(
    ("module", "again"),
    [
        ("helpers/pictures/swin.py", ["09_swin"]),
        ("helpers/pictures/swin_checks.py", ["09_swin"]),
        ("helpers/questions/swin_windows.py", ["09_swin"]),
        ("helpers/questions/positional_encoding.py", ["02_positional_encoding"]),
        ("helpers/pictures/positional_encoding.py", ["02_positional_encoding"]),
        ("helpers/checks/compare.py", list(LESSONS)),
        ("helpers/__init__.py", list(LESSONS)),
        ("helpers/jupyter/labconfig/page_config.json", []),
        ("helpers/pictures/hybrid.py", []),
        ("solutions/09_swin/mistakes.py", ["09_swin"]),
        ("notebooks/02_positional_encoding/02_positional_encoding.ipynb", ["02_positional_encoding"]),
    ],
)
def test_a_change_has_the_lessons_graded_again_that_import_it(copy: Course, module: str, again: list[str]) -> None:
    before = {lesson: lesson_version(copy, lesson) for lesson in LESSONS}
    path = copy.root / module
    text = path.read_bytes()
    path.write_bytes(text + b"\n")
    try:
        assert [lesson for lesson in LESSONS if lesson_version(copy, lesson) != before[lesson]] == again
    finally:
        path.write_bytes(text)
    assert {lesson: lesson_version(copy, lesson) for lesson in LESSONS} == before


def test_the_engine_counts_for_every_lesson(copy: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [lesson_version(copy, lesson) for lesson in LESSONS]
    monkeypatch.setattr("grading.engine.keys.engine_version", lambda: "another")
    assert not set(before) & {lesson_version(copy, lesson) for lesson in LESSONS}


def test_what_a_kernel_has_loaded_after_the_checks_of_a_lesson_is_among_what_it_imports(course: Course) -> None:
    """The reading of import statements misses nothing: compared with what was really imported."""
    import subprocess
    import sys

    code = (
        "import sys; from helpers import check; from helpers.questions.positional_encoding import QUESTIONS\n"
        "from helpers.questions import _defined; import helpers.questions as q\n"
        "q._builtin = lambda: {one.id: one for one in QUESTIONS}\n"
        "for one in QUESTIONS: check(one.id, None)\n"
        "print(*sorted(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'helpers'), sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {Path(line) for line in done.stdout.splitlines()}
    assert len(loaded) > 20
    assert loaded <= set(lesson_imports(course, LESSONS[0]))


def test_imports_are_found_wherever_they_stand(tmp_path: Path) -> None:
    files = {
        "__init__.py": "from .core import thing",
        "core.py": "def thing():\n    from pkg.lazy import x\n    import pkg.deep.inner as inner",
        "lazy.py": "try:\n    from . import sibling\nexcept ImportError:\n    pass",
        "sibling.py": "from ..nowhere import y",
        "deep/__init__.py": "",
        "deep/inner.py": "from ..shared import *\nimport pkg.sibling, os",
        "deep/table.json": "{}",
        "deep/lessons.toml": "",
        "deep/unused.py": "",
        "shared.py": "import numpy",
        "unused.py": "",
    }
    for name, text in files.items():
        (tmp_path / "pkg" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pkg" / name).write_text(text)
    packages = {"pkg": tmp_path / "pkg"}

    def found(*texts: str) -> set[str]:
        return {path.relative_to(tmp_path / "pkg").as_posix() for path in imported_files(texts, [], packages)}

    everything = {
        "__init__.py", "core.py", "lazy.py", "sibling.py", "deep/__init__.py", "deep/inner.py", "deep/table.json",
        "shared.py",
    }  # fmt: skip
    assert found("from pkg import anything") == everything
    assert found("%%time\nfrom pkg.unused import z") == everything | {"unused.py"}, "a cell that is not Python"
    assert found("import os") == set()
