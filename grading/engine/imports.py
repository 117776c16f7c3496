"""Which files of `helpers`, and of a course's own questions, a lesson imports, directly or through others.

Found by reading the import statements, those inside of functions included; nothing is imported or run.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from helpers.checks.parsing import parse

_STATEMENT = re.compile(r"^\s*(?:from|import)\s+([\w.]+)", re.MULTILINE)


def imported_files(texts: Iterable[str], modules: Iterable[str], packages: Mapping[str, Path]) -> list[Path]:
    """The files behind what `texts` import and behind `modules`, with everything those import in turn.

    Args:
        texts: Python source; what can't be parsed (a cell with a magic) is searched line by line.
        modules: dotted names to begin with besides, for instance ``"helpers"``.
        packages: top-level package to its folder; other packages are passed over.

    Returns:
        sorted paths: Python files, and the data files (JSON, TOML) that lie beside a package's `__init__.py`.
    """
    wanted = [*modules, *(name for text in texts for name in _names_in(text, ""))]
    found: dict[str, Path | None] = {}
    while wanted:
        name = wanted.pop()
        for module in _with_parents(name):
            if module in found or module.partition(".")[0] not in packages:
                continue
            found[module] = path = _file_of(module, packages)
            if path is not None:
                wanted.extend(_imports_of(path, module, path.stat().st_mtime_ns))
    files = {path for path in found.values() if path is not None}
    return sorted(files | {data for path in files if path.name == "__init__.py" for data in _data_beside(path)})


def _with_parents(name: str) -> Iterator[str]:
    """``a``, ``a.b``, ``a.b.c``: importing a module runs the packages that it lies in."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        yield ".".join(parts[:length])


def _file_of(module: str, packages: Mapping[str, Path]) -> Path | None:
    """The module's file; None for a name that is no module, such as a function imported from one."""
    top, *rest = module.split(".")
    place = packages[top].joinpath(*rest)
    for path in (place / "__init__.py", place.with_suffix(".py")):
        if rest and path.is_file():
            return path
    return place / "__init__.py" if not rest and (place / "__init__.py").is_file() else None


@lru_cache(maxsize=1024)
def _imports_of(path: Path, module: str, _changed: int) -> tuple[str, ...]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return tuple(_names_in(path.read_text("utf-8", "replace"), package))


def _names_in(text: str, package: str) -> Iterator[str]:
    """Dotted names that are imported, each as far as it may be a module."""
    try:
        tree = parse(text)
    except (SyntaxError, ValueError):
        yield from _STATEMENT.findall(text)
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _data_beside(init: Path) -> Iterator[Path]:
    """What a package may read; the list of lessons is left out, since it names all lessons and decides no score."""
    for path in init.parent.iterdir():
        if path.suffix in (".json", ".toml") and path.name != "lessons.toml" and path.is_file():
            yield path
