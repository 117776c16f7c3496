"""The pictures on lesson 09's cards: windows, grids, masks and indices beside their target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots import COLOURS, WIDTH, figure, style
from helpers.plots.style import FAINT, INK, SOFT
from helpers.theme import RIM

_UNKNOWN = (0.85, 0.85, 0.85, 1)


def pale(index: np.ndarray, strength: float = 0.45) -> np.ndarray:
    """One pale colour per whole number: (…) -> (…, 4)."""
    index = np.asarray(index, int)
    hue = np.asarray(colormaps["tab20"]((2 * index + index // 10) % 20))
    return np.concatenate([1 - strength * (1 - hue[..., :3]), np.ones((*hue.shape[:-1], 1))], -1)


def bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _shape(array: np.ndarray) -> str:
    return " × ".join(map(str, array.shape))


def windows_picture(wanted: np.ndarray, given: np.ndarray | None, most: int = 6) -> Figure:
    """The first windows (k, m, m, c) in a row, channel 0, and below them those that were given."""
    rows = [("target", wanted)] + ([] if given is None else [("yours", given)])
    count, high = min(most, len(wanted)), float(wanted.max())
    with style():
        fig, axes = figure(
            0.95 * len(rows) + 0.15, width=0.82 * count + 1.0, rows=len(rows), columns=count, squeeze=False
        )
        for line, (title, windows) in zip(axes, rows, strict=True):
            fits = windows.shape == wanted.shape
            for k, ax in enumerate(line):
                if fits:
                    _numbers(ax, windows[k, :, :, 0], high)
                else:
                    bare(ax)
                    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
                    ax.text(0.5, 0.5, "?", ha="center", va="center", fontsize=14, color=RIM)
                if title == "target":
                    ax.set_title(f"window {k}", fontsize=8, loc="center", pad=2)
            text = title if fits else f"{title}:\n{_shape(windows)}"
            line[0].set_ylabel(text, rotation=0, ha="right", va="center", labelpad=8)
    return fig


def _numbers(ax: Axes, array: np.ndarray, high: float, colour: np.ndarray | None = None) -> None:
    """Whole numbers as shades, or in the colours that `colour[number]` names; as text too where there is room."""
    known = np.isfinite(array) & (array >= 0) & (array <= high)
    value = np.where(known, array, 0).astype(int)
    face = colormaps["YlGnBu"](0.08 + 0.6 * value / max(high, 1)) if colour is None else pale(colour[value])
    face[~known] = _UNKNOWN
    ax.imshow(face)
    if array.size <= 36:
        for (y, x), number in np.ndenumerate(array):
            text = f"{number:.3g}" if known[y, x] else "?"
            ax.text(x, y, text, ha="center", va="center", fontsize=8.5, color=INK)
    bare(ax)


def grids_picture(wanted: np.ndarray, given: np.ndarray | None, colour: np.ndarray) -> Figure:
    """Channel 0 of the first image (B, H, W, C), target and yours; `colour[number]` says where a number is from."""
    panels = [("target", wanted)] + ([] if given is None else [("yours", given)])
    high = float(wanted.max())
    with style():
        fig, axes = figure(2.2, width=2.4 * len(panels), columns=len(panels), squeeze=False)
        for ax, (title, grid) in zip(axes.flat, panels, strict=True):
            fits = grid.ndim == 4 and grid.size > 0 and grid.shape[1] * grid.shape[2] <= 1024
            _numbers(ax, grid[0, :, :, 0] if fits else np.full(wanted.shape[1:3], -1.0), high, colour)
            text = title if grid.shape == wanted.shape else f"{title}: {_shape(grid)}"
            ax.set_title(text, fontsize=9.5, loc="left")
    return fig


def masks_picture(
    blocked: np.ndarray, given: np.ndarray | None, odd: Callable[[np.ndarray], np.ndarray], most: int = 6
) -> Figure:
    """The masks (k, n, n) of the last windows, dark where a pair is blocked, and below them those that were given."""
    shown = range(len(blocked))[-most:]
    rows: list[tuple[str, np.ndarray]] = [("target", np.where(blocked, 2, 0))]
    if given is not None:
        fits = given.shape == blocked.shape
        kinds = np.where(odd(given), 1, np.where(given < -1, 2, 0)) if fits else np.ones(blocked.shape, int)
        rows.append(("yours" if fits else f"yours:\n{_shape(given)}", kinds))
    colours = np.array([[0.94, 0.95, 0.97], [0.9, 0.62, 0.0], [0.0, 0.35, 0.55]])
    with style():
        fig, axes = figure(
            1.15 * len(rows) + 0.2,
            width=min(1.1 * len(shown) + 1.0, WIDTH),
            rows=len(rows),
            columns=len(shown),
            squeeze=False,
        )
        for number, (line, (title, kinds)) in enumerate(zip(axes, rows, strict=True)):
            for k, ax in zip(shown, line, strict=True):
                ax.imshow(colours[kinds[k]])
                bare(ax)
                if number == 0:
                    ax.set_title(f"window {k}", fontsize=8, loc="center", pad=2)
            line[0].set_ylabel(title, rotation=0, ha="right", va="center", labelpad=8)
    return fig


def index_picture(wanted: np.ndarray, given: np.ndarray | None, most: int = 16) -> Figure:
    """Matrices of indices (n, n) beside each other, with their numbers where there is room."""
    panels = [("one right way", wanted)] + ([] if given is None else [("yours", given)])
    with style():
        fig, axes = figure(2.5, width=2.6 * len(panels), columns=len(panels), squeeze=False)
        for ax, (title, index) in zip(axes.flat, panels, strict=True):
            if index.ndim != 2 or not index.size or max(index.shape) > 128:
                ax.text(0.5, 0.5, _shape(index), ha="center", va="center", color=SOFT, transform=ax.transAxes)
                bare(ax)
                ax.set_title(title, fontsize=9.5, loc="left")
                continue
            values = np.nan_to_num(np.asarray(index, float))
            low, high = values.min(), max(values.max(), values.min() + 1)
            ax.imshow(colormaps["YlGnBu"](0.05 + 0.6 * (values - low) / (high - low)))
            if len(index) <= most and index.size <= 100:
                for (y, x), number in np.ndenumerate(index):
                    ax.text(x, y, f"{number:.3g}", ha="center", va="center", fontsize=7 if len(index) > 4 else 9)
            ax.set_title(title, fontsize=9.5, loc="left")
            ax.set(xlabel="token asked", ylabel="token that asks")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    return fig


def steered_picture(wanted: np.ndarray, given: np.ndarray | None) -> Figure:
    """Which entry of the table decides for each pair of tokens (n, n), in colours; grey where none does."""
    panels = [("target", wanted)] + ([] if given is None else [("yours", given)])
    with style():
        fig, axes = figure(2.4, width=2.5 * len(panels), columns=len(panels), squeeze=False)
        for ax, (title, owner) in zip(axes.flat, panels, strict=True):
            face = pale(np.where(owner >= 0, owner, 0), 0.7)
            face[owner < 0] = _UNKNOWN
            ax.imshow(face)
            for edge in range(1, len(owner)):
                ax.axhline(edge - 0.5, color="white", linewidth=1)
                ax.axvline(edge - 0.5, color="white", linewidth=1)
            bare(ax)
            ax.set_title(title, fontsize=9.5, loc="left")
            ax.set(xlabel="token asked", ylabel="token that asks")
    return fig


def curves_of_tokens(wanted: np.ndarray, given: np.ndarray | None) -> Figure:
    """One number per token (n,), the answer's beside the target's."""
    with style():
        fig, ax = figure(1.9, width=5.0)
        places = np.arange(wanted.size)
        ax.bar(places - 0.2, wanted, 0.38, color=COLOURS[0], label="target")
        if given is not None and np.shape(given) == wanted.shape:
            ax.bar(places + 0.2, np.nan_to_num(given), 0.38, color=COLOURS[1], label="yours")
        ax.axhline(0, color=FAINT, linewidth=0.8)
        ax.set(xlabel="token", xticks=places)
        ax.legend(loc="upper left", ncols=2)
    return fig
