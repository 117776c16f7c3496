"""A notebook as the body of a page: nbconvert with a template of our own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape
from io import BytesIO
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup
from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from PIL import Image

from grading.formula import mathml

_TEMPLATES = Path(__file__).parent
_COLAB = re.compile(r"^\[Open in Colab\]\([^)]*\)\n*", re.MULTILINE)  # stands above the lesson already
_PICTURE = re.compile(r"<img\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")


@dataclass
class Section:
    """A heading and the text below it, for the table of contents and the search."""

    anchor: str
    title: str
    level: int
    words: str = ""


@dataclass
class Rendered:
    """A lesson's page without its frame.

    Attributes:
        pictures: by path relative to the site's root.
    """

    title: str
    promise: str
    body: str
    sections: list[Section]
    pictures: dict[str, bytes] = field(default_factory=dict)


def render(notebook: NotebookNode, lesson: str) -> Rendered:
    """Outputs' pictures become files `pictures/<lesson>/…`; formulas become MathML."""
    page = _Page()
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _COLAB.sub("", cell.source)
    resources: dict[str, Any] = {"output_files_dir": f"pictures/{lesson}", "unique_key": "picture"}
    body, resources = page.from_notebook_node(notebook, resources=resources)
    pictures = {path.replace("\\", "/"): data for path, data in resources.get("outputs", {}).items()}
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    body = _PICTURE.sub(lambda match: _sized(match, pictures), body)
    first = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    promise = re.search(r"\*\*In one sentence:\*\*\s*(.+?)(?:\n\s*\n|$)", first, re.DOTALL)
    sections = page.sections
    title = sections[0].title if sections else lesson
    return Rendered(title, _plain(promise[1]) if promise else "", body, sections, pictures)


def _plain(markdown: str) -> str:
    return " ".join(re.sub(r"[*_`]", "", markdown).split())


def _sized(match: re.Match[str], pictures: dict[str, bytes]) -> str:
    """With the picture's size, so that nothing jumps when it arrives, and fetched only when it comes into view."""
    picture = BeautifulSoup(match[0], "html.parser").img
    data = pictures.get(str(picture["src"])) if picture is not None else None
    if picture is None or data is None:
        return match[0]
    width, height = Image.open(BytesIO(data)).size
    shown = int(str(picture.get("width") or width))
    sizes = {"width": str(shown), "height": str(round(shown * height / width))}
    picture.attrs = {"alt": ""} | picture.attrs | sizes | {"loading": "lazy", "decoding": "async"}
    return str(picture)


class _Page(HTMLExporter):
    """nbconvert's exporter: our template, formulas, headings with anchors."""

    def __init__(self) -> None:
        super().__init__(
            extra_template_basedirs=[str(_TEMPLATES)],
            template_name="page",
            anchor_link_text="",
            exclude_input_prompt=True,
            exclude_output_prompt=True,
        )
        self.register_filter("clean_html", lambda html: html)  # highlighted code is escaped; this took half the time
        for name in ("CoalesceStreams", "ExtractOutput"):
            self.register_preprocessor(f"nbconvert.preprocessors.{name}Preprocessor", enabled=True)
        self.sections: list[Section] = []

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        """Markdown of one cell; its headings and words are noted."""
        cell = context.get("cell", {})
        renderer = _Text(self.sections, cell.get("attachments", {}))
        return MarkdownWithMath(renderer=renderer).render(source)


class _Text(IPythonRenderer):
    def __init__(self, sections: list[Section], attachments: Any) -> None:
        super().__init__(escape=False, attachments=attachments, exclude_anchor_links=True)
        self._sections = sections

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        title = unescape(_TAG.sub("", text)).strip()
        base = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        taken = {section.anchor for section in self._sections}
        anchor = next(a for n in range(1, 10_000) if (a := base if n == 1 else f"{base}-{n}") not in taken)
        self._sections.append(Section(anchor, title, level))
        link = f'<a class="here" href="#{anchor}" aria-label="Link to “{escape(title, quote=True)}”">#</a>'
        return f'<h{level} id="{anchor}">{text.strip()}{link}</h{level}>\n'

    def text(self, text: str) -> str:
        self._note(text)
        return super().text(text)

    def codespan(self, text: str) -> str:
        self._note(text)
        return super().codespan(text)

    def _note(self, text: str) -> None:
        if self._sections:
            self._sections[-1].words += " " + text

    def block_math(self, body: str) -> str:
        return f'<div class="formula">{mathml(body, display=True)}</div>'

    def inline_math(self, body: str) -> str:
        return mathml(body, display=False)
