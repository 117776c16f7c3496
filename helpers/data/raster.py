"""Soft-edged drawing in numpy: distances to shapes become coverage, coverage mixes colours.

Pictures are float32 arrays (n, h, w, 3) in 0..1; x and y count pixels from the left and the top, at pixel centres.
"""

from __future__ import annotations

import colorsys

import numpy as np

Array = np.ndarray
Length = np.ndarray | float


def grid(height: int, width: int) -> tuple[Array, Array]:
    """x and y of every pixel, each (1, h, w)."""
    y, x = np.mgrid[0:height, 0:width].astype("float32") + 0.5
    return x[None], y[None]


def coverage(distance: Array, softness: float = 0.5) -> Array:
    """How much of each pixel lies inside: 1 where the distance is well below 0, 0 well above, soft between."""
    return np.clip(0.5 - distance / (2 * softness), 0, 1).astype("float32")


def paint(canvas: Array, cover: Array, colour: Array) -> None:
    """Mix a colour (n, 3), or a picture (n, h, w, 3), into the canvas, in place."""
    colour = np.asarray(colour, dtype="float32")
    if colour.ndim <= 2:
        colour = colour.reshape(-1, 1, 1, 3)
    canvas += cover[..., None] * (colour - canvas)


def hsv(hue: Array, saturation: Array, value: Array) -> Array:
    """Colours (n, 3) of hue, saturation and value in 0..1."""
    rows = np.broadcast_arrays(hue, saturation, value)
    return np.array([colorsys.hsv_to_rgb(h % 1, s, v) for h, s, v in zip(*rows, strict=True)], dtype="float32")


# Distances in pixels, negative inside. x and y are taken from the shape's centre; r is its radius.


def disc(x: Array, y: Array, r: Length) -> Array:
    return np.hypot(x, y) - r


def box(x: Array, y: Array, rx: Length, ry: Length) -> Array:
    return np.maximum(np.abs(x) - rx, np.abs(y) - ry)


def ellipse(x: Array, y: Array, rx: float, ry: float) -> Array:
    return (np.hypot(x / rx, y / ry) - 1) * min(rx, ry)


def triangle(x: Array, y: Array, r: Length) -> Array:
    """Equilateral, its tip up."""
    return np.maximum(0.866 * np.abs(x) - 0.5 * y, y) - 0.5 * r


def ring(x: Array, y: Array, r: Length) -> Array:
    return np.abs(np.hypot(x, y) - 0.74 * r) - 0.26 * r


def cross(x: Array, y: Array, r: Length) -> Array:
    return np.minimum(box(x, y, r, 0.32 * r), box(x, y, 0.32 * r, r))
