"""What it costs when an optimiser does not receive the patch embedding (lesson 07)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from helpers.data import Dataset
from helpers.training import fit


def embedding_weights(model: nn.Module, values_per_patch: int) -> list[nn.Parameter]:
    """Weight and bias of the linear layer or convolution that maps a patch of `values_per_patch` numbers to a token.

    Raises:
        ValueError: the model has no such layer.
    """
    found: list[nn.Parameter] = []
    for layer in model.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim > 1 and weight[0].numel() == values_per_patch:
            found += layer.parameters(recurse=False)
            break
    if not found:
        raise ValueError(f"no layer of the model maps {values_per_patch} numbers to a token")
    return found


def compare_optimisers(
    make: Callable[[], nn.Module],
    train: Dataset,
    test: Dataset,
    values_per_patch: int,
    *,
    seeds: int = 2,
    **options: Any,
) -> dict[str, list[float]]:
    """Test accuracies in percent, one per seed, with and without the patch embedding in the optimiser (Adam, 1e-3)."""
    found: dict[str, list[float]] = {"all weights": [], "without the patch embedding": []}
    for seed in range(seeds):
        for name, values in found.items():
            torch.manual_seed(seed)
            model = make()
            left_out = {id(p) for p in embedding_weights(model, values_per_patch)} if name != "all weights" else set()
            optimiser = torch.optim.Adam([p for p in model.parameters() if id(p) not in left_out], lr=1e-3)
            history = fit(model, train, test, optimizer=optimiser, seed=seed, progress=False, **options)
            values.append(100 * history.test_accuracy[-1])
            print(f"seed {seed}, {name}: {values[-1]:.1f} %", flush=True)
    return found
