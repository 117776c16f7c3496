"""No solution text, mistake or rubric in anything that students get."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import nbformat
import pytest

from grading.course import load_course
from grading.judging.bank import load_bank
from grading.lesson_source.source import read_source
from tests.answer_pieces import answer_pieces
from tests.conftest import ROOT

COURSE = load_course(ROOT)
LESSONS = [lesson.id for lesson in COURSE.lessons if COURSE.source(lesson.id).exists()]
LONG_ENOUGH = 10  # shorter pieces (`b=b`, `2 * i`) are looked for as whole lines


def squeeze(text: str) -> str:
    return re.sub(r"\s+", "", text)


def student_files() -> dict[Path, str]:
    """Everything that ships, squeezed; a notebook's cells as text, the expectations as raw bytes."""
    files = {}
    for path in sorted([*(ROOT / "notebooks").rglob("*"), *(ROOT / "helpers").rglob("*")]):
        if path.is_dir() or "__pycache__" in path.parts or ".ipynb_checkpoints" in path.parts:
            continue
        if path.suffix == ".ipynb":
            text = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells) + path.read_text("utf-8")
        else:
            text = path.read_bytes().decode("utf-8", "replace")
        files[path.relative_to(ROOT)] = text
    return files


FILES = student_files()
SQUEEZED = {path: squeeze(text) for path, text in FILES.items()}
LINES = {path: {squeeze(line) for line in text.splitlines()} for path, text in FILES.items()}


def holders(piece: str) -> list[str]:
    piece = squeeze(piece)
    if len(piece) >= LONG_ENOUGH:
        return [str(path) for path, text in SQUEEZED.items() if piece in text]
    return [str(path) for path, lines in LINES.items() if piece in lines]


def hidden() -> list:
    return [
        pytest.param(piece, id=f"{lesson}-{question}-{n}")
        for lesson in LESSONS
        for n, (question, piece) in enumerate(answer_pieces(lesson))
    ]


@pytest.mark.parametrize("piece", hidden())
def test_no_blanked_expression_ships(piece: str) -> None:
    assert not holders(piece), f"{piece!r} is the answer, and is in {holders(piece)}"


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_search_would_find_a_leak(lesson: str) -> None:
    """The same search over the solution notebook finds every piece: it is able to fail."""
    solution = nbformat.read(COURSE.solution_notebook(lesson), as_version=4)
    text = squeeze("\n".join(c.source for c in solution.cells))
    for cell in read_source(COURSE.source(lesson)).of("answer"):
        for piece in cell.blanked.hidden:
            assert squeeze(piece) in text


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_rubric_or_model_answer_ships(lesson: str) -> None:
    source = read_source(COURSE.source(lesson))
    for cell in [*source.of("rubric"), *source.of("written"), *source.of("solution")]:
        for line in cell.source.splitlines():
            if len(squeeze(line)) > 25:
                assert not holders(line), line


@pytest.mark.parametrize("lesson", LESSONS)
def test_no_mistake_ships(lesson: str) -> None:
    bank = load_bank(COURSE.bank(lesson))
    for entry in [*bank.mistakes, *bank.rights]:
        if "_" in entry.name and len(entry.name) > 8:  # a single word may well stand in the prose
            assert not holders(entry.name), entry.name
        body = (entry.text or inspect.getsource(entry.answer)).split("\n", 2)[-1]
        if len(squeeze(body)) >= LONG_ENOUGH:  # `pass` gives nothing away
            assert not holders(body), entry.name


def test_helpers_never_import_grading() -> None:
    for path, text in FILES.items():
        if path.parts[0] == "helpers" and path.suffix == ".py":
            assert not re.search(r"^\s*(from|import)\s+(grading|solutions|tests)\b", text, re.MULTILINE), path


def test_nothing_but_notebooks_lies_in_the_students_folder() -> None:
    kinds = {p.suffix for p in (ROOT / "notebooks").rglob("*") if p.is_file() and ".ipynb_checkpoints" not in p.parts}
    assert kinds <= {".ipynb"}, kinds


def test_no_pickle_anywhere() -> None:
    """Pickle is loaded nowhere; CIFAR-10's own files are opened by torchvision after their checksum."""
    for folder in ("helpers", "grading"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            assert not re.search(
                r"^\s*(import|from) (pickle|dill|cloudpickle|joblib)\b|torch\.load\(|allow_pickle=True", text, re.M
            ), path
