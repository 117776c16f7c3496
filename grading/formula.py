"""LaTeX formulas as MathML, which browsers draw by themselves: no script, no fonts to fetch."""

from __future__ import annotations

import re
from html import escape

from latex2mathml.converter import convert

# A negative space by a name that MathML Core no longer knows.
_SQUEEZED = 'width="negativethinmathspace"'


class FormulaError(ValueError):
    """A formula that can't be written as MathML."""


def mathml(latex: str, *, display: bool) -> str:
    """A <math> element, with the LaTeX as its label.

    Raises:
        FormulaError: it doesn't parse, or holds a command that isn't known.
    """
    if len(re.findall(r"(?<!\\)\{", latex)) != len(re.findall(r"(?<!\\)\}", latex)):
        raise FormulaError(f"{latex!r} is no formula that can be drawn: its braces don't match")
    try:
        made = convert(latex.strip(), display="block" if display else "inline")
    except Exception as error:
        raise FormulaError(f"{latex!r} is no formula that can be drawn: {type(error).__name__}: {error}") from None
    if unknown := re.search(r"<m[a-z]+[^>]*>\\[a-zA-Z]+<", made):
        raise FormulaError(f"{latex!r} holds a command that can't be drawn: {unknown[0]}")
    made = made.replace(_SQUEEZED, 'width="-0.167em"')
    return made.replace("<math ", f'<math aria-label="{escape(latex.strip(), quote=True)}" ', 1)
