"""The little Markdown of hints and criteria as HTML: `code` in backticks and *emphasis*, and nothing else.

What a student wrote (an error's message, a line of code) is never read as Markdown: `__init__` stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Any

_CODE = re.compile(r"(`[^`\n]+`)")
_BETWEEN_WORDS = re.compile(r"(?<=[\w)\]])\*(?=[\w(\[])|(?<=\s)\*(?=\s)|\*\*")  # a product, no emphasis
_OTHER_MARKS = re.compile(r"([\\_\[\]!#<>~|=&^+-])")
_TAG = '<code style="font-family:ui-monospace,monospace;font-size:.95em">'


def as_html(text: str, plain: Sequence[str] = ()) -> str:
    """One paragraph of HTML, without a tag around it.

    Args:
        text: a hint or a criterion.
        plain: parts of the text that are quoted from the student; they are escaped and shown as code.
    """
    quoted = sorted({part for part in plain if part}, key=len, reverse=True)
    for number, part in enumerate(quoted):
        for found in (f"`{part}`", part):
            text = text.replace(found, f"\0{number}\0")
    pieces = [
        piece if piece.startswith("`") and piece.endswith("`") and len(piece) > 2 else _marked(piece)
        for piece in _CODE.split(text)
    ]
    html = _markdown()("".join(pieces)).strip().removeprefix("<p>").removesuffix("</p>").strip()
    html = html.replace("<code>", _TAG)
    for number, part in enumerate(quoted):
        html = html.replace(f"\0{number}\0", f"{_TAG}{escape(part)}</code>")
    return html


def _marked(text: str) -> str:
    """Text in which Markdown sees emphasis alone."""
    text = _OTHER_MARKS.sub(r"\\\1", text).replace("`", "\\`").replace("\n", " ")
    text = re.sub(r"^(\s*\d+)([.)])", r"\1\\\2", text)
    return _BETWEEN_WORDS.sub(lambda found: "".join("\\" + c for c in found.group()), text)


@lru_cache(maxsize=1)
def _markdown() -> Any:
    """HTML in the text is escaped."""
    import mistune

    return mistune.create_markdown(escape=True)
