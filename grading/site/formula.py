"""LaTeX formulas as MathML, which browsers draw by themselves: no script, no fonts to fetch."""

from __future__ import annotations

import re
from html import escape

from latex2mathml.converter import convert

# Spelled otherwise than latex2mathml knows them.
_SPELLING = (
    (re.compile(r"\\tfrac(\d)(\w)"), r"\\tfrac{\1}{\2}"),
    (re.compile(r"\\(?:big|Big|bigg|Bigg)(?![a-zA-Z])"), ""),
)


class FormulaError(ValueError):
    """A formula that can't be written as MathML."""


def mathml(latex: str, *, display: bool) -> str:
    """A <math> element that keeps the LaTeX as its annotation's text for those who read it aloud or copy it.

    Raises:
        FormulaError: it doesn't parse, or holds a command that isn't known.
    """
    text = latex.strip()
    for pattern, by in _SPELLING:
        text = pattern.sub(by, text)
    try:
        made = convert(text, display="block" if display else "inline")
    except Exception as error:
        raise FormulaError(f"{latex!r} is no formula that can be drawn: {type(error).__name__}: {error}") from None
    if unknown := re.search(r"<m[a-z]+[^>]*>\\[a-zA-Z]+<", made):
        raise FormulaError(f"{latex!r} holds a command that can't be drawn: {unknown[0]}")
    return made.replace("<math ", f'<math aria-label="{escape(latex.strip(), quote=True)}" ', 1)
