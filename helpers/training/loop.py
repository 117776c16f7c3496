"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from helpers.data import Dataset
from helpers.device import device as fastest_device
from helpers.training import checkpoint as disk
from helpers.training.evaluation import evaluate, logits_of
from helpers.training.history import History
from helpers.training.live import Live

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]


class Diverged(ArithmeticError):
    """The loss is no longer a number."""


def fit(
    model: nn.Module, train: Dataset, test: Dataset | None = None, *, epochs: int, batch_size: int = 64,
    lr: float = 1e-3, weight_decay: float = 0.0, optimizer: Optimizer | MakeOptimizer | None = None,
    schedule: Callable[[int, int], float] | None = None, loss: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    augment: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None,
    step: Callable[[nn.Module, Tensor, Tensor, Optimizer], Any] | None = None, seed: int = 0,
    device: torch.device | str | None = None, amp: bool | None = None, compile: bool = False,
    checkpoint: str | Path | None = None, progress: bool = True,
) -> History:  # fmt: skip
    """Train a model on labelled images, in place.

    Args:
        model: (b, c, h, w) to logits (b, classes). It is moved to `device` and stays there.
        test: looked at after every epoch.
        optimizer: made from the parameters, or ready; default AdamW(lr, weight_decay).
        schedule: `schedule(step, total_steps)` gives the factor of the learning rate before step 0, 1, …
        augment: changes each batch; labels may become soft: (b, classes).
        step: one training step of your own, `step(model, images, labels, optimizer)`, which returns the loss.
        seed: of the order of the images, and of dropout.
        device: default: the fastest there is.
        amp: mixed precision; default: on a GPU only.
        compile: train through torch.compile.
        checkpoint: a file, written after each epoch. If it is there, the run goes on from it.
        progress: show a line that moves.

    Returns:
        the history. An interrupt (the stop button) ends the run after the last whole epoch counted, without an error.

    Raises:
        Diverged: the loss is inf or NaN.
        ValueError: the settings make no run, the model's output is no logits, or the checkpoint is another run's.
    """
    if epochs < 1 or not len(train):
        raise ValueError(f"Training needs at least one epoch and one image; got {epochs} and {len(train)}.")
    place = torch.device(device) if device is not None else fastest_device()
    model.to(place)
    run = _Run(model, place, loss, augment, step, _precision(place, amp), compile)
    updates = _optimizer(model, optimizer, lr, weight_decay)
    base = [group["lr"] for group in updates.param_groups]
    train = train.to(place)
    steps = -(-len(train) // batch_size)
    history, live = History(), Live(epochs, steps, on=progress)
    settings = _settings(model, train, batch_size, seed, epochs)
    path = Path(checkpoint) if checkpoint is not None else None
    torch.manual_seed(seed)
    if path is not None and path.is_file():
        history = disk.restore(path, model, updates, settings)
        history.interrupted = False
        live.go_on_from(history.epochs)
    before = history.seconds[-1] if history.seconds else 0.0
    start = time.perf_counter()
    try:
        for epoch in range(history.epochs, epochs):
            model.train()
            total, right = torch.zeros((), device=place), torch.zeros((), device=place)
            for i, (images, labels) in enumerate(train.batches(batch_size, shuffle=True, seed=1000 * seed + epoch)):
                if schedule is not None:
                    factor = schedule(epoch * steps + i, epochs * steps)
                    for group, own in zip(updates.param_groups, base, strict=True):
                        group["lr"] = own * factor
                value, hits = run.step(images, labels, updates)
                total += value * len(images)
                right += hits
                if live.due:
                    live.step(history, epoch, i, _finite(float(value), epoch, lr))
            history.loss.append(_finite(total.item() / len(train), epoch, lr))
            known = run.counts_hits
            history.accuracy.append(right.item() / len(train) if known else evaluate(model, train.take(1000)).accuracy)
            history.lr.append(updates.param_groups[0]["lr"])
            if test is not None:
                found = evaluate(model, test)
                history.test_loss.append(found.loss)
                history.test_accuracy.append(found.accuracy)
            history.seconds.append(before + time.perf_counter() - start)
            if path is not None:
                disk.save(path, model, updates, history, settings)
    except KeyboardInterrupt:
        _drop_unfinished(history)
        history.interrupted = True
        again = "Run this again to go on from there" if path is not None else "With checkpoint=… it could go on"
        live.end(history, f"Stopped by hand after epoch {history.epochs} of {epochs}. {again}.")
        return history
    live.end(history)
    return history


class _Run:
    """One step: forward, loss, backward, update."""

    def __init__(self, model, place, loss, augment, own_step, precision, compiled: bool) -> None:
        self.model = model
        self._forward = torch.compile(model) if compiled else model
        self._loss, self._augment, self._own_step = loss, augment, own_step
        self._precision = precision
        half = precision.keywords["dtype"] is torch.float16 if precision is not None else False
        self._scaler = torch.amp.GradScaler(place.type, enabled=half)
        self.counts_hits = own_step is None

    def step(self, images: Tensor, labels: Tensor, updates: Optimizer) -> tuple[Tensor, Tensor | float]:
        """(loss, how many images were answered right)."""
        if self._augment is not None:
            images, labels = self._augment(images, labels)
        if self._own_step is not None:
            return torch.as_tensor(self._own_step(self.model, images, labels, updates)).detach(), 0.0
        with self._precision() if self._precision is not None else nullcontext():
            logits = logits_of(self._forward, images)
            value = self._loss(logits, labels)
        updates.zero_grad(set_to_none=True)
        self._scaler.scale(value).backward()
        self._scaler.step(updates)
        self._scaler.update()
        truth = labels if labels.ndim == 1 else labels.argmax(dim=1)
        return value.detach(), (logits.detach().argmax(dim=1) == truth).sum()


def _precision(place: torch.device, amp: bool | None):
    """A maker of autocast contexts, or None for plain float32."""
    from functools import partial

    wanted = place.type == "cuda" if amp is None else amp
    if not wanted:
        return None
    whole_range = place.type != "cuda" or torch.cuda.is_bf16_supported()
    return partial(torch.autocast, place.type, dtype=torch.bfloat16 if whole_range else torch.float16)


def _optimizer(model: nn.Module, given, lr: float, weight_decay: float) -> Optimizer:
    if isinstance(given, Optimizer):
        return given
    if given is not None:
        return given(model.parameters())
    return AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)


def _settings(model: nn.Module, train: Dataset, batch_size: int, seed: int, epochs: int) -> dict[str, Any]:
    """What must be the same for a run to go on."""
    weights = sum(p.numel() for p in model.parameters())
    data = f"{train.name}, {len(train)} images"
    return {"epochs": epochs, "parameters": weights, "data": data, "batch_size": batch_size, "seed": seed}


def _finite(loss: float, epoch: int, lr: float) -> float:
    if loss != loss or loss in (float("inf"), -float("inf")):
        raise Diverged(
            f"The loss became {loss} in epoch {epoch + 1}, at a learning rate of {lr:g}. Try a tenth of it, a warm-up, "
            "or look for a division by zero or a log of zero in the model."
        )
    return loss


def _drop_unfinished(history: History) -> None:
    """Cut every list to the epochs that are whole."""
    whole = len(history.seconds)
    for values in (history.loss, history.accuracy, history.test_loss, history.test_accuracy, history.lr):
        del values[whole:]
