"""A run on disk, so that it can go on after an interrupt: tensors as safetensors, the rest as JSON in their header."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from helpers.training.history import History


def save(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, history: History, settings: dict[str, Any]
) -> None:
    """Write everything a run needs to go on, in one step: an interrupt leaves the old file or the new one."""
    state = optimizer.state_dict()
    tensors = {f"model/{name}": value.detach().cpu() for name, value in model.state_dict().items()}
    numbers: dict[str, dict[str, Any]] = {}
    for key, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{key}/{name}"] = value.detach().cpu()
            else:
                numbers.setdefault(str(key), {})[name] = value
    tensors["random/cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random/cuda"] = torch.cuda.get_rng_state()
    header = {"history": history.as_dict(), "settings": settings, "groups": state["param_groups"], "numbers": numbers}
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        save_file({k: v.contiguous().clone() for k, v in tensors.items()}, part, {"vitlab": json.dumps(header)})
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def restore(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, settings: dict[str, Any]) -> History:
    """Put a saved run back into a model and an optimizer.

    Raises:
        ValueError: the file is broken, or belongs to another run; the message says what differs.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})["vitlab"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError, OSError) as error:
        raise ValueError(f"{path} is no checkpoint that can be read ({error}). Delete it to start anew.") from error
    differs = [key for key in settings if header["settings"].get(key) != settings[key]]
    if differs:
        what = "; ".join(f"{k} was {header['settings'].get(k)!r}, is {settings[k]!r}" for k in differs)
        raise ValueError(f"{path} belongs to another run: {what}. Delete it, or name another checkpoint.")
    model.load_state_dict({k.removeprefix("model/"): v for k, v in tensors.items() if k.startswith("model/")})
    state: dict[int, dict[str, Any]] = {int(k): dict(v) for k, v in header["numbers"].items()}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, key, entry = name.split("/", 2)
            state.setdefault(int(key), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": header["groups"]})
    torch.set_rng_state(tensors["random/cpu"])
    if "random/cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random/cuda"])
    return History(**header["history"])
