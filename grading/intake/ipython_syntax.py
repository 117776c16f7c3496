"""A cell as the Python that IPython makes of it: `%magic`, `!shell`, `name?`, prompts and a pasted indent translated.

IPython's own translation is used, so that what is read here is what the kernel runs. It reads the whole cell again for
each line that it translates; cells for which that would take seconds are left as they are.
"""

from __future__ import annotations

import ast
import re

from helpers.checks.parsing import one_at_a_time

PYTHON_MAGICS = ("time", "capture", "prun", "debug")  # cell magics after which names stay bound
_CELL_MAGIC = re.compile(r"\s*%%(\w*)")
_SPECIAL = re.compile(r"^\s*(?:[%!?/,;]|\w[\w.,\s]*=\s*[%!])|\?\s*$", re.MULTILINE)
_TIMED = re.compile(r"(\s*)get_ipython\(\)\.run_line_magic\('time', (.+)\)$")  # `%time x = f()` binds x
_MOST_READ = 200_000  # characters, counted once for each line to translate: about three seconds


def is_foreign(source: str) -> bool:
    """Whether the whole cell is another language or a file: `%%bash`, `%%writefile model.py`, `%%timeit`."""
    magic = _CELL_MAGIC.match(source)
    return bool(magic and magic[1] not in PYTHON_MAGICS)


def as_python(source: str) -> str:
    """The cell's Python, line for line; `source` itself where it can't be translated. Never raises.

    A cell magic after which names stay bound (`%%time`) is left out, and `%time x = f()` becomes `x = f()`. A shell
    line that goes on in the next with a backslash becomes one line.
    """
    lines = source.split("\n")
    first = 0
    while first < len(lines) and (not lines[first].strip() or _CELL_MAGIC.match(lines[first])):
        if is_foreign(lines[first]):
            return source
        lines[first] = ""
        first += 1
    body = "\n".join(lines[first:])
    if len(body) * (1 + len(_SPECIAL.findall(body))) > _MOST_READ:
        return source
    from IPython.core.inputtransformer2 import TransformerManager  # half a second, and most cells are plain Python

    try:
        text = one_at_a_time(lambda: TransformerManager().transform_cell(body))  # it parses, too
    except Exception:  # a cell can hold anything, and IPython promises nothing about it
        return source
    if not body.endswith("\n"):
        text = text.removesuffix("\n")
    return "\n" * first + "\n".join(map(_without_timing, text.split("\n")))


def _without_timing(line: str) -> str:
    timed = _TIMED.match(line)
    if timed is None:
        return line
    try:
        statement = ast.literal_eval(timed[2])
    except (SyntaxError, ValueError):
        return line
    return timed[1] + (statement or "pass")
