"""Lesson 11's small DETR: the model, its training with the student's loss, and how many objects it finds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from helpers.data.scenes import Scenes
from helpers.experiments.mixer import warm_up_and_cosine
from helpers.torchvision_ops import load_torchvision

Corners = Callable[[Tensor], Tensor]


class DecoderBlock(nn.Module):
    """Queries (b, q, d) attend to each other, then to the tokens of the image (b, n, d); then a feed-forward network.

    Args:
        feed_forward: a module (b, q, d) -> (b, q, d).
    """

    def __init__(self, d: int, heads: int, feed_forward: nn.Module) -> None:
        super().__init__()
        self.among, self.image = (nn.MultiheadAttention(d, heads, batch_first=True) for _ in range(2))
        self.norms, self.feed_forward = nn.ModuleList([nn.LayerNorm(d) for _ in range(3)]), feed_forward

    def forward(self, x: Tensor, anchors: Tensor, tokens: Tensor, positions: Tensor) -> Tensor:
        y = self.norms[0](x)
        x = x + self.among(y + anchors, y + anchors, y, need_weights=False)[0]
        y = self.norms[1](x)
        x = x + self.image(y + anchors, tokens + positions, tokens, need_weights=False)[0]  # cross-attention
        return x + self.feed_forward(self.norms[2](x))


def encode_points(points: Tensor, d: int) -> Tensor:
    """Sines and cosines of x and of y, side by side (lesson 02): (..., 2) in 0..1 -> (..., d)."""
    angles = points[..., None] * 4 * math.pi * 30 ** -(torch.arange(d // 4, device=points.device) * 4 / d)
    return torch.cat([angles.sin(), angles.cos()], -1).flatten(-2)


def grid_points(side: int) -> Tensor:
    """The centres of a side x side grid, (side², 2), x and y in 0..1."""
    steps = (torch.arange(side) + 0.5) / side
    return torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).flatten(0, 1)


class DETR(nn.Module):
    """Images (b, 3, 24, 24) -> after each decoder block: logits (b, q, classes + 1), boxes (b, q, 4).

    A convolutional stem makes 36 tokens, an encoder block mixes them, and decoder blocks let the queries attend.

    Args:
        encoder: a module (b, n, d) -> (b, n, d).
        feed_forward: makes the feed-forward network of a decoder block.
        queries: the square root of their number; each starts at an anchor on a grid.
    """

    def __init__(
        self, encoder: nn.Module, feed_forward: Callable[[], nn.Module], d: int = 64, heads: int = 4, side: int = 6,
        queries: int = 3, layers: int = 2, classes: int = 3,
    ):  # fmt: skip
        super().__init__()
        stem: list[nn.Module] = []
        for into, out in ((3, d // 2), (d // 2, d)):
            stem += [nn.Conv2d(into, out, 3, stride=2, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
        self.stem = nn.Sequential(*stem, nn.Conv2d(d, d, 1))
        self.register_buffer("positions", encode_points(grid_points(side), d))
        self.encoder, self.norm = encoder, nn.LayerNorm(d)
        self.anchors = nn.Parameter(torch.logit(grid_points(queries)))
        self.decoder = nn.ModuleList([DecoderBlock(d, heads, feed_forward()) for _ in range(layers)])
        self.last, self.classify = nn.LayerNorm(d), nn.Linear(d, classes + 1)
        self.box = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, 4))

    def forward(self, images: Tensor) -> list[tuple[Tensor, Tensor]]:
        tokens = self.stem(4 * (images - 0.4)).flatten(2).permute(0, 2, 1) + self.positions
        tokens = self.norm(self.encoder(tokens))
        anchors = encode_points(self.anchors.sigmoid(), tokens.shape[-1])
        x, found = torch.zeros_like(anchors).expand(len(images), -1, -1), []
        for block in self.decoder:
            x = block(x, anchors, tokens, self.positions)
            y = self.last(x)
            boxes = (self.box(y) + F.pad(self.anchors, (0, 2), value=-0.7)).sigmoid()
            found.append((self.classify(y), boxes))
        return found


def train_detr(
    model: DETR, loss_of: Callable[[Tensor, Tensor, list], Tensor], scenes: Scenes, steps: int, place: Any,
    batch: int = 32, lr: float = 4e-3,
) -> list[float]:  # fmt: skip
    """Train the model in place with the sum of the student's loss over all decoder blocks; the losses, step by step.

    Args:
        loss_of: (logits, boxes, targets) -> a number, with targets as in `targets_of`.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=1e-4)
    losses: list[float] = []
    pick = torch.Generator().manual_seed(0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = lr * warm_up_and_cosine(step, steps)
        numbers = torch.randint(len(scenes), (batch,), generator=pick).tolist()
        targets = targets_of(scenes, numbers, place)
        found = model(scenes.images[numbers].to(place))
        loss = torch.stack([torch.as_tensor(loss_of(layer[0], layer[1], targets)) for layer in found]).sum()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % max(steps // 5, 1) == 0:
            print(f"step {step + 1} of {steps}: loss {loss.item():.2f}")
    return losses


def targets_of(scenes: Scenes, numbers: Sequence[int], place: Any) -> list[tuple[Tensor, Tensor]]:
    """For each of the images the classes (t,) and the boxes (t, 4) of its objects."""
    return [(scenes.classes[k].to(place), scenes.boxes[k].to(place)) for k in numbers]


@torch.no_grad()
def detect(model: DETR, images: Tensor, place: Any) -> tuple[Tensor, Tensor]:
    """Logits (b, q, classes + 1) and boxes (b, q, 4) of the last decoder block, on the CPU."""
    model.eval()
    logits, boxes = model(images.to(place))[-1]
    model.train()
    return logits.cpu(), boxes.cpu()


def confident(logits: Tensor, boxes: Tensor, kinds: Sequence[str], at_least: float = 0.5) -> list[list]:
    """Per image the (box, label) of all queries whose likeliest class is an object with at least this probability."""
    found = []
    for scores, own in zip(logits.softmax(-1), boxes, strict=True):
        sure, kind = scores.max(-1)
        rows = zip(own, kind.tolist(), sure.tolist(), strict=True)
        found.append([(box, f"{kinds[k]} {s:.2f}") for box, k, s in rows if k < len(kinds) and s > at_least])
    return found


def report(
    name: str, logits: Tensor, boxes: Tensor, scenes: Scenes, match: Callable[..., Any], corners: Corners
) -> tuple[float, float, float]:
    """Print and return: mean IoU and share of right classes of matched pairs, share of objects found.

    An object is found if its matched prediction has the right class and an IoU above 0.5.
    """
    ops = load_torchvision().ops
    overlap, right = [], []
    for k in range(len(scenes)):
        queries, things = (torch.as_tensor(i).long() for i in match(logits[k], boxes[k], scenes.classes[k],
                                                                    scenes.boxes[k]))  # fmt: skip
        pairs = ops.box_iou(corners(boxes[k][queries]), corners(scenes.boxes[k][things]))
        overlap.append(pairs.diagonal())
        right.append(logits[k][queries].argmax(-1) == scenes.classes[k][things])
    iou, correct = torch.cat(overlap), torch.cat(right)
    claims = int((logits.argmax(-1) < logits.shape[-1] - 1).sum())
    hits = int((correct & (iou > 0.5)).sum())
    print(f"{name:<16} mean IoU {iou.mean():.2f}; class right {100 * correct.float().mean():.0f} %; "
          f"{hits} of {len(iou)} objects found; {claims - hits} of {claims} detections wrong or duplicate")  # fmt: skip
    return iou.mean().item(), correct.float().mean().item(), hits / len(iou)
