"""The script that Jupyter's "Save and Export Notebook As, Executable Script" makes, taken apart into cells again.

nbconvert writes ``# In[3]:`` before a code cell, two blank lines after it, and each line of a text cell behind ``# ``.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

_CELL = re.compile(r"^# In\[[\d ]*\]:[ \t]*$", re.MULTILINE)
_HEAD = re.compile(r"\A(#!.*\n|# coding: .*\n|# -\*- coding.*\n|\s*\n)*")


def is_exported(text: str) -> bool:
    """Whether a script was made from a notebook in this way."""
    return bool(_CELL.search(text))


def cells_of_script(text: str) -> NotebookNode:
    """The notebook from which such a script was made, as far as the script tells."""
    first, *segments = _CELL.split(text)
    cells = [new_markdown_cell(block) for block in _blocks(_HEAD.sub("", first, count=1).split("\n"))]
    for segment in segments:
        code, prose = _apart(segment)
        if code.strip():
            cells.append(new_code_cell(code.strip("\n")))
        cells += [new_markdown_cell(block) for block in prose]
    return new_notebook(cells=cells)


def _apart(segment: str) -> tuple[str, list[str]]:
    """A code cell's source, and the text cells behind it: comments to the segment's end, after two blank lines."""
    lines = segment.split("\n")
    start = len(lines)
    while start > 0 and (not lines[start - 1].strip() or lines[start - 1].startswith("#")):
        start -= 1
    while start < len(lines) and not (start >= 2 and not lines[start - 1].strip() and not lines[start - 2].strip()):
        start += 1
    if not any(line.strip() and not line.startswith("#") for line in lines[:start]):
        return _comment_cell(lines)
    return "\n".join(lines[:start]), _blocks(lines[start:])


def _comment_cell(lines: list[str]) -> tuple[str, list[str]]:
    """A code cell of comments alone ends at the first blank line after them."""
    begin = next((at for at, line in enumerate(lines) if line.strip()), len(lines))
    end = next((at for at in range(begin, len(lines)) if not lines[at].strip()), len(lines))
    return "\n".join(lines[:end]), _blocks(lines[end:])


def _blocks(lines: list[str]) -> list[str]:
    """Text cells: runs of comment lines, without the sign before each."""
    found: list[list[str]] = [[]]
    for line in lines:
        if not line.strip():
            found.append([])
        else:
            found[-1].append(line.removeprefix("#").removeprefix(" "))
    return ["\n".join(block) for block in found if any(line.strip() for line in block)]
