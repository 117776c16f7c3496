"""Lesson 12's drawings: what a place's code resembles, a grid made to fit in wrong ways, and how far layers moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import Rectangle

from helpers.plots import COLOURS, WIDTH, curves, figure, show
from helpers.plots.arrays import to_numpy
from helpers.plots.charts import draw_matrix
from helpers.plots.style import SOFT, styled

Grid = tuple[int, int]


def waves(grid: Grid, wide: int = 64, number: float = 2.5) -> np.ndarray:
    """Codes of all places of an image cut into `grid`, whatever the grid: (rows * columns, wide).

    Sines and cosines of where the centre of a patch lies, between 0 and 1 down and across, of up to `number` periods.
    """
    down, across = ((np.arange(n) + 0.5) / n for n in grid)
    speeds = 2 * np.pi * np.linspace(0.5, number, wide // 4)
    codes = [
        np.concatenate([np.sin(y * speeds), np.cos(y * speeds), np.sin(x * speeds), np.cos(x * speeds)])
        for y in down
        for x in across
    ]
    return np.stack(codes).astype(np.float32)


def stretched_as_a_line(places: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """All rows of the grid one after the other, drawn longer or shorter: (n, d) -> (m, d)."""
    count = new[0] * new[1]
    where = (np.arange(count) + 0.5) * len(places) / count - 0.5
    return np.stack([np.interp(where, np.arange(len(places)), column) for column in places.T], 1)


def nearest_copied(places: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """Each new place takes the code of the old place it lies in."""
    row, column = (np.arange(n) * o // n for n, o in zip(new, old, strict=True))
    return places.reshape(*old, -1)[row][:, column].reshape(new[0] * new[1], -1)


def misread(places: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """The table taken for d pictures without moving an axis."""
    pictures = places.reshape(-1, *old)
    row, column = (np.arange(n) * o // n for n, o in zip(new, old, strict=True))
    return pictures[:, row][:, :, column].reshape(new[0] * new[1], -1)


def filled_up(places: np.ndarray, old: Grid, new: Grid) -> np.ndarray:
    """The old grid in a corner, zeros around it."""
    made = np.zeros((*new, places.shape[1]), places.dtype)
    h, w = (min(pair) for pair in zip(old, new, strict=True))
    made[:h, :w] = places.reshape(*old, -1)[:h, :w]
    return made.reshape(new[0] * new[1], -1)


def likeness(places, grid: Grid, place: Grid) -> np.ndarray:
    """Cosine similarity of one place's code with that of each: (n, d) -> (rows, columns)."""
    codes = to_numpy(places).astype(float)
    codes = codes / np.maximum(np.linalg.norm(codes, axis=1, keepdims=True), 1e-9)
    return (codes @ codes[place[0] * grid[1] + place[1]]).reshape(grid)


@styled
def show_likeness(panels: Sequence[tuple[str, object, Grid]], at: tuple[float, float] = (0.3, 0.6)) -> None:
    """For each (title, places (n, d), grid): which places resemble the one at `at`, in shares of height and width."""
    side = min(WIDTH / len(panels), 2.3)
    fig, axes = figure(side + 0.35, width=side * len(panels), columns=len(panels), squeeze=False)
    for ax, (title, places, grid) in zip(axes.flat, panels, strict=True):
        place = (int(at[0] * grid[0]), int(at[1] * grid[1]))
        draw_matrix(ax, likeness(places, grid, place), diverging=True, vmin=-1, vmax=1)
        ax.add_patch(Rectangle((place[1] - 0.5, place[0] - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.4))
        ax.set(xticks=[], yticks=[])
        ax.set_title(title, fontsize=9)
    listed = ", ".join(title.replace("\n", " ") for title, _, _ in panels)
    show(fig, alt=f"Which places resemble one place, red alike, blue opposite. Panels: {listed}.")


@styled
def show_learning(counts: Sequence[int], runs: Mapping[str, Sequence[Sequence[float]]], title: str = "") -> None:
    """Test accuracy against labelled images: one list of seeds per count and kind; points are single runs."""
    fig, ax = figure(2.7)
    means = {name: [float(np.mean(seeds)) for seeds in rows] for name, rows in runs.items()}
    for colour, rows in zip(COLOURS, runs.values(), strict=False):
        for count, seeds in zip(counts, rows, strict=True):
            ax.plot([count] * len(seeds), seeds, "o", color=colour, markersize=4, alpha=0.45, markeredgewidth=0)
    curves(counts, means, title=title, xlabel="labelled images", ylabel="accuracy, %", logx=True, ax=ax)
    ax.set_xticks(list(counts), [str(c) for c in counts])
    ax.minorticks_off()
    listed = "; ".join(f"{n} {', '.join(f'{m:.0f}' for m in row)}" for n, row in means.items())
    show(fig, alt=f"Accuracy against labelled images ({', '.join(map(str, counts))}): {listed}.")


@styled
def show_moves(layers: Sequence[str], moves: Mapping[str, Sequence[float]]) -> None:
    """How far each layer's weights moved, relative to their size: one row of bars per setting."""
    fig, axes = figure(1.9, columns=len(moves), sharey=True, squeeze=False)
    for ax, colour, (name, values) in zip(axes.flat, COLOURS, moves.items(), strict=False):
        ax.bar(range(len(layers)), values, color=colour, width=0.7)
        ax.set_title(name, fontsize=9)
        ax.set_xticks(range(len(layers)), layers, fontsize=8)
        ax.grid(axis="y")
        for k, value in enumerate(values):
            ax.annotate(f"{value:.2f}", (k, value), xytext=(0, 2), textcoords="offset points", ha="center",
                        fontsize=7.5, color=SOFT)  # fmt: skip
        ax.margins(y=0.18)
    axes[0, 0].set_ylabel("change, share of length")
    listed = "; ".join(f"{n}: {', '.join(f'{v:.2f}' for v in row)}" for n, row in moves.items())
    show(fig, alt=f"How far weights moved, relative to their size, for {', '.join(layers)}. {listed}.")
