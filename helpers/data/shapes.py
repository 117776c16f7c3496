"""Ten classes of small pictures, drawn here. Three things tell them apart, and a good model needs all three.

- form: circle, square, triangle, cross, ring, all plain;
- texture: stripes or checks, on any form;
- composition: a circle over a square or a square over a circle (the same parts, only their places differ), or twins.

Colours, sizes, places, tilts and backgrounds vary at random and say nothing about the class.
"""

from __future__ import annotations

import numpy as np
import torch

from helpers.data import raster
from helpers.data.dataset import Dataset
from helpers.data.raster import Array

CLASSES = (
    "circle", "square", "triangle", "cross", "ring", "stripes", "checks",
    "circle over square", "square over circle", "twins",
)  # fmt: skip
SIZES = {"train": 2000, "test": 500}
_SEEDS = {"train": 1, "test": 2}
_CHUNK = 250  # images drawn at once; each chunk has its own seed, so that a part equals the start of the whole


def load_shapes(split: str, limit: int | None) -> Dataset:
    count = min(limit or SIZES[split], SIZES[split])
    images, labels = draw_shapes(count, seed=_SEEDS[split])
    return Dataset(
        "shapes", torch.from_numpy(images), torch.from_numpy(labels), CLASSES, f"helpers/data/shapes.py ({split})"
    )


def draw_shapes(count: int, seed: int | tuple[int, ...], size: int = 32) -> tuple[Array, Array]:
    """`count` images (n, 3, size, size) float32 in 0..1 and labels (n,), the same for the same words of seed."""
    words = seed if isinstance(seed, tuple) else (seed,)
    chunks = [_chunk((*words, start), size) for start in range(0, count, _CHUNK)]
    images, labels = (np.concatenate(parts)[:count] for parts in zip(*chunks, strict=True))
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels


def _chunk(seed: tuple[int, ...], size: int) -> tuple[Array, Array]:
    rng = np.random.RandomState(seed)
    labels = rng.permutation(np.arange(_CHUNK) % len(CLASSES)).astype("int64")
    canvas, hue = _background(rng, size)
    for label in range(len(CLASSES)):
        places = np.flatnonzero(labels == label)
        part = canvas[places]
        _DRAW[label](rng, part, hue[places])
        canvas[places] = part
    canvas += rng.normal(0, 0.02, canvas.shape).astype("float32")
    return np.clip(canvas, 0, 1), labels


def _background(rng, size: int) -> tuple[Array, Array]:
    """A soft gradient between two light shades of one hue."""
    n = _CHUNK
    x, y = raster.grid(size, size)
    hue = rng.uniform(0, 1, n)
    value = rng.uniform(0.84, 0.98, n)
    one = raster.hsv(hue, rng.uniform(0.08, 0.35, n), value)
    other = raster.hsv(hue + rng.uniform(-0.08, 0.08, n), rng.uniform(0.08, 0.35, n), value - 0.1)
    angle = rng.uniform(0, 2 * np.pi, n).astype("float32")[:, None, None]
    slope = (x / size - 0.5) * np.cos(angle) + (y / size - 0.5) * np.sin(angle) + 0.5
    canvas = one[:, None, None] + np.clip(slope, 0, 1)[..., None] * (other - one)[:, None, None]
    return canvas.astype("float32"), hue


_FORMS = (
    raster.disc,
    lambda x, y, r: raster.box(x, y, 0.88 * r, 0.88 * r),
    lambda x, y, r: raster.triangle(x, y + 0.12 * r, 1.2 * r),
    raster.cross,
    raster.ring,
)


def _place(rng, n: int, size: int, low: float, high: float) -> tuple[Array, Array, Array]:
    """Centres and radii, (n, 1, 1) each, that keep the form inside the picture."""
    r = rng.uniform(low, high, n) * size
    x, y = (rng.uniform(r + 1.5, size - r - 1.5) for _ in range(2))
    return tuple(value.astype("float32")[:, None, None] for value in (x, y, r))


