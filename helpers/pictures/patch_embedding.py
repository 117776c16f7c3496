"""Lesson 03's drawings: what each token sees, and filters as little images."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy
from helpers.plots.style import SOFT
from helpers.theme import PALE_GREY, RIM

_LIGHT = LinearSegmentedColormap.from_list("light", [PALE_GREY, COLOURS[5], COLOURS[0]])


def sight_picture(wanted: np.ndarray, yours: np.ndarray | None, patch: int, most: int = 9) -> Figure:
    """For each token the pixels it reacts to, (n, h, w): the target in one row, the answer in the next."""
    rows = {"target": wanted} | ({} if yours is None else {"yours": yours})
    count = min(most, max(len(row) for row in rows.values()))
    zoom = max(2, min(90, 600 // count) // wanted.shape[1])  # points of the canvas per pixel
    side, gap = zoom * wanted.shape[1] + 1, 10
    canvas = np.ones((len(rows) * (side + gap), count * (side + gap), 4))
    with style():
        fig, ax = figure(canvas.shape[0] / 100 + 0.3, width=canvas.shape[1] / 100 + 0.6)  # one axes: fast to draw
        for i, (title, panels) in enumerate(rows.items()):
            y = i * (side + gap)
            ax.text(-8, y + side / 2, title, ha="right", va="center", color=SOFT)
            for k in range(count):
                x = k * (side + gap)
                if k < len(panels):
                    canvas[y : y + side, x : x + side] = _panel(panels[k], patch, zoom)
                else:
                    ax.text(x + side / 2, y + side / 2, "none", ha="center", va="center", fontsize=8, color=RIM)
        for k in range(count):
            ax.text(k * (side + gap) + side / 2, -4, f"token {k}", ha="center", va="bottom", fontsize=8)
        ax.imshow(canvas)
        ax.set_axis_off()
    return fig


def _panel(lit: np.ndarray, patch: int, zoom: int) -> np.ndarray:
    """A picture (side, side, 4) of what one token sees, with the borders of patches in it."""
    pixels = np.kron(lit, np.ones((zoom, zoom)))
    panel = _LIGHT(np.pad(pixels, ((0, 1), (0, 1))))
    edges = np.arange(0, panel.shape[0], patch * zoom)
    panel[edges], panel[:, edges] = 1, 1
    outside = (0.55, 0.58, 0.62, 1)
    panel[[0, -1]], panel[:, [0, -1]] = outside, outside
    return panel


def filter_mosaic(filters: object, columns: int = 16) -> np.ndarray:
    """Filters (d, c, p, p) as one image (h, w, 3) in 0..1, each on its own scale: middle grey is zero."""
    array = to_numpy(filters).astype(float)
    d, c, p, _ = array.shape
    high = np.abs(array).max(axis=(1, 2, 3), keepdims=True)
    array = 0.5 + 0.5 * array / np.where(high > 0, high, 1)
    if c != 3:
        array = array.mean(1, keepdims=True).repeat(3, 1)
    rows = -(-d // columns)
    gap = max(1, p // 8)
    page = np.ones((rows * (p + gap) - gap, columns * (p + gap) - gap, 3))
    for k, one in enumerate(array):
        y, x = (k // columns) * (p + gap), (k % columns) * (p + gap)
        page[y : y + p, x : x + p] = one.transpose(1, 2, 0)
    return page


def show_filters(panels: dict[str, object], columns: int = 16, alt: str | None = None) -> None:
    """Draw sets of filters (d, c, p, p), one mosaic per entry, side by side when they fit, else below each other."""
    pages = {title: filter_mosaic(filters, columns) for title, filters in panels.items()}
    h, w = next(iter(pages.values())).shape[:2]
    beside = len(pages) if columns <= 8 else 1
    rows = -(-len(pages) // beside)
    width = min(WIDTH, 3.4 * beside if beside > 1 else WIDTH)
    with style():
        fig, axes = figure(rows * (width / beside * h / w + 0.3), width=width, rows=rows, columns=beside, squeeze=False)
        for ax, (title, page) in zip(axes.flat, pages.items(), strict=True):
            ax.imshow(page)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.set_title(title, loc="left")
    show(fig, alt or f"Filters drawn as little images: {', '.join(pages)}.")


def show_reading_order(grids: dict[str, tuple[int, int, list[int]]], alt: str | None = None) -> None:
    """Draw grids {title: (rows, columns, order)} with a line from place to place, in the order given."""
    with style():
        fig, axes = figure(2.1, width=2.2 * len(grids), columns=len(grids), squeeze=False)
        for ax, (title, (rows, columns, order)) in zip(axes.flat, grids.items(), strict=True):
            places = np.array([divmod(k, columns) for k in order])
            turn = np.argsort(order).reshape(rows, columns)
            ax.imshow(turn, cmap=_LIGHT, vmax=rows * columns * 1.4)
            ax.plot(places[:, 1], places[:, 0], color=COLOURS[1], linewidth=1.4, marker="o", markersize=3)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.set_title(title, fontsize=9.5)
    show(fig, alt or f"The order in which patches become tokens: {', '.join(grids)}.")
