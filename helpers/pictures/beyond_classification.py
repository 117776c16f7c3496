"""Lesson 11's drawings: token mixing, boxes and their matching, DETR, a block with gates, strips of samples."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from helpers.pictures.beyond_checks import outline
from helpers.pictures.swin_checks import bare, pale
from helpers.plots import COLOURS, WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy, to_picture, to_pictures
from helpers.plots.style import FAINT, INK, SOFT
from helpers.plots.tiles import draw_image
from helpers.theme import PALE_BLUE, PALE_GREEN, PALE_ORANGE, PALE_PINK, RIM

_SEEN = COLOURS[7]
_LABEL = {"boxstyle": "square,pad=0.1", "facecolor": INK, "alpha": 0.75, "linewidth": 0}


def show_mixing(tokens: int = 5, channels: int = 7, alt: str | None = None) -> None:
    """A table of tokens (rows) by channels: the first MLP goes down each column, the second along each row."""
    with style():
        fig, axes = figure(2.1, columns=2)
        for ax, title, down in ((axes[0], "token mixing", True), (axes[1], "channel mixing", False)):
            for row, column in np.ndindex(tokens, channels):
                colour = pale(np.array(column if down else row), 0.5)
                ax.add_patch(Rectangle((column, row), 0.92, 0.92, facecolor=colour, edgecolor="none"))
            for k in range(channels if down else tokens):
                at = k + 0.46
                ends = ((at, tokens - 0.2), (at, 0.12)) if down else ((channels - 0.2, at), (0.12, at))
                ax.annotate("", *ends, arrowprops={"arrowstyle": "-|>", "color": INK, "linewidth": 1.2})
            what = "one MLP down each column, the same for all" if down else "one MLP along each row, the same for all"
            ax.set(xlim=(-0.1, channels), ylim=(tokens, -0.1), xticks=[], yticks=[], xlabel=what, ylabel="tokens")
            ax.set_title(f"{title} (channels →)", fontsize=9.5)
            ax.spines[:].set_visible(False)
    show(fig, alt or f"A table of {tokens} tokens by {channels} channels, twice: arrows down the columns for token "
                     "mixing, along the rows for channel mixing.")  # fmt: skip


def scene_figure(
    images: object, true: Sequence, seen: Sequence | None = None, *, titles: Sequence[str] = (), columns: int = 6
) -> Figure:
    """Images with their true boxes, white and dashed, and the predicted ones with their words.

    Args:
        true: per image boxes (things, 4).
        seen: per image a list of (box, words).
    """
    pictures = to_pictures(images)
    columns = min(columns, len(pictures), 4)
    rows = -(-len(pictures) // columns)
    side = min(WIDTH / columns, 1.75)
    with style():
        fig, axes = figure(rows * (side + (0.18 if titles else 0.0)), width=side * columns, rows=rows, columns=columns,
                           squeeze=False)  # fmt: skip
        for k, ax in enumerate(axes.flat):
            if k >= len(pictures):
                ax.set_axis_off()
                continue
            draw_image(ax, pictures[k], extent=(0, 1, 1, 0))
            for box in to_numpy(true[k]):
                outline(ax, box, "white", linewidth=1.3, linestyle=(0, (2, 1.5)))
            spots: list[np.ndarray] = []
            for box, words in seen[k] if seen is not None else ():
                box = to_numpy(box)
                outline(ax, box, _SEEN, linewidth=1.5)
                spot = np.clip(box[:2] - box[2:] / 2 + 0.02, 0.01, [0.66, 0.85])
                while any((np.abs(spot - other) < [0.3, 0.09]).all() for other in spots):  # one below the other
                    spot = spot + np.array([0, 0.09])
                spots.append(spot)
                ax.text(*spot, words, fontsize=7.5, color=_SEEN, va="top", bbox=_LABEL)
            ax.set(xlim=(0, 1), ylim=(1, 0))
            if titles:
                ax.set_title(titles[k], fontsize=8.5, loc="center")
    return fig


def overlap_figure(a: object, b: object, numbers: dict[str, float]) -> Figure:
    """Two boxes, their intersection, the smallest box around both, and some numbers about them."""
    a, b = to_numpy(a), to_numpy(b)
    lows = np.stack([box[:2] - box[2:] / 2 for box in (a, b)])
    highs = np.stack([box[:2] + box[2:] / 2 for box in (a, b)])
    with style():
        fig, ax = figure(1.3, width=2.35)
        around = lows.min(0), highs.max(0)
        ax.add_patch(
            Rectangle(tuple(around[0]), *(around[1] - around[0]), facecolor=FAINT, edgecolor=RIM, linestyle=":")
        )
        for box, colour in ((a, COLOURS[0]), (b, COLOURS[1])):
            ax.add_patch(Rectangle(tuple(box[:2] - box[2:] / 2), *box[2:], facecolor=colour, alpha=0.35))
            outline(ax, box, colour, linewidth=1.6)
        inner = lows.max(0), highs.min(0)
        if (inner[1] > inner[0]).all():
            ax.add_patch(Rectangle(tuple(inner[0]), *(inner[1] - inner[0]), facecolor=INK, alpha=0.55))
        ax.set(xlim=(0.1, 1), ylim=(0.7, 0.3), xticks=[], yticks=[], aspect="equal")
        ax.set_xlabel(",  ".join(f"{k} {v:.2f}".replace("-", "−") for k, v in numbers.items()), fontsize=9, color=INK)
        ax.spines[:].set_visible(False)
    return fig


def show_matching(panels: Sequence[tuple[str, object, object, Sequence]], alt: str | None = None) -> None:
    """Predictions (blue) and objects (orange, dashed), joined where they are matched.

    Args:
        panels: (title, boxes (q, 4), objects (t, 4), pairs of indices) each.
    """
    with style():
        fig, axes = figure(2.75, width=min(2.5 * len(panels), WIDTH), columns=len(panels), squeeze=False)
        for ax, (title, boxes, objects, pairs) in zip(axes.flat, panels, strict=True):
            boxes, objects = to_numpy(boxes), to_numpy(objects)
            for box in boxes:
                outline(ax, box, COLOURS[0], linewidth=1.2, alpha=0.7)
            for box in objects:
                outline(ax, box, COLOURS[1], linewidth=1.6, linestyle=(0, (3, 2)))
            for k, j in pairs:
                ends = np.stack([boxes[int(k), :2], objects[int(j), :2]])
                ax.plot(*ends.T, color=INK, linewidth=1.8)
            for these, colour, marker in ((boxes, COLOURS[0], "o"), (objects, COLOURS[1], "s")):
                ax.plot(these[:, 0], these[:, 1], marker, color=colour, markersize=6)
                for k, (x, y) in enumerate(these[:, :2]):
                    ax.annotate(
                        str(k),
                        (x, y),
                        xytext=(5, 4 if marker == "o" else -10),
                        textcoords="offset points",
                        fontsize=8,
                        color=colour,
                    )
            ax.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=[], yticks=[])
            ax.set_title(title, fontsize=9.5)
    titles = "; ".join(title.replace("\n", " ") for title, *_ in panels)
    show(fig, alt or f"Predicted and true boxes, joined by lines where matched: {titles}.")


def show_territories(boxes: object, alt: str | None = None) -> None:
    """The centres of each query's boxes over many images: (queries, images, 4), nan where it says “no object”."""
    boxes = to_numpy(boxes)
    with style():
        count = len(boxes)
        fig, axes = figure(2.2, width=WIDTH, rows=2, columns=-(-count // 2), squeeze=False)
        for ax in axes.flat[count:]:
            ax.set_axis_off()
        for k, (own, ax) in enumerate(zip(boxes, axes.flat, strict=False)):
            ax.scatter(own[:, 0], own[:, 1], s=4, alpha=0.5, color=COLOURS[0], linewidths=0)
            ax.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=[], yticks=[])
            ax.spines[:].set_visible(True)
            ax.spines[:].set_color(FAINT)
            ax.set_title(f"query {k}", fontsize=8, loc="center")
    show(fig, alt or f"For each of {count} queries the centres of its boxes: each has a region of its own.")


def show_detr(alt: str | None = None) -> None:
    """Draw DETR: CNN, encoder, decoder with object queries, outputs, and the matching with the true objects."""
    blue, pink, sand, green = PALE_BLUE, PALE_PINK, PALE_ORANGE, PALE_GREEN
    steps = (
        (0.0, 1.2, "image", blue), (1.7, 1.2, "CNN", sand), (3.4, 2.1, "tokens\n+ positions", blue),
        (6.0, 1.5, "encoder", sand), (8.0, 1.5, "decoder", sand), (10.0, 2.4, "class and box\nof each query", green),
        (12.9, 1.7, "matching", pink),
    )  # fmt: skip
    arrow = {"arrowstyle": "-|>", "color": SOFT, "linewidth": 1.3}
    with style():
        fig, ax = figure(1.8)
        for left, width, text, colour in steps:
            _box(ax, left, 1.0, width, text, colour)
        for (left, width, *_), (after, *_) in pairwise(steps):
            ax.annotate("", (after, 1.3), (left + width, 1.3), arrowprops=arrow)
        for left, width, text in ((7.65, 2.2, "object queries"), (12.75, 2.0, "true objects")):
            _box(ax, left, 0.0, width, text, pink)
            ax.annotate("", (left + width / 2, 1.0), (left + width / 2, 0.6), arrowprops=arrow)
        ax.set(xlim=(-0.1, 14.9), ylim=(-0.1, 1.8))
        ax.set_axis_off()
    show(fig, alt or "Image, CNN, tokens with positions, encoder, decoder with object queries, a class and a box for "
                     "each query, and a matching of these with the true objects.")  # fmt: skip


def show_adaln(alt: str | None = None) -> None:
    """Draw the path of tokens through an adaLN-zero block, and where the condition c enters."""
    blue, pink, sand, green = PALE_BLUE, PALE_PINK, PALE_ORANGE, PALE_GREEN
    with style():
        fig, ax = figure(2.2)
        ax.plot([0, 14.0], [0, 0], color=COLOURS[0], linewidth=4, solid_capstyle="butt")
        ax.annotate("", (14.6, 0), (13.9, 0), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0], "linewidth": 3})
        for start, half in ((0.5, "attention"), (7.4, "feed-\nforward")):
            end = start + 6.0
            ax.plot([start, start, end, end], [0, 1.3, 1.3, 0.15], color=RIM, linewidth=1.3, zorder=1)
            ax.plot([end], [0], "o", color="white", markeredgecolor=COLOURS[0], markersize=13, zorder=3)
            ax.text(end, -0.02, "+", ha="center", va="center", fontsize=12, zorder=4)
            kind = sand if half == "attention" else green
            steps = ((0.15, 0.8, "norm", blue), (1.1, 1.8, "× (1 + scale)\n+ shift", pink), (3.05, 1.3, half, kind),
                     (4.5, 1.2, "× gate", pink))  # fmt: skip
            for left, width, text, colour in steps:
                _box(ax, start + left, 1.0, width, text, colour)
                if colour == pink:
                    ax.annotate("", (start + left + width / 2, 1.62), (start + left + width / 2, 2.35),
                                arrowprops={"arrowstyle": "-|>", "color": COLOURS[3], "linewidth": 1.4})  # fmt: skip
        ax.plot([2.5, 12.5], [2.35, 2.35], color=COLOURS[3], linewidth=1.4)
        _box(ax, 5.2, 2.4, 4.2, "c → SiLU → Linear, zero at the start", pink)
        ax.text(0.1, -0.42, "x", fontsize=10, color=SOFT)
        ax.set(xlim=(-0.2, 14.8), ylim=(-0.6, 3.1))
        ax.set_axis_off()
    show(fig, alt or "Twice: a copy of the stream is normed, scaled and shifted, goes through attention or the "
                     "feed-forward, through a gate, and is added. A Linear makes all six from c.")  # fmt: skip


