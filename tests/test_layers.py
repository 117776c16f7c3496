"""No import circle: not between modules, and not between the packages that these modules lie in.

Read from the source files, so that an import inside a function counts as well. Imports under `TYPE_CHECKING` don't.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.conftest import ROOT

# What a notebook calls stands above the questions that it looks up; the toolkit it lies beside stands below them.
FACADES = {"helpers", "helpers.checks.check", "helpers.checks.show_answer", "helpers.checks.undefined_names"}


def modules(root: Path) -> dict[str, Path]:
    """Every module of `helpers` and `grading` by its dotted name."""
    found = {}
    for top in ("helpers", "grading"):
        for path in (root / top).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(root: Path) -> dict[str, set[str]]:
    """Module to the modules of ours that it imports, anywhere in the file."""
    known = modules(root)
    return {name: {m for m in _imported(path, known) if m != name} for name, path in known.items()}


def _imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name, not a relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in known:
                name = name.rpartition(".")[0]
            if name:
                yield name


def package(name: str) -> str:
    """The package that a module lies in; a module beside the packages stands for itself."""
    parts = name.split(".")
    return ".".join(parts[:2]) if (ROOT.joinpath(*parts[:2])).is_dir() else name


def by_package(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    """The same between packages; a facade counts as a package of its own, above the one it lies in."""
    grouped: dict[str, set[str]] = {}
    for name, targets in graph.items():
        here = f"{name} (facade)" if name in FACADES else package(name)
        others = {target for target in targets if package(target) != package(name)}
        grouped.setdefault(here, set()).update(t if t in FACADES else package(t) for t in others)
    return grouped


def circle(graph: dict[str, set[str]]) -> str:
    """One circle, its members in order; "" when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return " <- ".join(error.args[1])
    return ""


def test_no_two_modules_import_each_other() -> None:
    assert circle(imports(ROOT)) == ""


def test_no_two_packages_import_each_other() -> None:
    assert circle(by_package(imports(ROOT))) == ""


def test_helpers_never_import_grading() -> None:
    """Students have the helpers alone."""
    ours = {name: targets for name, targets in imports(ROOT).items() if name.split(".")[0] == "helpers"}
    assert [(name, t) for name, targets in ours.items() for t in targets if t.split(".")[0] == "grading"] == []


def test_nbgrader_is_imported_in_its_adapter_alone() -> None:
    """The exceptions read something of nbgrader's, and say here what."""
    allowed = {
        "grading/engine/lesson_context.py": "what a written answer is worth before a person has read it",
        "grading/engine/feedback.py": "the settings of a feedback page",
        "grading/intake/find_submissions.py": "the time in timestamp.txt",
    }
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "grading").rglob("*.py")
        if "nbgrader_plugin" not in path.parts
        and any(
            isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "nbgrader"
            for node in ast.walk(ast.parse(path.read_text("utf-8")))
        )
    }
    assert found - allowed.keys() == set()


@pytest.mark.parametrize("lazily", [False, True])
def test_a_circle_is_found_and_named(tmp_path: Path, lazily: bool) -> None:
    (tmp_path / "helpers").mkdir()
    (tmp_path / "grading").mkdir()
    (tmp_path / "helpers" / "one.py").write_text("from helpers.two import b\n")
    inside = "def b():\n    import helpers.one\n" if lazily else "import helpers.one\n"
    (tmp_path / "helpers" / "two.py").write_text(inside)
    assert "helpers.one" in circle(imports(tmp_path))
    assert "helpers.two" in circle(imports(tmp_path))
