"""Matplotlib's list of fonts, made once on the host so that no kernel has to search for fonts again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def matplotlib_cache() -> Path | None:
    """The folder with `fontlist-*.json`, made on first use under the user's cache folder.

    None where Matplotlib is not installed or the list cannot be made or kept; a kernel then makes its own,
    which is slower and nothing worse. Never written from inside a sandbox.
    """
    try:
        name = f"matplotlib-{version('matplotlib')}-{hashlib.sha256(sys.prefix.encode()).hexdigest()[:12]}"
    except PackageNotFoundError:
        return None
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = home / "vitlab" / name
        if any(folder.glob("fontlist-*.json")):
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder.parent) as scratch:
            # HOME is empty: fonts of the user's own would be listed and then be missing in the sandbox
            subprocess.run(
                [sys.executable, "-I", "-c", "import matplotlib.font_manager"],
                env={"MPLCONFIGDIR": scratch, "HOME": scratch, "PATH": os.defpath},
                check=True,
                capture_output=True,
                timeout=120,
            )
            folder.mkdir(mode=0o755, exist_ok=True)
            for made in Path(scratch).glob("fontlist-*.json"):
                made.chmod(0o644)
                made.replace(folder / made.name)
    except (OSError, RuntimeError, subprocess.SubprocessError):
        return None
    return folder if any(folder.glob("fontlist-*.json")) else None
