"""The dependencies in pyproject.toml, written for conda and for pip.

`python -m grading.environment` renews environment.yml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from grading.course import Course, CourseError, find_root

PROJECT = "pyproject.toml"
COURSE_EXTRAS = ("student", "instructor", "cluster", "postgresql", "dev")
# Where conda-forge's name is another.
CONDA_NAMES = {"torch": "pytorch", "jupyter-client": "jupyter_client", "playwright": "playwright-python"}

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


def requirements(root: Path, extra: str) -> list[Requirement]:
    """What an extra of pyproject.toml asks for itself, without the extras it builds on.

    Raises:
        CourseError: there is no such file or extra, or an entry is not a requirement.
    """
    project = _project(root)
    try:
        entries = project["optional-dependencies"][extra]
        found = [Requirement(entry) for entry in entries]
    except KeyError:
        raise CourseError(f"{root / PROJECT} has no extra {extra!r} in [project.optional-dependencies]") from None
    except InvalidRequirement as error:
        raise CourseError(f"{root / PROJECT}: extra {extra!r}: {error}") from None
    return [requirement for requirement in found if requirement.name != project["name"]]


def course_environment(root: Path) -> str:
    """environment.yml of the repository: every extra, and the course itself."""
    extras = {extra: requirements(root, extra) for extra in COURSE_EXTRAS}
    return _COURSE_HEADER + _conda("vitlab", _python(root), extras) + "  - pip\n  - pip:\n      - -e .\n"


def student_environment(root: Path, name: str) -> str:
    """environment.yml of the bundle: the student's part."""
    return _STUDENT_HEADER.format(name=name) + _conda(name, _python(root), {"": requirements(root, "student")})


def student_requirements(root: Path) -> str:
    """requirements.txt of the bundle."""
    lines = [str(requirement) for requirement in requirements(root, "student")]
    return _PIP_HEADER.format(python=_python(root).removeprefix(">=")) + "\n".join(lines) + "\n"


def student_readme(course: Course) -> str:
    """README.txt of the bundle: how to install, start and hand in."""
    settings, first = course.course, course.lessons[0].id.partition("_")[0]
    python = _python(course.root).removeprefix(">=")
    return _README.format(title=settings.title, python=python, name=settings.id, first=first)


def _conda(name: str, python: str, extras: Mapping[str, Sequence[Requirement]]) -> str:
    lines = [f"name: {name}", "channels:", "  - conda-forge", "  - nodefaults", "dependencies:", f"  - python{python}"]
    for extra, wanted in extras.items():
        lines += [f"  # {extra}"] if extra else []
        lines += [f"  - {CONDA_NAMES.get(r.name, r.name)}{r.specifier}" for r in wanted]
    return "\n".join(lines) + "\n"


def _python(root: Path) -> str:
    return _project(root)["requires-python"]


def _project(root: Path) -> dict:
    try:
        return tomllib.loads((root / PROJECT).read_text("utf-8"))["project"]
    except FileNotFoundError:
        raise CourseError(f"{root / PROJECT} is not there: it lists what students install") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError) as error:
        raise CourseError(f"{root / PROJECT} can't be read: {error}") from None


if __name__ == "__main__":
    folder = find_root()
    (folder / "environment.yml").write_text(course_environment(folder), "utf-8", newline="\n")
