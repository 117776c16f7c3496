"""Ordinary nbgrader assignments and classes that hand them in: what ours and stock nbgrader grade alike, and where not.

The first two are nbgrader's documentation examples, squares and the sum of squares, in words of our own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

from tests.nbgrader_notebooks import answer, autograder_tests, code, manual, notebook, read_only, task, text

Change = Callable[[NotebookNode], None]


@dataclass(frozen=True)
class Ordinary:
    """An assignment and its class.

    Attributes:
        notebooks: the instructor's, by name.
        students: by student, what each notebook becomes; None: this notebook is not handed in.
        differs: by student, why stock nbgrader gives something else or gives up.
        files: beside the notebooks.
    """

    notebooks: dict[str, NotebookNode]
    students: dict[str, dict[str, Change | None]]
    differs: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def writes(**sources: str) -> Change:
    """The student types these answers, by grade id."""

    def change(book: NotebookNode) -> None:
        for cell in book.cells:
            name = cell.metadata.get("nbgrader", {}).get("grade_id")
            if name in sources:
                cell.source = sources[name]

    return change


def untouched(book: NotebookNode) -> None:
    """Handed in as it was given out."""


def without(name: str, first: Change = untouched) -> Change:
    """The cell with this grade id is deleted."""

    def change(book: NotebookNode) -> None:
        first(book)
        book.cells = [cell for cell in book.cells if cell.metadata.get("nbgrader", {}).get("grade_id") != name]

    return change


def twice(name: str, first: Change = untouched) -> Change:
    """The cell with this grade id is copied, metadata and all, right behind itself."""

    def change(book: NotebookNode) -> None:
        first(book)
        at = next(i for i, c in enumerate(book.cells) if c.metadata.get("nbgrader", {}).get("grade_id") == name)
        copy = nbformat.from_dict(book.cells[at])
        if "id" in copy:
            copy["id"] = f"{copy['id']}-copy"
        book.cells.insert(at + 1, copy)

    return change


def stripped(first: Change) -> Change:
    """A tool has removed all metadata of cells."""

    def change(book: NotebookNode) -> None:
        first(book)
        for cell in book.cells:
            cell.metadata.clear()

    return change


SQUARES = '''def squares(n):
    """The squares of 1 to n; a ValueError for n below 1."""
    ### BEGIN SOLUTION
    if n < 1:
        raise ValueError("n must be at least 1")
    return [i * i for i in range(1, n + 1)]
    ### END SOLUTION'''
RIGHT_SQUARES = "def squares(n):\n    if n < 1:\n        raise ValueError\n    return [k**2 for k in range(1, n + 1)]"
NO_ERROR = "def squares(n):\n    return [k**2 for k in range(1, n + 1)]"
OFF_BY_ONE = "def squares(n):\n    if n < 1:\n        raise ValueError\n    return [k**2 for k in range(n)]"
VALUES = "assert squares(1) == [1]\nassert squares(3) == [1, 4, 9]\n"
HIDDEN = "### BEGIN HIDDEN TESTS\nassert squares(11)[-1] == 121\n### END HIDDEN TESTS"
RAISES = "try:\n    squares(0)\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError('no ValueError for 0')"


def squares(minor: int = 5) -> NotebookNode:
    return notebook(
        text("# Squares"),
        answer("squares", SQUARES),
        autograder_tests("values", 2, VALUES + HIDDEN),
        autograder_tests("errors", 1, RAISES),
        minor=minor,
    )


USES = "kept = squares\nsquares = lambda n: [7]\nassert total(3) == 7\nsquares = kept"
TOTAL = "def total(n):\n    return sum(squares(n))"
FOREVER = "def wait():\n    while True:\n        pass"
WAIT = "def wait():\n    return 1"


def sum_of_squares() -> NotebookNode:
    return notebook(
        text("# The sum of squares"),
        code("def squares(n):\n    return [i * i for i in range(1, n + 1)]"),
        answer("total", "def total(n):\n    ### BEGIN SOLUTION\n    return sum(squares(n))\n    ### END SOLUTION"),
        autograder_tests("total-values", 1, "assert total(1) == 1\nassert total(10) == 385"),
        autograder_tests("total-uses", 0.5, USES),
        manual("equation", 1, "$$\\sum_{i=1}^n i^2$$"),
        manual("application", 2, "print(total(3))", is_code=True),
    )


PARTIAL = notebook(
    answer("powers", "### BEGIN SOLUTION\npowers = [1, 2, 4, 8]\n### END SOLUTION"),
    autograder_tests("share", 4, "right = sum(a == b for a, b in zip(powers, [1, 2, 4, 8]))\nright"),
    autograder_tests("words", 2, "'any text counts in full'"),
    autograder_tests("negative", 2, "-1"),
    autograder_tests("most", 3, "float(len(powers))"),
)
WRITTEN = notebook(
    manual("why", 3, "SOLUTION: because."),
    manual("plot", 2, "SOLUTION = 1", is_code=True),
    task("report", 5, "Write a report below.\n\n=== BEGIN MARK SCHEME ===\nA point each.\n=== END MARK SCHEME ==="),
)
NOISY = notebook(
    answer("noisy", "### BEGIN SOLUTION\nvalue = 1\n### END SOLUTION"),
    autograder_tests("quiet", 1, "assert value == 1"),
    autograder_tests("loud", 2, "import sys\nprint('watch out', file=sys.stderr)\nassert value == 1"),
    autograder_tests("printed", 1, "print('fine')\nassert value == 1"),
)
RAISING = notebook(
    code("import math"),
    answer("root", "### BEGIN SOLUTION\nroot = math.sqrt(2)\n### END SOLUTION"),
    autograder_tests("exists", 1, "assert root"),
    autograder_tests("close", 2, "assert abs(root - 2**0.5) < 1e-9"),
    read_only("given", "scale = 3"),
    autograder_tests("scaled", 1, "assert scale == 3"),
)
SLOW = notebook(
    answer("wait", "### BEGIN SOLUTION\ndef wait():\n    return 1\n### END SOLUTION"),
    autograder_tests("waits", 2, "assert wait() == 1"),
    autograder_tests("after", 1, "assert 1 + 1 == 2"),
)
BESIDE = notebook(
    code("from pathlib import Path\nfrom tools import double"),
    answer("read", "### BEGIN SOLUTION\nnumber = double(int(Path('data/number.txt').read_text()))\n### END SOLUTION"),
    autograder_tests("read-it", 1, "assert number == 42"),
)
CLEAN = writes(squares=RIGHT_SQUARES)
WHOLE_CLASS = {
    "right": {"squares": CLEAN},
    "careless": {"squares": writes(squares=NO_ERROR)},
    "off": {"squares": writes(squares=OFF_BY_ONE)},
    "blank": {"squares": untouched},
}

ASSIGNMENTS: dict[str, Ordinary] = {
    "squares": Ordinary({"squares": squares()}, WHOLE_CLASS),
    "sum_of_squares": Ordinary(
        {"sum": sum_of_squares()},
        {
            "right": {"sum": writes(total=TOTAL, equation="$x$", application="1")},
            "by_formula": {"sum": writes(total="def total(n):\n    return n * (n + 1) * (2 * n + 1) // 6")},
            "blank": {"sum": untouched},
        },
    ),
    "partial": Ordinary(
        {"partial": PARTIAL},
        {
            "right": {"partial": writes(powers="powers = [1, 2, 4, 8]")},
            "three": {"partial": writes(powers="powers = [1, 2, 4]")},
            "five": {"partial": writes(powers="powers = [1, 2, 4, 8, 16]")},
        },
        differs={
            "right": "stock gives up: the value 4 of test `most` is larger than its 3 points",
            "five": "stock gives up: the value 5 of test `most` is larger than its 3 points",
        },
    ),
    "several": Ordinary(
        {"first": squares(), "second": sum_of_squares()},
        {
            "both": {"first": CLEAN, "second": writes(total=TOTAL)},
            "one": {"first": CLEAN, "second": None},
        },
    ),
    "written": Ordinary(
        {"written": WRITTEN},
        {"ada": {"written": writes(why="It follows.", plot="2")}, "blank": {"written": untouched}},
    ),
    "old_format": Ordinary(
        {"old": squares(minor=0)},
        {"right": {"old": CLEAN}, "off": {"old": writes(squares=OFF_BY_ONE)}},
    ),
    "format_4_4": Ordinary({"old": squares(minor=4)}, {"right": {"old": CLEAN}}),
    "copied_cells": Ordinary(
        {"copies": squares()},
        {
            "test_twice": {"copies": twice("values", CLEAN)},
            "answer_twice": {"copies": twice("squares", CLEAN)},
        },
        differs=dict.fromkeys(("test_twice", "answer_twice"), "stock gives up: a copied cell's metadata is invalid"),
    ),
    "deleted_cells": Ordinary(
        {"gone": squares()},
        {
            "test": {"gone": without("values", CLEAN)},
            "answer": {"gone": without("squares", CLEAN)},
            "metadata": {"gone": stripped(CLEAN)},
        },
        differs={
            "test": "stock gives no points for a deleted test without a word; ours puts it back",
            "metadata": "stock finds no test without metadata; ours finds the cells by what they hold",
        },
    ),
    "raising": Ordinary(
        {"raising": RAISING},
        {
            "right": {"raising": writes(root="root = 2 ** .5")},
            "raises": {"raising": writes(root="1 / 0")},
            "edits": {"raising": writes(root="root = 2 ** .5", close="pass", scaled="scale = 4", given="scale = 4")},
        },
    ),
    "noisy": Ordinary({"noisy": NOISY}, {"right": {"noisy": writes(noisy="value = 1")}}),
    "slow": Ordinary(
        {"slow": SLOW},
        {"loops": {"slow": writes(wait=FOREVER)}, "right": {"slow": writes(wait=WAIT)}},
    ),
    "beside": Ordinary(
        {"beside": BESIDE},
        {"right": {"beside": writes(read="number = double(int(Path('data/number.txt').read_text()))")}},
        files={"data/number.txt": "21", "tools.py": "def double(x):\n    return 2 * x\n"},
    ),
}
