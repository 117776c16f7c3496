"""The device itself: sees every call of torch's interface, and stands in for `torch.cuda`."""

from __future__ import annotations

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from tests.pretend_device import rounding, rules
from tests.pretend_device.tensors import (
    PLACE,
    PretendParameter,
    PretendTensor,
    is_device,
    on_device,
    put,
    take,
    tensors_in,
)

_current: list[Device] = []


def current() -> Device:
    """The device in use.

    Raises:
        RuntimeError: a tensor outlived its device.
    """
    if not _current:
        raise RuntimeError("this tensor is on a pretend device that is gone")
    return _current[-1]


class PretendGenerator(torch.Generator):
    """A generator of random numbers on the device."""

    @property
    def device(self) -> torch.device:
        return PLACE


class _GeneratorFactory(type):
    """`torch.Generator("cuda")` gives the device's; what was made before is still an instance of torch.Generator."""

    def __call__(cls, device: Any = "cpu") -> Any:
        return PretendGenerator() if is_device(device) else _CPUGenerator(device)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _CPUGenerator)


_CPUGenerator = torch.Generator


class _Generator(metaclass=_GeneratorFactory):
    pass


class Device(TorchFunctionMode):
    """The pretend device.

    Attributes:
        tf32: round as tensor cores do, where `torch.backends` allows it.
        counts: waits for the device and calls of `torch.cuda`, by name.
    """

    def __init__(self, *, tf32: bool = False) -> None:
        super().__init__()
        self.tf32 = tf32
        self.counts: Counter[str] = Counter()
        self.broken = False
        self.autocast = 0
        self._dice = _CPUGenerator().manual_seed(2**40 + 1)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return self.call(func, args, kwargs or {})

    def call(self, func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        """What torch's `func` gives where CUDA would allow the call."""
        name = name_of(func)
        own = _OWN.get(name)
        if own is None and not kwargs and name not in rules.DRAWN and not any(map(_matters, args)):
            return func(*args)
        if own is not None:
            return own(self, func, args, kwargs)
        return self.run(name, func, args, kwargs)

    def run(self, name: str, func: Callable[..., Any], args: tuple, kwargs: dict[str, Any]) -> Any:
        """Check the call, compute on the CPU, mark the outcome."""
        tensors = list(tensors_in((*args, *kwargs.values())))
        here = rules.check_meeting(name, tensors)
        wish = kwargs.get("device")
        if wish is not None and not isinstance(wish, bool):
            here = is_device(wish)
            kwargs = kwargs | {"device": "cpu" if here else wish}
        if "generator" in kwargs:
            rules.check_generator(kwargs["generator"], here)
        if not here:
            return _plainly(func, args, kwargs, tensors)
        if self.broken:
            raise _assert_triggered()
        rules.check_types(name, args, tensors)
        if name in rules.WAITS:
            self.counts["waits"] += 1
            self.counts[name] += 1
        args, kwargs = self._rounded(name, args, kwargs)
        with torch._C.DisableTorchFunctionSubclass(), self._random(name, kwargs):
            try:
                out = func(*args, **kwargs)
            except (IndexError, RuntimeError) as error:
                if name in rules.INDEXED and _found_on_the_device(name, args, error):
                    self.broken = True
                    raise _assert_triggered() from error
                raise
        given = {id(t) for t in tensors}
        for tensor in tensors_in((out,)):
            if id(tensor) not in given:
                put(tensor)
        return out

    def _rounded(self, name: str, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        change = None
        if self.autocast and name in rounding.WHOLE:
            change = rounding.whole
        if self.tf32 and name in rules.CONVOLUTIONS and torch.backends.cudnn.allow_tf32:
            change = rounding.tf32
        if self.tf32 and (name in rules.PRODUCTS or name == "einsum") and torch.backends.cuda.matmul.allow_tf32:
            change = rounding.tf32
        if change is None:
            return args, kwargs
        with torch._C.DisableTorchFunctionSubclass():
            return _mapped(change, args), _mapped(change, kwargs)

    @contextmanager
    def _random(self, name: str, kwargs: dict[str, Any]) -> Iterator[None]:
        """Random numbers come from the device's own stream."""
        if name not in rules.DRAWN or kwargs.get("generator") is not None:
            yield
            return
        before = torch.default_generator.get_state()
        torch.default_generator.set_state(self._dice.get_state())
        try:
            yield
        finally:
            self._dice.set_state(torch.default_generator.get_state())
            torch.default_generator.set_state(before)

    def seed(self, seed: int) -> None:
        self._dice.manual_seed((int(seed) + 2**40 + 1) % 2**63)

    def state(self, *_: Any) -> Tensor:
        return self._dice.get_state()

    def set_state(self, state: Tensor, *_: Any) -> None:
        if on_device(state):
            raise TypeError("RNG state must be a torch.ByteTensor")
        self._dice.set_state(state)

    def count(self, name: str, answer: Any = None) -> Callable[..., Any]:
        def counted(*_: Any, **__: Any) -> Any:
            self.counts[name] += 1
            return answer

        return counted


def _matters(value: Any) -> bool:
    """Whether a device may have to do with an argument: not with a number, a type, or the CPU's own tensor."""
    kind = type(value)
    if kind is Tensor or kind is torch.nn.Parameter:
        return bool(torch._C._functorch.is_functorch_wrapped_tensor(value))
    if kind is tuple or kind is list:
        return any(map(_matters, value))
    return kind not in (int, float, bool, str, slice, type(None), type(...), torch.dtype, torch.Size)


def name_of(func: Callable[..., Any]) -> str:
    """`softmax` for any of torch's ways to it; `device` for the getter of a property."""
    name = getattr(func, "__name__", "") if func is not torch.device else "torch.device"
    if name in ("__get__", "__set__"):
        owner = getattr(func, "__self__", None)
        return getattr(owner, "__name__", "") + ("=" if name == "__set__" else "")
    return name


def _plainly(func: Callable[..., Any], args: tuple, kwargs: dict[str, Any], tensors: list[Tensor]) -> Any:
    """On the CPU; other classes of tensors keep their say."""
    if not any(isinstance(t, PretendTensor) for t in tensors):
        return func(*args, **kwargs)
    with torch._C.DisableTorchFunctionSubclass():
        return func(*args, **kwargs)


def _mapped(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, dict):
        return {k: _mapped(change, v) for k, v in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_mapped(change, v) for v in value)
    return value


def _assert_triggered() -> RuntimeError:
    return RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be asynchronously reported")


def _found_on_the_device(name: str, args: tuple, error: Exception) -> bool:
    """Whether only the kernel sees that the index is out of range; a plain number is looked at before."""
    if not any(word in str(error) for word in ("out of bounds", "out of range", "smaller than num_classes")):
        return False
    if name in ("__getitem__", "__setitem__"):
        parts = args[1] if isinstance(args[1], tuple | list) else (args[1],)
        return any(isinstance(p, Tensor | list) and getattr(p, "ndim", 1) for p in parts)
    return "Dimension out of range" not in str(error)


# What is not simply computed and marked.


def _device(self, func, args, kwargs):
    return PLACE if on_device(args[0]) else func(*args)


def _is_cuda(self, func, args, kwargs):
    return on_device(args[0]) or func(*args)


def _is_cpu(self, func, args, kwargs):
    return not on_device(args[0]) and func(*args)


def _get_device(self, func, args, kwargs):
    return 0 if on_device(args[0]) else func(*args)


def _no_numpy(self, func, args, kwargs):
    if isinstance(args[0], PretendTensor):
        if func.__name__ == "numpy" and kwargs.get("force"):
            return _moved(self, args[0], False).detach().numpy()
        raise TypeError(
            "can't convert cuda:0 device type tensor to numpy. "
            "Use Tensor.cpu() to copy the tensor to host memory first."
        )
    with torch._C.DisableTorchFunctionSubclass():
        return func(*args, **kwargs)


def _moved(self: Device, tensor: Tensor, there: bool, *, copy: bool = False, **options: Any) -> Tensor:
    """A tensor on the device, or off it; itself if it is there already and of that type."""
    if self.broken and (there or on_device(tensor)):
        raise _assert_triggered()
    if not there and on_device(tensor):
        self.counts["waits"] += 1
        self.counts["cpu"] += 1
    options.pop("non_blocking", None)
    with torch._C.DisableTorchFunctionSubclass():
        crosses = on_device(tensor) != there
        out = tensor.to(options.pop("dtype", None) or tensor.dtype, copy=copy or crosses, **options)
    if out is not tensor:
        put(out) if there else take(out)
    return out


def _to(self, func, args, kwargs):
    tensor, rest, options = args[0], list(args[1:]), dict(kwargs)
    there = on_device(tensor)
    if "other" in options:
        rest.insert(0, options.pop("other"))
    if "device" in options:
        rest.insert(0, options.pop("device"))
    if rest and isinstance(rest[0], Tensor) and rest[0].device.type not in ("cpu", "cuda"):
        return _plainly(func, args, kwargs, [tensor])
    if rest and isinstance(rest[0], Tensor):
        there, options["dtype"] = on_device(rest[0]), rest[0].dtype
        rest = rest[1:]
    elif rest and isinstance(rest[0], torch.dtype):
        options["dtype"] = rest.pop(0)
    elif rest:
        wish = rest.pop(0)
        if wish is not None:
            if torch.device(wish).type not in ("cpu", "cuda") if not isinstance(wish, int) else False:
                return _plainly(func, args, kwargs, [tensor])
            there = is_device(wish)
        if rest:
            options["dtype"] = rest.pop(0)
    for name, value in zip(("non_blocking", "copy"), rest, strict=False):
        options[name] = value
    return _moved(self, tensor, there, **options)


def _cuda(self, func, args, kwargs):
    is_device(args[1] if len(args) > 1 else kwargs.get("device"))
    return _moved(self, args[0], True)


def _cpu(self, func, args, kwargs):
    return _moved(self, args[0], False)


def _made(self, func, args, kwargs):
    """torch.tensor and torch.as_tensor: where the data is, if it is a tensor; else on the CPU."""
    data = args[0] if args else kwargs["data"]
    wish = kwargs.get("device")
    options = {k: v for k, v in kwargs.items() if k != "device"}
    if wish is not None and torch.device(wish).type not in ("cpu", "cuda"):
        return func(*args, **kwargs)
    if isinstance(data, Tensor):
        there = on_device(data) if wish is None else is_device(wish)
    else:
        there = is_device(wish)
        self.counts["waits"] += any(map(on_device, tensors_in((data,))))
    if name_of(func) == "as_tensor" and isinstance(data, Tensor):
        return _moved(self, data, there, dtype=options.get("dtype"))
    with torch._C.DisableTorchFunctionSubclass():
        out = func(*args, **options)
        if there and not isinstance(data, Tensor):
            out = out if name_of(func) == "tensor" else out.clone()
    return put(out) if there else take(out)


def _set_data(self, func, args, kwargs):
    target, source = args
    with torch._C.DisableTorchFunctionSubclass():
        func(target, source)
    put(target) if on_device(source) else take(target)


def _set_grad(self, func, args, kwargs):
    target, slope = args
    if isinstance(slope, Tensor) and on_device(slope) != on_device(target):
        raise RuntimeError("assigned grad has data located on a different device")
    with torch._C.DisableTorchFunctionSubclass():
        func(target, slope)


def _set_item(self, func, args, kwargs):
    rules.check_value(args[1], args[0], args[2])
    if on_device(args[0]) or any(map(on_device, tensors_in((args[1],)))):
        return self.run("__setitem__", func, args, kwargs)
    with torch._C.DisableTorchFunctionSubclass():
        return func(*args, **kwargs)


def _iter(self, func, args, kwargs):
    return iter(self.run("unbind", torch.unbind, (args[0], 0), {}))


def _hook(self, func, args, kwargs):
    """The engine hands plain tensors to a hook: mark them."""
    if not on_device(args[0]):
        return func(*args, **kwargs)
    given = args[1]

    @functools.wraps(given)
    def marked(slope):
        with self:
            return given(put(slope))

    with torch._C.DisableTorchFunctionSubclass():
        return func(args[0], marked)


def _text(self, func, args, kwargs):
    if not isinstance(args[0], PretendTensor):
        return func(*args, **kwargs)
    self.counts["waits"] += 1
    with torch._C.DisableTorchFunctionSubclass():
        text = torch._tensor_str._str(take(args[0].detach()))
    text = text[:-1] + ", device='cuda:0')"
    return f"Parameter containing:\n{text}" if isinstance(args[0], torch.nn.Parameter) else text


def _format(self, func, args, kwargs):
    if on_device(args[0]) and args[0].ndim == 0:
        return format(self.run("item", Tensor.item, (args[0],), {}), args[1])
    return func(*args, **kwargs)


def _pinned(self, func, args, kwargs):
    if on_device(args[0]):
        raise RuntimeError("cannot pin 'torch.cuda.FloatTensor' only dense CPU tensors can be pinned")
    self.counts["pin_memory"] += 1
    return args[0].clone()


_OWN: dict[str, Callable[..., Any]] = {
    "device": _device, "is_cuda": _is_cuda, "is_cpu": _is_cpu, "get_device": _get_device,
    "numpy": _no_numpy, "__array__": _no_numpy, "to": _to, "cuda": _cuda, "cpu": _cpu,
    "tensor": _made, "as_tensor": _made, "data=": _set_data, "grad=": _set_grad, "__setitem__": _set_item,
    "__iter__": _iter, "register_hook": _hook, "__repr__": _text, "__str__": _text,
    "pin_memory": _pinned, "__format__": _format,
}  # fmt: skip


@contextmanager
def pretend_cuda(*, tf32: bool = False) -> Iterator[Device]:
    """A machine with one GPU, for as long as the context lasts."""
    device = Device(tf32=tf32)
    with ExitStack() as stack:
        for name, stand_in in _cuda_functions(device).items():
            stack.enter_context(patch.object(torch.cuda, name, stand_in, create=True))
        stack.enter_context(patch.object(torch, "Generator", _Generator))
        stack.enter_context(patch.object(torch.amp.autocast_mode.autocast, "__init__", _autocast_init(device)))
        for name in ("__enter__", "__exit__"):
            made = _autocast_border(device, name)
            stack.enter_context(patch.object(torch.amp.autocast_mode.autocast, name, made))
        optimizers = sys.modules["torch.optim.optimizer"]
        kinds = [*optimizers._foreach_supported_types, PretendTensor, PretendParameter]
        stack.enter_context(patch.object(optimizers, "_foreach_supported_types", kinds))
        transforms = sys.modules["torch._functorch.eager_transforms"]
        unwrap = _unwrap(transforms._unwrap_for_grad)
        stack.enter_context(patch.object(transforms, "_unwrap_for_grad", unwrap))
        tf32_before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        _current.append(device)
        try:
            with device:
                yield device
        finally:
            _current.pop()
            torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32_before


def _unwrap(original: Callable[..., Any]) -> Callable[..., Any]:
    """What comes out of torch.func's transforms is where it was inside."""

    def unwrap(value: Tensor, level: int) -> Tensor:
        out = original(value, level)
        return put(out) if on_device(value) else out

    return unwrap


def _cuda_functions(device: Device) -> dict[str, Any]:
    count = device.count
    return {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "_lazy_init": lambda: None,
        "_is_in_bad_fork": lambda: False,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda *_: "a pretend GPU",
        "get_device_capability": lambda *_: (8, 0),
        "is_bf16_supported": lambda *_, **__: True,
        "is_current_stream_capturing": lambda: False,
        "synchronize": count("synchronize"),
        "empty_cache": count("empty_cache"),
        "reset_peak_memory_stats": count("reset_peak_memory_stats"),
        "max_memory_allocated": count("max_memory_allocated", 0),
        "memory_allocated": count("memory_allocated", 0),
        "max_memory_reserved": count("max_memory_reserved", 0),
        "memory_reserved": count("memory_reserved", 0),
        "manual_seed": device.seed,
        "manual_seed_all": device.seed,
        "get_rng_state": device.state,
        "set_rng_state": device.set_state,
    }


def _autocast_init(device: Device) -> Callable[..., None]:
    """CUDA's autocast is the CPU's, with CUDA's list of operations in float32."""
    original = torch.amp.autocast_mode.autocast.__init__

    def init(self, device_type, dtype=None, enabled=True, cache_enabled=None):
        self.pretend = device_type == "cuda" and enabled
        if device_type == "cuda":
            device_type, dtype = "cpu", dtype or torch.float16
        original(self, device_type, dtype, enabled, cache_enabled)

    return init


def _autocast_border(device: Device, name: str) -> Callable[..., Any]:
    original = getattr(torch.amp.autocast_mode.autocast, name)

    def border(self, *args):
        device.autocast += self.pretend * (1 if name == "__enter__" else -1)
        return original(self, *args)

    return border
