"""A small lesson in the form that `vitlab build` releases, a student who answers it, and a grader for both."""

from __future__ import annotations

import ast
import contextlib
import copy
from collections.abc import Callable
from typing import Any
from unittest.mock import MagicMock

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.nbgraderformat import MetadataValidator
from nbgrader.utils import compute_checksum, determine_grade

from grading.intake.ipython_syntax import as_python
from grading.intake.normalise import normalise
from grading.intake.transplant import Transplanted, transplant
from grading.lesson_builder.notebook import write_here

SETUP = "import math\n\nSCALE = 3"
BOOTSTRAP = "# Run me first: finds the course's helpers.\nimport sys"
STUBS = {
    "Q1": "# Q1: triple every number\ndef triple(xs):\n    return ___",
    "Q1b": "# Q1b: a scaler\nclass Scaler:\n    def __init__(self, by):\n        self.by = ___\n\n"
    "    def __call__(self, xs):\n        # Your code here (about 2 lines).\n        ___",
    "Q2": "# Q2: length of a vector\ndef length(xs):\n    total = ___\n    return math.sqrt(total)",
}
RIGHT = {
    "Q1": "# Q1: triple every number\ndef triple(xs):\n    return [SCALE * x for x in xs]",
    "Q1b": "# Q1b: a scaler\nclass Scaler:\n    def __init__(self, by):\n        self.by = by\n\n"
    "    def __call__(self, xs):\n        return [self.by * x for x in xs]",
    "Q2": "# Q2: length of a vector\ndef length(xs):\n    total = sum(x * x for x in xs)\n    return math.sqrt(total)",
}
PROSE = "Because the square root undoes the square, as $\\sqrt{x^2}=|x|$ says."
ALL_RIGHT = dict.fromkeys(RIGHT, "right")
NAMES = {"Q1": "triple", "Q1b": "Scaler", "Q2": "length", "Q3": "halve"}
JUDGES: dict[str, Callable[[Any], bool]] = {
    "Q1": lambda f: f([1, 2]) == [3, 6],
    "Q1b": lambda f: f(4)([1, 2]) == [4, 8],
    "Q2": lambda f: f([3, 4]) == 5.0,
    "Q3": lambda f: f(4) == 2,
}


def _cell(kind: str, source: str, name: str, role: str, question: str = "", **grader: Any) -> NotebookNode:
    make = new_code_cell if kind == "code" else new_markdown_cell
    cell = make(source, id=name, metadata={"vitlab": {"role": role}})
    if question:
        cell.metadata.vitlab["question"] = question
    if grader:
        cell.metadata["nbgrader"] = {"grade_id": name, "schema_version": 3, "task": False, "cell_type": kind} | grader
        if role in ("bootstrap", "setup", "check"):
            cell.metadata["deletable"] = cell.metadata["editable"] = False
        cell.metadata.nbgrader["checksum"] = compute_checksum(cell)
    return cell


def _question(question: str, stub: str) -> list[NotebookNode]:
    call = f'check("{question}", {NAMES[question]})'
    return [
        _cell("code", stub, question, "answer", question, grade=False, solution=True, locked=False),
        _cell(
            "code", call, f"{question}-check", "check", question, grade=True, solution=False, locked=True, points=2.0
        ),
    ]


def _finish(cells: list[NotebookNode], lesson: str) -> NotebookNode:
    notebook = new_notebook(cells=cells)
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        language_info={"name": "python"},
        vitlab={"lesson": lesson},
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def released() -> NotebookNode:
    """The student notebook of lesson 01_numbers: Q1, Q1b, Q2 and the written W1."""
    locked = {"grade": False, "solution": False, "locked": True}
    return _finish(
        [
            _cell("markdown", "# 01 · Numbers\nThree small functions.", "text-01", "text"),
            _cell("code", BOOTSTRAP, "bootstrap", "bootstrap", **locked),
            _cell("code", SETUP, "setup-01", "setup", **locked),
            _cell("markdown", "## Triple\nWrite `triple`.", "text-02", "text"),
            *_question("Q1", STUBS["Q1"]),
            _cell("code", 'if ready("Q1"):\n    print(triple([1, 2, 3]))', "demo-01", "demo"),
            _cell("markdown", "## Scale\nNow a class with a factor.", "text-03", "text"),
            *_question("Q1b", STUBS["Q1b"]),
            _cell("markdown", "## Length\nPythagoras in any dimension.", "text-04", "text"),
            *_question("Q2", STUBS["Q2"]),
            _cell("code", 'if ready("Q2"):\n    print(length([3, 4]))', "demo-02", "demo"),
            _cell("markdown", "### Why a root?\nOne or two sentences.", "text-05", "text"),
            _cell(
                "markdown", write_here("W1"), "W1", "written", "W1", grade=True, solution=True, locked=False, points=3.0
            ),
            _cell("markdown", "## Recap\nDone.", "text-06", "text"),
        ],
        "01_numbers",
    )


