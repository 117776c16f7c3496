"""The leaderboard's images: `shapes` in bad weather. How they are made is no secret; the seed is.

The forms, textures and compositions are those of `shapes`. Half of the images are out of focus, on more than half of
them it rains, then comes fog (contrast goes, a pale shade comes), and all have grain.
"""

from __future__ import annotations

import numpy as np

from helpers.data.raster import Array
from helpers.data.shapes import draw_shapes

_DROPS = 0.025  # per pixel, where it rains
_SPARE = 250  # drawn besides and left out, so that the number of images of each class is not known


def draw_in_bad_weather(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """`count` images (n, 3, 32, 32) as bytes, and labels (n,), from 128 bits of `rng` and what follows them."""
    words = tuple(int(word) for word in rng.integers(0, 2**32, 4, dtype=np.uint64))
    images, labels = draw_shapes(count + _SPARE, words)
    chosen = rng.permutation(len(labels))[:count]
    return np.rint(255 * weather(images[chosen], rng)).astype("uint8"), labels[chosen]


def weather(images: Array, rng: np.random.Generator) -> Array:
    """A soft focus for half of them, rain for some, fog, grain: (n, 3, h, w) in 0..1 -> the same."""
    n = len(images)
    each = (n, 1, 1, 1)
    fog, shade = rng.uniform(0.0, 0.72, each), rng.uniform(0.5, 1.0, each)
    soft = (rng.uniform(size=each) < 0.5) * rng.uniform(0.5, 1.0, each)
    seen = images + soft * (_blurred(_blurred(images)) - images)
    seen = seen + rng.uniform(0.3, 0.9, each) * _rain(n, images.shape[-2:], rng) * (0.9 - seen)
    grain = rng.normal(0, 1, images.shape) * rng.uniform(0.03, 0.17, each)
    return np.clip(seen + fog * (shade - seen) + grain, 0, 1).astype("float32")


def _rain(n: int, size: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Streaks seven pixels long, steep, on six images of ten: (n, 1, h, w) of zeros and ones."""
    often = _DROPS * (rng.uniform(size=(n, 1, 1, 1)) < 0.6)
    drops = (rng.uniform(size=(n, 1, *size)) < often).astype("float32")
    streaks = drops.copy()
    for down in range(1, 7):
        right = down // 3
        there = streaks[..., down:, right:]
        np.maximum(there, drops[..., : size[0] - down, : size[1] - right], out=there)
    return streaks


def _blurred(images: Array) -> Array:
    """The mean of nine neighbours."""
    wide = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="edge")
    h, w = images.shape[-2:]
    summed = np.zeros_like(images)
    for i in range(3):
        for j in range(3):
            summed += wide[..., i : i + h, j : j + w]
    return summed / np.float32(9)
