"""The page on which JupyterLab opens, `notebooks/start_here.ipynb`: the course map, with what is done after one Run.

It is drawn with nothing done, so that it shows itself before any kernel runs.
"""

from __future__ import annotations

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from grading.course import Course
from grading.lesson_builder.course_map import course_map_entries
from grading.lesson_builder.glossary import read_glossary
from grading.lesson_builder.notebook import without_outputs
from helpers.course_map import Progress, course_map

_TEXT = """\
# {title}

{lessons}, about {hours} hours. Click one below to open it.

- A blank is written `___`. Fill it, then run its cell and the check below it with Shift+Enter.
- The card says what is right and what is not, and has a hint for the mistake you made.
- To hand a lesson in: `submit("{first}")` in the last cell, or `python -m helpers submit {first}` in a terminal.
- When a check is green, `show_answer("Q1")` shows the course's answer and other right ones."""

_MAP = """\
# Run me (Shift+Enter) to see what you have done so far.
import sys

sys.path.insert(0, "..")  # the course's helpers lie beside this folder
from helpers import progress, submit

progress()"""

_HAND_IN = """\
# submit("{first}")  # says what is still blank and makes the file to hand in"""


def start_page(course: Course) -> NotebookNode:
    """The notebook."""
    entries = course_map_entries(course)
    first = course.lessons[0].id.partition("_")[0]
    minutes = sum(lesson.minutes for lesson in course.lessons)
    count = len(course.lessons)
    terms = len(read_glossary(course))
    text = _TEXT.format(
        title=course.course.title, lessons=f"{count} lessons" if count > 1 else "One lesson",
        hours=max(1, round(minutes / 60)), first=first,
    )  # fmt: skip
    if terms:
        text += f"\n- [Glossary](glossary.ipynb): {terms} terms, each with the lesson that defines it."
    untouched = Progress(course_map(entries, {}, course.root / "notebooks"), kept_in="")
    shown = new_output(
        "execute_result", execution_count=None,
        data={"text/plain": repr(untouched), "text/html": untouched._repr_html_()},
    )  # fmt: skip
    notebook = new_notebook(
        cells=[
            new_markdown_cell(text, id="welcome"),
            new_code_cell(_MAP, id="map", outputs=[shown]),
            new_code_cell(_HAND_IN.format(first=first), id="hand-in"),
        ]
    )
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def write_start_page(course: Course) -> None:
    path = course.start_page
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(start_page(course)) + "\n", "utf-8")


def start_page_drift(course: Course) -> list[str]:
    """Empty when the page is what course.toml says, outputs aside: it may have been run."""
    path = course.start_page
    if not path.is_file():
        return [f"{path.relative_to(course.root)} is missing"]
    same = without_outputs(nbformat.read(path, as_version=4)) == without_outputs(start_page(course))
    return [] if same else [f"{path.relative_to(course.root)} differs from course.toml"]
