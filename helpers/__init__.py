"""What a student's notebook imports: checks, data, pictures. Nothing in here answers a question."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

try:
    from helpers.checks import check, ready
except ModuleNotFoundError as error:
    if (error.name or "helpers").startswith("helpers"):
        raise
    raise ModuleNotFoundError(
        f"This Python, {sys.executable}, has no {error.name}, which the course needs. Activate the course's "
        "environment, or choose it as the notebook's kernel; README says how to make it.",
        name=error.name,
    ) from None
from helpers.checks.blanks import install as _install_blanks
from helpers.checks.blanks import written
from helpers.checks.show_answer import show_answer
from helpers.checks.undefined_names import install as _install_undefined_names
from helpers.torchvision_ops import install as _install_torchvision

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.course_map import Progress
    from helpers.portfolio import HandIn

__all__ = ["check", "progress", "ready", "show_answer", "submit", "written"]

_install_blanks()
_install_undefined_names()
_install_torchvision()
if "google.colab" in sys.modules:
    from helpers.portfolio.colab import tell_where_work_goes

    tell_where_work_goes()


def progress() -> Progress:
    """The course map: every lesson with its questions, and which of them are done, over all notebooks so far."""
    from helpers.course_map import progress as course_map

    return course_map()


def submit(lesson: str, notebook: str | Path | None = None) -> HandIn:
    """Look a lesson's notebook through, say what is still blank, and make the file to hand in."""
    from helpers.portfolio import submit as hand_in

    return hand_in(lesson, notebook)
