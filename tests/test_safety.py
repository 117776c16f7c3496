"""What a student wrote reaches the page as text, and in the usual time."""

from __future__ import annotations

import time

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from grading.judging.sanitize import MAX_CODE, MAX_LINE, MAX_PROSE, make_safe

BOMBS = ["<div>" * 30_000, "<b>" * 30_000, "[a](" * 20_000, "[" * 40_000, "> " * 30_000, "a " * 40_000]


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("role", ["extra", "written"])
def test_nested_markup_is_shown_as_text(bomb, role):
    """Cleaning thirty thousand open tags took more than ten minutes."""
    notebook = new_notebook(cells=[new_markdown_cell(bomb, metadata={"vitlab": {"role": role}})])
    begin = time.process_time()
    make_safe(notebook)
    assert time.process_time() - begin < 1
    (cell,) = notebook.cells
    assert "<" not in cell.source
    assert "[" not in cell.source
    assert all(line.startswith("    ") for line in cell.source.splitlines()[:-1])
    assert len(cell.source) < 6 * MAX_PROSE


def test_ordinary_prose_stays():
    prose = "Because attention is **blind** to order, see [this](https://example.org) and _that_.\n\n" * 20
    notebook = new_notebook(cells=[new_markdown_cell(prose)])
    make_safe(notebook)
    assert notebook.cells[0].source == prose


def test_code_of_great_length_is_cut():
    """A highlighter's time grows with the square of a line's length."""
    usual = "def f():\n    return 1\n" * 200
    notebook = new_notebook(cells=[new_code_cell(s) for s in ("a" + ".b" * 50_000, "x = 1\n" * 50_000, usual)])
    make_safe(notebook)
    line, lines, same = (cell.source for cell in notebook.cells)
    assert len(line) < MAX_LINE + 100
    assert "more characters" in line
    assert len(lines) < MAX_CODE + 100
    assert same == usual


@pytest.mark.parametrize(
    "link",
    [
        "[x](javascript:alert(1))",
        "[x](JaVaScr&#105;pt:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](javascript\\:alert(1))",
        "[x][y]\n\n[y]: vbscript:run",
        "![x](data:text/html;base64,PHA+)",
    ],
)
def test_markdown_links_that_would_run_are_shown_as_text(link):
    """Cleaning HTML does nothing to Markdown's own links."""
    notebook = new_notebook(cells=[new_markdown_cell(f"hello {link}", metadata={"vitlab": {"role": "written"}})])
    make_safe(notebook)
    source = notebook.cells[0].source
    assert "[" not in source
    assert source.startswith("    ")
