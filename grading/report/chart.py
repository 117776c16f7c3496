"""Stacked bars as inline SVG whose text keeps its size in any window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from grading.report.tally import STATES, QuestionTally

_STEP, _BAR = 52, 22  # pixels from one bar to the next; height of a bar
_SHORT, _LONG = 32, 90  # characters of a title that fit beside the mean in a narrow and in a wide window


@dataclass(frozen=True)
class Bar:
    """One bar; `parts`: (style, what it is, how many)."""

    id: str
    title: str
    right: str
    parts: tuple[tuple[int, str, int], ...]


def question_chart(questions: Sequence[QuestionTally]) -> Markup:
    """One bar per question: students by state."""
    return bar_chart([_of(q) for q in questions], "Students by question")


def bar_chart(bars: Sequence[Bar], what: str) -> Markup:
    """Bars in percent of their sum, widths relative, so that the picture fills whatever room it gets."""
    parts = [_bar(n * _STEP, bar) for n, bar in enumerate(bars)]
    return Markup('<svg class="chart" role="img" width="100%" height="{}"><title>{}</title>{}</svg>').format(
        len(bars) * _STEP, _told(bars, what), Markup("").join(parts)
    )


def in_words(questions: Sequence[QuestionTally]) -> str:
    """The picture for those who can't see it."""
    return _told([_of(q) for q in questions], "Students by question")


def _of(q: QuestionTally) -> Bar:
    share = "" if q.mean is None else f"{100 * q.mean:.0f} %"
    return Bar(q.id, q.title, share, tuple((n, state, q.counts[state]) for n, state in enumerate(STATES)))


def _told(bars: Sequence[Bar], what: str) -> str:
    rows = []
    for bar in bars:
        counts = ", ".join(f"{count} {state}" for _, state, count in bar.parts if count)
        rows.append(f"{bar.id or bar.title}: {counts or 'no one'}")
    return f"{what}. " + "; ".join(rows) + "."


def _bar(top: int, bar: Bar) -> Markup:
    total = sum(count for *_, count in bar.parts)
    parts = [
        Markup('<text x="0" y="{}"><tspan class="id">{}</tspan> {}</text>').format(top + 15, bar.id, _title(bar.title)),
        Markup('<text x="100%" y="{}" class="mean" text-anchor="end">{}</text>').format(top + 15, bar.right),
    ]
    left = 0.0
    for style, state, count in bar.parts:
        if not count:
            continue
        width = 100 * count / total
        said = f"{bar.id or bar.title}: {count} {state}"
        parts.append(
            Markup('<rect class="s{}" x="{:.3f}%" y="{}" width="{:.3f}%" height="{}"><title>{}</title></rect>').format(
                style, left, top + 22, width, _BAR, said
            )
        )
        if width >= 2.5 + 2.5 * len(str(count)):  # a number that doesn't fit its bar at 320 pixels is left out
            parts.append(
                Markup('<text class="n{}" x="{:.3f}%" y="{}" text-anchor="middle">{}</text>').format(
                    style, left + width / 2, top + 22 + 15.5, escape(count)
                )
            )
        left += width
    return Markup("").join(parts)


def _title(title: str) -> Markup:
    """A title, with a shorter one that the style sheet shows in narrow windows."""
    if len(title) <= _SHORT:
        return escape(title)
    return Markup('<tspan class="wide">{}</tspan><tspan class="narrow">{}</tspan>').format(
        title if len(title) <= _LONG else title[: _LONG - 1].rstrip() + "…", title[: _SHORT - 1].rstrip() + "…"
    )
