"""Lesson 00's tasks about positions: shuffled tiles, digits on a stripe, the third in which a digit stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import Dataset, load
from helpers.experiments.small_networks import accuracy, trained

PLACES = (0, 2, 4, 6, 8, 10, 12, 14, 16)


def shuffle_tiles(images: Tensor, seed: int = 0) -> Tensor:
    """(b, c, 32, 32) with its 16 tiles of 8 x 8 in a random order, another one for each image."""
    generator = torch.Generator().manual_seed(seed)
    pieces = F.unfold(images, 8, stride=8)  # b (c 8 8) 16
    mixed = torch.stack([p[:, torch.randperm(16, generator=generator)] for p in pieces])
    return F.fold(mixed, images.shape[-2:], 8, stride=8)


def on_a_stripe(images: Tensor, at: list[int]) -> Tensor:
    """Digits (b, 1, 8, 8) on black stripes (b, 1, 8, 24), image i with its left edge at column at[i]."""
    wide = torch.zeros(len(images), 1, 8, 24)
    for i, place in enumerate(at):
        wide[i, ..., place : place + 8] = images[i]
    return wide


def accuracy_by_place(networks: Mapping[str, Callable[[], nn.Module]], seed: int = 0) -> dict[str, list[float]]:
    """Train on digits at the left end of a stripe, test at every place of `PLACES`; accuracies in percent by name."""
    digits, unseen = load("digits"), load("digits", "test")
    left = Dataset("left", on_a_stripe(digits.images, [0] * len(digits)), digits.labels, digits.classes, "")
    found = {}
    for name, make in networks.items():
        model, _ = trained(make, left, epochs=6, seed=seed)
        moved = (on_a_stripe(unseen.images, [at] * len(unseen)) for at in PLACES)
        found[name] = [accuracy(model, stripes, unseen.labels) for stripes in moved]
    return found


def accuracy_on_thirds(networks: Mapping[str, Callable[[], nn.Module]], seed: int = 0) -> dict[str, float]:
    """Train to say in which third of the stripe the digit stands; each test digit stands in each third once."""
    digits, unseen = load("digits"), load("digits", "test")
    third = torch.randint(3, (len(digits),), generator=torch.Generator().manual_seed(0))
    stripes = on_a_stripe(digits.images, (8 * third).tolist())
    task = Dataset("thirds", stripes, third, ("left", "middle", "right"), "")
    in_each = torch.cat([on_a_stripe(unseen.images, [8 * k] * len(unseen)) for k in range(3)])
    truth = torch.arange(3).repeat_interleave(len(unseen))
    return {
        name: accuracy(trained(make, task, epochs=4, seed=seed)[0], in_each, truth) for name, make in networks.items()
    }


def tiles_accuracy(faces: Tensor, faces_test: Tensor) -> tuple[float, float]:
    """A network that sees one tile at a time and takes the mean, trained to tell faces from their shuffled tiles.

    Returns:
        largest difference of the logits between a face and its shuffled tiles; accuracy in percent on the test faces.
    """

    def both(images: Tensor) -> Dataset:
        labels = torch.arange(2).repeat_interleave(len(images))
        return Dataset("tiles", torch.cat([images, shuffle_tiles(images)]), labels, ("whole", "shuffled"), "")

    def bag_of_tiles() -> nn.Module:
        tiles = [nn.Conv2d(3, 32, 8, 8), nn.ReLU(), nn.Conv2d(32, 32, 1), nn.ReLU()]
        return nn.Sequential(*tiles, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 2))

    test = both(faces_test)
    bag = trained(bag_of_tiles, both(faces), epochs=4)[0].cpu().double()  # so that the order of a sum has no effect
    with torch.no_grad():
        logits = bag(test.images.double())
    n = len(faces_test)
    right = (logits.argmax(1) == test.labels).double().mean().item()
    return (logits[:n] - logits[n:]).abs().max().item(), 100 * right