def _box(ax: Axes, left: float, bottom: float, width: float, text: str, colour: str) -> None:
    shape = FancyBboxPatch((left, bottom), width, 0.6, boxstyle="round,pad=0,rounding_size=0.12", facecolor=colour,
                           edgecolor=RIM, linewidth=1, zorder=2)  # fmt: skip
    ax.add_patch(shape)
    ax.text(left + width / 2, bottom + 0.29, text, ha="center", va="center", fontsize=8, color=INK, zorder=3)


def strip_figure(rows: Sequence[tuple[str, object]], *, side: float = 0.58, columns: Sequence[str] = ()) -> Figure:
    """Rows of small images (n, c, h, w), values -1..1, each row with its label; `columns` stand above."""
    count = max(len(to_numpy(images)) for _, images in rows)
    label = 0.085 * max(len(text) for text, _ in rows) + 0.1
    side = min(side, (WIDTH - label) / count)
    top = 0.2 if columns else 0.04
    width, height = label + side * count, top + side * len(rows)
    with style():
        fig = Figure(figsize=(width, height), dpi=100)
        ax = fig.add_axes((0, 0, 1, 1))
        for k, (text, images) in enumerate(rows):
            y = top + k * side
            ax.text(label - 0.08, y + side / 2, text, ha="right", va="center", fontsize=8.5, color=SOFT)
            for j, image in enumerate(to_numpy(images)):
                x = label + j * side
                picture = np.clip((to_numpy(image)[0] + 1) / 2, 0, 1)
                draw_image(ax, picture, extent=(x + 0.015, x + side - 0.015, y + side - 0.015, y + 0.015))
        for j, text in enumerate(columns):
            ax.text(label + (j + 0.5) * side, top - 0.05, text, ha="center", va="bottom", fontsize=8.5, color=SOFT)
        ax.set(xlim=(0, width), ylim=(height, 0), aspect="auto")
    return fig


