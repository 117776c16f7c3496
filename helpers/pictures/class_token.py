"""Lesson 04's drawings: which token depends on what, and what is added to each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from helpers.plots import WIDTH, figure, show, style
from helpers.plots.arrays import to_numpy, to_pictures
from helpers.plots.charts import add_bar, draw_matrix
from helpers.plots.tiles import draw_image


def hearing_picture(wanted: np.ndarray, yours: np.ndarray | None) -> Figure:
    """Matrices (class token and patches, tokens): bright where a token notices that the row's thing has changed."""
    panels = [("target", wanted)] + ([] if yours is None else [("yours", yours)])
    names = ["class token", *[f"patch {k}" for k in range(len(wanted) - 1)]]
    with style():
        fig, axes = figure(0.19 * len(wanted) + 0.85, width=2.6 * len(panels) + 0.6, columns=len(panels), squeeze=False)
        for ax, (title, matrix) in zip(axes.flat, panels, strict=True):
            if matrix.size:
                draw_matrix(ax, matrix, diverging=False, vmin=0, vmax=1)
                ax.set_aspect("auto")
            else:
                ax.text(0.5, 0.5, "can't be told", ha="center", va="center", transform=ax.transAxes)
                ax.set_xticks([])
            ax.set(title=title, xlabel="token that notices", yticks=[])
        if len(wanted) <= 12:
            axes.flat[0].set_yticks(range(len(names)), names)
        axes.flat[0].set_ylabel("what was changed")
    return fig


def positions_picture(wanted: np.ndarray, yours: np.ndarray | None) -> Figure:
    """What is added to the tokens (n + 1, d) of one image, beside the target; `yours` is (b, n + 1, d)."""
    panels = [("target", wanted)]
    if yours is not None and yours.ndim == 3 and yours.size:
        panels.append(("yours, image 0", yours[0]))
        if len(yours) > 1 and not np.allclose(yours[0], yours[1]):
            panels.append(("yours, image 1", yours[1]))
    high = np.abs(wanted).max()
    with style():
        fig, axes = figure(0.16 * len(wanted) + 0.9, width=2.1 * len(panels) + 0.9, columns=len(panels), squeeze=False)
        for ax, (title, matrix) in zip(axes.flat, panels, strict=True):
            image = draw_matrix(ax, np.asarray(matrix, float), diverging=True, vmin=-high, vmax=high, ticks=6)
            ax.set_aspect("auto")
            ax.set(title=title, xlabel="dimension")
        axes.flat[0].set_ylabel("token")
        add_bar(image, axes)
    return fig


def show_listening(images: object, maps: Mapping[str, object], grid: tuple[int, int], alt: str | None = None) -> None:
    """Draw images (b, c, h, w) in a row, and below each what every map (b, n) says about its patches."""
    pictures = to_pictures(images)
    fields = {name: to_numpy(values).reshape(len(pictures), *grid) for name, values in maps.items()}
    high = max(field.max() for field in fields.values())
    side = (WIDTH - 1.6) / len(pictures)
    with style():
        fig, axes = figure((side + 0.05) * (1 + len(fields)) + 0.1, rows=1 + len(fields), columns=len(pictures))
        for ax, picture in zip(axes[0], pictures, strict=True):
            draw_image(ax, picture)
        for line, (name, field) in zip(axes[1:], fields.items(), strict=True):
            for ax, matrix in zip(line, field, strict=True):
                image = ax.imshow(matrix, cmap="viridis", vmin=0, vmax=high)
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
            line[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=6)
        add_bar(image, axes[1:])
    show(fig, alt or f"{len(pictures)} images, and below each the class token's shares: {', '.join(fields)}.")
