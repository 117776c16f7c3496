"""Lesson 00's drawings: receptive fields, pushed images, which token depends on which, a race, a time line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy, to_picture
from helpers.plots.charts import add_bar, draw_matrix
from helpers.plots.style import FAINT, INK, SOFT
from helpers.plots.tiles import draw_image
from helpers.theme import RIM, RUST

WRONG = RUST


def fields_picture(kernels, strides, wanted: np.ndarray, yours: np.ndarray | None) -> Figure:
    """One row per stack: the side of its field as a bar, the answer's below the target, wrong ones with a cross."""
    names = [_stack_name(k, s) for k, s in zip(kernels, strides, strict=True)]
    with style():
        fig, ax = figure(0.42 * len(names) + 0.75, width=5.6)
        places = np.arange(len(names), dtype=float)
        pairs = [("target", wanted, COLOURS[0], 0.0)]
        if yours is not None and len(yours) == len(names):
            pairs = [("target", wanted, COLOURS[0], -0.19), ("yours", yours, COLOURS[1], 0.19)]
        for label, values, colour, shift in pairs:
            shown = np.clip(np.nan_to_num(np.asarray(values, float)), 0, 3 * float(np.max(wanted)))
            high = 0.7 if len(pairs) == 1 else 0.36
            ax.barh(places + shift, shown, height=high, color=colour, label=label)
            for place, value, end, right in zip(places, values, shown, wanted, strict=True):
                wrong = label == "yours" and not np.isclose(float(value), float(right))
                text, ink = (f" ✗ {float(value):g}", WRONG) if wrong else (f" {float(value):g}", SOFT)
                ax.text(end, place + shift, text, va="center", fontsize=8, color=ink)
        ax.set_yticks(places, names)
        ax.invert_yaxis()
        ax.margins(x=0.12)
        ax.set(xlabel="pixels that one output pixel sees, per side")
        if len(pairs) > 1:
            ax.legend(loc="lower right")
    return fig


def _stack_name(kernels: Sequence[int], strides: Sequence[int]) -> str:
    return "  ".join(f"{k}" + (f"/{s}" if s > 1 else "") for k, s in zip(kernels, strides, strict=True))


def maps_picture(image: np.ndarray, wanted: np.ndarray, yours: np.ndarray | None) -> Figure:
    """The image, the target's map of slopes, the answer's beside it on the same scale."""
    panels = [("target", np.asarray(wanted, float))]
    if yours is not None and yours.size:
        flat = np.asarray(yours, float)
        while flat.ndim > 2:
            flat = flat[0]
        panels.append(("yours", flat))
    with style():
        fig, axes = figure(2.1, width=2.0 * (len(panels) + 1) + 0.6, columns=len(panels) + 1)
        draw_image(axes[0], to_picture(np.asarray(image)))
        axes[0].set_title("image")
        top = float(np.max(wanted))
        for ax, (title, array) in zip(axes[1:], panels, strict=True):
            low = -top if (array < 0).any() else 0.0
            shown = draw_matrix(ax, array, diverging=low < 0, vmin=low, vmax=top, ticks=4)
            ax.set_title(title)
        add_bar(shown, axes[1:])
    return fig


def show_cone(reached: Sequence, kernels: Sequence[int], strides: Sequence[int], alt: str | None = None) -> None:
    """Draw a stack of 1-D convolutions as rows of dots; `reached` says per row, input first, which dots matter.

    Args:
        reached: rows of slopes; a dot is filled where its slope is not 0.
    """
    rows = [to_numpy(row) != 0 for row in reached]
    step, shift, places = 1.0, 0.0, [np.arange(len(rows[0]), dtype=float)]
    for k, s, row in zip(kernels, strides, rows[1:], strict=True):
        shift += (k - 1) / 2 * step
        step *= s
        places.append(shift + step * np.arange(len(row)))
    with style():
        fig, ax = figure(0.55 * len(rows) + 0.2)
        for level, (k, s) in enumerate(zip(kernels, strides, strict=True), 1):
            for i, x in enumerate(places[level]):
                for j in range(k):
                    live = rows[level][i] and rows[level - 1][s * i + j]
                    ax.plot([places[level - 1][s * i + j], x], [level - 1, level], zorder=2 if live else 1,
                            color=COLOURS[1] if live else FAINT, linewidth=1.3 if live else 0.7)  # fmt: skip
        for level, (xs, row) in enumerate(zip(places, rows, strict=True)):
            ax.scatter(xs[~row], [level] * int((~row).sum()), s=26, color="white", edgecolors=RIM, zorder=3)
            ax.scatter(xs[row], [level] * int(row.sum()), s=34, color=COLOURS[1], zorder=4)
            label = "input" if level == 0 else f"kernel {kernels[level - 1]}, stride {strides[level - 1]}"
            ax.text(-1.0, level, f"{label}: {int(row.sum())}", ha="right", va="center", fontsize=8.5, color=SOFT)
        ax.set(xlim=(-7.5, len(rows[0])), ylim=(-0.4, len(rows) - 0.6))
        ax.set_axis_off()
    counts = ", ".join(str(int(row.sum())) for row in rows[::-1])
    show(fig, alt or f"A cone of dots from one output down to the input: {counts} dots per row.")


