"""Code that is not the subject is shown folded, with one line that says what it does and whether to read it.

JupyterLab and VS Code hide the source of a cell with ``jupyter.source_hidden`` and show its first line; Colab shows
the ``@title`` of a cell whose ``cellView`` is "form". Both are metadata, which every editor keeps when it saves.
"""

from __future__ import annotations

from typing import Any

METADATA: dict[str, Any] = {"jupyter": {"source_hidden": True}, "cellView": "form"}
_ADVICE = {"read": "worth reading", "skip": "not needed to go on"}


def folded_source(source: str, fold: str) -> str:
    """The source under its visible line: the cell's own first comment, after "Show code"."""
    first, _, rest = source.partition("\n")
    says = first[1:].strip().rstrip(".") if first.startswith("#") else ""
    body = rest.lstrip("\n") if says else source
    title = f"Show code: {says} ({_ADVICE[fold]})" if says else f"Show code ({_ADVICE[fold]})"
    return f"# @title {title}\n{body}"
