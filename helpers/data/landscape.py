"""One picture to cut up: a house by a lake in the evening sun. Every patch of it differs, so a wrong order shows."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from helpers.data import raster
from helpers.data.raster import Array

_OVER = 4  # each pixel is the mean of 4 x 4 samples


def sample_image(size: int | tuple[int, int] = (32, 32)) -> Tensor:
    """The sample picture (3, h, w), float32 in 0..1, drawn for any size (height, width)."""
    h, w = (size, size) if isinstance(size, int) else size
    if h < 1 or w < 1:
        raise ValueError(f"The size is (height, width) in pixels, at least 1 each; got ({h}, {w}).")
    fine = _scene(h * _OVER, w * _OVER)
    small = np.mean([fine[i::_OVER, j::_OVER] for i in range(_OVER) for j in range(_OVER)], axis=0)
    return torch.from_numpy(np.ascontiguousarray(small.transpose(2, 0, 1)))


def _rgb(code: str) -> Array:
    return np.array([[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)]], dtype="float32")


def _scene(h: int, w: int) -> Array:
    """(h, w, 3). u runs 0..1 from left to right and v from top to bottom; forms are drawn in these units."""
    x, y = raster.grid(h, w)
    u, v = x / w, y / h
    wide, high = w / min(h, w), h / min(h, w)
    soft = 0.7 / min(h, w)

    def paint(distance: Array, colour: str, strength: float = 1.0) -> None:
        cover = np.broadcast_to(strength * raster.coverage(distance, soft), (1, h, w))
        raster.paint(canvas, cover, _rgb(colour))

    def disc(cx: float, cy: float, r: float) -> Array:
        return raster.disc((u - cx) * wide, (v - cy) * high, r)  # round in any format

    def block(left: float, top: float, right: float, bottom: float) -> Array:
        return raster.box(u - (left + right) / 2, v - (top + bottom) / 2, (right - left) / 2, (bottom - top) / 2)

    # sky, from blue to a warm horizon
    t = np.clip(v / 0.55, 0, 1)[..., None]
    canvas = (_rgb("3f8fd6") + t * (_rgb("fde3b0") - _rgb("3f8fd6"))).astype("float32")
    paint(disc(0.79, 0.17, 0.155), "ffe9a8", 0.45)
    paint(disc(0.79, 0.17, 0.105), "ffc53d")
    for cx, cy, r in ((0.17, 0.15, 0.06), (0.25, 0.125, 0.08), (0.34, 0.155, 0.058)):
        paint(raster.ellipse(u - cx, v - cy, r * 1.25, r * 0.8), "ffffff")
    # mountains
    paint(0.30 + 1.05 * np.abs(u - 0.52) - v, "6c7fa8")
    paint(np.maximum(0.30 + 1.05 * np.abs(u - 0.52) - v, v - 0.375 - 0.02 * np.sin(u * 60)), "f4f7fb")
    paint(0.40 + 0.75 * np.abs(u - 0.90) - v, "55698f")
    # meadow, lake and path
    paint(0.60 - 0.03 * np.sin(u * 7) - v, "6fb04a")
    paint(0.78 - 0.02 * np.sin(u * 9 + 1) - v, "4f9440")
    paint(raster.ellipse(u - 0.86, v - 0.80, 0.25, 0.085), "3c86c4")
    paint(raster.ellipse(u - 0.88, v - 0.785, 0.13, 0.02), "9ccdec")
    paint(np.maximum(np.abs(u - 0.335 - 0.25 * (v - 0.72)) - 0.035 - 0.16 * (v - 0.72), 0.72 - v), "e3c58f")
    # house: walls, roof, chimney, door, windows
    paint(block(0.40, 0.36, 0.455, 0.50), "8c4a3a")
    paint(block(0.12, 0.50, 0.50, 0.74), "f7e6cf")
    paint(np.maximum(0.335 + 0.78 * np.abs(u - 0.31) - v, v - 0.525), "c8452f")
    paint(block(0.285, 0.58, 0.375, 0.74), "6b3f2a")
    paint(block(0.165, 0.57, 0.245, 0.65), "3d5a80")
    paint(block(0.415, 0.57, 0.465, 0.65), "3d5a80")
    paint(block(0.20, 0.57, 0.21, 0.65), "f7e6cf")
    # tree
    paint(block(0.675, 0.55, 0.715, 0.74), "6b4226")
    for cx, cy, r, colour in ((0.695, 0.47, 0.125, "2f6b3a"), (0.66, 0.44, 0.075, "3f8448")):
        paint(disc(cx, cy, r), colour)
    # flowers
    red, yellow, white = "f25f5c", "ffe066", "ffffff"
    for cx, cy, colour in (
        (0.08, 0.86, red),
        (0.17, 0.93, yellow),
        (0.06, 0.96, white),
        (0.22, 0.83, red),
        (0.60, 0.93, yellow),
        (0.53, 0.85, white),
    ):
        paint(disc(cx, cy, 0.02), colour)
    return np.clip(canvas[0], 0, 1)
