"""Attention weights of a model, whoever wrote it, without touching it.

with record_attention(model) as attention:
    model(images)
attention[0]        # first layer: (b, heads, n, n)

Seen are torch's own attention (`nn.MultiheadAttention` and all that is built on it), the fused
`F.scaled_dot_product_attention`, and a softmax over a square of (…, n, n) that the model takes by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_SOFTMAX = (torch.softmax, F.softmax, Tensor.softmax, torch.special.softmax)


class NoAttention(RuntimeError):
    """Nothing that looks like attention happened inside."""


@contextmanager
def record_attention(model: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the attention weights of every layer that runs inside: (b, heads, n, n), in the order they run.

    The model is in eval mode inside, and without gradients.

    Raises:
        NoAttention: a forward pass ended, and no attention was seen; the message says what is looked for.
    """
    found: list[Tensor] = []
    modes = [(module, module.training) for module in model.modules()]
    model.train(False)
    try:
        with torch.no_grad(), _Recorder(found) as recorder:
            yield found
    finally:
        for module, mode in modes:
            module.training = mode
    if recorder.calls and not found:
        raise NoAttention(
            f"{type(model).__name__} ran, and no attention was seen in it. It is looked for in torch's own attention, "
            "and in softmax over the last axis of square scores (…, n, n). One written with exp and a sum, or run "
            "through torch.compile, stays unseen."
        )
    _join_heads(found)


class _Recorder(TorchFunctionMode):
    def __init__(self, found: list[Tensor]) -> None:
        super().__init__()
        self.found, self.calls = found, 0

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self.calls += 1
        if func is F.multi_head_attention_forward:
            return self._whole(func, args, kwargs)
        if func is F.scaled_dot_product_attention:
            self._keep(_fused(*args, **kwargs))
            return func(*args, **kwargs)
        out = func(*args, **kwargs)
        if func in _SOFTMAX and isinstance(out, Tensor) and _square(out) and _last(out, args, kwargs):
            self._keep(out)
        return out

    def _whole(self, func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
        wanted, average = kwargs.get("need_weights", True), kwargs.get("average_attn_weights", True)
        out, weights = func(*args, **{**kwargs, "need_weights": True, "average_attn_weights": False})
        self._keep(weights)
        if not wanted:
            return out, None
        return out, weights.mean(dim=-3) if average else weights

    def _keep(self, weights: Tensor) -> None:
        if _square(weights):
            self.found.append(weights.detach())


def _square(weights: Tensor) -> bool:
    return weights.ndim >= 3 and weights.shape[-1] == weights.shape[-2] > 1


def _last(out: Tensor, args: tuple, kwargs: dict[str, Any]) -> bool:
    dim = kwargs.get("dim", args[1] if len(args) > 1 else -1)
    return dim in (-1, out.ndim - 1)


def _fused(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """The weights that the fused attention takes and doesn't show."""
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = torch.matmul(query, key.mT) * factor
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, float("-inf")) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1)


def _join_heads(found: list[Tensor]) -> None:
    """Heads that were taken one by one, each (b, n, n), become one layer when only such were seen."""
    for i, weights in enumerate(found):
        if weights.ndim == 3:
            found[i] = weights[:, None]
        elif weights.ndim > 4:
            found[i] = weights.flatten(1, -3)


def by_layer(found: list[Tensor], layers: int) -> Tensor:
    """(layers, b, heads, n, n) of recorded weights; heads that ran one by one are put side by side.

    Raises:
        ValueError: the number of recorded maps doesn't fit `layers`.
    """
    each, rest = divmod(len(found), layers)
    if rest or not each:
        raise ValueError(f"{len(found)} attention maps were recorded, which can't be shared out among {layers} layers.")
    return torch.stack([torch.cat(found[i * each : (i + 1) * each], dim=1) for i in range(layers)])
