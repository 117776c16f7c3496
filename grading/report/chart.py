"""The picture of a lesson: one stacked bar per question, as inline SVG whose text keeps its size in any window."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from grading.report.tally import STATES, QuestionTally

_STEP, _BAR = 52, 22  # pixels from one question to the next; height of a bar
_SHORT, _LONG = 32, 90  # characters of a title that fit beside the mean in a narrow and in a wide window


def question_chart(questions: Sequence[QuestionTally]) -> Markup:
    """Bars in percent of the class, widths relative, so that the picture fills whatever room it gets."""
    parts = [_question(n * _STEP, q) for n, q in enumerate(questions)]
    text = in_words(questions)
    return Markup('<svg class="chart" role="img" width="100%" height="{}"><title>{}</title>{}</svg>').format(
        len(questions) * _STEP, text, Markup("").join(parts)
    )


def in_words(questions: Sequence[QuestionTally]) -> str:
    """The picture for those who can't see it."""
    rows = []
    for q in questions:
        counts = ", ".join(f"{count} {state}" for state, count in q.counts.items() if count)
        rows.append(f"{q.id}: {counts or 'nobody'}")
    return "Students by question. " + "; ".join(rows) + "."


def _question(top: int, q: QuestionTally) -> Markup:
    total = sum(q.counts.values())
    share = "" if q.mean is None else f"{100 * q.mean:.0f} %"
    parts = [
        Markup('<text x="0" y="{}"><tspan class="id">{}</tspan> {}</text>').format(top + 15, q.id, _title(q.title)),
        Markup('<text x="100%" y="{}" class="mean" text-anchor="end">{}</text>').format(top + 15, share),
    ]
    left = 0.0
    for index, state in enumerate(STATES):
        count = q.counts[state]
        if not count:
            continue
        width = 100 * count / total
        parts.append(
            Markup('<rect class="s{}" x="{:.3f}%" y="{}" width="{:.3f}%" height="{}"><title>{}</title></rect>').format(
                index, left, top + 22, width, _BAR, f"{q.id}: {count} {state}"
            )
        )
        if width >= 2.5 + 2.5 * len(str(count)):  # a number that doesn't fit its bar at 320 pixels is left out
            parts.append(
                Markup('<text class="n{}" x="{:.3f}%" y="{}" text-anchor="middle">{}</text>').format(
                    index, left + width / 2, top + 22 + 15.5, escape(count)
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
