"""Lesson 05's drawings: attention weights, on the image itself or as a matrix, beside the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.plots import COLOURS, WIDTH, curves, figure, show, style
from helpers.plots.arrays import to_numpy, to_picture
from helpers.plots.charts import add_bar, draw_matrix
from helpers.plots.style import INK


def show_looks(
    image: object,
    maps: Mapping[str, object],
    grid: tuple[int, int],
    token: int | None = None,
    side: float = 2.0,
    alt: str | None = None,
) -> None:
    """Draw an image (c, h, w), and beside it what each map (n,) says about its patches, brighter for more.

    A map without negative values is drawn from 0 to its largest value, so that uniform weights are bright, not dark.

    Args:
        grid: rows and columns of patches, n of them.
        token: the patch that attends; it is framed in every panel.
        side: of one panel, in inches.
    """
    picture, fields = to_picture(image), {title: to_numpy(values).reshape(grid) for title, values in maps.items()}
    side = min(side, (WIDTH - 0.2) / (1 + len(fields)))
    with style():
        fig, axes = figure(side + 0.3, width=side * (1 + len(fields)) + 0.1, columns=1 + len(fields), squeeze=False)
        left, *right = axes.flat
        left.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=_extent(grid))
        left.set_title("image" if token is None else f"patch {token} attends", fontsize=9)
        for ax, (title, field) in zip(right, fields.items(), strict=True):
            low = 0.0 if np.min(field) >= 0 else None
            ax.imshow(field, cmap="viridis", extent=_extent(grid), vmin=low)
            ax.set_title(title, fontsize=9)
        for ax in axes.flat:
            _frame(ax, grid, token)
    show(fig, alt or f"An image and {len(fields)} maps over its patches: {', '.join(fields)}.")


def _extent(grid: tuple[int, int]) -> tuple[float, float, float, float]:
    return (-0.5, grid[1] - 0.5, grid[0] - 0.5, -0.5)


def _frame(ax: Axes, grid: tuple[int, int], token: int | None) -> None:
    if token is not None:
        row, column = divmod(token, grid[1])
        frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=COLOURS[1], linewidth=2, clip_on=False)
        ax.add_patch(frame)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def show_matrices(
    panels: Sequence[tuple[str, object]], ylabel: str = "query token", xlabel: str = "key token", alt: str | None = None
) -> None:
    """Draw matrices (n, m) side by side, each on a scale of its own: rows are queries, columns are keys."""
    arrays = [(title, to_numpy(matrix).astype(float)) for title, matrix in panels]
    few = len(arrays) < 3
    side = 2.7 if few else (WIDTH - 0.2) / len(arrays)
    ratio = max(matrix.shape[0] / matrix.shape[1] for _, matrix in arrays)
    with style():
        fig, axes = figure(
            side * (0.76 if few else 0.85) * ratio + 0.6,
            width=side * len(arrays) + 0.1,
            columns=len(arrays),
            squeeze=False,
        )
        for ax, (title, matrix) in zip(axes.flat, arrays, strict=True):
            image = draw_matrix(ax, matrix, diverging=None, ticks=9 if few else 4)
            ax.set(xlabel=xlabel, ylabel=ylabel if ax is axes.flat[0] else "")
            ax.set_title(title, fontsize=9.5)
            if few:
                add_bar(image, ax)
    names = ", ".join(title for title, _ in arrays)
    show(fig, alt or f"Matrices side by side, rows are queries and columns are keys: {names}.")


def show_powers(
    x: Sequence[float],
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    xlabel: str,
    logy: bool = True,
    alt: str | None = None,
) -> None:
    """Draw curves over `x`, one panel per entry of `panels`, named on its y axis; x is logarithmic."""
    names = [name for series in panels.values() for name in series]
    with style():
        fig, axes = figure(2.6, columns=len(panels), squeeze=False)
        for ax, (ylabel, series) in zip(axes.flat, panels.items(), strict=True):
            curves(x, series, xlabel=xlabel, ylabel=ylabel, logx=True, logy=logy, ax=ax, height=2.6)
            ax.set_xticks(list(x), [f"{value:g}" for value in x])
            ax.minorticks_off()
    show(fig, alt or f"{', '.join(panels)} against {xlabel}, on a log scale: {', '.join(dict.fromkeys(names))}.")


def beside_target(
    expected: np.ndarray, got: np.ndarray | None, *, xlabel: str, ylabel: str, titles: Sequence[str] = ("",), low=None
) -> Figure:
    """Panels (k, rows, columns): the target above, what was given below, on the target's scale."""
    rows = [("target", expected)]
    if got is not None:
        fits = got.shape == expected.shape and np.isfinite(got).all()
        sizes = got.shape[1:] if len(expected) == 1 and got.shape[:1] == (1,) else got.shape
        size = "" if got.shape == expected.shape else ": " + " × ".join(map(str, sizes))
        rows.append((f"yours{size}", got.astype(float) if fits else np.full(expected.shape, np.nan)))
    count, (high, wide) = len(expected), expected.shape[1:]
    stacked = count > 1 or wide > 3 * high
    shape = (len(rows), count) if stacked else (1, len(rows))
    side = min(3.0 if not stacked else 5.5 if count == 1 else 2.4, (WIDTH - 0.4) / shape[1])
    tall = float(np.clip(side * high / wide, 0.75, 1.6)) + 0.45
    lowest, highest = float(expected.min()) if low is None else low, float(expected.max())
    with style():
        fig, axes = figure(
            tall * shape[0] + 0.1, width=side * shape[1] + 0.5, rows=shape[0], columns=shape[1], squeeze=False
        )
        lines = axes if stacked else axes.T
        for line, (who, panels) in zip(lines, rows, strict=True):
            for ax, title, matrix in zip(line, titles, panels, strict=True):
                image = draw_matrix(ax, matrix, diverging=None, vmin=lowest, vmax=highest)
                ax.set_aspect("auto")
                ax.set_title(f"{who}, {title}" if title else who, fontsize=9.5)
                if who == rows[-1][0] or not stacked:
                    ax.set_xlabel(xlabel)
                if max(matrix.shape) <= 6:
                    _write_numbers(ax, matrix, image)
            line[0].set_ylabel(ylabel)
        if max(expected.shape[1:]) > 6:
            add_bar(image, axes)
    return fig


def _write_numbers(ax: Axes, matrix: np.ndarray, image) -> None:
    for (row, column), value in np.ndenumerate(matrix):
        if np.isfinite(value):
            dark = np.dot(image.cmap(image.norm(value))[:3], (0.3, 0.59, 0.11)) < 0.5
            text = f"{value:.2f}".replace("-", "−")
            ax.text(column, row, text, ha="center", va="center", fontsize=8.5, color="white" if dark else INK)
