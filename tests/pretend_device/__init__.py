"""A pretend GPU: computes on the CPU, and breaks programs where CUDA breaks them.

    with pretend_cuda() as device:
        torch.ones(3, device="cuda") + torch.ones(3)      # RuntimeError: Expected all tensors to be on the same device…

Inside, `torch.cuda.is_available()` is true and `helpers.device.device()` is `cuda`. A tensor "on" the device is an
ordinary CPU tensor of the class PretendTensor, and autograd is the CPU's own; a TorchFunctionMode sees every call of
torch's interface, asks whether CUDA would allow it, lets the CPU do it, and marks what comes out.

What it imitates: which tensors may meet (`rules`), what leaves the device only through `.cpu()` (numpy, safetensors),
where factories put tensors, generators and random streams of their own, modules and optimizers that move, autocast's
choice of types, products of integers (CUDA has none), an index out of range (no IndexError: a device-side assert, after
which nothing on the device works any more), and, when asked, TF32: 10 bits of mantissa in convolutions, and in matrix
products where `torch.backends` allows them (`rounding`). It counts waits for the device (`.item()`, `.cpu()`, …).

What it does not: speed; memory and its limits; errors that come late (a real assert is reported by some later call);
the order of a GPU's sums, so its last bits; nondeterministic kernels; CUDA's rounding in bfloat16 (the CPU's instead);
TF32 in the backward pass; most of the operations that CUDA lacks; more than one GPU; streams and events; torch.compile.
Why no wrapper under `__torch_dispatch__`: torch names no backend written in Python `cuda` (PrivateUse1 may not take
a name in the tree), and the autograd of a build without CUDA refuses tensors whose device is one.
"""

from tests.pretend_device.device import Device, pretend_cuda
from tests.pretend_device.tensors import PretendTensor

__all__ = ["Device", "PretendTensor", "pretend_cuda"]
