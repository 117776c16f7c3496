"""Private parts of other packages that we override, call or read: each is listed here, and is still there.

When one vanishes, our override would silently do nothing. The packages have upper bounds in pyproject.toml; raise
one after these tests have passed with the new version.
"""

from __future__ import annotations

import ast
import importlib
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel
from nbclient.client import NotebookClient
from nbconvert.exporters import Exporter, HTMLExporter, TemplateExporter
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades, SaveCells
from traitlets import HasTraits

from tests.conftest import ROOT

OVERRIDDEN: dict[type, set[str]] = {  # a class of theirs: the private methods that a class of ours replaces
    NotebookClient: {
        "_async_poll_kernel_alive",
        "_async_poll_for_reply",
        "_async_poll_output_msg",
        "_update_display_id",
    },
    HTMLExporter: {"_init_resources"},
    TemplateExporter: {"_init_resources"},
    Exporter: {"_init_resources", "_preprocess"},
    Kernel: {"_supports_kernel_subshells"},
    SaveAutoGrades: {"_add_score"},
    SaveCells: {"_create_notebook"},
}
PUBLIC: dict[type, set[str]] = {  # public ones on whose exact place in the run we rely
    NotebookClient: {"process_message"},
    HTMLExporter: {"markdown2html"},
    AssignLatePenalties: {"init_plugin"},
    IPKernelApp: {"init_sockets", "init_iopub", "init_kernel", "init_shell"},
}
USED: dict[object, set[str]] = {  # private parts that we call or read
    NotebookClient: {"_display_id_map"},
    IPKernelApp: {"_bind_socket"},
    Kernel: {"_topic"},
    HasTraits: {"_trait_values"},
    AssignLatePenalties: {"_check_late_penalty"},
    torch: {"_C"},
    torch._C: {"_jit_get_schemas_for_operator"},
}
ON_INSTANCES = {"_display_id_map", "_trait_values"}  # set when an object is made
DOCUMENTED = {"_exit", "_fields"}  # of the standard library, public in spite of the underscore
BOUNDED = ("nbclient", "nbgrader", "nbconvert", "ipykernel", "traitlets")
FOLDERS = ("grading", "helpers")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "course_template" not in path.parts:
                yield path, ast.parse(path.read_text("utf-8"))


def ours_over_theirs() -> dict[type, set[str]]:
    """Class of another package to the private names of it that a class of ours defines again."""
    found: dict[type, set[str]] = {}
    for path, tree in modules():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.bases]
        if not classes or path.name in ("nested.py", "__main__.py"):  # programs: importing them runs them
            continue
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for node in classes:
            written = {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
            written |= {
                target.id
                for one in node.body
                if isinstance(one, ast.Assign)
                for target in one.targets
                if isinstance(target, ast.Name)
            }
            for base in getattr(module, node.name).__mro__[1:]:
                package = base.__module__.partition(".")[0]
                if package in FOLDERS or package in sys.stdlib_module_names:
                    continue
                again = {name for name in written if is_private(name) and name in vars(base)}
                if again:
                    found.setdefault(base, set()).update(again)
    return found


def private_names_used() -> set[str]:
    """Private attributes that we read or call and that nothing of ours defines."""
    ours: set[str] = set(DOCUMENTED)
    used: set[str] = set()
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                ours.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                ours.add(node.id)
            elif isinstance(node, ast.Attribute) and is_private(node.attr):
                (ours if isinstance(node.ctx, ast.Store) else used).add(node.attr)
    return used - ours


@pytest.mark.parametrize(
    ("theirs", "name"),
    [
        pytest.param(owner, name, id=f"{getattr(owner, '__name__', owner)}-{name}")
        for table in (OVERRIDDEN, PUBLIC, USED)
        for owner, names in table.items()
        for name in sorted(names - ON_INSTANCES)
    ],
)
def test_it_is_still_there(theirs: object, name: str) -> None:
    assert hasattr(theirs, name), f"{theirs} has no {name} any more"


def test_what_is_set_on_instances_is_still_there() -> None:
    import nbformat

    client = NotebookClient(nbformat.v4.new_notebook())
    client.reset_execution_trackers()
    assert isinstance(client._display_id_map, dict)
    assert isinstance(client._trait_values, dict)


def test_the_list_names_every_private_method_that_we_override() -> None:
    assert ours_over_theirs() == OVERRIDDEN


def test_the_list_names_every_private_part_that_we_use() -> None:
    assert private_names_used() == set().union(*USED.values())


@pytest.mark.parametrize("package", BOUNDED)
def test_the_package_has_an_upper_bound(package: str) -> None:
    extras = tomllib.loads(Path(ROOT, "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    (line,) = {entry for entries in extras.values() for entry in entries if entry.startswith(f"{package}>")}
    assert ",<" in line
