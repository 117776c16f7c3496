"""Lesson 08's drawings: who is in a mixed image, which samples were dropped, a schedule, gradients, a ladder of recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy, to_pictures
from helpers.plots.charts import add_bar, draw_matrix
from helpers.plots.style import INK, SOFT
from helpers.plots.tiles import tiles

_RIM = "#8c959f"
Pair = tuple[np.ndarray, np.ndarray]


def weights_picture(target: Pair, yours: Pair | None) -> Figure:
    """What each image (row) and each label is made of, the target and the answer: shares of the images of the batch."""
    panels = [("target: images", target[0]), ("labels", target[1])]
    if yours is not None:
        panels += [("yours: images", yours[0]), ("labels", yours[1])]
    with style():
        fig, axes = figure(1.75, width=1.6 * len(panels) + 0.8, columns=len(panels))
        for ax, (title, matrix) in zip(axes, panels, strict=True):
            image = draw_matrix(ax, matrix, diverging=False, vmin=0, vmax=1, ticks=4)
            ax.set(title=title, xlabel="of image")
        axes[0].set_ylabel("mixed image")
        add_bar(image, axes)
    return fig


def dropped_picture(x: np.ndarray, target: np.ndarray, yours: np.ndarray | None, most: int = 14) -> Figure:
    """The first samples as rows of numbers: what went in, the target, the answer."""
    panels = [("x", x), ("target, one draw", target)]
    if yours is not None:
        panels.append(("yours", yours if yours.shape == x.shape else np.full(x.shape, np.nan)))
    with style():
        fig, axes = figure(2.3, width=2.0 * len(panels) + 0.7, columns=len(panels))
        for ax, (title, array) in zip(axes, panels, strict=True):
            image = draw_matrix(ax, array[:most].reshape(most, -1).astype(float), diverging=True, vmin=-3, vmax=3)
            ax.set_aspect("auto")
            ax.set(title=title, xlabel="numbers of a sample")
        axes[0].set_ylabel("sample")
        add_bar(image, axes)
    return fig


def schedule_picture(target: np.ndarray, warmup: int, yours: np.ndarray | None) -> Figure:
    """A learning rate over the steps, the answer on top of the target."""
    with style():
        fig, ax = figure(1.9, width=4.8)
        ax.plot(target, color=COLOURS[0], linewidth=4, alpha=0.35, label="target")
        if yours is not None and yours.shape == target.shape:
            high = 2 * float(np.abs(target).max())
            ax.plot(np.clip(yours, -high, high), color=COLOURS[1], label="yours")
        if warmup:
            ax.axvline(warmup, color=_RIM, linewidth=0.8, linestyle=":")
        ax.set(xlabel="step", ylabel="learning rate")
        ax.legend(loc="upper right")
    return fig


def gradient_picture(target: np.ndarray, yours: np.ndarray | None) -> Figure:
    """Where a step moves the logits (b, classes): up in blue, down in red; the target and the answer."""
    panels = [("target", target)]
    if yours is not None:
        panels.append(("yours", yours if yours.shape == target.shape else np.full(target.shape, np.nan)))
    high = float(np.abs(target).max())
    with style():
        fig, axes = figure(1.9, width=2.7 * len(panels) + 0.8, columns=len(panels), squeeze=False)
        for ax, (title, matrix) in zip(axes.flat, panels, strict=True):
            image = draw_matrix(ax, matrix, diverging=True, vmin=-high, vmax=high, ticks=6)
            ax.set_aspect("auto")
            ax.set(title=f"{title}: slope of the loss", xlabel="class")
        axes.flat[0].set_ylabel("image")
        add_bar(image, axes)
    return fig


def show_mixtures(rows: Sequence[tuple[str, object]], alt: str | None = None) -> None:
    """Rows of images (n, c, h, w), each row with a name at its left."""
    with style():
        pictures = [picture for _, images in rows for picture in to_pictures(images)]
        columns = len(pictures) // len(rows)
        side = min((WIDTH - 1.0) / columns - 0.08, 0.85)
        fig = tiles(pictures, rows=len(rows), columns=columns, side=side, gap=0.08, labels=None)
        width, height = fig.get_size_inches()
        margin = 0.95
        fig.set_size_inches(width + margin, height)
        fig.axes[0].set_position((margin / (width + margin), 0, width / (width + margin), 1))
        for i, (name, _) in enumerate(rows):
            fig.text(0.08 / (width + margin), 1 - (i + 0.5) / len(rows), name, va="center", fontsize=9, color=SOFT)
    names = ", ".join(name for name, _ in rows)
    show(fig, alt or f"{len(rows)} rows of {columns} images each: {names}.")


def show_softened(rows: Mapping[str, object], classes: Sequence[str], alt: str | None = None, image: object = None) -> None:
    """Probabilities of the classes as bars, one panel per entry (a temperature, say), beside the image they are about."""
    with style():
        columns = len(rows) + (image is not None)
        fig, axes = figure(2.5, columns=columns, squeeze=False, width=min(WIDTH, 2.0 * columns + 1.2))
        panels = list(axes.flat)
        if image is not None:
            panels[0].imshow(to_pictures([image])[0])
            panels[0].set_axis_off()
            panels = panels[1:]
        for i, (ax, (name, values)) in enumerate(zip(panels, rows.items(), strict=True)):
            ax.barh(range(len(classes)), to_numpy(values), height=0.7, color=COLOURS[i % 7])
            ax.invert_yaxis()
            ax.set(title=name, xlim=(0, 1), yticks=range(len(classes)))
            ax.set_yticklabels(classes if i == 0 else [""] * len(classes), fontsize=8)
            ax.tick_params(axis="y", length=0)
    show(fig, alt or f"Probabilities of {len(classes)} classes: {', '.join(rows)}.")


def show_depth(kept: object, alt: str | None = None) -> None:
    """Which block (row) every sample (column) went through: (blocks, samples), kept or not."""
    kept = to_numpy(kept).astype(float)
    with style():
        fig, ax = figure(0.19 * len(kept) + 0.75, width=WIDTH)
        ax.imshow(kept, cmap="Blues", vmin=-0.15, vmax=1.35, aspect="auto")
        for row in range(1, len(kept)):
            ax.axhline(row - 0.5, color="white", linewidth=2)
        for column in range(1, kept.shape[1]):
            ax.axvline(column - 0.5, color="white", linewidth=2)
        ax.set(xlabel="sample", ylabel="block", yticks=range(len(kept)), yticklabels=range(1, len(kept) + 1), xticks=[])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
    share = float(kept.mean())
    show(fig, alt or f"{len(kept)} blocks by {kept.shape[1]} samples: {share:.0%} dark, gone through; the rest skipped.")


def show_ladder(
    rungs: Mapping[str, Sequence[float]], live: Mapping[str, Sequence[float]] | None = None, *, xlabel: str,
    alt: str | None = None,
) -> None:  # fmt: skip
    """One line per recipe from the top down: a dot per seed, and mean ± standard deviation; `live` in another colour."""
    names = list(rungs) + [name for name in live or {} if name not in rungs]
    with style():
        fig, ax = figure(0.33 * len(names) + 0.75)
        for offset, colour, runs in ((0.0, COLOURS[0], rungs), (0.24, COLOURS[1], live or {})):
            for name, values in runs.items():
                _rung(ax, names.index(name) + offset, to_numpy(list(values)).astype(float), colour)
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="both")
        ax.margins(x=0.12)
        ax.set_xlabel(xlabel)
    listed = "; ".join(f"{name} {np.mean(values):.1f} ± {np.std(values, ddof=len(values) > 1):.1f}"
                       for name, values in rungs.items())  # fmt: skip
    show(fig, alt or f"A ladder of recipes, {xlabel}: {listed}.")


def _rung(ax: Axes, height: float, values: np.ndarray, colour: str) -> None:
    ax.plot(values, np.full(len(values), height), "o", color=colour, alpha=0.35, markersize=4, markeredgewidth=0)
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    ax.errorbar(values.mean(), height, xerr=spread or None, fmt="D", color=colour, ecolor=INK, markersize=5, capsize=3,
                elinewidth=1.2)  # fmt: skip
    text = f"{values.mean():.1f}" + (f" ± {spread:.1f}" if spread else "")
    ax.annotate(text, (max(values.max(), values.mean() + spread), height), xytext=(6, 0), textcoords="offset points",
                va="center", fontsize=8.5, color=SOFT)  # fmt: skip
