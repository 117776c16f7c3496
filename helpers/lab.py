"""`python -m helpers lab`: JupyterLab on the course map, with the Validate button and without what teachers use."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers import course_folder

START = "notebooks/start_here.ipynb"
_SETTINGS = Path(__file__).parent / "jupyter"


class LabError(Exception):
    """JupyterLab can't be started; the message says what to do."""


def command(arguments: Sequence[str] = ()) -> list[str]:
    """What is run; `arguments` are JupyterLab's own, such as `--no-browser`.

    Raises:
        LabError: JupyterLab or the course map is missing.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise LabError(
            f"This Python, {sys.executable}, has no JupyterLab. Activate the environment you made for the course, "
            "or make it as README.txt says."
        )
    if not (course_folder.root() / START).is_file():
        raise LabError(
            f"{START} is not in {course_folder.root()}: run this in the course's folder; if it is missing there, unzip "
            "the course again and leave its folders together."
        )
    return [sys.executable, "-m", "jupyterlab", f"--LabApp.default_url=/lab/tree/{START}", *arguments]


def environment(given: Mapping[str, str] = os.environ, *, teaching: bool = False) -> dict[str, str]:
    """The environment with our settings in front of those that are there; `teaching` shows what teachers use."""
    paths = [str(_SETTINGS), "" if teaching else str(_SETTINGS / "student"), given.get("JUPYTER_CONFIG_PATH", "")]
    return {**given, "JUPYTER_CONFIG_PATH": os.pathsep.join(path for path in paths if path)}


def start(arguments: Sequence[str] = (), *, teaching: bool = False) -> int:
    """Run JupyterLab in the course's folder until it ends; its exit status, unless it takes this process's place.

    Raises:
        LabError: as `command`.
    """
    given, root = command(arguments), course_folder.root()
    if os.name == "posix":  # whoever ends this process ends JupyterLab
        os.chdir(root)
        os.execve(given[0], given, environment(teaching=teaching))
    process = subprocess.Popen(given, cwd=root, env=environment(teaching=teaching))
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # JupyterLab has it too, and asks
            continue