def _form(rng, canvas: Array, form, colour: Array, centre, *, tilt: float = 0.35, fill=None) -> None:
    """One form with a soft shadow; `fill(x, y, r)` says where a second colour goes."""
    n, size = canvas.shape[0], canvas.shape[1]
    x, y = raster.grid(size, size)
    cx, cy, r = centre
    angle = rng.uniform(-tilt, tilt, n).astype("float32")[:, None, None]
    cos, sin = np.cos(angle), np.sin(angle)

    def turned(shift: float) -> tuple[Array, Array]:
        dx, dy = x - cx - shift, y - cy - shift
        return cos * dx + sin * dy, cos * dy - sin * dx

    shade = 0.3 * raster.coverage(form(*turned(0.05 * size), r), softness=0.05 * size)
    raster.paint(canvas, shade, np.zeros((1, 3)))
    dx, dy = turned(0.0)
    cover = raster.coverage(form(dx, dy, r))
    raster.paint(canvas, cover, colour)
    if fill is not None:
        raster.paint(canvas, cover * fill(dx, dy), np.ones((1, 3), dtype="float32"))


def _colour(rng, hue: Array, shift: float = 0.0) -> Array:
    """Vivid colours whose hue stays clear of the background's."""
    n = len(hue)
    return raster.hsv(hue + shift + rng.uniform(0.25, 0.75, n), rng.uniform(0.65, 0.95, n), rng.uniform(0.45, 0.85, n))


def _single(form):
    def draw(rng, canvas: Array, hue: Array) -> None:
        n, size = canvas.shape[:2]
        _form(rng, canvas, form, _colour(rng, hue), _place(rng, n, size, 0.2, 0.34))

    return draw


def _textured(fill):
    def draw(rng, canvas: Array, hue: Array) -> None:
        size = canvas.shape[1]
        for k in range(2):  # half of them on a disc, half on a square
            part = canvas[k::2]
            centre = _place(rng, len(part), size, 0.24, 0.36)
            _form(rng, part, _FORMS[k], _colour(rng, hue[k::2]), centre, fill=fill(rng, len(part), size))

    return draw


def _stripes(rng, n: int, size: int):
    period = (rng.uniform(0.13, 0.19, n) * size).astype("float32")[:, None, None]
    angle = rng.uniform(0, np.pi, n).astype("float32")[:, None, None]
    return lambda x, y: raster.coverage(_wave(x * np.cos(angle) + y * np.sin(angle), period))


def _checks(rng, n: int, size: int):
    period = (rng.uniform(0.2, 0.27, n) * size).astype("float32")[:, None, None]

    def fill(x: Array, y: Array) -> Array:
        across, down = raster.coverage(_wave(x, period)), raster.coverage(_wave(y, period))
        return across + down - 2 * across * down

    return fill


def _wave(x: Array, period: Array) -> Array:
    """Distance to the nearest edge of stripes half a period wide, negative inside a stripe."""
    return np.abs((x / period) % 1 - 0.5) * period - period / 4


def _stacked(top, bottom):
    def draw(rng, canvas: Array, hue: Array) -> None:
        n, size = canvas.shape[:2]
        r = rng.uniform(0.15, 0.2, (2, n)) * size
        x = rng.uniform(0.28, 0.72, n) * size
        middle = rng.uniform(0.45, 0.55, n) * size
        for k, (form, sign) in enumerate(((top, -1), (bottom, 1))):
            cx = np.clip(x + rng.uniform(-0.1, 0.1, n) * size, r[k] + 1, size - r[k] - 1)
            cy = middle + sign * (r[k] + 0.03 * size)
            centre = tuple(value.astype("float32")[:, None, None] for value in (cx, cy, r[k]))
            _form(rng, canvas, form, _colour(rng, hue), centre, tilt=0.2)

    return draw


def _twins(rng, canvas: Array, hue: Array) -> None:
    """The same form and colour twice, side by side: half of them circles, half squares."""
    size = canvas.shape[1]
    for k in range(2):
        part = canvas[k::2]
        n = len(part)
        r = rng.uniform(0.15, 0.2, n) * size
        colour = _colour(rng, hue[k::2])
        y, middle = rng.uniform(0.28, 0.72, n) * size, rng.uniform(0.45, 0.55, n) * size
        for sign in (-1, 1):
            cx = middle + sign * (r + 0.03 * size)
            centre = tuple(value.astype("float32")[:, None, None] for value in (cx, y, r))
            _form(rng, part, _FORMS[k], colour, centre, tilt=0.2)
        canvas[k::2] = part


_DRAW = (
    *(_single(form) for form in _FORMS),
    _textured(_stripes),
    _textured(_checks),
    _stacked(_FORMS[0], _FORMS[1]),
    _stacked(_FORMS[1], _FORMS[0]),
    _twins,
)
