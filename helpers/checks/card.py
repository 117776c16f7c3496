"""The card a student sees under a check, and again in the feedback page: plain HTML, no JavaScript, under 30 kB."""

from __future__ import annotations

import base64
from html import escape

from helpers.checks.verdict import MET, NOT_MET, Verdict
from helpers.theme import EDGE, INK, PAPER, SOFT, readable

_SIGNS = {MET: ("✓", readable("#008a69")), NOT_MET: ("✗", readable("#d04a10"))}
_EDGE = {"correct": "#009e73", "not started": "#8a8f98", "no answer": "#8a8f98"}
_WORDS = {
    "correct": "correct",
    "partial": "partly right",
    "wrong": "not right yet",
    "error": "stopped by an error",
    "not started": "not started",
    "no answer": "no answer",
}


def card(verdict: Verdict, picture: bytes | None = None, picture_alt: str = "") -> str:
    """HTML of a verdict; `picture` is a PNG. Colours follow JupyterLab's theme, and are light elsewhere."""
    edge = _EDGE.get(verdict.status, "#d55e00")
    head = (
        f'<div style="display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 1em;font-weight:600">'
        f"<span>{escape(verdict.question)} · {escape(verdict.title)}</span>"
        f'<span style="white-space:nowrap;color:{INK}">{_WORDS[verdict.status]} · '
        f"{verdict.score:g} / {verdict.points:g}</span></div>"
    )
    rows = "".join(_row(line) for line in verdict.lines) if verdict.status not in ("not started", "no answer") else ""
    body = (
        f'<ul role="list" aria-label="criteria" style="list-style:none;margin:.5em 0 0;padding:0">{rows}</ul>'
        if rows
        else ""
    )
    hint = _hint(verdict)
    measured = _measured(verdict)
    image = ""
    if picture:
        data = base64.b64encode(picture).decode()
        image = (
            f'<img src="data:image/png;base64,{data}" alt="{escape(picture_alt, quote=True)}" '
            f'style="display:block;max-width:100%;height:auto;margin:.6em 0 0;border-radius:4px">'
        )
    return (
        f'<div class="vitlab-card" role="group" aria-label="{escape(as_text(verdict, short=True), quote=True)}" '
        f'style="max-width:46em;margin:.3em 0;padding:.7em 1em;border:1px solid {EDGE};border-left:5px solid {edge};'
        f"border-radius:6px;background:{PAPER};color:{INK};font-family:system-ui,sans-serif;"
        f'font-size:14px;line-height:1.45">{head}{body}{measured}{hint}{image}</div>'
    )


def _row(line) -> str:
    sign, colour = _SIGNS.get(line.state, ("–", SOFT))
    detail = ""
    if line.detail:
        detail = f'<br><span style="color:{SOFT}">{escape(line.detail)}</span>'
    return (
        f'<li style="display:flex;gap:.6em;margin:.1em 0"><span role="img" aria-label="{line.state}" '
        f'style="color:{colour};font-weight:700;width:1em">{sign}</span>'
        f"<span>{escape(line.criterion.says)}{detail}</span></li>"
    )


def _measured(verdict: Verdict) -> str:
    if verdict.measure is None:
        return ""
    return f'<p style="margin:.6em 0 0">{escape(_in_words(verdict))}</p>'


def _in_words(verdict: Verdict) -> str:
    return f"{verdict.measured}: {100 * (verdict.measure or 0):.1f} %"


def _hint(verdict: Verdict) -> str:
    if verdict.passed or not verdict.hint:
        return ""
    label = {"not started": verdict.reason or "Still blank", "no answer": "Why"}.get(verdict.status, "Hint")
    return f'<p style="margin:.6em 0 0"><b>{label}:</b> {escape(verdict.hint)}</p>'


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
    if verdict.measure is not None:
        lines.append(f"  {_in_words(verdict)}")
    if verdict.hint:
        lines.append(f"  {verdict.hint}")
    return "\n".join(lines)