def other_released() -> NotebookNode:
    """The student notebook of another lesson, 02_halves."""
    locked = {"grade": False, "solution": False, "locked": True}
    return _finish(
        [
            _cell("markdown", "# 02 · Halves", "text-01", "text"),
            _cell("code", BOOTSTRAP, "bootstrap", "bootstrap", **locked),
            _cell("code", SETUP, "setup-01", "setup", **locked),
            *_question("Q3", "# Q3: halve\ndef halve(x):\n    return ___"),
        ],
        "02_halves",
    )


def solved(**changes: str) -> NotebookNode:
    """A student's copy with all right answers; `Q1="…"` replaces one."""
    notebook = released()
    for question, source in ({**RIGHT, "W1": PROSE} | changes).items():
        at(notebook, question).source = source
    return notebook


def at(notebook: NotebookNode, name: str) -> NotebookNode:
    """The cell with this id."""
    return next(cell for cell in notebook.cells if cell.id == name)


def index(notebook: NotebookNode, name: str) -> int:
    return notebook.cells.index(at(notebook, name))


def code(source: str, name: str = "mine") -> NotebookNode:
    return new_code_cell(source, id=name)


def prose(source: str, name: str = "note") -> NotebookNode:
    return new_markdown_cell(source, id=name)


def strip(notebook: NotebookNode) -> NotebookNode:
    """A copy without cell metadata and ids, as some editors leave it."""
    notebook = copy.deepcopy(notebook)
    for number, cell in enumerate(notebook.cells):
        cell.metadata, cell.id = NotebookNode(), f"x{number}"
    return notebook


def scores(notebook: NotebookNode) -> dict[str, str]:
    """Run a notebook from top to bottom, each cell going on after errors: by question "right", "blank" or "wrong"."""
    found: dict[str, str] = {}

    def check(question: str, answer: Any) -> None:
        try:
            found[question] = "right" if JUDGES[question](answer) else "wrong"
        except NameError as error:
            found[question] = "blank" if "___" in str(error) else "wrong"
        except Exception:
            found[question] = "wrong"

    space: dict[str, Any] = {
        "check": check,
        "ready": lambda question: False,
        "print": lambda *_: None,
        "get_ipython": MagicMock(),
    }
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.source.lstrip().startswith(("%%bash", "%%writefile")):
            checked = cell.metadata.get("vitlab", {}).get("role") == "check"
            with contextlib.suppress(Exception):
                if checked:
                    found[cell.metadata.vitlab.question] = "wrong"
                exec(compile(as_python(cell.source), "cell", "exec"), space)
    return found


def same_definition(source: str, wanted: str, name: str) -> bool:
    """Whether both define `name` with the same syntax tree."""

    def tree(text: str) -> str:
        body = ast.parse(as_python(text)).body
        return next((ast.dump(node) for node in body if getattr(node, "name", "") == name), "")

    return tree(source) == tree(wanted) != ""


def assert_ours(notebook: NotebookNode, template: NotebookNode) -> None:
    """What must hold of every transplanted notebook, whatever was handed in."""
    nbformat.validate(notebook)
    MetadataValidator().validate_nb(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert notebook.metadata == template.metadata
    mine = [cell for cell in notebook.cells if cell.id in {c.id for c in template.cells}]
    assert [cell.id for cell in mine] == [cell.id for cell in template.cells]
    for cell, original in zip(mine, template.cells, strict=True):
        assert cell.cell_type == original.cell_type
        if "nbgrader" in original.metadata:
            assert cell.metadata == original.metadata
        if original.metadata.vitlab.role in ("bootstrap", "setup", "check"):
            assert cell.source == original.source
            assert compute_checksum(cell) == cell.metadata.nbgrader.checksum
    for cell in notebook.cells:
        if cell.id not in {c.id for c in template.cells}:
            assert cell.metadata == {"vitlab": {"role": "extra"}}
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def moved(notebook: NotebookNode, **options: Any) -> Transplanted:
    """What `transplant` makes of it; checks what must always hold, and that nothing given was changed."""
    template, reading = released(), normalise(notebook)
    before = copy.deepcopy(reading.notebook)
    done = transplant(template, reading.notebook, **options)
    assert template == released()
    assert reading.notebook == before
    assert_ours(done.notebook, template)
    return done


def extras(done: Transplanted) -> list[str]:
    return [cell.source for cell in done.notebook.cells if cell.metadata.vitlab.role == "extra"]


def said(done: Transplanted, *words: str) -> bool:
    return any(all(word in note for word in words) for note in done.notes)


def insert(notebook: NotebookNode, before: str, *cells: NotebookNode) -> NotebookNode:
    where = index(notebook, before)
    notebook.cells[where:where] = cells
    return notebook


def without(notebook: NotebookNode, *names: str) -> NotebookNode:
    notebook.cells = [cell for cell in notebook.cells if cell.id not in names]
    return notebook


def test_the_fixture_is_a_lesson_as_nbgrader_releases_it() -> None:
    for notebook in (released(), other_released()):
        assert_ours(notebook, notebook)
    assert scores(released()) == {"Q1": "blank", "Q1b": "blank", "Q2": "blank"}
    assert scores(solved()) == {"Q1": "right", "Q1b": "right", "Q2": "right"}
    assert determine_grade(at(released(), "W1")) == (0, 3.0)
