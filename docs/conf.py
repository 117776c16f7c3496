"""The documentation as a site, by Sphinx: `make docs` writes it to build/docs and asks the network for nothing."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "ViT Lab"
author = "the ViT Lab contributors"
release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
REPOSITORY = "https://github.com/vit-lab/vit-lab"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["*.py"]
html_theme = "furo"
html_title = f"{project} {release}"
html_theme_options = {"source_repository": REPOSITORY, "source_branch": "main", "source_directory": "docs/"}
html_copy_source = False
html_show_sphinx = False

myst_heading_anchors = 3  # headings have the anchors that GitHub gives them
default_role = "code"  # a name between single backticks in a docstring is code
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "show-inheritance": True, "exclude-members": "model_config"}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
nitpicky = False

_OUT = re.compile(r"(\]\(|(?:href|src)=\")\.\./([^)\s\"]+)")


def _link_to_repository(app: Any, docname: str, source: list[str]) -> None:
    """Links from a page to files outside of the documentation lead to GitHub on the site."""
    if "/" not in docname:  # `../` from a subfolder stays inside
        source[0] = _OUT.sub(lambda found: f"{found[1]}{REPOSITORY}/blob/main/{found[2]}", source[0])


_ENTRY = re.compile(r"(?!Note|Example|Warning)`?\w+`?(, `?\w+`?)*: \S")


def _lists(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Lines such as `seconds: how long it may run`, which stand for attributes or arguments, become a list."""
    if name.rpartition(".")[2] in ("model_config", "model_post_init"):  # pydantic's own
        lines.clear()
    done: list[str] = []
    inside = False
    for line in lines:
        entry = bool(_ENTRY.match(line)) and (inside or not done or not done[-1].strip())
        if entry:
            done += ([] if inside else [""]) + [f"* {line}"]
        else:
            done += [""] if inside and line[:1] not in ("", " ") else []  # the list ends here
            done.append(line)
        inside = entry or (inside and line.startswith(" "))
    lines[:] = done


def setup(app: Any) -> None:
    app.connect("source-read", _link_to_repository)
    app.connect("autodoc-process-docstring", _lists, priority=400)  # before napoleon
