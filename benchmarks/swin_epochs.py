"""Lesson 09's three small models with more epochs than the lesson has time for: `python benchmarks/swin_epochs.py`.

Trains Swin, a ViT and a CNN of about 36,000 parameters on `shapes` and writes helpers/measured/swin_epochs.json after
every run; runs that are already there are not made again. The parts are the lesson's solutions. About ten minutes of
processor time.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # benchmarks/grading.py would hide the package

import torch

from grading.course import load_course
from grading.judging.reference import load_reference
from helpers.data import load
from helpers.experiments.swin import small_models, train_small
from helpers.training.log import ExperimentLog

OUT = ROOT / "helpers" / "measured" / "swin_epochs.json"


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    course = load_course(ROOT)
    answers = load_reference(course.source("09_swin"), course.bank("09_swin")).answers
    train, test = (replace(d, images=(d.images - 0.5) / 0.25) for d in (load("shapes"), load("shapes", "test")))
    log = ExperimentLog.load(OUT) if OUT.is_file() else ExperimentLog("accuracy", "seconds")
    log.about = {
        "command": "python benchmarks/swin_epochs.py",
        "date": datetime.date.today().isoformat(),
        "data": f"shapes, {len(train)} training and {len(test)} test images of 32 x 32 pixels",
        "recipe": f"{options.epochs} epochs, AdamW 4e-3, weight decay 0.01, warm-up and cosine, batch 32",
    }
    there = {(run["name"], run["seed"]) for run in log}
    for seed in range(options.seeds):
        for name, make in small_models(answers["Q17c"], answers["Q18"]).items():
            if (name, seed) in there:
                continue
            accuracy, seconds = train_small(make, train, test, seed=seed, epochs=options.epochs)
            log.add(name, seed=seed, accuracy=round(accuracy, 2), seconds=round(seconds, 1))
            log.save(OUT)
            print(f"{name}, seed {seed}: {accuracy:.1f} % in {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
