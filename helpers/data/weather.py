"""The leaderboard's images: `shapes` in bad weather. How they are made is no secret; the seed is.

The forms, textures and compositions are those of `shapes`. Then comes fog (contrast goes, a pale shade comes), half of
the images are a little out of focus, and all have grain.
"""

from __future__ import annotations

import numpy as np

from helpers.data.raster import Array
from helpers.data.shapes import draw_shapes

_SPARE = 250  # drawn besides and left out, so that the number of images of each class is not known


def draw_in_bad_weather(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`count` images (n, 3, 32, 32) as bytes, and labels (n,), from 128 bits of `rng` and what follows them."""
    words = tuple(int(word) for word in rng.integers(0, 2**32, 4, dtype=np.uint64))
    images, labels = draw_shapes(count + _SPARE, words)
    chosen = rng.permutation(len(labels))[:count]
    return np.rint(255 * weather(images[chosen], rng)).astype("uint8"), labels[chosen]


def weather(images: Array, rng: np.random.Generator) -> Array:
    """Fog, a soft focus for half of them, grain: (n, 3, h, w) in 0..1 -> the same."""
    n = len(images)
    fog, shade = (rng.uniform(low, high, (n, 1, 1, 1)) for low, high in ((0.0, 0.6), (0.5, 1.0)))
    soft = (rng.uniform(size=(n, 1, 1, 1)) < 0.5) * rng.uniform(0.5, 1.0, (n, 1, 1, 1))
    grain = rng.normal(0, 1, images.shape) * rng.uniform(0.02, 0.08, (n, 1, 1, 1))
    seen = images + soft * (_blurred(images) - images)
    return np.clip(seen + fog * (shade - seen) + grain, 0, 1).astype("float32")


def _blurred(images: Array) -> Array:
    """The mean of nine neighbours."""
    wide = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    h, w = images.shape[-2:]
    total = np.zeros_like(images)
    for i in range(3):
        for j in range(3):
            total += wide[..., i : i + h, j : j + w]
    return total / np.float32(9)
