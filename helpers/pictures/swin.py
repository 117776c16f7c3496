"""Lesson 09's drawings: regions that a shift brings together, the reach of a token, stages, speed and accuracy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from helpers.pictures.swin_checks import bare, pale
from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy
from helpers.plots.style import FAINT, INK, SOFT
from helpers.theme import PALE_BLUE, PALE_GREEN, PALE_ORANGE, PALE_PINK, RIM

_BLOCKED = "#0b5a8a"


def _lines(ax: Axes, h: int, w: int, m: int, shift: int = 0, colour: str = "white", width: float = 2.2) -> None:
    """The borders of windows that begin `shift` rows and columns after the edge."""
    for y in range(shift or m, h, m):
        ax.plot([-0.5, w - 0.5], [y - 0.5] * 2, color=colour, linewidth=width)
    for x in range(shift or m, w, m):
        ax.plot([x - 0.5] * 2, [-0.5, h - 0.5], color=colour, linewidth=width)


def show_regions(mask: object, h: int, w: int, window_size: int, shift: int, alt: str | None = None) -> None:
    """Draw what a mask (num_windows, M², M²) blocks: each colour is a group of tokens that attend to each other.

    Left the groups in the image, in the middle after the cyclic shift, right the masks of four windows: the first, the
    last of the first row, the first of the last row, the last of all.
    """
    blocked, m = to_numpy(mask) < -1, window_size
    rows, columns = h // m, w // m
    shifted = _groups(blocked, rows, columns, m)
    back = np.roll(shifted, (shift, shift), (0, 1))
    corners = [0, columns - 1, (rows - 1) * columns, rows * columns - 1]
    with style():
        fig, axes = figure(2.55, width=WIDTH, columns=3, width_ratios=(1, 1, 1))
        for ax, title, groups, cut in (
            (axes[0], "in the image", back, shift),
            (axes[1], "after the cyclic shift", shifted, 0),
        ):
            ax.imshow(pale(groups, 0.6))
            for y, x in np.ndindex(h, w):
                if h * w <= 144:
                    ax.text(x, y, str(groups[y, x]), ha="center", va="center", fontsize=7, color=SOFT)
            _lines(ax, h, w, m, cut, INK, 1.6)
            bare(ax)
            ax.set_title(title, fontsize=9.5)
        _four(axes[2], blocked[corners], corners)
    show(
        fig,
        alt
        or f"{len(np.unique(shifted))} coloured regions of a {h} by {w} grid: as they lie in the image, as the "
        f"shift brings them into {rows * columns} windows, and the masks of four windows.",
    )


def show_wrapped(h: int, w: int, window_size: int, shift: int, alt: str | None = None) -> None:
    """Draw which tokens are neighbours in the image, before a cyclic shift and after it: one colour per region.

    Left the grid (h, w) with the windows as they would be cut in the image; right the grid after the shift, with the
    windows that the shifted grid is cut into.
    """
    y, x = np.indices((h, w))
    regions = (y + window_size - shift) // window_size * w + (x + window_size - shift) // window_size
    regions = np.unique(regions, return_inverse=True)[1].reshape(h, w)
    after = np.roll(regions, (-shift, -shift), (0, 1))
    with style():
        fig, axes = figure(2.75, width=5.6, columns=2)
        for ax, title, grid, cut in ((axes[0], "in the image", regions, shift), (axes[1], "after the shift", after, 0)):
            ax.imshow(pale(grid, 0.6))
            _lines(ax, h, w, window_size, cut, INK, 1.6)
            bare(ax)
            ax.set_title(title, fontsize=9.5)
    many = len(np.unique(regions))
    show(fig, alt or f"{many} coloured regions of a {h} by {w} grid, in the image and after a shift by {shift}.")


def _groups(blocked: np.ndarray, rows: int, columns: int, m: int) -> np.ndarray:
    """For each place of the shifted grid the number of its group: tokens of a window that do not block each other."""
    labels, count = np.zeros((rows * m, columns * m), int), 0
    for k, own in enumerate(blocked):
        top, left = m * (k // columns), m * (k % columns)
        first = np.argmin(own, axis=1)  # the first token that each one attends to
        for token in np.unique(first):
            inside = np.argwhere(first == token)[:, 0]
            labels[top + inside // m, left + inside % m] = count
            count += 1
    return labels


def _four(ax: Axes, masks: np.ndarray, numbers: Sequence[int]) -> None:
    n, gap = masks.shape[-1], 4
    sheet = np.ones((2 * n + gap, 2 * n + gap, 3))
    for place, mask in enumerate(masks):
        y, x = (n + gap) * (place // 2), (n + gap) * (place % 2)
        sheet[y : y + n, x : x + n] = np.where(mask[..., None], (0.04, 0.35, 0.54), (0.93, 0.94, 0.96))
        ax.text(x + n / 2, y - 0.8, f"window {numbers[place]}", fontsize=8, color=INK, ha="center", va="bottom")
    ax.imshow(sheet)
    bare(ax)
    ax.set_ylim(2 * n + gap - 0.5, -4.5)
    ax.set_title("masks of four windows", fontsize=9.5)


def reach_figure(panels: Sequence[tuple[str, object, int]], window_size: int, token: tuple[int, int]) -> Figure:
    """Grids (H, W) side by side, dark where a token is reached; each with its title and the shift of its windows."""
    with style():
        side = 2.1 if len(panels) > 2 else 1.9
        fig, axes = figure(side + 0.35, width=side * len(panels) + 0.1, columns=len(panels), squeeze=False)
        for ax, (title, reach, shift) in zip(axes.flat, panels, strict=True):
            grid = to_numpy(reach).astype(float)
            ax.imshow(np.where(grid[..., None] > 0, (0.34, 0.71, 0.91), (0.93, 0.94, 0.96)))
            h, w = grid.shape
            _lines(ax, h, w, window_size, shift)
            ax.add_patch(Rectangle((token[1] - 0.5, token[0] - 0.5), 1, 1, facecolor=COLOURS[1]))
            bare(ax)
            ax.set_title(f"{title}: {int((grid > 0).sum())}", fontsize=8.5)
    return fig


def show_stages(stages: Sequence[tuple[str, tuple[int, ...]]], title: str = "", alt: str | None = None) -> None:
    """Draw a hierarchy: for each stage a square as large as its grid, and below it a bar as long as its channels.

    Args:
        stages: name and shape (H, W, C) of what comes out of each stage.
    """
    tallest, widest = max(s[0] for _, s in stages), max(s[-1] for _, s in stages)
    with style():
        fig, ax = figure(2.5)
        for k, (name, (h, w, c)) in enumerate(stages):
            left, side, length = 2.5 * k, 1.6 * h / tallest, 2.1 * c / widest
            ax.add_patch(
                Rectangle((left, 0), 1.6 * w / tallest, side, facecolor=pale(np.array(k), 0.6), edgecolor=SOFT)
            )
            ax.add_patch(Rectangle((left, -0.5), length, 0.14, facecolor=pale(np.array(k), 0.9), edgecolor="none"))
            ax.text(left, side + 0.08, name, va="bottom", fontsize=9, color=INK)
            ax.text(left, -0.17, f"{h} × {w} tokens", va="center", fontsize=8.5, color=SOFT)
            ax.text(left, -0.66, f"{c} channels", va="center", fontsize=8.5, color=SOFT)
        ax.set(xlim=(-0.1, 2.5 * len(stages)), ylim=(-0.85, 1.95), aspect="equal", title=title)
        ax.set_axis_off()
    show(fig, alt or "Stages: " + ", ".join(f"{name} {' by '.join(map(str, shape))}" for name, shape in stages) + ".")


# Liu et al. 2021, Table 1 (a), 224 x 224 pixels: images per second on a V100, top-1 accuracy on ImageNet-1K
_SPEED = {
    "Swin": (("T", 755.2, 81.3), ("S", 436.9, 83.0), ("B", 278.1, 83.5)),
    "DeiT": (("S", 940.4, 79.8), ("B", 292.3, 81.8)),
    "RegNetY": (("4G", 1156.7, 80.0), ("8G", 591.6, 81.7), ("16G", 334.7, 82.9)),
}


def show_speed(alt: str | None = None) -> None:
    """Draw speed against accuracy of Swin, DeiT and RegNetY, as the Swin paper's Table 1 gives them."""
    with style():
        fig, ax = figure(2.9, width=5.6)
        for colour, (family, models) in zip(COLOURS, _SPEED.items(), strict=False):
            ax.plot([m[1] for m in models], [m[2] for m in models], marker="o", color=colour, markersize=5)
            for size, speed, accuracy in models:
                below = family == "RegNetY" and size != "4G"  # the label of 4G would touch that of DeiT-S
                spot, side = ((-6, -12), "right") if below else ((6, 3), "left")
                ax.annotate(f"{family}-{size}", (speed, accuracy), xytext=spot, textcoords="offset points",
                            ha=side, fontsize=8.5, color=colour)  # fmt: skip
        ax.set(xlabel="images per second", ylabel="top-1 accuracy, %", xlim=(80, 1420), ylim=(79.4, 84))
        ax.grid(axis="y")
    listed = "; ".join(
        f"{family}-{size} {speed:g} images per second, {accuracy} %"
        for family, models in _SPEED.items()
        for size, speed, accuracy in models
    )
    show(fig, alt or f"Accuracy against speed. {listed}.")


