"""The tests pass wherever a checkout lies: a private folder, blanks and accents, no writable home, TMPDIR elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.ordinary_user import ordinary_user_command

ROOTS_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
COPIED = ("helpers", "grading", "tests", "pyproject.toml", "course.toml", "nbgrader_config.py")
SAMPLE = (  # those that drop to an ordinary user, and some that look at paths
    "tests/test_sandbox.py::test_ordinary_work_works",
    "tests/test_lab.py",
    "tests/test_bundle.py::test_the_first_cell_finds_the_helpers_of_the_bundle",
)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder that nobody else can pass, inside of another one."""
    folder = tmp_path / "private" / "Übung, été 2027"
    folder.mkdir(parents=True)
    folder.parent.chmod(0o700)
    return folder


@ROOTS_ONLY
@pytest.mark.parametrize("mode", [0o755, 0o700], ids=["its parent is closed", "it is closed itself"])
def test_another_user_reads_what_lies_in_a_private_folder_and_nothing_else_there(private: Path, mode: int) -> None:
    (private / "course").mkdir()
    (private / "course" / "module.py").write_text("print('found')")
    (private / "secret").write_text("not needed")
    (private / "course").chmod(mode)
    inside, beside = str(private / "course" / "module.py"), str(private / "secret")
    code = f"import os; exec(open({inside!r}).read()); print(os.getuid(), os.path.exists({beside!r}))"
    done = subprocess.run(
        ordinary_user_command([sys.executable, "-c", code], also=[private / "course"]), capture_output=True, text=True
    )
    assert done.stdout.split() == ["found", "65000", "False"], done.stderr
    assert (private / "secret").read_text() == "not needed", "outside of the namespace everything is as it was"


def test_a_part_of_the_suite_passes_in_such_a_place(private: Path, tmp_path: Path) -> None:
    checkout, temporary = private / "check out", tmp_path / "private" / "temporary"
    checkout.mkdir(mode=0o700)
    temporary.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__", "my_work"))
        else:
            shutil.copy(ROOT / name, checkout)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "VITLAB", "XDG", "PYTHONPATH"))}
    environment |= {"HOME": "/proc/none", "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SAMPLE],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
