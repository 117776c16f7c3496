"""The card a student sees under a check, and again in the feedback page: plain HTML, no JavaScript, under 30 kB."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Any

from helpers.checks.rich_text import as_html
from helpers.checks.verdict import MET, NOT_MET, Verdict
from helpers.theme import EDGE, INK, PALETTE, PAPER, RUST, SOFT, readable

_SIGNS = {MET: ("✓", readable("#008a69")), NOT_MET: ("✗", readable(RUST))}
_EDGE = {"correct": PALETTE[2], "not started": "#8a8f98", "no answer": "#8a8f98"}
_WORDS = {
    "correct": "correct",
    "partial": "partly right",
    "wrong": "not right yet",
    "error": "stopped by an error",
    "not started": "not started",
    "no answer": "no answer",
}
_TEMPLATE = """\
<div class="vitlab-card" role="group" aria-label="{{ summary }}" \
style="max-width:46em;margin:.3em 0;padding:.7em 1em;border:1px solid {{ edge_line }};border-left:5px solid {{ edge }};\
border-radius:6px;background:{{ paper }};color:{{ ink }};font-family:system-ui,sans-serif;\
font-size:14px;line-height:1.45">\
<div style="display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1em;font-weight:600">\
<span>{{ verdict.question }} · {{ verdict.title }}</span>\
<span style="white-space:nowrap;color:{{ ink }}">{{ words }} · {{ points }}</span></div>\
{% if rows %}<ul role="list" aria-label="criteria" style="list-style:none;margin:.5em 0 0;padding:0">\
{% for row in rows %}<li style="display:flex;gap:.6em;margin:.1em 0">\
<span role="img" aria-label="{{ row.state }}" style="color:{{ row.colour }};font-weight:700;width:1em">{{ row.sign }}\
</span><span>{{ row.says | safe }}\
{% if row.detail %}<br><span style="color:{{ soft }}">{{ row.detail | safe }}</span>{% endif %}</span></li>\
{% endfor %}</ul>{% endif %}\
{% for text in notes %}<p style="margin:.6em 0 0">{{ text | safe }}</p>{% endfor %}\
{% if hint %}<p style="margin:.6em 0 0"><b>{{ label }}:</b> {{ hint | safe }}</p>{% endif %}\
{% if picture %}<img src="data:image/png;base64,{{ picture }}" alt="{{ alt }}" \
style="display:block;max-width:100%;height:auto;margin:.6em 0 0;border-radius:4px">{% endif %}</div>"""


def card(verdict: Verdict, picture: bytes | None = None, picture_alt: str = "") -> str:
    """HTML of a verdict; `picture` is a PNG. Colours follow JupyterLab's theme, and are light elsewhere."""
    opened = verdict.status not in ("not started", "no answer")
    return _template().render(
        verdict=verdict,
        summary=as_text(verdict, short=True),
        words=_WORDS[verdict.status],
        points=f"{verdict.score:g} / {verdict.points:g}",
        rows=[_row(line) for line in verdict.lines] if opened else [],
        notes=[as_html(text) for text in _notes(verdict)],
        label={"not started": verdict.reason or "Still blank", "no answer": "Why"}.get(verdict.status, "Hint"),
        hint="" if verdict.passed else as_html(verdict.hint, _quoted(verdict)),
        picture=base64.b64encode(picture).decode() if picture else "",
        alt=picture_alt,
        edge=_EDGE.get(verdict.status, PALETTE[1]),
        edge_line=EDGE,
        paper=PAPER,
        ink=INK,
        soft=SOFT,
    )


@lru_cache(maxsize=1)
def _template() -> Any:
    """Jinja comes with torch and with Jupyter; whatever is not made by `as_html` is escaped."""
    from jinja2 import Environment

    return Environment(autoescape=True).from_string(_TEMPLATE)


def _row(line: Any) -> dict[str, str]:
    sign, colour = _SIGNS.get(line.state, ("–", SOFT))
    says, detail = as_html(line.criterion.says), as_html(line.detail)
    return {"state": line.state, "sign": sign, "colour": colour, "says": says, "detail": detail}


def _quoted(verdict: Verdict) -> list[str]:
    """What the hint quotes from the student's side: the message of an error, and the line that raised it."""
    failure = verdict.failure
    texts = [failure.message, failure.source] if failure is not None else []
    return [text.strip() for text in texts if len(text.strip()) > 2]


def _notes(verdict: Verdict) -> list[str]:
    found = [_in_words(verdict)] if verdict.measure is not None else []
    return found + list(verdict.notes)


def _in_words(verdict: Verdict) -> str:
    return f"{verdict.measured}: {100 * (verdict.measure or 0):.1f} %"


def as_text(verdict: Verdict, *, short: bool = False) -> str:
    """The card for a terminal or a screen reader."""
    first = (
        f"{verdict.question} {verdict.title}: {_WORDS[verdict.status]}, {verdict.score:g} of {verdict.points:g} points"
    )
    if short:
        return first
    lines = [first]
    lines += [
        f"  {_SIGNS.get(line.state, ('–', ''))[0]} {line.criterion.says}" + (f" ({line.detail})" if line.detail else "")
        for line in verdict.lines
    ]
    lines += [f"  {text}" for text in _notes(verdict)]
    if verdict.hint:
        lines.append(f"  {verdict.hint}")
    return "\n".join(lines)