def show_captioning(image: object, words: Sequence[str], alt: str | None = None) -> None:
    """Patches and words in one sequence, and the mask: all attend to the patches, words also to earlier words."""
    side = 3
    patches, n = side * side, side * side + len(words)
    picture = to_picture(image)
    with style():
        fig, (left, right) = figure(2.6, columns=2, width_ratios=(1, 1.9))
        draw_image(left, picture)
        for cut in np.linspace(0, picture.shape[0], side + 1)[1:-1] - 0.5:
            left.axhline(cut, color="white", linewidth=1.2)
            left.axvline(cut, color="white", linewidth=1.2)
        left.set_title(f"{patches} patches, {len(words)} words", fontsize=9.5)
        row, column = np.indices((n, n))
        may = np.where(column < patches, 1, np.where((row >= patches) & (column <= row), 2, 0))
        colours = np.array([[0.94, 0.95, 0.97], [0.45, 0.7, 0.86], [0.93, 0.62, 0.38]])
        right.imshow(colours[may])
        for cut in range(1, n):
            right.axhline(cut - 0.5, color="white", linewidth=0.8)
            right.axvline(cut - 0.5, color="white", linewidth=0.8)
        right.set_yticks(range(n), [f"patch {k}" if k in (0, patches - 1) else "" for k in range(patches)] + [*words])
        right.set_xticks([4, *range(patches, n)], ["patches", *words], rotation=60, ha="right", fontsize=8)
        right.tick_params(length=0, labelsize=8)
        right.spines[:].set_visible(False)
        right.set_title("query (row) may attend to key (column)", fontsize=9.5)
    show(fig, alt or f"A mask for {patches} patches and {len(words)} words: all may attend to the patches, a word "
                     "also to itself and to the words before it.")  # fmt: skip


