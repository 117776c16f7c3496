"""Lesson 12's small models, data and measurements: pretraining, fine-tuning on few images, how far layers move."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import Dataset, load
from helpers.data.shapes import draw_shapes
from helpers.training import evaluate, fit

LAYERS = ("first", "block 0", "block 1", "head")
Task = tuple[Dataset, Dataset]


def small_vit(size: int, channels: int, seed: int, classes: int = 10) -> nn.Module:
    """timm's VisionTransformer with patches of 4, width 96, two blocks; linear layers start by PyTorch's own rule."""
    from timm.models.vision_transformer import VisionTransformer

    torch.manual_seed(seed)
    model = VisionTransformer(img_size=size, patch_size=4, in_chans=channels, num_classes=classes,
                              embed_dim=96, depth=2, num_heads=4, mlp_ratio=2)  # fmt: skip
    for part in model.modules():
        if isinstance(part, nn.Linear):
            part.reset_parameters()
    return model


def resized(data: Dataset, side: int) -> Dataset:
    """The images at side x side pixels, standardised with mean 0.5 and standard deviation 0.25."""
    images = F.interpolate(data.images, size=side, mode="bilinear", antialias=True)
    return replace(data, images=(images - 0.5) / 0.25)


def warm_up_and_cosine(step: int, total: int) -> float:
    """Factor of the learning rate: a rise over 15 % of the steps, multiplied by a cosine down to 0."""
    return min(1.0, (step + 1) / (0.15 * total)) * (0.5 + 0.5 * math.cos(math.pi * step / total))


def pretrain(epochs: int) -> tuple[nn.Module, list[float]]:
    """A small ViT trained on coloured `shapes` of 24 x 24 pixels, and its test accuracy after each epoch."""
    model = small_vit(24, 3, seed=0)
    source = [resized(load("shapes", part), 24) for part in ("train", "test")]
    history = fit(model, *source, epochs=epochs, batch_size=50, lr=3e-3, weight_decay=0.02,
                  schedule=warm_up_and_cosine, progress=True)  # fmt: skip
    return model, history.test_accuracy


def near_task() -> Task:
    """750 new grey `shapes` of 16 x 16 pixels for training, and the test images of `shapes` likewise."""

    def grey(data: Dataset) -> Dataset:
        return resized(replace(data, images=data.images.mean(1, keepdim=True)), 16)

    images, labels = draw_shapes(750, seed=7)
    fresh = replace(load("shapes"), images=torch.from_numpy(images), labels=torch.from_numpy(labels))
    return grey(fresh), grey(load("shapes", "test"))


def far_task() -> Task:
    """The handwritten `digits` at 16 x 16 pixels."""
    return resized(load("digits"), 16), resized(load("digits", "test"), 16)


def some_of(data: Dataset, count: int, seed: int) -> Dataset:
    """`count` images of the set, drawn with the seed."""
    chosen = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))[:count]
    return replace(data, images=data.images[chosen], labels=data.labels[chosen])


def fine_tune(model: nn.Module, task: Task, count: int, seed: int, epochs: int, **settings: Any) -> float:
    """Train in place on `count` labelled images; the accuracy on the task's test set, in percent."""
    fit(model, some_of(task[0], count, seed), epochs=epochs, batch_size=20, weight_decay=0.02,
        schedule=warm_up_and_cosine, seed=seed, progress=False, **settings)  # fmt: skip
    return 100 * evaluate(model, task[1]).accuracy


def three_seeds(name: str, run: Callable[[int], float]) -> list[float]:
    """Accuracies of seeds 0, 1 and 2; prints mean, standard deviation and each of them."""
    return show_seeds(name, [run(seed) for seed in range(3)])


def show_seeds(name: str, values: Sequence[float]) -> list[float]:
    """Print mean, standard deviation and each value; the values as a list."""
    found = torch.tensor(list(values))
    print(f"{name:<34} {found.mean():5.1f} ± {found.std():.1f} %   ({', '.join(f'{a:.1f}' for a in found)})")
    return list(values)


def layer_of(name: str) -> int:
    """The layer of a parameter: 0 for patches, class token and positions, then the blocks; last, norm and head."""
    if name.startswith("blocks."):
        return 1 + int(name.split(".")[1])
    return 0 if name.startswith(("patch_embed", "cls_token", "pos_embed")) else len(LAYERS) - 1


def distance_moved(model: nn.Module, start: Mapping[str, Tensor]) -> list[float]:
    """By layer: the length of the change of its weights as a share of the length of the weights at the start."""
    change, size = [0.0] * len(LAYERS), [0.0] * len(LAYERS)
    for name, now in model.named_parameters():
        k, then = layer_of(name), start[name].cpu()
        change[k] += float((now.detach().cpu() - then).square().sum())
        size[k] += float(then.square().sum())
    return [math.sqrt(c / s) for c, s in zip(change, size, strict=True)]
