"""What the recipes reach on real images: `VITLAB_DATA=folder python benchmarks/accuracy.py [--part a]`.

    a  the lecture's model and recipe on CIFAR-10; the lecture reports 56.76 % after 100 epochs
    b  lesson 08's recipe on CIFAR-10, with no more training FLOPs than the lecture's 100 epochs
    c  MNIST in 5 epochs; the lecture's attention network reports 97.04 %
    d  a hybrid (convolutional stages, then a ViT on 4x4 tokens) on CIFAR-10, within the seconds of a's 100 epochs
    e  a hybrid on MNIST in 5 epochs
    f  lecture L0's ViT exactly as in its slides on CIFAR-10: its optimiser never receives the patch embedding
    g  the same network with the patch embedding in the optimiser
    h  L0's network for MNIST as it is: two attention layers over one token
    i  the multilayer perceptron that h equals
    j  h's layers over 16 patches, so that attention has something to attend to

Without the real data the embedded sets serve, which shows that the script runs and nothing more. Every epoch is saved
in `--out` (and a checkpoint beside it): a run that was stopped goes on, finished runs are not done again, and several
parts or seeds may be run one after the other into the same file (at the same time: into several, then `--merge` them).
`--show` only prints the table of a file; `benchmarks/results/accuracy.json` is what was measured.

Seconds are processor seconds of training on one thread: wall time says nothing on a machine with other work on it.
FLOPs are counted by torch (forward and backward, two for a multiply-add). Accuracy is the last epoch's, on the whole
test set; "best" is the best epoch's, chosen with the test set's help and so too kind. The settings of b are the better
of two that were tried for one epoch each. Its 6 epochs are fewer FLOPs than the lecture's 100; `--part b --epochs 8`
are more FLOPs and still fewer seconds, because larger matrices keep a processor busier. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/grading.py would hide the package

import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.lecture_models import EqualMlp, PatchAttention, SlidesMnist, SlidesViT
from benchmarks.vit import ConvolutionalStages, ConvolutionalStem, FusedViT, LectureViT
from helpers.data import Dataset, DataUnavailable, load
from helpers.training import fit

OUT = ROOT / "benchmarks" / "results" / "accuracy.json"
LECTURE = {"a": 0.5676, "c": 0.9704, "e": 0.9704, "f": 0.5676, "g": 0.5676, "h": 0.9704, "i": 0.9704, "j": 0.9704}


@dataclass(frozen=True)
class Recipe:
    """One part of the benchmark. `model(channels, side, classes)`; `settings` say in words what the code does."""

    title: str
    data: str
    embedded: str
    epochs: int
    batch_size: int
    model: Callable[[int, int, int], nn.Module]
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]
    settings: str
    schedule: Callable[[int, int], float] | None = None
    label_smoothing: float = 0.0
    flip: bool = False
    shift: int = 0
    standardised: bool = True  # per channel; the lecture's images are as `ToTensor` gives them, from 0 to 1


def one_cycle(step: int, total: int, warm_up: float = 0.1) -> float:
    """Linear warm-up over the first tenth, then a cosine to zero (lesson 08)."""
    done = (step + 1) / total
    if done < warm_up:
        return done / warm_up
    return 0.5 * (1 + float(torch.cos(torch.tensor(torch.pi * (done - warm_up) / (1 - warm_up)))))


def adamw(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW that decays matrices and kernels only: not norms, biases, positions."""
    named = dict(model.named_parameters())
    decayed = [p for name, p in named.items() if p.ndim > 1 and name not in ("positions", "cls_token")]
    rest = [p for name, p in named.items() if p.ndim <= 1 or name in ("positions", "cls_token")]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.99), fused=True)


def cifar_model(channels: int, side: int, classes: int) -> nn.Module:
    stem = ConvolutionalStem(channels, (32, 64, 96), (2, 1, 2), 96)
    return FusedViT(channels, 4, 96, side, 2, 3, 2, classes, stem=stem, pool="mean")


def mnist_model(channels: int, side: int, classes: int) -> nn.Module:
    stem = ConvolutionalStem(channels, (16, 32, 64), (2, 2, 2), 64)
    return FusedViT(channels, 7, 64, side, 2, 2, 2, classes, stem=stem, pool="mean")


def cifar_hybrid(channels: int, side: int, classes: int) -> nn.Module:
    stages = ConvolutionalStages(channels, (32, 64, 128), halve_last=True)
    return FusedViT(channels, 8, 128, side, 2, 4, 2, classes, stem=stages, pool="mean")


