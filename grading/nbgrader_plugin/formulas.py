"""Formulas in formgrader and in feedback pages: drawn by the browser itself, so that no script is fetched.

nbgrader_config.py puts this filter, and an empty macro in the place of nbconvert's MathJax, into formgrader's pages.
"""

from __future__ import annotations

from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import nbgrader
from jinja2 import pass_context
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from grading.formula import FormulaError, mathml

_FORMGRADER = Path(nbgrader.__file__).parent / "server_extensions" / "formgrader" / "templates"
TEMPLATES = [str(Path(__file__).parent / "templates"), str(_FORMGRADER)]
LONGEST = 1000  # characters: more is no formula that a person would read


@pass_context
def markdown2html(context: Any, source: str) -> str:
    """Markdown of one cell as HTML, as nbconvert makes it, with MathML for formulas."""
    return with_formulas(source, context.get("cell", {}).get("attachments", {}))


def comment2html(text: str) -> str:
    """A teacher's comment as HTML: Markdown and formulas, while `<word>` is text and no tag that a page leaves out."""
    return with_formulas(text, tags=False)


def with_formulas(source: str, attachments: Any = None, *, tags: bool = True) -> str:
    """Markdown as HTML; a formula that can't be drawn is shown as it was typed.

    tags: HTML in it stays HTML; otherwise it is shown as it was typed.
    """
    renderer = _Renderer(escape=not tags, attachments=attachments or {}, anchor_link_text="¶")
    return MarkdownWithMath(renderer=renderer).render(source)


class _Renderer(IPythonRenderer):
    def block_math(self, body: str) -> str:
        return _drawn(body, display=True)

    def inline_math(self, body: str) -> str:
        return _drawn(body, display=False)

    def latex_environment(self, name: str, body: str) -> str:
        return self.block_math(f"\\begin{{{name}}}{body}\\end{{{name}}}")


@lru_cache(maxsize=4096)
def _drawn(latex: str, *, display: bool) -> str:
    try:
        if len(latex) > LONGEST:
            raise FormulaError("too long")
        return mathml(latex, display=display)
    except FormulaError:
        mark = "$$" if display else "$"
        return f"<code>{escape(mark + latex.strip() + mark)}</code>"
