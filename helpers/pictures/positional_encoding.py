"""Lesson 02's drawings: clock faces, arrows, maps of similarity on the patch grid, matrices beside their target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from helpers.plots import COLOURS, WIDTH, figure, heatmap, show, style
from helpers.plots.arrays import to_numpy, to_picture
from helpers.plots.style import INK, SOFT
from helpers.theme import RIM

_FACE = "#f6f8fa"


def show_clocks(
    rows: object,
    titles: Sequence[str] = (),
    labels: Sequence[str] = (),
    same_hand: bool = False,
    alt: str | None = None,
) -> None:
    """Draw codes (m, d) as m rows of d/2 clocks: a pair of numbers is the tip (across, up) of a clock's hand.

    Args:
        titles: one per clock, above the first row.
        labels: one per row, on the left.
        same_hand: all clocks show one hand at several times, so all have one colour.
    """
    codes = np.atleast_2d(to_numpy(rows).astype(float))
    m, clocks = codes.shape[0], codes.shape[1] // 2
    side = min(0.95, (WIDTH - 1.0) / clocks)
    with style():
        fig, axes = figure(
            m * side + (0.3 if len(titles) else 0.1),
            width=clocks * side + (1.0 if len(labels) else 0.2),
            rows=m,
            columns=clocks,
            squeeze=False,
        )
        for row, (line, code) in enumerate(zip(axes, codes, strict=True)):
            for i, ax in enumerate(line):
                _clock(ax, code[2 * i], code[2 * i + 1], colour=COLOURS[0 if same_hand else i % 7])
                if row == 0 and len(titles):
                    ax.set_title(str(titles[i]), fontsize=8, loc="center", pad=3)
            if len(labels):
                line[0].text(-1.35, 0, str(labels[row]), ha="right", va="center", fontsize=9, color=SOFT)
    show(fig, alt or f"{m} rows of {clocks} clocks with one hand each.")


def _clock(ax: Axes, across: float, up: float, colour: str) -> None:
    ax.add_patch(Circle((0, 0), 1, facecolor=_FACE, edgecolor=RIM, linewidth=1.1))
    for hour in np.arange(0, 2 * np.pi, np.pi / 6):
        ax.plot(np.sin(hour) * np.array([0.88, 0.98]), np.cos(hour) * np.array([0.88, 0.98]), color=RIM, linewidth=0.7)
    ax.plot([0, 0.8 * across], [0, 0.8 * up], color=colour, linewidth=2.4, solid_capstyle="round")
    ax.plot([0], [0], "o", color=colour, markersize=3)
    ax.set(xlim=(-1.12, 1.12), ylim=(-1.12, 1.12), aspect="equal")
    ax.set_axis_off()


def show_arrows(pairs: Sequence[tuple[str, object]], alt: str | None = None) -> None:
    """Draw panels (title, two arrows (2, 2)) side by side, each from the same point."""
    with style():
        fig, axes = figure(1.45, width=min(WIDTH, 1.8 * len(pairs)), columns=len(pairs), squeeze=False)
        for ax, (title, arrows) in zip(axes.flat, pairs, strict=True):
            for (x, y), colour in zip(to_numpy(arrows), COLOURS, strict=False):
                look = {"arrowstyle": "-|>", "color": colour, "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
                ax.annotate("", (x, y), (0, 0), arrowprops=look)
            ax.plot([0], [0], "o", color=SOFT, markersize=3)
            ax.set_title(title, fontsize=9, loc="center")
            ax.set(xlim=(-1.5, 2.1), ylim=(-0.4, 1.8), aspect="equal")
            ax.set_axis_off()
    show(fig, alt or "Pairs of arrows: " + "; ".join(title for title, _ in pairs) + ".")


def show_similarity(
    matrix: object, grid: tuple[int, int], patches: Sequence[int] | None = None, title: str = "", alt: str | None = None
) -> None:
    """Draw rows of a similarity matrix (n, n), each folded back onto the patch grid (rows, columns).

    All patches, each small map in its patch's own place; or only those listed in `patches`, side by side with numbers.
    """
    matrix, (rows, columns) = to_numpy(matrix).astype(float), grid
    chosen = list(range(rows * columns)) if patches is None else list(patches)
    down, across = (rows, columns) if patches is None else (1, len(chosen))
    side = min(2.3 if len(chosen) <= 3 else 0.9, (WIDTH - 1) / across, 4.0 / down)
    low = np.floor(10 * float(np.nanmin(matrix[chosen]))) / 10
    with style():
        fig, axes = figure(
            down * side * rows / max(rows, columns) + 0.35 + 0.2 * (patches is not None),
            width=across * side + 0.8,
            rows=down,
            columns=across,
            squeeze=False,
        )
        for ax, k in zip(axes.flat, chosen, strict=True):
            field = matrix[k].reshape(rows, columns)
            image = ax.imshow(field, cmap="viridis", vmin=low, vmax=1)
            r, c = divmod(k, columns)
            ax.add_patch(
                Rectangle((c - 0.5, r - 0.5), 1, 1, fill=False, edgecolor=COLOURS[1], linewidth=1.8, clip_on=False)
            )
            if patches is not None:
                ax.set_title(f"patch {k}", fontsize=9)
                if rows * columns <= 36 and len(chosen) <= 4:
                    _numbers(ax, field, low)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        fig.colorbar(image, ax=axes, shrink=0.9, pad=0.02, aspect=18).outline.set_visible(False)
        if title:
            fig.suptitle(title, fontsize=10, x=0.02, ha="left")
    listed = ", ".join(map(str, chosen))
    show(fig, alt or f"{title or 'Similarity'} to patches {listed}, on a grid of {rows} by {columns}.")


def _numbers(ax: Axes, field: np.ndarray, low: float) -> None:
    for (r, c), value in np.ndenumerate(field):
        dark = (value - low) / (1 - low) < 0.6
        text = f"{value:.3f}".replace("-", "−")
        ax.text(c, r, text, ha="center", va="center", fontsize=7.5, color="white" if dark else INK)


def show_puzzle(
    image: object, lengths: dict[str, float], title: str = "", limit: float = 1.0, alt: str | None = None
) -> None:
    """Draw an image, and beside it one bar per name, on an axis from 0 to `limit`."""
    with style():
        fig, (left, right) = figure(1.75, width=4.6, columns=2, width_ratios=(1, 1.5))
        picture = to_picture(image)
        left.imshow(picture, cmap="gray", vmin=0, vmax=1)
        left.set(xticks=[], yticks=[])
        left.spines[:].set_visible(False)
        names = list(lengths)
        right.barh(names, [lengths[name] for name in names], color=COLOURS[: len(names)], height=0.5)
        for place, name in enumerate(names):
            value = lengths[name]
            right.text(value + 0.02 * limit, place, f"{value:.2f}", va="center", fontsize=8.5, color=SOFT)
        right.set(xlim=(0, 1.2 * limit), title=title, ylim=(len(names) - 0.4, -0.6))
        right.tick_params(axis="y", length=0)
        right.set_xticks([])
        right.spines["bottom"].set_visible(False)
    show(fig, alt or f"{title}: " + ", ".join(f"{name} {value:.2f}" for name, value in lengths.items()) + ".")


def matrices_picture(
    expected: np.ndarray, got: np.ndarray | None, *, xlabel: str, ylabel: str, limits: tuple[float, float]
) -> Figure:
    """The target, and beside it what was given, as heat maps on one scale; small ones with their numbers."""
    panels = [("target", expected)]
    if got is not None:
        fits = got.ndim == 2 and 0 < got.size <= 4096
        title = "yours" if got.shape == expected.shape else "yours: " + " × ".join(map(str, got.shape))
        panels.append((title, got.astype(float) if fits else np.full(expected.shape, np.nan)))
    tall = expected.shape[0] / expected.shape[1]
    wide = 3.0 if tall < 1.3 else 2.4
    height, width = float(np.clip(wide * tall, 1.1, 2.6)) + 0.5, wide * len(panels) + 0.4
    with style():
        fig, axes = figure(height, width=width, columns=len(panels), squeeze=False)
        for ax, (title, matrix) in zip(axes.flat, panels, strict=True):
            heatmap(
                matrix, title=title, xlabel=xlabel, ylabel=ylabel, values=max(matrix.shape) <= 7, ax=ax, diverging=True,
                vmin=limits[0], vmax=limits[1],
            )  # fmt: skip
    return fig
