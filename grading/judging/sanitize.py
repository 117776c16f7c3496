"""Takes active content out of what a student wrote or printed, before a teacher's browser shows it.

And what would take a parser of markup or a highlighter of code hours: their time grows with the square of what is
nested, and worse.
"""

from __future__ import annotations

import html
import re

import nh3
from nbformat import NotebookNode

from grading.judging.cells_to_run import role_of

# Plain text and bitmaps: nothing that a browser would run.
KEPT = ("text/plain", "image/png", "image/jpeg")
TAGS = {"a", "abbr", "b", "blockquote", "br", "code", "dd", "details", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4",
        "h5", "h6", "hr", "i", "kbd", "li", "ol", "p", "pre", "s", "span", "strong", "sub", "summary", "sup", "table",
        "tbody", "td", "th", "thead", "tr", "u", "ul"}  # fmt: skip
MAX_PROSE = 40_000  # characters of a cell
MAX_CODE = 60_000
MAX_LINE = 2000
MAX_MARKS = 1000  # of one kind in a cell's prose
_MARKS = "<[`*_>!("
_SCHEMES = re.compile(r"(?:java|vb|live)script:|data:[a-z]+/")
_ACTIVE = re.compile(r"<\s*[a-zA-Z/!?]|javascript:|data:text", re.IGNORECASE)


def make_safe(notebook: NotebookNode, *, max_text: int = 20_000) -> None:
    """In place: outputs keep text and bitmaps only, long text is cut, the student's own prose loses active HTML."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = _plain_code(cell.source)
            cell.outputs = [safe for output in cell.outputs if (safe := _safe_output(output, max_text)) is not None]
            continue
        role = role_of(cell)
        bomb = role in ("extra", "written") and (_is_bomb(cell.source) or _runs_as_a_link(cell.source))
        if bomb or (cell.cell_type == "raw" and role in ("extra", "written")):
            cell.cell_type = "markdown"
            text = _cut(cell.source, MAX_PROSE) if bomb else cell.source
            if bomb:  # nbconvert searches all prose for tags and links
                text = text.replace("<", "&lt;").replace("[", "&#91;")
            cell.source = "\n".join("    " + line for line in text.splitlines())
        if role in ("extra", "written"):
            cell.pop("attachments", None)
            if not bomb and _ACTIVE.search(cell.source):
                cell.source = nh3.clean(
                    cell.source,
                    tags=TAGS,
                    attributes={"a": {"href", "title"}},
                    url_schemes={"https", "http"},
                    link_rel=None,
                )


def _plain_code(source: str) -> str:
    if len(source) <= MAX_LINE:
        return source
    return _cut("\n".join(_cut(line, MAX_LINE) for line in source.split("\n")), MAX_CODE)


def _is_bomb(prose: str) -> bool:
    return len(prose) > MAX_PROSE or any(prose.count(mark) > MAX_MARKS for mark in _MARKS)


def _runs_as_a_link(prose: str) -> bool:
    """Whether an address in it, however it is spelt, would run or draw something: Markdown has its own way to links."""
    return bool(_SCHEMES.search(re.sub(r"[\s\\\x00-\x1f\x7f]", "", html.unescape(prose)).lower()))


def _safe_output(output: NotebookNode, max_text: int) -> NotebookNode | None:
    if output.output_type == "stream":
        output["text"] = _cut(str(output.get("text", "")), max_text)
        return output
    if output.output_type == "error":
        output["evalue"] = _cut(str(output.get("evalue", "")), 2000)
        output["traceback"] = [_cut(str(line), 4000) for line in list(output.get("traceback", []))[:40]]
        return output
    data = {k: v for k, v in output.get("data", {}).items() if k in KEPT and isinstance(v, str)}
    if "text/plain" in data:
        data["text/plain"] = _cut(data["text/plain"], max_text)
    output["data"] = NotebookNode(data)
    output["metadata"] = NotebookNode()
    return output if data else None


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}\n… ({len(text) - limit} more characters)"
