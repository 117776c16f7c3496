"""Lesson 05, blank page: multi-head attention from an empty cell, with layers of any name and layout.

The probe fills the module's matrices, in the order in which they are registered, with the rows of one drawn matrix.
Which rows then act as queries, keys, values and projection depends on how the student laid the layers out. The
instructor's reference holds the output of every layout that can be meant, so the judge accepts each of them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from helpers.checks import Case, Criterion, Finding, Question, same, same_shape, tensor

_NOTHING = np.zeros(0)
_LIBRARIES = frozenset({"torch", "torchvision", "timm", "transformers"})


class AttentionFromMemory(Question):
    id = "Q5d"
    title = "Multi-head attention from an empty cell"
    signature = "SelfAttention(emb_size, num_heads); forward(x, mask=None): (b, n, emb_size) -> (b, n, emb_size)"
    needs_gradients = True
    criteria = (
        Criterion(
            "shape",
            "as many tokens out as in, and of the same width",
            share=0,
            hint="Compare the two shapes above, axis by axis: b, n, emb_size.",
        ),
        Criterion(
            "one",
            "one head: scaled scores, softmax over the keys, weighted values, projection",
            share=2,
            hint="The module was made with one head, and known numbers were put into its matrices. "
            "Compute one row of the attention weights by hand, and check its scale and its sum.",
        ),
        Criterion(
            "heads",
            "several heads: each on its own slice of the width, joined in order",
            share=2,
            hint="One head is right and several are not. Compare the axes before and after you split the width, and "
            "before you join the heads.",
        ),
        Criterion(
            "mask",
            "where the mask is False a key gets no weight",
            hint="A forbidden key must get weight 0, and the weights of the others must still add up to 1.",
        ),
        Criterion(
            "gradient",
            "gradients flow from the output to the input",
            hint="The outputs may be right while the backward pass is not: look for .detach(), .item(), .data or "
            "torch.no_grad().",
        ),
    )

    def cases(self, rng: np.random.Generator) -> Iterable[Case]:
        yield _case(rng, ("shape", "one", "gradient"), b=2, n=int(rng.integers(3, 6)), emb_size=4, num_heads=1)
        for h, d in ((2, 3), (3, 2)):
            n = int(rng.integers(4, 7))
            yield _case(rng, ("shape", "heads", "gradient"), b=2, n=n, emb_size=h * d, num_heads=h)
        n = int(rng.integers(4, 7))
        mask = rng.random((n, n)) < 0.5
        mask[np.arange(n), rng.permutation(n)] = True
        mask[np.arange(n), (np.arange(n) + 1) % n] = False
        mask[~mask.any(1), 0] = True
        yield _case(rng, ("mask",), b=2, n=n, emb_size=4, num_heads=2, mask=mask)

    def probe(self, answer, case):
        import torch

        from helpers.device import device

        model = answer(case["emb_size"], case["num_heads"])
        if not isinstance(model, torch.nn.Module):
            raise TypeError(f"an nn.Module was expected, and {type(model).__name__} came back")
        if library := _from_a_library(model):
            raise TypeError(f"{library} is the answer itself: write it from layers and functions")
        model.to(device()).eval()
        _fill(model, case["rows"])
        x = tensor(case["x"]).clone().requires_grad_()
        out = model(x, mask=tensor(case["mask"])) if "mask" in case else model(x)
        record = {"out": out}
        if case.covers("gradient") and out.shape == x.shape and out.requires_grad:
            (slope,) = torch.autograd.grad((out * tensor(case["aim"])).sum(), x, allow_unused=True)
            record |= {} if slope is None else {"slope": slope}
        return record

    def judge(self, case, expected, got):
        given = got.get("out", _NOTHING)
        if case.covers("shape"):
            yield same_shape("shape", expected["out"], given)
        way = _nearest(expected["ways"], given)
        for criterion in ("one", "heads", "mask"):
            if case.covers(criterion):
                yield same(criterion, expected["ways"][way], given, got.tolerance, what="numbers")
        if case.covers("gradient"):
            slope = got.get("slope", _NOTHING)
            if slope.size == 0:
                yield Finding("gradient", False, "no gradient reaches the input")
            else:
                yield same("gradient", expected["slopes"][way], slope, max(got.tolerance, 1e-4), what="slopes")


QUESTIONS = (AttentionFromMemory(),)


def _case(rng: np.random.Generator, criteria: tuple[str, ...], *, b: int, n: int, emb_size: int, **more) -> Case:
    h = more["num_heads"]
    name = f"{n} tokens of width {emb_size}, {h} head{'s' if h > 1 else ''}" + (", a mask" if "mask" in more else "")
    rows = rng.normal(0, 1.3 / np.sqrt(emb_size), (4 * emb_size, emb_size)).astype(np.float32)
    x, aim = rng.normal(size=(2, b, n, emb_size)).astype(np.float32)
    return Case(name, criteria=criteria, x=x, aim=aim, rows=rows, emb_size=emb_size, **more)


def _fill(model, rows: np.ndarray) -> None:
    """Put the rows into the module's matrices in the order of registration, and zeros into its vectors.

    Raises:
        ValueError: the matrices are not those of queries, keys, values and a projection.
    """
    import torch

    d = rows.shape[1]
    matrices = [(name, p) for name, p in model.named_parameters() if p.ndim == 2 or (p.ndim > 2 and p.numel() > d)]
    total = sum(p.numel() for _, p in matrices)
    if total != rows.size or any(p.numel() % d for _, p in matrices):
        found = ", ".join(f"{name} {tuple(p.shape)}" for name, p in matrices) or "none"
        raise ValueError(
            f"matrices with {rows.size} numbers in all were expected, for queries, keys, values and a projection of "
            f"width {d}; found {found}"
        )
    start = 0
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not any(name == known for known, _ in matrices):
                parameter.zero_()
                continue
            part = rows[start : start + parameter.numel() // d]
            start += len(part)
            wide = parameter.ndim == 2 and parameter.shape[0] == d != parameter.shape[1]  # used as x @ W
            parameter.copy_(tensor(np.ascontiguousarray(part.T if wide else part)).reshape(parameter.shape))


def _from_a_library(model) -> str:
    """The name of an attention module of a library that the answer is, inherits from or holds; "" where it has none."""
    bases = [base for part in model.modules() for base in type(part).__mro__]
    found = (b for b in bases if "attention" in b.__name__.lower() and b.__module__.partition(".")[0] in _LIBRARIES)
    return next((f"{base.__module__.partition('.')[0]}'s {base.__name__}" for base in found), "")


def _nearest(ways: np.ndarray, given: np.ndarray) -> int:
    """The layout whose output is nearest to what was given."""
    if given.shape != ways.shape[1:] or not np.isfinite(given).all():
        return 0
    return int(np.abs(ways - given).reshape(len(ways), -1).max(1).argmin())
