"""Data sets, all through one call: `load("shapes")`.

`digits`, `shapes` and `faces` need no network. `mnist`, `fashion_mnist` and `cifar10` are read from the folder that
`VITLAB_DATA` names, or downloaded once.
"""

from __future__ import annotations

from typing import Literal

from helpers.data.dataset import Dataset
from helpers.data.downloads import DataUnavailable
from helpers.data.landscape import sample_image

__all__ = ["NAMES", "DataUnavailable", "Dataset", "load", "sample_image"]

NAMES = ("digits", "shapes", "faces", "cifar10", "mnist", "fashion_mnist")


def load(
    name: Literal["digits", "shapes", "faces", "cifar10", "mnist", "fashion_mnist"],
    split: Literal["train", "test"] = "train",
    limit: int | None = None,
) -> Dataset:
    """A data set: `images` (n, c, h, w) float32 in 0..1, `labels` (n,) int64, `classes`, `source`.

    | name | images | train, test | where from |
    |---|---|---|---|
    | digits | 1 x 8 x 8 | 1433, 364 | scikit-learn: real handwriting |
    | shapes | 3 x 32 x 32, ten classes | 2000, 500 | drawn by `helpers/data/shapes.py` |
    | faces | 3 x 32 x 32, whole or scrambled | 1000, 400 | drawn by `helpers/data/faces.py` |
    | cifar10 | 3 x 32 x 32 | 50000, 10000 | file or download, 163 MB |
    | mnist, fashion_mnist | 1 x 28 x 28 | 60000, 10000 | file or download, 11 MB and 30 MB |

    Args:
        limit: only the first so many images. They are in mixed order, so a part is a fair sample.

    Raises:
        ValueError: no set or no split has that name, or `limit` is not positive.
        DataUnavailable: the files are not here and cannot be fetched, or are broken; the message says which.
    """
    if name not in NAMES:
        raise ValueError(f"There is no data set {name!r}. There are: {', '.join(NAMES)}.")
    if split not in ("train", "test"):
        raise ValueError(f"There is no split {split!r}: it is 'train' or 'test'.")
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; it must be at least 1, or None for all images.")
    if name == "digits":
        from helpers.data.digits import load_digits

        return load_digits(split, limit)
    if name == "shapes":
        from helpers.data.shapes import load_shapes

        return load_shapes(split, limit)
    if name == "faces":
        from helpers.data.faces import load_faces

        return load_faces(split, limit)
    from helpers.data.files import load_cifar10, load_mnist

    return load_cifar10(split, limit) if name == "cifar10" else load_mnist(name, split, limit)
