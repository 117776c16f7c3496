"""Every link of the pages leads somewhere, and nothing but links leads out."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

_FETCHED = {"src", "srcset", "poster", "data"}


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.twice: list[str] = []
        self.links: list[tuple[str, str]] = []  # attribute or tag, target
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if name := found.get("id"):
            if name in self.ids:
                self.twice.append(name)
            self.ids.add(name)
        for key, value in found.items():
            if key in _FETCHED or (key == "href" and tag == "link"):
                self.links.append(("fetched", value))
            elif key == "href":
                self.links.append(("link", value))


def broken_links(folder: Path) -> list[str]:
    """One sentence for each link that leads nowhere, id given twice, and thing to be fetched from elsewhere."""
    pages = {path: _Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}
    problems = []
    for path, page in pages.items():
        here = path.relative_to(folder)
        problems += [f"{here}: the id {name!r} is given twice" for name in page.twice]
        for kind, target in page.links:
            parts = urlsplit(target)
            if parts.scheme == "data":
                continue
            if parts.scheme or parts.netloc:
                if kind == "fetched":
                    problems.append(f"{here}: {target[:120]} would be fetched from elsewhere")
                continue
            other = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not other.is_file():
                problems.append(f"{here}: {target[:120]} leads to no file")
            elif parts.fragment and other in pages and unquote(parts.fragment) not in pages[other].ids:
                problems.append(f"{here}: {target[:120]} leads to no place in the page")
    return problems
