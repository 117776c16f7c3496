"""`python -m helpers lab`: JupyterLab on the course map, with the Validate button and without what teachers use."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
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
    if not (ROOT / START).is_file():
        raise LabError(f"{START} is not in {ROOT}: unzip the course again, and leave its folders together.")
    return [sys.executable, "-m", "jupyterlab", f"--LabApp.default_url=/lab/tree/{START}", *arguments]


def environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment with our settings in front of those that are there."""
    paths = [str(_SETTINGS), str(_SETTINGS / "student"), given.get("JUPYTER_CONFIG_PATH", "")]
    return {**given, "JUPYTER_CONFIG_PATH": os.pathsep.join(path for path in paths if path)}


def start(arguments: Sequence[str] = ()) -> int:
    """Run JupyterLab in the course's folder until it ends; its exit status, unless it takes this process's place.

    Raises:
        LabError: as `command`.
    """
    given = command(arguments)
    if os.name == "posix":  # whoever ends this process ends JupyterLab
        os.chdir(ROOT)
        os.execve(given[0], given, environment())
    process = subprocess.Popen(given, cwd=ROOT, env=environment())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # JupyterLab has it too, and asks
            continue
