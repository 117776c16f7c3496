"""The glossary page, `notebooks/glossary.ipynb`: each term of `solutions/glossary.toml`, with its lesson."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from grading.course import Course, CourseError


@dataclass(frozen=True)
class Term:
    """A term with the number of the lesson that defines it ("05") and its definition in one sentence."""

    term: str
    lesson: str
    says: str


def glossary_file(course: Course) -> Path:
    return course.root / "solutions" / "glossary.toml"


def glossary_page(course: Course) -> Path:
    return course.start_page.with_name("glossary.ipynb")


def read_glossary(course: Course) -> list[Term]:
    """The terms in alphabetical order, those of lessons that the course doesn't hold left out; empty without a file.

    Raises:
        CourseError: the file isn't as described at its top.
    """
    path = glossary_file(course)
    if not path.is_file():
        return []
    held = {lesson.id.partition("_")[0] for lesson in course.lessons}
    try:
        rows = tomllib.loads(path.read_text("utf-8"))["terms"].items()
        terms = [Term(term, lesson, says) for term, (lesson, says) in rows]
    except (tomllib.TOMLDecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise CourseError(
            f'{path}: expected lines "term" = ["05", "definition"] under [terms], found: {error}'
        ) from None
    return sorted((one for one in terms if one.lesson in held), key=lambda one: one.term.casefold())


def glossary_notebook(course: Course) -> NotebookNode:
    """One table with a link to each lesson."""
    paths = {lesson.id.partition("_")[0]: f"{lesson.id}/{lesson.id}.ipynb" for lesson in course.lessons}
    rows = [f"| **{one.term}** | {one.says} | [{one.lesson}]({paths[one.lesson]}) |" for one in read_glossary(course)]
    text = "\n".join(["# Glossary", "", "| term | meaning | defined in lesson |", "|---|---|---|", *rows])
    notebook = new_notebook(cells=[new_markdown_cell(text, id="glossary")])
    notebook.metadata = NotebookNode(
        kernelspec={"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def write_glossary(course: Course) -> None:
    """Write the page; a course without a glossary has none."""
    if read_glossary(course):
        glossary_page(course).parent.mkdir(parents=True, exist_ok=True)
        glossary_page(course).write_text(nbformat.writes(glossary_notebook(course)) + "\n", "utf-8")


def glossary_drift(course: Course) -> list[str]:
    """Empty when the page is what the data file says."""
    path = glossary_page(course)
    wanted = nbformat.writes(glossary_notebook(course)) + "\n" if read_glossary(course) else None
    found = path.read_text("utf-8") if path.is_file() else None
    return [] if found == wanted else [f"{path.relative_to(course.root)} differs from {glossary_file(course).name}"]
