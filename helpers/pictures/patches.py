"""Lesson 01's drawings: numbered pixels, patches beside their target, joined patches in colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots import WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy
from helpers.plots.style import INK
from helpers.theme import RIM

_SHADES = colormaps["YlGnBu"]


def show_numbers(panels: Sequence[tuple[str, object]], groups: object = None, alt: str | None = None) -> None:
    """Draw small whole-number arrays (h, w) side by side, each cell with its number.

    `groups`, of any shape, says for number v in `groups.flat[v]` which colour its cell gets wherever it is drawn.
    """
    arrays = [(title, np.atleast_2d(to_numpy(array))) for title, array in panels]
    colour = None if groups is None else to_numpy(groups).reshape(-1)
    widths = [a.shape[1] for _, a in arrays]
    side = min(0.36, (WIDTH - 0.3 * len(arrays)) / sum(widths))
    heights = max(a.shape[0] for _, a in arrays)
    with style():
        fig, axes = figure(
            heights * side + 0.35,
            width=min(WIDTH, sum(widths) * side + 0.35 * len(arrays)),
            columns=len(arrays),
            squeeze=False,
            width_ratios=widths,
        )
        for ax, (title, array) in zip(axes.flat, arrays, strict=True):
            _cells(ax, array, colour, high=max(a.max() for _, a in arrays))
            ax.set_title(title, fontsize=9.5, loc="left")
            ax.set_anchor("NW")
    show(fig, alt or "Numbered pixels. " + "; ".join(f"{title}: {a.tolist()}" for title, a in arrays) + ".")


def _cells(ax: Axes, array: np.ndarray, colour: np.ndarray | None, high: float) -> None:
    known = np.isfinite(array) & (array >= 0) & (array <= high)
    whole = np.where(known, array, 0).astype(int)
    face = _SHADES(0.08 + 0.75 * whole / max(high, 1)) if colour is None else _pale(colour[whole])
    face[~known] = (0.85, 0.85, 0.85, 1)
    ax.imshow(face)
    for edge in range(1, array.shape[0]):
        ax.axhline(edge - 0.5, color="white", linewidth=1)
    for edge in range(1, array.shape[1]):
        ax.axvline(edge - 0.5, color="white", linewidth=1)
    for (y, x), value in np.ndenumerate(array):
        dark = face[y, x, :3] @ (0.3, 0.59, 0.11) < 0.5
        text = f"{value:.3g}" if known[y, x] else "?"
        ax.text(x, y, text, ha="center", va="center", fontsize=8, color="white" if dark else INK)
    _bare(ax)


def _pale(index: np.ndarray, depth: np.ndarray | float = 1.0) -> np.ndarray:
    """One pale colour per whole number; `depth` in 0..1 makes it stronger."""
    hue = colormaps["tab20"]((2 * np.asarray(index) + np.asarray(index) // 10) % 20)
    strength = (0.25 + 0.45 * np.asarray(depth))[..., None] if np.ndim(depth) else 0.45
    return np.concatenate([1 - strength * (1 - hue[..., :3]), np.ones((*hue.shape[:-1], 1))], -1)


def _bare(ax: Axes) -> None:
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def patches_picture(expected: np.ndarray, got: np.ndarray | None, most: int = 8) -> Figure:
    """The first image's patches in a row, and below them the ones that were given; expected (b, n, c, ph, pw)."""
    rows: list[tuple[str, np.ndarray | None]] = [("target", expected)]
    if got is not None:
        given, title = _as_patches(got, expected.shape)
        rows.append((title, given))
    count = min(most, expected.shape[1])
    with style():
        fig, axes = figure(
            0.95 * len(rows) + 0.1, width=0.82 * count + 0.9, rows=len(rows), columns=count, squeeze=False
        )
        for number, (line, (title, patches)) in enumerate(zip(axes, rows, strict=True)):
            for k, ax in enumerate(line):
                _patch(ax, None if patches is None else patches[0, k], high=expected.max())
                if number == 0:
                    ax.set_title(f"patch {k}", fontsize=8, loc="center", pad=2)
            line[0].set_ylabel(title, rotation=0, ha="right", va="center", labelpad=8)
    return fig


def _as_patches(got: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray | None, str]:
    """What was given as patches, if it can be drawn at all, and the words beside it."""
    if got.shape == shape:
        return got, "yours"
    return None, "yours:\n" + " × ".join(map(str, got.shape))


def _patch(ax: Axes, patch: np.ndarray | None, high: float) -> None:
    _bare(ax)
    if patch is None:
        ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        ax.text(0.5, 0.5, "?", ha="center", va="center", fontsize=14, color=RIM)
    elif patch.shape[0] == 1 and patch[0].size <= 9:
        _cells(ax, patch[0], None, high)
    else:
        shown = np.clip(np.nan_to_num(np.moveaxis(patch, 0, -1)) / max(float(high), 1.0), 0, 1)
        ax.imshow(shown if shown.shape[-1] == 3 else shown[..., 0], cmap="gray", vmin=0, vmax=1)


def joined_picture(expected: np.ndarray, got: np.ndarray | None, patch_of: np.ndarray, place_of: np.ndarray) -> Figure:
    """The first image, target and yours: the colour says which patch a pixel is from, its depth where in the patch."""
    panels = [("target", expected[0, 0])]
    if got is not None:
        fits = got.ndim == 4 and got.shape[-2] * got.shape[-1] <= 1024
        title = "yours" if got.shape == expected.shape else "yours: " + " × ".join(map(str, got.shape))
        panels.append((title, got[0, 0] if fits else np.full_like(expected[0, 0], -1)))
    h, w = expected.shape[-2:]
    high = expected.max()
    with style():
        fig, axes = figure(2.2, width=2.3 * max(w / h, 0.9) * len(panels), columns=len(panels), squeeze=False)
        for ax, (title, array) in zip(axes.flat, panels, strict=True):
            known = np.isfinite(array) & (array >= 0) & (array <= high)
            value = np.where(known, array, 0).astype(int)
            face = _pale(patch_of[value], place_of[value] / max(place_of.max(), 1))
            face[~known] = (0.85, 0.85, 0.85, 1)
            ax.imshow(face)
            if array.size <= 36:
                for (y, x), number in np.ndenumerate(array):
                    ax.text(
                        x,
                        y,
                        f"{number:.3g}" if known[y, x] else "?",
                        ha="center",
                        va="center",
                        fontsize=9,
                        color=INK,
                    )
            ax.set_title(title, fontsize=9.5, loc="left")
            _bare(ax)
    return fig
