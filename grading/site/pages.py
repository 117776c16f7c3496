"""`vitlab site`: writes the pages."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from pygments.formatters import HtmlFormatter

from grading.course import Course, CourseError, Lesson
from grading.lesson_builder.bootstrap import badge
from grading.lesson_builder.glossary import read_glossary
from grading.lesson_source.source import read_source
from grading.nbgrader_plugin.ordinary.assignment import is_ordinary
from grading.site.execute import executed, kept, released
from grading.site.links import broken_links
from grading.site.render import Rendered, render
from grading.site.search import search_index

_HERE = Path(__file__).parent
_MARKER = ".vitlab-site"


@dataclass(frozen=True)
class Entry:
    """A lesson as pages link to it."""

    id: str
    title: str
    minutes: int
    promise: str
    questions: tuple[str, ...]
    colab: str

    @property
    def href(self) -> str:
        return f"{self.id}.html"

    @property
    def number(self) -> str:
        return self.id.split("_")[0]


@dataclass(frozen=True)
class Site:
    """What was written; `without`: lessons whose pages show no outputs."""

    index: Path
    pages: int
    without: tuple[str, ...]


def make_site(course: Course, out: Path, *, execute: bool = True, lessons: Sequence[str] | None = None) -> Site:
    """Render the student lessons to static pages that open from a disk, without network.

    Args:
        out: the site's folder; one that an earlier call wrote is replaced.
        execute: run notebooks that have not been run as they are now; else those come without pictures.
        lessons: by default all.

    Raises:
        CourseError: a lesson isn't built or fails, `out` holds something else, or a link leads nowhere.
    """
    course.activate()
    chosen = [course.lesson(lesson) for lesson in lessons] if lessons else list(course.lessons)
    chosen = [lesson for lesson in chosen if not is_ordinary(course, lesson.id)]  # problem sets aren't for reading
    if not chosen:
        raise CourseError("ordinary nbgrader assignments have no page on the site, and there is no other lesson")
    out = _fresh(Path(out).resolve())
    without: list[str] = []
    rendered: dict[str, Rendered] = {}
    for lesson in chosen:
        notebook = executed(course, lesson.id) if execute else kept(course, lesson.id)
        if notebook is None:
            without.append(lesson.id)
            notebook = released(course, lesson.id)
        rendered[lesson.id] = render(notebook, lesson.id)
    entries = [_entry(course, lesson, rendered[lesson.id]) for lesson in chosen]
    environment = _environment()
    terms = read_glossary(course)
    common: dict[str, Any] = {"course": course.course, "entries": entries, "terms": terms}
    page = environment.get_template("lesson.html.j2")
    for before, entry, after in zip((None, *entries), entries, (*entries[1:], None), strict=False):
        one = rendered[entry.id]
        sections = [section for section in one.sections if section.level == 2]
        html = page.render(
            **common,
            entry=entry,
            before=before,
            after=after,
            body=Markup(one.body),
            sections=sections,
            shown=entry.id not in without,
        )
        _write(out / entry.href, html)
        for path, data in one.pictures.items():
            _write(out / path, data)
    minutes = sum(entry.minutes for entry in entries)
    _write(out / "index.html", environment.get_template("index.html.j2").render(**common, minutes=minutes))
    if terms:
        pages = {entry.number: entry.href for entry in entries}
        _write(out / "glossary.html", environment.get_template("glossary.html.j2").render(**common, pages=pages))
    _write(out / "assets" / "site.css", (_HERE / "site.css").read_text("utf-8") + _code_colours())
    _write(out / "assets" / "site.js", (_HERE / "site.js").read_text("utf-8"))
    _write(out / "assets" / "search-index.js", search_index([(e.href, rendered[e.id].sections) for e in entries]))
    if problems := broken_links(out):
        raise CourseError("the site was written, and holds links that lead nowhere:\n  " + "\n  ".join(problems))
    return Site(out / "index.html", len(entries), tuple(without))


def _entry(course: Course, lesson: Lesson, one: Rendered) -> Entry:
    path = f"notebooks/{lesson.id}/{lesson.id}.ipynb"
    colab = badge(course.course, path).rsplit("(", 1)[1].rstrip(")")
    source = course.source(lesson.id)
    questions = tuple(read_source(source).checks()) if source.is_file() else ()
    return Entry(lesson.id, lesson.title, lesson.minutes, one.promise, questions, colab)


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _code_colours() -> str:
    """Pygments' colours for light and dark."""
    light = HtmlFormatter(style="tango").get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    plain = ".highlight { background: none; }"
    return f"\n{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n{plain}\n"


def _fresh(out: Path) -> Path:
    """An empty folder; only what an earlier call left is removed."""
    if out.exists() and any(out.iterdir()):
        if not (out / _MARKER).exists():
            raise CourseError(f"{out} holds files that are no site of ours: give an empty folder with --out")
        shutil.rmtree(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARKER).write_text("written by `vitlab site`, which replaces this folder\n", "utf-8")
    return out


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content, "utf-8", newline="\n")
    else:
        path.write_bytes(content)