def mnist_hybrid(channels: int, side: int, classes: int) -> nn.Module:
    stages = ConvolutionalStages(channels, (16, 32, 64), halve_last=False)
    return FusedViT(channels, 4, 64, side, 2, 2, 2, classes, stem=stages, pool="mean")


def slides_vit(channels: int, side: int, classes: int) -> nn.Module:
    return SlidesViT(channels, img_size=side, n_classes=classes)


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)


def embedding_left_out(model: nn.Module) -> torch.optim.Optimizer:
    """L0's `Adam(model.parameters())`, which receives the encoder and the head and not the processor."""
    outside = {id(p) for p in model.outside_optimizer()}  # type: ignore[operator]
    return torch.optim.Adam([p for p in model.parameters() if id(p) not in outside], lr=1e-3, fused=True)


RECIPES = {
    "a": Recipe(
        "the lecture's ViT", "cifar10", "shapes", 100, 64,
        lambda channels, side, classes: LectureViT(channels, img_size=side, n_classes=classes),
        lambda model: torch.optim.Adam(model.parameters(), lr=1e-3, fused=True),
        "nn.TransformerEncoder, 8x8 patches, width 64, 2 heads, 2 layers, mlp 128, dropout 0.1; Adam 1e-3, batch 64, "
        "no augmentation",
    ),
    "b": Recipe(
        "lesson 08's recipe", "cifar10", "shapes", 6, 128, cifar_model, partial(adamw, lr=2e-3, weight_decay=0.05),
        "three 3x3 convolutions (32, 64, 96) as stem, 64 tokens, width 96, 3 heads, 2 pre-norm blocks, expansion 2, "
        "mean readout; AdamW 2e-3, decay 0.05, warm-up and cosine, label smoothing 0.1, flip and shift by 2, batch 128",
        schedule=one_cycle, label_smoothing=0.1, flip=True, shift=2,
    ),
    "c": Recipe(
        "lesson 08's recipe", "mnist", "digits", 5, 128, mnist_model, partial(adamw, lr=2e-3, weight_decay=0.05),
        "three 3x3 convolutions (16, 32, 64) as stem, 16 tokens, width 64, 2 heads, 2 pre-norm blocks, expansion 2, "
        "mean readout; AdamW 2e-3, decay 0.05, warm-up and cosine, label smoothing 0.1, shift by 2, batch 128",
        schedule=one_cycle, label_smoothing=0.1, shift=2,
    ),
    "d": Recipe(
        "a hybrid", "cifar10", "shapes", 10, 128, cifar_hybrid, partial(adamw, lr=2e-3, weight_decay=0.05),
        "3x3 convolutions (32, 64, 128) with max pooling between, one residual; 16 tokens, width 128, 4 heads, "
        "2 pre-norm blocks, expansion 2, mean readout; AdamW 2e-3, decay 0.05, warm-up and cosine, "
        "label smoothing 0.1, flip and shift by 3, batch 128",
        schedule=one_cycle, label_smoothing=0.1, flip=True, shift=3,
    ),
    "e": Recipe(
        "a hybrid", "mnist", "digits", 5, 128, mnist_hybrid, partial(adamw, lr=2e-3, weight_decay=0.05),
        "3x3 convolutions (16, 32, 64) with max pooling between, one residual; 49 tokens, width 64, 2 heads, "
        "2 pre-norm blocks, expansion 2, mean readout; AdamW 2e-3, decay 0.05, warm-up and cosine, "
        "label smoothing 0.1, shift by 2, batch 128",
        schedule=one_cycle, label_smoothing=0.1, shift=2,
    ),
    "f": Recipe(
        "L0's slides", "cifar10", "shapes", 100, 64, slides_vit, embedding_left_out,
        "L0's ViT and processor as in the slides: post-norm encoder, GELU, class token of zeros without position, "
        "fixed 2-D sinusoids, head with norm; Adam 1e-3 on the model alone (patch embedding untrained); batch 64; "
        "pixels from 0 to 1",
        standardised=False,
    ),
    "g": Recipe(
        "L0's slides, mended", "cifar10", "shapes", 100, 64, slides_vit, adam,
        "as f, with the patch embedding in the optimiser",
        standardised=False,
    ),
    "h": Recipe(
        "L0's MNIST network", "mnist", "digits", 5, 32, SlidesMnist, adam,
        "784-128, attention over one token, 128-64, attention over one token, 64-10; Adam 1e-3, batch 32; "
        "pixels from 0 to 1",
        standardised=False,
    ),
    "i": Recipe(
        "the equal MLP", "mnist", "digits", 5, 32, EqualMlp, adam,
        "hidden layers of 128 and 64 with the value layers of h; Adam 1e-3, batch 32; "
        "pixels from 0 to 1",
        standardised=False,
    ),
    "j": Recipe(
        "attention on patches", "mnist", "digits", 5, 32, PatchAttention, adam,
        "h's layers over 16 patches of 7 x 7 with learned positions, mean readout; Adam 1e-3, batch 32; "
        "pixels from 0 to 1",
        standardised=False,
    ),
}  # fmt: skip


