"""ViT, hybrid and CNN, equally large and equally fast, on ever more drawn shapes: `python benchmarks/data_size.py`.

Three models of about 64 000 weights whose training steps take about the same time (the ViT's a fifth less). Each gets
the same number of steps, from 250 images (seen very often) to 16 000 (seen a few times). Then once more with the 16
patches of every image in one scrambled order, the same for all: a world in which neighbours are no neighbours; and the
ViT with the steps it had time for.

Writes helpers/measured/data_size.json after every run; runs that are there are not made again. About half an hour on
one quiet core; for a taste `--sizes 250 --seeds 1`. Lesson 10 draws it.
"""

from __future__ import annotations

import argparse
import datetime
import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/grading.py would hide the package

import torch
from torch import Tensor, nn

from helpers.data import Dataset
from helpers.data.shapes import CLASSES, draw_shapes
from helpers.training import evaluate, fit
from helpers.training.log import ExperimentLog

OUT = ROOT / "helpers" / "measured" / "data_size.json"
SIZES, SCRAMBLED, LONGER = (250, 1000, 4000, 16000), (4000,), (1000, 4000)
MORE = 1.25  # times the steps, for the ViT: what it needs to take as long as the others
BATCH, LR, DECAY, WARM = 64, 2e-3, 0.05, 0.1


def conv(into: int, out: int, stride: int = 2) -> list[nn.Module]:
    return [nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]


class Former(nn.Module):
    """Tokens from some entrance, positions, pre-norm blocks, the mean of the tokens, a Linear."""

    def __init__(self, entrance: nn.Module, d: int, depth: int, tokens: int = 16) -> None:
        super().__init__()
        self.entrance = entrance  # (b, 3, 32, 32) -> (b, d, 4, 4)
        self.positions = nn.Parameter(0.02 * torch.randn(tokens, d))
        self.blocks = nn.Sequential(
            *[
                nn.TransformerEncoderLayer(d, 2, 2 * d, 0.0, "gelu", batch_first=True, norm_first=True)
                for _ in range(depth)
            ]
        )
        self.norm, self.head = nn.LayerNorm(d), nn.Linear(d, 10)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.entrance(x).flatten(2).mT + self.positions
        return self.head(self.norm(self.blocks(tokens)).mean(1))


def vit() -> nn.Module:
    return Former(nn.Conv2d(3, 56, 8, 8), 56, depth=2)


def hybrid() -> nn.Module:
    """One block less, and a stem of three strided convolutions for it (Xiao et al. 2021)."""
    return Former(nn.Sequential(*conv(3, 16), *conv(16, 32), *conv(32, 64), nn.Conv2d(64, 64, 1)), 64, depth=1)


def cnn() -> nn.Module:
    layers: list[nn.Module] = []
    for into, out, stride in ((3, 16, 2), (16, 32, 2), (32, 48, 1), (48, 48, 2), (48, 56, 1)):
        layers += conv(into, out, stride)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(56, 10))


MODELS: dict[str, Callable[[], nn.Module]] = {"ViT": vit, "hybrid": hybrid, "CNN": cnn}


def shapes(count: int, seed: int) -> Dataset:
    images, labels = draw_shapes(count, seed=seed)
    images = (torch.from_numpy(images) - 0.5) / 0.25
    return Dataset("shapes", images, torch.from_numpy(labels), CLASSES, f"helpers/data/shapes.py, seed {seed}")


def scrambled(data: Dataset) -> Dataset:
    """The 16 patches of 8 x 8 pixels of each image in another order, the same for all images."""
    order = torch.randperm(16, generator=torch.Generator().manual_seed(0))
    patches = nn.functional.unfold(data.images, 8, stride=8)[:, :, order]  # b (c p q) n
    return replace(data, images=nn.functional.fold(patches, (32, 32), 8, stride=8))


def warm_up_and_cosine(step: int, total: int) -> float:
    warm = WARM * total
    if step < warm:
        return (step + 1) / warm
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm) / (total - warm))


def run(name: str, train: Dataset, test: Dataset, seed: int, steps: int, lr: float) -> dict[str, float]:
    torch.manual_seed(seed)
    model = MODELS[name]()
    epochs = max(1, round(steps / -(-len(train) // BATCH)))
    start = time.process_time()
    fit(model, train, epochs=epochs, batch_size=BATCH, lr=lr, weight_decay=DECAY, schedule=warm_up_and_cosine,
        seed=seed, progress=False)  # fmt: skip
    seconds = time.process_time() - start
    weights = sum(p.numel() for p in model.parameters())
    scores = {"test": evaluate(model, test).accuracy, "train": evaluate(model, train.take(2000)).accuracy}
    return {**scores, "seconds": round(seconds, 1), "weights": weights, "epochs": epochs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SIZES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--lr", type=float, default=LR)
    parser.add_argument("--only", nargs="*", default=list(MODELS))
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.out.exists():
        log = ExperimentLog.load(args.out)
    else:
        about = {
            "command": "python benchmarks/data_size.py",
            "date": datetime.date.today().isoformat(),
            "machine": "one of 2 CPU cores, shared with other work; seconds are processor time, read them with care",
            "data": "drawn shapes, 2000 others for the test",
            "settings": f"AdamW, lr {args.lr:g}, weight decay {DECAY:g}, {args.steps} steps of {BATCH} images",
            "steps": args.steps,
            "torch": torch.__version__.split("+")[0],
        }
        log = ExperimentLog("test", "train", "seconds", about=about)
    there = {(r["name"], r["seed"]) for r in log}
    train, test = shapes(max(args.sizes), seed=1), shapes(2000, seed=2)
    worlds = {"shapes": (train, test), "scrambled": (scrambled(train), scrambled(test)), "longer": (train, test)}
    chosen = {"shapes": SIZES, "scrambled": SCRAMBLED, "longer": LONGER}
    for seed in range(args.seeds):
        for world, (some, others) in worlds.items():
            steps = round(args.steps * (MORE if world == "longer" else 1))
            for size in [size for size in args.sizes if size in chosen[world]]:
                for model in [one for one in args.only if world != "longer" or one == "ViT"]:
                    name = f"{model}, {world}, {size}"
                    if (name, seed) in there:
                        continue
                    found = run(model, some.take(size), others, seed, steps, args.lr)
                    log.add(name, seed=seed, model=model, world=world, size=size, **found)
                    log.save(args.out)
                    print(f"{name}, seed {seed}: {found}", flush=True)


if __name__ == "__main__":
    main()
