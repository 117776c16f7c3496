"""Lesson 04's models and measurements: a small ViT around the student's embedding, its attention, patches removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data import Dataset
from helpers.plots import COLOURS, figure, show
from helpers.plots.style import INK
from helpers.training import History, fit


def flattened_patches(images: Tensor) -> Tensor:
    """(b, 1, 8, 8) -> (b, 16, 4): patches of 2 x 2 on the CPU."""
    return F.unfold(images.cpu(), 2, stride=2).mT


def linear_accuracy(seen: Tensor, labels: Tensor, unseen: Tensor, truth: Tensor) -> float:
    """Fit features (b, k) to ten classes by least squares; the share of unseen images that are right."""
    seen, unseen = (F.pad(x, (0, 1), value=1.0) for x in (seen, unseen))  # a constant for the bias
    weights = torch.linalg.lstsq(seen, F.one_hot(labels.cpu(), 10).float(), driver="gelsd").solution
    return ((unseen @ weights).argmax(1) == truth.cpu()).float().mean().item()


class SmallViT(nn.Module):
    """Two of PyTorch's encoder layers around an embedding of 17 tokens of width 32.

    Args:
        pool: "class token" reads token 0; "mean" drops it and averages the patches.
    """

    def __init__(self, embedding: nn.Module, pool: str = "class token") -> None:
        super().__init__()
        self.embedding, self.pool = embedding, pool
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.body = nn.TransformerEncoder(layer, 2, norm=nn.LayerNorm(32), enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)

    def read(self, images: Tensor) -> Tensor:
        """(b, 1, 8, 8) -> (b, 32): what the head receives."""
        tokens = self.embedding(images - 0.5)  # b n+1 d
        return self.body(tokens[:, 1:]).mean(1) if self.pool == "mean" else self.body(tokens)[:, 0]

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.read(images))


@torch.no_grad()
def class_token_attention(model: SmallViT, images: Tensor) -> Tensor:
    """(layers, b, n+1): attention weights of the class token, mean over heads."""
    x, seen = model.embedding(images - 0.5), []
    for layer in model.body.layers:
        normed = layer.norm1(x)
        seen.append(layer.self_attn(normed, normed, normed)[1][:, 0])
        x = layer(x)
    return torch.stack(seen)


@torch.no_grad()
def accuracy_without(model: SmallViT, test: Dataset, count: int, order: Tensor) -> float:
    """Accuracy when the first `count` patches in each image's order (b, n) are removed from the sequence."""
    x = model.embedding(test.images - 0.5)  # b n+1 d
    left = 1 + order[:, count:]  # b n - count
    x = torch.cat([x[:, :1], x.gather(1, left[..., None].expand(-1, -1, 32))], dim=1)
    return (model.head(model.body(x)[:, 0]).argmax(1) == test.labels).float().mean().item()


def train_all(
    makers: Mapping[str, Callable[[], nn.Module]], train: Dataset, test: Dataset, seeds: int = 3, epochs: int = 8
) -> tuple[dict[str, list[History]], dict[str, nn.Module]]:
    """Train each model with each seed; histories by name, and the model of the first seed by name."""
    histories: dict[str, list[History]] = {name: [] for name in makers}
    first: dict[str, nn.Module] = {}
    for seed in range(seeds):
        for name, make in makers.items():
            torch.manual_seed(seed)
            model = make()
            history = fit(model, train, test, epochs=epochs, lr=3e-3, seed=seed, progress=False)
            histories[name].append(history)
            first.setdefault(name, model)
        print(f"seed {seed}: " + ", ".join(f"{name} {h[-1].test_accuracy[-1]:.1%}" for name, h in histories.items()))
    return histories, first


def small_cnn() -> nn.Sequential:
    """A CNN for the digits: two convolutions and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 10),
    )


@torch.no_grad()
def draw_class_tokens(models: Mapping[str, SmallViT], images: Tensor, labels: Tensor) -> dict[str, float]:
    """Draw what the head reads of each image in two dimensions (principal components), coloured by class.

    Returns:
        by model: between-class share of the variance over all 32 dimensions.
    """
    colours = [*COLOURS, "#8250df", INK, "#bf8700"][:10]
    fig, axes = figure(3.0, columns=len(models), squeeze=False)
    share = {}
    for ax, (name, model) in zip(axes.flat, models.items(), strict=True):
        read = model.read(images).cpu()
        read = read - read.mean(0)
        flat = read @ torch.linalg.svd(read, full_matrices=False).Vh[:2].T  # b 2
        means = torch.stack([read[labels.cpu() == k].mean(0) for k in range(10)])[labels.cpu()]
        share[name] = float(means.square().sum() / read.square().sum())
        for k in range(10):
            chosen = flat[labels.cpu() == k]
            ax.scatter(chosen[:, 0], chosen[:, 1], s=9, color=colours[k % len(colours)], linewidths=0)
            middle = chosen.median(0).values
            ax.text(middle[0], middle[1], str(k), fontsize=10, fontweight="bold", ha="center", va="center")
        ax.set(xticks=[], yticks=[], xlabel="first component", ylabel="second component")
        ax.set_title(name, fontsize=9.5, loc="left")
    show(fig, alt=f"Class tokens of test digits in two dimensions, by class: {', '.join(models)}.")
    return share
