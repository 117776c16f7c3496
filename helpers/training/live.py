"""The line that moves while a model trains: epoch, loss, accuracy, time left, and a small curve of the loss."""

from __future__ import annotations

import sys
import time
from html import escape

from helpers.plots.style import COLOURS, in_notebook
from helpers.theme import RIM
from helpers.training.history import History

_PAUSE = 0.4  # seconds between two looks
_WIDE, _HIGH = 150, 30  # pixels of a curve


class Live:
    """Shows a run while it goes on. In a notebook one output changes in place; in a terminal, one line."""

    def __init__(self, epochs: int, steps: int, *, on: bool = True) -> None:
        self.epochs, self.steps, self.on = epochs, steps, on
        self._start = self._last = time.perf_counter()
        self._first = 0
        self._handle = None

    def go_on_from(self, epoch: int) -> None:
        """Epochs that an earlier, interrupted run has done take no time now."""
        self._first = epoch

    @property
    def due(self) -> bool:
        return self.on and time.perf_counter() - self._last > _PAUSE

    def step(self, history: History, epoch: int, step: int, loss: float) -> None:
        """`epoch` and `step` count from 0; a step that ended."""
        self._last = now = time.perf_counter()
        share = (epoch + (step + 1) / self.steps) / self.epochs
        done = share - self._first / self.epochs
        left = (now - self._start) / done * (1 - share) if done > 0 else float("nan")
        text = f"epoch {epoch + 1} of {self.epochs}: loss {loss:.3f}"
        if history.test_accuracy:
            text += f", test {history.test_accuracy[-1]:.1%}"
        self._show(history, share, f"{text}, {duration(left)} left", end=False)

    def end(self, history: History, note: str = "") -> None:
        if self.on:
            share = history.epochs / self.epochs
            self._show(history, share, f"{history!r}{'. ' + note if note else ''}", end=True)

    def _show(self, history: History, share: float, text: str, *, end: bool) -> None:
        if in_notebook():
            from IPython.display import display

            bundle = {"text/plain": text, "text/html": _page(history, share, text)}
            if self._handle is None:
                self._handle = display(bundle, raw=True, display_id=True)
            else:
                self._handle.update(bundle, raw=True)
        elif sys.stderr.isatty():
            print(f"\r\033[K{text}", end="\n" if end else "", file=sys.stderr, flush=True)
        elif end:
            print(text, file=sys.stderr)


def duration(seconds: float) -> str:
    """3 s, 2 min 05 s, 1 h 20 min; a dash when not known."""
    if not seconds < float("inf"):
        return "–"
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def _page(history: History, share: float, text: str) -> str:
    bar = (
        '<span style="display:inline-block;width:120px;height:8px;border-radius:4px;'
        f'background:{RIM}55">'
        f'<span style="display:block;width:{share:.0%};height:8px;border-radius:4px;background:{COLOURS[0]}"></span>'
        "</span>"
    )
    pictures = _curve("loss", history.loss, COLOURS[0]) + _curve("test accuracy", history.test_accuracy, COLOURS[1])
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:12px;align-items:center;font-size:13px">'
        f'{bar}<span style="font-variant-numeric:tabular-nums">{escape(text)}</span>{pictures}</div>'
    )


def _curve(name: str, values: list[float], colour: str) -> str:
    """A little line of the values so far, as SVG; nothing before there are two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    dots = " ".join(
        f"{2 + (_WIDE - 4) * i / (len(values) - 1):.1f},{2 + (_HIGH - 4) * (high - v) / span:.1f}"
        for i, v in enumerate(values)
    )
    alt = f"{name} over epochs, from {values[0]:.3g} to {values[-1]:.3g}"
    return (
        f'<span style="color:{colour}">{name} <svg role="img" aria-label="{alt}" width="{_WIDE}" height="{_HIGH}" '
        f'style="vertical-align:middle"><polyline points="{dots}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        "</svg></span>"
    )