def show_fields(maps: Mapping[str, tuple], alt: str | None = None) -> None:
    """Draw maps (h, w) of slopes; solid square: what theory allows; dashed: what holds most of the slope.

    Args:
        maps: title to (map, side by theory or None, side of the square that holds most).
    """
    with style():
        wide = min(2.2 * len(maps), WIDTH)
        fig, axes = figure(wide / len(maps) + 0.2, width=wide, columns=len(maps), squeeze=False)
        for ax, (title, (found, theory, effective)) in zip(axes.flat, maps.items(), strict=True):
            array = to_numpy(found).astype(float)
            ax.imshow(np.sqrt(array / array.max()), cmap="viridis", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[], title=title)
            for side, dash in ((theory, "-"), (effective, "--")):
                if side is not None and side <= len(array):
                    corner = (len(array) - 1 - side) / 2
                    ax.add_patch(Rectangle((corner, corner), side, side, fill=False, edgecolor="white",
                                           linewidth=1.3, linestyle=dash))  # fmt: skip
            ax.spines[:].set_visible(False)
    told = "; ".join(
        f"{title}: theory {theory or 'everything'}, most of it within {effective}"
        for title, (_, theory, effective) in maps.items()
    )
    show(fig, alt or f"Maps of the gradient around the centre, brightest in the middle. {told}.")


def show_ways(slopes: Mapping[str, object], alt: str | None = None) -> None:
    """Draw per way a matrix (outputs, inputs) of slopes as lines from the inputs below to the outputs above.

    The last output's lines are coloured. Where tokens wait for each other (an entry may be a pair: matrix, True),
    arrows run from one output to the next instead.
    """
    with style():
        fig, axes = figure(1.75, columns=len(slopes), squeeze=False)
        for ax, (title, given) in zip(axes.flat, slopes.items(), strict=True):
            matrix, chained = given if isinstance(given, tuple) else (given, False)
            matrix = to_numpy(matrix) != 0
            n = len(matrix)
            for i in range(n):
                for j in range(n):
                    if matrix[i, j] and (not chained or i == j):
                        last = i == n - 1 or chained
                        _line(ax, (j, 0), (i, 1), strong=last)
            for i in range(n - 1 if chained else 0):
                ax.annotate("", (i + 0.86, 1), (i + 0.14, 1),
                            arrowprops={"arrowstyle": "-|>", "color": COLOURS[1], "linewidth": 1.3})  # fmt: skip
            ax.scatter(range(n), [0] * n, s=30, color="white", edgecolors=RIM, zorder=3)
            ax.scatter(range(n), [1] * n, s=30, color=[RIM] * (n - 1) + [COLOURS[1]], zorder=3)
            ax.set(title=title, xlim=(-0.5, n - 0.5), ylim=(-0.2, 1.25))
            ax.set_axis_off()
    show(fig, alt or f"Tokens below, outputs above, a line where one depends on the other: {', '.join(slopes)}.")


def _line(ax: Axes, start: tuple[float, float], end: tuple[float, float], *, strong: bool) -> None:
    ax.plot(*zip(start, end, strict=True), color=COLOURS[1] if strong else FAINT, linewidth=1.3 if strong else 0.8,
            zorder=2 if strong else 1)  # fmt: skip


def show_looks(images, weights, query: int, titles: Sequence[str] = (), alt: str | None = None) -> None:
    """Draw images (n, c, h, w) brightened where one token looks; `weights` (n, tokens) of a square grid of patches.

    The token that asks has a frame.
    """
    weights = to_numpy(weights).astype(float)
    side = round(weights.shape[1] ** 0.5)
    with style():
        wide = min(1.45 * len(weights), WIDTH)
        fig, axes = figure(wide / len(weights) + 0.15, width=wide, columns=len(weights), squeeze=False)
        for i, (ax, image, row) in enumerate(zip(axes.flat, images, weights, strict=True)):
            picture = to_picture(image)
            patch = picture.shape[0] // side
            light = np.kron(row.reshape(side, side) / row.max(), np.ones((patch, patch)))
            draw_image(ax, picture * (0.12 + 0.88 * light[..., None]))
            y, x = divmod(query, side)
            ax.add_patch(Rectangle((x * patch - 0.5, y * patch - 0.5), patch, patch, fill=False,
                                   edgecolor=COLOURS[1], linewidth=2, clip_on=False))  # fmt: skip
            if len(titles) > i:
                ax.set_title(titles[i], fontsize=8.5)
    show(fig, alt or f"{len(weights)} images; the patches to which token {query} listens are bright, others dark.")


