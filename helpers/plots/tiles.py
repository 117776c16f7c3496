"""Little images in rows and columns, with exact gaps and a label above each."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots.style import DPI, SOFT

_LINE = 0.145  # inches: the height of one line of a label
_LETTER = 0.0078  # inches: the mean width of a letter, per point of its size


def draw_image(ax: Axes, picture: np.ndarray, **options) -> None:
    """A picture (h, w) or (h, w, 3) in 0..1, without ticks or frame."""
    ax.imshow(picture, cmap="gray" if picture.ndim == 2 else None, vmin=0, vmax=1, **options)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def wrapped(text: str, width: float, size: float) -> str:
    """The text with line breaks, so that it fits `width` inches at a font size."""
    return "\n".join(wrap(text, max(int(width / (_LETTER * size)), 4), break_long_words=False)) or text


def tiles(
    pictures: Sequence[np.ndarray], *, rows: int, columns: int, side: float, gap: float,
    labels: Sequence | None, size: float = 8, colour: str = SOFT,
) -> Figure:  # fmt: skip
    """A figure of tiles `side` inches wide and `gap` apart, in reading order; coordinates are inches."""
    tall = side * max(picture.shape[0] / picture.shape[1] for picture in pictures)
    texts = [wrapped(str(label), side + 0.6 * gap, size) for label in labels] if labels is not None else []
    lines = [
        max((text.count("\n") + 1 for text in texts[row * columns : (row + 1) * columns]), default=0)
        for row in range(rows)
    ]
    rooms = [_LINE * count * size / 8 + 0.05 * bool(count) for count in lines]  # for the labels above each row
    width, height = columns * (side + gap) + gap, rows * (tall + gap) + sum(rooms) + gap
    fig = Figure(figsize=(width, height), dpi=DPI)
    ax = fig.add_axes((0, 0, 1, 1))
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        left, top = gap + column * (side + gap), gap + row * (tall + gap) + sum(rooms[: row + 1])
        own = side * picture.shape[0] / picture.shape[1]
        draw_image(ax, picture, extent=(left, left + side, top + own, top))
        if texts:
            ax.text(left + side / 2, top - 0.035, texts[i], ha="center", va="bottom", fontsize=size, color=colour,
                    linespacing=1.05)  # fmt: skip
    ax.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    return fig
