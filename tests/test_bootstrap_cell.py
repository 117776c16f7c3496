"""The first code cell of every notebook: in the repository and on Colab. (In the bundle: test_bundle.py.)

Colab is a virtual environment that has nothing of ours: torch, numpy and google.colab are there before, and pip finds
its packages in a folder, made from those installed here, so that the test needs no network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import numpy
import pytest

from grading.bundle import HELPER_SUFFIXES, make_bundle
from grading.course import load_course
from grading.lesson_builder.bootstrap import bootstrap_cell
from grading.new_course import make_course
from tests.conftest import ROOT

REPORT = "\nimport sys; print(helpers.__file__)"


@dataclass(frozen=True)
class Colab:
    """A stand-in for Colab's machine."""

    python: Path
    packages: Path
    content: Path
    env: dict[str, str]

    def run(self, cell: str, **env: str) -> Path:
        """Run the cell; the folder its helpers came from."""
        return Path(self.output(cell, **env)[-1]).parent

    def output(self, cell: str, **env: str) -> list[str]:
        """Run the cell; the lines it prints, and the file of the helpers last."""
        done = subprocess.run(
            [str(self.python), "-c", cell + REPORT],
            cwd=self.content,
            env=self.env | env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def version(self, name: str) -> str:
        """The installed version, "" when there is none."""
        found = [p.name for p in self.packages.glob(f"{name}-*.dist-info")]
        assert len(found) <= 1
        return found[0].split("-")[1].removesuffix(".dist") if found else ""

    def pretend(self, name: str, version: str) -> None:
        """Put a package there that pip takes for installed, and could replace."""
        (self.packages / name).mkdir()
        (self.packages / name / "__init__.py").write_text(f"__version__ = {version!r}\n")
        info = self.packages / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "INSTALLER").write_text("pip\n")
        files = [f"{name}/__init__.py", *(f"{info.name}/{f}" for f in ("METADATA", "INSTALLER", "RECORD"))]
        (info / "RECORD").write_text("".join(f"{f},,\n" for f in files))

    def forget(self, name: str) -> None:
        for path in [self.packages / name, *self.packages.glob(f"{name}-*.dist-info")]:
            shutil.rmtree(path)

    def state(self, name: str) -> dict[str, int]:
        """File to time of change, for all that belongs to a package, byte code aside."""
        paths = [*self.packages.glob(f"{name}/**/*"), *self.packages.glob(f"{name}-*.dist-info/*")]
        return {str(p): p.stat().st_mtime_ns for p in paths if p.is_file() and p.suffix != ".pyc"}


def git(folder: Path, *arguments: str) -> None:
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    quiet = ["-c", "core.hooksPath=/dev/null", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *author, *quiet, *arguments], cwd=folder, check=True, capture_output=True)


