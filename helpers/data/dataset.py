"""The one shape in which every data set comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    Attributes:
        images: (n, c, h, w), float32 in 0..1.
        labels: (n,), int64, an index into `classes`.
        source: where the images come from, in words.
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        c, h, w = self.images.shape[1:]
        colour = {1: "grey", 3: "RGB"}.get(c, f"{c}-channel")
        return f"{self.name}: {len(self)} {colour} images of {h}x{w} in {len(self.classes)} classes, from {self.source}"

    def batches(
        self, batch_size: int = 64, *, shuffle: bool = False, seed: int | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (images, labels) of `batch_size`, the last one smaller if it doesn't divide.

        With `shuffle`, the order is drawn from `seed`, or from torch's own generator when there is none.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; it must be at least 1.")
        order = torch.arange(len(self))
        if shuffle:
            generator = None if seed is None else torch.Generator().manual_seed(seed)
            order = torch.randperm(len(self), generator=generator)
        for places in order.split(batch_size):
            yield self.images[places], self.labels[places]

    def take(self, count: int) -> Dataset:
        """The first `count` images as a data set of their own."""
        return Dataset(self.name, self.images[:count], self.labels[:count], self.classes, self.source)

    def to(self, device: torch.device | str) -> Dataset:
        """The same set with its tensors on a device."""
        return Dataset(self.name, self.images.to(device), self.labels.to(device), self.classes, self.source)

    def show(self, n: int = 16, columns: int = 8) -> None:
        """Draw the first `n` images with their class names."""
        from helpers.plots import show_images

        some = self.images[:n]
        titles = [self.classes[label] for label in self.labels[:n].tolist()]
        alt = f"{len(some)} images of the set {self.name}: {', '.join(titles)}."
        show_images(some, titles, columns=columns, alt=alt)
