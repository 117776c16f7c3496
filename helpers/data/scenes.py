"""Small pictures with several things in them, each with its class and its box: what a detector learns from.

Three kinds of things: a sun (an orange disc), a tile (a blue rectangle), a tent (a green triangle). Sizes, proportions,
shades and the grey of the background vary at random; things hardly overlap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

KINDS = ("sun", "tile", "tent")
_COLOURS = np.array([[0.90, 0.45, 0.10], [0.15, 0.55, 0.95], [0.25, 0.75, 0.35]], np.float32)
_FINER = 2  # samples per side of a pixel, for soft edges
_CHUNK = 500
_OVERLAP = 0.03  # how far two boxes may reach into each other, in shares of the image


@dataclass(frozen=True, eq=False)
class Scenes:
    """Images with the things in them.

    Attributes:
        images: (n, 3, size, size), float32 in 0..1.
        classes: per image (things,), int64, an index into `kinds`.
        boxes: per image (things, 4): centre x, centre y, width, height, in shares of the image.
    """

    images: Tensor
    classes: list[Tensor]
    boxes: list[Tensor]
    kinds: tuple[str, ...] = KINDS

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        things, side = sum(map(len, self.classes)), self.images.shape[-1]
        return f"{len(self)} RGB images of {side}x{side} with {things} things: {', '.join(self.kinds)}"


def draw_scenes(count: int, seed: int, size: int = 24, most: int = 3) -> Scenes:
    """`count` images with one to `most` things each, the same for the same arguments."""
    rng = np.random.default_rng((seed, size, most))
    images, classes, boxes = [], [], []
    for start in range(0, count, _CHUNK):
        placed = [_place(rng, int(rng.integers(1, most + 1))) for _ in range(min(_CHUNK, count - start))]
        kinds = [rng.integers(0, len(KINDS), len(own)) for own in placed]
        images.append(_paint(rng, placed, kinds, size))
        classes += [torch.from_numpy(own.astype(np.int64)) for own in kinds]
        boxes += [torch.from_numpy(own.astype(np.float32)) for own in placed]
    return Scenes(torch.from_numpy(np.concatenate(images)), classes, boxes)


def _place(rng: np.random.Generator, wanted: int) -> np.ndarray:
    """Up to `wanted` boxes that hardly overlap, (things, 4); at least one."""
    found = np.zeros((0, 4))
    for _ in range(12 * wanted):
        width = rng.uniform(0.22, 0.45)
        sides = np.array([width, width * rng.uniform(0.75, 1.33)])
        centre = rng.uniform(sides / 2, 1 - sides / 2)
        room = np.abs(found[:, :2] - centre) - (found[:, 2:] + sides) / 2 + _OVERLAP
        if (room.max(-1, initial=-1) >= 0).all():
            found = np.vstack([found, [*centre, *sides]])
        if len(found) == wanted:
            break
    return found


def _paint(rng: np.random.Generator, boxes: list[np.ndarray], kinds: list[np.ndarray], size: int) -> np.ndarray:
    """(n, 3, size, size) of the boxes of n images."""
    n = len(boxes)
    canvas = np.repeat(rng.uniform(0, 0.35, (n, 1, 1, 1)), 3, 1).astype(np.float32)
    canvas = np.broadcast_to(canvas, (n, 3, size, size)).copy()
    y, x = (np.mgrid[: size * _FINER, : size * _FINER].astype(np.float32) + 0.5) / (size * _FINER)
    for slot in range(max(map(len, boxes))):
        who = [k for k, own in enumerate(boxes) if len(own) > slot]
        own = np.stack([boxes[k][slot] for k in who]).astype(np.float32)[:, :, None, None]
        kind = np.array([kinds[k][slot] for k in who])
        u, v = (x - own[:, 0]) / (own[:, 2] / 2), (y - own[:, 1]) / (own[:, 3] / 2)  # -1 to 1 inside the box
        inside = np.select(
            [kind[:, None, None] == 0, kind[:, None, None] == 1],
            [u * u + v * v < 1, np.maximum(np.abs(u), np.abs(v)) < 1],
            (v < 1) & (np.abs(u) < (v + 1) / 2),
        )
        cover = inside.reshape(len(who), 1, size, _FINER, size, _FINER).mean((3, 5), dtype=np.float32)
        colour = _COLOURS[kind] + rng.normal(0, 0.08, (len(who), 3)).astype(np.float32)
        canvas[who] += cover * (np.clip(colour, 0, 1)[:, :, None, None] - canvas[who])
    canvas += rng.normal(0, 0.02, canvas.shape).astype(np.float32)
    return np.clip(canvas, 0, 1)