def wheel_of(name: str, folder: Path) -> None:
    """Pack an installed distribution into a wheel again."""
    found = distribution(name)
    tag = next(line.split()[1] for line in str(found.read_text("WHEEL")).splitlines() if line.startswith("Tag:"))
    files = [f for f in found.files or [] if ".." not in f.parts and "__pycache__" not in f.parts]
    kept = [f for f in files if f.name not in ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")]
    with zipfile.ZipFile(folder / f"{name}-{found.version}-{tag}.whl", "w") as wheel:
        for file in kept:
            wheel.write(str(file.locate()), file.as_posix())
        record = next(f for f in files if f.name == "RECORD").as_posix()
        wheel.writestr(record, "".join(f"{f.as_posix()},,\n" for f in kept) + f"{record},,\n")


@pytest.fixture(scope="module")
def repository(course, tmp_path_factory) -> Path:
    """A git repository of the course as it is, tagged with the pinned ref; what came later is broken."""
    folder = tmp_path_factory.mktemp("repository")
    ignore = shutil.ignore_patterns("__pycache__", "*.egg-info", ".ipynb_checkpoints")
    for name in ("helpers", "grading", "solutions", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("pyproject.toml", "course.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "the release")
    git(folder, "tag", course.course.ref)
    (folder / "helpers" / "__init__.py").write_text("raise RuntimeError('not the pinned ref')\n")
    git(folder, "commit", "-am", "later")
    return folder


@pytest.fixture(scope="module")
def colab(repository, tmp_path_factory) -> Iterator[Colab]:
    base = tmp_path_factory.mktemp("colab")
    for name in ("content", "wheels", "platform/google/colab"):
        (base / name).mkdir(parents=True)
    for name in ("einops", "safetensors", "setuptools"):
        wheel_of(name, base / "wheels")
    subprocess.run([sys.executable, "-m", "venv", str(base / "venv")], check=True)
    packages = next((base / "venv" / "lib").glob("python3*/site-packages"))
    for path in Path(numpy.__file__).parents[1].glob("numpy*"):  # the package and its libraries
        if not path.name.endswith(".dist-info"):
            (base / "platform" / path.name).symlink_to(path)
    (packages / "platform.pth").write_text(f"{base / 'platform'}\n")
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "VITLAB_", "PYTHON", "VIRTUAL_ENV"))}
    env |= {
        "VITLAB_REPOSITORY": f"file://{repository}",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(base / "wheels"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    yield Colab(base / "venv" / "bin" / "python", packages, base / "content", env)
    shutil.rmtree(base)


@pytest.mark.parametrize("folder", ["notebooks", "solutions"])
def test_in_the_repository_it_finds_the_helpers_that_lie_there(course, tmp_path, folder):
    copy = tmp_path / "a clone"
    shutil.copytree(ROOT / "helpers", copy / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
    here = copy / folder / "01_patches"
    here.mkdir(parents=True)
    cell = bootstrap_cell(course.course) + REPORT
    env = os.environ | {"VITLAB_REPOSITORY": "file:///nowhere", "PIP_NO_INDEX": "1"}
    done = subprocess.run([sys.executable, "-c", cell], cwd=here, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == copy / "helpers" / "__init__.py", "not those installed in this environment"


def test_on_colab_it_installs_what_is_missing_and_touches_nothing_else(colab, course):
    cell = bootstrap_cell(course.course)
    colab.pretend("torch", "2.99.0")
    colab.pretend("einops", "0.0.1")
    before = {name: colab.state(name) for name in ("torch", "einops")}

    assert colab.run(cell) == colab.packages / "helpers", "the helpers, at the pinned ref"
    assert colab.version("safetensors") == distribution("safetensors").version
    assert {name: colab.state(name) for name in before} == before, "what Colab has stays"

    installed = {
        path.relative_to(colab.packages)
        for name in ("helpers", "grading")
        for path in (colab.packages / name).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    shipped = {
        path.relative_to(ROOT)
        for name in ("helpers", "grading")
        for path in (ROOT / name).rglob("*")
        if path.suffix in HELPER_SUFFIXES and "__pycache__" not in path.parts
    }
    assert installed == shipped, "the package has all its files, and no others"
    assert not (colab.packages / "solutions").exists()
    assert not (colab.packages / "tests").exists()

    helpers = colab.state("helpers")
    colab.forget("einops")
    colab.run(cell, VITLAB_REPOSITORY="file:///nowhere")
    assert colab.version("einops") == distribution("einops").version, "one that is missing later is installed then"
    assert colab.state("helpers") == helpers, "what was installed is kept"
    assert colab.state("torch") == before["torch"]

    colab.run(cell, VITLAB_REPOSITORY="file:///nowhere", PIP_FIND_LINKS="")  # a restarted runtime: nothing is missing


@pytest.mark.parametrize("torch", ["2.6.0+cu124", "2.11.0+cu128", "2.99.0"])
def test_beside_a_gpu_torch_and_all_that_came_with_it_stay(colab, course, tmp_path, torch):
    """Older than ours, Colab's own, newer: pip is not even asked for any of them, nor the driver for anything."""
    for name in ("helpers", "grading", "vit_lab", "safetensors", "torch", "nvidia_cublas_cu12"):
        for path in [colab.packages / name, *colab.packages.glob(f"{name}-*.dist-info")]:
            shutil.rmtree(path, ignore_errors=True)
    colab.pretend("torch", torch)
    colab.pretend("nvidia_cublas_cu12", "12.8.4.1")
    driver = tmp_path / "nvidia-smi"
    driver.write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    driver.chmod(0o755)
    before = {name: colab.state(name) for name in ("torch", "nvidia_cublas_cu12")}
    log = tmp_path / "pip.log"

    said = colab.output(
        "import google.colab\n" + bootstrap_cell(course.course),
        PATH=os.pathsep.join([str(tmp_path), os.environ["PATH"]]),
        PIP_LOG=str(log),
    )
    assert {name: colab.state(name) for name in before} == before
    assert colab.version("safetensors") == distribution("safetensors").version
    assert not re.findall(
        r"^.*(?:Collecting|Requirement already satisfied:|Downloading) (?:torch|numpy|nvidia).*",
        log.read_text("utf-8"),
        re.MULTILINE,
    )
    assert not (tmp_path / "asked").exists()
    assert any("Save a copy in Drive" in line for line in said), "and Drive is not mounted"


def test_what_teaching_md_pushes_is_enough_for_colab(colab, course, tmp_path):
    """The commands of the page, typed as they stand there in a course of data."""
    text = (ROOT / "docs" / "teaching.md").read_text("utf-8")
    [commands] = re.findall(r"^    python -m zipfile -e .*\n(?:    git .*\n)+", text, re.MULTILINE)
    folder = make_course(
        course, tmp_path / "vision-2027", course_id="vision-2027", title="Vision, spring 2027", lessons=["01_patches"]
    )
    own = load_course(folder)
    make_bundle(own, own.root / "vitlab-students.zip")
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
    }
    (tmp_path / "gitconfig").write_text("[user]\nname = t\nemail = t@example.org\n[core]\nhooksPath = /dev/null\n")
    done = subprocess.run(["sh", "-ec", commands], cwd=own.root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    released = own.root / "release" / own.course.id
    assert not [path for path in ("solutions", "grading", "roster.csv") if (released / path).exists()]
    for name in ("helpers", "grading", "vit_lab"):
        for path in [colab.packages / name, *colab.packages.glob(f"{name}-*.dist-info")]:
            shutil.rmtree(path, ignore_errors=True)
    found = colab.run(bootstrap_cell(own.course), VITLAB_REPOSITORY=f"file://{released}")
    assert found == colab.packages / "helpers"
    assert (found / "course" / "expected" / "01_patches.safetensors").is_file()
    assert not (colab.packages / "grading").exists()
