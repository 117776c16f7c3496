"""The pictures on lesson 12's cards: a dimension of the position table on its grid, and a filter per channel."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots import figure, style
from helpers.plots.style import SOFT


def grid_picture(
    old: np.ndarray, wanted: np.ndarray, given: np.ndarray | None, grid: tuple[int, int], prefix: int
) -> Figure:
    """Dimension 0 on the old grid (h, w), on the new one, and in the table that was given."""
    panels: list[tuple[str, np.ndarray | str]] = [("came in", old), ("target", wanted[0, prefix:, 0].reshape(grid))]
    if given is not None:
        fits = given.shape == wanted.shape
        panels.append(("yours", given[0, prefix:, 0].reshape(grid) if fits else _shape(given)))
    with style():
        fig, axes = figure(2.0, width=2.1 * len(panels), columns=len(panels), squeeze=False)
        for ax, (title, values) in zip(axes.flat, panels, strict=True):
            _panel(ax, values, float(np.abs(old).max()))
            ax.set_title(title, fontsize=9)
    return fig


def filters_picture(weight: np.ndarray, wanted: np.ndarray, given: np.ndarray | None) -> Figure:
    """The first filter, slice by slice: as it came in, as it should be, as it was given."""
    rows: list[tuple[str, np.ndarray | str]] = [("came in", weight[0]), ("target", wanted[0])]
    if given is not None:
        fits = given.shape == wanted.shape
        rows.append(("yours", given[0] if fits else _shape(given)))
    columns = max(3, len(wanted[0]))
    high = float(max(np.abs(weight[0]).max(), np.abs(wanted[0]).max()))
    with style():
        fig, axes = figure(
            0.85 * len(rows) + 0.1, width=0.8 * columns + 1.0, rows=len(rows), columns=columns, squeeze=False
        )
        for line, (title, slices) in zip(axes, rows, strict=True):
            for k, ax in enumerate(line):
                if isinstance(slices, str):
                    _panel(ax, "?", high)
                elif k < len(slices):
                    _panel(ax, slices[k], high)
                else:
                    ax.set_axis_off()
            text = f"{title}:\n{slices}" if isinstance(slices, str) else title
            line[0].set_ylabel(text, rotation=0, ha="right", va="center", labelpad=8)
    return fig


def _panel(ax: Axes, values: np.ndarray | str, high: float) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    if isinstance(values, str):
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.text(0.5, 0.5, values, ha="center", va="center", color=SOFT)
        return
    ax.imshow(np.nan_to_num(values.astype(float)), cmap="RdBu_r", vmin=-high, vmax=high)


def _shape(array: np.ndarray) -> str:
    return " × ".join(map(str, array.shape)) or "one number"