class Watched(Dataset):
    """A training set that takes the time of each pass over it; `seen(passes, seconds)` hears of it when the next
    begins. Raising KeyboardInterrupt there ends the run as the stop button does."""

    @classmethod
    def over(cls, data: Dataset, seen: Callable[[list[float]], None]) -> Watched:
        watched = cls(data.name, data.images, data.labels, data.classes, data.source)
        object.__setattr__(watched, "seconds", [])
        object.__setattr__(watched, "seen", seen)
        return watched

    def to(self, device: torch.device | str) -> Watched:
        return self  # measured on the CPU, where it is

    def batches(self, *args: Any, **options: Any) -> Iterator[tuple[Tensor, Tensor]]:
        self.seen(self.seconds)
        start = time.process_time()
        yield from super().batches(*args, **options)
        self.seconds.append(time.process_time() - start)


def normalised(train: Dataset, test: Dataset) -> tuple[Dataset, Dataset]:
    """Both sets with the training set's mean and spread per channel taken out."""
    mean = train.images.mean(dim=(0, 2, 3), keepdim=True)
    spread = train.images.std(dim=(0, 2, 3), keepdim=True)
    return tuple(  # type: ignore[return-value]
        Dataset(d.name, (d.images - mean) / spread, d.labels, d.classes, d.source) for d in (train, test)
    )


def read_data(recipe: Recipe, limit: int | None) -> tuple[Dataset, Dataset, bool]:
    """Training set, test set, and whether they are the real ones."""
    prepared = normalised if recipe.standardised else lambda *sets: sets
    if os.environ.get("VITLAB_DATA", "").strip():
        try:
            return *prepared(*(load(recipe.data, split, limit) for split in ("train", "test"))), True
        except DataUnavailable as error:
            print(error)
    print(f"{recipe.data}: not in VITLAB_DATA. The embedded set {recipe.embedded} serves instead; compare no number.")
    return *prepared(*(load(recipe.embedded, split, limit) for split in ("train", "test"))), False


