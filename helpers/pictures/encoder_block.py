"""Lesson 06's figures: tensors beside their target, activations, pre-norm and post-norm, tokens on a ring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy
from helpers.plots.charts import add_bar, draw_matrix
from helpers.plots.style import INK
from helpers.theme import PALE_BLUE, PALE_GREEN, PALE_ORANGE, RIM

_PAPER = {"norm": PALE_BLUE, "attention": PALE_ORANGE, "feed-forward": PALE_GREEN}


def panels_picture(panels: Sequence[tuple[str, np.ndarray]], most: int = 12) -> Figure:
    """Arrays (…, d) side by side as rows of colours, one row per token, on one scale."""
    rows = []
    for title, array in panels:
        array = np.asarray(array, float)
        flat = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
        rows.append((title, flat[:most, :16]))
    finite = np.concatenate([a[np.isfinite(a)] for _, a in rows[:2]])
    limits = {"vmin": finite.min(), "vmax": finite.max()} if finite.size else {}
    high = max(len(a) for _, a in rows)
    with style():
        fig, axes = figure(0.16 * high + 0.75, width=1.7 * len(rows) + 0.9, columns=len(rows), squeeze=False)
        for ax, (title, array) in zip(axes.flat, rows, strict=True):
            image = draw_matrix(ax, array, diverging=True, ticks=4, **limits)
            ax.set_aspect("auto")
            ax.set(title=title, xlabel="dimension")
        axes.flat[0].set_ylabel("token")
        add_bar(image, axes)
    return fig


def activation_picture(x: np.ndarray, wanted: np.ndarray, yours: np.ndarray | None) -> Figure:
    """An activation as a curve, the answer's on top of the target."""
    with style():
        fig, ax = figure(2.0, width=4.4)
        ax.axhline(0, color=RIM, linewidth=0.8)
        ax.plot(x, wanted, color=COLOURS[0], linewidth=4, alpha=0.35, label="target")
        if yours is not None and np.shape(yours) == np.shape(x):
            ax.plot(x, yours, color=COLOURS[1], label="yours")
        ax.set(xlabel="one number in", ylabel="out", ylim=(-1.2, 4.2))
        ax.legend(loc="upper left")
    return fig


def show_wiring(kinds: Sequence[str] = ("pre",), alt: str | None = None) -> None:
    """Draw the residual stream of a block from left to right: "pre" with norms in the branches, "post" on it."""
    with style():
        fig, axes = figure(1.75 * len(kinds), rows=len(kinds), squeeze=False)
        for ax, kind in zip(axes.flat, kinds, strict=True):
            _wiring(ax, kind)
            if len(kinds) > 1:
                ax.set_title({"pre": "pre-norm (ViT)", "post": "post-norm (2017)"}[kind], fontsize=9.5)
    words = {
        "pre": "pre-norm: a stream runs through from x to out, two branches read a normed copy and add to it",
        "post": "post-norm: after each addition the stream itself goes through a norm",
    }
    show(fig, alt or "Wiring of an encoder block. " + ". ".join(words[kind] for kind in kinds) + ".")


def _wiring(ax: Axes, kind: str) -> None:
    ax.set(xlim=(0, 14.4), ylim=(-0.75, 2.15))
    ax.set_axis_off()
    ax.plot([0.9, 13.4], [0, 0], color=COLOURS[0], linewidth=4, solid_capstyle="butt", zorder=1)
    ax.annotate("", (13.8, 0), (13.2, 0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0], "linewidth": 3})
    ax.text(0.7, 0, "x", ha="right", va="center", fontsize=11)
    ax.text(13.95, 0, "out", ha="left", va="center", fontsize=10)
    for start, what in ((1.3, "attention"), (7.4, "feed-forward")):
        end = start + (5.1 if kind == "pre" else 4.1)
        ax.plot([start, start, end, end], [0, 1.35, 1.35, 0.18], color=RIM, linewidth=1.4, zorder=1)
        ax.plot([start], [0], "o", color=COLOURS[0], markersize=5, zorder=3)
        if kind == "pre":
            _box(ax, start + 0.45, 1.35, 1.2, "norm")
            _box(ax, start + 2.05, 1.35, 2.6, what)
        else:
            _box(ax, start + 0.8, 1.35, 2.6, what)
            _box(ax, end + 0.45, 0, 1.2, "norm")
        ax.plot([end], [0], "o", color="white", markeredgecolor=COLOURS[0], markersize=13, zorder=3)
        ax.text(end, -0.02, "+", ha="center", va="center", fontsize=12, zorder=4)
    ax.text(1.2, -0.55, "the residual stream", fontsize=8.5, color=COLOURS[0], ha="left", va="center")


