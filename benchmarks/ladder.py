"""The ladder of lesson 08 with more epochs and seeds than the lesson has time for: `python benchmarks/ladder.py`.

Trains a small ViT on 1600 of the shapes, looks at 400 others, and writes helpers/measured/ladder.json after every run;
runs that are already there are not made again. Mixup, schedule, stochastic depth and losses are the lesson's solutions.
About half an hour on two quiet cores; `--only "plain" --seeds 1` for a taste.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/grading.py would hide the package

import torch
from torch import Tensor, nn

from grading.course import load_course
from grading.judging.reference import load_reference
from helpers.data import Dataset, load
from helpers.torchvision_ops import load_torchvision
from helpers.training import evaluate, fit
from helpers.training.log import ExperimentLog

OUT = ROOT / "helpers" / "measured" / "ladder.json"
FULL = {"weight decay": 0.05, "lr": 2e-3, "warm-up": 0.1}
BASE = {**FULL, "flip": True}
RECIPES = {
    "plain": {},
    "+ weight decay": {"weight decay": 0.05},
    "+ warm-up, cosine": FULL,
    "+ flips": BASE,
    "+ RandAugment": {**BASE, "randaugment": 3},
    "+ mixup": {**BASE, "randaugment": 3, "mixup": 0.2},
    "+ dropout": {**BASE, "randaugment": 3, "mixup": 0.2, "dropout": 0.1},
    "+ stochastic depth": {**BASE, "randaugment": 3, "mixup": 0.2, "dropout": 0.1, "drop path": 0.1},
    "flips and mixup": {**BASE, "mixup": 0.2},
    "flips and dropout": {**BASE, "dropout": 0.1},
    "flips and stochastic depth": {**BASE, "drop path": 0.1},
    "flips and a soft teacher": {**BASE, "teacher": "soft"},
    "flips and a hard teacher": {**BASE, "teacher": "hard"},
    "flips, RandAugment, soft teacher": {**BASE, "randaugment": 3, "teacher": "soft"},
}


class Standardise(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 4 * (x - 0.5)


class ViT(nn.Module):
    """The ViT of lesson 07, in torch's own parts: patches of 8, width 64, two pre-norm blocks, two heads."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 64, 8, 8)
        self.cls = nn.Parameter(0.02 * torch.randn(1, 1, 64))
        self.positions = nn.Parameter(0.02 * torch.randn(17, 64))
        self.blocks = nn.Sequential(
            *[
                nn.TransformerEncoderLayer(64, 2, 128, dropout, "gelu", batch_first=True, norm_first=True)
                for _ in range(2)
            ]
        )
        self.head = nn.Sequential(nn.LayerNorm(64), nn.Linear(64, 10))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.cls.expand(len(x), -1, -1), tokens], 1) + self.positions
        return self.head(self.blocks(tokens)[:, 0])


def cnn() -> nn.Sequential:
    """The teacher: three convolutions with batch norm."""
    layers: list[nn.Module] = [Standardise()]
    for c, d in ((3, 16), (16, 32), (32, 64)):
        layers += [nn.Conv2d(c, d, 3, padding=1), nn.BatchNorm2d(d), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 10))


def part(data: Dataset, start: int, stop: int) -> Dataset:
    return Dataset(data.name, data.images[start:stop], data.labels[start:stop], data.classes, data.source)


def augmentation(recipe: dict, mixup):
    from torchvision.transforms import v2

    rand = v2.RandAugment(2, recipe.get("randaugment", 0))

    def augment(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        if recipe.get("flip"):
            x = torch.where((torch.rand(len(x), device=x.device) < 0.5)[:, None, None, None], x.flip(-1), x)
        if recipe.get("randaugment"):
            x = torch.cat(
                [rand(some) for some in x.chunk(8)]
            )  # one pair of operations for eight images: eight times faster
        return mixup(x, y, recipe["mixup"], 10) if "mixup" in recipe else (x, y)

    return augment


def taught(teacher: nn.Module, loss):
    def step(model: nn.Module, images: Tensor, labels: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
        with torch.no_grad():
            said = teacher(images)
        value = loss(model(images), said, labels)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    return step


def run(recipe: dict, seed: int, epochs: int, answers: dict, teacher: nn.Module) -> dict[str, float]:
    shapes, test = load("shapes"), load("shapes", "test")
    train, validation = part(shapes, 0, 1600), part(shapes, 1600, 2000)
    torch.manual_seed(seed)
    model = nn.Sequential(Standardise(), ViT(recipe.get("dropout", 0.0)))
    blocks = list(model[1].blocks)
    for i, block in enumerate(blocks if "drop path" in recipe else []):
        rate = recipe["drop path"] * (i + 1) / len(blocks)
        block.register_forward_hook(
            lambda m, given, out, rate=rate: given[0] + answers["Q12"](out - given[0], rate, m.training)
        )
    losses = {"soft": partial(answers["Q14"], temperature=3.0, alpha=0.7), "hard": answers["Q14b"]}
    curve, share = answers["Q13"], recipe.get("warm-up")
    start = time.perf_counter()
    fit(
        model,
        train,
        epochs=epochs,
        seed=seed,
        progress=False,
        optimizer=partial(torch.optim.AdamW, lr=recipe.get("lr", 1e-3), weight_decay=recipe.get("weight decay", 0.0)),
        schedule=None if share is None else lambda step, total: curve(step, total, round(share * total)),
        augment=augmentation(recipe, answers["Q11"]),
        step=taught(teacher, losses[recipe["teacher"]]) if "teacher" in recipe else None,
    )
    seconds = time.perf_counter() - start
    scores = {
        name: evaluate(model, data).accuracy
        for name, data in (("train", train), ("validation", validation), ("test", test))
    }
    return {**scores, "seconds": round(seconds, 1), "epochs": epochs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(RECIPES), help="names of recipes")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    load_torchvision()
    course = load_course(ROOT)
    answers = load_reference(course.source("08_training_recipe"), course.bank("08_training_recipe")).answers
    if args.out.exists():
        log = ExperimentLog.load(args.out)
    else:
        about = {
            "command": f"python benchmarks/ladder.py --epochs {args.epochs} --seeds {args.seeds}",
            "date": datetime.date.today().isoformat(),
            "machine": "2 CPU cores, shared with other work: read its seconds with care",
            "data": "shapes: 1600 to train, 400 to validate, 500 to test",
            "torch": torch.__version__.split("+")[0],
        }
        log = ExperimentLog("train", "validation", "test", "seconds", about=about)
    torch.manual_seed(0)
    teacher = cnn()
    shapes = load("shapes")
    start = time.perf_counter()
    fit(teacher, part(shapes, 0, 1600), epochs=10, lr=2e-3, progress=False)
    teacher.eval()
    scores = {"validation": part(shapes, 1600, 2000), "test": load("shapes", "test")}
    log.about["teacher"] = {name: evaluate(teacher, data).accuracy for name, data in scores.items()}
    log.about["teacher"]["seconds"] = round(time.perf_counter() - start, 1)
    print(log.about["teacher"])
    there = {(r["name"], r["seed"]) for r in log}
    for seed in range(args.seeds):
        for name in args.only:
            if (name, seed) not in there:
                found = run(RECIPES[name], seed, args.epochs, answers, teacher)
                log.add(name, seed=seed, **found)
                log.save(args.out)
                print(f"{name:34} seed {seed}: {found}", flush=True)
    print(log)


if __name__ == "__main__":
    main()