def moved(images: Tensor, *, flip: bool, shift: int) -> Tensor:
    """Each image mirrored or not, and shifted by up to `shift` pixels, its border mirrored outwards."""
    b, _, h, w = images.shape
    if flip:
        images = torch.where(torch.rand(b, 1, 1, 1) < 0.5, images.flip(3), images)
    if shift:
        wide = F.pad(images, (shift,) * 4, mode="reflect").permute(0, 2, 3, 1)
        rows = torch.randint(0, 2 * shift + 1, (b, 1)) + torch.arange(h)
        columns = torch.randint(0, 2 * shift + 1, (b, 1)) + torch.arange(w)
        images = wide[torch.arange(b)[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
    return images.contiguous()


def training_flops(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Floating-point operations per image, forward and backward; attention unfused, as fused ones aren't counted."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        F.cross_entropy(model(images), labels).backward()
    model.zero_grad(set_to_none=True)
    return counter.get_total_flops() / len(images)


def write(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    runs = ",\n".join(f"{json.dumps(key)}: {json.dumps(entry)}" for key, entry in sorted(results["runs"].items()))
    machine = f'"torch": "{torch.__version__}", "cores": {os.cpu_count()}'
    part.write_text(f'{{{machine}, "runs": {{\n{runs}\n}}}}\n', encoding="utf-8")
    os.replace(part, path)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {"runs": {}}


def key_of(entry: dict[str, Any]) -> str:
    """A run's name: part, seed, and epochs if they are not the recipe's."""
    planned = entry["epochs_planned"]
    own = "" if planned == RECIPES[entry["part"]].epochs else f"-{planned}epochs"
    return f"{entry['part']}{entry['seed']}{own}"


def run(part: str, seed: int, options: argparse.Namespace, until: float) -> None:
    """Train one part with one seed, or go on with it; the results file is written after every epoch."""
    recipe, out = RECIPES[part], Path(options.out)
    epochs = options.epochs or recipe.epochs
    train, test, real = read_data(recipe, options.limit)
    channels, side = train.images.shape[1], train.images.shape[-1]
    same = {
        "part": part,
        "seed": seed,
        "data": train.name,
        "images": len(train),
        "epochs_planned": epochs,
        "batch_size": recipe.batch_size,
    }
    key = key_of(same)
    entry = read(out)["runs"].get(key, {})
    if any(entry.get(name) != value for name, value in same.items()):
        entry = {"cpu_seconds": []}
    elif len(entry["test_accuracy"]) == epochs:
        print(f"{key}: done before")
        return
    torch.manual_seed(seed)
    model = recipe.model(channels, side, len(train.classes))
    batch = train.take(8)
    entry |= same | {
        "real": real,
        "settings": recipe.settings,
        "threads": torch.get_num_threads(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "flops_per_image": training_flops(model, batch.images, batch.labels),
    }
    checkpoint = out.with_name(f"{out.stem}.{key}.safetensors")
    before = list(entry["cpu_seconds"]) if checkpoint.is_file() else []

    def keep(history: dict[str, list[float]], seconds: list[float]) -> None:
        done = len(history["loss"])
        entry["cpu_seconds"] = [round(s, 2) for s in [*before, *seconds]][:done]
        entry["loss"] = [round(v, 4) for v in history["loss"]]
        entry["train_accuracy"] = [round(v, 4) for v in history["accuracy"]]
        entry["test_accuracy"] = [round(v, 4) for v in history["test_accuracy"]]
        results = read(out)
        results["runs"][key] = entry
        write(out, results)
        print(
            f"{key} epoch {done}: loss {entry['loss'][-1]:.3f}, test {entry['test_accuracy'][-1]:.2%}, "
            f"{sum(entry['cpu_seconds']):.0f} s cpu, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )

    def seen(seconds: list[float]) -> None:
        if checkpoint.is_file():
            with safe_open(checkpoint, framework="pt") as file:
                keep(json.loads(file.metadata()["vitlab"])["history"], seconds)
        if time.monotonic() > until:
            raise KeyboardInterrupt

    augment = None
    if recipe.flip or recipe.shift:
        augment = lambda images, labels: (moved(images, flip=recipe.flip, shift=recipe.shift), labels)  # noqa: E731
    watched = Watched.over(train, seen)
    history = fit(
        model, watched, test, epochs=epochs, batch_size=recipe.batch_size, optimizer=recipe.optimizer(model),
        schedule=recipe.schedule, loss=partial(F.cross_entropy, label_smoothing=recipe.label_smoothing),
        augment=augment, seed=seed, device="cpu", checkpoint=checkpoint, progress=False,
    )  # fmt: skip
    if history.epochs:
        keep(history.as_dict(), watched.seconds)
    if history.epochs == epochs:
        checkpoint.unlink()


@dataclass(frozen=True)
class Row:
    """The runs of a part with as many epochs, one per seed; those that got as far as the longest count."""

    part: str
    planned: int
    runs: list[dict[str, Any]]

    @property
    def name(self) -> str:
        return self.part if self.planned == RECIPES[self.part].epochs else f"{self.part}-{self.planned}epochs"

    def numbers(self) -> dict[str, Any]:
        epochs = max(len(run["test_accuracy"]) for run in self.runs)
        whole = [run for run in self.runs if len(run["test_accuracy"]) == epochs]
        last = [run["test_accuracy"][-1] for run in whole]
        return {
            "data": whole[0]["data"],
            "real": whole[0]["real"],
            "epochs": epochs,
            "epochs_planned": self.planned,
            "seeds": len(whole),
            "cpu_seconds": round(statistics.mean(sum(r["cpu_seconds"]) for r in whole), 1),
            "tflop": round(whole[0]["flops_per_image"] * whole[0]["images"] * epochs / 1e12, 3),
            "accuracy": round(statistics.mean(last), 4),
            "spread": round(max(last) - min(last), 4),
            "best": max(max(run["test_accuracy"]) for run in whole),
        }


def rows(results: dict[str, Any]) -> list[Row]:
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for entry in results["runs"].values():
        if entry.get("test_accuracy"):
            groups.setdefault((entry["part"], entry["epochs_planned"]), []).append(entry)
    return [Row(part, planned, runs) for (part, planned), runs in sorted(groups.items())]


def table(results: dict[str, Any]) -> dict[str, Any]:
    """Print a row per recipe, its curves, and how b stands to a; return what the JSON line says."""
    summary: dict[str, Any] = {}
    print(
        f"{'part':24} {'data':8} {'epochs':>10} {'seeds':>5} {'cpu s':>7} {'TFLOP':>7} {'GFLOP/s':>8}"
        f" {'accuracy':>9} {'spread':>7} {'best':>7}"
    )
    for row in rows(results):
        n = summary[row.name] = row.numbers()
        epochs = str(n["epochs"]) if n["epochs"] == row.planned else f"{n['epochs']} of {row.planned}"
        spread = f"{n['spread']:.2%}" if n["seeds"] > 1 else "–"
        print(
            f"{row.part + '  ' + RECIPES[row.part].title:24} {n['data']:8} {epochs:>10} {n['seeds']:5d}"
            f" {n['cpu_seconds']:7.0f} {n['tflop']:7.2f} {1000 * n['tflop'] / max(n['cpu_seconds'], 1e-9):8.1f}"
            f" {n['accuracy']:9.2%} {spread:>7} {n['best']:7.2%}"
        )
    for row in rows(results):
        print(f"\n{row.name}: {row.runs[0]['settings']}")
        if row.part in LECTURE and row.runs[0]["real"]:
            print(f"  the lecture reports {LECTURE[row.part]:.2%}")
        for entry in row.runs:
            print(f"  seed {entry['seed']}, test accuracy after epoch  {curve(entry['test_accuracy'])}")
            if len(entry["test_accuracy"]) < row.planned:
                print(f"  stopped after {len(entry['test_accuracy'])} of {row.planned}: the curve as far as it went")
    for name, n in list(summary.items()):
        if name[0] in "bd" and "a" in summary and n["real"] and summary["a"]["real"]:
            n |= compared(summary["a"], n, name)
    return summary


def curve(values: list[float]) -> str:
    """Up to a dozen points of a list, the first and the last among them."""
    step = max(1, -(-len(values) // 10))
    marks = sorted({0, *range(step - 1, len(values), step), len(values) - 1})
    return "  ".join(f"{i + 1}: {values[i]:.1%}" for i in marks)


def compared(a: dict[str, Any], b: dict[str, Any], name: str) -> dict[str, float]:
    """How a run of b or d stands to a, its cost to that of the lecture's 100 epochs; printed, and for the JSON line."""
    whole = RECIPES["a"].epochs / a["epochs"]
    found = {
        "points_over_a": round(100 * (b["accuracy"] - a["accuracy"]), 2),
        "points_over_best_of_a": round(100 * (b["accuracy"] - a["best"]), 2),
        "points_over_lecture": round(100 * (b["accuracy"] - LECTURE["a"]), 2),
        "flops_of_a": round(b["tflop"] / a["tflop"], 2),
        "flops_of_100_epochs": round(b["tflop"] / (a["tflop"] * whole), 2),
        "seconds_of_a": round(b["cpu_seconds"] / a["cpu_seconds"], 2),
        "seconds_of_100_epochs": round(b["cpu_seconds"] / (a["cpu_seconds"] * whole), 2),
    }
    print(f"\n{name} is {found['points_over_a']:+.1f} points from a's last epoch, {found['points_over_best_of_a']:+.1f}"
          f" from its best, {found['points_over_lecture']:+.1f} from the lecture's figure. Its training took"
          f" {found['flops_of_a']:.2f} times the FLOPs and {found['seconds_of_a']:.2f} times the seconds of a's"
          f" {a['epochs']} epochs" + (f": {found['flops_of_100_epochs']:.2f} and {found['seconds_of_100_epochs']:.2f}"
          " times those of 100." if whole != 1 else "."))  # fmt: skip
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=tuple(RECIPES), action="append", help="default: all")
    parser.add_argument("--epochs", type=int, help="default: the recipe's")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="which seeds, e.g. --seeds 0 1 2")
    parser.add_argument("--limit", type=int, help="only the first so many images")
    parser.add_argument("--limit-minutes", type=float, default=float("inf"), help="start no epoch after so long")
    parser.add_argument("--out", default=str(OUT), help="the results file")
    parser.add_argument("--merge", nargs="+", default=[], metavar="FILE", help="take over the runs of these results")
    parser.add_argument("--show", action="store_true", help="train nothing: print the table of the results file")
    options = parser.parse_args(arguments)
    if options.merge:
        results = read(Path(options.out))
        for file in options.merge:
            results["runs"] |= {key_of(entry): entry for entry in read(Path(file))["runs"].values()}
        write(Path(options.out), results)
    elif not options.show:
        torch.set_num_threads(1)
        until = time.monotonic() + 60 * options.limit_minutes
        for part in options.part or RECIPES:
            for seed in options.seeds:
                run(part, seed, options, until)
    print(json.dumps(table(read(Path(options.out)))))


if __name__ == "__main__":
    main()
