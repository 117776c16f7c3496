"""Lesson 08, stretch: DeiT's distillation token around blocks that the check provides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor

_NOTHING = np.zeros(0)
_PARTS = ("dist_token", "head.weight", "head.bias", "head_dist.weight", "head_dist.bias")


class DistillationToken(Question):
    id = "Q14c"
    title = "The distillation token"
    signature = "DistilledEncoder(blocks, emb_size, n_classes); forward(tokens): (b, n + 1, emb_size) -> logits"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape", "logits (b, n_classes)", share=0,
            hint="In training mode two tensors (b, n_classes) are expected, in evaluation mode one.",
        ),
        Criterion(
            "training", "in training mode the logits of class token and distillation token, in this order", share=2,
            hint="The two logits of training mode are compared with the solution's, with the same weights.",
        ),
        Criterion(
            "evaluation", "in evaluation mode their mean",
            hint="The output of evaluation mode is compared with the solution's, with the same weights.",
        ),
        Criterion(
            "learns", "gradients reach the token, both heads, the blocks and the input",
            hint="The gradients with respect to the parameters and the tokens are compared with the solution's.",
        ),
    )  # fmt: skip

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        b, n, d = int(rng.integers(2, 4)), int(rng.integers(3, 6)), int(rng.integers(4, 7))
        yield _case(rng, ("shape", "training", "learns"), b=b, n=n, d=d, k=int(rng.integers(3, 5)))
        yield _case(rng, ("shape", "evaluation"), b=5 - b, n=n + 1, d=d + 1, k=5)

    def probe(self, answer, case):
        import torch

        from helpers.device import device

        blocks = _blocks(case).to(device())
        model = answer(blocks, case["emb_size"], case["n_classes"])
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"an nn.Module was expected, and {type(model).__name__} came back")
        model.to(device())
        named = dict(model.named_parameters())
        missing = [name for name in _PARTS if name not in named]
        if missing:
            raise AttributeError(f"the model has no parameter {missing[0]!r}; there are {', '.join(named) or 'none'}")
        with torch.no_grad():
            for name in _PARTS:
                named[name].copy_(tensor(case[name]).reshape(named[name].shape))
        training = not case.covers("evaluation")
        model.train(training)
        tokens = tensor(case["tokens"]).clone().requires_grad_()
        out = model(tokens)
        both = list(out) if isinstance(out, tuple | list) else [out]
        record: dict[str, Any] = {"count": len(both)}
        record |= {f"out {i}": one for i, one in enumerate(both[:2])}
        if not case.covers("learns"):
            return record
        aims = tensor(case["aims"])
        terms = [(one * aim).sum() for one, aim in zip(both, aims, strict=False) if one.shape == aim.shape]
        if len(terms) == 2 and all(term.requires_grad for term in terms):
            wanted = {"tokens": tokens, "blocks": blocks[1].weight} | {name: named[name] for name in _PARTS}
            found = torch.autograd.grad(sum(terms), list(wanted.values()), allow_unused=True)
            for (name, parameter), g in zip(wanted.items(), found, strict=True):
                record[f"grad {name}"] = (torch.zeros_like(parameter) if g is None else g).reshape(-1)
        return record

    def judge(self, case, expected, got):
        outs = [name for name in expected if name.startswith("out")]
        count = int(np.ravel(got["count"])[0]) if np.size(got["count"]) else 0
        if count != len(outs):
            says = f"expected {len(outs)} tensor{'s' if len(outs) > 1 else ''}, got {count}"
            yield from (Finding(c.id, False, says) for c in self.criteria)
            return
        for name in outs:
            yield same_shape("shape", expected[name], got.get(name, _NOTHING))
            criterion = "evaluation" if case.covers("evaluation") else "training"
            yield same(criterion, expected[name], got.get(name, _NOTHING), got.tolerance, what="logits")
        if case.covers("learns"):
            room = max(got.tolerance, 1e-4)
            slopes = [name for name in expected if name.startswith("grad")]
            found = [same("learns", expected[k], got.get(k, _NOTHING), room, what="gradients") for k in slopes]
            yield next((f for f in found if not f.ok), Finding("learns", True))


QUESTIONS = (DistillationToken(),)


def _case(rng: np.random.Generator, criteria: tuple[str, ...], *, b: int, n: int, d: int, k: int) -> Case:
    arrays: dict[str, Any] = {
        "dist_token": rng.normal(0, 1, d), "head.weight": rng.normal(0, 1, (k, d)), "head.bias": rng.normal(0, 1, k),
        "head_dist.weight": rng.normal(0, 1, (k, d)), "head_dist.bias": rng.normal(0, 1, k),
        "mixing": rng.normal(0, 0.6, (d, d)), "tokens": rng.normal(0, 1, (b, n + 1, d)),
        "aims": rng.normal(0, 1, (2, b, k)),
    }  # fmt: skip
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    name = f"{b} images, {n} patches, width {d}, {k} classes"
    return Case(name, criteria=criteria, emb_size=d, n_classes=k, **arrays)


def _blocks(case: Case) -> Any:
    """Two layers in which tokens interact and their order matters: a running sum, then a linear layer with a tanh."""
    import torch
    from torch import nn

    class RunningMean(nn.Module):
        def forward(self, x: Any) -> Any:
            return x + x.flip(1).cumsum(1).flip(1) / x.shape[1]

    layer = nn.Linear(case["emb_size"], case["emb_size"], bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(case["mixing"]))
    return nn.Sequential(RunningMean(), layer, nn.Tanh())
