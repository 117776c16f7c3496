"""Import torchvision even where its compiled operators don't fit the installed torch.

A CPU build of torch beside the PyPI build of torchvision ends in "operator torchvision::nms does not exist": the
compiled library cannot be loaded, and torchvision then describes an operator that was never declared. Data sets,
transforms and models don't need that operator; declaring its signature is enough to make them work.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[torch.library.Library] = []  # a Library takes its operators with it when it is collected


def load_torchvision() -> ModuleType:
    """torchvision, imported as it is when that works, else with its missing operators declared first.

    Raises:
        ImportError: torchvision is not installed, or fails for another reason than a missing operator.
    """
    try:
        return _import()
    except RuntimeError as error:
        if "operator torchvision::" not in str(error) or _declared:
            raise ImportError(f"torchvision cannot be imported: {error}. {_ADVICE}") from error
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        if not _is_declared(schema):
            library.define(schema)
    _declared.append(library)
    try:
        return _import()
    except RuntimeError as error:
        raise ImportError(f"torchvision cannot be imported: {error}. {_ADVICE}") from error


_ADVICE = "Install the torchvision that belongs to your torch: https://github.com/pytorch/vision#installation"


def _import() -> ModuleType:
    """Import torchvision; a failed import leaves no half-made module behind."""
    if "torchvision" in sys.modules:
        return sys.modules["torchvision"]
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        _forget()
        raise ImportError(f"torchvision needs the module {error.name!r}, which is not installed. {_ADVICE}") from error
    except BaseException:
        _forget()
        raise


def _forget() -> None:
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]


def _is_declared(schema: str) -> bool:
    return bool(torch._C._jit_get_schemas_for_operator("torchvision::" + schema.partition("(")[0]))
