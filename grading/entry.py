"""The entry point of `vitlab`: one sentence says what is missing where only the student's side is installed."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; a package that is not installed ends it with a sentence and exit status 1."""
    try:
        from grading.cli import main as run

        run()
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in ("grading", "helpers"):
            raise
        sys.exit(
            f"vitlab: this Python, {sys.executable}, has no {error.name}, which the instructor's commands need: "
            "pip install 'vit-lab[instructor]'. Students need no vitlab: python -m helpers lab"
        )
