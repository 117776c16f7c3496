"""The pictures on lesson 10's cards: what a token depends on, and feature maps beside their target."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from helpers.plots import COLOURS, figure, style
from helpers.plots.style import SOFT


def sight_picture(wanted: np.ndarray, given: np.ndarray | None, number: int) -> Figure:
    """What token `number` depends on, patch by patch, of (n, rows, columns) shares; its own place has a frame."""
    panels = [("one right way", wanted)] + ([] if given is None else [("yours", given)])
    row, column = divmod(number, wanted.shape[2])
    with style():
        fig, axes = figure(2.5, width=2.3 * len(panels), columns=len(panels), squeeze=False)
        for ax, (title, sight) in zip(axes.flat, panels, strict=True):
            fits = sight.shape == wanted.shape
            ax.imshow(sight[number] if fits else np.zeros(wanted.shape[1:]), cmap="viridis", vmin=0)
            if not fits:
                ax.text(
                    0.5, 0.5, "not yet\nto be seen", ha="center", va="center", color="white", transform=ax.transAxes
                )
            frame = [column - 0.5, row - 0.5]
            ax.add_patch(_square(frame))
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"{title}: token {number}", fontsize=9, color=SOFT)
            ax.spines[:].set_visible(False)
    return fig


def _square(corner: list[float]):
    from matplotlib.patches import Rectangle

    return Rectangle((corner[0], corner[1]), 1, 1, fill=False, edgecolor=COLOURS[1], linewidth=2)


def maps_picture(x: np.ndarray, wanted: np.ndarray, given: np.ndarray | None) -> Figure:
    """Channel 0 of the first two images: what went in, the target, and what was given, on one scale."""
    panels = [("in", x), ("target", wanted)] + ([] if given is None else [("yours", np.asarray(given))])
    high = max(float(np.abs(wanted[:2, 0]).max()), 1e-6)
    with style():
        fig, axes = figure(2.9, width=2.0 * len(panels) + 0.4, rows=2, columns=len(panels), squeeze=False)
        for row, line in enumerate(axes):
            for ax, (title, array) in zip(line, panels, strict=True):
                fits = array.ndim == 4 and array.shape[0] > row and array.shape[2:] == wanted.shape[2:] and array.size
                limit = high if title != "in" else float(np.abs(x).max())
                shown = array[row, 0] if fits else np.full(wanted.shape[2:], np.nan)
                ax.imshow(np.nan_to_num(shown), cmap="RdBu_r", vmin=-limit, vmax=limit)
                if not fits:
                    shape = " × ".join(map(str, array.shape))
                    ax.text(0.5, 0.5, shape, ha="center", va="center", transform=ax.transAxes, fontsize=8)
                if row == 0:
                    ax.set_title(title, fontsize=9.5)
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
            line[0].set_ylabel(f"image {row}", fontsize=8.5)
    return fig
