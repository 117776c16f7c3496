"""Real handwritten digits, 8 x 8, as scikit-learn brings them (Alpaydin and Kaynak, UCI, 1998)."""

from __future__ import annotations

import numpy as np
import torch

from helpers.data.dataset import Dataset


def load_digits(split: str, limit: int | None) -> Dataset:
    """One fifth of each class is the test set; the order is mixed, and always the same."""
    from sklearn.datasets import load_digits as from_sklearn

    raw = from_sklearn()
    images, labels = raw.images.astype("float32") / 16.0, raw.target.astype("int64")
    order = np.random.RandomState(0).permutation(len(labels))
    rank = np.empty(len(labels), dtype=int)  # how many of its class come before it, in mixed order
    for digit in range(10):
        places = order[labels[order] == digit]
        rank[places] = np.arange(len(places))
    keep = order[(rank[order] % 5 == 0) == (split == "test")][:limit]
    return Dataset(
        "digits",
        torch.from_numpy(images[keep, None]),
        torch.from_numpy(labels[keep]),
        tuple(str(digit) for digit in range(10)),
        f"scikit-learn ({split})",
    )
