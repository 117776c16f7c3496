"""How every picture looks, and how it gets onto the page."""

from __future__ import annotations

import base64
import functools
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from helpers.theme import PALETTE, RIM

WIDTH = 7.2  # inches: the width of a text column in JupyterLab
DPI = 100
INK, SOFT, FAINT = PALETTE[6], "#57606a", "#d8dee4"

COLOURS = PALETTE

_RC: dict[Any, Any] = {
    "figure.facecolor": "white",
    "figure.dpi": DPI,
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "regular",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.titlecolor": INK,
    "axes.edgecolor": RIM,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "lines.linewidth": 1.9,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
}


def style():
    """A context in which matplotlib draws in our style: `with style(): fig, ax = plt.subplots()`."""
    from cycler import cycler

    return rc_context({**_RC, "axes.prop_cycle": cycler(color=COLOURS)})


def styled(draw: Callable) -> Callable:
    """Decorator: the function draws in our style, whatever the notebook has set."""

    @functools.wraps(draw)
    def wrapper(*args, **kwargs):
        with style():
            return draw(*args, **kwargs)

    return wrapper


@styled
def figure(
    height: float = 2.6, *, width: float = WIDTH, rows: int = 1, columns: int = 1, **subplots
) -> tuple[Figure, Any]:
    """A figure of our width (inches) and its axes (one, or an array of them as `plt.subplots` gives)."""
    layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05)
    fig = Figure(figsize=(width, height), layout=layout, dpi=DPI)
    return fig, fig.subplots(rows, columns, **subplots)


_captures: list[list[tuple[bytes, str]]] = []


@contextmanager
def capture() -> Iterator[list[tuple[bytes, str]]]:
    """Collect what would be shown, as (png, alt), instead of showing it."""
    shown: list[tuple[bytes, str]] = []
    _captures.append(shown)
    try:
        yield shown
    finally:
        _captures.pop()


def show(fig: Figure, alt: str | None = None) -> None:
    """Put a figure onto the page as a PNG with its alt text, and close it. Outside IPython: close it only."""
    alt = alt or _describe(fig)
    if _captures:
        _captures[-1].append((_png(fig), alt))
    elif in_notebook():
        display_png(_png(fig), alt)
    close(fig)


def display_png(png: bytes, alt: str) -> None:
    """Display PNG bytes with an alt text.

    JupyterLab leaves pictures without the alt text of their metadata, so a person at the notebook gets an `<img>`
    that has it. Where nobody sits (builds, grading, nbconvert) it is an ordinary PNG, which GitHub shows too.
    """
    from IPython.display import display

    encoded = base64.b64encode(png).decode()
    if someone_is_there():
        source = f'src="data:image/png;base64,{encoded}" alt="{escape(alt, quote=True)}"'
        html = f'<img class="vitlab-picture" {source} style="max-width:100%;height:auto">'
        display({"text/html": html, "text/plain": alt}, raw=True)
    else:
        display({"image/png": encoded, "text/plain": alt}, metadata={"image/png": {"alt": alt}}, raw=True)


def someone_is_there() -> bool:
    """Whether a front end listens that can answer questions: JupyterLab, VS Code, Colab, and no run by a program."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return bool(getattr(getattr(get_ipython(), "kernel", None), "_allow_stdin", False))


def in_notebook() -> bool:
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return get_ipython() is not None


def close(fig: Figure) -> None:
    """Forget a figure, so that the inline backend doesn't draw it a second time."""
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close(fig)


def as_png(fig: Figure, max_width_px: int = 640) -> bytes:
    """PNG bytes of a figure for a card: at most `max_width_px` wide, 128 colours or fewer, a few kilobytes."""
    image = _drawn(fig)
    if image.width > max_width_px:
        height = round(image.height * max_width_px / image.width)
        image = image.resize((max_width_px, height), Image.Resampling.LANCZOS)
    close(fig)
    return _palette(image, 128)


def _palette(image: Image.Image, colours: int) -> bytes:
    """PNG bytes with at most so many colours: a third of the size, and no eye tells."""
    small = image.quantize(colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    out = io.BytesIO()
    small.save(out, format="PNG", optimize=True)
    return out.getvalue()


def _png(fig: Figure) -> bytes:
    return _palette(_drawn(fig), 256)


def _drawn(fig: Figure) -> Image.Image:
    out = io.BytesIO()
    with style():
        fig.savefig(out, format="png", dpi=DPI, pil_kwargs={"compress_level": 0})
    return Image.open(out).convert("RGB")


def _describe(fig: Figure) -> str:
    """A plain alt text from titles and labels, for a picture that was given none."""
    parts = []
    for ax in fig.axes:
        title = ax.get_title() or ax.get_title(loc="left") or ax.get_title(loc="center")
        axes = " against ".join(name for name in (ax.get_ylabel(), ax.get_xlabel()) if name)
        parts.append(": ".join(part for part in (title, axes) if part))
    return "Figure. " + "; ".join(part for part in parts if part) if any(parts) else "Figure."
