"""What the Python environment offers: versions, packages, names that are taken."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from grading.course import CourseError
from grading.doctor.finding import Finding
from grading.environment import this_project

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_TORCH = f"pip install torch torchvision --index-url {CPU_INDEX}"
_INSTRUCTOR = "pip install 'vit-lab[instructor]'"
_SECONDS = 120


def python() -> Finding:
    """Whether this Python is one that the engine works with."""
    wanted, here = this_project().python, ".".join(map(str, sys.version_info[:3]))
    ok = SpecifierSet(wanted).contains(here)
    return Finding("Python", "ok" if ok else "missing", f"{here}, {sys.executable}", "" if ok else f"Python {wanted}")


def torch() -> Finding:
    """Whether torch and torchvision are there, belong together, and can be imported."""
    try:
        have = {name: version(name) for name in ("torch", "torchvision")}
    except PackageNotFoundError as error:
        return Finding("torch, torchvision", "missing", f"{error.name} is not installed", _TORCH)
    found = f"torch {have['torch']}, torchvision {have['torchvision']}"
    if wanted := _torch_that_fits(have["torch"]):
        return Finding("torch, torchvision", "note", f"{found}, which is made for torch{wanted}", _TORCH)
    said = _import_in_a_process_of_its_own("torchvision")
    if not said:
        return Finding("torch, torchvision", "ok", found)
    if "operator torchvision::" in said:
        why = "its compiled operators belong to another build of torch; the lessons do without them"
        return Finding("torch, torchvision", "note", f"{found}: {why}", _TORCH)
    return Finding("torch, torchvision", "missing", f"{found}, import fails: {said}", _TORCH)


def _torch_that_fits(torch_version: str) -> str:
    """The version of torch that torchvision asks for, "" when it is the one that is there."""
    for entry in requires("torchvision") or ():
        wanted = Requirement(entry)
        if wanted.name == "torch" and not wanted.specifier.contains(torch_version.partition("+")[0], prereleases=True):
            return str(wanted.specifier)
    return ""


def _import_in_a_process_of_its_own(module: str) -> str:
    """The last line of what went wrong, "" when nothing did."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", f"import {module}"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]


def instructor_packages() -> Finding:
    """Whether every package of the extras `student` and `instructor` is there in a version that fits."""
    project, wrong = this_project(), []
    for extra in ("student", "instructor"):
        for wanted in project.requirements(extra):
            try:
                have = version(wanted.name)
            except PackageNotFoundError:
                wrong.append(f"{wanted.name} is missing")
                continue
            if not wanted.specifier.contains(have, prereleases=True):
                wrong.append(f"{wanted.name} {have}, wanted {wanted.specifier}")
    if wrong:
        return Finding("packages", "missing", "; ".join(wrong), _INSTRUCTOR)
    return Finding("packages", "ok", "all of the extra `instructor`")


def names(folder: Path) -> Iterator[Finding]:
    """Whether notebooks in `folder` would import our `helpers` and `grading`, or others' packages of these names."""
    ours = Path(__file__).resolve().parents[2]
    code = (
        "import importlib.util, json\n"
        "specs = {name: importlib.util.find_spec(name) for name in ('helpers', 'grading')}\n"
        "places = {n: s and (s.origin or list(s.submodule_search_locations)[0]) for n, s in specs.items()}\n"
        "print(json.dumps(places))"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=True
        )
        found: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        yield Finding("names", "note", f"it could not be found out what a notebook imports: {error}")
        return
    for name, place in found.items():
        if place is None:
            yield Finding(f"package {name}", "note", "a notebook elsewhere does not find it", _INSTRUCTOR)
        elif not Path(place).resolve().is_relative_to(ours):
            found_there = f"another package of this name is in the way: {place}"
            todo = f"uninstall the distribution that it belongs to, or rename {place}"
            yield Finding(f"package {name}", "missing", found_there, todo)
        else:
            yield Finding(f"package {name}", "ok", str(Path(place).parent))


def extensions() -> Finding:
    """Whether JupyterLab has nbgrader's part in the browser and on the server."""
    what = "nbgrader in JupyterLab"
    if importlib.util.find_spec("jupyter_core") is None or importlib.util.find_spec("nbgrader") is None:
        return Finding(what, "missing", "nbgrader is not installed", _INSTRUCTOR)
    from jupyter_core.paths import jupyter_config_path, jupyter_path

    browser = any(Path(p, "@jupyter", "nbgrader", "package.json").is_file() for p in jupyter_path("labextensions"))
    server = any(Path(p, "jupyter_server_config.d", "nbgrader.json").is_file() for p in jupyter_config_path())
    lacking = [name for name, there in (("lab extension", browser), ("server extension", server)) if not there]
    if lacking:
        how = "pip install --force-reinstall --no-deps nbgrader"
        return Finding(what, "note", f"{' and '.join(lacking)} not found: no formgrader, no Validate button", how)
    return Finding(what, "ok", "lab and server extension")


def engine() -> Finding:
    """Which engine this is, and where it lies."""
    from grading.environment import engine_release

    try:
        return Finding("ViT Lab", "ok", f"{engine_release()}, {Path(__file__).resolve().parents[2]}")
    except (CourseError, PackageNotFoundError) as error:
        return Finding("ViT Lab", "note", f"the installed version is not known: {error}", _INSTRUCTOR)