def _box(ax: Axes, left: float, middle: float, width: float, text: str) -> None:
    box = FancyBboxPatch(
        (left, middle - 0.36), width, 0.72, boxstyle="round,pad=0.02,rounding_size=0.12",
        facecolor=_PAPER[text], edgecolor=RIM, linewidth=1, zorder=2,
    )  # fmt: skip
    ax.add_patch(box)
    ax.text(left + width / 2, middle, text, ha="center", va="center", fontsize=9, zorder=5, color=INK)


def show_ring(before: object, after: object, alt: str | None = None) -> None:
    """Draw tokens (n, 3) before and after a norm, seen along (1, 1, 1): what is left of them when the mean is gone."""
    across = np.array([[1, -1, 0], [1, 1, -2]]) / np.sqrt([[2], [6]])
    with style():
        fig, axes = figure(2.6, width=5.4, columns=2)
        for ax, (title, tokens) in zip(axes, (("before", before), ("after", after)), strict=True):
            flat = to_numpy(tokens).astype(float) @ across.T
            turn = np.arctan2(*(to_numpy(before).astype(float) @ across.T).T)
            ax.scatter(*flat.T, c=turn, cmap="twilight", s=12, linewidths=0)
            ax.set(title=title, aspect="equal", xlim=(-4.2, 4.2), ylim=(-4.2, 4.2))
            ax.axhline(0, color=RIM, linewidth=0.6, zorder=0)
            ax.axvline(0, color=RIM, linewidth=0.6, zorder=0)
    show(fig, alt or "Tokens of width 3 seen along the diagonal: a cloud before, a thin ring after.")


def show_activations(curves_of: dict[str, tuple[object, object]], x: object, alt: str | None = None) -> None:
    """Draw activations: on the left their values over x, on the right their derivatives."""
    x = to_numpy(x)
    with style():
        fig, (left, right) = figure(2.4, columns=2, width=WIDTH)
        for colour, (name, (value, slope)) in zip(COLOURS, curves_of.items(), strict=False):
            left.plot(x, to_numpy(value), color=colour, label=name)
            right.plot(x, to_numpy(slope), color=colour, label=name)
        left.set(title="value", xlabel="x")
        right.set(title="derivative", xlabel="x")
        for ax in (left, right):
            ax.axhline(0, color=RIM, linewidth=0.8, zorder=0)
        left.legend(loc="upper left")
    show(fig, alt or f"Values and derivatives of {', '.join(curves_of)}.")


def value_panels(
    wanted: np.ndarray, got: Mapping[str, np.ndarray] | None, name: str, first: tuple[str, np.ndarray]
) -> Figure:
    """A first panel, the target, and beside them array `name` of the answer when there is one.

    Where the answer has the target's shape and other numbers, a last panel shows the difference.
    """
    panels = [first, ("target", wanted)]
    if got is not None and name in got and got[name].ndim >= 1 and got[name].size:
        panels.append(("yours", got[name]))
        if got[name].shape == wanted.shape and not np.allclose(got[name], wanted, atol=1e-3):
            panels.append(("yours − target", np.asarray(got[name], np.float64) - wanted))
    return panels_picture(panels)
