"""Local links in the documentation and in the notebooks lead somewhere. Other sites are not our build's business."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.conftest import ROOT

MARKDOWN = MarkdownIt("commonmark").enable("table")
PAGES = sorted(
    path.relative_to(ROOT)
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "helpers").rglob("*.md")]
)
NOTEBOOKS = sorted(
    path.relative_to(ROOT)
    for folder in ("notebooks", "solutions")
    for path in (ROOT / folder).glob("*/*.ipynb")
    if not path.name.startswith(".")
)


def tokens(text: str) -> Iterator[Token]:
    for token in MARKDOWN.parse(text):
        yield token
        yield from token.children or ()


def links(text: str) -> Iterator[str]:
    """Targets of links and pictures, in Markdown and in the HTML between it."""
    for token in tokens(text):
        for name in ("href", "src"):
            if token.attrGet(name):
                yield str(token.attrGet(name))
        if token.type in ("html_block", "html_inline"):
            yield from re.findall(r"""\b(?:href|src)=["']([^"']+)["']""", token.content)


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings, and ids given in HTML."""
    found = set(re.findall(r"""\b(?:id|name)=["']([^"']+)["']""", text))
    for heading, content in zip(parsed := MARKDOWN.parse(text), parsed[1:], strict=False):
        if heading.type == "heading_open":
            title = "".join(t.content for t in content.children or () if t.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
            while slug in found:
                slug += "-1"
            found.add(slug)
    return found


def broken(text: str, path: Path) -> list[str]:
    """The local links in `text`, which stands in `path`, that lead nowhere."""
    found = []
    for link in links(text):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        there = target.exists()
        if there and parts.fragment and (not parts.path or target.suffix == ".md"):
            there = parts.fragment in anchors(target.read_text("utf-8") if parts.path else text)
        if not there:
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_local_links_of_a_page_lead_somewhere(page):
    assert broken((ROOT / page).read_text("utf-8"), ROOT / page) == []


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=str)
def test_local_links_of_a_notebook_lead_somewhere(notebook):
    cells = nbformat.read(ROOT / notebook, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found = broken(text, ROOT / notebook)
    assert [link for link in found if not link.startswith("attachment:")] == []


@pytest.mark.parametrize("notebook", [n for n in NOTEBOOKS if n.parts[0] == "notebooks"], ids=str)
def test_a_student_notebook_links_to_nothing_that_students_do_not_have(notebook):
    for cell in nbformat.read(ROOT / notebook, as_version=4).cells:
        if cell.cell_type != "markdown":
            continue
        for link in links(cell.source):
            if not urlsplit(link).scheme and urlsplit(link).path:
                target = ((ROOT / notebook).parent / unquote(urlsplit(link).path)).resolve()
                assert target.suffix == ".ipynb" or target.is_relative_to(ROOT / "helpers"), link
                assert target.is_relative_to(ROOT / "notebooks") or target.is_relative_to(ROOT / "helpers"), link


def test_a_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A title: `code`\n[a](gone.md) [b](#a-title-code) [c](#nowhere) ![d](https://x.org/gone.png)\n"
        '<img src="gone.png">\n\n    [code](is-not-a-link.md)\n',
        "utf-8",
    )
    assert broken(page.read_text("utf-8"), page) == ["gone.md", "#nowhere", "gone.png"]


FETCHED = re.compile(
    r"!\[[^\]]*\]\(\s*(?:https?:)?//|<(?:img|script|iframe|link|video)\b[^>]*(?:src|href)=[\"']?(?:https?:)?//"
)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=str)
def test_a_lesson_shows_nothing_from_elsewhere(notebook):
    for cell in nbformat.read(ROOT / notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            assert not FETCHED.search(cell.source), cell.source


def test_every_file_and_folder_that_the_architecture_page_names_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:helpers|grading|tests)/[\w/.]+)`", text)
    assert len(named) > 40
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_package_stands_on_the_architecture_page() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    packages = [path.parent for path in (ROOT / "grading").glob("*/__init__.py")]
    assert [p.name for p in packages if f"`grading/{p.name}" not in text] == []