def show_block(alt: str | None = None) -> None:
    """Draw the path of tokens through a Swin block."""
    blue, pink, sand = PALE_BLUE, PALE_PINK, PALE_ORANGE
    steps = [
        ("norm", blue), ("shift", pink), ("cut into\nwindows", sand), ("attention\n+ B + mask", sand),
        ("join\nwindows", sand), ("shift\nback", pink),
    ]  # fmt: skip
    with style():
        fig, ax = figure(1.7)
        ax.plot([0, 14.2], [0, 0], color=COLOURS[0], linewidth=4, solid_capstyle="butt")
        ax.annotate("", (14.7, 0), (14.1, 0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0], "linewidth": 3})
        for start, end in ((0.5, 10.4), (11.0, 13.6)):
            ax.plot([start, start, end, end], [0, 1.3, 1.3, 0.15], color=RIM, linewidth=1.3, zorder=1)
            ax.plot([end], [0], "o", color="white", markeredgecolor=COLOURS[0], markersize=13, zorder=3)
            ax.text(end, -0.02, "+", ha="center", va="center", fontsize=12, zorder=4)
        for left, (text, colour) in zip((0.75, 2.35, 3.95, 5.55, 7.35, 8.95), steps, strict=True):
            _box(ax, left, 1.6 if "attention" in text else 1.35, text, colour)
        _box(ax, 11.2, 0.9, "norm", PALE_BLUE)
        _box(ax, 12.25, 1.2, "feed-\nforward", PALE_GREEN)
        ax.set(xlim=(-0.2, 14.9), ylim=(-0.45, 1.9))
        ax.set_axis_off()
    show(
        fig,
        alt
        or "A Swin block: a residual stream with two branches. The first: norm, shift, cut into windows, attention "
        "with bias and mask, join windows, shift back. The second: norm, feed-forward.",
    )


