"""The dependencies in pyproject.toml, written for conda and for pip.

`python -m grading.environment` renews environment.yml.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from grading.course import Course, CourseError, find_root

PROJECT = "pyproject.toml"
PACKAGE = "vit-lab"
CHECKOUT = Path(__file__).resolve().parents[1]
COURSE_EXTRAS = ("student", "instructor", "cluster", "postgresql", "dev")
# Where conda-forge's name is another.
CONDA_NAMES = {
    "torch": "pytorch",
    "jupyter-client": "jupyter_client",
    "jupyter-core": "jupyter_core",
    "playwright": "playwright-python",
}

_COURSE_HEADER = """\
# ViT Lab for conda users:  conda env create -f environment.yml && conda activate vitlab
# Written from pyproject.toml, the one list of dependencies, by:  python -m grading.environment
# Grading needs bubblewrap too, which conda-forge does not have; on Debian and Ubuntu: sudo apt install bubblewrap
"""
_STUDENT_HEADER = """\
# ViT Lab with conda. In this folder:
#   conda env create -f environment.yml
#   conda activate {name}
#   python -m helpers lab
"""
_PIP_HEADER = """\
# ViT Lab with pip. In this folder, with Python {python} or newer:
#   python -m venv .venv
#   source .venv/bin/activate            (on Windows: .venv\\Scripts\\activate)
#   pip install -r requirements.txt
#   python -m helpers lab
# On Linux without a GPU, a first step saves gigabytes:
#   pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu
"""

_STUDENT_PROJECT = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1"
requires-python = "{python}"

[tool.setuptools.packages.find]
include = ["helpers*"]

[tool.setuptools.package-data]
"*" = ["*.safetensors", "*.json", "*.css", "*.js", "*.html", "*.j2", "*.svg", "*.toml"]
"""

_README = """\
{title}

You need Python {python} or newer. Once, in the folder in which this file lies:

    python -m venv .venv
    source .venv/bin/activate            (on Windows: .venv\\Scripts\\activate)
    pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu
    pip install -r requirements.txt

(Where python is not found, say python3. With an NVIDIA GPU, and on macOS, leave the third line out.)
With conda instead: conda env create -f environment.yml, then conda activate {name}.

Then, each time, with that environment active:

    python -m helpers lab

JupyterLab opens on the course map: click a lesson. In VS Code, open a notebook in the folder notebooks and choose
.venv as its kernel.

What you have done is kept in my_work, which appears beside this file. When a lesson is done, save it, and

    python -m helpers submit {first}

says what is still blank and makes the file to hand in.
"""


@dataclass(frozen=True)
class Project:
    """What the engine's package asks for: the Python version, and each extra's own requirements."""

    python: str
    extras: Mapping[str, Sequence[Requirement]]

    def requirements(self, extra: str) -> Sequence[Requirement]:
        """What an extra asks for itself, without the extras it builds on.

        Raises:
            CourseError: there is no such extra.
        """
        if extra not in self.extras:
            raise CourseError(f"there is no extra {extra!r}; there are {', '.join(self.extras)}")
        return self.extras[extra]


def read_project(path: Path) -> Project:
    """The project that a pyproject.toml describes.

    Raises:
        CourseError: the file is missing or broken, or an entry is not a requirement.
    """
    try:
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        listed = {name: list(entries) for name, entries in project["optional-dependencies"].items()}
        extras = {name: [_requirement(entry, f"{path}: extra {name!r}") for entry in listed[name]] for name in listed}
        own = {name: [r for r in found if r.name != project["name"]] for name, found in extras.items()}
        return Project(project["requires-python"], own)
    except FileNotFoundError:
        raise CourseError(f"{path} is not there: it lists what students install") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise CourseError(f"{path} can't be read: {error}") from None


def installed_project(name: str = PACKAGE) -> Project:
    """The project as its installed metadata describes it.

    Raises:
        CourseError: it is not installed.
    """
    try:
        found = metadata(name)
    except PackageNotFoundError:
        raise CourseError(f"the package {name} is not installed: pip install '{name}[instructor]'") from None
    extras: dict[str, list[Requirement]] = {extra: [] for extra in found.get_all("Provides-Extra") or ()}
    for entry in found.get_all("Requires-Dist") or ():
        requirement = _requirement(entry, name)
        for extra, wanted in extras.items():
            if requirement.marker and requirement.marker.evaluate({"extra": extra}) and requirement.name != name:
                wanted.append(_requirement(entry.partition(";")[0].strip(), name))
    return Project(found["Requires-Python"] or "", extras)


def this_project() -> Project:
    """The project that this engine belongs to: the repository's where it runs from one, else the installed one."""
    path = CHECKOUT / PROJECT
    return read_project(path) if path.is_file() else installed_project()


def engine_release() -> str:
    """The engine's version number."""
    path = CHECKOUT / PROJECT
    return tomllib.loads(path.read_text("utf-8"))["project"]["version"] if path.is_file() else version(PACKAGE)


def _requirement(entry: str, where: str) -> Requirement:
    try:
        return Requirement(entry)
    except InvalidRequirement as error:
        raise CourseError(f"{where}: {error}") from None


def course_environment(project: Project) -> str:
    """environment.yml of the repository: every extra, and the course itself."""
    extras = {extra: project.requirements(extra) for extra in COURSE_EXTRAS}
    return _COURSE_HEADER + _conda("vitlab", project.python, extras) + "  - pip\n  - pip:\n      - -e .\n"


def student_environment(name: str, project: Project | None = None) -> str:
    """environment.yml of the bundle: the student's part."""
    project = project or this_project()
    return _STUDENT_HEADER.format(name=name) + _conda(name, project.python, {"": project.requirements("student")})


def student_requirements(project: Project | None = None) -> str:
    """requirements.txt of the bundle."""
    project = project or this_project()
    lines = [str(requirement) for requirement in project.requirements("student")]
    return _PIP_HEADER.format(python=project.python.removeprefix(">=")) + "\n".join(lines) + "\n"


def student_project(course: Course) -> str:
    """pyproject.toml of a bundle whose course is data: Colab installs the helpers with it, from the bundle's files."""
    name = re.sub(r"[^a-z0-9]+", "-", course.course.id.lower()).strip("-") or "course"
    return _STUDENT_PROJECT.format(name=f"{name}-helpers", python=this_project().python)


def student_readme(course: Course) -> str:
    """README.txt of the bundle: how to install, start and hand in."""
    settings, first = course.course, course.lessons[0].id.partition("_")[0]
    python = this_project().python.removeprefix(">=")
    return _README.format(title=settings.title, python=python, name=settings.id, first=first)


def _conda(name: str, python: str, extras: Mapping[str, Sequence[Requirement]]) -> str:
    lines = [f"name: {name}", "channels:", "  - conda-forge", "  - nodefaults", "dependencies:", f"  - python{python}"]
    for extra, wanted in extras.items():
        lines += [f"  # {extra}"] if extra else []
        lines += [f"  - {CONDA_NAMES.get(r.name, r.name)}{r.specifier}" for r in wanted]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    folder = find_root()
    (folder / "environment.yml").write_text(course_environment(read_project(folder / PROJECT)), "utf-8", newline="\n")
