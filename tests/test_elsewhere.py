"""Lessons away from our own JupyterLab: as Colab and VS Code save them, and run by nbconvert, in an awkward folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from grading.bundle import make_bundle
from grading.intake.read import read_notebook
from grading.intake.transplant import transplant
from tests.classroom import filled, released, solutions

LESSON = "01_patches"
IN_COLAB = """\
import sys, types
google, colab = types.ModuleType("google"), types.ModuleType("google.colab")
google.colab = colab
sys.modules.update({"google": google, "google.colab": colab})
"""


def as_saved_by_jupyterlab(notebook: dict[str, Any]) -> None:
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.11.9", "file_extension": ".py"}


def as_saved_by_vs_code(notebook: dict[str, Any]) -> None:
    """The minor version is lowered to 2 and ids go, keys that VS Code doesn't know too; languages are noted by cell."""
    notebook["nbformat_minor"] = 2
    for cell in notebook["cells"]:
        cell.pop("id")
        cell["metadata"] = {"vscode": {"languageId": "plaintext"}} if cell["cell_type"] == "raw" else {}
    notebook["metadata"]["kernelspec"] = {"display_name": ".venv (3.11.9)", "language": "python", "name": "python3"}


def as_saved_by_colab(notebook: dict[str, Any]) -> None:
    """Minor version 0, no language, ids in the metadata, and Colab's own keys: as in tests of reading a hand-in."""
    notebook["nbformat_minor"] = 0
    for number, cell in enumerate(notebook["cells"]):
        cell.pop("id")
        cell["metadata"] = {"id": f"aZ{number:010d}"}
        if cell["cell_type"] == "code":
            cell["metadata"] |= {"colab": {"base_uri": "https://localhost:8080/"}, "outputId": "0"}
    notebook["metadata"] = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
        "language_info": {"name": "python"},
    }


@pytest.fixture(scope="module")
def unzipped(course, tmp_path_factory) -> Path:
    """The students' bundle in a folder with blanks and letters that ASCII lacks."""
    folder = tmp_path_factory.mktemp("bundle") / "Mes études (été 2027) 深度"
    with zipfile.ZipFile(make_bundle(course, folder.parent / "students.zip")) as archive:
        archive.extractall(folder)
    return folder / course.course.id


@pytest.mark.parametrize("saved", [as_saved_by_jupyterlab, as_saved_by_vs_code, as_saved_by_colab])
def test_a_lesson_runs_from_top_to_bottom_and_can_be_graded(
    course, unzipped: Path, tmp_path: Path, saved: Callable[[dict[str, Any]], None]
) -> None:
    """Cell by cell with nbconvert: no GPU, and for Colab's format with the module that Colab has."""
    notebook = json.loads(nbformat.writes(filled(course, LESSON, solutions(course, LESSON))))
    saved(notebook)
    path = unzipped / "notebooks" / LESSON / f"{saved.__name__}.ipynb"
    path.write_text(json.dumps(notebook), "utf-8")
    startup = tmp_path / "ipython" / "profile_default" / "startup" / "00.py"
    startup.parent.mkdir(parents=True)
    startup.write_text(IN_COLAB if saved is as_saved_by_colab else "")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("VITLAB_", "PYTHON", "JUPYTER_"))}
    env |= {"CUDA_VISIBLE_DEVICES": "", "IPYTHONDIR": str(tmp_path / "ipython"), "HOME": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "nbconvert", "--execute", "--to", "notebook", "--inplace", str(path)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]

    outputs = [o for cell in json.loads(path.read_text("utf-8"))["cells"] for o in cell.get("outputs", [])]
    pages = ["".join(output.get("data", {}).get("text/html", "")) for output in outputs]
    assert ["correct" in page for page in pages if "vitlab-card" in page] == [True] * len(solutions(course, LESSON))
    again = transplant(released(course, LESSON), read_notebook(path).notebook)
    typed = {
        c.metadata["vitlab"]["question"]: c.source
        for c in again.notebook.cells
        if c.metadata["vitlab"]["role"] == "answer"
    }
    assert typed == solutions(course, LESSON)
