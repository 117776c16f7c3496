"""Width, depth and patch size of a small ViT on real digits: one thing changed at a time, three seeds each.

    python benchmarks/vit_sizes.py            # about 2 minutes on one core

writes helpers/measured/vit_sizes.toml, which lesson 07 draws.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path

import torch
from torch import nn

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from helpers.data import load
from helpers.training import fit

OUT = ROOT / "helpers" / "measured" / "vit_sizes.toml"
BASE = {"emb_size": 32, "depth": 2, "patch_size": 2}
VALUES = {"emb_size": (8, 16, 32, 64), "depth": (1, 2, 4), "patch_size": (2, 4)}
SEEDS, EPOCHS, LR = (0, 1, 2), 12, 2e-3


class ViT(nn.Module):
    """A pre-norm ViT of torch's own parts, with two heads and expansion 2, for 8 x 8 grey images."""

    def __init__(self, emb_size: int, depth: int, patch_size: int) -> None:
        super().__init__()
        self.cut = nn.Conv2d(1, emb_size, patch_size, patch_size)
        self.first = nn.Parameter(0.02 * torch.randn(1, 1, emb_size))
        self.places = nn.Parameter(0.02 * torch.randn((8 // patch_size) ** 2 + 1, emb_size))
        layer = nn.TransformerEncoderLayer(
            emb_size, 2, 2 * emb_size, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, depth, nn.LayerNorm(emb_size), enable_nested_tensor=False)
        self.last = nn.Linear(emb_size, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = torch.cat([self.first.expand(len(x), 1, -1), self.cut(x).flatten(2).mT], dim=1)
        return self.last(self.body(tokens + self.places).select(1, 0))


def main() -> None:
    torch.set_num_threads(1)
    train, test = (replace(s, images=(s.images - 0.3) / 0.4) for s in (load("digits"), load("digits", "test")))
    runs: dict[str, dict[str, list[float]]] = {}
    start, done = time.process_time(), {}
    for name, values in VALUES.items():
        for value in values:
            sizes = BASE | {name: value}
            key = json.dumps(sizes)
            if key not in done:
                before, scores = time.process_time(), []
                for seed in SEEDS:
                    torch.manual_seed(seed)
                    history = fit(ViT(**sizes), train, test, epochs=EPOCHS, lr=LR, seed=seed, progress=False)
                    scores.append(round(100 * history.test_accuracy[-1], 2))
                done[key] = {"accuracy": scores, "cpu_seconds": round((time.process_time() - before) / len(SEEDS), 1)}
                print(sizes, done[key], flush=True)
            runs.setdefault(name, {})[str(value)] = done[key]
    about = {
        "command": "python benchmarks/vit_sizes.py",
        "date": date.today().isoformat(),
        "machine": f"{os.cpu_count()} CPU cores, one of them used; seconds are processor time",
        "data": f"{len(train)} real digits of 8 x 8 pixels, {len(test)} for the test",
        "settings": f"AdamW, lr {LR:g}, batches of 64, {EPOCHS} epochs, seeds {SEEDS}, 2 heads, expansion 2",
        "base": ", ".join(f"{name} {value}" for name, value in BASE.items()),
        "torch": torch.__version__.split("+")[0],
    }
    write(about, runs)
    print(f"{time.process_time() - start:.0f} s of one core; written to {OUT.relative_to(ROOT)}")


def write(about: dict[str, str], runs: dict[str, dict[str, dict]]) -> None:
    lines = ["[about]", *(f"{key} = {json.dumps(value)}" for key, value in about.items())]
    for name, values in runs.items():
        for value, found in values.items():
            lines += ["", "[[runs]]", f"changed = {json.dumps(name)}", f"value = {value}"]
            lines += [f"{key} = {json.dumps(one)}" for key, one in found.items()]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
