"""The leaderboard's card: an image of every second class, or how many of each class an entry gets right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from helpers.plots import COLOURS, WIDTH, figure, style
from helpers.plots.style import FAINT, SOFT


def entry_picture(images: np.ndarray, labels: np.ndarray, given: np.ndarray | None, classes: Sequence[str]) -> Figure:
    """Bytes (n, 3, h, w): an image of every second class; with an entry's labels (n,), how many are right, by class."""
    with style():
        high = 1.15 if given is None else 1.0
        shown = range(0, len(classes), 2 if given is None else 1)  # grain makes pictures heavy
        fig, axes = figure(high, width=WIDTH * len(shown) / len(classes), columns=len(shown), squeeze=False)
        for k, ax in zip(shown, axes.flat, strict=True):
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            ax.set_title(classes[k].replace(" over ", "\nover "), fontsize=7, loc="center", pad=3)
            if given is None:
                ax.imshow(images[int(np.flatnonzero(labels == k)[0])].transpose(1, 2, 0))
                continue
            share = float((given[labels == k] == k).mean())
            ax.bar([0], [1], color=FAINT, width=1)
            ax.bar([0], [share], color=COLOURS[2 if share >= 0.5 else 1], width=1)
            ax.set(xlim=(-0.8, 0.8), ylim=(0, 1))
            ax.set_xlabel(f"{100 * share:.0f} %", fontsize=8, color=SOFT)
    return fig
