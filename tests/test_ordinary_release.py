"""What students get of an ordinary nbgrader assignment: exactly what stock nbgrader gives them, and no solution."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from nbgrader.converters import GenerateAssignment
from nbgrader.coursedir import CourseDirectory
from traitlets.config import Config

from grading.nbgrader_plugin.config import configure
from tests.nbgrader_notebooks import answer, autograder_tests, code, manual, notebook, read_only, task, text

SQUARES = """def squares(n):
    ### BEGIN SOLUTION
    return [i * i for i in range(1, n + 1)]
    ### END SOLUTION"""
SQUARES_TESTS = """assert squares(1) == [1]
### BEGIN HIDDEN TESTS
assert squares(2) == [1, 4]
### END HIDDEN TESTS"""
EVERY_KIND = notebook(
    text("# Squares"),
    code("import math"),
    read_only("given", "START = 3"),
    answer("squares", SQUARES),
    answer("whole", "SECRET_WHOLE = 42"),
    autograder_tests("t1", 2, SQUARES_TESTS),
    manual("why", 3, "SECRET because of the identity."),
    task("plot", 4, "Plot it.\n\n=== BEGIN MARK SCHEME ===\nSECRET: one point per axis.\n=== END MARK SCHEME ==="),
)
GIVEN_AWAY = ("BEGIN SOLUTION", "i * i", "SECRET", "HIDDEN TESTS", "squares(2)", "MARK SCHEME")


def released(root: Path, config: Config, source: NotebookNode) -> NotebookNode:
    """What `nbgrader generate_assignment ps1` makes of a notebook, by the converter that the command runs."""
    for folder in ("source", "solutions"):
        (root / folder / "ps1").mkdir(parents=True)
        nbformat.write(source, root / folder / "ps1" / "problem1.ipynb")
    config.GenerateAssignment.no_database = True  # which takes seconds to make, and says nothing here
    config.SaveCells.enabled = False
    directory = CourseDirectory(config=config)
    directory.assignment_id = "ps1"
    GenerateAssignment(coursedir=directory, config=config).start()
    return nbformat.read(Path(directory.format_path(directory.release_directory, ".", "ps1")) / "problem1.ipynb", 4)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> NotebookNode:
    root = tmp_path_factory.mktemp("ours")
    return released(root, configure(Config(), root, root / "data"), EVERY_KIND)


def test_no_solution_hidden_test_or_mark_scheme_reaches_a_student(ours: NotebookNode) -> None:
    given = nbformat.writes(ours)
    assert [secret for secret in GIVEN_AWAY if secret in given] == []


def test_it_is_stripped_as_stock_strips_it(ours: NotebookNode, tmp_path: Path) -> None:
    config = Config()
    config.CourseDirectory.root = str(tmp_path)
    assert ours == released(tmp_path, config, EVERY_KIND)


def test_an_instructors_stub_is_used(tmp_path: Path) -> None:
    config = configure(Config(), tmp_path, tmp_path / "data")
    config.ClearSolutions.code_stub = {"python": "..."}
    assert released(tmp_path, config, EVERY_KIND).cells[4].source == "..."


def test_a_solution_pasted_into_a_copy_of_a_built_lesson_is_stripped_too(tmp_path: Path) -> None:
    """Such a notebook says that it is a built lesson; what it holds decides."""
    mixed = nbformat.from_dict(EVERY_KIND)
    mixed.metadata["vitlab"] = {"lesson": "ps1"}
    mixed.cells[1].metadata["vitlab"] = {"role": "setup"}
    given = nbformat.writes(released(tmp_path, configure(Config(), tmp_path, tmp_path / "data"), mixed))
    assert [secret for secret in GIVEN_AWAY if secret in given] == []
