"""Weights that others have trained, for timm's models: from the folder `VITLAB_WEIGHTS`, or fetched by timm.

Only `.safetensors` is read: a file of numbers, which runs no code when it is opened.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import nn

from helpers.torchvision_ops import load_torchvision


class WeightsUnavailable(RuntimeError):
    """The weights are not here and cannot be fetched, or do not fit. The message says which and what to do."""


def pretrained_model(name: str, **settings: Any) -> nn.Module:
    """A model of timm's with its pretrained weights, adapted by timm to `img_size`, `in_chans` and `num_classes`.

    Looks for `<name>.safetensors` in the folder that `VITLAB_WEIGHTS` names; else timm downloads, once, into its cache.

    Raises:
        WeightsUnavailable: no file, no network, no such model, or a file that is cut short or another model's.
    """
    load_torchvision()
    import timm

    wish = os.environ.get("VITLAB_WEIGHTS", "").strip()
    if not wish:
        try:
            return timm.create_model(name, pretrained=True, **settings)
        except Exception as error:
            raise WeightsUnavailable(
                f"The weights of {name} could not be fetched: {_short(error)}\n{_ADVICE}"
            ) from error
    path = Path(wish).expanduser() / f"{name}.safetensors"
    if not path.is_file():
        raise WeightsUnavailable(f"VITLAB_WEIGHTS names a folder without {path.name}: {path.parent}\n{_ADVICE}")
    try:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay={"file": str(path)}, **settings)
    except Exception as error:
        raise WeightsUnavailable(f"{path} does not load into {name}: {_short(error)}\n{_ADVICE}") from error


_ADVICE = (
    "Put the model's .safetensors file into a folder and name the folder in VITLAB_WEIGHTS, or go on without: the "
    "lesson pretrains a small model itself."
)


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"
