"""How fast the course's modules train: `python benchmarks/models.py [--rounds 15] [--threads 1]`.

Forward and backward of the attention, the block and the whole ViT: the lessons' by hand, the same fused
(benchmarks/vit.py), and torch.nn's, timm's and torchvision's at the same shapes, with as many weights. All take turns
in one run, each round in another order, so that a busy machine slows all of them alike. Medians over rounds; a ratio is
the median of the rounds' own ratios to timm's (torch.nn's where timm is not installed), above 1 = faster. The last line
is JSON: `vit_over_timm` is the course's final ViT's, the smallest over shapes and devices. That is the lean one, which
leaves out of its last block what the head never reads (the logits are the same); "fused" does all the work timm's does.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/grading.py would hide the package

import torch
from torch import Tensor, nn

from benchmarks.vit import FusedAttention, FusedBlock, FusedViT, cut
from grading.course import load_course
from grading.judging.reference import load_reference
from helpers.torchvision_ops import load_torchvision


@dataclass(frozen=True)
class Shape:
    """A configuration that all of them can be built with."""

    name: str
    batch: int
    img_size: int
    patch_size: int
    emb_size: int
    num_heads: int
    depth: int
    expansion: int

    @property
    def tokens(self) -> int:
        return (self.img_size // self.patch_size) ** 2 + 1


SHAPES = (
    Shape("lesson 07", 64, 32, 8, 64, 2, 2, 2),
    Shape("4x4 patches", 64, 32, 4, 128, 4, 4, 4),
    Shape("ViT-Ti/16", 8, 224, 16, 192, 3, 12, 4),
)
CLASSES = 10


class ByHandViT(nn.Module):
    """Lessons 03, 04 and 06 put together: Linear patches, class token, positions, the lesson's blocks."""

    def __init__(self, block: type[nn.Module], s: Shape) -> None:
        super().__init__()
        self.patch_size = s.patch_size
        self.projection = nn.Linear(3 * s.patch_size**2, s.emb_size)
        self.cls_token = nn.Parameter(torch.randn(1, 1, s.emb_size))
        self.positions = nn.Parameter(torch.randn(s.tokens, s.emb_size))
        self.blocks = nn.Sequential(*[block(s.emb_size, s.num_heads, s.expansion) for _ in range(s.depth)])
        self.norm, self.head = nn.LayerNorm(s.emb_size), nn.Linear(s.emb_size, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.projection(cut(x, self.patch_size))
        tokens = torch.cat([self.cls_token.expand(len(x), -1, -1), tokens], dim=1) + self.positions
        return self.head(self.norm(self.blocks(tokens)[:, 0]))


class TorchAttention(nn.Module):
    def __init__(self, s: Shape) -> None:
        super().__init__()
        self.inner = nn.MultiheadAttention(s.emb_size, s.num_heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x, x, x, need_weights=False)[0]


def torch_block(emb_size: int, num_heads: int, expansion: int) -> nn.Module:
    wide = expansion * emb_size
    return nn.TransformerEncoderLayer(
        emb_size, num_heads, wide, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    )


def solution(question: str, lesson: str) -> type[nn.Module]:
    """The lessons' own answer to a question."""
    course = load_course(ROOT)
    return load_reference(course.source(lesson), course.bank(lesson)).answers[question]


def by_hand_vit(block: type[nn.Module], s: Shape, options: dict[str, Any]) -> nn.Module:
    """Lesson 07's, on lesson 04's tokens; while one of them isn't written, what can be put together of the others."""
    course = load_course(ROOT)
    if all(course.source(lesson).is_file() for lesson in ("04_class_token", "07_vision_transformer")):
        return solution("Q8", "07_vision_transformer")(**options)
    return ByHandViT(block, s)


def contestants(s: Shape) -> dict[str, dict[str, nn.Module]]:
    """Kind -> name -> module."""
    attention, block = solution("Q5", "05_attention"), solution("Q7b", "06_encoder_block")
    options = {
        "patch_size": s.patch_size, "emb_size": s.emb_size, "img_size": s.img_size, "depth": s.depth,
        "num_heads": s.num_heads, "expansion": s.expansion, "n_classes": CLASSES, "drop_p": 0.0,
    }  # fmt: skip
    found: dict[str, dict[str, nn.Module]] = {
        "attention": {
            "by hand": attention(s.emb_size, s.num_heads),
            "fused": FusedAttention(s.emb_size, s.num_heads),
            "torch.nn": TorchAttention(s),
        },
        "block": {
            "by hand": block(s.emb_size, s.num_heads, s.expansion),
            "fused": FusedBlock(s.emb_size, s.num_heads, s.expansion),
            "torch.nn": torch_block(s.emb_size, s.num_heads, s.expansion),
        },
        "ViT": {
            "by hand": by_hand_vit(block, s, options),
            "fused": FusedViT(**options, lean=False),
            "fused, lean": FusedViT(**options),
            "torch.nn": ByHandViT(torch_block, s),
        },
    }
    add_timm(found, s)
    add_torchvision(found, s)
    return found


def add_timm(found: dict[str, dict[str, nn.Module]], s: Shape) -> None:
    load_torchvision()  # timm imports torchvision
    try:
        from timm.models.vision_transformer import Attention, Block, VisionTransformer
    except ImportError:
        return
    found["attention"]["timm"] = Attention(s.emb_size, s.num_heads, qkv_bias=True)
    found["block"]["timm"] = Block(s.emb_size, s.num_heads, s.expansion, qkv_bias=True)
    found["ViT"]["timm"] = VisionTransformer(
        s.img_size,
        s.patch_size,
        num_classes=CLASSES,
        embed_dim=s.emb_size,
        depth=s.depth,
        num_heads=s.num_heads,
        mlp_ratio=s.expansion,
    )


def add_torchvision(found: dict[str, dict[str, nn.Module]], s: Shape) -> None:
    parts = load_torchvision().models.vision_transformer
    wide = s.expansion * s.emb_size
    found["block"]["torchvision"] = parts.EncoderBlock(s.num_heads, s.emb_size, wide, 0.0, 0.0)
    found["ViT"]["torchvision"] = parts.VisionTransformer(
        s.img_size, s.patch_size, s.depth, s.num_heads, s.emb_size, wide, num_classes=CLASSES
    )


def seconds(module: nn.Module, x: Tensor, steps: int) -> float:
    """Of one forward and backward; processor time on a CPU, where others may be at work, and wall time on a GPU."""
    clock: Callable[[], float] = time.perf_counter if x.is_cuda else time.process_time
    if x.is_cuda:
        torch.cuda.synchronize()
    start = clock()
    for _ in range(steps):
        module.zero_grad(set_to_none=True)
        module(x).square().mean().backward()
    if x.is_cuda:
        torch.cuda.synchronize()
    return (clock() - start) / steps


def measure(modules: dict[str, nn.Module], x: Tensor, rounds: int, steps: int | None) -> dict[str, list[float]]:
    """Name -> seconds of each round; the order is drawn anew in each."""
    for module in modules.values():
        module.to(x.device).train()
        seconds(module, x, 2)
    repeat = steps or max(1, round(0.05 / min(seconds(module, x, 1) for module in modules.values())))
    times: dict[str, list[float]] = {name: [] for name in modules}
    order, draw = list(modules), random.Random(0)
    for _ in range(rounds):
        draw.shuffle(order)
        for name in order:
            times[name].append(seconds(modules[name], x, repeat))
    return times


def compare(s: Shape, device: str, rounds: int, steps: int | None) -> dict[str, dict[str, float]]:
    """Print a row per module; kind -> name -> how many times as fast as the standard."""
    torch.manual_seed(0)
    ratios: dict[str, dict[str, float]] = {}
    for kind, modules in contestants(s).items():
        shape = (s.batch, 3, s.img_size, s.img_size) if kind == "ViT" else (s.batch, s.tokens, s.emb_size)
        x = torch.randn(shape, device=device, requires_grad=kind != "ViT")
        times = measure(modules, x, rounds, steps)
        standard = times["timm" if "timm" in times else "torch.nn"]
        ratios[kind] = {}
        for name, own in times.items():
            ratio = statistics.median(a / b for a, b in zip(standard, own, strict=True))
            ratios[kind][name] = round(ratio, 3)
            middle = statistics.median(own)
            size = sum(p.numel() for p in modules[name].parameters())
            print(
                f"{s.name:12} {device:5} {kind:10} {name:12} {size:9,d} {1e3 * middle:9.2f} ms"
                f" {s.batch / middle:10.0f} images/s {ratio:7.2f}",
                flush=True,
            )
    return ratios


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, help="per round; default: enough for a twentieth of a second")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="only the first so many of the shapes")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    standard = "timm" if "timm" in contestants(SHAPES[0])["ViT"] else "torch.nn"
    print(f"{'shape':12} {'on':5} {'what':10} {'whose':12} {'weights':>9} forward+backward {'':>12} over {standard}")
    ratios = {
        device: {s.name: compare(s, device, options.rounds, options.steps) for s in SHAPES[: options.shapes]}
        for device in devices
    }
    shapes = [shape["ViT"] for device in ratios.values() for shape in device.values()]
    key = f"over_{standard.replace('.', '_')}"
    print(json.dumps({
        "standard": standard, "threads": options.threads, f"vit_{key}": min(vit["fused, lean"] for vit in shapes),
        f"same_work_{key}": min(vit["fused"] for vit in shapes), "over": ratios,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
