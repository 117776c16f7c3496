"""Formulas in formgrader and in feedback pages are drawn by the browser, and fetch nothing."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_markdown_cell, new_notebook
from traitlets.config import Config

from grading.nbgrader_plugin.config import configure
from grading.nbgrader_plugin.formulas import LONGEST, TEMPLATES, comment2html, with_formulas

FACTS = {"assignment_id": "a", "notebook_id": "a", "submission_id": "1", "index": 0, "total": 1, "base_url": ""}


def formgraders_page(*texts: str) -> str:
    """As formgrader makes it: nbgrader's template, with what our configuration changes."""
    config = configure(Config(), Path("course"))
    config.HTMLExporter.template_name = "formgrade"
    cells = [new_markdown_cell(text, metadata={"nbgrader": {}}) for text in texts]
    notebook = nbformat.from_dict(new_notebook(cells=cells))
    return HTMLExporter(config=config).from_notebook_node(notebook, resources=dict(FACTS))[0]


def test_formgrader_draws_formulas_and_fetches_no_script_for_it() -> None:
    html = formgraders_page(r"The code is $\sin(k/n^{2i/d})$ and $$\sum_i x_i$$", "Plain **words**.")
    assert html.count("<math ") == 2
    assert "<strong>words</strong>" in html
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', html) == []
    assert "cdnjs" not in html


@pytest.mark.parametrize("latex", [r"\nonsense{x", "{" * 50, "x" * (LONGEST + 1), r"<script>alert(1)</script>"])
def test_what_is_no_formula_is_shown_as_it_was_typed(latex: str) -> None:
    html = with_formulas(f"Before ${latex}$ after")
    assert "<script>" not in html
    assert "Before" in html
    assert "after" in html
    if "script" not in latex:
        assert f"<code>${latex}$</code>" in html


def test_an_environment_is_a_formula_too() -> None:
    assert "<math " in with_formulas("\\begin{align}\na &= b\n\\end{align}")


def test_a_comment_says_what_the_teacher_typed() -> None:
    html = comment2html("Write <word> twice, **not** `<p>`, where $a<b$.\n\n<div>a block</div>")
    assert "Write &lt;word&gt; twice, <strong>not</strong> <code>&lt;p&gt;</code>" in html
    assert "&lt;div&gt;a block&lt;/div&gt;" in html
    assert "<mo>&#x0003C;</mo>" in html


def test_feedback_pages_draw_comments_that_way_in_nbgraders_own_export_too() -> None:
    template = (Path(TEMPLATES[0]) / "feedback" / "index.html.j2").read_text()
    assert template.count(".comment | comment2html") == 2
    assert ".comment | markdown2html" not in template
    assert (
        configure(Config(), Path("course")).HTMLExporter.filters["comment2html"]
        == "grading.nbgrader_plugin.formulas.comment2html"
    )
