"""The first code cell of every notebook, and the way to Colab."""

from __future__ import annotations

from grading.course import Settings

_CELL = """\
# @title Setup: run this cell first (Shift+Enter); it finds the course, or installs it on Colab
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = os.environ.get("VITLAB_REPOSITORY", "https://github.com/{repository}")
REF = os.environ.get("VITLAB_REF", "{ref}")

for folder in (Path.cwd(), *Path.cwd().parents):  # the repository, or the bundle you unzipped
    if (folder / "helpers" / "checks" / "__init__.py").is_file():
        sys.path.insert(0, str(folder))
        break
else:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    if importlib.util.find_spec("helpers") is None:
        subprocess.run([*pip, f"git+{{REPOSITORY}}@{{REF}}"], check=True)
    # Only what is missing: a torch that is already here is never touched.
    missing = [p for p in ("einops", "safetensors") if importlib.util.find_spec(p) is None]
    if missing:
        subprocess.run([*pip, *missing], check=True)
    importlib.invalidate_caches()

import helpers  # turns each ___ into a message that names its line"""


def bootstrap_cell(settings: Settings) -> str:
    """Source of the first code cell: works in the repository, in the bundle and on Colab."""
    return _CELL.format(repository=settings.repository, ref=settings.ref)


def badge(settings: Settings, path: str) -> str:
    """Markdown badge for the README that opens `path`, relative to the repository, on Colab at the pinned ref."""
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({_colab(settings, path)})"


def with_colab_link(source: str, settings: Settings, path: str) -> str:
    """Text in which `{{badge}}`, at the end of the title, has become a link of its own below it.

    A link and no picture: opening a lesson asks nobody on the internet for anything.
    """
    return source.replace(" {{badge}}", f"\n\n[Open in Colab]({_colab(settings, path)})")


def _colab(settings: Settings, path: str) -> str:
    return f"https://colab.research.google.com/github/{settings.repository}/blob/{settings.ref}/{path}"
