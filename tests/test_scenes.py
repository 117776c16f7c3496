"""Scenes: each box fits its thing, and the same arguments give the same pictures."""

from __future__ import annotations

import numpy as np
import torch

from helpers.data.scenes import KINDS, draw_scenes


def test_scenes_keep_their_contract() -> None:
    scenes = draw_scenes(60, seed=3)
    assert scenes.images.shape == (60, 3, 24, 24)
    assert scenes.images.dtype == torch.float32
    assert 0 <= scenes.images.min() < scenes.images.max() <= 1
    for classes, boxes in zip(scenes.classes, scenes.boxes, strict=True):
        assert 1 <= len(classes) == len(boxes) <= 3
        assert (classes.dtype, boxes.dtype) == (torch.int64, torch.float32)
        low, high = boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2
        assert low.min() >= -1e-6
        assert high.max() <= 1 + 1e-6
    assert set(torch.cat(scenes.classes).tolist()) == set(range(len(KINDS)))


def test_a_box_fits_its_thing() -> None:
    """Drawn large, what is brightly coloured reaches from one side of the box to the other, and not beyond."""
    scenes = draw_scenes(40, seed=4, size=96, most=1)
    for image, boxes in zip(scenes.images.numpy(), scenes.boxes, strict=True):
        colourful = image.max(0) - image.min(0) > 0.3
        rows, columns = (np.flatnonzero(colourful.any(axis)) for axis in (1, 0))
        seen = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 96
        box = boxes[0].numpy()
        assert np.abs(seen - np.concatenate([box[:2] - box[2:] / 2, box[:2] + box[2:] / 2])).max() < 0.03


def test_the_same_arguments_give_the_same_scenes() -> None:
    one, again, other = draw_scenes(8, seed=5), draw_scenes(8, seed=5), draw_scenes(8, seed=6)
    assert torch.equal(one.images, again.images)
    assert all(torch.equal(a, b) for a, b in zip(one.boxes, again.boxes, strict=True))
    assert not torch.equal(one.images, other.images)
