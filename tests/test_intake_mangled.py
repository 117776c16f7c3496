"""Notebooks mangled at random: an answer that was right stays right, or the notes say why not."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import nbformat
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from nbformat import NotebookNode
from nbgrader.utils import determine_grade

from grading.intake.read import read_bytes
from grading.intake.transplant import transplant
from tests.test_intake_fixtures import (
    NAMES,
    PROSE,
    RIGHT,
    STUBS,
    assert_ours,
    code,
    prose,
    released,
    same_definition,
    scores,
    solved,
)

SPLIT = {
    "Q1": ("def _times(x):\n    return SCALE * x", "def triple(xs):\n    return [_times(x) for x in xs]"),
    "Q1b": (
        "class _Base:\n    def __init__(self, by):\n        self.by = by",
        "class Scaler(_Base):\n    def __call__(self, xs):\n        return [self.by * x for x in xs]",
    ),
    "Q2": (
        "import functools",
        "def length(xs):\n    return math.sqrt(functools.reduce(lambda t, x: t + x * x, xs, 0))",
    ),
}
JUNK = ("print('hello')", "x = [1, 2]\nx", "import os, json", "1 / 0", "def helper(", "%timeit sum([1])", "!pip list")
Mangle = Callable[[list[NotebookNode], random.Random], None]


def _answers(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Cells that hold a right answer."""
    return [c for c in cells if any(f"{k} {n}" in c.source for k in ("def", "class") for n in NAMES.values())]


