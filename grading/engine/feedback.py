"""Feedback pages: the page that `nbgrader generate_feedback` writes too, without anything a browser would fetch."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable
from copy import copy
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import pass_context
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.templateexporter import TemplateExporter
from nbconvert.filters import DataTypeFilter, Highlight2HTML
from nbconvert.preprocessors import CSSHTMLHeaderPreprocessor
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.engine.journal import write_whole
from grading.nbgrader_plugin.feedback_facts import focused, graded, page_facts
from grading.nbgrader_plugin.formulas import comment2html, markdown2html, with_formulas
from grading.nbgrader_plugin.model_answers import released_with_feedback, with_model_answers
from grading.nbgrader_plugin.stored_grades import StoredGrades

_EXTERNAL_SCRIPT = re.compile(r"<script\b[^>]*\bsrc=\"https?://[^\"]*\"[^>]*>\s*</script>", re.IGNORECASE)
_BADGE = re.compile(r"<img\b[^>]*colab-badge[^>]*>", re.IGNORECASE)
_EXTERNAL_SHEET = re.compile(r"<link\b[^>]*\bhref=\"https?://[^\"]*\"[^>]*/?>", re.IGNORECASE)
_NO_ALT = re.compile(r"<img\b(?![^>]*\balt=)", re.IGNORECASE)
STAMP = "timestamp.txt"
REMEMBERED = 1024  # cells: most of a page is the same for everybody


class FeedbackWriter:
    """Renders judged notebooks to HTML with the grades that the gradebook holds."""

    def __init__(self, config: Config) -> None:
        log = logging.getLogger("vitlab.feedback")
        log.setLevel(logging.ERROR)
        converter = GenerateFeedback(coursedir=CourseDirectory(config=config), config=config)
        self._exporter = _Page(config=converter.config, log=log)
        self._course = str(config.ShowGrades.get("course", ""))
        self._submitted = Path(config.CourseDirectory.get("submitted_directory", "submitted"))

    def write(self, student: str, lesson: str, notebook: NotebookNode, path: Path, stored: StoredGrades) -> None:
        """Write one page; the notebook is not changed."""
        facts = page_facts(notebook, stored, lesson, student)
        page = NotebookNode(notebook)
        cells = [graded(cell, stored) for cell in focused(notebook)]
        page.cells = with_model_answers(cells, released_with_feedback(self._course, lesson))
        html = self._exporter.page(page, facts)
        html = _EXTERNAL_SHEET.sub("", _EXTERNAL_SCRIPT.sub("", html))
        html = _NO_ALT.sub(
            '<img alt="No description has been provided for this image"', _BADGE.sub("Open in Colab", html)
        )
        write_whole(path, html)
        stamp = self._submitted / student / lesson / STAMP
        if stamp.is_file() and not stamp.is_symlink():  # as nbgrader does; ngshare finds the hand-in by it
            shutil.copyfile(stamp, path.with_name(STAMP))


class _Page(HTMLExporter):
    """nbconvert's exporter without what only a first page needs: what doesn't change from page to page is kept."""

    _text: Callable[[str], str]
    _coloured: Callable[[str, str | None], str]

    def page(self, notebook: NotebookNode, facts: dict[str, Any]) -> str:
        """HTML of a notebook that is valid and that no other thread uses while it is rendered."""
        resources = self._prepared()
        language = notebook.metadata.get("language_info", {})
        self._language = language.get("pygments_lexer", language.get("name"))
        resources["nbgrader"] = facts
        resources["metadata"] = {"name": facts["notebook"]}
        resources["unique_key"] = facts["assignment"]
        html, _ = TemplateExporter.from_notebook_node(self, notebook, resources=resources)
        return html

    def _prepared(self) -> Any:
        if not hasattr(self, "_kept"):
            self._kept = super()._init_resources(None)
            CSSHTMLHeaderPreprocessor(parent=self).preprocess(NotebookNode(), self._kept)
            self.register_filter("filter_data_type", DataTypeFilter(parent=self))
            self.register_filter("markdown2html", self._markdown)
            self.register_filter("comment2html", comment2html)
            self.register_filter("highlight_code", lambda source, **_: self._coloured(source, self._language))
            self._text = lru_cache(maxsize=REMEMBERED)(with_formulas)
            self._coloured = lru_cache(maxsize=REMEMBERED)(Highlight2HTML(parent=self))
        return copy(self._kept)

    @pass_context
    def _markdown(self, context: Any, source: str) -> str:
        if context.get("cell", {}).get("attachments"):
            return markdown2html(context, source)
        return self._text(source)

    def _init_resources(self, resources: Any) -> Any:
        return resources

    def _preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        return nb, resources
