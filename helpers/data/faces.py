"""Faces, whole or scrambled, drawn here: the same head and the same four parts, only their places differ.

A model that counts parts and forgets where they are can't tell the two classes apart. Each part stands on plain
skin, so nothing nearby says which place it is.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np
import torch

from helpers.data import raster
from helpers.data.dataset import Dataset
from helpers.data.raster import Array

CLASSES = ("whole", "scrambled")
SIZES = {"train": 1000, "test": 400}
_SEEDS = {"train": 3, "test": 4}
_CHUNK = 200
_EYE, _NOSE, _MOUTH = 0, 1, 2
_SLOTS = ((10.0, 12.6), (22.0, 12.6), (16.0, 18.4), (16.0, 25.0))  # x, y of left eye, right eye, nose, mouth
_WHOLE = (_EYE, _EYE, _NOSE, _MOUTH)
_SCRAMBLED = sorted(set(permutations(_WHOLE)) - {_WHOLE})  # eleven ways to misplace the parts


def load_faces(split: str, limit: int | None) -> Dataset:
    count = min(limit or SIZES[split], SIZES[split])
    images, labels = draw_faces(count, seed=_SEEDS[split])
    return Dataset(
        "faces", torch.from_numpy(images), torch.from_numpy(labels), CLASSES, f"helpers/data/faces.py ({split})"
    )


def draw_faces(count: int, seed: int) -> tuple[Array, Array]:
    """`count` images (n, 3, 32, 32) float32 in 0..1 and labels (n,), 0 whole and 1 scrambled."""
    chunks = [_chunk((seed, start)) for start in range(0, count, _CHUNK)]
    images, labels = (np.concatenate(parts)[:count] for parts in zip(*chunks, strict=True))
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)), labels


def _chunk(seed: tuple[int, int]) -> tuple[Array, Array]:
    rng = np.random.RandomState(seed)
    n = _CHUNK
    labels = rng.permutation(np.arange(n) % 2).astype("int64")
    ways = np.array(_SCRAMBLED)[rng.randint(len(_SCRAMBLED), size=n)]
    parts = np.where(labels[:, None] == 0, np.array(_WHOLE), ways)  # (n, 4): which part stands in which slot
    shift = rng.uniform(-1.2, 1.2, (2, n)).astype("float32")
    canvas, looks = _head(rng, n, shift)
    for slot, (x, y) in enumerate(_SLOTS):
        jitter = rng.uniform(-0.6, 0.6, (2, n)).astype("float32")
        gx, gy = raster.grid(32, 32)
        dx = gx - (x + shift[0] + jitter[0])[:, None, None]
        dy = gy - (y + shift[1] + jitter[1])[:, None, None]
        for part, draw in ((_EYE, _eye), (_NOSE, _nose), (_MOUTH, _mouth)):
            places = np.flatnonzero(parts[:, slot] == part)
            some = canvas[places]
            draw(some, dx[places], dy[places], {key: value[places] for key, value in looks.items()})
            canvas[places] = some
    canvas += rng.normal(0, 0.012, canvas.shape).astype("float32")
    return np.clip(canvas, 0, 1), labels


def _head(rng, n: int, shift: Array) -> tuple[Array, dict[str, Array]]:
    x, y = raster.grid(32, 32)
    dx, dy = x - 16 - shift[0][:, None, None], y - 17.6 - shift[1][:, None, None]
    skin = _mix(rng, n, [(0.99, 0.87, 0.76), (0.93, 0.74, 0.58), (0.78, 0.56, 0.40), (0.55, 0.37, 0.26)])
    hair = _mix(rng, n, [(0.16, 0.12, 0.10), (0.36, 0.22, 0.12), (0.86, 0.68, 0.34), (0.62, 0.26, 0.12)])
    back = raster.hsv(rng.uniform(0, 1, n), rng.uniform(0.18, 0.45, n), rng.uniform(0.6, 0.92, n))
    canvas = np.broadcast_to(back[:, None, None], (n, 32, 32, 3)).astype("float32").copy()
    canvas *= (1.06 - 0.16 * y / 32)[..., None]
    raster.paint(canvas, raster.coverage(raster.ellipse(dx, dy + 2.0, 14.2, 14.6)), hair)
    raster.paint(canvas, raster.coverage(raster.ellipse(dx, dy - 0.6, 12.7, 13.4)), skin)
    looks = {
        "iris": raster.hsv(rng.choice([0.08, 0.3, 0.58], n), rng.uniform(0.4, 0.8, n), rng.uniform(0.3, 0.6, n)),
        "lips": raster.hsv(rng.uniform(-0.04, 0.02, n), rng.uniform(0.55, 0.8, n), rng.uniform(0.6, 0.85, n)),
        "shade": skin * 0.72,
        "hair": hair,
        "smile": rng.uniform(-0.06, 0.1, n).astype("float32"),
    }
    return canvas, looks


def _mix(rng, n: int, colours: list[tuple[float, float, float]]) -> Array:
    """Random colours on the line between neighbours of a list."""
    table = np.array(colours, dtype="float32")
    at = rng.uniform(0, len(colours) - 1, n).astype("float32")
    low = at.astype(int)
    return table[low] + (at - low)[:, None] * (table[low + 1] - table[low])


def _eye(canvas: Array, dx: Array, dy: Array, looks: dict[str, Array]) -> None:
    raster.paint(canvas, raster.coverage(raster.ellipse(dx, dy, 3.1, 1.9)), np.ones((1, 3)))
    raster.paint(canvas, raster.coverage(raster.disc(dx, dy, 1.6)), looks["iris"])
    raster.paint(canvas, raster.coverage(raster.disc(dx, dy, 0.75)), np.full((1, 3), 0.05))
    brow = raster.box(dx, dy + 3.4 - 0.04 * dx**2, 3.0, 0.5)
    raster.paint(canvas, raster.coverage(brow), looks["hair"])


def _nose(canvas: Array, dx: Array, dy: Array, looks: dict[str, Array]) -> None:
    bridge = raster.box(dx - 0.35 * dy, dy + 0.6, 0.55, 2.2)
    raster.paint(canvas, 0.75 * raster.coverage(bridge), looks["shade"])
    nostrils = raster.ellipse(dx, dy - 1.8, 2.2, 0.9)
    raster.paint(canvas, raster.coverage(nostrils), looks["shade"])


def _mouth(canvas: Array, dx: Array, dy: Array, looks: dict[str, Array]) -> None:
    curve = dy + looks["smile"][:, None, None] * (dx**2 - 5)
    raster.paint(canvas, raster.coverage(raster.ellipse(dx, curve, 4.2, 1.5)), looks["lips"])
    raster.paint(canvas, raster.coverage(raster.box(dx, curve, 3.0, 0.3)), looks["lips"] * 0.4)