def _spare(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Cells whose loss loses no answer, nor a part of one."""
    parts = [part for part, _ in SPLIT.values()]
    held = [c.source for c in _answers(cells)]
    loose = [c for c in cells if c.source not in held and PROSE not in c.source]
    return [c for c in loose if c.source.lstrip("\n")[:1] != " " and not any(part in c.source for part in parts)]


def strip_some(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in rng.sample(cells, rng.randint(1, len(cells))):
        cell.metadata = NotebookNode()


def strip_everything(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in cells:
        cell.metadata, cell["id"] = NotebookNode(), ""


def new_ids(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in rng.sample(cells, rng.randint(1, len(cells))):
        cell["id"] = rng.choice(["", f"r{rng.randint(0, 9**9)}", "same"])


def ids_to_metadata(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in cells:
        cell.metadata = NotebookNode(id=cell.pop("id", ""), cellView="form")


def foreign_metadata(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in rng.sample(cells, rng.randint(1, len(cells))):
        cell.metadata |= {"tags": ["x"], "colab": {"a": [1]}, "vscode": {}, "vitlab": {"role": "check"}, "nbgrader": 7}


def delete_some(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in _spare(cells):
        if rng.random() < 0.4:
            cells.remove(cell)


def duplicate(cells: list[NotebookNode], rng: random.Random) -> None:
    at = rng.randrange(len(cells))
    cells.insert(rng.choice([at, at + 1, len(cells)]), copy.deepcopy(cells[at]))


def blank_duplicate(cells: list[NotebookNode], rng: random.Random) -> None:
    originals = {c.id: c for c in released().cells}
    cells.insert(rng.randrange(len(cells) + 1), copy.deepcopy(originals[rng.choice(sorted(STUBS))]))


def shuffle(cells: list[NotebookNode], rng: random.Random) -> None:
    rng.shuffle(cells)


def move(cells: list[NotebookNode], rng: random.Random) -> None:
    cells.insert(rng.randrange(len(cells)), cells.pop(rng.randrange(len(cells))))


def retype(cells: list[NotebookNode], rng: random.Random) -> None:
    cell = rng.choice(cells)
    cell.cell_type = rng.choice(["code", "markdown", "raw"])
    if cell.cell_type == "code":
        cell.setdefault("outputs", [])
        cell.setdefault("execution_count", None)


def add_extra(cells: list[NotebookNode], rng: random.Random) -> None:
    extra = code(rng.choice(JUNK)) if rng.random() < 0.7 else prose("Just a note.")
    cells.insert(rng.randrange(len(cells) + 1), extra)


def split_helper(cells: list[NotebookNode], rng: random.Random) -> None:
    """A helper of the answer goes into a cell of its own, above it."""
    question = rng.choice(sorted(SPLIT))
    helper, answer = SPLIT[question]
    for cell in _answers(cells):
        if cell.source.rstrip() == RIGHT[question] and cell.cell_type == "code":
            cell.source = f"# {question}\n{answer}"
            cells.insert(cells.index(cell), code(helper))
            return


def cut(cells: list[NotebookNode], rng: random.Random) -> None:
    """A definition is cut at a line, as by Ctrl-Shift-Minus; the parts stay together."""
    held = [c for c in _answers(cells) if c.cell_type == "code" and c.source.count("\n") > 1]
    if held:
        cell = rng.choice(held)
        lines = cell.source.split("\n")
        line = rng.randint(1, len(lines) - 1)
        second = copy.deepcopy(cell)
        cell.source, second.source = "\n".join(lines[:line]), "\n".join(lines[line:])
        cells.insert(cells.index(cell) + 1, second)


def merge(cells: list[NotebookNode], rng: random.Random) -> None:
    at = rng.randrange(len(cells))
    if at + 1 < len(cells) and cells[at].cell_type == cells[at + 1].cell_type == "code":
        cells[at].source += "\n\n" + cells.pop(at + 1).source


def edit_ours(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in cells:
        if cell.source.startswith(("check(", "import math", "# Run me")) and rng.random() < 0.5:
            cell.source = rng.choice(["pass", cell.source + "\nprint(1)", "import os\n" + cell.source, "oops("])


def decorate(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in _answers(cells):
        if cell.cell_type == "code" and rng.random() < 0.5:
            first, last = (
                rng.choice(["", "%%time\n", "!pip install einops\n", "# mine\n"]),
                rng.choice(["", "\n", "\n# done"]),
            )
            cell.source = first + cell.source + last


def outputs(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in cells:
        if cell.cell_type == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stderr", "text": ["warning\n"]}, {"odd": 1}]
            cell["execution_count"] = rng.choice([None, 3, "7"])


def break_schema(cells: list[NotebookNode], rng: random.Random) -> None:
    for cell in rng.sample(cells, rng.randint(1, len(cells))):
        key = rng.choice(["metadata", "outputs", "execution_count", "id"])
        cell.pop(key, None) if rng.random() < 0.5 else cell.update({key: rng.choice([None, 3, "x", []])})
        if not isinstance(cell.get("metadata"), dict):
            cell["metadata"] = NotebookNode()


MANGLES: tuple[Mangle, ...] = (
    strip_some, strip_everything, new_ids, ids_to_metadata, foreign_metadata, delete_some, duplicate, blank_duplicate,
    shuffle, move, retype, add_extra, split_helper, cut, merge, edit_ours, decorate, outputs, break_schema,
)  # fmt: skip


def _file(notebook: NotebookNode, rng: random.Random) -> bytes:
    """As some program saves it: line ends, encodings, sources as lists or strings, version 3."""
    raw: dict[str, Any] = json.loads(json.dumps(notebook))
    raw["nbformat_minor"] = rng.choice([0, 4, 5, 9])
    ends = rng.choice(["\n", "\r\n"])
    for cell in raw["cells"]:
        cell["source"] = cell["source"].replace("\n", ends)
        if rng.random() < 0.5:
            cell["source"] = cell["source"].splitlines(keepends=True)
    if rng.random() < 0.15:
        for cell in raw["cells"]:
            if cell["cell_type"] == "code":
                cell["input"] = cell.pop("source")
        raw = {"nbformat": 3, "metadata": {}, "worksheets": [{"cells": raw["cells"]}]}
    text = json.dumps(raw, indent=rng.choice([None, 1]), ensure_ascii=False)
    return text.replace("\n", rng.choice(["\n", "\r\n"])).encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"]))


def mangled(mangles: list[Mangle], answered: set[str], seed: int) -> bytes:
    """A student's file: some questions answered rightly, then mangled."""
    rng = random.Random(seed)
    notebook = solved(**{q: s for q, s in STUBS.items() if q not in answered})
    for mangle in sorted(mangles, key=lambda mangle: mangle is cut):  # last: else the parts go separate ways
        mangle(notebook.cells, rng)
    for cell in notebook.cells:
        cell.setdefault("id", "")
    return _file(notebook, rng)


def outcomes(mangles: list[Mangle], answered: set[str], seed: int) -> dict[str, str]:
    """By answered question: "right", "right, noted", "lost, noted" or "LOST"."""
    reading = read_bytes(mangled(mangles, answered, seed))
    done = transplant(released(), reading.notebook)
    assert_ours(done.notebook, released())
    result = scores(done.notebook)
    cells = {cell.id: cell for cell in done.notebook.cells}
    found = {}
    for question in sorted(answered):
        about = (f"{question}:", f"of {question} ", "in the middle of a definition")
        noted = any(word in note for word in about for note in done.notes)
        right = result[question] == "right"
        if right and not {split_helper, cut} & set(mangles):
            right = same_definition(cells[question].source, RIGHT[question], NAMES[question])
        found[question] = ("right, noted" if noted else "right") if right else ("lost, noted" if noted else "LOST")
    for question in STUBS.keys() - answered:  # a blank that was cut apart may be an error instead
        assert result[question] in (("blank", "wrong") if cut in mangles else ("blank",))
    noted = any("W1" in note for note in done.notes)
    kept = PROSE in cells["W1"].source and determine_grade(cells["W1"]) == (None, 3.0)
    found["W1"] = ("right, noted" if noted else "right") if kept else ("lost, noted" if noted else "LOST")
    return found


@settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.sampled_from(MANGLES), max_size=7),
    st.sets(st.sampled_from(sorted(STUBS))),
    st.integers(0, 2**32),
)
def test_a_right_answer_stays_right_or_the_notes_say_why_not(
    mangles: list[Mangle], answered: set[str], seed: int
) -> None:
    found = outcomes(mangles, answered, seed)
    for question, outcome in found.items():
        event(outcome)
        assert outcome != "LOST", question


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(MANGLES), st.integers(0, 2**32))
def test_one_change_alone_never_loses_a_right_answer(mangle: Mangle, seed: int) -> None:
    found = outcomes([mangle], set(STUBS), seed)
    for question, outcome in found.items():
        assert outcome.startswith("right"), question


def test_an_untouched_notebook_survives_every_way_of_saving_it() -> None:
    for seed in range(40):
        reading = read_bytes(_file(released(), random.Random(seed)))
        assert transplant(released(), reading.notebook).notebook == released()
        nbformat.validate(reading.notebook)
