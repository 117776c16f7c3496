"""pyproject.toml is the one list of dependencies: it is complete, and whatever else names them agrees with it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from grading.bundle import HELPER_SUFFIXES
from grading.course import CourseError
from grading.environment import (
    course_environment,
    read_project,
    student_environment,
    student_requirements,
)
from tests.conftest import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
ON_CONDA = {
    "torch": "pytorch",
    "jupyter-client": "jupyter_client",
    "jupyter-core": "jupyter_core",
    "playwright": "playwright-python",
}


def listed(*extras: str) -> dict[str, Requirement]:
    """Name to requirement of what these extras ask for themselves."""
    found = [Requirement(entry) for extra in extras for entry in EXTRAS[extra]]
    return {canonicalize_name(r.name): r for r in found if r.name != "vit-lab"}


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = [tuple(line.split("==")) for line in lines if line and not line.startswith("#")]
    names = [name for name, _ in pinned]
    assert len(set(names)) == len(names), "a package is pinned twice"
    return dict(pinned)


def test_environment_yml_lists_what_pyproject_lists_with_the_same_bounds():
    found = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    conda = [Requirement(entry) for entry in found["dependencies"] if isinstance(entry, str)]
    wanted = {ON_CONDA.get(name, name): str(r.specifier) for name, r in listed(*EXTRAS).items()}
    wanted |= {"python": PYPROJECT["project"]["requires-python"], "pip": ""}
    assert {r.name: str(r.specifier) for r in conda} == wanted, "run: python -m grading.environment"
    assert found["channels"] == ["conda-forge", "nodefaults"]
    assert found["dependencies"][-1] == {"pip": ["-e ."]}, "the course itself, which brings nothing along"


def test_environment_yml_is_what_its_command_writes():
    written = (ROOT / "environment.yml").read_text("utf-8")
    assert written == course_environment(read_project(ROOT / "pyproject.toml")), "run: python -m grading.environment"
    assert "bubblewrap" in written.partition("name:")[0], "what conda-forge does not have is said on top"


def test_students_get_their_extra_and_nothing_of_the_instructor():
    conda = yaml.safe_load(student_environment("vitlab"))["dependencies"]
    pip = [line for line in student_requirements().splitlines() if not line.startswith("#")]
    assert pip == [str(Requirement(entry)) for entry in EXTRAS["student"]]
    assert len(conda) == len(pip) + 1, "and Python"
    for text in (student_environment("vitlab"), student_requirements()):
        assert text.isascii(), "pip on Windows reads it in the local encoding"
        assert "pydantic" not in text


def test_a_missing_or_broken_list_is_named(tmp_path):
    path = tmp_path / "pyproject.toml"
    with pytest.raises(CourseError, match=r"pyproject.toml is not there"):
        read_project(path)
    head = "[project]\nname = 'x'\nrequires-python = '>=3.11'\n[project.optional-dependencies]\n"
    path.write_text(head + "student = ['a b']")
    with pytest.raises(CourseError, match=r"extra 'student'"):
        read_project(path)
    path.write_text(head + "student = ['a']")
    with pytest.raises(CourseError, match=r"no extra 'teacher'; there are student"):
        read_project(path).requirements("teacher")
    path.write_text("[project")
    with pytest.raises(CourseError, match=r"can't be read"):
        read_project(path)


def test_constraints_pin_every_dependency_within_its_bounds():
    pinned = {canonicalize_name(name): version for name, version in pins().items()}
    for name, requirement in listed(*EXTRAS).items():
        assert name in pinned, f"{name} is not in constraints.txt"
        assert requirement.specifier.contains(pinned[name]), f"{requirement}, but constraints.txt has {pinned[name]}"


def test_constraints_fit_machines_without_cuda():
    for name, version in pins().items():
        assert not re.match(r"nvidia|triton|cuda", name), f"{name} belongs to one build of torch"
        assert "+" not in version, f"{name}=={version} is in no public index"


def test_packages_ship_the_same_files_as_the_bundle():
    data = PYPROJECT["tool"]["setuptools"]["package-data"]["*"]
    assert {f"*{suffix}" for suffix in HELPER_SUFFIXES} - {"*.py"} == set(data)


def test_the_helpers_install_without_bringing_anything():
    assert PYPROJECT["project"]["dependencies"] == [], "on Colab a torch that is there must stay"


def imports(folder: str) -> set[tuple[str, Path]]:
    """Top-level modules that are imported below `folder`, each with the file that does."""
    found = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {(alias.name.partition(".")[0], path) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((str(node.module).partition(".")[0], path))
    return found


@pytest.mark.parametrize(
    ("folder", "extras", "ours"),
    [
        ("helpers", ["student"], {"helpers"}),
        ("grading", ["student", "instructor", "cluster"], {"helpers", "grading"}),
        ("solutions", ["student"], {"helpers", "grading"}),
        ("benchmarks", list(EXTRAS), {"helpers", "grading", "benchmarks", "tests"}),
        ("tests", list(EXTRAS), {"helpers", "grading", "tests", "benchmarks"}),
    ],
)
def test_every_import_is_declared_where_it_is_used(folder, extras, ours):
    sources, declared, missing = packages_distributions(), set(listed(*extras)), []
    for module, path in imports(folder):
        if module in sys.stdlib_module_names or module in ours or (path.parent / f"{module}.py").is_file():
            continue
        if not declared & {canonicalize_name(name) for name in sources.get(module, [module])}:
            missing.append(f"{path.relative_to(ROOT)} imports {module}")
    assert missing == [], f"none of the extras {', '.join(extras)} asks for it"


def test_helpers_never_import_grading():
    assert [path for module, path in imports("helpers") if module == "grading"] == []


def test_ci_can_start():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text("utf-8")
    assert "set -euo pipefail" in text
    assert "make test" in text
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_make_alone_lists_its_targets():
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("demo", "test", "lab", "lint", "build", "clean"):
        assert re.search(rf"^ +{target} +\w", shown, re.MULTILINE), target


def test_make_says_which_python_it_needs(tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    run = subprocess.run(
        ["make", "-s", f"VENV={python.parent.parent}", "PYTHON=", str(python)], cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode != 0
    assert "Python 3.11 or newer is needed" in run.stdout
    assert not python.exists()


def install(what: str, machine: Path, **commands: str) -> subprocess.CompletedProcess[str]:
    """Run the script that installs bubblewrap or chromium on a machine that has these commands, given as shell."""
    for name in ("cat", "mktemp", "rm", "tail"):
        (machine / name).symlink_to(str(shutil.which(name)))
    for name, text in commands.items():
        path = machine / name.replace("_", "-")
        path.write_text(f"#!{shutil.which('sh')}\n{text}\n", "utf-8")
        path.chmod(0o755)
    return subprocess.run(
        [str(shutil.which("sh")), str(ROOT / ".ci" / f"install-{what}")],
        env={"PATH": str(machine)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("commands", [{}, {"apt_get": "exit 1", "id": "echo 1000"}], ids=["no apt", "not root"])
def test_where_bubblewrap_cannot_be_installed_it_is_said_how(tmp_path, commands):
    run = install("bubblewrap", tmp_path, **commands)
    assert run.returncode == 1
    for system in ("Debian", "Fedora", "Arch", "macOS", "SANDBOX=none"):
        assert system in run.stderr


def test_bubblewrap_is_installed_where_that_takes_no_question(tmp_path):
    lists = tmp_path / "lists"  # apt-get update makes them; without them nothing installs
    apt = f'echo "$*" >> {tmp_path}/calls; case "$1" in update) echo > {lists};; *) [ -e {lists} ];; esac'
    run = install("bubblewrap", tmp_path, apt_get=apt, id="echo 0")
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "calls").read_text("utf-8").splitlines() == [
        "install -y -q bubblewrap",
        "update -q",
        "install -y -q bubblewrap",
    ]


def test_why_an_installation_failed_is_shown(tmp_path):
    run = install("bubblewrap", tmp_path, apt_get="echo no route to the mirror >&2; exit 100", id="echo 0")
    assert run.returncode == 1
    assert "no route to the mirror" in run.stderr
    assert "sudo apt install bubblewrap" in run.stderr


def test_chromium_is_installed_where_that_takes_no_question_and_else_it_is_said_how(tmp_path):
    for folder in ("debian", "other", "there"):
        (tmp_path / folder).mkdir()
    calls = tmp_path / "calls"
    run = install("chromium", tmp_path / "debian", apt_get=f'echo "$*" >> {calls}', id="echo 0")
    assert run.returncode == 0, run.stderr
    assert "install -y -q --no-install-recommends chromium fonts-dejavu-core" in calls.read_text("utf-8")
    run = install("chromium", tmp_path / "other")
    assert run.returncode == 1, "never passed over in silence"
    for words in ("Debian", "Fedora", "google-chrome", "BROWSER=none"):
        assert words in run.stderr
    assert install("chromium", tmp_path / "there", chromium="exit 0").returncode == 0


def test_browser_tests_fail_loudly_without_a_browser(monkeypatch):
    from tests.chromium import chromium

    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="install-chromium"):
        chromium()
