"""Lesson 08's drawings: who is in a mixed image, what was dropped, a schedule, gradients, a ladder of recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy, to_picture
from helpers.plots.charts import add_bar, draw_matrix
from helpers.plots.style import INK, SOFT
from helpers.theme import RIM

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
            ax.axvline(warmup, color=RIM, linewidth=0.8, linestyle=":")
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


def show_softened(probabilities: object, classes: Sequence[str], image: object, alt: str | None = None) -> None:
    """An image, and beside it the probabilities of the classes as bars."""
    values = to_numpy(probabilities)
    with style():
        fig, (left, right) = figure(2.0, width=3.4, columns=2)
        left.imshow(to_picture(image))
        left.set_axis_off()
        right.barh(range(len(classes)), values, height=0.7, color=COLOURS[0])
        right.invert_yaxis()
        right.set(xlim=(0, 1), yticks=range(len(classes)))
        right.set_yticklabels(classes, fontsize=7.5)
        right.tick_params(axis="y", length=0)
    listed = ", ".join(f"{name} {value:.2f}" for name, value in zip(classes, values, strict=True))
    show(fig, alt or f"An image, and the probabilities of its classes: {listed}.")


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
    show(
        fig, alt or f"{len(kept)} blocks by {kept.shape[1]} samples: {share:.0%} dark, gone through; the rest skipped."
    )


def show_ladder(rungs: Mapping[str, Sequence[float]], *, xlabel: str, alt: str | None = None) -> None:
    """One line per recipe from the top down: a dot per seed, and mean ± standard deviation."""
    names, listed = list(rungs), []
    with style():
        fig, ax = figure(0.33 * len(names) + 0.75)
        for place, values in enumerate(rungs.values()):
            listed.append(f"{names[place]} {_rung(ax, place, to_numpy(list(values)).astype(float))}")
        ax.set_yticks(range(len(names)), names)
        ax.set_ylim(len(names) - 0.4, -0.6)
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.grid(axis="both")
        ax.margins(x=0.14)
        ax.set_xlabel(xlabel)
    show(fig, alt or f"A ladder of recipes, {xlabel}: {'; '.join(listed)}.")


def _rung(ax: Axes, height: float, values: np.ndarray) -> str:
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    ax.errorbar(values.mean(), height, xerr=spread or None, fmt="D", color=COLOURS[0], ecolor=INK, markersize=5,
                capsize=3, elinewidth=1.2)  # fmt: skip
    ax.plot(
        values, np.full(len(values), height + 0.24), "o", color=COLOURS[1], alpha=0.6, markersize=4, markeredgewidth=0
    )
    text = f"{values.mean():.1f}" + (f" ± {spread:.1f}" if spread else "")
    ax.annotate(text, (values.mean() + spread, height), xytext=(8, 0), textcoords="offset points", va="center",
                fontsize=8.5, color=SOFT)  # fmt: skip
    return text
