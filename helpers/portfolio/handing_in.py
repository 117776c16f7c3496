"""The file to hand in: looked through first, so that a blank is not handed in by mistake."""

from __future__ import annotations

import ast
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.portfolio import progress_store
from helpers.portfolio.colab import on_colab
from helpers.portfolio.folder import DRIVE, NAME, folder, write
from helpers.portfolio.lessons import lessons

MAX_BYTES = 200 * 2**20
_MARK = re.compile(r"\s*#\s*(Q\d+[a-z]?)\b")
_BLANK = re.compile(r"(?<!\w)___(?!\w)")


class HandInError(Exception):
    """A notebook that can't be handed in: says what was found, what was expected and what to do."""


@dataclass(frozen=True)
class HandIn:
    """The file that was made, and what it still lacks. Prints as a short list."""

    lesson: str
    path: Path
    saved: str
    states: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return all(state in (_PASSED, _WRITTEN) for state in self.states.values())

    def __repr__(self) -> str:
        width = max(map(len, self.states), default=0)
        lines = [f"  {'✓' if s in (_PASSED, _WRITTEN) else '✗'} {q:<{width}}  {s}" for q, s in self.states.items()]
        end = (
            "Everything is answered." if self.complete else "You can hand it in as it is, or go on and run this again."
        )
        return "\n".join(
            [f"{self.lesson}, as saved on {self.saved}:", *lines, *self.notes, f"Hand in this file: {self.path}", end]
        )


_PASSED, _WRITTEN = "its check has passed", "answered in words"


def submit(lesson: str, notebook: str | Path | None = None) -> HandIn:
    """Look a lesson's notebook through and make the file to hand in, in `my_work/hand_in`.

    The file is your notebook as it was last saved, without outputs, which are made anew when it is graded.

    Args:
        lesson: "05_attention", or just "05".
        notebook: where it lies; default: in the course's folder, or here.

    Raises:
        HandInError: no such lesson, no notebook, or a file that is none.
    """
    fitting = [one for one in lessons() if lesson in (one["id"], one["id"].split("_")[0])]
    if len(fitting) != 1:
        known = ", ".join(one["id"] for one in lessons())
        raise HandInError(f"There is no lesson {lesson!r}. There are: {known}.")
    name = fitting[0]["id"]
    path = Path(notebook) if notebook is not None else _find(name)
    content = _read(path)
    states, notes = _look_through(fitting[0]["questions"], content)
    for cell in content["cells"]:
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
    work_folder = folder() or path.parent / NAME
    target = work_folder / "hand_in" / f"{name}.ipynb"
    try:
        write(target, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise HandInError(
            f"{target} can't be written ({error.strerror or error}). Make room, or hand in {path}."
        ) from None
    saved = time.strftime("%Y-%m-%d at %H:%M", time.localtime(path.stat().st_mtime))
    return HandIn(name, target, saved, states, tuple(notes))


def _find(name: str) -> Path:
    here = Path.cwd()
    for place in (here, *here.parents):
        for path in (
            place / "notebooks" / name / f"{name}.ipynb",
            place / name / f"{name}.ipynb",
            place / f"{name}.ipynb",
        ):
            if path.is_file():
                return path
    copies = [DRIVE / "Colab Notebooks" / f"{start}{name}.ipynb" for start in ("Copy of ", "")]
    if found := [path for path in copies if path.is_file()]:
        return max(found, key=lambda path: path.stat().st_mtime)
    if on_colab():
        raise HandInError(
            "On Colab a notebook is no file on this machine. File, Download, Download .ipynb makes the one to hand in; "
            "run its checks first, and look for ___ that are left."
        )
    raise HandInError(
        f"{name}.ipynb is neither in {here} nor in the course's notebooks folder. Say where it is: "
        f'submit("{name}", "path/to/notebook.ipynb").'
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise HandInError(f"{path} is larger than {MAX_BYTES // 2**20} MB: clear its outputs, save, and try again.")
        content = json.loads(path.read_text("utf-8-sig"))
        cells = content["cells"]
        if not all(isinstance(cell["source"], str | list) for cell in cells):
            raise KeyError("source")
    except OSError as error:
        raise HandInError(f"{path} can't be read: {error.strerror or error}.") from None
    except (ValueError, KeyError, TypeError):
        raise HandInError(
            f"{path} is no notebook that can be read. Open it in JupyterLab, save it, and try again."
        ) from None
    return content


def _look_through(questions: list[str], content: dict[str, Any]) -> tuple[dict[str, str], list[str]]:
    passed = {q for q, entry in progress_store.read(folder()).items() if entry.passed}
    states = dict.fromkeys(questions, "its cell is missing")
    notes: list[str] = []
    for cell in content["cells"]:
        source = "".join(cell["source"])
        details = cell.get("metadata", {}).get("nbgrader", {})
        written = cell.get("cell_type") == "markdown" and details.get("solution") and details.get("grade")
        if written:
            states[str(details.get("grade_id", "written"))] = _words(source)
        mark = _MARK.match(source)
        if mark and mark[1] in states and cell.get("cell_type") == "code":
            states[mark[1]] = _code(source, mark[1] in passed)
    if any(state == "its cell is missing" for state in states.values()):
        notes.append("A missing cell can't be graded: take a fresh copy of the notebook and paste your answer into it.")
    return states, notes


def _code(source: str, passed: bool) -> str:
    blanks = [n for n, line in enumerate(source.splitlines(), 1) if _BLANK.search(line.split("#")[0])]
    if blanks:
        return f"still blank in line {', '.join(map(str, blanks))}"
    try:
        ast.parse("\n".join(line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))))
    except SyntaxError as error:
        return f"line {error.lineno} is no Python: {error.msg}"
    return _PASSED if passed else "answered; its check has not passed in this folder"


def _words(source: str) -> str:
    left = [
        line for line in source.splitlines() if line.strip() and not line.lstrip().startswith(("#", "*Your answer"))
    ]
    return _WRITTEN if left else "no words yet"
