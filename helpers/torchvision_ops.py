"""Import torchvision even where its compiled operators don't fit the installed torch.

A CPU build of torch beside the PyPI build of torchvision ends in "operator torchvision::nms does not exist": the
compiled library cannot be loaded, and torchvision then describes an operator that was never declared. Data sets,
transforms and models don't need that operator; declaring its signature is enough to make them work.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    _declare()
    try:
        return _import()
    except RuntimeError as error:
        raise ImportError(f"torchvision cannot be imported: {error}. {_ADVICE}") from error


class _Repaired(importlib.abc.Loader):
    """Runs torchvision's package; where an operator is missing, declares it and runs the package once more."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: Any) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        try:
            self._loader.exec_module(module)
        except RuntimeError as error:
            if "operator torchvision::" not in str(error) or _declared:
                raise
            _forget(but=module.__name__)
            _declare()
            self._loader.exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds torchvision as Python does, with a loader that repairs it; everything else is left to the others."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> Any:
        if name != "torchvision":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Repaired(spec.loader)
        return spec


def install() -> None:
    """Make `import torchvision`, in a notebook's own cell as well, do what `load_torchvision` does; once."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


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


def _forget(but: str = "") -> None:
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        if name != but:
            del sys.modules[name]


def _declare() -> None:
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        if not _is_declared(schema):
            library.define(schema)
    _declared.append(library)


def _is_declared(schema: str) -> bool:
    import torch

    return bool(torch._C._jit_get_schemas_for_operator("torchvision::" + schema.partition("(")[0]))
