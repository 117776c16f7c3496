"""Python 3.12 and 3.13, which Colab and students have: what can be said from here, and more where they are installed.

Whatever `python3.12` and `python3.13` on the PATH can do is tried with them: all of them compile everything; one that
has torch, IPython and nbconvert runs a lesson.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from functools import cache
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from grading.bundle import make_bundle
from tests.classroom import filled, solutions
from tests.conftest import ROOT
from tests.test_environment import listed

# Gone from the standard library in 3.12 and 3.13: What's New in Python, "Removed".
GONE = {
    "aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils", "imghdr", "imp",
    "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd",
    "sunau", "telnetlib", "uu", "xdrlib",
}  # fmt: skip
# Colab has its own older ones of these, beside which the helpers are installed; docs/learning.md.
OLDER_ON_COLAB = {"ipython": "7.34.0", "ipywidgets": "7.7.1"}
COMPILE = """
import json, sys, warnings
warnings.simplefilter("error")
for name, source in json.load(sys.stdin).items():
    compile(source, name, "exec")
print(*sys.version_info[:2], sep=".")
"""
REFUSE = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in {gone!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}, which Python 3.13 has no longer", name=name)
for name in {gone!r}:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Refuse())
import importlib
from helpers.torchvision_ops import load_torchvision
load_torchvision()
for name in {modules!r}:
    importlib.import_module(name)
"""


@cache
def sources() -> dict[str, str]:
    """All Python that ships or runs: files, and each code cell of the student and solution notebooks."""
    found = {
        path.relative_to(ROOT).as_posix(): path.read_text("utf-8")
        for folder in ("helpers", "grading", "solutions")
        for path in (ROOT / folder).rglob("*.py")
    }
    for path in [*(ROOT / "notebooks").rglob("*.ipynb"), *(ROOT / "solutions").rglob("*.ipynb")]:
        if ".ipynb_checkpoints" not in path.parts:
            for cell in json.loads(path.read_text("utf-8"))["cells"]:
                if cell["cell_type"] == "code":
                    found[f"{path.relative_to(ROOT).as_posix()}#{cell['id']}"] = "".join(cell["source"])
    return found


@cache
def others() -> dict[str, str]:
    """Version to path of the other Pythons that answer on the PATH."""
    found = {}
    for version in ("3.12", "3.13"):
        path = shutil.which(f"python{version}")
        asked = [path or "", "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
        if path and subprocess.run(asked, capture_output=True, text=True).stdout.strip() == version:
            found[version] = path
    return found


def test_everything_is_python_3_11_and_nothing_warns() -> None:
    """An escape such as "\\d" is silent in 3.11 and a warning in the student's notebook from 3.12 on."""
    assert len(sources()) > 1000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, source in sources().items():
            compile(ast.parse(source, name, feature_version=(3, 11)), name, "exec")
        with pytest.raises(SyntaxError, match="invalid escape"):
            compile(r'"\d"', "an escape", "exec")


def test_nothing_is_imported_that_newer_pythons_have_no_longer() -> None:
    for name, source in sources().items():
        for node in ast.walk(ast.parse(source, name)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {n.split(".")[0] for n in names} & GONE, name


def test_nor_by_what_lessons_import() -> None:
    tops = {
        module.split(".")[0]
        for name, source in sources().items()
        if name.startswith(("helpers", "notebooks"))
        for module in re.findall(r"^(?:import|from) ([\w.]+)", source, re.MULTILINE)
    }
    modules = sorted(tops - set(sys.stdlib_module_names) - {"grading"} | {"ipywidgets", "ipykernel", "timm"})
    assert {"torch", "numpy", "einops", "helpers"} <= set(modules)
    program = REFUSE.format(gone=sorted(GONE), modules=modules)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    refused = subprocess.run([sys.executable, "-c", program + "\nimport imp"], cwd=ROOT, capture_output=True, text=True)
    assert "which Python 3.13 has no longer" in refused.stderr


def test_what_colab_has_is_what_we_ask_for() -> None:
    """On Colab nothing that is there is replaced, so it had better be new enough."""
    lines = (ROOT / "tests" / "colab.txt").read_text("utf-8").splitlines()
    there = {r.name: r for r in (Requirement(line) for line in lines if not line.startswith("#"))}
    older = {}
    for name, wanted in listed("student").items():
        if name in there:
            version = str(there[name].specifier).removeprefix("==")
            if not wanted.specifier.contains(Version(version).public):
                older[name] = version
    assert older == OLDER_ON_COLAB
    assert set(listed("student")) - set(there) == {"jupyterlab", "nbgrader"}, "Colab has its own notebook interface"
    imported = re.findall(
        r"^\s*(?:import|from) (jupyterlab|nbgrader)\b",
        "\n".join(source for name, source in sources().items() if name.startswith(("helpers", "notebooks"))),
        re.MULTILINE,
    )
    assert imported == []


in_other_pythons = pytest.mark.parametrize(
    "version",
    sorted(others())
    or [pytest.param("none", marks=pytest.mark.skip("neither python3.12 nor python3.13 is on the path"))],
)


@in_other_pythons
def test_another_python_compiles_everything_and_does_not_warn(version: str) -> None:
    command = [others()[version], "-I", "-c", COMPILE]
    done = subprocess.run(command, input=json.dumps(sources()), capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == version, done.stderr[-2000:]


@in_other_pythons
def test_a_lesson_runs_in_another_python_that_has_what_it_needs(course, version: str, tmp_path: Path) -> None:
    python, lesson = others()[version], "01_patches"
    needed = "import torch, IPython, ipykernel, nbconvert, matplotlib, einops, safetensors, sklearn"
    if subprocess.run([python, "-c", needed], capture_output=True).returncode:
        pytest.skip(
            f"{python} has no torch or none of IPython, nbconvert, matplotlib, einops, safetensors, scikit-learn"
        )
    shutil.unpack_archive(make_bundle(course, tmp_path / "students.zip"), tmp_path)
    path = tmp_path / course.course.id / "notebooks" / lesson / f"{lesson}.ipynb"
    nbformat.write(filled(course, lesson, solutions(course, lesson)), path)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("VITLAB_", "PYTHON", "JUPYTER_", "VIRTUAL_ENV"))}
    env |= {
        "HOME": str(tmp_path),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "JUPYTER_DATA_DIR": str(tmp_path / "jupyter"),
    }
    run = subprocess.run(
        [python, "-m", "nbconvert", "--execute", "--to", "notebook", "--inplace", str(path)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    ran = nbformat.read(path, as_version=4)
    pages = [o.get("data", {}).get("text/html", "") for c in ran.cells for o in c.get("outputs", [])]
    assert ["correct" in page for page in pages if "vitlab-card" in page] == [True, True]
    assert ran.metadata.language_info.version.startswith(version)
