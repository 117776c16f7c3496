"""Recurrence, convolution and attention as layers over a sequence, and four measurements of each (lesson 00)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from helpers.plots import curves, figure, show


class Recurrence(nn.Module):
    """(b, n, d) -> (b, n, d): each state is computed from the state before it and one token."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.cell = nn.RNNCell(d, d)

    def forward(self, x: Tensor) -> Tensor:
        state, states = torch.zeros_like(x[:, 0]), []
        for token in x.unbind(1):
            state = self.cell(token, state)
            states.append(state)
        return torch.stack(states, 1)


class Convolution(nn.Module):
    """(b, n, d) -> (b, n, d): kernel 3 along the sequence."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(d, d, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.mT).mT


class Attention(nn.Module):
    """(b, n, d) -> (b, n, d): self-attention with 4 heads; without `keep_weights` by PyTorch's fused kernel."""

    def __init__(self, d: int, keep_weights: bool = True) -> None:
        super().__init__()
        self.attention, self.keep_weights = nn.MultiheadAttention(d, 4, batch_first=True), keep_weights

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=self.keep_weights)[0]


LAYERS: dict[str, Callable[[int], nn.Module]] = {
    "recurrence": Recurrence,
    "convolution": Convolution,
    "attention": Attention,
}


def dependence(layer: nn.Module, n: int, d: int = 16) -> Tensor:
    """(n, n): norm of the gradient of output i with respect to input j, on random tokens."""
    x = torch.randn(1, n, d, requires_grad=True)
    out = layer(x)
    rows = [torch.autograd.grad(out[0, i].sum(), x, retain_graph=True)[0][0].norm(dim=-1) for i in range(n)]
    return torch.stack(rows)


def sequential_operations(out: Tensor) -> int:
    """Length of the longest chain in the autograd graph of `out`, in which each operation needs the one before."""
    longest: dict[Any, int] = {}
    todo: list[Any] = [out.grad_fn]
    while todo:
        before = [node for node, _ in todo[-1].next_functions if node is not None]
        unknown = [node for node in before if node not in longest]
        if unknown:
            todo += unknown
        else:
            longest[todo[-1]] = 1 + max((longest[node] for node in before), default=0)
            todo.pop()
    return longest[out.grad_fn]


def layers_to_connect(make: Callable[[int], nn.Module], n: int, d: int = 4) -> float:
    """How many layers it takes until the last output depends on the first token (its gradient is not zero)."""
    torch.manual_seed(0)
    x = torch.randn(1, n, d, dtype=torch.float64, requires_grad=True)
    out, layers = x, 0
    while layers < 2 * n:
        out, layers = make(d).double()(out), layers + 1
        (gradient,) = torch.autograd.grad(out[0, -1].sum(), x, retain_graph=True)
        if gradient[0, 0].any():
            return layers
    return math.nan


def bytes_saved(layer: nn.Module, x: Tensor) -> int:
    """Bytes that the forward pass stores for the backward pass, weights apart."""
    weights = {p.untyped_storage().data_ptr() for p in layer.parameters()}
    saved = {}

    def pack(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = layer(x)
    del out
    return sum(size for place, size in saved.items() if place not in weights)


def milliseconds(layer: nn.Module, x: Tensor, runs: int = 3) -> float:
    """Best time of a forward and backward pass."""
    seconds = []
    for _ in range(runs + 1):  # the first one warms up
        start = time.perf_counter()
        layer(x).sum().backward()
        assert x.grad is not None
        x.grad.sum().item()  # waits for the device
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds[1:])


def measure(device: torch.device | str) -> dict[str, dict[str, list[float]]]:
    """All four measurements by name and layer, and draws them as four charts on logarithmic axes."""
    short, long = [4, 8, 16, 32, 64], [16, 32, 64, 128, 256, 512, 1024]
    found: dict[str, dict[str, list[float]]] = {name: {} for name in ("operations", "layers", "memory", "time")}
    for name, make in LAYERS.items():
        found["operations"][name] = [sequential_operations(make(16)(torch.randn(1, n, 16))) for n in short]
        found["layers"][name] = [layers_to_connect(make, n) for n in short]
    fused: dict[str, Callable[[int], nn.Module]] = {"fused attention": lambda d: Attention(d, keep_weights=False)}
    for name, make in (LAYERS | fused).items():
        layer = make(64).to(device)
        inputs = [torch.randn(1, n, 64, device=device, requires_grad=True) for n in long]
        found["memory"][name] = [bytes_saved(layer, x) / 2**20 for x in inputs]
        found["time"][name] = [milliseconds(layer, x) for x in inputs]
    titles = {
        "operations": "sequential operations of one layer",
        "layers": "layers until the ends are connected",
        "memory": "memory saved for the backward pass, MiB",
        "time": "time, forward + backward, ms",
    }
    fig, axes = figure(5.6, rows=2, columns=2)
    for ax, (kind, title) in zip(axes.flat, titles.items(), strict=True):
        lengths = short if kind in ("operations", "layers") else long
        curves(lengths, found[kind], title=title, xlabel="tokens", logx=True, logy=True, ax=ax, height=2.6)
        ticks = lengths if len(lengths) < 6 else lengths[::2]
        ax.set_xticks(ticks, ticks)
        ax.minorticks_off()
    show(
        fig,
        alt="Four charts on log scales. Sequential operations grow for recurrence only, layers for convolution "
        "only, memory steepest for attention.",
    )
    return found


def draw_fading(n: int = 48) -> Mapping[str, Tensor]:
    """Draw, and return by layer, how strongly the last output depends on each of n tokens, the strongest being 1."""
    torch.manual_seed(0)
    deep = nn.Sequential(*[nn.Sequential(Convolution(16), nn.Tanh()) for _ in range(n - 1)])
    chains = {"recurrence": Recurrence(16), f"{n - 1} convolutions": deep, "attention": Attention(16)}
    fades = {}
    for name, layer in chains.items():
        x = torch.randn(1, n, 16, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(layer.double()(x)[0, -1].sum(), x)
        strength = gradient[0].norm(dim=-1)
        fades[name] = strength / strength.max()
    fig, ax = figure(2.6)
    curves(range(n), fades, xlabel="token", ylabel="gradient of the last output", logy=True, ax=ax)
    ax.set_ylim(1e-20, 10)
    show(fig, alt="Gradient of the last output by token: level for attention, fading for recurrence and convolutions.")
    return fades