def _box(ax: Axes, left: float, width: float, text: str, colour: str) -> None:
    ax.add_patch(
        FancyBboxPatch(
            (left, 0.9), width, 0.8, boxstyle="round,pad=0.02,rounding_size=0.1", facecolor=colour,
            edgecolor=RIM, linewidth=1, zorder=2,
        )
    )  # fmt: skip
    ax.text(left + width / 2, 1.3, text, ha="center", va="center", fontsize=8, zorder=5, color=INK)


def show_steps(index: object, window_size: int, values: object, alt: str | None = None) -> None:
    """Draw biases: the matrix B, and its rows for a corner, a middle and a last token, laid out as windows.

    Args:
        index: (M², M²), the table's row for each pair.
        values: one head's column of the table, ((2M - 1)²,).
    """
    m, biases = window_size, to_numpy(values)[to_numpy(index)]
    tokens = (0, (m // 2) * m + m // 2, m * m - 1)
    limit = float(np.abs(biases).max()) or 1.0
    with style():
        fig, axes = figure(2.35, columns=4, width_ratios=(1.15, 1, 1, 1))
        axes[0].imshow(biases, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes[0].set(xticks=[], yticks=[], xlabel="key", ylabel="query")
        axes[0].set_title(f"B, {m * m} × {m * m}", fontsize=9)
        for ax, token in zip(axes[1:], tokens, strict=True):
            ax.imshow(biases[token].reshape(m, m), cmap="RdBu_r", vmin=-limit, vmax=limit)
            y, x = divmod(token, m)
            ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fill=False, edgecolor=COLOURS[4], linewidth=2.2))
            bare(ax)
            ax.set_title(f"query {token}", fontsize=9)
        for ax in axes:
            ax.spines[:].set_color(FAINT)
    show(fig, alt or f"A bias matrix, and its rows for tokens {', '.join(map(str, tokens))} laid out as windows.")
