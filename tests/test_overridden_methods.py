"""Private methods of other packages that we override: each is listed here, and is still there.

When one vanishes, our override would silently do nothing. The packages have upper bounds in pyproject.toml; raise
one after these tests have passed with the new version.
"""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest
from nbclient.client import NotebookClient
from nbconvert.exporters import HTMLExporter
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades, SaveCells

from tests.conftest import ROOT

OVERRIDDEN = {  # a class of theirs: what a class of ours in grading/ replaces, private and public
    NotebookClient: {
        "_async_poll_kernel_alive", "_async_poll_for_reply", "_async_poll_output_msg", "_update_display_id",
        "process_message",
    },
    HTMLExporter: {"_init_resources", "_preprocess", "markdown2html"},
    AssignLatePenalties: {"init_plugin"}, SaveCells: {"_create_notebook"},
}  # fmt: skip
CALLED = {  # private methods that we call
    SaveCells: {"_create_notebook"}, AssignLatePenalties: {"_check_late_penalty"}, SaveAutoGrades: {"_add_score"},
}  # fmt: skip
BOUNDED = ("nbclient", "nbgrader", "nbconvert")


@pytest.mark.parametrize(
    ("theirs", "name"), [(c, n) for table in (OVERRIDDEN, CALLED) for c, names in table.items() for n in sorted(names)]
)
def test_it_is_still_there(theirs: type, name: str) -> None:
    assert callable(getattr(theirs, name, None)), f"{theirs.__name__} has no {name} any more"


def test_the_list_names_every_private_method_that_we_override() -> None:
    names = {theirs.__name__: methods for theirs, methods in OVERRIDDEN.items()}
    found: dict[str, set[str]] = {name: set() for name in names}
    for path in (ROOT / "grading").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            for base in node.bases:
                theirs = next((one for one in OVERRIDDEN if one.__name__ == ast.unparse(base)), None)
                defined = {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
                if theirs is not None:
                    found[theirs.__name__] |= {n for n in defined if n[:2] != "__" and hasattr(theirs, n)}
    found["AssignLatePenalties"].discard("preprocess")  # public, and documented to be overridden
    assert found == names


@pytest.mark.parametrize("package", BOUNDED)
def test_the_package_has_an_upper_bound(package: str) -> None:
    extras = tomllib.loads(Path(ROOT, "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    (line,) = {entry for entries in extras.values() for entry in entries if entry.startswith(f"{package}>")}
    assert ",<" in line
