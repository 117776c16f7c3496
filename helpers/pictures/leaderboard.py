"""The leaderboard's card: some images with what is on them, and which classes an entry takes for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from helpers.plots import COLOURS, WIDTH, figure, style
from helpers.plots.style import FAINT, SOFT


def entry_picture(images: np.ndarray, labels: np.ndarray, given: np.ndarray | None, classes: Sequence[str]) -> Figure:
    """Bytes (n, 3, h, w): ten images, one of each class; below each how many of that class are right."""
    first = [int(np.flatnonzero(labels == k)[0]) for k in range(len(classes))]
    with style():
        fig, axes = figure(1.15 if given is None else 1.75, width=WIDTH, rows=1 if given is None else 2,
                           columns=len(classes), squeeze=False)  # fmt: skip
        for k, (ax, place) in enumerate(zip(axes[0], first, strict=True)):
            ax.imshow(images[place].transpose(1, 2, 0))
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.set_title(classes[k].replace(" over ", "\nover "), fontsize=7, loc="center", pad=3)
        if given is not None:
            for k, ax in enumerate(axes[1]):
                share = float((given[labels == k] == k).mean())
                ax.bar([0], [1], color=FAINT, width=1)
                ax.bar([0], [share], color=COLOURS[2 if share >= 0.5 else 1], width=1)
                ax.set(xticks=[], yticks=[], xlim=(-0.8, 0.8), ylim=(0, 1))
                ax.spines[:].set_visible(False)
                ax.set_xlabel(f"{100 * share:.0f} %", fontsize=8, color=SOFT)
    return fig
