"""Lesson 03's drawings: what each token sees, and filters as little images."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy

_LIGHT = LinearSegmentedColormap.from_list("light", ["#eef1f4", "#56b4e9", COLOURS[0]])
_SOFT = "#8c959f"


def sight_picture(wanted: np.ndarray, yours: np.ndarray | None, patch: int, most: int = 9) -> Figure:
    """For each token the pixels it reacts to, (n, h, w): the target in one row, the answer in the next."""
    rows = [("target", wanted)]
    if yours is not None:
        rows.append(("yours", yours))
    count = min(most, max(len(row) for _, row in rows))
    side = min(0.95, (WIDTH - 0.9) / count)
    with style():
        fig, axes = figure(
            side * len(rows) + 0.35, width=side * count + 0.8, rows=len(rows), columns=count, squeeze=False
        )
        for line, (title, panels) in zip(axes, rows, strict=True):
            for k, ax in enumerate(line):
                _panel(ax, panels[k] if k < len(panels) else None, patch)
                if line is axes[0]:
                    ax.set_title(f"token {k}", fontsize=8, loc="center", pad=3)
            line[0].set_ylabel(title, rotation=0, ha="right", va="center", labelpad=6)
    return fig


def _panel(ax: Axes, lit: np.ndarray | None, patch: int) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if lit is None:
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.text(0.5, 0.5, "none", ha="center", va="center", fontsize=8, color=_SOFT)
        return
    h, w = lit.shape
    ax.imshow(lit, cmap=_LIGHT, vmin=0, vmax=1)
    for edge in range(0, h + 1, patch):
        ax.axhline(edge - 0.5, color="white" if 0 < edge < h else _SOFT, linewidth=1.2)
    for edge in range(0, w + 1, patch):
        ax.axvline(edge - 0.5, color="white" if 0 < edge < w else _SOFT, linewidth=1.2)


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
