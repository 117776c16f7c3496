"""`python -m helpers lab`: the settings it starts with, and what it says where something is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import lab
from helpers.__main__ import main
from tests.conftest import ROOT


def test_its_settings_stand_before_the_students_own() -> None:
    first, second, own = lab.environment({"JUPYTER_CONFIG_PATH": "mine"})["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert own == "mine"
    hidden = [json.loads((Path(p) / "labconfig" / "page_config.json").read_text("utf-8")) for p in (first, second)]
    names = set().union(*(one["disabledExtensions"] for one in hidden))
    assert {"@jupyter/nbgrader:create-assignment", "@jupyter/nbgrader:formgrader"} <= names
    assert "@jupyter/nbgrader:validate-assignment" not in names


def test_options_are_jupyterlabs_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    monkeypatch.setattr(lab, "start", lambda arguments: given.append(arguments) or 0)
    assert main(["lab", "--no-browser", "--port=8890"]) == 0
    assert given == [["--no-browser", "--port=8890"]]
    with pytest.raises(SystemExit):
        main(["progress", "--no-browser"])


def test_without_jupyterlab_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["lab"]) == 2
    assert "has no JupyterLab. Activate the environment" in capsys.readouterr().err


def test_without_its_notebooks_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys) -> None:
    monkeypatch.setattr(lab.course_folder, "root", lambda: tmp_path)
    assert main(["lab"]) == 2
    assert "start_here.ipynb is not in" in capsys.readouterr().err


def test_in_a_python_that_has_nothing_it_names_what_is_missing_and_what_to_do(tmp_path: Path) -> None:
    """What happens when the environment was not activated: one sentence at the end, not a module's name alone."""
    shutil.copytree(ROOT / "helpers", tmp_path / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, '.'); import helpers"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "which the course needs. Activate the course's environment" in last
