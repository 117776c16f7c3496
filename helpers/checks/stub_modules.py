"""Known parts in the place of an answer's own, so that a whole model is judged by its assembly alone.

A model is put together from parts of earlier lessons, which may be the student's, the solution's or stand-ins. While
it is probed, the names it looks them up by stand for the parts below. They are no answer to any question: the
embedding squeezes its patches through a tanh, the block bends by a sine and norms nothing.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from helpers.checks.placed_weights import put


class Log(list[tuple[str, tuple[float, ...]]]):
    """What happened to the known parts: ("embedding", sizes), ("block", sizes), and ("called", (number,)).

    Attributes:
        seed: of the parts' weights, which are drawn when a part is called for the first time, in the order of calls.
        parts: of the present model, in the order of their first calls.
        stream: the tokens that each call of a block got and gave, in the order of calls.
    """

    seed = 0

    def __init__(self) -> None:
        super().__init__()
        self.start(0)

    def start(self, seed: int) -> None:
        """A new model begins, with weights from `seed`."""
        self.seed, self.parts, self.stream = seed, list[Any](), list[Any]()

    def of(self, what: str) -> list[tuple[float, ...]]:
        return [numbers for kind, numbers in self if kind == what]

    def meet(self, part: Any) -> None:
        """At a part's first call, draw its weights."""
        if not any(part is known for known in self.parts):
            rng = np.random.default_rng([self.seed, len(self.parts)])
            for parameter in part.parameters():
                size = 0.3 if parameter.ndim < 2 else float(parameter[0].numel()) ** -0.5
                put(parameter, rng.normal(0, size, tuple(parameter.shape)).astype(np.float32))
            self.parts.append(part)


@contextmanager
def known_parts(answer: Any) -> Iterator[Log]:
    """PatchEmbedding and TransformerEncoderBlock are known ones inside, wherever `answer` looks them up by name."""
    log = Log()
    new = _parts()
    for part in new.values():
        part.log = log
    old = [
        (namespace, name, namespace[name]) for namespace in namespaces_of(answer) for name in new if name in namespace
    ]
    for namespace, name, _ in old:
        namespace[name] = new[name]
    try:
        yield log
    finally:
        for namespace, name, part in old:
            namespace[name] = part


def namespaces_of(answer: Any) -> list[dict[str, Any]]:
    """The global names of every Python function that an answer is made of, each dictionary once."""
    makers = [answer, getattr(answer, "func", None)]
    for one in list(makers):
        for kind in getattr(one, "__mro__", ()):
            makers += [getattr(member, "__func__", member) for member in vars(kind).values()]
    namespaces: dict[int, dict[str, Any]] = {}
    for maker in makers:
        if callable(maker):
            namespace = getattr(inspect.unwrap(maker), "__globals__", None)
            if isinstance(namespace, dict):
                namespaces[id(namespace)] = namespace
    return list(namespaces.values())


@lru_cache(maxsize=1)
def _parts() -> dict[str, Any]:
    import torch
    import torch.nn.functional as F
    from torch import nn

    class PatchEmbedding(nn.Module):
        log: Log

        def __init__(self, in_channels=3, patch_size=8, emb_size=64, img_size=32, *_: Any, **__: Any) -> None:
            super().__init__()
            self.log.append(("embedding", (in_channels, patch_size, emb_size, img_size)))
            self.side = patch_size
            self.look = nn.Linear(in_channels * patch_size**2, emb_size)
            self.where = nn.Parameter(torch.randn(1 + (img_size // patch_size) ** 2, emb_size))

        def forward(self, x):
            self.log.meet(self)
            pieces = F.unfold(x, self.side, stride=self.side).mT
            return F.pad(torch.tanh(self.look(pieces)), (0, 0, 1, 0)) + self.where

    class TransformerEncoderBlock(nn.Module):
        log: Log

        def __init__(self, emb_size=64, num_heads=4, expansion=4, drop_p=0.0, forward_drop_p=0.0, **_: Any) -> None:
            super().__init__()
            self.log.append(("block", (emb_size, num_heads, expansion, drop_p, forward_drop_p)))
            self.talk = nn.MultiheadAttention(emb_size, num_heads, batch_first=True)
            broad = expansion * emb_size
            self.wide, self.narrow = nn.Linear(emb_size, broad), nn.Linear(broad, emb_size)
            self.rates = drop_p, forward_drop_p

        def forward(self, x, **_: Any):
            self.log.meet(self)
            number = next(k for k, part in enumerate(self.log.parts) if part is self)
            self.log.append(("called", (number,)))
            (drop, inner), given = self.rates, x
            heard, _weights = self.talk(x, x, x, need_weights=False)
            x = 1.5 * x + F.dropout(heard, drop, self.training)
            bent = F.dropout(torch.sin(self.wide(x)), inner, self.training)
            out = x + F.dropout(self.narrow(bent), drop, self.training)
            self.log.stream += [given, out]
            return out

    return {"PatchEmbedding": PatchEmbedding, "TransformerEncoderBlock": TransformerEncoderBlock}
