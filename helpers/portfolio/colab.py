"""What a student on Colab has to know: its machine is deleted with everything on it when the page is closed."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from helpers.portfolio import progress_store
from helpers.portfolio.folder import DRIVE, NAME, folder

_LOST = """\
You are on Colab: this machine, with all its files, is deleted some time after you leave the page.
· Keep this notebook: File, Save a copy in Drive. Opened from GitHub it is saved nowhere.
· Keep your answers for later lessons, each of which gets a machine of its own: run this before your first check.
      from google.colab import drive; drive.mount("/content/drive")
· Hand in: File, Download, Download .ipynb."""
_KEPT = (
    "You are on Colab: answers for later lessons are kept in Drive, {work}. Hand in: File, Download, Download .ipynb."
)


def on_colab() -> bool:
    return "google.colab" in sys.modules


def tell_where_work_goes() -> None:
    """Print it, unless nothing is kept: a class is being graded, or VITLAB_WORK says where."""
    work = folder()
    if work is not None and not os.environ.get("VITLAB_WORK"):
        print(_KEPT.format(work=work) if work.is_relative_to(DRIVE) else _LOST)


def bring_along(work: Path) -> None:
    """When Drive was mounted after the first checks: what was kept on the machine goes there, too.

    Of a question that Drive knows already the better score stays, and the answer that passed last.

    Raises:
        OSError: it can't be read or written.
    """
    before = Path.cwd() / NAME
    if not work.is_relative_to(DRIVE) or before == work or not before.is_dir():
        return
    known = progress_store.read(work)
    for question, entry in progress_store.read(before).items():
        if question in known:
            progress_store.add(work, question, entry.score, entry.points)
    for path in [p for p in before.rglob("*") if p.is_file()]:
        target = work / path.relative_to(before)
        if target.parent.name != "progress" or not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shutil.rmtree(before)