def show_tubelets(frames: object, depth: int, alt: str | None = None) -> None:
    """Frames (t, c, h, w) one behind the other; the same patch of `depth` frames is one token, of one colour."""
    pictures = to_pictures(frames)
    with style():
        fig, ax = figure(2.1)
        for k, picture in reversed(list(enumerate(pictures))):
            x, y = 1.5 * k + 0.9 * (k // depth), 0.0
            ax.imshow(picture, extent=(x, x + 1.3, y, y + 1.3), zorder=2)
            for patch in range(4):
                px, py = x + 0.65 * (patch % 2), y + 0.65 * (1 - patch // 2)
                colour = pale(np.array(patch + 4 * (k // depth)), 0.9)
                ax.add_patch(Rectangle((px + 0.03, py + 0.03), 0.59, 0.59, fill=False, edgecolor=colour, linewidth=3,
                                       zorder=3))  # fmt: skip
            ax.text(x + 0.65, -0.12, f"frame {k}", ha="center", va="top", fontsize=8, color=SOFT)
            if k % depth == 0:
                first = 4 * (k // depth)
                ax.text(x + 0.75 * depth - 0.1, 1.42, f"tokens {first} to {first + 3}", ha="center", fontsize=8.5,
                        color=INK)  # fmt: skip
        last = 1.5 * (len(pictures) - 1) + 0.9 * ((len(pictures) - 1) // depth) + 1.3
        ax.set(xlim=(-0.1, last + 0.1), ylim=(-0.35, 1.65), aspect="equal")
        ax.set_axis_off()
    show(fig, alt or f"{len(pictures)} frames; patches at the same place in {depth} frames share a colour: one token.")


def show_handwriting(line: object, every: int, letters: Sequence[str], alt: str | None = None) -> None:
    """A line of handwriting (h, w) cut into columns, one token each, and what is read there."""
    picture = to_numpy(line).astype(float)
    h, w = picture.shape
    with style():
        fig, ax = figure(2.0)
        ax.imshow(1 - picture, cmap="gray", vmin=0, vmax=1)
        for k, cut in enumerate(range(0, w, every)):
            tint = pale(np.array(k % 2 * 3), 0.5)[:3]
            ax.add_patch(Rectangle((cut - 0.5, -0.5), every, h, facecolor=tint, alpha=0.25, edgecolor="white"))
            ax.text(cut + every / 2 - 0.5, h + 0.4, str(k), ha="center", va="top", fontsize=7.5, color=SOFT)
        for k, letter in enumerate(letters):
            ax.text((k + 0.5) * w / len(letters) - 0.5, -1.2, letter, ha="center", fontsize=10, color=COLOURS[0])
        ax.set(xlim=(-0.6, w), ylim=(h + 2.2, -3))
        bare(ax)
    show(fig, alt or f"A line of {len(letters)} handwritten digits cut into {-(-w // every)} columns, numbered below.")
