"""The Vision Transformer from image to logits, after Figure 1 of Dosovitskiy et al. (lesson 07)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from helpers.plots import COLOURS, figure, show, style
from helpers.plots.arrays import to_picture
from helpers.plots.style import INK
from helpers.plots.tiles import draw_image
from helpers.theme import PALE_BLUE, PALE_GREEN, PALE_ORANGE, PALE_PINK, RIM

_EMBED, _BLOCK, _HEAD, _CLASS = PALE_BLUE, PALE_ORANGE, PALE_GREEN, PALE_PINK
_SHOWN = 5  # patches that are drawn before the dots; the last one follows them


def show_model(image: object, patch: int, classes: Sequence[str], alt: str | None = None) -> None:
    """Draw a ViT: an image (c, h, w) in patches, their tokens with positions, the encoder, and the head."""
    picture = to_picture(image)
    side = picture.shape[0] // patch
    count = side**2
    with style():
        fig, ax = figure(4.4, width=7.2)
        ax.set(xlim=(0, 14.4), ylim=(0, 8.8))
        ax.set_axis_off()
        places = [3.6 + 1.5 * k for k in range(_SHOWN)] + [3.6 + 1.5 * (_SHOWN + 0.6)]
        numbers = [*range(_SHOWN), count - 1]
        whole = ax.inset_axes((0.15, 0.2, 2.2, 2.2), transform=ax.transData)
        draw_image(whole, picture)
        for cut in range(patch, picture.shape[0], patch):
            whole.axhline(cut - 0.5, color="white", linewidth=0.8)
            whole.axvline(cut - 0.5, color="white", linewidth=0.8)
        for x, number in zip(places, numbers, strict=True):
            row, column = divmod(number, side)
            part = ax.inset_axes((x - 0.5, 0.5, 1.0, 1.0), transform=ax.transData)
            draw_image(part, picture[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch])
            _arrow(ax, x, 1.6, 1.98)
            _arrow(ax, x, 2.74, 3.12)
            _token(ax, x, number + 1, _EMBED)
            _arrow(ax, x, 3.98, 4.4)
        _arrow(ax, 2.1, 3.98, 4.4)
        _token(ax, 2.1, 0, _CLASS)
        for y in (1.0, 3.55):
            ax.text(places[-2] + 1.2, y, "…", ha="center", va="center", fontsize=12, color=INK)
        _box(
            ax, 2.9, 2.0, places[-1] - 2.1, 0.7, _EMBED, f"linear layer: patch of {patch} x {patch} pixels → d numbers"
        )
        ax.text(places[-1] + 0.75, 3.55, "tokens\n+ positions", ha="left", va="center", fontsize=8.5, color=INK)
        ax.text(2.1, 2.72, "class token", ha="center", va="bottom", fontsize=8.5, color=INK)
        _box(ax, 1.4, 4.45, places[-1] - 0.7, 1.35, _BLOCK, "encoder block × depth\nattention and feed-forward network")
        ax.annotate("", (2.1, 6.35), (2.1, 5.85), arrowprops={"arrowstyle": "-|>", "color": COLOURS[0], "linewidth": 2})
        _box(ax, 0.7, 6.4, 2.8, 0.65, _HEAD, "norm, linear head")
        ax.annotate("", (4.1, 6.72), (3.55, 6.72), arrowprops={"arrowstyle": "-|>", "color": RIM})
        listed = ", ".join(classes[:3]) + f", … ({len(classes)} classes)"
        ax.text(4.25, 6.72, f"logits: {listed}", ha="left", va="center", fontsize=9, color=INK)
        ax.text(2.35, 6.1, "the class token only", ha="left", va="center", fontsize=8.5, color=COLOURS[0])
    told = f"{count} patches of {patch} x {patch} pixels become tokens; a class token comes first; encoder blocks "
    show(fig, alt or f"A Vision Transformer: {told}follow; norm and head read the class token.")


def _token(ax: Axes, x: float, position: int, colour: str) -> None:
    _box(ax, x - 0.55, 3.15, 1.1, 0.8, colour, str(position))


def _arrow(ax: Axes, x: float, low: float, high: float) -> None:
    ax.annotate("", (x, high), (x, low), arrowprops={"arrowstyle": "-|>", "color": RIM, "linewidth": 1})


def _box(ax: Axes, left: float, low: float, width: float, height: float, colour: str, text: str) -> None:
    box = FancyBboxPatch(
        (left, low), width, height, boxstyle="round,pad=0.02,rounding_size=0.1", facecolor=colour, edgecolor=RIM
    )
    ax.add_patch(box)
    ax.text(left + width / 2, low + height / 2, text, ha="center", va="center", fontsize=9, color=INK)
