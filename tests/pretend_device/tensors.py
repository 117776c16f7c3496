"""Tensors of the pretend device: CPU tensors of another class, so that what they are is not lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

PLACE = torch.device("cuda", 0)


class PretendTensor(Tensor):
    """A tensor on the pretend device."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """Where no mode is active: another thread, or a mode of somebody else's on its own."""
        from tests.pretend_device.device import current

        return current().call(func, args, kwargs or {})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) in memo:
            return memo[id(self)]
        with torch._C.DisableTorchFunctionSubclass(), torch.no_grad():
            if not self.is_leaf:
                raise RuntimeError("Only Tensors created explicitly by the user support the deepcopy protocol")
            copy = self.detach().clone(memory_format=torch.preserve_format).requires_grad_(self.requires_grad)
        copy.__class__ = type(self)
        copy.__dict__.update(self.__dict__)
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol):
        raise NotImplementedError("the pretend device pickles nothing: move the tensor to the CPU")


class PretendParameter(PretendTensor, nn.Parameter):
    """A parameter on the pretend device."""


class PretendLazyParameter(PretendTensor, nn.UninitializedParameter):
    """A parameter on the pretend device that doesn't know its shape yet."""

    cls_to_become = PretendParameter


for _kind, _name in ((PretendTensor, "Tensor"), (PretendParameter, "Parameter")):
    _kind.__name__ = _name  # as a student reads it in an error message

_HERE = {Tensor: PretendTensor, nn.Parameter: PretendParameter, nn.UninitializedParameter: PretendLazyParameter}
_ELSEWHERE = {here: there for there, here in _HERE.items()}


def on_device(tensor: Tensor) -> bool:
    """Whether a tensor is on the pretend device, also inside torch.func's transforms."""
    while not isinstance(tensor, PretendTensor):
        if not torch._C._functorch.is_functorch_wrapped_tensor(tensor):
            return False
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return True


def put(tensor: Tensor) -> Tensor:
    """Mark a tensor, in place, as one of the device's. Its memory must be its own."""
    if not isinstance(tensor, PretendTensor):
        tensor.__class__ = _HERE.get(type(tensor), PretendParameter if _learns(tensor) else PretendTensor)
    return tensor


def take(tensor: Tensor) -> Tensor:
    """Unmark a tensor, in place."""
    if isinstance(tensor, PretendTensor):
        kind = PretendParameter if type(tensor) is PretendTensor and _learns(tensor) else type(tensor)
        tensor.__class__ = _ELSEWHERE[kind]
    return tensor


def _learns(tensor: Tensor) -> bool:
    return isinstance(tensor, nn.Parameter)


def tensors_in(values: Any, depth: int = 4) -> Iterator[Tensor]:
    """All tensors in nested lists, tuples and dictionaries."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif depth and isinstance(value, tuple | list):
            yield from tensors_in(value, depth - 1)
        elif depth and isinstance(value, dict):
            yield from tensors_in(value.values(), depth - 1)


def is_device(wish: Any) -> bool:
    """Whether a `device=` argument means the pretend device.

    Raises:
        RuntimeError: it means a second GPU.
    """
    if wish is None:
        return False
    place = torch.device("cuda", wish) if isinstance(wish, int) else torch.device(wish)
    if place.type == "cuda" and place.index not in (None, 0):
        raise RuntimeError("CUDA error: invalid device ordinal")
    return place.type == "cuda"
