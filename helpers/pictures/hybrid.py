"""Lesson 10's drawings: three places where convolution and attention meet, what is looked at, accuracy against data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy
from helpers.plots.style import INK, SOFT
from helpers.theme import PALE_GREY, RIM

_PAPER = {"c": "#d6e9f5", "a": "#fbe3d3", "": PALE_GREY}
_PLANS = (
    ("before", (("image", ""), ("3 x 3 convolutions", "c"), ("tokens", ""), ("blocks of attention", "a"))),
    ("inside", (("map", ""), ("queries, keys, values", "c"), ("softmax", "a"), ("map", ""))),
    ("between", (("stage of a CNN", "c"), ("non-local block", "a"), ("next stage", "c"), ("answer", ""))),
)


def show_meetings() -> None:
    """Draw three ways to join convolution and attention as rows of boxes: before, inside, between."""
    with style():
        fig, ax = figure(2.1)
        ax.set(xlim=(-0.4, 14.4), ylim=(-0.1, 3.1))
        ax.set_axis_off()
        for row, (name, boxes) in enumerate(_PLANS):
            y = 2.6 - row
            ax.text(1.35, y, f"{name}  (Q{19 + row})", ha="right", va="center", fontsize=9, color=SOFT)
            for k, (text, kind) in enumerate(boxes):
                x = 1.6 + 3.3 * k
                box = FancyBboxPatch((x, y - 0.3), 2.8, 0.6, boxstyle="round,pad=0.02,rounding_size=0.12",
                                     facecolor=_PAPER[kind], edgecolor=RIM)  # fmt: skip
                ax.add_patch(box)
                ax.text(x + 1.4, y, text, ha="center", va="center", fontsize=8)
                if k:
                    ax.annotate("", (x - 0.03, y), (x - 0.5, y), arrowprops={"arrowstyle": "-|>", "color": RIM})
    words = "; ".join(f"{name}: " + ", ".join(text for text, _ in boxes) for name, boxes in _PLANS)
    show(fig, f"Three ways to join convolution (blue) and attention (orange). {words}.")


def show_sights(sights: Mapping[str, object], patch: int, token: int | Sequence[int], alt: str | None = None) -> None:
    """Draw for each name the pixels (h, w) a token depends on, with the grid of patches and the token's own framed."""
    tokens = [token] * len(sights) if isinstance(token, int) else list(token)
    with style():
        side = min(WIDTH / len(sights), 2.5)
        fig, axes = figure(side + 0.25, width=side * len(sights), columns=len(sights), squeeze=False)
        for ax, (name, pixels), number in zip(axes.flat, sights.items(), tokens, strict=True):
            sight(ax, to_numpy(pixels).astype(float), patch, number)
            ax.set_title(name, fontsize=9)
    listed = ", ".join(sights)
    show(fig, alt or f"Pixels that one token depends on, bright where strongly; its own patch is framed. {listed}.")


def sight(ax: Axes, pixels: np.ndarray, patch: int, token: int) -> None:
    """One map of pixels (h, w) on a root scale, so that faint parts show."""
    h, w = pixels.shape
    ax.imshow(np.sqrt(pixels / max(pixels.max(), 1e-12)), cmap="viridis", vmin=0, vmax=1)
    for edge in range(patch, max(h, w), patch):
        if edge < h:
            ax.axhline(edge - 0.5, color="white", linewidth=0.6, alpha=0.5)
        if edge < w:
            ax.axvline(edge - 0.5, color="white", linewidth=0.6, alpha=0.5)
    row, column = divmod(token, w // patch)
    corner = (column * patch - 0.5, row * patch - 0.5)
    ax.add_patch(Rectangle(corner, patch, patch, fill=False, edgecolor=COLOURS[1], linewidth=2))
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def show_sizes(
    runs: Mapping[str, Mapping[int, Sequence[float]]], title: str = "", ylabel: str = "test accuracy, %"
) -> None:
    """Draw accuracy against the number of training images: {model: {images: one value per seed}}, each seed a dot."""
    with style():
        fig, ax = figure(3.0, width=6.2)
        for colour, found in zip(COLOURS, runs.values(), strict=False):
            sizes = sorted(found)
            means = [float(np.mean(found[size])) for size in sizes]
            spread = [float(np.std(found[size], ddof=1)) if len(found[size]) > 1 else 0.0 for size in sizes]
            ax.errorbar(sizes, means, yerr=spread, color=colour, capsize=3, zorder=3)
            for size in sizes:
                ax.scatter(
                    [size] * len(found[size]), found[size], s=14, color=colour, alpha=0.5, linewidths=0, zorder=4
                )
        every = sorted({size for found in runs.values() for size in found})
        ax.set_xscale("log")
        ax.set_xticks(every, [f"{size:,}" for size in every])
        ax.minorticks_off()
        ax.set(title=title, xlabel="training images", ylabel=ylabel)
        ax.grid(axis="y")
        ends = sorted((float(np.mean(found[max(found)])), name) for name, found in runs.items())
        low, high = ax.get_ylim()
        gap, last, places = 0.075 * (high - low), -np.inf, []
        for value, name in ends:
            last = max(value, last + gap)
            places.append((last, name))
        over = max(0.0, last - high)
        for place, name in places:
            ax.annotate(name, (max(every), place - over), xytext=(9, 0), textcoords="offset points", va="center",
                        color=COLOURS[list(runs).index(name)], fontsize=9, annotation_clip=False)  # fmt: skip
    told = "; ".join(
        f"{name}: " + ", ".join(f"{np.mean(found[size]):.0f} at {size:,}" for size in sorted(found))
        for name, found in runs.items()
    )
    show(fig, f"{title or 'Accuracy against training images'}. {told}.")


def show_received(taken: object, received: object, alt: str) -> None:
    """Two maps (h, w) on one scale: what each place takes in all, and what each place is taken in all."""
    maps = {"row sums: what a place takes": to_numpy(taken), "column sums: how often it is taken": to_numpy(received)}
    high = max(float(m.max()) for m in maps.values())
    with style():
        fig, axes = figure(2.5, width=6.0, columns=2)
        for ax, (name, values) in zip(axes, maps.items(), strict=True):
            image = ax.imshow(values, cmap="viridis", vmin=0, vmax=high)
            ax.set_title(name, fontsize=9, color=INK)
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        bar = fig.colorbar(image, ax=axes, shrink=0.9, pad=0.02)
        bar.outline.set_visible(False)
    show(fig, alt)
