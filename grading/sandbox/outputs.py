"""Makes what a kernel sent fit to be saved: an output is anything until it has been checked."""

from __future__ import annotations

import json
from typing import Any

from nbformat import NotebookNode, ValidationError, from_dict, validate
from nbformat.v4 import new_output


def fit_to_save(outputs: list[Any]) -> tuple[list[NotebookNode], int]:
    """The outputs that are valid notebook format and valid Unicode, and how many had to be left out."""
    kept = []
    for output in outputs:
        try:
            # lone surrogates are valid JSON escapes, but no file can hold them
            text = json.dumps(output, ensure_ascii=False).encode("utf-8", "replace").decode()
            output = from_dict(json.loads(text))
            validate(output, ref="output", version=4)
        except (ValidationError, ValueError, TypeError, RecursionError):
            continue
        kept.append(output)
    return kept, len(outputs) - len(kept)


def note(message: str) -> NotebookNode:
    """An error output that tells the reader of the notebook why a cell was stopped."""
    return new_output("error", ename="Stopped", evalue=message, traceback=[f"Stopped: {message}"])
