"""Lesson 06, blank page: the pre-norm encoder block from an empty cell, with layers of any name and layout.

The judge compares outputs and gradients under drawn weights. Where an answer keeps its weights is found by behaviour
(`helpers.checks.layouts`), so names, fused layers and the order of registration are free.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from helpers.checks import Case
from helpers.checks.given_parts import given_parts
from helpers.questions.encoder_layers import EncoderBlockQuestion, placed

EARLIER = ("ResidualAdd", "FeedForwardBlock", "TransformerEncoderBlock")
_LIBRARIES = ("timm", "torchvision", "transformers")


class BlockFromMemory(EncoderBlockQuestion):
    id = "Q7d"
    title = "The encoder block from an empty cell"
    signature = "EncoderBlock(emb_size, num_heads, expansion); forward(x): (b, n, emb_size) -> (b, n, emb_size)"
    criteria = tuple(c for c in EncoderBlockQuestion.criteria if c.id not in ("dropout", "defaults"))

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        for case in super().cases(rng):
            if "emb_size" in case and "many" not in case:
                yield case

    def probe(self, answer, case):
        with given_parts(answer, dict.fromkeys(EARLIER, _refused)):
            make = _by_position(answer)
            record = placed(make, case)
            if case.covers("order"):
                record["bent"] = placed(make, case, near=True)["out"]
            return record


QUESTIONS = (BlockFromMemory(),)


def _refused(*_: Any, **__: Any) -> None:
    raise TypeError(f"write this part in the cell itself, without {', '.join(EARLIER)} from the cells above")


_latest: tuple[Any, Callable[..., Any]] = (None, _refused)


def _by_position(answer: Callable[..., Any]) -> Callable[..., Any]:
    """The answer, called by position, and refused where it is a library's finished block; one object per answer."""
    global _latest

    def make(emb_size: int, num_heads: int, expansion: int) -> Any:
        import torch

        model = answer(emb_size, num_heads, expansion)
        for part in model.modules() if isinstance(model, torch.nn.Module) else ():
            library = type(part).__module__.partition(".")[0] in _LIBRARIES
            if library or isinstance(part, torch.nn.TransformerEncoderLayer):
                raise TypeError(f"{type(part).__name__} is a finished block: write it from layers and functions")
        return model

    if _latest[0] is not answer:
        _latest = (answer, make)
    return _latest[1]
