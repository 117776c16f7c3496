"""Pictures of images: a batch, a patch grid, patches, tokens, things side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects

from helpers.plots.arrays import to_numpy, to_picture, to_pictures
from helpers.plots.charts import add_bar, draw_matrix
from helpers.plots.style import DPI, INK, WIDTH, figure, show, styled
from helpers.plots.tiles import draw_image, tiles, wrapped


@styled
def show_images(images, titles: Sequence | None = None, columns: int = 8, alt: str | None = None) -> None:
    """Draw a batch of images (n, c, h, w), or a list of images (c, h, w), in rows of `columns`; grey or RGB."""
    pictures = to_pictures(images)
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"There are {len(pictures)} images and {len(titles)} titles: they must agree.")
    if not pictures:
        raise ValueError("There is no image to show: the batch is empty.")
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    gap = 0.09
    side = min((WIDTH - gap) / columns - gap, 1.9)
    show(
        tiles(pictures, rows=rows, columns=columns, side=side, gap=gap, labels=titles, colour=INK),
        alt or f"{len(pictures)} images in {_rows(rows)}" + (f": {', '.join(map(str, titles))}." if titles else "."),
    )


@styled
def show_grid(image, patch_size, alt: str | None = None, numbers: bool = True, title: str = "") -> None:
    """Draw an image (c, h, w) with the borders of its patches, and each patch's number in reading order.

    Args:
        patch_size: one number, or (height, width); what doesn't divide the image leaves a strip without number.
    """
    picture = to_picture(image)
    h, w = picture.shape[:2]
    ph, pw = (int(p) for p in (patch_size if np.iterable(patch_size) else (patch_size, patch_size)))
    rows, columns = h // ph, w // pw
    width = min(3.4 * w / h, 3.4 if w <= h else 5.6)
    fig, ax = figure(width * h / w + (0.3 if title else 0.05), width=width)
    draw_image(ax, picture)
    for y in range(rows + 1):
        ax.plot([-0.5, columns * pw - 0.5], [y * ph - 0.5] * 2, color="white", linewidth=1.1, clip_on=False)
    for x in range(columns + 1):
        ax.plot([x * pw - 0.5] * 2, [-0.5, rows * ph - 0.5], color="white", linewidth=1.1, clip_on=False)
    cell = width * DPI * min(ph, pw) / w  # pixels of a patch on the page
    for number in range(rows * columns if numbers and cell >= 8 + 6 * len(str(rows * columns)) else 0):
        row, column = divmod(number, columns)
        ax.text(
            (column + 0.5) * pw - 0.5, (row + 0.5) * ph - 0.5, str(number), ha="center", va="center",
            color="white", fontsize=float(np.clip(cell * 0.24, 6, 11)), fontweight="bold",
            path_effects=[patheffects.withStroke(linewidth=2, foreground="#1f2328b0")],
        )  # fmt: skip
    ax.set(xlim=(-0.5, w - 0.5), ylim=(h - 0.5, -0.5), title=title)
    show(fig, alt or f"Image of {h} by {w} pixels cut into {rows} rows of {columns} patches, {ph} by {pw} each.")


@styled
def show_patches(
    patches,
    grid: tuple[int, int] | None = None,
    titles: Sequence | None = None,
    alt: str | None = None,
    numbers: bool = True,
) -> None:
    """Draw patches (n, c, ph, pw) as tiles with gaps, in rows as `grid` (rows, columns) says, each with its number."""
    pictures = to_pictures(patches)
    if not pictures:
        raise ValueError("There is no patch to show: the first dimension is 0.")
    rows, columns = grid or _default_grid(len(pictures))
    if rows * columns < len(pictures):
        raise ValueError(f"A grid of {rows} x {columns} has too few places for {len(pictures)} patches.")
    if titles is not None and len(titles) != len(pictures):
        raise ValueError(f"There are {len(pictures)} patches and {len(titles)} titles: they must agree.")
    gap = 0.05 if columns > 8 else 0.08
    ratio = pictures[0].shape[0] / pictures[0].shape[1]
    side = min((WIDTH - gap) / columns - gap, 3.4 / rows / ratio, 0.8)
    labels = titles if titles is not None else range(len(pictures)) if numbers and side * ratio > 0.22 else None
    size = f"{pictures[0].shape[0]} by {pictures[0].shape[1]}"
    show(
        tiles(pictures, rows=rows, columns=columns, side=side, gap=gap, labels=labels, size=7),
        alt or f"{len(pictures)} patches of {size} pixels in {_rows(rows)} of {columns}.",
    )


def _default_grid(count: int) -> tuple[int, int]:
    """A square if the count is one, else rows of at most 12."""
    root = round(count**0.5)
    if root * root == count and count > 3:
        return root, root
    columns = min(count, 12)
    return -(-count // columns), columns


def _rows(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows} rows"


@styled
def token_strip(
    tokens,
    image_shape: tuple[int, int, int] | None = None,
    alt: str | None = None,
    title: str = "",
    height: float | None = None,
) -> None:
    """Draw tokens (n, d): one row of d colours each; with `image_shape` (c, ph, pw) as a strip of little images."""
    array = to_numpy(tokens)
    if array.ndim != 2:
        raise ValueError(f"Tokens are shaped (n, d), without the batch; got {array.shape}.")
    n, d = array.shape
    if image_shape is not None:
        if int(np.prod(image_shape)) != d:
            raise ValueError(f"A token of width {d} can't be an image of shape {tuple(image_shape)}.")
        show_patches([token.reshape(image_shape) for token in array], grid=(-(-n // 16), min(n, 16)), alt=alt)
        return
    fig, ax = figure(height or float(np.clip(0.2 * n, 0.6, 3.2)) + 0.65)
    image = draw_matrix(ax, array.astype(float), diverging=None)
    ax.set_aspect("auto")
    for row in range(1, n if n <= 40 else 0):
        ax.axhline(row - 0.5, color="white", linewidth=1.6)
    ax.set(title=title, xlabel="dimension", ylabel="token")
    add_bar(image, ax)
    show(fig, alt or f"{title + ': ' if title else ''}{n} tokens of width {d}, one row of colours each.")


@styled
def compare(panels: Sequence[tuple[str, object]], alt: str | None = None, shared: bool = True) -> None:
    """Draw panels (title, array) side by side: a 2-D array as a heat map, an image (c, h, w) as an image.

    Heat maps share one colour scale, so that equal colours are equal numbers; `shared=False` gives each its own.
    """
    if not panels:
        raise ValueError("There is no panel to compare.")
    arrays = [(str(title), to_numpy(array)) for title, array in panels]
    columns = len(arrays) if len(arrays) < 6 else 4
    rows = -(-len(arrays) // columns)
    side = min((WIDTH - 0.5) / columns, 2.4)
    titles = [wrapped(title, side * 0.95, 9) for title, _ in arrays]
    ratio = max(float(np.clip(_ratio(array), 0.25, 1.6)) for _, array in arrays)
    height = rows * (side * ratio + 0.18 + 0.16 * max(title.count("\n") + 1 for title in titles))
    matrices = [array.astype(float) for _, array in arrays if array.ndim == 2]
    fig, axes = figure(
        height, width=side * columns + (0.5 if matrices else 0.05), rows=rows, columns=columns, squeeze=False
    )
    finite = np.concatenate([m[np.isfinite(m)] for m in matrices]) if matrices else np.zeros(0)
    limits = {"vmin": finite.min(), "vmax": finite.max()} if shared and finite.size else {}
    image, drawn = None, []
    for ax, title, (_, array) in zip(axes.flat, titles, arrays, strict=False):
        if array.ndim == 2:
            image = draw_matrix(ax, array.astype(float), diverging=None, ticks=5, **limits)
            drawn.append(ax)
            if not shared:
                add_bar(image, ax)
        else:
            draw_image(ax, to_picture(array))
        ax.set_title(title, fontsize=9)
    for ax in axes.flat[len(arrays) :]:
        ax.set_axis_off()
    if shared and image is not None:
        add_bar(image, axes if len(drawn) == len(arrays) else drawn)
    show(fig, alt or f"Side by side: {', '.join(title for title, _ in arrays)}.")


def _ratio(array: np.ndarray) -> float:
    """Height over width of an array to draw."""
    h, w = array.shape if array.ndim == 2 else to_picture(array).shape[:2]
    return h / w
