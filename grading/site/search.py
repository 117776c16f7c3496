"""The search's index: which sections hold a word. A script, since a page opened from a disk may read no other file."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from grading.site.render import Section

TITLE = 12  # a word of a heading weighs as much as so many in the text
SNIPPET = 150
_WORD = re.compile(r"[a-z0-9_]{2,}")


def words_of(text: str) -> list[str]:
    """Lower case, without accents; as `site.js` takes a query apart."""
    flat = unicodedata.normalize("NFKD", text.lower())
    return _WORD.findall("".join(c for c in flat if not unicodedata.combining(c)))


def search_index(pages: Sequence[tuple[str, Sequence[Section]]]) -> str:
    """``searchIndex``: sections as [page, anchor, lesson, heading, beginning], words as [section, weight, …]."""
    sections: list[list[str]] = []
    words: dict[str, list[int]] = {}
    for href, found in pages:
        lesson = found[0].title if found else href
        for section in found:
            text = " ".join(section.words.split())
            number = len(sections)
            title = "" if section.title == lesson else section.title
            sections.append([href, section.anchor, lesson, title, _beginning(text)])
            counts = Counter(words_of(text))
            for word in words_of(section.title):
                counts[word] += TITLE
            for word, count in counts.items():
                words.setdefault(word, []).extend((number, count))
    index = {"sections": sections, "words": dict(sorted(words.items()))}
    text = json.dumps(index, ensure_ascii=False, separators=(",", ":"))
    return f"const searchIndex = {text};\n"


def _beginning(text: str) -> str:
    return text if len(text) <= SNIPPET else text[:SNIPPET].rsplit(" ", 1)[0] + " …"
