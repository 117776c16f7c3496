"""The pictures on lesson 11's cards: what a mixing half adds, overlaps of boxes, matchings, a new block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.pictures.swin_checks import bare
from helpers.plots import COLOURS, figure, style
from helpers.plots.charts import add_bar, draw_matrix
from helpers.plots.style import INK, SOFT


def _shape(array: np.ndarray) -> str:
    return " × ".join(map(str, array.shape))


def _side_by_side(panels: Sequence[tuple[str, np.ndarray | None]], xlabel: str, ylabel: str, high: float) -> Figure:
    """Matrices on one scale; a question mark for what has none."""
    with style():
        fig, axes = figure(2.2, width=2.2 * len(panels) + 0.8, columns=len(panels), squeeze=False)
        image = None
        for ax, (title, matrix) in zip(axes.flat, panels, strict=True):
            if matrix is None:
                bare(ax)
                ax.text(0.5, 0.5, "?", ha="center", va="center", fontsize=16, color=SOFT, transform=ax.transAxes)
            else:
                image = draw_matrix(ax, matrix.astype(float), diverging=True, vmin=-high, vmax=high, ticks=4)
                ax.set_aspect("auto")
                ax.set_xlabel(xlabel)
            ax.set_title(title, fontsize=9.5)
        axes.flat[0].set_ylabel(ylabel)
        add_bar(image, axes)
    return fig


def halves_picture(x: np.ndarray, wanted: np.ndarray, given: np.ndarray | None) -> Figure:
    """The first sample (n, d), and what is added to it: the target and the answer."""
    panels: list[tuple[str, np.ndarray | None]] = [("x", x[0]), ("target adds", (wanted - x)[0])]
    if given is not None:
        fits = given.shape == x.shape
        panels.append(("yours adds", (given - x)[0]) if fits else (f"yours: {_shape(given)}", None))
    return _side_by_side(panels, "channel", "token", float(np.abs(x[0]).max()))


def asleep_picture(x: np.ndarray, born: np.ndarray | None) -> Figure:
    """One sample (n, d) before and after a block that was just born, and the difference."""
    panels: list[tuple[str, np.ndarray | None]] = [("x", x), ("target: out − x", np.zeros_like(x))]
    if born is not None:
        fits = born.shape == x.shape
        panels.append(("yours: out − x", born - x) if fits else (f"yours: {_shape(born)}", None))
    return _side_by_side(panels, "dimension", "token", float(np.abs(x).max()))


def outline(ax: Axes, box: np.ndarray, colour: str, **options) -> None:
    """A box, cx cy w h, as a frame."""
    x, y, w, h = (float(v) for v in box)
    ax.add_patch(Rectangle((x - w / 2, y - h / 2), w, h, fill=False, edgecolor=colour, **options))


def fits_picture(a: np.ndarray, b: np.ndarray, wanted: np.ndarray, given: np.ndarray | None) -> Figure:
    """The boxes, and how each of the first set (rows) fits each of the second."""
    panels: list[tuple[str, np.ndarray | None]] = [("target", wanted)]
    if given is not None:
        fits = given.shape == wanted.shape
        panels.append(("yours", given) if fits else (f"yours: {_shape(given)}", None))
    with style():
        fig, axes = figure(2.1, width=2.1 * (1 + len(panels)) + 0.7, columns=1 + len(panels))
        for boxes, colour in ((a, COLOURS[0]), (b, COLOURS[1])):
            for box in boxes:
                outline(axes[0], box, colour, linewidth=1.6)
        axes[0].set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=[], yticks=[], title="a blue, b red")
        image = None
        for ax, (title, matrix) in zip(axes[1:], panels, strict=True):
            if matrix is None:
                bare(ax)
                ax.text(0.5, 0.5, "?", ha="center", va="center", fontsize=16, color=SOFT, transform=ax.transAxes)
            else:
                image = draw_matrix(ax, matrix.astype(float), diverging=True, vmin=-1, vmax=1, ticks=6)
                ax.set_aspect("auto")
                for (row, column), value in np.ndenumerate(matrix):
                    if np.isfinite(value):
                        ax.text(column, row, f"{value:.2f}".replace("-", "−"), ha="center", va="center", fontsize=8,
                                color="white" if abs(value) > 0.6 else INK)  # fmt: skip
            ax.set_title(title, fontsize=9.5)
        add_bar(image, axes[1:])
    return fig


def pairs_picture(
    boxes: np.ndarray, objects: np.ndarray, wanted: np.ndarray | None, given: np.ndarray | None
) -> Figure:
    """Predictions (blue, numbered) and objects (dashed), joined by a line where one answers for the other."""
    panels = [("target", wanted)] + ([] if given is None else [("yours", given)])
    ends = np.concatenate([boxes[:, :2], objects[:, :2]])
    low, high = ends.min(0) - 0.06, ends.max(0) + 0.06
    with style():
        fig, axes = figure(2.7, width=3.1 * len(panels), columns=len(panels), squeeze=False)
        for ax, (title, pairs) in zip(axes.flat, panels, strict=True):
            for box in boxes:
                outline(ax, box, COLOURS[0], linewidth=0.7, alpha=0.3)
            for box in objects:
                outline(ax, box, COLOURS[1], linewidth=0.9, linestyle=(0, (3, 2)), alpha=0.45)
            for k, j in zip(*pairs, strict=True) if pairs is not None else ():
                ends = np.stack([boxes[k, :2], objects[j, :2]])
                ax.plot(*ends.T, color=INK, linewidth=1.6)
            for box, colour, marker in ((boxes, COLOURS[0], "o"), (objects, COLOURS[1], "s")):
                ax.plot(box[:, 0], box[:, 1], marker, color=colour, markersize=7)
            ax.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.set_title(title, fontsize=9.5)
    return fig
