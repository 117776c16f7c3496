"""Rubrics beside the written answers in the autograded notebooks that formgrader shows.

Feedback pages show them in another form (`model_answers`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import Unicode

from grading.course import load_course
from grading.judging.cells_to_run import role_of
from grading.lesson_source.source import read_source
from grading.nbgrader_plugin.feedback_facts import notices_of


def rubrics_of(source: Path) -> dict[str, str]:
    """Written question to its rubric, from a lesson's source."""
    cells = read_source(source).cells
    return {
        cell.question: after.source
        for cell, after in pairwise(cells)
        if cell.role == "written" and after.role == "rubric"
    }


def with_rubrics(notebook: NotebookNode, rubrics: Mapping[str, str]) -> NotebookNode:
    """A copy that has each rubric, as a quotation, right after the answer it is for."""
    cells = []
    for cell in without_rubrics(notebook).cells:
        cells.append(cell)
        question = str(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if role_of(cell) == "written" and question in rubrics:
            lines = ["*For graders only*", "", *rubrics[question].splitlines()]
            own = new_markdown_cell(_quoted(lines), id=f"{question}-rubric", metadata={"vitlab": {"role": "rubric"}})
            if "id" not in cell:
                del own["id"]
            cells.append(own)
    return NotebookNode({**notebook, "cells": cells})


def with_notices(notebook: NotebookNode) -> NotebookNode:
    """A copy that begins with what was found out about the file, where there is anything: for formgrader."""
    said = notices_of(notebook)
    if not said:
        return notebook
    lines = ["**About the file that was handed in**", "", *(f"- {one}" for one in said)]
    own = new_markdown_cell(_quoted(lines), id="about-the-file", metadata={"vitlab": {"role": "notice"}})
    if not all("id" in cell for cell in notebook.cells):
        del own["id"]
    return NotebookNode({**notebook, "cells": [own, *notebook.cells]})


def without_rubrics(notebook: NotebookNode) -> NotebookNode:
    """A copy without them, and without notices."""
    kept = [cell for cell in notebook.cells if role_of(cell) not in ("rubric", "notice")]
    return NotebookNode({**notebook, "cells": kept})


def _quoted(lines: Sequence[str]) -> str:
    return "\n".join(f"> {line}".rstrip() for line in lines)


class ShowRubrics(NbGraderPreprocessor):
    """In `nbgrader autograde`: the last step."""

    course = Unicode("", help="the course's folder").tag(config=True)

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        rubrics = _kept(Path(self.course), resources["nbgrader"]["assignment"])
        return with_notices(with_rubrics(nb, rubrics)), resources


class HideRubrics(NbGraderPreprocessor):
    """In `nbgrader generate_feedback`: the first step."""

    def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
        return without_rubrics(nb), resources


@lru_cache(maxsize=32)
def _kept(root: Path, lesson: str) -> dict[str, str]:
    source = load_course(root).source(lesson)
    return rubrics_of(source) if source.is_file() else {}
