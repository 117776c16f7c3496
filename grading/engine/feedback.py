"""Feedback pages: nbgrader's own template, our cards, and nothing a browser would fetch."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.exam.selection import role_of

_EXTERNAL_SCRIPT = re.compile(r"<script\b[^>]*\bsrc=\"https?://[^\"]*\"[^>]*>\s*</script>", re.IGNORECASE)
_BADGE = re.compile(r"<img\b[^>]*colab-badge[^>]*>", re.IGNORECASE)
_EXTERNAL_SHEET = re.compile(r"<link\b[^>]*\bhref=\"https?://[^\"]*\"[^>]*/?>", re.IGNORECASE)


def focused(notebook: NotebookNode) -> NotebookNode:
    """What a student wants to see again: title, questions, answers, cards, own cells, and whatever failed."""
    kept: list[NotebookNode] = []
    for before, cell in zip((None, *notebook.cells), notebook.cells, strict=False):
        role = role_of(cell)
        asked = role in ("answer", "check", "written", "extra")
        failed = any(o.output_type == "error" for o in cell.get("outputs", []))
        asks = role in ("answer", "written") and before is not None and before.cell_type == "markdown"
        if asks and not any(before is cell for cell in kept[-1:]):
            kept.append(before)
        if (not kept and cell.cell_type == "markdown") or asked or failed:
            kept.append(cell)
    page = NotebookNode(notebook)
    page.cells = kept
    return page


class FeedbackWriter:
    """Renders judged notebooks to HTML with the grades that the gradebook holds."""

    def __init__(self, config: Config) -> None:
        self._log = logging.getLogger("vitlab.feedback")
        self._log.setLevel(logging.ERROR)
        directory = CourseDirectory(config=config)
        self.db_url = directory.db_url
        converter = GenerateFeedback(coursedir=directory, config=config)
        self._exporter = converter.exporter_class(config=converter.config, log=self._log)
        for preprocessor in converter.preprocessors:
            self._exporter.register_preprocessor(preprocessor, enabled=True)

    def write(self, student: str, lesson: str, notebook: NotebookNode, path: Path) -> None:
        """Write one page; the notebook is not changed."""
        resources = {
            "nbgrader": {"assignment": lesson, "notebook": lesson, "student": student, "db_url": self.db_url},
            "unique_key": lesson,
            "metadata": {"name": lesson},
        }
        html, _ = self._exporter.from_notebook_node(focused(notebook), resources=resources)
        html = _EXTERNAL_SHEET.sub("", _EXTERNAL_SCRIPT.sub("", html))
        html = _BADGE.sub("Open in Colab", html)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, "utf-8")
