"""Charts: a matrix, curves, bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from helpers.plots.arrays import to_numpy
from helpers.plots.style import COLOURS, FAINT, INK, SOFT, WIDTH, figure, show, styled
from helpers.theme import RIM


def _page(ax: Axes | None, **size: float) -> tuple[Figure | None, Axes]:
    """The axes to draw into: those given, or a figure of their own."""
    return (None, ax) if ax is not None else figure(**size)


@styled
def heatmap(
    matrix, title: str = "", xlabel: str = "", ylabel: str = "", values: bool = False,
    diverging: bool | None = None, ax: Axes | None = None, alt: str | None = None,
    vmin: float | None = None, vmax: float | None = None,
):  # fmt: skip
    """Draw a matrix (rows, columns) as colours, with a colour bar.

    Zero is white when the data has both signs (or `diverging=True`). Entries that aren't finite, as in a mask of
    -inf, stay grey. `values=True` prints the numbers. With `ax` it draws there and shows nothing.
    """
    matrix = to_numpy(matrix).astype(float)
    if matrix.ndim != 2:
        raise ValueError(f"heatmap needs a matrix (rows, columns), and got shape {matrix.shape}.")
    fig, ax = _page(ax, **_size(matrix, values))
    image = draw_matrix(ax, matrix, diverging=diverging, vmin=vmin, vmax=vmax)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if values:
        _print_values(ax, matrix, image)
    add_bar(image, ax)
    if fig is not None:
        show(fig, alt or _matrix_alt(matrix, title))


def _size(matrix: np.ndarray, values: bool) -> dict[str, float]:
    """Inches of a figure in which the cells are square, unless the matrix is very long."""
    rows, columns = matrix.shape
    cell = 0.5 if values else 0.32
    wide, high = min(cell * columns, WIDTH - 1.2), min(cell * rows, 3.9)
    if _is_long(matrix):
        high = min(0.13 * rows + 0.6, 3.4)
    else:
        scale = min(wide / columns, high / rows)
        wide, high = max(scale * columns, 1.6), max(scale * rows, 1.0)
    return {"width": max(wide, 1.6) + 1.2, "height": max(high, 1.0) + 0.65}


def _is_long(matrix: np.ndarray) -> bool:
    return max(matrix.shape) > 3.5 * min(matrix.shape)


def add_bar(image, axes) -> None:
    """The colour bar of an image, beside one axes or several."""
    one = isinstance(axes, Axes)
    fig = (axes if one else np.ravel(axes)[0]).figure
    bar = fig.colorbar(image, ax=axes, shrink=0.95, pad=0.02, aspect=18 if one else 24)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8)
    bar.locator = MaxNLocator(5, steps=[1, 2, 5, 10])
    bar.update_ticks()


def draw_matrix(ax: Axes, matrix: np.ndarray, *, diverging: bool | None, vmin=None, vmax=None, ticks: int = 9):
    """`imshow` with our colour maps; returns the image."""
    finite = matrix[np.isfinite(matrix)]
    low = vmin if vmin is not None else (finite.min() if finite.size else 0.0)
    high = vmax if vmax is not None else (finite.max() if finite.size else 1.0)
    if diverging is None:
        diverging = low < 0 < high
    if diverging:
        high = max(abs(low), abs(high)) or 1.0
        low = -high
    elif high <= low:
        high = low + 1.0
    colours = colormaps["RdBu_r" if diverging else "viridis"].with_extremes(bad=FAINT)
    shown = np.ma.masked_invalid(matrix)
    image = ax.imshow(shown, cmap=colours, vmin=low, vmax=high)
    ax.set_aspect("auto" if _is_long(matrix) else "equal")
    ax.tick_params(length=0)
    for axis, count in ((ax.xaxis, matrix.shape[1]), (ax.yaxis, matrix.shape[0])):
        axis.set_ticks(_ticks(count, ticks))
    ax.spines[:].set_visible(False)
    return image


def _ticks(count: int, most: int) -> list[int]:
    """Every row, or every second, fourth, eighth one, so that there are at most `most` numbers."""
    step = 1
    while count / step > most:
        step *= 2
    return list(range(0, count, step))


def _print_values(ax: Axes, matrix: np.ndarray, image) -> None:
    size = float(np.clip(90 / max(matrix.shape), 5.5, 9))
    for (i, j), value in np.ndenumerate(matrix):
        r, g, b, _ = image.cmap(image.norm(value)) if np.isfinite(value) else (0.85, 0.85, 0.85, 1)
        ink = "white" if 0.3 * r + 0.59 * g + 0.11 * b < 0.5 else INK
        text = f"{value:.2f}" if np.isfinite(value) else ("−∞" if value < 0 else "∞" if value > 0 else "–")
        ax.text(j, i, text.replace("-", "−"), ha="center", va="center", color=ink, fontsize=size)


def _matrix_alt(matrix: np.ndarray, title: str) -> str:
    finite = matrix[np.isfinite(matrix)]
    span = f", values from {finite.min():.3g} to {finite.max():.3g}" if finite.size else ""
    return f"Heat map{': ' + title if title else ''}, {matrix.shape[0]} rows by {matrix.shape[1]} columns{span}."


@styled
def curves(
    x, series: Mapping[str, Sequence[float]], title: str = "", xlabel: str = "", ylabel: str = "",
    logx: bool = False, logy: bool = False, bands: Mapping | None = None, alt: str | None = None,
    ax: Axes | None = None, height: float = 2.9,
):  # fmt: skip
    """Draw one line per entry of `series` over `x`; each is named at its right end.

    `bands` gives an interval per name: half its width, or a pair (low, high). With `ax` it draws there only.
    """
    x = to_numpy(x)
    fig, ax = _page(ax, height=height)
    ax.set_xscale("log" if logx else "linear")
    ax.set_yscale("log" if logy else "linear")
    lines = {}
    for colour, (name, values) in zip(_cycle(), series.items(), strict=False):
        y = to_numpy(values).astype(float)
        if y.shape != x.shape:
            raise ValueError(f"curve {name!r} has shape {y.shape}, and x has {x.shape}: they must agree.")
        ax.plot(x, y, color=colour, marker="o" if len(x) <= 12 else None, markersize=4)
        lines[name] = (colour, y)
        if bands and name in bands:
            band = bands[name]
            low, high = band if isinstance(band, tuple) else (y - to_numpy(band), y + to_numpy(band))
            ax.fill_between(x, to_numpy(low), to_numpy(high), color=colour, alpha=0.16, linewidth=0)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    ax.grid(axis="y")
    ax.margins(x=0.02)
    if any(lines):
        _name_lines(ax, lines, gap=0.16 / max(height - 0.8, 0.5))
    if fig is not None:
        show(fig, alt or f"Curves{': ' + title if title else ''}, {', '.join(lines)}; {ylabel} against {xlabel}.")


def _cycle():
    while True:
        yield from COLOURS[:7]


def _name_lines(ax: Axes, lines: dict, *, gap: float) -> None:
    """Write each name where its line ends, pushed apart so that no two overlap."""
    to_axes = (ax.transData + ax.transAxes.inverted()).transform
    x_end = ax.get_xlim()[1]
    ends = []
    for name, (colour, y) in lines.items():
        last = y[np.isfinite(y)][-1:] if np.isfinite(y).any() else [ax.get_ylim()[0]]
        ends.append([float(to_axes((x_end, last[0]))[1]), name, colour])
    ends.sort(key=lambda end: end[0])
    for below, above in pairwise(ends):
        above[0] = max(above[0], below[0] + gap)
    overshoot = ends[-1][0] - 1
    if overshoot > 0:
        ends[-1][0] -= overshoot
        for i in range(len(ends) - 2, -1, -1):
            ends[i][0] = min(ends[i][0], ends[i + 1][0] - gap)
    for height, name, colour in ends:
        ax.annotate(
            name, (1, height), xycoords="axes fraction", xytext=(6, 0), textcoords="offset points",
            va="center", color=0.78 * np.array(to_rgb(colour)), fontsize=9, annotation_clip=False,
        )  # fmt: skip


@styled
def bars(
    values: Mapping[str, float], errors: Mapping[str, float] | None = None, title: str = "", xlabel: str = "",
    ylabel: str = "", form: str = "{:.3g}", alt: str | None = None, ax: Axes | None = None,
):  # fmt: skip
    """Draw one horizontal bar per entry, its value at its end; `errors` are half widths, by the same names."""
    names, lengths = list(values), np.array([float(value) for value in values.values()])
    spread = np.array([float((errors or {}).get(name, 0)) for name in names])
    fig, ax = _page(ax, height=0.32 * len(names) + (0.85 if xlabel else 0.6) + (0.2 if title else 0))
    places = np.arange(len(names))
    ax.barh(places, lengths, height=0.68, color=COLOURS[0], xerr=spread if errors else None,
            error_kw={"ecolor": INK, "elinewidth": 1.2, "capsize": 3})  # fmt: skip
    for place, length, half in zip(places, lengths, spread, strict=True):
        text = form.format(length) + (f" ± {form.format(half)}" if half else "")
        end, side = (length + half, 1) if length >= 0 else (length - half, -1)
        ax.annotate(
            text.replace("-", "−"), (end, place), xytext=(4 * side, 0), textcoords="offset points",
            va="center", ha="left" if side > 0 else "right", fontsize=8.5, color=SOFT,
        )  # fmt: skip
    ax.set_yticks(places, names)
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.axvline(0, color=RIM, linewidth=1)
    ax.grid(axis="x")
    ax.margins(x=0.14)
    if (lengths >= 0).all():
        ax.set_xlim(left=0)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if fig is not None:
        listed = ", ".join(f"{name} {form.format(value)}" for name, value in zip(names, lengths, strict=True))
        show(fig, alt or f"Bars{': ' + title if title else ''}. {listed}.")