def show_race(runs: Mapping[str, tuple[Sequence, Sequence]], alt: str | None = None) -> None:
    """Draw accuracy against seconds, one line per run (name to (seconds, per cent)); equal first words share a colour.

    Names stand once, at the end of the longest run that bears them.
    """
    kinds = list(dict.fromkeys(name.split(",")[0] for name in runs))
    with style():
        fig, ax = figure(2.8)
        ends: dict[str, tuple[float, float]] = {}
        for name, (seconds, percent) in runs.items():
            kind = name.split(",")[0]
            ax.plot(seconds, percent, color=COLOURS[kinds.index(kind)], marker="o", markersize=3.5)
            ends[kind] = max(ends.get(kind, (0.0, 0.0)), (seconds[-1], percent[-1]))
        for kind, end in ends.items():
            ax.annotate(kind, end, xytext=(7, 0), textcoords="offset points", va="center", fontsize=9,
                        color=COLOURS[kinds.index(kind)])  # fmt: skip
        ax.set(xlabel="seconds of training", ylabel="test accuracy, %", ylim=(0, 103))
        ax.set_xlim(0, 1.12 * max(seconds[-1] for seconds, _ in runs.values()))
        ax.grid(axis="y")
    told = "; ".join(f"{name} {percent[-1]:.0f} % after {s[-1]:.1f} s" for name, (s, percent) in runs.items())
    show(fig, alt or f"Test accuracy against seconds of training. {told}.")


def show_timeline(events: Mapping[str, tuple[float, str]], alt: str | None = None) -> None:
    """Draw a time line: name to (year with its fraction, what was new); labels alternate above and below."""
    levels = (0.95, -0.8, 2.05, -1.9)
    with style():
        fig, ax = figure(3.3)
        ax.axhline(0, color=RIM, linewidth=1.5, zorder=1)
        years = [when for when, _ in events.values()]
        for year in range(int(min(years)), int(max(years)) + 2):
            ax.plot([year, year], [-0.09, 0.09], color=RIM, linewidth=1.2)
            ax.text(year + 0.03, -0.16, str(year), ha="left", va="top", fontsize=8, color=SOFT, zorder=5,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6})  # fmt: skip
        for i, (name, (when, what)) in enumerate(events.items()):
            high = levels[i % 4]
            ax.plot([when, when], [0, high], color=FAINT, linewidth=1.1, zorder=0)
            ax.plot([when], [0], "o", color=COLOURS[0], markersize=5, zorder=3)
            ax.text(when, high, what, ha="center", va="top", fontsize=7.5, color=SOFT, linespacing=1.2, zorder=3,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
            ax.text(when, high + 0.06, name, ha="center", va="bottom", fontsize=8.5, color=INK, weight="bold", zorder=4)
        ax.set(xlim=(min(years) - 0.4, max(years) + 0.4), ylim=(-2.75, 2.5))
        ax.set_axis_off()
    listed = ", ".join(f"{name} {when:.1f}" for name, (when, _) in events.items())
    show(fig, alt or f"A time line: {listed}.")


def show_architectures(alt: str | None = None) -> None:
    """Draw a CNN and a ViT as two rows of boxes, with what each part sees below it."""
    rows = {
        "CNN": [
            ("image", "32 x 32 pixels"), ("convolution", "3 x 3 neighbours"), ("pooling", "half the side"),
            ("convolution", "a wider view"), ("pooling", "half the side"), ("linear", "class logits"),
        ],
        "ViT": [
            ("image", "32 x 32 pixels"), ("patches", "16 tokens"), ("+ positions", "where each was"),
            ("attention", "all tokens"), ("MLP", "each token"), ("linear", "class logits"),
        ],
    }  # fmt: skip
    with style():
        fig, ax = figure(2.5)
        for row, (name, boxes) in enumerate(rows.items()):
            y = -1.55 * row
            ax.text(-0.62, y, name, ha="right", va="center", fontsize=11, fontweight="bold", color=INK)
            for x, (title, below) in enumerate(boxes):
                face = FAINT if x in (0, len(boxes) - 1) else ("#ddf4ff" if row == 0 else "#fff1e5")
                ax.add_patch(Rectangle((x - 0.42, y - 0.28), 0.84, 0.56, facecolor=face, edgecolor=RIM, linewidth=1))
                ax.text(x, y, title, ha="center", va="center", fontsize=8.5, color=INK)
                ax.text(x, y - 0.45, below, ha="center", va="center", fontsize=8, color=SOFT)
                if x:
                    look = {"arrowstyle": "-|>", "color": RIM, "linewidth": 1, "shrinkA": 0, "shrinkB": 0}
                    ax.annotate("", (x - 0.42, y), (x - 0.58, y), arrowprops=look)
            note = "again, 2 times" if row == 0 else "this pair is repeated in every block"
            ax.text((2.5 if row == 0 else 3.5), y + 0.42, note, ha="center", va="center", fontsize=8, color=SOFT)
        ax.set(xlim=(-1.2, 5.6), ylim=(-2.3, 0.65))
        ax.set_axis_off()
    show(fig, alt=alt or "Two rows of boxes. CNN: image, convolution, pooling, convolution, pooling, linear. "
         "ViT: image, patches, positions, attention, MLP, linear.")  # fmt: skip
